/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_rx.c - what arrives in an open connection. */
#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS, DELACK_MS = 4 };

/* As later in its life, when not every segment is acknowledged at once. */
static struct peer *grown_up(struct peer *p)
{
	cold_of(p)->quick_acks = 0;
	return p;
}

/* --- acceptability --- */

TEST(data_in_order_is_acknowledged_and_told) /* RFC 9293 3.10.7.4, seventh */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	assert_int_equal(heard(p), 1);
	app_reads(p, 100);
	silence();
}

TEST(what_goes_by_is_counted)
{
	static const enum tas_counter what[] = { CNT_RX_PACKETS, CNT_RX_BYTES, CNT_TCP_RX_SEGMENTS,
		CNT_TCP_RX_PAYLOAD, CNT_TCP_TX_ACKS, CNT_TCP_TX_RSTS };
	static const uint64_t more[] = { 1, 14 + 20 + 32 + 100, 1, 100, 1, 1 };
	struct peer *p = established();
	uint64_t before[ARRAY_LEN(what)];

	for (unsigned i = 0; i < ARRAY_LEN(what); i++)
		before[i] = counted(what[i]);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	app_aborts(p);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 101);
	for (unsigned i = 0; i < ARRAY_LEN(what); i++)
		assert_int_equal(counted(what[i]) - before[i], more[i]);
	before[0] = counted(CNT_TCP_TX_ACKS);
	connected();
	assert_int_equal(counted(CNT_TCP_TX_ACKS) - before[0], 1);
}

TEST(segment_beyond_the_window_is_acknowledged_and_dropped) /* RFC 9293 3.10.7.4, first */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 8192;
	p = established();
	give(p, .seq = 1 + 8192 + 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1);
	assert_int_equal(counted(CNT_TCP_RX_OUTSIDE), 1);
	assert_int_equal(app_unread(p), 0);
	silence();
}

TEST(old_duplicate_is_acknowledged_and_dropped) /* RFC 9293 3.10.7.4, first */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101, .sack = { { 1, 101 } });
	assert_int_equal(app_unread(p), 100);
	silence();
}

TEST(duplicate_that_was_not_acknowledged_yet_is_not_told_again)
{
	struct peer *p = grown_up(established());

	give(p, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(heard(p), 1);
	silence();
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101, .sack = { { 1, 101 } });
	assert_int_equal(counted(CNT_TCP_RX_DUP), 1);
	assert_int_equal(heard(p), 0);
	app_reads(p, 100);
}

TEST(keepalive_probe_is_answered) /* RFC 9293 3.8.4: one before what is expected, empty or with one byte */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	give(p, .seq = 10, .ack = 1);
	expect(p, .seq = 1, .ack = 11);
	give(p, .seq = 10, .ack = 1, .len = 1);
	expect(p, .seq = 1, .ack = 11, .sack = { { 10, 11 } });
	silence();
}

TEST(what_does_not_fit_the_window_is_cut_off) /* RFC 9293 3.10.7.4, first */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established();
	for (uint32_t seq = 1; seq < 1 + 3 * MSS; seq += MSS)
		give(p, .seq = seq, .ack = 1, .len = MSS);
	assert_int_equal(app_unread(p), 4096);
	overlook();
	give(p, .seq = 4097, .ack = 1, .len = MSS);
	assert_int_equal(expect(p, .seq = 1, .ack = 4097)->wnd, 0);
	app_reads(p, 4096);
}

TEST(segment_without_ack_flag_is_dropped) /* RFC 9293 3.10.7.4, fifth */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100, .flags = PSH);
	assert_int_equal(app_unread(p), 0);
	silence();
}

TEST(overlap_in_front_delivers_only_what_is_new)
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	give(p, .seq = 51, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 151, .sack = { { 51, 101 } });
	app_reads(p, 150);
}

TEST(stream_wraps_the_sequence_space_and_the_ring)
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established(.irs = 0xfffffff0);
	for (uint32_t seq = 1; seq < 10001; seq += 1000) {
		give(p, .seq = seq, .ack = 1, .len = 1000);
		expect(p, .seq = 1, .ack = seq + 1000);
		app_reads(p, 1000);
		overlook();
	}
}

/* --- out of order --- */

TEST(data_past_a_gap_is_kept_and_sacked) /* RFC 2018 3, RFC 5681 4.2 */
{
	struct peer *p = established();

	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 } });
	assert_int_equal(app_unread(p), 0);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 201);
	app_reads(p, 200);
	silence();
}

