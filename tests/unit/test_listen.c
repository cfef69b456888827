/* SPDX-License-Identifier: BSD-3-Clause */
/* test_listen.c - listeners, the processes that accept from them, and connections between the two. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

/* The handshake is complete; nobody has accepted. */
#define opened(...) opened_((struct rig_how){ __VA_ARGS__ })
static struct peer *opened_(struct rig_how how)
{
	struct peer *p = peer_new_(how);

	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	silence();
	return p;
}

static bool answered(struct peer *p)
{
	give(p, .flags = SYN);
	return overlook() > 0;
}

static struct listener *listener(void)
{
	return listen_find(rig.sp.listeners, &(struct flow_key){ .local_port = htobe16(RIG_PORT) });
}

/* --- whose is a SYN --- */

TEST(port_without_listener_is_reset)
{
	struct peer *p = peer_new();

	p->local_port = 81;
	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	give(p, .flags = SYN);
	assert_int_equal(next_segment(p)->flags, RST | ACK);
}

TEST(second_listener_of_a_port_is_refused)
{
	struct ctl_listen any = { .port = RIG_PORT, .cookie = 1 },
			  own = { .port = RIG_PORT, .cookie = 2, .addr = addr_v4(htobe32(0x0a000001)) },
			  foreign = { .port = 99, .cookie = 3, .addr = addr_v4(htobe32(0x0a000077)) };
	struct rig_app *a = app_start(0);

	assert_int_equal(app_listen(&rig.apps, a->id, &any), 0);
	assert_int_equal(app_listen(&rig.apps, a->id, &own), EADDRINUSE);
	assert_int_equal(app_listens(1, RIG_PORT, 8), EADDRINUSE);
	assert_int_equal(app_listen(&rig.apps, a->id, &foreign), EADDRNOTAVAIL);
}

TEST(listeners_that_share_a_port_share_its_connections) /* SO_REUSEPORT */
{
	unsigned got[2] = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		struct rig_app *a = app_start(i);
		struct ctl_listen m = { .port = RIG_PORT,
			.cookie = RIG_PORT,
			.backlog = 64,
			.flags = CTL_LISTEN_REUSEPORT };

		assert_int_equal(app_listen(&rig.apps, a->id, &m), 0);
		assert_int_equal(app_arms(i, RIG_PORT), 0);
	}
	for (unsigned i = 0; i < 40; i++) {
		struct peer *p = opened();

		got[0] += app_accepts(p, 0);
		got[1] += p->app == NULL && app_accepts(p, 1);
	}
	assert_int_equal(got[0] + got[1], 40);
	assert_in_range(got[0], 8, 32);
}

/* Linux asks for the same user, too: whoever joins gets a part of the connections. */
TEST(port_is_not_shared_with_another_user)
{
	struct ctl_listen m = { .port = RIG_PORT,
		.cookie = RIG_PORT,
		.backlog = 64,
		.flags = CTL_LISTEN_REUSEPORT };

	rig.uid[1] = 1000;
	app_start(0);
	app_start(1);
	assert_int_equal(app_listen(&rig.apps, rig.app[0].id, &m), 0);
	assert_int_equal(app_listen(&rig.apps, rig.app[1].id, &m), EADDRINUSE);
}

TEST(port_is_shared_by_so_many_and_no_more)
{
	struct ctl_listen m = { .port = RIG_PORT, .backlog = 1, .flags = CTL_LISTEN_REUSEPORT };
	uint16_t app = app_start(0)->id;

	for (uint32_t i = 0; i < LISTEN_SHARERS_MAX; i++) {
		m.cookie = i;
		assert_int_equal(app_listen(&rig.apps, app, &m), 0);
	}
	m.cookie = LISTEN_SHARERS_MAX;
	assert_int_equal(app_listen(&rig.apps, app, &m), ENOBUFS);
	m.port = RIG_PORT + 1;
	assert_int_equal(app_listen(&rig.apps, app, &m), 0);
}

/* --- the queue --- */

