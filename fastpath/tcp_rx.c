/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_rx.c - a segment arrives in a synchronized state (RFC 9293 3.10.7.4), but for SYN and RST. */
#include "fastpath/holes.h"
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"
#include "include/net/rtt.h"

/* The part of [off, off+len) inside the receive window; len 0 if none. Distances from rx_nxt. */
struct rcv_span {
	uint32_t skip; /* bytes of the segment before the part */
	uint32_t off;  /* where it begins, from rx_nxt */
	uint32_t len;
};

static inline struct rcv_span rcv_clip(int32_t head, uint32_t len, uint32_t wnd)
{
	int64_t tail = (int64_t)head + len;
	int64_t from = head > 0 ? head : 0;   /* drop what we have */
	int64_t to = tail < wnd ? tail : wnd; /* drop what does not fit */

	if (from >= to)
		return (struct rcv_span){ 0 };
	return (struct rcv_span){ .skip = (uint32_t)(from - head),
		.off = (uint32_t)from,
		.len = (uint32_t)(to - from) };
}

/* The application wants less of the ring to be used, or a smaller window. What was offered stands. */
uint32_t tcp_rcv_window_limited(const struct flow *f, const struct flow_cold *k)
{
	uint32_t limit = min_u32(k->rx_limit, flow_rx_size(f)); /* before accept there may be less */
	uint32_t free_bytes = limit > f->rx_unread ? limit - f->rx_unread : 0;

	return max_u32(min_u32(min_u32(free_bytes, k->rx_clamp), 0xffffu << f->rcv_wscale), f->rx_adv);
}

uint32_t tcp_rcv_window(const struct flow *f, const struct flow_cold *k) { return rcv_window(f, k); }

/* First, acceptability, as Linux takes it: not wholly before the last acknowledgement sent, not beyond the
 * window. */
static inline bool seq_acceptable(const struct flow *f, int32_t head, uint32_t len)
{
	return head + (int64_t)len >= -(int64_t)f->rx_unacked && head <= (int64_t)f->rx_adv;
}

/* RFC 7323 5.5: after 24 days the peer's clock may have passed half its range, and an older value is no older
 * segment. */
#define PAWS_IDLE_NS (24ull * 24 * 3600 * NS_PER_SEC)

static inline bool is_older(struct tcp t, const struct seg *seg)
{
	return (t.f->flags & FLOW_TS) && seg->has_ts && (int32_t)(seg->ts_val - t.f->ts_recent) < 0 &&
		/* signed: another core, with a younger clock, may have taken it */
		(int64_t)(t.c->now - t.k->ts_recent_ns) < (int64_t)PAWS_IDLE_NS;
}

/* RFC 7323 4.3 (2): only a segment that covers the last acknowledgement sent renews the timestamp to echo;
 * and whose own acknowledgement is believed, or a blind guess at one number would end the connection by a
 * timestamp far ahead of the peer's (RFC 5961 5). */
static inline void ts_update(struct tcp t, const struct seg *seg, int32_t head)
{
	if (!(t.f->flags & FLOW_TS) || !seg->has_ts || head > -(int32_t)t.f->rx_unacked)
		return;
	t.f->ts_recent = seg->ts_val;
	t.k->ts_recent_ns = t.c->now;
}

/* [from, to) came once more: the next acknowledgement, which goes at once and alone, for nothing else has
 * room to say it, tells the peer (RFC 2883 4). */
static TAS_NOINLINE void ack_twice(struct tcp t, uint64_t from, uint64_t to)
{
	if (!(t.f->flags & FLOW_SACK)) {
		tcp_ack_soon(t);
		return;
	}
	t.k->twice = (struct flow_range){ from, to };
	t.f->flags |= FLOW_OOO;
	count(t.c, CNT_TCP_TX_DSACKS, 1);
	tcp_ack_now(t.c, t.id);
}

/* What of the segment lies before what is expected next. Keepalive probes that carry a byte are among it, and
 * are answered so by Linux, too. */
static void ack_old(struct tcp t, const struct seg *seg, int32_t head)
{
	uint64_t from = t.f->rx_nxt + (uint64_t)(int64_t)head;

	ack_twice(t, from, min_u64(from + seg->payload_len, t.f->rx_nxt));
}

/* RFC 9293 3.10.7.4, first: what is not acceptable is acknowledged. What carries something comes again by the
 * peer's timer only, so it is always answered. */
static TAS_NOINLINE void answer(struct tcp t, const struct seg *seg, int32_t head)
{
	if (seg->payload_len > 0 && head < 0)
		ack_old(t, seg, head);
	else if (seg_seq_len(seg) > 0 ||
		(head == -1 ? flow_may_answer_probe(t.k, t.c->now) : flow_may_answer(t.k, t.c->now)))
		tcp_ack_soon(t);
}

/* A duplicate acknowledgement that another overtook on its way still tells of a loss, and can do no harm: it
 * carries nothing, acknowledges nothing new, and the window is that of the other (tcp_disordered_ack() of
 * Linux; RFC 7323 5.3 would drop it). */
