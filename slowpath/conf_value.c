/* SPDX-License-Identifier: BSD-3-Clause */
/* The text behind a key becomes a value. Each reader takes exactly what its key documents, and nothing that
 * merely looks like it: no sign, blank, 0x or trailing letter slips through. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bsd/string.h>

#include "include/base/assert.h"
#include "include/base/device.h"
#include "slowpath/conf_table.h"

/* A text being read, its field, and where to say what is wrong with it. */
struct value {
	const struct conf_key *key;
	const char *text;
	void *field;
	char *why;
	size_t why_size;
};

static bool wrong(const struct value *v, const char *why)
{
	strlcpy(v->why, why, v->why_size);
	return false;
}

/* Digits of `base` from *text on; false if there are none, or more than 18 (so that no shift by a suffix
 * hides an overflow: what is too long is out of every range). */
static bool digits_read(const char **text, int base, int64_t *out)
{
	const char *from = *text;
	int64_t v = 0;

	for (; **text >= '0' && **text < '0' + base; (*text)++) {
		if (*text - from >= 18)
			return false;
		v = v * base + (**text - '0');
	}
	*out = v;
	return *text > from;
}

/* All integers of a struct tas_conf are 1 (bool), 4 or 8 bytes wide. */
static void int_store(const struct value *v, int64_t value)
{
	uint32_t narrow = (uint32_t)value;

	TAS_ASSERT(v->key->size == 8 || v->key->size == 4 || v->key->size == 1);
	if (v->key->size == 8)
		memcpy(v->field, &value, 8);
	else if (v->key->size == 4)
		memcpy(v->field, &narrow, 4);
	else
		*(bool *)v->field = value != 0;
}

static bool int_check_and_store(const struct value *v, int64_t value)
{
	const struct conf_key *k = v->key;

	if (!(value == 0 && k->flags & CONF_OR_ZERO)) {
		if (value < k->min || value > k->max)
			return wrong(v, "is out of range");
		if (k->flags & CONF_POW2 && !is_pow2((uint64_t)value))
			return wrong(v, "is not a power of two");
	}
	int_store(v, value);
	return true;
}

static bool int_set(const struct value *v)
{
	const char *c = v->text;
	bool negative = *c == '-' && v->key->min < 0;
	int64_t value;

	c += negative;
	if (!digits_read(&c, 10, &value))
		return wrong(v, isdigit((unsigned char)*c) ? "is out of range" : "is not a whole number");
	if (*c != '\0')
		return wrong(v, "is not a whole number");
	return int_check_and_store(v, negative ? -value : value);
}

static bool octal_set(const struct value *v)
{
	const char *c = v->text;
	int64_t value;

	if (!digits_read(&c, 8, &value) || *c != '\0')
		return wrong(v, "is not an octal number");
	return int_check_and_store(v, value);
}

static int shift_of_suffix(char c)
{
	switch (toupper((unsigned char)c)) {
	case 'K': return 10;
	case 'M': return 20;
	case 'G': return 30;
	default: return 0;
	}
}

static bool size_set(const struct value *v)
{
	const char *c = v->text;
	int64_t value;
	int shift;

	if (!digits_read(&c, 10, &value))
		return wrong(v, isdigit((unsigned char)*c) ? "is out of range" : "is not a size");
	shift = shift_of_suffix(*c);
	if (c[shift > 0] != '\0')
		return wrong(v, "is not a size (bytes, or a number with K, M or G)");
	if (value > INT64_MAX >> shift)
		return wrong(v, "is out of range");
	return int_check_and_store(v, value << shift);
}

/* The index of `text` among words that blanks separate, or -1. */
static int word_index(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (int i = 0;; i++) {
		size_t word = strcspn(words, " ");

		if (word == len && memcmp(words, text, len) == 0)
			return i;
		if (words[word] == '\0')
			return -1;
		words += word + 1;
	}
}

static bool choice_set(const struct value *v)
{
	int i = word_index(v->key->words, v->text);

	if (i < 0)
		return wrong(v, "is not a choice");
	int_store(v, i);
	return true;
}

static bool text_store(const struct value *v)
{
	if (strlen(v->text) >= v->key->size)
		return wrong(v, "is too long");
	strlcpy(v->field, v->text, v->key->size);
	return true;
}

static bool word_set(const struct value *v)
{
	return word_index(v->key->words, v->text) < 0 ? wrong(v, "is not a choice") : text_store(v);
}

