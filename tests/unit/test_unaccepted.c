/* SPDX-License-Identifier: BSD-3-Clause */
/* test_unaccepted.c - what arrives before somebody accepts, or between two processes that might. */
#include "slowpath/unaccepted.h"

#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { WINDOW = 65535 }; /* of a SYN-ACK */

/* The handshake is complete; nobody has accepted. */
static struct peer *opened(void)
{
	struct peer *p = peer_new();

	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	silence();
	return p;
}

/* And the process that listens is not ready to. */
static struct peer *waiting(void)
{
	if (rig.npeers == 0)
		assert_int_equal(app_listens_unarmed(0, RIG_PORT, 64), 0);
	return opened();
}

static void becomes_ready(struct peer *p)
{
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	assert_true(app_accepts(p, 0));
}

/* Full segments and a last one, acknowledged. Returns what the last acknowledgement left of the window. */
static uint32_t arrive(struct peer *p, uint32_t from, uint32_t to)
{
	uint32_t wnd = 0;

	for (uint32_t seq = from; seq < to; seq += min_u32(RIG_MSS, to - seq)) {
		uint32_t len = min_u32(RIG_MSS, to - seq);

		give(p, .seq = seq, .ack = 1, .len = len);
		wnd = expect(p, .seq = 1, .ack = seq + len)->wnd;
	}
	return wnd;
}

/* --- arriving --- */

TEST(what_arrives_before_accept_is_there_after_it)
{
	struct peer *p = waiting();

	arrive(p, 1, 5001);
	becomes_ready(p);
	silence();
	assert_int_equal(app_unread(p), 5000);
	assert_int_equal(events_of(p), ABI_EV_ACCEPT);
	give(p, .seq = 5001, .ack = 1, .len = 100);
	overlook();
	app_reads(p, 5100);
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 5101, .len = 10);
	assert_int_equal(counted(CNT_TCP_RX_PAYLOAD), 5100);
	assert_int_equal(rig.sp.unaccepted_bytes, 0);
}

TEST(what_completes_the_handshake_may_bring_data_and_the_end)
{
	struct peer *p = peer_new();

	assert_int_equal(app_listens_unarmed(0, RIG_PORT, 64), 0);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 700);
	expect(p, .seq = 1, .ack = 702);
	becomes_ready(p);
	assert_int_equal(events_of(p), ABI_EV_ACCEPT | ABI_EV_RX_FIN);
	app_reads(p, 700);
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 702);
	give(p, .seq = 702, .ack = 2);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
}

TEST(end_without_data_is_told_with_the_connection)
{
	struct peer *p = waiting();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 2);
	becomes_ready(p);
	assert_int_equal(events_of(p), ABI_EV_ACCEPT | ABI_EV_RX_FIN);
	assert_int_equal(app_unread(p), 0);
	app_writes(p, 10); /* it may still be answered */
	expect(p, .seq = 1, .ack = 2, .len = 10);
}

TEST(what_arrives_past_a_gap_waits_for_it)
{
	struct peer *p = waiting(), *q = waiting();

	for (unsigned i = 0; i < 2; i++) {
		struct peer *x = i == 0 ? p : q;

		give(x, .seq = 1001, .ack = 1, .len = 1000);
		expect(x, .seq = 1, .ack = 1, .sack = { { 1001, 2001 } });
		give(x, .seq = 5001, .ack = 1, .len = 1000);
		expect(x, .seq = 1, .ack = 1, .sack = { { 5001, 6001 }, { 1001, 2001 } });
	}
	give(p, .seq = 1, .ack = 1, .len = 1000); /* one gap closes before it is accepted */
	expect(p, .seq = 1, .ack = 2001, .sack = { { 5001, 6001 } });
	becomes_ready(p);
	assert_true(app_accepts(q, 0));
	give(q, .seq = 1, .ack = 1, .len = 1000); /* and one after */
	expect(q, .seq = 1, .ack = 2001, .sack = { { 5001, 6001 } });
	for (unsigned i = 0; i < 2; i++) {
		struct peer *x = i == 0 ? p : q;

		app_reads(x, 2000);
		give(x, .seq = 2001, .ack = 1, .len = 1000);
		overlook();
		give(x, .seq = 3001, .ack = 1, .len = 1000);
		overlook();
		give(x, .seq = 4001, .ack = 1, .len = 1000);
		overlook();
		app_reads(x, 4000);
	}
}

