/* SPDX-License-Identifier: BSD-3-Clause */
/* raw.h - an application without libtas: the bare contract of include/abi, for programs that break it.
 *
 * Guarantees: nothing is checked on the way out, every field is the caller's to spoil. Calls that must
 * succeed for a test to mean anything end the program with a sentence if they do not; those that may fail
 * return an errno. Owner: one thread. $TAS_SOCKET names tasd's control socket. */
#ifndef TAS_TESTS_E2E_RAW_H
#define TAS_TESTS_E2E_RAW_H

#include <stdbool.h>
#include <stdint.h>

#include "include/abi/abi.h"
#include "include/abi/ctl.h"

enum { RAW_FDS_MAX = 1 + ABI_CORES_MAX, RAW_CONTEXTS_MAX = 128 };

struct raw_context {
	struct abi_context *shm;
	int fd;                               /* what tasd writes to wake us */
	uint64_t produced[ABI_CORES_MAX];     /* of the bell rings */
	uint64_t consumed[ABI_CORES_MAX + 1]; /* of the notification rings */
};

struct raw {
	int fd;    /* control socket */
	int memfd; /* -1 once closed */
	int core_fd[ABI_CORES_MAX];
	char *base;
	uint64_t size;
	struct abi_header *header;
	uint32_t cores, nr_contexts, sequence;
	struct raw_context context[RAW_CONTEXTS_MAX];
};

struct raw_flow {
	uint32_t rec, flow, gen;
	struct abi_flow_rec *shm;
	uint64_t rx_read, tx_end;
};

_Noreturn void raw_die(const char *what);
uint64_t raw_now_ms(void);
void raw_pause_us(unsigned us); /* less than a second */

/* --- the control socket --- */

/* Connects; nothing is said yet. */
void raw_open(struct raw *r);
void raw_close(struct raw *r);
/* Sends any bytes with any descriptors; 0 or an errno. */
int raw_send(struct raw *r, const void *bytes, size_t len, const int *fds, unsigned nr_fds);
/* The next answer, at most 5 s later: 0 or an errno; ECONNRESET if tasd hung up. */
int raw_receive(struct raw *r, struct ctl_msg *m, int *fds, unsigned *nr_fds);
/* A request and its answer's status, or an errno. */
int raw_request(struct raw *r, struct ctl_msg *m, enum ctl_type type);
/* Did tasd hang up within so many milliseconds? */
bool raw_hung_up(struct raw *r, int ms);

/* --- attaching, step by step or at once --- */

void raw_hello_fill(struct ctl_msg *m);
/* An errno; takes the descriptors. */
int raw_hello(struct raw *r, uint64_t fork_token);
void raw_map(struct raw *r);
int raw_mapped(struct raw *r);
void raw_attach(struct raw *r);
/* An errno of CTL_CONTEXT. */
int raw_context_add(struct raw *r);

int raw_listen(struct raw *r, uint16_t port, uint32_t cookie);
/* The same; also tells by which name a child may adopt it. */
int raw_listen_id(struct raw *r, uint16_t port, uint32_t cookie, uint64_t *id);
int raw_arm(struct raw *r, uint32_t cookie, uint32_t context);
/* Asks for a connection; the flow is not open yet. */
int raw_connect(struct raw *r, const char *address, uint16_t port, struct raw_flow *f);

/* An errno of CTL_FORK; the child's end of the pair and the token otherwise. */
int raw_fork(struct raw *r, uint64_t *token, int *child_end);
/* What a child with a token has of its parent's listener, under a cookie of its own. */
int raw_adopt(struct raw *r, uint64_t listener_id, uint32_t cookie);

/* --- rings --- */

struct abi_flow_rec *raw_rec(struct raw *r, uint32_t rec);
/* Rings with these exact words. False if tasd does not take what is in the ring for 5 s. */
bool raw_bell(struct raw *r, uint32_t context, const struct abi_bell *b);
/* Tells core 0 to look at that context. */
void raw_ring(struct raw *r, uint32_t context);
/* The next record that something is told of, or UINT32_MAX after so many milliseconds. */
uint32_t raw_notified(struct raw *r, uint32_t context, int ms);
/* Waits until the record shows all of `events`; false after 5 s. */
bool raw_until(struct raw *r, const struct raw_flow *f, uint32_t events);
/* A connection that waits to be accepted, taken; false after so many milliseconds. */
bool raw_accept(struct raw *r, uint32_t context, int ms, struct raw_flow *f);

/* As an honest application would: what was received is read and thrown away, bytes are sent if there is room.
 * Returns how many. */
uint32_t raw_read(struct raw *r, struct raw_flow *f);
uint32_t raw_write(struct raw *r, struct raw_flow *f, const char *bytes, uint32_t len);
/* Sends a line and waits until it came back; false after 5 s. */
bool raw_echo(struct raw *r, struct raw_flow *f);

#endif
