/* SPDX-License-Identifier: BSD-3-Clause */
/* hostile_memory.c - what a process may try on the memory and the descriptors that it shares with tasd. */
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "include/base/compiler.h"
#include "tests/e2e/hostile.h"
#include "tests/e2e/raw.h"

enum { PAGE = 4096, CANNOT = 77 };

static struct raw r;
static struct raw_flow f;

static bool connected_echo(const char *peer, const char *port)
{
	errno = raw_connect(&r, peer, (uint16_t)atoi(port), &f);
	return errno == 0 && raw_until(&r, &f, ABI_EV_CONNECTED) && raw_echo(&r, &f);
}

static int verdict(bool good, const char *what)
{
	if (!good)
		fprintf(stderr, "%s: %s\n", what, strerror(errno));
	return good ? 0 : 1;
}

/* --- holes --- */

static bool refused(const char *what, bool failed)
{
	if (failed && errno == EPERM)
		return true;
	fprintf(stderr, "%s: %s, not EPERM\n", what, failed ? strerror(errno) : "done");
	return false;
}

/* Every way of taking the pages away, or of getting at them anew; with the region's own descriptor and with
 * one opened anew, which has no history. */
static bool all_refused(int fd)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	bool good = refused("punch", fallocate(fd, punch, 0, (off_t)r.size) != 0);

	good &= refused("shrink", ftruncate(fd, PAGE) != 0);
	good &= refused("grow", ftruncate(fd, (off_t)r.size * 2) != 0);
	good &= refused("write", pwrite(fd, "x", 1, 0) < 0);
	good &= refused("second mapping",
		mmap(NULL, r.size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
	good &= refused("seal", fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0);
	return good;
}

static bool read_only_stays(int fd)
{
	void *p = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
	bool good = p == MAP_FAILED || mprotect(p, PAGE, PROT_READ | PROT_WRITE) != 0;

	return good || !fprintf(stderr, "a mapping for reading became one for writing\n");
}

int hostile_holes(int argc TAS_UNUSED, char **argv)
{
	char path[64];
	int again;
	bool good;

	raw_open(&r);
	errno = raw_hello(&r, 0);
	if (errno != 0)
		raw_die("hello");
	raw_map(&r);
	fallocate(r.memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)r.size); /* it still may */
	errno = raw_mapped(&r);
	if (errno != 0)
		raw_die("mapped");
	snprintf(path, sizeof(path), "/proc/self/fd/%d", r.memfd);
	again = open(path, O_RDWR);
	good = all_refused(r.memfd) && all_refused(again) && read_only_stays(r.memfd);
	good &= refused("MADV_REMOVE", madvise(r.base, r.size, MADV_REMOVE) != 0);
	madvise(r.base, r.size, MADV_DONTNEED);
	madvise(r.base, r.size, MADV_PAGEOUT);
	raw_close(&r);
	raw_attach(&r);
	errno = raw_context_add(&r);
	return good && verdict(errno == 0 && connected_echo(argv[0], argv[1]), "after the holes") == 0 ? 0
												       : 1;
}

/* --- what others say and hear --- */

enum { LINE = 64, TELLS = 16 };

/* As reqload's: each letter is the seventh after the one before. */
static bool is_reqload(const char *at)
{
	for (unsigned i = 0; i < TELLS; i++)
		if (at[i] < 'a' || at[i] > 'z' || (i > 0 && (at[i] - at[i - 1] + 26) % 26 != 7))
			return false;
	return true;
}

/* Is such payload in any page of the region that there is? */
static bool payload_of_reqload(void)
{
	off_t at, end = 0;

	while ((at = lseek(r.memfd, end, SEEK_DATA)) >= 0) {
		end = lseek(r.memfd, at, SEEK_HOLE);
		for (; at + TELLS <= end; at++)
			if (is_reqload(r.base + at))
				return true;
	}
	return false;
}

