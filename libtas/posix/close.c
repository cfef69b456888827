/* SPDX-License-Identifier: BSD-3-Clause */
/* close, close_range, dup. The table forgets a descriptor before the kernel does, since from then on another
 * thread may get its number. The library's own descriptors are not there for the program: closing one is
 * EBADF, dup2 on one moves it, or fails with EMFILE if there is no number left to move it to. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

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

/* All but the library's own. */
static int close_around(unsigned first, unsigned last, int flags)
{
	struct tas *t = inst_peek();
	int own = t == NULL || first > INT_MAX ? -1 : tas_fd_next(t, (int)first), result = 0;

	for (; own >= 0 && (unsigned)own <= last && result == 0; own = tas_fd_next(t, own + 1)) {
		if ((unsigned)own > first)
			result = REAL(close_range)(first, (unsigned)own - 1, flags);
		first = (unsigned)own + 1;
	}
	if (result == 0 && first <= last)
		result = REAL(close_range)(first, last, flags);
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

int px_copied(int fd, int new_fd)
{
	struct file *f;

	if (new_fd < 0 || fork_in_vfork())
		return new_fd;
	f = fd_get(fd);
	if (f == NULL) {
		fd_drop(new_fd);
	} else if (unlikely(!fd_put_in(new_fd, f))) {
		own_close(new_fd);
		errno = EMFILE;
		return -1;
	}
	if (new_fd <= STDERR_FILENO)
		px_standard_changed(new_fd);
	return new_fd;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

int px_dup(int fd) { return inst_owns_fd(fd) ? fail(EBADF) : px_copied(fd, REAL(dup)(fd)); }

/* The kernel's part of dup2, onto another number. */
static int dup_onto(int from, int to, int flags)
{
	int result;

	stay_reap();
	if (fork_in_vfork() || !inst_owns_fd(to))
		return REAL(dup3)(from, to, flags);
	result = tas_fd_replace(inst_peek(), to, from, flags);
	return result >= 0 ? result : fail(-result);
}

/* A number that the library's table has not is like one beyond RLIMIT_NOFILE. */
static bool cannot_be_there(int from, int to) { return to >= FD_MAX && fd_look(from) != NULL; }

int px_dup2(int from, int to)
{
	if (inst_owns_fd(from))
		return fail(EBADF);
	if (from == to)
		return REAL(dup2)(from, to);
	return cannot_be_there(from, to) ? fail(EBADF) : px_copied(from, dup_onto(from, to, 0));
}

int px_dup3(int from, int to, int flags)
{
	if (from == to || flags & ~O_CLOEXEC)
		return fail(EINVAL);
	if (inst_owns_fd(from) || cannot_be_there(from, to))
		return fail(EBADF);
	return px_copied(from, dup_onto(from, to, flags));
}
