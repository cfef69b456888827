/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_ctx.c - contexts: a thread's own, shared when they run out; and no wake-up is lost. */
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "include/base/rand.h"
#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

static struct rig r;
static struct tas_sock *l;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 3);
	l = rig_listener(&r);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* --- which rings --- */

static void a_thread_has_one_context_and_gives_it_back(void **state)
{
	struct tas_ctx *c = tas_ctx_new(r.t), *d;

	(void)state;
	assert_ptr_equal(tas_ctx_self(r.t), r.c);
	assert_ptr_not_equal(c, r.c);
	tas_ctx_poll(c);
	assert_int_equal(r.asked[CTL_CONTEXT], 2);
	tas_ctx_free(c);
	d = tas_ctx_new(r.t);
	assert_ptr_equal(c, d);
	tas_ctx_poll(d); /* with the rings that lie idle */
	assert_int_equal(r.asked[CTL_CONTEXT], 2);
	assert_int_equal(d->rings->id, 1);
	tas_ctx_free(d);
}

static void *ends_with_a_context(void *arg)
{
	*(struct tas_ctx **)arg = tas_ctx_self(r.t);
	return NULL;
}

static void a_thread_that_ends_gives_its_context_back(void **state)
{
	struct tas_ctx *c;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, ends_with_a_context, &c);
	pthread_join(thread, NULL);
	assert_int_equal(c->used, 0);
	assert_int_equal(r.c->used, 1);
}

static void newcomers_share_when_contexts_run_out(void **state)
{
	struct tas_ctx *c[5];

	(void)state;
	for (int i = 0; i < 5; i++) {
		c[i] = tas_ctx_new(r.t);
		tas_ctx_poll(c[i]);
		assert_non_null(c[i]->rings);
	}
	for (int i = 0; i < 3; i++)
		assert_int_equal(r.t->att->rings[i].users, 2); /* evenly */
	for (int i = 0; i < 5; i++)
		tas_ctx_free(c[i]);
	assert_int_equal(r.t->att->rings[0].users, 1);
}

static void without_tasd_a_context_has_no_rings(void **state)
{
	struct rig *away = &r;
	int fds[TAS_CTX_FDS];

	(void)state;
	rig_end(&r);
	rig_begin(&r, 1, 1);
	away->down = true;
	assert_int_equal(tas_ctx_poll(r.c), 0);
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_int_equal(tas_ctx_fds(r.c, fds), r.c->fd >= 0);
	tas_ctx_sleep_end(r.c);
}

/* --- sleep --- */

static bool readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) == 1;
}

static void what_came_before_the_announcement_forbids_sleep(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);

	(void)state;
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	assert_false(tas_ctx_sleep_begin(r.c));
	assert_int_equal(r.ctx[0].shm->asleep, 0);
	assert_int_equal(tas_ready(s) & TAS_EV_IN, TAS_EV_IN);
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_int_equal(r.ctx[0].shm->asleep, 1);
	tas_ctx_sleep_end(r.c);
	assert_int_equal(r.ctx[0].shm->asleep, 0);
}

static void what_comes_after_it_writes_the_eventfd(void **state)
{
	int fds[TAS_CTX_FDS];

	(void)state;
	rig_accepted(&r, l, 3);
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_true(tas_ctx_fds(r.c, fds) >= 1);
	assert_false(readable(fds[0]));
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	assert_true(readable(fds[0]));
	tas_ctx_sleep_end(r.c);
	assert_false(readable(fds[0]));
	assert_int_equal(tas_ctx_poll(r.c), 1);
}

/* tasd found us asleep, and we looked and went on, before it wrote. */
static void what_is_written_too_late_ends_one_sleep_and_no_more(void **state)
{
	const uint64_t one = 1;
	int fds[TAS_CTX_FDS];

	(void)state;
	rig_accepted(&r, l, 3);
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_true(tas_ctx_fds(r.c, fds) >= 1);
	atomic_store(&r.ctx[0].shm->asleep, 0);
	tas_ctx_sleep_end(r.c);
	assert_int_equal(write(r.ctx[0].eventfd, &one, sizeof(one)), sizeof(one));
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_true(readable(fds[0]));
	tas_ctx_rang(r.c, fds[0]);
	tas_ctx_sleep_end(r.c);
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_false(readable(fds[0]));
	tas_ctx_sleep_end(r.c);
}

