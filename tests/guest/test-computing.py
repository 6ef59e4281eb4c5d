#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian that compiles, sums, writes to its disk, draws and serves files is saved and started a hundred times, under one
accelerator after the other. Whatever it makes is checked, by itself and from outside, and has to be right all along.

Another number of saves may be given on the command line.
"""
import contextlib
import hashlib
import http.client
import itertools
import re
import shutil
import subprocess
import sys
import time
import urllib.request

from debian_shell import APPEND, BOOT, STEP, Debian
from guest import Failure, Guest, Library, guest_file, tap
from ports import free_port

SAVES = int(sys.argv.pop()) if sys.argv[-1].isdigit() else 100
GRUB = f'''
set timeout=0
menuentry "Debian" {{
  linux /vmlinuz {APPEND}
  initrd /initrd
}}
'''
# Each job counts its rounds, and says WRONG if what it made is not what it should be.
WORK = r'''
set -u
mkdir -p /tmp/work /srv/files
printf '[Match]\nName=e*\n[Network]\nDHCP=yes\n' > /etc/systemd/network/all.network
systemctl start systemd-networkd
cat > /tmp/draw.py <<'PYTHON'
import hashlib, os, random, sys
seed = int(sys.argv[1])
wide, high = map(int, open('/sys/class/graphics/fb0/virtual_size').read().split(','))
depth = int(open('/sys/class/graphics/fb0/bits_per_pixel').read()) // 8
line = random.Random(seed).randbytes(wide * depth)
picture = b''.join(line[y * depth % len(line):] + line[:y * depth % len(line)] for y in range(high))
with open('/dev/fb0', 'r+b', buffering=0) as screen:
    drawn = 0
    while drawn < len(picture):
        drawn += screen.write(picture[drawn:])
    screen.seek(0)
    shown = b''
    while len(shown) < len(picture):
        shown += screen.read(len(picture) - len(shown))
sys.exit(hashlib.sha256(shown).digest() != hashlib.sha256(picture).digest())
PYTHON
again () {
  name=$1
  shift
  n=0
  until [ -e /tmp/stop ]; do
    "$@" $n || echo "WRONG-$name" > /dev/ttyS0
    n=$((n + 1))
    echo $n > /tmp/work/$name
  done
}
compile () {
  gcc -O2 -pthread -o /tmp/program /root/program.c -lm || return 1
  now=$(sha256sum < /tmp/program)
  [ "$now" = "${first:=$now}" ]
}
sums () {
  seq $1 $(($1 + 20000)) > /tmp/a
  cp /tmp/a /tmp/b
  [ "$(cat /tmp/a | sha256sum)" = "$(sha256sum < /tmp/b)" ]
}
disk () {
  head -c 6000000 /dev/urandom > /tmp/random
  dd if=/tmp/random of=/root/written bs=64k conv=fsync 2> /dev/null
  echo 3 > /proc/sys/vm/drop_caches
  cmp /tmp/random /root/written
}
draw () { python3 /tmp/draw.py $1; }
# The console's cursor would be drawn in between.
echo 0 > /sys/class/graphics/fbcon/cursor_blink
printf '\033[?25l' > /dev/tty1
head -c 3000000 /dev/urandom > /srv/files/file
python3 -m http.server --directory /srv/files 80 > /dev/null 2>&1 &
for job in compile sums disk draw; do again $job $job > /tmp/work/log-$job 2>&1 & echo $! >> /tmp/jobs; done
sha256sum < /srv/files/file
'''


def make_disc(folder):
    tree = folder / 'disc'
    (tree / 'boot/grub').mkdir(parents=True)
    (tree / 'boot/grub/grub.cfg').write_text(GRUB)
    (tree / 'work.sh').write_text(WORK)
    for name in ('vmlinuz', 'initrd'):
        shutil.copy(guest_file(f'debian/{name}'), tree)
    disc = folder / 'debian.iso'
    subprocess.run(['grub-mkrescue', '-d', '/usr/lib/grub/i386-pc', '-o', disc, tree], check=True, capture_output=True)
    return disc


@contextlib.contextmanager
def debian():
    library = Library()
    try:
        disk = library.folder / 'disk.qcow2'
        library('disk', 'convert', guest_file('debian/disk.raw'), str(disk), timeout=STEP)
        guest = Guest(library, '--memory', '768M', '--cpus', '2', '--disk', 'none', '--controller', 'virtio',
                      '--attach', str(disk), '--iso', str(make_disc(library.folder)))
        try:
            yield guest
        finally:
            guest.close()
    finally:
        library.close()


def fetch(port, digest):
    """The guest's file by its network adapter, whole."""
    end = time.monotonic() + STEP
    while True:
        try:
            with urllib.request.urlopen(f'http://127.0.0.1:{port}/file', timeout=60) as answer:
                found = hashlib.sha256(answer.read()).hexdigest()
            break
        except (OSError, http.client.HTTPException) as error:
            if time.monotonic() > end:
                raise Failure(f'the guest serves no file: {error}') from error
            time.sleep(0.5)
    if found != digest:
        raise Failure(f'the file {digest} came as {found}')


def computing():
    with debian() as guest:
        shell = Debian(guest.serial)
        shell.log_in()
        port = free_port()
        guest.library('forward', guest.name, 'add', f'tcp:{port}:80')
        shell('mkdir -p /media/disc && mount -o ro /dev/sr0 /media/disc')
        digest = re.search(r'^([0-9a-f]{64}) ', shell('. /media/disc/work.sh'), re.MULTILINE).group(1)
        fetch(port, digest)
        shell('cd /tmp/work; until [ -e compile -a -e sums -a -e disk -a -e draw ]; do sleep 1; done')
        for i, accel in zip(range(SAVES), itertools.cycle(('jit', 'jit', 'interp', 'jit'))):
            guest.library('save', guest.name, timeout=STEP)
            guest.start()
            shell = Debian(guest.serial)
            guest.library('debug', guest.name, 'accel', accel)
            # What was under way when it was saved ends; the next rounds begin.
            fetch(port, digest)
            said = shell('true')
            if said:
                raise Failure(f'after {i + 1} saves the jobs say:\n{said}')
            shell.check_kernel()
        guest.library('debug', guest.name, 'accel', 'jit')
        shell('touch /tmp/stop; for job in $(cat /tmp/jobs); do while kill -0 $job; do sleep 1; done; done 2>/dev/null', BOOT)
        counts = shell('cd /tmp/work; cat compile sums disk draw').split()
        if 'WRONG' in guest.serial.output:
            raise Failure(f'something is wrong:\n{guest.serial.output[-3000:]}')
        print(f'# {SAVES} saves; rounds of compiling, summing, writing and drawing: {counts}', flush=True)


if __name__ == '__main__':
    tap.run([('computing', computing)])
