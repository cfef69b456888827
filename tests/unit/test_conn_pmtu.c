/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_pmtu.c - segments as large as the path takes them: messages of routers (RFC 1191), black holes
 * and the way back (RFC 4821). */
#include "slowpath/conn_pmtu.h"

#include <string.h>

#include "fastpath/ranges.h"
#include "tests/unit/net_frames.h"
#include "tests/unit/rig_tcp.h"

enum {
	MSS = RIG_MSS, /* 1500 bytes of packet */
	BASE = PMTU_BASE - 52,
	LEAST = PMTU_MIN_V4 - 52,
};

static struct conn_pmtu *pmtu_state(const struct peer *p) { return &rig.sp.conn[p->flow].pmtu; }

/* A router about the segment of ours that begins at `seq` (relative). */
static void too_big(const struct peer *p, uint16_t mtu, uint32_t seq)
{
	uint8_t f[14 + 20 + 8 + 20 + 8] = { 0 }, *in = f + 42;

	memcpy(f, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00", 14);
	memcpy(f + 14, "\x45\0\0\0\0\0\x40\0\x40\x01\0\0\x0a\0\0\x09\x0a\0\0\x01", 20);
	put16(f + 16, sizeof(f) - 14);
	f[34] = 3;
	f[35] = 4;
	put16(f + 40, mtu);
	memcpy(in, "\x45\0\0\x64\0\0\x40\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02", 20);
	put16(in + 20, p->local_port);
	put16(in + 22, p->port);
	put32(in + 24, p->iss + seq);
	frame_reseal(f, sizeof(f));
	give_frame(f, sizeof(f));
	rig_run();
}

/* A path that drops what is longer than `fits` bytes of payload, and says nothing; one round trip. Returns
 * the longest segment that was sent. */
static uint32_t una, longest;
static struct flow_ranges got;

static void path(struct peer *p, uint32_t fits)
{
	const struct rig_seg *s;
	struct flow_range hole;
	uint32_t before = una;

	wait_ms(1);
	longest = 0;
	if (rig.sent_head == rig.sent_tail)
		return;
	while ((s = next_segment(p)) != NULL) {
		longest = max_u32(longest, s->len);
		if (s->len > 0 && s->len <= fits && s->seq + s->len > una)
			ranges_add(&got, max_u32(s->seq, una), s->seq + s->len);
	}
	if (ranges_next_hole(&got, una, UINT32_MAX, &hole))
		una = (uint32_t)hole.from;
	ranges_trim_below(&got, una);
	if (got.n > 0)
		give(p, .seq = 1, .ack = una, .sack = { { (uint32_t)got.r[0].from, (uint32_t)got.r[0].to } });
	else if (una > before)
		give(p, .seq = 1, .ack = una);
}

/* The application has always something to send. */
static void fill(struct peer *p)
{
	const struct abi_flow_rec *r = rec_of(p);

	app_writes(p, r->tx_size - (uint32_t)(p->tx_end - r->tx_una));
}

/* For so long; true if a segment longer than `more` was sent meanwhile. */
static bool run(struct peer *p, uint32_t fits, uint64_t ms, uint32_t more)
{
	bool seen = false;

	for (tas_ns end = rig.now + ms * NS_PER_MS; rig.now < end;) {
		fill(p);
		path(p, fits);
		seen |= longest > more;
	}
	return seen;
}

static struct peer *bulk(void)
{
	struct peer *p = established(.nodelay = true, .wnd = 40000);

	una = 1;
	got.n = 0;
	fill(p);
	return p;
}

/* --- black holes --- */

TEST(full_segments_that_vanish_thrice_become_smaller) /* RFC 4821 7.7; as tcp_mtu_probing = 1 of Linux */
{
	struct peer *p = sending(established(.nodelay = true), 10);
	unsigned timeouts = 0;

	for (; flow_of(p)->mss == MSS; timeouts++) {
		assert_true(timeouts < 5);
		overlook();
		while (counted(CNT_TCP_TIMEOUTS) == timeouts)
			wait_ms(10);
	}
	assert_int_equal(timeouts, 3);
	assert_int_equal(flow_of(p)->mss, BASE);
	while (rig.sent_head != rig.sent_tail) {
		const struct rig_seg *s = next_segment(p);

		if (s->at == rig.now)
			assert_int_equal(s->len, BASE);
	}
	assert_int_equal(counted(CNT_TCP_BLACK_HOLES), 1);
	wait_ms(2000);
	assert_int_equal(flow_of(p)->mss, LEAST);
	wait_ms(5000);
	assert_int_equal(flow_of(p)->mss, LEAST); /* the floor */
	overlook();
}

TEST(small_segments_that_vanish_stay_as_they_are)
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, LEAST);
	wait_ms(5000);
	assert_true(counted(CNT_TCP_TIMEOUTS) >= 4);
	assert_int_equal(flow_of(p)->mss, MSS);
	overlook();
}

