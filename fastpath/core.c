/* SPDX-License-Identifier: BSD-3-Clause */
/* core.c - one pass of a fast-path core, and its lists. */
#include <rte_ethdev.h>
#include <rte_pause.h>
#include <rte_ring_elem.h>
#include <sched.h>

#include "fastpath/pace.h"
#include "fastpath/stages.h"
#include "fastpath/tcp_int.h"
#include "include/base/assert.h"

enum {
	TX_PATIENCE_NS = 10 * 1000 * 1000,
	MORE_HOLD_US = 200 * 1000, /* tcp(7), TCP_CORK */
};

/* --- lists: a flow is in each at most once; on_list says in which (under the flow's lock) --- */

static uint32_t *link_of(struct flow_cold *k, enum flow_list list)
{
	return list == LIST_READY ? &k->ready_next : list == LIST_DELAYED ? &k->delayed_next : &k->held_next;
}

/* False if it is there already. */
static bool list_push(struct fp_core *c, struct fp_list *l, uint32_t id, enum flow_list list)
{
	struct flow_cold *cold = c->fp->cold;

	if (cold[id].on_list & list)
		return false;
	cold[id].on_list |= (uint8_t)list;
	*link_of(&cold[id], list) = FLOW_NONE;
	if (l->head == FLOW_NONE)
		l->head = id;
	else
		*link_of(&cold[l->tail], list) = id;
	l->tail = id;
	return true;
}

void list_push_ready(struct fp_core *c, uint32_t id)
{
	if (c->is_slow)
		core_kick(c, id);
	else
		list_push(c, &c->ready, id, LIST_READY);
}

static void delayed_remove(struct fp_core *c, uint32_t id)
{
	struct flow_cold *cold = c->fp->cold, *k = &cold[id];
	struct fp_list *l = &c->delayed[k->delayed_for];

	if (l->head == id)
		l->head = k->delayed_next;
	else
		cold[k->delayed_prev].delayed_next = k->delayed_next;
	if (l->tail == id)
		l->tail = k->delayed_prev;
	else
		cold[k->delayed_next].delayed_prev = k->delayed_prev;
	k->on_list &= (uint8_t)~LIST_DELAYED;
}

/* Each list is in order of due time. A flow that is still on one, for an acknowledgement that data carried,
 * comes to an end: what is behind it must not wait for its new time. On another core's list it keeps its
 * place: that list is not ours to change. */
void list_push_delayed(struct fp_core *c, uint32_t id, enum delayed_for what)
{
	struct flow_cold *k = &c->fp->cold[id];
	struct fp_list *l = &c->delayed[what];

	if (unlikely(k->on_list & LIST_DELAYED)) {
		if (k->delayed_core != c->id || l->tail == id)
			return;
		delayed_remove(c, id);
	}
	k->delayed_prev = l->head == FLOW_NONE ? FLOW_NONE : l->tail;
	k->delayed_core = (uint8_t)c->id;
	k->delayed_for = (uint8_t)what;
	list_push(c, l, id, LIST_DELAYED);
}

void list_push_held(struct fp_core *c, uint32_t id)
{
	if (list_push(c, &c->held, id, LIST_HELD))
		c->fp->cold[id].held_since_us = c->now_us;
}

void list_push_paced(struct fp_core *c, uint32_t id)
{
	struct flow_cold *cold = c->fp->cold;
	const struct flow *f = &c->fp->flows[id];

	if (cold[id].on_list & LIST_PACED)
		return;
	cold[id].on_list |= LIST_PACED;
	pace_turn(c->pace, c->now);
	pace_insert(c->pace, cold, id,
		pace_due(cold[id].pace_next_ns, ((uint64_t)f->mss * f->pace_q16) >> 16));
}

void tcp_ack_soon(struct tcp t)
{
	if (t.c->is_slow) {
		t.f->flags |= FLOW_ACK_WANTED;
		core_kick(t.c, t.id);
		return;
	}
	t.f->ack = ACK_NOW;
	if (t.k->on_list & LIST_ACKS)
		return;
	if (t.c->nacks == ARRAY_LEN(t.c->acks)) {
		tcp_ack_now(t.c, t.id);
		return;
	}
	t.k->on_list |= LIST_ACKS;
	t.c->acks[t.c->nacks++] = t.id;
}

void tcp_ack_later(struct tcp t)
{
	enum delayed_for what;

	if (t.f->ack != ACK_NONE)
		return;
	if (t.c->is_slow) {
		tcp_ack_soon(t);
		return;
	}
	what = t.f->flags & FLOW_PATIENT ? DELAYED_FOR_ANSWER : DELAYED_FOR_MORE;
	t.f->ack = ACK_DELAYED;
	t.k->ack_due_us = t.c->now_us + t.c->fp->conf.delack_us[what];
	list_push_delayed(t.c, t.id, what);
}

