/* SPDX-License-Identifier: BSD-3-Clause */
/* test_tcp_v6.c - what IPv6 changes in a connection, and which local address it has. The peer's answers come
 * as the slow path has them when they are parsed; what the host sends is not looked at. */
#include <errno.h>
#include <string.h>

#include "include/net/bytes.h"
#include "include/net/cksum.h"
#include "include/net/mld.h"
#include "slowpath/conn.h"
#include "slowpath/handshake.h"
#include "tests/unit/rig_tcp.h"

static struct net_addr addr(const char *text)
{
	struct net_addr a;

	assert_true(addr_parse(text, &a));
	return a;
}

/* Application 0 connects; what tasd answers. */
static int connects(struct peer *p, const char *local, const char *remote, struct ctl_connect *m)
{
	struct rig_app *a = app_start(0);
	int rc;

	*m = (struct ctl_connect){ .remote = addr(remote), .remote_port = 80, .context = a->ctx[0].id };
	if (local != NULL)
		m->local = addr(local);
	rc = app_connect(&rig.apps, a->id, m);
	*p = (struct peer){ .app = a, .rec = m->rec, .flow = m->flow, .gen = m->gen };
	rig_run();
	overlook();
	return rc;
}

static void two_families(void)
{
	rig.conf.ip.addresses6 = 1;
	assert_true(prefix_parse("fd00::1/64", &rig.conf.ip.address6[0]));
}

/* The SYN-ACK with these options. */
static void answered(struct peer *p, const char *opts, uint8_t opts_len)
{
	struct seg seg = { .seq = { 1000 },
		.ack = seq_add(flow_of(p)->iss, 1),
		.wnd = 0xffff,
		.flags = SYN | ACK,
		.opts_len = opts_len };

	conn_lock(&rig.sp, p->flow);
	handshake_segment_in(&rig.sp, p->flow, (const uint8_t *)opts, &seg);
	conn_unlock(&rig.sp, p->flow);
	rig_run();
	overlook();
	assert_int_equal(events_of(p), ABI_EV_CONNECTED);
}

static void too_big(struct peer *p, uint16_t mtu)
{
	struct icmp_error e = { .key = cold_of(p)->key,
		.seq = flow_tx_seq(flow_of(p), flow_of(p)->tx_una),
		.mtu = mtu,
		.type = 2, /* RFC 4443 3.2 */
		.v6 = true };

	conn_icmp_error(&rig.sp, &e);
	rig_run();
	overlook();
}

TEST(peer_without_an_mss_gets_1220_bytes) /* RFC 9293 3.7.1, MUST-15 */
{
	struct ctl_connect m;
	struct peer p;

	two_families();
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), 0);
	answered(&p, "", 0);
	assert_int_equal(flow_of(&p)->mss, 1220);
}

TEST(path_is_never_taken_for_narrower_than_1280) /* RFC 8201 4 */
{
	struct ctl_connect m;
	struct peer p;

	two_families();
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), 0);
	answered(&p, "\x02\x04\x05\xa0", 4);
	assert_int_equal(flow_of(&p)->mss, 1440);
	app_writes(&p, 5 * 1440);
	overlook();
	too_big(&p, 1400);
	assert_int_equal(flow_of(&p)->mss, 1340);
	too_big(&p, 600); /* no link is as narrow: forged */
	assert_int_equal(flow_of(&p)->mss, 1340);
	too_big(&p, 1280);
	assert_int_equal(flow_of(&p)->mss, 1220);
}

static void unreachable(struct peer *p)
{
	struct icmp_error e = { .key = cold_of(p)->key,
		.seq = flow_tx_seq(flow_of(p), flow_of(p)->tx_una),
		.type = 1, /* RFC 4443 3.1 */
		.code = 3,
		.v6 = true };

	conn_icmp_error(&rig.sp, &e);
	rig_run();
}

