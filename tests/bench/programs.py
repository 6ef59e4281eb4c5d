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

from common import BUNSHIN, TOP, bunshin_run, can_run, guest, processor_clock, qemu

SOURCES = TOP / 'tests/bench/guest'
FLAGS = ['-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-fno-math-errno', '-fno-strict-aliasing',
         '-Wall', '-Wextra', '-Werror', '-Wno-unused-parameter', '-Wno-missing-field-initializers']
THREADED = ('counter', 'pair')
MEMORY = '512M'
BOOT_TIMEOUT = 180 # seconds without a line; a guest that hangs is a fault, not a wait for the night
STEP_TIMEOUT = 600
REST = 0.03         # seconds that the program rests after “begin”, before it measures
CLOCK_OFF = 0.05    # seconds that a guest's clock may be off by in a run, for the way of the lines to us,
CLOCK_DRIFT = 0.002 # and in each second of it


def build(work):
    """The static program; gcc and zlib's static library make it."""
    program = work / 'programs'
    subprocess.run(['gcc', *FLAGS, '-o', str(program), *map(str, sorted(SOURCES.glob('*.c'))), '-lz'], check=True)
    return program


def initramfs_of(*files):
    """A cpio archive (newc) of files: name, mode, contents."""
    def entry(name, mode, data=b''):
        name = name.encode() + b'\0'
        fields = [entry.number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name), 0]
        entry.number += 1
        head = b'070701' + b''.join(b'%08x' % field for field in fields) + name
        return head + b'\0' * (-len(head) % 4) + data + b'\0' * (-len(data) % 4)

    entry.number = 1
    return b''.join(entry(*file) for file in files) + entry('TRAILER!!!', 0)


def initramfs(work, program):
    """An archive with the program as /init; the kernel's own archive has /dev/console."""
    path = work / 'programs.cpio'
    path.write_bytes(initramfs_of(('proc', 0o040755), ('init', 0o100755, program.read_bytes())))
    return path


class Result:
    """One sub-benchmark once: seconds, what it computed, and in how many steps."""

    def __init__(self, wall, processor, checksum, count):
        self.wall, self.processor, self.checksum, self.count = wall, processor, checksum, count

    def seconds(self, name):
        return (self.wall if name in THREADED else self.processor) / self.count


def run_native(program, scale, names, cpus=None):
    command = [str(program), repr(scale), ','.join(names)]
    results = {}
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True,
                            preexec_fn=cpus and (lambda: os.sched_setaffinity(0, cpus))).stdout
    for line in output.splitlines():
        words = line.split()
        if len(words) == 5:
            results[words[0]] = Result(float(words[1]), float(words[2]), words[3], int(words[4]))
    return results


def run_machine(command):
    """Runs the guest to its end; {name: Result}, how many processors it saw, by how many seconds its clock was off
    in how many, and why it stopped early, or None."""
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        return follow(child)
    finally:
        child.kill()
        child.wait()


def follow(child):
    """What run_machine() returns, from the lines of the running @child."""
    results, begun, rest, tail, processors, first, clock = {}, None, b'', [], 0, None, (0, 1)
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
            elif len(words) == 3 and words[0] == 'processors':
                processors, first = int(words[1]), (now[1], float(words[2]))
            elif len(words) == 5 and begun:
                # The host's clocks: a guest's may be wrong.
                results[words[0]] = Result(now[1] - begun[1] - REST, now[0] - begun[0], words[3], int(words[4]))
                begun = None
            elif len(words) == 2 and words[0] == 'end' and first:
                ended = True
                clock = float(words[1]) - first[1] - (now[1] - first[0]), now[1] - first[0]
            elif words and (words[0] == 'failed' or 'Kernel panic' in line.decode(errors='replace')):
                fault = 'it failed'
    if fault is None:
        try:
            child.wait(60)
        except subprocess.TimeoutExpired:
            fault = 'it did not power off'
    if fault:
        fault += ': ' + ' | '.join([*tail, rest.decode(errors='replace')])[-500:]
    return results, processors, clock, fault


