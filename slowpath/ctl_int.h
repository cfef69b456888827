/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl_int.h - inside the control server: ctl.c lets clients come and go, ctl_serve.c answers them.
 * A client that ended is freed at the end of the call: events that were fetched before may still point to
 * it. */
#ifndef TAS_SLOWPATH_CTL_INT_H
#define TAS_SLOWPATH_CTL_INT_H

#include <bsd/sys/queue.h>

#include "include/base/log.h"
#include "slowpath/ctl.h"
#include "slowpath/request.h"
#include "slowpath/undertaker.h"

enum watch_kind { WATCH_LISTENER, WATCH_CLIENT, WATCH_PROCESS, WATCH_HOLD };

/* What an epoll event points to. */
struct watch {
	enum watch_kind kind;
	void *of;
	uint64_t turn; /* ctl.turn when it had its last */
};

struct client {
	TAILQ_ENTRY(client) link; /* in newcomers or attached, then in the graveyard */
	struct watch socket, process;
	int fd, pidfd;
	struct request_client rq;
	tas_ns deadline; /* of a newcomer */
	bool dead;
	bool waits; /* its request is to be handed in again */
	struct ctl_msg later;
	bool querying;
	bool asking; /* in askers: its answer is not complete, and it takes more of it */
	TAILQ_ENTRY(client) ask;
	struct query query;
	uint32_t query_sequence;
	struct query_row row; /* made, and sent up to row_at */
	size_t row_at;
};
TAILQ_HEAD(clients, client);
TAILQ_HEAD(askers, client);

struct ctl_hold {
	TAILQ_ENTRY(ctl_hold) link;
	struct watch watch;
	int fd;
	struct hold *hold;
};
TAILQ_HEAD(ctl_holds, ctl_hold);

struct ctl {
	int fd, epfd;
	int spare; /* given up for a moment to turn somebody away when descriptors run out */
	char path[CTL_PATH_MAX];
	struct apps *apps;
	struct query_source source;
	struct watch listener;
	struct clients newcomers; /* by deadline */
	struct clients attached, graveyard;
	struct ctl_holds holds, holds_graveyard;
	struct client **by_app; /* [apps_max] */
	struct askers askers;   /* whose turn is next comes first */
	uint32_t query_steps;   /* left for all of them until query_at */
	tas_ns query_at;
	tas_ns now;
	uint64_t turn;              /* calls of ctl_poll() */
	struct undertaker *closers; /* NULL: not needed yet */
	struct ctl_stats stats;
	struct log_limit log;
};

/* --- ctl.c --- */

int ctl_watch(struct ctl *c, int fd, uint32_t events, struct watch *w);
void ctl_unwatch(struct ctl *c, int fd);
/* Closes a client's or a hold's socket, now or apart. */
void ctl_close(struct ctl *c, int fd);
/* It is gone, and everything it had. */
void client_end(struct ctl *c, struct client *l);
/* The same for what no honest client does: counted, and logged. */
void client_drop(struct ctl *c, struct client *l, const char *why);
/* It need not hurry any more. */
void client_attached(struct ctl *c, struct client *l);
/* It has its patience anew. */
void client_progress(struct ctl *c, struct client *l);

/* --- ctl_serve.c --- */

/* A turn for those who ask, as far as the steps of this moment go. */
void queries_poll(struct ctl *c);
void query_leave(struct ctl *c, struct client *l);
void client_event(struct ctl *c, struct client *l, uint32_t events);
void hold_hung_up(struct ctl *c, struct ctl_hold *h);
/* The child's end hung up, or says what the child closed. */
void hold_event(struct ctl *c, struct ctl_hold *h, uint32_t events);

#endif
