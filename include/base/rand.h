/* SPDX-License-Identifier: BSD-3-Clause */
/* rand.h - a seeded generator (xoshiro256**, Blackman and Vigna 2018), so that one seed replays a whole run.
 * Not for secrets: keys are drawn at the rim with arc4random. Owner: whoever holds the struct. */
#ifndef TAS_BASE_RAND_H
#define TAS_BASE_RAND_H

#include <stdbool.h>
#include <stdint.h>

struct tas_rand {
	uint64_t s[4];
};

static inline uint64_t rand_splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline void rand_seed(struct tas_rand *r, uint64_t seed)
{
	for (int i = 0; i < 4; i++)
		r->s[i] = rand_splitmix(&seed);
}

static inline uint64_t rand_rotl(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

static inline uint64_t rand_u64(struct tas_rand *r)
{
	uint64_t *s = r->s, result = rand_rotl(s[1] * 5, 7) * 9, t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rand_rotl(s[3], 45);
	return result;
}

/* Uniform in [0, n) for n > 0 (multiply-shift; the bias is below n/2^32). */
static inline uint32_t rand_below(struct tas_rand *r, uint32_t n)
{
	return (uint32_t)(((rand_u64(r) >> 32) * n) >> 32);
}

/* True with probability p_ppm / 1,000,000. */
static inline bool rand_chance_ppm(struct tas_rand *r, uint32_t p_ppm)
{
	return rand_below(r, 1000000) < p_ppm;
}

#endif
