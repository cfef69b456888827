/* SPDX-License-Identifier: BSD-3-Clause */
/* app_context.c - contexts: the rings that a thread of an application shares with each core. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "slowpath/app.h"
#include "slowpath/app_flow.h"

static uint64_t notify_ring_size(const struct app *a)
{
	return sizeof(struct abi_notify_ring) + ((uint64_t)a->notify_mask + 1) * sizeof(uint32_t);
}

/* A context, its bell rings, its notification rings: each a multiple of a cache line. */
static uint64_t context_size(const struct app *a, unsigned cores)
{
	return sizeof(struct abi_context) + cores * sizeof(struct abi_bell_ring) +
		(cores + 1) * notify_ring_size(a);
}

static void context_lay_out(struct app *a, unsigned cores, struct app_context *x, uint64_t off)
{
	uint64_t bell = off + sizeof(struct abi_context),
		 notify = bell + cores * sizeof(struct abi_bell_ring);

	x->shm = (struct abi_context *)(void *)(a->base + off);
	memset(x->shm, 0, sizeof(*x->shm)); /* nobody else has seen these pages but the application */
	x->shm->id = (uint32_t)(x - a->ctx);
	x->shm->cores = cores;
	for (unsigned i = 0; i <= cores; i++, notify += notify_ring_size(a)) {
		struct app_queue *q = &x->queue[i];

		*q = (struct app_queue){ .notify = (struct abi_notify_ring *)(void *)(a->base + notify),
			.ctx = x };
		atomic_store_explicit(&q->notify->produced, 0, memory_order_relaxed);
		atomic_store_explicit(&q->notify->consumed, 0, memory_order_relaxed);
		x->shm->notify_off[i] = notify;
		if (i == cores)
			break;
		q->bell = (struct abi_bell_ring *)(void *)(a->base + bell + i * sizeof(struct abi_bell_ring));
		atomic_store_explicit(&q->bell->produced, 0, memory_order_relaxed);
		atomic_store_explicit(&q->bell->consumed, 0, memory_order_relaxed);
		x->shm->bell_off[i] = bell + i * sizeof(struct abi_bell_ring);
	}
}

static int context_make(struct apps *as, uint16_t app, struct app_context *x, uint64_t *off, int *app_end)
{
	struct app *a = &as->fp->apps[app];
	unsigned cores = as->fp->conf.cores;
	uint32_t pages = (uint32_t)((context_size(a, cores) + REGION_PAGE - 1) / REGION_PAGE);
	uint32_t page;
	int error = app_pages_alloc(as, app, pages, &page);

	*x = (struct app_context){ .app = a, .eventfd = -1 };
	if (error != 0)
		return -error;
	x->queue = aligned_alloc(CACHE_LINE, (cores + 1) * sizeof(*x->queue));
	if (x->queue != NULL && as->rim.context_open != NULL)
		x->eventfd = as->rim.context_open(as->rim.arg, app_end);
	if (x->queue == NULL || (as->rim.context_open != NULL && x->eventfd < 0)) {
		free(x->queue);
		buf_free(&as->slot[app].pool, page, pages);
		return x->eventfd < -1 ? -x->eventfd : ENOMEM;
	}
	*off = (uint64_t)page * REGION_PAGE;
	context_lay_out(a, cores, x, *off);
	return 0;
}

int app_context_add(struct apps *as, uint16_t app, struct ctl_context *c, int *app_end)
{
	struct app *a = &as->fp->apps[app];
	uint32_t n = atomic_load(&a->nctx);
	int error;

	*app_end = -1;
	if (n == a->nctx_max)
		return ENOSPC;
	error = context_make(as, app, &a->ctx[n], &c->off, app_end);
	if (error != 0)
		return error;
	c->id = n;
	/* pairs with the acquire in the cores: the context is complete */
	atomic_store_explicit(&a->nctx, n + 1, memory_order_release);
	return 0;
}

void app_contexts_free(struct apps *as, uint16_t app)
{
	struct app *a = &as->fp->apps[app];
	uint32_t n = a->ctx != NULL ? atomic_load(&a->nctx) : 0;

	for (uint32_t i = 0; i < n; i++) {
		if (a->ctx[i].eventfd >= 0)
			as->rim.context_close(as->rim.arg, a->ctx[i].eventfd);
		free(a->ctx[i].queue);
	}
	free(a->ctx);
}
