/* SPDX-License-Identifier: BSD-3-Clause */
/* test_epset.c - several threads that wait on one epoll set. */
#include "tests/unit/epoll_rig.h"

#include <poll.h>
#include <pthread.h>

#define assert_soon(condition)                                             \
	do {                                                               \
		for (int wait_ = 0; wait_ < 5000 && !(condition); wait_++) \
			usleep(1000);                                      \
		assert_true(condition);                                    \
	} while (0)

struct sleeper {
	pthread_t thread;
	int set, ms;
	_Atomic int result; /* -2: sleeps */
	struct epoll_event event;
};

static void *sleep_in_wait(void *arg)
{
	struct sleeper *s = arg;

	s->result = px_epoll_pwait(s->set, &s->event, 1, s->ms, NULL);
	return NULL;
}

static void sleeper_start(struct sleeper *s, int set, int ms)
{
	struct file *f = fd_look(set);
	uint32_t before = atomic_load(&f->set->sleepers.waiting) + atomic_load(&f->set->kernel_waiters);

	*s = (struct sleeper){ .set = set, .ms = ms, .result = -2 };
	pthread_create(&s->thread, NULL, sleep_in_wait, s);
	for (int i = 0; i < 5000; i++) {
		if (atomic_load(&f->set->sleepers.waiting) + atomic_load(&f->set->kernel_waiters) > before)
			break;
		usleep(1000);
	}
	usleep(2000);
}

static void a_sleeper_is_woken_by_what_another_thread_adds(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct sleeper s;

	(void)state;
	px_arrive(1, 1);
	sleeper_start(&s, set, 10000); /* nothing accelerated in it yet: asleep in the kernel */
	add(set, fd, EPOLLIN, 1);
	assert_soon(s.result != -2);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.result, 1);
	assert_int_equal(s.event.data.u64, 1);
}

static void a_wait_is_cancelled_in_the_kernels_set_and_beside_it(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct sleeper s;
	void *end;

	(void)state;
	sleeper_start(&s, set, 10000);
	pthread_cancel(s.thread);
	pthread_join(s.thread, &end);
	assert_ptr_equal(end, PTHREAD_CANCELED);
	assert_int_equal(set_of(set)->file->refs, 1);
	assert_int_equal(set_of(set)->kernel_waiters, 0);
	add(set, fd, EPOLLIN, 1);
	sleeper_start(&s, set, 10000);
	pthread_cancel(s.thread);
	pthread_join(s.thread, &end);
	assert_ptr_equal(end, PTHREAD_CANCELED);
	assert_int_equal(set_of(set)->file->refs, 1);
	assert_int_equal(set_of(set)->inside, 0);
	px_arrive(1, 1);
	sleeper_start(&s, set, 10000); /* another one serves the set as well */
	pthread_join(s.thread, NULL);
	assert_int_equal(s.result, 1);
}

/* The context that the library wants to be told on: the last that it named for the flow. */
static uint32_t context_of(uint32_t rec, uint32_t before)
{
	struct abi_bell b;

	for (uint32_t ctx = 0; ctx < r.nctx; ctx++) {
		while (rig_bell(&r, ctx, 0, &b)) {
			if (b.flow == rig_rec(&r, rec)->flow && b.flags & ABI_BELL_CONTEXT)
				before = b.arg;
		}
	}
	return before;
}

/* A byte arrives, and is told there and nowhere else. */
static void tell(uint32_t rec, uint32_t ctx)
{
	r.notified[rec] = 0; /* as tasd forgets it when the context changes */
	rig_deliver(&r, rec, 1);
	rig_notify(&r, ctx, 0, rec);
}

/* Whoever of them wakes first takes the set's context with it, or hands it on. */
static void who_is_left_is_served_when_the_other_has_gone(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct sleeper one, two;
	uint32_t ctx;

	(void)state;
	add(set, fd, EPOLLIN | EPOLLET, 1);
	sleeper_start(&one, set, 20000);
	sleeper_start(&two, set, 20000);
	ctx = context_of(1, 0);
	tell(1, ctx);
	assert_soon(one.result != -2 || two.result != -2);
	usleep(5000);
	ctx = context_of(1, ctx);
	tell(1, ctx);
	assert_soon(one.result != -2 && two.result != -2);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	assert_int_equal(one.result + two.result, 2);
}

