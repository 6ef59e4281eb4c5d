#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb disk: every tool on every format, interrupted in every way."""
import json
import os
import random
import signal
import subprocess
import time

from cli import BUNSHIN, cli, tap

SIZE = (24 << 20) + 512
FORMATS = ('vdi', 'vhd', 'qcow2', 'raw')


def fill(path, size=SIZE, pieces=60):
    """A raw disk with data here and there, its last sector too."""
    rand = random.Random(7)
    with open(path, 'wb') as file:
        file.truncate(size)
        for _ in range(pieces):
            file.seek(rand.randrange((size - 400000) // 512) * 512)
            file.write(rand.randbytes(rand.randrange(1, 400000)))
        file.seek(size - 512)
        file.write(b'\xee' * 512)


def convert():
    with cli() as bunshin:
        fill(bunshin.folder / 'source.raw')
        previous = 'source.raw'
        for name in FORMATS:
            for variant in ('dynamic', 'fixed'):
                path = f'{variant}.{name}'
                bunshin.ok('disk', 'convert', previous, path, '--variant', variant)
                info = json.loads(bunshin.ok('disk', 'info', path, '--json'))
                assert (info['format'], info['size']) == (name, SIZE), info
                assert 'hold the same' in bunshin.ok('disk', 'compare', 'source.raw', path)
                bunshin.ok('disk', 'check', path)
                previous = path
        assert (bunshin.folder / 'fixed.raw').read_bytes() == (bunshin.folder / 'source.raw').read_bytes()
        # Hundreds of pages of a map that has nothing.
        bunshin.ok('disk', 'create', 'large.vhd', '--size', '500G')
        bunshin.ok('disk', 'convert', 'large.vhd', 'large.qcow2')
        bunshin.ok('disk', 'compare', 'large.vhd', 'large.qcow2')
        bunshin.refused(1, ['disk', 'convert', 'source.raw', 'fixed.vdi'], 'fixed.vdi', 'exists')
        bunshin.refused(1, ['disk', 'convert', 'nothing.raw', 'x.vdi'], 'nothing.raw')
        bunshin.refused(2, ['disk', 'convert', 'source.raw', 'x.vdi', '--format', 'zip'], 'zip')
        bunshin.refused(2, ['disk', 'convert', 'source.raw'])
        assert not (bunshin.folder / 'x.vdi').exists()


def compare():
    with cli() as bunshin:
        fill(bunshin.folder / 'a.raw')
        bunshin.ok('disk', 'convert', 'a.raw', 'a.vdi')
        with open(bunshin.folder / 'a.raw', 'r+b') as file:
            file.seek(5000000)
            byte = file.read(1)
            file.seek(5000000)
            file.write(bytes([byte[0] ^ 1]))
        bunshin.refused(1, ['disk', 'compare', 'a.raw', 'a.vdi'], 'a.raw', 'a.vdi', '5000000')
        # Zeros that follow make no difference, anything else does.
        bunshin.ok('disk', 'convert', 'a.raw', 'b.raw')
        bunshin.ok('disk', 'resize', 'b.raw', '40M')
        bunshin.ok('disk', 'compare', 'b.raw', 'a.raw')
        with open(bunshin.folder / 'b.raw', 'r+b') as file:
            file.seek((40 << 20) - 1)
            file.write(b'x')
        bunshin.refused(1, ['disk', 'compare', 'a.raw', 'b.raw'], str((40 << 20) - 1))


def resize():
    with cli() as bunshin:
        fill(bunshin.folder / 'source.raw')
        for name in FORMATS:
            for variant in ('dynamic', 'fixed'):
                path = f'{variant}.{name}'
                bunshin.ok('disk', 'convert', 'source.raw', path, '--variant', variant)
                bunshin.refused(1, ['disk', 'resize', path, '20M'], path, 'lose')
                for size in ('25M', '400M') if variant == 'dynamic' else ('30M',):
                    bunshin.ok('disk', 'resize', path, size)
                    bunshin.ok('disk', 'compare', path, 'source.raw')
                    bunshin.ok('disk', 'check', path)
                bunshin.ok('disk', 'resize', path, '20M', '--shrink')
                bunshin.ok('disk', 'check', path)
                bunshin.ok('disk', 'resize', path, str(SIZE))
                bunshin.ok('disk', 'convert', path, path + '.plain', '--format', 'raw')
                data = (bunshin.folder / (path + '.plain')).read_bytes()
                assert data == (bunshin.folder / 'source.raw').read_bytes()[:20 << 20].ljust(SIZE, b'\0'), path
                info = json.loads(bunshin.ok('disk', 'info', path, '--json'))
                assert info['variant'] == variant or variant == 'fixed' and name in ('qcow2', 'raw'), info


def compact():
    with cli() as bunshin:
        with open(bunshin.folder / 'source.raw', 'wb') as file:
            file.write(random.Random(1).randbytes(32 << 20))
        with open(bunshin.folder / 'zeros.raw', 'wb') as file:
            file.write(random.Random(1).randbytes(4 << 20))
            file.write(bytes(28 << 20))
        for name in FORMATS:
            # What was data is zeros afterwards, and still has its room.
            bunshin.ok('disk', 'convert', 'source.raw', f'full.{name}')
            full = os.stat(bunshin.folder / f'full.{name}').st_blocks * 512
            if name == 'raw':
                (bunshin.folder / 'full.raw').write_bytes((bunshin.folder / 'zeros.raw').read_bytes())
                bunshin.ok('disk', 'compact', 'full.raw')
                bunshin.ok('disk', 'compare', 'full.raw', 'zeros.raw')
                assert os.stat(bunshin.folder / 'full.raw').st_blocks * 512 < full / 4
            else:
                before = os.stat(bunshin.folder / f'full.{name}')
                os.chmod(bunshin.folder / f'full.{name}', 0o600)
                os.symlink(f'full.{name}', bunshin.folder / f'link.{name}')
                bunshin.ok('disk', 'compact', f'link.{name}')
                assert (bunshin.folder / f'link.{name}').is_symlink()
                assert os.stat(bunshin.folder / f'full.{name}').st_mode & 0o777 == 0o600
                assert os.stat(bunshin.folder / f'full.{name}').st_ino != before.st_ino
                bunshin.ok('disk', 'compare', f'full.{name}', 'source.raw')
                bunshin.ok('disk', 'check', f'full.{name}')


def layers():
    with cli() as bunshin:
        fill(bunshin.folder / 'source.raw')
        for name in ('vdi', 'vhd', 'qcow2'):
            bunshin.ok('disk', 'convert', 'source.raw', f'base.{name}')
            bunshin.ok('disk', 'create', f'top.{name}', '--backing', f'base.{name}')
            info = json.loads(bunshin.ok('disk', 'info', f'top.{name}', '--json'))
            assert info['size'] == SIZE and [os.path.basename(layer) for layer in info['chain']] == [f'base.{name}'], info
            bunshin.ok('disk', 'compare', f'top.{name}', 'source.raw')
            # Compacted, it is still the same image over the same base.
            bunshin.ok('disk', 'compact', f'top.{name}')
            bunshin.ok('disk', 'create', f'more.{name}', '--backing', f'top.{name}')
            bunshin.ok('disk', 'compact', f'top.{name}')
            bunshin.ok('disk', 'compare', f'more.{name}', 'source.raw')
            bunshin.ok('disk', 'convert', f'more.{name}', f'flat.{name}')
            assert 'chain' not in json.loads(bunshin.ok('disk', 'info', f'flat.{name}', '--json'))
        bunshin.refused(1, ['disk', 'create', 'x.raw', '--backing', 'base.vdi'], 'x.raw', 'raw')
        bunshin.refused(1, ['disk', 'create', 'x.vdi', '--backing', 'base.vdi', '--variant', 'fixed'], 'x.vdi')
        os.mkdir(bunshin.folder / 'other')
        bunshin.ok('disk', 'create', 'other/far.qcow2', '--backing', str(bunshin.folder / 'base.qcow2'))
        bunshin.refused(1, ['disk', 'convert', 'other/far.qcow2', 'x.raw'], 'far.qcow2', 'unasked', '--trust')
        bunshin.refused(1, ['disk', 'compare', 'other/far.qcow2', 'source.raw'], 'far.qcow2', 'unasked', '--trust')
        bunshin.ok('disk', 'compare', 'other/far.qcow2', 'source.raw', '--trust')
        bunshin.ok('disk', 'convert', 'other/far.qcow2', 'trusted.raw', '--trust')
        bunshin.ok('disk', 'compare', 'trusted.raw', 'source.raw')
        bunshin.ok('disk', 'convert', 'other/far.qcow2', 'x.raw', '--backing', 'base.qcow2')
        assert 'base.qcow2' in bunshin.ok('disk', 'info', 'other/far.qcow2')


def repair():
    with cli() as bunshin:
        fill(bunshin.folder / 'source.raw')
        bunshin.ok('disk', 'convert', 'source.raw', 'a.qcow2')
        path = bunshin.folder / 'a.qcow2'
        data = bytearray(path.read_bytes())
        # Counts of some clusters in use become 0, and one of a cluster that is not: 5.
        block = 2 << 16
        data[block + 20:block + 28] = bytes(8)
        data[block + 60000:block + 60002] = b'\0\5'
        path.write_bytes(data)
        bunshin.refused(1, ['disk', 'check', 'a.qcow2'], 'a.qcow2', 'damaged')
        bunshin.ok('disk', 'check', 'a.qcow2', '--repair', 'b.qcow2')
        assert path.read_bytes() == data, 'the damaged image was changed'
        assert 'errors: 0\nleaks: 0\n' in bunshin.ok('disk', 'check', 'b.qcow2')
        bunshin.ok('disk', 'compare', 'b.qcow2', 'source.raw')
        bunshin.refused(1, ['disk', 'check', 'a.qcow2', '--repair', 'b.qcow2'], 'b.qcow2', 'exists')


def start(bunshin, *words):
    return subprocess.Popen([BUNSHIN, *words], env=bunshin.environment, cwd=bunshin.folder, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding='utf-8')


def left(bunshin):
    return [name for name in os.listdir(bunshin.folder) if name.endswith('.bunshin-new')]


def interrupted():
    """Ctrl-C at different moments: either it was done, or nothing of it is there."""
    with cli() as bunshin:
        fill(bunshin.folder / 'source.raw', 256 << 20, 600)
        cancelled = 0
        for i in range(12):
            process = start(bunshin, 'disk', 'convert', 'source.raw', 'd.qcow2')
            time.sleep(0.06 + 0.03 * i)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            assert process.returncode in (0, 1, -signal.SIGINT), (process.returncode, errors)
            assert not left(bunshin) or process.returncode < 0, left(bunshin)
            if process.returncode == 0:
                bunshin.ok('disk', 'compare', 'd.qcow2', 'source.raw')
                os.unlink(bunshin.folder / 'd.qcow2')
            elif process.returncode == 1:
                cancelled += 1
                assert len(errors.splitlines()) == 1 and 'cancelled' in errors, errors
                assert not (bunshin.folder / 'd.qcow2').exists()
        assert cancelled > 0, 'no run was caught while it worked'


def killed():
    """kill -9: what was there stays, what was made is whole or not there, and the next run cleans up and says so."""
    with cli() as bunshin:
        fill(bunshin.folder / 'source.raw', 128 << 20, 300)
        bunshin.ok('disk', 'convert', 'source.raw', 'a.vdi')
        told = 0
        for words in (('convert', 'source.raw', 'd.qcow2'), ('resize', 'a.vdi', '900G'), ('compact', 'a.vdi')):
            for i in range(6):
                process = start(bunshin, 'disk', *words)
                time.sleep(0.05 + 0.06 * i)
                process.kill()
                process.communicate()
                result = bunshin.run('disk', 'create', 'next.vdi', '--size', '1M')
                assert result.returncode == 0, result.stderr
                told += 'interrupted' in result.stderr
                os.unlink(bunshin.folder / 'next.vdi')
                assert not left(bunshin), left(bunshin)
                bunshin.ok('disk', 'check', 'a.vdi')
                bunshin.ok('disk', 'compare', 'a.vdi', 'source.raw')
                if (bunshin.folder / 'd.qcow2').exists():
                    bunshin.ok('disk', 'compare', 'd.qcow2', 'source.raw')
                    os.unlink(bunshin.folder / 'd.qcow2')
        assert told > 0, 'no run was killed while it worked'


if __name__ == '__main__':
    tap.run([(function.__name__, function) for function in (
        convert, compare, resize, compact, layers, repair, interrupted, killed)])
