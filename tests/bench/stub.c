/* An MCP server over HTTP that costs next to nothing, so that what is measured is what stands in front of it.
 *
 *   stub PORT TOOLS      listens on 127.0.0.1, lists TOOLS tools, the last two of which are `echo` and `big`
 *   stub - TOOLS CPU     the same over standard input and output, on that core, one write for each answer
 *
 * One thread, epoll. The path says what kind of server it is, by the words in it:
 *   legacy   knows revisions of the protocol with `initialize` only; without it both eras are served
 *   sse1     answers with an SSE stream, its head and its event in one write
 *   sse2     answers with an SSE stream, the event up to 200 microseconds after the head
 * `echo` answers with the argument `text`, `big` with 1 MiB of text, the member `result` before `id` in the envelope
 * if the argument `order` is "result". It has no sessions, takes no GET, and trusts its clients: they are the
 * bench's own, on this machine. Numbers of requests are not bounded, neither are their sizes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

enum { MEGABYTE = 1 << 20, EVENTS = 256, HOLD_NS = 200000 };

typedef struct { char *at; size_t size, room; } Buffer;
typedef struct { const char *at; size_t size; } Slice; /* at is NULL for what is not there */
typedef struct { int legacy, sse, apart; } Kind;
typedef struct Connection {
    int fd, blocked, held;
    size_t sent, hold;            /* of out: what is sent; what waits for the timer */
    Buffer in, out;
    struct Connection *next, **place; /* in the list of those that wait for the timer */
} Connection;

static int poller, timer;
static Connection *waiting;
static Buffer tools, text, body;

static void room(Buffer *b, size_t more) {
    if (b->size + more <= b->room) return;
    b->room = 2 * (b->size + more);
    if (!(b->at = realloc(b->at, b->room))) abort();
}

static void put(Buffer *b, const char *at, size_t size) {
    room(b, size);
    memcpy(b->at + b->size, at, size);
    b->size += size;
}

static void say(Buffer *b, const char *words) { put(b, words, strlen(words)); }

/* ---- JSON, well-formed: the value of a member, as it stands in the text ---- */

static const char *blank(const char *p, const char *end) {
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r' || *p == ',' || *p == ':')) p++;
    return p;
}

static const char *quoted(const char *p, const char *end) { /* p is at the first quote; behind the last one */
    for (p++; p < end; p++) {
        if (*p == '\\') p++;
        else if (*p == '"') return p + 1;
    }
    return end;
}

static const char *value(const char *p, const char *end) { /* behind the value that begins at p */
    int depth = 0;
    do {
        if (*p == '"') p = quoted(p, end);
        else {
            if (*p == '{' || *p == '[') depth++;
            if (*p == '}' || *p == ']') depth--;
            p++;
        }
        if (!depth && (p >= end || strchr(",}] \t\r\n", *p))) return p;
    } while (p < end);
    return end;
}

static Slice member(Slice object, const char *name) {
    const char *p = object.at, *end = object.at + object.size;
    size_t size = strlen(name);
    if (p && p < end && *p == '{')
        for (p = blank(p + 1, end); p < end && *p == '"';) {
            const char *key = p + 1, *stop = quoted(p, end), *from = blank(stop, end), *to = value(from, end);
            if ((size_t)(stop - 1 - key) == size && !memcmp(key, name, size)) return (Slice){from, (size_t)(to - from)};
            p = blank(to, end);
        }
    return (Slice){NULL, 0};
}

static int is(Slice string, const char *words) {
    return string.at && string.size == strlen(words) + 2 && !memcmp(string.at + 1, words, string.size - 2);
}

/* ---- what is answered ---- */

static void prepare(int count) {
    char each[1024];
    for (int i = 0; i < count - 2; i++) {
        snprintf(each, sizeof each,
            "{\"name\":\"find_%d\",\"title\":\"Find in collection %d\",\"description\":\"Looks through one collection and gives the "
            "entries that fit, best first. Give fewer words to find more, and a page to go on from there.\",\"inputSchema\":"
            "{\"type\":\"object\",\"properties\":{\"words\":{\"type\":\"string\",\"description\":\"What to look for\"},\"most\":"
            "{\"type\":\"integer\",\"minimum\":1,\"maximum\":200,\"description\":\"How many entries at most\"},\"order\":{\"type\":"
            "\"string\",\"enum\":[\"best\",\"newest\",\"name\"]},\"page\":{\"type\":\"string\"}},\"required\":[\"words\"]},"
            "\"annotations\":{\"readOnlyHint\":true}},", i, i);
        say(&tools, each);
    }
    say(&tools, "{\"name\":\"echo\",\"description\":\"Says it again\",\"inputSchema\":{\"type\":\"object\",\"properties\":"
                "{\"text\":{\"type\":\"string\"}},\"required\":[\"text\"]}},"
                "{\"name\":\"big\",\"description\":\"Says a lot\",\"inputSchema\":{\"type\":\"object\",\"properties\":"
                "{\"order\":{\"type\":\"string\"}}}}");
    const char line[] = "It was a dark night, \\\"very\\\" dark; rain fell on lane 51, and nobody came by.\\n";
    while (text.size + sizeof line - 1 <= MEGABYTE) put(&text, line, sizeof line - 1);
    while (text.size < MEGABYTE) put(&text, ".", 1);
}

