/* SPDX-License-Identifier: BSD-3-Clause */
/* rig_peer.c - the peer of the rig: segments byte by byte, in and out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/net_frames.h"
#include "tests/unit/rig_tcp.h"

enum { L4 = 34 }; /* where TCP begins */

static bool tracing(void) { return getenv("RIG_TRACE") != NULL; }

static void print_seg(const char *what, const struct rig_seg *s)
{
	print_error("%12.6f %s %s%s%s%s%s%s%s ecn %u seq %u ack %u len %u wnd %u", (double)s->at / 1e9, what,
		s->flags & SYN ? "S" : "", s->flags & FIN ? "F" : "", s->flags & RST ? "R" : "",
		s->flags & PSH ? "P" : "", s->flags & ACK ? "." : "", s->flags & ECE ? "E" : "",
		s->flags & CWR ? "W" : "", s->ecn, s->seq, s->ack, s->len, s->wnd);
	for (unsigned i = 0; i < 4 && s->sack[i].to != 0; i++)
		print_error(" sack %u-%u", s->sack[i].from, s->sack[i].to);
	print_error("\n");
}

/* --- peer -> host --- */

struct peer *peer_new_(struct rig_how how)
{
	struct peer *p = &rig.peer[rig.npeers++];

	assert_true(rig.npeers <= RIG_PEERS);
	rig_open();
	*p = (struct peer){ .how = how,
		.port = how.port != 0 ? how.port : rig.next_port++,
		.local_port = RIG_PORT,
		.irs = how.irs != 0 ? how.irs : RIG_IRS,
		.ts = !how.no_ts,
		.sack = !how.no_sack,
		.wscale = how.no_wscale ? 0 : 7,
		.wnd = how.wnd != 0     ? how.wnd
			: how.no_wscale ? 0xffff
					: 1 << 20,
		.ts_off = 0xfffffc00u };
	return p;
}

struct peer *peer_again(const struct peer *old, uint32_t irs)
{
	struct rig_how how = old->how;
	struct peer *p;

	how.port = old->port;
	how.irs = irs;
	p = peer_new_(how);
	p->local_port = old->local_port;
	return p;
}

static uint32_t clock_ms(const struct peer *p) { return (uint32_t)(rig.now / NS_PER_MS) + p->ts_off; }

static uint32_t put_ts(uint8_t *o, const struct peer *p, const struct rig_seg *s)
{
	memcpy(o, "\x01\x01\x08\x0a", 4);
	put32(o + 4, s->ts_val != 0 ? s->ts_val : clock_ms(p));
	put32(o + 8, s->flags & ACK ? p->ts_ecr : 0);
	return 12;
}

static uint32_t put_syn_opts(uint8_t *o, const struct peer *p, const struct rig_seg *s)
{
	uint32_t n = 0;

	if (!p->how.no_mss) {
		memcpy(o, "\x02\x04", 2);
		put16(o + 2, p->how.mss_zero ? 0 : p->how.mss != 0 ? p->how.mss : 1460);
		n += 4;
	}
	if (p->ts)
		n += put_ts(o + n, p, s);
	if (p->sack)
		memcpy(o + n, "\x01\x01\x04\x02", 4), n += 4;
	if (!p->how.no_wscale)
		memcpy(o + n, "\x01\x03\x03\x07", 4), n += 4;
	return n;
}

static uint32_t put_opts(uint8_t *o, const struct peer *p, const struct rig_seg *s)
{
	uint32_t n = 0, blocks = 0;

	if (s->opts != NULL) {
		memcpy(o, s->opts, s->opts_len);
		return s->opts_len;
	}
	if (s->flags & SYN)
		return put_syn_opts(o, p, s);
	if (p->ts && !s->no_ts && !(s->flags & RST))
		n = put_ts(o, p, s);
	while (blocks < 4 && s->sack[blocks].to != 0)
		blocks++;
	if (blocks == 0)
		return n;
	memcpy(o + n, "\x01\x01\x05", 3);
	o[n + 3] = (uint8_t)(2 + 8 * blocks);
	n += 4;
	for (uint32_t i = 0; i < blocks; i++, n += 8) {
		put32(o + n, p->iss + s->sack[i].from);
		put32(o + n + 4, p->iss + s->sack[i].to);
	}
	return n;
}

