/* SPDX-License-Identifier: BSD-3-Clause */
/* Life of epoll sets, and whose context serves one. */
#include "libtas/posix/epset.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/single_threaded.h>
#include <sys/syscall.h>
#include <time.h>

#include "include/base/assert.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/real.h"

enum { MOVES_MAX = 8 }; /* changes of the owner before the set gets a context of its own */

const char epset_side_mark = 0;
static struct px_pool epset_pool = PX_POOL_OF(struct epset, pooled);
static struct px_lock making; /* around the birth of a set, so that fork knows all there are */

/* All but the lock: fork's handler may be inside. */
static void init(struct epset *set, struct file *f, int fd)
{
	const size_t behind = offsetof(struct epset, lock) + sizeof(set->lock);

	memset((void *)set, 0, offsetof(struct epset, lock));
	memset((char *)set + behind, 0, offsetof(struct epset, for_fork) - behind);
	set->file = f;
	set->side = set->kick = -1;
	set->fd = fd;
	set->forks = px_fork_count();
}

static struct epset *make(int fd)
{
	struct epset *set = px_pool_get(&epset_pool);
	struct file *f = set == NULL ? NULL : file_new(FILE_EPOLL, 0);

	if (f == NULL) {
		if (set != NULL)
			px_pool_put(&epset_pool, set);
		return NULL;
	}
	init(set, f, fd);
	f->set = set;
	return set;
}

struct file *epset_new(int fd)
{
	bool entered = px_lock_enter(&making); /* false: in a handler that interrupted this */
	struct epset *set = make(fd);

	if (entered)
		px_lock_leave(&making);
	return set != NULL ? set->file : NULL;
}

/* Items leave their files' lists; false if a file's lock is held further up this thread's stack. */
static bool items_unlink(struct epset *set)
{
	bool all = true;

	for (struct epitem *i = set->items; i != NULL; i = i->set_next) {
		struct file *f = i->file;

		if (atomic_load(&i->dead))
			continue;
		if (!file_lock(f)) {
			all = false;
			continue;
		}
		if (!atomic_load(&i->dead)) {
			if (i->file_prev != NULL)
				i->file_prev->file_next = i->file_next;
			else
				f->items = i->file_next;
			if (i->file_next != NULL)
				i->file_next->file_prev = i->file_prev;
			atomic_store(&i->dead, true);
		}
		file_unlock(f);
	}
	return all;
}

void epset_destroy(struct epset *set)
{
	struct epitem *i, *next;

	if (!px_lock_enter(&set->lock))
		return; /* closed by a handler that interrupted a call on it: its memory is lost */
	if (items_unlink(set)) {
		for (i = set->items; i != NULL; i = next) {
			next = i->set_next;
			i->generation++;
			i->ready = false;
			atomic_store(&i->signaled, 0);
			px_pool_put(&epitem_pool, i);
		}
		if (set->ctx != NULL && set->forks == px_fork_count())
			tas_ctx_free(set->ctx);
	}
	px_lock_leave(&set->lock);
	if (atomic_load(&set->side) >= 0)
		tas_fd_close(inst_peek(), &set->side);
	if (atomic_load(&set->kick) >= 0)
		tas_fd_close(inst_peek(), &set->kick);
	px_pool_put(&epset_pool, set);
}

int epset_fd(struct epset *set)
{
	int fd = fd_of(set->file, atomic_load_explicit(&set->fd, memory_order_relaxed));

	atomic_store_explicit(&set->fd, fd, memory_order_relaxed);
	return fd;
}

/* One that is not hidden might be closed by the program: better none. False and errno. */
static bool hide(_Atomic int *place, int fd)
{
	struct tas *t = inst_get();
	int error;

	atomic_store(place, fd);
	error = t != NULL ? tas_fd_hide(t, place) : -ENOMEM;
	if (error == 0)
		return true;
	atomic_store(place, -1);
	own_close(fd);
	errno = -error;
	return false;
}

int epset_side(struct epset *set, int epfd)
{
	struct epoll_event mark = { .events = EPOLLIN, .data.ptr = (void *)(uintptr_t)&epset_side_mark };
	int fd = atomic_load_explicit(&set->side, memory_order_relaxed);

	if (fd >= 0)
		return fd;
	fd = REAL(epoll_create1)(EPOLL_CLOEXEC);
	if (fd < 0)
		return -1;
	if (!hide(&set->side, fd))
		return -1;
	fd = atomic_load(&set->side);
	if (REAL(epoll_ctl)(epfd, EPOLL_CTL_ADD, fd, &mark) == 0)
		return fd;
	tas_fd_close(inst_peek(), &set->side);
	return -1;
}

void epset_kick_prepare(struct epset *set, int epfd)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = EPSET_KICK };
	int side, fd;

	if (atomic_load(&set->kick) >= 0)
		return;
	side = epset_side(set, epfd);
	fd = side < 0 ? -1 : eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (fd < 0)
		return;
	if (hide(&set->kick, fd))
		REAL(epoll_ctl)(side, EPOLL_CTL_ADD, atomic_load(&set->kick), &e);
}

void epset_kick(struct epset *set)
{
	int fd = atomic_load_explicit(&set->kick, memory_order_relaxed), saved = errno;
	const uint64_t one = 1;

	if (fd >= 0 && real_syscall(SYS_write, fd, &one, sizeof(one)) < 0)
		errno = saved; /* full: it is readable already */
}

void epset_kernel_wait_begin(struct epset *set, int epfd)
{
	if (epfd >= 0 && atomic_load(&set->kick) < 0 && !__libc_single_threaded &&
		px_lock_enter(&set->lock)) {
		epset_kick_prepare(set, epfd);
		px_lock_leave(&set->lock);
	}
	atomic_fetch_add(&set->kernel_waiters, 1);
}

