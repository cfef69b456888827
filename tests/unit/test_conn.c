/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn.c - how connections end: RFC 9293 3.6, figures 5, 12 and 13. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { S_MS = 1000, TIME_WAIT_MS = 60 * S_MS };

static uint8_t state(const struct peer *p) { return flow_of(p)->state; }

static void assert_gone(void)
{
	wait_ms(100);
	assert_int_equal(flows_in_use(), 0);
	for (unsigned i = 0; i < RIG_APPS; i++) {
		assert_int_equal(rig.apps.slot[i].nr_recs, 0);
		assert_int_equal(rig.apps.slot[i].nr_rings, 0);
	}
	silence();
}

/* --- in order --- */

TEST(active_close) /* RFC 9293 3.6, figure 12: FIN, its ACK, the peer's FIN, TIME-WAIT */
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(state(p), TCP_FIN_WAIT_1);
	give(p, .seq = 1, .ack = 2);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	wait_ms(100);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	wait_ms(TIME_WAIT_MS - 100);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	wait_ms(200);
	assert_gone();
}

/* Linux, too, keeps no buffers for an orphan whose FIN was acknowledged. */
TEST(closed_connection_needs_no_memory_while_the_peer_takes_its_time)
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	assert_int_equal(rig.apps.slot[0].nr_rings, 1);
	give(p, .seq = 1, .ack = 2);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	assert_int_equal(rig.apps.slot[0].nr_rings, 0);
	give(p, .seq = 0, .ack = 2); /* keepalive */
	expect(p, .seq = 2, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	wait_ms(TIME_WAIT_MS + 100);
	assert_gone();
}

TEST(dead_process_whose_peers_take_their_time_is_gone_at_once)
{
	struct peer *p = established();

	app_dies(0);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	wait_ms(10);
	assert_int_equal(rig.apps.slot[0].state, APP_FREE);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	give(p, .seq = 1, .ack = 2, .len = 10); /* to nobody */
	expect(p, .flags = RST | ACK, .seq = 2, .ack = 1);
	assert_gone();
}

/* As on Linux: what write() took is sent, whatever becomes of the process. */
TEST(last_words_of_a_process_are_heard_though_the_core_had_not_looked)
{
	struct peer *p = established();

	rig.core_stands = true;
	app_writes(p, 100);
	app_dies(0);
	wait_ms(100);
	silence();
	rig.core_stands = false;
	wait_ms(2);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 102);
	expect(p, .seq = 102, .ack = 2);
	wait_ms(TIME_WAIT_MS + 100);
	assert_gone();
}

TEST(connection_that_a_process_accepted_before_it_died_ends_as_one)
{
	struct peer *p = peer_new();

	app_listens(0, RIG_PORT, 10);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	rig.core_stands = rig.slow_stands = true;
	assert_true(app_accepts(p, 0));
	app_writes(p, 100);
	app_dies(0);
	rig.core_stands = rig.slow_stands = false;
	wait_ms(2);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
	give(p, .flags = RST | ACK, .seq = 1, .ack = 102);
	assert_gone();
}

TEST(active_close_with_fin_and_ack_in_one_segment)
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	silence();
}

TEST(passive_close) /* RFC 9293 3.6, figure 12, the other side */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 2);
	assert_int_equal(state(p), TCP_CLOSE_WAIT);
	assert_int_equal(events_of(p) & ABI_EV_RX_FIN, ABI_EV_RX_FIN);
	assert_int_equal(heard(p), 1);
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	assert_int_equal(state(p), TCP_LAST_ACK);
	give(p, .seq = 2, .ack = 2);
	assert_gone();
}

TEST(simultaneous_close) /* RFC 9293 3.6, figure 13 */
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 2, .ack = 2);
	assert_int_equal(state(p), TCP_CLOSING);
	give(p, .seq = 2, .ack = 2);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	silence();
	wait_ms(TIME_WAIT_MS + 100);
	assert_gone();
}

