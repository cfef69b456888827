/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/port_probe.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>

#include <bsd/string.h>

#include "fastpath/port_iface.h"
#include "include/base/device.h"
#include "include/base/log.h"

enum {
	AF_PACKET_RING_BYTES = 8 << 20,     /* at most, for each direction of each queue */
	AF_PACKET_FRAMES_MAX = 2048,        /* 4 ms of 500,000 packets/s, if the core is kept from running */
	AF_PACKET_BLOCK_BYTES = 64 << 10,   /* about */
	AF_PACKET_FRAME_OVERHEAD = 66 + 22, /* the ring's header; Ethernet with two VLAN tags */
	IFACE_NAME_SIZE = sizeof(((struct port_iface *)0)->name)
};

TAS_PRINTF(4, 5) static int refuse(int rc, char *err, size_t err_size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, err_size, fmt, args);
	va_end(args);
	return rc;
}

static bool starts_with(const char *s, const char *prefix) { return strncmp(s, prefix, strlen(prefix)) == 0; }

/* The name under which ethdev knows the device: what stands before the first comma, a PCI address in full and
 * in small letters. */
static void device_name(const char *device, char *name, size_t size)
{
	bool pci = device_kind_of(device) == DEVICE_PCI;

	snprintf(name, size, "%s%.*s", pci && !device_has_domain(device) ? "0000:" : "",
		(int)strcspn(device, ","), device);
	for (char *c = name; pci && *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
}

/* The value of ",key=value" among the arguments; false if there is none. */
static bool device_arg(const char *device, const char *key, char *value, size_t size)
{
	size_t len = strlen(key);

	for (const char *s = strchr(device, ','); s != NULL; s = strchr(s + 1, ','))
		if (strncmp(s + 1, key, len) == 0 && s[1 + len] == '=') {
			snprintf(value, size, "%.*s", (int)strcspn(s + 2 + len, ","), s + 2 + len);
			return true;
		}
	return false;
}

/* --- what the operator wrote --- */

/* What drivers of DPDK 22.11 to 24.11 take; some let pass what they do not know, some say nothing that
 * helps. */
static const struct driver {
	const char *name, *args; /* a blank before and behind each */
} drivers[] = {
	{ "net_af_packet", " iface qpairs blocksz framesz framecnt qdisc_bypass fanout_mode " },
	{ "net_af_xdp",
		" iface start_queue queue_count shared_umem xdp_prog busy_budget force_copy use_cni "
		"use_pinned_map dp_path " },
	{ "net_tap", " iface mac remote persist " },
};

static const struct driver *driver_of(const char *device)
{
	for (size_t i = 0; i < ARRAY_LEN(drivers); i++) {
		size_t len = strlen(drivers[i].name);

		if (starts_with(device, drivers[i].name) && !isalpha((unsigned char)device[len]) &&
			device[len] != '_')
			return &drivers[i];
	}
	return NULL;
}

/* The first argument that the driver does not know, in `word` with a blank before and behind; false if
 * none. */
static bool arg_unknown(const char *device, const struct driver *d, char *word, size_t size)
{
	for (const char *s = strchr(device, ','); s != NULL; s = strchr(s + 1, ',')) {
		snprintf(word, size, " %.*s ", (int)strcspn(s + 1, "=,"), s + 1);
		if (strstr(d->args, word) == NULL)
			return true;
	}
	return false;
}

static int args_check(const char *device, char *err, size_t err_size)
{
	const struct driver *d = driver_of(device);
	char word[PORT_DEVARGS_MAX];

	if (d == NULL)
		return 0;
	if (arg_unknown(device, d, word, sizeof(word)))
		return refuse(-EINVAL, err, err_size,
			"device '%s': %s knows no argument '%.*s'; it knows%.*s", device, d->name,
			(int)strlen(word) - 2, word + 1, (int)strlen(d->args) - 1, d->args);
	if (strcmp(d->name, "net_tap") == 0 && device_arg(device, "iface", word, sizeof(word)) &&
		strlen(word) >= IFACE_NAME_SIZE)
		return refuse(-EINVAL, err, err_size,
			"device '%s': the name of an interface has at most %d characters, and '%s' has %zu",
			device, IFACE_NAME_SIZE - 1, word, strlen(word));
	return 0;
}

static void device_arg_default(char *device, size_t size, const char *key, uint32_t value)
{
	char old[64], add[64];

	if (device_arg(device, key, old, sizeof(old)))
		return;
	snprintf(add, sizeof(add), ",%s=%u", key, value);
	strlcat(device, add, size);
}

/* Of 1024 bytes, so that four are a whole number of pages whatever their size: the driver reckons with frames
 * that lie one behind the other, which the kernel only does if they fill their block. */
uint32_t port_af_packet_frame(uint32_t mtu)
{
	uint32_t frame = (mtu + AF_PACKET_FRAME_OVERHEAD + 1023) & ~1023u;

	return frame < 2048 ? 2048 : frame;
}

/* Rings: a power of two of frames, which any number of frames in a block then divides. */
static void af_packet_defaults(char *device, size_t size, uint16_t rxq, uint32_t mtu)
{
	uint32_t frame = port_af_packet_frame(mtu), block = 4 * frame, count = AF_PACKET_FRAMES_MAX;
	char old[64];

	while (block * 2 <= AF_PACKET_BLOCK_BYTES)
		block *= 2;
	while (count * frame > AF_PACKET_RING_BYTES)
		count /= 2;
	device_arg_default(device, size, "qpairs", rxq);
	if (!device_arg(device, "framesz", old, sizeof(old)) &&
		!device_arg(device, "blocksz", old, sizeof(old)) &&
		!device_arg(device, "framecnt", old, sizeof(old))) {
		device_arg_default(device, size, "framesz", frame);
		device_arg_default(device, size, "blocksz", block);
		device_arg_default(device, size, "framecnt", count);
	}
	/* A queueing discipline may hold frames back: the driver then blocks until its ring has a place. */
	device_arg_default(device, size, "qdisc_bypass", 1);
}

int port_devargs(const char *device, uint16_t rxq, uint32_t iface_mtu, uint16_t iface_queues, char *out,
	size_t out_size, char *err, size_t err_size)
{
	char value[64];
	int rc;

	if (strlcpy(out, device, out_size) + 128 > out_size)
		return refuse(-EINVAL, err, err_size, "device '%.40s...' is too long", device);
	rc = args_check(device, err, err_size);
	if (rc != 0)
		return rc;
	if (starts_with(device, "net_af_packet")) {
		if (device_arg(device, "qpairs", value, sizeof(value)) && atoi(value) != rxq)
			return refuse(-EINVAL, err, err_size,
				"device '%s' has qpairs=%s, but the fast path polls %u queues, and the "
				"kernel would spread packets over all of them: leave qpairs out",
				device, value, rxq);
		af_packet_defaults(out, out_size, rxq, iface_mtu);
	}
	if (starts_with(device, "net_af_xdp"))
		device_arg_default(out, out_size, "queue_count", min_u32(rxq, iface_queues));
	return 0;
}

/* Why EAL could not plug the device in, as far as can be seen from here. */
static int refuse_probe(const char *device, int rc, char *err, size_t err_size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct port_iface iface;

	device_name(device, name, sizeof(name));
	if (device_kind_of(device) == DEVICE_PCI)
		return refuse(rc, err, err_size,
			"device %s is not there or has no DPDK driver: see `dpdk-devbind.py "
			"--status` (apt install "
			"dpdk); bind it with `dpdk-devbind.py -b vfio-pci %s`",
			name, name);
	if (port_iface_by_name(&iface, name) == 0)
		return refuse(rc, err, err_size,
			"device '%s' is an interface of the kernel: write it as net_af_packet0,iface=%s",
			name, name);
	if (rc == -EFAULT)
		return refuse(rc, err, err_size,
			"no DPDK driver for device '%s': check its spelling, or install the driver "
			"(`apt-cache search librte-net`; net_af_xdp is in librte-net-af-xdp23)",
			name);
	if (starts_with(device, "net_tap") && device_arg(device, "iface", name, sizeof(name)) &&
		port_iface_by_name(&iface, name) == 0)
		return refuse(rc, err, err_size,
			"device '%s': there is an interface %s already: give another name, or none", device,
			name);
	/* many drivers say just -1, which is no errno */
	return refuse(rc, err, err_size,
		"device '%s' could not be opened (%s): see the lines of its driver above", device,
		rc == -1 ? "its driver refused it" : strerror(-rc));
}

static int probe_tap(char *err, size_t err_size)
{
	int rc = port_iface_may_tap();

	if (rc == -EPERM)
		return refuse(rc, err, err_size,
			"no permission to make a TAP device (%s): start tasd as root or give "
			"it CAP_NET_ADMIN",
			strerror(-rc));
	if (rc != 0)
		return refuse(rc, err, err_size,
			"no TAP devices here (/dev/net/tun: %s): see that the module tun is "
			"loaded and the file "
			"there",
			strerror(-rc));
	return 0;
}

/* The kernel's interface that the device names; -ENOENT if it names none. */
static int probe_iface(const char *device, struct port_iface *iface, char *err, size_t err_size)
{
	char name[64];
	int rc;

	*iface = (struct port_iface){ 0 };
	if (starts_with(device, "net_tap"))
		return probe_tap(err, err_size);
	if (!starts_with(device, "net_af_packet") && !starts_with(device, "net_af_xdp"))
		return 0;
	if (!device_arg(device, "iface", name, sizeof(name)))
		return refuse(-EINVAL, err, err_size,
			"device '%s' names no interface: write it as %.*s,iface=NAME", device,
			(int)strcspn(device, ","), device);
	rc = port_iface_may_open();
	if (rc != 0)
		return refuse(rc, err, err_size,
			"no permission to open interface %s (%s): start tasd as root or give it CAP_NET_RAW "
			"and CAP_NET_ADMIN",
			name, strerror(-rc));
	rc = port_iface_by_name(iface, name);
	if (rc != 0)
		return refuse(rc, err, err_size,
			"interface %s of device '%s' does not exist in this network namespace: see `ip "
			"link`; for a trial make one with `ip link add %s type veth peer name PEER`",
			name, device, name);
	if (!iface->up)
		tas_log(TAS_LOG_WARNING, "interface %s is down, nothing passes: ip link set %s up", name,
			name);
	return 0;
}

int port_probe(const char *device, const struct port_want *want, uint16_t *ethdev_id, char *err,
	size_t err_size)
{
	char name[RTE_ETH_NAME_MAX_LEN], args[PORT_DEVARGS_MAX];
	struct port_iface iface;
	uint32_t mtu;
	int rc;

	device_name(device, name, sizeof(name));
	if (rte_eth_dev_get_port_by_name(name, ethdev_id) == 0)
		return 0; /* EAL plugged it in as it started */
	rc = probe_iface(device, &iface, err, err_size);
	if (rc != 0)
		return rc;
	mtu = min_u32(max_u32(iface.mtu, want->mtu), PORT_MTU_MAX);
	rc = port_devargs(device, want->rxq, mtu, iface.rx_queues, args, sizeof(args), err, err_size);
	if (rc != 0)
		return rc;
	rc = rte_dev_probe(args);
	if (rc == 0)
		rc = rte_eth_dev_get_port_by_name(name, ethdev_id);
	return rc == 0 ? 0 : refuse_probe(device, rc, err, err_size);
}
