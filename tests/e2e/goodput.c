/* SPDX-License-Identifier: BSD-3-Clause */
/* goodput.c - bytes that both ends know, one way over one connection; each is compared, and the receiver
 * tells how many came in how long a time.
 *
 *	goodput serve PORT [ALGORITHM]			until it is ended; "ready" when it listens
 *	goodput get|put ADDRESS PORT WHAT [ALGORITHM]	the server's bytes to us, or ours to the server
 *
 * WHAT is a number of bytes (5000000), which must then be all that comes, or a time (3s, 500ms) counted from
 * the first byte on, after which the receiver stops. ALGORITHM is set by TCP_CONGESTION; the sender's counts.
 * get and put print "BYTES NANOSECONDS" from the first byte to the last one, and exit with 1 if anything was
 * not as it should be.
 *
 * A client sends a request (24 bytes); whoever receives ends: a server that received by a receipt (24 bytes),
 * a client by closing. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "include/base/compiler.h"
#include "include/base/time.h"

enum { CHUNK = 64 * 1024, PERIOD = 251 * 263, PATIENCE_MS = 60000 };

struct request {
	uint64_t get; /* 1, or 0 for put */
	uint64_t bytes;
	uint64_t ns; /* one of the two is 0 */
};

struct receipt {
	uint64_t right; /* 1: all bytes were the ones */
	uint64_t bytes, ns;
};

/* Any CHUNK bytes of the stream stand here in one piece. */
static uint8_t pattern[PERIOD + CHUNK];

static _Noreturn __attribute__((format(printf, 1, 2))) void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("goodput: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

static tas_ns clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (tas_ns)ts.tv_sec * NS_PER_SEC + (tas_ns)ts.tv_nsec;
}

static void pattern_make(void)
{
	uint32_t x = 1;

	for (size_t i = 0; i < PERIOD; i++) {
		x = x * 1664525 + 1013904223;
		pattern[i] = (uint8_t)(x >> 24);
	}
	memcpy(pattern + PERIOD, pattern, CHUNK);
}

static const uint8_t *pattern_at(uint64_t off) { return pattern + off % PERIOD; }

static void choose(int sock, const char *algorithm)
{
	char is[16] = "";
	socklen_t len = sizeof(is);

	if (algorithm == NULL)
		return;
	if (setsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, algorithm, (socklen_t)strlen(algorithm)) != 0)
		die("TCP_CONGESTION %s: %s", algorithm, strerror(errno));
	if (getsockopt(sock, IPPROTO_TCP, TCP_CONGESTION, is, &len) != 0 || strcmp(is, algorithm) != 0)
		die("TCP_CONGESTION is %s, not %s", is, algorithm);
}

static bool read_fully(int sock, void *to, size_t len)
{
	ssize_t n;

	for (size_t got = 0; got < len; got += (size_t)n)
		if ((n = read(sock, (char *)to + got, len - got)) <= 0)
			return false;
	return true;
}

static bool write_fully(int sock, const void *from, size_t len)
{
	ssize_t n;

	for (size_t done = 0; done < len; done += (size_t)n)
		if ((n = send(sock, (const char *)from + done, len - done, MSG_NOSIGNAL)) <= 0)
			return false;
	return true;
}

/* The receiver's side: until bytes, time, or the stream are at their end. */
static struct receipt receive(int sock, const struct request *want)
{
	static uint8_t data[CHUNK];
	struct receipt r = { .right = 1 };
	tas_ns first = 0, now;
	ssize_t n;

	while ((want->bytes == 0 || r.bytes < want->bytes) && (n = read(sock, data, CHUNK)) != 0) {
		if (n < 0) {
			fprintf(stderr, "goodput: after %lu bytes: %s\n", r.bytes, strerror(errno));
			r.right = 0;
			return r;
		}
		now = clock_ns();
		first = first != 0 ? first : now;
		if (memcmp(data, pattern_at(r.bytes), (size_t)n) != 0) {
			fprintf(stderr, "goodput: of %zd bytes at %lu some differ\n", n, r.bytes);
			r.right = 0;
		}
		r.bytes += (uint64_t)n;
		r.ns = now - first;
		if (want->ns != 0 && r.ns >= want->ns)
			return r;
	}
	if (want->ns != 0 || r.bytes != want->bytes) {
		fprintf(stderr, "goodput: %lu bytes, then the end\n", r.bytes);
		r.right = 0;
	}
	return r;
}

