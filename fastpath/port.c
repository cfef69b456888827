/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/port.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ether.h>

#include <bsd/string.h>

#include "fastpath/port_iface.h"
#include "fastpath/port_probe.h"
#include "fastpath/port_wake.h"
#include "include/base/assert.h"
#include "include/base/log.h"

enum {
	FRAME_OVERHEAD = RTE_ETHER_HDR_LEN + 8,             /* two VLAN tags */
	ETHDEV_OVERHEAD = RTE_ETHER_HDR_LEN + 4,            /* what ethdev adds to an MTU: the frame check */
	MTU_UNKNOWN = 1500,                                 /* of a device that knows no limit */
	CACHE_HOLDS = PORT_POOL_CACHE + PORT_POOL_CACHE / 2 /* a cache is emptied half beyond its size */
};

#define RSS_TCP (RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP)
#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_TCP_CKSUM)

/* Where a port is on its way up. */
struct opening {
	struct port *p;
	const struct port_want *want;
	struct rte_mempool *pool;
	struct rte_eth_dev_info dev;
	struct rte_eth_conf conf;
	char *err;
	size_t err_size;
};

TAS_PRINTF(4, 5) static int refuse(int rc, char *err, size_t err_size, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(err, err_size, fmt, args);
	va_end(args);
	return rc;
}

/* --- what the device can do --- */

/* The largest MTU that rte_eth_dev_configure() would let pass. */
static uint32_t ethdev_mtu_max(const struct rte_eth_dev_info *dev)
{
	if (dev->max_mtu != UINT16_MAX || dev->max_rx_pktlen > UINT16_MAX)
		return dev->max_mtu;
	return dev->max_rx_pktlen - ETHDEV_OVERHEAD;
}

/* Drivers that receive by a socket of the kernel (net_af_packet, net_af_xdp). */
static bool is_over_kernel(const struct rte_eth_dev_info *dev)
{
	return strncmp(dev->driver_name, "net_af_", 7) == 0;
}

/* Over the kernel the interface decides: net_af_packet states 1518 bytes, whatever its rings hold. A frame
 * beyond the interface's MTU would cost 2 ms, for a line in the kernel's log. */
static uint32_t device_mtu_max(const struct rte_eth_dev_info *dev, const struct port_iface *iface)
{
	uint32_t max = ethdev_mtu_max(dev);

	if (is_over_kernel(dev))
		max = dev->max_mtu == UINT16_MAX ? iface->mtu : min_u32(max, iface->mtu);
	return min_u32(max, PORT_MTU_MAX);
}

static int fit_mtu(const struct rte_eth_dev_info *dev, const char *name, struct port_want *want, char *err,
	size_t err_size)
{
	struct port_iface iface;
	uint32_t max;

	port_iface_by_index(&iface, (int)dev->if_index); /* all zeros if there is none */
	max = device_mtu_max(dev, &iface);
	if (want->mtu == 0)
		want->mtu = (uint16_t)min_u32(max, iface.index > 0 ? iface.mtu : MTU_UNKNOWN);
	if (want->mtu <= max)
		return 0;
	if (is_over_kernel(dev) && iface.mtu < want->mtu)
		return refuse(-EINVAL, err, err_size,
			"mtu = %u is more than interface %s carries (%u): ip link set %s mtu %u, or lower "
			"mtu in [port]",
			want->mtu, iface.name, iface.mtu, iface.name, want->mtu);
	return refuse(-EINVAL, err, err_size, "mtu = %u is more than device %s carries: at most %u in [port]",
		want->mtu, name, max);
}

static int device_info(uint16_t id, struct rte_eth_dev_info *dev, char *name, char *err, size_t err_size)
{
	int rc = rte_eth_dev_info_get(id, dev);

	if (rc == 0)
		rc = rte_eth_dev_get_name_by_port(id, name);
	return rc == 0 ? 0 : refuse(rc, err, err_size, "there is no port %u (%s)", id, strerror(-rc));
}

