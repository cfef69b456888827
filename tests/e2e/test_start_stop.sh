#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# alone: it counts the huge pages and files of all
# How tasd starts and ends: every obstacle is one clear line with a remedy and a non-zero exit, nothing stale
# stops the next start, and SIGTERM leaves nothing.
# shellcheck disable=SC2119
. "$(dirname "$0")/lib.sh"

# Must end by itself, soon, with an error, and with one line that says why, in which all these words are.
refuses() { # WHAT WORD... -- COMMAND...
	local what=$1 words=() word result=0
	shift
	while [ "$1" != -- ]; do
		words+=("$1")
		shift
	done
	in_srv timeout 10 "${@:2}" >"$WORK/refused.log" 2>&1 </dev/null || result=$?
	[ $result -ne 0 ] || fail "$what: exit code 0"
	[ $result -lt 124 ] || fail "$what: exit code $result"
	for word in "${words[@]}"; do
		reasons | grep -qF -- "$word" || fail "$what: no \"$word\" in: $(cat "$WORK/refused.log")"
	done
	[ "$(reasons | wc -l)" -eq "${lines:-1}" ] || fail "$what: not one line: $(cat "$WORK/refused.log")"
}

reasons() { grep -vE ': (info|warning): ' "$WORK/refused.log"; }

tasd=(tasd -c "$WORK/tasd.conf")

leaves_nothing() {
	local left

	e2e_until 5 e2e_gone "$TASD" || fail "tasd still runs 5 s after SIGTERM"
	[ -z "$(ls "/run/tasd/$INSTANCE".* 2>/dev/null)" ] || fail "left: $(ls "/run/tasd/$INSTANCE".*)"
	[ ! -e "/var/run/dpdk/tasd-$INSTANCE" ] || fail "left: /var/run/dpdk/tasd-$INSTANCE"
	left=$(find /dev/hugepages /dev/shm /tmp -maxdepth 1 -name "*$INSTANCE*" ! -path "$WORK" \
		2>/dev/null) || true
	[ -z "$left" ] || fail "left: $left"
}

ns_make
tasd_conf

say "a configuration is checked: ok, or every error with its line"
assert_eq "--check" "$(in_srv "${tasd[@]}" --check)" ok
printf '[port]\ndevice = net_af_packet0,iface=srv0\nmtu = 99999\n[nonsense]\n[ip]\naddress = 10.77.0.1/24\n' \
	>"$WORK/bad.conf"
lines=2 refuses "bad value and section" "$WORK/bad.conf:3: port.mtu" "576..9000" "$WORK/bad.conf:4" -- \
	tasd -c "$WORK/bad.conf" --check
lines=2 refuses "the same when started" "$WORK/bad.conf:3: port.mtu" -- tasd -c "$WORK/bad.conf" \
	--foreground
refuses "no such file" "$WORK/none.conf" -- tasd -c "$WORK/none.conf"
refuses "no file at all" "tasd -c FILE" -- tasd
refuses "an empty name" "not an empty one" -- tasd -c ''
refuses "no such option" "tasd: there is no option \"--bogus\"" -- tasd --bogus

say "arguments that EAL does not take, or not from an operator"
refuses "no such argument" '"--bogus"' "EAL parameters" -- "${tasd[@]}" --foreground -- --bogus
refuses "cores" "EAL argument -l" "[fastpath] cores_max" -- "${tasd[@]}" --foreground -- -l 0-1
refuses "help" "EAL argument -h" "tasd --help" -- "${tasd[@]}" --foreground -- -h

say "a missing device"
tasd_conf port.device=net_af_packet0,iface=nosuch0
refuses "no such interface" nosuch0 "ip link" -- "${tasd[@]}" --foreground
refuses "the same in the background" nosuch0 -- "${tasd[@]}"
tasd_conf port.device=net_nosuchdriver0
refuses "no such driver" net_nosuchdriver0 -- "${tasd[@]}" --foreground
tasd_conf port.device=net_af_packet0,
refuses "no interface" "write it as net_af_packet0,iface=NAME" -- "${tasd[@]}" --foreground
tasd_conf port.device=net_af_packet0,iface=srv0,bogus=1
refuses "no such argument" "'bogus'" "qdisc_bypass" -- "${tasd[@]}" --foreground
tasd_conf port.device=net_tap0,iface=sixteen__letters
refuses "a long name" "at most 15 characters" -- "${tasd[@]}" --foreground
tasd_conf port.device=net_tap0
refuses "no right to make a TAP" "CAP_NET_ADMIN" -- setpriv --bounding-set -net_admin \
	--inh-caps -net_admin "${tasd[@]}" --foreground
