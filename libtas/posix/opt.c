/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/opt.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/time.h>

#include "include/base/assert.h"
#include "libtas/posix/file.h"
#include "libtas/posix/opt_int.h"
#include "libtas/posix/real.h"

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
		file_flags(from) & (FILE_NODELAY | FILE_LINGER | FILE_TIMEOUT | FILE_LOWAT | FILE_OOBINLINE));
}

void opt_drop(struct file *f) { opts_put(atomic_exchange(&f->opts, NULL)); }

/* A block of f's own, with what was set before; NULL and errno. With f's lock held. */
static struct opts *own_block(struct file *f)
{
	struct opts *old = atomic_load(&f->opts);
	struct opts *o = old != NULL && atomic_load(&old->refs) == 1 ? old : opts_copy(old);

	if (o == NULL)
		errno = ENOBUFS;
	return o;
}

static void block_take(struct file *f, struct opts *o)
{
	struct opts *old = atomic_load(&f->opts);

	if (o == old)
		return;
	atomic_store(&f->opts, o);
	opts_put(old);
}

int opt_keep(struct file *f, enum opt_slot slot, const void *value, socklen_t size)
{
	struct opts *o;

	TAS_ASSERT(size <= OPT_BYTES);
	if (!file_lock(f)) {
		errno = EAGAIN; /* a handler inside of a call on the same socket */
		return -1;
	}
	o = own_block(f);
	if (o != NULL) {
		memset(o->value[slot], 0, OPT_BYTES);
		if (size > 0)
			memcpy(o->value[slot], value, size);
		o->size[slot] = (uint8_t)size;
		o->set = (o->set & ~(1ull << slot)) | (uint64_t)(size > 0) << slot;
		block_take(f, o);
	}
	file_unlock(f);
	return o != NULL ? 0 : -1;
}

const void *opt_kept(struct file *f, enum opt_slot slot, socklen_t *size)
{
	struct opts *o = atomic_load_explicit(&f->opts, memory_order_acquire);

	if (o == NULL || !(o->set & 1ull << slot))
		return NULL;
	*size = o->size[slot];
	return o->value[slot];
}

/* --- what the other modules ask --- */

int opt_int(struct file *f, enum opt_slot slot, int otherwise)
{
	socklen_t size;
	const void *value = opt_kept(f, slot, &size);

	if (value != NULL)
		memcpy(&otherwise, value, sizeof(otherwise));
	return otherwise;
}

uint64_t opt_pacing(struct file *f)
{
	socklen_t size;
	const void *value = opt_kept(f, OPT_PACING, &size);
	uint64_t bytes_s = UINT64_MAX;

	if (value != NULL && size == sizeof(bytes_s))
		memcpy(&bytes_s, value, sizeof(bytes_s));
	return bytes_s;
}

tas_ns opt_timeout(struct file *f, enum opt_slot slot)
{
	socklen_t size;
	const void *value = file_has(f, FILE_TIMEOUT) ? opt_kept(f, slot, &size) : NULL;
	struct timeval tv = { 0, 0 };

	if (value != NULL)
		memcpy(&tv, value, sizeof(tv));
	if (tv.tv_sec == 0 && tv.tv_usec == 0)
		return TAS_NS_NEVER;
	return (tas_ns)tv.tv_sec * NS_PER_SEC + (tas_ns)tv.tv_usec * NS_PER_US;
}

int opt_linger_s(struct file *f)
{
	socklen_t size;
	const void *value = file_has(f, FILE_LINGER) ? opt_kept(f, OPT_LINGER, &size) : NULL;
	struct linger linger = { 0, 0 };

	if (value != NULL)
		memcpy(&linger, value, sizeof(linger));
	return linger.l_onoff ? linger.l_linger : -1;
}

bool opt_v6only(int fd)
{
	socklen_t size = sizeof(int);
	int on = 0;

	return REAL(getsockopt)(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, &size) == 0 && on != 0;
}
