/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_lwip.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include <lwip/etharp.h>
#include <lwip/ethip6.h>
#include <lwip/init.h>
#include <lwip/mem.h>
#include <lwip/netif.h>
#include <lwip/priv/tcp_priv.h>
#include <lwip/tcp.h>
#include <lwip/timeouts.h>
#include <netif/ethernet.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

/* --- the library, anew for each run --- */

/* clang-format off */
#define CALLS(x) \
	x(lwip_init); x(netif_add); x(netif_set_up); x(netif_set_default); x(netif_ip6_addr_set); \
	x(netif_ip6_addr_set_state); x(etharp_output); x(ethip6_output); x(ethernet_input); \
	x(pbuf_alloc); x(pbuf_free); x(pbuf_take); x(pbuf_cat); x(pbuf_copy_partial); \
	x(pbuf_free_header); x(tcp_new_ip_type); x(tcp_bind); x(tcp_listen_with_backlog); \
	x(tcp_accept); x(tcp_connect); x(tcp_arg); x(tcp_recv); x(tcp_sent); x(tcp_err); \
	x(tcp_write); x(tcp_output); x(tcp_recved); x(tcp_shutdown); x(tcp_close); x(tcp_abort); \
	x(sys_check_timeouts); x(sys_timeouts_sleeptime)
/* clang-format on */

static struct {
	void *loaded;
#define MEMBER(name) __typeof__(&name) name
	CALLS(MEMBER);
#undef MEMBER
} lw;

static struct {
	struct netif netif;
	struct net *net;
	unsigned index;
	bool v6;
	struct tas_rand rand;
	tas_ns now, due;
} at;

/* Memory that it has: what is left at the end is freed with it. */
struct chunk {
	LIST_ENTRY(chunk) all;
} __attribute__((aligned(16))); /* what stands behind it is, too */

static LIST_HEAD(chunk_list, chunk) chunks = LIST_HEAD_INITIALIZER(chunks);

/* lwIP's own calls of these end here. */
uint32_t sys_now(void) { return (uint32_t)(at.now / NS_PER_MS); }
int rand(void) { return (int)(rand_u64(&at.rand) >> 34 << 1); } /* even: after port 65535 it takes port 0 */

void *mem_calloc(mem_size_t n, mem_size_t size)
{
	struct chunk *c = calloc(1, sizeof(*c) + n * size);

	TAS_ASSERT(c != NULL);
	LIST_INSERT_HEAD(&chunks, c, all);
	return c + 1;
}

void *mem_malloc(mem_size_t size) { return mem_calloc(1, size); }
void *mem_trim(void *p, mem_size_t size TAS_UNUSED) { return p; }

void mem_free(void *p)
{
	struct chunk *c = (struct chunk *)p - 1;

	LIST_REMOVE(c, all);
	free(c);
}

static void call(const char *name, void *to)
{
	void *p = dlsym(lw.loaded, name);

	if (p == NULL) {
		fprintf(stderr, "lwIP: %s\n", dlerror());
		abort();
	}
	memcpy(to, &p, sizeof(p));
}

static void load(void)
{
	lw.loaded = dlopen("liblwip.so.0", RTLD_NOW | RTLD_LOCAL);
	if (lw.loaded == NULL) {
		fprintf(stderr, "lwIP: %s (Debian: apt install liblwip-dev)\n", dlerror());
		abort();
	}
#define LOAD(name) call(#name, &lw.name)
	CALLS(LOAD);
#undef LOAD
}

/* --- the host --- */

static err_t frame_out(struct netif *n TAS_UNUSED, struct pbuf *p)
{
	static uint8_t frame[LINK_FRAME_MAX];

	TAS_ASSERT(p->tot_len <= sizeof(frame));
	net_send(at.net, at.index, frame, lw.pbuf_copy_partial(p, frame, p->tot_len, 0), at.now);
	return ERR_OK;
}

static err_t device(struct netif *n)
{
	n->name[0] = 'l';
	n->name[1] = 'w';
	n->output = lw.etharp_output;
	n->output_ip6 = lw.ethip6_output;
	n->linkoutput = frame_out;
	n->mtu = 1500;
	n->hwaddr_len = RTE_ETHER_ADDR_LEN;
	memcpy(n->hwaddr, &at.net->end[at.index].mac, RTE_ETHER_ADDR_LEN);
	n->flags = NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_LINK_UP |
		NETIF_FLAG_MLD6;
	return ERR_OK;
}

static ip_addr_t to_lwip(struct net_addr a)
{
	ip_addr_t to = { .type = at.v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4 };

	if (at.v6)
		memcpy(to.u_addr.ip6.addr, a.w, sizeof(a.w));
	else
		to.u_addr.ip4.addr = a.w[3];
	return to;
}

