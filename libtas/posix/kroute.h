/* SPDX-License-Identifier: BSD-3-Clause */
/* kroute.h - whether a connection goes through tasd or through the kernel.
 *
 * Guarantee: tasd carries what its route matches at least as specifically as the kernel's does; loopback,
 * multicast and what the kernel has for its own (its addresses are routes of full length) stay in the kernel.
 * So does what a more specific route of the kernel's refuses: unreachable, prohibit, blackhole.
 * Where the kernel cannot be asked (AF_NETLINK is refused, no descriptor is left) the connection is the
 * kernel's; one line on standard error says so, once, and the next connection asks again.
 * Answers are kept for KROUTE_KEEP_NS, so a change of routes is seen that late. Any thread; lookups in a
 * handler that interrupted one ask again. */
#ifndef TAS_POSIX_KROUTE_H
#define TAS_POSIX_KROUTE_H

#include <stdbool.h>

#include "include/base/time.h"
#include "include/net/addr.h"

#define KROUTE_KEEP_NS (200 * NS_PER_MS)

/* Through tasd? Asks tasd and the kernel. */
bool kroute_through_tasd(const struct net_addr *remote);
/* Is it an address of tasd itself? */
bool kroute_is_tasds(const struct net_addr *addr);
enum { KROUTE_NONE = -1, KROUTE_UNKNOWN = -2 };
/* The length (of 128) of the kernel's route to it, or one of these; UNKNOWN: it cannot be asked, by errno. */
int kroute_kernel_prefix(const struct net_addr *remote);

#endif