class Peer:
    """A way to run the guest program."""

    def __init__(self, title, scale, command, cpus=1):
        self.title, self.scale, self.command, self.cpus = title, scale, command, cpus
        self.rounds, self.faults, self.clocks = [], [], []
        self.is_out = False # it has nothing to compare, which is no failure

    def run(self, archive, names):
        line = f'console=ttyS0 quiet panic=-1 -- {self.scale!r} {",".join(names)}'
        results, processors, clock, fault = run_machine(self.command(archive, line))
        if fault is None and processors < self.cpus:
            results, self.is_out = {}, True
            print(f' (the guest sees {processors} of {self.cpus} processors)', end='', flush=True)
        self.rounds.append(results)
        self.clocks.append(clock)
        if fault:
            self.faults.append(fault)
            print(f'{self.title}: {fault}', flush=True)

    def median(self, name):
        values = [results[name].seconds(name) for results in self.rounds if name in results]
        return statistics.median(values) if values else None


def machine_words(archive, line):
    return ['-serial', 'stdio', '-kernel', guest('cloud/vmlinuz'), '-initrd', str(archive), '-append', line]


def bunshin_command(executable, accelerator, model, cpus):
    def command(archive, line):
        words = machine_words(archive, line)
        options = ['-' + word if at % 2 == 0 else word for at, word in enumerate(words)]
        return bunshin_run(accelerator, '--cpus', str(cpus), '--memory', MEMORY, '--nic', 'none', *model, *options,
                           executable=executable)
    return command


def qemu_command(threads, cpus):
    def command(archive, line):
        return qemu('-smp', str(cpus), '-m', MEMORY, '-net', 'none', *machine_words(archive, line), threads=threads)
    return command


def make_peers(arguments):
    """{key: Peer}, in the order in which they run; those with two processors end in “-2”."""
    peers = {}

    def add(key, accelerator, executable, title, scale):
        if not can_run('--accel', accelerator, executable=executable):
            print(f'{title}: this Bunshin does not have it')
            return
        # All that this processor has, as with QEMU's -cpu max.
        model = ('--cpu-model', arguments.cpu_model)
        if not can_run('--accel', accelerator, *model, executable=executable):
            model = ()
        peers[key] = Peer(title, scale, bunshin_command(executable, accelerator, model, 1))
        peers[key + '-2'] = Peer(title + ', 2 CPUs', scale, bunshin_command(executable, accelerator, model, 2), cpus=2)

    if 'interp' in arguments.peers:
        add('interp', 'interp', BUNSHIN, 'interp', arguments.scale_interp)
    if arguments.other:
        add('other', 'jit', arguments.other, 'other jit', arguments.scale_jit)
    if 'jit' in arguments.peers:
        add('jit', 'jit', BUNSHIN, 'jit', arguments.scale_jit)
    if 'tcg' in arguments.peers:
        peers['tcg'] = Peer('TCG', arguments.scale_tcg, qemu_command('single', 1))
        peers['tcg-2'] = Peer('TCG, 2 CPUs', arguments.scale_tcg, qemu_command('multi', 2), cpus=2)
    return peers


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values)) if values else None


def ratio_text(value):
    return '—' if value is None else f'{value:.2f} ×' if value < 9.995 else f'{value:.1f} ×' if value < 99.95 else f'{value:.0f} ×'


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


def print_rows(rows, columns):
    """@rows: (name, native seconds, {title: ratio}) and @columns their titles."""
    print(f'{"":12} {"native s":>9}' + ''.join(f' {title:>14}' for title in columns))
    for name, seconds, ratios in rows:
        print(f'{name:12} ' + (f'{seconds:9.3f}' if seconds else ' ' * 9) +
              ''.join(f' {ratio_text(ratios.get(title)):>14}' for title in columns))


def print_single(names, native, peers):
    """What each peer costs beside the native run, and TCG beside ours; with means over what all peers ran."""
    rows, quotients = [], {}
    for key, peer in peers.items():
        if key in ('interp', 'other', 'jit') and ('tcg' in peers or ('other' in peers and key == 'jit')):
            for against in ('tcg', 'other'):
                if against in peers and against != key:
                    quotients[f'{peers[against].title}/{peer.title}'] = (peers[against], peer)
    for name in names:
        base = native.median(name)
        if base is None:
            continue
        ratios = {peer.title: peer.median(name) / base for peer in peers.values() if peer.median(name)}
        ratios |= {title: a.median(name) / b.median(name) for title, (a, b) in quotients.items()
                   if a.median(name) and b.median(name)}
        rows.append((name, statistics.median(round_[name].processor for round_ in native.rounds), ratios))
    columns = [*(peer.title for peer in peers.values()), *quotients]
    print_rows(rows, columns)
    whole = [row for row in rows if all(title in row[2] for title in columns)]
    if whole:
        print_rows_mean(whole, columns)
    for name, _, ratios in rows:
        missing = [peer.title for peer in peers.values() if peer.title not in ratios]
        if missing:
            print(f'{name} did not run in {", ".join(missing)}')
    slower = [name for name, _, ratios in rows if ratios.get('TCG/jit', 1) < 1]
    if slower:
        print(f'jit is slower than TCG in: {", ".join(slower)}')
    return rows


