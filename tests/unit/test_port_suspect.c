/* SPDX-License-Identifier: BSD-3-Clause */
/* test_port_suspect.c - the operator hears once of a sender whose offload spoils its frames, and never of
 * frames that a wire may have spoilt. */
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <rte_ip.h>
#include <rte_tcp.h>
#include <rte_udp.h>

#include <cmocka.h>

#include "fastpath/port.h"
#include "tests/unit/eal_rig.h"

enum { L3 = 14, FRAME = L3 + 20 + 20 + 100 };

/* A frame in an mbuf, without a pool. */
struct frame {
	struct rte_mbuf m;
	uint8_t bytes[FRAME + 60];
	struct log_rig log;
	struct port port;
};

static void frame_init(struct frame *f, uint16_t type, uint32_t len)
{
	memset(f, 0, sizeof(*f));
	f->bytes[12] = (uint8_t)(type >> 8);
	f->bytes[13] = (uint8_t)type;
	f->m.buf_addr = f->bytes;
	f->m.data_len = (uint16_t)len;
	f->m.pkt_len = len;
	f->port.frame_max = 1522;
	strcpy(f->port.name, "net_test0");
	strcpy(f->port.iface, "eth9");
}

/* What Linux leaves to the device: the pseudo-header's sum in place of the checksum. */
static void make_v4(struct frame *f)
{
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(f->bytes + L3);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	frame_init(f, RTE_ETHER_TYPE_IPV4, FRAME);
	ip->version_ihl = RTE_IPV4_VHL_DEF;
	ip->total_length = htons(FRAME - L3);
	ip->next_proto_id = IPPROTO_TCP;
	ip->src_addr = htonl(RTE_IPV4(10, 0, 0, 2));
	ip->dst_addr = htonl(RTE_IPV4(10, 0, 0, 1));
	tcp->cksum = rte_ipv4_phdr_cksum(ip, 0);
}

static void make_v6(struct frame *f)
{
	struct rte_ipv6_hdr *ip = (struct rte_ipv6_hdr *)(f->bytes + L3);
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(ip + 1);

	frame_init(f, RTE_ETHER_TYPE_IPV6, FRAME + 20);
	ip->payload_len = htons(120);
	ip->proto = IPPROTO_TCP;
	memset(ip->src_addr, 0xfe, 16);
	memset(ip->dst_addr, 0xfd, 16);
	tcp->cksum = rte_ipv6_phdr_cksum(ip, 0);
}

static void receive(struct frame *f, unsigned times)
{
	log_rig_begin(&f->log);
	for (unsigned i = 0; i < times; i++)
		port_offload_suspect(&f->port, &f->m);
	log_rig_end(&f->log);
}

static void expect_told(const struct frame *f, const char *what)
{
	assert_int_equal(log_rig_count(&f->log, "\n"), 1);
	assert_non_null(strstr(f->log.text, what));
	assert_non_null(strstr(f->log.text, "port net_test0"));
	assert_non_null(strstr(f->log.text, "the other end of eth9"));
	assert_non_null(strstr(f->log.text, "ethtool -K PEER tx off tso off gso off"));
}

static void a_few_unfinished_checksums_are_no_reason_to_speak(void **state TAS_UNUSED)
{
	struct frame f;

	make_v4(&f);
	receive(&f, PORT_SUSPECTS_TOLD - 1);
	assert_string_equal(f.log.text, "");
	assert_int_equal(f.port.suspects, PORT_SUSPECTS_TOLD - 1);
}

static void unfinished_checksums_are_told_once(void **state TAS_UNUSED)
{
	struct frame f;

	make_v4(&f);
	receive(&f, 1000);
	expect_told(&f, "with unfinished checksums");
	make_v6(&f);
	receive(&f, 1000);
	expect_told(&f, "with unfinished checksums");
}

/* 48 bytes: shorter than any TCP segment. */
static void a_short_datagram_counts_as_well(void **state TAS_UNUSED)
{
	struct frame f;
	struct rte_ipv4_hdr *ip = (struct rte_ipv4_hdr *)(f.bytes + L3);

	make_v4(&f);
	f.m.pkt_len = f.m.data_len = 48;
	ip->total_length = htons(48 - L3);
	ip->next_proto_id = IPPROTO_UDP;
	memset(ip + 1, 0, 14);
	((struct rte_udp_hdr *)(ip + 1))->dgram_cksum = rte_ipv4_phdr_cksum(ip, 0);
	receive(&f, PORT_SUSPECTS_TOLD);
	expect_told(&f, "with unfinished checksums");
}

static void frames_longer_than_the_mtu_are_told_once(void **state TAS_UNUSED)
{
	struct frame f;

	frame_init(&f, RTE_ETHER_TYPE_IPV4, FRAME);
	f.m.pkt_len = 1523;
	receive(&f, 1000);
	expect_told(&f, "longer than the MTU");
}

static void both_together_are_told_once(void **state TAS_UNUSED)
{
	struct frame f;

	make_v4(&f);
	log_rig_begin(&f.log);
	for (unsigned i = 0; i < 100; i++) {
		f.m.pkt_len = i % 2 ? 1523 : FRAME;
		port_offload_suspect(&f.port, &f.m);
	}
	log_rig_end(&f.log);
	assert_int_equal(log_rig_count(&f.log, "\n"), 1);
}

static void a_checksum_that_is_only_wrong_is_the_wire_s_fault(void **state TAS_UNUSED)
{
	struct frame f;
	struct rte_tcp_hdr *tcp = (struct rte_tcp_hdr *)(f.bytes + L3 + 20);

	make_v4(&f);
	tcp->cksum ^= 1;
	receive(&f, 1000);
	assert_string_equal(f.log.text, "");
	assert_int_equal(f.port.suspects, 0);
}

static void a_frame_of_full_length_is_not_too_long(void **state TAS_UNUSED)
{
	struct frame f;

	frame_init(&f, RTE_ETHER_TYPE_IPV4, FRAME);
	f.m.pkt_len = 1522;
	receive(&f, 1000);
	assert_int_equal(f.port.suspects, 0);
}

/* Whatever the headers say, nothing behind the frame is read: valgrind and ASan watch. */
static void a_frame_that_is_cut_short_is_looked_at_no_further_than_it_goes(void **state TAS_UNUSED)
{
	struct frame *f = malloc(sizeof(*f));

	for (uint32_t len = 0; len < FRAME; len++) {
		uint8_t *exact;

		make_v4(f);
		exact = malloc(len + 1);
		memcpy(exact, f->bytes, len);
		f->bytes[0] = 0;
		f->m.buf_addr = exact;
		f->m.data_len = (uint16_t)len;
		f->m.pkt_len = len;
		if (len > L3)
			exact[L3] = (uint8_t)(0x40 | (len % 16)); /* any header length */
		port_offload_suspect(&f->port, &f->m);
		free(exact);
	}
	free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_few_unfinished_checksums_are_no_reason_to_speak),
		cmocka_unit_test(unfinished_checksums_are_told_once),
		cmocka_unit_test(a_short_datagram_counts_as_well),
		cmocka_unit_test(frames_longer_than_the_mtu_are_told_once),
		cmocka_unit_test(both_together_are_told_once),
		cmocka_unit_test(a_checksum_that_is_only_wrong_is_the_wire_s_fault),
		cmocka_unit_test(a_frame_of_full_length_is_not_too_long),
		cmocka_unit_test(a_frame_that_is_cut_short_is_looked_at_no_further_than_it_goes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
