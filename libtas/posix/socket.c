/* SPDX-License-Identifier: BSD-3-Clause */
/* socket, bind, listen, shutdown, names and options. A socket begins as one of the kernel's; bind reserves
 * its port there whoever will carry the connections; listen decides. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>

#include "include/abi/ctl.h"
#include "libtas/posix/epset.h"
#include "libtas/posix/fdtab.h"
#include "libtas/posix/fork.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/kroute.h"
#include "libtas/posix/opt.h"
#include "libtas/posix/px.h"
#include "libtas/posix/real.h"
#include "libtas/posix/sockaddr.h"

static int fail(int error)
{
	errno = error;
	return -1;
}

int px_socket(int domain, int type, int protocol)
{
	int fd = REAL(socket)(domain, type, protocol);
	struct file *f;

	if (fd < 0 || (domain != AF_INET && domain != AF_INET6) ||
		(type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
		(protocol != 0 && protocol != IPPROTO_TCP) || fork_in_vfork())
		return fd;
	f = file_new(FILE_PLAIN, domain);
	if (f == NULL)
		return fd; /* out of memory: it stays in the kernel */
	file_flag(f, FILE_NONBLOCK, (type & SOCK_NONBLOCK) != 0);
	fd_put_in(fd, f);
	return fd;
}

/* --- bind --- */

static int bind_free(int fd, struct file *f, const struct sockaddr *addr, socklen_t size)
{
	const int on = 1;
	int level = f->family == AF_INET6 ? IPPROTO_IPV6 : IPPROTO_IP;
	int name = f->family == AF_INET6 ? IPV6_FREEBIND : IP_FREEBIND;

	if (REAL(setsockopt)(fd, level, name, &on, sizeof(on)) != 0 || REAL(bind)(fd, addr, size) != 0)
		return -1;
	file_flag(f, FILE_FREEBIND, true);
	return 0;
}

static int bind_plain(int fd, struct file *f, const struct sockaddr *addr, socklen_t size)
{
	struct net_addr a;
	uint16_t port;

	if (REAL(bind)(fd, addr, size) == 0)
		return 0;
	if (errno != EADDRNOTAVAIL || file_has(f, FILE_KERNEL_ONLY) || !sockaddr_read(addr, size, &a, &port))
		return -1;
	return kroute_is_tasds(&a) ? bind_free(fd, f, addr, size) : fail(EADDRNOTAVAIL);
}

/* Processes that inherit a bound socket have one listener, whoever of them calls listen. Those that it was
 * hidden from cannot guess it. */
static void draw_secret(struct file *f)
{
	if (f->secret == 0 &&
		real_syscall(SYS_getrandom, &f->secret, sizeof(f->secret), GRND_NONBLOCK) !=
			sizeof(f->secret))
		f->secret = 0;
}

int px_bind(int fd, const struct sockaddr *addr, socklen_t size)
{
	struct file *f = fd_get(fd);
	int result;

	if (f == NULL)
		return inst_owns_fd(fd) ? fail(EBADF) : REAL(bind)(fd, addr, size);
	switch (file_kind(f)) {
	case FILE_PLAIN: result = bind_plain(fd, f, addr, size); break;
	case FILE_FLOW:
	case FILE_LISTENER: result = fail(EINVAL); break; /* its port is taken */
	default: result = REAL(bind)(fd, addr, size); break;
	}
	if (result == 0 && file_kind(f) == FILE_PLAIN)
		draw_secret(f);
	file_put(f);
	return result;
}

/* --- listen --- */

enum where { IN_KERNEL, IN_TASD, IN_BOTH };

static enum where where_to_listen(struct file *f, const struct net_addr *addr)
{
	if (file_has(f, FILE_KERNEL_ONLY) || addr_is_loopback(*addr))
		return IN_KERNEL;
	if (addr_is_any(*addr))
		return inst_get() != NULL ? IN_BOTH : IN_KERNEL;
	if (!kroute_is_tasds(addr))
		return IN_KERNEL;
	return file_has(f, FILE_FREEBIND) ? IN_TASD : IN_BOTH;
}

static int tasd_listen(int fd, struct file *f, const struct net_addr *addr, uint16_t port, int backlog,
	struct tas_sock **out)
{
	struct ctl_options options;
	struct tas_listen_opt opt = { .addr = *addr,
		.port = port,
		.backlog = backlog,
		.when_ready = true,
		.options = &options,
		.secret = f->secret };

