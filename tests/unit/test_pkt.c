/* SPDX-License-Identifier: BSD-3-Clause */
/* test_pkt.c - the parser against frames that are right, cut, flipped, lying and random. */
#include "include/net/pkt.h"

#include "tests/unit/net_frames.h"

enum { BOTH = PKT_VERIFIED_IP | PKT_VERIFIED_L4 };

static const uint8_t ts_opts[] = { 1, 1, 8, 10, 0, 0, 0, 11, 0, 0, 0, 22 };
static const uint8_t ts_first_opts[] = { 8, 10, 0, 0, 0, 11, 0, 0, 0, 22, 1, 1 };
static const uint8_t sack_opts[] = { 1, 1, 8, 10, 0, 0, 0, 11, 0, 0, 0, 22, 1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0,
	2 };
static const uint8_t syn_opts[] = { 2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 11, 0, 0, 0, 22, 1, 3, 3, 7 };

/* Frames that are PKT_TCP, one of each shape. */
static const struct frame_spec shapes[] = {
	{ .flags = 0x10, .tcp_opts = ts_opts, .tcp_opts_len = sizeof(ts_opts), .payload_len = 37 },
	{ .flags = 0x10, .tcp_opts = ts_opts, .tcp_opts_len = sizeof(ts_opts) },
	{ .flags = 0x18, .payload_len = 64, .tos = 3 },
	{ .flags = 0x10, .padding = 6 },
	{ .flags = 0x10, .tcp_opts = ts_first_opts, .tcp_opts_len = sizeof(ts_first_opts), .payload_len = 1 },
	{ .flags = 0x10, .tcp_opts = sack_opts, .tcp_opts_len = sizeof(sack_opts), .payload_len = 5 },
	{ .flags = 0x02, .tcp_opts = syn_opts, .tcp_opts_len = sizeof(syn_opts) },
	{ .flags = 0x10,
		.tcp_opts = ts_opts,
		.tcp_opts_len = sizeof(ts_opts),
		.payload_len = 8,
		.ip_opts_len = 4 },
	{ .flags = 0x10, .payload_len = 3, .ip_opts_len = 40 },
	{ .v6 = true,
		.flags = 0x10,
		.tcp_opts = ts_opts,
		.tcp_opts_len = sizeof(ts_opts),
		.payload_len = 37,
		.tos = 0xb9 },
	{ .v6 = true, .flags = 0x10 },
	{ .v6 = true, .flags = 0x02, .tcp_opts = syn_opts, .tcp_opts_len = sizeof(syn_opts), .padding = 9 },
};

static void assert_seg_within(const struct seg *s, uint32_t frame_len)
{
	assert_true((uint32_t)s->payload_off + s->payload_len <= frame_len);
	assert_true((uint32_t)s->opts_off + s->opts_len == s->payload_off);
	assert_true(s->l4_off + sizeof(struct rte_tcp_hdr) == s->opts_off);
	assert_true(s->opts_len <= TCP_OPT_MAX && s->opts_len % 4 == 0);
	assert_true(s->has_ts || (s->ts_val == 0 && s->ts_ecr == 0));
}

/* Both parsers, in line and whole, over a copy of exactly len bytes; they must agree. */
static enum pkt_kind parse(const struct frame *f, uint32_t len, unsigned verified, struct flow_key *key,
	struct seg *seg)
{
	uint8_t *copy = exact(f->b, len);
	struct flow_key other_key;
	struct seg other_seg;
	enum pkt_kind kind;

	memset(key, 0xa5, sizeof(*key));
	memset(seg, 0xa5, sizeof(*seg));
	kind = pkt_parse(copy, len, verified, key, seg);
	assert_int_equal(pkt_parse_any(copy, len, verified, &other_key, &other_seg), kind);
	if (kind == PKT_TCP) {
		assert_memory_equal(&other_key, key, sizeof(*key));
		assert_memory_equal(&other_seg, seg, sizeof(*seg));
		assert_seg_within(seg, len);
	}
	free(copy);
	return kind;
}

