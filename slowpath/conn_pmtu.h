/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_pmtu.h - how large a connection's segments are: as the path takes them.
 *
 * They shrink when a router says so about data in flight (RFC 1191, 8201), and, with [tcp] mtu_probing,
 * when the same full segment timed out three times: the messages of a router may get lost ("black hole",
 * RFC 4821 7.7, tcp_mtu_probing = 1 of Linux). They grow again only by proof: one larger segment is sent,
 * of new data, and is acknowledged. After a message that is tried in ten minutes (RFC 1191 6.3), after
 * timeouts in a second, for it may have been but an outage, and then in between what fits and what does not
 * (RFC 4821 7.3). That a probe is lost is no congestion (RFC 4821 7.6.2).
 *
 * Owner: the slow path; the flow's lock is held. */
#ifndef TAS_SLOWPATH_CONN_PMTU_H
#define TAS_SLOWPATH_CONN_PMTU_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"

struct sp;

/* Sizes are payload bytes of a full segment, as flow.mss. */
struct conn_pmtu {
	tas_ns next;       /* a larger one is not tried before; 0: they are as large as both ends allow */
	uint64_t una;      /* when the timer last expired, */
	uint16_t timeouts; /* as often in a row */
	uint16_t full;     /* as both ends allow */
	uint16_t high;     /* does not fit */
	uint16_t probe;    /* is being tried; 0: none */
	uint16_t tried;    /* probes in vain, since the last full round */
};

/* flow.mss is what both ends allow: perhaps the path is known to take less. */
void conn_pmtu_begin(struct sp *sp, uint32_t id);
/* A router named this MTU about a segment in flight. True if segments became smaller. */
bool conn_pmtu_too_big(struct sp *sp, uint32_t id, uint16_t mtu);
/* The retransmission timer expired, and what is outstanding is not sent again yet. */
void conn_pmtu_timeout(struct sp *sp, uint32_t id);
/* From time to time while something is outstanding. */
void conn_pmtu_visit(struct sp *sp, uint32_t id);

#endif