static bool name_set(const struct value *v)
{
	if (v->text[strspn(v->text, "abcdefghijklmnopqrstuvwxyz0123456789_-")] != '\0')
		return wrong(v, "has a character that is not allowed");
	return text_store(v);
}

static bool path_set(const struct value *v)
{
	return v->text[0] != '/' ? wrong(v, "is not an absolute path") : text_store(v);
}

static bool log_set(const struct value *v)
{
	bool known = strcmp(v->text, "stderr") == 0 || strcmp(v->text, "syslog") == 0;

	return known ? text_store(v) : path_set(v);
}

static bool device_set(const struct value *v)
{
	if (device_kind_of(v->text) == DEVICE_NONE)
		return wrong(v,
			"is neither a PCI address nor a vdev (Linux's eth1 is net_af_packet0,iface=eth1)");
	for (const char *c = v->text; *c != '\0'; c++)
		if (!isgraph((unsigned char)*c))
			return wrong(v, "has a blank or another character that no device has");
	return text_store(v);
}

/* What keeps an address from being a host's in its subnet, or NULL. RFC 3021: in a /31 all are hosts. */
static const char *host_fault(const struct net_prefix *p)
{
	struct net_prefix zero = { addr_v4(0), p->len };
	uint32_t host_bits = prefix_v4_broadcast(&zero), be = addr_v4_be(p->addr);

	if (addr_is_any(p->addr) || addr_is_loopback(p->addr) || addr_is_multicast(p->addr) ||
		addr_is_v4_broadcast(p->addr))
		return "is not an address that a host can have";
	if (p->len <= 30 + ADDR_V4_PREFIX_OFFSET && (be & host_bits) == 0)
		return "is the address of the subnet itself";
	if (p->len <= 30 + ADDR_V4_PREFIX_OFFSET && (be & host_bits) == host_bits)
		return "is the broadcast address of the subnet";
	return NULL;
}

static bool cidr_add(const struct value *v, const struct net_prefix *p, struct net_prefix *all, uint32_t *n)
{
	for (uint32_t i = 0; i < *n; i++)
		if (addr_eq(all[i].addr, p->addr))
			return wrong(v, "was given before");
	if (*n == CONF_ADDRESSES_MAX)
		return wrong(v, "is one address too many");
	all[(*n)++] = *p;
	return true;
}

static bool cidr_set(const struct value *v)
{
	struct conf_ip *ip = container_of_(v->field, struct conf_ip, address);
	struct net_prefix p;
	const char *fault;

	if (strchr(v->text, '/') == NULL)
		return wrong(v, "has no prefix length");
	if (!prefix_parse(v->text, &p) || !addr_is_v4(p.addr) || p.len <= ADDR_V4_PREFIX_OFFSET)
		return wrong(v, "is not an IPv4 address with a prefix length of 1 to 32");
	fault = host_fault(&p);
	return fault != NULL ? wrong(v, fault) : cidr_add(v, &p, ip->address, &ip->addresses);
}

static bool is_host6(struct net_addr a)
{
	return !addr_is_any(a) && !addr_is_loopback(a) && !addr_is_multicast(a) && !addr_is_v4(a);
}

static bool cidr6_set(const struct value *v)
{
	struct conf_ip *ip = container_of_(v->field, struct conf_ip, address6);
	struct net_prefix p;

	if (strchr(v->text, '/') == NULL)
		return wrong(v, "has no prefix length");
	if (!prefix_parse(v->text, &p) || addr_is_v4(p.addr) || p.len == 0)
		return wrong(v, "is not an IPv6 address with a prefix length of 1 to 128");
	if (!is_host6(p.addr))
		return wrong(v, "is not an address that a host can have");
	return cidr_add(v, &p, ip->address6, &ip->addresses6);
}

static bool addr_set(const struct value *v)
{
	struct conf_ip *ip = container_of_(v->field, struct conf_ip, gateway);
	struct net_addr a;

	if (!addr_parse(v->text, &a) || !addr_is_v4(a))
		return wrong(v, "is not an IPv4 address");
	ip->gateway = a;
	ip->has_gateway = true;
	return true;
}

static bool addr6_set(const struct value *v)
{
	struct conf_ip *ip = container_of_(v->field, struct conf_ip, gateway6);
	struct net_addr a;

	if (!addr_parse(v->text, &a) || !is_host6(a))
		return wrong(v, "is not an IPv6 address that a router can have");
	ip->gateway6 = a;
	ip->has_gateway6 = true;
	return true;
}

