/* SPDX-License-Identifier: BSD-3-Clause */
/* test_rx.c - frames that are not what they say: dropped, counted, and nothing else happens. Which bytes make
 * them so is test_pkt.c's; here it is what becomes of them and of the connection that they name. */
#include <endian.h>
#include <string.h>

#include "include/net/nd.h"
#include "tests/unit/net_frames.h"
#include "tests/unit/rig_tcp.h"

enum { IP = 14, TCP = 34 };

/* A frame for an open connection, which a test spoils. */
static struct peer *p;
static uint8_t f[RIG_FRAME_MAX];
static uint32_t len;

static void frame_begin(void)
{
	p = established();
	len = peer_frame(p, (struct rig_seg){ .seq = 1, .ack = 1, .len = 100 }, f);
}

/* It was dropped under this name, and the right one that follows is taken. */
static void dropped(enum tas_counter counter)
{
	uint64_t before = counted(counter);

	give_frame(f, len);
	rig_run();
	assert_int_equal(counted(counter), before + 1);
	assert_int_equal(app_unread(p), 0);
	silence();
	give(p, .seq = 1, .ack = 1, .len = 50);
	expect(p, .seq = 1, .ack = 51);
	app_reads(p, 50);
}

TEST(right_frame_is_taken)
{
	frame_begin();
	give_frame(f, len);
	rig_run();
	expect(p, .seq = 1, .ack = 101);
	app_reads(p, 100);
}

TEST(wrong_ip_checksum_is_dropped) /* RFC 1122 3.2.1.2 */
{
	frame_begin();
	f[IP + 10] ^= 1;
	dropped(CNT_RX_BAD_CHECKSUM);
}

TEST(wrong_tcp_checksum_is_dropped) /* RFC 1122 4.2.2.7 */
{
	frame_begin();
	f[len - 1] ^= 1;
	dropped(CNT_RX_BAD_CHECKSUM);
}

TEST(ip_length_beyond_the_frame_is_dropped)
{
	frame_begin();
	put16(f + IP + 2, len - IP + 1);
	frame_reseal(f, len);
	dropped(CNT_RX_BAD_HEADER);
}

TEST(ip_length_within_the_headers_is_dropped)
{
	frame_begin();
	put16(f + IP + 2, 20 + 19);
	frame_reseal(f, len);
	dropped(CNT_RX_BAD_HEADER);
}

TEST(ip_header_shorter_than_it_can_be_is_dropped)
{
	frame_begin();
	f[IP] = 0x44;
	frame_reseal(f, len);
	dropped(CNT_RX_BAD_HEADER);
}

TEST(tcp_header_beyond_the_packet_is_dropped)
{
	frame_begin();
	len = peer_frame(p, (struct rig_seg){ .seq = 1, .ack = 1 }, f);
	f[TCP + 12] = 0xf0;
	frame_reseal(f, len);
	dropped(CNT_RX_BAD_HEADER);
}

TEST(tcp_header_shorter_than_it_can_be_is_dropped)
{
	frame_begin();
	f[TCP + 12] = 0x40;
	frame_reseal(f, len);
	dropped(CNT_RX_BAD_HEADER);
}

/* The part of f that these bytes behind the IP header are, as a fragment arrives. */
static void give_part(uint32_t from, uint32_t n, bool more)
{
	uint8_t part[RIG_FRAME_MAX];

	memcpy(part, f, TCP);
	memcpy(part + TCP, f + TCP + from, n);
	put16(part + IP + 2, 20 + n);
	put16(part + IP + 6, (more ? 0x2000u : 0) | from / 8);
	put16(part + IP + 10, 0);
	put16(part + IP + 10, (uint16_t)~naive_sum(part + IP, 20));
	give_frame(part, TCP + n);
}

static void give_parts(void)
{
	give_part(64, len - TCP - 64, false);
	give_part(0, 64, true);
	rig_run();
}

TEST(segment_in_fragments_is_taken) /* RFC 1122 3.3.2 */
{
	frame_begin();
	give_parts();
	expect(p, .seq = 1, .ack = 101);
	app_reads(p, 100);
	assert_int_equal(counted(CNT_RX_FRAGMENTS), 2);
	assert_int_equal(counted(CNT_RX_REASSEMBLED), 1);
	assert_int_equal(counted(CNT_RX_FRAGMENTS_LOST), 0);
	len = peer_frame(p, (struct rig_seg){ .flags = FIN | ACK, .seq = 101, .ack = 1, .len = 500 }, f);
	give_parts();
	expect(p, .seq = 1, .ack = 602);
	app_reads(p, 500);
}

TEST(checksum_of_a_packet_in_fragments_is_looked_at)
{
	frame_begin();
	f[len - 1] ^= 1;
	give_parts();
	assert_int_equal(counted(CNT_RX_BAD_CHECKSUM), 1);
	assert_int_equal(app_unread(p), 0);
	silence();
}

