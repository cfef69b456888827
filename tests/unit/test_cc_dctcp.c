/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_dctcp.c - the arithmetic of RFC 8257, and the queue it is made for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/cc_model.h"

enum { MSS = 1000, RTT_US = 100 };

static struct cc_state st;

static int setup(void **state)
{
	(void)state;
	cc_dctcp.init(&st);
	return 0;
}

/* An interval of one round trip, of whose 100 segments so many were marked. */
static struct cc_sample sample(uint32_t cwnd, uint32_t marked_percent)
{
	return (struct cc_sample){
		.interval_ns = RTT_US * NS_PER_US,
		.acked = cwnd,
		.marked = (uint64_t)cwnd * marked_percent / 100,
		.srtt_us = RTT_US,
		.min_rtt_us = RTT_US,
		.mss = MSS,
		.inflight = cwnd,
		.cwnd = cwnd,
		.ssthresh = 2 * MSS,
		.cwnd_limited = true,
	};
}

static struct cc_decision update(const struct cc_sample *s)
{
	struct cc_decision d;

	cc_dctcp.update(&st, s, &d);
	return d;
}

/* RFC 8257 3.3: alpha = alpha * (1 - g) + g * M, g = 1/16, from 1. */
static void alpha_is_the_smoothed_fraction_of_marked_bytes(void **state)
{
	double alpha = 1;

	(void)state;
	assert_true(st.dctcp.alpha == 1);
	for (unsigned i = 0; i < 500; i++) {
		uint32_t percent = i % 100;
		struct cc_sample s = sample(100 * MSS, percent);

		update(&s);
		alpha = alpha * (1 - 1.0 / 16) + percent / 100.0 / 16;
		assert_true(fabs(st.dctcp.alpha - alpha) < 1e-9);
	}
}

/* An interval holds several of the RFC's observation windows. */
static void alpha_moves_once_for_each_round_trip_of_the_interval(void **state)
{
	struct cc_sample s = sample(100 * MSS, 25);

	(void)state;
	s.interval_ns *= 3;
	update(&s);
	assert_true(fabs(st.dctcp.alpha - (0.25 + 0.75 * pow(15.0 / 16, 3))) < 1e-9);
	s.interval_ns = 3600 * NS_PER_SEC;
	update(&s);
	assert_true(fabs(st.dctcp.alpha - 0.25) < 0.02);
}

/* RFC 8257 3.3: cwnd = cwnd * (1 - alpha / 2). */
static void marks_reduce_in_proportion_to_alpha(void **state)
{
	struct cc_sample s = sample(1000 * MSS, 100);
	struct cc_decision d = update(&s);

	(void)state;
	assert_int_equal(d.cwnd, 500 * MSS); /* all marked: as a loss */
	assert_int_equal(d.ssthresh, d.cwnd);
	st.dctcp.alpha = 0.1;
	st.dctcp.marks.answered = 0;
	s = sample(1000 * MSS, 10);
	d = update(&s);
	assert_true(fabs(d.cwnd - 950.0 * MSS) < 2);
}

/* A part of a round trip: of 100 segments that were in the network so many were acknowledged, and marked. */
static uint32_t part(uint32_t acked, uint32_t marked)
{
	struct cc_sample s = sample(100 * MSS, 0);

	s.interval_ns = acked * NS_PER_US;
	s.acked = acked * MSS;
	s.marked = marked * MSS;
	return update(&s).cwnd / MSS;
}

/* RFC 8257 3.3: not "more than once for every window of data"; what was sent before asks for no other. */
static void marks_reduce_once_for_each_window_of_data(void **state)
{
	(void)state;
	assert_int_equal(part(50, 1), 50);
	assert_int_equal(part(50, 50), 100);
	assert_int_equal(part(50, 50), 100); /* that was all of it */
	assert_true(part(50, 1) < 80);
	assert_int_equal(part(40, 20), 100);
	assert_int_equal(part(40, 20), 100);
	assert_true(part(40, 20) < 80); /* 20 of it, which were not sent before */
	assert_int_equal(part(99, 99), 100);
	assert_true(part(99, 1) < 80);
	assert_true(part(150, 1) < 80); /* looks further apart than windows */
}

