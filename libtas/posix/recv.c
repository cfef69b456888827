/* SPDX-License-Identifier: BSD-3-Clause */
#include <limits.h>
#include <stddef.h>
#include <sys/socket.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/io.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/wait.h"

struct file *io_flow_get(int fd)
{
	struct file *f = fd_get(fd);

	if (f != NULL && file_kind(f) != FILE_FLOW) {
		file_put(f);
		return NULL;
	}
	return f;
}

ssize_t io_length(const struct iovec *iov, int count)
{
	size_t sum = 0;

	if (count < 0 || count > IOV_MAX)
		return -1;
	for (int i = 0; i < count; i++) {
		if (iov[i].iov_len > SSIZE_MAX - sum)
			return -1;
		sum += iov[i].iov_len;
	}
	return (ssize_t)sum;
}

int io_wait_in(struct file *f, int flags, size_t min_bytes, uint64_t *deadline)
{
	struct wait_for what = { .events = TAS_EV_IN, .min_bytes = min_bytes, .kernel_fd = -1 };
	tas_ns limit;
	int error;

	if (flags & MSG_DONTWAIT || file_has(f, FILE_NONBLOCK))
		return -EAGAIN;
	limit = opt_timeout(f, OPT_RCVTIMEO);
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

void io_error_later(struct file *f, ssize_t error)
{
	struct tas_sock *s = file_sock(f);

	if (s != NULL && error < 0)
		tas_error_back(s, (int)-error);
}

/* --- the general path --- */

struct receiving {
	struct file *f;
	const struct iovec *iov;
	int count;
	int flags;
	size_t total;  /* of the vector */
	size_t target; /* enough to return without waiting */
	size_t done;
};

/* MSG_TRUNC on a stream: the bytes are dropped. */
static ssize_t drop(struct tas_ctx *c, struct tas_sock *s, size_t len, bool peek)
{
	struct tas_span span[2];
	ssize_t have = tas_rx_begin(c, s, 0, span);

	if (have <= 0)
		return have;
	if ((size_t)have > len)
		have = (ssize_t)len;
	tas_rx_end(c, s, peek ? 0 : (size_t)have);
	return have;
}

static ssize_t transfer(struct receiving *r)
{
	struct tas_sock *s = file_sock(r->f);
	bool peek = (r->flags & MSG_PEEK) != 0;

	if (s == NULL)
		return -EBADF;
	if (r->flags & MSG_TRUNC)
		return drop(inst_ctx(), s, r->total - r->done, peek);
	return tas_readv(inst_ctx(), s, r->iov, r->count, r->done, peek ? TAS_PEEK : 0);
}

/* Bytes came before: an error that is pending belongs to the next call. */
static bool error_pending(const struct receiving *r)
{
	struct tas_sock *s = file_sock(r->f);

	return r->done > 0 && (s == NULL || tas_ready(s) & TAS_EV_ERR);
}

/* Linux ends a read at the mark of urgent data, however much is wanted. */
static bool at_mark(const struct receiving *r, bool peek)
{
	struct tas_sock *s = file_sock(r->f);

	return r->done > 0 && s != NULL && tas_mark(s) == (peek ? r->done : 0);
}

static ssize_t failed(const struct receiving *r, ssize_t error)
{
	if (r->done == 0)
		return error;
	io_error_later(r->f, error);
	return (ssize_t)r->done;
}

static ssize_t receive_more(struct receiving *r)
{
	uint64_t deadline = 0;
	bool peek = (r->flags & MSG_PEEK) != 0;

	for (;;) {
		ssize_t got = transfer(r);
		int error;

		if (got > 0)
			r->done = peek ? (size_t)got : r->done + (size_t)got;
		if (got == 0 || r->done >= r->target || error_pending(r) || at_mark(r, peek))
			return (ssize_t)r->done;
		if (got > 0 && !peek)
			continue;
		if (got < 0 && got != -EAGAIN)
			return failed(r, got);
		/* peeking at less than is wanted: wait until there is more, but not for the end */
		if (got > 0 && tas_ready(file_sock(r->f)) & (TAS_EV_RDHUP | TAS_EV_HUP))
			return got;
		error = io_wait_in(r->f, r->flags, r->target - (peek ? 0 : r->done), &deadline);
		if (error != 0)
			return r->done > 0 ? (ssize_t)r->done : error;
		if (peek)
			r->done = 0;
	}
}

static size_t target_of(struct file *f, size_t total, int flags)
{
	size_t lowat = 1;

	if (flags & MSG_WAITALL)
		lowat = total;
	else if (file_has(f, FILE_LOWAT))
		lowat = (size_t)opt_int(f, OPT_RCVLOWAT, 1);
	return lowat > total ? total : lowat;
}

/* recv(2) of no bytes waits for some, or the end; read(2) does not come here. */
static ssize_t receive_nothing(struct file *f, int flags)
{
	uint64_t deadline = 0;
	int error = 0;

	while (error == 0 && file_sock(f) != NULL && !(tas_ready(file_sock(f)) & TAS_EV_IN))
		error = io_wait_in(f, flags, 1, &deadline);
	if (error == 0 && file_sock(f) != NULL && tas_rx_bytes(file_sock(f)) == 0)
		error = -tas_error(file_sock(f));
	return error;
}

/* Never waits, as in Linux. */
static ssize_t receive_urgent(struct file *f, const struct iovec *iov, int count, int flags)
{
	struct tas_sock *s = file_sock(f);
	char byte;
	ssize_t got = s == NULL ? -EBADF
				: tas_recv_urgent(inst_ctx(), s, &byte, flags & MSG_PEEK ? TAS_PEEK : 0);
	int i = 0;

	if (got <= 0)
		return got;
	while (i < count && iov[i].iov_len == 0)
		i++;
	if (i == count)
		return 0; /* it is gone nevertheless */
	if (!(flags & MSG_TRUNC))
		*(char *)iov[i].iov_base = byte;
	return 1;
}

ssize_t io_recv(struct file *f, const struct iovec *iov, int count, int flags)
{
	struct receiving r = { .f = f, .iov = iov, .count = count, .flags = flags };
	ssize_t total = io_length(iov, count);

	if (total < 0)
		return -EINVAL;
	if (flags & MSG_ERRQUEUE)
		return -EAGAIN;
	if (flags & MSG_OOB)
		return receive_urgent(f, iov, count, flags);
	if (total == 0)
		return receive_nothing(f, flags);
	r.total = (size_t)total;
	r.target = target_of(f, r.total, flags);
	return receive_more(&r);
}

/* --- the calls --- */

static TAS_NOINLINE ssize_t recv_slowly(int fd, void *buf, size_t len, int flags)
{
	struct iovec iov = { buf, len };
	struct file *f = io_flow_get(fd);
	ssize_t result;

	if (f == NULL)
		return REAL(recv)(fd, buf, len, flags);
	result = io_recv(f, &iov, 1, flags);
	file_put(f);
	return io_result(result);
}

enum { SHORT_FLAGS = MSG_DONTWAIT | MSG_NOSIGNAL | MSG_PEEK };

/* The short path: what is there, or an answer that needs no waiting. */
static inline ssize_t recv_flow(int fd, struct file *f, void *buf, size_t len, int flags)
{
	struct tas_sock *s = file_sock(f);
	ssize_t got;

	if (likely(s != NULL && len > 0 && !(flags & ~SHORT_FLAGS) && !file_has(f, FILE_LOWAT))) {
		got = tas_recv(inst_ctx(), s, buf, len, flags & MSG_PEEK ? TAS_PEEK : 0);
		if (likely(got >= 0))
			return got;
		if (got != -EAGAIN || flags & MSG_DONTWAIT || file_has(f, FILE_NONBLOCK))
			return io_result(got);
	}
	return recv_slowly(fd, buf, len, flags);
}

static inline bool is_flow(const struct file *f) { return f != NULL && likely(file_kind(f) == FILE_FLOW); }

ssize_t px_read(int fd, void *buf, size_t len)
{
	struct file *f = fd_look(fd);

	if (!is_flow(f))
		return REAL(read)(fd, buf, len);
	return len == 0 ? 0 : recv_flow(fd, f, buf, len, 0);
}

ssize_t px_recv(int fd, void *buf, size_t len, int flags)
{
	struct file *f = fd_look(fd);

	return is_flow(f) ? recv_flow(fd, f, buf, len, flags) : REAL(recv)(fd, buf, len, flags);
}

ssize_t px_recvfrom(int fd, void *buf, size_t len, int flags, struct sockaddr *addr, socklen_t *size)
{
	struct file *f = fd_look(fd);
	ssize_t got;

	if (!is_flow(f))
		return REAL(recvfrom)(fd, buf, len, flags, addr, size);
	got = recv_flow(fd, f, buf, len, flags);
	if (got >= 0 && addr != NULL && size != NULL)
		*size = 0; /* a stream names no sender */
	return got;
}

ssize_t px_readv(int fd, const struct iovec *iov, int count)
{
	struct file *f = fd_look(fd);
	ssize_t got;

	if (!is_flow(f))
		return REAL(readv)(fd, iov, count);
	if (count == 1)
		return px_read(fd, iov[0].iov_base, iov[0].iov_len);
	f = io_flow_get(fd);
	if (f == NULL)
		return io_result(-EBADF);
	got = io_length(iov, count);
	if (got != 0)
		got = io_recv(f, iov, count, 0);
	file_put(f);
	return io_result(got);
}