int hostile_peek(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + 1000 * (uint64_t)atoi(argv[0]);
	char line[LINE];

	raw_open(&r);
	errno = raw_hello(&r, 0);
	if (errno != 0)
		raw_die("hello");
	raw_map(&r);
	errno = raw_mapped(&r);
	if (errno == 0)
		errno = raw_context_add(&r);
	if (errno != 0 || !connected_echo(argv[1], argv[2]))
		return verdict(false, "peek");
	while (raw_now_ms() < end)
		if (payload_of_reqload())
			return verdict(false, "there is payload of others in the region");
	for (unsigned i = 0; i < LINE; i++)
		line[i] = (char)('a' + i * 7 % 26);
	return verdict(raw_write(&r, &f, line, LINE) == LINE && payload_of_reqload(),
		"and would not have been seen");
}

/* --- seals before tasd's --- */

int hostile_seal(int argc TAS_UNUSED, char **argv TAS_UNUSED)
{
	int error;

	raw_open(&r);
	errno = raw_hello(&r, 0);
	if (errno != 0)
		raw_die("hello");
	raw_map(&r);
	if (fcntl(r.memfd, F_ADD_SEALS, F_SEAL_SEAL) != 0)
		raw_die("F_ADD_SEALS");
	error = raw_mapped(&r);
	errno = error;
	return verdict(error == EPERM, "a region that somebody else sealed");
}

/* --- locks of the kernel, held while a page fault waits for us --- */

static char *fault_page;
static int stall_fd;

/* A page whose first touch, also by the kernel in a system call, waits until the process ends. */
static bool fault_page_make(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	fault_page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range = (struct uffdio_range){ .start = (uintptr_t)fault_page, .len = PAGE };
	return fd >= 0 && fault_page != MAP_FAILED && ioctl(fd, UFFDIO_API, &api) == 0 &&
		ioctl(fd, UFFDIO_REGISTER, &reg) == 0;
}

static void *write_stalled(void *arg)
{
	if (write(stall_fd, fault_page, 8) < 0)
		return NULL;
	return arg;
}

static void *read_stalled(void *arg)
{
	if (read(stall_fd, fault_page, 8) < 0)
		return NULL;
	return arg;
}

static void stall(int fd, void *(*body)(void *))
{
	pthread_t thread;

	stall_fd = fd;
	if (pthread_create(&thread, NULL, body, NULL) != 0)
		raw_die("pthread_create");
	usleep(100 * 1000);
}

/* What wakes this context: tasd wants to ring it while we are in it. */
static int stall_wake(char **argv)
{
	raw_attach(&r);
	errno = raw_context_add(&r);
	if (errno != 0 || !connected_echo(argv[1], argv[2]))
		raw_die("no connection");
	write(r.context[0].fd, "12345678", 8);
	stall(r.context[0].fd, write_stalled);
	stall(r.context[0].fd, read_stalled);
	for (unsigned i = 0; i < 20; i++) {
		struct abi_bell b = { .flow = f.flow, .gen = f.gen, .flags = ABI_BELL_REFRESH };

		atomic_store(&r.context[0].shm->asleep, 1);
		raw_bell(&r, 0, &b);
		while (raw_notified(&r, 0, 5) != UINT32_MAX)
			;
	}
	return 0;
}

/* The region's file, while tasd wants to seal it. */
static int stall_seal(void)
{
	struct ctl_msg m = { .type = CTL_MAPPED, .sequence = 7 };

	raw_open(&r);
	errno = raw_hello(&r, 0);
	if (errno != 0)
		raw_die("hello");
	raw_map(&r);
	stall(r.memfd, write_stalled);
	raw_send(&r, &m, sizeof(m), NULL, 0);
	return 0;
}

/* A socket, passed to tasd, that one of us is reading from. */
static int stall_passed(void)
{
	struct ctl_msg m = { .type = CTL_FORK, .sequence = 7 };
	int pair[2];

	raw_attach(&r);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) != 0 || write(pair[1], "12345678", 8) != 8)
		raw_die("socketpair");
	stall(pair[0], read_stalled);
	raw_send(&r, &m, sizeof(m), pair, 1);
	return 0;
}

