/* SPDX-License-Identifier: BSD-3-Clause */
/* px_pool.h - objects of one size that are never given back to the system.
 *
 * Guarantee: memory that was an object stays an object of that type for ever, so a thread that still holds a
 * pointer to one that was put back reads a valid, perhaps another, object. Fresh objects are zero; objects
 * that come back keep their contents. Taking and putting are lock-free: any thread, any signal handler,
 * before and after fork. Each object has an index below PX_POOL_MAX, the same for its life. */
#ifndef TAS_PX_POOL_H
#define TAS_PX_POOL_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PX_POOL_CHUNK = 512,
	PX_POOL_CHUNKS = 8192,
	PX_POOL_MAX = PX_POOL_CHUNK * PX_POOL_CHUNKS,
};

/* Every object has one of these somewhere inside. */
struct px_pooled {
	uint32_t index;
	_Atomic uint32_t next; /* 1 + index of the next free object */
};

struct px_pool {
	size_t size;            /* of an object */
	size_t pooled_off;      /* of its struct px_pooled */
	_Atomic uint64_t head;  /* tag << 32 | 1 + index of the first free object */
	_Atomic uint32_t fresh; /* objects from here on were never used */
	_Atomic(char *) chunk[PX_POOL_CHUNKS];
};

#define PX_POOL_OF(type, member)                                           \
	{                                                                  \
		.size = sizeof(type), .pooled_off = offsetof(type, member) \
	}

/* The same with a static array of PX_POOL_CHUNK for the first objects, which so are there without memory. */
#define PX_POOL_WITH(type, member, first)                                                               \
	{                                                                                               \
		.size = sizeof(type), .pooled_off = offsetof(type, member), .chunk = {(char *)(first) } \
	}

/* NULL: out of memory. */
void *px_pool_get(struct px_pool *p);
void px_pool_put(struct px_pool *p, void *object);
/* The object of an index that px_pool_get has given at some time; NULL for others. */
void *px_pool_at(struct px_pool *p, uint32_t index);

#endif
