/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_ctx.c - contexts: one for each thread, the rings it borrows, and sleeping without losing a wake-up.
 *
 * A context has rings to itself while there are enough; then newcomers share. Two who share sleep on the
 * same eventfd: whoever wakes first and finds that others still sleep announces the sleep again in their
 * name (tas_ctx_sleep_end), so that the next notification wakes them; what it drains for them reaches
 * them by on_event and tas_ctx_wake.
 *
 * A thread's second context (tas_ctx_shared) shares its rings with all others of that kind, by intent: what
 * is told there wakes each of their threads that sleeps, and waits for none that is busy.
 *
 * A thread for which there is no context uses the common one, as others may at the same moment. So nothing in
 * it changes but `rings`, and an attachment that it once used is kept, even when it is dead. */
#include <sys/eventfd.h>
#include <sys/single_threaded.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

static _Thread_local struct {
	uint64_t serial;
	struct tas_ctx *ctx;
} self __attribute__((tls_model("initial-exec")));

/* --- contexts --- */

static struct tas_ctx *ctx_at(struct tas *t, uint32_t index)
{
	struct tas_ctx *chunk = atomic_load_explicit(&t->ctx_chunk[index / CTX_CHUNK], memory_order_acquire);

	return chunk == NULL ? NULL : &chunk[index % CTX_CHUNK];
}

static bool chunk_add(struct tas *t, uint32_t i)
{
	struct tas_ctx *chunk = lib_map(&t->os, CTX_CHUNK * sizeof(*chunk), true), *none = NULL;

	if (chunk == NULL)
		return false;
	for (uint32_t j = 0; j < CTX_CHUNK; j++) {
		chunk[j].t = t;
		chunk[j].fd = -1;
	}
	if (!atomic_compare_exchange_strong(&t->ctx_chunk[i], &none, chunk))
		lib_unmap(&t->os, chunk, CTX_CHUNK * sizeof(*chunk)); /* somebody else was first */
	return true;
}

struct tas_ctx *tas_ctx_new(struct tas *t)
{
	for (uint32_t i = 0; i < CTX_CHUNKS * CTX_CHUNK; i++) {
		struct tas_ctx *c = ctx_at(t, i);
		uint32_t no = 0;

		if (c == NULL && !chunk_add(t, i / CTX_CHUNK))
			return NULL;
		c = ctx_at(t, i);
		if (!atomic_compare_exchange_strong(&c->used, &no, 1))
			continue;
		c->stamp = lib_stamp(t);
		c->shared = NULL;
		c->shares = false;
		return c;
	}
	return NULL;
}

struct tas_ctx *tas_ctx_shared(struct tas_ctx *c)
{
	struct tas_ctx *x = c->shared;

	if (likely(x != NULL))
		return x;
	x = c == &c->t->common ? NULL : tas_ctx_new(c->t);
	if (x == NULL)
		return c;
	x->shares = true;
	c->shared = x;
	return x;
}

struct tas_ctx *tas_ctx_common(struct tas *t) { return &t->common; }

static bool is_common(const struct tas_ctx *c) { return c == &c->t->common; }

static void rings_leave(struct tas_ctx *c)
{
	struct lib_rings *r = c->rings;

	if (r == NULL || is_common(c))
		return;
	c->rings = NULL;
	atomic_fetch_sub_explicit(&r->users, 1, memory_order_release);
	lib_att_put(r->att);
}

void tas_ctx_free(struct tas_ctx *c)
{
	bool entered;

	if (is_common(c))
		return;
	if (c->shared != NULL)
		tas_ctx_free(c->shared);
	c->shared = NULL;
	entered = lib_lock_enter(&c->t->os, &c->t->ctl_lock); /* lib_listen_renew looks at c->rings */
	rings_leave(c);
	if (entered)
		lib_lock_leave(&c->t->os, &c->t->ctl_lock);
	if (self.ctx == c)
		self.serial = 0;
	atomic_store_explicit(&c->used, 0, memory_order_release);
}

