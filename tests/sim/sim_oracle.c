/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_oracle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "fastpath/holes.h"
#include "fastpath/tcp_int.h"
#include "include/net/pkt.h"

void oracle_begin(struct oracle *o, struct host *hosts, unsigned nhosts)
{
	memset(o, 0, sizeof(*o));
	o->hosts = hosts;
	o->nhosts = nhosts;
}

void oracle_found(struct oracle *o, const char *fmt, ...)
{
	va_list ap;

	if (o->what[0] != '\0')
		return;
	va_start(ap, fmt);
	vsnprintf(o->what, sizeof(o->what), fmt, ap);
	va_end(ap);
}

/* --- the wire --- */

static bool after(uint32_t a, uint32_t b) { return (int32_t)(a - b) > 0; }

static struct wire *wire_of(struct oracle *o, unsigned from, unsigned to, uint16_t port, uint16_t peer_port)
{
	uint32_t at = (port * 31u + peer_port * 17u + from * 7u + to) % ORACLE_WIRES_MAX;

	for (unsigned i = 0; i < ORACLE_WIRES_MAX; i++, at = (at + 1) % ORACLE_WIRES_MAX) {
		struct wire *w = &o->wire[at];

		if (!w->used)
			*w = (struct wire){ .used = true,
				.from = (uint8_t)from,
				.to = (uint8_t)to,
				.port = port,
				.peer_port = peer_port };
		if (w->from == from && w->to == to && w->port == port && w->peer_port == peer_port)
			return w;
	}
	TAS_ASSERT(!"more connections than the oracle has room for");
	return NULL;
}

static void syn_sent(struct wire *w, struct wire *back, const struct seg *seg, const uint8_t *frame)
{
	struct tcp_opts opts;
	bool before = w->syn_seen;

	if (before && w->iss == seg->seq.v)
		return;
	w->syn_seen = true;
	w->fin_seen = w->edge_known = w->edge_said = false;
	w->iss = seg->seq.v;
	w->next = seg->seq.v + 1;
	tcp_opt_parse(frame + seg->opts_off, seg->opts_len, &opts);
	w->wscale = opts.has & TCP_HAS_WSCALE ? opts.wscale : -1;
	if (before && !(seg->flags & RTE_TCP_ACK_FLAG)) /* a new connection: what was before is over */
		back->syn_seen = back->edge_known = false;
}

static uint32_t shift_of(const struct wire *w, const struct wire *back)
{
	return w->wscale >= 0 && back->wscale >= 0 ? (uint32_t)w->wscale : 0;
}

static uint32_t edge_of(const struct wire *w, const struct wire *back, const struct seg *seg)
{
	return seg->ack.v + ((uint32_t)seg->wnd << (seg->flags & RTE_TCP_SYN_FLAG ? 0 : shift_of(w, back)));
}

/* Of what one of our hosts sends. */
#define wrong(o, w, ...) ((w)->from < (o)->nhosts ? oracle_found(o, __VA_ARGS__) : (void)0)

static void data_sent(struct oracle *o, struct wire *w, const struct wire *back, const struct seg *seg)
{
	bool fin = seg->flags & RTE_TCP_FIN_FLAG;
	uint32_t end = seg->seq.v + seg->payload_len;

	if (seg->payload_len > 0 && back->edge_known && after(end, back->edge_delivered))
		wrong(o, w, "%c sends %u bytes past the window", 'A' + w->from, end - back->edge_delivered);
	if (w->fin_seen && ((seg->payload_len > 0 && after(end, w->fin_at)) || (fin && end != w->fin_at)))
		wrong(o, w, "%c sends behind its FIN", 'A' + w->from);
	if (fin) {
		w->fin_seen = true;
		w->fin_at = end;
	}
	if (after(end + fin, w->next))
		w->next = end + fin;
}

/* Was it written before others that went: by the slow path, or, if they went at the same moment, by another
 * core? */
static bool is_late(const struct wire *w, const struct seg *seg)
{
	return after(w->acked, seg->ack.v) || (seg->payload_len == 0 && after(w->next, seg->seq.v));
}

