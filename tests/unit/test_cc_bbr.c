/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_bbr.c - BBR on a fluid path: what is in flight beyond the pipe waits in a queue; what the queue
 * cannot hold is lost, and of the rest a part. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"

enum { MSS = 1448, STEPS = 20 };

struct path {
	double rate, rtt_s, buffer, loss; /* bytes/s; bytes */
	double inflight, acked, lost, sent, total, inflight_sum, seconds, max_inflight, min_inflight;
	tas_ns now;
	struct cc_state st;
	struct cc_decision d;
};

static double bdp(const struct path *p) { return p->rate * p->rtt_s; }
static double rtt_s(const struct path *p)
{
	return p->rtt_s * (p->inflight > bdp(p) ? p->inflight / bdp(p) : 1);
}

static struct path path_begin(double mbit, double rtt_ms, double buffer_bdp)
{
	struct path p = { .rate = mbit * 125000, .rtt_s = rtt_ms / 1e3, .now = NS_PER_SEC };
	struct cc_sample s = { .now = p.now,
		.mss = MSS,
		.cwnd = 10 * MSS,
		.ssthresh = CC_SSTHRESH_NONE,
		.srtt_us = (uint32_t)(rtt_ms * 1e3),
		.min_rtt_us = UINT32_MAX };

	p.buffer = buffer_bdp * bdp(&p);
	cc_bbr.init(&p.st);
	cc_bbr.begin(&p.st, &s, &p.d);
	return p;
}

static void flow_on(struct path *p, double dt_s)
{
	double may = p->d.cwnd > p->inflight ? p->d.cwnd - p->inflight : 0,
	       send = (double)p->d.rate_bytes_s * dt_s;
	double out = (p->inflight > bdp(p) ? p->rate : p->inflight / p->rtt_s) * dt_s, over;

	send = send < may ? send : may;
	p->sent += send;
	p->inflight += send - out;
	p->acked += out * (1 - p->loss);
	p->lost += out * p->loss;
	over = p->inflight - bdp(p) - p->buffer;
	if (over > 0) {
		p->inflight -= over;
		p->lost += over;
	}
	p->total += out * (1 - p->loss);
	p->seconds += dt_s;
	p->inflight_sum += p->inflight * dt_s;
	p->max_inflight = p->inflight > p->max_inflight ? p->inflight : p->max_inflight;
	p->min_inflight = p->inflight < p->min_inflight ? p->inflight : p->min_inflight;
}

/* One interval, and the look at its end. */
static void look(struct path *p)
{
	double dt_s = p->d.interval_us / 1e6, least_s = 1e9;
	struct cc_sample s = { .mss = MSS, .ssthresh = CC_SSTHRESH_NONE, .paced = true };

	for (unsigned i = 0; i < STEPS; i++) {
		flow_on(p, dt_s / STEPS);
		least_s = rtt_s(p) < least_s ? rtt_s(p) : least_s;
	}
	p->now += (tas_ns)(dt_s * 1e9);
	s.now = p->now;
	s.interval_ns = (tas_ns)(dt_s * 1e9);
	s.acked = s.rate_bytes = (uint64_t)p->acked;
	s.rate_us = (uint64_t)(dt_s * 1e6);
	s.lost = (uint64_t)p->lost;
	s.sent = (uint64_t)p->sent;
	s.srtt_us = (uint32_t)(rtt_s(p) * 1e6);
	s.min_rtt_us = (uint32_t)(least_s * 1e6);
	s.cwnd = p->d.cwnd;
	s.pipe = s.inflight = (uint32_t)p->inflight;
	s.cwnd_limited = p->inflight + MSS > p->d.cwnd;
	p->acked = p->lost = p->sent = 0;
	cc_bbr.update(&p->st, &s, &p->d);
}

static void run(struct path *p, double seconds)
{
	tas_ns end = p->now + (tas_ns)(seconds * 1e9);

	p->total = p->seconds = p->inflight_sum = p->max_inflight = 0;
	p->min_inflight = 1e18;
	while (p->now < end)
		look(p);
}

