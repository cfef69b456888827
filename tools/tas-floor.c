/* SPDX-License-Identifier: BSD-3-Clause */
/* tas-floor - what a device costs before any TCP: the floor under every figure that is measured over it.
 *
 *   tas-floor serve DEVICE                             answers each UDP datagram (and ARP) on the bare ethdev
 *   tas-floor load ADDRESS PORT WINDOW BYTES SECONDS   asks, from a Linux socket, WINDOW questions at a time
 *
 * Both end with one line of figures, `serve` when it gets SIGTERM. Its time is that of passes that found
 * packets, as for tasd. */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "fastpath/port.h"
#include "fastpath/port_probe.h"
#include "fastpath/port_wake.h"
#include "include/base/log.h"

enum { BURST = 32, IDLE_POLLS = 2000, LATENCIES_MAX = 1 << 20 };

static _Atomic bool ended;

static void on_signal(int number TAS_UNUSED) { atomic_store(&ended, true); }

static _Noreturn void die(const char *text)
{
	fprintf(stderr, "tas-floor: %s\n", text);
	exit(1);
}

/* --- serve --- */

struct floor_server {
	struct port port;
	struct port_wake wake;
	uint64_t frames, passes, rx_cycles, tx_cycles, other_cycles;
};

static bool arp_answer(const struct port *p, struct rte_mbuf *m)
{
	struct rte_arp_hdr *arp = rte_pktmbuf_mtod_offset(m, struct rte_arp_hdr *, RTE_ETHER_HDR_LEN);
	struct rte_arp_ipv4 *d = &arp->arp_data;
	rte_be32_t asked = d->arp_tip;

	if (m->data_len < RTE_ETHER_HDR_LEN + sizeof(*arp) || arp->arp_opcode != htons(RTE_ARP_OP_REQUEST))
		return false;
	arp->arp_opcode = htons(RTE_ARP_OP_REPLY);
	d->arp_tha = d->arp_sha;
	d->arp_tip = d->arp_sip;
	d->arp_sha = p->mac;
	d->arp_sip = asked;
	return true;
}

/* Swaps addresses and ports, which leaves both checksums as they are. */
static bool udp_answer(struct rte_mbuf *m)
{
	struct rte_ipv4_hdr *ip = rte_pktmbuf_mtod_offset(m, struct rte_ipv4_hdr *, RTE_ETHER_HDR_LEN);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)(ip + 1);
	rte_be32_t address = ip->src_addr;
	rte_be16_t port = udp->src_port;

	if (m->data_len < RTE_ETHER_HDR_LEN + sizeof(*ip) + sizeof(*udp) ||
		ip->next_proto_id != IPPROTO_UDP || ip->version_ihl != 0x45)
		return false;
	ip->src_addr = ip->dst_addr;
	ip->dst_addr = address;
	udp->src_port = udp->dst_port;
	udp->dst_port = port;
	return true;
}

static bool answer(const struct port *p, struct rte_mbuf *m)
{
	struct rte_ether_hdr *eth = rte_pktmbuf_mtod(m, struct rte_ether_hdr *);
	bool done = eth->ether_type == htons(RTE_ETHER_TYPE_ARP) ? arp_answer(p, m)
		: eth->ether_type == htons(RTE_ETHER_TYPE_IPV4)  ? udp_answer(m)
								 : false;

	if (done) {
		eth->dst_addr = eth->src_addr;
		eth->src_addr = p->mac;
	}
	return done;
}

static unsigned serve_pass(struct floor_server *s)
{
	struct rte_mbuf *in[BURST], *out[BURST];
	uint64_t t0 = rte_rdtsc(), t1, t2;
	uint16_t n = rte_eth_rx_burst(s->port.id, 0, in, BURST), nout = 0, sent;

	if (n == 0)
		return 0;
	t1 = rte_rdtsc();
	for (uint16_t i = 0; i < n; i++) {
		if (answer(&s->port, in[i]))
			out[nout++] = in[i];
		else
			rte_pktmbuf_free(in[i]);
	}
	t2 = rte_rdtsc();
	sent = rte_eth_tx_burst(s->port.id, 0, out, nout);
	rte_pktmbuf_free_bulk(out + sent, nout - sent);
	s->tx_cycles += rte_rdtsc() - t2;
	s->rx_cycles += t1 - t0;
	s->other_cycles += t2 - t1;
	s->frames += nout;
	s->passes++;
	return n;
}

static void server_open(struct floor_server *s, const char *device)
{
	struct port_want want = { .rxq = 1,
		.txq = 1,
		.checksum_offload = PORT_AUTO,
		.tso = PORT_AUTO,
		.rss = PORT_OFF };
	struct rte_mempool *pool;
	char err[512] = "";
	uint16_t id;

	if (port_probe(device, &want, &id, err, sizeof(err)) != 0 ||
		port_fit(id, &want, err, sizeof(err)) != 0)
		die(err);
	pool = port_pool_create("floor", id, &want, 1, 0, err, sizeof(err));
	if (pool == NULL || port_open(&s->port, id, &want, pool, err, sizeof(err)) != 0)
		die(err);
	port_wake_open(&s->wake, &s->port, 0);
}

