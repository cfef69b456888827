/* SPDX-License-Identifier: BSD-3-Clause */
/* fcntl and ioctl. O_NONBLOCK belongs to the file (and so to all its descriptors), close-on-exec to the
 * descriptor. */
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

#include "include/abi/ctl.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/owner.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

static bool is_accelerated(const struct file *f)
{
	enum file_kind kind = file_kind(f);

	return kind == FILE_FLOW || kind == FILE_LISTENER;
}

/* --- fcntl --- */

static int set_flags(int fd, struct file *f, void *argument)
{
	int flags = (int)(intptr_t)argument;

	if (is_accelerated(f)) {
		if (flags & (O_ASYNC | O_DIRECT)) {
			inst_unsupported("fcntl F_SETFL", flags);
			return fail(EINVAL);
		}
		/* the kernel's part of a listener never waits; a placeholder is shared by many */
		file_flag(f, FILE_NONBLOCK, (flags & O_NONBLOCK) != 0);
		return 0;
	}
	if (REAL(fcntl64)(fd, F_SETFL, argument) != 0)
		return -1;
	file_flag(f, FILE_NONBLOCK, (flags & O_NONBLOCK) != 0);
	return 0;
}

static int result_of(int error) { return error == 0 ? 0 : fail(-error); }

static int own_ex(struct file *f, const struct f_owner_ex *owner)
{
	return owner == NULL ? fail(EFAULT) : result_of(owner_set(f, owner->type, owner->pid));
}

static int give_owner(const struct file *f, struct f_owner_ex *owner)
{
	int type, pid;

	if (owner == NULL)
		return fail(EFAULT);
	owner_get(f, &type, &pid);
	owner->type = (enum __pid_type)type;
	owner->pid = pid;
	return 0;
}

/* Of a connection; -1 and ENOSYS: another command. */
static int fcntl_owner(struct file *f, int command, void *argument)
{
	switch (command) {
	case F_SETOWN: return result_of(owner_set_number(f, (int)(intptr_t)argument));
	case F_GETOWN: return owner_number(f);
	case F_SETOWN_EX: return own_ex(f, argument);
	case F_GETOWN_EX: return give_owner(f, argument);
	default: return fail(ENOSYS);
	}
}

/* A socket that is the kernel's so far has its owner there, and here for the day when it is not. */
static int set_owner_of_both(int fd, struct file *f, int command, void *argument)
{
	int result = REAL(fcntl64)(fd, command, argument);

	if (result == 0)
		fcntl_owner(f, command, argument);
	return result;
}

static int fcntl_known(int fd, struct file *f, int command, void *argument)
{
	bool flow = file_kind(f) == FILE_FLOW;

	switch (command) {
	case F_SETFL: return set_flags(fd, f, argument);
	case F_GETFL:
		if (is_accelerated(f))
			return O_RDWR | (file_has(f, FILE_NONBLOCK) ? O_NONBLOCK : 0);
		break;
	case F_SETOWN:
	case F_SETOWN_EX:
		return flow ? fcntl_owner(f, command, argument) : set_owner_of_both(fd, f, command, argument);
	case F_GETOWN:
	case F_GETOWN_EX:
		if (flow)
			return fcntl_owner(f, command, argument);
		break;
	case F_SETSIG:
		if (is_accelerated(f))
			inst_unsupported("fcntl",
				command); /* without O_ASYNC it does nothing: no lie is told */
		break;
	default: break;
	}
	return REAL(fcntl64)(fd, command, argument);
}

int px_fcntl(int fd, int command, void *argument)
{
	struct file *f;
	int result;

	if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
		return inst_owns_fd(fd) ? fail(EBADF) : px_copied(fd, REAL(fcntl64)(fd, command, argument));
	f = fd_get(fd);
	if (f == NULL)
		return REAL(fcntl64)(fd, command, argument);
	result = fcntl_known(fd, f, command, argument);
	file_put(f);
	return result;
}

/* --- ioctl --- */

static int give_bytes(void *argument, size_t bytes)
{
	if (argument == NULL)
		return fail(EFAULT);
	*(int *)argument = (int)bytes;
	return 0;
}

static int not_sent(struct file *f, void *argument)
{
	struct ctl_info info = { 0 };
	struct tas_sock *s = file_sock(f);

	return s != NULL && tas_info(s, &info) == 0 ? give_bytes(argument, info.unsent_bytes) : fail(EINVAL);
}

static int set_nonblock(int fd, struct file *f, void *argument)
{
	if (argument == NULL)
		return fail(EFAULT);
	if (!is_accelerated(f) && REAL(ioctl)(fd, FIONBIO, argument) != 0)
		return -1;
	file_flag(f, FILE_NONBLOCK, *(const int *)argument != 0);
	return 0;
}

static int set_async(const void *argument)
{
	if (argument == NULL)
		return fail(EFAULT);
	if (*(const int *)argument == 0)
		return 0;
	inst_unsupported("ioctl FIOASYNC", 1);
	return fail(EINVAL);
}

static int set_owner_by_ioctl(int fd, struct file *f, unsigned long request, void *argument)
{
	int result = REAL(ioctl)(fd, request, argument);

	if (result == 0)
		owner_set_number(f, *(int *)argument);
	return result;
}

static int ioctl_known(int fd, struct file *f, unsigned long request, void *argument)
{
	struct tas_sock *s = file_sock(f);

	if (request == FIONBIO)
		return set_nonblock(fd, f, argument);
	if (is_accelerated(f) && request == FIOASYNC)
		return set_async(argument);
	if (file_kind(f) != FILE_FLOW && (request == FIOSETOWN || request == SIOCSPGRP))
		return set_owner_by_ioctl(fd, f, request, argument);
	if (file_kind(f) != FILE_FLOW || s == NULL)
		return REAL(ioctl)(fd, request, argument);
	switch (request) {
	case FIONREAD: return give_bytes(argument, tas_rx_bytes(s));
	case SIOCOUTQ: return give_bytes(argument, tas_tx_bytes(s));
	case SIOCOUTQNSD: return not_sent(f, argument);
	case SIOCATMARK: return give_bytes(argument, tas_mark(s) == 0);
	case FIOSETOWN:
	case SIOCSPGRP:
		return argument == NULL ? fail(EFAULT) : result_of(owner_set_number(f, *(int *)argument));
	case FIOGETOWN:
	case SIOCGPGRP: return give_bytes(argument, (size_t)owner_number(f));
	default:
		return REAL(ioctl)(fd, request,
			argument); /* of the descriptor or of network devices, or ENOTTY */
	}
}

int px_ioctl(int fd, unsigned long request, void *argument)
{
	struct file *f = fd_get(fd);
	int result;

	if (f == NULL)
		return REAL(ioctl)(fd, request, argument);
	result = ioctl_known(fd, f, request, argument);
	file_put(f);
	return result;
}
