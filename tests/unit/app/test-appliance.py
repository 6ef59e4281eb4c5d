#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile and damaged appliances: each is refused with its name and the cause, and leaves nothing behind."""
import contextlib
import gzip
import json
import os
import pathlib
import resource
import shutil
import signal
import sqlite3
import subprocess
import tarfile
import time

import appliance
from cli import BUNSHIN, cli, tap

MIB = 1 << 20
DISK = bytes(range(256)) * 4096  # 1 MiB, a raw disk


def refused(bunshin, path, *expected):
    bunshin.refused(1, ['import', str(path)], *expected)
    assert bunshin.ok('list') == ''
    assert appliance.leftovers(bunshin.home) == []


def good(bunshin, name='good.ova', disk=DISK, algorithm='sha256'):
    text = appliance.description([('disk.raw', f'ovf:size="{len(disk)}"')])
    members = [('box.ovf', text), ('disk.raw', disk)]
    return appliance.archive(bunshin.folder / name,
                             [members[0], ('box.mf', appliance.manifest(members, algorithm)), members[1]])


def only_disk(bunshin, name):
    line = next(line for line in bunshin.ok('show', name).splitlines() if 'disk /' in line)
    return line.split('disk ', 1)[1].rsplit(' (', 1)[0]


def same(bunshin, name, data):
    path = only_disk(bunshin, name)
    raw = bunshin.folder / 'expected.img'
    raw.write_bytes(data)
    bunshin.ok('disk', 'compare', path, str(raw))


def names():
    """Names of members that lead elsewhere, and members that are no files."""
    with cli() as bunshin:
        text = appliance.description([('disk.raw', '')])
        for name in ('../disk.raw', '/disk.raw', 'a/../../disk.raw', 'a//b'):
            path = appliance.archive(bunshin.folder / 'names.ova', [('box.ovf', text), (name, DISK)])
            refused(bunshin, path, 'names.ova', 'leads elsewhere')
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE):
            info = tarfile.TarInfo('disk.raw')
            info.type = kind
            info.linkname = '/etc/passwd'
            path = appliance.archive(bunshin.folder / 'kinds.ova', [('box.ovf', text), (info, b'')])
            refused(bunshin, path, 'disk.raw', 'no plain file')
        path = appliance.archive(bunshin.folder / 'twice.ova', [('box.ovf', text), ('disk.raw', DISK), ('disk.raw', DISK)])
        refused(bunshin, path, 'disk.raw', 'twice')
        path = appliance.archive(bunshin.folder / 'two.ova', [('a.ovf', text), ('b.ovf', text)])
        refused(bunshin, path, 'two descriptions')
        path = appliance.archive(bunshin.folder / 'none.ova', [('disk.raw', DISK)])
        refused(bunshin, path, 'no description')
        path = appliance.archive(bunshin.folder / 'missing.ova', [('box.ovf', text)])
        refused(bunshin, path, 'disk.raw')


def folders():
    """An OVF's files lie in its folder, whatever links there say."""
    with cli() as bunshin:
        inner = bunshin.folder / 'inner'
        inner.mkdir()
        secret = bunshin.folder / 'secret.raw'
        secret.write_bytes(DISK)
        (inner / 'box.ovf').write_bytes(appliance.description([('disk.raw', '')]))
        (inner / 'disk.raw').symlink_to('../secret.raw')
        refused(bunshin, inner / 'box.ovf', 'disk.raw', 'not in its folder')
        (inner / 'disk.raw').unlink()
        refused(bunshin, inner / 'box.ovf', 'disk.raw', 'No such file')
        for href in ('../secret.raw', str(secret), 'file:///etc/passwd', 'http://127.0.0.1:1/x'):
            (inner / 'box.ovf').write_bytes(appliance.description([(href, '')]))
            refused(bunshin, inner / 'box.ovf', href)
        # A name may be written as a URI.
        (inner / 'a disk.raw').write_bytes(DISK)
        (inner / 'box.ovf').write_bytes(appliance.description([('a%20disk.raw', '')]))
        bunshin.ok('import', str(inner / 'box.ovf'))
        same(bunshin, 'box', DISK)


