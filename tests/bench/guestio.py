# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks as a guest sees them: sequential and random reads and writes through each controller, on each format."""
import math
import os
import pathlib
import statistics
import subprocess

from common import BUNSHIN, TOP, Process, accelerators, bunshin_run, guest, qemu
from programs import initramfs_of

SIZE = 256 << 20
FORMATS = (('raw', 'raw'), ('qcow2', 'qcow2'), ('vdi', 'vdi'))
# By our name of the controller: the guest's name of its first disk, and QEMU's options.
CONTROLLERS = {'virtio': ('vda', ['-device', 'virtio-blk-pci,drive=d']),
               'ahci': ('sda', ['-device', 'ahci,id=a', '-device', 'ide-hd,drive=d,bus=a.0'])}
SECONDS = 3


def build(work):
    """An initramfs beside the generic guest's with the program and what runs it."""
    program, archive = work / 'disk-io', work / 'io.cpio'
    subprocess.run(['gcc', '-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-Wall', '-Wextra', '-Werror', '-o', str(program),
                    str(TOP / 'tests/bench/guest-io/disk-io.c')], check=True)
    # The kernel hands words of the form NAME=VALUE on to init as its environment.
    script = b'until [ -b /dev/$device ]; do sleep 0.1; done; /tests/disk-io /dev/$device $seconds ${patterns//,/ }\n'
    base = pathlib.Path(guest('generic/initrd')).read_bytes()
    archive.write_bytes(base + bytes(-len(base) % 4) +
                        initramfs_of(('tests/io', 0o100755, script), ('tests/disk-io', 0o100755, program.read_bytes())))
    return archive


def rates(command):
    """{pattern: (MiB a second, requests a second)} of one machine."""
    with Process(command, errors=subprocess.DEVNULL) as process:
        process.expect(b'io-done', 600)
    lines = (line.split() for line in process.output.decode(errors='replace').splitlines() if line.startswith('io '))
    return {name: (float(speed) / (1 << 20), float(count)) for _, name, speed, count in lines}


def bench_guestio(arguments, work):
    """a guest's sequential and random reads and writes on virtio and AHCI, raw, qcow2 and VDI"""
    archive, source = build(work), work / 'source.raw'
    with open(source, 'wb') as file:
        for _ in range(SIZE >> 20):
            file.write(os.urandom(1 << 20))
    words = arguments.only.split(',') if arguments.only else []
    patterns = [word for word in words if word.startswith(('sequential', 'random'))]
    chosen = set(words) - set(patterns)
    all_ratios = []
    print(f'guest I/O: MiB a second sequentially (256 KiB), thousand requests a second at random (4 KiB); medians of '
          f'{arguments.rounds}; in brackets TCG')
    for controller, (device, devices) in CONTROLLERS.items():
        for ours, theirs in FORMATS:
            if chosen and not {f'{controller}-{ours}', controller, ours} & chosen:
                continue
            image = work / f'disk.{ours}'
            subprocess.run(['qemu-img', 'convert', '-O', theirs, str(source), str(image)], check=True)
            kernel = ['-kernel', guest('generic/vmlinuz'), '-initrd', str(archive), '-append',
                      f'console=ttyS0 quiet bunshin.run=io device={device} seconds={SECONDS} patterns={",".join(patterns)}']
            commands = {name: bunshin_run(name, '--memory', '256M', '--nic', 'none', '--serial', 'stdio', '--writable',
                                          '--controller', controller, '--disk', str(image),
                                          *['-' + word if word in ('-kernel', '-initrd', '-append') else word for word in kernel])
                        for name in accelerators(arguments.peers) if name != 'interp'}
            commands['tcg'] = qemu('-m', '256M', '-net', 'none', '-serial', 'stdio', '-drive',
                                   f'file={image},format={theirs},if=none,id=d,cache=writeback', *devices, *kernel)
            results = {name: [] for name in commands}
            for _ in range(arguments.rounds):
                for name, command in commands.items():
                    results[name].append(rates(command))
            print(f'  {controller}, {ours}:')
            for pattern in results['tcg'][0]:
                index = pattern.startswith('random')
                value = {name: statistics.median(run[pattern][index] for run in runs) / (1000 if index else 1)
                         for name, runs in results.items()}
                for name in commands:
                    if name != 'tcg':
                        ratio = value[name] / value['tcg']
                        all_ratios.append(ratio)
                        print(f'    {pattern:20} {name} {value[name]:8.1f} ({value["tcg"]:.1f}) {ratio:6.2f} ×', flush=True)
            image.unlink()
    if all_ratios:
        print(f'  geometric mean {math.exp(statistics.fmean(map(math.log, all_ratios))):.2f} × TCG, '
              f'least {min(all_ratios):.2f} ×')


LAYERS = (0, 1, 10)


def stack(work, source, layers):
    """The top of so many empty layers over a VDI image with the contents of @source."""
    top = work / 'layer-0.vdi'
    subprocess.run([BUNSHIN, 'disk', 'convert', str(source), str(top)], check=True, stdout=subprocess.DEVNULL)
    for number in range(layers):
        below, top = top, work / f'layer-{number + 1}.qcow2'
        subprocess.run([BUNSHIN, 'disk', 'create', str(top), '--backing', str(below)], check=True, stdout=subprocess.DEVNULL)
    return top


def bench_layers(arguments, work):
    """a guest's reads and writes through one and ten layers of snapshots, against none"""
    archive, source = build(work), work / 'source.raw'
    source.write_bytes(os.urandom(SIZE))
    results = {layers: [] for layers in LAYERS}
    print(f'layers: virtio over VDI; per cent of the speed without a layer, medians of {arguments.rounds}; each begins with new ones')
    for _ in range(arguments.rounds):
        for layers in LAYERS:
            top = stack(work, source, layers)
            results[layers].append(rates(bunshin_run(
                'jit', '--memory', '256M', '--nic', 'none', '--serial', 'stdio', '--writable', '--controller', 'virtio', '--disk', str(top),
                '--kernel', guest('generic/vmlinuz'), '--initrd', str(archive), '--append',
                f'console=ttyS0 quiet bunshin.run=io device=vda seconds={SECONDS}')))
            for path in work.glob('layer-*'):
                path.unlink()
    for pattern in results[0][0]:
        speed = {layers: statistics.median(run[pattern][0] for run in runs) for layers, runs in results.items()}
        print(f'    {pattern:20} none {speed[0]:8.1f} MiB/s; ' + '; '.join(
            f'{layers}: {100 * speed[layers] / speed[0]:.0f} %' for layers in LAYERS[1:]), flush=True)
