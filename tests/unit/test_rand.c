/* SPDX-License-Identifier: BSD-3-Clause */
/* test_rand.c - one seed, one run; and what is drawn is spread as promised. */
#include "include/base/rand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Reference values of splitmix64 for seed 1234567, published with the algorithm (Vigna 2015). */
static void the_seed_is_spread_by_splitmix64(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1234567);
	assert_true(r.s[0] == 6457827717110365317ull);
	assert_true(r.s[1] == 3203168211198807973ull);
	assert_true(r.s[2] == 9817491932198370423ull);
	assert_true(r.s[3] == 4593380528125082431ull);
}

/* The first outputs of xoshiro256** from state {1, 2, 3, 4}, worked out by hand from its definition. */
static void the_generator_is_xoshiro256starstar(void **state)
{
	struct tas_rand r = { .s = { 1, 2, 3, 4 } };

	(void)state;
	assert_true(rand_u64(&r) == 11520);
	assert_true(rand_u64(&r) == 0);
	assert_true(rand_u64(&r) == 1509978240);
}

static void the_same_seed_gives_the_same_run(void **state)
{
	struct tas_rand a, b, c;
	unsigned differing = 0;

	(void)state;
	rand_seed(&a, 42);
	rand_seed(&b, 42);
	rand_seed(&c, 43);
	for (int i = 0; i < 1000; i++) {
		uint64_t v = rand_u64(&a);

		assert_true(v == rand_u64(&b));
		differing += v != rand_u64(&c);
	}
	assert_int_equal(differing, 1000);
}

static void below_n_is_every_value_below_n_and_no_other(void **state)
{
	struct tas_rand r;
	unsigned seen[7] = { 0 };

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < 70000; i++) {
		uint32_t v = rand_below(&r, 7);

		assert_in_range(v, 0, 6);
		seen[v]++;
	}
	for (int i = 0; i < 7; i++)
		assert_in_range(seen[i], 9500, 10500); /* five standard deviations about 10,000 */
	assert_int_equal(rand_below(&r, 1), 0);
}

static void a_chance_happens_as_often_as_it_says(void **state)
{
	struct tas_rand r;
	unsigned hits = 0;

	(void)state;
	rand_seed(&r, 2);
	for (int i = 0; i < 1000000; i++)
		hits += rand_chance_ppm(&r, 10000);
	assert_in_range(hits, 9500, 10500);
}

static void no_chance_never_happens_and_a_sure_one_always(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 3);
	for (int i = 0; i < 10000; i++) {
		assert_false(rand_chance_ppm(&r, 0));
		assert_true(rand_chance_ppm(&r, 1000000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_seed_is_spread_by_splitmix64),
		cmocka_unit_test(the_generator_is_xoshiro256starstar),
		cmocka_unit_test(the_same_seed_gives_the_same_run),
		cmocka_unit_test(below_n_is_every_value_below_n_and_no_other),
		cmocka_unit_test(a_chance_happens_as_often_as_it_says),
		cmocka_unit_test(no_chance_never_happens_and_a_sure_one_always),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