def print_rows_mean(rows, columns):
    print(f'{"mean":12} {"":9}' +
          ''.join(f' {ratio_text(geometric_mean([row[2][title] for row in rows])):>14}' for title in columns) +
          (f'   (geometric, of {len(rows)})' if len(rows) != 1 else ''))


def print_threaded(names, native, native_one, peers):
    """Time that passed, with one processor and with two."""
    rows = []
    for name in names:
        base = native.median(name)
        if base is None:
            continue
        ratios = {peer.title: peer.median(name) / base for peer in peers.values() if peer.median(name)}
        rows.append((name, statistics.median(round_[name].wall for round_ in native.rounds), ratios))
    print('\nTwo threads, time that passed (natively on two processors):')
    print_rows(rows, [peer.title for peer in peers.values() if peer.rounds and not peer.is_out])
    pairs = [('natively', native_one, native)]
    pairs += [(peer.title, peer, peers[key + '-2']) for key, peer in peers.items() if key + '-2' in peers]
    for title, one, two in pairs:
        if one.median('pair') and two.median('pair'):
            print(f'{title}: two processors do {one.median("pair") / two.median("pair"):.2f} × the work of one')
    return rows


def measure(work, arguments):
    """All rounds of all peers in turn; False if a checksum differs, a clock was wrong, or a machine failed."""
    program = build(work)
    archive = initramfs(work, program)
    chosen = arguments.only.split(',') if arguments.only else []
    # A little of each names them in the program's order and says which this processor has.
    names = list(run_native(program, 0.0001, chosen))
    unknown = set(chosen) - set(names)
    if not names or unknown:
        raise SystemExit(f'there is no such sub-benchmark here: {", ".join(sorted(unknown))}')
    peers = make_peers(arguments)
    threaded = [name for name in names if name in THREADED]
    native, native_one = Peer('native', 1.0, None), Peer('native, 1 CPU', 1.0, None)
    natives = {scale: run_native(program, scale, names) for scale in {peer.scale for peer in peers.values()}}
    for number in range(1, arguments.rounds + 1):
        print(f'round {number} of {arguments.rounds}: native', end='', flush=True)
        native.rounds.append(run_native(program, 1.0, names))
        if threaded:
            native_one.rounds.append(run_native(program, 1.0, threaded, {min(os.sched_getaffinity(0))}))
        for peer in peers.values():
            some = names if peer.cpus == 1 else threaded
            if some and not peer.is_out:
                print(f', {peer.title}', end='', flush=True)
                peer.run(archive, some)
        print(flush=True)
    print()
    rows = []
    if len(names) > len(threaded):
        rows += print_single([name for name in names if name not in THREADED], native,
                             {key: peer for key, peer in peers.items() if peer.cpus == 1})
    if threaded:
        rows += print_threaded(threaded, native, native_one, peers)
    faults = sorted(set(check_sums(peers.values(), natives)))
    faults += [f'{peer.title}: the guest\'s clock is off by {off:+.3f} s in {passed:.1f} s' for peer in peers.values()
               for off, passed in peer.clocks if abs(off) > CLOCK_OFF + CLOCK_DRIFT * passed]
    for fault in faults:
        print(fault)
    if not faults:
        print('All checksums are the native ones, and the guests\' clocks agree with the host\'s.')
    if arguments.json:
        table = [{'name': name, 'native_seconds': seconds, 'ratios': ratios} for name, seconds, ratios in rows]
        pathlib.Path(arguments.json).write_text(json.dumps(table, indent=1) + '\n')
    return not faults and not any(peer.faults for peer in peers.values())


def bench_programs(arguments, work):
    """what work costs in a machine against the same work natively"""
    if not measure(work, arguments):
        arguments.failed = True
