/* SPDX-License-Identifier: BSD-3-Clause */
/* handshake_int.h - what handshakes with and without SYN cookies share. Owner: the slow path. */
#ifndef TAS_SLOWPATH_HANDSHAKE_INT_H
#define TAS_SLOWPATH_HANDSHAKE_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/addr.h"
#include "include/net/seg.h"

struct sp;
struct listener;
struct tcp_opts;

/* A new flow, locked, becomes one in SYN_RCVD that answers `frame`; of the peer's options nothing is known.
 * former: as for handshake_syn_in(). */
void handshake_passive_begin(struct sp *sp, struct listener *l, uint32_t id, const uint8_t *frame,
	const tcp_seq *former);
/* Payload bytes of a segment as the options of a SYN have it. */
uint16_t handshake_peer_mss(const struct tcp_opts *o, struct net_addr peer);
/* Do we want it, and does a SYN or SYN-ACK agree? */
bool handshake_ecn_wanted(const struct sp *sp, uint8_t cc_alg);
bool handshake_ecn_agreed(const struct seg *seg, uint8_t cc_alg);

#endif
