/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_timely.c - Algorithm 1 of the paper, and what it leads to. */
#include "slowpath/cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"

enum { MSS = 1448, BASE_US = 20 };

static struct cc_state st;
static struct cc_decision d;

/* An interval in which round trips took so long. */
static double after(uint32_t rtt_us)
{
	struct cc_sample s = { .now = NS_PER_SEC,
		.interval_ns = 100 * NS_PER_US,
		.acked = 10 * MSS,
		.mss = MSS,
		.srtt_us = rtt_us,
		.min_rtt_us = rtt_us,
		.cwnd = 100 * MSS,
		.ssthresh = CC_SSTHRESH_NONE,
		.paced = true };

	cc_timely.update(&st, &s, &d);
	return (double)d.rate_bytes_s;
}

static int setup(void **state)
{
	struct cc_sample s = { .mss = MSS, .cwnd = 10 * MSS, .srtt_us = BASE_US, .min_rtt_us = UINT32_MAX };

	(void)state;
	cc_timely.init(&st);
	cc_timely.begin(&st, &s, &d);
	after(BASE_US + 31); /* ends the slow start */
	return 0;
}

static void below_t_low_the_rate_grows_by_a_step(void **state)
{
	double before = after(BASE_US);

	(void)state;
	for (unsigned i = 0; i < 20; i++) {
		double rate = after(BASE_US + i % 29); /* whatever the gradient */

		assert_true(rate == before + 1250000);
		before = rate;
	}
}

static void above_t_high_it_falls_towards_it(void **state)
{
	double before = after(1000);

	(void)state;
	assert_true(after(1000) < before * (1 - 0.8 * (1 - 500. / 1000)) + 1);
	assert_true(after(1000) > 0);
}

static void growing_round_trips_reduce_it_and_falling_ones_raise_it(void **state)
{
	double before, rate;

	(void)state;
	for (uint32_t us = 60; us < 80; us++)
		before = after(us);
	rate = after(81);
	assert_true(rate < before);
	for (uint32_t us = 100; us > 70; us--)
		before = after(us);
	assert_true(after(69) == before + 5 * 1250000); /* for a while: five steps at once */
}

static void in_slow_start_it_doubles_each_round_trip(void **state)
{
	double before;

	setup(state);
	st.timely.slow_start = true;
	before = after(BASE_US);
	assert_true(after(BASE_US) > 1.9 * before);
}

static void a_loss_halves_it(void **state)
{
	double before = after(BASE_US);
	struct cc_sample s = { .mss = MSS,
		.srtt_us = BASE_US,
		.min_rtt_us = UINT32_MAX,
		.recoveries = 1,
		.acked = MSS,
		.cwnd = 10 * MSS,
		.interval_ns = 100000 };

	(void)state;
	cc_timely.update(&st, &s, &d);
	assert_true(
		(double)d.rate_bytes_s <= before / 2 + 1 || d.rate_bytes_s == 2ull * MSS * 1000000 / BASE_US);
}

/* A link whose round trips grow by what is sent beyond its rate. */
static void the_queue_of_a_link_stays_short_and_the_link_full(void **state)
{
	double rate = 1.25e9, queue = 0, sum = 0, delivered = 0, dt = 40e-6; /* 10 Gbit/s */
	struct cc_sample s = { .mss = MSS, .ssthresh = CC_SSTHRESH_NONE, .paced = true };

	(void)state;
	for (unsigned i = 0; i < 20000; i++) {
		double sent = (double)d.rate_bytes_s * dt,
		       out = queue + sent < rate * dt ? queue + sent : rate * dt;

		queue += sent - out;
		s.acked = (uint64_t)out;
		s.interval_ns = (tas_ns)(dt * 1e9);
		s.srtt_us = s.min_rtt_us = (uint32_t)(BASE_US + queue / rate * 1e6);
		s.cwnd = d.cwnd;
		cc_timely.update(&st, &s, &d);
		if (i >= 10000) {
			sum += queue / rate;
			delivered += out;
		}
	}
	assert_true(delivered / (rate * dt * 10000) > 0.9);
	assert_true(sum / 10000 < 500e-6);
}

/* --- what the paper leaves open --- */

/* A flow of 10 ms round trips begins. */
static void far_away(void)
{
	struct cc_sample s = { .mss = MSS, .cwnd = 10 * MSS, .srtt_us = 10000, .min_rtt_us = UINT32_MAX };

	cc_timely.init(&st);
	cc_timely.begin(&st, &s, &d);
}