TEST(connections_are_accepted_in_order)
{
	struct peer *p[5];

	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 8), 0);
	for (unsigned i = 0; i < 5; i++) {
		p[i] = peer_new();
		give(p[i], .flags = SYN);
		expect(p[i], .flags = SYN | ACK, .ack = 1);
	}
	for (unsigned i = 0; i < 5; i++) /* they complete in another order than they began */
		give(p[(i + 2) % 5], .seq = 1, .ack = 1);
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	for (unsigned i = 0; i < 5; i++)
		assert_true(app_accepts(p[i], 0));
	for (unsigned i = 0; i < 4; i++) /* records are taken from the first on */
		assert_true(p[(i + 2) % 5]->rec < p[(i + 3) % 5]->rec);
	assert_int_equal(listener()->accepted, 5);
}

TEST(full_queue_drops_a_syn) /* backlog and one more, as Linux; the peer tries again */
{
	struct peer *first, *late;

	assert_int_equal(app_listens(0, RIG_PORT, 2), 0);
	first = opened();
	opened();
	opened();
	late = peer_new();
	assert_false(answered(late));
	assert_int_equal(counted(CNT_TCP_LISTEN_OVERFLOWS), 1);
	assert_true(app_accepts(first, 0));
	assert_true(answered(late));
}

TEST(queue_that_filled_meanwhile_does_not_complete_a_handshake) /* as Linux: the SYN-ACK comes again */
{
	struct peer *first, *late;

	assert_int_equal(app_listens(0, RIG_PORT, 0), 0);
	late = peer_new();
	give(late, .flags = SYN);
	expect(late, .flags = SYN | ACK, .ack = 1);
	first = opened();
	give(late, .seq = 1, .ack = 1);
	give(late, .seq = 1, .ack = 1, .len = 10);
	silence();
	assert_int_equal(counted(CNT_TCP_LISTEN_OVERFLOWS), 2);
	assert_true(app_accepts(first, 0));
	assert_false(app_accepts(late, 0));
	wait_ms(1010);
	expect(late, .flags = SYN | ACK, .ack = 1);
	give(late, .seq = 1, .ack = 1);
	assert_true(app_accepts(late, 0));
	silence();
}

TEST(embryos_are_limited) /* a SYN flood: the oldest makes way, for its peer had the most time */
{
	struct peer *first, *later;

	rig.conf.tcp.syn_cookies = CONF_OFF;
	rig.conf.tcp.backlog_max = 8;
	assert_int_equal(app_listens(0, RIG_PORT, 100), 0);
	first = peer_new();
	give(first, .flags = SYN);
	expect(first, .flags = SYN | ACK, .ack = 1);
	for (unsigned i = 0; i < 6; i++)
		assert_true(answered(peer_new()));
	later = opened();
	assert_true(answered(peer_new()));
	assert_true(answered(peer_new()));
	assert_int_equal(listener()->embryos.count, 8);
	give(first, .seq = 1, .ack = 1);
	expect(first, .flags = RST, .seq = 1);
	assert_true(app_accepts(later, 0));
	app_aborts(later);
	wait_ms(70000);
	overlook();
	assert_int_equal(flows_in_use(), 0);
	assert_int_equal(listener()->embryos.count, 0);
	assert_true(answered(peer_new()));
}

/* Two processes that had one listener register it anew after tasd came back, or both make one of the socket
 * that was bound before. */
TEST(processes_that_inherited_a_listener_share_it_again)
{
	struct ctl_listen first = { .port = RIG_PORT, .cookie = 1, .backlog = 8, .secret = 99 },
			  second = first, stranger = first, other = first;

	app_start(0);
	app_start(1);
	assert_int_equal(app_listen(&rig.apps, rig.app[0].id, &first), 0);
	stranger.secret = 98;
	assert_int_equal(app_listen(&rig.apps, rig.app[1].id, &stranger), EADDRINUSE);
	stranger.secret = 0;
	assert_int_equal(app_listen(&rig.apps, rig.app[1].id, &stranger), EADDRINUSE);
	other.port = RIG_PORT + 1;
	assert_int_equal(app_listen(&rig.apps, rig.app[1].id, &other), 0);
	assert_int_not_equal(other.id, first.id);
	other = first;
	other.cookie = 3;
	other.flags = CTL_LISTEN_REUSEPORT;
	assert_int_equal(app_listen(&rig.apps, rig.app[1].id, &other), EADDRINUSE);
	second.cookie = 2;
	second.backlog = 4;
	second.flags = CTL_LISTEN_NODELAY; /* an option that one of them set */
	assert_int_equal(app_listen(&rig.apps, rig.app[1].id, &second), 0);
	assert_int_equal(second.id, first.id);
	assert_int_equal(listener()->backlog, 4);
	assert_int_equal(app_unlisten(&rig.apps, rig.app[0].id, &first), 0);
	assert_true(answered(peer_new())); /* the other has it */
	assert_int_equal(app_unlisten(&rig.apps, rig.app[1].id, &second), 0);
	assert_int_equal(rig.sp.listeners->count, 1); /* the one of the other port */
}

