/* SPDX-License-Identifier: BSD-3-Clause */
/* recovery.c - loss recovery: what is deemed lost is sent again, and nothing else.
 *
 * After three duplicate acknowledgements the first outstanding segment is lost, and after each partial
 * acknowledgement the next (RFC 6582); with SACK, where the segments are short. With SACK (RFC 6675) also
 * every byte above which more than two segments' worth was SACKed. After a timeout (RFC 6298) everything
 * outstanding is, but for what was SACKed. What was deemed lost is [rtx_nxt, lost_to) without the
 * scoreboard's intervals.
 *
 * A message from the path that segments were too large for it (RFC 1191) says the same, and nothing of
 * congestion.
 *
 * A retransmission that is lost itself: when more than two segments' worth sent after it was SACKed while una
 * stays, the piece at una is sent once more (the timer would find that, too, only later). */
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"

enum { DUP_THRESH = 3 };

static inline uint64_t from_of(const struct flow *f, const struct flow_cold *k)
{
	return max_u64(k->rtx_nxt, f->tx_una);
}

static uint64_t lost_unsent(const struct flow *f, const struct flow_cold *k)
{
	uint64_t from = from_of(f, k);

	return from < k->lost_to ? k->lost_to - from - ranges_bytes(&k->sacked, from, k->lost_to) : 0;
}

uint32_t recovery_pipe(const struct flow *f, const struct flow_cold *k)
{
	uint64_t gone;

	if (likely(k->sacked.n == 0 && f->dup_acks == 0 && !(f->flags & (FLOW_RECOVERY | FLOW_LOSS))))
		return f->tx_inflight;
	if (f->flags & FLOW_SACK)
		gone = ranges_bytes(&k->sacked, f->tx_una, flow_tx_nxt(f));
	else
		gone = (uint64_t)f->dup_acks * f->mss;
	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS))
		gone += lost_unsent(f, k);
	return gone < f->tx_inflight ? f->tx_inflight - (uint32_t)gone : 0;
}

/* The offset below which every hole is lost: more than (DUP_THRESH - 1) segments were SACKed above it. */
static uint64_t sack_lost_edge(const struct flow *f, const struct flow_cold *k)
{
	uint64_t above = 0;

	for (uint32_t i = k->sacked.n; i-- > 0;) {
		above += k->sacked.r[i].to - k->sacked.r[i].from;
		if (above > (DUP_THRESH - 1u) * f->mss)
			return k->sacked.r[i].from;
	}
	return f->tx_una;
}

/* The segment at una is lost: up to what was SACKed, if anything was. */
static void lose_first(struct flow *f, struct flow_cold *k)
{
	uint64_t hole = k->sacked.n > 0 ? k->sacked.r[0].from : flow_tx_nxt(f);

	k->lost_to = max_u64(k->lost_to, min_u64(f->tx_una + f->mss, hole));
}

static void recovery_begin(struct tcp t)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	k->ssthresh = max_u32((uint32_t)((uint64_t)min_u32(f->cwnd, f->tx_inflight) * k->beta_q8 / 256),
		2u * f->mss);
	f->cwnd = k->ssthresh;
	k->recover = flow_tx_nxt(f);
	k->rtx_nxt = f->tx_una;
	k->rtx_again = false;
	k->recoveries++;
	f->flags |= FLOW_RECOVERY | (f->flags & FLOW_ECN ? FLOW_CWR : 0);
	f->flags &= ~(uint32_t)FLOW_RTT_TIMED; /* Karn */
	count(t.c, CNT_TCP_FAST_RECOVERIES, 1);
}

static void recovery_end(struct tcp t)
{
	t.f->flags &= ~(uint32_t)(FLOW_RECOVERY | FLOW_LOSS);
	t.f->dup_acks = 0;
	t.k->rtx_again = false;
	t.k->rtx_nxt = t.k->lost_to = t.f->tx_una;
}

/* Past the hole at una more than two segments were SACKed that were sent after its retransmission. */
static bool retransmission_lost(const struct flow *f, const struct flow_cold *k)
{
	return k->rtx_nxt > f->tx_una && k->sacked.n > 0 && k->sacked.r[0].from > f->tx_una &&
		ranges_bytes(&k->sacked, k->rtx_mark, flow_tx_nxt(f)) > (DUP_THRESH - 1u) * f->mss;
}

