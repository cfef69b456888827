/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_newreno.c - RFC 5681 by the interval against RFC 5681 by the acknowledgement. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/rand.h"
#include "tests/unit/cc_model.h"

enum { MSS = 1000 };

static struct cc_state st;

static int setup(void **state)
{
	(void)state;
	cc_newreno.init(&st);
	return 0;
}

static struct cc_sample sample(uint32_t cwnd, uint32_t ssthresh, uint64_t acked)
{
	return (struct cc_sample){
		.interval_ns = 20 * NS_PER_MS,
		.acked = acked,
		.srtt_us = 10000,
		.min_rtt_us = 10000,
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

	cc_newreno.update(&st, s, &d);
	return d;
}

static uint32_t grow(uint32_t cwnd, uint32_t ssthresh, uint64_t acked)
{
	struct cc_sample s = sample(cwnd, ssthresh, acked);

	return update(&s).cwnd;
}

/* RFC 5681 3.1: by what each acknowledgement covers. */
static void slow_start_grows_by_what_was_acknowledged(void **state)
{
	(void)state;
	assert_int_equal(grow(10 * MSS, CC_SSTHRESH_NONE, 10 * MSS), 20 * MSS);
	assert_int_equal(grow(20 * MSS, CC_SSTHRESH_NONE, 1), 20 * MSS + 1);
}

/* Between looks, too, and what did then does not once more. */
static void slow_start_goes_on_between_looks(void **state)
{
	struct cc_sample s = sample(18 * MSS, 30 * MSS, 10 * MSS);

	(void)state;
	s.grown = 8 * MSS;
	assert_int_equal(update(&s).cwnd, 20 * MSS);
	assert_int_equal(update(&s).grows_to, 30 * MSS);
	s.cwnd = 29 * MSS;
	assert_int_equal(update(&s).cwnd, 30 * MSS);
	assert_int_equal(update(&s).grows_to, 0);
}

static void slow_start_ends_at_ssthresh_and_the_rest_counts_for_avoidance(void **state)
{
	(void)state;
	assert_int_equal(grow(10 * MSS, 15 * MSS, 10 * MSS), 15 * MSS);
	assert_int_equal(grow(15 * MSS, 15 * MSS, 10 * MSS - 1), 15 * MSS);
	assert_int_equal(grow(15 * MSS, 15 * MSS, 1), 16 * MSS); /* 5 + 10 segments make a window of 15 */
}

/* Of a window of four segments and a half four are ever in flight. */
static void a_part_of_a_segment_in_the_window_holds_nothing_up(void **state)
{
	(void)state;
	assert_int_equal(grow(4 * MSS + MSS / 2, 2 * MSS, 4 * MSS - 1), 4 * MSS + MSS / 2);
	assert_int_equal(grow(4 * MSS + MSS / 2, 2 * MSS, 1), 5 * MSS + MSS / 2);
}

/* RFC 5681 3.1, equation (3): cwnd += SMSS*SMSS/cwnd for each acknowledged segment. */
static void avoidance_follows_the_rule_for_each_acknowledgement(void **state)
{
	double exact = 10 * MSS;
	uint32_t cwnd = 10 * MSS;

	(void)state;
	for (unsigned round = 0; round < 200; round++) {
		uint32_t segments = cwnd / MSS * 2; /* two round trips */

		for (unsigned i = 0; i < segments; i++)
			exact += (double)MSS * MSS / exact;
		cwnd = grow(cwnd, 2 * MSS, segments * MSS);
		assert_true(fabs(cwnd - exact) < 0.02 * exact + 2 * MSS);
	}
	assert_in_range(cwnd / MSS, 10 + 350, 10 + 400);
}

static void how_bytes_are_divided_into_intervals_does_not_matter(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (unsigned run = 0; run < 100; run++) {
		uint32_t pieces = 10 * MSS, whole;
		uint64_t left = rand_below(&r, 10000000), all = left;

		setup(NULL);
		while (left > 0) {
			uint64_t piece = min_u64(left, 1 + rand_below(&r, 50000));

			pieces = grow(pieces, 100 * MSS, piece);
			left -= piece;
		}
		setup(NULL);
		whole = grow(10 * MSS, 100 * MSS, all);
		assert_int_equal(pieces, whole);
	}
}

/* The fast path, which grows the window in the middle of an interval, leads to the same. */
static void a_step_in_between_and_growth_at_the_end_come_to_the_same(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (unsigned run = 0; run < 100; run++) {
		struct cc_decision d = { .cwnd = 10 * MSS };
		uint64_t all = 0, piece;

		setup(NULL);
		for (unsigned i = 0; i < 100; i++, all += piece) {
			struct cc_sample s = sample(d.cwnd, 2 * MSS, piece = rand_below(&r, 15 * MSS));

			s.stepped = d.step_after != 0 && piece >= d.step_after;
			s.cwnd += s.stepped ? MSS : 0;
			d = update(&s);
			assert_true(piece == 0 || (d.step_after > 0 && d.step_after <= d.cwnd));
		}
		setup(NULL);
		assert_int_equal(d.cwnd, grow(10 * MSS, 2 * MSS, all));
	}
}

/* RFC 7661 1: a window that was not used says nothing about the network. */
static void a_window_that_was_not_the_limit_does_not_grow(void **state)
{
	struct cc_sample s = sample(10 * MSS, CC_SSTHRESH_NONE, 100 * MSS);

	(void)state;
	s.cwnd_limited = false;
	assert_int_equal(update(&s).cwnd, 10 * MSS);
	s.ssthresh = 5 * MSS;
	assert_int_equal(update(&s).cwnd, 10 * MSS);
}

/* RFC 6675 5: during recovery the window stays what the reduction made it. */
static void nothing_grows_during_recovery(void **state)
{
	struct cc_sample s = sample(10 * MSS, 10 * MSS, 100 * MSS);

	(void)state;
	s.in_recovery = true;
	assert_int_equal(update(&s).cwnd, 10 * MSS);
	s.recoveries = 1;
	assert_int_equal(update(&s).cwnd, 10 * MSS);
	s.in_recovery = false;
	s.acked = s.recovering = 30 * MSS; /* it began, and ended, in this interval */
	assert_int_equal(update(&s).cwnd, 10 * MSS);
	s.recoveries = 0;
	s.acked = 10 * MSS;
	s.recovering = 0;
	assert_int_equal(update(&s).cwnd, 11 * MSS);
}

static void what_was_acknowledged_beside_recoveries_counts(void **state)
{
	struct cc_sample s = sample(10 * MSS, 10 * MSS, 81 * MSS);

	(void)state;
	s.recoveries = 2;
	s.recovering = 60 * MSS;
	assert_int_equal(update(&s).cwnd, 12 * MSS);
}

/* Reno from 10 segments: 20 acknowledged ones before the loss would have made 12 of them, of which 6 are left
 * and not 5. Of what came before two, half was halved twice. */
static void what_came_before_a_recovery_counts_as_far_as_the_reduction_left_it(void **state)
{
	(void)state;
	assert_int_equal(cc_growth_before(20 * MSS, 1, 128), 5 * MSS);
	assert_int_equal(cc_growth_before(20 * MSS, 2, 128), 10 * MSS * 3 / 4 / 2);
	assert_int_equal(cc_growth_before(20 * MSS, 0, 128), 0);
}

static void what_was_held_during_recovery_grows_the_window_after_it(void **state)
{
	struct cc_sample s = sample(10 * MSS, 10 * MSS, 4 * MSS);

	(void)state;
	s.held = 6 * MSS;
	s.in_recovery = true;
	assert_int_equal(update(&s).cwnd, 10 * MSS);
	s.in_recovery = false;
	assert_int_equal(update(&s).cwnd, 11 * MSS);
}

/* A mean window of sqrt(1.5 / p) segments (RFC 5681's sawtooth) is 12 at 1 %. */
static void at_one_percent_loss_the_window_is_what_the_sawtooth_gives(void **state)
{
	double window = model_random_loss(&cc_newreno, 100, 10000, 2);

	(void)state;
	assert_true(window > 11 && window < 14);
}

/* The window is halved at once for each loss, and grows when the slow path comes. */
static void a_slow_path_that_comes_late_does_not_starve_a_lossy_flow(void **state)
{
	(void)state;
	assert_true(model_random_loss(&cc_newreno, 100, 10000, 4) > 11);
	assert_true(model_random_loss(&cc_newreno, 100, 10000, 16) > 8);
	assert_true(model_random_loss(&cc_newreno, 100, 10000, 64) > 5);
	assert_true(model_random_loss(&cc_newreno, 100, 10000, 256) > 2.5);
}

/* RFC 5681 3.1 (4), RFC 6298 5: from one segment, by slow start, to half of what it was. */
static void after_a_timeout_it_starts_slowly_from_one_segment(void **state)
{
	struct cc_sample s = sample(MSS, 8 * MSS, 16 * MSS);
	uint32_t cwnd;

	(void)state;
	s.timeouts = 1;
	s.before_timeout = s.acked;
	cwnd = update(&s).cwnd;
	assert_int_equal(cwnd, MSS);
	for (unsigned expected = 2; expected <= 8; expected *= 2) {
		cwnd = grow(cwnd, 8 * MSS, cwnd);
		assert_int_equal(cwnd, expected * MSS);
	}
	assert_int_equal(grow(cwnd, 8 * MSS, 8 * MSS), 9 * MSS);
}

/* RFC 3168 6.1.2: as for a loss, but at most once for each window of data. */
static void marks_halve_the_window_once_for_each_window_of_data(void **state)
{
	struct cc_sample s = sample(40 * MSS, CC_SSTHRESH_NONE, 40 * MSS);
	struct cc_decision d;

	(void)state;
	s.marked = MSS;
	d = update(&s);
	assert_int_equal(d.cwnd, 20 * MSS);
	assert_int_equal(d.ssthresh, 20 * MSS);
	assert_true(d.answers_marks);
	s.cwnd = s.ssthresh = 20 * MSS;
	s.acked = s.marked = 30 * MSS;
	d = update(&s);
	assert_int_equal(d.cwnd, 20 * MSS); /* sent before the reduction; but no reason to grow */
	assert_int_equal(st.newreno.acked, 0);
	assert_false(d.answers_marks);
	s.inflight = 20 * MSS;
	s.acked = s.marked = 11 * MSS;
	d = update(&s); /* ten were sent before it, one was not */
	assert_int_equal(d.cwnd, 10 * MSS);
	assert_true(d.answers_marks);
	s.cwnd = s.ssthresh = 10 * MSS;
	s.acked = 40 * MSS; /* looks further apart than windows */
	s.marked = 20 * MSS;
	d = update(&s);
	assert_int_equal(d.cwnd, 11 * MSS); /* by the twenty that were not marked */
	st.newreno.marks.answered = 20 * MSS;
	s.marked = 21 * MSS;
	assert_int_equal(update(&s).cwnd, 5 * MSS);
}

static void marks_beside_a_loss_reduce_nothing_more(void **state)
{
	struct cc_sample s = sample(20 * MSS, 20 * MSS, 40 * MSS);

	(void)state;
	s.marked = MSS;
	s.recoveries = 1;
	s.recovering = s.acked;
	assert_int_equal(update(&s).cwnd, 20 * MSS);
	s.recoveries = 0;
	assert_true(update(&s).cwnd >= 20 * MSS);
}

/* What was SACKed when the loss was found is not acknowledged once more: the first mark after the rest of the
 * window is of data that was sent after the reduction. */
static void marks_after_the_window_of_a_loss_are_answered(void **state)
{
	struct cc_sample s = sample(20 * MSS, 20 * MSS, 8 * MSS);

	(void)state;
	s.recoveries = 1;
	s.sacked = 8 * MSS;
	s.in_recovery = true;
	update(&s);
	s.recoveries = 0;
	s.sacked = 0;
	s.in_recovery = false;
	s.acked = s.marked = 12 * MSS;
	assert_int_equal(update(&s).cwnd, 20 * MSS);
	s.acked = s.marked = MSS;
	assert_int_equal(update(&s).cwnd, 10 * MSS);
}

static void the_window_stays_between_two_segments_and_the_largest(void **state)
{
	struct cc_sample s = sample(3 * MSS, CC_SSTHRESH_NONE, MSS);

	(void)state;
	s.marked = MSS;
	assert_int_equal(update(&s).cwnd, 2 * MSS);
	s.cwnd = 100;
	s.marked = 0;
	s.cwnd_limited = false;
	assert_int_equal(update(&s).cwnd, MSS);
	assert_int_equal(grow(CC_CWND_MAX - 10, CC_SSTHRESH_NONE, UINT64_MAX / 2), CC_CWND_MAX);
	assert_int_equal(grow(CC_CWND_MAX, 2 * MSS, UINT64_MAX / 2), CC_CWND_MAX);
	assert_int_equal(grow(2 * MSS, 2 * MSS, UINT64_MAX / 2), CC_CWND_MAX);
}

/* 100 Mbit/s, 20 ms, a queue of half a bandwidth-delay product. */
static void two_flows_converge_to_equal_shares(void **state)
{
	struct model m = { .rate = 12.5e6, .base_rtt_s = 0.02, .buffer = 125000, .mark_above = HUGE_VAL };

	(void)state;
	model_add(&m, &cc_newreno, 10);
	model_run(&m, 10);
	model_add(&m, &cc_newreno, 10);
	model_run(&m, 60);
	model_forget(&m);
	model_run(&m, 60);
	assert_true(m.losses > 4);
	assert_true(model_utilisation(&m) > 0.9);
	assert_true(model_fairness(&m) > 0.98);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(slow_start_grows_by_what_was_acknowledged, setup),
		cmocka_unit_test_setup(slow_start_goes_on_between_looks, setup),
		cmocka_unit_test_setup(slow_start_ends_at_ssthresh_and_the_rest_counts_for_avoidance, setup),
		cmocka_unit_test_setup(a_part_of_a_segment_in_the_window_holds_nothing_up, setup),
		cmocka_unit_test_setup(avoidance_follows_the_rule_for_each_acknowledgement, setup),
		cmocka_unit_test_setup(a_step_in_between_and_growth_at_the_end_come_to_the_same, setup),
		cmocka_unit_test_setup(how_bytes_are_divided_into_intervals_does_not_matter, setup),
		cmocka_unit_test_setup(a_window_that_was_not_the_limit_does_not_grow, setup),
		cmocka_unit_test_setup(nothing_grows_during_recovery, setup),
		cmocka_unit_test_setup(what_was_acknowledged_beside_recoveries_counts, setup),
		cmocka_unit_test_setup(what_came_before_a_recovery_counts_as_far_as_the_reduction_left_it,
			setup),
		cmocka_unit_test_setup(what_was_held_during_recovery_grows_the_window_after_it, setup),
		cmocka_unit_test_setup(at_one_percent_loss_the_window_is_what_the_sawtooth_gives, setup),
		cmocka_unit_test_setup(a_slow_path_that_comes_late_does_not_starve_a_lossy_flow, setup),
		cmocka_unit_test_setup(after_a_timeout_it_starts_slowly_from_one_segment, setup),
		cmocka_unit_test_setup(marks_halve_the_window_once_for_each_window_of_data, setup),
		cmocka_unit_test_setup(marks_beside_a_loss_reduce_nothing_more, setup),
		cmocka_unit_test_setup(marks_after_the_window_of_a_loss_are_answered, setup),
		cmocka_unit_test_setup(the_window_stays_between_two_segments_and_the_largest, setup),
		cmocka_unit_test_setup(two_flows_converge_to_equal_shares, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
