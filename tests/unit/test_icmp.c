/* SPDX-License-Identifier: BSD-3-Clause */
/* test_icmp.c - what is answered and what must not be (RFC 1122 3.2.2), and errors that quote too little. */
#include "include/net/icmp.h"

#include "tests/unit/net_frames.h"

#include "include/base/compiler.h"
#include "include/net/pkt.h"

enum { ECHO = FRAME_ETH + 20 };

/* An echo request of len bytes, ICMP header included, from 192.0.2.1 to 198.51.100.7. */
static void echo_make(struct frame *f, uint32_t len, uint8_t ip_opts_len)
{
	frame_make(f,
		&(struct frame_spec){ .proto = 1,
			.payload_len = len,
			.ip_opts_len = ip_opts_len,
			.tos = 0x49,
			.padding = 4 });
	f->b[ECHO + ip_opts_len] = ICMP4_ECHO_REQUEST;
	f->b[ECHO + ip_opts_len + 1] = 0;
	frame_seal(f);
}

/* Answers in an allocation of exactly the frame, and brings the answer back into f. */
static uint32_t echo_reply(struct frame *f)
{
	uint8_t *copy = exact(f->b, f->len);
	uint32_t len = icmp_echo_reply(copy, f->len);

	if (len > 0)
		memcpy(f->b, copy, len);
	else
		assert_memory_equal(copy, f->b, f->len);
	f->len = len;
	free(copy);
	return len;
}

static enum pkt_kind kind_of(const struct frame *f, struct flow_key *key, struct seg *seg)
{
	uint8_t *copy = exact(f->b, f->len);
	enum pkt_kind kind = pkt_parse(copy, f->len, 0, key, seg);

	free(copy);
	return kind;
}

static void an_echo_comes_back(void **state) /* RFC 792, RFC 1122 3.2.2.6 */
{
	(void)state;
	for (uint8_t opts = 0; opts <= 40; opts += 4) {
		for (uint32_t len = 8; len < 100; len++) {
			struct flow_key key, key_back;
			struct frame f, request;
			struct seg seg;

			echo_make(&request, len, opts);
			f = request;
			assert_int_equal(kind_of(&f, &key, &seg), PKT_ICMP);
			assert_int_equal(echo_reply(&f), ECHO + len);
			assert_int_equal(kind_of(&f, &key_back, &seg),
				PKT_ICMP); /* its checksums are right */
			assert_true(
				addr_eq(key.local, key_back.remote) && addr_eq(key.remote, key_back.local));
			assert_memory_equal(f.b, request.b + 6, 6);
			assert_memory_equal(f.b + 6, request.b, 6);
			assert_int_equal(f.b[FRAME_ETH], 0x45); /* options are not sent back */
			assert_int_equal(f.b[FRAME_ETH + 1], 0x48);
			assert_int_equal(f.b[FRAME_ETH + 8], 64);
			assert_int_equal(get16(f.b + ECHO), ICMP4_ECHO_REPLY << 8);
			assert_memory_equal(f.b + ECHO + 4, request.b + ECHO + opts + 4, len - 4);
		}
	}
}

static void an_echo_cut_anywhere_is_not_answered(void **state)
{
	struct frame f;

	(void)state;
	for (uint32_t len = 0; len < ECHO + 20; len++) {
		echo_make(&f, 20, 0);
		f.len = len;
		assert_int_equal(echo_reply(&f), 0);
	}
	echo_make(&f, 7, 0);
	assert_int_equal(echo_reply(&f), 0);
}

/* Overwrites one byte or more of an echo request and says whether it is still answered. */
static bool answered_with(uint32_t at, const void *bytes, uint32_t n)
{
	struct frame f;

	echo_make(&f, 30, 0);
	memcpy(f.b + at, bytes, n);
	frame_seal(&f);
	return echo_reply(&f) != 0;
}

