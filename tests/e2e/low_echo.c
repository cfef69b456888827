/* SPDX-License-Identifier: BSD-3-Clause */
/* low_echo - an echo server on the low-level API, one thread: low_echo PORT
 * Ends when its standard input does. TAS_SOCKET in the environment names tasd's control socket. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/tas/tas.h"

enum { FLOWS_MAX = 16384, BURST = 16384 };

static struct {
	struct tas *tas;
	struct tas_ctx *ctx;
	struct tas_sock *listener;
	struct tas_sock *ready[FLOWS_MAX]; /* sockets with something to do, each once */
	unsigned nready;
} the;

static char queued; /* user pointer of a socket that is in the.ready */

static void on_event(struct tas_sock *s, void *user, uint32_t edges)
{
	(void)edges;
	if (s == the.listener || user == &queued || the.nready == FLOWS_MAX)
		return;
	tas_sock_set_user(s, &queued);
	the.ready[the.nready++] = s;
}

static _Noreturn void die(const char *what, int rc)
{
	fprintf(stderr, "low_echo: %s: %s\n", what, strerror(-rc));
	exit(1);
}

/* Until nothing can be read or nothing can be sent; what fits into the one is taken from the other. */
static void echo(struct tas_sock *s)
{
	struct tas_span in[2], out[2];
	ssize_t have, room;

	for (;;) {
		size_t n = 0;

		have = tas_rx_begin(the.ctx, s, 0, in);
		if (have == -EAGAIN)
			return;
		if (have <= 0) {
			tas_close(the.ctx, s, false);
			return;
		}
		room = tas_tx_begin(the.ctx, s, out);
		if (room > 0) {
			n = in[0].len < out[0].len ? in[0].len : out[0].len;
			memcpy(out[0].data, in[0].data, n);
			tas_tx_end(the.ctx, s, n, 0);
		}
		tas_rx_end(the.ctx, s, n);
		if (room == -EAGAIN && !tas_want_out(the.ctx, s))
			return;
		if (room < 0 && room != -EAGAIN) {
			tas_close(the.ctx, s, false);
			return;
		}
	}
}

static unsigned work(void)
{
	unsigned done = tas_ctx_poll(the.ctx);
	struct tas_sock *s;

	while (tas_accept(the.ctx, the.listener, &s) == 0)
		on_event(s, tas_sock_user(s), 0);
	while (the.nready > 0) {
		s = the.ready[--the.nready];
		tas_sock_set_user(s, NULL);
		echo(s);
		done++;
	}
	return done;
}

/* False when standard input ended. */
static bool wait_for_work(void)
{
	struct pollfd p[TAS_CTX_FDS + 2] = { { .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = tas_ctl_fd(the.tas), .events = POLLIN } };
	int fds[TAS_CTX_FDS];
	unsigned n;

	if (!tas_ctx_sleep_begin(the.ctx))
		return true;
	n = tas_ctx_fds(the.ctx, fds);
	for (unsigned i = 0; i < n; i++)
		p[2 + i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	poll(p, 2 + n, -1);
	for (unsigned i = 0; i < n; i++)
		if (p[2 + i].revents != 0)
			tas_ctx_rang(the.ctx, fds[i]);
	tas_ctx_sleep_end(the.ctx);
	if (p[1].revents != 0)
		tas_ctl_event(the.tas);
	return p[0].revents == 0;
}

int main(int argc, char **argv)
{
	const struct tas_setup conf = { .on_event = on_event };
	struct tas_listen_opt opt = { .backlog = 1024 };
	char why[256] = "";
	int rc;

	if (argc != 2)
		return 2;
	opt.port = (uint16_t)atoi(argv[1]);
	rc = tas_create(&the.tas, &conf);
	if (rc != 0)
		die("tas_create", rc);
	rc = tas_attach(the.tas, why, sizeof(why));
	if (rc != 0)
		die(why, rc);
	the.ctx = tas_ctx_self(the.tas);
	rc = tas_listen(the.ctx, &opt, &the.listener);
	if (rc != 0)
		die("tas_listen", rc);
	while (work() > 0 || wait_for_work())
		;
	tas_destroy(the.tas);
	return 0;
}
