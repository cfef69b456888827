/* SPDX-License-Identifier: BSD-3-Clause */
/* Calls that move nothing, at ends, by number, and between pipes and sockets. */
#include <sys/syscall.h>
#include <sys/time.h>

#include "tests/e2e/sockcheck.h"

static void named(const char *when, int fd)
{
	union name name = { 0 };
	socklen_t size = sizeof(name);

	show(when, getpeername(fd, (struct sockaddr *)&name, &size));
	show("the peer's address", is_of(&name, check_remote));
}

static void names_at_the_end(void)
{
	int fd = accepted(0);

	peer("shut 1");
	settle(fd, POLLRDHUP);
	named("getpeername when the peer shut", fd);
	close(fd);
	fd = accepted(0);
	shutdown(fd, SHUT_RD);
	named("getpeername, shut to read", fd);
	shutdown(fd, SHUT_WR);
	peer("recv 1 1");
	named("getpeername, shut by us alone", fd);
	show("shutdown once more", shutdown(fd, SHUT_WR));
	close(fd);
}

/* --- nothing --- */

static void nothing_sent(const char *when, int fd)
{
	struct iovec v[2] = { { "", 0 }, { "", 0 } };
	struct msghdr m = { .msg_iov = v, .msg_iovlen = 2 };
	struct mmsghdr many[2] = { { .msg_hdr = m }, { .msg_hdr = m } };

	show_text("nothing is sent", when);
	show("write", write(fd, "", 0));
	show("send", send(fd, "", 0, MSG_NOSIGNAL));
	show("writev", writev(fd, v, 2));
	show("writev of no parts", writev(fd, v, 0));
	show("sendmsg", sendmsg(fd, &m, MSG_NOSIGNAL));
	show("sendmmsg", sendmmsg(fd, many, 2, MSG_NOSIGNAL));
	show("read", read(fd, v, 0));
	show("recv", recv(fd, v, 0, MSG_DONTWAIT));
}

static void nothing(void)
{
	int fd = accepted(0);

	nothing_sent("open", fd);
	shutdown(fd, SHUT_WR);
	nothing_sent("shut", fd);
	close(fd);

	fd = accepted(0);
	peer("rst 1");
	settle(fd, POLLERR);
	show("write after a reset", write(fd, "", 0));
	nothing_sent("reset", fd);
	close(fd);

	fd = accepted(0);
	peer("rst 1");
	settle(fd, POLLERR);
	show("recv after a reset", recv(fd, "", 0, 0));
	show("recv again", recv(fd, "", 0, 0));
	close(fd);
}

static void many_at_the_end(void)
{
	char data[4][20] = { { 0 } };
	struct iovec v[4];
	struct mmsghdr m[4];
	int fd = accepted(0);

	for (int i = 0; i < 4; i++) {
		v[i] = (struct iovec){ data[i], 20 };
		m[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &v[i], .msg_iovlen = 1 }, .msg_len = 99 };
	}
	peer("send 1 10");
	peer("shut 1");
	settle(fd, POLLRDHUP);
	show("recvmmsg before the end", recvmmsg(fd, m, 4, 0, NULL));
	for (int i = 0; i < 4; i++)
		show("length", m[i].msg_len);
	show("recvmmsg at the end", recvmmsg(fd, m, 4, MSG_WAITFORONE, NULL));
	show("recvmmsg of none", recvmmsg(fd, m, 0, 0, NULL));
	show("sendmmsg of none", sendmmsg(fd, m, 0, 0));
	close(fd);
}

/* --- by number --- */

static void by_number(void)
{
	struct timespec no_time = { 0, 0 };
	unsigned char data[20];
	struct iovec v[2] = { { data, 10 }, { data + 10, 10 } };
	struct mmsghdr m[2] = { { .msg_hdr = { .msg_iov = &v[0], .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = &v[1], .msg_iovlen = 1 } } };
	int fd = accepted(0), none = 8; /* RWF_NOWAIT */

	pattern_fill(data, 0, 20);
	show("pwritev2", syscall(SYS_pwritev2, fd, v, 2, -1L, -1L, 0));
	peer_shows("recv 1 20");
	pattern_fill(data, 20, 20);
	show("sendmmsg", syscall(SYS_sendmmsg, fd, m, 2, 0));
	peer_shows("recv 1 20");
	show("preadv2 without waiting", syscall(SYS_preadv2, fd, v, 2, -1L, -1L, none));
	peer("send 1 20");
	settle_bytes(fd, 20);
	show("preadv2", syscall(SYS_preadv2, fd, v, 1, -1L, -1L, 0));
	show("recvmmsg", syscall(SYS_recvmmsg, fd, m, 2, MSG_WAITFORONE, &no_time));
	show("preadv", syscall(SYS_preadv, fd, v, 2, 0L, 0L));
	show("pwritev", syscall(SYS_pwritev, fd, v, 2, 0L, 0L));
	show("preadv2 with a position", syscall(SYS_preadv2, fd, v, 2, 0L, 0L, 0));
	show("pwritev2 with a position", syscall(SYS_pwritev2, fd, v, 2, 5L, 0L, 0));
	show("preadv2 with unknown flags", syscall(SYS_preadv2, fd, v, 2, -1L, -1L, 1 << 30));
	show("pwritev2 with unknown flags", syscall(SYS_pwritev2, fd, v, 2, -1L, -1L, 1 << 30));
	show("epoll_create of 0", epoll_create(0));
	show("epoll_create of -1", epoll_create(-1));
#ifdef SYS_epoll_create
	show("epoll_create of 0 by number", syscall(SYS_epoll_create, 0));
#endif
	show("epoll_create1 with wrong flags", epoll_create1(1));
	close(fd);
}

