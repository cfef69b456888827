/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/real.h"

#include <dlfcn.h>
#include <errno.h>
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
