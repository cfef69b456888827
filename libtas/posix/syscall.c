/* SPDX-License-Identifier: BSD-3-Clause */
/* syscall(2): calls by number find the same descriptors as calls by name. Arguments are taken as the kernel
 * takes them, which for signal masks means a size behind the pointer. */
#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libtas/posix/fork.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"

#define P(type, i) ((type)(uintptr_t)a[i])
#define INT(i) ((int)a[i])

/* The kernel's 64 signals, widened to the C library's set; NULL stays NULL. */
static const sigset_t *mask_of(long pointer, sigset_t *mask)
{
	if (pointer == 0)
		return NULL;
	sigemptyset(mask);
	memcpy(mask, (const void *)(uintptr_t)pointer, sizeof(uint64_t));
	return mask;
}

/* pselect6 packs the mask with its size. */
static const sigset_t *mask_of_pair(long pointer, sigset_t *mask)
{
	long pair[2];

	if (pointer == 0)
		return NULL;
	memcpy(pair, (const void *)(uintptr_t)pointer, sizeof(pair));
	return mask_of(pair[0], mask);
}

#define NOT_OURS LONG_MIN /* no result of a call */

static long socket_call(long number, const long a[6])
{
	switch (number) {
	case SYS_socket: return px_socket(INT(0), INT(1), INT(2));
	case SYS_bind: return px_bind(INT(0), P(const struct sockaddr *, 1), (socklen_t)a[2]);
	case SYS_listen: return px_listen(INT(0), INT(1));
	case SYS_accept: return px_accept4(INT(0), P(struct sockaddr *, 1), P(socklen_t *, 2), 0);
	case SYS_accept4: return px_accept4(INT(0), P(struct sockaddr *, 1), P(socklen_t *, 2), INT(3));
	case SYS_connect: return px_connect(INT(0), P(const struct sockaddr *, 1), (socklen_t)a[2]);
	case SYS_shutdown: return px_shutdown(INT(0), INT(1));
	case SYS_getsockname: return px_getsockname(INT(0), P(struct sockaddr *, 1), P(socklen_t *, 2));
	case SYS_getpeername: return px_getpeername(INT(0), P(struct sockaddr *, 1), P(socklen_t *, 2));
	case SYS_getsockopt: return px_getsockopt(INT(0), INT(1), INT(2), P(void *, 3), P(socklen_t *, 4));
	case SYS_setsockopt:
		return px_setsockopt(INT(0), INT(1), INT(2), P(const void *, 3), (socklen_t)a[4]);
	case SYS_recvmsg: return px_recvmsg(INT(0), P(struct msghdr *, 1), INT(2));
	case SYS_sendmsg: return px_sendmsg(INT(0), P(const struct msghdr *, 1), INT(2));
	case SYS_recvmmsg:
		return px_recvmmsg(INT(0), P(struct mmsghdr *, 1), (unsigned)a[2], INT(3),
			P(struct timespec *, 4));
	case SYS_sendmmsg: return px_sendmmsg(INT(0), P(struct mmsghdr *, 1), (unsigned)a[2], INT(3));
	case SYS_recvfrom:
		return px_recvfrom(INT(0), P(void *, 1), (size_t)a[2], INT(3), P(struct sockaddr *, 4),
			P(socklen_t *, 5));
	case SYS_sendto:
		return px_sendto(INT(0), P(const void *, 1), (size_t)a[2], INT(3),
			P(const struct sockaddr *, 4), (socklen_t)a[5]);
	default: return NOT_OURS;
	}
}

