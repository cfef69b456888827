/* SPDX-License-Identifier: BSD-3-Clause */
/* test_challenge.c - a bound that holds, and that tells nobody how much of it others used. */
#include "slowpath/challenge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const uint8_t secret[CHALLENGE_SECRET_LEN] = "sixteen letters!",
		     other_secret[CHALLENGE_SECRET_LEN] = "sixteen letters?";

static unsigned all_of(struct challenge *c, tas_ns now)
{
	unsigned n = 0;

	while (challenge_pass(c, now))
		n++;
	return n;
}

static void each_second_has_a_bound(void **state)
{
	struct challenge c = challenge_of(secret);

	(void)state;
	for (unsigned s = 0; s < 100; s++) {
		tas_ns begin = s * NS_PER_SEC;

		assert_in_range(all_of(&c, begin), CHALLENGES_LEAST, CHALLENGES_MOST);
		assert_int_equal(all_of(&c, begin + NS_PER_SEC / 2), 0);
		assert_int_equal(all_of(&c, begin + NS_PER_SEC - 1), 0);
	}
}

static void what_is_left_of_a_second_is_not_saved_up(void **state)
{
	struct challenge c = challenge_of(secret);

	(void)state;
	assert_true(challenge_pass(&c, 0));
	assert_in_range(all_of(&c, 3600 * NS_PER_SEC), CHALLENGES_LEAST, CHALLENGES_MOST);
}

/* Chance of two equal ones among a hundred out of ten thousand is a third, of four it is none. */
static void no_second_tells_the_bound_of_another(void **state)
{
	static unsigned seen[CHALLENGES_MOST + 1];
	struct challenge c = challenge_of(secret);
	unsigned low = CHALLENGES_MOST, high = CHALLENGES_LEAST;

	(void)state;
	for (unsigned s = 0; s < 100; s++) {
		unsigned n = all_of(&c, s * NS_PER_SEC);

		assert_true(++seen[n] < 4);
		low = n < low ? n : low;
		high = n > high ? n : high;
	}
	assert_true(low < CHALLENGES_LEAST + 1000 && high > CHALLENGES_MOST - 1000);
}

static void another_secret_draws_other_bounds(void **state)
{
	struct challenge c = challenge_of(secret), d = challenge_of(other_secret);
	unsigned same = 0;

	(void)state;
	for (unsigned s = 0; s < 100; s++)
		same += all_of(&c, s * NS_PER_SEC) == all_of(&d, s * NS_PER_SEC);
	assert_true(same < 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_second_has_a_bound),
		cmocka_unit_test(what_is_left_of_a_second_is_not_saved_up),
		cmocka_unit_test(no_second_tells_the_bound_of_another),
		cmocka_unit_test(another_secret_draws_other_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
