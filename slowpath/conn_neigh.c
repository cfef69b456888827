/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_neigh.h"

#include <errno.h>
#include <stdlib.h>

#include "include/base/assert.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"
#include "slowpath/tcp_out.h"

int conn_neigh_init(struct sp *sp)
{
	sp->neigh_conns = calloc(SP_NEIGHBOURS_MAX, sizeof(*sp->neigh_conns));
	if (sp->neigh_conns == NULL)
		return -ENOMEM;
	for (uint32_t i = 0; i < SP_NEIGHBOURS_MAX; i++)
		sp->neigh_conns[i] = FLOW_NONE;
	return 0;
}

void conn_neigh_fini(struct sp *sp) { free(sp->neigh_conns); }

bool conn_neigh_join(struct sp *sp, uint32_t id, uint32_t neigh, uid_t uid)
{
	struct conn *n = &sp->conn[id];
	struct neigh_entry *e = &sp->neigh.entry[neigh];
	uint32_t *head = &sp->neigh_conns[neigh];

	TAS_ASSERT(n->neigh == NEIGH_NONE);
	if (e->holds == 0 && !users_take(&sp->apps->users, uid, SHARE_NEIGHBOURS, 1))
		return false;
	if (e->holds == 0)
		e->holder = uid;
	neigh_hold(&sp->neigh, neigh);
	n->neigh = neigh;
	n->neigh_prev = FLOW_NONE;
	n->neigh_next = *head;
	if (*head != FLOW_NONE)
		sp->conn[*head].neigh_prev = id;
	*head = id;
	return true;
}

void conn_neigh_leave(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	if (n->neigh == NEIGH_NONE)
		return;
	if (n->neigh_prev == FLOW_NONE)
		sp->neigh_conns[n->neigh] = n->neigh_next;
	else
		sp->conn[n->neigh_prev].neigh_next = n->neigh_next;
	if (n->neigh_next != FLOW_NONE)
		sp->conn[n->neigh_next].neigh_prev = n->neigh_prev;
	neigh_release(&sp->neigh, n->neigh);
	if (sp->neigh.entry[n->neigh].holds == 0)
		users_give(&sp->apps->users, sp->neigh.entry[n->neigh].holder, SHARE_NEIGHBOURS, 1);
	n->neigh = NEIGH_NONE;
}

void conn_neigh_advise(struct sp *sp, uint32_t id)
{
	if (sp->conn[id].neigh != NEIGH_NONE)
		neigh_negative_advice(&sp->neigh, sp->conn[id].neigh, sp->now);
}

static void neighbour_silent(struct sp *sp, uint32_t id)
{
	if (sp->fp->flows[id].state != TCP_SYN_SENT || !sp->conn[id].syn_wait)
		return;
	sp_count(sp, CNT_TCP_ATTEMPT_FAILS, 1);
	conn_end(sp, id, EHOSTUNREACH);
}

static void neighbour_known(struct sp *sp, uint32_t id, const struct rte_ether_addr *mac)
{
	struct conn *n = &sp->conn[id];

	hdr_tmpl_set_dst_mac(&sp->fp->cold[id].hdr, mac);
	if (!n->syn_wait)
		return;
	n->syn_wait = false;
	n->retries = n->syn_resends = 0; /* nothing was sent yet */
	n->syn_sent_ns = sp->now;
	n->timer_base_us = ns_to_us32(sp->now);
	out_syn(sp, id);
	conn_timer_arm(sp, id);
}

void conn_neigh_event(struct sp *sp, uint32_t neigh, const struct rte_ether_addr *mac)
{
	for (uint32_t id = sp->neigh_conns[neigh], next; id != FLOW_NONE; id = next) {
		next = sp->conn[id].neigh_next; /* this one may end */
		conn_lock(sp, id);
		if (mac == NULL)
			neighbour_silent(sp, id);
		else
			neighbour_known(sp, id, mac);
		conn_unlock(sp, id);
	}
}

/* Where the connection must go through another neighbour than `from`: *to. A user who may have no more
 * neighbours stays. */
static bool must_move(const struct sp *sp, uint32_t id, struct net_addr from, struct net_addr *to)
{
	struct route_result r = route_lookup(&sp->routes, sp->fp->cold[id].key.remote);

	*to = r.next_hop;
	return r.found && !r.local && !addr_eq(*to, from) &&
		(neigh_is_held(&sp->neigh, *to) ||
			users_may_take(&sp->apps->users, sp->conn[id].user, SHARE_NEIGHBOURS, 1));
}

static void move(struct sp *sp, uint32_t id, struct net_addr to)
{
	struct rte_ether_addr mac;
	uint32_t neigh;
	enum neigh_result known = neigh_resolve(&sp->neigh, to, sp->now, &neigh, &mac);

	if (known == NEIGH_FULL)
		return;
	conn_neigh_leave(sp, id);
	conn_neigh_join(sp, id, neigh, sp->conn[id].user);
	if (known == NEIGH_KNOWN) /* else it will be told */
		neighbour_known(sp, id, &mac);
}

void conn_neigh_reroute(struct sp *sp)
{
	for (uint32_t neigh = 0; neigh < SP_NEIGHBOURS_MAX; neigh++) {
		struct net_addr from = sp->neigh.entry[neigh].addr, to;

		if (addr_is_v4(from))
			continue;
		for (uint32_t id = sp->neigh_conns[neigh], next; id != FLOW_NONE; id = next) {
			next = sp->conn[id].neigh_next; /* this one may leave */
			if (!must_move(sp, id, from, &to))
				continue;
			conn_lock(sp, id);
			move(sp, id, to);
			conn_unlock(sp, id);
		}
	}
}
