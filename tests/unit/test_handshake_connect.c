/* SPDX-License-Identifier: BSD-3-Clause */
/* test_handshake_connect.c - what connect() is told: errors as Linux has them, and what was chosen for it. */
#include <endian.h>
#include <errno.h>

#include "slowpath/handshake.h"
#include "tests/unit/rig_tcp.h"

enum { OWN = 0x0a000001, NEIGHBOUR = 0x0a000002, ELSEWHERE = 0xc0000201 };

static struct net_addr v4(uint32_t host) { return host == 0 ? addr_any() : addr_v4(htobe32(host)); }

static int connects(uint32_t local, uint32_t remote, uint16_t port, struct ctl_connect *c)
{
	*c = (struct ctl_connect){ .local = v4(local), .remote = v4(remote), .remote_port = port };
	return app_connect(&rig.apps, app_start(0)->id, c);
}

TEST(who_cannot_be_reached_is_an_error_at_once)
{
	struct ctl_connect c;

	assert_int_equal(connects(0, ELSEWHERE, 80, &c), ENETUNREACH); /* there is no gateway */
	assert_int_equal(connects(0, OWN, 80, &c), ENETUNREACH);       /* the kernel's, if anybody's */
	assert_int_equal(connects(0, NEIGHBOUR, 0, &c), ECONNREFUSED);
	assert_int_equal(connects(NEIGHBOUR, NEIGHBOUR, 80, &c), EADDRNOTAVAIL);
	rig_run();
	assert_int_equal(flows_in_use(), 0);
	silence();
}

TEST(address_and_port_that_were_chosen_are_told)
{
	struct ctl_connect c;

	rig.conf.tcp.port_range = (struct conf_ports){ 50000, 50003 };
	assert_int_equal(connects(0, NEIGHBOUR, 80, &c), 0);
	assert_true(addr_eq(c.local, v4(OWN)));
	assert_in_range(c.local_port, 50000, 50003);
	assert_int_equal(c.prefix_len, 96 + 24);
	assert_int_equal(c.gen, rig.fp.flows[c.flow].gen);
	assert_int_equal(c.rec, rig.fp.flows[c.flow].rec);
	rig_run();
	overlook();
}

TEST(way_is_told_without_going_it)
{
	struct ctl_connect c = { .remote = v4(NEIGHBOUR) };

	rig_open();
	assert_int_equal(handshake_op_route(&rig.sp, &c), 0);
	assert_true(addr_eq(c.local, v4(OWN)));
	assert_int_equal(c.prefix_len, 96 + 24);
	c = (struct ctl_connect){ .remote = v4(OWN) };
	assert_int_equal(handshake_op_route(&rig.sp, &c), EADDRINUSE);
	assert_true(addr_eq(c.local, v4(OWN)));
	c = (struct ctl_connect){ .remote = v4(ELSEWHERE) };
	assert_int_equal(handshake_op_route(&rig.sp, &c), ENETUNREACH);
	silence();
}

TEST(abort_in_a_simultaneous_open_is_a_reset) /* RFC 9293 3.10.5, SYN-RECEIVED */
{
	struct peer *p = peer_new();

	p->local_port = 0;
	assert_int_equal(app_connects(p), 0);
	expect(p, .flags = SYN);
	give(p, .flags = SYN);
	expect(p, .flags = SYN | ACK, .ack = 1);
	app_aborts(p);
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	wait_ms(100);
	silence();
	assert_int_equal(flows_in_use(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(who_cannot_be_reached_is_an_error_at_once),
		RIG_TEST(address_and_port_that_were_chosen_are_told),
		RIG_TEST(way_is_told_without_going_it),
		RIG_TEST(abort_in_a_simultaneous_open_is_a_reset),
	};

	return RIG_MAIN(tests);
}
