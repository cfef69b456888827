/* SPDX-License-Identifier: BSD-3-Clause */
/* px_rig.h - descriptors of accelerated sockets for tests of the POSIX layer: a rig (lib_rig.h) plays tasd.
 * Flow at record `rec` is an accepted connection; what tasd does to it is told by the rig's functions. */
#ifndef TAS_TESTS_PX_RIG_H
#define TAS_TESTS_PX_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/file.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "tests/unit/lib_rig.h"

static struct rig r;
static int px_listener = -1;

static inline int px_set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 6);
	r.t->on_event = file_on_event;
	inst_use(r.t);
	px_listener = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (px_listener < 0 || px_listen(px_listener, 16) != 0)
		abort();
	/* the first look arms it */
	if (px_accept4(px_listener, NULL, NULL, 0) != -1)
		abort();
	return 0;
}

static inline int px_tear_down(void **state)
{
	(void)state;
	px_close_range(3, FD_MAX, 0);
	rig_end(&r);
	inst_use(NULL);
	return 0;
}

/* A connection at record `rec`, accepted with these flags; its bells are taken. */
static inline int px_flow(uint32_t rec, int flags)
{
	int fd;

	rig_incoming(&r, rec, 1);
	fd = px_accept4(px_listener, NULL, NULL, flags);
	if (fd < 0)
		abort();
	rig_bells_drop(&r, 0, 0);
	return fd;
}

/* n bytes arrive for it, and the library is told. */
static inline void px_arrive(uint32_t rec, size_t n)
{
	rig_deliver(&r, rec, n);
	rig_notify(&r, 0, 0, rec);
}

/* The peer acknowledged everything; told if the library asked. */
static inline void px_acknowledge(uint32_t rec, uint64_t tx_end, bool tell)
{
	atomic_store(&rig_rec(&r, rec)->tx_una, tx_end);
	if (tell)
		rig_notify(&r, 0, 0, rec);
}

/* Fills the transmit ring of a flow that does not wait. */
static inline size_t px_fill(int fd)
{
	char data[1000] = { 0 };
	size_t sum = 0;
	ssize_t put;

	while ((put = px_write(fd, data, sizeof(data))) > 0)
		sum += (size_t)put;
	return sum;
}

#define assert_errno(call, error)               \
	do {                                    \
		errno = 0;                      \
		assert_int_equal(call, -1);     \
		assert_int_equal(errno, error); \
	} while (0)

#endif
