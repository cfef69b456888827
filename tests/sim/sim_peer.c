/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_peer_int.h"

#include <string.h>

#include "include/base/compiler.h"
#include "tests/sim/sim_host.h"

enum { FIRST_HOST = 0x0a000001 };

#define OVER_NS (2 * NS_PER_SEC)
#define RTO_MAX_NS (3 * NS_PER_SEC)

static bool chance(struct peer *p, uint32_t ppm) { return rand_chance_ppm(&p->rand, ppm); }

static void over(struct peer *p, struct peer_conn *c)
{
	c->state = PEER_OVER;
	c->end->state = ENDS_CLOSED;
	c->rto_at = c->ack_at = c->read_at = c->probe_at = c->keep_at = TAS_NS_NEVER;
	c->forget_at = p->now + OVER_NS;
}

/* --- receiving --- */

static void broken(struct peer_conn *c, const char *what, uint64_t a, uint64_t b)
{
	end_fail(c->end, what, a, b);
}

static void range_add(struct peer *p, struct peer_conn *c, uint64_t from, uint64_t to)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < c->ranges; i++) {
		if (c->range[i].to < from || c->range[i].from > to) {
			c->range[kept++] = c->range[i];
			continue;
		}
		from = min_u64(from, c->range[i].from);
		to = max_u64(to, c->range[i].to);
	}
	c->ranges = kept;
	if (kept == PEER_RANGES)
		return;
	c->range[c->ranges].from = from;
	c->range[c->ranges++].to = to;
	if (chance(p, c->h.renege_ppm))
		c->ranges = 0;
}

/* RFC 2883 4: what of it was there already, past a gap. */
static void note_known(struct peer_conn *c, uint64_t from, uint64_t to)
{
	for (unsigned i = 0; i < c->ranges; i++) {
		uint64_t a = max_u64(from, c->range[i].from), b = min_u64(to, c->range[i].to);

		if (a < b) {
			c->dsack_from = a;
			c->dsack_to = b;
		}
	}
}

/* What arrived past the gap that is now closed. */
static void ranges_join(struct peer_conn *c)
{
	for (unsigned i = 0; i < c->ranges;) {
		if (c->range[i].from > c->rcv) {
			i++;
			continue;
		}
		c->rcv = max_u64(c->rcv, c->range[i].to);
		memmove(&c->range[i], &c->range[i + 1], (--c->ranges - i) * sizeof(c->range[0]));
		i = 0;
	}
}

/* RFC 9293 3.7.1: of who says none. */
static uint32_t mss_default(const struct pseg *s) { return s->v6 ? 1220 : 536; }

/* Every byte that is new or old must be what the plan has there. */
static void look_at(struct peer_conn *c, const struct pseg *s, uint64_t off)
{
	static uint8_t want[65536];

	if (off + s->len > peer_theirs(c)->bytes || off + s->len > c->promised)
		broken(c, "sent past the end or the window", off + s->len, c->promised);
	if (s->len + 12u * c->ts > (c->h.mss != 0 ? c->h.mss : mss_default(s)))
		broken(c, "sent more than the MSS", s->len, c->h.mss);
	pattern_fill(want, pattern_stream(c->end->plan_no, 1 - c->end->side), off, s->len);
	if (memcmp(want, s->payload, s->len) != 0)
		broken(c, "sent wrong bytes", off, s->len);
}

static void payload_in(struct peer *p, struct peer_conn *c, const struct pseg *s, uint64_t off)
{
	look_at(c, s, off);
	if (off + s->len <= c->rcv) {
		c->dsack_from = off;
		c->dsack_to = off + s->len;
		peer_send_ack(p, c);
	} else if (off > c->rcv) {
		note_known(c, off, off + s->len);
		range_add(p, c, off, off + s->len);
		peer_send_ack(p, c);
	} else {
		bool gap = c->ranges > 0;

		if (off < c->rcv) {
			c->dsack_from = off;
			c->dsack_to = c->rcv;
		} else {
			note_known(c, off, off + s->len);
		}
		c->rcv = off + s->len;
		ranges_join(c);
		if (c->h.read_every == 0)
			c->consumed = c->rcv;
		else if (c->read_at == TAS_NS_NEVER)
			c->read_at = p->now + c->h.read_every;
		if (++c->unacked >= c->h.ack_every || gap)
			peer_send_ack(p, c);
		else if (c->ack_at == TAS_NS_NEVER)
			c->ack_at = p->now + c->h.ack_delay;
	}
}

