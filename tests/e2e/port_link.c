/* SPDX-License-Identifier: BSD-3-Clause */
/* port_link.c - the port layer on a real link, without the rest of tasd.
 *
 *	port_link wake DEVICE QUEUES PEER NETNS ROUNDS
 *		Sends a frame a round from interface PEER (in the network namespace called NETNS; "-": this
 *		one), each at a random moment after the one before was seen, to a core that goes to sleep at
 *		a random moment, too. Fails if a frame was slept through, or woke the core for a queue
 *		without a frame.
 *	port_link bad DEVICE SECONDS
 *		Treats every frame as one that would be dropped, until the operator is told of the sender. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <getopt.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <linux/if_packet.h>

#include <rte_eal.h>
#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "fastpath/port.h"
#include "fastpath/port_probe.h"
#include "fastpath/port_wake.h"
#include "include/base/rand.h"
#include "include/base/time.h"

enum { QUEUES_MAX = 4, BURST = 32, SPIN_MAX_US = 20, DELAY_MAX_US = 60, MAGIC = 0x7a51 };

#define SLEEP_NS NS_PER_SEC
#define WRONG_AFTER_NS (50 * NS_PER_MS)

/* What the sender writes behind the UDP header. */
struct stamp {
	uint64_t round;
	tas_ns sent_at;
};

struct frame {
	struct rte_ether_hdr eth;
	struct rte_ipv4_hdr ip;
	struct rte_udp_hdr udp;
	struct stamp stamp;
} __attribute__((packed, aligned(2)));

/* Between sender and receiver. */
struct shared {
	_Atomic bool ready;
	struct rte_ether_addr to;
	_Atomic uint64_t sent, seen;
};

struct receiver {
	struct port port;
	struct port_wake wake[QUEUES_MAX];
	struct shared *shared;
	struct tas_rand rand;
	uint64_t rounds, sleeps, lost, wrong_queue, got;
	uint32_t *latency_ns; /* of frames that ended a sleep */
	bool slept;
};

static tas_ns clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (tas_ns)ts.tv_sec * NS_PER_SEC + (tas_ns)ts.tv_nsec;
}

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "port_link: %s\n", what);
	exit(1);
}

static void spin_until(tas_ns end)
{
	while (clock_ns() < end)
		sched_yield();
}

/* --- the sender, a process of its own in the other namespace --- */

