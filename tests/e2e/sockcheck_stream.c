/* SPDX-License-Identifier: BSD-3-Clause */
/* stdio over sockets, and a connection as standard input and output. */
#include <arpa/inet.h>
#include <pty.h>

#include "tests/e2e/sockcheck.h"

static FILE *opened(int fd, const char *mode)
{
	FILE *f = fdopen(fd, mode);

	show_text("fdopen", f != NULL ? "a stream" : strerrorname_np(errno));
	return f;
}

static int ended(pid_t child)
{
	int status = 0;

	waitpid(child, &status, 0);
	return status;
}

/* The pattern, as text that is none. */
static void reading(void)
{
	int fd = accepted(0);
	FILE *f = opened(fd, "r");
	char data[100];

	show("fileno", fileno(f) == fd);
	peer("send 1 30");
	show("fread", (long)fread(data, 1, 10, f));
	show("it is right", pattern_is(data, 0, 10));
	show("getc", getc(f) == pattern(10));
	show("ungetc", ungetc(pattern(10), f) == pattern(10));
	show("fread", (long)fread(data, 2, 10, f));
	show("it is right", pattern_is(data, 10, 20));
	show("ftell", ftell(f));
	show("fseek", fseek(f, 0, SEEK_SET));
	peer("shut 1");
	show("fread at the end", (long)fread(data, 1, 10, f));
	show("feof", feof(f) != 0);
	show("ferror", ferror(f) != 0);
	show("fputc on a stream to read", fputc('x', f));
	show("fclose", fclose(f));
	show("the descriptor", fcntl(fd, F_GETFD));
	peer_shows("recv 1 1");
}

static void writing(void)
{
	int fd = accepted(0), copy = dup(fd);
	FILE *f = opened(fd, "w");
	char data[3000];

	pattern_fill(data, 0, sizeof(data));
	show("fwrite", (long)fwrite(data, 1, 1000, f));
	show("fflush", fflush(f));
	peer_shows("recv 1 1000");
	show("unbuffered", setvbuf(f, NULL, _IONBF, 0));
	show("fwrite", (long)fwrite(data + 1000, 1, 1000, f));
	peer_shows("recv 1 1000");
	show("getc on a stream to write", getc(f));
	show("dprintf", dprintf(copy, "%.*s", 1, data + 2000));
	peer_shows("recv 1 1");
	show("fclose", fclose(f));
	show("a copy is open", send(copy, data + 2001, 9, 0));
	peer_shows("recv 1 9");
	close(copy);
	show("dprintf on a closed one", dprintf(copy, "x"));
}

static void both_ways(void)
{
	int fd = accepted(0);
	FILE *f = opened(fd, "r+");
	char data[20];

	pattern_fill(data, 0, 20);
	show("fwrite", (long)fwrite(data, 1, 20, f));
	show("fclose flushes", fclose(f));
	peer_shows("recv 1 21");
	fd = accepted(0);
	f = opened(fd, "r+");
	peer("rst 1");
	settle(fd, POLLERR);
	show("getc after a reset", getc(f));
	show("ferror", ferror(f) != 0);
	show("fputc", fputc('x', f));
	show("fclose", fclose(f));
	show("the descriptor", fcntl(fd, F_GETFD));
	show_text("fdopen of a closed one", fdopen(fd, "r") != NULL ? "a stream" : strerrorname_np(errno));
	fd = accepted(0);
	show_text("fdopen in no mode", fdopen(fd, "x") != NULL ? "a stream" : strerrorname_np(errno));
	close(fd);
}

/* --- as 0, 1 and 2 --- */

/* What a server of inetd does, in a child that execs nothing. */
static int serve_by_descriptors(int fd)
{
	char data[10];

	if (dup2(fd, 0) != 0 || dup2(fd, 1) != 1 || dup2(fd, 2) != 2 || close(fd) != 0)
		return 1;
	if (recv(0, data, sizeof(data), MSG_WAITALL) != 10 || !pattern_is(data, 0, 10))
		return 2;
	if (write(1, data, 5) != 5 || dprintf(2, "%.*s", 1, data + 5) != 1)
		return 3;
	return isatty(0) != 0 ? 4 : 7;
}