TEST(sack_names_the_latest_block_first) /* RFC 2018 4 (1) */
{
	struct peer *p = established();

	give(p, .seq = 501, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 501, 601 } });
	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 }, { 501, 601 } });
	give(p, .seq = 301, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 301, 401 }, { 101, 201 }, { 501, 601 } });
	give(p, .seq = 601, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 501, 701 }, { 301, 401 }, { 101, 201 } });
	silence();
}

TEST(three_sack_blocks_beside_timestamps_and_four_without) /* RFC 2018 3; 4 (3): those told last again */
{
	struct peer *p = established(), *q = established(.no_ts = true);
	unsigned n;

	for (uint32_t seq = 101; seq < 1101; seq += 200)
		give(p, .seq = seq, .ack = 1, .len = 100);
	for (n = 0; n < 4; n++)
		next_segment(p);
	expect(p, .seq = 1, .ack = 1, .sack = { { 901, 1001 }, { 701, 801 }, { 501, 601 } });
	for (uint32_t seq = 101; seq < 1101; seq += 200)
		give(q, .seq = seq, .ack = 1, .len = 100);
	for (n = 0; n < 4; n++)
		next_segment(q);
	expect(q, .seq = 1, .ack = 1, .sack = { { 901, 1001 }, { 701, 801 }, { 501, 601 }, { 301, 401 } });
	silence();
}

TEST(data_beside_a_gap_carries_no_sack_blocks) /* what came past the gap was told at once, by itself */
{
	struct peer *p = established(.nodelay = true);

	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 } });
	app_writes(p, RIG_MSS);
	expect(p, .seq = 1, .ack = 1, .len = RIG_MSS);
	give(p, .seq = 301, .ack = 1 + RIG_MSS, .len = 100);
	expect(p, .seq = 1 + RIG_MSS, .ack = 1, .sack = { { 301, 401 }, { 101, 201 } });
	silence();
}

TEST(peer_without_sack_gets_plain_duplicates)
{
	struct peer *p = established(.no_sack = true);

	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1);
	give(p, .seq = 201, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 301);
	app_reads(p, 300);
	silence();
}

TEST(blocks_that_meet_or_overlap_become_one)
{
	struct peer *p = established();

	give(p, .seq = 301, .ack = 1, .len = 100);
	give(p, .seq = 101, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 151, .ack = 1, .len = 200);
	expect(p, .seq = 1, .ack = 1, .sack = { { 151, 201 }, { 101, 401 } });
	give(p, .seq = 1, .ack = 1, .len = 150);
	expect(p, .seq = 1, .ack = 401, .sack = { { 101, 151 } });
	app_reads(p, 400);
}

TEST(gap_that_closes_in_part_is_acknowledged_at_once) /* RFC 5681 4.2 */
{
	struct peer *p = grown_up(established());

	give(p, .seq = 201, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 1, .sack = { { 201, 301 } });
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101, .sack = { { 201, 301 } });
	give(p, .seq = 101, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 301);
	silence();
}

TEST(what_finds_no_place_among_the_gaps_comes_again)
{
	struct peer *p = established();
	uint32_t seq = 101;

	for (unsigned i = 0; i <= HOLES_MAX; i++, seq += 200)
		give(p, .seq = seq, .ack = 1, .len = 100);
	overlook();
	assert_int_equal(counted(CNT_TCP_RX_OOO), HOLES_MAX);
	for (uint32_t gap = 1; gap < seq - 200; gap += 200)
		give(p, .seq = gap, .ack = 1, .len = 100);
	overlook();
	assert_int_equal(app_unread(p), seq - 201);
	give(p, .seq = seq - 200, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = seq - 100);
	app_reads(p, seq - 101);
}

TEST(after_the_last_gap_all_is_as_before) /* no SACK, and acknowledgements wait again */
{
	struct peer *p = grown_up(established());

	give(p, .seq = 101, .ack = 1, .len = 100);
	give(p, .seq = 1, .ack = 1, .len = 100);
	overlook();
	give(p, .seq = 201, .ack = 1, .len = 100);
	silence();
	wait_ms(DELACK_MS + 1);
	expect(p, .seq = 1, .ack = 301);
	silence();
}

/* --- when to acknowledge --- */

TEST(first_segments_are_acknowledged_at_once) /* tcp(7): quick acknowledgements */
{
	struct peer *p = established();

	for (uint32_t seq = 1; seq < 161; seq += 10) {
		give(p, .seq = seq, .ack = 1, .len = 10);
		expect(p, .seq = 1, .ack = seq + 10);
	}
	give(p, .seq = 161, .ack = 1, .len = 10);
	silence();
	wait_ms(DELACK_MS + 1);
	expect(p, .seq = 1, .ack = 171);
}

