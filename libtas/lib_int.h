/* SPDX-License-Identifier: BSD-3-Clause */
/* lib_int.h - the structures of the low-level library and what its modules offer each other.
 *
 *   struct tas           an instance: control link, pools of sockets and contexts
 *     struct lib_att     an attachment to one life of tasd: the mapped region. Dies with tasd, is unmapped
 *                        with its last user
 *       struct lib_rings the library's side of one abi_context
 *     struct tas_ctx     a thread: borrows rings, exclusively as long as there are enough
 *     struct tas_sock    a flow (lives in one attachment) or a listener (outlives attachments)
 *
 * Locks, outer first: a socket's rx_lock, its tx_lock; ctl_lock; a rings' drain_lock; its bell_lock;
 * pool_lock, fd_lock. on_event is called with a drain_lock or ctl_lock held.
 *
 * Who may still look at a socket that is being closed? Threads inside one of its locks (close enters
 * both), and drains, which find it by its record's index. Close takes it out of its slot, fences, and
 * waits for every drain that is running (`draining` is odd); a drain makes itself known, fences (fence
 * B), and looks into the slot. Memory of sockets and contexts is never unmapped.
 *
 * After fork, t->stamp is another number: sockets with the old one belong to the parent's mapping, which
 * the child does not have, and nothing of them but their identity and positions is used. */
#ifndef TAS_LIB_INT_H
#define TAS_LIB_INT_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "include/abi/abi.h"
#include "include/abi/ctl.h"
#include "include/base/compiler.h"
#include "include/base/time.h"
#include "include/tas/tas.h"
#include "libtas/lib_lock.h"

enum {
	SOCK_CHUNK = 1024,
	SOCK_CHUNKS = 1024,
	SOCK_REST = 256, /* closed sockets that lie idle before the oldest is used again */
	CTX_CHUNK = 64,
	CTX_CHUNKS = 1024,
	LISTENER_RINGS = 1024,
	FDS_MAX = 4096, /* descriptors of the library and the layer above */
	WHY_SIZE = 200,
	CHECK_NS = 10 * 1000 * 1000,
	URGENT_BATCH = 8,
};

#define STAMP_LISTENER 0x80000000u /* in tas_sock.stamp; 0: closed */

/* --- rings --- */

struct lib_bells { /* under bell_lock */
	struct abi_bell_ring *ring;
	struct abi_core_line *line;
	uint64_t produced;
	uint64_t consumed; /* as last seen */
};

struct lib_notes {
	struct abi_notify_ring *ring;
	_Atomic uint64_t consumed; /* written under drain_lock */
};

struct lib_rings {
	alignas(CACHE_LINE) struct lib_lock bell_lock;
	uint32_t id;
	struct lib_att *att;
	struct abi_context *shm;
	uint64_t bit;           /* in abi_core_line.bells */
	_Atomic uint32_t users; /* contexts that borrow it */
	_Atomic uint32_t sleepers;
	_Atomic int fd; /* eventfd that tasd writes */
	alignas(CACHE_LINE) struct lib_lock drain_lock;
	uint32_t nr_urgent; /* TAS_EV_URGENT is told of these, when drain_lock is left */
	struct tas_sock *urgent[URGENT_BATCH];
	_Atomic uint32_t draining; /* odd while notifications are looked at */
	struct lib_notes notes[ABI_CORES_MAX + 1];
	struct lib_bells bells[ABI_CORES_MAX];
};

struct lib_slot { /* what we know of a record */
	_Atomic(struct tas_sock *) sock;
	_Atomic uint32_t gen;        /* of the flow that `sock` is; written before it */
	_Atomic uint32_t closed_gen; /* that flow was ours and is closed: the record may not know */
};

