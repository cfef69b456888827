/* SPDX-License-Identifier: BSD-3-Clause */
/* arp.h - ARP for IPv4 over Ethernet (RFC 826), read and written.
 * Guarantee: reads only frame[0..len), writes only buf[0..size). Keeps no state: what to believe is the
 * neighbour table's to decide. Addresses in network byte order. Frames must be aligned to 2 bytes, as mbufs
 * are. */
#ifndef TAS_NET_ARP_H
#define TAS_NET_ARP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_arp.h>
#include <rte_ether.h>

struct arp_pkt {
	uint16_t op; /* RTE_ARP_OP_*, host order */
	struct rte_ether_addr sender_mac, target_mac;
	uint32_t sender_ip, target_ip; /* network byte order */
};

enum { ARP_FRAME_LEN = sizeof(struct rte_ether_hdr) + sizeof(struct rte_arp_hdr) };

/* True if the frame is a request or a reply for IPv4 over Ethernet from a sender that can exist: its hardware
 * address is neither a group's nor zero, its IP address not multicast or broadcast (0.0.0.0 is a probe, RFC
 * 5227 1.1). */
bool arp_parse(const uint8_t *frame, uint32_t len, struct arp_pkt *out);

/* Announces its sender's own address: a request or reply with equal sender and target (RFC 5227 1.1, RFC
 * 826). */
static inline bool arp_is_gratuitous(const struct arp_pkt *a) { return a->sender_ip == a->target_ip; }

/* Each writes a frame of ARP_FRAME_LEN bytes and returns that, or 0 if size is less. The driver pads it to
 * Ethernet's minimum. */

/* Who has target_ip? Tell my_ip at my_mac. To everyone, or to one host whose address is only to be confirmed
 * (to not NULL, RFC 1122 2.3.2.1). */
uint32_t arp_write_request(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac, uint32_t my_ip,
	const struct rte_ether_addr *to, uint32_t target_ip);
/* my_ip is at my_mac: an answer to one host. */
uint32_t arp_write_reply(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac, uint32_t my_ip,
	const struct rte_ether_addr *to_mac, uint32_t to_ip);
/* my_ip is at my_mac: an announcement to everyone (RFC 5227 2.3: a request with both addresses equal). */
uint32_t arp_write_gratuitous(uint8_t *buf, uint32_t size, const struct rte_ether_addr *my_mac,
	uint32_t my_ip);

#endif
