# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: converting beside qemu-img, chains of layers, opening large ones."""
import os
import random
import statistics
import subprocess
import time

from common import BUNSHIN

SIZE = 1 << 30
FORMATS = (('vdi', 'vdi'), ('vmdk', 'vmdk'), ('vhd', 'vpc'), ('qcow2', 'qcow2'), ('raw', 'raw'))
LAYERS = 10


def timed(*command):
    # What was written and removed before is not this command's.
    os.sync()
    start = time.monotonic()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def fill(path, size, parts, seed):
    rand = random.Random(seed)
    with open(path, 'r+b' if path.exists() else 'wb') as file:
        file.truncate(size)
        for _ in range(parts):
            file.seek(rand.randrange(size >> 20) << 20)
            file.write(rand.randbytes(1 << 20))


def bench_convert(arguments, work):
    """raw to each format and back, as durable as qemu-img -t writeback"""
    source, image, back = work / 'source.raw', work / 'image', work / 'back.raw'
    fill(source, SIZE, 500, 1)
    commands = (('', lambda a, b, f: (BUNSHIN, 'disk', 'convert', a, b, '--format', f[0])),
                (' qemu-img', lambda a, b, f: ('qemu-img', 'convert', '-t', 'writeback', '-O', f[1], a, b)))
    # The first to take memory that the host has not given yet pays for it, and who comes second takes what he left.
    rounds = 2 * arguments.rounds
    print(f'convert: {SIZE >> 20} MiB, about 40 % data; seconds, medians of {rounds}, who is first in turn')
    for names in FORMATS:
        times = {key + peer: [] for key in ('to', 'from') for peer, _ in commands}
        for turn in range(rounds):
            for peer, command in commands if turn % 2 == 0 else commands[::-1]:
                times['to' + peer].append(timed(*command(source, image, names)))
                times['from' + peer].append(timed(*command(image, back, ('raw', 'raw'))))
                os.unlink(image)
                os.unlink(back)
        medians = {key: statistics.median(values) for key, values in times.items()}
        print(f'  {names[0]:6} raw to it {medians["to"]:.2f} ({medians["to"] / medians["to qemu-img"]:.2f} × qemu-img), '
              f'back {medians["from"]:.2f} ({medians["from"] / medians["from qemu-img"]:.2f} × qemu-img)', flush=True)
    os.unlink(source)


def bench_chain(arguments, work):
    """a disk of ten layers read whole, against the same in one"""
    rounds = 2 * arguments.rounds
    print(f'chain: two and {LAYERS} layers against one, read whole; seconds, medians of {rounds}, who is first in turn')
    for name in ('vdi', 'qcow2'):
        folder = work / name
        folder.mkdir()
        source = folder / 'source.raw'
        fill(source, SIZE, 300, 1)
        subprocess.run((BUNSHIN, 'disk', 'convert', source, folder / f'0.{name}'), check=True)
        for layer in range(1, LAYERS):
            subprocess.run((BUNSHIN, 'disk', 'create', folder / f'{layer}.{name}', '--backing', folder / f'{layer - 1}.{name}'),
                           check=True)
        times = {layers: [] for layers in (1, 2, LAYERS)}
        for turn in range(rounds):
            for layers in list(times)[::-1 if turn % 2 else 1]:
                times[layers].append(timed(BUNSHIN, 'disk', 'compare', folder / f'{layers - 1}.{name}', source))
        one, two, ten = (statistics.median(values) for values in times.values())
        print(f'  {name:6} one {one:.2f}; two {two:.2f}, {100 * one / two:.0f} % of the speed; '
              f'{LAYERS} {ten:.2f}, {100 * one / ten:.0f} %', flush=True)


# A small process starts the command: what its parent had before counts as its own.
MEASURE = '''
import os, sys, time
start = time.monotonic()
pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, '/dev/null', os.O_WRONLY, 0)])
_, status, usage = os.wait4(pid, 0)
print(time.monotonic() - start, usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
sys.exit(status != 0)
'''


def measure(*command):
    """Milliseconds, those of processor time among them, and MiB of memory that a command had at most."""
    words = ('python3', '-I', '-S', '-c', MEASURE, *command)
    span, cost, peak = subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout.split()
    return 1000 * float(span), 1000 * float(cost), int(peak) / 1024


def bench_open(arguments, work):
    """opening an empty 1 TiB image"""
    rounds = max(3 * arguments.rounds, 5)
    print(f'open: 1 TiB, dynamic; “disk info” less “help”, and qemu-img’s “info” less “--version”; medians of {rounds}, in turn')
    for ours, theirs in (*FORMATS, ('vhdx', 'vhdx'), ('hdd', 'parallels')):
        path = work / f'large.{ours}'
        subprocess.run((BUNSHIN, 'disk', 'create', path, '--size', '1T'), check=True)
        runs = {}
        for _ in range(rounds):
            for name, command, nothing in (('', (BUNSHIN, 'disk', 'info', path), (BUNSHIN, 'help')),
                                           ('qemu-img ', ('qemu-img', 'info', '-f', theirs, path), ('qemu-img', '--version'))):
                runs.setdefault(name, []).append([one - other for one, other in zip(measure(*command), measure(*nothing))])
        print(f'  {ours:6} ' + '; '.join('{}{:.1f} ms ({:.1f} ms of processor time), {:.1f} MiB'.format(
            name, *(statistics.median(column) for column in zip(*values))) for name, values in runs.items()), flush=True)
        os.unlink(path)
