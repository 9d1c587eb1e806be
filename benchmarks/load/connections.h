/* Sockets: connecting, reading, writing, closing, on one epoll.
 *
 * All connections read into one large buffer; a connection owns memory only for the piece of a
 * message that came without its end, and for what could not be written at once. So 20,000 of
 * them cost little, and reading costs one recv() an event.
 */
#ifndef CONNECTIONS_H
#define CONNECTIONS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base.h"

enum kind { SUBSCRIBER, PUBLISHER };
enum wire { WS, SSE, POLL, HTTP };
enum stage { IDLE, CONNECTING, HANDSHAKE, READY, CLOSED };

struct connection {
    int fd, channel, index;
    uint8_t kind, wire, stage, gap_told, done, waiting;
    uint32_t carry_length, carry_room, out_length, out_sent;
    char *carry, *out;
    int in_flight, turn;   /* publishers: not answered yet; which channel is next */
    uint64_t *sent_at;     /* publishers: when each in flight was sent, a ring */
    uint32_t ring_head;
    char *validators;      /* nchan's polls: the headers that say where to go on */
};

#define BUFFER_BYTES (8u << 20)
#define READ_BYTES (256u << 10)

static int epoll;
static char *buffer;
static struct connection *subscribers, *publishers;
static int subscribers_ready, publishers_ready, closed, connecting;
static uint64_t bytes_in, bytes_out; /* of subscribers, while measuring */
static int measuring;

/* Filled in by wires.h and publishers.h: what a connection does once open, and with bytes. */
static void opened(struct connection *c);
static size_t take(struct connection *c, char *bytes, size_t length, uint64_t now);

static void want(struct connection *c, uint32_t events, int op) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(epoll, op, c->fd, &event)) die("epoll_ctl: %s", strerror(errno));
}

static void close_connection(struct connection *c) {
    if (c->stage == CLOSED) return;
    if (c->stage == CONNECTING || c->stage == HANDSHAKE) connecting--;
    c->stage = CLOSED;
    close(c->fd);
    closed++;
}

static void ready(struct connection *c) {
    c->stage = READY;
    connecting--;
    *(c->kind == SUBSCRIBER ? &subscribers_ready : &publishers_ready) += 1;
}

static void open_connection(struct connection *c) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    to.sin_port = htons((uint16_t)(c->kind == SUBSCRIBER ? opt.port : opt.pub_port));
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (c->fd < 0) die("socket: %s", strerror(errno));
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (connect(c->fd, (struct sockaddr *)&to, sizeof to) && errno != EINPROGRESS)
        die("connect: %s", strerror(errno));
    c->stage = CONNECTING;
    connecting++;
    want(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_ADD);
}

/* Write, keeping what the socket does not take. */
static void send_bytes(struct connection *c, const char *bytes, size_t length) {
    if (measuring && c->kind == SUBSCRIBER) bytes_out += length;
    if (!c->out_length) {
        ssize_t n = send(c->fd, bytes, length, MSG_NOSIGNAL);
        if (n == (ssize_t)length) return;
        if (n < 0 && errno != EAGAIN) {
            close_connection(c);
            return;
        }
        if (n > 0) {
            bytes += n;
            length -= (size_t)n;
        }
        want(c, EPOLLIN | EPOLLOUT, EPOLL_CTL_MOD);
    }
    c->out = realloc(c->out, c->out_length + length);
    memcpy(c->out + c->out_length, bytes, length);
    c->out_length += (uint32_t)length;
}

static void writable(struct connection *c) {
    if (c->stage == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            close_connection(c);
            return;
        }
        c->stage = HANDSHAKE;
        want(c, EPOLLIN, EPOLL_CTL_MOD);
        opened(c);
    } else if (c->out_length) {
        ssize_t n = send(c->fd, c->out + c->out_sent, c->out_length - c->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) close_connection(c);
        if (n > 0) c->out_sent += (uint32_t)n;
        if (c->out_sent == c->out_length) {
            c->out_length = c->out_sent = 0;
            want(c, EPOLLIN, EPOLL_CTL_MOD);
        }
    }
}

static void readable(struct connection *c) {
    if (c->carry_length) memcpy(buffer, c->carry, c->carry_length);
    ssize_t n = recv(c->fd, buffer + c->carry_length, READ_BYTES, 0);
    if (n <= 0) {
        if (n == 0 || errno != EAGAIN) close_connection(c);
        return;
    }
    uint64_t now = now_us();
    if (measuring && c->kind == SUBSCRIBER) bytes_in += (uint64_t)n;
    size_t length = c->carry_length + (size_t)n;
    size_t used = take(c, buffer, length, now);
    size_t left = c->stage == CLOSED ? 0 : length - used;
    if (left + READ_BYTES > BUFFER_BYTES) die("a message is over %u bytes", BUFFER_BYTES);
    if (left > c->carry_room) {
        c->carry_room = (uint32_t)(left + left / 2);
        c->carry = realloc(c->carry, c->carry_room);
    }
    if (left) memcpy(c->carry, buffer + used, left);
    c->carry_length = (uint32_t)left;
    if (!left && c->carry_room > 4096) {
        free(c->carry);
        c->carry = NULL;
        c->carry_room = 0;
    }
}

/* One turn: wait at most `wait_ms`, then do what can be done. */
static void turn(int wait_ms) {
    static struct epoll_event events[512];
    int n = epoll_wait(epoll, events, 512, wait_ms);
    for (int i = 0; i < n; i++) {
        struct connection *c = events[i].data.ptr;
        if (!c) continue; /* the timer: its reader looks at it */
        if (c->stage != CLOSED && (events[i].events & EPOLLOUT)) writable(c);
        if (c->stage != CLOSED && (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) readable(c);
    }
}

/* The response head's length with its blank line; 0: not whole yet. */
static size_t head_bytes(const char *bytes, size_t length) {
    const char *end = memmem(bytes, length, "\r\n\r\n", 4);
    return end ? (size_t)(end - bytes) + 4 : 0;
}

/* The value of a header in a head, or NULL. */
static const char *header(const char *head, size_t length, const char *name) {
    size_t size = strlen(name);
    for (const char *line = head; line && line < head + length;) {
        if (!strncasecmp(line, name, size) && line[size] == ':') {
            line += size + 1;
            while (*line == ' ') line++;
            return line;
        }
        line = memchr(line, '\n', length - (size_t)(line - head));
        if (line) line++;
    }
    return NULL;
}

/* A whole response: the length of all of it, 0 if more has to come. Sets its body. */
static size_t response(const char *bytes, size_t length, const char **body, size_t *body_length) {
    size_t head = head_bytes(bytes, length);
    if (!head) return 0;
    const char *value = header(bytes, head, "content-length");
    int status = atoi(bytes + 9);
    size_t size = value ? strtoul(value, NULL, 10) : 0;
    if (!value && status != 204 && status != 304)
        die("an answer without Content-Length: %.200s", bytes);
    *body = bytes + head;
    *body_length = size;
    return length >= head + size ? head + size : 0;
}

#endif
