/* SPDX-License-Identifier: BSD-3-Clause */
/* test_app_share.c - a connection is where it was used last, with every byte, and ends with its last user. */
#include "slowpath/app_flow.h"

#include <errno.h>

#include "tests/unit/app_rig.h"

enum { TOKEN = 4711 };

struct family {
	struct app_rig *r;
	uint16_t parent, child;
	uint32_t flow;
	struct hold *hold;
};

static uint16_t child_of(struct app_rig *r, uint64_t token)
{
	uint16_t app = rig_attach_as_child(r, token);

	rig_context(r, app);
	return app;
}

/* A parent whose child attached, and a flow that is older than the fork. */
static struct family family_new(void)
{
	struct family m = { .r = rig_new() };

	m.parent = rig_app(m.r);
	m.flow = rig_attached_flow(m.r, m.parent);
	m.hold = app_fork(&m.r->apps, m.parent, TOKEN);
	m.child = child_of(m.r, TOKEN);
	return m;
}

static struct flow *flow_of(const struct family *m) { return &m->r->fp.flows[m->flow]; }

static struct ctl_adopt adopt_of(const struct family *m)
{
	return (struct ctl_adopt){ .flow = m->flow, .gen = flow_of(m)->gen };
}

static int adopt(const struct family *m, uint16_t app)
{
	struct ctl_adopt a = adopt_of(m);

	return app_adopt(&m->r->apps, app, &a);
}

static int leave(const struct family *m, uint16_t app)
{
	struct ctl_adopt a = adopt_of(m);

	return app_leave(&m->r->apps, app, &a);
}

/* The record of a process that is not the flow's home. */
static struct abi_flow_rec *rec_of(const struct family *m, uint16_t app)
{
	for (uint32_t i = 0; i < m->r->apps.slot[app].recs_begun; i++)
		if (app_flow_of_rec(&m->r->apps, app, i) == m->flow)
			return app_rec(&m->r->fp.apps[app], i);
	fail_msg("no record");
	return NULL;
}

static unsigned closes(const struct family *m)
{
	rig_pass(m->r);
	rig_pass(m->r);
	return m->r->flow_closes[m->flow];
}

static char *rx_byte(const struct family *m, uint64_t pos)
{
	const struct flow *f = flow_of(m);

	return app_page(&m->r->fp.apps[f->app], f->rx_page) + (pos & (flow_rx_size(f) - 1));
}

static char *tx_byte(const struct family *m, uint64_t pos)
{
	const struct flow *f = flow_of(m);

	return app_page(&m->r->fp.apps[f->app], f->tx_page) + (pos & (flow_tx_size(f) - 1));
}

/* Unread bytes over the ring's end, one interval past a gap, and bytes to send over the ring's end. */
static void fill(struct family *m)
{
	struct flow *f = flow_of(m);

	f->rx_nxt = flow_rx_size(f) + 100;
	f->rx_unread = 300;
	m->r->fp.cold[m->flow].reass = (struct flow_ranges){ .n = 1,
		.r = { { f->rx_nxt + 50, f->rx_nxt + 90 } } };
	f->flags |= FLOW_OOO;
	f->tx_una = flow_tx_size(f) - 20;
	f->tx_avail = f->tx_inflight = 60;
	for (uint64_t p = f->rx_nxt - 300; p < f->rx_nxt + 90; p++)
		*rx_byte(m, p) = (char)(p * 7);
	for (uint64_t p = f->tx_una; p < f->tx_una + 60; p++)
		*tx_byte(m, p) = (char)(p * 11);
}

static void check_filled(const struct family *m, uint64_t rx_from)
{
	const struct flow *f = flow_of(m);

	for (uint64_t p = rx_from; p < f->rx_nxt; p++)
		assert_int_equal(*rx_byte(m, p), (char)(p * 7));
	for (uint64_t p = f->rx_nxt + 50; p < f->rx_nxt + 90; p++)
		assert_int_equal(*rx_byte(m, p), (char)(p * 7));
	for (uint64_t p = f->tx_una; p < f->tx_una + 60; p++)
		assert_int_equal(*tx_byte(m, p), (char)(p * 11));
}

