/* SPDX-License-Identifier: BSD-3-Clause */
/* test_conn_tune.c - payload rings grow where they are what limits their connection, and nowhere else. */
#include "slowpath/conn_tune.h"

#include <errno.h>

#include "tests/unit/rig_tcp.h"

enum { SIZE = 16384, MOST = 131072, RTT_MS = 50 };

static void rings(void)
{
	rig.conf.memory.rx_buffer = rig.conf.memory.tx_buffer = SIZE;
	rig.conf.memory.rx_buffer_max = rig.conf.memory.tx_buffer_max = MOST;
}

static bool offered(const struct peer *p, uint32_t event) { return events_of(p) & event; }

/* --- receiving --- */

/* n segments of 1,000 bytes, each read at once. Returns what follows. */
static uint32_t flows_in(struct peer *p, uint32_t seq, unsigned n, unsigned apart_ms)
{
	for (; n > 0; n--, seq += 1000) {
		give(p, .seq = seq, .ack = 1, .len = 1000);
		app_reads(p, 1000);
		wait_ms(apart_ms);
	}
	overlook();
	return seq;
}

static struct peer *receiving(struct rig_how how)
{
	rings();
	how.rtt_ms = RTT_MS;
	return established_(how);
}

TEST(half_a_window_read_within_a_round_trip_offers_a_larger_ring)
{
	struct peer *p = receiving((struct rig_how){ 0 });
	uint32_t gen = rec_of(p)->ring_gen, seq = flows_in(p, 1, 9, 1);

	assert_false(offered(p, ABI_EV_GROW_RX));
	seq = flows_in(p, seq, 1, 1);
	assert_true(offered(p, ABI_EV_GROW_RX));
	assert_int_equal(rec_of(p)->ring_gen, gen + 1); /* so that it is looked for */
	assert_int_equal(rec_of(p)->rx_size, SIZE);
	give(p, .seq = seq, .ack = 1, .len = 1000); /* not read yet */
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), 0);
	assert_int_equal(rec_of(p)->rx_size, 2 * SIZE);
	assert_false(offered(p, ABI_EV_GROW_RX));
	assert_int_equal(counted(CNT_RINGS_GROWN), 1);
	overlook();
	wait_ms(10);
	app_reads(p, 1000);
	assert_in_range(window_after(p, seq + 1000), 2 * SIZE - 2000, 2 * SIZE); /* and the peer knows */
	assert_false(offered(p, ABI_EV_GROW_RX));                                /* it is measured anew */
}

TEST(slow_reader_gets_no_larger_ring)
{
	struct peer *p = receiving((struct rig_how){ 0 });
	uint32_t seq = flows_in(p, 1, 60, 7); /* 8192 bytes take 57 ms */

	assert_false(offered(p, ABI_EV_GROW_RX));
	flows_in(p, seq, 30, 5);
	assert_true(offered(p, ABI_EV_GROW_RX));
}

TEST(who_does_not_read_gets_no_larger_ring)
{
	struct peer *p = receiving((struct rig_how){ 0 });

	flows_in(p, 1, 5, 1);
	for (uint32_t seq = 5001; seq < 20001; seq += 1000)
		give(p, .seq = seq, .ack = 1, .len = 1000);
	wait_ms(100);
	overlook();
	assert_false(offered(p, ABI_EV_GROW_RX));
}

TEST(receive_ring_grows_as_far_as_configured)
{
	struct peer *p = receiving((struct rig_how){ 0 });
	uint32_t seq = 1;

	for (uint32_t size = SIZE; size < MOST; size *= 2) {
		assert_int_equal(rec_of(p)->rx_size, size);
		seq = flows_in(p, seq, 2 * size / 1000, 0);
		wait_ms(10);
		seq = flows_in(p, seq, 2 * size / 1000, 0);
		assert_true(offered(p, ABI_EV_GROW_RX));
		assert_int_equal(app_grows(p, ABI_EV_GROW_RX), 0);
	}
	for (unsigned i = 0; i < 10; i++) {
		seq = flows_in(p, seq, MOST / 1000, 0);
		wait_ms(10);
	}
	assert_false(offered(p, ABI_EV_GROW_RX));
	assert_true(cold_of(p)->rx_tune_at == FLOW_TUNE_NEVER); /* nobody asks any more */
	assert_int_equal(rec_of(p)->rx_size, MOST);
}

