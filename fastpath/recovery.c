/* SPDX-License-Identifier: BSD-3-Clause */
/* recovery.c - loss recovery: what is deemed lost is sent again, and nothing else.
 *
 * With SACK, time tells what is lost (rack.h). Without, after three duplicate acknowledgements the first
 * outstanding segment is, and after each partial acknowledgement the next (RFC 6582). After a timeout (RFC
 * 6298) everything outstanding is, but for what was SACKed. What is lost and not on its way again is
 * [una, lost_to) without the scoreboard's intervals and without the pieces in `resent`.
 *
 * A message from the path that segments were too large for it (RFC 1191) says the same, and nothing of
 * congestion.
 *
 * What turns out to have been in vain is taken back (spurious.c).
 *
 * How much goes while fast recovery lasts is decided by proportional rate reduction (RFC 6937, PRR-SSRB): the
 * window comes down to ssthresh as acknowledgements come in, and not at once. */
#include "fastpath/holes.h"
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"

enum { DUP_THRESH = 3 };

static uint64_t lost_unsent(const struct flow *f, const struct flow_cold *k)
{
	uint64_t gone;

	if (k->lost_to <= f->tx_una)
		return 0;
	gone = ranges_bytes(&k->sacked, f->tx_una, k->lost_to) +
		resent_bytes(&k->resent, f->tx_una, k->lost_to);
	return k->lost_to - f->tx_una > gone ? k->lost_to - f->tx_una - gone : 0;
}

uint32_t recovery_sacked(const struct flow *f, const struct flow_cold *k)
{
	return k->sacked.n == 0 ? 0 : (uint32_t)ranges_bytes(&k->sacked, f->tx_una, flow_tx_nxt(f));
}

uint32_t recovery_pipe(const struct flow *f, const struct flow_cold *k)
{
	uint64_t gone;

	if (likely(k->sacked.n == 0 && f->dup_acks == 0 && !(f->flags & (FLOW_RECOVERY | FLOW_LOSS))))
		return f->tx_inflight;
	if (f->flags & FLOW_SACK)
		gone = recovery_sacked(f, k);
	else
		gone = (uint64_t)f->dup_acks * f->mss;
	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS))
		gone += lost_unsent(f, k);
	return gone < f->tx_inflight ? f->tx_inflight - (uint32_t)gone : 0;
}

/* The segment at una is lost: up to what was SACKed, if anything was. */
static void lose_first(struct flow *f, struct flow_cold *k)
{
	uint64_t hole = k->sacked.n > 0 ? ranges_all(&k->sacked)[0].from : flow_tx_nxt(f);

	k->lost_to = max_u64(k->lost_to, min_u64(f->tx_una + f->mss, hole));
}

/* Of a window of data that was reduced for marks: a loss in it asks for no more than it would have without
 * them (RFC 3168 6.1.2); beta of less than marks took, which is DCTCP, leaves the rest to be done. */
static bool marks_answer(const struct flow *f, const struct flow_cold *k) { return f->tx_una < k->marks_to; }

/* beta of the window; or of what is in the network, where application or peer gave no more to send, and the
 * window may be of other times (RFC 5681 3.1 (4), RFC 9438 4.6). While data waits for the window, less may be
 * in the network than it allows: behind the last recovery, or for the pace. Then that is no reason to reduce
 * by more than beta, as in Linux. */
static uint32_t reduced(const struct flow *f, const struct flow_cold *k)
{
	bool waits = f->tx_avail > f->tx_inflight && f->snd_wnd >= f->tx_inflight + f->mss;
	uint32_t window = waits ? f->cwnd : min_u32(f->cwnd, f->tx_inflight);
	uint32_t before = marks_answer(f, k) ? max_u32(k->marks_cwnd, window) : window;

	if (k->beta_q8 == 0)
		return max_u32(f->cwnd, 2u * f->mss);
	return max_u32(min_u32((uint32_t)((uint64_t)before * k->beta_q8 / 256), window), 2u * f->mss);
}

