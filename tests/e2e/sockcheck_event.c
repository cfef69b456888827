/* SPDX-License-Identifier: BSD-3-Clause */
/* poll, select, epoll, alone and beside descriptors of the kernel. */
#include <sys/select.h>

#include "tests/e2e/sockcheck.h"

enum { SOON_MS = 100 }; /* nothing is to come meanwhile */

static int nonblocking_pipe(int pipes[2]) { return pipe2(pipes, O_NONBLOCK | O_CLOEXEC); }

static void drain(int fd)
{
	char data[1000];

	while (recv(fd, data, sizeof(data), MSG_DONTWAIT) > 0)
		;
}

static void check_select(int fd, int pipe_fd)
{
	struct timeval zero = { 0, 0 }, some = { 0, 50000 };
	fd_set in, out, except;
	int closed;

	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &except);
	FD_SET(pipe_fd, &in);
	show("select", select(FD_SETSIZE, &in, &out, &except, &zero));
	show("in, out, except, pipe",
		(FD_ISSET(fd, &in) != 0) * 1000 + (FD_ISSET(fd, &out) != 0) * 100 +
			(FD_ISSET(fd, &except) != 0) * 10 + (FD_ISSET(pipe_fd, &in) != 0));
	drain(fd);
	FD_ZERO(&in);
	FD_SET(fd, &in);
	show("select in vain", select(fd + 1, &in, NULL, NULL, &some));
	show("time is left", some.tv_sec + some.tv_usec);
	show("the set is empty", !FD_ISSET(fd, &in));
	closed = dup(fd);
	close(closed);
	FD_SET(fd, &in);
	FD_SET(closed, &in);
	show("select on a closed descriptor", select(FD_SETSIZE, &in, NULL, NULL, &zero));
}

void check_poll(void)
{
	int fd = accepted(0), pipes[2] = { -1, -1 };
	struct pollfd p[4] = { { .fd = fd, .events = POLLIN }, { .fd = -1, .events = POLLIN },
		{ .events = POLLIN }, { .fd = fd, .events = POLLOUT } };
	struct timespec wait = { 0, 20000000 };
	double begin = seconds();

	show("pipe", nonblocking_pipe(pipes));
	p[2].fd = pipes[0];
	show("poll", poll(p, 4, 0));
	show_events("only to write", 0, (unsigned)p[3].revents);
	show("poll in vain", poll(p, 3, 20));
	show("ppoll in vain", ppoll(p, 3, &wait, NULL));
	show("it took 40 ms", seconds() - begin >= 0.040 && seconds() - begin < 1);
	peer("send 1 10");
	show("poll for data", poll(p, 3, PATIENCE_MS));
	show_events("data", 0, (unsigned)p[0].revents);
	show_events("none", 0, (unsigned)p[1].revents);
	show("to the pipe", write(pipes[1], "x", 1));
	show("poll on both", poll(p, 4, 0));
	show_events("data", 0, (unsigned)p[0].revents);
	show_events("pipe", 0, (unsigned)p[2].revents);
	check_select(fd, pipes[0]);
	show("poll for the pipe", poll(p, 3, PATIENCE_MS));
	close(pipes[0]);
	show("poll on a closed pipe", poll(p, 3, 0));
	show_events("closed", 0, (unsigned)p[2].revents);
	show("poll with a bad time", ppoll(p, 1, &(struct timespec){ 0, -1 }, NULL));
	show("poll on none", poll(NULL, 0, 10));
	close(pipes[1]);
	close(fd);
}

/* --- epoll --- */

static void wait_shows(const char *what, int set, int ms)
{
	struct epoll_event e[4] = { { .events = 0 } };
	int n = epoll_wait(set, e, 4, ms);
	char text[64];

	snprintf(text, sizeof(text), "%s (data %d)", what, n > 0 ? (int)e[0].data.u32 : 0);
	show_events(text, n, n > 0 ? e[0].events : 0);
	for (int i = 1; i < n; i++) {
		snprintf(text, sizeof(text), "... and (data %d)", (int)e[i].data.u32);
		show_events(text, n, e[i].events);
	}
}

static int control(int set, int operation, int fd, unsigned events, unsigned data)
{
	return epoll_ctl(set, operation, fd, &(struct epoll_event){ .events = events, .data.u32 = data });
}

