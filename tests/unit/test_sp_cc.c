/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sp_cc.c - which flows congestion control visits, and when. */
#include <string.h>

#include "slowpath/sp_cc.h"
#include "tests/unit/rig_tcp.h"

enum { MSS = 1448 };

/* Segments that came out since the last look; the peer acknowledges all it has so far. */
static uint32_t acknowledged;

static unsigned flight(struct peer *p)
{
	const struct rig_seg *s;
	unsigned n = 0;

	for (; (s = next_segment(p)) != NULL; n++)
		acknowledged = s->len > 0 ? s->seq + s->len : acknowledged;
	return n;
}

static void visit_now(void) { wait_ms(2); }

/* --- which algorithm --- */

TEST(connection_has_the_configured_algorithm)
{
	struct peer *p;

	strcpy(rig.conf.tcp.congestion, "dctcp");
	rig.conf.tcp.initial_cwnd = 4;
	p = established();
	assert_int_equal(flow_of(p)->cc, CC_DCTCP);
	assert_int_equal(flow_of(p)->cwnd, 4 * MSS);
	assert_int_equal(cold_of(p)->ssthresh, CC_SSTHRESH_NONE);
}

TEST(application_may_choose_another_algorithm) /* TCP_CONGESTION */
{
	assert_int_equal(flow_of(connected(.congestion = "cubic"))->cc, CC_CUBIC);
	assert_int_equal(flow_of(connected(.congestion = "dctcp"))->cc, CC_DCTCP);
	assert_int_equal(flow_of(connected(.congestion = "bbr"))->cc, CC_BBR);
	assert_int_equal(flow_of(connected(.congestion = "timely"))->cc, CC_TIMELY);
	assert_int_equal(flow_of(connected())->cc, CC_NEWRENO);
}

static void route(const char *to, const char *name)
{
	struct conf_tcp *t = &rig.conf.tcp;
	struct conf_congestion_route *r = &t->congestion_to[t->congestion_routes++];

	assert_true(prefix_parse(to, &r->to));
	strcpy(r->name, name);
}

static uint8_t configured_for(const char *peer)
{
	struct net_addr a;

	assert_true(addr_parse(peer, &a));
	return sp_cc_choose(&rig.sp, "", a);
}

TEST(longest_prefix_that_a_peer_is_in_decides)
{
	route("10.0.0.0/8", "dctcp");
	route("10.1.0.0/16", "cubic");
	route("10.1.2.3", "timely");
	route("10.0.0.0/9", "bbr");
	route("::/0", "bbr"); /* which holds IPv4, too, as it is kept */
	route("fd00::/8", "dctcp");
	rig_open();
	assert_int_equal(configured_for("10.128.0.1"), CC_DCTCP);
	assert_int_equal(configured_for("10.2.0.1"), CC_BBR);
	assert_int_equal(configured_for("10.1.2.4"), CC_CUBIC);
	assert_int_equal(configured_for("10.1.2.3"), CC_TIMELY);
	assert_int_equal(configured_for("11.0.0.1"), CC_NEWRENO);
	assert_int_equal(configured_for("2001:db8::1"), CC_BBR);
	assert_int_equal(configured_for("fdff::1"), CC_DCTCP);
}

TEST(prefix_of_all_ipv4_says_nothing_of_ipv6)
{
	route("0.0.0.0/0", "dctcp");
	rig_open();
	assert_int_equal(configured_for("10.2.0.1"), CC_DCTCP);
	assert_int_equal(configured_for("fd00::1"), CC_NEWRENO);
}

TEST(what_an_application_chooses_counts_more_than_the_prefix)
{
	struct peer *p;

	route("10.0.0.0/24", "timely");
	assert_int_equal(flow_of(connected(.congestion = "cubic"))->cc, CC_CUBIC);
	p = connected();
	assert_int_equal(flow_of(p)->cc, CC_TIMELY);
	assert_int_equal(app_sets(p, .congestion = "bbr"), 0);
	assert_int_equal(flow_of(p)->cc, CC_BBR);
	assert_int_equal(app_sets(p, .tos = 4), 0); /* the configured one again, as nothing is said */
	assert_int_equal(flow_of(p)->cc, CC_TIMELY);
	assert_int_equal(flow_of(established())->cc, CC_TIMELY);
	strcpy(rig.options.congestion, "cubic");
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	assert_int_equal(flow_of(established())->cc, CC_CUBIC);
}

