/* SPDX-License-Identifier: BSD-3-Clause */
/* handshake_cookie.h - SYNs answered without remembering them, and the acknowledgements that come of it
 * (RFC 4987 3.6, cookie.h).
 * Guarantee: a flood of SYNs takes no more than `backlog_max` connections of a listener, and keeps nobody
 * out: who acknowledges a cookie is in, with the data that came along, as far as there is memory for complete
 * connections. Under light load no cookie is sent, and only where one was sent within the last two minutes is
 * an acknowledgement searched for one. What a cookie costs: the SYN-ACK is not sent again; who loses the
 * acknowledgement of it and waits for us to speak first waits for nothing (as in Linux), and
 * TCP_DEFER_ACCEPT does not defer.
 * Owner: the slow path. */
#ifndef TAS_SLOWPATH_HANDSHAKE_COOKIE_H
#define TAS_SLOWPATH_HANDSHAKE_COOKIE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/flow_key.h"
#include "include/net/seg.h"

struct sp;
struct listener;

/* Is a SYN to this listener to be answered by a cookie? */
bool cookie_wanted(const struct sp *sp, const struct listener *l);
void cookie_answer(struct sp *sp, struct listener *l, const uint8_t *frame, const struct flow_key *key,
	const struct seg *seg);

enum cookie_ack {
	COOKIE_IS_NONE,
	COOKIE_LATER, /* there is no place now; the peer repeats itself */
	COOKIE_OPENS, /* *id: a flow in SYN_RCVD, locked, for which the acknowledgement is */
};

/* An acknowledgement for an address of ours without a connection. */
enum cookie_ack cookie_ack_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key,
	const struct seg *seg, uint32_t *id);

#endif
