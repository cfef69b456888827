/* SPDX-License-Identifier: BSD-3-Clause */
/* args.h - tasd's command line.
 * Guarantee: whatever is given, either `out` is complete or one line on standard error says what is wrong.
 * Nothing is copied: the strings are argv's. Uses getopt's globals, so the main thread only. */
#ifndef TAS_SLOWPATH_ARGS_H
#define TAS_SLOWPATH_ARGS_H

#include <stdbool.h>
#include <stdio.h>

struct tasd_args {
	const char *conf_path; /* -c; NULL only with help or version */
	bool check, foreground, version, help;
	char **eal_argv; /* what stands behind "--" */
	int eal_argc;
};

/* 0, or -1 after the line. */
int args_parse(int argc, char **argv, struct tasd_args *out);

void args_print_help(FILE *to);
void args_print_version(FILE *to);

#endif
