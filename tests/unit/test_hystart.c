/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hystart.c - sequences of least round-trip times, and what slow start is told (RFC 9406 4.2). */
#include "slowpath/hystart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct hystart h;

static int setup(void **state)
{
	(void)state;
	h = (struct hystart){ 0 };
	return 0;
}

static enum hystart_verdict part(uint32_t min_rtt_us, uint32_t srtt_us, uint64_t us, uint32_t segments)
{
	const struct hystart_part p = { min_rtt_us, srtt_us, segments, us };

	return hystart_round(&h, &p);
}

/* A round of one round trip. */
static enum hystart_verdict round_of(uint32_t rtt_us) { return part(rtt_us, rtt_us, rtt_us, 8); }

static void steady_round_trips_are_no_reason_to_leave(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 100; i++)
		assert_int_equal(round_of(50000 + i % 2 * 6000), HYSTART_GROW);
}

/* RttThresh = lastRoundMinRTT / 8, within 4 ms and 16 ms. */
static void the_threshold_is_an_eighth_within_4_and_16_ms(void **state)
{
	static const uint32_t rows[][2] = { { 100, 4000 }, { 32000, 4000 }, { 80000, 10000 },
		{ 128000, 16000 }, { 500000, 16000 } };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		setup(NULL);
		round_of(rows[i][0]);
		assert_int_equal(round_of(rows[i][0] + rows[i][1] - 1), HYSTART_GROW);
		setup(NULL);
		round_of(rows[i][0]);
		assert_int_equal(round_of(rows[i][0] + rows[i][1]), HYSTART_CONSERVATIVE);
	}
}

static void five_round_trips_of_delay_end_slow_start(void **state)
{
	(void)state;
	round_of(50000);
	assert_int_equal(round_of(60000), HYSTART_CONSERVATIVE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(round_of(60000), HYSTART_CONSERVATIVE);
	assert_int_equal(round_of(60000), HYSTART_LEAVE);
}

/* However fast round trips become longer, and however long a round is. */
static void round_trips_are_counted_not_time_and_not_calls(void **state)
{
	uint32_t rtt_us = 60000;

	(void)state;
	round_of(50000);
	assert_int_equal(round_of(rtt_us), HYSTART_CONSERVATIVE);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(round_of(rtt_us = rtt_us * 3 / 2), HYSTART_CONSERVATIVE);
	assert_int_equal(round_of(rtt_us * 3 / 2), HYSTART_LEAVE);

	setup(NULL);
	round_of(50000);
	assert_int_equal(round_of(60000), HYSTART_CONSERVATIVE);
	assert_int_equal(part(60000, 60000, 2 * 60000, 8), HYSTART_CONSERVATIVE);
	assert_int_equal(part(60000, 60000, 2 * 60000, 8), HYSTART_CONSERVATIVE);
	assert_int_equal(part(60000, 60000, 2 * 60000, 8), HYSTART_LEAVE);

	setup(NULL); /* four of 1.2 are not five */
	round_of(50000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(part(60000, 60000, 72000, 8), HYSTART_CONSERVATIVE);
	assert_int_equal(part(60000, 60000, 72000, 8), HYSTART_LEAVE);
}

static void a_delay_that_goes_away_was_jitter(void **state)
{
	(void)state;
	round_of(50000);
	assert_int_equal(round_of(60000), HYSTART_CONSERVATIVE);
	assert_int_equal(round_of(60000), HYSTART_CONSERVATIVE);
	assert_int_equal(round_of(59999), HYSTART_GROW);
	assert_int_equal(round_of(60001), HYSTART_GROW);
	for (unsigned i = 0; i < 5; i++) /* and if it comes back, all begins anew */
		assert_int_equal(round_of(70000), HYSTART_CONSERVATIVE);
	assert_int_equal(round_of(70000), HYSTART_LEAVE);
}

static void a_round_without_a_measurement_changes_no_mind(void **state)
{
	(void)state;
	assert_int_equal(part(UINT32_MAX, 0, 1000, 8), HYSTART_GROW);
	round_of(50000);
	assert_int_equal(part(UINT32_MAX, 50000, 1000, 8), HYSTART_GROW);
	assert_int_equal(round_of(60000), HYSTART_CONSERVATIVE);
	assert_int_equal(part(UINT32_MAX, 0, UINT64_MAX / 16, 8), HYSTART_LEAVE);
}

/* RFC 9406 4.2: a round of fewer than N_RTT_SAMPLE round trips says nothing. */
static void fewer_than_eight_segments_are_no_reason_to_leave(void **state)
{
	(void)state;
	round_of(50000);
	for (unsigned i = 1; i < 8; i++) {
		assert_int_equal(part(100000, 50000, 50000, i), HYSTART_GROW);
		round_of(50000);
	}
	assert_int_equal(part(100000, 50000, 20000, 4), HYSTART_GROW); /* parts count together, */
	assert_int_equal(part(100000, 50000, 30000, 4), HYSTART_CONSERVATIVE);
	assert_int_equal(part(50000, 50000, 50000, 7), HYSTART_CONSERVATIVE); /* nor is one to go on */
	assert_int_equal(part(50000, 50000, 50000, 8), HYSTART_GROW);
	assert_int_equal(part(100000, 50000, 50000, 7), HYSTART_GROW); /* and each round begins with none */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(steady_round_trips_are_no_reason_to_leave, setup),
		cmocka_unit_test_setup(the_threshold_is_an_eighth_within_4_and_16_ms, setup),
		cmocka_unit_test_setup(five_round_trips_of_delay_end_slow_start, setup),
		cmocka_unit_test_setup(round_trips_are_counted_not_time_and_not_calls, setup),
		cmocka_unit_test_setup(a_delay_that_goes_away_was_jitter, setup),
		cmocka_unit_test_setup(a_round_without_a_measurement_changes_no_mind, setup),
		cmocka_unit_test_setup(fewer_than_eight_segments_are_no_reason_to_leave, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
