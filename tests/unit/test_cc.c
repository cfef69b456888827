/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc.c - the table of algorithms, initial windows, rates and pace. */
#include "slowpath/cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"

static void every_algorithm_is_found_by_its_name_and_nothing_else(void **state)
{
	(void)state;
	for (int i = 0; i < NR_CC; i++)
		assert_int_equal(cc_find(cc_ops_of((enum cc_algorithm)i)->name), i);
	assert_int_equal(cc_find("cubic"), CC_CUBIC);
	assert_int_equal(cc_find("newreno"), CC_NEWRENO);
	assert_int_equal(cc_find("dctcp"), CC_DCTCP);
	assert_int_equal(cc_find("reno"), -1);
	assert_int_equal(cc_find(""), -1);
}

/* RFC 6928 2. */
static void a_connection_begins_with_the_configured_segments(void **state)
{
	(void)state;
	assert_int_equal(cc_initial_cwnd(1448, 10), 14480);
	assert_int_equal(cc_initial_cwnd(8948, 10), 89480);
	assert_int_equal(cc_initial_cwnd(1448, 0), 1448);
	assert_int_equal(cc_initial_cwnd(UINT16_MAX, UINT32_MAX), CC_CWND_MAX);
}

static void the_pace_is_the_time_of_a_byte(void **state)
{
	(void)state;
	assert_int_equal(cc_pace_q16(0), 0);
	assert_int_equal(cc_pace_q16(1000000000), 65536);         /* 1 ns */
	assert_int_equal(cc_pace_q16(1250000000), 65536 * 4 / 5); /* 10 Gbit/s */
	assert_int_equal(cc_pace_q16(1000000), 65536000);
	assert_int_equal(cc_pace_q16(UINT64_MAX), 1); /* paced, not "not paced" */
}

/* However slow: a full segment is not held back for longer than 100 ms. */
static void the_slowest_pace_lets_a_segment_go_in_a_tenth_of_a_second(void **state)
{
	(void)state;
	assert_int_equal(cc_pace_q16(1), UINT32_MAX);
	assert_true((1448ull * cc_pace_q16(1)) >> 16 < 100 * NS_PER_MS);
}

static void window_algorithms_are_paced_from_a_millisecond_on(void **state)
{
	struct cc_sample s = { .srtt_us = 999 };
	struct cc_decision d = { .cwnd = 1000000, .ssthresh = 1000000 };

	(void)state;
	assert_true(cc_window_rate(&s, &d) == 0);
	assert_true(cc_rate(&s, &d) > 0);
	s.srtt_us = 1000;
	assert_true(cc_window_rate(&s, &d) == 1200000000);
	d.ssthresh = CC_SSTHRESH_NONE;
	assert_true(cc_window_rate(&s, &d) == 2000000000);
}

static void no_window_overflows_the_rate_and_none_makes_it_zero(void **state)
{
	struct cc_sample s = { .srtt_us = 1 };
	struct cc_decision d = { .cwnd = CC_CWND_MAX, .ssthresh = CC_CWND_MAX };

	(void)state;
	assert_true(cc_rate(&s, &d) == 1288490188800000ull);
	s.srtt_us = UINT32_MAX;
	d.cwnd = 1;
	assert_true(cc_rate(&s, &d) == 2 || cc_rate(&s, &d) == 1);
}

static void every_algorithm_keeps_a_state_that_fits_and_starts_from_its_window(void **state)
{
	(void)state;
	for (int i = 0; i < NR_CC; i++) {
		const struct cc_ops *ops = cc_ops_of((enum cc_algorithm)i);
		struct cc_sample s = { .interval_ns = NS_PER_MS,
			.acked = 14480,
			.srtt_us = 500,
			.min_rtt_us = 500,
			.mss = 1448,
			.inflight = 14480,
			.cwnd = 14480,
			.ssthresh = CC_SSTHRESH_NONE,
			.cwnd_limited = true };
		struct cc_state st;
		struct cc_decision d;

		assert_in_range(ops->beta_q8, 128, 255);
		ops->init(&st);
		ops->update(&st, &s, &d);
		assert_int_equal(d.cwnd, 2 * 14480);
		assert_int_equal(d.ssthresh, CC_SSTHRESH_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_algorithm_is_found_by_its_name_and_nothing_else),
		cmocka_unit_test(a_connection_begins_with_the_configured_segments),
		cmocka_unit_test(the_pace_is_the_time_of_a_byte),
		cmocka_unit_test(the_slowest_pace_lets_a_segment_go_in_a_tenth_of_a_second),
		cmocka_unit_test(window_algorithms_are_paced_from_a_millisecond_on),
		cmocka_unit_test(no_window_overflows_the_rate_and_none_makes_it_zero),
		cmocka_unit_test(every_algorithm_keeps_a_state_that_fits_and_starts_from_its_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
