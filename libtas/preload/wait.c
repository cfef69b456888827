/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/preload/exports.h"

EXPORT int poll(struct pollfd *fds, nfds_t n, int timeout_ms) { return px_poll(fds, n, timeout_ms); }

EXPORT int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	return px_ppoll(fds, n, timeout, mask);
}

EXPORT int select(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
	struct timeval *restrict timeout)
{
	return px_select(n, in, out, except, timeout);
}

EXPORT int pselect(int n, fd_set *restrict in, fd_set *restrict out, fd_set *restrict except,
	const struct timespec *restrict timeout, const sigset_t *restrict mask)
{
	return px_pselect(n, in, out, except, timeout, mask);
}

EXPORT int epoll_create(int size) { return px_epoll_create(size); }

EXPORT int epoll_create1(int flags) { return px_epoll_create1(flags); }

EXPORT int epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event)
{
	return px_epoll_ctl(epfd, operation, fd, event);
}

EXPORT int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	return px_epoll_pwait(epfd, events, max, timeout_ms, NULL);
}

EXPORT int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask)
{
	return px_epoll_pwait(epfd, events, max, timeout_ms, mask);
}

EXPORT int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask)
{
	return px_epoll_pwait2(epfd, events, max, timeout, mask);
}

ALIAS(__poll, poll);
ALIAS(__select, select);
