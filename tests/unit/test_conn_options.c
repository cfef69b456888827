/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_options.c - socket options have their effect on the wire: from the SYN on, and when they
 * change. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

TEST(another_process_sets_no_options)
{
	struct peer *p = established();
	struct ctl_change m = { .flow = p->flow, .gen = p->gen + 1 };

	assert_int_equal(app_options(&rig.apps, rig.app[0].id, &m), ENOENT);
	m.gen--;
	assert_int_equal(app_options(&rig.apps, app_start(1)->id, &m), ENOENT);
	assert_int_equal(app_options(&rig.apps, rig.app[0].id, &m), 0);
	m.flow = UINT32_MAX;
	assert_int_equal(app_options(&rig.apps, rig.app[0].id, &m), ENOENT);
}

/* --- TCP_SYNCNT --- */

TEST(listener_says_how_often_a_syn_ack_is_sent_again) /* icsk_syn_retries of Linux */
{
	struct peer *p;

	rig.options.syn_count = 1;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(1100);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(60000);
	silence();
	assert_int_equal(flows_in_use(), 0);
}

TEST(listener_may_be_told_later)
{
	struct peer *p = peer_new();

	app_listens(0, RIG_PORT, 16);
	rig.options.syn_count = 2;
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	wait_ms(60000);
	assert_int_equal(overlook(), 3);
}

/* --- IP_TOS, IP_TTL, IP_MTU_DISCOVER --- */

/* A segment as it goes by, with this byte for IP_TOS. */
static void is_marked(const struct rig_seg *s, uint8_t ttl)
{
	assert_int_equal(s->ttl, ttl);
	assert_true(s->df);
	assert_int_equal(s->ip_id, 0);
}

TEST(headers_say_what_the_listener_says_from_the_syn_ack_on)
{
	struct peer *p;

	rig.options = (struct ctl_options){ .tos = 0x48, .ttl = 5, .tclass = 0x20, .hops = 9 };
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	is_marked(expect(p, .flags = SYN | ACK, .ack = 1, .ecn = 0x48), 5);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	app_writes(p, 10);
	is_marked(expect(p, .seq = 1, .ack = 1, .len = 10, .ecn = 0x48), 5);
	give(p, .seq = 1, .ack = 11, .len = 10);
	is_marked(expect(p, .seq = 11, .ack = 11, .ecn = 0x48), 5);
	app_closes(p); /* with bytes unread */
	is_marked(expect(p, .flags = RST | ACK, .seq = 11, .ack = 11, .ecn = 0x48), 5);
}

TEST(headers_say_what_connect_says_from_the_syn_on)
{
	struct peer *p;

	rig.options = (struct ctl_options){ .tos = 0x10, .ttl = 255 };
	p = peer_new();
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	is_marked(expect(p, .flags = SYN, .ecn = 0x10), 255);
	give(p, .flags = SYN | ACK, .ack = 1);
	is_marked(expect(p, .seq = 1, .ack = 1, .ecn = 0x10), 255);
}

TEST(headers_of_an_open_connection_change)
{
	struct peer *p = established();

	app_writes(p, 10);
	is_marked(expect(p, .seq = 1, .ack = 1, .len = 10), 64);
	give(p, .seq = 1, .ack = 11);
	assert_int_equal(app_sets(p, .tos = 0xb8, .ttl = 17), 0);
	app_writes(p, 10);
	is_marked(expect(p, .seq = 11, .ack = 1, .len = 10, .ecn = 0xb8), 17);
	give(p, .seq = 1, .ack = 21);
	assert_int_equal(app_sets(p, .tos = 0), 0);
	app_writes(p, 10);
	is_marked(expect(p, .seq = 21, .ack = 1, .len = 10), 64);
}

TEST(what_is_resent_is_of_the_new_class)
{
	struct peer *p = sending(established(.nodelay = true), 1);

	assert_int_equal(app_sets(p, .tos = 0xb8), 0);
	wait_ms(202);
	expect(p, .seq = 1, .ack = 1, .len = RIG_MSS, .ecn = 0xb8);
}

