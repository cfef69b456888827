/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_rcv_window.c - how much a peer may send, and when it is told that it is more. */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS };

/* The rightmost edge that was announced. It must not move back, but for what a unit of the scaled window
 * hides (RFC 7323 2.4). */
static uint32_t edge(struct peer *p, uint32_t before)
{
	const struct rig_seg *s;

	while ((s = next_segment(p)) != NULL) {
		uint32_t now = s->ack + s->wnd, unit = 1u << p->host_wscale;

		assert_true((int32_t)(now + unit - before) > 0);
		before = (int32_t)(now - before) > 0 ? now : before;
	}
	return before;
}

TEST(right_edge_of_the_window_never_moves_back) /* RFC 9293 3.8.6 */
{
	static const uint32_t size[] = { 4096, 65536, 131072, 1048576 };

	for (unsigned i = 0; i < ARRAY_LEN(size); i++) {
		struct peer *p;
		uint32_t seq = 1, right = 0;

		rig_teardown(NULL);
		rig_setup(NULL);
		rig.conf.memory.rx_buffer = size[i];
		p = peer_new();
		assert_int_equal(app_listens(0, RIG_PORT, 1), 0);
		give(p, .flags = SYN);
		right = edge(p, 0);
		give(p, .seq = 1, .ack = 1);
		assert_true(app_accepts(p, 0));
		for (unsigned n = 0; n < 1000; n++) {
			uint32_t len = n * 7919 % MSS + 1;

			len = min_u32(len, right - seq);
			if (len > 0)
				give(p, .seq = seq, .ack = 1, .len = len);
			seq += len;
			right = edge(p, right);
			if (n % 5 == 4)
				app_reads(p, min_u32(app_unread(p), n * 5 % 7001));
			right = edge(p, right);
			assert_true(right - seq + app_unread(p) <= size[i]);
		}
		for (; right - seq > 0; seq += min_u32(MSS, right - seq)) /* what was offered once is taken */
			give(p, .seq = seq, .ack = 1, .len = min_u32(MSS, right - seq));
		app_reads(p, seq - 1 - (uint32_t)p->rx_read);
	}
}

TEST(answers_of_the_slow_path_keep_the_right_edge) /* RFC 9293 3.8.6; a challenge acknowledgement is one */
{
	struct peer *p = connected();
	uint32_t right = 1 + 65535;

	give(p, .seq = 1, .ack = 1, .len = 101);
	right = edge(p, right);
	give(p, .flags = SYN, .seq = 0);
	right = edge(p, right);
	give(p, .seq = 102, .ack = 1, .len = 1001);
	edge(p, right);
}

TEST(handshake_of_an_active_open_keeps_the_right_edge)
{
	struct peer *p = peer_new();
	uint32_t right;

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	right = 1 + expect(p, .flags = SYN)->wnd;
	give(p, .flags = SYN | ACK, .ack = 1);
	edge(p, right);
}

TEST(window_update_when_two_segments_or_a_quarter_are_free) /* RFC 9293 3.8.6.2.2 */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 16384;
	p = established();
	give(p, .seq = 1, .ack = 1, .len = MSS);
	for (uint32_t n = MSS; n < 16384; n += 1000)
		give(p, .seq = 1 + n, .ack = 1, .len = min_u32(1000, 16384 - n));
	overlook();
	give(p, .seq = 16385, .ack = 1);
	silence();
	app_reads(p, 2 * MSS - 1);
	silence();
	app_reads(p, 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 16385)->wnd, 2 * MSS);
	app_reads(p, 2 * MSS - 1);
	silence();
	app_reads(p, 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 16385)->wnd, 4 * MSS);
	app_reads(p, 4096 - 1);
	silence();
	app_reads(p, 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 16385)->wnd, 4 * MSS + 4096);
	silence();
}

TEST(window_of_a_small_buffer_opens_by_a_quarter) /* RFC 9293 3.8.6.2.2 */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established();
	for (uint32_t n = 0; n < 4096; n += 1024)
		give(p, .seq = 1 + n, .ack = 1, .len = 1024);
	overlook();
	app_reads(p, 1023);
	silence();
	app_reads(p, 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 4097)->wnd, 1024);
}

