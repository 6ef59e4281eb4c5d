#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sample images that QEMU keeps for its tests, written by the programs that the formats are from: read identical,
converted there and back, and refused where they are made to do harm."""
import bz2
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import tap  # noqa: E402

BUNSHIN = os.environ['BUNSHIN_EXE']

# Of each: what Bunshin calls its format.
SOUND = {
    'd2v-zerofilled.vhd': 'vhd', 'hyperv2012r2-dynamic.vhd': 'vhd', 'virtualpc-dynamic.vhd': 'vhd',
    'iotest-dynamic-1G.vhdx': 'vhdx', 'test-disk2vhd.vhdx': 'vhdx', 'iotest-version3.vmdk': 'vmdk',
    'parallels-v1': 'hdd', 'parallels-v2': 'hdd', 'parallels-with-bitmap': 'hdd',
    'bios-tables-test.x86_64.iso.qcow2': 'qcow2', 'bios-tables-test.aarch64.iso.qcow2': 'qcow2',
}
HARMFUL = ('afl5.img', 'afl9.vmdk')
DIRTY = 'iotest-dirtylog-10G-4M.vhdx'


def samples():
    if not shutil.which('qemu-img'):
        raise tap.Skip('qemu-img is not installed')
    if samples.folder is None:
        result = subprocess.run(['sh', HERE / 'fetch-samples.sh'], capture_output=True, text=True, check=False)
        if result.returncode != 0:
            cause = (result.stderr.strip().splitlines() or ['no word why'])[-1]
            raise tap.Skip(f'QEMU\'s source package cannot be fetched: {cause}')
        samples.folder = pathlib.Path(result.stdout.strip())
    return samples.folder


samples.folder = None


def unpack(name, folder):
    source, path = samples() / name, folder / name
    if source.exists():
        shutil.copyfile(source, path)
    else:
        path.write_bytes(bz2.decompress((samples() / f'{name}.bz2').read_bytes()))
    return path


def disk(*words):
    return subprocess.run([BUNSHIN, 'disk', *words], capture_output=True, text=True, timeout=200, check=False)


def ok(*words):
    result = disk(*words)
    assert result.returncode == 0, f'bunshin disk {" ".join(map(str, words))}: {result.stderr}'
    return result.stdout


def qemu_img(*words):
    subprocess.run(['qemu-img', *words], check=True, stdout=subprocess.DEVNULL, timeout=200)


def in_folder(test, *arguments):
    folder = pathlib.Path(tempfile.mkdtemp(prefix='bunshin-samples-'))
    try:
        test(folder, *arguments)
    finally:
        shutil.rmtree(folder)


def read_identical(folder, name, kind):
    path, raw, ours = unpack(name, folder), folder / 'theirs.raw', folder / 'ours.qcow2'
    assert f'format: {kind}\n' in ok('info', path)
    assert 'errors: 0\n' in ok('check', path)
    qemu_img('convert', '-O', 'raw', path, raw)
    ok('compare', path, raw)
    ok('convert', path, ours)
    qemu_img('check', ours)
    qemu_img('compare', '-q', ours, raw)


def replay_log(folder):
    """Only who opens the image for writing may apply its log; the same as QEMU's is to come out."""
    path = unpack(DIRTY, folder)
    theirs = folder / 'theirs.vhdx'
    shutil.copyfile(path, theirs)
    result = disk('info', path)
    assert result.returncode == 1 and DIRTY in result.stderr and 'log' in result.stderr, result.stderr
    ok('resize', path, '10G')
    qemu_img('check', '-q', '-r', 'all', theirs)
    ok('compare', path, theirs)
    qemu_img('compare', '-q', path, theirs)


def refuse(folder, name):
    path = unpack(name, folder)
    for words in (('info', path), ('check', path), ('convert', path, folder / 'x.raw')):
        result = disk(*words)
        assert result.returncode == 1 and name in result.stderr and 'damaged' in result.stderr, result
    assert not (folder / 'x.raw').exists()


if __name__ == '__main__':
    tests = [(f'read-{name}', lambda name=name, kind=kind: in_folder(read_identical, name, kind))
             for name, kind in SOUND.items()]
    tests += [(f'replay-{DIRTY}', lambda: in_folder(replay_log))]
    tests += [(f'refuse-{name}', lambda name=name: in_folder(refuse, name)) for name in HARMFUL]
    tap.run(tests)
