/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_bbr_rules.c - BBR rule by rule, look by look: round trips are of 20 ms, bandwidths in segments of
 * them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"

enum { MSS = 1448 };
enum { RTT_US = 20000, STANDS_US = RTT_US + 1001 /* by more than one of 20 segments */ };
enum { STARTUP, DRAIN, DOWN, CRUISE, REFILL, UP, PROBE_RTT }; /* of cc_bbr.c */

static struct cc_state st;
static struct cc_decision d;
static struct cc_sample s;

static uint64_t bw(uint32_t segments) { return segments * (uint64_t)MSS * 1000000 / RTT_US; }

static void begin(void)
{
	s = (struct cc_sample){ .now = NS_PER_SEC,
		.mss = MSS,
		.cwnd = 10 * MSS,
		.ssthresh = CC_SSTHRESH_NONE,
		.srtt_us = RTT_US,
		.min_rtt_us = UINT32_MAX };
	cc_bbr.init(&st);
	cc_bbr.begin(&st, &s, &d);
	s.min_rtt_us = s.rate_us = RTT_US;
	s.interval_ns = RTT_US * NS_PER_US;
	s.paced = true;
}

static int look_sent(uint32_t acked, uint32_t sent, uint32_t pipe)
{
	s.now += s.interval_ns;
	s.acked = s.rate_bytes = acked * MSS;
	s.sent = sent * MSS;
	s.pipe = s.inflight = pipe;
	s.cwnd = d.cwnd;
	cc_bbr.update(&st, &s, &d);
	return st.bbr.phase;
}

/* One more look: so many segments were sent and delivered; the phase it leads to. */
static int look_at(uint32_t segments, uint32_t pipe) { return look_sent(segments, segments, pipe); }

static void stays(unsigned looks, int phase, uint32_t segments, uint32_t pipe)
{
	while (looks-- > 0)
		assert_int_equal(look_at(segments, pipe), phase);
}

static void until(int phase, uint32_t segments, uint32_t pipe)
{
	for (unsigned looks = 0; st.bbr.phase != phase; look_at(segments, pipe))
		assert_true(looks++ < 1000);
}

/* The pipe is full, and what startup put into it is to go. */
static void filled_with(uint32_t segments)
{
	begin();
	stays(3, STARTUP, segments, segments * MSS);
	assert_int_equal(look_at(segments, segments * MSS), DRAIN);
}

static void cruising_at(uint32_t segments)
{
	filled_with(segments);
	assert_int_equal(look_at(segments, segments * MSS), CRUISE);
}

/* Losses of startup would have been found. */
static void settled_at(uint32_t segments)
{
	cruising_at(segments);
	stays(3, CRUISE, segments, segments * MSS);
}

static void probing(void)
{
	cruising_at(20);
	until(UP, 20, 20 * MSS);
}

static void assert_pace(double gain, uint32_t segments)
{
	uint64_t rate = (uint64_t)(gain * (s.min_rtt_us > RTT_US ? 0.99 : 1) * (double)bw(segments));

	assert_in_range(d.rate_bytes_s, rate - 1, rate + 1);
	if (st.bbr.phase != DRAIN)
		assert_int_equal(d.interval_us, segments < 16 ? 16 * RTT_US / segments : RTT_US);
	assert_int_equal(d.ssthresh, CC_SSTHRESH_NONE);
}

static void it_begins_with_two_windows_in_a_round_trip(void **state)
{
	(void)state;
	begin();
	assert_int_equal(d.cwnd, 10 * MSS);
	assert_int_equal(d.rate_bytes_s, bw(20));
	assert_int_equal(d.interval_us, RTT_US / 2);
	assert_int_equal(look_at(10, 10 * MSS), STARTUP);
	assert_int_equal(d.cwnd, 20 * MSS);
	assert_int_equal(d.rate_bytes_s, bw(40));
}

