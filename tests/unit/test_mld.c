/* SPDX-License-Identifier: BSD-3-Clause */
/* test_mld.c - multicast listener discovery, byte by byte. Each frame that is parsed is an allocation of its
 * size, and goes through pkt_parse() first, as in tasd. */
#include "include/net/mld.h"

#include "include/net/icmp6.h"
#include "include/net/pkt.h"
#include "tests/unit/net_frames.h"

enum { L3 = 14, HBH = L3 + 40, ICMP = HBH + 8 };

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } };
static struct net_addr router, ours, group;
static uint8_t b[FRAME_MAX];
static uint32_t len;
static struct mld_msg m;

static int setup(void **state)
{
	(void)state;
	assert_true(addr_parse("fe80::1", &router));
	assert_true(addr_parse("fe80::ff:fe00:1", &ours));
	assert_true(addr_parse("ff02::1:ff00:1", &group));
	memset(b, 0, sizeof(b));
	return 0;
}

/* The sum of the ICMP message and its pseudo-header: 0xffff if it is right. */
static uint16_t icmp_sum(void)
{
	uint8_t data[40 + FRAME_MAX] = { 0 };

	memcpy(data, b + L3 + 8, 32);
	put32(data + 32, len - ICMP);
	data[39] = 58;
	memcpy(data + 40, b + ICMP, len - ICMP);
	return naive_sum(data, 40 + len - ICMP);
}

/* A message to all nodes of the link, its ICMP part icmp_len bytes long. */
static void message(uint8_t type, uint16_t code, const struct net_addr *about, uint32_t icmp_len)
{
	memset(b, 0, sizeof(b));
	memcpy(b, "\x33\x33\0\0\0\1\2\0\0\0\0\xa\x86\xdd\x60", 15);
	len = ICMP + icmp_len;
	put16(b + L3 + 4, len - HBH);
	b[L3 + 7] = 1;
	memcpy(b + L3 + 8, &router, 16);
	memcpy(b + L3 + 24, "\xff\2\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16);
	memcpy(b + HBH, "\x3a\0\5\2\0\0\1\0", 8);
	b[ICMP] = type;
	put16(b + ICMP + 4, code);
	if (about != NULL)
		memcpy(b + ICMP + 8, about, 16);
}

static bool parses(void)
{
	uint8_t *copy;
	struct flow_key key;
	struct seg seg;
	bool ok;

	put16(b + ICMP + 2, 0);
	put16(b + ICMP + 2, (uint16_t)~icmp_sum());
	copy = exact(b, len);
	ok = pkt_parse(copy, len, 0, &key, &seg) == PKT_ICMP6 && mld_parse(copy, &seg, &m);
	free(copy);
	return ok;
}

static void a_query_of_either_version_is_read(void **state) /* RFC 3810 5.1, 8.1 */
{
	(void)state;
	message(ICMP6_MLD_QUERY, 10000, NULL, 24);
	assert_true(parses());
	assert_true(m.is_query && m.is_v1 && addr_is_any(m.group));
	assert_int_equal(m.max_delay_ms, 10000);
	message(ICMP6_MLD_QUERY, 1000, &group, 28);
	assert_true(parses());
	assert_true(m.is_query && !m.is_v1 && addr_eq(m.group, group));
	assert_int_equal(m.max_delay_ms, 1000);
	assert_int_equal(m.sources, 0);
	for (uint32_t n = 8; n < 28; n++) {
		message(ICMP6_MLD_QUERY, 1000, NULL, n);
		assert_true(parses() == (n == 24));
	}
}

static void long_delays_of_version_2_are_written_with_an_exponent(void **state) /* RFC 3810 5.1.3, 8.2.1 */
{
	static const uint32_t delays[][2] = { { 0x7fff, 0x7fff }, { 0x8000, 0x8000 }, { 0x8001, 0x8008 },
		{ 0xffff, 0x1fff << 10 }, { 0xa123, 0x1123 << 5 } };

	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		message(ICMP6_MLD_QUERY, (uint16_t)delays[i][0], NULL, 28);
		assert_true(parses());
		assert_int_equal(m.max_delay_ms, delays[i][1]);
	}
	message(ICMP6_MLD_QUERY, 0xffff, NULL, 24); /* of version 1 not */
	assert_true(parses());
	assert_int_equal(m.max_delay_ms, 0xffff);
}

