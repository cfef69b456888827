/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ctl_serve.c - what clients of the control socket ask, decent or not, and forks. */
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/ctl_rig.h"

struct family { /* shared with the processes */
	_Atomic pid_t child;
};
static struct family *family;

static void attaches_and_stays(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);
	uint64_t off;

	client_context(&l, &off);
	client_sleeps_for_ever();
}

/* --- misbehaviour --- */

enum stage { CONNECTED, GREETED, MAPPED };

enum garbage {
	SHORT,
	LONG,
	EMPTY,
	UNKNOWN,
	ZERO_TYPE,
	MAPPED_FIRST,
	CONTEXT_FIRST,
	LISTEN_BEFORE_MAPPED,
	HELLO_TWICE,
	QUERY_ATTACHED,
	FD_WITH_HELLO,
	FD_WITH_LISTEN,
	FD_WITH_FORK,
	FULL_PAIR_WITH_FORK,
	HOLD_WITH_FORK,
	FORK_UNATTACHED,
	KINDS
};

static void send_raw(int fd, size_t len, uint16_t type, int pass)
{
	char bytes[2000] = { 0 };

	memcpy(bytes, &type, sizeof(type));
	CLIENT_EXPECT(client_send_fd(fd, bytes, len, pass) == (ssize_t)len);
}

/* A descriptor to pass, or -1. */
static int fd_for(struct client *l, int kind)
{
	int pair[2];

	if (kind == FD_WITH_HELLO || kind == FD_WITH_LISTEN || kind == FD_WITH_FORK)
		return eventfd(0, 0);
	if (kind == HOLD_WITH_FORK) /* tasd would hold on to itself */
		client_fork(l, &pair[0]);
	if (kind == FULL_PAIR_WITH_FORK) {
		CLIENT_EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		CLIENT_EXPECT(client_send_fd(pair[1], "x", 1, pair[1]) == 1);
	}
	return kind == HOLD_WITH_FORK || kind == FULL_PAIR_WITH_FORK ? pair[0] : -1;
}

static void sends_garbage(struct ctl_rig *c, int kind)
{
	static const struct {
		enum stage stage;
		uint16_t type;
		size_t len;
	} what[KINDS] = {
		[SHORT] = { MAPPED, CTL_ROUTE, sizeof(struct ctl_msg) - 1 },
		[LONG] = { MAPPED, CTL_ROUTE, sizeof(struct ctl_msg) + 1 },
		[EMPTY] = { CONNECTED, 0, 0 },
		[UNKNOWN] = { MAPPED, 999, sizeof(struct ctl_msg) },
		[ZERO_TYPE] = { CONNECTED, 0, sizeof(struct ctl_msg) },
		[MAPPED_FIRST] = { CONNECTED, CTL_MAPPED, sizeof(struct ctl_msg) },
		[CONTEXT_FIRST] = { CONNECTED, CTL_CONTEXT, sizeof(struct ctl_msg) },
		[LISTEN_BEFORE_MAPPED] = { GREETED, CTL_LISTEN, sizeof(struct ctl_msg) },
		[HELLO_TWICE] = { MAPPED, CTL_HELLO, sizeof(struct ctl_msg) },
		[QUERY_ATTACHED] = { MAPPED, CTL_QUERY, sizeof(struct ctl_msg) },
		[FD_WITH_HELLO] = { CONNECTED, CTL_HELLO, sizeof(struct ctl_msg) },
		[FD_WITH_LISTEN] = { MAPPED, CTL_LISTEN, sizeof(struct ctl_msg) },
		[FD_WITH_FORK] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FULL_PAIR_WITH_FORK] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[HOLD_WITH_FORK] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FORK_UNATTACHED] = { CONNECTED, CTL_FORK, sizeof(struct ctl_msg) },
	};
	struct client l = { .fd = -1 };

	if (what[kind].stage == CONNECTED)
		l.fd = client_connect(c);
	else if (what[kind].stage == GREETED)
		client_hello(c, &l, 0);
	else
		l = client_attach(c);
	send_raw(l.fd, what[kind].len, what[kind].type, fd_for(&l, kind));
	client_is_cut_off(l.fd);
	client_sleeps_for_ever(); /* it is not its death that ends it */
}

