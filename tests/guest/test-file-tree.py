#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux guest makes, flushes and verifies a tree of files on each disk format through each controller; then the
host's own tools find the same tree in the image.

One machine has all the disks. Which is which the guest tells by a label that the host put into the first bytes."""
import hashlib
import os
import pathlib
import re
import subprocess
import tempfile

from guest import BUNSHIN, Failure, guest_file, machine, tap

LIMIT = 600 # seconds; an upper bound, not a measure
SIZE = 48 << 20
FILES = 19
# Our name of each format, and qemu-img's; whether that can check it.
FORMATS = {'vdi': ('vdi', True), 'vmdk': ('vmdk', True), 'vhd': ('vpc', False), 'hdd': ('parallels', True),
           'qcow2': ('qcow2', True)}

# What the guest does on each disk. Every part is read back from the disk, not from memory, before it counts.
GUEST = r'''
drop () { sync; echo 3 > /proc/sys/vm/drop_caches; }
tree () {
  mke2fs -q "$1" >/dev/null 2>&1 || mke2fs "$1" >/dev/null 2>&1 || return 1
  mount -t ext4 "$1" /mnt || return 1
  cd /mnt && mkdir -p a/b/c "d e/f" g || return 1
  for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
    dd if=/dev/urandom of=a/small-$n bs=777 count=$n 2>/dev/null || return 1
  done
  dd if=/dev/urandom of=a/b/large bs=64k count=96 2>/dev/null || return 1
  dd if=/dev/urandom of=a/b/c/holes bs=4k count=3 seek=500 2>/dev/null || return 1
  seq 1 20000 > "d e/f/numbers" && ln -s ../a/b/large g/link && ln a/small-3 g/same && : > g/empty || return 1
  find . -type f ! -path './lost*' -exec md5sum {} + > /tmp/sums
  drop; md5sum -c /tmp/sums >/dev/null || return 1
  # In place, at odd offsets; what is gone makes room for what comes.
  rm a/small-1 a/small-2
  dd if=/dev/urandom of=a/b/large bs=1000 count=33 seek=777 conv=notrunc,fsync 2>/dev/null || return 1
  mv a/small-16 "d e/moved" && cat a/small-5 a/small-6 >> "d e/f/numbers" || return 1
  drop
  find . -type f ! -path './lost*' -exec md5sum {} + > /tmp/sums
  cd / && umount /mnt && drop && mount -t ext4 "$1" /mnt && cd /mnt && md5sum -c /tmp/sums >/dev/null || return 1
  cd / && umount /mnt && sync
}
for device in $(ls /sys/block); do
  label=$(head -c 64 /dev/$device 2>/dev/null | tr -d '\000' | sed -n 's/^BUNSHIN-TREE \([a-z0-9-]*\)$/\1/p')
  [ -n "$label" ] || continue
  if tree /dev/$device; then echo "tree $label on $device"; sed "s/^/$label /" /tmp/sums; echo "end $label"
  else cd /; umount /mnt; echo "failed $label on $device"; dmesg | tail -n 20; fi
done
echo all-done-$((40 + 2)); poweroff -f
'''


def make_image(folder, slot, disk_format):
    """A dynamic image with a label in its first sector."""
    raw, image = folder / 'label.raw', folder / f'{slot}.{disk_format}'
    with open(raw, 'wb') as file:
        file.write(f'BUNSHIN-TREE {slot}-{disk_format}\n'.encode())
        file.truncate(SIZE)
    subprocess.run([BUNSHIN, 'disk', 'convert', str(raw), str(image), '--format', disk_format, '--variant', 'dynamic'],
                   check=True, stdout=subprocess.DEVNULL)
    return image


def tree_sums(raw, folder):
    """The MD5 sum of each file in the file system of a raw image, by its path."""
    subprocess.run(['e2fsck', '-f', '-n', str(raw)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder.mkdir()
    for name in ('a', '"d e"', 'g'):
        subprocess.run(['debugfs', '-R', f'rdump {name} {folder}', str(raw)], check=True, stdout=subprocess.DEVNULL,
                       stderr=subprocess.DEVNULL)
    if os.readlink(folder / 'g' / 'link') != '../a/b/large':
        raise Failure(f'{raw}: the symbolic link is damaged')
    return {f'./{path.relative_to(folder)}': hashlib.md5(path.read_bytes()).hexdigest()
            for path in folder.rglob('*') if path.is_file() and not path.is_symlink()}


def check_image(folder, image, disk_format, sums):
    """Both our tools and the host's find the tree that the guest left, and the same bytes all over."""
    name, can_check = FORMATS[disk_format]
    ours, theirs = folder / 'ours.raw', folder / 'theirs.raw'
    subprocess.run([BUNSHIN, 'disk', 'check', str(image)], check=True, stdout=subprocess.DEVNULL)
    if can_check:
        subprocess.run(['qemu-img', 'check', '-q', '-f', name, str(image)], check=True)
    subprocess.run([BUNSHIN, 'disk', 'convert', str(image), str(ours), '--format', 'raw'], check=True,
                   stdout=subprocess.DEVNULL)
    subprocess.run(['qemu-img', 'convert', '-f', name, '-O', 'raw', str(image), str(theirs)], check=True)
    subprocess.run(['cmp', str(ours), str(theirs)], check=True)
    found = tree_sums(theirs, folder / 'tree')
    if found != sums:
        raise Failure(f'{image.name}: the host finds {sorted(set(found.items()) ^ set(sums.items()))[:6]} otherwise')
    subprocess.run(['rm', '-r', str(folder / 'tree'), str(ours), str(theirs)], check=True)


