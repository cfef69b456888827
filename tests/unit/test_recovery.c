/* SPDX-License-Identifier: BSD-3-Clause */
/* test_recovery.c - what is deemed lost is sent again, and nothing else. Without SACK, but for what says so:
 * with it tail loss probes and the reordering timer come before the retransmission timer (test_rack.c). */
#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS };

static struct peer *newreno(uint32_t n) { return sending(established(.nodelay = true, .no_sack = true), n); }

/* --- the retransmission timer --- */

TEST(timer_sends_the_first_segment_again_and_backs_off) /* RFC 6298 5.4 to 5.6 */
{
	struct peer *p;

	rig.conf.tcp.mtu_probing = false;
	p = newreno(3);
	for (uint32_t wait = 200; wait < 30000; wait *= 2) {
		tas_ns waited = wait_sent(2 * wait);

		assert_in_range(waited, wait * NS_PER_MS, wait * NS_PER_MS * 101 / 100);
		expect_segment(p, 0);
		silence();
	}
}

TEST(timer_gives_up_after_the_configured_retries) /* RFC 9293 3.8.3 R2; ETIMEDOUT as in Linux */
{
	struct peer *p;

	rig.conf.tcp.retries = 3;
	rig.conf.tcp.mtu_probing = false;
	p = sending(established(.nodelay = true), 1);
	for (unsigned n = 0; n < 3; n++) {
		wait_ms(220 << n);
		expect_segment(p, 0);
	}
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	heard(p);
	wait_ms(220 << 3);
	assert_int_equal(events_of(p) & ABI_EV_RESET, ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
	assert_int_equal(heard(p), 1);
	silence();
}

TEST(timer_gives_up_after_a_quarter_of_an_hour_unless_told) /* RFC 9293 3.8.3, SHLD-11; 925 s as in Linux */
{
	struct peer *p = established();

	app_writes(p, 10);
	wait_ms(924 * 1000);
	assert_int_equal(overlook(), 1 + 15);
	assert_int_equal(events_of(p) & ABI_EV_RESET, 0);
	wait_ms(2000);
	assert_int_equal(events_of(p) & ABI_EV_RESET, ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ETIMEDOUT);
	silence();
}

TEST(timer_starts_anew_with_progress) /* RFC 6298 5.3 */
{
	struct peer *p = newreno(2);

	wait_ms(150);
	give(p, .seq = 1, .ack = AT(1));
	wait_ms(150);
	silence();
	wait_ms(80);
	expect_segment(p, 1);
}

TEST(backoff_ends_with_progress) /* that was measured: RFC 6298 5.7 */
{
	struct peer *p;

	rig.conf.tcp.mtu_probing = false;
	p = sending(established(.nodelay = true), 1);
	wait_ms(201 + 402 + 803);
	for (unsigned i = 0; i < 3; i++)
		expect_segment(p, 0);
	give(p, .seq = 1, .ack = AT(1));
	app_writes(p, MSS);
	expect_segment(p, 1);
	assert_in_range(wait_sent(1000), 200 * NS_PER_MS, 205 * NS_PER_MS);
	expect_segment(p, 1);
}

/* RFC 6298 5, Karn: nothing tells which sending was acknowledged; the path may have become slower than the
 * timer. */
TEST(backoff_stays_until_a_round_trip_is_measured)
{
	struct peer *p;

	rig.conf.tcp.mtu_probing = false;
	p = sending(established(.nodelay = true, .no_ts = true, .mss = MSS), 1);
	wait_ms(201 + 402 + 803);
	assert_int_equal(overlook(), 3);
	give(p, .seq = 1, .ack = AT(1));
	app_writes(p, MSS);
	expect_segment(p, 1);
	wait_ms(1500);
	silence();
	give(p, .seq = 1, .ack = AT(2)); /* 1500 ms: SRTT 188, RTTVAR 375 */
	app_writes(p, MSS);
	expect_segment(p, 2);
	wait_ms(1600);
	silence();
	wait_ms(150);
	expect_segment(p, 2);
}

TEST(path_slower_than_the_timer_is_learnt_by_timestamps) /* RFC 7323 4.1 */
{
	struct peer *p = sending(established(.nodelay = true), 1);

	wait_ms(210);
	expect_segment(p, 0);
	wait_ms(90);
	give(p, .seq = 1, .ack = AT(1));
	assert_in_range(flow_of(p)->srtt_us >> 3, 12500, 13000); /* an eighth of 99 ms, and seven of 0.5 */
	assert_int_equal(cold_of(p)->backoff, 0);
}

TEST(timer_resends_all_but_what_was_sacked) /* RFC 6675 5.1, RFC 2018 5 */
{
	struct peer *p = sending(established(.nodelay = true), 5);

	acked_to(p, 0, { AT(2), AT(3) });
	wait_ms(100); /* 0 is sent again, and lost again */
	expect_segment(p, 0);
	silence();
	wait_ms(105);
	expect_segment(p, 0);
	silence(); /* one segment, RFC 5681 3.1 */
	wait_ms(1);
	acked_to(p, 1, { AT(2), AT(3) });
	expect_segment(p, 1);
	wait_ms(1);
	acked_to(p, 3);
	expect_segment(p, 3);
	wait_ms(5);
	give(p, .seq = 1, .ack = AT(4));
	expect_segment(p, 4);
	give(p, .seq = 1, .ack = AT(5));
	wait_ms(1000);
	silence();
	assert_int_equal(cold_of(p)->rtx_segs, 5);
}

TEST(timer_forgets_what_the_peer_takes_back) /* RFC 2018 8: after a timeout SACKed data may be gone */
{
	struct peer *p = sending(established(.nodelay = true), 4);

	acked_to(p, 1);
	acked_to(p, 1, { AT(1), AT(3) }); /* which it would have acknowledged if it still had it */
	assert_int_equal(cold_of(p)->sacked.n, 1);
	wait_ms(202);
	expect_segment(p, 1);
	give(p, .seq = 1, .ack = AT(2));
	expect_segment(p, 2);
	give(p, .seq = 1, .ack = AT(3));
	expect_segment(p, 3);
}

TEST(window_after_a_timeout_is_one_segment) /* RFC 5681 3.1 (4), 3.1 (6) */
{
	struct peer *p = newreno(8);

	wait_ms(202);
	expect_segment(p, 0);
	silence();
	assert_int_equal(flow_of(p)->cwnd, MSS);
	assert_int_equal(cold_of(p)->ssthresh, 4 * MSS);
	wait_ms(403);
	expect_segment(p, 0);
	assert_int_equal(cold_of(p)->ssthresh, 4 * MSS); /* halved once for one loss */
}

/* Ten segments were lost; returns how many round trips it took to send each of them once more. */
static uint32_t all_again(struct peer *p)
{
	const struct rig_seg *s;
	uint32_t got = 0, rounds = 0;

	wait_ms(100);
	overlook(); /* with SACK a tail loss probe */
	wait_ms(110);
	for (; got < 10; rounds++) {
		assert_true(rounds < 10);
		while ((s = next_segment(p)) != NULL) {
			assert_int_equal(s->seq, AT(got));
			got++;
		}
		wait_ms(10);
		give(p, .seq = 1, .ack = AT(got));
		wait_ms(20);
	}
	assert_int_equal(cold_of(p)->rtx_segs, 10 + counted(CNT_TCP_TAIL_PROBES));
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 1);
	return rounds;
}

