/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_int.h - what the TCP files of the fast path share with each other and with nobody else.
 * Everything here is called with the flow's lock held, on the core (or slow path) `c`. */
#ifndef TAS_FASTPATH_TCP_INT_H
#define TAS_FASTPATH_TCP_INT_H

#include <string.h>

#include "fastpath/fastpath.h"
#include "fastpath/ranges.h"

/* A flow with both halves of its state at hand. */
struct tcp {
	struct fp_core *c;
	struct flow *f;
	struct flow_cold *k;
	uint32_t id;
};

static inline struct tcp tcp_of(struct fp_core *c, uint32_t id)
{
	return (struct tcp){ .c = c, .f = &c->fp->flows[id], .k = &c->fp->cold[id], .id = id };
}

static inline void count(struct fp_core *c, enum tas_counter counter, uint64_t n)
{
	c->counter[counter] += n;
}

/* From now on congestion control looks at this flow once each interval, until nothing needs it any more. */
static inline void tcp_cc_wake(struct tcp t)
{
	if (t.f->flags & FLOW_CC_ACTIVE)
		return;
	t.f->flags |= FLOW_CC_ACTIVE;
	t.k->cc_from = t.k->delivered;
	t.k->min_rtt_us = UINT32_MAX;
	flow_event(t.c, t.id, FLOW_EV_CC);
}

/* --- tcp_ack.c: the sender's half of a received segment --- */

enum ack_result {
	ACK_ACCEPTED,
	ACK_REFUSED, /* acknowledges what was never sent, or is absurdly old: the segment was answered, if
			that was due, and is to be dropped */
};

/* RFC 9293 3.10.7.4, fifth: acknowledgement, SACK, window. */
enum ack_result tcp_ack_in(struct tcp t, const struct seg *seg, const uint8_t *frame);
/* Would it not be refused? */
bool tcp_ack_believed(struct tcp t, const struct seg *seg);

/* --- recovery.c: what is deemed lost, and how much is still in the network --- */

/* New SACK blocks, a duplicate acknowledgement, or any while something is lost: perhaps begin recovery,
 * perhaps deem more lost. `delivered`: bytes that it says left the network, SACKed or acknowledged. */
void recovery_on_ack(struct tcp t, const struct seg *seg, uint32_t acked, uint32_t delivered, bool duplicate);
/* The acknowledgement ends at what was SACKed: the peer took that back, and all it had SACKed is to be sent
 * again (RFC 2018 8). */
void recovery_taken_back(struct tcp t);
/* The next piece to send again, at most one segment; false if none. */
bool recovery_next(const struct flow *f, struct flow_cold *k, struct flow_range *piece);
/* An acknowledgement after a tail loss probe: did it repair a loss? (RFC 8985 7.4) */
void recovery_after_probe(struct tcp t, const struct seg *seg, bool moved, bool sacked);
/* [piece) was sent again. */
void recovery_sent(struct tcp t, struct flow_range piece);

/* --- spurious.c: recoveries that were in vain are taken back --- */

/* One begins: cwnd and ssthresh are still as they were. */
void spurious_begin(struct tcp t);
/* The timer expired; `recovering`: fast recovery, or something of what an earlier timeout resent, went on. */
void spurious_on_timeout(struct tcp t, bool recovering);
/* It was not in vain, or is none. */
void spurious_never(struct flow_cold *k);
/* [piece) is sent again. */
void spurious_resent(struct tcp t, struct flow_range piece);
/* Does an acknowledgement during recovery show that it is in vain? Then it is over, and was taken back. True
 * also while nothing that is deemed lost is to be sent again because of it. */
bool spurious_on_ack(struct tcp t, const struct seg *seg, uint32_t acked, bool duplicate);
/* All that was lost is acknowledged: the same. */
bool spurious_at_end(struct tcp t);
/* The peer reports that [from, to) came twice. */
void spurious_on_duplicate(struct tcp t, uint64_t from, uint64_t to);
/* FRTO_NEW: [from, to), which was sent once, was delivered, in part perhaps earlier. */
void spurious_on_first_sending(struct tcp t, uint64_t from, uint64_t to);

/* --- rack.c: of flows with SACK --- */

/* [from, to) was acknowledged or SACKed by seg, for the first time. */
void rack_delivered(struct tcp t, const struct seg *seg, uint64_t from, uint64_t to);
/* The peer reports that something that was sent again came twice (RFC 2883). */
void rack_duplicate(struct tcp t);
/* A recovery is over. */
void rack_recovered(struct rack *r);
/* Deems lost what is: raises cold.lost_to, takes retransmissions that were lost out of cold.resent. */
void rack_detect(struct tcp t);

