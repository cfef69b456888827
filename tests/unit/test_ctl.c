/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ctl.c - processes attach, misbehave and die; tasd goes on and nothing of them stays. */
#include "slowpath/ctl.h"

#include <grp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "slowpath/log.h"
#include "tests/unit/ctl_rig.h"

static bool all_gone(const struct ctl_rig *c)
{
	return c->r->apps.nr_free == c->r->conf.memory.apps_max && ctl_stats(c->ctl).clients == 0 &&
		ctl_stats(c->ctl).holds == 0 && c->r->apps.holds.nr_refs == 0;
}

static uint32_t nr_live(const struct ctl_rig *c) { return c->r->apps.nr_live; }

/* --- attach --- */

static void attaches_and_hears_its_bell(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);
	uint64_t off, n = 1;
	int wake = client_context(&l, &off);
	struct abi_context *x = (void *)(l.base + off);
	struct pollfd p = { .fd = wake, .events = POLLIN };

	CLIENT_EXPECT(l.header->magic == ABI_MAGIC && l.header->cores == RIG_CORES);
	CLIENT_EXPECT(x->id == 0 && x->cores == RIG_CORES);
	CLIENT_EXPECT(l.header->core_line[1].asleep == 1);
	CLIENT_EXPECT(write(l.core.fd[1], &n, sizeof(n)) == sizeof(n));
	CLIENT_EXPECT(poll(&p, 1, 60000) == 1);
	CLIENT_EXPECT(read(wake, &n, sizeof(n)) == sizeof(n) && n == 1);
}

static void a_process_attaches_and_both_wake_each_other(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	int fds = fds_open();
	pid_t pid = client_start(c, attaches_and_hears_its_bell, 0);
	struct wake_result rang;
	struct fp_wake_ops ops;

	(void)state;
	wake_fp_ops(&c->wake, &ops);
	ctl_rig_until(c, (wake_core_wait(&c->wake, 1, 0, &rang), rang.nr_apps > 0));
	assert_int_equal(rang.app[0], 0);
	assert_int_equal(c->r->apps.slot[0].who.pid, pid);
	assert_string_equal(c->r->apps.slot[0].who.program, "test");
	ops.context(ops.arg, c->r->fp.apps[0].ctx[0].eventfd);
	client_ends_well(c, pid);
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(fds_open(), fds);
	ctl_rig_end(c);
}

static void tries_to_take_pages_away(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);
	uint64_t size = l.header->region_size;

	CLIENT_EXPECT(fallocate(l.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096) == -1 &&
		errno == EPERM);
	CLIENT_EXPECT(madvise(l.base, 4096, MADV_REMOVE) == -1 && errno == EPERM);
	CLIENT_EXPECT(ftruncate(l.memfd, 0) == -1 && errno == EPERM);
	CLIENT_EXPECT(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, l.memfd, 0) == MAP_FAILED);
	memset(l.base, 0xff, size); /* its own harm */
}

static void an_attached_process_can_only_harm_itself(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	client_run(c, tries_to_take_pages_away, 0);
	ctl_rig_until(c, all_gone(c));
	client_run(c, tries_to_take_pages_away, 0); /* and the next is served */
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

static void speaks_another_version(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	int fd = client_connect(c);

	m.hello.major = 77;
	CLIENT_EXPECT(client_ask(fd, &m) == EPROTO);
	CLIENT_EXPECT(strstr(m.text.bytes, "77.") != NULL && strstr(m.text.bytes, "tasd") != NULL);
	CLIENT_EXPECT(m.text.length == strlen(m.text.bytes));
	m = (struct ctl_msg){ .type = CTL_HELLO, .hello = rig_hello() };
	CLIENT_EXPECT(client_ask(fd, &m) == 0); /* it may try again */
}

static void a_library_of_another_version_is_told_in_words(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	client_run(c, speaks_another_version, 0);
	ctl_rig_until(c, all_gone(c));
	ctl_rig_end(c);
}

static void attaches_as_nobody(struct ctl_rig *c, int arg)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	uint64_t off;

	CLIENT_EXPECT(setgroups(0, NULL) == 0 && setgid(65534) == 0 && setuid(65534) == 0);
	if (arg != 0) {
		strcpy(addr.sun_path, c->path);
		CLIENT_EXPECT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == -1 && errno == EACCES);
		return;
	}
	struct client l = client_attach(c);
	client_context(&l, &off);
	client_listen(&l, 1);
	client_sleeps_for_ever();
}