TEST(simultaneous_close_whose_acknowledgements_are_lost) /* RFC 9293 3.6, figure 13; both repeat their FIN */
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 2, .ack = 2); /* lost, as the peer's */
	assert_in_range(wait_sent(1000), 199 * NS_PER_MS, 202 * NS_PER_MS);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 2); /* which acknowledges, too */
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 2);
	give(p, .seq = 2, .ack = 2);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	silence();
}

/* --- half close --- */

TEST(peer_that_ended_its_stream_still_receives) /* RFC 9293 3.6, case 2 */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 2);
	for (uint32_t seq = 1; seq < 5001; seq += 1000) {
		app_writes(p, 1000);
		expect(p, .seq = seq, .ack = 2, .len = 1000);
		give(p, .seq = 2, .ack = seq + 1000);
	}
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 5001, .ack = 2);
	give(p, .seq = 2, .ack = 5002);
	assert_gone();
}

TEST(application_that_ended_its_stream_still_receives) /* RFC 9293 3.6, case 1; shutdown(SHUT_WR) */
{
	struct peer *p = established();

	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	assert_int_equal(events_of(p) & ABI_EV_TX_DONE, ABI_EV_TX_DONE);
	wait_ms(2 * TIME_WAIT_MS); /* no limit while somebody has it */
	for (uint32_t seq = 1; seq < 5001; seq += 1000) {
		give(p, .seq = seq, .ack = 2, .len = 1000);
		expect(p, .seq = 2, .ack = seq + 1000);
		app_reads(p, 1000);
	}
	overlook();
	give(p, .flags = FIN | ACK, .seq = 5001, .ack = 2);
	expect(p, .seq = 2, .ack = 5002);
	assert_int_equal(state(p), TCP_TIME_WAIT);
	app_closes(p);
	assert_int_equal(rig.apps.slot[0].nr_recs, 0);
	assert_int_equal(rig.apps.slot[0].nr_rings, 0);
	wait_ms(TIME_WAIT_MS + 100);
	assert_gone();
}

TEST(received_data_stay_readable_after_everything) /* until the application lets go */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 1000);
	expect(p, .seq = 1, .ack = 1002);
	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1002);
	give(p, .seq = 1002, .ack = 2);
	wait_ms(TIME_WAIT_MS + 100);
	app_reads(p, 1000);
	app_closes(p);
	assert_gone();
}

TEST(second_shutdown_changes_nothing)
{
	struct peer *p = established();

	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	app_shuts(p);
	give(p, .seq = 1, .ack = 2);
	app_shuts(p);
	app_closes(p);
	silence();
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
}

/* --- FIN and data --- */

TEST(close_sends_what_was_written_first) /* RFC 9293 3.10.4 */
{
	struct peer *p = established();

	app_writes(p, 20 * 1448);
	assert_int_equal(overlook(), 10);
	app_closes(p);
	give(p, .seq = 1, .ack = 1 + 10 * 1448);
	for (uint32_t i = 10; i < 20; i++)
		expect(p, .flags = i == 19 ? FIN | ACK : ACK, .seq = 1 + i * 1448, .ack = 1, .len = 1448);
	give(p, .seq = 1, .ack = 2 + 20 * 1448);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	silence();
}

TEST(fin_out_of_order_waits_for_the_gap)
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 } });
	assert_int_equal(events_of(p) & ABI_EV_RX_FIN, 0);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 202);
	assert_int_equal(events_of(p) & ABI_EV_RX_FIN, ABI_EV_RX_FIN);
	assert_int_equal(rec_of(p)->rx_end, 200);
	assert_int_equal(state(p), TCP_CLOSE_WAIT);
	app_reads(p, 200);
	silence();
}

TEST(lone_fin_out_of_order_waits_for_the_gap)
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 201, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 } });
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 202);
	assert_int_equal(state(p), TCP_CLOSE_WAIT);
}

TEST(fin_behind_the_window_waits_too)
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established();
	give(p, .seq = 1, .ack = 1, .len = 1400);
	give(p, .seq = 1401, .ack = 1, .len = 1400);
	overlook();
	give(p, .flags = FIN | ACK, .seq = 2801, .ack = 1, .len = 1400); /* 1296 fit */
	expect(p, .seq = 1, .ack = 4097);
	assert_int_equal(state(p), TCP_ESTABLISHED);
	app_reads(p, 4096);
	overlook();
	give(p, .flags = FIN | ACK, .seq = 4097, .ack = 1, .len = 104);
	expect(p, .seq = 1, .ack = 4202);
	app_reads(p, 104);
	assert_int_equal(state(p), TCP_CLOSE_WAIT);
}

