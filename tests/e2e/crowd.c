/* SPDX-License-Identifier: BSD-3-Clause */
/* crowd - many connections to echo servers, opened fast and closed at once.
 *
 *   crowd ADDRESS FIRST_PORT PORTS CONNECTIONS
 *
 * Opens CONNECTIONS, spread over PORTS ports from FIRST_PORT on; on each one byte goes and comes back. Then
 * it prints "open N" and waits. SIGUSR1: closes all at once. A connection that the server ends is closed,
 * too. When none is left it prints "closed N ended E reset R": closed here; ended by the server's FIN, or by
 * RST. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { FDS = 1 << 20, EVENTS = 256, IN_FLIGHT = 500, PATIENCE_MS = 20000 };

static struct {
	struct sockaddr_in to;
	uint16_t first_port, ports;
	unsigned wanted, begun, answered; /* connections */
	unsigned closed, ended, reset;
	bool told;
	int epfd, signals, fd_last;
	bool open[FDS];
} the;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "crowd: %s: %s (begun %u, answered %u)\n", what, strerror(errno), the.begun,
		the.answered);
	exit(1);
}

static void watch(int operation, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	if (epoll_ctl(the.epfd, operation, fd, &e) != 0)
		die("epoll_ctl");
}

static void conn_begin(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0)
		die("socket");
	the.to.sin_port = htons((uint16_t)(the.first_port + the.begun % the.ports));
	if (connect(fd, (void *)&the.to, sizeof(the.to)) != 0 && errno != EINPROGRESS)
		die("connect");
	the.begun++;
	the.open[fd] = true;
	the.fd_last = fd > the.fd_last ? fd : the.fd_last;
	watch(EPOLL_CTL_ADD, fd, EPOLLOUT);
}

static void conn_close(int fd, unsigned *why)
{
	(*why)++;
	the.open[fd] = false;
	close(fd);
}

static void conn_connected(int fd)
{
	if (send(fd, "x", 1, MSG_NOSIGNAL) != 1)
		die("a connection did not come about");
	watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void conn_readable(int fd)
{
	char byte[16];
	ssize_t n = recv(fd, byte, sizeof(byte), 0);

	if (n == 1 && byte[0] == 'x')
		the.answered++;
	else if (the.answered < the.wanted)
		die("a connection ended before all were open");
	else if (n > 0)
		die("a byte that was not sent");
	else
		conn_close(fd, n == 0 ? &the.ended : &the.reset);
}

static void all_close(void)
{
	struct signalfd_siginfo info;

	if (read(the.signals, &info, sizeof(info)) != sizeof(info))
		die("signalfd");
	for (int fd = 0; fd <= the.fd_last; fd++)
		if (the.open[fd])
			conn_close(fd, &the.closed);
}

static void event(const struct epoll_event *e)
{
	if (e->data.fd == the.signals)
		all_close();
	else if (!the.open[e->data.fd])
		return; /* closed by an event before this one */
	else if (e->events & EPOLLOUT)
		conn_connected(e->data.fd);
	else
		conn_readable(e->data.fd);
}

static void start(char **argv)
{
	sigset_t set;

	the.to.sin_family = AF_INET;
	if (inet_pton(AF_INET, argv[1], &the.to.sin_addr) != 1)
		die(argv[1]);
	the.first_port = (uint16_t)atoi(argv[2]);
	the.ports = (uint16_t)atoi(argv[3]);
	the.wanted = (unsigned)atoi(argv[4]);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	the.signals = signalfd(-1, &set, 0);
	the.epfd = epoll_create1(0);
	watch(EPOLL_CTL_ADD, the.signals, EPOLLIN);
}

/* One turn; false when all are gone. */
static bool turn(void)
{
	struct epoll_event events[EVENTS];
	int n;

	while (the.begun < the.wanted && the.begun - the.answered < IN_FLIGHT)
		conn_begin();
	if (the.answered == the.wanted && !the.told) {
		printf("open %u\n", the.answered);
		fflush(stdout);
		the.told = true;
	}
	if (the.closed + the.ended + the.reset == the.wanted)
		return false;
	n = epoll_wait(the.epfd, events, EVENTS, the.told ? -1 : PATIENCE_MS);
	if (n == 0)
		die("no answer for 20 s");
	for (int i = 0; i < n; i++)
		event(&events[i]);
	return true;
}

int main(int argc, char **argv)
{
	if (argc != 5 || atoi(argv[3]) < 1 || atoi(argv[4]) < 1) {
		fprintf(stderr, "usage: crowd ADDRESS FIRST_PORT PORTS CONNECTIONS\n");
		return 2;
	}
	start(argv);
	while (turn())
		;
	printf("closed %u ended %u reset %u\n", the.closed, the.ended, the.reset);
	return 0;
}
