/* SPDX-License-Identifier: BSD-3-Clause */
/* eal_rig.h - DPDK inside a unit test, without hugepages, devices or files that outlive it; and what the code
 * under test wrote to the log. */
#ifndef TAS_TESTS_EAL_RIG_H
#define TAS_TESTS_EAL_RIG_H

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rte_eal.h>

#include "include/base/compiler.h"

static inline int eal_rig_start_with(unsigned memory_mb)
{
	static char prefix[64], memory[16];
	char *argv[] = { "test", "-l", "0", "-m", memory, "--no-huge", "--no-shconf", "--no-pci",
		"--no-telemetry", "--log-level=*:critical", prefix, NULL };

	snprintf(memory, sizeof(memory), "%u", memory_mb);
	snprintf(prefix, sizeof(prefix), "--file-prefix=tas-test-%d", (int)getpid());
	if (rte_eal_init((int)ARRAY_LEN(argv) - 1, argv) < 0)
		return -1;
	rmdir(rte_eal_get_runtime_dir());
	return 0;
}

/* A group set-up for cmocka. */
static inline int eal_rig_start(void **state TAS_UNUSED) { return eal_rig_start_with(128); }

static inline int eal_rig_stop(void **state TAS_UNUSED) { return rte_eal_cleanup(); }

struct log_rig {
	int stderr_fd, file;
	char text[4096];
};

static inline void log_rig_begin(struct log_rig *r)
{
	fflush(stderr);
	r->stderr_fd = dup(STDERR_FILENO);
	r->file = memfd_create("log", 0);
	dup2(r->file, STDERR_FILENO);
}

/* r->text is what was logged since. */
static inline void log_rig_end(struct log_rig *r)
{
	ssize_t n = pread(r->file, r->text, sizeof(r->text) - 1, 0);

	r->text[n < 0 ? 0 : n] = '\0';
	dup2(r->stderr_fd, STDERR_FILENO);
	close(r->stderr_fd);
	close(r->file);
}

static inline unsigned log_rig_count(const struct log_rig *r, const char *text)
{
	unsigned n = 0;

	for (const char *s = r->text; (s = strstr(s, text)) != NULL; s++)
		n++;
	return n;
}

#endif