static void groups_and_nowhere_are_not_answered(void **state) /* RFC 1122 3.2.2, 3.2.2.6 */
{
	static const uint8_t ips[][4] = { { 255, 255, 255, 255 }, { 224, 0, 0, 1 }, { 0, 0, 0, 0 },
		{ 127, 0, 0, 1 }, { 240, 0, 0, 1 } };
	const uint8_t group_mac[6] = { 1, 0, 0x5e, 0, 0, 1 }, one_host[4] = { 203, 0, 113, 9 };

	(void)state;
	assert_true(answered_with(FRAME_ETH + 12, one_host, 4));
	for (unsigned i = 0; i < ARRAY_LEN(ips); i++) {
		assert_false(answered_with(FRAME_ETH + 12, ips[i], 4));
		assert_false(answered_with(FRAME_ETH + 16, ips[i], 4));
	}
	assert_false(answered_with(0, group_mac, 6));
	assert_false(answered_with(6, group_mac, 6));
}

static void only_a_whole_right_echo_request_is_answered(void **state)
{
	struct frame f;

	(void)state;
	for (unsigned type = 0; type < 256; type++)
		assert_int_equal(answered_with(ECHO, &(uint8_t){ (uint8_t)type }, 1),
			type == ICMP4_ECHO_REQUEST);
	for (unsigned proto = 0; proto < 256; proto++)
		if (proto != 1)
			assert_false(answered_with(FRAME_ETH + 9, &(uint8_t){ (uint8_t)proto }, 1));
	assert_false(answered_with(FRAME_ETH + 6, "\x20\x00", 2)); /* fragments */
	assert_false(answered_with(FRAME_ETH + 6, "\x00\x01", 2));
	assert_false(answered_with(12, "\x86\xdd", 2));
	echo_make(&f, 30, 0);
	f.b[ECHO + 20] ^= 1;
	assert_int_equal(echo_reply(&f), 0);
}

static uint32_t unreachable(struct frame *out, uint32_t size, uint8_t code, uint16_t mtu,
	const struct frame *f)
{
	uint8_t *copy = exact(f->b, f->len), *buf = malloc(size);
	uint32_t len = icmp_write_unreachable(buf, size, code, mtu, copy, f->len);

	assert_true(len <= size && len <= ICMP_ERROR_MAX);
	memcpy(out->b, buf, len);
	out->len = len;
	free(copy);
	free(buf);
	return len;
}

static void an_unreachable_quotes_what_it_is_about(void **state) /* RFC 792, RFC 1812 4.3.2.3 */
{
	const uint32_t payload_lens[] = { 0, 1, 100, 507, 508, 509, 1400 };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(payload_lens); i++) {
		struct frame f, error;
		struct flow_key key, key_of_f;
		struct seg seg;
		uint32_t ip_len = 40 + payload_lens[i], quoted = ip_len < 548 ? ip_len : 548;

		frame_make(&f,
			&(struct frame_spec){ .flags = 2, .payload_len = payload_lens[i], .padding = 7 });
		assert_int_equal(kind_of(&f, &key_of_f, &seg), PKT_TCP);
		assert_int_equal(unreachable(&error, 1000, ICMP4_PORT_UNREACHABLE, 999, &f),
			ECHO + 8 + quoted);
		assert_int_equal(kind_of(&error, &key, &seg), PKT_ICMP);
		assert_true(addr_eq(key.local, key_of_f.remote) && addr_eq(key.remote, key_of_f.local));
		assert_memory_equal(error.b, f.b + 6, 6);
		assert_memory_equal(error.b + 6, f.b, 6);
		assert_int_equal(error.b[FRAME_ETH + 1], 0xc0);
		assert_int_equal(get16(error.b + ECHO), ICMP4_UNREACHABLE << 8 | ICMP4_PORT_UNREACHABLE);
		assert_int_equal(get32(error.b + ECHO + 4), 0);
		assert_memory_equal(error.b + ECHO + 8, f.b + FRAME_ETH, quoted);
		assert_int_equal(unreachable(&error, ECHO + 8 + quoted - 1, ICMP4_PORT_UNREACHABLE, 0, &f),
			0);
		assert_int_equal(unreachable(&error, ECHO + 8 + quoted, ICMP4_PORT_UNREACHABLE, 0, &f),
			ECHO + 8 + quoted);
	}
}

