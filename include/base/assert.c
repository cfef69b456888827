/* SPDX-License-Identifier: BSD-3-Clause */
#include "include/base/assert.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void tas_assert_failed(const char *expression, const char *file, int line, const char *function)
{
	fprintf(stderr, "%s:%d: %s: assertion failed: %s\n", file, line, function, expression);
	abort();
}
