/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app_flow.c - a flow's record and rings are its own, within the quota, and come back. */
#include "slowpath/app_flow.h"

#include <errno.h>
#include <unistd.h>

#include "tests/unit/app_rig.h"

static void a_record_says_what_the_connection_is(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct app_flow_spec spec = { .app = app, .listener = 77 };
	uint32_t flow = rig_flow(r);
	struct abi_flow_rec *rec;

	(void)state;
	r->fp.flows[flow].core = 1;
	assert_int_equal(rig_flow_attach(r, flow, &spec), 0);
	rec = rig_rec(r, flow);
	assert_int_equal(rec->flow, flow);
	assert_int_equal(rec->gen, r->fp.flows[flow].gen);
	assert_int_equal(rec->core, 1);
	assert_int_equal(rec->listener, 77);
	assert_int_equal(rec->snd_mss, 1448);
	assert_true(addr_eq(rec->local, addr_v4(htobe32(0xc0000201))));
	assert_true(addr_eq(rec->remote, addr_v4(htobe32(0xc0000202))));
	assert_int_equal(rec->local_port, 1234);
	assert_int_equal(rec->remote_port, 5678);
	assert_int_equal(rec->rx_size, 64 << 10);
	assert_int_equal(rec->tx_size, 32 << 10);
	assert_int_equal(rec->rx_off, (uint64_t)r->fp.flows[flow].rx_page << 12);
	assert_int_equal(rec->tx_off, (uint64_t)r->fp.flows[flow].tx_page << 12);
	assert_int_equal(flow_rx_size(&r->fp.flows[flow]), rec->rx_size);
	assert_int_equal(app_flow_of_rec(&r->apps, app, r->fp.flows[flow].rec), flow);
	rig_end(r);
}

static void sizes_are_powers_of_two_within_bounds(void **state)
{
	static const struct {
		uint32_t asked, given;
	} cases[] = { { 1, 4096 }, { 4096, 4096 }, { 4097, 8192 }, { 100000, 131072 } };
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		struct app_flow_spec spec = { .app = app,
			.rx_size = cases[i].asked,
			.tx_size = cases[i].asked };
		uint32_t flow = rig_flow(r);

		assert_int_equal(rig_flow_attach(r, flow, &spec), 0);
		assert_int_equal(rig_rec(r, flow)->rx_size, cases[i].given);
		assert_int_equal(rig_rec(r, flow)->tx_size, cases[i].given);
	}
	rig_end(r);
}

static void a_size_no_one_needs_is_cut_and_not_overflowed(void **state)
{
	struct app_rig *r = rig_new();
	struct app_flow_spec spec = { .rx_size = UINT32_MAX, .tx_size = UINT32_MAX };
	uint32_t flow;

	(void)state;
	r->conf.memory.app_memory_max = 64 << 20;
	spec.app = rig_app(r);
	flow = rig_flow(r);
	assert_int_equal(rig_flow_attach(r, flow, &spec), 0);
	assert_int_equal(rig_rec(r, flow)->rx_size, APP_BUFFER_MAX);
	rig_end(r);
}

/* Each writes its whole rings; nobody's bytes change. */
static void no_two_flows_share_a_byte(void **state)
{
	enum { FLOWS = 60 };
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow[FLOWS];

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++) {
		const struct flow *f = &r->fp.flows[flow[i] = rig_attached_flow(r, app)];

		memset(app_page(&r->fp.apps[app], f->rx_page), (int)i + 1, flow_rx_size(f));
		memset(app_page(&r->fp.apps[app], f->tx_page), (int)i + 101, flow_tx_size(f));
	}
	for (unsigned i = 0; i < FLOWS; i++) {
		const struct flow *f = &r->fp.flows[flow[i]];
		const char *rx = app_page(&r->fp.apps[app], f->rx_page),
			   *tx = app_page(&r->fp.apps[app], f->tx_page);

		for (uint32_t at = 0; at < flow_rx_size(f); at++)
			assert_int_equal((uint8_t)rx[at], i + 1);
		for (uint32_t at = 0; at < flow_tx_size(f); at++)
			assert_int_equal((uint8_t)tx[at], i + 101);
		assert_int_equal(rig_rec(r, flow[i])->flow, flow[i]);
	}
	rig_end(r);
}

