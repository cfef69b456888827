/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/host.h"
#include "tests/unit/net_frames.h"

enum { L3 = 14, FIRST_PORT = 50000, FIRST_SEQ = 0x10000 };
enum { BAD_CHECKSUM = 1, BAD_LENGTH = 2, BAD_HEADER_CHECKSUM = 4 };

struct wire wire;

static void on_frame(const uint8_t *b, uint32_t len);

void wire_begin(void)
{
	memset(&wire, 0, sizeof(wire));
	for (unsigned i = 0; i < WIRE_CONNS; i++) {
		struct wire_conn *c = &wire.conn[i];

		*c = (struct wire_conn){ .v6 = i % 2 != 0 };
		c->p = peer_new(.port = (uint16_t)(FIRST_PORT + i), .irs = 0u - FIRST_SEQ * i - 300);
		c->p->local_port = AT_HAND_PORT;
		c->seq = c->try_irs = c->p->irs;
	}
	rig.tap = on_frame;
}

void wire_end(void) { wire.silent = false; }

void wire_taint(void)
{
	for (unsigned i = 0; i < WIRE_CONNS; i++)
		wire.conn[i].tainted = true;
}

/* --- addresses and headers --- */

uint32_t wire_addr4(unsigned which)
{
	static const uint32_t addr[] = { 0x0a000001, 0x0a000002, 0x0a0000ff, 0xffffffff, 0xe0000001, 0,
		0xc0000209, 0x0a000003 };

	return addr[which % ARRAY_LEN(addr)];
}

const uint8_t *wire_addr6(unsigned which)
{
	static const uint8_t addr[][16] = {
		{ 0xfd, [15] = 1 },
		{ 0xfd, [15] = 2 },
		{ 0xfe, 0x80, [15] = 2 },
		{ 0xfe, 0x80, [11] = 0xff, 0xfe, 0, 0, 1 },
		{ 0xff, 2, [15] = 1 },
		{ 0xff, 2, [11] = 1, 0xff, 0, 0, 1 },
		{ 0 },
		{ 0x20, 1, 0xd, 0xb8, [15] = 7 },
	};

	return addr[which % ARRAY_LEN(addr)];
}

/* One extension header before the others, of `words` times 8 bytes; returns its type. */
static uint8_t extension(struct wire_frame *f, uint8_t type, uint8_t next, struct step *s)
{
	uint8_t words = step_u8(s) % 3, *e = f->b + f->l4;
	uint32_t len = type == 44 ? 8 : 8 + 8u * words;

	memset(e, 0, len);
	e[0] = next;
	e[1] = type == 44 ? 0 : words;
	if (type == 44) {
		put16(e + 2, step_u8(s) & 1 ? step_u16(s) : 0); /* else an atomic one */
	} else {
		e[2] = step_u8(s); /* an option's type, or the kind of routing */
		e[3] = type == 43 ? step_u8(s) : (uint8_t)(len - 4);
	}
	f->l4 += len;
	return type;
}

static void headers_v6(struct wire_frame *f, unsigned src, unsigned dst, uint8_t odd, struct step *s)
{
	static const uint8_t types[] = { 0, 43, 44, 60 };
	uint8_t *ip = f->b + L3;

	put16(f->b + 12, 0x86dd);
	put32(ip, 0x60000000 | (uint32_t)(odd >> 4 & 3) << 20);
	ip[6] = f->proto;
	memcpy(ip + 8, wire_addr6(src), 16);
	memcpy(ip + 24, wire_addr6(dst), 16);
	f->l4 = L3 + 40;
	if ((odd & 15) >= 8 && (odd & 15) < 12)
		ip[6] = extension(f, types[odd & 3], f->proto, s);
	if ((odd & 15) == 12) { /* two of them */
		uint8_t second = types[step_u8(s) & 3];

		ip[6] = extension(f, 60, second, s);
		extension(f, second, f->proto, s);
	}
}

