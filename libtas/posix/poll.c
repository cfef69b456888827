/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/poll.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/single_threaded.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/owner.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"
#include "libtas/posix/ticks.h"
#include "libtas/posix/wait.h"

enum { ON_STACK = 64 }; /* descriptors that need no pages of their own */

/* A file that is waited for, while the thread sleeps. */
struct polled {
	struct file *f;
	struct waiter waiter;
	struct epset_role role; /* if it is an epoll set */
};

/* What a call holds that sleeps. */
struct poll_stay {
	struct stay stay;
	struct wait_sleep sleep;
	nfds_t nr_polled;
	struct polled *polled;
	struct px_pooled pooled;
	struct polled first[ON_STACK];
};

struct polling {
	struct pollfd *fds;
	nfds_t n;
	tas_ns deadline;
	const sigset_t *mask;
	/* [n + WAIT_FDS]: fds with those that are tasd's alone blanked, then the library's own */
	struct pollfd *kernel;
	struct polled *polled; /* [n]; NULL: as many as a stay has */
	int kernel_ready;      /* what the sleep found ready in `kernel`; -1: not asked yet */
	struct wait_sleep sleep;
};

static struct px_pool stays = PX_POOL_OF(struct poll_stay, pooled);

static PX_TLS uint64_t
	looked; /* TSC of this thread's last look at kernel descriptors beside accelerated ones */

/* The accelerated file of a descriptor, or NULL. Another thread may close it meanwhile: it is looked up once,
 * and what is loaded of it may be gone. */
static struct file *ours(int fd)
{
	struct file *f = fd_look(fd);
	enum file_kind kind = f == NULL ? FILE_FREE : file_kind(f);
	struct epset *set;

	if (kind == FILE_FLOW || kind == FILE_LISTENER)
		return f;
	if (kind != FILE_EPOLL)
		return NULL;
	if (!__libc_single_threaded && inst_attached())
		return f; /* another thread may add the first flow while we sleep */
	set = atomic_load_explicit(&f->set, memory_order_acquire);
	return set != NULL && atomic_load_explicit(&set->active, memory_order_relaxed) != 0 ? f : NULL;
}

bool poll_is_ours(int fd) { return ours(fd) != NULL; }

static bool has_kernel_part(const struct file *f)
{
	return file_kind(f) == FILE_EPOLL || (file_kind(f) == FILE_LISTENER && file_has(f, FILE_KERNEL_SIDE));
}

/* --- what is ready now --- */

/* Fills revents of accelerated descriptors; returns how many have some. */
static int look_at_ours(struct polling *p)
{
	int ready = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		uint32_t wanted = (uint16_t)p->fds[i].events | POLLERR | POLLHUP;
		struct file *f = ours(p->fds[i].fd);

		p->fds[i].revents = f != NULL ? (short)(file_ready(f) & wanted) : 0;
		ready += p->fds[i].revents != 0;
	}
	return ready;
}

static void blank_ours(struct polling *p)
{
	for (nfds_t i = 0; i < p->n; i++) {
		struct file *f = ours(p->fds[i].fd);

		p->kernel[i] = p->fds[i];
		p->kernel[i].revents = 0;
		if (f != NULL && !has_kernel_part(f))
			p->kernel[i].fd = -1;
	}
}

/* What the kernel said joins what we know. */
static int merge(struct polling *p)
{
	int ready = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		struct file *f = p->kernel[i].revents & POLLIN ? fd_look(p->fds[i].fd) : NULL;

		if (f != NULL && file_kind(f) == FILE_LISTENER)
			atomic_store(&f->kernel_empty, 0); /* accept asks the kernel then */
		p->fds[i].revents |= p->kernel[i].revents;
		ready += p->fds[i].revents != 0;
	}
	return ready;
}

/* What is ready, or -EINTR: Linux lets the signals of the mask in even if there is no time to wait. */
static int collect(struct polling *p, bool last)
{
	int ready, error = 0;

	wait_drain(&p->sleep);
	ready = look_at_ours(p);
	if (p->kernel_ready < 0 && (last || (ready > 0 && ticks_now() - looked > LOOK_TICKS))) {
		looked = ticks_now();
		tas_check(inst_peek());
		stay_test_cancel();
		blank_ours(p);
		p->kernel_ready = own_ppoll(p->kernel, p->n, &(struct timespec){ 0, 0 },
			last ? p->mask : NULL);
		error = p->kernel_ready < 0 ? errno : 0;
	}
	if (p->kernel_ready > 0)
		ready = merge(p);
	p->kernel_ready = -1;
	return ready == 0 && error == EINTR ? -EINTR : ready;
}