TEST(every_second_full_segment_is_acknowledged) /* RFC 5681 4.2 */
{
	struct peer *p = grown_up(established());

	for (uint32_t seq = 1; seq < 1 + 6 * MSS; seq += 2 * MSS) {
		give(p, .seq = seq, .ack = 1, .len = MSS);
		silence();
		give(p, .seq = seq + MSS, .ack = 1, .len = MSS);
		expect(p, .seq = 1, .ack = seq + 2 * MSS);
	}
	silence();
}

TEST(every_second_full_segment_of_a_peer_with_small_ones) /* RFC 5681 4.2, RFC 1122 4.2.3.2 */
{
	struct peer *p = grown_up(established());

	for (uint32_t seq = 1; seq < 1 + 20 * 536; seq += 536)
		give(p, .seq = seq, .ack = 1, .len = 536);
	assert_in_range(overlook(), 9, 12);
}

/* RFC 9293 3.8.6.3: a full segment is one of 536 bytes until a larger one is seen, as in Linux. */
TEST(small_segments_are_not_taken_for_full_ones)
{
	struct peer *p = grown_up(established());

	for (uint32_t seq = 1; seq < 101; seq += 10)
		give(p, .seq = seq, .ack = 1, .len = 10);
	silence();
	wait_ms(DELACK_MS + 1);
	expect(p, .seq = 1, .ack = 101);
}

TEST(all_that_one_pass_takes_is_acknowledged_once) /* RFC 9293 3.10.7.4, MUST-58, MUST-59 */
{
	struct peer *p = grown_up(established());

	for (uint32_t i = 0; i < 8; i++)
		give(p, .seq = 1 + i * MSS, .ack = 1, .len = MSS, .hold = true);
	rig_run();
	expect(p, .seq = 1, .ack = 1 + 8 * MSS);
	silence();
}

TEST(acknowledgement_is_delayed_by_four_milliseconds) /* RFC 5681 4.2; as long as tasd.conf says */
{
	struct peer *p = grown_up(established());
	tas_ns t0 = rig.now;

	give(p, .seq = 1, .ack = 1, .len = 10);
	wait_ms(2);
	silence();
	wait_ms(3);
	assert_in_range(expect(p, .seq = 1, .ack = 11)->at - t0, 4 * NS_PER_MS, 4 * NS_PER_MS + 100000);
	wait_ms(100);
	silence();
}

TEST(acknowledgement_waits_for_no_other_flow) /* though that came on the list first, and owes one anew */
{
	struct peer *a = established(), *b = established();
	uint32_t seen = 1;

	for (; seen < 161; seen += 10) { /* past the quick ones */
		give(a, .seq = seen, .ack = 1, .len = 10);
		give(b, .seq = seen, .ack = 1, .len = 10);
	}
	wait_ms(10);
	overlook();
	give(a, .seq = seen, .ack = 1, .len = 10); /* on the list */
	wait_us(100);
	give(b, .seq = seen, .ack = 1, .len = 10); /* behind it */
	app_writes(a, 10);                         /* carries what a owes */
	expect(a, .seq = 1, .ack = seen + 10, .len = 10);
	flow_of(a)->flags &= ~(uint32_t)FLOW_PATIENT; /* the next waits as long as that of b */
	wait_us(3000);
	give(a, .seq = seen + 10, .ack = 11, .len = 10);
	assert_in_range(wait_sent(100), 800 * NS_PER_US, 1000 * NS_PER_US);
	expect(b, .seq = 1, .ack = seen + 10);
	assert_in_range(wait_sent(100), 2900 * NS_PER_US, 3300 * NS_PER_US);
	expect(a, .seq = 11, .ack = seen + 20);
	silence();
}

TEST(acknowledgement_that_finds_no_buffer_goes_later)
{
	struct peer *p = established();
	struct rte_mbuf *hoard[RIG_MBUFS + 1], *m = NULL;
	unsigned n = 0;

	give(p, .seq = 1, .ack = 1, .len = 10, .hold = true);
	assert_int_equal(rte_ring_dequeue(rig.in, (void **)&m), 0);
	rte_mbuf_refcnt_update(m, 1); /* nor does this one come back */
	rte_ring_enqueue(rig.in, m);
	while ((hoard[n] = rte_pktmbuf_alloc(rig.pool)) != NULL)
		n++;
	core_poll(rig.fp.core[0], rig.now);
	rte_pktmbuf_free_bulk(hoard, n);
	rte_pktmbuf_free(m);
	rig_run();
	silence();
	wait_ms(DELACK_MS + 1);
	expect(p, .seq = 1, .ack = 11);
	silence();
}

