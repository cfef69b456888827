# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# packages.sh - what Debian 12 packages the project needs, and how they come in without starting a service.
#   . tools/packages.sh; packages_install "${packages_build[@]}"

# shellcheck disable=SC2034  # the lists are for those who source this file
packages_build=(build-essential git meson ninja-build pkg-config libdpdk-dev libnuma-dev libbsd-dev
	libcmocka-dev liblwip-dev)
packages_fuzz=(clang libclang-rt-14-dev llvm) # llvm: names in what the sanitizers say
packages_lint=(clang-format cppcheck shellcheck)
packages_run=(iproute2 iputils-ping ethtool nftables procps python3)
packages_judge=(tshark)
packages_servers=(redis-server redis-tools memcached nginx-light wrk curl iperf3)

packages_missing() { # PACKAGE...
	local package

	for package; do
		dpkg-query -W -f='${db:Status-Abbrev}' "$package" 2>/dev/null | grep -q '^.i' ||
			echo "$package"
	done
}

# Installs what is missing. Packages of servers would start them: policy-rc.d denies that, ours if the machine
# has none.
packages_install() { # PACKAGE...
	local policy=/usr/sbin/policy-rc.d missing result=0

	mapfile -t missing < <(packages_missing "$@")
	[ ${#missing[@]} -gt 0 ] || return 0
	echo "installing ${missing[*]}"
	if [ -e $policy ]; then
		packages_apt "${missing[@]}" || result=$?
	else
		(
			trap 'rm -f $policy' EXIT
			printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy
			packages_apt "${missing[@]}"
		) || result=$?
	fi
	[ $result -eq 0 ] || echo "cannot install ${missing[*]}: see apt above; is a mirror in reach?" >&2
	return $result
}

packages_apt() { # PACKAGE...
	export DEBIAN_FRONTEND=noninteractive
	{
		apt-get -q update
		apt-get -q -y install --no-install-recommends "$@"
	} >/dev/null </dev/null
}
