/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_data.c - bytes in and out of the payload rings.
 *
 * tasd hears what was read when that matters to the peer's window: when the bytes freed since it last
 * heard are two segments or a quarter of the ring, or when it believes the ring nearly full. Less rides
 * along with whatever is sent. */
#include <string.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

/* --- rings --- */

struct ring {
	uint64_t off;
	uint32_t size, gen;
};

/* A ring as the record names it, from one moment: tasd may replace it. */
static struct ring ring_read(const struct abi_flow_rec *rec, const uint64_t *off, const uint32_t *size)
{
	struct ring r;

	do {
		r.gen = atomic_load_explicit(&rec->ring_gen, memory_order_acquire);
		r.off = *(const volatile uint64_t *)off;
		r.size = *(const volatile uint32_t *)size;
		atomic_thread_fence(memory_order_acquire);
	} while (atomic_load_explicit(&rec->ring_gen, memory_order_relaxed) != r.gen);
	return r;
}

static TAS_NOINLINE void rx_ring_load(struct tas_sock *s)
{
	struct ring r = ring_read(s->rec, &s->rec->rx_off, &s->rec->rx_size);

	if (r.size == 0)
		return; /* an active open that did not complete */
	s->rx_ring = s->att->base + r.off;
	s->rx_mask = r.size - 1;
	s->rx_gen = r.gen;
	lib_rx_size_set(s, r.size);
}

static TAS_NOINLINE void tx_ring_load(struct tas_sock *s)
{
	struct ring r = ring_read(s->rec, &s->rec->tx_off, &s->rec->tx_size);

	if (r.size == 0)
		return;
	s->tx_ring = s->att->base + r.off;
	s->tx_mask = r.size - 1;
	s->tx_gen = r.gen;
	lib_tx_size_set(s, r.size);
}

/* The n bytes from stream offset `pos` on, as they lie. */
static inline void ring_spans(char *ring, uint32_t mask, uint64_t pos, size_t n, struct tas_span span[2])
{
	uint32_t at = (uint32_t)pos & mask;
	size_t to_end = (size_t)mask + 1 - at;

	span[0] = (struct tas_span){ ring + at, n < to_end ? n : to_end };
	span[1] = (struct tas_span){ ring, n - span[0].len };
}

static inline void ring_get(char *dst, char *ring, uint32_t mask, uint64_t pos, size_t n)
{
	struct tas_span span[2];

	ring_spans(ring, mask, pos, n, span);
	memcpy(dst, span[0].data, span[0].len);
	if (unlikely(span[1].len != 0))
		memcpy(dst + span[0].len, span[1].data, span[1].len);
}

static inline void ring_put(char *ring, uint32_t mask, uint64_t pos, const char *src, size_t n)
{
	struct tas_span span[2];

	ring_spans(ring, mask, pos, n, span);
	memcpy(span[0].data, src, span[0].len);
	if (unlikely(span[1].len != 0))
		memcpy(span[1].data, src + span[0].len, span[1].len);
}

/* --- receive --- */

/* Another ring, or the flow is another process's: then without the lock until it is ours. Or a larger ring
 * may be had: this one is ours alone, as we have its lock. */
static TAS_NOINLINE int ring_change(struct tas_ctx *c, struct tas_sock *s, struct lib_lock *l,
	void (*load)(struct tas_sock *s), uint32_t grow)
{
	int error = 0;

	while (error == 0 && lib_moved(s)) {
		lib_sock_leave(c, s, l);
		error = lib_pull(c, s);
		if (error == 0)
			error = lib_sock_enter(c, s, l, 0);
	}
	if (error == 0)
		load(s);
	if (error == 0 && atomic_load_explicit(&s->rec->events, memory_order_relaxed) & grow) {
		lib_grow(s, grow);
		load(s);
	}
	return error;
}

/* Bytes from the first unread one on. */
static inline uint64_t rx_avail(const struct tas_sock *s)
{
	/* pairs with tasd's release: the bytes before rx_end are there */
	return atomic_load_explicit(&s->rec->rx_end, memory_order_acquire) -
		atomic_load_explicit(&s->rx_read, memory_order_relaxed);
}

enum { RX_MARK = 1 }; /* from rx_enter: there is, or was, a mark that the reader has not passed */

