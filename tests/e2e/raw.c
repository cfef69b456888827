/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/e2e/raw.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

_Noreturn void raw_die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

uint64_t raw_now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void raw_pause_us(unsigned us) { nanosleep(&(struct timespec){ .tv_nsec = (long)us * 1000 }, NULL); }

/* --- the control socket --- */

void raw_open(struct raw *r)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	const char *path = getenv(CTL_ENV_SOCKET);
	struct timeval patience = { .tv_sec = PATIENCE_MS / 1000 };

	*r = (struct raw){ .fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0), .memfd = -1 };
	if (path == NULL || strlen(path) >= sizeof(to.sun_path) || r->fd < 0)
		raw_die("TAS_SOCKET");
	memcpy(to.sun_path, path, strlen(path));
	setsockopt(r->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(r->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(r->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		raw_die(path);
}

void raw_close(struct raw *r)
{
	if (r->base != NULL)
		munmap(r->base, r->size);
	if (r->memfd >= 0)
		close(r->memfd);
	for (uint32_t i = 0; i < r->cores; i++)
		close(r->core_fd[i]);
	for (uint32_t i = 0; i < r->nr_contexts; i++)
		close(r->context[i].fd);
	close(r->fd);
	*r = (struct raw){ .fd = -1, .memfd = -1 };
}

int raw_send(struct raw *r, const void *bytes, size_t len, const int *fds, unsigned nr_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))];
	} control = { .room = { 0 } };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (nr_fds > 0) {
		h.msg_control = &control;
		h.msg_controllen = CMSG_SPACE(nr_fds * sizeof(int));
		control.align = (struct cmsghdr){ CMSG_LEN(nr_fds * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
		memcpy(CMSG_DATA(&control.align), fds, nr_fds * sizeof(int));
	}
	return sendmsg(r->fd, &h, MSG_NOSIGNAL) < 0 ? errno : 0;
}

static void fds_take(struct msghdr *h, int *fds, unsigned *nr_fds)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		*nr_fds = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), *nr_fds * sizeof(int));
	}
}

int raw_receive(struct raw *r, struct ctl_msg *m, int *fds, unsigned *nr_fds)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(RAW_FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = m, .iov_len = sizeof(*m) };
	struct msghdr h = { .msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	ssize_t n;

	do /* on a socket with a timeout, SIGSTOP interrupts it, too */
		n = recvmsg(r->fd, &h, MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	*nr_fds = 0;
	if (n <= 0)
		return n == 0 ? ECONNRESET : errno;
	fds_take(&h, fds, nr_fds);
	return n == sizeof(*m) ? 0 : EBADMSG;
}

static int exchange(struct raw *r, struct ctl_msg *m, enum ctl_type type, int *fds, unsigned *nr_fds)
{
	int error;

	m->type = (uint16_t)type;
	m->status = 0;
	m->sequence = ++r->sequence;
	error = raw_send(r, m, sizeof(*m), NULL, 0);
	if (error == 0)
		error = raw_receive(r, m, fds, nr_fds);
	if (error == 0 && m->sequence != r->sequence)
		return EBADMSG;
	return error != 0 ? error : m->status;
}

int raw_request(struct raw *r, struct ctl_msg *m, enum ctl_type type)
{
	int fds[RAW_FDS_MAX], error;
	unsigned nr_fds = 0;

	error = exchange(r, m, type, fds, &nr_fds);
	while (nr_fds > 0)
		close(fds[--nr_fds]);
	return error;
}

bool raw_hung_up(struct raw *r, int ms)
{
	struct pollfd p = { .fd = r->fd, .events = POLLRDHUP };

	return poll(&p, 1, ms) == 1;
}

/* --- attaching --- */

void raw_hello_fill(struct ctl_msg *m)
{
	*m = (struct ctl_msg){ .hello = {
				       .magic = ABI_MAGIC,
				       .major = ABI_MAJOR,
				       .minor = ABI_MINOR,
				       .header_size = sizeof(struct abi_header),
				       .rec_size = sizeof(struct abi_flow_rec),
				       .bell_size = sizeof(struct abi_bell),
				       .context_size = sizeof(struct abi_context),
				       .program = "hostile",
			       } };
}

int raw_hello(struct raw *r, uint64_t fork_token)
{
	int fds[RAW_FDS_MAX], error;
	unsigned n = 0;
	struct ctl_msg m;

	raw_hello_fill(&m);
	m.hello.fork_token = fork_token;
	error = exchange(r, &m, CTL_HELLO, fds, &n);
	if (error != 0)
		return error;
	if (n != 1 + m.hello.cores)
		raw_die("the answer to hello brought the wrong number of descriptors");
	r->memfd = fds[0];
	r->cores = m.hello.cores;
	r->size = m.hello.region_size;
	memcpy(r->core_fd, fds + 1, r->cores * sizeof(int));
	return 0;
}

void raw_map(struct raw *r)
{
	r->base = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED, r->memfd, 0);
	if (r->base == MAP_FAILED)
		raw_die("mmap of the region");
	madvise(r->base, r->size, MADV_DONTFORK);
	r->header = (void *)r->base;
}

