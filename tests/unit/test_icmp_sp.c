/* SPDX-License-Identifier: BSD-3-Clause */
/* test_icmp_sp.c - frames as they arrive, through the parser as in the slow path, and their fate. */
#include "slowpath/icmp_sp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/pkt.h"

#define OURS 0x0a000001u
#define PEER 0x0a000002u
#define ELSEWHERE 0x0a000003u

enum { L3 = 14, L4 = 34 };

static struct routes routes;
static struct icmp_sp icmp;
static alignas(8) uint8_t frame[1514], answer[ICMP_ERROR_MAX];

static int setup(void **state)
{
	struct net_prefix p = prefix_v4(htobe32(OURS), 24);

	(void)state;
	routes_init(&routes);
	assert_int_equal(route_add_address(&routes, &p), 0);
	icmp_sp_init(&icmp, &routes);
	memset(frame, 0, sizeof(frame));
	return 0;
}

/* An IPv4 packet without options at `at`, payload_len bytes of which are there already. */
static void put_ip(uint8_t *at, uint32_t src, uint32_t dst, uint8_t proto, uint32_t payload_len)
{
	memset(at, 0, 20);
	at[0] = 0x45;
	store_be16(at + 2, (uint16_t)(20 + payload_len));
	at[8] = 64;
	at[9] = proto;
	store_be32(at + 12, src);
	store_be32(at + 16, dst);
	store_u16(at + 10, cksum_finish(cksum_ipv4_20(at)));
}

static uint32_t make_frame(uint32_t src, uint32_t dst, uint8_t proto, uint32_t payload_len)
{
	memcpy(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x08\0", L3);
	put_ip(frame + L3, src, dst, proto, payload_len);
	return L4 + payload_len;
}

static uint32_t make_icmp(uint32_t dst, uint8_t type, uint8_t code, uint32_t body_len)
{
	frame[L4] = type;
	frame[L4 + 1] = code;
	store_u16(frame + L4 + 2, 0);
	store_u16(frame + L4 + 2, cksum_finish(cksum_partial(frame + L4, 8 + body_len, 0)));
	return make_frame(PEER, dst, IPPROTO_ICMP, 8 + body_len);
}

/* An error about a TCP segment from `src`, port 1000, to the peer's port 80, sequence number 12345. */
static uint32_t make_error(uint32_t dst, uint32_t src, uint8_t type, uint8_t code)
{
	uint8_t *quoted = frame + L4 + 8;

	put_ip(quoted, src, PEER, IPPROTO_TCP, 20);
	store_be16(quoted + 20, 1000);
	store_be16(quoted + 22, 80);
	store_be32(quoted + 24, 12345);
	store_be32(frame + L4 + 4, 1400);
	return make_icmp(dst, type, code, 28);
}

static enum icmp_sp_verdict icmp_in(uint32_t *len, struct icmp_error *error, tas_ns now)
{
	struct flow_key key;
	struct seg seg;

	assert_int_equal(pkt_parse(frame, *len, 0, &key, &seg), PKT_ICMP);
	return icmp_sp_in(&icmp, frame, len, &key, &seg, now, error);
}

static uint32_t refuse(uint32_t len, tas_ns now)
{
	struct flow_key key;
	struct seg seg;

	assert_int_equal(pkt_parse(frame, len, 0, &key, &seg), PKT_OTHER_L4);
	return icmp_sp_refuse(&icmp, answer, sizeof(answer), frame, len, &key, now);
}

/* RFC 1122 3.2.2.6. */
static void an_echo_request_to_us_is_answered(void **state)
{
	uint32_t len = make_icmp(OURS, ICMP4_ECHO_REQUEST, 0, 56), asked = len;
	struct icmp_error error;

	(void)state;
	assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_REPLY);
	assert_int_equal(len, asked);
	assert_int_equal(frame[L4], ICMP4_ECHO_REPLY);
	assert_int_equal(load_be32(frame + L3 + 16), PEER);
	assert_int_equal(icmp.echo_replies, 1);
}

static void an_echo_request_to_others_is_not(void **state)
{
	uint32_t len = make_icmp(ELSEWHERE, ICMP4_ECHO_REQUEST, 0, 56);
	struct icmp_error error;

	(void)state;
	assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_DROP);
	len = make_icmp(0x0a0000ff, ICMP4_ECHO_REQUEST, 0, 56); /* the subnet's broadcast */
	assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_DROP);
}

