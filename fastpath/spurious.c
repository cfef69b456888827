/* SPDX-License-Identifier: BSD-3-Clause */
/* spurious.c - recoveries that were in vain are taken back: the window and ssthresh are again what they were,
 * and what was deemed lost is in the network again, and not sent again.
 *
 * There are three ways to learn of it, each enough:
 *   - F-RTO (RFC 5682 2.1, 3.1): after a timeout the first segment goes again, and once that is acknowledged
 *     two new ones. If what they bring back is about something that was sent once, that was never lost.
 *   - Eifel (RFC 3522): the first acknowledgement that goes on echoes a timestamp from before anything was
 *     sent again. What it acknowledges is the first sending.
 *   - D-SACK (RFC 2883, 3708): the peer got twice all that was sent again.
 * As in Linux the window is restored whole (RFC 4015 would restore less; what goes is paced). */
#include "fastpath/tcp_int.h"

static uint32_t oldest_us(const struct flow_cold *k)
{
	return k->sent.n > 0 ? k->sent.mark[k->sent.head].us : k->rto_base_us;
}

void spurious_begin(struct tcp t)
{
	const struct flow *f = t.f;
	struct flow_cold *k = t.k;

	k->undo = (struct flow_undo){
		.from = f->tx_una,
		.cwnd = f->cwnd,
		.ssthresh = k->ssthresh,
		.sent_us = oldest_us(k),
		/* what is on its way again already may be reported, too */
		.resent = resent_bytes(&k->resent, f->tx_una, flow_tx_nxt(f)),
		.is_open = true,
	};
}

/* F-RTO only if a recovery begins with this timeout, or nothing moved since it did (RFC 5682 2.1, 3.2). */
void spurious_on_timeout(struct tcp t, bool recovering)
{
	if (!(t.f->flags & (FLOW_RECOVERY | FLOW_LOSS)))
		spurious_begin(t);
	t.k->undo.frto = recovering || !t.k->undo.is_open ? FRTO_OFF : FRTO_HEAD;
}

void spurious_never(struct flow_cold *k)
{
	k->undo.is_open = false;
	k->undo.frto = FRTO_OFF;
}

static uint32_t ts_now(struct tcp t) { return (uint32_t)(t.c->now / NS_PER_MS) + t.f->ts_off; }

void spurious_resent(struct tcp t, struct flow_range piece)
{
	struct flow_undo *u = &t.k->undo;

	if (!u->is_open)
		return;
	if (u->ts == 0 && !u->is_stamped && (t.f->flags & FLOW_TS)) {
		u->ts = ts_now(t);
		u->is_stamped = true;
	}
	u->resent += piece.to - piece.from;
}

/* The timer was too short for this path, or this peer, and is longer until round trips show that it need
 * not be (RFC 4015 3.2). Of the two that make it up only the variation grows: the pace depends on the
 * other. */
static void timer_was_too_short(struct tcp t)
{
	uint32_t us = t.c->now_us - t.k->undo.sent_us;

	if (us < t.c->fp->conf.rto.max_us / 2)
		t.k->rttvar_us = max_u32(t.k->rttvar_us, 2 * us);
}

static void undo(struct tcp t)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;
	bool timeout = f->flags & FLOW_LOSS;

	if (timeout)
		timer_was_too_short(t);
	f->cwnd = max_u32(f->cwnd, k->undo.cwnd);
	k->ssthresh = max_u32(k->ssthresh, k->undo.ssthresh);
	if (f->flags & (FLOW_RECOVERY | FLOW_LOSS))
		rack_recovered(&k->rack);
	/* not counted as a recovery: what it delivered grows the window as if it had not been */
	f->flags &= ~(uint32_t)(FLOW_RECOVERY | FLOW_LOSS);
	if (k->undo.from >= k->marks_to) /* else the peer is to hear of that reduction */
		f->flags &= ~(uint32_t)FLOW_CWR;
	f->dup_acks = 0;
	k->lost_to = f->tx_una;
	k->undone++;
	k->undone_of = k->recoveries + k->timeouts;
	spurious_never(k);
	count(t.c, timeout ? CNT_TCP_UNDONE_TIMEOUTS : CNT_TCP_UNDONE_RECOVERIES, 1);
	tcp_cc_wake(t);
}

