#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian that debootstrap made, on a disk: it starts systemd and lets one log in, and its compiler, Python, Node.js and
stress-ng do what they do on the host's processor.

Words on the command line choose parts: boot, program, stress. What the programs must print is made by debian/image.sh.
"""
import contextlib
import pathlib
import re

from debian_shell import APPEND, BOOT, Debian
from guest import Failure, guest_file, run, tap

# An upper bound in seconds, not a measure.
PROGRAM = 3600
PROGRAMS = pathlib.Path(__file__).resolve().parent / 'debian' / 'programs'


@contextlib.contextmanager
def debian(cpus, memory='2G'):
    """Starts it, logs in, and afterwards shuts it down as a user would: systemd stops all services and switches it off."""
    with run('--memory', memory, '--cpus', str(cpus), '--cpu-model', 'host', '--kernel', guest_file('debian/vmlinuz'),
             '--initrd', guest_file('debian/initrd'), '--append', APPEND, '--disk', guest_file('debian/disk.raw'),
             timeout=BOOT + PROGRAM * 2) as machine:
        guest = Debian(machine)
        guest.log_in()
        yield guest
        guest.check_kernel()
        machine.send('exec systemctl poweroff\n')
        if (status := machine.wait(BOOT)) != 0:
            raise Failure(f'the machine ended with status {status}')


def boot(cpus):
    with debian(cpus) as guest:
        state = guest('systemctl is-system-running --wait', BOOT, fails=False).strip()
        if state != 'running':
            raise Failure(f'systemd is {state}:\n' + guest('systemctl --no-pager --failed'))
        if (count := guest('nproc').strip()) != str(cpus):
            raise Failure(f'of {cpus} processors Debian sees {count}')
        if not guest('findmnt -n -o SOURCE,FSTYPE /').startswith('/dev/sda'):
            raise Failure('the root is not on the disk')
        print('#', guest('systemd-analyze').strip().replace('\n', ' '), flush=True)


def program(name, command, cpus):
    expected = pathlib.Path(guest_file(f'debian/native/{name}')).read_text(encoding='utf-8')
    with debian(cpus) as guest:
        printed = guest(command, PROGRAM)
        if printed != expected:
            raise Failure(f'natively it prints:\n{expected}\nand here:\n{printed}')


def stress(words, cpus=2):
    """Two workers of each of the stressors, one after the other; they check what they did themselves."""
    with debian(cpus) as guest:
        printed = guest(f'cd /tmp; stress-ng --verify --metrics-brief {words}', PROGRAM)
        for line in printed.splitlines():
            print('#', line)
        if re.search(r'\bfail\b|error:|unsuccessful|failed: [1-9]', printed):
            raise Failure(f'stress-ng found errors:\n{printed}')
        if not re.search(r'successful run completed', printed):
            raise Failure(f'stress-ng did not complete:\n{printed}')


def programs():
    for line in PROGRAMS.read_text(encoding='utf-8').splitlines():
        if not line.startswith('#'):
            yield line.split(': ', 1)


if __name__ == '__main__':
    tests = [(f'boot-{cpus}', lambda cpus=cpus: boot(cpus)) for cpus in (1, 2)]
    tests += [(f'program-{name}', lambda name=name, command=command: program(name, command, 2)) for name, command in programs()]
    # A minute each.
    tests += [(f'stress-{name}', lambda words=words: stress(words)) for name, words in {
        'cpu': '--cpu 2 --timeout 60',
        'vm': '--vm 2 --vm-bytes 256M --timeout 60',
        'fault': '--fault 2 --timeout 60'}.items()]
    tap.run(tests)
