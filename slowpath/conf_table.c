/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conf_table.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "include/base/assert.h"

#define K 1024ll
#define M (1024 * K)
#define G (1024 * M)

#define KEY(s, field)                                                                \
	.section = #s, .name = #field, .offset = offsetof(struct tas_conf, s.field), \
	.size = sizeof(((struct tas_conf *)0)->s.field)
#define INT(low, high, of, std) .type = CONF_INT, .min = low, .max = high, .unit = of, .standard = std
#define SIZE(low, high, std) .type = CONF_SIZE, .min = low, .max = high, .unit = "bytes", .standard = std
#define CHOICE(of, std) .type = CONF_CHOICE, .words = of, .unit = "", .standard = std
#define TEXT(of, what, std) .type = of, .words = what, .unit = "", .standard = std

#define OFF_ON "off on"
#define OFF_ON_AUTO "off on auto"

const struct conf_key conf_keys[] = {
	{ KEY(tasd, instance), TEXT(CONF_NAME, "1 to 32 characters of a-z, 0-9, _ and -", "default"),
		.help = "This tasd's name among several, as for `tas-run -i` and `tasctl -i`." },
	{ KEY(tasd, log_level), CHOICE("error warning info debug", "info"),
		.help = "The least important lines that are still logged." },
	{ KEY(tasd, log), TEXT(CONF_LOG, "stderr, syslog or an absolute path", "stderr"),
		.help = "In the background, stderr means syslog. SIGHUP opens a file again." },
	{ KEY(tasd, socket_mode), .type = CONF_OCTAL, .min = 0, .max = 0777, .unit = "octal",
		.standard = "0666",
		.help = "Permissions of the control socket: who may write to it may use tasd. "
			"As with the kernel's TCP, every local user may by default." },
	{ KEY(tasd, socket_group), TEXT(CONF_NAME, "the name of a group, or nothing", ""),
		.flags = CONF_OR_EMPTY,
		.help = "Group of the control socket, for use with `socket_mode = 0660`." },
	{ KEY(tasd, run_dir), TEXT(CONF_PATH, "an absolute path of at most 63 characters", "/run/tasd"),
		.help = "Directory of control socket and pid file; made if it is missing." },

	{ KEY(port, device),
		TEXT(CONF_DEVICE, "a PCI address (0000:03:00.0) or a vdev (net_af_packet0,iface=eth1)", ""),
		.flags = CONF_REQUIRED,
		.help = "The device that tasd owns, as DPDK names it, with its arguments." },
	{ KEY(port, mtu), INT(576, 9000, "bytes", "1500"), .flags = CONF_OR_ZERO,
		.help = "Largest IP packet; 0 takes the device's own." },
	{ KEY(port, checksum_offload), CHOICE(OFF_ON_AUTO, "auto"),
		.help = "Checksums by the device: auto if it can, on insists, off never." },
	{ KEY(port, tso), CHOICE(OFF_ON_AUTO, "auto"), .help = "Segmentation by the device: as above." },
	{ KEY(port, rss), CHOICE(OFF_ON_AUTO, "auto"),
		.help = "Spreading of flows over cores by the device: as above." },
	{ KEY(port, rx_descriptors), INT(64, 32768, "packets", "1024"),
		.help = "Length of each receive queue; the device may round it." },
	{ KEY(port, tx_descriptors), INT(64, 32768, "packets", "1024"),
		.help = "Length of each transmit queue; the device may round it." },

	{ KEY(ip, address),
		TEXT(CONF_CIDR, "an IPv4 address with its prefix length (10.0.0.5/24), up to 8 times", ""),
		.flags = CONF_REQUIRED | CONF_REPEATS,
		.help = "tasd's address and the size of its subnet; the kernel must not have it too. "
			"Not needed where there is one of IPv6." },
	{ KEY(ip, gateway), TEXT(CONF_ADDR, "an IPv4 address inside a subnet of ip.address, or nothing", ""),
		.flags = CONF_OR_EMPTY, .help = "Router for everything outside the subnets." },
	{ KEY(ip, address6),
		TEXT(CONF_CIDR6, "an IPv6 address with its prefix length (2001:db8::5/64), up to 8 times",
			""),
		.flags = CONF_REPEATS | CONF_OR_EMPTY,
		.help = "The same in IPv6. With one, or with autoconf6, tasd also has a link-local "
			"address." },
	{ KEY(ip, gateway6),
		TEXT(CONF_ADDR6, "an IPv6 address on the link (fe80::1, or inside a subnet), or nothing", ""),
		.flags = CONF_OR_EMPTY, .help = "Router for everything outside the subnets of IPv6." },
	{ KEY(ip, autoconf6), CHOICE(OFF_ON, "off"),
		.help = "Take IPv6 addresses and routers from router advertisements, too (RFC 4862)." },

	{ KEY(fastpath, cores_max), INT(1, 64, "cores", "1"),
		.help = "Fast-path cores used at most, each with a queue of the device." },
	{ KEY(fastpath, cores_min), INT(1, 64, "cores", "1"),
		.help = "Cores that serve at the least; more up to cores_max join when these are busy." },
	{ KEY(fastpath, cpus), TEXT(CONF_CPUS, "a list such as 1-3,5 with numbers 0..1023, or nothing", ""),
		.flags = CONF_OR_EMPTY, .help = "CPUs the fast-path cores may run on; without a list, any." },
	{ KEY(fastpath, idle_ms), INT(0, 10000, "ms", "10"),
		.help = "A core with nothing to do for this long sleeps; 0 never sleeps." },

	{ KEY(slowpath, cpu), INT(-1, CONF_CPUS_MAX - 1, "CPU number", "-1"),
		.help = "CPU of the slow path; -1 is any." },

	{ KEY(memory, hugepages), CHOICE(OFF_ON_AUTO, "auto"),
		.help = "Memory in huge pages: auto uses those there are, on insists." },
	{ KEY(memory, flows_max), INT(64, 4194304, "flows", "65536"), .help = "Connections at one time." },
	{ KEY(memory, rx_buffer), SIZE(4 * K, 16 * M, "128K"), .flags = CONF_POW2,
		.help = "Receive buffer of a new connection; below 64K throughput suffers." },
	{ KEY(memory, tx_buffer), SIZE(4 * K, 16 * M, "128K"), .flags = CONF_POW2,
		.help = "Transmit buffer of a new connection; below 64K throughput suffers." },
	{ KEY(memory, rx_buffer_max), SIZE(4 * K, 16 * M, "4M"), .flags = CONF_POW2 | CONF_OR_ZERO,
		.help = "So far a receive buffer grows where it is what limits the connection, unless the "
			"application set SO_RCVBUF; 0 never." },
	{ KEY(memory, tx_buffer_max), SIZE(4 * K, 16 * M, "4M"), .flags = CONF_POW2 | CONF_OR_ZERO,
		.help = "The same for a transmit buffer and SO_SNDBUF." },
	{ KEY(memory, apps_max), INT(1, 4096, "processes", "512"),
		.help = "Application processes at one time; those of one user other than root are at most "
			"three quarters of it." },
	{ KEY(memory, memory_max), SIZE(0, 1024 * G, "0"),
		.help = "Shared memory that tasd gives to all applications together, at most three quarters "
			"of it to those of one user other than root; 0 is half of the machine's." },
	{ KEY(memory, app_memory_max), SIZE(M, 1024 * G, "1G"),
		.help = "Shared memory that one application may take." },
	{ KEY(memory, app_flows_max), INT(64, 1048576, "flows", "32768"), .flags = CONF_POW2,
		.help = "Connections of one application at one time." },
	{ KEY(memory, app_contexts_max), INT(1, 1024, "contexts", "128"),
		.help = "Contexts of one application; every thread that uses sockets has one." },
	{ KEY(memory, unaccepted_max), SIZE(0, 1024 * G, "64M"),
		.help = "Memory for what arrives on connections that no process has accepted yet; one "
			"listener may take a quarter." },
	{ KEY(memory, dpdk_memory), SIZE(64 * M, 1024 * G, "384M"),
		.help = "Memory given to DPDK, for packets and tables." },

	{ KEY(tcp, congestion), TEXT(CONF_WORD, "bbr cubic newreno dctcp timely const-rate", "bbr"),
		.help = "Congestion control, where the application does not choose one." },
	{ KEY(tcp, congestion_to),
		TEXT(CONF_ROUTE, "a prefix and a choice of congestion (10.0.0.0/8 bbr), up to 32 times", ""),
		.flags = CONF_REPEATS | CONF_OR_EMPTY,
		.help = "The same for peers in an IPv4 or IPv6 prefix, instead of `congestion`; the longest "
			"prefix counts." },
	{ KEY(tcp, const_rate), INT(1, 400000, "Mbit/s", "100"),
		.help = "At which const-rate sends, where the application does not say it "
			"(SO_MAX_PACING_RATE)." },
	{ KEY(tcp, rto_min_ms), INT(1, 120000, "ms", "200"), .help = "Retransmission timeout at least." },
	{ KEY(tcp, rto_max_ms), INT(100, 600000, "ms", "120000"),
		.help = "Retransmission timeout at most, also when backed off." },
	{ KEY(tcp, rto_initial_ms), INT(1, 60000, "ms", "1000"),
		.help = "Retransmission timeout until a round trip was measured." },
	{ KEY(tcp, delack_ms), INT(0, 499, "ms", "4"),
		.help = "An acknowledgement waits this long for more to acknowledge, or an answer to ride "
			"on; 0 sends it at once." },
	{ KEY(tcp, delack_answer_ms), INT(0, 499, "ms", "40"),
		.help = "The same where the application has answered within this time, or within "
			"`delack_ms` if that is more; at once, if that is 0." },
	{ KEY(tcp, time_wait_ms), INT(1, 600000, "ms", "60000"), .help = "Length of TIME_WAIT." },
	{ KEY(tcp, fin_wait2_ms), INT(1, 600000, "ms", "60000"),
		.help = "How long a connection that was closed here waits for the peer to close." },
	{ KEY(tcp, syn_retries), INT(1, 127, "times", "7"),
		.help = "A SYN is sent again this often before connect() fails: 7 times take four minutes "
			"(RFC 9293 wants three, Linux has 6)." },
	{ KEY(tcp, synack_retries), INT(0, 127, "times", "5"),
		.help = "A SYN-ACK is sent again this often." },
	{ KEY(tcp, retries), INT(1, 255, "times", "15"),
		.help = "Data is sent again this often before the connection is given up." },
	{ KEY(tcp, backlog_max), INT(1, 65535, "connections", "4096"),
		.help = "A larger backlog given to listen() is cut to this, as by net.core.somaxconn." },
	{ KEY(tcp, syn_cookies), CHOICE(OFF_ON_AUTO, "auto"),
		.help = "Answer SYNs without remembering them (RFC 4987): auto where a listener has "
			"`backlog_max` handshakes that are not complete, or the connections of "
			"`flows_max` run out; on always; off never, the oldest handshake then makes way." },
	{ KEY(tcp, initial_cwnd), INT(1, 100, "segments", "10"),
		.help = "Congestion window of a new connection." },
	{ KEY(tcp, timestamps), CHOICE(OFF_ON, "on"), .help = "Offer and accept timestamps (RFC 7323)." },
	{ KEY(tcp, sack), CHOICE(OFF_ON, "on"),
		.help = "Offer and accept selective acknowledgements (RFC 2018)." },
	{ KEY(tcp, window_scaling), CHOICE(OFF_ON, "on"),
		.help = "Offer and accept window scaling (RFC 7323)." },
	{ KEY(tcp, ecn), CHOICE(OFF_ON, "off"),
		.help = "Negotiate explicit congestion notification (RFC 3168). dctcp always asks for it." },
	{ KEY(tcp, mtu_probing), CHOICE(OFF_ON, "on"),
		.help = "Try smaller segments where full ones vanish and no router says why, and larger ones "
			"later (RFC 4821)." },
	{ KEY(tcp, cc_interval_us), INT(200, 1000000, "us", "500"),
		.help = "Congestion control visits a flow this often, or every half round trip if that is "
			"longer." },
	{ KEY(tcp, port_range), TEXT(CONF_PORTS, "two ports FIRST-LAST from 1..65535", "32768-60999"),
		.help = "Local ports for connect() without bind()." },
};
const unsigned conf_keys_count = ARRAY_LEN(conf_keys);
static_assert(ARRAY_LEN(conf_keys) <= CONF_KEYS_MAX, "a struct conf_reading has room for every key");