static void put_ip(uint8_t *b, uint32_t len)
{
	memcpy(b, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02\x08\x00", 14);
	memcpy(b + 14, "\x45\0\0\0\0\0\x40\0\x40\x06\0\0\x0a\0\0\x02\x0a\0\0\x01", 20);
	put16(b + 16, len);
}

void frame_reseal(uint8_t *frame, uint32_t len)
{
	struct frame f; /* too large to be cleared first */

	f.len = len;
	memcpy(f.b, frame, len);
	frame_seal(&f);
	memcpy(frame, f.b, len);
}

static uint32_t frame_put(const struct peer *p, struct rig_seg s, uint8_t *b, uint32_t size)
{
	uint32_t opts, hdr,
		wnd = s.flags & SYN ? min_u32(p->wnd, 0xffff) : p->wnd >> (p->host_wscale_ok ? p->wscale : 0);
	uint8_t *t = b + L4;

	s.flags = s.flags != 0 ? s.flags : ACK;
	opts = put_opts(t + 20, p, &s);
	hdr = 20 + opts;
	assert_true(L4 + hdr + s.len <= size && opts % 4 == 0);
	put_ip(b, 20 + hdr + s.len);
	b[15] = s.ecn;
	put16(t, p->port);
	put16(t + 2, p->local_port);
	put32(t + 4, p->irs + s.seq);
	put32(t + 8, s.flags & ACK ? p->iss + s.ack : 0);
	t[12] = (uint8_t)(hdr / 4 << 4);
	t[13] = s.flags;
	put16(t + 14, wnd);
	put16(t + 16, 0);
	put16(t + 18, s.urgent);
	for (uint32_t i = 0; i < s.len; i++)
		t[hdr + i] = peer_byte(s.seq - !(s.flags & SYN) + i);
	frame_reseal(b, L4 + hdr + s.len);
	return L4 + hdr + s.len;
}

uint32_t peer_frame(struct peer *p, struct rig_seg s, uint8_t frame[RIG_FRAME_MAX])
{
	return frame_put(p, s, frame, RIG_FRAME_MAX);
}

void give_frame(const uint8_t *bytes, uint32_t len)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(rig.pool);

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), bytes, len);
	assert_int_equal(rte_ring_enqueue(rig.in, m), 0);
}

void give_(struct peer *p, struct rig_seg s)
{
	uint8_t frame[RIG_JUMBO_MAX];
	uint32_t len = frame_put(p, s, frame, sizeof(frame));

	s.at = rig.now;
	s.flags = s.flags != 0 ? s.flags : ACK;
	s.wnd = p->wnd;
	if (tracing())
		print_seg("  >", &s);
	give_frame(frame, len);
	if (!s.hold)
		rig_run();
}

/* --- host -> peer --- */

static void take_option(const uint8_t *o, const struct peer *p, struct rig_seg *s)
{
	switch (o[0]) {
	case 2: s->mss = get16(o + 2); break;
	case 3:
		s->has_wscale = true;
		s->wscale = o[2];
		break;
	case 4: s->has_sack_perm = true; break;
	case 5:
		for (unsigned i = 0; 2 + 8 * i < o[1]; i++)
			s->sack[i] = (struct rig_span){ get32(o + 2 + 8 * i) - p->irs,
				get32(o + 6 + 8 * i) - p->irs };
		break;
	case 8:
		s->has_ts = true;
		s->ts_val = get32(o + 2);
		s->ts_ecr = get32(o + 6);
		break;
	default: fail_msg("an option of kind %u", o[0]);
	}
}