TEST(fin_that_comes_again_is_acknowledged_again) /* RFC 9293 3.10.7.4, eighth */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 12);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 12, .sack = { { 1, 11 } });
	give(p, .flags = FIN | ACK, .seq = 11, .ack = 1);
	expect(p, .seq = 1, .ack = 12);
	silence();
	assert_int_equal(state(p), TCP_CLOSE_WAIT);
}

TEST(fin_without_an_answer_is_repeated_and_given_up) /* tcp_orphan_retries of Linux */
{
	struct peer *p = established();
	unsigned sent = 0;

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	while (flows_in_use() > 0 && sent < 20) {
		wait_sent(60 * S_MS);
		for (; rig.sent_head != rig.sent_tail; sent++)
			expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	}
	assert_int_equal(sent, 8);
	assert_gone();
}

/* --- nobody has it any more --- */

TEST(orphan_in_fin_wait_2_is_given_up) /* tcp_fin_timeout of Linux */
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	wait_ms(59 * S_MS);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	wait_ms(2 * S_MS);
	assert_gone();
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	expect(p, .flags = RST, .seq = 2);
}

TEST(wait_in_fin_wait_2_begins_with_close)
{
	struct peer *p = established();

	app_shuts(p);
	overlook();
	give(p, .seq = 1, .ack = 2);
	wait_ms(100 * S_MS);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	app_closes(p);
	wait_ms(59 * S_MS);
	assert_int_equal(state(p), TCP_FIN_WAIT_2);
	wait_ms(2 * S_MS);
	assert_gone();
}

TEST(data_after_close_are_reset) /* RFC 9293 3.6.1, RFC 1122 4.2.2.13 */
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	give(p, .seq = 1, .ack = 2, .len = 10);
	assert_int_equal(rig.sent_tail - rig.sent_head, 1);
	assert_int_equal(next_segment(p)->flags & RST, RST);
	assert_gone();
}

TEST(close_with_unread_data_is_a_reset) /* RFC 2525 2.17, RFC 1122 4.2.2.13 */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	app_closes(p);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 11);
	assert_gone();
}

TEST(abort_is_a_reset_and_drops_what_was_written) /* RFC 9293 3.10.5; SO_LINGER 0 */
{
	struct peer *p = established();

	app_writes(p, 20 * 1448);
	assert_int_equal(overlook(), 10);
	app_aborts(p);
	expect(p, .flags = RST | ACK, .seq = 1 + 10 * 1448, .ack = 1);
	assert_gone();
	wait_ms(1000);
	silence();
}

TEST(abort_after_shutdown_is_a_reset)
{
	struct peer *p = established();

	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	app_aborts(p);
	expect(p, .flags = RST | ACK, .seq = 2, .ack = 1);
	assert_gone();
}

TEST(process_that_dies_sends_what_it_wrote) /* and then a FIN, as Linux */
{
	struct peer *p = established();

	app_writes(p, 20 * 1448);
	assert_int_equal(overlook(), 10);
	app_dies(0);
	wait_us(100);
	give(p, .seq = 1, .ack = 1 + 10 * 1448);
	for (uint32_t i = 10; i < 20; i++)
		expect(p, .flags = i == 19 ? FIN | ACK : ACK, .seq = 1 + i * 1448, .ack = 1, .len = 1448);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2 + 20 * 1448);
	expect(p, .seq = 2 + 20 * 1448, .ack = 2);
	assert_int_equal(rig.apps.slot[0].nr_rings, 0); /* nothing of it is needed any more */
	wait_ms(TIME_WAIT_MS + 100);
	assert_gone();
	assert_int_equal(rig.apps.slot[0].state, APP_FREE);
}

/* --- the peer's reset --- */

