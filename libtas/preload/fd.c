/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/preload/exports.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

EXPORT int close(int fd) { return px_close(fd); }

EXPORT int close_range(unsigned first, unsigned last, int flags)
{
	return px_close_range(first, last, flags);
}

EXPORT void closefrom(int first) { px_close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0); }

EXPORT int dup(int fd) { return px_dup(fd); }
EXPORT int dup2(int from, int to) { return px_dup2(from, to); }
EXPORT int dup3(int from, int to, int flags) { return px_dup3(from, to, flags); }

/* The third argument is as wide as a pointer in all their kinds. */
EXPORT int fcntl(int fd, int command, ...)
{
	va_list args;
	void *argument;

	va_start(args, command);
	argument = va_arg(args, void *);
	va_end(args);
	return px_fcntl(fd, command, argument);
}

EXPORT int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *argument;

	va_start(args, request);
	argument = va_arg(args, void *);
	va_end(args);
	return px_ioctl(fd, request, argument);
}

/* glibc's asks the kernel itself. */
EXPORT int sockatmark(int fd)
{
	int at = 0;

	return px_ioctl(fd, SIOCATMARK, &at) == 0 ? at : -1;
}

ALIAS(fcntl64, fcntl);
ALIAS(__close, close);
ALIAS(__dup2, dup2);
ALIAS(__fcntl, fcntl);
