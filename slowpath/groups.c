/* SPDX-License-Identifier: BSD-3-Clause */
/* groups.c - see groups.h. */
#include "slowpath/groups.h"

#include <string.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"
#include "include/net/nd.h"

static_assert((int)GROUPS_MAX <= (int)MLD_RECORDS_MAX, "one report has room for all");

static bool is_v1(const struct groups *g) { return g->v1_until != TAS_NS_NEVER; }

/* In (0, ms]: hosts that were asked together do not all answer at once. */
static tas_ns within(struct groups *g, tas_ns now, uint32_t ms)
{
	return now + (1 + rand_below(&g->rand, max_u32(ms, 1))) * NS_PER_MS;
}

static tas_ns answer_at(struct groups *g, tas_ns now, uint32_t ms)
{
	return max_u64(within(g, now, ms), now + GROUPS_ANSWER_MIN_MS * NS_PER_MS);
}

static void deadline_find(struct groups *g)
{
	g->next = min_u64(min_u64(g->all_due, g->change_due), g->v1_until);
	for (uint32_t i = 0; i < g->n; i++)
		g->next = min_u64(g->next, g->group[i].due);
}

void groups_init(struct groups *g, const struct neigh *neigh, tas_ns now)
{
	uint64_t seed = 0;

	*g = (struct groups){ .neigh = neigh,
		.all_due = TAS_NS_NEVER,
		.change_due = TAS_NS_NEVER,
		.v1_until = TAS_NS_NEVER,
		.next = TAS_NS_NEVER };
	memcpy(&seed, &neigh->mac, sizeof(neigh->mac));
	rand_seed(&g->rand, seed + now);
}

/* --- the list --- */

static uint32_t group_find(const struct groups *g, struct net_addr addr)
{
	uint32_t i = 0;

	while (i < g->n && !addr_eq(g->group[i].addr, addr))
		i++;
	return i;
}

static void group_forget(struct groups *g, uint32_t i) { g->group[i] = g->group[--g->n]; }

static void left_forget(struct groups *g)
{
	for (uint32_t i = g->n; i-- > 0;)
		if (g->group[i].left)
			group_forget(g, i);
}

/* Our addresses' groups, of which there may be fewer than of these. */
static bool is_wanted(const struct groups *g, struct net_addr group)
{
	const struct routes *r = g->neigh->routes;

	for (uint32_t i = 0; i < r->addresses; i++) {
		struct net_addr a = r->address[i].addr;

		if (!addr_is_v4(a) && addr_eq(nd_solicited_node(a), group))
			return true;
	}
	return false;
}

static void change(struct group *of, bool left)
{
	of->left = left;
	of->changes = GROUPS_ROBUSTNESS;
	of->due = TAS_NS_NEVER;
}

/* False if we are in it already. */
static bool join(struct groups *g, struct net_addr addr)
{
	uint32_t i = group_find(g, addr);

	if (i < g->n && !g->group[i].left)
		return false;
	if (i == GROUPS_MAX) {
		left_forget(g);
		i = g->n;
		TAS_ASSERT(i < GROUPS_MAX);
	}
	if (i == g->n)
		g->group[g->n++].addr = addr;
	change(&g->group[i], false);
	return true;
}

/* --- what is told --- */

/* Ours for sure, or any (RFC 3810 5.2.13). */
static struct net_addr link_local(const struct groups *g)
{
	const struct routes *r = g->neigh->routes;

	for (uint32_t i = 0; i < r->addresses; i++)
		if (addr_is_link_local6(r->address[i].addr) && neigh_is_sure(g->neigh, r->address[i].addr))
			return r->address[i].addr;
	return addr_any();
}

static struct net_addr source(struct groups *g)
{
	struct net_addr src = link_local(g);

	g->unnamed |= addr_is_any(src);
	return src;
}

static void report(struct groups *g, const struct mld_record *record, uint32_t records)
{
	alignas(8) uint8_t frame[MLD_FRAME_MAX];
	const struct neigh *n = g->neigh;

	if (records > 0)
		n->ops.send(n->ops.arg, frame,
			mld_write_report(frame, sizeof(frame), &n->mac, source(g), record, records));
}

static void report_v1(struct groups *g, const struct group *of)
{
	alignas(8) uint8_t frame[MLD_FRAME_MAX];
	const struct neigh *n = g->neigh;

	n->ops.send(n->ops.arg, frame,
		mld_write_v1(frame, sizeof(frame), &n->mac, source(g), of->addr, of->left));
}

static void changes_report_v1(struct groups *g, tas_ns now)
{
	for (uint32_t i = 0; i < g->n; i++) {
		struct group *of = &g->group[i];

		if (of->changes == 0)
			continue;
		report_v1(g, of);
		of->changes = 0;
		of->due = min_u64(of->due, within(g, now, GROUPS_AGAIN_V1_MS));
	}
	left_forget(g);
}

/* RFC 3810 6.1: whatever changes meanwhile is told with what is told again. */
static void changes_report(struct groups *g, tas_ns now)
{
	struct mld_record record[GROUPS_MAX] = { 0 };
	uint32_t records = 0, more = 0;

	for (uint32_t i = g->n; i-- > 0;) {
		struct group *of = &g->group[i];

		if (of->changes == 0)
			continue;
		record[records++] = (struct mld_record){ .group = of->addr,
			.type = of->left ? MLD_TO_INCLUDE : MLD_TO_EXCLUDE };
		more += --of->changes;
		if (of->left && of->changes == 0)
			group_forget(g, i);
	}
	report(g, record, records);
	g->change_due = more > 0 ? within(g, now, GROUPS_AGAIN_MS) : TAS_NS_NEVER;
}

