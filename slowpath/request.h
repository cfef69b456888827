/* SPDX-License-Identifier: BSD-3-Clause */
/* request.h - one message of a client of the control socket, and its answer.
 * Guarantee: every message gets exactly one answer, if need be after several passes, or ends its sender: what
 * does not belong where it came (out of order, unknown, descriptors that nobody asked for) is no accident and
 * is not answered.
 * No sockets here: ctl.c brings messages from processes, a simulation from its own library.
 * Owner: the slow path, one thread. */
#ifndef TAS_SLOWPATH_REQUEST_H
#define TAS_SLOWPATH_REQUEST_H

#include <stdint.h>

#include "include/abi/ctl.h"
#include "slowpath/app.h"

enum request_stage {
	REQUEST_NEW,      /* nothing asked yet: HELLO, or QUERY any number of times */
	REQUEST_GREETED,  /* has the region's descriptor: MAPPED */
	REQUEST_ATTACHED, /* everything else */
};

struct request_client {
	enum request_stage stage;
	uint16_t app;       /* APP_NONE before HELLO */
	struct app_who who; /* pid, uid, gid from the kernel */
};

struct request {
	struct ctl_msg *msg; /* the answer is put in place */
	tas_ns now;
	uint64_t random;   /* for the token of a fork */
	struct hold *hold; /* answer of CTL_FORK: to be ended (app_fork_end) when the child's end hangs up */
	unsigned nr_out;   /* descriptors that go with the answer */
	int out_fd[1 + FP_CORES_MAX];
	bool close_out; /* they are the caller's to close when they were sent */
	char why[160];  /* with REQUEST_DROP: what was wrong */
};

enum request_verdict {
	REQUEST_ANSWER, /* send msg and out_fd */
	REQUEST_LATER,  /* it takes more than this pass may cost: hand in the same again in a later one */
	REQUEST_QUERY,  /* the words of a query are in msg->text: stream the answer */
	REQUEST_DROP,   /* end the client */
};

enum request_verdict request_handle(struct apps *as, struct request_client *c, struct request *r);

/* The client is gone. */
void request_client_end(struct apps *as, struct request_client *c);

#endif