/* The ring is another one, or there is urgent data. */
static TAS_NOINLINE int rx_change(struct tas_ctx *c, struct tas_sock *s, uint64_t *avail)
{
	int error = ring_change(c, s, &s->rx_lock, rx_ring_load, ABI_EV_GROW_RX);
	struct lib_urgent u;

	if (error != 0)
		return error;
	*avail = rx_avail(s);
	return lib_urgent_look(s, &u) && (u.active || u.count != u.seen) ? RX_MARK : 0;
}

/* 0, RX_MARK, or -errno without the lock. */
static inline int rx_enter(struct tas_ctx *c, struct tas_sock *s, uint64_t *avail)
{
	int error = lib_sock_ours(c, s, 0);

	if (likely(error == 0))
		error = lib_sock_enter(c, s, &s->rx_lock, 0);
	if (unlikely(error != 0))
		return error;
	*avail = rx_avail(s);
	/* after it: see ABI_EV_URGENT */
	if (unlikely(atomic_load_explicit(&s->rec->ring_gen, memory_order_acquire) != s->rx_gen))
		error = rx_change(c, s, avail);
	return error;
}

int lib_rx_enter(struct tas_ctx *c, struct tas_sock *s)
{
	uint64_t avail;
	int error = rx_enter(c, s, &avail);

	return error < 0 ? error : 0;
}

static inline void rx_consume(struct tas_ctx *c, struct tas_sock *s, size_t n)
{
	uint64_t read = atomic_load_explicit(&s->rx_read, memory_order_relaxed) + n;
	uint64_t told = atomic_load_explicit(&s->rx_told, memory_order_relaxed);
	uint64_t end = atomic_load_explicit(&s->rec->rx_end, memory_order_relaxed);
	uint32_t worth = atomic_load_explicit(&s->rx_worth, memory_order_relaxed);

	/* release: the bytes were copied before tasd may write there again; it learns of it by the
	 * message's release */
	atomic_store_explicit(&s->rx_read, read, memory_order_release);
	if (lib_shared(c->t, s) && n != 0)
		lib_publish(s);
	if (unlikely(n != 0 && (read - told >= worth || end - told > s->rx_mask + 1ull - worth)))
		lib_bell(c, s, ABI_BELL_POSITIONS);
}

void lib_rx_consume(struct tas_ctx *c, struct tas_sock *s, size_t n) { rx_consume(c, s, n); }

/* What a read would give. */
static size_t rx_readable(const struct tas_sock *s)
{
	struct lib_urgent u;

	return lib_urgent_look(s, &u) ? lib_urgent_readable(s, &u) : rx_avail(s);
}

/* The pending error, which this call tells. */
static int error_take(struct tas_sock *s)
{
	int error = tas_error(s);

	if (error != 0)
		atomic_store_explicit(&s->told_error, (uint32_t)error, memory_order_relaxed);
	return error;
}

/* Nothing is there to read: what does that mean? -EINTR: something came in this moment. */
static TAS_NOINLINE ssize_t rx_nothing(struct tas_sock *s)
{
	uint32_t state, events;
	int error;

	lib_sock_look(s);
	events = atomic_load_explicit(&s->rec->events, memory_order_acquire);
	if (rx_readable(s) != 0)
		return -EINTR;
	error = error_take(s);
	if (error != 0)
		return -error;
	state = atomic_load_explicit(&s->state, memory_order_relaxed);
	return (events & ABI_EV_RX_FIN) || (state & (STATE_RESET | STATE_RX_SHUT)) ? 0 : -EAGAIN;
}

/* Leaves the lock. A loop that never blocks learns here that tasd died. */
static TAS_NOINLINE ssize_t rx_leave_empty(struct tas_ctx *c, struct tas_sock *s)
{
	ssize_t result = rx_nothing(s);

	lib_sock_leave(c, s, &s->rx_lock);
	if (result == -EAGAIN)
		tas_check(c->t);
	return result;
}

