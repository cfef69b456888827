/* SPDX-License-Identifier: BSD-3-Clause */
/* test_appq.c - what applications write into their rings, rightly and wrongly, and how they are told. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "include/base/rand.h"
#include "tests/unit/rig_tcp.h"

enum { MSS = 1448, QUARTER = 4096 / 4 };

static struct abi_bell bell_of(const struct peer *p)
{
	return (struct abi_bell){ .flow = p->flow,
		.gen = p->gen,
		.rx_read = p->rx_read,
		.tx_end = p->tx_end,
		.flags = ABI_BELL_POSITIONS };
}

static void ring_with(struct peer *p, struct abi_bell b)
{
	bell(p->app, 0, b);
	rig_run();
}

static uint64_t faults(void)
{
	return counted(CNT_APP_FAULT_HANDLE) + counted(CNT_APP_FAULT_POSITION) +
		counted(CNT_APP_FAULT_FLAGS) + counted(CNT_APP_FAULT_RING);
}

/* The message was counted under this name, changed nothing, and what is right goes on. */
static void refused(struct peer *p, struct abi_bell b, enum tas_counter counter)
{
	struct flow before = *flow_of(p);
	uint64_t n = counted(counter), all = faults();

	ring_with(p, b);
	assert_int_equal(counted(counter), n + 1);
	assert_int_equal(faults(), all + 1);
	assert_memory_equal(&before, flow_of(p), sizeof(before));
	silence();
}

/* A flow with 100 bytes to read and 100 bytes on their way. */
static struct peer *busy(void)
{
	struct peer *p;

	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = 4096;
	p = established(.nodelay = true);
	app_writes(p, 100);
	give(p, .seq = 1, .ack = 1, .len = 100);
	overlook();
	return p;
}

/* --- bells that are wrong --- */

TEST(flow_that_there_is_none_of_is_refused)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	b.flow = rig.conf.memory.flows_max;
	refused(p, b, CNT_APP_FAULT_HANDLE);
	b.flow = UINT32_MAX;
	refused(p, b, CNT_APP_FAULT_HANDLE);
	b.flow = 17; /* a slot that was never used */
	b.gen = 0;
	refused(p, b, CNT_APP_FAULT_HANDLE);
}

TEST(flow_of_another_application_is_refused)
{
	struct peer *p = busy();
	struct rig_app *other = app_start(1);
	struct flow before = *flow_of(p);
	struct abi_bell b = bell_of(p);

	b.flags |= ABI_BELL_CLOSE | ABI_BELL_ABORT;
	bell(other, 0, b);
	rig_run();
	assert_int_equal(counted(CNT_APP_FAULT_HANDLE), 1);
	assert_int_equal(rig.fp.apps[other->id].faults, 1);
	assert_int_equal(rig.fp.apps[p->app->id].faults, 0);
	assert_memory_equal(&before, flow_of(p), sizeof(before));
	silence();
}

/* Whoever guesses the number of a flow must not hold up those whose it is. */
TEST(lock_of_a_flow_of_another_application_is_not_taken)
{
	struct peer *p = busy();
	struct rig_app *other = app_start(1);
	struct abi_bell b = bell_of(p);

	rte_spinlock_lock(&flow_of(p)->lock); /* by the core that serves it, all the while */
	alarm(30);
	bell(other, 0, b);
	b.gen++;
	bell(other, 0, b);
	core_poll(rig.fp.core[0], rig.now);
	alarm(0);
	rte_spinlock_unlock(&flow_of(p)->lock);
	assert_int_equal(rig.fp.apps[other->id].faults, 1); /* the other generation may have been its own */
	rig_run();
}

TEST(message_for_an_earlier_flow_of_the_slot_is_late) /* and so neither obeyed nor held against anyone */
{
	struct peer *p = busy();
	struct flow before = *flow_of(p);
	struct abi_bell b = bell_of(p);

	b.gen--;
	b.flags |= ABI_BELL_CLOSE | ABI_BELL_ABORT;
	ring_with(p, b);
	assert_memory_equal(&before, flow_of(p), sizeof(before));
	assert_int_equal(faults(), 0);
	silence();
}