static void a_child_takes_the_flow_with_all_its_bytes(void **state)
{
	struct family m = family_new();
	struct ctl_adopt a = adopt_of(&m);
	uint64_t rx_nxt;

	(void)state;
	fill(&m);
	rx_nxt = flow_of(&m)->rx_nxt;
	a.rx_read = rx_nxt - 250; /* its parent had read 50 of which tasd did not hear */
	assert_int_equal(app_adopt(&m.r->apps, m.child, &a), 0);
	assert_int_equal(flow_of(&m)->app, m.child);
	assert_int_equal(flow_of(&m)->rec, a.rec);
	assert_int_equal(a.rx_read, rx_nxt - 250);
	assert_int_equal(a.tx_end, flow_of(&m)->tx_una + 60);
	assert_int_equal(flow_of(&m)->rx_unread, 250);
	check_filled(&m, a.rx_read);
	assert_int_equal(rig_rec(m.r, m.flow)->rx_end, rx_nxt);
	assert_int_equal(rig_rec(m.r, m.flow)->tx_una, flow_of(&m)->tx_una);
	assert_int_equal(rig_rec(m.r, m.flow)->gen, flow_of(&m)->gen);
	assert_true(rec_of(&m, m.parent)->events & ABI_EV_MOVED);
	rig_end(m.r);
}

