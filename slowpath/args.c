/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/args.h"

#include <getopt.h>
#include <string.h>

static const struct option options[] = {
	{ "check", no_argument, NULL, 'k' },
	{ "foreground", no_argument, NULL, 'f' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* In our own name: getopt would use argv[0], which may be a path. */
static bool option_refuse(int option, char **argv)
{
	const char *word = argv[optind - 1];

	if (option == ':')
		fprintf(stderr, "tasd: option \"-%c\" requires an argument; see tasd --help\n", optopt);
	else if (word[0] == '-' && word[1] == '-')
		fprintf(stderr, "tasd: there is no option \"%s\"; see tasd --help\n", word);
	else
		fprintf(stderr, "tasd: there is no option \"-%c\"; see tasd --help\n", optopt);
	return false;
}

static bool file_take(struct tasd_args *out)
{
	out->conf_path = optarg;
	if (optarg[0] == '\0')
		fprintf(stderr, "tasd: -c wants the name of a file, and not an empty one\n");
	return optarg[0] != '\0';
}

static bool option_take(int option, char **argv, struct tasd_args *out)
{
	switch (option) {
	case 'c': return file_take(out);
	case 'k': out->check = true; return true;
	case 'f': out->foreground = true; return true;
	case 'V': out->version = true; return true;
	case 'h': out->help = true; return true;
	default: return option_refuse(option, argv);
	}
}

/* Where the options ended: at "--", at the end, or at a word that should not be there. The operand of a last
 * "-c --" is not the end mark. */
static int rest_take(int argc, char **argv, struct tasd_args *out)
{
	bool marked = optind > 1 && strcmp(argv[optind - 1], "--") == 0 && argv[optind - 1] != out->conf_path;

	if (optind < argc && !marked) {
		fprintf(stderr,
			"tasd: unexpected argument \"%s\"; EAL arguments go behind --, the file behind -c\n",
			argv[optind]);
		return -1;
	}
	out->eal_argv = argv + optind;
	out->eal_argc = argc - optind;
	return 0;
}

int args_parse(int argc, char **argv, struct tasd_args *out)
{
	int option;

	*out = (struct tasd_args){ 0 };
	optind = 0; /* also when called again */
	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:c:", options, NULL)) != -1)
		if (!option_take(option, argv, out))
			return -1;
	if (rest_take(argc, argv, out) != 0)
		return -1;
	if (out->conf_path == NULL && !out->help && !out->version) {
		fprintf(stderr, "tasd: no configuration file; start with tasd -c FILE (see tasd --help)\n");
		return -1;
	}
	return 0;
}

void args_print_help(FILE *to)
{
	fputs("usage: tasd -c FILE [--check | --foreground] [-- EAL ARGUMENTS]\n"
	      "       tasd --version | --help\n"
	      "Runs TCP for the applications of this machine over a DPDK port.\n"
	      "\n"
	      "  -c FILE         the configuration; docs/tasd.conf.md describes it\n"
	      "      --check     print \"ok\", or every error of FILE, and end\n"
	      "      --foreground  stay with the terminal, or with the service manager\n"
	      "      --version   print the version and end\n"
	      "      --help      print this and end\n"
	      "\n"
	      "Arguments behind -- are given to DPDK's EAL after tasd's own; tasd.conf, not "
	      "EAL, names the cores.\n"
	      "In the background tasd returns once it serves, or with an error and status 1.\n"
	      "SIGTERM and SIGINT end it in order, SIGHUP opens its log file again.\n",
		to);
}

void args_print_version(FILE *to) { fprintf(to, "tasd %s\n", TAS_VERSION); }
