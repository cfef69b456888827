/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_tx.c - builds and queues segments: what was lost first, then what is new, then a bare acknowledgement
 * if one is owed. */
#include "fastpath/holes.h"
#include "fastpath/pace.h"
#include "fastpath/stages.h"
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"
#include "include/net/cksum.h"
#include "include/net/tcp_opt.h"

static inline unsigned port_hdr_offload(const struct port *p)
{
	return (p->tx_ip_cksum ? HDR_OFFLOAD_IP : 0) | (p->tx_tcp_cksum ? HDR_OFFLOAD_L4 : 0);
}

static inline void mbuf_offload(struct rte_mbuf *m, const struct port *p, const struct hdr_tmpl *h,
	uint32_t l4_len)
{
	if (!p->tx_ip_cksum && !p->tx_tcp_cksum)
		return;
	m->l2_len = h->l2_len;
	m->l3_len = h->l3_len;
	m->l4_len = l4_len;
	m->ol_flags |= hdr_tmpl_is_v4(h) ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6;
	if (p->tx_ip_cksum && hdr_tmpl_is_v4(h))
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (p->tx_tcp_cksum)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM;
}

static void sack_block(const struct flow *f, const struct flow_range *r, struct tcp_opts *o)
{
	o->sack[o->nsack].left = flow_rx_seq(f, r->from);
	o->sack[o->nsack++].right = flow_rx_seq(f, r->to);
}

/* Up to three or four blocks: what arrived twice, if anything did, once (RFC 2883 4), then the interval that
 * changed last, then those below it, and round again from the top: what is new mostly comes above what came
 * before, so that these are what was told last (RFC 2018 4, so that it survives the loss of an
 * acknowledgement). */
static void sack_options(struct tcp t, struct tcp_opts *o)
{
	const struct flow_ranges *r = &t.k->reass;
	uint32_t first = 0;

	o->nsack = 0;
	if (t.k->twice.from < t.k->twice.to)
		sack_block(t.f, &t.k->twice, o);
	t.k->twice = (struct flow_range){ 0 };
	if (r->n == 0)
		t.f->flags &= ~(uint32_t)FLOW_OOO;

	for (uint32_t i = 0; i < r->n; i++)
		if (ranges_all(r)[i].from <= t.k->reass_last && t.k->reass_last < ranges_all(r)[i].to)
			first = i;
	for (uint32_t i = 0; i < r->n && o->nsack < TCP_OPT_SACK_MAX; i++)
		sack_block(t.f, &ranges_all(r)[(first + r->n - i) % r->n], o);
	o->has |= TCP_HAS_SACK;
}

/* The window as on the wire, in units of 2^wscale. What was offered before is rounded up, so that the right
 * edge does not move back, but not beyond the space there is: many small segments would each add a part of a
 * unit. Then it is rounded down, as RFC 7323 2.4 allows; what was once offered is accepted all the same. */
static inline uint32_t window_rounded(const struct flow *f, uint32_t wnd, uint32_t space)
{
	uint32_t unit = 1u << f->rcv_wscale;

	wnd = max_u32(wnd, f->rx_adv + unit - 1);
	return min_u32(min_u32(wnd, max_u32(space, f->rx_adv)) >> f->rcv_wscale, 0xffff);
}

/* The right edge moves by a segment or a quarter of the buffer at least, or a peer that sends whatever fits
 * would send small ones for ever (RFC 9293 3.8.6.2.2, MUST-39). */
static TAS_NOINLINE uint32_t window_in_steps(const struct flow *f, const struct flow_cold *k)
{
	uint32_t size = flow_rx_size(f), wnd = rcv_window(f, k), limit = size;

	if (f->flags & FLOW_RX_LIMITED)
		limit = min_u32(limit, min_u32(k->rx_limit, k->rx_clamp));
	if (wnd - f->rx_adv < min_u32(k->rcv_mss, limit / 4))
		wnd = f->rx_adv;
	return window_rounded(f, wnd, size - f->rx_unread);
}

/* With half the buffer free, or more, it moves with what comes, as Linux has it. */
static inline uint32_t window_field(const struct flow *f, const struct flow_cold *k)
{
	uint32_t size = flow_rx_size(f);

	if (unlikely(f->rx_unread > size / 2 || (f->flags & FLOW_RX_LIMITED)))
		return window_in_steps(f, k);
	return window_rounded(f, rcv_window(f, k), size - f->rx_unread);
}

