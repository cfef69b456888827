/* SPDX-License-Identifier: BSD-3-Clause */
/* test_arp.c - ARP as RFC 826 lays it out, and senders that cannot exist. */
#include "include/net/arp.h"

#include "tests/unit/net_frames.h"

#include "include/base/compiler.h"
#include "include/net/bytes.h"

static const struct rte_ether_addr me = { .addr_bytes = { 2, 0, 0, 0, 0, 0xa } };
static const struct rte_ether_addr you = { .addr_bytes = { 2, 0, 0, 0, 0, 0xb } };

#define MY_IP htobe32(0xc0000201)
#define YOUR_IP htobe32(0xc0000202)

static bool parse(const uint8_t *frame, uint32_t len, struct arp_pkt *out)
{
	uint8_t *copy = exact(frame, len);
	bool ok = arp_parse(copy, len, out);

	free(copy);
	return ok;
}

static void a_request_asks_everyone(void **state)
{
	const uint8_t expected[] = {
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		0xff,
		2,
		0,
		0,
		0,
		0,
		0xa,
		8,
		6,
		0,
		1,
		8,
		0,
		6,
		4,
		0,
		1,
		2,
		0,
		0,
		0,
		0,
		0xa,
		192,
		0,
		2,
		1,
		0,
		0,
		0,
		0,
		0,
		0,
		192,
		0,
		2,
		2,
	};
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	assert_int_equal(arp_write_request(frame, sizeof(frame), &me, MY_IP, NULL, YOUR_IP),
		sizeof(expected));
	assert_memory_equal(frame, expected, sizeof(expected));
	assert_true(parse(frame, sizeof(frame), &a));
	assert_int_equal(a.op, RTE_ARP_OP_REQUEST);
	assert_memory_equal(&a.sender_mac, &me, 6);
	assert_int_equal(a.sender_ip, MY_IP);
	assert_int_equal(a.target_ip, YOUR_IP);
	assert_false(arp_is_gratuitous(&a));
}

static void a_confirmation_asks_one_host(void **state) /* RFC 1122 2.3.2.1 (2) */
{
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	assert_int_equal(arp_write_request(frame, sizeof(frame), &me, MY_IP, &you, YOUR_IP), ARP_FRAME_LEN);
	assert_memory_equal(frame, &you, 6);
	assert_true(parse(frame, sizeof(frame), &a));
	assert_int_equal(a.op, RTE_ARP_OP_REQUEST);
}

static void a_reply_goes_to_who_asked(void **state)
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
		6,
		0,
		1,
		8,
		0,
		6,
		4,
		0,
		2,
		2,
		0,
		0,
		0,
		0,
		0xa,
		192,
		0,
		2,
		1,
		2,
		0,
		0,
		0,
		0,
		0xb,
		192,
		0,
		2,
		2,
	};
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	assert_int_equal(arp_write_reply(frame, sizeof(frame), &me, MY_IP, &you, YOUR_IP), sizeof(expected));
	assert_memory_equal(frame, expected, sizeof(expected));
	assert_true(parse(frame, sizeof(frame), &a));
	assert_int_equal(a.op, RTE_ARP_OP_REPLY);
	assert_memory_equal(&a.target_mac, &you, 6);
}

static void an_announcement_is_gratuitous(void **state) /* RFC 5227 2.3 */
{
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	assert_int_equal(arp_write_gratuitous(frame, sizeof(frame), &me, MY_IP), ARP_FRAME_LEN);
	assert_int_equal(frame[0], 0xff);
	assert_true(parse(frame, sizeof(frame), &a));
	assert_true(arp_is_gratuitous(&a));
	assert_int_equal(a.op, RTE_ARP_OP_REQUEST);
}

static void a_buffer_too_small_is_left_alone(void **state)
{
	(void)state;
	for (uint32_t size = 0; size < ARP_FRAME_LEN; size++) {
		uint8_t *buf = malloc(size);

		assert_int_equal(arp_write_request(buf, size, &me, MY_IP, NULL, YOUR_IP), 0);
		assert_int_equal(arp_write_reply(buf, size, &me, MY_IP, &you, YOUR_IP), 0);
		assert_int_equal(arp_write_gratuitous(buf, size, &me, MY_IP), 0);
		free(buf);
	}
}

