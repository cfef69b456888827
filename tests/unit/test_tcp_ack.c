/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_ack.c - acknowledgements, round-trip times and the peer's window. */
#include "tests/unit/rig_tcp.h"

enum { MSS = 1448 };

/* --- which acknowledgements count --- */

TEST(acknowledged_bytes_make_room_without_a_word) /* the application looks when it wants to know */
{
	struct peer *p = established();

	app_writes(p, 100);
	expect(p, .seq = 1, .ack = 1, .len = 100);
	give(p, .seq = 1, .ack = 51);
	assert_int_equal(rec_of(p)->tx_una, 50);
	give(p, .seq = 1, .ack = 101);
	assert_int_equal(rec_of(p)->tx_una, 100);
	assert_int_equal(counted(CNT_TCP_TX_PAYLOAD), 100);
	assert_int_equal(heard(p), 0);
	silence();
}

TEST(ack_of_data_never_sent_is_answered_and_ignored) /* RFC 9293 3.10.7.4, fifth */
{
	struct peer *p = established();

	app_writes(p, 100);
	expect(p, .seq = 1, .ack = 1, .len = 100);
	give(p, .seq = 1, .ack = 102, .len = 10);
	expect(p, .seq = 101, .ack = 1);
	assert_int_equal(flow_of(p)->tx_una, 0);
	assert_int_equal(app_unread(p), 0);
	assert_int_equal(counted(CNT_TCP_RX_CHALLENGE), 1);
	silence();
}

TEST(ack_older_than_the_largest_window_is_answered_and_ignored) /* RFC 5961 5.2 */
{
	struct peer *p = established(.no_wscale = true, .nodelay = true);

	p->wnd = 1000;
	give(p, .seq = 1, .ack = 1);
	cold_of(p)->max_snd_wnd = 1000; /* as if it had never announced more */
	for (uint32_t seq = 1; seq < 2001; seq += 500) {
		app_writes(p, 500);
		expect(p, .seq = seq, .ack = 1, .len = 500);
		give(p, .seq = 1, .ack = seq + 500);
	}
	give(p, .seq = 1, .ack = 1000, .len = 10);
	expect(p, .seq = 2001, .ack = 1);
	assert_int_equal(app_unread(p), 0);
	give(p, .seq = 1, .ack = 1001, .len = 10);
	expect(p, .seq = 2001, .ack = 11);
	silence();
}

TEST(old_ack_changes_nothing_but_its_data_is_taken) /* RFC 9293 3.10.7.4, fifth */
{
	struct peer *p = established();

	app_writes(p, 200);
	expect(p, .seq = 1, .ack = 1, .len = 200);
	give(p, .seq = 1, .ack = 201);
	p->wnd = 0;
	give(p, .seq = 1, .ack = 101, .len = 10);
	expect(p, .seq = 201, .ack = 11);
	assert_int_equal(flow_of(p)->tx_una, 200);
	assert_int_equal(flow_of(p)->snd_wnd, 1 << 20);
	silence();
}

/* --- the peer's window --- */

TEST(window_of_a_syn_is_not_scaled) /* RFC 7323 2.2 */
{
	struct peer *p = peer_new(.wnd = 60000);

	assert_int_equal(app_listens(0, RIG_PORT, 1), 0);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	p->wnd = 1 << 17;
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->snd_wnd, 1 << 17);
}

TEST(older_segment_does_not_renew_the_window) /* RFC 9293 3.10.7.4: SND.WL1 */
{
	struct peer *p = established();

	p->wnd = 4096;
	give(p, .seq = 101, .ack = 1, .len = 100);
	assert_int_equal(flow_of(p)->snd_wnd, 4096);
	p->wnd = 65536;
	give(p, .seq = 1, .ack = 1, .len = 100);
	assert_int_equal(flow_of(p)->snd_wnd, 4096);
	give(p, .seq = 201, .ack = 1);
	assert_int_equal(flow_of(p)->snd_wnd, 65536);
}

