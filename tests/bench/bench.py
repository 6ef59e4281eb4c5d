#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures Bunshin beside qemu-system-x86_64 -accel tcg on this machine and prints ratios.

    tests/bench/bench.py [loop] [programs] [boot] [grub] [idle] [timers] [clocks] [memory] [list] [manager]
    (default: all)

Needs a built program (sh app/run.sh --build) and the test guests (sh tests/guest/fetch.sh). Peers run in turn,
never at the same time; each figure is the median of --rounds. “programs” prints a table of what work costs in a
machine against the same work natively; --only chooses rows of it, --peers columns, and the scales how much of the
work a slow peer does (its times are counted for each step of the work).
"""
import argparse
import os
import pathlib
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import clocks
import programs

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUNSHIN = os.environ.get('BUNSHIN_EXE', str(TOP / 'build/app/bunshin'))
LOOP_COUNT = 40_000_000
LOOP_INSTRUCTIONS = 10.5 # the conditional increment runs every second pass
QEMU = ['qemu-system-x86_64', '-accel', 'tcg', '-display', 'none', '-monitor', 'none', '-no-reboot', '-serial', 'stdio',
        '-net', 'none', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04']


class Process:
    """A child whose standard output is read with time stamps."""

    def __init__(self, command, environment=None):
        self.start = time.monotonic()
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment)
        self.output = b''

    def wait_for(self, mark, timeout):
        """The moment @mark was first seen."""
        end = time.monotonic() + timeout
        while mark not in self.output:
            if not select.select([self.child.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise SystemExit(f'{mark!r} did not come in {timeout} s; the end of the output: {self.output[-500:]!r}')
            data = os.read(self.child.stdout.fileno(), 65536)
            if not data:
                raise SystemExit(f'{self.child.args[0]} ended ({self.child.wait()}): {self.output[-500:]!r}')
            self.output += data
        return time.monotonic()

    def close(self):
        self.child.terminate()
        self.child.wait()


def guest(name):
    folder = subprocess.run(['sh', str(TOP / 'tests/guest/fetch.sh')], check=True, capture_output=True, text=True)
    return str(pathlib.Path(folder.stdout.strip()) / name)


def bunshin_run(*words, accelerator='interp'):
    return [BUNSHIN, 'run', '--headless', '--accel', accelerator, '--nic', 'none', '--serial', 'stdio', '--debug-exit',
            '--timeout', '3600', *words]


def median(function, rounds):
    return statistics.median(function() for _ in range(rounds))


def compare(arguments, measure, ours, peer):
    """Medians of @measure, in turn, for the command that @ours makes of each accelerator, and for @peer."""
    accelerators = [name for name in ('interp', 'jit') if programs.has_accelerator(BUNSHIN, name)]
    commands = {name: ours(name) for name in accelerators} | {'TCG': peer}
    values = {name: [] for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            values[name].append(measure(command))
    return {name: statistics.median(list_) for name, list_ in values.items()}


def bench_loop(arguments, work):
    kernel = work / 'loop.elf'
    subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-N',
                    '-Wl,--no-warn-rwx-segments', '-Wl,-Ttext=0x100000', f'-DLOOP_COUNT={LOOP_COUNT}',
                    '-o', str(kernel), str(TOP / 'tests/bench/loop.S')], check=True)

    def seconds(command):
        process = Process(command)
        first = process.wait_for(b'S', 120)
        last = process.wait_for(b'E', 1200)
        process.child.wait()
        return last - first

    total = LOOP_COUNT * LOOP_INSTRUCTIONS / 1e6
    times = compare(arguments, seconds,
                    lambda name: bunshin_run('--memory', '64M', '--kernel', str(kernel), accelerator=name),
                    [*QEMU, '-m', '64M', '-kernel', str(kernel)])
    print('integer loop, million instructions/s: ' +
          ', '.join(f'{name} {total / value:.0f} ({value / times["TCG"]:.2f} × TCG)' for name, value in times.items()))


def bench_programs(arguments, work):
    if not programs.measure(work, BUNSHIN, guest('cloud/vmlinuz'), arguments):
        arguments.failed = True


def seconds_to_init(command):
    process = Process(command)
    end = process.wait_for(b'guest-ready', 3600)
    process.close()
    return end - process.start


def print_boot(title, times):
    print(f'{title}: ' +
          ', '.join(f'{name} {value:.1f} s ({value / times["TCG"]:.2f} × TCG)' for name, value in times.items()))


def bench_boot(arguments, work):
    words = ['-kernel', guest('cloud/vmlinuz'), '-initrd', guest('cloud/initrd'), '-append', 'console=ttyS0 quiet']
    print_boot('cloud kernel to init', compare(
        arguments, seconds_to_init,
        lambda name: bunshin_run('--memory', '256M', *('-' + w if w[0] == '-' else w for w in words), accelerator=name),
        [*QEMU, '-m', '256M', *words]))


def bench_grub(arguments, work):
    disc, image = work / 'disc', work / 'grub.iso'
    (disc / 'boot/grub').mkdir(parents=True)
    for name in ('vmlinuz', 'initrd'):
        shutil.copy(guest('cloud/' + name), disc / name)
    (disc / 'boot/grub/grub.cfg').write_text(
        'set timeout=0\nmenuentry cloud { linux /vmlinuz console=ttyS0 quiet\n initrd /initrd }\n')
    subprocess.run(['grub-mkrescue', '-o', str(image), str(disc)], check=True, capture_output=True)
    print_boot('cloud kernel to init through SeaBIOS and GRUB', compare(
        arguments, seconds_to_init,
        lambda name: bunshin_run('--memory', '256M', '--iso', str(image), accelerator=name),
        [*QEMU, '-m', '256M', '-cdrom', str(image), '-boot', 'd']))


def process_seconds(pid):
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')


def idle_guest():
    process = Process(bunshin_run('--memory', '256M', '--kernel', guest('cloud/vmlinuz'), '--initrd',
                                  guest('cloud/initrd'), '--append', 'console=ttyS0 quiet'))
    process.wait_for(b'serial-shell-ready', 3600)
    time.sleep(5) # the guest's own start-up work dies down
    return process


def bench_idle(arguments, work):
    process = idle_guest()
    seconds = 20
    before = process_seconds(process.child.pid)
    time.sleep(seconds)
    used = process_seconds(process.child.pid) - before
    process.close()
    print(f'idle guest: {100 * used / seconds:.1f} % of a core')


def clocks_machine(work, task, accelerator):
    return bunshin_run('--memory', '64M', '--kernel', str(clocks.build(work)), '--append', task, accelerator=accelerator)


def bench_timers(arguments, work):
    clocks.late(clocks_machine(work, 'late', 'jit'))


def bench_clocks(arguments, work):
    clocks.clocks(clocks_machine(work, 'clocks', 'jit'), arguments.seconds)


def bench_memory(arguments, work):
    process = idle_guest()
    lines = pathlib.Path(f'/proc/{process.child.pid}/status').read_text().splitlines()
    process.close()
    status = dict(line.split(':', 1) for line in lines)
    private = sum(int(status[key].split()[0]) for key in ('RssAnon', 'RssFile')) / 1024
    print(f'headless machine: {private:.0f} MiB resident beyond guest RAM '
          f'(guest RAM resident: {int(status["RssShmem"].split()[0]) / 1024:.0f} MiB)')


def bench_list(arguments, work):
    environment = dict(os.environ, BUNSHIN_HOME=str(work / 'home'))
    for number in range(100):
        subprocess.run([BUNSHIN, 'create', f'machine {number}', '--disk', 'none', '--memory', '64M'], env=environment,
                       check=True, stdout=subprocess.DEVNULL)

    def milliseconds():
        start = time.monotonic()
        subprocess.run([BUNSHIN, 'list'], env=environment, check=True, stdout=subprocess.DEVNULL)
        return 1000 * (time.monotonic() - start)

    print(f'bunshin list with 100 machines: {median(milliseconds, max(arguments.rounds, 5)):.0f} ms')


def bench_manager(arguments, work):
    script = '''
start=$(date +%s%N)
"$1" & pid=$!
xdotool search --sync --onlyvisible --pid $pid >/dev/null
end=$(date +%s%N)
kill $pid; wait $pid
echo $(( (end - start) / 1000000 ))
'''
    environment = dict(os.environ, BUNSHIN_HOME=str(work / 'manager-home'), GSK_RENDERER='cairo',
                       LIBGL_ALWAYS_SOFTWARE='1')

    def milliseconds():
        command = ['xvfb-run', '-a', '-s', '-screen 0 1280x900x24', 'dbus-run-session', '--',
                   'sh', '-c', script, 'sh', BUNSHIN]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return int(result.stdout.split()[-1])

    print(f'manager window up: {median(milliseconds, arguments.rounds):.0f} ms')


def main():
    benches = {name[len('bench_'):]: function for name, function in globals().items() if name.startswith('bench_')}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--seconds', type=int, default=120, help='how long to watch “clocks” (%(default)s)')
    parser.add_argument('--only', metavar='NAME,…', help='these sub-benchmarks of “programs”')
    parser.add_argument('--peers', default='interp,jit,tcg', help='where to run “programs” but natively (%(default)s)')
    parser.add_argument('--scale-interp', type=float, default=0.05, help='part of the work for interp (%(default)s)')
    parser.add_argument('--scale-jit', type=float, default=0.5, help='part of the work for jit (%(default)s)')
    parser.add_argument('--scale-tcg', type=float, default=0.25, help='part of the work for TCG (%(default)s)')
    parser.add_argument('--json', metavar='FILE', help='write that table there too')
    parser.add_argument('bench', nargs='*', choices=[*benches, []])
    arguments = parser.parse_args()
    arguments.failed = False
    # So that what runs in a machine does not outlive its measurer.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    work = pathlib.Path(tempfile.mkdtemp(prefix='bunshin-bench-'))
    try:
        for name in arguments.bench or benches:
            benches[name](arguments, work)
            sys.stdout.flush()
    finally:
        shutil.rmtree(work)
    sys.exit(arguments.failed)


if __name__ == '__main__':
    main()