static void fin_in(struct peer *p, struct peer_conn *c, uint64_t at)
{
	if (at != peer_theirs(c)->bytes && !c->plan->may_fail)
		broken(c, "FIN at the wrong place", at, peer_theirs(c)->bytes);
	if (c->fin_at == UINT64_MAX)
		c->fin_seen = p->now;
	c->fin_at = at;
	peer_send_ack(p, c);
}

static void progress(struct peer *p, struct peer_conn *c, uint64_t ack)
{
	c->una = ack;
	c->nxt = max_u64(c->nxt, ack);
	c->backoff = c->dups = 0;
	c->rto_at = c->una < c->max ? p->now + c->h.rto : TAS_NS_NEVER;
}

/* RFC 9293 3.10.7.4, fifth. False: the segment is to be dropped. */
static bool ack_in(struct peer *p, struct peer_conn *c, const struct pseg *s)
{
	uint64_t ack = c->una + (uint64_t)(int64_t)(int32_t)(s->ack - (c->iss + 1 + (uint32_t)c->una));

	if ((int64_t)(ack - c->una) < 0)
		return true;
	if (ack > max_u64(c->max, c->nxt + 1)) { /* a probe's byte may be taken */
		broken(c, "acknowledged what was never sent", ack, c->max);
		return false;
	}
	if (ack > c->una) {
		progress(p, c, ack);
	} else if (s->len == 0 && c->una < c->max && ++c->dups == 3) {
		uint64_t nxt = c->nxt;

		c->nxt = c->una;
		peer_send_data(p, c, (uint32_t)min_u64(c->mss, peer_mine(c)->bytes - c->una),
			c->una == peer_mine(c)->bytes);
		c->nxt = max_u64(nxt, c->nxt);
	}
	if ((int32_t)(s->seq - c->wl1) > 0 || (s->seq == c->wl1 && (int32_t)(s->ack - c->wl2) >= 0)) {
		c->wl1 = s->seq;
		c->wl2 = s->ack;
		c->edge = ack + ((uint64_t)s->wnd << c->snd_scale);
		c->probe_at = TAS_NS_NEVER;
	}
	return true;
}

static void finish(struct peer *p, struct peer_conn *c)
{
	if (peer_mine(c)->end == END_ABORT && c->rcv + c->una >= peer_mine(c)->abort_at) {
		struct pseg s = peer_segment(p, c, c->nxt, PSEG_RST);

		peer_emit(p, &s);
		over(p, c);
	} else if (peer_got_fin(c) && c->una == peer_mine(c)->bytes + 1) {
		c->consumed = c->rcv;
		over(p, c);
	}
}

/* RFC 9293 3.10.7.4, first: some of it is in the window; or, to be lenient, something old is sent again. */
static bool acceptable(const struct peer_conn *c, const struct pseg *s, uint64_t off)
{
	uint32_t len = s->len + !!(s->flags & PSEG_FIN);
	uint64_t rcv = c->rcv + peer_got_fin(c);

	return len == 0 ? off >= rcv && off <= max_u64(c->promised, rcv)
			: (int64_t)(off + len - rcv) > 0 || s->len > 0;
}

/* All but its FIN arrived, for which the host no longer waits (RFC 9293 3.6, as Linux has it). */
static bool is_forgotten(const struct peer *p, const struct peer_conn *c)
{
	return peer_got_fin(c) && c->una >= peer_mine(c)->bytes && p->now - c->fin_seen >= p->fin_wait2;
}

static void segment_in(struct peer *p, struct peer_conn *c, const struct pseg *s)
{
	uint64_t off = c->rcv + (uint64_t)(int64_t)(int32_t)(s->seq - (c->irs + 1 + (uint32_t)c->rcv));

	if (s->flags & PSEG_RST) {
		if (off != c->rcv + peer_got_fin(c))
			return;
		if (!c->plan->may_fail && !is_forgotten(p, c))
			broken(c, "was reset", c->rcv, c->una);
		over(p, c);
		return;
	}
	if (c->ts && !s->has_ts)
		broken(c, "no timestamp", off, s->len);
	if (s->flags & PSEG_SYN) {
		peer_send_ack(p, c);
		return;
	}
	if (!acceptable(c, s, off)) {
		peer_send_ack(p, c);
		return;
	}
	if (off <= c->rcv && s->has_ts)
		c->ts_recent = s->ts_val;
	if (!(s->flags & PSEG_ACK) || !ack_in(p, c, s))
		return;
	if (s->len > 0)
		payload_in(p, c, s, off);
	if (s->flags & PSEG_FIN)
		fin_in(p, c, off + s->len);
	peer_push(p, c);
	finish(p, c);
}

/* --- opening --- */

