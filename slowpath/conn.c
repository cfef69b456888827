/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn.h"

#include <errno.h>

#include "fastpath/fastpath.h"
#include "include/base/assert.h"
#include "include/net/rtt.h"
#include "slowpath/conn_keepalive.h"
#include "slowpath/conn_neigh.h"
#include "slowpath/conn_options.h"
#include "slowpath/conn_tune.h"
#include "slowpath/sp.h"
#include "slowpath/sp_cc.h"
#include "slowpath/tcp_out.h"
#include "slowpath/unaccepted.h"

enum {
	ORPHAN_RETRIES = 8,  /* tcp_orphan_retries of Linux */
	LINGER2_MAX_S = 120, /* TCP_FIN_TIMEOUT_MAX */
	RTO_AFTER_LOST_SYN_US = 3000 * 1000,
	TAIL_MIN_US = 4000,
	TAIL_PER_TIMER_US = 20, /* with many connections the slow path looks at each less often */
};

/* --- slots --- */

uint32_t conn_new(struct sp *sp, const struct flow_key *key)
{
	struct conn *n;
	uint32_t id;

	room_make(sp);
	id = flow_alloc(sp->fp);
	if (id == FLOW_NONE) {
		sp_count(sp, CNT_TCP_NO_MEMORY, 1);
		return FLOW_NONE;
	}
	n = &sp->conn[id];
	*n = (struct conn){ .cc_slot = FLOW_NONE, .neigh = NEIGH_NONE, .app_gone = true, .linked = true };
	sp->fp->cold[id].key = *key;
	if (flow_insert(sp->fp, id) != 0) {
		n->linked = false;
		flow_remove(sp->fp, id);
		return FLOW_NONE;
	}
	conn_lock(sp, id);
	return id;
}

void conn_lock(struct sp *sp, uint32_t id) { flow_lock_slow(&sp->fp->flows[id]); }

/* Takes a dead flow apart as far as the application lets go of it. */
static void bury(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];

	if (n->linked) {
		n->linked = false;
		flow_unlink(sp->fp, id);
		ports_ended(&sp->ports, &sp->fp->cold[id].key, sp->now);
	}
	conn_neigh_leave(sp, id);
	timer_cancel(&sp->timers, id);
	sp_cc_forget(sp, id);
	unaccepted_drop(sp, id);
	listen_forget(sp, id);
	room_keep(sp, id);
	if (!n->app_gone)
		return;
	app_flow_free_buffers(sp->apps, id);
	room_give(sp, id);
	flow_remove(sp->fp, id);
}

void conn_unlock(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];

	if (f->state == TCP_CLOSED)
		bury(sp, id);
	rte_spinlock_unlock(&f->lock);
}

/* --- states (RFC 9293 3.3.2, figure 5) --- */

typedef void conn_action(struct sp *sp, uint32_t id);

static void act_established(struct sp *sp, uint32_t id) { conn_establish(sp, id); }
static void act_send_fin(struct sp *sp, uint32_t id) { tcp_tx(sp->fp->slow, id); }

/* Everything is acknowledged, and what the peer may still send nobody reads: with no application the memory
 * goes back, though the peer may take a minute to end its side. */
static void act_fin_wait_2(struct sp *sp, uint32_t id)
{
	sp->conn[id].timer_base_us = ns_to_us32(sp->now);
	if (sp->conn[id].app_gone && sp->conn[id].opt.linger2_s < 0) {
		conn_abort(sp, id, 0);
		return;
	}
	if (sp->conn[id].app_gone) {
		app_flow_free_buffers(sp->apps, id);
		room_offer(sp, id, ROOM_ORPHAN);
	}
	conn_timer_arm(sp, id);
}

static void act_time_wait(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];

	sp->conn[id].timer_base_us = ns_to_us32(sp->now);
	if (sp->conn[id].app_gone) {
		app_flow_free_buffers(sp->apps, id);
		room_offer(sp, id, ROOM_TIME_WAIT);
	}
	conn_timer_arm(sp, id);
	if (f->ack != ACK_NONE || (f->flags & FLOW_ACK_WANTED)) /* no core sends it any more */
		out_ack(sp, id);
}

