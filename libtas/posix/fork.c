/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/fork.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"

PX_TLS bool fork_vforked;

void fork_prepare(void)
{
	static _Atomic bool said;
	struct tas *t = inst_peek();
	int error;

	epset_fork_prepare();
	error = t != NULL ? tas_fork_prepare(t) : 0;
	if (error != 0 && error != -ENOTCONN)
		inst_warn_once(&said,
			"a child of fork inherits no accelerated connection: the first use of one there ends "
			"with ECONNRESET",
			-error);
}

void fork_parent(void)
{
	struct tas *t = inst_peek();

	if (t != NULL)
		tas_fork_parent(t);
	epset_fork_release();
}

void fork_child(void)
{
	struct tas *t = inst_peek();

	if (t != NULL)
		tas_fork_child(t);
	epset_fork_release();
	atomic_fetch_add(&px_forks, 1);
}

void fork_init(void) { pthread_atfork(fork_prepare, fork_parent, fork_child); }

/* After a call that copied the process: 0 in the child, its pid or -1 in the parent. */
static pid_t forked(pid_t pid)
{
	int saved = errno;

	if (pid == 0)
		fork_child();
	else
		fork_parent();
	errno = saved;
	return pid;
}

pid_t px_Fork(void)
{
	fork_prepare();
	return forked(REAL(_Fork)());
}

/* --- clone --- */

struct clone_start {
	int (*function)(void *);
	void *argument;
};

static int clone_child(void *start)
{
	struct clone_start s = *(struct clone_start *)start;

	fork_child();
	return s.function(s.argument);
}

int px_clone(int (*function)(void *), void *stack, int flags, void *argument, void *parent_tid, void *tls,
	void *child_tid)
{
	struct clone_start start = { function, argument }; /* the child has a copy of our stack */

	if (flags & CLONE_VM)
		return REAL(clone)(function, stack, flags, argument, parent_tid, tls, child_tid);
	fork_prepare();
	return forked(REAL(clone)(clone_child, stack, flags, &start, parent_tid, tls, child_tid));
}
