/* SPDX-License-Identifier: BSD-3-Clause */
/* test_icmp6.c - what is answered and what must not be (RFC 4443 2.4), and errors that quote too little; with
 * the slow path's policy over it. */
#include "include/net/icmp6.h"

#include <errno.h>

#include "include/base/compiler.h"
#include "include/net/pkt.h"
#include "slowpath/icmp_sp.h"
#include "tests/unit/net_frames.h"

enum { ICMP = 54 };

static struct routes routes;
static struct icmp_sp icmp;
static struct frame f;
static uint8_t answer[ICMP_SP_ANSWER_MAX];

/* frame_make()'s packets go to this address. */
static struct net_addr ours(void)
{
	struct net_addr a;

	for (unsigned i = 0; i < 16; i++)
		a.b[i] = (uint8_t)(0x30 + i);
	return a;
}

static int setup(void **state)
{
	struct net_prefix p = { ours(), 64 };

	(void)state;
	routes_init(&routes);
	assert_int_equal(route_add_address(&routes, &p), 0);
	icmp_sp_init(&icmp, &routes);
	return 0;
}

static void make(uint8_t type, uint32_t len)
{
	frame_make(&f,
		&(struct frame_spec){ .v6 = true,
			.proto = 58,
			.payload_len = len,
			.tos = 0x49,
			.padding = 3 });
	f.b[ICMP] = type;
	f.b[ICMP + 1] = 0;
	frame_seal(&f);
}

/* The packet to be quoted: a TCP segment that went the other way. */
static void make_error(uint8_t type, uint8_t code, uint32_t value, uint32_t quoted)
{
	struct frame segment;

	frame_make(&segment, &(struct frame_spec){ .v6 = true, .payload_len = 100 });
	for (unsigned i = 0; i < 16; i++) {
		uint8_t b = segment.b[22 + i];

		segment.b[22 + i] = segment.b[38 + i];
		segment.b[38 + i] = b;
	}
	make(type, 8 + quoted);
	f.b[ICMP + 1] = code;
	put32(f.b + ICMP + 4, value);
	memcpy(f.b + ICMP + 8, segment.b + FRAME_ETH, quoted);
	frame_seal(&f);
}

static enum icmp_sp_verdict hear(struct icmp_error *error)
{
	uint8_t *copy = exact(f.b, f.len);
	uint32_t len = f.len;
	struct flow_key key;
	struct seg seg;
	enum icmp_sp_verdict v = ICMP_SP_DROP;

	if (pkt_parse(copy, len, 0, &key, &seg) == PKT_ICMP6)
		v = icmp_sp_in(&icmp, copy, &len, &key, &seg, 0, error);
	if (v == ICMP_SP_REPLY) {
		memcpy(f.b, copy, len);
		f.len = len;
	}
	free(copy);
	return v;
}

static uint32_t refuse(void)
{
	uint8_t *copy = exact(f.b, f.len);
	struct flow_key key;
	struct seg seg;
	uint32_t len = 0;

	if (pkt_parse(copy, f.len, 0, &key, &seg) == PKT_OTHER_L4)
		len = icmp_sp_refuse(&icmp, answer, sizeof(answer), copy, f.len, &key, 0);
	free(copy);
	return len;
}

static void an_echo_comes_back(void **state)
{
	struct frame request;
	struct icmp_error e;

	(void)state;
	for (uint32_t len = 8; len < 100; len++) {
		make(ICMP6_ECHO_REQUEST, len);
		request = f;
		assert_int_equal(hear(&e), ICMP_SP_REPLY);
		assert_int_equal(f.len, ICMP + len); /* without the padding */
		assert_int_equal(f.b[ICMP], ICMP6_ECHO_REPLY);
		assert_int_equal(frame_l4_sum(&f, true), 0xffff);
		assert_memory_equal(f.b + 22, request.b + 38, 16);
		assert_memory_equal(f.b + 38, request.b + 22, 16);
		assert_memory_equal(f.b, request.b + 6, 6);
		assert_memory_equal(f.b + ICMP + 4, request.b + ICMP + 4, len - 4);
		assert_int_equal(get16(f.b + FRAME_ETH) >> 4 & 0xff, 0x48); /* DSCP, no ECN */
		assert_int_equal(f.b[FRAME_ETH + 7], 64);
	}
}

