/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/buf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

static uint32_t order_pages(unsigned order) { return 1u << order; }

static void list_push(struct buf_pool *p, uint32_t page, unsigned order)
{
	uint32_t next = p->head[order];

	p->links[page] = (struct buf_links){ .next = next, .prev = BUF_NONE };
	if (next != BUF_NONE)
		p->links[next].prev = page;
	p->head[order] = page;
	p->order[page] = (uint8_t)(order + 1);
	p->free_pages += order_pages(order);
}

static void list_remove(struct buf_pool *p, uint32_t page)
{
	struct buf_links *l = &p->links[page];
	unsigned order = p->order[page] - 1u;

	if (l->prev != BUF_NONE)
		p->links[l->prev].next = l->next;
	else
		p->head[order] = l->next;
	if (l->next != BUF_NONE)
		p->links[l->next].prev = l->prev;
	p->order[page] = 0;
	p->free_pages -= order_pages(order);
}

int buf_init(struct buf_pool *p, uint32_t pages)
{
	TAS_ASSERT(pages > 0 && pages < 1u << (BUF_ORDERS - 1));
	/* calloc: what is never used of a large region takes no memory here either */
	*p = (struct buf_pool){ .pages = pages,
		.links = calloc(pages, sizeof(*p->links)),
		.order = calloc(pages, 1) };
	memset(p->head, 0xff, sizeof(p->head));
	if (p->links != NULL && p->order != NULL)
		return 0;
	buf_fini(p);
	return -ENOMEM;
}

void buf_fini(struct buf_pool *p)
{
	free(p->links);
	free(p->order);
	*p = (struct buf_pool){ 0 };
}

/* Is the page inside a block that is free? Each block that could hold it begins at a multiple of its size. */
static bool is_free(const struct buf_pool *p, uint32_t page)
{
	for (unsigned order = 0; order < BUF_ORDERS - 1; order++)
		if (p->order[page & ~(order_pages(order) - 1)] > order)
			return true;
	return false;
}

static void block_free(struct buf_pool *p, uint32_t page, unsigned order)
{
	TAS_ASSERT(!is_free(p, page));
	for (; order < BUF_ORDERS - 2; order++) {
		uint32_t buddy = page ^ order_pages(order);

		if (buddy >= p->pages || p->order[buddy] != order + 1)
			break;
		list_remove(p, buddy);
		page &= ~order_pages(order);
	}
	list_push(p, page, order);
}

void buf_free(struct buf_pool *p, uint32_t page, uint32_t n)
{
	TAS_ASSERT(page < p->pages && n <= p->pages - page);
	while (n > 0) {
		unsigned fits = 31u - (unsigned)__builtin_clz(n);
		unsigned aligned = page == 0 ? 31 : (unsigned)__builtin_ctz(page);
		unsigned order = fits < aligned ? fits : aligned;

		block_free(p, page, order);
		page += order_pages(order);
		n -= order_pages(order);
	}
}

static uint32_t block_alloc(struct buf_pool *p, unsigned order)
{
	unsigned o = order;
	uint32_t page;

	while (o < BUF_ORDERS && p->head[o] == BUF_NONE)
		o++;
	if (o == BUF_ORDERS)
		return BUF_NONE;
	page = p->head[o];
	list_remove(p, page);
	while (o-- > order) /* the lower half is kept, so that what is populated stays together */
		list_push(p, page + order_pages(o), o);
	return page;
}

uint32_t buf_alloc(struct buf_pool *p, uint32_t n)
{
	uint32_t rounded, page;

	TAS_ASSERT(n > 0);
	if (n > p->free_pages)
		return BUF_NONE;
	rounded = pow2_at_least(n);
	page = block_alloc(p, log2_of(rounded));
	if (page != BUF_NONE && rounded > n)
		buf_free(p, page + n, rounded - n);
	return page;
}

void buf_check(const struct buf_pool *p)
{
	uint32_t listed = 0, mapped = 0;

	for (unsigned o = 0; o < BUF_ORDERS; o++)
		for (uint32_t at = p->head[o], prev = BUF_NONE; at != BUF_NONE; at = p->links[at].next) {
			TAS_ASSERT(p->links[at].prev == prev && p->order[at] == o + 1);
			TAS_ASSERT(at % order_pages(o) == 0 && order_pages(o) <= p->pages - at);
			listed += order_pages(o);
			prev = at;
		}
	for (uint32_t at = 0; at < p->pages; at += p->order[at] ? order_pages(p->order[at] - 1u) : 1)
		mapped += p->order[at] ? order_pages(p->order[at] - 1u) : 0;
	TAS_ASSERT(listed == p->free_pages && mapped == p->free_pages);
}
