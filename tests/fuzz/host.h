/* SPDX-License-Identifier: BSD-3-Clause */
/* host.h - the host of the unit tests (rig_tcp.h), in both families, for inputs that nobody foresaw.
 *
 *   application 0, the bystander  <-- one connection -->  10.0.0.2     which must go on whatever comes
 *   application 1, the one at hand                        10.0.0.2, fd00::2 (wire.h)
 *   application 2, a child of it
 *
 * host_end() is the judge. Beside what the rig asserts after each pass (flow_check(), one burst, passes that
 * come to rest) it asks that the bystander still gets and sends its bytes; that nothing is left of the other
 * application's connections when it died and their time is over; and that every packet buffer is home.
 * What tasd has of DPDK's heap comes from malloc here, for its red zones. Owner: one input at a time. */
#ifndef TAS_FUZZ_HOST_H
#define TAS_FUZZ_HOST_H

#include "tests/unit/rig_tcp.h"

enum { BYSTANDER, AT_HAND, CHILD }; /* applications of the rig */
enum { AT_HAND_PORT = 81, HOST_FLOWS = 24, HOST_BUFFER = 32768 };

/* Once for the program; what it logs goes nowhere. */
void host_start(void);
/* `how` has what tasd.conf may choose, in its bits. */
void host_begin(uint8_t how);
void host_end(void);

/* A frame arrives; it is lost if there is no room. It waits for the next pass. */
void host_give(const uint8_t *frame, uint32_t len);
/* The clock goes on, and the host runs whenever something is due. */
void host_wait(tas_ns span);
/* Is the record still that of this connection? */
bool host_has(const struct peer *p);
/* Of all the host sent; true if it is the bystander's. */
bool bystander_heard(const uint8_t *frame, uint32_t len);

#endif
