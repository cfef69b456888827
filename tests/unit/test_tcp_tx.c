/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_tx.c - what is sent, and when. */
#include <errno.h>

#include "slowpath/tcp_out.h"
#include "tests/unit/rig_tcp.h"

enum { MSS = 1448 };

/* --- segments --- */

TEST(stream_is_cut_into_full_segments)
{
	struct peer *p = established();

	app_writes(p, 3 * MSS + 100);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(expect(p, .seq = 1 + i * MSS, .ack = 1, .len = MSS)->flags, ACK);
	assert_int_equal(expect(p, .seq = 1 + 3 * MSS, .ack = 1, .len = 100)->flags, ACK | PSH);
	silence();
}

TEST(ring_wraps_within_a_segment)
{
	struct peer *p;

	rig.conf.memory.tx_buffer = 4096;
	p = established(.nodelay = true);
	for (uint32_t seq = 1; seq < 20001; seq += 1000) {
		app_writes(p, 1000);
		expect(p, .seq = seq, .ack = 1, .len = 1000);
		give(p, .seq = 1, .ack = seq + 1000);
	}
}

TEST(first_flight_is_ten_segments) /* RFC 6928 */
{
	struct peer *p = established();

	app_writes(p, 20 * MSS);
	for (uint32_t i = 0; i < 10; i++)
		expect(p, .seq = 1 + i * MSS, .ack = 1, .len = MSS);
	silence();
	give(p, .seq = 1, .ack = 1 + 2 * MSS);
	expect(p, .seq = 1 + 10 * MSS, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + 11 * MSS, .ack = 1, .len = MSS);
	silence();
}

TEST(fin_rides_on_the_last_data)
{
	struct peer *p = established();

	app_writes_more(p, 100);
	silence();
	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = 100);
	silence();
}

TEST(push_is_on_the_last_segment_of_what_was_written) /* RFC 9293 3.9.1.2, MUST-61 */
{
	struct peer *p = established();

	app_writes(p, 2 * MSS + 100);
	for (uint32_t i = 0; i < 3; i++)
		assert_int_equal(next_segment(p)->flags, i < 2 ? ACK : ACK | PSH);
	give(p, .seq = 1, .ack = 1 + 2 * MSS);
	wait_sent(1000);
	assert_int_equal(next_segment(p)->flags, ACK | PSH); /* and comes again with it */
}

TEST(no_flow_takes_more_than_its_turn)
{
	struct peer *a = established(), *b = established();
	unsigned before = 0;

	flow_of(a)->cwnd = flow_of(b)->cwnd = 1 << 20;
	rig.core_stands = true;
	app_writes(a, 60 * MSS);
	app_writes(b, 100);
	rig.core_stands = false;
	rig_run();
	while (rig.sent_head != rig.sent_tail && rig.sent[rig.sent_head].b[37] == (uint8_t)a->port) {
		next_segment(a);
		before++;
	}
	expect(b, .seq = 1, .ack = 1, .len = 100);
	assert_in_range(before, 1, 2 * FP_TX_QUOTA);
	overlook();
}

TEST(all_that_a_pass_sends_goes_in_one_burst) /* of every stage: receive, applications, slow path, end */
{
	struct peer *gap = established(), *app = established(.nodelay = true), *slow = established(),
		    *kicked = established(), *last = established();
	struct fp_core *c = rig.fp.core[0];

	rig.core_stands = true;
	app_writes(app, 10);
	give(gap, .seq = 101, .ack = 1, .len = 10);
	give(last, .seq = 1, .ack = 1, .len = 10);
	out_ack(&rig.sp, slow->flow);
	tcp_ack_now(rig.fp.slow, kicked->flow);
	rig.bursts = 0;
	core_poll(c, rig.now);
	assert_int_equal(rig.bursts, 1);
	rig.core_stands = false;
	rig_run();
	expect(gap, .seq = 1, .ack = 1, .sack = { { 101, 111 } });
	expect(slow, .seq = 1, .ack = 1);
	expect(app, .seq = 1, .ack = 1, .len = 10);
	expect(last, .seq = 1, .ack = 11);
	expect(kicked, .seq = 1, .ack = 1);
	silence();
}