static int serve_by_streams(int fd)
{
	unsigned char data[10];

	fflush(stdout);
	if (dup2(fd, 0) != 0 || dup2(fd, 1) != 1 || close(fd) != 0)
		return 1;
	if (fread(data, 1, sizeof(data), stdin) != 10 || !pattern_is(data, 0, 10))
		return 2;
	if (fwrite(data, 1, 4, stdout) != 4 || putchar(data[4]) == EOF || fflush(stdout) != 0)
		return 3;
	return printf("%c", data[5]) != 1 ? 4 : 7; /* flushed by exit */
}

static int serve_and_reopen(int fd)
{
	unsigned char data[10];

	fflush(stdout);
	if (recv(fd, data, sizeof(data), MSG_WAITALL) != 10 || dup2(fd, 1) != 1 || close(fd) != 0)
		return 1;
	if (fwrite(data, 1, 6, stdout) != 6 || freopen("/dev/null", "w", stdout) != stdout)
		return 2;
	return puts("nowhere") < 0 || fileno(stdout) != 1 ? 3 : 7;
}

static int serve_and_close(int fd)
{
	unsigned char data[10];

	fflush(stdout);
	if (recv(fd, data, sizeof(data), MSG_WAITALL) != 10 || dup2(fd, 1) != 1 || close(fd) != 0)
		return 1;
	if (fwrite(data, 1, 6, stdout) != 6 || fclose(stdout) != 0)
		return 2;
	return fcntl(1, F_GETFD) != -1 ? 3 : 7;
}

static void standard(const char *what, int (*serve)(int fd), bool by_exit)
{
	int fd = accepted(0);
	pid_t child = fork();

	if (child == 0) {
		int code = serve(fd);

		if (by_exit)
			exit(code);
		_exit(code);
	}
	close(fd);
	peer("send 1 10");
	show(what, WEXITSTATUS(ended(child)));
	peer_shows("recv 1 7");
}

/* Standard output is a connection for a while, and then again what it was. */
static void there_and_back(void)
{
	int fd = accepted(0), saved;

	fflush(stdout);
	saved = fcntl(1, F_DUPFD_CLOEXEC, 10);
	dup2(fd, 1);
	putchar(pattern(0));
	fflush(stdout);
	dup2(saved, 1);
	close(saved);
	show("standard output", fileno(stdout));
	peer_shows("recv 1 1");
	close(fd);
}

/* --- children made by the C library --- */

static void pseudo_terminal(void)
{
	int fd = accepted(0), terminal = -1;
	pid_t child = forkpty(&terminal, NULL, NULL, NULL);
	char data[10];

	if (child == 0) {
		ssize_t got = recv(fd, data, 10, MSG_WAITALL);

		_exit(isatty(0) && got == 10 && pattern_is(data, 0, 10) && send(fd, data, 10, 0) == 10 ? 7
												       : 1);
	}
	close(fd);
	peer("send 1 10");
	show("forkpty", WEXITSTATUS(ended(child)));
	peer_shows("recv 1 11");
	close(terminal);
}

static void daemons(void)
{
	int fd = accepted(0);
	pid_t child = fork();
	char data[10];

	if (child == 0) {
		if (daemon(1, 1) != 0)
			_exit(1);
		if (recv(fd, data, 10, MSG_WAITALL) == 10)
			send(fd, data, 10, 0);
		_exit(0);
	}
	close(fd);
	show("daemon's parent", WEXITSTATUS(ended(child)));
	peer("send 1 10");
	peer_shows("recv 1 11");
}

void check_streams(void)
{
	reading();
	writing();
	both_ways();
	there_and_back();
}

/* Connections that children go on with. */
void check_standard(void)
{
	standard("served by descriptors", serve_by_descriptors, false);
	standard("served by streams", serve_by_streams, true);
	standard("served, and another file opened", serve_and_reopen, true);
	standard("served, and closed", serve_and_close, true);
	pseudo_terminal();
	daemons();
}
