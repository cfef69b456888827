#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# A core that sleeps is woken by every frame, on each kind of device that runs without a NIC: tens of
# thousands of sleeps begin at a random moment around that at which a frame comes. A queue's descriptor speaks
# of that queue, and a silent link costs next to nothing.
#
#     namespace $SRV                                namespace $CLI
#     port_link: receives, sleeps   srv0 ---- cli0  port_link: sends one frame a round
. "$(dirname "$0")/lib.sh"

sleeps() { in_srv "$BUILD/tests/e2e/port_link" wake "$@" 2>&1 | grep -v 'lib[bx][pd][fp]:'; }

ns_make 1500

say "AF_PACKET, one queue"
sleeps net_af_packet0,iface=srv0 1 cli0 "$CLI" 30000

say "AF_PACKET, three queues"
sleeps net_af_packet0,iface=srv0 3 cli0 "$CLI" 10000

say "TAP"
sleeps net_tap0,iface=tap0 1 tap0 - 10000

if [ -e "$(pkg-config --variable=libdir libdpdk)/librte_net_af_xdp.so" ]; then
	say "AF_XDP"
	sleeps net_af_xdp0,iface=srv0 1 cli0 "$CLI" 10000
fi
