/* SPDX-License-Identifier: BSD-3-Clause */
/* test_time.c - ticks become nanoseconds without overflow, and wrapped stamps compare by distance. */
#include "include/base/time.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void one_second_of_ticks_is_one_second(void **state)
{
	const uint64_t hz[] = { 1000000ull, 2100000000ull, 2999999999ull, 5000000000ull };

	(void)state;
	for (unsigned i = 0; i < sizeof(hz) / sizeof(hz[0]); i++) {
		tas_ns ns = tsc_to_ns(tsc_scale_of(hz[i]), hz[i]);

		assert_in_range(ns, NS_PER_SEC - 2, NS_PER_SEC); /* rounded down, never ahead of the clock */
	}
}

static void a_century_of_ticks_does_not_overflow(void **state)
{
	const uint64_t hz = 3000000000ull, seconds = 100ull * 365 * 86400;
	tas_ns ns = tsc_to_ns(tsc_scale_of(hz), hz * seconds);

	(void)state;
	/* the scale is cut to 32 fraction bits: less than one part in a thousand million is lost */
	assert_in_range(ns, seconds * NS_PER_SEC - seconds, seconds * NS_PER_SEC);
}

static void time_never_runs_backwards(void **state)
{
	struct tsc_scale scale = tsc_scale_of(2399999999ull);
	tas_ns before = 0;

	(void)state;
	for (uint64_t ticks = UINT64_MAX / 4; ticks < UINT64_MAX / 4 + 10000; ticks++) {
		tas_ns now = tsc_to_ns(scale, ticks);

		assert_true(now >= before);
		before = now;
	}
}

static void a_due_time_is_reached_at_it_and_not_before(void **state)
{
	(void)state;
	assert_false(us32_reached(99, 100));
	assert_true(us32_reached(100, 100));
	assert_true(us32_reached(101, 100));
}

static void a_due_time_beyond_the_wrap_is_compared_by_distance(void **state)
{
	(void)state;
	assert_false(us32_reached(UINT32_MAX - 5, 5));
	assert_true(us32_reached(5, UINT32_MAX - 5));
}

static void the_stamp_of_a_late_time_is_its_low_32_bits_in_us(void **state)
{
	(void)state;
	assert_int_equal(ns_to_us32(1999), 1);
	assert_int_equal(ns_to_us32((NS_PER_US << 32) + 7 * NS_PER_US), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_second_of_ticks_is_one_second),
		cmocka_unit_test(a_century_of_ticks_does_not_overflow),
		cmocka_unit_test(time_never_runs_backwards),
		cmocka_unit_test(a_due_time_is_reached_at_it_and_not_before),
		cmocka_unit_test(a_due_time_beyond_the_wrap_is_compared_by_distance),
		cmocka_unit_test(the_stamp_of_a_late_time_is_its_low_32_bits_in_us),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