/* Is the end of a mark at `to`? Then, when that byte was sent: not later, as between the ends of two. */
bool sent_exactly(const struct flow *f, const struct sent_log *l, uint64_t to, uint32_t *us);
uint64_t resent_bytes(const struct resent *r, uint64_t from, uint64_t to);
/* Can one more piece be remembered? */
bool resent_room(struct resent *r);
void resent_add(struct resent *r, struct flow_range piece, uint32_t now_us);
/* Is the byte at `off` on its way again? Then, up to where. */
bool resent_covers(const struct resent *r, uint64_t off, uint64_t *to);
/* Where the next piece behind `off` begins, UINT64_MAX if there is none. */
uint64_t resent_next(const struct resent *r, uint64_t off);

/* --- tcp_rx.c: the receive window --- */

/* Of a flow with FLOW_RX_LIMITED. */
uint32_t tcp_rcv_window_limited(const struct flow *f, const struct flow_cold *k);

/* The wire carries the window in units of 2^wscale. One unit less is offered, so that there is room to round
 * up what was already offered: the right edge should not move back. */
static inline uint32_t rcv_window(const struct flow *f, const struct flow_cold *k)
{
	uint32_t slack = (1u << f->rcv_wscale) - 1, free_bytes = flow_rx_size(f) - f->rx_unread;

	if (unlikely(f->flags & FLOW_RX_LIMITED))
		return tcp_rcv_window_limited(f, k);
	free_bytes = free_bytes > slack ? free_bytes - slack : 0;
	return max_u32(min_u32(free_bytes, 0xffffu << f->rcv_wscale), f->rx_adv);
}

/* --- tcp_ecn.c: of flows with FLOW_ECN --- */

/* What a segment says of congestion. new_data: it carries data that was never sent before. */
void ecn_mark(struct tcp t, struct hdr_fields *h, bool new_data);
/* Data within the window arrived, and is not taken yet. */
void ecn_data_in(struct tcp t, const struct seg *seg);
/* `acked` bytes were acknowledged. */
void ecn_ack_in(struct tcp t, const struct seg *seg, uint32_t acked);

/* --- urgent.c: urgent data --- */

/* A segment with URG arrived, whose acknowledgement is believed; before its payload is taken. */
void urgent_in(struct tcp t, const struct seg *seg, const uint8_t *frame, int32_t head);
/* The application's tx_end was set. */
void urgent_out(struct tcp t);
/* Of a flow with FLOW_URGENT: something was acknowledged. */
void urgent_acked(struct tcp t);
/* The urgent pointer of what is sent from `off` on; 0: no URG. */
uint16_t urgent_pointer(struct tcp t, uint64_t off);

/* --- tcp_ack.c: space in the transmit ring --- */

/* Of a flow with FLOW_TX_LIMITED. */
bool tcp_tx_space_limited(const struct flow *f, const struct flow_cold *k);

/* Is there so much that it is worth telling the application: a quarter of the ring? */
static inline bool tcp_tx_space(const struct flow *f, const struct flow_cold *k)
{
	uint32_t size = flow_tx_size(f);

	if (unlikely(f->flags & FLOW_TX_LIMITED))
		return tcp_tx_space_limited(f, k);
	return f->tx_avail <= size - size / 4;
}

/* It was sent, or acknowledged: who waits for space is told once there is. */
void tcp_tell_space(struct tcp t);

/* --- tcp_tx.c --- */

/* An acknowledgement must go before this pass ends. */
void tcp_ack_soon(struct tcp t);
/* An acknowledgement may wait for data to ride on. */
void tcp_ack_later(struct tcp t);

/* --- appq.c --- */

/* Stores the positions in the flow's record without telling the application: it looks when it wants to know.
 */
void app_store(struct fp_core *c, const struct flow *f);
/* The port brings the flow's packets to this core: what it sends shall go from here, too, and its messages
 * come here. */
void app_core(struct fp_core *c, struct flow *f);

/* --- core.c: lists of flows --- */
void list_push_ready(struct fp_core *c, uint32_t id);
void list_push_delayed(struct fp_core *c, uint32_t id, enum delayed_for what);
void list_push_paced(struct fp_core *c, uint32_t id);
void list_push_held(struct fp_core *c, uint32_t id);
static inline uint32_t core_tx_room(const struct fp_core *c) { return FP_TX_BATCH - c->ntx; }
static inline void core_tx_push(struct fp_core *c, struct rte_mbuf *m) { c->tx[c->ntx++] = m; }

#endif
