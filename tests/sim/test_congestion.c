/* SPDX-License-Identifier: BSD-3-Clause */
/* test_congestion.c - what congestion control does with a bottleneck, with the whole stack at both ends, in
 * virtual time; docs/congestion.md says what its figures are to be compared with.
 *
 *   test_congestion                    the rules below, as a test
 *   test_congestion NAME               those of one algorithm
 *   test_congestion --plots DIR        DIR/congestion-NAME.svg for each algorithm
 *   test_congestion --table            goodput of each at several losses and round trips, as Markdown
 *   test_congestion --blackouts [NAME] a blackout on links from 10 Mbit/s to 1 Gbit/s, 0.2 to 100 ms
 *   test_congestion --scene NAMES MBIT RTT_MS LOSS% SECONDS QUEUE_BDP EVERY_MS
 *                                      [BLACKOUT_S [MARK_KB [LATE% LATE_MS]]]
 *                                      one scene, NAMES as "bbr,cubic", a line for each interval
 * timeout: 600 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "include/base/compiler.h"
#include "slowpath/cc.h"
#include "tests/sim/sim_cc.h"
#include "tests/sim/sim_host.h"
#include "tests/sim/sim_svg.h"

enum { FRAME = 1514, MSS = 1448, SAMPLES_MAX = 4096 };

/* Of a link: what of it can be payload. */
static const double PAYLOAD = (double)MSS / FRAME;

static int failures;

static void rule(bool holds, const char *fmt, ...) TAS_PRINTF(2, 3);
static void rule(bool holds, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	printf("%s ", holds ? "ok  " : "FAIL");
	vprintf(fmt, ap);
	printf("\n");
	fflush(stdout);
	va_end(ap);
	failures += !holds;
}

static struct cc_scene scene_of(double mbit, double rtt_ms, double queue_bdp)
{
	double rate = mbit * 125000;

	return (struct cc_scene){ .seed = 1,
		.rate = (uint64_t)rate,
		.rtt = (tas_ns)(rtt_ms * NS_PER_MS),
		.queue = (uint32_t)(queue_bdp * rate * rtt_ms / 1e3) + 4 * FRAME,
		.every = NS_PER_SEC };
}

static void scene_flow(struct cc_scene *s, const char *congestion, double start_s)
{
	s->flow[s->flows++] = (struct cc_scene_flow){ .congestion = congestion,
		.start = (tas_ns)(start_s * NS_PER_SEC) };
}

/* --- a record of a run --- */

struct record {
	const struct cc_scene *s;
	unsigned n;
	uint64_t before[CC_SCENE_FLOWS_MAX];
	double mbit[CC_SCENE_FLOWS_MAX][SAMPLES_MAX], cwnd[CC_SCENE_FLOWS_MAX][SAMPLES_MAX];
	double queue[SAMPLES_MAX]; /* segments */
};

static bool record_see(void *arg, tas_ns at)
{
	struct record *r = arg;

	(void)at;
	if (r->n == SAMPLES_MAX)
		return false;
	for (unsigned i = 0; i < r->s->flows; i++) {
		struct cc_view v = cc_scene_view(i);

		r->mbit[i][r->n] = (double)(v.acked - min_u64(r->before[i], v.acked)) * 8e3 /
			(double)r->s->every;
		r->cwnd[i][r->n] = (double)v.cwnd / MSS;
		r->before[i] = v.acked;
	}
	r->queue[r->n++] = (double)cc_scene_queue() / FRAME;
	return true;
}

static void record_run(struct record *r, struct cc_scene *s, struct cc_outcome *out)
{
	memset(r, 0, sizeof(*r));
	r->s = s;
	s->see = record_see;
	s->arg = r;
	cc_scene_run(s, out);
}

static double mean(const double *v, unsigned from, unsigned to)
{
	double sum = 0;

	for (unsigned i = from; i < to; i++)
		sum += v[i];
	return to > from ? sum / (to - from) : 0;
}

/* --- after a blackout --- */

/* Half the rate from before it within 20 round trips of the first answered probe, and for 20 more. */
enum { BLACKOUT_TRIPS = 20 };

struct blackout {
	const struct cc_scene *s;
	uint64_t at_begin, at_dark; /* acknowledged: a second before it, and when it began */
	uint64_t una;
	tas_ns answered;
	uint64_t at[2 * BLACKOUT_TRIPS + 1]; /* acknowledged: so many round trips after the answer */
	unsigned trips;
};

