/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_answer.c - segments that are not acceptable are answered (RFC 9293 3.10.7.4, first), but two ends
 * that disagree do not answer each other's answers for ever. */
#include "fastpath/stages.h"
#include "tests/unit/net_frames.h"
#include "tests/unit/rig_tcp.h"

enum { FAR = 1000000, L4 = 34 };

static uint32_t ts_now(const struct peer *p) { return (uint32_t)(rig.now / NS_PER_MS) + p->ts_off; }

/* How many answers this segment gets, given every `every_us` for a second. */
static unsigned answers_in_a_second(struct peer *p, struct rig_seg s, unsigned every_us)
{
	unsigned n = 0;

	for (unsigned us = 0; us < 1000000; us += every_us) {
		give_(p, s);
		n += overlook();
		wait_us(every_us);
		n += overlook();
	}
	return n;
}

/* --- what carries nothing --- */

TEST(empty_segment_outside_the_window_is_answered_twice_a_second) /* tcp_invalid_ratelimit of Linux */
{
	struct peer *p = established();

	give(p, .seq = FAR, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	give(p, .seq = 0u - FAR, .ack = 1);
	silence();
	wait_ms(499);
	give(p, .seq = FAR, .ack = 1);
	silence();
	wait_ms(1);
	give(p, .seq = 0u - FAR, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	assert_int_equal(counted(CNT_TCP_RX_OUTSIDE), 4);
	wait_ms(500);
	assert_int_equal(answers_in_a_second(p, (struct rig_seg){ .seq = FAR, .ack = 1 }, 1000), 2);
}

TEST(empty_segment_with_an_older_timestamp_is_answered_twice_a_second) /* RFC 7323 5.3 R1 */
{
	struct peer *p = established();
	struct rig_seg s = { .seq = 1, .ack = 1, .ts_val = ts_now(p) - 1000 };

	assert_int_equal(answers_in_a_second(p, s, 1000), 2);
	assert_int_equal(counted(CNT_TCP_RX_PAWS), 1000);
}

TEST(acknowledgement_of_what_was_never_sent_is_answered_twice_a_second) /* RFC 5961 5.2 */
{
	struct peer *p = established();

	assert_int_equal(answers_in_a_second(p, (struct rig_seg){ .seq = 1, .ack = 5000 }, 1000), 2);
	assert_int_equal(counted(CNT_TCP_RX_CHALLENGE), 2);
}

TEST(limit_of_one_connection_is_not_that_of_another) /* CVE-2016-5696 */
{
	struct peer *p = established(), *q = established();

	answers_in_a_second(p, (struct rig_seg){ .seq = FAR, .ack = 1 }, 1000);
	give(q, .seq = FAR, .ack = 1);
	expect(q, .seq = 1, .ack = 1);
	silence();
}

/* --- what is always answered --- */

TEST(data_and_fin_outside_the_window_are_always_answered) /* they come by the peer's timer */
{
	struct peer *p = established();

	for (unsigned i = 0; i < 20; i++) {
		give(p, .seq = FAR, .ack = 1, .len = 10);
		expect(p, .seq = 1, .ack = 1);
		give(p, .flags = FIN | ACK, .seq = FAR, .ack = 1);
		expect(p, .seq = 1, .ack = 1);
		give(p, .seq = 1, .ack = 1, .len = 10, .ts_val = ts_now(p) - 1000);
		expect(p, .seq = 1, .ack = 1);
		give(p, .seq = 1, .ack = 5000, .len = 10);
		expect(p, .seq = 1, .ack = 1);
	}
	silence();
}

TEST(probe_is_answered_whatever_else_was) /* RFC 1122 4.2.3.6, RFC 9293 3.8.6.1 */
{
	struct peer *p = established();

	give(p, .seq = FAR, .ack = 1);
	expect(p, .seq = 1, .ack = 1);
	for (unsigned i = 0; i < 50; i++) {
		give(p, .seq = 0, .ack = 1);
		expect(p, .seq = 1, .ack = 1);
		wait_ms(10);
	}
	give(p, .seq = FAR, .ack = 1); /* nor does it count for that */
	expect(p, .seq = 1, .ack = 1);
	silence();
}

TEST(duplicate_acknowledgement_that_was_overtaken_counts) /* tcp_disordered_ack() of Linux */
{
	struct peer *p = sending(established(.nodelay = true), 5);
	uint32_t now;

	wait_ms(3);
	now = ts_now(p);
	acked_to(p, 0, { AT(3), AT(4) });
	acked_to(p, 0, { AT(4), AT(5) });
	silence();
	flow_of(p)->ts_recent = now;
	give(p, .seq = 1, .ack = 1, .ts_val = now - 2, .sack = { { AT(1), AT(3) } });
	wait_us(1000); /* what comes out of order widens the reordering window */
	expect_segment(p, 0);
	assert_int_equal(counted(CNT_TCP_RX_PAWS), 0);
	assert_int_equal(flow_of(p)->ts_recent, now);
	silence();
}

TEST(older_acknowledgement_that_says_more_does_not_count) /* the same: no window, no progress, no data */
{
	struct peer *p = sending(established(.nodelay = true), 5);
	uint32_t old;

	wait_ms(3);
	old = ts_now(p) - 2;
	acked_to(p, 1);
	flow_of(p)->ts_recent = old + 2;
	give(p, .seq = 1, .ack = AT(2), .ts_val = old);
	expect(p, .seq = AT(5), .ack = 1);
	p->wnd = 2 << 20;
	give(p, .seq = 1, .ack = AT(1), .ts_val = old);
	p->wnd = 1 << 20;
	give(p, .seq = 1, .ack = AT(1), .ts_val = old - 10000); /* later than it can have stayed anywhere */
	assert_int_equal(counted(CNT_TCP_RX_PAWS), 3);
	assert_int_equal(flow_of(p)->tx_una, AT(1) - 1);
	assert_int_equal(flow_of(p)->snd_wnd, 1 << 20);
	silence();
}

/* --- two ends that disagree --- */

/* What the host sends in one connection comes to it in the other, its number off by `off`: both ends are
 * ours. How many segments that makes in ten seconds. */
static unsigned talk_past_each_other(uint32_t off)
{
	struct peer *end[2] = { established(), established() };
	unsigned n = 0;

	give(end[0], .seq = 1 + off, .ack = 1);
	for (unsigned i = 0; i < 100000; i++) {
		while (rig.sent_head != rig.sent_tail) {
			unsigned from = get16(rig.sent[rig.sent_head % RIG_FRAMES].b + L4 + 2) ==
				end[1]->port;
			const struct rig_seg *s = next_segment(end[from]);
			struct rig_seg other = { .seq = s->seq + off, .ack = s->ack, .hold = true };

			give_(end[1 - from], other);
			n++;
		}
		wait_us(100);
		rig_run();
	}
	return n;
}

TEST(two_ends_that_disagree_fall_silent)
{
	assert_in_range(talk_past_each_other(FAR), 1, 2 * 2 * 10 + 2);
	assert_in_range(talk_past_each_other(0u - 2), 1, 2 * 2 * 10 + 2);
}

TEST(two_ends_that_are_a_byte_apart_do_not_flood) /* each looks like a probe to the other */
{
	assert_in_range(talk_past_each_other(0u - 1), 1, 2 * 100 * 10 + 2);
}

/* A core's burst but for `room` frames. */
static struct fp_core *burst_with_room(uint32_t room)
{
	struct fp_core *c = rig.fp.core[0];

	for (; c->ntx < FP_TX_BATCH - room; c->ntx++)
		c->tx[c->ntx] = rte_pktmbuf_alloc(rig.pool);
	return c;
}

TEST(burst_takes_as_many_frames_as_it_holds) /* probes and acknowledgements come when it may be full */
{
	struct peer *p = established();
	struct fp_core *c = burst_with_room(1);

	tcp_probe_out(c, p->flow);
	assert_int_equal(c->ntx, FP_TX_BATCH);
	tcp_probe_out(c, p->flow);
	tcp_ack_now(c, p->flow);
	assert_int_equal(c->ntx, FP_TX_BATCH);
	rte_pktmbuf_free_bulk(c->tx, c->ntx);
	c->ntx = 0;
	wait_ms(100);
	expect(p, .seq = 1, .ack = 1); /* what found no room goes later */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(empty_segment_outside_the_window_is_answered_twice_a_second),
		RIG_TEST(empty_segment_with_an_older_timestamp_is_answered_twice_a_second),
		RIG_TEST(acknowledgement_of_what_was_never_sent_is_answered_twice_a_second),
		RIG_TEST(limit_of_one_connection_is_not_that_of_another),
		RIG_TEST(data_and_fin_outside_the_window_are_always_answered),
		RIG_TEST(probe_is_answered_whatever_else_was),
		RIG_TEST(duplicate_acknowledgement_that_was_overtaken_counts),
		RIG_TEST(older_acknowledgement_that_says_more_does_not_count),
		RIG_TEST(two_ends_that_disagree_fall_silent),
		RIG_TEST(two_ends_that_are_a_byte_apart_do_not_flood),
		RIG_TEST(burst_takes_as_many_frames_as_it_holds),
	};

	return RIG_MAIN(tests);
}