static void control_errors(int set, int fd)
{
	int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);

	show("modify before add", control(set, EPOLL_CTL_MOD, fd, EPOLLIN, 1));
	show("delete before add", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	show("add", control(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1));
	show("add again", control(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1));
	show("add a file", control(set, EPOLL_CTL_ADD, file, EPOLLIN, 1));
	show("add the set", control(set, EPOLL_CTL_ADD, set, EPOLLIN, 1));
	show("add to no set", control(fd, EPOLL_CTL_ADD, set, EPOLLIN, 1));
	show("add a closed one", control(set, EPOLL_CTL_ADD, 999, EPOLLIN, 1));
	show("unknown operation", control(set, 9, fd, EPOLLIN, 1));
	show("add without event", epoll_ctl(set, EPOLL_CTL_ADD, file, NULL));
	show("modify to exclusive", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLEXCLUSIVE, 1));
	show("wait for none", epoll_wait(set, (struct epoll_event[1]){ { 0 } }, 0, 0));
	show("wait on no set", epoll_wait(fd, (struct epoll_event[1]){ { 0 } }, 1, 0));
	close(file);
}

static void levels(int set, int fd)
{
	wait_shows("nothing yet", set, 0);
	peer("send 1 10");
	wait_shows("data", set, PATIENCE_MS);
	wait_shows("data still", set, 0);
	show("read some", recv(fd, (char[5]){ 0 }, 5, 0));
	wait_shows("some left", set, 0);
	drain(fd);
	wait_shows("none left", set, 0);
	show("modify", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLRDHUP, 2));
	wait_shows("writable", set, PATIENCE_MS);
	show("modify", control(set, EPOLL_CTL_MOD, fd, 0, 3));
	wait_shows("no interest", set, 0);
}

static void edges(int set, int fd)
{
	show("modify to edges", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLET, 4));
	wait_shows("at first", set, PATIENCE_MS);
	wait_shows("not again", set, SOON_MS);
	peer("send 1 10");
	wait_shows("data", set, PATIENCE_MS);
	wait_shows("not again", set, SOON_MS);
	peer("send 1 10");
	wait_shows("more data", set, PATIENCE_MS);
	show("read some", recv(fd, (char[5]){ 0 }, 5, 0));
	wait_shows("not for what is left", set, SOON_MS);
	show("modify the same", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLOUT | EPOLLET, 5));
	wait_shows("again after that", set, PATIENCE_MS);
	drain(fd);
	show("modify to one shot", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 6));
	peer("send 1 10");
	wait_shows("the shot", set, PATIENCE_MS);
	peer("send 1 10");
	wait_shows("no second", set, SOON_MS);
	show("arm again", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLONESHOT, 7));
	wait_shows("at once", set, PATIENCE_MS);
	drain(fd);
}

static void ends(int set, int fd)
{
	show("modify", control(set, EPOLL_CTL_MOD, fd, EPOLLIN | EPOLLRDHUP, 8));
	peer("shut 1");
	wait_shows("the peer shut", set, PATIENCE_MS);
	show("modify", control(set, EPOLL_CTL_MOD, fd, EPOLLOUT, 9));
	wait_shows("writable", set, PATIENCE_MS);
	show("shutdown", shutdown(fd, SHUT_WR));
	wait_shows("both shut", set, PATIENCE_MS);
	show("delete", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	wait_shows("deleted", set, 0);
	show("delete again", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
}

void check_epoll(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC), fd = accepted(0);

	control_errors(set, fd);
	levels(set, fd);
	edges(set, fd);
	ends(set, fd);
	close(fd);
	fd = accepted(0);
	show("add another", control(set, EPOLL_CTL_ADD, fd, EPOLLIN, 10));
	peer("rst 1");
	wait_shows("reset", set, PATIENCE_MS);
	wait_shows("still", set, 0);
	show("recv", recv(fd, (char[1]){ 0 }, 1, 0));
	wait_shows("after recv", set, 0);
	show("close", close(fd));
	wait_shows("closed", set, 0);
	show("delete", epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL));
	close(set);
}

static void two_sets(int fd)
{
	int one = epoll_create1(EPOLL_CLOEXEC), two = epoll_create1(EPOLL_CLOEXEC),
	    outer = epoll_create1(EPOLL_CLOEXEC);

	show("add to one", control(one, EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLET, 1));
	show("add to two", control(two, EPOLL_CTL_ADD, fd, EPOLLIN, 2));
	show("one in the outer", control(outer, EPOLL_CTL_ADD, one, EPOLLIN, 3));
	show("the outer in one", control(one, EPOLL_CTL_ADD, outer, EPOLLIN, 4));
	wait_shows("outer idle", outer, 0);
	show_events("one idle by poll", 0, events_now(one));
	peer("send 1 10");
	wait_shows("outer", outer, PATIENCE_MS);
	show_events("one by poll", 0, events_now(one));
	wait_shows("one", one, PATIENCE_MS);
	wait_shows("one again", one, 0);
	wait_shows("outer again", outer, 0);
	wait_shows("two", two, PATIENCE_MS);
	wait_shows("two again", two, 0);
	drain(fd);
	wait_shows("two drained", two, 0);
	close(one);
	close(two);
	close(outer);
}

