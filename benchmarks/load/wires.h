/* The three wires from a subscriber's side, and the dialects of peers.
 *
 * Each reader gets what has come and returns how much of it is used up. Data is found by its
 * marker; on WebSockets every frame's head is parsed, so nothing is searched for. On the other
 * wires the next marker is first looked for where the last distance between two says.
 */
#ifndef WIRES_H
#define WIRES_H

#include "connections.h"
#include "messages.h"

static uint64_t since_position; /* resume: where subscribers start */
static uint64_t answers, gaps, bad_answers;

/* Send a masked frame of a client. */
static size_t put_frame_head(char *to, unsigned opcode, size_t length, uint32_t key) {
    size_t n = 2;
    to[0] = (char)(0x80 | opcode);
    if (length < 126) {
        to[1] = (char)(0x80 | length);
    } else {
        to[1] = (char)(0x80 | 126);
        to[2] = (char)(length >> 8);
        to[3] = (char)length;
        n = 4;
    }
    memcpy(to + n, &key, 4);
    return n + 4;
}

static void mask(char *bytes, size_t length, uint32_t key) {
    uint64_t wide = (uint64_t)key << 32 | key;
    size_t i = 0;
    for (; i + 8 <= length; i += 8) {
        uint64_t v;
        memcpy(&v, bytes + i, 8);
        v ^= wide;
        memcpy(bytes + i, &v, 8);
    }
    for (; i < length; i++) bytes[i] ^= ((char *)&key)[i & 3];
}

static uint32_t random_key(void) {
    static uint32_t x = 2463534242u;
    x ^= x << 13;
    x ^= x >> 17;
    return x ^= x << 5;
}

static void send_frame(struct connection *c, unsigned opcode, const char *payload, size_t length) {
    char frame[256];
    uint32_t key = random_key();
    size_t head = put_frame_head(frame, opcode, length, key);
    memcpy(frame + head, payload, length);
    mask(frame + head, length, key);
    send_bytes(c, frame, head + length);
}

static void send_request(struct connection *c) {
    char request[1024], position[32];
    snprintf(position, sizeof position, "%llu", (unsigned long long)since_position);
    const char *template = since_position && *opt.since ? opt.since : opt.target;
    char *target = expand(template, c->channel, "", position);
    /* A key of its own for each, as real clients send: a server must gain nothing by a common one. */
    static unsigned keys;
    char upgrade[160];
    snprintf(upgrade, sizeof upgrade,
             "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNh%08xbm9uYw==\r\n", keys++);
    const char *extra = c->wire == WS    ? upgrade
                        : c->wire == SSE ? "Accept: text/event-stream\r\n"
                                         : "";
    int n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                     target, opt.port, extra);
    free(target);
    send_bytes(c, request, (size_t)n);
}

/* A poll goes on: where the last answer's last_id says, or nchan's validators. */
static void poll_again(struct connection *c, uint64_t position) {
    char request[1024];
    int n;
    if (c->validators) {
        char *target = expand(opt.target, c->channel, "", "");
        n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n%s\r\n",
                     target, opt.port, c->validators);
        free(target);
    } else {
        char text[32];
        snprintf(text, sizeof text, "%llu", (unsigned long long)position);
        char *target = expand(opt.since, c->channel, "", text);
        n = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                     target, opt.port);
        free(target);
    }
    send_bytes(c, request, (size_t)n);
}

