/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app_end.c - what an application had goes when its process ends: in order, step by step, all of it. */
#include "slowpath/app.h"

#include <errno.h>

#include "tests/unit/app_rig.h"

static void the_death_of_an_application_closes_all_it_had(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct ctl_listen l = { .cookie = 5 }, l2 = { .cookie = 6 };
	uint32_t flow[50];

	(void)state;
	assert_int_equal(app_listen(&r->apps, app, &l), 0);
	assert_int_equal(app_listen(&r->apps, app, &l2), 0);
	for (unsigned i = 0; i < ARRAY_LEN(flow); i++)
		flow[i] = rig_attached_flow(r, app);
	rig_dies(r, app);
	assert_int_equal(r->fp.apps[app].live, 0);
	assert_int_equal(r->left[l.id], 1);
	assert_int_equal(r->closed[l.id], 1);
	assert_int_equal(r->closed[l2.id], 1);
	assert_true(apps_deadline(&r->apps, r->now) <= r->now + APP_GRACE_RETRY);
	for (unsigned i = 0; i < ARRAY_LEN(flow); i++) {
		assert_int_equal(r->flow_closes[flow[i]], 1);
		assert_int_equal(r->how[flow[i]], APP_DIED);
	}
	rig_pass(r);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	assert_null(r->fp.apps[app].base);
	rig_dies(r, app); /* again: nothing */
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	assert_int_equal(apps_deadline(&r->apps, r->now), TAS_NS_NEVER);
	rig_end(r);
}

static unsigned nr_closed(const struct app_rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < RIG_IDS; i++)
		n += r->closed[i];
	return n;
}

static void the_listeners_of_the_dead_go_a_few_in_each_pass(void **state)
{
	enum { LISTENERS = 3 * APP_LISTENERS_BURST + 1 };
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);

	(void)state;
	for (uint32_t i = 0; i < LISTENERS; i++) {
		struct ctl_listen l = { .cookie = i };

		assert_int_equal(app_listen(&r->apps, app, &l), 0);
	}
	rig_dies(r, app);
	for (unsigned i = 1; i <= 3; i++) {
		assert_int_equal(nr_closed(r), i * APP_LISTENERS_BURST);
		assert_int_equal(r->flow_closes[flow], 0); /* listeners first */
		assert_int_equal(apps_deadline(&r->apps, r->now), r->now);
		rig_pass(r);
	}
	assert_int_equal(nr_closed(r), LISTENERS);
	assert_int_equal(r->flow_closes[flow], 1);
	rig_end(r);
}

static void its_memory_stays_while_unsent_data_is_on_its_way(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);

	(void)state;
	r->keep_closed_flows = true;
	rig_dies(r, app);
	for (int i = 0; i < 10; i++)
		rig_pass(r);
	assert_int_equal(r->flow_closes[flow], 1);
	assert_int_equal(r->apps.slot[app].state, APP_DRAINING);
	*(volatile char *)app_page(&r->fp.apps[app], r->fp.flows[flow].tx_page) = 1;
	assert_int_equal(apps_deadline(&r->apps, r->now), TAS_NS_NEVER); /* costs nothing meanwhile */
	rig_flow_done(r, flow);
	rig_pass(r);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	rig_end(r);
}

static void its_memory_stays_until_every_core_has_looked_away(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);

	(void)state;
	rig_dies(r, app);
	for (int i = 0; i < 10; i++) {
		rte_rcu_qsbr_quiescent(r->fp.qsbr, 0);
		fp_reclaim(&r->fp);
		apps_poll(&r->apps, r->now);
		assert_int_equal(r->apps.slot[app].state, APP_GRACE);
		*(volatile char *)r->fp.apps[app].base = 1;
	}
	assert_in_range(apps_deadline(&r->apps, r->now), r->now + 1, r->now + NS_PER_SEC);
	rte_rcu_qsbr_quiescent(r->fp.qsbr, 1);
	apps_poll(&r->apps, r->now);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	rig_end(r);
}

static void one_that_never_mapped_goes_at_once(void **state)
{
	struct app_rig *r = rig_new();

	(void)state;
	rig_dies(r, rig_greet(r, 0));
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	rig_end(r);
}

static void many_die_together_and_each_goes(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app[RIG_APPS];

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (unsigned i = 0; i < RIG_APPS; i++) {
			app[i] = rig_app(r);
			for (unsigned k = 0; k < i; k++)
				rig_attached_flow(r, app[i]);
		}
		for (unsigned i = 0; i < RIG_APPS; i++)
			rig_dies(r, app[i]);
		for (int i = 0; i < 3; i++)
			rig_pass(r);
		assert_int_equal(r->apps.nr_free, RIG_APPS);
		assert_int_equal(r->apps.nr_dying, 0);
	}
	assert_int_equal(r->fp.nr_free, RIG_FLOWS);
	rig_end(r);
}

static void thousands_come_and_go_and_leave_nothing(void **state)
{
	struct app_rig *r = rig_new();
	uint64_t before = 0;
	uint32_t flow;

	(void)state;
	for (int i = 0; i < 3000; i++) {
		uint16_t app = rig_app(r);

		for (int k = 0; k < 5; k++)
			assert_int_equal(rig_try_flow(r, app, &flow), 0);
		rig_dies(r, app);
		rig_pass(r);
		rig_pass(r);
		rig_pass(r);
		if (i == 500)
			before = rig_rss_kib();
	}
	assert_int_equal(r->apps.nr_free, RIG_APPS);
	assert_in_range(rig_rss_kib(), 0, before + 256);
	rig_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_death_of_an_application_closes_all_it_had),
		cmocka_unit_test(the_listeners_of_the_dead_go_a_few_in_each_pass),
		cmocka_unit_test(its_memory_stays_while_unsent_data_is_on_its_way),
		cmocka_unit_test(its_memory_stays_until_every_core_has_looked_away),
		cmocka_unit_test(one_that_never_mapped_goes_at_once),
		cmocka_unit_test(many_die_together_and_each_goes),
		cmocka_unit_test(thousands_come_and_go_and_leave_nothing),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
