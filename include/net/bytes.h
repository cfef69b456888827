/* SPDX-License-Identifier: BSD-3-Clause */
/* bytes.h - loads and stores at any address, in host and in network byte order.
 * Frames and options have no alignment: everything that reads or writes them goes through here or through a
 * packed struct. No DPDK, no OS. Little-endian hosts only, as everything that DPDK's x86, arm64 and ppc64le
 * ports run on. */
#ifndef TAS_NET_BYTES_H
#define TAS_NET_BYTES_H

#include <endian.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER == __LITTLE_ENDIAN, "a little-endian host");

static inline uint16_t load_u16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t load_u32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t load_u64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void store_u16(void *p, uint16_t v) { memcpy(p, &v, sizeof(v)); }
static inline void store_u32(void *p, uint32_t v) { memcpy(p, &v, sizeof(v)); }
static inline void store_u64(void *p, uint64_t v) { memcpy(p, &v, sizeof(v)); }

static inline uint16_t load_be16(const void *p) { return be16toh(load_u16(p)); }
static inline uint32_t load_be32(const void *p) { return be32toh(load_u32(p)); }
static inline void store_be16(void *p, uint16_t v) { store_u16(p, htobe16(v)); }
static inline void store_be32(void *p, uint32_t v) { store_u32(p, htobe32(v)); }

#endif
