/* SPDX-License-Identifier: BSD-3-Clause */
/* test_query.c - what tasctl shows is true, whole, and made in small steps. */
#include "slowpath/query.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/app_rig.h"

struct answer {
	char *text;
	size_t len, room, longest_step;
	unsigned steps;
};

static struct query_source source_of(struct app_rig *r, const struct listeners *ls)
{
	return (struct query_source){ .fp = &r->fp,
		.apps = &r->apps,
		.conf = &r->conf,
		.listeners = ls,
		.started = r->now - 3723 * NS_PER_SEC };
}

static struct answer ask_of(struct app_rig *r, const struct listeners *ls, const char *words)
{
	struct query_source s = source_of(r, ls);
	struct answer a = { 0 };
	struct query_row row;
	struct query q;
	char why[128];

	assert_true(query_parse(&q, words, why, sizeof(why)));
	while (query_step(&q, &s, r->now, &row)) {
		if (a.len + row.len >= a.room) /* of thousands of rows */
			a.text = realloc(a.text, a.room = 2 * a.room + row.len + 1);
		memcpy(a.text + a.len, row.text, row.len);
		a.len += row.len;
		a.text[a.len] = '\0';
		a.longest_step = max_u64(a.longest_step, row.len);
		a.steps++;
	}
	assert_false(query_step(&q, &s, r->now, &row)); /* over is over */
	return a;
}

static struct answer ask(struct app_rig *r, const char *words) { return ask_of(r, NULL, words); }

/* --- a reader of JSON, so that what is printed is what scripts can read (RFC 8259) --- */

static const char *json_value(const char *p);

static const char *space(const char *p)
{
	while (*p == ' ' || *p == '\n' || *p == '\t')
		p++;
	return p;
}

static const char *json_string(const char *p)
{
	assert_int_equal(*p, '"');
	for (p++; *p != '"'; p++) {
		assert_true((unsigned char)*p >= ' ');
		p += *p == '\\';
	}
	return p + 1;
}

static const char *json_members(const char *p, char close, bool named)
{
	p = space(p + 1);
	while (*p != close) {
		if (named) {
			p = space(json_string(p));
			assert_int_equal(*p, ':');
			p = space(p + 1);
		}
		p = space(json_value(p));
		assert_true(*p == ',' || *p == close);
		if (*p == ',') {
			p = space(p + 1);
			assert_int_not_equal(*p, close);
		}
	}
	return p + 1;
}

static const char *json_value(const char *p)
{
	if (*p == '{')
		return json_members(p, '}', true);
	if (*p == '[')
		return json_members(p, ']', false);
	if (*p == '"')
		return json_string(p);
	assert_true(isdigit((unsigned char)*p));
	while (isdigit((unsigned char)*p))
		p++;
	return p;
}

static void is_json(const struct answer *a) { assert_int_equal(*space(json_value(space(a->text))), '\0'); }

static void has(const struct answer *a, const char *text)
{
	if (strstr(a->text, text) == NULL)
		fail_msg("\"%s\" is not in: %s", text, a->text);
}

static unsigned lines(const struct answer *a)
{
	unsigned n = 0;

	for (const char *p = a->text; (p = strchr(p, '\n')) != NULL; p++)
		n++;
	return n;
}

/* --- */

static void every_answer_is_one_json_value_also_when_there_is_nothing_to_show(void **state)
{
	static const char *const words[] = { "status json", "flows json", "listeners json", "apps json",
		"cores json", "stats json" };
	struct app_rig *r = rig_new();

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		struct answer a = ask(r, words[i]);

		is_json(&a);
		free(a.text);
	}
	rig_end(r);
}

static void status_says_how_full_tasd_is(void **state)
{
	struct app_rig *r = rig_new();
	struct answer a;

	(void)state;
	rig_attached_flow(r, rig_app(r));
	a = ask(r, "status");
	has(&a, "instance rig");
	has(&a, "up 1:02:03");
	has(&a, "flows         1 of 8192\n");
	has(&a, "applications  1 of 8,");
	has(&a, "device        net_null0\n");
	free(a.text);
	a = ask(r, "status json");
	is_json(&a);
	has(&a, "\"flows\": 1, \"flows_max\": 8192");
	has(&a, "\"uptime_s\": 3723");
	free(a.text);
	rig_end(r);
}