TEST(algorithm_that_there_is_none_of_is_refused) /* the library then leaves the socket to the kernel */
{
	struct peer *p = peer_new(.congestion = "vegas");

	assert_int_equal(app_connects(p), ENOENT);
	strcpy(rig.options.congestion, "vegas");
	assert_int_equal(app_listens(0, RIG_PORT, 16), ENOENT);
	strcpy(rig.options.congestion, "dctcp");
	assert_int_equal(app_listens(0, RIG_PORT, 16), 0);
	strcpy(rig.options.congestion, "vegas");
	assert_int_equal(app_listens(0, RIG_PORT, 16), ENOENT);
	p = established();
	assert_int_equal(flow_of(p)->cc, CC_DCTCP);
	assert_int_equal(app_sets(p, .congestion = "vegas", .tos = 4), ENOENT);
	assert_int_equal(flow_of(p)->cc, CC_DCTCP);
}

/* tcp_reinit_congestion_control() of Linux: the same window. */
TEST(open_connection_goes_on_with_another_algorithm)
{
	struct peer *p = established();
	uint32_t cwnd;

	app_writes(p, 30 * RIG_MSS);
	assert_int_equal(overlook(), 10);
	acked_to(p, 10);
	wait_ms(2);
	cwnd = flow_of(p)->cwnd;
	assert_true(cwnd > 10 * RIG_MSS);
	overlook();
	acked_to(p, 30);
	assert_int_equal(app_sets(p, .congestion = "cubic"), 0);
	assert_int_equal(flow_of(p)->cc, CC_CUBIC);
	assert_int_equal(cold_of(p)->beta_q8, cc_cubic.beta_q8);
	assert_int_equal(flow_of(p)->cwnd, cwnd);
	for (uint32_t i = 30; i < 200; i++) { /* and is used */
		app_writes(p, RIG_MSS);
		wait_ms(1);
		acked_to(p, i + 1);
	}
	overlook();
	assert_true(flow_of(p)->cwnd >= cwnd);
	assert_int_equal(app_sets(p, .tos = 4), 0); /* the configured one, as nothing is said */
	assert_int_equal(flow_of(p)->cc, CC_NEWRENO);
}

TEST(dctcp_marks_all_and_its_successor_only_data) /* RFC 8257 3.5, RFC 3168 6.1.4 */
{
	struct peer *p;

	rig.conf.tcp.ecn = true;
	p = established(.ecn = true);
	assert_int_equal(app_sets(p, .congestion = "dctcp"), 0);
	give(p, .seq = 1, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 11, .ecn = IP_ECN_ECT0);
	assert_int_equal(app_sets(p, .congestion = "newreno"), 0);
	give(p, .seq = 11, .ack = 1, .len = 10);
	expect(p, .seq = 1, .ack = 21);
}

TEST(listener_may_choose_another_algorithm)
{
	struct rig_app *a = app_start(0);
	struct ctl_listen m = { .port = RIG_PORT,
		.cookie = RIG_PORT,
		.backlog = 8,
		.options.congestion = "cubic" };

	assert_int_equal(app_listen(&rig.apps, a->id, &m), 0);
	assert_int_equal(app_arms(0, RIG_PORT), 0);
	assert_int_equal(flow_of(established())->cc, CC_CUBIC);
}

/* --- who is visited --- */

TEST(idle_flows_cost_nothing)
{
	struct peer *p[10];

	for (unsigned i = 0; i < 10; i++)
		p[i] = established();
	assert_int_equal(rig.sp.cc_count, 0);
	assert_true(rig.sp.cc_next == TAS_NS_NEVER);
	app_writes(p[3], 20 * MSS);
	overlook();
	assert_int_equal(rig.sp.cc_count, 0);
	give(p[3], .seq = 1, .ack = AT(1));
	assert_int_equal(rig.sp.cc_count, 1);
	overlook();
	wait_ms(10);
	assert_int_equal(rig.sp.cc_count, 0);
	assert_true(rig.sp.cc_next == TAS_NS_NEVER);
	assert_int_equal(flow_of(p[3])->flags & FLOW_CC_ACTIVE, 0);
}

