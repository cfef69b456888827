/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/request.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "include/base/assert.h"

/* The name will stand in logs, tables and JSON. */
static void program_take(struct app_who *who, const char *from, size_t size)
{
	size_t n = 0;

	for (; n < size - 1 && from[n] != '\0'; n++)
		who->program[n] = from[n] > ' ' && from[n] < 0x7f && from[n] != '"' && from[n] != '\\'
			? from[n]
			: '?';
	who->program[n] = '\0';
}

static enum request_verdict drop(struct request *r, const char *why)
{
	snprintf(r->why, sizeof(r->why), "%s", why);
	return REQUEST_DROP;
}

static enum request_verdict answer(struct request *r, int error)
{
	if (error == APP_LATER)
		return REQUEST_LATER;
	r->msg->status = (uint16_t)error;
	return REQUEST_ANSWER;
}

/* In words, in place of whatever the answer would have been. */
static enum request_verdict answer_why(struct request *r, int error, const char *why)
{
	memset(r->msg->bytes, 0, sizeof(r->msg->bytes));
	r->msg->text.length = (uint32_t)snprintf(r->msg->text.bytes, sizeof(r->msg->text.bytes), "%s", why);
	return answer(r, error);
}

static enum request_verdict hello(struct apps *as, struct request_client *c, struct request *r)
{
	char why[sizeof(r->msg->text.bytes)] = "";
	const struct app *a;
	int error;

	program_take(&c->who, r->msg->hello.program, sizeof(r->msg->hello.program));
	error = app_hello(as, &r->msg->hello, &c->who, r->now, &c->app, why, sizeof(why));
	if (error != 0)
		return answer_why(r, error, why);
	c->stage = REQUEST_GREETED;
	a = &as->fp->apps[c->app];
	as->slot[c->app].region.shared = true;
	r->out_fd[r->nr_out++] = as->slot[c->app].region.fd;
	for (unsigned i = 0; i < as->fp->conf.cores && a->core_eventfd[i] >= 0; i++)
		r->out_fd[r->nr_out++] = a->core_eventfd[i];
	return answer(r, 0);
}

static enum request_verdict mapped(struct apps *as, struct request_client *c, struct request *r)
{
	char why[sizeof(r->msg->text.bytes)] = "";
	int error = app_mapped(as, c->app, why, sizeof(why));

	if (error != 0) {
		app_detach(as, c->app);
		c->app = APP_NONE;
		c->stage = REQUEST_NEW;
		return answer_why(r, error, why);
	}
	c->stage = REQUEST_ATTACHED;
	return answer(r, 0);
}

static enum request_verdict context(struct apps *as, struct request_client *c, struct request *r)
{
	int fd, error = app_context_add(as, c->app, &r->msg->context, &fd);

	if (fd >= 0) {
		r->out_fd[r->nr_out++] = fd;
		r->close_out = true;
	}
	return answer(r, error);
}

static enum request_verdict take_fork(struct apps *as, struct request_client *c, struct request *r)
{
	r->hold = app_fork(as, c->app, r->random);
	r->msg->fork.token = r->hold != NULL ? r->random : 0;
	r->msg->fork.number = as->holds.app[c->app].forks;
	return answer(r, r->hold != NULL ? 0 : ENOSPC);
}

static enum request_verdict attached(struct apps *as, struct request_client *c, struct request *r)
{
	struct ctl_msg *m = r->msg;

	switch (m->type) {
	case CTL_CONTEXT: return context(as, c, r);
	case CTL_LISTEN: return answer(r, app_listen(as, c->app, &m->listen));
	case CTL_UNLISTEN: return answer(r, app_unlisten(as, c->app, &m->listen));
	case CTL_ARM: return answer(r, app_arm(as, c->app, &m->listen));
	case CTL_CONNECT: return answer(r, app_connect(as, c->app, &m->connect));
	case CTL_ROUTE: return answer(r, as->ops.route(as->ops.arg, &m->connect));
	case CTL_FORK: return take_fork(as, c, r);
	case CTL_INFO: return answer(r, app_info(as, c->app, &m->info));
	case CTL_ADOPT: return answer(r, app_adopt(as, c->app, &m->adopt));
	case CTL_OPTIONS: return answer(r, app_options(as, c->app, &m->change));
	case CTL_GROW: return answer(r, app_grow(as, c->app, &m->grow));
	case CTL_LEAVE: return answer(r, app_leave(as, c->app, &m->adopt));
	default: return drop(r, "a request that does not exist, or comes at the wrong time");
	}
}

enum request_verdict request_handle(struct apps *as, struct request_client *c, struct request *r)
{
	r->nr_out = 0;
	r->close_out = false;
	r->hold = NULL;
	if (c->stage == REQUEST_ATTACHED)
		return attached(as, c, r);
	if (c->stage == REQUEST_GREETED)
		return r->msg->type == CTL_MAPPED ? mapped(as, c, r)
						  : drop(r, "it wants something before its region is mapped");
	if (r->msg->type == CTL_HELLO)
		return hello(as, c, r);
	if (r->msg->type == CTL_QUERY)
		return REQUEST_QUERY;
	return drop(r, "it wants something before it said hello");
}

void request_client_end(struct apps *as, struct request_client *c)
{
	if (c->app != APP_NONE)
		app_detach(as, c->app);
	c->app = APP_NONE;
	c->stage = REQUEST_NEW;
}
