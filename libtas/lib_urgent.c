/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_urgent.c - the urgent byte of a connection, as Linux gives it to programs.
 *
 * tasd says where the byte is (abi_flow_urgent); how far the program has read is known here. What both
 * make together is computed anew at each question, so nothing has to be kept but what was told. While the
 * reader is not past the mark, rx_gen is a number that ring_gen never has, so that every read comes by the
 * slow way, and those of other connections cost nothing. */
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

enum { TRIES = 1000 }; /* tasd writes a few words; if it died between them it does not matter */

static uint32_t events_of(const struct tas_sock *s)
{
	return atomic_load_explicit(&s->rec->events, memory_order_acquire);
}

/* What tasd wrote together. */
static void record_read(const struct tas_sock *s, struct lib_urgent *u)
{
	const struct abi_flow_urgent *shm = lib_urgent_of(s);

	for (unsigned tries = 0; tries < TRIES; tries++) {
		u->count = atomic_load_explicit(&shm->count, memory_order_acquire);
		u->at = atomic_load_explicit(&shm->at, memory_order_relaxed);
		u->from = atomic_load_explicit(&shm->from, memory_order_relaxed);
		u->to = atomic_load_explicit(&shm->to, memory_order_relaxed);
		u->byte = atomic_load_explicit(&shm->byte, memory_order_relaxed);
		/* pairs with tasd's release fence */
		atomic_thread_fence(memory_order_acquire);
		if (!(u->count & 1) && atomic_load_explicit(&shm->count, memory_order_relaxed) == u->count)
			return;
		lib_patience(&s->t->os, tries);
	}
	u->count &= ~1u;
}

/* Of an urgent byte that was not read inline nothing is left in the stream once another was announced while
 * the reader stood at it. */
static void step_over(const struct tas_sock *s, struct lib_urgent *u)
{
	uint64_t mark = atomic_load_explicit(&s->urgent_at, memory_order_relaxed);

	if (u->count == u->seen || lib_urgent_inline(s))
		return;
	if (u->read == mark && u->end > u->read)
		u->read++;
	if (u->read == u->from && (int64_t)(u->end - u->to) >= 0)
		u->read = u->to;
}

void lib_urgent_read(const struct tas_sock *s, struct lib_urgent *u)
{
	unsigned tries = 0;

	do { /* the end first: see ABI_EV_URGENT. It may be older than what is said of bytes that came */
		u->end = atomic_load_explicit(&s->rec->rx_end, memory_order_acquire);
		record_read(s, u);
	} while ((int64_t)(u->to - u->end) > 0 && u->to != u->at && tries++ < TRIES);
	u->seen = atomic_load_explicit(&lib_urgent_of(s)->seen, memory_order_relaxed);
	u->read = atomic_load_explicit(&s->rx_read, memory_order_relaxed);
	step_over(s, u);
	u->ahead = u->at - u->read;
	u->active = u->count != 0 && (int64_t)u->ahead >= 0;
	u->there = (u->byte & ABI_URGENT_THERE) || (int64_t)(u->end - u->at) > 0;
	u->taken = atomic_load_explicit(&lib_urgent_of(s)->taken, memory_order_relaxed) == u->count;
}

/* The urgent byte is next, and not to be read. */
static bool at_hole(const struct tas_sock *s, const struct lib_urgent *u)
{
	return u->active && u->ahead == 0 && u->end != u->read && !lib_urgent_inline(s);
}

/* A read would give so many bytes, all told. */
uint64_t lib_urgent_readable(const struct tas_sock *s, const struct lib_urgent *u)
{
	return u->end - u->read - at_hole(s, u);
}

/* With rx_lock. In this order: who looks meanwhile sees bytes that are gone rather than none. */
void lib_urgent_take(struct tas_ctx *c, struct tas_sock *s, struct lib_urgent *u)
{
	uint64_t was = atomic_load_explicit(&s->rx_read, memory_order_relaxed);

	atomic_store_explicit(&lib_urgent_of(s)->seen, u->count, memory_order_relaxed);
	atomic_store_explicit(&s->urgent_at, u->at, memory_order_release);
	if (u->read != was)
		lib_rx_consume(c, s, u->read - was);
	s->rx_gen = u->active ? ~atomic_load_explicit(&s->rec->ring_gen, memory_order_relaxed) : s->rx_gen;
}