TEST(flow_that_the_application_limits_is_not_visited)
{
	struct peer *p = established();

	for (uint32_t i = 0; i < 20; i++) {
		app_writes(p, 100);
		overlook();
		give(p, .seq = 1, .ack = 1 + 100 * (i + 1));
		assert_int_equal(rig.sp.cc_count, 0);
	}
	app_writes(p, 20 * MSS); /* what was acknowledged before counts no more */
	overlook();
	give(p, .seq = 1, .ack = 2001 + MSS);
	wait_ms(10);
	assert_int_equal(flow_of(p)->cwnd, 11 * MSS);
	overlook();
}

TEST(flow_that_only_receives_is_not_visited)
{
	struct peer *p = established();

	for (uint32_t seq = 1; seq < 10 * MSS; seq += MSS)
		give(p, .seq = seq, .ack = 1, .len = MSS);
	assert_int_equal(rig.sp.cc_count, 0);
	overlook();
}

/* While a flow of so many segments goes on for 20 round trips of 20 ms. */
static unsigned visits_of(struct peer *p, uint32_t segments, uint32_t ssthresh)
{
	unsigned visits = 0;
	tas_ns visited = 0;

	for (uint32_t n = 0; n < 400; n++) { /* 20 ms of round trip, for 400 ms */
		app_writes(p, 10);
		flow_of(p)->flags |= FLOW_CWND_LIMITED;
		flow_of(p)->cwnd = segments * MSS;
		cold_of(p)->ssthresh = ssthresh;
		wait_ms(1);
		if (n >= 20)
			give(p, .seq = 1, .ack = 1 + (n - 19) * 10);
		visits += conn_of(p)->cc.visited != visited;
		visited = conn_of(p)->cc.visited;
	}
	overlook();
	return visits;
}

TEST(flow_is_visited_twice_in_a_round_trip)
{
	assert_in_range(visits_of(established(.rtt_ms = 20, .nodelay = true), 20, 2 * MSS), 32, 42);
}

TEST(flow_of_a_small_window_is_visited_four_times_in_a_round_trip)
{
	assert_in_range(visits_of(established(.rtt_ms = 20, .nodelay = true), 10, 2 * MSS), 64, 84);
}

TEST(flow_in_slow_start_is_visited_eight_times_in_a_round_trip)
{
	assert_in_range(visits_of(established(.rtt_ms = 20, .nodelay = true), 20, 1000 * MSS), 120, 168);
}

TEST(closed_flows_leave_the_list_in_order)
{
	struct peer *p[30];

	for (unsigned i = 0; i < 30; i++)
		p[i] = established();
	for (unsigned i = 0; i < 30; i++) {
		app_writes(p[i], 20 * MSS);
		overlook();
		give(p[i], .seq = 1, .ack = AT(1));
	}
	assert_int_equal(rig.sp.cc_count, 30);
	for (unsigned i = 0; i < 30; i += 2)
		app_aborts(p[(i * 7) % 30]);
	for (uint32_t i = 0; i < rig.sp.cc_count; i++)
		assert_int_equal(rig.sp.conn[rig.sp.cc_list[i]].cc_slot, i);
	assert_int_equal(rig.sp.cc_count, 15);
	overlook();
	wait_ms(10);
	assert_int_equal(rig.sp.cc_count, 0);
}

/* --- what the visit does --- */

TEST(window_doubles_each_round_trip_at_the_start) /* RFC 5681 3.1 */
{
	struct peer *p;
	unsigned n;

	rig.conf.memory.tx_buffer = 1 << 20;
	p = established(.nodelay = true);
	app_writes(p, 600 * MSS);
	for (n = flight(p); n < 150;) {
		unsigned before = n;

		assert_true(n == 10 || n >= 16);
		give(p, .seq = 1, .ack = acknowledged);
		visit_now();
		n = flight(p);
		assert_in_range(n, before + before / 2, 2 * before);
	}
}

