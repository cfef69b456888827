/* SPDX-License-Identifier: BSD-3-Clause */
/* rig_tcp.h - a whole host, tasd but for its threads, over a net_ring port and in virtual time. The test
 * plays the peer, segment by segment, and the application, bell by bell, so that a test reads as a trace.
 *
 *   application <- region -> slow path, one fast-path core <- net_ring -> peer
 *                            10.0.0.1                                     10.0.0.2
 *
 * Numbers of a trace are relative, as tcpdump shows them: a side's SYN is 0, its first byte is 1. Byte n of
 * either stream is known, so payload is checked wherever it comes out, and so are all checksums. After every
 * pass what must hold of a flow is asserted, and that it sent one burst at most; at the end every packet
 * buffer must be home. The peer is written byte by byte, without the stack's own builders and parsers.
 * RIG_TRACE=1 prints what goes by.
 *
 * Owner: one test at a time; everything hangs off `rig`, which RIG_TEST opens with the defaults of tasd.conf
 * (but for newreno, whose windows are easily foreseen). A test may change rig.conf before its first verb. */
#ifndef TAS_TESTS_RIG_TCP_H
#define TAS_TESTS_RIG_TCP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "slowpath/sp.h"

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 }; /* of the TCP header */

enum {
	RIG_APPS = 6,
	RIG_CONTEXTS = 2,
	RIG_PEERS = 64,
	RIG_FRAMES = 1024,
	RIG_FRAME_MAX = 1600,
	RIG_JUMBO_MAX = 14 + 9000,
	RIG_RTT_US =
		500, /* of a handshake made by established() or connected(): so short that nothing is paced */
	RIG_PORT = 80,
	RIG_MSS = 1448, /* towards a usual peer */
	RIG_MBUFS = 2047,
};

/* Where the peer's numbers begin: near the end, so that every longer trace wraps. */
#define RIG_IRS 0xfffff000u

struct rig_span {
	uint32_t from, to; /* relative */
};

/* A segment, given or expected. What is not named is 0: in give() flags 0 mean ACK, and what opens or ends no
 * connection carries timestamps if they were agreed on. In expect() flags, ecn, seq, ack, len, urgent and
 * sack must be as given (flags 0: ACK; PSH does not matter). What expect() returns has every field. */
struct rig_seg {
	uint32_t seq, ack, len;
	uint16_t urgent; /* pointer */
	uint8_t flags;
	uint8_t ecn;             /* of the IP header: enum ip_ecn; expected with the rest of IP_TOS */
	struct rig_span sack[4]; /* ended by {0, 0} */
	uint32_t ts_val;         /* give: 0 = the peer's clock */
	bool no_ts;
	const uint8_t *opts; /* give: these bytes in place of all options */
	uint8_t opts_len;
	bool hold; /* give: the host does not run yet, so that several segments meet one pass */

	/* expect only */
	tas_ns at;
	uint32_t wnd; /* bytes */
	uint8_t ttl;
	bool df;
	uint16_t ip_id;
	bool has_ts, has_wscale, has_sack_perm;
	uint32_t ts_ecr;
	uint16_t mss; /* 0: no option */
	uint8_t wscale;
};

/* How a peer and its connection are; what is not named is usual. */
struct rig_how {
	bool no_ts, no_sack, no_wscale, no_mss, mss_zero;
	bool nodelay;
	bool ecn;     /* agrees on it, and asks for it */
	uint16_t mss; /* 1460 */
	uint32_t wnd; /* 1 MB; not with no_wscale: 65535 */
	uint32_t irs; /* RIG_IRS */
	uint16_t port;
	uint32_t rtt_ms; /* of the handshake; 0: RIG_RTT_US */
	const char *congestion;
};

/* The other end of a connection, and this end's application as far as it has to do with it. */
struct peer {
	struct rig_how how;
	uint16_t port, local_port;
	uint32_t irs, iss; /* the peer's, the host's */
	bool iss_known, ts, sack, host_wscale_ok;
	uint8_t wscale, host_wscale;
	uint32_t wnd; /* that the next segments announce, bytes */
	uint32_t ts_off, ts_ecr;