#define INFO "{\"name\":\"stub\",\"version\":\"1\"}"
#define CACHING "\"ttlMs\":60000,\"cacheScope\":\"public\","

static int result(Slice method, Slice params, int modern) { /* adds it to body; 0 when there is no such method */
    Slice name = member(params, "name"), arguments = member(params, "arguments");
    say(&body, modern ? "{\"resultType\":\"complete\"," : "{");
    if (is(method, "tools/call")) {
        Slice given = member(arguments, "text");
        say(&body, "\"content\":[{\"type\":\"text\",\"text\":");
        if (is(name, "big")) { say(&body, "\""); put(&body, text.at, text.size); say(&body, "\""); }
        else if (given.at) put(&body, given.at, given.size);
        else say(&body, "\"\"");
        say(&body, "}]}");
    } else if (is(method, "tools/list")) {
        if (modern) say(&body, CACHING);
        say(&body, "\"tools\":[");
        put(&body, tools.at, tools.size);
        say(&body, "]}");
    } else if (is(method, "initialize") && !modern) {
        say(&body, "\"protocolVersion\":\"2025-11-25\",\"capabilities\":{\"tools\":{}},\"serverInfo\":" INFO "}");
    } else if (is(method, "server/discover") && modern) {
        say(&body, CACHING "\"supportedVersions\":[\"2026-07-28\"],\"capabilities\":{\"tools\":{}},"
                   "\"_meta\":{\"io.modelcontextprotocol/serverInfo\":" INFO "}}");
    } else if (is(method, "ping") && !modern) {
        say(&body, "}");
    } else return 0;
    return 1;
}

static int answer(Slice message, Kind kind) { /* writes body; the HTTP status */
    Slice method = member(message, "method"), id = member(message, "id"), params = member(message, "params");
    Slice said = member(member(params, "_meta"), "io.modelcontextprotocol/protocolVersion");
    int modern = said.at && !kind.legacy, last = is(member(member(params, "arguments"), "order"), "result");
    body.size = 0;
    if (!method.at || !id.at) return 202;
    say(&body, "{");
    if (!last) { say(&body, "\"jsonrpc\":\"2.0\",\"id\":"); put(&body, id.at, id.size); say(&body, ","); }
    size_t before = body.size;
    say(&body, "\"result\":");
    int known = result(method, params, modern);
    if (!known) { body.size = before; say(&body, "\"error\":{\"code\":-32601,\"message\":\"There is no such method\"}"); }
    if (last) { say(&body, ",\"jsonrpc\":\"2.0\",\"id\":"); put(&body, id.at, id.size); }
    say(&body, "}");
    return known || !modern ? 200 : 404;
}

/* ---- HTTP ---- */

static void hold(Connection *c) { /* what is put out from now on waits for the timer */
    struct itimerspec soon = {.it_value = {.tv_nsec = HOLD_NS}};
    c->held = 1;
    c->hold = c->out.size;
    if (!waiting) timerfd_settime(timer, 0, &soon, NULL);
    if ((c->next = waiting)) waiting->place = &c->next;
    waiting = c;
    c->place = &waiting;
}

static void let_go(Connection *c) {
    if (!c->held) return;
    c->held = 0;
    if ((*c->place = c->next)) c->next->place = c->place;
}

static void reply(Connection *c, Slice message, Kind kind) {
    char head[256];
    int status = answer(message, kind);
    if (status == 202) { say(&c->out, "HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"); return; }
    if (!kind.sse || status != 200) {
        snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
                 status == 200 ? "200 OK" : "404 Not Found", body.size);
        say(&c->out, head);
        put(&c->out, body.at, body.size);
        return;
    }
    say(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-cache\r\n"
                 "Transfer-Encoding: chunked\r\n\r\n");
    if (kind.apart) hold(c);
    const char before[] = "event: message\ndata: ", after[] = "\n\n";
    snprintf(head, sizeof head, "%zx\r\n%s", sizeof before - 1 + body.size + sizeof after - 1, before);
    say(&c->out, head);
    put(&c->out, body.at, body.size);
    say(&c->out, "\n\n\r\n0\r\n\r\n");
}

