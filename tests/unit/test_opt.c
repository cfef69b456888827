/* SPDX-License-Identifier: BSD-3-Clause */
/* test_opt.c - options of accelerated sockets: checked as Linux checks them, kept, inherited, never
 * ignored. */
#include "tests/unit/px_rig.h"

#include <linux/tcp.h>
#include <sys/time.h>

#include "libtas/posix/opt.h"

static int get(int fd, int level, int name)
{
	int value = -1;
	socklen_t size = sizeof(value);

	assert_int_equal(px_getsockopt(fd, level, name, &value, &size), 0);
	assert_int_equal(size, sizeof(value));
	return value;
}

static int set(int fd, int level, int name, int value)
{
	return px_setsockopt(fd, level, name, &value, sizeof(value));
}

static void what_is_set_is_read_back(void **state)
{
	int fd = px_flow(1, 0), other = px_flow(2, 0);

	(void)state;
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 7200); /* Linux's default */
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 33), 0);
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_KEEPIDLE), 33);
	assert_int_equal(get(other, IPPROTO_TCP, TCP_KEEPIDLE), 7200);
	assert_int_equal(set(fd, SOL_SOCKET, SO_KEEPALIVE, 5), 0);
	assert_int_equal(get(fd, SOL_SOCKET, SO_KEEPALIVE), 1);
	assert_int_equal(get(other, SOL_SOCKET, SO_KEEPALIVE), 0);
	assert_int_equal(set(fd, IPPROTO_IP, IP_TOS, 0x10), 0);
	assert_int_equal(get(fd, IPPROTO_IP, IP_TOS), 0x10);
}

static void bad_values_get_linuxs_errors(void **state)
{
	int fd = px_flow(1, 0), value = 1;
	struct timeval bad = { 0, 2000000 };

	(void)state;
	assert_errno(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 40000), EINVAL);
	assert_errno(set(fd, IPPROTO_TCP, TCP_KEEPCNT, 300), EINVAL);
	assert_errno(set(fd, IPPROTO_IP, IP_TTL, 999), EINVAL);
	assert_errno(px_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof(bad)), EDOM);
	assert_errno(px_setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, 2), EINVAL);
	assert_errno(px_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nonsense", 8), ENOENT);
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_KEEPCNT), 9);
}

static const uint8_t source_route[] = { 131, 7, 4, 10, 0, 0, 9, 0 };

static void what_only_the_kernel_can_do_is_refused(void **state)
{
	int fd = px_flow(1, 0), value = 0;
	socklen_t size = sizeof(value);

	(void)state;
	assert_errno(set(fd, SOL_SOCKET, SO_MARK, 1), EPERM);
	assert_errno(px_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, source_route, 8), ENOPROTOOPT);
	assert_errno(px_setsockopt(fd, IPPROTO_TCP, TCP_ULP, "tls", 4), ENOENT);
	assert_errno(set(fd, SOL_SOCKET, 9999, 1), ENOPROTOOPT);
	assert_errno(px_getsockopt(fd, IPPROTO_TCP, 9999, &value, &size), ENOPROTOOPT);
	assert_errno(set(fd, SOL_SOCKET, SO_ERROR, 1), ENOPROTOOPT);
}

static void a_socket_with_such_an_option_stays_in_the_kernel(void **state)
{
	int fd = px_socket(AF_INET, SOCK_STREAM, 0), asked = (int)r.asked[CTL_LISTEN];

	(void)state;
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_SAVE_SYN, 1), 0);
	assert_int_equal(px_listen(fd, 5), 0);
	assert_int_equal(r.asked[CTL_LISTEN], asked);
	assert_null(fd_look(fd));
	assert_int_equal(get(fd, SOL_SOCKET, SO_ACCEPTCONN), 1);
	fd = px_socket(AF_INET, SOCK_STREAM, 0); /* RFC 9293 3.9.2.1 */
	assert_int_equal(px_setsockopt(fd, IPPROTO_IP, IP_OPTIONS, source_route, 8), 0);
	assert_int_equal(px_listen(fd, 5), 0);
	assert_int_equal(r.asked[CTL_LISTEN], asked);
	assert_null(fd_look(fd));
}

