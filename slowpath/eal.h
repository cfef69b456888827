/* SPDX-License-Identifier: BSD-3-Clause */
/* eal.h - DPDK's environment, started as tasd.conf wants it.
 * Guarantees: it starts on a machine with a single CPU and without a huge page, unless the file demands more;
 * then one line names what is missing and the remedy. Nothing of it is found on disk, so nothing stale can
 * stop the next start. What the operator wrote behind "--" comes last and wins, but
 * for the cores, which are not EAL's to choose.
 * Lcore 0 is the slow path, lcore 1 + i is fast-path core i; each floats over the CPUs it may use, so that
 * the kernel can move it out of the way of others on a small machine.
 * EAL is the process's, not an instance's. Main thread only. */
#ifndef TAS_SLOWPATH_EAL_H
#define TAS_SLOWPATH_EAL_H

#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "slowpath/conf.h"

enum {
	EAL_ARGS_MAX = 128,
	EAL_TEXT_MAX = 8192, /* of the arguments that tasd makes: lists of up to 1024 CPUs, twice */
};

/* What the machine has for us. */
struct eal_machine {
	cpu_set_t cpus;          /* on which we may run */
	uint64_t huge_free;      /* bytes in huge pages that nobody uses */
	uint64_t huge_page_size; /* of the default kind, for the remedy; 0: the kernel has none */
};

struct eal_args {
	int argc;
	char *argv[EAL_ARGS_MAX + 1]; /* into text, or what the caller gave */
	bool huge;
	size_t text_used;
	char text[EAL_TEXT_MAX];
};

void eal_machine_look(struct eal_machine *m);

/* 0, or -1 and a sentence in err. */
int eal_args_make(struct eal_args *out, const struct tas_conf *conf, const struct eal_machine *m,
	char **extra, int extra_count, char *err, size_t err_size);

/* 0, or -1 after a line in the log. */
int eal_start(const struct tas_conf *conf, char **extra, int extra_count);
void eal_stop(void);

static inline unsigned eal_lcore_of(unsigned core) { return core + 1; }

#endif
