/* SPDX-License-Identifier: BSD-3-Clause */
/* flow.h - the state of one TCP connection in the data path.
 *
 * Guarantee: everything the common case reads and writes is in two cache lines; what is rare is in `struct
 * flow_cold` at the same index. Both belong to whoever holds the flow's lock: any core, or the slow path.
 *
 * Positions are 64-bit stream offsets: offset 0 is the first byte after the SYN, and sequence numbers and
 * ring positions derive from them (seq = isn + 1 + offset, ring index = offset & (size - 1)). The FIN, once
 * it is to be sent, is one more byte after the last; tx_inflight counts it when it was sent, tx_avail never
 * does.
 *
 *   transmit:  una ----- inflight -----> nxt ...... una + tx_avail (end of what the application wrote)
 *   receive:   nxt - rx_unread (read by the application) ..... nxt ----- rx_adv -----> advertised right edge
 */
#ifndef TAS_FASTPATH_FLOW_H
#define TAS_FASTPATH_FLOW_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_spinlock.h>

#include "fastpath/rack.h"
#include "include/base/compiler.h"
#include "include/base/time.h"
#include "include/net/flow_key.h"
#include "include/net/hdr.h"
#include "include/net/seq.h"

#define FLOW_NONE UINT32_MAX
#define FLOW_TUNE_NEVER UINT64_MAX

/* RFC 9293 3.3.2, numbered as Linux numbers them (TCP_INFO, ss). */
enum tcp_state {
	TCP_FREE = 0,
	TCP_ESTABLISHED,
	TCP_SYN_SENT,
	TCP_SYN_RCVD,
	TCP_FIN_WAIT_1,
	TCP_FIN_WAIT_2,
	TCP_TIME_WAIT,
	TCP_CLOSED,
	TCP_CLOSE_WAIT,
	TCP_LAST_ACK,
	TCP_LISTEN,
	TCP_CLOSING,
	NR_TCP_STATES
};

/* States in which the fast path moves data and acknowledgements by itself. */
#define TCP_STATES_FAST                                                                               \
	(1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT_1 | 1u << TCP_FIN_WAIT_2 | 1u << TCP_CLOSE_WAIT | \
		1u << TCP_CLOSING | 1u << TCP_LAST_ACK)