/* RFC 8257 3.3: an unmarked acknowledgement grows the window as ever, whatever others say. */
static void what_is_not_marked_grows_the_window(void **state)
{
	(void)state;
	part(50, 1);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(part(49, 24), 100);
	assert_int_equal(st.dctcp.acked, 50 * MSS);
	assert_int_equal(part(1, 1), 100);
	assert_int_equal(st.dctcp.acked, 50 * MSS);
	assert_int_equal(part(50, 0), 101);
}

/* Looks come more often than the RFC's observation windows are over. */
static void alpha_moves_when_a_round_trip_is_over(void **state)
{
	double alpha;

	(void)state;
	part(50, 0);
	part(49, 49);
	assert_true(st.dctcp.alpha == 1);
	part(1, 1);
	alpha = 15.0 / 16 + 0.5 / 16;
	assert_true(fabs(st.dctcp.alpha - alpha) < 1e-9);
	part(50, 0);
	assert_true(fabs(st.dctcp.alpha - alpha) < 1e-9);
	part(50, 0);
	assert_true(fabs(st.dctcp.alpha - alpha * 15 / 16) < 1e-9);
}

static void without_marks_it_grows_as_newreno(void **state)
{
	struct cc_sample s = sample(100 * MSS, 0);
	struct cc_state reno;
	struct cc_decision a, b;

	(void)state;
	cc_newreno.init(&reno);
	for (unsigned i = 0; i < 100; i++) {
		a = update(&s);
		cc_newreno.update(&reno, &s, &b);
		assert_int_equal(a.cwnd, b.cwnd);
		s = sample(a.cwnd, 0);
		s.ssthresh = i < 20 ? CC_SSTHRESH_NONE : 2 * MSS;
		s.cwnd = min_u32(s.cwnd, 5000 * MSS);
	}
	assert_true(st.dctcp.alpha < 0.01);
}

/* RFC 8257 3.5: loss is answered as ever; the fast path did so already. */
static void a_loss_is_not_answered_twice(void **state)
{
	struct cc_sample s = sample(100 * MSS, 50);

	(void)state;
	s.recoveries = 1;
	assert_int_equal(update(&s).cwnd, 100 * MSS);
	s.recoveries = 0;
	s.in_recovery = true;
	assert_int_equal(update(&s).cwnd, 100 * MSS);
	s.in_recovery = false;
	s.timeouts = 1;
	s.before_timeout = s.acked;
	s.cwnd = MSS;
	assert_int_equal(update(&s).cwnd, MSS);
	assert_int_equal(cc_dctcp.beta_q8, 128);
}

/* What left during a recovery, and what is acknowledged of it after, was marked by the queue of before. */
static void marks_of_what_a_recovery_sent_reduce_nothing_more(void **state)
{
	struct cc_sample s = sample(100 * MSS, 50);

	(void)state;
	s.recoveries = 1;
	s.in_recovery = true;
	update(&s);
	s.recoveries = 0;
	s.acked = 200 * MSS;
	update(&s);
	s.in_recovery = false;
	s.acked = 50 * MSS;
	s.marked = 10 * MSS;
	for (unsigned i = 0; i < 2; i++)
		assert_true(update(&s).cwnd >= 100 * MSS);
	s.acked = 100 * MSS;
	assert_true(update(&s).cwnd < 80 * MSS);
}

static void the_window_is_never_less_than_two_segments(void **state)
{
	uint32_t cwnd = 100 * MSS;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		struct cc_sample s = sample(cwnd, 100);

		cwnd = update(&s).cwnd;
		assert_true(cwnd >= 2 * MSS);
	}
	assert_int_equal(cwnd, 2 * MSS);
}

