/* SPDX-License-Identifier: BSD-3-Clause */
/* test_cc_flow.c - from a flow's totals to an interval's sample, and the decision back into the flow. */
#include "slowpath/cc_flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { MSS = 1000 };

static struct flow f;
static struct flow_cold k;
static struct cc_flow c;

static int setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	memset(&k, 0, sizeof(k));
	f.mss = MSS;
	f.srtt_us = 500 << 3;
	k.delivered = 12345; /* the slot may have a past */
	k.timeouts = 7;
	cc_flow_init(&c, &f, &k, CC_NEWRENO, 10, NS_PER_SEC);
	f.flags = FLOW_CC_ACTIVE;
	return 0;
}

static void a_new_connection_has_the_initial_window_and_no_threshold(void **state)
{
	(void)state;
	assert_int_equal(f.cwnd, 10 * MSS);
	assert_int_equal(f.cc, CC_NEWRENO);
	assert_int_equal(f.pace_q16, 0);
	assert_int_equal(k.ssthresh, CC_SSTHRESH_NONE);
	assert_int_equal(k.beta_q8, cc_newreno.beta_q8);
	assert_int_equal(k.min_rtt_us, UINT32_MAX);
}

static void the_interval_is_half_a_round_trip_but_not_less_than_configured(void **state)
{
	(void)state;
	cc_flow_wake(&c, &f, &k, 5 * NS_PER_SEC);
	f.cwnd = 17 * MSS;
	assert_true(cc_flow_due(&c, &f, 100 * NS_PER_US) == 5 * NS_PER_SEC + 250 * NS_PER_US);
	f.cwnd = 16 * MSS; /* of a small window, a quarter */
	assert_true(cc_flow_due(&c, &f, 100 * NS_PER_US) == 5 * NS_PER_SEC + 125 * NS_PER_US);
	f.flags |= FLOW_ECN; /* marks are answered as soon */
	assert_true(cc_flow_due(&c, &f, 100 * NS_PER_US) == 5 * NS_PER_SEC + 125 * NS_PER_US);
	assert_true(cc_flow_due(&c, &f, 10 * NS_PER_MS) == 5 * NS_PER_SEC + 10 * NS_PER_MS);
	f.srtt_us = 0;
	assert_true(cc_flow_due(&c, &f, 200 * NS_PER_US) == 5 * NS_PER_SEC + 200 * NS_PER_US);
}

static void each_byte_counts_once(void **state)
{
	(void)state;
	k.delivered += 4 * MSS;
	f.flags |= FLOW_CWND_LIMITED;
	assert_true(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC));
	assert_int_equal(f.cwnd, 14 * MSS);
	k.delivered += 1;
	f.flags |= FLOW_CWND_LIMITED;
	assert_true(cc_flow_update(&c, &f, &k, 3 * NS_PER_SEC));
	assert_int_equal(f.cwnd, 14 * MSS + 1);
}

static void what_the_fast_path_notes_for_an_interval_is_taken_and_cleared(void **state)
{
	(void)state;
	k.delivered += 4 * MSS;
	k.min_rtt_us = 480;
	assert_false(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC)); /* not limited by the window: */
	assert_false(f.flags & FLOW_CC_ACTIVE);
	assert_int_equal(f.cwnd, 10 * MSS);
	assert_int_equal(k.min_rtt_us, UINT32_MAX);
	f.flags |= FLOW_CWND_LIMITED;
	k.delivered += MSS;
	assert_true(cc_flow_update(&c, &f, &k, 3 * NS_PER_SEC));
	assert_false(f.flags & FLOW_CWND_LIMITED);
	assert_true(c.since == 3 * NS_PER_SEC);
}

static void what_the_window_limited_a_round_trip_ago_still_counts(void **state)
{
	(void)state;
	f.flags |= FLOW_CWND_LIMITED;
	k.delivered += MSS;
	assert_true(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC));
	k.delivered += MSS;
	assert_true(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC + 250 * NS_PER_US));
	assert_int_equal(f.cwnd, 12 * MSS);
	k.delivered += MSS;
	assert_false(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC + 501 * NS_PER_US));
	assert_int_equal(f.cwnd, 12 * MSS);
}

