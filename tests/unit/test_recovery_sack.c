/* SPDX-License-Identifier: BSD-3-Clause */
/* test_recovery_sack.c - recovery by selective acknowledgements (RFC 6675): holes are sent again, once. */
#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS };

static struct peer *sack(uint32_t n) { return sending(established(.nodelay = true), n); }

TEST(hole_is_lost_when_three_segments_above_it_arrived) /* RFC 6675 4, IsLost */
{
	struct peer *p = sack(6);

	acked_to(p, 0, { AT(1), AT(2) });
	acked_to(p, 0, { AT(1), AT(3) });
	silence();
	acked_to(p, 0, { AT(1), AT(4) });
	expect_segment(p, 0);
	silence();
}

TEST(only_holes_are_resent) /* RFC 6675 4, NextSeg (1) */
{
	struct peer *p = sack(10);

	acked_to(p, 1, { AT(2), AT(3) });
	acked_to(p, 1, { AT(5), AT(6) }, { AT(2), AT(3) });
	acked_to(p, 1, { AT(5), AT(7) }, { AT(2), AT(3) });
	expect_segment(p, 1);
	acked_to(p, 1, { AT(5), AT(8) }, { AT(2), AT(3) });
	expect_segment(p, 3);
	acked_to(p, 1, { AT(5), AT(9) }, { AT(2), AT(3) });
	expect_segment(p, 4);
	acked_to(p, 1, { AT(5), AT(10) }, { AT(2), AT(3) });
	silence();
	give(p, .seq = 1, .ack = AT(10));
	wait_ms(1000);
	silence();
	assert_int_equal(cold_of(p)->rtx_segs, 3);
}

TEST(what_the_peer_takes_back_comes_again_at_once) /* RFC 2018 8 */
{
	struct peer *p = sack(8);

	acked_to(p, 0, { AT(1), AT(3) });
	acked_to(p, 0, { AT(4), AT(6) }, { AT(1), AT(3) });
	expect_segment(p, 0);
	overlook();
	give(p, .seq = 1, .ack = AT(1)); /* it ends where SACKed data began: all that is gone */
	assert_int_equal(cold_of(p)->sacked.n, 0);
	for (uint32_t i = 1; i < 6; i++) {
		if (i != 3) /* already on its way again */
			expect_segment(p, i);
		give(p, .seq = 1, .ack = AT(i + 1));
	}
	give(p, .seq = 1, .ack = AT(8));
	wait_ms(1000);
	silence();
	assert_int_equal(cold_of(p)->timeouts, 0);
}

TEST(what_is_taken_back_before_anything_is_lost_comes_again_too)
{
	struct peer *p = sack(4);

	acked_to(p, 0, { AT(1), AT(2) });
	give(p, .seq = 1, .ack = AT(1));
	expect_segment(p, 1);
	silence();
	give(p, .seq = 1, .ack = AT(4));
	wait_ms(1000);
	silence();
	assert_int_equal(cold_of(p)->recoveries, 1);
}

TEST(acknowledgement_that_ends_recovery_grows_the_window) /* as in Linux */
{
	struct peer *p = sack(6);

	acked_to(p, 0, { AT(1), AT(4) });
	expect_segment(p, 0);
	acked_to(p, 0, { AT(1), AT(5) });
	give(p, .seq = 1, .ack = AT(6));
	assert_true(cold_of(p)->delivered == 6 * MSS);
	assert_true(cold_of(p)->recovery_delivered == MSS); /* SACKed in between */
	silence();
}

TEST(hole_that_was_resent_is_not_resent_by_a_partial_acknowledgement)
{
	struct peer *p = sack(10);

	acked_to(p, 0, { AT(1), AT(2) }, { AT(3), AT(7) });
	expect_segment(p, 0);
	acked_to(p, 0, { AT(1), AT(2) }, { AT(3), AT(8) });
	overlook();
	assert_int_equal(cold_of(p)->rtx_segs, 2); /* 0 and 2 */
	give(p, .seq = 1, .ack = AT(2), .sack = { { AT(3), AT(8) } });
	silence();
	give(p, .seq = 1, .ack = AT(8));
	silence(); /* nothing says that 8 and 9 were lost */
	assert_int_equal(cold_of(p)->rtx_segs, 2);
}