int port_fit(uint16_t ethdev_id, struct port_want *want, char *err, size_t err_size)
{
	char name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info dev;
	int rc = device_info(ethdev_id, &dev, name, err, err_size);

	if (rc != 0 || (rc = fit_mtu(&dev, name, want, err, err_size)) != 0)
		return rc;
	want->rxq = (uint16_t)min_u32(want->rxq, min_u32(dev.max_rx_queues, PORT_QUEUES_MAX));
	want->txq = (uint16_t)min_u32(want->txq, min_u32(dev.max_tx_queues, PORT_QUEUES_MAX));
	if (want->rxq == 0 || want->txq == 0)
		return refuse(-EINVAL, err, err_size, "device %s has no queue to receive or send on", name);
	if (want->rx_desc == 0)
		want->rx_desc = PORT_DESCRIPTORS;
	if (want->tx_desc == 0)
		want->tx_desc = PORT_DESCRIPTORS;
	/* A driver with a size of its own (net_af_xdp) may take no notice of ours. */
	want->rx_desc = (uint16_t)max_u32(want->rx_desc, dev.default_rxportconf.ring_size);
	want->tx_desc = (uint16_t)max_u32(want->tx_desc, dev.default_txportconf.ring_size);
	rte_eth_dev_adjust_nb_rx_tx_desc(ethdev_id, &want->rx_desc, &want->tx_desc);
	return 0;
}

/* --- packet buffers --- */

/* One less than a power of two, as a mempool is laid out best. */
uint32_t port_pool_size(const struct port_want *want, unsigned cores, unsigned punt_cap)
{
	uint32_t rings = (uint32_t)want->rxq * want->rx_desc + (uint32_t)want->txq * want->tx_desc;
	uint32_t threads = (cores + 1) * (CACHE_HOLDS + PORT_CORE_HOLDS);

	return pow2_at_least(rings + threads + punt_cap + 1) - 1;
}

/* A frame that came whole must fit into one buffer, and so must a frame of net_af_packet's rings. */
static uint16_t pool_room(const struct rte_eth_dev_info *dev, const struct port_want *want)
{
	struct port_iface iface;
	uint32_t mtu, room;

	port_iface_by_index(&iface, (int)dev->if_index);
	mtu = min_u32(max_u32(iface.mtu, want->mtu), PORT_MTU_MAX);
	room = max_u32(RTE_MBUF_DEFAULT_DATAROOM, mtu + FRAME_OVERHEAD);
	if (is_over_kernel(dev))
		room = max_u32(room, port_af_packet_frame(mtu));
	return (uint16_t)(RTE_PKTMBUF_HEADROOM + room);
}

struct rte_mempool *port_pool_create(const char *name, uint16_t ethdev_id, const struct port_want *want,
	unsigned cores, unsigned punt_cap, char *err, size_t err_size)
{
	char dev_name[RTE_ETH_NAME_MAX_LEN];
	struct rte_eth_dev_info dev;
	struct rte_mempool *pool;
	uint32_t n;
	uint16_t room;

	if (device_info(ethdev_id, &dev, dev_name, err, err_size) != 0)
		return NULL;
	n = port_pool_size(want, cores, punt_cap);
	room = pool_room(&dev, want);
	pool = rte_pktmbuf_pool_create(name, n, PORT_POOL_CACHE, 0, room, rte_eth_dev_socket_id(ethdev_id));
	if (pool == NULL)
		refuse(0, err, err_size,
			"no memory for %u packet buffers of %u bytes (%u MiB) (%s): raise dpdk_memory in "
			"[memory], or lower cores_max or the descriptors in [port]",
			n, room, (uint32_t)(((uint64_t)n * room) >> 20), rte_strerror(rte_errno));
	return pool;
}

/* --- negotiation --- */

/* An offload that is demanded but is not there. */
static int demand(const struct opening *o, enum port_choice choice, bool present, const char *key,
	const char *what)
{
	if (choice != PORT_ON || present)
		return 0;
	return refuse(-ENOTSUP, o->err, o->err_size,
		"%s = on, but device %s has no %s: set %s = auto in [port], which does it in software", key,
		o->p->name, what, key);
}

