/* SPDX-License-Identifier: BSD-3-Clause */
/* test_groups.c - a host 2001:db8::1:1 and the groups of its addresses, in virtual time. */
#include "slowpath/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "include/net/bytes.h"
#include "include/net/icmp6.h"
#include "include/net/nd.h"

#define S NS_PER_SEC
#define MS NS_PER_MS

enum { L3 = 14, ICMP = 62, LOG_MAX = 256 };

/* A record of a report, or a message of version 1. */
struct told {
	tas_ns at;
	uint8_t type; /* of the record; of the message if it is of version 1 */
	bool is_v1;
	struct net_addr group, src;
	uint32_t sources, report;
	struct net_addr source[MLD_SOURCES_MAX];
};

static const struct rte_ether_addr our_mac = { { 2, 0, 0, 0, 0, 1 } };
static struct routes routes;
static struct neigh neigh;
static struct groups g;
static struct net_addr ours, link_local, group_ours, group_ll;
static struct {
	unsigned reports, n;
	struct told told[LOG_MAX];
} out;
static tas_ns clock_ns;

static void log_add(struct told t, const uint8_t *icmp_group)
{
	assert_true(out.n < LOG_MAX);
	memcpy(&t.group, icmp_group, 16);
	out.told[out.n++] = t;
	assert_false(addr_eq(t.group, addr_all_nodes()));
}

static void on_send(void *arg, const uint8_t *frame, uint32_t len)
{
	struct told t = { .at = clock_ns, .report = out.reports++ };
	const uint8_t *p = frame + ICMP + 8;

	(void)arg;
	memcpy(&t.src, frame + L3 + 8, 16);
	if (frame[ICMP] != ICMP6_MLD2_REPORT) {
		t.is_v1 = true;
		t.type = frame[ICMP];
		log_add(t, p);
		return;
	}
	for (uint32_t n = load_be16(frame + ICMP + 6); n > 0; n--, p += 20 + 16 * t.sources) {
		t.type = p[0];
		t.sources = load_be16(p + 2);
		assert_in_range(t.sources, 0, MLD_SOURCES_MAX);
		memcpy(t.source, p + 20, 16 * t.sources);
		log_add(t, p + 4);
	}
	assert_true(p == frame + len);
}

static struct net_addr address(const char *text)
{
	struct net_prefix p = { .len = 64 };

	assert_true(addr_parse(text, &p.addr));
	assert_int_equal(route_add_address(&routes, &p), 0);
	return p.addr;
}

static void start(uint8_t last_of_mac)
{
	routes_init(&routes);
	ours = address("2001:db8::1:1");
	link_local = address("fe80::ff:fe00:1");
	group_ours = nd_solicited_node(ours);
	group_ll = nd_solicited_node(link_local);
	neigh = (struct neigh){ .mac = our_mac,
		.routes = &routes,
		.ops = { .send = on_send },
		.checked = 1,
		.address6 = { link_local } };
	neigh.mac.addr_bytes[5] = last_of_mac;
	clock_ns = 0;
	groups_init(&g, &neigh, 0);
	memset(&out, 0, sizeof(out));
}

static int setup(void **state)
{
	(void)state;
	start(1);
	return 0;
}

static void update(void) { groups_update(&g, clock_ns); }

static void until(tas_ns then)
{
	for (; clock_ns < then; clock_ns += MS) {
		bool due = groups_next(&g) <= clock_ns;

		assert_true((groups_poll(&g, clock_ns) > 0) == due);
		assert_true(groups_next(&g) > clock_ns);
	}
}

/* All has been told, at 20 s. */
static void settled(void)
{
	update();
	until(20 * S);
	memset(&out, 0, sizeof(out));
}

static void asked(struct mld_msg m)
{
	m.is_query = true;
	groups_in(&g, &m, clock_ns);
}

/* How often this was told of a group; *last (may be NULL): at last so. */
static unsigned told(uint8_t type, struct net_addr group, struct told *last)
{
	unsigned n = 0;

	for (unsigned i = 0; i < out.n; i++)
		if (out.told[i].type == type && addr_eq(out.told[i].group, group)) {
			n++;
			if (last != NULL)
				*last = out.told[i];
		}
	return n;
}

