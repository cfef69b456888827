/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <bsd/libutil.h>

#include "slowpath/log.h"

enum {
	PATH_CHARS_MAX = 128, /* run_dir, "/", instance, ".pid" */
	OOM_SCORE_ADJ = -900, /* -1000 would be never */
};

/* Somebody started us without standard descriptors: nothing we open next may become one of them. */
static void standard_fds_fill(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

static void say_how_it_ended(int status)
{
	if (WIFSIGNALED(status))
		tas_log(TAS_LOG_ERROR,
			"ended by signal %d (%s) before it was ready; start it with --foreground to see more",
			WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) == 0)
		tas_log(TAS_LOG_ERROR, "ended before it was ready");
}

/* The parent: waits for one byte, or for the end of the child, which has then said why. */
static _Noreturn void parent_wait(int fd, pid_t child)
{
	int status = 0;
	ssize_t n;
	char byte;

	while ((n = read(fd, &byte, 1)) < 0 && errno == EINTR)
		;
	if (n == 1)
		_exit(0);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	say_how_it_ended(status);
	_exit(1);
}

/* The child ends with the parent until it is ready: Ctrl-C while starting leaves nothing behind. */
static int child_begin(struct tas_daemon *d, int fd, pid_t parent)
{
	d->ready_fd = fd;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	return getppid() == parent ? 0 : -1;
}

static int go_to_background(struct tas_daemon *d)
{
	pid_t parent = getpid(), child;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0) {
		tas_log(TAS_LOG_ERROR, "cannot go to the background: %m");
		return -1;
	}
	child = fork();
	if (child < 0)
		tas_log(TAS_LOG_ERROR, "cannot go to the background: %m; start it with --foreground");
	if (child > 0) {
		close(fds[1]);
		parent_wait(fds[0], child);
	}
	close(fds[0]);
	if (child == 0)
		return child_begin(d, fds[1], parent);
	close(fds[1]);
	return -1;
}

/* What a stranger may write to would let him lead the pid file or the socket elsewhere. */
static int run_dir_check(const char *dir)
{
	struct stat st;

	if (stat(dir, &st) != 0)
		tas_log(TAS_LOG_ERROR, "cannot look at the run directory %s: %m; set [tasd] run_dir", dir);
	else if (!S_ISDIR(st.st_mode))
		tas_log(TAS_LOG_ERROR, "%s is not a directory; remove it or set [tasd] run_dir", dir);
	else if (st.st_uid != 0 && st.st_uid != geteuid())
		tas_log(TAS_LOG_ERROR,
			"the run directory %s belongs to user %u; chown it or set [tasd] run_dir", dir,
			st.st_uid);
	else if (st.st_mode & S_IWOTH)
		tas_log(TAS_LOG_ERROR,
			"every user may write to the run directory %s; chmod o-w it or set [tasd] run_dir",
			dir);
	else
		return 0;
	return -1;
}

static int run_dir_make(const char *dir)
{
	mode_t mask = umask(022);
	int made = mkdir(dir, 0755), error = errno;

	umask(mask);
	if (made == 0 || error == EEXIST)
		return run_dir_check(dir);
	errno = error;
	tas_log(TAS_LOG_ERROR, "cannot make the run directory %s: %m; %s, or set [tasd] run_dir", dir,
		error == ENOENT ? "make the one above it" : "start tasd as root");
	return -1;
}

static void say_who_runs(const char *instance, pid_t pid)
{
	static const char remedy[] = "or set [tasd] instance to another name";

	if (pid > 0)
		tas_log(TAS_LOG_ERROR, "instance \"%s\" is already running; stop it with kill %d, %s",
			instance, pid, remedy);
	else
		tas_log(TAS_LOG_ERROR, "instance \"%s\" is just starting; wait for it, %s", instance, remedy);
}

/* The lock lives as long as the open file does: it ends with the process, however that ends. */
static int name_take(struct tas_daemon *d, const struct conf_tasd *conf)
{
	char path[PATH_CHARS_MAX];
	pid_t other = -1;

	snprintf(path, sizeof(path), "%s/%s.pid", conf->run_dir, conf->instance);
	d->pid_file = pidfile_open(path, 0644, &other);
	if (d->pid_file == NULL && (errno == EEXIST || errno == EINVAL))
		say_who_runs(conf->instance, other);
	else if (d->pid_file == NULL)
		tas_log(TAS_LOG_ERROR,
			"cannot open the pid file %s: %m; start tasd as root, or set [tasd] run_dir", path);
	else if (pidfile_write(d->pid_file) == 0)
		return 0;
	else
		tas_log(TAS_LOG_ERROR,
			"cannot write the pid file %s: %m; make room there, or set [tasd] run_dir", path);
	return -1;
}