static void at_the_quota_the_newcomer_is_refused_and_nothing_stays_of_it(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct app_slot *s = &r->apps.slot[app];
	uint32_t flow, n = 0, free_pages, recs;

	(void)state;
	while (rig_try_flow(r, app, &flow) == 0)
		n++;
	assert_in_range(n, 60, 86); /* 8 MiB of 96 KiB each, less header, context and records */
	free_pages = s->pool.free_pages;
	recs = s->nr_recs;
	assert_int_equal(rig_try_flow(r, app, &flow), -ENOMEM);
	assert_int_equal(s->pool.free_pages, free_pages);
	assert_int_equal(s->nr_recs, recs);
	assert_int_equal(r->fp.flows[flow].app, APP_NONE);
	assert_int_equal(fp_counter(&r->fp, CNT_TCP_NO_MEMORY), 2);
	buf_check(&s->pool);
	rig_end(r);
}

static void a_flow_whose_second_ring_does_not_fit_leaves_nothing_of_the_first(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct app_flow_spec spec = { .app = app, .rx_size = 4096, .tx_size = 4 << 20 };
	uint32_t first = rig_flow(r), second = rig_flow(r), free_pages;

	(void)state;
	assert_int_equal(rig_flow_attach(r, first, &spec), 0);
	free_pages = r->apps.slot[app].pool.free_pages;
	assert_int_equal(rig_flow_attach(r, second, &spec), -ENOMEM);
	assert_int_equal(r->apps.slot[app].pool.free_pages, free_pages);
	rig_end(r);
}

/* However many processes it has. */
static void a_user_leaves_memory_to_others(void **state)
{
	enum { ALL = 1024 }; /* pages */
	struct app_rig *r;
	uint16_t app[2], other;
	uint32_t flow;
	uint64_t has;
	char why[256];
	struct ctl_hello h = rig_hello();
	struct app_who who = { .pid = 1, .uid = 1002 };

	(void)state;
	rig_all_memory_max = ALL * REGION_PAGE;
	r = rig_new();
	rig_uid = 1000;
	for (unsigned i = 0; i < 2; i++)
		app[i] = rig_app(r);
	for (unsigned i = 0; rig_try_flow(r, app[i % 2], &flow) == 0; i++)
		;
	has = users_has(&r->apps.users, 1000, SHARE_MEMORY);
	assert_in_range(has, ALL * 3 / 4 - 24, ALL * 3 / 4);
	assert_int_equal(has * REGION_PAGE,
		r->apps.slot[app[0]].region.resident + r->apps.slot[app[1]].region.resident);
	assert_int_equal(rig_try_flow(r, app[1], &flow), -ENOMEM);
	rig_uid = 1001;
	other = rig_app(r);
	assert_int_equal(rig_try_flow(r, other, &flow), 0);
	rig_uid = 0;
	for (other = rig_app(r); rig_try_flow(r, other, &flow) == 0;) /* root takes the rest */
		;
	while (r->apps.users.taken[SHARE_MEMORY] < ALL)
		assert_true(users_take(&r->apps.users, 0, SHARE_MEMORY, 1));
	assert_int_equal(app_hello(&r->apps, &h, &who, r->now, &other, why, sizeof(why)), ENOMEM);
	assert_non_null(strstr(why, "memory_max"));
	rig_dies(r, app[0]);
	rig_pass(r);
	rig_pass(r);
	assert_int_equal(rig_try_flow(r, app[1], &flow), 0);
	rig_all_memory_max = 0;
	rig_end(r);
}

