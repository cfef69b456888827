/* SPDX-License-Identifier: BSD-3-Clause */
/* test_appq_kept.c - messages that found no room in a ring and stand in their flow's record: tasd takes them
 * in time, after what is older, also when their process has ended, and believes no more of them than of
 * others (abi_flow_rec.kept). */
#include <string.h>

#include "tests/unit/rig_tcp.h"

enum { LEN = 50 };

/* Bytes that tasd has not heard of. */
static void write_untold(struct peer *p, uint32_t len)
{
	const struct abi_flow_rec *r = rec_of(p);

	for (uint32_t i = 0; i < len; i++, p->tx_end++)
		p->app->base[r->tx_off + (p->tx_end & (r->tx_size - 1))] = (char)host_byte(p->tx_end);
}

/* As libtas does: positions, flags, the group's bit, the count, the core. */
static void mark(struct peer *p, uint32_t flags)
{
	struct abi_flow_rec *r = rec_of(p);

	r->rx_read = p->rx_read;
	r->tx_end = p->tx_end;
	r->kept |= (uint16_t)flags;
	p->app->header->kept[p->rec / ABI_KEPT_GROUP / 64] |= 1ull << p->rec / ABI_KEPT_GROUP % 64;
}

static void tell(struct peer *p)
{
	struct abi_core_line *line = &p->app->header->core_line[0];

	line->kept++;
	line->bells |= 1;
	if (atomic_exchange(&line->asleep, 0) != 0)
		core_app_rang(rig.fp.core[0], p->app->id);
}

static void keep(struct peer *p, uint32_t flags)
{
	mark(p, flags);
	tell(p);
}

static void all_is_taken(const struct peer *p)
{
	const struct abi_header *h = p->app->header;

	assert_int_equal(rec_of(p)->kept, 0);
	assert_int_equal(h->core_line[0].kept_taken, h->core_line[0].kept);
	for (uint32_t w = 0; w < ABI_KEPT_WORDS; w++)
		assert_int_equal(h->kept[w], 0);
}

static struct abi_bell bell_of(const struct peer *p, uint32_t flags)
{
	return (struct abi_bell){ .flow = p->flow,
		.gen = p->gen,
		.rx_read = p->rx_read,
		.tx_end = p->tx_end,
		.flags = flags | ABI_BELL_POSITIONS };
}

TEST(what_is_kept_is_taken_as_a_message)
{
	struct peer *p = established(.nodelay = true);

	give(p, .seq = 1, .ack = 1, .len = 10);
	overlook();
	p->rx_read = 10;
	write_untold(p, LEN);
	keep(p, ABI_BELL_POSITIONS);
	rig_run();
	expect(p, .seq = 1, .ack = 11, .len = LEN);
	assert_int_equal(flow_of(p)->rx_unread, 0);
	all_is_taken(p);
	write_untold(p, LEN);
	keep(p, ABI_BELL_POSITIONS | ABI_BELL_SHUT_WR);
	rig_run();
	expect(p, .flags = FIN | ACK, .seq = 1 + LEN, .ack = 11, .len = LEN);
	all_is_taken(p);
	silence();
}

TEST(core_asleep_takes_it_when_it_wakes)
{
	struct peer *p = established(.nodelay = true);

	wait_ms(50);
	assert_int_equal(p->app->header->core_line[0].asleep, 1);
	write_untold(p, LEN);
	keep(p, ABI_BELL_POSITIONS);
	rig_run();
	expect(p, .seq = 1, .ack = 1, .len = LEN);
	all_is_taken(p);
}

TEST(messages_in_the_ring_are_older)
{
	struct peer *p = established();

	write_untold(p, LEN);
	for (unsigned i = 0; i < ABI_BELL_SLOTS; i++)
		bell(p->app, 0, bell_of(p, ABI_BELL_OPTIONS | ABI_BELL_MORE));
	write_untold(p, LEN);
	keep(p, ABI_BELL_POSITIONS | ABI_BELL_OPTIONS);
	rig_run();
	assert_false(flow_of(p)->flags & FLOW_MORE);
	expect(p, .seq = 1, .ack = 1, .len = 2 * LEN);
	all_is_taken(p);
}

