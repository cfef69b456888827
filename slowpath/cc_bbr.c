/* SPDX-License-Identifier: BSD-3-Clause */
/* cc_bbr.c - BBR, version 3 (draft-ietf-ccwg-bbr): a model of the path, of the most that it delivered lately
 * and the least round trip, says how fast to send and how much may be in flight; losses and marks bound it.
 *
 *   STARTUP -> DRAIN -> DOWN -> CRUISE -> REFILL -> UP -> DOWN ...        any -> PROBE_RTT -> CRUISE
 *
 * Names, gains and times are the draft's. What differs, and why:
 *   - it looks once a round trip (twice in startup), not at each acknowledgement: a look is a round. The
 *     result of a probe is what the round after it delivered. A probe that found more is repeated at once.
 *   - a loss is of congestion only beyond what the path loses anyway: noise, measured in rounds in which
 *     nothing was queued. The draft's bounds would give the rate away at steady losses above 2 %, where
 *     Linux's BBR (version 1) keeps it; so neither they nor an end of startup come from such losses.
 *   - probes come 2 to 3 s apart by a number made of times and counts, for nothing here draws lots. */
#include <math.h>
#include <stddef.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"

enum bbr_phase { BBR_STARTUP, BBR_DRAIN, BBR_DOWN, BBR_CRUISE, BBR_REFILL, BBR_UP, BBR_PROBE_RTT };

enum {
	BBR_FLOOR_SEGMENTS = 4,
	BBR_FULL_ROUNDS = 3, /* without growth by a quarter: the pipe is full */
	BBR_DRAIN_ROUNDS_MAX = 8,
	BBR_RENO_ROUNDS_MIN = 16,
	BBR_RENO_ROUNDS_MAX = 63,
	BBR_EXTRA_SPAN = 5, /* rounds */
	BBR_JUDGED_SEGMENTS = 32,
	BBR_ROUND_SEGMENTS = 16,
	BBR_ROUND_TRIPS = 8,
	BBR_UNDO_LOOKS = 4,      /* after a recovery it may still prove to have been in vain */
	BBR_AFTERMATH_TRIPS = 2, /* what was sent is lost, and what was sent again for it, is known by then */
	BBR_QUEUE_US = 100,      /* round trips that differ by less say nothing of a queue */
};

#define BBR_MIN_RTT_NS (10 * NS_PER_SEC)
#define BBR_PROBE_RTT_NS (5 * NS_PER_SEC)
#define BBR_PROBE_RTT_FOR_NS (200 * NS_PER_MS)
#define BBR_WAIT_US 2000000 /* and up to half of it more */
#define BBR_NONE UINT32_MAX
#define BBR_BW_NONE UINT64_MAX

/* Of pace and window by phase; a probe's window leaves room for what the pace adds. */
static const struct {
	double pace, cwnd;
} bbr_gain[] = {
	[BBR_STARTUP] = { 2.77, 2 },
	[BBR_DRAIN] = { 0.5, 2 },
	[BBR_DOWN] = { 0.9, 2 },
	[BBR_CRUISE] = { 1, 2 },
	[BBR_REFILL] = { 1, 2 },
	[BBR_UP] = { 1.25, 2.25 },
	[BBR_PROBE_RTT] = { 1, 0.5 },
};

static const double BBR_BETA = 0.7, BBR_HEADROOM = 0.85, BBR_MARGIN = 0.99, BBR_LOSS = 0.02,
		    BBR_LOSS_UNQUEUED = 0.1, BBR_NOISE_MAX = 0.1, BBR_NOISE_GAIN = 1.0 / 8;

/* What one look says. */
struct bbr_round {
	uint64_t bw;    /* delivered a second; 0 = not known */
	double loss;    /* of what left the network */
	bool queued;    /* round trips are above the least even at best */
	bool marked;    /* marks that no earlier look answered */
	bool congested; /* these, or losses that are of congestion */
	bool is_whole;  /* a round trip is over */
};

static void bbr_init(struct cc_state *st)
{
	st->bbr = (struct cc_bbr_state){
		.bw_lo = BBR_BW_NONE,
		.min_rtt_us = BBR_NONE,
		.low_rtt_us = BBR_NONE,
		.hi = BBR_NONE,
		.lo = BBR_NONE,
	};
}

/* --- the model --- */

static uint64_t bbr_max_bw(const struct cc_bbr_state *b) { return max_u64(b->max_bw[0], b->max_bw[1]); }
static uint64_t bbr_bw(const struct cc_bbr_state *b) { return min_u64(bbr_max_bw(b), b->bw_lo); }

