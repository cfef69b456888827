/* SPDX-License-Identifier: BSD-3-Clause */
/* test_timer.c - the wheel against its promises, and against a model that only compares numbers. */
#include "slowpath/timer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

enum { N = 200 };

static struct timers t;
static struct {
	unsigned n;
	uint32_t index[100000];
	tas_ns at[100000];
} fired;

static void note(void *arg, uint32_t index, tas_ns now)
{
	(void)arg;
	fired.index[fired.n] = index;
	fired.at[fired.n++] = now;
}

static void start(tas_ns now)
{
	fired.n = 0;
	assert_int_equal(timers_init(&t, N, now), 0);
}

static int teardown(void **state)
{
	(void)state;
	timers_fini(&t);
	return 0;
}

static unsigned expire(tas_ns now) { return timers_expire(&t, now, UINT32_MAX, note, NULL); }

static void a_timer_fires_once_not_early_and_within_a_tick(void **state)
{
	static const tas_ns delay[] = { 0, 1, 65535, 65536, 65537, 1000000, 200 * NS_PER_MS, 7 * NS_PER_SEC,
		3600 * NS_PER_SEC, 100000 * NS_PER_SEC };
	const tas_ns begin = 123456789012345;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(delay); i++) {
		tas_ns due = begin + delay[i], due_tick = (due + TIMER_TICK_NS - 1) & ~(TIMER_TICK_NS - 1);

		start(begin);
		timer_arm(&t, 3, due);
		assert_true(timer_is_armed(&t, 3));
		assert_true(timer_due(&t, 3) == due_tick);
		expire(due_tick - 1);
		assert_int_equal(fired.n, 0);
		expire(due_tick);
		assert_int_equal(fired.n, 1);
		assert_false(timer_is_armed(&t, 3));
		expire(due_tick + 1000 * NS_PER_SEC);
		assert_int_equal(fired.n, 1);
		timers_fini(&t);
	}
	start(0);
}

static void arming_again_replaces_and_cancelling_prevents(void **state)
{
	(void)state;
	start(0);
	timer_arm(&t, 0, 10 * NS_PER_MS);
	timer_arm(&t, 0, 20 * NS_PER_MS);
	timer_arm(&t, 1, 10 * NS_PER_MS);
	timer_cancel(&t, 1);
	timer_cancel(&t, 1);
	timer_arm(&t, 2, 5 * NS_PER_MS);
	timer_arm(&t, 2, TAS_NS_NEVER);
	assert_int_equal(t.armed, 1);
	expire(19 * NS_PER_MS);
	assert_int_equal(fired.n, 0);
	expire(21 * NS_PER_MS);
	assert_int_equal(fired.n, 1);
	assert_int_equal(fired.index[0], 0);
	assert_true(timers_next(&t) == TAS_NS_NEVER);
}

static void the_farthest_times_are_accepted(void **state)
{
	(void)state;
	start(UINT64_MAX / 2);
	timer_arm(&t, 0, TAS_NS_NEVER - 1);
	timer_arm(&t, 1, 0); /* long past */
	expire(UINT64_MAX / 2);
	assert_int_equal(fired.n, 1);
	assert_int_equal(fired.index[0], 1);
	expire(TAS_NS_NEVER - TIMER_TICK_NS - 1);
	assert_int_equal(fired.n, 1);
	expire(TAS_NS_NEVER);
	assert_int_equal(fired.n, 2);
}

static void time_that_goes_back_fires_nothing_and_breaks_nothing(void **state)
{
	(void)state;
	start(NS_PER_SEC);
	timer_arm(&t, 0, 2 * NS_PER_SEC);
	expire(3 * NS_PER_SEC / 2);
	timer_arm(&t, 1, NS_PER_SEC);
	expire(NS_PER_SEC / 2);
	assert_int_equal(fired.n, 0);
	expire(2 * NS_PER_SEC + NS_PER_MS);
	assert_int_equal(fired.n, 2);
	assert_int_equal(fired.index[0], 1);

	expire(4 * NS_PER_SEC);
	timer_arm(&t, 2, 4 * NS_PER_SEC + 10 * TIMER_TICK_NS);
	for (int back = 1000; back > -10; back--) {
		expire(4 * NS_PER_SEC - (tas_ns)back * TIMER_TICK_NS);
		assert_int_equal(fired.n, 2);
	}
	expire(4 * NS_PER_SEC + 11 * TIMER_TICK_NS);
	assert_int_equal(fired.n, 3);
}

static void a_call_does_at_most_as_many_steps_as_allowed(void **state)
{
	unsigned calls = 0;

	(void)state;
	start(0);
	for (uint32_t i = 0; i < N; i++)
		timer_arm(&t, i, 3600 * NS_PER_SEC); /* far away: each must be moved, too */
	while (fired.n < N) {
		unsigned before = fired.n, steps = timers_expire(&t, 3601 * NS_PER_SEC, 7, note, NULL);

		assert_in_range(steps, 1, 7);
		assert_true(fired.n - before <= 7);
		assert_true(t.armed == 0 || timers_next(&t) <= 3601 * NS_PER_SEC);
		assert_true(++calls < N * TIMER_WHEELS);
	}
}