TEST(error_about_data_is_told_to_who_wants_to_know_of_ipv6) /* IPV6_RECVERR of Linux */
{
	struct ctl_connect m;
	struct peer p;

	two_families();
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), 0);
	answered(&p, "", 0);
	app_writes(&p, 100);
	assert_int_equal(app_sets(&p, .flags = CTL_OPTION_RECVERR), 0); /* of IPv4 */
	unreachable(&p);
	assert_int_equal(events_of(&p) & ABI_EV_ERROR, 0);
	assert_int_equal(app_sets(&p, .flags = CTL_OPTION_RECVERR6), 0);
	unreachable(&p);
	assert_int_equal(events_of(&p) & (ABI_EV_ERROR | ABI_EV_RESET), ABI_EV_ERROR);
	assert_int_equal(rec_of(&p)->error & 0xffff, EHOSTUNREACH);
	overlook();
}

TEST(route_chooses_the_local_address_unless_it_is_given) /* RFC 9293 3.9.1.1, MUST-43, MUST-44 */
{
	struct ctl_connect m;
	struct peer p;

	rig.conf.ip.addresses = 2;
	rig.conf.ip.address[1] = prefix_v4(htobe32(0x0a000105), 24);
	assert_int_equal(connects(&p, NULL, "10.0.1.9", &m), 0);
	assert_true(addr_eq(m.local, addr("10.0.1.5")));
	assert_int_equal(connects(&p, "10.0.0.1", "10.0.1.9", &m), 0);
	assert_true(addr_eq(m.local, addr("10.0.0.1")) && addr_eq(cold_of(&p)->key.local, m.local));
	assert_int_equal(connects(&p, "10.0.0.7", "10.0.1.9", &m), EADDRNOTAVAIL);
}

TEST(nobody_connects_to_what_is_no_host) /* RFC 9293 3.9.1.1, MUST-46 */
{
	static const char *const remote[] = { "224.0.0.1", "255.255.255.255", "10.0.0.255", "ff02::1", "::" };
	struct ctl_connect m;
	struct peer p;

	two_families();
	for (unsigned i = 0; i < ARRAY_LEN(remote); i++)
		assert_int_equal(connects(&p, NULL, remote[i], &m), ENETUNREACH);
}

TEST(link_narrower_than_1280_is_refused) /* RFC 8200 5 */
{
	struct sp_conf sc = { .fp = &rig.fp, .conf = &rig.conf, .apps = &rig.apps, .now = rig.now };
	static struct sp other;
	char err[256] = "";

	two_families();
	rig_open();
	rig.port.mtu = 1279;
	assert_int_equal(sp_create(&other, &sc, err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "1279"));
}

static uint8_t hops_of(const struct peer *p) { return cold_of(p)->hdr.bytes[14 + 7]; }

TEST(hop_limit_is_the_links_unless_the_application_says_it) /* RFC 4861 6.3.4 */
{
	struct ctl_connect m;
	struct peer p;

	two_families();
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), 0);
	assert_int_equal(hops_of(&p), 64);
	rig.sp.ra.hops = 33;
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), 0);
	assert_int_equal(hops_of(&p), 33);
	assert_int_equal(app_sets(&p, .hops = 10 + 1), 0);
	assert_int_equal(hops_of(&p), 10);
	assert_int_equal(connects(&p, NULL, "10.0.0.2", &m), 0);
	assert_int_equal(cold_of(&p)->hdr.bytes[14 + 8], 64);
}

TEST(address_that_another_host_had_is_given_up_with_its_connections) /* RFC 4862 5.4.5 */
{
	const struct rte_ether_addr mac = { { 2, 0, 0, 0, 0, 0xa } };
	struct nd_msg taken = { .type = ICMP6_ADVERTISEMENT, .eth_src = mac };
	struct ctl_connect m;
	struct peer p, four;

	two_families();
	taken.src = taken.target = addr("fd00::1");
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), 0);
	assert_int_equal(connects(&four, NULL, "10.0.0.2", &m), 0);
	neigh_nd_in(&rig.sp.neigh, &taken, rig.now);
	rig_run();
	assert_int_equal(events_of(&p), ABI_EV_RESET);
	assert_int_equal(rec_of(&p)->error, ECONNABORTED);
	assert_int_equal(events_of(&four), 0);
	assert_int_equal(connects(&p, NULL, "fd00::2", &m), ENETUNREACH);
}