/* --- version 2 --- */

static void groups_are_told_when_joined_and_once_more(void **state) /* RFC 3810 6.1 */
{
	struct told t;

	(void)state;
	update();
	assert_int_equal(out.reports, 1);
	assert_int_equal(out.n, 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, &t), 1);
	assert_true(addr_eq(t.src, link_local) && t.sources == 0);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ll, NULL), 1);
	until(60 * S);
	assert_int_equal(out.reports, 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, &t), 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ll, NULL), 2);
	assert_in_range(t.at, 1, S);
	update(); /* nothing is new */
	assert_int_equal(out.reports, 2);
	assert_true(groups_next(&g) == TAS_NS_NEVER);
}

static void hosts_tell_it_again_at_different_times(void **state) /* RFC 3810 6.1 */
{
	tas_ns least = S, most = 0;
	struct told t;

	(void)state;
	for (uint8_t host = 1; host <= 50; host++) {
		start(host);
		update();
		until(2 * S);
		assert_int_equal(told(MLD_TO_EXCLUDE, group_ll, &t), 2);
		least = t.at < least ? t.at : least;
		most = t.at > most ? t.at : most;
	}
	assert_in_range(least, 1, S / 5);
	assert_in_range(most, S - S / 5, S);
}

static void groups_are_told_when_left_and_once_more(void **state) /* RFC 3810 6.1 */
{
	struct told t;

	(void)state;
	settled();
	assert_true(route_remove_address(&routes, ours));
	update();
	assert_int_equal(told(MLD_TO_INCLUDE, group_ours, &t), 1);
	assert_int_equal(t.sources, 0);
	until(60 * S);
	assert_int_equal(told(MLD_TO_INCLUDE, group_ours, &t), 2);
	assert_int_equal(out.n, 2);
	assert_in_range(t.at, 20 * S + 1, 21 * S);
	assert_int_equal(g.n, 1);
}

static void a_group_is_left_with_the_last_address_of_it(void **state)
{
	struct net_addr same;

	(void)state;
	same = address("2001:db8:1::1:1");
	settled();
	assert_true(route_remove_address(&routes, ours));
	update();
	assert_int_equal(out.n, 0);
	assert_true(route_remove_address(&routes, same));
	update();
	assert_int_equal(told(MLD_TO_INCLUDE, group_ours, NULL), 1);
}

static void what_changes_meanwhile_is_told_together(void **state) /* RFC 3810 6.1 */
{
	struct net_addr late;
	struct told a, b;

	(void)state;
	update();
	late = nd_solicited_node(address("2001:db8::7"));
	update();
	assert_int_equal(out.reports, 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ll, &a), 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, late, &b), 1);
	assert_int_equal(a.report, b.report);
	assert_true(route_remove_address(&routes, ours)); /* left before it was told again */
	update();
	address("2001:db8::1:1"); /* and there again */
	update();
	until(60 * S);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ll, NULL), 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, late, NULL), 2);
	assert_int_equal(told(MLD_TO_INCLUDE, group_ours, NULL), 1);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, NULL), 2 + 2);
}

static void who_we_are_is_told_as_soon_as_it_is_sure(void **state) /* RFC 3810 5.2.13, RFC 3590 4 */
{
	struct told t;

	(void)state;
	neigh.checked = 0;
	update();
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, &t), 1);
	assert_true(addr_is_any(t.src));
	neigh.tentative = 1;
	until(S + S / 2);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, &t), 2);
	assert_true(addr_is_any(t.src));
	neigh.tentative = 0;
	neigh.checked = 1;
	assert_int_equal(groups_poll(&g, clock_ns), 1);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, &t), 3);
	assert_true(addr_eq(t.src, link_local) && t.at == clock_ns);
	until(60 * S);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, NULL), 4);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ll, NULL), 4);
}

static void without_a_link_local_address_we_have_no_name(void **state)
{
	struct told t;

	(void)state;
	assert_true(route_remove_address(&routes, link_local)); /* another has it */
	neigh.checked = 0;
	update();
	assert_int_equal(groups_poll(&g, 0), 1);
	assert_int_equal(groups_poll(&g, 0), 0);
	clock_ns = 2 * S;
	groups_poll(&g, clock_ns);
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, &t), 2);
	assert_true(addr_is_any(t.src));
}

