/* SPDX-License-Identifier: BSD-3-Clause */
/* app.h - the applications of an instance: attach, contexts, what they hold, and their end.
 *
 * Guarantees: an application has only its own region, within its quota, and nothing in it is believed. When
 * its process ends by whatever means, everything it had is given back. First what it had told before its end
 * is heard, when every core has looked away from its rings: what it wrote is sent, what it accepted was
 * accepted. Then its listeners go, its connections one by one as close() would (app_ops.close_flow), and when
 * they are done and every core has passed a grace period, region, descriptors and id. An offender that is cut
 * off is not heard. At a limit the newcomer is refused in words and what exists goes on; no user but root can
 * take all places (users.h).
 *
 *   FREE -> MAPPING -> LIVE -> ENDING -> CLOSING -> DRAINING -> GRACE -> LEAVING -> FREE
 *           hello      mapped  gone      heard      flows done  cores    memory went back
 *                                                               looked away
 *
 * Owner: the slow path; one thread. Cores see `struct app` of fastpath/app.h, which is filled here.
 * Needs no OS but for region.c: descriptors come from the rim (app_rim), and simulation has none. */
#ifndef TAS_SLOWPATH_APP_H
#define TAS_SLOWPATH_APP_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "fastpath/fastpath.h"
#include "include/abi/ctl.h"
#include "include/base/log.h"
#include "slowpath/buf.h"
#include "slowpath/conf.h"
#include "slowpath/cost.h"
#include "slowpath/hold.h"
#include "slowpath/region.h"
#include "slowpath/undertaker.h"
#include "slowpath/users.h"

enum {
	APP_FAULTS_MAX = 1024,    /* bad messages before an application is cut off */
	APP_CLOSE_BURST = 1024,   /* flows of dead applications closed in one pass */
	APP_LISTENERS_BURST = 64, /* and listeners of one that they leave */
	APP_BUFFER_MIN = 4096,
	APP_BUFFER_MAX = 1 << 24, /* bytes of one payload ring */
};
#define APP_CHECK_INTERVAL (100 * NS_PER_MS) /* between looks at fault counters */
#define APP_GRACE_RETRY (NS_PER_MS)          /* between looks whether a grace period is over */

enum app_close {
	APP_CLOSED,  /* close(): a FIN after what was written, a RST if data was left unread */
	APP_ABORTED, /* SO_LINGER 0: a RST */
	APP_DIED,    /* the process ended: as APP_CLOSED, its unsent data still goes out */
};

/* What the connections' side does for an application. Each int is 0 or an errno, the answer is put into the
 * message in place. Listeners are known by ctl_listen.id, which `listen` chooses (never 0, never used
 * again). */
struct app_ops {
	void *arg;
	/* l->id == 0: begin to listen, for `app` under l->cookie. Otherwise: change backlog and options of
	 * that listener. */
	int (*listen)(void *arg, uint16_t app, struct ctl_listen *l);
	/* This process may have connections of listener l->id notified to context l->context. */
	int (*arm)(void *arg, uint16_t app, const struct ctl_listen *l);
	/* After fork: `app`, too, has listener `id`, and calls it `cookie`. */
	int (*join)(void *arg, uint16_t app, uint64_t id, uint32_t cookie);
	/* `app` has it no more: disarm; what it has not accepted goes to the next. */
	void (*leave)(void *arg, uint16_t app, uint64_t id);
	/* Nobody has it: stop listening, reset what was not accepted. */
	void (*close_listener)(void *arg, uint64_t id);

	int (*connect)(void *arg, uint16_t app, struct ctl_connect *c);
	int (*route)(void *arg, struct ctl_connect *c);
	/* Fills everything but flow and gen for a flow in use; takes its lock itself. */
	int (*info)(void *arg, uint32_t flow, struct ctl_info *info);
	/* The same of a listener. */
	int (*listener_info)(void *arg, uint64_t id, struct ctl_info *info);

	/* The options of a flow in use change; takes its lock itself. */
	int (*options)(void *arg, uint32_t flow, const struct ctl_options *options);
	/* A ring of a flow in use may become larger; takes its lock itself. */
	int (*grow)(void *arg, uint32_t flow, uint32_t event);

