/* SPDX-License-Identifier: BSD-3-Clause */
/* test_handshake_opts.c - peers of every kind: what their SYN's options say, and what they say wrong. */
#include "tests/unit/rig_tcp.h"

/* The MSS that is used towards a peer whose SYN has these options. */
static uint32_t mss_towards(const char *opts, uint8_t opts_len)
{
	struct peer *p = peer_new(.no_ts = true, .no_wscale = true);
	uint32_t len;

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN, .opts = (const uint8_t *)opts, .opts_len = opts_len);
	assert_false(expect(p, .flags = SYN | ACK, .ack = 1)->has_ts);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	app_writes(p, 4000);
	len = next_segment(p)->len;
	overlook();
	return len;
}

TEST(peer_without_options_gets_536_bytes) /* RFC 9293 3.7.1 */ { assert_int_equal(mss_towards("", 0), 536); }

TEST(peer_with_an_mss_gets_it) { assert_int_equal(mss_towards("\x02\x04\x02\x18", 4), 536); }
TEST(peer_with_a_larger_mss_gets_ours) { assert_int_equal(mss_towards("\x02\x04\xff\xff", 4), 1460); }
TEST(mss_of_zero_is_no_mss) { assert_int_equal(mss_towards("\x02\x04\x00\x00", 4), 536); }
TEST(mss_of_one_is_not_obeyed) { assert_int_equal(mss_towards("\x02\x04\x00\x01", 4), 48); }

TEST(option_of_length_zero_ends_the_options) /* the endless loop of the research prototype */
{
	assert_int_equal(mss_towards("\x02\x04\x04\x00\x03\x00\x03\x00", 8), 1024);
	assert_int_equal(mss_towards("\x08\x00\x02\x04\x04\x00\x00\x00", 8), 536);
}

TEST(option_of_length_one_ends_the_options) { assert_int_equal(mss_towards("\x08\x01\x02\x04", 4), 536); }

TEST(option_that_is_cut_short_ends_the_options)
{
	assert_int_equal(mss_towards("\x01\x01\x01\x02", 4), 536);
	assert_int_equal(mss_towards("\x01\x01\x02\x04", 4), 536);
	assert_int_equal(mss_towards("\x01\x02\x04\x05", 4), 536);
	assert_int_equal(mss_towards("\x02\x04\x04\x00\x01\x01\x08\x0a", 8), 1024);
}

TEST(unknown_options_are_passed_over) /* RFC 9293 3.1 */
{
	assert_int_equal(mss_towards("\xfe\x06zzzz\x02\x04\x04\x00\x00\x00", 12), 1024);
	assert_int_equal(mss_towards("\x22\x02\x1e\x04zz\x02\x04\x04\x00\x00\x00", 12), 1024);
}

TEST(option_of_the_wrong_length_is_left_out)
{
	assert_int_equal(mss_towards("\x02\x03\x04\x01\x03\x04\x07\x01", 8), 536);
}

TEST(peer_without_window_scaling_is_served) /* RFC 7323 2.2 */
{
	struct peer *p = established(.no_wscale = true);

	give(p, .seq = 1, .ack = 1, .len = 100);
	assert_in_range(expect(p, .seq = 1, .ack = 101)->wnd, 65535 - 100, 65535);
	assert_int_equal(flow_of(p)->snd_wnd, 65535);
	app_reads(p, 100);
	app_writes(p, 100);
	expect(p, .seq = 1, .ack = 101, .len = 100);
}

TEST(peer_without_timestamps_is_served) /* the research prototype refused it */
{
	struct peer *p = established(.no_ts = true), *q = connected(.no_ts = true);

	give(p, .seq = 1, .ack = 1, .len = 100);
	assert_false(expect(p, .seq = 1, .ack = 101)->has_ts);
	app_writes(p, 2000);
	assert_false(expect(p, .seq = 1, .ack = 101, .len = 1460)->has_ts);
	overlook();
	app_writes(q, 2000);
	assert_false(expect(q, .seq = 1, .ack = 1, .len = 1460)->has_ts);
}

TEST(peer_with_an_mss_of_536_is_served)
{
	struct peer *p = established(.mss = 536);

	app_writes(p, 1100);
	expect(p, .seq = 1, .ack = 1, .len = 524); /* timestamps take 12 */
	expect(p, .seq = 525, .ack = 1, .len = 524);
	expect(p, .seq = 1049, .ack = 1, .len = 52);
}

TEST(peer_with_jumbo_frames_is_served)
{
	static const uint32_t lens[] = { 8948, 8960 }; /* timestamps take 12 */

	rig.conf.port.mtu = 9000;
	for (unsigned i = 0; i < 2; i++) {
		struct peer *p = peer_new(.mss = 8960, .no_ts = i == 1);
		uint32_t len = lens[i];

		app_listens(0, RIG_PORT, 16);
		give(p, .flags = SYN);
		assert_int_equal(expect(p, .flags = SYN | ACK, .ack = 1)->mss, 8960);
		give(p, .seq = 1, .ack = 1);
		assert_true(app_accepts(p, 0));
		give(p, .seq = 1, .ack = 1, .len = len);
		expect(p, .seq = 1, .ack = 1 + len);
		app_reads(p, len);
		app_writes(p, 2 * len + 1);
		expect(p, .seq = 1, .ack = 1 + len, .len = len);
		expect(p, .seq = 1 + len, .ack = 1 + len, .len = len);
		expect(p, .seq = 1 + 2 * len, .ack = 1 + len, .len = 1);
		silence();
	}
}

