/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/sp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ring_elem.h>

#include "include/base/log.h"
#include "include/net/mld.h"
#include "include/net/nd.h"
#include "include/net/pkt.h"
#include "slowpath/conn.h"
#include "slowpath/conn_neigh.h"
#include "slowpath/conn_options.h"
#include "slowpath/handshake.h"
#include "slowpath/sp_cc.h"
#include "slowpath/tcp_in.h"
#include "slowpath/tcp_out.h"

/* --- what the neighbour table wants done --- */

static void on_neigh_send(void *arg, const uint8_t *frame, uint32_t len) { out_frame(arg, frame, len); }

/* Nothing is handed to neigh_output(): connections wait by themselves. */
static void on_neigh_output(void *arg, void *packet, const struct rte_ether_addr *mac)
{
	(void)arg, (void)mac;
	rte_pktmbuf_free(packet);
}

static void on_neigh_event(void *arg, enum neigh_event event, uint32_t id, struct net_addr addr,
	const struct rte_ether_addr *mac)
{
	struct sp *sp = arg;

	if (event == NEIGH_EV_FAILED)
		ra_silent(&sp->ra, addr);
	conn_neigh_event(sp, id, event == NEIGH_EV_FAILED ? NULL : mac);
}

static void on_neigh_conflict(void *arg, struct net_addr addr, const struct rte_ether_addr *mac)
{
	char text[ADDR_STRLEN];

	(void)arg;
	addr_format(addr, text, sizeof(text));
	tas_log(TAS_LOG_WARNING,
		"another host (" RTE_ETHER_ADDR_PRT_FMT
		") uses our address %s: give one of the two another address",
		RTE_ETHER_ADDR_BYTES(mac), text);
}

/* What was opened from it meanwhile is nobody's. */
static void on_neigh_duplicate(void *arg, struct net_addr addr, const struct rte_ether_addr *mac)
{
	struct sp *sp = arg;
	char text[ADDR_STRLEN];

	addr_format(addr, text, sizeof(text));
	tas_log(TAS_LOG_ERROR,
		"another host (" RTE_ETHER_ADDR_PRT_FMT
		") has our address %s, which is given up: give one of the two another and start tasd again",
		RTE_ETHER_ADDR_BYTES(mac), text);
	route_remove_address(&sp->routes, addr);
	groups_update(&sp->groups, sp->now);
	conn_address_gone(sp, addr);
}

/* --- start and end --- */

struct app_ops sp_app_ops(struct sp *sp)
{
	return (struct app_ops){
		.arg = sp,
		.listen = listen_op_listen,
		.arm = listen_op_arm,
		.join = listen_op_join,
		.leave = listen_op_leave,
		.close_listener = listen_op_close,
		.connect = handshake_op_connect,
		.route = handshake_op_route,
		.info = conn_op_info,
		.listener_info = listen_op_info,
		.options = options_op_change,
		.grow = tune_op_grow,
		.settle_flow = conn_op_settle,
		.close_flow = conn_op_close,
	};
}

static int address_take(struct sp *sp, const struct net_prefix *address, const char *key, char *err,
	size_t err_size)
{
	int rc = route_add_address(&sp->routes, address);
	char text[ADDR_STRLEN];

	if (rc != 0) {
		addr_format(address->addr, text, sizeof(text));
		snprintf(err, err_size, "[ip] %s %s: %s", key, text,
			rc == -EEXIST ? "given twice" : "not an address a host can have");
	}
	return rc;
}

/* IPv6 always has a link-local address (RFC 4291 2.1): ours is after the hardware address. */
static int link_local_take(struct sp *sp, char *err, size_t err_size)
{
	struct net_prefix ours = { nd_eui64(addr_link_local_net(), &sp->fp->port->mac), 64 };

	if (sp->fp->port->mtu < IP6_MTU_MIN) {
		snprintf(err, err_size, "[ip] address6: the port's mtu of %u is less than the %d of IPv6",
			sp->fp->port->mtu, IP6_MTU_MIN);
		return -EINVAL;
	}
	return route_is_local(&sp->routes, ours.addr) ? 0
						      : address_take(sp, &ours, "address6", err, err_size);
}