static bool is_overtaken_duplicate(struct tcp t, const struct seg *seg, int32_t head)
{
	const struct flow *f = t.f;
	uint32_t wnd = (uint32_t)seg->wnd << f->snd_wscale;
	int32_t after_wl1 = (int32_t)(seg->seq.v - f->wl1);
	bool renews_window = after_wl1 > 0 || (after_wl1 == 0 && (wnd > f->snd_wnd || wnd == 0));
	uint32_t rto_us = rtt_rto_us(f->srtt_us, t.k->rttvar_us, &t.c->fp->conf.rto);

	return (seg->flags & RTE_TCP_ACK_FLAG) && seg_seq_len(seg) == 0 && head == 0 &&
		seq_eq(seg->ack, flow_tx_seq(f, f->tx_una)) && !renews_window &&
		f->ts_recent - seg->ts_val <= rto_us / 1000;
}

/* Its timestamp is older than the last: it is of the past, but for a duplicate acknowledgement. */
static TAS_NOINLINE void rx_older(struct tcp t, const struct seg *seg, const uint8_t *frame, int32_t head)
{
	if (is_overtaken_duplicate(t, seg, head)) {
		tcp_ack_in(t, seg, frame);
		return;
	}
	count(t.c, CNT_TCP_RX_PAWS, 1);
	answer(t, seg, head);
}

static inline void ring_write(struct tcp t, uint64_t off, const uint8_t *data, uint32_t len)
{
	char *ring = app_page(&t.c->fp->apps[t.f->app], t.f->rx_page);
	uint32_t size = flow_rx_size(t.f), at = (uint32_t)off & (size - 1), first = min_u32(len, size - at);

	memcpy(ring + at, data, first);
	if (unlikely(first < len))
		memcpy(ring, data + first, len - first);
}

static inline void rx_advance(struct tcp t, uint32_t n)
{
	t.f->rx_nxt += n;
	t.f->rx_unread += n;
	t.f->rx_unacked += n;
	t.f->rx_adv -= min_u32(n, t.f->rx_adv);
	t.k->bytes_in += n;
	count(t.c, CNT_TCP_RX_PAYLOAD, n);
}

/* What arrived earlier past the gap that is now closed becomes readable. */
static void reass_join(struct tcp t)
{
	struct flow_ranges *r = &t.k->reass;
	const struct flow_range *first = ranges_all(r);

	if (r->n > 0 && first->from <= t.f->rx_nxt && first->to > t.f->rx_nxt)
		rx_advance(t, (uint32_t)(first->to - t.f->rx_nxt));
	ranges_trim_below(r, t.f->rx_nxt);
	if (r->n == 0) {
		t.f->flags &= ~(uint32_t)FLOW_OOO;
		holes_done(t.c->fp, t.k);
	}
}

static void rx_out_of_order(struct tcp t, const struct rcv_span *s, const uint8_t *data)
{
	uint64_t from = t.f->rx_nxt + s->off;
	struct flow_range had;
	bool twice = ranges_first_common(&t.k->reass, from, from + s->len, &had);

	holes_room(t.c->fp, t.k);
	if (ranges_add(&t.k->reass, from, from + s->len) == 0) {
		count(t.c, CNT_TCP_RX_DUP, 1);
	} else {
		ring_write(t, from, data + s->skip, s->len);
		t.f->flags |= FLOW_OOO;
		count(t.c, CNT_TCP_RX_OOO, 1);
	}
	t.k->reass_last = from;
	/* RFC 5681 4.2: each one, at once, so that the sender can count */
	if (unlikely(twice))
		ack_twice(t, had.from, had.to);
	else
		tcp_ack_now(t.c, t.id);
}

/* RFC 5681 4.2: every second full segment at least; at once at the start of a connection and when a gap
 * closes. */
static void ack_in_order(struct tcp t, bool gap_closed)
{
	struct flow *f = t.f;

	if (gap_closed || f->rx_unacked >= 2u * t.k->rcv_mss) {
		tcp_ack_soon(t);
	} else if (t.k->quick_acks > 0 && !(f->flags & FLOW_PINGPONG)) {
		t.k->quick_acks--;
		tcp_ack_soon(t);
	} else {
		tcp_ack_later(t);
	}
}

static inline void in_order_take(struct tcp t, const struct rcv_span *s, const uint8_t *data)
{
	ring_write(t, t.f->rx_nxt, data + s->skip, s->len);
	rx_advance(t, s->len);
	t.k->rx_last_us = t.c->now_us;
}

/* A segment that is next but does not begin there, or that is next while others are past a gap. */
static TAS_NOINLINE void rx_at_gap(struct tcp t, const struct rcv_span *s, const uint8_t *data)
{
	uint64_t nxt = t.f->rx_nxt;
	struct flow_range had = { nxt - s->skip, nxt };
	bool gap = t.f->flags & FLOW_OOO;
	bool twice = s->skip > 0 || ranges_first_common(&t.k->reass, nxt, nxt + s->len, &had);

	in_order_take(t, s, data);
	if (gap)
		reass_join(t);
	if (twice)
		ack_twice(t, had.from, had.to);
	else
		ack_in_order(t, gap);
}

