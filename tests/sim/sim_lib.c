/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_lib.c - a simulated process that uses libtas: the library as it is, over a link that calls tasd's
 * functions where the real one has a socket between. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/abi/ctl.h"
#include "include/base/assert.h"
#include "include/base/compiler.h"
#include "include/tas/tas.h"
#include "slowpath/app_flow.h"
#include "tests/sim/sim_api.h"
#include "tests/sim/sim_host.h"

struct lib {
	struct tas *tas;
	struct tas_ctx *ctx[PROC_CONTEXTS_MAX];
	bool sleeps[PROC_CONTEXTS_MAX];
	unsigned contexts; /* made by tasd */
	bool attached;
};

/* --- the link --- */

static int link_open(void *arg)
{
	(void)arg;
	return 0;
}

static int on_hello(struct sim_proc *p, struct ctl_msg *m)
{
	struct app_who who = { .pid = 1, .program = "lib" };
	char why[256];
	int error = app_hello(&p->host->apps, &m->hello, &who, p->host->sp.now, &p->app, why, sizeof(why));

	if (error != 0)
		snprintf(m->text.bytes, sizeof(m->text.bytes), "%s", why);
	return error;
}

static int on_context(struct sim_proc *p, struct ctl_msg *m)
{
	struct lib *l = p->impl;
	int end;

	TAS_ASSERT(l->contexts < PROC_CONTEXTS_MAX);
	p->fd[l->contexts++] = p->host->next_fd;
	return app_context_add(&p->host->apps, p->app, &m->context, &end);
}

static int answer(struct sim_proc *p, struct ctl_msg *m)
{
	struct apps *as = &p->host->apps;
	char why[256];

	switch ((enum ctl_type)m->type) {
	case CTL_HELLO: return on_hello(p, m);
	case CTL_MAPPED: return app_mapped(as, p->app, why, sizeof(why));
	case CTL_CONTEXT: return on_context(p, m);
	case CTL_LISTEN: return app_listen(as, p->app, &m->listen);
	case CTL_UNLISTEN: return app_unlisten(as, p->app, &m->listen);
	case CTL_ARM: return app_arm(as, p->app, &m->listen);
	case CTL_CONNECT: return app_connect(as, p->app, &m->connect);
	case CTL_GROW: return app_grow(as, p->app, &m->grow);
	case CTL_INFO: return app_info(as, p->app, &m->info);
	case CTL_ROUTE: return as->ops.route(as->ops.arg, &m->connect);
	default: return EOPNOTSUPP;
	}
}

static int link_request(void *arg, struct ctl_msg *msg, int *fds, unsigned max, unsigned *nfds)
{
	struct sim_proc *p = arg;

	(void)fds, (void)max;
	*nfds = 0;
	do {
		host_request(p->host);
		msg->status = (uint16_t)answer(p, msg);
	} while (msg->status == APP_LATER);
	return 0;
}

static void *link_map(void *arg, int memfd, uint64_t size)
{
	struct sim_proc *p = arg;

	(void)memfd, (void)size;
	return p->host->fp.apps[p->app].base;
}

static void link_unmap(void *arg, void *base, uint64_t size) { (void)arg, (void)base, (void)size; }
static bool link_alive(void *arg) { return ((struct lib *)((struct sim_proc *)arg)->impl)->attached; }

/* Whose descriptor it would have been does not reach us: the application has none in a simulation. */
static void link_wake(void *arg, int eventfd)
{
	struct sim_proc *p = arg;

	(void)eventfd;
	for (unsigned i = 0; i < p->host->conf.fastpath.cores_max; i++)
		host_ring(p->host, i, p->app);
}

static void link_close(void *arg)
{
	struct sim_proc *p = arg;

	((struct lib *)p->impl)->attached = false;
	host_request(p->host);
	app_detach(&p->host->apps, p->app);
}

static const struct tas_link sim_link = { link_open, link_request, link_map, link_unmap, link_alive,
	link_wake, link_close };

/* --- calls --- */

/* Of the process that polls just now: the library does not say whose an event is. */
static void on_event(struct tas_sock *s, void *user, uint32_t edges)
{
	(void)s;
	if (user != NULL && edges != 0)
		*(bool *)user = true;
}