TEST(segment_between_two_sizes_becomes_small_enough) /* a size that it fits is left out */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, BASE);
	wait_ms(5000);
	assert_int_equal(flow_of(p)->mss, LEAST);
	overlook();
}

TEST(closed_window_is_no_black_hole) /* it answers what is sent again, and takes nothing */
{
	struct peer *p = sending(established(.nodelay = true), 2);

	p->wnd = 0;
	acked_to(p, 1);
	wait_ms(5000);
	assert_true(counted(CNT_TCP_TIMEOUTS) >= 4);
	assert_int_equal(flow_of(p)->mss, MSS);
	overlook();
}

TEST(timeouts_with_progress_in_between_are_no_black_hole)
{
	struct peer *p = sending(established(.nodelay = true, .no_sack = true), 6);

	for (uint32_t i = 1; counted(CNT_TCP_TIMEOUTS) < 4; i++) {
		for (uint64_t had = counted(CNT_TCP_TIMEOUTS); counted(CNT_TCP_TIMEOUTS) == had;)
			wait_ms(10);
		overlook();
		acked_to(p, i);
		app_writes(p, MSS);
	}
	assert_true(counted(CNT_TCP_TIMEOUTS) >= 4);
	assert_int_equal(flow_of(p)->mss, MSS);
	overlook();
}

TEST(without_probing_segments_keep_their_size)
{
	struct peer *p;

	rig.conf.tcp.mtu_probing = false;
	p = sending(established(.nodelay = true), 10);
	wait_ms(10000);
	assert_int_equal(flow_of(p)->mss, MSS);
	overlook();
}

TEST(who_wants_packets_of_any_size_keeps_them) /* IP_PMTUDISC_DONT and so on: they may be cut on the way */
{
	struct peer *p = sending(established(.nodelay = true), 1);

	assert_int_equal(app_sets(p, .flags = CTL_OPTION_ANY_PATH), 0);
	wait_ms(10000);
	assert_int_equal(flow_of(p)->mss, MSS);
	overlook();
}

/* --- and the way back --- */

TEST(black_hole_is_passed_and_its_size_is_found) /* RFC 4821 7.3, 7.6 */
{
	enum { FITS = 1300 };
	struct peer *p = bulk();
	uint64_t recoveries, timeouts;

	run(p, MSS, 50, 0);
	for (unsigned i = 0; flow_of(p)->mss == MSS; i++) {
		assert_true(i < 5000);
		run(p, FITS, 1, 0);
	}
	recoveries = counted(CNT_TCP_FAST_RECOVERIES);
	run(p, FITS, 500, 0);
	timeouts = counted(CNT_TCP_TIMEOUTS);
	assert_true(run(p, FITS, 2000, MSS - 1)); /* first whether all is as it was */
	run(p, FITS, 10000, 0);
	assert_in_range(flow_of(p)->mss, FITS - 32, FITS);
	assert_int_equal(counted(CNT_TCP_TIMEOUTS), timeouts);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), recoveries); /* 7.6.2: no congestion */
	assert_false(run(p, FITS, 5000, flow_of(p)->mss));              /* and now it is known */
	assert_int_equal(pmtu_of(&rig.sp.pmtu, cold_of(p)->key.remote, rig.now), flow_of(p)->mss + 52);
	app_aborts(p);
	overlook();
}