static enum pkt_kind kind_of(const struct frame *f, unsigned verified)
{
	struct flow_key key;
	struct seg seg;

	return parse(f, f->len, verified, &key, &seg);
}

static void every_shape_of_tcp_is_read(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		const struct frame_spec *s = &shapes[i];
		struct flow_key key;
		struct frame f;
		struct seg seg;

		frame_make(&f, s);
		assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP);
		assert_int_equal(seg.seq.v, 1000000007);
		assert_int_equal(seg.ack.v, 4000000009);
		assert_int_equal(seg.wnd, 501);
		assert_int_equal(seg.flags, s->flags);
		assert_int_equal(seg.ecn, s->tos & 3);
		assert_int_equal(seg.payload_len, s->payload_len);
		assert_int_equal(seg.payload_off, f.len - s->padding - s->payload_len);
		assert_int_equal(seg.opts_len, s->tcp_opts_len);
		assert_int_equal(seg.has_ts, s->tcp_opts_len > 0);
		assert_int_equal(seg.ts_val, seg.has_ts ? 11 : 0);
		assert_int_equal(seg.ts_ecr, seg.has_ts ? 22 : 0);
		assert_int_equal(seg.has_other_opts, s->tcp_opts == sack_opts || s->tcp_opts == syn_opts);
	}
}

static void local_is_the_destination(void **state)
{
	struct flow_key key,
		expected = {
			.local = addr_v4(htobe32(0xc6336407)),
			.remote = addr_v4(htobe32(0xc0000201)),
			.local_port = htobe16(80),
			.remote_port = htobe16(40000),
		};
	struct frame f;
	struct seg seg;

	(void)state;
	frame_make(&f, &shapes[0]);
	assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP);
	assert_memory_equal(&key, &expected, sizeof(key));
	frame_make(&f, &(struct frame_spec){ .v6 = true });
	assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP);
	memcpy(&expected.remote, f.b + FRAME_ETH + 8, 16);
	memcpy(&expected.local, f.b + FRAME_ETH + 24, 16);
	assert_memory_equal(&key, &expected, sizeof(key));
	assert_int_not_equal(flow_key_hash(&key), 0);
}

static void a_key_reversed_twice_is_itself(void **state)
{
	struct flow_key key, back;
	struct frame f;
	struct seg seg;

	(void)state;
	frame_make(&f, &shapes[0]);
	parse(&f, f.len, 0, &key, &seg);
	back = flow_key_reverse(&key);
	assert_int_equal(back.local_port, key.remote_port);
	assert_true(addr_eq(back.remote, key.local));
	assert_false(flow_key_eq(&back, &key));
	back = flow_key_reverse(&back);
	assert_true(flow_key_eq(&back, &key));
}

static void a_frame_cut_anywhere_is_a_bad_length(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		struct flow_key key;
		struct frame f;
		struct seg seg;

		frame_make(&f, &shapes[i]);
		for (uint32_t len = 0; len < f.len; len++) {
			bool only_padding_lost = len >= f.len - shapes[i].padding;

			for (unsigned verified = 0; verified <= BOTH; verified++)
				assert_int_equal(parse(&f, len, verified, &key, &seg),
					only_padding_lost ? PKT_TCP : PKT_BAD_LENGTH);
		}
	}
}