/* RFC 3522 3.2. That the echo is old also happens if all had arrived and only acknowledgements were lost:
 * then a D-SACK says so, or would, if the peer knows how (steps 5, 6). */
static bool echo_is_of_the_first_sending(struct tcp t, const struct seg *seg)
{
	struct flow_undo *u = &t.k->undo;

	if (!u->is_open || !u->is_stamped || !seg->has_ts)
		return false;
	u->is_stamped = false; /* this is the first */
	if (seg->ts_ecr == 0 || (int32_t)(seg->ts_ecr - u->ts) >= 0)
		return false;
	if (seg->has_other_opts && t.k->rack.duplicate)
		return false;
	return t.f->tx_inflight > 0 || t.k->bytes_twice > 0;
}

/* Is there a full segment that was never sent, and room for it in the peer's window? */
static bool has_new(const struct flow *f)
{
	uint32_t unsent = f->tx_avail - min_u32(f->tx_inflight, f->tx_avail);
	uint32_t room = f->snd_wnd > f->tx_inflight ? f->snd_wnd - f->tx_inflight : 0;

	return min_u32(unsent, room) >= f->mss;
}

/* RFC 5682 3.1 (2); without SACK a duplicate, too, ends it (2.1 (2a)). True: new segments are to go. */
static bool frto_on_head(struct tcp t, uint32_t acked, bool duplicate)
{
	struct flow *f = t.f;

	if (acked == 0) {
		if (duplicate && !(f->flags & FLOW_SACK))
			t.k->undo.frto = FRTO_OFF;
		return false;
	}
	if (t.k->resent.n > 0) /* a part of it */
		return false;
	if (f->tx_una >= t.k->recover || !has_new(f)) {
		t.k->undo.frto = FRTO_OFF;
		return false;
	}
	t.k->undo.frto = FRTO_NEW;
	t.k->undo.is_fresh = false;
	t.k->recover = flow_tx_nxt(f);
	f->cwnd = max_u32(f->cwnd, 2u * f->mss);
	return true;
}

bool spurious_on_ack(struct tcp t, const struct seg *seg, uint32_t acked, bool duplicate)
{
	struct flow_undo *u = &t.k->undo;

	if (acked > 0 && echo_is_of_the_first_sending(t, seg)) {
		t.k->rack.reordered |= !(t.f->flags & FLOW_LOSS);
		undo(t);
		return true;
	}
	if (u->frto == FRTO_HEAD)
		return frto_on_head(t, acked, duplicate);
	if (u->frto == FRTO_OFF || (acked == 0 && !duplicate))
		return false;
	/* (3): the byte at una was sent once, for the first segment alone went again */
	if (acked > 0 || u->is_fresh) {
		undo(t);
		return true;
	}
	u->frto = FRTO_OFF;
	return false;
}

void spurious_on_first_sending(struct tcp t, uint64_t from, uint64_t to)
{
	to = min_u64(to, t.k->recover); /* what is above was sent to learn from */
	if (from < to && ranges_bytes(&t.k->sacked, from, to) < to - from)
		t.k->undo.is_fresh = true;
}

static bool all_came_twice(const struct flow_undo *u)
{
	return u->is_open && u->resent > 0 && u->twice >= u->resent;
}

bool spurious_at_end(struct tcp t)
{
	if (!all_came_twice(&t.k->undo))
		return false;
	undo(t);
	return true;
}

/* After a timeout, not before all is acknowledged: the first segment may have come twice because only its
 * acknowledgement was lost, and the others once or never. */
void spurious_on_duplicate(struct tcp t, uint64_t from, uint64_t to)
{
	struct flow_undo *u = &t.k->undo;

	if (!u->is_open || to <= u->from)
		return;
	u->twice += to - max_u64(from, u->from);
	if (all_came_twice(u) && (!(t.f->flags & FLOW_LOSS) || t.f->tx_una >= t.k->recover))
		undo(t);
}