/* In the background nobody reads standard error. */
static int log_begin(const struct tas_daemon *d, const struct conf_tasd *conf)
{
	bool to_nobody = !d->foreground && strcmp(conf->log, "stderr") == 0;

	if (!log_open(to_nobody ? "syslog" : conf->log, conf->log_level, conf->instance))
		return -1;
	log_echo(true);
	return 0;
}

/* Blocked before there are threads, so that every thread inherits it and only the loop sees a signal. */
static int signals_take(struct tas_daemon *d)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL) == 0)
		d->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (d->signal_fd >= 0)
		return 0;
	tas_log(TAS_LOG_ERROR, "cannot take signals: %m");
	return -1;
}

int daemon_start(struct tas_daemon *d, const struct tas_conf *conf, bool foreground)
{
	*d = (struct tas_daemon){ .ready_fd = -1, .signal_fd = -1, .foreground = foreground };
	d->has_terminal = foreground && isatty(STDIN_FILENO);
	standard_fds_fill();
	if (!foreground && go_to_background(d) != 0)
		return -1;
	if (run_dir_make(conf->tasd.run_dir) != 0 || name_take(d, &conf->tasd) != 0)
		return -1;
	return log_begin(d, &conf->tasd) == 0 && signals_take(d) == 0 ? 0 : -1;
}

/* sd_notify(3): one datagram to the address in NOTIFY_SOCKET, "@" for an abstract one. */
static void tell_service_manager(void)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	char text[48];
	int fd;

	if (len == 0 || len >= sizeof(to.sun_path))
		return;
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0';
	snprintf(text, sizeof(text), "READY=1\nMAINPID=%d\n", getpid());
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 ||
		sendto(fd, text, strlen(text), 0, (void *)&to,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		tas_log(TAS_LOG_WARNING, "cannot tell the service manager at %s: %m", path);
	if (fd >= 0)
		close(fd);
}

/* A session and descriptors of our own; whoever started us may close the terminal. */
static void leave_terminal(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	fflush(NULL);
	setsid();
	if (chdir("/") != 0)
		tas_log(TAS_LOG_WARNING, "cannot change to /: %m");
	for (int to = 0; fd >= 0 && to <= STDERR_FILENO; to++)
		dup2(fd, to);
	if (fd > STDERR_FILENO)
		close(fd);
}

/* Its end is the end of every connection of every application, and what it holds is bounded: of those who ask
 * for more memory than there is the kernel takes another. Whoever started it may have asked for more yet. */
static void spare_from_oom(void)
{
	char text[16] = "";
	int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);

	if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && atoi(text) > OOM_SCORE_ADJ) {
		int n = snprintf(text, sizeof(text), "%d", OOM_SCORE_ADJ);

		if (pwrite(fd, text, (size_t)n, 0) != n)
			tas_log(TAS_LOG_INFO, "cannot be spared when memory runs out: %m");
	}
	if (fd >= 0)
		close(fd);
}

void daemon_ready(struct tas_daemon *d)
{
	spare_from_oom();
	log_echo(false);
	if (!d->foreground) {
		leave_terminal();
		prctl(PR_SET_PDEATHSIG, 0);
		if (write(d->ready_fd, "", 1) != 1)
			tas_log(TAS_LOG_WARNING, "whoever started tasd did not wait for it");
		close(d->ready_fd);
		d->ready_fd = -1;
	}
	tell_service_manager();
}

enum daemon_signal daemon_signal(struct tas_daemon *d)
{
	struct signalfd_siginfo info;

	if (read(d->signal_fd, &info, sizeof(info)) != sizeof(info))
		return DAEMON_NONE;
	if (info.ssi_signo == SIGHUP && !d->has_terminal)
		return DAEMON_REOPEN_LOG;
	tas_log(TAS_LOG_INFO, "%s from pid %u: ending", strsignal((int)info.ssi_signo), info.ssi_pid);
	return DAEMON_STOP;
}

void daemon_end(struct tas_daemon *d)
{
	if (d->pid_file != NULL)
		pidfile_remove(d->pid_file);
	if (d->signal_fd > 0)
		close(d->signal_fd);
	if (d->ready_fd > 0)
		close(d->ready_fd);
	*d = (struct tas_daemon){ .ready_fd = -1, .signal_fd = -1 };
	log_close();
}

int daemon_socket_group(const struct tas_conf *conf, gid_t *gid)
{
	const char *name = conf->tasd.socket_group;
	struct group *g;

	*gid = (gid_t)-1;
	if (name[0] == '\0')
		return 0;
	g = getgrnam(name);
	if (g == NULL) {
		tas_log(TAS_LOG_ERROR,
			"there is no group \"%s\"; make it with groupadd, or set [tasd] socket_group", name);
		return -1;
	}
	*gid = g->gr_gid;
	return 0;
}
