/* SPDX-License-Identifier: BSD-3-Clause */
/* sp.h - the slow path of one instance: policy and everything rare. One thread; no OS below the rim: time
 * comes as an argument, frames come from fp->punts and go by fp_send().
 *
 *   sp_poll: punts, fragments, events, timers, neighbours, routers, groups, congestion control,
 *            applications, reclaim, scaling, flush
 */
#ifndef TAS_SLOWPATH_SP_H
#define TAS_SLOWPATH_SP_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/fastpath.h"
#include "include/base/log.h"
#include "include/net/rtt.h"
#include "slowpath/app.h"
#include "slowpath/app_flow.h"
#include "slowpath/cc_flow.h"
#include "slowpath/challenge.h"
#include "slowpath/conf.h"
#include "slowpath/conn_keepalive.h"
#include "slowpath/conn_pmtu.h"
#include "slowpath/conn_tune.h"
#include "slowpath/cookie.h"
#include "slowpath/frag.h"
#include "slowpath/groups.h"
#include "slowpath/icmp_sp.h"
#include "slowpath/isn.h"
#include "slowpath/limit.h"
#include "slowpath/listen.h"
#include "slowpath/neigh.h"
#include "slowpath/pmtu.h"
#include "slowpath/ports.h"
#include "slowpath/ra.h"
#include "slowpath/room.h"
#include "slowpath/route.h"
#include "slowpath/sp_scale.h"
#include "slowpath/timer.h"

enum {
	SP_PUNTS_BURST = 64,
	SP_EVENTS_BURST = 256,
	SP_TIMERS_BURST = 1024,
	SP_CC_BURST = 10000, /* flows congestion control visits in one pass */
	SP_NEIGHBOURS_MAX = 4096,
	SP_RSTS_PER_S = 10000, /* for segments that belong to no connection */
	SP_HOPS = 64,
	SP_SECRETS_LEN = ISN_SECRET_LEN + PORTS_SECRET_LEN + CHALLENGE_SECRET_LEN + COOKIE_SECRET_LEN,
};

/* Where a passively opened connection is until it was accepted. */
enum conn_where { CONN_NOWHERE, CONN_EMBRYO, CONN_READY, CONN_HANDED };

/* The slow path's side of a flow, at the flow's index. */
struct conn {
	struct cc_flow cc;
	tas_ns cc_due;
	uint32_t cc_slot; /* index in sp.cc_list, or FLOW_NONE */
	uint8_t where;    /* enum conn_where */
	uint8_t retries;  /* of SYN or SYN-ACK; window probes without an answer */
	uint8_t cc_alg;   /* enum cc_algorithm */
	bool app_gone;    /* nobody has it any more: close() came, or nobody ever had it */
	bool syn_wait;    /* the first SYN waits for the neighbour's hardware address */
	bool linked;      /* in the flow table */
	bool counted;     /* for `user` (room.h) */
	uid_t user;
	bool wscale_offered;                 /* window scaling is on, as far as is known */
	bool deferred;                       /* the handshake is complete but for data (TCP_DEFER_ACCEPT) */
	uint8_t syn_resends;                 /* SYNs or SYN-ACKs that the timer sent again */
	struct listener *listener;           /* until accepted */
	struct acceptor *acceptor;           /* CONN_HANDED: whose */
	uint32_t pending_next, pending_prev; /* in one of its queues */
	uint32_t room_next, room_prev;       /* among those that make way (room.h) */
	uint8_t room;                        /* which, enum room_class + 1; 0: it does not */
	uint32_t neigh;                      /* held entry, or NEIGH_NONE (conn_neigh.h) */
	uint32_t neigh_next, neigh_prev;     /* among those that go through it */
	uint32_t rx_size, tx_size;
	tas_ns fin_answer_due;  /* TIME_WAIT: its FIN, if it comes again, is not answered before */
	uint32_t timer_base_us; /* FIN_WAIT_2, TIME_WAIT, persist: since when */
	uint32_t segs_seen;     /* received, and una, when the timer last expired */
	uint64_t una_seen;
	uint32_t soft_segs_in; /* received when ICMP said soft_error; not more: it still explains silence */
	int soft_error;
	uint16_t errors; /* told of by ABI_EV_ERROR */
	uint16_t peer_mss;
	struct conn_pmtu pmtu;
	struct keep keep;
	struct ctl_options opt;
	struct conn_tune tune;
	uint8_t kept_log2;
	char *kept;         /* ring of 1 << kept_log2 bytes: what nobody accepted (unaccepted.h); or NULL */
	tas_ns syn_sent_ns; /* 0: sent more than once, no RTT sample (Karn) */
};

struct sp {
	struct fastpath *fp;
	const struct tas_conf *conf;
	struct apps *apps;
	struct conn *conn;    /* [flows_max] */
	struct timers timers; /* index: the flow */
	struct routes routes;
	struct pmtu pmtu;
	struct neigh neigh;
	struct ra ra;
	struct groups groups;
	uint32_t *neigh_conns; /* [SP_NEIGHBOURS_MAX] the first flow that goes through each, or FLOW_NONE */
	struct icmp_sp icmp;
	struct frags frags;
	struct isn isn;
	struct cookies cookies;
	struct log_limit flood_log;
	struct ports ports;
	struct listeners *listeners;
	struct room_queue room[NR_ROOM_CLASSES];
	uint64_t unaccepted_bytes; /* of all connections' rings in `kept` */
	struct challenge challenges;
	struct limit rsts;
	struct sp_scale scale;
	struct rtt_bounds rto;
	uint32_t *cc_list; /* flows that congestion control visits, dense */
	uint32_t cc_count, cc_at;
	tas_ns cc_next;
	tas_ns now;
};

struct sp_conf {
	struct fastpath *fp;
	const struct tas_conf *conf;
	struct apps *apps;               /* made with the ops of sp_app_ops() */
	uint8_t secrets[SP_SECRETS_LEN]; /* random: from the kernel at the rim, from the seed in simulation */
	tas_ns now;
};

/* What the applications' side calls; `arg` is sp, which may be created afterwards. */
struct app_ops sp_app_ops(struct sp *sp);

/* 0, or -errno and a sentence in err; nothing is left behind then. */
int sp_create(struct sp *sp, const struct sp_conf *sc, char *err, size_t err_size);
void sp_destroy(struct sp *sp);
/* One pass; returns how much it did. */
unsigned sp_poll(struct sp *sp, tas_ns now);
/* When it must run again though nothing wakes it. */
tas_ns sp_deadline(const struct sp *sp);
/* True if something waits in memory (punts, events): to be asked after fp->slow_asleep was set and fenced. */
bool sp_has_work(const struct sp *sp);

/* Payload bytes of a full segment to this address, without options, as far as our own link goes. */
static inline uint32_t sp_link_mss(const struct sp *sp, struct net_addr remote)
{
	uint32_t mtu = sp->fp->port->mtu;

	if (addr_is_v4(remote))
		return mtu - 40;
	return (sp->ra.mtu != 0 ? min_u32(mtu, sp->ra.mtu) : mtu) - 60;
}

/* Through how many routers a segment may go, where nobody says. */
static inline uint8_t sp_hops(const struct sp *sp, bool v4)
{
	return v4 || sp->ra.hops == 0 ? SP_HOPS : sp->ra.hops;
}

static inline void sp_count(struct sp *sp, enum tas_counter c, uint64_t n) { sp->fp->slow->counter[c] += n; }

#endif
