/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app_turn.c - whose bells a core looks at, and that users have the same of it, however many processes
 * they start. */
#include "tests/unit/rig_tcp.h"

enum { MANY = 240, ALICE = 0, BOB = 1000, SHARE = 4 * FP_BATCH };

/* That asks for nothing, and belongs to nobody any more: to take it is all that it costs. */
static void rings(struct rig_app *a, unsigned n)
{
	struct abi_bell late = { .flow = 1, .gen = UINT32_MAX };

	while (n-- > 0)
		bell(a, 0, late);
}

static uint64_t waiting(const struct rig_app *a)
{
	const struct abi_bell_ring *r = (const void *)(a->base + a->ctx[0].shm->bell_off[0]);

	return r->produced - r->consumed;
}

static void pass(void)
{
	rig.now += 1000;
	core_poll(rig.fp.core[0], rig.now);
}

/* The first `of_bob` are Bob's, and all others Alice's. */
static void start(unsigned n, unsigned of_bob)
{
	rig_open();
	for (unsigned i = 0; i < n; i++) {
		rig.uid[i] = i < of_bob ? BOB : ALICE;
		app_start(i);
	}
}

TEST(processes_of_one_user_have_no_more_than_the_process_of_another)
{
	start(RIG_APPS, RIG_APPS - 1);
	for (unsigned i = 0; i < RIG_APPS; i++)
		rings(&rig.app[i], MANY);
	pass(); /* that shows that somebody wants more than there is */
	for (unsigned i = 0; i < 5; i++) {
		uint64_t alices = waiting(&rig.app[RIG_APPS - 1]), all = counted(CNT_APP_BELLS);

		pass();
		assert_int_equal(alices - waiting(&rig.app[RIG_APPS - 1]), FP_BATCH);
		assert_int_equal(counted(CNT_APP_BELLS) - all, 2 * FP_BATCH);
	}
}

TEST(processes_of_one_user_take_turns)
{
	start(RIG_APPS, RIG_APPS - 1);
	for (unsigned i = 0; i < RIG_APPS; i++)
		rings(&rig.app[i], MANY);
	pass();
	for (unsigned i = 0; i < RIG_APPS - 1; i++)
		pass();
	for (unsigned i = 0; i < RIG_APPS - 1; i++) /* one in the first pass, or none, and one since */
		assert_in_range(MANY - waiting(&rig.app[i]), FP_BATCH, 2 * FP_BATCH);
}

TEST(user_alone_has_a_larger_share_of_a_pass)
{
	uint64_t all;

	start(RIG_APPS, 0);
	for (unsigned i = 0; i < RIG_APPS; i++)
		rings(&rig.app[i], MANY);
	for (unsigned i = 0; i < 5; i++) {
		all = counted(CNT_APP_BELLS);
		pass();
		assert_int_equal(counted(CNT_APP_BELLS) - all, SHARE);
	}
}

TEST(nobody_waits_where_there_is_enough_for_all)
{
	start(RIG_APPS, RIG_APPS / 2);
	for (unsigned i = 0; i < 5; i++) {
		for (unsigned k = 0; k < RIG_APPS; k++)
			rings(&rig.app[k], FP_BATCH);
		pass();
		for (unsigned k = 0; k < RIG_APPS; k++)
			assert_int_equal(waiting(&rig.app[k]), 0);
	}
}

TEST(quiet_ones_among_many_are_looked_at_no_more)
{
	struct fp_core *c;

	start(RIG_APPS, RIG_APPS / 2);
	c = rig.fp.core[0];
	assert_int_equal(c->napps, RIG_APPS);
	assert_int_equal(c->nusers, 2);
	for (unsigned ms = 0; ms < 12; ms++) {
		wait_ms(1);
		rings(&rig.app[1], 1);
		rings(&rig.app[RIG_APPS - 1], 1);
		rig_run();
	}
	assert_int_equal(c->napps, 2);
	wait_ms(12);
	rig_run();
	assert_int_equal(c->napps, 0);
	assert_int_equal(c->nusers, 0);
	for (unsigned i = 0; i < RIG_APPS; i++) {
		assert_int_equal(rig.app[i].header->core_line[0].asleep, 1);
		rings(&rig.app[i], 1);
	}
	rig_run();
	assert_int_equal(counted(CNT_APP_BELLS), 2 * 12 + RIG_APPS);
}

