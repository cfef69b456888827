/* SPDX-License-Identifier: BSD-3-Clause */
/* port_suspect.c - recognises a sender that leaves work to an offload which this kind of link does not
 * have. */
#include <netinet/in.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "fastpath/port.h"
#include "include/base/log.h"
#include "include/net/bytes.h"
#include "include/net/cksum.h"

/* The checksum field of TCP or UDP holds the sum of the pseudo-header: what a kernel leaves there for a
 * device to complete. By accident one frame in 65536 looks so. */
static bool l4_cksum_unfinished(const uint8_t *l4, uint32_t len, uint8_t proto, uint32_t pseudo)
{
	uint32_t at = proto == IPPROTO_TCP ? 16 : 6;

	if ((proto != IPPROTO_TCP && proto != IPPROTO_UDP) || len < at + 2)
		return false;
	return load_u16(l4 + at) == cksum_fold(pseudo);
}

static bool cksum_unfinished_v4(const uint8_t *l3, uint32_t len)
{
	const struct rte_ipv4_hdr *ip = (const struct rte_ipv4_hdr *)l3;
	uint32_t hdr_len;

	if (len < sizeof(*ip))
		return false;
	hdr_len = (ip->version_ihl & 15u) * 4;
	if (hdr_len < sizeof(*ip) || hdr_len > len)
		return false;
	return l4_cksum_unfinished(l3 + hdr_len, len - hdr_len, ip->next_proto_id,
		cksum_pseudo_v4(ip->src_addr, ip->dst_addr, ip->next_proto_id,
			be16toh(ip->total_length) - hdr_len));
}

static bool cksum_unfinished_v6(const uint8_t *l3, uint32_t len)
{
	const struct rte_ipv6_hdr *ip = (const struct rte_ipv6_hdr *)l3;

	if (len < sizeof(*ip))
		return false;
	return l4_cksum_unfinished(l3 + sizeof(*ip), len - (uint32_t)sizeof(*ip), ip->proto,
		cksum_pseudo_v6(ip->src_addr, ip->dst_addr, ip->proto, be16toh(ip->payload_len)));
}

static bool cksum_unfinished(const uint8_t *frame, uint32_t len)
{
	uint16_t type;

	if (len < RTE_ETHER_HDR_LEN)
		return false;
	type = be16toh(load_u16(frame + RTE_ETHER_HDR_LEN - 2));
	frame += RTE_ETHER_HDR_LEN;
	len -= RTE_ETHER_HDR_LEN;
	return (type == RTE_ETHER_TYPE_IPV4 && cksum_unfinished_v4(frame, len)) ||
		(type == RTE_ETHER_TYPE_IPV6 && cksum_unfinished_v6(frame, len));
}

void port_offload_suspect(struct port *p, const struct rte_mbuf *m)
{
	bool too_long = rte_pktmbuf_pkt_len(m) > p->frame_max;

	if (!too_long && !cksum_unfinished(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m)))
		return;
	if (atomic_fetch_add_explicit(&p->suspects, 1, memory_order_relaxed) + 1 != PORT_SUSPECTS_TOLD)
		return;
	tas_log(TAS_LOG_WARNING,
		"port %s receives frames %s: the sender leaves that to its device, and a virtual link does "
		"not do it. At the other end%s%s, run: ethtool -K PEER tx off tso off gso off (PEER: the "
		"name of the interface there)",
		p->name, too_long ? "longer than the MTU" : "with unfinished checksums",
		p->iface[0] ? " of " : "", p->iface);
}
