/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a call that a signal handler interrupted goes on. The sleep (ppoll) is one that Linux never
 * restarts, and does not say which handler ran. So all installed handlers of signals that this thread does
 * not block are looked at: if they all have SA_RESTART, or none has, the answer is exact; if some have, the
 * call returns EINTR. A program with a handler that is to interrupt calls expects EINTR; one that restarts
 * them all never sees it. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>

#include "libtas/posix/real.h"
#include "libtas/posix/wait.h"

enum { FIRST_OF_LIBC = 32, LAST_OF_LIBC = 33 }; /* cancellation and set*id: glibc's own */

struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static bool interrupts(int signal)
{
	struct kernel_sigaction action;

	if (real_syscall(SYS_rt_sigaction, signal, NULL, &action, sizeof(action.mask)) != 0)
		return false;
	return action.handler != SIG_DFL && action.handler != SIG_IGN && !(action.flags & SA_RESTART);
}

bool restart_allowed(void)
{
	int saved = errno;
	uint64_t blocked = 0;
	bool allowed = true;

	real_syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &blocked, sizeof(blocked));
	for (int signal = 1; signal <= 64 && allowed; signal++) {
		if (signal >= FIRST_OF_LIBC && signal <= LAST_OF_LIBC)
			continue;
		allowed = blocked >> (signal - 1) & 1 || !interrupts(signal);
	}
	errno = saved;
	return allowed;
}