static int serve(const char *device)
{
	char prefix[64];
	char *argv[] = { "tas-floor", "-m", "128", "--no-huge", "--no-shconf", "--no-pci", "--no-telemetry",
		"--log-level=*:error", prefix, NULL };
	static struct floor_server s;
	unsigned idle = 0;

	snprintf(prefix, sizeof(prefix), "--file-prefix=tas-floor-%d", (int)getpid());
	if (rte_eal_init((int)ARRAY_LEN(argv) - 1, argv) < 0)
		die("DPDK did not start: run as root");
	rmdir(rte_eal_get_runtime_dir());
	server_open(&s, device);
	while (!atomic_load_explicit(&ended, memory_order_relaxed)) {
		idle = serve_pass(&s) > 0 ? 0 : idle + 1;
		if (idle > IDLE_POLLS) {
			port_wake_arm(&s.wake);
			if (serve_pass(&s) == 0)
				port_wake_wait(&s.wake, 1, -1, 10 * NS_PER_MS);
			port_wake_disarm(&s.wake);
		}
	}
	if (s.frames > 0)
		printf("frames %lu cycles_rx %.0f cycles_tx %.0f busy_ns %.0f\n", s.frames,
			(double)s.rx_cycles / (double)s.frames, (double)s.tx_cycles / (double)s.frames,
			(double)(s.rx_cycles + s.tx_cycles + s.other_cycles) * 1e9 /
				(double)rte_get_tsc_hz());
	port_wake_close(&s.wake);
	port_close(&s.port);
	rte_eal_cleanup();
	return 0;
}

/* --- load --- */

struct floor_load {
	int fd;
	uint32_t bytes, window;
	uint64_t asked, answered;
	uint64_t sent_ns[1 << 16]; /* by the number modulo, which each question carries */
	uint32_t latency[LATENCIES_MAX];
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static void ask(struct floor_load *l)
{
	char text[1472] = { 0 };
	uint64_t number = l->asked++;

	memcpy(text, &number, sizeof(number));
	l->sent_ns[number % ARRAY_LEN(l->sent_ns)] = clock_ns();
	if (send(l->fd, text, l->bytes, 0) != (ssize_t)l->bytes && errno != ECONNREFUSED)
		die(strerror(errno));
}

static void take(struct floor_load *l)
{
	char text[1472];
	uint64_t number;

	while (recv(l->fd, text, sizeof(text), MSG_DONTWAIT) >= (ssize_t)sizeof(number)) {
		memcpy(&number, text, sizeof(number));
		l->latency[l->answered++ % LATENCIES_MAX] = (uint32_t)(clock_ns() -
			l->sent_ns[number % ARRAY_LEN(l->sent_ns)]);
		ask(l);
	}
}

static int order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* A datagram may be lost: then the window is filled again. */
static void load_run(struct floor_load *l, double seconds)
{
	uint64_t begin = clock_ns(), end = begin + (uint64_t)(seconds * 1e9), n;

	while (clock_ns() < end) {
		struct pollfd p = { .fd = l->fd, .events = POLLIN };

		if (poll(&p, 1, 100) == 0)
			for (uint32_t i = 0; i < l->window; i++)
				ask(l);
		take(l);
	}
	n = l->answered < LATENCIES_MAX ? l->answered : LATENCIES_MAX;
	qsort(l->latency, n, sizeof(l->latency[0]), order);
	if (n == 0)
		die("no answer");
	printf("requests %lu seconds %.3f p50_us %.0f p99_us %.0f\n", l->answered,
		(double)(clock_ns() - begin) / 1e9, l->latency[n / 2] / 1e3, l->latency[n * 99 / 100] / 1e3);
}

static int load(char **argv)
{
	static struct floor_load l;
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])) };

	l.window = (uint32_t)atoi(argv[2]);
	l.bytes = (uint32_t)atoi(argv[3]);
	l.fd = socket(AF_INET, SOCK_DGRAM, 0);
	if (inet_pton(AF_INET, argv[0], &to.sin_addr) != 1 || l.bytes < sizeof(uint64_t) || l.bytes > 1472 ||
		l.window < 1 || l.window > 1024)
		die("ADDRESS is an IPv4 address, WINDOW 1..1024, BYTES 8..1472");
	if (l.fd < 0 || connect(l.fd, (const void *)&to, sizeof(to)) != 0)
		die(strerror(errno));
	for (uint32_t i = 0; i < l.window; i++)
		ask(&l);
	load_run(&l, atof(argv[4]));
	return 0;
}

int main(int argc, char **argv)
{
	signal(SIGTERM, on_signal);
	signal(SIGINT, on_signal);
	if (argc == 3 && strcmp(argv[1], "serve") == 0)
		return serve(argv[2]);
	if (argc == 7 && strcmp(argv[1], "load") == 0)
		return load(argv + 2);
	fprintf(stderr,
		"usage: tas-floor serve DEVICE\n"
		"       tas-floor load ADDRESS PORT WINDOW BYTES SECONDS\n");
	return 2;
}