int raw_mapped(struct raw *r)
{
	struct ctl_msg m = { 0 };

	fcntl(r->memfd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE | F_SEAL_SEAL);
	return raw_request(r, &m, CTL_MAPPED);
}

void raw_attach(struct raw *r)
{
	raw_open(r);
	errno = raw_hello(r, 0);
	if (errno != 0)
		raw_die("hello");
	raw_map(r);
	errno = raw_mapped(r);
	if (errno != 0)
		raw_die("mapped");
	close(r->memfd);
	r->memfd = -1;
}

int raw_context_add(struct raw *r)
{
	struct raw_context *c = &r->context[r->nr_contexts];
	struct ctl_msg m = { 0 };
	int fds[RAW_FDS_MAX], error;
	unsigned n;

	error = exchange(r, &m, CTL_CONTEXT, fds, &n);
	if (error != 0)
		return error;
	if (n != 1 || r->nr_contexts == RAW_CONTEXTS_MAX)
		raw_die("the answer to context");
	*c = (struct raw_context){ .shm = (void *)(r->base + m.context.off), .fd = fds[0] };
	r->nr_contexts++;
	return 0;
}

int raw_listen_id(struct raw *r, uint16_t port, uint32_t cookie, uint64_t *id)
{
	struct ctl_msg m = { .listen = { .port = port, .backlog = 64, .cookie = cookie } };
	int error = raw_request(r, &m, CTL_LISTEN);

	*id = m.listen.id;
	return error;
}

int raw_listen(struct raw *r, uint16_t port, uint32_t cookie)
{
	uint64_t id;

	return raw_listen_id(r, port, cookie, &id);
}

int raw_fork(struct raw *r, uint64_t *token, int *child_end)
{
	struct ctl_msg m = { 0 };
	int fds[RAW_FDS_MAX];
	unsigned n;
	int error = exchange(r, &m, CTL_FORK, fds, &n);

	if (error != 0)
		return error;
	if (n != 1)
		raw_die("the answer to fork");
	*token = m.fork.token;
	*child_end = fds[0];
	return 0;
}

int raw_adopt(struct raw *r, uint64_t listener_id, uint32_t cookie)
{
	struct ctl_msg m = { .adopt = { .listener_id = listener_id, .cookie = cookie } };

	return raw_request(r, &m, CTL_ADOPT);
}

int raw_arm(struct raw *r, uint32_t cookie, uint32_t context)
{
	struct ctl_msg m = { .listen = { .cookie = cookie, .context = context } };

	return raw_request(r, &m, CTL_ARM);
}

int raw_connect(struct raw *r, const char *address, uint16_t port, struct raw_flow *f)
{
	struct ctl_msg m = { .connect = { .remote_port = port } };
	uint32_t v4;
	int error;

	if (inet_pton(AF_INET, address, &v4) != 1)
		raw_die(address);
	m.connect.remote = addr_v4(v4);
	error = raw_request(r, &m, CTL_CONNECT);
	if (error == 0)
		*f = (struct raw_flow){ .rec = m.connect.rec,
			.flow = m.connect.flow,
			.gen = m.connect.gen,
			.shm = raw_rec(r, m.connect.rec) };
	return error;
}

/* --- rings --- */

struct abi_flow_rec *raw_rec(struct raw *r, uint32_t rec)
{
	uint64_t off = r->header->rec_chunk_off[rec / ABI_REC_CHUNK];

	return (struct abi_flow_rec *)(void *)(r->base + off) + rec % ABI_REC_CHUNK;
}

void raw_ring(struct raw *r, uint32_t context)
{
	struct abi_core_line *line = &r->header->core_line[0];
	const uint64_t one = 1;

	atomic_thread_fence(memory_order_seq_cst);
	atomic_fetch_or(&line->bells, 1ull << context % 64);
	if (atomic_exchange(&line->asleep, 0) != 0 && write(r->core_fd[0], &one, sizeof(one)) < 0)
		raw_die("eventfd");
}

