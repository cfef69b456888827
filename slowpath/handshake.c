/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/handshake.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "fastpath/fastpath.h"
#include "include/net/rtt.h"
#include "include/net/tcp_opt.h"
#include "slowpath/conn.h"
#include "slowpath/conn_neigh.h"
#include "slowpath/conn_options.h"
#include "slowpath/handshake_cookie.h"
#include "slowpath/handshake_int.h"
#include "slowpath/sp.h"
#include "slowpath/sp_cc.h"
#include "slowpath/tcp_out.h"

enum {
	MSS_DEFAULT_V4 = 536, /* RFC 9293 3.7.1 */
	MSS_DEFAULT_V6 = 1220,
	MSS_LEAST = 48, /* tcp_min_snd_mss of Linux: a peer that asks for less wants harm */
	FORMER_DISTANCE = 65537,
	REUSE_AFTER_US = 1000 * 1000, /* TIME_WAIT of a connection whose four-tuple connect() wants again */
	ECHO_MAX_MS = 60 * 1000,      /* an older echo is none */
};

/* What a flow is before its first segment. Its numbers begin beyond those of a connection in TIME_WAIT whose
 * place it takes (RFC 1122 4.2.2.13), as far as Linux puts them. */
static void flow_begin(struct sp *sp, uint32_t id, const struct ctl_options *options, const tcp_seq *former)
{
	struct flow *f = &sp->fp->flows[id];
	struct flow_cold *k = &sp->fp->cold[id];
	struct conn *n = &sp->conn[id];

	options_begin(sp, id, options);
	n->cc_alg = sp_cc_choose(sp, options->congestion, k->key.remote);
	n->wscale_offered = sp->conf->tcp.window_scaling;
	f->rcv_wscale = n->wscale_offered ? options_wscale(sp->conf, options) : 0;
	f->rx_adv = options_first_window(sp->conf, options);
	f->iss = isn_next(&sp->isn, &k->key, sp->now);
	if (former != NULL && seq_dist(*former, f->iss) < FORMER_DISTANCE)
		f->iss = seq_add(*former, FORMER_DISTANCE);
	f->ts_off = isn_ts_offset(&sp->isn, &k->key);
	k->quick_acks = FLOW_QUICK_ACKS;
	n->syn_sent_ns = sp->now;
	n->timer_base_us = ns_to_us32(sp->now);
}

/* RFC 3168 6.1.1: a SYN asks with both flags, a SYN-ACK agrees with ECE alone; one with both reflects what it
 * does not know. A marked SYN may have met a path that takes ECN for something else; for dctcp it is usual
 * (RFC 8257 3.5). As Linux. */
bool handshake_ecn_agreed(const struct seg *seg, uint8_t cc_alg)
{
	uint8_t asks = RTE_TCP_ECE_FLAG | RTE_TCP_CWR_FLAG, said = seg->flags & asks;

	if (seg->flags & RTE_TCP_ACK_FLAG)
		return said == RTE_TCP_ECE_FLAG;
	return said == asks && (seg->ecn == IP_ECN_NOT_ECT || cc_alg == CC_DCTCP);
}

/* dctcp is nothing without. */
bool handshake_ecn_wanted(const struct sp *sp, uint8_t cc_alg)
{
	return sp->conf->tcp.ecn || cc_alg == CC_DCTCP;
}

static uint32_t ecn_flag(const struct sp *sp, uint32_t id)
{
	return handshake_ecn_wanted(sp, sp->conn[id].cc_alg) ? FLOW_ECN : 0;
}

uint16_t handshake_peer_mss(const struct tcp_opts *o, struct net_addr peer)
{
	uint16_t usual = addr_is_v4(peer) ? MSS_DEFAULT_V4 : MSS_DEFAULT_V6;

	return (uint16_t)max_u32(o->has & TCP_HAS_MSS ? o->mss : usual, MSS_LEAST);
}

/* What a SYN's options settle; what it does not offer is off from now on. */
static void take_syn_options(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];
	struct tcp_opts o;

	tcp_opt_parse(frame + seg->opts_off, seg->opts_len, &o);
	n->peer_mss = options_mss(sp, id, handshake_peer_mss(&o, sp->fp->cold[id].key.remote));
	n->wscale_offered = n->wscale_offered && (o.has & TCP_HAS_WSCALE);
	f->snd_wscale = n->wscale_offered ? o.wscale : 0;
	if (!n->wscale_offered)
		f->rcv_wscale = 0;
	f->flags &= ~(uint32_t)(FLOW_TS | FLOW_SACK);
	if (sp->conf->tcp.timestamps && (o.has & TCP_HAS_TS))
		f->flags |= FLOW_TS;
	if (sp->conf->tcp.sack && (o.has & TCP_HAS_SACK_PERM))
		f->flags |= FLOW_SACK;
	if (!handshake_ecn_agreed(seg, n->cc_alg))
		f->flags &= ~(uint32_t)FLOW_ECN;
	f->ts_recent = o.has & TCP_HAS_TS ? o.ts_val : 0;
	sp->fp->cold[id].ts_recent_ns = sp->now;
	f->irs = seg->seq;
}