/* flow.flags, in order, so that no two take the same bit unnoticed */
enum flow_flags {
	FLOW_TS = 1 << 0,      /* timestamps were negotiated: every segment carries them */
	FLOW_SACK = 1 << 1,    /* SACK was negotiated */
	FLOW_NODELAY = 1 << 2, /* Nagle is off */
	FLOW_MORE = 1 << 3,    /* the application holds back a last segment that is not full */
	FLOW_TX_FIN = 1 << 4,  /* a FIN follows the last byte */
	FLOW_RX_FIN = 1 << 5,  /* the peer's FIN was received in order: rx_nxt counts it */
	FLOW_ORPHAN = 1
		<< 6, /* the application gave it up: no record, no notification, data is answered with RST */
	FLOW_RECOVERY = 1 << 7, /* fast recovery (RFC 5681, 6582, 6675) */
	FLOW_LOSS =
		1 << 8, /* after a retransmission timeout, until what was outstanding then is acknowledged */
	FLOW_OOO = 1 << 9,         /* cold.reass holds intervals, or cold.twice something to report */
	FLOW_TAIL_TIMER = 1 << 10, /* the slow path's timer is one for a tail loss probe */
	FLOW_PINGPONG = 1 << 11,   /* request and response alternate: acknowledgements wait for the answer */
	FLOW_CC_ACTIVE = 1 << 12,  /* congestion control has this flow on its list */
	FLOW_TIMER = 1 << 13,      /* the slow path has a retransmission or persist timer for this flow */
	FLOW_ECN = 1 << 14,        /* ECN was negotiated */
	FLOW_CWND_LIMITED = 1 << 15, /* the window, not the application, held back data since congestion
					control looked last */
	FLOW_WANT_SPACE =
		1 << 16, /* the application found its transmit ring full and waits for a notification */
	FLOW_ACK_WANTED =
		1 << 17,         /* the slow path wants a bare acknowledgement sent when it kicks the flow */
	FLOW_FIN_DONE = 1 << 18, /* our FIN was acknowledged: tx_una counts it */
	FLOW_PROBE_WANTED = 1 << 19, /* the slow path wants a window probe sent when it kicks the flow */
	FLOW_ECE = 1 << 20,          /* what we send echoes a congestion mark (tcp_ecn.c) */
	FLOW_CWR = 1 << 21,          /* the window was reduced: the next new data says so */
	FLOW_DCTCP = 1 << 22,        /* ECN as RFC 8257 has it */
	FLOW_SHARED = 1 << 23,       /* several processes have or had it: messages of each may be late */
	FLOW_PATIENT = 1 << 24,      /* they may wait as long as an answer takes */
	FLOW_ACK_LATE = 1 << 25,     /* one waited in vain for an answer, until cold.ack_late_us */
	FLOW_TAIL_WANTED = 1 << 26,  /* the slow path wants a tail loss probe sent when it kicks the flow */
	FLOW_ACK_LATER = 1 << 27,    /* the slow path wants an acknowledgement that data may carry */
	FLOW_FRAGMENTS = 1 << 28,    /* no DF: each segment has an identification of its own */
	FLOW_RX_LIMITED = 1 << 29,   /* cold.rx_limit and rx_clamp hold */
	FLOW_TX_LIMITED = 1 << 30,   /* cold.tx_limit and notsent_lowat hold */
};
#define FLOW_URGENT (1u << 31) /* the last of them: una has not reached cold.urgent.tx_end */

/* Why the slow path should look at a flow (flow.events): the fast path sets bits and pushes the flow at most
 * once. */
enum flow_events {
	FLOW_EV_TIMER = 1 << 0,   /* data is outstanding or waits for a window, and FLOW_TIMER was not set */
	FLOW_EV_CC = 1 << 1,      /* congestion control has something to look at */
	FLOW_EV_SHUT_WR = 1 << 2, /* the application ended its stream */
	FLOW_EV_CLOSE = 1 << 3,   /* the application gave the flow up */
	FLOW_EV_ABORT = 1 << 4,   /* ... and wants a RST */
	FLOW_EV_FIN_ACKED = 1 << 5,
	FLOW_EV_RX_FIN = 1 << 6,
	FLOW_EV_ACCEPTED = 1 << 7,
	FLOW_EV_FAULT = 1 << 8,       /* the peer misbehaved beyond repair: reset */
	FLOW_EV_ORPHAN_DATA = 1 << 9, /* data arrived after the application's close: RST */
	FLOW_EV_READS_FAST = 1 << 10, /* the receive ring may be what limits the peer: cold.rx_tune_at */
	FLOW_EV_RING_FULL = 1 << 11,  /* the transmit ring may be what limits us */
	FLOW_EV_QUEUED = 1 << 15,     /* on its way to the slow path */
};

enum {
	FLOW_QUICK_ACKS =
		16, /* tcp(7): at the start, and with TCP_QUICKACK, so many segments are acknowledged at
				 once */
};

/* flow.ack: what the receive side owes the peer. */
enum flow_ack {
	ACK_NONE = 0,
	ACK_DELAYED, /* on the core's delayed list */
	ACK_NOW,     /* before the pass ends */
};

enum {
	REASS_MAX = 32,         /* intervals kept: out of order received, and of the SACK scoreboard */
	HOLES_MAX = 256,        /* of a flow that has a block for more (holes.h), */
	HOLES_RESENT_MAX = 128, /* and of its pieces sent again */
};

