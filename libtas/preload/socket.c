/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/preload/exports.h"

/* glibc declares addresses as a union of pointers to all their kinds (__SOCKADDR_ARG); the first member is
 * the plain one. */
#define PLAIN(addr) ((addr).__sockaddr__)

EXPORT int socket(int domain, int type, int protocol) { return px_socket(domain, type, protocol); }

EXPORT int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t size) { return px_bind(fd, PLAIN(addr), size); }

EXPORT int listen(int fd, int backlog) { return px_listen(fd, backlog); }

EXPORT int accept(int fd, __SOCKADDR_ARG addr, socklen_t *restrict size)
{
	return px_accept4(fd, PLAIN(addr), size, 0);
}

EXPORT int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *restrict size, int flags)
{
	return px_accept4(fd, PLAIN(addr), size, flags);
}

EXPORT int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t size)
{
	return px_connect(fd, PLAIN(addr), size);
}

EXPORT int shutdown(int fd, int how) { return px_shutdown(fd, how); }

EXPORT int getsockname(int fd, __SOCKADDR_ARG addr, socklen_t *restrict size)
{
	return px_getsockname(fd, PLAIN(addr), size);
}

EXPORT int getpeername(int fd, __SOCKADDR_ARG addr, socklen_t *restrict size)
{
	return px_getpeername(fd, PLAIN(addr), size);
}

EXPORT int getsockopt(int fd, int level, int name, void *restrict value, socklen_t *restrict size)
{
	return px_getsockopt(fd, level, name, value, size);
}

EXPORT int setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	return px_setsockopt(fd, level, name, value, size);
}

ALIAS(__connect, connect);
