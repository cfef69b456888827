/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_ack.c - acknowledgements, round-trip times and the peer's window. */
#include "fastpath/holes.h"
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"
#include "include/net/rtt.h"
#include "include/net/tcp_opt.h"

/* The peer's window counts from the acknowledgement it came with. RFC 9293 3.10.7.4: an old segment must not
 * renew it. One that acknowledges more is none, whatever its number: a peer that goes back after a timeout
 * begins anew with that (as Linux). */
static inline void window_update(struct flow *f, struct flow_cold *k, const struct seg *seg, bool moved)
{
	if ((int32_t)(seg->seq.v - f->wl1) < 0 && !moved)
		return;
	f->wl1 = seg->seq.v;
	f->snd_wnd = (uint32_t)seg->wnd << f->snd_wscale;
	if (f->snd_wnd > k->max_snd_wnd)
		k->max_snd_wnd = f->snd_wnd;
}

/* Of Linux's five minutes (tcp_min_rtt_wlen) the half. */
enum { RTT_SPELL_US = 150 * 1000 * 1000 };

/* A path that became longer is known to be after two spells. */
static inline void rtt_least(struct flow_cold *k, uint32_t us, uint32_t now_us)
{
	k->min_rtt_us = min_u32(k->min_rtt_us, us);
	k->min_rtt_lately_us = min_u32(k->min_rtt_lately_us, us);
	k->spell_rtt_us = min_u32(k->spell_rtt_us, us);
	if (unlikely(now_us - k->spell_us > RTT_SPELL_US)) {
		k->min_rtt_lately_us = k->spell_rtt_us;
		k->spell_rtt_us = us;
		k->spell_us = now_us;
	}
}

static inline bool rtt_since(struct tcp t, uint32_t sent_us)
{
	uint32_t us = t.c->now_us - sent_us;

	if (unlikely((int32_t)us < 0)) /* another core, with a younger clock, sent it */
		return false;
	rtt_sample(&t.f->srtt_us, &t.k->rttvar_us, us);
	rtt_least(t.k, us, t.c->now_us);
	return true;
}

/* Karn: what was sent again tells no round trip. `again`: something of what was outstanding was. */
static inline bool rtt_timed(struct tcp t, bool again)
{
	uint32_t sent_us;

	return sent_acked(&t.k->sent, t.f->tx_una, &sent_us) &&
		likely(!again && !(t.f->flags & (FLOW_RECOVERY | FLOW_LOSS))) && rtt_since(t, sent_us);
}

/* On a path with steady losses recovery never ends, but what is SACKed while it was sent only once tells the
 * round trip as well (RFC 6298 3 excludes only what was sent again). */
static void rtt_sacked(struct tcp t, uint64_t to)
{
	uint64_t end;
	uint32_t sent_us;

	if (!(t.f->flags & FLOW_LOSS) && to > ranges_top(&t.k->sacked) && to > t.k->lost_to &&
		!resent_covers(&t.k->resent, to - 1, &end) && sent_exactly(t.f, &t.k->sent, to, &sent_us) &&
		sent_us != t.c->now_us) /* within a tick of the clock: no time at all */
		rtt_since(t, sent_us);
}

/* Which of several sendings was acknowledged, the echoed timestamp says (RFC 7323 4.1), in milliseconds. But
 * when the path was silent the acknowledgement of the first may have been lost, and that of the last echoes
 * the first: what came half a round trip or more after the last sending is taken for its answer, or the flow
 * would be as slow as if the silence went on. If it was not, the path is slower, and the next one says so. */
static bool rtt_echoed(struct tcp t, const struct seg *seg)
{
	uint32_t ms = (uint32_t)(t.c->now / NS_PER_MS) + t.f->ts_off - seg->ts_ecr;
	uint32_t us = max_u32(ms, 1) * 1000, since_us = t.c->now_us - t.k->rto_base_us;

	if (!(t.f->flags & FLOW_TS) || !seg->has_ts || seg->ts_ecr == 0 || ms > 60 * 1000)
		return false;
	if (since_us >= t.k->min_rtt_lately_us / 2)
		us = min_u32(us, max_u32(since_us, 1000));
	rtt_sample(&t.f->srtt_us, &t.k->rttvar_us, us);
	return true;
}

