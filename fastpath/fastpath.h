/* SPDX-License-Identifier: BSD-3-Clause */
/* fastpath.h - the data path of one instance, and the only header of it that the slow path includes.
 *
 * Threads: fp_create/fp_destroy belong to the thread that starts the instance. core_poll(c) is called by one
 * thread at a time for each core. The slow path is one more "core", fp->slow: it has notification rings,
 * counters and a place in the RCU of its own, but no port queue; what it wants sent it gives to a real core
 * (fp_send, core_kick). Functions on a flow are called with its lock held.
 *
 * Between cores and slow path:
 *   punt    core -> slow  packets the fast path does not finish: ARP, ICMP, fragments, SYN, RST, FIN, unknown
 *                         flows
 *   events  core -> slow  flows whose `events` became non-zero; at most once a flow, so it cannot overflow
 *   sends   slow -> core  frames ready for the wire
 *   kicks   any -> core   flows to look at (at most once a flow), applications to mind
 */
#ifndef TAS_FASTPATH_FASTPATH_H
#define TAS_FASTPATH_FASTPATH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_rcu_qsbr.h>
#include <rte_ring.h>

#include "fastpath/app.h"
#include "fastpath/flow.h"
#include "fastpath/port.h"
#include "fastpath/port_probe.h"
#include "fastpath/port_wake.h"
#include "fastpath/stats.h"
#include "fastpath/steer.h"
#include "include/base/time.h"
#include "include/net/rtt.h"
#include "include/net/seg.h"

enum {
	FP_CORES_MAX = ABI_CORES_MAX,
	FP_BATCH = 32,       /* packets or messages a stage handles in one pass */
	FP_TX_BATCH = 256,   /* frames a core may hold for its one transmit burst */
	FP_TX_QUOTA = 16,    /* segments a flow may send in one turn */
	FP_PUNTS_MAX = 1024, /* packets that may wait for the slow path */
	FP_SEND_BURST = 64,  /* frames from the slow path a pass takes */
	FP_SECRET_LEN = sizeof(struct flow_key),
};

struct fp_conf {
	uint32_t cores;     /* that may ever run, 1..FP_CORES_MAX */
	uint32_t cores_min; /* that serve at the start; 0: all */
	uint32_t flows_max;
	uint32_t apps_max;
	uint32_t delack_us[NR_DELAYED_FOR]; /* longest delays of an acknowledgement, ascending */
	uint32_t idle_us;                   /* a core without work for this long may sleep; 0 = never */
	uint32_t zone;                      /* flow_key.zone of the port */
	struct rtt_bounds rto;
	uint32_t restart_segments;     /* window of a flow that was idle (RFC 5681 4.1); 0: as it was */
	int numa_node;                 /* -1 = any */
	const char *name;              /* unique in the process: DPDK objects are named after it */
	uint8_t secret[FP_SECRET_LEN]; /* random, of the flow table: from the kernel at the rim */
};

/* How the rim wakes a sleeper. Both may be called from any thread; NULL members are allowed in simulation. */
struct fp_wake_ops {
	/* A context of an application. Returns for how long, in ns: of this thread's CPU time if `exactly`,
	 * else by the clock on the wall, in which others may have had the CPU. */
	uint32_t (*context)(void *arg, int eventfd, bool exactly);
	uint32_t usual_ns; /* that is of an application that does nothing to make it dear; 0: not known */
	void (*slow_path)(void *arg);
	void (*core)(void *arg, unsigned core);
	void *arg;
};

#define CORE_KICK_APP 0x80000000u

struct fp_list { /* of flows, FIFO */
	uint32_t head, tail;
};

/* What a core, or the slow path, remembers of an application. */
struct fp_app {
	tas_ns busy_ns; /* when it last rang */
	uint16_t next;  /* the context with which its next turn begins */
	uint16_t user;  /* as whose it is polled, and after it the next of that user: a ring */
	uint16_t user_next;
	uint16_t kept_passes; /* in which what it keeps in records waited */
	bool polled;
	uint16_t late_next;  /* app_wake.c: the application after it in the list, */
	uint16_t late_ctx;   /* and of its contexts the one to look at first */
	bool late;           /* it is in that list */
	_Atomic bool kicked; /* a kick of it waits: the slow path sets it, the core clears it */
};

