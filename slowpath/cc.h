/* SPDX-License-Identifier: BSD-3-Clause */
/* cc.h - congestion control: one interface, a function table per algorithm.
 * Guarantee: update() of a window algorithm grows the window by what the RFC's per-acknowledgement rules
 * would have given for the bytes acknowledged in the interval; only if the window, and not the application,
 * was the limit (what RFC 7661 is about); not during fast recovery. Windows stay in [2 mss, CC_CWND_MAX], but
 * for the one segment after a timeout. No rate is so low that a flow stands still: see cc_pace_q16(), and the
 * floor of each algorithm in docs/congestion.md.
 *
 * Who does what: the fast path reduces at once, at the start of recovery cwnd = ssthresh = max(2 mss, W *
 * beta_q8 / 256), at a timeout ssthresh likewise and cwnd = 1 mss; W is cwnd, or what is in flight if that
 * is less and nothing waits for the window. Whatever is slower than that happens here, once per control
 * interval: growth, but for what it foresees (step_after, grows_to), and the answer to marks (ECE), by RFC
 * 3168 for newreno, cubic and bbr, by RFC 8257 for dctcp. Intervals are a half or a quarter of a round trip:
 * so late growth, and the answer to a mark, may be. Algorithms that follow a model of the path (bbr, timely,
 * const-rate) have beta_q8 = 0: the fast path leaves the window alone but at a timeout, and they judge losses
 * by what they know; bbr and timely say themselves how often they are asked.
 *
 * Owner: whoever holds the flow's lock. Pure: no clock, no memory but the state handed in. */
#ifndef TAS_SLOWPATH_CC_H
#define TAS_SLOWPATH_CC_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/base/compiler.h"
#include "include/base/time.h"
#include "slowpath/hystart.h"

#define CC_CWND_MAX (1u << 30) /* RFC 7323 2.3: no peer's window is larger */
#define CC_SSTHRESH_NONE CC_CWND_MAX
#define CC_BYTES_S_PER_MBIT 125000ull

/* flow.cc: stable numbers, shown by tasctl. */
enum cc_algorithm { CC_CUBIC, CC_NEWRENO, CC_DCTCP, CC_BBR, CC_TIMELY, CC_CONST_RATE, NR_CC };

/* What happened since the last call. */
struct cc_sample {
	tas_ns now;
	tas_ns interval_ns;  /* that the sums cover, without the time in which the flow was idle */
	uint64_t acked;      /* bytes, SACKed ones included */
	uint64_t grown;      /* of these, for how many the window grew already: see cc_decision.grows_to */
	uint64_t marked;     /* of these, acknowledged with ECE */
	uint64_t lost;       /* bytes */
	uint32_t recoveries; /* fast recoveries begun */
	uint32_t timeouts;
	uint32_t answered;       /* of both, those of a window that marks had reduced */
	bool undone;             /* what the fast path deemed lost was not: cwnd is what it was before that */
	uint64_t before_timeout; /* bytes of `acked`, without `grown`, that came before the last of them */
	uint64_t recovering;     /* the same that grow nothing, as fast recoveries go: see cc_flow.c */
	uint64_t held;           /* bytes of earlier intervals that may grow the window now */
	uint32_t srtt_us;        /* 0 = none yet */
	uint32_t min_rtt_us;     /* UINT32_MAX = no sample */
	uint32_t mss;
	uint32_t inflight;
	uint32_t sacked; /* of these, delivered already */
	uint32_t cwnd;   /* as it stands in the flow, reductions by the fast path included */
	uint32_t ssthresh;
	bool stepped;      /* it grew by a segment since the last call: see cc_decision.step_after */
	bool cwnd_limited; /* the window held back data */
	bool in_recovery;  /* fast recovery is not over */
	bool in_loss;      /* what a timeout found outstanding is not all acknowledged */
	bool paced;        /* the pace held back data */
	bool dry;          /* there was nothing to send, or the peer's window was the limit */

	/* The delivery-rate sample of the interval (draft-cheng-iccrg-delivery-rate-estimation): of what was
	 * in the network when it began. From the last delivery before to the last one in it. */
	uint64_t rate_bytes;
	uint64_t rate_us; /* 0 = no sample */
	uint64_t sent;    /* payload bytes that left in the interval, those sent again included */
	uint32_t pipe;    /* in the network: of `inflight` what is neither SACKed nor lost */

	uint64_t const_bytes_s; /* for const-rate: what the application, or else tasd.conf, wants */
};

struct cc_decision {
	uint32_t cwnd, ssthresh;
	uint64_t rate_bytes_s; /* 0 = not paced */
	uint64_t interval_us;  /* until the next call; 0 = what suits a window (cc_flow_due()) */
	uint32_t grows_to;     /* until then the window grows by what is acknowledged, up to this; 0 = not */
	uint64_t step_after;   /* when so many bytes more are acknowledged it grows by a segment; 0 = not */
	bool answers_marks;    /* it was reduced for them: the peer is to hear of it (CWR) */
};

/* What was in the network at the last reduction and is not acknowledged yet, in bytes: marks of it were
 * answered by that. */
