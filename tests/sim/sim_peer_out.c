/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_peer_out.c - what the independent peer sends. */
#include "include/base/compiler.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_peer_int.h"

enum { FIRST_HOST = 0x0a000001, BURST = 16 };

#define SYN_RTO_NS NS_PER_SEC

static bool chance(struct peer *p, uint32_t ppm) { return rand_chance_ppm(&p->rand, ppm); }

void peer_emit(struct peer *p, const struct pseg *s)
{
	static uint8_t frame[PSEG_FRAME_MAX];
	struct rte_ether_addr src = host_mac(p->index), dst = host_mac(s->dst - FIRST_HOST);

	net_send(p->net, p->index, frame, pseg_write(frame, s, src.addr_bytes, dst.addr_bytes), p->now);
}

static uint16_t window(struct peer *p, struct peer_conn *c)
{
	uint64_t room = c->h.buffer - (c->rcv - c->consumed);
	uint32_t field;

	if (chance(p, c->h.shrink_ppm))
		room /= 2;
	field = min_u32((uint32_t)room >> c->rcv_scale, 0xffff);
	c->promised = max_u64(c->promised, c->rcv + ((uint64_t)field << c->rcv_scale));
	return (uint16_t)field;
}

static void add_sacks(struct peer_conn *c, struct pseg *s)
{
	if (c->h.dsack && c->dsack_from < c->dsack_to) {
		s->sack[s->nsack][0] = c->irs + 1 + (uint32_t)c->dsack_from;
		s->sack[s->nsack++][1] = c->irs + 1 + (uint32_t)c->dsack_to;
		c->dsack_from = c->dsack_to = 0;
	}
	for (unsigned i = c->ranges; i-- > 0 && s->nsack < PSEG_SACKS;) {
		s->sack[s->nsack][0] = c->irs + 1 + (uint32_t)c->range[i].from;
		s->sack[s->nsack++][1] = c->irs + 1 + (uint32_t)c->range[i].to;
	}
}

struct pseg peer_segment(struct peer *p, struct peer_conn *c, uint64_t off, uint8_t flags)
{
	struct pseg s = { .src = FIRST_HOST + p->index,
		.dst = c->remote,
		.v6 = p->v6,
		.sport = c->port,
		.dport = c->remote_port,
		.seq = c->iss + 1 + (uint32_t)off,
		.ack = c->irs + 1 + (uint32_t)c->rcv + peer_got_fin(c),
		.flags = flags | PSEG_ACK,
		.wnd = window(p, c),
		.wscale = -1,
		.has_ts = c->ts,
		.ts_val = (uint32_t)(p->now / NS_PER_MS) + 77,
		.ts_ecr = c->ts_recent };

	c->unacked = 0;
	c->ack_at = TAS_NS_NEVER;
	return s;
}

void peer_send_ack(struct peer *p, struct peer_conn *c)
{
	struct pseg s = peer_segment(p, c, c->nxt, 0);

	if (c->sack)
		add_sacks(c, &s);
	peer_emit(p, &s);
}

void peer_send_syn(struct peer *p, struct peer_conn *c, bool answer)
{
	struct pseg s = peer_segment(p, c, UINT64_MAX, PSEG_SYN);

	s.mss = c->h.mss;
	s.wscale = !answer || c->scale ? c->h.wscale : -1;
	s.sack_ok = answer ? c->sack : c->h.sack;
	s.has_ts = answer ? c->ts : c->h.ts;
	s.strange = c->h.strange;
	s.wnd = (uint16_t)min_u32(c->h.buffer, 0xffff);
	c->promised = s.wnd;
	if (!answer) {
		s.flags = PSEG_SYN;
		s.ack = s.ts_ecr = 0;
	}
	c->rto_at = p->now + (SYN_RTO_NS << c->backoff);
	peer_emit(p, &s);
}

void peer_send_rst(struct peer *p, const struct pseg *to)
{
	struct pseg s = { .src = to->dst,
		.dst = to->src,
		.v6 = to->v6,
		.sport = to->dport,
		.dport = to->sport,
		.seq = to->ack,
		.flags = PSEG_RST,
		.wscale = -1 };

	if (!(to->flags & PSEG_ACK)) {
		s.seq = 0;
		s.ack = to->seq + to->len + !!(to->flags & PSEG_SYN) + !!(to->flags & PSEG_FIN);
		s.flags |= PSEG_ACK;
	}
	if (!(to->flags & PSEG_RST))
		peer_emit(p, &s);
}

/* [nxt, nxt + len) of the stream, and perhaps the FIN. */
void peer_send_data(struct peer *p, struct peer_conn *c, uint32_t len, bool fin)
{
	static uint8_t data[65536];
	struct pseg s = peer_segment(p, c, c->nxt,
		(uint8_t)((fin ? PSEG_FIN : 0) | (len > 0 ? PSEG_PSH : 0)));

	pattern_fill(data, pattern_stream(c->end->plan_no, c->end->side), c->nxt, len);
	s.payload = data;
	s.len = len;
	if (len > 0 && chance(p, c->h.urgent_ppm)) {
		s.flags |= PSEG_URG;
		s.urgent = (uint16_t)rand_u64(&p->rand);
	}
	c->nxt += len + fin;
	c->max = max_u64(c->max, c->nxt);
	if (c->rto_at == TAS_NS_NEVER)
		c->rto_at = p->now + c->h.rto;
	if (c->h.keepalive != 0)
		c->keep_at = p->now + c->h.keepalive;
	peer_emit(p, &s);
}

static bool may_fin(const struct peer_conn *c)
{
	switch (peer_mine(c)->end) {
	case END_WAIT: return peer_got_fin(c);
	case END_CLOSE: return c->rcv >= peer_theirs(c)->bytes;
	default: return true;
	}
}

static uint64_t may_send_to(const struct peer_conn *c)
{
	const struct plan_side *m = peer_mine(c);

	return m->block == 0 ? m->bytes : min_u64(m->bytes, m->block * (c->consumed / m->per + m->ahead));
}

void peer_push(struct peer *p, struct peer_conn *c)
{
	uint64_t to = min_u64(may_send_to(c), c->edge), bytes = peer_mine(c)->bytes;
	unsigned n = 0;

	for (; n < BURST && c->nxt < to && c->nxt - c->una < (uint64_t)c->h.cwnd * c->mss; n++) {
		uint32_t len = (uint32_t)min_u64(to - c->nxt, c->mss);

		if (chance(p, c->h.short_ppm))
			len = 1 + rand_below(&p->rand, len);
		peer_send_data(p, c, len, c->nxt + len == bytes && may_fin(c) && rand_below(&p->rand, 2));
	}
	if (c->nxt == bytes && may_fin(c))
		peer_send_data(p, c, 0, true);
	if (c->una == c->nxt && c->nxt < may_send_to(c) && c->edge <= c->nxt && c->probe_at == TAS_NS_NEVER)
		c->probe_at = p->now + c->h.rto;
}
