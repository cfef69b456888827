/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_options.c - options of sockets that are open: what tasd is told, and what the library does
 * itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

enum { REC = 3 };

static struct rig r;
static struct tas_sock *l, *s;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 2);
	l = rig_listener(&r);
	s = rig_accepted(&r, l, REC);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static void a_flows_options_are_told_with_its_name(void **state)
{
	const struct ctl_options options = { .tos = 4, .congestion = "cubic" };
	const struct ctl_change *asked = &r.last[CTL_OPTIONS].change;

	(void)state;
	assert_int_equal(tas_set_options(s, &options), 0);
	assert_int_equal(asked->flow, REC + 5000);
	assert_int_equal(asked->gen, 1);
	assert_memory_equal(&asked->options, &options, sizeof(options));
	r.refuse[CTL_OPTIONS] = ENOENT;
	assert_int_equal(tas_set_options(s, &options), -ENOENT);
}

static void a_listeners_options_are_those_of_a_listener_that_listens_again(void **state)
{
	const struct ctl_options options = { .tos = 4 };
	const struct ctl_listen *asked = &r.last[CTL_LISTEN].listen;
	struct ctl_listen before = *asked;

	(void)state;
	assert_int_equal(tas_set_options(l, &options), 0);
	assert_memory_equal(&asked->options, &options, sizeof(options));
	assert_int_equal(asked->cookie, before.cookie);
	assert_int_equal(asked->backlog, before.backlog);
	assert_int_equal(r.asked[CTL_OPTIONS], 0);
	/* and of one that is registered anew */
	r.mute = true;
	assert_int_equal(tas_set_options(l, &(struct ctl_options){ .tos = 8 }), 0);
	r.mute = false;
	assert_int_equal(tas_attach(r.t, NULL, 0), 0);
	assert_int_equal(asked->options.tos, 8);
}

/* Else tasd, which uses less of the ring, would take it for full though it was read. */
static void reading_is_told_sooner_if_less_of_the_ring_is_used(void **state)
{
	uint8_t buf[600];

	(void)state;
	rig_deliver(&r, REC, 2 * sizeof(buf));
	assert_int_equal(tas_recv(r.c, s, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(rig_bells_drop(&r, 0, 0), 0);
	assert_int_equal(tas_set_options(s, &(struct ctl_options){ .rx_size = RIG_RING / 4 }), 0);
	assert_int_equal(tas_recv(r.c, s, buf, sizeof(buf), 0), sizeof(buf));
	assert_int_equal(rig_bells_drop(&r, 0, 0), 1);
}

static void less_of_the_transmit_ring_may_be_used(void **state)
{
	char data[RIG_RING] = { 0 };

	(void)state;
	assert_int_equal(tas_send(r.c, s, data, 1500, 0), 1500);
	assert_int_equal(tas_set_options(s, &(struct ctl_options){ .tx_size = 1024 }), 0);
	assert_int_equal(tas_send(r.c, s, data, 100, 0), -EAGAIN); /* more than that is filled already */
	assert_false(tas_ready(s) & TAS_EV_OUT);
	atomic_store(&rig_rec(&r, REC)->tx_una, 700);
	assert_int_equal(tas_send(r.c, s, data, 1000, 0), 224);
	assert_false(tas_ready(s) & TAS_EV_OUT);
	atomic_store(&rig_rec(&r, REC)->tx_una, 1724 - 768);
	assert_true(tas_ready(s) & TAS_EV_OUT);
	assert_int_equal(tas_set_options(s, &(struct ctl_options){ .tx_size = 0 }), 0);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING - 768);
}

static void little_may_be_unsent(void **state) /* TCP_NOTSENT_LOWAT */
{
	struct abi_flow_rec *rec = rig_rec(&r, REC);
	char data[RIG_RING] = { 0 };
	struct tas_span span[2];
	struct abi_bell b;

	(void)state;
	rig_bells_drop(&r, 0, 0);
	assert_int_equal(tas_set_options(s, &(struct ctl_options){ .notsent_lowat = 1200 }), 0);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), 1200);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_true(b.flags & ABI_BELL_WANT_SPACE);
	assert_int_equal(tas_send(r.c, s, data, 1, 0), -EAGAIN);
	assert_int_equal(tas_tx_begin(r.c, s, span), -EAGAIN);
	rec->tx_nxt = 500;
	assert_false(tas_ready(s) & TAS_EV_OUT);                            /* not half of it yet */
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_MSS); /* never less than a segment */
	rec->tx_nxt = 1601;
	assert_true(tas_ready(s) & TAS_EV_OUT);
	rec->tx_nxt = 2200;
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), 1200);
	rec->tx_nxt = 3400;
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING - 3400); /* the end of the ring */
}

