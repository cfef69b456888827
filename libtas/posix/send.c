/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/io.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/wait.h"

int io_wait_out(struct file *f, int flags, uint64_t *deadline)
{
	struct wait_for what = { .events = TAS_EV_OUT, .kernel_fd = -1 };
	tas_ns limit;
	int error;

	if (flags & MSG_DONTWAIT || file_has(f, FILE_NONBLOCK))
		return -EAGAIN;
	limit = opt_timeout(f, OPT_SNDTIMEO);
	if (*deadline == 0)
		*deadline = limit == TAS_NS_NEVER ? limit : inst_clock() + limit;
	what.deadline = *deadline;
	error = wait_file(f, &what);
	if (error == -ETIMEDOUT)
		return -EAGAIN;
	if (error == -EINTR && limit == TAS_NS_NEVER && restart_allowed())
		return 0;
	return error;
}

void io_broken_pipe(int flags)
{
	if (!(flags & MSG_NOSIGNAL))
		raise(SIGPIPE);
}

/* --- the general path --- */

static bool error_pending(struct file *f)
{
	struct tas_sock *s = file_sock(f);

	return s == NULL || tas_ready(s) & TAS_EV_ERR;
}

static ssize_t send_all(struct file *f, const struct iovec *iov, int count, size_t total, int flags)
{
	unsigned more = flags & MSG_MORE ? TAS_MORE : 0;
	uint64_t deadline = 0;
	size_t done = 0;

	for (;;) {
		struct tas_sock *s = file_sock(f);
		ssize_t put = -EBADF;
		int error;

		if (s != NULL) /* Linux calls the end of each part that finds room urgent, too */
			put = unlikely(flags & MSG_OOB)
				? tas_writev_urgent(inst_ctx(), s, iov, count, done, more)
				: tas_writev(inst_ctx(), s, iov, count, done, more);

		done += put > 0 ? (size_t)put : 0;
		/* what went out counts; an error that is pending belongs to the next call */
		if (done == total || (done > 0 && error_pending(f)))
			return (ssize_t)done;
		if (put < 0 && put != -EAGAIN) {
			if (done == 0)
				return put;
			io_error_later(f, put);
			return (ssize_t)done;
		}
		error = io_wait_out(f, flags, &deadline);
		if (error != 0)
			return done > 0 ? (ssize_t)done : error;
	}
}

ssize_t io_send(struct file *f, const struct iovec *iov, int count, int flags)
{
	ssize_t total = io_length(iov, count), sent;

	if (total < 0)
		return -EINVAL;
	if (total == 0) /* nothing to send: but a broken connection says so */
		sent = file_sock(f) != NULL ? tas_send(inst_ctx(), file_sock(f), "", 0, 0) : -EBADF;
	else
		sent = send_all(f, iov, count, (size_t)total, flags);
	if (sent == -EPIPE)
		io_broken_pipe(flags);
	return sent;
}

/* --- the calls --- */

enum { SHORT_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE };

/* `done` bytes went out by the short path. */
static TAS_NOINLINE ssize_t send_rest(int fd, const void *buf, size_t len, int flags, size_t done)
{
	struct iovec iov = { (char *)(uintptr_t)buf + done, len - done };
	struct file *f = io_flow_get(fd);
	ssize_t sent;

	if (f == NULL)
		return done > 0 ? (ssize_t)done : REAL(send)(fd, buf, len, flags);
	sent = done > 0 && error_pending(f) ? 0
					    : io_send(f, &iov, 1, done > 0 ? flags | MSG_NOSIGNAL : flags);
	if (done > 0)
		io_error_later(f, sent);
	file_put(f);
	if (done == 0)
		return io_result(sent);
	return (ssize_t)done + (sent > 0 ? sent : 0);
}

static TAS_NOINLINE ssize_t send_failed(ssize_t error, int flags)
{
	if (error == -EPIPE)
		io_broken_pipe(flags);
	return io_result(error);
}

static inline ssize_t send_flow(int fd, struct file *f, const void *buf, size_t len, int flags)
{
	struct tas_sock *s = file_sock(f);
	ssize_t put = 0;

	if (likely(s != NULL && len > 0 && !(flags & ~SHORT_FLAGS))) {
		put = tas_send(inst_ctx(), s, buf, len, flags & MSG_MORE ? TAS_MORE : 0);
		if (likely(put == (ssize_t)len))
			return put;
		if (put < 0 && put != -EAGAIN)
			return send_failed(put, flags);
		if (flags & MSG_DONTWAIT || file_has(f, FILE_NONBLOCK))
			return io_result(put);
		put = put < 0 ? 0 : put;
	}
	return send_rest(fd, buf, len, flags, (size_t)put);
}

static inline bool is_flow(const struct file *f) { return f != NULL && likely(file_kind(f) == FILE_FLOW); }

ssize_t px_write(int fd, const void *buf, size_t len)
{
	struct file *f = fd_look(fd);

	return is_flow(f) ? send_flow(fd, f, buf, len, 0) : REAL(write)(fd, buf, len);
}

ssize_t px_send(int fd, const void *buf, size_t len, int flags)
{
	struct file *f = fd_look(fd);

	return is_flow(f) ? send_flow(fd, f, buf, len, flags) : REAL(send)(fd, buf, len, flags);
}

/* TCP fast open: an ordinary open, then the bytes. */
static ssize_t send_opening(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr,
	socklen_t size)
{
	if (px_connect_fast(fd, addr, size) != 0)
		return -1;
	return px_send(fd, buf, len, flags & ~MSG_FASTOPEN);
}

ssize_t px_sendto(int fd, const void *buf, size_t len, int flags, const struct sockaddr *addr, socklen_t size)
{
	struct file *f = fd_look(fd);

	if (is_flow(f))
		return send_flow(fd, f, buf, len, flags);
	if (f != NULL && file_kind(f) == FILE_PLAIN && flags & MSG_FASTOPEN && addr != NULL)
		return send_opening(fd, buf, len, flags, addr, size);
	return REAL(sendto)(fd, buf, len, flags, addr, size);
}

ssize_t px_writev(int fd, const struct iovec *iov, int count)
{
	struct file *f = fd_look(fd);
	ssize_t sent;

	if (!is_flow(f))
		return REAL(writev)(fd, iov, count);
	if (count == 1 && likely(iov[0].iov_len != 0))
		return px_write(fd, iov[0].iov_base, iov[0].iov_len);
	f = io_flow_get(fd);
	if (f == NULL)
		return io_result(-EBADF);
	sent = io_length(iov, count);
	if (sent != 0) /* a vector of nothing does not come to the socket in Linux */
		sent = io_send(f, iov, count, 0);
	file_put(f);
	return io_result(sent);
}
