/* SPDX-License-Identifier: BSD-3-Clause */
/* ctl.h - messages on tasd's control socket (unix, SOCK_SEQPACKET): rare requests, one answer each, in order.
 *
 * An application attaches like this:
 *   app  -> CTL_HELLO   versions and struct sizes as the library was built; its pid comes from SO_PEERCRED
 *   tasd -> CTL_HELLO   and descriptors: memfd, eventfd of core 0, 1, ...; or status != 0 and a text that
 *                       names both versions
 *   app                 maps the region (all of it, MAP_SHARED, madvise MADV_DONTFORK), adds to the memfd
 *                       F_SEAL_FUTURE_WRITE and F_SEAL_SEAL, closes it
 *   app  -> CTL_MAPPED  tasd looks for the seals, without which the region is not used
 *   tasd -> CTL_MAPPED  only now may the application make contexts
 * The connection is the application's life: when it hangs up, or the process ends, tasd reclaims everything.
 * Descriptors go from tasd to applications, never the other way.
 *
 * Threads: the library sends one request at a time (a process-wide lock) and reads its answer. tasd never
 * blocks on it. All integers are in host byte order, addresses are struct net_addr. Every message has the
 * same size; unused bytes are zero.
 */
#ifndef TAS_ABI_CTL_H
#define TAS_ABI_CTL_H

#include <assert.h>
#include <stdint.h>

#include "include/net/addr.h"

#define CTL_SOCKET_DIR "/run/tasd"  /* tasd.conf: [tasd] run_dir; the socket is DIR/INSTANCE.sock */
#define CTL_ENV_TOLD "TAS_TOLD"     /* environment: tas-run has said already that tasd does not answer */
#define CTL_ENV_SOCKET "TAS_SOCKET" /* environment: path of the control socket, set by tas-run */

enum ctl_type {
	CTL_HELLO = 1,
	CTL_MAPPED,
	CTL_CONTEXT,  /* a new context -> its id and offset + fds [to sleep on: read 8 bytes at a time, as an
			 eventfd; only tasd writes it] */
	CTL_LISTEN,   /* start listening, or change backlog and options of an own listener (same cookie) */
	CTL_UNLISTEN, /* this process no longer holds the listener; the last holder's closes it */
	CTL_ARM,      /* connections of this listener may be handed to this process; notify this context */
	CTL_CONNECT,  /* an active open: the answer means "SYN on its way"; the outcome comes through the
			 record */
	CTL_ROUTE,    /* would tasd carry a connection to this address? */
	CTL_FORK,     /* this process is about to fork -> a token + fds [one end of a socketpair, which the
			 child keeps and its parent closes] */
	CTL_INFO,     /* a snapshot of one flow for TCP_INFO */
	CTL_QUERY,    /* tasctl: the answer's text comes as further messages' bytes, see CTL_TEXT */
	CTL_TEXT,     /* tasd -> tasctl: a piece of text; the last one has length 0 */
	CTL_ADOPT, /* after fork: the socket (listener or flow) is wanted here. A flow's bytes move into this
			 process's region */
	CTL_OPTIONS, /* options of a flow change: all of them are said */
	CTL_LEAVE,   /* this process closed a flow that others may have. A child that has not attached sends
			 it on its end of the socketpair, of listeners, too; without an answer then */
	CTL_GROW,    /* ABI_EV_GROW_RX or _TX of a flow was seen, and the process stays out of that ring until
			it is answered: 0, or why the ring stays as it is */
};

struct ctl_hello {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t features;
	uint32_t header_size, rec_size, bell_size, context_size;
	uint64_t region_size; /* answer */
	uint32_t app, cores;  /* answer */
	uint64_t fork_token;  /* request: the token that CTL_FORK gave the parent, or 0 */
	char program[32];     /* request: for tasctl; the basename, cut */
};

struct ctl_context {
	uint32_t id; /* answer */
	uint32_t pad;
	uint64_t off; /* answer: struct abi_context */
};

