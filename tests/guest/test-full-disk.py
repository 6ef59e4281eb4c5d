#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's file system fills up while a guest writes, through each controller: the machine pauses with a message that
names the file, goes on when it is told to after there is room, and the guest has lost nothing."""
import contextlib
import os
import pathlib
import subprocess
import tempfile

from guest import BUNSHIN, Failure, guest_file, machine, tap

LIMIT = 300 # seconds; an upper bound, not a measure
SIZE = 32 << 20
WRITTEN = 12 << 20
ROOM = 3 << 20
DISKS = {'ide0': 'vdi', 'ahci2': 'vmdk', 'virtio0': 'vhd', 'scsi0': 'hdd', 'nvme0': 'qcow2'}

# Writes what it knows the sum of, without the guest's own cache in between, and reads it back from the disk.
GUEST = r'''
dd if=/dev/urandom of=/tmp/data bs=64k count=192 2>/dev/null
sum=$(md5sum < /tmp/data)
find_disk () {
  for device in $(ls /sys/block); do
    [ "$(head -c 64 /dev/$device 2>/dev/null | tr -d '\000')" = "BUNSHIN-FULL $1" ] && echo /dev/$device
  done
}
fill () {
  disk=$(find_disk "$1")
  [ -n "$disk" ] && dd if=/tmp/data of=$disk bs=64k seek=16 conv=fsync 2>/tmp/said || { echo "failed $1"; cat /tmp/said; return; }
  echo 3 > /proc/sys/vm/drop_caches
  if [ "$(dd if=$disk bs=64k skip=16 count=192 2>/dev/null | md5sum)" = "$sum" ]; then echo "kept $1"; else echo "failed $1"; fi
}
'''


def mount(*words):
    return subprocess.run(['mount', *words], capture_output=True, text=True)


@contextlib.contextmanager
def file_system(folder):
    """A file system in memory; yields what sets how many bytes it has room for beyond those in use."""
    result = mount('-t', 'tmpfs', '-o', 'size=1M', 'tmpfs', str(folder))
    if result.returncode != 0:
        raise tap.Skip(f'no file system can be mounted here: {result.stderr.strip()}')

    def leave(room):
        status = os.statvfs(folder)
        used = (status.f_blocks - status.f_bfree) * status.f_frsize
        mount('-o', f'remount,size={used + room}', str(folder)).check_returncode()

    try:
        yield leave
    finally:
        subprocess.run(['umount', str(folder)], check=False)


def make_images(folder):
    for slot, kind in DISKS.items():
        raw, image = folder / 'label.raw', folder / f'{slot}.{kind}'
        with open(raw, 'wb') as file:
            file.write(f'BUNSHIN-FULL {slot}\n'.encode())
            file.truncate(SIZE)
        subprocess.run([BUNSHIN, 'disk', 'convert', str(raw), str(image), '--variant', 'dynamic'], check=True,
                       stdout=subprocess.DEVNULL)
        raw.unlink()


def fill(guest, folder, leave, slot):
    image = folder / f'{slot}.{DISKS[slot]}'
    leave(ROOM)
    guest.serial.send(f'fill {slot}\n')
    guest.library('wait', guest.name, '--state', 'paused', '--timeout', str(LIMIT), timeout=LIMIT + 10)
    said = guest.library('info', guest.name).stdout
    if image.name not in said or os.strerror(28) not in said:
        raise Failure(f'the machine does not say that {image.name} cannot grow:\n{said}')
    # Without room it stops again, with the same words.
    guest.library('resume', guest.name)
    guest.library('wait', guest.name, '--state', 'paused', '--timeout', str(LIMIT), timeout=LIMIT + 10)
    leave(2 * WRITTEN)
    guest.library('resume', guest.name)
    if guest.serial.expect(r'(kept|failed) (\S+)\n', LIMIT)[1] != 'kept':
        raise Failure(f'{slot}: the guest lost what it wrote:\n{guest.serial.output[-2000:]}')


def full():
    grub = guest_file('grub-linux.iso')
    with tempfile.TemporaryDirectory() as folder, file_system(folder) as leave:
        folder = pathlib.Path(folder)
        leave(4 << 20)
        make_images(folder)
        settings = [f'{slot}={folder / f"{slot}.{kind}"}' for slot, kind in DISKS.items()]
        with machine('--memory', '256M', '--disk', 'none', '--controller', 'ahci', '--iso', grub,
                     settings=settings) as guest:
            guest.wait_screen(r'GNU GRUB', 180)
            guest.key('enter')
            guest.serial.expect('serial-shell-ready', LIMIT)
            guest.serial.send(f"stty -echo; cat > /tmp/fill.sh <<'END'\n{GUEST}END\n. /tmp/fill.sh; echo ready-$((6 * 7))\n")
            guest.serial.expect('ready-42', LIMIT)
            for slot in DISKS:
                fill(guest, folder, leave, slot)
            guest.serial.send('poweroff -f\n')
            guest.wait_off(120)
        for slot, kind in DISKS.items():
            subprocess.run([BUNSHIN, 'disk', 'check', str(folder / f'{slot}.{kind}')], check=True, stdout=subprocess.DEVNULL)


if __name__ == '__main__':
    tap.run([('full-disk', full)])