static int routes_take(struct sp *sp, char *err, size_t err_size)
{
	const struct conf_ip *ip = &sp->conf->ip;
	int rc = 0;

	routes_init(&sp->routes);
	for (uint32_t i = 0; rc == 0 && i < ip->addresses; i++)
		rc = address_take(sp, &ip->address[i], "address", err, err_size);
	for (uint32_t i = 0; rc == 0 && i < ip->addresses6; i++)
		rc = address_take(sp, &ip->address6[i], "address6", err, err_size);
	if (rc == 0 && conf_has_ipv6(ip))
		rc = link_local_take(sp, err, err_size);
	if (rc != 0)
		return rc;
	if (ip->has_gateway && route_add_default(&sp->routes, ip->gateway) != 0) {
		snprintf(err, err_size, "[ip] gateway: not in the subnet of any [ip] address");
		return -EINVAL;
	}
	if (ip->has_gateway6 && route_add_default(&sp->routes, ip->gateway6) != 0) {
		snprintf(err, err_size, "[ip] gateway6: not in the subnet of any [ip] address6");
		return -EINVAL;
	}
	return 0;
}

static int parts_take(struct sp *sp, const struct sp_conf *sc)
{
	struct neigh_ops ops = { .send = on_neigh_send,
		.output = on_neigh_output,
		.event = on_neigh_event,
		.conflict = on_neigh_conflict,
		.duplicate = on_neigh_duplicate,
		.arg = sp };
	uint32_t flows = sp->fp->conf.flows_max;

	sp->conn = calloc(flows, sizeof(*sp->conn));
	sp->cc_list = calloc(flows, sizeof(*sp->cc_list));
	sp->listeners = listeners_create();
	if (sp->conn == NULL || sp->cc_list == NULL || sp->listeners == NULL || conn_neigh_init(sp) != 0)
		return -ENOMEM;
	for (uint32_t i = 0; i < flows; i++)
		sp->conn[i].neigh = NEIGH_NONE, sp->conn[i].cc_slot = FLOW_NONE;
	if (timers_init(&sp->timers, flows, sc->now) != 0)
		return -ENOMEM;
	if (frags_init(&sp->frags, sp->fp->conf.name, sp->fp->port->mtu, sp->fp->conf.numa_node) != 0)
		return -ENOMEM;
	return neigh_init(&sp->neigh, SP_NEIGHBOURS_MAX, &sp->fp->port->mac, &sp->routes, &ops, sc->now);
}

/* The groups first: whoever has one of them answers to its group. */
static void addresses_came(struct sp *sp)
{
	groups_update(&sp->groups, sp->now);
	neigh_announce(&sp->neigh, sp->now);
}

int sp_create(struct sp *sp, const struct sp_conf *sc, char *err, size_t err_size)
{
	const struct conf_tcp *tcp = &sc->conf->tcp;
	int rc;

	*sp = (struct sp){ .fp = sc->fp,
		.conf = sc->conf,
		.apps = sc->apps,
		.now = sc->now,
		.cc_next = TAS_NS_NEVER };
	sp->rto = conf_rto(tcp);
	rc = routes_take(sp, err, err_size);
	if (rc != 0)
		return rc;
	rc = parts_take(sp, sc);
	if (rc != 0) {
		snprintf(err, err_size, "not enough memory for [memory] flows_max=%u",
			sc->fp->conf.flows_max);
		sp_destroy(sp);
		return rc;
	}
	icmp_sp_init(&sp->icmp, &sp->routes);
	sp->isn = isn_of(sc->secrets);
	users_limit(&sp->apps->users, SHARE_FLOWS, sc->fp->conf.flows_max);
	users_limit(&sp->apps->users, SHARE_NEIGHBOURS, SP_NEIGHBOURS_MAX);
	users_limit(&sp->apps->users, SHARE_PORTS, tcp->port_range.high - tcp->port_range.low + 1u);
	ports_init(&sp->ports, tcp->port_range.low, tcp->port_range.high, sc->secrets + ISN_SECRET_LEN);
	sp->challenges = challenge_of(sc->secrets + ISN_SECRET_LEN + PORTS_SECRET_LEN);
	sp->cookies = cookies_of(sc->secrets + SP_SECRETS_LEN - COOKIE_SECRET_LEN);
	sp->rsts = limit_of(SP_RSTS_PER_S, SP_RSTS_PER_S / 10);
	sp_scale_init(sp);
	ra_init(&sp->ra, &sp->routes, &sp->neigh, sc->conf->ip.autoconf6 == CONF_ON,
		sc->conf->ip.has_gateway6, sc->now);
	groups_init(&sp->groups, &sp->neigh, sc->now);
	addresses_came(sp);
	return 0;
}