static double use(const struct path *p) { return p->total / p->seconds / p->rate; }
static double filled(const struct path *p) { return p->inflight_sum / p->seconds / bdp(p); }

/* 5.3.1 of the draft: exponentially, and out of it when the pipe is full; then the queue it made is gone. */
static void startup_finds_the_bandwidth_and_drain_empties_its_queue(void **state)
{
	struct path p = path_begin(100, 20, 10);

	(void)state;
	run(&p, 0.5);
	assert_true(p.st.bbr.full);
	assert_true((double)p.st.bbr.max_bw[0] > 0.9 * p.rate || (double)p.st.bbr.max_bw[1] > 0.9 * p.rate);
	run(&p, 0.5);
	assert_true(p.inflight < 1.3 * bdp(&p));
}

static void a_lone_flow_fills_the_link_and_not_the_queue(void **state)
{
	static const double mbit[] = { 1, 10, 100, 1000, 10000 }, rtt_ms[] = { 0.2, 2, 20, 200 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(mbit); i++)
		for (unsigned r = 0; r < ARRAY_LEN(rtt_ms); r++) {
			struct path p = path_begin(mbit[i], rtt_ms[r], 10);

			if (bdp(&p) < 10 * MSS) /* the least window is more than such a pipe */
				continue;
			run(&p, 10);
			run(&p, 20);
			assert_true(use(&p) > 0.97);
			assert_true(filled(&p) < 1.3);
		}
}

/* What version 1 of the draft keeps and version 3 would not. */
static void steady_losses_are_not_taken_for_congestion(void **state)
{
	(void)state;
	for (unsigned percent = 1; percent <= 5; percent++) {
		struct path p = path_begin(200, 20, 1);

		p.loss = percent / 100.;
		run(&p, 5);
		run(&p, 20);
		assert_true(use(&p) > 0.97 * (1 - p.loss));
	}
}

/* A few of the few segments of one round trip: that happens by chance, many times a second. */
static void some_losses_in_a_short_round_are_not_congestion(void **state)
{
	struct path p = path_begin(100, 0.5, 10);
	struct cc_sample s = { .mss = MSS,
		.srtt_us = 500,
		.min_rtt_us = 500,
		.rate_bytes = 5 * MSS,
		.rate_us = 580,
		.sent = 5 * MSS,
		.pipe = 5 * MSS,
		.interval_ns = 580 * NS_PER_US,
		.paced = true };

	(void)state;
	run(&p, 1);
	assert_int_equal(p.st.bbr.phase, 3); /* it cruises, so what bounds it does so at once */
	for (unsigned i = 0; i < 10; i++) {
		p.now += s.interval_ns;
		s.now = p.now;
		s.cwnd = p.d.cwnd;
		s.lost = i == 0 ? 3 * MSS : 0;
		s.acked = 5 * MSS - s.lost;
		cc_bbr.update(&p.st, &s, &p.d);
	}
	assert_int_equal(p.st.bbr.lo, UINT32_MAX);
	assert_int_equal(p.st.bbr.hi, UINT32_MAX);
	for (unsigned i = 0; i < 10; i++) { /* but half of them all is */
		p.now += s.interval_ns;
		s.now = p.now;
		s.cwnd = p.d.cwnd;
		s.lost = 5 * MSS / 2;
		s.acked = 5 * MSS - s.lost;
		cc_bbr.update(&p.st, &s, &p.d);
	}
	assert_true(p.st.bbr.lo != UINT32_MAX || p.st.bbr.hi != UINT32_MAX);
}

/* Of five segments one more or less is a fifth: rounds are longer then, but not without end. */
static void rounds_are_of_several_round_trips_where_few_segments_are_under_way(void **state)
{
	struct path large = path_begin(100, 20, 1), small = path_begin(100, 0.5, 10),
		    slow = path_begin(1, 20, 10);

	(void)state;
	run(&large, 5);
	assert_in_range(large.d.interval_us, 19000, 25000);
	run(&small, 1);
	assert_in_range(small.d.interval_us, 16 * 500 / 5, 16 * 800 / 4);
	run(&slow, 5);
	assert_true(slow.d.interval_us <= 8 * 1e6 * rtt_s(&slow) * 1.1);
}

