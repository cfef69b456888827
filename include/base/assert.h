/* SPDX-License-Identifier: BSD-3-Clause */
/* assert.h - what we broke ourselves stops here.
 * TAS_ASSERT checks our own invariants and is on in every build; what outsiders send is checked, counted and
 * answered, never asserted.
 * TAS_DEBUG_ASSERT is for checks too dear for the per-packet path; it is compiled in by -Dchecks=true. */
#ifndef TAS_BASE_ASSERT_H
#define TAS_BASE_ASSERT_H

#include "include/base/compiler.h"

/* Prints "file:line: function: expression" to standard error and aborts. */
_Noreturn void tas_assert_failed(const char *expression, const char *file, int line, const char *function);

#define TAS_ASSERT(expr) (likely(expr) ? (void)0 : tas_assert_failed(#expr, __FILE__, __LINE__, __func__))

#ifdef TAS_CHECKS
#define TAS_DEBUG_ASSERT(expr) TAS_ASSERT(expr)
#else
#define TAS_DEBUG_ASSERT(expr) ((void)sizeof(!(expr)))
#endif

#endif