/* What a delayed acknowledgement waits for. */
enum delayed_for {
	DELAYED_FOR_MORE,   /* more data, or a quick answer */
	DELAYED_FOR_ANSWER, /* the answer of an application that answers */
	NR_DELAYED_FOR
};

/* flow_cold.on_list */
enum flow_list {
	LIST_READY = 1 << 0,
	LIST_DELAYED = 1 << 1,
	LIST_PACED = 1 << 2,
	LIST_ACKS = 1 << 3,
	LIST_KICKED = 1 << 4,
	LIST_HELD = 1 << 5,
};

/* flow_cold.cc_seen */
enum flow_cc_seen {
	CC_SEEN_PACED = 1 << 0, /* the pace held back data */
	CC_SEEN_DRY = 1 << 1, /* everything the application wrote was sent, or what the peer's window takes */
};

struct flow {
	/* line 0: set when the slow path installs the flow, then rarely written. The lock comes first and
	 * outlives the flows of a slot: flow_alloc() */
	alignas(CACHE_LINE) rte_spinlock_t lock;
	uint32_t gen; /* handed to the application; never 0 */
	uint32_t rec; /* index of its record in its application's region */
	uint16_t app;
	uint16_t ctx;     /* context to notify */
	uint32_t rx_page; /* payload rings: page (4 KiB) in the application's region */
	uint32_t tx_page;
	uint8_t rx_log2; /* ring size = 1 << rx_log2 */
	uint8_t tx_log2;
	uint8_t snd_wscale; /* shift for the windows the peer sends */
	uint8_t rcv_wscale; /* shift for the windows we send */
	uint32_t flags;     /* enum flow_flags */
	uint16_t mss;       /* payload bytes of a full segment, options already taken off */
	uint16_t unused;
	tcp_seq iss, irs;    /* initial sequence numbers: ours, the peer's */
	uint8_t core;        /* which owns it at the moment */
	uint8_t state;       /* enum tcp_state; written by the slow path */
	uint8_t cc;          /* index of its congestion control algorithm */
	uint8_t notify_ring; /* core index of the ring of notify_pos */
	uint32_t pace_q16; /* pacing: ns per byte, 16 fractional bits; 0 = not paced; UINT32_MAX: see cold */
	uint32_t ts_off;   /* our timestamp = ms clock + this */
	uint32_t srtt_us;  /* smoothed RTT, us << 3 as RFC 6298 implementations keep it; 0 = none yet */
	uint16_t events;   /* enum flow_events */
	uint8_t ack;       /* enum flow_ack */
	uint8_t dup_acks;

	/* line 1: written under the lock by every packet or message */
	alignas(CACHE_LINE) uint64_t rx_nxt;
	uint64_t tx_una;
	uint64_t notify_pos;  /* producer index (plus one) of its last notification; 0 = none */
	uint32_t rx_unread;   /* bytes received in order and not yet read by the application */
	uint32_t rx_adv;      /* advertised right edge - rx_nxt */
	uint32_t rx_unacked;  /* bytes received in order since the last acknowledgement we sent */
	uint32_t tx_inflight; /* nxt - una */
	uint32_t tx_avail;    /* bytes in the transmit ring from una on */
	uint32_t snd_wnd;     /* peer's window in bytes, from una */
	uint32_t cwnd;        /* congestion window, bytes */
	uint32_t ts_recent;   /* peer's timestamp to echo (RFC 7323 4.3) */
	uint32_t
		last_tx_us; /* when data was last sent, for the retransmission timer and restart after idle */
	uint32_t wl1;       /* segment sequence number of the last window update (RFC 9293 SND.WL1), raw */
};
static_assert(sizeof(struct flow) == 2 * CACHE_LINE, "a flow is exactly two lines");

struct flow_range {
	uint64_t from, to; /* stream offsets, [from, to) */
};

