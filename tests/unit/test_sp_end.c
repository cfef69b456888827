/* SPDX-License-Identifier: BSD-3-Clause */
/* test_sp_end.c - what peers and applications see of an instance's end. */
#include <errno.h>

#include "slowpath/sp_end.h"
#include "tests/unit/rig_tcp.h"

static uint32_t at;

/* All of it, with passes of the core in between. */
static void end(void)
{
	for (at = 0; sp_end_connections(&rig.sp, &at, SP_END_BURST, rig.now);)
		rig_run();
	rig_run();
}

static void assert_told(struct peer *p)
{
	assert_true(events_of(p) & ABI_EV_RESET);
	assert_int_equal(rec_of(p)->error, ECONNRESET);
}

TEST(every_open_connection_is_reset)
{
	struct peer *p = established(), *q = established(), *c = connected();

	end();
	expect(p, .flags = RST | ACK, .seq = 1, .ack = 1);
	expect(q, .flags = RST | ACK, .seq = 1, .ack = 1);
	expect(c, .flags = RST | ACK, .seq = 1, .ack = 1);
	silence();
	assert_told(p);
	assert_told(q);
	assert_told(c);
}

static unsigned rings;

static uint32_t on_ring(void *arg TAS_UNUSED, int fd TAS_UNUSED, bool exactly TAS_UNUSED)
{
	rings++;
	return 0;
}

TEST(application_that_sleeps_is_woken) /* nobody else will do it */
{
	struct peer *p = established();

	rig.fp.wake.context = on_ring;
	rings = 0;
	p->app->ctx[p->ctx].shm->asleep = 1;
	at = 0;
	sp_end_connections(&rig.sp, &at, SP_END_BURST, rig.now);
	assert_int_equal(rings, 1);
	assert_told(p);
	rig_run();
	overlook();
}

TEST(unsent_data_is_given_up_behind_what_was_sent)
{
	struct peer *p = established();

	app_writes(p, 100);
	expect(p, .seq = 1, .ack = 1, .len = 100);
	end();
	expect(p, .flags = RST | ACK, .seq = 101, .ack = 1);
	silence();
}

TEST(half_closed_ones_too)
{
	struct peer *p = established(), *q = established();

	app_shuts(p);
	expect(p, .flags = FIN | ACK, .seq = 1, .ack = 1);
	give(q, .flags = FIN | ACK, .seq = 1, .ack = 1);
	overlook();
	end();
	expect(p, .flags = RST | ACK, .seq = 2, .ack = 1);
	expect(q, .flags = RST | ACK, .seq = 1, .ack = 2);
	silence();
}

TEST(one_in_time_wait_is_left_alone) /* RFC 1337 */
{
	struct peer *p = established();

	app_closes(p);
	overlook();
	give(p, .flags = FIN | ACK, .seq = 1, .ack = 2);
	overlook();
	end();
	silence();
}

TEST(a_few_at_a_time)
{
	struct peer *p = established();
	uint32_t flows = rig.fp.conf.flows_max, calls = 0;

	established();
	at = 0;
	while (at < flows) {
		uint32_t before = at;

		sp_end_connections(&rig.sp, &at, 16, rig.now);
		assert_in_range(at - before, 1, 16);
		calls++;
	}
	assert_int_equal(calls, (flows + 15) / 16);
	rig_run();
	assert_told(p);
	assert_int_equal(overlook(), 2);
	assert_false(sp_end_connections(&rig.sp, &at, 16, rig.now));
}

/* Nobody takes the frames: it waits rather than lose them, and says so. */
TEST(no_more_than_find_room)
{
	struct peer *p = established(), *q = established();
	struct rte_ring *sends = rig.fp.core[0]->sends;
	uint32_t others = 0;
	void *frame = NULL;

	rig.core_stands = true;
	for (; fp_send_room(&rig.fp) > 1; others++)
		fp_send(&rig.fp, rte_pktmbuf_alloc(rig.pool));
	at = 0;
	for (unsigned i = 0; i < 10; i++)
		assert_true(sp_end_connections(&rig.sp, &at, SP_END_BURST, rig.now));
	assert_int_equal(fp_send_room(&rig.fp), 0);
	assert_int_equal(flow_of(p)->state == TCP_ESTABLISHED, flow_of(q)->state != TCP_ESTABLISHED);
	for (; others > 0; others--) {
		assert_int_equal(rte_ring_dequeue(sends, &frame), 0);
		rte_pktmbuf_free(frame);
	}
	rig.core_stands = false;
	end();
	assert_int_equal(overlook(), 2);
	assert_told(p);
	assert_told(q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(every_open_connection_is_reset),
		RIG_TEST(application_that_sleeps_is_woken),
		RIG_TEST(unsent_data_is_given_up_behind_what_was_sent),
		RIG_TEST(half_closed_ones_too),
		RIG_TEST(one_in_time_wait_is_left_alone),
		RIG_TEST(a_few_at_a_time),
		RIG_TEST(no_more_than_find_room),
	};

	return RIG_MAIN(tests);
}