TEST(fragments_that_are_not_for_us_are_not_kept)
{
	frame_begin();
	f[IP + 19] = 77; /* to 10.0.0.77 */
	give_parts();
	f[IP + 19] = 1;
	f[IP + 15] = 1; /* from ourselves */
	give_parts();
	assert_int_equal(counted(CNT_RX_FRAGMENTS_LOST), 4);
	assert_int_equal(counted(CNT_RX_REASSEMBLED), 0);
	silence();
}

TEST(sender_of_a_packet_that_never_became_whole_is_told) /* RFC 1122 3.3.2 */
{
	const uint8_t *b;

	frame_begin();
	give_part(0, 64, true);
	rig_run();
	wait_ms(29000);
	silence();
	wait_ms(3000);
	assert_int_equal(rig.sent_tail - rig.sent_head, 1);
	b = rig.sent[rig.sent_head % RIG_FRAMES].b;
	assert_int_equal(b[IP + 9], 1);
	assert_int_equal(b[TCP], 11);
	assert_int_equal(b[TCP + 1], 1);
	assert_memory_equal(b + TCP + 8 + 20, f + TCP, 64);
	overlook();
	give_part(64, len - TCP - 64, false); /* of one whose first fragment is missing there is none */
	rig_run();
	wait_ms(40000);
	silence();
	assert_int_equal(counted(CNT_RX_FRAGMENTS_LOST), 2);
}

/* The same solicitation, whole and then cut. */
TEST(neighbour_discovery_in_fragments_is_dropped) /* RFC 6980 5 */
{
	const struct rte_ether_addr theirs = { { 2, 0, 0, 0, 0, 2 } };
	struct net_addr us, host;
	uint8_t part[RIG_FRAME_MAX];

	rig.conf.ip.addresses6 = 1;
	assert_true(prefix_parse("fd00::1/64", &rig.conf.ip.address6[0]));
	assert_true(addr_parse("fd00::1", &us) && addr_parse("fd00::2", &host));
	rig_open();
	overlook();
	frame_begin();
	overlook();
	len = nd_write_solicitation(f, sizeof(f), &theirs, host, &rig.port.mac, us);
	give_frame(f, len);
	rig_run();
	assert_int_equal(rig.sent_tail - rig.sent_head, 1);
	overlook();
	for (uint32_t from = 0; from < 32; from += 16) {
		memcpy(part, f, 54);
		memset(part + 54, 0, 8);
		put16(part + IP + 4, 8 + 16);
		part[IP + 6] = 44;
		part[54] = 58;
		part[57] = (uint8_t)(from | (from == 0));
		memcpy(part + 62, f + 54 + from, 16);
		give_frame(part, 62 + 16);
	}
	rig_run();
	assert_int_equal(counted(CNT_RX_REASSEMBLED), 1);
	silence();
}

TEST(fragments_take_half_of_the_punts_at_most)
{
	frame_begin();
	for (unsigned i = 0; i < FP_PUNTS_MAX; i++) {
		give_part(8 * (i % 8), 8, true);
		core_poll(rig.fp.core[0], rig.now);
	}
	assert_int_equal(counted(CNT_RX_FRAGMENTS), FP_PUNTS_MAX);
	assert_int_equal(counted(CNT_RX_PUNT_FULL), FP_PUNTS_MAX / 2);
	assert_int_equal(rte_ring_count(rig.fp.punts), FP_PUNTS_MAX / 2);
	rig_run();
	silence();
}

TEST(runts_are_dropped)
{
	frame_begin();
	for (uint32_t n = 1; n < TCP + 20; n++)
		give_frame(f, n);
	rig_run();
	assert_int_equal(counted(CNT_RX_BAD_HEADER), TCP + 20 - 1);
	silence();
}

TEST(padding_is_not_payload) /* Ethernet's least frame is 60 bytes */
{
	struct peer *q = established(.no_ts = true);

	len = peer_frame(q, (struct rig_seg){ .seq = 1, .ack = 1, .len = 2 }, f);
	memset(f + len, 0xaa, 60 - len);
	give_frame(f, 60);
	rig_run();
	expect(q, .seq = 1, .ack = 3);
	app_reads(q, 2);
}

TEST(ip_options_are_passed_over) /* RFC 1122 3.2.1.8 */
{
	frame_begin();
	memmove(f + TCP + 4, f + TCP, len - TCP);
	memset(f + TCP, 1, 4);
	f[IP] = 0x46;
	len += 4;
	put16(f + IP + 2, len - IP);
	frame_reseal(f, len);
	give_frame(f, len);
	rig_run();
	expect(p, .seq = 1, .ack = 101);
	app_reads(p, 100);
}

TEST(source_routed_packets_are_dropped) /* RFC 7126 4.3, 4.4 */
{
	static const uint8_t opts[][4] = { { 131, 3, 4, 0 }, { 1, 137, 3, 4 } };

	for (unsigned i = 0; i < ARRAY_LEN(opts); i++) {
		frame_begin();
		memmove(f + TCP + 4, f + TCP, len - TCP);
		memcpy(f + TCP, opts[i], 4);
		f[IP] = 0x46;
		len += 4;
		put16(f + IP + 2, len - IP);
		frame_reseal(f, len);
		give_frame(f, len);
		rig_run();
		assert_int_equal(counted(CNT_RX_IGNORED), i + 1);
		silence();
	}
}

