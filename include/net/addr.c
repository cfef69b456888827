/* SPDX-License-Identifier: BSD-3-Clause */
/* addr.c - addresses and prefixes as text. Written out here because the C library's functions live in the
 * socket headers, which stay at the rim. */
#include <stdio.h>
#include <string.h>

#include "include/net/addr.h"

/* Digits of a number in decimal without leading zeros, at most max; returns what follows, NULL if there is
 * none. */
static const char *addr_parse_number(const char *s, unsigned max, unsigned *out)
{
	unsigned v = 0;

	if (*s < '0' || *s > '9' || (*s == '0' && s[1] >= '0' && s[1] <= '9'))
		return NULL;
	for (; *s >= '0' && *s <= '9'; s++) {
		v = v * 10 + (unsigned)(*s - '0');
		if (v > max)
			return NULL;
	}
	*out = v;
	return s;
}

static bool addr_parse_v4(const char *s, uint8_t out[4])
{
	for (int i = 0; i < 4; i++) {
		unsigned v;

		s = addr_parse_number(s, 255, &v);
		if (s == NULL || *s != (i < 3 ? '.' : '\0'))
			return false;
		out[i] = (uint8_t)v;
		s++;
	}
	return true;
}

static int addr_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* One to four hexadecimal digits; returns what follows, NULL if there are none or more. */
static const char *addr_parse_group(const char *s, uint8_t out[2])
{
	unsigned v = 0;
	int i = 0;

	for (; i < 4 && addr_hex_digit(s[i]) >= 0; i++)
		v = v << 4 | (unsigned)addr_hex_digit(s[i]);
	if (i == 0 || addr_hex_digit(s[i]) >= 0)
		return NULL;
	out[0] = (uint8_t)(v >> 8);
	out[1] = (uint8_t)v;
	return s + i;
}

/* The groups up to the end of the text, one after the other in b, and in *gap the byte where "::" stood, -1
 * if nowhere. Returns how many bytes they are, -1 if the text is wrong. */
static int addr_parse_groups(const char *s, uint8_t b[16], int *gap)
{
	int n = 0;

	*gap = -1;
	if (s[0] == ':' && s[1] == ':') {
		*gap = 0;
		s += 2;
	}
	while (*s != '\0') {
		if (n <= 12 && addr_parse_v4(s, b + n))
			return n + 4;
		if (n == 16 || (s = addr_parse_group(s, b + n)) == NULL)
			return -1;
		n += 2;
		if (*s == '\0')
			break;
		if (*s++ != ':' || *s == '\0')
			return -1;
		if (*s == ':') {
			if (*gap >= 0)
				return -1;
			*gap = n;
			s++;
		}
	}
	return n;
}

static bool addr_parse_v6(const char *s, uint8_t b[16])
{
	int gap, n = addr_parse_groups(s, b, &gap), zeros = 16 - n;

	if (n < 0 || gap < 0)
		return n == 16;
	if (zeros == 0) /* "::" stands for at least one group */
		return false;
	memmove(b + gap + zeros, b + gap, (size_t)(n - gap));
	memset(b + gap, 0, (size_t)zeros);
	return true;
}

bool addr_parse(const char *text, struct net_addr *out)
{
	struct net_addr a = addr_v4(0);

	if (!addr_parse_v4(text, a.b + 12) && !addr_parse_v6(text, a.b))
		return false;
	*out = a;
	return true;
}

/* The longest run of two or more zero groups, the first of equals (RFC 5952 4.2): where it begins; its
 * length, 0 if none. */
static int addr_longest_run(const uint16_t group[8], int *len)
{
	int best = 0;

	*len = 0;
	for (int i = 0; i < 8; i++) {
		int n = 0;

		while (i + n < 8 && group[i + n] == 0)
			n++;
		if (n > 1 && n > *len) {
			best = i;
			*len = n;
		}
	}
	return best;
}

static void addr_format_v6(struct net_addr a, char text[ADDR_STRLEN])
{
	uint16_t group[8];
	int run, run_len, n = 0;

	for (int i = 0; i < 8; i++)
		group[i] = (uint16_t)(a.b[2 * i] << 8 | a.b[2 * i + 1]);
	run = addr_longest_run(group, &run_len);
	for (int i = 0; i < 8; i++) {
		if (run_len > 0 && i == run) {
			n += snprintf(text + n, (size_t)(ADDR_STRLEN - n), "::");
			i += run_len - 1;
			continue;
		}
		n += snprintf(text + n, (size_t)(ADDR_STRLEN - n), "%s%x",
			i > 0 && !(run_len > 0 && i == run + run_len) ? ":" : "", group[i]);
	}
}

static void addr_format_v4(struct net_addr a, char text[ADDR_STRLEN])
{
	snprintf(text, ADDR_STRLEN, "%u.%u.%u.%u", a.b[12], a.b[13], a.b[14], a.b[15]);
}

/* Copies all of the text or nothing. */
static const char *addr_give(const char *text, char *buf, size_t size)
{
	if (strlen(text) < size)
		strcpy(buf, text);
	else if (size > 0)
		buf[0] = '\0';
	return buf;
}

const char *addr_format(struct net_addr a, char *buf, size_t size)
{
	char text[ADDR_STRLEN] = "";

	if (addr_is_v4(a))
		addr_format_v4(a, text);
	else
		addr_format_v6(a, text);
	return addr_give(text, buf, size);
}

bool prefix_parse(const char *text, struct net_prefix *out)
{
	const char *slash = strchrnul(text, '/'), *end;
	bool v4 = memchr(text, ':', (size_t)(slash - text)) == NULL;
	unsigned max = v4 ? 32 : 128, len = max;
	char address[ADDR_STRLEN];

	if ((size_t)(slash - text) >= sizeof(address))
		return false;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	if (*slash == '/' && ((end = addr_parse_number(slash + 1, max, &len)) == NULL || *end != '\0'))
		return false;
	if (!addr_parse(address, &out->addr))
		return false;
	out->len = (uint8_t)(v4 ? len + ADDR_V4_PREFIX_OFFSET : len);
	return true;
}

const char *prefix_format(const struct net_prefix *p, char *buf, size_t size)
{
	bool v4 = addr_is_v4(p->addr) && p->len >= ADDR_V4_PREFIX_OFFSET;
	char address[ADDR_STRLEN] = "", text[PREFIX_STRLEN];

	if (v4)
		addr_format_v4(p->addr, address);
	else
		addr_format_v6(p->addr, address);
	snprintf(text, sizeof(text), "%s/%d", address, v4 ? p->len - ADDR_V4_PREFIX_OFFSET : p->len);
	return addr_give(text, buf, size);
}