static void all_that_an_address_can_have_has_room(void **state)
{
	char text[32];

	(void)state;
	for (unsigned i = 2; i < ROUTE_ADDRESSES_MAX; i++) {
		snprintf(text, sizeof(text), "2001:db8::9:%x", i);
		address(text);
	}
	update();
	assert_int_equal(out.n, GROUPS_MAX);
	assert_int_equal(out.reports, 1);
	for (unsigned i = 0; i < 8; i++) { /* others, before it was told again that these were left */
		assert_true(route_remove_address(&routes, routes.address[5].addr));
		snprintf(text, sizeof(text), "2001:db8::a:%x", i);
		address(text);
		update();
	}
	assert_int_equal(g.n, GROUPS_MAX);
	assert_int_equal(told(MLD_TO_EXCLUDE, nd_solicited_node(routes.address[31].addr), NULL), 1);
}

/* --- queries of version 2 --- */

static void all_groups_are_told_when_asked_for(void **state) /* RFC 3810 6.2, 6.3 */
{
	struct told t;

	(void)state;
	settled();
	asked((struct mld_msg){ .max_delay_ms = 1000 });
	assert_int_equal(groups_poll(&g, clock_ns), 0);
	until(60 * S);
	assert_int_equal(out.reports, 1);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ours, &t), 1);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ll, NULL), 1);
	assert_in_range(t.at, 20 * S + 1, 21 * S);
}

static void hosts_answer_at_different_times(void **state) /* RFC 3810 6.2 */
{
	tas_ns least = 40 * S, most = 0;
	struct told t;

	(void)state;
	for (uint8_t host = 1; host <= 50; host++) {
		start(host);
		settled();
		asked((struct mld_msg){ .max_delay_ms = 10000 });
		until(31 * S);
		assert_int_equal(told(MLD_IS_EXCLUDE, group_ll, &t), 1);
		assert_true(t.at <= 30 * S);
		least = t.at < least ? t.at : least;
		most = t.at > most ? t.at : most;
	}
	assert_in_range(least, 20 * S + 1, 22 * S);
	assert_in_range(most, 28 * S, 30 * S);
}

static void no_query_is_answered_at_once(void **state) /* RFC 3810 6.3 */
{
	(void)state;
	settled();
	for (unsigned i = 0; i < 1000; i++) {
		asked((struct mld_msg){ .max_delay_ms = 0 });
		asked((struct mld_msg){ .max_delay_ms = 1, .group = group_ours });
		until(clock_ns + MS);
	}
	assert_in_range(out.reports, 90, 200);
}

static void one_answer_serves_all_who_asked_meanwhile(void **state) /* RFC 3810 6.2, 1. and 2. */
{
	(void)state;
	settled();
	for (unsigned i = 0; i < 100; i++)
		asked((struct mld_msg){ .max_delay_ms = 10000 });
	for (unsigned i = 0; i < 100; i++) /* is told with all before */
		asked((struct mld_msg){ .max_delay_ms = 0xffffff, .group = group_ours });
	until(31 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ll, NULL), 1);
	for (unsigned i = 0; i < 100; i++)
		asked((struct mld_msg){ .max_delay_ms = 1000, .group = group_ours });
	until(60 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ll, NULL), 1);
}

static void a_group_is_told_alone_when_it_is_asked_for(void **state) /* RFC 3810 6.2, 3. */
{
	struct told t;

	(void)state;
	settled();
	asked((struct mld_msg){ .max_delay_ms = 1000, .group = group_ours });
	until(30 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ours, &t), 1);
	assert_in_range(t.at, 20 * S + 1, 21 * S);
	assert_int_equal(out.n, 1);
}

static void what_we_are_not_in_is_not_told(void **state) /* RFC 3810 6, 6.2 */
{
	(void)state;
	settled();
	asked((struct mld_msg){ .max_delay_ms = 1000, .group = addr_all_nodes() });
	asked((struct mld_msg){ .max_delay_ms = 1000, .group = addr_all_routers() });
	until(30 * S);
	assert_int_equal(out.n, 0);
	assert_true(route_remove_address(&routes, ours));
	update();
	assert_int_equal(out.n, 1);
	asked((struct mld_msg){ .max_delay_ms = 20, .group = group_ours });
	asked((struct mld_msg){ .max_delay_ms = 20 });
	until(60 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ours, NULL), 0);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ll, NULL), 1);
}

