/* SPDX-License-Identifier: BSD-3-Clause */
/* app_flow.h - what a connection has in its application's region: a record and two payload rings.
 *
 * Guarantees: a flow's rings lie inside its application's region, are populated, and belong to nobody else
 * until app_flow_free_buffers(). A record is free again after app_flow_detach(), though the rings stay
 * while data is still to be sent or a core may still look at them.
 * Owner: the slow path. Functions that change the flow want its lock held, except where they say
 * otherwise. */
#ifndef TAS_SLOWPATH_APP_FLOW_H
#define TAS_SLOWPATH_APP_FLOW_H

#include <stdbool.h>
#include <stdint.h>

#include "slowpath/app.h"

#define APP_REC_NONE UINT32_MAX /* flow.rec after app_flow_detach() */

struct app_flow_spec {
	uint16_t app, ctx;
	/* bytes, rounded up to a power of two from APP_BUFFER_MIN to APP_BUFFER_MAX; 0: configured default */
	uint32_t rx_size, tx_size;
	uint32_t listener; /* the cookie of `app` for the listener that accepted, or ABI_LISTENER_NONE */
};

/* Sets rec, app, ctx, rx_page, tx_page, rx_log2 and tx_log2 of the flow and fills its record from cold.key
 * (which must be set), f->gen, f->core and f->mss. -ESRCH if the application is not live or has no such
 * context, -ENOBUFS if it has too many flows, -ENOMEM if its quota or the machine's memory is used up
 * (counted as tcp_no_memory), -EAGAIN if making its rings takes more than may be spent in this pass: a part
 * is done, the next pass goes on. Nothing else is left behind on failure. */
int app_flow_attach(struct apps *as, uint32_t flow, const struct app_flow_spec *spec);

/* The application will not be told any more: its record becomes free. Does nothing if the flow has none. */
void app_flow_detach(struct apps *as, uint32_t flow);

/* Nobody looks at the rings any more. Detaches, too. Does nothing if the flow has none. The lock is not
 * needed once the flow was removed. */
void app_flow_free_buffers(struct apps *as, uint32_t flow);

/* The application accepted it (FLOW_EV_ACCEPTED): children that it forks from now on have it, too. */
void app_flow_accepted(struct apps *as, uint32_t flow);

/* The application gave the flow up (FLOW_EV_CLOSE): true if another process still has it or may come for it,
 * and then close_flow() comes when the last is gone. False: close it now. */
bool app_flow_close_held(struct apps *as, uint32_t flow, enum app_close how);

/* The flow behind an application's record, or FLOW_NONE. */
uint32_t app_flow_of_rec(const struct apps *as, uint16_t app, uint32_t rec);

/* --- app_ring.c --- */

enum app_ring { APP_RING_RX, APP_RING_TX };

/* Gives the flow a larger ring, of a size that app_flow_attach() would give; its application waits for the
 * answer. Takes the lock. -ENOMEM, -EAGAIN; -EBUSY if several processes have the flow, or none. */
int app_ring_grow(struct apps *as, uint32_t flow, enum app_ring which, uint32_t size);
/* Would it, as far as can be said before? Not if that left less than a quarter of what the application, or
 * its user, may have: for connections that are still to come. With the lock. */
bool app_ring_may_grow(const struct apps *as, uint32_t flow, uint32_t size);
/* The application is to look at these bits of its record when it uses the ring next (ABI_EV_GROW_*), or not
 * any more. With the lock. */
void app_ring_offer(struct apps *as, uint32_t flow, uint32_t event);
void app_ring_withdraw(struct apps *as, uint32_t flow, uint32_t event);

/* --- for app_share.c --- */

#define APP_NOT_BORN UINT64_MAX /* app_rec.born: not accepted yet */

/* A record with rings of this size for the flow, which is not at home there yet. Its index or -ENOBUFS,
 * -ENOMEM, -EAGAIN. */
int64_t app_rec_make(struct apps *as, uint32_t flow, uint16_t app, uint8_t rx_log2, uint8_t tx_log2);
/* Makes a record the flow's home; with the lock. */
void app_flow_settle_in(struct apps *as, uint32_t flow, uint16_t app, uint32_t rec, uint16_t ctx);
void app_rec_fill(struct apps *as, uint32_t flow, uint32_t listener);
/* Frees the record, and its rings if they are not those of the flow. */
void app_rec_end(struct apps *as, uint16_t app, uint32_t rec, bool rings);

/* --- app_share.c: flows that several processes have --- */

/* A child of `app`, or `app` itself, wants it at home. An errno, the answer in place. */
int app_share_adopt(struct apps *as, uint16_t app, struct ctl_adopt *a);
/* It closed it, or the inherited right to it. */
int app_share_close(struct apps *as, uint16_t app, struct ctl_adopt *a);
/* The process is about to be heard to have closed it (FLOW_EV_CLOSE). If it will move then, its bytes are
 * copied now, as no lock is held; what was copied is good until app_share_heard(). */
void app_share_foresee_close(struct apps *as, uint32_t flow);
void app_share_heard(struct apps *as);
/* The same as app_share_close() for a hold, whose child has not attached. */
int app_share_let_go(struct apps *as, const struct hold *h, uint32_t flow);
/* Has anybody but the process whose home it is in the flow, or may a child of it come for it? */
bool app_share_others(struct apps *as, uint32_t flow);
/* A process no longer has the flow of this record: its end if nobody else has it. No lock is held. */
void app_share_leave(struct apps *as, uint16_t app, uint32_t rec, enum app_close how, uint64_t upto);
/* The record is about to be free: nothing names it any more. */
void app_share_forget(struct apps *as, uint16_t app, uint32_t rec);

/* --- for app.c --- */

/* As region_populate(), on its user's account. */
int app_pages_populate(struct apps *as, uint16_t app, uint32_t page, uint32_t pages, uint32_t *most);
/* Pages of the application's region, populated. 0, -ENOMEM or -EAGAIN. */
int app_pages_alloc(struct apps *as, uint16_t app, uint32_t pages, uint32_t *page);
/* Rings of this size could be had just now without more ado. 0, -ENOMEM or -EAGAIN. */
int app_rings_prepare(struct apps *as, uint16_t app, uint32_t rx_size, uint32_t tx_size);
int app_recs_init(struct apps *as, uint16_t app);
void app_recs_fini(struct apps *as, uint16_t app);
/* Deals with what the fast path saw of a dead application's flows, at most `burst` records a call. Returns
 * how many it looked at. */
unsigned app_flows_settle(struct apps *as, uint16_t app, unsigned burst);
/* Closes what a dead application had, at most `burst` records a call. Returns how many it looked at. */
unsigned app_flows_close(struct apps *as, uint16_t app, unsigned burst);
/* The same for flows that waited for holds which have ended. */
unsigned app_holds_release(struct apps *as, unsigned burst);
/* app.c: a record or a flow's rings were given back. */
void app_flow_gone(struct apps *as, uint16_t app);

#endif
