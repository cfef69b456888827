/* SPDX-License-Identifier: BSD-3-Clause */
/* fuzz_conf.c - tasd.conf of any bytes: it is read, or refused by words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "slowpath/conf.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	fuzz_start();
	return 0;
}

/* What conf.h promises of a file that was taken. */
static void check_taken(const struct tas_conf *c)
{
	assert_true(c->port.device[0] != '\0' && memchr(c->port.device, 0, sizeof(c->port.device)) != NULL);
	assert_true(memchr(c->tasd.log, 0, sizeof(c->tasd.log)) != NULL);
	assert_true(memchr(c->tasd.run_dir, 0, sizeof(c->tasd.run_dir)) != NULL);
	assert_true(c->ip.addresses > 0 || conf_has_ipv6(&c->ip));
	assert_true(c->ip.addresses <= CONF_ADDRESSES_MAX && c->ip.addresses6 <= CONF_ADDRESSES_MAX);
	assert_true(c->fastpath.cores_min >= 1 && c->fastpath.cores_min <= c->fastpath.cores_max);
	assert_int_equal(__builtin_popcount(c->memory.rx_buffer), 1);
	assert_int_equal(__builtin_popcount(c->memory.tx_buffer), 1);
	assert_int_equal(__builtin_popcount(c->memory.app_flows_max), 1);
	assert_true(c->memory.flows_max > 0 && c->memory.apps_max > 0);
	assert_true(c->tcp.congestion_routes <= CONF_CONGESTION_ROUTES_MAX);
	assert_true(c->tcp.rto_min_ms <= c->tcp.rto_max_ms);
	assert_true(c->tcp.port_range.low <= c->tcp.port_range.high);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf_errors errs = { 0 };
	struct tas_conf c;
	char path[64], *text = NULL;
	size_t text_size;
	int fd = memfd_create("tasd.conf", 0), result;
	FILE *words = open_memstream(&text, &text_size);

	assert_true(fd >= 0 && words != NULL && write(fd, data, size) == (ssize_t)size);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	result = conf_load(path, &c, &errs);
	close(fd);
	assert_int_equal(result, errs.count == 0 ? 0 : -1);
	conf_errors_print(&errs, words);
	fclose(words);
	assert_int_equal(text_size > 0, result != 0);
	free(text);
	conf_errors_free(&errs);
	if (result == 0)
		check_taken(&c);
	return 0;
}
