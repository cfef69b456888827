/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_rig.h - a control server over app_rig.h, and processes that come to it: each a fork of the test that
 * speaks the raw protocol and says by its exit code whether all went as it should. */
#ifndef TAS_TESTS_CTL_RIG_H
#define TAS_TESTS_CTL_RIG_H

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "slowpath/ctl.h"
#include "slowpath/log.h"
#include "slowpath/wake.h"
#include "tests/unit/app_rig.h"

struct ctl_rig {
	struct app_rig *r;
	struct wake wake;
	struct ctl *ctl;
	char dir[64], path[CTL_PATH_MAX];
};

/* --- the server --- */

static inline struct ctl_conf ctl_rig_conf(const struct ctl_rig *c)
{
	return (struct ctl_conf){
		.path = c->path,
		.mode = 0666,
		.gid = (gid_t)-1,
		.apps = &c->r->apps,
		.query = { .fp = &c->r->fp, .apps = &c->r->apps, .conf = &c->r->conf, .started = c->r->now },
	};
}

static inline void ctl_rig_start(struct ctl_rig *c)
{
	struct ctl_conf cc = ctl_rig_conf(c);
	char err[256] = "";

	if (ctl_start(&c->ctl, &cc, err, sizeof(err)) != 0)
		fail_msg("%s", err);
}

static inline struct ctl_rig *ctl_rig_new(void)
{
	static struct ctl_rig c;
	struct app_rim rim;

	memset(&c, 0, sizeof(c));
	assert_int_equal(wake_init(&c.wake, RIG_CORES), 0);
	wake_app_rim(&c.wake, &rim);
	c.r = rig_new_with(&rim);
	strcpy(c.dir, "/tmp/tas-test-XXXXXX");
	assert_non_null(mkdtemp(c.dir));
	assert_int_equal(chmod(c.dir, 0755), 0);
	snprintf(c.path, sizeof(c.path), "%s/rig.sock", c.dir);
	ctl_rig_start(&c);
	return &c;
}

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83
#endif

/* As with a kernel that lets clients send us descriptors: clients from here on. */
static inline void ctl_rig_takes_descriptors(const struct ctl_rig *c)
{
	for (int fd = 0, on = 1; fd < 4096; fd++) {
		struct sockaddr_un addr = { 0 };
		socklen_t len = sizeof(addr);

		if (getsockname(fd, (struct sockaddr *)&addr, &len) == 0 &&
			strcmp(addr.sun_path, c->path) == 0)
			setsockopt(fd, SOL_SOCKET, SO_PASSRIGHTS, &on, sizeof(on));
	}
}

static inline void ctl_rig_end(struct ctl_rig *c)
{
	ctl_stop(c->ctl);
	rig_end(c->r);
	wake_fini(&c->wake);
	rmdir(c->dir);
}

/* A pass of everything: the slow path's loop in one step. */
static inline unsigned ctl_rig_pass(struct ctl_rig *c)
{
	struct pollfd p = { .fd = ctl_fd(c->ctl), .events = POLLIN };
	unsigned n;

	poll(&p, 1, 1);
	n = ctl_poll(c->ctl, c->r->now);
	return n + rig_pass(c->r);
}