/* 100 segments of 1000 bytes in 100 us are 1 GB/s. */
static void the_rate_follows_the_window_with_some_room(void **state)
{
	struct cc_sample s = sample(100 * MSS, 0);
	struct cc_decision d;

	(void)state;
	s.cwnd_limited = false;
	d = update(&s);
	assert_true(d.rate_bytes_s == 1200000000);
	s.ssthresh = CC_SSTHRESH_NONE;
	assert_true(update(&s).rate_bytes_s == 2000000000);
	s.srtt_us = 0;
	assert_true(update(&s).rate_bytes_s == 0);
}

/* 10 Gbit/s, 100 us, marks above 65 KB, more than a seventh of the bandwidth-delay product: the queue stays
 * near that, far from the 1 MB that a loss would need. */
static void the_link_is_full_and_the_queue_is_short(void **state)
{
	struct model m = { .rate = 1.25e9, .base_rtt_s = 100e-6, .buffer = 1e6, .mark_above = 65000 };

	(void)state;
	model_add(&m, &cc_dctcp, 10);
	model_add(&m, &cc_dctcp, 10);
	model_run(&m, 0.5);
	model_forget(&m);
	model_run(&m, 0.5);
	assert_int_equal(m.losses, 0);
	assert_true(model_utilisation(&m) > 0.97);
	assert_true(m.queue_sum / m.counted_s < 2 * 65000);
}

static void a_second_flow_gets_its_share(void **state)
{
	struct model m = { .rate = 1.25e9, .base_rtt_s = 100e-6, .buffer = 1e6, .mark_above = 65000 };

	(void)state;
	model_add(&m, &cc_dctcp, 10);
	model_run(&m, 0.2);
	model_add(&m, &cc_dctcp, 10);
	model_run(&m, 0.5);
	model_forget(&m);
	model_run(&m, 0.5);
	assert_true(model_fairness(&m) > 0.95);
}

/* Where nothing marks, losses keep it in check. */
static void without_marks_losses_make_it_share_as_newreno(void **state)
{
	struct model m = { .rate = 12.5e6, .base_rtt_s = 0.02, .buffer = 125000, .mark_above = HUGE_VAL };

	(void)state;
	model_add(&m, &cc_dctcp, 10);
	model_run(&m, 10);
	model_add(&m, &cc_newreno, 10);
	model_run(&m, 60);
	model_forget(&m);
	model_run(&m, 60);
	assert_true(model_utilisation(&m) > 0.9);
	assert_true(model_fairness(&m) > 0.98);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(alpha_is_the_smoothed_fraction_of_marked_bytes, setup),
		cmocka_unit_test_setup(alpha_moves_once_for_each_round_trip_of_the_interval, setup),
		cmocka_unit_test_setup(marks_reduce_in_proportion_to_alpha, setup),
		cmocka_unit_test_setup(marks_reduce_once_for_each_window_of_data, setup),
		cmocka_unit_test_setup(what_is_not_marked_grows_the_window, setup),
		cmocka_unit_test_setup(alpha_moves_when_a_round_trip_is_over, setup),
		cmocka_unit_test_setup(without_marks_it_grows_as_newreno, setup),
		cmocka_unit_test_setup(a_loss_is_not_answered_twice, setup),
		cmocka_unit_test_setup(marks_of_what_a_recovery_sent_reduce_nothing_more, setup),
		cmocka_unit_test_setup(the_window_is_never_less_than_two_segments, setup),
		cmocka_unit_test_setup(the_rate_follows_the_window_with_some_room, setup),
		cmocka_unit_test_setup(the_link_is_full_and_the_queue_is_short, setup),
		cmocka_unit_test_setup(a_second_flow_gets_its_share, setup),
		cmocka_unit_test_setup(without_marks_losses_make_it_share_as_newreno, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
