/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_pseg.h - segments as the independent peer reads and writes them: byte by byte from RFC 791, 9293, 7323
 * and 2018, with nothing of include/net, so that a mistake there is not made twice. */
#ifndef TAS_SIM_PSEG_H
#define TAS_SIM_PSEG_H

#include <stdbool.h>
#include <stdint.h>

enum { PSEG_FIN = 1, PSEG_SYN = 2, PSEG_RST = 4, PSEG_PSH = 8, PSEG_ACK = 16, PSEG_URG = 32 };
enum { PSEG_FRAME_MAX = 9100, PSEG_SACKS = 3 };

/* Numbers in host order. */
struct pseg {
	uint32_t src, dst; /* of IPv4; of IPv6 the last four bytes, behind fd00:: */
	bool v6;
	uint16_t sport, dport;
	uint32_t seq, ack;
	uint16_t wnd, urgent;
	uint8_t flags;
	uint16_t mss; /* 0: none */
	int wscale;   /* -1: none */
	bool sack_ok, has_ts;
	uint32_t ts_val, ts_ecr;
	unsigned nsack;
	uint32_t sack[PSEG_SACKS][2];
	bool strange; /* write: an option nobody knows, and padding, before the others */
	const uint8_t *payload;
	uint32_t len;
};

/* False if the frame is not IPv4 or IPv6 and TCP, or not sound. */
bool pseg_read(const uint8_t *frame, uint32_t frame_len, struct pseg *s);
/* The length of the frame. */
uint32_t pseg_write(uint8_t *frame, const struct pseg *s, const uint8_t src_mac[6], const uint8_t dst_mac[6]);

/* The ones' complement sum of what is here and `s` (RFC 1071, the slow way), in 16 bits. */
uint32_t pseg_sum(const uint8_t *p, uint32_t len, uint32_t s);

/* The answer to an ARP request or a neighbour solicitation for `ip`, or its length 0. Room for 86 bytes. */
uint32_t parp_answer(uint8_t *answer, const uint8_t *frame, uint32_t frame_len, uint32_t ip,
	const uint8_t mac[6]);

#endif
