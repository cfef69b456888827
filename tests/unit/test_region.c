/* SPDX-License-Identifier: BSD-3-Clause */
/* test_region.c - what is in a region stays there, whatever a process that has it tries. */
#include "slowpath/region.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "include/base/compiler.h"

#ifndef F_SEAL_EXEC
#define F_SEAL_EXEC 0x0020
#endif

enum { SIZE = 1 << 20, USED = 64 << 10 };

static struct region region_new(uint64_t size)
{
	struct region r;

	assert_int_equal(region_guard_install(), 0);
	assert_int_equal(region_create(&r, size, "test"), 0);
	return r;
}

static char *map(int fd, int prot) { return mmap(NULL, SIZE, prot, MAP_SHARED, fd, 0); }

/* Pages of the file that exist, in bytes. */
static uint64_t resident(struct region *r)
{
	unsigned char vec[SIZE / REGION_PAGE];
	uint64_t n = 0;

	assert_true(r->size <= SIZE);
	assert_int_equal(mincore(r->base, r->size, vec), 0);
	for (uint64_t i = 0; i < r->size / REGION_PAGE; i++)
		n += vec[i] & 1;
	return n * REGION_PAGE;
}

/* However many pages it takes. */
static int populate(struct region *r, uint64_t off, uint64_t len)
{
	uint32_t most = UINT32_MAX;

	return region_populate(r, off, len, &most);
}

static void only_what_is_populated_takes_memory(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	assert_int_equal(resident(&r), 0);
	assert_int_equal(populate(&r, 0, USED), 0);
	assert_int_equal(resident(&r), USED);
	assert_int_equal(populate(&r, USED / 2, USED), 0);
	assert_int_equal(resident(&r), USED / 2 * 3);
	assert_int_equal(r.resident, USED / 2 * 3);
	assert_int_equal(populate(&r, SIZE - 1, 1), 0);
	assert_int_equal(resident(&r), USED / 2 * 3 + REGION_PAGE);
	region_destroy(&r);
}

static void it_is_populated_in_as_many_steps_as_one_likes(void **state)
{
	struct region r = region_new(SIZE);
	uint32_t most = 0;
	unsigned steps = 0;

	(void)state;
	assert_int_equal(region_populate(&r, 0, USED, &most), -EAGAIN);
	assert_int_equal(resident(&r), 0);
	assert_int_equal(populate(&r, 3 * REGION_PAGE, REGION_PAGE), 0); /* some is there already */
	for (most = 2; region_populate(&r, 0, USED, &most) == -EAGAIN; most = 2, steps++) {
		assert_int_equal(most, 0);
		assert_int_equal(resident(&r), (3 + 2 * steps) * REGION_PAGE);
	}
	assert_int_equal(steps, USED / REGION_PAGE / 2 - 1);
	assert_int_equal(most, 1); /* was not needed */
	assert_int_equal(resident(&r), USED);
	assert_int_equal(r.resident, USED);
	region_destroy(&r);
}

static void a_region_larger_than_the_machine_takes_nothing_until_used(void **state)
{
	struct region r = region_new(1ull << 40);

	(void)state;
	assert_int_equal(populate(&r, (1ull << 40) - REGION_PAGE, REGION_PAGE), 0);
	r.base[(1ull << 40) - 1] = 1;
	assert_int_equal(r.resident, REGION_PAGE);
	region_destroy(&r);
}

