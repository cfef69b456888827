/* SPDX-License-Identifier: BSD-3-Clause */
/* test_siphash.c - known answers. */
#include "slowpath/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "include/base/compiler.h"

static struct siphash_key counting_key(void)
{
	uint8_t bytes[16];

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)i;
	return siphash_key_of(bytes);
}

/* Appendix A of the paper: key 00..0f, message 00..0e. */
static void the_example_of_the_paper_comes_out(void **state)
{
	struct siphash_key key = counting_key();
	uint8_t message[15];

	(void)state;
	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	assert_true(siphash_2_4(&key, message, sizeof(message)) == 0xa129ca6149be45e5);
}

/* Made by `openssl mac -macopt hexkey:000102030405060708090a0b0c0d0e0f -macopt size:8 SIPHASH` over the
 * bytes 00, 01, ... of each length. */
static void every_length_around_a_word_agrees_with_openssl(void **state)
{
	static const uint64_t expect[] = {
		0x726fdb47dd0e0e31,
		0x74f839c593dc67fd,
		0x0d6c8009d9a94f5a,
		0x85676696d7fb7e2d,
		0xcf2794e0277187b7,
		0x18765564cd99a68d,
		0xcbc9466e58fee3ce,
		0xab0200f58b01d137,
		0x93f5f5799a932462,
		0x9e0082df0ba9e4b0,
		0x7a5dbbc594ddb9f3,
		0xf4b32f46226bada7,
		0x751e8fbc860ee5fb,
		0x14ea5627c0843d90,
		0xf723ca908e7af2ee,
		0xa129ca6149be45e5,
		0x3f2acc7f57c29bdb,
		0x699ae9f52cbe4794,
		0x4bc1b3f0968dd39c,
		0xbb6dc91da77961bd,
	};
	struct siphash_key key = counting_key();
	uint8_t message[ARRAY_LEN(expect)];

	(void)state;
	for (unsigned i = 0; i < sizeof(message); i++)
		message[i] = (uint8_t)i;
	for (unsigned len = 0; len < ARRAY_LEN(expect); len++)
		assert_true(siphash_2_4(&key, message, len) == expect[len]);
}

static void every_bit_of_key_and_message_matters(void **state)
{
	uint8_t bytes[32] = { 0 };
	struct siphash_key zero = siphash_key_of(bytes);
	uint64_t plain = siphash_2_4(&zero, bytes, 16);

	(void)state;
	for (unsigned bit = 0; bit < 256; bit++) {
		struct siphash_key key;

		memset(bytes, 0, sizeof(bytes));
		bytes[bit / 8] = (uint8_t)(1 << (bit % 8));
		key = siphash_key_of(bytes);
		assert_true(siphash_2_4(&key, bytes + 16, 16) != plain);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_example_of_the_paper_comes_out),
		cmocka_unit_test(every_length_around_a_word_agrees_with_openssl),
		cmocka_unit_test(every_bit_of_key_and_message_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
