#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# docs/tcp.md: every file and every test that it names is there, a rule without a test says "not yet" or
# names no file, no requirement of RFC 9293 is missing, and none of the other RFCs.
. "$(dirname "$0")/lib.sh"
page=docs/tcp.md
[ -e "$page" ] || { echo "$page is missing"; exit 2; }

rows() { grep -E '^\| [0-9-]+ \|' "$page"; }

columns() {
	rows | awk -F ' [|] ' 'NF != 6 { print "a row of " NF " columns: " $0 }'
}

files() {
	rows | awk -F ' [|] ' '{ print $5 }' | tr -d '` ' | sort -u | while read -r file; do
		[ "$file" = - ] || [ -e "$file" ] || echo "$file: no such file"
	done
}

tests() {
	{
		grep -oE '^(TEST\(|static void )\w+' tests/unit/*.c | sed -E 's|^tests/unit/(.*):.*\W|\1 |'
		echo '='
		rows | awk -F ' [|] ' '{ sub(/ [|]$/, "", $6); print $6 }' | sed 's/; /\n/g'
	} | awk '
		$1 == "=" { named = 1; next }
		!named { there[$0] }
		named && $1 != "-" && !($0 in there) { print "tests/unit/" $0 ": no such test" }'
}

untested() {
	rows | awk -F ' [|] ' '$6 ~ /^-/ && $5 != "-" && $4 !~ /not yet/ { print "no word why no test: " $0 }'
}

# How many of each there are: RFC 9293, appendix B.
requirements() {
	local kind last n named

	named=$'\n'$(rows | grep -owE '[A-Z]+-[0-9]+')$'\n'
	while read -r kind last; do
		for ((n = 1; n <= last; n++)); do
			[[ $named == *$'\n'"$kind-$n"$'\n'* ]] || echo "$kind-$n of RFC 9293 is missing"
		done
	done <<-END
		MUST 69
		SHLD 31
		MAY 18
		REC 1
	END
}

# Each has a row of its own number.
rfcs() {
	local rfc

	for rfc in 9293 7323 2018 6675 2883 8985 6937 5682 6298 5681 6582 9438 9406 8257 3168 5961 6528 4987 \
		1122 1191 8201 4821 6691 2861 6429 4861 4862 4443; do
		rows | grep -q "^| $rfc |" || echo "no row of RFC $rfc"
	done
}

{
	columns
	files
	tests
	untested
	requirements
	rfcs
} | sed "s|^|$page: |" | report tcpdoc
