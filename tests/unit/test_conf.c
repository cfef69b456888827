/* SPDX-License-Identifier: BSD-3-Clause */
/* tasd.conf as a file: its grammar, line numbers, every error at once, and what values must agree on. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "slowpath/conf_table.h"

#define BASE "[port]\ndevice = net_null0\n[ip]\naddress = 10.0.0.1/24\n"

struct loaded {
	int result;
	struct tas_conf conf;
	struct conf_errors errs;
};

static struct loaded load_bytes(const char *bytes, size_t len)
{
	struct loaded l = { 0 };
	char path[64];
	int fd = memfd_create("tasd.conf", 0);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	l.result = conf_load(path, &l.conf, &l.errs);
	close(fd);
	assert_int_equal(l.result, l.errs.count == 0 ? 0 : -1);
	return l;
}

static struct loaded load(const char *text) { return load_bytes(text, strlen(text)); }

static void show(const struct loaded *l) { conf_errors_print(&l->errs, stderr); }

/* The file is right. */
static struct tas_conf load_ok(const char *text)
{
	struct loaded l = load(text);

	show(&l);
	assert_int_equal(l.result, 0);
	return l.conf;
}

/* The file has exactly one error, in this line (0: in none), and its message has this in it. */
static void load_wrong(const char *text, unsigned line, const char *message)
{
	struct loaded l = load(text);
	char at[16] = ": ";

	if (l.errs.count != 1 || strstr(l.errs.text[0], message) == NULL)
		show(&l);
	assert_int_equal(l.errs.count, 1);
	assert_non_null(strstr(l.errs.text[0], message));
	if (line != 0)
		snprintf(at, sizeof(at), ":%u: ", line);
	assert_memory_equal(strchr(l.errs.text[0], ':'), at, strlen(at));
	conf_errors_free(&l.errs);
}

static void the_smallest_file_is_a_device_and_an_address(void **state)
{
	struct tas_conf c = load_ok(BASE);

	(void)state;
	assert_string_equal(c.port.device, "net_null0");
	assert_int_equal(c.ip.addresses, 1);
	assert_int_equal(c.port.mtu, 1500);
}

static void blanks_comments_and_line_ends_of_windows_do_not_matter(void **state)
{
	struct tas_conf c = load_ok(
		"\xef\xbb\xbf# top\r\n[ port ] # the port\r\n\tdevice=net_null0 \t# x\r\n\r\n"
		"mtu   =\t2000\r\n  # in between\n[ip]\r\naddress = 10.0.0.1/24");

	(void)state;
	assert_string_equal(c.port.device, "net_null0");
	assert_int_equal(c.port.mtu, 2000);
}

static void a_section_may_be_opened_again(void **state)
{
	(void)state;
	assert_int_equal(load_ok(BASE "[port]\nmtu = 2000\n").port.mtu, 2000);
}

static void an_escaped_number_sign_is_part_of_the_value(void **state)
{
	(void)state;
	assert_string_equal(load_ok(BASE "[tasd]\nlog = /a\\#b\\c # c\n").tasd.log, "/a#b\\c");
}

static void a_line_may_go_on_in_the_next(void **state)
{
	struct tas_conf c = load_ok(
		"[ip]\naddress = 10.0.0.1/24\n[port]\ndevice = \\\n  net_null0,\\\nsize=64\nmtu = 2000\\");

	(void)state;
	assert_string_equal(c.port.device, "net_null0,size=64");
	assert_int_equal(c.port.mtu, 2000);
	assert_int_equal(load_ok(BASE "[port]\r\nmtu = \\\r\n2000\r\n").port.mtu, 2000);
}

static void an_unknown_section_is_named_once_with_those_that_exist(void **state)
{
	(void)state;
	load_wrong(BASE "[prot]\nmtu = 1\nx = 2\n", 5,
		"[prot] is not a section; allowed: tasd, port, ip, fastpath, slowpath, memory, tcp");
}

static void a_section_without_bracket_is_named(void **state)
{
	(void)state;
	load_wrong(BASE "[tcp\nsack = on\n", 5, "\"[tcp\" has no \"]\"");
}

static void an_unknown_key_is_named_with_those_that_exist(void **state)
{
	(void)state;
	load_wrong(BASE "[fastpath]\ncores = 1\n", 6,
		"\"cores\" is not a key of [fastpath]; allowed: cores_max, cores_min, cpus, idle_ms");
}

static void a_key_in_the_wrong_section_is_told_where_it_belongs(void **state)
{
	(void)state;
	load_wrong(BASE "mtu = 1500\n", 5, "\"mtu\" is not a key of [ip]; it belongs into [port]");
}