TEST(message_for_a_flow_that_ended_is_late)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	app_aborts(p);
	overlook();
	ring_with(p, b);
	assert_int_equal(faults(), 0);
	silence();
}

/* Two threads: one answers, the other closes, and the core hears the other first. */
TEST(message_for_a_flow_that_another_context_closed_is_late)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	app_reads(p, app_unread(p));
	app_closes(p);
	overlook();
	ring_with(p, b);
	b.flags |= ABI_BELL_CLOSE | ABI_BELL_ABORT;
	ring_with(p, b);
	assert_int_equal(faults(), 0);
	silence();
}

TEST(reading_more_than_there_is_is_refused)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	b.rx_read = 101;
	refused(p, b, CNT_APP_FAULT_POSITION);
	b.rx_read = 1ull << 32;
	refused(p, b, CNT_APP_FAULT_POSITION);
	b.rx_read = 1ull << 63;
	refused(p, b, CNT_APP_FAULT_POSITION);
	b.rx_read = (1ull << 63) - 1;
	refused(p, b, CNT_APP_FAULT_POSITION);
}

/* Of another ring of the context, which the core looked at late: the ring went round since. */
TEST(message_that_is_older_than_the_ring_is_long_is_late)
{
	static const uint64_t late[] = { 0, 1, 1000, 8099 - (1ull << 32), UINT64_MAX, 1ull << 63 | 9000 };
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	for (unsigned i = 0; i < 8; i++) {
		app_reads(p, app_unread(p));
		give(p, .seq = 101 + i * 1000, .ack = 101, .len = 1000);
	}
	overlook();
	assert_int_equal(flow_of(p)->rx_nxt, 8100);
	app_reads(p, 900);
	overlook();
	for (unsigned i = 0; i < ARRAY_LEN(late); i++) {
		b.rx_read = late[i];
		ring_with(p, b);
		assert_int_equal(flow_of(p)->rx_unread, 100);
	}
	assert_int_equal(faults(), 0);
	overlook();
}

TEST(writing_more_than_fits_is_refused)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	b.tx_end = 4097;
	refused(p, b, CNT_APP_FAULT_POSITION);
	b.tx_end = 1ull << 33;
	refused(p, b, CNT_APP_FAULT_POSITION);
	b.tx_end = INT64_MAX;
	refused(p, b, CNT_APP_FAULT_POSITION);
	b.tx_end = 4096;
	ring_with(p, b);
	assert_int_equal(flow_of(p)->tx_avail, 4096);
}

TEST(positions_that_go_back_are_older_messages) /* of another ring of the context: harmless, as abi.h has it
						 */
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	b.rx_read = 80;
	ring_with(p, b);
	assert_int_equal(flow_of(p)->rx_unread, 20);
	b.rx_read = 10;
	b.tx_end = 50;
	ring_with(p, b);
	b.rx_read = UINT64_MAX;
	b.tx_end = UINT64_MAX;
	ring_with(p, b);
	b.tx_end = (1ull << 63) + 50; /* half the numbers away: before una, and after the end */
	ring_with(p, b);
	assert_int_equal(flow_of(p)->rx_unread, 20);
	assert_int_equal(flow_of(p)->tx_avail, 100);
	assert_int_equal(faults(), 0);
	silence();
}

TEST(unknown_flags_are_refused)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);

	b.tx_end++;
	for (uint32_t flag = ABI_BELL_ALL + 1u; flag != 0; flag <<= 1) {
		b.flags = ABI_BELL_POSITIONS | flag;
		refused(p, b, CNT_APP_FAULT_FLAGS);
	}
}

