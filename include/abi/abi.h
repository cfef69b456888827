/* SPDX-License-Identifier: BSD-3-Clause */
/* abi.h - the shared-memory contract between libtas and tasd.
 *
 * One region (a sealed memfd) for each application, made by tasd, mapped whole by both. Only offsets from the
 * start of the region cross the boundary, never pointers. Everything in it may be overwritten by the
 * application at any time: tasd keeps its own indices, masks and offsets in private memory, copies a message
 * once, checks the copy and uses only the copy.
 *
 *   app -> tasd  One ring of `struct abi_bell` per (context, core): positions that moved, requests to close.
 *                Absolute positions, never deltas: a repeated, merged or lost message is harmless as long as
 *                a later one follows. A bell for which the ring has no room is kept in the flow's record,
 *                where tasd reads it, also when the application is gone: see `kept`.
 *   tasd -> app  One ring of record indices per (context, core) and one per context for the slow path: "look
 *                at this record". The record holds the latest positions. A flow is pending in at most one
 *                ring of its context, and a ring has a slot for every flow: it cannot overflow, so tasd never
 *                waits for an application. Which context that is the record says: whoever wants a flow's
 *                notifications stores its own there, fences, and looks at the record. tasd stores the
 *                record, fences (fence A), and loads the context: so what the newcomer did not see, it is
 *                told. Of several who want them at once the last has them.
 *
 * Every ring has one writer and one reader. Producer and consumer indices are free-running and 64 bits wide.
 *
 * Pending is decided without a shared bit. tasd remembers the producer index at which it last pushed a flow;
 * the entry was consumed when the reader's index is past it. tasd stores the record, then (fence A) loads
 * `consumed`; the application stores `consumed`, then (fence B) loads the record. With both fences either
 * tasd sees the entry consumed and pushes again, or the application sees the new record.
 *
 * Wake-up: the sleeper stores `asleep`, fence, looks again, blocks on its eventfd; the producer publishes,
 * fence, reads `asleep`.
 */
#ifndef TAS_ABI_ABI_H
#define TAS_ABI_ABI_H

#include <assert.h>
#include <stdatomic.h>
#include <stdint.h>

#include "include/base/compiler.h"
#include "include/net/addr.h"

#define ABI_MAGIC 0x3167657264736174ull /* "tasdreg1", little endian */
#define ABI_MAJOR 3
#define ABI_MINOR 0

enum {
	ABI_CORES_MAX = 64,
	ABI_REC_CHUNK = 1024,      /* flow records per chunk */
	ABI_REC_CHUNKS_MAX = 1024, /* so at most 1 M flows an application */
	ABI_BELL_SLOTS = 256,      /* messages in an app -> tasd ring */
	ABI_KEPT_GROUP = 32,       /* flow records for which one bit of abi_header.kept stands */
	ABI_KEPT_WORDS = ABI_REC_CHUNKS_MAX * ABI_REC_CHUNK / ABI_KEPT_GROUP / 64,
	ABI_LISTENER_NONE = 0xffffffff,
};

/* Bits of abi_bell.flags and abi_flow_rec.kept. */
enum abi_bell_flags {
	ABI_BELL_POSITIONS = 1 << 0, /* rx_read and tx_end are valid */
	ABI_BELL_SHUT_WR = 1 << 1,   /* a FIN follows tx_end; sticky */
	ABI_BELL_CLOSE = 1 << 2, /* the application gave the flow up; unread data makes tasd answer with RST,
				    as Linux does */
	ABI_BELL_ABORT = 1 << 3, /* with CLOSE: RST at once and drop unsent data (SO_LINGER 0) */
	ABI_BELL_ACCEPTED = 1 << 4, /* the flow left its accept queue */
	ABI_BELL_MORE =
		1 << 5, /* hold back a last segment that is not full (MSG_MORE, TCP_CORK), at most 200 ms */
	ABI_BELL_NODELAY = 1 << 6,    /* TCP_NODELAY is on: no Nagle */
	ABI_BELL_OPTIONS = 1 << 7,    /* MORE and NODELAY are valid in this message */
	ABI_BELL_REFRESH = 1 << 8,    /* push a notification even if nothing moved */
	ABI_BELL_WANT_SPACE = 1 << 9, /* the transmit ring was found full: notify once, when a quarter of it
				       * is free (at once if it is). Without this bit progress of tx_una is
				       * stored in the record but not notified */
	ABI_BELL_QUICK_ACKS =
		1 << 10, /* TCP_QUICKACK is set: acknowledge what was not, and the next at once */
	ABI_BELL_LATE_ACKS = 1 << 11, /* it is 0 from now on: acknowledgements wait for an answer. After
					* QUICK_ACKS, if both are there */
	ABI_BELL_URGENT = 1 << 12,    /* abi_flow_urgent.tx_end was set */
	ABI_BELL_ALL = (1 << 13) - 1,
};

