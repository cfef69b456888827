/* SPDX-License-Identifier: BSD-3-Clause */
/* test_poll.c - poll and select over accelerated descriptors and the kernel's. */
#include "tests/unit/px_rig.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>

#include "libtas/posix/poll.h"

static void what_is_ready_is_counted(void **state)
{
	int fd = px_flow(1, 0), pipes[2];
	struct pollfd p[4] = { { .fd = fd, .events = POLLIN | POLLOUT },
		{ .fd = -1, .events = POLLIN, .revents = 9 }, { .events = POLLIN },
		{ .fd = 999, .events = POLLIN } };

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	p[2].fd = pipes[0];
	assert_int_equal(px_poll(p, 4, -1), 2);
	assert_int_equal(p[0].revents, POLLOUT);
	assert_int_equal(p[1].revents, 0);
	assert_int_equal(p[2].revents, 0);
	assert_int_equal(p[3].revents, POLLNVAL);
	px_arrive(1, 1);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	p[0].events = POLLIN | POLLRDNORM | POLLRDHUP;
	usleep(1000);
	assert_int_equal(px_poll(p, 3, -1), 2);
	assert_int_equal(p[0].revents, POLLIN | POLLRDNORM);
	assert_int_equal(p[2].revents, POLLIN);
	rig_event(&r, 1, ABI_EV_RX_FIN, 0);
	assert_int_equal(px_poll(p, 1, 0), 1);
	assert_int_equal(p[0].revents, POLLIN | POLLRDNORM | POLLRDHUP);
	p[0].events = 0;
	rig_event(&r, 1, ABI_EV_RESET, ECONNRESET);
	assert_int_equal(px_poll(p, 1, 0), 1);
	assert_int_equal(p[0].revents, POLLERR | POLLHUP);
}

static void timeouts_are_kept(void **state)
{
	struct pollfd p = { .fd = px_flow(1, 0), .events = POLLIN };
	struct timespec wait = { 0, 3000000 };
	tas_ns begin = inst_clock();

	(void)state;
	assert_int_equal(px_poll(&p, 1, 20), 0);
	assert_in_range(inst_clock() - begin, 20 * NS_PER_MS, 500 * NS_PER_MS);
	begin = inst_clock();
	assert_int_equal(px_ppoll(&p, 1, &wait, NULL), 0);
	assert_in_range(inst_clock() - begin, 3 * NS_PER_MS, 500 * NS_PER_MS);
	wait.tv_nsec = 1000000000;
	assert_errno(px_ppoll(&p, 1, &wait, NULL), EINVAL);
}

