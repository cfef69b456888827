/* SPDX-License-Identifier: BSD-3-Clause */
/* listen.h - listeners, the processes that accept from them, and connections on their way to accept().
 *
 * Guarantee: connections are handed over in the order in which they completed, each to one process that armed
 * the listener; what a process did not accept before it left goes to the next, in order. However many there
 * are, a pass deals with a bounded number of them, also when a process or a listener ends. A listener with no
 * armed process keeps completed connections waiting up to its backlog, and what they bring (unaccepted.h).
 * Owner: the slow path. Functions that take a flow want its lock held unless they say otherwise. */
#ifndef TAS_SLOWPATH_LISTEN_H
#define TAS_SLOWPATH_LISTEN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <bsd/sys/queue.h>
#include <bsd/sys/tree.h>

#include "include/abi/ctl.h"
#include "include/base/time.h"
#include "include/net/flow_key.h"

struct sp;

enum {
	LISTEN_ACCEPTORS_MAX = 256,
	LISTEN_SHARERS_MAX = 1024, /* listeners of one port (REUSEPORT): each SYN looks at all of them */
	LISTEN_BURST = 256,        /* connections that waited, dealt with in one pass */
	LISTEN_TURN = 32,          /* of one listener, before another has its turn */
};

struct conn_queue { /* flow ids through conn.pending_next/prev */
	uint32_t head, tail, count;
};

struct acceptor {
	TAILQ_ENTRY(acceptor) link; /* in listener.leaving */
	uint16_t app, ctx;
	uint32_t cookie;
	bool armed;
	bool leaves;              /* what it has is taken back, and counted in app_slot.returning */
	struct conn_queue handed; /* connections that it has not taken yet */
	tas_ns full_until;        /* it had no memory for a connection: others get them meanwhile */
};
TAILQ_HEAD(acceptor_queue, acceptor);

/* Whether listen_poll() has something to do for it: at once, or when memory may have come free. */
enum listener_wants { LISTENER_NOTHING, LISTENER_TURN, LISTENER_MEMORY };

struct listener {
	LIST_ENTRY(listener) same_port;
	TAILQ_ENTRY(listener) waiting;
	enum listener_wants wants;
	tas_ns retry_at; /* LISTENER_MEMORY */
	RB_ENTRY(listener) by_id;
	uint64_t id;
	uint64_t secret;      /* of those that may join: they inherited it from one process */
	uid_t uid;            /* whose process made it */
	bool has_port;        /* SHARE_PORTS */
	struct net_addr addr; /* any: every address */
	uint16_t port;        /* host order */
	uint16_t flags;       /* CTL_LISTEN_* */
	uint32_t backlog;
	struct ctl_options options; /* of what it accepts */
	struct conn_queue embryos;  /* in SYN_RCVD */
	struct conn_queue ready;    /* established, not handed to a process yet */
	uint32_t nr_handed;         /* in processes' accept queues */
	uint32_t nacceptors, turn;
	struct acceptor **acceptor;
	struct acceptor_queue leaving;
	bool closed; /* nobody has it, nobody finds it; gone when the last connection is */
	uint64_t accepted, overflows;
	tas_ns cookies_until;      /* acknowledgements may bring some back (handshake_cookie.h) */
	uint64_t unaccepted_bytes; /* memory that its connections have in tasd (unaccepted.h) */
};

LIST_HEAD(listener_list, listener);
TAILQ_HEAD(listener_queue, listener);
RB_HEAD(listener_ids, listener);
RB_PROTOTYPE(listener_ids, listener, by_id, listener_cmp)

struct listeners {
	struct listener_list of_port[UINT16_MAX + 1]; /* nobody walks the listeners of other ports */
	struct listener_ids ids;
	uint64_t next_id;
	uint32_t count;
	struct listener_queue turn, memory; /* by what they want; the second by retry_at */
};

struct listeners *listeners_create(void);
void listeners_free(struct listeners *ls);
/* The one with the least id above this one, or NULL. */
const struct listener *listen_after(const struct listeners *ls, uint64_t id);
/* The most specific listener for a packet to (local, local_port); among several with REUSEPORT one by the
 * hash. */
struct listener *listen_find(struct listeners *ls, const struct flow_key *key);
/* Nobody connects from a port on which somebody listens, at whatever address (as Linux). */
bool listen_has_port(const struct listeners *ls, uint16_t port);
/* Is there no place for one more complete connection? Asked of a SYN, and again when the handshake ends. */
bool listen_full(const struct listener *l);
/* A connection found no place. */
void listen_overflowed(struct sp *sp, struct listener *l);

/* As struct app_ops wants them; arg is struct sp. */
int listen_op_listen(void *sp, uint16_t app, struct ctl_listen *m);
int listen_op_arm(void *sp, uint16_t app, const struct ctl_listen *m);
int listen_op_join(void *sp, uint16_t app, uint64_t id, uint32_t cookie);
int listen_op_info(void *sp, uint64_t id, struct ctl_info *info);
void listen_op_leave(void *sp, uint16_t app, uint64_t id);
void listen_op_close(void *sp, uint64_t id);

/* The handshake is complete: hand the connection over now (true), or keep it among the ready ones. */
bool listen_established(struct sp *sp, struct listener *l, uint32_t flow);
/* The process took it from its accept queue. */
void listen_accepted(struct sp *sp, uint32_t flow);
/* The connection ends before it was accepted. */
void listen_forget(struct sp *sp, uint32_t flow);
/* A bounded step: connections that wait go to the processes that accept them. Takes locks itself. Returns how
 * many it dealt with. */
unsigned listen_poll(struct sp *sp);
/* When there is something to do. */
tas_ns listen_deadline(const struct sp *sp);
/* A connection enters SYN_RCVD. */
void listen_embryo(struct sp *sp, struct listener *l, uint32_t flow);

#endif