/* `gain` products of bandwidth and least round trip, in bytes. */
static uint32_t bbr_bdp(const struct cc_bbr_state *b, uint64_t bw, double gain)
{
	return b->min_rtt_us == BBR_NONE
		? 0
		: cc_clamp_cwnd((uint64_t)(gain * (double)bw * b->min_rtt_us / 1e6), 0);
}

/* The same of the most that was delivered, for comparison with what is in the network: segments are whole. */
static uint32_t bbr_inflight(const struct cc_bbr_state *b, const struct cc_sample *s, double gain)
{
	return bbr_bdp(b, bbr_max_bw(b), gain) + 2 * s->mss;
}

static bool bbr_in_startup(const struct cc_bbr_state *b) { return b->phase == BBR_STARTUP; }

static void bbr_enter(struct cc_bbr_state *b, enum bbr_phase phase, tas_ns now)
{
	b->phase = phase;
	b->phase_at = now;
	b->rounds = 0;
}

/* Delivered a second, over a round trip or more; no more than was sent a second in this interval or the one
 * before, for acknowledgements may have been held up and come at once. */
static uint64_t bbr_delivery_rate(struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint64_t bytes = s->rate_bytes, us = s->rate_us, sent_rate, rate;

	if (us == 0)
		return 0;
	if (us < s->srtt_us) {
		bytes += b->prior_bytes;
		us += b->prior_us;
	}
	b->prior_bytes = (uint32_t)min_u64(s->rate_bytes, UINT32_MAX);
	b->prior_us = (uint32_t)min_u64(s->rate_us, UINT32_MAX);
	rate = bytes * 1000000 / us;
	sent_rate = s->interval_ns > 0 ? s->sent * NS_PER_SEC / s->interval_ns : 0;
	if (b->sent_rate > 0)
		rate = min_u64(rate, max_u64(sent_rate, b->sent_rate));
	b->sent_rate = sent_rate;
	return rate;
}

/* The least round trip, over ten seconds; and over five, after which it is measured with half a window. */
static void bbr_rtt(struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint64_t segment_us = s->mss * 1000000ull / max_u64(bbr_bw(b), 1);

	b->stands = s->min_rtt_us != BBR_NONE &&
		s->min_rtt_us > b->low_rtt_us + max_u64(b->low_rtt_us / 32, segment_us);
	if (s->min_rtt_us != BBR_NONE && !b->stands) {
		b->low_rtt_us = min_u32(b->low_rtt_us, s->min_rtt_us);
		b->low_rtt_at = s->now;
	}
	if (b->low_rtt_us < b->min_rtt_us ||
		(b->low_rtt_us != BBR_NONE && s->now - b->min_rtt_at > BBR_MIN_RTT_NS)) {
		b->min_rtt_us = b->low_rtt_us;
		b->min_rtt_at = b->low_rtt_at;
	}
}

/* How much more was acknowledged at once than the bandwidth explains: the window leaves room for it. */
static void bbr_aggregation(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	uint64_t expected = bbr_bw(b) * s->interval_ns / NS_PER_SEC;
	uint64_t extra = s->acked > expected ? s->acked - expected : 0;

	if (r->is_whole && ++b->extra_age >= BBR_EXTRA_SPAN) {
		b->extra_age = 0;
		b->extra[1] = b->extra[0];
		b->extra[0] = 0;
	}
	b->extra[0] = max_u32(b->extra[0], (uint32_t)min_u64(extra, s->cwnd));
}

static void bbr_noise(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	bool calm = b->phase == BBR_DOWN || b->phase == BBR_CRUISE || b->phase == BBR_REFILL;

	if (!calm || r->queued || s->timeouts > 0 || s->marked > 0 || r->loss > BBR_LOSS_UNQUEUED)
		return;
	b->noise += (float)(BBR_NOISE_GAIN * (r->loss - b->noise));
	b->noise = b->noise < BBR_NOISE_MAX ? b->noise : (float)BBR_NOISE_MAX;
}

/* Are there more losses than such a chance explains? By three standard deviations, and of so many segments
 * that this means something: of the few of a short round many are lost now and then, and there are thousands
 * of such rounds a second. */
