/* SPDX-License-Identifier: BSD-3-Clause */
/* test_rack.c - loss by time (RFC 8985): the log of what was sent, RACK, tail loss probes. */
#include "fastpath/rack.h"

#include "fastpath/tcp_int.h"
#include "tests/unit/rig_tcp.h"

enum { MSS = RIG_MSS };

static struct peer *sack(uint32_t n) { return sending(established(.nodelay = true), n); }

/* As sack(), and a round trip was measured: `us`. */
static struct peer *measured(uint32_t n, uint32_t us)
{
	struct peer *p = sack(1);

	wait_us(us);
	acked_to(p, 1);
	app_writes(p, n * MSS);
	assert_int_equal(overlook(), n);
	return p;
}

/* --- the log --- */

TEST(what_is_sent_in_one_pass_is_one_mark)
{
	struct sent_log l = { 0 };
	uint32_t us = 0;

	sent_add(&l, 100, 1, 0);
	sent_add(&l, 200, 1, 0);
	sent_add(&l, 300, 2, 0);
	assert_int_equal(l.n, 2);
	assert_false(sent_acked(&l, 199, &us));
	assert_true(sent_acked(&l, 200, &us));
	assert_int_equal(us, 1);
	assert_true(sent_acked(&l, 300, &us));
	assert_int_equal(us, 2);
	assert_false(sent_acked(&l, 300, &us));
}

TEST(full_log_forgets_no_data_and_makes_nothing_older)
{
	struct sent_log l = { 0 };

	for (uint32_t i = 1; i <= 1000; i++) {
		sent_add(&l, i * 10, i, 0);
		assert_in_range(l.n, 1, SENT_MARKS);
		assert_int_equal(l.mark[(l.head + l.n - 1u) % SENT_MARKS].end, i * 10);
		for (unsigned m = 0, begin = 0; m < l.n; m++) { /* byte i * 10 - 1 was sent at i */
			const struct sent_mark *k = &l.mark[(l.head + m) % SENT_MARKS];

			assert_true(k->us * 10 >= k->end);
			assert_true(k->since * 10 <= begin + 10);
			begin = k->end;
		}
	}
}

static struct resent sixteen_pieces(uint32_t first_us, int32_t apart_us)
{
	struct resent r = { 0 };

	for (uint32_t i = 0; i < RESENT_MAX; i++) {
		uint64_t from = 10 * i + (i >= 8 ? 20 : 0);

		assert_true(resent_room(&r));
		resent_add(&r, (struct flow_range){ from, from + 10 }, first_us + i * (uint32_t)apart_us);
	}
	assert_int_equal(r.n, RESENT_MAX);
	return r;
}

/* As if both had been sent when the later was: no retransmission is found lost too early. */
TEST(pieces_that_touch_become_one_where_there_is_no_room)
{
	static const struct flow_range more[] = { { 85, 95 }, { 200, 210 } };

	for (unsigned i = 0; i < 4; i++) {
		struct resent r = sixteen_pieces(1000, i < 2 ? 1 : -1);
		uint64_t to;

		assert_true(resent_room(&r));
		assert_int_equal(r.n, RESENT_MAX - 1);
		r = sixteen_pieces(1000, i < 2 ? 1 : -1);
		resent_add(&r, more[i % 2], 2000);
		assert_int_equal(r.n, RESENT_MAX);
		assert_int_equal(r.p[0].from, 0);
		assert_int_equal(r.p[0].to, 20);
		assert_int_equal(r.p[0].us, i < 2 ? 1001 : 1000);
		for (unsigned n = 1; n < r.n; n++)
			assert_true(r.p[n - 1].to <= r.p[n].from);
		assert_int_equal(resent_bytes(&r, 0, UINT64_MAX), 170);
		assert_true(resent_covers(&r, more[i % 2].from, &to));
		assert_int_equal(to, more[i % 2].to);
	}
}

TEST(pieces_that_do_not_touch_stay_apart)
{
	struct resent r = { 0 };

	for (uint32_t i = 0; i < RESENT_MAX; i++)
		resent_add(&r, (struct flow_range){ 20 * i, 20 * i + 10 }, i);
	assert_false(resent_room(&r));
	resent_add(&r, (struct flow_range){ 1000, 1010 }, 50);
	assert_int_equal(resent_bytes(&r, 0, UINT64_MAX), 10 * RESENT_MAX);
	assert_int_equal(resent_next(&r, 0), 20);
	assert_int_equal(resent_next(&r, 19), 20);
	assert_int_equal(resent_next(&r, 20 * RESENT_MAX), UINT64_MAX);
}

/* --- RACK --- */