def read_sums(serial, labels):
    """What the guest says of each of its disks: the sums of the files on it, by label."""
    sums = {}
    while True:
        said = serial.expect(r'(tree|failed) (\S+) on (\S+)\n|all-done-42', LIMIT)
        if said[1] is None:
            break
        if said[1] == 'failed':
            serial.expect('serial-shell-ready|all-done', 60)
            raise Failure(f'{said[2]} on {said[3]}: the guest did not find what it had written\n{serial.output[-3000:]}')
        begin = serial.seen
        serial.expect(f'end {said[2]}\n', LIMIT)
        lines = re.findall(rf'^{said[2]} ([0-9a-f]{{32}})  (\S.*)$', serial.output[begin:serial.seen], re.MULTILINE)
        sums[said[2]] = {path: digest for digest, path in lines}
    if sorted(sums) != sorted(labels):
        raise Failure(f'the guest sees {sorted(sums)}, not {sorted(labels)}')
    return sums


def trees(*disks):
    """@disks: pairs of a slot and a format."""
    grub = guest_file('grub-linux.iso')
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        images = {f'{slot}-{kind}': make_image(folder, slot, kind) for slot, kind in disks}
        settings = [f'{slot}={images[f"{slot}-{kind}"]}' for slot, kind in disks]
        # The CD drive is the second one on AHCI; IDE is for disks.
        with machine('--memory', '256M', '--disk', 'none', '--controller', 'ahci', '--iso', grub,
                     settings=settings) as guest:
            guest.wait_screen(r'GNU GRUB', 180)
            guest.key('enter')
            guest.serial.expect('serial-shell-ready', LIMIT)
            guest.serial.send(f"cat > /tmp/tree.sh <<'END'\n{GUEST}END\nsh /tmp/tree.sh\n")
            sums = read_sums(guest.serial, images)
            guest.wait_off(120)
        for slot, kind in disks:
            label = f'{slot}-{kind}'
            if len(sums[label]) != FILES:
                raise Failure(f'{label}: the guest speaks of {len(sums[label])} files')
            check_image(folder, images[label], kind, sums[label])


def every(controller, first=0):
    return [(f'{controller}{first + i}', kind) for i, kind in enumerate(FORMATS)]


if __name__ == '__main__':
    tap.run([
        # An IDE channel has room for two: the fifth goes with a second machine.
        ('file-tree', lambda: trees(*every('ide')[:4], *every('ahci', 2), *every('virtio'), *every('scsi'), *every('nvme'))),
        ('file-tree-on-ide', lambda: trees(('ide0', 'qcow2'))),
    ])
