/* SPDX-License-Identifier: BSD-3-Clause */
/* opt_tasd.c - what tasd is told of a file's options, in one message whatever changed. */
#include <netinet/in.h>
#include <string.h>

#include "include/abi/ctl.h"
#include "include/base/compiler.h"
#include "libtas/posix/file.h"
#include "libtas/posix/opt_int.h"

/* tcp_keepalive_time, _intvl and _probes of Linux. */
enum { KEEP_IDLE_S = 7200, KEEP_INTVL_S = 75, KEEP_COUNT = 9 };

/* Bytes of payload ring that SO_RCVBUF or SO_SNDBUF asks for; 0: nothing asked. */
static uint32_t ring_size(struct file *f, enum opt_slot slot)
{
	enum { SMALLEST = 4096, LARGEST = 64 << 20 };
	int bytes = opt_int(f, slot, 0) / 2; /* Linux keeps twice what was asked for */

	if (bytes <= 0)
		return 0;
	return pow2_at_least(bytes < SMALLEST ? SMALLEST : bytes > LARGEST ? LARGEST : (uint32_t)bytes);
}

/* Linux's name of what tasd calls newreno. */
void opt_name_for_tasd(char name[OPT_BYTES])
{
	if (strcmp(name, "reno") == 0)
		strcpy(name, "newreno");
}

void opt_name_of_tasd(char name[OPT_BYTES])
{
	if (strcmp(name, "newreno") == 0)
		memcpy(name, "reno\0\0\0", sizeof("newreno"));
}

static void congestion_fill(struct file *f, char name[OPT_BYTES])
{
	socklen_t size;
	const char *value = opt_kept(f, OPT_CONGESTION, &size);

	if (value == NULL)
		return;
	memcpy(name, value, OPT_BYTES - 1);
	opt_name_for_tasd(name);
}

/* As ip_dont_fragment() and ip_sk_accept_pmtu() of Linux have it for TCP. */
static uint8_t mtu_discover_flags(struct file *f)
{
	switch (opt_int(f, OPT_MTU_DISCOVER, IP_PMTUDISC_WANT)) {
	case IP_PMTUDISC_WANT:
	case IP_PMTUDISC_DO: return 0;
	case IP_PMTUDISC_PROBE: return CTL_OPTION_FRAGMENTS;
	default: return CTL_OPTION_FRAGMENTS | CTL_OPTION_ANY_PATH;
	}
}

/* IPv6 knows a hop limit of 0, and -1 for the usual one. */
static uint16_t hops_plus_one(struct file *f) { return (uint16_t)(opt_int(f, OPT_HOPS, -1) + 1); }

void opt_fill(struct file *f, struct ctl_options *o)
{
	*o = (struct ctl_options){
		.pacing_bytes_s = opt_pacing(f) != UINT64_MAX ? opt_pacing(f) : 0,
		.rx_size = ring_size(f, OPT_RCVBUF),
		.tx_size = ring_size(f, OPT_SNDBUF),
		.keep_alive = opt_int(f, OPT_KEEPALIVE, 0) != 0,
		.keep_idle_s = (uint32_t)opt_int(f, OPT_KEEPIDLE, KEEP_IDLE_S),
		.keep_intvl_s = (uint32_t)opt_int(f, OPT_KEEPINTVL, KEEP_INTVL_S),
		.keep_count = (uint8_t)opt_int(f, OPT_KEEPCNT, KEEP_COUNT),
		.user_timeout_ms = (uint32_t)opt_int(f, OPT_USER_TIMEOUT, 0),
		.syn_count = (uint8_t)opt_int(f, OPT_SYNCNT, 0),
		.tos = (uint8_t)opt_int(f, OPT_TOS, 0),
		.ttl = (uint8_t)opt_int(f, OPT_TTL, 0),
		.tclass = (uint8_t)opt_int(f, OPT_TCLASS, 0),
		.hops = hops_plus_one(f),
		.defer_accept_s = (uint32_t)opt_int(f, OPT_DEFER_ACCEPT, 0),
		.linger2_s = opt_int(f, OPT_LINGER2, 0),
		.notsent_lowat = (uint32_t)opt_int(f, OPT_NOTSENT_LOWAT, 0),
		.window_clamp = (uint32_t)opt_int(f, OPT_WINDOW_CLAMP, 0),
		.max_seg = (uint16_t)opt_int(f, OPT_MAXSEG, 0),
		.flags = mtu_discover_flags(f) |
			(opt_int(f, OPT_THIN_LINEAR, 0) != 0 ? CTL_OPTION_THIN_LINEAR : 0) |
			(opt_int(f, OPT_RECVERR, 0) != 0 ? CTL_OPTION_RECVERR : 0) |
			(opt_int(f, OPT_RECVERR6, 0) != 0 ? CTL_OPTION_RECVERR6 : 0) |
			(opt_int(f, OPT_QUICKACK, 1) == 0 ? CTL_OPTION_LATE_ACKS : 0),
	};
	congestion_fill(f, o->congestion);
}

int opt_tell(struct file *f)
{
	struct ctl_options o;

	opt_fill(f, &o);
	return tas_set_options(file_sock(f), &o);
}
