/* The load client: one thread, one epoll, written in C so that the server is the bottleneck.
 *
 * It subscribes, publishes and checks what arrives: nothing lost, doubled or foreign, without
 * being told. Its own CPU share is part of every result (`client_busy`): near 1.00, a figure is
 * the limit of the pair and not of the server. It knows four modes:
 *
 *     run     subscribers, publishers, a window of some seconds (S1, S2, S3, polls, frames)
 *     idle    connections that wait (S4)
 *     resume  connections that all come at once, some messages behind (S5)
 *     stall   subscribers that do not read while much is published, then read all (S6)
 *
 * Options are name=value, as in `struct options` (load/base.h). Milestones and the result go to
 * stdout as JSON, one object a line. It talks to the loopback address only, its counts and times
 * are bounded by its options, and it ends by itself.
 */
#include "load/base.h"
#include "load/connections.h"
#include "load/messages.h"
#include "load/wires.h"
#include "load/publishers.h"

static uint64_t window_us;
static double busy;
static int caught_up;
static struct histogram catch_up_time;

static void opened(struct connection *c) {
    if (c->wire == HTTP) {
        ready(c);
    } else {
        send_request(c);
        /* A poll of nchan waits at once: there is no answer to be ready by. */
        if (c->wire == POLL && *opt.dialect == 'n') ready(c);
    }
}

static size_t take(struct connection *c, char *bytes, size_t length, uint64_t now) {
    if (c->wire == HTTP) return take_answers(c, bytes, length);
    if (c->wire == POLL) return take_poll(c, bytes, length, now);
    if (c->stage == HANDSHAKE) return take_handshake(c, bytes, length, now);
    if (c->kind == PUBLISHER) return take_acknowledgements(c, bytes, length);
    return c->wire == WS ? take_ws(c, bytes, length, now) : take_sse(c, bytes, length, now);
}

/* Run for some seconds, or until nothing is left to wait for. */
static int until(double seconds, int (*done)(void)) {
    uint64_t end = now_us() + (uint64_t)(seconds * 1e6), now;
    while ((now = now_us()) < end) {
        if (done && done()) return 1;
        uint64_t wait = (end - now) / 1000 + 1;
        turn(done ? (wait < 5 ? (int)wait : 5) : wait < 1000 ? (int)wait : 1000);
        pace();
    }
    return done && done();
}

static int all_connected(void) { return connecting == 0; }
static int none_in_flight(void) { return in_flight() == 0; }

static struct connection *make(enum kind kind, enum wire wire, int count) {
    struct connection *all = calloc((size_t)(count ? count : 1), sizeof *all);
    for (int i = 0; i < count; i++) {
        all[i] = (struct connection){.kind = (uint8_t)kind, .wire = (uint8_t)wire, .index = i,
                                     .channel = i % opt.channels, .turn = i % opt.channels};
        if (kind == PUBLISHER) all[i].sent_at = calloc((size_t)opt.depth, sizeof(uint64_t));
    }
    return all;
}

static void connect_all(struct connection *all, int count) {
    for (int i = 0; i < count; i++) {
        open_connection(&all[i]);
        uint64_t end = now_us() + (uint64_t)(opt.limit * 1e6);
        while (connecting >= 128 && now_us() < end) turn(5);
    }
    until(opt.limit, all_connected);
}

static void connect_subscribers(void) {
    connect_all(subscribers, opt.subs);
    if (subscribers_ready < opt.subs)
        die("%d of %d subscribers connected", subscribers_ready, opt.subs);
}

static void connect_publishers(void) {
    const char *subscribing = opt.target;
    publishers = make(PUBLISHER, *opt.pub == 'h' ? HTTP : WS, opt.pubs);
    opt.target = opt.pub_target;
    connect_all(publishers, opt.pubs);
    opt.target = subscribing;
    if (publishers_ready < opt.pubs) die("%d of %d publishers connected", publishers_ready, opt.pubs);
}

static int all_here(void) {
    for (int i = 0; i < opt.subs; i++)
        if (subscribers[i].stage == READY && missing(i, subscribers[i].channel)) return 0;
    return 1;
}