static void every_counter_is_shown_with_unit_and_help(void **state)
{
	struct app_rig *r = rig_new();
	struct answer a;
	char text[160];

	(void)state;
	r->fp.core[0]->counter[CNT_RX_PACKETS] = 40;
	r->fp.core[1]->counter[CNT_RX_PACKETS] = 2;
	r->fp.slow->counter[CNT_APPS_REFUSED] = 7;
	a = ask(r, "stats json");
	is_json(&a);
	has(&a, "{\"rx_packets\": 42,");
	has(&a, "\"apps_refused\": 7");
	free(a.text);
	a = ask(r, "stats");
	assert_int_equal(lines(&a), NR_COUNTERS);
	for (unsigned i = 0; i < NR_COUNTERS; i++) {
		snprintf(text, sizeof(text), "%-12s %s\n", tas_counter_info[i].unit,
			tas_counter_info[i].help);
		has(&a, text);
	}
	free(a.text);
	rig_end(r);
}

static void a_flow_is_shown_with_its_ends_and_its_process(void **state)
{
	struct app_rig *r = rig_new();
	struct answer a;
	char who[64];

	(void)state;
	rig_attached_flow(r, rig_app(r));
	r->fp.flows[rig_flow(r)].state = TCP_TIME_WAIT; /* nobody's any more */
	a = ask(r, "flows");
	assert_int_equal(lines(&a), 5);
	snprintf(who, sizeof(who), "192.0.2.1:1234           192.0.2.2:5678           test,pid=%d\n",
		getpid());
	has(&a, who);
	has(&a, "ESTAB");
	has(&a, "TIME-WAIT");
	has(&a, " cubic ");
	has(&a, "rtt:1.23/");
	has(&a, "cwnd:10");
	free(a.text);
	a = ask(r, "flows json");
	is_json(&a);
	has(&a, "\"state\": \"ESTAB\", \"local\": \"192.0.2.1:1234\", \"remote\": \"192.0.2.2:5678\"");
	has(&a, "\"rtt_us\": 1234");
	free(a.text);
	rig_end(r);
}

static void an_ipv6_address_stands_in_brackets(void **state)
{
	struct app_rig *r = rig_new();
	uint32_t flow = rig_flow(r);
	struct answer a;

	(void)state;
	assert_true(addr_parse("2001:db8::1", &r->fp.cold[flow].key.local));
	a = ask(r, "flows");
	has(&a, "[2001:db8::1]:1234");
	free(a.text);
	rig_end(r);
}

static void thousands_of_flows_come_in_small_steps_each_once(void **state)
{
	enum { FLOWS = 5000 };
	struct app_rig *r = rig_new();
	struct answer a;
	unsigned n = 0;

	(void)state;
	for (unsigned i = 0; i < FLOWS; i++)
		rig_flow(r);
	a = ask(r, "flows json");
	is_json(&a);
	for (const char *p = a.text; (p = strstr(p, "\"flow\": ")) != NULL; p++)
		assert_int_equal(strtoul(p + 8, NULL, 10), n++);
	assert_int_equal(n, FLOWS);
	assert_true(a.longest_step < QUERY_ROW_MAX - 512);
	assert_true(a.steps > FLOWS);
	free(a.text);
	rig_end(r);
}

/* The widest of everything still fits a row. */
static int wide_info(void *arg TAS_UNUSED, uint32_t flow, struct ctl_info *info)
{
	memset(info, 0xff, sizeof(*info));
	info->flow = flow;
	info->state = TCP_FIN_WAIT_1;
	memset(info->congestion, 'c', sizeof(info->congestion) - 1);
	info->congestion[sizeof(info->congestion) - 1] = '\0';
	return 0;
}

static void the_longest_row_is_whole(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	uint32_t flow = rig_attached_flow(r, app);
	struct answer a;

	(void)state;
	memset(r->fp.cold[flow].key.local.b, 0xfe, 16);
	memset(r->fp.cold[flow].key.remote.b, 0xfe, 16);
	memset(r->apps.slot[app].who.program, '"', sizeof(r->apps.slot[app].who.program) - 1);
	r->apps.ops.info = wide_info;
	a = ask(r, "flows json");
	is_json(&a);
	has(&a, "\"segs_out\": 4294967295}");
	assert_true(a.longest_step < QUERY_ROW_MAX - 256);
	free(a.text);
	a = ask(r, "apps json");
	is_json(&a);
	free(a.text);
	a = ask(r, "flows");
	has(&a, "core:0\n");
	free(a.text);
	rig_end(r);
}

