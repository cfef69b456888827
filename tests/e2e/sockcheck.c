/* SPDX-License-Identifier: BSD-3-Clause */
/* sockcheck peer CONTROL REMOTE_IP          - what the subject talks to
 * sockcheck subject CONTROL LOCAL_IP REMOTE_IP [GROUP...]
 * See sockcheck.h; test_sockcheck.sh compares the outputs. */
#include "tests/e2e/sockcheck.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/un.h>

const char *check_group = "start";
struct host check_local, check_remote;
static FILE *control;

static void stop(const char *what)
{
	printf("%s: %s: %s\n", check_group, what, strerror(errno));
	exit(1);
}

/* --- output --- */

long show(const char *call, long result)
{
	if (result == -1)
		printf("%s: %s = %s\n", check_group, call, strerrorname_np(errno));
	else
		printf("%s: %s = %ld\n", check_group, call, result);
	return result;
}

void show_text(const char *call, const char *text) { printf("%s: %s = %s\n", check_group, call, text); }

void show_events(const char *call, int result, unsigned events)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = { { EPOLLIN, "IN" }, { EPOLLPRI, "PRI" }, { EPOLLOUT, "OUT" }, { EPOLLERR, "ERR" },
		{ EPOLLHUP, "HUP" }, { EPOLLRDNORM, "RDNORM" }, { EPOLLWRNORM, "WRNORM" },
		{ EPOLLRDHUP, "RDHUP" }, { POLLNVAL, "NVAL" } };
	char text[TEXT] = "";

	if (result < 0)
		snprintf(text, sizeof(text), "%s", strerrorname_np(errno));
	else
		snprintf(text, sizeof(text), "%d", result);
	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (events & names[i].bit)
			strcat(strcat(text, " "), names[i].name);
	}
	show_text(call, text);
}

/* --- the peer --- */

static const char *ask(const char *format, va_list args)
{
	static char answer[TEXT];

	vfprintf(control, format, args);
	fputc('\n', control);
	if (fflush(control) != 0 || fgets(answer, sizeof(answer), control) == NULL)
		stop("the peer is gone");
	answer[strcspn(answer, "\n")] = 0;
	return answer;
}

const char *peer(const char *format, ...)
{
	const char *answer;
	va_list args;

	va_start(args, format);
	answer = ask(format, args);
	va_end(args);
	return answer;
}

void peer_shows(const char *format, ...)
{
	char command[TEXT];
	va_list args;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	printf("%s: peer %s = ", check_group, command);
	printf("%s\n", peer("%s", command));
}

/* --- sockets --- */

bool host_read(const char *text, struct host *host)
{
	*host = (struct host){ .family = strchr(text, ':') != NULL ? AF_INET6 : AF_INET, .text = text };
	return inet_pton(host->family, text, &host->v6) == 1;
}

union name address(struct host host, int port)
{
	union name name = { 0 };

	name.any.sa_family = (sa_family_t)host.family;
	name.v4.sin_port = htons((uint16_t)port);
	if (host.family == AF_INET)
		name.v4.sin_addr = host.v4;
	else
		name.v6.sin6_addr = host.v6;
	return name;
}

bool is_of(const union name *name, struct host host)
{
	union name wanted = address(host, port_of(name));

	return name->any.sa_family == host.family &&
		(host.family == AF_INET ? memcmp(&name->v4, &wanted.v4, sizeof(wanted.v4))
					: memcmp(&name->v6, &wanted.v6, sizeof(wanted.v6))) == 0;
}

