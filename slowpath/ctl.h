/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl.h - the control socket: processes come, ask, get answers and go.
 *
 * Guarantees: nothing a client does makes tasd wait: it is read when it sent something, a bounded number of
 * messages at a time, and answers to tasctl are made of a bounded number of rows a millisecond, all together;
 * one that does not take its answers, sends garbage, or has not attached in time is cut off and counted.
 * A process's end, by whatever signal and whoever inherited its socket, is seen at once (pidfd) and
 * everything it had goes. When descriptors run out, newcomers are turned away and the rest goes on.
 * Owner: the thread of the slow path. */
#ifndef TAS_SLOWPATH_CTL_H
#define TAS_SLOWPATH_CTL_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "slowpath/app.h"
#include "slowpath/query.h"

struct ctl;

enum {
	CTL_PATH_MAX = 108,       /* of a sockaddr_un */
	CTL_NEWCOMERS_MAX = 1024, /* clients that have not attached, tasctl among them */
	CTL_CLOSERS_MAX = 4,      /* threads that close what may wait for a stranger */
};
#define CTL_PATIENCE (10 * NS_PER_SEC) /* to attach, or to take the next piece of an answer */

struct ctl_conf {
	const char *path; /* what lies there is replaced: whoever holds the instance's name may */
	mode_t mode;
	gid_t gid; /* (gid_t)-1: tasd's own */
	struct apps *apps;
	struct query_source query;
};

/* The path for a configuration. */
void ctl_path(const struct tas_conf *conf, char *path, size_t size);

/* 0, or -errno and a sentence in err; nothing is left behind then. Also raises this process's limit of open
 * files as far as it may. */
int ctl_start(struct ctl **out, const struct ctl_conf *cc, char *err, size_t err_size);
/* Removes the socket and ends every client. Before apps_fini(). */
void ctl_stop(struct ctl *c);

/* For the main loop's epoll set: readable (level) when ctl_poll() has something to do. */
int ctl_fd(const struct ctl *c);
/* A bounded step; returns how many clients and messages it dealt with. */
unsigned ctl_poll(struct ctl *c, tas_ns now);
/* When it must be called though ctl_fd() is silent. */
tas_ns ctl_deadline(const struct ctl *c);

struct ctl_stats {
	uint64_t accepted, dropped, turned_away;
	uint32_t clients, holds;
	uint32_t closing; /* sockets of offenders that hold descriptors, not closed yet */
};
struct ctl_stats ctl_stats(const struct ctl *c);

#endif