TEST(window_scale_above_fourteen_is_fourteen) /* RFC 7323 2.3: no window is larger than 2^30 */
{
	static const uint8_t opts[] = { 2, 4, 5, 0xb4, 3, 3, 15, 1 };
	struct peer *p = peer_new(.no_ts = true, .no_sack = true);

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN, .opts = opts, .opts_len = sizeof(opts));
	expect(p, .flags = SYN | ACK, .ack = 1);
	p->wscale = 14;
	p->wnd = 0xffffu << 14;
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->snd_wscale, 14);
	assert_int_equal(flow_of(p)->snd_wnd, (1u << 30) - (1u << 14));
	assert_int_equal(cold_of(p)->max_snd_wnd, (1u << 30) - (1u << 14));
}

TEST(echo_is_of_the_acknowledgement_of_our_syn) /* RFC 7323 4.3 (2): not for ever of the SYN */
{
	struct peer *p = peer_new();
	uint32_t ts;

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(100);
	ts = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off;
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	wait_ms(700);
	app_writes(p, 10);
	assert_int_equal(expect(p, .seq = 1, .ack = 1, .len = 10)->ts_ecr, ts);
}

TEST(acknowledgement_with_an_older_timestamp_completes_no_handshake) /* RFC 7323 5.3 R1 */
{
	struct peer *p = peer_new();
	uint32_t ts;

	app_listens(0, RIG_PORT, 16);
	ts = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off;
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1, .ts_val = ts - 1);
	expect(p, .seq = 1, .ack = 1);
	assert_false(app_accepts(p, 0));
	give(p, .seq = 1, .ack = 1, .ts_val = ts);
	assert_true(app_accepts(p, 0));
}

TEST(another_syn_of_one_that_opens_is_asked_about) /* RFC 5961 4.2: its peer lost its memory */
{
	struct peer *p = peer_new(), *q;

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	q = peer_again(p, RIG_IRS + 5000);
	give(q, .flags = SYN);
	expect(p, .seq = 1, .ack = 1);
	give(p, .flags = RST, .seq = 1);
	assert_int_equal(flows_in_use(), 0);
	give(q, .flags = SYN);
	expect(q, .flags = SYN | ACK, .ack = 1);
}

TEST(simultaneous_open_gives_no_round_trip_time) /* RFC 6298 3: two SYNs of ours are on their way */
{
	struct peer *p = peer_new(.no_ts = true);

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	wait_ms(10);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(10);
	give(p, .seq = 1, .ack = 1);
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
	assert_int_equal(flow_of(p)->srtt_us, 0);
}

TEST(echo_within_its_clocks_tick_is_a_round_trip_of_one) /* RFC 7323 4.1: 0 would be none */
{
	struct peer *p = peer_new();

	assert_int_equal(app_listens(0, RIG_PORT, 1), 0);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_sent(2000);
	expect(p, .flags = SYN | ACK, .ack = 1);
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	assert_int_equal(flow_of(p)->srtt_us >> 3, 1000);
}

TEST(echo_is_not_of_what_comes_past_a_gap) /* RFC 7323 4.3 (2): though it completes the handshake */
{
	struct peer *p = peer_new();
	uint32_t ts = (uint32_t)(rig.now / NS_PER_MS) + p->ts_off;

	app_listens(0, RIG_PORT, 16);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	wait_ms(100);
	give(p, .seq = 101, .ack = 1, .len = 100);
	assert_int_equal(expect(p, .seq = 1, .ack = 1, .sack = { { 101, 201 } })->ts_ecr, ts);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(peer_without_options_gets_536_bytes),
		RIG_TEST(peer_with_an_mss_gets_it),
		RIG_TEST(peer_with_a_larger_mss_gets_ours),
		RIG_TEST(mss_of_zero_is_no_mss),
		RIG_TEST(mss_of_one_is_not_obeyed),
		RIG_TEST(option_of_length_zero_ends_the_options),
		RIG_TEST(option_of_length_one_ends_the_options),
		RIG_TEST(option_that_is_cut_short_ends_the_options),
		RIG_TEST(unknown_options_are_passed_over),
		RIG_TEST(option_of_the_wrong_length_is_left_out),
		RIG_TEST(peer_without_window_scaling_is_served),
		RIG_TEST(peer_without_timestamps_is_served),
		RIG_TEST(peer_with_an_mss_of_536_is_served),
		RIG_TEST(peer_with_jumbo_frames_is_served),
		RIG_TEST(window_scale_above_fourteen_is_fourteen),
		RIG_TEST(echo_is_of_the_acknowledgement_of_our_syn),
		RIG_TEST(acknowledgement_with_an_older_timestamp_completes_no_handshake),
		RIG_TEST(another_syn_of_one_that_opens_is_asked_about),
		RIG_TEST(simultaneous_open_gives_no_round_trip_time),
		RIG_TEST(echo_within_its_clocks_tick_is_a_round_trip_of_one),
		RIG_TEST(echo_is_not_of_what_comes_past_a_gap),
	};

	return RIG_MAIN(tests);
}
