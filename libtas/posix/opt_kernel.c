/* SPDX-License-Identifier: BSD-3-Clause */
/* opt_kernel.c - options that only the kernel can honour. What leaves them as they are is no reason to leave
 * a socket to the kernel, and no reason to refuse: many programs set everything to what it is anyway. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "include/abi/ctl.h"
#include "libtas/posix/file.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/opt_int.h"
#include "libtas/posix/real.h"
#include "libtas/posix/sockaddr.h"

struct reading {
	int result; /* 0, or -1: it cannot be read */
	socklen_t size;
	uint8_t value[128];
};

static struct reading read_now(int fd, int level, int name)
{
	struct reading r = { .size = sizeof(r.value) };

	r.result = REAL(getsockopt)(fd, level, name, r.value, &r.size);
	return r;
}

static bool same(const struct reading *a, const struct reading *b)
{
	return a->result == 0 && b->result == 0 && a->size == b->size &&
		memcmp(a->value, b->value, a->size) == 0;
}

/* Fast open of listeners is off in a usual kernel, and the option without effect. */
static bool fast_open_is_off(int level, int name)
{
	enum { TFO_SERVER_ENABLE = 2 };
	char text[16] = "";
	int fd;
	long n;

	if (level != IPPROTO_TCP || name != TCP_FASTOPEN)
		return false;
	fd = (int)real_syscall(SYS_openat, AT_FDCWD, "/proc/sys/net/ipv4/tcp_fastopen", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = real_syscall(SYS_read, fd, text, sizeof(text) - 1);
	own_close(fd);
	return n > 0 && (strtol(text, NULL, 10) & TFO_SERVER_ENABLE) == 0;
}

enum outcome { REFUSED, NO_CHANGE, CHANGED };

static enum outcome try(int fd, int level, int name, const void *value, socklen_t size)
{
	struct reading before = read_now(fd, level, name), after;

	if (REAL(setsockopt)(fd, level, name, value, size) != 0)
		return REFUSED;
	after = read_now(fd, level, name);
	return same(&before, &after) || fast_open_is_off(level, name) ? NO_CHANGE : CHANGED;
}

int opt_kernel_set_plain(int fd, struct file *f, int level, int name, const void *value, socklen_t size)
{
	const struct opt_row *row = opt_find(level, name);
	enum outcome o = try(fd, level, name, value, size);

	if (o == REFUSED)
		return -1;
	if (o == CHANGED) {
		inst_unsupported(row != NULL ? row->text : "setsockopt", (long)level << 16 | name);
		file_flag(f, FILE_KERNEL_ONLY, true);
	}
	return 0;
}

/* As `try`, on a socket that is nobody's. */
static enum outcome try_fresh(int family, int level, int name, const void *value, socklen_t size)
{
	int fd = REAL(socket)(family, SOCK_STREAM | SOCK_CLOEXEC, 0), error;
	enum outcome o;

	if (fd < 0)
		return CHANGED; /* for all we know */
	o = try(fd, level, name, value, size);
	error = errno;
	own_close(fd);
	errno = error;
	return o;
}

/* In the state that the socket is in Linux refuses it. */
static bool too_late(const struct file *f, int level, int name)
{
	return level == IPPROTO_TCP &&
		(name == TCP_FASTOPEN_CONNECT || (name == TCP_FASTOPEN && file_kind(f) == FILE_FLOW));
}

int opt_kernel_set(int fd, struct file *f, int level, int name, const void *value, socklen_t size)
{
	const struct opt_row *row = opt_find(level, name);
	enum outcome o = try_fresh(f->family, level, name, value, size);

	if (o != REFUSED && too_late(f, level, name)) {
		errno = EINVAL;
		return -1;
	}
	if (o == NO_CHANGE) /* but for what it reads as: TCP_FASTOPEN */
		return file_has(f, FILE_PLACEHOLDER) ? 0 : REAL(setsockopt)(fd, level, name, value, size);
	if (o == REFUSED && errno != ENOTCONN) /* that one of the connection would perhaps take it */
		return -1;
	return opt_refuse(row, "setsockopt", level, name);
}

/* --- reading, of a connection --- */

/* Another one for each connection, also of those that share a socket of the kernel; not one that the kernel
 * gives, which counts from 1. */
static uint64_t cookie(const struct file *f)
{
	uint32_t flow, gen;

	tas_sock_name(file_sock(f), &flow, &gen);
	return 1ull << 63 | (uint64_t)gen << 32 | flow;
}

static int give_peer(struct file *f, void *value, socklen_t *size)
{
	socklen_t full = f->family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
	struct net_addr remote;
	uint16_t port;

	if (*size > full) {
		errno = EINVAL;
		return -1;
	}
	full = *size;
	tas_sock_addrs(file_sock(f), NULL, NULL, &remote, &port);
	sockaddr_give(f->family, &remote, port, value, &full);
	return 0;
}

int opt_kernel_get(int fd, struct file *f, int level, int name, void *value, socklen_t *size)
{
	const struct opt_row *row = opt_find(level, name);
	struct ctl_info info = { 0 };

	if (level == SOL_SOCKET && name == SO_COOKIE && file_has(f, FILE_PLACEHOLDER)) {
		uint64_t own = cookie(f);

		if (*size < sizeof(own)) {
			errno = EINVAL;
			return -1;
		}
		return opt_give(value, size, &own, sizeof(own));
	}
	if (level == SOL_SOCKET && name == SO_PEERNAME)
		return give_peer(f, value, size);
	if (level == IPPROTO_IP && name == IP_MTU && tas_info(file_sock(f), &info) == 0)
		return opt_give(value, size, &info.pmtu, sizeof(info.pmtu));
	if (row != NULL && row->blind)
		return opt_refuse(row, "getsockopt", level, name);
	return REAL(getsockopt)(fd, level, name, value, size); /* nobody can have set it: it is as usual */
}
