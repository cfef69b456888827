/* SPDX-License-Identifier: BSD-3-Clause */
/* test_frag.c - packets in fragments, in both families: what becomes whole, and what never does. */
#include "slowpath/frag.h"

#include "include/net/pkt.h"
#include "tests/unit/eal_rig.h"
#include "tests/unit/net_frames.h"

#define S NS_PER_SEC

enum { L3 = FRAME_ETH, PAYLOAD = 300, HDR = 20 };

static struct frags g;
static struct frame packet; /* that is cut */
static unsigned lates;

static int setup(void **state TAS_UNUSED)
{
	lates = 0;
	return frags_init(&g, "test", 1500, SOCKET_ID_ANY);
}

static void on_late(void *arg, const uint8_t *frame, uint32_t len)
{
	struct flow_key key;
	struct seg seg;

	assert_ptr_equal(arg, &lates);
	assert_int_equal(pkt_parse(frame, len, 0, &key, &seg), PKT_FRAGMENT);
	lates++;
}

static unsigned passes(tas_ns now) { return frags_poll(&g, now, on_late, &lates); }

/* However it ended, every buffer is back when the time is over. */
static int teardown(void **state TAS_UNUSED)
{
	passes(1000000 * S);
	assert_true(rte_mempool_full(g.pool));
	assert_true(frags_next(&g) == TAS_NS_NEVER);
	frags_fini(&g);
	return 0;
}

static void packet_of(bool v6)
{
	frame_make(&packet, &(struct frame_spec){ .v6 = v6, .flags = 0x10, .payload_len = PAYLOAD });
}

/* The fragment of `len` bytes from `from` on; `host` is added to the source, which is of packet's family. */
struct cut {
	uint32_t from, len;
	bool last;
	uint16_t id;
	uint8_t host, ecn;
	uint32_t wrong_offset; /* instead of `from` */
	bool behind_options;   /* IPv6: another extension header stands before */
};

static void fragment(struct frame *f, const struct cut *c)
{
	bool v6 = frame_is_v6(&packet);
	uint32_t at = frame_l4_off(&packet), offset = c->wrong_offset != 0 ? c->wrong_offset : c->from;
	uint8_t *ip = f->b + L3, *h;

	*f = packet;
	ip[v6 ? 23 : 15] = (uint8_t)(ip[v6 ? 23 : 15] + c->host);
	ip[1] |= (uint8_t)(v6 ? c->ecn << 4 : c->ecn);
	if (!v6) {
		put16(ip + 2, at - L3 + c->len);
		put16(ip + 4, c->id);
		put16(ip + 6, (c->last ? 0 : 0x2000) | offset / 8);
		memcpy(f->b + at, packet.b + at + c->from, c->len);
		put16(ip + 10, 0);
		put16(ip + 10, (uint16_t)~naive_sum(ip, at - L3));
		f->len = at + c->len;
		return;
	}
	h = f->b + at;
	if (c->behind_options) {
		memcpy(h, "\x2c\0\x01\x04\0\0\0\0", 8);
		h += 8;
	}
	memset(h, 0, 8);
	h[0] = packet.b[L3 + 6];
	put16(h + 2, offset | !c->last);
	put32(h + 4, c->id);
	memcpy(h + 8, packet.b + at + c->from, c->len);
	ip[6] = c->behind_options ? 60 : 44;
	f->len = (uint32_t)(h + 8 - f->b) + c->len;
	put16(ip + 4, f->len - L3 - 40);
}

/* What comes out when this fragment arrived. */
static uint8_t *comes_(tas_ns now, struct cut c, uint32_t *len)
{
	struct frame f;
	uint8_t *bytes, *whole;
	struct flow_key key;
	struct seg seg;

	fragment(&f, &c);
	bytes = exact(f.b, f.len);
	assert_int_equal(pkt_parse(bytes, f.len, 0, &key, &seg), PKT_FRAGMENT);
	whole = frag_in(&g, bytes, &key, &seg, now, len);
	free(bytes);
	return whole;
}
#define COMES(now, ...) comes_(now, (struct cut){ __VA_ARGS__ }, &(uint32_t){ 0 })

