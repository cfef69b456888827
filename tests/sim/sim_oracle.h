/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_oracle.h - what must hold in every run, seen from outside: on the wire and in the flows of each host.
 *
 *   wire   every frame is sound; what is acknowledged was sent; nothing is sent past the right edge that
 *          reached the sender; nothing follows a FIN; the right edge that one says does not go back
 *   flows  flow_check(); rx_nxt, tx_una and the advertised right edge never go back, with or without an
 *          application; what is sent fits the congestion window and one segment, but for the first hole of
 *          a recovery
 *   end    every flow, record, ring, timer, hold and packet buffer came back; counters agree with what
 *          applications read
 * A finding is a sentence in `what`; the first one stands. Owner: the run. */
#ifndef TAS_SIM_ORACLE_H
#define TAS_SIM_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/sim_host.h"

enum { ORACLE_WIRES_MAX = 65536, ORACLE_FLOWS_MAX = 4096 };

/* One direction of a connection on the wire. */
struct wire {
	bool used, syn_seen, fin_seen, edge_known, edge_said;
	uint8_t from, to;
	uint16_t port, peer_port; /* of `from` and `to` */
	uint32_t iss, next;       /* next: after the last byte sent */
	uint32_t fin_at;
	int wscale;                /* as its SYN says; -1: none */
	uint32_t edge_delivered;   /* right edge for the other direction, as it reached the other side */
	uint32_t acked, edge_sent; /* the highest sent: acknowledgement, and right edge, */
	uint32_t edge_before;      /* and that one before what was sent at said_at */
	tas_ns said_at;
};

struct flow_seen {
	uint32_t gen;
	uint64_t rx_nxt, tx_una, edge, fresh,
		again; /* the last two: bytes sent for the first time, and again */
	uint32_t cwnd;
};

struct oracle {
	bool hostile; /* messages that no library sends are to be expected */
	struct host *hosts;
	unsigned nhosts; /* what others send is not held to anything */
	tas_ns now;      /* the run's */
	struct wire wire[ORACLE_WIRES_MAX];
	struct flow_seen flow[LINK_HOSTS_MAX][ORACLE_FLOWS_MAX];
	char what[256]; /* empty: nothing found */
	uint64_t checks;
};

void oracle_begin(struct oracle *o, struct host *hosts, unsigned nhosts);
void oracle_wire(struct oracle *o, unsigned host, bool sent, const uint8_t *bytes, uint32_t len);
/* After every step. */
void oracle_step(struct oracle *o);
/* Everything closed and all timers over: what is still held. */
void oracle_end(struct oracle *o);
void oracle_found(struct oracle *o, const char *fmt, ...) TAS_PRINTF(2, 3);

#endif