/* A peer that went back after a timeout. */
TEST(acknowledgement_that_moves_renews_the_window_whatever_its_number)
{
	struct peer *p = sending(established(.nodelay = true, .wnd = 8 * MSS), 4);

	give(p, .seq = 1501, .ack = 1, .len = 100); /* past a gap: SND.WL1 is beyond what follows */
	overlook();
	for (uint32_t i = 1; i <= 4; i++)
		give(p, .seq = 1, .ack = AT(i));
	assert_int_equal(flow_of(p)->tx_inflight, 0);
	assert_in_range(flow_of(p)->snd_wnd, 8 * MSS - 128, 8 * MSS);
}

TEST(window_counts_from_its_acknowledgement)
{
	struct peer *p = established(.wnd = 4096, .nodelay = true);

	app_writes(p, 8000);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	silence(); /* 1200 are left: no full segment, and less than half the largest window */
	give(p, .seq = 1, .ack = 1 + MSS);
	expect(p, .seq = 1 + 2 * MSS, .ack = 1, .len = MSS);
	silence();
}

TEST(window_that_shrinks_stops_new_data_only) /* RFC 9293 3.8.6: a sender must be prepared for it */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 4 * MSS);
	for (uint32_t n = 0; n < 4; n++)
		expect(p, .seq = 1 + n * MSS, .ack = 1, .len = MSS);
	p->wnd = 2048;
	give(p, .seq = 1, .ack = 1);
	app_writes(p, MSS);
	silence();
	give(p, .seq = 1, .ack = 1 + 4 * MSS);
	expect(p, .seq = 1 + 4 * MSS, .ack = 1, .len = MSS);
}

/* --- round-trip times --- */

/* The timeout that the flow would have now, from when the next data are sent until they are again. */
static uint32_t rto_ms(struct peer *p, uint32_t seq)
{
	tas_ns waited;

	app_writes(p, 10);
	expect(p, .seq = seq, .ack = 1, .len = 10);
	waited = wait_sent(130000);
	expect(p, .seq = seq, .ack = 1, .len = 10);
	give(p, .seq = 1, .ack = seq + 10);
	return (uint32_t)(waited / NS_PER_MS);
}

TEST(handshake_gives_the_first_round_trip_time) /* RFC 6298 2.2, 2.4 with Linux's least of 200 ms */
{
	assert_in_range(rto_ms(established(.rtt_ms = 10), 1), 210, 211);
	assert_in_range(rto_ms(established(.rtt_ms = 50), 1), 250, 251);
	assert_in_range(rto_ms(established(.rtt_ms = 300), 1), 900, 901); /* 300 + 4 * 150 */
	assert_in_range(rto_ms(connected(.rtt_ms = 300), 1), 900, 901);
}

TEST(timeout_follows_the_round_trip_time) /* RFC 6298 2.3 */
{
	struct peer *p = established(.rtt_ms = 300);
	uint32_t seq = 1;

	for (unsigned n = 0; n < 100; n++, seq += 10) {
		app_writes(p, 10);
		expect(p, .seq = seq, .ack = 1, .len = 10);
		wait_ms(20);
		give(p, .seq = 1, .ack = seq + 10);
	}
	assert_in_range(flow_of(p)->srtt_us >> 3, 19000, 21000);
	assert_in_range(rto_ms(p, seq), 219, 222);
	assert_in_range(cold_of(p)->min_rtt_lately_us, 20000, 20100);
}

TEST(round_trip_of_data_sent_twice_is_not_measured) /* RFC 6298 3, Karn's algorithm */
{
	struct peer *p = established(.rtt_ms = 10, .no_ts = true);
	uint32_t srtt;

	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	wait_ms(230);
	expect(p, .seq = 1, .ack = 1, .len = 10);
	srtt = flow_of(p)->srtt_us;
	give(p, .seq = 1, .ack = 11);
	assert_int_equal(flow_of(p)->srtt_us, srtt);
}