static int sender_socket(const char *peer, const char *netns)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	char path[256];
	int ns, sock;

	snprintf(path, sizeof(path), "/run/netns/%s", netns);
	if (strcmp(netns, "-") != 0) {
		ns = open(path, O_RDONLY);
		if (ns < 0 || setns(ns, CLONE_NEWNET) != 0)
			die("cannot enter the namespace of the sender");
	}
	sock = socket(AF_PACKET, SOCK_RAW, 0); /* hears nothing */
	to.sll_ifindex = (int)if_nametoindex(peer);
	if (sock < 0 || to.sll_ifindex == 0 || bind(sock, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot send from the peer's interface");
	return sock;
}

static struct frame frame_make(const struct rte_ether_addr *to, uint16_t source_port)
{
	struct frame f = {
		.eth = { .dst_addr = *to, .ether_type = htons(RTE_ETHER_TYPE_IPV4) },
		.ip = { .version_ihl = RTE_IPV4_VHL_DEF,
			.total_length = htons(sizeof(f) - sizeof(f.eth)),
			.time_to_live = 64,
			.next_proto_id = IPPROTO_UDP,
			.src_addr = htonl(RTE_IPV4(10, 77, 0, 2)),
			.dst_addr = htonl(RTE_IPV4(10, 77, 0, 1)) },
		.udp = { .src_port = htons(source_port), .dst_port = htons(MAGIC), .dgram_len = htons(24) },
	};

	f.eth.src_addr.addr_bytes[0] = 2;
	f.ip.hdr_checksum = rte_ipv4_cksum(&f.ip);
	return f;
}

static _Noreturn void sender_run(struct shared *s, int sock, uint64_t rounds)
{
	struct tas_rand rand;

	rand_seed(&rand, 1);
	while (!s->ready)
		usleep(1000);
	for (uint64_t i = 1; i <= rounds; i++) {
		struct frame f = frame_make(&s->to, (uint16_t)(1024 + rand_below(&rand, 50000)));

		spin_until(clock_ns() + rand_below(&rand, DELAY_MAX_US * 1000));
		f.stamp = (struct stamp){ .round = i, .sent_at = clock_ns() };
		atomic_store(&s->sent, i);
		if (send(sock, &f, sizeof(f), 0) != sizeof(f))
			die("cannot send");
		while (atomic_load(&s->seen) < i)
			sched_yield();
	}
	exit(0);
}

/* --- the receiver: a core's loop with nothing but receive in it --- */

static void take(struct receiver *r, const struct rte_mbuf *m)
{
	const struct frame *f = rte_pktmbuf_mtod(m, const struct frame *);

	if (rte_pktmbuf_data_len(m) < sizeof(*f) || f->udp.dst_port != htons(MAGIC) ||
		f->eth.ether_type != htons(RTE_ETHER_TYPE_IPV4) || f->stamp.round != r->got + 1)
		return;
	r->got++;
	if (r->slept)
		r->latency_ns[r->sleeps++] = (uint32_t)min_u64(clock_ns() - f->stamp.sent_at, UINT32_MAX);
	r->slept = false;
	atomic_store(&r->shared->seen, r->got);
}

static unsigned poll_queue(struct receiver *r, uint16_t queue)
{
	struct rte_mbuf *m[BURST];
	unsigned n = rte_eth_rx_burst(r->port.id, queue, m, BURST);

	for (unsigned i = 0; i < n; i++)
		take(r, m[i]);
	rte_pktmbuf_free_bulk(m, n);
	return n;
}

static unsigned poll_all(struct receiver *r)
{
	unsigned n = 0;

	for (uint16_t q = 0; q < r->port.nb_rxq; q++)
		n += poll_queue(r, q);
	return n;
}

/* Is the descriptor of each queue really the one of this queue? net_tap looks at its descriptor only after a
 * signal, so it gets some time. */
static void poll_readable(struct receiver *r)
{
	for (uint16_t q = 0; q < r->port.nb_rxq; q++) {
		tas_ns end = clock_ns() + WRONG_AFTER_NS;

		if (port_wake_fd(&r->wake[q]) < 0 || !port_wake_wait(&r->wake[q], 1, -1, 0))
			continue;
		while (poll_queue(r, q) == 0)
			if (clock_ns() > end) {
				r->wrong_queue++;
				break;
			}
	}
}

static void sleep_once(struct receiver *r, tas_ns timeout)
{
	tas_ns begin = clock_ns();

	for (uint16_t q = 0; q < r->port.nb_rxq; q++)
		port_wake_arm(&r->wake[q]);
	if (poll_all(r) == 0) {
		r->slept = true;
		if (port_wake_wait(r->wake, r->port.nb_rxq, -1, timeout))
			poll_readable(r);
		else if (clock_ns() - begin >= timeout && atomic_load(&r->shared->sent) > r->got)
			r->lost++;
	}
	for (uint16_t q = 0; q < r->port.nb_rxq; q++)
		port_wake_disarm(&r->wake[q]);
	poll_all(r);
	r->slept = false;
}

static void receiver_run(struct receiver *r)
{
	while (r->got < r->rounds) {
		tas_ns end = clock_ns() + rand_below(&r->rand, SPIN_MAX_US * 1000);

		while (poll_all(r) > 0 || clock_ns() < end)
			;
		if (r->got < r->rounds)
			sleep_once(r, SLEEP_NS);
	}
}

/* Of a silent link, in parts per million of one CPU. */
static uint64_t idle_cost_ppm(struct receiver *r)
{
	struct rusage before, after;
	tas_ns begin = clock_ns();
	uint64_t us;

	getrusage(RUSAGE_THREAD, &before);
	while (clock_ns() - begin < SLEEP_NS)
		sleep_once(r, SLEEP_NS);
	getrusage(RUSAGE_THREAD, &after);
	us = (uint64_t)(after.ru_utime.tv_sec - before.ru_utime.tv_sec) * 1000000 +
		(uint64_t)(after.ru_stime.tv_sec - before.ru_stime.tv_sec) * 1000000;
	us += (uint64_t)(after.ru_utime.tv_usec - before.ru_utime.tv_usec + after.ru_stime.tv_usec -
		before.ru_stime.tv_usec);
	return us * NS_PER_SEC / (clock_ns() - begin);
}

static int latency_order(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static int report(struct receiver *r)
{
	uint64_t n = r->sleeps, idle = idle_cost_ppm(r);

	qsort(r->latency_ns, n, sizeof(uint32_t), latency_order);
	printf("%lu frames, %lu ended a sleep, %lu slept through, %lu for the wrong queue\n", r->got, n,
		r->lost, r->wrong_queue);
	if (n > 0)
		printf("delay: 50 %% %.1f us, 99 %% %.1f us, longest %.1f us; idle: %.2f %% of a CPU\n",
			r->latency_ns[n / 2] / 1e3, r->latency_ns[n * 99 / 100] / 1e3,
			r->latency_ns[n - 1] / 1e3, (double)idle / 1e4);
	return r->lost == 0 && r->wrong_queue == 0 && n > r->rounds / 10 ? 0 : 1;
}

/* --- the port --- */

static struct rte_mempool *open_port(struct port *p, const char *device, uint16_t queues)
{
	struct port_want want = { .rxq = queues,
		.txq = queues,
		.checksum_offload = PORT_AUTO,
		.tso = PORT_AUTO,
		.rss = PORT_AUTO };
	struct rte_mempool *pool = NULL;
	char err[512];
	uint16_t id;

	if (port_probe(device, &want, &id, err, sizeof(err)) != 0 ||
		port_fit(id, &want, err, sizeof(err)) != 0 ||
		(pool = port_pool_create("link", id, &want, 1, 0, err, sizeof(err))) == NULL ||
		port_open(p, id, &want, pool, err, sizeof(err)) != 0)
		die(err);
	if (p->nb_rxq != queues)
		die("the device has not that many queues");
	return pool;
}

static void eal_start(void)
{
	char prefix[64];
	char *argv[] = { "port_link", "-l", "0", "-m", "128", "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "--log-level=*:error", prefix, NULL };

	snprintf(prefix, sizeof(prefix), "--file-prefix=port-link-%d", (int)getpid());
	optind = 1;
	if (rte_eal_init((int)ARRAY_LEN(argv) - 1, argv) < 0)
		die("EAL does not start");
	rmdir(rte_eal_get_runtime_dir());
}

static void pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set); /* where there is one CPU, all shares it */
}

static int run_wake(char **argv)
{
	struct receiver r = { .rounds = strtoull(argv[4], NULL, 10) };
	struct rte_mempool *pool;
	uint16_t queues = (uint16_t)atoi(argv[1]);
	int result, sock = strcmp(argv[3], "-") != 0 ? 0 : -1;
	pid_t sender;

	r.shared = mmap(NULL, sizeof(*r.shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	r.latency_ns = calloc(r.rounds + 1, sizeof(*r.latency_ns));
	rand_seed(&r.rand, 2);
	sender = fork();
	if (sender == 0) {
		while (sock < 0 && if_nametoindex(argv[2]) == 0) /* a TAP device is made by the receiver */
			usleep(1000);
		pin(1);
		sender_run(r.shared, sender_socket(argv[2], argv[3]), r.rounds);
	}
	eal_start();
	pool = open_port(&r.port, argv[0], queues);
	for (uint16_t q = 0; q < queues; q++)
		port_wake_open(&r.wake[q], &r.port, q);
	r.shared->to = r.port.mac;
	atomic_store(&r.shared->ready, true);
	receiver_run(&r);
	waitpid(sender, NULL, 0);
	result = report(&r);
	port_close(&r.port);
	rte_mempool_free(pool);
	rte_eal_cleanup();
	return result;
}

static int run_bad(char **argv)
{
	tas_ns end = clock_ns() + strtoull(argv[1], NULL, 10) * NS_PER_SEC;
	struct rte_mbuf *m[BURST];
	struct port p;

	eal_start();
	open_port(&p, argv[0], 1);
	printf("ready\n");
	fflush(stdout);
	while (clock_ns() < end && atomic_load(&p.suspects) < PORT_SUSPECTS_TOLD) {
		unsigned n = rte_eth_rx_burst(p.id, 0, m, BURST);

		for (unsigned i = 0; i < n; i++)
			port_offload_suspect(&p, m[i]);
		rte_pktmbuf_free_bulk(m, n);
	}
	printf("%lu suspects\n", (unsigned long)atomic_load(&p.suspects));
	rte_eal_cleanup();
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && strcmp(argv[1], "wake") == 0 && atoi(argv[3]) >= 1 && atoi(argv[3]) <= QUEUES_MAX)
		return run_wake(argv + 2);
	if (argc == 4 && strcmp(argv[1], "bad") == 0)
		return run_bad(argv + 2);
	fprintf(stderr, "usage: port_link wake DEVICE QUEUES PEER NETNS ROUNDS | bad DEVICE SECONDS\n");
	return 2;
}