/* What was not sent yet may be limited, too: half of that is worth telling, as in Linux. */
bool tcp_tx_space_limited(const struct flow *f, const struct flow_cold *k)
{
	uint64_t unsent = f->tx_avail - min_u32(f->tx_inflight, f->tx_avail);

	return f->tx_avail <= k->tx_limit - k->tx_limit / 4 &&
		(k->notsent_lowat == 0 || 2 * unsent < k->notsent_lowat);
}

/* The application wants to know that there is space again. */
static inline void tell_space(struct tcp t)
{
	if ((t.f->flags & FLOW_WANT_SPACE) && tcp_tx_space(t.f, t.k)) {
		t.f->flags &= ~(uint32_t)FLOW_WANT_SPACE;
		app_notify(t.c, t.f, 0, 0);
	}
}

void tcp_tell_space(struct tcp t)
{
	app_store(t.c, t.f);
	tell_space(t);
}

/* The timer, which was backed off, is to be armed anew. */
static inline void backoff_end(struct tcp t)
{
	t.k->backoff = 0;
	flow_event(t.c, t.id, FLOW_EV_TIMER);
}

/* Without a timeout before it, an acknowledgement is measured if it was timed. After one it ends the backoff
 * only if it was measured, for else a path that has become slower than the timer would never be known to be
 * (RFC 6298 5, Karn's algorithm). */
static inline void rtt_take(struct tcp t, const struct seg *seg, bool again)
{
	bool measured = rtt_timed(t, again);

	if (unlikely(t.k->backoff > 0) && (measured || rtt_echoed(t, seg)))
		backoff_end(t);
}

static inline bool is_marked(const struct flow *f, const struct seg *seg)
{
	return (f->flags & FLOW_ECN) && (seg->flags & RTE_TCP_ECE_FLAG);
}

/* Congestion control need not hear of acknowledgements as long as the application, and neither window nor
 * pace, is the limit and nothing is lost or marked: a server of requests then costs the slow path nothing. */
static inline void cc_note(struct tcp t, const struct seg *seg)
{
	const uint32_t matters = FLOW_CWND_LIMITED | FLOW_RECOVERY | FLOW_LOSS;

	if (unlikely((t.f->flags & matters) != 0 || is_marked(t.f, seg)))
		tcp_cc_wake(t);
}

/* With the acknowledgement that completes a window, and not when the slow path looks next: the segment that
 * may go for it goes with the others. A peer that delays acknowledgements would keep that of one that comes
 * alone. Not with one that reports congestion (RFC 3168 6.1.2). */
static TAS_NOINLINE void cc_step(struct tcp t, const struct seg *seg)
{
	if (t.k->delivered < t.k->step_at || t.k->step_at == 0 || is_marked(t.f, seg))
		return;
	t.k->step_at = 0;
	t.f->cwnd += t.f->mss;
}

