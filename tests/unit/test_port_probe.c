/* SPDX-License-Identifier: BSD-3-Clause */
/* test_port_probe.c - what the operator writes as `device`, and what becomes of it. */
#include "fastpath/port_probe.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "fastpath/port_iface.h"
#include "tests/unit/eal_rig.h"

static const char *devargs(const char *device, uint16_t rxq, uint32_t mtu)
{
	static char out[PORT_DEVARGS_MAX];
	char err[256];

	assert_int_equal(port_devargs(device, rxq, mtu, 2, out, sizeof(out), err, sizeof(err)), 0);
	return out;
}

static void af_packet_gets_rings_that_suit_the_mtu(void **state TAS_UNUSED)
{
	assert_string_equal(devargs("net_af_packet0,iface=a", 1, 1500),
		"net_af_packet0,iface=a,qpairs=1,framesz=2048,blocksz=65536,framecnt=2048,qdisc_bypass=1");
	assert_string_equal(devargs("net_af_packet0,iface=a", 4, 9000),
		"net_af_packet0,iface=a,qpairs=4,framesz=9216,blocksz=36864,framecnt=512,qdisc_bypass=1");
}

/* The driver places frame i at i * framesz, the kernel begins anew in each block: both agree if frames fill
 * blocks, and if blocks are whole pages and as many frames as all blocks have are announced. */
static void every_mtu_gets_rings_that_driver_and_kernel_see_alike(void **state TAS_UNUSED)
{
	for (uint32_t mtu = 68; mtu <= PORT_MTU_MAX; mtu++) {
		unsigned frame, block, count;
		const char *args = devargs("net_af_packet0,iface=a", 1, mtu);

		assert_int_equal(sscanf(strstr(args, "framesz"), "framesz=%u,blocksz=%u,framecnt=%u", &frame,
					 &block, &count),
			3);
		assert_true(frame >= mtu + 14 + 8 + 66);
		assert_int_equal(block % 4096, 0);
		assert_int_equal(block % frame, 0);
		assert_int_equal(count % (block / frame), 0);
		assert_true(count >= 256);
	}
}

static void what_the_operator_wrote_is_kept(void **state TAS_UNUSED)
{
	assert_string_equal(devargs("net_af_packet0,iface=a,qpairs=2,qdisc_bypass=0,framecnt=64", 2, 1500),
		"net_af_packet0,iface=a,qpairs=2,qdisc_bypass=0,framecnt=64");
	assert_string_equal(devargs("net_af_xdp0,iface=a,queue_count=1", 2, 1500),
		"net_af_xdp0,iface=a,queue_count=1");
}

static void af_xdp_gets_no_more_queues_than_the_interface_has(void **state TAS_UNUSED)
{
	assert_string_equal(devargs("net_af_xdp0,iface=a", 1, 1500), "net_af_xdp0,iface=a,queue_count=1");
	assert_string_equal(devargs("net_af_xdp0,iface=a", 8, 1500), "net_af_xdp0,iface=a,queue_count=2");
}

static void other_devices_are_left_alone(void **state TAS_UNUSED)
{
	assert_string_equal(devargs("net_tap0,iface=t", 2, 1500), "net_tap0,iface=t");
	assert_string_equal(devargs("0000:03:00.0", 2, 1500), "0000:03:00.0");
}

static void queues_that_nobody_would_poll_are_refused(void **state TAS_UNUSED)
{
	char out[PORT_DEVARGS_MAX], err[256];

	assert_int_equal(port_devargs("net_af_packet0,iface=a,qpairs=4", 2, 1500, 1, out, sizeof(out), err,
				 sizeof(err)),
		-EINVAL);
	assert_non_null(strstr(err, "qpairs=4"));
	assert_non_null(strstr(err, "leave qpairs out"));
}

static void an_endless_device_is_refused(void **state TAS_UNUSED)
{
	char device[PORT_DEVARGS_MAX], out[PORT_DEVARGS_MAX], err[256];

	memset(device, 'x', sizeof(device));
	device[sizeof(device) - 1] = '\0';
	assert_int_equal(port_devargs(device, 1, 1500, 1, out, sizeof(out), err, sizeof(err)), -EINVAL);
	assert_non_null(strstr(err, "too long"));
}

static void an_argument_that_the_driver_does_not_know_is_named_with_those_it_does(void **state TAS_UNUSED)
{
	static const char *const devices[] = { "net_af_packet0,iface=lo,bogus=1", "net_tap0,bogus",
		"net_af_xdp0,bogus=,iface=lo", "net_tap0,iface=tap7,bogus=1" };
	char out[PORT_DEVARGS_MAX], err[512];

	for (unsigned i = 0; i < ARRAY_LEN(devices); i++) {
		assert_int_equal(port_devargs(devices[i], 1, 1500, 1, out, sizeof(out), err, sizeof(err)),
			-EINVAL);
		assert_non_null(strstr(err, "knows no argument 'bogus'; it knows iface "));
	}
	assert_int_equal(port_devargs("net_tap0,", 1, 1500, 1, out, sizeof(out), err, sizeof(err)), -EINVAL);
	assert_int_equal(port_devargs("net_tap0,ifac=x", 1, 1500, 1, out, sizeof(out), err, sizeof(err)),
		-EINVAL);
	assert_int_equal(port_devargs("net_pcap0,bogus=1", 1, 1500, 1, out, sizeof(out), err, sizeof(err)),
		0);
	assert_int_equal(port_devargs("net_tap_vsc0,bogus=1", 1, 1500, 1, out, sizeof(out), err, sizeof(err)),
		0);
}

