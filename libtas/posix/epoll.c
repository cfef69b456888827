/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_create, epoll_ctl, epoll_wait. What is registered where, and how readiness is found: epset.h.
 *
 * A set with nothing accelerated in it is the kernel's, wholly: one system call for each call. In a mixed set
 * a call that finds accelerated events looks at the kernel's part only if nobody did for LOOK_TICKS. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/fork.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/owner.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"
#include "libtas/posix/ticks.h"
#include "libtas/posix/wait.h"

enum { EVENTS_MAX = INT_MAX / sizeof(struct epoll_event), NESTED_ROLES = 4 };

int px_epoll_create1(int flags)
{
	int fd = REAL(epoll_create1)(flags);
	struct file *f;

	if (fd < 0 || fork_in_vfork())
		return fd;
	f = epset_new(fd);
	if (f == NULL) {
		own_close(fd);
		errno = ENOMEM;
		return -1;
	}
	if (fd_put_in(fd, f))
		return fd;
	own_close(fd);
	errno = EMFILE;
	return -1;
}

int px_epoll_create(int size)
{
	if (size > 0)
		return px_epoll_create1(0);
	errno = EINVAL;
	return -1;
}

static struct file *epset_file_get(int epfd)
{
	struct file *f = fd_get(epfd);

	if (f != NULL && file_kind(f) != FILE_EPOLL) {
		file_put(f);
		return NULL;
	}
	return f;
}

static int control(struct epset *set, int epfd, int operation, int fd, struct file *f,
	struct epoll_event *event)
{
	if (operation != EPOLL_CTL_DEL && event == NULL)
		return -EFAULT;
	switch (operation) {
	case EPOLL_CTL_ADD: return epset_add(set, epfd, fd, f, event);
	case EPOLL_CTL_MOD: return epset_modify(set, epfd, fd, f, event);
	case EPOLL_CTL_DEL: return epset_delete(set, epfd, fd, f);
	default: return -EINVAL;
	}
}

/* A call on an accelerated set with a file the library knows: 0 or -errno; 1: it is the kernel's affair. */
static int control_known(int epfd, int operation, int fd, struct file *f, struct epoll_event *event)
{
	struct file *e = file_kind(f) == FILE_KERNEL || fork_in_vfork() ? NULL : epset_file_get(epfd);
	int error;

	if (e == NULL)
		return 1;
	error = control(e->set, epfd, operation, fd, f, event);
	file_put(e);
	return error;
}

int px_epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
	struct file *f = fd_get(fd);
	int error = 1;

	if (f != NULL) {
		error = control_known(epfd, operation, fd, f, event);
		file_put(f);
	} else if (inst_owns_fd(fd)) {
		error = -EBADF;
	}
	if (error > 0)
		return REAL(epoll_ctl)(epfd, operation, fd, event);
	if (error < 0)
		errno = -error;
	return error == 0 ? 0 : -1;
}

/* --- waiting --- */

/* What a call takes part in; while it sleeps, this stands in a stay. */
struct ep_held {
	struct epset *set;
	struct epset_role role;
	struct epset_role nested[NESTED_ROLES];
	unsigned nr_nested;
	struct wait_sleep sleep;
};

struct ep_wait {
	struct ep_held held;
	int epfd;
	struct epoll_event *events;
	unsigned max;
	tas_ns deadline;
	const sigset_t *mask;
	bool kernel_due;  /* the sleep said that the kernel's part has something */
	bool more_nested; /* than we take part in */
};

struct ep_stay {
	struct stay stay;
	struct ep_held held;
	struct waiter waiter;
	bool in_kernel; /* between epset_kernel_wait_begin and _end */
	struct px_pooled pooled;
};

static struct ep_stay first_stays[PX_POOL_CHUNK];
static struct px_pool stays = PX_POOL_WITH(struct ep_stay, pooled, first_stays);

/* Sets inside the set are waited on, too. */
static void enter_nested(struct ep_wait *w)
{
	struct ep_held *h = &w->held;
	struct epset *inner[NESTED_ROLES];
	unsigned n = 0;

	if (!px_lock_enter(&h->set->lock))
		return;
	for (struct epitem *i = h->set->items; i != NULL; i = i->set_next) {
		if (atomic_load(&i->dead) || file_kind(i->file) != FILE_EPOLL)
			continue;
		w->more_nested = n == NESTED_ROLES;
		if (w->more_nested)
			break;
		if (file_get(i->file))
			inner[n++] = i->file->set;
	}
	px_lock_leave(&h->set->lock);
	for (h->nr_nested = 0; h->nr_nested < n; h->nr_nested++)
		epset_enter(inner[h->nr_nested], &h->nested[h->nr_nested]);
}

