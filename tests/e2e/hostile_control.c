/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_control.c - what does not belong on the control socket. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "include/base/compiler.h"
#include "include/base/rand.h"
#include "tests/e2e/hostile.h"
#include "tests/e2e/raw.h"

static struct raw r;
static bool kernel_refuses; /* descriptors for tasd: then there is no offence */

static void send_message(enum ctl_type type, size_t len, const int *fds, unsigned nr_fds)
{
	char bytes[sizeof(struct ctl_msg) * 2] = { 0 };
	struct ctl_msg *m = (void *)bytes;

	m->type = (uint16_t)type;
	errno = raw_send(&r, bytes, len, fds, nr_fds);
	kernel_refuses = errno == EPERM && nr_fds > 0;
	if (errno != 0 && !kernel_refuses)
		raw_die("send");
}

static void hello(void)
{
	raw_open(&r);
	errno = raw_hello(&r, 0);
	if (errno != 0)
		raw_die("hello");
	raw_map(&r);
}

/* --- each of these must end the connection --- */

static void garbage(void)
{
	struct tas_rand any;
	struct ctl_msg m;

	rand_seed(&any, 3);
	raw_open(&r);
	for (unsigned i = 0; i < sizeof(m.bytes); i++)
		m.bytes[i] = (uint8_t)rand_u64(&any);
	m.type = (uint16_t)(CTL_ADOPT + 1 + rand_below(&any, 60000));
	raw_send(&r, &m, sizeof(m), NULL, 0);
}

static void empty(void)
{
	raw_open(&r);
	send_message(CTL_HELLO, 0, NULL, 0);
}

static void too_short(void)
{
	raw_open(&r);
	send_message(CTL_HELLO, sizeof(struct ctl_msg) - 1, NULL, 0);
}

static void too_long(void)
{
	raw_open(&r);
	send_message(CTL_HELLO, sizeof(struct ctl_msg) + 1, NULL, 0);
}

static void too_early(void)
{
	raw_open(&r);
	send_message(CTL_MAPPED, sizeof(struct ctl_msg), NULL, 0);
}

static void listen_unmapped(void)
{
	hello();
	send_message(CTL_LISTEN, sizeof(struct ctl_msg), NULL, 0);
}

static void hello_twice(void)
{
	hello();
	send_message(CTL_HELLO, sizeof(struct ctl_msg), NULL, 0);
}

static void mapped_twice(void)
{
	raw_attach(&r);
	send_message(CTL_MAPPED, sizeof(struct ctl_msg), NULL, 0);
}

static void type_zero(void)
{
	raw_attach(&r);
	send_message(0, sizeof(struct ctl_msg), NULL, 0);
}

static void unasked_descriptors(void)
{
	int fds[RAW_FDS_MAX];

	raw_attach(&r);
	for (unsigned i = 0; i < RAW_FDS_MAX; i++)
		fds[i] = eventfd(0, 0);
	send_message(CTL_LISTEN, sizeof(struct ctl_msg), fds, RAW_FDS_MAX);
}

static void fork_with(int fd)
{
	raw_attach(&r);
	send_message(CTL_FORK, sizeof(struct ctl_msg), &fd, 1);
}

static void fork_file(void) { fork_with(open("/dev/zero", O_RDWR)); }
static void fork_own_socket(void)
{
	raw_attach(&r);
	send_message(CTL_FORK, sizeof(struct ctl_msg), &r.fd, 1);
}

static void fork_region(void)
{
	hello();
	errno = raw_mapped(&r);
	if (errno != 0)
		raw_die("mapped");
	send_message(CTL_FORK, sizeof(struct ctl_msg), &r.memfd, 1);
}

/* Whoever closes it last waits for an hour, as nobody ever reads what is in it. */
static int lingering(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger linger = { .l_onoff = 1, .l_linger = 3600 };
	socklen_t len = sizeof(at);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char bytes[65536] = { 0 };

	if (bind(listener, (struct sockaddr *)&at, len) != 0 || listen(listener, 1) != 0 ||
		getsockname(listener, (struct sockaddr *)&at, &len) != 0)
		raw_die("listen");
	connect(fd, (struct sockaddr *)&at, len);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	while (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0)
		;
	return fd;
}

static void linger_now(void)
{
	int fds[3] = { eventfd(0, 0), lingering(), lingering() };

	fcntl(fds[1], F_SETFL, 0);
	fcntl(fds[2], F_SETFL, 0);
	send_message(CTL_FORK, sizeof(struct ctl_msg), fds, 3);
	if (kernel_refuses)
		_exit(1);
	for (unsigned i = 0; i < 3; i++) /* the last reference is the one on its way to tasd */
		close(fds[i]);
}

/* If tasd is faster, the last reference is ours, and it is we who would wait: a process that is killed does
 * not. */
