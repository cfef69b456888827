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
	assert_int_equal(file_refs(set_of(set)->file), 1);
	assert_int_equal(set_of(set)->kernel_waiters, 0);
	add(set, fd, EPOLLIN, 1);
	sleeper_start(&s, set, 10000);
	pthread_cancel(s.thread);
	pthread_join(s.thread, &end);
	assert_ptr_equal(end, PTHREAD_CANCELED);
	assert_int_equal(file_refs(set_of(set)->file), 1);
	assert_int_equal(set_of(set)->inside, 0);
	px_arrive(1, 1);
	sleeper_start(&s, set, 10000); /* another one serves the set as well */
	pthread_join(s.thread, NULL);
	assert_int_equal(s.result, 1);
}

/* The context that the library wants to be told on. */
static uint32_t context_of(uint32_t rec) { return rig_rec(&r, rec)->context; }

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
	ctx = context_of(1);
	tell(1, ctx);
	assert_soon(one.result != -2 || two.result != -2);
	usleep(5000);
	ctx = context_of(1);
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
	tell(1, context_of(1));
	for (int i = 0; i < 5000 && poller.result == -2; i++)
		usleep(1000);
	assert_int_equal(poller.result, 1);
	pthread_join(poller.thread, NULL);
}

/* --- one file in several sets --- */

/* Who waited on its own set last is busy elsewhere: the other's thread is woken as if it were not. */
static void who_sleeps_is_told_while_the_other_set_is_not_waited_on(void **state)
{
	int mine = set_new(), other = set_new(), fd = px_flow(1, 0);
	struct sleeper s;

	(void)state;
	add(mine, fd, EPOLLIN | EPOLLET, 1);
	add(other, fd, EPOLLIN | EPOLLET, 2);
	sleeper_start(&s, other, 10000);
	assert_int_equal(now(mine), 0); /* attracts what it can */
	tell(1, context_of(1));
	assert_soon(s.result != -2);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.result, 1);
	assert_int_equal(s.event.data.u64, 2);
	assert_int_equal(now(mine), 1); /* and it was told, too */
}

static void two_who_sleep_on_sets_of_their_own_are_both_woken(void **state)
{
	int set[2] = { set_new(), set_new() }, fd = px_flow(1, 0);
	struct sleeper s[2];

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		add(set[i], fd, EPOLLIN, 1);
		sleeper_start(&s[i], set[i], 10000);
	}
	tell(1, context_of(1));
	assert_soon(s[0].result != -2 && s[1].result != -2);
	for (unsigned i = 0; i < 2; i++) {
		pthread_join(s[i].thread, NULL);
		assert_int_equal(s[i].result, 1);
	}
}

/* It slept on its own context alone. */
static void who_sleeps_learns_that_a_file_is_in_another_set_from_now_on(void **state)
{
	int mine = set_new(), other = set_new(), fd = px_flow(1, 0);
	struct sleeper s;
	uint32_t ctx;

	(void)state;
	add(other, fd, EPOLLIN, 2);
	sleeper_start(&s, other, 10000);
	ctx = context_of(1);
	add(mine, fd, EPOLLIN, 1);
	assert_soon(context_of(1) != ctx);
	assert_int_equal(now(mine), 0);
	assert_int_equal(s.result, -2);
	tell(1, context_of(1));
	assert_soon(s.result != -2);
	pthread_join(s.thread, NULL);
	assert_int_equal(s.result, 1);
}

static void sets_that_share_nothing_are_told_to_their_own_threads(void **state)
{
	int set = set_new(), fd = px_flow(1, 0), other = set_new();

	(void)state;
	add(set, fd, EPOLLIN, 1);
	assert_int_equal(now(set), 0);
	assert_int_equal(context_of(1), 0);
	add(other, fd, EPOLLIN, 1);
	assert_int_equal(now(set), 0);
	assert_int_not_equal(context_of(1), 0);
	assert_int_equal(set_of(set)->others, 1);
	assert_int_equal(px_epoll_ctl(set, EPOLL_CTL_DEL, fd, NULL), 0);
	assert_int_equal(now(set), 0);
	assert_int_equal(set_of(set)->others, 0);
}

/* --- requests to tasd --- */

static _Atomic bool hold_back, held_back;

static int slow_request(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	if (m->type == CTL_ARM && hold_back)
		held_back = true;
	while (m->type == CTL_ARM && hold_back)
		usleep(1000);
	return rig_request(arg, m, fds, max, nfds);
}