/* With this one the packet is there, and the parser takes it. */
static void completes(tas_ns now, struct cut c)
{
	uint32_t at = frame_l4_off(&packet), len = 0;
	const uint8_t *whole = comes_(now, c, &len);
	struct flow_key key;
	struct seg seg;

	assert_non_null(whole);
	assert_int_equal(len, packet.len);
	assert_memory_equal(whole + at, packet.b + at, packet.len - at);
	assert_int_equal(pkt_parse(whole, len, PKT_VERIFIED_IP, &key, &seg), PKT_TCP);
	assert_int_equal(seg.payload_len, PAYLOAD);
}

static const struct cut three[] = { { .from = 0, .len = 120 }, { .from = 120, .len = 64 },
	{ .from = 184, .len = HDR + PAYLOAD - 184, .last = true } };

static void both(void (*test)(void))
{
	for (unsigned v6 = 0; v6 < 2; v6++) {
		packet_of(v6 != 0);
		test();
		g.dropped = g.joined = 0;
	}
}

static void any_order(void)
{
	static const uint8_t orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 },
		{ 2, 1, 0 } };
	uint32_t len = 0;

	for (unsigned i = 0; i < ARRAY_LEN(orders); i++) {
		assert_null(comes_(S, three[orders[i][0]], &len));
		assert_null(comes_(2 * S, three[orders[i][1]], &len));
		completes(30 * S, three[orders[i][2]]);
		assert_int_equal(g.joined, i + 1);
	}
	assert_int_equal(g.dropped, 0);
}

static void fragments_in_any_order_are_put_together(void **state TAS_UNUSED) { both(any_order); }

static void whole(tas_ns now)
{
	uint32_t len = 0;

	assert_null(comes_(now, three[0], &len));
	assert_null(comes_(now, three[1], &len));
	completes(now, three[2]);
}

/* Of these four none makes a packet; what stays of them ends with its time, and later ones do. */
static void never(const struct cut c[4], tas_ns now)
{
	uint32_t len;

	for (unsigned i = 0; i < 4; i++)
		assert_null(comes_(now, c[i], &len));
	passes(now + FRAG_TIMEOUT_NS + 1);
	assert_int_equal(g.dropped, 4);
	assert_int_equal(g.joined, 0);
	whole(now + FRAG_TIMEOUT_NS + 1);
	g.dropped = g.joined = 0;
}

static void overlaps(void)
{
	struct cut c[][4] = {
		{ three[0], { .from = 112, .len = 80 }, three[1], three[2] }, /* over both its ends */
		{ three[0], { .from = 128, .len = 16 }, three[1], three[2] }, /* within another */
		{ three[0], three[1], { .from = 176, .len = 16 }, three[2] }, /* over the begin of the last */
		{ three[2], { .from = 64, .len = 56 }, three[1], three[0] },  /* the end of the first */
		{ three[1], { .from = 0, .len = 64 }, three[0], three[2] },   /* two first ones */
		{ three[2], { .from = 192, .len = 8, .last = true }, three[0], three[1] }, /* two last ones */
		{ three[1], { .from = 256, .len = 64 }, three[2], three[0] }, /* beyond the end */
		{ three[0], { .from = 56, .len = 64 }, three[2], three[1] },  /* as many bytes as there are */
	};

	for (unsigned i = 0; i < ARRAY_LEN(c); i++)
		never(c[i], (1 + 100 * i) * S);
}

static void what_overlaps_never_becomes_a_packet(void **state TAS_UNUSED) { both(overlaps); } /* RFC 5722 */

static void impossible(void)
{
	assert_null(COMES(S, .from = 0, .len = 0));
	assert_null(COMES(S, .from = 8, .len = 0, .last = true));
	assert_null(COMES(S, .from = 0, .len = 100));
	assert_null(COMES(S, .from = 8, .wrong_offset = 65528, .len = 16, .last = true));
	assert_int_equal(g.dropped, 4);
	assert_true(rte_mempool_full(g.pool));
	whole(S);
}

