/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_keepalive.h - keep-alive (RFC 1122 4.2.3.6, RFC 9293 3.8.4) and the user timeout (RFC 5482)
 * of a connection, by the slow path's timer. With the flow's lock held unless said otherwise. */
#ifndef TAS_SLOWPATH_CONN_KEEPALIVE_H
#define TAS_SLOWPATH_CONN_KEEPALIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"

struct sp;

struct keep {
	uint32_t idle_s, intvl_s;
	uint32_t user_timeout_ms; /* 0: tasd.conf's retries decide */
	uint32_t stuck_us;        /* since when what is outstanding has been in vain */
	uint32_t segs_seen;       /* received when it was looked at last */
	tas_ns heard;             /* not before this the peer was heard last */
	tas_ns probed;            /* when the last probe went */
	uint8_t on, count, sent;  /* probes without an answer */
};

/* What conn.opt says of both holds from now on. */
void keep_set(struct sp *sp, uint32_t id);
/* The connection is established: the peer was heard. */
void keep_begin(struct sp *sp, uint32_t id);

/* Nothing else is to be waited for: arms the timer for keep-alive, or cancels it. */
void keep_timer_arm(struct sp *sp, uint32_t id);
/* That timer expired: sends a probe if it is time. True: the peer is gone. */
bool keep_expired(struct sp *sp, uint32_t id);
/* What is outstanding was in vain for as long as the user allows. */
bool keep_user_timeout(struct sp *sp, uint32_t id);
/* A timeout that does not pass over the end of the user's. */
uint32_t keep_clamp_us(const struct sp *sp, uint32_t id, uint32_t base_us, uint32_t rto_us);

#endif