TEST(context_that_there_is_none_of_is_counted_and_the_old_one_stays)
{
	static const uint16_t none[] = { RIG_CONTEXTS, UINT16_MAX };
	struct peer *p = busy();

	for (unsigned i = 0; i < ARRAY_LEN(none); i++) {
		rec_of(p)->context = none[i];
		heard(p);
		give(p, .seq = 101 + i, .ack = 101, .len = 1);
		assert_int_equal(counted(CNT_APP_FAULT_FLAGS), i + 1);
		assert_int_equal(flow_of(p)->ctx, p->app->ctx[0].id);
		assert_int_equal(heard(p), 1);
	}
	overlook();
}

TEST(nonsense_in_the_index_of_a_ring_is_an_empty_ring)
{
	static const uint64_t jump[] = { ABI_BELL_SLOTS + 1, 1ull << 32, 1ull << 63, UINT64_MAX };
	struct peer *p = busy();
	struct rig_context *x = &p->app->ctx[0];
	struct abi_bell_ring *r = (struct abi_bell_ring *)(void *)(p->app->base + x->shm->bell_off[0]);
	struct flow before = *flow_of(p);

	for (unsigned i = 0; i < ARRAY_LEN(jump); i++) {
		x->bells += jump[i];
		r->produced = x->bells;
		p->app->header->core_line[0].bells = 1;
		rig_run();
		assert_int_equal(counted(CNT_APP_FAULT_RING), i + 1);
	}
	assert_memory_equal(&before, flow_of(p), sizeof(before));
	app_writes(p, 10);
	expect(p, .seq = 101, .ack = 101, .len = 10);
}

TEST(our_own_indices_are_not_read_back)
{
	struct peer *p = busy();
	struct rig_context *x = &p->app->ctx[0];
	struct abi_bell_ring *r = (struct abi_bell_ring *)(void *)(p->app->base + x->shm->bell_off[0]);
	struct abi_notify_ring *n = (struct abi_notify_ring *)(void *)(p->app->base + x->shm->notify_off[0]);
	uint64_t was = n->produced;

	r->consumed = x->bells - 100;
	n->produced = 98765;
	app_reads(p, 100);
	overlook();
	n->consumed = x->seen[0] = was;
	give(p, .seq = 101, .ack = 101, .len = 10);
	assert_int_equal(n->produced, was + 1);
	assert_int_equal(r->consumed, x->bells);
}

TEST(notification_ring_that_claims_to_be_full_loses_only_its_own)
{
	struct peer *p = busy();
	struct rig_context *x = &p->app->ctx[0];
	struct abi_notify_ring *n = (struct abi_notify_ring *)(void *)(p->app->base + x->shm->notify_off[0]);

	heard(p);
	n->consumed = 0;
	for (unsigned i = 0; i < 200; i++) {
		n->consumed = n->produced +
			1000; /* what was pushed counts as read, and the ring as over-full */
		give(p, .seq = 101 + i, .ack = 101, .len = 1);
	}
	overlook();
	assert_true(counted(CNT_APP_NOTIFY_LOST) > 0);
	assert_int_equal(app_unread(p), 300);
}

TEST(random_bytes_in_every_ring_do_no_harm)
{
	struct peer *p = busy(), *q;
	struct tas_rand r;

	rand_seed(&r, 4711);
	for (unsigned i = 0; i < 20000; i++) {
		struct abi_bell b = { 0 };

		for (unsigned w = 0; w < sizeof(b) / 8; w++)
			((uint64_t *)&b)[w] = rand_u64(&r);
		if (rand_below(&r, 4) != 0) {
			b.flow = p->flow;
			b.gen = p->gen;
			b.flags &= ABI_BELL_ALL & ~(uint32_t)(ABI_BELL_CLOSE | ABI_BELL_ABORT);
			b.rx_read = rand_below(&r, 120);
			b.tx_end = rand_below(&r, 4200);
		}
		ring_with(p, b);
		overlook();
	}
	assert_true(faults() > 1000);
	wait_ms(150);
	assert_false(app_is_live(&rig.apps, p->app->id)); /* cut off: too many */
	overlook();
	assert_int_equal(app_listens(1, 81, 8), 0); /* others go on */
	q = peer_new();
	q->local_port = 81;
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
}