static void more_than_a_stack_holds(void **state)
{
	static struct pollfd p[500];

	(void)state;
	for (int i = 0; i < 500; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	p[499] = (struct pollfd){ .fd = px_flow(1, 0), .events = POLLOUT };
	assert_int_equal(px_poll(p, 500, 1000), 1);
	assert_int_equal(p[499].revents, POLLOUT);
	p[499].events = POLLIN;
	assert_int_equal(px_poll(p, 500, 5), 0);
}

/* Returns the limit before. */
static nfds_t limit_set(nfds_t to)
{
	struct rlimit limit;
	nfds_t before;

	getrlimit(RLIMIT_NOFILE, &limit);
	before = limit.rlim_cur;
	limit.rlim_cur = to;
	setrlimit(RLIMIT_NOFILE, &limit);
	return before;
}

/* As many as RLIMIT_NOFILE allows: the library's own are no reason to refuse them. */
static void as_many_as_the_limit_allows(void **state)
{
	enum { LIMIT = 100 };
	int fd = px_flow(1, 0), pipes[2];
	struct pollfd p[LIMIT + 1];
	nfds_t before;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	for (int i = 0; i <= LIMIT; i++)
		p[i] = (struct pollfd){ .fd = -1 };
	p[3] = (struct pollfd){ .fd = fd, .events = POLLIN };
	p[LIMIT - 1] = (struct pollfd){ .fd = pipes[0], .events = POLLIN };
	before = limit_set(LIMIT);
	assert_int_equal(px_poll(p, LIMIT, 5), 0);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	assert_int_equal(px_poll(p, LIMIT, 1000), 1);
	assert_int_equal(p[LIMIT - 1].revents, POLLIN);
	assert_int_equal(p[3].revents, 0);
	assert_errno(px_poll(p, LIMIT + 1, 0), EINVAL);
	/* not one is blank: no room for ours */
	for (int i = 0; i < LIMIT; i++)
		p[i] = (struct pollfd){ .fd = pipes[0], .events = i == 50 ? POLLIN : 0 };
	p[3] = (struct pollfd){ .fd = fd, .events = POLLIN };
	p[4] = (struct pollfd){ .fd = px_listener, .events = POLLIN };
	assert_int_equal(px_poll(p, LIMIT, 1000), 1);
	assert_int_equal(p[50].revents, POLLIN);
	assert_int_equal(px_read(pipes[0], &(char){ 0 }, 1), 1);
	assert_int_equal(px_poll(p, LIMIT, 30), 0);
	assert_int_equal(limit_set(before), LIMIT);
}

struct poller {
	pthread_t thread;
	struct pollfd p[2];
	sigset_t mask;
	int result, error;
};

static void *poll_it(void *arg)
{
	struct poller *x = arg;

	x->result = px_ppoll(x->p, 2, NULL, &x->mask);
	x->error = errno;
	return NULL;
}

static void poller_start(struct poller *x, int fd, int other)
{
	struct file *f = fd_get(fd);

	assert_non_null(f);
	*x = (struct poller){ .p = { { .fd = fd, .events = POLLIN }, { .fd = other, .events = POLLIN } } };
	sigemptyset(&x->mask);
	pthread_create(&x->thread, NULL, poll_it, x);
	for (int i = 0; i < 5000 && waitlist_empty(&f->waiters); i++)
		usleep(1000);
	usleep(2000);
	file_put(f);
}

static void a_sleeper_wakes_for_either_kind(void **state)
{
	int fd = px_flow(1, 0), pipes[2];
	struct poller x;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	poller_start(&x, fd, pipes[0]);
	assert_int_equal(px_write(pipes[1], "x", 1), 1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.result, 1);
	assert_int_equal(x.p[1].revents, POLLIN);
	assert_int_equal(read(pipes[0], &x.result, 1), 1);
	poller_start(&x, fd, pipes[0]);
	rig_deliver(&r, 1, 1);
	rig_notify(&r, 0, 0, 1);
	tas_ctx_poll(r.c); /* drained by another thread: passed on */
	pthread_join(x.thread, NULL);
	assert_int_equal(x.result, 1);
	assert_int_equal(x.p[0].revents, POLLIN);
}

static volatile sig_atomic_t handled;
static void handler(int signal) { handled += signal != 0; }

static void the_mask_holds_while_it_sleeps(void **state)
{
	int fd = px_flow(1, 0);
	sigset_t block;
	struct poller x;

	(void)state;
	signal(SIGUSR1, handler);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &block, NULL); /* the thread inherits it, and unblocks it in ppoll alone */
	handled = 0;
	poller_start(&x, fd, -1);
	pthread_kill(x.thread, SIGUSR1);
	pthread_join(x.thread, NULL);
	assert_int_equal(handled, 1);
	assert_int_equal(x.result, -1);
	assert_int_equal(x.error, EINTR);
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);
	signal(SIGUSR1, SIG_DFL);
}

static _Atomic int current = -1;
static _Atomic bool enough;

static void *poll_current(void *arg)
{
	struct pollfd p[8];

	while (!enough) {
		for (int i = 0; i < 8; i++)
			p[i] = (struct pollfd){ .fd = current, .events = POLLIN };
		px_poll(p, 8, 0);
	}
	return arg;
}

static void spin(int n)
{
	for (volatile int i = 0; i < n; i++)
		;
}

/* Every load of the poller may be the last before the listener, or the set, is gone. */
static void what_is_closed_beside_a_poll_is_no_fault(void **state)
{
	int fd = px_flow(1, 0);
	tas_ns end = inst_clock() + 300 * NS_PER_MS;
	pthread_t thread;

	(void)state;
	enough = false;
	pthread_create(&thread, NULL, poll_current, NULL);
	while (inst_clock() < end) {
		struct epoll_event e = { .events = EPOLLIN };
		int set = px_epoll_create1(EPOLL_CLOEXEC);

		assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_ADD, fd, &e), 0);
		current = set;
		for (int i = 0; i < 30; i++) {
			current = px_dup(fd);
			spin(i * 10);
			assert_int_equal(px_close(current), 0);
		}
		current = set;
		spin(300);
		assert_int_equal(px_close(set), 0);
	}
	enough = true;
	pthread_join(thread, NULL);
}

