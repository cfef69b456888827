/* SPDX-License-Identifier: BSD-3-Clause */
/* exports.h - for the files that define the C library's names once more: no inline variants of them, and
 * marks for what libtas.so exports. Every exported name stands in docs/sockets.md; a test compares. */
#ifndef TAS_PRELOAD_EXPORTS_H
#define TAS_PRELOAD_EXPORTS_H

#undef _FORTIFY_SOURCE
#undef _FILE_OFFSET_BITS
#undef _TIME_BITS

#include "include/base/compiler.h"
#include "libtas/posix/px.h"

#define EXPORT TAS_EXPORT __attribute__((used))
/* Another name of a function of the same file. */
#define ALIAS(name, of) extern __typeof__(of) name EXPORT __attribute__((alias(#of), copy(of)))

#endif
