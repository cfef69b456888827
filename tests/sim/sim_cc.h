/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_cc.h - flows of chosen congestion control through one bottleneck, in virtual time, with the whole stack
 * at both ends. Guarantee: the outcome depends on the scene and the code alone.
 *
 *     host A: a sender for each flow ---- uplink: rate, queue, marks, loss, delay ----> host B: readers
 *                                    <--- loss, delay -------------------------------
 * The process must have called host_eal_start(). Owner: the caller; one scene at a time. */
#ifndef TAS_SIM_CC_H
#define TAS_SIM_CC_H

#include <stdbool.h>
#include <stdint.h>

#include "include/base/time.h"

enum { CC_SCENE_FLOWS_MAX = 8 };

struct cc_scene_flow {
	const char *congestion; /* NULL: the default of tasd.conf */
	tas_ns start;           /* all times count from the scene's beginning */
	uint64_t bytes;         /* 0: without end */
};

struct cc_scene {
	uint64_t seed;
	uint64_t rate;              /* of the bottleneck, bytes/s */
	tas_ns rtt;                 /* without the queue */
	uint32_t queue, mark_above; /* bytes */
	uint32_t loss_ppm, ack_loss_ppm;
	uint32_t reorder_ppm; /* of the data; so much later at most */
	tas_ns reorder_by, jitter;
	tas_ns blackout_at, blackout_for; /* nothing arrives, either way; 0: none */
	tas_ns duration, every;           /* `see` is called so often */
	uint32_t const_rate;              /* Mbit/s of const-rate; 0: its default */
	unsigned flows;
	struct cc_scene_flow flow[CC_SCENE_FLOWS_MAX];
	/* `at`: since the beginning. False ends the scene. */
	bool (*see)(void *arg, tas_ns at);
	void *arg;
};

/* What can be seen of a flow while it runs. */
struct cc_view {
	bool open;
	uint64_t delivered;   /* bytes read by the application */
	uint64_t acked;       /* or SACKed, by the sender's count */
	uint64_t sent, again; /* payload bytes; again: of these sent once more */
	uint32_t cwnd, inflight, srtt_us, min_rtt_us;
	uint64_t rate; /* bytes/s of the pace; 0: none */
	uint32_t timeouts, recoveries;
	uint64_t una;
};

struct cc_outcome {
	uint64_t delivered[CC_SCENE_FLOWS_MAX];
	uint64_t lost_queue, lost_other; /* frames of the bottleneck */
	double queue_mean;               /* bytes, over time */
	uint32_t queue_max;
};

void cc_scene_run(const struct cc_scene *s, struct cc_outcome *out);
/* For `see`. */
struct cc_view cc_scene_view(unsigned flow);
uint32_t cc_scene_queue(void);

#endif