static struct cc_sample of_10_ms(void)
{
	return (struct cc_sample){ .now = NS_PER_SEC,
		.interval_ns = 10 * NS_PER_MS,
		.acked = 10 * MSS,
		.mss = MSS,
		.srtt_us = 10000,
		.min_rtt_us = 10000,
		.cwnd = 100 * MSS,
		.ssthresh = CC_SSTHRESH_NONE,
		.paced = true };
}

static void it_begins_with_a_window_in_a_round_trip_and_a_pace_of_twice_that(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	far_away();
	assert_int_equal(d.cwnd, 10 * MSS);
	assert_int_equal(d.rate_bytes_s, 2 * 10 * MSS * 100);
	assert_int_equal(d.interval_us, 10000);
	s.interval_ns = 100 * NS_PER_MS; /* however late it is asked, by four at most */
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 4 * 10 * MSS * 100);
	assert_int_equal(d.cwnd, 2 * 4 * 10 * MSS); /* two round trips at that rate */
	assert_int_equal(d.interval_us, 5000);      /* slow start looks twice */
	s.interval_ns = 10 * NS_PER_MS;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 8 * 10 * MSS * 100);
}

static void slow_start_grows_only_what_the_rate_holds_back(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	far_away();
	s.paced = false;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 10 * MSS * 100);
	s.cwnd_limited = true;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 20 * MSS * 100);
	s.acked = 0;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 20 * MSS * 100);
	s.acked = MSS;
	s.min_rtt_us = 10000 + 10000 / 8; /* T_low of a long path: an eighth more */
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 40 * MSS * 100);
	s.min_rtt_us++;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 40 * MSS * 100);
	assert_false(st.timely.slow_start);
}

/* It is known a round trip late, when the rate is several times what the path takes. */
static void slow_start_ends_with_the_rate_that_was_delivered(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	far_away();
	for (unsigned i = 0; i < 4; i++)
		cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 160 * MSS * 100);
	s.min_rtt_us = 12000;
	s.rate_bytes = 30 * MSS;
	s.rate_us = 10000;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 30 * MSS * 100);
	assert_false(st.timely.slow_start);
	s.paced = false;
	s.min_rtt_us = 10000;
	s.recoveries = 1; /* that was of slow start */
	s.now += 20 * NS_PER_MS;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 30 * MSS * 100);
	s.now++;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 15 * MSS * 100);
	far_away(); /* the rate was not the limit: more was delivered than in a round trip of it */
	s = of_10_ms();
	s.min_rtt_us = 12000;
	s.rate_bytes = 30 * MSS;
	s.rate_us = 10000;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 10 * MSS * 100);
}

/* So many segments in a round trip, slow start being over. */
static void at_rate(double segments)
{
	far_away();
	st.timely.slow_start = false;
	st.timely.rate = segments * MSS * 100;
}

static void its_step_is_a_segment_in_a_round_trip_at_most(void **state)
{
	static const double rate[] = { 100, 64, 16, 4, 3 }, step[] = { 1, 1, 0.5, 0.25, 0.25 };
	struct cc_sample s = of_10_ms();

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rate); i++) {
		at_rate(rate[i]);
		cc_timely.update(&st, &s, &d);
		assert_int_equal(d.rate_bytes_s, (rate[i] + step[i]) * MSS * 100);
	}
	at_rate(64);
	s.min_rtt_us = 13000; /* the first says nothing of a gradient */
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, (64 + 1) * MSS * 100);
	s.paced = false; /* and nothing if nobody waits for it */
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, (64 + 1) * MSS * 100);
}

/* Of 160 segments and of 16, whose step is half of one. */
static void five_steps_are_a_sixteenth_of_the_rate_at_most(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	s.min_rtt_us = 13000;
	at_rate(160);
	st.timely.falling = 4;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, (160 + 5) * MSS * 100);
	at_rate(16);
	st.timely.falling = 4;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, (16 + 1) * MSS * 100);
}

static void t_high_of_a_long_path_is_half_more(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	at_rate(64);
	st.timely.last_rtt_us = 15000; /* so that the gradient does not count */
	s.min_rtt_us = 15000;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, (64 + 1) * MSS * 100);
	s.min_rtt_us = 20000;
	st.timely.last_rtt_us = 20000;
	cc_timely.update(&st, &s, &d);
	assert_in_range(d.rate_bytes_s, 65 * MSS * 80 - 1, 65 * MSS * 80); /* 1 - 0.8 * (1 - 15 / 20) */
}