/* Our SYN was acknowledged for the first time. Which of several, the echoed timestamp says (RFC 7323 4.1). */
static void handshake_timed(struct sp *sp, uint32_t id, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];
	uint32_t ms = (uint32_t)(sp->now / NS_PER_MS) + f->ts_off - seg->ts_ecr;

	if (n->syn_sent_ns != 0)
		rtt_sample(&f->srtt_us, &sp->fp->cold[id].rttvar_us,
			(uint32_t)((sp->now - n->syn_sent_ns) / NS_PER_US));
	else if (f->srtt_us == 0 && (f->flags & FLOW_TS) && seg->has_ts && ms <= ECHO_MAX_MS)
		rtt_sample(&f->srtt_us, &sp->fp->cold[id].rttvar_us, max_u32(ms, 1) * 1000);
	n->syn_sent_ns = 0;
}

/* The acknowledgement of a SYN-ACK is the last that was in order (RFC 7323 4.3 (2)): without data, for else
 * tcp_rx() sees to it. */
static void handshake_ts_update(struct sp *sp, uint32_t id, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];

	if (!(f->flags & FLOW_TS) || !seg->has_ts || !seq_eq(seg->seq, flow_rx_seq(f, 0)))
		return;
	f->ts_recent = seg->ts_val;
	sp->fp->cold[id].ts_recent_ns = sp->now;
}

/* Everything that data transfer needs, once both SYNs are known. */
static void flow_complete(struct sp *sp, uint32_t id, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	struct flow_cold *k = &sp->fp->cold[id];
	struct conn *n = &sp->conn[id];
	uint32_t mtu_mss = sp_link_mss(sp, k->key.remote);
	bool ts = f->flags & FLOW_TS;

	f->mss = (uint16_t)(min_u32(mtu_mss, n->peer_mss) - (ts ? TCP_OPT_TS_LEN : 0));
	conn_pmtu_begin(sp, id);
	hdr_tmpl_set_timestamps(&k->hdr, ts);
	f->snd_wnd = seg->flags & RTE_TCP_SYN_FLAG ? seg->wnd : (uint32_t)seg->wnd << f->snd_wscale;
	k->max_snd_wnd = f->snd_wnd;
	f->wl1 = seg->seq.v;
	k->rcv_mss = min_u32(f->mss, MSS_DEFAULT_V4); /* until a larger segment shows what the peer sends */
	if ((f->flags & FLOW_ECN) && n->cc_alg == CC_DCTCP)
		f->flags |= FLOW_DCTCP;
	handshake_timed(sp, id, seg);
	handshake_ts_update(sp, id, seg);
	sp_cc_begin(sp, id);
}

/* --- passive --- */

void handshake_passive_begin(struct sp *sp, struct listener *l, uint32_t id, const uint8_t *frame,
	const tcp_seq *former)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	struct flow *f = &sp->fp->flows[id];
	struct flow_cold *k = &sp->fp->cold[id];

	flow_begin(sp, id, &l->options, former);
	if (l->flags & CTL_LISTEN_NODELAY)
		f->flags |= FLOW_NODELAY;
	hdr_tmpl_init(&k->hdr, &sp->fp->port->mac, &eth->src_addr, &k->key, 0, 0, false);
	options_header(sp, id);
	f->state = TCP_SYN_RCVD;
	listen_embryo(sp, l, id);
}

static void answer_syn(struct sp *sp, struct listener *l, uint32_t id, const uint8_t *frame,
	const struct seg *seg, const tcp_seq *former)
{
	handshake_passive_begin(sp, l, id, frame, former);
	sp->fp->flows[id].flags |= ecn_flag(sp, id);
	take_syn_options(sp, id, frame, seg);
	out_syn(sp, id);
	conn_timer_arm(sp, id);
}

