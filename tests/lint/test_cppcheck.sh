#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 400
# cppcheck finds nothing but what cppcheck.suppress names, with a reason for each.
. "$(dirname "$0")/lib.sh"
need cppcheck

tree '*.c' | cppcheck --quiet -j "$(nproc)" --std=c11 --language=c -I. \
	--enable=warning,performance,portability --inline-suppr \
	--suppressions-list="$lint_dir/cppcheck.suppress" --suppress=missingInclude \
	--template='{file}:{line}: {id}: {message}' --file-list=- 2>&1 | report cppcheck