bool raw_bell(struct raw *r, uint32_t context, const struct abi_bell *b)
{
	struct raw_context *c = &r->context[context];
	struct abi_bell_ring *ring = (void *)(r->base + c->shm->bell_off[0]);
	uint64_t end = raw_now_ms() + PATIENCE_MS;

	while (c->produced[0] - atomic_load(&ring->consumed) >= ABI_BELL_SLOTS) {
		if (raw_now_ms() > end || raw_hung_up(r, 0))
			return false;
		raw_ring(r, context);
		raw_pause_us(50);
	}
	ring->slot[c->produced[0] % ABI_BELL_SLOTS] = *b;
	atomic_store_explicit(&ring->produced, ++c->produced[0], memory_order_release);
	raw_ring(r, context);
	return true;
}

uint32_t raw_notified(struct raw *r, uint32_t context, int ms)
{
	struct raw_context *c = &r->context[context];
	uint64_t end = raw_now_ms() + (uint64_t)ms;

	for (;; raw_pause_us(50)) {
		for (uint32_t i = 0; i <= r->cores; i++) {
			struct abi_notify_ring *ring = (void *)(r->base + c->shm->notify_off[i]);
			uint32_t rec;

			if (atomic_load_explicit(&ring->produced, memory_order_acquire) == c->consumed[i])
				continue;
			rec = ring->slot[c->consumed[i]++ & (r->header->notify_slots - 1)];
			atomic_store(&ring->consumed, c->consumed[i]);
			return rec;
		}
		if (raw_now_ms() >= end)
			return UINT32_MAX;
	}
}

bool raw_until(struct raw *r, const struct raw_flow *f, uint32_t events)
{
	uint64_t end = raw_now_ms() + PATIENCE_MS;

	for (; (atomic_load(&f->shm->events) & events) != events; raw_pause_us(50))
		if (raw_now_ms() > end || raw_hung_up(r, 0))
			return false;
	return true;
}

bool raw_accept(struct raw *r, uint32_t context, int ms, struct raw_flow *f)
{
	uint64_t end = raw_now_ms() + (uint64_t)ms;

	while (raw_now_ms() <= end) {
		uint32_t rec = raw_notified(r, context, 10);
		struct abi_bell b;

		if (rec == UINT32_MAX || !(atomic_load(&raw_rec(r, rec)->events) & ABI_EV_ACCEPT))
			continue;
		*f = (struct raw_flow){ .rec = rec, .shm = raw_rec(r, rec) };
		f->flow = f->shm->flow;
		f->gen = f->shm->gen;
		b = (struct abi_bell){ .flow = f->flow, .gen = f->gen, .flags = ABI_BELL_ACCEPTED };
		return raw_bell(r, context, &b);
	}
	return false;
}

static bool positions_tell(struct raw *r, const struct raw_flow *f)
{
	struct abi_bell b = { .flow = f->flow,
		.gen = f->gen,
		.rx_read = f->rx_read,
		.tx_end = f->tx_end,
		.flags = ABI_BELL_POSITIONS };

	return raw_bell(r, 0, &b);
}

uint32_t raw_read(struct raw *r, struct raw_flow *f)
{
	uint64_t end = atomic_load_explicit(&f->shm->rx_end, memory_order_acquire);
	uint32_t n = (uint32_t)(end - f->rx_read);

	f->rx_read = end;
	return n > 0 && positions_tell(r, f) ? n : 0;
}

uint32_t raw_write(struct raw *r, struct raw_flow *f, const char *bytes, uint32_t len)
{
	uint64_t una = atomic_load(&f->shm->tx_una), room = f->shm->tx_size - (f->tx_end - una);
	uint32_t n = len < room ? len : (uint32_t)room;

	for (uint32_t i = 0; i < n; i++)
		r->base[f->shm->tx_off + ((f->tx_end + i) & (f->shm->tx_size - 1))] = bytes[i];
	f->tx_end += n;
	return n > 0 && positions_tell(r, f) ? n : 0;
}

bool raw_echo(struct raw *r, struct raw_flow *f)
{
	static const char line[] = "is anybody there?\n";
	uint64_t wanted = atomic_load(&f->shm->rx_end) + sizeof(line) - 1, end = raw_now_ms() + PATIENCE_MS;

	if (raw_write(r, f, line, sizeof(line) - 1) != sizeof(line) - 1)
		return false;
	for (; atomic_load(&f->shm->rx_end) < wanted; raw_pause_us(50))
		if (raw_now_ms() > end)
			return false;
	return memcmp(r->base + f->shm->rx_off + ((wanted - sizeof(line) + 1) & (f->shm->rx_size - 1)), line,
		       4) == 0 &&
		raw_read(r, f) > 0;
}
