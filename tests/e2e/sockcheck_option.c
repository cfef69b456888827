/* SPDX-License-Identifier: BSD-3-Clause */
/* Options, what is told of a socket, control data. */

#include "tests/e2e/sockcheck.h"

struct round_trip {
	int level, name;
	const char *text;
	int value;
};

static const struct round_trip round_trips[] = {
	{ SOL_SOCKET, SO_REUSEADDR, "SO_REUSEADDR", 1 },
	{ SOL_SOCKET, SO_KEEPALIVE, "SO_KEEPALIVE", 5 },
	{ SOL_SOCKET, SO_BROADCAST, "SO_BROADCAST", 1 },
	{ SOL_SOCKET, SO_OOBINLINE, "SO_OOBINLINE", 1 },
	{ SOL_SOCKET, SO_PRIORITY, "SO_PRIORITY", 3 },
	{ SOL_SOCKET, SO_RCVLOWAT, "SO_RCVLOWAT", 1 },
	{ SOL_SOCKET, SO_SNDLOWAT, "SO_SNDLOWAT", 1 },
	{ SOL_SOCKET, SO_SNDBUF, "SO_SNDBUF", 50000 },
	{ SOL_SOCKET, SO_RCVBUF, "SO_RCVBUF", 1 },
	{ SOL_SOCKET, SO_ERROR, "SO_ERROR", 1 },
	{ SOL_SOCKET, SO_TYPE, "SO_TYPE", 1 },
	{ SOL_SOCKET, SO_DOMAIN, "SO_DOMAIN", 1 },
	{ SOL_SOCKET, SO_PROTOCOL, "SO_PROTOCOL", 1 },
	{ SOL_SOCKET, SO_ACCEPTCONN, "SO_ACCEPTCONN", 1 },
	{ SOL_SOCKET, 9999, "an unknown one", 1 },
	{ IPPROTO_TCP, TCP_NODELAY, "TCP_NODELAY", 7 },
	{ IPPROTO_TCP, TCP_CORK, "TCP_CORK", 1 },
	{ IPPROTO_TCP, TCP_CORK, "TCP_CORK", 0 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 33 },
	{ IPPROTO_TCP, TCP_KEEPIDLE, "TCP_KEEPIDLE", 40000 },
	{ IPPROTO_TCP, TCP_KEEPINTVL, "TCP_KEEPINTVL", 11 },
	{ IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 3 },
	{ IPPROTO_TCP, TCP_KEEPCNT, "TCP_KEEPCNT", 300 },
	{ IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", 3 },
	{ IPPROTO_TCP, TCP_LINGER2, "TCP_LINGER2", 20 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", 4000 },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, "TCP_USER_TIMEOUT", -1 },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT", 4096 },
	{ IPPROTO_TCP, 9999, "an unknown one", 1 },
	{ IPPROTO_IP, IP_TOS, "IP_TOS", 0x10 },
	{ IPPROTO_IP, IP_TTL, "IP_TTL", 77 },
	{ IPPROTO_IP, IP_TTL, "IP_TTL", 999 },
	{ IPPROTO_IPV6, IPV6_V6ONLY, "IPV6_V6ONLY", 1 },
};

static void round_trips_of(int fd, const struct round_trip *trips, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		char text[80];
		int value = trips[i].value, level = trips[i].level, name = trips[i].name;
		socklen_t size = sizeof(value);

		snprintf(text, sizeof(text), "set %s to %d", trips[i].text, value);
		show(text, setsockopt(fd, level, name, &value, sizeof(value)));
		value = 0;
		snprintf(text, sizeof(text), "get %s", trips[i].text);
		if (show(text, getsockopt(fd, level, name, &value, &size)) == 0)
			show("value", value);
	}
}

static void round_trip(int fd)
{
	round_trips_of(fd, round_trips, sizeof(round_trips) / sizeof(*round_trips));
}

static void odd_sizes(int fd)
{
	struct linger linger = { 1, 5 };
	struct timeval limit = { 3, 7000 };
	socklen_t size = sizeof(linger);
	char text[64] = "";
	int value = 1;

	show("a short value", setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 2));
	show("set SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	linger = (struct linger){ 0, 0 };
	show("get SO_LINGER", getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size));
	show("value", linger.l_onoff * 100 + linger.l_linger);
	linger.l_onoff = 0;
	show("unset SO_LINGER", setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	show("set SO_RCVTIMEO", setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
	size = sizeof(limit);
	show("get SO_RCVTIMEO", getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, &size));
	show("value", limit.tv_sec * 1000000 + limit.tv_usec);
	limit.tv_usec = 2000000;
	show("set a bad SO_SNDTIMEO", setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)));
	size = 2;
	show("get into 2 bytes", getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size));
	show("size", size);
	size = sizeof(text);
	show("set no algorithm", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8));
	show("get TCP_CONGESTION", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &size));
	show("set it again", setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, (socklen_t)strlen(text)));
}