static void take_options(const uint8_t *o, uint32_t len, const struct peer *p, struct rig_seg *s)
{
	for (uint32_t i = 0; i < len && o[i] != 0; i += o[i] == 1 ? 1u : o[i + 1]) {
		if (o[i] == 1)
			continue;
		assert_true(i + 1 < len && o[i + 1] >= 2 && i + o[i + 1] <= len);
		take_option(o + i, p, s);
	}
}

static void check_frame(const struct rig_frame *f, const struct peer *p)
{
	const uint8_t *b = f->b;
	struct frame copy; /* too large to be cleared first */

	copy.len = f->len;
	memcpy(copy.b, b, f->len);
	assert_memory_equal(b, "\x02\0\0\0\0", 5);
	assert_int_equal(b[5], rig.next_hop);
	assert_memory_equal(b + 6, "\x02\0\0\0\0\x01\x08\x00\x45", 9);
	assert_memory_equal(b + 26, "\x0a\0\0\x01\x0a\0\0\x02", 8);
	assert_int_equal(b[23], 6);
	assert_int_equal(get16(b + 16), f->len - 14);
	assert_int_equal(naive_sum(b + 14, 20), 0xffff);
	assert_int_equal(frame_l4_sum(&copy, true), 0xffff);
	assert_int_equal(get16(b + L4), p->local_port);
	assert_int_equal(get16(b + L4 + 2), p->port);
}

static const struct rig_seg *parse(const struct rig_frame *f, struct peer *p)
{
	static struct rig_seg s;
	const uint8_t *t = f->b + L4;
	uint32_t hdr = (t[12] >> 4) * 4u;

	check_frame(f, p);
	if ((t[13] & SYN) && !p->iss_known) {
		p->iss = get32(t + 4);
		p->iss_known = true;
	}
	s = (struct rig_seg){ .at = f->at,
		.flags = t[13],
		.ecn = f->b[15],
		.ttl = f->b[22],
		.df = (f->b[20] & 0x40) != 0,
		.ip_id = (uint16_t)get16(f->b + 18),
		.seq = get32(t + 4) - p->iss,
		.ack = t[13] & ACK ? get32(t + 8) - p->irs : 0,
		.len = f->len - L4 - hdr,
		.urgent = (uint16_t)get16(t + 18) };
	take_options(t + 20, hdr - 20, p, &s);
	/* RFC 9293 3.2 (MUST-65), RFC 7323 2.2, RFC 2018 2 */
	assert_true((s.flags & SYN) || (s.mss == 0 && !s.has_wscale && !s.has_sack_perm));
	if (s.flags & SYN) {
		p->host_wscale = s.has_wscale ? s.wscale : 0;
		p->host_wscale_ok = s.has_wscale;
		p->ts = p->ts && s.has_ts;
		p->sack = p->sack && s.has_sack_perm;
	}
	s.wnd = s.flags & SYN ? get16(t + 14) : (uint32_t)get16(t + 14) << p->host_wscale;
	if (s.has_ts)
		p->ts_ecr = s.ts_val;
	for (uint32_t i = 0; i < s.len; i++)
		if (t[hdr + i] != host_byte(s.seq - 1 + i))
			fail_msg("byte %u is %u, not %u", s.seq - 1 + i, t[hdr + i],
				host_byte(s.seq - 1 + i));
	if (tracing())
		print_seg("<  ", &s);
	return &s;
}

const struct rig_seg *next_segment(struct peer *p)
{
	if (rig.sent_head == rig.sent_tail)
		return NULL;
	return parse(&rig.sent[rig.sent_head++ % RIG_FRAMES], p);
}

static bool as_wanted(const struct rig_seg *want, const struct rig_seg *got)
{
	return ((want->flags ^ got->flags) & ~PSH) == 0 && want->ecn == got->ecn && want->seq == got->seq &&
		want->ack == got->ack && want->len == got->len && want->urgent == got->urgent &&
		memcmp(want->sack, got->sack, sizeof(want->sack)) == 0;
}

