#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# The same socket calls on the kernel's sockets, under libtas without tasd, and through tasd: the same
# results, line by line. What differs by design is in docs/sockets.md and in neither list here.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

groups=(names mapped transfer messages ends waits connect options tuning poll epoll epoll_sets descriptors
	processes inherited lingering beside listeners shared vfork corners urgent threads breaks streams
	standard fortified)
groups6=(names transfer messages ends waits connect options tuning poll epoll epoll_sets descriptors corners)
check=$BUILD/tests/e2e/sockcheck
TASD_IP6=fd00:77::1 CLI_IP6=fd00:77::2 KERNEL_IP6=fd00:78::1 KERNEL_PEER_IP6=fd00:78::2

links_make() {
	kernel_link_make
	ip -n "$SRV" -6 address add $KERNEL_IP6/64 dev ker0 nodad
	ip -n "$CLI" -6 address add $KERNEL_PEER_IP6/64 dev cli1 nodad
	in_cli sysctl -q -w net.ipv6.conf.cli0.disable_ipv6=0 net.ipv6.conf.cli0.accept_dad=0
	ip -n "$CLI" -6 address add $CLI_IP6/64 dev cli0 nodad
	in_srv sysctl -q -w net.ipv6.bindv6only=1 # what a socket says of itself counts for more
}

subject() { # NAME GROUP CONTROL LOCAL REMOTE [LAUNCHER...]
	in_srv "${@:6}" "$check" subject "$3" "$4" "$5" "$2" >"$WORK/$1-$2.txt" 2>"$WORK/$1-$2.err" ||
		fail "$2 ($1): exit code $?: $(tail -n 1 "$WORK/$1-$2.txt")"
}

same() { # GROUP NAME NAME
	diff "$WORK/$2-$1.txt" "$WORK/$3-$1.txt" >"$WORK/diff" ||
		fail "$1: < $2, > $3: $(head -n 20 "$WORK/diff")"
}

ns_make
links_make
spawn "$CLI" peer "$check" peer "$WORK/control" $CLI_IP
spawn "$CLI" kernel-peer "$check" peer "$WORK/kernel-control" $KERNEL_PEER_IP
spawn "$CLI" peer6 "$check" peer "$WORK/control6" $CLI_IP6
spawn "$CLI" kernel-peer6 "$check" peer "$WORK/kernel-control6" $KERNEL_PEER_IP6
for control in control kernel-control control6 kernel-control6; do
	wait_for 5 "the peers" test -S "$WORK/$control"
done

say "the kernel's sockets, alone and under tas-run without tasd"
for group in "${groups[@]}"; do
	subject kernel "$group" "$WORK/kernel-control" $KERNEL_IP $KERNEL_PEER_IP
	TAS_QUIET=1 subject without "$group" "$WORK/kernel-control" $KERNEL_IP $KERNEL_PEER_IP \
		tas-run -i "$INSTANCE" --
	same "$group" kernel without
done

tasd_start ip.address6=$TASD_IP6/64
for group in "${groups[@]}"; do
	say "$group: $(grep -c = "$WORK/kernel-$group.txt") results"
	subject tasd "$group" "$WORK/control" $TASD_IP $CLI_IP tas-run -i "$INSTANCE" --
	same "$group" kernel tasd
done
[ "$(carried)" -gt 3300000 ] || fail "tasd carried only $(carried) bytes"

say "the same over IPv6"
carried_begin
for group in "${groups6[@]}"; do
	subject kernel6 "$group" "$WORK/kernel-control6" $KERNEL_IP6 $KERNEL_PEER_IP6
	subject tasd6 "$group" "$WORK/control6" $TASD_IP6 $CLI_IP6 tas-run -i "$INSTANCE" --
	same "$group" kernel6 tasd6
done
assert_carried 3300000