TEST(what_lies_in_a_gap_is_not_given) /* it may be another's */
{
	struct peer *p = waiting();
	const struct abi_flow_rec *r;
	char *kept;

	give(p, .seq = 30001, .ack = 1, .len = 1000);
	overlook();
	kept = rig.sp.conn[flow_lookup(&rig.fp, &rig.fp.cold[0].key)].kept;
	assert_non_null(kept);
	memset(kept, 0xa5, 30000);
	becomes_ready(p);
	r = rec_of(p);
	for (uint32_t i = 0; i < 30000; i++)
		assert_int_equal(p->app->base[r->rx_off + i], 0);
	assert_int_equal((uint8_t)p->app->base[r->rx_off + 30000], peer_byte(30000));
}

TEST(window_of_the_handshake_is_kept_whole_and_opens_when_accepted)
{
	struct peer *p = waiting();
	const struct rig_seg *s;

	assert_int_equal(arrive(p, 1, 1 + WINDOW), 0);
	give(p, .seq = WINDOW, .ack = 1); /* a probe */
	s = next_segment(p);
	assert_int_equal(s->ack, 1 + WINDOW);
	assert_int_equal(s->wnd, 0);
	becomes_ready(p);
	s = expect(p, .seq = 1, .ack = 1 + WINDOW);
	assert_in_range(s->wnd, 60000, 65537);
	app_reads(p, WINDOW);
	overlook();
	give(p, .seq = 1 + WINDOW, .ack = 1, .len = 1000);
	overlook();
	app_reads(p, 1000);
}

/* So many full segments, and their acknowledgements, whenever they come. */
static void pours_in(struct peer *p, uint32_t segments)
{
	for (uint32_t i = 0; i < segments; i++)
		give(p, .seq = AT(i), .ack = 1, .len = RIG_MSS);
	wait_ms(50);
	overlook();
}

TEST(window_below_a_quarter_of_the_ring_is_renewed_with_accept) /* the peer may wait for that */
{
	struct peer *p = waiting(), *q = waiting();

	pours_in(p, 22); /* 33,679 of 65,535 bytes are left, and the ring is of 131,072 */
	pours_in(q, 23);
	becomes_ready(p);
	assert_true(expect(q, .seq = 1, .ack = AT(23))->wnd > WINDOW);
	silence();
	assert_true(app_accepts(q, 0));
}

TEST(what_is_beyond_a_small_buffer_comes_again)
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = waiting();
	arrive(p, 1, 1 + 2 * RIG_MSS);
	give(p, .seq = 1 + 2 * RIG_MSS, .ack = 1, .len = RIG_MSS);
	assert_in_range(next_segment(p)->ack, 4096, 4097);
	becomes_ready(p);
	overlook();
	assert_in_range(app_unread(p), 4095, 4096);
	app_reads(p, app_unread(p));
}

TEST(unaccepted_connection_asks_about_a_syn) /* RFC 5961 4.2 */
{
	struct peer *p = waiting();

	arrive(p, 1, 101);
	give(p, .flags = SYN, .seq = 50);
	expect(p, .seq = 1, .ack = 101);
	assert_int_equal(counted(CNT_TCP_RX_CHALLENGE), 1);
}

/* --- limits --- */

TEST(what_finds_no_room_comes_again)
{
	struct peer *p, *q;

	rig.conf.memory.unaccepted_max = 4 * 8192;
	p = waiting();
	arrive(p, 1, 5001);
	assert_int_equal(rig.sp.unaccepted_bytes, 8192);
	arrive(p, 5001, 8001); /* the ring has room */
	q = waiting();
	give(q, .seq = 1, .ack = 1, .len = 10);      /* the listener has its quarter */
	give(p, .seq = 8001, .ack = 1, .len = 1000); /* and there is no larger ring */
	silence();
	assert_int_equal(counted(CNT_TCP_UNACCEPTED_DROPPED), 2);
	give(q, .seq = 1, .ack = 1);
	silence();
	assert_int_equal(app_listens_unarmed(0, RIG_PORT + 1, 64), 0);
	q = peer_new();
	q->local_port = RIG_PORT + 1;
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	give(q, .seq = 1, .ack = 1, .len = 10); /* another listener has its own */
	expect(q, .seq = 1, .ack = 11);
	becomes_ready(p);
	give(p, .seq = 8001, .ack = 1, .len = 1000);
	overlook();
	app_reads(p, 9000);
}

TEST(nothing_is_kept_with_a_limit_of_nothing)
{
	struct peer *p;

	rig.conf.memory.unaccepted_max = 0;
	p = waiting();
	give(p, .seq = 1, .ack = 1, .len = 10);
	silence();
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	silence();
	becomes_ready(p);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 12);
	app_reads(p, 10);
}

