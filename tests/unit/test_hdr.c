/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hdr.c - written headers, held against the parser, plain sums and DPDK's own checksum functions. */
#include "include/net/hdr.h"

#include "tests/unit/net_frames.h"

#include "include/net/pkt.h"

enum { SOFT = 0, NIC = HDR_OFFLOAD_IP | HDR_OFFLOAD_L4, GUARD = 0x5a };

static const struct rte_ether_addr mac_a = { .addr_bytes = { 2, 0, 0, 0, 0, 0xa } };
static const struct rte_ether_addr mac_b = { .addr_bytes = { 2, 0, 0, 0, 0, 0xb } };

static struct flow_key key_of(bool v6)
{
	struct flow_key k = { .local_port = htobe16(80), .remote_port = htobe16(50123) };

	assert_true(addr_parse(v6 ? "2001:db8::1" : "192.0.2.1", &k.local));
	assert_true(addr_parse(v6 ? "2001:db8:ffff:1::77" : "198.51.100.9", &k.remote));
	return k;
}

static struct hdr_tmpl tmpl_of(bool v6, bool timestamps)
{
	struct flow_key k = key_of(v6);
	struct hdr_tmpl t;

	hdr_tmpl_init(&t, &mac_a, &mac_b, &k, 64, 0, timestamps);
	return t;
}

static struct hdr_fields random_fields(struct tas_rand *r)
{
	return (struct hdr_fields){
		.seq = { (uint32_t)rand_u64(r) },
		.ack = { (uint32_t)rand_u64(r) },
		.ts_val = (uint32_t)rand_u64(r),
		.ts_ecr = (uint32_t)rand_u64(r),
		.wnd = (uint16_t)rand_u64(r),
		.flags = (uint8_t)rand_u64(r),
		.ecn = (uint8_t)rand_below(r, 4),
	};
}

/* Writes a segment with random payload into f, the payload first, as a sender that sums while it copies
 * does. */
static uint32_t write_segment(struct frame *f, const struct hdr_tmpl *t, const struct hdr_fields *h,
	struct tas_rand *r, uint32_t payload_len, unsigned offload)
{
	uint8_t payload[FRAME_MAX];
	uint32_t sum, hdr_len;

	memset(f->b, GUARD, sizeof(f->b));
	fill_random(r, payload, payload_len);
	sum = cksum_copy(f->b + t->total_len, payload, payload_len, 0);
	hdr_len = hdr_write(t, f->b, h, payload_len, offload & HDR_OFFLOAD_L4 ? 0xdead : sum, offload);
	assert_int_equal(hdr_len, t->total_len);
	assert_memory_equal(f->b + hdr_len, payload, payload_len);
	f->len = hdr_len + payload_len;
	assert_int_equal(f->b[f->len], GUARD);
	return hdr_len;
}

/* The frame as the parser sees it, with all checksums looked at. */
static void assert_read_back(const struct frame *f, const struct flow_key *key, const struct hdr_fields *h,
	bool ts, uint32_t payload_len)
{
	struct flow_key seen, expected = flow_key_reverse(key);
	uint8_t *copy = exact(f->b, f->len);
	struct seg seg;

	assert_int_equal(pkt_parse(copy, f->len, 0, &seen, &seg), PKT_TCP);
	assert_true(flow_key_eq(&seen, &expected));
	assert_int_equal(seg.seq.v, h->seq.v);
	assert_int_equal(seg.ack.v, h->ack.v);
	assert_int_equal(seg.wnd, h->wnd);
	assert_int_equal(seg.flags, h->flags);
	assert_int_equal(seg.ecn, h->ecn);
	assert_int_equal(seg.payload_len, payload_len);
	assert_int_equal(seg.payload_off + payload_len, f->len);
	assert_int_equal(seg.has_ts, ts);
	assert_int_equal(seg.ts_val, ts ? h->ts_val : 0);
	assert_int_equal(seg.ts_ecr, ts ? h->ts_ecr : 0);
	free(copy);
}