static void info(int fd)
{
	struct tcp_info t = { 0 };
	socklen_t size = sizeof(t);

	show("TCP_INFO", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &size));
	show("state", t.tcpi_state);
	show("a segment's size", t.tcpi_snd_mss > 500);
	show("a window", t.tcpi_snd_cwnd > 0);
}

void check_options(void)
{
	int port, listener = new_listener(0, &port), fd, on = 1, value = 0;
	socklen_t size = sizeof(value);

	show_text("on", "a listener");
	round_trip(listener);
	setsockopt(listener, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ 44 }, sizeof(int));
	setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	peer("connect 1 %s %d", check_local.text, port);
	fd = accept(listener, NULL, NULL);
	show("inherited TCP_KEEPIDLE", getsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &value, &size));
	show("value", value);
	show("inherited TCP_NODELAY", getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, &size));
	show("value", value);
	close(listener);
	close(fd);
	show_text("on", "an accepted connection");
	fd = accepted(0);
	round_trip(fd);
	odd_sizes(fd);
	info(fd);
	close(fd);
	show_text("on", "an opened connection");
	fd = connected();
	round_trip(fd);
	close(fd);
}

/* --- what tunes a connection, and what changes nothing --- */

static const struct round_trip tuning[] = {
	{ SOL_SOCKET, SO_MAX_PACING_RATE, "SO_MAX_PACING_RATE", 100000000 },
	{ SOL_SOCKET, SO_REUSEPORT, "SO_REUSEPORT", 1 },
	{ SOL_SOCKET, SO_BUSY_POLL, "SO_BUSY_POLL", 0 },
	{ SOL_SOCKET, SO_DONTROUTE, "SO_DONTROUTE", 0 },
	{ SOL_SOCKET, SO_TIMESTAMP, "SO_TIMESTAMP", 0 },
	{ SOL_SOCKET, SO_TIMESTAMPNS, "SO_TIMESTAMPNS", 0 },
	{ SOL_SOCKET, SO_ZEROCOPY, "SO_ZEROCOPY", 0 },
	{ SOL_SOCKET, SO_MARK, "SO_MARK", 0 },
	{ IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG", 10 },
	{ IPPROTO_TCP, TCP_MAXSEG, "TCP_MAXSEG", 40000 },
	{ IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", 0 },
	{ IPPROTO_TCP, TCP_SYNCNT, "TCP_SYNCNT", 128 },
	{ IPPROTO_TCP, TCP_LINGER2, "TCP_LINGER2", -3 },
	{ IPPROTO_TCP, TCP_LINGER2, "TCP_LINGER2", 500 },
	{ IPPROTO_TCP, TCP_LINGER2, "TCP_LINGER2", 0 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT", 5 },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, "TCP_DEFER_ACCEPT", -1 },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, "TCP_WINDOW_CLAMP", 5 },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, "TCP_WINDOW_CLAMP", 30000 },
	{ IPPROTO_TCP, TCP_QUICKACK, "TCP_QUICKACK", 0 },
	{ IPPROTO_TCP, TCP_QUICKACK, "TCP_QUICKACK", 1 },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, "TCP_THIN_LINEAR_TIMEOUTS", 1 },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, "TCP_THIN_LINEAR_TIMEOUTS", 2 },
	{ IPPROTO_TCP, TCP_THIN_DUPACK, "TCP_THIN_DUPACK", 1 },
	{ IPPROTO_TCP, TCP_THIN_DUPACK, "TCP_THIN_DUPACK", 2 },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, "TCP_NOTSENT_LOWAT", -1 },
	{ IPPROTO_TCP, TCP_FASTOPEN, "TCP_FASTOPEN", 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT", 0 },
	{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT, "TCP_FASTOPEN_CONNECT", 2 },
	{ IPPROTO_TCP, TCP_SAVE_SYN, "TCP_SAVE_SYN", 0 },
	{ IPPROTO_IP, IP_TOS, "IP_TOS", 0x53 },
	{ IPPROTO_IP, IP_TOS, "IP_TOS", 0 },
	{ IPPROTO_IP, IP_TTL, "IP_TTL", 0 },
	{ IPPROTO_IP, IP_TTL, "IP_TTL", -1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", IP_PMTUDISC_DONT },
	{ IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", IP_PMTUDISC_DO },
	{ IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", IP_PMTUDISC_PROBE },
	{ IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", IP_PMTUDISC_OMIT + 1 },
	{ IPPROTO_IP, IP_MTU_DISCOVER, "IP_MTU_DISCOVER", IP_PMTUDISC_WANT },
	{ IPPROTO_IP, IP_RECVERR, "IP_RECVERR", 1 },
	{ IPPROTO_IP, IP_RECVERR, "IP_RECVERR", 0 },
	{ IPPROTO_IP, IP_FREEBIND, "IP_FREEBIND", 1 },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, "IP_BIND_ADDRESS_NO_PORT", 1 },
	{ IPPROTO_IP, IP_TRANSPARENT, "IP_TRANSPARENT", 0 },
	{ IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS", 0x53 },
	{ IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS", 256 },
	{ IPPROTO_IPV6, IPV6_TCLASS, "IPV6_TCLASS", -1 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS", 77 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS", 256 },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, "IPV6_UNICAST_HOPS", -1 },
	{ IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR", 7 },
	{ IPPROTO_IPV6, IPV6_RECVERR, "IPV6_RECVERR", 0 },
	{ IPPROTO_IPV6, 9999, "an unknown one", 1 },
};

static void identity(int fd)
{
	struct ucred who = { 0 };
	socklen_t size = sizeof(who);
	uint64_t cookie = 0;

	show("SO_PEERCRED", getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
	show("of no process", who.pid);
	show("of nobody", (int)who.uid);
	show("of no group", (int)who.gid);
	size = sizeof(cookie);
	show("SO_COOKIE", getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size));
	show("a cookie", cookie != 0);
	size = 4;
	show("a short SO_COOKIE", getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size));
}

/* Algorithms that both have. */
static void algorithms(int fd)
{
	static const char *const names[] = { "reno", "cubic", "",
		"a name that is longer than any algorithm's" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char text[64] = "";
		socklen_t size = sizeof(text);

		show(names[i],
			setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, names[i], (socklen_t)strlen(names[i])));
		show("get TCP_CONGESTION", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &size));
		show("size", size);
		show_text("value", text);
		size = 3;
		show("get into 3 bytes", getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &size));
		show("size", size);
	}
}

static void a_word_of_control(int fd, const char *text, int level, int type, size_t len)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .head = { .cmsg_len = len, .cmsg_level = level, .cmsg_type = type } };
	struct iovec part = { "x", 1 };
	struct msghdr message = { .msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	int dup = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	memcpy(CMSG_DATA(&control.head), &dup, sizeof(dup));
	show(text, sendmsg(fd, &message, MSG_NOSIGNAL));
	close(dup);
}

static void control_data(int fd)
{
	a_word_of_control(fd, "send with IP_TOS", IPPROTO_IP, IP_TOS, CMSG_LEN(sizeof(int)));
	a_word_of_control(fd, "send with SCM_RIGHTS", SOL_SOCKET, SCM_RIGHTS, CMSG_LEN(sizeof(int)));
	a_word_of_control(fd, "send with an unknown one", SOL_SOCKET, 999, CMSG_LEN(sizeof(int)));
	a_word_of_control(fd, "send with a short one", SOL_SOCKET, SCM_RIGHTS, 3);
	a_word_of_control(fd, "send with a long one", SOL_SOCKET, SCM_RIGHTS, 1000);
}

static void info_of_listener(int fd)
{
	struct tcp_info t = { 0 };
	socklen_t size = sizeof(t);

	show("TCP_INFO", getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &size));
	show("state", t.tcpi_state);
	show("in the queue", t.tcpi_unacked);
	show("room in it", t.tcpi_sacked);
}

static void tune(const char *what, int fd)
{
	show_text("on", what);
	round_trips_of(fd, tuning, sizeof(tuning) / sizeof(*tuning));
	identity(fd);
	algorithms(fd);
}

void check_tuning(void)
{
	int port, listener = new_listener(0, &port), fd;

	tune("a listener", listener);
	info_of_listener(listener);
	peer("connect 1 %s %d", check_local.text, port);
	settle(listener, POLLIN);
	info_of_listener(listener);
	fd = accept(listener, NULL, NULL);
	close(listener);
	tune("an accepted connection", fd);
	control_data(fd);
	close(fd);
	fd = connected();
	tune("an opened connection", fd);
	show("TCP_FASTOPEN", setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN, &(int){ 5 }, sizeof(int)));
	show("IPV6_V6ONLY", setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &(int){ 1 }, sizeof(int)));
	close(fd);
}
