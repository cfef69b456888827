/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_urgent.c - what a program sees of urgent data, as Linux shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

enum { REC = 3 };

static struct rig r;
static struct tas_sock *s;
static uint8_t buf[RIG_RING];

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 2);
	s = rig_accepted(&r, rig_listener(&r), REC);
	r.nr_events = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

/* n bytes, the last of which is urgent. */
static void urgent(size_t n)
{
	uint64_t at = rig_rec(&r, REC)->rx_end + n - 1;

	rig_pointer(&r, REC, n);
	rig_urgent(&r, REC)->byte = ABI_URGENT_THERE | (uint8_t)(at * 7);
	rig_deliver(&r, REC, n);
}

static void read_is(size_t wanted, ssize_t n, uint64_t from)
{
	assert_int_equal(tas_recv(r.c, s, buf, wanted, 0), n);
	for (ssize_t i = 0; i < n; i++)
		assert_int_equal(buf[i], (uint8_t)((from + (uint64_t)i) * 7));
}

static void out_of_band_is(ssize_t result, uint64_t at, unsigned flags)
{
	assert_int_equal(tas_recv_urgent(r.c, s, buf, flags), result);
	if (result == 1)
		assert_int_equal(buf[0], (uint8_t)(at * 7));
}

static void a_read_ends_at_the_mark_and_the_next_passes_it(void **state)
{
	(void)state;
	urgent(5);
	rig_deliver(&r, REC, 10);
	assert_int_equal(tas_mark(s), 4);
	assert_int_equal(tas_rx_bytes(s), 4);
	read_is(100, 4, 0);
	assert_int_equal(tas_mark(s), 0);
	assert_int_equal(tas_rx_bytes(s), 0);
	read_is(3, 3, 5);
	assert_int_equal(tas_mark(s), SIZE_MAX);
	read_is(100, 7, 8);
	assert_int_equal(s->rx_gen, rig_rec(&r, REC)->ring_gen); /* the short way again */
}

static void a_mark_alone_is_passed_by_who_finds_nothing(void **state)
{
	(void)state;
	urgent(1);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_PRI), TAS_EV_PRI);
	assert_int_equal(tas_recv(r.c, s, buf, 1, TAS_PEEK), -EAGAIN);
	assert_int_equal(tas_mark(s), 0);
	assert_int_equal(tas_recv(r.c, s, buf, 1, 0), -EAGAIN);
	assert_int_equal(tas_mark(s), SIZE_MAX);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_PRI), 0);
	out_of_band_is(-EINVAL, 0, 0);
	rig_deliver(&r, REC, 2);
	read_is(10, 2, 1);
}

static void the_byte_is_had_once(void **state)
{
	(void)state;
	out_of_band_is(-EINVAL, 0, 0);
	rig_pointer(&r, REC, 13);
	out_of_band_is(-EAGAIN, 0, 0);
	assert_int_equal(tas_ready(s) & TAS_EV_PRI, 0);
	rig_deliver(&r, REC, 20);
	assert_int_equal(tas_ready(s) & TAS_EV_PRI, TAS_EV_PRI);
	out_of_band_is(1, 12, TAS_PEEK);
	out_of_band_is(1, 12, 0);
	out_of_band_is(-EINVAL, 0, 0);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_PRI), TAS_EV_IN);
	read_is(100, 12, 0);
	read_is(100, 7, 13);
}

static void the_byte_may_overtake_the_stream(void **state)
{
	(void)state;
	rig_pointer(&r, REC, 13);
	rig_urgent(&r, REC)->byte = ABI_URGENT_THERE | (uint8_t)(12 * 7);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_PRI), TAS_EV_PRI);
	out_of_band_is(1, 12, 0);
	rig_deliver(&r, REC, 20);
	read_is(100, 12, 0);
	read_is(100, 7, 13);
}

static void it_will_not_come_after_the_end(void **state)
{
	(void)state;
	rig_pointer(&r, REC, 6);
	rig_event(&r, REC, ABI_EV_RX_FIN, 0);
	out_of_band_is(0, 0, 0);
	rig_event(&r, REC, ABI_EV_RESET, ECONNRESET);
	out_of_band_is(-ENOTCONN, 0, 0);
}

static void inline_it_stays(void **state)
{
	(void)state;
	tas_set_oobinline(s, true);
	urgent(5);
	rig_deliver(&r, REC, 10);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_PRI), TAS_EV_IN | TAS_EV_PRI);
	assert_int_equal(tas_rx_bytes(s), 15);
	out_of_band_is(-EINVAL, 0, 0);
	read_is(100, 4, 0);
	assert_int_equal(tas_mark(s), 0);
	read_is(100, 11, 4);
	assert_int_equal(tas_mark(s), SIZE_MAX);
	assert_int_equal(tas_ready(s) & (TAS_EV_IN | TAS_EV_PRI), 0);
}

static void who_peeks_changes_nothing(void **state)
{
	struct iovec iov[] = { { buf, 2 }, { buf + 2, 90 } };

	(void)state;
	urgent(1);
	rig_deliver(&r, REC, 5);
	assert_int_equal(tas_recv(r.c, s, buf, 100, TAS_PEEK), 5);
	assert_int_equal(buf[0], 7);
	assert_int_equal(tas_readv(r.c, s, iov, 2, 0, TAS_PEEK), 5);
	assert_int_equal(buf[2], 3 * 7);
	assert_int_equal(tas_mark(s), 0);
	out_of_band_is(1, 0, 0);
	assert_int_equal(tas_readv(r.c, s, iov, 2, 0, 0), 5);
	assert_int_equal(buf[0], 7);
}