/* As a router advertises it, with an address for us. */
static void advertised(const char *router, const char *net, uint16_t lifetime_s, uint32_t valid_s)
{
	struct nd_msg m = { .type = ICMP6_ROUTER_ADVERTISEMENT,
		.src = addr(router),
		.router_lifetime_s = lifetime_s,
		.prefixes = net != NULL };

	if (net != NULL)
		m.prefix[0] = (struct nd_prefix){ .prefix = { addr(net), 64 },
			.on_link = true,
			.autonomous = true,
			.valid_s = valid_s,
			.preferred_s = valid_s };
	ra_in(&rig.sp.ra, &m, rig.now);
	rig_run();
	overlook();
}

static void autoconfigured(void)
{
	two_families();
	rig.conf.ip.autoconf6 = CONF_ON;
	rig_open();
}

TEST(connections_from_an_address_end_with_its_lifetime) /* RFC 4862 5.5.4 */
{
	struct ctl_connect m;
	struct peer p, other;

	autoconfigured();
	advertised("fe80::1", "2001:db8:7::", 1800, 20);
	assert_int_equal(connects(&p, NULL, "2001:db8:7::2", &m), 0);
	assert_true(addr_eq(m.local, addr("2001:db8:7::ff:fe00:1")));
	answered(&p, "", 0);
	assert_int_equal(connects(&other, NULL, "fd00::2", &m), 0);
	answered(&other, "", 0);
	wait_ms(19900);
	assert_int_equal(events_of(&p) & ABI_EV_RESET, 0);
	wait_ms(200);
	assert_int_equal(events_of(&p) & ABI_EV_RESET, ABI_EV_RESET);
	assert_int_equal(rec_of(&p)->error, ECONNABORTED);
	assert_int_equal(events_of(&other) & ABI_EV_RESET, 0);
	overlook();
}

/* What the neighbour with this last byte of both addresses says of itself; `router`: that it is one. */
static void neighbour_says(uint8_t last, bool router)
{
	uint8_t f[86] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, last, 0x86, 0xdd, 0x60, [19] = 32, 58, 255 };
	struct net_addr from = addr("fe80::"), to = addr("fe80::ff:fe00:1");

	from.b[15] = last;
	memcpy(f + 22, &from, 16);
	memcpy(f + 38, &to, 16);
	f[54] = ICMP6_ADVERTISEMENT;
	f[58] = (router ? 0x80 : 0) | 0x60; /* solicited, override */
	memcpy(f + 62, &from, 16);
	memcpy(f + 78, (uint8_t[]){ 2, 1, 2, 0, 0, 0, 0, last }, 8);
	frame_reseal(f, sizeof(f));
	give_frame(f, sizeof(f));
	rig_run();
	overlook();
}

static uint8_t goes_to(const struct peer *p) { return cold_of(p)->hdr.bytes[5]; }

/* A connection to beyond two routers; the first answers. */
static void beyond_routers(struct peer *p, struct ctl_connect *m)
{
	autoconfigured();
	advertised("fe80::a", "2001:db8:7::", 1800, 3600);
	advertised("fe80::b", NULL, 1800, 0);
	wait_ms(2000);
	assert_int_equal(connects(p, NULL, "2001:db8:99::1", m), 0);
	neighbour_says(0xa, true);
	assert_int_equal(goes_to(p), 0xa);
	answered(p, "", 0);
}

TEST(connection_follows_when_its_router_is_none_any_more) /* RFC 4861 7.2.5, 6.3.5 */
{
	struct ctl_connect m;
	struct peer p;

	beyond_routers(&p, &m);
	neighbour_says(0xa, true);
	assert_int_equal(rig.sp.ra.routers, 2);
	neighbour_says(0xa, false);
	assert_int_equal(rig.sp.ra.routers, 1);
	neighbour_says(0xb, true);
	assert_int_equal(goes_to(&p), 0xb);
	assert_true(addr_eq(rig.sp.neigh.entry[conn_of(&p)->neigh].addr, addr("fe80::b")));
}