static void accepted_connections_inherit(void **state)
{
	int first, second;

	(void)state;
	assert_int_equal(set(px_listener, IPPROTO_TCP, TCP_KEEPINTVL, 17), 0);
	assert_int_equal(set(px_listener, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	first = px_flow(1, 0);
	assert_int_equal(get(first, IPPROTO_TCP, TCP_KEEPINTVL), 17);
	assert_int_equal(get(first, IPPROTO_TCP, TCP_NODELAY), 1);
	/* from then on each has its own */
	assert_int_equal(set(first, IPPROTO_TCP, TCP_KEEPINTVL, 18), 0);
	second = px_flow(2, 0);
	assert_int_equal(get(second, IPPROTO_TCP, TCP_KEEPINTVL), 17);
	assert_int_equal(get(px_listener, IPPROTO_TCP, TCP_KEEPINTVL), 17);
	assert_int_equal(set(px_listener, IPPROTO_TCP, TCP_KEEPINTVL, 19), 0);
	assert_int_equal(get(second, IPPROTO_TCP, TCP_KEEPINTVL), 17);
	assert_int_equal(get(first, IPPROTO_TCP, TCP_KEEPINTVL), 18);
}

static void nodelay_and_cork_reach_tasd(void **state)
{
	int fd = px_flow(1, 0);
	struct abi_bell b;

	(void)state;
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_NODELAY, 1), 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & (ABI_BELL_OPTIONS | ABI_BELL_NODELAY),
		ABI_BELL_OPTIONS | ABI_BELL_NODELAY);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_CORK, 1), 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & (ABI_BELL_OPTIONS | ABI_BELL_MORE), ABI_BELL_OPTIONS | ABI_BELL_MORE);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_CORK, 0), 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & ABI_BELL_MORE, 0);
}

static void buffers_become_rings(void **state)
{
	int fd = px_socket(AF_INET, SOCK_STREAM, 0);
	const struct ctl_listen *asked = &r.last[CTL_LISTEN].listen;

	(void)state;
	assert_int_equal(get(px_flow(1, 0), SOL_SOCKET, SO_RCVBUF), 2 * RIG_RING);
	assert_int_equal(set(fd, SOL_SOCKET, SO_RCVBUF, 100000), 0);
	assert_int_equal(set(fd, SOL_SOCKET, SO_SNDBUF, 1), 0);
	assert_int_equal(px_listen(fd, 5), 0);
	assert_int_equal(asked->options.rx_size, 131072);
	assert_int_equal(asked->options.tx_size, 4096);
	assert_int_equal(get(fd, SOL_SOCKET, SO_RCVBUF), 200000);
}

/* --- what only the kernel can do --- */

/* tasd's answer to CTL_INFO. */
static int tells(void *arg, struct ctl_msg *m, int *fds, unsigned max, unsigned *nfds)
{
	int error = rig_request(arg, m, fds, max, nfds);

	if (m->type == CTL_INFO && m->info.flow == CTL_INFO_LISTENER)
		m->info = (struct ctl_info){ .state = 10, .queued = 3, .backlog = 16 };
	else if (m->type == CTL_INFO)
		m->info = (struct ctl_info){ .state = 1,
			.snd_mss = 1000,
			.unacked_bytes = 4500,
			.lost_bytes = 2000,
			.recovery = 3,
			.timeouts = 2,
			.cwnd_bytes = 10000,
			.rtt_us = 1000,
			.adv_mss = 1460,
			.pmtu = 1500,
			.data_sent_ms = 7,
			.late_acks = 1,
			.congestion = "newreno" };
	return error;
}

