/* SPDX-License-Identifier: BSD-3-Clause */
/* From tasd.conf and the machine to EAL's arguments; EAL itself is not started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "slowpath/eal.h"

struct rig {
	struct tas_conf conf;
	struct eal_machine machine;
	struct eal_args args;
	char err[4096];
	char line[16384]; /* all arguments, with a blank behind each */
};

static struct rig the_rig; /* too large for a stack frame that the compiler accepts */

static struct rig *rig(void)
{
	struct rig *r = &the_rig;

	memset(r, 0, sizeof(*r));
	conf_defaults(&r->conf);
	strcpy(r->conf.port.device, "net_af_packet0,iface=eth1");
	r->machine.huge_page_size = 2 << 20;
	CPU_SET(0, &r->machine.cpus);
	CPU_SET(1, &r->machine.cpus);
	return r;
}

static const char *made(struct rig *r, char **extra, int extra_count)
{
	assert_int_equal(eal_args_make(&r->args, &r->conf, &r->machine, extra, extra_count, r->err,
				 sizeof(r->err)),
		0);
	assert_null(r->args.argv[r->args.argc]);
	for (int i = 0; i < r->args.argc; i++) {
		strcat(r->line, r->args.argv[i]);
		strcat(r->line, " ");
	}
	return r->line;
}

static const char *refused(struct rig *r)
{
	assert_int_equal(eal_args_make(&r->args, &r->conf, &r->machine, NULL, 0, r->err, sizeof(r->err)), -1);
	return r->err;
}

/* Not inlined: with UBSan's checks for null in between, gcc warns of a null to be printed. */
__attribute__((noinline)) static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part) == NULL)
		fail_msg("\"%s\" is not in: %s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part) != NULL)
		fail_msg("\"%s\" is in: %s", part, text);
}

static void lcores_float_over_all_cpus_that_we_may_use(void **state)
{
	struct rig *r = rig();

	(void)state;
	r->conf.fastpath.cores_max = 3;
	assert_has(made(r, NULL, 0), "--lcores=0@(0-1),(1-3)@(0-1) --main-lcore=0 ");
}

static void one_cpu_is_enough_for_any_number_of_cores(void **state)
{
	struct rig *r = rig();

	(void)state;
	CPU_CLR(0, &r->machine.cpus);
	r->conf.fastpath.cores_max = 64;
	assert_has(made(r, NULL, 0), "--lcores=0@(1),(1-64)@(1) ");
}

static void configured_cpus_are_kept_to(void **state)
{
	struct rig *r = rig();

	(void)state;
	for (int cpu = 0; cpu < 12; cpu++)
		CPU_SET(cpu, &r->machine.cpus);
	r->conf.slowpath.cpu = 11;
	CPU_SET(2, &r->conf.fastpath.cpus);
	CPU_SET(4, &r->conf.fastpath.cpus);
	CPU_SET(5, &r->conf.fastpath.cpus);
	assert_has(made(r, NULL, 0), "--lcores=0@(11),(1-1)@(2,4-5) ");
}

static void a_cpu_that_we_may_not_use_is_named_with_those_we_may(void **state)
{
	struct rig *r = rig();

	(void)state;
	CPU_SET(1, &r->conf.fastpath.cpus);
	CPU_SET(2, &r->conf.fastpath.cpus);
	assert_has(refused(r), "[fastpath] cpus = 1-2, but tasd may run on CPUs 0-1");
	CPU_ZERO(&r->conf.fastpath.cpus);
	r->conf.slowpath.cpu = 1023;
	assert_has(refused(r), "[slowpath] cpu = 1023, but tasd may run on CPUs 0-1");
}

static void the_longest_list_of_cpus_fits(void **state)
{
	struct rig *r = rig();

	(void)state;
	for (int cpu = 1; cpu < CPU_SETSIZE; cpu += 2)
		CPU_SET(cpu, &r->machine.cpus);
	CPU_CLR(0, &r->machine.cpus);
	assert_has(made(r, NULL, 0), ",1023),");
	r->conf.slowpath.cpu = 2;
	assert_has(refused(r), ",1023 here");
}

static void hugepages_auto_takes_them_only_if_all_memory_fits(void **state)
{
	struct rig *r = rig();

	(void)state;
	r->machine.huge_free = r->conf.memory.dpdk_memory - 1;
	assert_has(made(r, NULL, 0), "--no-huge --no-shconf -m 384 ");
	assert_has_not(r->line, "--in-memory"); /* EAL refuses the two together */
	r = rig();
	r->machine.huge_free = r->conf.memory.dpdk_memory;
	assert_has(made(r, NULL, 0), "--in-memory -m 384 ");
	assert_has_not(r->line, "--no-huge");
}

static void hugepages_off_leaves_them_to_others(void **state)
{
	struct rig *r = rig();

	(void)state;
	r->machine.huge_free = 1ull << 40;
	r->conf.memory.hugepages = CONF_OFF;
	assert_has(made(r, NULL, 0), "--no-huge ");
}

