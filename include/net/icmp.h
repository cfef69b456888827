/* SPDX-License-Identifier: BSD-3-Clause */
/* icmp.h - ICMP for IPv4 (RFC 792, RFC 1122 3.2.2): echo, unreachable, and what an error says about a
 * connection.
 * Guarantee: reads only what it is given the length of, and checks every length itself, whether or not
 * pkt_parse() saw the frame. Keeps no state: rate limits and whether to believe an error (is its sequence
 * number in flight?) are the caller's. Frames must be aligned to 2 bytes, as mbufs are. */
#ifndef TAS_NET_ICMP_H
#define TAS_NET_ICMP_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "include/net/flow_key.h"
#include "include/net/seq.h"

enum icmp_type {
	ICMP4_ECHO_REPLY = 0,
	ICMP4_UNREACHABLE = 3,
	ICMP4_REDIRECT = 5,
	ICMP4_ECHO_REQUEST = 8,
	ICMP4_TIME_EXCEEDED = 11,
	ICMP4_PARAMETER_PROBLEM = 12,
};

/* Codes of ICMP4_UNREACHABLE (RFC 792, RFC 1122 3.2.2.1). */
enum icmp_unreachable {
	ICMP4_NET_UNREACHABLE = 0,
	ICMP4_HOST_UNREACHABLE = 1,
	ICMP4_PROTOCOL_UNREACHABLE = 2,
	ICMP4_PORT_UNREACHABLE = 3,
	ICMP4_FRAGMENTATION_NEEDED = 4,
	ICMP4_ADMIN_PROHIBITED = 13,
};

enum { ICMP4_REASSEMBLY_TIME = 1 };                /* code of ICMP4_TIME_EXCEEDED */
enum { ICMP_ERROR_MAX = RTE_ETHER_HDR_LEN + 576 }; /* the longest error written (RFC 1812 4.3.2.3) */

/* An error about a TCP segment of ours. */
struct icmp_error {
	struct flow_key key; /* local: the source of the segment in question, us */
	tcp_seq seq;         /* of that segment */
	uint16_t mtu;        /* of FRAGMENTATION_NEEDED; 0: an old router does not say (RFC 1191 5);
		       * of ICMP6_TOO_BIG */
	uint8_t type, code;  /* with v6 as ICMPv6 numbers them (icmp6.h) */
	bool v6;
};

/* Turns an echo request to us into its reply, in place, and returns the length of the frame to send; 0 if the
 * frame is anything else, is not to be answered (to or from a group address), or its checksum is wrong. IP
 * options are left out, and padding behind the packet is cut off. */
uint32_t icmp_echo_reply(uint8_t *frame, uint32_t len);

/* Writes to buf (not overlapping frame) the error that `frame`, received by us, is answered by, from its
 * destination to its source. mtu counts with ICMP4_FRAGMENTATION_NEEDED only. Returns its length, at most
 * ICMP_ERROR_MAX; 0 if size is too small or RFC 1122 3.2.2 forbids one: about an ICMP error, a later
 * fragment, group or unspecified addresses. */
uint32_t icmp_write_unreachable(uint8_t *buf, uint32_t size, uint8_t code, uint16_t mtu, const uint8_t *frame,
	uint32_t len);

/* The same for a first fragment whose packet did not become whole in time (RFC 792, RFC 1122 3.3.2). */
uint32_t icmp_write_late(uint8_t *buf, uint32_t size, const uint8_t *frame, uint32_t len);

/* The ICMP message icmp[0..len) (as seg.payload_off and payload_len of a PKT_ICMP have it): true if it is an
 * error about a TCP segment with at least its ports and sequence number. The checksum is not looked at again.
 */
bool icmp_error_parse(const uint8_t *icmp, uint32_t len, struct icmp_error *out);

#endif
