/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_router.h - what a router says of a packet that is larger than the next link takes: "fragmentation
 * needed" (RFC 792, RFC 1191 4) or "packet too big" (RFC 4443 3.2). Written from the RFCs without looking at
 * the stack, and with no line of it. Pure. */
#ifndef TAS_SIM_ROUTER_H
#define TAS_SIM_ROUTER_H

#include <stdbool.h>
#include <stdint.h>

enum { ROUTER_FRAME_MAX = 14 + 1280 };

/* Writes to `out` the frame that its sender gets, and returns the length. An old router quotes 8 bytes behind
 * the IPv4 header, and does not say what would fit. */
uint32_t router_too_big(uint8_t *out, const uint8_t *frame, uint32_t len, uint32_t mtu, bool old);

#endif