TEST(bits_of_ecn_stay_those_of_ecn) /* RFC 3168 5; inet->tos of Linux */
{
	struct peer *p;

	rig.conf.tcp.ecn = true;
	p = established(.ecn = true);
	assert_int_equal(app_sets(p, .tos = 0x27), 0);
	app_writes(p, 10);
	expect(p, .seq = 1, .ack = 1, .len = 10, .ecn = 0x24 | IP_ECN_ECT0);
}

static void is_fragmentable(const struct rig_seg *s, uint16_t *id)
{
	assert_false(s->df);
	assert_int_not_equal(s->ip_id, *id); /* RFC 6864 4: no two alike */
	*id = s->ip_id;
}

TEST(without_path_discovery_packets_may_be_cut)
{
	uint16_t id = 0;
	struct peer *p;

	rig.options.flags = CTL_OPTION_FRAGMENTS;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	is_fragmentable(expect(p, .flags = SYN | ACK, .ack = 1), &id);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	app_writes(p, 3 * RIG_MSS);
	for (unsigned i = 0; i < 3; i++)
		is_fragmentable(expect_segment(p, i), &id);
	assert_int_equal(app_sets(p, .flags = 0), 0);
	acked_to(p, 3);
	app_writes(p, 10);
	is_marked(expect(p, .seq = AT(3), .ack = 1, .len = 10), 64);
}

TEST(what_the_port_cuts_takes_as_many_identifications)
{
	uint16_t first;
	struct peer *p;

	rig.options.flags = CTL_OPTION_FRAGMENTS;
	rig_port_cuts();
	p = established();
	app_writes(p, 8 * RIG_MSS);
	assert_int_equal(counted(CNT_TCP_TX_TSO), 1);
	first = expect_segment(p, 0)->ip_id;
	overlook();
	acked_to(p, 8);
	app_writes(p, 10);
	assert_int_equal((uint16_t)(expect(p, .seq = AT(8), .ack = 1, .len = 10)->ip_id - first), 8);
}

/* --- TCP_MAXSEG --- */

TEST(segments_are_as_large_as_the_listener_allows_both_ways) /* user_mss of Linux */
{
	struct peer *p;

	rig.options.max_seg = 1000;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	assert_int_equal(expect(p, .flags = SYN | ACK, .ack = 1)->mss, 1000);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	app_writes(p, 2000);
	expect(p, .seq = 1, .ack = 1, .len = 988); /* timestamps take 12 */
	expect(p, .seq = 989, .ack = 1, .len = 988);
}

