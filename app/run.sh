#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs what is missing, builds in release mode and opens Bunshin; arguments go to bunshin.
#   sh app/run.sh            open the manager
#   sh app/run.sh --build    only install and build: the program is build/app/bunshin
#   sh app/run.sh --demo     create (once) and start a machine with the Debian installer
set -eu
cd "$(dirname "$0")/.."
. app/packages.sh

build ()
{
  # shellcheck disable=SC2086
  install_packages $build_packages
  [ -f build/build.ninja ] || meson setup build --buildtype=release -Db_lto=false -Dtests=false >/dev/null
  ninja -C build >build/build.log 2>&1 || { grep -v '^\[' build/build.log >&2 || cat build/build.log >&2; exit 1; }
}

say_without_display ()
{
  cat >&2 <<'TEXT'
There is no display here (neither $DISPLAY nor $WAYLAND_DISPLAY is set). A machine can be seen all the same:
  build/app/bunshin start NAME --headless            run it without a window
  build/app/bunshin screenshot NAME screen.png       what its screen shows (screen.txt: as text)
  build/app/bunshin type NAME 'text\n'               type into it
  build/app/bunshin run --iso FILE --headless --serial stdio
or open the window on a virtual display: xvfb-run -a sh app/run.sh
TEXT
}

has_display () { [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; }

case "${1:-}" in
  --build)
    build
    ;;
  --demo)
    build
    # shellcheck disable=SC2086
    install_packages $demo_packages
    iso=$(sh app/demo-image.sh)
    name="Debian installer"
    build/app/bunshin show "$name" >/dev/null 2>&1 ||
      build/app/bunshin create "$name" --os debian12 --memory 1G --disk 20G --iso "$iso"
    if ! build/app/bunshin wait "$name" --state powered-off --timeout 0 2>/dev/null; then
      echo "The machine “$name” is on already." >&2
      ! has_display || exec build/app/bunshin # the manager can show its window
    elif has_display; then
      build/app/bunshin start "$name"
    else
      build/app/bunshin start "$name" --headless
    fi
    if ! has_display; then
      say_without_display
      echo "The machine “$name” is running: build/app/bunshin screenshot '$name' screen.png" >&2
    fi
    ;;
  '')
    build
    has_display || { say_without_display; exit 1; }
    exec build/app/bunshin
    ;;
  *)
    build
    exec build/app/bunshin "$@"
    ;;
esac