void handshake_syn_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg,
	const tcp_seq *former)
{
	struct listener *l = listen_find(sp->listeners, key);
	uint32_t id;

	if (l == NULL) {
		out_rst_for(sp, frame, key, seg);
		return;
	}
	if (seg->flags & RTE_TCP_FIN_FLAG) /* no sane peer; Linux drops it, too */
		return;
	if (listen_full(l)) {
		listen_overflowed(sp, l);
		return;
	}
	if (!room_may_take(sp, l->uid)) {
		sp_count(sp, CNT_TCP_NO_MEMORY, 1);
		return;
	}
	if (former == NULL && cookie_wanted(sp, l)) {
		cookie_answer(sp, l, frame, key, seg);
		return;
	}
	/* Without cookies, in a flood of SYNs each waits as long as it takes to send that many: who answers
	 * sooner gets in. */
	if (l->embryos.count >= sp->conf->tcp.backlog_max)
		room_end_embryo(sp, l->embryos.head);
	id = conn_new(sp, key);
	if (id == FLOW_NONE)
		return;
	answer_syn(sp, l, id, frame, seg, former);
	conn_unlock(sp, id);
}

/* From here on the neighbour table says where our segments go, also when that changes. Until it knows, or if
 * it is full, they go where the SYN came from, as our SYN-ACK did, whose arrival confirms an entry that says
 * the same. */
static void follow_neighbour(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];
	struct hdr_tmpl *hdr = &sp->fp->cold[id].hdr;
	struct route_result r = route_lookup(&sp->routes, sp->fp->cold[id].key.remote);
	struct rte_ether_addr mac;
	enum neigh_result known;
	uint32_t neigh;

	if (n->neigh != NEIGH_NONE || !r.found || r.local) /* a simultaneous open has one already */
		return;
	known = neigh_resolve(&sp->neigh, r.next_hop, sp->now, &neigh, &mac);
	if (known == NEIGH_FULL || !conn_neigh_join(sp, id, neigh, n->user) || known != NEIGH_KNOWN)
		return;
	if (memcmp(hdr->bytes, &mac, sizeof(mac)) == 0)
		neigh_confirm(&sp->neigh, n->neigh, sp->now);
	else
		hdr_tmpl_set_dst_mac(hdr, &mac);
}

/* Nothing of an embryo counts yet. */
static bool may_complete(struct sp *sp, uint32_t id)
{
	struct listener *l = sp->conn[id].listener;

	if (l == NULL)
		return true;
	if (listen_full(l)) {
		listen_overflowed(sp, l);
		return false;
	}
	if (room_take(sp, id, l->uid))
		return true;
	sp_count(sp, CNT_TCP_NO_MEMORY, 1);
	return false;
}

/* The listener waits for data: the acknowledgement that completes the handshake tells no more than the round
 * trip. */
static bool defer(struct sp *sp, uint32_t id, const struct seg *seg)
{
	struct conn *n = &sp->conn[id];

	if (n->listener == NULL || seg->payload_len > 0 || (seg->flags & RTE_TCP_FIN_FLAG) ||
		n->retries >= options_defer_retries(sp, id))
		return false;
	n->deferred = true;
	handshake_timed(sp, id, seg);
	return true;
}

/* RFC 9293 3.10.7.4 for SYN_RCVD. */
static bool syn_rcvd_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	int32_t head = seq_dist(flow_rx_seq(f, 0), seg->seq);
	bool older = (f->flags & FLOW_TS) && seg->has_ts && (int32_t)(seg->ts_val - f->ts_recent) < 0;

	if (seg->flags & RTE_TCP_RST_FLAG) {
		if (head == 0)
			conn_end(sp, id, ECONNREFUSED);
		else if (head > 0 && (uint32_t)head < f->rx_adv)
			out_challenge_ack(sp, id);
		return false;
	}
	if ((seg->flags & RTE_TCP_SYN_FLAG) && head == -1) {
		if (seg->flags & RTE_TCP_ACK_FLAG && seq_eq(seg->ack, flow_tx_seq(f, 0)))
			goto acked; /* simultaneous open: the other side's SYN-ACK */
		sp->conn[id].syn_sent_ns = 0;
		out_syn(sp, id); /* ours was lost */
		return false;
	}
	if (head < 0 || (uint32_t)head > f->rx_adv || older || (seg->flags & RTE_TCP_SYN_FLAG)) {
		out_challenge_ack(sp, id);
		return false;
	}
	if (!(seg->flags & RTE_TCP_ACK_FLAG))
		return false;
	if (!seq_eq(seg->ack, flow_tx_seq(f, 0))) {
		out_rst_for(sp, frame, &sp->fp->cold[id].key, seg);
		return false;
	}