static void one_that_sends_garbage_is_cut_off_and_the_others_go_on(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t honest = client_start(c, attaches_and_stays, 0);
	int fds;

	(void)state;
	ctl_rig_takes_descriptors(c);
	ctl_rig_until(c, nr_live(c) == 1 && c->r->fp.apps[0].nctx == 1);
	fds = fds_open();
	for (int kind = 0; kind < KINDS; kind++) {
		pid_t pid = client_start(c, sends_garbage, kind);

		ctl_rig_until(c, ctl_stats(c->ctl).dropped == (uint64_t)kind + 1);
		ctl_rig_until(c, ctl_stats(c->ctl).clients == 1 && c->r->apps.nr_free == RIG_APPS - 1);
		kill(pid, SIGKILL);
		assert_int_equal(WTERMSIG(client_status(c, pid)), SIGKILL); /* it saw nothing unexpected */
		ctl_rig_until(c, fds_open() == fds); /* foreign descriptors are closed by another thread */
	}
	assert_int_equal(nr_live(c), 1);
	kill(honest, SIGKILL);
	client_status(c, honest);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

static void floods(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);
	struct ctl_msg m = { .type = CTL_ROUTE };

	while (send(l.fd, &m, sizeof(m), MSG_NOSIGNAL) > 0)
		;
	client_sleeps_for_ever();
}

static void one_that_floods_and_never_reads_is_cut_off(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t pid = client_start(c, floods, 0);

	(void)state;
	alarm(60); /* a wait in tasd would be for ever */
	ctl_rig_until(c, ctl_stats(c->ctl).dropped == 1);
	ctl_rig_until(c, all_gone(c));
	alarm(0);
	assert_int_equal(fp_counter(&c->r->fp, CNT_APPS_CUT_OFF), 1);
	kill(pid, SIGKILL);
	client_status(c, pid);
	ctl_rig_end(c);
}

/* One pass takes a few messages of a client, whatever waits. */
static void a_flood_does_not_keep_others_waiting(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl_msg m = { .type = CTL_QUERY }, answer;
	int flooder = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	unsigned passes = 0;

	(void)state;
	strcpy(addr.sun_path, c->path);
	strcpy(m.text.bytes, "nonsense"); /* answered with an error, one message each */
	assert_int_equal(connect(flooder, (struct sockaddr *)&addr, sizeof(addr)), 0);
	for (int i = 0; i < 64; i++)
		assert_int_equal(send(flooder, &m, sizeof(m), 0), sizeof(m));
	for (int got = 0; got < 64; passes++) {
		ctl_rig_pass(c);
		while (recv(flooder, &answer, sizeof(answer), MSG_DONTWAIT) > 0)
			got++;
	}
	assert_in_range(passes, 8, 12); /* 8 a pass, and one to be accepted */
	close(flooder);
	ctl_rig_end(c);
}

/* --- requests that take long --- */

static int client_attached_here(struct ctl_rig *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	struct client_fds fds;
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, c->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
	ctl_rig_until(c, client_recv(fd, &m, &fds) == sizeof(m));
	assert_int_equal(m.status, 0);
	assert_int_equal(fcntl(fds.fd[0], F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL), 0);
	while (fds.n > 0)
		close(fds.fd[--fds.n]);
	for (uint16_t type = CTL_MAPPED;; type = CTL_CONTEXT) {
		m = (struct ctl_msg){ .type = type };
		assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
		ctl_rig_until(c, client_recv(fd, &m, &fds) == sizeof(m));
		assert_int_equal(m.status, 0);
		if (type == CTL_CONTEXT)
			break;
	}
	close(fds.fd[0]);
	return fd;
}