/* Goes through tasd if it listens. */
static bool is_accelerated(int fd)
{
	assert_int_equal(px_listen(fd, 5), 0);
	return fd_look(fd) != NULL && file_kind(fd_look(fd)) == FILE_LISTENER;
}

static void a_value_that_changes_nothing_keeps_no_socket_in_the_kernel(void **state)
{
	static const struct {
		int level, name;
	} row[] = { { SOL_SOCKET, SO_MARK }, { SOL_SOCKET, SO_TIMESTAMP }, { SOL_SOCKET, SO_ZEROCOPY },
		{ IPPROTO_TCP, TCP_SAVE_SYN }, { IPPROTO_TCP, TCP_FASTOPEN },
		{ IPPROTO_TCP, TCP_FASTOPEN_CONNECT }, { IPPROTO_IP, IP_RECVTOS } };

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(row); i++) {
		int fd = px_socket(AF_INET, SOCK_STREAM, 0), other = px_socket(AF_INET, SOCK_STREAM, 0);

		assert_int_equal(set(fd, row[i].level, row[i].name, 0), 0);
		assert_true(is_accelerated(fd));
		if (set(other, row[i].level, row[i].name, 1) == 0 && row[i].name != TCP_FASTOPEN)
			assert_false(is_accelerated(other));
		px_close(fd);
		px_close(other);
	}
}

static void a_value_that_changes_nothing_is_no_error_of_a_connection(void **state)
{
	int fd = px_flow(1, 0);

	(void)state;
	assert_int_equal(set(fd, SOL_SOCKET, SO_MARK, 0), 0);
	assert_int_equal(set(fd, SOL_SOCKET, SO_TIMESTAMP, 0), 0);
	assert_int_equal(set(fd, IPPROTO_IP, IP_RECVTOS, 0), 0);
	assert_errno(set(fd, SOL_SOCKET, SO_TIMESTAMP, 1), ENOPROTOOPT);
	assert_errno(set(fd, IPPROTO_IP, IP_RECVTOS, 1), ENOPROTOOPT);
}

static void what_linux_refuses_in_a_state_is_refused(void **state)
{
	int fd = px_flow(1, 0), six = px_socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	assert_errno(set(fd, IPPROTO_TCP, TCP_FASTOPEN, 0), EINVAL);
	assert_errno(set(fd, IPPROTO_TCP, TCP_FASTOPEN, 5), EINVAL);
	assert_errno(set(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0), EINVAL);
	assert_errno(set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), EINVAL);
	assert_errno(set(px_listener, IPPROTO_TCP, TCP_WINDOW_CLAMP, 0), EINVAL);
	assert_errno(set(px_listener, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, 0), EINVAL);
	assert_int_equal(set(px_listener, IPPROTO_TCP, TCP_FASTOPEN, 0), 0);
	assert_errno(set(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 2), EINVAL);
	assert_errno(set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1), ENOPROTOOPT); /* of IPv4 */
	assert_true(is_accelerated(six));
	assert_errno(set(six, IPPROTO_IPV6, IPV6_V6ONLY, 1), EINVAL); /* bound */
}

static void what_linux_tells_of_a_connection_is_told(void **state)
{
	int fd = px_flow(1, 0), other = px_flow(2, 0);
	struct sockaddr_in peer;
	struct ucred cred;
	uint64_t cookie[2] = { 0 };
	socklen_t size = sizeof(cred);

	(void)state;
	assert_int_equal(px_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size), 0);
	assert_int_equal(cred.pid, 0);
	for (int i = 0; i < 2; i++) {
		size = sizeof(cookie[i]);
		assert_int_equal(px_getsockopt(i ? other : fd, SOL_SOCKET, SO_COOKIE, &cookie[i], &size), 0);
	}
	assert_true(cookie[0] != cookie[1] && cookie[0] != 0);
	size = 4;
	assert_errno(px_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size), EINVAL);
	assert_int_equal(get(fd, SOL_SOCKET, SO_INCOMING_CPU), -1);
	assert_int_equal(get(fd, SOL_SOCKET, SO_MARK), 0);
	assert_int_equal(get(fd, IPPROTO_IP, IP_RECVTOS), 0);
	size = sizeof(peer);
	assert_int_equal(px_getsockopt(fd, SOL_SOCKET, SO_PEERNAME, &peer, &size), 0);
	assert_int_equal(ntohs(peer.sin_port), 40001);
	r.t->link.request = tells;
	assert_int_equal(get(fd, IPPROTO_IP, IP_MTU), 1500);
	size = sizeof(cookie);
	assert_errno(px_getsockopt(fd, IPPROTO_TCP, TCP_CC_INFO, &cookie, &size), ENOPROTOOPT);
}