static void echo_replies_are_limited(void **state)
{
	struct icmp_error error;
	unsigned replies = 0;

	(void)state;
	for (unsigned i = 0; i < 3 * ICMP_SP_ECHO_BURST; i++) {
		uint32_t len = make_icmp(OURS, ICMP4_ECHO_REQUEST, 0, 56);

		replies += icmp_in(&len, &error, 0) == ICMP_SP_REPLY;
	}
	assert_int_equal(replies, ICMP_SP_ECHO_BURST);
	assert_int_equal(icmp.echo_limited, 2 * ICMP_SP_ECHO_BURST);
}

static void an_error_about_our_segment_is_handed_up_with_its_key(void **state)
{
	uint32_t len = make_error(OURS, OURS, ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION_NEEDED);
	struct icmp_error error;

	(void)state;
	assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_ERROR);
	assert_true(addr_eq(error.key.local, addr_v4(htobe32(OURS))));
	assert_true(addr_eq(error.key.remote, addr_v4(htobe32(PEER))));
	assert_int_equal(be16toh(error.key.local_port), 1000);
	assert_int_equal(be16toh(error.key.remote_port), 80);
	assert_int_equal(error.seq.v, 12345);
	assert_int_equal(error.mtu, 1400);
}

static void an_error_about_a_segment_that_is_not_ours_is_not(void **state)
{
	uint32_t len = make_error(OURS, ELSEWHERE, ICMP4_UNREACHABLE, ICMP4_PORT_UNREACHABLE);
	struct icmp_error error;

	(void)state;
	assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_DROP);
	len = make_error(ELSEWHERE, OURS, ICMP4_UNREACHABLE, ICMP4_PORT_UNREACHABLE);
	assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_DROP);
	assert_int_equal(icmp.errors_heard, 0);
}

static void other_icmp_is_dropped(void **state)
{
	static const uint8_t types[] = { ICMP4_ECHO_REPLY, ICMP4_REDIRECT, 4, 9, 13, 255 };
	struct icmp_error error;

	(void)state;
	for (unsigned i = 0; i < sizeof(types); i++) {
		uint32_t len = make_icmp(OURS, types[i], 0, 56);

		assert_int_equal(icmp_in(&len, &error, 0), ICMP_SP_DROP);
	}
}

/* RFC 1122 3.2.2.1, 4.1.3.1. */
static void udp_is_refused_by_port_and_other_protocols_by_protocol(void **state)
{
	(void)state;
	assert_int_equal(refuse(make_frame(PEER, OURS, IPPROTO_UDP, 20), 0), 14 + 20 + 8 + 40);
	assert_int_equal(answer[L4], ICMP4_UNREACHABLE);
	assert_int_equal(answer[L4 + 1], ICMP4_PORT_UNREACHABLE);
	assert_int_equal(load_be32(answer + L3 + 16), PEER);
	assert_true(refuse(make_frame(PEER, OURS, 132, 20), 0) > 0);
	assert_int_equal(answer[L4 + 1], ICMP4_PROTOCOL_UNREACHABLE);
	assert_int_equal(icmp.errors_sent, 2);
}

static void packets_that_are_not_to_us_are_refused_in_silence(void **state)
{
	(void)state;
	assert_int_equal(refuse(make_frame(PEER, ELSEWHERE, IPPROTO_UDP, 20), 0), 0);
	assert_int_equal(refuse(make_frame(PEER, 0x0a0000ff, IPPROTO_UDP, 20), 0), 0);
	assert_int_equal(refuse(make_frame(PEER, 0xe0000001, 2, 8), 0), 0); /* IGMP */
}

/* RFC 1812 4.3.2.8. */
static void errors_are_limited(void **state)
{
	uint32_t len = make_frame(PEER, OURS, IPPROTO_UDP, 20);
	unsigned sent = 0;

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		sent += refuse(len, 0) > 0;
	assert_int_equal(sent, ICMP_SP_ERRORS_BURST);
	assert_int_equal(icmp.errors_limited, 1000 - ICMP_SP_ERRORS_BURST);
	assert_true(refuse(len, NS_PER_SEC / ICMP_SP_ERRORS_PER_S) > 0);
}

