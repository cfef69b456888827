/* SPDX-License-Identifier: BSD-3-Clause */
/* reqload - asks a server and says how fast it answered:
 *
 *   reqload PROTOCOL ADDRESS PORT CONNECTIONS SECONDS BYTES [TICK_MS]
 *
 * memcached: each connection stores a value of BYTES of its own, and then asks for it again and again.
 * echo: each connection sends BYTES, and takes them back.
 * One request at a time on each connection; every answer is compared. SIGTERM ends it early. Prints
 * "requests R seconds S p50_us A p99_us B max_us C bytes N", where bytes is the payload of questions that
 * were answered, both ways. Before that, each TICK_MS, "tick T R": the time of day in us, and the requests so
 * far. One thread. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
	VALUE_MAX = 1 << 20,
	CONNECTIONS_MAX = 10000,
	SUB = 32,           /* a power of two is split into so many classes of latency: 3 % */
	CLASSES = 40 * SUB, /* up to 2^40 ns */
	EVENTS = 256,
};

struct conn {
	int fd;
	uint32_t id, got, want;
	bool stored;
	uint64_t sent_ns;
	char *question, *answer;
	uint32_t question_len;
};

static struct {
	uint64_t latency[CLASSES], requests, bytes, tick_ns, next_tick_ns;
	uint32_t value_bytes;
	void (*begin)(struct conn *c);
	char buf[VALUE_MAX + 256];
} the;

static volatile sig_atomic_t told_to_end;

static void on_term(int sig)
{
	(void)sig;
	told_to_end = 1;
}

static uint64_t clock_read(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static uint64_t clock_ns(void) { return clock_read(CLOCK_MONOTONIC); }

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "reqload: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- latencies, in classes --- */

static unsigned class_of(uint64_t ns)
{
	unsigned log;

	if (ns < SUB)
		return (unsigned)ns;
	log = 63 - (unsigned)__builtin_clzll(ns);
	return (log - 4) * SUB + (unsigned)(ns >> (log - 5)) - SUB;
}

/* Its lower end. */
static double class_us(unsigned class)
{
	unsigned group = class / SUB;

	return group == 0 ? class / 1e3 : (double)((uint64_t)(SUB + class % SUB) << (group - 1)) / 1e3;
}

static double percentile_us(double share)
{
	uint64_t seen = 0;

	for (unsigned i = 0; i < CLASSES; i++) {
		seen += the.latency[i];
		if (seen > 0 && (double)seen >= share * (double)the.requests)
			return class_us(i);
	}
	return 0;
}

/* --- one connection --- */

static void send_all(struct conn *c, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = send(c->fd, text, len, 0);

		if (n < 0)
			die("send");
		text += n;
		len -= (size_t)n;
	}
}

static void request(struct conn *c)
{
	c->sent_ns = clock_ns();
	c->got = 0;
	send_all(c, c->question, c->question_len);
}

static char *text_new(size_t len)
{
	char *text = malloc(len);

	if (text == NULL)
		die("malloc");
	return text;
}

/* A value of the connection's own at `to`. */
static void fill(char *to, uint32_t id)
{
	for (uint32_t i = 0; i < the.value_bytes; i++)
		to[i] = (char)('a' + (i * 7 + id) % 26);
}

static void begin_echo(struct conn *c)
{
	c->question_len = c->want = the.value_bytes;
	c->question = c->answer = text_new(the.value_bytes);
	fill(c->question, c->id);
	c->stored = true;
	request(c);
}

static void begin_memcached(struct conn *c)
{
	int head;

	c->question = text_new(64);
	c->question_len = (uint32_t)sprintf(c->question, "get key%u\r\n", c->id);
	c->answer = text_new(the.value_bytes + 128);
	head = sprintf(c->answer, "VALUE key%u 0 %u\r\n", c->id, the.value_bytes);
	fill(c->answer + head, c->id);
	memcpy(c->answer + head + the.value_bytes, "\r\nEND\r\n", 7);
	c->want = (uint32_t)head + the.value_bytes + 7;
	head = sprintf(the.buf, "set key%u 0 0 %u\r\n", c->id, the.value_bytes);
	fill(the.buf + head, c->id);
	memcpy(the.buf + head + the.value_bytes, "\r\n", 2);
	send_all(c, the.buf, (size_t)head + the.value_bytes + 2);
}

