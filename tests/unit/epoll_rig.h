/* SPDX-License-Identifier: BSD-3-Clause */
/* epoll_rig.h - short calls for tests of epoll sets. */
#ifndef TAS_TESTS_EPOLL_RIG_H
#define TAS_TESTS_EPOLL_RIG_H

#include "tests/unit/px_rig.h"

#include <sys/epoll.h>

#include "libtas/posix/epset.h"

static struct epoll_event got[8];

static inline int set_new(void)
{
	int set = px_epoll_create1(EPOLL_CLOEXEC);

	assert_true(set >= 0);
	return set;
}

static inline struct epset *set_of(int set)
{
	struct file *f = fd_look(set);

	if (f == NULL)
		abort();
	return f->set;
}

static inline int ctl(int set, int operation, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return px_epoll_ctl(set, operation, fd, &e);
}

static inline void add(int set, int fd, uint32_t events, uint64_t data)
{
	assert_int_equal(ctl(set, EPOLL_CTL_ADD, fd, events, data), 0);
}

static inline int now(int set)
{
	memset(got, 0, sizeof(got));
	return px_epoll_pwait(set, got, 8, 0, NULL);
}

/* Exactly one event, and this one. */
#define assert_event(set, bits, number)                    \
	do {                                               \
		assert_int_equal(now(set), 1);             \
		assert_int_equal(got[0].events, bits);     \
		assert_int_equal(got[0].data.u64, number); \
	} while (0)

#endif
