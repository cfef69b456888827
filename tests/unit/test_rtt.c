/* SPDX-License-Identifier: BSD-3-Clause */
/* test_rtt.c - RFC 6298 in fixed point. */
#include "include/net/rtt.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/rand.h"

static const struct rtt_bounds linux_bounds = { .min_us = 200000,
	.max_us = 120000000,
	.initial_us = 1000000 };

/* RFC 6298 2.2: SRTT = R, RTTVAR = R/2. */
static void the_first_sample_sets_srtt_and_half_of_it_as_variance(void **state)
{
	uint32_t srtt = 0, rttvar = 0;

	(void)state;
	rtt_sample(&srtt, &rttvar, 1000);
	assert_int_equal(srtt >> 3, 1000);
	assert_int_equal(rttvar >> 2, 500);
}

/* RFC 6298 2.3, with alpha 1/8 and beta 1/4, in real numbers. */
static void later_samples_follow_the_formula(void **state)
{
	double srtt_exact = 5000, rttvar_exact = 2500;
	uint32_t srtt = 0, rttvar = 0;
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	rtt_sample(&srtt, &rttvar, 5000);
	for (unsigned i = 0; i < 10000; i++) {
		uint32_t us = 500 + rand_below(&r, 20000);

		rttvar_exact += (fabs(srtt_exact - us) - rttvar_exact) / 4;
		srtt_exact += (us - srtt_exact) / 8;
		rtt_sample(&srtt, &rttvar, us);
		assert_true(fabs(srtt / 8.0 - srtt_exact) < 1.5);
		assert_true(fabs(rttvar / 4.0 - rttvar_exact) < 4);
	}
}

/* RFC 6298 2.1. */
static void before_the_first_sample_the_timeout_is_the_initial_one(void **state)
{
	(void)state;
	assert_int_equal(rtt_rto_us(0, 0, &linux_bounds), 1000000);
}

static void the_lower_bound_stands_on_top_of_srtt_as_in_linux(void **state)
{
	uint32_t srtt = 0, rttvar = 0;

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		rtt_sample(&srtt, &rttvar, 50000);
	assert_in_range(rtt_rto_us(srtt, rttvar, &linux_bounds), 250000 - 10, 250000 + 10);
}

/* RFC 6298 2.3: SRTT + 4 * RTTVAR where the variance is large. */
static void a_large_variance_decides_the_timeout(void **state)
{
	uint32_t srtt = 0, rttvar = 0;

	(void)state;
	rtt_sample(&srtt, &rttvar, 400000);
	assert_int_equal(rtt_rto_us(srtt, rttvar, &linux_bounds), 400000 + 4 * 200000);
}

/* RFC 6298 2.5, 5.5. */
static void the_timeout_doubles_up_to_its_bound(void **state)
{
	(void)state;
	assert_int_equal(rtt_backoff_us(200000, 0, 120000000), 200000);
	assert_int_equal(rtt_backoff_us(200000, 1, 120000000), 400000);
	assert_int_equal(rtt_backoff_us(200000, 9, 120000000), 102400000);
	assert_int_equal(rtt_backoff_us(200000, 10, 120000000), 120000000);
	assert_int_equal(rtt_backoff_us(200000, 255, 120000000), 120000000);
	assert_int_equal(rtt_backoff_us(UINT32_MAX, 31, UINT32_MAX), UINT32_MAX);
}

static void no_sample_overflows_or_leaves_the_estimate_at_none(void **state)
{
	static const uint32_t extreme[] = { 0, 1, 2, 3, 1000, RTT_SAMPLE_MAX_US, UINT32_MAX / 2, UINT32_MAX };
	uint32_t srtt = 0, rttvar = 0;
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 2);
	for (unsigned i = 0; i < 100000; i++) {
		uint32_t rto;

		rtt_sample(&srtt, &rttvar, extreme[rand_below(&r, ARRAY_LEN(extreme))]);
		assert_true(srtt > 0 && srtt >> 3 <= RTT_SAMPLE_MAX_US);
		assert_true(rttvar >> 2 <= RTT_SAMPLE_MAX_US);
		rto = rtt_rto_us(srtt, rttvar, &linux_bounds);
		assert_in_range(rto, linux_bounds.min_us, linux_bounds.max_us);
	}
	for (unsigned i = 0; i < 1000; i++)
		rtt_sample(&srtt, &rttvar, 0);
	assert_true(srtt > 0 && srtt >> 3 <= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_sample_sets_srtt_and_half_of_it_as_variance),
		cmocka_unit_test(later_samples_follow_the_formula),
		cmocka_unit_test(before_the_first_sample_the_timeout_is_the_initial_one),
		cmocka_unit_test(the_lower_bound_stands_on_top_of_srtt_as_in_linux),
		cmocka_unit_test(a_large_variance_decides_the_timeout),
		cmocka_unit_test(the_timeout_doubles_up_to_its_bound),
		cmocka_unit_test(no_sample_overflows_or_leaves_the_estimate_at_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