/* `acked` bytes left the network for good; the FIN, if it was among them, is not payload. */
static void ack_advance(struct tcp t, uint32_t acked, const struct seg *seg)
{
	struct flow *f = t.f;
	struct flow_cold *k = t.k;
	uint32_t payload = min_u32(acked, f->tx_avail);
	bool again = k->resent.n > 0;
	uint64_t had_sacked = k->sacked.n > 0 ? ranges_bytes(&k->sacked, f->tx_una, f->tx_una + acked) : 0;

	cc_note(t, seg);
	if (unlikely(k->sacked.n > 0 || again))
		rack_delivered(t, seg, f->tx_una, f->tx_una + acked);
	f->tx_una += acked;
	f->tx_inflight -= acked;
	f->tx_avail -= payload;
	f->snd_wnd -= min_u32(acked, f->snd_wnd);
	k->delivered += acked - had_sacked;
	if (unlikely(f->flags & (FLOW_CC_ACTIVE | FLOW_ECN | FLOW_URGENT))) {
		if (f->flags & FLOW_CC_ACTIVE)
			cc_step(t, seg);
		if (f->flags & FLOW_ECN)
			ecn_ack_in(t, seg, acked);
		if (f->flags & FLOW_URGENT)
			urgent_acked(t);
	}
	count(t.c, CNT_TCP_TX_PAYLOAD, payload);
	if (k->sacked.n > 0)
		ranges_trim_below(&k->sacked, f->tx_una);
	rtt_take(t, seg, again);
	k->rto_base_us = k->delivered_us = t.c->now_us;
	if (unlikely(acked > payload)) {
		f->flags &= ~(uint32_t)FLOW_TX_FIN;
		f->flags |= FLOW_FIN_DONE;
		flow_event(t.c, t.id, FLOW_EV_FIN_ACKED);
		app_notify(t.c, f, ABI_EV_TX_DONE, 0);
	}
}

/* RFC 2883 4: the first block lies below the acknowledgement, or within the second. */
static bool is_duplicate_sack(const struct seg *seg, const struct tcp_opts *o)
{
	const struct tcp_sack_block *b = o->sack;

	return seq_dist(seg->ack, b[0].left) < 0 ||
		(o->nsack > 1 && seq_dist(b[1].left, b[0].left) >= 0 &&
			seq_dist(b[0].right, b[1].right) >= 0);
}

/* [from, to) came twice. Is it more than was ever sent again, the network made it so, and it says nothing;
 * nor of the path's order if it was the probe of a tail, which waits for no such reason (RFC 8985 7.4; both
 * as Linux). */
static void duplicate_reported(struct tcp t, uint64_t from, uint64_t to)
{
	struct flow_cold *k = t.k;

	if ((int64_t)(to - from) <= 0 || to > flow_tx_nxt(t.f))
		return;
	count(t.c, CNT_TCP_RX_DSACKS, 1);
	k->rack.duplicate = true;
	k->bytes_twice += to - from;
	if (k->bytes_twice > k->bytes_rtx) {
		k->bytes_twice = k->bytes_rtx;
		return;
	}
	k->rack.probe_duplicate = k->tail_probed && k->tail_resent && to == k->tail_end;
	if (!k->rack.probe_duplicate)
		rack_duplicate(t);
	spurious_on_duplicate(t, from, to);
}

static uint64_t sacked_add(struct tcp t, const struct seg *seg, uint64_t from, uint64_t to)
{
	if (ranges_bytes(&t.k->sacked, from, to) == to - from)
		return 0;
	holes_room(t.c->fp, t.k);
	rtt_sacked(t, to);
	rack_delivered(t, seg, from, to);
	return ranges_add(&t.k->sacked, from, to);
}

/* RFC 2018, 6675: takes the blocks that make sense; returns the bytes newly SACKed. */
static uint64_t sack_take(struct tcp t, const struct seg *seg, const uint8_t *frame)
{
	struct tcp_opts o;
	uint64_t fresh = 0;

	if (!(t.f->flags & FLOW_SACK) || !seg->has_other_opts)
		return 0;
	tcp_opt_parse(frame + seg->opts_off, seg->opts_len, &o);
	t.k->rack.duplicate = t.k->rack.probe_duplicate = false;
	for (unsigned i = 0; i < o.nsack; i++) {
		tcp_seq una = flow_tx_seq(t.f, t.f->tx_una);
		uint64_t from = seq_offset_near(t.f->tx_una, una, o.sack[i].left);
		uint64_t to = seq_offset_near(t.f->tx_una, una, o.sack[i].right);

		if (i == 0 && is_duplicate_sack(seg, &o))
			duplicate_reported(t, from, to);
		/* below una: a D-SACK (RFC 2883) or old news; past what was sent: a lie */
		if ((int64_t)(from - t.f->tx_una) < 0 || (int64_t)(to - from) <= 0 || to > flow_tx_nxt(t.f))
			continue;
		fresh += sacked_add(t, seg, from, to);
	}
	t.k->delivered += fresh;
	if (fresh > 0)
		t.k->delivered_us = t.c->now_us;
	return fresh;
}

