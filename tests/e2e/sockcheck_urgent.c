/* SPDX-License-Identifier: BSD-3-Clause */
/* Urgent data, both ways. */
#include <arpa/inet.h>
#include <sys/select.h>

#include "tests/e2e/sockcheck.h"

static unsigned char data[200000];

static long at_mark(int fd)
{
	int n = -1;

	return ioctl(fd, SIOCATMARK, &n) == 0 ? n : -1;
}

static void state(const char *what, int fd)
{
	char text[TEXT];
	int n = -1;

	show_events(what, 0, events_now(fd));
	ioctl(fd, FIONREAD, &n);
	snprintf(text, sizeof(text), "mark %ld, sockatmark %d, FIONREAD %d", at_mark(fd), sockatmark(fd), n);
	show_text(what, text);
}

/* Until recv out of band would say this: the byte, or -1 and errno. */
static void settle_urgent(int fd, int byte, int error)
{
	double end = seconds() + PATIENCE_MS / 1000.0;
	unsigned char got = 0;

	for (;;) {
		ssize_t n = recv(fd, &got, 1, MSG_OOB | MSG_PEEK);

		if (byte >= 0 ? n == 1 && got == byte : n < 0 && errno == error)
			return;
		if (seconds() > end) {
			show_text("settle_urgent", "it did not come");
			return;
		}
		usleep(200);
	}
}

static void out_of_band(const char *call, int fd, int flags, size_t at)
{
	data[0] = 0;
	if (show(call, recv(fd, data, 1, MSG_OOB | flags)) == 1)
		show("it is right", pattern_is(data, at, 1));
}

static void plain(const char *call, int fd, size_t n, int flags, size_t from)
{
	ssize_t got = show(call, recv(fd, data, n, flags));

	if (got > 0)
		show("they are right", pattern_is(data, from, (size_t)got));
}

/* --- one byte beside the stream --- */

static void taken_out(void)
{
	int fd = accepted(0);

	out_of_band("none", fd, 0, 0);
	peer("send 1 10");
	peer("oob 1 1");
	settle_urgent(fd, pattern(10), 0);
	state("it came", fd);
	out_of_band("peek at it", fd, MSG_PEEK, 10);
	out_of_band("take it", fd, MSG_DONTWAIT, 10);
	out_of_band("again", fd, 0, 10);
	state("it is taken", fd);
	plain("read up to the mark", fd, 100, 0, 0);
	state("at the mark", fd);
	show("read there", recv(fd, data, 100, MSG_DONTWAIT));
	state("past it", fd);
	peer("send 1 10");
	settle_bytes(fd, 10);
	plain("read on", fd, 100, 0, 11);
	close(fd);
}

static void passed_over(void)
{
	int fd = accepted(0);

	peer("oob 1 5");
	settle_urgent(fd, pattern(4), 0);
	peer("send 1 10");
	plain("read up to a mark", fd, 100, 0, 0);
	settle(fd, POLLIN);
	state("there", fd);
	plain("peek past it", fd, 10, MSG_PEEK, 5);
	state("still there", fd);
	out_of_band("peek out of band", fd, MSG_PEEK, 4);
	plain("read past it", fd, 4, 0, 5);
	out_of_band("it is gone", fd, 0, 4);
	plain("read the rest", fd, 100, 0, 9);
	state("at the end", fd);
	close(fd);
}

static void pieces(void)
{
	int fd = accepted(0);

	peer("send 1 10");
	peer("oob 1 1");
	peer("send 1 20");
	settle_urgent(fd, pattern(10), 0);
	plain("read 4", fd, 4, 0, 0);
	plain("peek for all", fd, 100, MSG_PEEK | MSG_WAITALL, 4);
	plain("wait for all", fd, 100, MSG_WAITALL, 4);
	settle(fd, POLLIN);
	state("at the mark", fd);
	plain("wait for 20", fd, 20, MSG_WAITALL, 11);
	peer("oob 1 1");
	settle_urgent(fd, pattern(31), 0);
	show("drop", recv(fd, data, 10, MSG_TRUNC | MSG_DONTWAIT));
	peer("send 1 10");
	settle_bytes(fd, 10);
	plain("the rest", fd, 10, 0, 32);
	close(fd);
}

