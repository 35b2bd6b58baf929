/* The mock provider of `make bench`: one thread, epoll, HTTP/1.1 with keep-alive, plain TCP on loopback.
 *
 * usage: upstream PORT ANSWER_FILE EVENTS_FILE
 *
 * It owns no text: both files are written by traffic.py. A request whose body contains
 *   "bench-burst"  is answered with every event of EVENTS_FILE at once, one write each;
 *   "bench-paced"  with the same events, one every 20 ms;
 *   "bench-slow"   with ANSWER_FILE after 20 ms;
 *   none of them   with ANSWER_FILE at once.
 * Each "@0000000000000000" in an event becomes "@" and the microseconds of CLOCK_MONOTONIC at its write.
 * GET answers with counters, so that the bench can prove that nobody retried or cached.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#define MAX_FDS 4096
#define MAX_EVENTS 512
#define GAP_US 20000
#define STAMP "@0000000000000000"

typedef struct {
    char *data;
    size_t len, cap;
} Buffer;

typedef struct {
    int fd;
    Buffer in, out;
    size_t sent;      /* how much of `out` the socket has taken */
    int next;         /* index of the next event; -1: a whole answer is due; -2: nothing is due */
    uint64_t due;     /* when it is due, 0 = at once */
} Conn;

static Conn *conns[MAX_FDS];
static int top_fd, poller;
static Buffer answer, events[MAX_EVENTS];
static int event_count;
static unsigned long requests, streams, events_sent;

static uint64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

static void append(Buffer *b, const char *data, size_t len) {
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        if (!(b->data = realloc(b->data, b->cap))) abort();
    }
    memcpy(b->data + b->len, data, len);
    b->len += len;
}

static void append_text(Buffer *b, const char *text) { append(b, text, strlen(text)); }

static void drop(Conn *c) {
    close(c->fd);
    conns[c->fd] = NULL;
    free(c->in.data);
    free(c->out.data);
    free(c);
}

static void flush(Conn *c) {
    while (c->sent < c->out.len) {
        ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);
        if (n < 0) {
            struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.fd = c->fd};
            epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &ev); /* a dead socket is reaped by its EPOLLIN */
            return;
        }
        c->sent += (size_t)n;
    }
    c->out.len = c->sent = 0;
}

static void send_answer(Conn *c) {
    char head[160];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", answer.len);
    append_text(&c->out, head);
    append(&c->out, answer.data, answer.len);
    c->next = -2;
    flush(c);
}

static void send_event(Conn *c) {
    char size[24], stamp[24];
    Buffer *event = &events[c->next];
    snprintf(size, sizeof size, "%zx\r\n", event->len);
    append_text(&c->out, size);
    size_t start = c->out.len;
    append(&c->out, event->data, event->len);
    char *mark = memmem(c->out.data + start, event->len, STAMP, sizeof STAMP - 1);
    if (mark) {
        snprintf(stamp, sizeof stamp, "@%016llu", (unsigned long long)now_us());
        memcpy(mark, stamp, sizeof STAMP - 1);
    }
    append_text(&c->out, "\r\n");
    events_sent++;
    if (++c->next == event_count) {
        append_text(&c->out, "0\r\n\r\n");
        c->next = -2;
    }
    flush(c);
}

static void start_stream(Conn *c, uint64_t gap) {
    streams++;
    append_text(&c->out, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                         "Cache-Control: no-cache\r\nTransfer-Encoding: chunked\r\n\r\n");
    c->next = 0;
    c->due = 0;
    if (gap) c->due = now_us() + gap;
    else while (c->next >= 0) send_event(c);
}

static int has(const char *body, size_t len, const char *word) { return memmem(body, len, word, strlen(word)) != NULL; }

static void respond(Conn *c, int is_get, const char *body, size_t len) {
    if (is_get) {
        char text[256], json[128];
        int n = snprintf(json, sizeof json, "{\"requests\":%lu,\"streams\":%lu,\"events\":%lu}", requests, streams,
                         events_sent);
        snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", n, json);
        append_text(&c->out, text);
        flush(c);
        return;
    }
    requests++;
    if (has(body, len, "bench-burst")) start_stream(c, 0);
    else if (has(body, len, "bench-paced")) start_stream(c, GAP_US);
    else if (has(body, len, "bench-slow")) c->next = -1, c->due = now_us() + GAP_US;
    else send_answer(c);
}

/* The value of a header in a NUL-ended head, or NULL. */
static const char *header(const char *head, const char *name) {
    for (const char *line = strstr(head, "\r\n"); line; line = strstr(line + 2, "\r\n"))
        if (!strncasecmp(line + 2, name, strlen(name))) return line + 2 + strlen(name);
    return NULL;
}

