/* SPDX-License-Identifier: BSD-3-Clause */
/* wire_odd.c - what arrives besides segments: ICMP in both families, ARP, neighbour, router and multicast
 * listener discovery, frames of any bytes. */
#include <string.h>

#include "tests/fuzz/host.h"
#include "tests/fuzz/wire.h"
#include "tests/unit/net_frames.h"

enum { L3 = 14 };

/* A segment of the host as a router quotes it; returns its length. */
static uint32_t put_quote(uint8_t *q, const struct wire_conn *c, uint32_t seq, uint8_t proto)
{
	uint32_t ip = c->v6 ? 40 : 20;

	memset(q, 0, ip + 8);
	if (c->v6) {
		q[0] = 0x60;
		put16(q + 4, 20);
		q[6] = proto;
		memcpy(q + 8, wire_addr6(WIRE_HOST), 16);
		memcpy(q + 24, wire_addr6(WIRE_PEER), 16);
	} else {
		q[0] = 0x45;
		put16(q + 2, 40);
		q[9] = proto;
		put32(q + 12, wire_addr4(WIRE_HOST));
		put32(q + 16, wire_addr4(WIRE_PEER));
	}
	put16(q + ip, c->p->local_port);
	put16(q + ip + 2, c->p->port);
	put32(q + ip + 4, seq);
	return ip + 8;
}

void wire_icmp_error(struct wire_conn *c, struct step *s)
{
	static const uint8_t types[2][4] = { { 3, 11, 12, 5 }, { 1, 2, 3, 4 } };
	struct wire_frame f;
	uint8_t *m, how, cut;
	uint32_t len;

	frame_begin(&f, c->v6, WIRE_PEER, WIRE_HOST, c->v6 ? 58 : 1, s);
	m = f.b + f.l4;
	how = step_u8(s);
	m[0] = types[c->v6][how & 3];
	m[1] = (how & 3) == 0 && how & 4 && !c->v6 ? 4 : step_u8(s) % 16;
	put16(m + 4, 0);
	put16(m + 6, step_u16(s));
	cut = step_u8(s);
	len = put_quote(m + 8, c, c->una + step_delta(s, how >> 3), how >> 5 == 7 ? 17 : 6);
	m[8] ^= cut & 0x80 ? step_u8(s) : 0;
	frame_end(&f, 8 + len - ((how >> 5) == 6 ? cut % len : 0));
}

void wire_icmp(struct wire_conn *c, struct step *s, struct input *in)
{
	struct wire_frame f;
	uint8_t addrs;

	frame_begin(&f, c->v6, WIRE_PEER, WIRE_HOST, c->v6 ? 58 : 1, s);
	addrs = step_u8(s);
	f.hops = addrs & 64 ? 255 : 64;
	f.b[f.l4] = step_u8(s);
	f.b[f.l4 + 1] = step_u8(s) & 15;
	put32(f.b + f.l4 + 4, step_u32(s));
	frame_end(&f, 8 + (uint32_t)input_bytes(in, f.b + f.l4 + 8, step_u8(s)));
}

void wire_arp(struct step *s)
{
	uint8_t b[60] = { 0 }, ends, odd;

	memcpy(b,
		"\xff\xff\xff\xff\xff\xff\x02\0\0\0\0\x02\x08\x06\0\x01\x08\0\x06\x04\0\x01\x02\0\0\0\0\x02",
		28);
	ends = step_u8(s);
	odd = step_u8(s);
	b[21] = (uint8_t)(1 + odd % 3);
	b[27] = odd & 16 ? step_u8(s) : 2;
	put32(b + 28, wire_addr4(ends));
	put32(b + 38, wire_addr4(ends >> 3));
	if (odd & 32)
		b[step_u8(s) % 42] ^= step_u8(s);
	host_give(b, odd & 64 ? 14 + step_u8(s) % 28 : 60);
}

/* --- neighbour discovery --- */

