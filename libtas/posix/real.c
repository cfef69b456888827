/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/real.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

struct real_calls real_calls;
_Atomic bool real_resolved;

/* --- what an older C library lacks --- */

static int close_range_by_number(unsigned first, unsigned last, int flags)
{
	return (int)real_calls.syscall(SYS_close_range, first, last, flags);
}

static int epoll_pwait2_by_number(int epfd, struct epoll_event *events, int max,
	const struct timespec *timeout, const sigset_t *mask)
{
	return (int)real_calls.syscall(SYS_epoll_pwait2, epfd, events, max, timeout, mask, _NSIG / 8);
}

static pid_t fork_for_Fork(void) { return real_calls.fork(); }

static const struct {
	const char *name;
	void (*function)(void);
} substitutes[] = {
	{ "close_range", (void (*)(void))close_range_by_number },
	{ "epoll_pwait2", (void (*)(void))epoll_pwait2_by_number },
	{ "_Fork", (void (*)(void))fork_for_Fork },
};

static void *resolve(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	for (unsigned i = 0; found == NULL && i < ARRAY_LEN(substitutes); i++) {
		if (__builtin_strcmp(substitutes[i].name, name) == 0)
			__builtin_memcpy(&found, &substitutes[i].function, sizeof(found));
	}
	if (found == NULL) {
		/* stdio reaches the kernel by calls that nobody replaces */
		fprintf(stderr,
			"libtas: the C library has no function %s; libtas needs glibc 2.31 or newer\n", name);
		abort();
	}
	return found;
}

void real_init(void)
{
	int saved = errno;
	void *found;

	/* a function is stored as the object pointer that dlsym gives: POSIX lets it */
#define REAL_RESOLVE(type, name, args) \
	found = resolve(#name);        \
	__builtin_memcpy(&real_calls.name, &found, sizeof(found));
	REAL_LIST(REAL_RESOLVE)
#undef REAL_RESOLVE
	errno = saved;
	/* pairs with the acquire in real_table */
	atomic_store_explicit(&real_resolved, true, memory_order_release);
}

/* --- the library's own calls --- */

int own_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	struct timespec left = { 0, 0 }; /* the kernel writes what is left of it */

	if (timeout != NULL)
		left = *timeout;
	return (int)real_syscall(SYS_ppoll, fds, n, timeout != NULL ? &left : NULL, mask, _NSIG / 8);
}

int own_poll_now(struct pollfd *fds, nfds_t n) { return own_ppoll(fds, n, &(struct timespec){ 0, 0 }, NULL); }

/* In ms, rounded up, as who waits may wait longer and not shorter. */
static int timeout_ms(const struct timespec *timeout)
{
	const long ns_per_ms = 1000000;

	if (timeout == NULL)
		return -1;
	if (timeout->tv_sec >= INT_MAX / 1000)
		return INT_MAX;
	return (int)(timeout->tv_sec * 1000 + (timeout->tv_nsec + ns_per_ms - 1) / ns_per_ms);
}

/* Linux before 5.11 has no epoll_pwait2, and filters of system calls older than it answer EPERM. */
int real_epoll_wait(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask)
{
	static _Atomic bool without;
	bool in_ms = timeout == NULL || (timeout->tv_sec == 0 && timeout->tv_nsec == 0);
	int n;

	if (!in_ms && !atomic_load_explicit(&without, memory_order_relaxed)) {
		n = REAL(epoll_pwait2)(epfd, events, max, timeout, mask);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		atomic_store_explicit(&without, true, memory_order_relaxed);
	}
	return REAL(epoll_pwait)(epfd, events, max, timeout_ms(timeout), mask);
}

int own_epoll_now(int epfd, struct epoll_event *events, int max)
{
	return (int)real_syscall(SYS_epoll_pwait, epfd, events, max, 0, NULL, _NSIG / 8);
}

void own_close(int fd)
{
	int saved = errno;

	real_syscall(SYS_close, fd);
	errno = saved;
}

long real_result(long result)
{
	if (result >= 0 || result < -4095)
		return result;
	errno = (int)-result;
	return -1;
}

void *px_map(size_t bytes)
{
	int saved = errno;
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
		0);

	errno = saved;
	return p == MAP_FAILED ? NULL : p;
}

void px_unmap(void *p, size_t bytes)
{
	int saved = errno;

	munmap(p, bytes);
	errno = saved;
}