void sp_destroy(struct sp *sp)
{
	if (sp->neigh.entry != NULL)
		neigh_fini(&sp->neigh);
	if (sp->timers.node != NULL)
		timers_fini(&sp->timers);
	frags_fini(&sp->frags);
	conn_neigh_fini(sp);
	listeners_free(sp->listeners);
	free(sp->cc_list);
	for (uint32_t i = 0; sp->conn != NULL && i < sp->fp->conf.flows_max; i++)
		free(sp->conn[i].kept);
	free(sp->conn);
	memset(sp, 0, sizeof(*sp));
}

/* --- one pass --- */

static void icmp_in(struct sp *sp, uint8_t *frame, uint32_t len, const struct flow_key *key,
	const struct seg *seg)
{
	struct icmp_error error;
	enum icmp_sp_verdict v = icmp_sp_in(&sp->icmp, frame, &len, key, seg, sp->now, &error);

	if (v == ICMP_SP_REPLY)
		out_frame(sp, frame, len);
	else if (v == ICMP_SP_ERROR)
		conn_icmp_error(sp, &error);
}

/* An echo request to all nodes becomes one to us, which is answered (RFC 4443 4.2). */
static struct flow_key echo_to_us(struct sp *sp, uint8_t *frame, struct flow_key key, const struct seg *seg)
{
	struct route_result r = route_lookup(&sp->routes, key.remote);

	if (!addr_eq(key.local, addr_all_nodes()) || seg->payload_len == 0 ||
		frame[seg->payload_off] != ICMP6_ECHO_REQUEST || !r.found || r.local)
		return key;
	memcpy(frame, &sp->fp->port->mac, sizeof(sp->fp->port->mac));
	memcpy(frame + RTE_ETHER_HDR_LEN + 24, &r.src, sizeof(r.src));
	key.local = r.src;
	return key;
}

static void icmp6_in(struct sp *sp, uint8_t *frame, uint32_t len, const struct flow_key *key,
	const struct seg *seg)
{
	struct flow_key to_us;
	struct nd_msg nd;
	struct mld_msg mld;

	if (!conf_has_ipv6(&sp->conf->ip))
		return;
	if (nd_parse(frame, seg, &nd)) {
		if (neigh_nd_in(&sp->neigh, &nd, sp->now) && !nd.router)
			ra_no_router(&sp->ra, nd.target);
		if (nd.type == ICMP6_ROUTER_ADVERTISEMENT && ra_in(&sp->ra, &nd, sp->now))
			addresses_came(sp);
	} else if (mld_parse(frame, seg, &mld)) {
		groups_in(&sp->groups, &mld, sp->now);
	} else {
		to_us = echo_to_us(sp, frame, *key, seg);
		icmp_in(sp, frame, len, &to_us, seg);
	}
}

/* What comes from no single host, or from ourselves, or was sent to many on the link is never answered: each
 * answer would go to hosts that did not ask, or to us (RFC 9293 3.9.2.3, RFC 1122 4.2.3.10). */