/* A checksum taken over data that includes the right one is 0. */
static void assert_dpdk_finds_it_right(const struct frame *f, bool v6)
{
	const struct rte_ipv4_hdr *ip4 = (const struct rte_ipv4_hdr *)(f->b + FRAME_ETH);
	const struct rte_ipv6_hdr *ip6 = (const struct rte_ipv6_hdr *)(f->b + FRAME_ETH);

	if (v6) {
		assert_int_equal(rte_ipv6_udptcp_cksum(ip6, ip6 + 1), 0);
		return;
	}
	assert_int_equal(rte_raw_cksum(ip4, sizeof(*ip4)), 0xffff);
	assert_int_equal(rte_ipv4_udptcp_cksum(ip4, ip4 + 1), 0);
}

static void what_is_written_is_read_back(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (int round = 0; round < 20000; round++) {
		bool v6 = round & 1, ts = round & 2;
		struct hdr_fields h = random_fields(&r);
		struct hdr_tmpl t;
		struct flow_key k;
		struct frame f;
		uint32_t payload_len = rand_below(&r, 4) == 0 ? 0 : rand_below(&r, 200);

		k = key_of(v6);
		k.local.w[3] = (uint32_t)rand_u64(&r);
		k.remote.w[3] = (uint32_t)rand_u64(&r);
		k.local_port = (uint16_t)rand_u64(&r);
		k.remote_port = (uint16_t)rand_u64(&r);
		hdr_tmpl_init(&t, &mac_a, &mac_b, &k, (uint8_t)rand_u64(&r), (uint8_t)rand_u64(&r), ts);
		write_segment(&f, &t, &h, &r, payload_len, SOFT);
		assert_read_back(&f, &k, &h, ts, payload_len);
		assert_dpdk_finds_it_right(&f, v6);
	}
}

static void the_lengths_are_those_of_the_family(void **state)
{
	(void)state;
	assert_int_equal(tmpl_of(false, false).total_len, 54);
	assert_int_equal(tmpl_of(false, true).total_len, 66);
	assert_int_equal(tmpl_of(true, false).total_len, 74);
	assert_int_equal(tmpl_of(true, true).total_len, 86);
	assert_int_equal(tmpl_of(true, true).l4_len, 32);
	assert_true(hdr_tmpl_is_v4(&(struct hdr_tmpl){ .l3_len = 20 }));
}

static void an_ipv4_header_is_what_rfc_791_says(void **state)
{
	const uint8_t expected[] = {
		2,
		0,
		0,
		0,
		0,
		0xb,
		2,
		0,
		0,
		0,
		0,
		0xa,
		8,
		0, /* Ethernet: to b, from a */
		0x45,
		0xb8 | 2,
		0,
		52 + 3,
		0,
		0,
		0x40,
		0,
		64,
		6,
		0x50,
		0x04, /* EF, ECT(0), ident 0, DF, TTL 64, TCP */
		192,
		0,
		2,
		1,
		198,
		51,
		100,
		9,
	};
	struct flow_key k = key_of(false);
	struct hdr_fields h = { .ecn = IP_ECN_ECT0 };
	struct hdr_tmpl t;
	struct tas_rand r;
	struct frame f;

	(void)state;
	rand_seed(&r, 2);
	hdr_tmpl_init(&t, &mac_a, &mac_b, &k, 64, 0xb8 | 1,
		true); /* the template's own ECN bits are dropped */
	write_segment(&f, &t, &h, &r, 3, SOFT);
	put16(f.b + 24, 0x5004); /* proven elsewhere */
	assert_memory_equal(f.b, expected, sizeof(expected));
}

static void an_ipv6_header_is_what_rfc_8200_says(void **state)
{
	struct flow_key k = key_of(true), other = k;
	struct hdr_fields h = { .ecn = IP_ECN_ECT0 };
	struct hdr_tmpl t, t2;
	struct tas_rand r;
	struct frame f;

	(void)state;
	rand_seed(&r, 3);
	hdr_tmpl_init(&t, &mac_a, &mac_b, &k, 64, 0xb8, true);
	write_segment(&f, &t, &h, &r, 3, SOFT);
	assert_int_equal(get16(f.b + 12), 0x86dd);
	assert_int_equal(get32(f.b + FRAME_ETH) >> 20, 0x6ba); /* version 6, EF, ECT(0) */
	assert_int_equal(get16(f.b + FRAME_ETH + 4), 32 + 3);
	assert_int_equal(f.b[FRAME_ETH + 6], 6);
	assert_int_equal(f.b[FRAME_ETH + 7], 64);
	assert_memory_equal(f.b + FRAME_ETH + 8, &k.local, 16);
	assert_memory_equal(f.b + FRAME_ETH + 24, &k.remote, 16);
	other.local_port++;
	hdr_tmpl_init(&t2, &mac_a, &mac_b, &other, 64, 0xb8, true);
	assert_memory_not_equal(t.bytes + FRAME_ETH, t2.bytes + FRAME_ETH,
		4); /* another flow, another label (RFC 6437) */
}

