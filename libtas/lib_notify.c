/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_notify.c - notifications: from rings to sockets to the layer above (see include/abi/abi.h). */
#include <string.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

enum { DRAIN_BATCH = 32 };

void lib_tell(struct tas_sock *s, uint32_t edges)
{
	void (*on_event)(struct tas_sock *, void *, uint32_t) = s->t->on_event;

	/* nobody knows a flow that waits to be accepted */
	if (edges != 0 && on_event != NULL && atomic_load_explicit(&s->queued_in, memory_order_relaxed) == 0)
		on_event(s, atomic_load_explicit(&s->user, memory_order_acquire), edges);
}

/* --- a flow's record --- */

/* Who finds the connection gone first leaves the error, so that it is reported once. */
static bool mark_reset(struct tas_sock *s, uint32_t error)
{
	uint32_t was = atomic_load_explicit(&s->state, memory_order_relaxed);

	do {
		if (was & STATE_RESET)
			return false;
	} while (!atomic_compare_exchange_weak(&s->state, &was,
		was | STATE_RESET | (error & 0xffff) << STATE_ERROR_SHIFT));
	return true;
}

void lib_sock_reset(struct tas_sock *s, uint32_t error)
{
	if (mark_reset(s, error))
		lib_tell(s, TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP | TAS_EV_RDHUP);
}

/* ABI_EV_ERROR was there: is it again? One that is pending stands. */
static TAS_NOINLINE uint32_t error_look(struct tas_sock *s)
{
	uint32_t error = atomic_load_explicit(&s->rec->error, memory_order_relaxed);
	uint32_t state = atomic_load_explicit(&s->state, memory_order_relaxed);

	if (error >> 16 == 0 || atomic_exchange(&s->seen_error, error) == error)
		return 0;
	do {
		if (state >> STATE_ERROR_SHIFT != 0 || state & STATE_RESET)
			return 0;
	} while (!atomic_compare_exchange_weak(&s->state, &state, state | error << STATE_ERROR_SHIFT));
	return TAS_EV_ERR;
}

/* Returns the edges of the sticky events that are new to the library. */
static uint32_t take_events(struct tas_sock *s, uint32_t fresh)
{
	uint32_t edges = 0;

	if (fresh & (ABI_EV_CONNECTED | ABI_EV_ACCEPT)) {
		atomic_fetch_or_explicit(&s->state, STATE_CONNECTED, memory_order_relaxed);
		edges |= TAS_EV_CONNECTED | TAS_EV_OUT;
	}
	if (fresh & ABI_EV_RX_FIN)
		edges |= TAS_EV_IN | TAS_EV_RDHUP;
	if (fresh & ABI_EV_TX_DONE)
		edges |= TAS_EV_TX_DONE;
	if (fresh & ABI_EV_MOVED) /* it was another's and is ours to take back: whoever waits, looks */
		edges |= TAS_EV_IN | TAS_EV_OUT;
	if (fresh & ABI_EV_RESET) {
		mark_reset(s, atomic_load_explicit(&s->rec->error, memory_order_relaxed));
		edges |= TAS_EV_IN | TAS_EV_OUT | TAS_EV_ERR | TAS_EV_HUP | TAS_EV_RDHUP;
	}
	if ((edges & TAS_EV_RDHUP) && (atomic_load_explicit(&s->state, memory_order_relaxed) & STATE_TX_SHUT))
		edges |= TAS_EV_HUP;
	return edges;
}

void lib_sock_look(struct tas_sock *s)
{
	/* pairs with tasd's release: positions and error belong to the events */
	uint32_t events = atomic_load_explicit(&s->rec->events, memory_order_acquire);
	uint32_t fresh = events & ~atomic_load_explicit(&s->looked_events, memory_order_relaxed);

	if (unlikely(events & ABI_EV_ERROR))
		error_look(s);
	fresh &= ~(uint32_t)(ABI_EV_MOVED | ABI_EV_GROW_RX | ABI_EV_GROW_TX | ABI_EV_URGENT);
	if (likely(fresh == 0))
		return;
	take_events(s, fresh);
	atomic_fetch_or_explicit(&s->looked_events, fresh, memory_order_relaxed);
}

