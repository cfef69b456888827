/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/inst.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/abi/ctl.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/file.h"
#include "libtas/posix/px_lock.h"
#include "libtas/posix/real.h"

_Atomic(struct tas *) inst_now;
static struct px_lock making;
static _Atomic bool warned;
static _Atomic int anchor[2] = { -1, -1 }; /* IPv4, IPv6: placeholders are copies of these */

static bool environment_says(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != 0 && strcmp(value, "0") != 0;
}

static long os_syscall(long number, ...)
{
	va_list args;
	long a[6];

	va_start(args, number);
	for (int i = 0; i < 6; i++)
		a[i] = va_arg(args, long);
	va_end(args);
	return real_syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static struct tas *make(void)
{
	static const struct tas_os os = { .syscall = os_syscall };
	const struct tas_setup conf = { .os = &os, .full_yields = 100, .on_event = file_on_event };
	struct tas *made = NULL;

	if (!px_lock_enter(&making))
		return NULL;
	if (inst_peek() == NULL && tas_create(&made, &conf) == 0)
		atomic_store_explicit(&inst_now, made, memory_order_release); /* pairs with inst_peek */
	px_lock_leave(&making);
	return inst_peek();
}

struct tas *inst_get(void)
{
	struct tas *t = inst_peek();

	return t != NULL ? t : make();
}

void inst_use(struct tas *t)
{
	atomic_store(&anchor[0], -1); /* they were the former instance's to hide */
	atomic_store(&anchor[1], -1);
	atomic_store_explicit(&inst_now, t, memory_order_release);
}

void inst_warn(const char *line)
{
	if (!environment_says("TAS_QUIET"))
		real_syscall(SYS_write, STDERR_FILENO, line, strlen(line));
}

void inst_warn_once(_Atomic bool *said, const char *what, int why)
{
	char text[400];
	int saved = errno;

	if (atomic_exchange(said, true))
		return;
	snprintf(text, sizeof(text), "libtas: %s%s%s. TAS_QUIET=1 hides this line\n", what,
		why != 0 ? ": " : "", why != 0 ? strerrordesc_np(why) : "");
	inst_warn(text);
	errno = saved;
}

static void warn_unreachable(const char *why)
{
	char text[400];

	if (atomic_exchange(&warned, true) || environment_says(CTL_ENV_TOLD))
		return;
	snprintf(text, sizeof(text),
		"libtas: %s; sockets of this program use the kernel. "
		"Start tasd, or name its instance by tas-run -i; TAS_QUIET=1 hides this line\n",
		why);
	inst_warn(text);
}

bool inst_attach(void)
{
	int saved = errno, error;
	char why[256] = "";
	struct tas *t = inst_get();

	if (t == NULL)
		return false;
	if (tas_attached(t))
		return true;
	error = tas_attach(t, why, sizeof(why));
	if (error != 0)
		warn_unreachable(why[0] != 0 ? why : "tasd cannot be reached");
	errno = saved;
	return error == 0;
}

bool inst_owns_fd(int fd)
{
	struct tas *t = inst_peek();

	return unlikely(t != NULL) && tas_fd_is_internal(t, fd);
}

/* One that is not hidden might be closed by the program: better none. */
static int anchor_hide(_Atomic int *place, int fd)
{
	int error;

	atomic_store(place, fd);
	error = tas_fd_hide(inst_peek(), place);
	if (error == 0)
		return 0;
	atomic_store(place, -1);
	own_close(fd);
	errno = -error;
	return -1;
}

static int anchor_make(unsigned which)
{
	_Atomic int *place = &anchor[which];
	int fd = REAL(socket)(which == 0 ? AF_INET : AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, IPPROTO_TCP);
	int error;

	if (fd < 0)
		return -1;
	if (!px_lock_enter(&making)) {
		own_close(fd); /* a handler inside of the same: another try will find it made */
		return 0;
	}
	if (atomic_load(place) >= 0) {
		px_lock_leave(&making);
		own_close(fd);
		return 0;
	}
	error = anchor_hide(place, fd);
	px_lock_leave(&making);
	return error;
}

int inst_placeholder(int family, bool cloexec)
{
	unsigned which = family == AF_INET6;

	for (int tries = 0; tries < 3; tries++) {
		int from = atomic_load_explicit(&anchor[which], memory_order_acquire), fd;

		if (from < 0 && anchor_make(which) < 0)
			return -1;
		if (from < 0)
			continue;
		fd = REAL(fcntl64)(from, cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
		if (unlikely(fd >= FD_MAX)) {
			own_close(fd);
			errno = EMFILE;
			return -1;
		}
		if (fd >= 0 || errno != EBADF) /* EBADF: it has just moved to another number */
			return fd;
	}
	return -1;
}

void inst_unsupported(const char *what, long detail)
{
	char text[200];
	int n;

	if (!environment_says("TAS_STRICT"))
		return;
	n = snprintf(text, sizeof(text),
		"libtas: strict: %s (%ld) is not implemented for accelerated sockets\n", what, detail);
	if (n > 0)
		real_syscall(SYS_write, STDERR_FILENO, text, (size_t)n);
	abort();
}

tas_ns inst_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (tas_ns)now.tv_sec * NS_PER_SEC + (tas_ns)now.tv_nsec;
}
