/* SPDX-License-Identifier: BSD-3-Clause */
/* siphash.c - as the paper writes it: 2 rounds per word of 8 bytes, 4 at the end. */
#include "slowpath/siphash.h"

#include "include/net/bytes.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotl(uint64_t x, unsigned n) { return x << n | x >> (64 - n); }

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v2 += s->v3;
	s->v1 = rotl(s->v1, 13) ^ s->v0;
	s->v3 = rotl(s->v3, 16) ^ s->v2;
	s->v0 = rotl(s->v0, 32) + s->v3;
	s->v2 += s->v1;
	s->v1 = rotl(s->v1, 17) ^ s->v2;
	s->v3 = rotl(s->v3, 21) ^ s->v0;
	s->v2 = rotl(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t m)
{
	s->v3 ^= m;
	sip_round(s);
	sip_round(s);
	s->v0 ^= m;
}

struct siphash_key siphash_key_of(const uint8_t bytes[16])
{
	return (struct siphash_key){ { load_u64(bytes), load_u64(bytes + 8) } };
}

uint64_t siphash_2_4(const struct siphash_key *key, const void *data, size_t len)
{
	const uint8_t *p = data;
	uint64_t k0 = key->k[0], k1 = key->k[1], last = (uint64_t)len << 56;
	struct sip s = { /* "somepseudorandomlygeneratedbytes" */
		k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
		k1 ^ 0x7465646279746573
	};

	for (; p + 8 <= (const uint8_t *)data + len; p += 8)
		sip_word(&s, load_u64(p));
	for (size_t i = 0; i < (len & 7); i++)
		last |= (uint64_t)p[i] << (8 * i);
	sip_word(&s, last);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