TEST(backlog_may_be_changed)
{
	struct ctl_listen m = { .port = RIG_PORT, .cookie = RIG_PORT, .backlog = 8 };

	assert_int_equal(app_listens(0, RIG_PORT, 0), 0);
	opened();
	assert_false(answered(peer_new()));
	assert_int_equal(app_listen(&rig.apps, rig.app[0].id, &m), 0);
	assert_true(answered(peer_new()));
}

TEST(connection_waits_until_somebody_accepts) /* with what it brings meanwhile: test_unaccepted.c */
{
	struct peer *p;

	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 8), 0);
	p = opened();
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	give(p, .flags = FIN | ACK, .seq = 11, .ack = 1);
	expect(p, .seq = 1, .ack = 12);
	assert_false(app_accepts(p, 0));
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	assert_true(app_accepts(p, 0));
	app_reads(p, 10);
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 12);
}

TEST(reset_before_accept_makes_room)
{
	struct peer *ready, *handed;

	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 0), 0);
	ready = opened();
	give(ready, .flags = RST, .seq = 1);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	handed = opened();
	give(handed, .flags = RST, .seq = 1);
	assert_int_equal(listener()->nr_handed, 0);
	assert_true(app_accepts(handed, 0)); /* and then learns of it, as from Linux */
	assert_int_equal(rec_of(handed)->error, ECONNRESET);
	app_closes(handed);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	opened();
}

TEST(connections_wait_for_memory)
{
	struct peer *p[12], *q;
	unsigned n, accepted = 0;

	rig.conf.memory.app_memory_max = 1 << 20;
	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = 65536;
	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	for (n = 0; n < 12; n++) {
		p[n] = opened();
		accepted += app_accepts(p[n], 0);
	}
	assert_in_range(accepted, 4, 8);
	assert_false(app_accepts(p[accepted], 0));
	app_aborts(p[0]);
	overlook();
	wait_ms(300);
	assert_true(app_accepts(p[accepted], 0));
	assert_false(app_accepts(p[accepted + 1], 0));
	q = p[accepted];
	give(q, .seq = 1, .ack = 1, .len = 10);
	expect(q, .seq = 1, .ack = 11);
	app_reads(q, 10);
}

/* A process that arms its listener late, or whose rings are large, gets its connections a few at a time. */
static unsigned one_pass(void)
{
	unsigned before = listener()->nr_handed;

	rig.now += NS_PER_US;
	sp_poll(&rig.sp, rig.now);
	return listener()->nr_handed - before;
}

TEST(what_waits_goes_over_a_few_in_each_pass)
{
	enum { WAIT = 60 };

	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = 4096;
	assert_int_equal(app_listens_unarmed(0, RIG_PORT, WAIT), 0);
	for (unsigned i = 0; i < WAIT; i++)
		opened();
	rig.slow_stands = true;
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	assert_int_equal(one_pass(), LISTEN_TURN);
	assert_int_equal(listen_deadline(&rig.sp), rig.now);
	assert_int_equal(one_pass(), WAIT - LISTEN_TURN);
	assert_int_equal(one_pass(), 0);
	assert_int_equal(listen_deadline(&rig.sp), TAS_NS_NEVER);
}

