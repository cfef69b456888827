/* SPDX-License-Identifier: BSD-3-Clause */
/* linkem.c - a link between two sides, as bad as one likes.
 *
 *	linkem [--seed N] [--report FILE] [--ab SPEC] [--ba SPEC] DEVICE-A[,DEVICE-A2] DEVICE-B
 *		Carries every frame that arrives at a device of one side to the other side, with what --ab and
 *		--ba say, until SIGTERM or SIGINT. Prints "up" when it carries, and at the end what it did, as
 *		JSON (to FILE, or to standard output). Where a side has several devices, a frame goes to the
 *		one behind which its receiver was heard, or to all.
 *	linkem --self-test
 *		Holds what the model does with 200,000 frames against what was asked, without devices and
 *		clocks.
 *
 * SPEC: settings with commas between, each at most once:
 *	delay=TIME jitter=TIME	each frame takes delay, and evenly up to jitter more; none overtakes another
 *	reorder=P late=TIME	so many frames take `late` more than that, and the others overtake them
 *	loss=P			so many frames are lost, each by itself
 *	burst=P burstlen=N	so many are lost, in bursts of N on average (Gilbert 1960)
 *	dup=P			so many come twice
 *	rate=R queue=BYTES	R bits a second (K, M, G), counted as Ethernet does (frame, FCS,
 *				preamble, gap); what finds more than BYTES waiting is lost
 *	mtu=N			larger IP packets are lost
 * P in per cent (0.1), TIME with unit (us, ms, s).
 *
 * The same seed loses the same frames, by their number. A lost frame has taken its time of the rate. Without
 * traffic linkem sleeps. */
#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>

#include "include/base/compiler.h"
#include "tests/e2e/linkem_model.h"

enum { DEVICES_MAX = 4, FRAME_MAX = 9216, MACS = 256, BURST = 64 };

struct device {
	const char *name;
	int sock;
	unsigned side;
};

struct link {
	struct model model[2]; /* by the side that frames come from */
	struct heap heap[2];
	struct device dev[DEVICES_MAX];
	unsigned ndev;
	struct {
		uint8_t mac[ETH_ALEN];
		unsigned dev;
	} heard[MACS];
	const char *report;
	uint64_t seed;
};

static volatile sig_atomic_t ended;

static tas_ns clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (tas_ns)ts.tv_sec * NS_PER_SEC + (tas_ns)ts.tv_nsec;
}

/* --- devices --- */

static void device_open(struct link *l, const char *name, unsigned side)
{
	struct sockaddr_ll ll = { .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL) };
	struct packet_mreq all = { .mr_type = PACKET_MR_PROMISC };
	int one = 1, size = 16 << 20, sock = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (l->ndev == DEVICES_MAX)
		die("at most %d devices", DEVICES_MAX);
	ll.sll_ifindex = all.mr_ifindex = (int)if_nametoindex(name);
	if (ll.sll_ifindex == 0)
		die("no device \"%s\" in this namespace", name);
	/* Hears nothing it sent itself. What it sends takes the usual way, so that captures see it. */
	if (sock < 0 || setsockopt(sock, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0 ||
		setsockopt(sock, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size)) != 0 ||
		bind(sock, (struct sockaddr *)&ll, sizeof(ll)) != 0 ||
		setsockopt(sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &all, sizeof(all)) != 0)
		die("cannot use device \"%s\": %s", name, strerror(errno));
	l->dev[l->ndev++] = (struct device){ .name = name, .sock = sock, .side = side };
}

static unsigned mac_slot(const uint8_t *mac) { return (mac[3] * 31u + mac[4] * 7u + mac[5]) % MACS; }

static void hear(struct link *l, const uint8_t *mac, unsigned dev)
{
	unsigned at = mac_slot(mac);

	memcpy(l->heard[at].mac, mac, ETH_ALEN);
	l->heard[at].dev = dev;
}

