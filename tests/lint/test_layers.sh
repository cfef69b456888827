#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may include whom: base <- net, abi <- fastpath, slowpath, libtas. See CONTRIBUTING.md.
. "$(dirname "$0")/lib.sh"

# In $may the headers of the tree that a file may include, as one extended regular expression.
may_include() { # FILE
	case $1 in
	include/base/*) may='^include/base/' ;;
	include/net/*) may='^include/(base|net)/' ;;
	include/abi/*) may='^include/((base|abi)/|net/addr\.h$)' ;; # addresses are a type, not a wire format
	include/tas/*) may='^include/(tas/|net/addr\.h$)' ;;
	fastpath/*) may='^(include/(base|net|abi)|fastpath)/' ;;
	# the rim opens the port and waits on it
	slowpath/tasd.c | slowpath/core_loop.*)
		may='^((include/(base|net|abi)|slowpath)/|fastpath/(fastpath|port_probe|port_wake)\.h$)'
		;;
	slowpath/*) may='^((include/(base|net|abi)|slowpath)/|fastpath/fastpath\.h$)' ;;
	libtas/*) may='^(include/(base|net|abi|tas)|libtas)/' ;;
	*) may='^(include/(base|net|abi|tas)|fastpath|slowpath|libtas|tools|tests)/' ;;
	esac
}

# In $may_not the system headers that a file must not include. The rim may open sockets; below it nothing
# talks to the OS by itself. What an application links must not need DPDK.
may_not_include() { # FILE
	local sockets='(sys/socket|sys/un|netdb)\.h|(arpa|netinet|net|netpacket)/.*|linux/(if_|netlink).*'

	case $1 in
	slowpath/main*.c | slowpath/ctl*.c | slowpath/log*.c | slowpath/wake*.c | slowpath/daemon*.c | \
		fastpath/port*.c) may_not='^$' ;;
	libtas/*) may_not='^rte_' ;;
	include/base/* | include/abi/* | include/tas/*) may_not="^(rte_.*|$sockets)\$" ;;
	include/* | fastpath/* | slowpath/*) may_not="^($sockets)\$" ;;
	*) may_not='^$' ;;
	esac
}

offenders() {
	local file header of='' may may_not

	tree '*.c' '*.h' | xargs -r grep -HE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<]' |
		sed -E 's/^([^:]*):[^"<]*(["<][^">]*)[">].*/\1 \2/' | while read -r file header; do
		[ "$file" = "$of" ] || { of=$file; may_include "$file"; may_not_include "$file"; }
		case $header in
		\"*) [[ ${header#?} =~ $may ]] ;;
		*) [[ ! ${header#?} =~ $may_not ]] ;;
		esac || echo "$file may not include ${header#?}"
	done
}

offenders | report layers
