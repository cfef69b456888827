/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_server.h - a rig (lib_rig.h) behind a real control socket, served by a thread; it can be told to
 * misbehave. */
#ifndef TAS_TESTS_LIB_SERVER_H
#define TAS_TESTS_LIB_SERVER_H

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tests/unit/lib_rig.h"

struct server {
	struct rig rig;
	char path[100];
	int listening, connected, stop_fd;
	int core_fd; /* what an application writes to wake core 0 */
	pthread_t thread;
	_Atomic bool serving;

	/* once each */
	_Atomic bool wrong_sequence, short_answer, hang_up;
	_Atomic unsigned surplus_fds;
	_Atomic bool no_numbers; /* the process's limit leaves none for the descriptors of an answer */
	_Atomic bool core_missing;
};

/* No number is left from now on. */
static inline void server_numbers_out(struct rlimit *before)
{
	struct rlimit none;

	getrlimit(RLIMIT_NOFILE, before);
	none = (struct rlimit){ STDERR_FILENO + 1, before->rlim_max };
	setrlimit(RLIMIT_NOFILE, &none);
}

static inline void server_send(struct server *v, struct ctl_msg *m, const int *fds, unsigned n)
{
	char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
	struct iovec iov = { m, atomic_exchange(&v->short_answer, false) ? 17 : sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *c = (void *)control;

	if (n > 0 && atomic_exchange(&v->no_numbers, false))
		server_numbers_out(&(struct rlimit){ 0 });
	if (n > 0) {
		h.msg_control = control;
		h.msg_controllen = CMSG_SPACE(n * sizeof(int));
		*c = (struct cmsghdr){ CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	if (sendmsg(v->connected, &h, MSG_NOSIGNAL) < 0)
		abort();
}

/* The descriptors of an answer; those of the rig's are duplicates, closed here after they were sent. */
static inline void server_answer(struct server *v, struct ctl_msg *m)
{
	unsigned n = 0, own, extra = atomic_exchange(&v->surplus_fds, 0);
	int fds[16];

	if (m->type == CTL_HELLO)
		rig_region_make(&v->rig);
	rig_request(&v->rig, m, fds, 1, &n);
	if (m->type == CTL_HELLO && m->status == 0) {
		fds[n++] = v->rig.memfd;
		if (!atomic_exchange(&v->core_missing, false))
			fds[n++] = dup(v->core_fd);
	}
	for (own = n; extra > 0; extra--)
		fds[n++] = fds[own - 1];
	if (atomic_exchange(&v->wrong_sequence, false))
		m->sequence++;
	server_send(v, m, fds, n);
	while (own > 0)
		close(fds[--own]);
}

static inline void server_drop(struct server *v)
{
	close(v->connected);
	v->connected = -1;
	for (uint32_t i = 0; i < v->rig.nctx; i++)
		close(v->rig.ctx[i].eventfd);
	v->rig.nctx = 0;
	v->rig.used = 0;
	munmap(v->rig.base, RIG_REGION);
	v->rig.base = NULL;
}

static inline void *server_run(void *arg)
{
	struct server *v = arg;
	struct ctl_msg m;

	for (;;) {
		struct pollfd p[2] = { { .fd = v->stop_fd, .events = POLLIN },
			{ .fd = v->connected >= 0 ? v->connected : v->listening, .events = POLLIN } };

		poll(p, 2, -1);
		if (p[0].revents != 0)
			return NULL;
		if (v->connected < 0) {
			v->connected = accept4(v->listening, NULL, NULL, SOCK_CLOEXEC);
			v->serving = true;
			continue;
		}
		if (recv(v->connected, &m, sizeof(m), 0) == sizeof(m) &&
			!atomic_exchange(&v->hang_up, false)) {
			server_answer(v, &m);
			continue;
		}
		server_drop(v);
		v->serving = false;
	}
}

/* Waits until the last client's end was noticed. */
static inline void server_quiet(struct server *v)
{
	for (int i = 0; i < 2000 && v->serving; i++)
		usleep(i < 10 ? 100 : 1000);
}

static inline void server_listen(struct server *v)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strcpy(address.sun_path, v->path);
	v->listening = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(v->listening, (struct sockaddr *)&address, sizeof(address)) != 0 ||
		listen(v->listening, 5) != 0)
		abort();
	v->stop_fd = eventfd(0, EFD_CLOEXEC);
	v->connected = -1;
	v->serving = false;
	pthread_create(&v->thread, NULL, server_run, v);
}

static inline void server_start(struct server *v)
{
	memset((void *)v, 0, sizeof(*v));
	snprintf(v->path, sizeof(v->path), "/tmp/tas-test-%d.sock", (int)getpid());
	v->rig.cores = 1;
	v->rig.contexts_max = 3;
	v->rig.next_flow = 100;
	v->rig.shared = true;
	v->core_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	server_listen(v);
}

/* As if tasd was killed: the socket's file stays. */
static inline void server_kill(struct server *v)
{
	uint64_t one = 1;

	if (write(v->stop_fd, &one, sizeof(one)) != sizeof(one))
		abort();
	pthread_join(v->thread, NULL);
	if (v->connected >= 0)
		server_drop(v);
	close(v->listening);
	close(v->stop_fd);
}

static inline void server_return(struct server *v)
{
	unlink(v->path);
	server_listen(v);
}

static inline void server_stop(struct server *v)
{
	server_kill(v);
	close(v->core_fd);
	unlink(v->path);
}

#endif
