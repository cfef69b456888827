/* SPDX-License-Identifier: BSD-3-Clause */
/* neigh.c - table and states, whatever the family. An entry's timer is the one at its index; the last is for
 * announcements. */

#include <errno.h>
#include <stdlib.h>

#include <rte_hash_crc.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"
#include "slowpath/neigh_int.h"

enum {
	FRAMES_PER_S = 1000, /* requests, and answers, in all */
	FRAMES_BURST = 100,
	TIMERS_BURST = 256,
};

#define PROBE_NS NS_PER_SEC /* RFC 4862 5.4; two of them are ANNOUNCE_INTERVAL of RFC 5227 1.1 */

/* --- packets that wait --- */

static void queue_push(struct neigh *n, struct neigh_entry *e, void *packet)
{
	if (e->queued == NEIGH_QUEUE_MAX) {
		n->ops.output(n->ops.arg, e->queue[0], NULL);
		for (unsigned i = 1; i < NEIGH_QUEUE_MAX; i++)
			e->queue[i - 1] = e->queue[i];
		e->queued--;
	}
	e->queue[e->queued++] = packet;
}

/* mac NULL: they cannot go. */
static void queue_flush(struct neigh *n, struct neigh_entry *e, const struct rte_ether_addr *mac)
{
	unsigned queued = e->queued;

	e->queued = 0;
	for (unsigned i = 0; i < queued; i++)
		n->ops.output(n->ops.arg, e->queue[i], mac);
}

/* --- table --- */

static uint32_t *bucket_of(const struct neigh *n, struct net_addr addr)
{
	return &n->bucket[rte_hash_crc(&addr, sizeof(addr), 0) & n->bucket_mask];
}

uint32_t neigh_find(const struct neigh *n, struct net_addr addr)
{
	uint32_t id = *bucket_of(n, addr);

	while (id != NEIGH_NONE && !addr_eq(n->entry[id].addr, addr))
		id = n->entry[id].next;
	return id;
}

static void entry_free(struct neigh *n, uint32_t id)
{
	struct neigh_entry *e = &n->entry[id];
	uint32_t *link = bucket_of(n, e->addr);

	TAS_ASSERT(e->holds == 0 && e->queued == 0);
	while (*link != id)
		link = &n->entry[*link].next;
	*link = e->next;
	timer_cancel(&n->timers, id);
	e->state = NEIGH_FREE;
	e->next = n->free;
	n->free = id;
	n->used--;
}

static bool is_older(const struct neigh *n, uint32_t id, uint32_t than)
{
	return than == NEIGH_NONE || n->entry[id].used_ns < n->entry[than].used_ns;
}

/* Frees the entry that no flow holds and that was not used for longest: a stale or failed one, or if there is
 * none and `any` will do, another. False if there is none. */
static bool evict(struct neigh *n, bool any)
{
	uint32_t idle = NEIGH_NONE, oldest = NEIGH_NONE;

	for (uint32_t id = 0; id < n->max; id++) {
		const struct neigh_entry *e = &n->entry[id];

		if (e->holds > 0)
			continue;
		if (is_older(n, id, oldest))
			oldest = id;
		if ((e->state == NEIGH_STALE || e->state == NEIGH_FAILED) && is_older(n, id, idle))
			idle = id;
	}
	if (idle == NEIGH_NONE && any)
		idle = oldest;
	if (idle == NEIGH_NONE)
		return false;
	queue_flush(n, &n->entry[idle], NULL);
	entry_free(n, idle);
	return true;
}

/* wanted: by us, not by a host that asks for us. */
static uint32_t entry_new(struct neigh *n, struct net_addr addr, bool wanted, tas_ns now)
{
	uint32_t id, *bucket = bucket_of(n, addr);

	if (n->free == NEIGH_NONE && !evict(n, wanted))
		return NEIGH_NONE;
	id = n->free;
	n->free = n->entry[id].next;
	n->entry[id] =
		(struct neigh_entry){ .addr = addr, .state = NEIGH_FAILED, .used_ns = now, .next = *bucket };
	*bucket = id;
	n->used++;
	return id;
}

int neigh_init(struct neigh *n, uint32_t max, const struct rte_ether_addr *mac, const struct routes *routes,
	const struct neigh_ops *ops, tas_ns now)
{
	uint32_t buckets = pow2_at_least(max);

	*n = (struct neigh){
		.ops = *ops,
		.routes = routes,
		.mac = *mac,
		.max = max,
		.bucket_mask = buckets - 1,
		.requests = limit_of(FRAMES_PER_S, FRAMES_BURST),
		.replies = limit_of(FRAMES_PER_S, FRAMES_BURST),
		.reachable6_ns = NEIGH_REACHABLE_NS,
		.retry6_ns = NEIGH_RETRY_NS,
		.defences = { .apart_ns = NEIGH_DEFEND_NS },
	};
	n->entry = calloc(max, sizeof(*n->entry));
	n->bucket = calloc(buckets, sizeof(*n->bucket));
	if (n->entry == NULL || n->bucket == NULL || timers_init(&n->timers, max + 1, now) != 0) {
		neigh_fini(n);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < buckets; i++)
		n->bucket[i] = NEIGH_NONE;
	for (uint32_t i = 0; i < max; i++)
		n->entry[i].next = i + 1 < max ? i + 1 : NEIGH_NONE;
	return 0;
}