static bool asks_for_sources(uint32_t n, uint32_t room)
{
	message(ICMP6_MLD_QUERY, 1000, &group, 28 + 16 * room);
	put16(b + ICMP + 26, n);
	for (uint32_t i = 0; i < room; i++)
		memset(b + ICMP + 28 + 16 * i, (int)(0x20 + i), 16);
	return parses();
}

static void a_query_may_name_sources(void **state) /* RFC 3810 5.1.11 */
{
	(void)state;
	assert_true(asks_for_sources(2, 2));
	assert_int_equal(m.sources, 2);
	assert_int_equal(m.source[0].b[15], 0x20);
	assert_int_equal(m.source[1].b[0], 0x21);
	assert_true(asks_for_sources(MLD_SOURCES_MAX, MLD_SOURCES_MAX));
	assert_int_equal(m.sources, MLD_SOURCES_MAX);
	assert_true(asks_for_sources(MLD_SOURCES_MAX + 1, MLD_SOURCES_MAX + 1)); /* then all are meant */
	assert_int_equal(m.sources, 0);
	assert_true(asks_for_sources(1, 2)); /* what stands behind is passed over */
	assert_false(asks_for_sources(3, 2));
	assert_false(asks_for_sources(0xffff, 2));
}

static bool is_wrong_after(uint32_t at, uint8_t value)
{
	message(ICMP6_MLD_QUERY, 1000, NULL, 28);
	b[at] = value;
	return !parses();
}

static void what_does_not_come_from_a_router_of_this_link_is_ignored(void **state) /* RFC 3810 5.1.14, 6.2 */
{
	(void)state;
	message(ICMP6_MLD_QUERY, 1000, NULL, 28);
	assert_true(parses());
	assert_true(is_wrong_after(L3 + 7, 2));
	assert_true(is_wrong_after(L3 + 7, 255));
	assert_true(is_wrong_after(L3 + 8, 0x20)); /* 2080::1 */
	message(ICMP6_MLD_QUERY, 1000, NULL, 28);
	memset(b + L3 + 8, 0, 16);
	assert_false(parses());
}

static void a_query_without_a_router_alert_is_ignored(void **state) /* RFC 3810 6.2 */
{
	(void)state;
	assert_true(is_wrong_after(HBH + 2, 1));    /* padding */
	assert_true(is_wrong_after(HBH + 2, 0x1e)); /* another option */
	assert_true(is_wrong_after(HBH + 5, 1));    /* of another kind (RFC 2711 2.1) */
	message(ICMP6_MLD_QUERY, 1000, NULL, 28);
	memcpy(b + HBH + 2, "\0\0\5\2\0\0", 6); /* behind padding */
	assert_true(parses());
	memcpy(b + HBH + 2, "\1\0\0\0\5\0", 6);
	assert_false(parses());
	message(ICMP6_MLD_QUERY, 1000, NULL, 28);
	b[L3 + 6] = 60; /* an option for the destination */
	assert_false(parses());
}

static void a_group_is_a_multicast_address(void **state)
{
	(void)state;
	message(ICMP6_MLD_QUERY, 1000, &router, 24);
	assert_false(parses());
	message(ICMP6_MLD_REPORT, 0, NULL, 24);
	assert_false(parses());
}

static void of_reports_those_of_version_1_are_read(void **state) /* RFC 2710 4 */
{
	(void)state;
	message(ICMP6_MLD_REPORT, 0, &group, 24);
	assert_true(parses());
	assert_true(!m.is_query && addr_eq(m.group, group));
	message(ICMP6_MLD_DONE, 0, &group, 24);
	assert_false(parses());
	message(ICMP6_MLD2_REPORT, 0, &group, 28);
	assert_false(parses());
}