TEST(reset_is_told_and_unread_data_stay_readable) /* ECONNRESET, once what came before was read */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	heard(p);
	give(p, .flags = RST, .seq = 101);
	assert_int_equal(events_of(p) & ABI_EV_RESET, ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ECONNRESET);
	assert_int_equal(heard(p), 1);
	app_reads(p, 100);
	app_closes(p);
	assert_gone();
}

TEST(reset_in_close_wait_is_a_broken_pipe) /* EPIPE as in Linux */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 2);
	give(p, .flags = RST, .seq = 2);
	assert_int_equal(rec_of(p)->error, EPIPE);
	app_closes(p);
	assert_gone();
}

TEST(reset_at_the_number_of_the_fin_is_obeyed) /* tcp_reset_check() of Linux: some peers forget to count it */
{
	struct peer *p = established();

	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 2);
	give(p, .flags = RST, .seq = 1);
	assert_int_equal(rec_of(p)->error, EPIPE);
	silence();
}

TEST(reset_ends_a_connection_in_every_state) /* RFC 9293 3.10.7.4, second */
{
	static const struct {
		bool shut, acked, fin;
		uint8_t state;
	} how[] = { { false, false, true, TCP_CLOSE_WAIT }, { true, false, false, TCP_FIN_WAIT_1 },
		{ true, true, false, TCP_FIN_WAIT_2 }, { true, false, true, TCP_CLOSING },
		{ true, true, true, TCP_TIME_WAIT } };

	for (unsigned i = 0; i < ARRAY_LEN(how); i++) {
		struct peer *p = established();

		if (how[i].shut)
			app_shuts(p);
		if (how[i].acked)
			give(p, .seq = 1, .ack = 2);
		if (how[i].fin)
			give(p, .flags = FIN | ACK, .seq = 1, .ack = how[i].acked ? 2 : 1);
		assert_int_equal(state(p), how[i].state);
		overlook();
		give(p, .flags = RST, .seq = how[i].fin ? 2 : 1);
		assert_int_equal(state(p), TCP_CLOSED);
		silence();
		app_closes(p);
	}
	assert_gone();
}

TEST(four_tuple_is_free_at_once_after_a_reset) /* though the application still has the old connection */
{
	struct peer *p = established(), *q;

	give(p, .flags = RST, .seq = 1);
	q = peer_again(p, RIG_IRS - 100000);
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
	give(q, .seq = 1, .ack = 1, .len = 10);
	assert_true(app_accepts(q, 0));
	assert_int_not_equal(p->flow, q->flow);
	app_reads(q, 10);
	app_closes(p);
	overlook();
	app_writes(q, 10);
	expect(q, .seq = 1, .ack = 11, .len = 10);
}

TEST(nothing_is_sent_after_a_reset) /* what was owed or waited is dropped */
{
	struct peer *p = established();

	cold_of(p)->quick_acks = 0;
	app_writes(p, 20 * 1448);
	overlook();
	give(p, .seq = 1, .ack = 1, .len = 10); /* to be acknowledged in a while */
	give(p, .flags = RST, .seq = 11);
	wait_ms(5000);
	silence();
}

/* Frames of others that fill the core's burst: nothing more is sent in its next pass. */
static void burst_is_full(struct fp_core *c)
{
	while (c->ntx < FP_TX_BATCH) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool);

		assert_non_null(rte_pktmbuf_append(m, 60));
		c->tx[c->ntx++] = m;
	}
}

static void wire_emptied(void)
{
	struct rte_mbuf *m;

	while (rte_ring_dequeue(rig.out, (void **)&m) == 0)
		rte_pktmbuf_free(m);
}

/* Else its slot is somebody else's between the two (core.c, held_poll()). */
TEST(flow_that_ended_goes_from_no_list_to_another)
{
	struct peer *p = established();
	struct fp_core *c = rig.fp.core[0];

	app_writes_more(p, 10);
	app_aborts(p);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	assert_int_equal(cold_of(p)->on_list, LIST_HELD);
	assert_int_equal(flows_in_use(), 1);
	rig.core_stands = true;
	wait_ms(300); /* what is held back is due */
	burst_is_full(c);
	core_poll(c, rig.now);
	assert_int_equal(cold_of(p)->on_list, 0);
	wire_emptied();
	rig.core_stands = false;
	assert_gone();
}

