/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pace.c - the wheel of flows that wait until they may send. */
#include "fastpath/pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "include/base/rand.h"

enum { FLOWS = 64 };

struct rig {
	struct pace_wheel wheel;
	struct flow_cold *cold;
};

static int setup(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	r->cold = aligned_alloc(CACHE_LINE, FLOWS * sizeof(*r->cold));
	pace_init(&r->wheel);
	*state = r;
	return 0;
}

static int teardown(void **state)
{
	struct rig *r = *state;

	free(r->cold);
	free(r);
	return 0;
}

static void nothing_waits_in_an_empty_wheel(void **state)
{
	struct rig *r = *state;

	assert_int_equal(pace_pop(&r->wheel, r->cold, NS_PER_SEC), FLOW_NONE);
	assert_true(pace_next(&r->wheel) == TAS_NS_NEVER);
}

static void a_flow_comes_out_not_early_and_at_most_a_slot_late(void **state)
{
	struct rig *r = *state;
	struct tas_rand rand;
	tas_ns now = 5 * NS_PER_SEC;

	rand_seed(&rand, 1);
	for (unsigned round = 0; round < 2000; round++) {
		tas_ns due = now + rand_below(&rand, 8000000);

		assert_int_equal(pace_pop(&r->wheel, r->cold, now), FLOW_NONE);
		pace_insert(&r->wheel, r->cold, 7, due);
		assert_int_equal(pace_pop(&r->wheel, r->cold, due > now ? due - 1 : now), FLOW_NONE);
		assert_true(pace_next(&r->wheel) <= due + PACE_SLOT_NS);
		now = due + PACE_SLOT_NS;
		assert_int_equal(pace_pop(&r->wheel, r->cold, now), 7);
		assert_int_equal(pace_pop(&r->wheel, r->cold, now), FLOW_NONE);
	}
}

static void what_lies_beyond_the_wheel_comes_out_early(void **state)
{
	struct rig *r = *state;
	tas_ns now = NS_PER_SEC, horizon = (tas_ns)PACE_SLOTS * PACE_SLOT_NS;

	assert_int_equal(pace_pop(&r->wheel, r->cold, now), FLOW_NONE);
	pace_insert(&r->wheel, r->cold, 3, now + 100 * horizon);
	assert_int_equal(pace_pop(&r->wheel, r->cold, now + horizon), 3);
}

static void every_flow_comes_out_once_however_long_the_pause(void **state)
{
	struct rig *r = *state;
	bool seen[FLOWS] = { 0 };
	uint32_t id;

	pace_pop(&r->wheel, r->cold, NS_PER_SEC);
	for (uint32_t i = 0; i < FLOWS; i++)
		pace_insert(&r->wheel, r->cold, i, NS_PER_SEC + i * 100000ull);
	while ((id = pace_pop(&r->wheel, r->cold, 100 * NS_PER_SEC)) != FLOW_NONE) {
		assert_false(seen[id]);
		seen[id] = true;
	}
	for (uint32_t i = 0; i < FLOWS; i++)
		assert_true(seen[i]);
	assert_int_equal(r->wheel.waiting, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_waits_in_an_empty_wheel, setup, teardown),
		cmocka_unit_test_setup_teardown(a_flow_comes_out_not_early_and_at_most_a_slot_late, setup,
			teardown),
		cmocka_unit_test_setup_teardown(what_lies_beyond_the_wheel_comes_out_early, setup, teardown),
		cmocka_unit_test_setup_teardown(every_flow_comes_out_once_however_long_the_pause, setup,
			teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