/* To whom a message went, and that it went as each must. */
static void went_to(const char *dst, uint8_t type)
{
	struct net_addr to;

	assert_true(addr_parse(dst, &to));
	assert_memory_equal(b, "\x33\x33", 2);
	assert_memory_equal(b + 2, &to.b[12], 4);
	assert_memory_equal(b + 6, our_mac.addr_bytes, 6);
	assert_int_equal(get16(b + L3 + 4), len - HBH);
	assert_int_equal(b[L3 + 6], 0);
	assert_int_equal(b[L3 + 7], 1);
	assert_memory_equal(b + L3 + 8, &ours, 16);
	assert_memory_equal(b + L3 + 24, &to, 16);
	assert_memory_equal(b + HBH, "\x3a\0\5\2\0\0\1\0", 8);
	assert_int_equal(b[ICMP], type);
	assert_int_equal(icmp_sum(), 0xffff);
}

static void a_report_has_a_record_for_each_group(void **state) /* RFC 3810 5.2 */
{
	const struct net_addr source[] = { router, ours };
	const struct mld_record r[] = { { MLD_TO_EXCLUDE, group, 0, NULL },
		{ MLD_IS_INCLUDE, router, 2, source }, { MLD_TO_INCLUDE, ours, 0, NULL } };

	(void)state;
	len = mld_write_report(b, sizeof(b), &our_mac, ours, r, 3);
	assert_int_equal(len, ICMP + 8 + 3 * 20 + 2 * 16);
	went_to("ff02::16", ICMP6_MLD2_REPORT);
	assert_memory_equal(b + ICMP + 4, "\0\0\0\3", 4);
	assert_memory_equal(b + ICMP + 8, "\4\0\0\0", 4);
	assert_memory_equal(b + ICMP + 12, &group, 16);
	assert_memory_equal(b + ICMP + 28, "\1\0\0\2", 4);
	assert_memory_equal(b + ICMP + 32, &router, 16);
	assert_memory_equal(b + ICMP + 48, source, 32);
	assert_memory_equal(b + ICMP + 80, "\3\0\0\0", 4);
	assert_memory_equal(b + ICMP + 84, &ours, 16);
	for (uint32_t size = 0; size < len; size++)
		assert_int_equal(mld_write_report(b, size, &our_mac, ours, r, 3), 0);
}

static void version_1_tells_each_group_by_itself(void **state) /* RFC 2710 3 */
{
	(void)state;
	len = mld_write_v1(b, sizeof(b), &our_mac, ours, group, false);
	assert_int_equal(len, ICMP + 24);
	went_to("ff02::1:ff00:1", ICMP6_MLD_REPORT);
	assert_memory_equal(b + ICMP + 4, "\0\0\0\0", 4);
	assert_memory_equal(b + ICMP + 8, &group, 16);
	len = mld_write_v1(b, sizeof(b), &our_mac, ours, group, true);
	went_to("ff02::2", ICMP6_MLD_DONE);
	assert_memory_equal(b + ICMP + 8, &group, 16);
	assert_int_equal(mld_write_v1(b, len - 1, &our_mac, ours, group, true), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(a_query_of_either_version_is_read, setup),
		cmocka_unit_test_setup(long_delays_of_version_2_are_written_with_an_exponent, setup),
		cmocka_unit_test_setup(a_query_may_name_sources, setup),
		cmocka_unit_test_setup(what_does_not_come_from_a_router_of_this_link_is_ignored, setup),
		cmocka_unit_test_setup(a_query_without_a_router_alert_is_ignored, setup),
		cmocka_unit_test_setup(a_group_is_a_multicast_address, setup),
		cmocka_unit_test_setup(of_reports_those_of_version_1_are_read, setup),
		cmocka_unit_test_setup(a_report_has_a_record_for_each_group, setup),
		cmocka_unit_test_setup(version_1_tells_each_group_by_itself, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
