/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_serve.c - what clients of the control socket ask, and their answers. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <bsd/stdlib.h>

#include "slowpath/ctl_int.h"
#include "slowpath/ctl_io.h"

enum {
	MESSAGE_BURST = 8, /* of one client in one call */
	QUERY_BURST = 8,   /* steps of one client's answer in a turn */
	QUERY_STEPS = 16,  /* of all answers together in QUERY_PERIOD: the row of a flow takes about 5 us */
};

#define QUERY_PERIOD NS_PER_MS

static bool may_cost(const struct ctl *c, const struct client *l)
{
	return cost_may(&c->apps->cost, l->rq.who.uid);
}

static void client_events(struct ctl *c, struct client *l, uint32_t events)
{
	struct epoll_event e = { .events = events | EPOLLRDHUP, .data.ptr = &l->socket };

	epoll_ctl(c->epfd, EPOLL_CTL_MOD, l->fd, &e);
}

/* --- holds --- */

/* False if it cannot be watched: then it must not be, as it would never end. */
static bool hold_watch(struct ctl *c, struct hold *hold, int fd)
{
	struct ctl_hold *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return false;
	*h = (struct ctl_hold){ .fd = fd, .hold = hold };
	h->watch = (struct watch){ .kind = WATCH_HOLD, .of = h };
	if (ctl_watch(c, fd, EPOLLIN, &h->watch) != 0) {
		free(h);
		return false;
	}
	TAILQ_INSERT_TAIL(&c->holds, h, link);
	c->stats.holds++;
	return true;
}

void hold_hung_up(struct ctl *c, struct ctl_hold *h)
{
	if (h->fd < 0)
		return;
	app_fork_end(c->apps, h->hold);
	ctl_unwatch(c, h->fd);
	ctl_close(c, h->fd);
	h->fd = -1;
	TAILQ_REMOVE(&c->holds, h, link);
	TAILQ_INSERT_TAIL(&c->holds_graveyard, h, link);
	c->stats.holds--;
}

void hold_event(struct ctl *c, struct ctl_hold *h, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR)) {
		hold_hung_up(c, h);
		return;
	}
	for (unsigned i = 0; i < MESSAGE_BURST && cost_may(&c->apps->cost, h->hold->user); i++) {
		struct epoll_event deaf = { .data.ptr = &h->watch };
		struct ctl_msg m;
		enum ctl_io got = ctl_io_recv(h->fd, &m);

		if (got == CTL_IO_NOTHING)
			return;
		if (got == CTL_IO_MESSAGE && m.type == CTL_LEAVE) {
			cost_spend(&c->apps->cost, h->hold->user, 1);
			app_fork_leave(c->apps, h->hold, &m.adopt);
			continue;
		}
		epoll_ctl(c->epfd, EPOLL_CTL_MOD, h->fd, &deaf); /* no libtas says that */
		return;
	}
}

/* The child's end goes with the answer. */
static bool hold_open(struct ctl *c, struct request *r)
{
	int child_end, fd = ctl_io_pair(&child_end);

	if (fd < 0)
		return false;
	if (!hold_watch(c, r->hold, fd)) {
		close(fd);
		close(child_end);
		return false;
	}
	r->out_fd[r->nr_out++] = child_end;
	r->close_out = true;
	return true;
}

static void fork_settle(struct ctl *c, struct request *r)
{
	if (hold_open(c, r))
		return;
	app_fork_end(c->apps, r->hold);
	r->msg->status = ENOMEM;
	r->msg->fork.token = 0;
}

/* --- queries --- */

/* A piece of the answer; false if the client takes no more now, or is gone. */
static bool query_send(struct ctl *c, struct client *l, int status, const char *text, size_t len)
{
	struct ctl_msg m = { .type = CTL_TEXT, .status = (uint16_t)status, .sequence = l->query_sequence };
	int error;

	m.text.length = (uint32_t)min_u64(len, sizeof(m.text.bytes));
	memcpy(m.text.bytes, text, m.text.length);
	error = ctl_io_send(l->fd, &m, NULL, 0);
	if (error != 0 && error != -EAGAIN)
		client_end(c, l);
	if (error != 0)
		return false;
	l->row_at += m.text.length;
	client_progress(c, l);
	return true;
}

static void query_join(struct ctl *c, struct client *l)
{
	l->asking = true;
	TAILQ_INSERT_TAIL(&c->askers, l, ask);
}

void query_leave(struct ctl *c, struct client *l)
{
	if (l->asking)
		TAILQ_REMOVE(&c->askers, l, ask);
	l->asking = false;
}

/* Its socket is full: heard of when it has room. */
static void query_wait(struct ctl *c, struct client *l)
{
	if (!l->dead)
		client_events(c, l, EPOLLIN | EPOLLOUT);
}

/* What is made of the answer goes out; false if the client takes no more now, or is gone. */
static bool query_flush(struct ctl *c, struct client *l)
{
	while (l->row_at < l->row.len)
		if (!query_send(c, l, 0, l->row.text + l->row_at, l->row.len - l->row_at))
			return false;
	l->row.len = l->row_at = 0;
	return true;
}