static void wait_enter(struct ep_wait *w)
{
	struct epset *set = w->held.set;

	epset_enter(set, &w->held.role);
	w->held.nr_nested = 0;
	w->more_nested = false;
	if (unlikely(atomic_load_explicit(&set->nested, memory_order_relaxed) != 0))
		enter_nested(w);
}

static void wait_leave(struct ep_held *h)
{
	while (h->nr_nested > 0) {
		struct epset_role *role = &h->nested[--h->nr_nested];
		struct file *f = role->set->file;

		epset_leave(role);
		file_put(f);
	}
	epset_leave(&h->role);
}

static void lead_where_nobody_does(struct ep_held *h)
{
	epset_try_lead(&h->role);
	wait_add(&h->sleep, h->role.shared);
	wait_add(&h->sleep, epset_of_all(h->set, h->sleep.ctx[0]));
	for (unsigned i = 0; i < h->nr_nested; i++) {
		epset_try_lead(&h->nested[i]);
		wait_add(&h->sleep, h->nested[i].shared);
		wait_add(&h->sleep, epset_of_all(h->nested[i].set, h->sleep.ctx[0]));
	}
}

/* Did a file come to be in several sets after we chose where to sleep? */
static bool sleeps_where_all_do(const struct ep_held *h)
{
	struct tas_ctx *all = epset_of_all(h->set, h->sleep.ctx[0]);

	for (unsigned i = 0; all == NULL && i < h->nr_nested; i++)
		all = epset_of_all(h->nested[i].set, h->sleep.ctx[0]);
	return likely(all == NULL) || wait_has(&h->sleep, all);
}

static void gather_contexts(struct ep_wait *w)
{
	wait_init(&w->held.sleep, inst_ctx());
	w->held.sleep.crowded = w->more_nested;
	lead_where_nobody_does(&w->held);
}

/* One event, by turns the kernel's and an accelerated one. */
static int collect_one(struct ep_wait *w)
{
	struct epset *set = w->held.set;
	bool of_kernel = !atomic_load_explicit(&set->kernel_gave, memory_order_relaxed);
	int n = 0;

	for (int i = 0; i < 2 && n == 0; i++, of_kernel = !of_kernel) {
		n = of_kernel ? epset_look(set, w->epfd, w->events, 1)
			      : (int)epset_harvest(set, w->events, 1);
		if (n > 0)
			atomic_store_explicit(&set->kernel_gave, of_kernel, memory_order_relaxed);
	}
	return n;
}

/* Accelerated events, and beside them the kernel's if nobody looked for a while; one place is kept for those.
 *  */
static int collect_mixed(struct ep_wait *w, bool due)
{
	int n, more;

	if (due && w->max == 1)
		return collect_one(w);
	n = (int)epset_harvest(w->held.set, w->events, due ? w->max - 1 : w->max);
	if (n == 0 || !due)
		return n;
	more = epset_look(w->held.set, w->epfd, w->events + n, w->max - (unsigned)n);
	return more > 0 ? n + more : n;
}

/* A thread that never has to sleep is cancelled here. */
static void cancelled(void *arg)
{
	struct ep_wait *w = arg;

	wait_leave(&w->held);
	file_put(w->held.set->file);
}

static void look_for_cancellation(struct ep_wait *w)
{
	pthread_cleanup_push(cancelled, w);
	pthread_testcancel();
	pthread_cleanup_pop(0);
}

/* What is there now: how many events, or -errno. */
static int collect(struct ep_wait *w, bool kernel_too)
{
	struct epset *set = w->held.set;
	bool due = ticks_now() - atomic_load_explicit(&set->looked, memory_order_relaxed) > LOOK_TICKS;
	int n;

	wait_drain(&w->held.sleep);
	/* what they ask of tasd shall not keep those who wait for the lock of our set */
	for (unsigned i = 0; i < w->held.nr_nested; i++)
		epset_has_ready(w->held.nested[i].set);
	if (due) {
		tas_check(inst_peek());
		if (!__libc_single_threaded)
			look_for_cancellation(w);
	}
	n = collect_mixed(w, due);
	if (n != 0 || !kernel_too)
		return n;
	n = epset_look(set, w->epfd, w->events, w->max);
	return n != 0 ? n : (int)epset_harvest(set, w->events, w->max);
}