bool lib_sock_has_space(const struct tas_sock *s)
{
	uint64_t end = atomic_load_explicit(&s->tx_end, memory_order_relaxed);
	uint64_t used = end - atomic_load_explicit(&s->rec->tx_una, memory_order_acquire);
	uint32_t size = lib_tx_used_size(s, s->rec->tx_size);
	uint32_t lowat = atomic_load_explicit(&s->notsent_lowat, memory_order_relaxed);

	return used <= size - size / 4 && (lowat == 0 || 2ull * lib_unsent(s, end, used) < lowat);
}

/* tasd forgets the wish when it notifies; if meanwhile more was sent than was freed, the wish stands. */
static TAS_NOINLINE uint32_t want_out_look(struct tas_ctx *c, struct tas_sock *s)
{
	if (lib_sock_has_space(s)) {
		atomic_store_explicit(&s->want_out, 0, memory_order_relaxed);
		return TAS_EV_OUT;
	}
	lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_WANT_SPACE);
	return 0;
}

/* What few connections have. With `r` its drain_lock is held: then it is told of urgent data when that is
 * left, as a signal may come of it. */
static TAS_NOINLINE uint32_t rare_look(struct lib_rings *r, struct tas_sock *s, uint32_t events)
{
	uint32_t edges = events & ABI_EV_ERROR ? error_look(s) : 0;

	if (events & ABI_EV_URGENT)
		edges |= lib_urgent_edges(s);
	if (!(edges & TAS_EV_URGENT) || r == NULL || r->nr_urgent == URGENT_BATCH)
		return edges;
	r->urgent[r->nr_urgent++] = s;
	return edges & ~(uint32_t)TAS_EV_URGENT;
}

/* Edges, from what the record says and what was told before. */
static void sock_update(struct tas_ctx *c, struct lib_rings *r, struct tas_sock *s,
	const struct abi_flow_rec *rec)
{
	uint32_t events = atomic_load_explicit(&rec->events, memory_order_acquire), edges = 0;
	uint64_t rx_end = atomic_load_explicit(&rec->rx_end, memory_order_relaxed);
	uint32_t fresh = events & ~atomic_load_explicit(&s->seen_events, memory_order_relaxed);

	if (rx_end != atomic_load_explicit(&s->seen_rx, memory_order_relaxed)) {
		atomic_store_explicit(&s->seen_rx, rx_end, memory_order_relaxed);
		edges |= TAS_EV_IN;
	}
	if (unlikely(fresh != 0)) {
		atomic_fetch_or_explicit(&s->seen_events,
			fresh & ~(uint32_t)(ABI_EV_MOVED | ABI_EV_GROW_RX | ABI_EV_GROW_TX | ABI_EV_URGENT),
			memory_order_relaxed);
		edges |= take_events(s, fresh);
	}
	if (unlikely(events & (ABI_EV_ERROR | ABI_EV_URGENT)))
		edges |= rare_look(r, s, events);
	if (unlikely(atomic_load_explicit(&s->want_out, memory_order_relaxed) != 0))
		edges |= want_out_look(c, s);
	lib_tell(s, edges);
}

void lib_sock_update(struct tas_ctx *c, struct tas_sock *s) { sock_update(c, NULL, s, s->rec); }

bool lib_sock_context(struct tas_sock *s, struct lib_rings *r)
{
	atomic_store_explicit(&s->rings, r, memory_order_relaxed);
	if (atomic_load_explicit(&s->rec->context, memory_order_relaxed) == r->id)
		return false;
	atomic_store_explicit(&s->rec->context, (uint16_t)r->id, memory_order_relaxed);
	/* pairs with fence A: tasd notifies the new context, or who looks from here on sees the record that
	 * tasd stored before it looked at the old one. And with the same fence of another thread that wants
	 * them: one of the two sees the other's context, which is the one that stands. */
	atomic_thread_fence(memory_order_seq_cst);
	return true;
}

/* --- a new connection --- */

static struct tas_sock *listener_of(struct tas *t, uint32_t cookie, uint32_t stamp)
{
	struct tas_sock *l = lib_sock_at(t, cookie % (SOCK_CHUNK * SOCK_CHUNKS));

