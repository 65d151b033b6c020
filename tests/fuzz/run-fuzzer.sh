#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: run-fuzzer.sh PROGRAM WORK CORPUS [OPTION...]
#
# Runs a fuzzer with a new working folder and the corpus beside it. An input that breaks it stays in
# WORK/broken-*.
set -eu
program=$1
work=$2
corpus=$3
shift 3
rm -rf "$work"
mkdir -p "$work/new"
exec "$program" "$@" -artifact_prefix="$work/broken-" "$work/new" "$corpus"
