/* SPDX-License-Identifier: BSD-3-Clause */
/* test_owner.c - SIGURG, and what else calls on descriptors say of urgent data. */
#include "tests/unit/px_rig.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;
static char data[1000];

static void on_signal(int sig) { signals += sig == SIGURG; }

static int set_up(void **state)
{
	struct sigaction act = { .sa_handler = on_signal };

	signals = 0;
	sigaction(SIGURG, &act, NULL);
	return px_set_up(state);
}

static int tear_down(void **state)
{
	signal(SIGURG, SIG_DFL);
	return px_tear_down(state);
}

static void announce(uint32_t rec, size_t n)
{
	rig_pointer(&r, rec, n);
	rig_notify(&r, 0, 0, rec);
}

static unsigned events_now(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLPRI };

	return px_poll(&p, 1, 0) < 0 ? 0xffff : (unsigned)p.revents;
}

static void the_owner_is_whoever_was_said_last(void **state)
{
	struct f_owner_ex ex = { F_OWNER_TID, gettid() };
	int fd = px_flow(1, 0), pid = getpid();

	(void)state;
	assert_int_equal(px_fcntl(fd, F_GETOWN, NULL), 0);
	assert_int_equal(px_fcntl(fd, F_SETOWN, (void *)(intptr_t)pid), 0);
	assert_int_equal(px_fcntl(fd, F_GETOWN, NULL), pid);
	assert_errno(px_fcntl(fd, F_SETOWN, (void *)(intptr_t)0x3fffffff), ESRCH);
	assert_errno(px_fcntl(fd, F_SETOWN, (void *)(intptr_t)INT32_MIN), EINVAL);
	assert_int_equal(px_fcntl(fd, F_SETOWN_EX, &ex), 0);
	ex.pid = 0;
	assert_int_equal(px_fcntl(fd, F_GETOWN_EX, &ex), 0);
	assert_true(ex.type == F_OWNER_TID && ex.pid == gettid());
	ex.type = 7;
	assert_errno(px_fcntl(fd, F_SETOWN_EX, &ex), EINVAL);
	assert_errno(px_fcntl(fd, F_SETOWN_EX, NULL), EFAULT);
	pid = -getpgrp();
	assert_int_equal(px_ioctl(fd, SIOCSPGRP, &pid), 0);
	pid = 0;
	assert_int_equal(px_ioctl(fd, FIOGETOWN, &pid), 0);
	assert_int_equal(pid, -getpgrp());
	assert_errno(px_ioctl(fd, FIOSETOWN, NULL), EFAULT);
}

static void an_owner_of_before_the_connection_stays(void **state)
{
	int fd = px_socket(AF_INET, SOCK_STREAM, 0), pid = getpid();
	struct file *f = fd_look(fd);

	(void)state;
	assert_int_equal(px_fcntl(fd, F_SETOWN, (void *)(intptr_t)pid), 0);
	assert_int_equal(px_fcntl(fd, F_GETOWN, NULL), pid);
	assert_int_equal((int)(uint32_t)f->owner, pid);
	pid = 0;
	assert_int_equal(px_ioctl(fd, FIOSETOWN, &pid), 0);
	assert_int_equal((int)(uint32_t)f->owner, 0);
}

static void a_pointer_is_a_signal(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK);

	(void)state;
	announce(1, 1);
	assert_int_equal(events_now(fd), 0);
	assert_int_equal(signals, 0); /* nobody wants it */
	px_fcntl(fd, F_SETOWN, (void *)(intptr_t)getpid());
	px_arrive(1, 1);
	announce(1, 5);
	assert_int_equal(events_now(fd), 0);
	assert_int_equal(signals, 1);
	px_arrive(1, 5);
	assert_int_equal(events_now(fd), POLLIN | POLLPRI);
	assert_int_equal(signals, 1);
	announce(1, 1);
	assert_int_equal(px_recv(fd, data, 100, 0), 5); /* who only reads gets it, too */
	assert_int_equal(signals, 2);
}