static void take_syn(struct peer_conn *c, const struct pseg *s)
{
	c->scale = c->h.wscale >= 0 && s->wscale >= 0;
	c->irs = s->seq;
	c->ts = c->h.ts && s->has_ts;
	c->sack = c->h.sack && s->sack_ok;
	c->ts_recent = s->ts_val;
	c->snd_scale = c->scale ? (uint8_t)s->wscale : 0;
	c->rcv_scale = c->scale ? (uint8_t)c->h.wscale : 0;
	c->mss = min_u32(s->mss != 0 ? s->mss : mss_default(s), s->v6 ? 1440 : 1460) - (c->ts ? 12 : 0);
	c->edge = s->wnd;
	c->wl1 = s->seq;
	c->wl2 = s->ack;
	c->remote = s->src;
	c->remote_port = s->sport;
}

static void opened(struct peer *p, struct peer_conn *c, const struct pseg *s)
{
	c->state = PEER_OPEN;
	c->backoff = 0;
	c->rto_at = TAS_NS_NEVER;
	if (!(s->flags & PSEG_SYN))
		c->edge = (uint64_t)s->wnd << c->snd_scale;
	if (c->h.keepalive != 0)
		c->keep_at = p->now + c->h.keepalive;
}

static void syn_sent_in(struct peer *p, struct peer_conn *c, const struct pseg *s)
{
	if (s->flags & PSEG_RST) {
		if (!c->plan->may_fail)
			broken(c, "was refused", 0, 0);
		over(p, c);
	} else if ((s->flags & (PSEG_SYN | PSEG_ACK)) == (PSEG_SYN | PSEG_ACK) && s->ack == c->iss + 1) {
		take_syn(c, s);
		opened(p, c, s);
		peer_send_ack(p, c);
		peer_push(p, c);
	} else if (s->flags & PSEG_ACK) {
		peer_send_rst(p, s);
	}
}

static void syn_rcvd_in(struct peer *p, struct peer_conn *c, const struct pseg *s)
{
	if (s->flags & PSEG_RST) {
		over(p, c);
	} else if (s->flags & PSEG_SYN) {
		peer_send_syn(p, c, true);
	} else if ((s->flags & PSEG_ACK) && s->ack == c->iss + 1) {
		opened(p, c, s);
		segment_in(p, c, s);
	}
}

static void conn_in(struct peer *p, struct peer_conn *c, const struct pseg *s)
{
	switch (c->state) {
	case PEER_NONE:
		if ((s->flags & (PSEG_SYN | PSEG_ACK | PSEG_RST)) != PSEG_SYN) {
			peer_send_rst(p, s);
			return;
		}
		take_syn(c, s);
		c->state = PEER_SYN_RCVD;
		c->end->state = ENDS_OPEN;
		peer_send_syn(p, c, true);
		return;
	case PEER_SYN_SENT: syn_sent_in(p, c, s); return;
	case PEER_SYN_RCVD: syn_rcvd_in(p, c, s); return;
	case PEER_OPEN: segment_in(p, c, s); return;
	case PEER_OVER:
		if (p->now >= c->forget_at || peer_mine(c)->end == END_ABORT)
			peer_send_rst(p, s);
		else if (!(s->flags & PSEG_RST) && (s->len > 0 || (s->flags & PSEG_FIN)))
			peer_send_ack(p, c);
	}
}

void peer_in(struct peer *p, const uint8_t *frame, uint32_t len, tas_ns now)
{
	uint8_t answer[86];
	struct pseg s;

	p->now = now;
	p->due = 0;
	len = pseg_read(frame, len, &s)
		? 0
		: parp_answer(answer, frame, len, FIRST_HOST + p->index, host_mac(p->index).addr_bytes);
	if (len > 0)
		net_send(p->net, p->index, answer, len, now);
	for (unsigned i = 0; i < p->nconns && s.dport != 0; i++) {
		struct peer_conn *c = &p->conn[i];

		if (c->port == s.dport && (c->state == PEER_NONE || c->remote_port == s.sport)) {
			conn_in(p, c, &s);
			return;
		}
	}
}

/* --- timers --- */

static void on_rto(struct peer *p, struct peer_conn *c)
{
	c->backoff++;
	c->rto_at = TAS_NS_NEVER;
	if (c->state == PEER_SYN_SENT || c->state == PEER_SYN_RCVD) {
		peer_send_syn(p, c, c->state == PEER_SYN_RCVD);
		return;
	}
	c->nxt = c->una; /* all of it again, cut otherwise */
	c->dups = 0;
	if (c->una == peer_mine(c)->bytes)
		peer_send_data(p, c, 0, true);
	else
		peer_push(p, c);
	c->rto_at = p->now + min_u64(c->h.rto << min_u32(c->backoff, 10), RTO_MAX_NS);
}