	if (l == NULL || atomic_load_explicit(&l->stamp, memory_order_acquire) != (stamp | STAMP_LISTENER))
		return NULL;
	return l->listener->cookie == cookie ? l : NULL;
}

/* Into the accept queue; the listener's own lock orders it later (lib_listen.c). */
static void queue_push(struct lib_listener *l, struct tas_sock *s)
{
	struct tas_sock *first = atomic_load_explicit(&l->inbox, memory_order_relaxed);

	atomic_fetch_add_explicit(&l->queued, 1, memory_order_relaxed);
	do
		s->next = first;
	while (!atomic_compare_exchange_weak_explicit(&l->inbox, &first, s, memory_order_release,
		memory_order_relaxed));
}

/* A record that no socket of ours has: a passive open, or one that was closed while its notification was
 * on the way. Without memory for a socket the connection stays where it is and its peer waits. */
static TAS_NOINLINE void new_flow(struct tas_ctx *c, struct lib_rings *r, uint32_t index,
	struct abi_flow_rec *rec)
{
	struct lib_slot *slot = &r->att->slot[index];
	uint32_t gen = atomic_load_explicit(&rec->gen, memory_order_acquire);
	struct tas_sock *l, *s;

	if (gen == 0 || gen == atomic_load_explicit(&slot->closed_gen, memory_order_acquire) ||
		!(atomic_load_explicit(&rec->events, memory_order_acquire) & ABI_EV_ACCEPT))
		return;
	l = listener_of(c->t, rec->listener, c->stamp);
	if (l == NULL || (s = lib_sock_alloc(c->t)) == NULL)
		return;
	lib_flow_init(s, r->att, index, rec->flow, gen, r);
	s->local = rec->local;
	s->remote = rec->remote;
	s->local_port = rec->local_port;
	s->remote_port = rec->remote_port;
	lib_options_take(s, &l->listener->listen.options); /* as tasd did */
	if (l->listener->listen.flags & CTL_LISTEN_NODELAY)
		atomic_store_explicit(&s->options, ABI_BELL_NODELAY, memory_order_relaxed);
	atomic_store_explicit(&s->queued_in, rec->listener + 1, memory_order_relaxed);
	atomic_store_explicit(&s->stamp, c->stamp, memory_order_release);
	if (!lib_flow_link(s)) {
		lib_sock_free(s);
		return;
	}
	sock_update(c, r, s, rec);
	queue_push(l->listener, s);
	lib_tell(l, TAS_EV_IN);
}

static void record_look(struct tas_ctx *c, struct lib_rings *r, uint32_t index)
{
	struct abi_flow_rec *rec = lib_rec(r->att, index);
	struct lib_slot *slot;
	struct tas_sock *s;

	if (unlikely(rec == NULL))
		return;
	slot = &r->att->slot[index];
	s = atomic_load_explicit(&slot->sock, memory_order_acquire);
	if (unlikely(s == NULL))
		new_flow(c, r, index, rec);
	else if (likely(atomic_load_explicit(&slot->gen, memory_order_relaxed) ==
			 atomic_load_explicit(&rec->gen, memory_order_relaxed)))
		sock_update(c, r, s, rec);
}

/* --- rings --- */

static void prefetch(struct lib_rings *r, const uint32_t *index, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct abi_flow_rec *rec = lib_rec(r->att, index[i]);
		const struct tas_sock *s;

		if (rec == NULL)
			continue;
		__builtin_prefetch(rec);
		s = atomic_load_explicit(&r->att->slot[index[i]].sock, memory_order_relaxed);
		if (s != NULL)
			__builtin_prefetch(&s->t);
	}
}

