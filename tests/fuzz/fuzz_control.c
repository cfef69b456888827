/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_control.c - messages on the control socket, from several clients at once: in any order, of any bytes,
 * from processes that fork, hang up, or do not take their answers. The clients are sockets of this process.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "slowpath/ctl.h"
#include "tests/fuzz/app_steps.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/host.h"
#include "tests/fuzz/wire.h"

enum { CLIENTS = 4, KEPT = 8 };

/* A client, and what it knows from its answers. */
struct caller {
	int fd, memfd;
	uint32_t context, rec, flow, gen;
	uint64_t listener, token;
};

static struct {
	char dir[32], path[64];
	struct ctl *ctl;
	struct caller caller[CLIENTS];
	int child_end[KEPT];
	unsigned kept;
} the;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	host_start();
	return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
	return input_mutate(data, size, max_size, seed);
}

/* --- server --- */

static void serve(void)
{
	struct ctl_conf cc = { .path = the.path,
		.mode = 0600,
		.gid = (gid_t)-1,
		.apps = &rig.apps,
		.query = { .fp = &rig.fp, .apps = &rig.apps, .conf = &rig.conf, .started = rig.now } };
	char err[256] = "";

	memset(&the, 0, sizeof(the));
	strcpy(the.dir, "/tmp/tas-fuzz-XXXXXX");
	assert_non_null(mkdtemp(the.dir));
	snprintf(the.path, sizeof(the.path), "%s/sock", the.dir);
	assert_int_equal(ctl_start(&the.ctl, &cc, err, sizeof(err)), 0);
	for (unsigned i = 0; i < CLIENTS; i++)
		the.caller[i].fd = the.caller[i].memfd = -1;
	for (unsigned i = 0; i < KEPT; i++)
		the.child_end[i] = -1;
}

static void drop(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* As often as it finds something to do. */
static void answer_all(void)
{
	for (unsigned n = 0; n < 64; n++) {
		unsigned work = ctl_poll(the.ctl, rig.now);

		rig_run();
		if (work == 0)
			break;
	}
}

static void hang_up(struct caller *c)
{
	drop(&c->fd);
	drop(&c->memfd);
}

static void end_service(void)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		hang_up(&the.caller[i]);
	for (unsigned i = 0; i < KEPT; i++)
		drop(&the.child_end[i]);
	for (unsigned n = 0; n < 200 && ctl_stats(the.ctl).clients + ctl_stats(the.ctl).holds > 0; n++) {
		answer_all();
		host_wait(10 * NS_PER_MS);
	}
	assert_int_equal(ctl_stats(the.ctl).clients, 0);
	assert_int_equal(ctl_stats(the.ctl).holds, 0);
	ctl_stop(the.ctl);
	rmdir(the.dir);
}

/* --- clients --- */

static void come(struct caller *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	if (c->fd >= 0)
		return;
	c->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	strcpy(addr.sun_path, the.path);
	if (connect(c->fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		drop(&c->fd);
}

static void take_descriptors(struct caller *c, const struct ctl_msg *m, struct msghdr *h)
{
	for (struct cmsghdr *cm = CMSG_FIRSTHDR(h); cm != NULL; cm = CMSG_NXTHDR(h, cm)) {
		unsigned n = (unsigned)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		for (unsigned i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(cm) + i * sizeof(int), sizeof(fd));
			if (m->type == CTL_HELLO && c->memfd < 0)
				c->memfd = fd;
			else if (m->type == CTL_FORK && the.child_end[the.kept % KEPT] < 0)
				the.child_end[the.kept++ % KEPT] = fd;
			else
				close(fd);
		}
	}
}

static void learn(struct caller *c, const struct ctl_msg *m)
{
	if (m->status != 0)
		return;
	switch (m->type) {
	case CTL_CONTEXT: c->context = m->context.id; break;
	case CTL_LISTEN: c->listener = m->listen.id; break;
	case CTL_CONNECT: c->rec = m->connect.rec, c->flow = m->connect.flow, c->gen = m->connect.gen; break;
	case CTL_FORK: c->token = m->fork.token; break;
	default: break;
	}
}

static void take_answers(struct caller *c)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(80 * sizeof(int))];
	} control;
	struct ctl_msg m;

	for (;;) {
		struct iovec iov = { .iov_base = &m, .iov_len = sizeof(m) };
		struct msghdr h = { .msg_iov = &iov,
			.msg_iovlen = 1,
			.msg_control = &control,
			.msg_controllen = sizeof(control) };
		ssize_t n = c->fd >= 0 ? recvmsg(c->fd, &h, MSG_CMSG_CLOEXEC) : -1;

		if (n == 0)
			hang_up(c);
		if (n <= 0)
			return;
		assert_int_equal(n, sizeof(m));
		take_descriptors(c, &m, &h);
		learn(c, &m);
	}
}