static void losses_and_marks_halve_it_and_end_slow_start(void **state)
{
	for (unsigned i = 0; i < 3; i++) {
		struct cc_sample s = of_10_ms();

		(void)state;
		far_away();
		s.paced = false;
		s.recoveries = i == 0;
		s.timeouts = i == 1;
		s.marked = i == 2;
		cc_timely.update(&st, &s, &d);
		assert_in_range(d.rate_bytes_s, (i == 1 ? 7 : 5) * MSS * 100 - 1,
			(i == 1 ? 7 : 5) * MSS * 100);
		assert_false(st.timely.slow_start);
		assert_int_equal(d.answers_marks, i == 2);
		for (unsigned n = 0; n < 4; n++)
			cc_timely.update(&st, &s, &d);
		assert_int_equal(d.rate_bytes_s, 2 * MSS * 100); /* not less than two segments */
		assert_int_equal(d.cwnd, 4 * MSS);
	}
}

static void after_a_timeout_the_window_grows_from_a_segment(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	far_away();
	s.in_loss = true;
	s.timeouts = 1;
	s.cwnd = MSS;
	s.acked = 0;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.cwnd, MSS);
	s.timeouts = 0;
	s.acked = 2 * MSS;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.cwnd, 3 * MSS);
	s.in_loss = false;
	cc_timely.update(&st, &s, &d);
	assert_true(d.cwnd >= 10 * MSS);
}

/* A blackout, in which one timeout follows the other; and one that begins while a recovery lasts. */
static void a_silent_path_is_answered_once(void **state)
{
	(void)state;
	for (unsigned recovery = 0; recovery < 2; recovery++) {
		struct cc_sample s = of_10_ms();

		far_away();
		s.paced = false;
		s.recoveries = recovery;
		s.in_recovery = recovery != 0;
		if (recovery)
			cc_timely.update(&st, &s, &d);
		s.in_recovery = false;
		s.recoveries = 0;
		s.in_loss = true;
		s.timeouts = 1;
		for (unsigned n = 0; n < 3; n++)
			cc_timely.update(&st, &s, &d);
		assert_in_range(d.rate_bytes_s, (recovery ? 5 : 7) * MSS * 100 - 1,
			(recovery ? 5 : 7) * MSS * 100);
		s.in_loss = false;
		s.timeouts = 0;
		cc_timely.update(&st, &s, &d);
		s.timeouts = 1;
		cc_timely.update(&st, &s, &d);
		assert_true(d.rate_bytes_s < 5 * MSS * 100);
	}
}

/* --- the least round trip --- */

/* A look a round trip later, on a path of so many. */
static uint64_t later(struct cc_sample *s, uint32_t rtt_us)
{
	s->now += rtt_us * NS_PER_US;
	s->interval_ns = rtt_us * NS_PER_US;
	s->srtt_us = s->min_rtt_us = rtt_us;
	s->cwnd = d.cwnd;
	cc_timely.update(&st, s, &d);
	return d.rate_bytes_s;
}

static void another_path_is_believed_after_ten_seconds(void **state)
{
	struct cc_sample s = of_10_ms();
	tas_ns begin = s.now;
	uint64_t rate;

	(void)state;
	far_away();
	for (unsigned i = 0; i < 20; i++)
		rate = later(&s, 1000);
	while (s.now - begin < 10 * NS_PER_SEC) { /* after a reroute from 1 to 50 ms: the floor */
		rate = later(&s, 50000);
		assert_int_equal(st.timely.least_rtt_us, 1000);
	}
	assert_int_equal(rate, 2 * MSS * 20);
	for (unsigned i = 0; i < 8; i++)
		later(&s, 50000);
	assert_int_equal(st.timely.least_rtt_us, 50000);
	for (unsigned i = 0; i < 5; i++) /* it begins anew there */
		rate = later(&s, 50000);
	assert_true(rate > 2 * MSS * 20 * 16);
	s.paced = false;
	begin = s.now; /* and stays there */
	while (s.now - begin < 20 * NS_PER_SEC)
		assert_true(later(&s, 50000) >= rate);
}

