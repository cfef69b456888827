/* SPDX-License-Identifier: BSD-3-Clause */
/* test_spurious.c - recoveries that were in vain are found out and taken back: F-RTO (RFC 5682), Eifel (RFC
 * 3522), D-SACK (RFC 2883, 3708). */
#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS, SEGS = 10 };

/* A full window is on its way, more was written, and the timer expired: the first segment went again. With
 * SACK a probe went before, which was new. Returns the number of the next new segment. */
static uint32_t timed_out(struct peer *p)
{
	uint32_t next;

	sending(p, SEGS);
	app_writes(p, 10 * MSS);
	silence();
	while (counted(CNT_TCP_TIMEOUTS) == 0) {
		overlook();
		wait_sent(1000);
	}
	next = (uint32_t)(flow_tx_nxt(flow_of(p)) / MSS);
	expect_segment(p, 0);
	silence();
	assert_int_equal(flow_of(p)->cwnd, MSS);
	return next;
}

static void taken_back(struct peer *p)
{
	assert_true(flow_of(p)->cwnd >= SEGS * MSS);
	assert_true(cold_of(p)->ssthresh > 100 * SEGS * MSS); /* none, as before */
	assert_false(flow_of(p)->flags & (FLOW_LOSS | FLOW_RECOVERY));
}

static void stands(struct peer *p)
{
	assert_int_equal(counted(CNT_TCP_UNDONE_TIMEOUTS) + counted(CNT_TCP_UNDONE_RECOVERIES), 0);
	assert_true(cold_of(p)->ssthresh <= SEGS * MSS);
}

/* --- F-RTO --- */

TEST(timeout_in_vain_is_found_by_two_acknowledgements) /* RFC 5682 2.1, without SACK */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS);
	uint32_t next = timed_out(p);

	assert_int_equal(next, SEGS);
	acked_to(p, 1);
	expect_segment(p, next);
	expect_segment(p, next + 1);
	silence();
	acked_to(p, 2);
	taken_back(p);
	assert_int_equal(counted(CNT_TCP_UNDONE_TIMEOUTS), 1);
	overlook();
	acked_to(p, next + 2);
	overlook();
	assert_int_equal(cold_of(p)->rtx_segs, 1); /* nothing else went again */
}

TEST(timeout_in_vain_is_found_by_sacks) /* RFC 5682 3.1 */
{
	struct peer *p = established(.nodelay = true, .no_ts = true, .mss = MSS);
	uint32_t next = timed_out(p);

	assert_int_equal(next, SEGS + 1);
	acked_to(p, 1);
	expect_segment(p, next);
	expect_segment(p, next + 1);
	silence();
	acked_to(p, 1, { AT(4), AT(5) }); /* sent once, and before the timer expired */
	taken_back(p);
	assert_int_equal(counted(CNT_TCP_UNDONE_TIMEOUTS), 1);
	overlook();
	acked_to(p, next + 2);
	overlook();
	assert_int_equal(cold_of(p)->rtx_segs, 1);
}

TEST(timer_is_longer_after_a_timeout_in_vain) /* RFC 4015 3.2; else a slow peer would see one each time */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS);

	timed_out(p);
	acked_to(p, 1);
	wait_ms(20);
	acked_to(p, 2);
	taken_back(p);
	assert_in_range(cold_of(p)->rttvar_us, 2 * 220000, 2 * 250000); /* four times the variation */
	assert_true(flow_of(p)->srtt_us >> 3 < 1000);
	overlook();
}

TEST(duplicate_of_new_segments_shows_a_loss) /* RFC 5682 2.1 (3a) */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS);
	uint32_t next = timed_out(p);

	acked_to(p, 1);
	expect_segment(p, next);
	expect_segment(p, next + 1);
	acked_to(p, 1);
	expect_segment(p, 1); /* conventionally, from here on */
	stands(p);
	assert_in_range(flow_of(p)->cwnd, MSS, 3 * MSS);
}

TEST(sack_of_new_segments_shows_a_loss) /* RFC 5682 3.1 (3a) */
{
	struct peer *p = established(.nodelay = true, .no_ts = true, .mss = MSS);
	uint32_t next = timed_out(p);

	acked_to(p, 1);
	expect_segment(p, next);
	expect_segment(p, next + 1);
	acked_to(p, 1, { AT(next), AT(next + 1) });
	expect_segment(p, 1);
	stands(p);
}