TEST(reordering_window_is_a_quarter_of_the_round_trip) /* 6.2 step 4 */
{
	struct peer *p = measured(3, 800);

	wait_us(800);
	acked_to(p, 1, { AT(2), AT(3) });
	wait_us(190);
	silence();
	wait_us(75); /* and a tick of the slow path's clock */
	expect_segment(p, 1);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 0);
}

TEST(segment_that_comes_late_within_the_window_is_not_resent)
{
	struct peer *p = measured(3, 800);

	wait_us(800);
	acked_to(p, 1, { AT(2), AT(3) });
	wait_us(100);
	acked_to(p, 3);
	wait_ms(50);
	overlook(); /* the rest's probe */
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 0);
	assert_true(cold_of(p)->rack.reordered);
}

TEST(path_that_reorders_gets_its_window_whatever_was_sacked) /* 6.2 step 4 */
{
	struct peer *p = measured(10, 800);

	wait_us(800);
	acked_to(p, 1, { AT(2), AT(3) });
	acked_to(p, 3);
	acked_to(p, 3, { AT(4), AT(9) }); /* five segments: enough, if it never had reordered */
	silence();
	wait_us(300);
	expect_segment(p, 3);
}

/* As measured(), and n segments, the first of them, were sent again, in vain, but the peer did not say so. */
static struct peer *resent(uint32_t n)
{
	struct peer *p = measured(10, 800);

	wait_us(800);
	acked_to(p, 1, { AT(1 + n), AT(11) });
	assert_int_equal(overlook(), n);
	acked_to(p, 11);
	app_writes(p, 10 * MSS);
	overlook();
	wait_us(800);
	acked_to(p, 12);
	return p;
}

TEST(duplicates_that_the_peer_reports_widen_the_window) /* 6.2 step 4, RFC 2883 */
{
	struct peer *p = resent(2);
	uint32_t again = cold_of(p)->rtx_segs;

	acked_to(p, 12, { AT(1), AT(2) }); /* of one; the other stands */
	assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 1);
	overlook();
	acked_to(p, 12, { AT(13), AT(16) });
	wait_us(300);
	overlook();                                    /* what is new */
	assert_int_equal(cold_of(p)->rtx_segs, again); /* twice a quarter of 800 */
	wait_us(180);
	expect_segment(p, 12);
}

TEST(duplicates_of_one_round_trip_count_once) /* 6.2 step 4: dsack_round */
{
	struct peer *p = resent(4);
	uint32_t nxt;

	acked_to(p, 12, { AT(1), AT(2) });
	acked_to(p, 13, { AT(2), AT(3) });
	assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 1);
	overlook();
	nxt = (uint32_t)(flow_tx_nxt(flow_of(p)) / MSS);
	acked_to(p, nxt);
	acked_to(p, nxt, { AT(3), AT(4) });
	assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 2);
	overlook();
}

TEST(wider_window_lasts_sixteen_recoveries) /* 6.2 step 4: reo_wnd_persist */
{
	struct peer *p = resent(2);
	uint32_t una = 12;

	acked_to(p, una, { AT(1), AT(2) });
	for (unsigned i = 0; i < RACK_PERSIST; i++) {
		assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 1);
		app_writes(p, 10 * MSS);
		while (flow_of(p)->tx_inflight < 5 * MSS) {
			overlook();
			wait_ms(5);
			una = (uint32_t)(flow_tx_nxt(flow_of(p)) / MSS);
			acked_to(p, una);
		}
		una = (uint32_t)(flow_of(p)->tx_una / MSS);
		overlook();
		acked_to(p, una, { AT(una + 1), AT(una + 5) });
		wait_ms(3);
		assert_true(flow_of(p)->flags & FLOW_RECOVERY);
		una = (uint32_t)(flow_tx_nxt(flow_of(p)) / MSS);
		acked_to(p, una);
		assert_false(flow_of(p)->flags & FLOW_RECOVERY);
		overlook();
	}
	assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 0);
}

TEST(probe_that_came_twice_widens_nothing) /* 7.4.2: it waits for no reordering */
{
	struct peer *p = measured(4, 800);

	wait_sent(100);
	expect_segment(p, 4);
	acked_to(p, 5);
	acked_to(p, 5, { AT(4), AT(5) });
	assert_int_equal(counted(CNT_TCP_RX_DSACKS), 1);
	assert_int_equal(cold_of(p)->rack.reo_wnd_mult, 0);
	assert_false(cold_of(p)->tail_probed);
}

TEST(other_duplicate_than_the_probe_does_not_end_it) /* 7.4.2: matching TLP.end_seq */
{
	struct peer *p = resent(1);

	acked_to(p, 20); /* one is left, and lost */
	app_writes(p, MSS);
	overlook();
	wait_sent(100);
	overlook();
	assert_int_equal(counted(CNT_TCP_TAIL_PROBES), 1);
	wait_us(800);
	acked_to(p, 22, { AT(1), AT(2) });
	assert_true(cold_of(p)->tail_probed);
}