/* Wait for what is under way, as long as something still comes. */
static void drain(double limit) {
    uint64_t end = now_us() + (uint64_t)(limit * 1e6);
    publishing = 0;
    until(limit, none_in_flight);
    measuring = 0;
    while (now_us() < end && !until(1, all_here)) {
    }
    until(0.1, NULL); /* for what would come twice */
}

static void window(double seconds) {
    uint64_t begin = now_us();
    double used = own_cpu();
    measuring = 1;
    say("begin");
    until(seconds, NULL);
    measuring = 0;
    say("end");
    window_us = now_us() - begin;
    busy = (own_cpu() - used) * 1e6 / (double)window_us;
}

static void run(void) {
    connect_subscribers();
    connect_publishers();
    until(0.3, NULL);
    say("ready");
    start_publishing();
    until(opt.warm, NULL);
    window(opt.seconds);
    drain(opt.limit);
}

static void idle(void) {
    double begin = now_us() / 1e6;
    connect_all(subscribers, opt.subs);
    window_us = (uint64_t)((now_us() / 1e6 - begin) * 1e6);
    until(1, NULL);
    say("begin");
    until(opt.hold, NULL);
    say("end");
}

static uint64_t storm_began;

static int all_caught_up(void) {
    uint64_t now = now_us();
    for (int i = 0; i < opt.subs; i++) {
        struct connection *c = &subscribers[i];
        if (c->done || c->stage == CLOSED || missing(i, c->channel)) continue;
        c->done = 1;
        caught_up++;
        record_us(&catch_up_time, now - storm_began);
    }
    return caught_up == opt.subs;
}

static void resume(void) {
    connect_publishers();
    left = opt.behind + opt.base;
    start_publishing();
    until(opt.limit, none_in_flight);
    publishing = 0;
    since_position = first_id;
    if (opt.base && !first_id) die("the publish answer has no id to resume from");
    for (int i = 0; i < opt.subs; i++) last[(size_t)i * (size_t)opt.pubs] = (uint32_t)opt.base;
    say("begin");
    until(0.1, NULL);
    double used = own_cpu();
    storm_began = now_us();
    for (int i = 0; i < opt.subs; i++) open_connection(&subscribers[i]);
    until(opt.limit, all_caught_up);
    window_us = now_us() - storm_began;
    busy = (own_cpu() - used) * 1e6 / (double)window_us;
    until(0.2, NULL);
    say("end");
}

static int all_published(void) { return left == 0 && in_flight() == 0; }

static void stall(void) {
    connect_subscribers();
    connect_publishers();
    until(0.3, NULL);
    for (int i = 0; opt.stalled && i < opt.subs; i++) want(&subscribers[i], 0, EPOLL_CTL_MOD);
    left = opt.count;
    uint64_t begin = now_us();
    double used = own_cpu();
    measuring = 1;
    say("begin");
    start_publishing();
    until(opt.limit, all_published);
    window_us = now_us() - begin;
    busy = (own_cpu() - used) * 1e6 / (double)window_us;
    publishing = 0;
    say("end");
    until(0.5, NULL);
    for (int i = 0; opt.stalled && i < opt.subs; i++)
        if (subscribers[i].stage != CLOSED) want(&subscribers[i], EPOLLIN, EPOLL_CTL_MOD);
    until(opt.limit * 3, all_here);
}

static void set_option(const char *text) {
    const char *value = strchr(text, '=');
    if (!value) die("options are name=value, not %s", text);
    size_t n = (size_t)(value++ - text);
#define IS(name) (strlen(name) == n && !strncmp(text, name, n))
#define TEXT(name) if (IS(#name)) { opt.name = value; return; }
#define WHOLE(name) if (IS(#name)) { opt.name = atoi(value); return; }
#define REAL(name) if (IS(#name)) { opt.name = atof(value); return; }
    TEXT(mode) TEXT(wire) TEXT(dialect) TEXT(target) TEXT(since) TEXT(pub) TEXT(pub_target)
    TEXT(pub_body) WHOLE(port) WHOLE(pub_port) WHOLE(subs) WHOLE(channels) WHOLE(pubs) WHOLE(depth)
    WHOLE(size) WHOLE(behind) WHOLE(base) WHOLE(stalled) WHOLE(count) REAL(rate) REAL(warm)
    REAL(seconds) REAL(limit) REAL(hold)
    die("there is no option %.*s", (int)n, text);
}

