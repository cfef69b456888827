/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_bell.c - messages to tasd's cores (see include/abi/abi.h).
 *
 * A message that cannot be sent now - its ring is full, or a handler interrupted its own thread in the
 * midst of sending one - is kept with its socket: flags add up, and the positions are read when it goes
 * out. It goes out before the next message, poll or sleep of a context that uses the rings, so the caller
 * never waits long for tasd. */
#include "include/base/assert.h"
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

/* Flags that say something about a moment; the others are derived from the socket. */
#define BELL_KEPT (~(uint32_t)(ABI_BELL_NODELAY | ABI_BELL_MORE))

static void bell_write(struct abi_bell *b, struct tas_sock *s, uint32_t flags, uint32_t arg)
{
	if (flags & ABI_BELL_OPTIONS)
		flags |= atomic_load_explicit(&s->options, memory_order_relaxed);
	if (flags & (ABI_BELL_ACCEPTED | ABI_BELL_CLOSE))
		arg |= atomic_load_explicit(&s->t->forks, memory_order_relaxed) << ABI_BELL_ARG_FORKS;
	b->flow = s->flow;
	b->gen = s->gen;
	b->rx_read = atomic_load_explicit(&s->rx_read, memory_order_relaxed);
	b->tx_end = atomic_load_explicit(&s->tx_end, memory_order_relaxed);
	b->flags = flags;
	b->arg = arg;
	if (b->rx_read != atomic_load_explicit(&s->rx_told, memory_order_relaxed))
		atomic_store_explicit(&s->rx_told, b->rx_read, memory_order_relaxed);
}

static void core_wake(struct tas *t, struct lib_att *a, struct lib_bells *q)
{
	uint32_t core = (uint32_t)(q->line - a->header->core_line);

	if (atomic_exchange(&q->line->asleep, 0) != 0)
		t->link.wake(t->link_arg, atomic_load_explicit(&a->core_fd[core], memory_order_relaxed));
}

/* After messages were published. */
static inline void core_tell(struct tas *t, struct lib_rings *r, struct lib_bells *q)
{
	/* pairs with tasd's: it takes our bit and then sees the message, or we see that the bit is gone;
	 * and it sees the bit after it said that it is asleep, or we see it asleep */
	atomic_thread_fence(memory_order_seq_cst);
	if ((atomic_load_explicit(&q->line->bells, memory_order_relaxed) & r->bit) == 0)
		atomic_fetch_or(&q->line->bells, r->bit);
	if (unlikely(atomic_load_explicit(&q->line->asleep, memory_order_relaxed) != 0))
		core_wake(t, r->att, q);
}

static inline bool bell_room(struct lib_bells *q)
{
	if (likely(q->produced - q->consumed < ABI_BELL_SLOTS))
		return true;
	/* pairs with tasd's release: it has copied what stood there */
	q->consumed = atomic_load_explicit(&q->ring->consumed, memory_order_acquire);
	return q->produced - q->consumed < ABI_BELL_SLOTS;
}

/* A full ring: tasd's core gets the processor if it wants it, for a while. */
static TAS_NOINLINE bool bell_wait(struct tas *t, struct lib_bells *q)
{
	for (uint32_t i = 0; i < t->full_yields; i++) {
		lib_yield(&t->os);
		if (bell_room(q))
			return true;
		if (i % 64 == 63 && !t->link.alive(t->link_arg))
			return false;
	}
	return false;
}

/* With bell_lock held; false if the ring is full. */
static inline bool bell_send(struct tas *t, struct lib_rings *r, struct tas_sock *s, uint32_t flags,
	uint32_t arg)
{
	uint32_t core = atomic_load_explicit(&s->rec->core, memory_order_relaxed);
	struct lib_bells *q = &r->bells[likely(core < r->att->cores) ? core : 0];

	if (unlikely(!bell_room(q)) && !bell_wait(t, q))
		return false;
	bell_write(&q->ring->slot[q->produced % ABI_BELL_SLOTS], s, flags, arg);
	/* pairs with tasd's acquire: the message, and the payload it speaks of, are written */
	atomic_store_explicit(&q->ring->produced, ++q->produced, memory_order_release);
	core_tell(t, r, q);
	return true;
}

/* --- what is kept --- */

static TAS_NOINLINE void bell_keep(struct lib_rings *r, struct tas_sock *s, uint32_t flags, uint32_t arg)
{
	struct tas_sock *first;

	if (flags & ABI_BELL_CONTEXT)
		atomic_store_explicit(&s->deferred_arg, arg, memory_order_relaxed);
	if (atomic_fetch_or(&s->deferred, (flags & BELL_KEPT) | DEFERRED_ON) & DEFERRED_ON)
		return;
	first = atomic_load_explicit(&r->deferred, memory_order_relaxed);
	do
		s->deferred_next = first;
	while (!atomic_compare_exchange_weak_explicit(&r->deferred, &first, s, memory_order_release,
		memory_order_relaxed));
}

