/* SPDX-License-Identifier: BSD-3-Clause */
/* wire.h - the other side of a host under a fuzzer: 10.0.0.2 and fd00::2 at one hardware address, with up to
 * WIRE_CONNS connections to AT_HAND_PORT, or from wherever the application opened one.
 * A step says what is wrong with a frame; what it does not say is right: checksums and lengths, and sequence
 * numbers, which count from where the connection is.
 *
 * All that the host sends is looked at: lengths and checksums are right, and payload is what its application
 * wrote. Byte n of the peer's stream is peer_byte(n) unless a step changed it (tainted). */
#ifndef TAS_FUZZ_WIRE_H
#define TAS_FUZZ_WIRE_H

#include "tests/fuzz/input.h"
#include "tests/unit/rig_tcp.h"

enum { WIRE_CONNS = 8, WIRE_FRAME_MAX = RIG_FRAME_MAX };

struct wire_conn {
	struct peer *p;
	bool v6, active, tainted;
	uint32_t seq;      /* the next byte of the peer */
	uint32_t try_irs;  /* of the SYN that is on its way */
	uint32_t una, nxt; /* of the host: what a step acknowledged last, and all that was seen */
};

struct wire_frame {
	uint8_t b[WIRE_FRAME_MAX];
	bool v6;
	uint8_t proto, hops, bad; /* bad: what frame_end() leaves wrong */
	uint32_t l4;              /* where what the IP headers carry begins */
	uint32_t cut;             /* how it comes in fragments; 0: whole */
};

struct wire {
	struct wire_conn conn[WIRE_CONNS];
	bool silent;      /* nobody answers a solicitation */
	bool hostile;     /* payload may be anything */
	uint16_t packets; /* that came in fragments: their numbers */
};
extern struct wire wire;

void wire_begin(void);
void wire_end(void);
/* Any bytes may have come in any connection. */
void wire_taint(void);

/* --- frames --- */

/* Addresses by number, some of which no honest host uses: 0 is the host's, 1 the peer's. */
enum {
	WIRE_HOST,
	WIRE_PEER,
	WIRE_PEER_LINK_LOCAL,
	WIRE_HOST_LINK_LOCAL,
	WIRE_ALL,
	WIRE_SOLICITED,
	WIRE_NOBODY,
	WIRE_FAR
};
const uint8_t *wire_addr6(unsigned which);
uint32_t wire_addr4(unsigned which);

/* Ethernet and IP headers; a byte of the step says what is odd about them. `s` NULL: nothing. */
void frame_begin(struct wire_frame *f, bool v6, unsigned src, unsigned dst, uint8_t proto, struct step *s);
/* How many bytes more may stand behind l4. */
static inline uint32_t frame_room(const struct wire_frame *f) { return WIRE_FRAME_MAX - 64 - f->l4; }
/* Lengths and checksums; then it arrives. */
void frame_end(struct wire_frame *f, uint32_t l4_len);

/* --- what steps do --- */

void wire_syn(struct wire_conn *c, struct step *s);     /* or the answer to one */
void wire_segment(struct wire_conn *c, struct step *s); /* anything */
void wire_good(struct wire_conn *c, struct step *s);    /* acknowledges all, and may bring data */
void wire_mangled(struct wire_conn *c, struct step *s); /* a good one with a few bytes changed */
void wire_open(struct wire_conn *c);                    /* a whole handshake */

/* wire_odd.c */
void wire_icmp_error(struct wire_conn *c, struct step *s);
void wire_icmp(struct wire_conn *c, struct step *s, struct input *in);
void wire_arp(struct step *s);
void wire_nd(struct step *s, struct input *in); /* or multicast listener discovery */
void wire_raw(struct step *s, struct input *in);
void wire_packet(struct step *s, struct input *in);
/* In fragments, of which one may be missing, come twice or overlap its neighbours. */
void wire_in_fragments(const struct wire_frame *f, uint32_t l4_len);
/* The host asks for a neighbour. */
void wire_solicited(const uint8_t *frame, uint32_t len);

#endif
