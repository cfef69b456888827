/* SPDX-License-Identifier: BSD-3-Clause */
/* Registrations of epoll sets. */
#include <errno.h>

#include "include/base/assert.h"
#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/real.h"

struct px_pool epitem_pool = PX_POOL_OF(struct epitem, pooled);

/* --- signals --- */

/* Puts the signal down; true if the item must be pushed. One that is on the list already will be asked after
 * our event was published: see the fence in epset_ready.c. */
static bool signal_put(struct epitem *i, enum epitem_signal signal)
{
	uint32_t none = SIGNAL_NONE;

	if (signal == SIGNAL_QUIET)
		return atomic_compare_exchange_strong(&i->signaled, &none, SIGNAL_QUIET);
	if (atomic_load_explicit(&i->signaled, memory_order_relaxed) == SIGNAL_EVENT)
		return false;
	return atomic_exchange(&i->signaled, SIGNAL_EVENT) == SIGNAL_NONE;
}

void epitem_signal(struct epitem *i, enum epitem_signal signal)
{
	struct epset *set = i->set;
	struct epitem *first;

	if (!signal_put(i, signal))
		return;
	first = atomic_load_explicit(&set->incoming, memory_order_relaxed);
	do
		atomic_store_explicit(&i->incoming_next, first, memory_order_relaxed);
	while (!atomic_compare_exchange_weak(&set->incoming, &first, i));
	waitlist_wake_one(&set->sleepers); /* its fence is for what we look at next, too */
	if (unlikely(atomic_load_explicit(&set->kernel_waiters, memory_order_relaxed) != 0))
		epset_kick(set);
	if (unlikely(set->file->items != NULL || !waitlist_empty(&set->file->waiters)))
		file_tell(set->file, EPOLLIN | EPOLLRDNORM);
}

void epset_attract_all(struct epset *set)
{
	for (struct epitem *i = set->items; i != NULL; i = i->set_next) {
		atomic_store(&i->told, 0);
		if (!i->in_kernel)
			epitem_signal(i, SIGNAL_QUIET);
	}
}

/* An exclusive item is one of several of which one shall wake: those whose set nobody waits on get their
 * event, too, but the search ends with the first that has a waiter. */
void epset_signal(struct file *f, uint32_t edges)
{
	bool exclusive_woken = false;

	edges |= edges & (EPOLLERR | EPOLLHUP) ? EPOLLERR | EPOLLHUP : 0;
	for (struct epitem *i = f->items; i != NULL; i = i->file_next) {
		uint32_t events = atomic_load_explicit(&i->events, memory_order_relaxed);

		if (!epitem_armed(events) || !((events | EPOLLERR | EPOLLHUP) & edges))
			continue;
		if (events & EPOLLEXCLUSIVE && exclusive_woken)
			continue;
		if (events & EPOLLEXCLUSIVE && !waitlist_empty(&i->set->sleepers))
			exclusive_woken = true;
		epitem_signal(i, SIGNAL_EVENT);
	}
}

void epset_untold(struct file *f)
{
	for (struct epitem *i = f->items; i != NULL; i = i->file_next) {
		atomic_store(&i->told, 0);
		epitem_signal(i, SIGNAL_QUIET);
	}
}

/* --- lists --- */

static struct epitem *find(struct epset *set, struct file *f, int fd)
{
	struct epitem *i = f->items;

	while (i != NULL && (i->set != set || i->fd != fd))
		i = i->file_next;
	return i;
}

static void file_link(struct file *f, struct epitem *i)
{
	i->file = f;
	i->file_prev = NULL;
	i->file_next = f->items;
	if (f->items != NULL)
		f->items->file_prev = i;
	f->items = i;
}

static void file_unlink(struct epitem *i)
{
	if (i->file_prev != NULL)
		i->file_prev->file_next = i->file_next;
	else
		i->file->items = i->file_next;
	if (i->file_next != NULL)
		i->file_next->file_prev = i->file_prev;
	atomic_store(&i->dead, true);
}

static void mark_others(struct epitem *i)
{
	if (atomic_exchange(&i->others, true))
		return;
	/* before the signal: who sees that sees the count when it is about to sleep */
	atomic_fetch_add(&i->set->others, 1);
	atomic_store(&i->told, 0);
	if (!i->in_kernel)
		epitem_signal(i, SIGNAL_QUIET);
}

/* With the file's lock. An item that was one of several remains so when it is the last. */
static void look_for_others(struct file *f)
{
	if (f->items->file_next == NULL)
		return;
	for (struct epitem *i = f->items; i != NULL; i = i->file_next)
		mark_others(i);
}

static void set_link(struct epset *set, struct epitem *i)
{
	i->set = set;
	i->set_prev = NULL;
	i->set_next = set->items;
	if (set->items != NULL)
		set->items->set_prev = i;
	set->items = i;
}