/* The same headers, from a template made so at once and from one that was changed. */
static void a_template_that_was_changed_is_as_one_made_so(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 5);
	for (int round = 0; round < 1000; round++) {
		uint8_t ttl = (uint8_t)rand_u64(&r), tos = (uint8_t)rand_u64(&r);
		struct flow_key k = key_of(round & 1);
		struct hdr_tmpl t, changed = tmpl_of(round & 1, false);

		hdr_tmpl_init(&t, &mac_a, &mac_b, &k, ttl, tos, true);
		hdr_tmpl_set_class(&changed, ttl, tos);
		hdr_tmpl_set_timestamps(&changed, true);
		assert_memory_equal(&t, &changed, sizeof(t));
	}
}

static void without_df_each_packet_has_its_number(void **state)
{
	struct hdr_tmpl t = tmpl_of(false, true), before = t;
	struct hdr_fields h = { .ecn = 0 };
	struct tas_rand r;
	struct frame f;

	(void)state;
	rand_seed(&r, 6);
	hdr_tmpl_set_fragments(&t, 0xfffe);
	for (uint16_t id = 0xfffe; id != 2; id++) {
		write_segment(&f, &t, &h, &r, 100, SOFT);
		assert_int_equal(get16(f.b + FRAME_ETH + 4), id);
		assert_int_equal(get16(f.b + FRAME_ETH + 6), 0);
		assert_int_equal(naive_sum(f.b + FRAME_ETH, 20), 0xffff);
		hdr_tmpl_next_id(&t, 1);
	}
	hdr_tmpl_set_whole(&t);
	assert_memory_equal(&t, &before, sizeof(t));
}

static void a_nic_gets_what_ethdev_asks_for(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 4);
	for (int round = 0; round < 4000; round++) {
		bool v6 = round & 1, tso = round & 2, ip_only = !tso && (round & 4);
		unsigned offload = ip_only ? HDR_OFFLOAD_IP : NIC | (tso ? HDR_OFFLOAD_TSO : 0);
		struct hdr_tmpl t = tmpl_of(v6, round & 8);
		struct hdr_fields h = random_fields(&r);
		uint64_t flags = tso ? RTE_MBUF_F_TX_TCP_SEG : 0;
		const struct rte_tcp_hdr *tcp;
		struct frame f;
		const void *ip = f.b + FRAME_ETH;

		write_segment(&f, &t, &h, &r, rand_below(&r, 3000), offload);
		tcp = (const struct rte_tcp_hdr *)(f.b + FRAME_ETH + t.l3_len);
		if (!v6)
			assert_int_equal(get16(f.b + FRAME_ETH + 10), 0);
		if (ip_only)
			assert_int_equal(frame_l4_sum(&f, true), 0xffff);
		else
			assert_int_equal(tcp->cksum,
				v6 ? rte_ipv6_phdr_cksum(ip, flags) : rte_ipv4_phdr_cksum(ip, flags));
	}
}

static void the_largest_packet_is_written_right(void **state)
{
	(void)state;
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct hdr_tmpl t = tmpl_of(v6, true);
		uint32_t payload_len = 65535 - t.l3_len - t.l4_len, sum;
		uint8_t *frame = malloc(t.total_len + payload_len);
		struct hdr_fields h = { .flags = 0x10 };
		struct flow_key key;
		struct seg seg;

		memset(frame, 0xff, t.total_len + payload_len);
		sum = cksum_partial(frame + t.total_len, payload_len, 0);
		hdr_write(&t, frame, &h, payload_len, sum, SOFT);
		assert_int_equal(pkt_parse(frame, t.total_len + payload_len, 0, &key, &seg), PKT_TCP);
		assert_int_equal(seg.payload_len, payload_len);
		free(frame);
	}
}