struct lib_att {
	struct tas *t;
	char *base;
	uint64_t size;
	struct abi_header *header;
	uint32_t cores, contexts_max, flows_max,
		notify_mask;   /* copies: constant whatever happens to the region */
	size_t map_size;       /* of this struct and the two arrays behind it */
	_Atomic uint32_t refs; /* t->att, contexts, sockets */
	_Atomic uint32_t dead;
	_Atomic uint32_t sweeping; /* odd while the dead attachment's sockets are told */
	_Atomic uint32_t nr_rings; /* made so far; below it `rings` is valid */
	_Atomic int core_fd[ABI_CORES_MAX];
	uint64_t epoch;           /* t->epoch while it lived */
	struct lib_rings *rings;  /* [contexts_max] */
	struct lib_rings *shared; /* those of all contexts that share; under ctl_lock */
	struct lib_slot *slot;    /* [flows_max] */
};

/* --- contexts --- */

struct tas_ctx {
	alignas(CACHE_LINE) struct tas *t;
	struct lib_rings *rings; /* NULL, or of an attachment that may be dead; changed by its thread */
	uint32_t stamp;          /* copy of t->stamp */
	_Atomic uint32_t used;
	_Atomic uint32_t sleeping;
	_Atomic int fd;          /* eventfd of tas_ctx_wake; made when first needed, kept with this struct */
	uint32_t depth;          /* of sleeps: more than one when a signal handler waits */
	struct lib_rings *slept; /* between sleep_begin and _end: whose `sleepers` counts us */
	struct tas_ctx *shared;  /* tas_ctx_shared: NULL until it is asked for */
	bool shares;             /* it is one of these */
	bool rang_tasd, rang;    /* of this sleep: a descriptor was found readable (tas_ctx_rang) */
};

/* --- sockets --- */

enum lib_state { /* bits of tas_sock.state; the pending error stands above STATE_ERROR_SHIFT */
	STATE_CONNECTED = 1 << 0,
	STATE_RESET = 1 << 1,   /* nothing can be sent or received any more */
	STATE_TX_SHUT = 1 << 2, /* by us */
	STATE_RX_SHUT = 1 << 3,
	STATE_ERROR_SHIFT = 16,
};

struct tas_sock {
	/* line 0: receiving; positions under rx_lock, but any thread may read them */
	alignas(CACHE_LINE) struct lib_lock rx_lock;
	_Atomic uint32_t stamp;   /* of the process that may use it, see above; 0: closed */
	_Atomic uint64_t rx_read; /* consumed by the program */
	_Atomic uint64_t rx_told; /* ... as far as tasd knows */
	struct abi_flow_rec *rec;
	char *rx_ring;
	uint32_t rx_mask;          /* of the ring; 0: not known yet */
	uint32_t rx_gen;           /* rec->ring_gen of these */
	_Atomic uint32_t rx_worth; /* so many bytes consumed are worth a message */
	uint32_t flow;             /* abi_flow_rec.flow */

	/* line 1: sending; under tx_lock */
	alignas(CACHE_LINE) struct lib_lock tx_lock;
	_Atomic uint32_t state; /* enum lib_state */
	_Atomic uint64_t tx_end;
	uint64_t tx_una; /* rec->tx_una as last seen */
	char *tx_ring;
	uint32_t tx_mask;
	uint32_t tx_gen;
	_Atomic uint32_t options; /* ABI_BELL_NODELAY, ABI_BELL_MORE */
	uint32_t gen;             /* abi_flow_rec.gen */
	_Atomic uint32_t tx_size; /* of the ring, so much is used; 0: with notsent_lowat */
	_Atomic uint32_t notsent_lowat;

	/* line 2: what drains touch */
	alignas(CACHE_LINE) struct tas *t;
	struct lib_att *att;
	_Atomic(struct lib_rings *) rings; /* notified there */
	_Atomic(void *) user;
	_Atomic uint64_t seen_rx;       /* rx_end of the last IN edge */
	_Atomic uint32_t seen_events;   /* edges were told for these */
	_Atomic uint32_t looked_events; /* and these were only taken note of */
	_Atomic uint32_t want_out;      /* somebody waits for space: notified of it, tell an OUT edge */
	_Atomic uint32_t queued_in;     /* cookie plus one of the listener whose queue it waits in, or 0 */