	opt_fill(f, &options);
	if (opt_int(f, OPT_REUSEPORT, 0))
		opt.flags |= TAS_OPEN_REUSEPORT;
	if (f->family == AF_INET6 && opt_v6only(fd))
		opt.flags |= TAS_OPEN_V6ONLY;
	if (file_has(f, FILE_NODELAY))
		opt.flags |= TAS_OPEN_NODELAY;
	return tas_listen(inst_ctx(), &opt, out);
}

/* accept on it must not wait in the kernel alone, so it never does: the program's O_NONBLOCK is kept in the
 * file. */
static int kernel_listen(int fd, int backlog)
{
	int flags = REAL(fcntl64)(fd, F_GETFL);

	if (REAL(listen)(fd, backlog) != 0)
		return -1;
	REAL(fcntl64)(fd, F_SETFL, flags | O_NONBLOCK);
	return 0;
}

static int stay_in_kernel(int fd, struct file *f, int result)
{
	if (result != 0)
		return result;
	epset_forget(f);
	atomic_store_explicit(&f->kind, FILE_KERNEL, memory_order_release);
	fd_drop(fd);
	return 0;
}

static int listen_decided(int fd, struct file *f, int backlog, enum where where, const struct net_addr *addr,
	uint16_t port)
{
	static _Atomic bool said;
	struct tas_sock *s;
	int error;

	if (where == IN_KERNEL)
		return stay_in_kernel(fd, f, REAL(listen)(fd, backlog));
	inst_attach();
	error = tasd_listen(fd, f, addr, port, backlog, &s);
	if (error != 0 && (where == IN_TASD || error == -EADDRINUSE))
		return fail(-error);
	if (error != 0) {
		if (error != -ENOTCONN)
			inst_warn_once(&said, "tasd takes no more listeners: this one is the kernel's alone",
				-error);
		return stay_in_kernel(fd, f, REAL(listen)(fd, backlog));
	}
	if (where == IN_BOTH && kernel_listen(fd, backlog) != 0) {
		error = errno;
		tas_close(inst_ctx(), s, false);
		return fail(error);
	}
	file_flag(f, FILE_KERNEL_SIDE, where == IN_BOTH);
	file_accelerate(f, s, FILE_LISTENER);
	return 0;
}

static int listen_plain(int fd, struct file *f, int backlog)
{
	struct sockaddr_storage any = { .ss_family = f->family };
	struct net_addr addr;
	uint16_t port;

	if (!sockaddr_bound(fd, &addr, &port))
		return REAL(listen)(fd, backlog);
	if (port == 0) { /* Linux chooses one in listen; here both must know it before */
		if (REAL(bind)(fd, (struct sockaddr *)&any,
			    f->family == AF_INET6 ? sizeof(struct sockaddr_in6)
						  : sizeof(struct sockaddr_in)) != 0 ||
			!sockaddr_bound(fd, &addr, &port))
			return -1;
	}
	return listen_decided(fd, f, backlog, where_to_listen(f, &addr), &addr, port);
}

static int listen_again(int fd, struct file *f, int backlog)
{
	int error = tas_listen_backlog(file_sock(f), backlog);

	if (file_has(f, FILE_KERNEL_SIDE) && REAL(listen)(fd, backlog) != 0)
		return -1;
	return error == 0 || error == -ENOTCONN ? 0 : fail(-error);
}

int px_listen(int fd, int backlog)
{
	struct file *f = fd_get(fd);
	int result;

	if (f == NULL)
		return REAL(listen)(fd, backlog);
	switch (file_kind(f)) {
	case FILE_PLAIN: result = listen_plain(fd, f, backlog); break;
	case FILE_LISTENER: result = listen_again(fd, f, backlog); break;
	case FILE_FLOW: result = fail(EINVAL); break;
	default: result = REAL(listen)(fd, backlog); break;
	}
	file_put(f);
	return result;
}

/* --- shutdown --- */

static bool still_connecting(struct file *f)
{
	return file_has(f, FILE_CONNECTING) &&
		!(tas_ready(file_sock(f)) & (TAS_EV_CONNECTED | TAS_EV_ERR | TAS_EV_HUP));
}