	/* What the fast path saw of the flow and nobody has looked at is dealt with now. No lock is held. */
	void (*settle_flow)(void *arg, uint32_t flow);
	/* Nobody has the flow any more. No lock is held. For a dead application once for each record that
	 * it still had. */
	void (*close_flow)(void *arg, uint32_t flow, enum app_close how);
};

/* Descriptors, from the rim (slowpath/wake.h); NULL members in simulation. */
struct app_rim {
	void *arg;
	/* What wakes a context: tasd's end, and in *app_end what the application gets (the caller closes
	 * it); or -errno. */
	int (*context_open)(void *arg, int *app_end);
	void (*context_close)(void *arg, int fd);
	/* What an application writes to wake `core`, or -errno. */
	int (*core_open)(void *arg, unsigned core, uint16_t app);
	void (*core_close)(void *arg, unsigned core, int fd);
};

/* Who attached: from the kernel, but for the program's name. */
struct app_who {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	bool unprivileged; /* may not have ports below apps.low_ports */
	char program[32];  /* printable */
};

enum app_state {
	APP_FREE,
	APP_MAPPING,
	APP_LIVE,
	APP_ENDING,
	APP_CLOSING,
	APP_DRAINING,
	APP_GRACE,
	APP_LEAVING,
	NR_APP_STATES
};

/* tasd's side of a flow record. A flow has one for each process that took it over by fork or still has it;
 * these form a ring. The one that flow.app and flow.rec name is its home, where its bytes are. */
struct app_rec {
	uint32_t flow;       /* FLOW_NONE: free */
	uint32_t next, prev; /* in the free list, or in that of the cover that a closed flow waits for */
	uint32_t gen;        /* of the flow */
	uint8_t how;         /* enum app_close, while it waits */
	bool left;           /* its process closed it; it is the home of a flow that others have */
	uint16_t peer_app;   /* the next in the ring; itself if it is alone */
	uint32_t peer_rec;
	uint32_t rx_page, tx_page; /* payload rings, as the flow has them while this is its home */
	uint8_t rx_log2, tx_log2;
	uint16_t ctx; /* told of the flow when it was here last */
	bool has_rings;
	struct cover *waits;           /* for this one */
	uint64_t attached, born, upto; /* hold_app.forks: flow began, was accepted, was closed here */
	uint64_t taken;                /* where the stream to send ended when the flow moved away */
};

/* A region that goes back to the kernel. */
struct app_burial {
	struct undertaker_job job;
	struct region region;
	uint16_t app;
};

struct app_slot {
	enum app_state state;
	struct app_who who;
	struct region region;
	struct app_burial burial; /* LEAVING; of `region` only how much it is remains */
	struct buf_pool pool;
	struct app_rec *recs; /* [app_flows_max] */
	uint32_t recs_begun;  /* records from here on were never used */
	uint32_t recs_free;   /* head of the free list */
	uint32_t nr_recs;     /* in use */
	uint32_t nr_rings;    /* flows that have payload rings */
	uint32_t returning;   /* connections that it did not accept, to be taken back yet (listen.c) */
	uint32_t hear_next;   /* ENDING: the bell ring to empty next */
	uint32_t close_next;  /* ENDING, CLOSING: the record to look at next */
	uint64_t grace;       /* RCU token */
	uint64_t token;       /* CTL_FORK's, with which it came; or 0 */
	tas_ns since;         /* attached */
	uint64_t pages;       /* of SHARE_MEMORY */
};

/* Bytes of a flow that were copied to where it is about to move, before its lock is taken (app_share.c). */
struct app_copied {
	uint32_t flow; /* FLOW_NONE: nothing is */
	uint16_t app;
	uint32_t rec;
	uint64_t rx_to, tx_to; /* all that there was, up to here */
	uint64_t locked;       /* bytes that were left for under the lock, the last time */
};

