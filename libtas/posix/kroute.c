/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/kroute.h"

#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdalign.h>
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

struct exchange {
	int fd;
	const struct net_addr *remote;
	void *answer;
	size_t room; /* for the answer */
};

enum { ANSWER = 2048, DUMP = 32768 }; /* bytes; a part of a dump may have as many */

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

static ssize_t exchange(const struct exchange *x, const struct question *q, size_t size)
{
	if (real_syscall(SYS_sendto, x->fd, q, size, 0, NULL, 0) != (ssize_t)size)
		return -1;
	return real_syscall(SYS_recvfrom, x->fd, x->answer, x->room, 0, NULL, NULL);
}

static int length_of(const struct rtmsg *route)
{
	return route->rtm_dst_len + (route->rtm_family == AF_INET ? ADDR_V4_PREFIX_OFFSET : 0);
}

/* Of a route of the kind that covers the address, the length; else KROUTE_NONE. */
static int length_if(const struct nlmsghdr *header, uint8_t kind, const struct net_addr *remote)
{
	const struct rtmsg *route = NLMSG_DATA(header);
	const struct rtattr *a = RTM_RTA(route);
	struct net_addr net = route->rtm_family == AF_INET ? addr_v4(0) : addr_any();
	int left = (int)RTM_PAYLOAD(header);

	if (header->nlmsg_type != RTM_NEWROUTE || header->nlmsg_len < NLMSG_LENGTH(sizeof(*route)) ||
		route->rtm_type != kind || (route->rtm_family == AF_INET) != addr_is_v4(*remote))
		return KROUTE_NONE;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		size_t bytes = route->rtm_family == AF_INET ? 4 : 16;

		if (a->rta_type == RTA_DST && RTA_PAYLOAD(a) >= bytes)
			memcpy(net.b + 16 - bytes, RTA_DATA(a), bytes);
	}
	return addr_prefix_match(*remote, net, (unsigned)length_of(route)) ? length_of(route) : KROUTE_NONE;
}

/* The longest of one part of a dump and `best`; *more is false with the last part. */
static int longest_of(const struct exchange *x, size_t size, uint8_t kind, int best, bool *more)
{
	const struct nlmsghdr *header = x->answer;

	*more = size > 0;
	for (; NLMSG_OK(header, size); header = NLMSG_NEXT(header, size)) {
		int length = KROUTE_NONE;

		if (header->nlmsg_type == NLMSG_DONE || header->nlmsg_type == NLMSG_ERROR)
			*more = false;
		else
			length = length_if(header, kind, x->remote);
		best = length > best ? length : best;
	}
	return best;
}

static int longest_of_all(const struct exchange *x, uint8_t kind)
{
	const int on = 1;
	struct question q;
	int best = KROUTE_NONE;
	bool more = true;
	ssize_t got;

	/* only routes of the kind come, where the kernel knows how (Linux 4.20) */
	REAL(setsockopt)(x->fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, &on, sizeof(on));
	ask_for(x->remote, &q);
	q.header.nlmsg_len = offsetof(struct question, attribute);
	q.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	q.route.rtm_dst_len = 0;
	q.route.rtm_flags = 0;
	q.route.rtm_type = kind;
	for (got = exchange(x, &q, q.header.nlmsg_len); got > 0;) {
		best = longest_of(x, (size_t)got, kind, best, &more);
		if (!more)
			return best;
		got = real_syscall(SYS_recvfrom, x->fd, x->answer, x->room, 0, NULL, NULL);
	}
	return KROUTE_UNKNOWN;
}

/* The kernel refuses by a route of this kind. It does not say by which one: the longest of all there are. If
 * there is none, it was a rule, which is as specific as can be. */
static int refusing_prefix(const struct exchange *x, uint8_t kind)
{
	struct exchange dump = { x->fd, x->remote, px_map(DUMP), DUMP };
	int length;

	if (dump.answer == NULL) {
		errno = ENOMEM;
		return KROUTE_UNKNOWN;
	}
	length = longest_of_all(&dump, kind);
	px_unmap(dump.answer, DUMP);
	return length == KROUTE_NONE ? 128 : length;
}

/* It says why there is no route, or why it did not look. */
static int no_route(const struct exchange *x, size_t size)
{
	const struct nlmsghdr *header = x->answer;
	int error = -ENOBUFS;

	if (size >= sizeof(*header) + sizeof(struct nlmsgerr) && header->nlmsg_type == NLMSG_ERROR)
		error = ((const struct nlmsgerr *)NLMSG_DATA(header))->error;
	switch (error) {
	case -EACCES: return refusing_prefix(x, RTN_PROHIBIT);
	case -EHOSTUNREACH: return refusing_prefix(x, RTN_UNREACHABLE);
	case -EINVAL: return refusing_prefix(x, RTN_BLACKHOLE);
	case -EPERM:
	case -ENOMEM:
	case -ENOBUFS: errno = -error; return KROUTE_UNKNOWN;
	default: return KROUTE_NONE;
	}
}

static int prefix_of(const struct exchange *x, size_t size)
{
	const struct nlmsghdr *header = x->answer;

	if (size < sizeof(*header) + sizeof(struct rtmsg) || header->nlmsg_type != RTM_NEWROUTE)
		return no_route(x, size);
	return length_of(NLMSG_DATA(header));
}

int kroute_kernel_prefix(const struct net_addr *remote)
{
	alignas(struct nlmsghdr) char answer[ANSWER];
	struct exchange x = { REAL(socket)(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), remote,
		answer, sizeof(answer) };
	struct question q;
	size_t size = ask_for(remote, &q);
	ssize_t got;
	int prefix;

	if (x.fd < 0)
		return KROUTE_UNKNOWN;
	got = exchange(&x, &q, size);
	prefix = got < 0 ? KROUTE_UNKNOWN : prefix_of(&x, (size_t)got);
	own_close(x.fd);
	return prefix;
}

/* --- both together --- */

/* False: the kernel did not answer. */
static bool ask_both(const struct net_addr *remote, bool *through_tasd)
{
	static _Atomic bool warned;
	unsigned of_tasd;
	int of_kernel;

	*through_tasd = false;
	if (tas_route(inst_peek(), remote, &of_tasd, NULL) != 0)
		return true;
	of_kernel = kroute_kernel_prefix(remote);
	if (of_kernel == KROUTE_UNKNOWN) {
		inst_warn_once(&warned,
			"the kernel's routes cannot be asked for (AF_NETLINK), and meanwhile connect uses "
			"the kernel",
			errno);
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
