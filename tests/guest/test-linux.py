#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's kernels with a busybox shell: booted directly and from GRUB through SeaBIOS, on serial and on screen."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

from guest import ACCEL, Failure, guest_file, machine, run, tap

CONSOLE = 'console=tty0 console=ttyS0'
BOOT = 600 # seconds; an upper bound, not a measure


def shell_on_serial(serial, architecture):
    """Speaks to the shell on the serial port, which tells what it runs on."""
    release = serial.expect(r'guest-ready (\S+) (\S+)\n', BOOT)
    if release[2] != architecture:
        raise Failure(f'uname -m says {release[2]}')
    serial.expect('serial-shell-ready', 60)
    serial.send('echo answer-$((6 * 7))\n')
    serial.expect('answer-42', 60)


def direct(guest, architecture):
    with tempfile.TemporaryDirectory() as folder:
        screenshot = pathlib.Path(folder) / 'screen.txt'
        # Typed over and over into the shell on the screen, which may be up early or late.
        typing = [word for second in range(5, BOOT, 5)
                  for word in ('--type', f'echo screen-$((6 * 7)) $(uname -m) && echo seen > /tmp/seen\\n@{second}')]
        with run('--memory', '256M', '--kernel', guest_file(f'{guest}/vmlinuz'), '--initrd', guest_file(f'{guest}/initrd'),
                 '--append', CONSOLE, '--screenshot', str(screenshot), *typing, timeout=BOOT * 2) as linux:
            shell_on_serial(linux, architecture)
            # The file is empty for a moment whenever the shell on the screen gets to what was typed.
            linux.send('until grep -qs seen /tmp/seen; do sleep 1; done; echo screen-was-seen; poweroff -f\n')
            linux.expect('screen-was-seen\n', BOOT)
            # Only ACPI ends the machine with this status: there is no other way off.
            if (status := linux.wait(60)) != 0:
                raise Failure(f'the machine ended with status {status}')
        screen = screenshot.read_text()
        if f'screen-42 {architecture}\n' not in screen:
            raise Failure(f'the shell on the screen did not answer:\n{screen}')


def from_grub_on_disk(controller):
    # A disk is opened for writing, which the other accelerator's test would be in the way of.
    with tempfile.TemporaryDirectory() as folder:
        disk = shutil.copy(guest_file('grub-linux.iso'), folder)
        from_grub('generic', 'x86_64', ('--controller', controller, '--attach'), disk)


def from_grub(entry, architecture, drive=('--iso',), image=None):
    with machine('--memory', '256M', '--disk', 'none', *drive, image or guest_file('grub-linux.iso')) as guest:
        guest.wait_screen(r'GNU GRUB', 180)
        for _ in range(['generic', 'cloud', 'i386'].index(entry)):
            guest.key('down')
        guest.key('enter')
        shell_on_serial(guest.serial, architecture)
        guest.wait_screen(r'screen-shell-ready', 60)
        guest.type('echo screen-$((6 * 7)) $(uname -m)\n')
        guest.wait_screen(rf'screen-42 {architecture}', 60)
        guest.picture(f'linux-{entry}-{ACCEL}.png')
        guest.type('poweroff -f\n')
        guest.wait_off(120)