static void startup_ends_after_three_rounds_without_growth_by_a_quarter(void **state) /* 5.3.1.2 */
{
	(void)state;
	begin();
	look_at(16, 16 * MSS);
	assert_int_equal(look_at(20, 20 * MSS), STARTUP); /* a quarter */
	look_at(24, 24 * MSS);
	look_at(24, 24 * MSS);
	assert_int_equal(look_at(25, 25 * MSS), STARTUP);
	look_at(25, 25 * MSS);
	look_at(25, 25 * MSS);
	s.dry = true; /* the application's bandwidth says nothing */
	assert_int_equal(look_at(25, 25 * MSS), STARTUP);
	s.dry = false;
	s.interval_ns /= 2; /* a round is a round trip */
	assert_int_equal(look_at(25, 25 * MSS), STARTUP);
	assert_int_equal(look_at(25, 25 * MSS), DRAIN);
	assert_pace(0.5, 25);
}

/* It looks twice in a round trip, and between looks the window grows on, up to what it may be in startup. */
static void window_of_startup_grows_between_looks(void **state)
{
	(void)state;
	begin();
	assert_int_equal(d.grows_to, 20 * MSS);
	look_at(40, 20 * MSS);
	assert_int_equal(d.interval_us, RTT_US / 2);
	assert_int_equal(d.grows_to, 2 * 40 * MSS);
	s.grown = 15 * MSS;
	d.cwnd = 55 * MSS;
	look_at(20, 20 * MSS);
	assert_int_equal(d.cwnd, 60 * MSS); /* that was of the same bytes */
	s.grown = 0;
	until(DRAIN, 40, 40 * MSS);
	assert_int_equal(d.grows_to, 0);
}

/* At half the pace a surplus of half of what the path holds takes a round trip to go. */
static void drain_is_looked_at_when_the_queue_should_be_gone(void **state)
{
	(void)state;
	filled_with(20);
	look_at(20, (22 + 5) * MSS);
	assert_in_range(d.interval_us, RTT_US / 2 - 1, RTT_US / 2);
	look_at(20, 100 * MSS);
	assert_int_equal(d.interval_us, RTT_US);
	look_at(20, 22 * MSS + 1);
	assert_int_equal(d.interval_us, RTT_US / 8);
}

static void startup_ends_with_congestion(void **state) /* 5.3.1.3 */
{
	(void)state;
	begin();
	look_at(20, 20 * MSS);
	s.marked = 1;
	assert_int_equal(look_at(20, 30 * MSS), DRAIN);
	assert_true(d.answers_marks);
	assert_int_equal(st.bbr.hi, 30 * MSS);
	assert_in_range(d.cwnd, 0.85 * 30 * MSS - 1, 0.85 * 30 * MSS);
	begin(); /* less is in the network now than when that was sent */
	look_at(30, 30 * MSS);
	s.marked = 1;
	s.min_rtt_us = RTT_US * 6 / 5;
	look_at(30, 20 * MSS);
	assert_in_range(st.bbr.hi, 36 * MSS - 1, 36 * MSS);
	begin();
	look_at(30, 30 * MSS);
	s.marked = 1;
	s.min_rtt_us = 10 * RTT_US;
	assert_int_equal(d.cwnd, 40 * MSS);
	look_at(30, 20 * MSS);
	assert_int_equal(st.bbr.hi, 40 * MSS); /* but not more than the window */
}

static void drain_lasts_until_the_queue_is_gone(void **state) /* 5.3.2 */
{
	(void)state;
	filled_with(20);
	assert_int_equal(d.cwnd, (2 * 20 + 2) * MSS);
	stays(7, DRAIN, 20, 22 * MSS + 1);
	assert_int_equal(look_at(20, 22 * MSS + 1), CRUISE); /* or eight rounds */
	filled_with(20);
	stays(7, DRAIN, 20, 22 * MSS + 1);
	s.min_rtt_us = STANDS_US; /* they were not enough */
	assert_int_equal(look_at(20, 22 * MSS + 1), DOWN);
	assert_pace(0.9, 20);
	stays(6, DOWN, 20, 22 * MSS + 1);
	assert_int_equal(look_at(20, 22 * MSS + 1), CRUISE);
	assert_pace(1, 20);
	filled_with(20);
	stays(7, DRAIN, 20, 22 * MSS + 1);
	s.min_rtt_us = STANDS_US;
	assert_int_equal(look_at(20, 22 * MSS + 1), DOWN);
	assert_int_equal(look_at(20, 22 * MSS), CRUISE);
	filled_with(20);
	s.min_rtt_us = STANDS_US;
	assert_int_equal(look_at(20, 22 * MSS), CRUISE);
	filled_with(20);
	s.min_rtt_us = STANDS_US - 1; /* no queue */
	assert_int_equal(look_at(20, 22 * MSS), CRUISE);
	assert_int_equal(d.rate_bytes_s, bw(20));
}

