#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may include whom: base <- net, abi <- fastpath, slowpath, libtas. See CONTRIBUTING.md.
. "$(dirname "$0")/lib.sh"

# The headers of the tree that a file may include, as one extended regular expression.
may_include() {
	case $1 in
	include/base/*) echo '^include/base/' ;;
	include/net/*) echo '^include/(base|net)/' ;;
	include/abi/*) echo '^include/((base|abi)/|net/addr\.h$)' ;; # addresses are a type, not a wire format
	include/tas/*) echo '^include/(tas/|net/addr\.h$)' ;;
	fastpath/*) echo '^(include/(base|net|abi)|fastpath)/' ;;
	# the rim opens the port and waits on it
	slowpath/tasd.c | slowpath/core_loop.*)
		echo '^((include/(base|net|abi)|slowpath)/|fastpath/(fastpath|port_probe|port_wake)\.h$)'
		;;
	slowpath/*) echo '^((include/(base|net|abi)|slowpath)/|fastpath/fastpath\.h$)' ;;
	libtas/*) echo '^(include/(base|net|abi|tas)|libtas)/' ;;
	*) echo '^(include/(base|net|abi|tas)|fastpath|slowpath|libtas|tools|tests)/' ;;
	esac
}

# System headers that a file must not include. The rim may open sockets; below it nothing talks to the OS by
# itself. What an application links must not need DPDK.
may_not_include() {
	local sockets='(sys/socket|sys/un|netdb)\.h|(arpa|netinet|net|netpacket)/.*|linux/(if_|netlink).*'

	case $1 in
	slowpath/main*.c | slowpath/ctl*.c | slowpath/log*.c | slowpath/wake*.c | slowpath/daemon*.c | \
		fastpath/wake.c | fastpath/port*.c) echo '^$' ;;
	libtas/*) echo '^rte_' ;;
	include/base/* | include/abi/* | include/tas/*) echo "^(rte_.*|$sockets)\$" ;;
	include/* | fastpath/* | slowpath/*) echo "^($sockets)\$" ;;
	*) echo '^$' ;;
	esac
}

offenders() {
	local file header

	tree '*.c' '*.h' | xargs -r grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' |
		sed -E 's/^([^:]*):[^"<]*(["<][^">]*)[">].*/\1 \2/' | while read -r file header; do
		case $header in
		\"*) [[ ${header#?} =~ $(may_include "$file") ]] ;;
		*) [[ ! ${header#?} =~ $(may_not_include "$file") ]] ;;
		esac || echo "$file may not include ${header#?}"
	done
}

offenders | report layers
