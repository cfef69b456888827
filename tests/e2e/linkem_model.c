/* SPDX-License-Identifier: BSD-3-Clause */
#include "tests/e2e/linkem_model.h"

#include <net/ethernet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/base/compiler.h"

_Noreturn void die(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fputs("linkem: ", stderr);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(1);
}

/* --- what was asked --- */

static double number(const char *key, const char *value, const char **unit)
{
	char *end;
	double x = strtod(value, &end);

	if (end == value || !(x >= 0))
		die("%s=%s: not a number", key, value);
	*unit = end;
	return x;
}

static tas_ns time_of(const char *key, const char *value)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = { { "us", 1e3 }, { "ms", 1e6 }, { "s", 1e9 } };
	const char *unit;
	double x = number(key, value, &unit);

	for (unsigned i = 0; i < ARRAY_LEN(units); i++)
		if (strcmp(unit, units[i].name) == 0)
			return (tas_ns)(x * units[i].ns);
	die("%s=%s: a time has a unit: us, ms or s", key, value);
}

static uint64_t size_of(const char *key, const char *value)
{
	const char *unit;
	double x = number(key, value, &unit);

	x *= *unit == 'K' ? 1e3 : *unit == 'M' ? 1e6 : *unit == 'G' ? 1e9 : 1;
	if (strlen(unit) > 1 || (*unit != 0 && strchr("KMG", *unit) == NULL))
		die("%s=%s: a number may end in K, M or G", key, value);
	return (uint64_t)x;
}

static uint32_t percent_of(const char *key, const char *value)
{
	const char *unit;
	double x = number(key, value, &unit);

	if (x > 100 || (*unit != 0 && strcmp(unit, "%") != 0))
		die("%s=%s: per cent, from 0 to 100", key, value);
	return (uint32_t)(x * (PPM / 100) + 0.5);
}

static void spec_set(struct spec *s, const char *key, const char *value)
{
	if (strcmp(key, "delay") == 0)
		s->delay_ns = time_of(key, value);
	else if (strcmp(key, "jitter") == 0)
		s->jitter_ns = time_of(key, value);
	else if (strcmp(key, "late") == 0)
		s->late_ns = time_of(key, value);
	else if (strcmp(key, "reorder") == 0)
		s->reorder_ppm = percent_of(key, value);
	else if (strcmp(key, "loss") == 0)
		s->loss_ppm = percent_of(key, value);
	else if (strcmp(key, "burst") == 0)
		s->burst_ppm = percent_of(key, value);
	else if (strcmp(key, "burstlen") == 0)
		s->burst_len = (uint32_t)size_of(key, value);
	else if (strcmp(key, "dup") == 0)
		s->dup_ppm = percent_of(key, value);
	else if (strcmp(key, "rate") == 0)
		s->rate_bits_s = size_of(key, value);
	else if (strcmp(key, "queue") == 0)
		s->queue_bytes = size_of(key, value);
	else if (strcmp(key, "mtu") == 0)
		s->mtu = (uint32_t)size_of(key, value);
	else
		die("\"%s\" is no setting of a direction; see the top of linkem.c", key);
}

