/* SPDX-License-Identifier: BSD-3-Clause */
/* close, close_range, dup. The table forgets a descriptor before the kernel does, since from then on another
 * thread may get its number. The library's own descriptors are not there for the program: closing one is
 * EBADF, dup2 on one moves it. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/fork.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/stay.h"

int px_close(int fd)
{
	struct file *f = fd_look(fd);
	int result;

	stay_reap(); /* it may hold the last reference but ours */
	if (f == NULL || fork_in_vfork()) {
		if (inst_owns_fd(fd) && !fork_in_vfork()) {
			errno = EBADF;
			return -1;
		}
		return REAL(close)(fd);
	}
	f = atomic_exchange_explicit(&fd_table[fd], NULL, memory_order_acq_rel);
	result = (int)real_syscall(SYS_close, fd); /* a cancelled close would keep the file for ever */
	if (f != NULL) {
		int saved = errno;

		file_unkeep(f);
		errno = saved;
	}
	return result;
}

static unsigned highest_possible(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_max >= FD_MAX)
		return FD_MAX;
	return (unsigned)limit.rlim_max;
}

/* All but the library's own. */
static int close_around(unsigned first, unsigned last, int flags)
{
	unsigned end = highest_possible(), start = first;
	int result = 0;

	for (unsigned fd = first; inst_peek() != NULL && fd <= last && fd < end; fd++) {
		if (!inst_owns_fd((int)fd))
			continue;
		if (fd > start)
			result = REAL(close_range)(start, fd - 1, flags);
		start = fd + 1;
	}
	if (result == 0 && start <= last)
		result = REAL(close_range)(start, last, flags);
	return result;
}

int px_close_range(unsigned first, unsigned last, int flags)
{
	if (first > last || flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE) ||
		flags & CLOSE_RANGE_CLOEXEC || fork_in_vfork())
		return REAL(close_range)(first, last, flags);
	stay_reap();
	fd_drop_range(first, last);
	return close_around(first, last, flags);
}

/* --- dup --- */

/* `new_fd` is a copy of `fd`, made just now. */
static int copied(int fd, int new_fd)
{
	struct file *f;

	if (new_fd < 0 || fork_in_vfork())
		return new_fd;
	f = fd_get(fd);
	if (f != NULL)
		fd_put_in(new_fd, f);
	else
		fd_drop(new_fd);
	return new_fd;
}

int px_dup(int fd) { return copied(fd, REAL(dup)(fd)); }

/* The number is about to be taken over by dup2. */
static void vacate(int to)
{
	stay_reap();
	if (!fork_in_vfork())
		inst_yield_fd(to);
}

int px_dup2(int from, int to)
{
	if (from == to || inst_owns_fd(from))
		return REAL(dup2)(inst_owns_fd(from) ? -1 : from, to);
	vacate(to);
	return copied(from, REAL(dup2)(from, to));
}

int px_dup3(int from, int to, int flags)
{
	if (from != to)
		vacate(to);
	return copied(from, REAL(dup3)(from, to, flags));
}