static void act_done(struct sp *sp, uint32_t id) { conn_end(sp, id, 0); }

static const struct conn_rule {
	uint8_t next;
	conn_action *act;
} conn_rules[NR_TCP_STATES][NR_CONN_EVENTS] = {
	[TCP_SYN_SENT] = { [EV_SYN_ACKED] = { TCP_ESTABLISHED, act_established } },
	[TCP_SYN_RCVD] = { [EV_SYN_ACKED] = { TCP_ESTABLISHED, act_established } },
	[TCP_ESTABLISHED] = { [EV_SHUT] = { TCP_FIN_WAIT_1, act_send_fin },
		[EV_FIN] = { TCP_CLOSE_WAIT, NULL } },
	[TCP_CLOSE_WAIT] = { [EV_SHUT] = { TCP_LAST_ACK, act_send_fin } },
	[TCP_FIN_WAIT_1] = { [EV_FIN_ACKED] = { TCP_FIN_WAIT_2, act_fin_wait_2 },
		[EV_FIN] = { TCP_CLOSING, NULL } },
	[TCP_FIN_WAIT_2] = { [EV_FIN] = { TCP_TIME_WAIT, act_time_wait } },
	[TCP_CLOSING] = { [EV_FIN_ACKED] = { TCP_TIME_WAIT, act_time_wait } },
	[TCP_LAST_ACK] = { [EV_FIN_ACKED] = { TCP_CLOSED, act_done } },
};

void conn_event(struct sp *sp, uint32_t id, enum conn_event ev)
{
	struct flow *f = &sp->fp->flows[id];
	const struct conn_rule *r = &conn_rules[f->state][ev];

	if (r->next == 0)
		return;
	f->state = r->next;
	if (r->act != NULL)
		r->act(sp, id);
}

void conn_end(struct sp *sp, uint32_t id, int error)
{
	struct flow *f = &sp->fp->flows[id];

	if (error != 0)
		app_notify(sp->fp->slow, f, ABI_EV_RESET, (uint32_t)error);
	f->ack = ACK_NONE; /* nothing is owed to a peer that is gone */
	f->flags &= ~(uint32_t)FLOW_ACK_WANTED;
	f->state = TCP_CLOSED; /* conn_unlock() does the rest */
}

void conn_address_gone(struct sp *sp, struct net_addr addr)
{
	for (uint32_t id = 0; id < sp->fp->conf.flows_max; id++) {
		const struct flow *f = &sp->fp->flows[id];

		if (f->state == TCP_FREE || f->state == TCP_CLOSED ||
			!addr_eq(sp->fp->cold[id].key.local, addr))
			continue;
		conn_lock(sp, id);
		conn_end(sp, id, ECONNABORTED);
		conn_unlock(sp, id);
	}
}

void conn_abort(struct sp *sp, uint32_t id, int error)
{
	struct flow *f = &sp->fp->flows[id];

	if (f->state != TCP_SYN_SENT && f->state != TCP_CLOSED && f->state != TCP_TIME_WAIT)
		out_rst(sp, id);
	if ((TCP_STATES_FAST >> f->state) & 1)
		sp_count(sp, CNT_TCP_ESTAB_RESETS, 1);
	conn_end(sp, id, error);
}

void conn_establish(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];

	keep_begin(sp, id);
	keep_timer_arm(sp, id);
	room_keep(sp, id);
	n->retries = 0;
	if (n->listener != NULL) {
		sp_count(sp, CNT_TCP_PASSIVE_OPENS, 1);
		if (listen_established(sp, n->listener, id))
			conn_handed(sp, id);
	} else {
		if (n->neigh != NEIGH_NONE)
			neigh_confirm(&sp->neigh, n->neigh, sp->now);
		app_notify(sp->fp->slow, f, ABI_EV_CONNECTED, 0);
	}
	if (f->flags & FLOW_TX_FIN) /* it ended its stream before there was one */
		conn_event(sp, id, EV_SHUT);
	else if (f->tx_avail > 0)
		tcp_tx(sp->fp->slow, id);
}