static void a_flipped_bit_is_never_tcp(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		struct frame f;

		frame_make(&f, &shapes[i]);
		for (uint32_t bit = 12 * 8; bit < (f.len - shapes[i].padding) * 8; bit++) {
			bool unsummed = shapes[i].v6 &&
				((bit / 8 == FRAME_ETH && bit % 8 < 4) || /* class, label */
					(bit / 8 > FRAME_ETH && bit / 8 < FRAME_ETH + 4) ||
					bit / 8 == FRAME_ETH + 7); /* hop limit */

			f.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if ((kind_of(&f, 0) == PKT_TCP) != unsummed)
				fail_msg("shape %u, bit %u", i, bit);
			kind_of(&f, BOTH);
			f.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
}

static void a_flipped_byte_of_an_address_of_the_frame_does_not_matter(void **state)
{
	struct frame f;

	(void)state;
	frame_make(&f, &shapes[0]);
	for (unsigned i = 0; i < 12; i++) {
		f.b[i] ^= 0xff;
		assert_int_equal(kind_of(&f, 0), PKT_TCP);
	}
}

static void bad_checksums_are_found_unless_the_nic_looked(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		struct frame f;

		frame_make(&f, &shapes[i]);
		f.b[frame_l4_off(&f) + 17] ^= 1;
		assert_int_equal(kind_of(&f, 0), PKT_BAD_CHECKSUM);
		assert_int_equal(kind_of(&f, PKT_VERIFIED_IP), PKT_BAD_CHECKSUM);
		assert_int_equal(kind_of(&f, PKT_VERIFIED_L4), PKT_TCP);
		frame_make(&f, &shapes[i]);
		if (shapes[i].v6)
			continue;
		f.b[FRAME_ETH + 8] ^= 1; /* TTL */
		assert_int_equal(kind_of(&f, 0), PKT_BAD_CHECKSUM);
		assert_int_equal(kind_of(&f, PKT_VERIFIED_L4), PKT_BAD_CHECKSUM);
		assert_int_equal(kind_of(&f, PKT_VERIFIED_IP), PKT_TCP);
	}
}

static void an_ip_length_that_lies_is_found(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		uint32_t at = FRAME_ETH + (shapes[i].v6 ? 4 : 2), right, least;
		struct frame f;

		frame_make(&f, &shapes[i]);
		right = get16(f.b + at);
		least = right - shapes[i].payload_len;
		for (uint32_t said = 0; said < 65536; said += said < 200 ? 1 : 997) {
			enum pkt_kind expected = said < least || said > right + shapes[i].padding
				? PKT_BAD_LENGTH
				: PKT_TCP;

			put16(f.b + at, said);
			if (expected == PKT_TCP)
				frame_seal(&f); /* then the lie cannot be told from the truth */
			assert_int_equal(kind_of(&f, expected == PKT_TCP ? 0 : BOTH), expected);
		}
	}
}

static void an_ip_header_length_that_lies_is_found(void **state)
{
	struct frame f;

	(void)state;
	for (unsigned ihl = 0; ihl < 16; ihl++) {
		frame_make(&f, &(struct frame_spec){ .flags = 0x10 }); /* 20 bytes of TCP and no more */
		for (unsigned at = 26; at < 46; at += 4)
			f.b[at] = 0x50; /* a plausible data offset wherever TCP is then thought to begin */
		f.b[FRAME_ETH] = (uint8_t)(0x40 | ihl);
		assert_int_equal(kind_of(&f, BOTH), ihl == 5 ? PKT_TCP : PKT_BAD_LENGTH);
	}
}

static void a_tcp_data_offset_that_lies_is_found(void **state) /* RFC 9293 3.1: at least 5 */
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(shapes); i++) {
		for (unsigned words = 0; words < 16; words++) {
			struct frame f;
			uint32_t off;

			frame_make(&f, &shapes[i]);
			off = frame_l4_off(&f);
			f.b[off + 12] = (uint8_t)(words << 4);
			frame_seal(&f);
			assert_int_equal(kind_of(&f, 0),
				words < 5 || words * 4 > frame_l4_len(&f) ? PKT_BAD_LENGTH : PKT_TCP);
		}
	}
}

static void padding_is_not_payload(void **state)
{
	struct flow_key key;
	struct frame f;
	struct seg seg;

	(void)state;
	for (uint32_t padding = 0; padding < 20; padding++) {
		frame_make(&f, &(struct frame_spec){ .flags = 0x11, .padding = padding });
		memset(f.b + f.len - padding, 0xee, padding);
		assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP);
		assert_int_equal(seg.payload_len, 0);
		assert_int_equal(seg_seq_len(&seg), 1); /* its FIN */
	}
}