static void a_tap_has_a_name_that_an_interface_can_have(void **state TAS_UNUSED)
{
	char out[PORT_DEVARGS_MAX], err[512];

	assert_int_equal(port_devargs("net_tap0,iface=fifteen_letters", 1, 1500, 1, out, sizeof(out), err,
				 sizeof(err)),
		0);
	assert_int_equal(port_devargs("net_tap0,iface=sixteen__letters", 1, 1500, 1, out, sizeof(out), err,
				 sizeof(err)),
		-EINVAL);
	assert_non_null(strstr(err, "at most 15 characters, and 'sixteen__letters' has 16"));
}

/* The error of port_probe(), which must not have plugged anything in. */
static const char *refusal(const char *device)
{
	static char err[512];
	const struct port_want want = { .rxq = 1, .txq = 1 };
	uint16_t id;

	err[0] = '\0';
	assert_int_not_equal(port_probe(device, &want, &id, err, sizeof(err)), 0);
	return err;
}

static void a_missing_interface_is_named_with_the_remedy(void **state TAS_UNUSED)
{
	const char *err;

	if (port_iface_may_open() != 0)
		skip(); /* then permission is what is missing */
	err = refusal("net_af_packet0,iface=tasnosuchif");
	assert_non_null(strstr(err,
		"interface tasnosuchif of device 'net_af_packet0,iface=tasnosuchif' does not exist"));
	assert_non_null(strstr(err, "ip link"));
	assert_non_null(
		strstr(refusal("net_af_packet0,iface=aninterfacenamethatistoolong"), "does not exist"));
}

static void a_device_without_its_interface_is_told_how_to_write_it(void **state TAS_UNUSED)
{
	assert_non_null(strstr(refusal("net_af_packet0"), "write it as net_af_packet0,iface=NAME"));
	assert_non_null(strstr(refusal("net_af_packet0,"), "write it as net_af_packet0,iface=NAME"));
}

static void an_unknown_driver_is_told_where_drivers_are(void **state TAS_UNUSED)
{
	const char *err = refusal("net_nosuchdriver0,iface=eth1");

	assert_non_null(strstr(err, "no DPDK driver for device 'net_nosuchdriver0'"));
	assert_non_null(strstr(err, "librte-net"));
}

static void an_interface_in_place_of_a_device_is_told_how_to_write_it(void **state TAS_UNUSED)
{
	assert_non_null(strstr(refusal("lo"), "write it as net_af_packet0,iface=lo"));
}

static void a_missing_card_is_named_in_full_with_the_remedy(void **state TAS_UNUSED)
{
	const char *err = refusal("7E:00.0");

	assert_non_null(strstr(err, "device 0000:7e:00.0 is not there or has no DPDK driver"));
	assert_non_null(strstr(err, "dpdk-devbind.py -b vfio-pci 0000:7e:00.0"));
}

static void a_device_is_found_again_under_its_name(void **state TAS_UNUSED)
{
	const struct port_want want = { .rxq = 1, .txq = 1 };
	uint16_t first, again;
	char err[256];

	assert_int_equal(port_probe("net_null7", &want, &first, err, sizeof(err)), 0);
	assert_int_equal(port_probe("net_null7,size=64", &want, &again, err, sizeof(err)), 0);
	assert_int_equal(first, again);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(af_packet_gets_rings_that_suit_the_mtu),
		cmocka_unit_test(every_mtu_gets_rings_that_driver_and_kernel_see_alike),
		cmocka_unit_test(what_the_operator_wrote_is_kept),
		cmocka_unit_test(af_xdp_gets_no_more_queues_than_the_interface_has),
		cmocka_unit_test(other_devices_are_left_alone),
		cmocka_unit_test(queues_that_nobody_would_poll_are_refused),
		cmocka_unit_test(an_endless_device_is_refused),
		cmocka_unit_test(an_argument_that_the_driver_does_not_know_is_named_with_those_it_does),
		cmocka_unit_test(a_tap_has_a_name_that_an_interface_can_have),
		cmocka_unit_test(a_missing_interface_is_named_with_the_remedy),
		cmocka_unit_test(a_device_without_its_interface_is_told_how_to_write_it),
		cmocka_unit_test(an_unknown_driver_is_told_where_drivers_are),
		cmocka_unit_test(an_interface_in_place_of_a_device_is_told_how_to_write_it),
		cmocka_unit_test(a_missing_card_is_named_in_full_with_the_remedy),
		cmocka_unit_test(a_device_is_found_again_under_its_name),
	};

	return cmocka_run_group_tests(tests, eal_rig_start, eal_rig_stop);
}