void epset_kernel_wait_end(struct epset *set)
{
	/* one write wakes one waiter: it passes it on */
	if (atomic_fetch_sub(&set->kernel_waiters, 1) > 1 && atomic_load(&set->active) > 0)
		epset_kick(set);
}

/* --- whose context --- */

/* In a child: the parent's threads and contexts are not here. */
static void forget_parent(struct epset *set)
{
	if (!px_lock_enter(&set->lock))
		return;
	if (set->forks != px_fork_count()) {
		set->forks = px_fork_count();
		set->ctx = NULL;
		atomic_store(&set->owner, 0);
		atomic_store(&set->lead, 0);
		atomic_store(&set->inside, 0);
		epset_attract_all(set);
	}
	px_lock_leave(&set->lock);
}

static void share(struct epset *set)
{
	if (!px_lock_enter(&set->lock))
		return;
	if (set->ctx == NULL)
		set->ctx = tas_ctx_new(inst_peek());
	if (set->ctx == NULL)
		set->ctx = tas_ctx_common(inst_peek());
	if (atomic_load(&set->owner) != EPSET_SHARED) {
		atomic_store(&set->owner, EPSET_SHARED);
		epset_attract_all(set);
	}
	px_lock_leave(&set->lock);
}

static void own(struct epset *set, uint64_t me, uint64_t before)
{
	if (!atomic_compare_exchange_strong(&set->owner, &before, me))
		return;
	atomic_fetch_add(&set->moves, 1);
	if (!px_lock_enter(&set->lock))
		return;
	epset_attract_all(set);
	px_lock_leave(&set->lock);
}

void epset_try_lead(struct epset_role *role)
{
	struct epset *set = role->set;
	uint64_t nobody = 0, me = px_lock_me();

	if (role->shared != NULL || atomic_load(&set->owner) != EPSET_SHARED)
		return;
	if (atomic_compare_exchange_strong(&set->lead, &nobody, me))
		role->shared = set->ctx;
}

void epset_enter(struct epset *set, struct epset_role *role)
{
	uint64_t me = px_lock_me(), owner;
	uint32_t others;

	*role = (struct epset_role){ .set = set };
	if (unlikely(set->forks != px_fork_count()))
		forget_parent(set);
	others = atomic_fetch_add(&set->inside, 1);
	owner = atomic_load_explicit(&set->owner, memory_order_relaxed);
	if (likely(owner == me && others == 0))
		return;
	if (owner != EPSET_SHARED && others == 0 && atomic_load(&set->moves) < MOVES_MAX)
		own(set, me, owner);
	else if (owner != EPSET_SHARED)
		share(set);
	epset_try_lead(role);
}

void epset_leave(struct epset_role *role)
{
	struct epset *set = role->set;

	atomic_fetch_sub(&set->inside, 1);
	if (likely(role->shared == NULL))
		return;
	role->shared = NULL;
	/* a follower leads now: pairs with the join before epset_try_lead */
	atomic_exchange(&set->lead, 0);
	waitlist_wake_one(&set->sleepers);
	if (unlikely(set->file->items != NULL || !waitlist_empty(&set->file->waiters)))
		file_tell(set->file, EPOLLIN | EPOLLRDNORM);
}

/* --- fork --- */

static PX_TLS uint32_t preparing; /* forks of this thread between prepare and release: a handler may fork */
static uint32_t making_for_fork;

/* The n-th set there ever was, or NULL. Those that ended have their locks, too. */
static struct epset *set_at(uint32_t n)
{
	return n < atomic_load(&epset_pool.fresh) ? px_pool_at(&epset_pool, n) : NULL;
}

/* False: another thread keeps it for long. */
static bool enter_for_fork(struct epset *set)
{
	enum px_lock_tried tried = px_lock_try(&set->lock);

	if (tried == PX_LOCK_ENTERED)
		set->for_fork = preparing;
	return tried != PX_LOCK_TAKEN; /* by a call that this handler interrupted: that leaves it */
}

static void leave_for_fork(void)
{
	struct epset *set;

	for (uint32_t i = 0; (set = set_at(i)) != NULL; i++) {
		if (!px_lock_is_mine(&set->lock) || set->for_fork != preparing)
			continue;
		set->for_fork = 0;
		px_lock_leave(&set->lock);
	}
}

/* A harvest goes from a set to those that are nested in it, so those with others inside come first. */
static bool enter_all_for_fork(void)
{
	struct epset *set;

	for (uint32_t i = 0; (set = set_at(i)) != NULL; i++) {
		if (atomic_load(&set->nested) != 0 && !enter_for_fork(set))
			return false;
	}
	for (uint32_t i = 0; (set = set_at(i)) != NULL; i++) {
		if (!enter_for_fork(set))
			return false;
	}
	return true;
}

/* Who holds one set and waits for another that we have gets it: we begin anew, a little later each time,
 * since whoever waits for a lock looks at it now and then only. */
void epset_fork_prepare(void)
{
	struct timespec pause = { 0, 500 * (long)NS_PER_US };
	const long longest = 10 * (long)NS_PER_MS;
	int saved = errno;

	preparing++;
	if (px_lock_enter(&making))
		making_for_fork = preparing;
	while (!enter_all_for_fork()) {
		leave_for_fork();
		real_syscall(SYS_nanosleep, &pause, NULL);
		pause.tv_nsec = pause.tv_nsec < longest ? 2 * pause.tv_nsec : longest;
	}
	errno = saved;
}

void epset_fork_release(void)
{
	leave_for_fork();
	if (making_for_fork == preparing && px_lock_is_mine(&making)) {
		making_for_fork = 0;
		px_lock_leave(&making);
	}
	preparing--;
}