	struct rig_app *app; /* NULL: not accepted */
	unsigned ctx;
	uint32_t rec, flow, gen;
	uint64_t rx_read, tx_end;
	uint32_t bell_options; /* ABI_BELL_NODELAY, ABI_BELL_MORE as last said */
};

struct rig_app {
	uint16_t id;
	bool attached;
	char *base;
	struct abi_header *header;
	struct rig_context {
		struct abi_context *shm;
		uint32_t id;
		uint64_t bells, seen[2]; /* produced; consumed of core 0 and the slow path */
	} ctx[RIG_CONTEXTS];
	uint32_t heard[1024]; /* by record: notifications since heard() asked */
};

struct rig_frame {
	tas_ns at;
	uint32_t len;
	uint8_t b[RIG_JUMBO_MAX];
};

struct rig {
	struct tas_conf conf;
	struct ctl_options options; /* with which applications listen and connect */
	bool open;
	bool arp_silent;  /* nobody answers ARP */
	uint8_t next_hop; /* last byte of the hardware address every segment must go to; the peer's is 2 */
	bool core_stands; /* its core makes no passes: what comes meanwhile meets the next one together */
	bool slow_stands; /* the same for the slow path */
	struct rte_ring *in, *out;
	struct rte_mempool *pool;
	struct port port;
	struct fastpath fp;
	struct apps apps;
	struct sp sp;
	tas_ns now;
	struct rig_app app[RIG_APPS];
	uid_t uid[RIG_APPS]; /* whose process each is, from its start on */
	struct peer peer[RIG_PEERS];
	unsigned npeers;
	uint16_t next_port;
	unsigned bursts; /* that the core has sent since its pass began */
	const struct rte_eth_rxtx_callback *burst_hook;
	struct rig_frame *sent; /* by the host, not expected yet: RIG_FRAMES */
	unsigned sent_head, sent_tail;
	unsigned arp_requests;
	void (*tap)(const uint8_t *frame, uint32_t len); /* what is sent goes there, and nowhere else */
};

extern struct rig rig;

#define TEST(name) static void name(void **state_unused_ TAS_UNUSED)
#define RIG_TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
int rig_setup(void **state);
int rig_teardown(void **state);
int rig_group_setup(void **state);
int rig_group_setup_large(void **state); /* for a host with many flows */
int rig_group_teardown(void **state);
#define RIG_MAIN(tests) cmocka_run_group_tests(tests, rig_group_setup, rig_group_teardown)

/* --- the host and its clock (rig_tcp.c) --- */

void rig_open(void); /* done by whichever verb comes first */
/* The port computes checksums and cuts packets into segments; the rig does what it would. */
void rig_port_cuts(void);
/* Passes of the core and the slow path until both find nothing to do; the clock stands. */
void rig_run(void);
/* The clock goes on; the host runs whenever something of it is due. */
void wait_us(uint64_t us);
static inline void wait_ms(uint64_t ms) { wait_us(ms * 1000); }
/* The same until the host sends something, but not longer than ms; how long that took. */
tas_ns wait_sent(uint64_t ms);
uint64_t counted(enum tas_counter counter);

/* --- the peer (rig_peer.c) --- */

#define peer_new(...) peer_new_((struct rig_how){ __VA_ARGS__ })
struct peer *peer_new_(struct rig_how how);
/* Another incarnation of the same four-tuple, whose numbers begin at `irs`. */
struct peer *peer_again(const struct peer *old, uint32_t irs);
#define give(p, ...) give_(p, (struct rig_seg){ __VA_ARGS__ })
void give_(struct peer *p, struct rig_seg s);
/* Any frame, as it is. */
void give_frame(const uint8_t *bytes, uint32_t len);
/* The frame that give() would send, if it is no jumbo frame. */
uint32_t peer_frame(struct peer *p, struct rig_seg s, uint8_t frame[RIG_FRAME_MAX]);
/* Puts right checksums into a frame that was changed. */
void frame_reseal(uint8_t *frame, uint32_t len);
/* The next segment of the host is this one; a SYN tells the peer the host's numbers. */
#define expect(p, ...) expect_(p, (struct rig_seg){ __VA_ARGS__ }, __FILE__, __LINE__)
const struct rig_seg *expect_(struct peer *p, struct rig_seg want, const char *file, int line);
/* The next segment, whatever it is; NULL if there is none. */
const struct rig_seg *next_segment(struct peer *p);
/* A segment of 1,000 bytes arrives; the window of its acknowledgement. */
uint32_t window_after(struct peer *p, uint32_t seq);
/* The host has sent nothing else. */
#define silence() silence_(__FILE__, __LINE__)
void silence_(const char *file, int line);
/* What it sent meanwhile does not matter. */
unsigned overlook(void);

