/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/region.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008u /* Linux 6.3; older kernels say EINVAL */
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

enum {
	SEALS_AT_BIRTH = F_SEAL_GROW | F_SEAL_SHRINK,
	SEALS_ONCE_MAPPED = F_SEAL_FUTURE_WRITE | F_SEAL_SEAL,
	BITS = 64,
	UNMAP_STEP = 4 << 20,
};

/* What the signal handler may touch: nothing but lock-free atomics. A range is in use if its base is
 * not 0. */
static struct guard {
	_Atomic uintptr_t base;
	_Atomic uint64_t size;
	_Atomic uint32_t struck;
} guards[REGIONS_MAX];
static _Atomic int guards_end; /* those from here on were never used */
static _Atomic uint64_t strikes;
static struct sigaction sigbus_before;
static pthread_mutex_t guards_lock = PTHREAD_MUTEX_INITIALIZER;

static struct guard *guard_of(uintptr_t address)
{
	int end = atomic_load(&guards_end);

	for (int i = 0; i < end; i++) {
		uintptr_t base = atomic_load(&guards[i].base);

		if (base != 0 && address >= base && address - base < atomic_load(&guards[i].size))
			return &guards[i];
	}
	return NULL;
}

/* An anonymous page in place of the one that cannot be had: what faulted goes on, and reads zeros. */
static bool sigbus_patch(uintptr_t address)
{
	void *page = (void *)(address & ~(uintptr_t)(REGION_PAGE - 1));
	struct guard *g = guard_of(address);

	if (g == NULL ||
		mmap(page, REGION_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
			0) != page)
		return false;
	atomic_store(&g->struck, 1);
	atomic_fetch_add(&strikes, 1);
	return true;
}

/* Not in a region: as if we had never been here. */
static void sigbus_pass_on(int sig, siginfo_t *info, void *context)
{
	if (sigbus_before.sa_flags & SA_SIGINFO)
		sigbus_before.sa_sigaction(sig, info, context);
	else if (sigbus_before.sa_handler != SIG_DFL && sigbus_before.sa_handler != SIG_IGN)
		sigbus_before.sa_handler(sig);
	else
		signal(sig,
			SIG_DFL); /* the access faults again, and ends us with a core dump that shows it */
}

static void on_sigbus(int sig, siginfo_t *info, void *context)
{
	int error = errno;

	if (!sigbus_patch((uintptr_t)info->si_addr))
		sigbus_pass_on(sig, info, context);
	errno = error;
}

int region_guard_install(void)
{
	struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO | SA_ONSTACK }, now;
	int error = 0;

	pthread_mutex_lock(&guards_lock);
	if (sigaction(SIGBUS, NULL, &now) != 0)
		error = -errno;
	else if (!(now.sa_flags & SA_SIGINFO) || now.sa_sigaction != on_sigbus) {
		sigbus_before = now;
		error = sigaction(SIGBUS, &action, NULL) != 0 ? -errno : 0;
	}
	pthread_mutex_unlock(&guards_lock);
	return error;
}

static int guard_add(const struct region *r)
{
	int i = 0, end;

	pthread_mutex_lock(&guards_lock);
	end = atomic_load(&guards_end);
	while (i < end && atomic_load(&guards[i].base) != 0)
		i++;
	if (i < REGIONS_MAX) {
		atomic_store(&guards[i].struck, 0);
		atomic_store(&guards[i].size, r->size);
		atomic_store(&guards[i].base, (uintptr_t)r->base);
		if (i == end)
			atomic_store(&guards_end, end + 1);
	}
	pthread_mutex_unlock(&guards_lock);
	return i < REGIONS_MAX ? i : -ENOSPC;
}

static void guard_remove(int i)
{
	pthread_mutex_lock(&guards_lock);
	atomic_store(&guards[i].base, 0);
	pthread_mutex_unlock(&guards_lock);
}

static int memfd_make(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL), error;

	if (fd < 0 && errno == EINVAL)
		fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0 && fcntl(fd, F_ADD_SEALS, SEALS_AT_BIRTH) == 0)
		return fd;
	error = errno;
	close(fd);
	return -error;
}

static int map_and_guard(struct region *r)
{
	void *base = mmap(NULL, r->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, r->fd, 0);

	if (base == MAP_FAILED)
		return -errno;
	r->base = base;
	madvise(base, r->size, MADV_DONTDUMP); /* other people's data, and gigabytes of it */
	r->populated = calloc((r->size / REGION_PAGE + BITS - 1) / BITS, sizeof(*r->populated));
	if (r->populated == NULL)
		return -ENOMEM;
	r->guard = guard_add(r);
	return r->guard < 0 ? r->guard : 0;
}

