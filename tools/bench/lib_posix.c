/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_posix - what the library costs an application: epoll_wait, then for every message of 64 bytes recv and
 * send, by the functions that libtas.so exports under these names. 32 messages are on their way at once, on
 * one flow or each on another. Only the application's side is timed; the core that serves it is the real one,
 * and the answers, which repeat what was received, are compared on the wire. */
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/abi/ctl.h"
#include "include/tas/tas.h"
#include "libtas/posix/file.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px.h"
#include "tools/bench/bench.h"

enum { MESSAGE = 64, WARM_UP = 20000, ROUNDS = 400000, FLOWS_MAX = 64 };

struct posix_rig {
	struct rig *r;
	struct tas *t;
	uint32_t cookie; /* the library's name for the listener */
	int listener, epfd, fd[FLOWS_MAX];
	uint64_t cycles, answered;
};

/* --- the control socket, as far as it is needed --- */

static int link_open(void *arg TAS_UNUSED) { return 0; }
static bool link_alive(void *arg TAS_UNUSED) { return true; }
static void link_close(void *arg TAS_UNUSED) {}
static void link_unmap(void *arg TAS_UNUSED, void *base TAS_UNUSED, uint64_t size TAS_UNUSED) {}

static void *link_map(void *arg, int memfd TAS_UNUSED, uint64_t size TAS_UNUSED)
{
	return ((struct posix_rig *)arg)->r->app->base;
}

static void link_wake(void *arg, int fd TAS_UNUSED)
{
	core_app_rang(((struct posix_rig *)arg)->r->fp.core[0], 0);
}

static int link_request(void *arg, struct ctl_msg *m, int *fds TAS_UNUSED, unsigned max TAS_UNUSED,
	unsigned *nfds)
{
	struct posix_rig *x = arg;
	struct app *a = x->r->app;

	*nfds = 0;
	m->status = 0;
	switch (m->type) {
	case CTL_HELLO: m->hello.region_size = a->size; break;
	case CTL_CONTEXT:
		m->context.id = 0;
		m->context.off = (uint64_t)((char *)a->ctx[0].shm - a->base);
		break;
	case CTL_LISTEN:
		x->cookie = m->listen.cookie;
		m->listen.id = 1;
		break;
	case CTL_MAPPED:
	case CTL_ARM:
	case CTL_UNLISTEN: break;
	default: m->status = EOPNOTSUPP;
	}
	return 0;
}

/* --- the application --- */

static bool flow_accept(struct posix_rig *x, uint32_t i)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };

	x->fd[i] = px_accept4(x->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	return x->fd[i] >= 0 && px_epoll_ctl(x->epfd, EPOLL_CTL_ADD, x->fd[i], &event) == 0;
}

static bool app_start(struct posix_rig *x)
{
	static const struct tas_link link = { link_open, link_request, link_map, link_unmap, link_alive,
		link_wake, link_close };
	struct tas_setup setup = { .link = &link, .link_arg = x, .on_event = file_on_event };

	if (tas_create(&x->t, &setup) != 0)
		return false;
	inst_use(x->t);
	x->epfd = px_epoll_create1(EPOLL_CLOEXEC);
	x->listener = px_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (x->epfd < 0 || x->listener < 0 || px_listen(x->listener, FLOWS_MAX) != 0)
		return false;
	tas_ctx_poll(inst_ctx());
	rig_offer(x->r, x->cookie);
	for (uint32_t i = 0; i < x->r->flows; i++)
		if (!flow_accept(x, i))
			return false;
	rig_poll(x->r); /* takes the messages about accepting */
	rig_slow_path(x->r);
	return true;
}

static void app_stop(struct posix_rig *x)
{
	for (uint32_t i = 0; i < x->r->flows; i++)
		px_close(x->fd[i]);
	px_close(x->listener);
	px_close(x->epfd);
	tas_destroy(x->t);
	inst_use(NULL);
}

/* Answers the messages that wait; false if a call did not do what it should. */
static bool app_pass(struct posix_rig *x, unsigned per_flow)
{
	struct epoll_event events[2 * FP_BATCH]; /* one place is kept for the kernel's */
	char message[MESSAGE];
	uint64_t begin = rte_rdtsc();
	int n = px_epoll_pwait(x->epfd, events, ARRAY_LEN(events), 0, NULL);
	bool right = n > 0;

	for (int i = 0; i < n; i++) {
		int fd = x->fd[events[i].data.u32];

		for (unsigned k = 0; k < per_flow; k++)
			right &= px_recv(fd, message, MESSAGE, 0) == MESSAGE &&
				px_send(fd, message, MESSAGE, MSG_NOSIGNAL) == MESSAGE;
	}
	x->cycles += rte_rdtsc() - begin;
	return right && (unsigned)n * per_flow == FP_BATCH;
}

/* --- the measurement --- */

/* 32 messages come in, and their answers go out. */
static bool exchange(struct posix_rig *x, uint32_t first)
{
	struct rig *r = x->r;
	uint32_t len, bytes = 0;

	for (unsigned n = 0; n < FP_BATCH; n++)
		rig_send(r, (first + n) % r->flows, MESSAGE);
	rig_poll(r);
	if (!app_pass(x, r->flows == 1 ? FP_BATCH : 1)) {
		fprintf(stderr,
			"tas-bench: lib_posix: a call moved no whole message, or events are missing\n");
		return false;
	}
	rig_poll(r);
	while (rig_receive(r, &len) != FLOW_NONE)
		bytes += len;
	rig_slow_path(r);
	if (bytes == FP_BATCH * MESSAGE)
		return true;
	fprintf(stderr, "tas-bench: lib_posix: %u bytes of answers came out, not %u\n", bytes,
		FP_BATCH * MESSAGE);
	return false;
}

static bool measure(struct posix_rig *x, uint64_t rounds, double *cycles)
{
	uint32_t first = 0;

	x->cycles = 0;
	for (uint64_t done = 0; done < rounds; done += FP_BATCH, first += FP_BATCH)
		if (!exchange(x, first))
			return false;
	*cycles = (double)x->cycles / (double)rounds;
	return true;
}

static bool run_flows(uint32_t flows, struct bench_result *res)
{
	struct posix_rig x = { .r = rig_create(flows, 8192) };
	bool right;

	*res = (struct bench_result){ .name = "lib_posix",
		.flows = flows,
		.rounds = ROUNDS,
		.unit = "message each way",
		.floor_cycles = rig_floor_copy(2 * MESSAGE) };
	right = app_start(&x);
	if (!right)
		fprintf(stderr, "tas-bench: lib_posix: the application's sockets could not be set up: %s\n",
			strerror(errno));
	right = right && measure(&x, WARM_UP, &res->cycles) && measure(&x, ROUNDS, &res->cycles);
	if (!right)
		return false;
	app_stop(&x);
	rig_free(x.r);
	return true;
}

static bool run(struct bench_result *results, unsigned *n)
{
	return run_flows(1, &results[(*n)++]) && run_flows(FLOWS_MAX, &results[(*n)++]);
}

const struct bench bench_lib_posix = { "lib_posix", "one 64 B message received and one sent, by socket calls",
	run };