/* A byte beyond the window. */
static void on_probe(struct peer *p, struct peer_conn *c)
{
	uint64_t nxt = c->nxt, rto_at = c->rto_at;

	peer_send_data(p, c, 1, false);
	c->nxt = nxt;
	c->rto_at = rto_at;
	c->probe_at = p->now + RTO_MAX_NS / 4;
}

/* RFC 1122 4.2.3.6: an old sequence number, with or without a byte of garbage. Who gets it does not look at
 * what it acknowledges (RFC 9293 3.10.7.4, first), so that the acknowledgement is owed as before. */
static void on_keepalive(struct peer *p, struct peer_conn *c)
{
	unsigned unacked = c->unacked;
	tas_ns ack_at = c->ack_at;
	struct pseg s = peer_segment(p, c, c->una - 1, 0);

	if (c->una > 0 && rand_below(&p->rand, 2)) {
		s.payload = (const uint8_t *)"?";
		s.len = 1;
	}
	c->keep_at = p->now + c->h.keepalive;
	c->unacked = unacked;
	c->ack_at = ack_at;
	peer_emit(p, &s);
}

static void on_read(struct peer *p, struct peer_conn *c)
{
	uint64_t had = c->rcv - c->consumed;

	c->consumed += had / 2 + had % 2;
	c->read_at = c->consumed < c->rcv ? p->now + c->h.read_every : TAS_NS_NEVER;
	peer_send_ack(p, c);
	peer_push(p, c);
	finish(p, c);
}

static bool due(struct peer *p, tas_ns *at)
{
	if (*at > p->now)
		return false;
	*at = TAS_NS_NEVER;
	return true;
}

static unsigned conn_timers(struct peer *p, struct peer_conn *c)
{
	unsigned did = 0;

	if (c->state == PEER_NONE && c->end->side == 0 && c->plan->start <= p->now) {
		c->state = PEER_SYN_SENT;
		peer_send_syn(p, c, false);
		did++;
	}
	if (due(p, &c->rto_at))
		on_rto(p, c), did++;
	if (due(p, &c->ack_at))
		peer_send_ack(p, c), did++;
	if (due(p, &c->read_at))
		on_read(p, c), did++;
	if (due(p, &c->probe_at))
		on_probe(p, c), did++;
	if (due(p, &c->keep_at))
		on_keepalive(p, c), did++;
	return did;
}

static tas_ns next_due(const struct peer *p)
{
	tas_ns next = TAS_NS_NEVER;

	for (unsigned i = 0; i < p->nconns; i++) {
		const struct peer_conn *c = &p->conn[i];

		if (c->state == PEER_NONE && c->end->side == 0)
			next = min_u64(next, c->plan->start);
		next = min_u64(min_u64(next, c->rto_at), min_u64(c->ack_at, c->read_at));
		next = min_u64(next, min_u64(c->probe_at, c->keep_at));
	}
	return next;
}

unsigned peer_poll(struct peer *p, tas_ns now)
{
	unsigned did = 0;

	p->now = now;
	if (now < p->due)
		return 0;
	for (unsigned i = 0; i < p->nconns; i++)
		did += conn_timers(p, &p->conn[i]);
	p->due = next_due(p);
	return did;
}

tas_ns peer_deadline(const struct peer *p) { return p->due != 0 ? p->due : next_due(p); }

/* --- beginning --- */

void peer_begin(struct peer *p, struct net *net, unsigned index, struct end_world *w, uint64_t seed)
{
	p->net = net;
	p->index = index;
	p->w = w;
	p->nconns = 0;
	p->due = 0;
	rand_seed(&p->rand, seed);
}

void peer_take(struct peer *p, const struct plan *plan, struct app_end *end, uint16_t process_port,
	uint32_t remote)
{
	struct peer_conn *c = &p->conn[p->nconns++];

	c->plan = plan;
	c->end = end;
	c->iss = (uint32_t)rand_u64(&p->rand);
	c->fin_at = UINT64_MAX;
	c->port = (uint16_t)((end->side == 1 ? PEER_PORT : PEER_CLIENT_PORT) + end->plan_no);
	c->remote_port = end->side == 0 ? process_port : 0;
	c->remote = remote;
	c->rto_at = c->ack_at = c->read_at = c->probe_at = c->keep_at = TAS_NS_NEVER;
	end->state = end->side == 0 ? ENDS_OPEN : ENDS_NOT_BEGUN;
}