TEST(connection_goes_by_another_router_when_its_own_is_silent) /* RFC 4861 6.3.6, 7.3.3 */
{
	struct ctl_connect m;
	struct peer p, later;

	beyond_routers(&p, &m);
	neighbour_says(0xb, true); /* nobody asked: it counts for nothing */
	wait_ms(38000);
	assert_int_equal(goes_to(&p), 0xa); /* the other one is asked for */
	neighbour_says(0xb, true);
	assert_int_equal(goes_to(&p), 0xb);
	assert_int_equal(connects(&later, NULL, "2001:db8:99::1", &m), 0);
	assert_int_equal(goes_to(&later), 0xb);
	assert_int_equal(rig.sp.neigh_conns[conn_of(&p)->neigh], later.flow);
	assert_int_equal(events_of(&p) & ABI_EV_RESET, 0);
}

TEST(attempt_whose_router_goes_begins_with_another) /* its SYN waits for either */
{
	struct ctl_connect m;
	struct peer p;

	autoconfigured();
	advertised("fe80::a", "2001:db8:7::", 1800, 3600);
	advertised("fe80::b", NULL, 1800, 0);
	wait_ms(2000);
	assert_int_equal(connects(&p, NULL, "2001:db8:99::1", &m), 0);
	assert_true(conn_of(&p)->syn_wait);
	advertised("fe80::a", NULL, 0, 0);
	neighbour_says(0xb, true);
	assert_false(conn_of(&p)->syn_wait);
	assert_int_equal(goes_to(&p), 0xb);
}

/* An ICMPv6 message of 8 bytes from fe80::b. */
static void gives_icmp6(const char *to, uint8_t type)
{
	uint8_t f[62] = { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xb, 0x86, 0xdd, 0x60, [19] = 8, 58, 64 };
	struct net_addr from = addr("fe80::b"), dst = addr(to);

	memcpy(f + 22, &from, 16);
	memcpy(f + 38, &dst, 16);
	f[54] = type;
	f[58] = 0x77; /* an identifier */
	frame_reseal(f, sizeof(f));
	overlook();
	give_frame(f, sizeof(f));
	rig_run();
}

TEST(echo_to_all_nodes_is_answered_by_one_of_our_addresses) /* RFC 4443 4.2 */
{
	struct net_addr from = addr("fe80::ff:fe00:1"), to = addr("fe80::b");
	const uint8_t *f;

	two_families();
	rig_open();
	gives_icmp6("ff02::1", ICMP6_ECHO_REQUEST);
	assert_int_equal(rig.sent_tail - rig.sent_head, 1);
	f = rig.sent[rig.sent_head % RIG_FRAMES].b;
	assert_memory_equal(f, "\2\0\0\0\0\xb\2\0\0\0\0\1\x86\xdd", 14);
	assert_memory_equal(f + 22, &from, 16);
	assert_memory_equal(f + 38, &to, 16);
	assert_int_equal(f[54], ICMP6_ECHO_REPLY);
	assert_int_equal(f[58], 0x77);
	gives_icmp6("ff02::2", ICMP6_ECHO_REQUEST); /* we are no router */
	silence();
	gives_icmp6("ff02::1", ICMP6_ECHO_REPLY);
	silence();
	gives_icmp6("ff02::1", ICMP6_TOO_BIG);
	silence();
}

/* How many records of this type for the group there are in the reports that the host sent (RFC 3810 5.2). */
static unsigned told_of(uint8_t type, const char *group)
{
	struct net_addr want = addr(group);
	unsigned n = 0;

	for (uint32_t i = rig.sent_head; i != rig.sent_tail; i++) {
		const uint8_t *b = rig.sent[i % RIG_FRAMES].b, *record = b + 70;

		if (b[20] != 0 || b[62] != ICMP6_MLD2_REPORT)
			continue;
		for (unsigned left = b[69]; left > 0; left--, record += 20)
			n += record[0] == type && memcmp(record + 4, &want, 16) == 0;
	}
	return n;
}