/* While tasd is away there is nothing but the kernel's set to wait for: one call does it, and gets the
 * events. */
static int sleep_in_kernel(struct ep_wait *w, struct ep_stay *s)
{
	struct epset *set = s->held.set;
	struct timespec left;
	int n = 0;

	epset_kernel_wait_begin(set, w->epfd);
	s->in_kernel = true;
	if (!epset_has_ready(set)) {
		n = stay_epoll_wait(w->epfd, w->events, (int)w->max,
			wait_left(w->deadline, WAIT_NAP_NS, &left), w->mask);
		n = n < 0 ? -errno : n;
	}
	s->in_kernel = false;
	epset_kernel_wait_end(set);
	return n < 0 ? n : (int)epset_unmark(set, w->events, (unsigned)n);
}

static int sleep_begun(struct ep_wait *w, struct ep_stay *s, bool joined)
{
	struct pollfd fds[1 + WAIT_FDS] = { { .fd = w->epfd, .events = POLLIN } };
	unsigned n = wait_fds(&s->held.sleep, fds + 1);
	struct timespec left;
	int got = stay_ppoll(fds, 1 + n, wait_left(w->deadline, wait_cap(&s->held.sleep, joined), &left),
		w->mask);
	int error = got < 0 ? errno : 0;

	w->kernel_due = got > 0 && fds[0].revents != 0;
	if (got > 0)
		wait_rang(&s->held.sleep, fds + 1, n);
	wait_end(&s->held.sleep);
	if (got > 0)
		wait_after(fds + 1, n);
	return -error;
}

static int sleep_on_all(struct ep_wait *w, struct ep_stay *s)
{
	struct ep_held *h = &s->held;
	bool joined = waitlist_join(&h->set->sleepers, &s->waiter, h->sleep.ctx[0], UINT32_MAX);
	int error = 0;

	/* who led left before it could see us among the sleepers, or wakes us */
	lead_where_nobody_does(h);
	if (wait_begin(&h->sleep)) {
		if (!epset_has_ready(h->set) && sleeps_where_all_do(h))
			error = sleep_begun(w, s, joined);
		wait_end(&h->sleep);
	}
	waitlist_leave(&s->waiter);
	return error;
}

static void undo(struct stay *stay)
{
	struct ep_stay *s = container_of_(stay, struct ep_stay, stay);
	struct file *f = s->held.set->file;

	if (s->in_kernel)
		epset_kernel_wait_end(s->held.set);
	wait_end(&s->held.sleep);
	waitlist_leave(&s->waiter);
	wait_leave(&s->held);
	px_pool_put(&stays, s);
	file_put(f);
}

/* Without memory for more threads that wait. */
static int nap(struct ep_wait *w)
{
	struct pollfd kernel = { .fd = w->epfd, .events = POLLIN };
	int got = wait_nap(&kernel, 1, w->deadline, w->mask);

	w->kernel_due = got > 0;
	return got < 0 ? -errno : 0;
}

/* Sleeps once; events if the kernel gave some, 0, or -errno. */
static int wait_sleep_once(struct ep_wait *w)
{
	struct ep_stay *s;
	int result;

	stay_reap();
	s = px_pool_get(&stays);
	if (s == NULL)
		return nap(w);
	*s = (struct ep_stay){ .held = w->held, .pooled = s->pooled };
	stay_begin(&s->stay, undo);
	result = inst_attached() ? sleep_on_all(w, s) : sleep_in_kernel(w, s);
	w->held = s->held;
	stay_end(&s->stay);
	px_pool_put(&stays, s);
	return result;
}

static int wait_mixed(struct ep_wait *w)
{
	bool poll_only = w->deadline == 0, slept = false;
	int n, error = 0;

	for (;;) {
		gather_contexts(w);
		n = collect(w, poll_only || w->kernel_due || error != 0);
		w->kernel_due = false;
		if (n != 0 || poll_only)
			return n;
		if (error != 0)
			return error;
		if (w->deadline != TAS_NS_NEVER && inst_clock() >= w->deadline)
			return collect(w, true);
		error = owner_interrupted() && slept ? -EINTR : wait_sleep_once(w);
		slept = true;
		if (error > 0)
			return error; /* events */
	}
}

