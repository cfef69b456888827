/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/fuzz/host.h"

#include <stdlib.h>
#include <string.h>

#include <rte_malloc.h>
#include <rte_memory.h>

#include "include/net/pkt.h"
#include "slowpath/log.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/wire.h"
#include "tests/unit/eal_rig.h"
#include "tests/unit/net_frames.h"

enum { TO_HOST = 100, FROM_HOST = 50 }; /* bytes of the bystander's last exchange */

/* Longer than anything waits: retransmissions, FIN_WAIT_2, TIME_WAIT, a window that stays shut. */
#define OVER_NS (4 * 3600 * NS_PER_SEC)
#define EXCHANGE_NS (30 * NS_PER_SEC)

static struct peer *bystander;
static uint32_t bystander_sent;

void fuzz_start(void) { setenv("CMOCKA_TEST_ABORT", "1", 1); }

void host_start(void)
{
	fuzz_start();
	log_open("/dev/null", TAS_LOG_ERROR, "fuzz");
	if (eal_rig_start_with(128) != 0)
		abort();
}

static void configure(uint8_t how)
{
	static const char *const congestion[] = { "newreno", "cubic", "dctcp", "bbr", "timely", "const-rate",
		"bbr", "bbr" };
	struct tas_conf *c = &rig.conf;

	c->ip.addresses6 = 1;
	assert_true(prefix_parse("fd00::1/64", &c->ip.address6[0]));
	c->ip.autoconf6 = CONF_ON;
	strcpy(c->tcp.congestion, congestion[(how & 3) | (how >> 5 & 4)]);
	c->tcp.ecn = (how & 4) != 0;
	c->tcp.sack = (how & 8) == 0;
	c->tcp.timestamps = (how & 16) == 0;
	c->tcp.window_scaling = (how & 32) == 0;
	c->memory.flows_max = HOST_FLOWS;
	c->memory.rx_buffer = c->memory.tx_buffer = HOST_BUFFER; /* limits are near, and pages few */
	c->memory.rx_buffer_max = c->memory.tx_buffer_max = 4 * HOST_BUFFER;
	rig.uid[AT_HAND] = rig.uid[CHILD] = 1001;
}

void host_begin(uint8_t how)
{
	rig_setup(NULL);
	configure(how);
	if (how & 64)
		rig_port_cuts();
	rig_open();
	overlook();
	bystander = established(.nodelay = true, .no_ts = (how & 16) != 0, .no_sack = (how & 8) != 0,
		.no_wscale = (how & 32) != 0, .congestion = "newreno");
	bystander_sent = 0;
	wire_begin();
}

void host_give(const uint8_t *frame, uint32_t len)
{
	struct rte_mbuf *m;
	struct flow_key key;
	struct seg seg;

	/* a peer may end its own connection: nobody else is to speak for the bystander's */
	if (pkt_parse(frame, len, PKT_VERIFIED_IP | PKT_VERIFIED_L4, &key, &seg) == PKT_TCP &&
		be16toh(key.remote_port) == bystander->port && be16toh(key.local_port) == RIG_PORT)
		return;
	m = rte_pktmbuf_alloc(rig.pool);
	if (m == NULL)
		return;
	memcpy(rte_pktmbuf_append(m, (uint16_t)len), frame, len);
	if (rte_ring_enqueue(rig.in, m) != 0)
		rte_pktmbuf_free(m);
}

/* Deadlines may be early and find nothing to do: then the clock goes on in larger steps. */
void host_wait(tas_ns span)
{
	tas_ns until = rig.now + span, least = NS_PER_US, most = span / 1024 + 64 * NS_PER_US;

	while (rig.now < until) {
		tas_ns next = min_u64(core_deadline(rig.fp.core[0]), sp_deadline(&rig.sp)), before = rig.now;

		rig.now = min_u64(max_u64(next, rig.now + least), until);
		least = rig.now == before + least ? min_u64(2 * least, most) : NS_PER_US;
		rig_run();
	}
}

bool host_has(const struct peer *p) { return p->app != NULL && p->app->attached && rec_of(p)->gen == p->gen; }

bool bystander_heard(const uint8_t *frame, uint32_t len)
{
	const uint8_t *tcp = frame + 34;
	uint32_t hdr;

	if (frame[12] != 8 || frame[23] != 6 || get16(tcp + 2) != bystander->port || get16(tcp) != RIG_PORT)
		return false;
	hdr = (tcp[12] >> 4) * 4u;
	for (uint32_t i = 34 + hdr; i < len; i++)
		assert_int_equal(frame[i], host_byte(get32(tcp + 4) - bystander->iss - 1 + i - 34 - hdr));
	bystander_sent += len - 34 - hdr;
	return true;
}

/* --- memory: the linker puts these in place of DPDK's (--wrap), for our objects alone --- */

void *__wrap_rte_zmalloc_socket(const char *what, size_t size, unsigned align, int node);
void *__wrap_rte_zmalloc(const char *what, size_t size, unsigned align);
void __wrap_rte_free(void *p);
void __real_rte_free(void *p);

void *__wrap_rte_zmalloc_socket(const char *what, size_t size, unsigned align, int node)
{
	void *p;

	(void)what, (void)node;
	if (posix_memalign(&p, max_u32(align, 16), size) != 0)
		return NULL;
	return memset(p, 0, size);
}

void *__wrap_rte_zmalloc(const char *what, size_t size, unsigned align)
{
	return __wrap_rte_zmalloc_socket(what, size, align, SOCKET_ID_ANY);
}

void __wrap_rte_free(void *p) { (rte_mem_virt2memseg(p, NULL) != NULL ? __real_rte_free : free)(p); }

/* --- the judge --- */

static void bystander_goes_on(void)
{
	tas_ns until = rig.now + EXCHANGE_NS;

	assert_int_equal(events_of(bystander), ABI_EV_ACCEPT);
	give(bystander, .seq = 1, .ack = 1, .len = TO_HOST);
	assert_int_equal(app_unread(bystander), TO_HOST);
	app_reads(bystander, TO_HOST);
	app_writes(bystander, FROM_HOST);
	while (bystander_sent < FROM_HOST && rig.now < until)
		host_wait(NS_PER_SEC);
	assert_true(bystander_sent >= FROM_HOST);
	give(bystander, .seq = 1 + TO_HOST, .ack = 1 + FROM_HOST);
	assert_true(rec_of(bystander)->tx_una == FROM_HOST);
}

static void only_the_bystander_is_left(void)
{
	tas_ns until = rig.now + OVER_NS;

	for (unsigned i = AT_HAND; i <= CHILD; i++)
		if (rig.app[i].attached)
			app_dies(i);
	while (flows_in_use() > 1 && rig.now < until)
		host_wait(60 * NS_PER_SEC);
	assert_int_equal(flows_in_use(), 1);
}

void host_end(void)
{
	wire_end();
	rig.core_stands = rig.slow_stands = rig.arp_silent = false;
	rig_run();
	host_wait(2 * NS_PER_SEC);
	bystander_goes_on();
	only_the_bystander_is_left();
	assert_int_equal(rig_teardown(NULL), 0);
}