/* RFC 9293 3.8.6: a window does not shrink. One that is cut off to the units of its scale may seem to. */
static void window_sent(struct oracle *o, struct wire *w, const struct wire *back, const struct seg *seg)
{
	uint32_t edge = edge_of(w, back, seg), unit = 1u << shift_of(w, back);

	if (!(seg->flags & RTE_TCP_ACK_FLAG) || (w->edge_said && is_late(w, seg)))
		return;
	if (!w->edge_said)
		w->edge_before = w->edge_sent = edge;
	else if (o->now != w->said_at)
		w->edge_before = w->edge_sent;
	if (after(w->edge_before, edge + unit - 1))
		wrong(o, w, "%c takes back %u bytes of its window", 'A' + w->from, w->edge_before - edge);
	if (after(edge, w->edge_sent))
		w->edge_sent = edge;
	w->edge_said = true;
	w->said_at = o->now;
	w->acked = seg->ack.v;
}

static void segment_sent(struct oracle *o, struct wire *w, struct wire *back, const struct seg *seg,
	const uint8_t *frame)
{
	if (seg->flags & RTE_TCP_RST_FLAG)
		return;
	if (seg->flags & RTE_TCP_SYN_FLAG) {
		syn_sent(w, back, seg, frame);
		window_sent(o, w, back, seg);
		return;
	}
	if (!w->syn_seen || !back->syn_seen)
		return;
	if (after(seg->ack.v, back->next))
		wrong(o, w, "%c acknowledges %u bytes that were never sent", 'A' + w->from,
			seg->ack.v - back->next);
	data_sent(o, w, back, seg);
	window_sent(o, w, back, seg);
}

static void segment_arrives(struct wire *w, const struct wire *back, const struct seg *seg)
{
	uint32_t edge = edge_of(w, back, seg);

	if (!(seg->flags & RTE_TCP_ACK_FLAG) || (seg->flags & RTE_TCP_RST_FLAG) || !w->syn_seen)
		return;
	if (!w->edge_known || after(edge, w->edge_delivered))
		w->edge_delivered = edge;
	w->edge_known = true;
}

static int host_of(struct net_addr a)
{
	for (unsigned i = 0; i < LINK_HOSTS_MAX; i++)
		if (addr_eq(a, host_addr(i)))
			return (int)i;
	return -1;
}

void oracle_wire(struct oracle *o, unsigned host, bool sent, const uint8_t *bytes, uint32_t len)
{
	struct flow_key key;
	struct seg seg;
	enum pkt_kind kind = pkt_parse(bytes, len, 0, &key, &seg);
	struct wire *w, *back;
	int from, to;

	o->checks++;
	if (kind != PKT_TCP) {
		if (sent && kind != PKT_ARP && kind != PKT_ICMP && kind != PKT_ICMP6)
			oracle_found(o, "%c sends a frame that is %s", 'A' + host, pkt_kind_name(kind));
		return;
	}
	from = host_of(key.remote);
	to = host_of(key.local);
	if (from < 0 || to < 0)
		return;
	w = wire_of(o, (unsigned)from, (unsigned)to, be16toh(key.remote_port), be16toh(key.local_port));
	back = wire_of(o, (unsigned)to, (unsigned)from, be16toh(key.local_port), be16toh(key.remote_port));
	if (sent)
		segment_sent(o, w, back, &seg, bytes);
	else
		segment_arrives(w, back, &seg);
}

/* --- flows --- */

static void flow_goes_back(struct oracle *o, char host, uint32_t id, const char *what, uint64_t by)
{
	oracle_found(o, "%c's flow %u: %s went back by %lu", host, id, what, by);
}

/* Without an application there are no rings: what it wrote is gone, or there was nothing yet; and what came
 * for one that has not accepted lies in memory that grows with it, whatever was offered. */
static void flow_check_alone(struct oracle *o, char host, uint32_t id, const struct flow *f)
{
	if (f->gen == 0 || f->rx_unread > flow_rx_size(f) || f->tx_avail > flow_tx_size(f) ||
		f->tx_inflight > f->tx_avail + (f->flags & FLOW_TX_FIN ? 1u : 0u))
		oracle_found(o, "%c's flow %u, without an application: %u unread of %u, %u of %u in flight",
			host, id, f->rx_unread, flow_rx_size(f), f->tx_inflight, f->tx_avail);
}