static void a_process_that_is_not_root_is_served_if_the_mode_says_so(void **state)
{
	struct ctl_rig *c;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	c = ctl_rig_new();
	pid = client_start(c, attaches_as_nobody, 0);
	ctl_rig_until(c, c->r->listens == 1);
	assert_int_equal(c->r->apps.slot[0].who.uid, 65534);
	kill(pid, SIGKILL);
	client_status(c, pid);
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(chmod(c->path, 0600), 0);
	client_run(c, attaches_as_nobody, 1);
	ctl_rig_end(c);
}

/* --- death --- */

enum stage { CONNECTED, GREETED, MAPPED, WITH_CONTEXT, LISTENING, WITH_FLOWS, STAGES };

static void goes_as_far_as(struct ctl_rig *c, int stage)
{
	struct ctl_msg m = { .type = CTL_CONNECT };
	struct client l = { .fd = -1 };
	uint64_t off;

	if (stage == CONNECTED)
		client_connect(c);
	else if (stage == GREETED)
		client_hello(c, &l, 0);
	else
		l = client_attach(c);
	if (stage >= WITH_CONTEXT)
		client_context(&l, &off);
	if (stage >= LISTENING)
		client_listen(&l, 1);
	for (int i = 0; stage >= WITH_FLOWS && i < 20; i++) {
		m = (struct ctl_msg){ .type = CTL_CONNECT };
		CLIENT_EXPECT(client_ask(l.fd, &m) == 0);
	}
	raise(SIGSTOP);
	client_sleeps_for_ever();
}

static void stopped(struct ctl_rig *c, pid_t pid)
{
	siginfo_t info;

	do {
		info.si_pid = 0;
		ctl_rig_pass(c);
		waitid(P_PID, (id_t)pid, &info, WSTOPPED | WNOHANG | WNOWAIT);
	} while (info.si_pid == 0);
}

static void a_process_killed_at_any_stage_by_any_signal_leaves_nothing(void **state)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGHUP, SIGBUS };
	struct ctl_rig *c = ctl_rig_new();
	int fds = fds_open();
	struct rlimit no_core = { 0, 0 };

	(void)state;
	setrlimit(RLIMIT_CORE, &no_core);
	for (int stage = 0; stage < STAGES; stage++)
		for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
			pid_t pid = client_start(c, goes_as_far_as, stage);

			stopped(c, pid);
			kill(pid, signals[i]);
			kill(pid, SIGCONT);
			assert_int_equal(WTERMSIG(client_status(c, pid)), signals[i]);
			ctl_rig_until(c, all_gone(c));
			assert_int_equal(c->r->closed[c->r->next_id], stage >= LISTENING);
			assert_int_equal(c->r->fp.nr_free, RIG_FLOWS);
			assert_int_equal(fds_open(), fds);
		}
	ctl_rig_end(c);
}

struct family { /* shared with the processes */
	_Atomic pid_t child;
};
static struct family *family;

/* The child of one that forked without telling anybody keeps the socket open. */
static void forks_and_dies(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);

	client_listen(&l, 1);
	family->child = fork();
	if (family->child == 0)
		client_sleeps_for_ever();
}

static void the_end_of_a_process_is_seen_though_its_child_has_the_socket(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	client_run(c, forks_and_dies, 0);
	for (int i = 0; i < 100 && !all_gone(c); i++)
		ctl_rig_pass(c);
	assert_int_equal(kill(family->child, SIGKILL), 0); /* was still there */
	assert_true(all_gone(c));
	assert_int_equal(c->r->closed[1], 1);
	ctl_rig_end(c);
}

