/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_link.h - the network between simulated hosts: from each an uplink with a model of what can go wrong,
 * and behind the uplinks a switch that knows every hardware address. Guarantee: what comes out is what went
 * in, but for what the model says, at the time it says; the same seed gives the same fate to the same frames.
 * Owner: the run. */
#ifndef TAS_SIM_LINK_H
#define TAS_SIM_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#include "include/base/rand.h"
#include "include/base/time.h"
#include "tests/sim/sim_trace.h"

enum { LINK_HOSTS_MAX = 4, LINK_ROUTER = LINK_HOSTS_MAX, LINK_FRAME_MAX = 9100 };

/* Chances are per frame, in millionths. */
struct link_model {
	uint32_t loss, dup, reorder, corrupt;
	uint32_t mark;             /* what is ECN-capable: congestion experienced */
	uint32_t burst, burst_end; /* begin and end of a time in which everything is lost */
	tas_ns delay, jitter;      /* jitter keeps the order */
	tas_ns reorder_by;         /* so much later at most: others pass */
	uint64_t rate;             /* bytes a second; 0: no limit */
	uint32_t queue;            /* bytes that may wait for the wire under a rate */
	uint32_t mark_above;       /* more than so many wait: what is ECN-capable is marked; 0: never */
	tas_ns down_every;         /* a flap about so often; 0: never */
	tas_ns down_for;
	uint32_t mtu;  /* behind the uplink a router has a link that takes IP packets of so much; 0: of any */
	uint32_t tell; /* chance that it says so to the sender of a larger one (sim_router.h) */
	bool old_router; /* it says so, but not what would fit */
};

enum { LINK_ASKS = 3 }; /* as often a neighbour is asked for (RFC 4861 MAX_MULTICAST_SOLICIT) */

struct link_stats {
	uint64_t frames, lost, lost_payload; /* payload: of TCP, when the frame did not arrive whole */
	uint64_t duplicated, reordered, corrupted, marked, queue_full, receiver_full, too_big;
};

struct link_frame {
	tas_ns due;
	uint64_t order; /* among those due at one time */
	uint8_t from, to;
	uint32_t len;
	bool spoilt;
	uint8_t bytes[];
};

struct link_end {
	struct link_model model;
	struct link_stats stats;
	struct rte_ether_addr mac;
	tas_ns burst_to, wire_free, last_due, next_down, up_at;
};

struct net {
	struct tas_rand rand;
	struct trace *trace;
	uint64_t order;
	unsigned hosts;
	struct link_end end[LINK_HOSTS_MAX + 1]; /* the last is the router */
	struct link_frame **heap;
	uint32_t waiting, room;
	/* When questions for an address, or answers, were lost: the last ones, the latest last; 0: never */
	tas_ns asks_lost[LINK_ASKS];
	/* A frame reaches a host: false if it has no room for it. */
	bool (*deliver)(void *arg, unsigned to, const uint8_t *bytes, uint32_t len);
	/* Sees every frame as its host sends it, and every one that is about to be delivered whole. */
	void (*watch)(void *arg, unsigned host, bool sent, const uint8_t *bytes, uint32_t len);
	void *arg;
};

void net_begin(struct net *n, uint64_t seed, unsigned hosts, struct trace *trace);
void net_end(struct net *n);
/* A host sends a frame. */
void net_send(struct net *n, unsigned from, const uint8_t *bytes, uint32_t len, tas_ns now);
/* Delivers what is due; how many frames. */
unsigned net_deliver(struct net *n, tas_ns now);
/* Bytes that wait for the wire of an uplink with a rate. */
uint32_t net_queue(const struct link_end *e, tas_ns now);
/* When the next is due. */
tas_ns net_deadline(const struct net *n);

#endif