/* RFC 5681 2: acknowledges nothing new, carries nothing, changes no window, and something is outstanding. */
static inline bool is_duplicate(const struct flow *f, const struct seg *seg)
{
	return f->tx_inflight > 0 && seg->payload_len == 0 && !(seg->flags & RTE_TCP_FIN_FLAG) &&
		((uint32_t)seg->wnd << f->snd_wscale) == f->snd_wnd;
}

/* RFC 5961 5.2. */
static enum ack_result ack_refuse(struct tcp t, const struct seg *seg)
{
	if (seg_seq_len(seg) > 0 || flow_may_answer(t.k, t.c->now)) {
		count(t.c, CNT_TCP_RX_CHALLENGE, 1);
		tcp_ack_soon(t);
	}
	return ACK_REFUSED;
}

bool tcp_ack_believed(struct tcp t, const struct seg *seg)
{
	int32_t ahead = seq_dist(flow_tx_seq(t.f, t.f->tx_una), seg->ack);

	return ahead <= (int64_t)t.f->tx_inflight && ahead >= -(int64_t)t.k->max_snd_wnd;
}

enum ack_result tcp_ack_in(struct tcp t, const struct seg *seg, const uint8_t *frame)
{
	struct flow *f = t.f;
	int32_t ahead = seq_dist(flow_tx_seq(f, f->tx_una), seg->ack);
	uint64_t fresh, delivered = t.k->delivered;
	bool duplicate = false, moved = ahead > 0;
	bool probed = f->snd_wnd == 0 && f->tx_inflight == 0 && t.k->backoff > 0;

	if (unlikely(ahead > (int64_t)f->tx_inflight || ahead < -(int64_t)t.k->max_snd_wnd))
		return ack_refuse(t, seg);
	if (unlikely(ahead < 0))
		return ACK_ACCEPTED; /* old: its payload may still be new */

	if (moved)
		ack_advance(t, (uint32_t)ahead, seg);
	fresh = sack_take(t, seg, frame);
	if (unlikely(t.k->sacked.n > 0) && moved && ranges_all(&t.k->sacked)[0].from == f->tx_una)
		recovery_taken_back(t);
	if (!moved && (fresh > 0 || (!(f->flags & FLOW_SACK) && is_duplicate(f, seg)))) {
		duplicate = true;
		f->dup_acks += f->dup_acks < UINT8_MAX;
		count(t.c, CNT_TCP_RX_DUP_ACKS, 1);
		tcp_cc_wake(t);
	}
	if (unlikely(t.k->tail_probed))
		recovery_after_probe(t, seg, moved, fresh > 0);
	window_update(f, t.k, seg, moved);
	if (unlikely(probed) && f->snd_wnd > 0) /* the window opened: its probes are over */
		backoff_end(t);
	if (unlikely(duplicate || t.k->sacked.n > 0 || (f->flags & (FLOW_RECOVERY | FLOW_LOSS)) ||
		    f->dup_acks))
		recovery_on_ack(t, seg, moved ? (uint32_t)ahead : 0, (uint32_t)(t.k->delivered - delivered),
			duplicate);
	if (moved) {
		app_store(t.c, f);
		tell_space(t);
	}
	if (f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0) > f->tx_inflight ||
		(f->flags & (FLOW_RECOVERY | FLOW_LOSS)))
		list_push_ready(t.c, t.id);
	return ACK_ACCEPTED;
}