/* Stays in it until it is killed; 77 if this kernel lets nobody hold up a page fault. */
int hostile_stall(int argc TAS_UNUSED, char **argv)
{
	int rc = 2;

	if (!fault_page_make())
		return CANNOT;
	if (strcmp(argv[0], "wake") == 0)
		rc = stall_wake(argv);
	else if (strcmp(argv[0], "seal") == 0)
		rc = stall_seal();
	else if (strcmp(argv[0], "passed") == 0)
		rc = stall_passed();
	printf("stalling\n");
	fflush(stdout);
	while (rc == 0)
		pause();
	return rc;
}

/* --- what wakes a context --- */

int hostile_wake(int argc TAS_UNUSED, char **argv)
{
	const uint64_t junk = UINT64_MAX;

	raw_attach(&r);
	errno = raw_context_add(&r);
	if (errno != 0 || !connected_echo(argv[0], argv[1]))
		raw_die("no connection");
	for (unsigned i = 0; i < 100000 && write(r.context[0].fd, &junk, sizeof(junk)) > 0; i++)
		;
	fcntl(r.context[0].fd, F_SETFL, 0);
	while (write(r.core_fd[0], &junk, sizeof(junk)) > 0)
		;
	fcntl(r.core_fd[0], F_SETFL, 0);
	for (unsigned i = 0; i < 2000; i++) {
		struct abi_bell b = { .flow = f.flow, .gen = f.gen, .flags = ABI_BELL_REFRESH };

		atomic_store(&r.context[0].shm->asleep, 1);
		if (i == 1000) /* nobody is there to be woken */
			shutdown(r.context[0].fd, SHUT_RDWR), close(r.context[0].fd);
		raw_bell(&r, 0, &b);
		while (raw_notified(&r, 0, 0) != UINT32_MAX)
			;
	}
	return verdict(!raw_hung_up(&r, 200) && raw_echo(&r, &f), "after filling what wakes us");
}

/* --- what it costs to wake us --- */

enum { WAITERS = 100000, WAITING_FDS_MAX = 50000, WAITING_THREADS_MAX = 100 };

static struct pollfd waiting[WAITING_FDS_MAX];
static nfds_t nr_waiting;

static void *waits_everywhere(void *arg TAS_UNUSED)
{
	for (;;)
		poll(waiting, nr_waiting, -1);
	return NULL;
}

/* Each place in a poll() is one of those whom the kernel has to tell when tasd rings. */
static void wait_everywhere(int fd)
{
	struct rlimit files;
	pthread_t thread;

	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	nr_waiting = min_u64(files.rlim_cur, WAITING_FDS_MAX);
	for (nfds_t i = 0; i < nr_waiting; i++)
		waiting[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	for (unsigned i = 0; i < WAITING_THREADS_MAX && i * nr_waiting < WAITERS; i++)
		if (pthread_create(&thread, NULL, waits_everywhere, NULL) != 0)
			raw_die("pthread_create");
}

int hostile_dear(int argc TAS_UNUSED, char **argv)
{
	uint64_t end = raw_now_ms() + 60000;
	char junk[8];

	raw_attach(&r);
	errno = raw_context_add(&r);
	if (errno != 0 || !connected_echo(argv[0], argv[1]))
		raw_die("no connection");
	wait_everywhere(r.context[0].fd);
	/* those who wait need a while to be in all their places again: nobody is dear to wake before */
	while (!raw_hung_up(&r, 30) && raw_now_ms() < end) {
		struct abi_bell b = { .flow = f.flow, .gen = f.gen, .flags = ABI_BELL_REFRESH };

		while (recv(r.context[0].fd, junk, sizeof(junk), MSG_DONTWAIT) > 0)
			;
		if (atomic_load(&r.context[0].shm->asleep) != 0)
			continue; /* we have to wait for it */
		atomic_store(&r.context[0].shm->asleep, 1);
		raw_bell(&r, 0, &b);
		while (raw_notified(&r, 0, 0) != UINT32_MAX)
			;
	}
	return verdict(raw_hung_up(&r, 0), "though it is dear to wake");
}