/* The fields every segment carries, and the bookkeeping that it acknowledges: nothing is owed afterwards. */
static __rte_always_inline struct hdr_fields fields_with_ack(struct tcp t, uint64_t off, uint8_t flags)
{
	struct flow *f = t.f;
	uint32_t field = window_field(f, t.k);

	f->rx_adv = max_u32(f->rx_adv, field << f->rcv_wscale);
	f->rx_unacked = 0;
	f->ack = ACK_NONE;
	return (struct hdr_fields){
		.seq = flow_tx_seq(f, off),
		.ack = flow_rx_seq(f, f->rx_nxt),
		.ts_val = (uint32_t)(t.c->now / NS_PER_MS) + f->ts_off,
		.ts_ecr = f->ts_recent,
		.wnd = (uint16_t)field,
		.flags = flags | RTE_TCP_ACK_FLAG,
	};
}

/* Copies [off, off+len) of the transmit ring behind the headers; returns its sum if asked to. */
static inline uint32_t payload_copy(struct tcp t, uint8_t *to, uint64_t off, uint32_t len, bool sum)
{
	const char *ring = app_page(&t.c->fp->apps[t.f->app], t.f->tx_page);
	uint32_t size = flow_tx_size(t.f), at = (uint32_t)off & (size - 1), first = min_u32(len, size - at);
	uint32_t s = 0;

	if (!sum) {
		memcpy(to, ring + at, first);
		memcpy(to + first, ring, len - first);
		return 0;
	}
	s = cksum_copy(to, ring + at, first, 0);
	if (unlikely(first < len))
		s = cksum_join(s, cksum_copy(to + first, ring, len - first, 0), first);
	return s;
}

/* What few flows want of their headers. */
static TAS_NOINLINE void header_special(struct tcp t, struct hdr_fields *fields, uint64_t off, bool new_data)
{
	if (t.f->flags & FLOW_ECN)
		ecn_mark(t, fields, new_data);
	if (t.f->flags & FLOW_FRAGMENTS)
		hdr_tmpl_next_id(&t.k->hdr, 1);
	if (t.f->flags & FLOW_URGENT) {
		uint16_t pointer = urgent_pointer(t, off);

		hdr_tmpl_set_urgent(&t.k->hdr, pointer);
		fields->flags |= pointer != 0 ? RTE_TCP_URG_FLAG : 0;
	}
}

/* The headers of an acknowledgement with SACK blocks; returns their length. */
static TAS_NOINLINE uint32_t sack_out(struct tcp t, uint8_t *frame, const struct hdr_fields *fields,
	unsigned offload)
{
	const struct hdr_tmpl *h = &t.k->hdr;
	uint8_t opts[TCP_OPT_MAX];
	struct tcp_opts o = { .has = hdr_tmpl_has_ts(h) ? TCP_HAS_TS : 0,
		.ts_val = fields->ts_val,
		.ts_ecr = fields->ts_ecr };

	sack_options(t, &o);
	return hdr_write_opts(h, frame, fields, opts, tcp_opt_write_sack(opts, &o), 0, 0, offload);
}

/* A segment with len bytes of payload from offset off; false if there is no mbuf. */
static bool segment_out(struct tcp t, uint64_t off, uint32_t len, uint8_t flags)
{
	const struct port *p = t.c->fp->port;
	struct rte_mbuf *m = rte_pktmbuf_alloc(t.c->fp->pool);
	const struct hdr_tmpl *h = &t.k->hdr;
	unsigned offload = port_hdr_offload(p);
	uint32_t hdr_len = h->total_len, sum = 0;
	struct hdr_fields fields;
	uint8_t *frame;

	if (unlikely(m == NULL))
		return false;
	frame = rte_pktmbuf_mtod(m, uint8_t *);
	fields = fields_with_ack(t, off, flags);
	if (unlikely(t.f->flags & (FLOW_ECN | FLOW_FRAGMENTS | FLOW_URGENT)))
		header_special(t, &fields, off, len > 0 && off == flow_tx_nxt(t.f));
	if (unlikely((t.f->flags & FLOW_OOO) && (t.f->flags & FLOW_SACK) && len == 0)) {
		hdr_len = sack_out(t, frame, &fields, offload);
	} else {
		if (len > 0)
			sum = payload_copy(t, frame + hdr_len, off, len, !p->tx_tcp_cksum);
		hdr_write(h, frame, &fields, len, sum, offload);
	}
	m->data_len = (uint16_t)(hdr_len + len);
	m->pkt_len = hdr_len + len;
	mbuf_offload(m, p, h, hdr_len - h->l2_len - h->l3_len);
	t.k->segs_out++;
	core_tx_push(t.c, m);
	return true;
}