TEST(block_that_grows_over_new_segments_shows_a_loss) /* only the old part of it was sent before */
{
	struct peer *p = established(.nodelay = true, .no_ts = true, .mss = MSS);
	uint32_t next = timed_out(p);

	acked_to(p, 0, { AT(next - 1), AT(next) });
	silence();
	acked_to(p, 1, { AT(next - 1), AT(next) });
	expect_segment(p, next);
	expect_segment(p, next + 1);
	acked_to(p, 1, { AT(next - 1), AT(next + 1) });
	expect_segment(p, 1);
	stands(p);
}

TEST(duplicate_instead_of_the_first_acknowledgement_shows_a_loss) /* RFC 5682 2.1 (2a) */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS);

	timed_out(p);
	acked_to(p, 0);
	acked_to(p, 1);
	expect_segment(p, 1);
	stands(p);
}

TEST(without_new_data_recovery_is_conventional) /* RFC 5682 2.1 (2b) */
{
	struct peer *p = sending(established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS),
		SEGS);

	wait_sent(1000);
	expect_segment(p, 0);
	acked_to(p, 1);
	expect_segment(p, 1);
	stands(p);
}

TEST(closed_window_leaves_recovery_conventional) /* no new segment may go */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS,
		.wnd = (SEGS + 1) * MSS - 100);

	timed_out(p);
	p->wnd = (SEGS - 1) * MSS;
	acked_to(p, 1);
	expect_segment(p, 1);
	stands(p);
}

TEST(timeout_during_recovery_is_taken_for_a_loss) /* RFC 5682 2.1 (1) */
{
	struct peer *p = sending(established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS),
		SEGS);

	app_writes(p, 10 * MSS);
	for (unsigned i = 0; i < 4; i++)
		acked_to(p, 0);
	overlook();
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
	wait_sent(1000);
	expect_segment(p, 0);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 1);
	assert_false(flow_of(p)->flags & (FLOW_TS | FLOW_SACK | FLOW_ECN | FLOW_CWR)); /* as agreed on */
	acked_to(p, 1);
	expect_segment(p, 1);
	stands(p);
}

TEST(second_timeout_of_the_same_segment_is_still_examined) /* RFC 5682 3.2, as in Linux */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS);
	uint32_t next = timed_out(p);

	wait_sent(2000);
	expect_segment(p, 0);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 2);
	acked_to(p, 1);
	expect_segment(p, next);
	expect_segment(p, next + 1);
	acked_to(p, 2);
	taken_back(p);
	overlook();
}

/* --- Eifel --- */

TEST(old_echo_shows_that_the_timeout_was_in_vain) /* RFC 3522: by the first acknowledgement */
{
	struct peer *p = established(.nodelay = true);
	uint32_t echo;

	wait_ms(10);
	echo = p->ts_ecr + 10;
	timed_out(p);
	p->ts_ecr = echo;
	acked_to(p, 1);
	taken_back(p);
	assert_int_equal(counted(CNT_TCP_UNDONE_TIMEOUTS), 1);
	overlook();
	assert_int_equal(cold_of(p)->rtx_segs, 1);
}

TEST(new_echo_shows_that_it_was_not)
{
	struct peer *p = established(.nodelay = true, .no_sack = true);

	timed_out(p);
	acked_to(p, 1);
	expect_segment(p, SEGS);
	expect_segment(p, SEGS + 1);
	acked_to(p, 1);
	expect_segment(p, 1);
	stands(p);
}

TEST(old_echo_with_a_duplicate_says_nothing) /* RFC 3522 3.2 (5): it is the acknowledgement that was lost */
{
	struct peer *p = established(.nodelay = true);
	uint32_t echo;

	wait_ms(10);
	echo = p->ts_ecr + 10;
	timed_out(p);
	p->ts_ecr = echo;
	acked_to(p, 1, { AT(0), AT(1) });
	assert_int_equal(counted(CNT_TCP_UNDONE_TIMEOUTS), 0);
	overlook();
}