static void one_after_another(void)
{
	int fd = accepted(0);

	peer("oob 1 1");
	settle_urgent(fd, pattern(0), 0);
	peer("oob 1 1");
	settle_urgent(fd, pattern(1), 0);
	state("two, and nobody read", fd);
	out_of_band("the second", fd, 0, 1);
	show("no byte in the stream", recv(fd, data, 10, MSG_DONTWAIT));
	peer("send 1 5");
	peer("oob 1 1");
	settle_urgent(fd, pattern(7), 0);
	peer("send 1 5");
	peer("oob 1 1");
	settle_urgent(fd, pattern(13), 0);
	plain("the former is data", fd, 100, 0, 2);
	state("at the later", fd);
	close(fd);
}

/* As above, but the subject looks only when all of them came. */
static void one_after_another_unseen(void)
{
	int fd = accepted(0);

	for (int i = 0; i < 3; i++)
		peer("oob 1 1");
	peer("send 1 3");
	peer("oob 1 1");
	usleep(1000);
	settle_urgent(fd, pattern(6), 0);
	plain("those at the beginning are gone", fd, 100, 0, 3);
	state("at the last", fd);
	close(fd);
}

static void messages(void)
{
	int fd = accepted(0);
	struct iovec iov[2] = { { data, 0 }, { data, 10 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };

	peer("send 1 2");
	peer("oob 1 1");
	settle_urgent(fd, pattern(2), 0);
	show("recvmsg peeks", recvmsg(fd, &m, MSG_OOB | MSG_PEEK));
	show("flags", m.msg_flags == MSG_OOB);
	show("it is right", pattern_is(data, 2, 1));
	show("truncated", recv(fd, data, 1, MSG_OOB | MSG_PEEK | MSG_TRUNC));
	m.msg_iovlen = 1;
	show("recvmsg of none", recvmsg(fd, &m, MSG_OOB));
	show("flags", m.msg_flags == (MSG_OOB | MSG_TRUNC));
	show("it is gone", recv(fd, data, 1, MSG_OOB));
	m.msg_iovlen = 2;
	show("recvmsg", recvmsg(fd, &m, 0));
	show("flags", m.msg_flags);
	close(fd);
}

/* --- inline --- */

static void inline_bytes(void)
{
	int fd = accepted(0), on = 1, off = 0;

	show("SO_OOBINLINE", setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	peer("send 1 10");
	peer("oob 1 1");
	settle_bytes(fd, 11);
	state("inline", fd);
	show("out of band", recv(fd, data, 1, MSG_OOB));
	plain("up to the mark", fd, 100, 0, 0);
	state("at the mark", fd);
	plain("peek", fd, 1, MSG_PEEK, 10);
	plain("and past it", fd, 100, 0, 10);
	state("past it", fd);
	show("out of band", recv(fd, data, 1, MSG_OOB));
	peer("oob 1 3");
	settle_bytes(fd, 3);
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &off, sizeof(off));
	state("inline no more", fd);
	out_of_band("out of band", fd, 0, 13);
	setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	plain("2 before", fd, 100, 0, 11);
	plain("itself", fd, 100, 0, 13);
	close(fd);
}

static void inline_inherited(void)
{
	int port, on = 1, listener = new_listener(0, &port), fd;
	socklen_t size = sizeof(on);

	setsockopt(listener, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on));
	peer("connect 1 %s %d", check_local.text, port);
	fd = accept(listener, NULL, NULL);
	on = 0;
	getsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, &size);
	show("inherited", on);
	peer("oob 1 3");
	settle_bytes(fd, 3);
	plain("2", fd, 100, 0, 0);
	plain("1", fd, 100, 0, 2);
	close(fd);
	close(listener);
}

static void before_accept(void)
{
	int port, listener = new_listener(0, &port), fd;

	peer("connect 1 %s %d", check_local.text, port);
	peer("oob 1 3");
	fd = accept(listener, NULL, NULL);
	settle_urgent(fd, pattern(2), 0);
	state("accepted", fd);
	out_of_band("out of band", fd, 0, 2);
	plain("2", fd, 100, 0, 0);
	close(fd);
	close(listener);
}

static void and_the_end(void)
{
	int fd = accepted(0);

	peer("oob 1 1");
	peer("shut 1");
	settle(fd, POLLRDHUP);
	state("ended", fd);
	out_of_band("out of band", fd, 0, 0);
	out_of_band("again", fd, 0, 0);
	show("the end", recv(fd, data, 10, 0));
	state("read", fd);
	close(fd);
	fd = accepted(0);
	peer("oob 1 1");
	settle_urgent(fd, pattern(0), 0);
	peer("rst 1");
	settle(fd, POLLRDHUP);
	show("reset", recv(fd, data, 1, MSG_OOB));
	close(fd);
}