static bool bbr_too_many(struct cc_bbr_state *b, const struct cc_sample *s, double chance)
{
	double lost, expected;

	b->judged += (float)(s->acked + s->lost) / (float)s->mss;
	b->judged_lost += (float)s->lost / (float)s->mss;
	if (b->judged < BBR_JUDGED_SEGMENTS)
		return false;
	lost = b->judged_lost;
	expected = chance * b->judged;
	b->judged = b->judged_lost = 0;
	return lost > expected + 3 * sqrt(expected);
}

/* Once for each window of data: the peer repeats a mark until it hears of the answer, a round trip long (RFC
 * 3168 6.1.2). Before a probe none is given; the probe ends with the first that comes. */
static bool bbr_marked(struct cc_bbr_state *b, const struct cc_sample *s)
{
	if (b->phase != BBR_REFILL)
		return cc_marks_are_new(s, &b->marks);
	cc_marks_pass(s, &b->marks);
	return false;
}

static struct bbr_round bbr_look(struct cc_bbr_state *b, const struct cc_sample *s)
{
	struct bbr_round r = { .bw = bbr_delivery_rate(b, s) };
	double gone = (double)(s->acked + s->lost), limit;

	r.loss = gone > 0 ? (double)s->lost / gone : 0;
	bbr_rtt(b, s);
	r.queued = s->min_rtt_us != BBR_NONE && b->min_rtt_us != BBR_NONE &&
		s->min_rtt_us > b->min_rtt_us + max_u32(b->min_rtt_us / 8, BBR_QUEUE_US);
	limit = r.queued ? BBR_LOSS + 1.5 * b->noise : BBR_LOSS_UNQUEUED;
	/* a timeout sends all again, whatever of it was lost */
	r.marked = bbr_marked(b, s);
	r.congested = r.marked || (s->timeouts == 0 && !s->in_loss && bbr_too_many(b, s, limit));
	b->round_us += (uint32_t)min_u64(s->interval_ns / NS_PER_US, 1000000);
	r.is_whole = b->round_us >= s->srtt_us;
	if (r.is_whole)
		b->round_us = 0;
	if (r.bw > 0 && (!s->dry || r.bw >= bbr_max_bw(b)))
		b->max_bw[0] = max_u64(b->max_bw[0], r.bw);
	bbr_noise(b, s, &r);
	bbr_aggregation(b, s, &r);
	return r;
}

/* --- bounds --- */

static void bbr_forget_short_term(struct cc_bbr_state *b)
{
	b->bw_lo = BBR_BW_NONE;
	b->lo = BBR_NONE;
}

/* Nothing is probed, and what is found lost was not sent by the probe or the startup before. Marks are
 * answered whatever was before (RFC 3168 6.1.2): they are of a round trip ago at most. */
static bool bbr_is_calm(const struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	return (b->phase == BBR_DOWN || b->phase == BBR_CRUISE) &&
		(r->marked || s->now - b->phase_at > BBR_AFTERMATH_TRIPS * s->srtt_us * NS_PER_US);
}

/* Congestion while nothing is probed: less, until the next probe. */
static void bbr_bound_short_term(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	uint64_t bw = bbr_bw(b);
	uint32_t lo = min_u32(b->lo, s->cwnd);

	b->bw_lo = max_u64(r->bw, (uint64_t)(BBR_BETA * (double)bw));
	b->lo = max_u32((uint32_t)min_u64(s->acked, s->pipe), (uint32_t)(BBR_BETA * lo));
}

/* Congestion by a probe: so much was too much. */
static void bbr_bound_long_term(struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint32_t target = (uint32_t)(BBR_BETA * min_u32(bbr_bdp(b, bbr_bw(b), 1), s->cwnd));

	b->hi = max_u32(max_u32(s->pipe, target), BBR_FLOOR_SEGMENTS * s->mss);
}

/* By startup. When its losses are found, less is in the network: what was there when that was sent which is
 * acknowledged now is what was delivered within its round trip. */
static void bbr_bound_of_startup(struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint64_t held = s->min_rtt_us == BBR_NONE ? 0 : bbr_bw(b) * s->min_rtt_us / 1000000;

	bbr_bound_long_term(b, s);
	b->hi = max_u32(b->hi, cc_clamp_cwnd(min_u64(held, s->cwnd), 0));
}

/* A probe against the long-term bound raises it, faster from round to round. */
static void bbr_raise_bound(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	if (b->hi == BBR_NONE || !s->cwnd_limited || s->cwnd < b->hi)
		return;
	b->hi = cc_clamp_cwnd(b->hi + ((uint64_t)s->mss << b->up_rounds), 0);
	b->rounds = 0;
	if (r->is_whole && b->up_rounds < 16)
		b->up_rounds++;
}