static bool blackout_see(void *arg, tas_ns at)
{
	struct blackout *b = arg;
	struct cc_view v = cc_scene_view(0);
	tas_ns dark = b->s->blackout_at;

	if (at <= dark - NS_PER_SEC)
		b->at_begin = v.acked;
	if (at <= dark)
		b->at_dark = v.acked;
	if (at <= dark + b->s->blackout_for) {
		b->una = v.una;
		return true;
	}
	if (b->answered == 0 && v.una > b->una)
		b->answered = at;
	if (b->answered != 0 && at >= b->answered + b->trips * b->s->rtt)
		b->at[b->trips++] = v.acked;
	return b->trips < ARRAY_LEN(b->at);
}

static double blackout_mbit(const struct blackout *b, unsigned from, unsigned to)
{
	return b->trips <= to ? 0
			      : (double)(b->at[to] - b->at[from]) * 8e3 / ((to - from) * (double)b->s->rtt);
}

/* The first round trip at whose end half of `before` was delivered in it. */
static unsigned blackout_reached(const struct blackout *b, double before)
{
	unsigned trip = 0;

	while (trip + 1 < b->trips && blackout_mbit(b, trip, trip + 1) < before / 2)
		trip++;
	return trip + 1;
}

static void after_a_blackout(const char *name, double mbit, double rtt_ms, double at_s)
{
	struct cc_scene s = scene_of(mbit, rtt_ms, 1);
	struct blackout b = { .s = &s };
	struct cc_outcome out;
	double before, after;
	unsigned reached;

	scene_flow(&s, name, 0);
	if (strcmp(name, "dctcp") == 0) /* a seventh of a product, and 20 frames at least */
		s.mark_above = max_u32(30000, (uint32_t)(mbit * 125 * rtt_ms / 7));
	s.const_rate = (uint32_t)(mbit * 0.8);
	s.blackout_at = (tas_ns)(at_s * NS_PER_SEC);
	s.blackout_for = 10 * NS_PER_SEC;
	s.duration = 40 * NS_PER_SEC;
	s.every = s.rtt / 4;
	s.see = blackout_see;
	s.arg = &b;
	cc_scene_run(&s, &out);
	before = (double)(b.at_dark - b.at_begin) * 8e-6;
	after = blackout_mbit(&b, BLACKOUT_TRIPS, 2 * BLACKOUT_TRIPS);
	reached = blackout_reached(&b, before);
	rule(reached <= BLACKOUT_TRIPS && after >= before / 2,
		"%s, %g Mbit/s, %g ms: %.1f Mbit/s before a blackout, half of it %u round trips after it, "
		"%.1f 20 to 40 after",
		name, mbit, rtt_ms, before, reached, after);
}

/* On more links than a test has the time for. */
static void blackouts(const char *only)
{
	static const double link[][2] = { { 10, 0.2 }, { 10, 20 }, { 10, 100 }, { 100, 0.2 }, { 100, 5 },
		{ 100, 100 }, { 200, 50 }, { 1000, 0.2 }, { 1000, 2 }, { 1000, 20 }, { 1000, 100 } };

	for (int i = 0; i < NR_CC; i++) {
		const char *name = cc_ops_of((enum cc_algorithm)i)->name;

		if (only == NULL || strcmp(only, name) == 0)
			for (unsigned l = 0; l < ARRAY_LEN(link); l++)
				after_a_blackout(name, link[l][0], link[l][1], 3);
	}
}

/* --- floors --- */

struct floor_seen {
	uint64_t acked;
	double least_rate; /* bytes/s */
	uint32_t least_cwnd;
	tas_ns stood_from, stood; /* the longest time without progress */
};

static bool floor_see(void *arg, tas_ns at)
{
	struct floor_seen *f = arg;
	struct cc_view v = cc_scene_view(0);

	if (!v.open)
		return true;
	if (v.rate != 0)
		f->least_rate = (double)v.rate < f->least_rate ? (double)v.rate : f->least_rate;
	f->least_cwnd = min_u32(f->least_cwnd, v.cwnd);
	if (v.acked > f->acked) {
		f->acked = v.acked;
		f->stood_from = at;
	}
	f->stood = max_u64(f->stood, at - f->stood_from);
	return true;
}

