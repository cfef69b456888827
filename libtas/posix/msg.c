/* SPDX-License-Identifier: BSD-3-Clause */
/* sendmsg, recvmsg and their many-message forms; the positioned calls, which no socket has. */
#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <string.h>

#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/io.h"
#include "libtas/posix/pass.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/wait.h"

static bool is_flow(int fd)
{
	struct file *f = fd_look(fd);

	return f != NULL && file_kind(f) == FILE_FLOW;
}

static ssize_t recv_message(struct file *f, struct msghdr *msg, int flags)
{
	ssize_t got;

	if (msg == NULL)
		return -EFAULT;
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	got = io_recv(f, msg->msg_iov, (int)msg->msg_iovlen, flags);
	if (got < 0)
		return got;
	if (msg->msg_name != NULL)
		msg->msg_namelen = 0; /* a stream names no sender */
	msg->msg_controllen = 0;
	msg->msg_flags = 0;
	if ((flags & (MSG_OOB | MSG_ERRQUEUE)) == MSG_OOB) {
		if (got > 0)
			msg->msg_flags = MSG_OOB;
		else if (io_length(msg->msg_iov, (int)msg->msg_iovlen) == 0)
			msg->msg_flags = MSG_OOB | MSG_TRUNC;
	}
	return got;
}

/* Linux takes from a program what is not of level SOL_SOCKET, and what belongs to unix sockets, and does
 * nothing with it. What it would do something with is refused. */
static int control_check(const struct msghdr *msg)
{
	const char *end = (const char *)msg->msg_control + msg->msg_controllen;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR((struct msghdr *)msg, c)) {
		if (c->cmsg_len < sizeof(*c) || c->cmsg_len > (size_t)(end - (const char *)c))
			return -EINVAL;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type == SCM_RIGHTS ||
			c->cmsg_type == SCM_CREDENTIALS)
			continue;
		if (c->cmsg_type == SO_MARK || c->cmsg_type == SO_TIMESTAMPING || c->cmsg_type == SO_PRIORITY)
			inst_unsupported("sendmsg with control data", c->cmsg_type);
		return -EINVAL;
	}
	return 0;
}

static ssize_t send_message(struct file *f, const struct msghdr *msg, int flags)
{
	if (msg == NULL)
		return -EFAULT;
	if (msg->msg_iovlen > IOV_MAX)
		return -EMSGSIZE;
	if (msg->msg_controllen != 0 && control_check(msg) != 0)
		return -EINVAL;
	return io_send(f, msg->msg_iov, (int)msg->msg_iovlen, flags);
}

ssize_t px_recvmsg(int fd, struct msghdr *msg, int flags)
{
	struct file *f = is_flow(fd) ? io_flow_get(fd) : NULL;
	ssize_t got;

	if (f == NULL)
		return REAL(recvmsg)(fd, msg, flags);
	got = recv_message(f, msg, flags);
	file_put(f);
	return io_result(got);
}

/* MSG_FASTOPEN on a socket that is not connected: as sendto, an ordinary open, then the bytes. 0, or -1
 * and errno. */
static int open_first(int fd, const struct msghdr *msg, int *flags)
{
	struct file *f = *flags & MSG_FASTOPEN ? fd_look(fd) : NULL;

	if (f == NULL || file_kind(f) != FILE_PLAIN || msg == NULL || msg->msg_name == NULL)
		return 0;
	*flags &= ~MSG_FASTOPEN;
	return px_connect_fast(fd, msg->msg_name, msg->msg_namelen);
}

ssize_t px_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	struct file *f;
	ssize_t sent;

	if (unlikely(flags & MSG_FASTOPEN) && open_first(fd, msg, &flags) != 0)
		return -1;
	f = is_flow(fd) ? io_flow_get(fd) : NULL;
	if (f == NULL) {
		if (msg != NULL && msg->msg_controllen != 0 && pass_check(msg) != 0)
			return -1;
		return REAL(sendmsg)(fd, msg, flags);
	}
	sent = send_message(f, msg, flags);
	file_put(f);
	return io_result(sent);
}