TEST(connection_is_not_handed_over_before_its_rings_are_there)
{
	const struct region *r;
	struct peer *p;
	uint64_t before;
	unsigned passes = 0;

	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = 4 << 20;
	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	r = &rig.apps.slot[0].region;
	p = peer_new();
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	rig.slow_stands = true;
	give(p, .seq = 1, .ack = 1);
	do {
		assert_true(passes++ < 1000);
		before = r->resident;
		one_pass();
		assert_int_equal(listener()->nr_handed, listener()->ready.count == 0);
		assert_in_range(r->resident - before, 0, 3 * COST_PIECE * REGION_PAGE); /* and records */
	} while (listener()->ready.count > 0);
	assert_in_range(passes, (8 << 20) / REGION_PAGE / COST_PIECE / 2, 1000);
	rig.slow_stands = false;
	assert_true(app_accepts(p, 0));
	assert_int_equal(counted(CNT_TCP_NO_MEMORY), 0);
}

/* --- several processes --- */

TEST(processes_take_turns) /* the one with the fewest connections waiting */
{
	unsigned got[2] = { 0 };

	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	app_joins(1, 0, RIG_PORT);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	for (unsigned i = 0; i < 20; i++) {
		struct peer *p = opened();

		got[0] += app_accepts(p, 0);
		got[1] += p->app == NULL && app_accepts(p, 1);
	}
	assert_int_equal(got[0], 10);
	assert_int_equal(got[1], 10);
}

TEST(process_without_memory_does_not_hold_up_the_others)
{
	unsigned got[2] = { 0 };

	rig.conf.memory.app_memory_max = 1 << 20;
	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = 65536;
	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	while (app_accepts(opened(), 0)) /* until its memory is used up */
		;
	app_joins(1, 0, RIG_PORT);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	wait_ms(300);
	for (unsigned i = 0; i < 4; i++)
		got[1] += app_accepts(opened(), 1);
	assert_int_equal(got[1], 4);
	overlook();
}

TEST(connection_goes_to_the_process_that_is_armed)
{
	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 64), 0);
	app_joins(1, 0, RIG_PORT);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	for (unsigned i = 0; i < 6; i++)
		assert_true(app_accepts(opened(), 1));
}

/* Two processes have the listener; three connections were handed to process 0, with some bytes; another
 * became ready later. */
static void three_handed(struct peer *p[3])
{
	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	app_joins(1, 0, RIG_PORT);
	for (unsigned i = 0; i < 3; i++) {
		p[i] = opened();
		give(p[i], .seq = 1, .ack = 1, .len = 100 + i);
		expect(p[i], .seq = 1, .ack = 101 + i);
	}
	give(p[2], .flags = FIN | ACK, .seq = 103, .ack = 1);
	expect(p[2], .seq = 1, .ack = 104);
}

static void three_taken_over(struct peer *p[3])
{
	for (unsigned i = 0; i < 3; i++) {
		assert_true(app_accepts(p[i], 1));
		assert_int_equal(app_unread(p[i]), 100 + i);
		app_reads(p[i], 100 + i);
		app_writes(p[i], 10);
		expect(p[i], .seq = 1, .ack = i == 2 ? 104 : 101 + i, .len = 10);
	}
	assert_true(p[0]->rec < p[1]->rec && p[1]->rec < p[2]->rec);
	assert_int_equal(events_of(p[2]), ABI_EV_ACCEPT | ABI_EV_RX_FIN);
	give(p[0], .seq = 101, .ack = 11, .len = 100);
	overlook();
	app_reads(p[0], 100);
	assert_int_equal(rig.apps.slot[rig.app[0].id].nr_rings, 0);
}

TEST(process_that_leaves_hands_its_connections_on)
{
	struct peer *p[3];

	three_handed(p);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	three_taken_over(p);
}

TEST(process_that_dies_hands_its_connections_on)
{
	struct peer *p[3];

	three_handed(p);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	app_dies(0);
	three_taken_over(p);
}

TEST(connections_wait_for_the_next_process_to_be_armed)
{
	struct peer *p[3], *q;

	three_handed(p);
	app_dies(0);
	q = opened();
	silence();
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	three_taken_over(p);
	assert_true(app_accepts(q, 1));
	assert_true(p[2]->rec < q->rec);
}

TEST(accepted_connections_are_not_handed_on)
{
	struct peer *p[3];

	three_handed(p);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	assert_true(app_accepts(p[0], 0));
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	assert_false(app_accepts(p[0], 1));
	assert_true(app_accepts(p[1], 1));
	app_reads(p[0], 100);
}

