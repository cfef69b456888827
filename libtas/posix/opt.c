/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/opt.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "include/abi/ctl.h"
#include "include/base/assert.h"
#include "libtas/posix/file.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/real.h"

/* tcp_keepalive_time, _intvl and _probes of Linux. */
enum { KEEP_IDLE_S = 7200, KEEP_INTVL_S = 75, KEEP_COUNT = 9 };

struct opts {
	_Atomic uint32_t refs;
	uint64_t set; /* bit of a slot: it has a value */
	uint8_t size[OPT_SLOTS];
	alignas(8) uint8_t value[OPT_SLOTS][OPT_BYTES];
	struct px_pooled pooled;
};
static_assert(OPT_SLOTS <= 64, "a bit each");

static struct px_pool opts_pool = PX_POOL_OF(struct opts, pooled);

/* --- blocks --- */

static void opts_put(struct opts *o)
{
	if (o != NULL && atomic_fetch_sub(&o->refs, 1) == 1)
		px_pool_put(&opts_pool, o);
}

static struct opts *opts_copy(const struct opts *from)
{
	struct opts *o = px_pool_get(&opts_pool);

	if (o == NULL)
		return NULL;
	o->set = from != NULL ? from->set : 0;
	if (from != NULL) {
		memcpy(o->size, from->size, sizeof(o->size));
		memcpy(o->value, from->value, sizeof(o->value));
	}
	atomic_store(&o->refs, 1);
	return o;
}

void opt_inherit(struct file *from, struct file *to)
{
	struct opts *o = atomic_load(&from->opts);

	if (o != NULL)
		atomic_fetch_add(&o->refs, 1);
	opts_put(atomic_exchange(&to->opts, o));
	atomic_fetch_or(&to->flags,
		file_flags(from) & (FILE_NODELAY | FILE_LINGER | FILE_TIMEOUT | FILE_LOWAT));
}

void opt_drop(struct file *f) { opts_put(atomic_exchange(&f->opts, NULL)); }

static int keep(struct file *f, enum opt_slot slot, const void *value, socklen_t size)
{
	struct opts *old, *o;

	TAS_ASSERT(size <= OPT_BYTES);
	if (!file_lock(f)) {
		errno = EAGAIN; /* a handler inside of a call on the same socket */
		return -1;
	}
	old = atomic_load(&f->opts);
	o = old != NULL && atomic_load(&old->refs) == 1 ? old : opts_copy(old);
	if (o != NULL) {
		memset(o->value[slot], 0, OPT_BYTES);
		memcpy(o->value[slot], value, size);
		o->size[slot] = (uint8_t)size;
		o->set |= 1ull << slot;
	}
	if (o != NULL && o != old) {
		atomic_store(&f->opts, o);
		opts_put(old);
	}
	file_unlock(f);
	if (o == NULL)
		errno = ENOBUFS;
	return o != NULL ? 0 : -1;
}

static const void *kept(struct file *f, enum opt_slot slot)
{
	struct opts *o = atomic_load_explicit(&f->opts, memory_order_acquire);

	return o != NULL && o->set & 1ull << slot ? o->value[slot] : NULL;
}

/* --- what the other modules ask --- */

int opt_int(struct file *f, enum opt_slot slot, int otherwise)
{
	const void *value = kept(f, slot);

	if (value != NULL)
		memcpy(&otherwise, value, sizeof(otherwise));
	return otherwise;
}

tas_ns opt_timeout(struct file *f, enum opt_slot slot)
{
	const void *value = file_has(f, FILE_TIMEOUT) ? kept(f, slot) : NULL;
	struct timeval tv = { 0, 0 };

	if (value != NULL)
		memcpy(&tv, value, sizeof(tv));
	if (tv.tv_sec == 0 && tv.tv_usec == 0)
		return TAS_NS_NEVER;
	return (tas_ns)tv.tv_sec * NS_PER_SEC + (tas_ns)tv.tv_usec * NS_PER_US;
}

