/* SPDX-License-Identifier: BSD-3-Clause */
/* tasctl - shows what a running tasd does.
 * The answer is read whole before it is printed: a pager that is not read on must not keep tasd's answer
 * waiting. Exit codes: 0, 1 (tasd is not there, or does not answer, or the answer cannot be printed),
 * 2 (usage). */
#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "include/abi/ctl.h"
#include "include/base/compiler.h"

enum { PATIENCE_S = 10, NAP_US = 500, INSTANCE_MAX = 32, EXIT_FAILED = 1, EXIT_USAGE = 2 };

static const struct {
	const char *name, *help;
} commands[] = {
	{ "status", "what runs, and how full it is" },
	{ "flows", "connections, as `ss -tin` shows them" },
	{ "listeners", "who waits for connections" },
	{ "apps", "attached processes" },
	{ "cores", "fast-path cores" },
	{ "stats", "all counters" },
};

static void usage(FILE *to)
{
	fprintf(to, "usage: tasctl [-i INSTANCE | -s SOCKET] [--json] COMMAND\n\n");
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		fprintf(to, "  %-10s  %s\n", commands[i].name, commands[i].help);
	fprintf(to,
		"\n"
		"  -i, --instance INSTANCE  tasd.conf's [tasd] instance; \"default\"\n"
		"  -s, --socket SOCKET      path of the control socket, for another run_dir\n"
		"                           (without both $" CTL_ENV_SOCKET ")\n"
		"  -j, --json               one JSON value\n"
		"  -h, --help               this text\n"
		"  -V, --version\n");
}

struct args {
	const char *socket, *instance, *command;
	bool json;
};

static _Noreturn void fail_usage(const char *what, const char *arg)
{
	fprintf(stderr, "tasctl: %s%s\n", what, arg);
	usage(stderr);
	exit(EXIT_USAGE);
}

static _Noreturn void fail(const char *what, const char *path, const char *remedy)
{
	fprintf(stderr, "tasctl: %s %s: %s%s\n", what, path, strerror(errno), remedy);
	exit(EXIT_FAILED);
}

/* What was printed has to arrive. */
static void flush(void)
{
	if (ferror(stdout) || fflush(stdout) != 0)
		fail("cannot print", "the answer", "");
}

static bool is_command(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(commands[i].name, word) == 0)
			return true;
	return false;
}

/* As tasd.conf has it. */
static bool is_instance(const char *name)
{
	size_t len = strlen(name);

	return len >= 1 && len <= INSTANCE_MAX &&
		strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == len;
}

static void args_parse(struct args *a, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "instance", required_argument, NULL, 'i' },
		{ "socket", required_argument, NULL, 's' },
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "i:s:jhV", longs, NULL)) != -1) {
		switch (o) {
		case 'i': a->instance = optarg; break;
		case 's': a->socket = optarg; break;
		case 'j': a->json = true; break;
		case 'h':
			usage(stdout);
			flush();
			exit(0);
		case 'V':
			puts("tasctl " TAS_VERSION);
			flush();
			exit(0);
		default: usage(stderr); exit(EXIT_USAGE);
		}
	}
	if (optind == argc)
		fail_usage("no command given", "");
	if (optind + 1 < argc)
		fail_usage("one command only; too many: ", argv[optind + 1]);
	a->command = argv[optind];
	if (!is_command(a->command))
		fail_usage("there is no command ", a->command);
	if (a->instance != NULL && !is_instance(a->instance))
		fail_usage("an instance's name has 1 to 32 characters of a-z, 0-9, _ and -: ", a->instance);
}

static void socket_path(const struct args *a, struct sockaddr_un *addr)
{
	const char *env = getenv(CTL_ENV_SOCKET);
	int n;

	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (a->socket != NULL)
		n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", a->socket);
	else if (a->instance == NULL && env != NULL && env[0] != '\0')
		n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s", env);
	else
		n = snprintf(addr->sun_path, sizeof(addr->sun_path), "%s/%s.sock", CTL_SOCKET_DIR,
			a->instance != NULL ? a->instance : "default");
	if (n >= (int)sizeof(addr->sun_path))
		fail_usage("the path of the socket is too long: ", addr->sun_path);
}

static const char *remedy_of(int error)
{
	if (error == ENOENT || error == ECONNREFUSED)
		return "; tasd is not running: start it, or name another instance with -i";
	return error == EACCES ? "; run tasctl as root or as a member of the socket's group" : "";
}

static int tasd_connect(const struct sockaddr_un *addr)
{
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		fail("cannot make a socket for", addr->sun_path, "");
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		fail("cannot reach tasd at", addr->sun_path, remedy_of(errno));
	return fd;
}

static void ask(int fd, const struct args *a, const char *path)
{
	struct ctl_msg m = { .type = CTL_QUERY, .sequence = 1 };
	int n = snprintf(m.text.bytes, sizeof(m.text.bytes), "%s%s", a->command, a->json ? " json" : "");

	m.text.length = min_u32((uint32_t)n, sizeof(m.text.bytes) - 1);
	if (send(fd, &m, sizeof(m), MSG_NOSIGNAL) != sizeof(m))
		fail("cannot ask tasd at", path, "");
}

/* Until there is something. What comes meanwhile is read with it: tasd need not wake us for each piece. */
static void wait_for_pieces(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	if (poll(&p, 1, PATIENCE_S * 1000) == 1)
		usleep(NAP_US);
}

/* The next piece; false after the last. */
static bool receive(int fd, struct ctl_msg *m, const char *path)
{
	ssize_t n = recv(fd, m, sizeof(*m), MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN) {
		wait_for_pieces(fd);
		n = recv(fd, m, sizeof(*m), MSG_DONTWAIT);
	}
	if (n == 0)
		errno = ECONNRESET;
	if (n <= 0)
		fail("no answer from tasd at", path,
			errno == EAGAIN ? "; is it stopped, or overloaded?" : "");
	if (n != sizeof(*m) || m->type != CTL_TEXT || m->text.length > sizeof(m->text.bytes)) {
		errno = EPROTO;
		fail("no answer from tasd at", path, "; install tasctl and tasd from one version");
	}
	if (m->status != 0) {
		fprintf(stderr, "tasctl: %.*s\n", (int)m->text.length, m->text.bytes);
		exit(EXIT_USAGE);
	}
	return m->text.length > 0;
}

static void print_answer(int fd, const char *path)
{
	struct ctl_msg m;
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		fail("no memory for the answer of", path, "");
	while (receive(fd, &m, path))
		fwrite(m.text.bytes, 1, m.text.length, f);
	if (fclose(f) != 0)
		fail("no memory for the answer of", path, "");
	fwrite(text, 1, size, stdout);
	flush();
	free(text);
}

int main(int argc, char **argv)
{
	struct args a = { 0 };
	struct sockaddr_un addr;
	int fd;

	args_parse(&a, argc, argv);
	socket_path(&a, &addr);
	fd = tasd_connect(&addr);
	ask(fd, &a, addr.sun_path);
	print_answer(fd, addr.sun_path);
	close(fd);
	return 0;
}
