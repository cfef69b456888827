/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_peer_int.h - what the two halves of the independent peer share: sim_peer.c receives and keeps time,
 * sim_peer_out.c sends. */
#ifndef TAS_SIM_PEER_INT_H
#define TAS_SIM_PEER_INT_H

#include "tests/sim/sim_peer.h"

static inline const struct plan_side *peer_mine(const struct peer_conn *c)
{
	return &c->plan->side[c->end->side];
}
static inline const struct plan_side *peer_theirs(const struct peer_conn *c)
{
	return &c->plan->side[1 - c->end->side];
}
static inline bool peer_got_fin(const struct peer_conn *c) { return c->rcv == c->fin_at; }

void peer_emit(struct peer *p, const struct pseg *s);
/* One at offset `off`, with the acknowledgement and the window of the moment. */
struct pseg peer_segment(struct peer *p, struct peer_conn *c, uint64_t off, uint8_t flags);
void peer_send_ack(struct peer *p, struct peer_conn *c);
void peer_send_syn(struct peer *p, struct peer_conn *c, bool answer);
void peer_send_rst(struct peer *p, const struct pseg *to);
/* [nxt, nxt + len) of the stream, and perhaps the FIN. */
void peer_send_data(struct peer *p, struct peer_conn *c, uint32_t len, bool fin);
/* What plan, window and habit allow. */
void peer_push(struct peer *p, struct peer_conn *c);

#endif