static void an_echo_behind_extension_headers_comes_back_without_them(void **state)
{
	struct icmp_error e;

	(void)state;
	make(ICMP6_ECHO_REQUEST, 32);
	memmove(f.b + ICMP + 8, f.b + ICMP, 32);
	memcpy(f.b + ICMP, "\x3a\0\1\4\0\0\0\0", 8);
	put16(f.b + 18, 40);
	f.b[20] = 60;
	f.len = ICMP + 40;
	assert_int_equal(hear(&e), ICMP_SP_REPLY);
	assert_int_equal(f.len, ICMP + 32);
	assert_int_equal(f.b[20], 58);
	assert_int_equal(frame_l4_sum(&f, true), 0xffff);
}

static void groups_and_nowhere_are_not_answered(void **state)
{
	struct icmp_error e;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		static const uint8_t nobody[4][16] = { { 0 }, { [15] = 1 }, { 0xff, 2, [15] = 1 },
			{ [10] = 0xff, 0xff, 10, 0, 0, 1 } };

		make(ICMP6_ECHO_REQUEST, 32);
		memcpy(f.b + 22, nobody[i], 16);
		frame_seal(&f);
		assert_int_equal(hear(&e), ICMP_SP_DROP);
	}
	make(ICMP6_ECHO_REQUEST, 32);
	memcpy(f.b, "\x33\x33\0\0\0\1", 6);
	assert_int_equal(hear(&e), ICMP_SP_DROP);
	make(ICMP6_ECHO_REQUEST, 32);
	f.b[50] ^= 1; /* to another host */
	frame_seal(&f);
	assert_int_equal(hear(&e), ICMP_SP_DROP);
}

static void an_error_about_our_segment_is_handed_up_with_its_key(void **state)
{
	struct icmp_error e;

	(void)state;
	make_error(ICMP6_TOO_BIG, 0, 1400, 120);
	assert_int_equal(hear(&e), ICMP_SP_ERROR);
	assert_true(e.v6 && addr_eq(e.key.local, ours()));
	assert_int_equal(be16toh(e.key.local_port), 40000);
	assert_int_equal(be16toh(e.key.remote_port), 80);
	assert_int_equal(e.seq.v, 1000000007);
	assert_int_equal(e.mtu, 1400);
	assert_true(icmp_sp_effect_of(&e).pmtu);
	make_error(ICMP6_TOO_BIG, 0, 70000, 120);
	assert_int_equal(hear(&e), ICMP_SP_ERROR);
	assert_int_equal(e.mtu, 65535);
}

static void one_that_quotes_too_little_or_another_is_not(void **state)
{
	struct icmp_error e;

	(void)state;
	for (uint32_t quoted = 0; quoted < 60; quoted++) {
		make_error(ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0, quoted);
		assert_int_equal(hear(&e), quoted >= 48 ? ICMP_SP_ERROR : ICMP_SP_DROP);
	}
	make_error(ICMP6_UNREACHABLE, 0, 0, 100);
	f.b[ICMP + 8 + 6] = 17; /* about UDP */
	frame_seal(&f);
	assert_int_equal(hear(&e), ICMP_SP_DROP);
	make_error(ICMP6_UNREACHABLE, 0, 0, 100);
	f.b[ICMP + 8 + 8 + 15] ^= 1; /* from another host */
	frame_seal(&f);
	assert_int_equal(hear(&e), ICMP_SP_DROP);
}