/* A query of version 2 for all groups, with a maximum response delay of a second. */
static void groups_are_asked_for(void)
{
	uint8_t f[90] = { 0x33, 0x33, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0xb, 0x86, 0xdd, 0x60, [19] = 36, 0,
		1, [54] = 58, 0, 5, 2, 0, 0, 1, 0, ICMP6_MLD_QUERY, [66] = 1000 / 256, 1000 % 256 };
	struct net_addr from = addr("fe80::b"), to = addr("ff02::1");

	memcpy(f + 22, &from, 16);
	memcpy(f + 38, &to, 16);
	store_u16(f + 64, cksum_finish(cksum_partial(f + 62, 28, cksum_pseudo_v6(&from, &to, 58, 28))));
	give_frame(f, sizeof(f));
	rig_run();
}

TEST(groups_of_our_addresses_are_told_and_told_when_asked_for) /* RFC 3810 6.1, 6.2 */
{
	two_families();
	rig_open();
	assert_int_equal(told_of(MLD_TO_EXCLUDE, "ff02::1:ff00:1"), 1);
	assert_int_equal(rig.sent[rig.sent_head % RIG_FRAMES].b[62], ICMP6_MLD2_REPORT); /* first of all */
	wait_ms(10000);
	assert_int_equal(told_of(MLD_TO_EXCLUDE, "ff02::1:ff00:1"), 2 + 2); /* with a name, too */
	groups_are_asked_for();
	assert_int_equal(told_of(MLD_IS_EXCLUDE, "ff02::1:ff00:1"), 0);
	assert_true(sp_deadline(&rig.sp) <= groups_next(&rig.sp.groups));
	wait_ms(1000);
	assert_int_equal(told_of(MLD_IS_EXCLUDE, "ff02::1:ff00:1"), 1);
}

TEST(groups_are_left_with_their_addresses) /* RFC 3810 6.1 */
{
	struct nd_msg taken = { .type = ICMP6_ADVERTISEMENT, .eth_src = { { 2, 0, 0, 0, 0, 0xa } } };

	rig.conf.ip.addresses6 = 1;
	rig.conf.ip.autoconf6 = CONF_ON;
	assert_true(prefix_parse("fd00::9/64", &rig.conf.ip.address6[0]));
	rig_open();
	advertised("fe80::1", "2001:db8:7::", 1800, 20);
	taken.src = taken.target = addr("fd00::9");
	neigh_nd_in(&rig.sp.neigh, &taken, rig.now);
	taken.src = taken.target = addr("fe80::ff:fe00:1");
	neigh_nd_in(&rig.sp.neigh, &taken, rig.now);
	rig_run();
	assert_int_equal(told_of(MLD_TO_INCLUDE, "ff02::1:ff00:9"), 1);
	wait_ms(19000);
	assert_int_equal(told_of(MLD_TO_INCLUDE, "ff02::1:ff00:1"), 0); /* the router's address has it, too */
	wait_ms(3000);
	assert_int_equal(told_of(MLD_TO_INCLUDE, "ff02::1:ff00:1"), 2);
	assert_int_equal(told_of(MLD_TO_INCLUDE, "ff02::1:ff00:9"), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(peer_without_an_mss_gets_1220_bytes),
		RIG_TEST(path_is_never_taken_for_narrower_than_1280),
		RIG_TEST(error_about_data_is_told_to_who_wants_to_know_of_ipv6),
		RIG_TEST(route_chooses_the_local_address_unless_it_is_given),
		RIG_TEST(nobody_connects_to_what_is_no_host),
		RIG_TEST(link_narrower_than_1280_is_refused),
		RIG_TEST(hop_limit_is_the_links_unless_the_application_says_it),
		RIG_TEST(address_that_another_host_had_is_given_up_with_its_connections),
		RIG_TEST(echo_to_all_nodes_is_answered_by_one_of_our_addresses),
		RIG_TEST(connections_from_an_address_end_with_its_lifetime),
		RIG_TEST(connection_follows_when_its_router_is_none_any_more),
		RIG_TEST(connection_goes_by_another_router_when_its_own_is_silent),
		RIG_TEST(attempt_whose_router_goes_begins_with_another),
		RIG_TEST(groups_of_our_addresses_are_told_and_told_when_asked_for),
		RIG_TEST(groups_are_left_with_their_addresses),
	};

	return RIG_MAIN(tests);
}