void neigh_fini(struct neigh *n)
{
	for (uint32_t id = 0; n->entry != NULL && id < n->max; id++)
		queue_flush(n, &n->entry[id], NULL);
	timers_fini(&n->timers);
	free(n->bucket);
	free(n->entry);
	n->bucket = NULL;
	n->entry = NULL;
}

/* --- states --- */

static void state_set(struct neigh *n, uint32_t id, enum neigh_state state, tas_ns due)
{
	n->entry[id].state = (uint8_t)state;
	n->entry[id].tries = 0;
	timer_arm(&n->timers, id, due);
}

static void event(struct neigh *n, uint32_t id, enum neigh_event what)
{
	const struct neigh_entry *e = &n->entry[id];

	n->ops.event(n->ops.arg, what, id, e->addr, &e->mac);
}

/* From which address of ours is the neighbour asked? One that it may know already: *src, or any other, but no
 * tentative one (RFC 4429 3.2). False: the neighbour may have left our subnets, or there is none. */
static bool asker(const struct neigh *n, struct net_addr addr, struct net_addr *src)
{
	if (!route_on_link(n->routes, addr, src))
		return false;
	if (addr_is_v4(addr) || (route_is_local(n->routes, *src) && !neigh_is_tentative(n, *src)))
		return true;
	for (uint32_t i = 0; i < n->routes->addresses; i++) {
		*src = n->routes->address[i].addr;
		if (!addr_is_v4(*src) && !neigh_is_tentative(n, *src))
			return true;
	}
	return false;
}

/* Asks for the neighbour and comes back later to see. What the limit held back, or what waits until an
 * address may ask, is not counted a try. */
static void request_send(struct neigh *n, uint32_t id, bool to_everyone, tas_ns now)
{
	struct neigh_entry *e = &n->entry[id];
	struct net_addr src;
	bool may_ask = asker(n, e->addr, &src), waits = !may_ask && n->tentative > 0;
	tas_ns retry = addr_is_v4(e->addr) ? NEIGH_RETRY_NS : n->retry6_ns;

	timer_arm(&n->timers, id, now + (waits ? NEIGH_ASKER_NS : retry));
	if (waits || !limit_pass(&n->requests, now))
		return;
	e->tries++;
	if (!may_ask) /* no answer will come */
		return;
	if (addr_is_v4(e->addr))
		neigh_arp_request(n, src, to_everyone ? NULL : &e->mac, e->addr);
	else
		neigh_nd_solicit(n, src, to_everyone ? NULL : &e->mac, e->addr);
}

static void reachable(struct neigh *n, uint32_t id, tas_ns now)
{
	tas_ns time = addr_is_v4(n->entry[id].addr) ? NEIGH_REACHABLE_NS : n->reachable6_ns;

	n->entry[id].heard_ns = now;
	state_set(n, id, NEIGH_REACHABLE, now + time);
}

static void search_begin(struct neigh *n, uint32_t id, tas_ns now)
{
	state_set(n, id, NEIGH_INCOMPLETE, TAS_NS_NEVER);
	request_send(n, id, true, now);
}

static void probe_begin(struct neigh *n, uint32_t id, tas_ns now)
{
	state_set(n, id, NEIGH_PROBE, TAS_NS_NEVER);
	request_send(n, id, false, now);
}

static void fail(struct neigh *n, uint32_t id, tas_ns now)
{
	state_set(n, id, NEIGH_FAILED, now + NEIGH_DELAY_NS);
	queue_flush(n, &n->entry[id], NULL);
	event(n, id, NEIGH_EV_FAILED);
}

void neigh_doubt(struct neigh *n, uint32_t id, tas_ns now)
{
	if (n->entry[id].holds > 0)
		state_set(n, id, NEIGH_DELAY, now + NEIGH_DELAY_NS);
	else
		state_set(n, id, NEIGH_STALE, TAS_NS_NEVER);
}

void neigh_negative_advice(struct neigh *n, uint32_t id, tas_ns now)
{
	const struct neigh_entry *e = &n->entry[id];

	TAS_ASSERT(id < n->max && e->state != NEIGH_FREE);
	if ((e->state == NEIGH_REACHABLE && now - e->heard_ns >= NEIGH_DELAY_NS) || e->state == NEIGH_DELAY)
		probe_begin(n, id, now);
}

