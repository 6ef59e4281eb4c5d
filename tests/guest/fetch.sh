#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Fetches the guests of the tests from Debian's packages into a cache outside the repository and prints the
# cache's path. Each guest is made once:
#   memtest86+{x64,ia32}.iso grub-rescue-{cdrom.iso,floppy.img} ipxe.iso
#   cloud/{vmlinuz,initrd} generic/{vmlinuz,initrd,tests} i386/{vmlinuz,initrd} grub-linux.iso
#   debian-installer-12-{amd64,i386}-{text,gtk}.iso          (only with the argument “installer”)
#   debian/{vmlinuz,initrd,disk.raw,native}                  (only with the argument “debian”)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cache=${BUNSHIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bunshin}
mkdir -p "$cache"
work=$(mktemp -d "$cache/fetch.XXXXXX")
trap 'rm -rf "$work"' EXIT
say () { echo "fetch: $*" >&2; }

# Unpacks a package's files below $work/PACKAGE.
unpack ()
{
  [ -d "$work/$1" ] && return 0
  (cd "$work" && apt-get download -qq "$1" >/dev/null 2>&1) || { say "cannot download $1"; exit 1; }
  dpkg-deb -x "$work/$1"_*.deb "$work/$1"
}

# The real package behind a kernel metapackage.
kernel_package () { apt-cache depends "$1" | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1; }

copy_once ()
{
  [ -f "$cache/$3" ] && return 0
  unpack "$1"
  cp "$work/$1/$2" "$cache/$3.new"
  mv "$cache/$3.new" "$cache/$3"
}

pack_initrd ()
{
  (cd "$1" && find . | cpio -o -H newc --quiet | gzip -1) > "$2.new"
  mv "$2.new" "$2"
}

# A busybox initramfs with our init in $1, from the static busybox.
base_initrd ()
{
  unpack busybox-static
  mkdir -p "$1/bin" "$1/tests"
  cp "$work/busybox-static/bin/busybox" "$1/bin/busybox"
  install -m 755 "$here/init" "$1/init"
}

