/* SPDX-License-Identifier: BSD-3-Clause */
/* conn_tune.h - payload rings that grow with what their connection can carry, as tcp_rmem and tcp_wmem of
 * Linux: a new connection has [memory] rx_buffer and tx_buffer, and up to rx_buffer_max and tx_buffer_max
 * where these are what limits it.
 *
 *   receive  the application read half of the ring within a round trip (bell_rx() in fastpath/appq.c)
 *   send     twice the congestion window, and what the peer takes, is more than the ring, and the application
 *            finds that full (ring_is_full() there)
 *
 * Guarantee: no ring grows that the application set the size of (SO_RCVBUF, SO_SNDBUF), none beyond the
 * configured size or what the window scale can say, and none where less than a quarter of the memory of its
 * application, or of its user, would be left: a connection stays as it is then. A ring at least doubles, and
 * is offered at most every TUNE_APART; it does not shrink before the connection ends.
 * tasd only offers (ABI_EV_GROW_*): the application asks for it when it uses the ring next, and then is not
 * in it (app_ring.c). Owner: the slow path. */
#ifndef TAS_SLOWPATH_CONN_TUNE_H
#define TAS_SLOWPATH_CONN_TUNE_H

#include <stdint.h>

#include "include/base/time.h"

struct sp;

#define TUNE_APART (10 * NS_PER_MS)
#define TUNE_WITHOUT_MEMORY NS_PER_SEC /* as far, if there was none */

struct conn_tune {        /* [enum app_ring] */
	tas_ns next[2];   /* not offered before */
	uint32_t size[2]; /* that is offered; 0: none is */
};

/* FLOW_EV_READS_FAST, FLOW_EV_RING_FULL; the flow's lock is held. */
void tune_reads_fast(struct sp *sp, uint32_t id);
void tune_ring_full(struct sp *sp, uint32_t id);

/* CTL_GROW, as struct app_ops wants it; arg is struct sp. Takes the lock. */
int tune_op_grow(void *sp, uint32_t id, uint32_t event);

#endif