/* What its former home wrote there is nothing to it. */
static void the_next_holder_learns_the_error_that_tasd_knows(void **state)
{
	struct family m = family_new();
	struct flow *f = flow_of(&m);

	(void)state;
	atomic_store(&rig_rec(m.r, m.flow)->error, EPERM);
	assert_int_equal(adopt(&m, m.child), 0);
	assert_int_equal(rig_rec(m.r, m.flow)->error, 0);
	app_notify(m.r->fp.slow, f, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(rig_rec(m.r, m.flow)->error, ETIMEDOUT);
	atomic_store(&rig_rec(m.r, m.flow)->error, EPERM);
	assert_int_equal(adopt(&m, m.parent), 0);
	assert_int_equal(rig_rec(m.r, m.flow)->error, ETIMEDOUT);
	assert_true(rig_rec(m.r, m.flow)->events & ABI_EV_RESET);
	rig_end(m.r);
}

/* --- megabytes --- */

enum { LARGE = 1 << 20, LARGE_RX = 900 << 10, LARGE_TX = 700 << 10, LOCKED_MAX = 64 << 10 };

static struct family large_family(void)
{
	struct family m = { .r = rig_new() };
	struct app_flow_spec spec = { .rx_size = LARGE, .tx_size = LARGE, .listener = ABI_LISTENER_NONE };
	struct flow *f;

	spec.app = m.parent = rig_app(m.r);
	m.flow = rig_flow(m.r);
	assert_int_equal(rig_flow_attach(m.r, m.flow, &spec), 0);
	m.hold = app_fork(&m.r->apps, m.parent, TOKEN);
	m.child = child_of(m.r, TOKEN);
	f = flow_of(&m);
	f->rx_nxt = LARGE + LARGE_RX / 2;
	f->rx_unread = LARGE_RX;
	f->tx_una = LARGE - 20;
	f->tx_avail = f->tx_inflight = LARGE_TX;
	for (uint64_t p = f->rx_nxt - LARGE_RX; p < f->rx_nxt + 40; p++)
		*rx_byte(&m, p) = (char)(p * 7 + (p >> 10));
	for (uint64_t p = f->tx_una; p < f->tx_una + LARGE_TX; p++)
		*tx_byte(&m, p) = (char)(p * 11 + (p >> 10));
	return m;
}

static void check_large(const struct family *m)
{
	const struct flow *f = flow_of(m);
	uint64_t end = f->rx_nxt + (m->r->fp.cold[m->flow].reass.n > 0 ? 40 : 0);

	for (uint64_t p = f->rx_nxt - LARGE_RX; p < end; p++)
		assert_int_equal(*rx_byte(m, p), (char)(p * 7 + (p >> 10)));
	for (uint64_t p = f->tx_una; p < f->tx_una + LARGE_TX; p++)
		assert_int_equal(*tx_byte(m, p), (char)(p * 11 + (p >> 10)));
	assert_in_range(m->r->apps.copied.locked, 0, LOCKED_MAX);
	assert_int_equal(m->r->apps.copied.flow, FLOW_NONE);
}

static int adopt_large(const struct family *m, uint16_t app)
{
	int error;

	do
		error = adopt(m, app);
	while (error == APP_LATER);
	return error;
}

/* Cores wait for a flow's lock. */
static void most_bytes_are_copied_without_the_lock(void **state)
{
	struct family m = large_family();
	uint32_t left;

	(void)state;
	m.r->fp.cold[m.flow].reass = (struct flow_ranges){ .n = 1,
		.r = { { flow_of(&m)->rx_nxt + 20, flow_of(&m)->rx_nxt + 40 } } };
	left = m.r->apps.cost.left;
	assert_int_equal(adopt_large(&m, m.child), 0);
	assert_true(left - m.r->apps.cost.left >= (LARGE_RX + LARGE_TX) / COST_BYTES);
	check_large(&m);
	assert_int_equal(m.r->fp.cold[m.flow].reass.n, 1);
	assert_int_equal(adopt_large(&m, m.parent), 0); /* and back */
	check_large(&m);
	rig_end(m.r);
}

static void much_that_came_past_a_gap_comes_again(void **state)
{
	struct family m = large_family();
	struct flow *f = flow_of(&m);

	(void)state;
	f->rx_unread = 10;
	f->flags |= FLOW_OOO;
	m.r->fp.cold[m.flow].reass = (struct flow_ranges){ .n = 1,
		.r = { { f->rx_nxt + 1, f->rx_nxt + LARGE / 2 } } };
	assert_int_equal(adopt_large(&m, m.child), 0);
	assert_in_range(m.r->apps.copied.locked, 0, LOCKED_MAX);
	assert_int_equal(m.r->fp.cold[m.flow].reass.n, 0);
	assert_false(flow_of(&m)->flags & FLOW_OOO);
	rig_end(m.r);
}

static void it_goes_to_who_still_has_it_without_the_lock_either(void **state)
{
	struct family m = large_family();

	(void)state;
	assert_int_equal(adopt_large(&m, m.child), 0);
	assert_int_equal(adopt_large(&m, m.parent), 0);
	app_fork_end(&m.r->apps, m.hold);
	m.r->fp.cold[m.flow].close_forks = (uint16_t)m.r->apps.holds.app[m.parent].forks;
	app_share_foresee_close(&m.r->apps, m.flow); /* by a bell */
	assert_true(app_flow_close_held(&m.r->apps, m.flow, APP_CLOSED));
	assert_int_equal(flow_of(&m)->app, m.child);
	check_large(&m);
	rig_end(m.r);

	m = large_family();
	assert_int_equal(adopt_large(&m, m.child), 0);
	assert_int_equal(leave(&m, m.child), 0); /* by a request, as at its death */
	assert_int_equal(flow_of(&m)->app, m.parent);
	check_large(&m);
	rig_end(m.r);
}

/* The death of a process moves what its children still have: megabytes, a few in each pass. */
static void what_the_dead_leave_to_others_moves_a_few_in_each_pass(void **state)
{
	enum { FLOWS = 40 };
	struct family m = { .r = NULL };
	struct app_flow_spec spec = { .rx_size = LARGE, .tx_size = 4096, .listener = ABI_LISTENER_NONE };
	uint32_t flow[FLOWS];
	unsigned moved = 0, before;

	(void)state;
	rig_memory_max = 64 << 20;
	m.r = rig_new();
	spec.app = m.parent = rig_app(m.r);
	for (unsigned i = 0; i < FLOWS; i++) {
		flow[i] = rig_flow(m.r);
		assert_int_equal(rig_flow_attach(m.r, flow[i], &spec), 0);
	}
	m.hold = app_fork(&m.r->apps, m.parent, TOKEN);
	m.child = child_of(m.r, TOKEN);
	for (int who = 1; who >= 0; who--)
		for (unsigned i = 0; i < FLOWS; i++) {
			m.flow = flow[i];
			assert_int_equal(adopt_large(&m, who == 1 ? m.child : m.parent), 0);
			flow_of(&m)->rx_nxt = flow_of(&m)->rx_unread = LARGE;
		}
	app_fork_end(&m.r->apps, m.hold);
	app_detach(&m.r->apps, m.parent);
	do {
		before = moved;
		rig_pass(m.r);
		moved = 0;
		for (unsigned i = 0; i < FLOWS; i++)
			moved += m.r->fp.flows[flow[i]].app == m.child;
		assert_in_range(moved - before, 1, COST_PASS / (LARGE / COST_BYTES) + 1);
	} while (moved < FLOWS);
	rig_memory_max = 8 << 20;
	rig_end(m.r);
}

static void the_parent_takes_it_back_and_what_it_did_meanwhile_counts(void **state)
{
	struct family m = family_new();
	struct ctl_adopt a = adopt_of(&m);
	uint32_t ring_gen = rig_rec(m.r, m.flow)->ring_gen;

	(void)state;
	fill(&m);
	assert_int_equal(adopt(&m, m.child), 0);
	assert_int_not_equal(rec_of(&m, m.parent)->ring_gen, ring_gen);
	rig_rec(m.r, m.flow)->rx_read = flow_of(&m)->rx_nxt - 10; /* the child's words */
	rig_rec(m.r, m.flow)->tx_end = flow_of(&m)->tx_una + 61;
	*tx_byte(&m, flow_of(&m)->tx_una + 60) = 'x';
	assert_int_equal(app_adopt(&m.r->apps, m.parent, &a), 0);
	assert_int_equal(flow_of(&m)->app, m.parent);
	assert_int_equal(a.rx_read, flow_of(&m)->rx_nxt - 10);
	assert_int_equal(a.tx_end, flow_of(&m)->tx_una + 61);
	assert_int_equal(a.taken, flow_of(&m)->tx_una + 60);
	assert_int_equal(*tx_byte(&m, flow_of(&m)->tx_una + 60), 'x');
	assert_false(rig_rec(m.r, m.flow)->events & ABI_EV_MOVED);
	check_filled(&m, a.rx_read);
	assert_int_equal(adopt(&m, m.child), 0);
	rig_end(m.r);
}

static void rings_of_a_flow_that_several_have_stay_as_they_are(void **state)
{
	struct family m = family_new();

	(void)state;
	fill(&m);
	assert_int_equal(app_ring_grow(&m.r->apps, m.flow, APP_RING_RX, 1 << 18), 0);
	assert_int_equal(app_ring_grow(&m.r->apps, m.flow, APP_RING_TX, 1 << 18), 0);
	check_filled(&m, flow_of(&m)->rx_nxt - 300);
	assert_int_equal(adopt(&m, m.child), 0);
	check_filled(&m, flow_of(&m)->rx_nxt - 300);
	assert_int_equal(app_ring_grow(&m.r->apps, m.flow, APP_RING_RX, 1 << 19), -EBUSY);
	assert_int_equal(app_ring_grow(&m.r->apps, m.flow, APP_RING_TX, 1 << 19), -EBUSY);
	rig_end(m.r);
}

static void positions_that_cannot_be_are_not_believed(void **state)
{
	struct family m = family_new();
	struct ctl_adopt a = adopt_of(&m);

	(void)state;
	fill(&m);
	a.rx_read = flow_of(&m)->rx_nxt + 1;
	a.tx_end = flow_of(&m)->tx_una + 1000; /* bytes of its parent's ring that nobody wrote for it */
	rig_rec(m.r, m.flow)->rx_read = UINT64_MAX;
	rig_rec(m.r, m.flow)->tx_end = flow_of(&m)->tx_una + flow_tx_size(flow_of(&m)) + 1;
	assert_int_equal(app_adopt(&m.r->apps, m.child, &a), 0);
	assert_int_equal(flow_of(&m)->rx_unread, 300);
	assert_int_equal(flow_of(&m)->tx_avail, 60);
	rig_end(m.r);
}

static void it_ends_with_the_last_that_closes_it(void **state)
{
	struct family m = family_new();

	(void)state;
	assert_int_equal(adopt(&m, m.child), 0);
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(closes(&m), 0);
	assert_int_equal(leave(&m, m.parent), ENOENT);
	assert_int_equal(adopt(&m, m.parent), ECONNRESET);
	assert_int_equal(leave(&m, m.child), 0);
	assert_int_equal(closes(&m), 1);
	assert_int_equal(m.r->apps.slot[m.parent].nr_recs, 0);
	assert_int_equal(m.r->apps.slot[m.parent].nr_rings, 0);
	assert_int_equal(m.r->apps.slot[m.child].nr_rings, 0);
	rig_end(m.r);
}

static void the_parent_closes_first_and_the_child_comes_later(void **state)
{
	struct family m = family_new();

	(void)state;
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(closes(&m), 0);
	assert_int_equal(adopt(&m, m.child), 0);
	assert_int_equal(m.r->apps.slot[m.parent].nr_recs, 0);
	rig_dies(m.r, m.child);
	assert_int_equal(closes(&m), 1);
	rig_end(m.r);
}

static void a_child_that_closes_without_use_keeps_nothing(void **state)
{
	struct family m = family_new();

	(void)state;
	assert_int_equal(leave(&m, m.child), 0);
	assert_int_equal(leave(&m, m.child), ENOENT);
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(closes(&m), 1);
	rig_end(m.r);
}

static void one_that_closes_before_it_attaches_says_so_by_its_hold(void **state)
{
	struct family m = { .r = rig_new() };
	struct ctl_adopt a;

	(void)state;
	m.parent = rig_app(m.r);
	m.flow = rig_attached_flow(m.r, m.parent);
	m.hold = app_fork(&m.r->apps, m.parent, TOKEN);
	a = adopt_of(&m);
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(closes(&m), 0);
	a.gen++;
	app_fork_leave(&m.r->apps, m.hold, &a);
	assert_int_equal(closes(&m), 0);
	a.gen--;
	app_fork_leave(&m.r->apps, m.hold, &a);
	assert_int_equal(closes(&m), 1);
	rig_end(m.r);
}

/* The child had it last and dies; the parent, which has it open, gets it and is told. */
static void it_goes_back_to_who_still_has_it(void **state)
{
	struct family m = family_new();

	(void)state;
	fill(&m);
	assert_int_equal(adopt(&m, m.child), 0);
	rig_dies(m.r, m.child);
	assert_int_equal(closes(&m), 0);
	assert_int_equal(flow_of(&m)->app, m.parent);
	assert_true(
		rig_rec(m.r, m.flow)->events & ABI_EV_MOVED); /* its positions are still to be asked for */
	check_filled(&m, flow_of(&m)->rx_nxt - 300);
	assert_int_equal(adopt(&m, m.parent), 0);
	assert_false(rig_rec(m.r, m.flow)->events & ABI_EV_MOVED);
	app_fork_end(&m.r->apps, m.hold);
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(closes(&m), 1);
	rig_end(m.r);
}

static void strangers_and_the_younger_get_nothing(void **state)
{
	struct family m = family_new(), young = m;
	uint16_t stranger = rig_app(m.r);

	(void)state;
	assert_int_equal(adopt(&m, stranger), ECONNRESET);
	assert_int_equal(leave(&m, stranger), ENOENT);
	young.flow = rig_attached_flow(m.r, m.parent);
	assert_int_equal(adopt(&young, m.child), ECONNRESET);
	assert_int_equal(leave(&young, m.child), ENOENT);
	assert_int_equal(leave(&young, m.parent), 0);
	assert_int_equal(closes(&young), 1);
	rig_end(m.r);
}

static void two_children_both_can_have_it(void **state)
{
	struct family m = family_new();
	struct hold *second = app_fork(&m.r->apps, m.parent, TOKEN + 1);
	uint16_t other = child_of(m.r, TOKEN + 1);

	(void)state;
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(adopt(&m, m.child), 0);
	assert_int_equal(adopt(&m, other), 0);
	assert_int_equal(adopt(&m, m.child), 0);
	assert_int_equal(leave(&m, m.child), 0);
	assert_int_equal(closes(&m), 0);
	rig_dies(m.r, other);
	app_fork_end(&m.r->apps, second);
	app_fork_end(&m.r->apps, m.hold);
	assert_int_equal(closes(&m), 1);
	rig_end(m.r);
}

static void a_grandchild_takes_what_its_parent_never_touched(void **state)
{
	struct family m = family_new();
	struct hold *second = app_fork(&m.r->apps, m.child, TOKEN + 1);
	uint16_t grandchild;

	(void)state;
	assert_int_equal(leave(&m, m.parent), 0);
	rig_dies(m.r, m.child);
	app_fork_end(&m.r->apps, m.hold);
	assert_int_equal(closes(&m), 0);
	grandchild = child_of(m.r, TOKEN + 1);
	assert_int_equal(adopt(&m, grandchild), 0);
	assert_int_equal(leave(&m, grandchild), 0);
	assert_int_equal(closes(&m), 1);
	app_fork_end(&m.r->apps, second);
	rig_end(m.r);
}

/* What waited in the accept queue at the fork is the parent's alone once it accepts it. */
static void a_connection_accepted_after_the_fork_is_not_the_childs(void **state)
{
	struct family m = { .r = rig_new() };
	struct app_flow_spec spec = { .listener = 5 };

	(void)state;
	spec.app = m.parent = rig_app(m.r);
	m.flow = rig_flow(m.r);
	assert_int_equal(app_flow_attach(&m.r->apps, m.flow, &spec), 0);
	app_fork(&m.r->apps, m.parent, TOKEN);
	m.r->fp.cold[m.flow].accept_forks = 1;
	app_flow_accepted(&m.r->apps, m.flow);
	assert_int_equal(leave(&m, m.parent), 0);
	assert_int_equal(closes(&m), 1);
	rig_end(m.r);
}

static uint32_t flow_of_app(const struct family *m, uint16_t app)
{
	return app_flow_of_rec(&m->r->apps, app, 0);
}

static void without_memory_the_flow_stays_where_it_is(void **state)
{
	struct family m = family_new();
	uint32_t flow;

	(void)state;
	while (rig_try_flow(m.r, m.child, &flow) == 0)
		;
	fill(&m);
	assert_int_equal(adopt(&m, m.child), ENOMEM);
	assert_int_equal(flow_of(&m)->app, m.parent);
	check_filled(&m, flow_of(&m)->rx_nxt - 300);
	rig_flow_done(m.r, flow_of_app(&m, m.child));
	assert_int_equal(adopt(&m, m.child), 0);
	check_filled(&m, flow_of(&m)->rx_nxt - 300);
	rig_end(m.r);
}

static bool others(const struct family *m, uint16_t app)
{
	struct ctl_info info = { .flow = m->flow, .gen = flow_of(m)->gen, .shared = 1 };

	assert_int_equal(app_info(&m->r->apps, app, &info), 0);
	return info.shared;
}

static void who_asks_learns_whether_others_have_it(void **state)
{
	struct family m = family_new();
	struct ctl_info not_asked = { .flow = m.flow, .gen = flow_of(&m)->gen };

	(void)state;
	assert_true(others(&m, m.parent)); /* the child may come for it */
	assert_int_equal(app_info(&m.r->apps, m.parent, &not_asked), 0);
	assert_int_equal(not_asked.shared, 0);
	assert_int_equal(adopt(&m, m.child), 0);
	assert_true(others(&m, m.child));
	assert_int_equal(leave(&m, m.parent), 0);
	assert_false(others(&m, m.child));
	rig_end(m.r);
}

static void a_child_that_closed_it_does_not_have_it(void **state)
{
	struct family m = family_new();

	(void)state;
	assert_int_equal(leave(&m, m.child), 0);
	assert_false(others(&m, m.parent));
	rig_end(m.r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_child_takes_the_flow_with_all_its_bytes),
		cmocka_unit_test(the_next_holder_learns_the_error_that_tasd_knows),
		cmocka_unit_test(most_bytes_are_copied_without_the_lock),
		cmocka_unit_test(much_that_came_past_a_gap_comes_again),
		cmocka_unit_test(it_goes_to_who_still_has_it_without_the_lock_either),
		cmocka_unit_test(what_the_dead_leave_to_others_moves_a_few_in_each_pass),
		cmocka_unit_test(the_parent_takes_it_back_and_what_it_did_meanwhile_counts),
		cmocka_unit_test(rings_of_a_flow_that_several_have_stay_as_they_are),
		cmocka_unit_test(positions_that_cannot_be_are_not_believed),
		cmocka_unit_test(it_ends_with_the_last_that_closes_it),
		cmocka_unit_test(the_parent_closes_first_and_the_child_comes_later),
		cmocka_unit_test(a_child_that_closes_without_use_keeps_nothing),
		cmocka_unit_test(one_that_closes_before_it_attaches_says_so_by_its_hold),
		cmocka_unit_test(it_goes_back_to_who_still_has_it),
		cmocka_unit_test(strangers_and_the_younger_get_nothing),
		cmocka_unit_test(two_children_both_can_have_it),
		cmocka_unit_test(a_grandchild_takes_what_its_parent_never_touched),
		cmocka_unit_test(a_connection_accepted_after_the_fork_is_not_the_childs),
		cmocka_unit_test(without_memory_the_flow_stays_where_it_is),
		cmocka_unit_test(who_asks_learns_whether_others_have_it),
		cmocka_unit_test(a_child_that_closed_it_does_not_have_it),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