static void flows_of_a_listener_begin_with_its_limits(void **state)
{
	const struct ctl_options options = { .notsent_lowat = 100 };
	struct tas_sock *next;

	(void)state;
	assert_int_equal(tas_set_options(l, &options), 0);
	next = rig_accepted(&r, l, REC + 1);
	assert_int_equal(tas_send(r.c, next, (char[4000]){ 0 }, 4000, 0), RIG_MSS);
}

/* Gives the flow larger rings, as tasd does; nobody may be inside of the old ones. */
static int rings_grow(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	struct abi_flow_rec *rec = rig_rec(&r, REC);

	if (m->type == CTL_OPTIONS && m->change.options.rx_size > RIG_RING) {
		char *rx = r.base + rec->rx_off, *tx = r.base + rec->tx_off;

		assert_true(lib_lock_is_mine(&s->rx_lock) && lib_lock_is_mine(&s->tx_lock));
		rec->rx_off = rig_carve(&r, 2 * RIG_RING);
		rec->tx_off = rig_carve(&r, 2 * RIG_RING);
		rec->rx_size = rec->tx_size = 2 * RIG_RING;
		memcpy(r.base + rec->rx_off, rx, RIG_RING);
		memcpy(r.base + rec->tx_off, tx, RIG_RING);
		memset(rx, 'x', RIG_RING);
		rec->ring_gen++;
	}
	return rig_request(arg, m, fds, max, nfds);
}

static void larger_rings_are_used_when_they_are_there(void **state)
{
	const struct ctl_options options = { .rx_size = 2 * RIG_RING, .tx_size = 2 * RIG_RING };
	static char data[3 * RIG_RING];

	(void)state;
	r.t->link.request = rings_grow;
	rig_deliver(&r, REC, 100);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING);
	assert_int_equal(tas_set_options(s, &options), 0);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING);
	assert_int_equal(tas_recv(r.c, s, data, sizeof(data), 0), 100);
	for (int i = 0; i < 100; i++)
		assert_int_equal((uint8_t)data[i], (uint8_t)(i * 7));
}

/* Gives the flow a larger ring of the kind that it offered. */
static int ring_grows(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	struct abi_flow_rec *rec = rig_rec(&r, REC);
	bool rx = m->grow.event == ABI_EV_GROW_RX;
	uint64_t *off = rx ? &rec->rx_off : &rec->tx_off, old = *off;

	if (m->type != CTL_GROW || r.refuse[CTL_GROW] != 0)
		return rig_request(arg, m, fds, max, nfds);
	assert_int_equal(m->grow.flow, s->flow);
	assert_int_equal(m->grow.gen, s->gen);
	assert_true(lib_lock_is_mine(rx ? &s->rx_lock : &s->tx_lock));
	assert_false(lib_lock_is_mine(rx ? &s->tx_lock : &s->rx_lock)); /* who has that may take his time */
	*off = rig_carve(&r, 2 * RIG_RING);
	*(rx ? &rec->rx_size : &rec->tx_size) = 2 * RIG_RING;
	memcpy(r.base + *off, r.base + old, RIG_RING);
	memset(r.base + old, 'x', RIG_RING);
	atomic_fetch_and(&rec->events, ~m->grow.event);
	rec->ring_gen++;
	return rig_request(arg, m, fds, max, nfds);
}

static void ring_offers(uint32_t event)
{
	atomic_fetch_or(&rig_rec(&r, REC)->events, event);
	rig_rec(&r, REC)->ring_gen++;
}

static void larger_ring_that_is_offered_is_asked_for_when_it_is_used(void **state)
{
	static char data[3 * RIG_RING];

	(void)state;
	r.t->link.request = ring_grows;
	rig_deliver(&r, REC, 100);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING);
	ring_offers(ABI_EV_GROW_TX);
	assert_int_equal(tas_recv(r.c, s, data, 50, 0), 50); /* not this one */
	assert_int_equal(r.asked[CTL_GROW], 0);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING);
	assert_int_equal(r.asked[CTL_GROW], 1);
	ring_offers(ABI_EV_GROW_RX);
	assert_int_equal(tas_recv(r.c, s, data, sizeof(data), 0), 50);
	for (int i = 0; i < 50; i++)
		assert_int_equal((uint8_t)data[i], (uint8_t)((i + 50) * 7));
	assert_int_equal(r.asked[CTL_GROW], 2);
	assert_int_equal(tas_sock_rx_size(s), 2 * RIG_RING);
	assert_int_equal(tas_recv(r.c, s, data, sizeof(data), 0), -EAGAIN);
	assert_int_equal(r.asked[CTL_GROW], 2);
}