static void what_only_a_socket_of_this_kind_cannot_set_is_linuxs_error(void **state)
{
	int fd = px_flow(1, 0);

	(void)state;
	assert_errno(set(fd, SOL_SOCKET, SO_TYPE, 1), ENOPROTOOPT);
	assert_errno(set(fd, IPPROTO_TCP, TCP_INFO, 1), ENOPROTOOPT);
	assert_errno(px_setsockopt(fd, SOL_SOCKET, SO_MARK, NULL, 4), EFAULT);
}

/* --- what tasd is told --- */

static void options_of_a_connection_are_told_when_they_change(void **state)
{
	const struct ctl_options *o = &r.last[CTL_OPTIONS].change.options;
	int fd = px_flow(1, 0);

	(void)state;
	assert_int_equal(r.asked[CTL_OPTIONS], 0); /* accepted connections have those of the listener */
	assert_int_equal(set(fd, IPPROTO_IP, IP_TOS, 0x13), 0);
	assert_int_equal(o->tos, 0x10);
	assert_int_equal(set(fd, IPPROTO_IP, IP_TTL, 9), 0);
	assert_int_equal(set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT), 0);
	assert_int_equal(o->flags, CTL_OPTION_FRAGMENTS | CTL_OPTION_ANY_PATH);
	assert_int_equal(set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DO), 0);
	assert_int_equal(set(fd, IPPROTO_IP, IP_RECVERR, 7), 0);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, 1), 0);
	assert_int_equal(o->flags, CTL_OPTION_RECVERR | CTL_OPTION_THIN_LINEAR);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, 5000), 0);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, 6000), 0);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_LINGER2, -5), 0);
	assert_int_equal(o->linger2_s, -1);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_LINGER2, 0), 0);
	assert_int_equal(o->linger2_s, 0); /* as tasd is configured */
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_LINGER2), 60);
	assert_int_equal(set(fd, SOL_SOCKET, SO_SNDBUF, 50000), 0);
	assert_int_equal(o->ttl, 9);
	assert_int_equal(o->window_clamp, 5000);
	assert_int_equal(o->notsent_lowat, 6000);
	assert_int_equal(o->tx_size, 65536);
	assert_int_equal(o->tos, 0x10);
	assert_int_equal(r.asked[CTL_OPTIONS], 11);
}

/* RFC 9293 3.8.4 (MUST-25, MUST-28), tcp_keepalive_time, _intvl and _probes of Linux. */
static void keepalive_is_off_and_waits_two_hours_unless_told(void **state)
{
	const struct ctl_options *o = &r.last[CTL_OPTIONS].change.options;
	int fd = px_flow(1, 0);

	(void)state;
	assert_int_equal(set(fd, IPPROTO_IP, IP_TTL, 9), 0);
	assert_int_equal(o->ttl, 9);
	assert_int_equal(o->keep_alive, 0);
	assert_int_equal(set(fd, SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	assert_int_equal(o->keep_alive, 1);
	assert_int_equal(o->keep_idle_s, 2 * 60 * 60);
	assert_int_equal(o->keep_intvl_s, 75);
	assert_int_equal(o->keep_count, 9);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 33), 0);
	assert_int_equal(o->keep_idle_s, 33);
}