const struct conf_key *conf_key_find(const char *section, const char *name)
{
	for (unsigned i = 0; i < conf_keys_count; i++)
		if (strcmp(conf_keys[i].section, section) == 0 && strcmp(conf_keys[i].name, name) == 0)
			return &conf_keys[i];
	return NULL;
}

void conf_size_format(uint64_t bytes, char *out, size_t size)
{
	static const char *const suffix[] = { "", "K", "M", "G" };
	unsigned i = 0;

	while (i + 1 < ARRAY_LEN(suffix) && bytes != 0 && bytes % 1024 == 0) {
		bytes /= 1024;
		i++;
	}
	snprintf(out, size, "%" PRIu64 "%s", bytes, suffix[i]);
}

static void range_format(const struct conf_key *k, char *out, size_t size)
{
	char low[24], high[24];

	if (k->type == CONF_SIZE) {
		conf_size_format((uint64_t)k->min, low, sizeof(low));
		conf_size_format((uint64_t)k->max, high, sizeof(high));
	} else {
		snprintf(low, sizeof(low), k->type == CONF_OCTAL ? "%" PRIo64 : "%" PRId64, k->min);
		snprintf(high, sizeof(high), k->type == CONF_OCTAL ? "0%" PRIo64 : "%" PRId64, k->max);
	}
	snprintf(out, size, "%s%s..%s%s", k->flags & CONF_OR_ZERO ? "0 or " : "", low, high,
		k->flags & CONF_POW2 ? ", a power of two" : "");
}

