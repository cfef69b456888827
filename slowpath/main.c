/* SPDX-License-Identifier: BSD-3-Clause */
/* main.c - tasd from its command line to its end: arguments, configuration, process, DPDK, instance. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "include/base/log.h"
#include "slowpath/args.h"
#include "slowpath/conf.h"
#include "slowpath/daemon.h"
#include "slowpath/eal.h"
#include "slowpath/log.h"
#include "slowpath/tasd.h"

static bool should_stop(void *arg)
{
	switch (daemon_signal(arg)) {
	case DAEMON_STOP: return true;
	case DAEMON_REOPEN_LOG: log_reopen(); return false;
	default: return false;
	}
}

static void say_ready(const struct tasd *t)
{
	const struct conf_ip *ip = &t->conf.ip;
	const struct net_prefix *address = ip->addresses > 0 ? ip->address : ip->address6;
	uint32_t addresses = ip->addresses + ip->addresses6;
	char text[ADDR_STRLEN] = "as advertised";

	if (addresses > 0)
		addr_format(address->addr, text, sizeof(text));
	tas_log(TAS_LOG_INFO, "tasd %s ready: instance %s, address %s%s, %u core%s, %u connections",
		TAS_VERSION, t->conf.tasd.instance, text, addresses > 1 ? " and others" : "",
		t->conf.fastpath.cores_max, t->conf.fastpath.cores_max == 1 ? "" : "s",
		t->conf.memory.flows_max);
}

static int serve(struct tas_daemon *d, const struct tas_conf *conf)
{
	static struct tasd tasd; /* too large for a stack */

	if (tasd_start(&tasd, conf) != 0)
		return -1;
	say_ready(&tasd);
	daemon_ready(d);
	tasd_run(&tasd, d->signal_fd, should_stop, d);
	tasd_stop(&tasd);
	return 0;
}

static int run(const struct tas_conf *conf, const struct tasd_args *args)
{
	struct tas_daemon d = { 0 };
	int rc = daemon_start(&d, conf, args->foreground);

	if (rc == 0)
		rc = eal_start(conf, args->eal_argv, args->eal_argc);
	if (rc == 0) {
		rc = serve(&d, conf);
		eal_stop();
	}
	daemon_end(&d);
	return rc;
}

static int check_and_run(const struct tasd_args *args)
{
	struct conf_errors errs = { 0 };
	struct tas_conf conf;
	int rc = conf_load(args->conf_path, &conf, &errs);

	if (rc != 0)
		conf_errors_print(&errs, stderr);
	conf_errors_free(&errs);
	if (rc == 0 && args->check)
		puts("ok");
	return rc != 0 || args->check ? rc : run(&conf, args);
}

/* What an application cost goes back to the kernel when it left. By default malloc learns to keep such
 * blocks. */
static void memory_goes_back(void) { mallopt(M_MMAP_THRESHOLD, 128 * 1024); }

int main(int argc, char **argv)
{
	struct tasd_args args;

	memory_goes_back();
	if (args_parse(argc, argv, &args) != 0)
		return EXIT_FAILURE;
	if (args.help || args.version) {
		args.help ? args_print_help(stdout) : args_print_version(stdout);
		return EXIT_SUCCESS;
	}
	return check_and_run(&args) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