/* A fifth of everything is lost, both ways: slow, but never still for longer than a backed-off timer. */
static void at_worst(const char *name)
{
	const double seconds = 30;
	struct cc_scene s = scene_of(10, 20, 1);
	struct floor_seen f = { .least_rate = 1e18, .least_cwnd = UINT32_MAX };
	struct cc_outcome out;

	scene_flow(&s, name, 0);
	s.loss_ppm = s.ack_loss_ppm = 200000;
	s.const_rate = 5;
	s.duration = (tas_ns)(seconds * NS_PER_SEC);
	s.every = 20 * NS_PER_MS;
	s.see = floor_see;
	s.arg = &f;
	cc_scene_run(&s, &out);
	rule(f.least_cwnd >= MSS && f.least_rate > 15000 && f.stood < 15 * NS_PER_SEC &&
			(double)out.delivered[0] > 1.5 * seconds * MSS,
		"%s at 20 %% loss both ways: window >= %.1f segments, pace >= %.0f kB/s, "
		"%.1f kB/s got through",
		name, (double)f.least_cwnd / MSS, f.least_rate < 1e17 ? f.least_rate / 1e3 : 0,
		(double)out.delivered[0] / 1e3 / seconds);
}

/* --- random loss --- */

static double goodput(const char *name, double mbit, double rtt_ms, double loss_percent, double seconds)
{
	struct cc_scene s = scene_of(mbit, rtt_ms, rtt_ms < 1 ? 10 : 1);
	struct cc_outcome out;

	scene_flow(&s, name, 0);
	s.loss_ppm = (uint32_t)(loss_percent * 10000);
	s.duration = (tas_ns)(seconds * NS_PER_SEC);
	s.mark_above = strcmp(name, "dctcp") == 0 ? 30000 : 0;
	s.const_rate = (uint32_t)mbit;
	cc_scene_run(&s, &out);
	return (double)out.delivered[0] / seconds / ((double)s.rate * PAYLOAD);
}

/* Linux's BBR keeps 88 % of 200 Mbit/s at 20 ms and 3 %, of which the beginning takes a part. */
static void bbr_keeps_a_lossy_link(void)
{
	static const struct {
		double mbit, rtt_ms, loss, seconds, least;
	} at[] = { { 50, 20, 3, 10, 0.88 }, { 50, 20, 5, 10, 0.82 }, { 200, 0.2, 3, 1, 0.88 } };

	for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
		double got = goodput("bbr", at[i].mbit, at[i].rtt_ms, at[i].loss, at[i].seconds);

		rule(got > at[i].least, "bbr, %g Mbit/s, %g ms: %.1f %% of the link at %g %% loss",
			at[i].mbit, at[i].rtt_ms, 100 * got, at[i].loss);
	}
}

/* Slow start ends with marks, and in a queue of less than a product with losses, too. At 100 Mbit/s they
 * begin below what RFC 8257 wants, so that each reduction is seen. */
static void dctcp_fills_a_long_link(void)
{
	static const struct {
		double mbit, queue_bdp;
		uint32_t mark_above;
	} at[] = { { 200, 1, 178000 }, { 200, 0.9, 178000 }, { 100, 1, 30000 } };

	for (unsigned i = 0; i < ARRAY_LEN(at); i++) {
		struct cc_scene s = scene_of(at[i].mbit, 50, at[i].queue_bdp);
		struct cc_outcome out;
		double use;

		scene_flow(&s, "dctcp", 0);
		s.mark_above = at[i].mark_above;
		s.duration = 10 * NS_PER_SEC;
		cc_scene_run(&s, &out);
		use = (double)out.delivered[0] / 10 / ((double)s.rate * PAYLOAD);
		rule(use > 0.88, "dctcp, %g Mbit/s, 50 ms, a queue of %g BDP, marks above %u bytes: %.1f %%",
			at[i].mbit, at[i].queue_bdp, at[i].mark_above, 100 * use);
	}
}

/* --- sharing --- */

struct sharing {
	const char *name;
	double mbit, rtt_ms, queue_bdp;
	uint32_t mark_kb;
	double least_fairness, least_use, most_queue; /* queue: mean, in products of bandwidth and delay */
};

static const struct sharing sharing[] = {
	{ "cubic", 20, 20, 1, 0, 0.85, 0.93, 1.0 },
	{ "newreno", 20, 20, 1, 0, 0.85, 0.93, 1.0 },
	{ "dctcp", 100, 1, 4, 15, 0.85, 0.9, 2.0 },
	{ "bbr", 20, 20, 1, 0, 0.75, 0.88, 1.0 },
	{ "timely", 100, 1, 4, 0, 0.85, 0.88, 0.5 },
};

static void shared_scene(struct cc_scene *s, const struct sharing *g, double seconds)
{
	*s = scene_of(g->mbit, g->rtt_ms, g->queue_bdp);
	for (unsigned i = 0; i < 3; i++)
		scene_flow(s, g->name, i * seconds / 6);
	s->mark_above = g->mark_kb * 1000;
	s->duration = (tas_ns)(seconds * NS_PER_SEC);
	s->every = (tas_ns)(seconds * NS_PER_SEC / 300);
}

