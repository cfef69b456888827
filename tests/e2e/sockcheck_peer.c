/* SPDX-License-Identifier: BSD-3-Clause */
/* The peer: does what it is told, one line at a time, on up to SOCKETS connections. */
#include <sys/un.h>

#include "tests/e2e/sockcheck.h"

enum { SOCKETS = 64 };

static int listener = -1;
static int sockets[SOCKETS];
static size_t sent[SOCKETS], received[SOCKETS];
static struct host own;

static void answer(FILE *to, long result)
{
	if (result < 0)
		fprintf(to, "%s\n", strerrorname_np(errno));
	else
		fprintf(to, "%ld\n", result);
}

static long do_listen(void)
{
	union name name = address(own, 0);
	socklen_t size = sizeof(name);

	listener = socket(own.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (bind(listener, (struct sockaddr *)&name, sizeof(name)) != 0 || listen(listener, 16) != 0 ||
		getsockname(listener, (struct sockaddr *)&name, &size) != 0)
		return -1;
	return port_of(&name);
}

static long do_unlisten(void)
{
	int fd = listener;

	listener = -1;
	return close(fd);
}

static void install(unsigned i, int fd)
{
	struct timeval patience = { PATIENCE_MS / 1000, 0 };

	if (sockets[i] >= 0)
		close(sockets[i]);
	sockets[i] = fd;
	sent[i] = received[i] = 0;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static long do_connect(unsigned i, const char *ip, int port)
{
	struct host host;
	union name to;
	int fd;

	if (!host_read(ip, &host)) {
		errno = EINVAL;
		return -1;
	}
	to = address(host, port);
	fd = socket(host.family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
		close(fd);
		return -1;
	}
	install(i, fd);
	return 0;
}

static long do_accept(unsigned i)
{
	struct pollfd p = { .fd = listener, .events = POLLIN };
	int fd;

	if (poll(&p, 1, PATIENCE_MS) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		install(i, fd);
	return fd < 0 ? -1 : 0;
}

static long send_as(unsigned i, size_t n, int flags)
{
	static unsigned char data[1 << 16];

	for (size_t done = 0; done < n;) {
		size_t part = n - done < sizeof(data) ? n - done : sizeof(data);
		ssize_t put;

		pattern_fill(data, sent[i], part);
		put = send(sockets[i], data, part, MSG_NOSIGNAL | flags);
		if (put < 0)
			return -1;
		sent[i] += (size_t)put;
		done += (size_t)put;
	}
	return (long)n;
}

/* Bytes until n are there, the stream ends, or an error comes; those that are wrong show as EBADMSG. */
static long do_recv(unsigned i, size_t n)
{
	static unsigned char data[1 << 16];
	size_t done = 0;

	while (done < n) {
		ssize_t got = recv(sockets[i], data, n - done < sizeof(data) ? n - done : sizeof(data), 0);

		if (got == 0)
			break;
		if (got < 0)
			return -1;
		if (!pattern_is(data, received[i], (size_t)got)) {
			errno = EBADMSG;
			return -1;
		}
		received[i] += (size_t)got;
		done += (size_t)got;
	}
	return (long)done;
}

/* The urgent byte. */
static long do_take_urgent(unsigned i)
{
	struct pollfd p = { .fd = sockets[i], .events = POLLPRI };
	unsigned char byte;

	if (poll(&p, 1, PATIENCE_MS) != 1) {
		errno = ETIMEDOUT;
		return -1;
	}
	return recv(sockets[i], &byte, 1, MSG_OOB) == 1 ? byte : -1;
}

/* Is the next byte the urgent one, once that came? */
static long do_mark(unsigned i)
{
	int n = -1;

	return ioctl(sockets[i], SIOCATMARK, &n) == 0 ? n : -1;
}

static long do_inline(unsigned i)
{
	int on = 1;

	return setsockopt(sockets[i], SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
}

/* Bytes that were taken out of the stream. */
static long do_skip(unsigned i, size_t n)
{
	received[i] += n;
	return 0;
}

static long do_reset(unsigned i)
{
	struct linger hard = { 1, 0 };

	setsockopt(sockets[i], SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(sockets[i]);
	sockets[i] = -1;
	return 0;
}

static long do_close(unsigned i)
{
	close(sockets[i]);
	sockets[i] = -1;
	return 0;
}

static long reset_all(void)
{
	for (unsigned i = 0; i < SOCKETS; i++) {
		if (sockets[i] >= 0)
			do_close(i);
	}
	if (listener >= 0)
		close(listener);
	listener = -1;
	return 0;
}

/* -1 and ENOSYS: another command. */
static long obey_urgent(const char *verb, unsigned i, size_t n)
{
	if (strcmp(verb, "oob") == 0)
		return send_as(i, n, MSG_OOB);
	if (strcmp(verb, "takeoob") == 0)
		return do_take_urgent(i);
	if (strcmp(verb, "mark") == 0)
		return do_mark(i);
	if (strcmp(verb, "inline") == 0)
		return do_inline(i);
	if (strcmp(verb, "skip") == 0)
		return do_skip(i, n);
	errno = ENOSYS;
	return -1;
}

static long obey(const char *line)
{
	char verb[32] = "", ip[64];
	unsigned i = 0;
	size_t n = 0;
	int port;

	sscanf(line, "%31s %u %zu", verb, &i, &n);
	i %= SOCKETS;
	if (strcmp(verb, "connect") == 0 && sscanf(line, "connect %u %63s %d", &i, ip, &port) == 3)
		return do_connect(i % SOCKETS, ip, port);
	if (strcmp(verb, "listen") == 0)
		return do_listen();
	if (strcmp(verb, "unlisten") == 0)
		return do_unlisten();
	if (strcmp(verb, "accept") == 0)
		return do_accept(i);
	if (strcmp(verb, "send") == 0)
		return send_as(i, n, 0);
	if (strcmp(verb, "recv") == 0)
		return do_recv(i, n);
	if (strcmp(verb, "shut") == 0)
		return shutdown(sockets[i], SHUT_WR);
	if (strcmp(verb, "close") == 0)
		return do_close(i);
	if (strcmp(verb, "rst") == 0)
		return do_reset(i);
	if (strcmp(verb, "reset") == 0)
		return reset_all();
	return obey_urgent(verb, i, n);
}

int peer_main(const char *path, struct host remote)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	char line[TEXT];
	FILE *control;

	own = remote;
	signal(SIGPIPE, SIG_IGN);
	memset(sockets, -1, sizeof(sockets));
	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	unlink(path);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(fd, 1) != 0) {
		perror(path);
		return 1;
	}
	while ((control = fdopen(accept4(fd, NULL, NULL, SOCK_CLOEXEC), "r+")) != NULL) {
		while (fgets(line, sizeof(line), control) != NULL) {
			answer(control, obey(line));
			fflush(control);
		}
		fclose(control);
		reset_all();
	}
	return 0;
}
