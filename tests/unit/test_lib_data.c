/* SPDX-License-Identifier: BSD-3-Clause */
/* test_lib_data.c - bytes in and out: none lost, none twice, none from the wrong lap; and what the
 * results mean. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "include/base/rand.h"
#include "libtas/lib_int.h"
#include "tests/unit/lib_rig.h"

enum { REC = 3 };

static struct rig r;
static struct tas_sock *l, *s;
static struct abi_flow_rec *rec;

static int set_up(void **state)
{
	(void)state;
	rig_begin(&r, 1, 2);
	l = rig_listener(&r);
	s = rig_accepted(&r, l, REC);
	rec = rig_rec(&r, REC);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	rig_end(&r);
	return 0;
}

static uint8_t tx_byte(uint64_t p) { return ((uint8_t *)r.base + rec->tx_off)[p % RIG_RING]; }

/* --- receive --- */

static void check_stream(const uint8_t *buf, size_t n, uint64_t from)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(buf[i], (uint8_t)((from + i) * 7));
}

static void bytes_come_in_order_over_many_laps(void **state)
{
	struct tas_rand rand;
	uint8_t buf[RIG_RING];
	uint64_t sent = 0, got = 0;

	(void)state;
	rand_seed(&rand, 1);
	while (got < 40ull * RIG_RING) {
		size_t n = rand_below(&rand, (uint32_t)(RIG_RING - (sent - got)) + 1);
		ssize_t want = 1 + rand_below(&rand, RIG_RING), have;

		rig_deliver(&r, REC, n);
		sent += n;
		have = tas_recv(r.c, s, buf, (size_t)want, 0);
		if (sent == got) {
			assert_int_equal(have, -EAGAIN);
			continue;
		}
		assert_int_equal(have, (uint64_t)want < sent - got ? (uint64_t)want : sent - got);
		check_stream(buf, (size_t)have, got);
		got += (uint64_t)have;
		rig_bells_drop(&r, 0, 0);
	}
}

static void peeked_bytes_stay(void **state)
{
	uint8_t buf[100];

	(void)state;
	rig_deliver(&r, REC, 50);
	assert_int_equal(tas_recv(r.c, s, buf, 20, TAS_PEEK), 20);
	assert_int_equal(tas_recv(r.c, s, buf, 100, TAS_PEEK), 50);
	assert_int_equal(tas_rx_bytes(s), 50);
	assert_int_equal(tas_recv(r.c, s, buf, 100, 0), 50);
	check_stream(buf, 50, 0);
	assert_int_equal(tas_rx_bytes(s), 0);
}

static void a_vector_is_filled_across_its_parts_and_the_end_of_the_ring(void **state)
{
	uint8_t buf[RIG_RING], part[3][50];
	struct iovec iov[] = { { part[0], 50 }, { NULL, 0 }, { part[1], 7 }, { part[2], 50 } };

	(void)state;
	rig_deliver(&r, REC, RIG_RING - 60);
	tas_recv(r.c, s, buf, sizeof(buf), 0);
	rig_deliver(&r, REC, 120);
	assert_int_equal(tas_readv(r.c, s, iov, 4, 10, 0), 97); /* the first 10 are filled already */
	check_stream(part[0] + 10, 40, RIG_RING - 60);
	check_stream(part[1], 7, RIG_RING - 20);
	check_stream(part[2], 50, RIG_RING - 13);
	assert_int_equal(tas_rx_bytes(s), 23);
}

static void spans_show_what_lies_there(void **state)
{
	struct tas_span span[2];
	uint8_t buf[RIG_RING];

	(void)state;
	rig_deliver(&r, REC, RIG_RING - 10);
	tas_recv(r.c, s, buf, sizeof(buf), 0);
	assert_int_equal(tas_rx_begin(r.c, s, 0, span), -EAGAIN);
	rig_deliver(&r, REC, 30);
	assert_int_equal(tas_rx_begin(r.c, s, 0, span), 30);
	assert_int_equal(span[0].len, 10);
	assert_int_equal(span[1].len, 20);
	check_stream(span[0].data, 10, RIG_RING - 10);
	check_stream(span[1].data, 20, RIG_RING);
	tas_rx_end(r.c, s, 15);
	assert_int_equal(tas_rx_begin(r.c, s, 5, span), 10); /* passes 5 over */
	check_stream(span[0].data, 10, RIG_RING + 10);
	tas_rx_end(r.c, s, 0);
	assert_int_equal(tas_rx_begin(r.c, s, 15, span), -EAGAIN);
	assert_int_equal(tas_rx_bytes(s), 15);
}

