/* Load at a steady pace: requests are due at fixed times, whether those before them were answered or not.
 *
 *   pace PORT FILE CONNECTIONS RATE SECONDS
 *
 * FILE is what load.lua reads too: whole requests separated by NUL, a byte 1 for nine digits of the id, bytes 2 for
 * eight digits each of the trace's and span's ids. A request that finds no connection idle waits for one; its latency
 * counts from when it was due, so a server that falls behind can't hide it. Where the generator itself was held up by
 * the machine, it goes on from where it was instead of sending all at once what it missed; "held_up" tells how long.
 * Prints one line of JSON, in microseconds.
 * Answers need a Content-Length. Any status but 200 and any lost connection ends it, with exit status 1.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { ROOM = 1 << 16, EVENTS = 256, GRACE = 2 };
static const double HELD_UP = 0.0005; /* seconds; it is rarely later by itself */

typedef struct { int fd; double due; size_t size; char in[ROOM]; } Connection;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void die(const char *what) { perror(what); exit(1); }

static int by_size(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static char **templates;
static size_t kinds, *sizes;

static void load(const char *name) {
    FILE *file = fopen(name, "rb");
    if (!file) die(name);
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getdelim(&line, &room, 0, file)) > 0) {
        templates = realloc(templates, (kinds + 1) * sizeof *templates);
        sizes = realloc(sizes, (kinds + 1) * sizeof *sizes);
        sizes[kinds] = (size_t)(line[n - 1] ? n : n - 1);
        templates[kinds] = memcpy(malloc((size_t)n + 1), line, (size_t)n + 1);
        kinds++;
    }
    if (!kinds) { fprintf(stderr, "pace: nothing to send in %s\n", name); exit(1); }
}

static int ask(Connection *c, unsigned id) { /* -1 when it can't be sent */
    static char out[ROOM];
    const char *from = templates[id % kinds], *end = from + sizes[id % kinds];
    size_t size = 0;
    for (; from < end && size < ROOM - 16; from++) {
        if (*from == 1) size += (size_t)sprintf(out + size, "%09u", id);
        else if (*from == 2) size += (size_t)sprintf(out + size, "%08x", id);
        else out[size++] = *from;
    }
    return from == end && send(c->fd, out, size, MSG_NOSIGNAL) == (ssize_t)size ? 0 : -1;
}

static int heard(Connection *c) { /* 1 when the answer is complete, 0 when it isn't yet, -1 when it is no good */
    ssize_t n = recv(c->fd, c->in + c->size, ROOM - 1 - c->size, 0);
    if (n < 0 && errno == EAGAIN) return 0;
    if (n <= 0) return -1;
    c->in[c->size += (size_t)n] = 0;
    char *end = strstr(c->in, "\r\n\r\n"), *length = strcasestr(c->in, "\r\ncontent-length:");
    if (!end) return 0;
    if (!length || length > end || strncmp(c->in + 8, " 200", 4)) return -1;
    if (c->size < (size_t)(end + 4 - c->in) + strtoul(length + 17, NULL, 10)) return 0;
    c->size = 0;
    return 1;
}

int main(int argc, char **argv) {
    if (argc != 6) { fprintf(stderr, "usage: pace PORT FILE CONNECTIONS RATE SECONDS\n"); return 2; }
    load(argv[2]);
    size_t count = strtoul(argv[3], NULL, 10), idle = 0;
    double rate = atof(argv[4]), seconds = atof(argv[5]);
    unsigned total = (unsigned)(rate * seconds), sent = 0;
    size_t done = 0, busy = 0;
    float *took = malloc((total + 1) * sizeof *took);
    Connection *all = calloc(count, sizeof *all), **free_ones = calloc(count, sizeof *free_ones);
    int poller = epoll_create1(0), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK), on = 1;
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1])),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct epoll_event events[EVENTS], tick = {EPOLLIN, {.ptr = NULL}};
    epoll_ctl(poller, EPOLL_CTL_ADD, timer, &tick);
    for (size_t i = 0; i < count; i++) {
        struct epoll_event event = {EPOLLIN, {.ptr = all + i}};
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&place, sizeof place)) die("connect");
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        epoll_ctl(poller, EPOLL_CTL_ADD, all[i].fd, &event);
        free_ones[idle++] = all + i;
    }
    double began = now() + 0.05, end = began + seconds + GRACE, held_up = 0;
    int lacking = 0; /* connections: what is late then is late by the server */
    for (;;) {
        double time = now(), late = time - (began + sent / rate);
        if (late > HELD_UP && sent < total && idle && !lacking) { began += late; held_up += late; }
        while (sent < total && idle && began + sent / rate <= time) {
            Connection *c = free_ones[--idle];
            c->due = began + sent / rate;
            busy++;
            if (ask(c, 100000000 + sent++) < 0) die("send");
        }
        lacking = !idle;
        if ((sent == total && !busy) || time > end) break;
        double next = sent < total && idle ? began + sent / rate : end;
        struct itimerspec at = {.it_value = {(time_t)next, (long)((next - (double)(time_t)next) * 1e9)}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        int ready = epoll_wait(poller, events, EVENTS, -1);
        time = now();
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            uint64_t times;
            if (!c) { if (read(timer, &times, sizeof times) < 0 && errno != EAGAIN) die("timer"); continue; }
            int state = heard(c);
            if (state == 0) continue;
            if (state > 0) { took[done++] = (float)((time - c->due) * 1e6); busy--; free_ones[idle++] = c; continue; }
            fprintf(stderr, "pace: connection lost, or this answer: %.200s\n", c->in);
            return 1;
        }
    }
    qsort(took, done, sizeof *took, by_size);
    printf("{\"requests\": %zu, \"unanswered\": %zu, \"p50\": %.0f, \"p90\": %.0f, \"p99\": %.0f, "
           "\"most\": %.0f, \"held_up\": %.0f}\n", done, total - done, done ? took[done / 2] : 0, done ? took[done * 9 / 10] : 0,
           done ? took[done * 99 / 100] : 0, done ? took[done - 1] : 0, held_up * 1e6);
    return 0;
}