int region_create(struct region *r, uint64_t size, const char *name)
{
	int error;

	TAS_ASSERT(size > 0 && size % REGION_PAGE == 0);
	*r = (struct region){ .size = size, .guard = -1, .fd = memfd_make(name, size) };
	if (r->fd < 0)
		return r->fd;
	error = map_and_guard(r);
	if (error != 0)
		region_destroy(r);
	return error;
}

/* Much goes back in steps: who maps or unmaps meanwhile does not wait for the address space's lock. */
static void unmap(const struct region *r)
{
	for (uint64_t off = 0; off + UNMAP_STEP < r->end * REGION_PAGE; off += UNMAP_STEP)
		madvise(r->base + off, UNMAP_STEP, MADV_DONTNEED);
	munmap(r->base, r->size);
}

void region_destroy(struct region *r)
{
	if (r->guard >= 0 && r->base != NULL)
		guard_remove(r->guard);
	if (r->fd >= 0)
		close(r->fd);
	if (r->base != NULL)
		unmap(r);
	free(r->populated);
	*r = (struct region){ .fd = -1, .guard = -1 };
}

static bool is_populated(const struct region *r, uint64_t page)
{
	return r->populated[page / BITS] >> page % BITS & 1;
}

/* The end of the run of pages from `page` on, below `end`, that are populated, or are not. */
static uint64_t run_end(const struct region *r, uint64_t page, uint64_t end, bool populated)
{
	while (page < end && is_populated(r, page) == populated)
		page++;
	return page;
}

/* EFAULT is what a shared mapping says where an anonymous one says ENOMEM. */
static int populate_run(struct region *r, uint64_t from, uint64_t to)
{
	int n;

	do
		n = madvise(r->base + from * REGION_PAGE, (to - from) * REGION_PAGE, MADV_POPULATE_WRITE);
	while (n != 0 && (errno == EINTR || errno == EAGAIN));
	if (n != 0)
		return errno == EINVAL ? -ENOSYS : -ENOMEM;
	for (uint64_t page = from; page < to; page++)
		r->populated[page / BITS] |= 1ull << page % BITS;
	r->end = max_u64(r->end, to);
	return 0;
}

uint64_t region_missing(const struct region *r, uint64_t off, uint64_t len)
{
	uint64_t page = off / REGION_PAGE, end = (off + len + REGION_PAGE - 1) / REGION_PAGE, missing = 0;

	while (page < end) {
		uint64_t run = run_end(r, page, end, false);

		missing += run - page;
		page = run_end(r, run, end, true);
	}
	return missing;
}

int region_populate(struct region *r, uint64_t off, uint64_t len, uint32_t *most)
{
	uint64_t page = off / REGION_PAGE, end = (off + len + REGION_PAGE - 1) / REGION_PAGE, run;

	TAS_ASSERT(off <= r->size && len <= r->size - off);
	for (;; page = run) {
		int error;

		page = run_end(r, page, end, true);
		if (page == end)
			return 0;
		if (*most == 0)
			return -EAGAIN;
		run = run_end(r, page, min_u64(end, page + *most), false);
		error = populate_run(r, page, run);
		if (error != 0)
			return error;
		*most -= (uint32_t)(run - page);
		r->resident += (run - page) * REGION_PAGE;
	}
}

/* Before it was sealed the application may have punched holes where we had populated. */
static int populate_again(struct region *r)
{
	uint64_t pages = r->end, page = 0, run;
	int error = 0;

	for (; page < pages && error == 0; page = run) {
		page = run_end(r, page, pages, false);
		run = run_end(r, page, pages, true);
		if (run > page)
			error = populate_run(r, page, run);
	}
	return error;
}

int region_seal(struct region *r)
{
	const int all = SEALS_AT_BIRTH | SEALS_ONCE_MAPPED;
	int error;

	if (!r->shared)
		fcntl(r->fd, F_ADD_SEALS, SEALS_ONCE_MAPPED);
	if ((fcntl(r->fd, F_GET_SEALS) & all) != all)
		return -EPERM;
	error = populate_again(r);
	close(r->fd);
	r->fd = -1;
	return error;
}

uint64_t region_machine_pages(void)
{
	uint64_t bytes = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);

	return bytes / REGION_PAGE;
}

bool region_struck(const struct region *r) { return atomic_load(&guards[r->guard].struck) != 0; }

uint64_t region_strikes(void) { return atomic_load(&strikes); }