TEST(answer_carries_the_acknowledgement) /* one packet out per request */
{
	struct peer *p = grown_up(established(.nodelay = true));

	give(p, .seq = 1, .ack = 1, .len = 64);
	app_reads(p, 64); /* more window than a SYN can say: that is told at once */
	app_writes(p, 64);
	assert_int_equal(overlook(), 2);
	for (uint32_t n = 1; n < 50; n++) {
		give(p, .seq = 1 + n * 64, .ack = 1 + n * 64, .len = 64);
		app_reads(p, 64);
		wait_us(100);
		app_writes(p, 64);
		expect(p, .seq = 1 + n * 64, .ack = 1 + (n + 1) * 64, .len = 64);
		wait_us(100);
		silence();
	}
}

TEST(application_that_answers_also_does_at_the_start_of_a_connection)
{
	struct peer *p = established(.nodelay = true);

	give(p, .seq = 1, .ack = 1,
		.len = 64); /* acknowledged at once: nobody knows yet that an answer comes */
	expect(p, .seq = 1, .ack = 65);
	app_reads(p, 64);
	app_writes(p, 64);
	expect(p, .seq = 1, .ack = 65, .len = 64);
	for (uint32_t n = 1; n < 20; n++) {
		give(p, .seq = 1 + n * 64, .ack = 1 + n * 64, .len = 64);
		app_reads(p, 64);
		app_writes(p, 64);
		expect(p, .seq = 1 + n * 64, .ack = 1 + (n + 1) * 64, .len = 64);
	}
	silence();
}

TEST(what_is_written_unasked_is_no_answer) /* nobody waits for the next one */
{
	struct peer *p = established();

	wait_ms(100);
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	give(p, .seq = 1, .ack = 11, .len = 10);
	expect(p, .seq = 11, .ack = 11);
}

/* --- timestamps --- */

static uint32_t ts_now(const struct peer *p) { return (uint32_t)(rig.now / NS_PER_MS) + p->ts_off; }

TEST(older_timestamp_is_acknowledged_and_dropped) /* RFC 7323 5.3 R1 */
{
	struct peer *p = established();

	wait_ms(10);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	give(p, .seq = 101, .ack = 1, .len = 100, .ts_val = ts_now(p) - 1);
	expect(p, .seq = 1, .ack = 101);
	assert_int_equal(counted(CNT_TCP_RX_PAWS), 1);
	assert_int_equal(app_unread(p), 100);
	silence();
}

TEST(timestamp_is_forgotten_after_24_days) /* RFC 7323 5.5 */
{
	struct peer *p = established();
	uint32_t old = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off - 1000;

	cold_of(p)->ts_recent_ns -= 23ull * 24 * 3600 * NS_PER_SEC; /* as if that long ago */
	give(p, .seq = 1, .ack = 1, .len = 10, .ts_val = old);
	expect(p, .seq = 1, .ack = 1);
	cold_of(p)->ts_recent_ns -= 2ull * 24 * 3600 * NS_PER_SEC;
	give(p, .seq = 1, .ack = 1, .len = 10, .ts_val = old);
	assert_int_equal(expect(p, .seq = 1, .ack = 11)->ts_ecr, old);
	give(p, .seq = 11, .ack = 1, .len = 10, .ts_val = old - 1); /* and holds anew */
	expect(p, .seq = 1, .ack = 11);
	assert_int_equal(counted(CNT_TCP_RX_PAWS), 2);
}

TEST(fin_with_an_older_timestamp_is_not_taken) /* RFC 7323 5.3 R1 */
{
	struct peer *p = established();

	wait_ms(10);
	give(p, .seq = 1, .ack = 1, .len = 100);
	expect(p, .seq = 1, .ack = 101);
	give(p, .flags = FIN | ACK, .seq = 101, .ack = 1, .ts_val = ts_now(p) - 1);
	expect(p, .seq = 1, .ack = 101);
	assert_int_equal(events_of(p) & ABI_EV_RX_FIN, 0);
	silence();
}

TEST(segment_without_timestamp_is_taken_nevertheless) /* as Linux, though RFC 7323 3.2 would drop it */
{
	struct peer *p = established();

	give(p, .seq = 1, .ack = 1, .len = 100, .no_ts = true);
	expect(p, .seq = 1, .ack = 101);
}