static void what_we_send_as_an_error_the_sender_understands(void **state)
{
	for (uint8_t opts = 0; opts <= 40; opts += 20) {
		struct frame f, wire;
		struct icmp_error e;
		struct flow_key key;
		struct seg seg;

		(void)state;
		frame_make(&f,
			&(struct frame_spec){ .flags = 0x10, .payload_len = 900, .ip_opts_len = opts });
		assert_int_equal(kind_of(&f, &key, &seg), PKT_TCP);
		assert_true(unreachable(&wire, 1000, ICMP4_FRAGMENTATION_NEEDED, 1280, &f) > 0);
		assert_true(icmp_error_parse(wire.b + ECHO, wire.len - ECHO, &e));
		key = flow_key_reverse(&key); /* as the sender of the segment has it */
		assert_true(flow_key_eq(&e.key, &key));
		assert_int_equal(e.seq.v, 1000000007);
		assert_int_equal(e.type, ICMP4_UNREACHABLE);
		assert_int_equal(e.code, ICMP4_FRAGMENTATION_NEEDED);
		assert_int_equal(e.mtu, 1280);
	}
}

static void no_error_answers_an_error(void **state) /* RFC 1122 3.2.2 */
{
	static const uint8_t informational[] = { 0, 8, 13, 14, 15, 16, 17, 18 };
	struct frame f, error;

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		bool may = memchr(informational, (int)type, sizeof(informational)) != NULL;

		frame_make(&f, &(struct frame_spec){ .proto = 1, .payload_len = 40 });
		f.b[ECHO] = (uint8_t)type;
		assert_int_equal(unreachable(&error, 1000, ICMP4_HOST_UNREACHABLE, 0, &f) != 0, may);
	}
	frame_make(&f, &(struct frame_spec){ .proto = 1 }); /* an ICMP message of no bytes might be one */
	assert_int_equal(unreachable(&error, 1000, ICMP4_HOST_UNREACHABLE, 0, &f), 0);
}

static void no_error_answers_groups_or_later_fragments(void **state) /* RFC 1122 3.2.2 */
{
	static const struct {
		uint32_t at, n;
		uint8_t bytes[6];
	} cases[] = {
		{ FRAME_ETH + 16, 4, { 255, 255, 255, 255 } },
		{ FRAME_ETH + 16, 4, { 239, 1, 1, 1 } },
		{ FRAME_ETH + 12, 4, { 0, 0, 0, 0 } },
		{ FRAME_ETH + 12, 4, { 127, 0, 0, 1 } },
		{ 0, 6, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff } },
		{ FRAME_ETH + 6, 2, { 0, 1 } },
		{ FRAME_ETH + 6, 2, { 0x20, 1 } },
		{ 12, 2, { 0x86, 0xdd } },
		{ FRAME_ETH, 1, { 0x44 } },
		{ FRAME_ETH, 1, { 0x65 } },
		{ FRAME_ETH + 2, 2, { 0xff, 0xff } },
		{ FRAME_ETH + 2, 2, { 0, 19 } },
	};
	struct frame f, error;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(cases); i++) {
		frame_make(&f, &(struct frame_spec){ .payload_len = 10 });
		memcpy(f.b + cases[i].at, cases[i].bytes, cases[i].n);
		assert_int_equal(unreachable(&error, 1000, ICMP4_PORT_UNREACHABLE, 0, &f), 0);
	}
	frame_make(&f, &(struct frame_spec){ .payload_len = 10 });
	put16(f.b + FRAME_ETH + 6, 0x2000); /* a first fragment is answered */
	assert_true(unreachable(&error, 1000, ICMP4_PORT_UNREACHABLE, 0, &f) > 0);
}

/* An error message with a quoted TCP header of `quoted` bytes. */
static uint32_t error_make(uint8_t *icmp, uint8_t type, uint8_t ip_opts_len, uint32_t quoted)
{
	struct frame f;

	frame_make(&f, &(struct frame_spec){ .ip_opts_len = ip_opts_len, .payload_len = 1000 });
	memset(icmp, 0, 8);
	icmp[0] = type;
	memcpy(icmp + 8, f.b + FRAME_ETH, 20u + ip_opts_len + quoted);
	return 28u + ip_opts_len + quoted;
}