static void a_frame_cut_anywhere_is_refused(void **state)
{
	alignas(2) uint8_t frame[64] = { 0 };
	struct arp_pkt a;

	(void)state;
	arp_write_request(frame, sizeof(frame), &me, MY_IP, NULL, YOUR_IP);
	for (uint32_t len = 0; len < sizeof(frame); len++)
		assert_int_equal(parse(frame, len, &a), len >= ARP_FRAME_LEN); /* padding does not matter */
}

static void only_ipv4_over_ethernet_is_understood(void **state)
{
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	for (unsigned at = 12; at < 22; at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			arp_write_request(frame, sizeof(frame), &me, MY_IP, NULL, YOUR_IP);
			frame[at] ^= (uint8_t)(1 << bit);
			assert_int_equal(parse(frame, sizeof(frame), &a), at == 21 && frame[at] == 2);
		}
	}
	for (unsigned op = 0; op < 12; op++) {
		put16(frame + 20, op);
		assert_int_equal(parse(frame, sizeof(frame), &a), op == 1 || op == 2);
	}
}

static void a_sender_that_cannot_exist_is_refused(void **state)
{
	static const uint8_t macs[][6] = { { 0 }, { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		{ 1, 0, 0x5e, 0, 0, 1 } };
	static const uint32_t ips[] = { 0xffffffff, 0xe0000001, 0xf0000001, 0x7f000001 };
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(macs); i++) {
		arp_write_reply(frame, sizeof(frame), &me, MY_IP, &you, YOUR_IP);
		memcpy(frame + 22, macs[i], 6);
		assert_false(parse(frame, sizeof(frame), &a));
	}
	for (unsigned i = 0; i < ARRAY_LEN(ips); i++) {
		arp_write_reply(frame, sizeof(frame), &me, htobe32(ips[i]), &you, YOUR_IP);
		assert_false(parse(frame, sizeof(frame), &a));
	}
}

static void a_probe_without_an_address_is_read(void **state) /* RFC 5227 1.1 */
{
	alignas(2) uint8_t frame[ARP_FRAME_LEN];
	struct arp_pkt a;

	(void)state;
	arp_write_request(frame, sizeof(frame), &me, 0, NULL, YOUR_IP);
	assert_true(parse(frame, sizeof(frame), &a));
	assert_int_equal(a.sender_ip, 0);
}

static void random_damage_never_reads_outside(void **state)
{
	unsigned right = 0;
	struct tas_rand r;

	(void)state;
	rand_seed(&r, 1);
	for (int i = 0; i < 200000; i++) {
		alignas(2) uint8_t frame[64] = { 0 };
		unsigned damage = rand_below(&r, 6);
		struct arp_pkt a;

		arp_write_reply(frame, sizeof(frame), &me, MY_IP, &you, YOUR_IP);
		for (unsigned n = 0; n < damage; n++)
			frame[rand_below(&r, sizeof(frame))] = (uint8_t)rand_u64(&r);
		right += parse(frame, rand_below(&r, 4) == 0 ? rand_below(&r, 64) : 64, &a);
	}
	assert_in_range(right, 20000, 180000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_asks_everyone),
		cmocka_unit_test(a_confirmation_asks_one_host),
		cmocka_unit_test(a_reply_goes_to_who_asked),
		cmocka_unit_test(an_announcement_is_gratuitous),
		cmocka_unit_test(a_buffer_too_small_is_left_alone),
		cmocka_unit_test(a_frame_cut_anywhere_is_refused),
		cmocka_unit_test(only_ipv4_over_ethernet_is_understood),
		cmocka_unit_test(a_sender_that_cannot_exist_is_refused),
		cmocka_unit_test(a_probe_without_an_address_is_read),
		cmocka_unit_test(random_damage_never_reads_outside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