static void a_key_given_twice_is_told_where_it_was_first(void **state)
{
	(void)state;
	load_wrong(BASE "[port]\nmtu = 1500\n\n[port]\nmtu = 1500\n", 9,
		"port.mtu: given again (first in line 6)");
	load_wrong(BASE "[port]\ndevice = net_null1\n", 6, "one port is supported");
}

static void a_line_without_equals_sign_is_named(void **state)
{
	(void)state;
	load_wrong(BASE "gateway 10.0.0.2\n", 5, "\"gateway 10.0.0.2\" has no \"=\"");
	load_wrong(BASE "; other comment\n", 5, "# COMMENT");
}

static void a_key_before_the_first_section_is_named(void **state)
{
	(void)state;
	load_wrong("mtu = 1500\n" BASE, 1, "\"mtu\" stands before the first section");
}

static void a_bad_value_is_named_with_what_is_allowed(void **state)
{
	(void)state;
	load_wrong(BASE "[port]\nmtu = 99999\n", 6,
		"port.mtu: \"99999\" is out of range; allowed: 0 or 576..9000");
	load_wrong(BASE "[port]\nrss =\n", 6, "port.rss: the value is empty; allowed: off, on, auto");
	load_wrong(BASE "[memory]\nrx_buffer = 5K\n", 6,
		"memory.rx_buffer: \"5K\" is not a power of two; allowed: 4K..16M, a power of two");
	load_wrong("[ip]\naddress=10.0.0.1/24\n[port]\ndevice = eth1\n", 4, "net_af_packet0,iface=eth1");
	load_wrong(BASE "[tcp]\ncongestion_to = 10.0.0.0/8 vegas\n", 6,
		"tcp.congestion_to: \"10.0.0.0/8 vegas\" does not end with one of bbr, cubic, newreno, "
		"dctcp, timely, const-rate; allowed: a prefix and a choice of congestion (10.0.0.0/8 bbr)");
	load_wrong(BASE "[tcp]\ncongestion_to = 10.0.0.1/8 bbr\n", 6,
		"\"10.0.0.1/8 bbr\" has bits behind the length of its prefix");
	load_wrong(BASE "[tcp]\ncongestion_to = 10.0.0.0/8 bbr\ncongestion_to = 10.0.0.0/8 cubic\n", 7,
		"has a prefix that was given before");
}

static void an_error_names_the_line_in_which_its_text_begins(void **state)
{
	(void)state;
	load_wrong("# c\n# c\n" BASE "  # c\n[port]\n\n# c\nmtu = 1\n", 11, "port.mtu");
	load_wrong(BASE "[tasd]\nlog = /a\\\n\\\nb\n# c\ninstance = X\n", 10, "tasd.instance");
	load_wrong(BASE "[port]\nmtu = \\\n# c \\\n  1\nrss = on\n", 6, "port.mtu");
	load_wrong(BASE "# a comment does not go on \\\n[port]\nmtu = 1\n", 7, "port.mtu");
}

static void every_error_of_the_file_is_reported_at_once(void **state)
{
	struct loaded l = load(
		"x = 1\n[port]\nmtu = 1\nrss = maybe\nnot\n[wrong]\n[tcp]\nfoo = 1\nretries = 0\n");
	static const char *const parts[] = { ":1: \"x\"", ":3: port.mtu", ":4: port.rss", ":5: \"not\"",
		":6: [wrong]", ":8: \"foo\"", ":9: tcp.retries", ": port.device: missing",
		": ip.address: missing" };

	(void)state;
	assert_int_equal(l.errs.count, ARRAY_LEN(parts));
	for (unsigned i = 0; i < ARRAY_LEN(parts); i++)
		assert_non_null(strstr(l.errs.text[i], parts[i]));
	conf_errors_free(&l.errs);
}

static void more_errors_than_are_kept_are_counted(void **state)
{
	char text[4096] = BASE;
	struct loaded l;

	(void)state;
	for (unsigned i = 0; i < CONF_ERRORS_MAX + 10; i++)
		strcat(text, "nothing\n");
	l = load(text);
	assert_int_equal(l.errs.count, CONF_ERRORS_MAX + 10);
	conf_errors_free(&l.errs);
	assert_int_equal(l.errs.count, 0);
}

static void an_empty_file_names_what_is_required(void **state)
{
	struct loaded l = load("");

	(void)state;
	assert_int_equal(l.errs.count, 2);
	assert_non_null(strstr(l.errs.text[0], "port.device: missing; give a PCI address"));
	assert_non_null(strstr(l.errs.text[1], "ip.address: missing; give an IPv4 address"));
	conf_errors_free(&l.errs);
}