/* Sorted, disjoint, not touching; in `more`, if that is there. */
struct flow_ranges {
	uint32_t n;
	struct flow_range r[REASS_MAX];
	struct flow_range *more; /* [HOLES_MAX] */
};

/* The intervals, and how many there may be. */
static inline const struct flow_range *ranges_all(const struct flow_ranges *s)
{
	return unlikely(s->more != NULL) ? s->more : s->r;
}
static inline uint32_t ranges_max(const struct flow_ranges *s)
{
	return s->more != NULL ? HOLES_MAX : REASS_MAX;
}

static inline uint64_t ranges_top(const struct flow_ranges *s)
{
	return s->n > 0 ? ranges_all(s)[s->n - 1].to : 0;
}

struct flow_holes {
	struct flow_holes *next;
	struct flow_range sacked[HOLES_MAX], reass[HOLES_MAX];
	struct resent_piece resent[HOLES_RESENT_MAX];
};

/* F-RTO (RFC 5682): what is done to learn whether a timeout was in vain. */
enum flow_frto {
	FRTO_OFF,  /* nothing: what is deemed lost is sent again */
	FRTO_HEAD, /* the first segment was sent again, and nothing else is before it is acknowledged */
	FRTO_NEW,  /* that was: new segments go, and what they bring back tells */
};

/* What it takes to take back a recovery that was in vain (spurious.c). */
struct flow_undo {
	uint64_t from;           /* una when it began */
	uint64_t resent, twice;  /* bytes sent again since; of these, reported to have come twice (D-SACK) */
	uint32_t cwnd, ssthresh; /* before it */
	uint32_t ts;             /* our timestamp when something was first sent again */
	uint32_t sent_us;        /* when the oldest of what was outstanding was first sent */
	bool is_open;            /* it can be taken back */
	bool is_stamped;         /* ts, and no acknowledgement has answered it */
	bool is_fresh;           /* FRTO_NEW: the one at hand brings what was not sent again */
	uint8_t frto;            /* enum flow_frto */
};

/* A segment larger than mss, sent to learn whether the path takes it (slowpath/conn_pmtu.h). */
struct path_probe {
	uint64_t from, to;
	bool is_out; /* [from, to) went as one segment */
	bool lost;   /* and something of it went again */
};

/* As abi_flow_urgent has it (urgent.c). */
struct flow_urgent {
	uint64_t at;          /* stream offset of the peer's urgent byte, */
	uint64_t from, to;    /* and where who stood at one that was not known goes on */
	uint32_t count;       /* 0: there was none; else even */
	uint32_t byte;        /* ABI_URGENT_THERE and the byte */
	uint32_t seen, taken; /* what the former home of the flow had said */
	uint64_t tx_end;      /* behind the last urgent byte of our stream: with FLOW_URGENT */
};

struct flow_cold {
	/* what congestion control and statistics see; totals since installation, so that readers take
	 * differences */
	alignas(CACHE_LINE) uint64_t delivered; /* bytes newly acknowledged or SACKed */
	uint64_t marked;                        /* of these, with ECE set */
	uint64_t lost;                          /* bytes deemed lost */
	uint32_t min_rtt_us;        /* least sample since congestion control looked last; UINT32_MAX = none */
	uint32_t rttvar_us;         /* << 2 */
	uint32_t recoveries;        /* times fast recovery began */
	uint32_t timeouts;          /* retransmission timeouts */
	uint32_t ssthresh;          /* bytes */
	uint32_t min_rtt_lately_us; /* least in the last two spells of RTT_SPELL_US (RFC 8985 6.2 step 1) */
	tas_ns pace_next_ns;        /* earliest time of the next segment */
	uint32_t paced_next;        /* link in the pacing wheel */
	uint32_t ready_next;        /* links of the core's lists; FLOW_NONE ends one */
	uint32_t delayed_next, delayed_prev, held_next;
	uint8_t delayed_core; /* whose list of delayed acknowledgements it is on, */
	uint8_t delayed_for;  /* and on which, enum delayed_for */
	uint8_t on_list;      /* enum flow_list bits: a slot is not reused before it is on none */
	uint8_t quick_acks;   /* segments still to be acknowledged at once */
	uint8_t backoff;      /* RTO doublings, or persist probes */
	uint8_t beta_q8;      /* what remains of cwnd on a loss, of 256; 0: fast recovery leaves the window to
			       * congestion control */
	uint16_t path_size;   /* one segment is to be so large (struct path_probe); 0: none */
	uint32_t pace_owed_ns; /* of its pace the flow lost so much to passes that came late */

