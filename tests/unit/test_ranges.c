/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ranges.c - intervals of a stream, against a model that keeps a bit for each byte. */
#include "fastpath/ranges.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/rand.h"

enum { SPAN = 512 };

static void check_shape(const struct flow_ranges *s)
{
	assert_true(s->n <= REASS_MAX);
	for (uint32_t i = 0; i < s->n; i++) {
		assert_true(s->r[i].from < s->r[i].to);
		if (i > 0)
			assert_true(s->r[i - 1].to < s->r[i].from);
	}
}

static void check_against(const struct flow_ranges *s, const bool *have)
{
	uint32_t at = 0;

	check_shape(s);
	for (uint32_t p = 0; p < SPAN; p++) {
		while (at < s->n && s->r[at].to <= p)
			at++;
		assert_int_equal(at < s->n && s->r[at].from <= p, have[p]);
	}
}

static uint64_t count_bits(const bool *have, uint64_t from, uint64_t to)
{
	uint64_t n = 0;

	for (uint64_t p = from; p < to; p++)
		n += have[p];
	return n;
}

static uint32_t runs(const bool *have)
{
	uint32_t n = 0;

	for (uint32_t p = 0; p < SPAN; p++)
		n += have[p] && (p == 0 || !have[p - 1]);
	return n;
}

static void a_set_holds_what_was_added_and_nothing_else(void **state)
{
	(void)state;
	for (uint64_t seed = 0; seed < 300; seed++) {
		struct flow_ranges s = { 0 };
		bool have[SPAN] = { 0 };
		struct tas_rand r;

		rand_seed(&r, seed);
		for (unsigned step = 0; step < 60; step++) {
			uint64_t from = rand_below(&r, SPAN - 16), to = from + 1 + rand_below(&r, 16);
			uint64_t fresh = to - from - count_bits(have, from, to);
			bool after[SPAN];

			memcpy(after, have, sizeof(have));
			memset(after + from, true, to - from);
			if (runs(after) > REASS_MAX) {
				assert_int_equal(ranges_add(&s, from, to), 0);
			} else {
				assert_int_equal(ranges_add(&s, from, to), fresh);
				memcpy(have, after, sizeof(have));
			}
			check_against(&s, have);
			assert_int_equal(ranges_bytes(&s, from, SPAN), count_bits(have, from, SPAN));
		}
	}
}

static void trimming_forgets_all_below_and_keeps_the_rest(void **state)
{
	(void)state;
	for (uint64_t off = 0; off <= 60; off++) {
		struct flow_ranges s = { 0 };
		bool have[SPAN] = { 0 };

		ranges_add(&s, 10, 20);
		ranges_add(&s, 30, 40);
		ranges_add(&s, 50, 55);
		memset(have + 10, true, 10);
		memset(have + 30, true, 10);
		memset(have + 50, true, 5);
		memset(have, false, off);
		ranges_trim_below(&s, off);
		check_against(&s, have);
	}
}

static void holes_come_in_order_and_cover_what_is_missing(void **state)
{
	struct flow_ranges s = { 0 };
	struct flow_range hole;

	(void)state;
	ranges_add(&s, 10, 20);
	ranges_add(&s, 30, 40);
	assert_true(ranges_next_hole(&s, 0, 50, &hole));
	assert_true(hole.from == 0 && hole.to == 10);
	assert_true(ranges_next_hole(&s, 10, 50, &hole));
	assert_true(hole.from == 20 && hole.to == 30);
	assert_true(ranges_next_hole(&s, 25, 28, &hole));
	assert_true(hole.from == 25 && hole.to == 28);
	assert_true(ranges_next_hole(&s, 35, 50, &hole));
	assert_true(hole.from == 40 && hole.to == 50);
	assert_false(ranges_next_hole(&s, 30, 40, &hole));
	assert_false(ranges_next_hole(&s, 12, 12, &hole));
}

static void the_top_is_the_end_of_the_last_interval(void **state)
{
	struct flow_ranges s = { 0 };

	(void)state;
	assert_int_equal(ranges_top(&s), 0);
	ranges_add(&s, 100, 200);
	ranges_add(&s, 10, 20);
	assert_int_equal(ranges_top(&s), 200);
}

static void the_first_common_part_is_the_lowest(void **state)
{
	struct flow_ranges s = { 0 };
	struct flow_range part;

	(void)state;
	assert_false(ranges_first_common(&s, 0, 1000, &part));
	ranges_add(&s, 100, 200);
	ranges_add(&s, 300, 400);
	assert_false(ranges_first_common(&s, 0, 100, &part));
	assert_false(ranges_first_common(&s, 200, 300, &part));
	assert_false(ranges_first_common(&s, 400, 500, &part));
	assert_true(ranges_first_common(&s, 150, 350, &part));
	assert_true(part.from == 150 && part.to == 200);
	assert_true(ranges_first_common(&s, 200, 320, &part));
	assert_true(part.from == 300 && part.to == 320);
	assert_true(ranges_first_common(&s, 0, 1000, &part));
	assert_true(part.from == 100 && part.to == 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_holds_what_was_added_and_nothing_else),
		cmocka_unit_test(trimming_forgets_all_below_and_keeps_the_rest),
		cmocka_unit_test(holes_come_in_order_and_cover_what_is_missing),
		cmocka_unit_test(the_first_common_part_is_the_lowest),
		cmocka_unit_test(the_top_is_the_end_of_the_last_interval),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
