/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_open.c - active opens, and questions about routes and flows. */
#include "libtas/lib_int.h"
#include "libtas/lib_os.h"

static void connect_fill(struct ctl_connect *q, const struct tas_connect_opt *opt, uint32_t context)
{
	*q = (struct ctl_connect){
		.local = opt->local,
		.remote = opt->remote,
		.local_port = opt->local_port,
		.remote_port = opt->remote_port,
		.context = context,
		.flags = opt->flags & TAS_OPEN_NODELAY ? CTL_LISTEN_NODELAY : 0,
	};
	if (opt->options != NULL)
		q->options = *opt->options;
}

static struct tas_sock *flow_new(struct tas_ctx *c, struct lib_rings *r, const struct ctl_connect *answer)
{
	struct tas_sock *s = lib_sock_alloc(c->t);

	if (s == NULL)
		return NULL;
	lib_flow_init(s, r->att, answer->rec, answer->flow, answer->gen, r);
	s->forks = atomic_load_explicit(&c->t->forks, memory_order_relaxed);
	s->local = answer->local;
	s->remote = answer->remote;
	s->local_port = answer->local_port;
	s->remote_port = answer->remote_port;
	lib_options_take(s, &answer->options);
	if (answer->flags & CTL_LISTEN_NODELAY)
		atomic_store_explicit(&s->options, ABI_BELL_NODELAY, memory_order_relaxed);
	atomic_store_explicit(&s->stamp, c->stamp, memory_order_release);
	lib_flow_link(s);
	return s;
}

/* With ctl_lock held. */
static int connect_locked(struct tas_ctx *c, const struct tas_connect_opt *opt, struct tas_sock **out)
{
	int error = lib_attach_locked(c->t, NULL, 0);
	struct lib_rings *r = error == 0 ? lib_ctx_rings_locked(c) : NULL;
	struct ctl_msg m = { 0 };
	unsigned nfds;

	if (r == NULL)
		return error != 0 ? error : -ENOBUFS;
	connect_fill(&m.connect, opt, r->id);
	error = lib_request(c->t, &m, CTL_CONNECT, NULL, 0, &nfds);
	if (error != 0)
		return error;
	if (lib_rec(r->att, m.connect.rec) == NULL)
		return -EPROTO;
	m.connect.flags = opt->flags;
	*out = flow_new(c, r, &m.connect);
	return *out != NULL ? 0 : -ENOMEM;
}

int tas_connect(struct tas_ctx *c, const struct tas_connect_opt *opt, struct tas_sock **out)
{
	int error;

	if (!lib_lock_enter(&c->t->os, &c->t->ctl_lock))
		return -EBUSY;
	error = connect_locked(c, opt, out);
	lib_lock_leave(&c->t->os, &c->t->ctl_lock);
	return error;
}

int lib_ask(struct tas *t, struct ctl_msg *m, enum ctl_type type)
{
	unsigned nfds;
	int error;

	if (!lib_lock_enter(&t->os, &t->ctl_lock))
		return -EBUSY;
	error = lib_request(t, m, type, NULL, 0, &nfds);
	lib_lock_leave(&t->os, &t->ctl_lock);
	return error;
}

int tas_route(struct tas *t, const struct net_addr *remote, unsigned *prefix_len, struct net_addr *local)
{
	struct ctl_msg m = { .connect = { .remote = *remote } };
	int error = tas_attach(t, NULL, 0);

	if (error != 0)
		return -ENOTCONN;
	error = lib_ask(t, &m, CTL_ROUTE);
	if (error != 0)
		return error;
	if (prefix_len != NULL)
		*prefix_len = m.connect.prefix_len;
	if (local != NULL)
		*local = m.connect.local;
	return 0;
}

static int info_ask(struct tas_sock *s, bool shared, struct ctl_info *info)
{
	bool listener = tas_sock_is_listener(s);
	struct tas_ctx *c = tas_ctx_self(s->t);
	struct ctl_msg m = { .info = { .flow = CTL_INFO_LISTENER, .shared = shared } };
	int error = c == NULL ? -ENOMEM : lib_sock_ours(c, s, listener ? STAMP_LISTENER : 0);

	if (error == 0 && !listener && lib_moved(s))
		error = lib_pull(c, s);
	if (!listener)
		m.info.flow = s->flow;
	m.info.gen = listener ? s->listener->cookie : s->gen;
	if (error == 0)
		error = lib_ask(s->t, &m, CTL_INFO);
	if (error != 0)
		return error;
	*info = m.info;
	if (!listener)
		lib_quickack_info(s, info);
	return 0;
}

int tas_info(struct tas_sock *s, struct ctl_info *info) { return info_ask(s, false, info); }

bool tas_sock_shared(struct tas_sock *s)
{
	struct ctl_info info;
	int error;

	if (tas_sock_inherited(s))
		return true;
	if (tas_sock_is_listener(s) || !lib_shared(s->t, s))
		return false;
	error = info_ask(s, true, &info);
	return error == 0 ? info.shared != 0 : error == -EBUSY;
}