/* Is the receiver of this frame, as far as known, not behind another device of this one's side? */
static bool for_device(const struct link *l, const uint8_t *mac, unsigned dev)
{
	unsigned at = mac_slot(mac);

	if (memcmp(l->heard[at].mac, mac, ETH_ALEN) != 0)
		return true;
	return l->heard[at].dev == dev || l->dev[l->heard[at].dev].side != l->dev[dev].side;
}

static void frame_out(struct link *l, unsigned from, const struct frame *f, tas_ns now)
{
	struct counts *n = &l->model[from].n;

	for (unsigned i = 0; i < l->ndev; i++) {
		if (l->dev[i].side == from || !for_device(l, f->data, i))
			continue;
		if (send(l->dev[i].sock, f->data, f->len, 0) != (ssize_t)f->len)
			n->lost_device++;
	}
	n->out++;
	n->out_bytes += f->len;
	n->behind_ns_max = max_u64(n->behind_ns_max, now - f->due);
	n->behind_ns_sum += now - f->due;
}

static void frame_in(struct link *l, unsigned dev, const uint8_t *data, uint32_t len, tas_ns now)
{
	unsigned side = l->dev[dev].side, times;
	tas_ns due[2];

	hear(l, data + ETH_ALEN, dev);
	times = model_take(&l->model[side], len, now, due);
	for (unsigned i = 0; i < times; i++)
		heap_push(&l->heap[side], data, len, due[i]);
}

static void device_poll(struct link *l, unsigned dev)
{
	static uint8_t data[BURST][FRAME_MAX];
	struct mmsghdr msg[BURST];
	struct iovec iov[BURST];
	int n;

	memset(msg, 0, sizeof(msg));
	for (unsigned i = 0; i < BURST; i++) {
		iov[i] = (struct iovec){ data[i], FRAME_MAX };
		msg[i].msg_hdr.msg_iov = &iov[i];
		msg[i].msg_hdr.msg_iovlen = 1;
	}
	n = recvmmsg(l->dev[dev].sock, msg, BURST, MSG_TRUNC, NULL);
	if (n < 0 && errno != EAGAIN && errno != EINTR && errno != ENETDOWN)
		die("\"%s\": %s", l->dev[dev].name, strerror(errno));
	for (int i = 0; i < n; i++) {
		if (msg[i].msg_len > FRAME_MAX)
			die("\"%s\": a frame of %u bytes; switch off tso, gso and gro on both its ends",
				l->dev[dev].name, msg[i].msg_len);
		if (msg[i].msg_len >= ETH_HLEN)
			frame_in(l, dev, data[i], msg[i].msg_len, clock_ns());
	}
}

/* --- the loop --- */

/* What is due goes; returns when the next will be. */
static tas_ns link_deliver(struct link *l)
{
	tas_ns next = TAS_NS_NEVER;

	for (unsigned from = 0; from < 2; from++) {
		struct heap *h = &l->heap[from];
		tas_ns now = clock_ns();

		while (h->n > 0 && h->f[0].due <= now) {
			struct frame f = heap_pop(h);

			frame_out(l, from, &f, now);
			free(f.data);
		}
		if (h->n > 0)
			next = min_u64(next, h->f[0].due);
	}
	return next;
}

static void link_wait(struct link *l, tas_ns next, const sigset_t *mask)
{
	struct pollfd p[DEVICES_MAX];
	struct timespec ts = { 0 };
	tas_ns now = clock_ns(), left = next > now ? next - now : 0;

	for (unsigned i = 0; i < l->ndev; i++)
		p[i] = (struct pollfd){ .fd = l->dev[i].sock, .events = POLLIN };
	ts.tv_sec = (time_t)(left / NS_PER_SEC);
	ts.tv_nsec = (long)(left % NS_PER_SEC);
	if (ppoll(p, l->ndev, next == TAS_NS_NEVER ? NULL : &ts, mask) <= 0)
		return;
	for (unsigned i = 0; i < l->ndev; i++)
		if (p[i].revents != 0)
			device_poll(l, i);
}

