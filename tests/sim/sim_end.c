/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/sim/sim_end.h"

#include <errno.h>
#include <string.h>

#include "include/base/compiler.h"

enum { BUF_MAX = 65536, STEPS_MAX = 16, KEPT = 16 };

#define ASKING_NS (4 * NS_PER_SEC)

static const char *name_of(const struct app_end *e) { return e->side == 0 ? "client" : "server"; }

void end_fail(struct app_end *e, const char *what, uint64_t a, uint64_t b)
{
	e->w->failed = true;
	trace_note(e->w->trace, "FAILED: plan %u, %s: %s (%lu, %lu)", e->plan_no, name_of(e), what, a, b);
}

/* --- the pattern --- */

static uint64_t pattern_word(uint64_t stream, uint64_t word)
{
	uint64_t z = (stream << 40) + word * 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	return z ^ (z >> 27);
}

void pattern_fill(uint8_t *buf, uint64_t stream, uint64_t at, uint32_t n)
{
	uint64_t word = pattern_word(stream, at / 8);
	uint32_t skip = at % 8, head = min_u32(8 - skip, n), i = head;

	memcpy(buf, (uint8_t *)&word + skip, head);
	for (at += head; i + 8 <= n; i += 8, at += 8) {
		word = pattern_word(stream, at / 8);
		memcpy(buf + i, &word, 8);
	}
	word = pattern_word(stream, at / 8);
	memcpy(buf + i, &word, n - i);
}

uint64_t pattern_stream(unsigned plan_no, unsigned side) { return plan_no * 2 + side + 1; }

/* --- one side --- */

static const struct plan_side *mine(const struct app_end *e) { return &e->plan->side[e->side]; }
static const struct plan_side *theirs(const struct app_end *e) { return &e->plan->side[1 - e->side]; }

/* Its peer may be gone without a word. */
static bool gives_up(const struct plan *p) { return p->may_fail && p->must_fail == 0; }

static void end_close(struct app_end *e, bool abort_it)
{
	struct sim_proc *p = e->proc;

	trace_note(e->w->trace, "plan %u, %s: close%s after %lu read, %lu written", e->plan_no, name_of(e),
		abort_it ? " (abort)" : "", e->read, e->written);
	p->api->close(p, e->ctx, e->sock, abort_it);
	e->sock = NULL;
	e->state = ENDS_CLOSED;
	if (e->plan->must_fail != 0 && !e->failed)
		end_fail(e, "there should have been an error", 0, 0);
	if (!e->failed && !e->plan->may_fail && (e->read != theirs(e)->bytes || e->written != mine(e)->bytes))
		end_fail(e, "closed too early", e->read, e->written);
}

/* Whoever was asked for in vain, for three seconds, is not to be reached; as in Linux. */
static bool is_unlucky(const struct end_world *w)
{
	return w->asks_lost[0] != 0 && w->now - w->asks_lost[0] <= ASKING_NS;
}

static bool error_allowed(const struct app_end *e, int error)
{
	if (e->plan->must_fail != 0)
		return error == e->plan->must_fail;
	return e->plan->may_fail ||
		(error == EHOSTUNREACH && e->side == 0 && e->read + e->written == 0 && is_unlucky(e->w));
}

static void end_error(struct app_end *e, int error)
{
	trace_note(e->w->trace, "plan %u, %s: error %d after %lu read, %lu written", e->plan_no, name_of(e),
		error, e->read, e->written);
	e->failed = true;
	if (!error_allowed(e, error))
		end_fail(e, strerror(error), e->read, e->written);
	end_close(e, false);
}

static bool read_some(struct app_end *e)
{
	static uint8_t buf[BUF_MAX], want[BUF_MAX];
	const struct plan_side *m = mine(e);
	struct sim_proc *p = e->proc;
	uint32_t most = 1 + rand_below(&p->rand, min_u32(m->read_chunk, BUF_MAX));
	ssize_t n = p->api->recv(p, e->ctx, e->sock, buf, most);

	if (n == -EAGAIN)
		return false;
	e->since = e->w->now;
	if (n < 0) {
		end_error(e, (int)-n);
		return true;
	}
	if (n == 0) {
		e->eof = true;
		if (e->read != theirs(e)->bytes && !e->plan->may_fail)
			end_fail(e, "the stream ended early", e->read, theirs(e)->bytes);
		return true;
	}
	pattern_fill(want, pattern_stream(e->plan_no, 1 - e->side), e->read, (uint32_t)n);
	if (memcmp(buf, want, (size_t)n) != 0 || e->read + (uint64_t)n > theirs(e)->bytes)
		end_fail(e, "wrong bytes", e->read, (uint64_t)n);
	e->read += (uint64_t)n;
	e->w->payload += (uint64_t)n;
	if (m->read_pause != 0)
		e->pause_to = e->w->now + rand_u64(&p->rand) % m->read_pause;
	return true;
}