void conn_handed(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];

	sp->conn[id].app_gone = false;
	keep_timer_arm(sp, id);
	unaccepted_give(sp, id);
	app_notify(sp->fp->slow, f, ABI_EV_ACCEPT | (f->flags & FLOW_RX_FIN ? ABI_EV_RX_FIN : 0u), 0);
}

/* --- what the fast path saw --- */

static void close_now(struct sp *sp, uint32_t id, enum app_close how)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn *n = &sp->conn[id];
	bool rst = how == APP_ABORTED || f->rx_unread > 0;

	if (n->where != CONN_NOWHERE)
		listen_forget(sp, id);
	n->app_gone = true;
	f->flags |= FLOW_ORPHAN; /* from here on nobody is told */
	app_flow_detach(sp->apps, id);
	if (f->state == TCP_SYN_SENT || (rst && (((TCP_STATES_FAST | 1u << TCP_SYN_RCVD) >> f->state) & 1))) {
		conn_abort(sp, id, 0);
	} else if (f->state == TCP_TIME_WAIT) {
		app_flow_free_buffers(sp->apps, id);
		room_offer(sp, id, ROOM_TIME_WAIT);
	} else if (f->state == TCP_FIN_WAIT_2) {
		act_fin_wait_2(sp, id);
	} else if (f->state == TCP_ESTABLISHED || f->state == TCP_CLOSE_WAIT) {
		if (!(f->flags & FLOW_FIN_DONE))
			f->flags |= FLOW_TX_FIN;
		conn_event(sp, id, EV_SHUT);
	} else if (f->state == TCP_SYN_RCVD) {
		f->flags |= FLOW_TX_FIN; /* when it is established: conn_establish() */
	}
}

void conn_op_close(void *arg, uint32_t flow, enum app_close how)
{
	struct sp *sp = arg;

	conn_lock(sp, flow);
	if (sp->fp->flows[flow].state != TCP_FREE)
		close_now(sp, flow, how);
	conn_unlock(sp, flow);
}

static void app_closes(struct sp *sp, uint32_t id, uint16_t events)
{
	enum app_close how = events & FLOW_EV_ABORT ? APP_ABORTED : APP_CLOSED;

	if (sp->conn[id].app_gone || app_flow_close_held(sp->apps, id, how))
		return;
	close_now(sp, id, how);
}

static void orphan_data(struct sp *sp, uint32_t id)
{
	if (sp->conn[id].app_gone && (TCP_STATES_FAST >> sp->fp->flows[id].state) & 1)
		conn_abort(sp, id, 0); /* as Linux: data after close() */
}

static void events_take(struct sp *sp, uint32_t id, uint16_t ev)
{
	if (ev & FLOW_EV_SHUT_WR)
		conn_event(sp, id, EV_SHUT);
	if (ev & FLOW_EV_FIN_ACKED)
		conn_event(sp, id, EV_FIN_ACKED);
	if (ev & FLOW_EV_RX_FIN)
		conn_event(sp, id, EV_FIN);
	if (ev & FLOW_EV_ACCEPTED) {
		listen_accepted(sp, id);
		app_flow_accepted(sp->apps, id);
	}
	if (ev & FLOW_EV_TIMER) {
		sp->conn[id].timer_base_us = ns_to_us32(sp->now);
		conn_timer_arm(sp, id);
	}
	if (ev & FLOW_EV_CC)
		sp_cc_add(sp, id);
	if (ev & FLOW_EV_READS_FAST)
		tune_reads_fast(sp, id);
	if (ev & FLOW_EV_RING_FULL)
		tune_ring_full(sp, id);
	if (ev & FLOW_EV_ORPHAN_DATA)
		orphan_data(sp, id);
	if (ev & FLOW_EV_CLOSE)
		app_closes(sp, id, ev);
}

