#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Linux that computes is saved and started again and again, under one accelerator after the other, and does not notice.

With the argument “many” it is saved a hundred times.
"""
import json
import re
import sys
import time

from guest import Failure, guest_file, machine, tap

SAVES = 8
if 'many' in sys.argv:
    SAVES = 100
    sys.argv.remove('many')
# Files that are written, copied and summed twice, over and over, until it is told to stop; a sum that differs says so.
WORK = (r'(n=0; until [ -e /tmp/stop ]; do seq $n $((n + 2000)) >/tmp/a; cp /tmp/a /tmp/b; t=$(cat /tmp/a | md5sum); '
        r'u=$(md5sum </tmp/b); [ "$t" = "$u" ] || echo WRONG; n=$((n + 1)); done; echo ended-$n-) &\n')


def start(guest):
    guest.library('start', guest.name, '--headless')


def accelerators(guest):
    """Those to go through; the machine takes what it is set to at each start."""
    while True:
        yield from ('jit', 'interp', 'jit', 'jit')


def boot(guest):
    guest.wait_screen(r'GNU GRUB', 180)
    guest.key('down')
    guest.key('enter')
    guest.wait_screen(r'screen-shell-ready', 300)


def state(guest):
    return json.loads(guest.library('list', '--json').stdout)[0]['state']


def again_and_again():
    with machine('--memory', '256M', '--cpus', '2', '--disk', 'none', '--iso', guest_file('grub-linux.iso')) as guest:
        boot(guest)
        guest.type(WORK)
        folder = next((guest.library.folder / 'home').glob('machines/*'))
        for i, accel in zip(range(SAVES), accelerators(guest)):
            guest.library('save', guest.name, timeout=120)
            if state(guest) != 'saved':
                raise Failure(f'after it was saved the machine is {state(guest)}')
            saved = folder / 'saved.state'
            size = saved.stat().st_size
            start(guest)
            if saved.exists():
                raise Failure('the saved state is still there while the guest runs')
            guest.library('debug', guest.name, 'accel', accel)
            screen = guest.screen()
            if re.search(r'WRONG|panic|Oops|BUG:|segfault', screen):
                raise Failure(f'after {i + 1} saves:\n{screen}')
        guest.type('touch /tmp/stop; wait\n')
        screen = guest.wait_screen(r'^.*ended-[0-9]+-', 60, fails=r'WRONG|panic|Oops|BUG:|segfault')
        rounds = int(re.search(r'ended-([0-9]+)-', screen).group(1))
        print(f'# {SAVES} saves, the last of {size >> 10} KiB; {rounds} rounds of work', flush=True)


def time_goes_on():
    """The clock of the board is right after a pause that the guest did not see."""
    with machine('--memory', '256M', '--disk', 'none', '--iso', guest_file('grub-linux.iso')) as guest:
        boot(guest)
        guest.library('save', guest.name, timeout=120)
        start(guest)
        guest.type('hwclock -u -s; echo board-$(date -u +%s)-\n')
        screen = guest.wait_screen(r'^board-[0-9]+-', 60)
        board = int(re.search(r'^board-([0-9]+)-', screen, re.MULTILINE).group(1))
        if abs(time.time() - board) > 5:
            raise Failure(f'the clock of the board is off by {time.time() - board:.0f} s')


def refused():
    """Settings stay while there is a state; a damaged one is refused and can be thrown away."""
    with machine('--memory', '128M', '--disk', 'none', '--iso', guest_file('grub-linux.iso')) as guest:
        guest.wait_screen(r'GNU GRUB', 180)
        guest.library('save', guest.name, timeout=120)
        result = guest.library('set', guest.name, 'memory=256M', check=False)
        if result.returncode != 1 or 'saved state' not in result.stderr:
            raise Failure(f'memory was changed under a saved state: {result.stderr}')
        path = next((guest.library.folder / 'home').glob('machines/*/saved.state'))
        whole = path.read_bytes()
        path.write_bytes(whole[:len(whole) // 2])
        result = guest.library('start', guest.name, '--headless', check=False)
        if result.returncode != 1 or str(path) not in result.stderr or 'discard-state' not in result.stderr:
            raise Failure(f'a state that is cut off: {result.returncode}, {result.stderr}')
        path.write_bytes(whole)
        start(guest)
        guest.wait_screen(r'GNU GRUB', 30)
        guest.library('save', guest.name, timeout=120)
        guest.library('discard-state', guest.name)
        if state(guest) != 'powered-off' or path.exists():
            raise Failure('the state was not thrown away')
        if guest.library('discard-state', guest.name, check=False).returncode != 1:
            raise Failure('a state that is not there was thrown away')
        guest.library('set', guest.name, 'memory=256M')


if __name__ == '__main__':
    tap.run([
        ('again-and-again', again_and_again),
        ('time-goes-on', time_goes_on),
        ('refused', refused),
    ])