static void options_of_a_listener_are_told_when_it_listens_and_when_they_change(void **state)
{
	const struct ctl_options *o = &r.last[CTL_LISTEN].listen.options;
	int fd = px_socket(AF_INET6, SOCK_STREAM, 0);

	(void)state;
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 5), 0);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_MAXSEG, 1000), 0);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_QUICKACK, 0), 0);
	assert_int_equal(set(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 0), 0);
	assert_int_equal(set(fd, IPPROTO_IPV6, IPV6_TCLASS, 0x20), 0);
	assert_true(is_accelerated(fd));
	assert_int_equal(o->defer_accept_s, 7); /* the kernel's rounding */
	assert_int_equal(o->max_seg, 1000);
	assert_int_equal(o->flags, CTL_OPTION_LATE_ACKS);
	assert_int_equal(o->hops, 1);
	assert_int_equal(o->tclass, 0x20);
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_SYNCNT, 2), 0);
	assert_int_equal(o->syn_count, 2);
	assert_int_equal(set(fd, SOL_SOCKET, SO_RCVBUF, 20000), 0);
	assert_int_equal(o->rx_size, 32768);
}

static void quickack_is_a_message_and_reads_as_set_or_as_tasd_says(void **state)
{
	int fd = px_flow(1, 0);
	struct abi_bell b;

	(void)state;
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_QUICKACK, 1), 0);
	assert_true(rig_bell(&r, 0, 0, &b));
	assert_int_equal(b.flags & (ABI_BELL_QUICK_ACKS | ABI_BELL_LATE_ACKS), ABI_BELL_QUICK_ACKS);
	assert_false(rig_bell(&r, 0, 0, &b));
	assert_int_equal(set(fd, IPPROTO_TCP, TCP_QUICKACK, 2), 0); /* once: as Linux takes even numbers */
	assert_true(rig_bell(&r, 0, 0, &b) && b.flags & ABI_BELL_QUICK_ACKS);
	assert_true(rig_bell(&r, 0, 0, &b) && b.flags & ABI_BELL_LATE_ACKS);
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_QUICKACK), 0);
	rig_deliver(&r, 1, 1);
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_QUICKACK), 1); /* what tasd says */
	assert_int_equal(r.asked[CTL_OPTIONS], 0);
}

/* --- TCP_INFO --- */

static void what_tasd_knows_is_told_in_linuxs_units(void **state)
{
	int fd = px_flow(1, 0);
	struct tcp_info t;
	socklen_t size = sizeof(t);

	(void)state;
	r.t->link.request = tells;
	assert_int_equal(px_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &size), 0);
	assert_int_equal(size, sizeof(t));
	assert_int_equal(t.tcpi_state, 1);
	assert_int_equal(t.tcpi_unacked, 5);
	assert_int_equal(t.tcpi_lost, 2);
	assert_int_equal(t.tcpi_ca_state, 3);
	assert_int_equal(t.tcpi_backoff, 2);
	assert_int_equal(t.tcpi_advmss, 1460);
	assert_int_equal(t.tcpi_pmtu, 1500);
	assert_int_equal(t.tcpi_last_data_sent, 7);
	assert_true(t.tcpi_pacing_rate == 10000000 && t.tcpi_max_pacing_rate == UINT64_MAX);
	assert_int_equal(set(fd, SOL_SOCKET, SO_MAX_PACING_RATE, 5000), 0);
	assert_int_equal(px_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &size), 0);
	assert_true(t.tcpi_max_pacing_rate == 5000);
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_QUICKACK), 0);
	assert_int_equal(get(fd, IPPROTO_TCP, TCP_MAXSEG), 1000);
	size = 3;
	memset(&t, 9, sizeof(t));
	assert_int_equal(px_getsockopt(fd, IPPROTO_TCP, TCP_INFO, &t, &size), 0);
	assert_int_equal(size, 3);
	assert_int_equal(t.tcpi_probes, 9);
}