TEST(without_packet_buffers_it_is_sent_later)
{
	struct peer *p = established();
	struct rte_mbuf *hoard[RIG_MBUFS + 1];
	unsigned n = 0;

	while ((hoard[n] = rte_pktmbuf_alloc(rig.pool)) != NULL)
		n++;
	app_writes(p, 2 * MSS);
	silence();
	rte_pktmbuf_free_bulk(hoard, n);
	wait_ms(250);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
}

TEST(port_that_sums_is_told_what) /* as ethdev wants it: lengths, flags, the pseudo-header's sum */
{
	struct peer *p = established();
	struct rte_mbuf *m = NULL;
	const struct rte_ipv4_hdr *ip;
	const struct rte_tcp_hdr *tcp;

	rig.port.tx_ip_cksum = rig.port.tx_tcp_cksum = true;
	rig.core_stands = true;
	app_writes(p, 100);
	core_poll(rig.fp.core[0], rig.now);
	assert_int_equal(rte_ring_dequeue(rig.out, (void **)&m), 0);
	assert_int_equal(m->ol_flags & (RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_L4_MASK),
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(m->l2_len, 14);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(m->l4_len, 32);
	ip = rte_pktmbuf_mtod_offset(m, const struct rte_ipv4_hdr *, 14);
	tcp = rte_pktmbuf_mtod_offset(m, const struct rte_tcp_hdr *, 34);
	assert_int_equal(ip->hdr_checksum, 0);
	assert_int_equal(tcp->cksum, rte_ipv4_phdr_cksum(ip, 0));
	rte_pktmbuf_free(m);
}

/* --- after a pause --- */

/* Forty segments of window, and nothing was sent for so long. */
static struct peer *after_pause(uint32_t ms)
{
	struct peer *p = sending(established(.nodelay = true), 1);

	give(p, .seq = 1, .ack = AT(1));
	flow_of(p)->cwnd = 40 * MSS;
	cold_of(p)->ssthresh = 20 * MSS;
	wait_ms(ms);
	app_writes(p, 30 * MSS);
	overlook();
	return p;
}

TEST(window_halves_for_each_timeout_without_sending) /* RFC 2861 3.1, as Linux */
{
	struct peer *p = after_pause(220);

	assert_int_equal(flow_of(p)->cwnd, 20 * MSS);
	assert_int_equal(flow_of(p)->tx_inflight, 20 * MSS);
	assert_int_equal(cold_of(p)->ssthresh, 30 * MSS); /* three quarters of what it was */
}

TEST(window_after_a_long_pause_is_the_restart_window) /* RFC 5681 4.1: the initial one */
{
	struct peer *p = after_pause(10000);

	assert_int_equal(flow_of(p)->cwnd, 10 * MSS);
	assert_int_equal(flow_of(p)->tx_inflight, 10 * MSS);
	assert_int_equal(cold_of(p)->ssthresh, 30 * MSS);
}

TEST(window_after_forty_minutes_is_the_restart_window)
{
	assert_int_equal(flow_of(after_pause(40 * 60 * 1000))->cwnd, 10 * MSS);
}

TEST(window_of_an_algorithm_with_a_rate_outlives_a_pause)
{
	struct peer *p = sending(established(.nodelay = true), 1);

	give(p, .seq = 1, .ack = AT(1));
	flow_of(p)->cwnd = 40 * MSS;
	cold_of(p)->beta_q8 = 0;
	wait_ms(10000);
	app_writes(p, 30 * MSS);
	overlook();
	assert_int_equal(flow_of(p)->cwnd, 40 * MSS);
}

TEST(window_after_a_short_pause_is_as_before)
{
	struct peer *p = after_pause(190);

	assert_int_equal(flow_of(p)->cwnd, 40 * MSS);
	assert_int_equal(cold_of(p)->ssthresh, 20 * MSS);
}

TEST(window_below_the_restart_window_stays) /* RFC 5681 4.1: min(IW, cwnd) */
{
	struct peer *p = sending(established(.nodelay = true), 1);

	give(p, .seq = 1, .ack = AT(1));
	flow_of(p)->cwnd = 4 * MSS;
	wait_ms(10000);
	app_writes(p, 10 * MSS);
	assert_int_equal(flow_of(p)->cwnd, 4 * MSS);
	overlook();
}

/* --- small segments --- */

TEST(small_segment_waits_behind_a_small_one) /* RFC 9293 3.7.4, Nagle */
{
	struct peer *p = established();

	app_writes(p, 1);
	expect(p, .seq = 1, .ack = 1, .len = 1);
	app_writes(p, 20);
	app_writes(p, 30);
	silence();
	give(p, .seq = 1, .ack = 2);
	expect(p, .seq = 2, .ack = 1, .len = 50);
	silence();
}

TEST(small_segment_behind_full_ones_goes) /* Minshall's Nagle: as Linux */
{
	struct peer *p = established();

	app_writes(p, 2 * MSS + 10);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + 2 * MSS, .ack = 1, .len = 10);
	app_writes(p, 10);
	silence();
	give(p, .seq = 1, .ack = 1 + 2 * MSS);
	silence();
	give(p, .seq = 1, .ack = 11 + 2 * MSS);
	expect(p, .seq = 11 + 2 * MSS, .ack = 1, .len = 10);
}