/* With rx_lock, after RX_MARK: what may be read up to the mark or from it on. */
static uint64_t mark_take(struct tas_ctx *c, struct tas_sock *s, unsigned flags, uint32_t *hole)
{
	struct lib_urgent u;

	if (!lib_urgent_look(s, &u))
		return rx_avail(s);
	lib_urgent_take(c, s, &u);
	return lib_urgent_limit(c, s, &u, (flags & TAS_PEEK) != 0, hole);
}

/* After RX_MARK. */
static TAS_NOINLINE ssize_t recv_at_mark(struct tas_ctx *c, struct tas_sock *s, void *buf, size_t len,
	unsigned flags)
{
	uint32_t hole = 0;
	uint64_t avail = mark_take(c, s, flags, &hole);
	uint32_t edges = lib_urgent_edges(s);
	size_t n = len < avail ? len : avail;
	ssize_t result;

	if (avail == 0) {
		result = rx_leave_empty(c, s);
		lib_urgent_tell(s, edges);
		return result == -EINTR ? tas_recv(c, s, buf, len, flags) : result;
	}
	ring_get(buf, s->rx_ring, s->rx_mask, atomic_load_explicit(&s->rx_read, memory_order_relaxed) + hole,
		n);
	if (!(flags & TAS_PEEK))
		rx_consume(c, s, n);
	lib_sock_leave(c, s, &s->rx_lock);
	lib_urgent_tell(s, edges);
	return (ssize_t)n;
}

ssize_t tas_recv(struct tas_ctx *c, struct tas_sock *s, void *buf, size_t len, unsigned flags)
{
	uint64_t avail;
	size_t n;
	int error;

	if (unlikely(len == 0))
		return lib_sock_ours(c, s, 0);
	error = rx_enter(c, s, &avail);
	if (unlikely(error != 0))
		return error == RX_MARK ? recv_at_mark(c, s, buf, len, flags) : error;
	if (unlikely(avail == 0)) {
		ssize_t result = rx_leave_empty(c, s);

		return result == -EINTR ? tas_recv(c, s, buf, len, flags) : result;
	}
	n = len < avail ? len : avail;
	ring_get(buf, s->rx_ring, s->rx_mask, atomic_load_explicit(&s->rx_read, memory_order_relaxed), n);
	if (likely(!(flags & TAS_PEEK)))
		rx_consume(c, s, n);
	lib_sock_leave(c, s, &s->rx_lock);
	return (ssize_t)n;
}

/* With TAS_PEEK a byte that is taken out of the stream is passed over, and not consumed. */
static ssize_t rx_begin(struct tas_ctx *c, struct tas_sock *s, size_t offset, struct tas_span span[2],
	unsigned flags)
{
	uint64_t avail;
	uint32_t hole = 0;
	int error = rx_enter(c, s, &avail);

	if (unlikely(error != 0)) {
		if (error != RX_MARK)
			return error;
		avail = mark_take(c, s, flags, &hole);
	}
	if (unlikely(avail <= offset)) {
		ssize_t result = avail == 0 ? rx_leave_empty(c, s) : -EAGAIN;

		if (avail != 0)
			lib_sock_leave(c, s, &s->rx_lock);
		return result == -EINTR ? rx_begin(c, s, offset, span, flags) : result;
	}
	offset += hole;
	ring_spans(s->rx_ring, s->rx_mask, atomic_load_explicit(&s->rx_read, memory_order_relaxed) + offset,
		avail - offset + hole, span);
	return (ssize_t)(avail - offset + hole);
}

ssize_t tas_rx_begin(struct tas_ctx *c, struct tas_sock *s, size_t offset, struct tas_span span[2])
{
	return rx_begin(c, s, offset, span, 0);
}

void tas_rx_end(struct tas_ctx *c, struct tas_sock *s, size_t consumed)
{
	rx_consume(c, s, consumed);
	lib_sock_leave(c, s, &s->rx_lock);
}

/* --- send --- */

static inline int tx_enter(struct tas_ctx *c, struct tas_sock *s)
{
	int error = lib_sock_ours(c, s, 0);

	if (likely(error == 0))
		error = lib_sock_enter(c, s, &s->tx_lock, 0);
	if (likely(error == 0) &&
		unlikely(atomic_load_explicit(&s->rec->ring_gen, memory_order_acquire) != s->tx_gen))
		error = ring_change(c, s, &s->tx_lock, tx_ring_load, ABI_EV_GROW_TX);
	return error;
}