/* --- sleeping --- */

static void attract(struct tas_ctx *own, struct file *f, short events)
{
	struct tas_sock *s = file_sock(f);

	if (s == NULL)
		return;
	if (tas_sock_is_listener(s)) {
		tas_listen_arm(own, s);
		return;
	}
	tas_sock_notify(own, s);
	if (events & (POLLOUT | POLLWRNORM))
		tas_want_out(own, s);
}

/* All files are joined; a thread that cannot join one (a handler inside it) naps instead of sleeping. */
static bool join_all(const struct polling *p, struct poll_stay *s)
{
	struct tas_ctx *own = s->sleep.ctx[0];
	bool all = true;

	for (nfds_t i = 0; i < p->n; i++) {
		struct polled *x = &s->polled[s->nr_polled];
		struct file *f = ours(p->fds[i].fd) != NULL ? fd_get(p->fds[i].fd) : NULL;

		if (f == NULL)
			continue;
		*x = (struct polled){ .f = f };
		s->nr_polled++;
		/* before anything else: who takes notifications away, or leads a set, tells who is there */
		all &= waitlist_join(&f->waiters, &x->waiter, own, UINT32_MAX);
		if (file_kind(f) == FILE_EPOLL) {
			epset_enter(f->set, &x->role);
			wait_add(&s->sleep, x->role.shared);
			wait_add(&s->sleep, epset_of_all(f->set, own));
		} else {
			attract(own, f, p->fds[i].events);
		}
	}
	return all;
}

static void leave_all(struct poll_stay *s)
{
	wait_end(&s->sleep);
	while (s->nr_polled > 0) {
		struct polled *x = &s->polled[--s->nr_polled];

		waitlist_leave(&x->waiter);
		if (x->role.set != NULL)
			epset_leave(&x->role);
		else
			file_repel(x->f);
		file_put(x->f);
	}
}

static void undo(struct stay *stay)
{
	struct poll_stay *s = container_of_(stay, struct poll_stay, stay);

	leave_all(s);
	px_pool_put(&stays, s);
}

/* Without those that are blank; returns how many are left. */
static nfds_t close_ranks(struct polling *p)
{
	nfds_t n = 0;

	for (nfds_t i = 0; i < p->n; i++) {
		if (p->kernel[i].fd >= 0)
			p->kernel[n++] = p->kernel[i];
	}
	return n;
}

/* Each where it was before close_ranks: those of one number were blank all or none. */
static void open_ranks(struct polling *p, nfds_t n)
{
	for (nfds_t i = p->n; i-- > 0;) {
		bool here = n > 0 && p->kernel[n - 1].fd == p->fds[i].fd;

		p->kernel[i] = here ? p->kernel[--n] : (struct pollfd){ .fd = -1 };
	}
}

/* ppoll on `n` of p->kernel, and behind them the library's own. */
static int ppoll_with_own(struct polling *p, struct poll_stay *s, nfds_t n, tas_ns cap)
{
	unsigned own = wait_fds(&s->sleep, p->kernel + n);
	struct timespec left;

	p->kernel_ready = stay_ppoll(p->kernel, n + own, wait_left(p->deadline, cap, &left), p->mask);
	if (p->kernel_ready < 0)
		return -errno;
	if (p->kernel_ready > 0) {
		wait_rang(&s->sleep, p->kernel + n, own);
		wait_after(p->kernel + n, own);
	}
	return 0;
}

/* With ours there are more than RLIMIT_NOFILE lets poll have: those it would not look at are left out. If it
 * would look at all of them, there are naps. */
static int sleep_in_ranks(struct polling *p, struct poll_stay *s, tas_ns cap)
{
	nfds_t n = close_ranks(p);
	int error = ppoll_with_own(p, s, n, cap);

	if (error == -EINVAL) {
		p->kernel_ready = wait_nap(p->kernel, n, p->deadline, p->mask);
		error = p->kernel_ready < 0 ? -errno : 0;
	}
	open_ranks(p, n);
	return error;
}