/* Acknowledgements that this pass owes and that no data carried. */
static unsigned acks_flush(struct fp_core *c)
{
	unsigned n = c->nacks;

	c->nacks = 0;
	for (unsigned i = 0; i < n; i++) {
		struct flow *f = &c->fp->flows[c->acks[i]];

		rte_spinlock_lock(&f->lock);
		c->fp->cold[c->acks[i]].on_list &= (uint8_t)~LIST_ACKS;
		if (f->ack == ACK_NOW)
			tcp_ack_now(c, c->acks[i]);
		rte_spinlock_unlock(&f->lock);
	}
	return n;
}

/* The application was not quick enough to answer with it: it answers later, or the peer waits for this. */
static void delayed_in_vain(struct fp_core *c, uint32_t id)
{
	struct flow *f = &c->fp->flows[id];

	f->flags &= ~(uint32_t)(FLOW_PINGPONG | FLOW_PATIENT);
	f->flags |= FLOW_ACK_LATE;
	c->fp->cold[id].ack_late_us = c->now_us;
	f->ack = ACK_NONE;
	tcp_ack_now(c, id);
}

/* Returns false if the head is not due yet. */
static bool delayed_pop(struct fp_core *c, struct fp_list *l)
{
	uint32_t id = l->head;
	struct flow *f = &c->fp->flows[id];
	struct flow_cold *k = &c->fp->cold[id];
	bool due;

	rte_spinlock_lock(&f->lock);
	due = f->ack != ACK_DELAYED || us32_reached(c->now_us, k->ack_due_us);
	if (due) {
		delayed_remove(c, id);
		if (f->ack == ACK_DELAYED)
			delayed_in_vain(c, id);
	}
	rte_spinlock_unlock(&f->lock);
	return due;
}

static inline unsigned delayed_poll(struct fp_core *c, struct fp_list *l)
{
	unsigned n = 0;

	while (n < FP_BATCH && l->head != FLOW_NONE && core_tx_room(c) > FP_BATCH && delayed_pop(c, l))
		n++;
	return n;
}

/* What MORE held back for long enough goes as it is. A flow that began to hold anew meanwhile is on the list
 * from the first time: it waits less than the 200 ms.
 *
 * A flow that ended has nothing to send, and must not go from this list to another: with on_list 0 for an
 * instant between the two its slot counts as free (grave_empty() takes no lock), and the list would have the
 * slot's next flow, which knows nothing of it. A live flow is not given back while its lock is held. */
static unsigned held_poll(struct fp_core *c)
{
	unsigned n = 0;

	for (uint32_t id; (id = c->held.head) != FLOW_NONE && n < FP_BATCH; n++) {
		struct flow *f = &c->fp->flows[id];
		struct flow_cold *k = &c->fp->cold[id];

		if (!us32_reached(c->now_us, k->held_since_us + MORE_HOLD_US))
			break;
		rte_spinlock_lock(&f->lock);
		c->held.head = k->held_next;
		k->on_list &= (uint8_t)~LIST_HELD;
		if ((TCP_STATES_FAST >> f->state) & 1) {
			f->flags &= ~(uint32_t)FLOW_MORE;
			list_push_ready(c, id);
		}
		rte_spinlock_unlock(&f->lock);
	}
	return n;
}

static void transmit(struct fp_core *c, uint32_t id, uint8_t list)
{
	struct flow *f = &c->fp->flows[id];

	rte_spinlock_lock(&f->lock);
	c->fp->cold[id].on_list &= (uint8_t)~list;
	if (list == LIST_PACED)
		pace_comes(&c->fp->cold[id], c->now, f->srtt_us >> 3);
	tcp_tx(c, id);
	rte_spinlock_unlock(&f->lock);
}

/* Flows that can send, one turn each. */
static unsigned tx_poll(struct fp_core *c)
{
	unsigned n = 0;
	uint32_t id, last = c->ready.tail;

	while (n < FP_BATCH && (id = pace_pop(c->pace, c->fp->cold, c->now)) != FLOW_NONE) {
		transmit(c, id, LIST_PACED);
		n++;
	}
	while (c->ready.head != FLOW_NONE && core_tx_room(c) >= FP_TX_BATCH / 4 && n++ < 2 * FP_BATCH) {
		id = c->ready.head;
		c->ready.head = c->fp->cold[id].ready_next;
		transmit(c, id, LIST_READY);
		if (id == last)
			break;
	}
	return n;
}