/* --- pipes --- */

static int splice_fd, pipes[2];

static void *splices_in(void *arg)
{
	thread_here();
	(void)arg;
	return (void *)splice(pipes[0], NULL, splice_fd, NULL, 100, 0);
}

static void *splices_out(void *arg)
{
	thread_here();
	(void)arg;
	return (void *)splice(splice_fd, NULL, pipes[1], NULL, 100, 0);
}

static long result_of(pthread_t thread)
{
	void *result;

	pthread_join(thread, &result);
	return (long)result;
}

static void limit(int fd, int name, int ms)
{
	struct timeval t = { ms / 1000, ms % 1000 * 1000 };

	setsockopt(fd, SOL_SOCKET, name, &t, sizeof(t));
}

static void waiting_splices(void)
{
	char data[100];
	pthread_t thread;

	splice_fd = accepted(0);
	pattern_fill(data, 0, 100);
	pthread_create(&thread, NULL, splices_in, NULL);
	settle_asleep();
	show("into the pipe", write(pipes[1], data, 60));
	show("splice that waited for the pipe", result_of(thread));
	peer_shows("recv 1 60");
	pthread_create(&thread, NULL, splices_out, NULL);
	settle_asleep();
	peer("send 1 40");
	show("splice that waited for the socket", result_of(thread));
	show("out of the pipe", read(pipes[0], data, 100));
	show("it is right", pattern_is(data, 0, 40));
	peer("shut 1");
	settle(splice_fd, POLLRDHUP);
	show("splice at the end", splice(splice_fd, NULL, pipes[1], NULL, 100, 0));
	close(splice_fd);
}

static void splices_without_waiting(void)
{
	int fd = accepted(0);
	char data[100] = { 0 };

	show("splice of an empty pipe", splice(pipes[0], NULL, fd, NULL, 100, SPLICE_F_NONBLOCK));
	limit(fd, SO_RCVTIMEO, 50);
	show("splice of nothing", splice(fd, NULL, pipes[1], NULL, 100, SPLICE_F_NONBLOCK));
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	show("splice of an empty pipe by its flag", splice(pipes[0], NULL, fd, NULL, 100, 0));
	fcntl(pipes[0], F_SETFL, 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	show("splice of nothing by the socket's flag", splice(fd, NULL, pipes[1], NULL, 100, 0));
	while (send(fd, data, sizeof(data), 0) > 0)
		;
	show("into the pipe", write(pipes[1], data, 100));
	show("splice to a full socket", splice(pipes[0], NULL, fd, NULL, 100, 0));
	show("still in the pipe", read(pipes[0], data, 100));
	close(fd);

	fd = accepted(0);
	fcntl(pipes[1], F_SETFL, O_NONBLOCK);
	while (write(pipes[1], data, 100) > 0)
		;
	peer("send 1 100");
	settle_bytes(fd, 100);
	show("splice to a full pipe by its flag", splice(fd, NULL, pipes[1], NULL, 100, 0));
	fcntl(pipes[1], F_SETFL, 0);
	show("splice to a full pipe", splice(fd, NULL, pipes[1], NULL, 100, SPLICE_F_NONBLOCK));
	show("still there", recv(fd, data, 100, 0));
	close(fd);
}

static void broken_splices(void)
{
	int fd = accepted(0), more[2];

	if (pipe(more) != 0)
		exit(1);
	shutdown(fd, SHUT_WR);
	show("into the pipe", write(more[1], "abc", 3));
	show("splice to a shut socket", splice(more[0], NULL, fd, NULL, 3, 0));
	show("splice of no bytes", splice(more[0], NULL, fd, NULL, 0, 0));
	close(more[1]);
	close(more[0]);
	close(fd);
}

void check_corners(void)
{
	names_at_the_end();
	nothing();
	many_at_the_end();
	by_number();
	if (pipe(pipes) != 0)
		exit(1);
	waiting_splices();
	splices_without_waiting();
	broken_splices();
}