static void flow_look(struct oracle *o, struct host *h, uint32_t id)
{
	const struct flow *f = &h->fp.flows[id];
	const struct flow_cold *k = &h->fp.cold[id];
	struct flow_seen *s = &o->flow[h->index][id];
	uint64_t edge = f->rx_nxt + f->rx_adv, fresh = f->tx_una + f->tx_inflight;
	uint32_t pipe = recovery_pipe(f, k);
	/* a tail loss probe is new data whatever the window (RFC 8985 7.3) */
	uint32_t probe = k->tail_probed && !k->tail_resent ? f->mss : 0;

	/* and so is one of a path (RFC 4821), in the step in which it goes */
	if (k->path.is_out && k->path.to > s->fresh)
		probe = max_u32(probe, (uint32_t)(k->path.to - k->path.from));
	if (f->app != APP_NONE)
		flow_check(f);
	else
		flow_check_alone(o, h->letter, id, f);
	if (s->gen == f->gen) {
		if (f->rx_nxt < s->rx_nxt)
			flow_goes_back(o, h->letter, id, "rx_nxt", s->rx_nxt - f->rx_nxt);
		if (f->tx_una < s->tx_una)
			flow_goes_back(o, h->letter, id, "tx_una", s->tx_una - f->tx_una);
		if (edge < s->edge)
			flow_goes_back(o, h->letter, id, "the right edge", s->edge - edge);
		if (pipe > max_u32(s->cwnd, f->cwnd) + f->mss &&
			(fresh > s->fresh + probe || k->bytes_rtx > s->again + f->mss))
			oracle_found(o, "%c's flow %u has %u bytes in flight with a window of %u", h->letter,
				id, pipe, f->cwnd);
	}
	*s = (struct flow_seen){ f->gen, f->rx_nxt, f->tx_una, edge, fresh, k->bytes_rtx, f->cwnd };
}

void oracle_step(struct oracle *o)
{
	for (unsigned i = 0; i < o->nhosts; i++) {
		struct host *h = &o->hosts[i];
		uint32_t in_use = h->fp.conf.flows_max - h->fp.nr_free;

		for (uint32_t id = 0; in_use > 0 && id < h->fp.conf.flows_max; id++) {
			const struct flow *f = &h->fp.flows[id];

			in_use -= f->state != TCP_FREE;
			if ((TCP_STATES_FAST >> f->state) & 1)
				flow_look(o, h, id);
		}
	}
}

/* --- the end --- */

static void must_be(struct oracle *o, char host, const char *what, uint64_t is, uint64_t should)
{
	if (is != should)
		oracle_found(o, "at the end %c has %s: %lu instead of %lu", host, what, is, should);
}

static void host_at_end(struct oracle *o, struct host *h)
{
	struct fastpath *fp = &h->fp;

	must_be(o, h->letter, "free flows", fp->nr_free, fp->conf.flows_max);
	must_be(o, h->letter, "armed timers", h->sp.timers.armed, 0);
	must_be(o, h->letter, "flows under congestion control", h->sp.cc_count, 0);
	must_be(o, h->letter, "listeners", h->sp.listeners->count, 0);
	must_be(o, h->letter, "free ids of applications", h->apps.nr_free, h->conf.memory.apps_max);
	must_be(o, h->letter, "users with a share of anything", !RB_EMPTY(&h->apps.users.tree), 0);
	must_be(o, h->letter, "packet buffers out", host_mbufs_out(h), 0);
	must_be(o, h->letter, "free blocks for holes", host_holes_free(h), holes_blocks(fp->conf.flows_max));
	if (!o->hostile) {
		must_be(o, h->letter, "faults of applications", host_faults(h), 0);
		must_be(o, h->letter, "notifications lost", fp_counter(fp, CNT_APP_NOTIFY_LOST), 0);
	}
	for (uint32_t i = 0; i < h->sp.neigh.max; i++)
		must_be(o, h->letter, "holds on a neighbour", h->sp.neigh.entry[i].holds, 0);
	for (uint32_t id = 0; id < fp->conf.flows_max; id++)
		must_be(o, h->letter, "a flow on a list", fp->cold[id].on_list, 0);
}

void oracle_end(struct oracle *o)
{
	for (unsigned i = 0; i < o->nhosts; i++)
		host_at_end(o, &o->hosts[i]);
}