static void attaches_and_leaves(struct ctl_rig *c, int arg)
{
	struct client l = client_attach(c);
	uint64_t off;

	client_context(&l, &off);
	client_listen(&l, 1);
	if (arg % 2 == 0)
		raise(SIGKILL);
}

static void a_thousand_processes_come_and_go_and_leave_nothing(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	int fds = fds_open();
	uint64_t before = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		client_status(c, client_start(c, attaches_and_leaves, i));
		if (i == 200)
			before = rig_rss_kib();
	}
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(fp_counter(&c->r->fp, CNT_APPS_ATTACHED), 1000);
	assert_int_equal(fds_open(), fds);
	assert_in_range(rig_rss_kib(), 0, before + 256);
	ctl_rig_end(c);
}

static void attaches_and_stays(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);
	uint64_t off;

	client_context(&l, &off);
	client_sleeps_for_ever();
}

static void is_refused(struct ctl_rig *c, int error)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };

	CLIENT_EXPECT(client_ask(client_connect(c), &m) == error && m.text.length > 0);
}

static void more_than_fit_wait_for_a_place_and_do_not_disturb(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t pid[RIG_APPS];

	(void)state;
	for (int i = 0; i < RIG_APPS; i++)
		pid[i] = client_start(c, attaches_and_stays, 0);
	ctl_rig_until(c, nr_live(c) == RIG_APPS);
	for (int i = 0; i < 3; i++)
		client_run(c, is_refused, EUSERS);
	assert_int_equal(nr_live(c), RIG_APPS);
	assert_int_equal(fp_counter(&c->r->fp, CNT_APPS_REFUSED), 3);
	for (int i = 0; i < RIG_APPS; i++) {
		kill(pid[i], SIGKILL);
		client_status(c, pid[i]);
	}
	ctl_rig_until(c, all_gone(c));
	client_run(c, attaches_and_leaves, 1);
	ctl_rig_end(c);
}

/* --- misbehaviour --- */

static void never_attaches(struct ctl_rig *c, int stage)
{
	struct client l;

	if (stage == CONNECTED)
		l.fd = client_connect(c);
	else
		client_hello(c, &l, 0);
	client_is_cut_off(l.fd);
}

static void one_that_does_not_attach_in_time_is_dropped(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	for (int stage = CONNECTED; stage <= GREETED; stage++) {
		pid_t pid = client_start(c, never_attaches, stage);

		ctl_rig_until(c,
			c->r->apps.nr_free == (stage == GREETED ? RIG_APPS - 1 : RIG_APPS) &&
				ctl_stats(c->ctl).clients == 1);
		assert_in_range(ctl_deadline(c->ctl), c->r->now, c->r->now + CTL_PATIENCE);
		c->r->now += CTL_PATIENCE;
		client_ends_well(c, pid);
		assert_true(all_gone(c));
	}
	assert_int_equal(ctl_stats(c->ctl).dropped, 2);
	assert_int_equal(ctl_deadline(c->ctl), TAS_NS_NEVER);
	ctl_rig_end(c);
}

static void an_attached_one_may_be_silent_for_ever(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t pid = client_start(c, attaches_and_stays, 0);

	(void)state;
	ctl_rig_until(c, nr_live(c) == 1);
	c->r->now += 100 * CTL_PATIENCE;
	for (int i = 0; i < 10; i++)
		ctl_rig_pass(c);
	assert_int_equal(nr_live(c), 1);
	kill(pid, SIGKILL);
	client_status(c, pid);
	ctl_rig_end(c);
}

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
	FORK_WITHOUT_FD,
	FORK_WITH_FILE,
	FORK_WITH_EVENTFD,
	FORK_WITH_LISTENER,
	FORK_WITH_FULL_PAIR,
	FORK_UNATTACHED,
	KINDS
};

static void send_raw(int fd, size_t len, uint16_t type, int pass)
{
	char bytes[2000] = { 0 };

	memcpy(bytes, &type, sizeof(type));
	CLIENT_EXPECT(client_send_fd(fd, bytes, len, pass) == (ssize_t)len);
}