/* What another thread asked for, on the core that sends. */
static void kicked(struct fp_core *c, uint32_t id)
{
	struct flow *f = &c->fp->flows[id];
	uint32_t wanted;

	rte_spinlock_lock(&f->lock);
	c->fp->cold[id].on_list &= (uint8_t)~LIST_KICKED;
	wanted = f->flags & (FLOW_ACK_WANTED | FLOW_PROBE_WANTED | FLOW_TAIL_WANTED | FLOW_ACK_LATER);
	f->flags &= ~wanted;
	if (wanted & FLOW_PROBE_WANTED)
		tcp_probe_out(c, id);
	if (wanted & FLOW_TAIL_WANTED)
		tcp_tail_probe_out(c, id);
	if ((wanted & FLOW_ACK_WANTED) && ((TCP_STATES_FAST >> f->state) & 1))
		tcp_ack_soon(tcp_of(c, id)); /* which data that goes now takes along */
	if ((wanted & FLOW_ACK_LATER) && ((TCP_STATES_FAST >> f->state) & 1))
		tcp_ack_later(tcp_of(c, id));
	tcp_tx(c, id);
	rte_spinlock_unlock(&f->lock);
}

static void app_kicked(struct fp_core *c, uint16_t app)
{
	/* before `live` is read: whoever sets it anew from here on kicks anew */
	atomic_store(&c->app[app].kicked, false);
	core_app_rang(c, app);
}

static unsigned kick_poll(struct fp_core *c)
{
	uint32_t what[FP_BATCH];
	unsigned n = rte_ring_dequeue_burst_elem(c->kicks, what, sizeof(what[0]), FP_BATCH, NULL);

	for (unsigned i = 0; i < n; i++) {
		if (what[i] & CORE_KICK_APP)
			app_kicked(c, (uint16_t)what[i]);
		else
			kicked(c, what[i]);
	}
	return n;
}

/* Frames of the slow path. */
static unsigned send_poll(struct fp_core *c)
{
	unsigned room = min_u32(core_tx_room(c), FP_SEND_BURST);
	unsigned n = rte_ring_dequeue_burst(c->sends, (void **)&c->tx[c->ntx], room, NULL);

	c->ntx += n;
	return n;
}

/* A port that takes nothing for so long has no link: what waits is lost, as it would be in the network. */
static void tx_give_up(struct fp_core *c)
{
	if (c->now - c->tx_moved_ns < TX_PATIENCE_NS)
		return;
	rte_pktmbuf_free_bulk(c->tx, c->ntx);
	count(c, CNT_TX_DROPPED, c->ntx);
	c->ntx = 0;
}

/* The one transmit burst of a pass. What the port does not take stays for the next. */
static void tx_flush(struct fp_core *c)
{
	unsigned sent;
	uint64_t bytes = 0;

	if (c->ntx == 0)
		return;
	for (unsigned i = 0; i < c->ntx; i++)
		bytes += c->tx[i]->pkt_len;
	sent = rte_eth_tx_burst(c->fp->port->id, c->queue, c->tx, (uint16_t)c->ntx);
	c->ntx -= sent;
	if (sent > 0 || !c->tx_stuck)
		c->tx_moved_ns = c->now;
	c->tx_stuck = c->ntx > 0;
	count(c, CNT_TX_PACKETS, sent);
	if (unlikely(c->ntx > 0)) {
		for (unsigned i = 0; i < c->ntx; i++) {
			c->tx[i] = c->tx[sent + i];
			bytes -= c->tx[i]->pkt_len;
		}
		count(c, CNT_TX_FULL, 1);
		tx_give_up(c);
	}
	count(c, CNT_TX_BYTES, bytes);
}

static void wake_cores(struct fp_core *c)
{
	struct fastpath *fp = c->fp;

	for (unsigned i = 0; i < fp->conf.cores; i++) {
		if (!c->wakes_cores[i])
			continue;
		c->wakes_cores[i] = 0;
		if (atomic_load_explicit(&fp->core[i]->asleep, memory_order_relaxed) && fp->wake.core != NULL)
			fp->wake.core(fp->wake.arg, i);
	}
	c->wakes_any_core = false;
}

void core_flush(struct fp_core *c)
{
	if (!c->is_slow)
		tx_flush(c);
	if (c->wakes == NULL && !c->slow_needs_wake && !c->wakes_any_core &&
		likely(core_wakes_due(c) > c->now))
		return;
	/* pairs with the fence of every sleeper between storing `asleep` and looking again: what was
	 * published above is seen by a sleeper that we do not see asleep. Once a pass, not once a message. */
	atomic_thread_fence(memory_order_seq_cst);
	app_wake_poll(c);
	wake_cores(c);
	if (c->slow_needs_wake) {
		c->slow_needs_wake = false;
		if (atomic_load_explicit(&c->fp->slow_asleep, memory_order_relaxed) &&
			c->fp->wake.slow_path != NULL)
			c->fp->wake.slow_path(c->fp->wake.arg);
	}
}

