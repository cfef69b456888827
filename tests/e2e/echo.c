/* SPDX-License-Identifier: BSD-3-Clause */
/* echo - an echo server as programs for Linux are written: plain sockets, one thread, epoll.
 *
 *   echo PORT
 *
 * Every byte comes back. What a peer does not take is kept, and nothing more is read from it until it did.
 * SIGUSR1 closes all connections at once, and the server goes on. */
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS = 1 << 20, CHUNK = 1 << 16, EVENTS = 256, BACKLOG = 4096 };

/* Of a connection, by its descriptor: what is still to be sent. */
struct conn {
	char *rest;
	uint32_t at, len;
	uint8_t open;
};

static struct conn conns[FDS];
static int epfd, listener, signals, fd_last;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "echo: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void watch(int operation, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(epfd, operation, fd, &e) != 0)
		die("epoll_ctl");
}

static void conn_close(int fd)
{
	free(conns[fd].rest);
	conns[fd] = (struct conn){ 0 };
	close(fd);
}

static void all_close(void)
{
	struct signalfd_siginfo info;

	if (read(signals, &info, sizeof(info)) != sizeof(info))
		die("signalfd");
	for (int fd = 0; fd <= fd_last; fd++)
		if (conns[fd].open)
			conn_close(fd);
}

static void conn_accept(void)
{
	int fd;

	while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
		conns[fd].open = 1;
		fd_last = fd > fd_last ? fd : fd_last;
		watch(EPOLL_CTL_ADD, fd, EPOLLIN);
	}
	if (errno != EAGAIN && errno != ECONNABORTED)
		die("accept");
}

/* How many of the bytes were taken; -1: the connection is over. */
static ssize_t put(int fd, const char *bytes, size_t len)
{
	ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);

	return n < 0 && errno == EAGAIN ? 0 : n;
}

static void keep(int fd, const char *bytes, uint32_t len)
{
	conns[fd].rest = malloc(len);
	if (conns[fd].rest == NULL)
		die("malloc");
	memcpy(conns[fd].rest, bytes, len);
	conns[fd].at = 0;
	conns[fd].len = len;
	watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void conn_write(int fd)
{
	struct conn *c = &conns[fd];
	ssize_t n = put(fd, c->rest + c->at, c->len - c->at);

	if (n < 0) {
		conn_close(fd);
		return;
	}
	c->at += (uint32_t)n;
	if (c->at < c->len)
		return;
	free(c->rest);
	c->rest = NULL;
	watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void conn_read(int fd)
{
	static char bytes[CHUNK];
	ssize_t got = recv(fd, bytes, sizeof(bytes), 0), n;

	if (got < 0 && errno == EAGAIN)
		return;
	n = got <= 0 ? -1 : put(fd, bytes, (size_t)got);
	if (n < 0)
		conn_close(fd);
	else if (n < got)
		keep(fd, bytes + n, (uint32_t)(got - n));
}

static void event(const struct epoll_event *e)
{
	int fd = e->data.fd;

	if (fd == listener)
		conn_accept();
	else if (fd == signals)
		all_close();
	else if (!conns[fd].open)
		return; /* closed by an event before this one */
	else if (conns[fd].rest != NULL)
		conn_write(fd);
	else
		conn_read(fd);
}

static void server_start(uint16_t port)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons(port) };
	int one = 1;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, 0);
	epfd = epoll_create1(0);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
		bind(listener, (void *)&any, sizeof(any)) != 0 || listen(listener, BACKLOG) != 0)
		die("listen");
	watch(EPOLL_CTL_ADD, listener, EPOLLIN);
	watch(EPOLL_CTL_ADD, signals, EPOLLIN);
}

int main(int argc, char **argv)
{
	struct epoll_event events[EVENTS];

	if (argc != 2) {
		fprintf(stderr, "usage: echo PORT\n");
		return 2;
	}
	server_start((uint16_t)atoi(argv[1]));
	for (;;) {
		int n = epoll_wait(epfd, events, EVENTS, -1);

		if (n < 0 && errno != EINTR)
			die("epoll_wait");
		for (int i = 0; i < n; i++)
			event(&events[i]);
	}
}
