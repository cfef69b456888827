/* SPDX-License-Identifier: BSD-3-Clause */
/* device.h - tells from its name what a DPDK device is, for all who have to know: tasd.conf, EAL's arguments
 * and whoever plugs it in must never differ, else EAL takes cards that nobody named.
 * A PCI address is [DOMAIN:]BUS:DEVICE.FUNCTION in hexadecimal digits of full width; a vdev begins with
 * "net_". Arguments may follow behind a comma. Plain functions of a text. */
#ifndef TAS_BASE_DEVICE_H
#define TAS_BASE_DEVICE_H

#include <ctype.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

enum device_kind {
	DEVICE_NONE, /* neither */
	DEVICE_PCI,
	DEVICE_VDEV,
};

static inline size_t device_hex_digits(const char *s)
{
	size_t n = 0;

	while (isxdigit((unsigned char)s[n]))
		n++;
	return n;
}

/* BUS:DEVICE.FUNCTION: 256 buses, 32 devices, 8 functions. */
static inline bool device_is_slot(const char *s)
{
	return device_hex_digits(s) == 2 && s[2] == ':' && device_hex_digits(s + 3) == 2 && s[3] <= '1' &&
		s[5] == '.' && s[6] >= '0' && s[6] <= '7' && (s[7] == '\0' || s[7] == ',');
}

static inline bool device_has_domain(const char *s)
{
	size_t digits = device_hex_digits(s);

	return digits >= 4 && digits <= 8 && s[digits] == ':';
}

static inline enum device_kind device_kind_of(const char *text)
{
	const char *slot = device_has_domain(text) ? strchr(text, ':') + 1 : text;

	if (device_is_slot(slot))
		return DEVICE_PCI;
	return strncmp(text, "net_", 4) == 0 && text[4] != '\0' && text[4] != ',' ? DEVICE_VDEV : DEVICE_NONE;
}

#endif