static uint32_t put_link_layer(uint8_t *o, uint8_t type, uint8_t last)
{
	memcpy(o, "\0\x01\x02\0\0\0\0\0", 8);
	o[0] = type;
	o[7] = last;
	return 8;
}

static uint32_t put_prefix(uint8_t *o, struct step *s)
{
	uint8_t how = step_u8(s);

	memset(o, 0, 32);
	o[0] = 3;
	o[1] = 4;
	o[2] = how & 7 ? 64 : step_u8(s);
	o[3] = how & 0xc0;
	put32(o + 4, how & 8 ? 0xffffffff : step_u16(s));
	put32(o + 8, how & 16 ? 0 : step_u16(s));
	memcpy(o + 16, wire_addr6(how & 32 ? WIRE_FAR : WIRE_HOST), 14);
	o[23] = how >> 3;
	return 32;
}

static uint32_t put_router(uint8_t *m, struct step *s)
{
	uint32_t n = 16;
	uint8_t with = step_u8(s);

	m[4] = 64;
	put16(m + 6, step_u16(s));
	if (with & 1)
		n += put_link_layer(m + n, 1, 2);
	if (with & 2) {
		memcpy(m + n, "\x05\x01", 2);
		put32(m + n + 4, with & 4 ? step_u16(s) : 1280);
		n += 8;
	}
	if (with & 8)
		n += put_prefix(m + n, s);
	return n;
}

/* Multicast listener discovery: a query of either version, or what another listener reports by version 1. */
static void give_mld(struct wire_frame *f, uint8_t what, uint8_t group, struct step *s, struct input *in)
{
	static const unsigned groups[] = { WIRE_NOBODY, WIRE_SOLICITED, WIRE_ALL, WIRE_FAR };
	uint8_t *m = f->b + f->l4;
	uint32_t sources = 0, len = 24;

	if (f->b[L3 + 6] == 58) {
		f->b[L3 + 6] = 0;
		memcpy(m, "\x3a\0\5\2\0\0\1\0", 8); /* a router alert */
		f->l4 += 8;
		m += 8;
	}
	m[0] = what & 4 ? 131 : 130;
	put16(m + 4, step_u16(s));
	memcpy(m + 8, wire_addr6(groups[group & 3]), 16);
	if (!(what & 8)) {
		sources = step_u8(s) & 31;
		put16(m + 26, what & 16 ? step_u16(s) : sources);
		len = 28 + (uint32_t)input_bytes(in, m + 28, 16 * sources);
	}
	frame_end(f, len);
}

void wire_nd(struct step *s, struct input *in)
{
	static const unsigned sources[] = { WIRE_PEER_LINK_LOCAL, WIRE_PEER, WIRE_NOBODY, WIRE_HOST };
	static const unsigned targets[] = { WIRE_HOST, WIRE_HOST_LINK_LOCAL, WIRE_ALL, WIRE_SOLICITED };
	uint8_t what = step_u8(s), ends = step_u8(s), flags = step_u8(s), *m;
	struct wire_frame f;
	uint32_t len = 24;

	frame_begin(&f, true, sources[ends & 3], targets[ends >> 2 & 3], 58, s);
	f.hops = (ends & 0xc0) == 0xc0 ? 64 : 255;
	if ((ends >> 2 & 3) >= 2)
		f.b[0] = f.b[1] = 0x33;
	if (what & 32) {
		f.hops = (ends & 0xc0) == 0xc0 ? 255 : 1;
		give_mld(&f, what, flags, s, in);
		return;
	}
	m = f.b + f.l4;
	m[0] = (uint8_t)(133 + (what & 3));
	m[4] = flags & 0xe0;
	if ((what & 3) == 1) {
		len = put_router(m, s);
	} else if (what & 2) {
		memcpy(m + 8, wire_addr6(flags), 16);
		if (what & 4)
			len += put_link_layer(m + len, (uint8_t)(1 + (what & 1)), what & 8 ? step_u8(s) : 2);
	}
	if (what & 16) /* options of any bytes */
		len += (uint32_t)input_bytes(in, m + len, step_u8(s) & 0x78);
	frame_end(&f, len);
}

