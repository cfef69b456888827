/* SPDX-License-Identifier: BSD-3-Clause */
/* tas-run - runs a program with libtas.so preloaded, so that its TCP sockets go through tasd.
 * It says, before the program starts, what would keep it from being accelerated: no tasd, a static binary,
 * set-user-ID or file capabilities (the dynamic loader then ignores LD_PRELOAD). The program runs in any
 * case: without tasd it uses the kernel. */
#include <elf.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "include/abi/ctl.h"

#ifndef TAS_LIBDIR
#define TAS_LIBDIR "/usr/local/lib"
#endif

enum {
	SCRIPTS_MAX = 5, /* scripts that interpret scripts, as Linux */
	NAME_MAX_CHARS = 32
};
enum { EXIT_USAGE = 125, EXIT_CANNOT_RUN = 126, EXIT_NOT_FOUND = 127 };

struct options {
	const char *instance;
	bool strict;
};

static bool quiet;

static void help(FILE *to)
{
	fputs("usage: tas-run [-i INSTANCE] [--strict] [--] COMMAND [ARGUMENT...]\n"
	      "Runs COMMAND with its TCP sockets accelerated by tasd.\n"
	      "  -i, --instance NAME  the tasd to use: /run/tasd/NAME.sock (else $TAS_SOCKET, else default)\n"
	      "  --strict             COMMAND aborts on a call that accelerated sockets do not implement\n"
	      "  -h, --help           this text\n"
	      "  --version\n"
	      "Environment: TAS_SOCKET=PATH of the control socket; TAS_LIB=PATH of libtas.so;\n"
	      "TAS_QUIET=1 hides warnings.\n"
	      "Exit code: COMMAND's; 125 wrong use, 126 cannot run, 127 not found.\n",
		to);
}

static _Noreturn void fail(int code, const char *what, const char *why)
{
	fprintf(stderr, "tas-run: %s: %s\n", what, why);
	exit(code);
}

static void warn(const char *what, const char *why)
{
	if (!quiet)
		fprintf(stderr, "tas-run: %s: %s\n", what, why);
}

/* --- arguments --- */

static int parse(int argc, char **argv, struct options *o)
{
	static const struct option known[] = { { "instance", required_argument, NULL, 'i' },
		{ "strict", no_argument, NULL, 's' }, { "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'v' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "+i:h", known, NULL)) != -1) {
		switch (c) {
		case 'i': o->instance = optarg; break;
		case 's': o->strict = true; break;
		case 'h': help(stdout); exit(0);
		case 'v': puts("tas-run " TAS_VERSION); exit(0);
		default: help(stderr); exit(EXIT_USAGE);
		}
	}
	if (optind == argc) {
		help(stderr);
		exit(EXIT_USAGE);
	}
	return optind;
}

/* --- the library --- */

static bool is_readable(const char *path) { return path[0] != 0 && access(path, R_OK) == 0; }

/* Beside the program in a build tree, else in the same installation, else where it was to be installed. */
static void find_library(char path[PATH_MAX])
{
	static const char *const places[] = { "../libtas/libtas.so", "../lib/libtas.so", "../lib64/libtas.so",
		"../lib/x86_64-linux-gnu/libtas.so", "../lib/aarch64-linux-gnu/libtas.so" };
	const char *given = getenv("TAS_LIB");
	char self[PATH_MAX], candidate[2 * PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (given != NULL && realpath(given, path) != NULL && is_readable(path))
		return;
	if (given != NULL)
		fail(EXIT_USAGE, given, "TAS_LIB names no readable file");
	self[n > 0 ? n : 0] = 0;
	*(strrchr(self, '/') != NULL ? strrchr(self, '/') + 1 : self) = 0;
	for (unsigned i = 0; i < sizeof(places) / sizeof(*places); i++) {
		snprintf(candidate, sizeof(candidate), "%s%s", self, places[i]);
		if (realpath(candidate, path) != NULL && is_readable(path))
			return;
	}
	if (realpath(TAS_LIBDIR "/libtas.so", path) == NULL || !is_readable(path))
		fail(EXIT_USAGE, "libtas.so",
			"not beside tas-run and not in " TAS_LIBDIR "; set TAS_LIB to its path");
}

static void preload(const char *library)
{
	const char *before = getenv("LD_PRELOAD");
	char *all = NULL;

	if (strpbrk(library, ": ") != NULL)
		fail(EXIT_USAGE, library,
			"LD_PRELOAD takes no path with a blank or a colon; set TAS_LIB to another");
	if (before != NULL && before[0] != 0) {
		if (asprintf(&all, "%s:%s", library, before) < 0)
			fail(EXIT_USAGE, "LD_PRELOAD", "out of memory");
		setenv("LD_PRELOAD", all, 1);
		free(all);
	} else {
		setenv("LD_PRELOAD", library, 1);
	}
}

/* --- tasd --- */

/* What tasd takes for [tasd] instance. */
static bool is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	return length > 0 && length <= NAME_MAX_CHARS && name[length] == 0;
}

static void choose_socket(const struct options *o, struct sockaddr_un *addr)
{
	const char *given = getenv(CTL_ENV_SOCKET);
	int n;

	addr->sun_family = AF_UNIX;
	if (o->instance != NULL && !is_name(o->instance))
		fail(EXIT_USAGE, o->instance,
			"an instance's name is 1 to 32 characters of a-z, 0-9, _ and -; a path goes into "
			"TAS_SOCKET");
	if (o->instance == NULL && given != NULL)
		n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", given);
	else
		n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s.sock", CTL_SOCKET_DIR,
			o->instance != NULL ? o->instance : "default");
	if (n < 0 || (size_t)n >= sizeof(addr->sun_path))
		fail(EXIT_USAGE, o->instance != NULL ? o->instance : given,
			"too long for the path of a socket");
	setenv(CTL_ENV_SOCKET, addr->sun_path, 1);
}