void spec_parse(struct spec *s, char *text)
{
	char *rest = NULL, *word, *value;

	*s = (struct spec){ .queue_bytes = UINT64_MAX };
	for (word = strtok_r(text, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
		value = strchr(word, '=');
		if (value == NULL)
			die("\"%s\": a setting is KEY=VALUE", word);
		*value++ = 0;
		spec_set(s, word, value);
	}
	if (s->burst_ppm > 0 && s->burst_len == 0)
		die("burst needs burstlen");
	if (s->burst_ppm > PPM / 2)
		die("burst: at most 50 %%");
	if (s->reorder_ppm > 0 && s->late_ns == 0)
		die("reorder needs late");
}

/* --- the model --- */

void model_init(struct model *m, const struct spec *s, uint64_t seed)
{
	*m = (struct model){ .spec = *s };
	rand_seed(&m->rand, seed);
}

/* Begins so often that P of all frames are in bursts: p (1 - P) = P / length. */
static bool model_burst(struct model *m)
{
	const struct spec *s = &m->spec;

	if (s->burst_ppm == 0)
		return false;
	if (m->in_burst)
		m->in_burst = !rand_chance_ppm(&m->rand, PPM / s->burst_len);
	else
		m->in_burst = rand_chance_ppm(&m->rand,
			(uint32_t)((double)s->burst_ppm / s->burst_len / (1 - (double)s->burst_ppm / PPM)));
	return m->in_burst;
}

/* When its last bit is on the wire; false if the queue has no room. */
static bool model_rate(struct model *m, uint32_t len, tas_ns now, tas_ns *sent)
{
	const struct spec *s = &m->spec;
	uint64_t waiting;

	*sent = now;
	if (s->rate_bits_s == 0)
		return true;
	waiting = m->busy_until > now ? (m->busy_until - now) * s->rate_bits_s / 8 / NS_PER_SEC : 0;
	if (waiting + len > s->queue_bytes && waiting > 0)
		return false;
	m->n.queue_max = max_u64(m->n.queue_max, waiting);
	m->busy_until = max_u64(m->busy_until, now) + (len + WIRE_EXTRA) * 8ull * NS_PER_SEC / s->rate_bits_s;
	*sent = m->busy_until;
	return true;
}

static tas_ns model_due(struct model *m, tas_ns sent)
{
	const struct spec *s = &m->spec;
	tas_ns due = sent + s->delay_ns;

	if (s->jitter_ns > 0)
		due += (tas_ns)((double)s->jitter_ns * ((double)rand_below(&m->rand, PPM) / PPM));
	m->last_due = due = max_u64(due, m->last_due);
	if (s->reorder_ppm > 0 && rand_chance_ppm(&m->rand, s->reorder_ppm)) {
		m->n.late++;
		due += s->late_ns;
	}
	return due;
}

unsigned model_take(struct model *m, uint32_t len, tas_ns now, tas_ns due[2])
{
	const struct spec *s = &m->spec;
	tas_ns sent;
	bool lost;

	m->n.in++;
	m->n.in_bytes += len;
	if (s->mtu > 0 && len > s->mtu + ETH_HLEN) {
		m->n.lost_mtu++;
		return 0;
	}
	/* drawn for each frame, whatever becomes of it, so that the seed tells which number is lost */
	lost = rand_chance_ppm(&m->rand, s->loss_ppm);
	if (!model_rate(m, len, now, &sent)) {
		m->n.lost_queue++;
		return 0;
	}
	if (model_burst(m)) {
		m->n.lost_burst++;
		return 0;
	}
	if (lost) {
		m->n.lost_random++;
		return 0;
	}
	due[0] = due[1] = model_due(m, sent);
	if (s->dup_ppm == 0 || !rand_chance_ppm(&m->rand, s->dup_ppm))
		return 1;
	m->n.duplicated++;
	return 2;
}

/* --- what is on its way --- */

bool frame_before(const struct frame *a, const struct frame *b)
{
	return a->due != b->due ? a->due < b->due : a->number < b->number;
}

static void heap_swap(struct frame *a, struct frame *b)
{
	struct frame f = *a;

	*a = *b;
	*b = f;
}

void heap_push(struct heap *h, const uint8_t *data, uint32_t len, tas_ns due)
{
	struct frame f = { .due = due, .number = h->numbers++, .len = len, .data = malloc(len) };

	if (h->n == h->size) {
		h->size = h->size * 2 + 64;
		h->f = realloc(h->f, h->size * sizeof(f));
	}
	if (h->f == NULL || f.data == NULL)
		die("no memory for what is on its way");
	memcpy(f.data, data, len);
	h->f[h->n] = f;
	for (size_t i = h->n++; i > 0 && frame_before(&h->f[i], &h->f[(i - 1) / 2]); i = (i - 1) / 2)
		heap_swap(&h->f[i], &h->f[(i - 1) / 2]);
}

struct frame heap_pop(struct heap *h)
{
	struct frame first = h->f[0];
	size_t i = 0, least;

	h->f[0] = h->f[--h->n];
	for (;; i = least) {
		least = i;
		for (size_t c = 2 * i + 1; c <= 2 * i + 2 && c < h->n; c++)
			least = frame_before(&h->f[c], &h->f[least]) ? c : least;
		if (least == i)
			return first;
		heap_swap(&h->f[i], &h->f[least]);
	}
}
