/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/ctl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bsd/stdlib.h>
#include <bsd/string.h>
#include <bsd/sys/queue.h>

#include "include/base/assert.h"
#include "include/base/log.h"
#include "slowpath/ctl_cred.h"
#include "slowpath/ctl_int.h"
#include "slowpath/ctl_io.h"

enum {
	EVENTS_BURST = 64, /* descriptors looked at in one call */
	ACCEPT_BURST = 16,
	/* descriptors */
	FILES_OWN = 256,
	FILES_APP = 4, /* its socket, its process, its region until it mapped it, and one to spare */
	FILES_NEWCOMER = 2,
};

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77 /* Linux 6.5 */
#endif

/* --- clients come and go --- */

int ctl_watch(struct ctl *c, int fd, uint32_t events, struct watch *w)
{
	struct epoll_event e = { .events = events, .data.ptr = w };

	return epoll_ctl(c->epfd, EPOLL_CTL_ADD, fd, &e) == 0 ? 0 : -errno;
}

static void newcomer_add(struct ctl *c, struct client *l)
{
	l->deadline = c->now + CTL_PATIENCE;
	TAILQ_INSERT_TAIL(&c->newcomers, l, link);
}

static void list_leave(struct ctl *c, struct client *l)
{
	if (l->deadline == TAS_NS_NEVER) {
		TAILQ_REMOVE(&c->attached, l, link);
	} else {
		TAILQ_REMOVE(&c->newcomers, l, link);
		users_give(&c->apps->users, l->rq.who.uid, SHARE_NEWCOMERS, 1);
	}
}

void client_attached(struct ctl *c, struct client *l)
{
	list_leave(c, l);
	c->by_app[l->rq.app] = l;
	l->deadline = TAS_NS_NEVER;
	TAILQ_INSERT_TAIL(&c->attached, l, link);
}

void client_progress(struct ctl *c, struct client *l)
{
	if (l->deadline != TAS_NS_NEVER) {
		TAILQ_REMOVE(&c->newcomers, l, link);
		newcomer_add(c, l);
	}
}

/* Not left to close(): whoever forked has the descriptor, too, and it would stay in the set. */
void ctl_unwatch(struct ctl *c, int fd) { epoll_ctl(c->epfd, EPOLL_CTL_DEL, fd, NULL); }

struct closing {
	struct undertaker_job job;
	int fd;
};

static void close_apart(struct undertaker_job *job) { close(((struct closing *)job)->fd); }

void ctl_close(struct ctl *c, int fd)
{
	struct closing *g;

	if (ctl_io_close(fd))
		return;
	if (c->closers == NULL)
		c->closers = undertaker_new(CTL_CLOSERS_MAX, 0);
	g = c->closers != NULL ? malloc(sizeof(*g)) : NULL;
	if (g == NULL) { /* rather one descriptor fewer than a service that stands still */
		tas_log(TAS_LOG_WARNING, "descriptor %d of an offender stays open: out of memory", fd);
		return;
	}
	*g = (struct closing){ .job.work = close_apart, .fd = fd };
	undertaker_add(c->closers, &g->job);
	c->stats.closing++;
}

static void closed_collect(struct ctl *c)
{
	struct undertaker_job *job;

	while (c->closers != NULL && (job = undertaker_done(c->closers)) != NULL) {
		free(job);
		c->stats.closing--;
	}
}

/* Its memory stays until the end of the call: later events may point to it. */
void client_end(struct ctl *c, struct client *l)
{
	if (l->dead)
		return;
	l->dead = true;
	query_leave(c, l);
	if (l->deadline == TAS_NS_NEVER)
		c->by_app[l->rq.app] = NULL;
	list_leave(c, l);
	request_client_end(c->apps, &l->rq);
	ctl_unwatch(c, l->fd);
	ctl_close(c, l->fd);
	if (l->pidfd >= 0) {
		ctl_unwatch(c, l->pidfd);
		close(l->pidfd);
	}
	c->stats.clients--;
	TAILQ_INSERT_TAIL(&c->graveyard, l, link);
}

/* For what no honest client does. */
void client_drop(struct ctl *c, struct client *l, const char *why)
{
	c->stats.dropped++;
	tas_log_limited(&c->log, c->now, TAS_LOG_WARNING,
		"%s (pid %d, user %u) was dropped from the control socket: %s",
		l->rq.who.program[0] != '\0' ? l->rq.who.program : "a client", l->rq.who.pid, l->rq.who.uid,
		why);
	if (l->rq.stage == REQUEST_ATTACHED)
		c->apps->fp->slow->counter[CNT_APPS_CUT_OFF]++;
	client_end(c, l);
}

/* The registry cut it off, and has detached it. */
static void on_cut(void *arg, uint16_t app)
{
	struct ctl *c = arg;

	if (c->by_app[app] != NULL)
		client_end(c, c->by_app[app]);
}

