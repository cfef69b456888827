/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_trace.h"

#include <stdarg.h>
#include <string.h>

#include "include/net/pkt.h"

static void mix(struct trace *t, uint64_t v)
{
	t->hash = (t->hash ^ v) * 0x9e3779b97f4a7c15ull;
	t->hash ^= t->hash >> 29;
}

static void mix_bytes(struct trace *t, const uint8_t *p, uint32_t len)
{
	uint64_t word;

	for (; len >= sizeof(word); p += sizeof(word), len -= (uint32_t)sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		mix(t, word);
	}
	word = 0;
	memcpy(&word, p, len);
	mix(t, word);
}

void trace_begin(struct trace *t, FILE *out, tas_ns base)
{
	t->hash = 0x243f6a8885a308d3ull;
	t->entries = 0;
	t->now = t->base = base;
	t->out = out;
}

/* --- text --- */

static void flags_text(char *out, uint8_t flags)
{
	static const char letter[] = "FSRPAUEC";

	for (unsigned i = 0; i < 8; i++)
		if (flags & (1u << i))
			*out++ = letter[i];
	*out = '\0';
}

static void tcp_print(FILE *to, const struct flow_key *key, const struct seg *seg, const uint8_t *frame)
{
	struct tcp_opts o;
	char flags[9];

	flags_text(flags, seg->flags);
	fprintf(to, "%u>%u %s seq %u len %u ack %u win %u", be16toh(key->remote_port),
		be16toh(key->local_port), flags, seg->seq.v, seg->payload_len, seg->ack.v, seg->wnd);
	tcp_opt_parse(frame + seg->opts_off, seg->opts_len, &o);
	if (o.has & TCP_HAS_MSS)
		fprintf(to, " mss %u", o.mss);
	if (o.has & TCP_HAS_WSCALE)
		fprintf(to, " wscale %u", o.wscale);
	if (o.has & TCP_HAS_SACK_PERM)
		fprintf(to, " sackok");
	if (o.has & TCP_HAS_TS)
		fprintf(to, " ts %u/%u", o.ts_val, o.ts_ecr);
	for (unsigned i = 0; i < o.nsack; i++)
		fprintf(to, " sack %u-%u", o.sack[i].left.v, o.sack[i].right.v);
}

static void entry_print(FILE *to, const struct trace_entry *e, tas_ns base)
{
	uint8_t frame[65536] = { 0 }; /* what was cut off reads as zeros */
	struct flow_key key;
	struct seg seg;
	enum pkt_kind kind;

	fprintf(to, "%12.6f ", (double)(e->at - base) / 1e6);
	if (e->from == 0) {
		fprintf(to, "-- %s\n", (const char *)e->bytes);
		return;
	}
	memcpy(frame, e->bytes, min_u32(e->len, TRACE_BYTES));
	kind = pkt_parse(frame, e->len, PKT_VERIFIED_IP | PKT_VERIFIED_L4, &key, &seg);
	fprintf(to, "%c> ", e->from);
	if (kind == PKT_TCP)
		tcp_print(to, &key, &seg, frame);
	else
		fprintf(to, "%s, %u bytes", pkt_kind_name(kind), e->len);
	fprintf(to, "%s%s\n", e->fate[0] != '\0' ? "   " : "", e->fate);
}

void trace_tail(const struct trace *t, FILE *to, unsigned entries)
{
	uint64_t n = min_u64(entries, min_u64(t->entries, TRACE_KEPT));

	for (uint64_t i = t->entries - n; i < t->entries; i++)
		entry_print(to, &t->kept[i % TRACE_KEPT], t->base);
}

/* --- entries --- */

static struct trace_entry *entry_new(struct trace *t)
{
	struct trace_entry *e = &t->kept[t->entries++ % TRACE_KEPT];

	e->at = t->now;
	mix(t, t->now - t->base);
	return e;
}

static void entry_done(struct trace *t, const struct trace_entry *e)
{
	if (t->out != NULL)
		entry_print(t->out, e, t->base);
}

void trace_frame(struct trace *t, char from, const char *fate, const uint8_t *bytes, uint32_t len)
{
	struct trace_entry *e = entry_new(t);

	e->from = from;
	e->fate = fate;
	e->len = len;
	memcpy(e->bytes, bytes, min_u32(len, TRACE_BYTES));
	mix(t, (uint64_t)from << 32 | len);
	mix_bytes(t, (const uint8_t *)fate, (uint32_t)strlen(fate));
	mix_bytes(t, bytes, len);
	entry_done(t, e);
}

void trace_note(struct trace *t, const char *fmt, ...)
{
	struct trace_entry *e = entry_new(t);
	va_list ap;

	*e = (struct trace_entry){ .at = t->now, .fate = "" };
	va_start(ap, fmt);
	vsnprintf((char *)e->bytes, sizeof(e->bytes), fmt, ap);
	va_end(ap);
	mix_bytes(t, e->bytes, (uint32_t)strlen((const char *)e->bytes));
	entry_done(t, e);
}
