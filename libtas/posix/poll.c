/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/poll.h"

#include <errno.h>
#include <string.h>
#include <sys/single_threaded.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/ticks.h"
#include "libtas/posix/wait.h"

enum { ON_STACK = 64 }; /* descriptors that need no pages of their own */

/* A file that is waited for, while the thread sleeps. */
struct polled {
	struct file *f;
	struct waiter waiter;
	struct epset_role role; /* if it is an epoll set */
};

struct polling {
	struct pollfd *fds;
	nfds_t n;
	tas_ns deadline;
	const sigset_t *mask;
	/* [n + WAIT_FDS]: fds with those that are tasd's alone blanked, then the library's own */
	struct pollfd *kernel;
	struct polled *polled; /* [n] */
	nfds_t nr_polled;
	int kernel_ready; /* what the sleep found ready in `kernel`; -1: not asked yet */
	struct wait_sleep sleep;
};

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

static void attract(struct polling *p, struct file *f, short events)
{
	struct tas_ctx *own = p->sleep.ctx[0];
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
static bool join_all(struct polling *p)
{
	bool all = true;

	p->nr_polled = 0;
	for (nfds_t i = 0; i < p->n; i++) {
		struct polled *x = &p->polled[p->nr_polled];
		struct file *f = ours(p->fds[i].fd) != NULL ? fd_get(p->fds[i].fd) : NULL;

		if (f == NULL)
			continue;
		*x = (struct polled){ .f = f };
		p->nr_polled++;
		/* before anything else: who takes notifications away, or leads a set, tells who is there */
		all &= waitlist_join(&f->waiters, &x->waiter, p->sleep.ctx[0], UINT32_MAX);
		if (file_kind(f) == FILE_EPOLL) {
			epset_enter(f->set, &x->role);
			wait_add(&p->sleep, x->role.shared);
		} else {
			attract(p, f, p->fds[i].events);
		}
	}
	return all;
}

static void leave_all(struct polling *p)
{
	while (p->nr_polled > 0) {
		struct polled *x = &p->polled[--p->nr_polled];

		waitlist_leave(&x->waiter);
		if (x->role.set != NULL)
			epset_leave(&x->role);
		else
			file_repel(x->f);
		file_put(x->f);
	}
}

static int sleep_once(struct polling *p, bool joined)
{
	tas_ns cap = wait_cap(&p->sleep, joined);
	struct timespec left;
	unsigned own;
	int error;

	blank_ours(p);
	own = wait_fds(&p->sleep, p->kernel + p->n);
	p->kernel_ready = own_ppoll(p->kernel, p->n + own, wait_left(p->deadline, cap, &left), p->mask);
	error = p->kernel_ready < 0 ? errno : 0;
	if (p->kernel_ready > 0)
		wait_after(p->kernel + p->n, own);
	return -error;
}

static int sleep_joined(struct polling *p)
{
	bool joined = join_all(p);
	int error = 0;

	if (wait_begin(&p->sleep)) {
		if (look_at_ours(p) == 0)
			error = sleep_once(p, joined);
		wait_end(&p->sleep);
	}
	leave_all(p);
	return error;
}

static int wait_loop(struct polling *p)
{
	int error = 0, ready;

	for (;;) {
		bool last = p->deadline == 0 || (p->deadline != TAS_NS_NEVER && inst_clock() >= p->deadline);

		wait_init(&p->sleep, inst_ctx());
		ready = collect(p, last && error == 0);
		if (ready != 0)
			return ready;
		if (error != 0 || last)
			return error;
		error = sleep_joined(p);
	}
}

/* --- the call --- */

int poll_mixed(struct pollfd *fds, nfds_t n, tas_ns deadline, const sigset_t *mask)
{
	struct pollfd kernel[ON_STACK + WAIT_FDS];
	struct polled polled[ON_STACK];
	struct polling p = { .fds = fds,
		.n = n,
		.deadline = deadline,
		.mask = mask,
		.kernel = kernel,
		.polled = polled,
		.kernel_ready = -1 };
	size_t of_kernel = (n + WAIT_FDS) * sizeof(*kernel), of_polled = n * sizeof(*polled);
	char *pages;
	int ready;

	if (n <= ON_STACK)
		return wait_loop(&p);
	pages = px_map(of_kernel + of_polled);
	if (pages == NULL)
		return -ENOMEM;
	p.polled = (struct polled *)(void *)pages;
	p.kernel = (struct pollfd *)(void *)(pages + of_polled);
	ready = wait_loop(&p);
	px_unmap(pages, of_kernel + of_polled);
	return ready;
}

static bool any_ours(const struct pollfd *fds, nfds_t n)
{
	if (inst_peek() == NULL)
		return false;
	for (nfds_t i = 0; i < n; i++) {
		if (poll_is_ours(fds[i].fd))
			return true;
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
