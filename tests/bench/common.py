# SPDX-License-Identifier: GPL-3.0-or-later
"""What the benchmarks share: the peers' commands, processes with time stamps, processor time, medians."""
import os
import pathlib
import select
import statistics
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
BUNSHIN = os.environ.get('BUNSHIN_EXE', str(TOP / 'build/app/bunshin'))


def guest(name):
    """A file of tests/guest/fetch.sh's cache."""
    if guest.folder is None:
        result = subprocess.run(['sh', str(TOP / 'tests/guest/fetch.sh')], check=True, stdout=subprocess.PIPE, text=True)
        guest.folder = pathlib.Path(result.stdout.strip())
    return str(guest.folder / name)


guest.folder = None


def bunshin_run(accelerator, *words, executable=BUNSHIN):
    return [executable, 'run', '--headless', '--accel', accelerator, '--timeout', '7200', *words]


def qemu(*words, threads='single'):
    return ['qemu-system-x86_64', '-accel', f'tcg,thread={threads}', '-cpu', 'max', '-display', 'none', '-monitor', 'none',
            '-no-reboot', *words]


def can_run(*words, executable=BUNSHIN):
    """Whether a machine without anything to run starts with these options: status 124 is the end of its time."""
    command = [executable, 'run', '--headless', '--memory', '64M', '--nic', 'none', '--timeout', '1', *words]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return result.returncode == 124


def accelerators(wanted):
    """Those of the peers @wanted that this Bunshin has."""
    return [name for name in ('interp', 'jit') if name in wanted and can_run('--accel', name)]


def processor_clock(pid):
    """The processor time of all threads of process @pid, those that ended too (the kernel's CPUCLOCK_SCHED)."""
    return time.clock_gettime((~pid << 3) | 2)


class Process:
    """A child whose standard output is read with time stamps."""

    def __init__(self, command, environment=None, errors=None):
        self.start = time.monotonic()
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors,
                                      env=environment)
        self.output = b''
        self.seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *reason):
        self.child.kill()
        self.child.wait()

    def expect(self, mark, timeout):
        """(Seconds, processor seconds) since the start when @mark came, after what was expected last."""
        end = time.monotonic() + timeout
        while mark not in self.output[self.seen:]:
            if not select.select([self.child.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise SystemExit(f'{mark!r} did not come in {timeout} s; the end of the output: {self.output[-500:]!r}')
            data = os.read(self.child.stdout.fileno(), 65536)
            if not data:
                raise SystemExit(f'{self.child.args[0]} ended ({self.child.wait()}): {self.output[-500:]!r}')
            self.output += data
        self.seen = self.output.index(mark, self.seen) + len(mark)
        return time.monotonic() - self.start, processor_clock(self.child.pid)

    def send(self, text):
        self.child.stdin.write(text.encode())
        self.child.stdin.flush()


def compare(arguments, measure, ours, peer=None):
    """Medians over the rounds, the peers in turn, of the tuples that @measure makes of the command that @ours gives
    for an accelerator, and of QEMU's, @peer: {title: tuple}."""
    commands = {name: ours(name) for name in accelerators(arguments.peers)}
    if peer is not None and 'tcg' in arguments.peers:
        commands['TCG'] = peer
    values = {name: [] for name in commands}
    for _ in range(arguments.rounds):
        for name, command in commands.items():
            values[name].append(measure(command))
    return {name: tuple(map(statistics.median, zip(*tuples))) for name, tuples in values.items()}


def to_tcg(times, name, index):
    """“, 0.51 × TCG”, or nothing when there is nothing to compare."""
    return '' if name == 'TCG' or 'TCG' not in times else f', {times[name][index] / times["TCG"][index]:.2f} × TCG'
