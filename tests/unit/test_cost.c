/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cost.c - what a pass of the slow path does for applications is bounded, and shared between users. */
#include "slowpath/cost.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/compiler.h"

enum { ROOT = 0, A = 1000, B };

static struct users us;
static struct cost c;

static int setup(void **state)
{
	(void)state;
	users_init(&us);
	users_limit(&us, SHARE_APPS, 10);
	for (uid_t uid = A; uid <= B; uid++)
		users_take(&us, uid, SHARE_APPS, 1);
	c = (struct cost){ .users = &us };
	cost_begin(&c);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	users_fini(&us);
	return 0;
}

/* As much as there is, by pieces of so many units. */
static uint32_t spend_all(uid_t uid, uint32_t piece)
{
	uint32_t all = 0;

	for (; cost_may(&c, uid); all += piece)
		cost_spend(&c, uid, piece);
	return all;
}

static void a_pass_ends_when_it_is_spent(void **state)
{
	(void)state;
	assert_int_equal(spend_all(ROOT, 1), COST_PASS);
	assert_int_equal(spend_all(A, 1), 0);
	cost_begin(&c);
	assert_int_equal(spend_all(ROOT, 1), COST_PASS);
}

static void one_user_leaves_something_of_each_pass_to_others(void **state)
{
	(void)state;
	assert_int_equal(spend_all(A, 1), COST_USER);
	assert_int_equal(spend_all(B, 1), COST_PASS - COST_USER);
	assert_int_equal(cost_left(&c, ROOT), 0);
}

static void in_the_long_run_a_user_has_less(void **state)
{
	uint32_t all = spend_all(A, 1);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		cost_begin(&c);
		assert_int_equal(cost_left(&c, A), COST_FORGIVEN);
		all += spend_all(A, 1);
	}
	assert_int_equal(all, COST_USER + 100 * COST_FORGIVEN);
	c.pass += 3; /* and after a pause as much as at first */
	assert_int_equal(spend_all(A, 1), COST_USER);
}

static void a_large_piece_is_waited_for_by_its_user_and_nobody_else(void **state)
{
	uint32_t passes = 0;

	(void)state;
	cost_spend(&c, A, 10 * COST_PASS);
	assert_false(cost_may(&c, B)); /* of this pass nothing is left */
	for (; !cost_may(&c, A); passes++) {
		cost_begin(&c);
		assert_int_equal(cost_left(&c, B), COST_USER);
	}
	assert_int_equal(passes, (10 * COST_PASS - COST_USER) / COST_FORGIVEN + 1);
}

static void root_waits_for_nobody_but_the_next_pass(void **state)
{
	(void)state;
	cost_spend(&c, ROOT, 10 * COST_PASS);
	assert_false(cost_may(&c, ROOT));
	cost_begin(&c);
	assert_int_equal(cost_left(&c, ROOT), COST_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_pass_ends_when_it_is_spent, setup, teardown),
		cmocka_unit_test_setup_teardown(one_user_leaves_something_of_each_pass_to_others, setup,
			teardown),
		cmocka_unit_test_setup_teardown(in_the_long_run_a_user_has_less, setup, teardown),
		cmocka_unit_test_setup_teardown(a_large_piece_is_waited_for_by_its_user_and_nobody_else,
			setup, teardown),
		cmocka_unit_test_setup_teardown(root_waits_for_nobody_but_the_next_pass, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