static bool error_parse(const uint8_t *icmp, uint32_t len, struct icmp_error *e)
{
	uint8_t *copy = exact(icmp, len);
	bool ok = icmp_error_parse(copy, len, e);

	free(copy);
	return ok;
}

static void an_error_needs_8_quoted_bytes(void **state) /* RFC 792 */
{
	uint8_t icmp[256];
	struct icmp_error e;

	(void)state;
	for (uint8_t opts = 0; opts <= 40; opts += 4) {
		uint32_t whole = error_make(icmp, ICMP4_UNREACHABLE, opts, 8);

		for (uint32_t len = 0; len < whole; len++)
			assert_false(error_parse(icmp, len, &e));
		assert_true(error_parse(icmp, whole, &e));
		assert_int_equal(e.mtu, 0);
		assert_int_equal(e.key.remote_port, htobe16(80));
		assert_int_equal(e.key.local_port, htobe16(40000));
		assert_int_equal(addr_v4_be(e.key.local), htobe32(0xc0000201));
	}
}

static void only_errors_about_whole_tcp_headers_are_taken(void **state)
{
	struct icmp_error e;
	uint8_t icmp[256];

	(void)state;
	for (unsigned type = 0; type < 256; type++) {
		uint32_t len = error_make(icmp, (uint8_t)type, 0, 20);

		assert_int_equal(error_parse(icmp, len, &e), type == 3 || type == 11 || type == 12);
	}
	for (unsigned i = 0; i < 6; i++) {
		static const uint8_t at_value[][2] = { { 8, 0x55 + 1 }, { 8, 0x35 }, { 8, 0x44 }, { 17, 17 },
			{ 15, 1 }, { 10, 0 } };
		uint32_t len = error_make(icmp, ICMP4_UNREACHABLE, 0, 12);

		icmp[at_value[i][0]] = at_value[i][1];
		if (i == 5)
			icmp[11] = 19; /* a total length below the header's */
		assert_false(error_parse(icmp, len, &e));
	}
}

static void random_damage_never_reads_outside(void **state)
{
	unsigned echoes = 0, errors = 0, written = 0;
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < 100000; i++) {
		unsigned damage = rand_below(&r, 4);
		uint8_t icmp[256];
		uint32_t len = error_make(icmp, 3, (uint8_t)(rand_below(&r, 11) * 4), rand_below(&r, 24));
		struct icmp_error e;
		struct frame f, out;

		echo_make(&f, 8 + rand_below(&r, 60), (uint8_t)(rand_below(&r, 11) * 4));
		for (unsigned n = 0; n < damage; n++) {
			f.b[rand_below(&r, f.len)] = (uint8_t)rand_u64(&r);
			icmp[rand_below(&r, len)] = (uint8_t)rand_u64(&r);
		}
		if (rand_below(&r, 2))
			frame_seal(&f);
		if (rand_below(&r, 8) == 0)
			f.len = rand_below(&r, f.len);
		written += unreachable(&out, rand_below(&r, 300), (uint8_t)i, 1400, &f) != 0;
		echoes += echo_reply(&f) != 0;
		errors += error_parse(icmp, rand_below(&r, 4) ? len : rand_below(&r, len), &e);
	}
	assert_true(echoes > 10000 && errors > 10000 && written > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_echo_comes_back),
		cmocka_unit_test(an_echo_cut_anywhere_is_not_answered),
		cmocka_unit_test(groups_and_nowhere_are_not_answered),
		cmocka_unit_test(only_a_whole_right_echo_request_is_answered),
		cmocka_unit_test(an_unreachable_quotes_what_it_is_about),
		cmocka_unit_test(what_we_send_as_an_error_the_sender_understands),
		cmocka_unit_test(no_error_answers_an_error),
		cmocka_unit_test(no_error_answers_groups_or_later_fragments),
		cmocka_unit_test(an_error_needs_8_quoted_bytes),
		cmocka_unit_test(only_errors_about_whole_tcp_headers_are_taken),
		cmocka_unit_test(random_damage_never_reads_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
