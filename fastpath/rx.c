/* SPDX-License-Identifier: BSD-3-Clause */
/* rx.c - the receive stage: a batch as arrays side by side. */
#include <rte_ethdev.h>
#include <rte_prefetch.h>

#include "fastpath/flow_table.h"
#include "fastpath/stages.h"
#include "fastpath/tcp_int.h"
#include "include/net/pkt.h"

/* Segments that open, end or abort a connection are the slow path's. */
#define RX_SLOW_FLAGS (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG | RTE_TCP_FIN_FLAG)

struct batch {
	uint32_t n; /* TCP segments */
	struct rte_mbuf *m[FP_BATCH];
	const struct flow_key *keys[FP_BATCH];
	uint32_t flow[FP_BATCH];
	struct seg seg[FP_BATCH];
	struct flow_key key[FP_BATCH];
};

static inline unsigned verified_by_port(const struct port *p, const struct rte_mbuf *m)
{
	return (port_ip_cksum_good(p, m) ? PKT_VERIFIED_IP : 0) |
		(port_l4_cksum_good(p, m) ? PKT_VERIFIED_L4 : 0);
}

static void punt(struct fp_core *c, struct rte_mbuf *m)
{
	if (rte_ring_enqueue(c->fp->punts, m) != 0) {
		count(c, CNT_RX_PUNT_FULL, 1);
		rte_pktmbuf_free(m);
		return;
	}
	count(c, CNT_RX_PUNTED, 1);
	c->slow_needs_wake = true;
}

/* They take no more than half of the room of what is whole. */
static void punt_fragment(struct fp_core *c, struct rte_mbuf *m)
{
	count(c, CNT_RX_FRAGMENTS, 1);
	if (rte_ring_count(c->fp->punts) < FP_PUNTS_MAX / 2) {
		punt(c, m);
		return;
	}
	count(c, CNT_RX_PUNT_FULL, 1);
	rte_pktmbuf_free(m);
}

/* What is not TCP, or not whole. */
static void rx_other(struct fp_core *c, struct rte_mbuf *m, enum pkt_kind kind)
{
	switch (kind) {
	case PKT_ARP:
	case PKT_ICMP:
	case PKT_ICMP6:
	case PKT_OTHER_L4: punt(c, m); return;
	case PKT_FRAGMENT: punt_fragment(c, m); return;
	case PKT_BAD_CHECKSUM:
		count(c, CNT_RX_BAD_CHECKSUM, 1);
		port_offload_suspect(c->fp->port, m);
		break;
	case PKT_BAD_LENGTH:
	case PKT_BAD_HEADER:
		count(c, CNT_RX_BAD_HEADER, 1);
		port_offload_suspect(c->fp->port, m);
		break;
	default: count(c, CNT_RX_IGNORED, 1);
	}
	rte_pktmbuf_free(m);
}

static void parse_batch(struct fp_core *c, struct rte_mbuf **pkts, unsigned n, struct batch *b)
{
	uint64_t bytes = 0;

	b->n = 0;
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum pkt_kind kind;

		if (i + 1 < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + 1], void *));
		bytes += m->pkt_len;
		if (unlikely(m->nb_segs > 1) && rte_pktmbuf_linearize(m) != 0) {
			rx_other(c, m, PKT_BAD_LENGTH);
			continue;
		}
		kind = pkt_parse(rte_pktmbuf_mtod(m, uint8_t *), m->data_len,
			verified_by_port(c->fp->port, m), &b->key[b->n], &b->seg[b->n]);
		if (unlikely(kind != PKT_TCP)) {
			rx_other(c, m, kind);
			continue;
		}
		b->keys[b->n] = &b->key[b->n];
		b->m[b->n++] = m;
	}
	count(c, CNT_RX_PACKETS, n);
	count(c, CNT_RX_BYTES, bytes);
}

static enum rx_verdict rx_segment(struct fp_core *c, uint32_t id, const struct seg *seg, struct rte_mbuf *m)
{
	struct flow *f;
	enum rx_verdict v = RX_PUNT;

	if (unlikely(id == FLOW_NONE || (seg->flags & RX_SLOW_FLAGS)))
		return RX_PUNT;
	f = &c->fp->flows[id];
	rte_spinlock_lock(&f->lock);
	if (likely(((TCP_STATES_FAST >> f->state) & 1) && f->app != APP_NONE)) {
		if (unlikely(f->core != c->id))
			app_core(c, f);
		v = tcp_rx(c, id, seg, rte_pktmbuf_mtod(m, uint8_t *));
	}
	rte_spinlock_unlock(&f->lock);
	return v;
}

/* The queue that comes first has room for a whole burst, and each comes first in its turn. */
static unsigned burst_of_queues(struct fp_core *c, struct rte_mbuf **pkts)
{
	unsigned n = 0;

	c->queue_next = (uint8_t)(c->queue_next + 1 < c->nqueues ? c->queue_next + 1 : 0);
	for (unsigned i = 0, q = c->queue_next; i < c->nqueues && n < FP_BATCH; i++) {
		n += rte_eth_rx_burst(c->fp->port->id, c->queues[q], pkts + n, (uint16_t)(FP_BATCH - n));
		q = q + 1 < c->nqueues ? q + 1 : 0;
	}
	return n;
}

static inline unsigned burst(struct fp_core *c, struct rte_mbuf **pkts)
{
	if (unlikely(core_steer_is_old(c)))
		steer_look(c);
	if (likely(c->nqueues == 1))
		return rte_eth_rx_burst(c->fp->port->id, c->queues[0], pkts, FP_BATCH);
	return burst_of_queues(c, pkts);
}

unsigned rx_poll(struct fp_core *c)
{
	struct rte_mbuf *pkts[FP_BATCH];
	struct batch b;
	unsigned n;

	n = burst(c, pkts);
	if (n == 0)
		return 0;
	parse_batch(c, pkts, n, &b);
	if (b.n == 0)
		return n;
	flow_table_find_bulk(c->fp->table, b.keys, b.n, b.flow);
	for (unsigned i = 0; i < b.n; i++)
		if (b.flow[i] != FLOW_NONE)
			rte_prefetch0(&c->fp->flows[b.flow[i]]),
				rte_prefetch0(&c->fp->flows[b.flow[i]].rx_nxt);
	for (unsigned i = 0; i < b.n; i++) {
		if (unlikely(rx_segment(c, b.flow[i], &b.seg[i], b.m[i]) == RX_PUNT))
			punt(c, b.m[i]);
		else
			rte_pktmbuf_free(b.m[i]);
	}
	return n;
}