/* A small window is sent and acknowledged in bursts, with looks between them that find nothing. */
static void between_two_bursts_of_a_full_window_a_flow_is_not_forgotten(void **state)
{
	tas_ns now = 2 * NS_PER_SEC;

	(void)state;
	k.delivered += 4 * MSS;
	f.flags |= FLOW_CWND_LIMITED;
	f.tx_inflight = 4 * MSS;
	assert_true(cc_flow_update(&c, &f, &k, now));
	assert_int_equal(f.cwnd, 14 * MSS);
	assert_true(cc_flow_update(&c, &f, &k, now + 200 * NS_PER_US));
	assert_true(cc_flow_due(&c, &f, NS_PER_US) > now + 200 * NS_PER_US);
	assert_true(cc_flow_update(&c, &f, &k, now + 400 * NS_PER_US));
	assert_true(f.flags & FLOW_CC_ACTIVE);
	k.delivered += 3 * MSS;
	assert_true(cc_flow_update(&c, &f, &k, now + 500 * NS_PER_US));
	assert_int_equal(f.cwnd, 17 * MSS);
	/* but what is silent for longer waits for a timer */
	assert_false(cc_flow_update(&c, &f, &k, now + 5 * NS_PER_MS));
	assert_false(f.flags & FLOW_CC_ACTIVE);
}

static void a_flow_to_which_nothing_happened_is_idle(void **state)
{
	(void)state;
	f.flags |= FLOW_CWND_LIMITED;
	assert_false(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC));
	assert_false(f.flags & FLOW_CC_ACTIVE);
	assert_true(f.flags & FLOW_CWND_LIMITED);
	assert_int_equal(f.cwnd, 10 * MSS);
	k.delivered += 5 * MSS; /* what came while nobody looked */
	k.cc_from = k.delivered;
	k.delivered += MSS; /* the acknowledgement that wakes it is of the next interval */
	cc_flow_wake(&c, &f, &k, 10 * NS_PER_SEC);
	assert_true(cc_flow_update(&c, &f, &k, 10 * NS_PER_SEC + NS_PER_MS));
	assert_int_equal(f.cwnd, 11 * MSS);
}

static void a_timeout_is_seen_once_and_slow_start_goes_on_without_being_asked(void **state)
{
	(void)state;
	f.cwnd = MSS;
	k.ssthresh = 5 * MSS;
	k.timeouts++;
	f.flags |= FLOW_LOSS;
	assert_true(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC));
	assert_int_equal(f.cwnd, MSS);
	k.delivered += MSS;
	assert_true(cc_flow_update(&c, &f, &k, 3 * NS_PER_SEC));
	assert_int_equal(f.cwnd, 2 * MSS);
}

static void what_is_acknowledged_after_a_timeout_grows_the_window_at_once(void **state)
{
	(void)state;
	f.cwnd = MSS;
	k.ssthresh = 5 * MSS;
	k.delivered += 3 * MSS; /* before the timer expired */
	k.timeouts++;
	k.timeout_delivered = k.delivered;
	k.delivered += MSS; /* after it, in the same interval */
	f.flags |= FLOW_LOSS;
	assert_true(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC));
	assert_int_equal(f.cwnd, 2 * MSS);
}

/* As the fast path begins and ends fast recovery, but for the window. */
static void recovery(bool begins)
{
	if (begins) {
		k.recovery_from = k.delivered;
		k.steady_delivered = k.delivered - k.recovery_delivered;
		k.recoveries++;
		f.flags |= FLOW_RECOVERY;
	} else {
		k.recovery_delivered += k.delivered - k.recovery_from;
		f.flags &= ~(uint32_t)FLOW_RECOVERY;
	}
	k.ssthresh = f.cwnd * 4;
}

static bool update(unsigned s)
{
	f.flags |= FLOW_CWND_LIMITED;
	return cc_flow_update(&c, &f, &k, s * NS_PER_SEC);
}

