/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/wake.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "include/base/assert.h"

static const uint64_t one = 1; /* 8 bytes, as an eventfd wants them */

/* A full counter is readable already: nothing is lost. */
static void ring(int fd)
{
	if (write(fd, &one, sizeof(one)) < 0)
		TAS_ASSERT(errno == EAGAIN);
}

static tas_ns time_of(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (tas_ns)ts.tv_sec * NS_PER_SEC + (tas_ns)ts.tv_nsec;
}

/* A full socket is readable already; one that nobody has any more wakes nobody. */
static uint32_t ring_context(void *arg TAS_UNUSED, int fd, bool exactly)
{
	clockid_t clock = exactly ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
	tas_ns begin = time_of(clock);

	send(fd, &one, sizeof(one), MSG_DONTWAIT | MSG_NOSIGNAL);
	return (uint32_t)min_u64(time_of(clock) - begin, UINT32_MAX);
}

static void ring_slow_path(void *arg) { ring(((struct wake *)arg)->slow_fd); }

static void ring_core(void *arg, unsigned core) { ring(((struct wake *)arg)->core_fd[core]); }

void wake_fp_ops(struct wake *w, struct fp_wake_ops *ops)
{
	*ops = (struct fp_wake_ops){ .context = ring_context,
		.slow_path = ring_slow_path,
		.core = ring_core,
		.usual_ns = w->usual_ns,
		.arg = w };
}