TEST(everything_lost_comes_again_in_slow_start) /* RFC 5681 3.1, 4.3 */
{
	assert_in_range(all_again(sending(established(.nodelay = true), 10)), 3, 6);
}

TEST(everything_lost_comes_again_without_sack)
{
	assert_in_range(all_again(sending(established(.nodelay = true, .no_sack = true), 10)), 3, 6);
}

/* --- without SACK: NewReno --- */

TEST(third_duplicate_resends_the_first_segment) /* RFC 5681 3.2 (2), (3) */
{
	struct peer *p = newreno(6);

	acked_to(p, 1);
	acked_to(p, 1);
	acked_to(p, 1);
	silence();
	acked_to(p, 1);
	expect_segment(p, 1);
	silence();
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
}

TEST(progress_begins_the_count_anew) /* RFC 5681 3.2 */
{
	struct peer *p = newreno(8);

	acked_to(p, 0);
	acked_to(p, 0);
	give(p, .seq = 1, .ack = AT(1));
	acked_to(p, 1);
	acked_to(p, 1);
	silence();
	acked_to(p, 1);
	expect_segment(p, 1);
}

TEST(window_holds_again_when_recovery_is_over) /* RFC 6582 3.2 (3): duplicates no longer count */
{
	struct peer *p = newreno(10);

	for (unsigned i = 0; i < 5; i++)
		acked_to(p, 0);
	expect_segment(p, 0);
	app_writes(p, 20 * MSS);
	give(p, .seq = 1, .ack = AT(10));
	for (uint32_t i = 10; i < 15; i++)
		expect_segment(p, i);
	silence();
	acked_to(p, 10); /* of what was sent in vain; begins no recovery */
	overlook();
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
}