static void what_was_taken_back_did_not_happen(void **state)
{
	(void)state;
	recovery(true);
	k.ssthresh = 5 * MSS;
	k.timeouts++;
	k.delivered += 21 * MSS;
	k.timeout_delivered = k.delivered;
	k.undone++;
	k.undone_of = k.recoveries + k.timeouts;
	f.flags &= ~(uint32_t)FLOW_RECOVERY;
	assert_true(update(2));
	assert_int_equal(f.cwnd, 12 * MSS); /* avoidance, of all that was acknowledged */
	recovery(true);                     /* and what did happen since, counts */
	k.undone++;
	k.delivered += 20 * MSS;
	recovery(false);
	assert_true(update(3));
	assert_int_equal(f.cwnd, 12 * MSS);
}

static void what_was_deemed_lost_in_vain_is_no_loss(void **state)
{
	(void)state;
	cc_flow_switch(&c, &f, &k, CC_BBR, NS_PER_SEC);
	k.recoveries++;
	k.lost += 5 * MSS;
	k.delivered += 10 * MSS;
	k.undone++;
	k.undone_of = k.recoveries + k.timeouts;
	assert_true(update(2));
	assert_true(c.state.bbr.judged == 10 && c.state.bbr.judged_lost == 0);
	k.recoveries++;
	k.lost += 5 * MSS;
	k.delivered += 5 * MSS;
	assert_true(update(3));
	assert_true(c.state.bbr.judged == 20 && c.state.bbr.judged_lost == 5);
}

/* A recovery over several visits, and then it was in vain: all of the last one grows the window. */
static void what_a_recovery_in_vain_delivered_grows_the_window(void **state)
{
	(void)state;
	recovery(true);
	k.delivered += 4 * MSS;
	assert_true(update(2));
	assert_int_equal(f.cwnd, 10 * MSS);
	k.delivered += 3 * MSS;
	k.undone++;
	k.undone_of = k.recoveries + k.timeouts;
	f.flags &= ~(uint32_t)FLOW_RECOVERY;
	assert_true(update(3));
	assert_int_equal(f.cwnd, 13 * MSS);
	k.delivered += MSS;
	assert_true(update(4));
	assert_int_equal(f.cwnd, 14 * MSS);
}

static void during_recovery_the_window_stays(void **state)
{
	(void)state;
	recovery(true);
	k.delivered += 4 * MSS;
	assert_true(update(2));
	assert_int_equal(f.cwnd, 10 * MSS);
}

/* Slow start, which grows by each byte: of 16 segments acknowledged before the recovery, 4 are left of (with
 * newreno's half); of the 8 during it, none; of the 2 after it, all. However many visits there are. */
static void only_what_recovery_did_not_deliver_grows_the_window(void **state)
{
	(void)state;
	for (unsigned visits = 0; visits < 4; visits++) {
		setup(NULL);
		k.delivered += 16 * MSS;
		recovery(true);
		k.delivered += 4 * MSS;
		if (visits & 1)
			assert_true(update(2));
		k.delivered += 4 * MSS;
		if (visits & 2)
			assert_true(update(3));
		assert_int_equal(f.cwnd, 10 * MSS);
		recovery(false);
		k.delivered += 2 * MSS;
		assert_true(update(4));
		assert_int_equal(f.cwnd, (10 + 4 + 2) * MSS);
		k.delivered += MSS;
		assert_true(update(5));
		assert_int_equal(f.cwnd, (10 + 4 + 2 + 1) * MSS);
	}
}

/* A visit in recovery that finds nothing acknowledged ends the looking; what wakes it again is delivered by
 * then. */
static void a_flow_that_was_idle_in_recovery_grows_by_no_more_than_was_acknowledged(void **state)
{
	(void)state;
	recovery(true);
	k.delivered += 2 * MSS;
	assert_true(update(2));
	assert_false(update(3));
	k.delivered += 3 * MSS; /* SACKed */
	k.cc_from = k.delivered;
	cc_flow_wake(&c, &f, &k, 4 * NS_PER_SEC);
	k.delivered += MSS;
	assert_true(update(5));
	recovery(false);
	k.delivered += MSS;
	assert_true(update(6));
	assert_int_equal(f.cwnd, 11 * MSS);
}

