/* SPDX-License-Identifier: BSD-3-Clause */
/* mortal - processes that attach to tasd and die:
 *
 *   mortal cycles N PEER PORT     one after another, in every stage and by every kind of end
 *   mortal signal N PEER PORT     one, with a listener and connections, by signal N
 *   mortal crowd N PEER PORT      N at once, each with a listener and a connection that works; they stay
 *                                 until standard input ends, and then are killed
 *   mortal words PORT BYTES PID   one that a client is connected to, right after it wrote BYTES; it stops
 *                                 tasd (PID) before, so that tasd learns of both at once
 *   mortal idle PORT N            one that N clients are connected to and that stays until it is killed
 *
 * PEER and PORT: an echo server. $TAS_SOCKET names tasd's control socket. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/base/compiler.h"
#include "tests/e2e/raw.h"

enum { CONNECTIONS = 3, FIRST_PORT = 3000, STAGES = 10, ENDS = 4 };

static const char *peer;
static uint16_t port;

static void attach_and_listen(struct raw *r, uint16_t at)
{
	raw_attach(r);
	errno = raw_context_add(r);
	if (errno == 0)
		errno = raw_listen(r, at, 1);
	if (errno == 0)
		errno = raw_arm(r, 1, 0);
	if (errno != 0)
		raw_die("listen");
}

static void connect_one(struct raw *r, struct raw_flow *f)
{
	errno = raw_connect(r, peer, port, f);
	if (errno != 0 || !raw_until(r, f, ABI_EV_CONNECTED) || !raw_echo(r, f))
		raw_die("connect");
}

/* --- one after another --- */

/* The child has attached with the parent's token, and has its listener, or is just about to. */
static _Noreturn void child_of_fork(uint64_t token, uint64_t listener)
{
	struct raw r;

	raw_open(&r);
	if (raw_hello(&r, token) == 0) {
		raw_map(&r);
		if (raw_mapped(&r) == 0)
			raw_adopt(&r, listener, 1); /* not if its parent's end came first */
	}
	kill(getpid(), SIGKILL);
	_exit(0);
}

/* In the middle of a fork; with a child that comes as its parent ends. */
static void live_forking(struct raw *r, uint64_t listener, bool with_child)
{
	uint64_t token;
	int child_end;

	if (raw_fork(r, &token, &child_end) == 0 && with_child && fork() == 0)
		child_of_fork(token, listener);
}

/* How far it gets before its end. */
static void live(struct raw *r, unsigned stage)
{
	struct raw_flow f;
	uint64_t listener;

	raw_open(r);
	if (stage == 0 || raw_hello(r, 0) != 0)
		return;
	raw_map(r);
	if (stage == 1 || raw_mapped(r) != 0 || stage == 2)
		return;
	if (raw_context_add(r) != 0 || stage == 3)
		return;
	if (raw_listen_id(r, FIRST_PORT, 1, &listener) != 0 || stage == 4)
		return;
	if (stage >= 8) {
		live_forking(r, listener, stage == 9);
		return;
	}
	if (raw_arm(r, 1, 0) != 0 || raw_connect(r, peer, port, &f) != 0 || stage == 5)
		return;
	if (!raw_until(r, &f, ABI_EV_CONNECTED) || stage == 6)
		return;
	raw_echo(r, &f);
}

static _Noreturn void die(struct raw *r, unsigned end)
{
	switch (end) {
	case 0: kill(getpid(), SIGKILL); break;
	case 1: raise(SIGSEGV); break;
	case 2: raw_close(r); break; /* its end is seen by the socket before the process ends */
	default: break;
	}
	_exit(0);
}

static void child(void (*body)(unsigned), unsigned i)
{
	pid_t pid = fork();

	if (pid < 0)
		raw_die("fork");
	if (pid == 0) {
		body(i);
		_exit(0);
	}
}

static void cycle(unsigned i)
{
	struct raw r;

	live(&r, i % STAGES);
	die(&r, i / STAGES % ENDS);
}

static int cycles(unsigned n)
{
	prctl(PR_SET_CHILD_SUBREAPER, 1); /* children's children, too, are waited for */
	for (unsigned i = 0; i < n; i++) {
		child(cycle, i);
		while (wait(NULL) > 0)
			;
	}
	return 0;
}