TEST(connection_accepted_in_the_last_moment_is_not_handed_on)
{
	struct peer *p[3];

	three_handed(p);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	rig.slow_stands = true;
	assert_true(app_accepts(p[0], 0)); /* the slow path has not heard of it */
	app_writes(p[0], 10);
	rig.slow_stands = false;
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	overlook();
	assert_false(app_accepts(p[0], 1));
	give(p[0], .seq = 101, .ack = 11, .len = 10);
	app_reads(p[0], 110);
}

/* With one byte each, all in the accept queue of process 0. */
enum { WAITING = 50 };

static void many_handed(struct peer *p[WAITING])
{
	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = 4096;
	assert_int_equal(app_listens(0, RIG_PORT, WAITING), 0);
	app_joins(1, 0, RIG_PORT);
	for (unsigned i = 0; i < WAITING; i++)
		p[i] = opened();
	assert_int_equal(listener()->nr_handed, WAITING);
}

TEST(what_a_process_did_not_accept_is_taken_back_a_few_in_each_pass)
{
	struct peer *p[WAITING], *later;
	struct ctl_listen m = { .cookie = RIG_PORT };

	many_handed(p);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	later = peer_new(); /* comes after all of them */
	give(later, .flags = SYN);
	expect(later, .flags = SYN | ACK, .ack = 1);
	rig.slow_stands = true;
	assert_int_equal(app_unlisten(&rig.apps, rig.app[0].id, &m), 0);
	give(later, .seq = 1, .ack = 1);
	one_pass();
	assert_int_equal(listener()->nr_handed, WAITING - LISTEN_TURN);
	assert_int_equal(listener()->ready.count, LISTEN_TURN + 1);
	one_pass();
	one_pass();
	rig.slow_stands = false;
	rig_run();
	overlook();
	for (unsigned i = 0; i < WAITING; i++)
		assert_true(app_accepts(p[i], 1));
	assert_true(app_accepts(later, 1));
	for (unsigned i = 1; i < WAITING; i++)
		assert_true(p[i - 1]->rec < p[i]->rec && p[i]->rec < later->rec);
	assert_int_equal(rig.apps.slot[rig.app[0].id].returning, 0);
	assert_int_equal(rig.apps.slot[rig.app[0].id].nr_rings, 0);
}

TEST(process_is_there_until_what_it_did_not_accept_is_taken_back)
{
	struct peer *p[WAITING];
	uint16_t app;

	many_handed(p);
	app = rig.app[0].id;
	app_detach(&rig.apps, app);
	rig.slow_stands = true;
	for (unsigned i = 0; rig.apps.slot[app].returning == 0; i++) {
		assert_true(i < 100);
		rig_run(); /* its core looks away */
		one_pass();
	}
	assert_int_equal(rig.apps.slot[app].returning, WAITING);
	assert_int_equal(rig.apps.slot[app].state, APP_CLOSING);
	one_pass();
	assert_int_equal(rig.apps.slot[app].returning, WAITING - LISTEN_TURN);
	assert_int_equal(rig.apps.slot[app].state, APP_CLOSING);
	rig.slow_stands = false;
	rig_run();
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	for (unsigned i = 0; i < WAITING; i++)
		assert_true(app_accepts(p[i], 1));
}

TEST(reset_of_one_that_is_taken_back)
{
	struct peer *p[WAITING];
	struct ctl_listen m = { .cookie = RIG_PORT };

	many_handed(p);
	rig.slow_stands = true;
	assert_int_equal(app_unlisten(&rig.apps, rig.app[0].id, &m), 0);
	give(p[3], .flags = RST, .seq = 1);
	one_pass();
	give(p[WAITING - 1], .flags = RST, .seq = 1);
	one_pass();
	rig.slow_stands = false;
	rig_run();
	assert_int_equal(rig.apps.slot[rig.app[0].id].returning, 0);
	assert_int_equal(listener()->nr_handed, 0);
	assert_int_equal(listener()->ready.count, WAITING - 2);
}

/* --- the end --- */