TEST(lost_retransmission_is_found_by_what_was_sent_after_it)
{
	struct peer *p = measured(10, 800);
	const struct rig_seg *s;
	unsigned again = 0;

	app_writes(p, 30 * MSS);
	wait_us(800);
	acked_to(p, 1, { AT(2), AT(6) });
	expect_segment(p, 1);
	for (uint32_t to = 7; to < 14; to++) {
		wait_us(200);
		acked_to(p, 1, { AT(2), AT(to) });
		while ((s = next_segment(p)) != NULL)
			again += s->seq == AT(1);
	}
	assert_int_equal(again, 1);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 0);
}

TEST(retransmission_that_arrived_in_part_is_on_its_way_in_part)
{
	struct peer *p = sack(10);

	acked_to(p, 0, { AT(1), AT(2) }, { AT(4), AT(10) });
	expect_segment(p, 0);
	expect_segment(p, 2);
	expect_segment(p, 3);
	assert_int_equal(resent_bytes(&cold_of(p)->resent, 0, UINT64_MAX), 3 * MSS);
	wait_us(100);
	acked_to(p, 0, { AT(1), AT(3) }, { AT(4), AT(10) });
	assert_int_equal(resent_bytes(&cold_of(p)->resent, 0, UINT64_MAX), 2 * MSS);
	acked_to(p, 10);
	assert_int_equal(cold_of(p)->resent.n, 0);
	assert_int_equal(cold_of(p)->rtx_segs, 3);
}

TEST(what_arrived_of_two_retransmissions_is_on_its_way_of_neither)
{
	struct peer *p = sack(10);

	acked_to(p, 0, { AT(1), AT(2) }, { AT(7), AT(10) });
	expect_segment(p, 0);
	for (uint32_t i = 2; i < 5; i++)
		expect_segment(p, i);
	silence();
	wait_us(100);
	acked_to(p, 2, { AT(7), AT(10) });
	expect_segment(p, 5);
	expect_segment(p, 6);
	silence();
	assert_int_equal(cold_of(p)->resent.n, 2); /* sent together, each */
	cold_of(p)->rack.reordered = true;         /* so that nothing is found lost for some time */
	acked_to(p, 2, { AT(4), AT(6) }, { AT(7), AT(10) });
	assert_int_equal(resent_bytes(&cold_of(p)->resent, 0, UINT64_MAX), 3 * MSS);
	overlook();
}

/* --- tail loss probes (7) --- */

TEST(round_trip_of_a_probe_is_not_measured) /* RFC 6298 3, Karn: which of the two was it? */
{
	struct peer *p = measured(3, 800);
	uint32_t least = flow_of(p)->srtt_us;

	wait_sent(100);
	expect_segment(p, 3);
	wait_us(800);
	acked_to(p, 4);
	assert_int_equal(flow_of(p)->srtt_us, least);
	assert_int_equal(cold_of(p)->resent.n, 0);
}

TEST(least_round_trip_is_forgotten_after_five_minutes) /* 6.2 step 1: of a window of time */
{
	struct peer *p = measured(3, 800);

	wait_us(800);
	acked_to(p, 4);
	assert_int_equal(cold_of(p)->min_rtt_lately_us, 800);
	for (unsigned i = 0; i < 4; i++) {
		assert_in_range(cold_of(p)->min_rtt_lately_us, 800, i == 3 ? 20000 : 800);
		wait_ms(100 * 1000);
		app_writes(p, MSS);
		overlook();
		wait_us(20000);
		acked_to(p, 5 + i);
	}
	assert_in_range(cold_of(p)->min_rtt_lately_us, 20000, 20100);
}

TEST(last_segment_is_sent_again_two_round_trips_after_silence)
{
	struct peer *p = measured(3, 800);

	assert_in_range(wait_sent(100), 4 * NS_PER_MS, 8 * NS_PER_MS);
	expect_segment(p, 3);
	wait_ms(100);
	silence(); /* one probe */
	assert_int_equal(counted(CNT_TCP_TAIL_PROBES), 1);
	assert_in_range(wait_sent(300), 90 * NS_PER_MS, 120 * NS_PER_MS);
	expect_segment(p, 1); /* the retransmission timer counts from the probe */
}

TEST(probe_is_new_data_if_there_is_some)
{
	struct peer *p = measured(10, 800);

	app_writes(p, 2 * MSS); /* beyond the congestion window, which is of ten */
	overlook();
	wait_sent(100);
	expect(p, .seq = 1 + (uint32_t)(flow_tx_nxt(flow_of(p)) - MSS), .ack = 1, .len = MSS);
	assert_int_equal(cold_of(p)->rtx_segs, 0);
}

