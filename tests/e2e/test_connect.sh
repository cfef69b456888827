#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 120
# Connections that do not come about end as on Linux: one program runs over tasd and over the kernel, and must
# print the same.
#
#   connect.py <== shared memory ==> tasd ---- veth ---- 10.77.0.2 (Linux)
#   connect.py --- kernel --- ker0 10.78.0.1 ---- veth ---- 10.78.0.2 (the same)
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

only_time_wait() { ! tasctl -i "$INSTANCE" flows | grep " $CLI_IP:" | grep -qv TIME-WAIT; }

ns_make
kernel_link_make
in_srv sysctl -q -w net.ipv4.tcp_syn_retries=1
# that nobody is there is found out before a SYN is given up
in_srv sysctl -q -w net.ipv4.neigh.ker0.retrans_time_ms=900
in_cli nft -f - <<'END'
table inet filter {
	chain input {
		type filter hook input priority 0
		tcp dport { 81, 82, 83, 84 } drop
	}
}
END
spawn "$CLI" server python3 -m http.server 80
spawn "$CLI" unreachable python3 "$e2e_root/tests/e2e/unreachable.py"
tasd_start tcp.syn_retries=1 tcp.rto_initial_ms=1500
wait_for 20 "the server" in_cli timeout 1 bash -c "exec 3<>/dev/tcp/$CLI_IP/80"

under_tas timeout 60 python3 "$e2e_root/tests/e2e/connect.py" \
	$CLI_IP 10.77.0.99 203.0.113.1 >"$WORK/over-tasd" &
over_tasd=$!
in_srv timeout 60 python3 "$e2e_root/tests/e2e/connect.py" \
	$KERNEL_PEER_IP 10.78.0.99 203.0.113.1 >"$WORK/over-kernel"
wait $over_tasd
cat "$WORK/over-kernel"
diff -u "$WORK/over-kernel" "$WORK/over-tasd" || fail "tasd (+) differs from the kernel (-)"
[ "$(counters tcp_active_opens)" -ge 10 ] || fail "tasd made $(counters tcp_active_opens) connections"
wait_for 10 "the end of all attempts and connections" only_time_wait
alive "$TASD" || fail "tasd is gone"
