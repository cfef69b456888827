/* SPDX-License-Identifier: BSD-3-Clause */
/* px.h - POSIX calls on descriptors that may be accelerated: what libtas.so exports under their plain names.
 *
 * Guarantee: each behaves as the Linux call of that name, with -1 and errno; a descriptor that the library
 * does not know goes to the kernel by the C library's own call. docs/sockets.md lists what differs. Any
 * thread. */
#ifndef TAS_POSIX_PX_H
#define TAS_POSIX_PX_H

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

/* socket.c, accept.c, connect.c */
int px_socket(int domain, int type, int protocol);
int px_bind(int fd, const struct sockaddr *addr, socklen_t size);
int px_listen(int fd, int backlog);
int px_accept4(int fd, struct sockaddr *addr, socklen_t *size, int flags);
int px_connect(int fd, const struct sockaddr *addr, socklen_t size);
/* For MSG_FASTOPEN: an ordinary open. */
int px_connect_fast(int fd, const struct sockaddr *addr, socklen_t size);
int px_shutdown(int fd, int how);
int px_getsockname(int fd, struct sockaddr *addr, socklen_t *size);
int px_getpeername(int fd, struct sockaddr *addr, socklen_t *size);
int px_getsockopt(int fd, int level, int name, void *value, socklen_t *size);
int px_setsockopt(int fd, int level, int name, const void *value, socklen_t size);

/* recv.c, send.c, msg.c, sendfile.c */
ssize_t px_read(int fd, void *buf, size_t len);
ssize_t px_readv(int fd, const struct iovec *iov, int count);
ssize_t px_recv(int fd, void *buf, size_t len, int flags);
ssize_t px_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *size);
ssize_t px_write(int fd, const void *buf, size_t len);
ssize_t px_writev(int fd, const struct iovec *iov, int count);
ssize_t px_send(int fd, const void *buf, size_t len, int flags);
ssize_t px_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
	socklen_t size);
ssize_t px_recvmsg(int fd, struct msghdr *msg, int flags);
ssize_t px_sendmsg(int fd, const struct msghdr *msg, int flags);
int px_recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout);
int px_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags);
ssize_t px_sendfile(int out, int in, off64_t *offset, size_t count);
ssize_t px_splice(int in, off64_t *in_offset, int out, off64_t *out_offset, size_t len, unsigned flags);
ssize_t px_pread(int fd, void *buf, size_t len, off64_t offset);
ssize_t px_pwrite(int fd, const void *buf, size_t len, off64_t offset);
ssize_t px_preadv(int fd, const struct iovec *iov, int count, off64_t offset);
ssize_t px_pwritev(int fd, const struct iovec *iov, int count, off64_t offset);
ssize_t px_preadv2(int fd, const struct iovec *iov, int count, off64_t offset, int flags);
ssize_t px_pwritev2(int fd, const struct iovec *iov, int count, off64_t offset, int flags);

/* close.c, dup.c, control.c */
int px_close(int fd);
int px_close_range(unsigned first, unsigned last, int flags);
int px_dup(int fd);
int px_dup2(int from, int to);
int px_dup3(int from, int to, int flags);
/* `new_fd` is a copy of `fd` that the kernel made just now: new_fd, or -1, errno, and it is closed. */
int px_copied(int fd, int new_fd);
int px_fcntl(int fd, int command, void *argument);
int px_ioctl(int fd, unsigned long request, void *argument);

/* poll.c, select.c, epoll.c */
int px_poll(struct pollfd *fds, nfds_t n, int timeout_ms);
int px_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
int px_select(int n, fd_set *in, fd_set *out, fd_set *except, struct timeval *timeout);
int px_pselect(int n, fd_set *in, fd_set *out, fd_set *except, const struct timespec *timeout,
	const sigset_t *mask);
int px_epoll_create(int size);
int px_epoll_create1(int flags);
int px_epoll_ctl(int epfd, int operation, int fd, struct epoll_event *event);
int px_epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout_ms, const sigset_t *mask);
int px_epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask);

/* jail.c */
int px_chroot(const char *path);

/* stdio.c */
/* dup2 has made something else of descriptor 0, 1 or 2. */
void px_standard_changed(int fd);
FILE *px_fdopen(int fd, const char *mode);
int px_fclose(FILE *stream);
int px_fileno(FILE *stream);
FILE *px_freopen(const char *path, const char *mode, FILE *stream);
int px_vdprintf(int fd, const char *format, va_list args);

/* fork.c */
pid_t px_Fork(void);
int px_clone(int (*function)(void *), void *stack, int flags, void *argument, void *parent_tid, void *tls,
	void *child_tid);

/* syscall.c: the same calls by their numbers. */
long px_syscall(long number, const long a[6]);

#endif