static inline bool tx_open(const struct tas_sock *s)
{
	return likely(atomic_load_explicit(&s->state, memory_order_relaxed) == STATE_CONNECTED) &&
		likely(!(atomic_load_explicit(&s->rec->events, memory_order_relaxed) &
			(ABI_EV_RESET | ABI_EV_ERROR)));
}

/* Why nothing can be sent; 0: it can. */
static TAS_NOINLINE int tx_refusal(struct tas_sock *s)
{
	uint32_t state;
	int error;

	lib_sock_look(s);
	error = error_take(s);
	if (error != 0)
		return -error;
	state = atomic_load_explicit(&s->state, memory_order_relaxed);
	if (state & (STATE_RESET | STATE_TX_SHUT))
		return -EPIPE;
	if (!(state & STATE_CONNECTED))
		return -EAGAIN;
	if (s->tx_mask == 0)
		tx_ring_load(s); /* the open completed just now */
	return 0;
}

/* What the record says now. Of what is free, as much as TCP_NOTSENT_LOWAT leaves, and what is left of a
 * segment. */
static TAS_NOINLINE uint64_t tx_space_look(struct tas_sock *s, uint64_t end)
{
	uint32_t lowat = atomic_load_explicit(&s->notsent_lowat, memory_order_relaxed), unsent;
	uint64_t size = lib_tx_used_size(s, s->tx_mask + 1), used;

	/* pairs with tasd's release: it reads those bytes no more */
	s->tx_una = atomic_load_explicit(&s->rec->tx_una, memory_order_acquire);
	used = end - s->tx_una;
	if (used >= size) /* more, if less of it is used than before */
		return 0;
	if (lowat == 0)
		return size - used;
	unsent = lib_unsent(s, end, used);
	return unsent < lowat ? min_u64(size - used, max_u32(lowat - unsent, s->rec->snd_mss)) : 0;
}

/* Free bytes of what is used of the ring; asks the record only if those known are fewer than wanted. */
static inline uint64_t tx_space(struct tas_sock *s, int64_t wanted)
{
	uint64_t end = atomic_load_explicit(&s->tx_end, memory_order_relaxed);
	uint64_t size = atomic_load_explicit(&s->tx_size, memory_order_relaxed);
	int64_t space = (int64_t)(size - (end - s->tx_una));

	return likely(space >= wanted) ? (uint64_t)space : tx_space_look(s, end);
}

/* The n bytes behind tx_end are filled. `full`: there was more to send. False: another process took the flow
 * meanwhile, perhaps without them. */
static __attribute__((always_inline)) inline bool tx_commit(struct tas_ctx *c, struct tas_sock *s, size_t n,
	unsigned flags, bool full, bool urgent)
{
	uint32_t bell = ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | (flags & TAS_MORE ? ABI_BELL_MORE : 0);

	if (unlikely(full)) {
		atomic_store_explicit(&s->want_out, 1, memory_order_relaxed);
		bell |= ABI_BELL_WANT_SPACE;
	}
	if (urgent) { /* before the positions: tasd finds it with them, whichever way it learns of them */
		atomic_store_explicit(&lib_urgent_of(s)->tx_end,
			atomic_load_explicit(&s->tx_end, memory_order_relaxed) + n, memory_order_release);
		bell |= ABI_BELL_URGENT;
	}
	atomic_store_explicit(&s->tx_end, atomic_load_explicit(&s->tx_end, memory_order_relaxed) + n,
		memory_order_release);
	if (lib_shared(c->t, s) && lib_publish(s))
		return false;
	lib_bell(c, s, bell);
	return true;
}

/* Leaves the lock. The flow moved away while n bytes were written: how many of them went along? -EINTR: none,
 * to be written again. */
static TAS_NOINLINE ssize_t tx_moved(struct tas_ctx *c, struct tas_sock *s, size_t n)
{
	uint64_t from = atomic_load_explicit(&s->tx_end, memory_order_relaxed) - n;
	int error;

	lib_sock_leave(c, s, &s->tx_lock);
	error = lib_pull(c, s);
	if (error != 0)
		return error;
	return s->taken > from ? (ssize_t)min_u64(s->taken - from, n) : -EINTR;
}