/* --- phases --- */

/* Between nothing and `most`; as different for each flow and time as need be. */
static uint32_t some(const struct cc_sample *s, uint32_t most)
{
	uint64_t z = (s->now ^ (uint64_t)s->srtt_us << 32 ^ s->acked) * 0x9e3779b97f4a7c15ull;

	return (uint32_t)((z >> 40) % (most + 1));
}

static void bbr_enter_down(struct cc_bbr_state *b, const struct cc_sample *s)
{
	b->wait_us = BBR_WAIT_US + some(s, BBR_WAIT_US / 2);
	b->awaits_result = true;
	bbr_enter(b, BBR_DOWN, s->now);
}

static void bbr_enter_refill(struct cc_bbr_state *b, const struct cc_sample *s)
{
	bbr_forget_short_term(b);
	b->up_rounds = 0;
	b->full_bw = bbr_max_bw(b);
	bbr_enter(b, BBR_REFILL, s->now);
}

/* Has the bandwidth stopped to grow? */
static void bbr_full(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	if (r->bw * 4 >= b->full_bw * 5) {
		b->full_bw = r->bw;
		b->flat_rounds = 0;
	} else if (r->is_whole && !s->dry) {
		b->flat_rounds++;
	}
}

static void bbr_startup(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	bbr_full(b, s, r);
	if (r->congested)
		bbr_bound_of_startup(b, s);
	if (b->flat_rounds >= BBR_FULL_ROUNDS || r->congested) {
		b->full = true;
		bbr_enter(b, BBR_DRAIN, s->now);
	}
}

static bool bbr_time_to_probe(const struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint32_t segments = bbr_bdp(b, bbr_bw(b), 1) / s->mss;

	return s->now - b->phase_at >= b->wait_us * NS_PER_US ||
		b->rounds >= min_u32(max_u32(segments, BBR_RENO_ROUNDS_MIN), BBR_RENO_ROUNDS_MAX);
}

/* The round after a probe has what the probe brought. More than before: again at once. */
static void bbr_probe_result(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	b->awaits_result = false;
	if (r->congested)
		bbr_bound_long_term(b, s);
	if (r->bw * 10 > b->full_bw * 11 && !r->congested) {
		bbr_enter_refill(b, s);
		bbr_enter(b, BBR_UP, s->now);
		return;
	}
	if (b->max_bw[0] != 0 && !s->dry) {
		b->max_bw[1] = b->max_bw[0];
		b->max_bw[0] = 0;
	}
}

static void bbr_down(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	uint32_t target = bbr_inflight(b, s, 1);

	if (b->awaits_result) {
		bbr_probe_result(b, s, r);
		return;
	}
	if (b->hi != BBR_NONE)
		target = min_u32(target, (uint32_t)(BBR_HEADROOM * b->hi));
	b->rounds += r->is_whole;
	if (s->pipe <= target || !b->stands || b->rounds >= BBR_DRAIN_ROUNDS_MAX)
		b->phase = BBR_CRUISE; /* since when, and how many rounds, goes on */
}

static void bbr_drain(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	b->rounds += r->is_whole;
	if (s->pipe <= bbr_inflight(b, s, 1) || b->rounds >= BBR_DRAIN_ROUNDS_MAX) {
		bbr_enter_down(b, s);
		b->awaits_result = false;
		bbr_down(b, s, r);
	}
}

static void bbr_cruise(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	b->rounds += r->is_whole && b->rounds < UINT8_MAX;
	if (bbr_time_to_probe(b, s))
		bbr_enter_refill(b, s);
}

static void bbr_refill(struct cc_bbr_state *b, const struct cc_sample *s)
{
	bbr_enter(b, BBR_UP, s->now);
	b->flat_rounds = 0;
}

static void bbr_up(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	b->rounds += r->is_whole;
	if (r->congested)
		bbr_bound_long_term(b, s);
	else
		bbr_raise_bound(b, s, r);
	if (r->congested || b->rounds >= BBR_FULL_ROUNDS ||
		s->pipe >= bbr_inflight(b, s, 1.25) + 2 * s->mss || s->dry)
		bbr_enter_down(b, s);
}

static void bbr_probe_rtt(struct cc_bbr_state *b, const struct cc_sample *s)
{
	if (s->now - b->phase_at < BBR_PROBE_RTT_FOR_NS + s->srtt_us * NS_PER_US)
		return;
	b->low_rtt_at = s->now;
	bbr_forget_short_term(b);
	if (b->full) {
		bbr_enter_down(b, s);
		b->awaits_result = false;
		b->phase = BBR_CRUISE;
	} else {
		bbr_enter(b, BBR_STARTUP, s->now);
	}
}