TEST(timer_counts_from_the_retransmission) /* RFC 6298 5.1: the segment is on its way again */
{
	struct peer *p = newreno(6);

	wait_ms(150);
	for (unsigned i = 0; i < 3; i++)
		acked_to(p, 0);
	expect_segment(p, 0);
	assert_in_range(wait_sent(1000), 199 * NS_PER_MS, 202 * NS_PER_MS);
	expect_segment(p, 0);
}

TEST(segments_that_are_no_duplicates_are_not_counted) /* RFC 5681 2 */
{
	struct peer *p = newreno(6);

	give(p, .seq = 1, .ack = 1);
	for (unsigned i = 0; i < 3; i++) {
		give(p, .seq = 1 + i * 10, .ack = 1, .len = 10);
		p->wnd += 1024;
		give(p, .seq = 31, .ack = 1);
	}
	while (rig.sent_head != rig.sent_tail)
		assert_int_equal(next_segment(p)->len, 0);
}

TEST(duplicates_let_new_data_go) /* RFC 3042 limited transmit, RFC 5681 3.2 (1); RFC 6937 */
{
	struct peer *p = newreno(10);
	unsigned sent = 0;

	app_writes(p, 10 * MSS);
	silence();
	acked_to(p, 0);
	expect_segment(p, 10);
	acked_to(p, 0);
	expect_segment(p, 11);
	acked_to(p, 0);
	expect_segment(p, 0);
	silence();
	for (unsigned i = 0; i < 8; i++) { /* of 12 in flight 5 are to be left */
		acked_to(p, 0);
		sent += overlook();
		assert_in_range(sent, 0, (i + 2) / 2);
	}
	assert_int_equal(sent, 4);
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
}

TEST(partial_acknowledgement_resends_the_next_hole) /* RFC 6582 3.2 (3) */
{
	struct peer *p = newreno(8);

	for (unsigned i = 0; i < 3; i++)
		acked_to(p, 0);
	expect_segment(p, 0);
	give(p, .seq = 1, .ack = AT(3));
	expect_segment(p, 3);
	silence();
	give(p, .seq = 1, .ack = AT(6));
	expect_segment(p, 6);
	silence();
	give(p, .seq = 1, .ack = AT(8));
	assert_int_equal(flow_of(p)->flags & FLOW_RECOVERY, 0);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
	wait_ms(1000);
	silence();
}

TEST(duplicates_of_what_a_timeout_resent_begin_nothing) /* RFC 6582 3.2 (2) */
{
	struct peer *p = newreno(6);

	wait_ms(202);
	expect_segment(p, 0);
	give(p, .seq = 1, .ack = AT(6)); /* all had arrived */
	app_writes(p, MSS);
	expect_segment(p, 6);
	for (unsigned i = 0; i < 3; i++)
		acked_to(p, 6);
	silence();
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 0);
}