static struct net_addr from_lwip(const ip_addr_t *a)
{
	struct net_addr to;

	if (!at.v6)
		return addr_v4(a->u_addr.ip4.addr);
	memcpy(to.w, a->u_addr.ip6.addr, sizeof(to.w));
	return to;
}

void lwip_host_begin(struct net *net, unsigned index, struct net_addr addr, uint64_t seed, tas_ns now)
{
	ip4_addr_t none = { 0 }, mask = { htobe32(0xffffff00) };
	bool v6 = !addr_is_v4(addr);
	ip_addr_t own;

	memset(&at, 0, sizeof(at));
	at.net = net;
	at.index = index;
	at.v6 = v6;
	at.now = now;
	rand_seed(&at.rand, seed);
	load();
	lw.lwip_init();
	own = to_lwip(addr);
	TAS_ASSERT(lw.netif_add(&at.netif, v6 ? &none : &own.u_addr.ip4, &mask, &none, NULL, device,
			   lw.ethernet_input) != NULL);
	at.netif.ip6_autoconfig_enabled = 0;
	if (v6) {
		lw.netif_ip6_addr_set(&at.netif, 0, &own.u_addr.ip6);
		lw.netif_ip6_addr_set_state(&at.netif, 0, IP6_ADDR_PREFERRED);
	}
	lw.netif_set_default(&at.netif);
	lw.netif_set_up(&at.netif);
}

void lwip_host_end(void)
{
	struct chunk *c;

	while ((c = LIST_FIRST(&chunks)) != NULL)
		mem_free(c + 1);
	dlclose(lw.loaded);
}

void lwip_host_in(const uint8_t *frame, uint32_t len, tas_ns now)
{
	struct pbuf *p = lw.pbuf_alloc(PBUF_RAW, (uint16_t)len, PBUF_RAM);

	TAS_ASSERT(p != NULL);
	at.now = now;
	at.due = 0;
	lw.pbuf_take(p, frame, (uint16_t)len);
	if (lw.ethernet_input(p, &at.netif) != ERR_OK)
		lw.pbuf_free(p);
}

unsigned lwip_host_poll(tas_ns now)
{
	at.now = now;
	if (now < lwip_host_deadline())
		return 0;
	at.due = 0;
	lw.sys_check_timeouts();
	return 1;
}

tas_ns lwip_host_deadline(void)
{
	if (at.due == 0)
		at.due = (at.now / NS_PER_MS + lw.sys_timeouts_sleeptime()) * NS_PER_MS;
	return at.due;
}

/* --- a process on it --- */

struct lw_sock {
	struct tcp_pcb *pcb; /* NULL: it is no more */
	void *user;
	void (*on_event)(void *user);
	struct pbuf *unread;
	bool connected, eof, listens, closing;
	int error;                       /* to be told once */
	struct lw_sock *accepted, *next; /* of a listener, the first first; the next of these */
	struct lw_sock *later;           /* all of the process */
};

struct lw_proc {
	struct lw_sock *all;
	bool closing; /* one of them, perhaps */
};

static struct lw_sock *sock_new(struct sim_proc *p, void *user)
{
	struct lw_proc *l = p->impl;
	struct lw_sock *s = calloc(1, sizeof(*s));

	TAS_ASSERT(s != NULL);
	s->user = user;
	s->on_event = p->on_event;
	s->later = l->all;
	l->all = s;
	return s;
}

static void tell(struct lw_sock *s)
{
	if (s->user != NULL)
		s->on_event(s->user);
}

/* Whatever it was told is forgotten. */
static void part(struct lw_sock *s, bool abort_it)
{
	struct tcp_pcb *pcb = s->pcb;

	if (s->unread != NULL)
		lw.pbuf_free(s->unread);
	s->unread = NULL;
	s->user = NULL;
	s->pcb = NULL;
	if (pcb == NULL)
		return;
	lw.tcp_arg(pcb, NULL);
	if (!s->listens) {
		lw.tcp_recv(pcb, NULL);
		lw.tcp_sent(pcb, NULL);
		lw.tcp_err(pcb, NULL);
	}
	if (abort_it)
		lw.tcp_abort(pcb);
	else
		TAS_ASSERT(lw.tcp_close(pcb) == ERR_OK);
}

