/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/tcp_out.h"

#include <string.h>

#include "fastpath/fastpath.h"
#include "include/net/hdr.h"
#include "include/net/tcp_opt.h"
#include "slowpath/conn_options.h"
#include "slowpath/sp.h"

static struct rte_mbuf *frame_new(struct sp *sp, uint32_t room)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(sp->fp->pool);

	if (m != NULL && rte_pktmbuf_tailroom(m) < room) {
		rte_pktmbuf_free(m);
		return NULL;
	}
	return m;
}

static void frame_go(struct sp *sp, struct rte_mbuf *m, uint32_t len)
{
	m->data_len = (uint16_t)len;
	m->pkt_len = len;
	fp_send(sp->fp, m);
}

void out_frame(struct sp *sp, const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m = frame_new(sp, len);

	if (m == NULL)
		return;
	memcpy(rte_pktmbuf_mtod(m, void *), frame, len);
	frame_go(sp, m, len);
}

void out_segment(struct sp *sp, const struct hdr_tmpl *h, const struct hdr_fields *fields,
	const struct tcp_opts *o)
{
	struct rte_mbuf *m = frame_new(sp, HDR_WRITE_MAX);
	uint8_t opts[TCP_OPT_MAX];
	uint32_t opts_len = 0;

	if (m == NULL)
		return;
	if (o != NULL && (fields->flags & RTE_TCP_SYN_FLAG))
		opts_len = tcp_opt_write_syn(opts, o);
	else if (o != NULL && (o->has & TCP_HAS_TS))
		opts_len = tcp_opt_write_ts(opts, o->ts_val, o->ts_ecr);
	frame_go(sp, m, hdr_write_opts(h, rte_pktmbuf_mtod(m, uint8_t *), fields, opts, opts_len, 0, 0, 0));
}

/* The headers of a flow's next segment. */
static const struct hdr_tmpl *hdr_of(const struct sp *sp, uint32_t id)
{
	if (sp->fp->flows[id].flags & FLOW_FRAGMENTS)
		hdr_tmpl_next_id(&sp->fp->cold[id].hdr, 1);
	return &sp->fp->cold[id].hdr;
}

static uint32_t ts_now(const struct sp *sp, const struct flow *f)
{
	return (uint32_t)(sp->now / NS_PER_MS) + f->ts_off;
}

/* RFC 3168 6.1.1; a SYN without an answer comes again without, as there are paths that drop it (6.1.1.1). */
static void syn_ecn(const struct sp *sp, uint32_t id, bool answer, struct hdr_fields *h)
{
	if (!(sp->fp->flows[id].flags & FLOW_ECN) || (!answer && sp->conn[id].retries > 0))
		return;
	h->flags |= answer ? RTE_TCP_ECE_FLAG : RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG;
	if (sp->conn[id].cc_alg == CC_DCTCP)
		h->ecn = IP_ECN_ECT0; /* RFC 8257 3.5 */
}

void out_syn(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct flow_cold *k = &sp->fp->cold[id];
	bool answer = f->state == TCP_SYN_RCVD;
	struct hdr_fields fields = {
		.seq = f->iss,
		.ack = { answer ? flow_rx_seq(f, 0).v : 0 },
		.wnd = (uint16_t)min_u32(f->rx_adv, 0xffff), /* never scaled in a SYN (RFC 7323 2.2) */
		.flags = RTE_TCP_SYN_FLAG | (answer ? RTE_TCP_ACK_FLAG : 0),
	};
	struct tcp_opts o = {
		.has = TCP_HAS_MSS,
		.mss = options_mss(sp, id, sp_link_mss(sp, k->key.remote)),
		.wscale = f->rcv_wscale,
		.ts_val = ts_now(sp, f),
		.ts_ecr = answer ? f->ts_recent : 0,
	};

	if (sp->conn[id].syn_wait)
		return; /* when the neighbour is known */
	if (f->flags & FLOW_TS)
		o.has |= TCP_HAS_TS;
	if (f->flags & FLOW_SACK)
		o.has |= TCP_HAS_SACK_PERM;
	if (sp->conn[id].wscale_offered)
		o.has |= TCP_HAS_WSCALE;
	syn_ecn(sp, id, answer, &fields);
	out_segment(sp, hdr_of(sp, id), &fields, &o);
}

/* A segment without payload as the flow stands. */
static void bare(struct sp *sp, uint32_t id, uint8_t flags)
{
	struct flow *f = &sp->fp->flows[id];
	struct tcp_opts o = { .has = f->flags & FLOW_TS ? TCP_HAS_TS : 0,
		.ts_val = ts_now(sp, f),
		.ts_ecr = f->ts_recent };
	struct hdr_fields fields = {
		.seq = flow_tx_seq(f, flow_tx_nxt(f)),
		.ack = flow_rx_seq(f, f->rx_nxt),
		.wnd = (uint16_t)min_u32(f->rx_adv >> f->rcv_wscale, 0xffff),
		.flags = flags | (f->flags & FLOW_ECE ? RTE_TCP_ECE_FLAG : 0),
		.ecn = f->flags & FLOW_DCTCP ? IP_ECN_ECT0 : 0,
	};

	if (flags & RTE_TCP_RST_FLAG)
		fields.wnd = 0, fields.flags = flags;
	out_segment(sp, hdr_of(sp, id), &fields, &o);
}

void out_ack(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];

	sp_count(sp, CNT_TCP_TX_ACKS, 1);
	bare(sp, id, RTE_TCP_ACK_FLAG);
	f->ack = ACK_NONE; /* what a core owes is said */
	f->rx_unacked = 0;
	f->flags &= ~(uint32_t)FLOW_ACK_WANTED;
}

void out_challenge_ack(struct sp *sp, uint32_t id)
{
	if (!flow_may_answer(&sp->fp->cold[id], sp->now) || !challenge_pass(&sp->challenges, sp->now))
		return;
	sp_count(sp, CNT_TCP_RX_CHALLENGE, 1);
	out_ack(sp, id);
}

void out_rst(struct sp *sp, uint32_t id)
{
	sp_count(sp, CNT_TCP_TX_RSTS, 1);
	bare(sp, id, RTE_TCP_RST_FLAG | RTE_TCP_ACK_FLAG);
}

void out_rst_for(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	struct hdr_fields fields = { .flags = RTE_TCP_RST_FLAG };
	struct hdr_tmpl h;

	if ((seg->flags & RTE_TCP_RST_FLAG) || !limit_pass(&sp->rsts, sp->now))
		return;
	if (seg->flags & RTE_TCP_ACK_FLAG) {
		fields.seq = seg->ack;
	} else {
		fields.ack = seq_add(seg->seq, seg_seq_len(seg));
		fields.flags |= RTE_TCP_ACK_FLAG;
	}
	hdr_tmpl_init(&h, &sp->fp->port->mac, &eth->src_addr, key, sp_hops(sp, addr_is_v4(key->remote)), 0,
		false);
	sp_count(sp, CNT_TCP_TX_RSTS, 1);
	out_segment(sp, &h, &fields, NULL);
}