	/* line 3: rare */
	uint32_t index; /* in the pool; constant */
	uint32_t rec_index;
	_Atomic uint32_t closing;    /* CLOSING_*: a handler closed it while its own thread was inside */
	uint32_t adopt_error;        /* why an inherited socket cannot be used */
	_Atomic uint32_t seen_error; /* rec->error as last seen with ABI_EV_ERROR */
	uint32_t rx_limit;           /* of the ring tasd offers so much to the peer; 0: all */
	_Atomic uint32_t tx_limit;   /* of the other one the library uses so much; 0: all */
	_Atomic uint32_t told_error; /* the pending error that a call took last, for tas_error_back */
	_Atomic uint64_t
		quick_at; /* where it was, and what was chosen, when TCP_QUICKACK was last set; 0: never */
	uint64_t taken;   /* how far our bytes went before another process took the flow */
	uint32_t forks;   /* t->forks when it began; SHARED: others have it in any case */
	uint16_t local_port, remote_port;
	struct tas_sock *next; /* in the free list or an accept queue */
	struct net_addr local, remote;

	struct lib_listener *listener;  /* NULL: a flow */
	_Atomic uint64_t urgent_at;     /* the mark that abi_flow_urgent.seen is about, or URGENT_NOWHERE */
	_Atomic uint32_t urgent_told;   /* urgent_count, and 1 if its byte was there */
	_Atomic uint32_t urgent_inline; /* SO_OOBINLINE */
};
static_assert(sizeof(struct tas_sock) == 5 * CACHE_LINE,
	"receiving, sending, and three lines that are rarely touched");

/* What a listener has besides. Type-stable, as sockets are. */
struct lib_listener {
	uint32_t cookie;                  /* of the listener that has it now: its index and a counter */
	_Atomic uint32_t queued;          /* connections to accept */
	_Atomic(struct tas_sock *) inbox; /* newest first, pushed by drains */
	struct tas_sock *head, *tail;     /* in order; under rx_lock */
	/* under ctl_lock */
	struct tas_sock *next; /* t->listeners */
	struct lib_listener *next_free;
	struct ctl_listen listen; /* how to register it, and its id */
	bool registered;
	struct tas_ctx *armed_for;    /* who waits for connections: armed again after tasd came back */
	bool armed_for_all;           /* its rings are those that all share */
	_Atomic uint64_t armed_epoch; /* in which the next two hold; written after them */
	_Atomic uint32_t armed_now; /* index in lib_att.rings: connections are told there, since last asked */
	_Atomic uint64_t armed[LISTENER_RINGS / 64]; /* all where any may have been told */
};

#define FORKS_SHARED UINT32_MAX
#define URGENT_NOWHERE UINT64_MAX

#define CLOSING_PLAIN 1u
#define CLOSING_ABORT 2u

/* --- an instance --- */

struct tas {
	struct tas_os os;
	struct tas_link link;
	void *link_arg;
	char path[108];
	uint32_t full_yields;
	void (*on_event)(struct tas_sock *s, void *user, uint32_t edges);
	pthread_key_t key;
	uint64_t serial; /* of this instance in the process: a thread remembers its context by it */

	_Atomic uint32_t stamp; /* 1 + forks since tas_create that led to this process */
	_Atomic uint32_t forks; /* of this process, with this tasd's knowledge */
	_Atomic uint64_t epoch;
	_Atomic(struct lib_att *) att; /* NULL: not attached */
	_Atomic tas_ns checked_ns;

	struct lib_lock ctl_lock; /* the rest of this block */
	uint32_t sequence;
	tas_ns tried_ns; /* last attempt to attach, if it failed */
	int tried_error;
	char tried_why[WHY_SIZE];
	struct tas_sock *listeners;
	struct lib_listener *listeners_free;
	uint32_t cookies; /* handed out */

	_Atomic int ctl_fd;   /* lib_link.c */
	_Atomic int watch_fd; /* epoll: ctl_fd hung up, timer_fd fired */
	_Atomic int timer_fd;
	_Atomic int hold_fd;       /* child: as long as it is open, tasd keeps what we inherited */
	_Atomic int hold_other;    /* parent, between prepare and parent/child */
	uint64_t hold_token;       /* child: names what we inherited; 0: nothing */
	uint64_t parent_token;     /* between prepare and parent: the parent's own */
	bool forking;              /* prepare entered the locks */
	struct tas_sock *disowned; /* inherited, closed before the child attached */

