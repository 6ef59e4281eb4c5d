#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firmware boots what the machine's settings name first, on every controller. Each medium has a boot sector of its
own that says its name on the serial port."""
import pathlib
import subprocess
import tempfile

from guest import machine, tap

LIMIT = 120 # seconds; an upper bound, not a measure


def boot_sector(name):
    """Writes “boot-NAME.” to the first serial port, and rests."""
    code = b''.join(b'\xb0' + bytes([letter]) + b'\xee' for letter in f'boot-{name}.'.encode()) # mov al, LETTER; out dx, al
    code = b'\xba\xf8\x03' + code + b'\xf4\xeb\xfd' # mov dx, 0x3f8 … hlt; jmp to it
    assert len(code) < 446
    return code.ljust(510, b'\0') + b'\x55\xaa'


def make_disk(path, name, size=1 << 20):
    path.write_bytes(boot_sector(name).ljust(size, b'\0'))
    return path


def make_disc(folder, name):
    tree = folder / 'tree'
    tree.mkdir()
    (tree / 'boot.bin').write_bytes(boot_sector(name).ljust(2048, b'\0'))
    subprocess.run(['xorriso', '-as', 'mkisofs', '-quiet', '-o', str(folder / f'{name}.iso'), '-b', 'boot.bin', '-no-emul-boot',
                    '-boot-load-size', '4', '-c', 'boot.cat', str(tree)], check=True, stderr=subprocess.DEVNULL)
    return folder / f'{name}.iso'


def boots(order, expected, *settings):
    with machine('--memory', '32M', '--disk', 'none', '--nic', 'none', settings=(f'boot={order}', 'ide2=none', *settings)) as guest:
        name = guest.serial.expect(r'boot-([a-z]+)\.', LIMIT)[1]
        assert name == expected, f'boot={order} with {settings}: {name} was booted'


def with_media(test):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        test(folder, make_disk(folder / 'disk.raw', 'disk'), make_disk(folder / 'floppy.img', 'floppy', 1440 << 10))


def disk_and_floppy(controller):
    def test(folder, disk, floppy):
        place = f'{controller}1={disk}'
        boots('disk,floppy', 'disk', place, f'floppy={floppy}')
        boots('floppy,disk', 'floppy', place, f'floppy={floppy}')
    with_media(test)


def disk_and_disc(controller):
    def test(folder, disk, floppy):
        places = f'{controller}0={disk}', f'{controller}3=cdrom:{make_disc(folder, "disc")}'
        boots('disk,cdrom', 'disk', *places)
        boots('cdrom,disk', 'disc', *places)
    with_media(test)


def large_floppy():
    """The largest kind there is, in the drive that its size asks for."""
    with tempfile.TemporaryDirectory() as folder:
        boots('floppy', 'large', f'floppy={make_disk(pathlib.Path(folder) / "large.img", "large", 2880 << 10)}')


if __name__ == '__main__':
    tap.run([
        *((f'disk-or-floppy-{name}', lambda name=name: disk_and_floppy(name)) for name in ('ide', 'ahci', 'virtio', 'scsi', 'nvme')),
        *((f'disk-or-disc-{name}', lambda name=name: disk_and_disc(name)) for name in ('ide', 'ahci', 'scsi')),
        ('large-floppy', large_floppy),
    ])
