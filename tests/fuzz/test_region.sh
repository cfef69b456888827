#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# an application that writes anything into its region: fuzz_region.c
. "$(dirname "$0")/lib.sh"
fuzz region