static void load_path_wrong(const char *path, const char *message)
{
	struct loaded l = { 0 };

	assert_int_equal(conf_load(path, &l.conf, &l.errs), -1);
	assert_int_equal(l.errs.count, 1);
	assert_non_null(strstr(l.errs.text[0], path));
	assert_non_null(strstr(l.errs.text[0], message));
	conf_errors_free(&l.errs);
}

static void what_is_no_readable_file_is_named(void **state)
{
	struct loaded l = { 0 };
	char fifo[64];

	(void)state;
	load_path_wrong("/nonexistent/tasd.conf", "No such file");
	load_path_wrong("/proc/self", "is a directory");
	load_path_wrong("/dev/zero", "larger than 1 MiB");
	snprintf(fifo, sizeof(fifo), "/tmp/tas_test_conf_%d", getpid());
	assert_int_equal(mkfifo(fifo, 0600), 0);
	assert_int_equal(conf_load(fifo, &l.conf, &l.errs), -1); /* at once, although nobody writes */
	unlink(fifo);
	assert_int_equal(l.errs.count, 2);
	conf_errors_free(&l.errs);
}

static void a_file_without_the_right_to_read_is_named(void **state)
{
	char path[64];
	uid_t uid = geteuid();
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/tas_test_conf_%d", getpid());
	fd = creat(path, 0);
	assert_true(fd >= 0);
	close(fd);
	if (uid == 0)
		assert_int_equal(seteuid(65534), 0);
	load_path_wrong(path, "Permission denied");
	if (uid == 0)
		assert_int_equal(seteuid(0), 0);
	unlink(path);
}

static void bytes_that_are_no_text_end_in_messages_that_are(void **state)
{
	static const char zero[] = BASE "[port]\nmtu = 1\0"
					"500\n",
			  escape[] = BASE "[port]\nmtu = \x1b[31m\x07\n";
	struct loaded l = load_bytes(zero, sizeof(zero) - 1);

	(void)state;
	assert_int_equal(l.errs.count, 1);
	assert_non_null(strstr(l.errs.text[0], ":6: there is a zero byte"));
	conf_errors_free(&l.errs);
	load_wrong(escape, 6, "\"?[31m?\" is not");
}

static void random_bytes_never_break_the_reader(void **state)
{
	static const char alphabet[] = "[]=#\\\n\r\t \0-,./0159KMGamtuipdevrsx";
	static char text[2048];
	uint32_t x = 1;

	(void)state;
	for (unsigned round = 0; round < 2000; round++) {
		struct loaded l;
		size_t len = round % sizeof(text);

		for (size_t i = 0; i < len; i++) {
			x = x * 1664525 + 1013904223;
			text[i] = round % 2 ? (char)(x >> 24) : alphabet[(x >> 16) % (sizeof(alphabet) - 1)];
		}
		l = load_bytes(text, len);
		assert_int_equal(l.result, -1);
		conf_errors_free(&l.errs);
	}
}

static void a_very_long_line_is_shown_shortened(void **state)
{
	static char text[20000] = BASE "[port]\nmtu = ";
	struct loaded l;

	(void)state;
	memset(text + strlen(text), '7', 15000);
	l = load(text);
	assert_int_equal(l.errs.count, 1);
	assert_true(strlen(l.errs.text[0]) < 256);
	conf_errors_free(&l.errs);
}

static void the_gateway_is_a_host_in_a_subnet_of_tasd(void **state)
{
	(void)state;
	assert_true(load_ok(BASE "gateway = 10.0.0.254\n").ip.has_gateway);
	assert_true(load_ok(BASE "gateway = 10.9.0.1\naddress = 10.9.0.2/31\naddress = 10.9.0.3/24\n")
			    .ip.has_gateway);
	assert_false(load_ok(BASE "gateway =\n").ip.has_gateway);
	load_wrong(BASE "gateway = 10.0.1.1\n", 5, "\"10.0.1.1\" is not inside a subnet of ip.address");
	load_wrong(BASE "gateway = 10.0.0.1\n", 5, "is tasd's own address");
	load_wrong(BASE "gateway = 10.0.0.255\n", 5, "broadcast");
	load_wrong(BASE "gateway = 10.0.0.0\n", 5, "broadcast");
}

static void dpdk_memory_holds_the_tables_of_all_flows(void **state)
{
	(void)state;
	load_ok(BASE "[memory]\nflows_max = 4194304\ndpdk_memory = 16G\n");
	load_wrong(BASE "[memory]\nflows_max = 4194304\ndpdk_memory = 3G\n", 7,
		"3G is too little for flows_max=4194304 and apps_max=512; allowed: at least ");
	load_wrong(BASE "[memory]\nflows_max = 1000000\n", 6, "384M is too little for flows_max=1000000");
	load_ok(BASE "[memory]\ndpdk_memory = 128M\nflows_max = 16384\n");
}