static TAS_NOINLINE struct tas_ctx *ctx_self_slow(struct tas *t)
{
	struct tas_ctx *c = pthread_getspecific(t->key);

	if (c == NULL) {
		c = tas_ctx_new(t);
		if (c == NULL)
			return &t->common;
		if (pthread_setspecific(t->key, c) != 0) {
			tas_ctx_free(c);
			return &t->common;
		}
	}
	self.ctx = c;
	atomic_signal_fence(memory_order_seq_cst);
	self.serial = t->serial;
	return c;
}

struct tas_ctx *tas_ctx_self(struct tas *t)
{
	return likely(self.serial == t->serial) ? self.ctx : ctx_self_slow(t);
}

void lib_ctx_after_fork(struct tas *t, struct tas_ctx *keep)
{
	struct tas_ctx *c;

	for (uint32_t i = 0; i < CTX_CHUNKS * CTX_CHUNK && (c = ctx_at(t, i)) != NULL; i++) {
		c->rings = c->slept = NULL;
		c->rang = c->rang_tasd = false;
		c->shared = NULL;
		c->fd = -1;
		c->sleeping = c->depth = 0;
		c->stamp = lib_stamp(t);
		c->used = c == keep;
	}
	t->common.rings = NULL;
	t->common.stamp = lib_stamp(t);
}

/* --- rings --- */

static void rings_init(struct lib_rings *r, struct lib_att *a, const struct ctl_context *answer)
{
	r->att = a;
	r->id = answer->id;
	r->bit = 1ull << (answer->id % 64);
	r->shm = (void *)(a->base + answer->off);
	for (uint32_t i = 0; i <= a->cores; i++) {
		r->notes[i].ring = (void *)(a->base + r->shm->notify_off[i]);
		r->notes[i].consumed = r->notes[i].ring->consumed;
	}
	for (uint32_t i = 0; i < a->cores; i++) {
		r->bells[i].ring = (void *)(a->base + r->shm->bell_off[i]);
		r->bells[i].line = &a->header->core_line[i];
		r->bells[i].produced = r->bells[i].ring->produced;
		r->bells[i].consumed = r->bells[i].ring->consumed;
	}
}

/* Is there a number for a descriptor? tasd gives no context a second time. */
static bool number_is_left(struct tas *t)
{
	int fd = (int)LIB_SYS(&t->os, SYS_eventfd2, 0, EFD_CLOEXEC);

	if (fd >= 0)
		lib_close(&t->os, fd);
	return fd >= 0;
}

/* Asks tasd for rings; the eventfd is made non-blocking, so that emptying it never waits. */
static struct lib_rings *rings_new(struct tas *t, struct lib_att *a)
{
	uint32_t n = atomic_load_explicit(&a->nr_rings, memory_order_relaxed);
	struct lib_rings *r = &a->rings[n];
	struct ctl_msg m = { 0 };
	unsigned nfds = 0;
	int fd = -1, error;

	if (n == a->contexts_max || !number_is_left(t))
		return NULL;
	error = lib_request(t, &m, CTL_CONTEXT, &fd, 1, &nfds);
	if (error != 0 && nfds == 1)
		lib_close(&t->os, fd);
	if (error != 0)
		return NULL;
	r->fd = -1;
	if (nfds == 1) {
		lib_fcntl(&t->os, fd, F_SETFL, O_RDWR | O_NONBLOCK);
		if (lib_fd_take(t, &r->fd, fd) != 0)
			return NULL; /* rings that cannot wake us are of no use */
	}
	rings_init(r, a, &m.context);
	/* pairs with the acquires of nr_rings: the rings are complete */
	atomic_store_explicit(&a->nr_rings, n + 1, memory_order_release);
	return r;
}

/* Rings nobody uses, else new ones, else those that the fewest share. */
static struct lib_rings *rings_find(struct tas *t, struct lib_att *a)
{
	uint32_t n = atomic_load_explicit(&a->nr_rings, memory_order_relaxed);
	struct lib_rings *least = NULL, *fresh;

