#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# clang-format decides white space. To mend: clang-format -i FILE
. "$(dirname "$0")/lib.sh"
need clang-format

tree '*.c' '*.h' | xargs -r clang-format --dry-run --Werror 2>&1 | grep -E 'error:' | report format