/* --- bells that are right --- */

TEST(positions_count_only_where_a_flag_says_so)
{
	struct peer *p = busy();
	struct abi_bell b = bell_of(p);
	struct flow before = *flow_of(p);

	b.flags = 0;
	b.rx_read = 50;
	b.tx_end = 200;
	ring_with(p, b);
	assert_memory_equal(&before, flow_of(p), sizeof(before));
	assert_int_equal(faults(), 0);
}

TEST(every_bell_of_a_full_ring_is_heard)
{
	struct peer *p = established(.nodelay = true);
	struct abi_bell b = bell_of(p);

	for (unsigned i = 0; i < ABI_BELL_SLOTS; i++) {
		b.tx_end++;
		bell(p->app, 0, b);
	}
	rig_run();
	assert_int_equal(flow_of(p)->tx_avail, ABI_BELL_SLOTS);
	assert_int_equal(counted(CNT_APP_BELLS), ABI_BELL_SLOTS + 1); /* and that of accept */
	overlook();
}

TEST(contexts_ring_beside_each_other)
{
	struct peer *p = established(.nodelay = true), *q = established(.nodelay = true);
	struct abi_bell b = bell_of(p), d = bell_of(q);

	b.tx_end = d.tx_end = 10;
	bell(p->app, 0, b);
	bell(q->app, 1, d);
	rig_run();
	assert_int_equal(flow_of(p)->tx_avail, 10);
	assert_int_equal(flow_of(q)->tx_avail, 10);
	overlook();
}

/* An application has one turn in a pass, however many contexts it rings in, and each of them gets its own. */
TEST(many_contexts_have_one_turn_in_a_pass)
{
	struct peer *p = established(.nodelay = true);
	struct abi_bell b = bell_of(p);
	struct fp_core *core = rig.fp.core[0];

	b.flags = 0;
	for (unsigned i = 0; i < 2 * FP_BATCH; i++) {
		bell(p->app, 0, b);
		bell(p->app, 1, b);
	}
	for (unsigned pass = 0; pass < 4; pass++) {
		uint64_t before = counted(CNT_APP_BELLS), of = core->app[p->app->id].next;

		core_poll(core, rig.now);
		assert_int_equal(counted(CNT_APP_BELLS), before + FP_BATCH);
		assert_int_not_equal(core->app[p->app->id].next, of);
	}
	rig_run();
}

TEST(who_asks_to_be_told_has_a_shorter_turn)
{
	struct peer *p = established();
	struct abi_bell b = bell_of(p);
	uint64_t before = counted(CNT_APP_BELLS);

	b.flags = ABI_BELL_REFRESH;
	for (unsigned i = 0; i < FP_BATCH; i++)
		bell(p->app, 0, b);
	core_poll(rig.fp.core[0], rig.now);
	assert_in_range(counted(CNT_APP_BELLS) - before, 1, FP_BATCH / 4);
	rig_run();
	assert_int_equal(counted(CNT_APP_BELLS), before + FP_BATCH);
	overlook();
}

/* --- notifications --- */

TEST(notifications_are_coalesced_until_read) /* at most one entry of a flow waits */
{
	struct peer *p = established();

	for (unsigned i = 0; i < 10; i++)
		give(p, .seq = 1 + i * 10, .ack = 1, .len = 10);
	assert_int_equal(heard(p), 1);
	assert_int_equal(app_unread(p), 100);
	give(p, .seq = 101, .ack = 1, .len = 10);
	assert_int_equal(heard(p), 1);
	assert_int_equal(heard(p), 0);
	overlook();
}

TEST(bell_does_not_make_a_second_entry)
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);
	app_rings(p, 0, 0);
	give(p, .seq = 11, .ack = 1, .len = 10);
	assert_int_equal(heard(p), 1);
	assert_int_equal(flow_of(p)->ctx, p->app->ctx[0].id);
	overlook();
}