/* A quarter of the ring (here less than two segments), or when tasd believes the ring nearly full. */
static void reading_is_told_when_it_matters_to_the_window(void **state)
{
	uint8_t buf[RIG_RING];
	struct abi_bell b;

	(void)state;
	rig_deliver(&r, REC, 2000);
	tas_recv(r.c, s, buf, RIG_RING / 4 - 1, 0);
	assert_false(rig_bell(&r, 0, 0, &b));
	tas_recv(r.c, s, buf, 1, 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.rx_read, RIG_RING / 4);
	assert_int_equal(b.flags, ABI_BELL_POSITIONS);
	rig_deliver(&r, REC, RIG_RING - 976); /* full */
	tas_recv(r.c, s, buf, 1, 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.rx_read, RIG_RING / 4 + 1);
}

static void what_was_told_with_data_is_not_told_again(void **state)
{
	uint8_t buf[RIG_RING];
	struct abi_bell b;

	(void)state;
	rig_deliver(&r, REC, 2000);
	tas_recv(r.c, s, buf, 1000, 0);
	tas_send(r.c, s, "x", 1, 0);
	rig_bells_drop(&r, 0, 0);
	tas_recv(r.c, s, buf, 1000, 0);
	assert_false(rig_bell(&r, 0, 0, &b));
}

static void the_end_of_the_stream_comes_after_its_bytes(void **state)
{
	uint8_t buf[10];

	(void)state;
	rig_deliver(&r, REC, 5);
	rig_event(&r, REC, ABI_EV_RX_FIN, 0);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 5);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 0);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1); /* half closed */
}

/* As Linux: queued bytes, the error once, then the end; sending gives the error or EPIPE. */
static void a_reset_gives_bytes_then_the_error_once_then_the_end(void **state)
{
	uint8_t buf[10];

	(void)state;
	rig_deliver(&r, REC, 5);
	rig_event(&r, REC, ABI_EV_RESET, ECONNRESET);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 5);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), -ECONNRESET);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EPIPE);
	assert_int_equal(tas_error(s), 0);
}

static void a_reset_refuses_what_is_sent(void **state)
{
	(void)state;
	rig_event(&r, REC, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -ETIMEDOUT);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EPIPE);
	assert_int_equal(tas_recv(r.c, s, &(char){ 0 }, 1, 0), 0);
}

static void reading_nothing_is_no_question(void **state)
{
	(void)state;
	assert_int_equal(tas_recv(r.c, s, NULL, 0, 0), 0);
	assert_int_equal(tas_send(r.c, s, NULL, 0, 0), 0);
}

static void shut_for_reading_is_an_end_though_bytes_may_still_come(void **state)
{
	uint8_t buf[10];

	(void)state;
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_RD), 0);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 0);
	rig_deliver(&r, REC, 3);
	assert_int_equal(tas_recv(r.c, s, buf, 10, 0), 3);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1);
}

/* --- send --- */