static void impossible_fragments_are_dropped_at_once(void **state TAS_UNUSED) { both(impossible); }

static void late(void)
{
	uint32_t len;

	lates = 0;
	comes_(100 * S, three[0], &len);
	comes_(101 * S, three[2], &len);
	assert_true(frags_next(&g) <= 100 * S + FRAG_TIMEOUT_NS);
	passes(100 * S + FRAG_TIMEOUT_NS);
	assert_int_equal(g.dropped, 0);
	assert_true(frags_next(&g) <= 132 * S);
	assert_int_equal(passes(132 * S), 2);
	assert_int_equal(g.dropped, 2);
	assert_int_equal(lates, 1);
	assert_null(comes_(132 * S, three[1], &len)); /* alone now */
	passes(163 * S);
	assert_int_equal(lates, 1);
	passes(200 * S);
}

/* RFC 1122 3.3.2, RFC 8200 4.5: for the first fragment its sender is told. */
static void packets_whose_rest_does_not_come_end_after_30_s(void **state TAS_UNUSED) { both(late); }

static void fragments_of_other_packets_are_no_part_of_it(void **state TAS_UNUSED)
{
	packet_of(false);
	for (unsigned i = 0; i < 4; i++) {
		uint16_t id = i & 1;
		uint8_t host = (uint8_t)(i >> 1);

		assert_null(COMES(S, .from = 0, .len = 120, .id = id, .host = host));
		assert_null(COMES(S, .from = 184, .len = three[2].len, .last = true, .id = id, .host = host));
	}
	completes(S, (struct cut){ .from = 120, .len = 64, .id = 1 });
	assert_int_equal(g.joined, 1);
	assert_int_equal(g.dropped, 0);
}

/* What got lost of its packets makes way, and what it has just begun does not. */
static void host_with_many_incomplete_packets_loses_the_oldest(void **state TAS_UNUSED)
{
	packet_of(false);
	for (uint16_t id = 0; id < 1000; id++) {
		tas_ns now = (1 + id) * S / 10;

		assert_null(COMES(now, .from = 0, .len = 120, .id = id));
		assert_null(COMES(now, .from = 0, .len = 120, .id = 5000));
		assert_null(COMES(now, .from = 120, .len = 64, .id = 5000));
		completes(now, (struct cut){ .from = 184, .len = three[2].len, .last = true, .id = 5000 });
	}
	assert_int_equal(g.joined, 1000);
	assert_in_range(g.dropped, 1000 - FRAG_PACKETS, 1000);
}

static void host_that_floods_keeps_no_other_out(void **state TAS_UNUSED)
{
	uint32_t len = 0;

	packet_of(false);
	for (uint32_t i = 0; i < 10000; i++) {
		assert_null(COMES(S, .from = 8 * (i % 30), .len = 8, .id = (uint16_t)i, .host = 99));
		if (i % 3333 < 2)
			assert_null(comes_(S, three[i % 3333], &len));
		if (i % 3333 == 3000) {
			uint64_t before = g.joined;

			completes(S, three[2]);
			assert_int_equal(g.joined, before + 1);
		}
	}
	assert_int_equal(g.joined, 3);
}

static void of_many_hosts_the_one_heard_from_least_recently_makes_way(void **state TAS_UNUSED)
{
	uint32_t len;

	packet_of(false);
	for (uint8_t host = 1; host < 200; host++) { /* spoofed, perhaps */
		COMES(host * S / 100, .from = 0, .len = 120, .host = host);
		if (host % 10 == 1)
			assert_null(comes_(host * S / 100, three[host / 10 % 2], &len));
		if (host % 20 == 12)
			completes(host * S / 100, three[2]);
	}
	assert_int_equal(g.joined, 10);
	assert_int_equal(g.dropped, 199 - (FRAG_SOURCES - 1));
}