# linux GUEST METAPACKAGE MODULES…
linux ()
{
  guest=$1
  meta=$2
  shift 2
  cmp -s "$here/init" "$cache/$guest/stamp" && [ "$(cat "$cache/$guest/modules" 2>/dev/null)" = "$*" ] && return 0
  package=$(kernel_package "$meta")
  [ -n "$package" ] || { say "no kernel behind $meta: is “apt-get update” due?"; exit 1; }
  unpack "$package"
  release=${package#linux-image-}
  tree=$work/initrd-$guest
  base_initrd "$tree"
  if [ $# -gt 0 ]; then
    depmod -b "$work/$package" "$release"
    mkdir -p "$tree/lib/modules/$release"
    cp "$work/$package/lib/modules/$release"/modules.* "$tree/lib/modules/$release/"
    for module in "$@"; do
      modprobe -d "$work/$package" -S "$release" --show-depends "$module" 2>/dev/null | sed -n 's/^insmod \([^ ]*\).*/\1/p'
    done | sort -u | while read -r file; do
      inside=${file#"$work/$package"}
      mkdir -p "$tree$(dirname "$inside")"
      cp "$file" "$tree$inside"
    done
    echo "$@" > "$tree/modules.load"
  fi
  mkdir -p "$cache/$guest"
  cp "$work/$package/boot/vmlinuz-$release" "$cache/$guest/vmlinuz"
  pack_initrd "$tree" "$cache/$guest/initrd"
  echo "$@" > "$cache/$guest/modules"
  cp "$here/init" "$cache/$guest/stamp"
}

# The installer's i386 kernel with the busybox of its own initrd: a 32-bit guest from a 64-bit Debian.
linux_i386 ()
{
  cmp -s "$here/init" "$cache/i386/stamp" && return 0
  unpack debian-installer-12-netboot-i386
  image=$work/debian-installer-12-netboot-i386/usr/lib/debian-installer/images/12/i386/text/debian-installer/i386
  full=$work/i386-full
  tree=$work/initrd-i386
  mkdir -p "$full" "$tree/bin" "$tree/tests"
  (cd "$full" && zcat "$image/initrd.gz" | cpio -id --quiet --no-absolute-filenames 2>/dev/null) || true
  cp "$full/bin/busybox" "$tree/bin/busybox"
  # This busybox was built without --install: take the names it has there.
  find "$full" -type l -lname '*busybox' | while read -r link; do
    ln -sf busybox "$tree/bin/$(basename "$link")"
  done
  for library in ld-linux.so.2 libc.so.6 libresolv.so.2; do
    find "$full" -name "$library" | while read -r file; do
      mkdir -p "$tree$(dirname "${file#"$full"}")"
      cp -L "$file" "$tree${file#"$full"}"
    done
  done
  install -m 755 "$here/init" "$tree/init"
  mkdir -p "$cache/i386"
  cp "$image/linux" "$cache/i386/vmlinuz"
  pack_initrd "$tree" "$cache/i386/initrd"
  cp "$here/init" "$cache/i386/stamp"
}

# GRUB on a CD that boots the generic kernel, and the i386 one.
grub_iso ()
{
  [ "$cache/grub-linux.iso" -nt "$cache/generic/initrd" ] && [ "$cache/grub-linux.iso" -nt "$cache/i386/initrd" ] && return 0
  mkdir -p "$work/disc/boot/grub"
  for guest in generic cloud i386; do
    mkdir -p "$work/disc/$guest"
    cp "$cache/$guest/vmlinuz" "$cache/$guest/initrd" "$work/disc/$guest/"
  done
  cat > "$work/disc/boot/grub/grub.cfg" <<'CFG'
set timeout=2
set default=0
menuentry "generic" { linux /generic/vmlinuz console=tty0 console=ttyS0
                      initrd /generic/initrd }
menuentry "cloud"   { linux /cloud/vmlinuz console=tty0 console=ttyS0
                      initrd /cloud/initrd }
menuentry "i386"    { linux /i386/vmlinuz console=tty0 console=ttyS0
                      initrd /i386/initrd }
CFG
  grub-mkrescue -d /usr/lib/grub/i386-pc -o "$cache/grub-linux.iso.new" "$work/disc" >/dev/null 2>&1
  mv "$cache/grub-linux.iso.new" "$cache/grub-linux.iso"
}

# Modules with which the generic kernel tests itself, to be appended to its initramfs. They fit one release only.
kernel_tests ()
{
  [ -f "$cache/generic/tests" ] && [ ! "$cache/generic/vmlinuz" -nt "$cache/generic/tests" ] && return 0
  package=$(kernel_package linux-image-amd64)
  unpack "$package"
  release=${package#linux-image-}
  cmp -s "$work/$package/boot/vmlinuz-$release" "$cache/generic/vmlinuz" || { say "there is a newer kernel: remove $cache/generic"; return 0; }
  tree=$work/kernel-tests
  mkdir -p "$tree/tests"
  for module in test_static_key_base test_static_keys test_bpf; do
    cp "$work/$package/lib/modules/$release/kernel/lib/$module.ko" "$tree/tests/"
  done
  pack_initrd "$tree" "$cache/generic/tests"
}

copy_once memtest86+ usr/lib/memtest86+/memtest86+x64.iso memtest86+x64.iso
copy_once memtest86+ usr/lib/memtest86+/memtest86+ia32.iso memtest86+ia32.iso
copy_once grub-rescue-pc usr/lib/grub-rescue/grub-rescue-cdrom.iso grub-rescue-cdrom.iso
copy_once grub-rescue-pc usr/lib/grub-rescue/grub-rescue-floppy.img grub-rescue-floppy.img
copy_once ipxe usr/lib/ipxe/ipxe.iso ipxe.iso
linux cloud linux-image-cloud-amd64
linux generic linux-image-amd64 ata_piix ahci nvme sd_mod sr_mod virtio_pci virtio_blk virtio_scsi ext4 crc32c_generic e1000 button evdev
kernel_tests
linux_i386
grub_iso
for argument in "$@"; do
  case $argument in
    installer)
      for arch in amd64 i386; do
        for kind in text gtk; do
          BUNSHIN_CACHE=$cache sh "$here/../../app/demo-image.sh" $kind $arch >/dev/null
        done
      done ;;
    debian)
      (. "$here/../../app/packages.sh" && install_packages debootstrap) >&2
      as_root=
      [ "$(id -u)" -eq 0 ] || as_root=sudo
      $as_root sh "$here/debian/image.sh" "$cache/debian" >&2 ;;
    *)
      say "there is no guest “$argument”"
      exit 2 ;;
  esac
done
echo "$cache"
