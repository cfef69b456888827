/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_tso.c - what a port that cuts packets is given to cut: on the wire, nothing may be seen of it. */
#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS };

static struct peer *cut_for(struct rig_how how)
{
	rig_port_cuts();
	return established_(how);
}

/* As if it had been sending all along: what is idle begins anew with a small window. */
static void opened_wide(struct peer *p)
{
	flow_of(p)->cwnd = 1 << 20;
	flow_of(p)->last_tx_us = ns_to_us32(rig.now);
}

static void expect_full(struct peer *p, uint32_t from, uint32_t n)
{
	for (uint32_t i = from; i < from + n; i++)
		expect(p, .seq = AT(i), .ack = 1, .len = MSS);
}

TEST(stream_goes_as_one_packet)
{
	struct peer *p = cut_for((struct rig_how){ 0 });
	uint64_t packets = counted(CNT_TX_PACKETS);

	opened_wide(p);
	app_writes(p, 20 * MSS + 100);
	expect_full(p, 0, 20);
	assert_int_equal(expect(p, .seq = AT(20), .ack = 1, .len = 100)->flags, ACK | PSH);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
	assert_int_equal(counted(CNT_TCP_TX_SEGMENTS), 21);
	assert_int_equal(counted(CNT_TX_PACKETS) - packets, 2);
	give(p, .seq = 1, .ack = AT(20) + 100);
	assert_int_equal(flow_of(p)->tx_inflight, 0);
}

TEST(packet_is_at_most_an_ip_packet_long)
{
	struct peer *p;

	rig.conf.memory.tx_buffer = 1 << 18;
	p = cut_for((struct rig_how){ 0 });
	opened_wide(p);
	app_writes(p, 100 * MSS);
	expect_full(p, 0, 100);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 3); /* 45, 45, 10 */
	assert_int_equal(rte_mempool_avail_count(rig.pool), RIG_MBUFS);
}

TEST(first_flight_is_ten_segments_in_one_packet) /* RFC 6928 */
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	app_writes(p, 20 * MSS);
	expect_full(p, 0, 10);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
	give(p, .seq = 1, .ack = AT(2));
	expect_full(p, 10, 2);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 2);
}

TEST(push_comes_on_the_last_segment_only)
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	app_writes(p, 3 * MSS);
	assert_int_equal(expect(p, .seq = AT(0), .ack = 1, .len = MSS)->flags, ACK);
	assert_int_equal(expect(p, .seq = AT(1), .ack = 1, .len = MSS)->flags, ACK);
	assert_int_equal(expect(p, .seq = AT(2), .ack = 1, .len = MSS)->flags, ACK | PSH);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
}

TEST(fin_follows_what_was_cut)
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	rig.core_stands = true;
	app_writes(p, 3 * MSS);
	app_shuts(p);
	rig.core_stands = false;
	rig_run();
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(expect(p, .seq = AT(i), .ack = 1, .len = MSS)->flags & FIN, 0);
	expect(p, .flags = FIN | ACK, .seq = AT(3), .ack = 1);
	silence();
}

TEST(peers_window_ends_a_packet)
{
	struct peer *p = cut_for((struct rig_how){ .wnd = 5 * MSS + 200 });

	app_writes(p, 20 * MSS);
	expect_full(p, 0, 5);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
	give(p, .seq = 1, .ack = AT(5));
	expect_full(p, 5, 5);
	silence();
}

TEST(rest_that_fills_no_segment_is_held_by_more) /* MSG_MORE, TCP_CORK */
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	app_writes_more(p, 4 * MSS + 10);
	expect_full(p, 0, 4);
	silence();
	app_writes(p, 10);
	expect(p, .seq = AT(4), .ack = 1, .len = 20);
	silence();
}

TEST(two_segments_are_worth_a_packet_and_one_is_not)
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	app_writes(p, MSS);
	expect_full(p, 0, 1);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 0);
	app_writes(p, 2 * MSS);
	expect_full(p, 1, 2);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
	silence();
}

TEST(only_the_lost_segment_of_a_packet_is_sent_again) /* RFC 6675 */
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	app_writes(p, 10 * MSS);
	expect_full(p, 0, 10);
	give(p, .seq = 1, .ack = AT(2), .sack = { { AT(3), AT(10) } });
	expect_full(p, 2, 1);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_RTX_BYTES), MSS);
	give(p, .seq = 1, .ack = AT(10));
	app_writes(p, 4 * MSS);
	expect_full(p, 10, 4);
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 2);
}

TEST(lost_packet_is_sent_again_segment_by_segment) /* RFC 6298 5.4 */
{
	struct peer *p = cut_for((struct rig_how){ .no_sack = true });

	app_writes(p, 3 * MSS);
	expect_full(p, 0, 3);
	wait_sent(5000);
	expect_full(p, 0, 1);
	silence();
	give(p, .seq = 1, .ack = AT(1));
	expect_full(p, 1, 1);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
	overlook();
}