static void listeners_tell_who_waits_in_tasd_and_in_the_kernel(void **state)
{
	struct tcp_info t;
	socklen_t size = sizeof(t);

	(void)state;
	r.t->link.request = tells;
	assert_int_equal(px_getsockopt(px_listener, IPPROTO_TCP, TCP_INFO, &t, &size), 0);
	assert_int_equal(t.tcpi_state, 10);
	assert_int_equal(t.tcpi_unacked, 3);
	assert_int_equal(t.tcpi_sacked, 16);
	assert_errno(px_getsockopt(px_listener, IPPROTO_TCP, TCP_INFO, NULL, &size), EFAULT);
}

static void rates_are_kept_in_64_bits_and_cut_to_32(void **state) /* as Linux gives them */
{
	int fd = px_flow(1, 0);
	uint64_t rate = 10000000000ull;
	socklen_t size = sizeof(rate);

	(void)state;
	assert_int_equal((unsigned)get(fd, SOL_SOCKET, SO_MAX_PACING_RATE), UINT32_MAX);
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, sizeof(rate)), 0);
	assert_true(r.last[CTL_OPTIONS].change.options.pacing_bytes_s == rate);
	assert_int_equal((unsigned)get(fd, SOL_SOCKET, SO_MAX_PACING_RATE), UINT32_MAX);
	rate = 0;
	assert_int_equal(px_getsockopt(fd, SOL_SOCKET, SO_MAX_PACING_RATE, &rate, &size), 0);
	assert_true(rate == 10000000000ull);
	assert_int_equal(set(fd, SOL_SOCKET, SO_MAX_PACING_RATE, -1), 0);
	assert_true(r.last[CTL_OPTIONS].change.options.pacing_bytes_s == 0); /* no limit */
}

/* --- TCP_CONGESTION --- */

static int set_name(int fd, const char *name)
{
	return px_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, (socklen_t)strlen(name));
}

static void name_is(int fd, const char *name)
{
	char text[16] = "";
	socklen_t size = sizeof(text);

	assert_int_equal(px_getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, text, &size), 0);
	assert_string_equal(text, name);
}

static void tasds_algorithms_can_be_chosen_whether_the_kernel_has_them_or_not(void **state)
{
	int fd = px_socket(AF_INET, SOCK_STREAM, 0);
	const struct ctl_options *asked = &r.last[CTL_LISTEN].listen.options;

	(void)state;
	assert_int_equal(set_name(fd, "dctcp"), 0);
	name_is(fd, "dctcp");
	assert_errno(set_name(fd, "nonsense"), ENOENT);
	assert_errno(px_setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "", 0), EINVAL);
	assert_int_equal(px_listen(fd, 5), 0);
	assert_string_equal(asked->congestion, "dctcp");
	name_is(fd, "dctcp");
	assert_int_equal(set_name(fd, "reno"), 0); /* a listener changes its mind */
	assert_string_equal(asked->congestion, "newreno");
	name_is(fd, "reno");
	assert_errno(set_name(fd, "nonsense"), ENOENT);
	name_is(fd, "reno");
}

static void an_algorithm_of_the_kernel_alone_keeps_the_socket_there(void **state)
{
	int fd = px_socket(AF_INET, SOCK_STREAM, 0);

	(void)state;
	if (set_name(fd, "bbr") != 0)
		skip(); /* this kernel has it not either */
	assert_int_equal(px_listen(fd, 5), 0);
	assert_int_equal(r.last[CTL_LISTEN].status, 0);
	assert_null(fd_look(fd));
	name_is(fd, "bbr");
}

