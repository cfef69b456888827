/* SPDX-License-Identifier: BSD-3-Clause */
/* tasd as a process. Each test starts one or two, which obey single letters: r ready, s tell the next signal,
 * f fail, d die, e end. They hold the other end of a pipe of ours, so that they end when the test does.
 * test -- fork --> launcher (what the operator's shell waits for) -- daemon_start() --> daemon, adopted by
 * the test */
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "slowpath/daemon.h"
#include "slowpath/log.h"

enum { WAIT_MS = 10000 }; /* for what will happen; nothing waits this long when all is well */

struct rig {
	char dir[40];
	struct tas_conf conf;
};

struct run {
	pid_t launcher, daemon; /* the same in the foreground; daemon is -1 if it did not start */
	int say, hear, err;     /* letters to it, bytes from it, its standard error */
	char text[2000];
};

static int rig_up(void **state)
{
	struct rig *r = calloc(1, sizeof(*r));

	assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	strcpy(r->dir, "/tmp/tas_test_daemon_XXXXXX");
	assert_non_null(mkdtemp(r->dir));
	conf_defaults(&r->conf);
	snprintf(r->conf.tasd.run_dir, sizeof(r->conf.tasd.run_dir), "%s/run", r->dir);
	snprintf(r->conf.tasd.log, sizeof(r->conf.tasd.log), "%s/log", r->dir);
	*state = r;
	return 0;
}

static int rig_down(void **state)
{
	struct rig *r = *state;
	char command[80];

	snprintf(command, sizeof(command), "rm -rf %s", r->dir);
	assert_int_equal(system(command), 0);
	free(r);
	return 0;
}

static void obey(struct tas_daemon *d, int in, int out)
{
	struct pollfd p = { .fd = d->signal_fd, .events = POLLIN };
	char letter, answer;

	while (read(in, &letter, 1) == 1 && letter != 'e') {
		if (letter == 'f') {
			tas_log(TAS_LOG_ERROR, "no such device; plug it in");
			_exit(1);
		}
		if (letter == 'd')
			raise(SIGKILL);
		if (letter == 'r')
			daemon_ready(d);
		poll(&p, 1, letter == 's' ? WAIT_MS : 0);
		answer = letter == 's' ? (char)daemon_signal(d) : letter;
		if (write(out, &answer, 1) != 1)
			break;
	}
}

static _Noreturn void be_tasd(const struct tas_conf *conf, bool foreground, int in, int out)
{
	struct tas_daemon d;
	pid_t self;
	int result = daemon_start(&d, conf, foreground);

	self = result == 0 ? getpid() : -1;
	if (write(out, &self, sizeof(self)) == sizeof(self) && result == 0)
		obey(&d, in, out);
	daemon_end(&d);
	_exit(result == 0 ? 0 : 1);
}

static void read_bytes(int fd, void *to, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(read(fd, to, size), size);
}

static struct run start(const struct tas_conf *conf, bool foreground)
{
	struct run run = { 0 };
	int in[2], out[2], err[2];

	assert_int_equal(pipe2(in, O_CLOEXEC) | pipe2(out, O_CLOEXEC) | pipe2(err, O_CLOEXEC), 0);
	run.launcher = fork();
	assert_true(run.launcher >= 0);
	if (run.launcher == 0) {
		close(in[1]);
		close(out[0]);
		dup2(err[1], STDERR_FILENO);
		close(err[1]);
		be_tasd(conf, foreground, in[0], out[1]);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	run.say = in[1];
	run.hear = out[0];
	run.err = err[0];
	read_bytes(run.hear, &run.daemon, sizeof(run.daemon));
	return run;
}

static void say(struct run *run, char letter) { assert_int_equal(write(run->say, &letter, 1), 1); }

static char ask(struct run *run, char letter)
{
	char answer;

	say(run, letter);
	read_bytes(run->hear, &answer, 1);
	return answer;
}

/* Waits for this child of ours; its exit status, or minus the signal that ended it. */
static int end_of(pid_t pid)
{
	int status;

	for (int ms = 0; ms < WAIT_MS; ms++) {
		if (waitpid(pid, &status, WNOHANG) == pid)
			return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
		usleep(1000);
	}
	fail_msg("process %d does not end", pid);
	return 0;
}

static bool is_running(pid_t pid)
{
	siginfo_t info = { 0 };

	assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
	return info.si_pid == 0;
}

/* What it said on standard error, once nobody has that open any more. */
static const char *said(struct run *run)
{
	size_t n = 0;
	ssize_t got;

	while ((got = read(run->err, run->text + n, sizeof(run->text) - 1 - n)) > 0)
		n += (size_t)got;
	run->text[n] = '\0';
	return run->text;
}

static void drop(struct run *run)
{
	close(run->say);
	close(run->hear);
	close(run->err);
}

static void end(struct run *run)
{
	say(run, 'e');
	assert_int_equal(end_of(run->daemon), 0);
	drop(run);
}

static struct run start_ready(const struct tas_conf *conf)
{
	struct run run = start(conf, false);

