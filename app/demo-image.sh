#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Makes (once) a bootable ISO of the Debian installer out of Debian's own package and prints its path.
# The manager's “Try the Debian installer” button runs this too. Argument: text (default) or gtk.
set -eu
kind=${1:-text}
arch=${2:-amd64}
package=debian-installer-12-netboot-$arch
cache=${BUNSHIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bunshin}
iso=$cache/debian-installer-12-$arch-$kind.iso
if [ -f "$iso" ]; then
  echo "$iso"
  exit 0
fi
for tool in grub-mkrescue xorriso dpkg-deb apt-get; do
  command -v $tool >/dev/null || { echo "demo-image: $tool is needed to make the installer's disc" >&2; exit 1; }
done
mkdir -p "$cache"
work=$(mktemp -d "$cache/demo.XXXXXX")
trap 'rm -rf "$work"' EXIT
(cd "$work" && apt-get download -qq "$package" >&2 2>/dev/null) ||
  { echo "demo-image: cannot download $package (is “apt-get update” due?)" >&2; exit 1; }
dpkg-deb -x "$work"/$package*.deb "$work/root"
image=$work/root/usr/lib/debian-installer/images/12/$arch/$kind/debian-installer/$arch
mkdir -p "$work/disc/boot/grub"
cp "$image/linux" "$image/initrd.gz" "$work/disc/"
cat > "$work/disc/boot/grub/grub.cfg" <<'CFG'
set timeout=3
set default=0
serial --unit=0
terminal_output console serial
menuentry "Install Debian 12" {
  linux /linux vga=788 ---
  initrd /initrd.gz
}
menuentry "Install Debian 12, in text mode" {
  linux /linux vga=normal nomodeset fb=false ---
  initrd /initrd.gz
}
menuentry "Install Debian 12, speaking to the serial port" {
  linux /linux console=ttyS0 ---
  initrd /initrd.gz
}
CFG
grub-mkrescue -d /usr/lib/grub/i386-pc -o "$work/out.iso" "$work/disc" >/dev/null 2>&1
mv "$work/out.iso" "$iso"
echo "$iso"