TEST(reset_ends_what_nobody_has)
{
	struct peer *p = established();

	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .flags = RST, .seq = 1);
	assert_gone();
}

/* Cores wait for the lock of a flow; its process closed it, and its child still has it. */
TEST(most_of_what_moves_to_another_process_moves_without_the_lock)
{
	enum { SEGMENTS = 150 };
	struct ctl_adopt a = { .context = 0 };
	struct hold *hold;
	struct peer *p;

	rig.conf.memory.rx_buffer = 512 << 10;
	p = established(.nodelay = true);
	hold = app_forks(1, 0);
	a.flow = p->flow;
	a.gen = p->gen;
	for (int who = 1; who >= 0; who--) /* the child used it, then the parent */
		while (app_adopt(&rig.apps, rig.app[who].id, &a) == APP_LATER)
			rig_run();
	for (uint32_t i = 0; i < SEGMENTS; i++)
		give(p, .seq = AT(i), .ack = 1, .len = RIG_MSS);
	overlook();
	app_fork_end(&rig.apps, hold);
	app_rings(p, ABI_BELL_CLOSE, 1);
	assert_int_equal(flow_of(p)->app, rig.app[1].id);
	assert_int_equal(flow_of(p)->rx_unread, SEGMENTS * RIG_MSS);
	assert_in_range(rig.apps.copied.locked, 0, 64 << 10);
	app_dies(1);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(active_close),
		RIG_TEST(closed_connection_needs_no_memory_while_the_peer_takes_its_time),
		RIG_TEST(dead_process_whose_peers_take_their_time_is_gone_at_once),
		RIG_TEST(last_words_of_a_process_are_heard_though_the_core_had_not_looked),
		RIG_TEST(connection_that_a_process_accepted_before_it_died_ends_as_one),
		RIG_TEST(active_close_with_fin_and_ack_in_one_segment),
		RIG_TEST(passive_close),
		RIG_TEST(simultaneous_close),
		RIG_TEST(simultaneous_close_whose_acknowledgements_are_lost),
		RIG_TEST(peer_that_ended_its_stream_still_receives),
		RIG_TEST(application_that_ended_its_stream_still_receives),
		RIG_TEST(received_data_stay_readable_after_everything),
		RIG_TEST(second_shutdown_changes_nothing),
		RIG_TEST(close_sends_what_was_written_first),
		RIG_TEST(fin_out_of_order_waits_for_the_gap),
		RIG_TEST(lone_fin_out_of_order_waits_for_the_gap),
		RIG_TEST(fin_behind_the_window_waits_too),
		RIG_TEST(fin_that_comes_again_is_acknowledged_again),
		RIG_TEST(fin_without_an_answer_is_repeated_and_given_up),
		RIG_TEST(orphan_in_fin_wait_2_is_given_up),
		RIG_TEST(wait_in_fin_wait_2_begins_with_close),
		RIG_TEST(data_after_close_are_reset),
		RIG_TEST(close_with_unread_data_is_a_reset),
		RIG_TEST(abort_is_a_reset_and_drops_what_was_written),
		RIG_TEST(abort_after_shutdown_is_a_reset),
		RIG_TEST(process_that_dies_sends_what_it_wrote),
		RIG_TEST(reset_is_told_and_unread_data_stay_readable),
		RIG_TEST(reset_in_close_wait_is_a_broken_pipe),
		RIG_TEST(reset_at_the_number_of_the_fin_is_obeyed),
		RIG_TEST(reset_ends_a_connection_in_every_state),
		RIG_TEST(four_tuple_is_free_at_once_after_a_reset),
		RIG_TEST(nothing_is_sent_after_a_reset),
		RIG_TEST(flow_that_ended_goes_from_no_list_to_another),
		RIG_TEST(reset_ends_what_nobody_has),
		RIG_TEST(most_of_what_moves_to_another_process_moves_without_the_lock),
	};

	return RIG_MAIN(tests);
}
