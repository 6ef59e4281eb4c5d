#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is missing, builds, and runs the tests.
#   sh tests/run.sh              every suite
#   sh tests/run.sh SUITE...     some: unit cpu interop net guest ui sanitizer fuzz
#   sh tests/run.sh on-demand    the long guest tests that are too slow for every run
# The last line is “N passed, N failed, N skipped”; the exit status is not 0 if anything failed.
set -eu
cd "$(dirname "$0")/.."
. app/packages.sh
all=no
[ $# -gt 0 ] || all=yes
suites=${*:-unit cpu interop net guest ui sanitizer fuzz}
# shellcheck disable=SC2086
install_packages $build_packages $test_packages

werror=false
[ -z "${CI:-}" ] || werror=true
results=build/test-results
rm -rf "$results"
mkdir -p "$results"
broken=0

# build DIR MESON-ARGUMENTS…
build ()
{
  directory=$1
  shift
  begun=$(date +%s)
  if [ -f "$directory/build.ninja" ]; then
    meson configure "$directory" "$@" >/dev/null
  else
    meson setup "$directory" "$@" >"$results/$(basename "$directory")-setup.log" 2>&1 ||
      { cat "$results/$(basename "$directory")-setup.log"; return 1; }
  fi
  ninja -C "$directory" >"$results/$(basename "$directory").log" 2>&1 ||
    { grep -v '^\[[0-9]*/' "$results/$(basename "$directory").log" | tail -n 60; return 1; }
  echo "# building $directory took $(($(date +%s) - begun)) s"
}

# Runs one meson suite of a build folder and keeps its results under a name.
run_suite ()
{
  directory=$1
  suite=$2
  name=$3
  shift 3
  echo "# $name"
  begun=$(date +%s)
  if ! meson test -C "$directory" --no-rebuild --list --suite "$suite" >/dev/null 2>&1; then
    # Asked for by name, a suite without tests is a mistake.
    [ $all = yes ] || { echo "there are no tests in suite $suite"; broken=$((broken + 1)); }
    return 0
  fi
  meson test -C "$directory" --no-rebuild --suite "$suite" --print-errorlogs "$@" 2>&1 | grep -v '^ninja: ' || true
  if [ -f "$directory/meson-logs/testlog.junit.xml" ]; then
    mv "$directory/meson-logs/testlog.junit.xml" "$results/$name.xml"
    mv "$directory/meson-logs/testlog.json" "$results/$name.json"
  else
    echo "suite $name left no results"
    broken=$((broken + 1))
  fi
  echo "# $name took $(($(date +%s) - begun)) s"
}

wants () { case " $suites " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

need_build=false
for suite in $suites; do
  case $suite in
    unit|cpu|interop|net|guest|ui|on-demand) need_build=true ;;
    sanitizer|fuzz) ;;
    *) echo "tests/run.sh: there is no suite “$suite”" >&2; exit 2 ;;
  esac
done

if $need_build; then
  build build --buildtype=release -Db_lto=false -Dtests=true -Dwerror=$werror || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
fi
if wants guest || wants net || wants on-demand; then
  fetch_arguments=
  ! wants on-demand || fetch_arguments="installer debian"
  # shellcheck disable=SC2086
  BUNSHIN_GUESTS=$(sh tests/guest/fetch.sh $fetch_arguments)
  export BUNSHIN_GUESTS
fi

for suite in unit cpu interop net; do
  ! wants $suite || run_suite build $suite $suite
done
! wants guest || run_suite build guest guest --num-processes 2 --timeout-multiplier 2
! wants ui || run_suite build ui ui --num-processes 1 --timeout-multiplier 2
! wants on-demand || run_suite build on-demand on-demand --num-processes 2

if wants sanitizer; then
  if build build-asan --buildtype=debugoptimized -Db_sanitize=address,undefined -Db_lundef=false -Dtests=true -Dwerror=$werror; then
    # Libraries of the desktop keep memory to the end on purpose; leaks of our own are looked for in the unit tests.
    export ASAN_OPTIONS=detect_stack_use_after_return=0:abort_on_error=1
    export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
    export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
    run_suite build-asan unit sanitizer-unit --timeout-multiplier 5
    run_suite build-asan interop sanitizer-interop --timeout-multiplier 5
  else
    broken=$((broken + 1))
  fi
fi

if wants fuzz; then
  if CC=clang build build-fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false -Dtests=true --buildtype=debugoptimized; then
    found=build-fuzz/tests/fuzz/found
    rm -rf "$found"
    mkdir -p "$found"
    run_suite build-fuzz fuzz fuzz --num-processes 2
    # The inputs that broke something, so that a log alone is enough to try them again.
    for input in "$found"/*-crash-* "$found"/*-timeout-* "$found"/*-oom-* "$found"/*-leak-*; do
      [ ! -f "$input" ] || { echo "$PWD/$input, in base64 of gzip:"; gzip -9nc "$input" | base64; }
    done
  else
    broken=$((broken + 1))
  fi
fi

python3 tests/tally.py --broken "$broken" "$results"