/* What must be known after something that wants an acknowledgement was sent. */
static inline void after_send(struct tcp t)
{
	t.f->last_tx_us = t.c->now_us;
	if (!(t.f->flags & FLOW_TIMER)) {
		t.f->flags |= FLOW_TIMER;
		flow_event(t.c, t.id, FLOW_EV_TIMER);
	}
}

/* One piece [from, to) of our stream, where the byte after the last one is the FIN. */
static __rte_always_inline bool piece_out(struct tcp t, struct flow_range piece)
{
	uint64_t end = flow_tx_end(t.f);
	bool fin = piece.to > end, last = piece.to >= end;
	uint32_t len = (uint32_t)(piece.to - piece.from) - fin;
	uint8_t flags = (fin ? RTE_TCP_FIN_FLAG : 0) | (last && len > 0 ? RTE_TCP_PSH_FLAG : 0);

	if (!segment_out(t, piece.from, len, flags))
		return false;
	count(t.c, CNT_TCP_TX_SEGMENTS, 1);
	t.k->bytes_out += len;
	after_send(t);
	return true;
}

static bool piece_again(struct tcp t, struct flow_range piece)
{
	if (!piece_out(t, piece))
		return false;
	t.k->rtx_segs++;
	t.k->bytes_rtx += piece.to - piece.from;
	count(t.c, CNT_TCP_TX_RTX, 1);
	count(t.c, CNT_TCP_TX_RTX_BYTES, piece.to - piece.from);
	return true;
}

static bool send_again(struct tcp t, struct flow_range piece)
{
	if (!piece_again(t, piece))
		return false;
	recovery_sent(t, piece);
	t.k->prr_out += piece.to - piece.from;
	return true;
}

/* [piece), which begins at nxt, is on its way. */
static __rte_always_inline void new_sent(struct tcp t, struct flow_range piece, uint32_t len)
{
	struct flow *f = t.f;

	if (f->tx_inflight == 0)
		t.k->rto_base_us = t.c->now_us;
	f->tx_inflight += len;
	if (len < f->mss)
		t.k->snd_sml = piece.to;
	sent_add(&t.k->sent, piece.to, t.c->now_us, f->srtt_us >> (3 + 4)); /* a round trip / 16 */
	t.k->prr_out += len;
	if (unlikely(f->tx_inflight > f->mss && !(f->flags & FLOW_TAIL_TIMER))) {
		f->flags |= FLOW_TAIL_TIMER;
		flow_event(t.c, t.id, FLOW_EV_TIMER);
	}
}

static bool send_new(struct tcp t, uint32_t len)
{
	struct flow_range piece = { flow_tx_nxt(t.f), flow_tx_nxt(t.f) + len };

	if (!piece_out(t, piece))
		return false;
	new_sent(t, piece, len);
	return true;
}

/* May a segment that is not full go? Urgent data and a FIN wait for nothing, as in Linux; else Nagle as
 * Minshall changed it (hold only behind another small one), MSG_MORE, and silly-window avoidance (RFC 9293
 * 3.8.6.2.1). `rest`: everything unsent, which len is all of unless the window cut it. */
static bool small_may_go(struct tcp t, uint32_t len, uint32_t rest)
{
	const struct flow *f = t.f;

	if (len < rest)
		return len >= t.k->max_snd_wnd / 2;
	if (f->flags & (FLOW_TX_FIN | FLOW_URGENT))
		return true;
	if (f->flags & FLOW_MORE)
		return false;
	return (f->flags & FLOW_NODELAY) || f->tx_inflight == 0 || t.k->snd_sml <= f->tx_una;
}