/* One line if nobody answers there; then the library need not say it again for every process. */
static void look_for_tasd(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), error = 0;
	const char *why;

	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		error = errno;
	close(fd);
	unsetenv(CTL_ENV_TOLD);
	if (error == 0)
		return;
	why = error == EACCES ? "no permission to use it (see socket_mode and socket_group in tasd.conf). "
				"The program uses the kernel's sockets"
			      : "no tasd answers there; is it running? The program uses the kernel's sockets";
	warn(addr->sun_path, why);
	setenv(CTL_ENV_TOLD, "1", 1);
}

/* --- the command --- */

static bool is_command(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

/* What execvp will find, to be looked at before. */
static bool find_command(const char *name, char path[PATH_MAX])
{
	const char *dirs = getenv("PATH"), *next;
	int length;

	if (strchr(name, '/') != NULL) {
		snprintf(path, PATH_MAX, "%s", name);
		return is_command(path);
	}
	for (dirs = dirs != NULL ? dirs : "/usr/bin:/bin"; dirs != NULL;
		dirs = next != NULL ? next + 1 : NULL) {
		next = strchr(dirs, ':');
		length = next != NULL ? (int)(next - dirs) : (int)strlen(dirs);
		snprintf(path, PATH_MAX, "%.*s%s%s", length, dirs, length > 0 ? "/" : "./", name);
		if (is_command(path))
			return true;
	}
	return false;
}

/* ELF without a dynamic loader: 1; with one: 0; something else, a script perhaps: -1. */
static int is_static(FILE *f)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (fread(&header, sizeof(header), 1, f) != 1 || memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
		header.e_ident[EI_CLASS] != ELFCLASS64)
		return -1;
	for (unsigned i = 0; i < header.e_phnum; i++) {
		if (fseek(f, (long)(header.e_phoff + (Elf64_Off)i * header.e_phentsize), SEEK_SET) != 0 ||
			fread(&segment, sizeof(segment), 1, f) != 1)
			return -1;
		if (segment.p_type == PT_INTERP)
			return 0;
	}
	return 1;
}

/* What a script names behind #!, as Linux reads it; of `env NAME` the program of that name. */
static bool find_interpreter(FILE *f, char path[PATH_MAX])
{
	char line[256] = "", *word, *argument, *rest = NULL; /* Linux reads no more either */

	rewind(f);
	if (fgets(line, sizeof(line), f) == NULL || strncmp(line, "#!", 2) != 0)
		return false;
	word = strtok_r(line + 2, " \t\n", &rest);
	argument = strtok_r(NULL, " \t\n", &rest);
	if (word == NULL)
		return false;
	if (argument != NULL && strcmp(word, "/usr/bin/env") == 0 && find_command(argument, path))
		return true;
	snprintf(path, PATH_MAX, "%s", word);
	return true;
}

static void look_at_rights(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return;
	if ((st.st_mode & S_ISUID && st.st_uid != geteuid()) ||
		(st.st_mode & S_ISGID && st.st_gid != getegid()))
		warn(path,
			"is set-user-ID or set-group-ID: LD_PRELOAD is ignored, its sockets use the kernel");
	else if (geteuid() != 0 && getxattr(path, "security.capability", NULL, 0) > 0)
		warn(path, "has file capabilities: LD_PRELOAD is ignored, its sockets use the kernel");
}

/* The rights of a script are of no account, those of its interpreter are. */
static void look_at_command(const char *command)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s", command);
	for (int depth = 0; depth < SCRIPTS_MAX; depth++) {
		FILE *f = fopen(path, "re");
		int linked = f != NULL ? is_static(f) : 0;
		bool is_script = linked < 0 && find_interpreter(f, path);

		if (f != NULL)
			fclose(f);
		if (is_script)
			continue;
		if (linked == 1)
			warn(path,
				"is linked statically, so LD_PRELOAD has no effect: its sockets use the "
				"kernel");
		look_at_rights(path);
		return;
	}
}

/* As a shell: 127 if there is no such command, 126 if there is. */
static _Noreturn void fail_to_run(const char *name, int error)
{
	char path[PATH_MAX];

	if (error != ENOENT)
		fail(EXIT_CANNOT_RUN, name, strerror(error));
	if (find_command(name, path))
		fail(EXIT_CANNOT_RUN, name, "its interpreter is not there");
	fail(EXIT_NOT_FOUND, name, "command not found");
}

int main(int argc, char **argv)
{
	struct options o = { 0 };
	struct sockaddr_un addr = { 0 };
	char library[PATH_MAX], command[PATH_MAX];
	const char *quiet_given = getenv("TAS_QUIET");
	int first = parse(argc, argv, &o);

	quiet = quiet_given != NULL && quiet_given[0] != 0 && strcmp(quiet_given, "0") != 0;
	find_library(library);
	choose_socket(&o, &addr);
	look_for_tasd(&addr);
	if (find_command(argv[first], command))
		look_at_command(command);
	preload(library);
	if (o.strict)
		setenv("TAS_STRICT", "1", 1);
	execvp(argv[first], argv + first);
	fail_to_run(argv[first], errno);
}