const struct rig_seg *expect_(struct peer *p, struct rig_seg want, const char *file, int line)
{
	const struct rig_seg *got = next_segment(p);

	want.flags = want.flags != 0 ? want.flags : ACK;
	want.at = rig.now;
	if (got != NULL && as_wanted(&want, got))
		return got;
	print_seg("expected", &want);
	if (got == NULL)
		print_error("and there was nothing\n");
	else
		print_seg("there was", got);
	_fail(file, line);
	return NULL;
}

void silence_(const char *file, int line)
{
	struct peer any = { 0 };

	if (rig.sent_head == rig.sent_tail)
		return;
	for (const uint8_t *t; rig.sent_head != rig.sent_tail; rig.sent_head++) {
		t = rig.sent[rig.sent_head % RIG_FRAMES].b + L4;
		for (unsigned i = 0; i < rig.npeers; i++)
			if (rig.peer[i].port == get16(t + 2))
				any = rig.peer[i];
		print_seg("nobody expected", parse(&rig.sent[rig.sent_head % RIG_FRAMES], &any));
	}
	_fail(file, line);
}

unsigned overlook(void)
{
	unsigned n = rig.sent_tail - rig.sent_head;

	rig.sent_head = rig.sent_tail;
	return n;
}

/* --- whole handshakes --- */

static uint32_t rtt_of(const struct rig_how *how)
{
	return how->rtt_ms != 0 ? how->rtt_ms * 1000 : RIG_RTT_US;
}

static bool is_dctcp(const struct rig_how *how)
{
	return strcmp(how->congestion != NULL ? how->congestion : rig.conf.tcp.congestion, "dctcp") == 0;
}

/* What the host marks all segments of a connection with: those of dctcp alone (RFC 8257 3.5). */
static uint8_t always_ecn(const struct rig_how *how)
{
	return how->ecn && is_dctcp(how) ? IP_ECN_ECT0 : IP_ECN_NOT_ECT;
}

struct peer *established_(struct rig_how how)
{
	struct peer *p = peer_new_(how);

	if (listen_find(rig.sp.listeners, &(struct flow_key){ .local_port = htobe16(RIG_PORT) }) == NULL)
		assert_int_equal(app_listens(0, RIG_PORT, 128), 0);
	give(p, .flags = how.ecn ? SYN | ECE | CWR : SYN);
	expect(p, .flags = how.ecn ? SYN | ACK | ECE : SYN | ACK, .ecn = always_ecn(&how), .ack = 1);
	wait_us(rtt_of(&how));
	give(p, .seq = 1, .ack = 1);
	assert_true(app_accepts(p, 0));
	silence();
	return p;
}

struct peer *connected_(struct rig_how how)
{
	struct peer *p = peer_new_(how);

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = rig.conf.tcp.ecn || is_dctcp(&how) ? SYN | ECE | CWR : SYN,
		.ecn = is_dctcp(&how) ? IP_ECN_ECT0 : IP_ECN_NOT_ECT);
	wait_us(rtt_of(&how));
	give(p, .flags = how.ecn ? SYN | ACK | ECE : SYN | ACK, .ack = 1);
	expect(p, .ecn = always_ecn(&how), .seq = 1, .ack = 1);
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
	silence();
	return p;
}

struct peer *sending(struct peer *p, uint32_t n)
{
	app_writes(p, n * RIG_MSS);
	for (uint32_t i = 0; i < n; i++)
		expect_segment(p, i);
	silence();
	return p;
}

uint32_t window_after(struct peer *p, uint32_t seq)
{
	give(p, .seq = seq, .ack = 1, .len = 1000);
	wait_ms(5);
	return expect(p, .seq = 1, .ack = seq + 1000)->wnd;
}
