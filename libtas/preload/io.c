/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/preload/exports.h"

#include <fcntl.h>
#include <sys/sendfile.h>
#include <unistd.h>

EXPORT ssize_t read(int fd, void *buf, size_t len) { return px_read(fd, buf, len); }
EXPORT ssize_t write(int fd, const void *buf, size_t len) { return px_write(fd, buf, len); }
EXPORT ssize_t readv(int fd, const struct iovec *iov, int count) { return px_readv(fd, iov, count); }
EXPORT ssize_t writev(int fd, const struct iovec *iov, int count) { return px_writev(fd, iov, count); }
EXPORT ssize_t recv(int fd, void *buf, size_t len, int flags) { return px_recv(fd, buf, len, flags); }
EXPORT ssize_t send(int fd, const void *buf, size_t len, int flags) { return px_send(fd, buf, len, flags); }

EXPORT ssize_t recvfrom(int fd, void *restrict buf, size_t len, int flags, struct sockaddr *restrict addr,
	socklen_t *restrict size)
{
	return px_recvfrom(fd, buf, len, flags, addr, size);
}

EXPORT ssize_t sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
	socklen_t size)
{
	return px_sendto(fd, buf, len, flags, addr, size);
}

EXPORT ssize_t recvmsg(int fd, struct msghdr *msg, int flags) { return px_recvmsg(fd, msg, flags); }
EXPORT ssize_t sendmsg(int fd, const struct msghdr *msg, int flags) { return px_sendmsg(fd, msg, flags); }

EXPORT int recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
	return px_recvmmsg(fd, msgs, count, flags, timeout);
}

EXPORT int sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	return px_sendmmsg(fd, msgs, count, flags);
}

EXPORT ssize_t sendfile(int out, int in, off_t *offset, size_t count)
{
	return px_sendfile(out, in, offset, count);
}

EXPORT ssize_t splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned flags)
{
	return px_splice(in, in_offset, out, out_offset, len, flags);
}

EXPORT ssize_t pread(int fd, void *buf, size_t len, off_t offset) { return px_pread(fd, buf, len, offset); }

EXPORT ssize_t pwrite(int fd, const void *buf, size_t len, off_t offset)
{
	return px_pwrite(fd, buf, len, offset);
}

EXPORT ssize_t preadv(int fd, const struct iovec *iov, int count, off_t offset)
{
	return px_preadv(fd, iov, count, offset);
}

EXPORT ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	return px_pwritev(fd, iov, count, offset);
}

EXPORT ssize_t preadv2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return px_preadv2(fd, iov, count, offset, flags);
}

EXPORT ssize_t pwritev2(int fd, const struct iovec *iov, int count, off_t offset, int flags)
{
	return px_pwritev2(fd, iov, count, offset, flags);
}

/* off_t has 64 bits on the machines this is for, so the names with 64 are the same functions. */
_Static_assert(sizeof(off_t) == sizeof(off64_t), "one kind of offset");
ALIAS(sendfile64, sendfile);
ALIAS(pread64, pread);
ALIAS(pwrite64, pwrite);
ALIAS(preadv64, preadv);
ALIAS(pwritev64, pwritev);
ALIAS(preadv64v2, preadv2);
ALIAS(pwritev64v2, pwritev2);

/* Names with underscores that glibc exports and programs import. */
ALIAS(__read, read);
ALIAS(__write, write);
ALIAS(__send, send);
ALIAS(__pread64, pread);
ALIAS(__pwrite64, pwrite);