int opt_linger_s(struct file *f)
{
	const void *value = file_has(f, FILE_LINGER) ? kept(f, OPT_LINGER) : NULL;
	struct linger linger = { 0, 0 };

	if (value != NULL)
		memcpy(&linger, value, sizeof(linger));
	return linger.l_onoff ? linger.l_linger : -1;
}

uint32_t opt_ring_size(struct file *f, enum opt_slot slot)
{
	enum { SMALLEST = 4096, LARGEST = 64 << 20 };
	int bytes = opt_int(f, slot, 0) / 2; /* Linux keeps twice what was asked for */

	if (bytes <= 0)
		return 0;
	return pow2_at_least(bytes < SMALLEST ? SMALLEST : bytes > LARGEST ? LARGEST : (uint32_t)bytes);
}

bool opt_congestion(struct file *f, char name[OPT_BYTES])
{
	const void *value = kept(f, OPT_CONGESTION);

	if (value == NULL)
		return false;
	memcpy(name, value, OPT_BYTES);
	name[OPT_BYTES - 1] = 0;
	if (strcmp(name, "reno") == 0) /* Linux's name for it */
		strcpy(name, "newreno");
	return true;
}

/* tasd's timers of a connection follow these. */
void opt_timers(struct file *f, bool changed)
{
	struct ctl_timers t = {
		.keep_alive = opt_int(f, OPT_KEEPALIVE, 0) != 0,
		.keep_idle_s = (uint32_t)opt_int(f, OPT_KEEPIDLE, KEEP_IDLE_S),
		.keep_intvl_s = (uint32_t)opt_int(f, OPT_KEEPINTVL, KEEP_INTVL_S),
		.keep_count = (uint8_t)opt_int(f, OPT_KEEPCNT, KEEP_COUNT),
		.user_timeout_ms = (uint32_t)opt_int(f, OPT_USER_TIMEOUT, 0),
		.syn_count = (uint8_t)opt_int(f, OPT_SYNCNT, 0),
	};

	if (changed || t.keep_alive || t.user_timeout_ms != 0 || t.syn_count != 0)
		tas_set_timers(file_sock(f), &t);
}

/* --- setting --- */

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
	case OPT_KEEPALIVE:
	case OPT_USER_TIMEOUT:
		if (flow)
			opt_timers(f, true);
		break;
	case OPT_KEEPIDLE:
	case OPT_KEEPINTVL:
	case OPT_KEEPCNT:
	case OPT_SYNCNT:
		if (flow)
			opt_timers(f, false); /* without keep-alive they have no effect yet */
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
	if (keep(f, row->slot, value, size) != 0)
		return -1;
	apply(f, row->slot);
	return 0;
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

static int refuse(const struct opt_row *row, const char *call, int level, int name)
{
	inst_unsupported(row != NULL ? row->text : call, (long)level << 16 | name);
	errno = row != NULL ? row->refusal : ENOPROTOOPT;
	return -1;
}

/* The algorithm of an open connection stays; to name it again is no change. */
static int set_congestion(struct file *f, const void *value, socklen_t size)
{
	struct ctl_info info;
	char name[OPT_BYTES] = "";

	if (size == 0) {
		errno = EINVAL;
		return -1;
	}
	memcpy(name, value, size < sizeof(name) ? size : sizeof(name) - 1);
	if (strcmp(name, "reno") == 0)
		strcpy(name, "newreno");
	if (tas_info(file_sock(f), &info) == 0 &&
		strncmp(name, info.congestion, sizeof(info.congestion)) == 0)
		return 0;
	return refuse(opt_find(IPPROTO_TCP, TCP_ULP), "setsockopt TCP_CONGESTION", IPPROTO_TCP,
		TCP_CONGESTION);
}