/* The kernel's own answer where it has one; else by number, which was right a moment ago. */
static int pidfd_of(int fd, pid_t pid)
{
	int pidfd = -1;
	socklen_t len = sizeof(pidfd);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERPIDFD, &pidfd, &len) == 0)
		return pidfd;
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	return pidfd >= 0 ? pidfd : -errno;
}

static bool who_take(int fd, struct app_who *who)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return false;
	*who = (struct app_who){ .pid = cred.pid, .uid = cred.uid, .gid = cred.gid };
	return true;
}

/* A process of another pid namespace has no number here; its end is then seen by its socket alone. */
static int client_watch(struct ctl *c, struct client *l)
{
	int error = ctl_watch(c, l->fd, EPOLLIN | EPOLLRDHUP, &l->socket);

	l->rq.who.unprivileged = true;
	if (error != 0 || l->rq.who.pid <= 0)
		return error;
	l->pidfd = pidfd_of(l->fd, l->rq.who.pid);
	l->rq.who.unprivileged = !ctl_cred_may_bind_low(l->rq.who.pid, l->pidfd);
	return l->pidfd < 0 ? l->pidfd : ctl_watch(c, l->pidfd, EPOLLIN, &l->process);
}

static bool client_new(struct ctl *c, int fd)
{
	struct client *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return false;
	*l = (struct client){ .fd = fd, .pidfd = -1, .rq = { .app = APP_NONE } };
	l->socket = (struct watch){ .kind = WATCH_CLIENT, .of = l };
	l->process = (struct watch){ .kind = WATCH_PROCESS, .of = l };
	ctl_io_prepare(fd);
	if (!who_take(fd, &l->rq.who) || !users_take(&c->apps->users, l->rq.who.uid, SHARE_NEWCOMERS, 1)) {
		free(l);
		return false;
	}
	if (client_watch(c, l) != 0) {
		users_give(&c->apps->users, l->rq.who.uid, SHARE_NEWCOMERS, 1);
		ctl_unwatch(c, fd);
		if (l->pidfd >= 0)
			close(l->pidfd);
		free(l);
		return false;
	}
	cost_spend(&c->apps->cost, l->rq.who.uid, COST_ENTER);
	newcomer_add(c, l);
	c->stats.accepted++;
	c->stats.clients++;
	return true;
}

static void turn_away(struct ctl *c, int fd, const char *why)
{
	ctl_close(c, fd);
	c->stats.turned_away++;
	tas_log_limited(&c->log, c->now, TAS_LOG_WARNING,
		"a process was turned away from the control socket: %s", why);
}

/* Descriptors ran out: whoever waits would wait for ever, and the socket stay readable for ever. */
static void turn_away_next(struct ctl *c)
{
	int fd;

	close(c->spare);
	fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0)
		turn_away(c, fd, "no descriptors left; raise tasd's limit of open files");
	c->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void accept_some(struct ctl *c)
{
	for (unsigned i = 0; i < ACCEPT_BURST && c->apps->cost.left > 0; i++) {
		int fd = accept4(c->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			if (!client_new(c, fd))
				turn_away(c, fd, "too many newcomers, or no memory or descriptors");
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			turn_away_next(c);
		} else if (errno != ECONNABORTED && errno != EINTR) {
			return;
		}
	}
}

/* --- the server --- */

static void dispatch(struct ctl *c, const struct watch *w, uint32_t events)
{
	struct client *l = w->of;

	switch (w->kind) {
	case WATCH_LISTENER: accept_some(c); break;
	case WATCH_HOLD: hold_event(c, w->of, events); break;
	case WATCH_PROCESS: client_end(c, l); break;
	case WATCH_CLIENT:
		if (!l->dead)
			client_event(c, l, events);
		break;
	}
}

static unsigned newcomers_expire(struct ctl *c)
{
	struct client *l;
	unsigned n = 0;

	while ((l = TAILQ_FIRST(&c->newcomers)) != NULL && l->deadline <= c->now) {
		client_drop(c, l, "it neither attached nor took its answer in time");
		n++;
	}
	return n;
}

static void bury(struct ctl *c)
{
	struct client *l;
	struct ctl_hold *h;

	while ((l = TAILQ_FIRST(&c->graveyard)) != NULL) {
		TAILQ_REMOVE(&c->graveyard, l, link);
		free(l);
	}
	while ((h = TAILQ_FIRST(&c->holds_graveyard)) != NULL) {
		TAILQ_REMOVE(&c->holds_graveyard, h, link);
		free(h);
	}
}

/* One by one, for the kernel puts who was looked at behind the others: if the pass is spent before all had
 * their turn, the next begins with those that had none. */
