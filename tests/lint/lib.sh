# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# lib.sh - what every linter shares. A linter lists its offenders, one a line, into `report NAME`, which
# prints them and "NAME: pass" or "NAME: fail"; its exit code is the verdict. LINT_ROOT is another tree to
# look at (test_self.sh).
set -u
lint_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "${LINT_ROOT:-$lint_dir/../..}" || exit 2

# Root may look at a tree that somebody else cloned. With no list of files nothing is looked at: no pass then.
tree_git() { git -c safe.directory='*' "$@"; }
tree_git ls-files >/dev/null || { echo "needs a git clone to know which files are sources"; exit 2; }

# Files of the tree that match the patterns, new ones included, ignored and deleted ones not.
tree() { # PATTERN...
	tree_git ls-files -co --exclude-standard -- "$@" | sort -u | while read -r file; do
		[ -e "$file" ] && echo "$file"
	done
}

shell_scripts() {
	local file first

	tree '*' | while read -r file; do
		first=
		IFS= read -r first <"$file"
		case $file:$first in
		*.sh:* | *:'#!'*[/\ ]sh | *:'#!'*[/\ ]sh\ * | *:'#!'*bash | *:'#!'*bash\ *) echo "$file" ;;
		esac
	done 2>/dev/null
}

# Stops the linter with a message when its tool is missing: nothing looked at is not a pass.
need() {
	command -v "$1" >/dev/null || { echo "$1 is not installed: tools/check installs it"; exit 2; }
}

report() {
	local offenders

	offenders=$(cat)
	if [ -n "$offenders" ]; then
		printf '%s\n%s: fail\n' "$offenders" "$1"
		return 1
	fi
	echo "$1: pass"
}