static int set_accelerated(int fd, struct file *f, const struct opt_row *row, const void *value,
	socklen_t size)
{
	int one;

	if (row->slot == OPT_CONGESTION && file_kind(f) == FILE_FLOW)
		return set_congestion(f, value, size);
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
	if (row != NULL && (row->support == OPT_DONE || row->support == OPT_STORED))
		return set_by_kernel(fd, f, row, value, size);
	if (REAL(setsockopt)(fd, level, name, value, size) != 0)
		return -1;
	file_flag(f, FILE_KERNEL_ONLY, true);
	return 0;
}

int opt_set(int fd, struct file *f, int level, int name, const void *value, socklen_t size)
{
	const struct opt_row *row = opt_find(level, name);

	if (file_kind(f) == FILE_PLAIN)
		return set_plain(fd, f, row, level, name, value, size);
	if (row == NULL || row->support == OPT_KERNEL || row->support == OPT_READ)
		return refuse(row, "setsockopt", level, name);
	if (value == NULL) {
		errno = EFAULT;
		return -1;
	}
	return set_accelerated(fd, f, row, value, size);
}

/* --- reading --- */

static int give(void *value, socklen_t *size, const void *from, socklen_t from_size)
{
	if ((int)*size < 0) {
		errno = EINVAL;
		return -1;
	}
	if (*size > from_size)
		*size = from_size;
	memcpy(value, from, *size);
	return 0;
}

static int give_int(void *value, socklen_t *size, int v) { return give(value, size, &v, sizeof(v)); }

/* A buffer's size as Linux counts it: twice the payload. */
static int give_buffer(struct file *f, bool receive, void *value, socklen_t *size)
{
	struct tas_sock *s = file_sock(f);
	uint32_t bytes = receive ? tas_sock_rx_size(s) : tas_sock_tx_size(s);

	return give_int(value, size, (int)(2 * bytes));
}

static int get_flow_special(struct file *f, int level, int name, void *value, socklen_t *size)
{
	struct ctl_info info = { 0 };

	if (level == SOL_SOCKET && name == SO_ERROR)
		return give_int(value, size, tas_error(file_sock(f)));
	if (level == SOL_SOCKET && name == SO_ACCEPTCONN)
		return give_int(value, size, 0);
	if (level != IPPROTO_TCP)
		return 1;
	if (name == TCP_INFO)
		return opt_get_info(f, value, size);
	if (name == TCP_MAXSEG && tas_info(file_sock(f), &info) == 0)
		return give_int(value, size, (int)info.snd_mss);
	if (name == TCP_CONGESTION && tas_info(file_sock(f), &info) == 0)
		return give(value, size, info.congestion, sizeof(info.congestion));
	return 1;
}

static int get_flow(int fd, struct file *f, const struct opt_row *row, void *value, socklen_t *size)
{
	int result = get_flow_special(f, row->level, row->name, value, size);
	const void *bytes;

	if (result <= 0)
		return result;
	bytes = row->slot != OPT_SLOT_NONE ? kept(f, row->slot) : NULL;
	if (bytes != NULL)
		return give(value, size, bytes, atomic_load(&f->opts)->size[row->slot]);
	if (row->slot == OPT_RCVBUF || row->slot == OPT_SNDBUF)
		return give_buffer(f, row->slot == OPT_RCVBUF, value, size);
	return REAL(getsockopt)(fd, row->level, row->name, value, size);
}

int opt_get(int fd, struct file *f, int level, int name, void *value, socklen_t *size)
{
	const struct opt_row *row = opt_find(level, name);

	if (file_kind(f) == FILE_LISTENER && level == SOL_SOCKET && name == SO_ACCEPTCONN && value != NULL)
		return give_int(value, size, 1);
	if (file_kind(f) != FILE_FLOW)
		return REAL(getsockopt)(fd, level, name, value, size);
	if (row == NULL || row->support == OPT_KERNEL)
		return refuse(row, "getsockopt", level, name);
	if (value == NULL || size == NULL) {
		errno = EFAULT;
		return -1;
	}
	return get_flow(fd, f, row, value, size);
}
