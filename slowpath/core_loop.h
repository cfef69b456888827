/* SPDX-License-Identifier: BSD-3-Clause */
/* core_loop.h - what a fast-path core's thread does around core_poll(): the clock, when it sleeps, what wakes
 * it.
 *
 * Guarantees: no packet, bell, kick or frame of the slow path is left lying while the core sleeps; a core
 * without work takes next to no CPU; the time that CNT_CORE_BUSY_NS counts is that of passes which found
 * work, but never more than the CPU time the thread had.
 * docs/decisions/0004 has the sleep policy, the alternatives and what they cost.
 * Owner: set up by the main thread before the launch; in between the core's thread has it. */
#ifndef TAS_SLOWPATH_CORE_LOOP_H
#define TAS_SLOWPATH_CORE_LOOP_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "fastpath/fastpath.h"
#include "fastpath/port_wake.h"
#include "include/base/compiler.h"
#include "slowpath/wake.h"

struct core_loop {
	alignas(CACHE_LINE) struct fp_core *core;
	struct wake *wake;
	struct port_wake port[PORT_WAKE_WAIT_MAX]; /* of the queues that the core polls */
	unsigned nports;
	uint32_t steer_seen; /* version of fp->steer that these are of */
	struct tsc_scale tsc;
	tas_ns idle_ns;      /* without work for so long it sleeps; 0: never */
	tas_ns shared_until; /* until then it sleeps at once, because others want its CPU */
	unsigned idle_passes;
	tas_ns next_look;       /* for applications that ring by a system call */
	tas_ns wall_at, cpu_at; /* the clock and our CPU time, read at the same moment */
	tas_ns busy;            /* counted since then */
	tas_ns overcounted;     /* counted, but others had the CPU: to be left out of what follows */
	_Atomic bool stop;
};

void core_loop_init(struct core_loop *l, struct fp_core *core, struct wake *wake);
void core_loop_fini(struct core_loop *l);

/* For rte_eal_remote_launch(); runs until core_loop_stop(). */
int core_loop_run(void *loop);
/* From any thread; the core's thread then ends soon, but not at once. */
void core_loop_stop(struct core_loop *l);

#endif