static void open_connections_change_their_algorithm(void **state)
{
	const struct ctl_options *asked = &r.last[CTL_OPTIONS].change.options;
	int fd = px_flow(1, 0);

	(void)state;
	assert_int_equal(set_name(fd, "dctcp"), 0);
	assert_string_equal(asked->congestion, "dctcp");
	assert_int_equal(set_name(fd, "reno"), 0);
	assert_string_equal(asked->congestion, "newreno");
	assert_errno(set_name(fd, "bbr"), ENOENT);
	assert_int_equal(set(fd, IPPROTO_IP, IP_TOS, 8), 0); /* all else says the same again */
	assert_string_equal(asked->congestion, "newreno");
}

static void values_are_cut_to_the_callers_size(void **state)
{
	int fd = px_flow(1, 0);
	unsigned char two[3] = { 9, 9, 9 };
	struct linger linger = { 1, 5 };
	socklen_t size = 2;

	(void)state;
	set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
	assert_int_equal(px_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, two, &size), 0);
	assert_int_equal(size, 2);
	assert_int_equal(two[0] + two[1] * 10 + two[2] * 100, 901);
	size = (socklen_t)-1;
	assert_errno(px_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, two, &size), EINVAL);
	assert_errno(px_getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, NULL, &size), EFAULT);
	assert_int_equal(px_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
	linger = (struct linger){ 0, 0 };
	size = sizeof(linger);
	assert_int_equal(px_getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &size), 0);
	assert_true(linger.l_onoff == 1 && linger.l_linger == 5);
	linger.l_onoff = 0;
	px_setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
}

static void kinds_are_what_they_are(void **state)
{
	int fd = px_flow(1, 0);

	(void)state;
	assert_int_equal(get(fd, SOL_SOCKET, SO_TYPE), SOCK_STREAM);
	assert_int_equal(get(fd, SOL_SOCKET, SO_DOMAIN), AF_INET);
	assert_int_equal(get(fd, SOL_SOCKET, SO_PROTOCOL), IPPROTO_TCP);
	assert_int_equal(get(fd, SOL_SOCKET, SO_ACCEPTCONN), 0);
	assert_int_equal(get(px_listener, SOL_SOCKET, SO_ACCEPTCONN), 1);
	rig_event(&r, 1, ABI_EV_RESET, ETIMEDOUT);
	assert_int_equal(get(fd, SOL_SOCKET, SO_ERROR), ETIMEDOUT);
	assert_int_equal(get(fd, SOL_SOCKET, SO_ERROR), 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, px_set_up, px_tear_down)
	const struct CMUnitTest tests[] = { T(what_is_set_is_read_back), T(bad_values_get_linuxs_errors),
		T(what_only_the_kernel_can_do_is_refused),
		T(a_socket_with_such_an_option_stays_in_the_kernel), T(accepted_connections_inherit),
		T(nodelay_and_cork_reach_tasd), T(buffers_become_rings),
		T(a_value_that_changes_nothing_keeps_no_socket_in_the_kernel),
		T(a_value_that_changes_nothing_is_no_error_of_a_connection),
		T(what_linux_refuses_in_a_state_is_refused), T(what_linux_tells_of_a_connection_is_told),
		T(what_only_a_socket_of_this_kind_cannot_set_is_linuxs_error),
		T(options_of_a_connection_are_told_when_they_change),
		T(keepalive_is_off_and_waits_two_hours_unless_told),
		T(options_of_a_listener_are_told_when_it_listens_and_when_they_change),
		T(quickack_is_a_message_and_reads_as_set_or_as_tasd_says),
		T(what_tasd_knows_is_told_in_linuxs_units),
		T(listeners_tell_who_waits_in_tasd_and_in_the_kernel),
		T(rates_are_kept_in_64_bits_and_cut_to_32),
		T(tasds_algorithms_can_be_chosen_whether_the_kernel_has_them_or_not),
		T(an_algorithm_of_the_kernel_alone_keeps_the_socket_there),
		T(open_connections_change_their_algorithm), T(values_are_cut_to_the_callers_size),
		T(kinds_are_what_they_are) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