/* 40 segments, each of which takes so long at the flow's pace, are never so far ahead of it. */
static void assert_paced(uint32_t segment_ns, tas_ns ahead_ns)
{
	struct peer *p = cut_for((struct rig_how){ .no_sack = true });
	const struct rig_seg *s;
	tas_ns first = 0;
	unsigned n = 0;

	opened_wide(p);
	flow_of(p)->pace_q16 = (uint32_t)(((uint64_t)segment_ns << 16) / MSS);
	app_writes(p, 40 * MSS);
	wait_ms(20);
	while ((s = next_segment(p)) != NULL) {
		first = n == 0 ? s->at : first;
		assert_true(s->at - first + ahead_ns >= (tas_ns)n * segment_ns);
		n++;
	}
	assert_int_equal(n, 40);
}

TEST(paced_flow_does_not_burst) /* at most 250 us at once, and as much for what came late */
{
	assert_paced(25000, 500000);
	assert_in_range(counted(CNT_TCP_TX_TSO), 4, 8);
}

TEST(slow_pace_has_single_segments)
{
	assert_paced(200000, 250000);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 0);
}

TEST(core_sleeps_until_the_pace_lets_more_go) /* also if it slept for long before */
{
	struct peer *p = cut_for((struct rig_how){ .no_sack = true });

	flow_of(p)->pace_q16 = (uint32_t)((1000000ull << 16) / MSS);
	rig.core_stands = true;
	rig.now += 100 * NS_PER_SEC;
	app_writes(p, 2 * MSS);
	core_kick(rig.fp.slow, p->flow); /* which sends before the wheel is looked at */
	rig.core_stands = false;
	core_poll(rig.fp.core[0], rig.now);
	assert_in_range(core_deadline(rig.fp.core[0]) - rig.now, 800000, 1100000);
	rig_run();
	expect_full(p, 0, 1);
	wait_ms(2);
	expect_full(p, 1, 1);
}

TEST(ring_wraps_within_a_packet)
{
	struct peer *p;

	rig.conf.memory.tx_buffer = 16384;
	p = cut_for((struct rig_how){ .nodelay = true });
	for (uint32_t i = 0; i < 100; i += 10) {
		app_writes(p, 10 * MSS);
		expect_full(p, i, 10);
		give(p, .seq = 1, .ack = AT(i + 10));
	}
	assert_int_equal(counted(CNT_TCP_TX_TSO), 10);
}

TEST(without_packet_buffers_it_is_sent_later)
{
	struct peer *p = cut_for((struct rig_how){ 0 });
	struct rte_mbuf *hoard[RIG_MBUFS + 1];
	unsigned n = 0;

	while ((hoard[n] = rte_pktmbuf_alloc(rig.pool)) != NULL)
		n++;
	for (unsigned i = 0; i < 3; i++) /* enough for the beginning of a chain */
		rte_pktmbuf_free(hoard[--n]);
	app_writes(p, 10 * MSS);
	expect_full(p, 0, 3); /* one by one, as far as they went */
	silence();
	assert_int_equal(counted(CNT_TCP_TX_TSO), 0);
	rte_pktmbuf_free_bulk(hoard, n);
	give(p, .seq = 1, .ack = AT(3));
	expect_full(p, 3, 7);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
}

TEST(with_ecn_nothing_is_cut) /* a port may repeat CWR; RFC 3168 6.1.2 */
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	flow_of(p)->flags |= FLOW_ECN;
	app_writes(p, 4 * MSS);
	assert_int_equal(overlook(), 4);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 0);
}

TEST(port_may_want_shorter_frames) /* net_tap counts the Ethernet header into the MTU */
{
	struct peer *p = cut_for((struct rig_how){ 0 });

	rig.port.tso_frame = 1500;
	app_writes(p, 3 * MSS);
	for (uint32_t i = 0; i < 3; i++)
		expect(p, .seq = 1 + i * 1434, .ack = 1, .len = 1434);
	expect(p, .seq = 1 + 3 * 1434, .ack = 1, .len = 3 * MSS - 3 * 1434);
	silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(stream_goes_as_one_packet),
		RIG_TEST(packet_is_at_most_an_ip_packet_long),
		RIG_TEST(first_flight_is_ten_segments_in_one_packet),
		RIG_TEST(push_comes_on_the_last_segment_only),
		RIG_TEST(fin_follows_what_was_cut),
		RIG_TEST(peers_window_ends_a_packet),
		RIG_TEST(rest_that_fills_no_segment_is_held_by_more),
		RIG_TEST(two_segments_are_worth_a_packet_and_one_is_not),
		RIG_TEST(only_the_lost_segment_of_a_packet_is_sent_again),
		RIG_TEST(lost_packet_is_sent_again_segment_by_segment),
		RIG_TEST(paced_flow_does_not_burst),
		RIG_TEST(slow_pace_has_single_segments),
		RIG_TEST(core_sleeps_until_the_pace_lets_more_go),
		RIG_TEST(ring_wraps_within_a_packet),
		RIG_TEST(without_packet_buffers_it_is_sent_later),
		RIG_TEST(with_ecn_nothing_is_cut),
		RIG_TEST(port_may_want_shorter_frames),
	};

	return RIG_MAIN(tests);
}