void wake_slow_drain(struct wake *w)
{
	uint64_t n;

	while (read(w->slow_fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

/* Edge triggered: each write is an event, though nobody ever reads the counter. */
static int watch(int epfd, int fd, uint64_t data)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.u64 = data };

	return epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int core_init(struct wake *w, unsigned core)
{
	w->core_fd[core] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->core_fd[core] < 0)
		return -errno;
	w->core_epfd[core] = epoll_create1(EPOLL_CLOEXEC);
	if (w->core_epfd[core] < 0)
		return -errno;
	return watch(w->core_epfd[core], w->core_fd[core], WAKE_DATA_CORE);
}

int wake_init(struct wake *w, unsigned cores)
{
	int error;

	TAS_ASSERT(cores <= FP_CORES_MAX);
	w->cores = cores;
	w->usual_ns = 0;
	for (unsigned i = 0; i < cores; i++)
		w->core_fd[i] = w->core_epfd[i] = -1;
	w->slow_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	error = w->slow_fd < 0 ? -errno : 0;
	for (unsigned i = 0; i < cores && error == 0; i++)
		error = core_init(w, i);
	if (error != 0)
		wake_fini(w);
	return error;
}

static void close_if_open(int fd)
{
	if (fd >= 0)
		close(fd);
}

void wake_fini(struct wake *w)
{
	close_if_open(w->slow_fd);
	for (unsigned i = 0; i < w->cores; i++) {
		close_if_open(w->core_fd[i]);
		close_if_open(w->core_epfd[i]);
	}
	w->cores = 0;
	w->slow_fd = -1;
}

/* No filter of the application's is to run at each ring: a program of 4096 steps, or a map's lock.
 * Closed for reading: what the application sends would lie here, with the descriptors it may have sent
 * along. */
static int context_open(void *arg TAS_UNUSED, int *app_end)
{
	const int least = 1; /* the kernel makes it room for some rings */
	const int yes = 1;
	int fds[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
		return -errno;
	shutdown(fds[0], SHUT_RD);
	setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	setsockopt(fds[1], SOL_SOCKET, SO_LOCK_FILTER, &yes, sizeof(yes));
	*app_end = fds[1];
	return fds[0];
}

static void context_close(void *arg TAS_UNUSED, int fd) { close(fd); }

static int core_open(void *arg, unsigned core, uint16_t app)
{
	struct wake *w = arg;
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), error;

	if (fd < 0)
		return -errno;
	error = watch(w->core_epfd[core], fd, app);
	if (error != 0)
		close(fd);
	return error != 0 ? error : fd;
}

/* The application has it, too: closing our descriptor alone would leave it in the set. */
static void core_close(void *arg, unsigned core, int fd)
{
	struct wake *w = arg;

	epoll_ctl(w->core_epfd[core], EPOLL_CTL_DEL, fd, NULL);
	close(fd);
}

void wake_app_rim(struct wake *w, struct app_rim *rim)
{
	*rim = (struct app_rim){
		.arg = w,
		.context_open = context_open,
		.context_close = context_close,
		.core_open = core_open,
		.core_close = core_close,
	};
}

static void sort_events(const struct epoll_event *events, int n, struct wake_result *r)
{
	for (int i = 0; i < n; i++) {
		if (events[i].data.u64 >= WAKE_DATA_USER)
			r->nr_user++;
		else if (events[i].data.u64 != WAKE_DATA_CORE)
			r->app[r->nr_apps++] = (uint16_t)events[i].data.u64;
	}
}

void wake_core_wait(struct wake *w, unsigned core, tas_ns timeout_ns, struct wake_result *result)
{
	struct timespec timeout = {
		.tv_sec = (time_t)(timeout_ns / NS_PER_SEC),
		.tv_nsec = (long)(timeout_ns % NS_PER_SEC),
	};
	struct epoll_event events[WAKE_APPS_MAX];
	int n = epoll_pwait2(w->core_epfd[core], events, WAKE_APPS_MAX,
		timeout_ns == TAS_NS_NEVER ? NULL : &timeout, NULL);

	result->nr_apps = result->nr_user = 0;
	sort_events(events, n, result); /* n < 0: EINTR, as good as a timeout */
}

/* --- what a ring takes on this machine --- */

enum { MEASURED = 15, ASLEEP_NS = 100 * 1000, AWAKE_MS = 100, PATIENCE_MS = 200 };

/* It goes on alone if it is not run in time, because something holds its CPU: it touches nothing else. */
static struct hearer {
	int fd;
	int other_than; /* CPU on which it shall not run: it would be woken without the one that is far */
	_Atomic unsigned heard;
} hearer;

static void *hear(void *arg)
{
	struct hearer *h = arg;
	cpu_set_t cpus;
	uint64_t n;

	memset(&cpus, 0xff, sizeof(cpus));
	CPU_CLR(h->other_than, &cpus);
	pthread_setaffinity_np(pthread_self(), sizeof(cpus), &cpus); /* if it fails, there is but one */
	for (unsigned i = 0; i < MEASURED; i++) {
		struct pollfd p = { .fd = h->fd, .events = POLLIN };

		poll(&p, 1, AWAKE_MS);
		while (read(h->fd, &n, sizeof(n)) > 0)
			;
		h->heard++;
	}
	close(h->fd);
	return NULL;
}

static void pause_ns(long ns) { nanosleep(&(struct timespec){ .tv_nsec = ns }, NULL); }

static int by_size(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* What three in four take at most; 0 if it cannot be said in time. */
static uint32_t measure(int fd)
{
	tas_ns end = time_of(CLOCK_MONOTONIC) + PATIENCE_MS * NS_PER_MS;
	uint32_t took[MEASURED];

	for (unsigned i = 0; i < MEASURED; i++) {
		while (hearer.heard < i) {
			if (time_of(CLOCK_MONOTONIC) > end)
				return 0;
			pause_ns(ASLEEP_NS / 2);
		}
		pause_ns(ASLEEP_NS);
		took[i] = ring_context(NULL, fd, true);
	}
	qsort(took, MEASURED, sizeof(took[0]), by_size);
	return took[MEASURED * 3 / 4];
}

void wake_measure(struct wake *w)
{
	int here = sched_getcpu(), fd = context_open(NULL, &hearer.fd);
	pthread_t thread;

	if (fd < 0)
		return;
	hearer.other_than = here < 0 ? 0 : here;
	if (pthread_create(&thread, NULL, hear, &hearer) == 0) {
		pthread_detach(thread);
		w->usual_ns = measure(fd);
	} else {
		close(hearer.fd);
	}
	close(fd);
}