static err_t on_recv(void *arg, struct tcp_pcb *pcb, struct pbuf *p, err_t error TAS_UNUSED)
{
	struct lw_sock *s = arg;

	if (p == NULL) {
		s->eof = true;
	} else if (s->closing) {
		lw.tcp_recved(pcb, p->tot_len);
		lw.pbuf_free(p);
	} else if (s->unread == NULL) {
		s->unread = p;
	} else {
		lw.pbuf_cat(s->unread, p);
	}
	tell(s);
	return ERR_OK;
}

/* lwIP 2.1.3 leaves the FIN on both halves of a segment that it splits for a small window. A FIN that has
 * nothing before it is not split. */
static bool all_acknowledged(const struct tcp_pcb *pcb)
{
	return pcb->unsent == NULL && pcb->unacked == NULL;
}

static err_t on_sent(void *arg, struct tcp_pcb *pcb TAS_UNUSED, uint16_t n TAS_UNUSED)
{
	tell(arg);
	return ERR_OK;
}

static void on_error(void *arg, err_t error)
{
	struct lw_sock *s = arg;

	s->pcb = NULL;
	if (error == ERR_CLSD) /* all is done in both directions, though close() has not been called yet */
		s->eof = true;
	else
		s->error = error == ERR_ABRT ? ETIMEDOUT : s->connected ? ECONNRESET : ECONNREFUSED;
	tell(s);
}

static void take_calls(struct lw_sock *s, struct tcp_pcb *pcb)
{
	s->pcb = pcb;
	lw.tcp_arg(pcb, s);
	lw.tcp_recv(pcb, on_recv);
	lw.tcp_sent(pcb, on_sent);
	lw.tcp_err(pcb, on_error);
}

static err_t on_connected(void *arg, struct tcp_pcb *pcb TAS_UNUSED, err_t error TAS_UNUSED)
{
	struct lw_sock *s = arg;

	s->connected = true;
	tell(s);
	return ERR_OK;
}

static err_t on_accept(void *arg, struct tcp_pcb *pcb, err_t error)
{
	struct sim_proc *p = arg;
	struct lw_proc *l = p->impl;
	struct lw_sock *listener = l->all, **last;

	if (pcb == NULL || error != ERR_OK)
		return ERR_VAL;
	while (!listener->listens)
		listener = listener->later;
	for (last = &listener->accepted; *last != NULL; last = &(*last)->next)
		;
	*last = sock_new(p, NULL);
	(*last)->connected = true;
	take_calls(*last, pcb);
	tell(listener);
	return ERR_OK;
}

static int lw_attach(struct sim_proc *p)
{
	p->impl = calloc(1, sizeof(struct lw_proc));
	for (unsigned c = 0; c < p->contexts; c++)
		p->fd[c] = -1; /* nobody wakes it: it does not sleep */
	return p->impl != NULL ? 0 : -ENOMEM;
}

static void lw_detach(struct sim_proc *p)
{
	struct lw_proc *l = p->impl;

	for (struct lw_sock *s = l->all, *later; s != NULL; s = later) {
		later = s->later;
		part(s, !s->listens);
		free(s);
	}
	free(l);
	p->impl = NULL;
}

static struct tcp_pcb *pcb_new(const struct sim_open *o)
{
	struct tcp_pcb *pcb = lw.tcp_new_ip_type(at.v6 ? IPADDR_TYPE_V6 : IPADDR_TYPE_V4);

	TAS_ASSERT(pcb != NULL);
	if (o->nodelay)
		tcp_nagle_disable(pcb);
	return pcb;
}

static int lw_listen(struct sim_proc *p, unsigned ctx TAS_UNUSED, const struct sim_open *o, void *user,
	void **sock)
{
	ip_addr_t any = to_lwip((struct net_addr){ .w = { 0 } });
	struct lw_sock *s = sock_new(p, user);
	struct tcp_pcb *pcb = pcb_new(o);

	TAS_ASSERT(lw.tcp_bind(pcb, &any, o->port) == ERR_OK);
	s->pcb = lw.tcp_listen_with_backlog(pcb, TCP_DEFAULT_LISTEN_BACKLOG);
	s->listens = true;
	TAS_ASSERT(s->pcb != NULL);
	lw.tcp_arg(s->pcb, p);
	lw.tcp_accept(s->pcb, on_accept);
	*sock = s;
	return 0;
}

static int lw_accept(struct sim_proc *p TAS_UNUSED, unsigned ctx TAS_UNUSED, void *listener, void **sock,
	struct net_addr *remote, uint16_t *remote_port)
{
	struct lw_sock *l = listener, *s;

	while ((s = l->accepted) != NULL) {
		l->accepted = s->next;
		if (s->pcb == NULL) /* reset before anybody asked for it: who it was with is gone, too */
			continue;
		*remote = from_lwip(&s->pcb->remote_ip);
		*remote_port = s->pcb->remote_port;
		*sock = s;
		return 0;
	}
	return -EAGAIN;
}

