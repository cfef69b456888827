/* SPDX-License-Identifier: BSD-3-Clause */
/* tcp_in.h - the segments that the fast path hands over: of connections being opened, ended or aborted, and
 * of none. Owner: the slow path. No lock is held. */
#ifndef TAS_SLOWPATH_TCP_IN_H
#define TAS_SLOWPATH_TCP_IN_H

#include <stdint.h>

#include "include/net/flow_key.h"
#include "include/net/seg.h"

struct sp;

void tcp_in(struct sp *sp, const uint8_t *frame, const struct flow_key *key, const struct seg *seg);

#endif