TEST(segments_are_as_large_as_connect_allows_both_ways)
{
	struct peer *p;

	rig.options.max_seg = 600;
	p = peer_new(.nodelay = true);
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	assert_int_equal(expect(p, .flags = SYN)->mss, 600);
	give(p, .flags = SYN | ACK, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	app_writes(p, 600);
	expect(p, .seq = 1, .ack = 1, .len = 588);
	expect(p, .seq = 589, .ack = 1, .len = 12);
}

TEST(peer_or_port_may_want_smaller_segments)
{
	struct peer *p;

	rig.options.max_seg = 9000;
	p = peer_new(.mss = 536);
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	assert_int_equal(expect(p, .flags = SYN | ACK, .ack = 1)->mss, 1460);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	app_writes(p, 600);
	expect(p, .seq = 1, .ack = 1, .len = 524);
	overlook();
}

/* --- TCP_WINDOW_CLAMP --- */

TEST(window_is_never_larger_than_its_clamp)
{
	struct peer *p;

	rig.options.window_clamp = 3000;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	assert_int_equal(expect(p, .flags = SYN | ACK, .ack = 1)->wnd, 3000);
	assert_int_equal(p->host_wscale, 0);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	for (uint32_t seq = 1; seq < 20000; seq += 1000) { /* though nobody reads it */
		assert_in_range(window_after(p, seq), 2999, 3000);
	}
	app_reads(p, 20000);
	silence();
}

TEST(clamp_of_an_active_open_is_in_its_syn)
{
	struct peer *p;

	rig.options.window_clamp = 3000;
	p = peer_new();
	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	assert_int_equal(expect(p, .flags = SYN)->wnd, 3000);
}

/* What was offered once stands (RFC 9293 3.8.6): the clamp is reached when that was used. */
TEST(clamp_of_an_open_connection_does_not_take_back_what_was_offered)
{
	struct peer *p = established();
	uint32_t right = 1 + 65535, seq;

	assert_int_equal(app_sets(p, .window_clamp = 4000), 0);
	for (seq = 1; seq < right - 5000; seq += 1000) {
		assert_in_range(window_after(p, seq), right - seq - 1000 - 3, right - seq - 1000 + 3);
		app_reads(p, 1000);
	}
	for (; seq < right + 5000; seq += 1000) { /* it moves by a segment at least */
		assert_in_range(window_after(p, seq), 3000, 5000);
		app_reads(p, 1000);
	}
	silence();
	assert_int_equal(app_sets(p, .window_clamp = 8000), 0); /* and is told when it grows */
	assert_in_range(expect(p, .seq = 1, .ack = seq)->wnd, 7996, 8000);
}

/* --- TCP_DEFER_ACCEPT --- */

/* The peer's part of the handshake is done, and the listener waits `seconds` for data. */
static struct peer *deferred(uint32_t seconds)
{
	struct peer *p;

	rig.options.defer_accept_s = seconds;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_us(RIG_RTT_US);
	give(p, .seq = 1, .ack = 1);
	return p;
}

TEST(connection_is_accepted_with_its_first_data)
{
	struct peer *p = deferred(5);

	silence();
	wait_ms(2000); /* no SYN-ACK is sent again */
	silence();
	assert_false(app_accepts(p, 0));
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	assert_true(app_accepts(p, 0));
	assert_int_equal(app_unread(p), 10);
	assert_int_equal(flow_of(p)->srtt_us >> 3, RIG_RTT_US); /* not the time that the peer thought */
}

TEST(end_of_stream_is_as_good_as_data) /* Linux: end_seq */
{
	struct peer *p = deferred(5);

	wait_ms(500);
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	expect(p, .seq = 1, .ack = 2);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->srtt_us >> 3, RIG_RTT_US);
}

TEST(data_may_come_with_what_completes_the_handshake)
{
	struct peer *p;

	rig.options.defer_accept_s = 5;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11);
	assert_true(app_accepts(p, 0));
}

/* 5 s are the time of three SYN-ACKs sent again, at 1, 3 and 7 s. Only the last is sent, and its
 * acknowledgement is enough. */
TEST(peer_without_data_is_accepted_when_the_time_is_over)
{
	struct peer *p = deferred(5);

	wait_ms(6900);
	silence();
	assert_false(app_accepts(p, 0));
	wait_ms(200);
	expect(p, .flags = SYN | ACK, .ack = 1);
	assert_false(app_accepts(p, 0));
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
}

TEST(peer_that_is_gone_by_then_is_forgotten)
{
	struct peer *p = deferred(1);

	wait_ms(1100);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(200000);
	overlook();
	assert_false(app_accepts(p, 0));
	assert_int_equal(flows_in_use(), 0);
}

TEST(waiting_may_take_longer_than_syn_acks_are_sent_again)
{
	struct peer *p;

	rig.conf.tcp.synack_retries = 1;
	p = deferred(5);
	wait_ms(6900);
	silence();
	give(p, .seq = 1, .ack = 1, .len = 10);
	assert_true(app_accepts(p, 0));
}

TEST(peer_that_does_not_answer_gets_its_syn_acks)
{
	struct peer *p;

	rig.options.defer_accept_s = 5;
	p = peer_new();
	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(3100);
	assert_int_equal(overlook(), 2);
	give(p, .seq = 1, .ack = 1);
	wait_ms(3700);
	silence();
	assert_false(app_accepts(p, 0));
}

/* --- TCP_LINGER2 --- */

/* Closed here, and the peer acknowledged it. */
static struct peer *half_closed(int32_t linger2_s)
{
	struct peer *p;