static void marks_reduce_the_flow(void **state)
{
	(void)state;
	k.delivered += 4 * MSS;
	k.marked += MSS;
	assert_true(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC));
	assert_int_equal(f.cwnd, 5 * MSS);
	assert_int_equal(k.ssthresh, 5 * MSS);
}

static void the_pace_is_set_with_the_window(void **state)
{
	(void)state;
	f.srtt_us = 10000 << 3;
	k.delivered += MSS;
	f.cwnd = 21 * MSS;
	assert_false(cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC)); /* the application is the limit, and yet: */
	assert_int_equal(f.pace_q16, cc_pace_q16(21 * MSS * 100 * 2)); /* slow start: two windows in 10 ms */
	k.delivered += MSS;
	f.cwnd = 20 * MSS;
	cc_flow_update(&c, &f, &k, 2 * NS_PER_SEC);
	assert_int_equal(f.pace_q16, 0); /* so much may go at once */
	f.cwnd = 21 * MSS;
	f.srtt_us = 100 << 3;
	k.delivered += MSS;
	cc_flow_update(&c, &f, &k, 3 * NS_PER_SEC);
	assert_int_equal(f.pace_q16, 0);
}

/* cc_decision.step_after: from the totals to the fast path, and what it did. */
static void the_next_segment_of_a_window_in_avoidance_is_left_to_the_fast_path(void **state)
{
	(void)state;
	f.flags |= FLOW_CWND_LIMITED;
	k.ssthresh = 10 * MSS;
	k.delivered += 3 * MSS;
	assert_true(update(2));
	assert_true(k.step_at == k.delivered + 7 * MSS);
	f.cwnd += MSS; /* as the fast path does then */
	k.step_at = 0;
	k.delivered += 9 * MSS;
	f.flags |= FLOW_CWND_LIMITED;
	assert_true(update(3));
	assert_int_equal(f.cwnd, 11 * MSS);
	assert_true(k.step_at == k.delivered + (11 - 2) * MSS);
	k.step_at = 0; /* done, and then the application was the limit: booked all the same */
	f.cwnd += MSS;
	k.delivered += MSS;
	c.limited_at = 0;
	f.flags &= ~(uint32_t)FLOW_CWND_LIMITED;
	cc_flow_update(&c, &f, &k, 4 * NS_PER_SEC);
	assert_int_equal(c.state.newreno.acked, 0);
	assert_int_equal(k.step_at, UINT64_MAX);
}

static void what_a_loss_prevented_was_no_step(void **state)
{
	(void)state;
	f.flags |= FLOW_CWND_LIMITED;
	k.ssthresh = 10 * MSS;
	k.delivered += 3 * MSS;
	assert_true(update(2));
	recovery(true);
	k.step_at = UINT64_MAX;
	recovery(false);
	k.ssthresh = f.cwnd;
	k.delivered += 4 * MSS;
	f.flags |= FLOW_CWND_LIMITED;
	assert_true(update(3));
	assert_int_equal(c.state.newreno.acked, 4 * MSS);
}

