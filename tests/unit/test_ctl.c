/* SPDX-License-Identifier: BSD-3-Clause */
/* test_ctl.c - processes attach, misbehave and die; tasd goes on and nothing of them stays. */
#include "slowpath/ctl.h"

#include <grp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/ctl_rig.h"

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
	ops.context(ops.arg, c->r->fp.apps[0].ctx[0].eventfd, false);
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
	pid_t child;

	client_listen(&l, 1);
	child = fork();
	if (child == 0)
		client_sleeps_for_ever();
	family->child = child;
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

static void more_than_200_processes_are_served_at_once(void **state)
{
	enum { PROCESSES = 250 };
	struct ctl_rig *c;
	pid_t pid[PROCESSES];
	int fds;

	(void)state;
	rig_apps_max = 300;
	c = ctl_rig_new();
	fds = fds_open();
	for (int i = 0; i < PROCESSES; i++)
		pid[i] = client_start(c, attaches_and_stays, 0);
	ctl_rig_until(c, nr_live(c) == PROCESSES && fp_counter(&c->r->fp, CNT_APPS_ATTACHED) == PROCESSES);
	for (int i = 0; i < PROCESSES; i++)
		kill(pid[i], SIGKILL);
	for (int i = 0; i < PROCESSES; i++)
		client_status(c, pid[i]);
	ctl_rig_until(c, all_gone(c));
	assert_int_equal(fds_open(), fds);
	rig_apps_max = RIG_APPS;
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

/* In a process of its own: a limit that is lowered stays so. Exits with 0, or 77 if it may not raise it. */
static void starts_with_few_files(struct ctl_rig *c)
{
	struct rlimit few = { 512, 512 }, r;
	struct ctl_conf cc = ctl_rig_conf(c);
	struct ctl *ctl;
	char err[256];

	setrlimit(RLIMIT_NOFILE, &few);
	getrlimit(RLIMIT_NOFILE, &r);
	if (r.rlim_max != few.rlim_max)
		_exit(1);
	few.rlim_max++;
	cc.path = "";
	ctl_start(&ctl, &cc, err, sizeof(err)); /* fails, but not before it has seen to that */
	getrlimit(RLIMIT_NOFILE, &r);
	if (setrlimit(RLIMIT_NOFILE, &few) != 0 && r.rlim_cur == r.rlim_max && r.rlim_max == 512)
		_exit(77);
	_exit(r.rlim_cur >= RIG_APPS * (RIG_CORES + 4) + HOLDS_MAX + 2 * CTL_NEWCOMERS_MAX ? 0 : 2);
}

static void as_many_files_may_be_open_as_all_could_need(void **state)
{
	struct ctl_rig *c = ctl_rig_new();
	int status;
	pid_t pid = fork();

	(void)state;
	if (pid == 0)
		starts_with_few_files(c);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	ctl_rig_end(c);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(WEXITSTATUS(status), 0);
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

static int start(void **state)
{
	family = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	return ctl_rig_start_group(state);
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
		cmocka_unit_test(more_than_200_processes_are_served_at_once),
		cmocka_unit_test(one_that_does_not_attach_in_time_is_dropped),
		cmocka_unit_test(an_attached_one_may_be_silent_for_ever),
		cmocka_unit_test(what_a_crash_left_behind_is_replaced),
		cmocka_unit_test(as_many_files_may_be_open_as_all_could_need),
		cmocka_unit_test(somebodys_file_is_not_replaced),
		cmocka_unit_test(stopping_ends_every_client),
	};

	return cmocka_run_group_tests(tests, start, eal_rig_stop);
}
