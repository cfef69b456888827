/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_stack.c - packets into a host with open connections, in both families, while its application reads,
 * writes and closes, time goes on, and neighbours fall silent. */
#include "tests/fuzz/app_steps.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"
#include "tests/fuzz/wire.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	host_start();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	return input_mutate(data, size, max_size, seed);
}

static void stands(struct step *s)
{
	uint8_t what = step_u8(s);

	rig.core_stands = (what & 7) == 1;
	rig.slow_stands = (what & 7) == 2;
	rig.arp_silent = wire.silent = (what & 8) != 0;
}

static void waits(struct step *s)
{
	unsigned bits = step_u8(s) % 27;
	uint64_t us = (1ull << bits) + (step_u16(s) & ((1u << bits) - 1));

	/* while somebody stands, his deadlines only pass by */
	if (rig.core_stands || rig.slow_stands)
		us = min_u64(us, 5000);
	host_wait(us * NS_PER_US);
}

/* The frames of these meet one pass. */
static bool frame_step(uint8_t what, struct wire_conn *c, struct step *s, struct input *in)
{
	switch (what) {
	case 0:
	case 1:
	case 2:
	case 3: wire_segment(c, s); break;
	case 4:
	case 5: wire_good(c, s); break;
	case 6: wire_mangled(c, s); break;
	case 7: wire_syn(c, s); break;
	case 8: wire_icmp_error(c, s); break;
	case 9: wire_icmp(c, s, in); break;
	case 10: wire_arp(s); break;
	case 11: wire_nd(s, in); break;
	case 12: wire_raw(s, in); break;
	case 13: wire_packet(s, in); break;
	default: return false;
	}
	return true;
}

static void take_step(struct step *s, struct input *in)
{
	uint8_t what = step_u8(s);
	struct wire_conn *c = &wire.conn[what >> 5];

	what &= 31;
	if (frame_step(what & 15, c, s, in)) {
		if (what < 16)
			rig_run();
		return;
	}
	switch (what) {
	case 14: waits(s); break;
	case 15: app_step(c, s); break;
	case 30: stands(s); break;
	default: wire_open(c); break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .b = data, .len = size };
	struct step s;

	input_step(&in, &s);
	host_begin(step_u8(&s));
	app_listens(AT_HAND, AT_HAND_PORT, 8);
	for (uint8_t open = step_u8(&s), i = 0; i < WIRE_CONNS; i++)
		if (open & 1 << i)
			wire_open(&wire.conn[i]);
	for (unsigned n = 0; n < STEPS_MAX && input_step(&in, &s); n++)
		take_step(&s, &in);
	host_end();
	return 0;
}