struct apps {
	struct fastpath *fp;
	const struct tas_conf *conf;
	struct app_ops ops;
	struct app_rim rim;
	struct app_slot *slot; /* [apps_max] */
	struct holds holds;
	struct users users;
	struct app_copied copied;
	struct cost cost;  /* begun anew by whoever makes a pass */
	uint16_t *free_id; /* FIFO, so that an id rests before it is used again */
	uint32_t free_head, nr_free;
	uint16_t *free_user; /* numbers that no user has */
	uint32_t nr_free_users;
	uint16_t *dying; /* [2 * apps_max] those in ENDING, CLOSING or GRACE */
	uint32_t nr_dying, nr_live, nr_leaving;
	/* Where regions go that a process has had: nobody knows how much there is in them. NULL: they go at
	 * once. Ends with the registry. */
	struct undertaker *undertaker;
	tas_ns now, next_check;
	struct log_limit cut_log;
	uint32_t low_ports;                   /* ports below this one are for the privileged */
	uint64_t strikes;                     /* region_strikes() when last looked at */
	void (*cut)(void *arg, uint16_t app); /* tells the control server that it was cut off */
	void *cut_arg;
};

/* 0 or -ENOMEM. `conf` must outlive it; fp.conf.apps_max and cores must agree with conf. */
int apps_init(struct apps *as, struct fastpath *fp, const struct tas_conf *conf, const struct app_ops *ops,
	const struct app_rim *rim);
/* Gives everything back at once: no core runs any more. */
void apps_fini(struct apps *as);

/* A bounded step: cuts off offenders, closes flows of the dead, frees what passed its grace period. Returns
 * how much it did. */
unsigned apps_poll(struct apps *as, tas_ns now);
/* When it must be called again at the latest. */
tas_ns apps_deadline(const struct apps *as, tas_ns now);

/* --- attach --- */

/* Checks h, makes a region and answers in h. *app is the new id; its region.fd is to be passed on, and
 * fp.apps[*app].core_eventfd. An errno with a sentence in `why` otherwise. */
int app_hello(struct apps *as, struct ctl_hello *h, const struct app_who *who, tas_ns now, uint16_t *app,
	char *why, size_t why_size);
/* The application mapped it: seals, and from here on it is live. An errno with a sentence in `why`. */
int app_mapped(struct apps *as, uint16_t app, char *why, size_t why_size);
/* A new context; *app_end is the descriptor to pass on and close (-1 in simulation). An errno. */
int app_context_add(struct apps *as, uint16_t app, struct ctl_context *c, int *app_end);
/* For app.c: when no core can be at them any more. */
void app_contexts_free(struct apps *as, uint16_t app);
/* Its process ended or misbehaved: everything goes. */
void app_detach(struct apps *as, uint16_t app);
/* The same for an offender, with a line in the log. */
void app_cut_off(struct apps *as, uint16_t app, const char *why);

/* --- requests of a live application; an errno, the answer in place --- */

/* Nothing was done but a part of the work that it takes: the same request is to come again in a later pass.
 * Also of app_context_add(). */
#define APP_LATER EAGAIN

int app_listen(struct apps *as, uint16_t app, struct ctl_listen *l);
int app_unlisten(struct apps *as, uint16_t app, const struct ctl_listen *l);
int app_arm(struct apps *as, uint16_t app, struct ctl_listen *l);
int app_connect(struct apps *as, uint16_t app, struct ctl_connect *c);
int app_info(struct apps *as, uint16_t app, struct ctl_info *info);
int app_options(struct apps *as, uint16_t app, struct ctl_change *change);
int app_grow(struct apps *as, uint16_t app, const struct ctl_grow *g);
int app_adopt(struct apps *as, uint16_t app, struct ctl_adopt *a);
int app_leave(struct apps *as, uint16_t app, struct ctl_adopt *a);
/* NULL if there are too many. The rim calls app_fork_end() when the child's end hangs up. */
struct hold *app_fork(struct apps *as, uint16_t app, uint64_t token);
void app_fork_end(struct apps *as, struct hold *h);
/* Its child closed this before it attached. */
void app_fork_leave(struct apps *as, struct hold *h, const struct ctl_adopt *a);

/* What was done for it, in units of cost.h. */
static inline void app_spend(struct apps *as, uint16_t app, uint64_t units)
{
	cost_spend(&as->cost, as->slot[app].who.uid, units);
}

static inline bool app_is_live(const struct apps *as, uint16_t app)
{
	return app < as->conf->memory.apps_max && as->slot[app].state == APP_LIVE;
}

#endif
