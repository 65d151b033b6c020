# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash disable=SC2034
# What the scripts of this folder share. Sourced by bash.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cache=${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/gst-streamlib

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }
die() { say "$*"; exit 1; }

# The first lines of a script, up to the first one that is no comment, are its help text.
help_text() { awk 'NR < 3 { next } /^#/ { sub(/^# ?/, ""); print; next } { exit }' "$0"; }

# The archives that packages come from, as apt's lists name them: "URL SUITE COMPONENT". The tables of
# apt-cache policy have lines such as " 500 URL SUITE/COMPONENT ARCHITECTURE Packages".
archives_of() { # PACKAGE...
  local package
  for package; do apt-cache policy "$package"; done |
    sed -nE 's#^ +[0-9]+ ([a-z]+:\S+) (\S+)/([^ /]+) \S+ Packages$#\1 \2 \3#p' | sort -u
}

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

# Configures a build folder where that is needed, and takes a note of the options: they must be the
# same for the folder to be used again. One that was made by hand has no note; without options it is
# taken as it is.
configure() { # BUILD OPTION...
  local dir=$1 note="${*:2} ${PKG_CONFIG_PATH-}"
  shift
  if [ ! -e "$dir/build.ninja" ] ||
    { [ $# -gt 0 ] && [ "$(cat "$dir/options" 2>/dev/null)" != "$note" ]; }; then
    rm -rf "$dir"
    run_meson "$dir" setup --wrap-mode=nodownload "$dir" "$root" "$@"
    echo "$note" >"$dir/options"
  elif [ /var/lib/dpkg/status -nt "$dir/build.ninja" ]; then
    # What was missing may be there now: programs, plugins for tests.
    run_meson "$dir" setup --reconfigure "$dir" "$root"
  fi
}

# Says only what went wrong. What a failed first attempt leaves is of no use.
run_meson() { # BUILD ARGUMENT...
  local dir=$1 log
  shift
  log=$(mktemp)
  if ! meson "$@" >"$log" 2>&1; then
    cat "$log" >&2
    rm -f "$log"
    [ -e "$dir/build.ninja" ] || rm -rf "$dir"
    die "meson could not configure $dir; its message is above"
  fi
  grep -A 4 WARNING "$log" || true
  mv "$log" "$dir/setup.log"
}

# JOBS says how many compilers run at once.
compile() { # BUILD [TARGET...]
  ninja -C "$1" ${JOBS:+-j "$JOBS"} "${@:2}" || die "the build in $1 failed; the message is above"
}
