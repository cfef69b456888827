/* SPDX-License-Identifier: BSD-3-Clause */
/* port_probe.h - from the `device` of tasd.conf to an ethdev.
 * A card (include/base/device.h) was plugged in by EAL as it started, by `-a DEVICE`; a vdev is plugged in
 * here.
 * Guarantee: the ethdev is plugged in, or err has a sentence that names the device (and the interface) and
 * the remedy. What the operator wrote is kept; only arguments that are missing are added.
 * Thread: the one that started EAL. */
#ifndef TAS_FASTPATH_PORT_PROBE_H
#define TAS_FASTPATH_PORT_PROBE_H

#include <stddef.h>
#include <stdint.h>

#include "fastpath/port.h"

enum { PORT_DEVARGS_MAX = 512 };

/* The device string with what it leaves out: for net_af_packet the sizes of its rings, for net_af_xdp the
 * number of its queues. iface_mtu and iface_queues are the kernel's. 0, or -EINVAL and a sentence in err. */
int port_devargs(const char *device, uint16_t rxq, uint32_t iface_mtu, uint16_t iface_queues, char *out,
	size_t out_size, char *err, size_t err_size);

/* Finds the device, or plugs it in. 0, or -errno and a sentence in err. */
int port_probe(const char *device, const struct port_want *want, uint16_t *ethdev_id, char *err,
	size_t err_size);

/* Bytes of one frame in net_af_packet's rings, for this MTU; its packet buffers must hold that. */
uint32_t port_af_packet_frame(uint32_t mtu);

#endif