/* app -> tasd. Copied once by tasd, then checked. */
struct abi_bell {
	uint32_t flow;    /* abi_flow_rec.flow */
	uint32_t gen;     /* abi_flow_rec.gen */
	uint64_t rx_read; /* stream offset up to which the application has consumed; never past rx_end, never
			     back */
	uint64_t tx_end; /* stream offset up to which the transmit ring is filled; at most tx_una + ring size,
			    never back */
	uint32_t flags;
	uint16_t forks; /* with ACCEPTED and CLOSE: the process's forks, low half */
	uint16_t pad;
};
static_assert(sizeof(struct abi_bell) == 32, "two messages a line");

/* app -> tasd ring for one (context, core). */
struct abi_bell_ring {
	alignas(CACHE_LINE) _Atomic uint64_t produced; /* written by the application */
	alignas(CACHE_LINE) _Atomic uint64_t consumed; /* written by tasd */
	alignas(CACHE_LINE) struct abi_bell slot[ABI_BELL_SLOTS];
};
static_assert(sizeof(struct abi_bell_ring) == 2 * CACHE_LINE + ABI_BELL_SLOTS * 32, "no padding");

/* tasd -> app ring for one (context, core or slow path); abi_header.notify_slots slots follow. */
struct abi_notify_ring {
	alignas(CACHE_LINE) _Atomic uint64_t produced; /* written by tasd */
	alignas(CACHE_LINE) _Atomic uint64_t consumed; /* written by the application */
	alignas(CACHE_LINE) uint32_t slot[];           /* index of a flow record */
};

/* A context: the set of rings one thread of the application usually drains (any thread may, under the
 * library's try-lock). */
struct abi_context {
	alignas(CACHE_LINE) _Atomic uint32_t
		asleep; /* the application stores 1 before it blocks on the context's eventfd; the
			 * producer that finds 1 exchanges it for 0 and writes the eventfd */
	alignas(CACHE_LINE) uint32_t id;
	uint32_t cores; /* rings 0..cores-1 belong to the cores, ring `cores` to the slow path */
	uint64_t bell_off[ABI_CORES_MAX];       /* abi_bell_ring of core i */
	uint64_t notify_off[ABI_CORES_MAX + 1]; /* abi_notify_ring of core i; [cores] is the slow path's */
};

/* One line per (application, core), so that a core looks at one word to know whether any context of the
 * application rang. */
struct abi_core_line {
	alignas(CACHE_LINE) _Atomic uint64_t
		bells; /* bit (context id mod 64): that context's bell ring has messages. The application
			* sets bits after publishing (with a fence between), tasd exchanges for 0 */
	_Atomic uint32_t asleep; /* tasd stores 1 when the core does not look at `bells`: then, after the
				  * fence, write 1 to the core's eventfd */
	_Atomic uint32_t kept;   /* bells kept in records, ever: counted by the application in the line of the
				* core that it would have rung, after abi_header.kept and before `bells` */
	_Atomic uint32_t kept_taken; /* what `kept` was when tasd had last taken all of them */
};
static_assert(sizeof(struct abi_core_line) == CACHE_LINE, "one line");

/* Sticky bits of abi_flow_rec.events. */
enum abi_flow_events {
	ABI_EV_CONNECTED = 1 << 0, /* an active open completed */
	ABI_EV_ACCEPT = 1 << 1,    /* a passive open completed: the flow waits in listener `listener` */
	ABI_EV_RX_FIN = 1 << 2,    /* no byte follows rx_end */
	ABI_EV_RESET = 1 << 3,     /* the connection is gone; `error` says why; nothing can be sent */
	ABI_EV_TX_DONE = 1 << 4,   /* everything sent, the FIN too, is acknowledged */
	ABI_EV_ERROR = 1 << 5,   /* with IP_RECVERR: ICMP said something, and the connection goes on. `error`
				    * says what, below a number (<< 16) that is another one each time */
	ABI_EV_MOVED = 1 << 6,   /* another process has the flow: CTL_ADOPT brings it back. Not sticky;
				* `ring_gen` changes with it */
	ABI_EV_GROW_RX = 1 << 7, /* a larger ring of that kind may be had, and is worth it: CTL_GROW brings */
	ABI_EV_GROW_TX = 1 << 8, /* it. Not sticky; `ring_gen` changes when they are set or set again */
	ABI_EV_URGENT = 1 << 9,  /* the peer sent an urgent pointer: abi_flow_urgent. `ring_gen` changes
				  * with each, before an rx_end past it is stored: who loads rx_end and then
				  * finds `ring_gen` as it was reads no byte that follows a mark */
};

/* abi_flow_urgent.byte: it came, and is the low 8 bits. It may be there before rx_end is past it. */
#define ABI_URGENT_THERE 0x100u

/* The state of a flow as its application may know it. Line 0 is written by whoever holds the flow's lock, in
 * tasd, on every change; the library reads each field once. Line 1 is set before the flow's first
 * notification, then constant but for the ring fields, which change together with `ring_gen`. */
