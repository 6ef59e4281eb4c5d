#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian installer, text and graphical, amd64 and i386: to the language screen, one step on, and the network.

Slow when interpreted, so run on demand: sh tests/run.sh on-demand
"""
import time

from guest import Failure, guest_file, machine, tap

BOOT = 3600 # seconds; an upper bound, not a measure


def text(architecture):
    with machine('--memory', '1G', '--disk', '2G', '--iso',
                 guest_file(f'debian-installer-12-{architecture}-text.iso')) as guest:
        guest.wait_screen(r'in text mode', 60)
        guest.key('down')
        guest.key('enter')
        guest.wait_screen(r'Select a language', BOOT)
        guest.key('enter')
        guest.wait_screen(r'Select your location', 900)
        guest.picture(f'installer-{architecture}-text.png')
        guest.key('enter')
        guest.wait_screen(r'Configure the keyboard', 900)
        guest.key('enter')
        # Hardware is looked for, then the network configured by DHCP; the host name comes from there on.
        guest.wait_screen(r'Hostname:|host ?name', 1800, fails=r'No network interfaces detected|autoconfiguration failed')


def pixels(guest):
    path = guest.picture('installer-probe.png')
    return path.read_bytes()


def settled_picture(guest, name, different_from, timeout):
    """Waits for a picture that has stopped changing and differs from the one given."""
    end = time.monotonic() + timeout
    last = None
    while time.monotonic() < end:
        now = pixels(guest)
        if now == last and now != different_from:
            guest.picture(name)
            return now
        last = now
        time.sleep(5)
    raise Failure(f'{name}: the screen did not settle on something new in {timeout} s')


def graphical(architecture):
    with machine('--memory', '1G', '--disk', '2G', '--iso',
                 guest_file(f'debian-installer-12-{architecture}-gtk.iso')) as guest:
        end = time.monotonic() + BOOT
        while guest.screen() or len(pixels(guest)) < 15000:
            if time.monotonic() > end:
                raise Failure('the graphical screen did not come')
            time.sleep(5)
        first = settled_picture(guest, f'installer-{architecture}-gtk-1-language.png', None, BOOT)
        width, height = int.from_bytes(first[16:20], 'big'), int.from_bytes(first[20:24], 'big')
        # “Continue” is at the lower right.
        guest.library('mouse', guest.name, str(width - 60), str(height - 30), 'click')
        second = settled_picture(guest, f'installer-{architecture}-gtk-2-location.png', first, 900)
        guest.key('enter')
        settled_picture(guest, f'installer-{architecture}-gtk-3-keyboard.png', second, 900)


if __name__ == '__main__':
    tap.run([(f'installer-{architecture}-{name}', lambda architecture=architecture, function=function: function(architecture))
             for architecture in ('amd64', 'i386') for name, function in (('text', text), ('graphical', graphical))])