/* Leaves the lock; the ring is full. */
static TAS_NOINLINE ssize_t tx_leave_full(struct tas_ctx *c, struct tas_sock *s)
{
	if (atomic_exchange(&s->want_out, 1) == 0)
		lib_bell(c, s, ABI_BELL_POSITIONS | ABI_BELL_WANT_SPACE);
	lib_sock_leave(c, s, &s->tx_lock);
	tas_check(c->t);
	return -EAGAIN;
}

/* Enters tx_lock if there is space: how much of it, at most, in *space. Else what the caller returns. */
static inline ssize_t tx_begin(struct tas_ctx *c, struct tas_sock *s, uint64_t wanted, uint64_t *space)
{
	int error = tx_enter(c, s);

	if (unlikely(error != 0))
		return error;
	if (unlikely(!tx_open(s))) {
		error = tx_refusal(s);
		if (error != 0) {
			lib_sock_leave(c, s, &s->tx_lock);
			return error;
		}
	}
	*space = tx_space(s, (int64_t)wanted);
	return unlikely(*space == 0) ? tx_leave_full(c, s) : 0;
}

/* No bytes, but a broken connection says so. */
static TAS_NOINLINE ssize_t tx_nothing(struct tas_ctx *c, struct tas_sock *s)
{
	int error = tx_enter(c, s);

	if (error != 0)
		return error;
	error = tx_open(s) ? 0 : tx_refusal(s);
	lib_sock_leave(c, s, &s->tx_lock);
	return error == -EAGAIN ? 0 : error;
}

ssize_t tas_send(struct tas_ctx *c, struct tas_sock *s, const void *buf, size_t len, unsigned flags)
{
	uint64_t space;
	ssize_t refused;
	size_t n;

	if (unlikely(len == 0))
		return tx_nothing(c, s);
	refused = tx_begin(c, s, len, &space);
	if (unlikely(refused != 0))
		return refused;
	n = len < space ? len : space;
	ring_put(s->tx_ring, s->tx_mask, atomic_load_explicit(&s->tx_end, memory_order_relaxed), buf, n);
	if (unlikely(!tx_commit(c, s, n, flags, n < len, false))) {
		ssize_t went = tx_moved(c, s, n);

		return went == -EINTR ? tas_send(c, s, buf, len, flags) : went;
	}
	lib_sock_leave(c, s, &s->tx_lock);
	return (ssize_t)n;
}

ssize_t tas_tx_begin(struct tas_ctx *c, struct tas_sock *s, struct tas_span span[2])
{
	uint64_t space;
	ssize_t refused = tx_begin(c, s, INT64_MAX, &space);

	if (unlikely(refused != 0))
		return refused;
	ring_spans(s->tx_ring, s->tx_mask, atomic_load_explicit(&s->tx_end, memory_order_relaxed), space,
		span);
	return (ssize_t)space;
}

bool tas_tx_end(struct tas_ctx *c, struct tas_sock *s, size_t filled, unsigned flags)
{
	if (filled != 0 && unlikely(!tx_commit(c, s, filled, flags, tx_space(s, 1) == filled, false)))
		return false;
	lib_sock_leave(c, s, &s->tx_lock);
	return true;
}

ssize_t tas_tx_moved(struct tas_ctx *c, struct tas_sock *s, size_t filled)
{
	ssize_t went = tx_moved(c, s, filled);

	return went == -EINTR ? 0 : went;
}

/* --- vectors --- */

/* Moves bytes between spans and a vector, `skip` bytes of which are passed over; returns how many. */
static size_t vector_move(const struct iovec *iov, int iovcnt, size_t skip, struct tas_span span[2], bool out)
{
	size_t moved = 0;
	unsigned at = 0;

	for (int i = 0; i < iovcnt; i++) {
		char *user = (char *)iov[i].iov_base + min_u64(skip, iov[i].iov_len);
		size_t left = iov[i].iov_len - min_u64(skip, iov[i].iov_len);

		skip -= min_u64(skip, iov[i].iov_len);
		while (left > 0) {
			size_t n = min_u64(left, span[at].len);

			if (n == 0 && ++at == 2)
				return moved;
			if (out)
				memcpy(user, span[at].data, n);
			else
				memcpy(span[at].data, user, n);
			span[at].data = (char *)span[at].data + n;
			span[at].len -= n;
			user += n;
			left -= n;
			moved += n;
		}
	}
	return moved;
}

