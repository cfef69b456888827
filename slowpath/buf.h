/* SPDX-License-Identifier: BSD-3-Clause */
/* buf.h - which pages of a region are in use: a buddy allocator whose books are not in the region.
 *
 * Guarantees: a run of n pages is found in O(log) if one is free at the alignment of the next power of two;
 * exactly n pages are taken (the tail of the block goes back), neighbours merge when freed, and whatever an
 * application writes into its region cannot lead it astray. A run whose length is a power of two is aligned
 * to it.
 * Owner: the slow path, one thread. */
#ifndef TAS_SLOWPATH_BUF_H
#define TAS_SLOWPATH_BUF_H

#include <stdbool.h>
#include <stdint.h>

enum { BUF_ORDERS = 32 };
#define BUF_NONE UINT32_MAX

struct buf_links {
	uint32_t next, prev; /* of a free block's first page, in the list of its order */
};

struct buf_pool {
	uint32_t pages, free_pages;
	uint32_t head[BUF_ORDERS]; /* free blocks of 2^order pages */
	struct buf_links *links;   /* [pages] */
	uint8_t *order;            /* [pages] order + 1 of the free block that begins here; 0: none does */
};

/* All pages are in use at first; buf_free() gives them to the pool. 0 or -ENOMEM. */
int buf_init(struct buf_pool *p, uint32_t pages);
void buf_fini(struct buf_pool *p);

/* The first page of a free run of n > 0 pages, or BUF_NONE. */
uint32_t buf_alloc(struct buf_pool *p, uint32_t n);
/* Any run of pages in use, not only as it was allocated. */
void buf_free(struct buf_pool *p, uint32_t page, uint32_t n);

/* Asserts that lists and maps agree; for tests, O(pages). */
void buf_check(const struct buf_pool *p);

#endif