static uint64_t may_write(const struct app_end *e)
{
	const struct plan_side *m = mine(e);

	if (m->block == 0)
		return m->bytes - e->written;
	return min_u64(m->bytes, m->block * (e->read / m->per + m->ahead)) - e->written;
}

/* The `len` bytes of what it writes at e->written. What was refused is asked for again. */
static const uint8_t *to_write(const struct app_end *e, uint32_t len)
{
	static struct {
		uint64_t stream, from; /* the first `have` bytes are of this stream, from there */
		uint32_t have;
		uint8_t b[2 * BUF_MAX];
	} kept[KEPT], *k;
	uint64_t stream = pattern_stream(e->plan_no, e->side);
	uint32_t skip;

	k = &kept[stream % KEPT];
	if (k->stream != stream || e->written < k->from || e->written - k->from + len > sizeof(k->b)) {
		k->stream = stream;
		k->from = e->written;
		k->have = 0;
	}
	skip = (uint32_t)(e->written - k->from);
	if (skip + len > k->have) {
		pattern_fill(k->b + k->have, stream, k->from + k->have, skip + len - k->have);
		k->have = skip + len;
	}
	return k->b + skip;
}

static bool write_some(struct app_end *e)
{
	const struct plan_side *m = mine(e);
	struct sim_proc *p = e->proc;
	uint32_t most = 1 + rand_below(&p->rand, min_u32(m->chunk, BUF_MAX));
	uint32_t len = (uint32_t)min_u64(may_write(e), most);
	ssize_t n;

	if (len == 0 || e->shut)
		return false;
	n = p->api->send(p, e->ctx, e->sock, to_write(e, len), len, m->more && e->written + len < m->bytes);
	if (n == -EAGAIN)
		return false;
	e->since = e->w->now;
	if (n < 0) {
		end_error(e, (int)-n);
		return true;
	}
	e->written += (uint64_t)n;
	if (m->write_pause != 0)
		e->pause_to = e->w->now + rand_u64(&p->rand) % m->write_pause;
	return true;
}

/* What the plan wants done about the end. True if it did something. */
static bool end_some(struct app_end *e)
{
	const struct plan_side *m = mine(e);
	struct sim_proc *p = e->proc;
	bool wrote = e->written == m->bytes, read = e->read == theirs(e)->bytes;

	if (m->end == END_ABORT && e->read + e->written >= m->abort_at) {
		end_close(e, true);
	} else if ((m->end == END_EARLY && wrote) || (m->end == END_CLOSE && wrote && read) ||
		(wrote && e->eof)) {
		end_close(e, false);
	} else if (m->end == END_SHUT && wrote && !e->shut) {
		e->shut = p->api->shut(p, e->ctx, e->sock);
		trace_note(e->w->trace, "plan %u, %s: shut after %lu%s", e->plan_no, name_of(e), e->written,
			e->shut ? "" : " (not now)");
		return e->shut;
	} else if (gives_up(e->plan) && e->w->now - e->since > e->w->patience) {
		trace_note(e->w->trace, "plan %u: gave up", e->plan_no);
		end_close(e, false);
	} else {
		return false;
	}
	return true;
}

static bool pauses(const struct app_end *e) { return e->pause_to > e->w->now; }

unsigned end_step(struct app_end *e)
{
	unsigned did = 0;
	bool more = true;

	e->hot = false;
	for (; did < STEPS_MAX && more && !pauses(e) && e->state == ENDS_OPEN; did += more) {
		more = end_some(e);
		if (e->state == ENDS_OPEN && !e->eof)
			more |= read_some(e);
		if (e->state == ENDS_OPEN && !pauses(e))
			more |= write_some(e);
	}
	e->due = more ? max_u64(e->pause_to, e->w->now) : TAS_NS_NEVER;
	if (gives_up(e->plan))
		e->due = min_u64(e->due, max_u64(e->since + e->w->patience, e->w->now) + 1);
	return did;
}

void end_begin(struct app_end *e, void *sock, unsigned ctx)
{
	struct sim_proc *p = e->proc;

	e->sock = sock;
	e->ctx = ctx;
	e->state = ENDS_OPEN;
	e->hot = true;
	e->due = TAS_NS_NEVER;
	e->since = e->w->now;
	p->api->set_user(sock, &e->hot);
}

bool end_wants_step(const struct app_end *e)
{
	return e->state == ENDS_OPEN && (e->due <= e->w->now || (e->hot && !pauses(e)));
}

tas_ns end_deadline(const struct app_end *e)
{
	if (e->state != ENDS_OPEN)
		return TAS_NS_NEVER;
	return e->hot ? min_u64(e->pause_to, e->due) : e->due;
}