/* Socket options, as far as they are tasd's: of a connection that is opened, of those that a listener accepts
 * from now on, of one that is open. 0 is what Linux has without the option. */
struct ctl_options {
	uint64_t pacing_bytes_s;            /* SO_MAX_PACING_RATE; 0: no limit */
	uint32_t rx_size, tx_size;          /* bytes of payload ring; 0: configured default */
	uint32_t keep_idle_s, keep_intvl_s; /* TCP_KEEPIDLE, TCP_KEEPINTVL */
	uint32_t user_timeout_ms;           /* TCP_USER_TIMEOUT; 0: as tasd is configured */
	uint8_t keep_alive;                 /* SO_KEEPALIVE */
	uint8_t keep_count;                 /* TCP_KEEPCNT */
	uint8_t syn_count;                  /* TCP_SYNCNT; 0: as tasd is configured */
	uint8_t flags;                      /* CTL_OPTION_* */
	uint8_t tos, tclass;                /* IP_TOS, IPV6_TCLASS: without ECN bits */
	uint8_t ttl;                        /* IP_TTL; 0: 64 */
	uint8_t pad[3];
	uint32_t defer_accept_s; /* TCP_DEFER_ACCEPT */
	int32_t linger2_s;       /* TCP_LINGER2; 0: as tasd is configured; -1: RST at once */
	uint32_t notsent_lowat;  /* TCP_NOTSENT_LOWAT; 0: none */
	uint32_t window_clamp;   /* TCP_WINDOW_CLAMP; 0: none */
	uint16_t hops;           /* IPV6_UNICAST_HOPS plus one; 0: 64, or as routers say */
	uint16_t max_seg;        /* TCP_MAXSEG: in our SYN, and of what we send; 0: as the port has it */
	char congestion[16];     /* one of abi_header.congestion, or ENOENT; empty: configured default */
};

#define CTL_OPTION_FRAGMENTS 1   /* IP_MTU_DISCOVER: without DF */
#define CTL_OPTION_THIN_LINEAR 4 /* TCP_THIN_LINEAR_TIMEOUTS */
#define CTL_OPTION_LATE_ACKS 8   /* TCP_QUICKACK is 0 */
#define CTL_OPTION_RECVERR 16    /* IP_RECVERR */
#define CTL_OPTION_RECVERR6 32   /* IPV6_RECVERR */
#define CTL_OPTION_ANY_PATH 2    /* IP_MTU_DISCOVER: what ICMP says of the path's MTU is not heeded */

struct ctl_listen {
	struct net_addr addr; /* any = every address of tasd */
	uint16_t port;
	uint16_t flags;   /* CTL_LISTEN_* */
	uint32_t backlog; /* as given to listen(); tasd caps it at backlog_max */
	uint32_t cookie;  /* chosen by the library, unique in the process; comes back in abi_flow_rec.listener
			   */
	uint32_t context; /* CTL_ARM: the context to notify */
	struct ctl_options options;
	uint64_t id;     /* answer of CTL_LISTEN: identity in tasd across processes (CTL_ADOPT) */
	uint64_t secret; /* drawn by the library: processes that inherited one socket share it, and register
			  * one listener, also anew after tasd came back; 0: with nobody */
};
#define CTL_LISTEN_REUSEPORT 1
#define CTL_LISTEN_V6ONLY 2
#define CTL_LISTEN_NODELAY 4

struct ctl_connect {
	struct net_addr local, remote; /* local any = tasd chooses by route; answer: the chosen one */
	uint16_t local_port;           /* 0 = ephemeral, chosen by tasd; answer: the chosen one */
	uint16_t remote_port;
	uint32_t context;
	struct ctl_options options;
	uint32_t flags;          /* CTL_LISTEN_NODELAY */
	uint32_t rec, flow, gen; /* answer */
	uint8_t prefix_len;      /* answer of CTL_ROUTE: length (of 128) of tasd's route that matched */
	uint8_t pad[7];
};

struct ctl_fork {
	uint64_t token;  /* answer of CTL_FORK */
	uint64_t number; /* answer: this process's forks so far, this one counted */
};

