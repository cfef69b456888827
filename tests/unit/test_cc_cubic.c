/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_cubic.c - the curves of RFC 9438, and what they are for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/cc_model.h"

enum { MSS = 1000 };

static const double C = 0.4, BETA = 179 / 256.0;

static struct cc_state st;

static int setup(void **state)
{
	(void)state;
	cc_cubic.init(&st);
	return 0;
}

/* An interval of `rounds` round trips in which the whole window was acknowledged in each. */
static struct cc_sample sample(uint32_t cwnd, uint32_t ssthresh, uint32_t rtt_us, unsigned rounds)
{
	return (struct cc_sample){
		.interval_ns = rounds * rtt_us * NS_PER_US,
		.acked = (uint64_t)rounds * cwnd,
		.srtt_us = rtt_us,
		.min_rtt_us = rtt_us,
		.mss = MSS,
		.inflight = cwnd,
		.cwnd = cwnd,
		.ssthresh = ssthresh,
		.cwnd_limited = true,
	};
}

static struct cc_decision update(const struct cc_sample *s)
{
	struct cc_decision d;

	cc_cubic.update(&st, s, &d);
	return d;
}

/* A loss at a window of `w` segments, as the fast path answers it. Returns the window that is left. */
static uint32_t lose_at(uint32_t w, uint32_t rtt_us)
{
	uint32_t left = w * MSS * 179 / 256;
	struct cc_sample s = sample(left, left, rtt_us, 2);

	s.recoveries = 1;
	s.recovering = s.acked;
	assert_int_equal(update(&s).cwnd, left);
	return left;
}

static uint32_t run_interval(uint32_t cwnd, uint32_t ssthresh, uint32_t rtt_us, unsigned rounds)
{
	struct cc_sample s = sample(cwnd, ssthresh, rtt_us, rounds);

	return update(&s).cwnd;
}

/* RFC 9438 4.2, equation 1 and 2: W(t) = C (t - K)^3 + W_max, K = cbrt((W_max - cwnd_epoch) / C). */
static void after_a_loss_the_window_follows_the_cubic_curve(void **state)
{
	enum { RTT_US = 100000, W = 1000 };
	uint32_t ssthresh = lose_at(W, RTT_US), cwnd = ssthresh;
	double k = cbrt((W - ssthresh / (double)MSS) / C), t = 0;

	(void)state;
	assert_true(k > 8 && k < 10);
	while (t < 2 * k) {
		double expected;

		cwnd = run_interval(cwnd, ssthresh, RTT_US, 2);
		t += 0.2;
		/* the window of an acknowledgement aims at where the curve is a round trip later (4.4) */
		expected = C * pow(t - k, 3) + W;
		assert_true(cwnd / (double)MSS > expected - 0.01 * W);
		expected = C * pow(t + 0.1 - k, 3) + W;
		assert_true(cwnd / (double)MSS < expected + 0.01 * W);
	}
	assert_true(cwnd > 1.25 * W * MSS);
}

static void the_length_of_the_interval_hardly_matters(void **state)
{
	uint32_t fine, coarse, ssthresh;

	(void)state;
	ssthresh = fine = coarse = lose_at(1000, 20000);
	for (unsigned i = 0; i < 500; i++)
		fine = run_interval(fine, ssthresh, 20000, 1);
	setup(NULL);
	lose_at(1000, 20000);
	for (unsigned i = 0; i < 50; i++)
		coarse = run_interval(coarse, ssthresh, 20000, 10);
	assert_true(fabs((double)fine - coarse) < 0.03 * fine);
}

/* RFC 9438 4.3: on short round trips the cubic function would be slower than Reno; then W_est counts, with
 * alpha = 3 (1 - beta) / (1 + beta) segments a round trip until it is where it was, then with 1. */
static void on_short_round_trips_it_grows_like_reno(void **state)
{
	enum { RTT_US = 1000, W = 100 };
	uint32_t ssthresh = lose_at(W, RTT_US), cwnd = ssthresh;
	double alpha = 3 * (1 - BETA) / (1 + BETA), expected = ssthresh / (double)MSS;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned round = 0; round < 2; round++)
			expected += expected < W ? alpha : 1;
		cwnd = run_interval(cwnd, ssthresh, RTT_US, 2);
		assert_true(fabs(cwnd / (double)MSS - expected) < 0.02 * expected);
	}
	assert_true(cwnd > 2 * W * MSS);
}

