/* SPDX-License-Identifier: BSD-3-Clause */
/* test_recv.c - receiving: how much, when it waits, and what it says instead of bytes. */
#include "tests/unit/px_rig.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

static unsigned char data[4096];

static bool right(size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (data[i] != (unsigned char)((from + i) * 7))
			return false;
	}
	return true;
}

static void what_is_there_is_read_in_pieces(void **state)
{
	int fd = px_flow(1, SOCK_NONBLOCK);
	struct iovec v[3] = { { data, 10 }, { data + 10, 0 }, { data + 10, 90 } };

	(void)state;
	assert_errno(px_read(fd, data, 1), EAGAIN);
	px_arrive(1, 300);
	assert_int_equal(px_recv(fd, data, 100, MSG_PEEK), 100);
	assert_true(right(0, 100));
	assert_int_equal(px_read(fd, data, 100), 100);
	assert_true(right(0, 100));
	memset(data, 0, sizeof(data));
	assert_int_equal(px_readv(fd, v, 3), 100);
	assert_true(right(100, 100));
	assert_int_equal(px_recv(fd, data, 50, MSG_TRUNC), 50); /* dropped */
	assert_int_equal(px_recv(fd, data, 4096, 0), 50);
	assert_true(right(250, 50));
	assert_errno(px_recv(fd, data, 1, 0), EAGAIN);
	assert_int_equal(px_read(fd, data, 0), 0);
	assert_errno(px_recv(fd, data, 0, 0), EAGAIN); /* recv waits even for none */
}

static void the_end_is_nothing_and_stays(void **state)
{
	int fd = px_flow(1, 0);

	(void)state;
	px_arrive(1, 3);
	rig_event(&r, 1, ABI_EV_RX_FIN, 0);
	assert_int_equal(px_recv(fd, data, 10, MSG_WAITALL), 3);
	assert_int_equal(px_recv(fd, data, 10, 0), 0);
	assert_int_equal(px_read(fd, data, 10), 0);
}

static void an_error_is_told_once_and_after_the_bytes(void **state)
{
	int fd = px_flow(1, 0), error = 0;
	socklen_t size = sizeof(error);

	(void)state;
	px_arrive(1, 3);
	rig_event(&r, 1, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(px_recv(fd, data, 10, MSG_WAITALL), 3);
	assert_errno(px_recv(fd, data, 10, 0), ETIMEDOUT);
	assert_int_equal(px_recv(fd, data, 10, 0), 0);
	assert_int_equal(px_getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size), 0);
	assert_int_equal(error, 0);
}

static void a_time_limit_ends_the_wait(void **state)
{
	struct timeval limit = { 0, 20000 };
	int fd = px_flow(1, 0);
	tas_ns begin = inst_clock();

	(void)state;
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	assert_errno(px_recv(fd, data, 1, 0), EAGAIN);
	assert_in_range(inst_clock() - begin, 20 * NS_PER_MS, 1000 * NS_PER_MS);
	assert_errno(px_recv(fd, data, 1, MSG_DONTWAIT), EAGAIN);
	px_arrive(1, 3);
	assert_int_equal(px_recv(fd, data, 10, MSG_WAITALL), 3); /* some is better than none */
	px_arrive(1, 3);
	assert_int_equal(px_recv(fd, data, 10, MSG_WAITALL | MSG_PEEK), 3);
	assert_int_equal(px_recv(fd, data, 10, 0), 3);
}

static void less_than_the_low_water_mark_is_not_enough(void **state)
{
	struct timeval limit = { 0, 10000 };
	int fd = px_flow(1, 0), mark = 8;
	struct pollfd p = { .fd = fd, .events = POLLIN };

	(void)state;
	px_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &mark, sizeof(mark)), 0);
	px_arrive(1, 7);
	assert_int_equal(px_poll(&p, 1, 0), 0);
	px_arrive(1, 1);
	assert_int_equal(px_poll(&p, 1, 0), 1);
	assert_int_equal(px_recv(fd, data, 100, 0), 8);
	px_arrive(1, 2);
	assert_int_equal(px_recv(fd, data, 100, 0), 2); /* after the limit */
	px_arrive(1, 2);
	assert_int_equal(px_recv(fd, data, 2, 0), 2); /* no more was asked for */
}

/* --- a thread that waits --- */

struct reader {
	pthread_t thread;
	int fd, flags;
	size_t want;
	ssize_t got;
	int error;
};

static void *read_it(void *arg)
{
	struct reader *x = arg;

	x->got = px_recv(x->fd, data, x->want, x->flags);
	x->error = errno;
	return NULL;
}

