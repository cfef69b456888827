/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/file.h"

#include <poll.h>

#include "include/base/assert.h"
#include "libtas/posix/epset.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/owner.h"
#include "libtas/posix/wait.h"

static struct px_pool file_pool = PX_POOL_OF(struct file, pooled);

/* --- references --- */

static uint64_t forks_tag(void) { return (uint64_t)px_fork_count() << FILE_REFS_FORKS_SHIFT; }

/* Without the calls of threads that stayed in the parent. */
static inline uint64_t refs_here(uint64_t refs)
{
	uint64_t tag = forks_tag();

	return likely((refs ^ tag) >> FILE_REFS_FORKS_SHIFT == 0) ? refs : tag | (refs & FILE_REFS_FDS);
}

static inline uint64_t refs_count(uint64_t refs) { return refs & (FILE_REFS_FDS | FILE_REFS_CALLS); }

uint64_t file_refs(const struct file *f)
{
	uint64_t refs = refs_here(atomic_load(&f->refs));

	return (refs & FILE_REFS_CALLS) + ((refs & FILE_REFS_FDS) >> FILE_REFS_FD_SHIFT);
}

struct file *file_new(enum file_kind kind, int family)
{
	struct file *f = px_pool_get(&file_pool);

	if (f == NULL)
		return NULL;
	TAS_ASSERT(file_refs(f) == 0 && f->items == NULL);
	atomic_store_explicit(&f->sock, NULL, memory_order_relaxed);
	atomic_store_explicit(&f->flags, 0, memory_order_relaxed);
	atomic_store_explicit(&f->kernel_empty, 0, memory_order_relaxed);
	atomic_store_explicit(&f->kernel_gave, false, memory_order_relaxed);
	atomic_store_explicit(&f->opts, NULL, memory_order_relaxed);
	f->family = (uint8_t)family;
	f->secret = 0;
	atomic_store_explicit(&f->owner, 0, memory_order_relaxed);
	atomic_store_explicit(&f->kind, (uint8_t)kind, memory_order_relaxed);
	atomic_store_explicit(&f->refs, forks_tag() | 1, memory_order_release);
	return f;
}

bool file_get(struct file *f)
{
	uint64_t refs = atomic_load_explicit(&f->refs, memory_order_relaxed), here;

	do {
		here = refs_here(refs);
		if (refs_count(here) == 0)
			return false;
	} while (!atomic_compare_exchange_weak(&f->refs, &refs, here + 1));
	return true;
}

/* --- the end --- */

static void end(struct file *f)
{
	atomic_store_explicit(&f->sock, NULL, memory_order_relaxed);
	atomic_store_explicit(&f->kind, FILE_FREE, memory_order_release);
	px_pool_put(&file_pool, f);
}

/* The close that lingered never returns. */
static void linger_abandoned(struct file *f)
{
	tas_close(inst_ctx(), file_sock(f), false);
	opt_drop(f);
	end(f);
}

/* SO_LINGER with a time: what is unsent goes out first, for so long. */
static void linger(struct file *f, int seconds)
{
	struct tas_ctx *c = inst_ctx();

	tas_shutdown(c, file_sock(f), TAS_SHUT_WR);
	wait_file(f,
		&(struct wait_for){ .events = TAS_EV_TX_DONE,
			.kernel_fd = -1,
			.deadline = inst_clock() + (tas_ns)seconds * NS_PER_SEC,
			.abandoned = linger_abandoned });
}

/* A connection that found no descriptor is a connection that nobody accepted: its peer is told by RST. */
static void stash_close(struct file *f)
{
	struct tas_sock *s = atomic_load(&f->stash) != NULL ? atomic_exchange(&f->stash, NULL) : NULL;

	if (s != NULL)
		tas_close(inst_ctx(), s, true);
}

static void sock_close(struct file *f)
{
	struct tas_sock *s = file_sock(f);
	int seconds = file_kind(f) == FILE_FLOW ? opt_linger_s(f) : -1;

	stash_close(f);
	if (s == NULL)
		return;
	if (seconds > 0 && !tas_sock_shared(s)) /* only the last close lingers */
		linger(f, seconds);
	tas_close(inst_ctx(), s, seconds == 0);
}

static void destroy(struct file *f)
{
	epset_file_closed(f);
	if (file_kind(f) == FILE_EPOLL) {
		epset_destroy(f->set);
		f->set = NULL;
	} else {
		sock_close(f);
		opt_drop(f);
	}
	end(f);
}

void file_put(struct file *f)
{
	uint64_t refs = atomic_fetch_sub(&f->refs, 1);

	if (unlikely((refs & FILE_REFS_CALLS) == 0)) /* forked in a handler: this call counts no more */
		atomic_fetch_add(&f->refs, 1);
	else if (refs_count(refs) == 1)
		destroy(f);
}

void file_keep(struct file *f) { atomic_fetch_add(&f->refs, (1ull << FILE_REFS_FD_SHIFT) - 1); }

