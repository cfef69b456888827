/* SPDX-License-Identifier: BSD-3-Clause */
/* The ready list of epoll sets. */
#include <errno.h>
#include <time.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/real.h"
#include "libtas/posix/ticks.h"

enum { SIDE_EVENTS = 16 }; /* kernel sides looked at in one call */

/* --- the list --- */

static void ready_append(struct epset *set, struct epitem *i)
{
	i->ready = true;
	i->ready_next = NULL;
	if (set->ready_first == NULL)
		set->ready_first = i;
	else
		set->ready_last->ready_next = i;
	set->ready_last = i;
}

static void ready_prepend(struct epset *set, struct epitem *i)
{
	i->ready = true;
	i->ready_next = set->ready_first;
	if (set->ready_first == NULL)
		set->ready_last = i;
	set->ready_first = i;
}

static struct epitem *ready_pop(struct epset *set)
{
	struct epitem *i = set->ready_first;

	set->ready_first = i->ready_next;
	i->ready = false;
	return i;
}

/* Oldest first. */
static struct epitem *reversed(struct epitem *list)
{
	struct epitem *done = NULL, *next;

	for (; list != NULL; list = next) {
		next = atomic_load_explicit(&list->incoming_next, memory_order_relaxed);
		atomic_store_explicit(&list->incoming_next, done, memory_order_relaxed);
		done = list;
	}
	return done;
}

/* An event that finds SIGNAL_EVENT and leaves it so comes before our store, so it is seen by the question
 * after the fence. */
static void take_signal(struct epitem *i)
{
	uint32_t signal = atomic_load_explicit(&i->signaled, memory_order_relaxed);

	if (likely(signal == SIGNAL_EVENT))
		atomic_store_explicit(&i->signaled, SIGNAL_NONE, memory_order_relaxed);
	else
		signal = atomic_exchange(&i->signaled, SIGNAL_NONE);
	i->loud |= signal == SIGNAL_EVENT;
}

static void take_incoming(struct epset *set)
{
	struct epitem *i, *next;

	if (atomic_load_explicit(&set->incoming, memory_order_relaxed) == NULL)
		return;
	for (i = reversed(atomic_exchange(&set->incoming, NULL)); i != NULL; i = next) {
		next = atomic_load_explicit(&i->incoming_next, memory_order_relaxed);
		take_signal(i);
		if (!i->ready)
			ready_append(set, i);
	}
	/* An event from here on finds `signaled` clear and pushes its item again; one before is seen when the
	 * item is asked. Pairs with the exchange in epitem_signal. */
	atomic_thread_fence(memory_order_seq_cst);
}

/* --- one item --- */

/* False: not now. */
static bool request_later(struct epset *set, struct tas_ctx *c, struct epitem *i)
{
	struct epset_requests *q = &set->requests;

	if (q->n == EPSET_REQUESTS || !file_get(i->file))
		return false;
	q->ctx[q->n] = c;
	q->file[q->n++] = i->file;
	return true;
}

static void requests_make(struct epset_requests *q)
{
	while (q->n > 0) {
		struct file *f = q->file[--q->n];
		struct tas_sock *s = file_sock(f);

		if (s != NULL && tas_sock_is_listener(s))
			tas_listen_arm(q->ctx[q->n], s);
		else if (s != NULL)
			tas_sock_notify(q->ctx[q->n], s);
		file_put(f);
	}
}

/* Notifications of the item's socket come to whoever serves the set, or, if it is in several, to all who
 * wait. False: the item is to be asked later, when the request was made, or by the leader, who alone can do
 * that. */
static bool attract(struct epset *set, struct epitem *i)
{
	bool all = atomic_load_explicit(&i->others, memory_order_relaxed);
	uint64_t owner = all ? EPSET_ALL : atomic_load_explicit(&set->owner, memory_order_relaxed);
	uint64_t me = px_lock_me();
	struct tas_sock *s = file_sock(i->file);
	struct tas_ctx *c;

	if (likely(atomic_load_explicit(&i->told, memory_order_relaxed) == owner) || s == NULL)
		return true;
	if (owner == EPSET_SHARED && atomic_load(&set->lead) != me)
		return false;
	if (owner != EPSET_SHARED && owner != me && !all)
		return true; /* somebody only looks; the owner attracts it when it waits */
	c = owner == EPSET_SHARED ? set->ctx : all ? tas_ctx_shared(inst_ctx()) : inst_ctx();
	/* first: whoever takes the notifications away after that says so here */
	atomic_store(&i->told, owner);
	if (!tas_sock_is_listener(s) && tas_sock_notify_now(c, s))
		return true;
	if (!request_later(set, c, i))
		atomic_store(&i->told, 0);
	return false;
}

/* The kernel said so some time ago; others may have taken what there was. */
static bool kernel_is_ready(struct epitem *i)
{
	/* the number it was added by may be closed, and a copy be left */
	struct pollfd p = { .fd = fd_of(i->file, i->fd), .events = POLLIN };

	i->kernel_ready = p.fd >= 0 && own_poll_now(&p, 1) > 0;
	return i->kernel_ready;
}

/* What is to be reported of the item; 0: nothing. If it waits for space, tasd is asked to tell. */
static uint32_t ask(struct epitem *i, uint32_t events)
{
	uint32_t wanted = (events & ~(uint32_t)EPITEM_FLAGS) | EPOLLERR | EPOLLHUP;
	uint32_t ready = file_ready(i->file);
	struct tas_sock *s = file_sock(i->file);

	if (events & (EPOLLOUT | EPOLLWRNORM) && !(ready & EPOLLOUT) && file_kind(i->file) == FILE_FLOW &&
		s != NULL && tas_want_out(inst_ctx(), s))
		ready = file_ready(i->file);
	if (i->kernel_ready && kernel_is_ready(i))
		ready |= EPOLLIN | EPOLLRDNORM;
	return ready & wanted;
}

