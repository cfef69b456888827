/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_parse.c - every parser of include/net over an allocation of exactly its length: the address sanitizer
 * sees a byte too many. Frames come twice, as they are and with right checksums. */
#include <endian.h>
#include <string.h>

#include <rte_ip.h>

#include "include/net/arp.h"
#include "include/net/ext6.h"
#include "include/net/icmp.h"
#include "include/net/icmp6.h"
#include "include/net/mld.h"
#include "include/net/nd.h"
#include "include/net/pkt.h"
#include "include/net/tcp_opt.h"
#include "slowpath/groups.h"
#include "slowpath/icmp_sp.h"
#include "slowpath/ra.h"
#include "tests/fuzz/fuzz.h"
#include "tests/unit/net_frames.h"

enum { L3 = FRAME_ETH, ALL = PKT_VERIFIED_IP | PKT_VERIFIED_L4 };

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } };
static struct routes routes;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const ours[] = { "10.0.0.1/24", "fd00::1/64", "fe80::ff:fe00:1/64" };

	(void)argc, (void)argv;
	fuzz_start();
	routes_init(&routes);
	for (unsigned i = 0; i < 3; i++) {
		struct net_prefix p;

		assert_true(prefix_parse(ours[i], &p));
		assert_int_equal(route_add_address(&routes, &p), 0);
	}
	return 0;
}

/* --- options and texts --- */

static void tcp_options(const uint8_t *b, size_t len)
{
	struct tcp_opts o, again;
	uint8_t *opts = exact(b, len), out[TCP_OPT_MAX];
	uint32_t n;

	tcp_opt_parse(opts, (uint32_t)len, &o);
	assert_in_range(o.wscale, 0, TCP_WSCALE_MAX);
	assert_in_range(o.nsack, 0, TCP_OPT_SACK_MAX);
	n = tcp_opt_write_syn(out, &o);
	assert_true(n <= TCP_OPT_MAX && n % 4 == 0 && tcp_opt_parse(out, n, &again));
	assert_int_equal(again.mss, o.mss);
	n = tcp_opt_write_sack(out, &o);
	assert_true(n <= TCP_OPT_MAX && n % 4 == 0 && tcp_opt_parse(out, n, &again));
	free(opts);
}

static void extension_headers(const uint8_t *b, size_t len)
{
	uint8_t *ip;
	struct ext6 e;

	if (len < 40)
		return;
	ip = exact(b, len);
	e = ext6_skip(ip, (uint32_t)len);
	if (e.verdict == EXT6_UPPER)
		assert_in_range(e.at, 40, len);
	free(ip);
}

static void addresses(const uint8_t *b, size_t len)
{
	char *text = malloc(len + 1), again[PREFIX_STRLEN];
	struct net_prefix p, q;
	struct net_addr a, c;

	assert_non_null(text);
	if (len > 0)
		memcpy(text, b, len);
	text[len] = '\0';
	if (addr_parse(text, &a)) {
		assert_true(addr_parse(addr_format(a, again, sizeof(again)), &c));
		assert_true(addr_eq(a, c));
	}
	if (prefix_parse(text, &p)) {
		assert_true(prefix_parse(prefix_format(&p, again, sizeof(again)), &q));
		assert_true(addr_eq(p.addr, q.addr) && p.len == q.len);
	}
	free(text);
}

static void icmp_errors(const uint8_t *b, size_t len)
{
	uint8_t *icmp = exact(b, len);
	struct icmp_error e;

	icmp_error_parse(icmp, (uint32_t)len, &e);
	icmp6_error_parse(icmp, (uint32_t)len, &e);
	free(icmp);
}

/* --- frames --- */

static void on_send(void *arg, const uint8_t *frame, uint32_t len) { (void)arg, (void)frame, (void)len; }

static void advertised(const struct nd_msg *m)
{
	struct neigh neigh = { .mac = our_mac, .ops = { .send = on_send } };
	struct routes own = routes;
	struct ra ra;

	ra_init(&ra, &own, &neigh, true, false, 0);
	ra_in(&ra, m, NS_PER_SEC);
	ra_in(&ra, m, 2 * NS_PER_SEC);
	assert_true(ra.routers <= RA_ROUTERS_MAX && ra.prefixes <= RA_PREFIXES_MAX);
	ra_poll(&ra, 100 * NS_PER_SEC);
	ra_poll(&ra, 1000000 * NS_PER_SEC);
}

static void asked(const struct mld_msg *m)
{
	struct neigh neigh = { .mac = our_mac, .routes = &routes, .ops = { .send = on_send } };
	struct groups g;

	groups_init(&g, &neigh, 0);
	groups_update(&g, 0);
	groups_in(&g, m, 0);
	groups_poll(&g, NS_PER_SEC / 10);
	groups_in(&g, m, NS_PER_SEC / 10);
	groups_poll(&g, 100 * NS_PER_SEC);
	groups_poll(&g, 1000000 * NS_PER_SEC);
	assert_true(groups_next(&g) > 100 * NS_PER_SEC && g.n == 1);
}