	struct lib_lock pool_lock;
	struct tas_sock *free_head, *free_tail;
	uint32_t nr_free;
	_Atomic uint32_t nr_fresh;              /* sockets from here on were never used */
	_Atomic(struct tas_sock *) freed_aside; /* freed by a handler that interrupted the pool */
	_Atomic(struct tas_sock *) sock_chunk[SOCK_CHUNKS];
	_Atomic(struct tas_ctx *) ctx_chunk[CTX_CHUNKS];
	struct tas_ctx common; /* of threads that got none; nobody sleeps on it */

	struct lib_lock fd_lock;
	_Atomic int fd_low;             /* all of ours are at least this */
	_Atomic uint32_t nr_fds;        /* entries used so far */
	_Atomic int fd_number[FDS_MAX]; /* plus one; 0: free entry. Any thread may read these */
	_Atomic int *fd_place[FDS_MAX];
	bool fd_own[FDS_MAX]; /* not in a child after fork */
};

/* --- lib_attach.c: attachments --- */

static inline struct lib_att *lib_att_now(const struct tas *t)
{
	/* pairs with the release in att_publish: the attachment is complete */
	return atomic_load_explicit(&t->att, memory_order_acquire);
}

static inline bool lib_att_alive(const struct lib_att *a)
{
	return likely(atomic_load_explicit(&a->dead, memory_order_relaxed) == 0);
}

/* With ctl_lock held. */
int lib_attach_locked(struct tas *t, char *why, size_t why_size);
/* With ctl_lock held: a request and its answer; the answer's status as -errno; -EMFILE if its descriptors
 * found no numbers; -ENOTCONN after tasd's death. */
int lib_request(struct tas *t, struct ctl_msg *m, enum ctl_type type, int *fds, unsigned max, unsigned *nfds);
/* With ctl_lock held: tasd is gone. */
void lib_att_die(struct tas *t);
/* The same for a request that needs no context, without ctl_lock (lib_open.c). */
int lib_ask(struct tas *t, struct ctl_msg *m, enum ctl_type type);
void lib_att_get(struct lib_att *a);
void lib_att_put(struct lib_att *a);
/* With ctl_lock held: registers the listeners that are not (lib_listen.c). */
void lib_listen_renew(struct tas *t);
/* With ctl_lock held: c has new rings; what was armed for it in the former attachment is armed again. */
void lib_listen_rearm(struct tas_ctx *c);

/* --- lib_watch.c: what blocked threads watch --- */

/* With ctl_lock held. Watches ctl_fd for its hang-up. */
void lib_watch_open(struct tas *t);
void lib_watch_del(struct tas *t, int fd);
/* With ctl_lock held: makes the timer run while listeners wait for tasd. */
void lib_timer_adjust(struct tas *t);
/* Is tasd alive, asked of the kernel? Takes the consequences. Not with ctl_lock held, nor a lock inside
 * it. */
bool lib_alive(struct tas *t);

/* --- lib_link.c: the control socket --- */

extern const struct tas_link lib_link_unix;

/* --- lib_ctx.c --- */

/* Rings of a living attachment, or NULL; may ask tasd. Not with ctl_lock held. */
struct lib_rings *lib_ctx_rings_slow(struct tas_ctx *c);
static inline struct lib_rings *lib_ctx_rings(struct tas_ctx *c)
{
	struct lib_rings *r = c->rings;

	return likely(r != NULL && lib_att_alive(r->att)) ? r : lib_ctx_rings_slow(c);
}
/* The same with ctl_lock held. */
struct lib_rings *lib_ctx_rings_locked(struct tas_ctx *c);
void lib_ctx_wake_all(struct tas *t);
/* In a child: all contexts but `keep` are free. */
void lib_ctx_after_fork(struct tas *t, struct tas_ctx *keep);