static void two_sleepers_get_one_event_each(void **state)
{
	int set = set_new(), a = px_flow(1, 0), b = px_flow(2, 0);
	struct sleeper one, two;

	(void)state;
	add(set, a, EPOLLIN | EPOLLET, 1);
	add(set, b, EPOLLIN | EPOLLET, 2);
	assert_int_equal(now(set), 0);
	sleeper_start(&one, set, 10000);
	sleeper_start(&two, set, 10000);
	/* wherever tasd's notification goes, draining it here is as good */
	px_arrive(1, 1);
	tas_ctx_poll(r.c);
	px_arrive(2, 1);
	tas_ctx_poll(r.c);
	assert_soon(one.result != -2 && two.result != -2);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	assert_int_equal(one.result, 1);
	assert_int_equal(two.result, 1);
	assert_int_equal(one.event.data.u64 + two.event.data.u64, 3);
}

static void *poll_set(void *arg)
{
	struct sleeper *s = arg;
	struct pollfd p = { .fd = s->set, .events = POLLIN };

	s->result = px_poll(&p, 1, s->ms);
	return NULL;
}

static void who_polls_a_set_sees_what_is_added(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct sleeper poller = { .set = set, .ms = 20000, .result = -2 };
	struct file *f = set_of(set)->file;

	(void)state;
	px_arrive(1, 1);
	pthread_create(&poller.thread, NULL, poll_set, &poller);
	assert_soon(!waitlist_empty(&f->waiters));
	usleep(2000);
	add(set, fd, EPOLLIN, 1);
	for (int i = 0; i < 5000 && poller.result == -2; i++)
		usleep(1000);
	assert_int_equal(poller.result, 1);
	pthread_join(poller.thread, NULL);
}

/* Two threads share the set and leave; the third, in poll, takes the set's context over from them. */
static void who_polls_a_shared_set_is_served_when_the_others_have_gone(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct sleeper one, two, poller = { .set = set, .ms = 20000, .result = -2 };

	(void)state;
	add(set, fd, EPOLLIN, 1);
	sleeper_start(&one, set, 500);
	sleeper_start(&two, set, 500);
	pthread_create(&poller.thread, NULL, poll_set, &poller);
	pthread_join(one.thread, NULL);
	pthread_join(two.thread, NULL);
	assert_int_equal(one.result + two.result, 0);
	assert_int_equal(set_of(set)->owner, EPSET_SHARED);
	assert_soon(set_of(set)->lead != 0);
	tell(1, context_of(1, 0));
	for (int i = 0; i < 5000 && poller.result == -2; i++)
		usleep(1000);
	assert_int_equal(poller.result, 1);
	pthread_join(poller.thread, NULL);
}

static void timeouts_are_kept(void **state)
{
	int set = set_new(), fd = px_flow(1, 0);
	struct timespec wait = { 0, 3000000 };
	tas_ns begin = inst_clock();

	(void)state;
	add(set, fd, EPOLLIN, 1);
	assert_int_equal(px_epoll_pwait(set, got, 1, 20, NULL), 0);
	assert_in_range(inst_clock() - begin, 20 * NS_PER_MS, 500 * NS_PER_MS);
	begin = inst_clock();
	assert_int_equal(px_epoll_pwait2(set, got, 1, &wait, NULL), 0);
	assert_in_range(inst_clock() - begin, 3 * NS_PER_MS, 500 * NS_PER_MS);
	wait.tv_nsec = -1;
	assert_errno(px_epoll_pwait2(set, got, 1, &wait, NULL), EINVAL);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(a_sleeper_is_woken_by_what_another_thread_adds),
		T(a_wait_is_cancelled_in_the_kernels_set_and_beside_it),
		T(who_is_left_is_served_when_the_other_has_gone), T(two_sleepers_get_one_event_each),
		T(who_polls_a_set_sees_what_is_added),
		T(who_polls_a_shared_set_is_served_when_the_others_have_gone), T(timeouts_are_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
