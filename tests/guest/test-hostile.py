#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and damaged input: a guest that writes garbage everywhere, files that are not what they should be."""
import os
import pathlib
import subprocess
import tempfile

from guest import BUNSHIN, Failure, Library, tap

HERE = pathlib.Path(__file__).resolve().parent
SEEDS = (1, 0x12345, 7, 8, 9, 10)


def garbage_kernel(folder, seed, *defines):
    kernel = pathlib.Path(folder) / f'garbage-{seed:x}.elf'
    subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-N', '-Wl,--no-warn-rwx-segments',
                    '-Wl,-Ttext=0x100000', f'-DSEED={seed}', *defines, '-o', str(kernel),
                    str(HERE / 'garbage.S')], check=True)
    return kernel


def run_garbage(kernel, folder, timeout, accel='auto'):
    disk = pathlib.Path(folder) / 'disk.raw'
    with open(disk, 'wb') as file:
        file.truncate(1 << 20)
    return subprocess.run([BUNSHIN, 'run', '--headless', '--accel', accel, '--memory', '64M', '--disk', str(disk), '--nic', 'nat', '--serial', 'stdio',
                           '--debug-exit', '--timeout', str(timeout), '--kernel', str(kernel)],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout + 60)


def polite(seed, accel):
    """The guest goes through everything to its end, and the machine is still one."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_garbage(garbage_kernel(folder, seed, '-DPOLITE'), folder, 120, accel)
        if result.returncode < 0:
            raise Failure(f'the process died of signal {-result.returncode}: {result.stderr[-2000:]}')
        if b'PCB survived' not in result.stdout or result.returncode != 33:
            raise Failure(f'status {result.returncode}: {result.stdout[-200:]} {result.stderr[-500:]}')


def wild(seed):
    """The guest may reset or end itself; the process may only end by itself or by the time limit."""
    with tempfile.TemporaryDirectory() as folder:
        result = run_garbage(garbage_kernel(folder, seed), folder, 20)
        if result.returncode < 0 or result.returncode > 124 and result.returncode & 1 == 0:
            raise Failure(f'the process ended with {result.returncode}: {result.stderr[-2000:]}')


def refused(words, *expected, library=None, status=1):
    """The command fails with one line that has all of the words."""
    own = library or Library()
    try:
        result = own(*words, check=False)
        lines = result.stderr.strip().splitlines()
        if result.returncode != status:
            raise Failure(f'{words}: status {result.returncode}: {result.stderr}')
        if len(lines) != 1 or not lines[0].startswith('bunshin: '):
            raise Failure(f'{words}: not one line of error: {result.stderr!r}')
        for word in expected:
            if word not in lines[0]:
                raise Failure(f'{words}: “{word}” is not in: {lines[0]}')
    finally:
        if library is None:
            own.close()


def missing_files():
    refused(['run', '--headless', '--iso', '/nowhere/a.iso'], '/nowhere/a.iso', 'No such file')
    refused(['run', '--headless', '--disk', '/nowhere/a.vdi'], '/nowhere/a.vdi', 'No such file')
    refused(['run', '--headless', '--bios', '/nowhere/bios.bin'], '/nowhere/bios.bin', 'No such file')
    refused(['run', '--headless', '--kernel', '/nowhere/linux'], '/nowhere/linux', 'No such file')
    refused(['create', 'x', '--iso', '/nowhere/a.iso'], '/nowhere/a.iso', 'No such file')


def damaged_files():
    with tempfile.TemporaryDirectory() as folder:
        vdi = pathlib.Path(folder) / 'damaged.vdi'
        subprocess.run([BUNSHIN, 'disk', 'create', str(vdi), '--size', '64M', '--format', 'vdi'], check=True, stdout=subprocess.DEVNULL)
        data = bytearray(vdi.read_bytes())
        data[0x154:0x158] = b'\xff\xff\xff\xff' # offset of the block map
        vdi.write_bytes(data)
        refused(['run', '--headless', '--disk', str(vdi)], 'damaged.vdi')
        refused(['disk', 'info', str(vdi)], 'damaged.vdi')
        short = pathlib.Path(folder) / 'short.vdi'
        short.write_bytes(data[:100])
        refused(['disk', 'info', str(short)], 'short.vdi')
        kernel = pathlib.Path(folder) / 'not-a-kernel'
        kernel.write_bytes(b'hello' * 1000)
        refused(['run', '--headless', '--kernel', str(kernel)], 'not-a-kernel', 'multiboot')
        bios = pathlib.Path(folder) / 'bios.bin'
        bios.write_bytes(b'x' * 1000)
        refused(['run', '--headless', '--bios', str(bios)], 'bios.bin', '1000 bytes')
        bios.write_bytes(b'\xff' * 131072)
        refused(['run', '--headless', '--bios', str(bios)], 'bios.bin', 'no code')


def impossible_settings():
    refused(['create', 'x', '--memory', '900T'], 'memory')
    refused(['create', 'x', '--memory', '12Q'], status=2)
    refused(['create', ''], 'name')
    refused(['create', 'n' * 300, '--disk', 'none'], 'name')
    refused(['create', 'line\nbreak', '--disk', 'none'], 'name')
    refused(['start', 'nobody'], 'nobody')
    refused(['frobnicate'], status=2)


def odd_names():
    library = Library()
    try:
        for name in ('a/../b', '../../etc', '🐧 penguin', 'with space', "quo'te\"", '-dash'):
            if name.startswith('-'):
                continue
            library('create', name, '--disk', '16M', '--memory', '64M')
            library('show', name)
        home = library.folder / 'home'
        disks = list(home.rglob('*.vdi'))
        if len(disks) != 5:
            raise Failure(f'5 disks were to be made below {home}: {disks}')
        listed = library('list').stdout
        for name in ('a/../b', '🐧 penguin'):
            if name not in listed:
                raise Failure(f'{name} is not listed:\n{listed}')
            library('delete', name)
    finally:
        library.close()


def disk_in_use():
    library = Library()
    try:
        disk = library.folder / 'shared.vdi'
        library('disk', 'create', str(disk), '--size', '16M')
        library('create', 'one', '--attach', str(disk), '--disk', 'none', '--memory', '64M')
        library('create', 'two', '--attach', str(disk), '--disk', 'none', '--memory', '64M')
        library('start', 'one', '--headless')
        try:
            refused(['start', 'two', '--headless'], 'shared.vdi', 'in use', library=library)
            refused(['start', 'one', '--headless'], 'one', library=library)
        finally:
            library('power-off', 'one', check=False)
            library('wait', 'one', '--state', 'powered-off', '--timeout', '20', check=False)
    finally:
        library.close()


def newer_database():
    library = Library()
    try:
        library('create', 'x', '--disk', 'none', '--memory', '64M')
        database = library.folder / 'home' / 'bunshin.db'
        subprocess.run(['sqlite3', str(database), 'PRAGMA user_version = 9999'], check=True)
        refused(['list'], 'bunshin.db', 'newer', library=library)
        version = subprocess.run(['sqlite3', str(database), 'PRAGMA user_version'], capture_output=True, text=True).stdout
        if version.strip() != '9999':
            raise Failure(f'the database was touched: version {version}')
    finally:
        library.close()


def no_display():
    library = Library()
    try:
        library.environment.pop('DISPLAY', None)
        library.environment.pop('WAYLAND_DISPLAY', None)
        library('create', 'x', '--disk', 'none', '--memory', '64M')
        refused(['start', 'x'], 'display', library=library)
        refused([], 'display', library=library)
    finally:
        library.close()


def killed_process_leaves_no_lock():
    library = Library()
    try:
        library('create', 'x', '--disk', '16M', '--memory', '64M')
        library('start', 'x', '--headless')
        found = subprocess.run(['pgrep', '-f', f'{BUNSHIN} machine'], capture_output=True, text=True).stdout.split()
        mine = [pid for pid in found
                if str(library.folder) in pathlib.Path(f'/proc/{pid}/environ').read_bytes().decode(errors='replace')]
        if len(mine) != 1:
            raise Failure(f'one machine process was expected: {mine} of {found}')
        os.kill(int(mine[0]), 9)
        library('wait', 'x', '--state', 'powered-off', '--timeout', '20')
        library('start', 'x', '--headless')
        library('power-off', 'x')
        library('wait', 'x', '--state', 'powered-off', '--timeout', '20')
    finally:
        library.close()


if __name__ == '__main__':
    tap.run([(f'garbage-{seed:x}-{accel}', lambda seed=seed, accel=accel: polite(seed, accel))
             for seed in SEEDS for accel in ('interp', 'jit')]
            + [(f'garbage-wild-{seed:x}', lambda seed=seed: wild(seed)) for seed in SEEDS[:2]]
            + [('missing-files', missing_files), ('damaged-files', damaged_files), ('impossible-settings', impossible_settings),
               ('odd-names', odd_names), ('disk-in-use', disk_in_use), ('newer-database', newer_database), ('no-display', no_display),
               ('killed-process', killed_process_leaves_no_lock)])