static bool answered(int fd, struct ctl_msg *m)
{
	return recv(fd, m, sizeof(*m), MSG_DONTWAIT) == sizeof(*m);
}

/* Rings of megabytes are made page by page, a few each pass, and whoever asks meanwhile is answered. */
static void a_large_request_takes_its_passes_and_holds_up_nobody(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	int large = client_attached_here(c), small = client_attached_here(c);
	struct ctl_msg m = { .type = CTL_CONNECT,
		.connect = { .options.rx_size = 2 << 20, .options.tx_size = 2 << 20 } },
		       route = { .type = CTL_ROUTE };
	const struct region *r = &c->r->apps.slot[0].region;
	unsigned passes = 0;

	(void)state;
	m.sequence = 7;
	assert_int_equal(send(large, &m, sizeof(m), 0), sizeof(m));
	route.sequence = 8;
	assert_int_equal(send(large, &route, sizeof(route), 0),
		sizeof(route)); /* has to wait for the first */
	for (; !answered(large, &m); passes++) {
		uint64_t before = r->resident;

		assert_int_equal(send(small, &route, sizeof(route), 0), sizeof(route));
		ctl_poll(c->ctl, c->r->now);
		assert_true(answered(small, &route));
		assert_in_range(r->resident - before, 0, 2 * COST_PIECE * REGION_PAGE); /* two rings */
	}
	assert_int_equal(m.sequence, 7);
	assert_int_equal(m.status, 0);
	assert_in_range(passes, (4 << 20) / REGION_PAGE / COST_PIECE / 2,
		(4 << 20) / REGION_PAGE / COST_PIECE + 2);
	assert_int_equal(c->r->apps.slot[0].nr_recs, 1);
	if (!answered(large, &m))
		ctl_rig_until(c, answered(large, &m));
	assert_int_equal(m.sequence, 8);
	close(large);
	close(small);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

static void wants_large_rings_as_nobody(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct ctl_msg m = { .type = CTL_CONNECT,
		.connect = { .options.rx_size = 2 << 20, .options.tx_size = 2 << 20 } };
	struct client l;
	uint64_t off;

	CLIENT_EXPECT(setuid(65534) == 0);
	l = client_attach(c);
	client_context(&l, &off);
	raise(SIGSTOP);
	CLIENT_EXPECT(client_ask(l.fd, &m) == 0);
}

/* Of what a pass may cost one user does not take all, however many processes it has; in the long run less. */
static void of_each_pass_something_is_left_to_other_users(void **state)
{
	enum { PROCESSES = 4 };
	struct ctl_rig *c;
	pid_t pid[PROCESSES];
	uint64_t all = 0, passes = 0;

	(void)state;
	if (getuid() != 0)
		skip();
	c = ctl_rig_new();
	for (int i = 0; i < PROCESSES; i++)
		pid[i] = client_start(c, wants_large_rings_as_nobody, 0);
	for (int i = 0; i < PROCESSES; i++) {
		siginfo_t info = { 0 };

		ctl_rig_until(c,
			waitid(P_PID, (id_t)pid[i], &info, WSTOPPED | WNOHANG | WNOWAIT) == 0 &&
				info.si_pid != 0);
		kill(pid[i], SIGCONT);
	}
	while (fp_counter(&c->r->fp, CNT_APPS_ATTACHED) == PROCESSES && c->r->apps.nr_live == PROCESSES) {
		ctl_rig_pass(c);
		assert_true(c->r->apps.cost.left >= COST_PASS - COST_USER);
		all += COST_PASS - c->r->apps.cost.left;
		passes++;
	}
	assert_true(all <= COST_USER + passes * COST_FORGIVEN);
	for (int i = 0; i < PROCESSES; i++)
		client_ends_well(c, pid[i]);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

/* --- fork --- */

enum fork_case {
	CHILD_ADOPTS_PARENT_KILLED,
	CHILD_NEVER_TOUCHES,
	CHILD_KILLED,
	PARENT_CLOSES_CHILD_ADOPTS,
	FORK_CASES
};

static void child_part(struct ctl_rig *c, enum fork_case what, uint64_t token, uint64_t id)
{
	struct ctl_msg m = { .type = CTL_ADOPT, .adopt = { .listener_id = id, .cookie = 8 } };
	struct client l;

	if (what == CHILD_NEVER_TOUCHES || what == CHILD_KILLED)
		client_sleeps_for_ever();
	l = client_attach_as_child(c, token);
	CLIENT_EXPECT(client_ask(l.fd, &m) == 0);
	m = (struct ctl_msg){ .type = CTL_ADOPT, .adopt = { .flow = 0, .gen = 1 } };
	CLIENT_EXPECT(client_ask(l.fd, &m) == EINVAL);
	client_sleeps_for_ever();
}

static void parent_part(struct ctl_rig *c, int what)
{
	struct client l = client_attach(c);
	struct ctl_msg m = { .type = CTL_UNLISTEN, .listen = { .cookie = 5 } };
	uint64_t id = client_listen(&l, 5), token;
	int child_end;
	pid_t pid;

	token = client_fork(&l, &child_end);
	pid = fork();
	if (pid == 0) {
		close(l.fd);
		child_part(c, (enum fork_case)what, token, id);
	}
	close(child_end);
	if (what == PARENT_CLOSES_CHILD_ADOPTS)
		CLIENT_EXPECT(client_ask(l.fd, &m) == 0);
	family->child = pid;
	client_sleeps_for_ever();
}

static void through_any_fork_the_listener_lives_as_long_as_somebody_has_it(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	for (int what = 0; what < FORK_CASES; what++) {
		bool adopts = what == CHILD_ADOPTS_PARENT_KILLED || what == PARENT_CLOSES_CHILD_ADOPTS;
		pid_t parent, child;
		uint64_t id;

		family->child = 0;
		parent = client_start(c, parent_part, what);
		ctl_rig_until(c, family->child != 0 && nr_live(c) == 1u + adopts);
		child = family->child;
		id = c->r->next_id;
		ctl_rig_until(c, c->r->joined[id] == adopts);
		assert_int_equal(ctl_stats(c->ctl).holds, 1);
		if (what == CHILD_KILLED) {
			kill(child, SIGKILL);
			ctl_rig_until(c, ctl_stats(c->ctl).holds == 0);
			assert_int_equal(c->r->closed[id], 0); /* the parent has it */
			kill(parent, SIGKILL);
		} else {
			kill(parent, SIGKILL);
			client_status(c, parent);
			ctl_rig_until(c, c->r->left[id] == 1 && nr_live(c) == adopts);
			for (int i = 0; i < 20; i++)
				ctl_rig_pass(c);
			assert_int_equal(c->r->closed[id],
				0); /* the child has it, or may still come for it */
			kill(child, SIGKILL);
		}
		ctl_rig_until(c, c->r->closed[id] == 1);
		ctl_rig_until(c, all_gone(c));
		waitpid(parent, NULL, 0);
	}
	ctl_rig_end(c);
}

/* --- questions --- */

static void asks(struct ctl_rig *c, int arg)
{
	static const char *const words[] = { "status", "flows json", "stats", "nonsense", "apps json extra" };
	struct ctl_msg m = { .type = CTL_QUERY, .sequence = 9 };
	int fd = client_connect(c);
	size_t total = 0;

	strcpy(m.text.bytes, words[arg]);
	CLIENT_EXPECT(send(fd, &m, sizeof(m), 0) == sizeof(m));
	do {
		CLIENT_EXPECT(client_recv(fd, &m, NULL) == sizeof(m));
		CLIENT_EXPECT(m.type == CTL_TEXT && m.sequence == 9);
		total += m.text.length;
	} while (m.text.length > 0 && m.status == 0);
	CLIENT_EXPECT(arg >= 3 ? m.status == EINVAL && m.text.length > 0 : m.status == 0 && total > 0);
}

static void questions_are_answered_and_nonsense_refused_in_words(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	for (int i = 0; i < 5; i++)
		client_run(c, asks, i);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

/* An answer of megabytes is made as it is read. */
static void a_long_answer_waits_for_its_reader_and_takes_no_memory(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl_msg m = { .type = CTL_QUERY, .sequence = 3 };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);
	size_t total = 0;
	uint64_t before;

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		rig_flow(c->r);
	strcpy(addr.sun_path, c->path);
	strcpy(m.text.bytes, "flows json");
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
	for (int i = 0; i < 1000; i++)
		ctl_rig_pass(c);
	before = rig_rss_kib();
	do {
		while (recv(fd, &m, sizeof(m), 0) != sizeof(m))
			ctl_rig_pass(c);
		total += m.text.length;
	} while (m.text.length > 0);
	assert_in_range(total, 5000 * 500, 5000 * 1000);
	assert_in_range(rig_rss_kib(), 0, before + 256);
	assert_int_equal(ctl_stats(c->ctl).dropped, 0);
	close(fd);
	ctl_rig_end(c);
}

static void a_reader_may_take_its_time_as_long_as_it_reads(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl_msg m = { .type = CTL_QUERY };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		rig_flow(c->r);
	strcpy(addr.sun_path, c->path);
	strcpy(m.text.bytes, "flows json");
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
	for (int i = 0; i < 10; i++) { /* all that is there, and then a pause */
		for (int k = 0; k < 30; k++)
			ctl_rig_pass(c);
		while (recv(fd, &m, sizeof(m), 0) == sizeof(m))
			assert_true(m.text.length > 0);
		c->r->now += CTL_PATIENCE / 2;
	}
	assert_int_equal(ctl_stats(c->ctl).dropped, 0);
	close(fd);
	ctl_rig_end(c);
}

static int client_that_asks(const struct ctl_rig *c, const char *words)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	struct ctl_msg m = { .type = CTL_QUERY };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, c->path);
	strcpy(m.text.bytes, words);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(send(fd, &m, sizeof(m), 0), sizeof(m));
	return fd;
}

