/* SPDX-License-Identifier: BSD-3-Clause */
/* steer.h - which core serves which packets, and how that changes while they flow.
 *
 * The unit is a bucket: an entry of the port's redirection table where the port has one, else a receive
 * queue. Its owner is one of the first `cores` cores, and their shares differ by one bucket at most.
 * With a table every core polls the queue of its own number; a core without buckets finds nothing there and
 * sleeps. Without one the cores that serve poll the queues of those that do not, too.
 *
 * Guarantees: no packet is lost by a change; a queue is polled by one core at a time, and between two by
 * none: it is taken from the old owner, and given to the new one when a grace period has passed. Connections
 * follow by themselves: the first packet that another core receives makes it the flow's core, whose queue the
 * application's messages then come by; until then the former core handles them.
 *
 * Owner: the slow path, but for steer_look(), which each core calls for itself. docs/decisions/0007. */
#ifndef TAS_FASTPATH_STEER_H
#define TAS_FASTPATH_STEER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ethdev.h>

#include "fastpath/port.h"
#include "include/base/compiler.h"

enum {
	STEER_BUCKETS_MAX = RTE_ETH_RSS_RETA_SIZE_512,
	STEER_NOBODY = UINT8_MAX,
};

struct fastpath;
struct fp_core;

struct steer {
	/* read by cores, once a pass; written at a change only */
	alignas(CACHE_LINE) _Atomic uint32_t version;
	_Atomic uint32_t cores;                      /* that are to have packets: 0..cores-1 */
	_Atomic uint8_t queue_core[PORT_QUEUES_MAX]; /* who polls the queue, or STEER_NOBODY */

	/* the slow path's */
	alignas(CACHE_LINE) uint16_t buckets;
	bool has_table; /* of the port: buckets are its entries */
	bool moving;    /* queues without an owner wait for the grace period `token` */
	uint64_t token;
	uint8_t owner[STEER_BUCKETS_MAX];
};

/* Makes the owners of `buckets` buckets, of whatever core or STEER_NOBODY before, a fair share for 0..cores-1
 * with as few moves as that takes. Returns how many moved. */
unsigned steer_plan(uint8_t *owner, unsigned buckets, unsigned cores);

/* At start, before any core runs. fp->port may be NULL. */
void steer_init(struct fastpath *fp, unsigned cores);
/* From now on the first `cores` cores serve. 0; -EBUSY while the last change is not complete; else what the
 * port's driver says, and nothing changed. */
int steer_to(struct fastpath *fp, unsigned cores);
/* Once a pass of the slow path: completes a change. True if it did something. */
bool steer_poll(struct fastpath *fp);

/* --- for a core --- */

/* Which queues it polls now. */
void steer_look(struct fp_core *c);

#endif