/* Many messages: those before a failure count; the timeout is looked at after each, as Linux does. */
int px_recvmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags, struct timespec *timeout)
{
	struct file *f = is_flow(fd) ? io_flow_get(fd) : NULL;
	tas_ns deadline;
	ssize_t got = 0;
	unsigned n = 0;
	bool bad;

	if (f == NULL)
		return REAL(recvmmsg)(fd, msgs, count, flags, timeout);
	deadline = wait_deadline_ts(timeout, &bad);
	while (!bad && n < count && n < IOV_MAX) { /* at the end of the stream all are of no bytes */
		got = recv_message(f, &msgs[n].msg_hdr, flags & ~MSG_WAITFORONE);
		if (got < 0)
			break;
		msgs[n++].msg_len = (unsigned)got;
		if (deadline != TAS_NS_NEVER && inst_clock() >= deadline)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	if (n > 0)
		io_error_later(f, got);
	file_put(f);
	if (bad)
		got = -EINVAL;
	return n > 0 ? (int)n : (int)io_result(got);
}

int px_sendmmsg(int fd, struct mmsghdr *msgs, unsigned count, int flags)
{
	struct file *f;
	ssize_t sent = 0;
	unsigned n = 0;

	if (unlikely(flags & MSG_FASTOPEN) && count > 0 && open_first(fd, &msgs[0].msg_hdr, &flags) != 0)
		return -1;
	f = is_flow(fd) ? io_flow_get(fd) : NULL;
	if (f == NULL) {
		for (unsigned i = 0; i < count && i < IOV_MAX; i++) {
			if (msgs[i].msg_hdr.msg_controllen != 0 && pass_check(&msgs[i].msg_hdr) != 0)
				return i > 0 ? REAL(sendmmsg)(fd, msgs, i, flags) : -1;
		}
		return REAL(sendmmsg)(fd, msgs, count, flags);
	}
	while (n < count && n < IOV_MAX) {
		sent = send_message(f, &msgs[n].msg_hdr, flags);
		if (sent < 0)
			break;
		msgs[n++].msg_len = (unsigned)sent;
	}
	file_put(f);
	return n > 0 ? (int)n : (int)io_result(sent);
}

/* --- calls with a position --- */

/* The placeholder and an unconnected socket of the kernel answer alike: ESPIPE. */
ssize_t px_pread(int fd, void *buf, size_t len, off64_t offset)
{
	return is_flow(fd) ? io_result(-ESPIPE) : REAL(pread64)(fd, buf, len, offset);
}

ssize_t px_pwrite(int fd, const void *buf, size_t len, off64_t offset)
{
	return is_flow(fd) ? io_result(-ESPIPE) : REAL(pwrite64)(fd, buf, len, offset);
}

ssize_t px_preadv(int fd, const struct iovec *iov, int count, off64_t offset)
{
	return is_flow(fd) ? io_result(-ESPIPE) : REAL(preadv64)(fd, iov, count, offset);
}

ssize_t px_pwritev(int fd, const struct iovec *iov, int count, off64_t offset)
{
	return is_flow(fd) ? io_result(-ESPIPE) : REAL(pwritev64)(fd, iov, count, offset);
}

/* An offset of -1 means the plain call. Of the flags a socket of Linux takes RWF_NOWAIT and RWF_HIPRI. */
enum { RWF_HIPRI_ = 1, RWF_NOWAIT_ = 8 };

static int socket_flags(int flags, off64_t offset)
{
	if (flags & ~(RWF_HIPRI_ | RWF_NOWAIT_))
		return -EOPNOTSUPP;
	if (offset != -1)
		return -ESPIPE;
	return flags & RWF_NOWAIT_ ? MSG_DONTWAIT : 0;
}

ssize_t px_preadv2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
	struct file *f = is_flow(fd) ? io_flow_get(fd) : NULL;
	ssize_t got;

	if (f == NULL)
		return REAL(preadv64v2)(fd, iov, count, offset, flags);
	got = socket_flags(flags, offset);
	if (got >= 0)
		got = io_length(iov, count) == 0 ? 0 : io_recv(f, iov, count, (int)got);
	file_put(f);
	return io_result(got);
}

ssize_t px_pwritev2(int fd, const struct iovec *iov, int count, off64_t offset, int flags)
{
	struct file *f = is_flow(fd) ? io_flow_get(fd) : NULL;
	ssize_t sent;

	if (f == NULL)
		return REAL(pwritev64v2)(fd, iov, count, offset, flags);
	sent = socket_flags(flags, offset);
	if (sent >= 0)
		sent = io_length(iov, count) == 0 ? 0 : io_send(f, iov, count, (int)sent);
	file_put(f);
	return io_result(sent);
}