TEST(window_probe_is_answered_with_the_window) /* RFC 9293 3.8.6.1 */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established();
	for (uint32_t n = 0; n < 4096; n += 1024)
		give(p, .seq = 1 + n, .ack = 1, .len = 1024);
	overlook();
	give(p, .seq = 4097, .ack = 1, .len = 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 4097)->wnd, 0);
	app_reads(p, 1024);
	assert_int_equal(expect(p, .seq = 1, .ack = 4097)->wnd, 1024);
	give(p, .seq = 4096, .ack = 1);
	assert_int_equal(expect(p, .seq = 1, .ack = 4097)->wnd, 1024);
	silence();
}

TEST(window_opens_by_a_segment_at_least_whoever_asks) /* RFC 9293 3.8.6.2.2, MUST-39 */
{
	struct peer *p;
	uint32_t right;

	rig.conf.memory.rx_buffer = 16384;
	p = established();
	for (uint32_t n = 0; n < 16384; n += 1024)
		give(p, .seq = 1 + n, .ack = 1, .len = 1024);
	overlook();
	app_reads(p, 1000);
	give(p, .seq = 16384, .ack = 1); /* a probe */
	assert_int_equal(expect(p, .seq = 1, .ack = 16385)->wnd, 0);
	app_writes(p, 10);
	assert_int_equal(expect(p, .seq = 1, .ack = 16385, .len = 10)->wnd, 0);
	app_reads(p, 24);
	wait_ms(20);
	give(p, .seq = 16384, .ack = 11);
	right = 16385 + expect(p, .seq = 11, .ack = 16385)->wnd;
	assert_int_equal(right, 16385 + 1024);
	silence();
}

TEST(closed_window_takes_acknowledgements_and_resets) /* RFC 9293 3.4, MUST-66 */
{
	struct peer *p;

	rig.conf.memory.rx_buffer = 4096;
	p = established();
	for (uint32_t n = 0; n < 4096; n += 1024)
		give(p, .seq = 1 + n, .ack = 1, .len = 1024);
	overlook();
	app_writes(p, 100);
	assert_int_equal(expect(p, .seq = 1, .ack = 4097, .len = 100)->wnd, 0);
	give(p, .seq = 4097, .ack = 101, .len = 10); /* its data does not fit, and its acknowledgement does */
	expect(p, .seq = 101, .ack = 4097);
	assert_int_equal(flow_of(p)->tx_una, 100);
	give(p, .flags = RST, .seq = 4097);
	assert_int_equal(rec_of(p)->error, ECONNRESET);
	silence();
}

TEST(clamp_below_a_segment_opens_all_the_same) /* RFC 9293 3.8.6.2.2: by a quarter of it */
{
	struct peer *p = established();
	uint32_t right = 1 + 65535, len;

	assert_int_equal(app_sets(p, .window_clamp = 1000), 0);
	for (uint32_t seq = 1; seq < 100000; seq += len) {
		len = min_u32(MSS, right - seq);
		assert_true(len > 0);
		give(p, .seq = seq, .ack = 1, .len = len);
		app_reads(p, len);
		wait_ms(5);
		right = edge(p, right);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(right_edge_of_the_window_never_moves_back),
		RIG_TEST(answers_of_the_slow_path_keep_the_right_edge),
		RIG_TEST(handshake_of_an_active_open_keeps_the_right_edge),
		RIG_TEST(window_update_when_two_segments_or_a_quarter_are_free),
		RIG_TEST(window_of_a_small_buffer_opens_by_a_quarter),
		RIG_TEST(window_probe_is_answered_with_the_window),
		RIG_TEST(window_opens_by_a_segment_at_least_whoever_asks),
		RIG_TEST(closed_window_takes_acknowledgements_and_resets),
		RIG_TEST(clamp_below_a_segment_opens_all_the_same),
	};

	return RIG_MAIN(tests);
}