static void ring_that_is_not_given_after_all_stays(void **state)
{
	static char data[3 * RIG_RING];

	(void)state;
	r.t->link.request = ring_grows;
	r.refuse[CTL_GROW] = EBUSY;
	ring_offers(ABI_EV_GROW_TX);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), RIG_RING);
	assert_int_equal(r.asked[CTL_GROW], 1);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), -EAGAIN);
	assert_int_equal(r.asked[CTL_GROW], 1); /* it is asked for once for each offer */
	ring_offers(ABI_EV_GROW_TX);
	assert_int_equal(tas_send(r.c, s, data, sizeof(data), 0), -EAGAIN);
	assert_int_equal(r.asked[CTL_GROW], 2);
}

/* A handler that interrupted who is inside of a ring: the ring stays, what else there is counts. */
static void rings_stay_while_their_own_thread_is_inside(void **state)
{
	const struct ctl_options options = { .rx_size = 2 * RIG_RING, .tx_size = 2 * RIG_RING, .tos = 4 };
	struct tas_span span[2];

	(void)state;
	r.t->link.request = rings_grow;
	rig_deliver(&r, REC, 100);
	assert_int_equal(tas_rx_begin(r.c, s, 0, span), 100);
	assert_int_equal(tas_set_options(s, &options), 0);
	assert_int_equal(r.last[CTL_OPTIONS].change.options.rx_size, RIG_RING);
	assert_int_equal(r.last[CTL_OPTIONS].change.options.tos, 4);
	tas_rx_end(r.c, s, 100);
	assert_int_equal(tas_set_options(s, &options), 0); /* and the locks are free */
	assert_int_equal(rig_rec(&r, REC)->rx_size, 2 * RIG_RING);
	assert_false(lib_lock_is_mine(&s->rx_lock) || lib_lock_is_mine(&s->tx_lock));
}

static void quick_acknowledgements_are_a_message(void **state)
{
	struct abi_bell b;

	(void)state;
	rig_bells_drop(&r, 0, 0);
	tas_set_quickack(r.c, s, true);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_QUICK_ACKS);
	tas_set_quickack(r.c, s, false);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_LATE_ACKS);
}

static void quick_acknowledgements_are_as_set_until_bytes_move(void **state)
{
	struct ctl_info info;

	(void)state;
	assert_int_equal(tas_info(s, &info), 0);
	assert_int_equal(info.late_acks, 0); /* as tasd says, which has not heard of it yet below */
	tas_set_quickack(r.c, s, false);
	assert_int_equal(tas_info(s, &info), 0);
	assert_int_equal(info.late_acks, 1);
	tas_set_quickack(r.c, s, true);
	assert_int_equal(tas_info(s, &info), 0);
	assert_int_equal(info.late_acks, 0);
	tas_set_quickack(r.c, s, false);
	rig_deliver(&r, REC, 100);
	assert_int_equal(tas_info(s, &info), 0);
	assert_int_equal(info.late_acks, 0);
}

static void an_error_that_ends_nothing_is_told_once_each_time(void **state) /* IP_RECVERR */
{
	char byte;

	(void)state;
	rig_event(&r, REC, ABI_EV_ERROR, EHOSTUNREACH | 1 << 16);
	r.nr_events = 0;
	rig_notify(&r, 0, 0, REC);
	tas_ctx_poll(r.c);
	assert_int_equal(r.nr_events, 1);
	assert_int_equal(r.event[0].edges, TAS_EV_ERR);
	assert_int_equal(tas_ready(s), TAS_EV_ERR | TAS_EV_OUT | TAS_EV_CONNECTED);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EHOSTUNREACH);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
	rig_deliver(&r, REC, 1);
	rig_event(&r, REC, ABI_EV_ERROR, EHOSTUNREACH | 2 << 16);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), 1); /* bytes come first */
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), -EHOSTUNREACH);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), -EAGAIN);
	rig_event(&r, REC, ABI_EV_ERROR, EHOSTUNREACH | 4 << 16);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EHOSTUNREACH); /* seen without being told */
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
	rig_event(&r, REC, ABI_EV_ERROR, ECONNREFUSED | 3 << 16);
	assert_int_equal(tas_error(s), ECONNREFUSED);
	assert_int_equal(tas_error(s), 0);
	rig_event(&r, REC, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(tas_error(s), ETIMEDOUT);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_flows_options_are_told_with_its_name),
		TEST(a_listeners_options_are_those_of_a_listener_that_listens_again),
		TEST(reading_is_told_sooner_if_less_of_the_ring_is_used),
		TEST(less_of_the_transmit_ring_may_be_used),
		TEST(little_may_be_unsent),
		TEST(flows_of_a_listener_begin_with_its_limits),
		TEST(quick_acknowledgements_are_a_message),
		TEST(quick_acknowledgements_are_as_set_until_bytes_move),
		TEST(an_error_that_ends_nothing_is_told_once_each_time),
		TEST(larger_rings_are_used_when_they_are_there),
		TEST(larger_ring_that_is_offered_is_asked_for_when_it_is_used),
		TEST(ring_that_is_not_given_after_all_stays),
		TEST(rings_stay_while_their_own_thread_is_inside),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