	alignas(CACHE_LINE) struct hdr_tmpl hdr;

	struct sent_log sent;   /* when what is outstanding was first sent */
	uint64_t snd_sml;       /* offset after the last segment sent that was not full (Minshall's Nagle) */
	uint32_t ack_due_us;    /* when a delayed acknowledgement must go */
	uint32_t held_since_us; /* when it came on the list of flows that hold something back */
	uint32_t ack_late_us;   /* with FLOW_ACK_LATE */
	uint32_t delivered_us;  /* when `delivered` last grew */
	uint32_t rx_last_us;    /* when data last arrived */
	uint32_t spell_us;      /* when the present spell began, */
	uint32_t spell_rtt_us;  /* and the least round trip since */
	uint32_t rto_base_us;   /* the retransmission timer counts from here: the oldest data's first sending,
				 * the last progress, or the last retransmission of the head (RFC 6298 5) */

	/* loss recovery: offsets of our stream */
	uint64_t recover;                /* recovery ends when una reaches it */
	uint64_t lost_to;                /* what is neither SACKed nor sent again below it is deemed lost */
	uint64_t timeout_delivered;      /* `delivered` when the timer last expired */
	uint64_t prr_delivered, prr_out; /* in this recovery: delivered, sent (RFC 6937) */
	uint64_t bytes_twice;            /* that the peer reported as duplicates, ever */
	uint32_t undone;                 /* recoveries and timeouts that were taken back, */
	uint32_t undone_of;              /* and how many of both there were when one last was */
	uint32_t prr_flight;             /* outstanding when it began */
	uint64_t recovery_from;          /* `delivered` when it began */
	uint64_t recovery_delivered;     /* delivered during the fast recoveries before it */
	uint64_t steady_delivered; /* delivered outside of fast recoveries, up to this one or the last */
	uint64_t marks_to;         /* where the stream ended when marks last reduced the window; or 0, */
	uint32_t marks_cwnd;       /* which was so large before */
	uint32_t answered;         /* recoveries and timeouts of which marks had reduced the window */
	uint64_t tail_end;         /* where the stream ended when a tail loss probe went */
	bool tail_probed;          /* one did, and nothing behind tail_end is known yet */
	bool tail_resent;          /* it was the last segment once more, and no new one */
	struct rack rack;
	struct flow_undo undo;
	struct path_probe path;
	struct flow_ranges sacked;
	struct resent resent;
	struct flow_holes
		*holes; /* where what these and reass hold is, if it is too much for them; or NULL */

	/* reassembly: offsets of the peer's stream, bytes already in the ring */
	struct flow_ranges reass;
	uint64_t reass_last;     /* from of the interval that changed last: first SACK block (RFC 2018) */
	struct flow_range twice; /* arrived more than once; the next bare acknowledgement says so; or empty */
	uint64_t rx_fin_off;     /* offset of the peer's FIN if seen out of order, else UINT64_MAX */

