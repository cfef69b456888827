# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# lib.sh - the ground on which every end-to-end test stands:
#
#        namespace $SRV                        namespace $CLI
#     +------------------------+            +--------------------+
#     | servers under tas-run  |            | Linux clients      |
#     |        | libtas        |            |                    |
#     | tasd $TASD_IP          |            | kernel's TCP       |
#     |        | AF_PACKET     |    veth    |        |           |
#     |      srv0 (no address) +------------+ cli0 $CLI_IP       |
#     +------------------------+            +--------------------+
#
# A test sources this file, calls ns_make and tasd_start, and then what it likes of the functions below. Any
# command that fails fails the test. Whatever happens, its processes, namespaces and files are gone then;
# of a failed test the ends of all logs are shown, each line behind a bar, by which tools/check tells them
# from the test's own words. Nothing waits for seconds: wait_for awaits a condition.
set -eu -o pipefail

e2e_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$e2e_root/build}
PATH=$BUILD/slowpath:$BUILD/tools:$e2e_root/tools:$PATH
export TAS_LIB=$BUILD/libtas/libtas.so # tas-run preloads this one and not an installed one

INSTANCE=e2e-$$
SRV=$INSTANCE-srv CLI=$INSTANCE-cli RTR=$INSTANCE-rtr
TASD_IP=10.77.0.1 CLI_IP=10.77.0.2
WORK=$(mktemp -d "/tmp/$INSTANCE.XXXXXX")
chmod 755 "$WORK" # servers that dropped root read their files there
SPAWNED=          # pid of what was spawned last
e2e_pids=()       # all that was spawned, in order
e2e_carried=0     # bytes that tasd had carried at carried_begin
declare -A e2e_conf=(
	[tasd.instance]=$INSTANCE
	[port.device]="net_af_packet0,iface=srv0,qdisc_bypass=1"
	[ip.address]=$TASD_IP/24
	[memory.hugepages]=off
)

trap e2e_end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'echo "$0:$LINENO: failed: $BASH_COMMAND" >&2' ERR

say() { echo "--- $*"; }

fail() { # MESSAGE...
	trap - ERR
	echo "$0:${BASH_LINENO[0]}: $*" >&2
	exit 1
}

# --- namespaces

ns_make() { # [MTU]
	ip netns add "$SRV"
	ip netns add "$CLI"
	ip link add srv0 mtu "${1:-1500}" netns "$SRV" type veth peer name cli0 mtu "${1:-1500}" netns "$CLI"
	e2e_device "$SRV" srv0
	e2e_device "$CLI" cli0
	ip -n "$CLI" address add "$CLI_IP/24" dev cli0
}

# The same with a router between the two, in namespace $RTR, and $CLI in a network of its own, whose packets
# to the router, and from there alone, may have only so many bytes:
#
#     tasd $TASD_IP --- srv0 --- rtr0 $RTR_IP [$RTR] rtr1 10.78.0.254 --- cli0 $FAR_IP
RTR_IP=10.77.0.254 FAR_IP=10.78.0.2
ns_make_routed() { # MTU
	local namespace

	for namespace in "$SRV" "$RTR" "$CLI"; do
		ip netns add "$namespace"
	done
	ip link add srv0 netns "$SRV" type veth peer name rtr0 netns "$RTR"
	ip link add cli0 netns "$CLI" type veth peer name rtr1 mtu "$1" netns "$RTR"
	e2e_device "$SRV" srv0
	e2e_device "$RTR" rtr0
	e2e_device "$RTR" rtr1
	e2e_device "$CLI" cli0
	ip -n "$RTR" address add $RTR_IP/24 dev rtr0
	ip -n "$RTR" address add 10.78.0.254/24 dev rtr1
	ip -n "$CLI" address add $FAR_IP/24 dev cli0
	ip -n "$CLI" route add default via 10.78.0.254 mtu lock "$1" advmss 1460
	ip netns exec "$RTR" sysctl -q -w net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
}