/* FIRST or FIRST-LAST, as far as the text looks like it. */
static bool span_read(const char **text, int64_t *first, int64_t *last)
{
	if (!digits_read(text, 10, first))
		return false;
	*last = *first;
	if (**text != '-')
		return true;
	(*text)++;
	return digits_read(text, 10, last);
}

static bool cpus_set(const struct value *v)
{
	const char *c = v->text;
	int64_t first, last;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	for (;; c++) {
		if (!span_read(&c, &first, &last) || (*c != '\0' && *c != ','))
			return wrong(v, "is not a list of CPU numbers");
		if (first > last || last >= CONF_CPUS_MAX)
			return wrong(v, "has a number out of range");
		for (; first <= last; first++)
			CPU_SET((size_t)first, &cpus);
		if (*c == '\0')
			break;
	}
	memcpy(v->field, &cpus, sizeof(cpus));
	return true;
}

static bool ports_set(const struct value *v)
{
	const char *c = v->text;
	int64_t low, high;
	struct conf_ports ports;

	if (!span_read(&c, &low, &high) || *c != '\0' || strchr(v->text, '-') == NULL)
		return wrong(v, "is not a range of ports");
	if (low < 1 || high > 65535)
		return wrong(v, "is out of range");
	if (low > high)
		return wrong(v, "ends before it begins");
	ports = (struct conf_ports){ (uint16_t)low, (uint16_t)high };
	memcpy(v->field, &ports, sizeof(ports));
	return true;
}

static bool has_host_bits(const struct net_prefix *p)
{
	unsigned high = min_u32(p->len, 64);

	return ((p->addr.q[0] & ~addr_mask64(high)) | (p->addr.q[1] & ~addr_mask64(p->len - high))) != 0;
}

static bool route_add(const struct value *v, const struct conf_congestion_route *new)
{
	struct conf_tcp *t = container_of_(v->field, struct conf_tcp, congestion_to);

	for (uint32_t i = 0; i < t->congestion_routes; i++)
		if (t->congestion_to[i].to.len == new->to.len &&
			addr_eq(t->congestion_to[i].to.addr, new->to.addr))
			return wrong(v, "has a prefix that was given before");
	if (t->congestion_routes == CONF_CONGESTION_ROUTES_MAX)
		return wrong(v, "is one prefix too many");
	t->congestion_to[t->congestion_routes++] = *new;
	return true;
}

/* PREFIX NAME */
static bool route_set(const struct value *v)
{
	const struct conf_key *congestion = conf_key_find("tcp", "congestion");
	size_t len = strcspn(v->text, " \t");
	const char *name = v->text + len + strspn(v->text + len, " \t");
	struct conf_congestion_route new = { 0 };
	char prefix[PREFIX_STRLEN], names[80];

	if (len >= sizeof(prefix))
		return wrong(v, "does not begin with a prefix");
	memcpy(prefix, v->text, len);
	prefix[len] = '\0';
	if (!prefix_parse(prefix, &new.to) || addr_is_v4(new.to.addr) != (strchr(prefix, ':') == NULL))
		return wrong(v, "does not begin with a prefix");
	if (has_host_bits(&new.to))
		return wrong(v, "has bits behind the length of its prefix");
	if (word_index(congestion->words, name) < 0) {
		conf_allowed(congestion, names, sizeof(names));
		snprintf(v->why, v->why_size, "does not end with one of %s", names);
		return false;
	}
	strlcpy(new.name, name, sizeof(new.name));
	return route_add(v, &new);
}

bool conf_value_set(const struct conf_key *k, const char *text, struct tas_conf *out, char *why,
	size_t why_size)
{
	static bool (*const set[])(const struct value *) = {
		[CONF_INT] = int_set,
		[CONF_SIZE] = size_set,
		[CONF_OCTAL] = octal_set,
		[CONF_CHOICE] = choice_set,
		[CONF_WORD] = word_set,
		[CONF_NAME] = name_set,
		[CONF_PATH] = path_set,
		[CONF_LOG] = log_set,
		[CONF_DEVICE] = device_set,
		[CONF_CIDR] = cidr_set,
		[CONF_CIDR6] = cidr6_set,
		[CONF_ADDR] = addr_set,
		[CONF_ADDR6] = addr6_set,
		[CONF_CPUS] = cpus_set,
		[CONF_PORTS] = ports_set,
		[CONF_ROUTE] = route_set,
	};
	struct value v = { k, text, (char *)out + k->offset, why, why_size };

	if (text[0] == '\0')
		return k->flags & CONF_OR_EMPTY ? true : wrong(&v, "is empty");
	return set[k->type](&v);
}