static void broken_options_are_marked_and_harmless(void **state)
{
	static const uint8_t broken[][12] = {
		{ 8, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },    /* no length */
		{ 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 8 },    /* cut after the kind */
		{ 1, 1, 1, 8, 10, 1, 1, 1, 1, 1, 1, 1 },   /* cut before its end */
		{ 1, 1, 8, 9, 1, 1, 1, 1, 1, 1, 1, 1 },    /* timestamps of the wrong length */
		{ 1, 1, 253, 10, 0, 0, 0, 0, 0, 0, 0, 0 }, /* unknown */
		{ 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(broken); i++) {
		struct frame_spec s = { .tcp_opts = broken[i], .tcp_opts_len = 12, .payload_len = 9 };
		struct flow_key key;
		struct frame f;
		struct seg seg;

		frame_make(&f, &s);
		assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP);
		assert_int_equal(seg.payload_len, 9);
		assert_false(seg.has_ts);
		assert_true(seg.has_other_opts);
	}
}

static void padding_and_the_end_of_options_are_no_other_options(void **state)
{
	static const uint8_t plain[][12] = {
		{ 0 },
		{ 1, 1, 1, 1, 0, 8, 0, 0, 0, 0, 0, 0 },
		{ 1, 8, 10, 0, 0, 0, 11, 0, 0, 0, 22, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(plain); i++) {
		struct frame_spec s = { .tcp_opts = plain[i], .tcp_opts_len = 12 };
		struct flow_key key;
		struct frame f;
		struct seg seg;

		frame_make(&f, &s);
		assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP);
		assert_false(seg.has_other_opts);
		assert_int_equal(seg.has_ts, i == 2);
	}
}

static void fragments_are_told_apart(void **state)
{
	static const struct {
		uint16_t field;
		enum pkt_kind kind;
	} cases[] = {
		{ 0x4000, PKT_TCP },
		{ 0x0000, PKT_TCP },
		{ 0x8000, PKT_TCP },
		{ 0x2000, PKT_FRAGMENT },
		{ 0x0001, PKT_FRAGMENT },
		{ 0x1fff, PKT_FRAGMENT },
		{ 0x6000, PKT_FRAGMENT },
	};
	struct frame f;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		for (unsigned opts = 0; opts < 8; opts += 4) {
			frame_make(&f, &(struct frame_spec){ .ip_opts_len = (uint8_t)opts });
			put16(f.b + FRAME_ETH + 6, cases[i].field);
			frame_seal(&f);
			assert_int_equal(kind_of(&f, 0), cases[i].kind);
		}
	}
	f.b[FRAME_ETH + 10] ^= 1; /* a fragment with a wrong IP checksum */
	assert_int_equal(kind_of(&f, 0), PKT_BAD_CHECKSUM);
}

static void ethernet_types_sort_frames(void **state)
{
	static const struct {
		uint16_t type;
		enum pkt_kind kind;
	} cases[] = {
		{ 0x0806, PKT_ARP },
		{ 0x8100, PKT_IGNORED },
		{ 0x88a8, PKT_IGNORED },
		{ 0x88cc, PKT_IGNORED },
		{ 0x0026, PKT_IGNORED },
		{ 0x0800, PKT_TCP },
		{ 0x86dd, PKT_BAD_HEADER },
	};
	struct frame f;

	(void)state;
	frame_make(&f, &(struct frame_spec){ .payload_len = 20 });
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		put16(f.b + 12, cases[i].type);
		assert_int_equal(kind_of(&f, 0), cases[i].kind);
	}
	frame_make(&f, &(struct frame_spec){ .v6 = true });
	put16(f.b + 12, 0x0800);
	assert_int_equal(kind_of(&f, 0), PKT_BAD_HEADER);
}

