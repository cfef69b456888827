/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp_sp.h - what the slow path does about ICMP and about packets no one wants: policy over
 * include/net/icmp.h and icmp6.h.
 * Guarantee: nothing is answered that was not sent to an address of ours, and never more often than the
 * limits below; what an error says is handed up only if it is about a segment from an address of ours.
 * Whether that segment is in flight is for whoever knows the flow: believe an error only if its sequence
 * number lies between SND.UNA and SND.NXT (RFC 5927 4.1).
 * Owner: the slow path. No clock. */
#ifndef TAS_SLOWPATH_ICMP_SP_H
#define TAS_SLOWPATH_ICMP_SP_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"
#include "include/net/flow_key.h"
#include "include/net/icmp6.h"
#include "include/net/seg.h"
#include "slowpath/limit.h"
#include "slowpath/route.h"

enum {
	ICMP_SP_ECHO_PER_S = 10000,
	ICMP_SP_ECHO_BURST = 1000,
	ICMP_SP_ERRORS_PER_S = 1000, /* icmp_msgs_per_sec and icmp_msgs_burst of Linux */
	ICMP_SP_ERRORS_BURST = 50,
	ICMP_SP_ANSWER_MAX = ICMP6_ERROR_MAX,
};

struct icmp_sp {
	const struct routes *routes;
	struct limit echo, errors;
	uint64_t echo_replies, echo_limited, errors_sent, errors_limited, errors_heard;
};

enum icmp_sp_verdict {
	ICMP_SP_DROP,
	ICMP_SP_REPLY, /* the frame became the reply, *len bytes long: send it on the port it came from */
	ICMP_SP_ERROR, /* *error says what happened to a segment of ours */
};

/* `routes` must outlive it and may change. */
void icmp_sp_init(struct icmp_sp *s, const struct routes *routes);

/* A PKT_ICMP or PKT_ICMP6 as pkt_parse() left it. */
enum icmp_sp_verdict icmp_sp_in(struct icmp_sp *s, uint8_t *frame, uint32_t *len, const struct flow_key *key,
	const struct seg *seg, tas_ns now, struct icmp_error *error);

/* A PKT_OTHER_L4: writes to buf the error it is answered by, port unreachable for UDP, else protocol
 * unreachable, or what RFC 8200 4 asks for about headers of IPv6; returns its length, 0 for none. buf of
 * ICMP_SP_ANSWER_MAX bytes is enough. */
uint32_t icmp_sp_refuse(struct icmp_sp *s, uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len,
	const struct flow_key *key, tas_ns now);

/* A first fragment of a packet that did not become whole in time, sent to an address of ours: the same. */
uint32_t icmp_sp_late(struct icmp_sp *s, uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len,
	bool v4, tas_ns now);

/* What an error means for a connection, as Linux has it (RFC 1122 4.2.3.9, 3.2.2). */
struct icmp_sp_effect {
	int err;   /* errno of a connection being opened; the soft error of an open one; 0 = nothing */
	bool hard; /* ends the opening of a connection; an open one is never ended by ICMP (RFC 5927 5.2) */
	bool pmtu; /* fragmentation needed: segments must shrink to what fits error.mtu */
};
struct icmp_sp_effect icmp_sp_effect_of(const struct icmp_error *error);

#endif
