/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/owner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "libtas/posix/file.h"
#include "libtas/posix/real.h"

static PX_TLS bool interrupted;

static long send_signal(int type, int pid, int signal)
{
	if (type == F_OWNER_TID)
		return real_syscall(SYS_tkill, pid, signal);
	return real_syscall(SYS_kill, type == F_OWNER_PGRP ? -pid : pid, signal);
}

int owner_set(struct file *f, int type, int pid)
{
	if (type != F_OWNER_TID && type != F_OWNER_PID && type != F_OWNER_PGRP)
		return -EINVAL;
	if (pid < 0 || (pid > 0 && send_signal(type, pid, 0) != 0 && errno == ESRCH))
		return -ESRCH;
	atomic_store(&f->owner, (uint64_t)type << 32 | (uint32_t)pid);
	return 0;
}

int owner_set_number(struct file *f, int number)
{
	if (number == INT_MIN)
		return -EINVAL;
	return number < 0 ? owner_set(f, F_OWNER_PGRP, -number) : owner_set(f, F_OWNER_PID, number);
}

void owner_get(const struct file *f, int *type, int *pid)
{
	uint64_t owner = atomic_load(&f->owner);

	*type = (int)(owner >> 32);
	*pid = (int)(uint32_t)owner;
}

int owner_number(const struct file *f)
{
	int type, pid;

	owner_get(f, &type, &pid);
	return type == F_OWNER_PGRP ? -pid : pid;
}

/* Would a SIGURG that the process sends itself run a handler in this thread? */
static bool is_handled_here(void)
{
	struct sigaction action;
	sigset_t blocked;

	return sigaction(SIGURG, NULL, &action) == 0 && action.sa_handler != SIG_DFL &&
		action.sa_handler != SIG_IGN && pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0 &&
		!sigismember(&blocked, SIGURG);
}

void owner_signal(struct file *f)
{
	int type, pid, saved = errno;

	owner_get(f, &type, &pid);
	if (pid == 0)
		return;
	interrupted |= is_handled_here() &&
		(type == F_OWNER_TID                   ? pid == (int)real_syscall(SYS_gettid)
				: type == F_OWNER_PGRP ? pid == getpgrp()
						       : pid == getpid());
	send_signal(type, pid, SIGURG);
	errno = saved;
}

bool owner_interrupted(void)
{
	bool was = interrupted;

	interrupted = false;
	return was;
}