static void what_was_cancelled_or_armed_amid_a_move_is_honoured(void **state)
{
	(void)state;
	start(0);
	for (uint32_t i = 0; i < 10; i++)
		timer_arm(&t, i, 10 * NS_PER_SEC);
	timer_arm(&t, 50, 11 * NS_PER_SEC);
	timers_expire(&t, 10 * NS_PER_SEC + NS_PER_MS, 3, note, NULL); /* stops within the move */
	assert_int_not_equal(t.moving, 0);
	for (uint32_t i = 0; i < 10; i++)
		timer_cancel(&t, i);
	assert_int_equal(t.moving, 0);
	timer_arm(&t, 51, 10 * NS_PER_SEC);
	expire(10 * NS_PER_SEC + NS_PER_MS);
	assert_int_equal(fired.n, 1);
	assert_int_equal(fired.index[0], 51);
	expire(11 * NS_PER_SEC + NS_PER_MS);
	assert_int_equal(fired.n, 2);
}

static void rearm(void *arg, uint32_t index, tas_ns now)
{
	note(arg, index, now);
	timer_arm(&t, index, now - NS_PER_MS); /* already due */
	timer_cancel(&t, index + 1);
}

static void a_callback_may_arm_and_cancel(void **state)
{
	(void)state;
	start(0);
	timer_arm(&t, 7, NS_PER_MS);
	timer_arm(&t, 8, NS_PER_MS);
	assert_int_equal(timers_expire(&t, 2 * NS_PER_MS, 5, rearm, NULL), 5);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(fired.index[i], 7);
	assert_true(timer_is_armed(&t, 7));
	assert_false(timer_is_armed(&t, 8));
}

/* --- against the model --- */

static tas_ns model[N];

static tas_ns random_delay(struct tas_rand *r)
{
	return rand_u64(r) >> (14 + rand_below(r, 50)); /* evenly over the magnitudes, up to 13 days */
}

static tas_ns model_next(void)
{
	tas_ns next = TAS_NS_NEVER;

	for (unsigned i = 0; i < N; i++)
		next = min_u64(next, model[i]);
	return next;
}

/* What fired must be due, in order of ticks, and nothing due may be left. */
static void check_fired(tas_ns now)
{
	uint64_t last_tick = 0;

	for (unsigned i = 0; i < fired.n; i++) {
		tas_ns due = model[fired.index[i]];
		uint64_t tick = due >> TIMER_TICK_SHIFT;

		assert_true(due <= now);
		assert_true(fired.at[i] == now);
		assert_true(tick >= last_tick);
		last_tick = tick;
		model[fired.index[i]] = TAS_NS_NEVER;
	}
	assert_true(model_next() == TAS_NS_NEVER || model_next() + TIMER_TICK_NS > now);
}

static void random_operation(struct tas_rand *r, tas_ns now)
{
	uint32_t i = rand_below(r, N);

	if (rand_below(r, 4) == 0) {
		timer_cancel(&t, i);
		model[i] = TAS_NS_NEVER;
	} else {
		/* sometimes in the past, which fires as if it were due now */
		tas_ns due = rand_below(r, 16) == 0 ? now / 2 : now + random_delay(r);

		timer_arm(&t, i, due);
		model[i] = max_u64(due, now);
	}
	for (uint32_t k = 0; k < N; k++)
		assert_true(timer_is_armed(&t, k) == (model[k] != TAS_NS_NEVER));
}

static void the_wheel_and_the_model_agree(void **state)
{
	struct tas_rand r;

	(void)state;
	for (uint64_t seed = 0; seed < 40; seed++) {
		tas_ns now = seed * 0x123456789abull;

		rand_seed(&r, seed);
		start(now);
		memset(model, 0xff, sizeof(model));
		for (unsigned step = 0; step < 2000; step++) {
			for (unsigned k = rand_below(&r, 6); k > 0; k--)
				random_operation(&r, now);
			now += random_delay(&r) >> rand_below(&r, 20);
			fired.n = 0;
			assert_true(timers_next(&t) <=
					min_u64(model_next() + TIMER_TICK_NS - 1, TAS_NS_NEVER - 1) ||
				model_next() == TAS_NS_NEVER);
			if (rand_below(&r, 2))
				expire(now);
			else
				while (timers_expire(&t, now, 1 + rand_below(&r, 5), note, NULL) > 0)
					;
			check_fired(now);
		}
		timers_fini(&t);
	}
	start(0);
}

/* What the loop does: sleep until timers_next(), again and again, must not need many turns for one timer. */
static void following_the_next_deadline_reaches_every_timer_in_few_turns(void **state)
{
	struct tas_rand r;
	unsigned turns = 0;
	tas_ns now = 0;

	(void)state;
	rand_seed(&r, 99);
	start(0);
	for (uint32_t i = 0; i < N; i++)
		timer_arm(&t, i, random_delay(&r));
	while (t.armed > 0) {
		assert_true(timers_next(&t) >= now || turns == 0);
		now = max_u64(now, timers_next(&t));
		expire(now);
		assert_true(++turns <= N * TIMER_WHEELS);
	}
	assert_int_equal(fired.n, N);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_timer_fires_once_not_early_and_within_a_tick, teardown),
		cmocka_unit_test_teardown(arming_again_replaces_and_cancelling_prevents, teardown),
		cmocka_unit_test_teardown(the_farthest_times_are_accepted, teardown),
		cmocka_unit_test_teardown(time_that_goes_back_fires_nothing_and_breaks_nothing, teardown),
		cmocka_unit_test_teardown(a_call_does_at_most_as_many_steps_as_allowed, teardown),
		cmocka_unit_test_teardown(what_was_cancelled_or_armed_amid_a_move_is_honoured, teardown),
		cmocka_unit_test_teardown(a_callback_may_arm_and_cancel, teardown),
		cmocka_unit_test_teardown(the_wheel_and_the_model_agree, teardown),
		cmocka_unit_test_teardown(following_the_next_deadline_reaches_every_timer_in_few_turns,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