/* --- waiting --- */

static void selected(void)
{
	struct timeval patience = { PATIENCE_MS / 1000, 0 };
	int fd = accepted(0);
	fd_set in, except;

	peer("oob 1 1");
	FD_ZERO(&except);
	FD_SET(fd, &except);
	show("select", select(fd + 1, NULL, NULL, &except, &patience));
	show("except", FD_ISSET(fd, &except) != 0);
	FD_ZERO(&in);
	FD_SET(fd, &in);
	patience = (struct timeval){ 0, 0 };
	show("select for reading", select(fd + 1, &in, NULL, NULL, &patience));
	out_of_band("out of band", fd, 0, 0);
	FD_SET(fd, &except);
	show("select again", select(fd + 1, NULL, NULL, &except, &patience));
	close(fd);
}

static void wait_for_events(const char *what, int set, int timeout)
{
	struct epoll_event e = { 0 };
	int n = epoll_wait(set, &e, 1, timeout);

	show_events(what, n, e.events);
}

static void epolled(void)
{
	struct epoll_event level = { .events = EPOLLPRI }, edge = { .events = EPOLLPRI | EPOLLIN | EPOLLET };
	int fd = accepted(0), set = epoll_create1(EPOLL_CLOEXEC), other = epoll_create1(EPOLL_CLOEXEC);

	epoll_ctl(set, EPOLL_CTL_ADD, fd, &level);
	epoll_ctl(other, EPOLL_CTL_ADD, fd, &edge);
	wait_for_events("nothing", set, 0);
	peer("oob 1 1");
	wait_for_events("level", set, PATIENCE_MS);
	wait_for_events("level again", set, 0);
	wait_for_events("edge", other, PATIENCE_MS);
	wait_for_events("no edge", other, 0);
	out_of_band("out of band", fd, 0, 0);
	wait_for_events("taken", set, 0);
	close(set);
	close(other);
	close(fd);
}

/* The urgent byte overtakes a full window. */
static void announced(void)
{
	int port, small = 4096, listener = new_listener(0, &port), fd;
	ssize_t n;
	long sum = 0;

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	peer("connect 1 %s %d", check_local.text, port);
	fd = accept(listener, NULL, NULL);
	peer_shows("send 1 30000");
	settle(fd, POLLIN);
	peer_shows("oob 1 1");
	settle_urgent(fd, -1, EAGAIN);
	show("announced", recv(fd, data, 1, MSG_OOB));
	show("no PRI", (events_now(fd) & POLLPRI) != 0);
	while (sum < 30000 && (n = recv(fd, data, sizeof(data), 0)) > 0) {
		if (!pattern_is(data, (size_t)sum, (size_t)n))
			break;
		sum += n;
	}
	show("bytes before the mark", sum);
	show("at the mark", at_mark(fd));
	settle_urgent(fd, pattern(30000), 0);
	out_of_band("out of band", fd, 0, 30000);
	close(fd);
	close(listener);
}

/* --- SIGURG --- */

static volatile sig_atomic_t signals;

static void on_urgent(int sig) { signals += sig == SIGURG; }

/* Until so many came; accelerated sockets find time for them in calls. */
static void settle_signals(int fd, int n)
{
	double end = seconds() + PATIENCE_MS / 1000.0;

	while (signals < n && seconds() < end) {
		events_now(fd);
		usleep(200);
	}
}

static void owners(void)
{
	struct f_owner_ex ex = { F_OWNER_PGRP, getpgrp() };
	int fd = accepted(0), pid = getpid();

	show("F_GETOWN", fcntl(fd, F_GETOWN));
	show("F_SETOWN", fcntl(fd, F_SETOWN, pid));
	show("F_GETOWN", fcntl(fd, F_GETOWN) == pid);
	show("F_SETOWN of nobody", fcntl(fd, F_SETOWN, 0x3fffffff));
	show("F_SETOWN of INT_MIN", fcntl(fd, F_SETOWN, (int)0x80000000));
	show("F_GETOWN", fcntl(fd, F_GETOWN) == pid);
	show("F_SETOWN_EX", fcntl(fd, F_SETOWN_EX, &ex));
	show("F_GETOWN", fcntl(fd, F_GETOWN) == -getpgrp());
	ex.type = 9;
	show("F_SETOWN_EX of a kind", fcntl(fd, F_SETOWN_EX, &ex));
	show("F_GETOWN_EX", fcntl(fd, F_GETOWN_EX, &ex));
	show("the group", ex.type == F_OWNER_PGRP && ex.pid == getpgrp());
	show("SIOCSPGRP", ioctl(fd, SIOCSPGRP, &pid));
	pid = 0;
	show("SIOCGPGRP", ioctl(fd, SIOCGPGRP, &pid));
	show("it is we", pid == getpid());
	show("F_SETOWN to none", fcntl(fd, F_SETOWN, 0));
	show("F_GETOWN", fcntl(fd, F_GETOWN));
	close(fd);
}

