/* SPDX-License-Identifier: BSD-3-Clause */
/* siphash.h - SipHash-2-4 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012).
 * Guarantee: who does not know the key learns nothing from outputs about it or about other outputs. Pure. */
#ifndef TAS_SLOWPATH_SIPHASH_H
#define TAS_SLOWPATH_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

struct siphash_key {
	uint64_t k[2];
};

/* The key given as 16 bytes, as the paper has it. */
struct siphash_key siphash_key_of(const uint8_t bytes[16]);
uint64_t siphash_2_4(const struct siphash_key *key, const void *data, size_t len);

#endif