struct ctl_adopt {
	uint64_t listener_id;     /* a listener, or 0 */
	uint32_t cookie;          /* for the listener, in the child */
	uint32_t flow, gen;       /* a flow, if listener_id is 0 */
	uint32_t rec;             /* answer: the flow's record in the adopting process's region */
	uint32_t context;         /* which is told of it */
	uint32_t flags;           /* CTL_ADOPT_*: also in the answer */
	uint64_t rx_read, tx_end; /* positions as this process knows them; answer: as they are */
	uint64_t taken;           /* answer: how far this process's bytes went before the flow left it */
};
#define CTL_ADOPT_TX_SHUT 1 /* nothing is sent behind tx_end */
#define CTL_ADOPT_ABORT 2   /* CTL_LEAVE: a RST, if nobody else has it */

/* What TCP_INFO and tasctl show. Units in the names; byte counts are totals of the connection. */
struct ctl_info {
	uint32_t flow, gen; /* request; or CTL_INFO_LISTENER and the cookie of a listener */
	uint8_t state;      /* Linux's numbers: 1 ESTABLISHED ... 11 CLOSING */
	uint8_t options;    /* Linux's TCPI_OPT_* */
	uint8_t snd_wscale, rcv_wscale;
	uint32_t snd_mss, rcv_mss;
	uint32_t rtt_us, rttvar_us, rto_us, min_rtt_us;
	uint32_t cwnd_bytes, ssthresh_bytes, snd_wnd, rcv_wnd;
	uint64_t pacing_rate_bytes_s;
	uint32_t unacked_bytes, unsent_bytes, unread_bytes, retransmits;
	uint64_t bytes_acked, bytes_received, bytes_sent, bytes_retransmitted;
	uint32_t segs_in, segs_out;
	char congestion[16];
	uint8_t late_acks; /* TCP_QUICKACK reads as 0 */
	uint8_t recovery;  /* Linux's numbers: 0 open, 1 disorder, 2 CWR, 3 recovery, 4 loss */
	uint8_t timeouts;  /* in a row, of data; */
	uint8_t probes;    /* of the window */
	uint32_t adv_mss, pmtu;
	uint32_t sacked_bytes, lost_bytes, resent_bytes; /* of those unacknowledged */
	uint32_t data_sent_ms, data_received_ms,
		heard_ms; /* ago; of `heard`: data, or what acknowledged some */
	uint32_t window_limit;
	uint32_t ack_delay_us;
	uint64_t delivered_bytes, marked_bytes;
	uint32_t queued, backlog; /* a listener's: connections that wait to be accepted, and how many may */
	uint32_t shared; /* request: 1, to ask; answer: another process has the flow, or may come for it */
	uint32_t rx_size, tx_size; /* of the payload rings */
};
#define CTL_INFO_LISTENER UINT32_MAX

struct ctl_change {
	uint32_t flow, gen;
	struct ctl_options options;
};

struct ctl_grow {
	uint32_t flow, gen;
	uint32_t event; /* ABI_EV_GROW_RX or ABI_EV_GROW_TX */
	uint32_t pad;
};

struct ctl_text {
	uint32_t length;
	char bytes[380];
};

struct ctl_msg {
	uint16_t type;
	uint16_t status;   /* answer: 0 or an errno */
	uint32_t sequence; /* the answer repeats the request's */
	union {
		struct ctl_hello hello;
		struct ctl_context context;
		struct ctl_listen listen;
		struct ctl_connect connect;
		struct ctl_fork fork;
		struct ctl_adopt adopt;
		struct ctl_info info;
		struct ctl_change change;
		struct ctl_grow grow;
		struct ctl_text text; /* also: why, in words, with status != 0 of CTL_HELLO; the words of a
					 CTL_QUERY */
		uint8_t bytes[384];
	};
};
static_assert(sizeof(struct ctl_msg) == 392,
	"one size for all, so that a short or long message is refused at once");

#endif
