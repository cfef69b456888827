/* SPDX-License-Identifier: BSD-3-Clause */
/* sockaddr.h - socket addresses of the C library and addresses of tasd.
 * Guarantee: an IPv4 address and its mapped form are the same address; what an AF_INET6 socket is told about
 * an IPv4 peer is mapped, as Linux does it. Plain functions. */
#ifndef TAS_POSIX_SOCKADDR_H
#define TAS_POSIX_SOCKADDR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "include/net/addr.h"

/* False: no address of AF_INET or AF_INET6, or too short for one. */
bool sockaddr_read(const struct sockaddr *from, socklen_t size, struct net_addr *addr, uint16_t *port);
/* As accept, getsockname, getpeername give it: cut to *size, which becomes the full length. `to` may be NULL.
 *  */
void sockaddr_give(int family, const struct net_addr *addr, uint16_t port, struct sockaddr *to,
	socklen_t *size);
/* The address that the kernel's socket is bound to; false: unknown. */
bool sockaddr_bound(int fd, struct net_addr *addr, uint16_t *port);

#endif