static void reduce(const struct flow *f, struct flow_cold *k)
{
	k->ssthresh = reduced(f, k);
	k->answered += marks_answer(f, k);
}

static void recovery_begin(struct tcp t)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	spurious_begin(t);
	reduce(f, k);
	k->step_at = UINT64_MAX;
	k->recover = flow_tx_nxt(f);
	k->recoveries++;
	k->prr_delivered = k->prr_out = 0;
	k->prr_flight = f->tx_inflight;
	k->recovery_from = k->delivered;
	k->steady_delivered = k->delivered - k->recovery_delivered;
	f->flags |= FLOW_RECOVERY | (f->flags & FLOW_ECN ? FLOW_CWR : 0);
	count(t.c, CNT_TCP_FAST_RECOVERIES, 1);
}

/* Fast recovery is over, one way or the other. The last `after` bytes of what was delivered came after it. */
static void recovery_leave(struct flow *f, struct flow_cold *k, uint32_t after)
{
	uint64_t during = k->delivered - k->recovery_from;

	if (f->flags & FLOW_RECOVERY)
		k->recovery_delivered += during - min_u64(after, during);
	f->flags &= ~(uint32_t)FLOW_RECOVERY;
}

/* Only the probe of the path is lost, or a part of it: that says something of the path's size, and nothing of
 * congestion (RFC 4821 7.6.2). */
static bool only_probe_is_lost(const struct flow *f, const struct flow_cold *k)
{
	uint64_t to = max_u64(k->lost_to, k->path.to);

	return unlikely(k->path.is_out) && f->tx_una == k->path.from &&
		ranges_bytes(&k->sacked, k->path.to, to) == to - k->path.to;
}

/* In the state after a timeout, but with the window as it was. */
static void resend_all_below(struct tcp t, uint64_t to)
{
	spurious_never(t.k);
	t.f->dup_acks = 0;
	t.f->flags |= FLOW_LOSS;
	recovery_leave(t.f, t.k, 0);
	t.k->recover = t.k->lost_to = to;
}

static void recovery_enter(struct tcp t)
{
	if (only_probe_is_lost(t.f, t.k))
		resend_all_below(t, t.k->path.to);
	else
		recovery_begin(t);
}

/* What its last acknowledgement delivered grows the window, as in Linux. */
static void recovery_end(struct tcp t, uint32_t delivered)
{
	if ((t.f->flags & FLOW_RECOVERY) && t.k->beta_q8 != 0)
		t.f->cwnd = t.k->ssthresh;
	recovery_leave(t.f, t.k, delivered);
	t.f->flags &= ~(uint32_t)FLOW_LOSS;
	t.f->dup_acks = 0;
	t.k->lost_to = t.f->tx_una;
	rack_recovered(&t.k->rack);
}

/* A partial acknowledgement: the network delivered something of this round. */
static void recovery_partial(struct tcp t, uint32_t acked)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	if (f->flags & FLOW_SACK)
		return;
	f->dup_acks -= (uint8_t)min_u32(f->dup_acks, acked / f->mss);
	if (f->flags & FLOW_RECOVERY) {
		k->resent.n = 0; /* RFC 6582 3.2: the next hole begins where this acknowledgement ends */
		lose_first(f, k);
	}
}

static void recovery_continue(struct tcp t, uint32_t acked, uint32_t delivered)
{
	if (t.f->tx_una >= t.k->recover) {
		if (!spurious_at_end(t))
			recovery_end(t, delivered);
	} else if (acked > 0)
		recovery_partial(t, acked);
}

static bool must_begin(const struct flow *f, const struct flow_cold *k)
{
	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS) || f->tx_inflight == 0)
		return false;
	if (f->flags & FLOW_SACK)
		return k->lost_to > f->tx_una;
	/* RFC 6582 3.2: duplicates of what a timeout resent in vain must not begin a second recovery */
	return f->dup_acks >= DUP_THRESH && (f->tx_una > k->recover || k->recover == 0);
}

