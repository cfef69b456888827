/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_router.h"

#include <string.h>

#include "tests/sim/sim_pseg.h"

enum { ETH = 14, IP4 = 20, IP6 = 40, ICMP = 8, QUOTE4_OLD = IP4 + 8, QUOTE4 = 576 - IP4 - ICMP };

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* From 10.0.0.254. */
static uint32_t needs_fragments(uint8_t *ip, const uint8_t *packet, uint32_t len, uint32_t mtu, bool old)
{
	static const uint8_t own[] = { 10, 0, 0, 254 };
	uint32_t quoted = least(len, old ? QUOTE4_OLD : QUOTE4), total = IP4 + ICMP + quoted;
	uint8_t *icmp = ip + IP4;

	ip[0] = 0x45;
	put16(ip + 2, total);
	ip[8] = 64;
	ip[9] = 1;
	memcpy(ip + 12, own, sizeof(own));
	memcpy(ip + 16, packet + 12, 4);
	put16(ip + 10, ~pseg_sum(ip, IP4, 0));
	icmp[0] = 3;
	icmp[1] = 4;
	put16(icmp + 6, old ? 0 : mtu);
	memcpy(icmp + ICMP, packet, quoted);
	put16(icmp + 2, ~pseg_sum(icmp, ICMP + quoted, 0));
	return total;
}

/* From fd00::10.0.0.254. */
static uint32_t is_too_big(uint8_t *ip, const uint8_t *packet, uint32_t len, uint32_t mtu)
{
	static const uint8_t own[16] = { 0xfd, [12] = 10, 0, 0, 254 };
	uint32_t quoted = least(len, 1280 - IP6 - ICMP), size = ICMP + quoted;
	uint8_t *icmp = ip + IP6;

	ip[0] = 0x60;
	put16(ip + 4, size);
	ip[6] = 58;
	ip[7] = 64;
	memcpy(ip + 8, own, sizeof(own));
	memcpy(ip + 24, packet + 8, 16);
	icmp[0] = 2;
	put16(icmp + 6, mtu);
	memcpy(icmp + ICMP, packet, quoted);
	put16(icmp + 2, ~pseg_sum(icmp, size, pseg_sum(ip + 8, 32, 58 + size)));
	return IP6 + size;
}

uint32_t router_too_big(uint8_t *out, const uint8_t *frame, uint32_t len, uint32_t mtu, bool old)
{
	static const uint8_t own[] = { 2, 0, 0, 0, 0, 254 };
	const uint8_t *packet = frame + ETH;

	memset(out, 0, ROUTER_FRAME_MAX);
	memcpy(out, frame + 6, 6);
	memcpy(out + 6, own, sizeof(own));
	memcpy(out + 12, frame + 12, 2);
	if (packet[0] >> 4 == 6)
		return ETH + is_too_big(out + ETH, packet, len - ETH, mtu);
	return ETH + needs_fragments(out + ETH, packet, len - ETH, mtu, old);
}