TEST(memory_comes_back_with_the_end_of_a_connection)
{
	struct peer *reset = waiting(), *closed = waiting();

	arrive(reset, 1, 3001);
	arrive(closed, 1, 3001);
	assert_int_equal(rig.sp.unaccepted_bytes, 2 * 4096);
	give(reset, .flags = RST, .seq = 3001);
	assert_int_equal(rig.sp.unaccepted_bytes, 4096);
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	expect(closed, .flags = RST | ACK, .seq = 1, .ack = 3001);
	assert_int_equal(rig.sp.unaccepted_bytes, 0);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
}

/* --- from one process to the next --- */

/* Handed to process 0, which does not accept it; process 1 has the listener, too. */
static struct peer *handed(void)
{
	assert_int_equal(app_listens(0, RIG_PORT, 64), 0);
	app_joins(1, 0, RIG_PORT);
	return opened();
}

TEST(what_a_process_leaves_and_what_comes_then_goes_to_the_next)
{
	struct peer *p = handed();

	arrive(p, 1, 2001);
	give(p, .seq = 3001, .ack = 1, .len = 500);
	expect(p, .seq = 1, .ack = 2001, .sack = { { 3001, 3501 } });
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	assert_int_equal(rig.apps.slot[rig.app[0].id].nr_rings, 0);
	give(p, .seq = 2001, .ack = 1, .len = 1000);
	expect(p, .seq = 1, .ack = 3501);
	arrive(p, 3501, 9001);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	assert_true(app_accepts(p, 1));
	assert_int_equal(app_unread(p), 9000);
	app_reads(p, 9000);
	assert_int_equal(rig.sp.unaccepted_bytes, 0);
	overlook();
}

TEST(what_a_process_leaves_counts_but_for_the_listeners_share)
{
	struct peer *p;

	rig.conf.memory.unaccepted_max = 8192;
	p = handed();
	arrive(p, 1, 8001);
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	silence();
	assert_int_equal(rig.sp.unaccepted_bytes, 8192);
	assert_int_equal(app_arms(1, RIG_PORT), 0);
	assert_true(app_accepts(p, 1));
	app_reads(p, 8000);
	overlook();
}

TEST(what_a_process_leaves_and_finds_no_room_is_reset)
{
	struct peer *p;

	rig.conf.memory.unaccepted_max = 8191;
	p = handed();
	arrive(p, 1, 8001);
	assert_int_equal(app_unlistens(0, RIG_PORT), 0);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 8001);
	assert_int_equal(counted(CNT_TCP_UNACCEPTED_RESETS), 1);
	assert_int_equal(rig.sp.unaccepted_bytes, 0);
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
}

TEST(process_that_has_no_part_of_a_listener_leaves_nothing)
{
	struct listener *l;

	assert_int_equal(app_listens(0, RIG_PORT, 8), 0);
	l = listen_find(rig.sp.listeners, &(struct flow_key){ .local_port = htobe16(RIG_PORT) });
	listen_op_leave(&rig.sp, app_start(1)->id, l->id);
	assert_int_equal(l->nacceptors, 1);
	assert_true(app_accepts(opened(), 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_arrives_before_accept_is_there_after_it),
		RIG_TEST(what_completes_the_handshake_may_bring_data_and_the_end),
		RIG_TEST(end_without_data_is_told_with_the_connection),
		RIG_TEST(what_arrives_past_a_gap_waits_for_it),
		RIG_TEST(what_lies_in_a_gap_is_not_given),
		RIG_TEST(window_of_the_handshake_is_kept_whole_and_opens_when_accepted),
		RIG_TEST(window_below_a_quarter_of_the_ring_is_renewed_with_accept),
		RIG_TEST(what_is_beyond_a_small_buffer_comes_again),
		RIG_TEST(unaccepted_connection_asks_about_a_syn),
		RIG_TEST(what_finds_no_room_comes_again),
		RIG_TEST(nothing_is_kept_with_a_limit_of_nothing),
		RIG_TEST(memory_comes_back_with_the_end_of_a_connection),
		RIG_TEST(what_a_process_leaves_and_what_comes_then_goes_to_the_next),
		RIG_TEST(what_a_process_leaves_counts_but_for_the_listeners_share),
		RIG_TEST(what_a_process_leaves_and_finds_no_room_is_reset),
		RIG_TEST(process_that_has_no_part_of_a_listener_leaves_nothing),
	};

	return RIG_MAIN(tests);
}