TEST(lost_retransmission_of_a_later_hole_is_found)
{
	struct peer *p = sack(8);
	unsigned resent = 0;

	app_writes(p, 20 * MSS);
	overlook();
	acked_to(p, 0, { AT(1), AT(2) }, { AT(3), AT(7) });
	acked_to(p, 0, { AT(1), AT(2) }, { AT(3), AT(8) });
	give(p, .seq = 1, .ack = AT(2), .sack = { { AT(3), AT(10) } });
	overlook();
	for (uint32_t to = 11; to < 18; to++) {
		const struct rig_seg *s;

		wait_us(300);
		acked_to(p, 2, { AT(3), AT(to) });
		while ((s = next_segment(p)) != NULL)
			resent += s->seq == AT(2);
	}
	assert_int_equal(resent, 1);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 0);
}

TEST(recovery_sends_what_was_delivered_up_to_the_window) /* RFC 6937 3.1: PRR, slow start reduction bound */
{
	struct peer *p = sack(10);

	app_writes(p, 20 * MSS);
	acked_to(p, 0, { AT(7), AT(10) }); /* pipe: 3 SACKed, 7 lost, of 10: 0; window 5; 3 were delivered */
	for (uint32_t i = 0; i < 3; i++)
		expect_segment(p, i);
	silence();
	wait_us(100);
	acked_to(p, 2, { AT(7), AT(10) }); /* 2 more, and one since nothing else was lost */
	for (uint32_t i = 3; i < 6; i++)
		expect_segment(p, i);
	silence();
	wait_us(100);
	acked_to(p, 4, { AT(7), AT(10) });
	expect_segment(p, 6);
	expect_segment(p, 10);
	expect_segment(p, 11);
	silence(); /* 5 are in the network: the window */
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
}

TEST(window_comes_down_in_proportion) /* RFC 6937 3.1: while more is in the network than ssthresh */
{
	struct peer *p = sack(10);
	unsigned sent = 0;

	app_writes(p, 20 * MSS);
	acked_to(p, 0, { AT(1), AT(4) });
	expect_segment(p, 0);
	sent = 1 + overlook();
	for (uint32_t i = 5; i <= 10; i++) {
		wait_us(50);
		acked_to(p, 0, { AT(1), AT(i) });
		sent += overlook();
		assert_in_range(sent, (i - 3) / 2, i / 2 + 1);
	}
}

TEST(lost_retransmission_is_found) /* what was sent after it arrived, and it did not */
{
	struct peer *p = sack(5);

	app_writes(p, 10 * MSS);
	overlook();
	acked_to(p, 0, { AT(1), AT(4) });
	expect_segment(p, 0);
	overlook();
	for (uint32_t i = 0; i < 9; i++) {
		wait_us(300);
		acked_to(p, 0, { AT(1), AT(5 + i) });
	}
	for (bool again = false; !again;) {
		const struct rig_seg *s = next_segment(p);

		assert_non_null(s);
		again = s->seq == AT(0);
	}
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 0);
}

TEST(three_short_segments_above_are_enough) /* RFC 6675 5 (1): DupThresh acknowledgements */
{
	struct peer *p = established(.nodelay = true);

	for (uint32_t i = 0; i < 5; i++) {
		app_writes(p, 64);
		expect(p, .seq = 1 + i * 64, .ack = 1, .len = 64);
	}
	give(p, .seq = 1, .ack = 1, .sack = { { 65, 129 } });
	give(p, .seq = 1, .ack = 1, .sack = { { 65, 193 } });
	silence();
	give(p, .seq = 1, .ack = 1, .sack = { { 65, 257 } });
	expect(p, .seq = 1, .ack = 1, .len = 64);
	silence();
	give(p, .seq = 1, .ack = 321);
	wait_ms(1000);
	silence();
}

TEST(recovery_reduces_the_window_once_for_a_window_of_data) /* RFC 6675 5; by half */
{
	struct peer *p = sack(10);

	acked_to(p, 0, { AT(1), AT(4) });
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	acked_to(p, 4, { AT(5), AT(9) });
	wait_ms(30);
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
	give(p, .seq = 1, .ack = AT(10));
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	overlook();
	app_writes(p, 5 * MSS);
	overlook();
	acked_to(p, 10, { AT(11), AT(14) });
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 2);
}

/* Ten segments in the network; the window allows `cwnd` of them, and `waiting` are not sent. The first is
 * lost. */
static struct peer *loses_first(uint32_t cwnd, uint32_t waiting)
{
	struct peer *p = sack(1);

