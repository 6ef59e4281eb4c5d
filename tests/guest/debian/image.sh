#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes the Debian of test-debian.py in the folder $1 (once), as root: debootstrap and chroot need that.
#   vmlinuz initrd    its kernel, and the initramfs it made for itself
#   disk.raw          an ext4 file system named “root”, without a partition table
#   native/           what the commands of the file “programs” print when the host's processor runs them
#   tree/             the files of the disk
set -eu
here=$(cd "$(dirname "$0")" && pwd)
folder=$1
mirror=${BUNSHIN_DEBIAN_MIRROR:-http://deb.debian.org/debian}
packages=dbus,gcc,initramfs-tools,libc6-dev,libpam-systemd,linux-image-amd64,make,nodejs,python3,stress-ng,systemd-sysv,tcl,zstd
tree=$folder/tree
say () { echo "debian: $*" >&2; }

inside () { chroot "$tree" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"; }

# /root/sqlite3.c, out of Debian's source package.
sqlite_amalgamation ()
{
  echo "deb-src $mirror bookworm main" > "$tree/etc/apt/sources.list.d/source.list"
  mkdir -p "$tree/root/sqlite"
  {
    inside apt-get update -qq -o Acquire::Languages=none &&
      inside sh -c 'cd /root/sqlite && apt-get source -qq --download-only sqlite3' &&
      tar -C "$tree/root/sqlite" -xf "$tree"/root/sqlite/*.orig.tar.* &&
      inside sh -c 'cd /root/sqlite/sqlite3-*/ && ./configure --disable-tcl --disable-readline && make sqlite3.c && cp sqlite3.c /root/'
  } > "$folder/sqlite.log" 2>&1 || { tail -n 20 "$folder/sqlite.log" >&2; exit 1; }
  rm -rf "$tree/root/sqlite" "$tree/etc/apt/sources.list.d/source.list"
}

make_tree ()
{
  [ "$(cat "$folder/packages" 2>/dev/null)" != "$packages" ] || return 0
  say "installing Debian 12 in a folder"
  rm -rf "$tree" "$folder/stamp"
  mkdir -p "$tree"
  debootstrap --variant=minbase --include="$packages" bookworm "$tree" "$mirror" > "$folder/debootstrap.log" 2>&1 ||
    { tail -n 20 "$folder/debootstrap.log" >&2; exit 1; }
  echo 'LABEL=root / ext4 errors=remount-ro 0 1' > "$tree/etc/fstab"
  echo guest > "$tree/etc/hostname"
  echo '127.0.0.1 localhost guest' > "$tree/etc/hosts"
  # test-debian.py logs in with it.
  echo root:bunshin | inside chpasswd
  say "making SQLite's amalgamation"
  sqlite_amalgamation
  rm -rf "$tree"/var/lib/apt/lists/* "$tree"/var/cache/apt/*.bin "$tree"/var/cache/apt/archives/*.deb
  # Empty, it is made anew at each start, for nothing is kept of the one before.
  : > "$tree/etc/machine-id"
  echo "$packages" > "$folder/packages"
}

run_natively ()
{
  say "running the programs natively"
  cp "$here"/program.* "$tree/root/"
  rm -rf "$folder/native"
  mkdir "$folder/native"
  grep -v '^#' "$here/programs" | while IFS= read -r line; do
    inside sh -c "cd /root; ${line#*: }" > "$folder/native/${line%%:*}" < /dev/null || { say "it failed natively: $line"; exit 1; }
  done
  rm -rf "$tree"/tmp/*
}

make_disk ()
{
  cp "$tree"/boot/vmlinuz-* "$folder/vmlinuz"
  cp "$tree"/boot/initrd.img-* "$folder/initrd"
  rm -f "$folder/disk.raw"
  mkfs.ext4 -q -L root -d "$tree" "$folder/disk.raw" 3G
}

mkdir -p "$folder"
stamp=$(cat "$0" "$here"/program* | sha256sum)
[ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ] || exit 0
make_tree
run_natively
say "making the disk"
make_disk
echo "$stamp" > "$folder/stamp"
