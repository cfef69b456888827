/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/sp_cc.h"

#include "fastpath/fastpath.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

static tas_ns interval(const struct sp *sp) { return sp->conf->tcp.cc_interval_us * NS_PER_US; }

bool sp_cc_known(const char *name) { return name[0] == 0 || cc_find(name) >= 0; }

/* IPv4 lies within ::/0 as it is held, but is not meant. */
static bool route_is_to(const struct net_prefix *to, struct net_addr peer)
{
	return addr_is_v4(to->addr) == addr_is_v4(peer) && prefix_contains(to, peer);
}

static const char *configured(const struct conf_tcp *t, struct net_addr peer)
{
	const struct conf_congestion_route *best = NULL;

	for (uint32_t i = 0; i < t->congestion_routes; i++) {
		const struct conf_congestion_route *r = &t->congestion_to[i];

		if ((best == NULL || r->to.len > best->to.len) && route_is_to(&r->to, peer))
			best = r;
	}
	return best != NULL ? best->name : t->congestion;
}

uint8_t sp_cc_choose(const struct sp *sp, const char *name, struct net_addr peer)
{
	int alg = name[0] != 0 ? cc_find(name) : -1;

	if (alg < 0)
		alg = cc_find(configured(&sp->conf->tcp, peer));
	return (uint8_t)(alg < 0 ? CC_CUBIC : alg);
}

/* A SYN that was lost once may have been late; twice, and the path is congested: one segment (RFC 5681 3.1,
 * as Linux takes it). */
void sp_cc_begin(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];
	uint32_t segments = n->syn_resends > 1 ? 1 : sp->conf->tcp.initial_cwnd;

	n->cc.const_bytes_s = sp->conf->tcp.const_rate * CC_BYTES_S_PER_MBIT;
	cc_flow_init(&n->cc, &sp->fp->flows[id], &sp->fp->cold[id], n->cc_alg, segments, sp->now);
}

void sp_cc_switch(struct sp *sp, uint32_t id, uint8_t alg)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];

	if (n->cc_alg == alg)
		return;
	n->cc_alg = alg;
	if (!((TCP_STATES_FAST >> f->state) & 1)) /* sp_cc_begin() will take it */
		return;
	cc_flow_switch(&n->cc, f, &sp->fp->cold[id], alg, sp->now);
	f->flags &= ~(uint32_t)FLOW_DCTCP;
	if (alg == CC_DCTCP && (f->flags & FLOW_ECN)) /* without, as through switches that set no marks */
		f->flags |= FLOW_DCTCP;
}

static void due_at(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	n->cc_due = cc_flow_due(&n->cc, &sp->fp->flows[id], interval(sp));
	sp->cc_next = min_u64(sp->cc_next, n->cc_due);
}

void sp_cc_add(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	if (n->cc_slot != FLOW_NONE || !((TCP_STATES_FAST >> sp->fp->flows[id].state) & 1))
		return;
	n->cc_slot = sp->cc_count;
	sp->cc_list[sp->cc_count++] = id;
	cc_flow_wake(&n->cc, &sp->fp->flows[id], &sp->fp->cold[id], sp->now);
	due_at(sp, id);
}

void sp_cc_forget(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];
	uint32_t last;

	if (n->cc_slot == FLOW_NONE)
		return;
	last = sp->cc_list[--sp->cc_count];
	sp->cc_list[n->cc_slot] = last;
	sp->conn[last].cc_slot = n->cc_slot;
	n->cc_slot = FLOW_NONE;
}

static void visit(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];
	uint32_t before;

	conn_lock(sp, id);
	before = f->cwnd;
	if (!cc_flow_update(&n->cc, f, &sp->fp->cold[id], sp->now)) {
		sp_cc_forget(sp, id);
	} else {
		if (f->cwnd > before && f->tx_avail > f->tx_inflight)
			core_kick(sp->fp->slow, id);
		due_at(sp, id);
	}
	conn_unlock(sp, id);
}

unsigned sp_cc_poll(struct sp *sp)
{
	unsigned visited = 0;

	if (sp->now < sp->cc_next)
		return 0;
	sp->cc_next = sp->cc_count > SP_CC_BURST ? sp->now : TAS_NS_NEVER;
	for (unsigned n = min_u32(sp->cc_count, SP_CC_BURST); n > 0; n--) {
		uint32_t id;

		sp->cc_at = sp->cc_at < sp->cc_count ? sp->cc_at : 0;
		id = sp->cc_list[sp->cc_at];
		if (sp->conn[id].cc_due <= sp->now) {
			visit(sp, id);
			visited++;
		} else {
			sp->cc_next = min_u64(sp->cc_next, sp->conn[id].cc_due);
		}
		if (sp->conn[id].cc_slot == sp->cc_at) /* else the last one of the list stands there now */
			sp->cc_at++;
	}
	return visited;
}
