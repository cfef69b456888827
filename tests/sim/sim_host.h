/* SPDX-License-Identifier: BSD-3-Clause */
/* sim_host.h - a whole host: port, fast-path cores, registry of applications and slow path, exactly as tasd
 * puts them together, but for threads, clock and system calls. Guarantees: a core, or the slow path, that
 * went to sleep is polled again only when something that would wake it in tasd did so; nothing here draws a
 * random number or a time that does not come from the run's seed. Owner: the run, one thread. */
#ifndef TAS_SIM_HOST_H
#define TAS_SIM_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include <rte_ring.h>

#include "include/base/rand.h"
#include "slowpath/sp.h"
#include "tests/sim/sim_link.h"

enum { HOST_CORES_MAX = 4, HOST_APPS_MAX = 4, HOST_CONTEXTS_MAX = 64, HOST_MBUFS = 4095 };

/* One thread of tasd. */
struct host_thread {
	bool asleep, woken;
	tas_ns stalled_to; /* somebody else has its CPU */
	tas_ns last_work;
};

struct host_stats {
	uint64_t passes, sleeps, stalls, rx_full, starved, bereft, jams;
};

struct host {
	unsigned index;
	char letter, name[16];
	struct tas_conf conf;
	struct tas_rand rand;
	struct net *net;
	uint16_t ethdev;
	struct rte_ring *rx[HOST_CORES_MAX], *tx[HOST_CORES_MAX];
	struct rte_mempool *pool;
	struct port port;
	struct fastpath fp;
	struct apps apps;
	struct sp sp;
	struct host_thread core[HOST_CORES_MAX], slow;
	uint32_t rang[HOST_CORES_MAX]; /* applications that rang by a "system call": a bit each */
	/* A context was woken: by the descriptor that host_context_fd() gives for it. */
	void (*context_woken)(void *arg, int fd);
	void *arg;
	int next_fd;

	/* what the run makes happen */
	uint32_t stall_ppm; /* per pass and thread */
	tas_ns stall_max;
	uint32_t busy_percent; /* of the time between passes that found work, on average */
	uint32_t resteer_ppm;  /* a frame comes to another core than those before */
	uint32_t starve_ppm;   /* per pass: packet buffers run out for a while */
	uint32_t bereave_ppm;  /* per pass: blocks for many holes run out for a while */
	uint32_t jam_ppm;      /* per pass: the port's transmit rings are not emptied for a while */
	tas_ns jammed_to;
	tas_ns starved_to, bereft_to;
	uint32_t hoarded;
	struct rte_mbuf *hoard[HOST_MBUFS];
	struct flow_holes *holes_hoard;
	struct host_stats stats;
};

/* Once for the process: DPDK without hugepages, devices and files that outlive it. */
int host_eal_start(void);

/* The address of host `index` in a subnet that all hosts share. */
/* Which family all hosts of a run have. */
void hosts_speak(bool v6);
struct net_addr host_addr(unsigned index);
struct rte_ether_addr host_mac(unsigned index);

/* `conf`: as tasd.conf would give it; address and device are set here. Aborts on failure. */
void host_open(struct host *h, unsigned index, const struct tas_conf *conf, struct net *net, uint64_t seed,
	tas_ns now);
/* What is still held anywhere comes back; afterwards every packet buffer must be home, or it returns false.
 */
bool host_close(struct host *h);

/* A frame from the network; false if there is no room for it. */
bool host_deliver(struct host *h, const uint8_t *bytes, uint32_t len);
/* One pass of every thread that is awake, in an order that the seed decides; how much was done. */
unsigned host_poll(struct host *h, tas_ns now);
/* When something of it is due though nothing arrives. */
tas_ns host_deadline(const struct host *h, tas_ns now);

/* An application rings a core that does not look. */
void host_ring(struct host *h, unsigned core, uint16_t app);
/* Request to the control socket: the slow path's thread is awake then, and looks at the socket. */
void host_request(struct host *h);

/* Messages of applications that no library sends. */
uint64_t host_faults(const struct host *h);
/* Blocks for many holes (holes.h) that no flow has. */
uint32_t host_holes_free(const struct host *h);
/* Packet buffers that are not in the pool. */
uint32_t host_mbufs_out(const struct host *h);

#endif