void epitem_release(struct epitem *i)
{
	struct epset *set = i->set;

	if (i->ready || atomic_load(&i->signaled))
		return; /* the harvest that meets it there comes again */
	if (i->set_prev != NULL)
		i->set_prev->set_next = i->set_next;
	else
		set->items = i->set_next;
	if (i->set_next != NULL)
		i->set_next->set_prev = i->set_prev;
	if (!i->in_kernel)
		atomic_fetch_sub(&set->active, 1);
	if (atomic_load(&i->others))
		atomic_fetch_sub(&set->others, 1);
	i->generation++;
	px_pool_put(&epitem_pool, i);
}

/* --- the kernel's part of an item --- */

static bool has_kernel_side(const struct file *f)
{
	return file_kind(f) == FILE_EPOLL || (file_kind(f) == FILE_LISTENER && file_has(f, FILE_KERNEL_SIDE));
}

static int side_control(struct epset *set, int epfd, struct epitem *i, int operation)
{
	uint32_t events = atomic_load(&i->events);
	struct epoll_event e = { .data.u64 = (uint64_t)i->generation << 32 | i->pooled.index };
	int side = epset_side(set, epfd);

	if (side < 0)
		return -errno;
	if (events & EPOLLIN)
		e.events = EPOLLIN | (events & (EPOLLET | (operation == EPOLL_CTL_ADD ? EPOLLEXCLUSIVE : 0)));
	return REAL(epoll_ctl)(side, operation, i->fd, &e) == 0 ? 0 : -errno;
}

static int kernel_add(struct epset *set, int epfd, struct epitem *i)
{
	struct epoll_event e = { .events = atomic_load(&i->events), .data.u64 = i->data };
	int error;

	if (file_kind(i->file) == FILE_PLAIN) {
		if (REAL(epoll_ctl)(epfd, EPOLL_CTL_ADD, i->fd, &e) != 0)
			return -errno;
		i->in_kernel = true;
		return 0;
	}
	if (!has_kernel_side(i->file))
		return 0;
	error = side_control(set, epfd, i, EPOLL_CTL_ADD);
	i->side = error == 0;
	return error;
}

static void kernel_delete(struct epset *set, int epfd, struct epitem *i)
{
	int side = atomic_load(&set->side);

	if (i->in_kernel && epfd >= 0)
		REAL(epoll_ctl)(epfd, EPOLL_CTL_DEL, i->fd, NULL);
	if (i->side && side >= 0)
		REAL(epoll_ctl)(side, EPOLL_CTL_DEL, i->fd, NULL);
	i->side = false;
}

/* --- epoll_ctl --- */

/* What Linux allows together with EPOLLEXCLUSIVE. */
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

static int add_locked(struct epset *set, int epfd, int fd, struct file *f, const struct epoll_event *event)
{
	struct epitem *i;
	int error;

	if (find(set, f, fd) != NULL)
		return -EEXIST;
	i = px_pool_get(&epitem_pool);
	if (i == NULL)
		return -ENOMEM;
	i->fd = fd;
	i->data = event->data.u64;
	i->ready = i->loud = i->kernel_ready = i->side = i->in_kernel = false;
	atomic_store(&i->signaled, 0);
	atomic_store(&i->dead, false);
	atomic_store(&i->others, false);
	atomic_store(&i->told, 0);
	atomic_store(&i->events, event->events);
	i->file = f;
	error = kernel_add(set, epfd, i);
	if (error != 0) {
		px_pool_put(&epitem_pool, i);
		return error;
	}
	set_link(set, i);
	file_link(f, i);
	look_for_others(f);
	if (!i->in_kernel) {
		atomic_fetch_add(&set->active, 1);
		if (atomic_load(&set->kernel_waiters) != 0)
			epset_kick_prepare(set, epfd);
		epitem_signal(i, SIGNAL_EVENT);
	}
	return 0;
}

/* The set's lock, then the file's; 0, or -EDEADLK in a handler that interrupted its own thread there. */
static int enter_both(struct epset *set, struct file *f)
{
	if (!px_lock_enter(&set->lock))
		return -EDEADLK;
	if (file_lock(f))
		return 0;
	px_lock_leave(&set->lock);
	return -EDEADLK;
}

static void leave_both(struct epset *set, struct file *f)
{
	file_unlock(f);
	px_lock_leave(&set->lock);
}

int epset_add(struct epset *set, int epfd, int fd, struct file *f, const struct epoll_event *event)
{
	int error;

	if (f == set->file)
		return -EINVAL;
	if (event->events & EPOLLEXCLUSIVE && (event->events & ~EXCLUSIVE_OK || file_kind(f) == FILE_EPOLL))
		return -EINVAL;
	error = enter_both(set, f);
	if (error != 0)
		return error;
	error = add_locked(set, epfd, fd, f, event);
	if (error == 0 && file_kind(f) == FILE_EPOLL)
		atomic_fetch_add(&set->nested, 1);
	leave_both(set, f);
	return error;
}