static void icmp_is_summed_even_if_the_nic_looked(void **state)
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		struct flow_key key;
		struct frame f;
		struct seg seg;

		(void)state;
		frame_make(&f,
			&(struct frame_spec){ .v6 = v6,
				.proto = v6 ? 58 : 1,
				.payload_len = 33,
				.padding = 3 });
		assert_int_equal(parse(&f, f.len, BOTH, &key, &seg), v6 ? PKT_ICMP6 : PKT_ICMP);
		assert_int_equal(seg.payload_off, v6 ? 54 : 34);
		assert_int_equal(seg.l4_off, seg.payload_off);
		assert_int_equal(seg.payload_len, 33);
		assert_int_equal(key.ports_zone, 0);
		assert_memory_equal((v6 ? key.remote.b : key.remote.b + 12), f.b + FRAME_ETH + (v6 ? 8 : 12),
			v6 ? 16 : 4);
		f.b[seg.payload_off + 20] ^= 4;
		assert_int_equal(kind_of(&f, BOTH), PKT_BAD_CHECKSUM);
		frame_make(&f, &(struct frame_spec){ .v6 = v6, .proto = v6 ? 58 : 1, .payload_len = 7 });
		assert_int_equal(kind_of(&f, 0), PKT_BAD_LENGTH);
		frame_make(&f, &(struct frame_spec){ .v6 = v6, .proto = v6 ? 1 : 58, .payload_len = 33 });
		assert_int_equal(kind_of(&f, 0), PKT_OTHER_L4); /* the other family's ICMP is no ICMP */
	}
}

static void other_protocols_are_named_with_their_addresses(void **state)
{
	const uint8_t protos[] = { 17, 50, 51, 132 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(protos) * 2; i++) {
		struct frame_spec s = { .v6 = i % 2, .proto = 99, .payload_len = 5 };
		struct flow_key key;
		struct frame f;
		struct seg seg;

		frame_make(&f, &s);
		f.b[FRAME_ETH + (s.v6 ? 6 : 9)] = protos[i / 2];
		frame_seal(&f);
		assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_OTHER_L4);
		assert_int_equal(seg.payload_len, 5);
		assert_int_equal(addr_is_v4(key.local), !s.v6);
	}
}

static void a_segment_behind_extension_headers_is_a_segment(void **state) /* RFC 8200 4 */
{
	struct frame f;
	struct flow_key key;
	struct seg seg;

	(void)state;
	frame_make(&f, &(struct frame_spec){ .v6 = true, .flags = 0x10, .payload_len = 100 });
	memmove(f.b + 54 + 16, f.b + 54, f.len - 54);
	memcpy(f.b + 54, "\x3c\0\1\4\0\0\0\0\6\0\1\4\0\0\0\0", 16);
	f.len += 16;
	put16(f.b + 18, f.len - 54);
	f.b[20] = 60;
	assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_TCP); /* its sum counts TCP alone */
	assert_int_equal(seg.l4_off, 54 + 16);
	assert_int_equal(seg.payload_off, 54 + 16 + 20);
	assert_int_equal(seg.payload_len, 100);
	/* what a port says of the sum it may say of another place */
	f.b[f.len - 1] ^= 1;
	assert_int_equal(parse(&f, f.len, BOTH, &key, &seg), PKT_BAD_CHECKSUM);
	f.b[54 + 8] = 59; /* nothing follows */
	assert_int_equal(kind_of(&f, 0), PKT_IGNORED);
	f.b[54 + 10] = 0xc1; /* an option to be refused */
	assert_int_equal(parse(&f, f.len, 0, &key, &seg), PKT_OTHER_L4);
	assert_int_equal(seg.payload_off, 54);
	f.b[54] = 44; /* a fragment */
	f.b[54 + 10] = 1;
	assert_int_equal(kind_of(&f, 0), PKT_FRAGMENT);
	f.b[54 + 9] = 100;
	f.b[54] = 60;
	assert_int_equal(kind_of(&f, 0), PKT_BAD_LENGTH);
}