static void an_application_is_shown_with_what_it_has(void **state)
{
	struct app_rig *r = rig_new();
	uint16_t app = rig_app(r);
	struct ctl_listen l = { .cookie = 1 };
	struct answer a;
	char text[64];

	(void)state;
	rig_attached_flow(r, app);
	assert_int_equal(app_listen(&r->apps, app, &l), 0);
	rig_greet(r, 0);
	a = ask(r, "apps json");
	is_json(&a);
	snprintf(text, sizeof(text), "\"app\": 0, \"pid\": %d,", getpid());
	has(&a, text);
	has(&a, "\"state\": \"live\", \"contexts\": 1, \"flows\": 1, \"listeners\": 1,");
	has(&a, "\"state\": \"mapping\"");
	has(&a, "\"memory_max_bytes\": 8388608");
	free(a.text);
	a = ask(r, "apps");
	assert_int_equal(lines(&a), 3);
	has(&a, "live      1         1       1 ");
	free(a.text);
	rig_end(r);
}

static void each_core_has_a_row(void **state)
{
	struct app_rig *r = rig_new();
	struct answer a;

	(void)state;
	r->fp.core[1]->counter[CNT_CORE_BUSY_NS] = 2500 * NS_PER_MS;
	r->fp.core[1]->asleep = 1;
	a = ask(r, "cores");
	assert_int_equal(lines(&a), 1 + RIG_CORES);
	has(&a, "1     1       asleep  2.500 ");
	free(a.text);
	a = ask(r, "cores json");
	is_json(&a);
	has(&a, "\"core\": 1, \"buckets\": 1, \"state\": \"asleep\", \"busy_ns\": 2500000000");
	free(a.text);
	rig_end(r);
}

static void listeners_come_in_order_whatever_their_list(void **state)
{
	struct app_rig *r = rig_new();
	struct listeners *ls = calloc(1, sizeof(*ls));
	struct listener *l = calloc(3, sizeof(*l));
	static const uint64_t ids[] = { 7, 2, 900 };
	struct answer a;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		l[i].id = ids[i];
		l[i].addr = addr_any();
		l[i].port = (uint16_t)(80 + i);
		l[i].backlog = 511;
		l[i].accepted = 1000 + i;
		RB_INSERT(listener_ids, &ls->ids, &l[i]);
		ls->count++;
	}
	a = ask_of(r, ls, "listeners json");
	is_json(&a);
	has(&a, "[{\"id\": 2, ");
	assert_true(strstr(a.text, "\"id\": 7") < strstr(a.text, "\"id\": 900"));
	has(&a, "\"accepted\": 1002");
	free(a.text);
	a = ask_of(r, ls, "listeners");
	assert_int_equal(lines(&a), 4);
	has(&a, ":81 ");
	free(a.text);
	a = ask_of(r, ls, "status");
	has(&a, "listeners     3\n");
	free(a.text);
	free(l);
	free(ls);
	rig_end(r);
}

static void a_question_that_does_not_exist_is_refused_in_words(void **state)
{
	static const char *const words[] = { "", "flow", "flowsjson", "flows  json", "flows json ",
		"flows xml", "\n" };
	struct query q;
	char why[128];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(words); i++) {
		assert_false(query_parse(&q, words[i], why, sizeof(why)));
		assert_non_null(strstr(why, "ask for status"));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_answer_is_one_json_value_also_when_there_is_nothing_to_show),
		cmocka_unit_test(status_says_how_full_tasd_is),
		cmocka_unit_test(every_counter_is_shown_with_unit_and_help),
		cmocka_unit_test(a_flow_is_shown_with_its_ends_and_its_process),
		cmocka_unit_test(an_ipv6_address_stands_in_brackets),
		cmocka_unit_test(thousands_of_flows_come_in_small_steps_each_once),
		cmocka_unit_test(the_longest_row_is_whole),
		cmocka_unit_test(an_application_is_shown_with_what_it_has),
		cmocka_unit_test(each_core_has_a_row),
		cmocka_unit_test(listeners_come_in_order_whatever_their_list),
		cmocka_unit_test(a_question_that_does_not_exist_is_refused_in_words),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
