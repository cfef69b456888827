/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/port_iface.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>
#include <linux/ethtool.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

#include <bsd/string.h>

static_assert(sizeof(((struct port_iface *)0)->name) == IFNAMSIZ, "holds any name of an interface");

/* One question about an interface; req->ifr_name is set. */
static int ask(int sock, unsigned long what, struct ifreq *req)
{
	return ioctl(sock, what, req) < 0 ? -errno : 0;
}

/* An interface whose driver has no such notion has one queue. */
static uint16_t ask_rx_queues(int sock, struct ifreq req)
{
	struct ethtool_channels channels = { .cmd = ETHTOOL_GCHANNELS };
	uint32_t queues;

	req.ifr_data = (void *)&channels;
	if (ask(sock, SIOCETHTOOL, &req) != 0)
		return 1;
	queues = channels.combined_count + channels.rx_count;
	return queues == 0 ? 1 : queues > UINT16_MAX ? UINT16_MAX : (uint16_t)queues;
}

static int ask_all(int sock, struct port_iface *i, struct ifreq *req)
{
	int rc;

	if ((rc = ask(sock, SIOCGIFINDEX, req)) != 0)
		return rc;
	i->index = req->ifr_ifindex;
	if ((rc = ask(sock, SIOCGIFMTU, req)) != 0)
		return rc;
	i->mtu = (uint32_t)req->ifr_mtu;
	if ((rc = ask(sock, SIOCGIFFLAGS, req)) != 0)
		return rc;
	i->up = (req->ifr_flags & IFF_UP) != 0;
	i->rx_queues = ask_rx_queues(sock, *req);
	return 0;
}

int port_iface_by_name(struct port_iface *i, const char *name)
{
	struct ifreq req = { 0 };
	int sock, rc;

	*i = (struct port_iface){ 0 };
	if (name[0] == '\0' || strlcpy(req.ifr_name, name, sizeof(req.ifr_name)) >= sizeof(req.ifr_name))
		return -ENODEV;
	strlcpy(i->name, name, sizeof(i->name));
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return -errno;
	rc = ask_all(sock, i, &req);
	close(sock);
	return rc;
}

int port_iface_by_index(struct port_iface *i, int index)
{
	char name[IFNAMSIZ];

	*i = (struct port_iface){ 0 };
	if (index <= 0 || if_indextoname((unsigned)index, name) == NULL)
		return -ENODEV;
	return port_iface_by_name(i, name);
}

int port_iface_may_open(void)
{
	int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (sock < 0)
		return -errno;
	close(sock);
	return 0;
}

/* Not by making one, which others would see. */
int port_iface_may_tap(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &head, data) == 0 && !(data[0].effective & 1u << CAP_NET_ADMIN))
		return -EPERM;
	return access("/dev/net/tun", R_OK | W_OK) == 0 ? 0 : -errno;
}

int port_iface_hear_groups(int index)
{
	struct packet_mreq all = { .mr_ifindex = index, .mr_type = PACKET_MR_ALLMULTI };
	int error, fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0); /* protocol 0: it takes no frames */

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}