/* For `n` sources of our group, the first is number `from`. */
static void asked_for_sources(uint8_t from, uint32_t n)
{
	struct mld_msg m = { .max_delay_ms = 1000, .group = group_ours, .sources = n };

	for (uint32_t i = 0; i < n; i++)
		memset(&m.source[i], (int)(from + i), 16);
	asked(m);
}

static void sources_are_told_when_asked_for(void **state) /* RFC 3810 6.2, 3. and 5., 6.3, 3. */
{
	struct told t;

	(void)state;
	settled();
	asked_for_sources(0x20, 2);
	until(22 * S);
	assert_int_equal(told(MLD_IS_INCLUDE, group_ours, &t), 1);
	assert_int_equal(t.sources, 2);
	assert_int_equal(t.source[1].b[0], 0x21);
	asked_for_sources(0x30, 1);
	asked_for_sources(0x40, 2);
	until(24 * S);
	assert_int_equal(told(MLD_IS_INCLUDE, group_ours, &t), 2);
	assert_int_equal(t.sources, 3);
	assert_int_equal(t.source[0].b[0], 0x30);
	assert_int_equal(t.source[2].b[0], 0x41);
	assert_int_equal(out.n, 2);
}

static void all_sources_are_told_when_more_are_asked_for(void **state) /* RFC 3810 6.2, 4. */
{
	(void)state;
	settled();
	asked_for_sources(0x20, 2);
	asked_for_sources(0, 0); /* for all */
	asked_for_sources(0x30, 2);
	until(30 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ours, NULL), 1);
	asked_for_sources(0x20, MLD_SOURCES_MAX);
	asked_for_sources(0x40, 1); /* for which there is no room */
	until(40 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ours, NULL), 2);
	assert_int_equal(out.n, 2);
}

/* --- version 1 --- */

static void to_version_1(void)
{
	settled();
	asked((struct mld_msg){ .is_v1 = true, .max_delay_ms = 1000 });
	until(40 * S);
}

static void a_query_of_version_1_is_answered_by_version_1(void **state) /* RFC 3810 8.2.1, RFC 2710 4 */
{
	struct told t;

	(void)state;
	to_version_1();
	assert_int_equal(out.reports, 2);
	assert_int_equal(told(ICMP6_MLD_REPORT, group_ours, &t), 1);
	assert_in_range(t.at, 20 * S + 1, 21 * S);
	assert_int_equal(told(ICMP6_MLD_REPORT, group_ll, &t), 1);
	assert_true(addr_eq(t.src, link_local));
	asked((struct mld_msg){ .max_delay_ms = 1000, .group = group_ours }); /* one of version 2, too */
	until(60 * S);
	assert_int_equal(told(ICMP6_MLD_REPORT, group_ours, NULL), 2);
	assert_int_equal(out.reports, 3);
}

static void with_version_1_changes_are_told_by_it(void **state) /* RFC 2710 4, 7.10 */
{
	struct net_addr late;
	struct told t;

	(void)state;
	to_version_1();
	late = nd_solicited_node(address("2001:db8::7"));
	update();
	assert_int_equal(told(ICMP6_MLD_REPORT, late, NULL), 1);
	until(60 * S);
	assert_int_equal(told(ICMP6_MLD_REPORT, late, &t), 2);
	assert_in_range(t.at, 40 * S + 1, 50 * S);
	assert_true(route_remove_address(&routes, ours));
	update();
	until(90 * S);
	assert_int_equal(told(ICMP6_MLD_DONE, group_ours, NULL), 1);
	for (unsigned i = 0; i < out.n; i++)
		assert_true(out.told[i].is_v1);
	assert_int_equal(g.n, 2);
}