TEST(outage_is_no_black_hole_for_long)
{
	struct peer *p = bulk();

	run(p, MSS, 50, 0);
	run(p, 0, 3000, 0);
	assert_true(flow_of(p)->mss < MSS);
	for (unsigned i = 0; flow_of(p)->mss < MSS; i++) {
		assert_true(i < 60);
		run(p, MSS, 100, 0);
	}
	assert_int_equal(counted(CNT_TCP_PATH_GROWN), 1);
	assert_int_equal(pmtu_of(&rig.sp.pmtu, cold_of(p)->key.remote, rig.now), 0);
	app_aborts(p);
	overlook();
}

TEST(larger_segments_are_tried_ten_minutes_after_a_router_spoke) /* RFC 1191 6.3 */
{
	struct peer *p = bulk();

	run(p, MSS, 20, 0);
	fill(p);
	too_big(p, 1400, una);
	assert_int_equal(flow_of(p)->mss, 1348);
	run(p, MSS, 200, 0);
	pmtu_state(p)->next -= 590 * NS_PER_SEC;
	assert_false(run(p, MSS, 9000, 1348));
	assert_true(run(p, MSS, 2000, MSS - 1));
	assert_int_equal(flow_of(p)->mss, MSS);
	app_aborts(p);
	overlook();
}

/* RFC 1191 6.2, RFC 8201 5.2 would have both told. What a router, or somebody, says of one connection is no
 * word about another; a new one does begin with it. */
TEST(router_speaks_to_one_connection_of_a_path_at_a_time)
{
	struct peer *p = sending(established(.nodelay = true), 1), *q = established(.nodelay = true), *r;

	too_big(p, 1400, 1);
	assert_int_equal(flow_of(p)->mss, 1348);
	assert_int_equal(flow_of(q)->mss, MSS);
	app_writes(q, MSS);
	overlook();
	too_big(q, 1400, 1);
	assert_int_equal(flow_of(q)->mss, 1348);
	expect(q, .seq = 1, .ack = 1, .len = 1348); /* and it goes again at once */
	overlook();
	r = established();
	assert_int_equal(flow_of(r)->mss, 1348);
}

TEST(router_that_speaks_of_a_probe_ends_it)
{
	struct peer *p = bulk();
	uint64_t seen = 0;

	run(p, MSS, 20, 0);
	fill(p);
	too_big(p, 1400, una);
	run(p, 1348, 100, 0);
	pmtu_state(p)->next = rig.now;
	for (unsigned i = 0; pmtu_state(p)->probe == 0 || !cold_of(p)->path.is_out; i++) {
		assert_true(i < 1000);
		run(p, 1348, 1, 0);
	}
	seen = cold_of(p)->path.from;
	too_big(p, 1400, 1 + (uint32_t)seen);
	assert_int_equal(pmtu_state(p)->probe, 0);
	run(p, 1348, 20, 0); /* it is still on its way */
	assert_false(run(p, 1348, 5000, 1348));
	assert_int_equal(flow_of(p)->mss, 1348);
	assert_int_equal(counted(CNT_TCP_FAST_RECOVERIES), 0); /* RFC 4821 7.6.2: its loss is no congestion */
	app_aborts(p);
	overlook();
}

TEST(router_that_speaks_in_fast_recovery_ends_it) /* what was lost was too large */
{
	struct peer *p = sending(established(.nodelay = true), 10);
	uint32_t ssthresh;

	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 1 + 5 * MSS } });
	assert_true(flow_of(p)->flags & FLOW_RECOVERY);
	ssthresh = cold_of(p)->ssthresh;
	too_big(p, 1400, 1);
	assert_int_equal(flow_of(p)->flags & (FLOW_RECOVERY | FLOW_LOSS), FLOW_LOSS);
	assert_int_equal(flow_of(p)->cwnd, ssthresh);
	overlook();
	give(p, .seq = 1, .ack = 1 + 10 * MSS);
	assert_int_equal(flow_of(p)->flags & (FLOW_RECOVERY | FLOW_LOSS), 0);
	overlook();
}