TEST(ring_whose_size_the_application_set_does_not_grow)
{
	struct peer *p;

	rig.options.rx_size = rig.options.tx_size = SIZE;
	p = receiving((struct rig_how){ 0 });
	flows_in(p, 1, 50, 0);
	assert_false(offered(p, ABI_EV_GROW_RX));
	rig.options = (struct ctl_options){ .window_clamp = SIZE };
	app_listens(0, RIG_PORT, 16);
	p = receiving((struct rig_how){ 0 });
	flows_in(p, 1, 50, 0);
	assert_false(offered(p, ABI_EV_GROW_RX));
}

TEST(ring_that_was_offered_stays_if_the_application_sets_its_size_meanwhile)
{
	struct peer *p = receiving((struct rig_how){ 0 });

	flows_in(p, 1, 20, 1);
	assert_true(offered(p, ABI_EV_GROW_RX));
	assert_int_equal(app_sets(p, .rx_size = SIZE), 0);
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), EBUSY);
	assert_int_equal(rec_of(p)->rx_size, SIZE);
	assert_false(offered(p, ABI_EV_GROW_RX));
	overlook();
}

TEST(no_larger_ring_than_a_window_can_say)
{
	struct peer *p;
	uint32_t seq = 1;

	rig.conf.memory.rx_buffer = 65536;
	rig.conf.memory.rx_buffer_max = MOST;
	p = established(.no_wscale = true, .rtt_ms = RTT_MS);
	for (unsigned i = 0; i < 10; i++)
		seq = flows_in(p, seq, 60, 0);
	assert_false(offered(p, ABI_EV_GROW_RX));
}

TEST(window_scale_is_that_of_the_largest_ring) /* as Linux: tcp_rmem[2] */
{
	static const struct {
		uint32_t size, most;
		uint8_t scale;
	} want[] = { { 131072, 0, 2 }, { 131072, 4u << 20, 7 }, { 131072, 16u << 20, 9 }, { 32768, 32768, 0 },
		{ 65536, 65536, 1 }, { 1 << 20, 4096, 5 } };

	for (unsigned i = 0; i < ARRAY_LEN(want); i++) {
		struct peer *p = peer_new();

		rig.conf.memory.rx_buffer = want[i].size;
		rig.conf.memory.rx_buffer_max = want[i].most;
		assert_int_equal(app_listens(0, (uint16_t)(100 + i), 4), 0);
		p->local_port = (uint16_t)(100 + i);
		give(p, .flags = SYN);
		assert_int_equal(expect(p, .flags = SYN | ACK, .ack = 1)->wscale, want[i].scale);
	}
}

/* Each offer makes the application ask. */
TEST(offers_are_apart)
{
	struct peer *p = receiving((struct rig_how){ 0 });
	uint32_t seq = 1, gen;

	seq = flows_in(p, seq, 20, 0);
	gen = rec_of(p)->ring_gen;
	seq = flows_in(p, seq, 100, 0);
	assert_int_equal(rec_of(p)->ring_gen, gen);
	wait_ms(10);
	flows_in(p, seq, 100, 0);
	assert_int_equal(rec_of(p)->ring_gen, gen + 1); /* again, as it may have been overlooked */
}

/* --- sending --- */

static void all_acknowledged(struct peer *p)
{
	for (const struct rig_seg *s; (s = next_segment(p)) != NULL;) /* and every byte is checked */
		give(p, .seq = 1, .ack = s->seq + s->len);
}

/* It writes as much as the ring takes, for several round trips. */
static void fills(struct peer *p, unsigned rounds)
{
	for (; rounds > 0; rounds--) {
		app_writes(p, rec_of(p)->tx_size - (uint32_t)(p->tx_end - rec_of(p)->tx_una));
		app_rings(p, ABI_BELL_WANT_SPACE, 0);
		wait_ms(1);
		all_acknowledged(p);
	}
}