/* Opened by a peer whose first SYN-ACK got lost: the second was answered after 40 ms. */
static struct peer *repeated(struct peer *p)
{
	assert_int_equal(app_listens(0, RIG_PORT, 1), 0);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(1001);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(40);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	return p;
}

TEST(handshake_that_was_repeated_gives_no_round_trip_time) /* RFC 6298 3, 5.7: three seconds then */
{
	struct peer *p = repeated(peer_new(.no_ts = true));

	assert_int_equal(flow_of(p)->srtt_us, 0);
	assert_in_range(rto_ms(p, 1), 3000, 3001);
}

TEST(echo_tells_which_syn_ack_was_answered) /* RFC 7323 4.1; as Linux */
{
	struct peer *p = repeated(peer_new());

	assert_in_range(flow_of(p)->srtt_us >> 3, 39000, 41000);
	assert_in_range(rto_ms(p, 1), 239, 242);
}

TEST(handshake_with_two_syns_gives_no_round_trip_time) /* RFC 6298 3: either may have been answered */
{
	struct peer *p = peer_new(.no_ts = true);

	assert_int_equal(app_listens(0, RIG_PORT, 1), 0);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(500);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(10);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->srtt_us, 0);
}

/* --- SACK blocks that make no sense --- */

TEST(sack_of_what_was_not_sent_is_ignored) /* RFC 2018 5: it is advice, and may be a lie */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 5 * MSS);
	for (uint32_t n = 0; n < 5; n++)
		expect(p, .seq = 1 + n * MSS, .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 2 + 5 * MSS } });
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + 4 * MSS, 1 + MSS } });
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + 2 * MSS, 1 + 2 * MSS } });
	assert_int_equal(cold_of(p)->sacked.n, 0);
	silence();
}

TEST(duplicate_sack_is_ignored) /* RFC 2883: below what is acknowledged */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 2 * MSS);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	expect(p, .seq = 1 + MSS, .ack = 1, .len = MSS);
	give(p, .seq = 1, .ack = 1 + MSS, .sack = { { 1, 1 + MSS } });
	assert_int_equal(cold_of(p)->sacked.n, 0);
	assert_int_equal(counted(CNT_TCP_RX_DUP_ACKS), 0);
	silence();
}

TEST(sack_without_having_agreed_on_it_is_ignored)
{
	struct peer *p = established(.nodelay = true, .no_sack = true);

	app_writes(p, 5 * MSS);
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 1 + 4 * MSS } });
	assert_int_equal(cold_of(p)->sacked.n, 0);
	silence();
}

TEST(duplicate_counts_whatever_little_is_outstanding) /* RFC 5681 2 (a) */
{
	struct peer *p = established(.nodelay = true, .no_sack = true);

	app_writes(p, 1);
	expect(p, .seq = 1, .ack = 1, .len = 1);
	give(p, .seq = 1, .ack = 1);
	assert_int_equal(counted(CNT_TCP_RX_DUP_ACKS), 1);
	give(p, .seq = 1, .ack = 2);
	give(p, .seq = 1, .ack = 2);
	assert_int_equal(counted(CNT_TCP_RX_DUP_ACKS), 1); /* nothing is */
}

TEST(block_below_another_is_no_duplicate) /* RFC 2018 4: the latest comes first; RFC 2883 4 */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 8 * MSS);
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + 5 * MSS, 1 + 7 * MSS } });
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + 2 * MSS, 1 + 3 * MSS }, { 1 + 5 * MSS, 1 + 7 * MSS } });
	assert_int_equal(counted(CNT_TCP_RX_DSACKS), 0);
	assert_int_equal(cold_of(p)->sacked.n, 2);
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + 6 * MSS, 1 + 7 * MSS }, { 1 + 5 * MSS, 1 + 7 * MSS } });
	assert_int_equal(counted(CNT_TCP_RX_DSACKS), 1); /* within it */
	overlook();
}