static void link_report(const struct link *l, FILE *to)
{
	fprintf(to, "{\"seed\": %" PRIu64, l->seed);
	for (unsigned side = 0; side < 2; side++) {
		const struct counts *n = &l->model[side].n;

		fprintf(to,
			",\n \"%s\": {\"in\": %" PRIu64 ", \"in_bytes\": %" PRIu64 ", \"out\": %" PRIu64
			", \"out_bytes\": %" PRIu64 ",\n",
			side == 0 ? "ab" : "ba", n->in, n->in_bytes, n->out, n->out_bytes);
		fprintf(to,
			"  \"lost_random\": %" PRIu64 ", \"lost_burst\": %" PRIu64
			", \"lost_queue\": %" PRIu64 ", \"lost_mtu\": %" PRIu64 ", \"lost_device\": %" PRIu64
			",\n",
			n->lost_random, n->lost_burst, n->lost_queue, n->lost_mtu, n->lost_device);
		fprintf(to,
			"  \"duplicated\": %" PRIu64 ", \"late\": %" PRIu64 ", \"waiting\": %zu"
			", \"queue_max\": %" PRIu64 ",\n  \"behind_us_mean\": %.1f, \"behind_us_max\": %.1f}",
			n->duplicated, n->late, l->heap[side].n, n->queue_max,
			n->out > 0 ? (double)n->behind_ns_sum / (double)n->out / 1e3 : 0.0,
			(double)n->behind_ns_max / 1e3);
	}
	fputs("}\n", to);
}

static void on_end(int sig)
{
	(void)sig;
	ended = 1;
}

static void link_run(struct link *l)
{
	struct sched_param first = { .sched_priority = 1 };
	struct sigaction end = { .sa_handler = on_end };
	sigset_t block, mask;
	FILE *to = stdout;

	sigemptyset(&block);
	sigaddset(&block, SIGTERM);
	sigaddset(&block, SIGINT);
	sigprocmask(SIG_BLOCK, &block, &mask);
	sigaction(SIGTERM, &end, NULL);
	sigaction(SIGINT, &end, NULL);
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	sched_setscheduler(0, SCHED_FIFO, &first); /* where it may not, others delay it, as the report says */
	puts("up");
	fflush(stdout);
	while (!ended)
		link_wait(l, link_deliver(l), &mask);
	if (l->report != NULL && (to = fopen(l->report, "w")) == NULL)
		die("%s: %s", l->report, strerror(errno));
	link_report(l, to);
	if (fflush(to) != 0)
		die("cannot write the report: %s", strerror(errno));
}

static void devices_open(struct link *l, char *names, unsigned side)
{
	char *rest = NULL, *name;

	for (name = strtok_r(names, ",", &rest); name != NULL; name = strtok_r(NULL, ",", &rest))
		device_open(l, name, side);
}

static _Noreturn void usage(void)
{
	fprintf(stderr,
		"usage: linkem [--seed N] [--report FILE] [--ab SPEC] [--ba SPEC] DEVICE-A[,DEVICE-A2] "
		"DEVICE-B | --self-test\n");
	exit(2);
}

int main(int argc, char **argv)
{
	static struct link l = { .seed = 1 };
	struct spec spec[2] = { { .queue_bytes = UINT64_MAX }, { .queue_bytes = UINT64_MAX } };
	int i = 1;

	if (argc == 2 && strcmp(argv[1], "--self-test") == 0)
		return self_test();
	for (; i + 1 < argc && argv[i][0] == '-'; i += 2) {
		if (strcmp(argv[i], "--seed") == 0)
			l.seed = strtoull(argv[i + 1], NULL, 10);
		else if (strcmp(argv[i], "--report") == 0)
			l.report = argv[i + 1];
		else if (strcmp(argv[i], "--ab") == 0)
			spec_parse(&spec[0], argv[i + 1]);
		else if (strcmp(argv[i], "--ba") == 0)
			spec_parse(&spec[1], argv[i + 1]);
		else
			usage();
	}
	if (argc - i != 2)
		usage();
	model_init(&l.model[0], &spec[0], 2 * l.seed);
	model_init(&l.model[1], &spec[1], 2 * l.seed + 1);
	devices_open(&l, argv[i], 0);
	devices_open(&l, argv[i + 1], 1);
	link_run(&l);
	return 0;
}
