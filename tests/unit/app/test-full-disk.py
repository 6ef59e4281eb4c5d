#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A disk image that cannot grow while the guest writes: the machine pauses and says so, and goes on when there is room.

A limit on the size of the process's files stands for the full file system: it needs no privilege.
"""
import json
import pathlib
import resource
import shutil
import subprocess
import time

from cli import cli, tap

HERE = pathlib.Path(__file__).resolve().parent
WRITES = 64
LIMIT = 3 << 20


def boot_sector(folder):
    """A floppy whose boot sector writes WRITES × 63.5 KiB to the first hard disk."""
    target, floppy = folder / 'fill.elf', folder / 'fill.img'
    subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-Ttext=0x7c00',
                    f'-DWRITES={WRITES}', '-o', target, HERE / 'fill-disk.S'], check=True)
    subprocess.run(['objcopy', '-O', 'binary', '-j', '.text', target, floppy], check=True)
    with open(floppy, 'r+b') as file:
        file.truncate(1474560)
    return str(floppy)


def process_of(bunshin):
    folder = pathlib.Path(json.loads(bunshin.ok('show', 'guest', '--json'))['folder'])
    return int((folder / 'lock').read_text().splitlines()[1])


def image_of(bunshin):
    return next(bunshin.home.rglob('*.vdi'))


def written(bunshin):
    """The numbers of the sectors that begin a write, as the image has them."""
    raw = bunshin.folder / 'raw.img'
    subprocess.run(['qemu-img', 'convert', '-O', 'raw', image_of(bunshin), raw], check=True)
    with open(raw, 'rb') as file:
        numbers = []
        for write in range(WRITES):
            file.seek(write * 127 * 512)
            numbers.append(int.from_bytes(file.read(4), 'little'))
    return numbers


def press_until_it_writes(bunshin):
    """The guest waits for a key, so that it does not write before the limit is set; its firmware drops early ones."""
    end = time.monotonic() + 60
    while json.loads(bunshin.ok('info', 'guest', '--json'))['disk-write-bytes'] == 0:
        assert time.monotonic() < end, 'the guest did not begin to write'
        bunshin.ok('key', 'guest', 'enter')


def pauses_and_resumes(controller):
    if not shutil.which('qemu-img'):
        raise tap.Skip('qemu-img is not installed')
    with cli() as bunshin:
        floppy = boot_sector(bunshin.folder)
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', '64M', '--controller', controller, '--nic', 'none', '--floppy', floppy)
        bunshin.ok('set', 'guest', 'boot=floppy')
        bunshin.ok('start', 'guest', '--headless')
        # The hard limit stays open, so that it can be lifted again.
        hard = resource.prlimit(process_of(bunshin), resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process_of(bunshin), resource.RLIMIT_FSIZE, (LIMIT, hard))
        try:
            press_until_it_writes(bunshin)
            bunshin.ok('wait', 'guest', '--state', 'paused', '--timeout', '60')
            shown = json.loads(bunshin.ok('show', 'guest', '--json'))
            assert shown['state'] == 'paused' and '.vdi' in shown['message'], shown
            # Without room it pauses again.
            bunshin.ok('resume', 'guest')
            bunshin.ok('wait', 'guest', '--state', 'paused', '--timeout', '60')
            resource.prlimit(process_of(bunshin), resource.RLIMIT_FSIZE, (hard, hard))
            bunshin.ok('resume', 'guest')
            end = WRITES * 127 * 512
            while json.loads(bunshin.ok('info', 'guest', '--json'))['disk-write-bytes'] < end:
                assert json.loads(bunshin.ok('show', 'guest', '--json'))['state'] == 'running'
            assert json.loads(bunshin.ok('show', 'guest', '--json'))['message'] is None
        finally:
            bunshin.ok('power-off', 'guest')
        assert written(bunshin) == [write * 127 for write in range(WRITES)]
        subprocess.run(['qemu-img', 'check', '-q', image_of(bunshin)], check=True)


if __name__ == '__main__':
    tap.run([(f'pauses-and-resumes-{controller}', lambda controller=controller: pauses_and_resumes(controller))
             for controller in ('ide', 'virtio')])
