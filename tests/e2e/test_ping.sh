#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ARP and ICMP echo: a Linux host finds tasd, reaches it, and finds nobody where tasd is not.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

pings() { in_cli ping -q -n -i 0.01 "$@" >"$WORK/ping.log"; }

received() { awk '/packets transmitted/ { print $4 }' "$WORK/ping.log"; }

neighbour() { in_cli ip neigh show "$1" dev cli0; } # ADDRESS

cpu_ticks() { awk '{ print $14 + $15 }' "/proc/$TASD/stat"; }

ns_make
tasd_start

say "the first packet is answered, and so are all others"
pings -c 100 -W 2 $TASD_IP
assert_eq "echo replies" "$(received)" 100

say "ARP gives the device's own hardware address"
mac=$(in_srv cat /sys/class/net/srv0/address)
[[ $(neighbour $TASD_IP) == *"lladdr $mac"* ]] || fail "$(neighbour $TASD_IP), not $mac"

say "every length comes back whole, up to a full frame"
for length in 0 1 17 18 100 1471 1472; do
	pings -c 3 -w 10 -M "do" -s $length $TASD_IP
	assert_eq "replies of $length bytes" "$(received)" 3
done

say "an odd pattern comes back as it was sent"
in_cli ping -n -c 1 -W 2 -s 64 -p deadbeef00ff $TASD_IP >"$WORK/pattern.log"
! grep -i "wrong data" "$WORK/pattern.log" || fail "the reply was spoilt"

say "nobody answers for an address of the subnet that is not tasd's"
! pings -c 3 -W 1 10.77.0.99 || fail "a reply from 10.77.0.99"
[[ $(neighbour 10.77.0.99) != *lladdr* ]] || fail "ARP was answered for 10.77.0.99"

say "an echo request with a wrong checksum is dropped and counted"
before=$(counters rx_bad_checksum rx_ignored rx_bad_header)
in_cli python3 - $TASD_IP <<'T'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
s.settimeout(0.3)
s.sendto(struct.pack("!BBHHH", 8, 0, 0x1234, 77, 1) + b"x" * 32, (sys.argv[1], 0))
try:
    while True:
        answer = s.recv(2000)[20:]
        if answer[0] == 0 and answer[4:6] == struct.pack("!H", 77):
            sys.exit("it was answered")
except TimeoutError:
    pass
T
[ "$(counters rx_bad_checksum rx_ignored rx_bad_header)" -gt "$before" ] || fail "it was not counted"

say "tasd finds the client again after the client forgot it, and the client's new hardware address"
in_cli ip neigh flush dev cli0
in_cli ip link set cli0 address 02:00:00:00:77:02
pings -c 5 -W 2 $TASD_IP
[ "$(received)" -ge 4 ] || fail "only $(received) of 5 replies to the new hardware address"

say "nothing to do costs next to nothing"
sleep 0.2
before=$(cpu_ticks)
sleep 2
[ $(($(cpu_ticks) - before)) -le 4 ] ||
	fail "an idle tasd used $(($(cpu_ticks) - before)) ticks of CPU in 2 s"