/* How many bytes of new stream (the FIN counts as one) may go as the next segment; 0 = nothing. */
static uint32_t new_allowed(struct tcp t)
{
	struct flow *f = t.f;
	uint32_t stream = f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0), rest = stream - f->tx_inflight;
	uint32_t wnd, pipe, len;

	if (rest == 0)
		return 0;
	wnd = f->snd_wnd > f->tx_inflight ? f->snd_wnd - f->tx_inflight : 0;
	len = min_u32(rest, f->mss);
	if (rest == 1 && stream > f->tx_avail) /* a lone FIN needs no window room from us, as in Linux */
		wnd = max_u32(wnd, 1);
	len = min_u32(len, wnd);
	if (len == 0 || (len < f->mss && !small_may_go(t, len, rest)))
		return 0;
	pipe = recovery_pipe(f, t.k);
	if (pipe + len > f->cwnd && pipe > 0) {
		f->flags |= FLOW_CWND_LIMITED;
		return 0;
	}
	if (rest == len + 1 && stream > f->tx_avail && wnd > len)
		len++; /* the FIN takes no room: it goes with the last data, full segment or not */
	return len;
}

static inline bool paced_out(struct tcp t)
{
	if (t.f->pace_q16 == 0 || t.k->pace_next_ns <= t.c->now)
		return false;
	list_push_paced(t.c, t.id);
	t.k->cc_seen |= CC_SEEN_PACED;
	tcp_cc_wake(t); /* the pace may be of a path that was slower */
	return true;
}

static inline void pace_spend(struct tcp t, uint32_t bytes)
{
	uint64_t ns;

	if (t.f->pace_q16 == 0)
		return;
	ns = ((uint64_t)bytes * t.f->pace_q16) >> 16;
	if (unlikely(t.f->pace_q16 == UINT32_MAX))
		ns = (uint64_t)bytes * t.k->pace_slow_ns;
	pace_goes(t.k, t.c->now, ns);
}

/* One segment; false if nothing may go now. */
static bool tx_one(struct tcp t)
{
	struct flow_range piece;
	uint32_t len;

	if (unlikely(t.f->flags & (FLOW_RECOVERY | FLOW_LOSS)))
		holes_room(t.c->fp, t.k);
	if (unlikely(t.f->flags & (FLOW_RECOVERY | FLOW_LOSS)) && recovery_next(t.f, t.k, &piece)) {
		uint32_t pipe = recovery_pipe(t.f, t.k);

		len = (uint32_t)(piece.to - piece.from);
		/* the first hole is filled whatever the window (RFC 6675 5 (4.3), RFC 6582 3.2) */
		if (piece.from > t.f->tx_una && pipe + len > t.f->cwnd && pipe > 0) {
			t.f->flags |= FLOW_CWND_LIMITED;
			return false;
		}
		if (paced_out(t) || !send_again(t, piece))
			return false;
	} else {
		len = new_allowed(t);
		if (len == 0 || paced_out(t) || !send_new(t, len))
			return false;
	}
	pace_spend(t, len);
	return true;
}

/* Nothing was sent for longer than a timeout: what the window says of the network is old. It halves for each
 * timeout, down to the restart window; ssthresh remembers (RFC 2861 3.1, RFC 5681 4.1, as Linux). Not of an
 * algorithm that has a rate: it does not begin with a burst (draft-ietf-ccwg-bbr 5.4.1, as Linux). */
static void restart_after_idle(struct tcp t, uint32_t idle_us)
{
	const struct fp_conf *conf = &t.c->fp->conf;
	uint32_t rto = rtt_rto_us(t.f->srtt_us, t.k->rttvar_us, &conf->rto);
	uint32_t least = conf->restart_segments * t.f->mss;

	if (least == 0 || idle_us <= rto || t.k->beta_q8 == 0)
		return;
	t.k->ssthresh = max_u32(t.k->ssthresh, t.f->cwnd - t.f->cwnd / 4);
	for (; idle_us > rto && t.f->cwnd > least; idle_us -= rto)
		t.f->cwnd = max_u32(t.f->cwnd / 2, least);
}

/* Cores' clocks differ by less than this. */
enum { CLOCKS_APART_US = 1000 * 1000 };

/* After more than 71 minutes, which the clock of a flow does not tell, it is the rest of them. */
static inline bool was_idle(const struct tcp t)
{
	uint32_t since_us = t.c->now_us - t.f->last_tx_us;

	return t.f->tx_inflight == 0 && t.f->tx_avail > 0 && since_us > t.c->fp->conf.rto.min_us &&
		/* another core, with a younger clock, may have sent last */
		since_us < UINT32_MAX - CLOCKS_APART_US;
}

/* --- what the port cuts into segments (TSO): full ones only, of new data; the rest goes as ever --- */

