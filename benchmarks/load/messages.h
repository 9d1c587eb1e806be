/* What is published, and the check of what arrives.
 *
 * Data is JSON of a fixed shape, so that it can be patched before sending and read without parsing:
 *     {"at":"<16 digits, µs>","n":"<8 digits>","pc":"<publisher 4><channel 4>","pad":"xxx…"}
 * `at` is the sender's monotonic clock, read by the same process on arrival: latency. `n` counts
 * the messages of one publisher to one channel; a publisher's messages to a channel keep their
 * order on every server, so per (subscriber, publisher) a number that is skipped is a message lost
 * and one that is not above the last is a message doubled.
 */
#ifndef MESSAGES_H
#define MESSAGES_H

#include "base.h"

#define MARKER "\"at\":\""
#define MARKER_BYTES 6
#define AT 6
#define N 29
#define PC 45
#define RECORD_BYTES 53 /* from the marker to the last digit */

struct outgoing { /* a whole request or frame payload, made once a channel */
    char *bytes;
    int length, marker;
};

static struct outgoing *outgoing;
static uint32_t *sent;   /* [publisher][channel]: the last n */
static uint32_t *last;   /* [subscriber][publisher]: the last n that came */
static uint64_t deliveries, lost, told, doubled, foreign;
static int measuring;
static struct histogram latency;

/* Replace {c}, {d} and {s} in a template. */
static char *expand(const char *template, int channel, const char *data, const char *since) {
    size_t room = strlen(template) + strlen(data) + strlen(since) + 256, length = 0;
    char *text = malloc(room);
    for (const char *p = template; *p;) {
        const char *value = NULL;
        char name[16];
        if (!strncmp(p, "{c}", 3)) {
            snprintf(name, sizeof name, "c%04d", channel);
            value = name;
        } else if (!strncmp(p, "{d}", 3)) {
            value = data;
        } else if (!strncmp(p, "{s}", 3)) {
            value = since;
        }
        if (length + (value ? strlen(value) : 1) + 1 > room) die("a template is too long");
        if (value) {
            length += (size_t)sprintf(text + length, "%s", value);
            p += 3;
        } else {
            text[length++] = *p++;
        }
    }
    text[length] = 0;
    return text;
}

static char *make_data(void) {
    const char *head = "{\"at\":\"0000000000000000\",\"n\":\"00000000\",\"pc\":\"00000000\",\"pad\":\"";
    int pad = opt.size - (int)strlen(head) - 2;
    if (pad < 0) die("data has at least %d bytes", (int)strlen(head) + 2);
    char *data = malloc((size_t)opt.size + 1);
    sprintf(data, "%s%*s\"}", head, pad, "");
    memset(data + strlen(head), 'x', (size_t)pad);
    return data;
}

/* Make what is sent to each channel, over HTTP with the head in front. */
static void make_outgoing(int http) {
    char *data = make_data();
    outgoing = calloc((size_t)opt.channels, sizeof *outgoing);
    for (int c = 0; c < opt.channels; c++) {
        char *body = expand(opt.pub_body, c, data, "");
        struct outgoing *o = &outgoing[c];
        if (http) {
            char *target = expand(opt.pub_target, c, "", "");
            o->bytes = malloc(strlen(body) + strlen(target) + 256);
            o->length = sprintf(o->bytes,
                                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n"
                                "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
                                target, opt.pub_port, strlen(body), body);
            free(target);
            free(body);
        } else {
            o->bytes = body;
            o->length = (int)strlen(body);
        }
        char *marker = memmem(o->bytes, (size_t)o->length, MARKER, MARKER_BYTES);
        if (!marker) die("the publish body has no {d}");
        o->marker = (int)(marker - o->bytes);
    }
    free(data);
    sent = calloc((size_t)(opt.pubs ? opt.pubs : 1) * (size_t)opt.channels, sizeof *sent);
    last = calloc((size_t)(opt.subs ? opt.subs : 1) * (size_t)(opt.pubs ? opt.pubs : 1), sizeof *last);
}

/* Write the next message of a publisher to a channel; the room is outgoing[channel].length. */
static void put_message(char *to, int publisher, int channel) {
    struct outgoing *o = &outgoing[channel];
    uint32_t n = ++sent[publisher * opt.channels + channel];
    uint64_t at = now_us();
    memcpy(to, o->bytes, (size_t)o->length);
    char *record = to + o->marker;
    put8(record + AT, (uint32_t)(at / 100000000u));
    put8(record + AT + 8, (uint32_t)(at % 100000000u));
    put8(record + N, n);
    put8(record + PC, (uint32_t)(publisher * 10000 + channel));
}

/* Take a message in: `record` begins at the marker. */
static inline void take_record(const char *record, int subscriber, int channel, uint64_t now,
                               int gap_told) {
    uint64_t at = parse8(record + AT) * 100000000u + parse8(record + AT + 8);
    uint32_t n = (uint32_t)parse8(record + N), pc = (uint32_t)parse8(record + PC);
    uint32_t publisher = pc / 10000;
    if ((int)(pc % 10000) != channel || (int)publisher >= opt.pubs) {
        foreign++;
        return;
    }
    uint32_t *before = &last[(size_t)subscriber * (size_t)opt.pubs + publisher];
    if (n == *before + 1) {
        *before = n;
    } else if (n > *before) {
        *(gap_told ? &told : &lost) += n - *before - 1;
        *before = n;
    } else {
        doubled++;
    }
    if (measuring) {
        deliveries++;
        record_us(&latency, now > at ? now - at : 0);
    }
}

/* How many messages a subscriber's publishers have sent it that it does not have yet. */
static uint64_t missing(int subscriber, int channel) {
    uint64_t sum = 0;
    for (int p = 0; p < opt.pubs; p++)
        sum += sent[p * opt.channels + channel] - last[(size_t)subscriber * (size_t)opt.pubs + (size_t)p];
    return sum;
}

#endif
