/* SPDX-License-Identifier: BSD-3-Clause */
/* opt_set.c - setsockopt: Linux's checks by a socket of the kernel, and what a value does at once. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "include/abi/ctl.h"
#include "libtas/posix/file.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/opt_int.h"
#include "libtas/posix/real.h"

/* The effects that a kept value has at once. */
static void apply(struct file *f, enum opt_slot slot)
{
	bool flow = file_kind(f) == FILE_FLOW, on;

	switch (slot) {
	case OPT_NODELAY:
		on = opt_int(f, slot, 0) != 0;
		file_flag(f, FILE_NODELAY, on);
		if (flow)
			tas_set_nodelay(inst_ctx(), file_sock(f), on);
		break;
	case OPT_CORK:
		on = opt_int(f, slot, 0) != 0;
		file_flag(f, FILE_CORK, on);
		if (flow)
			tas_set_cork(inst_ctx(), file_sock(f), on);
		break;
	case OPT_OOBINLINE:
		on = opt_int(f, slot, 0) != 0;
		file_flag(f, FILE_OOBINLINE, on);
		if (flow)
			tas_set_oobinline(file_sock(f), on);
		break;
	case OPT_KEEPIDLE:
	case OPT_KEEPINTVL:
	case OPT_KEEPCNT:
		if (flow && opt_int(f, OPT_KEEPALIVE, 0) == 0)
			break; /* no effect yet */
			       /* fall through */
	case OPT_KEEPALIVE:
	case OPT_USER_TIMEOUT:
	case OPT_SYNCNT:
	case OPT_SNDBUF:
	case OPT_RCVBUF:
	case OPT_TOS:
	case OPT_TTL:
	case OPT_TCLASS:
	case OPT_HOPS:
	case OPT_MTU_DISCOVER:
	case OPT_MAXSEG:
	case OPT_RECVERR:
	case OPT_RECVERR6:
	case OPT_QUICKACK:
	case OPT_NOTSENT_LOWAT:
	case OPT_PACING:
	case OPT_THIN_LINEAR:
	case OPT_LINGER2:
	case OPT_DEFER_ACCEPT:
	case OPT_WINDOW_CLAMP:
		if (file_kind(f) != FILE_PLAIN)
			opt_tell(f);
		break;
	case OPT_LINGER: file_flag(f, FILE_LINGER, opt_int(f, slot, 0) != 0); break;
	case OPT_RCVTIMEO:
	case OPT_SNDTIMEO: file_flag(f, FILE_TIMEOUT, true); break;
	case OPT_RCVLOWAT: file_flag(f, FILE_LOWAT, opt_int(f, slot, 1) > 1); break;
	default: break;
	}
}

static int keep_and_apply(struct file *f, const struct opt_row *row, const void *value, socklen_t size)
{
	if (opt_keep(f, row->slot, value, size) != 0)
		return -1;
	apply(f, row->slot);
	return 0;
}

/* -1: it is shorter. */
static int int_of(const void *value, socklen_t size)
{
	int v = -1;

	if (size >= sizeof(v))
		memcpy(&v, value, sizeof(v));
	return v;
}

/* The kernel takes the value, and says what it made of it. */
static int set_by_kernel(int fd, struct file *f, const struct opt_row *row, const void *value, socklen_t size)
{
	uint8_t back[OPT_BYTES] = { 0 };
	socklen_t back_size = sizeof(back);

	if (REAL(setsockopt)(fd, row->level, row->name, value, size) != 0)
		return -1;
	if (REAL(getsockopt)(fd, row->level, row->name, back, &back_size) != 0)
		return -1;
	if (row->slot == OPT_LINGER2 && int_of(value, size) == 0)
		back_size = 0; /* tasd's own usual time, not the kernel's */
	return keep_and_apply(f, row, back, back_size);
}

static struct px_lock placeholder_lock;

/* No number is left for a fresh socket: the value is tried on the placeholder, which other connections have,
 * too, and which gets its own back. */
static int set_by_placeholder(int fd, struct file *f, const struct opt_row *row, const void *value,
	socklen_t size)
{
	uint8_t own[OPT_BYTES] = { 0 };
	socklen_t own_size = sizeof(own);
	int result, saved;

	if (!px_lock_enter(&placeholder_lock)) {
		errno = ENOBUFS; /* a handler inside of the same */
		return -1;
	}
	result = REAL(getsockopt)(fd, row->level, row->name, own, &own_size);
	if (result == 0) {
		result = set_by_kernel(fd, f, row, value, size);
		saved = errno;
		REAL(setsockopt)(fd, row->level, row->name, own, own_size);
		errno = saved;
	}
	px_lock_leave(&placeholder_lock);
	return result;
}

static int set_by_fresh_socket(int placeholder, struct file *f, const struct opt_row *row, const void *value,
	socklen_t size)
{
	int fd = REAL(socket)(f->family, SOCK_STREAM | SOCK_CLOEXEC, 0), result;

	if (fd < 0 && (errno == EMFILE || errno == ENFILE))
		return set_by_placeholder(placeholder, f, row, value, size);
	if (fd < 0) {
		errno = ENOBUFS;
		return -1;
	}
	result = set_by_kernel(fd, f, row, value, size);
	own_close(fd);
	return result;
}

int opt_refuse(const struct opt_row *row, const char *call, int level, int name)
{
	inst_unsupported(row != NULL ? row->text : call, (long)level << 16 | name);
	errno = row != NULL ? row->refusal : ENOPROTOOPT;
	return -1;
}