	for (uint32_t i = 0; i < n; i++)
		if (&a->rings[i] != a->shared && (least == NULL || a->rings[i].users < least->users))
			least = &a->rings[i];
	if (least != NULL && least->users == 0) {
		lib_lock_rebias(&t->os, &least->bell_lock);
		lib_lock_rebias(&t->os, &least->drain_lock);
		return least;
	}
	fresh = rings_new(t, a);
	if (fresh != NULL)
		return fresh;
	return least != NULL ? least : a->shared;
}

/* Others may use them as their own, if there are no more. */
static struct lib_rings *rings_of_all(struct tas *t, struct lib_att *a)
{
	if (a->shared == NULL)
		a->shared = rings_find(t, a);
	return a->shared;
}

struct lib_rings *lib_ctx_rings_locked(struct tas_ctx *c)
{
	struct lib_att *a = lib_att_now(c->t);
	struct lib_rings *r;

	if (a == NULL)
		return NULL;
	if (c->rings != NULL && c->rings->att == a)
		return c->rings;
	lib_att_get(a); /* the attachment may die of our request */
	r = c->shares ? rings_of_all(c->t, a) : rings_find(c->t, a);
	if (r == NULL || !lib_att_alive(a)) {
		lib_att_put(a);
		return NULL;
	}
	atomic_fetch_add_explicit(&r->users, 1, memory_order_acquire);
	rings_leave(c);
	c->rings = r;
	lib_listen_rearm(c);
	return r;
}

struct lib_rings *lib_ctx_rings_slow(struct tas_ctx *c)
{
	struct tas *t = c->t;
	struct lib_rings *r;

	if (lib_att_now(t) == NULL || !lib_lock_enter(&t->os, &t->ctl_lock))
		return NULL;
	r = lib_ctx_rings_locked(c);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return r;
}

unsigned tas_ctx_poll(struct tas_ctx *c)
{
	struct lib_rings *r = lib_ctx_rings(c);

	return likely(r != NULL) ? lib_drain(c, r) : 0;
}

/* --- sleep --- */

/* With others about, somebody may want to wake us. */
static void ensure_fd(struct tas_ctx *c)
{
	int fd;

	if (__libc_single_threaded || atomic_load_explicit(&c->fd, memory_order_relaxed) >= 0)
		return;
	fd = (int)LIB_SYS(&c->t->os, SYS_eventfd2, 0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd >= 0)
		lib_fd_take(c->t, &c->fd, fd);
}

static void announce_sleep(struct lib_rings *r)
{
	atomic_store_explicit(&r->shm->asleep, 1, memory_order_relaxed);
	/* pairs with tasd's fence between publishing a notification and reading `asleep`: it sees us
	 * asleep, or we see its notification when we look again */
	atomic_thread_fence(memory_order_seq_cst);
}

/* Did anything come since the announcement? A drain of another thread may be at work: what came after it
 * looked is not seen by anybody, so ask again. */
static bool came_meanwhile(struct tas_ctx *c, struct lib_rings *r)
{
	bool came = lib_drain(c, r) > 0;

	for (uint32_t n = 0; lib_drain_pending(r) && !lib_lock_is_mine(&r->drain_lock); n++) {
		came = true;
		if (lib_drain(c, r) == 0)
			lib_patience(&c->t->os, n);
	}
	return came;
}

/* A signal handler waits while its thread is in the midst of waiting: the outer sleep's rings serve both.
 * The outer one looks again in any case, since its system call is interrupted. */
static bool sleep_nested(struct tas_ctx *c)
{
	atomic_store_explicit(&c->sleeping, 1, memory_order_relaxed);
	if (c->slept == NULL) {
		atomic_thread_fence(memory_order_seq_cst);
		if (c->rings == NULL)
			return true;
		c->depth--;
		return false;
	}
	announce_sleep(c->slept);
	if (!came_meanwhile(c, c->slept))
		return true;
	c->depth--;
	return false;
}

