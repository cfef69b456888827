/* SPDX-License-Identifier: BSD-3-Clause */
/* select and pselect, over poll. The sets may be larger than FD_SETSIZE: they are taken as arrays of words,
 * as Linux does. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/poll.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"
#include "libtas/posix/wait.h"

enum { ON_STACK = 64, WORD = 8 * sizeof(unsigned long) };

/* What makes a descriptor ready for each of the sets, in Linux's words. */
enum {
	READY_IN = POLLIN | POLLRDNORM | POLLRDBAND | POLLHUP | POLLERR,
	READY_OUT = POLLOUT | POLLWRNORM | POLLWRBAND | POLLERR,
	READY_EXCEPT = POLLPRI,
};

struct sets {
	unsigned long *in, *out, *except; /* NULL: not given */
	int n;
};

static bool has(const unsigned long *set, int fd)
{
	return set != NULL && set[(unsigned)fd / WORD] >> ((unsigned)fd % WORD) & 1;
}

static void put(unsigned long *set, int fd) { set[(unsigned)fd / WORD] |= 1ul << ((unsigned)fd % WORD); }

static void clear(unsigned long *set, int n)
{
	if (set != NULL)
		memset(set, 0, ((size_t)n + WORD - 1) / WORD * sizeof(*set));
}

static short events_of(const struct sets *s, int fd)
{
	return (short)((has(s->in, fd) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) |
		(has(s->out, fd) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) |
		(has(s->except, fd) ? POLLPRI : 0));
}

static bool any_ours(const struct sets *s)
{
	int end = s->n < (int)atomic_load_explicit(&fd_end, memory_order_relaxed) ? s->n : (int)fd_end;

	if (inst_peek() == NULL)
		return false;
	for (int fd = 0; fd < end; fd++) {
		if (events_of(s, fd) != 0 && poll_is_ours(fd))
			return true;
	}
	return false;
}

/* All descriptors of the sets; returns how many. */
static nfds_t to_poll(const struct sets *s, struct pollfd *fds)
{
	nfds_t n = 0;

	for (int fd = 0; fd < s->n; fd++) {
		short events = events_of(s, fd);

		if (events != 0)
			fds[n++] = (struct pollfd){ .fd = fd, .events = events };
	}
	return n;
}

/* The bits that are set in the end; -EBADF if a descriptor was none. */
static int from_poll(const struct sets *s, const struct pollfd *fds, nfds_t n)
{
	int bits = 0;

	for (nfds_t i = 0; i < n; i++) {
		if (fds[i].revents & POLLNVAL)
			return -EBADF;
	}
	clear(s->in, s->n);
	clear(s->out, s->n);
	clear(s->except, s->n);
	for (nfds_t i = 0; i < n; i++) {
		short wanted = fds[i].events, ready = fds[i].revents;

		if (wanted & POLLIN && ready & READY_IN)
			put(s->in, fds[i].fd), bits++;
		if (wanted & POLLOUT && ready & READY_OUT)
			put(s->out, fds[i].fd), bits++;
		if (wanted & POLLPRI && ready & READY_EXCEPT)
			put(s->except, fds[i].fd), bits++;
	}
	return bits;
}

/* Leaves out what poll reports and select does not, or takes all in again. */
static void leave_out(struct pollfd *fds, nfds_t n, bool out)
{
	for (nfds_t i = 0; i < n; i++) {
		if (fds[i].fd < 0)
			fds[i].fd = ~fds[i].fd;
		if (out && fds[i].revents != 0)
			fds[i].fd = ~fds[i].fd;
	}
}

static int select_listed(const struct sets *s, struct pollfd *fds, tas_ns deadline, const sigset_t *mask)
{
	nfds_t n = to_poll(s, fds);

	for (bool quiet = false;; quiet = !quiet) {
		/* what only hung up is left out for a nap, not for ever: something else may come of it */
		tas_ns nap = quiet ? inst_clock() + WAIT_NAP_SHORT_NS : TAS_NS_NEVER;
		int ready = poll_mixed(fds, n, min_u64(deadline, nap), mask);

		if (ready >= 0)
			ready = from_poll(s, fds, n);
		/* a hang-up alone is nothing that a set for writing asks for: go on, as poll never does */
		if (ready != 0 || deadline == 0 || (deadline != TAS_NS_NEVER && inst_clock() >= deadline))
			return ready;
		leave_out(fds, n, !quiet);
	}
}

static int select_mixed(const struct sets *s, tas_ns deadline, const sigset_t *mask)
{
	struct pollfd on_stack[ON_STACK];
	struct pollfd *pages;
	size_t bytes = (size_t)s->n * sizeof(*pages);
	int bits;

	if (s->n <= ON_STACK)
		return select_listed(s, on_stack, deadline, mask);
	pages = stay_map(bytes);
	if (pages == NULL)
		return -ENOMEM;
	bits = select_listed(s, pages, deadline, mask);
	stay_unmap(pages);
	return bits;
}

static struct sets sets_of(int n, fd_set *in, fd_set *out, fd_set *except)
{
	return (struct sets){ (unsigned long *)(void *)in, (unsigned long *)(void *)out,
		(unsigned long *)(void *)except, n };
}

static int finish(int bits)
{
	if (bits >= 0)
		return bits;
	errno = -bits;
	return -1;
}

/* Linux tells how much of the time is left. */
static void tell_left(struct timeval *timeout, tas_ns deadline)
{
	struct timespec left;

	if (timeout == NULL || deadline == TAS_NS_NEVER)
		return;
	wait_left(deadline, TAS_NS_NEVER, &left);
	timeout->tv_sec = left.tv_sec;
	timeout->tv_usec = left.tv_nsec / (long)NS_PER_US;
}

int px_select(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout)
{
	struct sets s = sets_of(n, in, out, except);
	struct timespec ts = { 0, 0 };
	tas_ns deadline;
	bool bad;
	int bits;

	if (n <= 0 || !any_ours(&s))
		return REAL(select)(n, in, out, except, timeout);
	if (timeout != NULL && (timeout->tv_sec < 0 || timeout->tv_usec < 0))
		return finish(-EINVAL);
	if (timeout != NULL)
		ts = (struct timespec){ timeout->tv_sec + timeout->tv_usec / 1000000,
			timeout->tv_usec % 1000000 * (long)NS_PER_US };
	deadline = wait_deadline_ts(timeout != NULL ? &ts : NULL, &bad);
	if (timeout != NULL && ts.tv_sec == 0 && ts.tv_nsec == 0)
		deadline = 0;
	bits = select_mixed(&s, deadline, NULL);
	tell_left(timeout, deadline == 0 ? inst_clock() : deadline);
	return finish(bits);
}

int px_pselect(int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
	const sigset_t *mask)
{
	struct sets s = sets_of(n, in, out, except);
	tas_ns deadline;
	bool bad;

	if (n <= 0 || !any_ours(&s))
		return REAL(pselect)(n, in, out, except, timeout, mask);
	deadline = wait_deadline_ts(timeout, &bad);
	if (bad)
		return finish(-EINVAL);
	if (timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0)
		deadline = 0;
	return finish(select_mixed(&s, deadline, mask));
}
