#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Guests that live on the firmware: GRUB's rescue disks, memtest86+ and iPXE. “pass” is a whole pass of memtest86+, which is long."""
import re
import sys

from guest import ACCEL, Failure, guest_file, machine, tap, web_server


def grub_cd():
    with machine('--memory', '64M', '--disk', '64M', '--iso', guest_file('grub-rescue-cdrom.iso')) as guest:
        guest.wait_screen(r'GNU GRUB', 120)
        guest.type('c')
        guest.wait_screen(r'grub> *$', 60)
        guest.type('ls\n')
        # The list is whole when the next prompt is there.
        screen = guest.wait_screen(r'grub> ls *\n(.*\n)*.*\(hd0.*\n(.*\n)*grub> *$', 60)
        if '(cd' not in screen and '(hd31' not in screen:
            raise Failure(f'GRUB does not list its CD:\n{screen}')
        guest.picture(f'grub-cd-{ACCEL}.png')


def grub_floppy():
    with machine('--memory', '64M', '--disk', 'none', '--floppy', guest_file('grub-rescue-floppy.img')) as guest:
        guest.wait_screen(r'GNU GRUB', 180)
        if not re.search(r'^grub> *$', guest.screen(), re.MULTILINE):
            guest.type('c')
        guest.wait_screen(r'grub> *$', 60)
        guest.type('ls\n')
        guest.wait_screen(r'grub> ls *\n(.*\n)*.*\(fd0\)', 60)
        guest.picture(f'grub-floppy-{ACCEL}.png')


def memtest(iso):
    with machine('--memory', '64M', '--disk', 'none', '--nic', 'none', '--iso', guest_file(iso)) as guest:
        screen = guest.wait_screen(r'Memory *: *64 ?MB', 180)
        if 'Memtest86+' not in screen:
            raise Failure(f'this is not memtest86+:\n{screen}')
        # What is after test #3 begins when #0 to #3 are complete; a fast one may be over between two looks.
        screen = guest.wait_screen(r'Test #([4-9]|10) .*\[|Pass: *[1-9]', 900, fails=r'Errors: *[1-9]|FAIL')
        guest.picture(f'{iso}-{ACCEL}.png')
        if not re.search(r'Pass: *[0-9]+ +Errors: *0\b', screen):
            raise Failure(f'the tests did not go by without error:\n{screen}')


def memtest_pass():
    """Every test of memtest86+ over all of 128 MiB."""
    with machine('--memory', '128M', '--disk', 'none', '--nic', 'none', '--iso', guest_file('memtest86+x64.iso')) as guest:
        guest.wait_screen(r'Memory *: *128 ?MB', 180)
        screen = guest.wait_screen(r'Pass: *[1-9]', 7200, fails=r'Errors: *[1-9]|FAIL')
        guest.picture(f'memtest86+-pass-{ACCEL}.png')
        if not re.search(r'Pass: *1 +Errors: *0\b', screen):
            raise Failure(f'the pass did not go by without error:\n{screen}')


def ipxe():
    script = b'#!ipxe\necho fetched-by-http ${net0/ip}\nshell\n'
    with web_server({'/hello.ipxe': script}) as (port, asked):
        with machine('--memory', '64M', '--disk', 'none', '--nic', 'nat:host-access', '--nic-model', 'e1000',
                     '--iso', guest_file('ipxe.iso')) as guest:
            guest.wait_screen(r'Ctrl-B', 180)
            guest.key('ctrl-b')
            guest.wait_screen(r'iPXE> *$', 60)
            guest.type('dhcp\n')
            guest.wait_screen(r'ok\n(.*\n)*iPXE> *$', 120)
            guest.type(f'chain http://10.0.2.2:{port}/hello.ipxe\n')
            guest.wait_screen(r'fetched-by-http 10\.0\.2\.15', 120)
            guest.picture(f'ipxe-{ACCEL}.png')
            if asked != ['/hello.ipxe']:
                raise Failure(f'the server was asked for {asked}')


if __name__ == '__main__':
    # “pass” is the long one, not one of those of every run.
    if 'pass' in sys.argv[1:]:
        tap.run([('memtest86+-pass', memtest_pass)])
    tap.run([
        ('grub-cd', grub_cd),
        ('grub-floppy', grub_floppy),
        ('memtest86+-x64', lambda: memtest('memtest86+x64.iso')),
        ('memtest86+-ia32', lambda: memtest('memtest86+ia32.iso')),
        ('ipxe-dhcp-http', ipxe),
    ])