static void say(struct caller *c, const void *bytes, size_t len)
{
	if (c->fd >= 0 && send(c->fd, bytes, len, MSG_NOSIGNAL) < 0 && errno != EAGAIN)
		hang_up(c);
}

static void ask(struct caller *c, const struct ctl_msg *m, bool takes)
{
	say(c, m, sizeof(*m));
	answer_all();
	if (takes)
		take_answers(c);
}

/* --- messages --- */

static struct ctl_hello hello_of(struct step *s)
{
	struct ctl_hello h = { .magic = ABI_MAGIC,
		.major = ABI_MAJOR,
		.minor = ABI_MINOR,
		.header_size = sizeof(struct abi_header),
		.rec_size = sizeof(struct abi_flow_rec),
		.bell_size = sizeof(struct abi_bell),
		.context_size = sizeof(struct abi_context) };
	uint8_t odd = step_u8(s);

	if (odd & 1)
		h.fork_token = the.caller[odd >> 1 & 3].token;
	if (odd & 0x80)
		h.program[step_u8(s) % 32] = (char)step_u8(s), h.major ^= step_u8(s),
				       h.rec_size ^= step_u8(s);
	return h;
}

/* An application, attached. */
static void attach(struct caller *c, struct step *s)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = hello_of(s) };

	hang_up(c);
	come(c);
	ask(c, &m, true);
	if (c->memfd >= 0)
		fcntl(c->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	m = (struct ctl_msg){ .type = CTL_MAPPED };
	ask(c, &m, true);
	m = (struct ctl_msg){ .type = CTL_CONTEXT };
	ask(c, &m, true);
}

static void fill_listen(const struct caller *c, struct ctl_listen *l, struct step *s)
{
	uint8_t which = step_u8(s);

	l->port = (uint16_t)(80 + which % 4);
	l->flags = which >> 3 & 7;
	l->backlog = step_u8(s);
	l->cookie = which >> 6;
	l->context = c->context + (step_u8(s) == 0xff);
	l->secret = step_u8(s) % 3;
	if (which & 4)
		memcpy(l->addr.b, wire_addr6(step_u8(s)), 16);
	l->options = options_step(s);
}

static void fill_connect(const struct caller *c, struct ctl_connect *m, struct step *s)
{
	uint8_t which = step_u8(s);

	if (which & 1)
		memcpy(m->remote.b, wire_addr6(which >> 1), 16);
	else
		m->remote = addr_v4(htobe32(wire_addr4(which >> 1)));
	m->remote_port = wire.conn[which >> 5].p->port;
	m->local_port = which & 16 ? step_u16(s) : 0;
	m->context = c->context + (step_u8(s) == 0xff);
	m->options = options_step(s);
}

static void fill_adopt(const struct caller *of, struct ctl_adopt *a, struct step *s)
{
	uint8_t which = step_u8(s);

	*a = (struct ctl_adopt){ .flow = of->flow, .gen = of->gen, .context = of->context };
	if (which & 1)
		a->listener_id = of->listener, a->cookie = which >> 6;
	a->flags = which >> 1 & 3;
	if (which & 8)
		a->rx_read = step_wide(s), a->tx_end = step_wide(s);
	a->tx_end += which & 16 ? step_u8(s) : 0;
	a->flow += which & 32 ? (uint32_t)step_wide(s) : 0;
}

static void fill_query(struct ctl_text *t, struct step *s)
{
	static const char *const words[] = { "status", "flows", "listeners", "apps", "cores", "stats", "",
		"flow" };
	uint8_t which = step_u8(s);

	strcpy(stpcpy(t->bytes, words[which & 7]), which & 8 ? " json" : "");
	if (which & 16)
		t->bytes[step_u8(s) % sizeof(t->bytes)] = (char)step_u8(s);
	t->length = step_u16(s);
}