static void *interrupter(void *arg)
{
	sigset_t urgent;

	sigemptyset(&urgent);
	sigaddset(&urgent, SIGURG);
	pthread_sigmask(SIG_BLOCK, &urgent, NULL);
	settle_asleep();
	peer("oob 1 1");
	return arg;
}

static void interrupted(int fd)
{
	pthread_t other;

	thread_here();
	pthread_create(&other, NULL, interrupter, NULL);
	show("recv is interrupted", recv(fd, data, 10, 0));
	pthread_join(other, NULL);
	thread_here();
	pthread_create(&other, NULL, interrupter, NULL);
	show("poll is interrupted", poll(&(struct pollfd){ .fd = fd, .events = POLLERR }, 1, PATIENCE_MS));
	pthread_join(other, NULL);
}

static void signalled(void)
{
	struct sigaction act = { .sa_handler = on_urgent }, calm = act, old;
	int fd = connected();

	calm.sa_flags = SA_RESTART;
	sigaction(SIGURG, &calm, &old);
	peer("oob 1 1");
	settle_urgent(fd, pattern(0), 0);
	show("signals without an owner", signals);
	fcntl(fd, F_SETOWN, getpid());
	peer("oob 1 1");
	settle_signals(fd, 1);
	show("signals", signals);
	peer("send 1 10");
	settle(fd, POLLIN);
	show("signals after data", signals);
	plain("all is read", fd, 100, 0, 2);
	sigaction(SIGURG, &act, NULL);
	interrupted(fd);
	sigaction(SIGURG, &calm, NULL);
	settle_signals(fd, 3);
	show("signals after all", signals);
	sigaction(SIGURG, &old, NULL);
	close(fd);
}

/* --- with a child --- */

static void shared(void)
{
	int fd = accepted(0), status;
	pid_t child;

	peer("send 1 4");
	peer("oob 1 1");
	settle_urgent(fd, pattern(4), 0);
	fflush(stdout);
	child = fork();
	if (child == 0) {
		alarm(60);
		state("child", fd);
		out_of_band("child's out of band", fd, 0, 4);
		plain("child's 2", fd, 2, 0, 0);
		fflush(stdout);
		_exit(0);
	}
	waitpid(child, &status, 0);
	show("child", status);
	out_of_band("parent's out of band", fd, 0, 4);
	plain("parent's 2", fd, 10, 0, 2);
	state("parent", fd);
	show_text("send out of band", "from the parent");
	show("send", send(fd, "x", 1, MSG_OOB));
	close(fd);
}

/* --- sending --- */

static void sent(void)
{
	struct iovec iov[2] = { { data + 20, 5 }, { data + 25, 5 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 2 };
	int fd = connected();

	pattern_fill(data, 0, sizeof(data));
	show("send", send(fd, data, 10, 0));
	show("send none out of band", send(fd, data, 0, MSG_OOB));
	show("send out of band", send(fd, data + 10, 10, MSG_OOB));
	peer_shows("takeoob 1");
	peer_shows("recv 1 19");
	peer_shows("mark 1");
	peer_shows("skip 1 1");
	show("sendmsg", sendmsg(fd, &m, MSG_OOB | MSG_MORE));
	peer_shows("takeoob 1");
	peer_shows("recv 1 9");
	peer_shows("skip 1 1");
	show("send past the mark", send(fd, data + 30, 1, 0));
	peer_shows("recv 1 1");
	peer_shows("inline 1");
	show("send many", send(fd, data + 31, 100000, MSG_OOB));
	peer_shows("recv 1 100000");
	shutdown(fd, SHUT_WR);
	show("send behind the end", send(fd, data, 1, MSG_OOB));
	close(fd);
}

void check_urgent(void)
{
	taken_out();
	passed_over();
	pieces();
	one_after_another();
	one_after_another_unseen();
	messages();
	inline_bytes();
	inline_inherited();
	before_accept();
	and_the_end();
	selected();
	epolled();
	announced();
	owners();
	signalled();
	shared();
	sent();
}
