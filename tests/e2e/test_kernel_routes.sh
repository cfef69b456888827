#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 300
# Which way connect() goes beside routes of the kernel: the more specific one, tasd's if they are alike.
# Routes that refuse count, too.
#
#   python <== shared memory ==> tasd 10.77.0.1/24 ---- veth ---- 10.77.0.2 (Linux)
#      `------ the kernel ------ ker0 10.78.0.1/24 ---- veth ---- 10.78.0.2 (the same)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

kernel_route() { ip -n "$SRV" route "$@"; }

# connect() and a byte both ways, or the errno's name; behind it how many connections tasd was asked for.
goes() { # ADDRESS
	local asked said

	asked=$(counters tcp_active_opens tcp_attempt_fails)
	said=$(under_tas timeout 20 python3 -c '
import errno, socket, sys
s = socket.socket()
s.settimeout(10)
try:
    s.connect((sys.argv[1], 7))
    s.sendall(b"x")
    print(s.recv(1).decode())
except OSError as e:
    print(errno.errorcode.get(e.errno, e))' "$1")
	echo "$said $(($(counters tcp_active_opens tcp_attempt_fails) - asked))"
}

expect() { # WHAT ADDRESS ANSWER OVER-TASD
	local got

	got=$(goes "$2")
	say "$1: $got"
	assert_eq "$1" "$got" "$3 $4"
}

ns_make
kernel_link_make
spawn "$CLI" echo "$BUILD/tests/e2e/echo" 7
wait_for 10 "the echo server" in_cli bash -c "exec 3<>/dev/tcp/$CLI_IP/7"
tasd_start

expect "no route of the kernel's" $CLI_IP x 1
kernel_route add default via $KERNEL_PEER_IP
expect "a less specific one" $CLI_IP x 1
kernel_route add 10.77.0.0/24 via $KERNEL_PEER_IP
expect "one as specific" $CLI_IP x 1
kernel_route add $CLI_IP/32 via $KERNEL_PEER_IP
expect "a more specific one" $CLI_IP x 0
kernel_route delete $CLI_IP/32

for kind in prohibit:EACCES unreachable:EHOSTUNREACH blackhole:EINVAL; do
	kernel_route add "${kind%:*}" $CLI_IP/32
	expect "${kind%:*}, more specific" $CLI_IP "${kind#*:}" 0
	kernel_route delete "${kind%:*}" $CLI_IP/32
	kernel_route replace "${kind%:*}" 10.77.0.0/24
	expect "${kind%:*}, as specific" $CLI_IP x 1
	kernel_route delete "${kind%:*}" 10.77.0.0/24
	# others of the kind, that do not match, or do not decide
	kernel_route add "${kind%:*}" 10.77.0.0/28 metric 5
	kernel_route add "${kind%:*}" 10.77.0.0/16
	expect "${kind%:*} with others, more specific" 10.77.0.9 "${kind#*:}" 0
	kernel_route delete "${kind%:*}" 10.77.0.0/28 metric 5
	kernel_route add "${kind%:*}" 10.77.0.128/25
	expect "${kind%:*}, less specific" $CLI_IP x 1
	kernel_route delete "${kind%:*}" 10.77.0.128/25
	kernel_route delete "${kind%:*}" 10.77.0.0/16
done
ip -n "$SRV" rule add to $CLI_IP/32 prohibit priority 10
expect "a rule that prohibits" $CLI_IP EACCES 0
alive "$TASD" || fail "tasd is gone"
