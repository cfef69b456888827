/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/fork.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "libtas/posix/epset.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"

PX_TLS pid_t fork_host;

/* --- guests --- */

static pid_t own_pid(void) { return (pid_t)real_syscall(SYS_getpid); }

bool fork_is_guest(void) { return own_pid() != fork_host; }

/* A guest's guests are its host's. */
void fork_guest_begin(void)
{
	if (fork_host == 0)
		fork_host = own_pid();
}

void fork_guest_end(void)
{
	if (!fork_is_guest())
		fork_host = 0;
}

/* --- copies --- */

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

	fork_host = 0; /* the tables are ours */
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

/* With thread storage of its own, a guest has to be told what it is. */
struct guest_start {
	struct clone_start run;
	pid_t host;
};

static int guest_child(void *start)
{
	struct guest_start s = *(struct guest_start *)start;

	fork_host = s.host;
	return s.run.function(s.run.argument);
}

static int clone_guest(int (*function)(void *), void *stack, int flags, void *argument, void *parent_tid,
	void *tls, void *child_tid)
{
	struct guest_start *start = (struct guest_start *)((uintptr_t)stack & ~(uintptr_t)15) - 1;
	int pid;

	fork_guest_begin();
	if (flags & CLONE_SETTLS && stack != NULL) {
		*start = (struct guest_start){ { function, argument },
			fork_host }; /* on its stack: it lasts */
		pid = REAL(clone)(guest_child, start, flags, start, parent_tid, tls, child_tid);
	} else {
		pid = REAL(clone)(function, stack, flags, argument, parent_tid, tls, child_tid);
	}
	if (flags & CLONE_VFORK)
		fork_guest_end();
	return pid;
}

int px_clone(int (*function)(void *), void *stack, int flags, void *argument, void *parent_tid, void *tls,
	void *child_tid)
{
	struct clone_start start = { function, argument }; /* the child has a copy of our stack */

	if (flags & CLONE_VM && !(flags & CLONE_FILES))
		return clone_guest(function, stack, flags, argument, parent_tid, tls, child_tid);
	if (flags & CLONE_VM)
		return REAL(clone)(function, stack, flags, argument, parent_tid, tls, child_tid);
	fork_prepare();
	return forked(REAL(clone)(clone_child, stack, flags, &start, parent_tid, tls, child_tid));
}
