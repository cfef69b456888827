/* SPDX-License-Identifier: BSD-3-Clause */
/* handshake.h - how connections begin (RFC 9293 3.5): passive, active and simultaneous open, with MSS (RFC
 * 6691), window scale and timestamps (RFC 7323) and SACK (RFC 2018) negotiated, each optional. Owner: the
 * slow path. */
#ifndef TAS_SLOWPATH_HANDSHAKE_H
#define TAS_SLOWPATH_HANDSHAKE_H

#include <stdint.h>

#include "include/abi/ctl.h"
#include <stdbool.h>

#include "include/net/flow_key.h"
#include "include/net/seg.h"

struct sp;

/* A SYN for an address of ours without a connection. former: NULL, or where our numbers ended in a connection
 * whose place it takes. No lock is held. */
void handshake_syn_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg,
	const tcp_seq *former);
/* A segment for a flow in SYN_SENT or SYN_RCVD; its lock is held. True if the connection is established now
 * and the segment is to be looked at as such. */
bool handshake_segment_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg);

/* As struct app_ops wants them; arg is struct sp. */
int handshake_op_connect(void *sp, uint16_t app, struct ctl_connect *m);
int handshake_op_route(void *sp, struct ctl_connect *m);

#endif
