/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp6.h - ICMP for IPv6 (RFC 4443): echo, errors, and what an error says about a connection.
 * Guarantee: as icmp.h. Echo requests are answered in place; extension headers between the IPv6 header and
 * ICMP are left out of the answer. Neighbour discovery is in nd.h. */
#ifndef TAS_NET_ICMP6_H
#define TAS_NET_ICMP6_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_ip.h>

#include "include/net/icmp.h"
#include "include/net/seg.h"

enum icmp6_type {
	ICMP6_UNREACHABLE = 1,
	ICMP6_TOO_BIG = 2,
	ICMP6_TIME_EXCEEDED = 3,
	ICMP6_PARAMETER_PROBLEM = 4,
	ICMP6_ECHO_REQUEST = 128,
	ICMP6_ECHO_REPLY = 129,
	ICMP6_MLD_QUERY = 130,
	ICMP6_MLD_REPORT = 131, /* these two of version 1 */
	ICMP6_MLD_DONE = 132,
	ICMP6_ROUTER_SOLICITATION = 133,
	ICMP6_ROUTER_ADVERTISEMENT = 134,
	ICMP6_SOLICITATION = 135,
	ICMP6_ADVERTISEMENT = 136,
	ICMP6_MLD2_REPORT = 143,
};

enum icmp6_code {
	ICMP6_NO_ROUTE = 0, /* of UNREACHABLE */
	ICMP6_PROHIBITED = 1,
	ICMP6_BEYOND_SCOPE = 2,
	ICMP6_ADDRESS_UNREACHABLE = 3,
	ICMP6_PORT_UNREACHABLE = 4,
	ICMP6_POLICY = 5,
	ICMP6_ROUTE_REJECTED = 6,
	ICMP6_UNKNOWN_NEXT_HEADER = 1, /* of PARAMETER_PROBLEM */
	ICMP6_UNKNOWN_OPTION = 2,
	ICMP6_REASSEMBLY_TIME = 1, /* of TIME_EXCEEDED */
};

enum {
	IP6_MTU_MIN = 1280, /* every link carries so much (RFC 8200 5) */
	ICMP6_HDR_LEN = 8,
	ICMP6_ERROR_MAX = RTE_ETHER_HDR_LEN + IP6_MTU_MIN, /* no error is longer (RFC 4443 2.4 (c)) */
};

/* The Ethernet and IPv6 headers before an ICMPv6 message. */
struct icmp6_to {
	struct rte_ether_addr src_mac, dst_mac;
	struct net_addr src, dst;
	uint8_t hops, tclass;
};

/* Writes the headers before the icmp_len bytes at frame + 54, and their checksum. Returns the frame's length.
 */
uint32_t icmp6_finish(uint8_t *frame, const struct icmp6_to *to, uint32_t icmp_len);

/* A PKT_ICMP6, an echo request to one host, as pkt_parse() left it, becomes its reply. Returns the length; 0
 * if it is not to be answered. */
uint32_t icmp6_echo_reply(uint8_t *frame, const struct seg *seg);

/* Writes to buf the error about a frame that one host sent to one host; `value` is the second word, a pointer
 * or an MTU. 0 if size is too small or RFC 4443 2.4 (e) forbids one. */
uint32_t icmp6_write_error(uint8_t *buf, uint32_t size, uint8_t type, uint8_t code, uint32_t value,
	const uint8_t *frame, uint32_t len);

/* As icmp_error_parse(). out->mtu of ICMP6_TOO_BIG is at most 65535 and may be less than 1280. */
bool icmp6_error_parse(const uint8_t *icmp, uint32_t len, struct icmp_error *out);

#endif
