# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash disable=SC2086,SC2154  # addresses and e2e_root are of lib.sh
# lib_judge.sh - captures of a test, judged by tshark (judge.py). To be sourced after lib.sh; who judges
# transfers sources lib_link.sh, too.
#
# A capture holds frames as they are on the wire where no device's offload changes them afterwards: e2e_device
# switches those off. What goes out through an AF_PACKET socket past the queueing discipline (tasd's with
# qdisc_bypass=1) is seen at the other end of its wire only.

# Frames of DEVICE into $WORK/NAME.pcap until capture_stop.
capture_start() { # NAMESPACE DEVICE NAME
	rm -f "$WORK/$3.pcap" # an earlier one of the name is not this one's beginning
	spawn "$1" "capture-$3" dumpcap -q -P -i "$2" -f 'tcp or udp port 9' -B 64 \
		-w "$WORK/$3.pcap"
	CAPTURES+=("$SPAWNED")
	CAPTURED+=("$3")
	wait_for 20 "dumpcap" test -s "$WORK/$3.pcap"
}
CAPTURES=() CAPTURED=()

capture_marked() { # NAME ADDRESS
	in_cli bash -c "echo end-of-capture >/dev/udp/$2/9"
	grep -aq end-of-capture "$WORK/$1.pcap"
}

# All of them, when a datagram from the client to ADDRESS, sent now and passing all their devices, is in each.
# Fails if frames were missed, for then what is judged is not what was.
capture_stop() { # [ADDRESS]
	local pid name

	for name in "${CAPTURED[@]}"; do
		wait_for 30 "the end of the capture" capture_marked "$name" "${1:-$TASD_IP}"
	done
	CAPTURED=()
	for pid in "${CAPTURES[@]}"; do
		kill -INT "$pid"
		wait "$pid" || fail "dumpcap: $(cat "$WORK"/capture-*.log)"
	done
	CAPTURES=()
	! grep -h 'dropped on interface' "$WORK"/capture-*.log | grep -v '[0-9]/0 (pcap:0/' ||
		fail "dumpcap missed frames"
}

# Fails if there is a fault in a capture. The counts, "NAME COUNT" a line, are in $WORK/NAME.judged then.
judge() { # NAME [FILTER]
	"$e2e_root/tests/e2e/judge.py" "$WORK/$1.pcap" "${@:2}" >"$WORK/$1.judged" || {
		cat "$WORK/$1.judged"
		fail "the capture \"$1\" has faults"
	}
}

judged() { awk -v name="$2" '$1 == name { print $2 }' "$WORK/$1.judged"; } # NAME COUNT

# --- transfers over a bad link

# The capture of one at the receiver: of tasd's data by Linux, of Linux's by tasd's end of the link.
goodput_captured() { # tasd|linux get|put ALGORITHM AMOUNT SPEC
	local moved

	link_start 1 "$5" "$5"
	if [ "$2" = get ]; then
		capture_start "$CLI" cli0 "$1-$2"
	else
		capture_start "$RTR" "$([ "$1" = tasd ] && echo lnk0 || echo lnk1)" "$1-$2"
	fi
	moved=$(goodput_move "$1" "$2" "$3" "$4")
	capture_stop "$([ "$1" = tasd ] && echo $TASD_IP || echo $LINUX_IP)"
	link_stop
	judge "$1-$2"
	say "$2 over $1, $(tr '\n' ' ' <"$WORK/$1-$2.judged")"
	[ "$(judged "$1-$2" segments)" -ge $((${moved% *} / 1448)) ] ||
		fail "the capture has not all segments"
}

# No fault in either, and of what the receiver had already a few segments more at most than Linux sent in
# vain: one acknowledgement that is lost may cost a probe.
goodput_judged() { # get|put ALGORITHM AMOUNT SPEC
	goodput_captured tasd "$@"
	goodput_captured linux "$@"
	[ "$(judged "tasd-$1" twice)" -le $(($(judged "linux-$1" twice) + 5 * 1448)) ] ||
		fail "$1 over $4: tasd sent again what had arrived"
}