/* A one-shot item that fired is silent until epoll_ctl says otherwise. */
static void disarm(struct epset *set, struct epitem *i, uint32_t events)
{
	struct epoll_event silent = { .data.u64 = (uint64_t)i->generation << 32 | i->pooled.index };

	/* unless epoll_ctl of another thread was faster */
	atomic_compare_exchange_strong(&i->events, &events, events & EPITEM_FLAGS);
	if (i->side)
		REAL(epoll_ctl)(atomic_load(&set->side), EPOLL_CTL_MOD, i->fd, &silent);
}

static bool report(struct epset *set, struct epitem *i, struct epoll_event *out)
{
	uint32_t events = atomic_load_explicit(&i->events, memory_order_relaxed), ready;
	bool loud = i->loud;

	i->loud = false;
	if (atomic_load_explicit(&i->dead, memory_order_relaxed)) {
		epitem_release(i);
		return false;
	}
	if (!epitem_armed(events) || i->in_kernel)
		return false;
	if (unlikely(!attract(set, i))) {
		i->loud = loud;
		ready_append(set, i);
		return false;
	}
	if (events & EPOLLET && !loud)
		return false;
	ready = ask(i, events);
	if (ready == 0)
		return false;
	if (out == NULL) {
		i->loud = loud;
		ready_prepend(set, i);
		return true;
	}
	*out = (struct epoll_event){ .events = ready, .data.u64 = i->data };
	i->kernel_ready =
		false; /* the next look at the kernel's set says so again, if it is level-triggered */
	if (events & EPOLLONESHOT)
		disarm(set, i, events);
	else if (!(events & EPOLLET))
		ready_append(set, i);
	return true;
}

/* --- harvest --- */

static unsigned harvest_locked(struct epset *set, struct epoll_event *events, unsigned max)
{
	struct epitem *last;
	unsigned n = 0;
	bool more = true;

	take_incoming(set);
	last = set->ready_last;
	while (more && set->ready_first != NULL && n < (max == 0 ? 1 : max)) {
		struct epitem *i = ready_pop(set);

		more = i != last; /* those appended from here on were looked at */
		n += report(set, i, max == 0 ? NULL : &events[n]);
	}
	return n;
}

/* Leaves the lock. */
static TAS_NOINLINE void leave_with_requests(struct epset *set)
{
	struct epset_requests requests = set->requests;

	set->requests.n = 0;
	px_lock_leave(&set->lock);
	requests_make(&requests);
}

unsigned epset_harvest(struct epset *set, struct epoll_event *events, unsigned max)
{
	unsigned n;

	if (set->ready_first == NULL && atomic_load_explicit(&set->incoming, memory_order_relaxed) == NULL)
		return 0;
	if (!px_lock_enter(&set->lock))
		return 0;
	n = harvest_locked(set, events, max);
	if (max > 0 && set->ready_first != NULL) {
		/* the list is no locked instruction's; a set that is not shared has no sleepers but us */
		if (atomic_load_explicit(&set->owner, memory_order_relaxed) == EPSET_SHARED)
			atomic_thread_fence(memory_order_seq_cst);
		waitlist_wake_one(&set->sleepers);
	}
	if (unlikely(set->requests.n != 0)) {
		leave_with_requests(set);
		return n > 0 ? n : epset_harvest(set, events, max);
	}
	px_lock_leave(&set->lock);
	return n;
}

bool epset_has_ready(struct epset *set) { return epset_harvest(set, NULL, 0) > 0; }

/* --- the kernel's set --- */

/* The item of a kernel side's event: the kernel has something for its file. False: the item is gone. */
static bool side_event(struct epset *set, uint64_t data)
{
	struct epitem *i = px_pool_at(&epitem_pool, (uint32_t)data);

	if (data == EPSET_KICK)
		return true;
	if (i == NULL || i->set != set || i->generation != data >> 32 || atomic_load(&i->dead))
		return false;
	i->kernel_ready = true;
	atomic_store(&i->file->kernel_empty, 0); /* accept asks the kernel then */
	epitem_signal(i, SIGNAL_EVENT);
	return true;
}

static void look_side(struct epset *set)
{
	struct epoll_event events[SIDE_EVENTS];
	int side = atomic_load(&set->side), n;
	bool all_here = true;

	if (side < 0 || !px_lock_enter(&set->lock))
		return;
	n = own_epoll_now(side, events, SIDE_EVENTS);
	for (int i = 0; i < n; i++)
		all_here &= side_event(set, events[i].data.u64);
	if (!all_here)
		epset_side_renew(set);
	px_lock_leave(&set->lock);
}

unsigned epset_unmark(struct epset *set, struct epoll_event *events, unsigned n)
{
	bool marked = false;
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++) {
		if (events[i].data.ptr == (const void *)&epset_side_mark)
			marked = true;
		else
			events[kept++] = events[i];
	}
	if (marked)
		look_side(set);
	return kept;
}

int epset_look(struct epset *set, int epfd, struct epoll_event *events, unsigned max)
{
	int n = own_epoll_now(epfd, events, (int)max);

	if (n < 0)
		return -errno;
	atomic_store_explicit(&set->looked, ticks_now(), memory_order_relaxed);
	return (int)epset_unmark(set, events, (unsigned)n);
}
