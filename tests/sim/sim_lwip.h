/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_lwip.h - a host that runs lwIP, as Debian's package liblwip0 has it, in virtual time: no thread of it
 * is begun, and its clock (sys_now), its chance (rand) and its memory (mem_malloc and the like) are the
 * run's, which is why they are exported from the program. A process on it has the calls of sim_api.h, so that
 * plans, pauses and ends are those of ours. Guarantee: each run loads the library anew, and so begins with
 * the same state. What lwIP 2.1.3 of Debian is: RFC 5681, segments out of order kept, windows scaled by one
 * bit, no SACK, no timestamps, timers of 250 ms, 20 s of FIN_WAIT_2. Owner: the run; one at a time in a
 * process. */
#ifndef TAS_SIM_LWIP_H
#define TAS_SIM_LWIP_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/sim/sim_api.h"
#include "tests/sim/sim_link.h"

/* Aborts if there is no library. */
void lwip_host_begin(struct net *net, unsigned index, struct net_addr addr, uint64_t seed, tas_ns now);
void lwip_host_end(void);
void lwip_host_in(const uint8_t *frame, uint32_t len, tas_ns now);
/* Timers. How much was done. */
unsigned lwip_host_poll(tas_ns now);
tas_ns lwip_host_deadline(void);

extern const struct sim_api sim_lwip;

#endif