static void hugepages_on_without_enough_names_the_remedy(void **state)
{
	struct rig *r = rig();

	(void)state;
	r->conf.memory.hugepages = CONF_ON;
	r->machine.huge_free = 8 << 20;
	assert_has(refused(r),
		"needs 384 MiB in free huge pages, and there are 8: sysctl -w vm.nr_hugepages=192");
	r->machine.huge_page_size = 0;
	assert_has(refused(r), "no huge pages: set hugepages = off");
}

static void memory_is_rounded_up_to_whole_mebibytes(void **state)
{
	struct rig *r = rig();

	(void)state;
	r->conf.memory.dpdk_memory = (64 << 20) + 1;
	assert_has(made(r, NULL, 0), "-m 65 ");
}

static void only_a_pci_device_makes_eal_look_at_the_bus(void **state)
{
	struct rig *r = rig();

	(void)state;
	assert_has(made(r, NULL, 0), "--no-pci ");
	assert_has_not(r->line, " -a ");
	r = rig();
	strcpy(r->conf.port.device, "0000:03:00.0");
	assert_has(made(r, NULL, 0), "-a 0000:03:00.0 ");
	assert_has_not(r->line, "--no-pci");
	r = rig();
	strcpy(r->conf.port.device, "eth_ring0"); /* which tasd.conf refuses */
	assert_has(made(r, NULL, 0), "--no-pci ");
}

static void two_instances_do_not_share_files(void **state)
{
	struct rig *r = rig();

	(void)state;
	strcpy(r->conf.tasd.instance, "blue");
	assert_has(made(r, NULL, 0), "--file-prefix=tasd-blue ");
}

static void the_operators_arguments_come_last(void **state)
{
	struct rig *r = rig();
	char *extra[] = { (char *)"--log-level=*:debug", (char *)"--iova-mode=va" };
	const char *line;

	(void)state;
	line = made(r, extra, 2);
	assert_string_equal(line + strlen(line) - strlen("--log-level=*:debug --iova-mode=va "),
		"--log-level=*:debug --iova-mode=va ");
}

static void cores_and_help_are_not_eals(void **state)
{
	static const char *const words[] = { "-l", "-l0-3", "-c", "-c0x3", "--lcores", "--lcores=0",
		"--lcor=0", "--main-lcore=1", "-h", "-vh", "--help", "--he" };
	static const char *const fine[] = { "-v", "-m", "512", "--log-level=help", "--legacy-mem",
		"--huge-dir=/l", "-b", "0000:0c:00.0", "-" };
	struct rig *r = rig();

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		char *extra = (char *)(uintptr_t)words[i];

		if (eal_args_make(&r->args, &r->conf, &r->machine, &extra, 1, r->err, sizeof(r->err)) == 0)
			fail_msg("%s was taken", words[i]);
		assert_has(r->err, words[i]);
		assert_has(r->err, strchr(words[i], 'h') != NULL ? "tasd --help" : "[fastpath] cores_max");
	}
	for (unsigned i = 0; i < ARRAY_LEN(fine); i++) {
		char *extra = (char *)(uintptr_t)fine[i];

		made(rig(), &extra, 1);
	}
}

static void too_many_of_them_are_refused(void **state)
{
	struct rig *r = rig();
	static char *extra[EAL_ARGS_MAX];

	(void)state;
	for (int i = 0; i < EAL_ARGS_MAX; i++)
		extra[i] = (char *)"-v";
	assert_int_equal(eal_args_make(&r->args, &r->conf, &r->machine, extra, EAL_ARGS_MAX, r->err,
				 sizeof(r->err)),
		-1);
	assert_has(r->err, "128 EAL arguments behind --: at most ");
}

static void the_machine_has_the_cpus_of_this_thread(void **state)
{
	struct eal_machine m;
	cpu_set_t own;

	(void)state;
	eal_machine_look(&m);
	assert_int_equal(sched_getaffinity(0, sizeof(own), &own), 0);
	assert_true(CPU_EQUAL(&own, &m.cpus));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lcores_float_over_all_cpus_that_we_may_use),
		cmocka_unit_test(one_cpu_is_enough_for_any_number_of_cores),
		cmocka_unit_test(configured_cpus_are_kept_to),
		cmocka_unit_test(a_cpu_that_we_may_not_use_is_named_with_those_we_may),
		cmocka_unit_test(the_longest_list_of_cpus_fits),
		cmocka_unit_test(hugepages_auto_takes_them_only_if_all_memory_fits),
		cmocka_unit_test(hugepages_off_leaves_them_to_others),
		cmocka_unit_test(hugepages_on_without_enough_names_the_remedy),
		cmocka_unit_test(memory_is_rounded_up_to_whole_mebibytes),
		cmocka_unit_test(only_a_pci_device_makes_eal_look_at_the_bus),
		cmocka_unit_test(two_instances_do_not_share_files),
		cmocka_unit_test(the_operators_arguments_come_last),
		cmocka_unit_test(cores_and_help_are_not_eals),
		cmocka_unit_test(too_many_of_them_are_refused),
		cmocka_unit_test(the_machine_has_the_cpus_of_this_thread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