TEST(what_was_sacked_is_delivered_once) /* what congestion control counts */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 3 * MSS);
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 1 + 2 * MSS } });
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 1 + 3 * MSS } });
	assert_int_equal(cold_of(p)->delivered, 2 * MSS);
	give(p, .seq = 1, .ack = 1 + 3 * MSS);
	assert_int_equal(cold_of(p)->delivered, 3 * MSS);
}

/* --- the window --- */

TEST(window_grows_with_the_acknowledgement_that_completes_it) /* and not when the slow path looks next */
{
	struct peer *p = sending(established(.nodelay = true), 4);
	struct flow *f = flow_of(p);

	f->flags |= FLOW_CC_ACTIVE;
	f->cwnd = 4 * MSS;
	cold_of(p)->ssthresh = 2 * MSS;
	cold_of(p)->step_at = cold_of(p)->delivered + 4 * MSS;
	app_writes(p, 20 * MSS);
	silence();
	give(p, .seq = 1, .ack = 1 + 2 * MSS);
	assert_int_equal(overlook(), 2);
	give(p, .seq = 1, .ack = 1 + 4 * MSS);
	assert_int_equal(overlook(), 3); /* together */
	assert_int_equal(f->cwnd, 5 * MSS);
	assert_true(cold_of(p)->step_at == 0);
	overlook();
}

TEST(window_does_not_grow_behind_a_loss)
{
	struct peer *p = sending(established(.nodelay = true), 8);

	flow_of(p)->flags |= FLOW_CC_ACTIVE;
	cold_of(p)->step_at = cold_of(p)->delivered + 5 * MSS;
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 1 + 4 * MSS } });
	assert_int_equal(overlook(), 1);
	assert_true(cold_of(p)->step_at == UINT64_MAX);
	cold_of(p)->step_at = cold_of(p)->delivered + 5 * MSS;
	wait_ms(1000);
	overlook();
	assert_true(cold_of(p)->timeouts > 0 && cold_of(p)->step_at == UINT64_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(acknowledged_bytes_make_room_without_a_word),
		RIG_TEST(ack_of_data_never_sent_is_answered_and_ignored),
		RIG_TEST(ack_older_than_the_largest_window_is_answered_and_ignored),
		RIG_TEST(old_ack_changes_nothing_but_its_data_is_taken),
		RIG_TEST(window_of_a_syn_is_not_scaled),
		RIG_TEST(older_segment_does_not_renew_the_window),
		RIG_TEST(acknowledgement_that_moves_renews_the_window_whatever_its_number),
		RIG_TEST(window_counts_from_its_acknowledgement),
		RIG_TEST(window_that_shrinks_stops_new_data_only),
		RIG_TEST(handshake_gives_the_first_round_trip_time),
		RIG_TEST(timeout_follows_the_round_trip_time),
		RIG_TEST(round_trip_of_data_sent_twice_is_not_measured),
		RIG_TEST(handshake_that_was_repeated_gives_no_round_trip_time),
		RIG_TEST(echo_tells_which_syn_ack_was_answered),
		RIG_TEST(handshake_with_two_syns_gives_no_round_trip_time),
		RIG_TEST(sack_of_what_was_not_sent_is_ignored),
		RIG_TEST(duplicate_sack_is_ignored),
		RIG_TEST(sack_without_having_agreed_on_it_is_ignored),
		RIG_TEST(duplicate_counts_whatever_little_is_outstanding),
		RIG_TEST(block_below_another_is_no_duplicate),
		RIG_TEST(what_was_sacked_is_delivered_once),
		RIG_TEST(window_grows_with_the_acknowledgement_that_completes_it),
		RIG_TEST(window_does_not_grow_behind_a_loss),
	};

	return RIG_MAIN(tests);
}