TEST(what_waited_goes_when_it_fills_a_segment) /* RFC 9293 3.7.4 */
{
	struct peer *p = established();

	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	app_writes(p, MSS - 1);
	silence();
	app_writes(p, 1);
	expect(p, .seq = 11, .ack = 1, .len = MSS);
	silence();
}

TEST(nodelay_sends_every_small_segment) /* TCP_NODELAY */
{
	struct peer *p = established();

	p->bell_options = ABI_BELL_NODELAY;
	for (uint32_t seq = 1; seq < 51; seq += 10) {
		app_writes(p, 10);
		expect(p, .seq = seq, .ack = 1, .len = 10);
	}
	p->bell_options = 0;
	app_writes(p, 10);
	silence();
}

TEST(more_holds_what_fills_no_segment) /* MSG_MORE, TCP_CORK: tcp(7) */
{
	struct peer *p = established();

	app_writes_more(p, 100);
	silence();
	app_writes_more(p, MSS);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	silence();
	app_writes(p, 10);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = 110);
}

TEST(more_is_stronger_than_nodelay) /* tcp(7): as Linux since 2.5.71 */
{
	struct peer *p = established(.nodelay = true);

	app_writes_more(p, 100);
	silence();
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 110);
}

TEST(more_holds_for_two_hundred_milliseconds) /* tcp(7), TCP_CORK */
{
	struct peer *p = established(.rtt_ms = 100);

	app_writes_more(p, 50);
	wait_ms(100);
	app_writes_more(p, 50);
	assert_in_range(wait_sent(1000), 100 * NS_PER_MS, 101 * NS_PER_MS);
	expect(p, .seq = 1, .ack = 1, .len = 100);
}

TEST(more_holds_also_behind_what_is_on_its_way)
{
	struct peer *p = established();

	app_writes_more(p, MSS + 100);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	wait_ms(100);
	give(p, .seq = 1, .ack = 1 + MSS);
	assert_in_range(wait_sent(1000), 100 * NS_PER_MS, 101 * NS_PER_MS);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = 100);
}

TEST(more_holds_each_time_anew)
{
	struct peer *p = established();

	app_writes_more(p, 100);
	wait_ms(201);
	expect(p, .seq = 1, .ack = 1, .len = 100);
	give(p, .seq = 1, .ack = 101);
	wait_ms(1000);
	app_writes_more(p, 50);
	assert_in_range(wait_sent(1000), 200 * NS_PER_MS, 201 * NS_PER_MS);
	expect(p, .seq = 101, .ack = 1, .len = 50);
}

TEST(more_does_not_keep_a_closed_window_from_being_probed)
{
	struct peer *p = established();

	p->wnd = 0;
	give(p, .seq = 1, .ack = 1);
	app_writes_more(p, 10);
	assert_in_range(wait_sent(1000), 200 * NS_PER_MS, 402 * NS_PER_MS);
	expect(p, .seq = 0, .ack = 1);
	p->wnd = 65536;
	give(p, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 1, .len = 10);
}

/* --- the peer's window --- */