static int choose_cksum(struct opening *o)
{
	enum port_choice choice = o->want->checksum_offload;
	uint64_t rx = o->dev.rx_offload_capa, tx = o->dev.tx_offload_capa;
	struct port *p = o->p;
	int rc;

	if (choice == PORT_OFF)
		return 0;
	p->rx_cksum = (rx & RX_CKSUM) == RX_CKSUM;
	p->tx_ip_cksum = (tx & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0;
	p->tx_tcp_cksum = (tx & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0;
	rc = demand(o, choice, p->rx_cksum, "checksum_offload", "checksum verification on receive");
	if (rc != 0)
		return rc;
	return demand(o, choice, p->tx_ip_cksum && p->tx_tcp_cksum, "checksum_offload",
		"IPv4 and TCP checksums on transmit");
}

/* net_tap takes the MTU for the length of a whole frame, and refuses what would become longer ones. */
static uint16_t tso_frame_max(const struct opening *o)
{
	bool tap = strcmp(o->dev.driver_name, "net_tap") == 0;

	return (uint16_t)(o->p->mtu + (tap ? 0 : RTE_ETHER_HDR_LEN));
}

/* A segment needs checksums of its own, and the packet comes as a chain. */
static int choose_tso(struct opening *o)
{
	struct port *p = o->p;
	bool there = (o->dev.tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;

	p->multi_seg = (o->dev.tx_offload_capa & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0;
	p->tx_segs_max = p->multi_seg ? o->dev.tx_desc_lim.nb_seg_max : 1;
	if (o->want->tso == PORT_ON && o->want->checksum_offload == PORT_OFF)
		return refuse(-EINVAL, o->err, o->err_size,
			"tso = on needs checksum_offload = auto or on in [port]: the device writes the "
			"checksums of the segments that it makes");
	p->tso = there && o->want->tso != PORT_OFF && p->multi_seg && p->tx_ip_cksum && p->tx_tcp_cksum;
	p->tso_max = p->tso ? UINT16_MAX : 0;
	p->tso_frame = p->tso ? tso_frame_max(o) : 0;
	return demand(o, o->want->tso, p->tso, "tso", "TCP segmentation");
}

/* Spreading by a hash is of use if tasd can say which bucket goes where. */
static int choose_rss(struct opening *o)
{
	struct port *p = o->p;
	uint64_t hf = o->dev.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RSS_TCP);

	if (o->want->rss == PORT_OFF)
		return 0;
	p->rss = (hf & RSS_TCP) != 0 && o->dev.reta_size > 0;
	p->rss_hf = p->rss ? hf : 0;
	p->rss_hash = p->rss && (o->dev.rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0;
	p->reta_size = p->rss ? o->dev.reta_size : 0;
	return demand(o, o->want->rss, p->rss, "rss", "RSS with a redirection table");
}

static void choose_conf(struct opening *o)
{
	const struct port *p = o->p;
	struct rte_eth_conf *conf = &o->conf;

	*conf = (struct rte_eth_conf){ .intr_conf.rxq = 1 };
	/* A driver that underrates itself keeps its own number; device_mtu_max() looked at the truth. */
	conf->rxmode.mtu = p->mtu <= ethdev_mtu_max(&o->dev) ? p->mtu : 0;
	conf->rxmode.offloads = (p->rx_cksum ? RX_CKSUM : 0) |
		(p->rss_hash ? (uint64_t)RTE_ETH_RX_OFFLOAD_RSS_HASH : 0);
	conf->txmode.offloads = (p->tx_ip_cksum ? RTE_ETH_TX_OFFLOAD_IPV4_CKSUM : 0) |
		(p->tx_tcp_cksum ? RTE_ETH_TX_OFFLOAD_TCP_CKSUM : 0) |
		(p->tso ? RTE_ETH_TX_OFFLOAD_TCP_TSO : 0) |
		(p->multi_seg ? RTE_ETH_TX_OFFLOAD_MULTI_SEGS : 0);
	if (!p->rss)
		return;
	conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	conf->rx_adv_conf.rss_conf.rss_hf = p->rss_hf;
	if (o->want->rss_key != NULL && o->dev.hash_key_size > 0 &&
		o->dev.hash_key_size <= PORT_RSS_KEY_MAX) {
		memcpy(o->p->rss_key, o->want->rss_key, o->dev.hash_key_size);
		conf->rx_adv_conf.rss_conf.rss_key = o->p->rss_key;
		conf->rx_adv_conf.rss_conf.rss_key_len = o->dev.hash_key_size;
	}
}

static int choose(struct opening *o)
{
	int rc;

	if ((rc = choose_cksum(o)) != 0 || (rc = choose_tso(o)) != 0 || (rc = choose_rss(o)) != 0)
		return rc;
	choose_conf(o);
	return 0;
}

/* --- start --- */

static int step_failed(const struct opening *o, int rc, const char *step)
{
	return refuse(rc, o->err, o->err_size,
		"device %s refused to %s (%s): see the lines of its driver above; with %u queues, packet "
		"buffers of %u bytes",
		o->p->name, step, strerror(-rc), o->p->nb_rxq, rte_pktmbuf_data_room_size(o->pool));
}

static int set_up_queues(struct opening *o)
{
	struct port *p = o->p;
	int rc = 0, node = rte_eth_dev_socket_id(p->id);

	for (uint16_t q = 0; q < p->nb_rxq && rc == 0; q++)
		rc = rte_eth_rx_queue_setup(p->id, q, o->want->rx_desc, (unsigned)node, NULL, o->pool);
	if (rc != 0)
		return step_failed(o, rc, "set up a receive queue");
	for (uint16_t q = 0; q < p->nb_txq && rc == 0; q++)
		rc = rte_eth_tx_queue_setup(p->id, q, o->want->tx_desc, (unsigned)node, NULL);
	return rc == 0 ? 0 : step_failed(o, rc, "set up a transmit queue");
}

static int bring_up(struct opening *o)
{
	struct port *p = o->p;
	int rc = rte_eth_dev_configure(p->id, p->nb_rxq, p->nb_txq, &o->conf);

	if (rc != 0)
		return step_failed(o, rc, "be configured");
	if ((rc = set_up_queues(o)) != 0)
		return rc;
	rc = rte_eth_dev_start(p->id);
	return rc == 0 ? 0 : step_failed(o, rc, "start");
}

/* Most drivers ignore a wish for receive interrupts that they cannot grant; some fail, and get a second
 * try. */
static int bring_up_somehow(struct opening *o)
{
	int rc = bring_up(o);

	if (rc == 0)
		return 0;
	o->conf.intr_conf.rxq = 0;
	return bring_up(o);
}

static void learn_rss_key(struct port *p, uint8_t key_size)
{
	struct rte_eth_rss_conf conf = { .rss_key = p->rss_key, .rss_key_len = sizeof(p->rss_key) };

	if (p->rss && key_size > 0 && key_size <= PORT_RSS_KEY_MAX &&
		rte_eth_dev_rss_hash_conf_get(p->id, &conf) == 0)
		p->rss_key_len = key_size;
}

/* A device that does not take the table after all spreads as it likes. */
static int spread_buckets(struct opening *o)
{
	struct port *p = o->p;
	uint16_t queue[RTE_ETH_RSS_RETA_SIZE_512];

	if (!p->rss)
		return 0;
	for (uint16_t b = 0; b < p->reta_size && b < ARRAY_LEN(queue); b++)
		queue[b] = b % p->nb_rxq;
	if (p->reta_size <= ARRAY_LEN(queue) && port_reta_set_all(p, queue) == 0)
		return 0;
	p->reta_size = 0;
	p->rss = false;
	return demand(o, o->want->rss, false, "rss", "redirection table that can be written");
}

static void log_found(const struct port *p)
{
	static const char *const wake[] = { "naps", "its descriptor", "interrupts" };
	const struct {
		const char *what;
		bool device;
	} found[] = { { "tx-ip-cksum", p->tx_ip_cksum }, { "tx-tcp-cksum", p->tx_tcp_cksum },
		{ "rx-cksum", p->rx_cksum }, { "tso", p->tso }, { "rss", p->rss },
		{ "rss-hash", p->rss_hash }, { "multi-seg", p->multi_seg } };
	char does[2][128] = { "", "" };

	for (unsigned i = 0; i < ARRAY_LEN(found); i++) {
		char *list = does[found[i].device];

		strlcat(list, " ", sizeof(does[0]));
		strlcat(list, found[i].what, sizeof(does[0]));
	}
	tas_log(TAS_LOG_INFO,
		"port %s%s%s: " RTE_ETHER_ADDR_PRT_FMT
		", mtu %u, queues rx %u tx %u, %u buckets; hardware:%s; "
		"software:%s; woken by %s",
		p->name, p->iface[0] ? " on " : "", p->iface, RTE_ETHER_ADDR_BYTES(&p->mac), p->mtu,
		p->nb_rxq, p->nb_txq, p->reta_size, does[1][0] ? does[1] : " none",
		does[0][0] ? does[0] : " none", wake[p->wake]);
}

static void port_init(struct opening *o, uint16_t id)
{
	struct port *p = o->p;
	struct port_iface iface;

	p->id = id;
	p->mtu = o->want->mtu;
	p->nb_rxq = o->want->rxq;
	p->nb_txq = o->want->txq;
	port_iface_by_index(&iface, (int)o->dev.if_index);
	p->if_index = iface.index;
	strlcpy(p->iface, iface.name, sizeof(p->iface));
	p->frame_max = max_u32(p->mtu, iface.mtu) + FRAME_OVERHEAD;
	p->groups_fd = -1;
}

/* Neighbours look for our addresses of IPv6 by frames to groups. A device that can do nothing may let them
 * through all the same, as virtual ones do. */
static void hear_groups(struct opening *o)
{
	struct port *p = o->p;
	int rc;

	if (!o->want->multicast)
		return;
	if (p->if_index > 0)
		rc = p->groups_fd = port_iface_hear_groups(p->if_index);
	else if ((rc = rte_eth_allmulticast_enable(p->id)) != 0)
		rc = rte_eth_promiscuous_enable(p->id);
	if (rc < 0)
		tas_log(TAS_LOG_WARNING,
			"port %s: cannot ask for multicast (%s): neighbours may not find IPv6 addresses here",
			p->name, strerror(-rc));
}

static int finish(struct opening *o, const struct port_wake_sockets *before)
{
	struct port *p = o->p;
	int rc = rte_eth_macaddr_get(p->id, &p->mac);

	if (rc != 0)
		return step_failed(o, rc, "name its hardware address");
	learn_rss_key(p, o->dev.hash_key_size);
	if ((rc = spread_buckets(o)) != 0)
		return rc;
	port_wake_find(p, before);
	hear_groups(o);
	log_found(p);
	return 0;
}

int port_open(struct port *p, uint16_t ethdev_id, const struct port_want *want, struct rte_mempool *rx_pool,
	char *err, size_t err_size)
{
	struct port_want exact = *want;
	struct opening o = { .p = p, .want = &exact, .pool = rx_pool, .err = err, .err_size = err_size };
	struct port_wake_sockets before;
	int rc;

	memset(p, 0, sizeof(*p));
	rc = port_fit(ethdev_id, &exact, err, err_size);
	if (rc != 0 || (rc = device_info(ethdev_id, &o.dev, p->name, err, err_size)) != 0)
		return rc;
	port_init(&o, ethdev_id);
	port_wake_survey(&before);
	if ((rc = choose(&o)) != 0 || (rc = bring_up_somehow(&o)) != 0)
		return rc;
	p->rx_offloads = o.conf.rxmode.offloads;
	p->tx_offloads = o.conf.txmode.offloads;
	if ((rc = finish(&o, &before)) != 0)
		rte_eth_dev_stop(ethdev_id);
	return rc;
}

void port_close(struct port *p)
{
	struct rte_eth_dev_info dev;
	bool plugged = rte_eth_dev_info_get(p->id, &dev) == 0;

	if (p->groups_fd >= 0)
		close(p->groups_fd);
	rte_eth_dev_stop(p->id);
	rte_eth_dev_close(p->id);
	if (plugged && dev.device != NULL)
		rte_dev_remove(dev.device);
}

/* --- redirection --- */

/* The entries of the table that are to change, in the groups of 64 that ethdev wants. */
struct reta {
	struct rte_eth_rss_reta_entry64 group[RTE_ETH_RSS_RETA_SIZE_512 / RTE_ETH_RETA_GROUP_SIZE];
};

static void reta_mark(struct reta *t, uint16_t bucket, uint16_t queue)
{
	struct rte_eth_rss_reta_entry64 *group = &t->group[bucket / RTE_ETH_RETA_GROUP_SIZE];

	group->mask |= UINT64_C(1) << (bucket % RTE_ETH_RETA_GROUP_SIZE);
	group->reta[bucket % RTE_ETH_RETA_GROUP_SIZE] = queue;
}

int port_reta_set(struct port *p, uint16_t bucket, uint16_t queue)
{
	struct reta t = { 0 };

	if (!p->rss)
		return -ENOTSUP;
	if (bucket >= p->reta_size || queue >= p->nb_rxq)
		return -EINVAL;
	reta_mark(&t, bucket, queue);
	return rte_eth_dev_rss_reta_update(p->id, t.group, p->reta_size);
}

int port_reta_set_all(struct port *p, const uint16_t *queue)
{
	struct reta t = { 0 };

	if (!p->rss)
		return -ENOTSUP;
	for (uint16_t b = 0; b < p->reta_size; b++) {
		if (queue[b] >= p->nb_rxq)
			return -EINVAL;
		reta_mark(&t, b, queue[b]);
	}
	return rte_eth_dev_rss_reta_update(p->id, t.group, p->reta_size);
}

int port_reta_get(const struct port *p, uint16_t bucket, uint16_t *queue)
{
	struct reta t = { 0 };
	int rc;

	if (!p->rss)
		return -ENOTSUP;
	if (bucket >= p->reta_size)
		return -EINVAL;
	reta_mark(&t, bucket, 0);
	rc = rte_eth_dev_rss_reta_query(p->id, t.group, p->reta_size);
	*queue = t.group[bucket / RTE_ETH_RETA_GROUP_SIZE].reta[bucket % RTE_ETH_RETA_GROUP_SIZE];
	return rc;
}