/* --- lib_bell.c --- */

/* Waits until tasd's cores took what was sent so far, but not for ever. Without locks. */
void lib_bells_pass(struct lib_att *a);

/* Tells tasd: ABI_BELL_* with the socket's positions and options. Never fails: what finds no room is kept
 * where tasd finds it. */
void lib_bell(struct tas_ctx *c, struct tas_sock *s, uint32_t flags);

/* --- lib_notify.c --- */

/* Looks at all that arrived; returns how many, 0 also if another is draining. */
unsigned lib_drain(struct tas_ctx *c, struct lib_rings *r);
bool lib_drain_pending(struct lib_rings *r);
/* The same without telling anybody. */
void lib_sock_look(struct tas_sock *s);
/* Notifications of the flow go to `r` from now on. What went elsewhere is in its record, for who looks there
 * after this. False: they did already. */
bool lib_sock_context(struct tas_sock *s, struct lib_rings *r);
/* Looks at a flow as if it had been notified just now. */
void lib_sock_update(struct tas_ctx *c, struct tas_sock *s);
/* Waits until no drain that may have found a closed socket is running. */
void lib_drains_pass(struct lib_att *a);
/* A quarter of the transmit ring is free, and half of what may be unsent. */
bool lib_sock_has_space(const struct tas_sock *s);

/* So much of a transmit ring of this size is used. */
static inline uint32_t lib_tx_used_size(const struct tas_sock *s, uint32_t size)
{
	uint32_t limit = atomic_load_explicit(&s->tx_limit, memory_order_relaxed);

	return limit != 0 ? min_u32(limit, size) : size;
}

/* What was not sent yet, of `used` bytes in the ring that end at `end`. Of sockets with notsent_lowat. */
static inline uint32_t lib_unsent(const struct tas_sock *s, uint64_t end, uint64_t used)
{
	uint32_t unsent = (uint32_t)end - atomic_load_explicit(&s->rec->tx_nxt, memory_order_relaxed);

	return unsent < used ? unsent : (uint32_t)used;
}
/* Takes note of a connection's end. */
void lib_sock_reset(struct tas_sock *s, uint32_t error);

static inline struct abi_flow_rec *lib_rec(const struct lib_att *a, uint32_t index)
{
	uint64_t off;

	if (unlikely(index >= a->flows_max))
		return NULL;
	off = atomic_load_explicit(&a->header->rec_chunk_off[index / ABI_REC_CHUNK], memory_order_acquire);
	if (unlikely(off == 0))
		return NULL;
	return (struct abi_flow_rec *)(void *)(a->base + off) + index % ABI_REC_CHUNK;
}

/* --- lib_urgent.c --- */

static inline struct abi_flow_urgent *lib_urgent_of(const struct tas_sock *s)
{
	uint32_t i = s->rec_index % ABI_REC_CHUNK;

	return &((struct abi_rec_chunk *)(void *)(s->rec - i))->urgent[i];
}

struct lib_urgent {
	uint64_t read, end;    /* where the reader is, and the end of what was received */
	uint64_t at, from, to; /* as in the record */
	uint64_t ahead;        /* bytes from the reader to the mark */
	uint32_t count, seen, byte;
	bool active; /* there is a mark, and the reader is not past it */
	bool there;  /* its byte arrived, */
	bool taken;  /* and was read out of band */
};

static inline bool lib_urgent_inline(const struct tas_sock *s)
{
	return atomic_load_explicit(&s->urgent_inline, memory_order_relaxed) != 0;
}

void lib_urgent_read(const struct tas_sock *s, struct lib_urgent *u);
/* How it is now; false: never was there any urgent data. Without rx_lock it may be old. */
static inline bool lib_urgent_look(const struct tas_sock *s, struct lib_urgent *u)
{
	if (likely(!(atomic_load_explicit(&s->rec->events, memory_order_acquire) & ABI_EV_URGENT)))
		return false;
	lib_urgent_read(s, u);
	return true;
}
/* With rx_lock: the reader knows it. Reads come by the slow way again if the mark is not passed. */
void lib_urgent_take(struct tas_ctx *c, struct tas_sock *s, struct lib_urgent *u);
/* After that: bytes that one read may give, which begin *hole bytes behind the first unread one. */
uint64_t lib_urgent_limit(struct tas_ctx *c, struct tas_sock *s, struct lib_urgent *u, bool peek,
	uint32_t *hole);