static void bbr_advance(struct cc_bbr_state *b, const struct cc_sample *s, const struct bbr_round *r)
{
	if (b->phase != BBR_PROBE_RTT && s->now - b->low_rtt_at > BBR_PROBE_RTT_NS) {
		b->low_rtt_us = BBR_NONE;
		bbr_enter(b, BBR_PROBE_RTT, s->now);
		return;
	}
	switch ((enum bbr_phase)b->phase) {
	case BBR_STARTUP: bbr_startup(b, s, r); break;
	case BBR_DRAIN: bbr_drain(b, s, r); break;
	case BBR_DOWN: bbr_down(b, s, r); break;
	case BBR_CRUISE: bbr_cruise(b, s, r); break;
	case BBR_REFILL: bbr_refill(b, s); break;
	case BBR_UP: bbr_up(b, s, r); break;
	case BBR_PROBE_RTT: bbr_probe_rtt(b, s); break;
	}
}

/* --- recoveries in vain --- */

/* (BBRSaveStateUponLoss) When a recovery begins, or a timeout outside of one, what there is before losses and
 * marks of that are answered is kept, and some looks longer than it lasts: that all of it came twice may be
 * known only then. */
static void bbr_undo_save(struct cc_bbr_state *b, const struct cc_sample *s)
{
	if (s->recoveries > 0 || (s->timeouts > 0 && !b->recovers)) {
		b->undo_bw_lo = b->bw_lo;
		b->undo_hi = b->hi;
		b->undo_lo = b->lo;
		b->undo_phase = b->phase;
		b->undo_looks = BBR_UNDO_LOOKS;
	}
	b->recovers = s->in_recovery || s->in_loss;
	if (b->recovers && b->undo_looks > 0)
		b->undo_looks = BBR_UNDO_LOOKS;
	else if (b->undo_looks > 0)
		b->undo_looks--;
}

/* (BBRHandleSpuriousLossDetection) The bounds are again what they were, and startup or a probe that ended for
 * losses goes on. */
static void bbr_undo(struct cc_bbr_state *b, const struct cc_sample *s)
{
	bool elsewhere = b->phase != BBR_PROBE_RTT && b->phase != b->undo_phase;

	b->judged = b->judged_lost = 0;
	b->recovers = false;
	if (b->undo_looks == 0)
		return;
	b->undo_looks = 0;
	b->bw_lo = max_u64(b->bw_lo, b->undo_bw_lo);
	b->hi = max_u32(b->hi, b->undo_hi);
	b->lo = max_u32(b->lo, b->undo_lo);
	if (elsewhere && b->undo_phase == BBR_STARTUP) {
		b->full = false;
		b->full_bw = 0;
		b->flat_rounds = 0;
		bbr_enter(b, BBR_STARTUP, s->now);
	} else if (elsewhere && b->undo_phase == BBR_UP) {
		bbr_enter_refill(b, s);
		bbr_refill(b, s);
	}
}

/* --- the decision --- */

/* What the bounds leave of a window. */
static uint32_t bbr_bounded(const struct cc_bbr_state *b, uint32_t cwnd)
{
	bool probes = b->phase == BBR_UP || b->phase == BBR_REFILL || b->phase == BBR_STARTUP;
	uint32_t hi = probes || b->hi == BBR_NONE ? b->hi : (uint32_t)(BBR_HEADROOM * b->hi);

	return min_u32(cwnd, min_u32(hi, b->lo));
}

/* Grows by what was acknowledged, so that a window after a timeout is a slow start; once what that found
 * outstanding is there, the model is the window again. */
static uint32_t bbr_cwnd(struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint32_t quantum = (uint32_t)min_u64(bbr_bw(b) / 1000, 65536); /* what a paced port takes at once */
	uint64_t target = bbr_bdp(b, bbr_bw(b), bbr_gain[b->phase].cwnd);
	uint64_t cwnd = s->cwnd + s->acked - s->grown;

	target += b->phase == BBR_PROBE_RTT
		? 0
		: max_u32(b->extra[0], b->extra[1]) + max_u32(quantum, 2 * s->mss);
	b->timed_out |= s->timeouts > 0;
	if (b->timed_out && !s->in_loss) {
		b->timed_out = false;
		cwnd = target;
	}
	if (!b->full)
		target = max_u64(target, s->cwnd);
	cwnd = bbr_bounded(b, cc_clamp_cwnd(min_u64(cwnd, target), 0));
	return s->in_loss ? max_u32(cwnd, s->mss) : max_u32(cwnd, BBR_FLOOR_SEGMENTS * s->mss);
}