static void linger(void)
{
	int status = 0;
	pid_t pid;

	raw_attach(&r);
	pid = fork();
	if (pid < 0)
		raw_die("fork");
	if (pid == 0) {
		linger_now();
		_exit(0);
	}
	for (unsigned ms = 0; ms < 2000 && waitpid(pid, &status, WNOHANG) == 0; ms++)
		usleep(1000);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	kernel_refuses = WIFEXITED(status) && WEXITSTATUS(status) == 1;
}

/* A thousand descriptors of descriptors, each in the queue of another. */
static void matryoshka(void)
{
	int inner[2], outer[2];

	socketpair(AF_UNIX, SOCK_STREAM, 0, inner);
	for (unsigned i = 0; i < 50; i++) {
		struct raw at;

		socketpair(AF_UNIX, SOCK_STREAM, 0, outer);
		at = (struct raw){ .fd = outer[0] };
		if (raw_send(&at, "x", 1, inner, 2) != 0)
			break;
		close(inner[0]);
		close(inner[1]);
		memcpy(inner, outer, sizeof(inner));
	}
	raw_attach(&r);
	send_message(CTL_FORK, sizeof(struct ctl_msg), inner, 2);
}

static void query_in_between(void)
{
	raw_attach(&r);
	send_message(CTL_QUERY, sizeof(struct ctl_msg), NULL, 0);
}

static const struct {
	const char *name;
	void (*commit)(void);
} kinds[] = {
	{ "garbage", garbage },
	{ "empty", empty },
	{ "short", too_short },
	{ "long", too_long },
	{ "early", too_early },
	{ "listen-unmapped", listen_unmapped },
	{ "hello-twice", hello_twice },
	{ "mapped-twice", mapped_twice },
	{ "type-zero", type_zero },
	{ "unasked-descriptors", unasked_descriptors },
	{ "fork-file", fork_file },
	{ "fork-own-socket", fork_own_socket },
	{ "fork-region", fork_region },
	{ "linger", linger },
	{ "matryoshka", matryoshka },
	{ "query", query_in_between },
};

static int commit(unsigned i)
{
	kernel_refuses = false;
	kinds[i].commit();
	if (!kernel_refuses && !raw_hung_up(&r, 5000)) {
		fprintf(stderr, "%s: the connection goes on\n", kinds[i].name);
		return 1;
	}
	raw_close(&r);
	return 0;
}

/* One of them, or all one after another. */
int hostile_control(int argc TAS_UNUSED, char **argv)
{
	int rc = 0;

	for (unsigned i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(argv[0], "all") == 0 || strcmp(argv[0], kinds[i].name) == 0)
			rc |= commit(i);
	return rc;
}

/* --- more than there is --- */

static bool refused(const char *what, int error, int wanted)
{
	if (error == wanted)
		return true;
	fprintf(stderr, "%s: %s, not %s\n", what, strerror(error), strerror(wanted));
	return false;
}

static bool contexts(void)
{
	int error;

	raw_attach(&r);
	do
		error = raw_context_add(&r);
	while (error == 0);
	return refused("one context too many", error, ENOSPC);
}

/* As many as it may; the end of them takes tasd no noticeable time (the test looks). */
static bool listeners(void)
{
	uint32_t cookie = 0;
	int error;

	raw_attach(&r);
	do
		error = raw_listen(&r, (uint16_t)(20000 + cookie), cookie + 1);
	while (error == 0 && ++cookie < 40000);
	printf("%u listeners\n", cookie);
	return refused("one listener too many", error, ENOBUFS);
}

/* Buffers of the largest size, until its quota is used up. */
static bool buffers(void)
{
	struct ctl_msg m;
	int error;

	raw_attach(&r);
	if (raw_context_add(&r) != 0)
		return false;
	for (uint32_t i = 0; i < 100000; i++) {
		m = (struct ctl_msg){ .connect = { .remote_port = 9,
					      .options = { .rx_size = UINT32_MAX, .tx_size = UINT32_MAX } } };
		m.connect.remote = addr_v4(htobe32(0x0a4d0000 + 100 + i % 50));
		error = raw_request(&r, &m, CTL_CONNECT);
		if (error != 0)
			break;
	}
	return refused("one buffer too many", error, ENOMEM);
}

/* Arguments at the edge of what a field can say; as a user other than root, while somebody else has port
 * 9009. */
