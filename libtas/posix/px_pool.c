/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/px_pool.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "include/base/compiler.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/real.h"

static struct px_pooled *pooled_of(struct px_pool *p, void *object)
{
	return (struct px_pooled *)(void *)((char *)object + p->pooled_off);
}

static char *chunk_make(struct px_pool *p, uint32_t number)
{
	size_t bytes = p->size * PX_POOL_CHUNK;
	char *none = NULL, *chunk = px_map(bytes);

	if (chunk == NULL)
		return NULL;
	/* pairs with the acquire in px_pool_at */
	if (atomic_compare_exchange_strong_explicit(&p->chunk[number], &none, chunk, memory_order_acq_rel,
		    memory_order_acquire))
		return chunk;
	px_unmap(chunk, bytes);
	return none;
}

void *px_pool_at(struct px_pool *p, uint32_t index)
{
	char *chunk;

	if (index >= PX_POOL_MAX)
		return NULL;
	chunk = atomic_load_explicit(&p->chunk[index / PX_POOL_CHUNK], memory_order_acquire);
	return chunk == NULL ? NULL : chunk + (size_t)(index % PX_POOL_CHUNK) * p->size;
}

static void *pool_fresh(struct px_pool *p)
{
	uint32_t index = atomic_load_explicit(&p->fresh, memory_order_relaxed);
	char *object;

	do {
		if (index >= PX_POOL_MAX)
			return NULL;
		if (px_pool_at(p, index) == NULL && chunk_make(p, index / PX_POOL_CHUNK) == NULL)
			return NULL;
	} while (!atomic_compare_exchange_weak(&p->fresh, &index, index + 1));
	object = px_pool_at(p, index);
	pooled_of(p, object)->index = index;
	return object;
}

static void *pool_is_empty(void)
{
	static _Atomic bool said;

	inst_warn_once(&said,
		"no memory for more sockets or waiting threads: sockets stay in the kernel, waits get slow, "
		"or calls fail",
		ENOMEM);
	return NULL;
}

void *px_pool_get(struct px_pool *p)
{
	void *fresh;
	uint64_t head = atomic_load_explicit(&p->head, memory_order_acquire);

	while ((uint32_t)head != 0) {
		char *object = px_pool_at(p, (uint32_t)head - 1);
		uint64_t next = atomic_load_explicit(&pooled_of(p, object)->next, memory_order_relaxed);

		/* the tag makes this fail if the object left and came back meanwhile */
		if (atomic_compare_exchange_weak_explicit(&p->head, &head, ((head >> 32) + 1) << 32 | next,
			    memory_order_acq_rel, memory_order_acquire))
			return object;
	}
	fresh = pool_fresh(p);
	return fresh != NULL ? fresh : pool_is_empty();
}

void px_pool_put(struct px_pool *p, void *object)
{
	struct px_pooled *o = pooled_of(p, object);
	uint64_t head = atomic_load_explicit(&p->head, memory_order_relaxed), new_head;

	do {
		atomic_store_explicit(&o->next, (uint32_t)head, memory_order_relaxed);
		new_head = ((head >> 32) + 1) << 32 | (o->index + 1);
		/* pairs with the acquire in px_pool_get: what was done with the object is over */
	} while (!atomic_compare_exchange_weak_explicit(&p->head, &head, new_head, memory_order_release,
		memory_order_relaxed));
}