/* It has another turn as long as it takes what it gets, and the answer goes on. */
static void query_turn(struct ctl *c, struct client *l)
{
	bool taken;

	client_progress(c, l); /* it waited for us */
	taken = query_flush(c, l);
	for (unsigned i = 0; i < QUERY_BURST && taken && c->query_steps > 0; i++) {
		if (!query_step(&l->query, &c->source, c->now, &l->row)) {
			l->querying = !query_send(c, l, 0, "", 0);
			taken = !l->querying;
			break;
		}
		c->query_steps--;
		cost_spend(&c->apps->cost, l->rq.who.uid, 1);
		taken = query_flush(c, l);
	}
	if (!taken)
		query_wait(c, l);
	else if (l->querying)
		query_join(c, l);
}

/* Steps are not saved up. */
void queries_poll(struct ctl *c)
{
	struct client *l;

	if (c->now >= c->query_at) {
		c->query_steps = QUERY_STEPS;
		c->query_at = c->now + QUERY_PERIOD;
	}
	while (c->query_steps > 0 && (l = TAILQ_FIRST(&c->askers)) != NULL) {
		query_leave(c, l);
		query_turn(c, l);
	}
}

static void query_begin(struct ctl *c, struct client *l, struct ctl_msg *m)
{
	char why[sizeof(m->text.bytes)];

	m->text.bytes[sizeof(m->text.bytes) - 1] = '\0';
	l->query_sequence = m->sequence;
	l->row.len = l->row_at = 0;
	if (!query_parse(&l->query, m->text.bytes, why, sizeof(why))) {
		query_send(c, l, EINVAL, why, strlen(why));
		l->row_at = 0;
		return;
	}
	l->querying = true;
	query_join(c, l);
}

/* --- requests --- */

static void answer(struct ctl *c, struct client *l, struct request *r)
{
	int error;

	if (r->hold != NULL)
		fork_settle(c, r);
	error = ctl_io_send(l->fd, r->msg, r->out_fd, r->nr_out);
	for (unsigned i = 0; r->close_out && i < r->nr_out; i++)
		close(r->out_fd[i]);
	if (error == -EAGAIN)
		client_drop(c, l, "it does not take its answers");
	else if (error != 0)
		client_end(c, l);
}

static uint64_t token_draw(void)
{
	uint64_t token;

	do
		arc4random_buf(&token, sizeof(token));
	while (token == 0);
	return token;
}

/* It is writable, and so has its turn in each pass: its request is handed in again until it is dealt with.
 * The next one stays unread. */
static void wait_or_not(struct ctl *c, struct client *l, bool waits, const struct ctl_msg *m)
{
	if (waits)
		l->later = *m;
	if (waits != l->waits)
		client_events(c, l, waits ? EPOLLOUT : EPOLLIN);
	l->waits = waits;
}

static void request_take(struct ctl *c, struct client *l, struct ctl_msg *m)
{
	struct request r = { .msg = m, .now = c->now };
	enum request_stage before = l->rq.stage;
	enum request_verdict verdict;

	cost_spend(&c->apps->cost, l->rq.who.uid, 1);
	if (m->type == CTL_FORK)
		r.random = token_draw();
	verdict = request_handle(c->apps, &l->rq, &r);
	if (l->rq.stage == REQUEST_ATTACHED && before != REQUEST_ATTACHED)
		client_attached(c, l);
	wait_or_not(c, l, verdict == REQUEST_LATER, m);
	if (verdict == REQUEST_LATER)
		return;
	if (verdict == REQUEST_ANSWER)
		answer(c, l, &r);
	else if (verdict == REQUEST_QUERY)
		query_begin(c, l, m);
	else
		client_drop(c, l, r.why);
}

static void request_again(struct ctl *c, struct client *l)
{
	struct ctl_msg m = l->later;

	request_take(c, l, &m);
}

static void client_read(struct ctl *c, struct client *l)
{
	for (unsigned i = 0; i < MESSAGE_BURST && !l->dead && !l->waits && may_cost(c, l); i++) {
		struct ctl_msg m;

		switch (ctl_io_recv(l->fd, &m)) {
		case CTL_IO_NOTHING: return;
		case CTL_IO_GONE: client_end(c, l); return;
		case CTL_IO_GARBAGE:
			client_drop(c, l, "a message of the wrong size, or with descriptors");
			return;
		default: break;
		}
		if (l->querying)
			client_drop(c, l, "a request while its last one is being answered");
		else
			request_take(c, l, &m);
	}
}

void client_event(struct ctl *c, struct client *l, uint32_t events)
{
	if (events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP)) {
		client_end(c, l);
		return;
	}
	if (events & EPOLLIN)
		client_read(c, l);
	if (!(events & EPOLLOUT) || l->dead)
		return;
	if (l->querying && !l->asking) {
		client_events(c, l, EPOLLIN);
		query_join(c, l);
	} else if (l->waits && may_cost(c, l)) {
		request_again(c, l);
	}
}