void wire_solicited(const uint8_t *b, uint32_t len)
{
	struct wire_frame f;
	uint8_t *m;

	if (wire.silent || len < 78 || b[54] != 135 || memcmp(b + 62, wire_addr6(WIRE_HOST), 15) != 0 ||
		b[77] != 2 || memcmp(b + 22, wire_addr6(WIRE_NOBODY), 16) == 0)
		return;
	frame_begin(&f, true, WIRE_PEER, WIRE_HOST, 58, NULL);
	memcpy(f.b + 38, b + 22, 16);
	f.hops = 255;
	m = f.b + f.l4;
	m[0] = 136;
	m[4] = 0x60;
	memcpy(m + 8, b + 62, 16);
	frame_end(&f, 24 + put_link_layer(m + 24, 2, 2));
}

/* --- fragments --- */

/* The bytes [from, to) of what follows the IP header, which has no options, or extension headers. */
static void give_part(const struct wire_frame *f, uint32_t from, uint32_t to, bool last)
{
	uint8_t b[WIRE_FRAME_MAX + 8], *data = b + f->l4;

	memcpy(b, f->b, f->l4);
	if (f->v6) {
		memset(data, 0, 8);
		data[0] = b[L3 + 6];
		b[L3 + 6] = 44;
		put16(b + L3 + 4, 8 + to - from);
		put16(data + 2, from | !last);
		put16(data + 6, wire.packets);
		data += 8;
	} else {
		put16(b + L3 + 2, f->l4 - L3 + to - from);
		put16(b + L3 + 4, wire.packets);
		put16(b + L3 + 6, (last ? 0 : 0x2000u) | from / 8);
		put16(b + L3 + 10, 0);
		put16(b + L3 + 10, (uint16_t)~naive_sum(b + L3, f->l4 - L3));
	}
	memcpy(data, f->b + f->l4 + from, to - from);
	host_give(b, (uint32_t)(data - b) + to - from);
}

void wire_in_fragments(const struct wire_frame *f, uint32_t len)
{
	uint32_t unit = 8 * (1 + (f->cut & 31)), n = (len + unit - 1) / unit;
	uint32_t odd_one = f->cut >> 5 & 7, how = f->cut >> 8 & 7;

	wire.packets += how == 7 ? 0 : 1;
	for (uint32_t i = 0; i < n && n <= 16; i++) {
		uint32_t k = f->cut & 0x800 ? n - 1 - i : i, from = k * unit, to = min_u32(from + unit, len);

		if (k == odd_one && how == 1)
			continue;
		if (k == odd_one && how == 2)
			from -= from >= 8 ? 8 : 0;
		if (k == odd_one && how == 3)
			to = min_u32(to + 8, len);
		give_part(f, from, to, to == len);
		if (k == odd_one && how == 4)
			give_part(f, from, to, to == len);
	}
}

/* --- any bytes --- */

void wire_raw(struct step *s, struct input *in)
{
	uint8_t b[WIRE_FRAME_MAX] = { 0 };
	uint32_t max = step_u16(s) % WIRE_FRAME_MAX;

	memcpy(b, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	put16(b + 12, step_u8(s) & 1 ? 0x86dd : step_u16(s));
	wire_taint();
	host_give(b, 14 + (uint32_t)input_bytes(in, b + 14, min_u32(max, WIRE_FRAME_MAX - 14)));
}

void wire_packet(struct step *s, struct input *in)
{
	struct wire_frame f;
	uint8_t ends = step_u8(s), proto = step_u8(s);

	frame_begin(&f, ends & 1, ends >> 1, ends >> 4 & 8 ? ends >> 4 : WIRE_HOST,
		proto & 1 ? proto >> 1 : 6, s);
	wire_taint();
	frame_end(&f, (uint32_t)input_bytes(in, f.b + f.l4, min_u32(step_u8(s) * 4u, frame_room(&f))));
}