uint64_t lib_urgent_limit(struct tas_ctx *c, struct tas_sock *s, struct lib_urgent *u, bool peek,
	uint32_t *hole)
{
	*hole = 0;
	if (!u->active)
		return u->end - u->read;
	if (u->ahead > 0)
		return min_u64(u->end - u->read, u->ahead);
	if (!at_hole(s, u))
		return u->end - u->read;
	*hole = peek ? 1 : 0;
	if (!peek)
		lib_rx_consume(c, s, 1);
	return u->end - u->read - 1;
}

/* --- what is told --- */

/* A pointer that nobody here was told of, or its byte. */
uint32_t lib_urgent_edges(struct tas_sock *s)
{
	struct lib_urgent u;
	uint32_t told, now, edges = 0;

	if (!lib_urgent_look(s, &u))
		return 0;
	now = u.count | (u.there ? 1 : 0);
	told = atomic_exchange_explicit(&s->urgent_told, now, memory_order_relaxed);
	if (u.count != (told & ~1u))
		edges |= TAS_EV_URGENT;
	if (u.active && u.there && told != now)
		edges |= TAS_EV_PRI;
	return edges;
}

uint32_t lib_urgent_ready(const struct tas_sock *s, uint32_t ready)
{
	struct lib_urgent u;

	if (!lib_urgent_look(s, &u))
		return ready;
	if (lib_urgent_readable(s, &u) != 0)
		ready |= TAS_EV_IN;
	if (u.active && u.there && !u.taken)
		ready |= TAS_EV_PRI;
	return ready;
}

void lib_urgent_tell(struct tas_sock *s, uint32_t edges)
{
	lib_tell(s, edges & ~(uint32_t)TAS_EV_URGENT);
	lib_tell(s, edges & TAS_EV_URGENT);
}

/* --- the calls --- */

size_t tas_mark(struct tas_sock *s)
{
	struct lib_urgent u;

	if (!lib_sock_here(s) || !lib_urgent_look(s, &u) || !u.active)
		return SIZE_MAX;
	return u.ahead;
}

void tas_set_oobinline(struct tas_sock *s, bool on)
{
	atomic_store_explicit(&s->urgent_inline, on, memory_order_relaxed);
}

/* With rx_lock. */
static int urgent_byte(struct tas_sock *s, const struct lib_urgent *u)
{
	return u->byte & ABI_URGENT_THERE ? (int)(u->byte & 0xff)
					  : (uint8_t)s->rx_ring[(uint32_t)u->at & s->rx_mask];
}

/* With rx_lock: the byte, or -errno. */
static int urgent_take(struct tas_ctx *c, struct tas_sock *s, bool peek)
{
	struct lib_urgent u;

	if (!lib_urgent_look(s, &u))
		return -EINVAL;
	lib_urgent_take(c, s, &u);
	if (!u.active || u.taken || lib_urgent_inline(s))
		return -EINVAL;
	lib_sock_look(s);
	if (atomic_load_explicit(&s->state, memory_order_relaxed) & STATE_RESET)
		return -ENOTCONN;
	if (!u.there)
		return (events_of(s) & ABI_EV_RX_FIN) ||
				(atomic_load_explicit(&s->state, memory_order_relaxed) & STATE_RX_SHUT)
			? -ENODATA
			: -EAGAIN;
	if (!peek)
		atomic_store_explicit(&lib_urgent_of(s)->taken, u.count, memory_order_relaxed);
	return urgent_byte(s, &u);
}

ssize_t tas_recv_urgent(struct tas_ctx *c, struct tas_sock *s, void *buf, unsigned flags)
{
	int error = lib_rx_enter(c, s), byte;
	uint32_t edges;

	if (error != 0)
		return error;
	byte = urgent_take(c, s, (flags & TAS_PEEK) != 0);
	edges = lib_urgent_edges(s);
	lib_sock_leave(c, s, &s->rx_lock);
	lib_urgent_tell(s, edges);
	if (byte == -ENODATA)
		return 0;
	if (byte < 0)
		return byte;
	*(uint8_t *)buf = (uint8_t)byte;
	return 1;
}
