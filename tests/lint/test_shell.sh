#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# Every shell script, found by its name or its first line, passes shellcheck.
. "$(dirname "$0")/lib.sh"
need shellcheck

shell_scripts | xargs -r shellcheck -x -P SCRIPTDIR -f gcc | report shell