static bool between_two_hosts(const struct sp *sp, const uint8_t *frame, const struct flow_key *key)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;

	return route_is_host(&sp->routes, key->remote) && !route_is_local(&sp->routes, key->remote) &&
		rte_is_unicast_ether_addr(&eth->dst_addr) && rte_is_unicast_ether_addr(&eth->src_addr);
}

static void segment_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg)
{
	if (!route_is_local(&sp->routes, key->local))
		sp_count(sp, CNT_RX_IGNORED, 1);
	else if (!between_two_hosts(sp, frame, key))
		sp_count(sp, CNT_RX_MARTIAN, 1);
	else
		tcp_in(sp, frame, key, seg);
}

static void refuse(struct sp *sp, const uint8_t *frame, uint32_t len, const struct flow_key *key)
{
	uint8_t answer[ICMP_SP_ANSWER_MAX];

	len = icmp_sp_refuse(&sp->icmp, answer, sizeof(answer), frame, len, key, sp->now);
	if (len > 0)
		out_frame(sp, answer, len);
}

/* As if it had come so. But neighbour discovery and the like never come in fragments (RFC 6980), and an echo
 * that is longer than a frame would need them, too. */
static void whole_in(struct sp *sp, uint8_t *frame, uint32_t len)
{
	struct flow_key key;
	struct seg seg;

	switch (pkt_parse(frame, len, PKT_VERIFIED_IP, &key, &seg)) {
	case PKT_TCP: segment_in(sp, frame, &key, &seg); break;
	case PKT_ICMP:
	case PKT_ICMP6:
		if (len <= RTE_ETHER_HDR_LEN + (uint32_t)sp->fp->port->mtu)
			icmp_in(sp, frame, len, &key, &seg);
		break;
	case PKT_OTHER_L4: refuse(sp, frame, len, &key); break;
	case PKT_BAD_CHECKSUM: sp_count(sp, CNT_RX_BAD_CHECKSUM, 1); break;
	default: sp_count(sp, CNT_RX_BAD_HEADER, 1);
	}
}

static void fragment_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key,
	const struct seg *seg)
{
	uint64_t dropped = sp->frags.dropped;
	uint8_t *whole;
	uint32_t len;

	if (!route_is_local(&sp->routes, key->local) || !between_two_hosts(sp, frame, key)) {
		sp_count(sp, CNT_RX_FRAGMENTS_LOST, 1);
		return;
	}
	whole = frag_in(&sp->frags, frame, key, seg, sp->now, &len);
	sp_count(sp, CNT_RX_FRAGMENTS_LOST, sp->frags.dropped - dropped);
	if (whole == NULL)
		return;
	sp_count(sp, CNT_RX_REASSEMBLED, 1);
	whole_in(sp, whole, len);
}

static void on_late(void *arg, const uint8_t *frame, uint32_t len)
{
	uint8_t answer[ICMP_SP_ANSWER_MAX];
	struct sp *sp = arg;
	bool v4 = frame[RTE_ETHER_HDR_LEN] >> 4 == 4;

	len = icmp_sp_late(&sp->icmp, answer, sizeof(answer), frame, len, v4, sp->now);
	if (len > 0)
		out_frame(sp, answer, len);
}

static unsigned fragments_poll(struct sp *sp)
{
	uint64_t dropped = sp->frags.dropped;
	unsigned n = frags_poll(&sp->frags, sp->now, on_late, sp);

	sp_count(sp, CNT_RX_FRAGMENTS_LOST, sp->frags.dropped - dropped);
	return n;
}

static void punt_in(struct sp *sp, struct rte_mbuf *m)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t len = m->data_len;
	struct flow_key key;
	struct seg seg;

	/* the fast path found the checksums right */
	switch (pkt_parse(frame, len, PKT_VERIFIED_IP | PKT_VERIFIED_L4, &key, &seg)) {
	case PKT_TCP: segment_in(sp, frame, &key, &seg); break;
	case PKT_ARP: neigh_arp_in(&sp->neigh, frame, len, sp->now); break;
	case PKT_ICMP: icmp_in(sp, frame, len, &key, &seg); break;
	case PKT_ICMP6: icmp6_in(sp, frame, len, &key, &seg); break;
	case PKT_FRAGMENT: fragment_in(sp, frame, &key, &seg); break;
	case PKT_OTHER_L4: refuse(sp, frame, len, &key); break;
	default: break;
	}
	rte_pktmbuf_free(m);
}

