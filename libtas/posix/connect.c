/* SPDX-License-Identifier: BSD-3-Clause */
/* connect: through tasd if its route is as specific as the kernel's (kroute.h). */
#include <errno.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "include/abi/ctl.h"
#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/kroute.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/sockaddr.h"
#include "libtas/posix/stay.h"
#include "libtas/posix/wait.h"

struct target {
	struct net_addr remote, local; /* local any: not bound */
	uint16_t remote_port, local_port;
};

static bool through_tasd(int fd, struct file *f, const struct sockaddr *addr, socklen_t size,
	struct target *t)
{
	if (file_has(f, FILE_KERNEL_ONLY) || !sockaddr_read(addr, size, &t->remote, &t->remote_port))
		return false;
	if (addr->sa_family != f->family ||
		(f->family == AF_INET6 && addr_is_v4(t->remote) && opt_v6only(fd)))
		return false; /* the kernel knows the error */
	if (!kroute_through_tasd(&t->remote) || t->remote_port == 0 ||
		!sockaddr_bound(fd, &t->local, &t->local_port))
		return false;
	return addr_is_any(t->local) || file_has(f, FILE_FREEBIND) || kroute_is_tasds(&t->local);
}

static int start(struct file *f, const struct target *t)
{
	struct ctl_options options;
	struct tas_connect_opt opt = { .local = t->local,
		.remote = t->remote,
		.local_port = t->local_port,
		.remote_port = t->remote_port,
		.flags = file_has(f, FILE_NODELAY) ? TAS_OPEN_NODELAY : 0,
		.options = &options };
	struct tas_sock *s;
	int error;

	opt_fill(f, &options);
	error = tas_connect(inst_ctx(), &opt, &s);
	if (error != 0)
		return error;
	file_flag(f, FILE_CONNECTING, true);
	file_accelerate(f, s, FILE_FLOW);
	if (file_has(f, FILE_CORK))
		tas_set_cork(inst_ctx(), s, true);
	tas_set_oobinline(s, file_has(f, FILE_OOBINLINE));
	return 0;
}

/* What became of an attempt: 0, -EINPROGRESS, or the error; then the socket is as before the attempt. */
static int outcome(struct file *f)
{
	struct tas_sock *s = file_sock(f);
	uint32_t ready = tas_ready(s);
	int error;

	if (ready & (TAS_EV_ERR | TAS_EV_HUP)) {
		error = tas_error(s);
		file_flag(f, FILE_CONNECTING, false);
		if (ready & TAS_EV_CONNECTED && error == 0)
			return 0; /* it was open, and is over already */
		file_decelerate(f, true);
		return error != 0 ? -error : -ECONNABORTED;
	}
	if (!(ready & TAS_EV_CONNECTED))
		return -EINPROGRESS;
	file_flag(f, FILE_CONNECTING, false);
	return 0;
}

static int wait_outcome(struct file *f)
{
	tas_ns limit = opt_timeout(f, OPT_SNDTIMEO);
	struct wait_for what = { .events = TAS_EV_OUT | TAS_EV_CONNECTED,
		.kernel_fd = -1,
		.deadline = limit == TAS_NS_NEVER ? limit : inst_clock() + limit };
	int result;

	for (;;) {
		int error = wait_file(f, &what);

		if (file_kind(f) != FILE_FLOW)
			return -EBADF;
		result = outcome(f);
		if (result != -EINPROGRESS)
			return result;
		if (error == -ETIMEDOUT)
			return -EINPROGRESS;
		if (error == -EINTR && (limit != TAS_NS_NEVER || !restart_allowed()))
			return -EINTR; /* the attempt goes on */
	}
}

static int connect_again(struct file *f, const struct sockaddr *addr, socklen_t size)
{
	int result;

	if (size >= sizeof(addr->sa_family) && addr->sa_family == AF_UNSPEC) {
		file_decelerate(f, true);
		return 0;
	}
	if (!file_has(f, FILE_CONNECTING))
		return -EISCONN;
	result = file_has(f, FILE_NONBLOCK) ? outcome(f) : wait_outcome(f);
	return result == -EINPROGRESS ? -EALREADY : result;
}

/* It may wait there. */
static int connect_elsewhere(int fd, struct file *f, const struct sockaddr *addr, socklen_t size)
{
	struct stay_ref *ref = stay_ref_begin(f, file_put);
	int result;

	STAY_CANCELLABLE(result, REAL(connect)(fd, addr, size));
	stay_ref_end(ref);
	return result == 0 ? 0 : -errno;
}

static int connect_kernel(int fd, struct file *f, const struct sockaddr *addr, socklen_t size)
{
	int result = connect_elsewhere(fd, f, addr, size);

	if (result == 0 || result == -EINPROGRESS || result == -EINTR) {
		if (addr->sa_family == AF_UNSPEC)
			return 0;
		epset_forget(f);
		atomic_store_explicit(&f->kind, FILE_KERNEL, memory_order_release);
		fd_drop(fd);
	}
	return result;
}

static int connect_plain(int fd, struct file *f, const struct sockaddr *addr, socklen_t size)
{
	struct target t;
	int error;

	if (!through_tasd(fd, f, addr, size, &t))
		return connect_kernel(fd, f, addr, size);
	error = start(f, &t);
	if (error == -ENOTCONN ||
		error == -ENOENT) /* tasd has just died, or has not that congestion control */
		return connect_kernel(fd, f, addr, size);
	if (error != 0)
		return error;
	/* Linux says so even where the answer is there already: it learns of it only when the call is over */
	return file_has(f, FILE_NONBLOCK) ? -EINPROGRESS : wait_outcome(f);
}

int px_connect(int fd, const struct sockaddr *addr, socklen_t size)
{
	struct file *f = fd_get(fd);
	int error;

	if (f == NULL)
		return REAL(connect)(fd, addr, size);
	if (file_kind(f) == FILE_PLAIN)
		error = connect_plain(fd, f, addr, size);
	else if (file_kind(f) == FILE_FLOW)
		error = connect_again(f, addr, size);
	else if (file_kind(f) == FILE_LISTENER)
		error = -EISCONN;
	else
		error = connect_elsewhere(fd, f, addr, size);
	file_put(f);
	if (error == 0)
		return 0;
	errno = -error;
	return -1;
}

int px_connect_fast(int fd, const struct sockaddr *addr, socklen_t size)
{
	if (size < sizeof(addr->sa_family) || addr->sa_family != AF_UNSPEC)
		return px_connect(fd, addr, size);
	errno = EOPNOTSUPP;
	return -1;
}