TEST(window_that_grew_is_used_without_another_acknowledgement)
{
	struct peer *p;
	unsigned n;

	rig.conf.memory.tx_buffer = 1 << 20;
	p = established(.nodelay = true);
	app_writes(p, 600 * MSS);
	n = flight(p);
	give(p, .seq = 1, .ack = acknowledged);
	assert_int_equal(flight(p), n); /* the window as it was */
	visit_now();
	assert_true(flight(p) > 0);
}

TEST(window_that_is_not_used_does_not_grow) /* RFC 7661 */
{
	struct peer *p = established(.nodelay = true);

	for (uint32_t n = 0; n < 200; n++) {
		app_writes(p, 100);
		overlook();
		give(p, .seq = 1, .ack = 101 + n * 100);
		visit_now();
	}
	assert_int_equal(flow_of(p)->cwnd, 10 * MSS);
}

TEST(reduction_by_the_fast_path_stands) /* the visit after a loss adds nothing */
{
	struct peer *p = established(.nodelay = true);

	app_writes(p, 20 * MSS);
	overlook();
	give(p, .seq = 1, .ack = 1, .sack = { { 1 + MSS, 1 + 4 * MSS } });
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	visit_now();
	assert_int_equal(cold_of(p)->ssthresh, 5 * MSS);
	overlook();
}

TEST(window_is_paced_over_long_paths)
{
	struct peer *p;
	uint32_t begun;

	rig.conf.memory.tx_buffer = 1 << 20;
	p = established(.nodelay = true, .rtt_ms = 50);
	app_writes(p, 200 * MSS);
	for (unsigned round = 0; round < 2; round++) {
		assert_int_equal(flow_of(p)->pace_q16, 0); /* 20 segments may go at once */
		flight(p);
		wait_ms(50);
		give(p, .seq = 1, .ack = acknowledged);
	}
	wait_ms(110);
	assert_true(flow_of(p)->pace_q16 > 0);
	overlook();
	give(p, .seq = 1, .ack = 1 + flow_of(p)->tx_inflight + (uint32_t)flow_of(p)->tx_una);
	begun = rig.sent_tail;
	assert_in_range(rig.sent_tail - rig.sent_head, 0, 2);
	wait_ms(20);
	assert_true(rig.sent_tail - begun > 2);
	overlook();
}

/* --- spurious timeouts --- */

enum { PATH_MS = 20, WINDOW = 64 };

/* A flow without an end. */
static void fill(struct peer *p)
{
	const struct abi_flow_rec *r = rec_of(p);

	app_writes(p, r->tx_size - (uint32_t)(p->tx_end - r->tx_una));
}

/* Everything arrives, and all is acknowledged so long after; returns how many new bytes that were. */
static uint32_t round_trip(struct peer *p, uint32_t ms)
{
	const struct rig_seg *s;
	uint32_t before = acknowledged;

	wait_ms(ms);
	while ((s = next_segment(p)) != NULL)
		if ((int32_t)(s->seq + s->len - acknowledged) > 0)
			acknowledged = s->seq + s->len;
	give(p, .seq = 1, .ack = acknowledged);
	fill(p);
	return acknowledged - before;
}

static uint32_t round_trips(struct peer *p, unsigned n)
{
	uint32_t bytes = 0;

	while (n-- > 0)
		bytes += round_trip(p, PATH_MS);
	return bytes;
}

/* A path that stands still for a second, ten times, and loses nothing: the timer expires, in vain. */
static void rate_survives(const char *congestion, bool no_ts)
{
	struct peer *p = established(.nodelay = true, .rtt_ms = PATH_MS, .congestion = congestion,
		.no_ts = no_ts, .wnd = WINDOW * MSS);
	uint32_t usual;

	acknowledged = 1;
	fill(p);
	round_trips(p, 20);
	usual = round_trips(p, 10);
	assert_true(usual > 9 * WINDOW * MSS);
	for (uint32_t i = 0; i < 10; i++) {
		round_trip(p, 1000);
		assert_true(cold_of(p)->timeouts > i);
		assert_true(round_trips(p, 10) >= 10 * MSS);
	}
	round_trips(p, 150);
	assert_true(round_trips(p, 10) > usual / 2);
	app_aborts(p);
	overlook();
}