/* And of a user who has applications that are polled. */
struct fp_user {
	uint16_t last; /* had the last turn */
	uint16_t napps;
	int16_t left; /* of its share of this pass; of the next one what it took too much is taken off */
};

struct pace_wheel;
struct fastpath;

struct fp_core {
	alignas(CACHE_LINE) struct fastpath *fp;
	uint16_t id;    /* == fp->conf.cores for the slow path */
	uint16_t queue; /* of the port, to transmit */
	bool is_slow;
	uint8_t nqueues, queue_next; /* received from, in turn: steer.h */
	uint8_t queues[PORT_QUEUES_MAX];
	uint32_t steer_seen; /* version of fp->steer that these are of */
	tas_ns now;          /* of this pass */
	uint32_t now_us;
	uint32_t ntx;
	uint32_t tso_mbufs; /* in chains among tx */
	bool tx_stuck;      /* the port did not take everything last time ... */
	tas_ns tx_moved_ns; /* ... and took something at this time */
	struct rte_mbuf *tx[FP_TX_BATCH];

	struct fp_list ready;                   /* have data to send and no reason to wait */
	struct fp_list delayed[NR_DELAYED_FOR]; /* owe an acknowledgement, in order of due time */
	struct fp_list held; /* hold back what fills no segment (FLOW_MORE), in order of time */
	uint32_t nacks;      /* flows that owe one before this pass ends */
	uint32_t acks[FP_BATCH * 4];
	struct pace_wheel *pace;
	uint8_t wakes_cores[FP_CORES_MAX]; /* to be woken when this pass ends: they got a kick or a frame */
	bool wakes_any_core;

	uint32_t napps, nusers;               /* applications whose bells are polled, and whose they are */
	uint16_t *users;                      /* [apps_max] the first `nusers` */
	struct fp_user *user;                 /* [apps_max] by app.user */
	struct fp_app *app;                   /* [apps_max] */
	bool users_short;                     /* some user wanted more than its share of the last pass */
	struct app_queue *wakes, *wakes_last; /* contexts to be woken when this pass ends, FIFO; each is in
						 it at most once, so that it needs no room and has no end */
	uint16_t late_head, late_tail;        /* applications that are dear to wake; APP_NONE: none */
	tas_ns late_at;                       /* when the next of them may be */

	struct rte_ring *sends;  /* mbufs of the slow path, ready for the wire */
	struct rte_ring *kicks;  /* uint32_t: a flow to look at, or CORE_KICK_APP | application id */
	struct rte_ring *events; /* uint32_t flow ids, to the slow path */
	bool slow_needs_wake;
	_Atomic uint32_t asleep; /* set by the core's loop before it blocks; producers of commands look after
				    a fence */
	tas_ns busy_since, last_work_ns;

	alignas(CACHE_LINE) uint64_t counter[NR_COUNTERS];
};

struct flow_table;

struct fastpath {
	struct fp_conf conf;
	struct port *port;
	struct rte_mempool *pool;
	struct flow *flows;     /* [flows_max] */
	struct flow_cold *cold; /* [flows_max] */
	struct flow_table *table;
	struct rte_rcu_qsbr *qsbr;    /* thread ids: cores, then the slow path */
	struct app *apps;             /* [apps_max], and one for the slow path's own use, never live */
	struct rte_ring *punts;       /* mbufs, many cores to the slow path */
	_Atomic uint32_t slow_asleep; /* set by the slow path's loop before it blocks */
	struct fp_wake_ops wake;
	struct fp_core *core[FP_CORES_MAX + 1]; /* the last in use is the slow path's */
	struct fp_core *slow;
	struct steer steer;
	/* slots of flows: free ones, and removed ones that wait for their grace period; the slow path's */
	uint32_t *free_flow;
	uint32_t nr_free;
	uint32_t last_gen;                     /* given to a flow */
	struct flow_holes *holes, *holes_free; /* [holes_blocks()] (holes.h) */
	rte_spinlock_t holes_lock;
	struct flow_grave {
		uint32_t id;
		uint64_t token;
	} * graves; /* FIFO, [flows_max] */
	uint32_t grave_head, nr_graves;
};