static void who_still_sleeps_on_shared_rings_is_announced_again(void **state)
{
	struct tas_ctx *a = tas_ctx_new(r.t), *b = tas_ctx_new(r.t);

	(void)state;
	rig_end(&r);
	rig_begin(&r, 1, 1);
	l = rig_listener(&r);
	a = tas_ctx_new(r.t);
	b = tas_ctx_new(r.t);
	rig_accepted(&r, l, 3);
	assert_true(tas_ctx_sleep_begin(a));
	assert_true(tas_ctx_sleep_begin(b));
	assert_ptr_equal(a->slept, b->slept);
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	assert_int_equal(r.ctx[0].shm->asleep, 0);
	tas_ctx_sleep_end(a);
	assert_int_equal(r.ctx[0].shm->asleep, 1);
	assert_true(r.nr_events > 0); /* what came was looked at for b, too */
	tas_ctx_sleep_end(b);
	assert_int_equal(r.ctx[0].shm->asleep, 0);
}

static void a_handler_may_sleep_while_its_thread_does(void **state)
{
	(void)state;
	rig_accepted(&r, l, 3);
	assert_true(tas_ctx_sleep_begin(r.c));
	assert_true(tas_ctx_sleep_begin(r.c)); /* in the handler */
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	tas_ctx_sleep_end(r.c);
	assert_int_equal(r.ctx[0].shm->asleep, 1); /* the outer one still sleeps */
	rig_deliver(&r, 3, 1);
	rig_notify(&r, 0, 0, 3);
	assert_false(tas_ctx_sleep_begin(r.c));
	tas_ctx_sleep_end(r.c);
	assert_int_equal(r.c->depth, 0);
	assert_null(r.c->slept);
}

/* --- wake, from another thread --- */

static void *sleeps_once(void *arg)
{
	struct tas_ctx *c = tas_ctx_self(r.t);
	struct pollfd p[TAS_CTX_FDS];
	int fds[TAS_CTX_FDS];
	unsigned n;

	atomic_store((_Atomic(struct tas_ctx *) *)arg, c);
	while (!tas_ctx_sleep_begin(c))
		;
	n = tas_ctx_fds(c, fds);
	for (unsigned i = 0; i < n; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	assert_int_equal(poll(p, n, 20000), 1);
	tas_ctx_sleep_end(c);
	return NULL;
}

static void a_sleeper_can_be_woken_by_another_thread(void **state)
{
	_Atomic(struct tas_ctx *) c = NULL;
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, sleeps_once, &c);
	while (atomic_load(&c) == NULL || c->sleeping == 0)
		sched_yield();
	tas_ctx_wake(c);
	pthread_join(thread, NULL);
	tas_ctx_wake(c); /* nobody is asleep: not remembered */
	assert_int_equal(c->sleeping, 0);
}

/* --- the announcement, without the kernel --- */

enum { SLEEPS = 100000, PATIENCE = 100000000 };

static _Atomic uint64_t seen; /* rx_end as the sleeper knows it */
static _Atomic enum { RUNNING, DONE, LOST } verdict;

static void *notifies(void *arg)
{
	struct tas_rand rand;

	(void)arg;
	rand_seed(&rand, 7);
	for (int i = 0; i < SLEEPS; i++) {
		uint64_t end = rig_rec(&r, 3)->rx_end + 1;

		/* another producer looks, so that the announcement has to travel */
		for (uint32_t pause = rand_below(&rand, 200); pause > 0; pause--)
			(void)atomic_load_explicit(&r.ctx[0].shm->asleep, memory_order_relaxed);
		atomic_store_explicit(&rig_rec(&r, 3)->rx_end, end, memory_order_relaxed);
		rig_notify(&r, 0, 0, 3);
		for (uint32_t patience = 0; seen != end && verdict == RUNNING; rig_spin(patience++))
			if (patience == PATIENCE)
				verdict = LOST;
	}
	if (verdict == RUNNING)
		verdict = DONE;
	return NULL;
}

/* The fence between announcement and last look: who looked in vain is seen asleep. */
static void who_is_not_seen_asleep_sees_what_came(void **state)
{
	pthread_t thread;

	(void)state;
	rig_accepted(&r, l, 3);
	pthread_create(&thread, NULL, notifies, NULL);
	while (verdict == RUNNING) {
		if (tas_ctx_sleep_begin(r.c)) {
			for (uint32_t n = 0; r.ctx[0].shm->asleep == 1 && verdict == RUNNING; n++)
				rig_spin(n);
			tas_ctx_sleep_end(r.c);
		}
		atomic_store(&seen, atomic_load(&rig_rec(&r, 3)->rx_end));
	}
	pthread_join(thread, NULL);
	assert_int_equal(verdict, DONE);
}