/* So much at once that a paced flow keeps its pace, to 5 % over 10 ms (pace.h): what its rate sends in this
 * time. Linux lets a millisecond of it go. */
enum { TSO_PACED_NS = 250 * 1000 };

/* Payload of a segment that the port makes. */
static uint32_t tso_seg(struct tcp t)
{
	return min_u32(t.f->mss, (uint32_t)t.c->fp->port->tso_frame - t.k->hdr.total_len);
}

/* Payload bytes that packet, chain and packet buffers leave room for. A chain is drawn from what a core may
 * hold (PORT_CORE_HOLDS), so that it starves nobody. */
static uint32_t tso_room(struct tcp t)
{
	const struct port *p = t.c->fp->port;
	uint32_t room = p->tso_max - t.k->hdr.l3_len - t.k->hdr.l4_len;
	uint32_t buffer = rte_pktmbuf_data_room_size(t.c->fp->pool) - RTE_PKTMBUF_HEADROOM;
	uint32_t mbufs;

	if (t.c->ntx == 0)
		t.c->tso_mbufs = 0;
	mbufs = min_u32(p->tx_segs_max, FP_TX_BATCH - min_u32(t.c->tso_mbufs, FP_TX_BATCH));
	room = min_u32(room, mbufs > 0 ? mbufs * buffer - t.k->hdr.total_len : 0);
	if (t.f->pace_q16 != 0)
		room = min_u32(room, ((uint64_t)TSO_PACED_NS << 16) / t.f->pace_q16);
	return room;
}

/* How many bytes may go as one packet of several full segments; 0: not as many. */
static uint32_t tso_allowed(struct tcp t)
{
	struct flow *f = t.f;
	uint32_t seg = tso_seg(t), pipe, len;

	/* with ECN not: a port may repeat CWR on every segment (RFC 3168 6.1.2 wants it on one), and urgent
	 * pointers differ */
	if ((f->flags & (FLOW_RECOVERY | FLOW_LOSS | FLOW_ECN | FLOW_URGENT)) || !hdr_tmpl_is_v4(&t.k->hdr))
		return 0;
	if (new_allowed(t) < f->mss)
		return 0;
	pipe = recovery_pipe(f, t.k);
	len = min_u32(f->tx_avail, f->snd_wnd) - f->tx_inflight; /* a full segment fits, so neither is less */
	len = min_u32(len, f->cwnd > pipe ? f->cwnd - pipe : 0);
	len = min_u32(len, tso_room(t)) / seg;
	return len > 1 ? len * seg : 0;
}

/* The payload in a chain, room for the headers before it; NULL without packet buffers. */
static struct rte_mbuf *tso_chain(struct tcp t, uint64_t off, uint32_t len)
{
	struct rte_mbuf *first = rte_pktmbuf_alloc(t.c->fp->pool), *m = first;

	if (first == NULL)
		return NULL;
	first->data_len = t.k->hdr.total_len;
	first->pkt_len = first->data_len + len;
	for (uint32_t n; len > 0; off += n, len -= n) {
		if (rte_pktmbuf_tailroom(m) == 0) {
			m->next = rte_pktmbuf_alloc(t.c->fp->pool);
			if (m->next == NULL) {
				rte_pktmbuf_free(first);
				return NULL;
			}
			m = m->next;
			first->nb_segs++;
		}
		n = min_u32(len, rte_pktmbuf_tailroom(m));
		payload_copy(t, rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len), off, n, false);
		m->data_len = (uint16_t)(m->data_len + n);
	}
	return first;
}

