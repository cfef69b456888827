#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# packets into a host with open connections: fuzz_stack.c
. "$(dirname "$0")/lib.sh"
fuzz stack