	acked_to(p, 1);
	flow_of(p)->cwnd = cold_of(p)->ssthresh = 10 * MSS;
	cold_of(p)->beta_q8 = 128;
	app_writes(p, (10 + waiting) * MSS);
	assert_int_equal(overlook(), 10);
	flow_of(p)->cwnd = cwnd * MSS;
	acked_to(p, 1, { AT(2), AT(6) });
	expect_segment(p, 1);
	overlook();
	return p;
}

TEST(while_data_waits_the_window_is_reduced_and_not_what_is_in_the_network) /* RFC 9438 4.6, as Linux */
{
	assert_int_equal(cold_of(loses_first(20, 30))->ssthresh, 10 * MSS);
}

TEST(where_the_window_was_not_the_limit_what_is_in_the_network_is_reduced) /* RFC 5681 3.1 (4) */
{
	assert_int_equal(cold_of(loses_first(20, 0))->ssthresh, 5 * MSS);
}

TEST(timeout_in_a_recovery_reduces_no_more) /* once for a window of data, as Linux */
{
	struct peer *p = loses_first(20, 30);

	wait_ms(1000);
	overlook();
	assert_true(counted(CNT_TCP_TIMEOUTS) > 0);
	assert_int_equal(cold_of(p)->ssthresh, 10 * MSS);
}

TEST(cubic_keeps_seven_tenths_of_the_window) /* RFC 9438 4.6 */
{
	struct peer *p;

	strcpy(rig.conf.tcp.congestion, "cubic");
	p = sack(10);
	acked_to(p, 0, { AT(1), AT(4) });
	assert_in_range(cold_of(p)->ssthresh, 7 * MSS - MSS / 20, 7 * MSS);
}

TEST(resent_bytes_are_counted)
{
	struct peer *p = sack(6);

	acked_to(p, 0, { AT(1), AT(5) });
	expect_segment(p, 0);
	assert_int_equal(counted(CNT_TCP_TX_RTX), 1);
	assert_int_equal(counted(CNT_TCP_TX_RTX_BYTES), MSS);
	assert_int_equal(cold_of(p)->bytes_rtx, MSS);
	assert_int_equal(cold_of(p)->lost, MSS);
}

TEST(what_was_sacked_lets_new_data_go) /* RFC 3042 2: limited transmit, also with SACK */
{
	struct peer *p = sack(10);

	app_writes(p, 10 * MSS);
	silence(); /* the window is full */
	acked_to(p, 0, { AT(1), AT(2) });
	expect_segment(p, 10);
	acked_to(p, 0, { AT(1), AT(3) });
	expect_segment(p, 11);
	silence();
	assert_int_equal(flow_of(p)->cwnd, 10 * MSS);
}

TEST(what_was_sacked_beside_progress_lets_new_data_go_too) /* RFC 6675 4: it has left the network */
{
	struct peer *p = sack(10);

	app_writes(p, 10 * MSS);
	silence();
	acked_to(p, 1, { AT(3), AT(4) });
	expect_segment(p, 10);
	expect_segment(p, 11);
	silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(hole_is_lost_when_three_segments_above_it_arrived),
		RIG_TEST(only_holes_are_resent),
		RIG_TEST(what_the_peer_takes_back_comes_again_at_once),
		RIG_TEST(what_is_taken_back_before_anything_is_lost_comes_again_too),
		RIG_TEST(acknowledgement_that_ends_recovery_grows_the_window),
		RIG_TEST(hole_that_was_resent_is_not_resent_by_a_partial_acknowledgement),
		RIG_TEST(lost_retransmission_of_a_later_hole_is_found),
		RIG_TEST(recovery_sends_what_was_delivered_up_to_the_window),
		RIG_TEST(window_comes_down_in_proportion),
		RIG_TEST(lost_retransmission_is_found),
		RIG_TEST(three_short_segments_above_are_enough),
		RIG_TEST(recovery_reduces_the_window_once_for_a_window_of_data),
		RIG_TEST(while_data_waits_the_window_is_reduced_and_not_what_is_in_the_network),
		RIG_TEST(where_the_window_was_not_the_limit_what_is_in_the_network_is_reduced),
		RIG_TEST(timeout_in_a_recovery_reduces_no_more),
		RIG_TEST(cubic_keeps_seven_tenths_of_the_window),
		RIG_TEST(resent_bytes_are_counted),
		RIG_TEST(what_was_sacked_lets_new_data_go),
		RIG_TEST(what_was_sacked_beside_progress_lets_new_data_go_too),
	};

	return RIG_MAIN(tests);
}