struct abi_flow_rec {
	alignas(CACHE_LINE) _Atomic uint64_t rx_end; /* stream offset after the last byte received in order */
	_Atomic uint64_t
		tx_una; /* stream offset up to which the peer acknowledged: space before it is free */
	_Atomic uint32_t events;
	_Atomic uint32_t
		error; /* see ABI_EV_ERROR; errno with ABI_EV_RESET (ECONNRESET, ETIMEDOUT, ECONNREFUSED,
			  EHOSTUNREACH ...), else 0 */
	_Atomic uint32_t gen; /* generation of the flow in this record; 0 while the record is free. Stored
				   last on install */
	_Atomic uint32_t ring_gen; /* bumped when a payload ring was replaced, and see ABI_EV_URGENT */
	uint32_t flow;             /* handle for abi_bell.flow */
	_Atomic uint32_t tx_nxt;   /* low half of the stream offset up to which was sent; of flows with
				    * TCP_NOTSENT_LOWAT or a transmit ring of which less is used */
	_Atomic uint16_t snd_mss;  /* payload bytes of a full segment */
	_Atomic uint16_t core;     /* whose bell ring to use: a hint, any core accepts */
	/* written by the application */
	_Atomic uint16_t context; /* which is notified; tasd's choice at first */
	_Atomic uint16_t kept; /* ABI_BELL_* of bells that found no room: tasd takes them and leaves 0, or the
				* application does and rings. Set after rx_read and tx_end, before the bit
				* of abi_header.kept */
	_Atomic uint64_t rx_read, tx_end; /* positions that are not told yet: with `kept`, and of flows older
					   * than the last fork */
	alignas(CACHE_LINE) struct net_addr local; /* alignas would hold for every declarator of a list */
	struct net_addr remote;
	uint16_t local_port, remote_port; /* host byte order */
	uint32_t listener; /* library-chosen cookie of the listener that accepted, or ABI_LISTENER_NONE */
	uint64_t rx_off, tx_off;   /* payload rings: byte p of the stream is at off + (p & (size - 1)) */
	uint32_t rx_size, tx_size; /* bytes, powers of two, multiples of 4 KiB */
};
static_assert(sizeof(struct abi_flow_rec) == 2 * CACHE_LINE, "two lines");

/* Urgent data of a flow. What tasd writes belongs together while `count` is the same before and after, and
 * even. */
struct abi_flow_urgent {
	alignas(CACHE_LINE) _Atomic uint64_t at; /* stream offset of the urgent byte announced last */
	/* Linux skips an urgent byte that was not read inline when another is announced while the reader
	 * stands at it: who stood at `from` when the library last looked, goes on at `to` */
	_Atomic uint64_t from, to;
	_Atomic uint32_t count; /* grows by 2 with each pointer; odd while these fields change */
	_Atomic uint32_t byte;  /* ABI_URGENT_THERE and the byte */
	/* written by the application */
	_Atomic uint32_t seen;   /* `count` of the pointer that the reader knows, */
	_Atomic uint32_t taken;  /* and of that whose byte was read out of band */
	_Atomic uint64_t tx_end; /* stream offset behind the last byte that was sent as urgent */
};
static_assert(sizeof(struct abi_flow_urgent) == CACHE_LINE, "one line");

struct abi_rec_chunk {
	struct abi_flow_rec rec[ABI_REC_CHUNK];
	struct abi_flow_urgent urgent[ABI_REC_CHUNK];
};

/* At offset 0 of the region; written by tasd before the application maps it. */
struct abi_header {
	uint64_t magic;
	uint16_t major, minor;
	uint32_t features;
	uint32_t header_size, rec_size, bell_size,
		context_size; /* sizeof of the structs above, as tasd was built */
	uint32_t app;
	uint32_t cores; /* cores that may exist: rings and lines are laid out for all of them */
	uint32_t contexts_max;
	uint32_t flows_max;
	uint32_t notify_slots;  /* power of two, at least flows_max */
	_Atomic uint32_t forks; /* of the application's process, written by it: for bells that are kept */
	uint64_t region_size;
	char congestion[64]; /* names of congestion control that ctl_options.congestion may have, with a space
			      * behind each */
	_Atomic uint64_t rec_chunk_off[ABI_REC_CHUNKS_MAX]; /* record i: number i % ABI_REC_CHUNK of the
							     * abi_rec_chunk at rec_chunk_off[i /
							     * ABI_REC_CHUNK]; 0 until a flow of that chunk
							     * exists */
	struct abi_core_line core_line[ABI_CORES_MAX];
	/* bit i: some of the records from ABI_KEPT_GROUP * i on keep a bell. Set by the application, cleared
	 * by tasd before it looks at them */
	_Atomic uint64_t kept[ABI_KEPT_WORDS];
};

#endif