/* 5.3.3.5: as many rounds as Reno takes to grow by as much as the pipe holds, 16 to 63; or 2 to 3 s. */
static void next_probe_comes_as_soon_as_reno_would_have_grown(void **state)
{
	unsigned rounds;

	(void)state;
	cruising_at(20);
	stays(18, CRUISE, 20, 20 * MSS);
	assert_int_equal(look_at(20, 20 * MSS), REFILL);
	cruising_at(2);
	stays(14, CRUISE, 2, 2 * MSS);
	assert_int_equal(look_at(2, 2 * MSS), REFILL);
	cruising_at(100);
	stays(61, CRUISE, 100, 100 * MSS);
	assert_int_equal(look_at(100, 100 * MSS), REFILL);
	cruising_at(100);
	s.interval_ns = 100 * NS_PER_MS;
	for (rounds = 1; look_at(500, 100 * MSS) == CRUISE;)
		rounds++;
	assert_in_range(rounds, 20, 30);
}

static void a_probe_lasts_three_rounds_or_until_the_pipe_is_a_quarter_fuller(void **state) /* 5.3.3.4 */
{
	(void)state;
	cruising_at(20);
	until(REFILL, 20, 20 * MSS);
	assert_pace(1, 20);
	assert_int_equal(look_at(20, 20 * MSS), UP);
	assert_pace(1.25, 20);
	assert_int_equal(d.cwnd, (45 + 2) * MSS);
	stays(2, UP, 20, 29 * MSS - 1);
	assert_int_equal(look_at(20, 29 * MSS - 1), DOWN);
	probing();
	assert_int_equal(look_at(20, 29 * MSS), DOWN);
	probing();
	s.dry = true;
	assert_int_equal(look_at(20, 20 * MSS), DOWN);
}

/* What a probe brought is known a round later. A tenth more, and it is repeated; else it is the bandwidth. */
static void a_probe_that_found_more_is_repeated_at_once(void **state)
{
	(void)state;
	probing();
	assert_int_equal(look_at(20, 29 * MSS), DOWN);
	assert_int_equal(look_at(22, 20 * MSS), DOWN);
	assert_int_equal(st.bbr.max_bw[1], bw(22));
	assert_int_equal(st.bbr.max_bw[0], 0);
	look_at(20, 20 * MSS);
	assert_pace(1, 22); /* the most of two cycles */
	probing();
	assert_int_equal(look_at(20, 29 * MSS), DOWN);
	assert_int_equal(look_at(23, 20 * MSS), UP);
	assert_pace(1.25, 23);
	assert_int_equal(look_at(23, 33 * MSS), DOWN);
	assert_int_equal(look_at(24, 20 * MSS), DOWN); /* that was not a tenth more */
	probing();
	assert_int_equal(look_at(20, 29 * MSS), DOWN);
	s.marked = 1;
	assert_int_equal(look_at(23, 20 * MSS), DOWN);
}

static void bandwidth_of_two_cycles_ago_is_forgotten(void **state)
{
	(void)state;
	probing();
	for (unsigned cycles = 0; cycles < 2; cycles++) {
		until(DOWN, 10, 25 * MSS);
		look_at(10, 20 * MSS);
		until(UP, 10, 10 * MSS);
	}
	look_at(10, 10 * MSS);
	assert_pace(1.25, 10);
}