static void print_result(void) {
    uint64_t fewest = UINT64_MAX, most = 0, never = 0;
    int complete = 0;
    for (int i = 0; i < opt.subs && opt.pubs; i++) {
        uint64_t got = 0, lacks = missing(i, subscribers[i].channel);
        for (int p = 0; p < opt.pubs; p++) got += last[(size_t)i * (size_t)opt.pubs + (size_t)p];
        if (got < fewest) fewest = got;
        if (got > most) most = got;
        never += lacks;
        complete += lacks == 0;
    }
    double s = (double)window_us / 1e6;
    printf("{\"event\":\"result\",\"seconds\":%.4f,\"client_busy\":%.3f,\"ready\":%d,\"closed\":%d,", s,
           busy, subscribers_ready, closed);
    printf("\"published\":%llu,\"acknowledged\":%llu,\"publish_errors\":%llu,\"late\":%llu,",
           (unsigned long long)published, (unsigned long long)acknowledged,
           (unsigned long long)publish_errors, (unsigned long long)late);
    printf("\"deliveries\":%llu,\"lost\":%llu,\"never\":%llu,\"told\":%llu,\"doubled\":%llu,\"foreign\":%llu,",
           (unsigned long long)deliveries, (unsigned long long)lost, (unsigned long long)never,
           (unsigned long long)told, (unsigned long long)doubled, (unsigned long long)foreign);
    printf("\"gaps\":%llu,\"answers\":%llu,\"bad_answers\":%llu,\"bytes_in\":%llu,\"bytes_out\":%llu,",
           (unsigned long long)gaps, (unsigned long long)answers, (unsigned long long)bad_answers,
           (unsigned long long)bytes_in, (unsigned long long)bytes_out);
    printf("\"p50_us\":%llu,\"p99_us\":%llu,\"max_us\":%llu,\"answer_p50_us\":%llu,\"answer_p99_us\":%llu,",
           (unsigned long long)percentile(&latency, 0.5), (unsigned long long)percentile(&latency, 0.99),
           (unsigned long long)latency.max, (unsigned long long)percentile(&answer_time, 0.5),
           (unsigned long long)percentile(&answer_time, 0.99));
    printf("\"caught_up\":%d,\"catch_up_p50_us\":%llu,\"catch_up_p99_us\":%llu,", caught_up,
           (unsigned long long)percentile(&catch_up_time, 0.5),
           (unsigned long long)percentile(&catch_up_time, 0.99));
    printf("\"complete\":%d,\"fewest\":%llu,\"most\":%llu,\"error\":\"", complete,
           (unsigned long long)(opt.subs && opt.pubs ? fewest : 0), (unsigned long long)most);
    for (char *p = first_error; *p; p++)
        if (*p == '"' || *p == '\\') putchar('\'');
        else putchar(*p < ' ' ? ' ' : *p);
    printf("\"}\n");
}

int main(int count, char **options) {
    for (int i = 1; i < count; i++) set_option(options[i]);
    if (!opt.port) die("port= is needed");
    if (!opt.pub_port) opt.pub_port = opt.port;
    if (opt.channels > 9999 || opt.pubs > 4000) die("at most 9,999 channels and 4,000 publishers");
    if (*opt.pub == 'h') opt.depth = 1;
    if (opt.size > 60000) die("at most 60,000 bytes of data");
    epoll = epoll_create1(0);
    buffer = malloc(BUFFER_BYTES);
    make_outgoing(*opt.pub == 'h');
    enum wire wire = *opt.wire == 'w' ? WS : *opt.wire == 's' ? SSE : POLL;
    subscribers = make(SUBSCRIBER, wire, opt.subs);
    if (!strcmp(opt.mode, "run")) run();
    else if (!strcmp(opt.mode, "idle")) idle();
    else if (!strcmp(opt.mode, "resume")) resume();
    else if (!strcmp(opt.mode, "stall")) stall();
    else die("mode is one of run, idle, resume, stall");
    print_result();
    return 0;
}
