/* SPDX-License-Identifier: BSD-3-Clause */
/* port_suspect.c - recognises a sender that leaves work to an offload which this kind of link does not have. */
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

static bool cksum_unfinished(const uint8_t *frame, uint32_t len)
{
	const struct rte_ipv4_hdr *ip4 = (const struct rte_ipv4_hdr *)(frame + RTE_ETHER_HDR_LEN);
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)(frame + RTE_ETHER_HDR_LEN);
	uint32_t hdr_len, l4_len;

	if (len < RTE_ETHER_HDR_LEN + sizeof(*ip6))
		return false;
	len -= RTE_ETHER_HDR_LEN;
	if (load_u16(frame + 12) == htobe16(RTE_ETHER_TYPE_IPV6)) {
		l4_len = be16toh(ip6->payload_len);
		return l4_cksum_unfinished((const uint8_t *)(ip6 + 1), len - (uint32_t)sizeof(*ip6),
			ip6->proto, cksum_pseudo_v6(ip6->src_addr, ip6->dst_addr, ip6->proto, l4_len));
	}
	hdr_len = (ip4->version_ihl & 15u) * 4;
	l4_len = be16toh(ip4->total_length) - hdr_len;
	if (load_u16(frame + 12) != htobe16(RTE_ETHER_TYPE_IPV4) || hdr_len < sizeof(*ip4) || hdr_len > len)
		return false;
	return l4_cksum_unfinished((const uint8_t *)ip4 + hdr_len, len - hdr_len, ip4->next_proto_id,
		cksum_pseudo_v4(ip4->src_addr, ip4->dst_addr, ip4->next_proto_id, l4_len));
}

void port_offload_suspect(struct port *p, const struct rte_mbuf *m)
{
	bool too_long = rte_pktmbuf_pkt_len(m) > p->frame_max;

	if (!too_long && !cksum_unfinished(rte_pktmbuf_mtod(m, const uint8_t *), rte_pktmbuf_data_len(m)))
		return;
	if (atomic_fetch_add_explicit(&p->suspects, 1, memory_order_relaxed) + 1 != PORT_SUSPECTS_TOLD)
		return;
	tas_log(TAS_LOG_WARNING,
		"port %s receives frames %s: the sender leaves that to its device, and a virtual link does not do it. "
		"At the other end%s%s, run: ethtool -K PEER tx off tso off gso off (PEER: the name of the interface "
		"there)",
		p->name, too_long ? "longer than the MTU" : "with unfinished checksums",
		p->iface[0] ? " of " : "", p->iface);
}