/* --- select --- */

static void select_speaks_of_sets(void **state)
{
	int fd = px_flow(1, 0), pipes[2];
	struct timeval zero = { 0, 0 }, some = { 0, 20000 };
	fd_set in, out, except;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_ZERO(&except);
	FD_SET(fd, &in);
	FD_SET(fd, &out);
	FD_SET(fd, &except);
	FD_SET(pipes[0], &in);
	FD_SET(pipes[1], &out);
	assert_int_equal(px_select(FD_SETSIZE, &in, &out, &except, &zero), 2);
	assert_true(!FD_ISSET(fd, &in) && FD_ISSET(fd, &out) && !FD_ISSET(fd, &except));
	assert_true(!FD_ISSET(pipes[0], &in) && FD_ISSET(pipes[1], &out));
	FD_SET(fd, &in);
	assert_int_equal(px_select(fd + 1, &in, NULL, NULL, &some), 0);
	assert_int_equal(some.tv_sec + some.tv_usec, 0);
	assert_false(FD_ISSET(fd, &in));
	px_arrive(1, 1);
	FD_SET(fd, &in);
	some.tv_sec = 10;
	assert_int_equal(px_select(fd + 1, &in, NULL, NULL, &some), 1);
	assert_true(FD_ISSET(fd, &in));
	assert_in_range(some.tv_sec, 9, 10);
	close(pipes[1]);
	FD_SET(pipes[1], &in);
	assert_errno(px_select(FD_SETSIZE, &in, NULL, NULL, &zero), EBADF);
	zero.tv_usec = -1;
	assert_errno(px_select(fd + 1, &in, NULL, NULL, &zero), EINVAL);
}

/* A set for writing does not ask for a hang-up, which poll reports whatever it is asked for. */
static void select_sleeps_beside_what_only_hung_up(void **state)
{
	int fd = px_flow(1, 0), pipes[2];
	struct timeval some = { 0, 200000 };
	struct timespec before, after;
	fd_set in, out;

	(void)state;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(px_close(pipes[1]), 0);
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(fd, &in);
	FD_SET(pipes[0], &out);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_int_equal(px_select(FD_SETSIZE, &in, &out, NULL, &some), 0);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec < 100000000);
	FD_SET(fd, &in);
	FD_SET(pipes[0], &in);
	assert_int_equal(px_select(FD_SETSIZE, &in, &out, NULL, NULL), 1);
	assert_true(FD_ISSET(pipes[0], &in));
}

static void the_mask_holds_without_time_to_wait(void **state)
{
	struct pollfd p = { .fd = px_flow(1, 0), .events = POLLIN };
	struct timespec none = { 0, 0 };
	sigset_t block, open;

	(void)state;
	signal(SIGUSR1, handler);
	sigemptyset(&open);
	sigemptyset(&block);
	sigaddset(&block, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &block, NULL);
	handled = 0;
	pthread_kill(pthread_self(), SIGUSR1);
	assert_int_equal(px_ppoll(&p, 1, &none, NULL), 0);
	assert_int_equal(handled, 0);
	assert_errno(px_ppoll(&p, 1, &none, &open), EINTR);
	assert_int_equal(handled, 1);
	pthread_sigmask(SIG_UNBLOCK, &block, NULL);
	signal(SIGUSR1, SIG_DFL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(what_is_ready_is_counted), T(timeouts_are_kept),
		T(more_than_a_stack_holds), T(as_many_as_the_limit_allows),
		T(a_sleeper_wakes_for_either_kind), T(the_mask_holds_while_it_sleeps),
		T(what_is_closed_beside_a_poll_is_no_fault), T(select_speaks_of_sets),
		T(select_sleeps_beside_what_only_hung_up), T(the_mask_holds_without_time_to_wait) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