/* A partial acknowledgement: the network delivered something of this round. */
static void recovery_partial(struct tcp t, uint32_t acked)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	k->rtx_again = false;
	k->rtx_mark = flow_tx_nxt(f);
	if (!(f->flags & FLOW_SACK))
		f->dup_acks -= (uint8_t)min_u32(f->dup_acks, acked / f->mss);
	if (!(f->flags & FLOW_RECOVERY))
		return;
	if (!(f->flags & FLOW_SACK))
		k->rtx_nxt =
			f->tx_una; /* RFC 6582 3.2: the next hole begins where this acknowledgement ends */
	if (!(f->flags & FLOW_SACK) || k->sacked.n > 0)
		lose_first(f, k);
}

static void recovery_continue(struct tcp t, uint32_t acked)
{
	if (t.f->tx_una >= t.k->recover)
		recovery_end(t);
	else if (acked > 0)
		recovery_partial(t, acked);
}

static bool must_begin(const struct flow *f, const struct flow_cold *k)
{
	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS) || f->tx_inflight == 0)
		return false;
	if (f->flags & FLOW_SACK)
		return k->lost_to > f->tx_una || f->dup_acks >= DUP_THRESH;
	/* RFC 6582 3.2: duplicates of what a timeout resent in vain must not begin a second recovery */
	return f->dup_acks >= DUP_THRESH && (f->tx_una > k->recover || k->recover == 0);
}

void recovery_on_ack(struct tcp t, uint32_t acked, bool duplicate)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS))
		recovery_continue(t, acked);
	else if (acked > 0)
		f->dup_acks = 0;

	if (k->lost_to < f->tx_una)
		k->lost_to = f->tx_una;
	if (f->flags & FLOW_SACK)
		k->lost_to = max_u64(k->lost_to, sack_lost_edge(f, k));
	if ((duplicate || (f->flags & FLOW_SACK)) && must_begin(f, k)) {
		recovery_begin(t);
		lose_first(f, k);
	} else if ((f->flags & (FLOW_RECOVERY | FLOW_LOSS)) && retransmission_lost(f, k)) {
		k->rtx_again = true;
	}
}

bool recovery_next(const struct flow *f, const struct flow_cold *k, struct flow_range *piece)
{
	uint64_t from = k->rtx_again ? f->tx_una : from_of(f, k);

	if (!(f->flags & (FLOW_RECOVERY | FLOW_LOSS)) ||
		!ranges_next_hole(&k->sacked, from, k->lost_to, piece))
		return false;
	piece->to = min_u64(piece->to, piece->from + f->mss);
	return true;
}

void recovery_sent(struct flow *f, struct flow_cold *k, struct flow_range piece, uint32_t now_us)
{
	if (piece.from == f->tx_una) {
		k->rtx_mark = flow_tx_nxt(f);
		k->rto_base_us = now_us;
	}
	k->rtx_again = false;
	k->rtx_nxt = max_u64(k->rtx_nxt, piece.to);
	k->lost += piece.to - piece.from;
	f->flags &= ~(uint32_t)FLOW_RTT_TIMED;
}

void tcp_on_timeout(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	TAS_ASSERT(f->tx_inflight > 0);
	if (!(f->flags & FLOW_LOSS))
		k->ssthresh =
			max_u32((uint32_t)((uint64_t)min_u32(f->cwnd, f->tx_inflight) * k->beta_q8 / 256),
				2u * f->mss);
	if (k->sacked.n > 0 && k->sacked.r[0].from == f->tx_una)
		k->sacked.n = 0; /* the peer took back what it had SACKed (RFC 2018 8) */
	f->cwnd = f->mss;
	f->dup_acks = 0;
	f->flags |= FLOW_LOSS | (f->flags & FLOW_ECN ? FLOW_CWR : 0);
	f->flags &= ~(uint32_t)(FLOW_RECOVERY | FLOW_RTT_TIMED);
	k->recover = k->lost_to = flow_tx_nxt(f);
	k->rtx_nxt = f->tx_una;
	k->rtx_again = false;
	k->timeouts++;
	k->timeout_delivered = k->delivered;
	count(c, CNT_TCP_TIMEOUTS, 1);
	tcp_tx(c, id);
}

/* In the state after a timeout, but with the window as it was. */
void tcp_on_too_large(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	if (f->tx_inflight <= f->mss)
		return;
	f->dup_acks = 0;
	f->flags |= FLOW_LOSS;
	f->flags &= ~(uint32_t)(FLOW_RECOVERY | FLOW_RTT_TIMED);
	k->recover = k->lost_to = flow_tx_nxt(f);
	k->rtx_nxt = f->tx_una;
	k->rtx_again = false;
	tcp_tx(c, id);
}