static int lw_connect(struct sim_proc *p, unsigned ctx TAS_UNUSED, const struct sim_open *o, void *user,
	void **sock, uint16_t *local_port)
{
	struct lw_sock *s = sock_new(p, user);
	struct tcp_pcb *pcb = pcb_new(o);
	ip_addr_t to = to_lwip(o->addr);

	take_calls(s, pcb);
	TAS_ASSERT(lw.tcp_connect(pcb, &to, o->port, on_connected) == ERR_OK);
	*local_port = pcb->local_port;
	*sock = s;
	return 0;
}

static void lw_set_user(void *sock, void *user) { ((struct lw_sock *)sock)->user = user; }

static int error_of(struct lw_sock *s)
{
	int error = s->error;

	s->error = 0;
	return -error;
}

static ssize_t lw_send(struct sim_proc *p TAS_UNUSED, unsigned ctx TAS_UNUSED, void *sock, const void *buf,
	size_t len, bool more)
{
	struct lw_sock *s = sock;
	uint16_t n;

	if (s->error != 0)
		return error_of(s);
	if (s->pcb == NULL)
		return -EPIPE;
	n = s->connected ? (uint16_t)min_u64(len, tcp_sndbuf(s->pcb)) : 0;
	if (n == 0 ||
		lw.tcp_write(s->pcb, buf, n, TCP_WRITE_FLAG_COPY | (more ? TCP_WRITE_FLAG_MORE : 0)) !=
			ERR_OK)
		return -EAGAIN; /* on_sent() says when to try again */
	lw.tcp_output(s->pcb);
	return n;
}

static ssize_t lw_recv(struct sim_proc *p TAS_UNUSED, unsigned ctx TAS_UNUSED, void *sock, void *buf,
	size_t len)
{
	struct lw_sock *s = sock;
	uint16_t n;

	if (s->unread != NULL) {
		n = (uint16_t)min_u64(min_u64(len, s->unread->tot_len), UINT16_MAX);
		lw.pbuf_copy_partial(s->unread, buf, n, 0);
		s->unread = lw.pbuf_free_header(s->unread, n);
		if (s->pcb != NULL)
			lw.tcp_recved(s->pcb, n);
		return n;
	}
	if (s->error != 0)
		return error_of(s);
	return s->eof || s->pcb == NULL ? 0 : -EAGAIN;
}

static bool lw_shut(struct sim_proc *p TAS_UNUSED, unsigned ctx TAS_UNUSED, void *sock)
{
	struct lw_sock *s = sock;

	if (s->pcb == NULL)
		return s->connected;
	return s->connected && all_acknowledged(s->pcb) && lw.tcp_shutdown(s->pcb, 0, 1) == ERR_OK;
}

static void lw_close(struct sim_proc *p, unsigned ctx TAS_UNUSED, void *sock, bool abort)
{
	struct lw_sock *s = sock;

	if (s->listens || abort || s->pcb == NULL || s->unread != NULL || all_acknowledged(s->pcb)) {
		part(s, abort);
	} else {
		s->closing = true;
		s->user = NULL;
		((struct lw_proc *)p->impl)->closing = true;
	}
	for (struct lw_sock *a = s->accepted; a != NULL; a = a->next)
		part(a, true);
	s->accepted = NULL;
}

static unsigned lw_look(struct sim_proc *p, unsigned ctx TAS_UNUSED)
{
	struct lw_proc *l = p->impl;
	bool left = false;

	for (struct lw_sock *s = l->all; l->closing && s != NULL; s = s->later) {
		if (s->closing && s->pcb != NULL && all_acknowledged(s->pcb))
			part(s, false);
		left |= s->closing && s->pcb != NULL;
	}
	l->closing = left;
	return 0;
}

static bool lw_sleep(struct sim_proc *p TAS_UNUSED, unsigned ctx TAS_UNUSED) { return false; }
static void lw_wake(struct sim_proc *p TAS_UNUSED, unsigned ctx TAS_UNUSED) {}

const struct sim_api sim_lwip = {
	.name = "lwip",
	.attach = lw_attach,
	.detach = lw_detach,
	.listen = lw_listen,
	.accept = lw_accept,
	.connect = lw_connect,
	.set_user = lw_set_user,
	.send = lw_send,
	.recv = lw_recv,
	.shut = lw_shut,
	.close = lw_close,
	.poll = lw_look,
	.sleep = lw_sleep,
	.wake = lw_wake,
};
