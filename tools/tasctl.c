/* SPDX-License-Identifier: BSD-3-Clause */
/* tasctl - shows what a running tasd does.
 * The answer is read whole before it is printed: a pager that is not read on must not keep tasd's answer
 * waiting. Exit codes: 0, 1 (tasd is not there, or does not answer), 2 (usage). */
#include <errno.h>
#include <getopt.h>
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

enum { PATIENCE_S = 10, EXIT_NO_ANSWER = 1, EXIT_USAGE = 2 };

static const char usage[] =
	"usage: tasctl [-i INSTANCE | -s SOCKET] [--json] COMMAND\n"
	"\n"
	"  status      what runs, and how full it is\n"
	"  flows       connections, as `ss -tin` shows them\n"
	"  listeners   who waits for connections\n"
	"  apps        attached processes\n"
	"  cores       fast-path cores\n"
	"  stats       all counters\n"
	"\n"
	"  -i, --instance INSTANCE  tasd.conf's [tasd] instance; \"default\"\n"
	"  -s, --socket SOCKET      path of the control socket, for another run_dir; else $" CTL_ENV_SOCKET
	"\n"
	"  -j, --json               one JSON value\n"
	"  -h, --help               this text\n"
	"  -V, --version\n";

struct args {
	const char *socket, *instance, *command;
	bool json;
};

static _Noreturn void fail_usage(const char *what, const char *arg)
{
	fprintf(stderr, "tasctl: %s%s\n%s", what, arg, usage);
	exit(EXIT_USAGE);
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
		case 'h': fputs(usage, stdout); exit(0);
		case 'V': puts("tasctl " TAS_VERSION); exit(0);
		default: fputs(usage, stderr); exit(EXIT_USAGE);
		}
	}
	if (optind == argc)
		fail_usage("no command given", "");
	if (optind + 1 < argc)
		fail_usage("one command only; too many: ", argv[optind + 1]);
	a->command = argv[optind];
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

static _Noreturn void fail(const char *what, const char *path, const char *remedy)
{
	fprintf(stderr, "tasctl: %s %s: %s%s\n", what, path, strerror(errno), remedy);
	exit(EXIT_NO_ANSWER);
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
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
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

/* The next piece; false after the last. */
static bool receive(int fd, struct ctl_msg *m, const char *path)
{
	ssize_t n = recv(fd, m, sizeof(*m), 0);

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
	return fflush(stdout) == 0 ? 0 : EXIT_NO_ANSWER;
}