/* Rows that came since; *over becomes true with the end of the answer. */
static unsigned rows_come(int fd, bool *over)
{
	struct ctl_msg m;
	unsigned rows = 0;

	while (recv(fd, &m, sizeof(m), 0) == sizeof(m)) {
		for (uint32_t i = 0; i < m.text.length; i++)
			rows += m.text.bytes[i] == '{';
		*over = m.text.length == 0;
	}
	return rows;
}

/* However many ask: a millisecond has 16 rows for all of them, and each gets its share. */
static void all_answers_together_are_made_at_a_bounded_rate(void **state)
{
	enum { ASKERS = 5, FLOWS = 100, ROWS_MS = 16 };
	struct ctl_rig *c = ctl_rig_new();
	unsigned rows[ASKERS] = { 0 }, nr_over = 0, passes = 0;
	bool over[ASKERS] = { 0 };
	int fd[ASKERS];

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++)
		rig_flow(c->r);
	for (unsigned i = 0; i < ASKERS; i++)
		fd[i] = client_that_asks(c, "flows json");
	for (; nr_over < ASKERS; passes++) {
		unsigned sum = 0;

		assert_true(passes < 1000);
		ctl_rig_pass(c); /* a millisecond each */
		nr_over = 0;
		for (unsigned i = 0; i < ASKERS; i++) {
			unsigned n = rows_come(fd[i], &over[i]);

			rows[i] += n;
			sum += n;
			nr_over += over[i];
		}
		assert_in_range(sum, 0, ROWS_MS);
		for (unsigned i = 0; i < ASKERS; i++)
			assert_in_range(rows[i], rows[0] - min_u32(rows[0], ROWS_MS), rows[0] + ROWS_MS);
		if (sum > 0)
			assert_int_equal(ctl_deadline(c->ctl) <= c->r->now + NS_PER_MS, nr_over < ASKERS);
	}
	for (unsigned i = 0; i < ASKERS; i++) {
		assert_int_equal(rows[i], FLOWS);
		close(fd[i]);
	}
	assert_in_range(passes, ASKERS * FLOWS / ROWS_MS, 2 * ASKERS * FLOWS / ROWS_MS);
	ctl_rig_end(c);
}