static void entry_timer(struct neigh *n, uint32_t id, tas_ns now)
{
	struct neigh_entry *e = &n->entry[id];

	switch (e->state) {
	case NEIGH_INCOMPLETE:
		if (e->tries < NEIGH_PROBES)
			request_send(n, id, true, now);
		else
			fail(n, id, now);
		break;
	case NEIGH_REACHABLE:
		if (e->holds > 0)
			probe_begin(n, id, now);
		else
			state_set(n, id, NEIGH_STALE, TAS_NS_NEVER);
		break;
	case NEIGH_DELAY: probe_begin(n, id, now); break;
	case NEIGH_PROBE:
		if (e->tries < 2 * NEIGH_PROBES)
			request_send(n, id, e->tries >= NEIGH_PROBES, now);
		else
			fail(n, id, now);
		break;
	case NEIGH_FAILED:
		if (e->holds > 0)
			search_begin(n, id, now);
		break;
	default: TAS_ASSERT(false);
	}
}

/* --- for the slow path --- */

enum neigh_result neigh_resolve(struct neigh *n, struct net_addr addr, tas_ns now, uint32_t *id,
	struct rte_ether_addr *mac)
{
	struct neigh_entry *e;

	*id = neigh_find(n, addr);
	if (*id == NEIGH_NONE)
		*id = entry_new(n, addr, true, now);
	if (*id == NEIGH_NONE)
		return NEIGH_FULL;
	e = &n->entry[*id];
	e->used_ns = now;
	if (e->state == NEIGH_FAILED)
		search_begin(n, *id, now);
	if (e->state == NEIGH_INCOMPLETE)
		return NEIGH_WAIT;
	if (e->state == NEIGH_STALE)
		state_set(n, *id, NEIGH_DELAY, now + NEIGH_DELAY_NS);
	*mac = e->mac;
	return NEIGH_KNOWN;
}

bool neigh_is_held(const struct neigh *n, struct net_addr addr)
{
	uint32_t id = neigh_find(n, addr);

	return id != NEIGH_NONE && n->entry[id].holds > 0;
}

void neigh_hold(struct neigh *n, uint32_t id)
{
	TAS_ASSERT(id < n->max && n->entry[id].state != NEIGH_FREE);
	n->entry[id].holds++;
}

void neigh_release(struct neigh *n, uint32_t id)
{
	TAS_ASSERT(id < n->max && n->entry[id].holds > 0);
	n->entry[id].holds--;
}

void neigh_output(struct neigh *n, struct net_addr addr, void *packet, tas_ns now)
{
	struct rte_ether_addr mac;
	uint32_t id;

	switch (neigh_resolve(n, addr, now, &id, &mac)) {
	case NEIGH_KNOWN: n->ops.output(n->ops.arg, packet, &mac); break;
	case NEIGH_WAIT: queue_push(n, &n->entry[id], packet); break;
	case NEIGH_FULL: n->ops.output(n->ops.arg, packet, NULL); break;
	}
}

void neigh_confirm(struct neigh *n, uint32_t id, tas_ns now)
{
	TAS_ASSERT(id < n->max);
	switch (n->entry[id].state) {
	case NEIGH_REACHABLE:
	case NEIGH_STALE:
	case NEIGH_DELAY:
	case NEIGH_PROBE: reachable(n, id, now); break;
	default: break; /* what came from there came before we lost it */
	}
}

/* --- what neighbours say of themselves --- */

void neigh_learn(struct neigh *n, uint32_t id, const struct rte_ether_addr *mac, bool confirmed, tas_ns now)
{
	struct neigh_entry *e = &n->entry[id];
	bool looked_for = e->state == NEIGH_INCOMPLETE || e->state == NEIGH_FAILED;
	bool changed = e->has_mac && !rte_is_same_ether_addr(&e->mac, mac);

	/* of several answers the first counts, and no flood of them makes us rewrite headers all the time */
	if (changed && !looked_for && now - e->learned_ns < NEIGH_LOCK_NS)
		return;
	if (changed || looked_for || confirmed)
		e->learned_ns = now;
	e->mac = *mac;
	e->has_mac = true;
	if (confirmed)
		reachable(n, id, now);
	else if (changed || looked_for)
		neigh_doubt(n, id, now);
	if (changed)
		event(n, id, NEIGH_EV_CHANGED);
	if (looked_for) {
		queue_flush(n, e, &e->mac);
		event(n, id, NEIGH_EV_RESOLVED);
	}
}

