#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# The Debian packages Bunshin is built from and tested with, and their installation.
# Sourced by app/run.sh and tests/run.sh.

build_packages="
build-essential ccache meson ninja-build pkg-config gettext
libglib2.0-dev libglib2.0-dev-bin libgtk-4-dev libadwaita-1-dev libosinfo-1.0-dev osinfo-db
libsqlite3-dev libarchive-dev libext2fs-dev ntfs-3g-dev libxml2-dev libnbd-dev libiscsi-dev libslirp-dev libzydis-dev libpng-dev zlib1g-dev
libzstd-dev libx11-dev libxi-dev libxfixes-dev
desktop-file-utils adwaita-icon-theme
seabios ipxe-qemu"

demo_packages="grub-common grub-pc-bin xorriso mtools"

test_packages="
$demo_packages
clang llvm libclang-rt-14-dev
python3 xvfb xauth openbox imagemagick xdotool dbus fonts-cantarell fonts-noto-cjk appstream
nbdkit openssl tgt qemu-utils qemu-system-x86 e2fsprogs ntfs-3g cpio kmod curl libxml2-utils acpica-tools sqlite3
tesseract-ocr tesseract-ocr-eng"

# Installs those of "$@" that are missing; says what to do where it may not.
install_packages ()
{
  missing=
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  if [ "$(id -u)" -eq 0 ]; then
    as_root=
  elif command -v sudo >/dev/null; then
    as_root=sudo
  else
    echo "Bunshin needs these packages, and only root can install them:$missing" >&2
    return 1
  fi
  echo "Installing:$missing" >&2
  # The lists may be missing or old: ask for new ones once, where the first try fails.
  install="$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends"
  # shellcheck disable=SC2086
  $install $missing >/dev/null 2>&1 || { $as_root apt-get update -qq >&2 && $install $missing >&2; }
}
