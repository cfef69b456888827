/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/kroute.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include "include/tas/tas.h"
#include "libtas/posix/inst.h"
#include "libtas/posix/px_lock.h"
#include "libtas/posix/real.h"

enum { CACHE_BITS = 6, CACHE = 1 << CACHE_BITS };

struct answer {
	struct net_addr remote;
	tas_ns until;
	bool through_tasd;
};

static struct px_lock cache_lock;
static struct answer cache[CACHE];

/* --- the kernel's route, by netlink --- */

struct question {
	struct nlmsghdr header;
	struct rtmsg route;
	struct rtattr attribute;
	uint8_t address[16];
};

static size_t ask_for(const struct net_addr *remote, struct question *q)
{
	bool v4 = addr_is_v4(*remote);
	size_t bytes = v4 ? 4 : 16;

	memset(q, 0, sizeof(*q));
	q->header.nlmsg_len = (uint32_t)(offsetof(struct question, address) + bytes);
	q->header.nlmsg_type = RTM_GETROUTE;
	q->header.nlmsg_flags = NLM_F_REQUEST;
	q->route.rtm_family = v4 ? AF_INET : AF_INET6;
	q->route.rtm_dst_len = (uint8_t)(8 * bytes);
	q->route.rtm_flags = RTM_F_FIB_MATCH; /* the route that matched, not a host route made of it */
	q->attribute.rta_type = RTA_DST;
	q->attribute.rta_len = (uint16_t)(sizeof(q->attribute) + bytes);
	memcpy(q->address, remote->b + (v4 ? 12 : 0), bytes);
	return q->header.nlmsg_len;
}

/* It says why there is no route, or why it did not look. */
static int no_route(const void *answer, size_t size)
{
	const struct nlmsghdr *header = answer;
	int error = -ENOBUFS;

	if (size >= sizeof(*header) + sizeof(struct nlmsgerr) && header->nlmsg_type == NLMSG_ERROR)
		error = ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
	if (error != -EPERM && error != -ENOMEM && error != -ENOBUFS)
		return KROUTE_NONE;
	errno = -error;
	return KROUTE_UNKNOWN;
}

static int prefix_of(const void *answer, size_t size)
{
	const struct nlmsghdr *header = answer;
	const struct rtmsg *route;

	if (size < sizeof(*header) + sizeof(*route) || header->nlmsg_type != RTM_NEWROUTE)
		return no_route(answer, size);
	route = NLMSG_DATA(header);
	if (route->rtm_type != RTN_UNICAST && route->rtm_type != RTN_LOCAL &&
		route->rtm_type != RTN_BROADCAST)
		return KROUTE_NONE; /* unreachable, prohibited, ... */
	return route->rtm_dst_len + (route->rtm_family == AF_INET ? ADDR_V4_PREFIX_OFFSET : 0);
}

int kroute_kernel_prefix(const struct net_addr *remote)
{
	alignas(struct nlmsghdr) char answer[2048];
	struct question q;
	size_t size = ask_for(remote, &q);
	ssize_t got = -1;
	int fd = REAL(socket)(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int saved;

	if (fd < 0)
		return KROUTE_UNKNOWN;
	if (real_syscall(SYS_sendto, fd, &q, size, 0, NULL, 0) == (ssize_t)size)
		got = real_syscall(SYS_recvfrom, fd, answer, sizeof(answer), 0, NULL, NULL);
	saved = errno;
	own_close(fd);
	errno = saved;
	return got < 0 ? KROUTE_UNKNOWN : prefix_of(answer, (size_t)got);
}

/* --- both together --- */

static _Atomic bool warned;

static void warn_unknown(void)
{
	char text[200];

	if (atomic_exchange(&warned, true))
		return;
	snprintf(text, sizeof(text),
		"libtas: the kernel's routes cannot be asked for (AF_NETLINK: %s); "
		"meanwhile connect uses the kernel. TAS_QUIET=1 hides this line\n",
		strerror(errno));
	inst_warn(text);
}

/* False: the kernel did not answer. */
static bool ask_both(const struct net_addr *remote, bool *through_tasd)
{
	unsigned of_tasd;
	int of_kernel;

	*through_tasd = false;
	if (tas_route(inst_peek(), remote, &of_tasd, NULL) != 0)
		return true;
	of_kernel = kroute_kernel_prefix(remote);
	if (of_kernel == KROUTE_UNKNOWN) {
		warn_unknown();
		return false;
	}
	*through_tasd = (int)of_tasd >= of_kernel;
	return true;
}

static unsigned slot_of(const struct net_addr *a)
{
	uint64_t both = be64toh(a->q[0]) ^ be64toh(a->q[1]); /* neighbours differ in low bits */

	return (unsigned)((both * 0x9e3779b97f4a7c15ull) >> (64 - CACHE_BITS));
}

static bool cached(const struct net_addr *remote, tas_ns now, bool *through_tasd)
{
	const struct answer *a = &cache[slot_of(remote)];
	bool found;

	if (!px_lock_enter(&cache_lock))
		return false;
	found = a->until > now && addr_eq(a->remote, *remote);
	*through_tasd = a->through_tasd;
	px_lock_leave(&cache_lock);
	return found;
}

static void keep(const struct net_addr *remote, tas_ns now, bool through_tasd)
{
	if (!px_lock_enter(&cache_lock))
		return;
	cache[slot_of(remote)] = (struct answer){ *remote, now + KROUTE_KEEP_NS, through_tasd };
	px_lock_leave(&cache_lock);
}

bool kroute_through_tasd(const struct net_addr *remote)
{
	tas_ns now = inst_clock();
	int saved = errno;
	bool through_tasd;

	if (addr_is_loopback(*remote) || addr_is_multicast(*remote) || addr_is_any(*remote) || !inst_attach())
		return false;
	if (cached(remote, now, &through_tasd))
		return through_tasd;
	if (ask_both(remote, &through_tasd))
		keep(remote, now, through_tasd);
	errno = saved;
	return through_tasd;
}

bool kroute_is_tasds(const struct net_addr *addr)
{
	if (addr_is_loopback(*addr) || addr_is_multicast(*addr) || addr_is_any(*addr) || !inst_attach())
		return false;
	return tas_route(inst_peek(), addr, NULL, NULL) == -EADDRINUSE;
}