/* What this acknowledgement, of `delivered` bytes, lets go: in proportion while more is in the network than
 * ssthresh; then as much as was delivered, and a segment more if nothing else was found lost meanwhile. */
static void prr_update(struct tcp t, uint32_t delivered, bool moved)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;
	uint32_t pipe = recovery_pipe(f, k);
	uint64_t may;

	k->prr_delivered += delivered;
	if (pipe > k->ssthresh) {
		/* a division for each acknowledgement of a recovery, which is not the steady state */
		may = (k->prr_delivered * k->ssthresh + k->prr_flight - 1) / k->prr_flight;
		may = may > k->prr_out ? may - k->prr_out : 0;
	} else {
		may = k->prr_delivered > k->prr_out ? k->prr_delivered - k->prr_out : 0;
		may = max_u64(may, delivered) + (moved ? f->mss : 0);
		may = min_u64(may, k->ssthresh - pipe);
	}
	f->cwnd = max_u32(pipe + (uint32_t)may, f->mss);
}

/* Without SACK: a duplicate says that a segment arrived, and what is acknowledged after n duplicates was
 * counted n times (RFC 6937 3). */
static uint32_t delivered_blindly(const struct flow *f, uint32_t acked, bool duplicate)
{
	uint32_t counted = (uint32_t)f->dup_acks * f->mss;

	if (duplicate)
		return f->mss;
	return acked > counted ? max_u32(acked - counted, min_u32(acked, f->mss)) : min_u32(acked, f->mss);
}

void recovery_on_ack(struct tcp t, const struct seg *seg, uint32_t acked, uint32_t delivered, bool duplicate)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;
	uint64_t lost_to = k->lost_to;

	if (!(f->flags & FLOW_SACK))
		delivered = delivered_blindly(f, acked, duplicate);

	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS)) {
		if (!spurious_on_ack(t, seg, acked, duplicate))
			recovery_continue(t, acked, delivered);
	} else if (acked > 0) {
		f->dup_acks = 0;
	}
	k->lost_to = max_u64(k->lost_to, f->tx_una);
	if (f->flags & FLOW_SACK)
		rack_detect(t);
	if ((duplicate || (f->flags & FLOW_SACK)) && must_begin(f, k)) {
		recovery_enter(t);
		if (!(f->flags & FLOW_SACK))
			lose_first(f, k);
	}
	if ((f->flags & FLOW_RECOVERY) && k->beta_q8 != 0)
		prr_update(t, delivered, acked > 0 && k->lost_to == lost_to);
	if (k->sacked.n == 0 &&
		k->resent.n == 0) { /* what was delivered last says nothing about what comes */
		k->rack.is_set = k->rack.is_waiting = false;
		holes_done(t.c->fp, k);
	}
}

/* At once and not after a timeout, as it does not come: what is acknowledged meanwhile pushes it back. Linux
 * waits for half a round trip, in case that the peer meant something else. */
void recovery_taken_back(struct tcp t)
{
	t.k->lost_to = max_u64(t.k->lost_to, ranges_top(&t.k->sacked));
	t.k->sacked.n = 0;
	if (!(t.f->flags & (FLOW_RECOVERY | FLOW_LOSS)))
		recovery_begin(t);
	t.k->recover = max_u64(t.k->recover, t.k->lost_to);
	spurious_never(t.k);
}