/* Not less than the least window in a round trip; in startup as fast as the window grows. */
static uint64_t bbr_pace(const struct cc_bbr_state *b, const struct cc_sample *s, uint32_t cwnd)
{
	uint64_t floor = (uint64_t)BBR_FLOOR_SEGMENTS * s->mss * 1000000 / max_u32(s->srtt_us, 1);
	/* the bandwidth is of what arrived; what the path loses anyway must leave, too */
	double rate = bbr_gain[b->phase].pace * (double)bbr_bw(b) / (1 - (double)b->noise);

	if (b->stands) /* else there is nothing for the margin to drain */
		rate *= BBR_MARGIN;

	if (bbr_in_startup(b))
		rate = (double)max_u64((uint64_t)rate, 2 * (uint64_t)cwnd * 1000000 / max_u32(s->srtt_us, 1));
	return max_u64((uint64_t)rate, floor);
}

/* How long a round is: a round trip, but of few segments several, for one more or less at either end of what
 * is measured would be much of it. */
static uint32_t bbr_round_us(const struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint64_t some_us = (uint64_t)BBR_ROUND_SEGMENTS * s->mss * 1000000 / max_u64(bbr_bw(b), 1);

	return max_u32(s->srtt_us, (uint32_t)min_u64(some_us, (uint64_t)BBR_ROUND_TRIPS * s->srtt_us));
}

/* Of startup, between looks. */
static uint32_t bbr_grows_to(const struct cc_bbr_state *b, uint32_t cwnd)
{
	return bbr_max_bw(b) > 0 ? bbr_bdp(b, bbr_bw(b), bbr_gain[BBR_STARTUP].cwnd) : 2 * cwnd;
}

/* How long it takes until no more is in the network than the path holds, as it goes now. */
static uint32_t bbr_drain_us(const struct cc_bbr_state *b, const struct cc_sample *s)
{
	uint32_t target = bbr_inflight(b, s, 1), excess = s->pipe > target ? s->pipe - target : 0;
	double out = (1 - bbr_gain[BBR_DRAIN].pace) * (double)max_u64(bbr_bw(b), 1);

	return (uint32_t)min_u64((uint64_t)(excess * 1e6 / out), s->srtt_us);
}

static void bbr_decide(struct cc_bbr_state *b, const struct cc_sample *s, struct cc_decision *out)
{
	out->cwnd = bbr_cwnd(b, s);
	out->ssthresh = CC_SSTHRESH_NONE;
	out->rate_bytes_s = s->srtt_us == 0 ? 0 : bbr_pace(b, s, out->cwnd);
	if (bbr_in_startup(b)) {
		out->interval_us = s->srtt_us / 2;
		out->grows_to = bbr_grows_to(b, out->cwnd);
	} else if (b->phase == BBR_DRAIN) {
		out->interval_us = max_u32(bbr_drain_us(b, s), s->srtt_us / 8);
	} else {
		out->interval_us = bbr_round_us(b, s);
	}
	out->interval_us = max_u64(out->interval_us, 1);
}

static void bbr_begin(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_bbr_state *b = &st->bbr;

	b->phase_at = b->min_rtt_at = b->low_rtt_at = s->now;
	if (s->srtt_us != 0)
		b->min_rtt_us = b->low_rtt_us = s->srtt_us;
	bbr_decide(b, s, out);
}

static void bbr_update(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out)
{
	struct cc_bbr_state *b = &st->bbr;
	struct bbr_round r;

	*out = cc_keep(s);
	if (s->timeouts > 0) /* the path was silent: that its round trips were not measured is no wonder */
		b->low_rtt_at = s->now;
	if (s->undone)
		bbr_undo(b, s);
	else
		bbr_undo_save(b, s);
	r = bbr_look(b, s);
	if (r.congested && bbr_is_calm(b, s, &r))
		bbr_bound_short_term(b, s, &r);
	bbr_advance(b, s, &r);
	bbr_decide(b, s, out);
	out->answers_marks = r.marked;
}

const struct cc_ops cc_bbr = {
	.name = "bbr",
	.beta_q8 = 0,
	.follows = true,
	.init = bbr_init,
	.begin = bbr_begin,
	.update = bbr_update,
};
