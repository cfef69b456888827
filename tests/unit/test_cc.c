/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc.c - the table of algorithms, initial windows, rates and pace. */
#include "slowpath/cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

static void every_algorithm_is_found_by_its_name_and_nothing_else(void **state)
{
	(void)state;
	for (int i = 0; i < NR_CC; i++)
		assert_int_equal(cc_find(cc_ops_of((enum cc_algorithm)i)->name), i);
	assert_int_equal(cc_find("cubic"), CC_CUBIC);
	assert_int_equal(cc_find("newreno"), CC_NEWRENO);
	assert_int_equal(cc_find("dctcp"), CC_DCTCP);
	assert_int_equal(cc_find("bbr"), CC_BBR);
	assert_int_equal(cc_find("timely"), CC_TIMELY);
	assert_int_equal(cc_find("const-rate"), CC_CONST_RATE);
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
			.cwnd_limited = true,
			.const_bytes_s = 1000000 };
		struct cc_state st;
		struct cc_decision d;

		ops->init(&st);
		if (ops->begin != NULL)
			ops->begin(&st, &s, &d);
		ops->update(&st, &s, &d);
		assert_int_equal(d.ssthresh, CC_SSTHRESH_NONE);
		if (ops->beta_q8 != 0) { /* a window algorithm */
			assert_in_range(ops->beta_q8, 128, 255);
			assert_int_equal(d.cwnd, 2 * 14480);
		} else {
			assert_true(d.cwnd >= 14480);
			assert_true(d.rate_bytes_s > 0);
		}
	}
}

/* Whatever comes: no window of nothing, no pace that stands still, no overflow. */
static void every_algorithm_has_a_floor(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < NR_CC; i++) {
		const struct cc_ops *ops = cc_ops_of((enum cc_algorithm)i);
		struct cc_sample s = { .now = NS_PER_SEC,
			.mss = 1448,
			.cwnd = 14480,
			.srtt_us = 20000,
			.ssthresh = CC_SSTHRESH_NONE,
			.min_rtt_us = UINT32_MAX,
			.const_bytes_s = 20000 };
		struct cc_state st;
		struct cc_decision d;

		ops->init(&st);
		if (ops->begin != NULL)
			ops->begin(&st, &s, &d);
		for (unsigned n = 0; n < 20000; n++) {
			bool worst = rand_below(&r, 4) == 0; /* everything is lost */

			s.interval_ns = 1 + rand_below(&r, 1000000000);
			s.now += s.interval_ns;
			s.acked = worst ? 0 : rand_below(&r, 1u << rand_below(&r, 31));
			s.lost = rand_below(&r, 1u << rand_below(&r, 31));
			s.marked = rand_below(&r, 8) == 0 ? s.acked : 0;
			s.recoveries = rand_below(&r, 2);
			s.timeouts = rand_below(&r, 10) == 0;
			s.in_recovery = rand_below(&r, 2);
			s.in_loss = s.timeouts != 0 || rand_below(&r, 4) == 0;
			s.cwnd_limited = rand_below(&r, 2);
			s.paced = rand_below(&r, 2);
			s.dry = rand_below(&r, 4) == 0;
			s.srtt_us = 1u << rand_below(&r, 22);
			s.min_rtt_us = rand_below(&r, 3) == 0 ? UINT32_MAX : s.srtt_us;
			s.rate_bytes = s.sent = s.acked;
			s.rate_us = s.acked > 0 ? s.interval_ns / 1000 : 0;
			s.pipe = s.inflight = rand_below(&r, s.cwnd + 1);
			s.cwnd = s.timeouts != 0 ? s.mss : s.cwnd;
			ops->update(&st, &s, &d);
			assert_in_range(d.cwnd, s.mss, CC_CWND_MAX);
			assert_true(d.ssthresh >= 2 * s.mss);
			assert_true(cc_pace_q16(d.rate_bytes_s) < UINT32_MAX || s.srtt_us > 100000 ||
				d.rate_bytes_s >= 15000);
			s.cwnd = d.cwnd;
			s.ssthresh = d.ssthresh;
		}
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
		cmocka_unit_test(every_algorithm_has_a_floor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