/* The delivery rate's time is from one delivery to another, and not from one visit to another. */
static void the_rate_is_of_the_time_between_deliveries(void **state)
{
	const struct cc_bbr_state *b = &c.state.bbr;

	(void)state;
	f.srtt_us = 10000 << 3;
	cc_flow_switch(&c, &f, &k, CC_BBR, NS_PER_SEC);
	k.delivered += 10 * MSS;
	k.bytes_out += 10 * MSS;
	k.delivered_us = 1010000;
	assert_true(cc_flow_update(&c, &f, &k, NS_PER_SEC + 12 * NS_PER_MS));
	assert_int_equal(b->max_bw[0], 1000000);
	k.delivered += 20 * MSS;
	k.bytes_out += 20 * MSS;
	k.delivered_us = 1020000;
	assert_true(cc_flow_update(&c, &f, &k, NS_PER_SEC + 22 * NS_PER_MS));
	assert_int_equal(b->max_bw[0], 2000000);
	assert_int_equal(b->prior_bytes, 20 * MSS);
	assert_int_equal(b->sent_rate, 2000000);
	assert_true(cc_flow_due(&c, &f, 0) == NS_PER_SEC + 22 * NS_PER_MS + c.interval_us * NS_PER_US);
	k.lost += MSS; /* nothing is delivered: no sample */
	assert_true(cc_flow_update(&c, &f, &k, NS_PER_SEC + 32 * NS_PER_MS));
	assert_int_equal(b->prior_us, 10000);
	k.bytes_out += 500 * MSS; /* while nobody looked */
	k.delivered += 500 * MSS;
	k.cc_from = k.delivered;
	cc_flow_wake(&c, &f, &k, 10 * NS_PER_SEC); /* the time in which it was idle is not counted */
	k.delivered += 5 * MSS;
	k.bytes_out += 5 * MSS;
	k.delivered_us = 10005000;
	cc_flow_update(&c, &f, &k, 10 * NS_PER_SEC + 10 * NS_PER_MS);
	assert_int_equal(b->prior_us, 5000);
	assert_int_equal(b->prior_bytes, 5 * MSS);
	assert_int_equal(b->sent_rate, 500000);
	k.delivered += MSS;
	k.delivered_us = 10004000; /* by a core with a younger clock */
	cc_flow_update(&c, &f, &k, 10 * NS_PER_SEC + 20 * NS_PER_MS);
	assert_int_equal(b->prior_us, 5000);
}

static void acknowledged_of(uint64_t bytes, tas_ns at)
{
	k.delivered += bytes;
	k.bytes_out += bytes;
	k.delivered_us = (uint32_t)(at / NS_PER_US);
	assert_true(cc_flow_update(&c, &f, &k, at));
}

/* Eight times in a round trip, as long as the window is the limit; each byte counts once here, too. */
static void a_window_in_slow_start_grows_between_looks(void **state)
{
	const tas_ns begin = NS_PER_SEC, ms = NS_PER_MS;
	uint64_t pace;

	(void)state;
	f.srtt_us = 8000 << 3;
	k.min_rtt_us = 8000;
	cc_flow_switch(&c, &f, &k, CC_BBR, begin);
	acknowledged_of(10 * MSS, begin + 8 * ms);
	assert_true(cc_flow_due(&c, &f, 0) == begin + 12 * ms); /* not the limit */
	f.flags |= FLOW_CWND_LIMITED;
	acknowledged_of(20 * MSS, begin + 16 * ms);
	assert_int_equal(f.cwnd, 40 * MSS);
	assert_int_equal(c.grows_to, 40 * MSS); /* two products of 20 a round trip */
	f.cwnd = 30 * MSS;
	pace = f.pace_q16;
	assert_true(cc_flow_due(&c, &f, 0) == begin + 17 * ms);
	acknowledged_of(2 * MSS, begin + 17 * ms);
	assert_int_equal(f.cwnd, 32 * MSS);
	assert_in_range(f.pace_q16, pace * 30 / 32 - 1, pace * 30 / 32);
	acknowledged_of(3 * MSS, begin + 18 * ms);
	assert_int_equal(f.cwnd, 35 * MSS);
	acknowledged_of(6 * MSS, begin + 19 * ms);
	assert_int_equal(f.cwnd, 40 * MSS);
	assert_int_equal(c.since, begin + 16 * ms);
	assert_true(cc_flow_due(&c, &f, 0) == begin + 20 * ms);
	f.flags |= FLOW_CWND_LIMITED;
	acknowledged_of(9 * MSS, begin + 20 * ms);
	assert_int_equal(c.since, begin + 20 * ms); /* a look: 20 in half a round trip, 10 grown before */
	assert_int_equal(f.cwnd, 50 * MSS);
	c.grows_to = 51 * MSS;
	acknowledged_of(5 * MSS, begin + 21 * ms);
	assert_int_equal(f.cwnd, 51 * MSS);
	assert_true(cc_flow_due(&c, &f, 0) == begin + 24 * ms); /* the rest of the interval, and no more */
	c.grows_to = 100 * MSS;
	f.cwnd = MSS; /* by a timeout */
	k.timeouts++;
	acknowledged_of(MSS, begin + 22 * ms);
	assert_int_equal(f.cwnd, MSS);
}

