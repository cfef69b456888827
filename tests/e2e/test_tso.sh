#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Over a port that cuts packets into segments (net_tap), 64 MB arrive byte by byte as they were sent, most of
# them in packets of more than one segment; with tso = off the same goes in single segments.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

MIB=64
device=tap-$$

# The kernel's end of the TAP device is the client; one namespace is enough.
tap_up() {
	ip -n "$SRV" link show "$device"
}

tap_start() { # [SECTION.KEY=VALUE...]
	tasd_start port.device="net_tap0,iface=$device" "$@"
	wait_for 10 "the TAP device" tap_up
	in_srv sysctl -q -w "net.ipv6.conf.$device.disable_ipv6=1"
	ip -n "$SRV" address add "$CLI_IP/24" dev "$device"
	ip -n "$SRV" link set "$device" up
}

download() { # the file, from the server under tasd
	in_srv timeout 60 curl -s -S -o "$WORK/got" "http://$TASD_IP:8080/sent"
	cmp "$WORK/sent" "$WORK/got"
}

web_answers() { in_srv timeout 2 curl -s -o /dev/null "http://$TASD_IP:8080/small"; }

web_start() {
	(cd "$WORK" && serve web python3 -m http.server --bind "$TASD_IP" 8080)
	wait_for 20 "the web server" web_answers
}

assert_more() { # WHAT MORE THAN
	[ "$2" -gt "$3" ] || fail "$1: $2, not more than $3"
}

ip netns add "$SRV"
ip -n "$SRV" link set lo up
head -c $((MIB << 20)) /dev/urandom >"$WORK/sent"
echo small >"$WORK/small"

say "the port cuts"
tap_start port.tso=auto
grep -q "hardware:.* tso" "$WORK/tasd.log" || fail "net_tap offers no TSO"
web_start
carried_begin
download
assert_carried $((MIB << 20))
packets=$(counters tcp_tx_tso_packets)
segments=$(counters tcp_tx_segments)
say "$packets packets of several segments; $segments segments, $(counters tx_packets) frames to the port"
assert_more "packets of several segments" "$packets" 500
assert_more "segments" "$segments" $((2 * $(counters tx_packets)))
tasd_stop

say "tso = off: it does not"
tap_start port.tso=off
wait_for 20 "the web server" web_answers
download
assert_eq "packets of several segments" "$(counters tcp_tx_tso_packets)" 0
