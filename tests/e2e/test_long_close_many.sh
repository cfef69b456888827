#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# timeout: 600
# test_close_many.sh with 70,000 connections: more than 16 bits count, and enough for what grows with their
# square.
PAIRS=7
# shellcheck source=tests/e2e/test_close_many.sh
. "$(dirname "$0")/test_close_many.sh"