/* A margin below the bandwidth drains a queue; where none stands it would only give rate away. */
static void a_pace_below_the_bandwidth_is_for_a_queue(void **state)
{
	struct path p = path_begin(100, 20, 10);
	double most = 0;

	(void)state;
	run(&p, 5);
	for (unsigned i = 0; i < 200; i++) {
		look(&p);
		if (p.st.bbr.phase == 3 && p.inflight < 1.01 * bdp(&p))
			most = (double)p.d.rate_bytes_s > most ? (double)p.d.rate_bytes_s : most;
		if (p.st.bbr.phase == 3 && p.st.bbr.stands)
			assert_true((double)p.d.rate_bytes_s < 0.995 * p.rate);
	}
	assert_true(most > 0.995 * p.rate);
}

/* 5.3.3.6: what a probe lost bounds the next one. */
static void a_buffer_that_overflows_bounds_what_is_in_flight(void **state)
{
	struct path p = path_begin(100, 20, 0.1);

	(void)state;
	run(&p, 10);
	assert_true(p.st.bbr.hi != UINT32_MAX);
	assert_true(p.st.bbr.hi < 1.5 * bdp(&p));
	run(&p, 20);
	assert_true(use(&p) > 0.85);
}

static void more_bandwidth_is_found_within_seconds(void **state)
{
	struct path p = path_begin(20, 20, 2);

	(void)state;
	run(&p, 10);
	p.rate *= 4;
	run(&p, 6);
	run(&p, 5);
	assert_true(use(&p) > 0.9);
}

static void less_bandwidth_is_believed_within_two_probes(void **state)
{
	struct path p = path_begin(80, 20, 10);

	(void)state;
	run(&p, 10);
	p.rate /= 4;
	run(&p, 10);
	run(&p, 10);
	assert_true(use(&p) > 0.9);
	assert_true(filled(&p) < 2.2);
}

/* 5.3.4: half a window, at least every five seconds unless the queue empties by itself. */
static void a_standing_queue_is_looked_behind(void **state)
{
	struct path p = path_begin(50, 20, 10);

	(void)state;
	run(&p, 5);
	p.rtt_s *= 1.5; /* another path: no round trip is as short as before */
	run(&p, 12);
	assert_true(p.min_inflight < 0.7 * bdp(&p));
	assert_in_range(p.st.bbr.min_rtt_us, 29000, 33000);
}

static void after_a_timeout_it_begins_with_a_segment_and_ends_with_the_model(void **state)
{
	struct path p = path_begin(100, 20, 1);
	struct cc_sample s = { .mss = MSS,
		.cwnd = MSS,
		.srtt_us = 20000,
		.min_rtt_us = UINT32_MAX,
		.timeouts = 1,
		.in_loss = true,
		.lost = 500000,
		.acked = MSS,
		.interval_ns = 20 * NS_PER_MS };

	(void)state;
	run(&p, 5);
	s.now = p.now + NS_PER_SEC;
	cc_bbr.update(&p.st, &s, &p.d);
	assert_in_range(p.d.cwnd, MSS, 2 * MSS);
	assert_true((double)p.d.rate_bytes_s > 0.5 * p.rate);
	s = (struct cc_sample){ .now = s.now + 20 * NS_PER_MS,
		.mss = MSS,
		.cwnd = p.d.cwnd,
		.srtt_us = 20000,
		.min_rtt_us = 20000,
		.acked = MSS,
		.interval_ns = 20 * NS_PER_MS };
	cc_bbr.update(&p.st, &s, &p.d);
	assert_true(p.d.cwnd > bdp(&p));
}

/* --- rule by rule, look by look: round trips of 20 ms; bandwidths in segments of them --- */

enum { RTT_US = 20000 };
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

