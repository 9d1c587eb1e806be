/* Publishers: HTTP keep-alive connections with one request in flight, or WebSockets that pipeline.
 *
 * Publisher p of P takes the channels p, p + P, p + 2P, … in turn. Flat out, an answer is followed
 * by the next message at once. Paced, a timer says when; what finds no free connection waits in
 * `due` and goes out, stamped then, as soon as one is free (counted as `late`).
 */
#ifndef PUBLISHERS_H
#define PUBLISHERS_H

#include <sys/timerfd.h>

#include "wires.h"

static uint64_t published, acknowledged, publish_errors, late;
static struct histogram answer_time;
static int publishing;
static long left = -1; /* how many may still be published; below 0: any number */
static double due;
static int pacer = -1, next_free;
static char first_error[300];
static uint64_t first_id;

static int next_channel(struct connection *c) {
    int channel = c->turn;
    c->turn += opt.pubs;
    if (c->turn >= opt.channels) c->turn = c->index % opt.channels;
    return channel;
}

static void note_sent(struct connection *c) {
    c->sent_at[(c->ring_head + (uint32_t)c->in_flight) % (uint32_t)opt.depth] = now_us();
    c->in_flight++;
    if (left > 0) left--;
    published += (uint64_t)measuring;
}

static void publish_http(struct connection *c) {
    static char request[1 << 17];
    int channel = next_channel(c);
    put_message(request, c->index, channel);
    note_sent(c);
    send_bytes(c, request, (size_t)outgoing[channel].length);
}

/* Fill the window of a WebSocket publisher with one write. */
static void publish_frames(struct connection *c) {
    static char frames[1 << 20];
    size_t length = 0;
    while (c->in_flight < opt.depth && left && !c->out_length) {
        int channel = next_channel(c);
        size_t size = (size_t)outgoing[channel].length;
        if (length + size + 16 > sizeof frames) break;
        uint32_t key = random_key();
        size_t head = put_frame_head(frames + length, 1, size, key);
        put_message(frames + length + head, c->index, channel);
        mask(frames + length + head, size, key);
        length += head + size;
        note_sent(c);
    }
    if (length) send_bytes(c, frames, length);
}

static void publish_next(struct connection *c) {
    if (!publishing || !left || c->stage != READY) return;
    if (opt.rate > 0) {
        if (due < 1) return;
        due -= 1;
    }
    if (c->wire == WS) publish_frames(c);
    else publish_http(c);
}

static void answered(struct connection *c, int good, const char *what, size_t length) {
    if (!c->in_flight) return;
    uint64_t now = now_us();
    if (measuring) record_us(&answer_time, now - c->sent_at[c->ring_head]);
    c->ring_head = (c->ring_head + 1) % (uint32_t)opt.depth;
    c->in_flight--;
    if (good) {
        acknowledged += (uint64_t)measuring;
    } else {
        if (!publish_errors++) snprintf(first_error, sizeof first_error, "%.*s", (int)length, what);
    }
}

static size_t take_answers(struct connection *c, char *bytes, size_t length) {
    const char *body;
    size_t size, used = 0, whole;
    while (used < length && (whole = response(bytes + used, length - used, &body, &size))) {
        int status = atoi(bytes + used + 9);
        if (!first_id) {
            const char *id = memmem(body, size, "\"id\":", 5);
            if (id) first_id = strtoull(id + 5, NULL, 10);
        }
        answered(c, status / 100 == 2, bytes + used, whole);
        used += whole;
        publish_next(c);
    }
    return used;
}

/* Frames of the server to a publisher: short, so their heads are two or four bytes. */
static size_t take_acknowledgements(struct connection *c, char *bytes, size_t length) {
    size_t used = 0;
    while (length - used >= 4) {
        const unsigned char *head = (const unsigned char *)bytes + used;
        size_t size = head[1] & 127, n = 2;
        if (size == 126) {
            size = (size_t)head[2] << 8 | head[3];
            n = 4;
        }
        if (length - used < n + size) break;
        char *payload = bytes + used + n;
        used += n + size;
        if ((head[0] & 15) == 9) send_frame(c, 10, payload, size < 125 ? size : 0);
        else if (memmem(payload, size < 40 ? size : 40, "\"published\"", 11)) answered(c, 1, "", 0);
        else if (memmem(payload, size < 40 ? size : 40, "\"error\"", 7)) answered(c, 0, payload, size);
    }
    if (c->in_flight <= opt.depth / 2) publish_next(c);
    return used;
}

static void start_pacer(void) {
    pacer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    long ns = (long)(1e9 / opt.rate);
    struct itimerspec every = {{ns / 1000000000, ns % 1000000000}, {ns / 1000000000, ns % 1000000000}};
    timerfd_settime(pacer, 0, &every, NULL);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, pacer, &event);
}

static void pace(void) {
    uint64_t ticks = 0;
    if (pacer < 0 || read(pacer, &ticks, sizeof ticks) != sizeof ticks || !publishing) return;
    due += (double)ticks;
    for (int tried = 0; due >= 1 && tried < opt.pubs; tried++) {
        struct connection *c = &publishers[next_free];
        next_free = (next_free + 1) % opt.pubs;
        if (c->in_flight < opt.depth) publish_next(c);
    }
    late += (uint64_t)due;
}

static void start_publishing(void) {
    publishing = 1;
    if (opt.rate > 0) {
        if (pacer < 0) start_pacer();
        return;
    }
    for (int i = 0; i < opt.pubs; i++) publish_next(&publishers[i]);
}

static int in_flight(void) {
    int sum = 0;
    for (int i = 0; i < opt.pubs; i++)
        if (publishers[i].stage == READY) sum += publishers[i].in_flight;
    return sum;
}

#endif
