/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/wait.h"

#include <errno.h>
#include <stddef.h>

#include "libtas/posix/inst.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/owner.h"
#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"

void wait_init(struct wait_sleep *w, struct tas_ctx *own)
{
	w->n = 0;
	w->crowded = w->begun = w->deaf = false;
	wait_add(w, own);
}

bool wait_has(const struct wait_sleep *w, const struct tas_ctx *c)
{
	unsigned i = 0;

	while (i < w->n && w->ctx[i] != c)
		i++;
	return i < w->n || w->crowded;
}

void wait_add(struct wait_sleep *w, struct tas_ctx *c)
{
	if (c == NULL || wait_has(w, c))
		return;
	if (w->n < WAIT_CTX_MAX)
		w->ctx[w->n++] = c;
	else
		w->crowded = true;
}

void wait_drain(struct wait_sleep *w)
{
	for (unsigned i = 0; i < w->n; i++)
		tas_ctx_poll(w->ctx[i]);
}

bool wait_begin(struct wait_sleep *w)
{
	for (unsigned i = 0; i < w->n; i++) {
		if (tas_ctx_sleep_begin(w->ctx[i]))
			continue;
		while (i-- > 0)
			tas_ctx_sleep_end(w->ctx[i]);
		return false;
	}
	w->deaf = false;
	for (unsigned i = 0; i < w->n; i++)
		w->deaf |= !tas_ctx_wakes(w->ctx[i]);
	w->begun = true;
	return true;
}

void wait_end(struct wait_sleep *w)
{
	if (!w->begun)
		return;
	w->begun = false;
	for (unsigned i = w->n; i-- > 0;)
		tas_ctx_sleep_end(w->ctx[i]);
}

unsigned wait_fds(struct wait_sleep *w, struct pollfd fds[WAIT_FDS])
{
	struct tas *t = inst_peek();
	int of_ctx[TAS_CTX_FDS];
	unsigned n = 0;
	int control = tas_ctl_fd(t);

	for (unsigned i = 0; i < w->n; i++) {
		unsigned have = tas_ctx_fds(w->ctx[i], of_ctx);

		for (unsigned j = 0; j < have; j++)
			fds[n++] = (struct pollfd){ .fd = of_ctx[j], .events = POLLIN };
	}
	if (control >= 0)
		fds[n++] = (struct pollfd){ .fd = control, .events = POLLIN };
	return n;
}

void wait_rang(struct wait_sleep *w, const struct pollfd *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; fds[i].revents != 0 && j < w->n; j++)
			tas_ctx_rang(w->ctx[j], fds[i].fd);
}

void wait_after(const struct pollfd *fds, unsigned n)
{
	struct tas *t = inst_peek();
	int control = tas_ctl_fd(t);

	if (n > 0 && fds[n - 1].fd == control && fds[n - 1].revents != 0)
		tas_ctl_event(t);
}

const struct timespec *wait_left(tas_ns deadline, tas_ns cap, struct timespec *out)
{
	tas_ns now, left = cap;

	if (deadline != TAS_NS_NEVER) {
		now = inst_clock();
		left = min_u64(deadline > now ? deadline - now : 0, cap);
	}
	if (left == TAS_NS_NEVER)
		return NULL;
	out->tv_sec = (time_t)(left / NS_PER_SEC);
	out->tv_nsec = (long)(left % NS_PER_SEC);
	return out;
}

int wait_nap(struct pollfd *fds, nfds_t n, tas_ns deadline, const sigset_t *mask)
{
	struct timespec left;

	return stay_ppoll(fds, n, wait_left(deadline, WAIT_NAP_SHORT_NS, &left), mask);
}

tas_ns wait_deadline_ms(int timeout_ms)
{
	return timeout_ms < 0 ? TAS_NS_NEVER : inst_clock() + (tas_ns)timeout_ms * NS_PER_MS;
}

tas_ns wait_deadline_ts(const struct timespec *timeout, bool *bad)
{
	const time_t for_ever = 1000000000; /* s; a sum that cannot overflow */

	*bad = timeout != NULL &&
		(timeout->tv_sec < 0 || timeout->tv_nsec < 0 || timeout->tv_nsec >= (long)NS_PER_SEC);
	if (timeout == NULL || *bad || timeout->tv_sec >= for_ever)
		return TAS_NS_NEVER;
	return inst_clock() + (tas_ns)timeout->tv_sec * NS_PER_SEC + (tas_ns)timeout->tv_nsec;
}

/* --- one file --- */

struct file_wait {
	struct stay stay;
	struct file *f;
	struct wait_for what;
	struct wait_sleep sleep;
	struct waiter waiter;
	bool kernel_ready;
	struct px_pooled pooled;
};

static struct file_wait first_waits[PX_POOL_CHUNK];
static struct px_pool waits = PX_POOL_WITH(struct file_wait, pooled, first_waits);

