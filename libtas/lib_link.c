/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_link.c - the control socket: connect, one request and its answer, descriptors, and whether tasd is
 * alive. */
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

enum { LINK_FDS_MAX = 1 + ABI_CORES_MAX };

union link_control {
	char space[CMSG_SPACE(LINK_FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

/* An interrupted call is made again: what it waits for is tasd's, which answers at once or dies. */
static long again(const struct tas_os *os, long number, long a, long b, long c)
{
	long result;

	do
		result = LIB_SYS(os, number, a, b, c);
	while (result == -EINTR);
	return result;
}

static void set_patience(const struct tas_os *os, int fd)
{
	struct timeval patience = { .tv_sec = TAS_CTL_PATIENCE_MS / 1000 };

	LIB_SYS(os, SYS_setsockopt, fd, SOL_SOCKET, SO_RCVTIMEO, (long)&patience, sizeof(patience));
	LIB_SYS(os, SYS_setsockopt, fd, SOL_SOCKET, SO_SNDTIMEO, (long)&patience, sizeof(patience));
}

static int link_open(void *arg)
{
	struct tas *t = arg;
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;

	memcpy(address.sun_path, t->path, sizeof(address.sun_path));
	fd = (int)LIB_SYS(&t->os, SYS_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fd;
	set_patience(&t->os, fd);
	error = (int)again(&t->os, SYS_connect, fd, (long)&address, sizeof(address));
	if (error < 0) {
		lib_close(&t->os, fd);
		return error;
	}
	return lib_fd_take(t, &t->ctl_fd, fd);
}

static int link_send(struct tas *t, int fd, struct ctl_msg *msg)
{
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	long n = again(&t->os, SYS_sendmsg, fd, (long)&h, MSG_NOSIGNAL);

	return n == sizeof(*msg) ? 0 : n < 0 ? (int)n : -EPROTO;
}

/* Keeps at most `max` of the descriptors that came, closes the others. */
static unsigned link_take_fds(struct tas *t, struct msghdr *h, int *fds, unsigned max)
{
	unsigned kept = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (unsigned i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (kept < max)
				fds[kept++] = fd;
			else
				lib_close(&t->os, fd);
		}
	}
	return kept;
}

static int link_request(void *arg, struct ctl_msg *msg, int *fds, unsigned max, unsigned *nfds)
{
	struct tas *t = arg;
	int fd = atomic_load_explicit(&t->ctl_fd, memory_order_relaxed);
	uint32_t sequence = msg->sequence;
	union link_control control;
	struct iovec iov = { msg, sizeof(*msg) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int error;
	long n;

	*nfds = 0;
	error = link_send(t, fd, msg);
	if (error != 0)
		return error;
	h.msg_controllen = sizeof(control);
	n = again(&t->os, SYS_recvmsg, fd, (long)&h, MSG_CMSG_CLOEXEC);
	if (n <= 0)
		return n < 0 ? (int)n : -ECONNRESET;
	*nfds = link_take_fds(t, &h, fds, max);
	error = n != sizeof(*msg) || msg->sequence != sequence ? -EPROTO
		: h.msg_flags & MSG_CTRUNC                     ? -EMFILE
							       : 0;
	while (error != 0 && *nfds > 0)
		lib_close(&t->os, fds[--*nfds]);
	return error;
}

static void *link_map(void *arg, int memfd, uint64_t size)
{
	const struct tas *t = arg;
	long p = LIB_SYS(&t->os, SYS_mmap, 0, (long)size, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);

	if (p < 0 && p > -4096)
		return NULL;
	LIB_SYS(&t->os, SYS_madvise, p, (long)size, MADV_DONTFORK);
	lib_fcntl(&t->os, memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	return (void *)p;
}

static void link_unmap(void *arg, void *base, uint64_t size)
{
	const struct tas *t = arg;

	lib_unmap(&t->os, base, size);
}

static bool link_alive(void *arg)
{
	const struct tas *t = arg;
	int fd = atomic_load_explicit(&t->ctl_fd, memory_order_relaxed);

	/* no POLLIN: an answer to another thread's request is no sign of anything */
	return fd >= 0 && lib_poll_now(&t->os, fd, 0) == 0;
}

static void link_wake(void *arg, int eventfd)
{
	const struct tas *t = arg;

	lib_event_write(&t->os, eventfd);
}

static void link_close(void *arg)
{
	struct tas *t = arg;

	lib_fd_drop(t, &t->ctl_fd);
}

const struct tas_link lib_link_unix = {
	.open = link_open,
	.request = link_request,
	.map = link_map,
	.unmap = link_unmap,
	.alive = link_alive,
	.wake = link_wake,
	.close = link_close,
};
