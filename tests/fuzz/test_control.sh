#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# messages on the control socket: fuzz_control.c
. "$(dirname "$0")/lib.sh"
fuzz control