static int fork_fd(struct ctl_rig *c, int kind)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, pair[2];

	switch (kind) {
	case FORK_WITH_FILE: return open("/dev/null", O_RDWR);
	case FORK_WITH_EVENTFD: return eventfd(0, 0);
	case FORK_WITH_LISTENER:
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		snprintf(addr.sun_path, sizeof(addr.sun_path), "%s/own", c->dir);
		CLIENT_EXPECT(bind(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0 && listen(fd, 1) == 0);
		unlink(addr.sun_path);
		return fd;
	default:
		CLIENT_EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		CLIENT_EXPECT(kind != FORK_WITH_FULL_PAIR || client_send_fd(pair[1], "x", 1, pair[1]) == 1);
		return pair[0];
	}
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
		[FORK_WITHOUT_FD] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FORK_WITH_FILE] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FORK_WITH_EVENTFD] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FORK_WITH_LISTENER] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FORK_WITH_FULL_PAIR] = { MAPPED, CTL_FORK, sizeof(struct ctl_msg) },
		[FORK_UNATTACHED] = { CONNECTED, CTL_FORK, sizeof(struct ctl_msg) },
	};
	struct client l = { .fd = -1 };
	bool with_fd = kind == FD_WITH_HELLO || kind == FD_WITH_LISTEN || kind >= FORK_WITH_FILE;

	if (what[kind].stage == CONNECTED)
		l.fd = client_connect(c);
	else if (what[kind].stage == GREETED)
		client_hello(c, &l, 0);
	else
		l = client_attach(c);
	send_raw(l.fd, what[kind].len, what[kind].type, with_fd ? fork_fd(c, kind) : -1);
	client_is_cut_off(l.fd);
	client_sleeps_for_ever(); /* it is not its death that ends it */
}