static void version_2_is_back_when_version_1_is_not_heard_any_more(void **state) /* RFC 3810 8.2.1, 9.12 */
{
	(void)state;
	to_version_1();
	asked((struct mld_msg){ .is_v1 = true, .max_delay_ms = 1000, .group = group_ours });
	until(299 * S); /* 260 after the last */
	assert_true(route_remove_address(&routes, ours));
	update();
	assert_int_equal(told(ICMP6_MLD_DONE, group_ours, NULL), 1);
	until(301 * S);
	address("2001:db8::1:1");
	update();
	assert_int_equal(told(MLD_TO_EXCLUDE, group_ours, NULL), 1);
}

static void what_another_version_was_to_tell_is_not_told(void **state) /* RFC 3810 8.2.1 */
{
	(void)state;
	settled();
	assert_true(route_remove_address(&routes, ours));
	address("2001:db8::7");
	update();
	assert_int_equal(out.reports, 1);
	asked((struct mld_msg){ .max_delay_ms = 20000 });
	asked((struct mld_msg){ .max_delay_ms = 20000, .group = group_ll });
	asked((struct mld_msg){ .is_v1 = true, .max_delay_ms = 20000, .group = group_ours });
	assert_int_equal(g.n, 2);
	until(20 * S + GROUPS_V1_NS - MS);
	address("2001:db8::1:1");
	update();
	assert_int_equal(told(ICMP6_MLD_REPORT, group_ours, NULL), 1);
	until(300 * S); /* version 2 is back before that was told again */
	assert_int_equal(out.reports, 2);
}

static void with_version_1_one_of_a_group_is_enough(void **state) /* RFC 2710 4 */
{
	struct mld_msg another = { .is_v1 = true };

	(void)state;
	another.group = group_ours;
	settled();
	asked((struct mld_msg){ .max_delay_ms = 1000, .group = group_ours });
	groups_in(&g, &another, clock_ns); /* of version 2 each tells */
	until(30 * S);
	assert_int_equal(told(MLD_IS_EXCLUDE, group_ours, NULL), 1);
	asked((struct mld_msg){ .is_v1 = true, .max_delay_ms = 1000 });
	groups_in(&g, &another, clock_ns);
	another.group = addr_all_routers();
	groups_in(&g, &another, clock_ns);
	until(60 * S);
	assert_int_equal(told(ICMP6_MLD_REPORT, group_ours, NULL), 0);
	assert_int_equal(told(ICMP6_MLD_REPORT, group_ll, NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(groups_are_told_when_joined_and_once_more, setup),
		cmocka_unit_test_setup(hosts_tell_it_again_at_different_times, setup),
		cmocka_unit_test_setup(groups_are_told_when_left_and_once_more, setup),
		cmocka_unit_test_setup(a_group_is_left_with_the_last_address_of_it, setup),
		cmocka_unit_test_setup(what_changes_meanwhile_is_told_together, setup),
		cmocka_unit_test_setup(who_we_are_is_told_as_soon_as_it_is_sure, setup),
		cmocka_unit_test_setup(without_a_link_local_address_we_have_no_name, setup),
		cmocka_unit_test_setup(all_that_an_address_can_have_has_room, setup),
		cmocka_unit_test_setup(all_groups_are_told_when_asked_for, setup),
		cmocka_unit_test_setup(hosts_answer_at_different_times, setup),
		cmocka_unit_test_setup(no_query_is_answered_at_once, setup),
		cmocka_unit_test_setup(one_answer_serves_all_who_asked_meanwhile, setup),
		cmocka_unit_test_setup(a_group_is_told_alone_when_it_is_asked_for, setup),
		cmocka_unit_test_setup(what_we_are_not_in_is_not_told, setup),
		cmocka_unit_test_setup(sources_are_told_when_asked_for, setup),
		cmocka_unit_test_setup(all_sources_are_told_when_more_are_asked_for, setup),
		cmocka_unit_test_setup(a_query_of_version_1_is_answered_by_version_1, setup),
		cmocka_unit_test_setup(with_version_1_changes_are_told_by_it, setup),
		cmocka_unit_test_setup(version_2_is_back_when_version_1_is_not_heard_any_more, setup),
		cmocka_unit_test_setup(what_another_version_was_to_tell_is_not_told, setup),
		cmocka_unit_test_setup(with_version_1_one_of_a_group_is_enough, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
