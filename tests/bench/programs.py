# SPDX-License-Identifier: GPL-3.0-or-later
"""The guest program of the benchmarks, run natively and in virtual machines, and the table of their ratios.

Every peer runs the same static program; in a machine it is the first process of the same kernel. What is compared
is processor time: of the program natively, of the whole emulator (taken here, while the guest rests) in a machine,
for each step of the work; for the sub-benchmarks with two threads it is time that passed. The checksums of a peer
have to be those of a native run with as much work.
"""
import json
import math
import os
import pathlib
import select
import statistics
import subprocess
import time

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
SOURCES = TOP / 'tests/bench/guest'
FLAGS = ['-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-fno-math-errno', '-fno-strict-aliasing',
         '-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Wno-missing-field-initializers']
THREADED = ('counter', 'pair')
MEMORY = '512M'
BOOT_TIMEOUT = 180 # seconds without a line; a guest that hangs is a fault, not a wait for the night
STEP_TIMEOUT = 600


def build(work):
    """The static program; gcc and zlib's static library make it."""
    program = work / 'programs'
    subprocess.run(['gcc', *FLAGS, '-o', str(program), *map(str, sorted(SOURCES.glob('*.c'))), '-lz'], check=True)
    return program


def initramfs(work, program):
    """A cpio archive (newc) with the program as /init; the kernel's own archive has /dev/console."""
    def entry(name, mode, data=b''):
        name = name.encode() + b'\0'
        fields = [entry.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        entry.number += 1
        head = b'070701' + b''.join(b'%08x' % field for field in fields) + name
        return head + b'\0' * (-len(head) % 4) + data + b'\0' * (-len(data) % 4)

    entry.number = 1
    path = work / 'programs.cpio'
    path.write_bytes(entry('proc', 0o040755) + entry('init', 0o100755, program.read_bytes()) + entry('TRAILER!!!', 0))
    return path


class Result:
    """One sub-benchmark once: seconds a step, and what it computed."""

    def __init__(self, wall, processor, checksum, count):
        self.wall, self.processor, self.checksum, self.count = wall, processor, checksum, count

    def seconds(self, name):
        return (self.wall if name in THREADED else self.processor) / self.count


def processor_clock(pid):
    """The processor time of all threads of process @pid, those that ended too (the kernel's CPUCLOCK_SCHED)."""
    return time.clock_gettime((~pid << 3) | 2)


def run_native(program, scale, names):
    command = [str(program), repr(scale), ','.join(names)]
    results = {}
    for line in subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        words = line.split()
        if len(words) == 5:
            results[words[0]] = Result(float(words[1]), float(words[2]), words[3], int(words[4]))
    return results


def run_machine(command):
    """Runs the guest to its end; {name: Result}, how many processors it saw, and why it stopped early, or None."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        return follow(child)
    finally:
        child.kill()
        child.wait()


def follow(child):
    """What run_machine() returns, from the lines of the running @child."""
    results, begun, rest, tail, processors = {}, None, b'', [], 0
    timeout, ended, fault = BOOT_TIMEOUT, False, None
    while not ended and fault is None:
        ready = select.select([child.stdout], [], [], timeout)[0]
        data = os.read(child.stdout.fileno(), 65536) if ready else b''
        if not data:
            fault = 'it ended' if ready else f'nothing came for {timeout} s'
            break
        now = processor_clock(child.pid), time.monotonic()
        lines = (rest + data).split(b'\n')
        rest = lines.pop()
        for line in lines:
            words = line.decode(errors='replace').split()
            tail = [*tail[-7:], ' '.join(words)]
            if len(words) == 2 and words[0] == 'begin':
                begun, timeout = now, STEP_TIMEOUT
            elif len(words) == 2 and words[0] == 'processors':
                processors = int(words[1])
            elif len(words) == 5 and begun:
                # The host's clocks: a guest's may be wrong.
                results[words[0]] = Result(now[1] - begun[1], now[0] - begun[0], words[3], int(words[4]))
                begun = None
            elif words == ['end']:
                ended = True
            elif words and (words[0] == 'failed' or 'Kernel panic' in line.decode(errors='replace')):
                fault = 'it failed'
    if fault is None:
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            fault = 'it did not power off'
    if fault:
        fault += ': ' + ' | '.join([*tail, rest.decode(errors='replace')])[-500:]
    return results, processors, fault


class Peer:
    """A way to run the guest program."""

    def __init__(self, title, scale, command, is_pair=False):
        self.title, self.scale, self.command, self.is_pair = title, scale, command, is_pair
        self.rounds, self.faults = [], []
        self.is_out = False # it has nothing to compare, which is no failure

    def run(self, kernel, archive, names):
        line = f'console=ttyS0 quiet panic=-1 -- {self.scale!r} {",".join(names)}'
        results, processors, fault = run_machine(self.command(kernel, archive, line))
        if self.is_pair and fault is None and processors < 2:
            results, self.is_out = {}, True
            print(' (the guest sees one processor)', end='', flush=True)
        self.rounds.append(results)
        if fault:
            self.faults.append(fault)
            print(f'{self.title}: {fault}', flush=True)

    def median(self, name):
        values = [results[name].seconds(name) for results in self.rounds if name in results]
        return statistics.median(values) if values else None


def bunshin_command(executable, accelerator, cpus):
    def command(kernel, archive, line):
        return [executable, 'run', '--headless', '--accel', accelerator, '--cpus', str(cpus), '--memory', MEMORY,
                '--nic', 'none', '--serial', 'stdio', '--kernel', kernel, '--initrd', str(archive), '--append', line]
    return command


def qemu_command(threads, cpus):
    def command(kernel, archive, line):
        return ['qemu-system-x86_64', '-accel', f'tcg,thread={threads}', '-cpu', 'max', '-smp', str(cpus),
                '-m', MEMORY, '-display', 'none', '-monitor', 'none', '-no-reboot', '-serial', 'stdio', '-net', 'none',
                '-kernel', kernel, '-initrd', str(archive), '-append', line]
    return command


def has_accelerator(executable, accelerator):
    """Whether a machine without anything to run starts with it: status 124 is the end of its time."""
    command = [executable, 'run', '--headless', '--accel', accelerator, '--memory', '64M', '--nic', 'none',
               '--timeout', '1']
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=120, check=False)
    return result.returncode == 124


def make_peers(executable, scales, wanted):
    peers = {}
    for accelerator in ('interp', 'jit'):
        if accelerator not in wanted:
            continue
        if not has_accelerator(executable, accelerator):
            print(f'{accelerator}: this Bunshin does not have it')
            continue
        scale = scales[accelerator]
        peers[accelerator] = Peer(accelerator, scale, bunshin_command(executable, accelerator, 1))
        peers[accelerator + '-2'] = Peer(accelerator + ', 2 CPUs', scale,
                                         bunshin_command(executable, accelerator, 2), is_pair=True)
    if 'tcg' in wanted:
        peers['tcg'] = Peer('TCG', scales['tcg'], qemu_command('single', 1))
        peers['tcg-2'] = Peer('TCG, 2 CPUs', scales['tcg'], qemu_command('multi', 2), is_pair=True)
    return peers


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def ratio_text(value):
    return '—' if value is None else f'{value:.1f} ×' if value < 99.95 else f'{value:.0f} ×'


def check_sums(peers, natives):
    """Lines about the results that differ from the native ones."""
    for peer in peers:
        for results in peer.rounds:
            for name, result in results.items():
                native = natives[peer.scale].get(name)
                if native is None or native.count != result.count:
                    yield f'{peer.title}: {name}: no native run to compare with'
                elif native.checksum != result.checksum:
                    yield f'{peer.title}: {name}: checksum differs: {result.checksum}, natively {native.checksum}'


def print_table(names, native, peers):
    """Rows of ratios to the native time, and their geometric means over what every peer of a column ran."""
    table = []
    for name in names:
        base = native.median(name)
        if base is None:
            continue
        seconds = statistics.median(r[name].wall if name in THREADED else r[name].processor for r in native.rounds)
        ratios = {key: peer.median(name) / base if peer.median(name) else None for key, peer in peers.items()}
        table.append((name, seconds, ratios))
    single = [key for key, peer in peers.items() if not peer.is_pair]
    pairs = [key for key, peer in peers.items() if peer.is_pair and any(peer.rounds)]

    def print_rows(rows, keys, against):
        print(f'{"":12} {"native s":>9}' + ''.join(f' {peers[key].title:>16}' for key in keys) +
              (f' {against + " against TCG":>20}' if against else ''))
        for name, seconds, ratios in rows:
            line = f'{name:12} {seconds:9.3f}' + ''.join(f' {ratio_text(ratios[key]):>16}' for key in keys)
            if against and ratios[keys[-1]] and ratios[against]:
                line += f' {ratios[keys[-1]] / ratios[against]:15.2f} × as fast'
            print(line)

    against = next((key for key in ('jit', 'interp') if key in single and 'tcg' in single), None)
    rows = [row for row in table if row[0] not in THREADED]
    if rows and single:
        print_rows(rows, single, against)
        means = [geometric_mean([ratios[key] for _, _, ratios in rows if ratios[key]]) for key in single]
        line = f'{"mean":12} {"":9}' + ''.join(f' {ratio_text(mean):>16}' for mean in means)
        both = [r['tcg'] / r[against] for _, _, r in rows if r['tcg'] and r[against]] if against else []
        print(line + (f' {geometric_mean(both):15.2f} × as fast' if both else ''))
        slower = [name for name, _, r in rows if against and r['tcg'] and r[against] and r[against] > r['tcg']]
        if slower:
            print(f'{peers[against].title} is slower than TCG in: {", ".join(slower)}')
    rows = [row for row in table if row[0] in THREADED]
    if rows and (single or pairs):
        print('\ntwo threads, time that passed (natively on two processors)')
        print_rows(rows, single + pairs, None)
        for key in single:
            one, two = peers[key].median('pair'), peers[key + '-2'].median('pair') if key + '-2' in peers else None
            if one and two:
                print(f'{peers[key].title}: two virtual processors do {one / two:.2f} × the work of one')
    return table


def measure(work, executable, kernel, arguments):
    """All rounds of all peers in turn; False if a checksum differs or a machine failed."""
    program = build(work)
    archive = initramfs(work, program)
    scales = {'interp': arguments.scale_interp, 'jit': arguments.scale_jit, 'tcg': arguments.scale_tcg}
    chosen = arguments.only.split(',') if arguments.only else []
    # A little of each names them in the program's order and says which this processor has.
    names = list(run_native(program, 0.0001, chosen))
    if not names:
        raise SystemExit(f'there is no such sub-benchmark: {arguments.only}')
    peers = make_peers(executable, scales, arguments.peers.split(','))
    threaded = [name for name in names if name in THREADED]
    native = Peer('native', 1.0, None)
    natives = {scale: run_native(program, scale, names) for scale in {peer.scale for peer in peers.values()}}
    for number in range(1, arguments.rounds + 1):
        print(f'round {number} of {arguments.rounds}: native', end='', flush=True)
        native.rounds.append(run_native(program, 1.0, names))
        for peer in peers.values():
            chosen = threaded if peer.is_pair else names
            if chosen and not peer.is_out:
                print(f', {peer.title}', end='', flush=True)
                peer.run(kernel, archive, chosen)
        print(flush=True)
    table = print_table(names, native, peers)
    faults = sorted(set(check_sums(peers.values(), natives)))
    for fault in faults:
        print(fault)
    if arguments.json:
        rows = [{'name': name, 'native_seconds': seconds, 'ratios': ratios} for name, seconds, ratios in table]
        pathlib.Path(arguments.json).write_text(json.dumps(rows, indent=1) + '\n')
    return not faults and not any(peer.faults for peer in peers.values())
