#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Fetches the sample images that QEMU keeps for its own tests, out of its Debian source package, into a cache outside the
# repository, and prints their folder. They come from Virtual PC, Hyper-V, Disk2vhd, VMware and Parallels, and none is
# committed here.
set -eu
cache=${BUNSHIN_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/bunshin}
samples=$cache/qemu-samples
[ ! -d "$samples" ] || { echo "$samples"; exit 0; }
mkdir -p "$cache"
work=$(mktemp -d "$cache/samples.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p lists/partial images
# From where the binary packages come; the system's own lists stay as they are.
apt-get indextargets --format 'deb-src $(SITE) $(RELEASE) $(COMPONENT) # $(ORIGIN)' 'Created-By: Packages' |
  sed -n 's/ main # Debian$/ main/p' | sort -u > sources.list
apt ()
{
  apt-get -qq -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$work/lists" \
    -o APT::Sandbox::User=root "$@" >&2
}
apt update
apt source --download-only qemu
tar -xf qemu_*.orig.tar.* -C images --strip-components 4 --wildcards \
  '*/qemu-iotests/sample_images/*' '*/uefi-boot-images/*.qcow2'
mv images "$samples"
echo "$samples"