uint64_t lib_urgent_readable(const struct tas_sock *s, const struct lib_urgent *u);
/* TAS_EV_PRI and TAS_EV_URGENT, each once. */
uint32_t lib_urgent_edges(struct tas_sock *s);
/* Tells of them: who reads without ever waiting hears of urgent data so, after the lock was left. */
void lib_urgent_tell(struct tas_sock *s, uint32_t edges);
/* What a socket with ABI_EV_URGENT is ready for, besides. */
uint32_t lib_urgent_ready(const struct tas_sock *s, uint32_t ready);
/* Tells the layer above. */
void lib_tell(struct tas_sock *s, uint32_t edges);

/* --- lib_data.c --- */

/* Enters rx_lock, with the ring at hand: 0 or -errno. */
int lib_rx_enter(struct tas_ctx *c, struct tas_sock *s);
/* With rx_lock: n bytes were read. */
void lib_rx_consume(struct tas_ctx *c, struct tas_sock *s, size_t n);
/* Is it ours, and at home here, or can be at once? Then its record may be looked at. */
bool lib_sock_here(struct tas_sock *s);

/* --- lib_sock.c --- */

struct tas_sock *lib_sock_alloc(struct tas *t);
void lib_sock_free(struct tas_sock *s);
struct tas_sock *lib_sock_at(struct tas *t, uint32_t index); /* or NULL */
/* Binds a socket to record `rec_index`, whose line 1 need not be there yet. `stamp` is left to the
 * caller, for the end. */
void lib_flow_init(struct tas_sock *s, struct lib_att *a, uint32_t rec_index, uint32_t flow, uint32_t gen,
	struct lib_rings *notified);
/* Lets drains find it. What they found and dropped before stands in the record, where whoever looks next
 * sees it. False: a drain made a socket of this flow already. */
bool lib_flow_link(struct tas_sock *s);
/* Closes a flow that nobody is inside of, and that nobody can enter. */
void lib_flow_close(struct tas_ctx *c, struct tas_sock *s, bool abort);
/* Takes a flow's socket out of its attachment; tasd is not told. */
void lib_flow_unlink(struct tas_sock *s);
/* lib_listen.c */
/* TAS_EV_IN if a connection waits, also one that was told to another thread. Asks tasd nothing. */
uint32_t lib_listener_ready(struct tas_ctx *c, struct tas_sock *l);
int lib_listener_options(struct tas_ctx *c, struct tas_sock *l, const struct ctl_options *options);
void lib_listener_close(struct tas_ctx *c, struct tas_sock *l);
/* With ctl_lock held. Registers a listener that the fork hold did not give us; 0 or -errno. */
int lib_listener_register(struct tas *t, struct lib_listener *b);
/* In a child: what the parent's queue held is the parent's. */
void lib_listener_forget_queue(struct lib_listener *b);
/* With ctl_lock held: out of t->listeners. */
void lib_listener_unlist(struct tas *t, struct tas_sock *l);
/* With ctl_lock held: the end of its memory. */
void lib_listener_free(struct tas_sock *l);
/* Ends a socket that a handler closed while its own thread was inside. */
void lib_sock_closed_inside(struct tas_ctx *c, struct tas_sock *s);

/* Enters rx_lock or tx_lock of a socket that was ours a moment ago. */
static inline int lib_sock_enter(struct tas_ctx *c, struct tas_sock *s, struct lib_lock *l, uint32_t kind)
{
	if (unlikely(!lib_lock_enter(&c->t->os, l)))
		return -EDEADLK;
	if (likely(atomic_load_explicit(&s->stamp, memory_order_acquire) == (c->stamp | kind)))
		return 0;
	lib_lock_leave(&c->t->os, l);
	return -EBADF;
}