static void every_kind_has_a_name(void **state)
{
	(void)state;
	for (unsigned kind = 0; kind < PKT_NR_KINDS; kind++)
		assert_string_not_equal(pkt_kind_name(kind), "unknown");
	assert_string_equal(pkt_kind_name(PKT_NR_KINDS), "unknown");
}

/* A right frame, then some bytes overwritten, cut or not, sealed again or not: far more reach the inner
 * checks than would of pure noise. That no byte outside is read is the sanitizer's to see, that the results
 * lie within is parse()'s. */
static void random_damage_never_reads_outside(void **state)
{
	unsigned count[PKT_NR_KINDS] = { 0 };
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < 200000; i++) {
		const struct frame_spec *s = &shapes[rand_below(&r, ARRAY_LEN(shapes))];
		unsigned damage = rand_below(&r, 4);
		struct flow_key key;
		struct frame f;
		struct seg seg;

		frame_make(&f, s);
		for (unsigned n = 0; n < damage; n++)
			f.b[12 + rand_below(&r, f.len - 12)] = (uint8_t)rand_u64(&r);
		if (rand_below(&r, 8) == 0)
			f.len = rand_below(&r, f.len);
		if (rand_below(&r, 16) == 0)
			fill_random(&r, f.b + 14, f.len > 14 ? f.len - 14 : 0);
		count[parse(&f, f.len, rand_below(&r, 2) ? BOTH : 0, &key, &seg)]++;
	}
	assert_true(
		count[PKT_TCP] > 20000 && count[PKT_BAD_LENGTH] > 5000 && count[PKT_BAD_CHECKSUM] > 20000);
	assert_true(count[PKT_FRAGMENT] > 100 && count[PKT_IGNORED] > 1000 && count[PKT_BAD_HEADER] > 1000);
}

static void pure_noise_never_reads_outside(void **state)
{
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 2);
	for (int i = 0; i < 200000; i++) {
		struct flow_key key;
		struct frame f;
		struct seg seg;

		f.len = rand_below(&r, 128);
		fill_random(&r, f.b, f.len);
		if (f.len > 14 && rand_below(&r, 4) != 0)
			put16(f.b + 12, rand_below(&r, 2) ? 0x0800 : 0x86dd);
		parse(&f, f.len, (unsigned)rand_below(&r, 4), &key, &seg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_shape_of_tcp_is_read),
		cmocka_unit_test(local_is_the_destination),
		cmocka_unit_test(a_key_reversed_twice_is_itself),
		cmocka_unit_test(a_frame_cut_anywhere_is_a_bad_length),
		cmocka_unit_test(a_flipped_bit_is_never_tcp),
		cmocka_unit_test(a_flipped_byte_of_an_address_of_the_frame_does_not_matter),
		cmocka_unit_test(bad_checksums_are_found_unless_the_nic_looked),
		cmocka_unit_test(an_ip_length_that_lies_is_found),
		cmocka_unit_test(an_ip_header_length_that_lies_is_found),
		cmocka_unit_test(a_tcp_data_offset_that_lies_is_found),
		cmocka_unit_test(padding_is_not_payload),
		cmocka_unit_test(broken_options_are_marked_and_harmless),
		cmocka_unit_test(padding_and_the_end_of_options_are_no_other_options),
		cmocka_unit_test(fragments_are_told_apart),
		cmocka_unit_test(ethernet_types_sort_frames),
		cmocka_unit_test(icmp_is_summed_even_if_the_nic_looked),
		cmocka_unit_test(other_protocols_are_named_with_their_addresses),
		cmocka_unit_test(a_segment_behind_extension_headers_is_a_segment),
		cmocka_unit_test(every_kind_has_a_name),
		cmocka_unit_test(random_damage_never_reads_outside),
		cmocka_unit_test(pure_noise_never_reads_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