static int handler_fd;
static ssize_t handler_got;

static void on_signal_read(int sig)
{
	(void)sig;
	handler_got = px_recv(handler_fd, data, 1, MSG_OOB);
}

static void the_handler_may_take_the_byte(void **state)
{
	struct sigaction act = { .sa_handler = on_signal_read };

	(void)state;
	handler_fd = px_flow(1, SOCK_NONBLOCK);
	sigaction(SIGURG, &act, NULL);
	px_fcntl(handler_fd, F_SETOWN, (void *)(intptr_t)getpid());
	announce(1, 3);
	rig_deliver(&r, 1, 3);
	assert_int_equal(events_now(handler_fd), POLLIN);
	assert_int_equal(handler_got, 1);
	assert_int_equal((uint8_t)data[0], 2 * 7);
	announce(1, 1);
	rig_deliver(&r, 1, 1);
	handler_got = 0;
	assert_int_equal(px_recv(handler_fd, data + 1, 100, 0), 3 - 1 + 1);
	assert_int_equal(handler_got, 1); /* the lock was left */
}

static void *announce_later(void *arg)
{
	while (!atomic_load(&r.ctx[0].shm->asleep))
		usleep(100);
	announce(1, 1);
	return arg;
}

static void who_waits_is_interrupted(void **state)
{
	int fd = px_flow(1, 0);
	pthread_t other;

	(void)state;
	px_fcntl(fd, F_SETOWN, (void *)(intptr_t)getpid());
	pthread_create(&other, NULL, announce_later, NULL);
	assert_errno(px_recv(fd, data, 1, 0), EINTR);
	pthread_join(other, NULL);
	assert_int_equal(signals, 1);
	pthread_create(&other, NULL, announce_later, NULL);
	assert_errno(px_poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, -1), EINTR);
	pthread_join(other, NULL);
	assert_int_equal(signals, 2);
}

static void calls_know_the_mark(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK), at = -1;
	struct iovec iov = { data, 100 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct timeval none = { 0, 0 };
	fd_set except;

	(void)state;
	announce(1, 5);
	px_arrive(1, 10);
	FD_ZERO(&except);
	FD_SET(fd, &except);
	assert_int_equal(px_select(fd + 1, NULL, NULL, &except, &none), 1);
	px_ioctl(fd, SIOCATMARK, &at);
	assert_int_equal(at, 0);
	px_ioctl(fd, FIONREAD, &at);
	assert_int_equal(at, 4);
	assert_int_equal(px_recv(fd, data, 100, MSG_WAITALL | MSG_PEEK), 4);
	assert_int_equal(px_recv(fd, data, 100, MSG_WAITALL), 4);
	px_ioctl(fd, SIOCATMARK, &at);
	assert_int_equal(at, 1);
	assert_int_equal(px_recvmsg(fd, &m, MSG_OOB), 1);
	assert_int_equal(m.msg_flags, MSG_OOB);
	assert_errno(px_recv(fd, data, 1, MSG_OOB), EINVAL);
	assert_int_equal(px_recvmsg(fd, &m, 0), 5);
	assert_int_equal(m.msg_flags, 0);
}

static void inline_is_of_the_listener_too(void **state)
{
	int on = 1, fd;

	(void)state;
	assert_int_equal(px_setsockopt(px_listener, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	fd = px_flow(1, SOCK_NONBLOCK);
	announce(1, 5);
	px_arrive(1, 10);
	assert_int_equal(px_recv(fd, data, 100, 0), 4);
	assert_int_equal(px_recv(fd, data, 100, 0), 6);
	on = 0;
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)), 0);
	announce(1, 1);
	px_arrive(1, 2);
	assert_int_equal(px_recv(fd, data, 100, 0), 1);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(the_owner_is_whoever_was_said_last),
		T(an_owner_of_before_the_connection_stays),
		T(a_pointer_is_a_signal),
		T(the_handler_may_take_the_byte),
		T(who_waits_is_interrupted),
		T(calls_know_the_mark),
		T(inline_is_of_the_listener_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
