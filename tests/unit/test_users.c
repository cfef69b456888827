/* SPDX-License-Identifier: BSD-3-Clause */
/* test_users.c - nobody but root uses up what is for all, and what is given back is there again. */
#include "slowpath/users.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"

enum { ROOT = 0, A = 1000, B, C, MAX = 1024 };

static struct users us;

static int setup(void **state)
{
	(void)state;
	users_init(&us);
	users_limit(&us, SHARE_APPS, MAX);
	users_limit(&us, SHARE_HOLDS, 8);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	users_fini(&us);
	return 0;
}

static unsigned take_all(uid_t uid, enum user_share what)
{
	unsigned n = 0;

	while (users_take(&us, uid, what, 1))
		n++;
	return n;
}

static void one_user_has_at_most_three_quarters(void **state)
{
	(void)state;
	assert_int_equal(take_all(A, SHARE_APPS), MAX * 3 / 4);
	assert_int_equal(users_has(&us, A, SHARE_APPS), MAX * 3 / 4);
	assert_int_equal(take_all(A, SHARE_HOLDS), 6); /* each limit by itself */
}

static void several_users_leave_something_to_the_next(void **state)
{
	(void)state;
	take_all(A, SHARE_APPS);
	assert_int_equal(take_all(B, SHARE_APPS), MAX / 4 * 3 / 4);
	assert_int_equal(take_all(C, SHARE_APPS), MAX / 16 * 3 / 4);
	assert_true(users_may_take(&us, C + 1, SHARE_APPS, 1));
	assert_false(users_may_take(&us, B, SHARE_APPS, 1));
}

static void root_may_have_all_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(take_all(ROOT, SHARE_APPS), MAX);
	assert_false(users_may_take(&us, A, SHARE_APPS, 1));
}

static void what_root_has_is_not_taken_off_the_share_of_others(void **state)
{
	(void)state;
	assert_true(users_take(&us, A, SHARE_APPS, MAX * 3 / 4));
	assert_int_equal(take_all(ROOT, SHARE_APPS), MAX / 4);
	users_give(&us, A, SHARE_APPS, 1);
	assert_true(users_take(&us, A, SHARE_APPS, 1));
	assert_false(users_may_take(&us, B, SHARE_APPS, 1));
}

static void what_is_given_back_may_be_taken_again(void **state)
{
	(void)state;
	take_all(A, SHARE_APPS);
	take_all(B, SHARE_APPS);
	users_give(&us, A, SHARE_APPS, 1);
	assert_true(users_take(&us, B, SHARE_APPS, 1)); /* who has least comes first */
	users_give(&us, A, SHARE_APPS, 400);
	assert_true(users_take(&us, A, SHARE_APPS, 1));
	assert_int_equal(us.taken[SHARE_APPS], users_has(&us, A, SHARE_APPS) + users_has(&us, B, SHARE_APPS));
}

static void many_at_once_are_as_many_one_by_one(void **state)
{
	(void)state;
	assert_false(users_take(&us, A, SHARE_APPS, MAX * 3 / 4 + 1));
	assert_true(users_take(&us, A, SHARE_APPS, MAX * 3 / 4));
	assert_false(users_take(&us, A, SHARE_APPS, 1));
	assert_false(users_take(&us, ROOT, SHARE_APPS, MAX / 4 + 1));
	assert_false(users_take(&us, ROOT, SHARE_APPS, UINT64_MAX));
}

static void the_only_one_there_is_may_be_taken(void **state)
{
	(void)state;
	users_limit(&us, SHARE_APPS, 1);
	assert_true(users_take(&us, A, SHARE_APPS, 1));
	assert_false(users_take(&us, A, SHARE_APPS, 1));
}

static void a_user_who_has_nothing_is_forgotten(void **state)
{
	(void)state;
	assert_true(users_take(&us, A, SHARE_APPS, 2));
	assert_true(users_take(&us, A, SHARE_HOLDS, 1));
	users_give(&us, A, SHARE_APPS, 2);
	users_give(&us, A, SHARE_APPS, 0);
	assert_false(RB_EMPTY(&us.tree));
	users_give(&us, A, SHARE_HOLDS, 1);
	assert_true(RB_EMPTY(&us.tree));
	users_give(&us, A, SHARE_HOLDS, 0);
}

/* Whoever takes and gives, in whatever order: the books agree, and one more user finds a place. */
static void in_any_order_the_books_agree(void **state)
{
	uint64_t has[5] = { 0 };
	struct tas_rand rand;

	(void)state;
	rand_seed(&rand, 7);
	for (unsigned step = 0; step < 100000; step++) {
		uid_t uid = 1 + rand_below(&rand, ARRAY_LEN(has) - 1);
		uint64_t n = 1 + rand_below(&rand, 50), sum = 0;

		if (rand_chance_ppm(&rand, 600000)) {
			has[uid] += users_take(&us, uid, SHARE_APPS, n) ? n : 0;
		} else {
			n = n < has[uid] ? n : has[uid];
			users_give(&us, uid, SHARE_APPS, n);
			has[uid] -= n;
		}
		for (uid = 1; uid < ARRAY_LEN(has); uid++) {
			assert_int_equal(users_has(&us, uid, SHARE_APPS), has[uid]);
			sum += has[uid];
		}
		assert_int_equal(us.taken[SHARE_APPS], sum);
		assert_true(users_may_take(&us, A, SHARE_APPS, 1));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(one_user_has_at_most_three_quarters, setup, teardown),
		cmocka_unit_test_setup_teardown(several_users_leave_something_to_the_next, setup, teardown),
		cmocka_unit_test_setup_teardown(root_may_have_all_and_no_more, setup, teardown),
		cmocka_unit_test_setup_teardown(what_root_has_is_not_taken_off_the_share_of_others, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_is_given_back_may_be_taken_again, setup, teardown),
		cmocka_unit_test_setup_teardown(many_at_once_are_as_many_one_by_one, setup, teardown),
		cmocka_unit_test_setup_teardown(the_only_one_there_is_may_be_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(a_user_who_has_nothing_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(in_any_order_the_books_agree, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