static void message(struct caller *c, struct step *s)
{
	uint8_t what = step_u8(s), other = step_u8(s);
	const struct caller *of = &the.caller[other % CLIENTS];
	struct ctl_msg m = { .type = what % 17, .sequence = other };

	switch (m.type) {
	case CTL_HELLO: m.hello = hello_of(s); break;
	case CTL_LISTEN:
	case CTL_UNLISTEN:
	case CTL_ARM: fill_listen(c, &m.listen, s); break;
	case CTL_CONNECT:
	case CTL_ROUTE: fill_connect(c, &m.connect, s); break;
	case CTL_INFO:
		m.info.flow = other & 4 ? CTL_INFO_LISTENER : of->flow;
		m.info.gen = other & 4 ? other >> 3 & 3 : of->gen;
		m.info.shared = other >> 7;
		m.info.flow += other & 8 ? (uint32_t)step_wide(s) : 0;
		break;
	case CTL_ADOPT:
	case CTL_LEAVE: fill_adopt(of, &m.adopt, s); break;
	case CTL_OPTIONS:
		m.change = (struct ctl_change){ .flow = of->flow, .gen = of->gen };
		m.change.flow += other & 8 ? (uint32_t)step_wide(s) : 0;
		m.change.options = options_step(s);
		break;
	case CTL_GROW:
		m.grow = (struct ctl_grow){ .flow = of->flow,
			.gen = of->gen,
			.event = other & 4 ? ABI_EV_GROW_RX : ABI_EV_GROW_TX };
		m.grow.flow += other & 8 ? (uint32_t)step_wide(s) : 0;
		break;
	case CTL_QUERY: fill_query(&m.text, s); break;
	default: break;
	}
	for (uint8_t n = step_u8(s) & 3; n > 1; n--) { /* most fields stand at the beginning */
		uint8_t at = step_u8(s);

		((uint8_t *)&m)[at & 0x80 ? at * 3u % sizeof(m)
					  : offsetof(struct ctl_msg, bytes) + at % 48u] ^= step_u8(s);
	}
	ask(c, &m, !(other & 0x40));
}

/* What the child's end of a hold says. */
static void child(struct step *s)
{
	uint8_t what = step_u8(s);
	int *end = &the.child_end[what % KEPT];
	struct ctl_msg m = { .type = CTL_LEAVE };

	if (what & 0x80)
		drop(end);
	fill_adopt(&the.caller[what >> 3 & 3], &m.adopt, s);
	m.type ^= what & 0x40 ? step_u8(s) : 0;
	if (*end >= 0 && send(*end, &m, sizeof(m) - (what & 0x20), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		drop(end);
	answer_all();
}

static void any_bytes(struct caller *c, struct step *s, struct input *in)
{
	uint8_t bytes[sizeof(struct ctl_msg) + 256] = { 0 };
	uint16_t len = step_u16(s);
	size_t n = input_bytes(in, bytes, len & 0xff);

	say(c, bytes, len & 0x8000 ? n : sizeof(struct ctl_msg));
	answer_all();
	take_answers(c);
}

static void take_step(struct step *s, struct input *in)
{
	uint8_t what = step_u8(s);
	struct caller *c = &the.caller[what >> 4 & 3];

	switch (what & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
	case 4:
	case 5: message(c, s); break;
	case 6: attach(c, s); break;
	case 7: any_bytes(c, s, in); break;
	case 8: come(c); break;
	case 9: hang_up(c); break;
	case 10: take_answers(c); break;
	case 11: child(s); break;
	case 12: wire_syn(&wire.conn[what >> 5], s); break;
	case 13: wire_good(&wire.conn[what >> 5], s); break;
	case 14: wire_open(&wire.conn[what >> 5]); break;
	default: host_wait((1ull << step_u8(s) % 36) + step_u16(s)); break;
	}
	answer_all();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { .b = data, .len = size };
	struct step s;

	input_step(&in, &s);
	host_begin(step_u8(&s));
	wire.hostile = true;
	serve();
	for (uint8_t n = step_u8(&s) % (CLIENTS + 1); n > 0; n--)
		attach(&the.caller[n - 1], &(struct step){ .at = 0 });
	for (unsigned n = 0; n < STEPS_MAX && input_step(&in, &s); n++)
		take_step(&s, &in);
	end_service();
	host_end();
	return 0;
}