TEST(small_window_is_not_filled_with_small_segments) /* RFC 9293 3.8.6.2.1 */
{
	struct peer *p = established(.nodelay = true, .wnd = 8192);

	app_writes(p, 20000);
	assert_int_equal(overlook(), 5);
	p->wnd = 1024;
	give(p, .seq = 1, .ack = 1 + 5 * MSS);
	silence();
	p->wnd = 4096; /* half of the largest: now even a segment that is not full would do */
	give(p, .seq = 1, .ack = 1 + 5 * MSS);
	expect(p, .seq = 1 + 5 * MSS, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + 6 * MSS, .ack = 1, .len = MSS);
	silence();
}

TEST(half_the_largest_window_is_worth_a_segment) /* RFC 9293 3.8.6.2.1 (3): peers with tiny buffers */
{
	struct peer *p = established(.nodelay = true, .no_wscale = true, .wnd = 1000);

	app_writes(p, 3000);
	expect(p, .seq = 1, .ack = 1, .len = 1000);
	p->wnd = 499;
	give(p, .seq = 1, .ack = 1001);
	silence();
	p->wnd = 500;
	give(p, .seq = 1, .ack = 1001);
	expect(p, .seq = 1001, .ack = 1, .len = 500);
	silence();
}

TEST(small_window_is_used_after_a_timeout) /* RFC 9293 3.8.6.2.1: the override timeout */
{
	struct peer *p = established(.nodelay = true, .wnd = 8192);

	p->wnd = 128;
	give(p, .seq = 1, .ack = 1);
	app_writes(p, 4000);
	silence();
	assert_in_range(wait_sent(1000), 200 * NS_PER_MS, 202 * NS_PER_MS);
	expect(p, .seq = 1, .ack = 1, .len = 128);
}

/* The peer's window is closed and data wait. */
static struct peer *window_closed(void)
{
	struct peer *p = established(.nodelay = true, .no_sack = true);

	app_writes(p, MSS);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	p->wnd = 0;
	give(p, .seq = 1, .ack = 1 + MSS);
	app_writes(p, 2 * MSS);
	silence();
	return p;
}

TEST(closed_window_is_probed_ever_more_rarely) /* RFC 9293 3.8.6.1 */
{
	struct peer *p = window_closed();

	for (uint32_t wait = 200; wait < 20000; wait *= 2) {
		assert_in_range(wait_sent(2 * wait), wait * NS_PER_MS, wait * NS_PER_MS * 101 / 100);
		expect(p, .seq = MSS, .ack = 1);
		silence();
		give(p, .seq = 1, .ack = 1 + MSS);
	}
	assert_int_equal(counted(CNT_TCP_ZERO_WINDOW_PROBES), 7);
}

TEST(data_flow_when_the_window_opens_after_thirty_seconds) /* RFC 9293 3.8.6.1 */
{
	struct peer *p = window_closed();

	for (unsigned s = 0; s < 30; s++) {
		wait_ms(1000);
		for (unsigned n = overlook(); n > 0; n--)
			give(p, .seq = 1, .ack = 1 + MSS);
	}
	p->wnd = 65536;
	give(p, .seq = 1, .ack = 1 + MSS);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	assert_in_range(wait_sent(1000), 200 * NS_PER_MS,
		202 * NS_PER_MS); /* it was lost: no backoff is left */
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
}

TEST(peer_that_answers_probes_is_never_given_up) /* RFC 1122 4.2.2.17 */
{
	struct peer *p;

	rig.conf.tcp.retries = 3;
	p = window_closed();
	for (unsigned n = 0; n < 12; n++) {
		wait_sent(130000);
		expect(p, .seq = MSS, .ack = 1);
		give(p, .seq = 1, .ack = 1 + MSS);
	}
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	p->wnd = 65536;
	give(p, .seq = 1, .ack = 1 + MSS);
	overlook();
	wait_ms(210);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
}

/* A peer whose memory ran out takes back what it offered, with our data on their way. */
static struct peer *window_closed_over_data(void)
{
	struct peer *p = sending(established(.nodelay = true), 3);

	p->wnd = 0;
	give(p, .seq = 1, .ack = 1 + MSS);
	assert_true(flow_of(p)->tx_inflight > 0);
	silence();
	wait_ms(20);
	overlook(); /* a tail loss probe */
	return p;
}