/* Of newreno, which leaves the length of intervals to us. From the first acknowledgement on. */
static void grows_between_looks(uint32_t acked, tas_ns begin)
{
	f.srtt_us = 8000 << 3;
	f.flags |= FLOW_CWND_LIMITED;
	k.cc_from = k.delivered;
	cc_flow_wake(&c, &f, &k, begin);
	assert_true(cc_flow_due(&c, &f, 0) == begin + NS_PER_MS);
	acknowledged_of(acked, begin + NS_PER_MS);
	assert_int_equal(f.cwnd, 10 * MSS + acked);
	assert_true(c.since == begin);
	f.flags |= FLOW_CWND_LIMITED;
}

static void slow_start_grows_between_looks_and_each_byte_once(void **state)
{
	(void)state;
	grows_between_looks(6 * MSS, 2 * NS_PER_SEC);
	assert_true(cc_flow_due(&c, &f, 0) == 2 * NS_PER_SEC + 2 * NS_PER_MS); /* a quarter of a round trip */
	acknowledged_of(3 * MSS, 2 * NS_PER_SEC + 2 * NS_PER_MS);
	assert_true(c.since == 2 * NS_PER_SEC + 2 * NS_PER_MS);
	assert_int_equal(f.cwnd, 19 * MSS);
	f.flags |= FLOW_ECN | FLOW_CWND_LIMITED;
	assert_int_equal(f.pace_q16, 0);
	acknowledged_of(2 * MSS, 2 * NS_PER_SEC + 3 * NS_PER_MS);
	assert_true(f.pace_q16 > 0); /* more than 20 segments */
	assert_true(c.since == 2 * NS_PER_SEC + 2 * NS_PER_MS);
	assert_int_equal(f.cwnd, 21 * MSS);
	k.marked += MSS; /* less is wanted */
	acknowledged_of(2 * MSS, 2 * NS_PER_SEC + 4 * NS_PER_MS);
	assert_int_equal(f.cwnd, 21 * MSS);
}

static void what_grew_before_a_reduction_is_no_part_of_what_came_after(void **state)
{
	(void)state;
	grows_between_looks(6 * MSS, 2 * NS_PER_SEC);
	f.cwnd = MSS; /* a timeout, after two more */
	k.ssthresh = 8 * MSS;
	k.timeouts++;
	k.timeout_delivered = k.delivered += 2 * MSS;
	k.delivered += 3 * MSS;
	f.flags |= FLOW_CWND_LIMITED;
	assert_true(update(3));
	assert_int_equal(f.cwnd, 4 * MSS);
	assert_true(setup(NULL) == 0);
	grows_between_looks(6 * MSS, 2 * NS_PER_SEC);
	f.cwnd = k.ssthresh = 8 * MSS; /* a recovery that is over, and a window since */
	k.recoveries++;
	k.steady_delivered = k.recovery_from = k.delivered;
	k.recovery_delivered = 4 * MSS;
	k.delivered += 4 * MSS + 8 * MSS;
	f.flags |= FLOW_CWND_LIMITED;
	assert_true(update(3));
	assert_int_equal(f.cwnd, 9 * MSS);
}

static void who_comes_after_const_rate_begins_with_a_window(void **state)
{
	(void)state;
	cc_flow_switch(&c, &f, &k, CC_CONST_RATE, NS_PER_SEC);
	f.cwnd = CC_CWND_MAX;
	f.tx_inflight = 7 * MSS;
	cc_flow_switch(&c, &f, &k, CC_NEWRENO, NS_PER_SEC);
	assert_int_equal(f.cwnd, 10 * MSS);
	f.cwnd = CC_CWND_MAX;
	f.tx_inflight = 70 * MSS;
	cc_flow_switch(&c, &f, &k, CC_CUBIC, NS_PER_SEC);
	assert_int_equal(f.cwnd, 70 * MSS);
	cc_flow_switch(&c, &f, &k, CC_CONST_RATE, NS_PER_SEC);
	f.cwnd = k.ssthresh = k.undo.cwnd = CC_CWND_MAX;
	f.tx_inflight = 30 * MSS;
	f.flags |= FLOW_RECOVERY; /* that ends with a window, too, and so does what takes it back */
	cc_flow_switch(&c, &f, &k, CC_NEWRENO, NS_PER_SEC);
	assert_int_equal(f.cwnd, 30 * MSS);
	assert_int_equal(k.ssthresh, 30 * MSS);
	assert_int_equal(k.undo.cwnd, 30 * MSS);
}