/* As many as a frame of 9000 bytes becomes where 1280 pass; DPDK has no more. */
static void packet_of_more_fragments_than_there_is_room_for_is_dropped(void **state TAS_UNUSED)
{
	packet_of(true);
	for (unsigned pieces = FRAG_PIECES; pieces <= FRAG_PIECES + 1; pieces++) {
		struct cut last = { .from = 8 * (pieces - 1), .last = true };

		last.len = HDR + PAYLOAD - last.from;
		for (unsigned i = 0; i + 1 < pieces; i++)
			assert_null(COMES(S, .from = 8 * i, .len = 8));
		if (pieces == FRAG_PIECES)
			completes(S, last);
		else
			assert_null(comes_(S, last, &(uint32_t){ 0 }));
	}
	assert_int_equal(g.joined, 1);
}

static uint8_t marked(uint8_t first, uint8_t second, uint8_t third)
{
	bool v6 = frame_is_v6(&packet);
	const uint8_t *out;

	COMES(S, .from = 0, .len = 120, .ecn = first);
	COMES(S, .from = 120, .len = 64, .ecn = second);
	out = COMES(S, .from = 184, .len = three[2].len, .last = true, .ecn = third);
	return out == NULL ? 0xff : out[L3 + 1] >> (v6 ? 4 : 0) & 3;
}

static void marks(void)
{
	assert_int_equal(marked(0, 0, 0), 0);
	assert_int_equal(marked(2, 2, 2), 2);
	assert_int_equal(marked(2, 3, 2), 3);
	assert_int_equal(marked(1, 1, 3), 3);
	assert_int_equal(marked(3, 2, 2), 3);
	assert_int_equal(marked(0, 3, 0), 0xff);
	assert_int_equal(marked(2, 2, 0), 0xff);
	assert_int_equal(g.dropped, 6);
}

static void mark_of_one_fragment_marks_the_packet(void **state TAS_UNUSED) { both(marks); } /* RFC 3168 5.3 */

static void headers_before_the_fragment_header_are_left_out(void **state TAS_UNUSED) /* RFC 8200 4.5 */
{
	struct cut c[3];

	packet_of(true);
	for (unsigned i = 0; i < 3; i++) {
		c[i] = three[i];
		c[i].behind_options = true;
	}
	assert_null(comes_(S, c[0], &(uint32_t){ 0 }));
	assert_null(comes_(S, c[1], &(uint32_t){ 0 }));
	completes(S, c[2]);
}

static void frame_larger_than_a_buffer_is_dropped(void **state TAS_UNUSED)
{
	frame_make(&packet, &(struct frame_spec){ .flags = 0x10, .payload_len = 3000 });
	assert_null(COMES(S, .from = 0, .len = 1480));
	assert_int_equal(g.dropped, 0);
	assert_null(COMES(S, .from = 0, .len = 1488));
	assert_int_equal(g.dropped, 1);
}

#define FRAG_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FRAG_TEST(fragments_in_any_order_are_put_together),
		FRAG_TEST(what_overlaps_never_becomes_a_packet),
		FRAG_TEST(impossible_fragments_are_dropped_at_once),
		FRAG_TEST(packets_whose_rest_does_not_come_end_after_30_s),
		FRAG_TEST(fragments_of_other_packets_are_no_part_of_it),
		FRAG_TEST(host_with_many_incomplete_packets_loses_the_oldest),
		FRAG_TEST(host_that_floods_keeps_no_other_out),
		FRAG_TEST(of_many_hosts_the_one_heard_from_least_recently_makes_way),
		FRAG_TEST(packet_of_more_fragments_than_there_is_room_for_is_dropped),
		FRAG_TEST(mark_of_one_fragment_marks_the_packet),
		FRAG_TEST(headers_before_the_fragment_header_are_left_out),
		FRAG_TEST(frame_larger_than_a_buffer_is_dropped),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
