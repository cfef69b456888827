/* SPDX-License-Identifier: BSD-3-Clause */
/* accept: from tasd's queue, and from the kernel's if it listens there, too. An accepted connection of tasd
 * gets a placeholder, a copy of an unconnected socket of the process, so that its number is a socket's. */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/syscall.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/sockaddr.h"
#include "libtas/posix/stay.h"
#include "libtas/posix/ticks.h"
#include "libtas/posix/wait.h"

struct accepting {
	int fd;
	struct file *listener;
	struct sockaddr *addr;
	socklen_t *size;
	int flags;
};

/* The connection becomes a descriptor; on failure it waits for the next accept. */
static int install(const struct accepting *a, struct tas_sock *s)
{
	struct file *l = a->listener, *f = file_new(FILE_PLAIN, l->family);
	int fd = f == NULL ? -1 : inst_placeholder(l->family, (a->flags & SOCK_CLOEXEC) != 0);
	int error = f == NULL ? ENOMEM : errno;

	if (fd < 0) {
		if (f != NULL)
			file_put(f);
		s = atomic_exchange(&l->stash, s);
		if (s != NULL) /* two of them at once: one is too many */
			tas_close(inst_ctx(), s, true);
		return -error;
	}
	file_flag(f, FILE_PLACEHOLDER | (a->flags & SOCK_NONBLOCK ? FILE_NONBLOCK : 0), true);
	opt_inherit(l, f);
	file_flag(f, file_flags(l) & FILE_CORK, true);
	tas_preset(s, file_has(f, FILE_NODELAY), file_has(f, FILE_CORK));
	if (unlikely(file_has(f, FILE_OOBINLINE)))
		tas_set_oobinline(s, true);
	file_accelerate(f, s, FILE_FLOW);
	fd_put_in(fd, f);
	return fd;
}

static void give_peer(const struct accepting *a, const struct tas_sock *s)
{
	struct net_addr remote;
	uint16_t port;

	if (a->addr == NULL)
		return;
	tas_sock_addrs(s, NULL, NULL, &remote, &port);
	sockaddr_give(a->listener->family, &remote, port, a->addr, a->size);
}

static int accept_tasd(const struct accepting *a)
{
	struct tas_sock *l = file_sock(a->listener), *s = NULL;
	int error;

	if (l == NULL)
		return -EINVAL; /* shut down meanwhile */
	if (unlikely(atomic_load_explicit(&a->listener->stash, memory_order_relaxed) != NULL))
		s = atomic_exchange(&a->listener->stash, NULL);
	if (s == NULL) {
		error = tas_accept(inst_ctx(), l, &s);
		if (error != 0)
			return error;
	}
	give_peer(a, s);
	return install(a, s);
}

/* The kernel is asked if it said that there is something, or if nobody asked for a while. */
static int accept_kernel(const struct accepting *a, bool must)
{
	struct file *l = a->listener;
	uint64_t now = ticks_now();
	int fd;

	if (!file_has(l, FILE_KERNEL_SIDE) || (!must && now - atomic_load(&l->kernel_empty) < LOOK_TICKS))
		return -EAGAIN;
	atomic_store(&l->kernel_empty, now); /* first: poll may learn of a connection after we asked */
	fd = (int)real_syscall(SYS_accept4, a->fd, a->addr, a->size, a->flags);
	if (fd >= 0 || errno != EAGAIN)
		atomic_store(&l->kernel_empty, 0);
	return fd >= 0 ? fd : -errno;
}

/* tasd's queue may be without a connection, or tasd away: neither is an error of accept. */
static bool settles_it(int fd)
{
	return fd >= 0 || fd == -EINVAL || fd == -EMFILE || fd == -ENFILE || fd == -ENOMEM;
}

/* By turns, where both have some: neither keeps the other's waiting for ever. */
static int accept_once(const struct accepting *a, bool must_ask_kernel)
{
	struct file *l = a->listener;
	bool kernels_turn = file_has(l, FILE_KERNEL_SIDE) &&
		!atomic_load_explicit(&l->kernel_gave, memory_order_relaxed);
	int fd = kernels_turn ? accept_kernel(a, false) : -EAGAIN;

	/* without a free number the kernel does not say whether it has one */
	if (fd != -EAGAIN && fd != -EMFILE && fd != -ENFILE) {
		atomic_store_explicit(&l->kernel_gave, true, memory_order_relaxed);
		return fd;
	}
	if (!kernels_turn)
		atomic_store_explicit(&l->kernel_gave, false, memory_order_relaxed);
	fd = accept_tasd(a);
	return settles_it(fd) ? fd : accept_kernel(a, must_ask_kernel);
}

static int accept_wait(const struct accepting *a)
{
	struct file *l = a->listener;
	tas_ns limit = opt_timeout(l, OPT_RCVTIMEO);
	struct wait_for what = { .events = TAS_EV_IN,
		.kernel_fd = file_has(l, FILE_KERNEL_SIDE) ? a->fd : -1,
		.deadline = limit == TAS_NS_NEVER ? limit : inst_clock() + limit };
	int fd, error = 0;

	for (;;) {
		fd = accept_once(a, error == 0);
		if (fd != -EAGAIN)
			return fd;
		if (error == -ETIMEDOUT)
			return -EAGAIN;
		if (error == -EINTR && (limit != TAS_NS_NEVER || !restart_allowed()))
			return -EINTR;
		error = wait_file(l, &what);
	}
}

static int accept_listener(const struct accepting *a)
{
	if (a->flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK))
		return -EINVAL;
	if (a->addr != NULL && a->size == NULL)
		return -EFAULT;
	if (a->addr != NULL && (int)*a->size < 0)
		return -EINVAL;
	return file_has(a->listener, FILE_NONBLOCK) ? accept_once(a, false) : accept_wait(a);
}

/* It may wait there. */
static int accept_elsewhere(const struct accepting *a)
{
	struct stay_ref *ref = stay_ref_begin(a->listener, file_put);
	int fd;

	STAY_CANCELLABLE(fd, REAL(accept4)(a->fd, a->addr, a->size, a->flags));
	stay_ref_end(ref);
	return fd >= 0 ? fd : -errno;
}

int px_accept4(int fd, struct sockaddr *addr, socklen_t *size, int flags)
{
	struct file *f = fd_get(fd);
	int result;

	if (f == NULL)
		return REAL(accept4)(fd, addr, size, flags);
	if (file_kind(f) == FILE_LISTENER)
		result = accept_listener(&(struct accepting){ fd, f, addr, size, flags });
	else if (file_kind(f) == FILE_FLOW)
		result = -EINVAL;
	else
		result = accept_elsewhere(&(struct accepting){ fd, f, addr, size, flags });
	file_put(f);
	if (result >= 0)
		return result;
	errno = -result;
	return -1;
}
