# SPDX-License-Identifier: GPL-3.0-or-later
"""Disk images: converting beside qemu-img, chains of layers, opening large ones."""
import os
import random
import resource
import statistics
import subprocess
import time

from common import BUNSHIN

SIZE = 1 << 30
FORMATS = (('vdi', 'vdi'), ('vmdk', 'vmdk'), ('vhd', 'vpc'), ('qcow2', 'qcow2'), ('raw', 'raw'))
LAYERS = 10


def timed(*command):
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
    print(f'convert: {SIZE >> 20} MiB, about 40 % data; seconds, medians of {arguments.rounds}')
    for ours, theirs in FORMATS:
        times = {key: [] for key in ('to', 'to qemu-img', 'from', 'from qemu-img')}
        for _ in range(arguments.rounds):
            for to, come, command in (
                    ('to', 'from', lambda a, b, f: (BUNSHIN, 'disk', 'convert', a, b, '--format', f[0])),
                    ('to qemu-img', 'from qemu-img', lambda a, b, f: (
                        'qemu-img', 'convert', '-t', 'writeback', '-O', f[1], a, b))):
                times[to].append(timed(*command(source, image, (ours, theirs))))
                times[come].append(timed(*command(image, back, ('raw', 'raw'))))
                os.unlink(image)
                os.unlink(back)
        medians = {key: statistics.median(values) for key, values in times.items()}
        print(f'  {ours:6} raw to it {medians["to"]:.2f} ({medians["to"] / medians["to qemu-img"]:.2f} × qemu-img), '
              f'back {medians["from"]:.2f} ({medians["from"] / medians["from qemu-img"]:.2f} × qemu-img)', flush=True)
    os.unlink(source)


def bench_chain(arguments, work):
    """a disk of ten layers read whole, against the same in one"""
    print(f'chain: {LAYERS} layers against one, read whole; seconds, medians of {arguments.rounds}')
    for name in ('vdi', 'qcow2'):
        folder = work / name
        folder.mkdir()
        source = folder / 'source.raw'
        fill(source, SIZE, 300, 1)
        subprocess.run((BUNSHIN, 'disk', 'convert', source, folder / f'0.{name}'), check=True)
        for layer in range(1, LAYERS):
            subprocess.run((BUNSHIN, 'disk', 'create', folder / f'{layer}.{name}', '--backing', folder / f'{layer - 1}.{name}'),
                           check=True)
        chain, flat = [], []
        for _ in range(arguments.rounds):
            chain.append(timed(BUNSHIN, 'disk', 'compare', folder / f'{LAYERS - 1}.{name}', source))
            flat.append(timed(BUNSHIN, 'disk', 'compare', folder / f'0.{name}', source))
        chain, flat = statistics.median(chain), statistics.median(flat)
        print(f'  {name:6} one {flat:.2f}, {LAYERS} {chain:.2f}: {100 * flat / chain:.0f} % of the speed', flush=True)


def bench_open(arguments, work):
    """opening an empty 1 TiB image"""
    print(f'open: 1 TiB, dynamic; milliseconds, medians of {arguments.rounds}; “help” is the program alone')
    base = statistics.median(timed(BUNSHIN, 'help') for _ in range(max(arguments.rounds, 5)))
    for name, _ in FORMATS:
        path = work / f'large.{name}'
        subprocess.run((BUNSHIN, 'disk', 'create', path, '--size', '1T'), check=True)
        span = statistics.median(timed(BUNSHIN, 'disk', 'info', path) for _ in range(max(arguments.rounds, 5)))
        print(f'  {name:6} {1000 * (span - base):.1f} more than help’s {1000 * base:.1f}')
    print(f'  at most {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MiB')
