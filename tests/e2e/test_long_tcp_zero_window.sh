#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# A client that reads nothing for 30 s (RFC 9293 3.8.6.1): tasd probes its closed window, then all arrives.
# In virtual time: data_flow_when_the_window_opens_after_thirty_seconds of tests/unit/test_tcp_tx.c.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

BYTES=20000000 PORT=7000 PAUSE=30
exact=$e2e_root/tests/e2e/exact.py

# More than the buffers of both sides is not underway.
stands() {
	local before now

	before=$(carried)
	sleep 0.5
	now=$(carried)
	[ "$now" -gt 0 ] && [ "$now" = "$before" ]
}

ns_make
tasd_start
serve exact python3 "$exact" serve $PORT
server=$SPAWNED
wait_for 20 "exact.py serve" port_answers $PORT
carried_begin
spawn "$CLI" get timeout 120 python3 "$exact" get $TASD_IP $PORT $BYTES "$WORK/read-now"
client=$SPAWNED
wait_for 20 "the stream to stand still" stands
probes=$(counters tcp_zero_window_probes)
sleep $PAUSE # the time under test
[ "$(counters tcp_zero_window_probes)" -gt "$probes" ] || fail "the closed window was not probed"
touch "$WORK/read-now"
wait "$client" || fail "what was read afterwards differs"
assert_carried $BYTES
stop "$server"
alive "$TASD" || fail "tasd is gone"