TEST(packets_for_others_are_not_answered)
{
	frame_begin();
	f[IP + 19] = 77; /* to 10.0.0.77 */
	frame_reseal(f, len);
	give_frame(f, len);
	rig_run();
	silence();
	assert_int_equal(app_unread(p), 0);
	assert_int_equal(counted(CNT_RX_IGNORED), 1);
}

TEST(other_ethernet_types_are_dropped)
{
	frame_begin();
	put16(f + 12, 0x8100);
	dropped(CNT_RX_IGNORED);
}

TEST(echo_is_answered_and_other_protocols_are_refused) /* RFC 792; RFC 1122 3.2.2.1 */
{
	frame_begin();
	f[IP + 9] = 17;
	frame_reseal(f, len);
	give_frame(f, len);
	rig_run();
	assert_int_equal(rig.sent_tail - rig.sent_head, 1);
	assert_int_equal(rig.sent[rig.sent_head].b[IP + 9], 1);
	assert_int_equal(rig.sent[rig.sent_head].b[TCP], 3);
	overlook();
	f[IP + 9] = 1;
	memset(f + TCP, 0, len - TCP);
	f[TCP] = 8;
	frame_reseal(f, len);
	give_frame(f, len);
	rig_run();
	assert_int_equal(rig.sent_tail - rig.sent_head, 1);
	assert_int_equal(rig.sent[rig.sent_head % RIG_FRAMES].b[TCP], 0);
	overlook();
}

TEST(chains_of_buffers_are_joined)
{
	struct rte_mbuf *a, *b;

	frame_begin();
	a = rte_pktmbuf_alloc(rig.pool);
	b = rte_pktmbuf_alloc(rig.pool);
	memcpy(rte_pktmbuf_append(a, 60), f, 60);
	memcpy(rte_pktmbuf_append(b, (uint16_t)(len - 60)), f + 60, len - 60);
	assert_int_equal(rte_pktmbuf_chain(a, b), 0);
	assert_int_equal(rte_ring_enqueue(rig.in, a), 0);
	rig_run();
	expect(p, .seq = 1, .ack = 101);
	app_reads(p, 100);
}

TEST(punts_that_nobody_takes_are_dropped) /* the slow path stands: receive goes on, and no buffer is lost */
{
	frame_begin();
	for (unsigned i = 0; i < FP_PUNTS_MAX + 100; i++) {
		give(p, .flags = SYN, .seq = 300000, .hold = true);
		core_poll(rig.fp.core[0], rig.now);
	}
	assert_int_equal(counted(CNT_RX_PUNT_FULL), 100);
	give(p, .seq = 1, .ack = 1, .len = 10, .hold = true);
	core_poll(rig.fp.core[0], rig.now);
	assert_int_equal(app_unread(p), 10);
	rig_run();
	overlook();
}

TEST(segment_brings_its_flow_to_the_core_it_came_to) /* and its application's bells */
{
	frame_begin();
	flow_of(p)->core = 5;
	rec_of(p)->core = 5;
	give_frame(f, len);
	rig_run();
	assert_int_equal(flow_of(p)->core, 0);
	assert_int_equal(rec_of(p)->core, 0);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(right_frame_is_taken),
		RIG_TEST(segment_brings_its_flow_to_the_core_it_came_to),
		RIG_TEST(wrong_ip_checksum_is_dropped),
		RIG_TEST(wrong_tcp_checksum_is_dropped),
		RIG_TEST(ip_length_beyond_the_frame_is_dropped),
		RIG_TEST(ip_length_within_the_headers_is_dropped),
		RIG_TEST(ip_header_shorter_than_it_can_be_is_dropped),
		RIG_TEST(tcp_header_beyond_the_packet_is_dropped),
		RIG_TEST(tcp_header_shorter_than_it_can_be_is_dropped),
		RIG_TEST(segment_in_fragments_is_taken),
		RIG_TEST(checksum_of_a_packet_in_fragments_is_looked_at),
		RIG_TEST(fragments_that_are_not_for_us_are_not_kept),
		RIG_TEST(sender_of_a_packet_that_never_became_whole_is_told),
		RIG_TEST(neighbour_discovery_in_fragments_is_dropped),
		RIG_TEST(fragments_take_half_of_the_punts_at_most),
		RIG_TEST(runts_are_dropped),
		RIG_TEST(padding_is_not_payload),
		RIG_TEST(ip_options_are_passed_over),
		RIG_TEST(source_routed_packets_are_dropped),
		RIG_TEST(packets_for_others_are_not_answered),
		RIG_TEST(other_ethernet_types_are_dropped),
		RIG_TEST(echo_is_answered_and_other_protocols_are_refused),
		RIG_TEST(chains_of_buffers_are_joined),
		RIG_TEST(punts_that_nobody_takes_are_dropped),
	};

	return RIG_MAIN(tests);
}
