#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Usage: run-tsan.sh PROGRAM [ARGUMENT...]
#
# Runs a program that was built with -fsanitize=thread. The runtime of gcc 12 and clang 14 has fixed
# places for its shadow memory, and stops with "unexpected memory mapping" where the kernel spreads
# mappings over more than 28 bits; there the program runs without randomised addresses.
bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
if [ "$bits" -gt 28 ]; then
  exec setarch "$(uname -m)" --addr-no-randomize "$@"
fi
exec "$@"
