/* SPDX-License-Identifier: BSD-3-Clause */
/* app.h - the data path's private view of an application: where its region is mapped and how far each ring
 * was used.
 *
 * Guarantee: nothing here is ever read back from the region except ring contents and the reader's or writer's
 * index of the other side; masks, offsets and tasd's own indices live here. Ownership: the slow path fills a
 * slot and publishes it with `live`; contexts are published by `nctx`. A context's per-core indices are
 * written by that core alone (notify index `cores` by the slow path). After `live` is cleared the slow path
 * waits for one grace period of fp.qsbr before it unmaps anything.
 */
#ifndef TAS_FASTPATH_APP_H
#define TAS_FASTPATH_APP_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "include/abi/abi.h"
#include "include/base/compiler.h"

#define APP_NONE UINT16_MAX

/* One core's (or the slow path's) use of one context. */
struct app_queue {
	alignas(CACHE_LINE) struct abi_notify_ring *notify;
	struct abi_bell_ring *bell;  /* NULL for the slow path */
	uint64_t notify_produced;    /* private copy of notify->produced */
	uint64_t bell_consumed;      /* private copy of bell->consumed */
	struct app_context *ctx;     /* whose it is */
	struct app_queue *wake_next; /* in the core's list of those to wake when the pass ends */
	bool wake_pending;           /* it is in that list */
};
static_assert(sizeof(struct app_queue) == CACHE_LINE, "a notification touches one line of ours");

struct app_context {
	struct abi_context *shm;
	struct app *app;
	int eventfd;             /* written by the rim's wake function; -1 in simulation */
	struct app_queue *queue; /* [cores + 1] */
};

struct app {
	alignas(CACHE_LINE) char *base; /* start of the mapped region */
	uint64_t size;
	struct abi_header *header;
	uint32_t notify_mask; /* slots - 1 */
	uint16_t id;
	uint16_t nctx_max;
	uint16_t user; /* a number below apps_max: the same for all applications of a user, and no others */
	_Atomic uint32_t live; /* 1 between attach and detach: bells are honoured, notifications pushed */
	_Atomic uint32_t nctx;
	struct app_context *ctx;                                    /* [nctx_max], allocated at attach */
	struct abi_flow_rec *_Atomic rec_chunk[ABI_REC_CHUNKS_MAX]; /* in the region; NULL until it exists */
	int core_eventfd[ABI_CORES_MAX]; /* tasd's copies: the application writes them to wake a core that
					    does not look */
	_Atomic uint64_t faults;         /* of any kind, by any core */
	_Atomic uint32_t wake_ns; /* what to wake a context of it costs, on average; 0: so little that nobody
				     measures it exactly */
};

static inline struct abi_flow_rec *app_rec_chunk(const struct app *a, uint32_t chunk)
{
	return atomic_load_explicit(&a->rec_chunk[chunk], memory_order_relaxed);
}

static inline struct abi_flow_rec *app_rec(const struct app *a, uint32_t rec)
{
	return &app_rec_chunk(a, rec / ABI_REC_CHUNK)[rec % ABI_REC_CHUNK];
}

static inline struct abi_flow_urgent *app_urgent(const struct app *a, uint32_t rec)
{
	struct abi_rec_chunk *chunk = (struct abi_rec_chunk *)(void *)app_rec_chunk(a, rec / ABI_REC_CHUNK);

	return &chunk->urgent[rec % ABI_REC_CHUNK];
}

static inline char *app_page(const struct app *a, uint32_t page) { return a->base + ((uint64_t)page << 12); }

#endif
