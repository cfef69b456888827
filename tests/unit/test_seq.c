/* SPDX-License-Identifier: BSD-3-Clause */
/* test_seq.c - sequence numbers wrap (RFC 9293 3.4), stream offsets do not. */
#include "include/net/seq.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/rand.h"

static tcp_seq seq(uint32_t v) { return (tcp_seq){ v }; }

static void adding_wraps_at_2_to_the_32(void **state)
{
	(void)state;
	assert_int_equal(seq_add(seq(0xfffffff0), 0x20).v, 0x10);
	assert_true(seq_eq(seq_add(seq(5), 0), seq(5)));
}

static void distance_is_signed_and_crosses_the_wrap(void **state)
{
	(void)state;
	assert_int_equal(seq_dist(seq(0xffffffff), seq(1)), 2);
	assert_int_equal(seq_dist(seq(1), seq(0xffffffff)), -2);
	assert_int_equal(seq_dist(seq(7), seq(7)), 0);
	assert_int_equal(seq_dist(seq(0), seq(0x7fffffff)), INT32_MAX);
}

static void before_is_strict_and_holds_across_the_wrap(void **state)
{
	(void)state;
	assert_true(seq_before(seq(0xfffffff0), seq(3)));
	assert_false(seq_before(seq(3), seq(0xfffffff0)));
	assert_false(seq_before(seq(3), seq(3)));
	assert_true(seq_before_eq(seq(3), seq(3)));
	assert_true(seq_before_eq(seq(0xffffffff), seq(0)));
	assert_false(seq_before_eq(seq(0), seq(0xffffffff)));
}

static void an_offset_is_found_beyond_4_gib(void **state)
{
	const uint64_t reference = (5ull << 32) + 17;

	(void)state;
	assert_true(seq_offset_near(reference, seq(100), seq(100)) == reference);
	assert_true(seq_offset_near(reference, seq(100), seq(1100)) == reference + 1000);
	assert_true(seq_offset_near(reference, seq(100), seq(0xffffffff)) == reference - 101);
	assert_true(seq_offset_near(reference, seq(0xfffffff0), seq(0x10)) == reference + 0x20);
}

static void what_lies_before_the_stream_is_a_negative_offset(void **state)
{
	(void)state;
	assert_true((int64_t)seq_offset_near(0, seq(1001), seq(1000)) == -1);
}

static void an_offset_and_its_sequence_number_find_each_other(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < 100000; i++) {
		tcp_seq isn = seq((uint32_t)rand_u64(&r));
		uint64_t reference = rand_u64(&r) >> 8;
		uint64_t offset = reference + rand_below(&r, UINT32_MAX) - 0x7fffffffull;
		tcp_seq reference_seq = seq_add(isn, (uint32_t)reference), s = seq_add(isn, (uint32_t)offset);

		assert_true(seq_offset_near(reference, reference_seq, s) == offset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adding_wraps_at_2_to_the_32),
		cmocka_unit_test(distance_is_signed_and_crosses_the_wrap),
		cmocka_unit_test(before_is_strict_and_holds_across_the_wrap),
		cmocka_unit_test(an_offset_is_found_beyond_4_gib),
		cmocka_unit_test(what_lies_before_the_stream_is_a_negative_offset),
		cmocka_unit_test(an_offset_and_its_sequence_number_find_each_other),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
