#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 180
# IPv6: Linux finds tasd by neighbour discovery, unmodified servers serve it in both families, clients under
# tas-run reach it, and what is to be refused is refused. The topology of lib.sh, with fd00:77::/64 beside
# 10.77.0.0/24.
#
#   Linux ---- veth ---- tasd fd00:77::1 <== shared memory ==> redis-server, nginx, dual.py
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

TASD_IP6=fd00:77::1 CLI_IP6=fd00:77::2
dual=$e2e_root/tests/e2e/dual.py

pings() { in_cli ping -6 -q -n -i 0.01 "$@" >"$WORK/ping.log"; }
received() { awk '/packets transmitted/ { print $4 }' "$WORK/ping.log"; }
neighbour() { in_cli ip -6 neigh show "$1" dev cli0; } # ADDRESS
answers() { in_cli timeout 1 bash -c "exec 3<>/dev/tcp/$1/$2"; } # ADDRESS PORT
listens() { in_cli ss -Hltn "sport = :$1" | grep -q .; }

assert_says() { # WHAT LINE... : the lines of $WORK/said
	printf '%s\n' "${@:2}" | diff - "$WORK/said" || fail "$1"
}

ns_make
in_cli sysctl -q -w net.ipv6.conf.cli0.disable_ipv6=0 net.ipv6.conf.cli0.accept_dad=0
in_cli ip -6 address add $CLI_IP6/64 dev cli0 nodad
tasd_start ip.address6=$TASD_IP6/64

say "echo requests of every length are answered"
pings -c 50 -W 2 $TASD_IP6
assert_eq "echo replies" "$(received)" 50
for length in 0 1 100 1451 1452; do
	pings -c 3 -w 10 -M "do" -s $length $TASD_IP6
	assert_eq "replies of $length bytes" "$(received)" 3
done
mac=$(in_srv cat /sys/class/net/srv0/address)
[[ $(neighbour $TASD_IP6) == *"lladdr $mac"* ]] || fail "$(neighbour $TASD_IP6), not $mac"

