/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/eal.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>

#include <bsd/string.h>

#include "include/base/assert.h"
#include "include/base/device.h"
#include "slowpath/log.h"

#define HUGE_DIR "/sys/kernel/mm/hugepages"

static FILE *eal_log; /* EAL's lines go to the log of the process, of which there is one, too */

/* --- the machine --- */

static uint64_t number_in(const char *path)
{
	FILE *f = fopen(path, "re");
	uint64_t n = 0;

	if (f == NULL)
		return 0;
	if (fscanf(f, "%lu", &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* Of all sizes: EAL takes from each. */
static uint64_t huge_bytes_free(void)
{
	DIR *dir = opendir(HUGE_DIR);
	struct dirent *entry;
	uint64_t sum = 0, kilobytes;
	char path[320];

	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		if (sscanf(entry->d_name, "hugepages-%lukB", &kilobytes) != 1)
			continue;
		snprintf(path, sizeof(path), HUGE_DIR "/%s/free_hugepages", entry->d_name);
		sum += number_in(path) * kilobytes * 1024;
	}
	if (dir != NULL)
		closedir(dir);
	return sum;
}

static uint64_t huge_page_size(void)
{
	FILE *f = fopen("/proc/meminfo", "re");
	uint64_t kilobytes = 0;
	char line[128];

	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Hugepagesize: %lu kB", &kilobytes) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kilobytes * 1024;
}

void eal_machine_look(struct eal_machine *m)
{
	CPU_ZERO(&m->cpus);
	if (sched_getaffinity(0, sizeof(m->cpus), &m->cpus) != 0)
		CPU_SET(0, &m->cpus); /* more than 1024 CPUs: the kernel refuses so small a set */
	m->huge_free = huge_bytes_free();
	m->huge_page_size = huge_page_size();
}

/* --- arguments --- */

TAS_PRINTF(2, 3) static void add(struct eal_args *a, const char *fmt, ...)
{
	size_t room = sizeof(a->text) - a->text_used;
	va_list args;
	int len;

	TAS_ASSERT(a->argc < EAL_ARGS_MAX);
	va_start(args, fmt);
	len = vsnprintf(a->text + a->text_used, room, fmt, args);
	va_end(args);
	TAS_ASSERT(len >= 0 && (size_t)len < room);
	a->argv[a->argc++] = a->text + a->text_used;
	a->text_used += (size_t)len + 1;
}

/* "0-3,8": as short as it gets, which also bounds it: at most one number of up to four digits and a comma for
 * every second CPU. */
static void cpus_text(const cpu_set_t *set, char *out, size_t size)
{
	size_t used = 0;

	out[0] = '\0';
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int first = cpu;

		if (!CPU_ISSET(cpu, set))
			continue;
		while (cpu + 1 < CPU_SETSIZE && CPU_ISSET(cpu + 1, set))
			cpu++;
		used += (size_t)snprintf(out + used, size - used, cpu > first ? "%s%d-%d" : "%s%d",
			used > 0 ? "," : "", first, cpu);
		TAS_ASSERT(used < size);
	}
}

static int cpus_refuse(const cpu_set_t *allowed, const char *key, const char *wanted, char *err,
	size_t err_size)
{
	char have[3072];

	cpus_text(allowed, have, sizeof(have));
	snprintf(err, err_size,
		"%s = %s, but tasd may run on CPUs %s here: change it, or the affinity (taskset, cpuset) "
		"that tasd is started with",
		key, wanted, have);
	return -1;
}

static int cpus_of_cores(const struct tas_conf *conf, const struct eal_machine *m, char *out, size_t size,
	char *err, size_t err_size)
{
	const cpu_set_t *wanted = &conf->fastpath.cpus;
	cpu_set_t both;

	if (CPU_COUNT(wanted) == 0)
		wanted = &m->cpus;
	cpus_text(wanted, out, size);
	CPU_AND(&both, wanted, &m->cpus);
	return CPU_EQUAL(&both, wanted) ? 0 : cpus_refuse(&m->cpus, "[fastpath] cpus", out, err, err_size);
}

static int cpus_of_slow_path(const struct tas_conf *conf, const struct eal_machine *m, char *out, size_t size,
	char *err, size_t err_size)
{
	int cpu = conf->slowpath.cpu;

	if (cpu < 0) {
		cpus_text(&m->cpus, out, size);
		return 0;
	}
	snprintf(out, size, "%d", cpu);
	return CPU_ISSET(cpu, &m->cpus) ? 0 : cpus_refuse(&m->cpus, "[slowpath] cpu", out, err, err_size);
}

static int add_lcores(struct eal_args *a, const struct tas_conf *conf, const struct eal_machine *m, char *err,
	size_t err_size)
{
	char slow[3072], cores[3072];

	if (cpus_of_slow_path(conf, m, slow, sizeof(slow), err, err_size) != 0 ||
		cpus_of_cores(conf, m, cores, sizeof(cores), err, err_size) != 0)
		return -1;
	add(a, "--lcores=0@(%s),(%u-%u)@(%s)", slow, eal_lcore_of(0),
		eal_lcore_of(conf->fastpath.cores_max - 1), cores);
	add(a, "--main-lcore=0");
	return 0;
}

static int huge_refuse(uint64_t need, const struct eal_machine *m, char *err, size_t err_size)
{
	if (m->huge_page_size == 0)
		snprintf(err, err_size,
			"hugepages = on, but this kernel has no huge pages: set hugepages = off in [memory]");
	else
		snprintf(err, err_size,
			"hugepages = on needs %lu MiB in free huge pages, and there are %lu: sysctl -w "
			"vm.nr_hugepages=%lu (more if others use some), or in [memory] lower dpdk_memory "
			"or set hugepages = auto",
			need >> 20, m->huge_free >> 20, (need + m->huge_page_size - 1) / m->huge_page_size);
	return -1;
}

/* Without huge pages EAL would put its configuration on disk for secondary processes, which cannot use it. */
static int add_memory(struct eal_args *a, const struct tas_conf *conf, const struct eal_machine *m, char *err,
	size_t err_size)
{
	uint64_t need = conf->memory.dpdk_memory;

	a->huge = conf->memory.hugepages != CONF_OFF && m->huge_free >= need;
	if (conf->memory.hugepages == CONF_ON && !a->huge)
		return huge_refuse(need, m, err, err_size);
	if (a->huge)
		add(a, "--in-memory");
	else {
		add(a, "--no-huge");
		add(a, "--no-shconf");
	}
	add(a, "-m");
	add(a, "%lu", (need + (1 << 20) - 1) >> 20);
	return 0;
}

/* A card is named to EAL, which leaves all others alone then; a vdev is plugged in later. */
static void add_device(struct eal_args *a, const struct conf_port *port)
{
	if (device_kind_of(port->device) != DEVICE_PCI) {
		add(a, "--no-pci");
		return;
	}
	add(a, "-a");
	add(a, "%s", port->device);
}

/* --- what the operator wrote behind "--" --- */

/* Does this argument give the long option, in full or shortened as getopt takes it? */
static bool gives_long(const char *argument, const char *option)
{
	size_t len;

	if (strncmp(argument, "--", 2) != 0)
		return false;
	len = strcspn(argument + 2, "=");
	return len > 0 && strncmp(argument + 2, option, len) == 0;
}

/* Or one of the short ones? EAL's -v takes no operand, so others may follow it. */
static bool gives_short(const char *argument, const char *options)
{
	if (argument[0] != '-' || argument[1] == '-')
		return false;
	argument += strspn(argument + 1, "v") + 1;
	return argument[0] != '\0' && strchr(options, argument[0]) != NULL;
}

static int extra_check(const char *argument, char *err, size_t err_size)
{
	const char *why = NULL;

	if (gives_short(argument, "h") || gives_long(argument, "help"))
		why = "EAL's arguments stand in DPDK's guides under \"EAL parameters\", tasd's "
		      "in tasd --help";
	else if (gives_short(argument, "lc") || gives_long(argument, "lcores") ||
		gives_long(argument, "main-lcore"))
		why = "the cores are tasd's own: [fastpath] cores_max and cpus and [slowpath] "
		      "cpu in tasd.conf "
		      "say which";
	if (why != NULL)
		snprintf(err, err_size, "EAL argument %s behind --: %s", argument, why);
	return why != NULL ? -1 : 0;
}

static int extras_check(char **extra, int count, int room, char *err, size_t err_size)
{
	if (count > room) {
		snprintf(err, err_size, "%d EAL arguments behind --: at most %d", count, room);
		return -1;
	}
	for (int i = 0; i < count; i++)
		if (extra_check(extra[i], err, err_size) != 0)
			return -1;
	return 0;
}

int eal_args_make(struct eal_args *out, const struct tas_conf *conf, const struct eal_machine *m,
	char **extra, int extra_count, char *err, size_t err_size)
{
	*out = (struct eal_args){ 0 };
	add(out, "tasd");
	if (add_lcores(out, conf, m, err, err_size) != 0 || add_memory(out, conf, m, err, err_size) != 0)
		return -1;
	add_device(out, &conf->port);
	add(out, "--file-prefix=tasd-%s", conf->tasd.instance);
	add(out, "--no-telemetry");
	add(out, "--log-level=*:%s", conf->tasd.log_level == TAS_LOG_DEBUG ? "info" : "warning");
	if (extras_check(extra, extra_count, EAL_ARGS_MAX - out->argc, err, err_size) != 0)
		return -1;
	for (int i = 0; i < extra_count; i++)
		out->argv[out->argc++] = extra[i];
	return 0;
}

/* --- start and end --- */

/* "-m x", as the operator wrote it. */
static const char *extra_text(char **extra, int count, char *out, size_t size)
{
	out[0] = '\0';
	for (int i = 0; i < count; i++) {
		strlcat(out, i > 0 ? " " : "", size);
		strlcat(out, extra[i], size);
	}
	return out;
}

static void say_why(const struct eal_args *a, char **extra, int extra_count, int error)
{
	char text[256];

	if (error == EACCES || error == EPERM)
		tas_log(TAS_LOG_ERROR, "DPDK may not do what it needs (%s): start tasd as root",
			strerror(error));
	else if (error == ENOMEM)
		tas_log(TAS_LOG_ERROR,
			"DPDK got no memory%s: lower dpdk_memory in [memory], or give the machine more",
			a->huge ? " in huge pages" : "");
	else if (extra_count > 0)
		tas_log(TAS_LOG_ERROR,
			"DPDK did not start (%s): is one of the EAL arguments behind -- wrong, "
			"\"%s\"? DPDK's "
			"guides have them under \"EAL parameters\"",
			strerror(error), extra_text(extra, extra_count, text, sizeof(text)));
	else
		tas_log(TAS_LOG_ERROR, "DPDK did not start (%s): see its lines above", strerror(error));
}

/* To an argument that it does not know, EAL answers with all those that it knows on standard output and two
 * lines on standard error, one of them getopt's. What is wrong is said in our own words, and what is a
 * warning goes to the log in any case. The streams are the C library's variables; descriptors stay as they
 * are. */
static int init_quietly(struct eal_args *a)
{
	FILE *null = fopen("/dev/null", "we"), *out = stdout, *err = stderr;
	int rc;

	if (null != NULL)
		stdout = stderr = null;
	rc = rte_eal_init(a->argc, a->argv);
	stdout = out;
	stderr = err;
	if (null != NULL)
		fclose(null);
	return rc;
}

/* Of the line that DPDK prints just now. What is an error is for its caller to say, in our own words. */
static enum tas_log_level level_now(void)
{
	switch (rte_log_cur_msg_loglevel()) {
	case RTE_LOG_NOTICE:
	case RTE_LOG_INFO: return TAS_LOG_INFO;
	case RTE_LOG_DEBUG: return TAS_LOG_DEBUG;
	default: return TAS_LOG_WARNING;
	}
}

int eal_start(const struct tas_conf *conf, char **extra, int extra_count)
{
	struct eal_machine machine;
	struct eal_args args;
	char err[4096];
	int rc;

	eal_machine_look(&machine);
	if (eal_args_make(&args, conf, &machine, extra, extra_count, err, sizeof(err)) != 0) {
		tas_log(TAS_LOG_ERROR, "%s", err);
		return -1;
	}
	eal_log = log_stream(level_now);
	if (eal_log != NULL)
		rte_openlog_stream(eal_log);
	rc = init_quietly(&args);
	/* EAL makes a directory for its run-time files even if there are none; a crash would leave it */
	rmdir(rte_eal_get_runtime_dir());
	if (rc < 0) {
		say_why(&args, extra, extra_count, rte_errno);
		return -1;
	}
	tas_log(TAS_LOG_INFO, "DPDK has %lu MiB %s huge pages", conf->memory.dpdk_memory >> 20,
		args.huge ? "in" : "without");
	return 0;
}

void eal_stop(void)
{
	rte_eal_cleanup();
	rte_openlog_stream(NULL);
	if (eal_log != NULL)
		fclose(eal_log);
	eal_log = NULL;
}
