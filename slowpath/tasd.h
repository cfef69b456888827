/* SPDX-License-Identifier: BSD-3-Clause */
/* tasd.h - one instance: a port, its fast-path cores, the slow path, and what they share.
 * Guarantees: everything is taken by tasd_start(), in order, and given back in reverse by tasd_stop(), also
 * what a start that failed had taken; each failure is one line in the log that names thing and remedy.
 * Owner: the main thread, which is the slow path's. EAL and the process (daemon.h) are not part of it. */
#ifndef TAS_SLOWPATH_TASD_H
#define TAS_SLOWPATH_TASD_H

#include <stdbool.h>

#include "slowpath/app.h"
#include "slowpath/conf.h"
#include "slowpath/core_loop.h"
#include "slowpath/ctl.h"
#include "slowpath/sp.h"
#include "slowpath/wake.h"

struct tasd {
	struct tas_conf conf; /* cores_max and mtu as the device allows */
	struct tsc_scale tsc;
	uint16_t ethdev;
	struct port_want want;
	uint8_t rss_key[PORT_RSS_KEY_MAX];
	struct rte_mempool *pool;
	struct port port;
	struct wake wake;
	struct fastpath fp;
	struct apps apps;
	struct sp sp;
	struct ctl *ctl;
	struct core_loop core[FP_CORES_MAX];
	int epfd;       /* what the main loop sleeps on */
	unsigned steps; /* that were taken */
};

/* All zeros is a good beginning. 0 or -1. On failure nothing is left. */
int tasd_start(struct tasd *t, const struct tas_conf *conf);
void tasd_stop(struct tasd *t);

/* The slow path, until `stop`(arg), which is asked whenever stop_fd is readable, says so. */
void tasd_run(struct tasd *t, int stop_fd, bool (*stop)(void *arg), void *arg);

tas_ns tasd_now(const struct tasd *t);

#endif