/* One that was kept, off the list: sends it and, if it was closed, frees it. False if the ring is full:
 * it is kept again. */
static bool kept_send(struct tas_ctx *c, struct lib_rings *r, struct tas_sock *s)
{
	uint32_t all = atomic_exchange(&s->deferred, 0), flags = all & ~(DEFERRED_ON | DEFERRED_FREE);
	uint32_t arg = atomic_load_explicit(&s->deferred_arg, memory_order_relaxed);

	if (flags != 0 && lib_att_alive(r->att) && !bell_send(c->t, r, s, flags, arg)) {
		bell_keep(r, s, all, arg);
		return false;
	}
	if (all & DEFERRED_FREE)
		lib_sock_free(s);
	return true;
}

static bool flush_locked(struct tas_ctx *c, struct lib_rings *r)
{
	/* pairs with the release in bell_keep */
	struct tas_sock *s = atomic_exchange_explicit(&r->deferred, NULL, memory_order_acquire), *next;
	bool all = true;

	for (; s != NULL; s = next) {
		next = s->deferred_next;
		all &= kept_send(c, r, s);
	}
	return all;
}

bool lib_bell_flush(struct tas_ctx *c, struct lib_rings *r)
{
	bool all;

	if (likely(atomic_load_explicit(&r->deferred, memory_order_relaxed) == NULL))
		return true;
	if (!lib_lock_enter(&c->t->os, &r->bell_lock))
		return false;
	all = flush_locked(c, r);
	lib_lock_leave(&c->t->os, &r->bell_lock);
	return all;
}

/* --- one message --- */

static TAS_NOINLINE struct lib_rings *rings_for(struct tas_ctx *c, const struct tas_sock *s)
{
	struct lib_rings *r = lib_ctx_rings(c);

	if (r != NULL && r->att == s->att)
		return r;
	/* no rings of our own in that attachment: it is dead, and so is the flow; or tasd refused them */
	if (!lib_att_alive(s->att))
		return NULL;
	return atomic_load_explicit(&s->rings, memory_order_relaxed);
}

/* False: it was kept, flags and all. */
static inline bool bell(struct tas_ctx *c, struct tas_sock *s, uint32_t flags, uint32_t arg)
{
	struct lib_rings *r = c->rings;
	bool sent;

	if (unlikely(r == NULL || r->att != s->att || !lib_att_alive(r->att))) {
		r = rings_for(c, s);
		if (r == NULL)
			return true; /* there is nobody to tell */
	}
	if (unlikely(!lib_lock_enter(&c->t->os, &r->bell_lock))) {
		bell_keep(r, s, flags, arg);
		return false;
	}
	sent = bell_send(c->t, r, s, flags & ~DEFERRED_FREE, arg);
	lib_lock_leave(&c->t->os, &r->bell_lock);
	if (unlikely(!sent))
		bell_keep(r, s, flags, arg);
	else if (unlikely(atomic_load_explicit(&r->deferred, memory_order_relaxed) != NULL))
		lib_bell_flush(c, r);
	return sent;
}

void lib_bell(struct tas_ctx *c, struct tas_sock *s, uint32_t flags, uint32_t arg) { bell(c, s, flags, arg); }

void lib_bell_last(struct tas_ctx *c, struct tas_sock *s, uint32_t flags)
{
	if (bell(c, s, flags | DEFERRED_FREE, 0)) /* if not: whoever sends it frees the socket */
		lib_bell_done(s);
}

void lib_bell_done(struct tas_sock *s)
{
	if (atomic_fetch_or(&s->deferred, DEFERRED_FREE | DEFERRED_ON) & DEFERRED_ON)
		return; /* it is on a list for something earlier: as above */
	atomic_store_explicit(&s->deferred, 0, memory_order_relaxed);
	lib_sock_free(s);
}

static bool bells_taken(const struct lib_rings *r, uint32_t cores)
{
	for (uint32_t i = 0; i < cores; i++) {
		struct abi_bell_ring *ring = r->bells[i].ring;

		if (atomic_load_explicit(&ring->consumed, memory_order_acquire) <
			atomic_load_explicit(&ring->produced, memory_order_relaxed))
			return false;
	}
	return true;
}

void lib_bells_pass(struct lib_att *a)
{
	enum { PATIENCE_MS = 100, NAP_US = 50 };
	const struct timespec nap = { 0, NAP_US * (long)NS_PER_US };
	uint32_t n = atomic_load_explicit(&a->nr_rings, memory_order_acquire);
	unsigned naps = 0;

	for (uint32_t i = 0; i < n; i++) {
		while (!bells_taken(&a->rings[i], a->cores) && naps++ < PATIENCE_MS * 1000 / NAP_US)
			LIB_SYS(&a->t->os, SYS_nanosleep, (long)&nap, 0);
	}
}
