/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile - an application that does to tasd what no libtas does: hostile OFFENCE [ARGUMENT...]
 * $TAS_SOCKET names tasd's control socket. */
#include "tests/e2e/hostile.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "include/base/compiler.h"

static const struct {
	const char *name, *arguments;
	hostile_offence *commit;
	int argc;
} offences[] = {
	{ "scribble", "SECONDS PORT: random bytes over the whole region, with connections", hostile_scribble,
		2 },
	{ "harmless", "SECONDS: as busy as that, over memory of its own", hostile_harmless, 1 },
	{ "visit", "PEER PORT: comes and goes twice, with something said on a connection", hostile_visit, 2 },
	{ "bell", "KIND PEER PORT: messages with one field wrong", hostile_bell, 3 },
	{ "twin", "KIND PEER PORT: as many messages, with nothing wrong", hostile_twin, 3 },
	{ "flags", "PEER PORT: any combination of flags, in any state", hostile_flags, 2 },
	{ "pry", "FLOWS GENERATIONS: messages for the flows of others", hostile_pry, 2 },
	{ "holes", "PEER PORT: punches, cuts, grows, maps and writes the region", hostile_holes, 2 },
	{ "peek", "SECONDS PEER PORT: looks for the payload of others in its region", hostile_peek, 3 },
	{ "seal", ": seals the region before tasd does", hostile_seal, 0 },
	{ "stall", "WHAT PEER PORT: holds a lock of the kernel on what it shares with tasd", hostile_stall,
		3 },
	{ "wake", "PEER PORT: fills and closes what wakes it", hostile_wake, 2 },
	{ "dear", "PEER PORT: waits in so many places that it takes long to wake it", hostile_dear, 2 },
	{ "control", "KIND: what the control socket does not expect", hostile_control, 1 },
	{ "greedy", "KIND: more than there is", hostile_greedy, 1 },
	{ "flood", "SECONDS: requests without end, no answer read", hostile_flood, 1 },
	{ "torrent", "SECONDS PEER PORT: valid messages in every context without end", hostile_torrent, 3 },
	{ "chatter", "SECONDS PEER PORT: one valid message after another", hostile_chatter, 3 },
	{ "hoard", "PORT N: accepts N connections, and takes nothing more", hostile_hoard, 2 },
};

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	for (unsigned i = 0; argc > 1 && i < ARRAY_LEN(offences); i++)
		if (strcmp(argv[1], offences[i].name) == 0 && argc - 2 == offences[i].argc)
			return offences[i].commit(argc - 2, argv + 2);
	fprintf(stderr, "usage: hostile OFFENCE [ARGUMENT...]\n");
	for (unsigned i = 0; i < ARRAY_LEN(offences); i++)
		fprintf(stderr, "  %s %s\n", offences[i].name, offences[i].arguments);
	return 2;
}