say "so is the link-local address, and nobody answers for others"
eui=$(python3 -c 'import sys
b = [int(x, 16) for x in sys.argv[1].split(":")]
print("fe80::%x:%xff:fe%02x:%x" % ((b[0] ^ 2) << 8 | b[1], b[2], b[3], b[4] << 8 | b[5]))' "$mac")
pings -c 3 -W 2 "$eui%cli0"
assert_eq "echo replies" "$(received)" 3
! pings -c 2 -W 1 fd00:77::99 || fail "a reply from fd00:77::99"

say "servers of both families"
serve redis redis-server --port 6379 --save '' --protected-mode no --dir "$WORK" --bind '* -::*'
serve dual python3 "$dual" serve 7001 dual
serve v6only python3 "$dual" serve 7002 v6only
wait_for 20 "redis-server" answers $TASD_IP6 6379
wait_for 20 "dual.py" answers $TASD_IP6 7001
wait_for 20 "dual.py" answers $TASD_IP6 7002
carried_begin
asks=(in_srv redis-cli -h 127.0.0.1) # by the kernel
before=$(redis_bytes "${asks[@]}")
in_cli redis-benchmark -h $TASD_IP6 -n 20000 -c 50 -t set,get -d 100 --csv | tr '\r' '\n' | grep '^"[SG]ET' |
	cut -d, -f1,2
in_cli redis-benchmark -h $TASD_IP6 -n 500 -c 5 -t set,get -d 100000 --csv >/dev/null
assert_carried $(($(redis_bytes "${asks[@]}") - before))
carried_begin
in_cli python3 "$dual" ask $TASD_IP6 7001 3000000 >"$WORK/said"
assert_says "a client of IPv6" "$CLI_IP6 to $TASD_IP6 7001 of 4 parts" \
	"here $CLI_IP6 there $TASD_IP6 7001"
in_cli python3 "$dual" ask $TASD_IP 7001 3000000 >"$WORK/said"
assert_says "a client of IPv4" "::ffff:$CLI_IP to ::ffff:$TASD_IP 7001 of 4 parts" \
	"here $CLI_IP there $TASD_IP 7001"
assert_carried 12000000
in_cli python3 "$dual" ask $TASD_IP6 7002 >"$WORK/said"
in_cli python3 "$dual" errors $TASD_IP6 $TASD_IP >"$WORK/said"
assert_says "a port where nobody listens" "$TASD_IP6 ECONNREFUSED" "$TASD_IP ECONNREFUSED"
! answers $TASD_IP 7002 || fail "a listener of IPv6 alone took IPv4"

say "clients under tas-run, in both families, and by a mapped address"
spawn "$CLI" far python3 "$dual" serve 7003 dual
wait_for 20 "the server on Linux" listens 7003
for pair in "$CLI_IP6 $TASD_IP6 $CLI_IP6" "$CLI_IP ::ffff:$TASD_IP $CLI_IP" \
	"::ffff:$CLI_IP ::ffff:$TASD_IP ::ffff:$CLI_IP"; do
	read -r to seen there <<<"$pair"
	carried_begin
	under_tas python3 "$dual" ask "$to" 7003 1000000 >"$WORK/said"
	grep -q "^$seen to " "$WORK/said" || fail "$to: $(cat "$WORK/said")"
	grep -q "there $there 7003" "$WORK/said" || fail "$to: $(cat "$WORK/said")"
	assert_carried 2000000
done
under_tas python3 "$dual" errors $CLI_IP6 fd00:77::98 >"$WORK/said"
assert_says "what connect says" "$CLI_IP6 ECONNREFUSED" "fd00:77::98 EHOSTUNREACH"

say "what is for nobody is refused, also when it comes in fragments"
in_cli python3 - $TASD_IP6 <<'T'
import socket, sys
for length in 1, 4000:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as s:
        s.connect((sys.argv[1], 9))
        s.settimeout(5)
        s.send(b"x" * length)
        try:
            sys.exit(f"UDP was answered: {s.recv(10)}")
        except ConnectionRefusedError:
            pass
T
assert_eq "packets put together" "$(counters rx_reassembled)" 1

say "tasctl shows both families"
in_cli python3 -c "import socket, sys, time
with socket.create_connection(('$TASD_IP6', 7001)) as s:
    s.recv(10)
    while not __import__('os').path.exists('$WORK/seen'):
        time.sleep(0.02)" &
e2e_pids+=($!)
wait_for 10 "the connection in tasctl" sh -c "tasctl -i $INSTANCE flows | grep -qF '[$TASD_IP6]:7001'"
touch "$WORK/seen"
wait $!
alive "$TASD" || fail "tasd is gone"

say "an address that Linux has is given up"
tasd_stop
tasd_conf ip.autoconf6=on ip.address6=$CLI_IP6/64
spawn "$SRV" tasd2 tasd -c "$WORK/tasd.conf" --foreground
TASD=$SPAWNED
wait_for 20 "the next tasd" tasctl -i "$INSTANCE" status
wait_for 20 "word of it" grep -q "has our address $CLI_IP6, which is given up" "$WORK/tasd2.log"

say "addresses and a router from advertisements"
cat <<'T' >"$WORK/ra.py"
import socket, struct
s = socket.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)
device = socket.if_nametoindex("cli0")
net = socket.inet_pton(socket.AF_INET6, "fd00:88::")
router = struct.pack("!BBHBBHII", 134, 0, 0, 64, 0, 600, 0, 0)
prefix = struct.pack("!BBBBIII", 3, 4, 64, 0xc0, 3600, 3600, 0)
s.sendto(router + prefix + net, ("ff02::1", 0, 0, device))
T
in_cli ip -6 address add fd00:88::2/64 dev cli0 nodad
slaac=fd00:88::${eui#fe80::}
in_cli python3 "$WORK/ra.py"
wait_for 10 "an answer of $slaac" in_cli ping -6 -q -n -c 1 -W 1 "$slaac"
wait_for 20 "redis-server at $slaac" answers "$slaac" 6379
in_cli ip -6 address add fd00:99::2/128 dev lo nodad
under_tas python3 "$dual" errors fd00:99::2 >"$WORK/said"
assert_says "beyond the router" "fd00:99::2 ECONNREFUSED"
alive "$TASD" || fail "tasd is gone"