TEST(lost_tail_is_repaired_without_a_timeout)
{
	struct peer *p = measured(5, 800);

	acked_to(p, 2);
	wait_sent(100);
	expect_segment(p, 5);
	wait_us(800);
	acked_to(p, 2, { AT(5), AT(6) }); /* the probe arrived: what is before it did not */
	wait_us(400);
	assert_true(overlook() >= 1);
	wait_us(800);
	acked_to(p, 4, { AT(5), AT(6) });
	overlook();
	acked_to(p, 6);
	wait_ms(500);
	silence();
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), 0);
}

TEST(loss_that_only_the_probe_repaired_reduces_the_window) /* 7.4.2 */
{
	struct peer *p = measured(4, 800);

	acked_to(p, 4); /* the last is lost */
	app_writes(p, MSS);
	overlook();
	wait_sent(100);
	overlook();
	assert_int_equal(counted(CNT_TCP_TAIL_PROBES), 1);
	wait_us(800);
	acked_to(p, 6);
	app_writes(p, MSS);
	overlook();
	wait_us(800);
	acked_to(p, 7);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 1);
	assert_int_equal(flow_of(p)->flags & FLOW_RECOVERY, 0);
}

TEST(probe_for_nothing_reduces_nothing) /* 7.4.2: D-SACK */
{
	struct peer *p = measured(4, 800);

	wait_sent(100);
	expect_segment(p, 4);
	acked_to(p, 5);
	acked_to(p, 5, { AT(4), AT(5) });
	app_writes(p, MSS);
	overlook();
	acked_to(p, 6);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 0);
}

TEST(single_segment_is_left_to_the_retransmission_timer) /* its acknowledgement may be delayed as long */
{
	measured(1, 800);
	assert_in_range(wait_sent(500), 200 * NS_PER_MS, 202 * NS_PER_MS);
}

TEST(with_many_connections_probes_come_later)
{
	struct peer *p = measured(3, 800);

	rig.sp.timers.armed += 2000;
	assert_in_range(wait_sent(100), 40 * NS_PER_MS, 60 * NS_PER_MS);
	rig.sp.timers.armed -= 2000;
	expect_segment(p, 3);
}

TEST(retransmission_that_came_too_soon_says_nothing) /* 6.2 step 2: it was the first sending that arrived */
{
	struct peer *p = measured(10, 2000);
	uint32_t first = p->ts_ecr;

	for (unsigned n = 0; n < 2; n++) {
		uint32_t from = n * 4;

		wait_us(2000);
		acked_to(p, 1 + from, { AT(2 + from), AT(5 + from) });
		expect_segment(p, 1 + from);
		if (n > 0) { /* later than the least round trip, but the echo is older */
			wait_us(2500);
			p->ts_ecr = first;
		} else {
			wait_us(100);
		}
		acked_to(p, 5 + from); /* the first sending, and what was SACKed */
		silence();
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_is_sent_in_one_pass_is_one_mark),
		RIG_TEST(full_log_forgets_no_data_and_makes_nothing_older),
		RIG_TEST(pieces_that_touch_become_one_where_there_is_no_room),
		RIG_TEST(pieces_that_do_not_touch_stay_apart),
		RIG_TEST(reordering_window_is_a_quarter_of_the_round_trip),
		RIG_TEST(segment_that_comes_late_within_the_window_is_not_resent),
		RIG_TEST(path_that_reorders_gets_its_window_whatever_was_sacked),
		RIG_TEST(duplicates_that_the_peer_reports_widen_the_window),
		RIG_TEST(duplicates_of_one_round_trip_count_once),
		RIG_TEST(wider_window_lasts_sixteen_recoveries),
		RIG_TEST(probe_that_came_twice_widens_nothing),
		RIG_TEST(other_duplicate_than_the_probe_does_not_end_it),
		RIG_TEST(lost_retransmission_is_found_by_what_was_sent_after_it),
		RIG_TEST(retransmission_that_arrived_in_part_is_on_its_way_in_part),
		RIG_TEST(what_arrived_of_two_retransmissions_is_on_its_way_of_neither),
		RIG_TEST(round_trip_of_a_probe_is_not_measured),
		RIG_TEST(least_round_trip_is_forgotten_after_five_minutes),
		RIG_TEST(last_segment_is_sent_again_two_round_trips_after_silence),
		RIG_TEST(probe_is_new_data_if_there_is_some),
		RIG_TEST(lost_tail_is_repaired_without_a_timeout),
		RIG_TEST(loss_that_only_the_probe_repaired_reduces_the_window),
		RIG_TEST(probe_for_nothing_reduces_nothing),
		RIG_TEST(single_segment_is_left_to_the_retransmission_timer),
		RIG_TEST(with_many_connections_probes_come_later),
		RIG_TEST(retransmission_that_came_too_soon_says_nothing),
	};

	return RIG_MAIN(tests);
}