	rig.options.linger2_s = linger2_s;
	p = established();
	app_closes(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	return p;
}

TEST(connection_that_was_closed_waits_as_long_as_it_was_told)
{
	struct peer *p = half_closed(7);

	wait_ms(6900);
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	wait_ms(200);
	assert_int_equal(flow_of(p)->state, TCP_FREE);
	silence();
}

TEST(connection_that_was_closed_waits_two_minutes_at_most) /* TCP_FIN_TIMEOUT_MAX of Linux */
{
	struct peer *p = half_closed(100000);

	wait_ms(119900);
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	wait_ms(300);
	assert_int_equal(flow_of(p)->state, TCP_FREE);
}

TEST(connection_that_was_told_nothing_waits_as_configured)
{
	struct peer *p;

	rig.conf.tcp.fin_wait2_ms = 30000;
	p = half_closed(0);
	wait_ms(29990);
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	wait_ms(20);
	assert_int_equal(flow_of(p)->state, TCP_FREE);
}

TEST(connection_does_not_wait_if_it_shall_not) /* linger2 < 0: RST, in Linux, too */
{
	struct peer *p = half_closed(-1);

	expect(p, .flags = RST | ACK, .seq = 2, .ack = 1);
	assert_int_equal(flow_of(p)->state, TCP_FREE);
}

TEST(connection_that_was_shut_before_does_not_wait_either)
{
	struct peer *p;

	rig.options.linger2_s = -1;
	p = established();
	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(p, .seq = 1, .ack = 2);
	wait_ms(70000);
	silence();
	assert_int_equal(flow_of(p)->state, TCP_FIN_WAIT_2);
	app_closes(p);
	expect(p, .flags = RST | ACK, .seq = 2, .ack = 1);
}

/* --- TCP_THIN_LINEAR_TIMEOUTS --- */

/* When the data in flight is sent again, n times; ms since it was sent first. */
static void resent_at(struct peer *p, const uint32_t *at_ms, unsigned n)
{
	tas_ns begin = rig.now;

	for (unsigned i = 0; i < n; i++) {
		wait_sent(200000);
		overlook();
		assert_in_range((rig.now - begin) / NS_PER_MS, at_ms[i] - 1, at_ms[i] + 15);
	}
	assert_int_equal(flow_of(p)->state, TCP_ESTABLISHED);
}

TEST(thin_stream_is_sent_again_without_backoff_six_times) /* TCP_THIN_LINEAR_RETRIES of Linux */
{
	static const uint32_t at[] = { 200, 400, 600, 800, 1000, 1200, 1400, 1800, 2600 };
	struct peer *p = established(.nodelay = true, .no_sack = true);

	assert_int_equal(app_sets(p, .flags = CTL_OPTION_THIN_LINEAR), 0);
	resent_at(sending(p, 1), at, ARRAY_LEN(at));
}

TEST(thin_stream_backs_off_as_any_other_unless_told)
{
	static const uint32_t at[] = { 200, 600, 1400, 3000 };

	resent_at(sending(established(.nodelay = true, .no_sack = true), 1), at, ARRAY_LEN(at));
}

TEST(stream_of_four_segments_is_not_thin)
{
	static const uint32_t at[] = { 200, 600, 1400, 3000 };
	struct peer *p = established(.nodelay = true, .no_sack = true);

	assert_int_equal(app_sets(p, .flags = CTL_OPTION_THIN_LINEAR), 0);
	resent_at(sending(p, 4), at, ARRAY_LEN(at));
}

TEST(user_timeout_of_a_thin_stream_counts_from_its_first_sending)
{
	struct peer *p = established(.nodelay = true, .no_sack = true);

	assert_int_equal(app_sets(p, .flags = CTL_OPTION_THIN_LINEAR, .user_timeout_ms = 1000), 0);
	sending(p, 1);
	wait_ms(900);
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	wait_ms(110);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
	overlook();
}

/* --- SO_MAX_PACING_RATE --- */

/* The bytes of payload that the host sends in so many ms, all acknowledged at once. */
static uint32_t sent_in(struct peer *p, uint32_t ms)
{
	tas_ns end = rig.now + ms * NS_PER_MS;
	const struct rig_seg *s;
	uint32_t sum = 0;

	while (rig.now < end) {
		wait_sent(min_u64((end - rig.now) / NS_PER_MS + 1, 10));
		while ((s = next_segment(p)) != NULL) {
			sum += s->len;
			give(p, .seq = 1, .ack = s->seq + s->len);
		}
	}
	return sum;
}

TEST(stream_is_no_faster_than_it_may_be)
{
	struct peer *p;

	rig.options.pacing_bytes_s = 1000000;
	p = established();
	app_writes(p, 100000);
	assert_in_range(sent_in(p, 50), 48000, 54000);
	assert_int_equal(app_sets(p, .pacing_bytes_s = 200000), 0);
	sent_in(p, 10); /* what the former pace put off */
	assert_in_range(sent_in(p, 50), 8600, 11600);
	assert_int_equal(app_sets(p, .pacing_bytes_s = 0), 0);
	sent_in(p, 10);
	assert_int_equal(rec_of(p)->tx_una, 100000);
}

TEST(stream_may_be_slower_than_a_pace_can_say) /* 65536 ns a byte, in 16.16 bits */
{
	struct peer *p = established();

	assert_int_equal(app_sets(p, .pacing_bytes_s = 1000), 0);
	app_writes(p, 100000);
	assert_in_range(sent_in(p, 20000), 20000 - RIG_MSS, 20000 + 2 * RIG_MSS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(another_process_sets_no_options),
		RIG_TEST(listener_says_how_often_a_syn_ack_is_sent_again),
		RIG_TEST(listener_may_be_told_later),
		RIG_TEST(headers_say_what_the_listener_says_from_the_syn_ack_on),
		RIG_TEST(headers_say_what_connect_says_from_the_syn_on),
		RIG_TEST(headers_of_an_open_connection_change),
		RIG_TEST(what_is_resent_is_of_the_new_class),
		RIG_TEST(bits_of_ecn_stay_those_of_ecn),
		RIG_TEST(without_path_discovery_packets_may_be_cut),
		RIG_TEST(what_the_port_cuts_takes_as_many_identifications),
		RIG_TEST(segments_are_as_large_as_the_listener_allows_both_ways),
		RIG_TEST(segments_are_as_large_as_connect_allows_both_ways),
		RIG_TEST(peer_or_port_may_want_smaller_segments),
		RIG_TEST(window_is_never_larger_than_its_clamp),
		RIG_TEST(clamp_of_an_active_open_is_in_its_syn),
		RIG_TEST(clamp_of_an_open_connection_does_not_take_back_what_was_offered),
		RIG_TEST(connection_is_accepted_with_its_first_data),
		RIG_TEST(end_of_stream_is_as_good_as_data),
		RIG_TEST(data_may_come_with_what_completes_the_handshake),
		RIG_TEST(peer_without_data_is_accepted_when_the_time_is_over),
		RIG_TEST(peer_that_is_gone_by_then_is_forgotten),
		RIG_TEST(waiting_may_take_longer_than_syn_acks_are_sent_again),
		RIG_TEST(peer_that_does_not_answer_gets_its_syn_acks),
		RIG_TEST(connection_that_was_closed_waits_as_long_as_it_was_told),
		RIG_TEST(connection_that_was_closed_waits_two_minutes_at_most),
		RIG_TEST(connection_that_was_told_nothing_waits_as_configured),
		RIG_TEST(connection_does_not_wait_if_it_shall_not),
		RIG_TEST(connection_that_was_shut_before_does_not_wait_either),
		RIG_TEST(thin_stream_is_sent_again_without_backoff_six_times),
		RIG_TEST(thin_stream_backs_off_as_any_other_unless_told),
		RIG_TEST(stream_of_four_segments_is_not_thin),
		RIG_TEST(user_timeout_of_a_thin_stream_counts_from_its_first_sending),
		RIG_TEST(stream_is_no_faster_than_it_may_be),
		RIG_TEST(stream_may_be_slower_than_a_pace_can_say),
	};

	return RIG_MAIN(tests);
}