/* The pipe is full, and what startup put into it is to go. */
static void filled_with(uint32_t segments)
{
	begin();
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(look_at(segments, segments * MSS), STARTUP);
	assert_int_equal(look_at(segments, segments * MSS), DRAIN);
}

static void cruising_at(uint32_t segments)
{
	filled_with(segments);
	assert_int_equal(look_at(segments, segments * MSS), DOWN);
	assert_int_equal(look_at(segments, segments * MSS), CRUISE);
}

static void probing(void)
{
	cruising_at(20);
	while (st.bbr.phase != UP)
		look_at(20, 20 * MSS);
}

static void assert_pace(double gain, uint32_t segments)
{
	uint64_t rate = (uint64_t)(gain * 0.99 * (double)bw(segments));

	assert_in_range(d.rate_bytes_s, rate - 1, rate + 1);
	assert_int_equal(d.interval_us, RTT_US);
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
}

static void drain_lasts_until_the_queue_is_gone(void **state) /* 5.3.2 */
{
	(void)state;
	filled_with(20);
	assert_int_equal(d.cwnd, (2 * 20 + 2) * MSS);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(look_at(20, 20 * MSS + 1), DRAIN);
	assert_int_equal(look_at(20, 20 * MSS + 1), DOWN); /* or eight rounds */
	filled_with(20);
	assert_int_equal(look_at(20, 20 * MSS), DOWN);
	assert_pace(0.9, 20);
	for (unsigned i = 0; i < 7; i++)
		assert_int_equal(look_at(20, 20 * MSS + 1), DOWN);
	assert_int_equal(look_at(20, 20 * MSS + 1), CRUISE);
	assert_pace(1, 20);
}

/* 5.3.3.5: as many rounds as Reno takes to grow by as much as the pipe holds, at most 63; or 2 to 3 s. */
static void next_probe_comes_as_soon_as_reno_would_have_grown(void **state)
{
	unsigned rounds;

	(void)state;
	cruising_at(20);
	for (unsigned i = 2; i < 20; i++)
		assert_int_equal(look_at(20, 20 * MSS), CRUISE);
	assert_int_equal(look_at(20, 20 * MSS), REFILL);
	cruising_at(2);
	for (unsigned i = 2; i < 4; i++)
		assert_int_equal(look_at(2, 2 * MSS), CRUISE);
	assert_int_equal(look_at(2, 2 * MSS), REFILL);
	cruising_at(100);
	for (unsigned i = 2; i < 63; i++)
		assert_int_equal(look_at(100, 100 * MSS), CRUISE);
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
	while (st.bbr.phase != REFILL)
		look_at(20, 20 * MSS);
	assert_pace(1, 20);
	assert_int_equal(look_at(20, 20 * MSS), UP);
	assert_pace(1.25, 20);
	assert_int_equal(d.cwnd, (45 + 2) * MSS);
	assert_int_equal(look_at(20, 25 * MSS - 1), UP);
	assert_int_equal(look_at(20, 25 * MSS - 1), UP);
	assert_int_equal(look_at(20, 25 * MSS - 1), DOWN);
	probing();
	assert_int_equal(look_at(20, 25 * MSS), DOWN);
	probing();
	s.dry = true;
	assert_int_equal(look_at(20, 20 * MSS), DOWN);
}

/* What a probe brought is known a round later. A tenth more, and it is repeated; else it is the bandwidth. */
static void a_probe_that_found_more_is_repeated_at_once(void **state)
{
	(void)state;
	probing();
	assert_int_equal(look_at(20, 25 * MSS), DOWN);
	assert_int_equal(look_at(22, 20 * MSS), DOWN);
	assert_int_equal(st.bbr.max_bw[1], bw(22));
	assert_int_equal(st.bbr.max_bw[0], 0);
	look_at(20, 20 * MSS);
	assert_pace(1, 22); /* the most of two cycles */
	probing();
	assert_int_equal(look_at(20, 25 * MSS), DOWN);
	assert_int_equal(look_at(23, 20 * MSS), UP);
	assert_pace(1.25, 23);
	assert_int_equal(look_at(23, 29 * MSS), DOWN);
	assert_int_equal(look_at(24, 20 * MSS), DOWN); /* that was not a tenth more */
	probing();
	assert_int_equal(look_at(20, 25 * MSS), DOWN);
	s.marked = 1;
	assert_int_equal(look_at(23, 20 * MSS), DOWN);
}