TEST(echo_is_of_the_earliest_segment_not_acknowledged) /* RFC 7323 4.3, case A */
{
	struct peer *p = grown_up(established());
	uint32_t first = ts_now(p) + 1;

	wait_ms(1);
	give(p, .seq = 1, .ack = 1, .len = MSS);
	wait_ms(1);
	give(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	assert_int_equal(expect(p, .seq = 1, .ack = 1 + 2 * MSS)->ts_ecr, first);
}

TEST(echo_is_of_the_last_segment_before_a_gap) /* RFC 7323 4.3, cases B and C */
{
	struct peer *p = established();
	uint32_t t0 = ts_now(p);

	give(p, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(expect(p, .seq = 1, .ack = 101)->ts_ecr, t0);
	wait_ms(5);
	give(p, .seq = 201, .ack = 1, .len = 100);
	assert_int_equal(expect(p, .seq = 1, .ack = 101, .sack = { { 201, 301 } })->ts_ecr, t0);
	wait_ms(5);
	give(p, .seq = 101, .ack = 1, .len = 100);
	assert_int_equal(expect(p, .seq = 1, .ack = 301)->ts_ecr, t0 + 10);
}

TEST(every_segment_carries_our_clock) /* RFC 7323 3.2, 5.4: milliseconds, from an offset nobody can guess */
{
	struct peer *p = established();
	uint32_t t0;

	give(p, .seq = 1, .ack = 1, .len = 1);
	t0 = expect(p, .seq = 1, .ack = 2)->ts_val;
	wait_ms(250);
	give(p, .seq = 2, .ack = 1, .len = 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 3)->ts_val - t0, 250);
	assert_int_not_equal(t0, (uint32_t)(rig.now / NS_PER_MS) - 250);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(data_in_order_is_acknowledged_and_told),
		RIG_TEST(what_goes_by_is_counted),
		RIG_TEST(segment_beyond_the_window_is_acknowledged_and_dropped),
		RIG_TEST(old_duplicate_is_acknowledged_and_dropped),
		RIG_TEST(duplicate_that_was_not_acknowledged_yet_is_not_told_again),
		RIG_TEST(keepalive_probe_is_answered),
		RIG_TEST(what_does_not_fit_the_window_is_cut_off),
		RIG_TEST(segment_without_ack_flag_is_dropped),
		RIG_TEST(overlap_in_front_delivers_only_what_is_new),
		RIG_TEST(stream_wraps_the_sequence_space_and_the_ring),
		RIG_TEST(data_past_a_gap_is_kept_and_sacked),
		RIG_TEST(sack_names_the_latest_block_first),
		RIG_TEST(three_sack_blocks_beside_timestamps_and_four_without),
		RIG_TEST(data_beside_a_gap_carries_no_sack_blocks),
		RIG_TEST(peer_without_sack_gets_plain_duplicates),
		RIG_TEST(blocks_that_meet_or_overlap_become_one),
		RIG_TEST(gap_that_closes_in_part_is_acknowledged_at_once),
		RIG_TEST(what_finds_no_place_among_the_gaps_comes_again),
		RIG_TEST(after_the_last_gap_all_is_as_before),
		RIG_TEST(first_segments_are_acknowledged_at_once),
		RIG_TEST(every_second_full_segment_is_acknowledged),
		RIG_TEST(every_second_full_segment_of_a_peer_with_small_ones),
		RIG_TEST(small_segments_are_not_taken_for_full_ones),
		RIG_TEST(all_that_one_pass_takes_is_acknowledged_once),
		RIG_TEST(acknowledgement_is_delayed_by_four_milliseconds),
		RIG_TEST(acknowledgement_waits_for_no_other_flow),
		RIG_TEST(acknowledgement_that_finds_no_buffer_goes_later),
		RIG_TEST(answer_carries_the_acknowledgement),
		RIG_TEST(application_that_answers_also_does_at_the_start_of_a_connection),
		RIG_TEST(what_is_written_unasked_is_no_answer),
		RIG_TEST(older_timestamp_is_acknowledged_and_dropped),
		RIG_TEST(timestamp_is_forgotten_after_24_days),
		RIG_TEST(fin_with_an_older_timestamp_is_not_taken),
		RIG_TEST(segment_without_timestamp_is_taken_nevertheless),
		RIG_TEST(echo_is_of_the_earliest_segment_not_acknowledged),
		RIG_TEST(echo_is_of_the_last_segment_before_a_gap),
		RIG_TEST(every_segment_carries_our_clock),
	};

	return RIG_MAIN(tests);
}
