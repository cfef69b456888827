# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2086,SC2153  # addresses are of lib.sh, and one word
# lib_link.sh - tasd and Linux, each to the same Linux client, over one and the same bad link (linkem.c):
#
#        namespace $SRV                     namespace $RTR             namespace $CLI
#     +--------------------------+      +--------------------+      +-----------------------+
#     | tasd $TASD_IP       srv0 +------+ lnk0               |      |                       |
#     |                          |      |       linkem  lnk2 +------+ cli0 $CLI_IP          |
#     | kernel $LINUX_IP    ker0 +------+ lnk1               |      |      $CLI_IP2         |
#     +--------------------------+      +--------------------+      +-----------------------+
#
# To be sourced after lib.sh. A is the servers' side, B the client's.
LINUX_IP=10.79.0.1 CLI_IP2=10.79.0.2
LINK_PID=

link_make() { # [MTU]
	local mtu=${1:-1500} namespace device

	for namespace in "$SRV" "$RTR" "$CLI"; do
		ip netns add "$namespace"
	done
	ip link add srv0 mtu "$mtu" netns "$SRV" type veth peer name lnk0 mtu "$mtu" netns "$RTR"
	ip link add ker0 mtu "$mtu" netns "$SRV" type veth peer name lnk1 mtu "$mtu" netns "$RTR"
	ip link add cli0 mtu "$mtu" netns "$CLI" type veth peer name lnk2 mtu "$mtu" netns "$RTR"
	for device in lnk0 lnk1 lnk2; do
		e2e_device "$RTR" $device
	done
	e2e_device "$SRV" srv0
	e2e_device "$SRV" ker0
	e2e_device "$CLI" cli0
	ip -n "$SRV" address add $LINUX_IP/24 dev ker0
	ip -n "$CLI" address add $CLI_IP/24 dev cli0
	ip -n "$CLI" address add $CLI_IP2/24 dev cli0
	# each connection begins without what the one before learned, and no neighbour is asked for
	for namespace in "$SRV" "$CLI"; do
		ip netns exec "$namespace" sysctl -q -w net.ipv4.tcp_no_metrics_save=1
		ip netns exec "$namespace" sysctl -q -w "net.ipv4.tcp_wmem=4096 65536 16777216"
		ip netns exec "$namespace" sysctl -q -w "net.ipv4.tcp_rmem=4096 131072 16777216"
	done
	link_neighbour "$CLI" cli0 $TASD_IP "$SRV" srv0
	link_neighbour "$CLI" cli0 $LINUX_IP "$SRV" ker0
	link_neighbour "$SRV" ker0 $CLI_IP2 "$CLI" cli0
}

# As tasd_start, and tasd before whatever else runs on this machine: the kernel's TCP runs in interrupts, and
# nobody makes it wait. Where tasd is at home, its CPU is its own.
link_tasd_start() { # [SECTION.KEY=VALUE...]
	local thread

	tasd_start "$@"
	for thread in "/proc/$TASD/task"/*; do
		renice -n -19 -p "${thread##*/}" >/dev/null
	done
}

link_neighbour() { # NAMESPACE DEVICE ADDRESS ITS-NAMESPACE ITS-DEVICE
	local mac

	mac=$(ip netns exec "$4" cat "/sys/class/net/$5/address")
	ip -n "$1" neigh replace "$3" lladdr "$mac" nud permanent dev "$2"
}

# The link as it shall be from now on; what is on its way in the one before is lost.
link_start() { # SEED SPEC-TO-CLIENT SPEC-TO-SERVER
	link_stop
	spawn "$RTR" link "$BUILD/tests/e2e/linkem" --seed "$1" --report "$WORK/link.json" --ab "$2" \
		--ba "$3" lnk0,lnk1 lnk2
	LINK_PID=$SPAWNED
	wait_for 10 "linkem" grep -q '^up$' "$WORK/link.log"
}

link_stop() {
	[ -z "$LINK_PID" ] || stop "$LINK_PID"
	LINK_PID=
}

# The sum of some of linkem's counts of the last link, in whole numbers.
link_count() { # ab|ba NAME...
	awk -v side="\"$1\":" -v names=" ${*:2} " '
		{
			gsub(/[{},]/, " ")
			for (i = 1; i <= NF; i++) {
				if ($i == "\"ab\":" || $i == "\"ba\":")
					here = $i == side
				else if (here && index(names, " " substr($i, 2, length($i) - 3) " "))
					sum += $(i + 1)
			}
		}
		END { printf "%d\n", sum }' "$WORK/link.json"
}

# --- transfers (goodput.c)

