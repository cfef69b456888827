/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_const_rate.c - one rate, whatever happens. */
#include "slowpath/cc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void the_rate_is_what_was_asked_for_from_the_beginning(void **state)
{
	struct cc_sample s = { .mss = 1448, .cwnd = 14480, .const_bytes_s = 12500000 };
	struct cc_decision d;
	struct cc_state st;

	(void)state;
	cc_const_rate.init(&st);
	cc_const_rate.begin(&st, &s, &d);
	assert_true(d.rate_bytes_s == 12500000);
	assert_int_equal(d.cwnd, CC_CWND_MAX);
}

static void losses_marks_and_timeouts_change_nothing(void **state)
{
	struct cc_sample s = { .mss = 1448,
		.cwnd = 1448,
		.const_bytes_s = 12500000,
		.acked = 100000,
		.lost = 50000,
		.marked = 10000,
		.timeouts = 1,
		.recoveries = 3,
		.in_loss = true };
	struct cc_decision d;
	struct cc_state st;

	(void)state;
	cc_const_rate.init(&st);
	cc_const_rate.update(&st, &s, &d);
	assert_true(d.rate_bytes_s == 12500000);
	assert_int_equal(d.cwnd, CC_CWND_MAX);
	assert_true(d.answers_marks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_rate_is_what_was_asked_for_from_the_beginning),
		cmocka_unit_test(losses_marks_and_timeouts_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