struct cc_marks {
	uint32_t answered;
};

struct cc_newreno_state {
	uint64_t acked; /* bytes that did not make a whole window yet, in congestion avoidance */
	struct cc_marks marks;
};

struct cc_cubic_state {
	double w_max, w_est; /* of RFC 9438, in segments */
	double k_s, t_s;     /* seconds; t: of congestion avoidance in which the window was the limit */
	float w_prior;       /* segments: the window before the last reduction */
	float pending; /* segments: growth that the window does not have yet, or, below 0, has already */
	uint8_t phase; /* of cc_cubic.c */
	struct cc_marks marks;
	struct hystart hystart;
};

struct cc_dctcp_state {
	uint64_t acked;                       /* as for newreno */
	double alpha;                         /* of RFC 8257: the fraction of marked bytes, smoothed */
	uint64_t window_acked, window_marked; /* of its observation window, a round trip, */
	tas_ns window_ns;                     /* which lasts so long already */
	struct cc_marks marks;
	bool recovers; /* at the last look */
};

struct cc_bbr_state {
	tas_ns phase_at;                /* when it began */
	tas_ns min_rtt_at, low_rtt_at;  /* when these were measured, or given up */
	uint64_t max_bw[2];             /* bytes/s: of this cycle of probing and the one before */
	uint64_t full_bw;               /* the most so far in startup, or in this probe */
	uint64_t bw_lo;                 /* short-term bound after congestion; UINT64_MAX = none */
	uint64_t sent_rate;             /* of the interval before */
	uint32_t prior_bytes, prior_us; /* of its rate sample */
	uint32_t min_rtt_us;            /* over BBR_MIN_RTT_NS, and over BBR_PROBE_RTT_NS: */
	uint32_t low_rtt_us;
	uint32_t hi, lo;     /* bounds of what is in flight, long-term and short-term; UINT32_MAX = none */
	uint64_t undo_bw_lo; /* the same before the last recovery or timeout began */
	uint32_t undo_hi, undo_lo;
	uint32_t extra[2]; /* acknowledged beyond the bandwidth, at most, in two spans of intervals */
	uint32_t round_us; /* since the last round trip of phases with shorter intervals was over */
	uint32_t wait_us;  /* until the next probe for bandwidth */
	struct cc_marks marks;
	float noise; /* losses that are no congestion, of all that is sent */
	float judged,
		judged_lost; /* segments, and lost ones, since it was last asked whether there are too many */
	uint8_t phase;       /* of cc_bbr.c */
	uint8_t flat_rounds; /* without growth of full_bw */
	uint8_t rounds, up_rounds, extra_age;
	bool full, awaits_result, timed_out;
	bool stands; /* even the least round trip of this round was longer than the least */
	uint8_t undo_phase;
	uint8_t undo_looks; /* for so many more the recovery may prove to have been in vain; 0 = not */
	bool recovers;
};

struct cc_timely_state {
	double rate;            /* bytes/s; 0 = not begun */
	double diff_us;         /* of round trips, smoothed */
	tas_ns least_at;        /* when the least round trip was last measured; 0 = not yet */
	tas_ns aftermath_until; /* what is found lost was sent by slow start, and that is answered */
	tas_ns looks_until;     /* for another one, at half the rate; 0 = not */
	uint32_t last_rtt_us, least_rtt_us;
	uint32_t found_rtt_us; /* the least of that look */
	uint32_t falling;      /* intervals in a row without a growing round trip */
	struct cc_marks marks;
	bool slow_start;
	bool recovers; /* at the last look: what is lost meanwhile was answered */
};

struct cc_state {
	union {
		struct cc_newreno_state newreno;
		struct cc_cubic_state cubic;
		struct cc_dctcp_state dctcp;
		struct cc_bbr_state bbr;
		struct cc_timely_state timely;
	};
};
static_assert(sizeof(struct cc_state) <= 152, "bbr needs that; the others a cache line");

struct cc_ops {
	const char *name;
	uint8_t beta_q8; /* what remains of the window after a loss, of 256: for flow_cold.beta_q8; or 0 */
	bool follows; /* wants to see intervals in which data was acknowledged though nothing held it back */
	void (*init)(struct cc_state *st);
	/* Of a connection that begins, or goes on with this algorithm: what holds until the first interval is
	 * over. NULL: the window that there is, and no pace. */
	void (*begin)(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out);
	void (*update)(struct cc_state *st, const struct cc_sample *s, struct cc_decision *out);
};

extern const struct cc_ops cc_newreno, cc_cubic, cc_dctcp, cc_bbr, cc_timely, cc_const_rate;

/* For alg < NR_CC. */
const struct cc_ops *cc_ops_of(enum cc_algorithm alg);
/* The number of the algorithm called so, or -1. */
int cc_find(const char *name);

/* All names, with a space behind each. */
void cc_names(char *to, size_t size);

/* The window a connection begins with: `segments` full ones whatever the mss, as Linux counts (RFC 6928). */
uint32_t cc_initial_cwnd(uint32_t mss, uint32_t segments);