static void changes_tell(struct groups *g, tas_ns now)
{
	if (is_v1(g))
		changes_report_v1(g, now);
	else
		changes_report(g, now);
	deadline_find(g);
}

void groups_update(struct groups *g, tas_ns now)
{
	const struct routes *r = g->neigh->routes;
	bool changed = false;

	for (uint32_t i = 0; i < g->n; i++)
		if (!g->group[i].left && !is_wanted(g, g->group[i].addr)) {
			change(&g->group[i], true);
			changed = true;
		}
	for (uint32_t i = 0; i < r->addresses; i++)
		if (!addr_is_v4(r->address[i].addr))
			changed |= join(g, nd_solicited_node(r->address[i].addr));
	if (changed)
		changes_tell(g, now);
}

/* Routers do not listen to who does not say who it is: told again as soon as that is sure (RFC 3590 4). */
static void name_ourselves(struct groups *g, tas_ns now)
{
	g->unnamed = false;
	if (addr_is_any(link_local(g)))
		return;
	for (uint32_t i = 0; i < g->n; i++)
		g->group[i].changes = GROUPS_ROBUSTNESS;
	changes_tell(g, now);
}

/* --- what is asked --- */

/* RFC 3810 8.2.1: with another version all that was to be told is forgotten. */
static void version_set(struct groups *g, tas_ns v1_until)
{
	if (is_v1(g) != (v1_until != TAS_NS_NEVER)) {
		left_forget(g);
		for (uint32_t i = 0; i < g->n; i++) {
			g->group[i].changes = 0;
			g->group[i].due = TAS_NS_NEVER;
		}
		g->all_due = g->change_due = TAS_NS_NEVER;
	}
	g->v1_until = v1_until;
}

static void all_asked(struct groups *g, uint32_t max_delay_ms, tas_ns now)
{
	if (!is_v1(g)) {
		g->all_due = min_u64(g->all_due, answer_at(g, now, max_delay_ms));
		return;
	}
	for (uint32_t i = 0; i < g->n; i++)
		g->group[i].due = min_u64(g->group[i].due, answer_at(g, now, max_delay_ms));
}

/* The sources that are asked for besides those that were; what has no room is as if all were. */
static void sources_add(struct group *of, const struct mld_msg *m)
{
	bool waits = of->due != TAS_NS_NEVER;

	if (!waits)
		of->sources = 0;
	if ((waits && of->sources == 0) || m->sources == 0 || of->sources + m->sources > MLD_SOURCES_MAX) {
		of->sources = 0;
		return;
	}
	memcpy(&of->source[of->sources], m->source, m->sources * sizeof(m->source[0]));
	of->sources += m->sources;
}

/* RFC 3810 6.2. */
static void one_asked(struct groups *g, const struct mld_msg *m, tas_ns now)
{
	tas_ns due = answer_at(g, now, m->max_delay_ms);
	uint32_t i = group_find(g, m->group);

	if (i == g->n || g->group[i].left || g->all_due <= due)
		return;
	sources_add(&g->group[i], m);
	g->group[i].due = min_u64(g->group[i].due, due);
}

/* Another of the group told first (RFC 2710 4); of the solicited-node ones it is seldom that there is one. */
static void reported_by_another(struct groups *g, struct net_addr group)
{
	uint32_t i = group_find(g, group);

	if (is_v1(g) && i < g->n)
		g->group[i].due = TAS_NS_NEVER;
}

void groups_in(struct groups *g, const struct mld_msg *m, tas_ns now)
{
	if (m->is_query && m->is_v1)
		version_set(g, now + GROUPS_V1_NS);
	if (!m->is_query)
		reported_by_another(g, m->group);
	else if (addr_is_any(m->group))
		all_asked(g, m->max_delay_ms, now);
	else
		one_asked(g, m, now);
	deadline_find(g);
}

/* --- time --- */

static void all_answer(struct groups *g)
{
	struct mld_record record[GROUPS_MAX] = { 0 };
	uint32_t records = 0;

	g->all_due = TAS_NS_NEVER;
	for (uint32_t i = 0; i < g->n; i++)
		if (!g->group[i].left)
			record[records++] = (struct mld_record){ .group = g->group[i].addr,
				.type = MLD_IS_EXCLUDE };
	report(g, record, records);
}

static void one_answer(struct groups *g, struct group *of)
{
	struct mld_record record = { .group = of->addr,
		.type = of->sources > 0 ? MLD_IS_INCLUDE : MLD_IS_EXCLUDE, /* RFC 3810 6.3, 3. */
		.sources = of->sources,
		.source = of->source };

	of->due = TAS_NS_NEVER;
	if (is_v1(g))
		report_v1(g, of);
	else
		report(g, &record, 1);
}

unsigned groups_poll(struct groups *g, tas_ns now)
{
	unsigned done = 0;

	if (unlikely(g->unnamed && g->neigh->tentative == 0))
		name_ourselves(g, now), done++;
	if (now < g->next)
		return done;
	if (g->v1_until <= now)
		version_set(g, TAS_NS_NEVER), done++;
	if (g->all_due <= now)
		all_answer(g), done++;
	for (uint32_t i = 0; i < g->n; i++)
		if (g->group[i].due <= now)
			one_answer(g, &g->group[i]), done++;
	if (g->change_due <= now)
		changes_report(g, now), done++;
	deadline_find(g);
	return done;
}