/* 5.3.3.6: what the probe lost was too much; later ones raise that by one, two, four segments. */
static void congestion_of_a_probe_bounds_the_window_until_probes_raise_it(void **state)
{
	uint32_t hi;

	(void)state;
	probing();
	s.marked = 1;
	assert_int_equal(look_at(20, 10 * MSS), DOWN);
	hi = st.bbr.hi;
	assert_in_range(hi, 14 * MSS - 1, 14 * MSS); /* 0.7 of the pipe, for less is in it */
	assert_in_range(d.cwnd, 0.85 * hi - 1, 0.85 * hi);
	s.marked = 0;
	until(CRUISE, 20, (uint32_t)(0.85 * hi));
	assert_in_range(d.cwnd, 0.85 * hi - 1, 0.85 * hi); /* headroom for others */
	until(REFILL, 20, 11 * MSS);
	assert_int_equal(d.cwnd, hi);
	look_at(20, 11 * MSS);
	assert_int_equal(d.cwnd, hi);
	look_at(20, 11 * MSS); /* not the limit: it stays */
	assert_int_equal(st.bbr.hi, hi);
	s.cwnd_limited = true;
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(look_at(20, 11 * MSS), UP);
		hi += MSS << i;
		assert_int_equal(st.bbr.hi, hi);
	}
	s.cwnd_limited = false;
	assert_int_equal(look_at(20, 29 * MSS), DOWN);
	until(UP, 20, 20 * MSS);
	s.cwnd_limited = true;
	st.bbr.hi = d.cwnd = 20 * MSS;
	look_at(20, 11 * MSS);
	assert_int_equal(st.bbr.hi, 21 * MSS); /* slowly, once more */
}

static void congestion_between_probes_bounds_until_the_next(void **state)
{
	(void)state;
	cruising_at(20);
	s.marked = 100 * MSS; /* more than any answer before can have been of */
	look_at(10, 18 * MSS);
	assert_in_range(d.cwnd, 0.7 * 42 * MSS - 1, 0.7 * 42 * MSS);
	assert_in_range(d.rate_bytes_s, 0.7 * (double)bw(20) - 2, 0.7 * (double)bw(20));
	look_at(19, 25 * MSS);
	assert_in_range(d.cwnd, 0.7 * 0.7 * 42 * MSS - 2, 0.7 * 0.7 * 42 * MSS);
	look_at(19, 25 * MSS);
	assert_int_equal(d.cwnd, 19 * MSS); /* what was delivered is not too much, */
	assert_pace(1, 19);
	look_at(19, 17 * MSS);
	assert_int_equal(d.cwnd, 17 * MSS); /* nor what is in the network */
	s.marked = 0;
	until(REFILL, 19, 17 * MSS);
	look_at(20, 17 * MSS);
	look_at(20, 17 * MSS);
	assert_true(d.cwnd > 40 * MSS);
}

/* They are found a round trip later, and what was sent again for them another. */
static void losses_after_a_probe_are_its_own(void **state)
{
	(void)state;
	probing();
	assert_int_equal(look_at(20, 29 * MSS), DOWN);
	s.lost = 20 * MSS;
	assert_int_equal(look_at(20, 25 * MSS), DOWN);
	assert_int_equal(st.bbr.hi, 25 * MSS);
	look_at(12, 25 * MSS);
	assert_true(st.bbr.bw_lo == UINT64_MAX);
	look_at(12, 25 * MSS);
	assert_in_range(st.bbr.bw_lo, 0.7 * (double)bw(20) - 2, 0.7 * (double)bw(20));
}

static void losses_after_startup_are_its_own(void **state)
{
	(void)state;
	filled_with(40);
	assert_int_equal(look_at(20, 40 * MSS), CRUISE); /* drained, at half the pace */
	s.lost = 20 * MSS;
	look_at(20, 40 * MSS);
	look_at(20, 40 * MSS);
	assert_true(st.bbr.bw_lo == UINT64_MAX);
	look_at(20, 40 * MSS);
	assert_in_range(st.bbr.bw_lo, 0.7 * (double)bw(40) - 2, 0.7 * (double)bw(40));
}

/* Above 2 %, or behind no queue above 10 %; by three standard deviations. */
static void few_losses_are_no_congestion(void **state)
{
	static const struct {
		uint32_t min_rtt_us, lost;
		bool congested;
	} t[] = { { RTT_US, 19, false }, { RTT_US, 20, true }, { RTT_US * 9 / 8, 7, false },
		{ RTT_US * 9 / 8 + 1, 7, true }, { RTT_US * 9 / 8 + 1, 6, false } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(t); i++) {
		settled_at(80);
		s.min_rtt_us = t[i].min_rtt_us;
		s.lost = t[i].lost * MSS;
		look_at(100 - t[i].lost, 80 * MSS);
		assert_int_equal(st.bbr.lo != UINT32_MAX, t[i].congested);
		settled_at(80); /* a timeout sends all again, whatever of it was lost */
		s.lost = t[i].lost * MSS;
		s.timeouts = 1;
		look_at(100 - t[i].lost, 80 * MSS);
		assert_int_equal(st.bbr.lo, UINT32_MAX);
	}
}