static int wait_accelerated(struct ep_wait *w)
{
	int n;

	wait_enter(w);
	n = wait_mixed(w);
	wait_leave(&w->held);
	if (n >= 0)
		return n;
	errno = -n;
	return -1;
}

static int kernels_wait(struct ep_wait *w, int timeout_ms, const struct timespec *timeout)
{
	if (timeout != NULL)
		return REAL(epoll_pwait2)(w->epfd, w->events, (int)w->max, timeout, w->mask);
	return REAL(epoll_pwait)(w->epfd, w->events, (int)w->max, timeout_ms, w->mask);
}

static bool is_kernels(struct epset *set)
{
	/* items of what closed meanwhile are given back by who looks */
	if (unlikely(atomic_load_explicit(&set->incoming, memory_order_relaxed) != NULL))
		epset_harvest(set, NULL, 0);
	return likely(atomic_load_explicit(&set->active, memory_order_relaxed) == 0) || inst_get() == NULL;
}

static void kernels_wait_abandoned(struct file *f)
{
	epset_kernel_wait_end(f->set);
	file_put(f);
}

/* The kernel's call, beside other threads: a cancellation point, as it is without the library. */
static int kernels_wait_among(struct ep_wait *w, int timeout_ms, const struct timespec *timeout)
{
	struct stay_ref *ref = stay_ref_begin(w->held.set->file, kernels_wait_abandoned);
	int n = 0;

	STAY_CANCELLABLE(n, kernels_wait(w, timeout_ms, timeout));
	stay_ref_end(ref);
	epset_kernel_wait_end(w->held.set);
	return n;
}

static int kernels_wait_alone(struct ep_wait *w, int timeout_ms, const struct timespec *timeout)
{
	struct stay_ref *ref = stay_ref_begin(w->held.set->file, file_put);
	int n = kernels_wait(w, timeout_ms, timeout);

	stay_ref_end(ref);
	return n;
}

/* Nothing accelerated is in the set: the kernel's call, which another thread ends if that changes. */
static int wait_kernel(struct ep_wait *w, int timeout_ms, const struct timespec *timeout)
{
	struct epset *set = w->held.set;
	int n;

	if (__libc_single_threaded) {
		n = kernels_wait_alone(w, timeout_ms, timeout);
	} else {
		epset_kernel_wait_begin(set, -1);
		if (unlikely(!is_kernels(set))) { /* what is added from here on finds us waiting */
			epset_kernel_wait_end(set);
			return wait_accelerated(w);
		}
		n = kernels_wait_among(w, timeout_ms, timeout);
	}
	if (n <= 0 || likely(atomic_load_explicit(&set->side, memory_order_relaxed) < 0))
		return n;
	n = (int)epset_unmark(set, w->events, (unsigned)n);
	return n > 0 ? n : wait_accelerated(w);
}

static bool bad_max(int max)
{
	if (max > 0 && (size_t)max <= EVENTS_MAX)
		return false;
	errno = EINVAL;
	return true;
}

int px_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
	struct file *f = epset_file_get(epfd);
	struct ep_wait w;
	int n;

	if (f == NULL)
		return REAL(epoll_pwait)(epfd, events, max, timeout_ms, mask);
	w = (struct ep_wait){ .held.set = f->set,
		.epfd = epfd,
		.events = events,
		.max = (unsigned)max,
		.mask = mask };
	if (bad_max(max))
		n = -1;
	else {
		w.deadline = timeout_ms == 0 ? 0 : wait_deadline_ms(timeout_ms);
		n = is_kernels(f->set) ? wait_kernel(&w, timeout_ms, NULL) : wait_accelerated(&w);
	}
	file_put(f);
	return n;
}

int px_epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask)
{
	struct file *f = epset_file_get(epfd);
	struct ep_wait w;
	bool bad;
	int n;

	if (f == NULL)
		return REAL(epoll_pwait2)(epfd, events, max, timeout, mask);
	w = (struct ep_wait){ .held.set = f->set,
		.epfd = epfd,
		.events = events,
		.max = (unsigned)max,
		.mask = mask };
	w.deadline = wait_deadline_ts(timeout, &bad);
	if (timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0)
		w.deadline = 0;
	if (bad_max(max) || bad) {
		errno = EINVAL;
		n = -1;
	} else {
		n = is_kernels(f->set) ? wait_kernel(&w, -1, timeout) : wait_accelerated(&w);
	}
	file_put(f);
	return n;
}
