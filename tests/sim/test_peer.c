/* SPDX-License-Identifier: BSD-3-Clause */
/* test_peer.c - a host of ours and one that shares no line with it (sim_peer.h), so that the stack is not
 * only tested against itself.
 * timeout: 600 */
#include "tests/sim/sim_main.h"

int main(int argc, char **argv)
{
	return sim_main(argc, argv,
		&(struct sim_program){ .hashes = "peer",
			.seeds = 1000,
			.long_seeds = 100000,
			.other = OTHER_PEER });
}