/* "off on auto" -> "off, on, auto" */
static void words_format(const char *words, char *out, size_t size)
{
	size_t n = 0;

	for (; *words != '\0' && n + 3 < size; words++) {
		if (*words == ' ')
			out[n++] = ',';
		out[n++] = *words;
	}
	out[n] = '\0';
}

void conf_allowed(const struct conf_key *k, char *out, size_t size)
{
	if (k->type == CONF_CHOICE || k->type == CONF_WORD)
		words_format(k->words, out, size);
	else if (k->words != NULL)
		snprintf(out, size, "%s", k->words);
	else
		range_format(k, out, size);
}

void conf_defaults(struct tas_conf *out)
{
	char why[128];

	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < conf_keys_count; i++)
		if (conf_keys[i].standard[0] != '\0')
			TAS_ASSERT(
				conf_value_set(&conf_keys[i], conf_keys[i].standard, out, why, sizeof(why)));
}

static const char *standard_shown(const struct conf_key *k)
{
	if (k->flags & CONF_REQUIRED)
		return "required";
	return k->standard[0] != '\0' ? k->standard : "nothing";
}

void conf_print_table(FILE *to)
{
	static const char head[] = "| key | default | allowed | unit | meaning |\n|---|---|---|---|---|\n";
	const char *section = "";
	char allowed[128];

	for (const struct conf_key *k = conf_keys; k < conf_keys + conf_keys_count; k++) {
		if (strcmp(section, k->section) != 0)
			fprintf(to, "%s## [%s]\n\n%s", k == conf_keys ? "" : "\n", k->section, head);
		section = k->section;
		conf_allowed(k, allowed, sizeof(allowed));
		fprintf(to, "| `%s` | %s | %s | %s | %s |\n", k->name, standard_shown(k), allowed,
			k->unit[0] != '\0' ? k->unit : "-", k->help);
	}
}