TEST(core_and_slow_path_share_the_one_entry)
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);           /* by the core */
	give(p, .flags = FIN | ACK, .seq = 11, .ack = 1); /* by the slow path */
	assert_int_equal(heard(p), 1);
	assert_int_equal(events_of(p) & ABI_EV_RX_FIN, ABI_EV_RX_FIN);
	give(p, .flags = RST, .seq = 12);
	assert_int_equal(heard(p), 1);
	overlook();
}

TEST(another_context_is_told_from_now_on) /* abi_flow_rec.context */
{
	struct peer *p = established();
	struct abi_notify_ring *n;

	give(p, .seq = 1, .ack = 1, .len = 10); /* waits in the old one, where it may never be read */
	rec_of(p)->context = (uint16_t)p->app->ctx[1].id;
	n = (struct abi_notify_ring *)(void *)(p->app->base + p->app->ctx[1].shm->notify_off[0]);
	give(p, .seq = 11, .ack = 1, .len = 10);
	assert_int_equal(n->produced, 1);
	heard(p);
	give(p, .seq = 21, .ack = 1, .len = 10);
	assert_int_equal(n->produced, 2);
	overlook();
}

TEST(refresh_is_answered) /* ABI_BELL_REFRESH */
{
	struct peer *p = established();

	app_rings(p, ABI_BELL_REFRESH, 0);
	assert_int_equal(heard(p), 1);
	app_rings(p, 0, 0);
	assert_int_equal(heard(p), 0);
}

TEST(space_is_told_when_a_quarter_is_free) /* ABI_BELL_WANT_SPACE: once */
{
	struct peer *p;

	rig.conf.memory.tx_buffer = 4096;
	p = established(.nodelay = true);
	app_writes(p, 4096);
	app_rings(p, ABI_BELL_WANT_SPACE, 0);
	overlook();
	give(p, .seq = 1, .ack = QUARTER);
	assert_int_equal(heard(p), 0);
	give(p, .seq = 1, .ack = 1 + QUARTER);
	assert_int_equal(heard(p), 1);
	assert_int_equal(rec_of(p)->tx_una, QUARTER);
	give(p, .seq = 1, .ack = 4097);
	assert_int_equal(heard(p), 0);
}

TEST(space_that_is_there_is_told_at_once)
{
	struct peer *p;

	rig.conf.memory.tx_buffer = 4096;
	p = established(.nodelay = true);
	app_writes(p, 4096 - QUARTER);
	app_rings(p, ABI_BELL_WANT_SPACE, 0);
	assert_int_equal(heard(p), 1);
	overlook();
	give(p, .seq = 1, .ack = 1 + 4096 - QUARTER);
	assert_int_equal(heard(p), 0);
}

TEST(sleeping_context_is_woken_once) /* abi.h: whoever finds `asleep` set clears it */
{
	struct peer *p = established();
	struct abi_context *x = p->app->ctx[0].shm;

	heard(p);
	x->asleep = 1;
	give(p, .seq = 1, .ack = 1, .len = 10);
	assert_int_equal(x->asleep, 0);
	assert_int_equal(counted(CNT_APP_WAKES), 1);
	give(p, .seq = 11, .ack = 1, .len = 10);
	assert_int_equal(counted(CNT_APP_WAKES), 1);
	x->asleep = 1;
	give(p, .seq = 21, .ack = 1,
		.len = 10); /* nothing is pushed: an entry waits, the sleeper has looked again */
	assert_int_equal(x->asleep, 1);
	overlook();
}

