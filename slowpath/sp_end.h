/* SPDX-License-Identifier: BSD-3-Clause */
/* sp_end.h - the end of an instance as its peers see it: each open connection is reset, so that nobody waits
 * for a host that is not there any more.
 * Guarantee: at most `burst` connections are looked at in one call, so that a caller can bound the time, and
 * no more are reset than frames find room on their way. Owner: the slow path; nothing else of it runs
 * meanwhile, but cores do. */
#ifndef TAS_SLOWPATH_SP_END_H
#define TAS_SLOWPATH_SP_END_H

#include <stdint.h>

#include "slowpath/sp.h"

enum { SP_END_BURST = 512 };

/* Resets connections from flow *at on, of which *at afterwards is the first that was not looked at. True as
 * long as there are some, or frames of the slow path have not left. */
bool sp_end_connections(struct sp *sp, uint32_t *at, uint32_t burst, tas_ns now);

#endif