# A link between the two on which the kernel speaks at both ends, beside tasd's:
#
#     ker0 $KERNEL_IP [$SRV] ---- veth ---- cli1 $KERNEL_PEER_IP [$CLI]
KERNEL_IP=10.78.0.1 KERNEL_PEER_IP=10.78.0.2
kernel_link_make() {
	ip link add ker0 netns "$SRV" type veth peer name cli1 netns "$CLI"
	ip -n "$SRV" address add $KERNEL_IP/24 dev ker0
	ip -n "$CLI" address add $KERNEL_PEER_IP/24 dev cli1
	ip -n "$SRV" link set ker0 up
	ip -n "$CLI" link set cli1 up
}

# A device as AF_PACKET needs it at both ends: finished checksums, no frames larger than the MTU, and no
# kernel that speaks up by itself.
e2e_device() { # NAMESPACE DEVICE
	ip netns exec "$1" sysctl -q -w "net.ipv6.conf.$2.disable_ipv6=1"
	ip netns exec "$1" ethtool -K "$2" rx off tx off tso off gso off gro off >/dev/null
	ip -n "$1" link set lo up
	ip -n "$1" link set "$2" up
}

in_srv() { ip netns exec "$SRV" "$@"; }
in_cli() { ip netns exec "$CLI" "$@"; }
in_rtr() { ip netns exec "$RTR" "$@"; }
under_tas() { in_srv tas-run -i "$INSTANCE" -- "$@"; }

# --- processes

# In the background, with its output in $WORK/NAME.log, where nothing is left of an earlier one of this name;
# its pid in $SPAWNED.
spawn() { # NAMESPACE NAME COMMAND...
	: >"$WORK/$2.log"
	ip netns exec "$1" "${@:3}" >>"$WORK/$2.log" 2>&1 </dev/null &
	SPAWNED=$!
	e2e_pids+=("$SPAWNED")
}

serve() { # NAME COMMAND...
	spawn "$SRV" "$1" tas-run -i "$INSTANCE" -- "${@:2}"
}

alive() { kill -0 "$1" 2>/dev/null; } # PID

# By SIGTERM, or by SIGKILL if that does not help within 10 s.
stop() { # PID
	kill -TERM "$1" 2>/dev/null || return 0
	e2e_until 10 e2e_gone "$1" || kill -KILL "$1" 2>/dev/null || true
	wait "$1" 2>/dev/null || true
}

wait_for() { # SECONDS WHAT COMMAND...
	e2e_until "$1" "${@:3}" || fail "$2: not within $1 s"
}

# Will a client get through to this port of tasd?
port_answers() { # PORT
	in_cli timeout 1 bash -c "exec 3<>/dev/tcp/$TASD_IP/$1"
}

# iperf3 -s --forceflush, spawned under this name, has no listener for a moment after each client; so before
# each client one waits here until it listens for the next. (A connection made to ask it is a client, too.)
declare -A e2e_iperf3_clients
iperf3_ready() { # NAME
	e2e_iperf3_clients[$1]=$((${e2e_iperf3_clients[$1]:-0} + 1))
	wait_for 20 "iperf3, for client ${e2e_iperf3_clients[$1]}" \
		grep -q "^Server listening on .*(test #${e2e_iperf3_clients[$1]})" "$WORK/$1.log"
}

e2e_gone() { ! alive "$1"; }

e2e_until() { # SECONDS COMMAND...
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))

	until "${@:2}" >/dev/null 2>&1; do
		[ "${EPOCHREALTIME/./}" -lt $end ] || return 1
		sleep 0.02
	done
}

# --- tasd