/* The sender's side: until everything is sent, or the receiver has enough and says or closes. */
static void transmit(int sock, const struct request *want)
{
	for (uint64_t off = 0; want->bytes == 0 || off < want->bytes;) {
		struct pollfd p = { .fd = sock, .events = POLLIN | POLLOUT };
		uint64_t rest = want->bytes != 0 ? want->bytes - off : CHUNK;
		ssize_t n;

		if (poll(&p, 1, PATIENCE_MS) <= 0) {
			fprintf(stderr, "goodput: nothing moves after %lu bytes\n", off);
			return;
		}
		if (p.revents & (POLLIN | POLLHUP | POLLERR))
			return;
		n = send(sock, pattern_at(off), min_u64(rest, CHUNK), MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno != EAGAIN)
			return;
		off += n > 0 ? (uint64_t)n : 0;
	}
}

/* --- the server --- */

static void serve_one(int sock)
{
	struct request want;
	static char rest[CHUNK];
	struct receipt r;

	if (!read_fully(sock, &want, sizeof(want))) /* it only wanted to know whether we answer */
		return;
	if (want.get) {
		transmit(sock, &want);
		shutdown(sock, SHUT_WR);
		while (read(sock, rest, sizeof(rest)) > 0)
			;
		return;
	}
	r = receive(sock, &want);
	write_fully(sock, &r, sizeof(r));
	shutdown(sock, SHUT_WR);
	while (read(sock, rest, sizeof(rest)) >
		0) /* closed with bytes unread, a reset would overtake the receipt */
		;
}

static _Noreturn void serve(const char *port, const char *algorithm)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	int one = 1, sock = socket(AF_INET, SOCK_STREAM, 0), peer;

	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	choose(sock, algorithm); /* accepted sockets inherit it */
	if (bind(sock, (struct sockaddr *)&a, sizeof(a)) != 0 || listen(sock, 16) != 0)
		die("port %s: %s", port, strerror(errno));
	puts("ready");
	fflush(stdout);
	for (;;) {
		peer = accept(sock, NULL, NULL);
		if (peer < 0)
			die("accept: %s", strerror(errno));
		serve_one(peer);
		close(peer);
	}
}

/* --- the client --- */

static struct request request_of(const char *what, const char *amount)
{
	struct request r = { .get = strcmp(what, "get") == 0 };
	char *unit;
	double x = strtod(amount, &unit);

	if (!(x > 0) || (!r.get && strcmp(what, "put") != 0))
		die("%s %s: put or get, and bytes or a time", what, amount);
	if (*unit == 0)
		r.bytes = (uint64_t)x;
	else if (strcmp(unit, "s") == 0 || strcmp(unit, "ms") == 0)
		r.ns = (uint64_t)(x * (*unit == 's' ? 1e9 : 1e6));
	else
		die("%s: a number of bytes, or a time in s or ms", amount);
	return r;
}

static int client(const struct request *want, const char *address, const char *port, const char *algorithm)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };
	struct linger at_once = { .l_onoff = 1 };
	int sock = socket(AF_INET, SOCK_STREAM, 0);
	struct receipt r;

	choose(sock, algorithm);
	if (inet_pton(AF_INET, address, &a.sin_addr) != 1 ||
		connect(sock, (struct sockaddr *)&a, sizeof(a)) != 0)
		die("%s:%s: %s", address, port, strerror(errno));
	if (!write_fully(sock, want, sizeof(*want)))
		die("cannot send the request: %s", strerror(errno));
	if (want->get) {
		r = receive(sock, want);
	} else {
		transmit(sock, want);
		if (!read_fully(sock, &r, sizeof(r)))
			die("no receipt: %s", strerror(errno));
	}
	if (want->ns != 0) /* nobody wants what is still on its way */
		setsockopt(sock, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
	close(sock);
	printf("%lu %lu\n", r.bytes, r.ns);
	return r.right ? 0 : 1;
}

int main(int argc, char **argv)
{
	pattern_make();
	if ((argc == 3 || argc == 4) && strcmp(argv[1], "serve") == 0)
		serve(argv[2], argv[3]);
	if (argc == 5 || argc == 6) {
		struct request want = request_of(argv[1], argv[4]);

		return client(&want, argv[2], argv[3], argv[5]);
	}
	fprintf(stderr,
		"usage: goodput serve PORT [ALGORITHM] | get|put ADDRESS PORT BYTES|TIME [ALGORITHM]\n");
	return 2;
}