/* Those that left are found among the others, whose user nobody mixes up with them. */
TEST(place_that_another_user_takes_over_is_that_users)
{
	struct fp_core *c;

	start(4, 3);
	c = rig.fp.core[0];
	rig.fp.apps[rig.app[1].id].user = rig.fp.apps[rig.app[3].id].user;
	core_app_rang(c, rig.app[1].id);
	core_app_rang(c, rig.app[1].id);
	assert_int_equal(c->napps, 4);
	assert_int_equal(c->user[rig.fp.apps[rig.app[0].id].user].napps, 2);
	assert_int_equal(c->user[rig.fp.apps[rig.app[3].id].user].napps, 2);
	for (unsigned i = 0; i < 4; i++)
		rings(&rig.app[i], 10);
	pass();
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(waiting(&rig.app[i]), 0);
	rig.fp.apps[rig.app[1].id].user = rig.fp.apps[rig.app[0].id].user;
	core_app_rang(c, rig.app[1].id);
	for (unsigned i = 0; i < 4; i++)
		app_detach(&rig.apps, rig.app[i].id);
	rig_run();
	assert_int_equal(c->napps, 0);
	assert_int_equal(c->nusers, 0);
}

TEST(applications_that_come_and_go_while_a_core_stands_fill_no_ring)
{
	start(1, 0);
	for (unsigned i = 0; i < 8 * rig.conf.memory.flows_max; i++)
		fp_app_started(&rig.fp, rig.app[0].id);
	assert_int_equal(rte_ring_count(rig.fp.core[0]->kicks), 1);
	rig_run();
	wait_ms(12);
	rig_run();
	assert_int_equal(rig.fp.core[0]->napps, 0);
	fp_app_started(&rig.fp, rig.app[0].id); /* and the next one is heard */
	core_poll(rig.fp.core[0], rig.now);
	assert_int_equal(rig.fp.core[0]->napps, 1);
}

TEST(users_are_told_apart_by_a_number_that_each_has_as_long_as_it_is_there)
{
	uint16_t bobs;

	start(4, 2);
	bobs = rig.fp.apps[rig.app[0].id].user;
	assert_int_equal(rig.fp.apps[rig.app[1].id].user, bobs);
	assert_int_not_equal(rig.fp.apps[rig.app[2].id].user, bobs);
	assert_int_equal(rig.fp.apps[rig.app[3].id].user, rig.fp.apps[rig.app[2].id].user);
	app_detach(&rig.apps, rig.app[0].id);
	wait_ms(20);
	rig.uid[4] = BOB;
	rig.uid[5] = BOB + 1;
	assert_int_equal(rig.fp.apps[app_start(4)->id].user, bobs);
	assert_int_not_equal(rig.fp.apps[app_start(5)->id].user, bobs);
	assert_int_equal(rig.apps.nr_free_users, RIG_APPS - 3);
	for (unsigned i = 1; i < RIG_APPS; i++)
		app_detach(&rig.apps, rig.app[i].id);
	wait_ms(50);
	assert_int_equal(rig.apps.nr_free_users, RIG_APPS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(processes_of_one_user_have_no_more_than_the_process_of_another),
		RIG_TEST(processes_of_one_user_take_turns),
		RIG_TEST(user_alone_has_a_larger_share_of_a_pass),
		RIG_TEST(nobody_waits_where_there_is_enough_for_all),
		RIG_TEST(quiet_ones_among_many_are_looked_at_no_more),
		RIG_TEST(place_that_another_user_takes_over_is_that_users),
		RIG_TEST(applications_that_come_and_go_while_a_core_stands_fill_no_ring),
		RIG_TEST(users_are_told_apart_by_a_number_that_each_has_as_long_as_it_is_there),
	};

	return RIG_MAIN(tests);
}