static bool tso_send(struct tcp t, uint32_t len)
{
	const struct hdr_tmpl *h = &t.k->hdr;
	struct flow_range piece = { flow_tx_nxt(t.f), flow_tx_nxt(t.f) + len };
	struct rte_mbuf *m = tso_chain(t, piece.from, len);
	struct hdr_fields fields;

	if (m == NULL)
		return false;
	if (unlikely(t.f->flags & FLOW_FRAGMENTS))
		hdr_tmpl_next_id(&t.k->hdr, 1);
	/* PSH comes on the last segment only, as the port cuts it */
	fields = fields_with_ack(t, piece.from, piece.to == flow_tx_end(t.f) ? RTE_TCP_PSH_FLAG : 0);
	hdr_write(h, rte_pktmbuf_mtod(m, uint8_t *), &fields, len, 0,
		HDR_OFFLOAD_IP | HDR_OFFLOAD_L4 | HDR_OFFLOAD_TSO);
	mbuf_offload(m, t.c->fp->port, h, h->l4_len);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	m->tso_segsz = (uint16_t)tso_seg(t);
	if (unlikely(t.f->flags & FLOW_FRAGMENTS))
		hdr_tmpl_next_id(&t.k->hdr, len / m->tso_segsz - 1);
	t.c->tso_mbufs += m->nb_segs;
	core_tx_push(t.c, m);
	count(t.c, CNT_TCP_TX_TSO, 1);
	count(t.c, CNT_TCP_TX_SEGMENTS, len / m->tso_segsz);
	t.k->segs_out += len / m->tso_segsz;
	t.k->bytes_out += len;
	after_send(t);
	new_sent(t, piece, len);
	return true;
}

/* A flow's turn as far as whole packets carry it; true if that was all of it. */
static TAS_NOINLINE bool tso_tx(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	uint32_t len;

	for (uint32_t sent = 0; sent < FP_TX_QUOTA * t.f->mss; sent += len) {
		len = core_tx_room(t.c) < FP_TX_BATCH / 4 ? 0 : tso_allowed(t);
		if (len == 0 || paced_out(t) || !tso_send(t, len))
			return false;
		pace_spend(t, len);
	}
	return true;
}

/* Nothing more may go: does FLOW_MORE hold something back; is it the application that has no more? */
static void ran_out(struct tcp t)
{
	if ((t.f->flags & FLOW_MORE) && t.f->tx_avail > t.f->tx_inflight)
		list_push_held(t.c, t.id);
	if (t.f->tx_avail <= t.f->tx_inflight || t.f->snd_wnd < t.f->tx_inflight + t.f->mss)
		t.k->cc_seen |= CC_SEEN_DRY;
}

static inline bool may_transmit(const struct flow *f) { return (TCP_STATES_FAST >> f->state) & 1; }

/* Instead of the next full segment, once there is room for it; into a full congestion window, too, for it
 * is one segment, seldom; but not into one that is smaller than it. */
static TAS_NOINLINE void path_probe_out(struct tcp t)
{
	const struct flow *f = t.f;
	uint32_t size = t.k->path_size, wnd = f->snd_wnd > f->tx_inflight ? f->snd_wnd - f->tx_inflight : 0;
	uint64_t from = flow_tx_nxt(f);

	if ((f->flags & (FLOW_RECOVERY | FLOW_LOSS)) || t.k->sacked.n > 0 || wnd < size || f->cwnd < size ||
		f->tx_avail < f->tx_inflight + size || recovery_pipe(f, t.k) > f->cwnd || paced_out(t) ||
		core_tx_room(t.c) == 0 || !send_new(t, size))
		return;
	pace_spend(t, size);
	t.k->path_size = 0;
	t.k->path = (struct path_probe){ .from = from, .to = from + size, .is_out = true };
}

void tcp_tx(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);

	if (!may_transmit(t.f))
		return;
	if (c->is_slow) {
		core_kick(c, id);
		return;
	}
	if (unlikely(was_idle(t)))
		restart_after_idle(t, c->now_us - t.f->last_tx_us);
	if (unlikely(t.k->path_size > 0))
		path_probe_out(t);
	if (unlikely(c->fp->port->tso) && tso_tx(c, id))
		goto turn_over;
	for (unsigned i = 0; i < FP_TX_QUOTA; i++) {
		if (core_tx_room(c) < FP_TX_BATCH / 4)
			break;
		if (!tx_one(t))
			goto rest;
	}
turn_over:
	if (unlikely(t.f->flags & FLOW_TX_LIMITED))
		tcp_tell_space(t);
	list_push_ready(c, id);
	return;
rest:
	if (unlikely(t.f->flags & FLOW_TX_LIMITED))
		tcp_tell_space(t);
	if (unlikely(t.f->flags & (FLOW_MORE | FLOW_CC_ACTIVE)))
		ran_out(t);
	if (tcp_window_blocked(t.f, t.k) && !(t.f->flags & FLOW_TIMER)) {
		t.f->flags |= FLOW_TIMER;
		flow_event(c, id, FLOW_EV_TIMER);
	}
}

/* Nothing is on its way that could bring an acknowledgement, and neither MORE nor the pace holds the data
 * back. */
