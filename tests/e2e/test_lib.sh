#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# The library of the end-to-end tests itself, with a tasd and a tasctl that are shell scripts:
#
#     this test --- child tests that end well, fail, hang, or are killed --- nothing of theirs is left
. "$(dirname "$0")/lib.sh"

mkdir -p "$WORK/fake/slowpath" "$WORK/fake/tools"
cat >"$WORK/fake/slowpath/tasd" <<'T'
#!/bin/bash
grep -q '^address = 10.77.0.1/24' "$2" || exit 1
[ "$3" = --foreground ] || exit 1
echo "tasd's words"
sed -n 's/^instance = //p' "$2" >"$FAKE_RX.up"
exec tail -f "$2"
T
cat >"$WORK/fake/tools/tasctl" <<'T'
#!/bin/bash
[ "$2" = "$(cat "$FAKE_RX.up")" ] || exit 1
printf '{"tcp_rx_payload_bytes": %s, "tcp_tx_payload_bytes": 5, "flows": 1}\n' "$(cat "$FAKE_RX")"
T
chmod +x "$WORK"/fake/*/*
export FAKE_RX=$WORK/rx
echo 1000 >"$FAKE_RX"

# Runs standard input as a test of its own; then its output is in $WORK/out, its exit code in $code.
child() {
	{
		echo ". '$e2e_root/tests/e2e/lib.sh'"
		echo "echo \"\$INSTANCE \$WORK\" >'$WORK/child'"
		cat
	} >"$WORK/child.sh"
	code=0
	BUILD=$WORK/fake bash "$WORK/child.sh" >"$WORK/out" 2>&1 || code=$?
	nothing_is_left
}

nothing_is_left() {
	local instance directory

	read -r instance directory <"$WORK/child"
	[ ! -e "$directory" ] || fail "the child's directory is left"
	! ip netns list | grep -q "$instance" || fail "a namespace of the child is left"
	! pgrep -f "$directory" >/dev/null || fail "a process of the child is left"
}

child_says() { # WORDS
	grep -qF "$1" "$WORK/out" || fail "no \"$1\" in: $(cat "$WORK/out")"
}

say "the devices carry frames as they are on the wire, and the kernel is silent on tasd's"
ns_make 1400
for end in "$SRV srv0" "$CLI cli0"; do
	read -r namespace device <<<"$end"
	features=$(ip netns exec "$namespace" ethtool -k "$device")
	for feature in tx-checksumming tcp-segmentation-offload generic-segmentation-offload \
		generic-receive-offload; do
		grep -q "^$feature: off" <<<"$features" || fail "$device: $feature is on"
	done
	assert_eq "mtu of $device" "$(ip netns exec "$namespace" cat "/sys/class/net/$device/mtu")" 1400
done
assert_eq "addresses of srv0" "$(ip -n "$SRV" -brief address show srv0 | awk '{ print $3 }')" ""

say "a test that ends well leaves nothing"
child <<'T'
ns_make
tasd_start port.mtu=1400
grep -q '^mtu = 1400' "$WORK/tasd.conf"
in_cli ping -c 1 -W 1 10.77.0.2
T
assert_eq "exit code" "$code" 0

say "a failing command fails the test, shows where and the logs, and leaves nothing"
child <<'T'
ns_make
tasd_start
spawn "$CLI" helper bash -c 'setsid tail -f "$1" & exec tail -f "$1"' helper "$WORK/tasd.conf"
wait_for 5 "the helper and its child" bash -c "[ \$(ip netns pids $CLI | wc -l) -eq 2 ]"
false
T
assert_eq "exit code" "$code" 1
child_says "failed: false"
child_says "tasd's words"

say "a condition that never comes is an error and not a hang"
child <<'T'
ns_make
wait_for 1 "the impossible" false
T
assert_eq "exit code" "$code" 1
child_says "the impossible: not within 1 s"

say "a killed test leaves nothing"
child <<'T'
ns_make
tasd_start
kill -TERM $$
wait_for 5 "the signal" false
T
assert_eq "exit code" "$code" 143

say "a tasd that does not start fails the test at once"
child <<'T'
ns_make
tasd_start ip.address=10.99.0.1/24
T
assert_eq "exit code" "$code" 1
child_says "tasd did not start"

say "99.9 % of the bytes is enough, less is not"
child <<'T'
ns_make
tasd_start
echo 1999 >"$FAKE_RX"
assert_carried 1000
T
assert_eq "exit code" "$code" 0
echo 1000 >"$FAKE_RX"
child <<'T'
ns_make
tasd_start
echo 1998 >"$FAKE_RX"
assert_carried 1000
T
assert_eq "exit code" "$code" 1
child_says "tasd carried 998 of 1000 bytes"