static void sent_bytes_lie_in_the_ring_over_many_laps(void **state)
{
	struct tas_rand rand;
	uint8_t buf[RIG_RING];
	uint64_t end = 0, una = 0;

	(void)state;
	rand_seed(&rand, 2);
	while (una < 40ull * RIG_RING) {
		size_t want = 1 + rand_below(&rand, RIG_RING);
		uint64_t space = RIG_RING - (end - una);
		ssize_t n;

		for (size_t i = 0; i < want; i++)
			buf[i] = (uint8_t)((end + i) * 11);
		n = tas_send(r.c, s, buf, want, 0);
		if (space == 0)
			assert_int_equal(n, -EAGAIN);
		else
			assert_int_equal(n, want < space ? want : space);
		end += n > 0 ? (uint64_t)n : 0;
		assert_int_equal(tas_tx_bytes(s), end - una);
		for (n = rand_below(&rand, (uint32_t)(end - una) + 1); n > 0; n--, una++)
			assert_int_equal(tx_byte(una), (uint8_t)(una * 11));
		atomic_store(&rec->tx_una, una);
		rig_bells_drop(&r, 0, 0);
	}
}

static void a_vector_is_sent_as_one(void **state)
{
	struct iovec iov[] = { { "abc", 3 }, { NULL, 0 }, { "defgh", 5 } };
	struct abi_bell b;

	(void)state;
	assert_int_equal(tas_writev(r.c, s, iov, 3, 4, TAS_MORE), 4);
	assert_int_equal(tx_byte(0), 'e');
	assert_int_equal(tx_byte(3), 'h');
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.tx_end, 4);
	assert_int_equal(b.flags & ABI_BELL_MORE, ABI_BELL_MORE);
	assert_false(rig_bell(&r, 0, 0, &b));
	assert_int_equal(tas_writev(r.c, s, iov, 3, 8, 0), 0);
}

static void spans_are_filled_in_place(void **state)
{
	struct tas_span span[2];
	struct abi_bell b;

	(void)state;
	assert_int_equal(tas_tx_begin(r.c, s, span), RIG_RING);
	memset(span[0].data, 'A', 10);
	tas_tx_end(r.c, s, 10, 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.tx_end, 10);
	assert_int_equal(tas_tx_begin(r.c, s, span), RIG_RING - 10);
	tas_tx_end(r.c, s, 0, 0);
	assert_false(rig_bell(&r, 0, 0, &b));
	assert_int_equal(tas_tx_begin(r.c, s, span), RIG_RING - 10);
	tas_tx_end(r.c, s, RIG_RING - 10, 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & ABI_BELL_WANT_SPACE, ABI_BELL_WANT_SPACE); /* filled to the brim */
}

static void who_falls_short_asks_to_be_told(void **state)
{
	static char big[RIG_RING + 10];
	struct abi_bell b;

	(void)state;
	assert_int_equal(tas_send(r.c, s, big, sizeof(big), 0), RIG_RING);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS | ABI_BELL_WANT_SPACE);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EAGAIN);
	assert_false(rig_bell(&r, 0, 0, &b)); /* asked already */
	atomic_store(&rec->tx_una, RIG_RING / 4);
	rig_notify(&r, 0, 0, REC);
	assert_int_equal(tas_ctx_poll(r.c), 1);
	assert_int_equal(r.event[r.nr_events - 1].edges, TAS_EV_OUT);
	assert_int_equal(tas_send(r.c, s, big, sizeof(big), 0), RIG_RING / 4);
}

static void a_ring_filled_to_the_brim_is_asked_about_when_it_matters(void **state)
{
	static char big[RIG_RING];
	struct abi_bell b;

	(void)state;
	assert_int_equal(tas_send(r.c, s, big, sizeof(big), 0), RIG_RING);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & ABI_BELL_WANT_SPACE, 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EAGAIN);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags, ABI_BELL_POSITIONS | ABI_BELL_WANT_SPACE);
}

static void nothing_is_sent_after_shutdown(void **state)
{
	struct abi_bell b;

	(void)state;
	tas_send(r.c, s, "x", 1, 0);
	rig_bells_drop(&r, 0, 0);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_WR), 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.tx_end, 1);
	assert_int_equal(b.flags & ABI_BELL_SHUT_WR, ABI_BELL_SHUT_WR);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EPIPE);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_WR), 0);
	assert_false(rig_bell(&r, 0, 0, &b));
}

/* --- rings that are replaced --- */

