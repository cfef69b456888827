/* SPDX-License-Identifier: BSD-3-Clause */
/* arp.c - see arp.h. */
#include "include/net/arp.h"

#include <string.h>

#include "include/net/bytes.h"

/* May a host have this IP address? 0.0.0.0 passes: it asks without having one yet. */
static bool arp_sender_ip_possible(uint32_t ip_be)
{
	uint8_t first = (uint8_t)(be32toh(ip_be) >> 24);

	return first < 0xe0 && first != 127;
}

bool arp_parse(const uint8_t *frame, uint32_t len, struct arp_pkt *out)
{
	const struct rte_ether_hdr *eth = (const struct rte_ether_hdr *)frame;
	const struct rte_arp_hdr *arp = (const struct rte_arp_hdr *)(eth + 1);
	struct arp_pkt a;

	if (len < ARP_FRAME_LEN || eth->ether_type != htobe16(RTE_ETHER_TYPE_ARP))
		return false;
	if (arp->arp_hardware != htobe16(RTE_ARP_HRD_ETHER) ||
		arp->arp_protocol != htobe16(RTE_ETHER_TYPE_IPV4) || arp->arp_hlen != RTE_ETHER_ADDR_LEN ||
		arp->arp_plen != sizeof(uint32_t))
		return false;
	a = (struct arp_pkt){
		.op = be16toh(arp->arp_opcode),
		.sender_mac = arp->arp_data.arp_sha,
		.target_mac = arp->arp_data.arp_tha,
		.sender_ip = arp->arp_data.arp_sip,
		.target_ip = arp->arp_data.arp_tip,
	};
	if ((a.op != RTE_ARP_OP_REQUEST && a.op != RTE_ARP_OP_REPLY) ||
		!rte_is_unicast_ether_addr(&a.sender_mac) || rte_is_zero_ether_addr(&a.sender_mac) ||
		!arp_sender_ip_possible(a.sender_ip))
		return false;
	*out = a;
	return true;
}

static uint32_t arp_write(uint8_t *buf, uint32_t size, const struct rte_ether_addr *to,
	const struct arp_pkt *a)
{
	struct rte_ether_hdr *eth = (struct rte_ether_hdr *)buf;
	struct rte_arp_hdr *arp = (struct rte_arp_hdr *)(eth + 1);

	if (size < ARP_FRAME_LEN)
		return 0;
	eth->dst_addr = *to;
	eth->src_addr = a->sender_mac;
	eth->ether_type = htobe16(RTE_ETHER_TYPE_ARP);
	*arp = (struct rte_arp_hdr){
		.arp_hardware = htobe16(RTE_ARP_HRD_ETHER),
		.arp_protocol = htobe16(RTE_ETHER_TYPE_IPV4),
		.arp_hlen = RTE_ETHER_ADDR_LEN,
		.arp_plen = sizeof(uint32_t),
		.arp_opcode = htobe16(a->op),
		.arp_data = {
			.arp_sha = a->sender_mac,
			.arp_sip = a->sender_ip,
			.arp_tha = a->target_mac,
			.arp_tip = a->target_ip,
		},
	};
	return ARP_FRAME_LEN;
}

static const struct rte_ether_addr arp_everyone = { .addr_bytes = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } };

uint32_t arp_write_request(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac, uint32_t my_ip,
	const struct rte_ether_addr *to, uint32_t target_ip)
{
	struct arp_pkt a = { .op = RTE_ARP_OP_REQUEST,
		.sender_mac = *my_mac,
		.sender_ip = my_ip,
		.target_ip = target_ip };

	return arp_write(buf, size, to != NULL ? to : &arp_everyone, &a);
}

uint32_t arp_write_reply(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac, uint32_t my_ip,
	const struct rte_ether_addr *to_mac, uint32_t to_ip)
{
	struct arp_pkt a = { .op = RTE_ARP_OP_REPLY,
		.sender_mac = *my_mac,
		.sender_ip = my_ip,
		.target_mac = *to_mac,
		.target_ip = to_ip };

	return arp_write(buf, size, to_mac, &a);
}

uint32_t arp_write_gratuitous(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	uint32_t my_ip)
{
	return arp_write_request(buf, size, my_mac, my_ip, NULL, my_ip);
}