/* Serves the first request in c->in; the number of its bytes, 0 while some are missing, -1 for what is no request. */
static long serve(Connection *c) {
    char *from = c->in.at, *end = memmem(from, c->in.size, "\r\n\r\n", 4);
    size_t length = 0;
    if (!end) return c->in.size > 65536 ? -1 : 0;
    char *line = memchr(from, '\n', (size_t)(end + 2 - from));
    Slice path = {from, (size_t)(line - from)};
    for (; line < end; line = memchr(line, '\n', (size_t)(end + 2 - line)))
        if (!strncasecmp(++line, "content-length:", 15)) length = strtoul(line + 15, NULL, 10);
    size_t whole = (size_t)(end + 4 - from) + length;
    if (c->in.size < whole) return 0;
    if (memcmp(from, "POST ", 5)) {
        say(&c->out, "HTTP/1.1 405 Method Not Allowed\r\nAllow: POST\r\nContent-Length: 0\r\n\r\n");
        return (long)whole;
    }
    Kind kind = {.legacy = memmem(path.at, path.size, "legacy", 6) != NULL,
                 .sse = memmem(path.at, path.size, "sse", 3) != NULL,
                 .apart = memmem(path.at, path.size, "sse2", 4) != NULL};
    reply(c, (Slice){end + 4, length}, kind);
    return (long)whole;
}

static int flush(Connection *c) { /* -1 when the client is gone */
    size_t limit = c->held ? c->hold : c->out.size;
    while (c->sent < limit) {
        ssize_t n = send(c->fd, c->out.at + c->sent, limit - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) return -1;
        if (n < 0) break;
        c->sent += (size_t)n;
    }
    int blocked = c->sent < limit;
    if (blocked != c->blocked) {
        struct epoll_event event = {blocked ? EPOLLIN | EPOLLOUT : EPOLLIN, {.ptr = c}};
        epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &event);
        c->blocked = blocked;
    }
    if (c->sent == c->out.size) c->sent = c->out.size = 0;
    return 0;
}

static void drop(Connection *c) {
    let_go(c);
    close(c->fd);
    free(c->in.at);
    free(c->out.at);
    free(c);
}

static int receive(Connection *c) { /* -1 when the client is gone or talks nonsense */
    room(&c->in, 16384);
    ssize_t n = recv(c->fd, c->in.at + c->in.size, c->in.room - c->in.size, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) return -1;
    if (n > 0) c->in.size += (size_t)n;
    while (c->in.size && !c->held) { /* the next request of a client that does not wait stays where it is */
        long taken = serve(c);
        if (taken < 0) return -1;
        if (!taken) break;
        c->in.size -= (size_t)taken;
        memmove(c->in.at, c->in.at + taken, c->in.size);
    }
    return 0;
}

static void release(void) { /* the timer: sends what was held */
    unsigned long long times;
    if (read(timer, &times, sizeof times) < 0) return;
    while (waiting) {
        Connection *c = waiting;
        let_go(c);
        if (flush(c) < 0) shutdown(c->fd, SHUT_RDWR);
    }
}

static void welcome(int listener) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        Connection *c = calloc(1, sizeof *c);
        struct epoll_event event = {EPOLLIN, {.ptr = c}};
        c->fd = fd;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event);
    }
}

static int pipes(int cpu) { /* standard input is at its end, or nobody reads what is written */
    Buffer in = {0};
    cpu_set_t set;
    ssize_t n;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    if (sched_setaffinity(0, sizeof set, &set)) perror("stub");
    while (room(&in, 65536), (n = read(0, in.at + in.size, in.room - in.size)) > 0) {
        const char *from = in.at, *end = in.at + (in.size += (size_t)n), *stop;
        for (; from < end && (stop = memchr(from, '\n', (size_t)(end - from))); from = stop + 1) {
            if (answer((Slice){from, (size_t)(stop - from)}, (Kind){0}) == 202) continue;
            say(&body, "\n");
            for (size_t sent = 0; sent < body.size; sent += (size_t)n)
                if ((n = write(1, body.at + sent, body.size - sent)) < 0) return 1;
        }
        in.size = (size_t)(end - from);
        memmove(in.at, from, in.size);
    }
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 3) { fprintf(stderr, "usage: stub PORT TOOLS, or stub - TOOLS CPU\n"); return 2; }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    prepare(atoi(argv[2]));
    if (argc == 4) return pipes(atoi(argv[3]));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1])),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&place, sizeof place) || listen(listener, 4096)) { perror("stub"); return 1; }
    poller = epoll_create1(0);
    timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event events[EVENTS], event = {EPOLLIN, {.ptr = &listener}}, ticks = {EPOLLIN, {.ptr = &timer}};
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &event);
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &ticks);
    for (;;) {
        int count = epoll_wait(poller, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            Connection *c = events[i].data.ptr;
            if (events[i].data.ptr == &listener) welcome(listener);
            else if (events[i].data.ptr == &timer) release();
            else if ((events[i].events & ~(unsigned)EPOLLOUT && receive(c) < 0) || flush(c) < 0) drop(c);
        }
    }
}