/* --- by a signal --- */

static void by_signal(unsigned number)
{
	struct raw_flow f[CONNECTIONS];
	struct raw r;

	attach_and_listen(&r, FIRST_PORT);
	for (unsigned i = 0; i < CONNECTIONS; i++)
		connect_one(&r, &f[i]);
	signal((int)number, SIG_DFL);
	raise((int)number);
}

static int signalled(unsigned number)
{
	int status;

	child(by_signal, number);
	if (wait(&status) < 0 || !WIFSIGNALED(status) || WTERMSIG(status) != (int)number) {
		fprintf(stderr, "signal %u did not kill it: status %#x\n", number, status);
		return 1;
	}
	return 0;
}

/* --- many at once --- */

static int ready[2];

static void one_of_many(unsigned i)
{
	struct raw_flow f;
	struct raw r;

	attach_and_listen(&r, (uint16_t)(FIRST_PORT + i));
	connect_one(&r, &f);
	if (write(ready[1], "x", 1) != 1)
		raw_die("write");
	for (;;)
		pause();
}

static int crowd(unsigned n)
{
	struct pollfd p = { .events = POLLIN };
	unsigned there = 0;
	char x[256];

	if (pipe(ready) != 0 || setpgid(0, 0) != 0)
		raw_die("pipe");
	for (unsigned i = 0; i < n; i++)
		child(one_of_many, i);
	p.fd = ready[0];
	while (there < n && poll(&p, 1, 20000) == 1)
		there += (unsigned)read(ready[0], x, sizeof(x));
	printf("%u of %u\n", there, n);
	fflush(stdout);
	while (there == n && read(STDIN_FILENO, x, sizeof(x)) > 0)
		;
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
	return there == n ? 0 : 1;
}

/* --- last words --- */

/* The bytes of the stream: the client of the test knows them, too. */
static char letter(uint32_t at) { return (char)('a' + at % 26); }

static int words(unsigned at, uint32_t bytes, pid_t tasd)
{
	struct raw_flow f;
	struct raw r;

	attach_and_listen(&r, (uint16_t)at);
	if (!raw_accept(&r, 0, 10000, &f) || bytes > f.shm->tx_size)
		raw_die("accept");
	for (uint32_t i = 0; i < bytes; i++)
		r.base[f.shm->tx_off + i] = letter(i);
	f.tx_end = bytes;
	if (kill(tasd, SIGSTOP) != 0)
		raw_die("SIGSTOP");
	usleep(50000);
	raw_bell(&r, 0,
		&(struct abi_bell){ .flow = f.flow,
			.gen = f.gen,
			.tx_end = bytes,
			.flags = ABI_BELL_POSITIONS | ABI_BELL_NODELAY | ABI_BELL_OPTIONS });
	kill(getpid(), SIGKILL);
	return 1;
}

static int idle(unsigned at, unsigned n)
{
	struct raw_flow f;
	struct raw r;

	attach_and_listen(&r, (uint16_t)at);
	for (unsigned i = 0; i < n; i++)
		if (!raw_accept(&r, 0, 10000, &f))
			raw_die("accept");
	printf("ready\n");
	fflush(stdout);
	for (;;)
		pause();
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[1] : "";
	unsigned n = argc > 3 ? (unsigned)atoi(argv[2]) : 0;

	signal(SIGPIPE, SIG_IGN);
	if (argc == 5) {
		peer = argv[3];
		port = (uint16_t)atoi(argv[4]);
	}
	if (argc == 5 && strcmp(what, "cycles") == 0)
		return cycles(n);
	if (argc == 5 && strcmp(what, "signal") == 0)
		return signalled(n);
	if (argc == 5 && strcmp(what, "crowd") == 0)
		return crowd(n);
	if (argc == 5 && strcmp(what, "words") == 0)
		return words(n, (uint32_t)atoi(argv[3]), (pid_t)atoi(argv[4]));
	if (argc == 4 && strcmp(what, "idle") == 0)
		return idle(n, (unsigned)atoi(argv[3]));
	fprintf(stderr, "usage: see the head of mortal.c\n");
	return 2;
}