/* A slow path that comes late must give no more than acknowledgements would: cwnd^2 grows by 2 alpha each. */
static void after_a_long_interval_it_is_where_each_acknowledgement_would_have_led(void **state)
{
	enum { RTT_US = 100, W = 100, ROUNDS = 100 };
	uint32_t ssthresh = lose_at(W, RTT_US), cwnd;
	double alpha = 3 * (1 - BETA) / (1 + BETA), from = ssthresh / (double)MSS, expected;

	(void)state;
	st.cubic.w_prior = 1000;
	cwnd = run_interval(ssthresh, ssthresh, RTT_US, ROUNDS);
	expected = sqrt(from * from + 2 * alpha * from * ROUNDS);
	assert_true(fabs(cwnd / (double)MSS - expected) < 0.03 * expected);
}

/* RFC 9438 4.2: the target is at most one and a half windows. */
static void it_never_grows_by_more_than_half_in_a_round_trip(void **state)
{
	enum { RTT_US = 1000000 };
	uint32_t ssthresh = lose_at(10, RTT_US), cwnd = ssthresh;

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		uint32_t before = cwnd;

		cwnd = run_interval(cwnd, ssthresh, RTT_US, 1);
		assert_true(cwnd >= before && cwnd <= 1.51 * before);
	}
}

/* RFC 9438 4.7. */
static void a_flow_that_did_not_get_back_makes_room(void **state)
{
	(void)state;
	lose_at(1000, 100000);
	assert_true(fabs(st.cubic.w_max - 1000) < 2);
	lose_at(800, 100000);
	assert_true(fabs(st.cubic.w_max - 800 * (1 + BETA) / 2) < 2);
	lose_at(1200, 100000);
	assert_true(fabs(st.cubic.w_max - 1200) < 2);
}

/* RFC 9438 4.8: slow start from one segment, then the curve from its plateau. */
static void after_a_timeout_the_curve_begins_at_its_plateau(void **state)
{
	enum { RTT_US = 100000 };
	uint32_t ssthresh = 700 * MSS, cwnd = MSS;
	struct cc_sample s = sample(MSS, ssthresh, RTT_US, 2);

	(void)state;
	lose_at(1000, RTT_US);
	s.timeouts = 1;
	s.before_timeout = s.acked;
	assert_int_equal(update(&s).cwnd, MSS);
	while (cwnd < ssthresh) {
		uint32_t before = cwnd;

		cwnd = run_interval(cwnd, ssthresh, RTT_US, 1);
		assert_int_equal(cwnd,
			min_u32(2 * before, ssthresh) + (cwnd > ssthresh ? cwnd - ssthresh : 0));
	}
	cwnd = run_interval(cwnd, ssthresh, RTT_US, 2);
	assert_true(st.cubic.k_s == 0);
	assert_true(fabs(st.cubic.w_max - 700) < 10);
	for (double t = 0.2; t < 5; t += 0.2)
		cwnd = run_interval(cwnd, ssthresh, RTT_US, 2);
	assert_true(fabs(cwnd / (double)MSS - (C * pow(5, 3) + 700)) < 20);
}

static void what_slow_start_leaves_counts_for_avoidance(void **state)
{
	struct cc_sample s = sample(9 * MSS, 10 * MSS, 10000, 1);
	struct cc_decision d = update(&s);

	(void)state;
	/* one segment up to ssthresh; of the other eight, in a window of ten, what Reno would make */
	assert_int_equal(d.cwnd, 10 * MSS);
	assert_true(st.cubic.pending > 0.7 && st.cubic.pending < 0.8);
	assert_in_range(d.step_after, 2 * MSS, 3.5 * MSS); /* a quarter of a segment, at that speed */
}

