/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/port_wake.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include "include/base/assert.h"

static int fd_order(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

/* The sockets of this process that `want` accepts, in ascending order. */
static unsigned sockets_find(int *fd, unsigned max, bool (*want)(int fd, const void *arg), const void *arg)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;
	unsigned n = 0;

	if (dir == NULL)
		return 0;
	while (n < max && (entry = readdir(dir)) != NULL) {
		int candidate = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && candidate != dirfd(dir) && want(candidate, arg))
			fd[n++] = candidate;
	}
	closedir(dir);
	qsort(fd, n, sizeof(*fd), fd_order);
	return n;
}

static int socket_domain(int fd)
{
	int domain = -1;
	socklen_t len = sizeof(domain);

	return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 ? domain : -1;
}

/* net_af_packet's: bound to the interface, and of the version that its rings have. */
static bool is_ring_of_iface(int fd, const void *arg)
{
	const struct port *p = arg;
	struct sockaddr_ll addr = { 0 };
	socklen_t len = sizeof(addr);
	int version = -1;

	if (socket_domain(fd) != AF_PACKET || getsockname(fd, (struct sockaddr *)&addr, &len) != 0 ||
		addr.sll_ifindex != p->if_index)
		return false;
	len = sizeof(version);
	return getsockopt(fd, SOL_PACKET, PACKET_VERSION, &version, &len) == 0 && version == TPACKET_V2;
}

static bool is_xdp(int fd, const void *arg TAS_UNUSED) { return socket_domain(fd) == AF_XDP; }

static bool is_new_xdp(int fd, const void *arg)
{
	const struct port_wake_sockets *before = arg;

	return is_xdp(fd, NULL) && bsearch(&fd, before->fd, before->n, sizeof(fd), fd_order) == NULL;
}

void port_wake_survey(struct port_wake_sockets *before)
{
	before->n = sockets_find(before->fd, PORT_WAKE_SOCKETS_MAX, is_xdp, NULL);
}

/* One socket a queue, or the port is not what it seems. A driver opens them in the order of its queues and
 * closes none in between, and the kernel gives the lowest number that is free: so the order of the numbers is
 * that of the queues. */
static bool take_sockets(struct port *p, bool (*want)(int fd, const void *arg), const void *arg)
{
	int fd[PORT_QUEUES_MAX + 1];

	if (sockets_find(fd, PORT_QUEUES_MAX + 1, want, arg) != p->nb_rxq)
		return false;
	memcpy(p->rx_fd, fd, p->nb_rxq * sizeof(fd[0]));
	return true;
}

static bool is_eventfd(int fd)
{
	char path[32], target[32] = "";

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return readlink(path, target, sizeof(target) - 1) > 0 && strcmp(target, "anon_inode:[eventfd]") == 0;
}

/* net_tap has nothing to arm: its descriptor is the device itself. */
static bool is_tap(uint16_t port_id)
{
	struct rte_eth_dev_info dev;

	return rte_eth_dev_info_get(port_id, &dev) == 0 && strcmp(dev.driver_name, "net_tap") == 0;
}

static enum port_wake_kind interrupt_kind(const struct port *p, uint16_t queue)
{
	enum port_wake_kind kind = is_tap(p->id) ? PORT_WAKE_POLL : PORT_WAKE_NAP;

	if (rte_eth_dev_rx_intr_enable(p->id, queue) == 0) {
		rte_eth_dev_rx_intr_disable(p->id, queue);
		kind = PORT_WAKE_INTERRUPT;
	}
	return kind != PORT_WAKE_NAP && rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, queue) >= 0 ? kind
											    : PORT_WAKE_NAP;
}

static void take_interrupts(struct port *p)
{
	p->wake = interrupt_kind(p, 0);
	for (uint16_t q = 1; q < p->nb_rxq; q++)
		if (interrupt_kind(p, q) != p->wake)
			p->wake = PORT_WAKE_NAP;
	for (uint16_t q = 0; q < p->nb_rxq && p->wake != PORT_WAKE_NAP; q++)
		p->rx_fd[q] = rte_eth_dev_rx_intr_ctl_q_get_fd(p->id, q);
}

void port_wake_find(struct port *p, const struct port_wake_sockets *before)
{
	for (unsigned q = 0; q < PORT_QUEUES_MAX; q++)
		p->rx_fd[q] = -1;
	if (p->if_index > 0 && (take_sockets(p, is_ring_of_iface, p) || take_sockets(p, is_new_xdp, before)))
		p->wake = PORT_WAKE_POLL;
	else
		take_interrupts(p);
	p->rx_intr = p->wake == PORT_WAKE_INTERRUPT;
}

void port_wake_open(struct port_wake *w, const struct port *p, uint16_t queue)
{
	TAS_ASSERT(queue < p->nb_rxq);
	*w = (struct port_wake){ .kind = p->wake, .fd = p->rx_fd[queue], .port_id = p->id, .queue = queue };
	w->is_counter = w->fd >= 0 && is_eventfd(w->fd);
	TAS_ASSERT((w->fd >= 0) == (w->kind != PORT_WAKE_NAP));
}

void port_wake_close(struct port_wake *w) { *w = (struct port_wake){ .fd = -1 }; }

void port_wake_arm(struct port_wake *w)
{
	if (w->kind == PORT_WAKE_INTERRUPT)
		rte_eth_dev_rx_intr_enable(w->port_id, w->queue);
}

void port_wake_disarm(struct port_wake *w)
{
	uint64_t count;
	int error;
	socklen_t len = sizeof(error);

	if (w->kind == PORT_WAKE_INTERRUPT)
		rte_eth_dev_rx_intr_disable(w->port_id, w->queue);
	if (w->is_counter && read(w->fd, &count, sizeof(count)) < 0)
		return; /* nothing was counted */
	/* An interface that went down leaves an error on the socket, and poll() returns at once until
	 * somebody takes it. On what is no socket this does nothing. */
	if (w->kind == PORT_WAKE_POLL)
		getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
}

bool port_wake_wait(const struct port_wake *w, unsigned n, int doorbell, tas_ns timeout)
{
	struct pollfd fds[PORT_WAKE_WAIT_MAX + 1];
	struct timespec ts;
	nfds_t nfds = 0;

	TAS_ASSERT(n <= PORT_WAKE_WAIT_MAX);
	for (unsigned i = 0; i < n; i++) {
		timeout = min_u64(timeout, port_wake_longest(&w[i]));
		if (w[i].fd >= 0)
			fds[nfds++] = (struct pollfd){ .fd = w[i].fd, .events = POLLIN };
	}
	if (doorbell >= 0)
		fds[nfds++] = (struct pollfd){ .fd = doorbell, .events = POLLIN };
	ts = (struct timespec){ .tv_sec = (time_t)(timeout / NS_PER_SEC),
		.tv_nsec = (long)(timeout % NS_PER_SEC) };
	return ppoll(fds, nfds, timeout == TAS_NS_NEVER ? NULL : &ts, NULL) > 0;
}
