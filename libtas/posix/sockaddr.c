/* SPDX-License-Identifier: BSD-3-Clause */
#include "libtas/posix/sockaddr.h"

#include <netinet/in.h>
#include <stddef.h>
#include <string.h>

#include "libtas/posix/real.h"

enum { IN6_SHORTEST = 24 }; /* without sin6_scope_id (RFC 2133); Linux takes it */

bool sockaddr_read(const struct sockaddr *from, socklen_t size, struct net_addr *addr, uint16_t *port)
{
	struct sockaddr_in in;
	struct sockaddr_in6 in6;

	if (from == NULL || size < sizeof(in))
		return false;
	memcpy(&in, from, sizeof(in));
	if (in.sin_family == AF_INET) {
		*addr = addr_v4(in.sin_addr.s_addr);
		*port = ntohs(in.sin_port);
		return true;
	}
	if (in.sin_family != AF_INET6 || size < IN6_SHORTEST)
		return false;
	memcpy(&in6, from, IN6_SHORTEST);
	memcpy(addr->b, &in6.sin6_addr, sizeof(addr->b));
	*port = ntohs(in6.sin6_port);
	return true;
}

static void give(const void *from, socklen_t from_size, struct sockaddr *to, socklen_t *size)
{
	memcpy(to, from, *size < from_size ? *size : from_size);
	*size = from_size;
}

void sockaddr_give(int family, const struct net_addr *addr, uint16_t port, struct sockaddr *to,
	socklen_t *size)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (to == NULL || size == NULL)
		return;
	if (family == AF_INET) {
		in.sin_addr.s_addr = addr_v4_be(*addr);
		give(&in, sizeof(in), to, size);
		return;
	}
	memcpy(&in6.sin6_addr, addr->b, sizeof(addr->b));
	give(&in6, sizeof(in6), to, size);
}

bool sockaddr_bound(int fd, struct net_addr *addr, uint16_t *port)
{
	struct sockaddr_storage name;
	socklen_t size = sizeof(name);

	return REAL(getsockname)(fd, (struct sockaddr *)&name, &size) == 0 &&
		sockaddr_read((struct sockaddr *)&name, size, addr, port);
}