void conn_flow_events(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	uint16_t ev;

	if (f->events & FLOW_EV_CLOSE)
		app_share_foresee_close(sp->apps, id);
	conn_lock(sp, id);
	ev = f->events;
	f->events = 0;
	if (f->state == TCP_FREE) {
		rte_spinlock_unlock(&f->lock);
		return;
	}
	events_take(sp, id, ev);
	conn_unlock(sp, id);
	app_share_heard(sp->apps);
}

void conn_op_settle(void *arg, uint32_t flow)
{
	struct sp *sp = arg;
	struct flow *f = &sp->fp->flows[flow];
	uint16_t ev;

	if (f->events & FLOW_EV_CLOSE)
		app_share_foresee_close(sp->apps, flow);
	conn_lock(sp, flow);
	ev = f->events;
	f->events &= FLOW_EV_QUEUED;
	events_take(sp, flow, ev);
	conn_unlock(sp, flow);
	app_share_heard(sp->apps);
}

/* --- timers --- */

/* How often the timeout doubles. That of a stream so thin that losses are not noticed otherwise does not, for
 * some time, if it shall not (TCP_THIN_LINEAR_TIMEOUTS). */
static uint32_t doublings(const struct sp *sp, uint32_t id)
{
	enum { THIN_SEGMENTS = 4, THIN_RETRIES = 6 }; /* of Linux */
	const struct flow *f = &sp->fp->flows[id];
	uint32_t n = sp->fp->cold[id].backoff;

	if (!(sp->conn[id].opt.flags & CTL_OPTION_THIN_LINEAR) || f->state != TCP_ESTABLISHED ||
		f->tx_inflight > (THIN_SEGMENTS - 1u) * f->mss)
		return n;
	return n > THIN_RETRIES ? n - THIN_RETRIES : 0;
}

/* With nothing but a SYN that was lost to go by, the timeout is three seconds (RFC 6298 5.7): the path may be
 * as slow as that. */
static uint32_t rto_now_us(const struct sp *sp, uint32_t id)
{
	const struct flow *f = &sp->fp->flows[id];
	uint32_t rto = rtt_rto_us(f->srtt_us, sp->fp->cold[id].rttvar_us, &sp->rto);

	if (f->srtt_us == 0 && sp->conn[id].syn_resends > 0)
		rto = max_u32(rto, RTO_AFTER_LOST_SYN_US);
	return rtt_backoff_us(rto, doublings(sp, id), sp->rto.max_us);
}

/* TCP_LINGER2, but the peer has time for a FIN that is lost (tcp_fin_time() of Linux). */
static uint32_t fin_wait2_us(const struct sp *sp, uint32_t id)
{
	const struct conn *n = &sp->conn[id];
	uint32_t seconds = n->opt.linger2_s > 0 ? (uint32_t)n->opt.linger2_s : 0, rto = rto_now_us(sp, id);

	if (seconds == 0)
		return sp->conf->tcp.fin_wait2_ms * 1000;
	return max_u32(min_u32(seconds, LINGER2_MAX_S) * 1000000, min_u32(rto, INT32_MAX / 4) / 2 * 7);
}

/* RFC 8985 7.2: two round trips after the last sending a tail loss probe goes, if that is before the
 * retransmission timer. Of a single segment the peer may delay the acknowledgement for as long as that. */
static bool tail_wants_us(const struct sp *sp, uint32_t id, uint32_t *us)
{
	const struct flow *f = &sp->fp->flows[id];
	const struct flow_cold *k = &sp->fp->cold[id];

	if (!(f->flags & FLOW_SACK) || (f->flags & (FLOW_RECOVERY | FLOW_LOSS)) || f->tx_inflight <= f->mss ||
		k->tail_probed || k->sacked.n > 0 || k->resent.n > 0 || k->backoff > 0 || f->srtt_us == 0)
		return false;
	*us = 2 * (f->srtt_us >> 3) + max_u32(TAIL_MIN_US, TAIL_PER_TIMER_US * sp->timers.armed);
	return *us < rto_now_us(sp, id);
}