static int flow_shutdown(struct file *f, int how)
{
	unsigned bits = how == SHUT_RDWR ? TAS_SHUT_RD | TAS_SHUT_WR
		: how == SHUT_RD         ? TAS_SHUT_RD
					 : TAS_SHUT_WR;
	int error;

	if (still_connecting(f)) { /* the attempt ends, and the socket is as before it */
		file_decelerate(f, true);
		return 0;
	}
	if (tas_ready(file_sock(f)) & TAS_EV_HUP && tas_sock_over(file_sock(f)))
		return fail(ENOTCONN); /* nothing is left to shut */
	error = tas_shutdown(inst_ctx(), file_sock(f), bits);
	if (error != 0)
		return fail(-error);
	/* our own sets and waiters see it at once */
	file_tell(f, TAS_EV_IN | TAS_EV_OUT | TAS_EV_RDHUP | TAS_EV_HUP);
	return 0;
}

/* A listener that is shut down for reading listens no more, and can be made to listen again. */
static int listener_shutdown(int fd, struct file *f, int how)
{
	bool kernel_side = file_has(f, FILE_KERNEL_SIDE);

	if (how == SHUT_WR)
		return 0;
	file_decelerate(f, false);
	return kernel_side ? REAL(shutdown)(fd, how) : 0;
}

int px_shutdown(int fd, int how)
{
	struct file *f = fd_get(fd);
	int result;

	if (f == NULL)
		return REAL(shutdown)(fd, how);
	if (how < SHUT_RD || how > SHUT_RDWR)
		result = fail(EINVAL);
	else if (file_kind(f) == FILE_FLOW)
		result = flow_shutdown(f, how);
	else if (file_kind(f) == FILE_LISTENER)
		result = listener_shutdown(fd, f, how);
	else
		result = REAL(shutdown)(fd, how);
	file_put(f);
	return result;
}

/* --- names --- */

static int flow_name(struct file *f, bool peer, struct sockaddr *addr, socklen_t *size)
{
	struct tas_sock *s = file_sock(f);
	struct net_addr local, remote;
	uint16_t local_port, remote_port;
	uint32_t ready = s != NULL ? tas_ready(s) : TAS_EV_HUP;

	if (s == NULL)
		return fail(peer ? ENOTCONN : EBADF);
	if (peer && (!(ready & TAS_EV_CONNECTED) || tas_sock_over(s)))
		return fail(ENOTCONN);
	if (size == NULL || addr == NULL)
		return fail(EFAULT);
	if ((int)*size < 0)
		return fail(EINVAL);
	tas_sock_addrs(s, &local, &local_port, &remote, &remote_port);
	if (peer)
		sockaddr_give(f->family, &remote, remote_port, addr, size);
	else
		sockaddr_give(f->family, &local, local_port, addr, size);
	return 0;
}

int px_getsockname(int fd, struct sockaddr *addr, socklen_t *size)
{
	struct file *f = fd_look(fd);

	if (f != NULL && file_kind(f) == FILE_FLOW)
		return flow_name(f, false, addr, size);
	return REAL(getsockname)(fd, addr, size);
}

int px_getpeername(int fd, struct sockaddr *addr, socklen_t *size)
{
	struct file *f = fd_look(fd);

	if (f != NULL && file_kind(f) == FILE_FLOW)
		return flow_name(f, true, addr, size);
	return REAL(getpeername)(fd, addr, size);
}

/* --- options --- */

static bool has_options(const struct file *f)
{
	enum file_kind kind = f == NULL ? FILE_FREE : file_kind(f);

	return kind == FILE_PLAIN || kind == FILE_FLOW || kind == FILE_LISTENER;
}

int px_getsockopt(int fd, int level, int name, void *value, socklen_t *size)
{
	struct file *f = fd_get(fd);
	int result = has_options(f) ? opt_get(fd, f, level, name, value, size)
				    : REAL(getsockopt)(fd, level, name, value, size);

	if (f != NULL)
		file_put(f);
	return result;
}

int px_setsockopt(int fd, int level, int name, const void *value, socklen_t size)
{
	struct file *f = fd_get(fd);
	int result = has_options(f) ? opt_set(fd, f, level, name, value, size)
				    : REAL(setsockopt)(fd, level, name, value, size);

	if (f != NULL)
		file_put(f);
	return result;
}
