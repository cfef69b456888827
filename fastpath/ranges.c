/* SPDX-License-Identifier: BSD-3-Clause */
#include "fastpath/ranges.h"

#include <string.h>

#include "include/base/assert.h"
#include "include/base/compiler.h"

/* Index of the first interval that ends at or after `off` (so it overlaps or touches what begins there). */
static uint32_t first_reaching(const struct flow_ranges *s, uint64_t off)
{
	uint32_t i = 0;

	while (i < s->n && s->r[i].to < off)
		i++;
	return i;
}

static void remove_span(struct flow_ranges *s, uint32_t at, uint32_t count)
{
	memmove(&s->r[at], &s->r[at + count], (s->n - at - count) * sizeof(s->r[0]));
	s->n -= count;
}

static bool insert_at(struct flow_ranges *s, uint32_t at, struct flow_range r)
{
	if (s->n == REASS_MAX)
		return false;
	memmove(&s->r[at + 1], &s->r[at], (s->n - at) * sizeof(s->r[0]));
	s->r[at] = r;
	s->n++;
	return true;
}

uint64_t ranges_add(struct flow_ranges *s, uint64_t from, uint64_t to)
{
	uint32_t first = first_reaching(s, from), last = first;
	uint64_t had = 0;

	TAS_ASSERT(from < to);
	while (last < s->n && s->r[last].from <= to)
		had += s->r[last].to - s->r[last].from, last++;
	if (first == last)
		return insert_at(s, first, (struct flow_range){ from, to }) ? to - from : 0;

	s->r[first].from = min_u64(s->r[first].from, from);
	s->r[first].to = max_u64(s->r[last - 1].to, to);
	remove_span(s, first + 1, last - first - 1);
	return s->r[first].to - s->r[first].from - had;
}

void ranges_trim_below(struct flow_ranges *s, uint64_t off)
{
	uint32_t gone = 0;

	while (gone < s->n && s->r[gone].to <= off)
		gone++;
	if (gone > 0)
		remove_span(s, 0, gone);
	if (s->n > 0)
		s->r[0].from = max_u64(s->r[0].from, off);
}

uint64_t ranges_bytes(const struct flow_ranges *s, uint64_t from, uint64_t to)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < s->n; i++) {
		uint64_t a = max_u64(s->r[i].from, from), b = min_u64(s->r[i].to, to);

		if (a < b)
			sum += b - a;
	}
	return sum;
}

bool ranges_next_hole(const struct flow_ranges *s, uint64_t from, uint64_t to, struct flow_range *hole)
{
	for (uint32_t i = 0; i < s->n && from < to; i++) {
		if (s->r[i].to <= from)
			continue;
		if (s->r[i].from > from) {
			*hole = (struct flow_range){ from, min_u64(s->r[i].from, to) };
			return true;
		}
		from = s->r[i].to;
	}
	*hole = (struct flow_range){ from, to };
	return from < to;
}

bool ranges_first_common(const struct flow_ranges *s, uint64_t from, uint64_t to, struct flow_range *part)
{
	for (uint32_t i = 0; i < s->n && s->r[i].from < to; i++) {
		*part = (struct flow_range){ max_u64(s->r[i].from, from), min_u64(s->r[i].to, to) };
		if (part->from < part->to)
			return true;
	}
	return false;
}