/* HyStart++ hears of round trips of an interval whose every byte grew the window already. */
static void a_longer_round_trip_is_seen_though_all_has_grown(void **state)
{
	uint32_t rtt_us = 50000;
	struct cc_decision d = { .cwnd = 20 * MSS };

	(void)state;
	for (unsigned i = 0; i<4; i++, rtt_us += i> 1 ? 10000 : 0) {
		struct cc_sample s = sample(d.cwnd, CC_SSTHRESH_NONE, rtt_us, 1);

		s.grown = s.acked;
		d = update(&s);
		assert_int_equal(d.cwnd, 20 * MSS);
	}
	assert_true(st.cubic.hystart.baseline_rtt_us != 0);
	assert_int_equal(d.grows_to, 0);
}

/* The fast path adds a segment when the curve should be there: never more than one ahead of it, and in the
 * end the same. */
static void steps_between_looks_follow_the_curve(void **state)
{
	enum { RTT_US = 50000, PARTS = 5 };
	struct cc_decision d = { .cwnd = lose_at(12, RTT_US) }, plain = d;
	struct cc_state unaided = st;
	unsigned steps = 0;

	(void)state;
	for (unsigned i = 0; i < 400; i++) {
		struct cc_sample s = sample(plain.cwnd, 2 * MSS, RTT_US, 1);

		s.interval_ns /= PARTS;
		s.acked /= PARTS;
		cc_cubic.update(&unaided, &s, &plain);
		s.stepped = d.step_after != 0 && d.step_after <= s.acked;
		s.cwnd = d.cwnd + (s.stepped ? MSS : 0);
		steps += s.stepped;
		d = update(&s);
		assert_true(st.cubic.pending > -1.01 && st.cubic.pending < 1);
	}
	assert_true(steps > 10);
	assert_true(fabs(d.cwnd / (double)MSS + st.cubic.pending - plain.cwnd / (double)MSS -
			    unaided.cubic.pending) < 0.2);
}

/* RFC 9438 4.9: what was reduced for nothing, and is as it was, is no smaller maximum. */
static void a_reduction_that_was_taken_back_leaves_the_maximum(void **state)
{
	enum { RTT_US = 100000 };
	struct cc_sample s = sample(1000 * MSS, CC_SSTHRESH_NONE, RTT_US, 2);

	(void)state;
	lose_at(1000, RTT_US);
	lose_at(800, RTT_US);
	assert_true(st.cubic.w_max < 800);
	s.undone = true;
	s.acked = 0;
	assert_int_equal(update(&s).cwnd, 1000 * MSS);
	run_interval(1000 * MSS, 700 * MSS, RTT_US, 2);
	assert_true(st.cubic.w_max >= 1000);
	assert_true(st.cubic.k_s == 0);
}

/* RFC 9438 5.8: time in which the application was the limit is not counted. */
static void time_without_need_for_the_window_is_not_counted(void **state)
{
	enum { RTT_US = 100000 };
	uint32_t ssthresh = lose_at(1000, RTT_US), cwnd = ssthresh, with_pause;

	(void)state;
	for (unsigned i = 0; i < 30; i++)
		cwnd = run_interval(cwnd, ssthresh, RTT_US, 2);
	setup(NULL);
	with_pause = lose_at(1000, RTT_US);
	for (unsigned i = 0; i < 30; i++) {
		struct cc_sample s = sample(with_pause, ssthresh, RTT_US, 2);

		s.cwnd_limited = false;
		for (unsigned pause = 0; pause < 10; pause++)
			assert_int_equal(update(&s).cwnd, with_pause);
		with_pause = run_interval(with_pause, ssthresh, RTT_US, 2);
	}
	assert_int_equal(with_pause, cwnd);
}

static void nothing_grows_during_recovery(void **state)
{
	uint32_t cwnd = lose_at(1000, 100000);
	struct cc_sample s = sample(cwnd, cwnd, 100000, 2);

	(void)state;
	s.in_recovery = true;
	assert_int_equal(update(&s).cwnd, cwnd);
}