static void by_default_half_of_the_machine_is_there(void **state)
{
	struct app_rig *r = rig_new();

	(void)state;
	assert_int_equal(r->apps.users.max[SHARE_MEMORY],
		(uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / 2 / REGION_PAGE);
	rig_end(r);
}

static void large_rings_are_made_pass_by_pass(void **state)
{
	enum { SIZE = 1 << 20 };
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct app_slot *s = &r->apps.slot[app];
	struct app_flow_spec spec = { .app = app, .rx_size = SIZE, .tx_size = SIZE };
	uint32_t first = rig_attached_flow(r, app), flow = rig_flow(r), free_pages = s->pool.free_pages,
		 passes = 0;
	uint64_t before, all = s->region.resident;

	(void)state;
	do {
		before = s->region.resident;
		cost_begin(&r->apps.cost);
		if (app_flow_attach(&r->apps, flow, &spec) == 0)
			break;
		passes++;
		assert_in_range(s->region.resident - before, REGION_PAGE, 2 * COST_PIECE * REGION_PAGE);
		assert_int_equal(s->pool.free_pages, free_pages);
		assert_int_equal(s->nr_recs, 1);
		assert_int_equal(r->fp.flows[flow].app, APP_NONE);
	} while (passes < 1000);
	assert_in_range(passes, 2 * SIZE / REGION_PAGE / COST_PIECE / 2,
		2 * SIZE / REGION_PAGE / COST_PIECE + 2);
	assert_int_equal(s->region.resident - all, 2 * SIZE);
	assert_int_equal(fp_counter(&r->fp, CNT_TCP_NO_MEMORY), 0);
	r->apps.cost.left = 0; /* what is there costs nothing */
	rig_flow_done(r, flow);
	flow = rig_flow(r);
	assert_int_equal(app_flow_attach(&r->apps, flow, &spec), 0);
	assert_int_equal(app_flow_of_rec(&r->apps, app, 0), first);
	rig_end(r);
}

static void another_application_does_not_feel_the_first_ones_quota(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t greedy = rig_app(r), other = rig_app(r);
	uint32_t flow;

	(void)state;
	while (rig_try_flow(r, greedy, &flow) == 0)
		;
	assert_int_equal(rig_try_flow(r, other, &flow), 0);
	rig_end(r);
}

static void an_application_has_at_most_its_number_of_flows(void **state)
{
	struct app_rig *r = rig_new();
	struct app_flow_spec spec = { .rx_size = 4096, .tx_size = 4096 };
	uint32_t flow;

	(void)state;
	r->conf.memory.app_memory_max = 64 << 20;
	spec.app = rig_app(r);
	for (unsigned i = 0; i < 2048; i++)
		assert_int_equal(rig_flow_attach(r, rig_flow(r), &spec), 0);
	flow = rig_flow(r);
	assert_int_equal(rig_flow_attach(r, flow, &spec), -ENOBUFS);
	app_flow_free_buffers(&r->apps, 0);
	assert_int_equal(rig_flow_attach(r, flow, &spec), 0);
	assert_int_equal(r->fp.flows[flow].rec, 0); /* the record that became free */
	rig_end(r);
}

static void a_dead_or_unknown_application_or_context_gets_no_flow(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r), dead = rig_app(r);
	struct app_flow_spec spec = { .app = app, .ctx = 1 };

	(void)state;
	assert_int_equal(rig_flow_attach(r, rig_flow(r), &spec), -ESRCH);
	spec = (struct app_flow_spec){ .app = dead };
	rig_dies(r, dead);
	assert_int_equal(rig_flow_attach(r, rig_flow(r), &spec), -ESRCH);
	spec = (struct app_flow_spec){ .app = APP_NONE };
	assert_int_equal(rig_flow_attach(r, rig_flow(r), &spec), -ESRCH);
	spec = (struct app_flow_spec){ .app = rig_greet(r, 0) }; /* has not mapped yet */
	assert_int_equal(rig_flow_attach(r, rig_flow(r), &spec), -ESRCH);
	rig_end(r);
}

