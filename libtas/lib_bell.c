/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_bell.c - messages to tasd's cores (see include/abi/abi.h).
 *
 * A message that cannot be sent now - its ring is full, or a handler interrupted its own thread in the
 * midst of sending one - is kept in the flow's record, where tasd finds it: flags add up, and positions go
 * on. So nothing is left to do for anybody in this process, which may end. */
#include "include/base/assert.h"
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

enum { BELL_CHOSEN = ABI_BELL_OPTIONS | ABI_BELL_NODELAY | ABI_BELL_MORE };

/* What was kept before, and what is said now: of the options the latter. */
static uint32_t merged(uint32_t kept, uint32_t flags)
{
	return flags | (flags & ABI_BELL_OPTIONS ? kept & ~(uint32_t)BELL_CHOSEN : kept);
}

static void read_is_told(struct tas_sock *s, uint64_t read)
{
	if (read != atomic_load_explicit(&s->rx_told, memory_order_relaxed))
		atomic_store_explicit(&s->rx_told, read, memory_order_relaxed);
}

static void bell_write(struct abi_bell *b, struct tas_sock *s, uint32_t flags)
{
	b->flow = s->flow;
	b->gen = s->gen;
	b->rx_read = atomic_load_explicit(&s->rx_read, memory_order_relaxed);
	b->tx_end = atomic_load_explicit(&s->tx_end, memory_order_relaxed);
	b->flags = flags;
	b->forks = (uint16_t)atomic_load_explicit(&s->t->forks, memory_order_relaxed);
	read_is_told(s, b->rx_read);
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

static inline struct lib_bells *bells_of(struct lib_rings *r, const struct tas_sock *s)
{
	uint32_t core = atomic_load_explicit(&s->rec->core, memory_order_relaxed);

	return &r->bells[likely(core < r->att->cores) ? core : 0];
}

/* With bell_lock held; false if the ring is full. */
static inline bool bell_send(struct tas *t, struct lib_rings *r, struct tas_sock *s, uint32_t flags)
{
	struct lib_bells *q = bells_of(r, s);

	if (unlikely(!bell_room(q)) && !bell_wait(t, q))
		return false;
	if (unlikely(atomic_load_explicit(&s->rec->kept, memory_order_relaxed) != 0))
		flags = merged(atomic_exchange(&s->rec->kept, 0), flags); /* it is older: not after this */
	bell_write(&q->ring->slot[q->produced % ABI_BELL_SLOTS], s, flags);
	/* pairs with tasd's acquire: the message, and the payload it speaks of, are written */
	atomic_store_explicit(&q->ring->produced, ++q->produced, memory_order_release);
	core_tell(t, r, q);
	return true;
}

/* --- what is kept --- */

/* Whoever sends and whoever receives may both be here: no position goes back. */
static void position_raise(_Atomic uint64_t *told, uint64_t now)
{
	uint64_t was = atomic_load_explicit(told, memory_order_relaxed);

	while ((int64_t)(now - was) > 0 && !atomic_compare_exchange_weak(told, &was, now))
		;
}

static TAS_NOINLINE void bell_keep(struct tas *t, struct lib_rings *r, struct tas_sock *s, uint32_t flags)
{
	struct abi_flow_rec *rec = s->rec;
	uint32_t group = s->rec_index / ABI_KEPT_GROUP;
	uint16_t was = atomic_load_explicit(&rec->kept, memory_order_relaxed);
	struct lib_bells *q = bells_of(r, s);

	if (atomic_load_explicit(&rec->gen, memory_order_relaxed) != s->gen)
		return; /* the flow has ended */
	position_raise(&rec->rx_read, atomic_load_explicit(&s->rx_read, memory_order_relaxed));
	position_raise(&rec->tx_end, atomic_load_explicit(&s->tx_end, memory_order_relaxed));
	read_is_told(s, atomic_load_explicit(&rec->rx_read, memory_order_relaxed));
	/* release, in this order; pairs with tasd's acquires in the other one: who sees the count sees the
	 * bit, the flags, and the positions */
	while (!atomic_compare_exchange_weak(&rec->kept, &was, (uint16_t)merged(was, flags)))
		;
	atomic_fetch_or(&r->att->header->kept[group / 64], 1ull << group % 64);
	atomic_fetch_add(&q->line->kept, 1);
	core_tell(t, r, q);
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

void lib_bell(struct tas_ctx *c, struct tas_sock *s, uint32_t flags)
{
	struct lib_rings *r = c->rings;
	bool sent = false;

	if (unlikely(r == NULL || r->att != s->att || !lib_att_alive(r->att))) {
		r = rings_for(c, s);
		if (r == NULL)
			return; /* there is nobody to tell */
	}
	if (flags & ABI_BELL_OPTIONS)
		flags |= atomic_load_explicit(&s->options, memory_order_relaxed);
	if (likely(lib_lock_enter(&c->t->os, &r->bell_lock))) {
		sent = bell_send(c->t, r, s, flags);
		lib_lock_leave(&c->t->os, &r->bell_lock);
	}
	if (unlikely(!sent))
		bell_keep(c->t, r, s, flags);
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

static bool kept_taken(const struct abi_core_line *line)
{
	return atomic_load_explicit(&line->kept_taken, memory_order_acquire) ==
		atomic_load_explicit(&line->kept, memory_order_relaxed);
}

static bool all_taken(const struct lib_att *a)
{
	uint32_t n = atomic_load_explicit(&a->nr_rings, memory_order_acquire);
	bool all = true;

	for (uint32_t i = 0; i < n && all; i++)
		all = bells_taken(&a->rings[i], a->cores);
	for (uint32_t i = 0; i < a->cores && all; i++)
		all = kept_taken(&a->header->core_line[i]);
	return all;
}

void lib_bells_pass(struct lib_att *a)
{
	enum { PATIENCE_MS = 100, NAP_US = 50 };
	const struct timespec nap = { 0, NAP_US * (long)NS_PER_US };
	unsigned naps = 0;

	while (!all_taken(a) && naps++ < PATIENCE_MS * 1000 / NAP_US)
		LIB_SYS(&a->t->os, SYS_nanosleep, (long)&nap, 0);
}