static void an_error_means_what_it_means_in_linux(void **state)
{
	static const struct {
		uint8_t type, code;
		int err;
	} rows[] = {
		{ ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, ENETUNREACH },
		{ ICMP6_UNREACHABLE, ICMP6_PROHIBITED, EACCES },
		{ ICMP6_UNREACHABLE, ICMP6_ADDRESS_UNREACHABLE, EHOSTUNREACH },
		{ ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, ECONNREFUSED },
		{ ICMP6_UNREACHABLE, ICMP6_ROUTE_REJECTED, EACCES },
		{ ICMP6_UNREACHABLE, 200, EPROTO },
		{ ICMP6_TOO_BIG, 0, 0 },
		{ ICMP6_TIME_EXCEEDED, 0, EHOSTUNREACH },
		{ ICMP6_PARAMETER_PROBLEM, 1, EPROTO },
	};

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(rows); i++) {
		struct icmp_error e = { .type = rows[i].type, .code = rows[i].code, .v6 = true };

		assert_int_equal(icmp_sp_effect_of(&e).err, rows[i].err);
		assert_int_equal(icmp_sp_effect_of(&e).hard, rows[i].err != 0);
	}
}

static void expect_problem(uint8_t code, uint32_t pointer)
{
	uint32_t len = refuse();

	assert_in_range(len, ICMP + 48, ICMP6_ERROR_MAX);
	assert_int_equal(answer[ICMP], ICMP6_PARAMETER_PROBLEM);
	assert_int_equal(answer[ICMP + 1], code);
	assert_int_equal(get32(answer + ICMP + 4), pointer);
	assert_memory_equal(answer + ICMP + 8, f.b + FRAME_ETH, 40);
}

static void what_nobody_serves_is_refused(void **state)
{
	(void)state;
	frame_make(&f, &(struct frame_spec){ .v6 = true, .proto = 17, .payload_len = 2000 });
	assert_int_equal(refuse(), ICMP6_ERROR_MAX);
	assert_int_equal(answer[ICMP], ICMP6_UNREACHABLE);
	assert_int_equal(answer[ICMP + 1], ICMP6_PORT_UNREACHABLE);
	frame_make(&f, &(struct frame_spec){ .v6 = true, .proto = 132, .payload_len = 20 });
	expect_problem(ICMP6_UNKNOWN_NEXT_HEADER, 6);
	frame_make(&f, &(struct frame_spec){ .v6 = true, .proto = 60, .payload_len = 20 });
	memcpy(f.b + ICMP, "\6\0\1\0\xc7\2", 6); /* TCP behind an option nobody knows */
	expect_problem(ICMP6_UNKNOWN_OPTION, 44);
	frame_make(&f, &(struct frame_spec){ .v6 = true, .proto = 43, .payload_len = 20 });
	memcpy(f.b + ICMP, "\6\0\0\1", 4); /* a route that goes on */
	expect_problem(0, 42);
	frame_make(&f, &(struct frame_spec){ .v6 = true, .proto = 59, .payload_len = 20 });
	assert_int_equal(refuse(), 0);
}

static void errors_are_not_answered_by_errors(void **state) /* RFC 4443 2.4 (e.1) */
{
	(void)state;
	make_error(ICMP6_UNREACHABLE, 0, 0, 100);
	assert_int_equal(icmp6_write_error(answer, sizeof(answer), ICMP6_UNREACHABLE, 0, 0, f.b, f.len), 0);
	make(ICMP6_ECHO_REQUEST, 20);
	assert_int_not_equal(icmp6_write_error(answer, sizeof(answer), ICMP6_UNREACHABLE, 0, 0, f.b, f.len),
		0);
	assert_int_equal(icmp6_write_error(answer, 60, ICMP6_UNREACHABLE, 0, 0, f.b, f.len), 0);
	assert_int_equal(icmp6_write_error(answer, sizeof(answer), ICMP6_UNREACHABLE, 0, 0, f.b, 53), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_echo_comes_back, setup),
		cmocka_unit_test_setup(an_echo_behind_extension_headers_comes_back_without_them, setup),
		cmocka_unit_test_setup(groups_and_nowhere_are_not_answered, setup),
		cmocka_unit_test_setup(an_error_about_our_segment_is_handed_up_with_its_key, setup),
		cmocka_unit_test_setup(one_that_quotes_too_little_or_another_is_not, setup),
		cmocka_unit_test_setup(an_error_means_what_it_means_in_linux, setup),
		cmocka_unit_test_setup(what_nobody_serves_is_refused, setup),
		cmocka_unit_test_setup(errors_are_not_answered_by_errors, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