# A server of both kinds for each algorithm, on ports of their own: tasd's from 7100, Linux's from 7200.
declare -A goodput_port=()
goodput_serve() { # ALGORITHM... (as Linux names it)
	local algorithm n=${#goodput_port[@]}

	for algorithm; do
		[ -z "${goodput_port[$algorithm]-}" ] || continue
		goodput_port[$algorithm]=$n
		spawn "$SRV" "linux-$algorithm" "$BUILD/tests/e2e/goodput" serve $((7200 + n)) \
			"$(goodput_of_linux "$algorithm")"
		wait_for 10 "goodput over Linux" grep -q ready "$WORK/linux-$algorithm.log"
		serve "tasd-$algorithm" "$BUILD/tests/e2e/goodput" serve $((7100 + n)) \
			"$(goodput_of_tasd "$algorithm")"
		wait_for 10 "goodput over tasd" grep -q ready "$WORK/tasd-$algorithm.log"
		n=$((n + 1))
	done
}

# An algorithm may be a pair, TASD:LINUX. tasd calls Reno newreno; the client's kernel is always Linux.
goodput_of_tasd() { local a=${1%%:*}; echo "${a/#reno/newreno}"; }
goodput_of_linux() { echo "${1##*:}"; }

# "BYTES NANOSECONDS" of one transfer, on standard output. put: the client sends.
goodput_move() { # tasd|linux get|put ALGORITHM AMOUNT
	local address=$TASD_IP port=$((7100 + goodput_port[$3]))

	[ "$1" = tasd ] || { address=$LINUX_IP; port=$((port + 100)); }
	in_cli timeout 600 "$BUILD/tests/e2e/goodput" "$2" $address $port "$4" "$(goodput_of_linux "$3")" ||
		fail "$2 over $1, $3"
}

# Pairs of transfers over links with the same seeds, from FIRST (1) on, tasd's and Linux's in turns. Adds a
# line to FILE for each:
#	ALGORITHM WAY TO-CLIENT TO-SERVER SEED STACK BYTES NS BEHIND-US RESENT LOST TIMEOUTS
goodput_pairs() { # FILE PAIRS AMOUNT get|put ALGORITHM SPEC-TO-CLIENT SPEC-TO-SERVER [FIRST]
	local first=${8:-1} seed stack moved before after lost of=ab

	[ "$4" = get ] || of=ba
	for ((seed = first; seed < first + $2; seed++)); do
		for stack in tasd linux; do
			link_start "$seed" "$6" "$7"
			read -ra before < <(goodput_sent "$stack" "$4")
			moved=$(goodput_move "$stack" "$4" "$5" "$3")
			link_stop
			read -ra after < <(goodput_sent "$stack" "$4")
			lost=$(link_count $of lost_random lost_burst lost_queue)
			printf '%s\t' "$5" "$4" "$6" "$7" "$seed" "$stack" "${moved% *}" "${moved#* }" \
				"$(link_count $of behind_us_mean)" $((after[0] - before[0])) "$lost" >>"$1"
			echo $((after[1] - before[1])) >>"$1"
		done
	done
}

# How many segments the sender has sent again, and how often its timer expired: tasd, or one of the kernels.
goodput_sent() { # STACK WAY
	local kernel=$SRV

	if [ "$1$2" = tasdget ]; then
		echo "$(counters tcp_tx_retransmits) $(counters tcp_timeouts)"
		return
	fi
	[ "$2" = get ] || kernel=$CLI
	ip netns exec "$kernel" nstat -asz TcpRetransSegs TcpExtTCPTimeouts |
		awk '$1 ~ /^Tcp/ { n[$1] = $2 } END { print n["TcpRetransSegs"], n["TcpExtTCPTimeouts"] }'
}

# tasd's goodput in per cent of Linux's, typical, and between what the truth is (ratios.py); then both medians
# in Mb/s, for what is in FILE: one line for each setting,
#	ALGORITHM WAY TO-CLIENT TO-SERVER PAIRS PERCENT LOWER UPPER TASD-MBIT LINUX-MBIT
goodput_table() { # FILE
	PYTHONPATH=$(dirname "$0") python3 -B - "$1" <<-'T'
		import statistics, sys
		from ratios import interval

		rows = {}
		for line in open(sys.argv[1]):
		    words = line.rstrip("\n").split("\t")
		    pairs = rows.setdefault(tuple(words[:4]), {})
		    pairs.setdefault(int(words[4]), {})[words[5]] = int(words[6]) * 8e3 / int(words[7])
		for setting, pairs in rows.items():
		    both = [p for p in pairs.values() if len(p) == 2]
		    lower, typical, upper = interval([p["tasd"] / p["linux"] for p in both])
		    print(*setting, len(both), *("%.1f" % (100 * r) for r in (typical, lower, upper)),
		        "%.2f" % statistics.median(p["tasd"] for p in both),
		        "%.2f" % statistics.median(p["linux"] for p in both), sep="\t")
	T
}