TEST(rings_that_are_never_empty_do_not_keep_it_for_ever)
{
	struct peer *p = established();
	struct abi_bell_ring *ring;
	unsigned passes = 0;

	ring = (struct abi_bell_ring *)(void *)(p->app->base + p->app->ctx[0].shm->bell_off[0]);
	keep(p, ABI_BELL_POSITIONS | ABI_BELL_WANT_SPACE);
	for (; rec_of(p)->kept != 0 && passes < 1000; passes++) {
		while (p->app->ctx[0].bells - ring->consumed < ABI_BELL_SLOTS)
			bell(p->app, 0, bell_of(p, 0));
		core_poll(rig.fp.core[0], rig.now);
	}
	assert_in_range(passes, 2, 999);
	rig_run();
	all_is_taken(p);
	overlook();
}

/* The rest of what one pass leaves is taken in the next ones. */
TEST(more_than_a_turn_takes_several_passes)
{
	struct peer *p = established(.nodelay = true);
	struct abi_header *h = p->app->header;

	for (uint32_t w = 0; w < ABI_KEPT_WORDS; w++)
		h->kept[w] = UINT64_MAX; /* of records that there are none of, too */
	tell(p);
	core_poll(rig.fp.core[0], rig.now);
	assert_int_not_equal(h->core_line[0].kept_taken, h->core_line[0].kept);
	rig_run();
	assert_int_equal(h->core_line[0].kept_taken, h->core_line[0].kept);
	assert_int_equal(h->kept[0], 0);
	silence();
}

TEST(what_is_kept_is_checked_as_a_message)
{
	struct peer *p = established();
	struct flow before = *flow_of(p);

	keep(p, ABI_BELL_POSITIONS | 1u << 15);
	rig_run();
	assert_int_equal(counted(CNT_APP_FAULT_FLAGS), 1);
	p->tx_end = 1ull << 40;
	keep(p, ABI_BELL_POSITIONS);
	rig_run();
	assert_int_equal(counted(CNT_APP_FAULT_POSITION), 1);
	p->tx_end = 0;
	rec_of(p)->flow = UINT32_MAX;
	keep(p, ABI_BELL_POSITIONS | ABI_BELL_CLOSE);
	rig_run();
	assert_int_equal(counted(CNT_APP_FAULT_HANDLE), 1);
	assert_memory_equal(&before, flow_of(p), sizeof(before));
	all_is_taken(p);
	silence();
}

/* Linux sends what was written before exit, and the FIN: so does tasd though the ring had no room. */
TEST(what_a_process_kept_when_it_ended_is_heard)
{
	struct peer *p = established(.nodelay = true);

	write_untold(p, LEN);
	mark(p, ABI_BELL_POSITIONS | ABI_BELL_CLOSE); /* no core will come: it is killed here */
	app_dies(0);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1, .len = LEN);
	silence();
}

/* A stranger to whom the memory was passed on may write there for ever. */
TEST(what_is_kept_after_the_end_keeps_nobody)
{
	struct peer *p = established();
	struct app *a = &rig.fp.apps[p->app->id];
	uint32_t at = 0;
	unsigned rounds = 0;

	for (; at != UINT32_MAX && rounds < 100000; rounds++) {
		a->header->kept[0] = UINT64_MAX;
		app_last_bells(rig.fp.slow, a->id, &at, 1);
	}
	assert_int_equal(at, UINT32_MAX);
	overlook();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(what_is_kept_is_taken_as_a_message),
		RIG_TEST(core_asleep_takes_it_when_it_wakes),
		RIG_TEST(messages_in_the_ring_are_older),
		RIG_TEST(rings_that_are_never_empty_do_not_keep_it_for_ever),
		RIG_TEST(more_than_a_turn_takes_several_passes),
		RIG_TEST(what_is_kept_is_checked_as_a_message),
		RIG_TEST(what_a_process_kept_when_it_ended_is_heard),
		RIG_TEST(what_is_kept_after_the_end_keeps_nobody),
	};

	return RIG_MAIN(tests);
}