/* At most DRAIN_BATCH of what stands in the ring up to `end`. */
static unsigned drain_batch(struct tas_ctx *c, struct lib_rings *r, struct lib_notes *q, uint64_t end)
{
	uint64_t consumed = atomic_load_explicit(&q->consumed, memory_order_relaxed);
	unsigned n = (unsigned)min_u64(end - consumed, DRAIN_BATCH);
	uint32_t index[DRAIN_BATCH];

	for (unsigned i = 0; i < n; i++)
		index[i] = q->ring->slot[(consumed + i) & r->att->notify_mask];
	atomic_store_explicit(&q->consumed, consumed + n, memory_order_relaxed);
	/* release: the slots were read; they may be written again */
	atomic_store_explicit(&q->ring->consumed, consumed + n, memory_order_release);
	/* fence B of abi.h; pairs with fence A: tasd sees the entries consumed, or we see the records
	 * that it stored before it looked. And with lib_drains_pass: close sees `draining`, or we see the
	 * slot without its socket. */
	atomic_thread_fence(memory_order_seq_cst);
	if (n > 1)
		prefetch(r, index, n);
	for (unsigned i = 0; i < n; i++)
		record_look(c, r, index[i]);
	return n;
}

/* What stood there at the beginning and no more, so that a busy ring keeps nobody. */
static unsigned drain_ring(struct tas_ctx *c, struct lib_rings *r, struct lib_notes *q)
{
	/* pairs with tasd's release of `produced`: slots and records are written */
	uint64_t end = atomic_load_explicit(&q->ring->produced, memory_order_acquire);
	uint64_t consumed = atomic_load_explicit(&q->consumed, memory_order_relaxed);
	unsigned n = 0;

	if (likely(end == consumed))
		return 0;
	while (n < end - consumed)
		n += drain_batch(c, r, q, end);
	return n;
}

bool lib_drain_pending(struct lib_rings *r)
{
	uint32_t i = 0, rings = r->att->cores + 1;

	while (i < rings &&
		atomic_load_explicit(&r->notes[i].ring->produced, memory_order_acquire) ==
			atomic_load_explicit(&r->notes[i].consumed, memory_order_relaxed))
		i++;
	return i < rings;
}

/* Leaves drain_lock, and tells of urgent data. Memory of sockets is never unmapped: one that was closed in
 * this moment is a closed one. */
static TAS_NOINLINE void urgent_leave(struct tas_ctx *c, struct lib_rings *r)
{
	struct tas_sock *urgent[URGENT_BATCH];
	uint32_t n = r->nr_urgent;

	memcpy(urgent, r->urgent, n * sizeof(*urgent));
	r->nr_urgent = 0;
	lib_lock_leave(&c->t->os, &r->drain_lock);
	for (uint32_t i = 0; i < n; i++)
		lib_tell(urgent[i], TAS_EV_URGENT);
}

unsigned lib_drain(struct tas_ctx *c, struct lib_rings *r)
{
	uint32_t running;
	unsigned n = 0;

	if (likely(!lib_drain_pending(r)) || !lib_lock_try(&c->t->os, &r->drain_lock))
		return 0;
	running = atomic_load_explicit(&r->draining, memory_order_relaxed) + 1;
	atomic_store_explicit(&r->draining, running, memory_order_relaxed); /* before fence B */
	for (uint32_t i = 0; i <= r->att->cores; i++)
		n += drain_ring(c, r, &r->notes[i]);
	atomic_store_explicit(&r->draining, running + 1, memory_order_release); /* pairs with word_pass */
	if (unlikely(r->nr_urgent != 0))
		urgent_leave(c, r);
	else
		lib_lock_leave(&c->t->os, &r->drain_lock);
	return n;
}

static void word_pass(const struct tas_os *os, _Atomic uint32_t *running)
{
	uint32_t began = atomic_load_explicit(running, memory_order_acquire);

	for (uint32_t n = 0; (began & 1) && atomic_load_explicit(running, memory_order_acquire) == began; n++)
		lib_patience(os, n);
}

void lib_drains_pass(struct lib_att *a)
{
	uint32_t n = atomic_load_explicit(&a->nr_rings, memory_order_acquire);

	/* pairs with fence B */
	atomic_thread_fence(memory_order_seq_cst);
	for (uint32_t i = 0; i < n; i++)
		if (!lib_lock_is_mine(&a->rings[i].drain_lock))
			word_pass(&a->t->os, &a->rings[i].draining);
	if (!lib_lock_is_mine(&a->t->ctl_lock))
		word_pass(&a->t->os, &a->sweeping);
}