TEST(window_that_is_more_than_half_of_a_full_ring_offers_a_larger_one)
{
	struct peer *p;

	rings();
	p = established(.nodelay = true);
	fills(p, 1);
	for (uint32_t size = SIZE; size < MOST; size = rec_of(p)->tx_size) {
		for (unsigned i = 0; i < 100 && !offered(p, ABI_EV_GROW_TX); i++)
			fills(p, 1);
		assert_true(offered(p, ABI_EV_GROW_TX));
		assert_int_equal(app_grows(p, ABI_EV_GROW_TX), 0);
		assert_true(rec_of(p)->tx_size >= 2 * size);
	}
	assert_int_equal(rec_of(p)->tx_size, MOST);
	fills(p, 100);
	assert_false(offered(p, ABI_EV_GROW_TX));
	overlook();
}

TEST(window_larger_than_any_ring_offers_the_largest)
{
	struct peer *p;

	rings();
	p = established(.nodelay = true);
	app_writes(p, 100);
	all_acknowledged(p);
	flow_of(p)->cwnd = CC_CWND_MAX;
	cold_of(p)->max_snd_wnd = CC_CWND_MAX;
	for (unsigned i = 0; i < 100 && !offered(p, ABI_EV_GROW_TX); i++)
		fills(p, 1);
	assert_int_equal(app_grows(p, ABI_EV_GROW_TX), 0);
	assert_int_equal(rec_of(p)->tx_size, MOST);
	overlook();
}

TEST(ring_that_is_not_full_does_not_grow)
{
	struct peer *p;

	rings();
	p = established(.nodelay = true);
	for (unsigned i = 0; i < 100; i++) {
		app_writes(p, 11000);
		wait_ms(1);
		all_acknowledged(p);
	}
	assert_true(2 * flow_of(p)->cwnd > SIZE);
	assert_false(offered(p, ABI_EV_GROW_TX));
}

TEST(ring_of_which_the_peer_takes_little_does_not_grow)
{
	struct peer *p;

	rings();
	p = established(.nodelay = true, .wnd = SIZE / 2); /* two are in the ring */
	fills(p, 100);
	assert_true(2 * flow_of(p)->cwnd > SIZE);
	assert_false(offered(p, ABI_EV_GROW_TX));
	overlook();
}

TEST(transmit_ring_whose_size_the_application_set_does_not_grow)
{
	struct peer *p;

	rings();
	rig.options.tx_size = SIZE;
	p = established(.nodelay = true);
	fills(p, 100);
	assert_false(offered(p, ABI_EV_GROW_TX));
	overlook();
}

TEST(nothing_grows_where_it_is_configured_not_to)
{
	struct peer *p;

	rings();
	rig.conf.memory.rx_buffer_max = 0;
	rig.conf.memory.tx_buffer_max = SIZE;
	p = established(.nodelay = true, .rtt_ms = RTT_MS);
	flows_in(p, 1, 50, 0);
	assert_false(offered(p, ABI_EV_GROW_RX));
	p = established(.nodelay = true);
	fills(p, 50);
	assert_false(offered(p, ABI_EV_GROW_TX));
	overlook();
}

/* --- memory, and who asks --- */

TEST(a_quarter_of_the_memory_is_not_for_larger_rings)
{
	struct peer *p;
	uint32_t seq;

	rings();
	rig.conf.memory.app_memory_max = 1 << 20;
	rig.conf.memory.rx_buffer_max = 1 << 20;
	p = established(.rtt_ms = RTT_MS);
	seq = flows_in(p, 1, 20, 0);
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), 0);
	for (unsigned i = 0; i < 100 && counted(CNT_RINGS_NOT_GROWN) == 0; i++) {
		seq = flows_in(p, seq, 50, 0);
		wait_ms(10);
		if (offered(p, ABI_EV_GROW_RX))
			assert_int_equal(app_grows(p, ABI_EV_GROW_RX), 0);
	}
	assert_int_equal(counted(CNT_RINGS_NOT_GROWN), 1);
	assert_true(rec_of(p)->rx_size >= 65536 && rec_of(p)->rx_size < 1 << 20);
	assert_false(offered(p, ABI_EV_GROW_RX));
	seq = flows_in(p, seq, 500, 0); /* it goes on as it is, and is asked about once in a second */
	assert_int_equal(counted(CNT_RINGS_NOT_GROWN), 1);
	for (unsigned i = 0; i < 4; i++)
		established(); /* and others find place */
}