# Writes $WORK/tasd.conf. Settings stay for later calls.
tasd_conf() { # [SECTION.KEY=VALUE...]
	local setting key section=

	for setting; do
		e2e_conf[${setting%%=*}]=${setting#*=}
	done
	printf '%s\n' "${!e2e_conf[@]}" | sort | while read -r key; do
		[ "${key%%.*}" = "$section" ] || printf '[%s]\n' "${key%%.*}"
		section=${key%%.*}
		printf '%s = %s\n' "${key#*.}" "${e2e_conf[$key]}"
	done >"$WORK/tasd.conf"
}

tasd_start() { # [SECTION.KEY=VALUE...]
	tasd_conf "$@"
	spawn "$SRV" tasd tasd -c "$WORK/tasd.conf" --foreground
	TASD=$SPAWNED
	e2e_until 20 e2e_tasd_up_or_gone || fail "tasd does not answer tasctl after 20 s"
	alive "$TASD" || fail "tasd did not start"
	carried_begin
}

tasd_stop() { stop "$TASD"; }

e2e_tasd_up_or_gone() { ! alive "$TASD" || tasctl -i "$INSTANCE" status; }

# --- counters

# The sum of some of tasd's counters.
counters() { # NAME...
	tasctl -i "$INSTANCE" stats --json | python3 -c '
import json, sys
values = json.load(sys.stdin)
print(sum(values[name] for name in sys.argv[1:]))' "$@"
}

carried() { counters tcp_rx_payload_bytes tcp_tx_payload_bytes; }

carried_begin() {
	e2e_carried=$(carried)
	: >"$WORK/moved"
}

# Did tasd carry 99.9 % of these bytes, both ways together, since carried_begin? The last acknowledgements may
# still be on their way.
assert_carried() { # BYTES
	[ "$1" -gt 0 ] || fail "no bytes to have been carried"
	e2e_until 5 e2e_carried_enough "$1" ||
		fail "tasd carried $(($(carried) - e2e_carried)) of $1 bytes of payload, less than 99.9 %"
}

e2e_carried_enough() { [ $((($(carried) - e2e_carried) * 1000)) -ge $(($1 * 999)) ]; }

# --- payload that programs moved, both ways

# curl, started by in_cli or under_tas: the body goes to standard output, the sizes of body, headers and
# request to $WORK/moved.
curl_by() { # STARTER ARGUMENT...
	"$1" curl -sS -o /dev/fd/3 -w '%{size_download} %{size_header} %{size_request}\n' "${@:2}" 3>&1 \
		>>"$WORK/moved"
}

# Since carried_begin, by curl_by.
moved() { awk '{ sum += $1 + $2 + $3 } END { printf "%.0f", sum }' "$WORK/moved"; }

# By wrk: "REQUESTS/S P50_US P99_US REQUESTS BYTES"; fails if one request did. wrk tells its totals to a
# script; a request is what wrk sends for this URL.
wrk_load() { # THREADS CONNECTIONS SECONDS URL
	local place=${4#http://} request

	request=$(printf 'GET /%s HTTP/1.1\r\nHost: %s\r\n\r\n' "${place#*/}" "${place%%/*}" | wc -c)
	cat >"$WORK/wrk.lua" <<-'T'
		done = function(summary, latency)
			local e = summary.errors
			print("totals", summary.requests / summary.duration * 1e6, latency:percentile(50),
				latency:percentile(99), summary.requests,
				e.connect + e.read + e.write + e.status + e.timeout, summary.bytes)
		end
	T
	in_cli wrk -t "$1" -c "$2" -d "$3s" --timeout 10 -s "$WORK/wrk.lua" "$4" >"$WORK/wrk.log" || return 1
	awk -v request="$request" '$1 == "totals" && $6 == 0 {
			printf "%s %s %s %s %.0f\n", $2, $3, $4, $5, $7 + $5 * request
			ok = 1
		}
		END { exit !ok }' "$WORK/wrk.log" || { cat "$WORK/wrk.log" >&2; return 1; }
}

# By a Redis server with all its clients since its start; asking is among it.
redis_bytes() { # REDIS-CLI WITH ARGUMENTS...
	"$@" info stats | tr -d '\r' |
		awk -F: '/^total_net_(in|out)put_bytes/ { sum += $2 } END { printf "%.0f", sum }'
}

# ---

assert_eq() { # WHAT GOT WANTED
	[ "$2" = "$3" ] || fail "$1: $2, not $3"
}

# --- the end

e2e_end() {
	local code=$? i pid namespace

	trap - EXIT ERR
	trap '' INT TERM
	set +e
	[ $code -eq 0 ] || tail -n 30 "$WORK"/*.log "$WORK/tasd.conf" 2>/dev/null | sed 's/^/| /'
	for ((i = ${#e2e_pids[@]} - 1; i >= 0; i--)); do
		stop "${e2e_pids[i]}"
	done
	for namespace in "$SRV" "$CLI" "$RTR"; do
		[ -e "/run/netns/$namespace" ] || continue
		for pid in $(ip netns pids "$namespace"); do
			kill -KILL "$pid" 2>/dev/null
		done
		ip netns delete "$namespace"
	done
	rm -rf "$WORK" "/run/tasd/$INSTANCE".*
	exit $code
}