static void headers_v4(struct wire_frame *f, unsigned src, unsigned dst, uint8_t odd, struct step *s)
{
	uint8_t *ip = f->b + L3;
	uint32_t opts = 0;

	put16(f->b + 12, 0x0800);
	if ((odd & 15) >= 8 && (odd & 15) < 10) {
		opts = 4u * (step_u8(s) % 11);
		memset(ip + 20, odd & 1 ? step_u8(s) : 1, opts);
	}
	ip[0] = (uint8_t)(0x45 + opts / 4);
	ip[1] = odd >> 4 & 3;
	put16(ip + 6, (odd & 15) == 12 ? step_u16(s) : 0x4000);
	ip[9] = f->proto;
	put32(ip + 12, wire_addr4(src));
	put32(ip + 16, wire_addr4(dst));
	f->l4 = L3 + 20 + opts;
}

void frame_begin(struct wire_frame *f, bool v6, unsigned src, unsigned dst, uint8_t proto, struct step *s)
{
	struct step none = { .at = STEP_LEN };
	uint8_t odd = s != NULL ? step_u8(s) : 0;

	memset(f, 0, sizeof(*f));
	f->v6 = v6;
	f->proto = proto;
	f->hops = 64;
	memcpy(f->b, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	switch (odd & 15) {
	case 13: f->bad = BAD_LENGTH; break;
	case 14: f->bad = BAD_CHECKSUM; break;
	case 15: dst = odd >> 6 ? dst : WIRE_ALL; break;
	default: break;
	}
	if (odd >> 6 == 3 && (odd & 15) > 12)
		f->b[0] = 0x33;
	(v6 ? headers_v6 : headers_v4)(f, src, dst, odd, s != NULL ? s : &none);
	if ((odd & 15) == 7 && s != NULL)
		f->cut = 0x10000u | step_u16(s);
}

static uint16_t l4_sum(const struct wire_frame *f, uint32_t len)
{
	uint8_t pseudo[40 + WIRE_FRAME_MAX] = { 0 };
	bool plain = f->proto == 1;

	if (!plain) {
		memcpy(pseudo, f->b + L3 + (f->v6 ? 8 : 12), f->v6 ? 32 : 8);
		pseudo[35] = f->proto;
		put32(pseudo + 36, len);
	}
	memcpy(pseudo + 40, f->b + f->l4, len);
	return naive_sum(pseudo, 40 + len);
}

void frame_end(struct wire_frame *f, uint32_t len)
{
	uint32_t at = f->l4 + (f->proto == 6 ? 16 : 2), ip_len = f->l4 - L3 + len;

	if (f->proto == 6 || f->proto == 1 || f->proto == 58) {
		put16(f->b + at, 0);
		put16(f->b + at, (uint16_t)~l4_sum(f, len) ^ (f->bad & BAD_CHECKSUM ? 0x100 : 0));
	}
	if (f->bad & BAD_LENGTH)
		ip_len += f->b[L3 + 5] ^ f->b[f->l4] ^ 0x1f;
	if (f->v6) {
		put16(f->b + L3 + 4, ip_len - 40);
		f->b[L3 + 7] = f->hops;
	} else {
		put16(f->b + L3 + 2, ip_len);
		f->b[L3 + 8] = f->hops;
		put16(f->b + L3 + 10, 0);
		put16(f->b + L3 + 10, (uint16_t)~naive_sum(f->b + L3, (f->b[L3] & 15u) * 4));
	}
	if (f->cut != 0)
		wire_in_fragments(f, len);
	else
		host_give(f->b, f->l4 + len);
}

/* --- segments --- */

static uint32_t clock_ms(void) { return (uint32_t)(rig.now / NS_PER_MS) + 1000; }

static uint32_t put_ts(uint8_t *o, const struct wire_conn *c, uint32_t late)
{
	memcpy(o, "\x01\x01\x08\x0a", 4);
	put32(o + 4, clock_ms() - late);
	put32(o + 8, c->p->ts_ecr);
	return 12;
}

/* Timestamps where they were agreed on. */
static uint32_t put_usual(uint8_t *o, const struct wire_conn *c)
{
	return c->p->ts_ecr != 0 ? put_ts(o, c, 0) : 0;
}

static uint32_t put_sack(uint8_t *o, const struct wire_conn *c, unsigned blocks, struct step *s)
{
	memcpy(o, "\x01\x01\x05", 3);
	o[3] = (uint8_t)(2 + 8 * blocks);
	for (unsigned i = 0; i < blocks; i++) {
		uint32_t left = c->una + (uint32_t)(int8_t)step_u8(s) * 724;

		put32(o + 4 + 8 * i, left);
		put32(o + 8 + 8 * i, left + step_u8(s) * 181u);
	}
	return 4 + 8 * blocks;
}

static uint32_t put_syn_opts(uint8_t *o, const struct wire_conn *c, uint8_t which)
{
	uint32_t n = 0;

	if (which & 1)
		memcpy(o, which & 32 ? "\x02\x04\0\x40" : "\x02\x04\x05\xb4", n = 4);
	if (which & 2)
		n += put_ts(o + n, c, 0);
	if (which & 4)
		memcpy(o + n, "\x01\x01\x04\x02", 4), n += 4;
	if (which & 8)
		memcpy(o + n, which & 16 ? "\x01\x03\x03\x0f" : "\x01\x03\x03\x07", 4), n += 4;
	return n;
}

static uint32_t put_opts(uint8_t *o, const struct wire_conn *c, uint8_t how, struct step *s)
{
	uint32_t n = 0;

	switch (how & 7) {
	case 0: return how == 0xf8 ? 0 : put_usual(o, c);
	case 1: return put_usual(o, c);
	case 2: n = put_usual(o, c); return n + put_sack(o + n, c, 1 + (how >> 3) % 3, s);
	case 3: return put_sack(o, c, 1 + (how >> 3) % 4, s);
	case 4: return put_syn_opts(o, c, how >> 3);
	case 5: return put_ts(o, c, how >> 3);
	case 6: return put_ts(o, c, 0u - (uint32_t)(how >> 3) * 1000);
	default:
		for (; n < 4u * (1 + (how >> 3) % 10); n++)
			o[n] = s->at < STEP_LEN ? step_u8(s) : (uint8_t)(n % 3);
		return n;
	}
}

struct wire_seg {
	uint32_t seq, ack, len;
	uint8_t flags;
	uint16_t wnd;
};

static uint32_t put_segment(struct wire_frame *f, const struct wire_conn *c, const struct wire_seg *w,
	uint32_t opts)
{
	uint8_t *t = f->b + f->l4;
	uint32_t hdr = 20 + opts, len = min_u32(w->len, frame_room(f) - hdr);
	uint32_t first = w->seq + ((w->flags & SYN) != 0) - c->p->irs - 1;

	put16(t, c->p->port);
	put16(t + 2, c->p->local_port);
	put32(t + 4, w->seq);
	put32(t + 8, w->ack);
	t[12] = (uint8_t)(hdr / 4 << 4);
	t[13] = w->flags;
	put16(t + 14, w->wnd);
	for (uint32_t i = 0; i < len; i++)
		t[hdr + i] = peer_byte((uint32_t)(first + i));
	if (getenv("RIG_TRACE") != NULL)
		fprintf(stderr, "%10.6f > %u flags %02x seq %u ack %u len %u wnd %u\n", (double)rig.now / 1e9,
			c->p->port, w->flags, w->seq - c->p->irs, w->ack - c->p->iss, len, w->wnd);
	return hdr + len;
}

void wire_syn(struct wire_conn *c, struct step *s)
{
	struct wire_frame f;
	struct wire_seg w = { .wnd = 0xffff, .flags = SYN };
	uint8_t how;
	uint32_t opts;

	frame_begin(&f, c->v6, WIRE_PEER, WIRE_HOST, 6, s);
	how = step_u8(s);
	if (c->active) {
		w.seq = c->p->irs, w.ack = c->nxt, w.flags = how & 64 ? SYN : SYN | ACK;
		c->seq = c->p->irs + 1;
	} else {
		c->try_irs = c->seq + step_delta(s, how >> 6) + (how & 64 ? 70000 : 0);
		w.seq = c->try_irs;
	}
	w.flags |= step_u8(s) & (ECE | CWR);
	opts = put_syn_opts(f.b + f.l4 + 20, c, how);
	frame_end(&f, put_segment(&f, c, &w, opts));
}

/* Most that come are plain; others have any flags. */
static uint8_t flags_of(uint8_t f)
{
	if (f >= 0xc0)
		return (uint8_t)(f * 37);
	return (uint8_t)(ACK | (f & PSH) | ((f & 7) == 1 ? FIN : 0) | ((f & 0x30) == 0x30 ? ECE : 0));
}

void wire_segment(struct wire_conn *c, struct step *s)
{
	static const uint8_t seq_modes[] = { 0, 0, 0, 0, 1, 2, 2, 3 },
			     ack_modes[] = { 0, 0, 0, 1, 1, 2, 2, 3 };
	struct wire_frame f;
	struct wire_seg w = { 0 };
	uint32_t opts, delta;
	uint8_t mode, len;

	frame_begin(&f, c->v6, WIRE_PEER, WIRE_HOST, 6, s);
	mode = step_u8(s);
	w.flags = flags_of(step_u8(s));
	len = step_u8(s);
	w.len = len & 0x80 ? 1460u - (len & 0x7f) : len;
	delta = step_delta(s, seq_modes[mode & 7]);
	w.seq = c->seq + delta;
	w.ack = (mode & 64 ? c->una : c->nxt) + step_delta(s, ack_modes[mode >> 3 & 7]);
	w.wnd = step_u16(s);
	opts = put_opts(f.b + f.l4 + 20, c, step_u8(s), s);
	if (opts + w.len > 1460)
		w.len = 1460 - opts;
	if (delta == 0 && (mode & 128) == 0)
		c->seq += w.len + ((w.flags & FIN) != 0);
	c->una = w.ack;
	frame_end(&f, put_segment(&f, c, &w, opts));
}

static uint32_t put_good(struct wire_frame *f, struct wire_conn *c, struct step *s)
{
	uint8_t len, wnd;
	struct wire_seg w = { .flags = ACK, .seq = c->seq, .ack = c->nxt };

	len = step_u8(s);
	wnd = step_u8(s);
	w.len = len & 0x80 ? 1448u - 11 * (len & 0x7f) : len;
	w.wnd = wnd == 0 ? 0xffff : (uint16_t)(wnd << 6);
	c->seq += w.len;
	c->una = c->nxt;
	return put_segment(f, c, &w, put_usual(f->b + f->l4 + 20, c));
}

void wire_good(struct wire_conn *c, struct step *s)
{
	struct wire_frame f;

	frame_begin(&f, c->v6, WIRE_PEER, WIRE_HOST, 6, s);
	frame_end(&f, put_good(&f, c, s));
}

void wire_mangled(struct wire_conn *c, struct step *s)
{
	struct wire_frame f;
	uint32_t len;

	frame_begin(&f, c->v6, WIRE_PEER, WIRE_HOST, 6, s);
	len = put_good(&f, c, s);
	c->tainted = true;
	for (unsigned i = 0; i < 4; i++) {
		uint8_t at = step_u8(s);

		f.b[L3 + at % (f.l4 - L3 + 32)] ^= step_u8(s);
	}
	frame_end(&f, len);
}

void wire_open(struct wire_conn *c)
{
	struct step s = { .b = { 0, 15 } }, ack = { .at = 0 };

	wire_syn(c, &s);
	rig_run();
	wire_good(c, &ack);
	rig_run();
}

/* --- what the host sends --- */

static struct wire_conn *conn_of_frame(bool v6, const uint8_t *tcp)
{
	for (unsigned i = 0; i < WIRE_CONNS; i++) {
		struct wire_conn *c = &wire.conn[i];

		if (c->v6 == v6 && c->p->port == get16(tcp + 2) && c->p->local_port == get16(tcp))
			return c;
	}
	return NULL;
}

static void syn_seen(struct wire_conn *c, const uint8_t *tcp)
{
	struct peer *p = c->p;

	p->iss = get32(tcp + 4);
	c->una = p->iss;
	c->nxt = p->iss + 1;
	if (!(tcp[13] & ACK) || get32(tcp + 8) != c->try_irs + 1 || c->active)
		return;
	if (p->irs != c->try_irs || c->seq == c->try_irs) {
		p->irs = c->try_irs;
		p->app = NULL;
		p->rx_read = p->tx_end = 0;
		c->tainted = false;
		c->seq = p->irs + 1;
	}
}

/* The host's clock as these options tell it, or as it was. */
static uint32_t ts_seen(const uint8_t *o, uint32_t len, uint32_t was)
{
	for (uint32_t i = 0; i < len && o[i] != 0; i += o[i] == 1 ? 1u : o[i + 1]) {
		assert_true(o[i] == 1 || (i + 1 < len && o[i + 1] >= 2 && i + o[i + 1] <= len));
		if (o[i] == 8)
			return get32(o + i + 2);
	}
	return was;
}

static void segment_seen(struct wire_conn *c, const uint8_t *tcp, uint32_t len)
{
	struct peer *p = c->p;
	uint32_t hdr = (tcp[12] >> 4) * 4u, seq = get32(tcp + 4);

	assert_in_range(hdr, 20, len);
	p->ts_ecr = ts_seen(tcp + 20, hdr - 20, tcp[13] & SYN ? 0 : p->ts_ecr);
	if (getenv("RIG_TRACE") != NULL)
		fprintf(stderr, "%10.6f <  %u flags %02x seq %u ack %u len %u\n", (double)rig.now / 1e9,
			p->port, tcp[13], seq - p->iss, get32(tcp + 8) - p->irs, len - hdr);
	if (tcp[13] & SYN)
		syn_seen(c, tcp);
	if (tcp[13] & (SYN | RST))
		return;
	for (uint32_t i = hdr; i < len && !wire.hostile; i++)
		assert_int_equal(tcp[i], host_byte(seq - p->iss - 1 + i - hdr));
	seq += len - hdr + ((tcp[13] & FIN) != 0);
	if ((int32_t)(seq - c->nxt) > 0)
		c->nxt = seq;
}

/* Of multicast listener discovery: an option stands between its headers. */
static void report_seen(struct frame *f)
{
	uint8_t *ip = f->b + L3;

	assert_memory_equal(ip + 40, "\x3a\0\5\2\0\0\1\0", 8);
	assert_int_equal(ip[7], 1);
	memmove(ip + 40, ip + 48, f->len - L3 - 48);
	f->len -= 8;
	put16(ip + 4, f->len - L3 - 40);
	ip[6] = 58;
	assert_int_equal(frame_l4_sum(f, true), 0xffff);
}

static void on_frame(const uint8_t *b, uint32_t len)
{
	struct frame copy = { .len = len };
	uint32_t l4 = b[12] == 8 ? 34 : 54;
	bool v6 = b[12] != 8;
	struct wire_conn *c;

	memcpy(copy.b, b, len);
	assert_int_equal(get16(b + L3 + (v6 ? 4 : 2)), len - L3 - (v6 ? 40 : 0));
	if (v6 && b[L3 + 6] == 0) {
		report_seen(&copy);
		return;
	}
	assert_int_equal(frame_l4_sum(&copy, b[L3 + (v6 ? 6 : 9)] != 1), 0xffff);
	if (v6 && b[L3 + 6] == 58)
		wire_solicited(b, len);
	else if (b[L3 + (v6 ? 6 : 9)] == 6 && !bystander_heard(b, len) &&
		(c = conn_of_frame(v6, b + l4)) != NULL)
		segment_seen(c, b + l4, len - l4);
}