/* Length of a chunked body at `p`, including its end, or 0 when it is not complete. */
static size_t chunked_length(const char *p, size_t len) {
    const char *end = memmem(p, len, "\r\n0\r\n\r\n", 7);
    return end ? (size_t)(end - p) + 7 : 0;
}

/* Takes one whole request off `in` and answers it; 0 when there is none (yet). */
static int take_request(Conn *c) {
    char *end = c->in.len ? memmem(c->in.data, c->in.len, "\r\n\r\n", 4) : NULL;
    if (!end) return 0;
    size_t head_len = (size_t)(end - c->in.data) + 4, body_len = 0;
    end[2] = '\0'; /* for header(); put back below, as the head may be read again */
    const char *length = header(c->in.data, "content-length:"), *coding = header(c->in.data, "transfer-encoding:");
    int is_get = !strncmp(c->in.data, "GET ", 4);
    if (length) body_len = strtoul(length, NULL, 10);
    else if (coding && !(body_len = chunked_length(c->in.data + head_len, c->in.len - head_len))) body_len = SIZE_MAX / 2;
    end[2] = '\r';
    if (c->in.len < head_len + body_len) return 0;
    respond(c, is_get, c->in.data + head_len, body_len);
    c->in.len -= head_len + body_len;
    memmove(c->in.data, c->in.data + head_len + body_len, c->in.len);
    return 1;
}

static void readable(Conn *c) {
    char block[65536];
    for (;;) {
        ssize_t n = recv(c->fd, block, sizeof block, 0);
        if (n > 0) append(&c->in, block, (size_t)n);
        else if (n == 0 || (errno != EAGAIN && errno != EINTR)) return drop(c);
        else if (errno == EAGAIN) break;
        if (n < (ssize_t)sizeof block) break;
    }
    while (c->next == -2 && take_request(c)) {
    }
}

static void writable(Conn *c) {
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = c->fd};
    epoll_ctl(poller, EPOLL_CTL_MOD, c->fd, &ev);
    flush(c);
}

static void accept_all(int listener) {
    int fd, one = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        if (fd >= MAX_FDS) {
            close(fd);
            continue;
        }
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event ev = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(poller, EPOLL_CTL_ADD, fd, &ev);
        if (!(conns[fd] = calloc(1, sizeof(Conn)))) abort();
        conns[fd]->fd = fd;
        conns[fd]->next = -2;
        if (fd > top_fd) top_fd = fd;
    }
}

/* Sends what is due; returns the milliseconds until the next due time, -1 when there is none. */
static int run_due(void) {
    uint64_t now = now_us(), soonest = UINT64_MAX;
    for (int fd = 0; fd <= top_fd; fd++) {
        Conn *c = conns[fd];
        if (!c || c->next == -2) continue;
        if (c->due <= now) {
            if (c->next == -1) send_answer(c);
            else send_event(c), c->due += GAP_US;
        }
        if (c->next != -2 && c->due < soonest) soonest = c->due;
    }
    if (soonest == UINT64_MAX) return -1;
    return soonest <= now ? 0 : (int)((soonest - now + 999) / 1000);
}

static void load_answer(const char *path) {
    char block[4096];
    size_t n;
    FILE *f = fopen(path, "r");
    if (!f) exit(2);
    while ((n = fread(block, 1, sizeof block, f))) append(&answer, block, n);
    fclose(f);
}

static void load_events(const char *path) {
    char line[4096];
    FILE *f = fopen(path, "r");
    if (!f) exit(2);
    while (fgets(line, sizeof line, f) && event_count < MAX_EVENTS) {
        if (line[0] == '\n') event_count++;
        else append_text(&events[event_count], line);
        if (line[0] == '\n') append_text(&events[event_count - 1], "\n");
    }
    fclose(f);
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    load_answer(argv[2]);
    load_events(argv[3]);
    signal(SIGPIPE, SIG_IGN);
    int one = 1, listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1024)) return 3;
    poller = epoll_create1(0);
    struct epoll_event ev = {.events = EPOLLIN, .data.fd = listener}, ready[256];
    epoll_ctl(poller, EPOLL_CTL_ADD, listener, &ev);
    for (;;) {
        int n = epoll_wait(poller, ready, 256, run_due());
        for (int i = 0; i < n; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) accept_all(listener);
            else if (conns[fd] && ready[i].events & EPOLLOUT) writable(conns[fd]);
            if (fd != listener && conns[fd] && ready[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) readable(conns[fd]);
        }
    }
}