/* --- TCP_CONGESTION: names that the kernel, tasd, or both know --- */

static bool name_read(char name[OPT_BYTES], const void *value, socklen_t size)
{
	memset(name, 0, OPT_BYTES);
	if (size == 0 || (int)size < 0) {
		errno = EINVAL;
		return false;
	}
	memcpy(name, value, size < OPT_BYTES ? size : OPT_BYTES - 1);
	return true;
}

static bool name_known(const char *name)
{
	char own[OPT_BYTES];

	memcpy(own, name, sizeof(own));
	opt_name_for_tasd(own);
	return inst_get() != NULL && inst_attach() && tas_congestion_known(inst_peek(), own);
}

/* What the kernel does not know, tasd may. What tasd does not know it says when the socket comes to it, which
 * then stays the kernel's. */
static int set_congestion_plain(int fd, struct file *f, const struct opt_row *row, const void *value,
	socklen_t size)
{
	char name[OPT_BYTES];
	int error;

	if (set_by_kernel(fd, f, row, value, size) == 0)
		return 0;
	error = errno;
	if (error == ENOENT && name_read(name, value, size) && name_known(name))
		return opt_keep(f, OPT_CONGESTION, name, sizeof(name));
	errno = error;
	return -1;
}

static bool kernel_knows(int family, const char *name)
{
	int fd = REAL(socket)(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool known = fd >= 0 &&
		REAL(setsockopt)(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name)) == 0;

	if (fd >= 0)
		own_close(fd);
	return known;
}

/* Of an open connection, or of a listener's, tasd is the judge. */
static int set_congestion(int fd, struct file *f, const void *value, socklen_t size)
{
	char name[OPT_BYTES];
	struct ctl_options o;
	int error;

	if (!name_read(name, value, size))
		return -1;
	opt_fill(f, &o);
	memcpy(o.congestion, name, sizeof(o.congestion));
	opt_name_for_tasd(o.congestion);
	error = tas_set_options(file_sock(f), &o);
	if (error == -ENOENT && kernel_knows(f->family, name))
		inst_unsupported("setsockopt TCP_CONGESTION with an algorithm that tasd has not",
			TCP_CONGESTION);
	if (error != 0) {
		errno = error == -ENOENT ? ENOENT : EAGAIN;
		return -1;
	}
	if (file_has(f, FILE_KERNEL_SIDE)) /* which may not know it */
		REAL(setsockopt)(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
	return opt_keep(f, OPT_CONGESTION, name, sizeof(name));
}

/* Of a connection it is not kept: tasd knows how it is. An even number means once, as in Linux. */
static int set_quickack(struct file *f, const void *value, socklen_t size)
{
	int on = int_of(value, size);

	if (size < sizeof(on)) {
		errno = EINVAL;
		return -1;
	}
	if (on != 0)
		tas_set_quickack(inst_ctx(), file_sock(f), true);
	if (!(on & 1))
		tas_set_quickack(inst_ctx(), file_sock(f), false);
	return 0;
}

/* What Linux refuses in the state that the socket is in, though one of the kernel's, which is not connected,
 * takes it. */
static bool too_late(const struct file *f, const struct opt_row *row, const void *value, socklen_t size)
{
	if (row->slot == OPT_WINDOW_CLAMP)
		return int_of(value, size) == 0;
	return row->slot == OPT_V6ONLY && file_kind(f) == FILE_FLOW && f->family == AF_INET6;
}

static int set_accelerated(int fd, struct file *f, const struct opt_row *row, const void *value,
	socklen_t size)
{
	int one;

	if (too_late(f, row, value, size)) {
		errno = EINVAL;
		return -1;
	}
	if (row->slot == OPT_CONGESTION)
		return set_congestion(fd, f, value, size);
	if (row->slot == OPT_QUICKACK && file_kind(f) == FILE_FLOW)
		return set_quickack(f, value, size);
	if (!file_has(f, FILE_PLACEHOLDER))
		return set_by_kernel(fd, f, row, value, size);
	if (!row->is_bool)
		return set_by_fresh_socket(fd, f, row, value, size);
	if (size < sizeof(int)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(&one, value, sizeof(one));
	one = one != 0;
	return keep_and_apply(f, row, &one, sizeof(one));
}

static int set_plain(int fd, struct file *f, const struct opt_row *row, int level, int name,
	const void *value, socklen_t size)
{
	if (row != NULL && row->slot == OPT_CONGESTION)
		return set_congestion_plain(fd, f, row, value, size);
	if (row != NULL && row->support == OPT_DONE)
		return set_by_kernel(fd, f, row, value, size);
	return opt_kernel_set_plain(fd, f, level, name, value, size);
}

int opt_set(int fd, struct file *f, int level, int name, const void *value, socklen_t size)
{
	const struct opt_row *row = opt_find(level, name);

	if (file_kind(f) == FILE_PLAIN)
		return set_plain(fd, f, row, level, name, value, size);
	if (row != NULL && row->support == OPT_READ) {
		errno = row->refusal; /* in Linux, too */
		return -1;
	}
	if (value == NULL) {
		errno = EFAULT;
		return -1;
	}
	if (row == NULL || row->support == OPT_KERNEL)
		return opt_kernel_set(fd, f, level, name, value, size);
	return set_accelerated(fd, f, row, value, size);
}
