/* SPDX-License-Identifier: BSD-3-Clause */
/* real.h - the C library's own calls, those that libtas.so exports replacements for.
 *
 * Guarantees: REAL(name)(...) calls the next definition after libtas.so (RTLD_NEXT), resolved on first use of
 * any, so it works before constructors ran; resolving again in several threads at once is harmless. What an
 * older C library lacks is done by its system call. errno and cancellation are the C library's. Any thread,
 * any handler once resolved (real_init runs in a constructor). */
#ifndef TAS_POSIX_REAL_H
#define TAS_POSIX_REAL_H

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>

#include "include/base/compiler.h"

struct __jmp_buf_tag;

#define REAL_LIST(X)                                                                                      \
	X(int, socket, (int, int, int))                                                                   \
	X(int, bind, (int, const struct sockaddr *, socklen_t))                                           \
	X(int, listen, (int, int))                                                                        \
	X(int, accept, (int, struct sockaddr *, socklen_t *))                                             \
	X(int, accept4, (int, struct sockaddr *, socklen_t *, int))                                       \
	X(int, connect, (int, const struct sockaddr *, socklen_t))                                        \
	X(int, shutdown, (int, int))                                                                      \
	X(int, getsockname, (int, struct sockaddr *, socklen_t *))                                        \
	X(int, getpeername, (int, struct sockaddr *, socklen_t *))                                        \
	X(int, getsockopt, (int, int, int, void *, socklen_t *))                                          \
	X(int, setsockopt, (int, int, int, const void *, socklen_t))                                      \
	X(ssize_t, read, (int, void *, size_t))                                                           \
	X(ssize_t, write, (int, const void *, size_t))                                                    \
	X(ssize_t, readv, (int, const struct iovec *, int))                                               \
	X(ssize_t, writev, (int, const struct iovec *, int))                                              \
	X(ssize_t, pread64, (int, void *, size_t, off64_t))                                               \
	X(ssize_t, pwrite64, (int, const void *, size_t, off64_t))                                        \
	X(ssize_t, preadv64, (int, const struct iovec *, int, off64_t))                                   \
	X(ssize_t, pwritev64, (int, const struct iovec *, int, off64_t))                                  \
	X(ssize_t, preadv64v2, (int, const struct iovec *, int, off64_t, int))                            \
	X(ssize_t, pwritev64v2, (int, const struct iovec *, int, off64_t, int))                           \
	X(ssize_t, recv, (int, void *, size_t, int))                                                      \
	X(ssize_t, send, (int, const void *, size_t, int))                                                \
	X(ssize_t, recvfrom, (int, void *, size_t, int, struct sockaddr *, socklen_t *))                  \
	X(ssize_t, sendto, (int, const void *, size_t, int, const struct sockaddr *, socklen_t))          \
	X(ssize_t, recvmsg, (int, struct msghdr *, int))                                                  \
	X(ssize_t, sendmsg, (int, const struct msghdr *, int))                                            \
	X(int, recvmmsg, (int, struct mmsghdr *, unsigned, int, struct timespec *))                       \
	X(int, sendmmsg, (int, struct mmsghdr *, unsigned, int))                                          \
	X(ssize_t, sendfile64, (int, int, off64_t *, size_t))                                             \
	X(ssize_t, splice, (int, off64_t *, int, off64_t *, size_t, unsigned))                            \
	X(int, close, (int))                                                                              \
	X(int, close_range, (unsigned, unsigned, int))                                                    \
	X(int, dup, (int))                                                                                \
	X(int, dup2, (int, int))                                                                          \
	X(int, dup3, (int, int, int))                                                                     \
	X(int, fcntl64, (int, int, ...))                                                                  \
	X(int, ioctl, (int, unsigned long, ...))                                                          \
	X(int, select, (int, fd_set *, fd_set *, fd_set *, struct timeval *))                             \
	X(int, pselect, (int, fd_set *, fd_set *, fd_set *, const struct timespec *, const sigset_t *))   \
	X(int, poll, (struct pollfd *, nfds_t, int))                                                      \
	X(int, ppoll, (struct pollfd *, nfds_t, const struct timespec *, const sigset_t *))               \
	X(int, epoll_create, (int))                                                                       \
	X(int, epoll_create1, (int))                                                                      \
	X(int, epoll_ctl, (int, int, int, struct epoll_event *))                                          \
	X(int, epoll_wait, (int, struct epoll_event *, int, int))                                         \
	X(int, epoll_pwait, (int, struct epoll_event *, int, int, const sigset_t *))                      \
	X(int, epoll_pwait2, (int, struct epoll_event *, int, const struct timespec *, const sigset_t *)) \
	X(pid_t, _Fork, (void))                                                                           \
	X(pid_t, fork, (void))                                                                            \
	X(int, chroot, (const char *))                                                                    \
	X(int, clone, (int (*)(void *), void *, int, void *, ...))                                        \
	X(int, fclose, (FILE *))                                                                          \
	X(FILE *, fdopen, (int, const char *))                                                            \
	X(int, fileno, (FILE *))                                                                          \
	X(FILE *, freopen64, (const char *, const char *, FILE *))                                        \
	X(int, vdprintf, (int, const char *, va_list))                                                    \
	X(void, longjmp, (struct __jmp_buf_tag *, int))                                                   \
	X(void, siglongjmp, (struct __jmp_buf_tag *, int))                                                \
	X(void, __longjmp_chk, (struct __jmp_buf_tag *, int))                                             \
	X(long, syscall, (long, ...))

struct real_calls {
#define REAL_MEMBER(type, name, args) type(*name) args;
	REAL_LIST(REAL_MEMBER)
#undef REAL_MEMBER
};

extern struct real_calls real_calls;
extern _Atomic bool real_resolved;

/* Resolves all names. */
void real_init(void);

static inline const struct real_calls *real_table(void)
{
	/* pairs with the release in real_init */
	if (unlikely(!atomic_load_explicit(&real_resolved, memory_order_acquire)))
		real_init();
	return &real_calls;
}

#define REAL(name) (real_table()->name)

/* syscall(2) itself; -1 and errno. */
#define real_syscall(...) (REAL(syscall)(__VA_ARGS__))

/* Calls the library makes for itself, with a lock held, a reference taken or a waiter on the stack: unlike
 * the C library's they are no cancellation points. -1 and errno; a NULL timeout is none. */
int own_ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask);
int own_poll_now(struct pollfd *fds, nfds_t n);
int own_epoll_now(int epfd, struct epoll_event *events, int max);
void own_close(int fd);

/* epoll_pwait2, by an older call where the kernel lacks it; a cancellation point. */
int real_epoll_wait(int epfd, struct epoll_event *events, int max, const struct timespec *timeout,
	const sigset_t *mask);

/* Of a raw system call: the result, or -1 and errno. */
long real_result(long result);

/* Zeroed pages, or NULL; errno is left alone. */
void *px_map(size_t bytes);
void px_unmap(void *p, size_t bytes);

#endif
