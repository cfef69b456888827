/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/ranges.h"

#include <string.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

static struct flow_range *all(struct flow_ranges *s) { return s->more != NULL ? s->more : s->r; }

/* Index of the first interval that ends at or after `off` (so it overlaps or touches what begins there). */
static uint32_t first_reaching(const struct flow_ranges *s, uint64_t off)
{
	uint32_t i = 0;

	while (i < s->n && ranges_all(s)[i].to < off)
		i++;
	return i;
}

static void remove_span(struct flow_ranges *s, uint32_t at, uint32_t count)
{
	memmove(&all(s)[at], &all(s)[at + count], (s->n - at - count) * sizeof(s->r[0]));
	s->n -= count;
}

static bool insert_at(struct flow_ranges *s, uint32_t at, struct flow_range r)
{
	if (s->n == ranges_max(s))
		return false;
	memmove(&all(s)[at + 1], &all(s)[at], (s->n - at) * sizeof(s->r[0]));
	all(s)[at] = r;
	s->n++;
	return true;
}

uint64_t ranges_add(struct flow_ranges *s, uint64_t from, uint64_t to)
{
	uint32_t first = first_reaching(s, from), last = first;
	struct flow_range *r = all(s);
	uint64_t had = 0;

	TAS_ASSERT(from < to);
	while (last < s->n && r[last].from <= to)
		had += r[last].to - r[last].from, last++;
	if (first == last)
		return insert_at(s, first, (struct flow_range){ from, to }) ? to - from : 0;

	r[first].from = min_u64(r[first].from, from);
	r[first].to = max_u64(r[last - 1].to, to);
	remove_span(s, first + 1, last - first - 1);
	return r[first].to - r[first].from - had;
}

void ranges_trim_below(struct flow_ranges *s, uint64_t off)
{
	struct flow_range *r = all(s);
	uint32_t gone = 0;

	while (gone < s->n && r[gone].to <= off)
		gone++;
	if (gone > 0)
		remove_span(s, 0, gone);
	if (s->n > 0)
		r[0].from = max_u64(r[0].from, off);
}

uint64_t ranges_bytes(const struct flow_ranges *s, uint64_t from, uint64_t to)
{
	const struct flow_range *r = ranges_all(s);
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t a = max_u64(r[i].from, from), b = min_u64(r[i].to, to);

		if (a < b)
			sum += b - a;
	}
	return sum;
}

bool ranges_next_hole(const struct flow_ranges *s, uint64_t from, uint64_t to, struct flow_range *hole)
{
	const struct flow_range *r = ranges_all(s);

	for (uint32_t i = 0; i < s->n && from < to; i++) {
		if (r[i].to <= from)
			continue;
		if (r[i].from > from) {
			*hole = (struct flow_range){ from, min_u64(r[i].from, to) };
			return true;
		}
		from = r[i].to;
	}
	*hole = (struct flow_range){ from, to };
	return from < to;
}

bool ranges_first_common(const struct flow_ranges *s, uint64_t from, uint64_t to, struct flow_range *part)
{
	for (uint32_t i = 0; i < s->n && ranges_all(s)[i].from < to; i++) {
		const struct flow_range *r = &ranges_all(s)[i];

		*part = (struct flow_range){ max_u64(r->from, from), min_u64(r->to, to) };
		if (part->from < part->to)
			return true;
	}
	return false;
}