static void the_least_round_trip_is_looked_for_at_half_the_rate(void **state)
{
	struct cc_sample s = of_10_ms();
	tas_ns begin = s.now;
	uint64_t rate;

	(void)state;
	far_away();
	s.paced = false;
	rate = 2 * later(&s, 10400);
	assert_int_equal(st.timely.least_rtt_us, 10000);
	while (s.now - begin < 10 * NS_PER_SEC) /* a queue of its own, no reason for another rate */
		assert_int_equal(later(&s, 10400), rate / 2);
	later(&s, 10400);
	assert_int_equal(d.rate_bytes_s, rate / 4);
	assert_in_range(d.cwnd, rate * 10400 / 2 / 1000000 - 2, rate * 10400 / 2 / 1000000);
	later(&s, 10312); /* that is the least: a quarter of what may be queued below T_low */
	assert_int_equal(d.rate_bytes_s, rate / 2);
	assert_int_equal(st.timely.least_rtt_us, 10000);
	begin = s.now;
	while (s.now - begin < 10 * NS_PER_SEC)
		later(&s, 10313);
	for (unsigned i = 0; i < 30; i++)
		later(&s, 10313 + i % 2 * 1000);
	assert_int_equal(st.timely.least_rtt_us, 10313); /* longer, but within T_high: the rate stays */
	assert_int_equal(d.rate_bytes_s, rate / 2);
}

/* Nothing was measured while it was silent. */
static void a_timeout_is_no_reason_to_look_for_it(void **state)
{
	struct cc_sample s = of_10_ms();

	(void)state;
	far_away();
	later(&s, 10000);
	s.now += 20 * NS_PER_SEC;
	s.timeouts = 1;
	later(&s, 15000);
	s.timeouts = 0;
	later(&s, 15000);
	assert_int_equal(st.timely.looks_until, 0);
	assert_int_equal(st.timely.least_rtt_us, 10000);
}

static void marks_halve_it_once_for_each_window_of_data(void **state)
{
	struct cc_sample s = of_10_ms();
	uint64_t rate;

	(void)state;
	far_away();
	s.paced = false;
	s.inflight = 20 * MSS;
	s.marked = MSS;
	rate = later(&s, 10000);
	assert_int_equal(rate, 5 * MSS * 100);
	s.acked = s.marked = 10 * MSS; /* sent before the first */
	assert_int_equal(later(&s, 10000), rate);
	assert_false(d.answers_marks);
	assert_int_equal(later(&s, 10000), rate);
	assert_int_equal(later(&s, 10000), rate / 2);
	assert_true(d.answers_marks);
}

static void without_a_round_trip_it_waits_for_one(void **state)
{
	struct cc_sample s = { .mss = MSS, .cwnd = 10 * MSS, .min_rtt_us = UINT32_MAX };

	(void)state;
	cc_timely.init(&st);
	cc_timely.begin(&st, &s, &d);
	assert_int_equal(d.cwnd, 10 * MSS);
	assert_int_equal(d.rate_bytes_s, 0);
	s = of_10_ms();
	s.cwnd = 20 * MSS;
	s.paced = false;
	cc_timely.update(&st, &s, &d);
	assert_int_equal(d.rate_bytes_s, 20 * MSS * 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slow_start_ends_with_the_rate_that_was_delivered),
		cmocka_unit_test(another_path_is_believed_after_ten_seconds),
		cmocka_unit_test(the_least_round_trip_is_looked_for_at_half_the_rate),
		cmocka_unit_test(a_timeout_is_no_reason_to_look_for_it),
		cmocka_unit_test(marks_halve_it_once_for_each_window_of_data),
		cmocka_unit_test_setup(below_t_low_the_rate_grows_by_a_step, setup),
		cmocka_unit_test_setup(above_t_high_it_falls_towards_it, setup),
		cmocka_unit_test_setup(growing_round_trips_reduce_it_and_falling_ones_raise_it, setup),
		cmocka_unit_test_setup(in_slow_start_it_doubles_each_round_trip, setup),
		cmocka_unit_test_setup(a_loss_halves_it, setup),
		cmocka_unit_test_setup(the_queue_of_a_link_stays_short_and_the_link_full, setup),
		cmocka_unit_test(it_begins_with_a_window_in_a_round_trip_and_a_pace_of_twice_that),
		cmocka_unit_test(slow_start_grows_only_what_the_rate_holds_back),
		cmocka_unit_test(its_step_is_a_segment_in_a_round_trip_at_most),
		cmocka_unit_test(five_steps_are_a_sixteenth_of_the_rate_at_most),
		cmocka_unit_test(t_high_of_a_long_path_is_half_more),
		cmocka_unit_test(losses_and_marks_halve_it_and_end_slow_start),
		cmocka_unit_test(after_a_timeout_the_window_grows_from_a_segment),
		cmocka_unit_test(a_silent_path_is_answered_once),
		cmocka_unit_test(without_a_round_trip_it_waits_for_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