static void bandwidth_of_two_cycles_ago_is_forgotten(void **state)
{
	(void)state;
	probing();
	for (unsigned cycles = 0; cycles < 2; cycles++) {
		while (st.bbr.phase != DOWN)
			look_at(10, 25 * MSS);
		look_at(10, 20 * MSS);
		while (st.bbr.phase != UP)
			look_at(10, 10 * MSS);
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
	while (st.bbr.phase != CRUISE)
		look_at(20, (uint32_t)(0.85 * hi));
	assert_in_range(d.cwnd, 0.85 * hi - 1, 0.85 * hi); /* headroom for others */
	while (st.bbr.phase != REFILL)
		look_at(20, 11 * MSS);
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
	assert_int_equal(look_at(20, 25 * MSS), DOWN);
	while (st.bbr.phase != UP)
		look_at(20, 20 * MSS);
	s.cwnd_limited = true;
	st.bbr.hi = d.cwnd = 20 * MSS;
	look_at(20, 11 * MSS);
	assert_int_equal(st.bbr.hi, 21 * MSS); /* slowly, once more */
}

static void congestion_between_probes_bounds_until_the_next(void **state)
{
	(void)state;
	cruising_at(20);
	s.marked = 1;
	look_at(10, 18 * MSS);
	assert_in_range(d.cwnd, 0.7 * 42 * MSS - 1, 0.7 * 42 * MSS);
	assert_in_range(d.rate_bytes_s, 0.99 * 0.7 * (double)bw(20) - 2, 0.99 * 0.7 * (double)bw(20));
	look_at(19, 25 * MSS);
	assert_in_range(d.cwnd, 0.7 * 0.7 * 42 * MSS - 2, 0.7 * 0.7 * 42 * MSS);
	look_at(19, 25 * MSS);
	assert_int_equal(d.cwnd, 19 * MSS); /* what was delivered is not too much, */
	assert_pace(1, 19);
	look_at(19, 17 * MSS);
	assert_int_equal(d.cwnd, 17 * MSS); /* nor what is in the network */
	s.marked = 0;
	while (st.bbr.phase != REFILL)
		look_at(19, 17 * MSS);
	look_at(20, 17 * MSS);
	look_at(20, 17 * MSS);
	assert_true(d.cwnd > 40 * MSS);
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
		cruising_at(80);
		s.min_rtt_us = t[i].min_rtt_us;
		s.lost = t[i].lost * MSS;
		look_at(100 - t[i].lost, 80 * MSS);
		assert_int_equal(st.bbr.lo != UINT32_MAX, t[i].congested);
		cruising_at(80); /* a timeout sends all again, whatever of it was lost */
		s.lost = t[i].lost * MSS;
		s.timeouts = 1;
		look_at(100 - t[i].lost, 80 * MSS);
		assert_int_equal(st.bbr.lo, UINT32_MAX);
	}
}

