/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/tcp_in.h"

#include <errno.h>

#include "fastpath/fastpath.h"
#include "slowpath/conn.h"
#include "slowpath/handshake.h"
#include "slowpath/handshake_cookie.h"
#include "slowpath/sp.h"
#include "slowpath/tcp_out.h"
#include "slowpath/unaccepted.h"

#define FIN_ANSWERS_APART (100 * NS_PER_MS) /* half the least RTO of Linux */

/* RFC 5961 3.2: only a RST at exactly the next sequence number is obeyed; one elsewhere in the window is
 * asked about. */
static void rst_in(struct sp *sp, uint32_t id, int32_t head)
{
	struct flow *f = &sp->fp->flows[id];

	if (head == 0 || (head == -1 && (f->flags & FLOW_RX_FIN))) {
		if ((TCP_STATES_FAST >> f->state) & 1)
			sp_count(sp, CNT_TCP_ESTAB_RESETS, 1);
		conn_end(sp, id, f->state == TCP_CLOSE_WAIT ? EPIPE : ECONNRESET);
	} else if (head > 0 && (uint32_t)head <= f->rx_adv) {
		out_challenge_ack(sp, id);
	}
}

static void synchronized_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	int32_t head = seq_dist(flow_rx_seq(f, f->rx_nxt), seg->seq);

	if (seg->flags & RTE_TCP_RST_FLAG) {
		rst_in(sp, id, head);
		return;
	}
	if (seg->flags & RTE_TCP_SYN_FLAG) { /* RFC 5961 4.2 */
		out_challenge_ack(sp, id);
		return;
	}
	tcp_rx(sp->fp->slow, id, seg, frame);
}

/* A process has it, or had it, or nobody has accepted it yet. */
static void established_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	if (sp->conn[id].where == CONN_READY && !(seg->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_RST_FLAG)))
		unaccepted_in(sp, id, frame, seg);
	else
		synchronized_in(sp, id, frame, seg);
}

/* A new connection may take the place of one in TIME_WAIT if nothing of the old one can be mistaken for it
 * (RFC 1122 4.2.2.13, RFC 6191), and somebody wants it. A SYN with an older timestamp is itself of the past.
 */
static bool may_reuse(const struct sp *sp, uint32_t id, const struct seg *seg)
{
	const struct flow *f = &sp->fp->flows[id];

	if ((seg->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG)) != RTE_TCP_SYN_FLAG ||
		listen_find(sp->listeners, &sp->fp->cold[id].key) == NULL)
		return false;
	if ((f->flags & FLOW_TS) && seg->has_ts && seg->ts_val != f->ts_recent)
		return (int32_t)(seg->ts_val - f->ts_recent) > 0;
	return seq_dist(flow_rx_seq(f, f->rx_nxt), seg->seq) > 0;
}

/* RFC 9293 3.10.7.4, eighth. Our acknowledgement was lost: a peer that waits for it is answered whatever the
 * limits of challenges are, but not more often than any peer repeats itself. */
static void fin_again(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	n->timer_base_us = ns_to_us32(sp->now);
	if (n->app_gone)
		room_offer(sp, id, ROOM_TIME_WAIT);
	conn_timer_arm(sp, id);
	if (sp->now < n->fin_answer_due)
		return;
	n->fin_answer_due = sp->now + FIN_ANSWERS_APART;
	out_ack(sp, id);
}

/* Returns true if the connection made way for a new one. */
static bool time_wait_in(struct sp *sp, uint32_t id, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];
	int32_t head = seq_dist(flow_rx_seq(f, f->rx_nxt), seg->seq);

	if (may_reuse(sp, id, seg)) {
		conn_end(sp, id, 0);
		return true;
	}
	if (seg->flags & RTE_TCP_RST_FLAG) {
		if (head == 0)
			conn_end(sp, id, 0);
		return false;
	}
	if ((seg->flags & RTE_TCP_FIN_FLAG) && head + (int64_t)seg_seq_len(seg) == 0)
		fin_again(sp, id);
	else if (seg_seq_len(seg) > 0 || head != 0)
		out_challenge_ack(sp, id);
	return false;
}

/* Returns true if the segment is to be looked at again as one without a connection. */
static bool connection_in(struct sp *sp, uint32_t id, const uint8_t *frame, const struct seg *seg)
{
	struct flow *f = &sp->fp->flows[id];

	switch (f->state) {
	case TCP_FREE:
	case TCP_CLOSED: return true;
	case TCP_TIME_WAIT: return time_wait_in(sp, id, seg);
	case TCP_SYN_SENT:
	case TCP_SYN_RCVD:
		if (handshake_segment_in(sp, id, frame, seg) &&
			(seg->payload_len > 0 || (seg->flags & RTE_TCP_FIN_FLAG)))
			established_in(sp, id, frame, seg);
		return false;
	default: established_in(sp, id, frame, seg); return false;
	}
}

/* Of no connection, or of one that began with a cookie: then it is one from here on. */
static void ack_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg)
{
	uint32_t id;

	switch (cookie_ack_in(sp, frame, key, seg, &id)) {
	case COOKIE_IS_NONE: out_rst_for(sp, frame, key, seg); break;
	case COOKIE_LATER: break;
	case COOKIE_OPENS:
		connection_in(sp, id, frame, seg);
		conn_unlock(sp, id);
		break;
	}
}

void tcp_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg)
{
	uint32_t id = flow_lookup(sp->fp, key);
	bool none = id == FLOW_NONE, was = false;
	const struct flow *f;
	uint8_t flags;
	tcp_seq nxt;

	if (!none) {
		f = &sp->fp->flows[id];
		conn_lock(sp, id);
		was = f->state == TCP_TIME_WAIT;
		nxt = flow_tx_seq(f, flow_tx_nxt(f));
		none = connection_in(sp, id, frame, seg);
		conn_unlock(sp, id);
	}
	if (!none)
		return;
	flags = seg->flags & (RTE_TCP_SYN_FLAG | RTE_TCP_ACK_FLAG | RTE_TCP_RST_FLAG);
	if (flags == RTE_TCP_SYN_FLAG)
		handshake_syn_in(sp, frame, key, seg, was ? &nxt : NULL);
	else if (flags == RTE_TCP_ACK_FLAG)
		ack_in(sp, frame, key, seg);
	else if (flags != 0 || listen_find(sp->listeners, key) == NULL) /* RFC 9293 3.10.7.2, fourth */
		out_rst_for(sp, frame, key, seg);
}
