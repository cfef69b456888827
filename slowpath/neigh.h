/* SPDX-License-Identifier: BSD-3-Clause */
/* neigh.h - which hardware address a neighbour has, by ARP (RFC 826) or neighbour discovery (RFC 4861), in
 * Linux's states.
 * Guarantee: bounded; only entries that no flow holds are ever evicted, stale or failed ones first, others
 * only for one that we look for. An entry is made only because we look for a host, or because a host of our
 * subnets asks for us (RFC 826's merge flag): announcements, and answers nobody asked for, only renew what is
 * there, at most once a second for each neighbour. At most one request a second goes to a neighbour (in IPv6
 * routers may say another time), and all requests and all answers together are limited.
 * Owner: the slow path. No clock, no OS: frames and news leave by callbacks.
 *
 *                                         request of a host for us -> STALE
 *   -resolve-> INCOMPLETE -reply-> REACHABLE -30 s-> STALE -used-> DELAY -5 s-> PROBE -reply-> REACHABLE
 *                  |                   '--- 30 s, held by a flow ----------------^ |
 *                  '- 3 requests in vain -> FAILED <- 3 unicast, 3 broadcast ones -'
 *                                           looked for again when used, and every 5 s while held
 *
 * What flows send with prebuilt headers is not seen here: an entry that one of them holds counts as in
 * use. */
#ifndef TAS_SLOWPATH_NEIGH_H
#define TAS_SLOWPATH_NEIGH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <rte_ether.h>

#include "include/base/time.h"
#include "include/net/addr.h"
#include "include/net/nd.h"
#include "slowpath/limit.h"
#include "slowpath/route.h"
#include "slowpath/timer.h"

enum {
	NEIGH_QUEUE_MAX = 3, /* packets kept for a neighbour that is looked for; the oldest goes first */
	NEIGH_PROBES = 3,
};
#define NEIGH_NONE UINT32_MAX
#define NEIGH_REACHABLE_NS (30 * NS_PER_SEC)
#define NEIGH_DELAY_NS (5 * NS_PER_SEC)
#define NEIGH_RETRY_NS NS_PER_SEC
#define NEIGH_ASKER_NS (NS_PER_SEC / 10) /* how often is looked whether there is an address to ask from */
#define NEIGH_LOCK_NS NS_PER_SEC         /* an address that was just learned is not replaced */
#define NEIGH_DEFEND_NS (10 * NS_PER_SEC)

enum neigh_state {
	NEIGH_FREE,
	NEIGH_INCOMPLETE,
	NEIGH_REACHABLE,
	NEIGH_STALE,
	NEIGH_DELAY,
	NEIGH_PROBE,
	NEIGH_FAILED
};

enum neigh_event {
	NEIGH_EV_RESOLVED, /* the hardware address is known where it was not */
	NEIGH_EV_CHANGED,  /* it is another one now: rewrite the header templates of flows that use it */
	NEIGH_EV_FAILED,   /* no answer: EHOSTUNREACH for connections that are being opened through it */
};

/* The callbacks must not call back into the table, but for neigh_hold() and neigh_release(). */
struct neigh_ops {
	/* A frame to send. */
	void (*send)(void *arg, const uint8_t *frame, uint32_t len);
	/* A packet handed to neigh_output() can go: the destination of its Ethernet header is `mac`. mac
	 * NULL: it cannot; drop it. */
	void (*output)(void *arg, void *packet, const struct rte_ether_addr *mac);
	/* mac is meaningless with NEIGH_EV_FAILED. */
	void (*event)(void *arg, enum neigh_event event, uint32_t id, struct net_addr addr,
		const struct rte_ether_addr *mac);
	/* Another host uses our address: for the log. At most once in NEIGH_DEFEND_NS. */
	void (*conflict)(void *arg, struct net_addr addr, const struct rte_ether_addr *mac);
	/* Another host had the address of IPv6 before us: it must not be ours (RFC 4862 5.4.5). */
	void (*duplicate)(void *arg, struct net_addr addr, const struct rte_ether_addr *mac);
	void *arg;
};

struct neigh_entry {
	struct net_addr addr;
	struct rte_ether_addr mac;
	uint8_t state; /* enum neigh_state */
	uint8_t tries; /* requests sent in this state */
	uint8_t queued;
	bool has_mac;
	uint32_t holds;
	uid_t holder;      /* whose flow was the first of these: for the caller's account */
	uint32_t next;     /* in its hash bucket, or in the free list */
	tas_ns used_ns;    /* for eviction: the one not used for longest */
	tas_ns learned_ns; /* when mac was last confirmed or set */
	tas_ns heard_ns;   /* when it last became REACHABLE */
	void *queue[NEIGH_QUEUE_MAX];
};