TEST(peer_that_closes_its_window_over_data_is_never_given_up) /* RFC 9293 3.8.6.1, RFC 1122 4.2.2.17 */
{
	struct peer *p;

	rig.conf.tcp.retries = 3;
	p = window_closed_over_data();
	for (unsigned n = 0; n < 12; n++) {
		wait_sent(130000);
		expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
		give(p, .seq = 1, .ack = 1 + MSS); /* no place for it yet */
	}
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	p->wnd = 65536;
	give(p, .seq = 1, .ack = 1 + 2 * MSS);
	expect(p, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	silence();
}

TEST(peer_that_closed_its_window_over_data_and_is_silent_is_given_up) /* as Linux */
{
	struct peer *p;

	rig.conf.tcp.retries = 3;
	p = window_closed_over_data();
	for (unsigned n = 0; n < 3; n++) {
		wait_sent(130000);
		expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	}
	wait_ms(20000);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
	silence();
}

TEST(peer_that_talks_but_takes_nothing_is_given_up) /* its window is open: RFC 9293 3.8.3, R2 */
{
	struct peer *p;

	rig.conf.tcp.retries = 3;
	rig.conf.tcp.mtu_probing = false;
	p = sending(established(.nodelay = true), 1);
	for (unsigned n = 0; n < 3; n++) {
		wait_sent(130000);
		expect(p, .seq = 1, .ack = 1, .len = MSS);
		give(p, .seq = 1, .ack = 1);
	}
	wait_ms(20000);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
}

TEST(peer_that_keeps_its_window_closed_to_nobody_is_given_up) /* tcp_orphan_retries of Linux */
{
	struct peer *p = window_closed_over_data();
	unsigned n = 0;

	app_closes(p);
	overlook();
	for (; flows_in_use() > 0 && n < 20; n++) {
		wait_sent(130000);
		if (overlook() > 0)
			give(p, .seq = 1, .ack = 1 + MSS);
	}
	assert_in_range(n, 2, 10);
}

TEST(peer_that_does_not_answer_probes_is_given_up) /* as Linux */
{
	struct peer *p;

	rig.conf.tcp.retries = 3;
	p = window_closed();
	for (unsigned n = 0; n < 3; n++) {
		wait_sent(130000);
		expect(p, .seq = MSS, .ack = 1);
	}
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	wait_ms(2000);
	assert_int_equal(events_of(p) & ABI_EV_RESET, ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
}

TEST(first_probe_waits_a_whole_timeout) /* RFC 9293 3.8.6.1 */
{
	struct peer *p = established(.nodelay = true, .no_sack = true);

	app_writes(p, 2 * MSS);
	overlook();
	wait_ms(190);
	p->wnd = 0;
	give(p, .seq = 1, .ack = 1 + 2 * MSS);
	app_writes(p, MSS);
	silence();
	assert_in_range(wait_sent(1000), 200 * NS_PER_MS, 400 * NS_PER_MS);
	expect(p, .seq = 2 * MSS, .ack = 1);
}

TEST(closed_window_is_probed_after_an_hour_of_sending) /* stamps of 32 bits of microseconds have wrapped */
{
	struct peer *p = established(.nodelay = true);
	uint32_t n = 0;

	app_writes(p, 10);
	for (; n < 20 * 3600; n++) { /* something is always on its way, so the timer always runs */
		wait_ms(50);
		app_writes(p, 10);
		give(p, .seq = 1, .ack = 11 + n * 10);
		overlook();
	}
	p->wnd = 0;
	give(p, .seq = 1, .ack = 11 + n * 10);
	app_writes(p, 10);
	assert_in_range(wait_sent(10000), 190 * NS_PER_MS, 450 * NS_PER_MS);
	expect(p, .seq = 10 + n * 10, .ack = 1);
}

TEST(fin_alone_needs_no_window) /* as Linux */
{
	struct peer *p = established();

	p->wnd = 0;
	give(p, .seq = 1, .ack = 1);
	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
}

/* --- pacing --- */

TEST(paced_segments_keep_their_distance) /* at most one slot of the wheel late */
{
	struct peer *p = established();
	tas_ns at = 0;

	flow_of(p)->pace_q16 = 100u << 16; /* 10 MB/s: a segment in 145 us */
	app_writes(p, 8 * MSS);
	wait_ms(2);
	for (uint32_t i = 0; i < 8; i++) {
		const struct rig_seg *s = expect(p, .seq = 1 + i * MSS, .ack = 1, .len = MSS);

		if (i > 0)
			assert_in_range(s->at - at, 100 * MSS - 33000, 100 * MSS + 33000);
		at = s->at;
	}
}

TEST(many_paced_flows_all_go_on)
{
	struct peer *p[RIG_PEERS];

	for (unsigned i = 0; i < RIG_PEERS; i++) {
		p[i] = established();
		flow_of(p[i])->pace_q16 = 1000u << 16;
	}
	rig.core_stands = true;
	for (unsigned i = 0; i < RIG_PEERS; i++)
		app_writes(p[i], 3 * MSS);
	rig.core_stands = false;
	rig_run();
	rig.core_stands = true;
	wait_ms(2); /* all are due at once, more than a pass takes */
	rig.core_stands = false;
	rig_run();
	wait_ms(5);
	for (unsigned i = 0; i < RIG_PEERS; i++)
		assert_int_equal(flow_of(p[i])->tx_inflight, 3 * MSS);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(stream_is_cut_into_full_segments),
		RIG_TEST(ring_wraps_within_a_segment),
		RIG_TEST(first_flight_is_ten_segments),
		RIG_TEST(fin_rides_on_the_last_data),
		RIG_TEST(push_is_on_the_last_segment_of_what_was_written),
		RIG_TEST(no_flow_takes_more_than_its_turn),
		RIG_TEST(all_that_a_pass_sends_goes_in_one_burst),
		RIG_TEST(without_packet_buffers_it_is_sent_later),
		RIG_TEST(port_that_sums_is_told_what),
		RIG_TEST(window_halves_for_each_timeout_without_sending),
		RIG_TEST(window_after_a_long_pause_is_the_restart_window),
		RIG_TEST(window_after_forty_minutes_is_the_restart_window),
		RIG_TEST(window_of_an_algorithm_with_a_rate_outlives_a_pause),
		RIG_TEST(window_after_a_short_pause_is_as_before),
		RIG_TEST(window_below_the_restart_window_stays),
		RIG_TEST(small_segment_waits_behind_a_small_one),
		RIG_TEST(small_segment_behind_full_ones_goes),
		RIG_TEST(what_waited_goes_when_it_fills_a_segment),
		RIG_TEST(nodelay_sends_every_small_segment),
		RIG_TEST(more_holds_what_fills_no_segment),
		RIG_TEST(more_is_stronger_than_nodelay),
		RIG_TEST(more_holds_for_two_hundred_milliseconds),
		RIG_TEST(more_holds_also_behind_what_is_on_its_way),
		RIG_TEST(more_holds_each_time_anew),
		RIG_TEST(more_does_not_keep_a_closed_window_from_being_probed),
		RIG_TEST(small_window_is_not_filled_with_small_segments),
		RIG_TEST(half_the_largest_window_is_worth_a_segment),
		RIG_TEST(small_window_is_used_after_a_timeout),
		RIG_TEST(closed_window_is_probed_ever_more_rarely),
		RIG_TEST(data_flow_when_the_window_opens_after_thirty_seconds),
		RIG_TEST(peer_that_answers_probes_is_never_given_up),
		RIG_TEST(peer_that_closes_its_window_over_data_is_never_given_up),
		RIG_TEST(peer_that_closed_its_window_over_data_and_is_silent_is_given_up),
		RIG_TEST(peer_that_talks_but_takes_nothing_is_given_up),
		RIG_TEST(peer_that_keeps_its_window_closed_to_nobody_is_given_up),
		RIG_TEST(peer_that_does_not_answer_probes_is_given_up),
		RIG_TEST(first_probe_waits_a_whole_timeout),
		RIG_TEST(closed_window_is_probed_after_an_hour_of_sending),
		RIG_TEST(fin_alone_needs_no_window),
		RIG_TEST(paced_segments_keep_their_distance),
		RIG_TEST(many_paced_flows_all_go_on),
	};

	return RIG_MAIN(tests);
}