/* RFC 3168 with beta of RFC 9438. */
static void marks_reduce_like_a_loss_once_for_each_window_of_data(void **state)
{
	struct cc_sample s = sample(1000 * MSS, CC_SSTHRESH_NONE, 10000, 2);
	struct cc_decision d;

	(void)state;
	s.marked = MSS;
	d = update(&s);
	assert_int_equal(d.cwnd, 1000 * MSS * 179ull / 256);
	assert_int_equal(d.ssthresh, d.cwnd);
	s.cwnd = s.ssthresh = d.cwnd;
	s.acked = s.marked = 1000 * MSS; /* sent before the reduction; but no reason to grow */
	assert_int_equal(update(&s).cwnd, d.cwnd);
	assert_true(st.cubic.pending == 0);
	assert_true(update(&s).cwnd < d.cwnd);
}

/* RFC 3168 6.1.2: a loss in a window that was reduced for marks is the same congestion. */
static void a_loss_that_marks_answered_is_none_that_did_not_get_back(void **state)
{
	struct cc_sample s = sample(1000 * MSS, CC_SSTHRESH_NONE, 10000, 2);
	struct cc_decision d;

	(void)state;
	s.marked = MSS;
	d = update(&s);
	s.cwnd = s.ssthresh = d.cwnd;
	s.marked = 0;
	s.recoveries = s.answered = 1;
	s.in_recovery = true;
	update(&s);
	assert_true(st.cubic.w_max == 1000);
	s.answered = 0;
	update(&s);
	assert_true(st.cubic.w_max < 1000);
}

/* RFC 9406: round trips that become longer end the first slow start, without a loss. */
static void growing_delay_ends_the_first_slow_start(void **state)
{
	uint32_t cwnd = 10 * MSS, ssthresh = CC_SSTHRESH_NONE;
	unsigned rounds = 0;

	(void)state;
	while (ssthresh == CC_SSTHRESH_NONE) {
		/* 1000 segments fit the pipe; what is more waits: 50 us a segment */
		uint32_t queue = cwnd > 1000 * MSS ? cwnd / MSS - 1000 : 0;
		struct cc_sample s = sample(cwnd, ssthresh, 50000 + queue * 50, 1);
		struct cc_decision d = update(&s);

		cwnd = d.cwnd;
		ssthresh = d.ssthresh;
		assert_true(++rounds < 30);
	}
	assert_in_range(cwnd / MSS, 1000, 8000);
	/* then slowly: the curve begins at its plateau */
	assert_true(run_interval(cwnd, ssthresh, 100000, 2) < 1.02 * cwnd);
}

static void on_a_lan_slow_start_just_doubles(void **state)
{
	uint32_t cwnd = 10 * MSS;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		struct cc_sample s = sample(cwnd, CC_SSTHRESH_NONE, 100 + 300 * (i % 3), 1); /* jitter */
		uint32_t before = cwnd;

		cwnd = update(&s).cwnd;
		assert_int_equal(cwnd, 2 * before);
	}
}

static void the_window_stays_within_its_bounds_whatever_comes(void **state)
{
	static const uint32_t windows[] = { 1, MSS, 2 * MSS, 10 * MSS, CC_CWND_MAX / 2, CC_CWND_MAX };
	struct cc_sample s;

	(void)state;
	for (unsigned i = 0; i < 6 * 6 * 64; i++) {
		uint32_t cwnd = windows[i % 6], ssthresh = max_u32(windows[i / 6 % 6], 2 * MSS);
		unsigned bits = i / 36;
		struct cc_decision d;

		s = sample(cwnd, ssthresh, bits & 1 ? 0 : 200000000, 1 + i % 100);
		s.recoveries = bits >> 1 & 1;
		s.timeouts = bits >> 2 & 1;
		s.recovering = bits & 2 ? s.acked / 2 : 0;
		s.held = bits & 1 ? s.acked : 0;
		s.marked = bits & 8 ? s.acked : 0;
		s.acked = bits & 16 ? UINT64_MAX / 4 : s.acked;
		s.cwnd_limited = bits >> 5 & 1;
		d = update(&s);
		assert_in_range(d.cwnd, s.marked > 0 ? MSS : max_u32(cwnd, MSS), CC_CWND_MAX);
		assert_in_range(d.ssthresh, 2 * MSS, CC_SSTHRESH_NONE);
	}
}