static void three_flows_share(const struct sharing *g, double seconds)
{
	static struct record r;
	struct cc_scene s;
	struct cc_outcome out;
	double sum = 0, squares = 0, queue, bdp;

	shared_scene(&s, g, seconds);
	record_run(&r, &s, &out);
	for (unsigned i = 0; i < s.flows; i++) {
		double got = mean(r.mbit[i], r.n * 3 / 5, r.n);

		sum += got;
		squares += got * got;
	}
	bdp = (double)s.rate * (double)s.rtt / 1e9 / FRAME;
	queue = mean(r.queue, r.n * 3 / 5, r.n) / bdp;
	rule(sum * sum / (s.flows * squares) >= g->least_fairness &&
			sum >= g->least_use * g->mbit * PAYLOAD && queue <= g->most_queue,
		"%s, three flows: Jain %.3f, %.1f %% of the link, mean queue %.2f BDP, %lu frames lost",
		g->name, sum * sum / (s.flows * squares), 100 * sum / (g->mbit * PAYLOAD), queue,
		out.lost_queue);
}

/* --- pictures --- */

static void plot(const struct sharing *g, const char *dir, double seconds)
{
	static struct record r;
	struct cc_outcome out;
	struct cc_scene s;
	struct svg svg;
	char path[512], title[160];
	static const char *const flow[] = { "flow 1", "flow 2", "flow 3" };
	double every = seconds / 300, bdp, high = 0;
	FILE *to;

	shared_scene(&s, g, seconds);
	s.const_rate = (uint32_t)(g->mbit * 0.3);
	record_run(&r, &s, &out);
	snprintf(path, sizeof(path), "%s/congestion-%s.svg", dir, g->name);
	to = fopen(path, "w");
	if (to == NULL) {
		fprintf(stderr, "%s: cannot be written: create the directory first\n", path);
		exit(1);
	}
	snprintf(title, sizeof(title), "%s: three flows, %g Mbit/s, %g ms, queue of %g BDP%s", g->name,
		g->mbit, g->rtt_ms, g->queue_bdp, g->mark_kb != 0 ? ", marks above 15 kB" : "");
	svg_begin(&svg, to, title, seconds, 3);
	svg_panel(&svg, "goodput, Mbit/s", g->mbit);
	for (unsigned i = 0; i < s.flows; i++)
		svg_line(&svg, flow[i], r.mbit[i], r.n, every);
	svg_level(&svg, "fair share", g->mbit * PAYLOAD / 3);
	bdp = (double)s.rate * (double)s.rtt / 1e9 / FRAME;
	svg_panel(&svg, "queue, segments", (double)s.queue / FRAME);
	svg_line(&svg, "queue", r.queue, r.n, every);
	svg_level(&svg, "1 BDP", bdp);
	for (unsigned i = 0; i < r.n; i++)
		high = r.cwnd[0][i] < 1e5 && r.cwnd[0][i] > high ? r.cwnd[0][i] : high;
	svg_panel(&svg, "congestion window, segments", high);
	for (unsigned i = 0; i < s.flows; i++)
		svg_line(&svg, flow[i], r.cwnd[i], r.n, every);
	svg_end(&svg);
	fclose(to);
	printf("%s\n", path);
}

static void plots(const char *dir)
{
	static const struct sharing constant = { "const-rate", 20, 20, 1, 0, 0, 0, 0 };

	for (unsigned i = 0; i < ARRAY_LEN(sharing); i++)
		plot(&sharing[i], dir, sharing[i].rtt_ms < 5 ? 3 : 24);
	plot(&constant, dir, 10);
}

/* --- figures --- */

static void table(void)
{
	static const double loss[] = { 0, 0.1, 1, 3, 5 }, rtt_ms[] = { 0.2, 20, 50 };
	static const char *const name[] = { "cubic", "newreno", "dctcp", "bbr", "timely" };

	printf("| 100 Mbit/s | 0 %% | 0.1 %% | 1 %% | 3 %% | 5 %% |\n");
	printf("| --- | --- | --- | --- | --- | --- |\n");
	for (unsigned r = 0; r < ARRAY_LEN(rtt_ms); r++)
		for (unsigned i = 0; i < ARRAY_LEN(name); i++) {
			printf("| %s, %g ms |", name[i], rtt_ms[r]);
			for (unsigned l = 0; l < ARRAY_LEN(loss); l++) {
				printf(" %.1f |",
					100 *
						goodput(name[i], 100, rtt_ms[r], loss[l],
							rtt_ms[r] < 1 ? 1 : 10));
				fflush(stdout);
			}
			printf("\n");
		}
}

/* --- one scene --- */

