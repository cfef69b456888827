/* SPDX-License-Identifier: BSD-3-Clause */
/* IPv4 through sockets of AF_INET6: what connect, bind and accept take, and which names they give. */
#include <arpa/inet.h>

#include "tests/e2e/sockcheck.h"

static struct sockaddr_in6 mapped(struct in_addr ip, int port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };

	a.sin6_addr.s6_addr[10] = a.sin6_addr.s6_addr[11] = 0xff;
	memcpy(&a.sin6_addr.s6_addr[12], &ip, sizeof(ip));
	return a;
}

static bool same(const struct sockaddr_in6 *name, struct in_addr ip, int port)
{
	struct sockaddr_in6 wanted = mapped(ip, port);

	if (port < 0)
		wanted.sin6_port = name->sin6_port;
	return memcmp(name, &wanted, sizeof(wanted)) == 0;
}

static void names_of(int fd, int local_port, int remote_port)
{
	struct sockaddr_in6 name = { 0 };
	socklen_t size = sizeof(name);

	show("getsockname", getsockname(fd, (struct sockaddr *)&name, &size));
	show("its size", size);
	show("own name, mapped", same(&name, check_local.v4, local_port));
	size = sizeof(name);
	show("getpeername", getpeername(fd, (struct sockaddr *)&name, &size));
	show("its size", size);
	show("the peer's name, mapped", same(&name, check_remote.v4, remote_port));
	size = 20;
	memset(&name, 0x55, sizeof(name));
	show("getpeername, cut", getpeername(fd, (struct sockaddr *)&name, &size));
	show("its size", size);
	show("what is behind", ((unsigned char *)&name)[20]);
}

static int socket6(int v6only)
{
	int fd = socket(AF_INET6, SOCK_STREAM, 0);

	show("only IPv6", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)));
	return fd;
}

static void refusals(int port)
{
	struct sockaddr_storage long4 = { 0 };
	union name to4 = address(check_remote, port);
	struct sockaddr_in6 to6 = mapped(check_remote.v4, port);
	int fd = socket6(0), four = new_socket(0), only = socket6(1);

	memcpy(&long4, &to4.v4, sizeof(to4.v4));
	show("connect of AF_INET6 to AF_INET", connect(fd, (struct sockaddr *)&to4, sizeof(to4.v4)));
	show("the same, long", connect(fd, (struct sockaddr *)&long4, sizeof(struct sockaddr_in6)));
	show("bind of AF_INET6 to AF_INET", bind(fd, (struct sockaddr *)&to4, sizeof(to4.v4)));
	show("connect of AF_INET to AF_INET6", connect(four, (struct sockaddr *)&to6, sizeof(to6)));
	show("connect of IPv6 alone to a mapped one", connect(only, (struct sockaddr *)&to6, sizeof(to6)));
	to6 = mapped(check_local.v4, 0);
	show("bind of IPv6 alone to a mapped one", bind(only, (struct sockaddr *)&to6, sizeof(to6)));
	close(fd);
	close(four);
	close(only);
}

static void opening(int port)
{
	struct sockaddr_in6 to = mapped(check_remote.v4, port);
	int fd = socket6(0);

	show("connect to a mapped one", connect(fd, (struct sockaddr *)&to, sizeof(to)));
	peer_shows("accept 1");
	names_of(fd, -1, port);
	show("write", write(fd, "", 1));
	peer_shows("recv 1 1");
	close(fd);
	fd = socket6(0);
	show("connect without a scope", connect(fd, (struct sockaddr *)&to, 24));
	peer_shows("accept 1");
	close(fd);
}

static void accepting(bool wildcard)
{
	struct sockaddr_in6 at = mapped(check_local.v4, 0), from = { 0 };
	socklen_t size = sizeof(at);
	int listener = socket6(0), fd, port;

	if (wildcard)
		at.sin6_addr = in6addr_any;
	show("bind", bind(listener, (struct sockaddr *)&at, sizeof(at)));
	show("listen", listen(listener, 5));
	show("getsockname", getsockname(listener, (struct sockaddr *)&at, &size));
	port = ntohs(at.sin6_port);
	show("its address",
		wildcard ? IN6_IS_ADDR_UNSPECIFIED(&at.sin6_addr) : same(&at, check_local.v4, port));
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, port));
	size = sizeof(from);
	fd = accept(listener, (struct sockaddr *)&from, &size);
	show("accept", fd >= 0);
	show("its size", size);
	show("from", same(&from, check_remote.v4, -1));
	names_of(fd, port, ntohs(from.sin6_port));
	close(fd);
	close(listener);
}

/* The test sets net.ipv6.bindv6only. */
static void refusing_by_default(void)
{
	struct sockaddr_in6 at = { .sin6_family = AF_INET6 };
	socklen_t size = sizeof(at);
	int listener = socket(AF_INET6, SOCK_STREAM, 0);

	show("bind", bind(listener, (struct sockaddr *)&at, sizeof(at)));
	show("listen", listen(listener, 5));
	show("getsockname", getsockname(listener, (struct sockaddr *)&at, &size));
	show_text("peer connects", peer("connect 1 %s %d", check_local.text, ntohs(at.sin6_port)));
	close(listener);
}

void check_mapped(void)
{
	int port = atoi(peer("listen"));

	refusals(port);
	opening(port);
	accepting(false);
	accepting(true);
	refusing_by_default();
}
