#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# parsers over exact buffers: fuzz_parse.c
. "$(dirname "$0")/lib.sh"
fuzz parse