static bool arguments(void)
{
	struct ctl_msg m = { .listen = { .port = 0, .cookie = 1 } };
	bool good;

	raw_attach(&r);
	raw_context_add(&r);
	good = refused("port 0", raw_request(&r, &m, CTL_LISTEN), EINVAL);
	m = (struct ctl_msg){ .listen = { .port = 10000, .cookie = UINT32_MAX } };
	good &= refused("a reserved cookie", raw_request(&r, &m, CTL_LISTEN), EINVAL);
	m = (struct ctl_msg){ .listen = { .port = 1023, .cookie = 1 } };
	good &= refused("a port for root", raw_request(&r, &m, CTL_LISTEN), EACCES);
	m = (struct ctl_msg){
		.listen = { .port = 10000, .cookie = 1, .addr = addr_v4(htobe32(0x01020304)) }
	};
	good &= refused("somebody else's address", raw_request(&r, &m, CTL_LISTEN), EADDRNOTAVAIL);
	m = (struct ctl_msg){ .listen = { .port = 9009, .cookie = 1 } };
	good &= refused("somebody else's port", raw_request(&r, &m, CTL_LISTEN), EADDRINUSE);
	m.listen.flags = CTL_LISTEN_REUSEPORT | CTL_LISTEN_NODELAY;
	good &= refused("somebody else's port, shared", raw_request(&r, &m, CTL_LISTEN), EADDRINUSE);
	m = (struct ctl_msg){ .listen = { .port = 10000, .cookie = 1, .backlog = UINT32_MAX } };
	memset(m.listen.options.congestion, 'x', sizeof(m.listen.options.congestion));
	good &= refused("a long name", raw_request(&r, &m, CTL_LISTEN), ENOENT);
	memset(&m.listen.options, 0xff, sizeof(m.listen.options));
	memset(m.listen.options.congestion, 0, sizeof(m.listen.options.congestion));
	good &= refused("options of all ones", raw_request(&r, &m, CTL_LISTEN), 0);
	good &= refused("an unknown context", raw_arm(&r, 1, 77), EINVAL);
	good &= refused("an unknown listener", raw_arm(&r, 2, 0), ENOENT);
	m = (struct ctl_msg){ .connect = { .remote_port = 0, .remote = addr_v4(htobe32(0x0a4d0002)) } };
	good &= refused("connect to port 0", raw_request(&r, &m, CTL_CONNECT), ECONNREFUSED);
	m.connect.remote_port = 9;
	m.connect.context = UINT32_MAX;
	good &= refused("connect in no context", raw_request(&r, &m, CTL_CONNECT), EINVAL);
	m.connect.context = 0;
	m.connect.local_port = 1023;
	good &= refused("connect from a port for root", raw_request(&r, &m, CTL_CONNECT), EACCES);
	m.connect.local_port = 0;
	m.connect.local = addr_v4(htobe32(0x0a4d0003));
	good &= refused("connect from elsewhere", raw_request(&r, &m, CTL_CONNECT), EADDRNOTAVAIL);
	m = (struct ctl_msg){ .adopt = { .listener_id = 1, .cookie = 5 } };
	good &= refused("adopt what was not inherited", raw_request(&r, &m, CTL_ADOPT), ENOENT);
	m = (struct ctl_msg){ .info = { .flow = UINT32_MAX } };
	good &= refused("a flow that cannot be", raw_request(&r, &m, CTL_INFO), ENOENT);
	return good;
}

/* Another ABI, and then the right one over the same connection. */
static bool versions(void)
{
	struct ctl_msg m;
	bool good = true;

	raw_open(&r);
	for (unsigned i = 0; i < 6; i++) {
		raw_hello_fill(&m);
		((uint32_t *)&m.hello)[(const unsigned[]){ 0, 2, 4, 5, 6, 7 }[i]] += 1;
		good &= refused("another ABI", raw_request(&r, &m, CTL_HELLO), EPROTO);
		good &= m.text.length > 40 && strstr(m.text.bytes, "ABI mismatch") != NULL;
	}
	return good && refused("the right ABI", raw_hello(&r, 12345), 0);
}

int hostile_greedy(int argc TAS_UNUSED, char **argv)
{
	static const struct {
		const char *name;
		bool (*commit)(void);
	} greed[] = { { "contexts", contexts }, { "listeners", listeners }, { "buffers", buffers },
		{ "arguments", arguments }, { "versions", versions } };

	for (unsigned i = 0; i < ARRAY_LEN(greed); i++)
		if (strcmp(argv[0], greed[i].name) == 0)
			return greed[i].commit() && !raw_hung_up(&r, 0) ? 0 : 1;
	return 2;
}

/* --- no answer read --- */

int hostile_flood(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + (uint64_t)(atof(argv[0]) * 1000);
	unsigned cut = 0;

	while (raw_now_ms() < end) {
		struct ctl_msg m = { .type = CTL_ROUTE };

		raw_attach(&r);
		while (raw_now_ms() < end && raw_send(&r, &m, sizeof(m), NULL, 0) == 0)
			;
		cut += raw_hung_up(&r, 0);
		raw_close(&r);
	}
	printf("cut off %u times\n", cut);
	return cut > 0 ? 0 : 1;
}