static unsigned events_poll(struct ctl *c)
{
	struct epoll_event e;
	unsigned n = 0;

	for (c->turn++; n < EVENTS_BURST && c->apps->cost.left > 0; n++) {
		struct watch *w;

		if (epoll_wait(c->epfd, &e, 1, 0) != 1)
			break;
		w = e.data.ptr;
		if (w->turn == c->turn)
			break;
		w->turn = c->turn;
		dispatch(c, w, e.events);
	}
	return n;
}

unsigned ctl_poll(struct ctl *c, tas_ns now)
{
	unsigned n;

	c->now = now;
	cost_begin(&c->apps->cost);
	n = events_poll(c);
	queries_poll(c);
	n += newcomers_expire(c);
	bury(c);
	closed_collect(c);
	return n;
}

tas_ns ctl_deadline(const struct ctl *c)
{
	const struct client *first = TAILQ_FIRST(&c->newcomers);
	tas_ns patience = first != NULL ? first->deadline : TAS_NS_NEVER;

	return TAILQ_EMPTY(&c->askers) ? patience : min_u64(patience, c->query_at);
}

int ctl_fd(const struct ctl *c) { return c->epfd; }

struct ctl_stats ctl_stats(const struct ctl *c) { return c->stats; }

void ctl_path(const struct tas_conf *conf, char *path, size_t size)
{
	snprintf(path, size, "%s/%s.sock", conf->tasd.run_dir, conf->tasd.instance);
}

/* If everything that may be there is there. */
static rlim_t open_files_most(const struct apps *as)
{
	const struct conf_memory *m = &as->conf->memory;

	return FILES_OWN + (rlim_t)m->apps_max * (FILES_APP + as->fp->conf.cores + m->app_contexts_max) +
		HOLDS_MAX + (rlim_t)CTL_NEWCOMERS_MAX * FILES_NEWCOMER;
}

/* The limit that most systems set is for programs that use select(). */
static void open_files_raise(const struct apps *as)
{
	rlim_t most = open_files_most(as);
	struct rlimit r, more;

	if (getrlimit(RLIMIT_NOFILE, &r) != 0)
		return;
	more.rlim_cur = more.rlim_max = r.rlim_max > most ? r.rlim_max : most;
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	tas_log(TAS_LOG_INFO, "may open %lu files; with all that [memory] allows it would be %lu",
		(unsigned long)r.rlim_cur, (unsigned long)most);
}

static int resources_take(struct ctl *c, const struct ctl_conf *cc, char *err, size_t err_size)
{
	c->by_app = calloc(cc->apps->conf->memory.apps_max, sizeof(struct client *));
	c->epfd = epoll_create1(EPOLL_CLOEXEC);
	c->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
	if (c->by_app == NULL || c->epfd < 0 || c->spare < 0) {
		snprintf(err, err_size, "cannot make the control socket: %s", strerror(errno));
		return -ENOMEM;
	}
	c->fd = ctl_io_listen(cc->path, cc->mode, cc->gid, err, err_size);
	if (c->fd < 0)
		return c->fd;
	strlcpy(c->path, cc->path, sizeof(c->path));
	c->listener = (struct watch){ .kind = WATCH_LISTENER };
	return ctl_watch(c, c->fd, EPOLLIN, &c->listener);
}

int ctl_start(struct ctl **out, const struct ctl_conf *cc, char *err, size_t err_size)
{
	struct ctl *c = calloc(1, sizeof(*c));
	int error;

	if (c == NULL)
		return -ENOMEM;
	*c = (struct ctl){ .fd = -1, .epfd = -1, .spare = -1, .apps = cc->apps, .source = cc->query };
	TAILQ_INIT(&c->newcomers);
	TAILQ_INIT(&c->attached);
	TAILQ_INIT(&c->askers);
	TAILQ_INIT(&c->graveyard);
	TAILQ_INIT(&c->holds);
	TAILQ_INIT(&c->holds_graveyard);
	users_limit(&c->apps->users, SHARE_NEWCOMERS, CTL_NEWCOMERS_MAX);
	open_files_raise(c->apps);
	c->apps->low_ports = ctl_cred_low_ports();
	error = resources_take(c, cc, err, err_size);
	if (error != 0) {
		ctl_stop(c);
		return error;
	}
	c->apps->cut = on_cut;
	c->apps->cut_arg = c;
	*out = c;
	return 0;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void ctl_stop(struct ctl *c)
{
	struct client *l;
	struct ctl_hold *h;

	if (c->path[0] != '\0')
		unlink(c->path);
	while ((l = TAILQ_FIRST(&c->newcomers)) != NULL || (l = TAILQ_FIRST(&c->attached)) != NULL)
		client_end(c, l);
	while ((h = TAILQ_FIRST(&c->holds)) != NULL)
		hold_hung_up(c, h);
	bury(c);
	closed_collect(c);
	if (c->closers != NULL)
		undertaker_end(c->closers, false);
	c->apps->cut = NULL;
	close_if_open(c->fd);
	close_if_open(c->epfd);
	close_if_open(c->spare);
	free(c->by_app);
	free(c);
}