def ext4_on_vdi(controller, device, append=''):
    """The guest writes to an ext4 file system on a VDI; the host's own tools then read it."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        raw, vdi, back = folder / 'disk.raw', folder / 'disk.vdi', folder / 'back.raw'
        with open(raw, 'wb') as file:
            file.truncate(64 << 20)
        subprocess.run(['mkfs.ext4', '-q', '-F', str(raw)], check=True)
        subprocess.run(['qemu-img', 'convert', '-O', 'vdi', str(raw), str(vdi)], check=True)
        with run('--memory', '256M', '--kernel', guest_file('generic/vmlinuz'), '--initrd', guest_file('generic/initrd'),
                 '--append', CONSOLE + append, '--disk', str(vdi), '--controller', controller, '--writable', timeout=BOOT * 2) as linux:
            linux.expect('serial-shell-ready', BOOT)
            linux.send(f'mount -t ext4 /dev/{device} /mnt && echo mounted-$((1 + 1))\n')
            linux.expect('mounted-2', 120)
            linux.send('seq 1 200000 > /mnt/numbers; mkdir /mnt/d; echo hello > /mnt/d/hello; md5sum /mnt/numbers\n')
            digest = linux.expect(r'([0-9a-f]{32})  /mnt/numbers', 300)[1]
            linux.send('umount /mnt && sync && poweroff -f\n')
            if (status := linux.wait(120)) != 0:
                raise Failure(f'the machine ended with status {status}')
        subprocess.run(['qemu-img', 'check', '-q', str(vdi)], check=True)
        subprocess.run(['qemu-img', 'convert', '-O', 'raw', str(vdi), str(back)], check=True)
        subprocess.run(['e2fsck', '-f', '-n', str(back)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        numbers = subprocess.run(['debugfs', '-R', 'cat /numbers', str(back)], capture_output=True, check=True).stdout
        if numbers != b''.join(b'%d\n' % n for n in range(1, 200001)):
            raise Failure(f'/numbers is damaged ({len(numbers)} bytes); the guest saw {digest}')
        hello = subprocess.run(['debugfs', '-R', 'cat /d/hello', str(back)], capture_output=True, check=True).stdout
        if hello != b'hello\n':
            raise Failure(f'/d/hello reads {hello!r}')


def small_disc(path, name):
    """The least that passes for a CD: a volume descriptor with a name, and nothing on it."""
    descriptor = (b'\1CD001\1\0' + b' ' * 32 + name.encode().ljust(32)).ljust(80, b'\0')
    path.write_bytes((bytes(16 * 2048) + descriptor + (20).to_bytes(48, 'little') + (2048).to_bytes(2, 'little')).ljust(20 * 2048, b'\0'))
    return path


def disc_change(controller):
    """The guest reads the disc that is put in while it runs, and notices when there is none."""
    with tempfile.TemporaryDirectory() as folder:
        disc = small_disc(pathlib.Path(folder) / 'two.iso', 'DISC-TWO')
        with machine('--memory', '256M', '--disk', 'none', '--controller', controller, '--iso', guest_file('grub-linux.iso')) as guest:
            guest.wait_screen(r'GNU GRUB', 180)
            guest.key('enter')
            shell_on_serial(guest.serial, 'x86_64')
            read = 'dd if=/dev/sr0 bs=2048 skip=16 count=1 2>/dev/null'
            guest.serial.send(f'{read} | grep -c CD001; {read} | grep -c DISC-TWO; echo read-$((1 + 1))\n')
            guest.serial.expect(r'1\s+0\s+read-2', 60)
            guest.library('set', guest.name, f'iso={disc}')
            guest.serial.send(f'until {read} | grep -q DISC-TWO; do sleep 1; done; echo changed-$((1 + 1))\n')
            guest.serial.expect('changed-2', 120)
            guest.library('set', guest.name, 'iso=none')
            guest.serial.send(f'while {read} >/dev/null; do sleep 1; done; echo empty-$((1 + 1)); poweroff -f\n')
            guest.serial.expect('empty-2', 120)
            guest.wait_off(120)


def hot_plug(controller):
    """A disk that comes while the guest runs, is read and written, and goes."""
    with tempfile.TemporaryDirectory() as folder:
        disk = pathlib.Path(folder) / 'disk.raw'
        disk.write_bytes(b'BUNSHIN-PLUGGED'.ljust(16 << 20, b'\0'))
        with machine('--memory', '256M', '--disk', 'none', '--controller', controller, '--iso', guest_file('grub-linux.iso')) as guest:
            guest.wait_screen(r'GNU GRUB', 180)
            guest.key('enter')
            shell_on_serial(guest.serial, 'x86_64')
            guest.library('set', guest.name, f'{controller}3={disk}')
            # Its name comes before it can be opened.
            guest.serial.send('until head -c 15 /dev/sda 2>/dev/null; do sleep 1; done; echo; '
                              'seq 1 1000 > /dev/sda; sync; echo written-$((1 + 1))\n')
            guest.serial.expect('BUNSHIN-PLUGGED\\s+written-2', 120)
            guest.library('set', guest.name, f'{controller}3=none')
            guest.serial.send('while grep -q sda /proc/partitions; do sleep 1; done; echo gone-$((1 + 1)); poweroff -f\n')
            guest.serial.expect('gone-2', 120)
            guest.wait_off(120)
        written = b''.join(b'%d\n' % n for n in range(1, 1001))
        if not disk.read_bytes().startswith(written):
            raise Failure('the guest was told that it had written what the disk does not have')


def power_button():
    """The button reaches the guest as an input event; then it is up to the guest."""
    with machine('--memory', '256M', '--disk', 'none', '--iso', guest_file('grub-linux.iso')) as guest:
        guest.wait_screen(r'GNU GRUB', 180)
        guest.key('enter')
        shell_on_serial(guest.serial, 'x86_64')
        guest.serial.send("n=$(sed -n '/Power Button/,/^$/s/.*\\(event[0-9]*\\).*/\\1/p' /proc/bus/input/devices); echo device-$n; "
                          'hexdump -n 24 -e \'12/2 "%u " "\\n"\' /dev/input/$n; poweroff -f\n')
        guest.serial.expect(r'device-event\d+\n', 60)
        guest.library('power-button', guest.name)
        # After the time: type 1 (a key), code 116 (KEY_POWER), value 1 (down).
        guest.serial.expect(r'(\d+ ){8}1 116 1 0', 60)
        guest.wait_off(120)


if __name__ == '__main__':
    tests = [
        ('cloud-direct', lambda: direct('cloud', 'x86_64')),
        ('generic-direct', lambda: direct('generic', 'x86_64')),
        ('i386-direct', lambda: direct('i386', 'i686')),
        ('generic-from-grub', lambda: from_grub('generic', 'x86_64')),
        ('cloud-from-grub', lambda: from_grub('cloud', 'x86_64')),
        ('i386-from-grub', lambda: from_grub('i386', 'i686')),
        ('ext4-on-vdi', lambda: ext4_on_vdi('ide', 'sda')),
    ]
    # Devices do not know what runs the processor: the slowest accelerator goes through them only when asked to by name.
    if ACCEL != 'interp' or sys.argv[1:]:
        tests += [
            # The image is that of a CD and of a disk.
            ('generic-from-grub-on-virtio', lambda: from_grub_on_disk('virtio')),
            ('generic-from-grub-on-nvme', lambda: from_grub_on_disk('nvme')),
            ('generic-from-grub-on-scsi', lambda: from_grub('generic', 'x86_64', ('--controller', 'scsi', '--iso'))),
            ('generic-from-grub-on-ahci', lambda: from_grub('generic', 'x86_64', ('--controller', 'ahci', '--iso'))),
            ('ext4-on-vdi-on-ahci', lambda: ext4_on_vdi('ahci', 'sda')),
            ('disc-change-on-ahci', lambda: disc_change('ahci')),
            ('disc-change-on-scsi', lambda: disc_change('scsi')),
            ('disc-change-on-ide', lambda: disc_change('ide')),
            ('ext4-on-vdi-on-virtio', lambda: ext4_on_vdi('virtio', 'vda')),
            # As guests of the time before virtio 1.0, and without messages for interrupts.
            ('ext4-on-vdi-on-old-virtio', lambda: ext4_on_vdi('virtio', 'vda', ' virtio_pci.force_legacy=1 pci=nomsi')),
            ('hot-plug-on-ahci', lambda: hot_plug('ahci')),
            ('hot-plug-on-scsi', lambda: hot_plug('scsi')),
            ('power-button', power_button),
        ]
    tap.run(tests)