TEST(probe_does_not_go_into_a_window_that_is_smaller) /* as it is after an outage */
{
	struct peer *p = bulk();

	run(p, MSS, 20, 0);
	too_big(p, 1400, una);
	run(p, 1348, 100, 0);
	tcp_send_path_probe(rig.sp.fp->slow, p->flow, MSS);
	for (unsigned i = 0; i < 2; i++) { /* congestion control did not look yet */
		flow_of(p)->cwnd = MSS - 1;
		assert_false(run(p, 1348, 1, 1348));
	}
	for (unsigned i = 0; longest != MSS; i++) {
		assert_true(i < 20);
		run(p, 1348, 1, 0);
	}
	assert_true(cold_of(p)->path.is_out);
	app_aborts(p);
	overlook();
}

TEST(probe_that_did_not_go_yet_does_not_go_after_a_router_spoke)
{
	struct peer *p = bulk();

	run(p, MSS, 20, 0);
	fill(p);
	too_big(p, 1400, una);
	p->wnd = 1408; /* less than a probe needs */
	run(p, 1348, 100, 0);
	pmtu_state(p)->next = rig.now;
	for (unsigned i = 0; pmtu_state(p)->probe == 0; i++) {
		assert_true(i < 1000);
		run(p, 1348, 1, 0);
	}
	assert_int_equal(cold_of(p)->path_size, MSS);
	fill(p);
	too_big(p, 1300, una);
	assert_int_equal(flow_of(p)->mss, 1248);
	p->wnd = 40000;
	assert_false(run(p, 1248, 500, 1348));
	app_aborts(p);
	overlook();
}

/* --- what is known of a path --- */

TEST(next_connection_begins_with_what_is_known) /* RFC 1191 6.1, 6.3: for ten minutes */
{
	struct peer *p = sending(established(.nodelay = true), 2), *q;

	too_big(p, 1400, 1);
	overlook();
	q = established(.nodelay = true);
	assert_int_equal(flow_of(q)->mss, 1348);
	app_aborts(p);
	app_aborts(q);
	wait_ms(601 * 1000);
	overlook();
	q = established(.nodelay = true);
	assert_int_equal(flow_of(q)->mss, MSS);
}

TEST(what_is_known_is_tried_anew_when_it_is_old) /* RFC 1191 6.3 */
{
	struct peer *p = sending(established(.nodelay = true), 2);

	too_big(p, 1400, 1);
	app_aborts(p);
	overlook();
	p = bulk();
	assert_int_equal(flow_of(p)->mss, 1348);
	assert_in_range(pmtu_state(p)->next - rig.now, 599 * NS_PER_SEC, 600 * NS_PER_SEC);
	pmtu_state(p)->next = rig.now;
	assert_true(run(p, MSS, 3000, MSS - 1));
	assert_int_equal(flow_of(p)->mss, MSS);
	app_aborts(p);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(full_segments_that_vanish_thrice_become_smaller),
		RIG_TEST(small_segments_that_vanish_stay_as_they_are),
		RIG_TEST(segment_between_two_sizes_becomes_small_enough),
		RIG_TEST(closed_window_is_no_black_hole),
		RIG_TEST(timeouts_with_progress_in_between_are_no_black_hole),
		RIG_TEST(without_probing_segments_keep_their_size),
		RIG_TEST(who_wants_packets_of_any_size_keeps_them),
		RIG_TEST(black_hole_is_passed_and_its_size_is_found),
		RIG_TEST(outage_is_no_black_hole_for_long),
		RIG_TEST(larger_segments_are_tried_ten_minutes_after_a_router_spoke),
		RIG_TEST(router_speaks_to_one_connection_of_a_path_at_a_time),
		RIG_TEST(router_that_speaks_of_a_probe_ends_it),
		RIG_TEST(router_that_speaks_in_fast_recovery_ends_it),
		RIG_TEST(probe_does_not_go_into_a_window_that_is_smaller),
		RIG_TEST(probe_that_did_not_go_yet_does_not_go_after_a_router_spoke),
		RIG_TEST(next_connection_begins_with_what_is_known),
		RIG_TEST(what_is_known_is_tried_anew_when_it_is_old),
	};

	return RIG_MAIN(tests);
}