static void *add_pipe(void *arg)
{
	struct sleeper *s = arg;
	struct epoll_event e = { .events = EPOLLIN };

	s->result = px_epoll_ctl(s->set, EPOLL_CTL_ADD, s->ms, &e);
	return NULL;
}

/* In a set, and in one that holds it. */
static void who_changes_a_set_does_not_wait_for_requests(void **state)
{
	int inner = set_new(), outer = set_new();
	struct sleeper s, other = { .ms = px_flow(1, 0) };

	(void)state;
	add(inner, px_listener, EPOLLIN, 1);
	add(outer, inner, EPOLLIN, 2);
	r.t->link.request = slow_request;
	for (int i = 0; i < 2; i++) {
		struct file *l = fd_get(px_listener);

		assert_non_null(l);
		assert_int_equal(tas_listen_arm(r.c, file_sock(l)), 0); /* so that it is to be armed anew */
		file_put(l);
		hold_back = true;
		held_back = false;
		s = (struct sleeper){ .set = i == 0 ? inner : outer, .ms = 5000, .result = -2 };
		pthread_create(&s.thread, NULL, sleep_in_wait, &s);
		assert_soon(held_back);
		other.set = s.set;
		other.result = -2;
		pthread_create(&other.thread, NULL, add_pipe, &other);
		assert_soon(other.result == 0);
		hold_back = false;
		pthread_join(other.thread, NULL);
		rig_incoming(&r, 2 + (uint32_t)i, 1);
		tas_ctx_poll(r.c);
		pthread_join(s.thread, NULL);
		assert_int_equal(s.result, 1);
	}
}

/* --- fork --- */

static _Atomic int forked;

static void *fork_around(void *arg)
{
	epset_fork_prepare();
	forked = 1;
	epset_fork_release();
	return arg;
}

/* As a harvest does that goes from a set to what is nested in it; but any order may be somebody's. */
static void enters_two(struct epset *first, struct epset *second)
{
	pthread_t thread;

	forked = 0;
	assert_true(px_lock_enter(&first->lock));
	pthread_create(&thread, NULL, fork_around, NULL);
	for (int i = 0; i < 50 && atomic_load(&second->lock.owner) == 0; i++)
		usleep(1000);
	assert_true(px_lock_enter(&second->lock));
	assert_int_equal(forked, 0);
	px_lock_leave(&second->lock);
	px_lock_leave(&first->lock);
	assert_soon(forked == 1);
	pthread_join(thread, NULL);
	assert_int_equal(atomic_load(&first->lock.owner), 0);
	assert_int_equal(atomic_load(&second->lock.owner), 0);
}

static void fork_does_not_wait_for_who_waits_for_it(void **state)
{
	int one = set_new(), two = set_new(), outer = set_new();

	(void)state;
	add(outer, one, EPOLLIN, 1);
	enters_two(set_of(one), set_of(two));
	enters_two(set_of(two), set_of(one));
	enters_two(set_of(outer), set_of(one));
}

static void a_fork_in_a_handler_leaves_what_it_interrupted_alone(void **state)
{
	int one = set_new(), two = set_new();

	(void)state;
	assert_true(px_lock_enter(&set_of(one)->lock));
	epset_fork_prepare();
	assert_true(px_lock_is_mine(&set_of(two)->lock));
	epset_fork_prepare(); /* in the midst of that */
	epset_fork_release();
	assert_true(px_lock_is_mine(&set_of(two)->lock));
	epset_fork_release();
	assert_false(px_lock_is_mine(&set_of(two)->lock));
	assert_true(px_lock_is_mine(&set_of(one)->lock));
	px_lock_leave(&set_of(one)->lock);
	px_close(two); /* one that ended is no obstacle */
	epset_fork_prepare();
	epset_fork_release();
	assert_int_equal(ctl(set_new(), EPOLL_CTL_ADD, one, EPOLLIN, 1), 0);
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
		T(who_polls_a_shared_set_is_served_when_the_others_have_gone),
		T(who_sleeps_is_told_while_the_other_set_is_not_waited_on),
		T(two_who_sleep_on_sets_of_their_own_are_both_woken),
		T(who_sleeps_learns_that_a_file_is_in_another_set_from_now_on),
		T(sets_that_share_nothing_are_told_to_their_own_threads),
		T(who_changes_a_set_does_not_wait_for_requests), T(fork_does_not_wait_for_who_waits_for_it),
		T(a_fork_in_a_handler_leaves_what_it_interrupted_alone), T(timeouts_are_kept) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