static void a_record_is_free_before_its_rings_are(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct app_slot *s = &r->apps.slot[app];
	uint32_t records = sizeof(struct abi_rec_chunk) / REGION_PAGE; /* once */
	uint32_t before = s->pool.free_pages - records, flow = rig_attached_flow(r, app);
	struct abi_flow_rec *rec = rig_rec(r, flow);

	(void)state;
	app_flow_detach(&r->apps, flow);
	assert_int_equal(rec->gen, 0);
	assert_int_equal(r->fp.flows[flow].rec, APP_REC_NONE);
	assert_int_equal(app_flow_of_rec(&r->apps, app, 0), FLOW_NONE);
	assert_int_equal(s->nr_recs, 0);
	assert_int_equal(s->nr_rings, 1);
	app_flow_detach(&r->apps, flow); /* again: nothing */
	assert_true(s->pool.free_pages < before);
	app_flow_free_buffers(&r->apps, flow);
	assert_int_equal(s->pool.free_pages, before);
	app_flow_free_buffers(&r->apps, flow);
	assert_int_equal(s->pool.free_pages, before);
	assert_int_equal(s->nr_rings, 0);
	rig_end(r);
}

static void what_was_freed_is_populated_already_when_it_is_used_again(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint64_t resident;

	(void)state;
	app_flow_free_buffers(&r->apps, rig_attached_flow(r, app));
	resident = r->apps.slot[app].region.resident;
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t flow = rig_attached_flow(r, app);

		rig_flow_done(r, flow);
		rig_pass(r);
	}
	assert_int_equal(r->apps.slot[app].region.resident, resident);
	rig_end(r);
}

/* --- fork --- */

/* Its process closes it after all the forks there were so far. True if somebody still has it. */
static bool closes(struct app_rig *r, uint32_t flow, enum app_close how)
{
	r->fp.cold[flow].close_forks = (uint16_t)r->apps.holds.app[r->fp.flows[flow].app].forks;
	return app_flow_close_held(&r->apps, flow, how);
}

static void a_flow_closed_by_its_owner_waits_for_the_child(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);
	struct hold *h = app_fork(&r->apps, app, 1);
	uint32_t later = rig_attached_flow(r, app);

	(void)state;
	assert_true(closes(r, flow, APP_ABORTED));
	assert_true(closes(r, flow, APP_CLOSED)); /* the message again */
	assert_false(closes(r, later, APP_CLOSED));
	rig_pass(r);
	assert_int_equal(r->flow_closes[flow], 0);
	app_fork_end(&r->apps, h);
	rig_pass(r);
	assert_int_equal(r->flow_closes[flow], 1);
	assert_int_equal(r->how[flow], APP_ABORTED);
	assert_int_equal(r->flow_closes[later], 0);
	rig_end(r);
}

static void two_children_both_keep_it(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);
	struct hold *h[2] = { app_fork(&r->apps, app, 1), app_fork(&r->apps, app, 2) };

	(void)state;
	for (int first = 0; first < 2; first++) {
		assert_true(closes(r, flow, APP_CLOSED));
		app_fork_end(&r->apps, h[first]);
		rig_pass(r);
		assert_int_equal(r->flow_closes[flow], 0);
		app_fork_end(&r->apps, h[!first]);
		rig_pass(r);
		assert_int_equal(r->flow_closes[flow], 1);
		flow = rig_attached_flow(r, app);
		h[0] = app_fork(&r->apps, app, 3);
		h[1] = app_fork(&r->apps, app, 4);
	}
	rig_end(r);
}

static void a_flow_that_ends_by_itself_leaves_the_hold(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow[3];
	struct hold *h;

	(void)state;
	for (int i = 0; i < 3; i++)
		flow[i] = rig_attached_flow(r, app);
	h = app_fork(&r->apps, app, 1);
	for (int i = 0; i < 3; i++)
		assert_true(closes(r, flow[i], APP_CLOSED));
	rig_flow_done(r, flow[1]); /* reset by its peer */
	app_fork_end(&r->apps, h);
	rig_pass(r);
	assert_int_equal(r->flow_closes[flow[0]], 1);
	assert_int_equal(r->flow_closes[flow[1]], 0);
	assert_int_equal(r->flow_closes[flow[2]], 1);
	assert_int_equal(r->apps.holds.nr_holds, 0);
	rig_end(r);
}