static void discovered(const uint8_t *frame, const struct seg *seg)
{
	struct nd_msg m;
	struct mld_msg mld;

	if (!nd_parse(frame, seg, &m)) {
		if (mld_parse(frame, seg, &mld))
			asked(&mld);
		return;
	}
	assert_in_range(m.prefixes, 0, ND_PREFIXES_MAX);
	if (m.type == ICMP6_ROUTER_ADVERTISEMENT)
		advertised(&m);
}

static void answered(uint8_t *frame, uint32_t len, enum pkt_kind kind, const struct flow_key *key,
	const struct seg *seg)
{
	uint8_t *buf = malloc(ICMP_SP_ANSWER_MAX);
	struct icmp_error error;
	struct icmp_sp icmp;
	uint32_t n = len;

	assert_non_null(buf);
	icmp_sp_init(&icmp, &routes);
	if (kind == PKT_OTHER_L4)
		n = icmp_sp_refuse(&icmp, buf, ICMP_SP_ANSWER_MAX, frame, len, key, NS_PER_SEC);
	else if (icmp_sp_in(&icmp, frame, &n, key, seg, NS_PER_SEC, &error) == ICMP_SP_ERROR)
		icmp_sp_effect_of(&error);
	assert_true(n <= max_u32(len, ICMP_SP_ANSWER_MAX));
	free(buf);
}

static void within(const struct seg *seg, uint32_t len)
{
	assert_true(seg->payload_off + seg->payload_len <= len);
	assert_true(seg->l4_off <= seg->payload_off && seg->opts_off + seg->opts_len <= len);
}

static enum pkt_kind frame_parsed(const uint8_t *b, size_t len, unsigned verified)
{
	uint8_t *frame = exact(b, len);
	struct flow_key key;
	struct seg seg = { 0 };
	enum pkt_kind kind = pkt_parse(frame, (uint32_t)len, verified, &key, &seg);
	struct arp_pkt arp;

	if (kind == PKT_ARP)
		arp_parse(frame, (uint32_t)len, &arp);
	if (kind == PKT_TCP) {
		struct tcp_opts o;

		within(&seg, (uint32_t)len);
		tcp_opt_parse(frame + seg.opts_off, seg.opts_len, &o);
	}
	if (kind == PKT_ICMP6)
		discovered(frame, &seg);
	if (kind == PKT_ICMP || kind == PKT_ICMP6 || kind == PKT_OTHER_L4)
		answered(frame, (uint32_t)len, kind, &key, &seg);
	free(frame);
	return kind;
}

static bool sealable(const struct frame *f)
{
	uint32_t off;

	if (f->len < L3 + 20 || (frame_is_v6(f) && f->len < L3 + 40))
		return false;
	off = frame_l4_off(f);
	return off + 18 <= f->len && off + frame_l4_len(f) <= f->len;
}

/* ICMPv6 behind hop-by-hop options, as multicast listener discovery comes. */
static bool seal_behind_options(struct frame *f)
{
	uint32_t hdr_len = 8u * (f->b[L3 + 41] + 1u), icmp_len = frame_l4_len(f) - hdr_len;
	struct frame plain = *f;

	if (!frame_is_v6(f) || f->b[L3 + 6] != 0 || f->b[L3 + 40] != 58 || hdr_len + 8 > frame_l4_len(f))
		return false;
	plain.b[L3 + 6] = 58;
	put16(plain.b + L3 + 4, icmp_len);
	memmove(plain.b + L3 + 40, plain.b + L3 + 40 + hdr_len, icmp_len);
	frame_seal(&plain);
	memcpy(f->b + L3 + 40 + hdr_len, plain.b + L3 + 40, icmp_len);
	return true;
}

static void frames(const uint8_t *b, size_t len)
{
	struct frame f = { .len = (uint32_t)min_u64(len, FRAME_MAX) };
	enum pkt_kind kind = frame_parsed(b, f.len, 0);

	frame_parsed(b, f.len, ALL);
	memcpy(f.b, b, f.len);
	if (!sealable(&f))
		return;
	if (!seal_behind_options(&f))
		frame_seal(&f);
	kind = frame_parsed(f.b, f.len, 0);
	if (f.b[12] == 8 && f.b[13] == 0) /* the NIC's word is as good as ours */
		assert_int_equal(frame_parsed(f.b, f.len, ALL), kind);
}

/* The functions that read frames themselves check their lengths themselves. */
static void frames_unseen(const uint8_t *b, size_t len)
{
	uint8_t *frame = exact(b, len), *buf = malloc(ICMP_SP_ANSWER_MAX);
	struct arp_pkt arp;

	assert_non_null(buf);
	arp_parse(frame, (uint32_t)len, &arp);
	icmp_write_unreachable(buf, ICMP_ERROR_MAX, ICMP4_PORT_UNREACHABLE, 0, frame, (uint32_t)len);
	if (len >= L3 + 40)
		icmp6_write_error(buf, ICMP6_ERROR_MAX, ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, 0, frame,
			(uint32_t)len);
	icmp_echo_reply(frame, (uint32_t)len);
	free(frame);
	free(buf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const parsers[])(const uint8_t *b, size_t len) = { frames, tcp_options,
		extension_headers, icmp_errors, frames_unseen, addresses };

	if (size > 0)
		parsers[data[0] % ARRAY_LEN(parsers)](data + 1, size - 1);
	return 0;
}