/* ns per byte with 16 fractional bits for flow.pace_q16; 0 stays 0. The field's largest value is 15.3 kB/s, a
 * full segment in 100 ms: slower rates are paced at that, and the window does the rest. */
uint32_t cc_pace_q16(uint64_t rate_bytes_s);

/* --- shared by the algorithms --- */

/* Nothing changes: where a decision begins. */
static inline struct cc_decision cc_keep(const struct cc_sample *s)
{
	return (struct cc_decision){ .cwnd = s->cwnd, .ssthresh = s->ssthresh };
}

/* How many of the acknowledged bytes may grow the window: none while recovery lasts (they are held for what
 * comes after it), none unless the window was the limit, none from before a timeout or from a recovery, none
 * that did it already, none that came with ECE (RFC 3168 6.1.2). */
static inline uint64_t cc_growth_bytes(const struct cc_sample *s)
{
	uint64_t bytes = s->acked + s->held, spent = s->before_timeout + s->recovering + s->grown + s->marked;

	return !s->cwnd_limited || s->in_recovery || bytes <= spent ? 0 : bytes - spent;
}

/* What `bytes`, acknowledged in an interval before the last of its `recoveries` and during none, may still
 * grow. Had they come in time, what they added to the window would have been multiplied by beta once for
 * each recovery after it; and the window they are compared with now is smaller by beta, too. */
static inline uint64_t cc_growth_before(uint64_t bytes, uint32_t recoveries, uint32_t beta_q8)
{
	uint64_t left_q8 = 0;

	for (uint32_t i = min_u32(recoveries, 16); i > 0; i--)
		left_q8 = (256 + left_q8) * beta_q8 / 256;
	return recoveries == 0 ? 0 : bytes / recoveries * left_q8 / 256 * beta_q8 / 256;
}

static inline uint32_t cc_clamp_cwnd(uint64_t cwnd, uint32_t floor)
{
	cwnd = cwnd > floor ? cwnd : floor;
	return (uint32_t)(cwnd < CC_CWND_MAX ? cwnd : CC_CWND_MAX);
}

/* Slow start: takes from *acked what it uses until ssthresh is reached (RFC 5681 3.1, counting bytes). */
uint32_t cc_slow_start(uint32_t cwnd, uint32_t ssthresh, uint64_t *acked);
/* Between looks, too, but for no more than another window. */
static inline void cc_slow_start_goes_on(struct cc_decision *d)
{
	d->grows_to = d->cwnd < d->ssthresh ? min_u32(2 * d->cwnd, d->ssthresh) : 0;
}
/* Congestion avoidance: a segment for each window of bytes; *pending keeps the rest (RFC 5681 3.1, RFC 3465
 * 2.1). Only whole segments of a window are ever in flight, so that is what counts as one: with 4.5 segments
 * the growth would otherwise come every second round trip. */
uint32_t cc_reno_avoidance(uint32_t cwnd, uint32_t mss, uint64_t *pending);
/* The same of an interval's `bytes`, and says when the next segment comes. */
void cc_reno_step(const struct cc_sample *s, uint64_t bytes, uint64_t *pending, struct cc_decision *d);
/* Must the window be reduced because of marks? Once for each window of data, and a loss counts as well: what
 * was sent before a reduction asks for no other (RFC 3168 6.1.2). The peer repeats a mark until it hears of
 * the reduction, from the first data after it: no more than that data's bytes are of an answered one. */
bool cc_marks_reduce(const struct cc_sample *s, struct cc_marks *m);
/* The same where losses are answered by other rules: is a mark of data that was sent after the last one that
 * was answered? It is answered then. */
bool cc_marks_are_new(const struct cc_sample *s, struct cc_marks *m);
/* What was acknowledged since the last answer is known, and asked for none. */
static inline void cc_marks_pass(const struct cc_sample *s, struct cc_marks *m)
{
	m->answered -= (uint32_t)min_u64(s->acked, m->answered);
}
/* The same for a peer that echoes each mark once (RFC 8257 3.2): the marks of an interval of which more than
 * two thirds was sent before the last reduction are taken for that part's; the next one will tell.
 * drains: what was sent up to now came into the queue that a reduction has not emptied yet. */
bool cc_marks_reduce_exact(const struct cc_sample *s, struct cc_marks *m, bool drains);
/* The reduction by beta for marks, as the fast path does it for a loss. */
void cc_reduce(const struct cc_sample *s, uint32_t beta_q8, struct cc_decision *d);

/* Window per round trip with some room: 2 in slow start, which doubles it within one; 1.2 after, so that
 * window and acknowledgements set the speed and not the pacer (Linux's ratios). 0 without an RTT. */
uint64_t cc_rate(const struct cc_sample *s, const struct cc_decision *d);
/* The same for algorithms that need no pacing: 0 below CC_PACE_MIN_RTT_US, and up to CC_BURST segments. */
#define CC_PACE_MIN_RTT_US 1000
enum { CC_BURST = 20 };
uint64_t cc_window_rate(const struct cc_sample *s, const struct cc_decision *d);

#endif
