/* SPDX-License-Identifier: BSD-3-Clause */
/* app_request.c - what a live application may ask for: checked here as far as the registry knows, answered
 * by app_ops. */
#include <errno.h>

#include "slowpath/app.h"
#include "slowpath/app_flow.h"

static void terminate(struct ctl_options *o) { o->congestion[sizeof(o->congestion) - 1] = '\0'; }

static bool has_context(const struct apps *as, uint16_t app, uint32_t context)
{
	return context < atomic_load(&as->fp->apps[app].nctx);
}

/* As the kernel's bind() has it, which an application may leave out. */
static bool may_have_port(const struct apps *as, uint16_t app, uint16_t port)
{
	return port == 0 || port >= as->low_ports || !as->slot[app].who.unprivileged;
}

int app_listen(struct apps *as, uint16_t app, struct ctl_listen *l)
{
	int error;

	terminate(&l->options);
	if (l->cookie == ABI_LISTENER_NONE)
		return EINVAL;
	if (hold_find(&as->holds, app, l->cookie, &l->id))
		return as->ops.listen(as->ops.arg, app, l);
	if (!may_have_port(as, app, l->port))
		return EACCES;
	if (hold_may_add(&as->holds, app, l->cookie) != 0)
		return ENOBUFS;
	l->id = 0;
	error = as->ops.listen(as->ops.arg, app, l);
	if (error == 0 && hold_add(&as->holds, app, l->cookie, l->id) != 0) {
		as->ops.leave(as->ops.arg, app, l->id);
		if (!hold_knows(&as->holds, l->id))
			as->ops.close_listener(as->ops.arg, l->id);
		error = ENOMEM;
	}
	return error;
}

int app_unlisten(struct apps *as, uint16_t app, const struct ctl_listen *l)
{
	return -hold_drop(&as->holds, app, l->cookie);
}

int app_arm(struct apps *as, uint16_t app, struct ctl_listen *l)
{
	terminate(&l->options);
	if (!hold_find(&as->holds, app, l->cookie, &l->id))
		return ENOENT;
	return has_context(as, app, l->context) ? as->ops.arm(as->ops.arg, app, l) : EINVAL;
}

/* The rings come first: nothing else of a connect is done twice. */
int app_connect(struct apps *as, uint16_t app, struct ctl_connect *c)
{
	terminate(&c->options);
	if (!may_have_port(as, app, c->local_port))
		return EACCES;
	if (!has_context(as, app, c->context))
		return EINVAL;
	if (app_rings_prepare(as, app, c->options.rx_size, c->options.tx_size) == -EAGAIN)
		return APP_LATER;
	return as->ops.connect(as->ops.arg, app, c);
}

/* Another's flow looks to it like one that is not there. */
static bool has_flow(const struct apps *as, uint16_t app, uint32_t flow, uint32_t gen)
{
	const struct flow *f;

	if (flow >= as->fp->conf.flows_max)
		return false;
	f = &as->fp->flows[flow];
	return f->app == app && f->gen == gen && f->state != TCP_FREE;
}

/* Larger rings come first, if such are wanted. */
static int larger_rings_prepare(struct apps *as, uint16_t app, const struct ctl_change *change)
{
	const struct flow *f = &as->fp->flows[change->flow];
	bool rx = change->options.rx_size > flow_rx_size(f), tx = change->options.tx_size > flow_tx_size(f);

	if (!rx && !tx)
		return 0;
	return app_rings_prepare(as, app, rx ? change->options.rx_size : APP_BUFFER_MIN,
		tx ? change->options.tx_size : APP_BUFFER_MIN);
}

int app_options(struct apps *as, uint16_t app, struct ctl_change *change)
{
	terminate(&change->options);
	if (!has_flow(as, app, change->flow, change->gen))
		return ENOENT;
	if (larger_rings_prepare(as, app, change) == -EAGAIN)
		return APP_LATER;
	return as->ops.options(as->ops.arg, change->flow, &change->options);
}

int app_grow(struct apps *as, uint16_t app, const struct ctl_grow *g)
{
	return has_flow(as, app, g->flow, g->gen) ? as->ops.grow(as->ops.arg, g->flow, g->event) : ENOENT;
}

int app_info(struct apps *as, uint16_t app, struct ctl_info *info)
{
	bool asked = info->shared != 0;
	uint64_t id;
	int error;

	if (info->flow == CTL_INFO_LISTENER) {
		if (!hold_find(&as->holds, app, info->gen, &id))
			return ENOENT;
		return as->ops.listener_info(as->ops.arg, id, info);
	}
	if (!has_flow(as, app, info->flow, info->gen))
		return ENOENT;
	error = as->ops.info(as->ops.arg, info->flow, info);
	info->shared = error == 0 && asked && app_share_others(as, info->flow);
	return error;
}

static bool is_flow(const struct apps *as, const struct ctl_adopt *a)
{
	return a->flow < as->fp->conf.flows_max && as->fp->flows[a->flow].gen == a->gen &&
		as->fp->flows[a->flow].state != TCP_FREE;
}

int app_leave(struct apps *as, uint16_t app, struct ctl_adopt *a)
{
	return is_flow(as, a) ? app_share_close(as, app, a) : ENOENT;
}

int app_adopt(struct apps *as, uint16_t app, struct ctl_adopt *a)
{
	uint64_t id;
	int error;

	if (a->listener_id == 0 && !has_context(as, app, a->context))
		return EINVAL;
	if (a->listener_id == 0)
		return is_flow(as, a) ? app_share_adopt(as, app, a) : ECONNRESET;
	if (a->cookie == ABI_LISTENER_NONE || hold_find(&as->holds, app, a->cookie, &id))
		return EINVAL;
	error = hold_adopt(&as->holds, app, a->listener_id, a->cookie);
	if (error != 0)
		return -error;
	error = as->ops.join(as->ops.arg, app, a->listener_id, a->cookie);
	if (error != 0)
		hold_drop(&as->holds, app, a->cookie);
	return error;
}

struct hold *app_fork(struct apps *as, uint16_t app, uint64_t token)
{
	struct hold *h = hold_fork(&as->holds, app, token);

	app_spend(as, app, COST_FORK + (h != NULL ? (h->nr_refs + h->nr_covers) / COST_REFS : 0));
	return h;
}

void app_fork_end(struct apps *as, struct hold *h)
{
	cost_spend(&as->cost, h->user, 1 + h->nr_refs / COST_REFS);
	hold_end(&as->holds, h);
}

void app_fork_leave(struct apps *as, struct hold *h, const struct ctl_adopt *a)
{
	if (a->listener_id != 0)
		hold_let_go(&as->holds, h, a->listener_id);
	else if (is_flow(as, a))
		app_share_let_go(as, h, a->flow);
}