tasd_conf port.device=net_af_packet0,iface=srv0

say "no huge pages although hugepages = on"
free=$(awk '/^HugePages_Free/ { print $2 }' /proc/meminfo)
tasd_conf memory.hugepages=on memory.dpdk_memory=$(((free + 100) * 2))M
refuses "too few huge pages" "vm.nr_hugepages=" "hugepages = auto" -- "${tasd[@]}" --foreground
tasd_conf memory.hugepages=off memory.dpdk_memory=256M

say "a CPU that is not there"
tasd_conf slowpath.cpu=1023
refuses "CPU 1023" "[slowpath] cpu = 1023" "may run on CPUs" -- "${tasd[@]}" --foreground
tasd_conf slowpath.cpu=-1

say "no permission"
tasd_conf tasd.run_dir="$WORK/run"
mkdir -m 755 "$WORK/run"
chown nobody "$WORK/run"
chmod 644 "$WORK/tasd.conf"
refuses "as nobody" "root" -- setpriv --reuid nobody --regid nogroup --clear-groups \
	"$BUILD/slowpath/tasd" -c "$WORK/tasd.conf" --foreground
rm -r "$WORK/run"

say "a run_dir that cannot be used"
touch "$WORK/file"
tasd_conf tasd.run_dir="$WORK/file/run"
refuses "below a file" "$WORK/file/run" "[tasd] run_dir" -- "${tasd[@]}" --foreground
mkdir "$WORK/readonly"
tasd_conf tasd.run_dir="$WORK/readonly"
refuses "on a read-only file system" "$WORK/readonly" "[tasd] run_dir" -- \
	sh -c "mount -t tmpfs -o ro none '$WORK/readonly' && exec tasd -c '$WORK/tasd.conf' --foreground"
mkdir "$WORK/taken" "$WORK/taken/$INSTANCE.sock"
tasd_conf tasd.run_dir="$WORK/taken"
refuses "something else in the socket's place" "$WORK/taken/$INSTANCE.sock" "remove it" -- \
	"${tasd[@]}" --foreground
tasd_conf tasd.run_dir=/run/tasd

say "memory that is not enough for what is configured"
tasd_conf memory.flows_max=4194304 memory.dpdk_memory=64M
refuses "4 M connections in 64 MiB" "flows_max=4194304" "dpdk_memory" "allowed: at least" \
	-- "${tasd[@]}" --check
tasd_conf memory.flows_max=65536 memory.dpdk_memory=256M

say "it starts within 2 s"
began=${EPOCHREALTIME/./}
tasd_start
took=$(((${EPOCHREALTIME/./} - began) / 1000))
[ $took -lt 2000 ] || fail "it took $took ms"

say "the same instance twice"
pid=$(cat "/run/tasd/$INSTANCE.pid")
refuses "a second one" "\"$INSTANCE\" is already running" "kill $pid" -- "${tasd[@]}" --foreground
refuses "a second one in the background" "is already running" -- "${tasd[@]}"
in_cli ping -q -c 1 -W 2 $TASD_IP >/dev/null || fail "the first one suffered"

say "another instance beside it"
ip link add srv1 netns "$SRV" type veth peer name cli1 netns "$CLI"
e2e_device "$SRV" srv1
e2e_device "$CLI" cli1
ip -n "$CLI" address add 10.78.0.2/24 dev cli1
sed "s/^instance = .*/&-b/; s/iface=srv0/iface=srv1/; s/10.77.0.1/10.78.0.1/" "$WORK/tasd.conf" \
	>"$WORK/b.conf"