static unsigned punts_poll(struct sp *sp)
{
	struct rte_mbuf *m[SP_PUNTS_BURST];
	unsigned n = rte_ring_dequeue_burst(sp->fp->punts, (void **)m, SP_PUNTS_BURST, NULL);

	for (unsigned i = 0; i < n; i++)
		punt_in(sp, m[i]);
	return n;
}

static unsigned events_poll(struct sp *sp)
{
	const struct cost *cost = &sp->apps->cost;
	unsigned done = 0;

	/* some cost more than others: a flow may move to another process with megabytes */
	for (unsigned c = 0; c <= sp->fp->conf.cores; c++) {
		uint64_t from = cost->spent;
		uint32_t id;

		for (unsigned n = 0; n < SP_EVENTS_BURST && cost->spent - from < COST_PASS; n++, done++) {
			if (rte_ring_dequeue_elem(sp->fp->core[c]->events, &id, sizeof(id)) != 0)
				break;
			conn_flow_events(sp, id);
		}
	}
	return done;
}

static void on_timer(void *arg, uint32_t index, tas_ns now)
{
	(void)now;
	conn_timer(arg, index);
}

static unsigned routers_poll(struct sp *sp)
{
	unsigned n = ra_poll(&sp->ra, sp->now);
	struct net_addr gone;

	while (ra_gone(&sp->ra, &gone)) {
		neigh_address_gone(&sp->neigh, gone);
		conn_address_gone(sp, gone);
		groups_update(&sp->groups, sp->now);
	}
	if (ra_rerouted(&sp->ra, sp->now))
		conn_neigh_reroute(sp);
	return n;
}

unsigned sp_poll(struct sp *sp, tas_ns now)
{
	unsigned work;

	sp->now = now;
	sp->fp->slow->now = now;
	sp->fp->slow->now_us = ns_to_us32(now);
	cost_begin(&sp->apps->cost);
	work = punts_poll(sp);
	work += fragments_poll(sp);
	work += events_poll(sp);
	work += timers_expire(&sp->timers, now, SP_TIMERS_BURST, on_timer, sp);
	work += neigh_poll(&sp->neigh, now);
	work += routers_poll(sp);
	work += groups_poll(&sp->groups, now);
	work += sp_cc_poll(sp);
	work += listen_poll(sp);
	work += apps_poll(sp->apps, now);
	fp_reclaim(sp->fp);
	work += sp_scale_poll(sp);
	core_flush(sp->fp->slow);
	return work;
}

tas_ns sp_deadline(const struct sp *sp)
{
	tas_ns next = min_u64(timers_next(&sp->timers), neigh_next(&sp->neigh));

	next = min_u64(min_u64(next, sp->cc_next), listen_deadline(sp));
	next = min_u64(next, min_u64(apps_deadline(sp->apps, sp->now), core_wakes_due(sp->fp->slow)));
	next = min_u64(next, min_u64(sp_scale_deadline(sp), ra_next(&sp->ra)));
	next = min_u64(next, min_u64(groups_next(&sp->groups), frags_next(&sp->frags)));
	/* slots of flows wait for the cores to pass: look soon, but not at once */
	return sp->fp->nr_graves > 0 ? min_u64(next, sp->now + 10 * NS_PER_MS) : next;
}

bool sp_has_work(const struct sp *sp)
{
	for (unsigned c = 0; c <= sp->fp->conf.cores; c++)
		if (!rte_ring_empty(sp->fp->core[c]->events))
			return true;
	return !rte_ring_empty(sp->fp->punts);
}
