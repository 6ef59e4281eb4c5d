#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that change their accelerator again and again while they run."""
import json
import os
import re
import time

from guest import Failure, guest_file, machine, tap


def info(guest):
    return json.loads(guest.library('info', guest.name, '--json').stdout)


def switch(guest, accel):
    guest.library('debug', guest.name, 'accel', accel)


def switch_until(guest, accels, pattern, timeout, least):
    """Goes through the accelerators until the screen matches, at least so many times."""
    end = time.monotonic() + timeout
    count = 0
    while True:
        accel = accels[count % len(accels)]
        switch(guest, accel)
        count += 1
        # With 19, steps of the switches and of the looks share no factor.
        if count % 19 == 0:
            screen = guest.screen()
            if re.search(pattern, screen, re.MULTILINE) and count >= least:
                break
            if re.search(r'panic|Oops|BUG:|Errors: *[1-9]', screen):
                raise Failure(f'after {count} switches:\n{screen}')
            if time.monotonic() > end:
                raise Failure(f'“{pattern}” did not appear in {timeout} s and {count} switches:\n{screen}')
    if (live := info(guest))['accel'] != accel or 'developer' not in live['accel-reason']:
        raise Failure(f'{accel} was asked for, but this runs: {live}')
    print(f'# {count} switches', flush=True)


def linux():
    with machine('--memory', '256M', '--disk', 'none', '--iso', guest_file('grub-linux.iso')) as guest:
        guest.wait_screen(r'GNU GRUB', 180)
        guest.key('down')
        guest.key('enter')
        switch_until(guest, ['interp', 'jit'], r'screen-shell-ready', 600, 200)
        guest.type('seq 1 100000 | md5sum\n')
        switch_until(guest, ['jit', 'interp'], r'^dea9193b768319cbb4ff1a137ac03113  -', 120, 19)


def memtest(iso):
    with machine('--memory', '64M', '--disk', 'none', '--nic', 'none', '--iso', guest_file(iso)) as guest:
        switch_until(guest, ['interp', 'jit'], r'Test *#? *[4-9]|#[4-9] ', 900, 200)


def hardware(kind):
    """SeaBIOS and GRUB. A /dev/kvm that is emulated takes minutes for GRUB's decompression: the translator has that part."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        raise tap.Skip('/dev/kvm is not there, or not for this user')
    with machine('--memory', '64M', '--disk', 'none', '--nic', 'none', '--iso', guest_file('grub-rescue-cdrom.iso'),
                 settings=(f'accel={kind}',)) as guest:
        guest.wait_screen(r'Booting from', 180)
        if (live := info(guest))['accel'] != kind or live['exits-pio'] == 0:
            raise Failure(f'{kind} was asked for, but this runs: {live}')
        switch(guest, 'jit')
        guest.wait_screen(r'GNU GRUB', 120)
        guest.type('c')
        guest.wait_screen(r'grub> *$', 60)
        # The keyboard interrupts through the 8259s, the clock through the 8254.
        switch(guest, kind)
        before = info(guest)
        guest.type('echo $grub_platform\n')
        guest.wait_screen(r'^pc *$', 180)
        after = info(guest)
        if after['interrupts'] <= before['interrupts']:
            raise Failure(f'no interrupt was delivered: {after}')
        if after['irqchip'] != ('kernel' if kind == 'kvm' else 'user'):
            raise Failure(f'these are the wrong interrupt controllers: {after}')
        switch(guest, 'jit')
        guest.type('echo $grub_cpu\n')
        guest.wait_screen(r'^i386 *$', 60)


if __name__ == '__main__':
    tap.run([
        ('hardware-kvm', lambda: hardware('kvm')),
        ('hardware-kvm-user-irqchip', lambda: hardware('kvm-user-irqchip')),
        ('linux', linux),
        ('memtest86+-x64', lambda: memtest('memtest86+x64.iso')),
        ('memtest86+-ia32', lambda: memtest('memtest86+ia32.iso')),
    ])
