/* SPDX-License-Identifier: BSD-3-Clause */
/* inst.h - the one instance of the low-level library that a process's descriptors belong to, and what the
 * environment says about it.
 *
 * Guarantees: nothing is made and tasd is not asked before a socket needs it. If tasd cannot be reached, one
 * line says so on standard error (not with TAS_QUIET=1), once for the process and what it forks.
 * TAS_STRICT=1: inst_unsupported aborts with the name of a call that an accelerated socket does not know.
 * Any thread, any handler. */
#ifndef TAS_POSIX_INST_H
#define TAS_POSIX_INST_H

#include <stdatomic.h>
#include <stdbool.h>

#include "include/base/time.h"
#include "include/tas/tas.h"

extern _Atomic(struct tas *) inst_now; /* NULL: not made yet */

/* The instance, made on first use; NULL only without memory. */
struct tas *inst_get(void);
static inline struct tas *inst_peek(void) { return atomic_load_explicit(&inst_now, memory_order_acquire); }

/* Attached, perhaps just now. */
bool inst_attach(void);
/* Attached, as far as is known. */
static inline bool inst_attached(void)
{
	struct tas *t = inst_peek();

	return t != NULL && tas_attached(t);
}

/* For tests and benchmarks: the instance to use from now on, instead of one that the environment names. Its
 * on_event must be file_on_event (file.h). */
void inst_use(struct tas *t);

/* The calling thread's context. Only once there is an instance. */
static inline struct tas_ctx *inst_ctx(void) { return tas_ctx_self(inst_peek()); }

/* A line on standard error, unless TAS_QUIET=1. */
void inst_warn(const char *line);
/* The same, the first time that it is said; `why` (an errno, 0: none) comes behind it. */
void inst_warn_once(_Atomic bool *said, const char *what, int why);

/* Is the descriptor one of the library's own? */
bool inst_owns_fd(int fd);

/* A new descriptor that refers to an unconnected TCP socket of the family: the place of an accepted
 * connection. -1 and errno. */
int inst_placeholder(int family, bool cloexec);

/* `what` is not implemented for accelerated sockets: aborts if strict, else returns. */
void inst_unsupported(const char *what, long detail);

/* Nanoseconds of CLOCK_MONOTONIC. */
tas_ns inst_clock(void);

#endif