TEST(memory_that_went_meanwhile_does_no_harm)
{
	struct peer *p, *other;
	uint32_t seq;

	rings();
	rig.conf.memory.app_memory_max = 2 << 20;
	p = established(.rtt_ms = RTT_MS);
	seq = flows_in(p, 1, 20, 0);
	assert_true(offered(p, ABI_EV_GROW_RX));
	other = established();
	for (uint32_t size = 1 << 20; size >= 65536; size /= 2) /* as much as there is */
		app_sets(other, .rx_size = size, .tx_size = size);
	overlook();
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), EBUSY);
	assert_int_equal(rec_of(p)->rx_size, SIZE);
	assert_int_equal(counted(CNT_RINGS_NOT_GROWN), 1);
	flows_in(p, seq, 50, 0);
}

TEST(ring_that_was_not_offered_is_not_given)
{
	struct peer *p = receiving((struct rig_how){ 0 });
	struct ctl_grow m = { .flow = p->flow, .gen = p->gen, .event = ABI_EV_GROW_RX };

	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), EINVAL);
	assert_int_equal(app_grows(p, ABI_EV_GROW_TX), EINVAL);
	flows_in(p, 1, 20, 1);
	assert_int_equal(app_grows(p, ABI_EV_GROW_TX), EINVAL);
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX | ABI_EV_GROW_TX), EINVAL);
	assert_int_equal(app_grows(p, ABI_EV_RESET), EINVAL);
	app_start(1);
	assert_int_equal(app_grow(&rig.apps, rig.app[1].id, &m), ENOENT);
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), 0);
	assert_int_equal(app_grows(p, ABI_EV_GROW_RX), EINVAL);
	overlook();
}

TEST(memory_of_rings_that_grew_comes_back_with_their_end)
{
	uint32_t free_pages = 0;

	for (unsigned i = 0; i < 4; i++) {
		struct peer *p = receiving((struct rig_how){ 0 });

		flows_in(p, 1, 20, 1);
		assert_int_equal(app_grows(p, ABI_EV_GROW_RX), 0);
		app_aborts(p);
		overlook();
		if (i > 0)
			assert_int_equal(rig.apps.slot[rig.app[0].id].pool.free_pages, free_pages);
		free_pages = rig.apps.slot[rig.app[0].id].pool.free_pages;
	}
	buf_check(&rig.apps.slot[rig.app[0].id].pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(half_a_window_read_within_a_round_trip_offers_a_larger_ring),
		RIG_TEST(slow_reader_gets_no_larger_ring),
		RIG_TEST(who_does_not_read_gets_no_larger_ring),
		RIG_TEST(receive_ring_grows_as_far_as_configured),
		RIG_TEST(ring_whose_size_the_application_set_does_not_grow),
		RIG_TEST(ring_that_was_offered_stays_if_the_application_sets_its_size_meanwhile),
		RIG_TEST(no_larger_ring_than_a_window_can_say),
		RIG_TEST(window_scale_is_that_of_the_largest_ring),
		RIG_TEST(offers_are_apart),
		RIG_TEST(window_that_is_more_than_half_of_a_full_ring_offers_a_larger_one),
		RIG_TEST(window_larger_than_any_ring_offers_the_largest),
		RIG_TEST(ring_that_is_not_full_does_not_grow),
		RIG_TEST(ring_of_which_the_peer_takes_little_does_not_grow),
		RIG_TEST(transmit_ring_whose_size_the_application_set_does_not_grow),
		RIG_TEST(nothing_grows_where_it_is_configured_not_to),
		RIG_TEST(a_quarter_of_the_memory_is_not_for_larger_rings),
		RIG_TEST(memory_that_went_meanwhile_does_no_harm),
		RIG_TEST(ring_that_was_not_offered_is_not_given),
		RIG_TEST(memory_of_rings_that_grew_comes_back_with_their_end),
	};

	return RIG_MAIN(tests);
}