void file_unkeep(struct file *f)
{
	uint64_t refs = atomic_load_explicit(&f->refs, memory_order_relaxed), left;

	do
		left = refs_here(refs) - (1ull << FILE_REFS_FD_SHIFT);
	while (!atomic_compare_exchange_weak(&f->refs, &refs, left));
	if (refs_count(left) == 0)
		destroy(f);
}

/* --- changes of kind --- */

void file_accelerate(struct file *f, struct tas_sock *s, enum file_kind kind)
{
	TAS_ASSERT(kind == FILE_FLOW || kind == FILE_LISTENER);
	atomic_store_explicit(&f->sock, s, memory_order_relaxed);
	tas_sock_set_user(s, f);
	/* pairs with the acquire in file_kind: who sees the kind sees the socket */
	atomic_store_explicit(&f->kind, (uint8_t)kind, memory_order_release);
	epset_moved(f);
}

void file_decelerate(struct file *f, bool abort_it)
{
	struct tas_sock *s = file_sock(f);

	atomic_store_explicit(&f->kind, FILE_PLAIN, memory_order_release);
	atomic_store_explicit(&f->sock, NULL, memory_order_relaxed);
	file_flag(f, FILE_CONNECTING | FILE_SHUT_RD | FILE_SHUT_WR | FILE_KERNEL_SIDE, false);
	tas_close(inst_ctx(), s, abort_it);
	stash_close(f);
	epset_moved(f);
	file_tell(f, UINT32_MAX >> 1); /* who waits on it looks again */
}

/* --- what is true --- */

enum { READ_BITS = POLLIN | POLLRDNORM, WRITE_BITS = POLLOUT | POLLWRNORM };

static uint32_t flow_ready(struct file *f)
{
	struct tas_sock *s = file_sock(f);
	uint32_t ready = s != NULL ? tas_ready(s) : 0;

	if (unlikely(file_has(f, FILE_LOWAT)) && s != NULL &&
		!(ready & (TAS_EV_RDHUP | TAS_EV_ERR | TAS_EV_HUP)) &&
		!tas_rx_enough(s, (size_t)opt_int(f, OPT_RCVLOWAT, 1)))
		ready &= ~(uint32_t)TAS_EV_IN;
	return ready;
}

static uint32_t listener_ready(struct file *f)
{
	struct tas_sock *s = file_sock(f);
	uint32_t ready = s != NULL ? tas_ready(s) & TAS_EV_IN : 0;

	if (atomic_load_explicit(&f->stash, memory_order_relaxed) != NULL)
		ready |= TAS_EV_IN;
	return ready;
}

/* With a reference, as a set that ends gives its items back. */
static uint32_t set_ready(struct file *f)
{
	struct epset *set;
	uint32_t ready = 0;

	if (!file_get(f))
		return 0;
	set = atomic_load_explicit(&f->set, memory_order_acquire);
	if (file_kind(f) == FILE_EPOLL && set != NULL && epset_has_ready(set))
		ready = TAS_EV_IN;
	file_put(f);
	return ready;
}

uint32_t file_ready(struct file *f)
{
	uint32_t ready = 0;

	switch (file_kind(f)) {
	case FILE_FLOW: ready = flow_ready(f); break;
	case FILE_LISTENER: ready = listener_ready(f); break;
	case FILE_EPOLL: ready = set_ready(f); break;
	default: break;
	}
	if (ready & TAS_EV_IN)
		ready |= READ_BITS;
	if (ready & TAS_EV_OUT)
		ready |= WRITE_BITS;
	return ready;
}

/* --- events --- */

bool file_lock(struct file *f) { return px_lock_enter(&f->lock); }

void file_unlock(struct file *f)
{
	for (;;) {
		uint32_t bits = atomic_load_explicit(&f->pending, memory_order_relaxed);

		if (unlikely(bits != 0))
			epset_signal(f, atomic_exchange(&f->pending, 0));
		px_lock_leave(&f->lock);
		atomic_signal_fence(
			memory_order_seq_cst); /* a handler of this thread comes before or after */
		if (likely(atomic_load_explicit(&f->pending, memory_order_relaxed) == 0) || !file_lock(f))
			return;
	}
}

void file_tell(struct file *f, uint32_t edges)
{
	waitlist_wake(&f->waiters, edges);
	if (f->items == NULL)
		return;
	if (!file_lock(f)) {
		atomic_fetch_or(&f->pending, edges);
		return;
	}
	epset_signal(f, edges);
	file_unlock(f);
}

void file_repel(struct file *f)
{
	if (f->items != NULL && file_lock(f)) {
		epset_untold(f);
		file_unlock(f);
	}
	waitlist_wake(&f->waiters, UINT32_MAX >> 1);
}

void file_on_event(struct tas_sock *s, void *user, uint32_t edges)
{
	struct file *f = user;

	(void)s;
	if (f == NULL)
		return;
	if (edges & TAS_EV_IN)
		edges |= READ_BITS;
	if (edges & TAS_EV_OUT)
		edges |= WRITE_BITS;
	if (unlikely(edges & TAS_EV_URGENT))
		owner_signal(f);
	file_tell(f, edges);
}
