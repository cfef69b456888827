/* SPDX-License-Identifier: BSD-3-Clause */
/* test_hostile.c - what a process does to its own region and asks of tasd harms nobody else: the runs of
 * test_two_hosts.c with a villain on each host (sim_villain.h). Everybody else's connections end as they
 * should, the flows of all stay sound, and in the end everything came back.
 * timeout: 600 */
#include "tests/sim/sim_main.h"

int main(int argc, char **argv)
{
	return sim_main(argc, argv, &(struct sim_program){ .seeds = 8, .long_seeds = 400, .hostile = true });
}
