/* SPDX-License-Identifier: BSD-3-Clause */
/* conf.h - tasd.conf, read once at the start.
 * Guarantee: after conf_load() returned 0 every field is within its documented range, the required ones were
 * given, and the fields agree with each other. Otherwise `errs` has every error of the file, not the first.
 * Owner: the caller; plain values, nothing points anywhere, so a struct tas_conf may be copied. No
 * thread-safety needed: the main thread reads the file before there are others, afterwards it is only read.
 * docs/tasd.conf.md describes the keys; a test holds it against the table in conf_table.c. */
#ifndef TAS_SLOWPATH_CONF_H
#define TAS_SLOWPATH_CONF_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "include/base/compiler.h"
#include "include/base/log.h"
#include "include/net/addr.h"
#include "include/net/rtt.h"

enum {
	CONF_ADDRESSES_MAX = 8,
	CONF_CONGESTION_ROUTES_MAX = 32,
	CONF_CPUS_MAX = 1024, /* numbers 0..1023, what a cpu_set_t holds */
	CONF_ERRORS_MAX = 64, /* kept and printed; further ones are only counted */
};

enum conf_switch { CONF_OFF, CONF_ON, CONF_AUTO };

struct conf_tasd {
	char instance[33];
	enum tas_log_level log_level;
	char log[256]; /* "stderr", "syslog" or an absolute path */
	uint32_t socket_mode;
	char socket_group[33]; /* empty: tasd's own */
	char run_dir[64];      /* short enough for RUN_DIR/INSTANCE.sock in a sockaddr_un */
};

struct conf_port {
	char device[256];
	uint32_t mtu; /* 0: the device's */
	enum conf_switch checksum_offload, tso, rss;
	uint32_t rx_descriptors, tx_descriptors;
};

struct conf_ip {
	struct net_prefix address[CONF_ADDRESSES_MAX];  /* IPv4; the host part is tasd's address */
	struct net_prefix address6[CONF_ADDRESSES_MAX]; /* IPv6 */
	uint32_t addresses, addresses6;                 /* how many of them: at least one, or autoconf6 */
	struct net_addr gateway, gateway6;
	bool has_gateway, has_gateway6;
	enum conf_switch autoconf6;
};

/* Hosts without it are silent in IPv6. */
static inline bool conf_has_ipv6(const struct conf_ip *ip)
{
	return ip->addresses6 > 0 || ip->autoconf6 == CONF_ON;
}

struct conf_fastpath {
	uint32_t cores_max, cores_min;
	cpu_set_t cpus;   /* empty: any */
	uint32_t idle_ms; /* 0: never sleep */
};

struct conf_slowpath {
	int32_t cpu; /* -1: any */
};

/* Sizes are bytes. */
struct conf_memory {
	enum conf_switch hugepages;
	uint32_t flows_max;
	uint32_t rx_buffer, tx_buffer;         /* powers of two */
	uint32_t rx_buffer_max, tx_buffer_max; /* powers of two; 0: they do not grow */
	uint32_t apps_max;
	uint64_t memory_max; /* 0: half of the machine's */
	uint64_t app_memory_max;
	uint32_t app_flows_max; /* a power of two */
	uint32_t app_contexts_max;
	uint64_t unaccepted_max;
	uint64_t dpdk_memory;
};

struct conf_ports {
	uint16_t low, high; /* both included */
};

/* A name that cc_find() knows, for what is in the prefix. */
struct conf_congestion_route {
	struct net_prefix to;
	char name[16];
};

struct conf_tcp {
	char congestion[16]; /* a name that cc_find() knows */
	struct conf_congestion_route congestion_to[CONF_CONGESTION_ROUTES_MAX];
	uint32_t congestion_routes; /* how many of them */
	uint32_t const_rate;        /* Mbit/s */
	uint32_t rto_min_ms, rto_max_ms, rto_initial_ms;
	uint32_t delack_ms, delack_answer_ms;
	uint32_t time_wait_ms, fin_wait2_ms;
	uint32_t syn_retries, synack_retries, retries;
	uint32_t backlog_max;
	uint32_t initial_cwnd; /* segments */
	bool timestamps, sack, window_scaling, ecn;
	enum conf_switch syn_cookies;
	bool mtu_probing;
	uint32_t cc_interval_us;
	struct conf_ports port_range;
};

struct tas_conf {
	struct conf_tasd tasd;
	struct conf_port port;
	struct conf_ip ip;
	struct conf_fastpath fastpath;
	struct conf_slowpath slowpath;
	struct conf_memory memory;
	struct conf_tcp tcp;
};

static inline struct rtt_bounds conf_rto(const struct conf_tcp *t)
{
	return (struct rtt_bounds){ t->rto_min_ms * 1000, t->rto_max_ms * 1000, t->rto_initial_ms * 1000 };
}

/* Who wants none delayed wants none delayed. */
static inline uint32_t conf_delack_answer_us(const struct conf_tcp *t)
{
	return t->delack_ms == 0 ? 0 : max_u32(t->delack_ms, t->delack_answer_ms) * 1000;
}

/* All zeros is a good beginning. */
struct conf_errors {
	unsigned count;
	char *text[CONF_ERRORS_MAX]; /* "FILE:LINE: SECTION.KEY: what is wrong; what is allowed" */
};

/* Every key's default; what is required (port.device, ip.address) stays empty. */
void conf_defaults(struct tas_conf *out);

/* 0, or -1 with at least one error added to errs. */
int conf_load(const char *path, struct tas_conf *out, struct conf_errors *errs);

/* One line each, and how many more there are. */
void conf_errors_print(const struct conf_errors *errs, FILE *to);
void conf_errors_free(struct conf_errors *errs);

/* The tables of docs/tasd.conf.md: for each section a heading and a row for each key. */
void conf_print_table(FILE *to);

#endif
