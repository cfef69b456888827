/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_out.h - the segments that the slow path sends itself: SYN, SYN-ACK, RST, and acknowledgements outside
 * of data transfer. Owner: the slow path; functions on a flow want its lock held. A frame that finds no
 * buffer is not sent: whoever wanted it repeats it (timers) or the peer asks again. */
#ifndef TAS_SLOWPATH_TCP_OUT_H
#define TAS_SLOWPATH_TCP_OUT_H

#include <stdint.h>

#include "include/net/flow_key.h"
#include "include/net/seg.h"

struct sp;
struct hdr_fields;
struct hdr_tmpl;
struct tcp_opts;

/* SYN in SYN_SENT, SYN and ACK in SYN_RCVD. */
void out_syn(struct sp *sp, uint32_t id);
/* A bare acknowledgement as the flow stands. */
void out_ack(struct sp *sp, uint32_t id);
/* The same, as answer to something doubtful (RFC 5961), as far as the limits of the connection
 * (flow_may_answer()) and of all (challenge.h) allow. */
void out_challenge_ack(struct sp *sp, uint32_t id);
/* Aborts an open connection. */
void out_rst(struct sp *sp, uint32_t id);
/* Answers a segment that belongs to no connection (RFC 9293 3.10.7.1): back to where `frame` came from, at
 * most SP_RSTS_PER_S. */
void out_rst_for(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg);
/* A segment without payload of these headers; o: its options, or NULL. */
void out_segment(struct sp *sp, const struct hdr_tmpl *h, const struct hdr_fields *fields,
	const struct tcp_opts *o);
/* Any frame. */
void out_frame(struct sp *sp, const uint8_t *frame, uint32_t len);

#endif
