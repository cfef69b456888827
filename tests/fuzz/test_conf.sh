#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# tasd.conf of any bytes: fuzz_conf.c
. "$(dirname "$0")/lib.sh"

# The words of the example: sections, every key, every default.
words() {
	sed -nE -e 's/^\[(.*)\]$/"[\1]"/p' \
		-e 's/^#? ?([a-z0-9_]+) *= *([^ #"]*).*/"\1 = "\n"\2\\x0a"/p' "$fuzz_dir/../../tasd.conf" |
		sort -u
}

words >"$fuzz_build/conf.dict"
fuzz conf -dict="$fuzz_build/conf.dict"