/* Opened by the peer to RIG_PORT, where application 0 listens, and accepted. */
#define established(...) established_((struct rig_how){ __VA_ARGS__ })
struct peer *established_(struct rig_how how);
/* Opened by application 0. */
#define connected(...) connected_((struct rig_how){ __VA_ARGS__ })
struct peer *connected_(struct rig_how how);

/* --- flights of full segments, segment 0 the first of the stream --- */

#define AT(i) (1 + (uint32_t)(i)*RIG_MSS) /* where segment i begins */
/* The application wrote n segments, and all are on their way. */
struct peer *sending(struct peer *p, uint32_t n);
#define expect_segment(p, i) expect(p, .seq = AT(i), .ack = 1, .len = RIG_MSS)
/* An acknowledgement up to segment i. */
#define acked_to(p, i, ...) give(p, .seq = 1, .ack = AT(i), .sack = { __VA_ARGS__ })

/* --- the application (rig_app.c) --- */

struct rig_app *app_start(unsigned index); /* attaches it if it is not */
void app_dies(unsigned index);
/* Its process `index` listens and is armed; the answer is 0 or an errno. */
int app_listens(unsigned index, uint16_t port, uint32_t backlog);
int app_listens_unarmed(unsigned index, uint16_t port, uint32_t backlog);
int app_arms(unsigned index, uint16_t port);
/* Process `index` is a child of `of`. */
struct hold *app_forks(unsigned index, unsigned of);
/* As after fork: `index`, too, has the listener of application `of`. */
void app_joins(unsigned index, unsigned of, uint16_t port);
int app_unlistens(unsigned index, uint16_t port);
/* Application `index` was told of this connection; false if it was not. */
bool app_accepts(struct peer *p, unsigned index);
/* Asks tasd to connect: 0 or an errno. The SYN is still to be expected. */
int app_connects(struct peer *p);
void app_writes(struct peer *p, uint32_t len);
void app_writes_more(struct peer *p, uint32_t len); /* MSG_MORE */
/* The application reads len bytes, which must be there, and checks them. */
void app_reads(struct peer *p, uint32_t len);
uint32_t app_unread(const struct peer *p);
void app_shuts(struct peer *p);
/* CTL_OPTIONS: 0 or an errno. */
#define app_sets(p, ...) app_sets_(p, (struct ctl_options){ __VA_ARGS__ })
int app_sets_(struct peer *p, struct ctl_options options);
/* CTL_GROW: 0 or an errno. */
int app_grows(struct peer *p, uint32_t event);
void app_closes(struct peer *p);
void app_aborts(struct peer *p);
/* Positions as they are, with these flags. */
void app_rings(struct peer *p, uint32_t flags, uint16_t forks);
/* Any message, without a run of the host. */
void bell(struct rig_app *a, unsigned ctx, struct abi_bell b);
/* How often the connection was notified since the last question. */
unsigned heard(struct peer *p);

struct abi_flow_rec *rec_of(const struct peer *p);
static inline uint32_t events_of(const struct peer *p) { return rec_of(p)->events; }
static inline struct flow *flow_of(const struct peer *p) { return &rig.fp.flows[p->flow]; }
static inline struct flow_cold *cold_of(const struct peer *p) { return &rig.fp.cold[p->flow]; }
static inline struct conn *conn_of(const struct peer *p) { return &rig.sp.conn[p->flow]; }
/* Slots that are in use, or removed and not free yet. */
uint32_t flows_in_use(void);

static inline uint8_t host_byte(uint64_t n) { return (uint8_t)(n * 167 + (n >> 8) * 13 + 5); }
static inline uint8_t peer_byte(uint64_t n) { return (uint8_t)(n * 59 + (n >> 8) * 7 + 101); }

#endif
