/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_os.h - system calls of the library. Guarantee: each goes through tas_os.syscall, so that the
 * preload does not catch it and no call is a cancellation point; results are 0 or positive, or -errno;
 * errno stays as it was. Async-signal-safe, any thread. */
#ifndef TAS_LIB_OS_H
#define TAS_LIB_OS_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "include/base/time.h"
#include "include/tas/tas.h"

/* syscall(2) of the C library; libtas.so, which replaces that name, puts the true one here as it is
 * loaded. */
extern long (*lib_linked_syscall)(long number, ...);

static inline long lib_syscall(const struct tas_os *os, long number, const long a[6])
{
	int saved = errno;
	long result = os->syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);

	if (result == -1)
		result = -errno;
	errno = saved;
	return result;
}

/* Arguments are longs; those left out are 0. */
#define LIB_SYS(os, number, ...) lib_syscall(os, number, (const long[6]){ __VA_ARGS__ })

static inline int lib_close(const struct tas_os *os, int fd) { return (int)LIB_SYS(os, SYS_close, fd); }

static inline int lib_fcntl(const struct tas_os *os, int fd, int command, long argument)
{
	return (int)LIB_SYS(os, SYS_fcntl, fd, command, argument);
}

/* Zeroed memory of our own, or NULL. It is not in a child after fork unless `inherit`. */
static inline void *lib_map(const struct tas_os *os, size_t size, bool inherit)
{
	long p = LIB_SYS(os, SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (p < 0 && p > -4096)
		return NULL;
	if (!inherit)
		LIB_SYS(os, SYS_madvise, p, (long)size, MADV_DONTFORK);
	return (void *)p;
}

static inline void lib_unmap(const struct tas_os *os, void *p, size_t size)
{
	LIB_SYS(os, SYS_munmap, (long)p, (long)size);
}

/* Zeros if the kernel has none to give at once. */
static inline void lib_random(const struct tas_os *os, void *to, size_t size)
{
	enum { NONBLOCK = 1 };

	if (LIB_SYS(os, SYS_getrandom, (long)to, (long)size, NONBLOCK) != (long)size)
		__builtin_memset(to, 0, size);
}

/* Adds one to an eventfd; one that is full is readable anyway. */
static inline void lib_event_write(const struct tas_os *os, int fd)
{
	const uint64_t one = 1;

	LIB_SYS(os, SYS_write, fd, (long)&one, sizeof(one));
}

/* Takes what an eventfd holds; false if nothing. */
static inline bool lib_event_read(const struct tas_os *os, int fd)
{
	uint64_t sum;

	return LIB_SYS(os, SYS_read, fd, (long)&sum, sizeof(sum)) == sizeof(sum);
}

/* What a descriptor reports now, of POLLIN and what is always reported; 0 if nothing. */
static inline short lib_poll_now(const struct tas_os *os, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	struct timespec zero = { 0, 0 };

	return LIB_SYS(os, SYS_ppoll, (long)&p, 1, (long)&zero, 0, 0) > 0 ? p.revents : 0;
}

static inline void lib_yield(const struct tas_os *os) { LIB_SYS(os, SYS_sched_yield, 0); }

/* Between looks at what another thread will do soon, the n-th time: lets it run, also where its priority is
 * lower than ours. */
static inline void lib_patience(const struct tas_os *os, uint32_t n)
{
	const struct timespec nap = { 0, 50 * (long)NS_PER_US };

	if (n < 20)
		lib_yield(os);
	else
		LIB_SYS(os, SYS_nanosleep, (long)&nap, 0);
}

/* The vDSO's clock with the resolution of a tick: for patience, not for measuring. */
static inline tas_ns lib_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (tas_ns)now.tv_sec * NS_PER_SEC + (tas_ns)now.tv_nsec;
}

#endif