static void rx_in_order(struct tcp t, const struct rcv_span *s, const uint8_t *data)
{
	if (unlikely(s->skip > 0 || (t.f->flags & FLOW_OOO))) {
		rx_at_gap(t, s, data);
	} else {
		in_order_take(t, s, data);
		ack_in_order(t, false);
	}
	app_notify(t.c, t.f, 0, 0);
}

static void rx_payload(struct tcp t, const struct seg *seg, const uint8_t *frame, int32_t head)
{
	const uint8_t *data = frame + seg->payload_off;
	struct rcv_span s;

	if (unlikely((t.f->flags & FLOW_ORPHAN) && head + (int64_t)seg->payload_len > 0)) {
		flow_event(t.c, t.id, FLOW_EV_ORPHAN_DATA);
		return;
	}
	if (unlikely(t.f->flags & (FLOW_RX_FIN | FLOW_ORPHAN))) {
		answer(t, seg, head);
		return;
	}
	t.k->rcv_mss = max_u32(t.k->rcv_mss, min_u32(seg->payload_len, 0xffff));
	s = rcv_clip(head, seg->payload_len, flow_rx_size(t.f) - t.f->rx_unread);
	if (s.len == 0) {
		count(t.c, CNT_TCP_RX_DUP, 1);
		answer(t, seg, head);
		return;
	}
	if (unlikely(t.f->flags & FLOW_ECN))
		ecn_data_in(t, seg);
	if (likely(s.off == 0)) {
		rx_in_order(t, &s, data);
	} else {
		rx_out_of_order(t, &s, data);
	}
}

/* Takes an in-order FIN at stream offset `off`; remembers one that is early. */
static void rx_fin(struct tcp t, uint64_t off)
{
	struct flow *f = t.f;

	tcp_ack_soon(t); /* also where ours to a FIN that comes again was lost */
	if (f->flags & FLOW_RX_FIN)
		return;
	if (off != f->rx_nxt) {
		if ((int64_t)(off - f->rx_nxt) > 0)
			t.k->rx_fin_off = off;
		return;
	}
	f->rx_nxt++;
	f->rx_adv -= f->rx_adv > 0;
	f->flags |= FLOW_RX_FIN;
	flow_event(t.c, t.id, FLOW_EV_RX_FIN);
	app_notify(t.c, f, ABI_EV_RX_FIN, 0);
}

/* The stream offset of the segment's FIN; that of one seen early; or UINT64_MAX. */
static inline uint64_t fin_off(struct tcp t, const struct seg *seg)
{
	const struct flow *f = t.f;

	if (likely(!(seg->flags & RTE_TCP_FIN_FLAG)))
		return t.k->rx_fin_off == f->rx_nxt ? f->rx_nxt : UINT64_MAX;
	return seq_offset_near(f->rx_nxt, flow_rx_seq(f, f->rx_nxt), seq_add(seg->seq, seg->payload_len));
}

/* URG is rare enough for a way of its own, which costs the others nothing. False: there is no more to do. */
static TAS_NOINLINE bool rx_unusual(struct tcp t, const struct seg *seg, const uint8_t *frame, int32_t head)
{
	if (!(seg->flags & RTE_TCP_ACK_FLAG))
		return false;
	if (tcp_ack_believed(t, seg))
		urgent_in(t, seg, frame, head);
	return true;
}

enum rx_verdict tcp_rx(struct fp_core *c, uint32_t id, const struct seg *seg, const uint8_t *frame)
{
	struct tcp t = tcp_of(c, id);
	struct flow *f = t.f;
	int32_t head = seq_dist(flow_rx_seq(f, f->rx_nxt), seg->seq);
	uint64_t fin;

	t.k->segs_in++;
	count(c, CNT_TCP_RX_SEGMENTS, 1);
	if (unlikely(is_older(t, seg))) {
		rx_older(t, seg, frame, head);
		return RX_DONE;
	}
	if (unlikely(!seq_acceptable(f, head, seg->payload_len))) {
		count(c, CNT_TCP_RX_OUTSIDE, 1);
		answer(t, seg, head);
		return RX_DONE;
	}
	if (unlikely((seg->flags & (RTE_TCP_ACK_FLAG | RTE_TCP_URG_FLAG)) != RTE_TCP_ACK_FLAG) &&
		!rx_unusual(t, seg, frame, head))
		return RX_DONE;
	if (unlikely(tcp_ack_in(t, seg, frame) == ACK_REFUSED))
		return RX_DONE;
	ts_update(t, seg, head);
	if (seg->payload_len > 0)
		rx_payload(t, seg, frame, head);
	fin = fin_off(t, seg);
	if (unlikely(fin != UINT64_MAX))
		rx_fin(t, fin);
	return RX_DONE;
}