/* If the last segment was lost, and its second sending alone arrived, nobody else would answer the loss. */
void recovery_after_probe(struct tcp t, const struct seg *seg, bool moved, bool sacked)
{
	struct flow_cold *k = t.k;

	if (t.f->tx_una < k->tail_end)
		return;
	if (!k->tail_resent || (seg->has_other_opts && k->rack.probe_duplicate)) {
		k->tail_probed = false;
	} else if (t.f->tx_una > k->tail_end) {
		k->tail_probed = false;
		if (t.f->flags & (FLOW_RECOVERY | FLOW_LOSS))
			return;
		recovery_begin(t);
		recovery_end(t, 0);
		spurious_never(k);
	} else if (!moved && !sacked && seg->payload_len == 0) {
		k->tail_probed = false; /* both arrived */
	}
}

/* The reordering window of something is over. */
void recovery_on_due(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);

	if (!(t.f->flags & FLOW_SACK) || t.f->tx_inflight == 0)
		return;
	rack_detect(t);
	if (must_begin(t.f, t.k))
		recovery_enter(t);
	if ((t.f->flags & FLOW_RECOVERY) && t.k->beta_q8 != 0)
		prr_update(t, t.f->mss, false);
	tcp_tx(c, id);
}

bool recovery_next(const struct flow *f, struct flow_cold *k, struct flow_range *piece)
{
	uint64_t from = f->tx_una;

	if (!(f->flags & (FLOW_RECOVERY | FLOW_LOSS)) || k->undo.frto == FRTO_NEW)
		return false;
	while (ranges_next_hole(&k->sacked, from, k->lost_to, piece)) {
		if (!resent_covers(&k->resent, piece->from, &from)) {
			piece->to = min_u64(piece->to, resent_next(&k->resent, piece->from));
			piece->to = min_u64(piece->to, piece->from + f->mss);
			return (k->undo.frto == FRTO_OFF || piece->from == f->tx_una) &&
				resent_room(&k->resent);
		}
	}
	return false;
}

void recovery_sent(struct tcp t, struct flow_range piece)
{
	if (piece.from == t.f->tx_una)
		t.k->rto_base_us = t.c->now_us;
	spurious_resent(t, piece);
	if (unlikely(t.k->path.is_out) && piece.from < t.k->path.to && piece.to > t.k->path.from)
		t.k->path.lost = true;
	resent_add(&t.k->resent, piece, t.c->now_us);
	t.k->lost += piece.to - piece.from;
}

void tcp_on_timeout(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	TAS_ASSERT(f->tx_inflight > 0);
	spurious_on_timeout(t,
		(f->flags & FLOW_RECOVERY) || ((f->flags & FLOW_LOSS) && k->undo.from != f->tx_una));
	/* once for a window of data, as Linux; but with beta 0 the recovery did not reduce */
	if (!(f->flags & FLOW_LOSS) && (!(f->flags & FLOW_RECOVERY) || k->beta_q8 == 0))
		reduce(f, k);
	if (k->sacked.n > 0 && ranges_all(&k->sacked)[0].from == f->tx_una)
		k->sacked.n = 0; /* the peer took back what it had SACKed (RFC 2018 8) */
	k->resent.n = 0;
	k->step_at = UINT64_MAX;
	k->rack.is_waiting = k->tail_probed = false;
	f->cwnd = f->mss;
	f->dup_acks = 0;
	f->flags |= FLOW_LOSS | (f->flags & FLOW_ECN ? FLOW_CWR : 0);
	recovery_leave(f, k, 0);
	k->recover = k->lost_to = flow_tx_nxt(f);
	k->timeouts++;
	k->timeout_delivered = k->delivered;
	count(c, CNT_TCP_TIMEOUTS, 1);
	tcp_tx(c, id);
}

void tcp_on_too_large(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	struct flow *f = t.f;
	struct flow_cold *k = t.k;

	if (f->tx_inflight <= f->mss)
		return;
	if ((f->flags & FLOW_RECOVERY) && k->beta_q8 != 0)
		f->cwnd = k->ssthresh;
	k->resent.n = 0;
	k->rack.is_waiting = k->tail_probed = false;
	resend_all_below(t, flow_tx_nxt(f));
	tcp_tx(c, id);
}
