/* SPDX-License-Identifier: BSD-3-Clause */
/* test_limit.c - a burst, then the steady rate, in any stretch of time. */
#include "slowpath/limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/rand.h"

static unsigned pass_all(struct limit *l, tas_ns now)
{
	unsigned n = 0;

	while (limit_pass(l, now))
		n++;
	return n;
}

static void a_burst_passes_at_once_then_one_each_period(void **state)
{
	struct limit l = limit_of(10, 5);

	(void)state;
	assert_int_equal(pass_all(&l, 0), 5);
	assert_int_equal(pass_all(&l, 99 * NS_PER_MS), 0);
	assert_int_equal(pass_all(&l, 100 * NS_PER_MS), 1);
	assert_int_equal(pass_all(&l, 400 * NS_PER_MS), 3);
	assert_int_equal(pass_all(&l, 3600 * NS_PER_SEC), 5); /* a pause saves up no more than a burst */
}

static void without_a_burst_events_are_a_period_apart(void **state)
{
	struct limit l = limit_of(1, 1);

	(void)state;
	assert_true(limit_pass(&l, 5));
	assert_false(limit_pass(&l, 5));
	assert_false(limit_pass(&l, NS_PER_SEC + 4));
	assert_true(limit_pass(&l, NS_PER_SEC + 5));
}

static void no_stretch_of_time_sees_more_than_rate_and_burst(void **state)
{
	enum { RATE = 1000, BURST = 20, N = 20000 };
	static tas_ns at[N];
	struct limit l = limit_of(RATE, BURST);
	struct tas_rand r;
	unsigned n = 0;
	tas_ns now = 0;

	(void)state;
	rand_seed(&r, 1);
	while (n < N) {
		now += rand_below(&r, 100) == 0 ? 40 * NS_PER_MS : rand_below(&r, 500000);
		if (limit_pass(&l, now))
			at[n++] = now;
	}
	for (unsigned i = 0; i < N; i++)
		for (unsigned k = 1; k < 200 && i + k < N; k++)
			assert_true(k + 1 <= BURST + (at[i + k] - at[i]) * RATE / NS_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_burst_passes_at_once_then_one_each_period),
		cmocka_unit_test(without_a_burst_events_are_a_period_apart),
		cmocka_unit_test(no_stretch_of_time_sees_more_than_rate_and_burst),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