acked:
	if (defer(sp, id, seg) || !may_complete(sp, id)) /* our SYN-ACK, sent again, asks again */
		return false;
	flow_complete(sp, id, seg);
	follow_neighbour(sp, id);
	conn_event(sp, id, EV_SYN_ACKED);
	return true;
}

/* --- active --- */

static void simultaneous_open(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];

	take_syn_options(sp, id, frame, seg);
	f->state = TCP_SYN_RCVD;
	sp->conn[id].syn_sent_ns = 0;
	out_syn(sp, id);
	conn_timer_arm(sp, id);
}

/* RFC 9293 3.10.7.3. */
static bool syn_sent_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	bool ack = seg->flags & RTE_TCP_ACK_FLAG, acceptable = ack && seq_eq(seg->ack, flow_tx_seq(f, 0));

	if (ack && !acceptable) {
		out_rst_for(sp, frame, &sp->fp->cold[id].key, seg);
		return false;
	}
	if (seg->flags & RTE_TCP_RST_FLAG) {
		if (acceptable) {
			sp_count(sp, CNT_TCP_ATTEMPT_FAILS, 1);
			conn_end(sp, id, ECONNREFUSED);
		}
		return false;
	}
	if (!(seg->flags & RTE_TCP_SYN_FLAG))
		return false;
	if (!ack) {
		simultaneous_open(sp, id, frame, seg);
		return false;
	}
	take_syn_options(sp, id, frame, seg);
	flow_complete(sp, id, seg);
	sp_count(sp, CNT_TCP_ACTIVE_OPENS, 1);
	conn_event(sp, id, EV_SYN_ACKED);
	options_ack(sp, id);
	return false; /* a SYN with data is rare: what it brought comes again */
}

bool handshake_segment_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	return sp->fp->flows[id].state == TCP_SYN_SENT ? syn_sent_in(sp, id, frame, seg)
						       : syn_rcvd_in(sp, id, frame, seg);
}

/* One may be used again that has been in TIME_WAIT for a second and whose packets timestamps tell from those
 * of another (RFC 6191; tcp_tw_reuse of Linux). */
static enum port_use key_use(const struct sp *sp, const struct flow_key *key)
{
	uint32_t id = flow_lookup(sp->fp, key);
	const struct flow *f;

	if (id == FLOW_NONE)
		return PORT_FREE;
	f = &sp->fp->flows[id];
	return f->state != TCP_TIME_WAIT || !(f->flags & FLOW_TS) || !sp->conf->tcp.timestamps ||
			ns_to_us32(sp->now) - sp->conn[id].timer_base_us < REUSE_AFTER_US
		? PORT_TAKEN
		: PORT_REUSABLE;
}

struct port_search {
	const struct sp *sp;
	uint32_t lookups;
};

static enum port_use port_use(void *arg, const struct flow_key *key)
{
	struct port_search *s = arg;

	s->lookups++;
	return listen_has_port(s->sp->listeners, be16toh(key->local_port)) ? PORT_TAKEN : key_use(s->sp, key);
}

static int port_choose(struct sp *sp, uint16_t app, struct flow_key *key)
{
	struct port_search s = { .sp = sp };
	int error = ports_choose(&sp->ports, key, port_use, &s, sp->now);

	app_spend(sp->apps, app, s.lookups / COST_LOOKUPS);
	return -error;
}

/* From the port of another user's listener a connection would take the place of one to that listener: by
 * simultaneous open, if the peer can be kept from answering. */
static bool port_of_another(struct sp *sp, const struct flow_key *key, uint16_t app)
{
	const struct listener *l = listen_find(sp->listeners, key);

	return l != NULL && l->uid != sp->apps->slot[app].who.uid;
}

static int connect_key(struct sp *sp, const struct ctl_connect *m, const struct route_result *r, uint16_t app,
	struct flow_key *key)
{
	*key = (struct flow_key){
		.local = addr_is_any(m->local) ? r->src : m->local,
		.remote = m->remote,
		.local_port = htobe16(m->local_port),
		.remote_port = htobe16(m->remote_port),
	};
	if (m->remote_port == 0)
		return ECONNREFUSED;
	if (!route_is_local(&sp->routes, key->local))
		return EADDRNOTAVAIL;
	if (m->local_port != 0 && port_of_another(sp, key, app))
		return EADDRINUSE;
	if (m->local_port != 0)
		return key_use(sp, key) == PORT_TAKEN ? EADDRNOTAVAIL : 0;
	return port_choose(sp, app, key);
}

