/* SPDX-License-Identifier: BSD-3-Clause */
/* test_device.c - what is a card, what is made of software, and what is neither. */
#include "include/base/device.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "include/base/compiler.h"

static void kind_is(const char *const *names, size_t n, enum device_kind kind)
{
	for (size_t i = 0; i < n; i++)
		if (device_kind_of(names[i]) != kind)
			fail_msg("\"%s\" is kind %d, not %d", names[i], device_kind_of(names[i]), kind);
}

static void a_pci_address_has_a_function_from_0_to_7(void **state)
{
	static const char *const names[] = { "0000:03:00.0", "03:00.1", "10000:e1:1f.7,arg=1", "0000:AF:00.0",
		"00000000:03:00.0" };

	(void)state;
	kind_is(names, ARRAY_LEN(names), DEVICE_PCI);
}

static void a_vdev_begins_with_net_(void **state)
{
	static const char *const names[] = { "net_af_packet0,iface=eth1", "net_tap0", "net_a:b.c" };

	(void)state;
	kind_is(names, ARRAY_LEN(names), DEVICE_VDEV);
}

static void everything_else_is_neither(void **state)
{
	static const char *const names[] = { "", "eth1", "eth_ring0", "net", "net_", "net_,iface=eth1",
		"mlx5_0", "03:00", "3:00.0", "03:00.8", "03:00.f", "0000:03:00.f", "03:00.0x", "03:20.0",
		"000:03:00.0", "000000000:03:00.0", "0000:03:00", "0000:0g:00.0", "0000:0000:03:00.0",
		"0000:", "pci:0000:03:00.0", "vdev:net_tap0" };

	(void)state;
	kind_is(names, ARRAY_LEN(names), DEVICE_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pci_address_has_a_function_from_0_to_7),
		cmocka_unit_test(a_vdev_begins_with_net_),
		cmocka_unit_test(everything_else_is_neither),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