TEST(newreno_halves_the_window_once) /* RFC 5681 3.2 (2), RFC 6582 3.2 */
{
	struct peer *p = newreno(10);

	for (unsigned i = 0; i < 3; i++)
		acked_to(p, 0);
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	give(p, .seq = 1, .ack = AT(4));
	for (unsigned i = 0; i < 3; i++)
		acked_to(p, 4);
	wait_ms(30);
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	give(p, .seq = 1, .ack = AT(10));
	assert_int_equal(flow_of(p)->cwnd, 5 * MSS);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
}

TEST(full_segment_with_a_fin_comes_again_in_two)
{
	struct peer *p = established(.no_sack = true);

	rig.core_stands = true;
	app_writes(p, MSS);
	app_shuts(p);
	rig.core_stands = false;
	rig_run();
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = MSS);
	wait_ms(202);
	expect(p, .seq = 1, .ack = 1, .len = MSS);
	silence();
	give(p, .seq = 1, .ack = 1 + MSS);
	expect(p, .flags = FIN | ACK, .seq = 1 + MSS, .ack = 1);
	give(p, .seq = 1, .ack = 2 + MSS);
	wait_ms(1000);
	silence();
}

/* Else congestion control would not let it grow. */
TEST(window_that_holds_back_a_retransmission_counts_as_used)
{
	struct peer *p = sending(established(.nodelay = true), 10);

	assert_false(flow_of(p)->flags & FLOW_CWND_LIMITED);
	acked_to(p, 0, { AT(6), AT(9) }); /* six are lost; three arrived, so three may go (RFC 6937) */
	for (uint32_t i = 0; i < 3; i++)
		expect_segment(p, i);
	silence();
	assert_true(flow_of(p)->flags & FLOW_CWND_LIMITED);
}

TEST(fin_that_was_lost_comes_again)
{
	struct peer *p = sending(established(.nodelay = true), 2);

	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = AT(2), .ack = 1);
	give(p, .seq = 1, .ack = AT(2));
	wait_ms(202);
	expect(p, .flags = FIN | ACK, .seq = AT(2), .ack = 1);
	give(p, .seq = 1, .ack = AT(2) + 1);
	wait_ms(1000);
	silence();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(timer_sends_the_first_segment_again_and_backs_off),
		RIG_TEST(timer_gives_up_after_the_configured_retries),
		RIG_TEST(timer_gives_up_after_a_quarter_of_an_hour_unless_told),
		RIG_TEST(timer_starts_anew_with_progress),
		RIG_TEST(backoff_ends_with_progress),
		RIG_TEST(backoff_stays_until_a_round_trip_is_measured),
		RIG_TEST(path_slower_than_the_timer_is_learnt_by_timestamps),
		RIG_TEST(timer_resends_all_but_what_was_sacked),
		RIG_TEST(timer_forgets_what_the_peer_takes_back),
		RIG_TEST(window_after_a_timeout_is_one_segment),
		RIG_TEST(everything_lost_comes_again_in_slow_start),
		RIG_TEST(everything_lost_comes_again_without_sack),
		RIG_TEST(third_duplicate_resends_the_first_segment),
		RIG_TEST(progress_begins_the_count_anew),
		RIG_TEST(window_holds_again_when_recovery_is_over),
		RIG_TEST(timer_counts_from_the_retransmission),
		RIG_TEST(segments_that_are_no_duplicates_are_not_counted),
		RIG_TEST(duplicates_let_new_data_go),
		RIG_TEST(partial_acknowledgement_resends_the_next_hole),
		RIG_TEST(duplicates_of_what_a_timeout_resent_begin_nothing),
		RIG_TEST(newreno_halves_the_window_once),
		RIG_TEST(full_segment_with_a_fin_comes_again_in_two),
		RIG_TEST(window_that_holds_back_a_retransmission_counts_as_used),
		RIG_TEST(fin_that_was_lost_comes_again),
	};

	return RIG_MAIN(tests);
}