	if (run.daemon < 0)
		fail_msg("%s", said(&run));
	assert_int_equal(ask(&run, 'r'), 'r');
	assert_int_equal(end_of(run.launcher), 0);
	return run;
}

/* The start fails with status 1 and this message. */
static void refused(const struct tas_conf *conf, const char *message, const char *remedy)
{
	struct run run = start(conf, false);

	assert_int_equal(run.daemon, -1);
	assert_int_equal(end_of(run.launcher), 1);
	if (strstr(said(&run), message) == NULL || strstr(run.text, remedy) == NULL)
		fail_msg("\"%s\" and \"%s\" are not in: %s", message, remedy, run.text);
	assert_ptr_equal(strchr(run.text, '\n'), run.text + strlen(run.text) - 1); /* one line */
	drop(&run);
}

static pid_t pid_in_file(const struct rig *r, const char *instance)
{
	char path[128];
	int pid = -1;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pid", r->conf.tasd.run_dir, instance);
	f = fopen(path, "r");
	if (f != NULL) {
		if (fscanf(f, "%d", &pid) != 1)
			pid = 0;
		fclose(f);
	}
	return pid;
}

static void the_launcher_ends_well_only_when_tasd_is_ready(void **state)
{
	struct rig *r = *state;
	struct run run = start(&r->conf, false);

	usleep(50000);
	assert_true(is_running(run.launcher));
	assert_int_not_equal(run.daemon, run.launcher);
	assert_int_equal(pid_in_file(r, "default"), run.daemon);
	assert_int_equal(ask(&run, 'r'), 'r');
	assert_int_equal(end_of(run.launcher), 0);
	assert_true(is_running(run.daemon));
	assert_string_equal(said(&run), ""); /* returns: the daemon let go of standard error */
	assert_int_equal(getsid(run.daemon), run.daemon);
	end(&run);
	assert_int_equal(pid_in_file(r, "default"), -1);
}

static void a_start_that_fails_says_why_and_fails(void **state)
{
	struct rig *r = *state;
	struct run run = start(&r->conf, false);

	say(&run, 'f');
	assert_int_equal(end_of(run.launcher), 1);
	assert_string_equal(said(&run), "tasd: error: no such device; plug it in\n");
	drop(&run);
}

static void a_start_that_dies_is_reported_by_the_launcher(void **state)
{
	struct rig *r = *state;
	struct run run = start(&r->conf, false);

	say(&run, 'd');
	assert_int_equal(end_of(run.launcher), 1);
	assert_non_null(strstr(said(&run), "ended by signal 9 (Killed) before it was ready"));
	drop(&run);
	run = start(&r->conf, false);
	say(&run, 'e');
	assert_int_equal(end_of(run.launcher), 1);
	assert_non_null(strstr(said(&run), "ended before it was ready"));
	drop(&run);
}

static void who_gives_up_waiting_takes_the_half_started_daemon_along(void **state)
{
	struct rig *r = *state;
	struct run run = start(&r->conf, false);

	kill(run.launcher, SIGINT);
	assert_int_equal(end_of(run.launcher), -SIGINT);
	assert_int_equal(end_of(run.daemon), -SIGKILL);
	drop(&run);
	run = start_ready(&r->conf);
	end(&run);
}

static int oom_score_adj(pid_t pid)
{
	char path[64];
	int adj = 9999;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/oom_score_adj", pid);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &adj), 1);
	fclose(f);
	return adj;
}

static bool may_be_spared(void)
{
	int fd = open("/proc/self/oom_score_adj", O_RDWR), before = oom_score_adj(getpid());
	bool may = fd >= 0 && write(fd, "-900", 4) == 4;
	char text[16];

	if (may)
		may = pwrite(fd, text, (size_t)sprintf(text, "%d", before), 0) > 0;
	if (fd >= 0)
		close(fd);
	return may;
}

static void when_memory_runs_out_others_go_first(void **state)
{
	struct rig *r = *state;
	struct run run;

	if (!may_be_spared())
		skip();
	run = start_ready(&r->conf);
	assert_int_equal(oom_score_adj(run.daemon), -900);
	end(&run);
}

static void an_instance_runs_once_and_its_pid_is_named(void **state)
{
	struct rig *r = *state;
	struct run run = start_ready(&r->conf), other;
	char remedy[64];

	snprintf(remedy, sizeof(remedy), "kill %d, or set [tasd] instance", run.daemon);
	refused(&r->conf, "instance \"default\" is already running", remedy);
	assert_int_equal(pid_in_file(r, "default"), run.daemon);
	strcpy(r->conf.tasd.instance, "two");
	other = start_ready(&r->conf);
	assert_int_equal(pid_in_file(r, "two"), other.daemon);
	end(&other);
	end(&run);
}

static void nothing_that_a_crash_leaves_stops_the_next_start(void **state)
{
	struct rig *r = *state;
	struct run run = start_ready(&r->conf);

	kill(run.daemon, SIGKILL);
	assert_int_equal(end_of(run.daemon), -SIGKILL);
	assert_int_equal(pid_in_file(r, "default"), run.daemon); /* it is still there */
	drop(&run);
	run = start_ready(&r->conf);
	end(&run);
}

static void a_pid_file_with_anything_in_it_stops_nothing(void **state)
{
	struct rig *r = *state;
	static const char *const contents[] = { "1\n", "", "no number", "99999999999999999999", "-1" };
	char path[128];

	assert_int_equal(mkdir(r->conf.tasd.run_dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/default.pid", r->conf.tasd.run_dir);
	for (unsigned i = 0; i < ARRAY_LEN(contents); i++) {
		FILE *f = fopen(path, "w");
		struct run run;

		fputs(contents[i], f);
		fclose(f);
		run = start_ready(&r->conf);
		assert_int_equal(pid_in_file(r, "default"), run.daemon);
		end(&run);
	}
}

static void the_run_directory_is_made_for_all_to_look_into(void **state)
{
	struct rig *r = *state;
	mode_t mask = umask(077);
	struct run run = start_ready(&r->conf);
	struct stat st;

	umask(mask);
	assert_int_equal(stat(r->conf.tasd.run_dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	end(&run);
}

static void a_run_directory_that_will_not_do_is_named_with_the_remedy(void **state)
{
	struct rig *r = *state;
	char *dir = r->conf.tasd.run_dir;
	FILE *f;

	snprintf(dir, sizeof(r->conf.tasd.run_dir), "%s/a/b", r->dir);
	refused(&r->conf, "/a/b: No such file or directory", "make the one above it");
	snprintf(dir, sizeof(r->conf.tasd.run_dir), "%s/file", r->dir);
	f = fopen(dir, "w");
	fclose(f);
	refused(&r->conf, "/file is not a directory", "[tasd] run_dir");
	snprintf(dir, sizeof(r->conf.tasd.run_dir), "%s/open", r->dir);
	mkdir(dir, 0700);
	chmod(dir, 01777);
	refused(&r->conf, "every user may write to the run directory", "chmod o-w");
}

static void without_the_right_to_write_the_remedy_is_root_or_another_directory(void **state)
{
	struct rig *r = *state;

	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(r->dir, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	refused(&r->conf, "cannot make the run directory", "start tasd as root, or set [tasd] run_dir");
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(mkdir(r->conf.tasd.run_dir, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	refused(&r->conf, "default.pid: Permission denied", "start tasd as root, or set [tasd] run_dir");
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(chown(r->conf.tasd.run_dir, 65534, 65534), 0);
	refused(&r->conf, "belongs to user 65534", "chown it");
}

static void a_log_that_cannot_be_opened_stops_the_start(void **state)
{
	struct rig *r = *state;

	snprintf(r->conf.tasd.log, sizeof(r->conf.tasd.log), "%s/no/log", r->dir);
	refused(&r->conf, "cannot open the log file", "[tasd] log");
	assert_int_equal(pid_in_file(r, "default"), -1);
}

static void signals_arrive_in_the_loop_as_what_they_mean(void **state)
{
	static const struct {
		int signal;
		enum daemon_signal meaning;
	} signals[] = { { SIGHUP, DAEMON_REOPEN_LOG }, { SIGTERM, DAEMON_STOP }, { SIGINT, DAEMON_STOP } };
	struct rig *r = *state;
	struct run run = start_ready(&r->conf);

	for (unsigned i = 0; i < ARRAY_LEN(signals); i++) {
		kill(run.daemon, signals[i].signal);
		assert_int_equal(ask(&run, 's'), signals[i].meaning);
	}
	kill(run.daemon, SIGPIPE);
	assert_int_equal(ask(&run, 'x'), 'x'); /* it lives */
	end(&run);
}

static void in_the_foreground_it_is_the_process_that_was_started(void **state)
{
	struct rig *r = *state;
	struct run run;

	strcpy(r->conf.tasd.log, "stderr");
	run = start(&r->conf, true);
	assert_int_equal(run.daemon, run.launcher);
	assert_int_equal(ask(&run, 'r'), 'r');
	say(&run, 'f');
	assert_int_equal(end_of(run.daemon), 1);
	assert_non_null(strstr(said(&run), "Z tasd: error: no such device; plug it in\n"));
	drop(&run);
}

static void a_service_manager_that_asks_is_told(void **state)
{
	struct rig *r = *state;
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[64] = "", expected[64];
	struct run run;

	snprintf(at.sun_path, sizeof(at.sun_path), "%s/notify", r->dir);
	assert_int_equal(bind(fd, (void *)&at, sizeof(at)), 0);
	setenv("NOTIFY_SOCKET", at.sun_path, 1);
	run = start_ready(&r->conf);
	unsetenv("NOTIFY_SOCKET");
	assert_true(recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT) > 0);
	snprintf(expected, sizeof(expected), "READY=1\nMAINPID=%d\n", run.daemon);
	assert_string_equal(text, expected);
	close(fd);
	end(&run);
}

static void without_standard_descriptors_nothing_takes_their_place(void **state)
{
	struct rig *r = *state;
	pid_t pid = fork();

	if (pid == 0) {
		struct tas_daemon d;
		int result;

		for (int fd = 0; fd <= 2; fd++)
			close(fd);
		result = daemon_start(&d, &r->conf, true);
		_exit(result == 0 && d.signal_fd > 2 ? 0 : 1);
	}
	assert_int_equal(end_of(pid), 0);
}

static void the_group_of_the_socket_is_found_or_missed_by_name(void **state)
{
	struct rig *r = *state;
	struct group *g = getgrgid(0);
	gid_t gid = 7;

	assert_int_equal(daemon_socket_group(&r->conf, &gid), 0);
	assert_true(gid == (gid_t)-1);
	strcpy(r->conf.tasd.socket_group, g->gr_name);
	assert_int_equal(daemon_socket_group(&r->conf, &gid), 0);
	assert_int_equal(gid, 0);
	strcpy(r->conf.tasd.socket_group, "tas-no-such-group");
	assert_int_equal(daemon_socket_group(&r->conf, &gid), -1);
}

#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_up, rig_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(the_launcher_ends_well_only_when_tasd_is_ready),
		RIG_TEST(a_start_that_fails_says_why_and_fails),
		RIG_TEST(a_start_that_dies_is_reported_by_the_launcher),
		RIG_TEST(when_memory_runs_out_others_go_first),
		RIG_TEST(who_gives_up_waiting_takes_the_half_started_daemon_along),
		RIG_TEST(an_instance_runs_once_and_its_pid_is_named),
		RIG_TEST(nothing_that_a_crash_leaves_stops_the_next_start),
		RIG_TEST(a_pid_file_with_anything_in_it_stops_nothing),
		RIG_TEST(the_run_directory_is_made_for_all_to_look_into),
		RIG_TEST(a_run_directory_that_will_not_do_is_named_with_the_remedy),
		RIG_TEST(without_the_right_to_write_the_remedy_is_root_or_another_directory),
		RIG_TEST(a_log_that_cannot_be_opened_stops_the_start),
		RIG_TEST(signals_arrive_in_the_loop_as_what_they_mean),
		RIG_TEST(in_the_foreground_it_is_the_process_that_was_started),
		RIG_TEST(a_service_manager_that_asks_is_told),
		RIG_TEST(without_standard_descriptors_nothing_takes_their_place),
		RIG_TEST(the_group_of_the_socket_is_found_or_missed_by_name),
	};

	/* a shell ignores it for what it runs in the background */
	signal(SIGINT, SIG_DFL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