static void one_that_sends_garbage_is_cut_off_and_the_others_go_on(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t honest = client_start(c, attaches_and_stays, 0);
	int fds;

	(void)state;
	ctl_rig_until(c, nr_live(c) == 1);
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

static void when_descriptors_run_out_newcomers_are_turned_away_and_tasd_goes_on(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t honest = client_start(c, attaches_and_stays, 0), pid[3];
	struct rlimit was, few;
	int highest;

	(void)state;
	ctl_rig_until(c, nr_live(c) == 1);
	getrlimit(RLIMIT_NOFILE, &was);
	highest = dup(0);
	close(highest);
	few = (struct rlimit){ (rlim_t)highest, was.rlim_max }; /* not one more */
	for (int i = 0; i < 3; i++)
		pid[i] = client_start(c, never_attaches, CONNECTED);
	setrlimit(RLIMIT_NOFILE, &few);
	for (int i = 0; i < 3; i++)
		client_ends_well(c, pid[i]);
	assert_int_equal(ctl_stats(c->ctl).turned_away, 3);
	setrlimit(RLIMIT_NOFILE, &was);
	assert_int_equal(nr_live(c), 1);
	client_run(c, attaches_and_leaves, 1);
	kill(honest, SIGKILL);
	client_status(c, honest);
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
	CLIENT_EXPECT(client_ask(l.fd, &m) == ENOTSUP);
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

static void passes_both_ends(struct ctl_rig *c, int arg TAS_UNUSED)
{
	struct client l = client_attach(c);
	int pair[2];

	client_listen(&l, 5);
	CLIENT_EXPECT(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
	for (int i = 0; i < 2; i++) {
		struct ctl_msg m = { .type = CTL_FORK };

		CLIENT_EXPECT(client_ask_fd(l.fd, &m, pair[i], NULL) == 0);
	}
}

/* Both ends in tasd's hands would never hang up. */
static void a_hold_cannot_be_made_that_never_ends(void **state)
{
	struct ctl_rig *c = ctl_rig_new();

	(void)state;
	client_run(c, passes_both_ends, 0);
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(c->r->closed[1], 1);
	ctl_rig_end(c);
}

/* --- the socket itself --- */

static void what_a_crash_left_behind_is_replaced(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	struct stat st;

	(void)state;
	ctl_stop(c->ctl);
	assert_int_equal(stat(c->path, &st), -1); /* nothing is left behind */
	strcpy(addr.sun_path, c->path);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(fd);
	ctl_rig_start(c);
	assert_int_equal(stat(c->path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0666);
	client_run(c, attaches_and_leaves, 1);
	ctl_rig_end(c);
}

static void somebodys_file_is_not_replaced(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	struct ctl_conf cc = ctl_rig_conf(c);
	struct ctl *ctl;
	char err[256] = "";
	int fd;

	(void)state;
	ctl_stop(c->ctl);
	fd = open(c->path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	assert_int_equal(ctl_start(&ctl, &cc, err, sizeof(err)), -EEXIST);
	assert_non_null(strstr(err, c->path));
	assert_non_null(strstr(err, "remove it"));
	assert_int_equal(access(c->path, F_OK), 0);
	unlink(c->path);
	cc.path = "/nonexistent/directory/x.sock";
	assert_int_equal(ctl_start(&ctl, &cc, err, sizeof(err)), -ENOENT);
	assert_non_null(strstr(err, "run_dir"));
	ctl_rig_start(c);
	ctl_rig_end(c);
}

static void stopping_ends_every_client(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	pid_t pid[2] = { client_start(c, never_attaches, GREETED), client_start(c, attaches_and_stays, 0) };
	int status;

	(void)state;
	ctl_rig_until(c, nr_live(c) == 1 && ctl_stats(c->ctl).clients == 2);
	ctl_rig_end(c);
	assert_int_equal(waitpid(pid[0], &status, 0), pid[0]); /* saw the end */
	assert_int_equal(status, 0);
	kill(pid[1], SIGKILL);
	waitpid(pid[1], &status, 0);
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
	log_open("/dev/null", TAS_LOG_WARNING, "test"); /* offenders are named there by the dozen */
	return eal_rig_start(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_attaches_and_both_wake_each_other),
		cmocka_unit_test(an_attached_process_can_only_harm_itself),
		cmocka_unit_test(a_library_of_another_version_is_told_in_words),
		cmocka_unit_test(a_process_that_is_not_root_is_served_if_the_mode_says_so),
		cmocka_unit_test(a_process_killed_at_any_stage_by_any_signal_leaves_nothing),
		cmocka_unit_test(the_end_of_a_process_is_seen_though_its_child_has_the_socket),
		cmocka_unit_test(a_thousand_processes_come_and_go_and_leave_nothing),
		cmocka_unit_test(more_than_fit_wait_for_a_place_and_do_not_disturb),
		cmocka_unit_test(one_that_does_not_attach_in_time_is_dropped),
		cmocka_unit_test(an_attached_one_may_be_silent_for_ever),
		cmocka_unit_test(one_that_sends_garbage_is_cut_off_and_the_others_go_on),
		cmocka_unit_test(one_that_floods_and_never_reads_is_cut_off),
		cmocka_unit_test(a_flood_does_not_keep_others_waiting),
		cmocka_unit_test(when_descriptors_run_out_newcomers_are_turned_away_and_tasd_goes_on),
		cmocka_unit_test(through_any_fork_the_listener_lives_as_long_as_somebody_has_it),
		cmocka_unit_test(a_hold_cannot_be_made_that_never_ends),
		cmocka_unit_test(what_a_crash_left_behind_is_replaced),
		cmocka_unit_test(somebodys_file_is_not_replaced),
		cmocka_unit_test(stopping_ends_every_client),
		cmocka_unit_test(questions_are_answered_and_nonsense_refused_in_words),
		cmocka_unit_test(a_long_answer_waits_for_its_reader_and_takes_no_memory),
		cmocka_unit_test(one_that_does_not_take_its_answer_is_dropped),
		cmocka_unit_test(a_waiting_answer_does_not_keep_the_loop_awake),
	};

	return cmocka_run_group_tests(tests, start, eal_rig_stop);
}
