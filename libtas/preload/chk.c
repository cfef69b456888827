/* SPDX-License-Identifier: BSD-3-Clause */
/* What programs built with _FORTIFY_SOURCE call: the size of the buffer comes along and is checked first. */
#include "libtas/preload/exports.h"

#include <stddef.h>

_Noreturn void __chk_fail(void);

ssize_t __read_chk(int fd, void *buf, size_t len, size_t size);
ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t size);
ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags);
ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t len, size_t size, int flags,
	struct sockaddr *restrict addr, socklen_t *restrict addr_size);
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
	size_t size);
int __dprintf_chk(int fd, int flag, const char *restrict format, ...) TAS_PRINTF(3, 4);
int __vdprintf_chk(int fd, int flag, const char *restrict format, va_list args) TAS_PRINTF(3, 0);

static void check(size_t len, size_t size)
{
	if (unlikely(len > size))
		__chk_fail();
}

EXPORT ssize_t __read_chk(int fd, void *buf, size_t len, size_t size)
{
	check(len, size);
	return px_read(fd, buf, len);
}

EXPORT ssize_t __pread_chk(int fd, void *buf, size_t len, off_t offset, size_t size)
{
	check(len, size);
	return px_pread(fd, buf, len, offset);
}

EXPORT ssize_t __recv_chk(int fd, void *buf, size_t len, size_t size, int flags)
{
	check(len, size);
	return px_recv(fd, buf, len, flags);
}

EXPORT ssize_t __recvfrom_chk(int fd, void *restrict buf, size_t len, size_t size, int flags,
	struct sockaddr *restrict addr, socklen_t *restrict addr_size)
{
	check(len, size);
	return px_recvfrom(fd, buf, len, flags, addr, addr_size);
}

EXPORT int __poll_chk(struct pollfd *fds, nfds_t n, int timeout_ms, size_t size)
{
	check(n, size / sizeof(*fds));
	return px_poll(fds, n, timeout_ms);
}

EXPORT int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
	size_t size)
{
	check(n, size / sizeof(*fds));
	return px_ppoll(fds, n, timeout, mask);
}

EXPORT int __vdprintf_chk(int fd, int flag, const char *restrict format, va_list args)
{
	(void)flag; /* glibc's check of %n is for formats in writable memory */
	return px_vdprintf(fd, format, args);
}

EXPORT int __dprintf_chk(int fd, int flag, const char *restrict format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = __vdprintf_chk(fd, flag, format, args);
	va_end(args);
	return n;
}

ALIAS(__pread64_chk, __pread_chk);
