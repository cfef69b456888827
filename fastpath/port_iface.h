/* SPDX-License-Identifier: BSD-3-Clause */
/* port_iface.h - what the kernel knows of the interface behind a port (AF_PACKET, AF_XDP, TAP).
 * Guarantee: asks only, changes nothing that outlives tasd. Answers are of the calling thread's network
 * namespace, at the moment of the call. Any thread; these are system calls, for start-up. */
#ifndef TAS_FASTPATH_PORT_IFACE_H
#define TAS_FASTPATH_PORT_IFACE_H

#include <stdbool.h>
#include <stdint.h>

struct port_iface {
	char name[16];
	int index;
	uint32_t mtu;
	uint16_t rx_queues; /* 1 if the driver does not say */
	bool up;
};

/* 0, or -errno: -ENODEV if there is no such interface. */
int port_iface_by_name(struct port_iface *i, const char *name);
int port_iface_by_index(struct port_iface *i, int index);

/* 0 if this process may open raw sockets, or -errno (-EPERM: no CAP_NET_RAW). */
int port_iface_may_open(void);

/* 0 if this process may make TAP devices, or -errno: -EPERM without CAP_NET_ADMIN, else what /dev/net/tun
 * says. */
int port_iface_may_tap(void);

/* The interface takes in frames to any multicast address for as long as the descriptor that is returned is
 * open; or -errno. */
int port_iface_hear_groups(int index);

#endif