static int sleep_once(struct polling *p, struct poll_stay *s, bool joined)
{
	tas_ns cap = wait_cap(&s->sleep, joined);
	int error;

	blank_ours(p);
	error = ppoll_with_own(p, s, p->n, cap);
	return error == -EINVAL ? sleep_in_ranks(p, s, cap) : error;
}

static int sleep_joined(struct polling *p, struct poll_stay *s)
{
	bool joined = join_all(p, s);
	int error = 0;

	if (wait_begin(&s->sleep) && look_at_ours(p) == 0)
		error = sleep_once(p, s, joined);
	leave_all(s);
	return error;
}

/* There is no memory to tell anybody that we wait. */
static int nap(struct polling *p)
{
	blank_ours(p);
	p->kernel_ready = wait_nap(p->kernel, p->n, p->deadline, p->mask);
	return p->kernel_ready < 0 ? -errno : 0;
}

static int sleep_in_stay(struct polling *p)
{
	struct poll_stay *s = px_pool_get(&stays);
	int error;

	if (s == NULL)
		return nap(p);
	s->nr_polled = 0;
	s->polled = p->polled != NULL ? p->polled : s->first;
	s->sleep = p->sleep;
	stay_begin(&s->stay, undo);
	error = sleep_joined(p, s);
	stay_end(&s->stay);
	px_pool_put(&stays, s);
	return error;
}

static int wait_loop(struct polling *p)
{
	bool slept = false;
	int error = 0, ready;

	for (;;) {
		bool last = p->deadline == 0 || (p->deadline != TAS_NS_NEVER && inst_clock() >= p->deadline);

		wait_init(&p->sleep, inst_ctx());
		ready = collect(p, last && error == 0);
		if (ready != 0)
			return ready;
		if (error != 0 || last)
			return error;
		error = owner_interrupted() && slept ? -EINTR : sleep_in_stay(p);
		slept = true;
	}
}

/* --- the call --- */

int poll_mixed(struct pollfd *fds, nfds_t n, tas_ns deadline, const sigset_t *mask)
{
	struct pollfd kernel[ON_STACK + WAIT_FDS];
	struct polling p = { .fds = fds,
		.n = n,
		.deadline = deadline,
		.mask = mask,
		.kernel = kernel,
		.kernel_ready = -1 };
	size_t of_kernel = (n + WAIT_FDS) * sizeof(*kernel), of_polled = n * sizeof(struct polled);
	char *pages;
	int ready;

	stay_reap();
	if (n <= ON_STACK)
		return wait_loop(&p);
	pages = stay_map(of_kernel + of_polled);
	if (pages == NULL)
		return -ENOMEM;
	p.polled = (struct polled *)(void *)pages;
	p.kernel = (struct pollfd *)(void *)(pages + of_polled);
	ready = wait_loop(&p);
	stay_unmap(pages);
	return ready;
}

/* Linux looks at the number before anything else. Few are taken for allowed: it costs a call to know. */
static bool too_many(nfds_t n)
{
	struct rlimit limit;

	return n > ON_STACK && getrlimit(RLIMIT_NOFILE, &limit) == 0 && n > limit.rlim_cur;
}

/* And is the call not the kernel's to refuse? */
static bool any_ours(const struct pollfd *fds, nfds_t n)
{
	if (inst_peek() == NULL)
		return false;
	for (nfds_t i = 0; i < n; i++) {
		if (poll_is_ours(fds[i].fd))
			return !too_many(n);
	}
	return false;
}

static int finish(int ready)
{
	if (ready >= 0)
		return ready;
	errno = -ready;
	return -1;
}

int px_poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	if (!any_ours(fds, n))
		return REAL(poll)(fds, n, timeout_ms);
	return finish(poll_mixed(fds, n, timeout_ms == 0 ? 0 : wait_deadline_ms(timeout_ms), NULL));
}

int px_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	tas_ns deadline;
	bool bad;

	if (!any_ours(fds, n))
		return REAL(ppoll)(fds, n, timeout, mask);
	deadline = wait_deadline_ts(timeout, &bad);
	if (bad)
		return finish(-EINVAL);
	if (timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0)
		deadline = 0;
	return finish(poll_mixed(fds, n, deadline, mask));
}
