/* SPDX-License-Identifier: BSD-3-Clause */
/* The text behind each key of tasd.conf: what is taken, at its bounds, and what is refused just beyond them.
 * The bounds stand here a second time on purpose: a slip in the table is a difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "slowpath/conf_table.h"

#define LIST(...) \
	(const char *const[]) { __VA_ARGS__, NULL }
#define SWITCHES LIST("off", "on", "auto"), LIST("", "yes", "ON", "0", "on auto", "of")
#define BOOLS LIST("off", "on"), LIST("", "auto", "true", "1")
#define INT_JUNK "", "x", "1x", "0x10", "1.5", "1e3", "+7", "--7", "1 0", "99999999999999999999", "1K"
#define SIZE_JUNK \
	"", "K", "1KB", "64 K", "0x10000", "-64K", "64Q", "64KK", "99999999999999999999", "99999999999G"
#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define A62 A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *section, *name, *standard;
	const char *const *good;
	const char *const *bad;
} expected[] = {
	{ "tasd", "instance", "default", LIST("a", "a_b-9", A32), LIST("", "A", "a b", "a/b", ".", A32 "a") },
	{ "tasd", "log_level", "info", LIST("error", "warning", "info", "debug"),
		LIST("", "warn", "Info", "7") },
	{ "tasd", "log", "stderr", LIST("stderr", "syslog", "/var/log/tasd.log"),
		LIST("", "tasd.log", "stdout") },
	{ "tasd", "socket_mode", "0666", LIST("0", "0777", "660", "0666"),
		LIST("", "01000", "0668", "-1", "rw") },
	{ "tasd", "socket_group", "", LIST("", "tas", "adm"), LIST("a b", "a:b", A32 "a") },
	{ "tasd", "run_dir", "/run/tasd", LIST("/run/x", "/" A62), LIST("", "run", "./run", "/" A62 "a") },
	{ "port", "device", "",
		LIST("0000:03:00.0", "03:00.7", "0000:af:1f.7,x=1", "net_ring0", "net_af_packet0,iface=eth1"),
		LIST("", "eth1", "eth_ring0", "0000:03:00", "0000:03:00.0x", "0000:03:00.f", "03:00.8",
			"0000:0g:00.0", "net_a b", "net_", "3:00.0", "mlx5_0", "vdev:net_tap0") },
	{ "port", "mtu", "1500", LIST("0", "576", "1500", "9000"),
		LIST("1", "575", "9001", "-576", INT_JUNK) },
	{ "port", "checksum_offload", "auto", SWITCHES },
	{ "port", "tso", "auto", SWITCHES },
	{ "port", "rss", "auto", SWITCHES },
	{ "port", "rx_descriptors", "1024", LIST("64", "32768"), LIST("63", "32769", INT_JUNK) },
	{ "port", "tx_descriptors", "1024", LIST("64", "32768"), LIST("63", "32769", INT_JUNK) },
	{ "ip", "address", "",
		LIST("10.0.0.1/24", "10.0.0.0/31", "10.0.0.1/32", "126.1.2.3/1", "192.0.2.254/24"),
		LIST("", "10.0.0.1", "10.0.0.1/0", "10.0.0.1/33", "10.0.0.1/", "10.0.0.1/-1", "10.0.0.256/24",
			"10.0.0.0/24", "10.0.0.255/24", "127.0.0.1/8", "0.0.0.0/8", "224.0.0.5/24",
			"255.255.255.255/32", "2001:db8::1/64", "10.0.0/24", "10.0.0.1/24x") },
	{ "ip", "gateway", "", LIST("", "10.0.0.254"), LIST("10.0.0", "10.0.0.1/24", "gw", "2001:db8::1") },
	{ "ip", "address6", "",
		LIST("", "2001:db8::1/64", "fd00::1/1", "fe80::5/64", "2001:db8::/128",
			"2001:DB8:0:0:0:0:0:1/126"),
		LIST("2001:db8::1", "2001:db8::1/0", "2001:db8::1/129", "::1/128", "::/64", "ff02::1/64",
			"10.0.0.1/24", "::ffff:10.0.0.1/120", "2001:db8::1/", "fe80::1%eth0/64") },
	{ "ip", "gateway6", "", LIST("", "fe80::1", "2001:db8::1"),
		LIST("10.0.0.1", "::", "::1", "ff02::2", "fe80::1/64", "fe80::1%eth0") },
	{ "ip", "autoconf6", "off", LIST("off", "on"), LIST("auto", "yes", "") },
	{ "fastpath", "cores_max", "1", LIST("1", "64"), LIST("0", "65", "-1", INT_JUNK) },
	{ "fastpath", "cores_min", "1", LIST("1", "64"), LIST("0", "65", "-1", INT_JUNK) },
	{ "fastpath", "cpus", "", LIST("", "0", "1-3,5", "0-1023", "7,7", "1,0"),
		LIST("1024", "3-1", "1-", "-1", "1,,2", "1,", ",1", "a", "1-2-3", "1 2",
			"99999999999999999999") },
	{ "fastpath", "idle_ms", "10", LIST("0", "10000"), LIST("10001", "-1", INT_JUNK) },
	{ "slowpath", "cpu", "-1", LIST("-1", "0", "1023"), LIST("-2", "1024", "-", "any", INT_JUNK) },
	{ "memory", "hugepages", "auto", SWITCHES },
	{ "memory", "flows_max", "65536", LIST("64", "65", "4194304"), LIST("63", "4194305", INT_JUNK) },
	{ "memory", "rx_buffer", "128K", LIST("4096", "4K", "4k", "1024K", "16M", "16777216"),
		LIST("2K", "32M", "5K", "4097", "1G", "0", SIZE_JUNK) },
	{ "memory", "tx_buffer", "128K", LIST("4K", "16M"), LIST("2K", "32M", "48K", SIZE_JUNK) },
	{ "memory", "rx_buffer_max", "4M", LIST("0", "4K", "16M"), LIST("2K", "32M", "5M", SIZE_JUNK) },
	{ "memory", "tx_buffer_max", "4M", LIST("0", "4K", "16M"), LIST("2K", "32M", "5M", SIZE_JUNK) },
	{ "memory", "apps_max", "512", LIST("1", "4096"), LIST("0", "4097", INT_JUNK) },
	{ "memory", "memory_max", "0", LIST("0", "1", "64M", "1024G"), LIST("1025G", SIZE_JUNK) },
	{ "memory", "app_memory_max", "1G", LIST("1M", "3M", "1048577", "1024G"),
		LIST("1048575", "1025G", "0", SIZE_JUNK) },
	{ "memory", "app_flows_max", "32768", LIST("64", "1048576"), LIST("32", "96", "2097152", INT_JUNK) },
	{ "memory", "app_contexts_max", "128", LIST("1", "1024"), LIST("0", "1025", INT_JUNK) },
	{ "memory", "unaccepted_max", "64M", LIST("0", "1M", "1024G"), LIST("1025G", SIZE_JUNK) },
	{ "memory", "dpdk_memory", "384M", LIST("64M", "1024G"), LIST("63M", "256", "1025G", SIZE_JUNK) },
	{ "tcp", "congestion", "bbr", LIST("bbr", "cubic", "newreno", "dctcp", "timely", "const-rate"),
		LIST("", "vegas", "Cubic", "reno") },
	{ "tcp", "congestion_to", "",
		LIST("", "10.0.0.0/8 bbr", "0.0.0.0/0 const-rate", "10.0.0.1/32 cubic", "10.0.0.1 dctcp",
			"fd00::/8\t timely", "::/0 newreno", "2001:db8::5 bbr"),
		LIST("bbr", "10.0.0.0/8", "10.0.0.0/8 ", "10.0.0.0/8 vegas", "10.0.0.0/8 Bbr",
			"10.0.0.0/8 bbr cubic", "10.0.0.0/33 bbr", "10.0.0.0/-1 bbr", "10.0.0.1/8 bbr",
			"10.0.0/8 bbr", "10.0.0.0 /8 bbr", "fd00::1/8 bbr", "fd00::/129 bbr", "::1/64 bbr",
			"::ffff:10.0.0.0/104 bbr", "::ffff:0:0/95 bbr", "bbr 10.0.0.0/8", "10.0.0.0/8,bbr",
			"2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000/32 bbr") },
	{ "tcp", "const_rate", "100", LIST("1", "400000"), LIST("", "0", "400001", "fast") },
	{ "tcp", "rto_min_ms", "200", LIST("1", "120000"), LIST("0", "120001", "200ms", INT_JUNK) },
	{ "tcp", "rto_max_ms", "120000", LIST("100", "600000"), LIST("99", "600001", INT_JUNK) },
	{ "tcp", "rto_initial_ms", "1000", LIST("1", "60000"), LIST("0", "60001", INT_JUNK) },
	{ "tcp", "delack_ms", "4", LIST("0", "499"), LIST("500", "-1", INT_JUNK) },
	{ "tcp", "delack_answer_ms", "40", LIST("0", "499"), LIST("500", "-1", INT_JUNK) },
	{ "tcp", "time_wait_ms", "60000", LIST("1", "600000"), LIST("0", "600001", INT_JUNK) },
	{ "tcp", "fin_wait2_ms", "60000", LIST("1", "600000"), LIST("0", "600001", INT_JUNK) },
	{ "tcp", "syn_retries", "7", LIST("1", "127"), LIST("0", "128", INT_JUNK) },
	{ "tcp", "synack_retries", "5", LIST("0", "127"), LIST("128", "-1", INT_JUNK) },
	{ "tcp", "retries", "15", LIST("1", "255"), LIST("0", "256", INT_JUNK) },
	{ "tcp", "backlog_max", "4096", LIST("1", "65535"), LIST("0", "65536", INT_JUNK) },
	{ "tcp", "syn_cookies", "auto", SWITCHES },
	{ "tcp", "initial_cwnd", "10", LIST("1", "100"), LIST("0", "101", INT_JUNK) },
	{ "tcp", "timestamps", "on", BOOLS },
	{ "tcp", "sack", "on", BOOLS },
	{ "tcp", "window_scaling", "on", BOOLS },
	{ "tcp", "ecn", "off", BOOLS },
	{ "tcp", "mtu_probing", "on", BOOLS },
	{ "tcp", "cc_interval_us", "500", LIST("200", "1000000"), LIST("199", "1000001", INT_JUNK) },
	{ "tcp", "port_range", "32768-60999", LIST("1-65535", "80-80"),
		LIST("", "0-10", "1-65536", "9-8", "80", "80-", "-80", "1-2-3", "1 - 2", "a-b") },
};

static void set_ok(struct tas_conf *c, const char *section, const char *name, const char *value)
{
	const struct conf_key *k = conf_key_find(section, name);
	char why[128] = "";

	assert_non_null(k);
	if (!conf_value_set(k, value, c, why, sizeof(why)))
		fail_msg("%s.%s = %s is refused: it %s", section, name, value, why);
}

static void set_refused(struct tas_conf *c, const char *section, const char *name, const char *value)
{
	const struct conf_key *k = conf_key_find(section, name);
	struct tas_conf before = *c;
	char why[128] = "";

	assert_non_null(k);
	if (conf_value_set(k, value, c, why, sizeof(why)))
		fail_msg("%s.%s = %s is taken", section, name, value);
	assert_string_not_equal(why, "");
	assert_memory_equal(c, &before, sizeof(before));
}

static void every_key_of_the_table_is_expected_here_and_has_the_expected_default(void **state)
{
	(void)state;
	assert_int_equal(conf_keys_count, ARRAY_LEN(expected));
	for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
		assert_string_equal(conf_keys[i].section, expected[i].section);
		assert_string_equal(conf_keys[i].name, expected[i].name);
		assert_string_equal(conf_keys[i].standard, expected[i].standard);
	}
}

static void every_key_takes_what_is_allowed_to_its_bounds(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(expected); i++) {
		for (unsigned j = 0; expected[i].good[j] != NULL; j++) {
			struct tas_conf c;

			conf_defaults(&c);
			set_ok(&c, expected[i].section, expected[i].name, expected[i].good[j]);
		}
	}
}

static void every_key_refuses_what_lies_beyond_its_bounds_and_keeps_its_value(void **state)
{
	struct tas_conf c;

	(void)state;
	conf_defaults(&c);
	for (unsigned i = 0; i < ARRAY_LEN(expected); i++)
		for (unsigned j = 0; expected[i].bad[j] != NULL; j++)
			set_refused(&c, expected[i].section, expected[i].name, expected[i].bad[j]);
}

static void defaults_are_what_the_table_says(void **state)
{
	struct tas_conf c;

	(void)state;
	memset(&c, 0xff, sizeof(c));
	conf_defaults(&c);
	assert_string_equal(c.tasd.instance, "default");
	assert_int_equal(c.tasd.log_level, TAS_LOG_INFO);
	assert_int_equal(c.tasd.socket_mode, 0666);
	assert_string_equal(c.tasd.socket_group, "");
	assert_string_equal(c.port.device, "");
	assert_int_equal(c.port.mtu, 1500);
	assert_int_equal(c.port.tso, CONF_AUTO);
	assert_int_equal(c.ip.addresses, 0);
	assert_false(c.ip.has_gateway);
	assert_int_equal(CPU_COUNT(&c.fastpath.cpus), 0);
	assert_int_equal(c.slowpath.cpu, -1);
	assert_int_equal(c.memory.rx_buffer, 128 * 1024);
	assert_true(c.memory.app_memory_max == 1ull << 30);
	assert_true(c.memory.dpdk_memory == 384ull << 20);
	assert_string_equal(c.tcp.congestion, "bbr");
	assert_int_equal(c.tcp.congestion_routes, 0);
	assert_true(c.tcp.timestamps && c.tcp.sack && c.tcp.window_scaling);
	assert_false(c.tcp.ecn);
	assert_int_equal(c.tcp.port_range.low, 32768);
	assert_int_equal(c.tcp.port_range.high, 60999);
}

static void values_arrive_in_their_fields(void **state)
{
	struct tas_conf c;

	(void)state;
	conf_defaults(&c);
	set_ok(&c, "tasd", "log_level", "debug");
	set_ok(&c, "tasd", "socket_mode", "0640");
	set_ok(&c, "port", "rss", "on");
	set_ok(&c, "port", "tso", "off");
	set_ok(&c, "slowpath", "cpu", "7");
	set_ok(&c, "memory", "rx_buffer", "1M");
	set_ok(&c, "memory", "app_memory_max", "64G");
	set_ok(&c, "tcp", "congestion", "dctcp");
	set_ok(&c, "tcp", "sack", "off");
	set_ok(&c, "tcp", "ecn", "on");
	assert_int_equal(c.tasd.log_level, TAS_LOG_DEBUG);
	assert_int_equal(c.tasd.socket_mode, 0640);
	assert_int_equal(c.port.rss, CONF_ON);
	assert_int_equal(c.port.tso, CONF_OFF);
	assert_int_equal(c.slowpath.cpu, 7);
	assert_int_equal(c.memory.rx_buffer, 1 << 20);
	assert_int_equal(c.memory.tx_buffer, 128 << 10);
	assert_true(c.memory.app_memory_max == 64ull << 30);
	assert_string_equal(c.tcp.congestion, "dctcp");
	assert_false(c.tcp.sack);
	assert_true(c.tcp.timestamps && c.tcp.window_scaling && c.tcp.ecn);
}

static void a_list_of_cpus_names_exactly_these(void **state)
{
	struct tas_conf c;

	(void)state;
	conf_defaults(&c);
	set_ok(&c, "fastpath", "cpus", "1-3,5");
	for (unsigned i = 0; i < CONF_CPUS_MAX; i++)
		assert_int_equal(CPU_ISSET(i, &c.fastpath.cpus) != 0, (i >= 1 && i <= 3) || i == 5);
}

static void addresses_add_up_to_eight_and_none_twice(void **state)
{
	char text[32];
	struct tas_conf c;

	(void)state;
	conf_defaults(&c);
	for (unsigned i = 1; i <= 8; i++) {
		snprintf(text, sizeof(text), "10.0.%u.1/24", i);
		set_ok(&c, "ip", "address", text);
		assert_int_equal(c.ip.addresses, i);
		assert_true(addr_eq(c.ip.address[i - 1].addr, addr_v4(htobe32(0x0a000001 + (i << 8)))));
		assert_int_equal(c.ip.address[i - 1].len, 120);
	}
	set_refused(&c, "ip", "address", "10.0.9.1/24");
	conf_defaults(&c);
	set_ok(&c, "ip", "address", "10.0.1.1/24");
	set_refused(&c, "ip", "address", "10.0.1.1/16");
}

static void prefixes_for_congestion_add_up_to_32_and_none_twice(void **state)
{
	struct tas_conf c;
	char text[32];

	(void)state;
	conf_defaults(&c);
	for (unsigned i = 0; i < CONF_CONGESTION_ROUTES_MAX; i++) {
		snprintf(text, sizeof(text), "10.%u.0.0/16 bbr", i);
		set_ok(&c, "tcp", "congestion_to", text);
		assert_int_equal(c.tcp.congestion_routes, i + 1);
		assert_true(
			addr_eq(c.tcp.congestion_to[i].to.addr, addr_v4(htobe32(0x0a000000 + (i << 16)))));
		assert_int_equal(c.tcp.congestion_to[i].to.len, 112);
		assert_string_equal(c.tcp.congestion_to[i].name, "bbr");
	}
	set_refused(&c, "tcp", "congestion_to", "10.99.0.0/16 bbr");
	conf_defaults(&c);
	set_ok(&c, "tcp", "congestion_to", "10.0.0.0/8 bbr");
	set_refused(&c, "tcp", "congestion_to", "10.0.0.0/8 cubic");
	set_ok(&c, "tcp", "congestion_to", "10.0.0.0/9 cubic");
	set_ok(&c, "tcp", "congestion_to", "::/0 dctcp");
	assert_string_equal(c.tcp.congestion_to[2].name, "dctcp");
	assert_int_equal(c.tcp.congestion_to[2].to.len, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_key_of_the_table_is_expected_here_and_has_the_expected_default),
		cmocka_unit_test(every_key_takes_what_is_allowed_to_its_bounds),
		cmocka_unit_test(every_key_refuses_what_lies_beyond_its_bounds_and_keeps_its_value),
		cmocka_unit_test(defaults_are_what_the_table_says),
		cmocka_unit_test(values_arrive_in_their_fields),
		cmocka_unit_test(a_list_of_cpus_names_exactly_these),
		cmocka_unit_test(addresses_add_up_to_eight_and_none_twice),
		cmocka_unit_test(prefixes_for_congestion_add_up_to_32_and_none_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