/* 100 Mbit/s, 40 ms, half a bandwidth-delay product of queue. */
static void two_flows_converge_and_fill_the_link(void **state)
{
	struct model m = { .rate = 12.5e6, .base_rtt_s = 0.04, .buffer = 250000, .mark_above = HUGE_VAL };

	(void)state;
	model_add(&m, &cc_cubic, 10);
	model_run(&m, 20);
	assert_true(m.flow[0].cwnd > 400000);
	model_add(&m, &cc_cubic, 10);
	model_run(&m, 100);
	model_forget(&m);
	model_run(&m, 100);
	assert_true(m.losses > 4);
	assert_true(model_utilisation(&m) > 0.95);
	assert_true(model_fairness(&m) > 0.95);
}

/* RFC 9438 5.1: at short round trips a lossy path gives it what it gives Reno, however late the slow path
 * comes. */
static void at_one_percent_loss_it_is_as_good_as_newreno(void **state)
{
	(void)state;
	for (unsigned apart = 2; apart <= 512; apart *= 4)
		assert_true(model_random_loss(&cc_cubic, 100, 10000, apart) >
			0.8 * model_random_loss(&cc_newreno, 100, 10000, apart));
}

/* What the RFC is about: on a long fat path it is back in seconds where Reno needs minutes. */
static void on_a_long_fat_path_it_fills_what_newreno_does_not(void **state)
{
	struct model cubic = { .rate = 125e6, .base_rtt_s = 0.1, .buffer = 1e6, .mark_above = HUGE_VAL };
	struct model reno = cubic;

	(void)state;
	model_add(&cubic, &cc_cubic, 10);
	model_add(&reno, &cc_newreno, 10);
	model_run(&cubic, 60);
	model_run(&reno, 60);
	model_forget(&cubic);
	model_forget(&reno);
	model_run(&cubic, 60);
	model_run(&reno, 60);
	assert_true(model_utilisation(&cubic) > 0.9);
	assert_true(model_utilisation(&cubic) > model_utilisation(&reno) + 0.05);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(after_a_loss_the_window_follows_the_cubic_curve, setup),
		cmocka_unit_test_setup(the_length_of_the_interval_hardly_matters, setup),
		cmocka_unit_test_setup(on_short_round_trips_it_grows_like_reno, setup),
		cmocka_unit_test_setup(after_a_long_interval_it_is_where_each_acknowledgement_would_have_led,
			setup),
		cmocka_unit_test_setup(it_never_grows_by_more_than_half_in_a_round_trip, setup),
		cmocka_unit_test_setup(a_flow_that_did_not_get_back_makes_room, setup),
		cmocka_unit_test_setup(what_slow_start_leaves_counts_for_avoidance, setup),
		cmocka_unit_test_setup(a_longer_round_trip_is_seen_though_all_has_grown, setup),
		cmocka_unit_test_setup(steps_between_looks_follow_the_curve, setup),
		cmocka_unit_test_setup(a_reduction_that_was_taken_back_leaves_the_maximum, setup),
		cmocka_unit_test_setup(after_a_timeout_the_curve_begins_at_its_plateau, setup),
		cmocka_unit_test_setup(time_without_need_for_the_window_is_not_counted, setup),
		cmocka_unit_test_setup(nothing_grows_during_recovery, setup),
		cmocka_unit_test_setup(marks_reduce_like_a_loss_once_for_each_window_of_data, setup),
		cmocka_unit_test_setup(a_loss_that_marks_answered_is_none_that_did_not_get_back, setup),
		cmocka_unit_test_setup(growing_delay_ends_the_first_slow_start, setup),
		cmocka_unit_test_setup(on_a_lan_slow_start_just_doubles, setup),
		cmocka_unit_test_setup(the_window_stays_within_its_bounds_whatever_comes, setup),
		cmocka_unit_test_setup(two_flows_converge_and_fill_the_link, setup),
		cmocka_unit_test_setup(at_one_percent_loss_it_is_as_good_as_newreno, setup),
		cmocka_unit_test_setup(on_a_long_fat_path_it_fills_what_newreno_does_not, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