/* --- both directions, with real blocks --- */

static uint64_t rounds(void)
{
	const char *text = getenv("TAS_TEST_ROUNDS");

	return text != NULL ? strtoull(text, NULL, 10) : 100000;
}

static int core_fd;
static _Atomic uint64_t blocks[2];

static void wake_core(void *arg, int fd)
{
	uint64_t one = 1;

	(void)arg;
	(void)fd;
	if (write(core_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static void delay(struct tas_rand *rand)
{
	for (volatile uint32_t n = rand_below(rand, 4000); n > 0; n--)
		;
}

static void block_on(int fd, int who)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	blocks[who]++;
	if (poll(&p, 1, 20000) != 1)
		abort(); /* a lost wake-up */
}

/* The core: takes a message, answers with a notification; sleeps when there is none. */
static void *core_runs(void *arg)
{
	struct abi_core_line *line = &r.header->core_line[0];
	struct tas_rand rand;
	struct abi_bell b;
	uint64_t sum;

	(void)arg;
	rand_seed(&rand, 5);
	for (uint64_t i = rounds(); i > 0;) {
		if (rig_bell(&r, 0, 0, &b)) {
			delay(&rand);
			rig_deliver(&r, 3, 1);
			rig_notify(&r, 0, 0, 3);
			i--;
			continue;
		}
		atomic_exchange(&line->bells, 0);
		if (r.ctx[0].taken[0] != atomic_load(&r.ctx[0].bell[0]->produced))
			continue;
		atomic_store_explicit(&line->asleep, 1, memory_order_relaxed);
		atomic_thread_fence(memory_order_seq_cst);
		delay(&rand);
		if (atomic_load(&line->bells) == 0) {
			block_on(core_fd, 0);
			if (read(core_fd, &sum, sizeof(sum)) != sizeof(sum))
				abort();
		}
		atomic_store(&line->asleep, 0);
	}
	return NULL;
}

static void wait_readable(struct tas_sock *s, struct tas_rand *rand)
{
	int fds[TAS_CTX_FDS];

	while (!(tas_ready(s) & TAS_EV_IN)) {
		tas_ctx_poll(r.c);
		if (!tas_ctx_sleep_begin(r.c))
			continue;
		delay(rand);
		tas_ctx_fds(r.c, fds);
		if (!(tas_ready(s) & TAS_EV_IN))
			block_on(fds[0], 1);
		tas_ctx_sleep_end(r.c);
	}
}

static void no_wake_up_is_lost_in_either_direction(void **state)
{
	struct tas_sock *s = rig_accepted(&r, l, 3);
	struct tas_rand rand;
	pthread_t thread;
	char byte;

	(void)state;
	core_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	r.t->link.wake = wake_core;
	rand_seed(&rand, 6);
	pthread_create(&thread, NULL, core_runs, NULL);
	for (uint64_t i = rounds(); i > 0; i--) {
		assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
		atomic_store(&rig_rec(&r, 3)->tx_una, s->tx_end);
		wait_readable(s, &rand);
		assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), 1);
	}
	pthread_join(thread, NULL);
	close(core_fd);
	print_message("blocked %lu times on the core's side, %lu on the application's\n",
		(unsigned long)blocks[0], (unsigned long)blocks[1]);
	assert_true(blocks[0] > 0 && blocks[1] > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_thread_has_one_context_and_gives_it_back),
		TEST(a_thread_that_ends_gives_its_context_back),
		TEST(newcomers_share_when_contexts_run_out),
		TEST(without_tasd_a_context_has_no_rings),
		TEST(what_came_before_the_announcement_forbids_sleep),
		TEST(what_comes_after_it_writes_the_eventfd),
		TEST(what_is_written_too_late_ends_one_sleep_and_no_more),
		TEST(who_still_sleeps_on_shared_rings_is_announced_again),
		TEST(a_handler_may_sleep_while_its_thread_does),
		TEST(a_sleeper_can_be_woken_by_another_thread),
		TEST(who_is_not_seen_asleep_sees_what_came),
		TEST(no_wake_up_is_lost_in_either_direction),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