static bool scene_see(void *arg, tas_ns at)
{
	static uint64_t before[CC_SCENE_FLOWS_MAX];
	const struct cc_scene *s = arg;

	printf("%8.3f s queue %7u", (double)at / 1e9, cc_scene_queue());
	for (unsigned i = 0; i < s->flows; i++) {
		struct cc_view v = cc_scene_view(i);

		printf(" | %7.2f Mbit/s cwnd %6.1f out %6.1f rtt %6u/%6u pace %8.2f rec %u rto %u rtx %.3f",
			(double)(v.acked - min_u64(before[i], v.acked)) * 8e3 / (double)s->every,
			(double)v.cwnd / MSS, (double)v.inflight / MSS, v.srtt_us, v.min_rtt_us,
			(double)v.rate * 8 / 1e6, v.recoveries, v.timeouts,
			(double)v.again / (double)(v.sent + 1));
		before[i] = v.acked;
	}
	printf("\n");
	return true;
}

static void one_scene(char **arg, int n)
{
	struct cc_scene s = scene_of(atof(arg[1]), atof(arg[2]), atof(arg[5]));
	struct cc_outcome out;
	double seconds = atof(arg[4]);

	for (char *a = strtok(arg[0], ","); a != NULL && s.flows < CC_SCENE_FLOWS_MAX; a = strtok(NULL, ","))
		scene_flow(&s, a, s.flows * seconds / 6);
	s.loss_ppm = (uint32_t)(atof(arg[3]) * 10000);
	s.duration = (tas_ns)(seconds * NS_PER_SEC);
	s.every = (tas_ns)(atof(arg[6]) * NS_PER_MS);
	s.blackout_at = n > 7 ? (tas_ns)(atof(arg[7]) * NS_PER_SEC) : 0;
	s.blackout_for = s.blackout_at != 0 ? 10 * NS_PER_SEC : 0;
	s.mark_above = n > 8 ? (uint32_t)(atof(arg[8]) * 1000) : 0;
	s.reorder_ppm = n > 10 ? (uint32_t)(atof(arg[9]) * 10000) : 0;
	s.reorder_by = n > 10 ? (tas_ns)(atof(arg[10]) * NS_PER_MS) : 0;
	s.see = scene_see;
	s.arg = &s;
	cc_scene_run(&s, &out);
	for (unsigned i = 0; i < s.flows; i++) {
		double took = (double)(s.duration - s.flow[i].start) / 1e9;

		printf("flow %u, %s: %.2f Mbit/s, %.1f %% of the link\n", i, s.flow[i].congestion,
			(double)out.delivered[i] * 8e-6 / took,
			100 * (double)out.delivered[i] / took / ((double)s.rate * PAYLOAD));
	}
	printf("lost: %lu by the queue, %lu else; queue: mean %.0f, max %u bytes\n", out.lost_queue,
		out.lost_other, out.queue_mean, out.queue_max);
}

/* only: an algorithm; NULL: all algorithms */
static void rules(const char *only)
{
	for (int i = 0; i < NR_CC; i++) {
		const char *name = cc_ops_of((enum cc_algorithm)i)->name;

		if (only != NULL && strcmp(only, name) != 0)
			continue;
		after_a_blackout(name, 20, 20, 3);
		after_a_blackout(name, 50, 2, 3);
		after_a_blackout(name, 1000, 2, 3);
		after_a_blackout(name, 200, 50, 3);
		after_a_blackout(name, 10, 100, 2.2); /* timely still makes up for its slow start */
		at_worst(name);
	}
	if (only == NULL || strcmp(only, "bbr") == 0)
		bbr_keeps_a_lossy_link();
	if (only == NULL || strcmp(only, "dctcp") == 0)
		dctcp_fills_a_long_link();
	for (unsigned i = 0; i < ARRAY_LEN(sharing); i++)
		if (only == NULL || strcmp(only, sharing[i].name) == 0)
			three_flows_share(&sharing[i], sharing[i].rtt_ms < 5 ? 3 : 24);
}

int main(int argc, char **argv)
{
	if (host_eal_start() != 0)
		return 1;
	if (argc >= 3 && strcmp(argv[1], "--plots") == 0)
		plots(argv[2]);
	else if (argc >= 2 && strcmp(argv[1], "--table") == 0)
		table();
	else if (argc >= 2 && strcmp(argv[1], "--blackouts") == 0)
		blackouts(argc >= 3 ? argv[2] : NULL);
	else if (argc >= 9 && strcmp(argv[1], "--scene") == 0)
		one_scene(argv + 2, argc - 2);
	else
		rules(argc >= 2 ? argv[1] : NULL);
	return failures != 0;
}