static void the_pace_is_the_slowest_that_is_wanted(void **state)
{
	(void)state;
	c.const_bytes_s = 1000000;
	cc_flow_switch(&c, &f, &k, CC_CONST_RATE, NS_PER_SEC);
	assert_int_equal(f.pace_q16, cc_pace_q16(1000000));
	assert_int_equal(f.cwnd, CC_CWND_MAX);
	c.max_bytes_s = 500000; /* the application's word counts, */
	cc_flow_pace(&c, &f, &k);
	assert_int_equal(f.pace_q16, cc_pace_q16(500000));
	assert_int_equal(k.pace_slow_ns, 1 << 16);
	c.max_bytes_s = 10000; /* also if that is slower than the field can say */
	cc_flow_pace(&c, &f, &k);
	assert_int_equal(f.pace_q16, UINT32_MAX);
	assert_int_equal(k.pace_slow_ns, 100000);
	c.max_bytes_s = 0;
	cc_flow_pace(&c, &f, &k);
	assert_int_equal(f.pace_q16, cc_pace_q16(1000000));
	c.max_bytes_s = 2000000; /* others are only bounded by it */
	cc_flow_switch(&c, &f, &k, CC_NEWRENO, NS_PER_SEC);
	assert_int_equal(f.pace_q16, cc_pace_q16(2000000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_new_connection_has_the_initial_window_and_no_threshold, setup),
		cmocka_unit_test_setup(the_interval_is_half_a_round_trip_but_not_less_than_configured, setup),
		cmocka_unit_test_setup(each_byte_counts_once, setup),
		cmocka_unit_test_setup(what_the_fast_path_notes_for_an_interval_is_taken_and_cleared, setup),
		cmocka_unit_test_setup(what_the_window_limited_a_round_trip_ago_still_counts, setup),
		cmocka_unit_test_setup(between_two_bursts_of_a_full_window_a_flow_is_not_forgotten, setup),
		cmocka_unit_test_setup(a_flow_to_which_nothing_happened_is_idle, setup),
		cmocka_unit_test_setup(a_timeout_is_seen_once_and_slow_start_goes_on_without_being_asked,
			setup),
		cmocka_unit_test_setup(what_is_acknowledged_after_a_timeout_grows_the_window_at_once, setup),
		cmocka_unit_test_setup(what_was_taken_back_did_not_happen, setup),
		cmocka_unit_test_setup(what_was_deemed_lost_in_vain_is_no_loss, setup),
		cmocka_unit_test_setup(what_a_recovery_in_vain_delivered_grows_the_window, setup),
		cmocka_unit_test_setup(during_recovery_the_window_stays, setup),
		cmocka_unit_test_setup(only_what_recovery_did_not_deliver_grows_the_window, setup),
		cmocka_unit_test_setup(
			a_flow_that_was_idle_in_recovery_grows_by_no_more_than_was_acknowledged, setup),
		cmocka_unit_test_setup(marks_reduce_the_flow, setup),
		cmocka_unit_test_setup(the_pace_is_set_with_the_window, setup),
		cmocka_unit_test_setup(the_next_segment_of_a_window_in_avoidance_is_left_to_the_fast_path,
			setup),
		cmocka_unit_test_setup(what_a_loss_prevented_was_no_step, setup),
		cmocka_unit_test_setup(the_rate_is_of_the_time_between_deliveries, setup),
		cmocka_unit_test_setup(a_window_in_slow_start_grows_between_looks, setup),
		cmocka_unit_test_setup(slow_start_grows_between_looks_and_each_byte_once, setup),
		cmocka_unit_test_setup(what_grew_before_a_reduction_is_no_part_of_what_came_after, setup),
		cmocka_unit_test_setup(who_comes_after_const_rate_begins_with_a_window, setup),
		cmocka_unit_test_setup(the_pace_is_the_slowest_that_is_wanted, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