/* 0, or -errno with a sentence in err. Nothing is left behind on failure. `port` may be NULL in tests without
 * one. */
int fp_create(struct fastpath *fp, const struct fp_conf *conf, struct port *port, struct rte_mempool *pool,
	const struct fp_wake_ops *wake, char *err, size_t err_size);
void fp_destroy(struct fastpath *fp);
/* What fp_create() takes of DPDK's memory, to within a few percent; name and numa_node do not matter. */
uint64_t fp_memory_bytes(const struct fp_conf *conf);

/* One pass; returns how many packets, messages and timers it handled (0 = nothing to do). */
unsigned core_poll(struct fp_core *c, tas_ns now);
/* When the core must run again at the latest though nothing arrives (paced or delayed work); TAS_NS_NEVER if
 * nothing waits. */
tas_ns core_deadline(const struct fp_core *c);
/* After `asleep` was set and fenced: is there work a poll would find in memory (bells, commands)? */
bool core_has_work(struct fp_core *c);
/* Around sleep: no bells are looked at in between; the applications are told, and so is RCU. */
void core_sleep_begin(struct fp_core *c);
void core_sleep_end(struct fp_core *c);
/* Other queues than those that the core polled in its last pass may be its own now. */
static inline bool core_steer_is_old(const struct fp_core *c)
{
	return c->steer_seen != atomic_load_explicit(&c->fp->steer.version, memory_order_acquire);
}
/* Does it serve, or only finish what it had? */
static inline bool core_serves(const struct fp_core *c)
{
	return c->id < atomic_load_explicit(&c->fp->steer.cores, memory_order_relaxed);
}
/* Applications that are quiet are not polled; the rim calls this when the eventfd of (app, this core) fired.
 */
void core_app_rang(struct fp_core *c, uint16_t app);

/* --- for the slow path --- */

/* Reserves a flow slot (state TCP_CLOSED, zeroed but for gen) or FLOW_NONE. */
uint32_t flow_alloc(struct fastpath *fp);
/* Makes the flow findable by cold.key. -EEXIST if another flow has the key, -ENOSPC. */
int flow_insert(struct fastpath *fp, uint32_t id);
/* Takes its key out of the table: its packets are nobody's from now on. */
void flow_unlink(struct fastpath *fp, uint32_t id);
/* Gives the slot back (state TCP_FREE); it is reused after a grace period. The flow must not be in the table
 * any more. */
void flow_remove(struct fastpath *fp, uint32_t id);
uint32_t flow_lookup(struct fastpath *fp, const struct flow_key *key);
/* Slots whose grace period is over become free, a bounded number of them; call once per slow-path pass. */
void fp_reclaim(struct fastpath *fp);

/* A frame ready for the wire, from the slow path; takes the mbuf. */
void fp_send(struct fastpath *fp, struct rte_mbuf *m);
/* How many more it takes now, and whether all have gone to the port. */
uint32_t fp_send_room(const struct fastpath *fp);
bool fp_send_idle(const struct fastpath *fp);
/* Ask the flow's core to look at it (send, acknowledge). */
void core_kick(struct fp_core *from, uint32_t flow);
/* Sum of one counter over all cores and the slow path. */
uint64_t fp_counter(const struct fastpath *fp, enum tas_counter counter);

/* Flow under lock: from the slow path, which shares CPUs with others, spinning yields. */
void flow_lock_slow(struct flow *f);

/* --- the TCP functions shared by fast path and slow path (lock held) --- */

enum rx_verdict {
	RX_DONE, /* finished; the caller frees the mbuf */
	RX_PUNT, /* the slow path decides */
};