int new_socket(int flags)
{
	int fd = socket(check_local.family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		stop("socket");
	return fd;
}

int new_listener(int flags, int *port)
{
	union name name = address(check_local, 0);
	socklen_t size = sizeof(name);
	int fd = new_socket(flags);

	if (bind(fd, (struct sockaddr *)&name, sizeof(name)) != 0)
		stop("bind");
	if (listen(fd, 16) != 0)
		stop("listen");
	if (getsockname(fd, (struct sockaddr *)&name, &size) != 0)
		stop("getsockname");
	*port = port_of(&name);
	return fd;
}

int accepted(int flags)
{
	int port, listener = new_listener(0, &port), fd;

	if (strcmp(peer("connect 1 %s %d", check_local.text, port), "0") != 0)
		stop("the peer cannot connect");
	fd = accept4(listener, NULL, NULL, flags);
	if (fd < 0)
		stop("accept");
	close(listener);
	return fd;
}

int connected(void)
{
	int port = atoi(peer("listen")), fd = new_socket(0);
	union name to = address(check_remote, port);

	if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		stop("connect");
	if (strcmp(peer("accept 1"), "0") != 0)
		stop("the peer cannot accept");
	peer("unlisten");
	return fd;
}

/* --- waiting --- */

void settle(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	if (poll(&p, 1, PATIENCE_MS) != 1)
		show_text("settle", "nothing came");
}

void settle_bytes(int fd, int bytes)
{
	double end = seconds() + PATIENCE_MS / 1000.0;
	int have = 0;

	while (ioctl(fd, FIONREAD, &have) == 0 && have < bytes) {
		if (seconds() > end) {
			show("settle: only", have);
			return;
		}
		usleep(200);
	}
}

unsigned events_now(int fd)
{
	struct pollfd p = { .fd = fd,
		.events = POLLIN | POLLPRI | POLLOUT | POLLRDHUP | POLLRDNORM | POLLWRNORM };

	return poll(&p, 1, 0) < 0 ? 0 : (unsigned)(unsigned short)p.revents;
}

bool pattern_is(const void *data, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (((const unsigned char *)data)[i] != pattern(from + i))
			return false;
	}
	return true;
}

void pattern_fill(void *data, size_t from, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((unsigned char *)data)[i] = pattern(from + i);
}

double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static _Atomic pid_t tid;

void thread_here(void) { tid = (pid_t)syscall(SYS_gettid); }

static bool asleep(void)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	f = tid != 0 ? fopen(path, "re") : NULL;
	if (f != NULL && fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = 0;
	if (f != NULL)
		fclose(f);
	return state == 'S';
}

void settle_asleep(void)
{
	double patience = seconds() + PATIENCE_MS / 1000.0;

	while (!asleep() && seconds() < patience)
		usleep(1000);
	tid = 0;
}

/* --- the program --- */

static const struct {
	const char *name;
	void (*check)(void);
} groups[] = { { "names", check_names }, { "mapped", check_mapped }, { "transfer", check_transfer },
	{ "messages", check_messages }, { "ends", check_ends }, { "waits", check_waits },
	{ "connect", check_connect }, { "options", check_options }, { "tuning", check_tuning },
	{ "poll", check_poll }, { "epoll", check_epoll }, { "epoll_sets", check_epoll_sets },
	{ "descriptors", check_descriptors }, { "processes", check_processes }, { "threads", check_threads },
	{ "inherited", check_inherited }, { "lingering", check_lingering }, { "beside", check_beside },
	{ "listeners", check_listeners }, { "shared", check_shared }, { "vfork", check_vfork },
	{ "streams", check_streams }, { "standard", check_standard }, { "breaks", check_breaks },
	{ "corners", check_corners }, { "urgent", check_urgent }, { "fortified", check_fortified } };

static void control_open(const char *path)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	double end = seconds() + PATIENCE_MS / 1000.0;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(at.sun_path, sizeof(at.sun_path), "%s", path);
	while (connect(fd, (struct sockaddr *)&at, sizeof(at)) != 0) {
		if (seconds() > end)
			stop(path);
		usleep(10000);
	}
	control = fdopen(fd, "r+");
}

static bool asked_for(int argc, char **argv, const char *name)
{
	for (int i = 5; i < argc; i++) {
		if (strcmp(argv[i], name) == 0)
			return true;
	}
	return argc == 5;
}

static int subject_main(int argc, char **argv)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	signal(SIGPIPE, SIG_IGN);
	if (!host_read(argv[3], &check_local) || !host_read(argv[4], &check_remote))
		return 2;
	control_open(argv[2]);
	for (unsigned i = 0; i < sizeof(groups) / sizeof(*groups); i++) {
		if (!asked_for(argc, argv, groups[i].name))
			continue;
		check_group = groups[i].name;
		alarm(60);
		groups[i].check();
		peer("reset");
	}
	puts("end");
	return 0;
}

int main(int argc, char **argv)
{
	struct host remote;

	if (argc == 4 && strcmp(argv[1], "peer") == 0 && host_read(argv[3], &remote))
		return peer_main(argv[2], remote);
	if (argc >= 5 && strcmp(argv[1], "subject") == 0)
		return subject_main(argc, argv);
	fputs("usage: sockcheck peer CONTROL REMOTE_IP\n"
	      "       sockcheck subject CONTROL LOCAL_IP REMOTE_IP [GROUP...]\n",
		stderr);
	return 2;
}