static inline void lib_sock_leave(struct tas_ctx *c, struct tas_sock *s, struct lib_lock *l)
{
	lib_lock_leave(&c->t->os, l);
	if (unlikely(atomic_load_explicit(&s->stamp, memory_order_relaxed) == 0))
		lib_sock_closed_inside(c, s);
}

/* --- lib_options.c --- */

/* What options say of the payload rings holds from now on. */
void lib_options_take(struct tas_sock *s, const struct ctl_options *options);
/* Asks tasd for the larger ring that it offers; the caller has the ring's lock. */
void lib_grow(struct tas_sock *s, uint32_t event);
/* The rings are of these sizes. */
void lib_rx_size_set(struct tas_sock *s, uint32_t size);
void lib_tx_size_set(struct tas_sock *s, uint32_t size);
/* TCP_QUICKACK as it was set by this process, for as long as nothing can have changed it: tasd may answer
 * before it takes the message. */
void lib_quickack_info(const struct tas_sock *s, struct ctl_info *info);

/* --- lib_fork.c --- */

/* Makes an inherited socket our own; 0 or -errno. */
int lib_adopt(struct tas_ctx *c, struct tas_sock *s);
/* The same for who may hold any lock: false if it cannot be done now. */
bool lib_adopt_try(struct tas_sock *s);
/* The flow is in another process's region: brings it back. 0, or -errno: -EDEADLK for a handler inside of it.
 * Without locks. */
int lib_pull(struct tas_ctx *c, struct tas_sock *s);
/* The same for who may hold any lock: false if it cannot be had now. */
bool lib_pull_try(struct tas_sock *s);
/* Tells tasd where we are, for another process that takes the flow from us. True if one did meanwhile. */
bool lib_publish(struct tas_sock *s);
/* Gives up a flow that other processes may have, too; false if tasd must be told by a bell. */
bool lib_leave_shared(struct tas_ctx *c, struct tas_sock *s, bool abort);
/* With ctl_lock held, after an attachment: tells what was closed before. */
void lib_fork_attached(struct tas *t);
/* Closes an inherited socket that was not used. */
void lib_fork_disown(struct tas_ctx *c, struct tas_sock *s);

static inline uint32_t lib_stamp(const struct tas *t)
{
	return atomic_load_explicit(&t->stamp, memory_order_relaxed);
}

/* Was there a fork since we have it? */
static inline bool lib_shared(const struct tas *t, const struct tas_sock *s)
{
	return unlikely(s->forks != atomic_load_explicit(&t->forks, memory_order_relaxed));
}

/* Is the flow in another process's region? */
static inline bool lib_moved(const struct tas_sock *s)
{
	return unlikely(atomic_load_explicit(&s->rec->events, memory_order_acquire) & ABI_EV_MOVED);
}

/* 0 if `s` is a flow (or with STAMP_LISTENER a listener) of this process, else adopts it or says what it
 * is instead. */
int lib_sock_ours_slow(struct tas_ctx *c, struct tas_sock *s, uint32_t kind);
static inline int lib_sock_ours(struct tas_ctx *c, struct tas_sock *s, uint32_t kind)
{
	if (likely(atomic_load_explicit(&s->stamp, memory_order_acquire) == (c->stamp | kind)))
		return 0;
	return lib_sock_ours_slow(c, s, kind);
}

/* --- lib_fd.c --- */

/* Moves `fd` to a high number with close-on-exec and stores it in *place, where it is known from now on. It
 * stays where it is if no number is left. On failure it is closed: -errno, with *place -1. */
int lib_fd_take(struct tas *t, _Atomic int *place, int fd);
/* Closes it and sets *place to -1; nothing if it is -1 already. */
void lib_fd_drop(struct tas *t, _Atomic int *place);
/* In a child: closes all that came by lib_fd_take, without touching their places, but for `keep`, which
 * lives in `place` from now on. */
void lib_fd_after_fork(struct tas *t, int keep, _Atomic int *place);

#endif