static size_t vector_len(const struct iovec *iov, int iovcnt, size_t skip)
{
	size_t sum = 0;

	for (int i = 0; i < iovcnt; i++)
		sum += iov[i].iov_len;
	return sum > skip ? sum - skip : 0;
}

ssize_t tas_readv(struct tas_ctx *c, struct tas_sock *s, const struct iovec *iov, int iovcnt, size_t skip,
	unsigned flags)
{
	struct tas_span span[2];
	ssize_t avail;
	size_t n;

	if (vector_len(iov, iovcnt, skip) == 0)
		return tas_recv(c, s, NULL, 0, flags);
	avail = rx_begin(c, s, 0, span, flags);
	if (avail <= 0)
		return avail;
	n = vector_move(iov, iovcnt, skip, span, true);
	tas_rx_end(c, s, flags & TAS_PEEK ? 0 : n);
	return (ssize_t)n;
}

static __attribute__((always_inline)) inline ssize_t writev_as(struct tas_ctx *c, struct tas_sock *s,
	const struct iovec *iov, int iovcnt, size_t skip, unsigned flags, bool urgent)
{
	size_t len = vector_len(iov, iovcnt, skip), n;
	struct tas_span span[2];
	uint64_t space;
	ssize_t refused;

	if (len == 0)
		return tx_nothing(c, s);
	refused = tx_begin(c, s, len, &space);
	if (refused != 0)
		return refused;
	ring_spans(s->tx_ring, s->tx_mask, atomic_load_explicit(&s->tx_end, memory_order_relaxed), space,
		span);
	n = vector_move(iov, iovcnt, skip, span, false);
	if (unlikely(!tx_commit(c, s, n, flags, n < len, urgent))) {
		ssize_t went = tx_moved(c, s, n);

		if (went != -EINTR)
			return went;
		return urgent ? tas_writev_urgent(c, s, iov, iovcnt, skip, flags)
			      : tas_writev(c, s, iov, iovcnt, skip, flags);
	}
	lib_sock_leave(c, s, &s->tx_lock);
	return (ssize_t)n;
}

ssize_t tas_writev(struct tas_ctx *c, struct tas_sock *s, const struct iovec *iov, int iovcnt, size_t skip,
	unsigned flags)
{
	return writev_as(c, s, iov, iovcnt, skip, flags, false);
}

ssize_t tas_writev_urgent(struct tas_ctx *c, struct tas_sock *s, const struct iovec *iov, int iovcnt,
	size_t skip, unsigned flags)
{
	return writev_as(c, s, iov, iovcnt, skip, flags, true);
}

/* --- how much --- */

bool lib_sock_here(struct tas_sock *s)
{
	if (atomic_load_explicit(&s->stamp, memory_order_acquire) != lib_stamp(s->t))
		return s->listener == NULL && tas_sock_inherited(s) && lib_adopt_try(s);
	return !lib_moved(s) || lib_pull_try(s);
}

size_t tas_rx_bytes(struct tas_sock *s)
{
	struct lib_urgent u;

	if (!lib_sock_here(s))
		return 0;
	if (likely(!lib_urgent_look(s, &u)))
		return rx_avail(s);
	return u.active && !lib_urgent_inline(s) ? min_u64(u.end - u.read, u.ahead) : u.end - u.read;
}

bool tas_rx_enough(struct tas_sock *s, size_t n)
{
	struct lib_urgent u;

	if (!lib_sock_here(s))
		return false;
	if (likely(!lib_urgent_look(s, &u)))
		return rx_avail(s) >= n;
	return lib_urgent_readable(s, &u) >= (u.active && u.ahead > 0 ? min_u64(n, u.ahead) : n);
}

size_t tas_tx_bytes(struct tas_sock *s)
{
	if (!lib_sock_here(s))
		return 0;
	return atomic_load_explicit(&s->tx_end, memory_order_relaxed) -
		atomic_load_explicit(&s->rec->tx_una, memory_order_acquire);
}