def many():
    """A hundred thousand members."""
    with cli() as bunshin:
        path = bunshin.folder / 'many.ova'
        with tarfile.open(path, 'w', format=tarfile.USTAR_FORMAT) as tar:
            for number in range(100_000):
                tar.addfile(tarfile.TarInfo(f'f{number}'))
        start = time.monotonic()
        refused(bunshin, path, 'more than 4096 members')
        assert time.monotonic() - start < 30


def sizes():
    """Sizes near 2^64, in the archive and in the description; members that are cut off."""
    with cli() as bunshin:
        text = appliance.description([('disk.raw', '')])
        for size in (1 << 62, (1 << 63) - 1, (1 << 63) + 512):
            path = pathlib.Path(appliance.archive(bunshin.folder / 'sizes.ova', [('box.ovf', text)]))
            # The header by hand: in base 256, as GNU tar writes what does not fit octal digits.
            header = bytearray(tarfile.TarInfo('disk.raw').tobuf(tarfile.GNU_FORMAT))
            header[124:136] = b'\x80' + size.to_bytes(11, 'big')
            header[148:156] = b' ' * 8
            header[148:156] = b'%06o\0 ' % sum(header)
            body = path.read_bytes()[:512 + (len(text) + 511) // 512 * 512]
            path.write_bytes(body + bytes(header) + DISK)
            refused(bunshin, path, 'sizes.ova')
        for said in ((1 << 64) - 1, 2 * MIB):
            text = appliance.description([('disk.raw', f'ovf:size="{said}"')])
            path = appliance.archive(bunshin.folder / 'said.ova', [('box.ovf', text), ('disk.raw', DISK)])
            refused(bunshin, path, 'disk.raw', 'cut off')
        whole = pathlib.Path(good(bunshin)).read_bytes()
        path = bunshin.folder / 'cut.ova'
        path.write_bytes(whole[:len(whole) // 2])
        refused(bunshin, path, 'cut.ova')
        path.write_bytes(whole[:700])
        refused(bunshin, path, 'cut.ova')


def xml():
    """Entities that grow, and files that they would read."""
    with cli() as bunshin:
        lines = ['<!DOCTYPE lolz [<!ENTITY l0 "aaaaaaaaaaaaaaaa">']
        lines += [f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12)]
        bomb = '\n'.join(lines) + ']><Envelope>&l11;</Envelope>'
        for text in (bomb, '<!DOCTYPE e [<!ENTITY x SYSTEM "file:///etc/passwd">]><Envelope>&x;</Envelope>'):
            path = bunshin.folder / 'bomb.ovf'
            path.write_text(text)
            refused(bunshin, path, 'bomb.ovf', 'entities')
        path.write_text('<Envelope>' + 'x' * (9 * MIB))
        refused(bunshin, path, 'too long')


def digests():
    """A manifest that is right, wrong, incomplete or nonsense."""
    with cli() as bunshin:
        for algorithm in ('sha1', 'sha256'):
            bunshin.ok('import', good(bunshin, f'{algorithm}.ova', algorithm=algorithm), '--name', algorithm)
            same(bunshin, algorithm, DISK)
        bunshin.ok('delete', 'sha1')
        bunshin.ok('delete', 'sha256')
        text = appliance.description([('disk.raw', '')])
        whole = [('box.ovf', text), ('disk.raw', DISK)]
        changed = bytearray(DISK)
        changed[77] ^= 1
        for members, lines, expected in (
                ([('box.ovf', text), ('disk.raw', bytes(changed))], appliance.manifest(whole), 'disk.raw'),
                ([('box.ovf', text + b' '), ('disk.raw', DISK)], appliance.manifest(whole), 'box.ovf'),
                (whole, appliance.manifest(whole[:1]), 'disk.raw'),
                (whole, b'MD5(box.ovf)= 0\n', 'box.mf'),
                (whole, appliance.manifest(whole + whole[1:]), 'twice')):
            path = appliance.archive(bunshin.folder / 'bad.ova', [members[0], ('box.mf', lines), members[1]])
            refused(bunshin, path, expected)
        # Beside an OVF, too.
        (bunshin.folder / 'disk.raw').write_bytes(bytes(changed))
        (bunshin.folder / 'box.ovf').write_bytes(text)
        (bunshin.folder / 'box.mf').write_bytes(appliance.manifest(whole))
        refused(bunshin, bunshin.folder / 'box.ovf', 'disk.raw')


def pieces():
    """Compressed files, files in pieces, and both."""
    with cli() as bunshin:
        packed = gzip.compress(DISK)
        half = len(packed) // 2 + 1
        cases = {
            'gzip': ('ovf:compression="gzip"', [('disk.raw', packed)]),
            'chunks': (f'ovf:chunkSize="{MIB // 4}" ovf:size="{MIB}"',
                       [(f'disk.raw.{n:09}', DISK[n * MIB // 4:(n + 1) * MIB // 4]) for n in range(4)]),
            'both': (f'ovf:compression="gzip" ovf:chunkSize="{half}" ovf:size="{len(packed)}"',
                     [('disk.raw.000000000', packed[:half]), ('disk.raw.000000001', packed[half:])]),
        }
        for name, (attributes, files) in cases.items():
            text = appliance.description([('disk.raw', attributes)], name=name)
            members = [('box.ovf', text), *files]
            path = appliance.archive(bunshin.folder / f'{name}.ova',
                                     [members[0], ('box.mf', appliance.manifest(members)), *files])
            bunshin.ok('import', path)
            same(bunshin, name, DISK)
            folder = bunshin.folder / name
            folder.mkdir()
            for member, data in members:
                (folder / member).write_bytes(data)
            bunshin.ok('import', str(folder / 'box.ovf'), '--name', f'{name} again')
            same(bunshin, f'{name} again', DISK)
        for name in list(cases):
            bunshin.ok('delete', name)
            bunshin.ok('delete', f'{name} again')
        text = appliance.description([('disk.raw', 'ovf:compression="gzip"')])
        for data in (packed[:-100], b'no gzip at all', packed[:500] + b'x' + packed[501:]):
            refused(bunshin, appliance.archive(bunshin.folder / 'bad.ova', [('box.ovf', text), ('disk.raw', data)]),
                    'disk.raw')
        # A few bytes that unpack to a gigabyte, for a disk of a mebibyte.
        text = appliance.description([('disk.raw', 'ovf:compression="gzip"')], capacity=MIB)
        bomb = gzip.compress(bytes(1 << 30), 1)
        refused(bunshin, appliance.archive(bunshin.folder / 'bomb.ova', [('box.ovf', text), ('disk.raw', bomb)]),
                'disk.raw', 'more than')
        path = appliance.archive(bunshin.folder / 'hole.ova', [
            ('box.ovf', appliance.description([('disk.raw', f'ovf:chunkSize="{MIB // 4}" ovf:size="{MIB}"')])),
            ('disk.raw.000000000', DISK[:MIB // 4]), ('disk.raw.000000002', DISK[:MIB // 4])])
        refused(bunshin, path, 'disk.raw.000000001')


def no_room():
    """A disk that is too full is known before anything is made, and the error says how much is needed."""
    with cli() as bunshin:
        size = 1 << 40
        if shutil.disk_usage(bunshin.folder).free >= size:
            raise tap.Skip('there is a tebibyte of room')
        path = pathlib.Path(appliance.archive(bunshin.folder / 'large.ova',
                                              [('box.ovf', appliance.description([('disk.raw', '')]))]))
        header = bytearray(tarfile.TarInfo('disk.raw').tobuf(tarfile.GNU_FORMAT))
        header[124:136] = b'\x80' + size.to_bytes(11, 'big')
        header[148:156] = b' ' * 8
        header[148:156] = b'%06o\0 ' % sum(header)
        with open(path, 'r+b') as file:
            head = 512 + (int(file.read(136)[124:135], 8) + 511) // 512 * 512
            file.seek(head)
            file.write(header)
            file.truncate(head + 512 + size + 1024)
        refused(bunshin, path, 'are needed', '2 TiB', 'are free')


def filled_up():
    """A disk that fills up on the way: a limit on the size of files stands for it, as for a guest's writes."""
    with cli() as bunshin:
        path = good(bunshin, disk=os.urandom(8 * MIB))
        result = subprocess.run([BUNSHIN, 'import', path], env=bunshin.environment, capture_output=True, timeout=120,
                                encoding='utf-8', preexec_fn=limit_files)
        assert result.returncode == 1, result
        assert result.stderr.count('\n') == 1 and result.stderr.startswith('bunshin: import: '), result.stderr
        assert bunshin.ok('list') == ''
        assert appliance.leftovers(bunshin.home) == []


def limit_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4 * MIB, 4 * MIB))


def options():
    """What the user chooses, and what --dry-run shows."""
    with cli() as bunshin:
        path = good(bunshin)
        plan = json.loads(bunshin.ok('import', path, '--dry-run', '--json', '--memory', '128M'))
        machine, = plan['machines']
        assert plan['kind'] == 'ova' and plan['manifest'] and not plan['signed'], plan
        assert machine['name'] == 'box' and machine['memory'] == 128 * MIB, machine
        assert machine['drives'] == [{'slot': 'ahci0', 'kind': 'disk', 'file': 'disk.raw', 'size': 0}], machine
        assert appliance.leftovers(bunshin.home) == []
        bunshin.ok('import', path, '--name', 'mine', '--memory', '96M', '--cpus', '3', '--disk-format', 'qcow2')
        disk = only_disk(bunshin, 'mine')
        assert disk.endswith('.qcow2')
        shown = bunshin.ok('show', 'mine')
        assert 'memory: 96M' in shown and 'cpus: 3' in shown, shown
        bunshin.refused(1, ['import', path, '--name', 'mine'], 'mine')
        bunshin.refused(2, ['import', path, '--disk-format', 'zip'], 'zip')
        bunshin.refused(2, ['import', path, '--json'], '--dry-run')
        bunshin.refused(2, ['import'])
        bunshin.refused(2, ['export', 'mine', 'x.zip'], '.ova')
        bunshin.refused(2, ['export', 'mine', 'x.ova', '--manifest', 'md5'], 'md5')
        bunshin.refused(2, ['export', 'mine', 'x.ova', '--ovf-version', '3'], '3')
        bunshin.refused(1, ['export', 'nobody', 'x.ova'], 'nobody')
        # Another import gets another name by itself.
        bunshin.ok('import', path)
        bunshin.ok('import', path)
        assert 'box 2 ' in bunshin.ok('list')


def delete():
    """What an import made goes with the machine, discs too, unless somebody else has them."""
    with cli() as bunshin:
        disc = bunshin.folder / 'disc.iso'
        disc.write_bytes(os.urandom(64 << 10))
        bunshin.ok('create', 'box', '--disk', '1M')
        bunshin.ok('set', 'box', f'floppy={disc}')
        bunshin.ok('export', 'box', 'box.ova', '--discs')
        bunshin.ok('delete', 'box')
        for keep in (False, True):
            bunshin.ok('import', 'box.ova')
            copy, = (path for path in appliance.leftovers(bunshin.home) if path.endswith('.img'))
            if keep:
                bunshin.ok('create', 'other', '--disk', '1M')
                bunshin.ok('set', 'other', f'floppy={copy}')
            bunshin.ok('delete', 'box')
            assert os.path.exists(copy) == keep
            assert keep or appliance.leftovers(bunshin.home) == [], appliance.leftovers(bunshin.home)
        # The last one that has it takes it along, and the folder of the one that is gone.
        bunshin.ok('delete', 'other')
        assert disc.exists() and appliance.leftovers(bunshin.home) == [], appliance.leftovers(bunshin.home)
        bunshin.ok('import', 'box.ova')
        bunshin.ok('delete', 'box', '--keep-disks')
        assert sorted(path.rsplit('.', 1)[1] for path in appliance.leftovers(bunshin.home) if not os.path.isdir(path)) == [
            'img', 'vdi'], appliance.leftovers(bunshin.home)


def moved_layer():
    """What a disk with snapshots is made of, the library knows: the layers may name what was there before."""
    with cli() as bunshin:
        raw = bunshin.folder / 'content.raw'
        raw.write_bytes(DISK)
        old, new = bunshin.folder / 'disk.vdi', bunshin.folder / 'elsewhere' / 'moved.vdi'
        bunshin.ok('disk', 'convert', str(raw), str(old), '--source-format', 'raw')
        bunshin.ok('create', 'box', '--attach', str(old))
        bunshin.ok('snapshot', 'take', 'box', 'first')
        new.parent.mkdir()
        old.rename(new)
        with contextlib.closing(sqlite3.connect(bunshin.home / 'bunshin.db')) as database, database:
            assert database.execute('UPDATE medium SET path = ? WHERE path = ?', (str(new), str(old))).rowcount == 1
        # Nothing is where the layer says, or something else is.
        for other in (None, b'another disk'.ljust(1 << 20, b'.')):
            if other:
                old.write_bytes(other)
            bunshin.ok('export', 'box', f'{other is None}.ova')
            bunshin.ok('import', f'{other is None}.ova', '--name', 'copy')
            same(bunshin, 'copy', DISK)
            bunshin.ok('delete', 'copy')


def interrupted():
    """A kill leaves nothing that the next import does not remove; a signal leaves nothing at all."""
    with cli() as bunshin:
        big = os.urandom(48 * MIB)
        path = good(bunshin, 'big.ova', disk=big)
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = subprocess.Popen([BUNSHIN, 'import', path], env=bunshin.environment, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 60
            while not any('.unpacked' in name for name in appliance.leftovers(bunshin.home)):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.001)
            process.send_signal(number)
            process.wait(timeout=60)
            assert bunshin.ok('list') == ''
            assert (appliance.leftovers(bunshin.home) != []) == (number == signal.SIGKILL)
        result = bunshin.run('import', path)
        assert result.returncode == 0 and 'interrupted import' in result.stderr, result.stderr
        assert len(list((bunshin.home / 'machines').iterdir())) == 1
        assert not any('.importing' in name for name in appliance.leftovers(bunshin.home))
        same(bunshin, 'box', big)
        # Export: the same.
        for number in (signal.SIGTERM, signal.SIGKILL):
            process = subprocess.Popen([BUNSHIN, 'export', 'box', 'out.ova'], env=bunshin.environment,
                                       cwd=bunshin.folder, stderr=subprocess.DEVNULL)
            deadline = time.monotonic() + 60
            while not list(bunshin.folder.glob('.out.ova*/*')):
                assert process.poll() is None and time.monotonic() < deadline
                time.sleep(0.001)
            process.send_signal(number)
            process.wait(timeout=60)
            assert not (bunshin.folder / 'out.ova').exists()
        bunshin.ok('export', 'box', 'out.ova')
        assert not list(bunshin.folder.glob('.out.ova*'))


if __name__ == '__main__':
    tap.run([(f.__name__, f) for f in (names, folders, many, sizes, xml, digests, pieces, no_room, filled_up, options, delete, moved_layer,
                                     interrupted)])