bool tcp_window_blocked(const struct flow *f, const struct flow_cold *k)
{
	uint32_t stream = f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0);

	return stream > 0 && f->tx_inflight == 0 && !(k->on_list & LIST_PACED) &&
		(!(f->flags & FLOW_MORE) || f->snd_wnd < min_u32(stream, f->mss));
}

void tcp_ack_now(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);

	if (c->is_slow) {
		t.f->flags |= FLOW_ACK_WANTED;
		core_kick(c, id);
	} else if (core_tx_room(c) > 0 && segment_out(t, flow_tx_nxt(t.f), 0, 0)) {
		count(c, CNT_TCP_TX_ACKS, 1);
	} else {
		t.f->ack = ACK_NONE; /* no room or no mbuf at this moment: the delayed list tries again */
		tcp_ack_later(t);
	}
}

void tcp_send_probe(struct fp_core *c, uint32_t id)
{
	c->fp->flows[id].flags |= FLOW_PROBE_WANTED;
	core_kick(c, id);
}

/* A window too small for a polite segment is used after all (RFC 9293 3.8.6.2.1, override timeout); a closed
 * one is probed as Linux does: an empty segment with a sequence number just used is answered with the window
 * as it is. So is whether the peer is there at all, with nothing to send (RFC 1122 4.2.3.6). That there is
 * urgent data a closed window does not hide: a peer that would not look at a number of the past finds it in
 * one that is next. */
void tcp_probe_out(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	uint32_t rest = t.f->tx_avail + (t.f->flags & FLOW_TX_FIN ? 1u : 0) - t.f->tx_inflight;

	if (!may_transmit(t.f) || (rest == 0 && t.f->tx_inflight > 0) || core_tx_room(c) == 0)
		return;
	if (rest > 0 && t.f->tx_inflight == 0 && t.f->snd_wnd > 0)
		send_new(t, min_u32(min_u32(rest, t.f->mss), t.f->snd_wnd));
	else {
		if ((t.f->flags & FLOW_URGENT) && rest > 0 && core_tx_room(c) > 1 &&
			urgent_pointer(t, t.f->tx_una) != 0)
			segment_out(t, t.f->tx_una, 0, 0);
		if (segment_out(t, t.f->tx_una - 1, 0, 0) && rest > 0)
			count(c, CNT_TCP_ZERO_WINDOW_PROBES, 1);
	}
}

void tcp_send_tail_probe(struct fp_core *c, uint32_t id)
{
	c->fp->flows[id].flags |= FLOW_TAIL_WANTED;
	c->fp->cold[id].tail_probed = true;
	c->fp->cold[id].tail_end = UINT64_MAX; /* until it is on its way */
	core_kick(c, id);
}

void tcp_send_path_probe(struct fp_core *c, uint32_t id, uint16_t size)
{
	c->fp->cold[id].path = (struct path_probe){ 0 };
	c->fp->cold[id].path_size = size;
	core_kick(c, id);
}

/* RFC 8985 7.3: new data if there is some, whatever the congestion window; else the last segment once more.
 * What it brings back tells what is missing before it. */
void tcp_tail_probe_out(struct fp_core *c, uint32_t id)
{
	struct tcp t = tcp_of(c, id);
	struct flow *f = t.f;
	struct flow_range last = { flow_tx_nxt(f) - min_u32(f->tx_inflight, f->mss), flow_tx_nxt(f) };
	uint32_t rest = f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0) - f->tx_inflight;

	t.k->tail_probed = false;
	if (!may_transmit(f) || f->tx_inflight == 0 || (f->flags & (FLOW_RECOVERY | FLOW_LOSS)) ||
		core_tx_room(c) == 0)
		return;
	t.k->tail_resent = rest == 0 || f->snd_wnd <= f->tx_inflight;
	if (!t.k->tail_resent)
		t.k->tail_probed = send_new(t, min_u32(min_u32(rest, f->mss), f->snd_wnd - f->tx_inflight));
	else if (resent_room(&t.k->resent) && piece_again(t, last)) {
		spurious_resent(t, last);
		resent_add(&t.k->resent, last, c->now_us);
		t.k->tail_probed = true;
	}
	t.k->tail_end = flow_tx_nxt(f);
	t.k->rto_base_us = c->now_us;
	count(c, CNT_TCP_TAIL_PROBES, t.k->tail_probed);
}