static void reader_start(struct reader *x, int fd, size_t want, int flags)
{
	struct file *f = fd_look(fd);

	*x = (struct reader){ .fd = fd, .want = want, .flags = flags };
	pthread_create(&x->thread, NULL, read_it, x);
	for (int i = 0; i < 5000 && waitlist_empty(&f->waiters); i++)
		usleep(1000);
	usleep(2000);
}

/* The thread's own context is the one that is told, since it waited last. */
static void tell_all(uint32_t rec)
{
	for (uint32_t i = 0; i < r.nctx; i++) {
		r.notified[rec] = 0;
		rig_notify(&r, i, 0, rec);
	}
}

static void a_waiting_reader_gets_what_comes(void **state)
{
	int fd = px_flow(1, 0);
	struct reader x;

	(void)state;
	reader_start(&x, fd, 100, 0);
	assert_int_not_equal(rig_rec(&r, 1)->context, 0); /* the thread's own: 0 is that of this one */
	rig_deliver(&r, 1, 10);
	tell_all(1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.got, 10);
	assert_true(right(0, 10));
}

static void who_wants_all_waits_for_all(void **state)
{
	int fd = px_flow(1, 0);
	struct reader x;

	(void)state;
	reader_start(&x, fd, 20, MSG_WAITALL);
	rig_deliver(&r, 1, 15);
	tell_all(1);
	usleep(20000);
	assert_int_equal(x.got, 0);
	rig_deliver(&r, 1, 10);
	tell_all(1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.got, 20);
	assert_true(right(0, 20));
}

static void a_drain_of_another_thread_wakes_the_reader(void **state)
{
	int fd = px_flow(1, 0);
	struct reader x;

	(void)state;
	reader_start(&x, fd, 100, 0);
	tas_sock_notify(r.c, file_sock(fd_look(fd))); /* somebody else attracts the notifications */
	rig_deliver(&r, 1, 10);
	rig_notify(&r, 0, 0, 1);
	tas_ctx_poll(r.c);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.got, 10);
}

static void no_handler(int signal) { (void)signal; }

static void a_handler_interrupts_as_sa_restart_says(void **state)
{
	struct sigaction plain = { .sa_handler = no_handler };
	int fd = px_flow(1, 0);
	struct reader x;

	(void)state;
	sigaction(SIGUSR1, &plain, NULL);
	reader_start(&x, fd, 100, 0);
	pthread_kill(x.thread, SIGUSR1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.got, -1);
	assert_int_equal(x.error, EINTR);
	plain.sa_flags = SA_RESTART;
	sigaction(SIGUSR1, &plain, NULL);
	reader_start(&x, fd, 100, 0);
	pthread_kill(x.thread, SIGUSR1);
	usleep(20000);
	assert_int_equal(x.got, 0);
	rig_deliver(&r, 1, 10);
	tell_all(1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.got, 10);
	signal(SIGUSR1, SIG_DFL);
}

static void shutdown_wakes_the_reader(void **state)
{
	int fd = px_flow(1, 0);
	struct reader x;

	(void)state;
	reader_start(&x, fd, 100, 0);
	assert_int_equal(px_shutdown(fd, SHUT_RD), 0);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.got, 0);
}

static tas_ns own_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (tas_ns)t.tv_sec * NS_PER_SEC + (tas_ns)t.tv_nsec;
}

/* CPU time of a call that waits 20 ms in vain. */
static tas_ns waiting_costs(int fd)
{
	tas_ns begin = own_time();

	assert_errno(px_recv(fd, &(char){ 0 }, 1, 0), EAGAIN);
	return own_time() - begin;
}

static void who_polls_busily_looks_before_it_sleeps(void **state) /* SO_BUSY_POLL */
{
	int fd = px_flow(1, 0), us = 1000000;
	struct timeval limit = { 0, 20000 };
	bool busy = false;

	(void)state;
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
	if (px_setsockopt(fd, SOL_SOCKET, SO_BUSY_POLL, &us, sizeof(us)) != 0)
		skip();                             /* for root alone */
	for (unsigned i = 0; i < 100 && !busy; i++) /* others may have the processor for a while */
		busy = waiting_costs(fd) >= 5 * NS_PER_MS;
	assert_true(busy);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(what_is_there_is_read_in_pieces),
		T(the_end_is_nothing_and_stays), T(an_error_is_told_once_and_after_the_bytes),
		T(a_time_limit_ends_the_wait), T(less_than_the_low_water_mark_is_not_enough),
		T(a_waiting_reader_gets_what_comes), T(who_wants_all_waits_for_all),
		T(a_drain_of_another_thread_wakes_the_reader), T(a_handler_interrupts_as_sa_restart_says),
		T(who_polls_busily_looks_before_it_sleeps), T(shutdown_wakes_the_reader) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