static bool true_now(struct file *f, const struct wait_for *what)
{
	struct tas_sock *s = file_sock(f);
	uint32_t ready, end = TAS_EV_RDHUP | TAS_EV_ERR | TAS_EV_HUP;

	if (s == NULL)
		return true; /* no longer what it was; the caller looks again */
	ready = tas_ready(s);
	if (what->min_bytes > 1 && !(ready & end) && !tas_rx_enough(s, what->min_bytes))
		ready &= ~(uint32_t)TAS_EV_IN;
	return (ready & (what->events | TAS_EV_ERR | TAS_EV_HUP)) != 0;
}

/* Notifications come to this thread, also when another one waited for the same file meanwhile. */
static void attract(struct file_wait *w)
{
	struct tas_ctx *own = w->sleep.ctx[0];
	struct tas_sock *s = file_sock(w->f);

	if (s == NULL)
		return;
	if (tas_sock_is_listener(s))
		tas_listen_arm(own, s);
	else
		tas_sock_notify(own, s);
	if (w->what.events & TAS_EV_OUT)
		tas_want_out(own, s);
}

/* One sleep, between wait_begin and wait_end: 0 or -errno. */
static int sleep_once(struct file_wait *w)
{
	struct pollfd fds[1 + WAIT_FDS] = { { .fd = w->what.kernel_fd, .events = POLLIN } };
	unsigned n = wait_fds(&w->sleep, fds + 1);
	struct timespec left;
	tas_ns cap = wait_cap(&w->sleep, w->waiter.list != NULL);
	int got = stay_ppoll(fds, 1 + n, wait_left(w->what.deadline, cap, &left), NULL);
	int error = got < 0 ? errno : 0;

	if (got > 0) {
		w->kernel_ready = fds[0].revents != 0;
		wait_rang(&w->sleep, fds + 1, n);
		wait_after(fds + 1, n);
	}
	return -error;
}

static int wait_loop(struct file_wait *w)
{
	tas_ns deadline = w->what.deadline;
	bool slept = false;
	int error = 0;

	while (!w->kernel_ready && !true_now(w->f, &w->what)) {
		if (owner_interrupted() && slept && error == 0)
			error = -EINTR;
		slept = true;
		if (error != 0)
			return error;
		if (deadline != TAS_NS_NEVER && inst_clock() >= deadline)
			return -ETIMEDOUT;
		attract(w);
		if (!wait_begin(&w->sleep))
			continue;
		if (!true_now(w->f, &w->what))
			error = sleep_once(w);
		wait_end(&w->sleep);
		wait_drain(&w->sleep);
	}
	return 0;
}

static void leave(struct file_wait *w)
{
	wait_end(&w->sleep);
	waitlist_leave(&w->waiter);
	file_repel(w->f);
}

static void (*abandoned(const struct wait_for *what))(struct file *)
{
	return what->abandoned != NULL ? what->abandoned : file_put;
}

static void undo(struct stay *s)
{
	struct file_wait *w = container_of_(s, struct file_wait, stay);
	void (*end)(struct file *) = abandoned(&w->what);
	struct file *f = w->f;

	leave(w);
	px_pool_put(&waits, w);
	end(f);
}

/* Without memory for more threads that wait. */
static int wait_by_naps(struct file *f, const struct wait_for *what)
{
	struct stay_ref *ref = stay_ref_begin(f, abandoned(what));
	struct pollfd kernel = { .fd = what->kernel_fd, .events = POLLIN };
	int got = 0;

	while (got == 0 && !true_now(f, what)) {
		if (what->deadline != TAS_NS_NEVER && inst_clock() >= what->deadline)
			got = -ETIMEDOUT;
		else
			got = wait_nap(&kernel, 1, what->deadline, NULL) < 0 ? -errno : kernel.revents;
		tas_ctx_poll(inst_ctx());
	}
	stay_ref_end(ref);
	return got < 0 ? got : 0;
}

static int wait_registered(struct file_wait *w)
{
	int result;

	stay_begin(&w->stay, undo);
	wait_init(&w->sleep, inst_ctx());
	waitlist_join(&w->f->waiters, &w->waiter, w->sleep.ctx[0], UINT32_MAX);
	result = wait_loop(w);
	leave(w);
	stay_end(&w->stay);
	return result;
}

/* SO_BUSY_POLL: so many microseconds of looking before who waits for bytes sleeps. */
static bool busy_poll(struct file *f, const struct wait_for *what)
{
	int us = what->events & TAS_EV_IN ? opt_int(f, OPT_BUSY_POLL, 0) : 0;
	tas_ns now = us > 0 ? inst_clock() : 0, end = min_u64(now + (tas_ns)us * NS_PER_US, what->deadline);

	for (; now < end; now = inst_clock()) {
		tas_ctx_poll(inst_ctx());
		if (true_now(f, what))
			return true;
	}
	return false;
}

int wait_file(struct file *f, const struct wait_for *what)
{
	struct file_wait *w;
	int saved = errno, result;

	if (true_now(f, what) || busy_poll(f, what))
		return 0;
	stay_reap();
	w = px_pool_get(&waits);
	if (w == NULL)
		return wait_by_naps(f, what);
	*w = (struct file_wait){ .f = f, .what = *what, .pooled = w->pooled };
	result = wait_registered(w);
	px_pool_put(&waits, w);
	errno = saved;
	return result;
}