/* Linux: its former byte leaves the stream if the reader stands at it, else it stays. */
static void a_later_mark_takes_the_place(void **state)
{
	(void)state;
	urgent(5);
	out_of_band_is(1, 4, 0);
	urgent(5);
	out_of_band_is(1, 9, 0);
	read_is(100, 9, 0);
	urgent(5); /* the reader stands at 9 */
	assert_int_equal(tas_mark(s), 4);
	read_is(100, 4, 10);
	urgent(1);
	urgent(1);
	urgent(3); /* nobody looked: at 14, 15 and 16 in turn */
	assert_int_equal(tas_mark(s), 2);
	read_is(100, 2, 17);
	out_of_band_is(1, 19, 0);
}

static void inline_no_mark_leaves_the_stream(void **state)
{
	(void)state;
	tas_set_oobinline(s, true);
	urgent(1);
	urgent(1);
	urgent(1);
	assert_int_equal(tas_mark(s), 2);
	read_is(100, 2, 0);
	read_is(100, 1, 2);
}

static unsigned edges_of(uint32_t edge)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r.nr_events; i++)
		n += (r.event[i].edges & edge) != 0;
	r.nr_events = 0;
	return n;
}

static void pointer_and_byte_are_told_once_each(void **state)
{
	(void)state;
	rig_pointer(&r, REC, 6);
	rig_notify(&r, 0, 0, REC);
	tas_ctx_poll(r.c);
	assert_int_equal(r.nr_events, 1);
	assert_int_equal(edges_of(TAS_EV_URGENT), 1);
	rig_deliver(&r, REC, 10);
	rig_notify(&r, 0, 0, REC);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(TAS_EV_PRI), 1);
	rig_deliver(&r, REC, 10);
	rig_notify(&r, 0, 0, REC);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(TAS_EV_PRI | TAS_EV_URGENT), 0);
	urgent(1);
	read_is(100, 20, 0); /* who reads hears it, too */
	assert_int_equal(edges_of(TAS_EV_URGENT), 1);
	rig_notify(&r, 0, 0, REC);
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(TAS_EV_URGENT), 0);
}

static void many_may_be_told_at_once(void **state)
{
	struct tas_sock *l = rig_listener(&r), *more[2 * URGENT_BATCH];

	(void)state;
	for (uint32_t i = 0; i < 2 * URGENT_BATCH; i++)
		more[i] = rig_accepted(&r, l, 10 + i);
	for (uint32_t i = 0; i < 2 * URGENT_BATCH; i++) {
		rig_pointer(&r, 10 + i, 1);
		rig_notify(&r, 0, 0, 10 + i);
	}
	r.nr_events = 0;
	tas_ctx_poll(r.c);
	assert_int_equal(edges_of(TAS_EV_URGENT), 2 * URGENT_BATCH);
	for (uint32_t i = 0; i < 2 * URGENT_BATCH; i++)
		assert_int_equal(tas_mark(more[i]), 0);
}

static void enough_is_all_up_to_the_mark(void **state)
{
	(void)state;
	urgent(5);
	rig_deliver(&r, REC, 5);
	assert_true(tas_rx_enough(s, 100));
	read_is(2, 2, 0);
	assert_true(tas_rx_enough(s, 100));
	read_is(2, 2, 2);
	assert_true(tas_rx_enough(s, 5));
	assert_false(tas_rx_enough(s, 6));
}

static void a_torn_record_is_read_again_but_not_for_ever(void **state)
{
	(void)state;
	urgent(5);
	rig_urgent(&r, REC)->count++; /* tasd died in the midst of it */
	assert_int_equal(tas_mark(s), 4);
	read_is(100, 4, 0);
}

static void the_last_byte_sent_is_urgent(void **state)
{
	struct iovec iov[] = { { buf, 4 }, { buf, 6 } };
	struct abi_bell b;

	(void)state;
	assert_int_equal(tas_writev_urgent(r.c, s, iov, 2, 3, 0), 7);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_true(b.flags & ABI_BELL_URGENT);
	assert_int_equal(b.tx_end, 7);
	assert_int_equal(rig_urgent(&r, REC)->tx_end, 7);
	assert_int_equal(tas_writev(r.c, s, iov, 2, 0, 0), 10);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_false(b.flags & ABI_BELL_URGENT);
	assert_int_equal(rig_urgent(&r, REC)->tx_end, 7);
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_read_ends_at_the_mark_and_the_next_passes_it),
		T(a_mark_alone_is_passed_by_who_finds_nothing),
		T(the_byte_is_had_once),
		T(the_byte_may_overtake_the_stream),
		T(it_will_not_come_after_the_end),
		T(inline_it_stays),
		T(who_peeks_changes_nothing),
		T(a_later_mark_takes_the_place),
		T(inline_no_mark_leaves_the_stream),
		T(pointer_and_byte_are_told_once_each),
		T(many_may_be_told_at_once),
		T(enough_is_all_up_to_the_mark),
		T(a_torn_record_is_read_again_but_not_for_ever),
		T(the_last_byte_sent_is_urgent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
