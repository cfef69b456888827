/* SPDX-License-Identifier: BSD-3-Clause */
/* test_wait.c - threads asleep in calls on accelerated sockets, and what they are short of. */
#include "tests/unit/px_rig.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>

/* --- want of memory and descriptors --- */

static _Atomic bool no_pages, no_eventfds;

static long scarce_syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	/* tasd's own descriptors to wake a thread by are there; that of tas_ctx_wake is not */
	if ((number == SYS_mmap && no_pages) ||
		(number == SYS_eventfd2 && a[1] & EFD_NONBLOCK && no_eventfds)) {
		errno = number == SYS_mmap ? ENOMEM : EMFILE;
		return -1;
	}
	return syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

/* No thread gets a context from now on. */
static void contexts_out(void)
{
	r.t->os.syscall = scarce_syscall;
	no_pages = true;
	while (tas_ctx_new(r.t) != NULL)
		;
}

static int set_up(void **state)
{
	no_pages = no_eventfds = false;
	return px_set_up(state);
}

/* --- a thread in a call --- */

struct caller {
	pthread_t thread;
	ssize_t (*call)(struct caller *x);
	int fd, set, error;
	char data[100];
	_Atomic ssize_t result; /* -2: inside */
};

static void *run_call(void *arg)
{
	struct caller *x = arg;
	ssize_t result = x->call(x);

	x->error = errno;
	x->result = result;
	return NULL;
}

static void caller_start(struct caller *x, ssize_t (*call)(struct caller *), int fd, int set)
{
	*x = (struct caller){ .call = call, .fd = fd, .set = set, .result = -2 };
	assert_int_equal(pthread_create(&x->thread, NULL, run_call, x), 0);
}

static struct file *file_at(int fd)
{
	struct file *f = fd_look(fd);

	if (f == NULL)
		abort();
	return f;
}

static bool waits_on(int fd) { return !waitlist_empty(&file_at(fd)->waiters); }

#define assert_soon(condition)                                             \
	do {                                                               \
		for (int wait_ = 0; wait_ < 5000 && !(condition); wait_++) \
			usleep(1000);                                      \
		assert_true(condition);                                    \
	} while (0)

static ssize_t call_recv(struct caller *x) { return px_recv(x->fd, x->data, sizeof(x->data), 0); }

static ssize_t call_poll(struct caller *x)
{
	return px_poll(&(struct pollfd){ .fd = x->fd, .events = POLLIN }, 1, -1);
}

static ssize_t call_epoll(struct caller *x)
{
	struct epoll_event event;

	return px_epoll_pwait(x->set, &event, 1, -1, NULL);
}

static ssize_t (*const calls[])(struct caller *) = { call_recv, call_poll, call_epoll };

static int set_with(int fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int set = px_epoll_create1(EPOLL_CLOEXEC);

	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_ADD, fd, &event), 0);
	return set;
}

/* --- tests --- */

static ssize_t call_all(struct caller *x)
{
	ssize_t got = px_recv(x->fd, x->data, sizeof(x->data), MSG_DONTWAIT);

	if (got <= 0 || px_send(x->fd, x->data, (size_t)got, 0) != got || px_close(x->fd) != 0)
		return -1;
	return got;
}

static void a_thread_without_a_context_has_all_calls(void **state)
{
	int fd = px_flow(1, 0);
	struct caller x;
	struct abi_bell b = { 0 };
	unsigned closed = 0;

	(void)state;
	contexts_out();
	px_arrive(1, 10);
	caller_start(&x, call_all, fd, -1);
	pthread_join(x.thread, NULL);
	assert_int_equal(x.result, 10);
	for (uint32_t i = 0; i < r.nctx; i++) {
		while (rig_bell(&r, i, 0, &b))
			closed += (b.flags & ABI_BELL_CLOSE) != 0;
	}
	assert_int_equal(closed, 1);
}

static void a_thread_without_a_context_looks_again_by_itself(void **state)
{
	int fd = px_flow(1, 0), set = set_with(fd);

	(void)state;
	contexts_out();
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		struct caller x;

		caller_start(&x, calls[i], fd, set);
		assert_soon(atomic_load(&file_sock(file_at(fd))->rings) == r.t->common.rings);
		usleep(2000);
		assert_int_equal(x.result, -2);
		rig_deliver(&r, 1, 10);
		r.notified[1] = 0; /* elsewhere */
		rig_notify(&r, r.t->common.rings->id, 0, 1);
		assert_int_equal(r.ctx[r.t->common.rings->id].shm->asleep, 0); /* nobody is woken */
		pthread_join(x.thread, NULL);
		assert_int_equal(x.result, calls[i] == call_recv ? 10 : 1);
		assert_int_equal(px_recv(fd, x.data, sizeof(x.data), MSG_DONTWAIT),
			calls[i] == call_recv ? -1 : 10);
	}
}

static void a_thread_without_a_descriptor_to_be_woken_by_looks_again(void **state)
{
	int fd = px_flow(1, 0), set = set_with(fd);

	(void)state;
	r.t->os.syscall = scarce_syscall;
	no_eventfds = true;
	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		struct caller x;

		caller_start(&x, calls[i], fd, set);
		if (calls[i] != call_epoll)
			assert_soon(waits_on(fd));
		usleep(2000);
		/* another thread attracts the notification and takes it */
		tas_sock_notify(r.c, file_sock(file_at(fd)));
		rig_deliver(&r, 1, 10);
		r.notified[1] = 0;
		rig_notify(&r, 0, 0, 1);
		tas_ctx_poll(r.c);
		pthread_join(x.thread, NULL);
		assert_int_equal(x.result, calls[i] == call_recv ? 10 : 1);
		px_recv(fd, x.data, sizeof(x.data), MSG_DONTWAIT);
	}
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(a_thread_without_a_context_has_all_calls),
		T(a_thread_without_a_context_looks_again_by_itself),
		T(a_thread_without_a_descriptor_to_be_woken_by_looks_again) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