TEST(old_echo_shows_that_fast_recovery_was_in_vain) /* the path reordered */
{
	struct peer *p = established(.nodelay = true, .rtt_ms = 20);
	uint32_t echo;

	wait_ms(10);
	echo = p->ts_ecr + 10;
	sending(p, SEGS);
	wait_ms(20);
	acked_to(p, 0, { AT(1), AT(5) });
	expect_segment(p, 0);
	overlook();
	wait_ms(5);
	p->ts_ecr = echo;
	acked_to(p, 5);
	taken_back(p);
	assert_true(cold_of(p)->rack.reordered);
	assert_int_equal(counted(CNT_TCP_UNDONE_RECOVERIES), 1);
	overlook();
}

TEST(duplicates_of_a_recovery_in_vain_left_nothing) /* they were late segments, which are counted now */
{
	struct peer *p = established(.nodelay = true, .no_sack = true, .rtt_ms = 20);
	uint32_t echo;

	wait_ms(10);
	echo = p->ts_ecr + 10;
	sending(p, SEGS);
	wait_ms(20);
	for (unsigned i = 0; i < 3; i++)
		acked_to(p, 0);
	expect_segment(p, 0);
	wait_ms(5);
	p->ts_ecr = echo;
	acked_to(p, 5);
	taken_back(p);
	silence();
	app_writes(p, 20 * MSS);
	assert_int_equal(overlook(), flow_of(p)->cwnd / MSS - (SEGS - 5));
}

/* --- D-SACK --- */

/* Two segments were deemed lost, and sent again; all is acknowledged. */
static struct peer *recovered(void)
{
	struct peer *p = sending(established(.nodelay = true), SEGS);

	acked_to(p, 0, { AT(2), AT(SEGS) });
	expect_segment(p, 0);
	expect_segment(p, 1);
	silence();
	acked_to(p, SEGS);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
	assert_int_equal(flow_of(p)->cwnd, SEGS / 2 * MSS);
	return p;
}

TEST(recovery_all_of_which_came_twice_is_taken_back) /* RFC 3708 */
{
	struct peer *p = recovered();

	acked_to(p, SEGS, { AT(0), AT(1) });
	stands(p);
	acked_to(p, SEGS, { AT(1), AT(2) });
	taken_back(p);
	assert_int_equal(counted(CNT_TCP_UNDONE_RECOVERIES), 1);
	assert_int_equal(counted(CNT_TCP_RX_DSACKS), 2);
	acked_to(p, SEGS, { AT(1), AT(2) }); /* more than was sent again */
	assert_int_equal(cold_of(p)->bytes_twice, 2 * MSS);
}

TEST(recovery_a_part_of_which_came_twice_stands)
{
	struct peer *p = recovered();

	acked_to(p, SEGS, { AT(1), AT(2) });
	stands(p);
	app_writes(p, 5 * MSS);
	assert_int_equal(overlook(), 5);
	acked_to(p, SEGS, { AT(SEGS + 1), AT(SEGS + 5) }); /* the next one begins anew */
	wait_ms(1);
	expect_segment(p, SEGS);
	acked_to(p, SEGS + 5);
	acked_to(p, SEGS + 5, { AT(0), AT(1) }); /* of the former */
	stands(p);
	overlook();
}

TEST(recovery_stands_if_the_peer_took_back_what_it_had_sacked) /* RFC 2018 8 */
{
	struct peer *p = sending(established(.nodelay = true), SEGS);

	acked_to(p, 0, { AT(2), AT(SEGS) });
	assert_int_equal(overlook(), 2);
	acked_to(p, 2);
	assert_true(overlook() > 0);
	acked_to(p, SEGS);
	for (uint32_t i = 0; i < SEGS; i++) {
		acked_to(p, SEGS, { AT(i), AT(i + 1) });
		stands(p);
	}
}

TEST(recovery_is_taken_back_while_it_lasts)
{
	struct peer *p = sending(established(.nodelay = true), SEGS);

	acked_to(p, 0, { AT(1), AT(5) });
	expect_segment(p, 0);
	overlook();
	acked_to(p, 5);
	acked_to(p, 5, { AT(0), AT(1) });
	taken_back(p);
	overlook();
}