/* Ends the connection in TIME_WAIT that has this key; false if there is none. Where its numbers ended: in
 * *nxt. */
static bool former_ends(struct sp *sp, const struct flow_key *key, tcp_seq *nxt)
{
	uint32_t id = flow_lookup(sp->fp, key);
	const struct flow *f;

	if (id == FLOW_NONE)
		return false;
	f = &sp->fp->flows[id];
	conn_lock(sp, id);
	*nxt = flow_tx_seq(f, flow_tx_nxt(f));
	conn_end(sp, id, 0);
	conn_unlock(sp, id);
	return true;
}

static int connect_begin(struct sp *sp, uint32_t id, uint16_t app, const struct ctl_connect *m,
	struct net_addr next_hop, const tcp_seq *former)
{
	struct app_flow_spec spec = { .app = app,
		.ctx = (uint16_t)m->context,
		.rx_size = m->options.rx_size,
		.tx_size = m->options.tx_size,
		.listener = ABI_LISTENER_NONE };
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];
	uid_t uid = sp->apps->slot[app].who.uid;
	struct rte_ether_addr mac = { 0 };
	uint32_t neigh;
	enum neigh_result known = neigh_resolve(&sp->neigh, next_hop, sp->now, &neigh, &mac);
	int rc;

	if (known == NEIGH_FULL || !conn_neigh_join(sp, id, neigh, uid) || !room_take(sp, id, uid))
		return ENOBUFS;
	flow_begin(sp, id, &m->options, former);
	f->flags |= (sp->conf->tcp.timestamps ? FLOW_TS : 0u) | (sp->conf->tcp.sack ? FLOW_SACK : 0u) |
		(m->flags & CTL_LISTEN_NODELAY ? FLOW_NODELAY : 0u);
	f->flags |= ecn_flag(sp, id);
	hdr_tmpl_init(&sp->fp->cold[id].hdr, &sp->fp->port->mac, &mac, &sp->fp->cold[id].key, 0, 0,
		f->flags & FLOW_TS);
	options_header(sp, id);
	rc = app_flow_attach(sp->apps, id, &spec);
	if (rc != 0)
		return -rc;
	n->app_gone = false;
	n->syn_wait = known == NEIGH_WAIT;
	f->state = TCP_SYN_SENT;
	out_syn(sp, id);
	conn_timer_arm(sp, id);
	return 0;
}

/* Asked before anything of the connection is there: who is refused takes nobody's place. */
static bool may_take(const struct sp *sp, uid_t uid, struct net_addr next_hop)
{
	return room_may_take(sp, uid) &&
		(neigh_is_held(&sp->neigh, next_hop) ||
			users_may_take(&sp->apps->users, uid, SHARE_NEIGHBOURS, 1));
}

int handshake_op_connect(void *arg, uint16_t app, struct ctl_connect *m)
{
	struct sp *sp = arg;
	struct route_result r = route_lookup(&sp->routes, m->remote);
	struct flow_key key;
	tcp_seq former;
	bool again;
	uint32_t id;
	int rc;

	if (!r.found || r.local)
		return ENETUNREACH;
	if (!sp_cc_known(m->options.congestion))
		return ENOENT;
	rc = connect_key(sp, m, &r, app, &key);
	if (rc != 0)
		return rc;
	if (!may_take(sp, sp->apps->slot[app].who.uid, r.next_hop)) {
		sp_count(sp, CNT_TCP_NO_MEMORY, 1);
		return ENOBUFS;
	}
	again = former_ends(sp, &key, &former);
	id = conn_new(sp, &key);
	if (id == FLOW_NONE)
		return ENOBUFS;
	rc = connect_begin(sp, id, app, m, r.next_hop, again ? &former : NULL);
	if (rc == 0) {
		m->local = key.local;
		m->local_port = be16toh(key.local_port);
		m->prefix_len = r.prefix_len;
		m->rec = sp->fp->flows[id].rec;
		m->flow = id;
		m->gen = sp->fp->flows[id].gen;
	}
	conn_unlock(sp, id);
	return rc;
}

int handshake_op_route(void *arg, struct ctl_connect *m)
{
	struct sp *sp = arg;
	struct route_result r = route_lookup(&sp->routes, m->remote);

	if (!r.found && !r.local)
		return ENETUNREACH;
	m->local = r.local ? m->remote : r.src;
	m->prefix_len = r.prefix_len;
	return r.local ? EADDRINUSE : 0; /* EADDRINUSE: the address is tasd's own */
}