static void mixed(int fd)
{
	int set = epoll_create1(EPOLL_CLOEXEC), pipes[2], inner = epoll_create1(EPOLL_CLOEXEC);
	double begin;

	if (nonblocking_pipe(pipes) != 0)
		return;
	show("add the socket", control(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1));
	show("add the pipe", control(set, EPOLL_CTL_ADD, pipes[0], EPOLLIN, 2));
	begin = seconds();
	wait_shows("nothing", set, 30);
	show("it took 30 ms", seconds() - begin >= 0.0299 && seconds() - begin < 1);
	show("to the pipe", write(pipes[1], "x", 1));
	wait_shows("the pipe", set, PATIENCE_MS);
	show("from the pipe", read(pipes[0], (char[1]){ 0 }, 1));
	wait_shows("nothing", set, 0);
	peer("send 1 1");
	wait_shows("the socket", set, PATIENCE_MS);
	drain(fd);
	show("nest the pipe", control(inner, EPOLL_CTL_ADD, pipes[0], EPOLLIN, 3));
	show("nest the set", control(set, EPOLL_CTL_ADD, inner, EPOLLIN, 4));
	show("delete the pipe", epoll_ctl(set, EPOLL_CTL_DEL, pipes[0], NULL));
	show("to the pipe", write(pipes[1], "x", 1));
	wait_shows("the inner set", set, PATIENCE_MS);
	wait_shows("in it", inner, 0);
	show("from the pipe", read(pipes[0], (char[1]){ 0 }, 1));
	wait_shows("nothing", set, 0);
	show("pwait2",
		epoll_pwait2(set, (struct epoll_event[1]){ { 0 } }, 1, &(struct timespec){ 0, 1000 }, NULL));
	close(pipes[0]);
	close(pipes[1]);
	close(set);
	close(inner);
}

/* Each of those that are ready gets its turn, whoever carries it. */
static void one_by_one(int fd)
{
	int set = epoll_create1(EPOLL_CLOEXEC), other = accepted(0), pipes[2], seen[3] = { 0 };
	struct epoll_event e;

	if (nonblocking_pipe(pipes) != 0)
		return;
	control(set, EPOLL_CTL_ADD, pipes[0], EPOLLIN, 0);
	control(set, EPOLL_CTL_ADD, fd, EPOLLIN, 1);
	control(set, EPOLL_CTL_ADD, other, EPOLLIN, 2);
	show("to the pipe", write(pipes[1], "x", 1));
	shutdown(fd, SHUT_RD);
	shutdown(other, SHUT_RD);
	for (int i = 0; i < 3000; i++) {
		if (epoll_wait(set, &e, 1, PATIENCE_MS) == 1)
			seen[e.data.u32]++;
	}
	show("the pipe", seen[0] >= 2);
	show("one socket", seen[1] >= 200);
	show("the other", seen[2] >= 200);
	close(other);
	close(pipes[0]);
	close(pipes[1]);
	close(set);
}

/* A listener on the wildcard and on the one address; a socket that is registered before it is connected. */
static void openings(void)
{
	int set = epoll_create1(EPOLL_CLOEXEC), port, listener = new_listener(SOCK_NONBLOCK, &port),
	    fd = new_socket(SOCK_NONBLOCK);
	union name to;

	show("add a listener", control(set, EPOLL_CTL_ADD, listener, EPOLLIN, 1));
	wait_shows("idle", set, 0);
	peer("connect 1 %s %d", check_local.text, port);
	wait_shows("a connection", set, PATIENCE_MS);
	wait_shows("still", set, 0);
	close(accept(listener, NULL, NULL));
	wait_shows("accepted", set, 0);
	show("to edges", control(set, EPOLL_CTL_MOD, listener, EPOLLIN | EPOLLET, 2));
	peer("connect 2 %s %d", check_local.text, port);
	wait_shows("a connection", set, PATIENCE_MS);
	wait_shows("not again", set, SOON_MS);
	close(accept(listener, NULL, NULL));
	close(listener);
	show("add a new socket", control(set, EPOLL_CTL_ADD, fd, EPOLLOUT | EPOLLET, 3));
	wait_shows("unconnected", set, 0);
	to = address(check_remote, atoi(peer("listen")));
	show("connect", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	wait_shows("connected", set, PATIENCE_MS);
	wait_shows("not again", set, SOON_MS);
	close(fd);
	close(set);
}

void check_epoll_sets(void)
{
	int fd = accepted(0);

	two_sets(fd);
	mixed(fd);
	one_by_one(fd);
	close(fd);
	openings();
}