struct neigh {
	struct neigh_ops ops;
	const struct routes *routes;
	struct rte_ether_addr mac; /* ours */
	uint32_t max, used, free;
	uint32_t announcements;                        /* still to be sent */
	tas_ns reachable6_ns, retry6_ns;               /* of IPv6: usual, or what a router says */
	uint32_t tentative, checked;                   /* how many: of IPv6 those we just asked for, */
	struct net_addr address6[ROUTE_ADDRESSES_MAX]; /* these first, and those nobody had */
	uint32_t bucket_mask;
	uint32_t *bucket;
	struct neigh_entry *entry; /* [max] */
	struct timers timers;      /* one per entry, one for announcements */
	struct limit requests, replies, defences;
};

/* `routes` must outlive it and may change. 0 or -ENOMEM. */
int neigh_init(struct neigh *n, uint32_t max, const struct rte_ether_addr *mac, const struct routes *routes,
	const struct neigh_ops *ops, tas_ns now);
/* Queued packets are dropped by ops.output. */
void neigh_fini(struct neigh *n);

/* Tells the network our addresses: now and once more two seconds later (RFC 5227 2.3). Of IPv6 it asks first
 * whether others have new ones (RFC 4862 5.4), and tells a second later. They are used meanwhile, but
 * neighbours are not asked from them: that would tell these where to send to (RFC 4429). */
void neigh_announce(struct neigh *n, tas_ns now);
/* An address of IPv6 is ours no longer: if it comes back, others are asked anew. */
void neigh_address_gone(struct neigh *n, struct net_addr addr);
/* Of IPv6, as a router says (RFC 4861 6.3.4). 0: as before. */
void neigh_times(struct neigh *n, tas_ns reachable_ns, tas_ns retry_ns);

enum neigh_result {
	NEIGH_KNOWN, /* *mac is set */
	NEIGH_WAIT,  /* an event will come: NEIGH_EV_RESOLVED or NEIGH_EV_FAILED */
	NEIGH_FULL,  /* flows hold all entries: ENOBUFS */
};

/* The neighbour at addr (a route's next_hop); starts looking for it if need be. *id names it until it is
 * evicted; with a hold, for as long as it is held. A failed one is looked for again. */
enum neigh_result neigh_resolve(struct neigh *n, struct net_addr addr, tas_ns now, uint32_t *id,
	struct rte_ether_addr *mac);
/* Did we ask just now whether another has our address of IPv6? */
bool neigh_is_tentative(const struct neigh *n, struct net_addr addr);
/* Did we, and nobody else has it? */
bool neigh_is_sure(const struct neigh *n, struct net_addr addr);
/* Do flows use the neighbour at addr? */
bool neigh_is_held(const struct neigh *n, struct net_addr addr);
/* A flow uses it, or does so no longer. */
void neigh_hold(struct neigh *n, uint32_t id);
void neigh_release(struct neigh *n, uint32_t id);

/* Sends a packet to a neighbour as soon as its address is known: by ops.output, now or later, or with mac
 * NULL. Takes the packet. */
void neigh_output(struct neigh *n, struct net_addr addr, void *packet, tas_ns now);

/* A received frame of PKT_ARP. */
void neigh_arp_in(struct neigh *n, const uint8_t *frame, uint32_t len, tas_ns now);
/* What nd_parse() found; of a router advertisement, who the router is. True if it is an advertisement of a
 * neighbour, and counts (RFC 4861 7.2.5). */
bool neigh_nd_in(struct neigh *n, const struct nd_msg *m, tas_ns now);
/* The neighbour was heard from in answer to what we sent (a handshake completed): as good as a reply (RFC
 * 1122 2.3.2.1). */
void neigh_confirm(struct neigh *n, uint32_t id, tas_ns now);
/* What a flow sends to it is not acknowledged (RFC 9293 3.8.3): it is asked at once whether it is there, if
 * it was not heard from just now. */
void neigh_negative_advice(struct neigh *n, uint32_t id, tas_ns now);

/* Once a pass; the number of timers that fired. */
unsigned neigh_poll(struct neigh *n, tas_ns now);
static inline tas_ns neigh_next(const struct neigh *n) { return timers_next(&n->timers); }

#endif
