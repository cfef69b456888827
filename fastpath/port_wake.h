/* SPDX-License-Identifier: BSD-3-Clause */
/* port_wake.h - how a core that sleeps learns of packets on its receive queue.
 * Guarantee: a frame that is in the ring when port_wake_wait() is called, or comes while it waits, ends the
 * wait, provided that the core polled the ring once between port_wake_arm() and port_wake_wait():
 *
 *	port_wake_arm(w);
 *	if (nothing came in one more poll of the port and of all else)
 *		port_wake_wait(w, 1, doorbell, timeout);
 *	port_wake_disarm(w);
 *
 * A port without any descriptor (PORT_WAKE_NAP) makes each wait a nap of at most PORT_WAKE_NAP_NS.
 * While the core is awake, none of this costs a packet anything: nobody waits on the descriptor then.
 * Owner: the core of the queue. docs/decisions/0002 has the alternatives and what they cost. */
#ifndef TAS_FASTPATH_PORT_WAKE_H
#define TAS_FASTPATH_PORT_WAKE_H

#include <stdbool.h>
#include <stdint.h>

#include "fastpath/port.h"
#include "include/base/time.h"

#define PORT_WAKE_NAP_NS (2 * NS_PER_MS)

enum {
	PORT_WAKE_WAIT_MAX = PORT_QUEUES_MAX, /* queues one core may wait for */
	PORT_WAKE_SOCKETS_MAX = 256,          /* of a process, that are looked through */
};

struct port_wake {
	enum port_wake_kind kind;
	int fd; /* borrowed from the driver; -1 if none */
	uint16_t port_id, queue;
	bool is_counter; /* fd is an eventfd, readable until it is read */
};

/* Cannot fail: what does not work is a nap. */
void port_wake_open(struct port_wake *w, const struct port *p, uint16_t queue);
void port_wake_close(struct port_wake *w);

/* For a poll or epoll set in place of port_wake_wait(); level-triggered. -1: sleep port_wake_longest() at
 * most. It had better not stay in an epoll set while the core is awake: each packet then pays for the
 * entry. */
static inline int port_wake_fd(const struct port_wake *w) { return w->fd; }

static inline tas_ns port_wake_longest(const struct port_wake *w)
{
	return w->fd < 0 ? PORT_WAKE_NAP_NS : TAS_NS_NEVER;
}

void port_wake_arm(struct port_wake *w);
void port_wake_disarm(struct port_wake *w);

/* Blocks until a packet may have come to one of n queues, doorbell (an eventfd, an epoll set; -1: none) is
 * readable, a signal came, or `timeout` (TAS_NS_NEVER: forever) is over. True if a descriptor was
 * readable. */
bool port_wake_wait(const struct port_wake *w, unsigned n, int doorbell, tas_ns timeout);

/* --- for port_open() --- */

/* Descriptors of this process that a driver may receive by. */
struct port_wake_sockets {
	unsigned n;
	int fd[PORT_WAKE_SOCKETS_MAX];
};

/* The AF_XDP sockets there are: taken before the driver makes its own. */
void port_wake_survey(struct port_wake_sockets *before);
/* Finds out how p's queues can wake a core: sets wake, rx_intr and rx_fd. The port runs. */
void port_wake_find(struct port *p, const struct port_wake_sockets *before);

#endif