static int modify_locked(struct epset *set, int epfd, struct epitem *i, const struct epoll_event *event)
{
	struct epoll_event e = *event;

	if ((event->events | atomic_load(&i->events)) & EPOLLEXCLUSIVE)
		return -EINVAL;
	if (i->in_kernel && REAL(epoll_ctl)(epfd, EPOLL_CTL_MOD, i->fd, &e) != 0)
		return -errno;
	i->data = event->data.u64;
	atomic_store(&i->events, event->events);
	if (i->side)
		side_control(set, epfd, i, EPOLL_CTL_MOD);
	if (!i->in_kernel)
		epitem_signal(i, SIGNAL_EVENT);
	return 0;
}

int epset_modify(struct epset *set, int epfd, int fd, struct file *f, const struct epoll_event *event)
{
	int error = enter_both(set, f);
	struct epitem *i;

	if (error != 0)
		return error;
	i = find(set, f, fd);
	error = i == NULL ? -ENOENT : modify_locked(set, epfd, i, event);
	leave_both(set, f);
	return error;
}

int epset_delete(struct epset *set, int epfd, int fd, struct file *f)
{
	int error = enter_both(set, f);
	struct epitem *i;

	if (error != 0)
		return error;
	i = find(set, f, fd);
	if (i != NULL) {
		kernel_delete(set, epfd, i);
		file_unlink(i);
		if (file_kind(f) == FILE_EPOLL)
			atomic_fetch_sub(&set->nested, 1);
		epitem_release(i);
	}
	leave_both(set, f);
	return i == NULL ? -ENOENT : 0;
}

/* --- changes of the file --- */

/* The item changes between the kernel's set and ours. */
static void move(struct epset *set, struct epitem *i)
{
	bool plain = file_kind(i->file) == FILE_PLAIN;
	int epfd = epset_fd(set);

	kernel_delete(set, epfd, i);
	if (i->in_kernel)
		atomic_fetch_add(&set->active, 1);
	i->in_kernel = false;
	if (epfd >= 0)
		kernel_add(set, epfd, i);
	if (plain && i->in_kernel)
		atomic_fetch_sub(&set->active, 1);
	atomic_store(&i->told, 0);
	if (i->in_kernel)
		return;
	if (atomic_load(&set->kernel_waiters) != 0 && epfd >= 0)
		epset_kick_prepare(set, epfd);
	epitem_signal(i, SIGNAL_EVENT);
}

/* An item that stands in the wrong place, or NULL. */
static struct epitem *misplaced(struct file *f)
{
	bool plain = file_kind(f) == FILE_PLAIN;
	struct epitem *i = f->items;

	while (i != NULL && i->in_kernel == plain)
		i = i->file_next;
	return i;
}

void epset_moved(struct file *f)
{
	for (int tries = 0; f->items != NULL && tries < 1000; tries++) {
		struct epitem *i;
		struct epset *set;

		if (!file_lock(f))
			return;
		i = misplaced(f);
		set = i != NULL ? i->set : NULL;
		file_unlock(f);
		if (set == NULL || enter_both(set, f) != 0)
			return;
		for (i = f->items; i != NULL && i->set != set; i = i->file_next)
			;
		if (i != NULL && i->in_kernel != (file_kind(f) == FILE_PLAIN))
			move(set, i);
		leave_both(set, f);
	}
}

/* All items leave the file; their sets free them when they next look. */
static void detach(struct file *f)
{
	struct epitem *i;

	if (f->items == NULL || !file_lock(f))
		return;
	while ((i = f->items) != NULL) {
		file_unlink(i);
		epitem_signal(i, SIGNAL_EVENT);
	}
	file_unlock(f);
}

void epset_forget(struct file *f) { detach(f); }

void epset_file_closed(struct file *f)
{
	if (f->items != NULL && file_kind(f) == FILE_EPOLL && file_lock(f)) {
		for (struct epitem *i = f->items; i != NULL; i = i->file_next)
			atomic_fetch_sub(&i->set->nested, 1);
		file_unlock(f);
	}
	detach(f);
}

/* --- a side that reports what is gone --- */

/* A description that another process has, too, stays in the kernel's sets after we closed ours, under a
 * number by which nobody can take it out. So the side is made anew of what is left. */
void epset_side_renew(struct epset *set)
{
	int epfd = epset_fd(set), old = atomic_load(&set->side);

	if (epfd < 0)
		return;
	REAL(epoll_ctl)(epfd, EPOLL_CTL_DEL, old, NULL);
	tas_fd_close(inst_peek(), &set->side);
	if (atomic_load(&set->kick) >= 0) {
		tas_fd_close(inst_peek(), &set->kick);
		epset_kick_prepare(set, epfd);
	}
	for (struct epitem *i = set->items; i != NULL; i = i->set_next) {
		if (i->side && !atomic_load(&i->dead))
			i->side = side_control(set, epfd, i, EPOLL_CTL_ADD) == 0;
	}
}