static long file_call(long number, const long a[6])
{
	switch (number) {
	case SYS_read: return px_read(INT(0), P(void *, 1), (size_t)a[2]);
	case SYS_write: return px_write(INT(0), P(const void *, 1), (size_t)a[2]);
	case SYS_readv: return px_readv(INT(0), P(const struct iovec *, 1), INT(2));
	case SYS_writev: return px_writev(INT(0), P(const struct iovec *, 1), INT(2));
	case SYS_pread64: return px_pread(INT(0), P(void *, 1), (size_t)a[2], a[3]);
	case SYS_pwrite64: return px_pwrite(INT(0), P(const void *, 1), (size_t)a[2], a[3]);
	/* the position's upper half is behind it, and all of it in the lower one where long has 64 bits */
	case SYS_preadv: return px_preadv(INT(0), P(const struct iovec *, 1), INT(2), a[3]);
	case SYS_pwritev: return px_pwritev(INT(0), P(const struct iovec *, 1), INT(2), a[3]);
	case SYS_preadv2: return px_preadv2(INT(0), P(const struct iovec *, 1), INT(2), a[3], INT(5));
	case SYS_pwritev2: return px_pwritev2(INT(0), P(const struct iovec *, 1), INT(2), a[3], INT(5));
	case SYS_sendfile: return px_sendfile(INT(0), INT(1), P(off64_t *, 2), (size_t)a[3]);
	case SYS_splice:
		return px_splice(INT(0), P(off64_t *, 1), INT(2), P(off64_t *, 3), (size_t)a[4],
			(unsigned)a[5]);
	case SYS_chroot: return px_chroot(P(const char *, 0));
	case SYS_close: return px_close(INT(0));
	case SYS_close_range: return px_close_range((unsigned)a[0], (unsigned)a[1], INT(2));
	case SYS_dup: return px_dup(INT(0));
#ifdef SYS_dup2
	case SYS_dup2: return px_dup2(INT(0), INT(1));
#endif
	case SYS_dup3: return px_dup3(INT(0), INT(1), INT(2));
	case SYS_fcntl: return px_fcntl(INT(0), INT(1), P(void *, 2));
	case SYS_ioctl: return px_ioctl(INT(0), (unsigned long)a[1], P(void *, 2));
	default: return NOT_OURS;
	}
}

static long wait_call(long number, const long a[6])
{
	sigset_t mask;

	switch (number) {
#ifdef SYS_poll
	case SYS_poll: return px_poll(P(struct pollfd *, 0), (nfds_t)a[1], INT(2));
	case SYS_select:
		return px_select(INT(0), P(fd_set *, 1), P(fd_set *, 2), P(fd_set *, 3),
			P(struct timeval *, 4));
	case SYS_epoll_create: return px_epoll_create(INT(0));
	case SYS_epoll_wait: return px_epoll_pwait(INT(0), P(struct epoll_event *, 1), INT(2), INT(3), NULL);
#endif
	case SYS_ppoll:
		return px_ppoll(P(struct pollfd *, 0), (nfds_t)a[1], P(const struct timespec *, 2),
			mask_of(a[3], &mask));
	case SYS_pselect6:
		return px_pselect(INT(0), P(fd_set *, 1), P(fd_set *, 2), P(fd_set *, 3),
			P(const struct timespec *, 4), mask_of_pair(a[5], &mask));
	case SYS_epoll_create1: return px_epoll_create1(INT(0));
	case SYS_epoll_ctl: return px_epoll_ctl(INT(0), INT(1), INT(2), P(struct epoll_event *, 3));
	case SYS_epoll_pwait:
		return px_epoll_pwait(INT(0), P(struct epoll_event *, 1), INT(2), INT(3),
			mask_of(a[4], &mask));
	case SYS_epoll_pwait2:
		return px_epoll_pwait2(INT(0), P(struct epoll_event *, 1), INT(2),
			P(const struct timespec *, 3), mask_of(a[4], &mask));
	default: return NOT_OURS;
	}
}

/* CLONE_*, or 0 for calls that make no process. */
static uint64_t clone_flags(long number, const long a[6])
{
	uint64_t flags; /* the first member of struct clone_args */

	if (number == SYS_clone)
		return (uint64_t)a[0] | SIGCHLD;
	if (number != SYS_clone3 || a[0] == 0 || (size_t)a[1] < sizeof(flags))
		return 0;
	memcpy(&flags, P(const void *, 0), sizeof(flags));
	return flags | SIGCHLD;
}

/* A copy of the process made by number: both go on from here. */
static long fork_call(long number, const long a[6])
{
	uint64_t flags = clone_flags(number, a);
	long pid;

#ifdef SYS_fork
	if (number == SYS_fork)
		return px_Fork();
#endif
	if (flags != 0 && (flags & (CLONE_VM | CLONE_FILES)) == CLONE_VM)
		fork_guest_begin();
	if (flags == 0 || flags & CLONE_VM)
		return NOT_OURS;
	fork_prepare();
	pid = real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	if (pid == 0)
		fork_child();
	else
		fork_parent();
	return pid;
}

/* Its operations would pass by epoll_ctl, accept and the rest: programs that find no io_uring use those. */
static long ring_call(long number, const long a[6])
{
	(void)a;
	if (number != SYS_io_uring_setup)
		return NOT_OURS;
	inst_unsupported("io_uring_setup", number);
	errno = ENOSYS;
	return -1;
}

long px_syscall(long number, const long a[6])
{
	static long (*const calls[])(long, const long[6]) = { file_call, socket_call, wait_call, fork_call,
		ring_call };

	for (unsigned i = 0; i < ARRAY_LEN(calls); i++) {
		long result = calls[i](number, a);

		if (result != NOT_OURS)
			return result;
	}
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}
