#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Socket options that a program sets under libtas are seen in the segments that arrive at its peer.
# Topology: lib.sh.
#
#   options.py subject <== shared memory ==> tasd ---- veth ---- options.py peer (looks at the wire, too)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

options=$e2e_root/tests/e2e/options.py

ns_make
tasd_start tcp.congestion_to="$CLI_IP/32 newreno"
spawn "$CLI" peer python3 "$options" peer "$WORK/control" cli0
wait_for 10 "the peer" test -S "$WORK/control"
under_tas timeout 120 python3 "$options" subject "$WORK/control" $TASD_IP $CLI_IP "tasctl -i $INSTANCE"
[ "$(carried)" -gt 100000 ] || fail "tasd carried only $(carried) bytes"