bool tas_ctx_sleep_begin(struct tas_ctx *c)
{
	struct lib_rings *r = lib_ctx_rings(c);

	if (unlikely(is_common(c)))
		return tas_ctx_poll(c) == 0;
	ensure_fd(c);
	if (c->depth++ > 0)
		return sleep_nested(c);
	atomic_store_explicit(&c->sleeping, 1, memory_order_relaxed);
	if (r == NULL) {
		/* pairs with the fence in tas_ctx_wake */
		atomic_thread_fence(memory_order_seq_cst);
		return true;
	}
	lib_att_get(r->att);
	c->slept = r;
	atomic_fetch_add_explicit(&r->sleepers, 1, memory_order_relaxed);
	announce_sleep(r); /* its fence serves tas_ctx_wake, too */
	if (likely(!came_meanwhile(c, r)))
		return true;
	tas_ctx_sleep_end(c);
	return false;
}

/* Who exchanged 1 for 0 has written to the descriptor, or is about to: then the next sleep ends early, once,
 * for nothing, and what lies there is read though nobody exchanged anything. tasd's writes do not add up:
 * what is left there once would end each sleep from then on. */
static void rings_wake_up(struct tas_ctx *c, struct lib_rings *r, bool others)
{
	bool woken = atomic_exchange_explicit(&r->shm->asleep, 0, memory_order_relaxed) == 0;

	if ((woken || c->rang_tasd) && r->fd >= 0)
		lib_event_read(&c->t->os, r->fd);
	if (!others)
		return;
	announce_sleep(r);
	came_meanwhile(c, r);
}

void tas_ctx_sleep_end(struct tas_ctx *c)
{
	struct lib_rings *r = c->slept;
	bool nested = c->depth > 1, woken;

	if (unlikely(is_common(c) || c->depth == 0))
		return; /* 0: this is the child of a handler that forked meanwhile */
	woken = atomic_exchange_explicit(&c->sleeping, nested, memory_order_relaxed) == 0;
	if ((woken || c->rang) && c->fd >= 0)
		lib_event_read(&c->t->os, c->fd);
	if (r != NULL && nested)
		rings_wake_up(c, r, true);
	else if (r != NULL)
		rings_wake_up(c, r, atomic_fetch_sub_explicit(&r->sleepers, 1, memory_order_relaxed) > 1);
	if (!nested && r != NULL) {
		c->slept = NULL;
		lib_att_put(r->att);
	}
	c->rang = c->rang_tasd = false;
	c->depth--;
}

bool tas_ctx_wakes(const struct tas_ctx *c)
{
	bool by_others = c->fd >= 0 || __libc_single_threaded, by_tasd = c->slept != NULL;

	return !is_common(c) && by_others && (by_tasd || !tas_attached(c->t));
}

unsigned tas_ctx_fds(struct tas_ctx *c, int fds[TAS_CTX_FDS])
{
	unsigned n = 0;

	if (c->slept != NULL && c->slept->fd >= 0)
		fds[n++] = c->slept->fd;
	if (c->fd >= 0)
		fds[n++] = c->fd;
	return n;
}

void tas_ctx_rang(struct tas_ctx *c, int fd)
{
	if (c->slept != NULL && fd == c->slept->fd)
		c->rang_tasd = true;
	else if (fd == c->fd)
		c->rang = true;
}

void tas_ctx_wake(struct tas_ctx *c)
{
	int fd;

	/* pairs with the fence in tas_ctx_sleep_begin: the sleeper sees what the caller published, or we
	 * see it asleep */
	atomic_thread_fence(memory_order_seq_cst);
	if (atomic_load_explicit(&c->sleeping, memory_order_relaxed) == 0 ||
		atomic_exchange(&c->sleeping, 0) == 0)
		return;
	fd = atomic_load_explicit(&c->fd, memory_order_relaxed);
	if (fd >= 0)
		lib_event_write(&c->t->os, fd);
}

void lib_ctx_wake_all(struct tas *t)
{
	struct tas_ctx *c;

	for (uint32_t i = 0; i < CTX_CHUNKS * CTX_CHUNK && (c = ctx_at(t, i)) != NULL; i++)
		tas_ctx_wake(c);
}
