/* SPDX-License-Identifier: BSD-3-Clause */
#include "slowpath/query.h"

#include <stdio.h>
#include <string.h>

#include "slowpath/query_row.h"

/* Which questions there are. `next` puts one row (or nothing, having passed over a burst of unused slots)
 * and returns false once there are no more. */
struct query_kind {
	const char *name;
	const char *head; /* of the text's table */
	bool object;      /* JSON: one object of members, not an array of objects */
	bool (*next)(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row);
};

static const struct query_kind kinds[] = {
	{ "status", "", true, query_status },
	{ "flows", QUERY_FLOWS_HEAD, false, query_flows },
	{ "listeners", QUERY_LISTENERS_HEAD, false, query_listeners },
	{ "apps", QUERY_APPS_HEAD, false, query_apps },
	{ "cores", QUERY_CORES_HEAD, false, query_cores },
	{ "stats", "", true, query_stats },
};

/* --- pieces of a row --- */

void row_put(struct query_row *row, const char *fmt, ...)
{
	va_list args;
	int n;

	va_start(args, fmt);
	n = vsnprintf(row->text + row->len, sizeof(row->text) - row->len, fmt, args);
	va_end(args);
	if (n > 0)
		row->len = min_u64(row->len + (uint64_t)n, sizeof(row->text) - 1);
}

/* Numbers of JSON come by the dozen in each row: printf would be most of what an answer costs. */
static void put_bytes(struct query_row *row, const char *bytes, size_t len)
{
	len = min_u64(len, sizeof(row->text) - 1 - row->len);
	memcpy(row->text + row->len, bytes, len);
	row->len += len;
	row->text[row->len] = '\0';
}

static void put_text(struct query_row *row, const char *text) { put_bytes(row, text, strlen(text)); }

static void put_json_string(struct query_row *row, const char *text)
{
	put_text(row, "\"");
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			row_put(row, "\\%c", c);
		else if (c >= ' ' && c < 0x7f)
			put_bytes(row, text, 1);
		else
			row_put(row, "\\u%04x", c);
	}
	put_text(row, "\"");
}

static void put_name(struct query_row *row, const char *name)
{
	bool first = row->len > 0 && row->text[row->len - 1] == '{';

	put_text(row, first ? "\"" : ", \"");
	put_text(row, name);
	put_text(row, "\": ");
}

void row_string(struct query_row *row, const char *name, const char *value)
{
	put_name(row, name);
	put_json_string(row, value);
}

void row_number(struct query_row *row, const char *name, uint64_t value)
{
	char digits[20]; /* of 2^64 - 1 */
	size_t at = sizeof(digits);

	put_name(row, name);
	do
		digits[--at] = (char)('0' + value % 10);
	while ((value /= 10) != 0);
	put_bytes(row, digits + at, sizeof(digits) - at);
}

void row_begin(const struct query *q, struct query_row *row)
{
	if (q->json && !q->kind->object)
		row_put(row, "%s{", q->rows > 0 ? ",\n" : "");
}

void row_end(struct query *q, struct query_row *row)
{
	row_put(row, "%s", q->json ? (q->kind->object ? "" : "}") : "\n");
	q->rows++;
}

const char *query_endpoint(struct net_addr a, uint16_t port, char *buf, size_t size)
{
	char addr[ADDR_STRLEN];

	addr_format(a, addr, sizeof(addr));
	snprintf(buf, size, addr_is_v4(a) ? "%s:%u" : "[%s]:%u", addr, port);
	return buf;
}

/* --- the answer --- */

static const struct query_kind *kind_of(const char *name, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, name, len) == 0)
			return &kinds[i];
	return NULL;
}

bool query_parse(struct query *q, const char *words, char *why, size_t why_size)
{
	size_t len = strcspn(words, " ");

	*q = (struct query){ .kind = kind_of(words, len), .json = strcmp(words + len, " json") == 0 };
	if (q->kind != NULL && (q->json || words[len] == '\0'))
		return true;
	snprintf(why, why_size,
		"tasd does not know \"%.64s\": ask for status, flows, listeners, apps, cores or stats",
		words);
	return false;
}

static void begin(struct query *q, struct query_row *row)
{
	q->begun = true;
	row_put(row, "%s", !q->json ? q->kind->head : q->kind->object ? "{" : "[");
}

static void end(struct query *q, struct query_row *row)
{
	q->ended = true;
	row_put(row, "%s", !q->json ? "" : q->kind->object ? "}\n" : "]\n");
}

bool query_step(struct query *q, const struct query_source *s, tas_ns now, struct query_row *row)
{
	row->len = 0;
	if (q->ended)
		return false;
	if (!q->begun)
		begin(q, row);
	if (!q->kind->next(q, s, now, row))
		end(q, row);
	return true;
}