/* The first fragment of a packet of IPv6 with 20 bytes of `proto`. */
static uint32_t make_fragment(uint8_t proto)
{
	uint8_t *ip = frame + L3;

	memset(frame, 0, sizeof(frame));
	memcpy(frame, "\x02\0\0\0\0\1\x02\0\0\0\0\2\x86\xdd", L3);
	ip[0] = 0x60;
	store_be16(ip + 4, 8 + 20);
	ip[6] = 44;
	ip[8] = ip[24] = 0xfd;
	ip[23] = 2;
	ip[39] = 1;
	ip[40] = proto;
	ip[43] = 1; /* more follow */
	return L3 + 40 + 8 + 20;
}

/* RFC 4443 2.4 (e), 3.3. */
static void what_has_no_answer_is_not_counted(void **state)
{
	uint32_t len = make_fragment(IPPROTO_ICMPV6);

	(void)state;
	assert_int_equal(icmp_sp_late(&icmp, answer, sizeof(answer), frame, len, false, 0), 0);
	assert_int_equal(icmp.errors_sent, 0);
	len = make_fragment(IPPROTO_UDP);
	assert_int_equal(icmp_sp_late(&icmp, answer, sizeof(answer), frame, len, false, 0), 14 + 40 + 8 + 68);
	assert_int_equal(answer[L3 + 40], 3); /* time exceeded, */
	assert_int_equal(answer[L3 + 41], 1); /* in reassembly */
	assert_int_equal(icmp.errors_sent, 1);
}

static void an_error_means_what_it_means_in_linux(void **state)
{
	static const struct {
		uint8_t type, code;
		int err;
		bool pmtu;
	} rows[] = {
		{ ICMP4_UNREACHABLE, ICMP4_NET_UNREACHABLE, ENETUNREACH, false },
		{ ICMP4_UNREACHABLE, ICMP4_HOST_UNREACHABLE, EHOSTUNREACH, false },
		{ ICMP4_UNREACHABLE, ICMP4_PROTOCOL_UNREACHABLE, ENOPROTOOPT, false },
		{ ICMP4_UNREACHABLE, ICMP4_PORT_UNREACHABLE, ECONNREFUSED, false },
		{ ICMP4_UNREACHABLE, ICMP4_FRAGMENTATION_NEEDED, 0, true },
		{ ICMP4_UNREACHABLE, ICMP4_ADMIN_PROHIBITED, EHOSTUNREACH, false },
		{ ICMP4_UNREACHABLE, 15, EHOSTUNREACH, false },
		{ ICMP4_UNREACHABLE, 16, 0, false },
		{ ICMP4_UNREACHABLE, 255, 0, false },
		{ ICMP4_TIME_EXCEEDED, 0, EHOSTUNREACH, false },
		{ ICMP4_PARAMETER_PROBLEM, 0, EPROTO, false },
		{ ICMP4_REDIRECT, 0, 0, false },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		struct icmp_error e = { .type = rows[i].type, .code = rows[i].code };
		struct icmp_sp_effect effect = icmp_sp_effect_of(&e);

		assert_int_equal(effect.err, rows[i].err);
		assert_int_equal(effect.hard, rows[i].err != 0);
		assert_int_equal(effect.pmtu, rows[i].pmtu);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(an_echo_request_to_us_is_answered, setup),
		cmocka_unit_test_setup(an_echo_request_to_others_is_not, setup),
		cmocka_unit_test_setup(echo_replies_are_limited, setup),
		cmocka_unit_test_setup(an_error_about_our_segment_is_handed_up_with_its_key, setup),
		cmocka_unit_test_setup(an_error_about_a_segment_that_is_not_ours_is_not, setup),
		cmocka_unit_test_setup(other_icmp_is_dropped, setup),
		cmocka_unit_test_setup(udp_is_refused_by_port_and_other_protocols_by_protocol, setup),
		cmocka_unit_test_setup(packets_that_are_not_to_us_are_refused_in_silence, setup),
		cmocka_unit_test_setup(errors_are_limited, setup),
		cmocka_unit_test_setup(what_has_no_answer_is_not_counted, setup),
		cmocka_unit_test_setup(an_error_means_what_it_means_in_linux, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
