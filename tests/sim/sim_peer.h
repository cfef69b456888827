/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_peer.h - a host that is not ours: a small TCP written from RFC 9293 that shares no line with the stack,
 * with habits that ours does not have: segments of any length, also when it sends them again,
 * acknowledgements late or rare, no options or unknown ones, windows that close, open by a byte or shrink,
 * probes with a byte, keep-alives, D-SACK, SACK taken back, urgent data. Guarantee: it keeps to what RFC 9293
 * lets a TCP do (a shrinking window is what 3.8.6 asks to be robust against). It holds no data: what it sends
 * is the plan's pattern, and what it receives is compared at once, so that every byte of every segment is
 * looked at, not only what an application reads. Owner: the run. */
#ifndef TAS_SIM_PEER_H
#define TAS_SIM_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/rand.h"
#include "tests/sim/sim_end.h"
#include "tests/sim/sim_link.h"
#include "tests/sim/sim_pseg.h"

enum { PEER_PORT = 5000, PEER_CLIENT_PORT = 20000, PEER_RANGES = 16 };

/* Drawn for each connection. Chances are in millionths per segment. */
struct peer_habits {
	uint16_t mss; /* 0: does not say */
	int wscale;   /* -1: none */
	bool sack, ts, strange, dsack;
	uint32_t buffer;    /* for receiving */
	uint32_t cwnd;      /* segments it has in flight at most */
	uint32_t short_ppm; /* a segment is shorter than it could be */
	uint32_t ack_every; /* segments */
	tas_ns ack_delay, rto;
	tas_ns read_every; /* reads half of what it has, so often; 0: everything at once */
	tas_ns keepalive;  /* 0: none */
	uint32_t shrink_ppm, renege_ppm, urgent_ppm;
};

enum peer_state { PEER_NONE, PEER_SYN_SENT, PEER_SYN_RCVD, PEER_OPEN, PEER_OVER };

struct peer_conn {
	enum peer_state state;
	struct peer_habits h;
	const struct plan *plan;
	struct app_end *end; /* its side of the plan */
	uint32_t remote;
	uint16_t port, remote_port;
	uint32_t iss, irs, mss, ts_recent, wl1, wl2;
	uint8_t snd_scale, rcv_scale;
	bool ts, sack, scale;
	tas_ns fin_seen;                          /* when a FIN first came */
	uint64_t una, nxt, max;                   /* offsets of what it sends; the FIN is one more */
	uint64_t edge;                            /* of the window */
	uint64_t rcv, consumed, promised, fin_at; /* promised: the largest right edge it ever sent */
	struct {
		uint64_t from, to;
	} range[PEER_RANGES]; /* what arrived past a gap, the latest last */
	unsigned ranges, dups, unacked, backoff;
	uint64_t dsack_from, dsack_to; /* what arrived twice last */
	uint32_t window;               /* it would offer at most, of late */
	tas_ns rto_at, ack_at, read_at, probe_at, keep_at, forget_at;
};

struct peer {
	struct net *net;
	bool v6;
	unsigned index;
	struct end_world *w;
	struct tas_rand rand;
	struct peer_conn *conn; /* [nconns], one for each plan */
	unsigned nconns;
	tas_ns fin_wait2; /* so long the host waits for a FIN */
	tas_ns now, due;  /* due: no timer ends before it; 0: not known */
};

/* `conn` is the caller's. */
void peer_begin(struct peer *p, struct net *net, unsigned index, struct end_world *w, uint64_t seed);
/* It takes this side of a plan; a client begins at the plan's start. */
void peer_take(struct peer *p, const struct plan *plan, struct app_end *end, uint16_t process_port,
	uint32_t remote);
void peer_in(struct peer *p, const uint8_t *frame, uint32_t len, tas_ns now);
/* Timers. How much was done. */
unsigned peer_poll(struct peer *p, tas_ns now);
tas_ns peer_deadline(const struct peer *p);

#endif