TEST(timeout_all_of_which_came_twice_is_taken_back_at_its_end)
{
	struct peer *p = sending(established(.nodelay = true), 2);

	while (counted(CNT_TCP_TIMEOUTS) == 0) {
		overlook();
		wait_sent(1000);
	}
	expect_segment(p, 0);
	acked_to(p, 1, { AT(0), AT(1) });
	assert_int_equal(counted(CNT_TCP_UNDONE_TIMEOUTS), 0); /* segment 1 may be lost */
	overlook();
	acked_to(p, 2);
	overlook();
}

TEST(reports_of_the_network_say_nothing) /* more than was sent again: as Linux */
{
	struct peer *p = sending(established(.nodelay = true), 5);

	acked_to(p, 3, { AT(0), AT(1) });
	assert_int_equal(counted(CNT_TCP_RX_DSACKS), 1);
	assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 0);
	assert_false(cold_of(p)->rack.reordered);
}

TEST(report_of_what_is_to_come_is_no_report)
{
	struct peer *p = recovered();

	acked_to(p, SEGS, { AT(SEGS + 1), AT(SEGS + 2) });
	assert_int_equal(counted(CNT_TCP_RX_DSACKS), 0);
	stands(p);
}

/* --- congestion control --- */

TEST(window_that_was_restored_stays) /* also when the slow path has looked */
{
	static const char *const algorithm[] = { "cubic", "newreno", "dctcp" };

	for (unsigned i = 0; i < 3; i++) {
		struct peer *p = established(.nodelay = true, .no_sack = true, .no_ts = true, .mss = MSS,
			.congestion = algorithm[i]);
		uint64_t timeouts = counted(CNT_TCP_TIMEOUTS);
		uint32_t cwnd;

		sending(p, SEGS);
		app_writes(p, 50 * MSS);
		while (counted(CNT_TCP_TIMEOUTS) == timeouts)
			wait_sent(1000);
		overlook();
		wait_ms(5);
		acked_to(p, 1);
		wait_ms(5);
		acked_to(p, 2);
		cwnd = flow_of(p)->cwnd;
		assert_true(cwnd >= SEGS * MSS);
		wait_ms(20);
		assert_true(flow_of(p)->cwnd >= cwnd);
		acked_to(p, 8);
		wait_ms(20);
		assert_true(flow_of(p)->cwnd >= cwnd);
		app_aborts(p);
		overlook();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(timeout_in_vain_is_found_by_two_acknowledgements),
		RIG_TEST(timeout_in_vain_is_found_by_sacks),
		RIG_TEST(timer_is_longer_after_a_timeout_in_vain),
		RIG_TEST(duplicate_of_new_segments_shows_a_loss),
		RIG_TEST(sack_of_new_segments_shows_a_loss),
		RIG_TEST(block_that_grows_over_new_segments_shows_a_loss),
		RIG_TEST(duplicate_instead_of_the_first_acknowledgement_shows_a_loss),
		RIG_TEST(without_new_data_recovery_is_conventional),
		RIG_TEST(closed_window_leaves_recovery_conventional),
		RIG_TEST(timeout_during_recovery_is_taken_for_a_loss),
		RIG_TEST(second_timeout_of_the_same_segment_is_still_examined),
		RIG_TEST(old_echo_shows_that_the_timeout_was_in_vain),
		RIG_TEST(new_echo_shows_that_it_was_not),
		RIG_TEST(old_echo_with_a_duplicate_says_nothing),
		RIG_TEST(old_echo_shows_that_fast_recovery_was_in_vain),
		RIG_TEST(duplicates_of_a_recovery_in_vain_left_nothing),
		RIG_TEST(recovery_all_of_which_came_twice_is_taken_back),
		RIG_TEST(recovery_a_part_of_which_came_twice_stands),
		RIG_TEST(recovery_stands_if_the_peer_took_back_what_it_had_sacked),
		RIG_TEST(recovery_is_taken_back_while_it_lasts),
		RIG_TEST(timeout_all_of_which_came_twice_is_taken_back_at_its_end),
		RIG_TEST(reports_of_the_network_say_nothing),
		RIG_TEST(report_of_what_is_to_come_is_no_report),
		RIG_TEST(window_that_was_restored_stays),
	};

	return RIG_MAIN(tests);
}