unsigned core_poll(struct fp_core *c, tas_ns now)
{
	unsigned work;

	c->now = now;
	c->now_us = ns_to_us32(now);
	work = rx_poll(c);
	work += appq_poll(c);
	work += send_poll(c); /* before what the slow path kicks: its frames are older */
	work += kick_poll(c);
	work += held_poll(c);
	work += tx_poll(c);
	work += delayed_poll(c, &c->delayed[DELAYED_FOR_MORE]);
	work += delayed_poll(c, &c->delayed[DELAYED_FOR_ANSWER]);
	acks_flush(c);
	core_flush(c);
	rte_rcu_qsbr_quiescent(c->fp->qsbr, c->id);
	count(c, CNT_CORE_PASSES, 1);
	if (work > 0)
		c->last_work_ns = now;
	return work;
}

static tas_ns ns_of_us32(const struct fp_core *c, uint32_t due_us)
{
	int32_t in = (int32_t)(due_us - c->now_us);

	return c->now + (in > 0 ? (tas_ns)in : 0) * NS_PER_US;
}

tas_ns core_deadline(const struct fp_core *c)
{
	const struct flow_cold *cold = c->fp->cold;
	tas_ns next;

	if (c->ready.head != FLOW_NONE || c->ntx > 0)
		return c->now;
	next = min_u64(pace_next(c->pace), core_wakes_due(c));
	for (const struct fp_list *l = c->delayed; l < c->delayed + NR_DELAYED_FOR; l++)
		if (l->head != FLOW_NONE)
			next = min_u64(next, ns_of_us32(c, cold[l->head].ack_due_us));
	if (c->held.head != FLOW_NONE)
		next = min_u64(next, ns_of_us32(c, cold[c->held.head].held_since_us + MORE_HOLD_US));
	return next;
}

void core_kick(struct fp_core *from, uint32_t id)
{
	struct fastpath *fp = from->fp;
	uint32_t to = fp->flows[id].core;

	if (fp->cold[id].on_list & LIST_KICKED)
		return;
	fp->cold[id].on_list |= LIST_KICKED;
	TAS_ASSERT(rte_ring_enqueue_elem(fp->core[to]->kicks, &id, sizeof(id)) == 0);
	from->wakes_cores[to] = 1;
	from->wakes_any_core = true;
}

void fp_send(struct fastpath *fp, struct rte_mbuf *m)
{
	if (rte_ring_enqueue(fp->core[0]->sends, m) != 0) {
		rte_pktmbuf_free(m); /* as if the network had lost it: every sender here repeats itself */
		count(fp->slow, CNT_TX_FULL, 1);
		return;
	}
	fp->slow->wakes_cores[0] = 1;
	fp->slow->wakes_any_core = true;
}

uint32_t fp_send_room(const struct fastpath *fp) { return rte_ring_free_count(fp->core[0]->sends); }

/* What a core has taken it hands to the port in the same pass, unless the port is full. */
bool fp_send_idle(const struct fastpath *fp)
{
	return rte_ring_empty(fp->core[0]->sends) && *(volatile const uint32_t *)&fp->core[0]->ntx == 0;
}

/* An id comes and goes as often as it likes while a core sleeps or has no CPU: at most one kick of it waits,
 * or they would fill the ring. */
void fp_app_started(struct fastpath *fp, uint16_t app)
{
	uint32_t what = CORE_KICK_APP | app;

	for (unsigned i = 0; i < fp->conf.cores; i++) {
		if (atomic_exchange(&fp->core[i]->app[app].kicked, true))
			continue;
		TAS_ASSERT(rte_ring_enqueue_elem(fp->core[i]->kicks, &what, sizeof(what)) == 0);
		fp->slow->wakes_cores[i] = 1;
	}
	fp->slow->wakes_any_core = true;
}

void flow_event(struct fp_core *c, uint32_t id, uint16_t events)
{
	struct flow *f = &c->fp->flows[id];
	bool queued = f->events & FLOW_EV_QUEUED;

	f->events |= events | FLOW_EV_QUEUED;
	if (queued)
		return;
	TAS_ASSERT(rte_ring_enqueue_elem(c->events, &id, sizeof(id)) == 0);
	c->slow_needs_wake = true;
}

void flow_lock_slow(struct flow *f)
{
	for (unsigned tries = 1; !rte_spinlock_trylock(&f->lock); tries++) {
		if (tries % 64 == 0)
			sched_yield(); /* the holder may be waiting for our CPU */
		rte_pause();
	}
}