/* In how many microseconds the state's timer is due; UINT32_MAX: no timer. */
static uint32_t timer_wants_us(const struct sp *sp, uint32_t id, uint32_t *base_us)
{
	const struct flow *f = &sp->fp->flows[id];
	const struct conn *n = &sp->conn[id];
	uint32_t us;

	*base_us = n->timer_base_us;
	if (f->state == TCP_SYN_SENT || f->state == TCP_SYN_RCVD)
		return n->where == CONN_READY
			? UINT32_MAX
			: rtt_backoff_us(sp->rto.initial_us, n->retries, sp->rto.max_us);
	if (f->state == TCP_TIME_WAIT)
		return sp->conf->tcp.time_wait_ms * 1000;
	if (!((TCP_STATES_FAST >> f->state) & 1))
		return UINT32_MAX;
	if (f->tx_inflight > 0 && sp->fp->cold[id].rack.is_waiting) {
		*base_us = sp->fp->cold[id].rack.due_us;
		return 0;
	}
	if (f->tx_inflight > 0 && tail_wants_us(sp, id, &us)) {
		*base_us = us32_later(ns_to_us32(sp->now), f->last_tx_us, sp->fp->cold[id].rto_base_us);
		return us;
	}
	if (f->tx_inflight > 0) {
		*base_us = sp->fp->cold[id].rto_base_us;
		return keep_clamp_us(sp, id, *base_us, rto_now_us(sp, id));
	}
	if (tcp_window_blocked(f, &sp->fp->cold[id])) {
		*base_us = us32_later(ns_to_us32(sp->now), n->timer_base_us, sp->fp->cold[id].rto_base_us);
		return keep_clamp_us(sp, id, *base_us, rto_now_us(sp, id));
	}
	if (f->state == TCP_FIN_WAIT_2 && n->app_gone)
		return fin_wait2_us(sp, id);
	return UINT32_MAX;
}

void conn_timer_arm(struct sp *sp, uint32_t id)
{
	uint32_t base, us = timer_wants_us(sp, id, &base);
	int32_t left;

	if (sp->fp->flows[id].tx_inflight <= sp->fp->flows[id].mss)
		sp->fp->flows[id].flags &= ~(uint32_t)FLOW_TAIL_TIMER;
	if (us == UINT32_MAX) {
		sp->fp->flows[id].flags &= ~(uint32_t)FLOW_TIMER;
		keep_timer_arm(sp, id);
		return;
	}
	left = (int32_t)(base + us - ns_to_us32(sp->now));
	timer_arm(&sp->timers, id, sp->now + (left > 0 ? (tas_ns)left : 0) * NS_PER_US);
}

/* A SYN-ACK that was acknowledged, while only data is waited for, goes again at the end of that time: the
 * answer completes the handshake without data (Linux: syn_ack_recalc()). */
static void handshake_timeout(struct sp *sp, uint32_t id)
{
	struct conn *n = &sp->conn[id];
	bool active = sp->fp->flows[id].state == TCP_SYN_SENT;
	uint32_t most = active ? sp->conf->tcp.syn_retries : sp->conf->tcp.synack_retries;
	uint32_t defer = n->deferred ? options_defer_retries(sp, id) : 0;

	if (n->opt.syn_count != 0) /* SYN-ACKs, too: that of the listener */
		most = n->opt.syn_count;
	if (n->retries >= max_u32(most, defer)) {
		sp_count(sp, CNT_TCP_ATTEMPT_FAILS, 1);
		conn_end(sp, id, ETIMEDOUT);
		return;
	}
	n->retries++;
	if (active && n->retries == TCP_R1)
		conn_neigh_advise(sp, id);
	n->syn_sent_ns = 0;
	n->timer_base_us = ns_to_us32(sp->now);
	if (n->retries >= defer) {
		n->syn_resends += n->syn_resends < UINT8_MAX;
		out_syn(sp, id);
	}
	conn_timer_arm(sp, id);
}