/* Of 31 segments nothing is said; they count with those of the next round. */
static void losses_are_judged_by_32_segments(void **state)
{
	(void)state;
	settled_at(80);
	s.lost = 21 * MSS;
	look_at(10, 20 * MSS);
	assert_int_equal(st.bbr.lo, UINT32_MAX);
	s.lost = 0;
	look_at(1, 20 * MSS);
	assert_int_not_equal(st.bbr.lo, UINT32_MAX);
}

/* Losses without a queue, while nothing probes, are of the path; with a queue more are borne then. */
static void losses_without_a_queue_are_the_paths(void **state)
{
	(void)state;
	settled_at(95);
	s.lost = 5 * MSS;
	look_at(95, 95 * MSS);
	assert_in_range(st.bbr.noise * 1e6, 6249, 6250); /* an eighth of 5 % */
	for (unsigned i = 0; i < 30; i++)
		look_at(95, 95 * MSS);
	assert_in_range(st.bbr.noise * 1e6, 49000, 50000);
	assert_in_range(d.rate_bytes_s, (double)bw(95) / 0.951, (double)bw(95) / 0.95); /* they leave, too */
	s.min_rtt_us = RTT_US * 5 / 4;
	s.lost = 18 * MSS; /* of 100, 2 and 7.4 % are to be expected: 9.4 and three times 3.06 */
	look_at(82, 95 * MSS);
	assert_int_equal(st.bbr.lo, UINT32_MAX);
	s.lost = 19 * MSS;
	look_at(81, 95 * MSS);
	assert_int_not_equal(st.bbr.lo, UINT32_MAX);
	settled_at(80);
	s.lost = 20 * MSS; /* more than a tenth is something else */
	look_at(80, 80 * MSS);
	s.lost = 5 * MSS;
	s.marked = 1;
	look_at(95, 80 * MSS);
	s.marked = 0;
	s.timeouts = 1;
	look_at(95, 80 * MSS);
	assert_true(st.bbr.noise == 0);
	probing();
	s.lost = MSS;
	look_at(19, 20 * MSS);
	assert_true(st.bbr.noise == 0);
}

static void rate_is_of_a_round_trip_and_no_more_than_was_sent(void **state)
{
	(void)state;
	begin();
	look_sent(20, 10, 5 * MSS); /* what was sent before the first look is not known */
	assert_int_equal(st.bbr.max_bw[0], bw(20));
	begin();
	s.rate_us = RTT_US / 2;
	s.interval_ns /= 2;
	look_at(5, 5 * MSS);
	assert_int_equal(st.bbr.max_bw[0], bw(10));
	look_at(15, 5 * MSS);
	assert_int_equal(st.bbr.max_bw[0], bw(20));
	s.rate_us = RTT_US;
	s.interval_ns *= 2;
	look_at(24, 5 * MSS);
	assert_int_equal(st.bbr.max_bw[0], bw(24));
	look_sent(40, 10, 5 * MSS); /* in this interval or the one before */
	assert_int_equal(st.bbr.max_bw[0], bw(24));
	look_sent(40, 30, 5 * MSS);
	assert_int_equal(st.bbr.max_bw[0], bw(30));
	s.dry = true; /* less, for there was no more to send */
	st.bbr.max_bw[0] = 0;
	st.bbr.max_bw[1] = bw(20);
	look_at(19, 5 * MSS);
	assert_int_equal(st.bbr.max_bw[0], 0);
	look_at(20, 5 * MSS);
	assert_int_equal(st.bbr.max_bw[0], bw(20));
}

static void window_has_room_for_acknowledgements_that_come_at_once(void **state)
{
	(void)state;
	cruising_at(40);
	assert_int_equal(d.cwnd, 82 * MSS);
	look_sent(50, 40, 40 * MSS);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(d.cwnd, 92 * MSS);
		look_at(40, 40 * MSS);
	}
	for (unsigned i = 0; i < 5; i++)
		look_at(40, 40 * MSS);
	assert_int_equal(d.cwnd, 82 * MSS);
}

