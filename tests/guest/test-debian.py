#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Debian that debootstrap made, on a disk: it starts systemd and lets one log in, and its compiler, Python, Node.js and
stress-ng do what they do on the host's processor.

Words on the command line choose parts: boot, program, stress. What the programs must print is made by debian/image.sh.
"""
import contextlib
import pathlib
import re

from guest import Failure, guest_file, run, tap

# Upper bounds in seconds, not measures.
BOOT = 900
STEP = 300
PROGRAM = 3600
# systemd's own limits are for hosts that are not busy.
APPEND = 'root=LABEL=root ro console=ttyS0 quiet systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900'
# What a kernel says of clocks that disagree, of processors that do not answer, of memory and of disks that are not what they were.
COMPLAINTS = r'\bstall|soft lockup|hard LOCKUP|BUG:|WARNING:|Oops|unstable|TSC warp|not synchronized|\bstuck|\bhung|I/O error|EXT4-fs error'
PROGRAMS = pathlib.Path(__file__).resolve().parent / 'debian' / 'programs'


class Debian:
    """A shell on the serial port of a Debian that has started."""

    def __init__(self, machine):
        self.machine = machine

    def log_in(self):
        self.machine.expect(r'guest login: ', BOOT)
        self.machine.send('root\n')
        self.machine.expect(r'Password: ', STEP)
        self.machine.send('bunshin\n')
        self.machine.expect(r'root@guest:~# ', STEP)
        # A plain shell, without an echo, without a prompt.
        self.machine.send("stty -echo; exec env PS1= sh\n")
        self.machine.send('echo ready-$((6 * 7))\n')
        self.machine.expect(r'ready-42\n', STEP)

    def __call__(self, command, timeout=STEP, fails=True):
        """Runs a command; returns what it prints. It must succeed, unless `fails` is False."""
        self.machine.send(f'({command}) </dev/null 2>&1; echo "status-$?-end"\n')
        printed, status = self.machine.expect(r'(?s)(.*?)status-(\d+)-end\n', timeout).groups()
        if fails and status != '0':
            raise Failure(f'“{command}” ended with status {status}:\n{printed[-3000:]}')
        return printed

    def check_kernel(self):
        """The kernel has nothing to complain of."""
        said = self(f"dmesg | grep -E '{COMPLAINTS}'", fails=False)
        if said:
            raise Failure(f'the kernel complains:\n{said}')


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