static void asks_and_never_reads(struct ctl_rig *c, int arg)
{
	struct ctl_msg m = { .type = CTL_QUERY };
	int fd = client_connect(c);

	strcpy(m.text.bytes, "flows");
	CLIENT_EXPECT(send(fd, &m, sizeof(m), 0) == sizeof(m));
	if (arg == 1) { /* asks again before the answer was read */
		usleep(20000);
		send(fd, &m, sizeof(m), MSG_NOSIGNAL);
	}
	client_sleeps_for_ever();
}

static void one_that_does_not_take_its_answer_is_dropped(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		rig_flow(c->r);
	for (int arg = 0; arg < 2; arg++) {
		pid_t pid = client_start(c, asks_and_never_reads, arg);

		ctl_rig_until(c, ctl_stats(c->ctl).clients == 1);
		for (int i = 0; i < 100; i++)
			ctl_rig_pass(c);
		if (arg == 0)
			c->r->now += CTL_PATIENCE;
		ctl_rig_until(c, ctl_stats(c->ctl).clients == 0);
		assert_int_equal(ctl_stats(c->ctl).dropped, arg + 1);
		kill(pid, SIGKILL);
		client_status(c, pid);
	}
	ctl_rig_end(c);
}

/* While nothing happens the loop may sleep. */
static void a_waiting_answer_does_not_keep_the_loop_awake(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t pid;
	struct pollfd p = { .fd = ctl_fd(c->ctl), .events = POLLIN };

	(void)state;
	for (uint32_t i = 0; i < 5000; i++)
		rig_flow(c->r);
	pid = client_start(c, asks_and_never_reads, 0);
	ctl_rig_until(c, ctl_stats(c->ctl).clients == 1);
	for (int i = 0; i < 100; i++)
		ctl_rig_pass(c);
	assert_int_equal(poll(&p, 1, 100), 0);
	kill(pid, SIGKILL);
	client_status(c, pid);
	ctl_rig_end(c);
}

static int start(void **state)
{
	family = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return ctl_rig_start_group(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_sends_garbage_is_cut_off_and_the_others_go_on),
		cmocka_unit_test(one_that_floods_and_never_reads_is_cut_off),
		cmocka_unit_test(a_flood_does_not_keep_others_waiting),
		cmocka_unit_test(a_large_request_takes_its_passes_and_holds_up_nobody),
		cmocka_unit_test(of_each_pass_something_is_left_to_other_users),
		cmocka_unit_test(through_any_fork_the_listener_lives_as_long_as_somebody_has_it),
		cmocka_unit_test(questions_are_answered_and_nonsense_refused_in_words),
		cmocka_unit_test(a_long_answer_waits_for_its_reader_and_takes_no_memory),
		cmocka_unit_test(a_reader_may_take_its_time_as_long_as_it_reads),
		cmocka_unit_test(all_answers_together_are_made_at_a_bounded_rate),
		cmocka_unit_test(one_that_does_not_take_its_answer_is_dropped),
		cmocka_unit_test(a_waiting_answer_does_not_keep_the_loop_awake),
	};

	return cmocka_run_group_tests(tests, start, eal_rig_stop);
}