static void least_round_trip_is_looked_for_every_five_seconds(void **state) /* 5.3.4 */
{
	tas_ns since;

	(void)state;
	cruising_at(20);
	since = s.now;
	s.min_rtt_us = STANDS_US;
	while (look_at(20, 20 * MSS) != PROBE_RTT)
		;
	assert_in_range(s.now - since, 5 * NS_PER_SEC + 1, 5 * NS_PER_SEC + 20 * NS_PER_MS);
	assert_int_equal(d.cwnd, 10 * MSS); /* half the pipe, for 200 ms and a round trip */
	assert_pace(1, 20);
	stays(10, PROBE_RTT, 20, 10 * MSS);
	assert_int_equal(look_at(20, 10 * MSS), CRUISE);
	assert_int_equal(st.bbr.min_rtt_us, RTT_US);
	s.min_rtt_us++; /* nothing as short is seen again: it is forgotten after ten seconds */
	while (s.now - NS_PER_SEC <= 10 * NS_PER_SEC) {
		assert_int_equal(st.bbr.min_rtt_us, RTT_US);
		look_at(20, 20 * MSS);
	}
	assert_in_range(st.bbr.min_rtt_us, STANDS_US, STANDS_US);
}

static void startup_goes_on_after_it(void **state)
{
	(void)state;
	begin();
	look_at(20, 20 * MSS);
	s.dry = true;
	s.min_rtt_us = STANDS_US;
	while (look_at(10, 10 * MSS) != PROBE_RTT)
		assert_int_equal(st.bbr.phase, STARTUP);
	while (look_at(10, 10 * MSS) == PROBE_RTT)
		;
	assert_int_equal(st.bbr.phase, STARTUP);
}

/* Four segments in a round trip at least, so that it goes on. */
static void neither_window_nor_pace_starve(void **state)
{
	(void)state;
	cruising_at(1);
	s.marked = 1;
	for (unsigned i = 0; i < 3; i++)
		look_at(1, MSS);
	assert_int_equal(d.cwnd, 4 * MSS);
	assert_int_equal(d.rate_bytes_s, bw(4));
}

/* --- recoveries in vain --- */

/* The first look of a recovery that deems so many lost. */
static int recovery_finds(uint32_t lost, uint32_t acked, uint32_t pipe)
{
	int phase;

	s.recoveries = 1;
	s.in_recovery = true;
	s.lost = lost * MSS;
	phase = look_at(acked, pipe);
	s.recoveries = 0;
	s.lost = 0;
	return phase;
}

static void recovery_is_over(void) { s.in_recovery = false; }

static int was_in_vain(uint32_t segments, uint32_t pipe)
{
	int phase;

	recovery_is_over();
	s.undone = true;
	phase = look_at(segments, pipe);
	s.undone = false;
	return phase;
}

static void bounds_of_losses_that_were_none_are_taken_back(void **state) /* BBRHandleSpuriousLossDetection */
{
	(void)state;
	settled_at(80);
	recovery_finds(30, 80, 80 * MSS);
	assert_in_range(d.cwnd, 80 * MSS, 0.71 * 162 * MSS);
	assert_true(st.bbr.bw_lo != UINT64_MAX);
	look_at(80, 80 * MSS);
	s.lost = 30 * MSS; /* more of the same recovery */
	look_at(60, 60 * MSS);
	assert_in_range(st.bbr.lo, 0, 81 * MSS);
	s.lost = 0;
	was_in_vain(80, 80 * MSS);
	assert_int_equal(st.bbr.lo, UINT32_MAX);
	assert_true(st.bbr.bw_lo == UINT64_MAX);
	assert_int_equal(st.bbr.hi, UINT32_MAX);
	look_at(80, 80 * MSS);
	assert_true(d.cwnd > 160 * MSS);
}

/* What an earlier recovery, which was not, had bounded stays. */
static void bounds_of_real_losses_stay(void **state)
{
	uint32_t lo;

	(void)state;
	settled_at(80);
	recovery_finds(30, 80, 80 * MSS);
	lo = st.bbr.lo;
	assert_true(lo != UINT32_MAX);
	recovery_finds(30, 60, 60 * MSS); /* it ended, and this one began */
	assert_true(st.bbr.lo < lo);
	was_in_vain(80, 80 * MSS);
	assert_int_equal(st.bbr.lo, lo);
	recovery_finds(30, 80, 80 * MSS);
	recovery_is_over();
	stays(4, CRUISE, 80, 80 * MSS); /* too late to be of it */
	lo = st.bbr.lo;
	was_in_vain(80, 80 * MSS);
	assert_int_equal(st.bbr.lo, lo);
}