/* Who waits here waits in vain: virtual time stands still meanwhile. */
static long sim_syscall(long number, ...)
{
	long a[6];
	va_list ap;

	va_start(ap, number);
	for (unsigned i = 0; i < ARRAY_LEN(a); i++)
		a[i] = va_arg(ap, long);
	va_end(ap);
	return number == SYS_nanosleep ? 0 : syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static int lib_attach(struct sim_proc *p)
{
	static const struct tas_os os = { .syscall = sim_syscall };
	struct tas_setup conf = { .os = &os, .link = &sim_link, .link_arg = p, .on_event = on_event };
	struct lib *l = calloc(1, sizeof(*l));
	char why[256];
	int rc;

	TAS_ASSERT(l != NULL);
	p->impl = l;
	l->attached = true;
	rc = tas_create(&l->tas, &conf);
	if (rc == 0)
		rc = tas_attach(l->tas, why, sizeof(why));
	for (unsigned i = 0; i < p->contexts && rc == 0; i++) {
		l->ctx[i] = tas_ctx_new(l->tas);
		tas_ctx_poll(l->ctx[i]); /* asks for rings, so that p->fd[i] is its own */
		TAS_ASSERT(l->contexts == i + 1);
	}
	return rc;
}

static void lib_detach(struct sim_proc *p)
{
	struct lib *l = p->impl;

	tas_destroy(l->tas);
	free(l);
	p->impl = NULL;
}

static struct tas_ctx *ctx_of(struct sim_proc *p, unsigned ctx) { return ((struct lib *)p->impl)->ctx[ctx]; }

static struct ctl_options options_of(const struct sim_open *o)
{
	struct ctl_options options = { .rx_size = o->rx_size, .tx_size = o->tx_size };

	snprintf(options.congestion, sizeof(options.congestion), "%s", o->congestion);
	return options;
}

static unsigned flags_of(const struct sim_open *o) { return o->nodelay ? TAS_OPEN_NODELAY : 0; }

static int lib_listen(struct sim_proc *p, unsigned ctx, const struct sim_open *o, void *user, void **sock)
{
	struct ctl_options options = options_of(o);
	struct tas_listen_opt opt = { .addr = addr_any(),
		.port = o->port,
		.flags = (uint16_t)flags_of(o),
		.backlog = o->backlog,
		.options = &options };
	struct tas_sock *l;
	int rc = tas_listen(ctx_of(p, ctx), &opt, &l);

	if (rc != 0)
		return rc;
	tas_sock_set_user(l, user);
	*sock = l;
	return tas_listen_arm(ctx_of(p, ctx), l);
}

static int lib_accept(struct sim_proc *p, unsigned ctx, void *listener, void **sock, struct net_addr *remote,
	uint16_t *remote_port)
{
	struct tas_sock *s;
	int rc = tas_accept(ctx_of(p, ctx), listener, &s);

	if (rc != 0)
		return rc;
	tas_sock_addrs(s, NULL, NULL, remote, remote_port);
	tas_set_oobinline(s, true); /* the peer's urgent bytes are bytes of its stream */
	*sock = s;
	return 0;
}

static int lib_connect(struct sim_proc *p, unsigned ctx, const struct sim_open *o, void *user, void **sock,
	uint16_t *local_port)
{
	struct ctl_options options = options_of(o);
	struct tas_connect_opt opt = { .remote = o->addr,
		.remote_port = o->port,
		.local_port = o->local_port,
		.flags = flags_of(o),
		.options = &options };
	struct tas_sock *s;
	int rc = tas_connect(ctx_of(p, ctx), &opt, &s);

	if (rc != 0)
		return rc;
	tas_sock_set_user(s, user);
	tas_sock_addrs(s, NULL, local_port, NULL, NULL);
	tas_set_oobinline(s, true);
	*sock = s;
	return 0;
}

static void lib_set_user(void *sock, void *user) { tas_sock_set_user(sock, user); }

static ssize_t lib_send(struct sim_proc *p, unsigned ctx, void *sock, const void *buf, size_t len, bool more)
{
	return tas_send(ctx_of(p, ctx), sock, buf, len, more ? TAS_MORE : 0);
}

static ssize_t lib_recv(struct sim_proc *p, unsigned ctx, void *sock, void *buf, size_t len)
{
	return tas_recv(ctx_of(p, ctx), sock, buf, len, 0);
}

static bool lib_shut(struct sim_proc *p, unsigned ctx, void *sock)
{
	return tas_shutdown(ctx_of(p, ctx), sock, TAS_SHUT_WR) == 0;
}

static void lib_close(struct sim_proc *p, unsigned ctx, void *sock, bool abort_it)
{
	tas_close(ctx_of(p, ctx), sock, abort_it);
}

static unsigned lib_poll(struct sim_proc *p, unsigned ctx) { return tas_ctx_poll(ctx_of(p, ctx)); }

static bool lib_sleep(struct sim_proc *p, unsigned ctx)
{
	struct lib *l = p->impl;

	l->sleeps[ctx] = tas_ctx_sleep_begin(l->ctx[ctx]);
	return l->sleeps[ctx];
}

static void lib_wake(struct sim_proc *p, unsigned ctx)
{
	struct lib *l = p->impl;

	if (l->sleeps[ctx])
		tas_ctx_sleep_end(l->ctx[ctx]);
	l->sleeps[ctx] = false;
}

const struct sim_api sim_lib = {
	.name = "lib",
	.attach = lib_attach,
	.detach = lib_detach,
	.listen = lib_listen,
	.accept = lib_accept,
	.connect = lib_connect,
	.set_user = lib_set_user,
	.send = lib_send,
	.recv = lib_recv,
	.shut = lib_shut,
	.close = lib_close,
	.poll = lib_poll,
	.sleep = lib_sleep,
	.wake = lib_wake,
};
