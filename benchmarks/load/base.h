/* What the load client stands on: a clock, digits, a histogram, its options, how it gives up.
 *
 * A histogram keeps microseconds in buckets of 1/32 of a power of two, so a percentile is right to
 * about 3 %, and recording is a few instructions: the client has to take millions a second.
 */
#ifndef BASE_H
#define BASE_H

#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

struct options {
    const char *mode;      /* run, idle, resume, stall */
    int port;              /* where subscribers connect */
    int pub_port;          /* where publishers connect; 0: the same */
    const char *wire;      /* ws, sse, poll */
    const char *dialect;   /* plain, socketio, nchan */
    int subs;              /* subscribing connections, spread over the channels */
    int channels;
    const char *target;    /* what a subscriber asks for; {c} is its channel */
    const char *since;     /* the same with a position, {s} */
    const char *pub;       /* http, ws */
    int pubs;              /* publishing connections */
    int depth;             /* publishes in flight on each (ws); by http it is one */
    const char *pub_target;
    const char *pub_body;  /* {c} is the channel, {d} the data */
    int size;              /* bytes of data */
    double rate;           /* publishes a second in all; 0: flat out */
    double warm, seconds;  /* before the window, and the window */
    double limit;          /* the longest that a phase may take */
    double hold;           /* seconds to stay (idle) */
    int behind, base;      /* resume: messages missed; base 1: a first one gives the position */
    long count;            /* stall: messages to publish */
    int stalled;           /* stall: 1: subscribers do not read meanwhile */
};

static struct options opt = {
    .mode = "run", .wire = "ws", .dialect = "plain", .subs = 0, .channels = 1,
    .target = "/ws?channel={c}", .since = "", .pub = "http", .pubs = 0, .depth = 1,
    .pub_target = "/publish", .pub_body = "{d}", .size = 120, .warm = 0.5, .seconds = 2,
    .limit = 20, .hold = 2, .behind = 50, .base = 1, .count = 1000, .stalled = 1,
};

static void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(1);
}

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

/* CPU seconds that this process has used: its own share of its core is part of every result. */
static double own_cpu(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec +
           (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

/* Eight decimal digits at once (little-endian machines). */
static inline uint64_t parse8(const char *digits) {
    uint64_t v;
    memcpy(&v, digits, 8);
    v = (v & 0x0F0F0F0F0F0F0F0FULL) * 2561 >> 8;
    v = (v & 0x00FF00FF00FF00FFULL) * 6553601 >> 16;
    return (v & 0x0000FFFF0000FFFFULL) * 42949672960001ULL >> 32;
}

static inline void put8(char *to, uint32_t value) {
    for (int i = 7; i >= 0; i--) {
        to[i] = (char)('0' + value % 10);
        value /= 10;
    }
}

struct histogram {
    uint64_t buckets[64 * 32];
    uint64_t count, max;
};

static inline void record_us(struct histogram *h, uint64_t us) {
    unsigned index;
    if (us < 32) {
        index = (unsigned)us;
    } else {
        unsigned top = 63u - (unsigned)__builtin_clzll(us);
        index = (top - 4) * 32 + (unsigned)((us >> (top - 5)) & 31);
    }
    h->buckets[index]++;
    h->count++;
    if (us > h->max) h->max = us;
}

static uint64_t percentile(const struct histogram *h, double part) {
    uint64_t wanted = (uint64_t)(part * (double)h->count), seen = 0;
    for (unsigned i = 0; i < 64 * 32; i++) {
        seen += h->buckets[i];
        if (h->buckets[i] && seen > wanted) {
            if (i < 32) return i;
            return (uint64_t)(32 + i % 32) << (i / 32 - 1);
        }
    }
    return h->max;
}

/* Milestones for the runner, one line each: it samples the server's CPU and memory there. */
static void say(const char *event) {
    printf("{\"event\":\"%s\"}\n", event);
    fflush(stdout);
}

#endif