in_srv tasd -c "$WORK/b.conf"
second=$(cat "/run/tasd/$INSTANCE-b.pid")
e2e_pids+=("$second")
for address in $TASD_IP 10.78.0.1; do
	in_cli ping -q -c 1 -W 2 "$address" >/dev/null || fail "$address does not answer"
done
assert_eq "the first's pid" "$(tasctl -i "$INSTANCE" status | grep -c "pid $TASD,")" 1
assert_eq "the second's pid" "$(tasctl -i "$INSTANCE-b" status | grep -c "pid $second,")" 1
kill -TERM "$second"
wait_for 5 "the end of the second" e2e_gone "$second"
in_cli ping -q -c 1 -W 2 $TASD_IP >/dev/null || fail "the first one suffered"

say "SIGTERM leaves nothing"
kill -TERM "$TASD"
leaves_nothing
wait "$TASD" || fail "exit code $? after SIGTERM"

say "SIGTERM resets open connections, at both ends"
tasd_start
spawn "$CLI" remote "$BUILD/tests/e2e/echo" 7
serve echo "$BUILD/tests/e2e/echo" 7
echo=$SPAWNED
wait_for 10 "the echo server" port_answers 7
spawn "$CLI" crowd "$BUILD/tests/e2e/crowd" $TASD_IP 7 1 1000
crowd=$SPAWNED
wait_for 20 "1,000 connections" grep -q "^open 1000" "$WORK/crowd.log"
serve bereft python3 "$e2e_root/tests/e2e/bereft.py" $CLI_IP 7
bereft=$SPAWNED
wait_for 20 "connections of an application" grep -q ready "$WORK/bereft.log"
kill -TERM "$TASD"
leaves_nothing
wait "$TASD" || fail "exit code $? after SIGTERM"
wait_for 5 "the end of the clients' connections" e2e_gone "$crowd"
assert_eq "what clients saw" "$(tail -n 1 "$WORK/crowd.log")" "closed 0 ended 0 reset 1000"
wait_for 5 "the end of the application's connections" grep -q "all ended" "$WORK/bereft.log"
! grep -v "ECONNRESET\|EPIPE\|ready\|all ended\|again\|libtas: " "$WORK/bereft.log" ||
	fail "connections of an application ended otherwise"
stop "$bereft"
stop "$echo"

say "kill -9, and start again"
tasd_start
kill -KILL "$TASD"
wait "$TASD" 2>/dev/null || true
[ ! -e "/var/run/dpdk/tasd-$INSTANCE" ] || fail "left: /var/run/dpdk/tasd-$INSTANCE"
tasd_start
in_cli ping -q -c 1 -W 2 $TASD_IP >/dev/null || fail "the successor does not answer"
tasctl -i "$INSTANCE" status >/dev/null

say "what a killed tasd, or nobody at all, left behind does not stop the next start"
kill -KILL "$TASD"
wait "$TASD" 2>/dev/null || true
echo $$ >"/run/tasd/$INSTANCE.pid" # a number that was given to another process
[ -S "/run/tasd/$INSTANCE.sock" ] || fail "no socket is left, which this is about"
tasd_start
tasctl -i "$INSTANCE" status >/dev/null

say "SIGINT ends it as well"
kill -INT "$TASD"
leaves_nothing

say "in the background it returns when it serves"
tasd_conf "tasd.log=$WORK/background.log"
in_srv "${tasd[@]}"
TASD=$(cat "/run/tasd/$INSTANCE.pid")
e2e_pids+=("$TASD")
tasctl -i "$INSTANCE" status >/dev/null || fail "it returned before it served"
in_cli ping -q -c 1 -W 2 $TASD_IP >/dev/null
grep -q ready "$WORK/background.log" || fail "its log file says nothing"
kill -TERM "$TASD"
leaves_nothing

say "ten starts and ends in a row"
for _ in 1 2 3 4 5 6 7 8 9 10; do
	in_srv "${tasd[@]}"
	TASD=$(cat "/run/tasd/$INSTANCE.pid")
	kill -TERM "$TASD"
	leaves_nothing
done