/* Has it been in vain for long enough? A peer that answers may keep its window closed (RFC 1122 4.2.2.17), be
 * it to probes or, if it closed the window over what was on its way, to what is sent again (RFC 9293 3.8.6.1;
 * as Linux); but not for ever to an application that is gone. */
static bool give_up(struct sp *sp, uint32_t id)
{
	const struct flow *f = &sp->fp->flows[id];
	const struct flow_cold *k = &sp->fp->cold[id];
	struct conn *n = &sp->conn[id];
	uint32_t most = sp->conf->tcp.retries;
	bool closed = f->tx_inflight == 0 || f->snd_wnd == 0;
	bool answers = !n->app_gone && closed && n->segs_seen != k->segs_in;

	if (keep_user_timeout(sp, id))
		return true;
	if (n->keep.user_timeout_ms != 0 && !n->app_gone)
		return false;
	if (n->una_seen != f->tx_una || answers)
		n->retries = 0;
	n->una_seen = f->tx_una;
	n->segs_seen = k->segs_in;
	return n->retries++ >= (n->app_gone ? min_u32(ORPHAN_RETRIES, most) : most);
}

/* Why the peer is silent: what ICMP said since it was last heard, as Linux has it (RFC 5461 4.1). */
static int silence_error(const struct sp *sp, uint32_t id)
{
	const struct conn *n = &sp->conn[id];

	return n->soft_error != 0 && n->soft_segs_in == sp->fp->cold[id].segs_in ? n->soft_error : ETIMEDOUT;
}

/* Data is outstanding, or waits for the window: RFC 6298 5.4, RFC 9293 3.8.6.1. */
static void data_timeout(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct flow_cold *k = &sp->fp->cold[id];

	if (give_up(sp, id)) {
		conn_end(sp, id, silence_error(sp, id));
		return;
	}
	k->rto_base_us = sp->conn[id].timer_base_us = ns_to_us32(sp->now);
	if (f->tx_inflight > 0) {
		conn_pmtu_timeout(sp, id);
		tcp_on_timeout(sp->fp->slow, id);
	} else {
		tcp_send_probe(sp->fp->slow, id);
	}
	k->backoff += k->backoff < UINT8_MAX;
	if (f->tx_inflight > 0 && k->backoff == TCP_R1)
		conn_neigh_advise(sp, id);
	conn_timer_arm(sp, id);
}

/* RFC 8985 6.3, RACK reordering timer. */
static void reordering_is_over(struct sp *sp, uint32_t id)
{
	recovery_on_due(sp->fp->slow, id);
	conn_timer_arm(sp, id);
}

static void probe_tail(struct sp *sp, uint32_t id)
{
	tcp_send_tail_probe(sp->fp->slow, id);
	sp->fp->cold[id].rto_base_us = ns_to_us32(sp->now);
	conn_timer_arm(sp, id);
}

void conn_timer(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	uint32_t base, us;

	conn_lock(sp, id);
	conn_pmtu_visit(sp, id);
	us = timer_wants_us(sp, id, &base);
	if (us == UINT32_MAX && keep_expired(sp, id))
		conn_abort(sp, id, ETIMEDOUT);
	else if (us == UINT32_MAX || !us32_reached(ns_to_us32(sp->now), base + us))
		conn_timer_arm(sp, id); /* acknowledged, or pushed back, meanwhile */
	else if (f->state == TCP_SYN_SENT || f->state == TCP_SYN_RCVD)
		handshake_timeout(sp, id);
	else if (f->tx_inflight > 0 && sp->fp->cold[id].rack.is_waiting)
		reordering_is_over(sp, id);
	else if (f->tx_inflight > 0 && tail_wants_us(sp, id, &us))
		probe_tail(sp, id);
	else if (f->tx_inflight > 0 || tcp_window_blocked(f, &sp->fp->cold[id]))
		data_timeout(sp, id);
	else
		conn_end(sp, id, 0); /* TIME_WAIT or FIN_WAIT_2 is over */
	conn_unlock(sp, id);
}