static void that_it_was_in_vain_may_be_known_after_it(void **state)
{
	(void)state;
	settled_at(80);
	recovery_finds(30, 80, 80 * MSS);
	recovery_is_over();
	stays(3, CRUISE, 80, 80 * MSS);
	was_in_vain(80, 80 * MSS);
	assert_int_equal(st.bbr.lo, UINT32_MAX);
	recovery_finds(30, 80, 80 * MSS);
	recovery_is_over();
	look_at(80, 80 * MSS);
	s.timeouts = 1; /* and then a timeout, of which alone it is said */
	s.in_loss = true;
	look_at(80, 80 * MSS);
	s.timeouts = 0;
	s.in_loss = false;
	was_in_vain(80, 80 * MSS);
	assert_int_not_equal(st.bbr.lo, UINT32_MAX);
}

static void startup_that_losses_ended_in_vain_goes_on(void **state)
{
	(void)state;
	begin();
	look_at(40, 40 * MSS);
	look_at(60, 60 * MSS);
	assert_int_equal(recovery_finds(30, 60, 60 * MSS), DRAIN);
	assert_int_not_equal(st.bbr.hi, UINT32_MAX);
	assert_int_equal(was_in_vain(80, 60 * MSS), STARTUP);
	assert_int_equal(st.bbr.hi, UINT32_MAX);
	assert_int_equal(d.interval_us, RTT_US / 2);
	assert_int_equal(look_at(100, 80 * MSS), STARTUP);
}

static void probe_that_losses_ended_in_vain_goes_on(void **state)
{
	(void)state;
	probing();
	assert_int_equal(recovery_finds(15, 20, 20 * MSS), DOWN);
	assert_int_not_equal(st.bbr.hi, UINT32_MAX);
	assert_int_equal(was_in_vain(20, 20 * MSS), UP);
	assert_int_equal(st.bbr.hi, UINT32_MAX);
	assert_pace(1.25, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_begins_with_two_windows_in_a_round_trip),
		cmocka_unit_test(startup_ends_after_three_rounds_without_growth_by_a_quarter),
		cmocka_unit_test(window_of_startup_grows_between_looks),
		cmocka_unit_test(drain_is_looked_at_when_the_queue_should_be_gone),
		cmocka_unit_test(startup_ends_with_congestion),
		cmocka_unit_test(drain_lasts_until_the_queue_is_gone),
		cmocka_unit_test(next_probe_comes_as_soon_as_reno_would_have_grown),
		cmocka_unit_test(a_probe_lasts_three_rounds_or_until_the_pipe_is_a_quarter_fuller),
		cmocka_unit_test(a_probe_that_found_more_is_repeated_at_once),
		cmocka_unit_test(bandwidth_of_two_cycles_ago_is_forgotten),
		cmocka_unit_test(congestion_of_a_probe_bounds_the_window_until_probes_raise_it),
		cmocka_unit_test(congestion_between_probes_bounds_until_the_next),
		cmocka_unit_test(losses_after_a_probe_are_its_own),
		cmocka_unit_test(losses_after_startup_are_its_own),
		cmocka_unit_test(few_losses_are_no_congestion),
		cmocka_unit_test(losses_are_judged_by_32_segments),
		cmocka_unit_test(losses_without_a_queue_are_the_paths),
		cmocka_unit_test(rate_is_of_a_round_trip_and_no_more_than_was_sent),
		cmocka_unit_test(window_has_room_for_acknowledgements_that_come_at_once),
		cmocka_unit_test(least_round_trip_is_looked_for_every_five_seconds),
		cmocka_unit_test(startup_goes_on_after_it),
		cmocka_unit_test(neither_window_nor_pace_starve),
		cmocka_unit_test(bounds_of_losses_that_were_none_are_taken_back),
		cmocka_unit_test(bounds_of_real_losses_stay),
		cmocka_unit_test(that_it_was_in_vain_may_be_known_after_it),
		cmocka_unit_test(startup_that_losses_ended_in_vain_goes_on),
		cmocka_unit_test(probe_that_losses_ended_in_vain_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