static size_t take_ws(struct connection *c, char *bytes, size_t length, uint64_t now) {
    static size_t hint; /* where the marker was in the last frame */
    size_t used = 0;
    while (length - used >= 2) {
        const unsigned char *head = (const unsigned char *)bytes + used;
        size_t size = head[1] & 127, n = 2;
        if (size == 126) {
            if (length - used < 4) break;
            size = (size_t)head[2] << 8 | head[3];
            n = 4;
        } else if (size == 127) {
            if (length - used < 10) break;
            size = 0;
            for (int i = 2; i < 10; i++) size = size << 8 | head[i];
            n = 10;
        }
        if (length - used < n + size) break;
        char *payload = bytes + used + n;
        unsigned opcode = head[0] & 15;
        used += n + size;
        if (opcode == 9) {
            send_frame(c, 10, payload, size < 125 ? size : 0);
        } else if (opcode == 8) {
            close_connection(c);
            return used;
        } else if (opcode == 1 || opcode == 2) {
            if (hint + RECORD_BYTES <= size && !memcmp(payload + hint, MARKER, MARKER_BYTES)) {
                take_record(payload + hint, c->index, c->channel, now, c->gap_told);
                continue;
            }
            char *record = memmem(payload, size, MARKER, MARKER_BYTES);
            if (record && (size_t)(payload + size - record) >= RECORD_BYTES) {
                hint = (size_t)(record - payload);
                take_record(record, c->index, c->channel, now, c->gap_told);
            } else if (*opt.dialect == 's' && size && payload[0] == '2') {
                send_frame(c, 1, "3", 1);
            } else if (*opt.dialect == 's' && size && payload[0] == '0') {
                send_frame(c, 1, "40", 2);
            } else if (memmem(payload, size, "\"type\":\"gap\"", 12)) {
                c->gap_told = 1;
                gaps++;
            }
        }
    }
    return used;
}

static size_t take_sse(struct connection *c, char *bytes, size_t length, uint64_t now) {
    static size_t period; /* from one marker to the next */
    size_t used = 0;
    for (;;) {
        char *record = bytes + used + period;
        if (used + period + RECORD_BYTES > length || memcmp(record, MARKER, MARKER_BYTES)) {
            record = memmem(bytes + used, length - used, MARKER, MARKER_BYTES);
            size_t upto = record ? (size_t)(record - bytes) : length;
            if (memmem(bytes + used, upto - used, "everywire.gap", 13)) {
                c->gap_told = 1;
                gaps++;
            }
            if (!record) return length - used >= 32 ? length - 32 : used;
            if (length - upto < RECORD_BYTES) return upto;
            period = upto - used;
        }
        take_record(record, c->index, c->channel, now, c->gap_told);
        used = (size_t)(record - bytes) + RECORD_BYTES;
    }
}

/* nchan says where to go on in Last-Modified and Etag. */
static void keep_validators(struct connection *c, const char *head, size_t length) {
    const char *modified = header(head, length, "last-modified"), *etag = header(head, length, "etag");
    if (!modified || !etag) return;
    c->validators = realloc(c->validators, 256);
    snprintf(c->validators, 256, "If-Modified-Since: %.*s\r\nIf-None-Match: %.*s\r\n",
             (int)strcspn(modified, "\r"), modified, (int)strcspn(etag, "\r"), etag);
}

static size_t take_poll(struct connection *c, char *bytes, size_t length, uint64_t now) {
    const char *body;
    size_t size, whole = response(bytes, length, &body, &size), used = 0;
    if (!whole) return 0;
    int status = atoi(bytes + 9);
    answers += (uint64_t)measuring;
    bad_answers += status != 200 && status != 304;
    const char *tail = size > 4096 ? body + size - 4096 : body, *end = body + size;
    int gap = memmem(tail, (size_t)(end - tail), "\"gaps\":[", 8) != NULL;
    gaps += (uint64_t)gap;
    while (used < size) {
        char *record = memmem(body + used, size - used, MARKER, MARKER_BYTES);
        if (!record || end - record < RECORD_BYTES) break;
        take_record(record, c->index, c->channel, now, gap);
        used = (size_t)(record - body) + RECORD_BYTES;
    }
    if (*opt.dialect == 'n') {
        keep_validators(c, bytes, whole - size);
        poll_again(c, 0);
        return whole;
    }
    const char *id = NULL;
    for (const char *p = tail; (p = memmem(p, (size_t)(end - p), "\"last_id\":", 10)); p += 10) id = p;
    if (!id) die("a poll's answer has no last_id: %.300s", bytes);
    if (c->stage == HANDSHAKE) ready(c);
    poll_again(c, strtoull(id + 10, NULL, 10));
    return whole;
}

/* The head of an answer that opens a stream; the rest of the bytes are the stream's. */
static size_t take_handshake(struct connection *c, char *bytes, size_t length, uint64_t now) {
    size_t head = head_bytes(bytes, length);
    if (!head) return 0;
    int status = atoi(bytes + 9);
    if (status != (c->wire == WS ? 101 : 200)) die("refused: %.300s", bytes);
    ready(c);
    return head + take(c, bytes + head, length - head, now);
}

#endif
