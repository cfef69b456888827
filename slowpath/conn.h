/* SPDX-License-Identifier: BSD-3-Clause */
/* conn.h - connections: RFC 9293's states, and the life of a flow from its SYN to its grave.
 *
 * Between conn_lock() and conn_unlock() a flow is the caller's; a flow that became CLOSED meanwhile is taken
 * out of the table there, and its slot given back once no application has it. Owner: the slow path. Functions
 * want the lock held unless they say otherwise. */
#ifndef TAS_SLOWPATH_CONN_H
#define TAS_SLOWPATH_CONN_H

#include <stdbool.h>
#include <stdint.h>

#include "include/net/addr.h"
#include "include/net/icmp.h"
#include "include/net/seg.h"
#include "slowpath/app.h"

struct sp;
struct rte_mbuf;
struct listener;

/* RFC 9293 3.8.3: after so many retransmissions of a segment it may be the path that fails. */
enum { TCP_R1 = 3 };

enum conn_event {
	EV_SYN_ACKED, /* our SYN was acknowledged: the handshake is complete */
	EV_SHUT,      /* the application ends its stream */
	EV_FIN,       /* the peer's FIN was received in order */
	EV_FIN_ACKED, /* our FIN was acknowledged */
	NR_CONN_EVENTS
};

/* A new flow for a connection with this key, state CLOSED, locked, in the table; FLOW_NONE if there is no
 * room or the key is in use. */
uint32_t conn_new(struct sp *sp, const struct flow_key *key);
void conn_lock(struct sp *sp, uint32_t id);
void conn_unlock(struct sp *sp, uint32_t id);

void conn_event(struct sp *sp, uint32_t id, enum conn_event ev);
/* The connection is over: tells the application `error` (0: nothing, it ended in order). */
void conn_end(struct sp *sp, uint32_t id, int error);
/* The same with a RST to the peer. */
void conn_abort(struct sp *sp, uint32_t id, int error);
/* The handshake is complete and `f` filled: the fast path may have it. Tells the application `event`. */
void conn_establish(struct sp *sp, uint32_t id);
/* It got its place in the region of a process that accepts, which gets what arrived before (unaccepted.h). */
void conn_handed(struct sp *sp, uint32_t id);

/* The events that the fast path collected (flow.events). Takes the lock. */
void conn_flow_events(struct sp *sp, uint32_t id);
/* The same for a flow whose turn has not come: it stays queued. As struct app_ops wants it, arg is struct
 * sp. */
void conn_op_settle(void *sp, uint32_t flow);
/* Its timer expired. Takes the lock. */
void conn_timer(struct sp *sp, uint32_t id);
/* Nobody has it any more. Takes the lock; as struct app_ops wants it, arg is struct sp. */
void conn_op_close(void *sp, uint32_t flow, enum app_close how);
int conn_op_info(void *sp, uint32_t flow, struct ctl_info *info);

/* An ICMP error about a segment of ours; believed only if that is in flight (RFC 5927 4.1). Takes the lock.
 */
void conn_icmp_error(struct sp *sp, const struct icmp_error *error);

/* An address of ours is ours no longer: connections from it end, in silence. Takes the locks. */
void conn_address_gone(struct sp *sp, struct net_addr addr);

/* Arms the timer for what the state wants. */
void conn_timer_arm(struct sp *sp, uint32_t id);

#endif
