/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/conn_pmtu.h"

#include "fastpath/fastpath.h"
#include "slowpath/conn.h"
#include "slowpath/sp.h"

enum {
	CLOSE_ENOUGH = 32, /* bytes between what fits and what does not */
};

#define PROBES_APART NS_PER_SEC

static bool is_v4(const struct sp *sp, uint32_t id) { return addr_is_v4(sp->fp->cold[id].key.remote); }

/* Of a packet, what is no payload. */
static uint16_t headers(const struct sp *sp, uint32_t id)
{
	return (uint16_t)((is_v4(sp, id) ? 40 : 60) + (sp->fp->flows[id].flags & FLOW_TS ? 12 : 0));
}

static void learn(struct sp *sp, uint32_t id)
{
	uint16_t mtu = (uint16_t)(sp->fp->flows[id].mss + headers(sp, id));

	if (mtu >= (is_v4(sp, id) ? PMTU_MIN_V4 : PMTU_MIN_V6))
		pmtu_learn(&sp->pmtu, sp->fp->cold[id].key.remote, mtu, sp->now);
}

void conn_pmtu_begin(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn_pmtu *m = &sp->conn[id].pmtu;
	uint16_t mtu = pmtu_of(&sp->pmtu, sp->fp->cold[id].key.remote, sp->now);

	*m = (struct conn_pmtu){ .full = f->mss, .high = (uint16_t)(f->mss + 1) };
	if (mtu == 0 || mtu - headers(sp, id) >= f->mss || (sp->conn[id].opt.flags & CTL_OPTION_ANY_PATH))
		return;
	f->mss = (uint16_t)(mtu - headers(sp, id));
	m->next = sp->now + PMTU_EXPIRES;
}

/* The size is known, for as long as such knowledge lasts. */
static void search_ends(struct sp *sp, uint32_t id)
{
	struct conn_pmtu *m = &sp->conn[id].pmtu;

	learn(sp, id);
	m->high = (uint16_t)(m->full + 1);
	m->tried = 0;
	m->next = sp->now + PMTU_EXPIRES;
}

/* One that is on its way stays known to recovery: that it is lost is no congestion, whoever said so first. */
static void probe_over(struct sp *sp, uint32_t id)
{
	sp->conn[id].pmtu.probe = 0;
	sp->fp->cold[id].path_size = 0;
}

/* A router that says what fits also says what does not: of a probe, that it was lost. */
bool conn_pmtu_too_big(struct sp *sp, uint32_t id, uint16_t mtu)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn_pmtu *m = &sp->conn[id].pmtu;
	uint16_t least = pmtu_named(is_v4(sp, id), mtu), mss;

	if (least == 0)
		return false;
	mss = (uint16_t)(least - headers(sp, id));
	if (m->probe > mss) {
		probe_over(sp, id);
		m->high = (uint16_t)max_u32(mss, f->mss) + 1;
		m->next = sp->now + PROBES_APART;
	}
	if (mss >= f->mss)
		return false;
	f->mss = mss;
	search_ends(sp, id);
	return true;
}

/* The next size for which what goes again first is too large; 0: there is none. */
static uint16_t smaller_than_head(const struct sp *sp, uint32_t id)
{
	const struct flow *f = &sp->fp->flows[id];
	const struct flow_cold *k = &sp->fp->cold[id];
	uint64_t hole = k->sacked.n > 0 ? ranges_all(&k->sacked)[0].from - f->tx_una : f->tx_inflight;
	uint64_t head = min_u64(min_u64(hole, f->tx_inflight), f->mss) + headers(sp, id);
	uint16_t mtu = (uint16_t)(f->mss + headers(sp, id)), smaller;

	for (;; mtu = smaller) {
		smaller = pmtu_smaller(is_v4(sp, id), mtu);
		if (smaller == mtu || head > smaller)
			return smaller == mtu ? 0 : smaller;
	}
}

void conn_pmtu_timeout(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn_pmtu *m = &sp->conn[id].pmtu;
	uint16_t smaller;

	m->timeouts = m->una == f->tx_una ? (uint16_t)(m->timeouts + (m->timeouts < UINT16_MAX)) : 1;
	m->una = f->tx_una;
	if (!sp->conf->tcp.mtu_probing || m->timeouts < TCP_R1 ||
		(sp->conn[id].opt.flags & CTL_OPTION_ANY_PATH))
		return;
	smaller = smaller_than_head(sp, id);
	if (f->snd_wnd == 0 || smaller == 0) /* a closed window takes nothing */
		return;
	probe_over(sp, id);
	f->mss = (uint16_t)(smaller - headers(sp, id));
	m->high = (uint16_t)(m->full + 1);
	m->tried = 0;
	m->next = sp->now + PROBES_APART;
	sp_count(sp, CNT_TCP_BLACK_HOLES, 1);
}

/* --- larger again --- */

static void probe_fits(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct conn_pmtu *m = &sp->conn[id].pmtu;

	f->mss = (uint16_t)max_u32(f->mss, m->probe);
	m->next = sp->now + PROBES_APART;
	probe_over(sp, id);
	sp_count(sp, CNT_TCP_PATH_GROWN, 1);
	if (f->mss >= m->full) {
		m->next = 0;
		pmtu_forget(&sp->pmtu, sp->fp->cold[id].key.remote);
	} else if (m->high - f->mss <= CLOSE_ENOUGH) {
		search_ends(sp, id);
	}
}

static void probe_is_lost(struct sp *sp, uint32_t id)
{
	struct conn_pmtu *m = &sp->conn[id].pmtu;

	m->high = m->probe;
	m->tried++;
	m->next = sp->now + PROBES_APART;
	probe_over(sp, id);
	if (m->high - sp->fp->flows[id].mss <= CLOSE_ENOUGH)
		search_ends(sp, id);
}

/* First whether all is as it was; then what a router named, which is one less than what does not fit; then in
 * between. */
static uint16_t next_size(const struct flow *f, const struct conn_pmtu *m)
{
	if (m->tried == 0)
		return (uint16_t)(m->high - 1);
	return (uint16_t)(f->mss + (m->high - f->mss) / 2);
}

static void probe_begin(struct sp *sp, uint32_t id)
{
	struct flow *f = &sp->fp->flows[id];
	struct flow_cold *k = &sp->fp->cold[id];
	struct conn_pmtu *m = &sp->conn[id].pmtu;
	uint16_t size = next_size(f, m);

	if (size <= f->mss) {
		search_ends(sp, id);
		return;
	}
	if ((f->flags & (FLOW_RECOVERY | FLOW_LOSS | FLOW_TX_FIN)) || k->backoff > 0 || k->sacked.n > 0)
		return;
	m->probe = size;
	tcp_send_path_probe(sp->fp->slow, id, size);
}

void conn_pmtu_visit(struct sp *sp, uint32_t id)
{
	struct conn_pmtu *m = &sp->conn[id].pmtu;
	const struct flow_cold *k = &sp->fp->cold[id];

	if (m->next == 0 || !sp->conf->tcp.mtu_probing)
		return;
	if (m->probe == 0) {
		if (sp->now >= m->next)
			probe_begin(sp, id);
	} else if (k->path.lost) {
		probe_is_lost(sp, id);
	} else if (k->path.is_out && sp->fp->flows[id].tx_una >= k->path.to) {
		probe_fits(sp, id);
	}
}
