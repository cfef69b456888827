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
enum { CRUISE = 3 }; /* of cc_bbr.c */

struct path {
	double rate, rtt_s, buffer, loss; /* bytes/s; bytes */
	double inflight, acked, lost, sent, total, inflight_sum, seconds, max_inflight, min_inflight;
	uint64_t marked; /* of what is acknowledged in the next interval, bytes */
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
	s.marked = min_u64(p->marked, s.acked);
	s.lost = (uint64_t)p->lost;
	s.sent = (uint64_t)p->sent;
	s.srtt_us = (uint32_t)(rtt_s(p) * 1e6);
	s.min_rtt_us = (uint32_t)(least_s * 1e6);
	s.cwnd = p->d.cwnd;
	s.pipe = s.inflight = (uint32_t)p->inflight;
	s.cwnd_limited = p->inflight + MSS > p->d.cwnd;
	p->acked = p->lost = p->sent = 0;
	p->marked = 0;
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

/* RFC 3168 6.1.2: a mark comes back until the peer hears of the answer, with all that was sent before. */
static void marks_bound_it_once_for_each_window_of_data(void **state)
{
	struct path p = path_begin(100, 20, 10);
	uint64_t bw_lo;

	(void)state;
	for (run(&p, 2); p.st.bbr.phase != CRUISE;)
		look(&p);
	p.marked = 1;
	look(&p);
	assert_true(p.d.answers_marks);
	bw_lo = p.st.bbr.bw_lo;
	p.marked = (uint64_t)p.inflight; /* as much as there was when it was answered */
	look(&p);
	assert_false(p.d.answers_marks);
	assert_int_equal(p.st.bbr.bw_lo, bw_lo);
	p.marked = (uint64_t)p.inflight;
	look(&p);
	assert_true(p.d.answers_marks);
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
	while (p.st.bbr.phase != 3) /* when it cruises, what bounds it does so at once */
		look(&p);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(startup_finds_the_bandwidth_and_drain_empties_its_queue),
		cmocka_unit_test(a_lone_flow_fills_the_link_and_not_the_queue),
		cmocka_unit_test(marks_bound_it_once_for_each_window_of_data),
		cmocka_unit_test(steady_losses_are_not_taken_for_congestion),
		cmocka_unit_test(some_losses_in_a_short_round_are_not_congestion),
		cmocka_unit_test(rounds_are_of_several_round_trips_where_few_segments_are_under_way),
		cmocka_unit_test(a_pace_below_the_bandwidth_is_for_a_queue),
		cmocka_unit_test(a_buffer_that_overflows_bounds_what_is_in_flight),
		cmocka_unit_test(more_bandwidth_is_found_within_seconds),
		cmocka_unit_test(less_bandwidth_is_believed_within_two_probes),
		cmocka_unit_test(a_standing_queue_is_looked_behind),
		cmocka_unit_test(after_a_timeout_it_begins_with_a_segment_and_ends_with_the_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