	uint32_t rec_events;                /* what abi_flow_rec.events holds */
	uint32_t rec_error;                 /* and abi_flow_rec.error */
	uint16_t accept_forks, close_forks; /* of its process, as it accepted and closed the flow */
	struct flow_key key;
	uint64_t bytes_in, bytes_out, bytes_rtx;
	uint64_t step_at;    /* when `delivered` is there the window grows by a segment; then 0.
			      * UINT64_MAX: a loss came before */
	uint64_t cc_from;    /* `delivered` when FLOW_CC_ACTIVE was set: the interval begins there */
	tas_ns ts_recent_ns; /* when flow.ts_recent was renewed */
	uint32_t segs_in, segs_out, rtx_segs;
	uint32_t rcv_mss;
	uint64_t max_snd_wnd;
	uint8_t cc_seen;               /* enum flow_cc_seen, since congestion control looked last */
	tas_ns answered_ns, probed_ns; /* when flow_may_answer(), flow_may_answer_probe() last said yes */
	uint32_t pace_slow_ns;         /* a byte, in place of the largest pace_q16 */
	uint32_t tx_limit;             /* of the transmit ring, so much is used: SO_SNDBUF */
	uint32_t notsent_lowat;
	uint32_t rx_limit;   /* of the receive ring, so much is used: SO_RCVBUF */
	uint32_t rx_clamp;   /* the largest window: TCP_WINDOW_CLAMP */
	uint32_t tx_tune_us; /* when the slow path was last told that the transmit ring is full */
	uint32_t rx_tune_us; /* when the application had read so far that rx_tune_at was set */
	uint64_t rx_tune_at; /* half a ring further: reached within a round trip, the slow path hears of it.
			       * 0: not measured yet; FLOW_TUNE_NEVER: of no interest */
	struct flow_urgent urgent;
};

static inline uint64_t flow_tx_nxt(const struct flow *f) { return f->tx_una + f->tx_inflight; }
static inline uint64_t flow_tx_end(const struct flow *f) { return f->tx_una + f->tx_avail; }
static inline uint32_t flow_rx_size(const struct flow *f) { return 1u << f->rx_log2; }
static inline uint32_t flow_tx_size(const struct flow *f) { return 1u << f->tx_log2; }
static inline tcp_seq flow_tx_seq(const struct flow *f, uint64_t off)
{
	return seq_add(f->iss, 1 + (uint32_t)off);
}
static inline tcp_seq flow_rx_seq(const struct flow *f, uint64_t off)
{
	return seq_add(f->irs, 1 + (uint32_t)off);
}
static inline bool flow_fin_sent(const struct flow *f) { return f->tx_inflight > f->tx_avail; }

/* May a segment that is not acceptable, or is doubtful, and that carries nothing be answered now? If so it
 * counts as answered. It may itself be such an answer, of an end that disagrees with us about the numbers,
 * and two that answer each other's answers never end. So at most once in 500 ms, as Linux
 * (tcp_invalid_ratelimit); each connection for itself, so that nobody learns from it about another's (RFC
 * 5961 7, CVE-2016-5696). */
bool flow_may_answer(struct flow_cold *k, tas_ns now);
/* The same for what looks like a probe of the window or of whether we are there. Each is worth an answer:
 * they come at least an RTO apart. Closer than 10 ms they are no probes but ends that are one byte apart. */
bool flow_may_answer_probe(struct flow_cold *k, tas_ns now);

/* What those see who show a flow: its hot part, and of the cold one what is told. */
struct flow_snapshot {
	struct flow hot;
	uint64_t bytes_in, bytes_out, bytes_rtx;
	uint32_t segs_in, segs_out, rtx_segs;
	uint32_t rttvar_us, min_rtt_lately_us, ssthresh, rcv_mss;
};

/* As it was at one moment, taken without the lock and without a write to the flow: whoever works on it does
 * not notice. Of a flow that changed in each of some tries it may be of two moments. For the slow path, which
 * alone gives slots to flows and takes them. */
void flow_snapshot_take(const struct flow *f, const struct flow_cold *k, struct flow_snapshot *out);

/* Asserts what must hold whenever the lock is free. */
void flow_check(const struct flow *f);

#endif