static void given_options_take_the_place_of_the_templates(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 5);
	for (int round = 0; round < 8000; round++) {
		bool v6 = round & 1;
		struct tcp_opts o = { .mss = 1460,
			.wscale = 7,
			.has = (uint8_t)rand_below(&r, 16),
			.ts_val = 1,
			.ts_ecr = 2 },
				back;
		struct hdr_tmpl t = tmpl_of(v6, round & 2);
		struct hdr_fields h = random_fields(&r);
		uint8_t opts[TCP_OPT_MAX];
		uint32_t opts_len = tcp_opt_write_syn(opts, &o), hdr_len, payload_len = rand_below(&r, 20);
		struct flow_key key;
		struct frame f;
		struct seg seg;

		memset(f.b, GUARD, sizeof(f.b));
		hdr_len = hdr_write_opts(&t, f.b, &h, opts, opts_len, 0, 0, SOFT);
		assert_int_equal(f.b[hdr_len], GUARD);
		assert_true(hdr_len <= HDR_WRITE_MAX);
		fill_random(&r, f.b + hdr_len, payload_len);
		hdr_write_opts(&t, f.b, &h, opts, opts_len, payload_len,
			cksum_partial(f.b + hdr_len, payload_len, 0), SOFT);
		assert_int_equal(pkt_parse(f.b, hdr_len + payload_len, 0, &key, &seg), PKT_TCP);
		assert_int_equal(seg.opts_len, opts_len);
		assert_int_equal(seg.payload_len, payload_len);
		assert_int_equal(seg.seq.v, h.seq.v);
		assert_int_equal(seg.flags, h.flags);
		assert_true(tcp_opt_parse(f.b + seg.opts_off, seg.opts_len, &back));
		assert_int_equal(back.has, o.has);
		hdr_write_opts(&t, f.b, &h, opts, opts_len, payload_len, 0xdead, NIC);
		assert_int_equal(pkt_parse(f.b, hdr_len + payload_len, PKT_VERIFIED_IP | PKT_VERIFIED_L4,
					 &key, &seg),
			PKT_TCP);
	}
}

static void the_longest_header_fits_its_limit(void **state)
{
	struct hdr_tmpl t = tmpl_of(true, true);
	uint8_t opts[TCP_OPT_MAX] = { 0 };
	struct hdr_fields h = { 0 };
	struct frame f;

	(void)state;
	assert_int_equal(hdr_write_opts(&t, f.b, &h, opts, TCP_OPT_MAX, 0, 0, SOFT), HDR_WRITE_MAX);
}

static void a_neighbour_may_move(void **state)
{
	const struct rte_ether_addr mac_c = { .addr_bytes = { 2, 0, 0, 0, 0, 0xc } };
	struct hdr_tmpl t = tmpl_of(false, true);
	struct hdr_fields h = { .flags = 0x10 };
	struct flow_key k = key_of(false);
	struct tas_rand r;
	struct frame f;

	(void)state;
	rand_seed(&r, 6);
	hdr_tmpl_set_dst_mac(&t, &mac_c);
	write_segment(&f, &t, &h, &r, 10, SOFT);
	assert_memory_equal(f.b, &mac_c, 6);
	assert_memory_equal(f.b + 6, &mac_a, 6);
	assert_read_back(&f, &k, &h, true, 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_written_is_read_back),
		cmocka_unit_test(the_lengths_are_those_of_the_family),
		cmocka_unit_test(an_ipv4_header_is_what_rfc_791_says),
		cmocka_unit_test(an_ipv6_header_is_what_rfc_8200_says),
		cmocka_unit_test(a_template_that_was_changed_is_as_one_made_so),
		cmocka_unit_test(without_df_each_packet_has_its_number),
		cmocka_unit_test(a_nic_gets_what_ethdev_asks_for),
		cmocka_unit_test(the_largest_packet_is_written_right),
		cmocka_unit_test(given_options_take_the_place_of_the_templates),
		cmocka_unit_test(the_longest_header_fits_its_limit),
		cmocka_unit_test(a_neighbour_may_move),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
