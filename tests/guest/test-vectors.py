#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that hold values in vector registers compute the same in a machine as on the host."""
import pathlib
import subprocess
import sys
import tempfile

from guest import Failure, guest_file, run, tap

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'bench'))
import programs # noqa: E402

SOURCE = pathlib.Path(__file__).resolve().parent / 'vectors.c'
LIMIT = 600 # seconds; an upper bound, not a measure


def sums(text):
    return next((line for line in text.splitlines() if line.startswith('vectors ')), 'nothing')


def vectors(accelerator, model, count):
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / 'vectors'
        subprocess.run(['gcc', '-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-o', program, SOURCE], check=True)
        native = sums(subprocess.run([program], check=True, capture_output=True, text=True).stdout)
        if native == 'vectors absent':
            raise tap.Skip('the host has no AVX2')
        archive = programs.initramfs(pathlib.Path(folder), program)
        with run('--memory', '256M', '--cpus', str(count), '--cpu-model', model, '--nic', 'none',
                 '--kernel', guest_file('cloud/vmlinuz'), '--initrd', str(archive), '--append', 'console=ttyS0 quiet',
                 accelerator=accelerator, timeout=LIMIT) as linux:
            line = linux.expect(r'vectors .*\n', LIMIT)[0].strip()
            status = linux.wait(60)
        expected = 'vectors absent' if model == 'x86-64-v2' else native
        if line != expected:
            raise Failure(f'expected: {expected}\n    in the machine: {line}')
        if status != 0:
            raise Failure(f'the machine ended with status {status}')


def test(accelerator, model, count):
    return f'{accelerator}-{model}-{count}', lambda: vectors(accelerator, model, count)


if __name__ == '__main__':
    tap.run([test('jit', 'x86-64-v3', 1), test('jit', 'host', 2), test('interp', 'x86-64-v3', 1), test('interp', 'host', 2),
             test('jit', 'x86-64-v2', 1)])
