/* SPDX-License-Identifier: BSD-3-Clause */
/* port.h - an ethdev as the fast path uses it.
 * Guarantee: after port_open() the device runs, and each flag of `struct port` says that the device does the
 * thing itself; whatever is not flagged is left to software, and one line of the log told the operator which
 * is which. What the operator demanded (PORT_ON) is there, or port_open() failed with a sentence that says
 * what is missing and what to do.
 * Owner: the thread that opens and closes it. In between a port is only read, but for `suspects`, so any core
 * may hold it; a queue of the device belongs to one core at a time.
 * Order: port_probe(), port_fit(), port_pool_create(), port_open(), port_wake_open() for each queue; and
 * back. */
#ifndef TAS_FASTPATH_PORT_H
#define TAS_FASTPATH_PORT_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "include/base/compiler.h"

enum {
	PORT_QUEUES_MAX = 64,
	PORT_MTU_MAX = 9000,     /* what a buffer pool is made for at most */
	PORT_DESCRIPTORS = 1024, /* of a ring for which nothing else is asked */
	PORT_POOL_CACHE = 256,   /* packet buffers a thread keeps at hand */
	PORT_CORE_HOLDS = 512,   /* packet buffers in the hands of one core: received, built, not yet sent */
	PORT_SUSPECTS_TOLD = 8,  /* so many frames that only a sender's offload explains are no accident */
	PORT_RSS_KEY_MAX = 64,
};

enum port_choice { PORT_OFF, PORT_ON, PORT_AUTO };

/* What the operator asks for. port_fit() makes it what the device can do. */
struct port_want {
	uint16_t mtu;              /* of IP packets; 0: what the device carries */
	uint16_t rxq, txq;         /* one of each for every core that may ever run */
	uint16_t rx_desc, tx_desc; /* 0: PORT_DESCRIPTORS */
	enum port_choice checksum_offload, tso, rss;
	/* PORT_RSS_KEY_MAX random bytes, so that nobody outside can choose the core of a flow; NULL: the
	 * driver's key. Read during port_open() only. */
	const uint8_t *rss_key;
	bool multicast; /* frames to groups, too: IPv6 looks for neighbours by them */
};

/* How a core that sleeps learns of packets; see port_wake.h. */
enum port_wake_kind {
	PORT_WAKE_NAP,       /* it does not: short naps */
	PORT_WAKE_POLL,      /* the driver's own descriptor is readable while frames wait */
	PORT_WAKE_INTERRUPT, /* a receive interrupt that is armed before sleep */
};

struct port {
	uint16_t id; /* of the ethdev */
	uint16_t nb_rxq, nb_txq;
	uint16_t mtu;
	struct rte_ether_addr mac;
	bool tx_ip_cksum;  /* fills in the checksum of IPv4 headers */
	bool tx_tcp_cksum; /* fills in that of TCP, over a pseudo-header's sum */
	bool tso;          /* cuts a packet of up to tso_max bytes into segments */
	bool rx_cksum;     /* a flag on the mbuf says which checksums were found right */
	bool rss;          /* reta_size buckets, each of which port_reta_set() gives to a queue */
	bool rss_hash;     /* the hash comes with the mbuf; port_rss_hash() */
	bool multi_seg;    /* sends chains; without it a frame must be in one mbuf */
	bool rx_intr;      /* wake is PORT_WAKE_INTERRUPT */
	enum port_wake_kind wake;
	uint16_t reta_size;                        /* 0 without rss */
	uint16_t tx_segs_max;                      /* mbufs in a chain */
	uint32_t tso_max;                          /* bytes of an IP packet for tso */
	uint16_t tso_frame;                        /* bytes of a frame that tso makes of it at most */
	uint32_t frame_max;                        /* bytes of a frame that the wire may carry */
	uint64_t rx_offloads, tx_offloads, rss_hf; /* as ethdev knows them */
	uint8_t rss_key_len;                       /* 0: not known, so a bucket cannot be foreseen */
	uint8_t rss_key[PORT_RSS_KEY_MAX];
	int groups_fd; /* keeps the interface open to groups; -1: the device needs none */
	int if_index;  /* of the kernel's interface behind the device, 0 if there is none */
	char name[RTE_ETH_NAME_MAX_LEN];
	char iface[16];             /* empty if there is none */
	int rx_fd[PORT_QUEUES_MAX]; /* of PORT_WAKE_POLL, borrowed from the driver; otherwise -1 */
	alignas(CACHE_LINE) _Atomic uint64_t suspects;
};

/* Makes want exact for this device: no MTU of 0, no more queues than it has, rings within its limits. An MTU
 * beyond the device is an error. Asking twice changes nothing. 0, or -errno and a sentence in err. */
int port_fit(uint16_t ethdev_id, struct port_want *want, char *err, size_t err_size);

/* Packet buffers that a port can hold at once, everywhere: in rings, in the caches and hands of `cores` cores
 * and the slow path, and among `punt_cap` packets that wait for the slow path. With so many, no one of these
 * can starve receive. want as port_fit() left it. */
uint32_t port_pool_size(const struct port_want *want, unsigned cores, unsigned punt_cap);
/* The pool for port_open(), on the device's NUMA node, with buffers for a whole frame. NULL and a sentence in
 * err if that cannot be. The caller frees it after port_close(). */
struct rte_mempool *port_pool_create(const char *name, uint16_t ethdev_id, const struct port_want *want,
	unsigned cores, unsigned punt_cap, char *err, size_t err_size);

/* Configures and starts the device. 0, or -errno and a sentence in err; the device is then not running. */
int port_open(struct port *p, uint16_t ethdev_id, const struct port_want *want, struct rte_mempool *rx_pool,
	char *err, size_t err_size);
/* Stops it and unplugs it: its id and its name are free. Every struct port_wake on it must be closed. */
void port_close(struct port *p);

/* The receive queue that takes packets whose hash modulo reta_size is bucket. -ENOTSUP without rss; -EINVAL
 * for a bucket or queue that is not there; else what the driver says. After port_open() the buckets go round
 * the queues in turn. Not for two threads at once. */
int port_reta_set(struct port *p, uint16_t bucket, uint16_t queue);
/* The same for all buckets in one call; queue has reta_size entries. */
int port_reta_set_all(struct port *p, const uint16_t *queue);
int port_reta_get(const struct port *p, uint16_t bucket, uint16_t *queue);

/* To be called with each frame that is dropped for a wrong checksum or length: finds those that no wire can
 * have spoilt, because the sender left work to an offload that this kind of link does not have, and tells
 * the operator once, with the remedy. Any core. (port_suspect.c) */
void port_offload_suspect(struct port *p, const struct rte_mbuf *m);

/* The hash that the device computed. Not every packet has one, even where the port does: a frame may be of a
 * kind that the device does not hash. */
static inline bool port_rss_hash(const struct port *p, const struct rte_mbuf *m, uint32_t *hash)
{
	*hash = m->hash.rss;
	return p->rss_hash && (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0;
}

/* Which checksums the device found right. Flags on the mbuf of a port that does not verify mean nothing: over
 * net_ring they are whatever the sender left there. */
static inline bool port_ip_cksum_good(const struct port *p, const struct rte_mbuf *m)
{
	return p->rx_cksum && (m->ol_flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) == RTE_MBUF_F_RX_IP_CKSUM_GOOD;
}
static inline bool port_l4_cksum_good(const struct port *p, const struct rte_mbuf *m)
{
	return p->rx_cksum && (m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) == RTE_MBUF_F_RX_L4_CKSUM_GOOD;
}

#endif