/* Until it holds; a minute of passes without it is a failure. */
#define ctl_rig_until(c, condition)                                \
	do {                                                       \
		for (int left_ = 60000; !(condition); left_--) {   \
			if (left_ == 0)                            \
				fail_msg("never: %s", #condition); \
			ctl_rig_pass(c);                           \
		}                                                  \
	} while (0)

static inline bool all_gone(const struct ctl_rig *c)
{
	return c->r->apps.nr_free == c->r->conf.memory.apps_max && ctl_stats(c->ctl).clients == 0 &&
		ctl_stats(c->ctl).holds == 0 && c->r->apps.holds.nr_refs == 0;
}

static inline uint32_t nr_live(const struct ctl_rig *c) { return c->r->apps.nr_live; }

static inline int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 4096; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

/* A group set-up: offenders are named in the log by the dozen. */
static inline int ctl_rig_start_group(void **state)
{
	log_open("/dev/null", TAS_LOG_WARNING, "test");
	return eal_rig_start(state);
}

/* --- a client process --- */

#define CLIENT_EXPECT(condition)                                                                         \
	do {                                                                                             \
		if (!(condition)) {                                                                      \
			dprintf(2, "client: line %d: %s (%s)\n", __LINE__, #condition, strerror(errno)); \
			_exit(1);                                                                        \
		}                                                                                        \
	} while (0)

typedef void client_main(struct ctl_rig *c, int arg);

static inline pid_t client_start(struct ctl_rig *c, client_main *run, int arg)
{
	pid_t pid = fork();

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close_range(3, ~0u, 0);
		for (int s = 1; s < 32; s++)
			signal(s, SIG_DFL);
		run(c, arg);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

/* Serves until it has ended. */
static inline int client_status(struct ctl_rig *c, pid_t pid)
{
	int status;

	ctl_rig_until(c, waitpid(pid, &status, WNOHANG) == pid);
	return status;
}

static inline void client_ends_well(struct ctl_rig *c, pid_t pid)
{
	int status = client_status(c, pid);

	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static inline void client_run(struct ctl_rig *c, client_main *run, int arg)
{
	client_ends_well(c, client_start(c, run, arg));
}

static inline int client_connect(const struct ctl_rig *c)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);

	strcpy(addr.sun_path, c->path);
	CLIENT_EXPECT(connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return fd;
}

static inline ssize_t client_send_fd(int fd, const void *bytes, size_t len, int pass)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .align = { .cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(sizeof(int)) } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (pass >= 0) {
		memcpy(CMSG_DATA(&control.align), &pass, sizeof(pass));
		h.msg_control = &control;
		h.msg_controllen = sizeof(control);
	}
	return sendmsg(fd, &h, MSG_NOSIGNAL);
}

struct client_fds {
	unsigned n;
	int fd[80];
};

/* 0: the other side hung up. */
static inline ssize_t client_recv(int fd, struct ctl_msg *m, struct client_fds *fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(80 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cm = n > 0 ? CMSG_FIRSTHDR(&h) : NULL;

	if (fds != NULL) {
		fds->n = cm != NULL ? (unsigned)((cm->cmsg_len - CMSG_LEN(0)) / sizeof(int)) : 0;
		if (fds->n > 0)
			memcpy(fds->fd, CMSG_DATA(cm), fds->n * sizeof(int));
	}
	return n;
}

/* A request and its answer; returns the status. */
static inline int client_ask_fd(int fd, struct ctl_msg *m, int pass, struct client_fds *fds)
{
	static uint32_t sequence;
	uint16_t type = m->type;

	m->sequence = ++sequence;
	CLIENT_EXPECT(client_send_fd(fd, m, sizeof(*m), pass) == sizeof(*m));
	CLIENT_EXPECT(client_recv(fd, m, fds) == sizeof(*m));
	CLIENT_EXPECT(m->type == type && m->sequence == sequence);
	return m->status;
}

static inline int client_ask(int fd, struct ctl_msg *m) { return client_ask_fd(fd, m, -1, NULL); }

struct client {
	int fd;
	char *base;
	struct abi_header *header;
	struct client_fds core; /* eventfds */
	int memfd;
};

static inline void client_hello(const struct ctl_rig *c, struct client *l, uint64_t token)
{
	struct ctl_msg m = { .type = CTL_HELLO, .hello = rig_hello() };
	struct client_fds fds;

	l->fd = client_connect(c);
	m.hello.fork_token = token;
	CLIENT_EXPECT(client_ask_fd(l->fd, &m, -1, &fds) == 0);
	CLIENT_EXPECT(fds.n == 1 + RIG_CORES);
	l->memfd = fds.fd[0];
	l->core.n = fds.n - 1;
	memcpy(l->core.fd, fds.fd + 1, l->core.n * sizeof(int));
	l->base = mmap(NULL, m.hello.region_size, PROT_READ | PROT_WRITE, MAP_SHARED, l->memfd, 0);
	CLIENT_EXPECT(l->base != MAP_FAILED);
	madvise(l->base, m.hello.region_size, MADV_DONTFORK);
	CLIENT_EXPECT(fcntl(l->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL) == 0);
	l->header = (void *)l->base;
}

static inline struct client client_attach_as_child(const struct ctl_rig *c, uint64_t token)
{
	struct ctl_msg m = { .type = CTL_MAPPED };
	struct client l;

	client_hello(c, &l, token);
	CLIENT_EXPECT(client_ask(l.fd, &m) == 0);
	return l;
}

static inline struct client client_attach(const struct ctl_rig *c) { return client_attach_as_child(c, 0); }

/* Returns the descriptor that wakes it. */
static inline int client_context(struct client *l, uint64_t *off)
{
	struct ctl_msg m = { .type = CTL_CONTEXT };
	struct client_fds fds;

	CLIENT_EXPECT(client_ask_fd(l->fd, &m, -1, &fds) == 0);
	CLIENT_EXPECT(fds.n == 1);
	*off = m.context.off;
	return fds.fd[0];
}

static inline uint64_t client_listen(struct client *l, uint32_t cookie)
{
	struct ctl_msg m = { .type = CTL_LISTEN, .listen = { .cookie = cookie, .port = 8080 } };

	CLIENT_EXPECT(client_ask(l->fd, &m) == 0);
	return m.listen.id;
}

/* Returns the token; *child_end stays open in whoever is to keep the hold. */
static inline uint64_t client_fork(struct client *l, int *child_end)
{
	struct ctl_msg m = { .type = CTL_FORK };
	struct client_fds fds;

	CLIENT_EXPECT(client_ask_fd(l->fd, &m, -1, &fds) == 0);
	CLIENT_EXPECT(fds.n == 1);
	*child_end = fds.fd[0];
	CLIENT_EXPECT(m.fork.token != 0);
	return m.fork.token;
}

/* tasd has ended the connection. */
static inline void client_is_cut_off(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	struct ctl_msg m;

	CLIENT_EXPECT(poll(&p, 1, 60000) == 1);
	while (client_recv(fd, &m, NULL) > 0)
		;
}

static inline void client_sleeps_for_ever(void)
{
	for (;;)
		pause();
}

#endif