static void conn_open(struct conn *c, uint32_t id, const struct sockaddr_in *to)
{
	int one = 1;

	*c = (struct conn){ .fd = socket(AF_INET, SOCK_STREAM, 0), .id = id };
	if (c->fd < 0 || connect(c->fd, (const void *)to, sizeof(*to)) != 0)
		die("connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	the.begin(c);
}

static void answered(struct conn *c)
{
	uint64_t ns = clock_ns() - c->sent_ns;
	unsigned class = class_of(ns);

	the.latency[class < CLASSES ? class : CLASSES - 1]++;
	the.requests++;
	request(c);
}

static void readable(struct conn *c)
{
	static const char stored[] = "STORED\r\n";
	const char *expected = c->stored ? c->answer : stored;
	uint32_t want = c->stored ? c->want : sizeof(stored) - 1;
	ssize_t n = recv(c->fd, the.buf, want - c->got, 0);

	if (n <= 0)
		die(n == 0 ? "the server closed" : "recv");
	if (memcmp(the.buf, expected + c->got, (size_t)n) != 0) {
		fprintf(stderr, "reqload: wrong answer on connection %u at byte %u\n", c->id, c->got);
		exit(1);
	}
	c->got += (uint32_t)n;
	if (c->got < want)
		return;
	the.bytes += want + c->question_len;
	if (c->stored) {
		answered(c);
	} else {
		c->stored = true;
		request(c);
	}
}

/* --- all --- */

static void tick(void)
{
	uint64_t now = clock_ns();

	if (the.tick_ns == 0 || now < the.next_tick_ns)
		return;
	printf("tick %lu %lu\n", clock_read(CLOCK_REALTIME) / 1000, the.requests);
	the.next_tick_ns = now + the.tick_ns;
}

static void run(struct conn *conns, unsigned n, double seconds)
{
	struct epoll_event events[EVENTS];
	int epfd = epoll_create1(0);
	uint64_t end = clock_ns() + (uint64_t)(seconds * 1e9);

	for (unsigned i = 0; i < n; i++) {
		struct epoll_event e = { .events = EPOLLIN, .data.ptr = &conns[i] };

		if (epoll_ctl(epfd, EPOLL_CTL_ADD, conns[i].fd, &e) != 0)
			die("epoll_ctl");
	}
	while (clock_ns() < end && !told_to_end) {
		int ready = epoll_wait(epfd, events, EVENTS, 5000);

		if (ready == 0) {
			fprintf(stderr, "reqload: no answer for 5 s\n");
			exit(1);
		}
		for (int i = 0; i < ready; i++)
			readable(events[i].data.ptr);
		tick();
	}
	close(epfd);
}

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	struct conn *conns;
	unsigned n;
	uint64_t begin;

	if (argc == 7 || argc == 8)
		the.begin = strcmp(argv[1], "echo") == 0    ? begin_echo
			: strcmp(argv[1], "memcached") == 0 ? begin_memcached
							    : NULL;
	if (the.begin == NULL || inet_pton(AF_INET, argv[2], &to.sin_addr) != 1) {
		fprintf(stderr,
			"usage: reqload memcached|echo ADDRESS PORT CONNECTIONS SECONDS BYTES "
			"[TICK_MS]\n");
		return 2;
	}
	to.sin_port = htons((uint16_t)atoi(argv[3]));
	n = (unsigned)atoi(argv[4]);
	the.value_bytes = (uint32_t)atoi(argv[6]);
	if (n < 1 || n > CONNECTIONS_MAX || the.value_bytes > VALUE_MAX)
		return 2;
	the.tick_ns = argc == 8 ? (uint64_t)(atof(argv[7]) * 1e6) : 0;
	setvbuf(stdout, NULL, _IOLBF, 0);
	conns = calloc(n, sizeof(*conns));
	for (unsigned i = 0; conns != NULL && i < n; i++)
		conn_open(&conns[i], i, &to);
	sigaction(SIGTERM, &(struct sigaction){ .sa_handler = on_term, .sa_flags = SA_RESTART }, NULL);
	begin = clock_ns();
	run(conns, n, atof(argv[5]));
	printf("requests %lu seconds %.3f p50_us %.0f p99_us %.0f max_us %.0f bytes %lu\n", the.requests,
		(double)(clock_ns() - begin) / 1e9, percentile_us(0.5), percentile_us(0.99), percentile_us(1),
		the.bytes);
	return 0;
}