/* Losses without a queue, while nothing probes, are of the path; with a queue more are borne then. */
static void losses_without_a_queue_are_the_paths(void **state)
{
	(void)state;
	cruising_at(95);
	s.lost = 5 * MSS;
	look_at(95, 95 * MSS);
	assert_in_range(st.bbr.noise * 1e6, 6249, 6250); /* an eighth of 5 % */
	for (unsigned i = 0; i < 30; i++)
		look_at(95, 95 * MSS);
	assert_in_range(st.bbr.noise * 1e6, 49000, 50000);
	s.min_rtt_us = RTT_US * 5 / 4;
	s.lost = 18 * MSS; /* of 100, 2 and 7.4 % are to be expected: 9.4 and three times 3.06 */
	look_at(82, 95 * MSS);
	assert_int_equal(st.bbr.lo, UINT32_MAX);
	s.lost = 19 * MSS;
	look_at(81, 95 * MSS);
	assert_int_not_equal(st.bbr.lo, UINT32_MAX);
	cruising_at(80);
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
	s.min_rtt_us = RTT_US + 50;
	while (look_at(20, 20 * MSS) != PROBE_RTT)
		;
	assert_in_range(s.now - since, 5 * NS_PER_SEC + 1, 5 * NS_PER_SEC + 20 * NS_PER_MS);
	assert_int_equal(d.cwnd, 10 * MSS); /* half the pipe, for 200 ms and a round trip */
	assert_pace(1, 20);
	for (unsigned i = 1; i < 11; i++)
		assert_int_equal(look_at(20, 10 * MSS), PROBE_RTT);
	assert_int_equal(look_at(20, 10 * MSS), CRUISE);
	assert_int_equal(st.bbr.min_rtt_us, RTT_US);
	s.min_rtt_us++; /* nothing as short is seen again: it is forgotten after ten seconds */
	while (s.now - NS_PER_SEC <= 10 * NS_PER_SEC) {
		assert_int_equal(st.bbr.min_rtt_us, RTT_US);
		look_at(20, 20 * MSS);
	}
	assert_in_range(st.bbr.min_rtt_us, RTT_US + 50, RTT_US + 51);
}

static void startup_goes_on_after_it(void **state)
{
	(void)state;
	begin();
	look_at(20, 20 * MSS);
	s.dry = true;
	s.min_rtt_us = RTT_US + 50;
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startup_finds_the_bandwidth_and_drain_empties_its_queue),
		cmocka_unit_test(a_lone_flow_fills_the_link_and_not_the_queue),
		cmocka_unit_test(steady_losses_are_not_taken_for_congestion),
		cmocka_unit_test(some_losses_in_a_short_round_are_not_congestion),
		cmocka_unit_test(rounds_are_of_several_round_trips_where_few_segments_are_under_way),
		cmocka_unit_test(a_pace_below_the_bandwidth_is_for_a_queue),
		cmocka_unit_test(a_buffer_that_overflows_bounds_what_is_in_flight),
		cmocka_unit_test(more_bandwidth_is_found_within_seconds),
		cmocka_unit_test(less_bandwidth_is_believed_within_two_probes),
		cmocka_unit_test(a_standing_queue_is_looked_behind),
		cmocka_unit_test(after_a_timeout_it_begins_with_a_segment_and_ends_with_the_model),
		cmocka_unit_test(it_begins_with_two_windows_in_a_round_trip),
		cmocka_unit_test(startup_ends_after_three_rounds_without_growth_by_a_quarter),
		cmocka_unit_test(startup_ends_with_congestion),
		cmocka_unit_test(drain_lasts_until_the_queue_is_gone),
		cmocka_unit_test(next_probe_comes_as_soon_as_reno_would_have_grown),
		cmocka_unit_test(a_probe_lasts_three_rounds_or_until_the_pipe_is_a_quarter_fuller),
		cmocka_unit_test(a_probe_that_found_more_is_repeated_at_once),
		cmocka_unit_test(bandwidth_of_two_cycles_ago_is_forgotten),
		cmocka_unit_test(congestion_of_a_probe_bounds_the_window_until_probes_raise_it),
		cmocka_unit_test(congestion_between_probes_bounds_until_the_next),
		cmocka_unit_test(few_losses_are_no_congestion),
		cmocka_unit_test(losses_without_a_queue_are_the_paths),
		cmocka_unit_test(rate_is_of_a_round_trip_and_no_more_than_was_sent),
		cmocka_unit_test(window_has_room_for_acknowledgements_that_come_at_once),
		cmocka_unit_test(least_round_trip_is_looked_for_every_five_seconds),
		cmocka_unit_test(startup_goes_on_after_it),
		cmocka_unit_test(neither_window_nor_pace_starve),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
