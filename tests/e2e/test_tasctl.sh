#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 240
# tasctl: every answer, as text and as JSON, while connections are busy; flows as the kernel at their other
# end has them; and each way in which it can fail, with its line and its exit code.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

commands=(status flows listeners apps cores stats)
CONNECTIONS=20

# Fails with this exit code, prints nothing on standard output, and says this.
fails() { # EXIT-CODE WORDS COMMAND...
	local code=0

	"${@:3}" >"$WORK/out" 2>"$WORK/err" || code=$?
	assert_eq "exit code of ${*:3}" "$code" "$1"
	head -n 1 "$WORK/err" | grep -q "^tasctl: .*$2" || fail "${*:3}: no \"$2\" in: $(cat "$WORK/err")"
	[ ! -s "$WORK/out" ] || fail "${*:3} prints: $(cat "$WORK/out")"
}

ctl() { tasctl -i "$INSTANCE" "$@"; }

# What a JSON answer has to be: its kind, members that each element has, and how many there are.
json_is_right() { # COMMAND
	ctl "$1" --json | python3 -c '
import json, sys
command, connections = sys.argv[1], int(sys.argv[2])
answer = json.load(sys.stdin)
members = {
    "status": "version instance pid uptime_s device cores flows flows_max apps listeners",
    "flows": "state local remote pid program snd_mss cwnd_bytes rtt_us pacing_rate_bytes_s retransmits",
    "listeners": "local backlog accepted", "apps": "pid uid program flows memory_bytes faults",
    "cores": "core state busy_ns", "stats": "rx_packets tcp_rx_payload_bytes core_busy_ns"}[command]
for element in [answer] if isinstance(answer, dict) else answer:
    missing = set(members.split()) - set(element)
    assert not missing, (missing, element)
assert isinstance(answer, dict) == (command in ("status", "stats")), answer
if command == "flows":
    assert len(answer) >= connections, len(answer)
    assert {f["program"] for f in answer if f["state"] == "ESTAB"} == {"echo"}, answer
elif command != "status" and command != "stats":
    assert len(answer) == 1, answer
' "$1" $CONNECTIONS
}

# Both ends of each connection tell the same of it, in the words of each.
as_the_peer_has_them() {
	{ in_cli ss -tinH state established; echo ---; ctl flows --json; } | python3 -c '
import json, re, sys
ss, _, flows = sys.stdin.read().partition("---\n")
peers = {}
for head, inside in re.findall(r"^(\S.*)\n\t(.*)$", ss, re.M):
    local, remote = head.split()[-2:]
    peers[local, remote] = dict(re.findall(r"(\w+):([^ ]+)", inside)), head.split()
flows = json.loads(flows)
assert len(flows) == len(peers) == int(sys.argv[1]), (len(flows), len(peers))
for f in flows:
    peer, head = peers[f["remote"], f["local"]]
    number = lambda name: int(peer.get(name, 0))
    assert f["state"] == "ESTAB" and f["retransmits"] == 0, f
    for name, got, wanted in (
            ("wscale", "%(rcv_wscale)d,%(snd_wscale)d" % f, peer["wscale"]),
            ("mss", f["snd_mss"], number("mss")), ("window", f["rcv_wnd"], number("snd_wnd")),
            ("sent", f["bytes_sent"], number("bytes_received")), ("acked", f["bytes_acked"], f["bytes_sent"]),
            ("received", f["bytes_received"], number("bytes_sent")),
            ("queues", (f["unread_bytes"], f["unacked_bytes"] + f["unsent_bytes"]), (0, 0)),
            ("its queues", head[-4:-2], ["0", "0"]),
            ("rtt", 0 < f["rtt_us"] < 10**6, True), ("cwnd", f["cwnd_bytes"] >= f["snd_mss"], True)):
        assert got == wanted, (name, got, wanted, f, peer)
' "$1"
}

say "without tasd: what is wrong with the command line is said first"
fails 1 "tasd is not running" ctl flows
fails 2 "there is no command bogus" ctl bogus
fails 2 "no command given" ctl
fails 2 "one command only; too many: apps" ctl flows apps
fails 2 "an instance's name" tasctl -i ../../x flows
fails 1 "$WORK/none.sock.*not running" tasctl -s "$WORK/none.sock" status
for command in "${commands[@]}"; do
	tasctl --help | grep -q "^  $command " || fail "no word of $command in its help"
done

say "every command, as text and as JSON, beside $CONNECTIONS busy connections"
ns_make
tasd_start
serve echo "$BUILD/tests/e2e/echo" 7
wait_for 10 "the echo server" port_answers 7
spawn "$CLI" load "$BUILD/tests/e2e/reqload" echo $TASD_IP 7 $CONNECTIONS 50 64
load=$SPAWNED
all_there() { [ "$(ctl flows --json | grep -c '"ESTAB"')" -ge $CONNECTIONS ]; }
wait_for 10 "$CONNECTIONS connections" all_there
for command in "${commands[@]}"; do
	json_is_right "$command"
	ctl "$command" >"$WORK/$command"
done
grep -q "instance $INSTANCE, pid $TASD," "$WORK/status" || fail "status: $(cat "$WORK/status")"
[ "$(grep -c "^ESTAB .* $TASD_IP:7 .* $CLI_IP:[0-9]* .* echo,pid=" "$WORK/flows")" -ge $CONNECTIONS ] ||
	fail "flows: $(cat "$WORK/flows")"
[ "$(grep -c "^	 bbr wscale:.* cwnd:[0-9]" "$WORK/flows")" -ge $CONNECTIONS ] ||
	fail "flows: $(cat "$WORK/flows")"
assert_eq "rows of listeners, apps, cores" "$(cat "$WORK"/{listeners,apps,cores} | wc -l)" 6
grep -q "^tcp_rx_payload_bytes  *[1-9]" "$WORK/stats" || fail "stats: $(cat "$WORK/stats")"

say "many who ask at once all get their answers, and the connections go on"
pids=()
for i in 1 2 3 4 5 6 7 8; do
	ctl flows --json >"$WORK/asked.$i" &
	pids+=($!)
done
wait "${pids[@]}"
for i in 1 2 3 4 5 6 7 8; do
	python3 -m json.tool <"$WORK/asked.$i" >/dev/null
done
alive "$load" || fail "the load is over: $(cat "$WORK/load.log")"
kill -TERM "$load"
wait "$load" || fail "the load failed: $(cat "$WORK/load.log")"
cat "$WORK/load.log"

say "flows are what the peer's kernel has"
none_left() { [ "$(ctl flows | wc -l)" -eq 1 ]; }
wait_for 10 "the end of the connections before" none_left
spawn "$CLI" crowd "$BUILD/tests/e2e/crowd" $TASD_IP 7 1 10
wait_for 10 "10 connections" grep -q "^open 10" "$WORK/crowd.log"
wait_for 10 "flows as ss shows them" as_the_peer_has_them 10

say "an answer that cannot be printed is an error"
for command in "${commands[@]}"; do
	fails 1 "cannot print.*No space left on device" sh -c "exec tasctl -i $INSTANCE $command >/dev/full"
done
fails 1 "cannot print.*No space left on device" sh -c "exec tasctl --help >/dev/full"

say "one who may not ask is told so"
tasd_stop
tasd_start tasd.socket_mode=0600
fails 1 "Permission denied; run tasctl as root" setpriv --reuid nobody --regid nogroup --clear-groups \
	"$BUILD/tools/tasctl" -i "$INSTANCE" status
ctl status >/dev/null