TEST(rate_survives_spurious_timeouts) /* the research prototype's went down to zero, and stayed there */
{
	static const char *const algorithm[] = { "cubic", "newreno", "dctcp", "bbr", "timely", "const-rate" };

	for (unsigned i = 0; i < ARRAY_LEN(algorithm); i++) {
		rate_survives(algorithm[i], false);
		rate_survives(algorithm[i], true);
	}
}

TEST(window_after_a_syn_lost_twice_is_one_segment) /* RFC 5681 3.1; Linux forgives one */
{
	for (unsigned lost = 1; lost <= 2; lost++) {
		struct peer *p = peer_new();

		app_listens(0, RIG_PORT, 16);
		give(p, .flags = SYN);
		for (unsigned i = 0; i <= lost; i++) {
			expect(p, .flags = SYN | ACK, .ack = 1);
			if (i < lost)
				wait_ms(1001u << i);
		}
		give(p, .seq = 1, .ack = 1);
		assert_true(app_accepts(p, 0));
		assert_int_equal(flow_of(p)->cwnd, (lost > 1 ? 1 : 10) * MSS);
	}
}

/* Else a model of the path would take the application's pace for the path's. */
TEST(flow_that_has_sent_all_is_seen_to_be_dry)
{
	struct peer *p = established(.nodelay = true, .congestion = "bbr");

	flow_of(p)->flags |= FLOW_CC_ACTIVE;
	cold_of(p)->cc_seen = 0;
	app_writes(p, 20 * RIG_MSS);
	assert_true(flow_of(p)->tx_avail > flow_of(p)->tx_inflight);
	assert_false(cold_of(p)->cc_seen & CC_SEEN_DRY);
	give(p, .seq = 1, .ack = AT(10));
	while (flow_of(p)->tx_avail > flow_of(p)->tx_inflight)
		wait_ms(1);
	assert_true(cold_of(p)->cc_seen & CC_SEEN_DRY);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(connection_has_the_configured_algorithm),
		RIG_TEST(application_may_choose_another_algorithm),
		RIG_TEST(longest_prefix_that_a_peer_is_in_decides),
		RIG_TEST(prefix_of_all_ipv4_says_nothing_of_ipv6),
		RIG_TEST(what_an_application_chooses_counts_more_than_the_prefix),
		RIG_TEST(algorithm_that_there_is_none_of_is_refused),
		RIG_TEST(open_connection_goes_on_with_another_algorithm),
		RIG_TEST(dctcp_marks_all_and_its_successor_only_data),
		RIG_TEST(listener_may_choose_another_algorithm),
		RIG_TEST(idle_flows_cost_nothing),
		RIG_TEST(flow_that_the_application_limits_is_not_visited),
		RIG_TEST(flow_that_only_receives_is_not_visited),
		RIG_TEST(flow_is_visited_twice_in_a_round_trip),
		RIG_TEST(flow_of_a_small_window_is_visited_four_times_in_a_round_trip),
		RIG_TEST(flow_in_slow_start_is_visited_eight_times_in_a_round_trip),
		RIG_TEST(closed_flows_leave_the_list_in_order),
		RIG_TEST(window_doubles_each_round_trip_at_the_start),
		RIG_TEST(window_that_grew_is_used_without_another_acknowledgement),
		RIG_TEST(window_that_is_not_used_does_not_grow),
		RIG_TEST(reduction_by_the_fast_path_stands),
		RIG_TEST(window_is_paced_over_long_paths),
		RIG_TEST(rate_survives_spurious_timeouts),
		RIG_TEST(window_after_a_syn_lost_twice_is_one_segment),
		RIG_TEST(flow_that_has_sent_all_is_seen_to_be_dry),
	};

	return RIG_MAIN(tests);
}