static void when_the_owner_dies_the_child_keeps_what_is_older_than_the_fork(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t old = rig_attached_flow(r, app), young;
	struct hold *h = app_fork(&r->apps, app, 1);

	(void)state;
	young = rig_attached_flow(r, app);
	rig_dies(r, app);
	for (int i = 0; i < 5; i++)
		rig_pass(r);
	assert_int_equal(r->flow_closes[young], 1);
	assert_int_equal(r->how[young], APP_DIED);
	assert_int_equal(r->flow_closes[old], 0);
	assert_int_equal(r->apps.slot[app].state, APP_DRAINING);
	app_fork_end(&r->apps, h);
	for (int i = 0; i < 5; i++)
		rig_pass(r);
	assert_int_equal(r->flow_closes[old], 1);
	assert_int_equal(r->how[old], APP_DIED);
	assert_int_equal(r->apps.slot[app].state, APP_FREE);
	assert_int_equal(r->apps.holds.nr_holds, 0);
	rig_end(r);
}

static void closing_many_flows_that_waited_takes_several_short_passes(void **state)
{
	enum { FLOWS = 2000 };
	struct app_rig *r = rig_new();
	struct app_flow_spec spec = { .rx_size = 4096, .tx_size = 4096, .listener = ABI_LISTENER_NONE };
	uint32_t flow[FLOWS];
	struct hold *h;
	unsigned closed = 0;

	(void)state;
	r->conf.memory.app_memory_max = 64 << 20;
	spec.app = rig_app(r);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_int_equal(rig_flow_attach(r, flow[i] = rig_flow(r), &spec), 0);
	h = app_fork(&r->apps, spec.app, 1);
	for (unsigned i = 0; i < FLOWS; i++)
		assert_true(closes(r, flow[i], APP_CLOSED));
	app_fork_end(&r->apps, h);
	assert_true(apps_deadline(&r->apps, r->now) <= r->now);
	assert_int_equal(rig_pass(r), APP_CLOSE_BURST);
	rig_pass(r);
	for (unsigned i = 0; i < FLOWS; i++)
		closed += r->flow_closes[flow[i]];
	assert_int_equal(closed, FLOWS);
	assert_int_equal(r->apps.holds.nr_holds, 0);
	rig_end(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_says_what_the_connection_is),
		cmocka_unit_test(sizes_are_powers_of_two_within_bounds),
		cmocka_unit_test(a_size_no_one_needs_is_cut_and_not_overflowed),
		cmocka_unit_test(no_two_flows_share_a_byte),
		cmocka_unit_test(at_the_quota_the_newcomer_is_refused_and_nothing_stays_of_it),
		cmocka_unit_test(a_flow_whose_second_ring_does_not_fit_leaves_nothing_of_the_first),
		cmocka_unit_test(a_user_leaves_memory_to_others),
		cmocka_unit_test(by_default_half_of_the_machine_is_there),
		cmocka_unit_test(large_rings_are_made_pass_by_pass),
		cmocka_unit_test(another_application_does_not_feel_the_first_ones_quota),
		cmocka_unit_test(an_application_has_at_most_its_number_of_flows),
		cmocka_unit_test(a_dead_or_unknown_application_or_context_gets_no_flow),
		cmocka_unit_test(a_record_is_free_before_its_rings_are),
		cmocka_unit_test(what_was_freed_is_populated_already_when_it_is_used_again),
		cmocka_unit_test(a_flow_closed_by_its_owner_waits_for_the_child),
		cmocka_unit_test(two_children_both_keep_it),
		cmocka_unit_test(a_flow_that_ends_by_itself_leaves_the_hold),
		cmocka_unit_test(when_the_owner_dies_the_child_keeps_what_is_older_than_the_fork),
		cmocka_unit_test(closing_many_flows_that_waited_takes_several_short_passes),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