static void a_larger_ring_is_used_from_the_moment_it_is_named(void **state)
{
	static char big[5 * RIG_RING];
	uint8_t buf[100];

	(void)state;
	rig_deliver(&r, REC, 10);
	tas_recv(r.c, s, buf, 10, 0);
	rec->tx_off = rig_carve(&r, 4 * RIG_RING);
	rec->tx_size = 4 * RIG_RING;
	atomic_fetch_add(&rec->ring_gen, 1);
	assert_int_equal(tas_send(r.c, s, big, sizeof(big), 0), 4 * RIG_RING);
}

static void an_inner_call_on_the_same_direction_is_refused(void **state)
{
	struct tas_span span[2];

	(void)state;
	rig_deliver(&r, REC, 10);
	assert_int_equal(tas_rx_begin(r.c, s, 0, span), 10);
	assert_int_equal(tas_recv(r.c, s, span, 1, 0), -EDEADLK);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), 1); /* the other direction is free */
	tas_rx_end(r.c, s, 10);
	assert_int_equal(tas_tx_begin(r.c, s, span), RIG_RING - 1);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EDEADLK);
	assert_int_equal(tas_shutdown(r.c, s, TAS_SHUT_WR), -EDEADLK);
	tas_tx_end(r.c, s, 0, 0);
}

static void errno_stays_as_it_was(void **state)
{
	(void)state;
	errno = 77;
	tas_recv(r.c, s, &(char){ 0 }, 1, 0);
	rig_event(&r, REC, ABI_EV_RESET, ECONNRESET);
	tas_send(r.c, s, "x", 1, 0);
	tas_close(r.c, s, false);
	tas_send(r.c, s, "x", 1, 0);
	assert_int_equal(errno, 77);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void an_error_that_was_not_told_is_pending_again(void **state)
{
	uint8_t byte;

	(void)state;
	rig_event(&r, REC, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), -ETIMEDOUT);
	tas_error_back(s, EIO); /* of something else */
	assert_int_equal(tas_error(s), 0);
	tas_error_back(s, ETIMEDOUT);
	assert_int_equal(tas_error(s), 0); /* it could be given back only at once */
}

static void an_error_given_back_is_told_once(void **state)
{
	uint8_t byte;

	(void)state;
	rig_event(&r, REC, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -ETIMEDOUT);
	tas_error_back(s, ETIMEDOUT);
	tas_error_back(s, ETIMEDOUT);
	assert_true(tas_ready(s) & TAS_EV_ERR);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), -ETIMEDOUT);
	assert_int_equal(tas_recv(r.c, s, &byte, 1, 0), 0);
	assert_int_equal(tas_send(r.c, s, "x", 1, 0), -EPIPE);
	tas_error_back(s, EPIPE);
	assert_int_equal(tas_error(s), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(bytes_come_in_order_over_many_laps),
		TEST(peeked_bytes_stay),
		TEST(a_vector_is_filled_across_its_parts_and_the_end_of_the_ring),
		TEST(spans_show_what_lies_there),
		TEST(reading_is_told_when_it_matters_to_the_window),
		TEST(what_was_told_with_data_is_not_told_again),
		TEST(the_end_of_the_stream_comes_after_its_bytes),
		TEST(a_reset_gives_bytes_then_the_error_once_then_the_end),
		TEST(a_reset_refuses_what_is_sent),
		TEST(reading_nothing_is_no_question),
		TEST(shut_for_reading_is_an_end_though_bytes_may_still_come),
		TEST(sent_bytes_lie_in_the_ring_over_many_laps),
		TEST(a_vector_is_sent_as_one),
		TEST(spans_are_filled_in_place),
		TEST(who_falls_short_asks_to_be_told),
		TEST(a_ring_filled_to_the_brim_is_asked_about_when_it_matters),
		TEST(nothing_is_sent_after_shutdown),
		TEST(a_larger_ring_is_used_from_the_moment_it_is_named),
		TEST(an_inner_call_on_the_same_direction_is_refused),
		TEST(errno_stays_as_it_was),
		TEST(an_error_that_was_not_told_is_pending_again),
		TEST(an_error_given_back_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