/* Before the seal: the file can neither be made longer nor shorter. */
static void the_size_is_fixed_from_the_beginning(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	assert_int_equal(ftruncate(r.fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(r.fd, SIZE * 2), -1);
	assert_int_equal(errno, EPERM);
	region_destroy(&r);
}

static void once_sealed_no_call_takes_a_page_away(void **state)
{
	struct region r = region_new(SIZE);
	int fd = dup(r.fd); /* as the application has it */
	char *app = map(fd, PROT_READ | PROT_WRITE);

	(void)state;
	assert_int_equal(populate(&r, 0, USED), 0);
	assert_int_equal(region_seal(&r), 0);
	assert_int_equal(r.fd, -1);
	memset(r.base, 7, USED);

	assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, USED), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(madvise(app, USED, MADV_REMOVE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(fd, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_ptr_equal(map(fd, PROT_READ | PROT_WRITE), MAP_FAILED);
	assert_int_equal(errno, EPERM);
	assert_int_equal(write(fd, "x", 1), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(resident(&r), USED);
	assert_int_equal(app[USED - 1], 7);
	munmap(app, SIZE);
	close(fd);
	region_destroy(&r);
}

static void once_sealed_both_still_write_and_tasd_still_populates(void **state)
{
	struct region r = region_new(SIZE);
	int fd = dup(r.fd);
	char *app = map(fd, PROT_READ | PROT_WRITE);

	(void)state;
	close(fd);
	assert_int_equal(populate(&r, 0, USED), 0);
	assert_int_equal(region_seal(&r), 0);
	assert_int_equal(populate(&r, USED, USED), 0);
	assert_int_equal(resident(&r), 2 * USED);
	r.base[USED] = 1;
	assert_int_equal(app[USED], 1);
	app[USED + 1] = 2;
	assert_int_equal(r.base[USED + 1], 2);
	munmap(app, SIZE);
	region_destroy(&r);
}

/* What was punched out before the seal is there again after it. */
static void a_hole_punched_before_the_seal_is_filled(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	assert_int_equal(populate(&r, 0, USED), 0);
	assert_int_equal(fallocate(r.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, USED / 2), 0);
	assert_int_equal(resident(&r), USED / 2);
	assert_int_equal(region_seal(&r), 0);
	assert_int_equal(resident(&r), USED);
	region_destroy(&r);
}

static void whoever_seals_before_tasd_is_refused(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	assert_int_equal(fcntl(r.fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_int_equal(region_seal(&r), -EPERM);
	region_destroy(&r);
}

/* Of a file that another process has, the seals are the other's to add. */
static void a_shared_region_is_not_sealed_but_looked_at(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	r.shared = true;
	assert_int_equal(region_seal(&r), -EPERM);
	assert_int_equal(fcntl(r.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	assert_int_equal(region_seal(&r), -EPERM);
	assert_int_equal(fcntl(r.fd, F_ADD_SEALS, F_SEAL_SEAL), 0);
	assert_int_equal(region_seal(&r), 0);
	assert_int_equal(r.fd, -1);
	region_destroy(&r);
}

/* An application's seal cannot lock tasd out of its own mapping. */
static void seals_of_the_application_that_forbid_writing_do_not_take(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	assert_int_equal(fcntl(r.fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	assert_int_equal(errno, EBUSY);
	assert_int_equal(fcntl(r.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
	assert_int_equal(region_seal(&r), 0);
	assert_int_equal(populate(&r, 0, USED), 0);
	r.base[0] = 1;
	region_destroy(&r);
}

/* As the kernel does when it has no page: here because a file of half the size was put in place of the
 * region's. */
static void break_half(struct region *r)
{
	int fd = memfd_create("half", 0);

	assert_int_equal(ftruncate(fd, SIZE / 2), 0);
	assert_ptr_equal(mmap(r->base, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0), r->base);
	close(fd);
}

static void a_sigbus_inside_a_region_strikes_that_region_only(void **state)
{
	struct region other = region_new(SIZE), r = region_new(SIZE);
	uint64_t before = region_strikes();
	volatile char *p = r.base + SIZE / 2;

	(void)state;
	break_half(&r);
	p[0] = 5;
	assert_int_equal(p[0], 5);
	assert_int_equal(p[1], 0);
	assert_true(region_struck(&r));
	assert_false(region_struck(&other));
	assert_int_equal(region_strikes(), before + 1);
	p[-1] = 6; /* what exists is as before */
	assert_int_equal(region_strikes(), before + 1);
	p[REGION_PAGE] = 1;
	assert_int_equal(region_strikes(), before + 2);
	region_destroy(&r);
	region_destroy(&other);
}

static void a_new_region_is_not_struck_though_its_place_was(void **state)
{
	struct region r = region_new(SIZE);

	(void)state;
	break_half(&r);
	*(volatile char *)(r.base + SIZE / 2) = 1;
	region_destroy(&r);
	r = region_new(SIZE);
	assert_false(region_struck(&r));
	region_destroy(&r);
}

/* A broken page of our own is not hidden. */
static void a_sigbus_elsewhere_ends_the_process(void **state)
{
	int fd = memfd_create("short", 0), status;
	volatile char *elsewhere = map(fd, PROT_READ | PROT_WRITE);
	struct region r = region_new(SIZE);
	pid_t child = fork();

	(void)state;
	if (child == 0) {
		signal(SIGBUS, SIG_DFL); /* cmocka's handler would come first */
		region_guard_install();
		elsewhere[0] = 1;
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGBUS);
	munmap((void *)(uintptr_t)elsewhere, SIZE);
	close(fd);
	region_destroy(&r);
}

static int fds_open(void)
{
	int n = 0;

	for (int fd = 0; fd < 256; fd++)
		n += fcntl(fd, F_GETFD) != -1;
	return n;
}

static void nothing_stays_after_destroy(void **state)
{
	int fds = fds_open();

	(void)state;
	for (int i = 0; i < 2 * REGIONS_MAX; i++) { /* places in the handler's table come back, too */
		struct region r = region_new(SIZE);

		assert_int_equal(populate(&r, 0, REGION_PAGE), 0);
		if (i % 2 == 0)
			assert_int_equal(region_seal(&r), 0);
		region_destroy(&r);
	}
	assert_int_equal(fds_open(), fds);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_is_populated_takes_memory),
		cmocka_unit_test(it_is_populated_in_as_many_steps_as_one_likes),
		cmocka_unit_test(a_region_larger_than_the_machine_takes_nothing_until_used),
		cmocka_unit_test(the_size_is_fixed_from_the_beginning),
		cmocka_unit_test(once_sealed_no_call_takes_a_page_away),
		cmocka_unit_test(once_sealed_both_still_write_and_tasd_still_populates),
		cmocka_unit_test(a_hole_punched_before_the_seal_is_filled),
		cmocka_unit_test(whoever_seals_before_tasd_is_refused),
		cmocka_unit_test(a_shared_region_is_not_sealed_but_looked_at),
		cmocka_unit_test(seals_of_the_application_that_forbid_writing_do_not_take),
		cmocka_unit_test(a_sigbus_inside_a_region_strikes_that_region_only),
		cmocka_unit_test(a_new_region_is_not_struck_though_its_place_was),
		cmocka_unit_test(a_sigbus_elsewhere_ends_the_process),
		cmocka_unit_test(nothing_stays_after_destroy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