/* The whole of a segment in a synchronized state but SYN and RST (RFC 9293 3.10.7.4): acceptability,
 * timestamps, acknowledgement, window, payload, FIN. `frame` is the start of the frame that seg's offsets
 * refer to. */
enum rx_verdict tcp_rx(struct fp_core *c, uint32_t id, const struct seg *seg, const uint8_t *frame);
/* Sends what window, congestion window, pace and quota allow (on a real core; from the slow path it kicks
 * one). */
void tcp_tx(struct fp_core *c, uint32_t id);
void tcp_ack_now(struct fp_core *c, uint32_t id);
/* The retransmission timer expired: what is outstanding is deemed lost, cwnd is one segment (RFC
 * 6298 5.4-5.7, 5681 3.1). */
void tcp_on_timeout(struct fp_core *c, uint32_t id);
/* f->mss was lowered, for the path takes no larger segments: what is outstanding in such is lost, and sent
 * again at once, not being congestion without a smaller window (RFC 1191 6.4, Linux's simple retransmit). */
void tcp_on_too_large(struct fp_core *c, uint32_t id);
/* Sends new data as one segment of so many bytes, though that is more than mss; cold.path tells what
 * becomes of it. */
void tcp_send_path_probe(struct fp_core *c, uint32_t id, uint16_t size);
/* cold.rack.due_us has come: what waited for the end of a reordering window is lost, if it is still missing.
 */
void recovery_on_due(struct fp_core *c, uint32_t id);
/* Bytes thought to be in the network (RFC 6675 pipe; without SACK each duplicate acknowledgement took one
 * segment out). */
uint32_t recovery_pipe(const struct flow *f, const struct flow_cold *k);
/* Of what is outstanding, the bytes that were SACKed. */
uint32_t recovery_sacked(const struct flow *f, const struct flow_cold *k);
/* One byte past the peer's zero window, or an empty segment with an old sequence number (RFC 9293 3.8.6.1).
 */
void tcp_send_probe(struct fp_core *c, uint32_t id);
/* The probe timeout expired: what was sent last may be lost, and nothing comes after it that would tell (RFC
 * 8985 7). */
void tcp_send_tail_probe(struct fp_core *c, uint32_t id);
/* True if data or a FIN waits that only the peer's window holds back. */
bool tcp_window_blocked(const struct flow *f, const struct flow_cold *k);
uint32_t tcp_rcv_window(const struct flow *f, const struct flow_cold *k); /* bytes to be advertised now */

/* Tells the application: stores the record and pushes a notification if none is pending. */
void app_notify(struct fp_core *c, struct flow *f, uint32_t new_events, uint32_t error);
/* When a context must be woken that waits because its application is dear to wake; or TAS_NS_NEVER. */
static inline tas_ns core_wakes_due(const struct fp_core *c)
{
	return c->late_head == APP_NONE ? TAS_NS_NEVER : c->late_at;
}
/* What the record of the flow's home says of urgent data, for who takes over its positions; and what another
 * record is to say of the peer's. */
void flow_urgent_take(struct fp_core *c, uint32_t id);
void flow_urgent_give(const struct flow_urgent *u, struct abi_flow_urgent *shm);
/* To be called by the slow path when its pass ends: wakes contexts, cores and sends what the pass queued. */
void core_flush(struct fp_core *c);
/* An application attached (its slot is live): every core begins to look at its bells. */
void fp_app_started(struct fastpath *fp, uint16_t app);
/* What an application had told when its process ended: the slow path takes it from ring after ring, and then
 * from the records, when a grace period after `live` was cleared has passed. *at, 0 at first, is UINT32_MAX
 * after the last. Stops at `burst` messages or somewhat later; returns about how many. */
unsigned app_last_bells(struct fp_core *slow, uint16_t app, uint32_t *at, unsigned burst);
/* Marks why the slow path should look at the flow; queued once. */
void flow_event(struct fp_core *c, uint32_t id, uint16_t events);

#endif