/* Whoever flushes in the middle of a pass sends, and makes system calls, with a flow's lock held. */
TEST(pass_that_wakes_many_contexts_sends_one_burst)
{
	enum { MANY = 1000 };
	struct abi_context *x[MANY];
	struct fp_core *c;
	struct peer *p;

	rig.conf.memory.app_contexts_max = MANY;
	p = established();
	c = rig.fp.core[0];
	for (unsigned i = 0; i < MANY; i++) {
		struct ctl_context m;
		int end;

		cost_begin(&rig.apps.cost); /* as if each was asked for in a pass of its own */
		if (i >= RIG_CONTEXTS)
			assert_int_equal(app_context_add(&rig.apps, p->app->id, &m, &end), 0);
		x[i] = rig.fp.apps[p->app->id].ctx[i].shm;
		x[i]->asleep = 1;
	}
	tcp_ack_now(c, p->flow); /* a frame that waits for the end of the pass */
	rig.bursts = 0;
	for (unsigned i = 0; i < MANY; i++) {
		rec_of(p)->context = (uint16_t)i;
		flow_of(p)->notify_pos = 0;
		app_notify(c, flow_of(p), 0, 0);
	}
	assert_int_equal(rig.bursts, 0);
	assert_int_equal(counted(CNT_APP_WAKES), 0);
	core_poll(c, rig.now);
	assert_int_equal(rig.bursts, 1);
	assert_int_equal(counted(CNT_APP_WAKES), MANY);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(x[i]->asleep, 0);
	rig_run();
	expect(p, .seq = 1, .ack = 1);
	silence();
}

TEST(quiet_application_is_not_looked_at) /* after 10 ms its bell is a system call; idle ones cost nothing */
{
	struct peer *p = established();

	assert_int_equal(rig.fp.core[0]->napps, 1);
	wait_ms(11);
	rig_run();
	assert_int_equal(rig.fp.core[0]->napps, 0);
	assert_int_equal(p->app->header->core_line[0].asleep, 1);
	app_writes(p, 10);
	assert_int_equal(rig.fp.core[0]->napps, 1);
	assert_int_equal(p->app->header->core_line[0].asleep, 0);
	expect(p, .seq = 1, .ack = 1, .len = 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(flow_that_there_is_none_of_is_refused),
		RIG_TEST(flow_of_another_application_is_refused),
		RIG_TEST(lock_of_a_flow_of_another_application_is_not_taken),
		RIG_TEST(message_for_an_earlier_flow_of_the_slot_is_late),
		RIG_TEST(message_for_a_flow_that_ended_is_late),
		RIG_TEST(message_for_a_flow_that_another_context_closed_is_late),
		RIG_TEST(reading_more_than_there_is_is_refused),
		RIG_TEST(message_that_is_older_than_the_ring_is_long_is_late),
		RIG_TEST(writing_more_than_fits_is_refused),
		RIG_TEST(positions_that_go_back_are_older_messages),
		RIG_TEST(unknown_flags_are_refused),
		RIG_TEST(context_that_there_is_none_of_is_counted_and_the_old_one_stays),
		RIG_TEST(nonsense_in_the_index_of_a_ring_is_an_empty_ring),
		RIG_TEST(our_own_indices_are_not_read_back),
		RIG_TEST(notification_ring_that_claims_to_be_full_loses_only_its_own),
		RIG_TEST(random_bytes_in_every_ring_do_no_harm),
		RIG_TEST(positions_count_only_where_a_flag_says_so),
		RIG_TEST(every_bell_of_a_full_ring_is_heard),
		RIG_TEST(contexts_ring_beside_each_other),
		RIG_TEST(many_contexts_have_one_turn_in_a_pass),
		RIG_TEST(who_asks_to_be_told_has_a_shorter_turn),
		RIG_TEST(notifications_are_coalesced_until_read),
		RIG_TEST(bell_does_not_make_a_second_entry),
		RIG_TEST(core_and_slow_path_share_the_one_entry),
		RIG_TEST(another_context_is_told_from_now_on),
		RIG_TEST(refresh_is_answered),
		RIG_TEST(space_is_told_when_a_quarter_is_free),
		RIG_TEST(space_that_is_there_is_told_at_once),
		RIG_TEST(sleeping_context_is_woken_once),
		RIG_TEST(pass_that_wakes_many_contexts_sends_one_burst),
		RIG_TEST(quiet_application_is_not_looked_at),
	};

	return RIG_MAIN(tests);
}