TEST(listener_that_nobody_has_resets_a_few_in_each_pass)
{
	struct peer *p[WAITING], *late;
	unsigned resets, all = 0;

	many_handed(p);
	late = peer_new();
	give(late, .flags = SYN);
	expect(late, .flags = SYN | ACK, .ack = 1);
	rig.slow_stands = true;
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(app_unlisten(&rig.apps, rig.app[i].id,
					 &(struct ctl_listen){ .cookie = RIG_PORT }),
			0);
	assert_null(listener());
	assert_int_equal(app_listens(2, RIG_PORT, 8), 0); /* the port is free at once */
	give(late, .seq = 1, .ack = 1);                   /* too late */
	do {
		rig.now += NS_PER_US;
		sp_poll(&rig.sp, rig.now);
		rig_run();
		resets = overlook();
		assert_in_range(resets, 0, LISTEN_TURN + 1);
		all += resets;
	} while (resets > 0);
	assert_int_equal(all, WAITING + 1);
	rig.slow_stands = false;
	rig_run();
	assert_true(answered(peer_new()));
	wait_ms(100);
	assert_int_equal(flows_in_use(), 1);
	assert_int_equal(rig.apps.slot[rig.app[0].id].nr_rings, 0);
}

TEST(listener_that_nobody_has_resets_what_waits)
{
	struct peer *handed, *embryo, *accepted;

	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	accepted = opened();
	assert_true(app_accepts(accepted, 0));
	handed = opened();
	embryo = peer_new();
	give(embryo, .flags = SYN);
	expect(embryo, .flags = SYN | ACK, .ack = 1);
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	expect(handed, .flags = RST | ACK, .seq = 1, .ack = 1);
	expect(embryo, .flags = RST | ACK, .seq = 1, .ack = 1);
	silence();
	give(accepted, .seq = 1, .ack = 1, .len = 10);
	expect(accepted, .seq = 1, .ack = 11);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 1);
	assert_int_equal(rig.apps.slot[0].nr_recs, 1);
	give(peer_new(), .flags = SYN);
	assert_int_equal(overlook(), 1); /* a RST */
	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
}

TEST(everything_of_a_dead_process_is_given_back)
{
	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	for (unsigned i = 0; i < 5; i++)
		opened();
	app_dies(0);
	overlook();
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	assert_int_equal(rig.apps.slot[0].state, APP_FREE);
	assert_int_equal(rig.sp.listeners->count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(port_without_listener_is_reset),
		RIG_TEST(second_listener_of_a_port_is_refused),
		RIG_TEST(listeners_that_share_a_port_share_its_connections),
		RIG_TEST(port_is_not_shared_with_another_user),
		RIG_TEST(port_is_shared_by_so_many_and_no_more),
		RIG_TEST(connections_are_accepted_in_order),
		RIG_TEST(full_queue_drops_a_syn),
		RIG_TEST(queue_that_filled_meanwhile_does_not_complete_a_handshake),
		RIG_TEST(embryos_are_limited),
		RIG_TEST(processes_that_inherited_a_listener_share_it_again),
		RIG_TEST(backlog_may_be_changed),
		RIG_TEST(connection_waits_until_somebody_accepts),
		RIG_TEST(reset_before_accept_makes_room),
		RIG_TEST(connections_wait_for_memory),
		RIG_TEST(what_waits_goes_over_a_few_in_each_pass),
		RIG_TEST(connection_is_not_handed_over_before_its_rings_are_there),
		RIG_TEST(processes_take_turns),
		RIG_TEST(process_without_memory_does_not_hold_up_the_others),
		RIG_TEST(connection_goes_to_the_process_that_is_armed),
		RIG_TEST(process_that_leaves_hands_its_connections_on),
		RIG_TEST(process_that_dies_hands_its_connections_on),
		RIG_TEST(connections_wait_for_the_next_process_to_be_armed),
		RIG_TEST(accepted_connections_are_not_handed_on),
		RIG_TEST(connection_accepted_in_the_last_moment_is_not_handed_on),
		RIG_TEST(what_a_process_did_not_accept_is_taken_back_a_few_in_each_pass),
		RIG_TEST(process_is_there_until_what_it_did_not_accept_is_taken_back),
		RIG_TEST(reset_of_one_that_is_taken_back),
		RIG_TEST(listener_that_nobody_has_resets_a_few_in_each_pass),
		RIG_TEST(listener_that_nobody_has_resets_what_waits),
		RIG_TEST(everything_of_a_dead_process_is_given_back),
	};

	return RIG_MAIN(tests);
}
