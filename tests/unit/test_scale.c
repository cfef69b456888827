/* SPDX-License-Identifier: BSD-3-Clause */
/* test_scale.c - loads in, numbers of cores out. */
#include "slowpath/scale.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

#define STEP (100 * NS_PER_MS)

enum { STEPS_PER_S = 10, CORES = 16 };

/* One interval in which `percent` of one core's work came in; counts changes. */
static unsigned step(struct scale *s, uint32_t percent)
{
	uint32_t before = s->cores, busy = min_u32(percent, before * 100);
	uint32_t after = scale_update(s, busy * (STEP / 100), STEP);

	assert_int_equal(after, s->cores);
	assert_in_range(after, max_u32(s->cores_min, before - 1), min_u32(s->cores_max, before + 1));
	return after != before;
}

static unsigned run(struct scale *s, uint32_t percent, unsigned seconds)
{
	unsigned changes = 0;

	for (unsigned i = 0; i < seconds * STEPS_PER_S; i++)
		changes += step(s, percent);
	return changes;
}

static void a_core_is_added_when_less_than_a_fifth_is_idle(void **state)
{
	struct scale s = scale_of(1, CORES);

	(void)state;
	run(&s, 80, 100);
	assert_int_equal(s.cores, 1);
	run(&s, 81, 1);
	assert_int_equal(s.cores, 2);
}

static void a_core_is_removed_when_more_than_one_and_a_quarter_are_idle(void **state)
{
	struct scale s = scale_of(1, CORES);

	(void)state;
	run(&s, 250, 10);
	assert_int_equal(s.cores, 3);
	run(&s, 175, 100);
	assert_int_equal(s.cores, 3); /* exactly 1.25 idle */
	run(&s, 174, 100);
	assert_int_equal(s.cores, 2);
}

static void it_stays_within_its_bounds(void **state)
{
	struct scale s = scale_of(2, 3);

	(void)state;
	run(&s, 10000, 100);
	assert_int_equal(s.cores, 3);
	run(&s, 0, 100);
	assert_int_equal(s.cores, 2);
	s = scale_of(1, 1);
	assert_int_equal(run(&s, 10000, 100) + run(&s, 0, 100), 0);
}

static void full_load_brings_all_cores_within_two_seconds_and_idleness_takes_them(void **state)
{
	struct scale s = scale_of(1, CORES);

	(void)state;
	run(&s, 10000, 2);
	assert_int_equal(s.cores, CORES);
	run(&s, 0, CORES);
	assert_int_equal(s.cores, 1);
}

static void a_steady_load_settles_wherever_it_starts(void **state)
{
	(void)state;
	for (uint32_t percent = 0; percent <= CORES * 100; percent++) {
		for (uint32_t cores = 1; cores <= CORES; cores++) {
			struct scale s = scale_of(1, CORES);

			s.cores = cores;
			run(&s, percent, 2 * CORES);
			assert_int_equal(run(&s, percent, 5), 0);
			assert_true(s.cores == CORES || s.cores * 100 >= percent + 20);
			assert_true(s.cores == 1 || s.cores * 100 <= percent + 125);
		}
	}
}

static void a_spike_shorter_than_its_patience_removes_nothing(void **state)
{
	struct scale s = scale_of(1, CORES);

	(void)state;
	run(&s, 350, 5);
	assert_int_equal(s.cores, 4);
	for (unsigned i = 0; i < 100; i++) { /* 0.9 s without load, again and again */
		for (unsigned k = 0; k < 9; k++)
			assert_int_equal(step(&s, 0), 0);
		assert_int_equal(step(&s, 350), 0);
	}
}

/* Whatever the period of a load that swings over both limits, changes become rare. */
static void a_swinging_load_does_not_make_it_swing_for_long(void **state)
{
	(void)state;
	for (unsigned half = 1; half <= 5 * STEPS_PER_S; half++) {
		struct scale s = scale_of(1, CORES);
		unsigned late = 0;

		for (unsigned i = 0; i < 600 * STEPS_PER_S; i++) {
			unsigned changed = step(&s, i / half % 2 ? 195 : 50);

			late += i >= 300 * STEPS_PER_S ? changed : 0;
		}
		assert_true(late <= 300 / 60); /* in 300 s */
	}
}

static void noise_about_the_limits_changes_little(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (uint32_t percent = 50; percent < 400; percent += 5) {
		struct scale s = scale_of(1, CORES);
		unsigned changes = 0;

		for (unsigned i = 0; i < 600 * STEPS_PER_S; i++)
			changes += step(&s, percent - 30 + rand_below(&r, 61));
		assert_true(changes <= 16);
	}
}

/* The load of day and night is followed however patient it became: patience halves again. */
static void slow_changes_are_followed_after_fast_ones(void **state)
{
	struct scale s = scale_of(1, CORES);

	(void)state;
	for (unsigned i = 0; i < 600; i++)
		run(&s, i % 2 ? 195 : 10, 2);
	assert_true(s.patience > 1);
	for (unsigned i = 0; i < 20; i++) {
		run(&s, 195, 600);
		assert_int_equal(s.cores, 3);
		run(&s, 10, 600);
		assert_int_equal(s.cores, 1);
	}
	assert_int_equal(s.patience, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_core_is_added_when_less_than_a_fifth_is_idle),
		cmocka_unit_test(a_core_is_removed_when_more_than_one_and_a_quarter_are_idle),
		cmocka_unit_test(it_stays_within_its_bounds),
		cmocka_unit_test(full_load_brings_all_cores_within_two_seconds_and_idleness_takes_them),
		cmocka_unit_test(a_steady_load_settles_wherever_it_starts),
		cmocka_unit_test(a_spike_shorter_than_its_patience_removes_nothing),
		cmocka_unit_test(a_swinging_load_does_not_make_it_swing_for_long),
		cmocka_unit_test(noise_about_the_limits_changes_little),
		cmocka_unit_test(slow_changes_are_followed_after_fast_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