static void one_mistake_is_one_message(void **state)
{
	(void)state;
	load_wrong("[port]\ndevice = net_null0\n[ip]\naddress = 10.0.0.1\ngateway = 10.0.0.2\n", 4,
		"no prefix length");
	load_wrong(BASE "[tcp]\nrto_min_ms = x\nrto_max_ms = 100\nrto_initial_ms = 100\n", 6,
		"tcp.rto_min_ms");
	load_wrong(BASE "[fastpath]\ncores_max = 99\ncpus = 1\n", 6, "fastpath.cores_max");
}

static void one_connection_fits_into_the_memory_of_an_application(void **state)
{
	(void)state;
	load_ok(BASE "[memory]\napp_memory_max = 32M\nrx_buffer = 16M\ntx_buffer = 16M\n");
	load_wrong(BASE "[memory]\napp_memory_max = 31M\nrx_buffer = 16M\ntx_buffer = 16M\n", 6,
		"31M does not hold one connection; allowed: at least rx_buffer + tx_buffer (16M + 16M)");
}

static void a_list_of_cpus_is_long_enough_for_the_cores(void **state)
{
	(void)state;
	load_ok(BASE "[fastpath]\ncores_max = 3\ncpus = 1-3\n");
	load_ok(BASE "[fastpath]\ncores_max = 3\ncpus =\n");
	load_ok(BASE "[fastpath]\ncores_max = 3\ncores_min = 3\n");
	load_wrong(BASE "[fastpath]\ncores_max = 3\ncores_min = 4\n", 7,
		"fastpath.cores_min: 4 is more than cores_max = 3; allowed: at most 3");
	load_wrong(BASE "[fastpath]\ncores_max = 4\ncpus = 1-3\n", 7, "3 CPUs are fewer than cores_max = 4");
}

static void retransmission_timeouts_are_in_order(void **state)
{
	(void)state;
	load_ok(BASE "[tcp]\nrto_min_ms = 1000\nrto_initial_ms = 1000\nrto_max_ms = 1000\n");
	load_wrong(BASE "[tcp]\nrto_initial_ms = 2000\nrto_max_ms = 1999\n", 6,
		"2000 is more than rto_max_ms = 1999");
	load_wrong(BASE "[tcp]\n\nrto_min_ms = 1001\n", 7, "1001 is more than rto_initial_ms = 1000");
	load_wrong(BASE "[tcp]\nrto_initial_ms = 100\n", 6,
		"tcp.rto_min_ms: 200 is more than rto_initial_ms = 100");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_smallest_file_is_a_device_and_an_address),
		cmocka_unit_test(blanks_comments_and_line_ends_of_windows_do_not_matter),
		cmocka_unit_test(a_section_may_be_opened_again),
		cmocka_unit_test(an_escaped_number_sign_is_part_of_the_value),
		cmocka_unit_test(a_line_may_go_on_in_the_next),
		cmocka_unit_test(an_unknown_section_is_named_once_with_those_that_exist),
		cmocka_unit_test(a_section_without_bracket_is_named),
		cmocka_unit_test(an_unknown_key_is_named_with_those_that_exist),
		cmocka_unit_test(a_key_in_the_wrong_section_is_told_where_it_belongs),
		cmocka_unit_test(a_key_given_twice_is_told_where_it_was_first),
		cmocka_unit_test(a_line_without_equals_sign_is_named),
		cmocka_unit_test(a_key_before_the_first_section_is_named),
		cmocka_unit_test(a_bad_value_is_named_with_what_is_allowed),
		cmocka_unit_test(an_error_names_the_line_in_which_its_text_begins),
		cmocka_unit_test(every_error_of_the_file_is_reported_at_once),
		cmocka_unit_test(more_errors_than_are_kept_are_counted),
		cmocka_unit_test(an_empty_file_names_what_is_required),
		cmocka_unit_test(what_is_no_readable_file_is_named),
		cmocka_unit_test(a_file_without_the_right_to_read_is_named),
		cmocka_unit_test(bytes_that_are_no_text_end_in_messages_that_are),
		cmocka_unit_test(random_bytes_never_break_the_reader),
		cmocka_unit_test(a_very_long_line_is_shown_shortened),
		cmocka_unit_test(the_gateway_is_a_host_in_a_subnet_of_tasd),
		cmocka_unit_test(dpdk_memory_holds_the_tables_of_all_flows),
		cmocka_unit_test(one_mistake_is_one_message),
		cmocka_unit_test(one_connection_fits_into_the_memory_of_an_application),
		cmocka_unit_test(a_list_of_cpus_is_long_enough_for_the_cores),
		cmocka_unit_test(retransmission_timeouts_are_in_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