void neigh_asks(struct neigh *n, struct net_addr addr, const struct rte_ether_addr *mac, tas_ns now)
{
	uint32_t id = neigh_find(n, addr);

	if (id != NEIGH_NONE) {
		neigh_learn(n, id, mac, false, now);
		return;
	}
	if (!route_on_link(n->routes, addr, NULL))
		return;
	id = entry_new(n, addr, false, now);
	if (id == NEIGH_NONE)
		return;
	n->entry[id].mac = *mac;
	n->entry[id].has_mac = true;
	n->entry[id].learned_ns = now;
	state_set(n, id, NEIGH_STALE, TAS_NS_NEVER);
}

bool neigh_was_asked(const struct neigh *n, uint32_t id)
{
	return n->entry[id].state == NEIGH_INCOMPLETE || n->entry[id].state == NEIGH_PROBE;
}

void neigh_times(struct neigh *n, tas_ns reachable_ns, tas_ns retry_ns)
{
	n->reachable6_ns = reachable_ns != 0 ? reachable_ns : n->reachable6_ns;
	n->retry6_ns = retry_ns != 0 ? retry_ns : n->retry6_ns;
}

/* --- our own addresses --- */

/* Where it stands among address6, or how many there are. */
static uint32_t find6(const struct neigh *n, struct net_addr addr)
{
	uint32_t i = 0;

	while (i < n->tentative + n->checked && !addr_eq(n->address6[i], addr))
		i++;
	return i;
}

bool neigh_is_tentative(const struct neigh *n, struct net_addr addr) { return find6(n, addr) < n->tentative; }

bool neigh_is_sure(const struct neigh *n, struct net_addr addr)
{
	uint32_t i = find6(n, addr);

	return i >= n->tentative && i < n->tentative + n->checked;
}

static void forget6(struct neigh *n, uint32_t i)
{
	if (i < n->tentative)
		n->tentative--;
	else
		n->checked--;
	for (; i < n->tentative + n->checked; i++)
		n->address6[i] = n->address6[i + 1];
}

void neigh_address_gone(struct neigh *n, struct net_addr addr)
{
	uint32_t i = find6(n, addr);

	if (i < n->tentative + n->checked)
		forget6(n, i);
}

/* Asks whether another has it; at the front of the list. */
static void question(struct neigh *n, struct net_addr addr)
{
	if (find6(n, addr) < n->tentative + n->checked)
		return;
	TAS_ASSERT(n->tentative + n->checked < ROUTE_ADDRESSES_MAX);
	for (uint32_t i = n->tentative + n->checked; i > 0; i--)
		n->address6[i] = n->address6[i - 1];
	n->address6[0] = addr;
	n->tentative++;
	neigh_nd_probe(n, addr);
}

static void announce(struct neigh *n, bool v4, bool v6)
{
	for (uint32_t i = 0; i < n->routes->addresses; i++) {
		struct net_addr a = n->routes->address[i].addr;

		if (v4 && addr_is_v4(a))
			neigh_arp_announce(n, a);
		else if (v6 && !addr_is_v4(a))
			neigh_nd_announce(n, a);
	}
}

void neigh_announce(struct neigh *n, tas_ns now)
{
	for (uint32_t i = n->tentative + n->checked; i-- > 0;)
		if (!route_is_local(n->routes, n->address6[i]))
			forget6(n, i);
	for (uint32_t i = 0; i < n->routes->addresses; i++)
		if (!addr_is_v4(n->routes->address[i].addr))
			question(n, n->routes->address[i].addr);
	announce(n, true, false);
	n->announcements = 2;
	timer_arm(&n->timers, n->max, now + PROBE_NS);
}

/* Nobody has said within a second that an address is another's; so all is told, and once more. */
static void announce_more(struct neigh *n, tas_ns now)
{
	n->checked += n->tentative;
	n->tentative = 0;
	announce(n, n->announcements == 1, true);
	n->announcements--;
	timer_arm(&n->timers, n->max, n->announcements > 0 ? now + PROBE_NS : TAS_NS_NEVER);
}

void neigh_duplicate(struct neigh *n, struct net_addr addr, const struct rte_ether_addr *mac)
{
	forget6(n, find6(n, addr));
	n->ops.duplicate(n->ops.arg, addr, mac);
}

void neigh_conflict(struct neigh *n, struct net_addr addr, const struct rte_ether_addr *mac, tas_ns now)
{
	if (!limit_pass(&n->defences, now))
		return;
	if (addr_is_v4(addr))
		neigh_arp_announce(n, addr);
	else
		neigh_nd_announce(n, addr);
	n->ops.conflict(n->ops.arg, addr, mac);
}

static void on_timer(void *arg, uint32_t index, tas_ns now)
{
	struct neigh *n = arg;

	if (index == n->max)
		announce_more(n, now);
	else
		entry_timer(n, index, now);
}

unsigned neigh_poll(struct neigh *n, tas_ns now)
{
	return timers_expire(&n->timers, now, TIMERS_BURST, on_timer, n);
}
