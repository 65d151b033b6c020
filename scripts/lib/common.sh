# SPDX-License-Identifier: LGPL-2.1-or-later
# What the scripts of this folder share. Sourced by bash.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/gst-streamlib

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# The first lines of a script, up to the first one that is no comment, are its help text.
help_text() { awk 'NR < 3 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$0"; }

# The runtime of ThreadSanitizer in gcc 12 has fixed places for its shadow memory, and stops with
# "unexpected memory mapping" where the kernel spreads mappings over more than 28 bits. Runs the
# script again without randomised addresses there.
restart_for_tsan() { # ARGUMENT...
  local bits
  bits=$(cat /proc/sys/vm/mmap_rnd_bits 2>/dev/null || echo 28)
  if [ "$bits" -gt 28 ] && [ -z "${GST_SL_RESTARTED-}" ]; then
    GST_SL_RESTARTED=1 exec setarch "$(uname -m)" --addr-no-randomize "$0" "$@"
  fi
}
