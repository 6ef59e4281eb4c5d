# SPDX-License-Identifier: GPL-3.0-or-later
"""How late timers are in a machine, and how well its clocks agree: runs tests/guest/clocks and reads what it prints."""
import os
import select
import subprocess
import time

from common import TOP, bunshin_run

SOURCES = TOP / 'tests/guest/clocks'
PM_NS = 1e9 / 3579545


def build(work):
    kernel = work / 'clocks.elf'
    subprocess.run(['gcc', '-m32', '-march=i686', '-mgeneral-regs-only', '-ffreestanding', '-fno-stack-protector', '-fno-pic', '-O2',
                    '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-N', '-Wl,-Ttext=0x100000',
                    '-Wl,--no-warn-rwx-segments', '-o', str(kernel), str(SOURCES / 'start.S'), str(SOURCES / 'clocks.c')], check=True)
    return kernel


def lines(command, seconds):
    """(moment, line) of what the guest prints, for so long or to its end."""
    reading, writing = os.pipe()
    child = subprocess.Popen([*command, '--debugcon', f'/dev/fd/{writing}'], pass_fds=[writing], stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL)
    os.close(writing)
    end, rest = time.monotonic() + seconds, b''
    try:
        while (left := end - time.monotonic()) > 0 and select.select([reading], [], [], left)[0]:
            data = os.read(reading, 65536)
            if not data:
                return
            now = time.monotonic()
            *whole, rest = (rest + data).split(b'\n')
            for line in whole:
                yield now, line.decode(errors='replace')
    finally:
        child.terminate()
        child.wait()
        os.close(reading)


def late(command):
    """Prints the distribution of how late each timer's interrupt was."""
    print('timer     processor  from now  late, µs: min  median     90 %     99 %      max')
    for _, line in lines(command, 300):
        if line.startswith('late '):
            head, figures = line.split(':')
            _, source, state, delay = head.split()
            print(f'{source:9} {state:9} {int(delay) / 1e6:6.1f} ms        ' + ' '.join(f'{int(n) / 1000:8.1f}' for n in figures.split()))
        elif line == 'end':
            return


class Offset:
    """What is to be added to a clock to get the time-stamp counter: each sample bounds it."""

    def __init__(self):
        self.low, self.high = float('-inf'), float('inf')

    def narrow(self, before, after, clock, step):
        self.low = max(self.low, before - (clock + step))
        self.high = min(self.high, after - clock)

    def text(self):
        """By how much no single offset fits; none: the clocks never differed by more than it takes to read them."""
        return 'always agrees' if self.low <= self.high else f'is {(self.low - self.high) / 1000:.1f} µs off'


def clocks(command, seconds):
    """Prints how the guest's clocks agree with its time-stamp counter, and that with the host's, over @seconds."""
    offsets = {'HPET': Offset(), 'PM timer': Offset(), 'APIC timer': Offset()}
    behind = []
    for now, line in lines(command, seconds):
        if not line.startswith('sample '):
            continue
        before, after, hpet, pm, apic, _ = (int(word, 16) for word in line.split()[1:])
        offsets['HPET'].narrow(before, after, hpet * 10, 10)
        offsets['PM timer'].narrow(before, after, pm * PM_NS, PM_NS)
        offsets['APIC timer'].narrow(before, after, apic, 1)
        behind.append((now, now - after / 1e9))
    # A line may come late, but not early: of several the earliest tells where the guest's clock stands.
    third = len(behind) // 3
    begin, end = min(delay for _, delay in behind[:third]), min(delay for _, delay in behind[-third:])
    elapsed = behind[-1][0] - behind[0][0]
    print(f'over {elapsed:.0f} s: ' + ', '.join(f'{name} {offset.text()}' for name, offset in offsets.items()) +
          f'; the time-stamp counter went {1e6 * (begin - end):+.0f} µs from the host\'s clock')


def machine(work, task):
    return bunshin_run('jit', '--nic', 'none', '--memory', '64M', '--kernel', str(build(work)), '--append', task)


def bench_timers(arguments, work):
    """how late timers' interrupts are"""
    late(machine(work, 'late'))


def bench_clocks(arguments, work):
    """how the guest's clocks agree, watched for --seconds"""
    clocks(machine(work, 'clocks'), arguments.seconds)
