#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""“snapshot changes” and “snapshot copy-out” on a library's machine, whose disk the host's own tools change."""
import base64
import json
import os
import pathlib
import signal
import subprocess
import time

from cli import BUNSHIN, cli, tap

ODD = b'od\xff d\n\x1b[31m'
RENAMED = 'gpj.\u202eexe'
HOLE = 3 << 20


def tool(folder, *words):
    subprocess.run(words, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def debugfs(folder, image, *commands):
    for command in commands:
        tool(folder, 'debugfs', '-w', '-R', command, image)


def make_trees(folder):
    """The trees of a file system before and after."""
    before = os.fsencode(folder) + b'/before'
    os.makedirs(before + b'/etc')
    for name, data in ((b'/etc/kept', b'kept\n'), (b'/etc/gone', b'gone\n'), (b'/etc/grows', b'1\n'),
                       (b'/' + ODD, b'odd\n')):
        with open(before + name, 'wb') as file:
            file.write(data)
    (folder / 'grows').write_bytes(b'1\n2\n')
    (folder / 'second').write_bytes(b'of the second\n')
    # Data, a hole, data.
    (folder / 'sparse').write_bytes(b'a' * 5000 + b'\0' * HOLE + b'b' * 70000 + b'\0' * 9999)


def machine(bunshin):
    """A machine that is off, with the snapshot “one” and a disk that was changed since then."""
    folder = bunshin.folder
    make_trees(folder)
    tool(folder, 'mkfs.ext4', '-q', '-F', '-d', 'before', 'disk.raw', '24M')
    bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none')
    bunshin.ok('set', 'guest', f'ide0={folder / "disk.raw"}')
    bunshin.ok('snapshot', 'take', 'guest', 'one')
    tool(folder, 'cp', 'disk.raw', 'after.raw')
    debugfs(folder, 'after.raw', 'rm /etc/gone', 'rm /etc/grows', 'write grows /etc/grows', 'mkdir /new',
            'write sparse /new/sparse', f'write second /new/{RENAMED}', 'sif /etc/kept mode 0104755')
    # What the guest would have written: into the layer that is the machine's present disk.
    layer = json.loads(bunshin.ok('show', 'guest', '--json'))['drives']
    path = next(drive['path'] for drive in layer if drive['kind'] == 'disk')
    write(bunshin, path, (folder / 'after.raw').read_bytes())
    return path


def write(bunshin, layer, data):
    raw, new = bunshin.folder / 'written.raw', bunshin.folder / 'written.qcow2'
    raw.write_bytes(data)
    info = json.loads(subprocess.run(['qemu-img', 'info', '--output=json', layer], check=True, capture_output=True).stdout)
    tool(bunshin.folder, 'qemu-img', 'convert', '-O', 'qcow2', raw, new)
    # Not by name only: what differs from the base is written.
    tool(bunshin.folder, 'qemu-img', 'rebase', '-b', info['full-backing-filename'], '-F', info['backing-filename-format'], new)
    new.replace(layer)
    raw.unlink()


def changed(bunshin, *words):
    document = json.loads(bunshin.ok('snapshot', 'changes', 'guest', *words, '--json'))
    return {change['path']: (change['change'], change['type'], change['old-size'], change['new-size'])
            for change in document['changes']}, document


EXPECTED = {
    '/etc/gone': ('removed', 'file', 5, 0),
    '/etc/grows': ('changed', 'file', 2, 4),
    '/etc/kept': ('attributes', 'file', 5, 5),
    '/new': ('added', 'folder', 0, 0),
    '/new/sparse': ('added', 'file', 0, 5000 + HOLE + 70000 + 9999),
    '/new/' + RENAMED: ('added', 'file', 0, 14),
}


def listed():
    with cli() as bunshin:
        machine(bunshin)
        changes, document = changed(bunshin, 'one')
        assert changes == EXPECTED and document['notes'] == [], document
        assert {(change['disk'], change['partition']) for change in document['changes']} == {('ide0', 0)}
        # Two snapshots, both ways; and one and itself.
        bunshin.ok('snapshot', 'take', 'guest', 'two')
        assert changed(bunshin, 'one', 'two')[0] == EXPECTED
        back, _ = changed(bunshin, 'two', 'one')
        assert back['/etc/gone'] == ('added', 'file', 0, 5) and back['/new/sparse'][0] == 'removed'
        assert changed(bunshin, 'two', 'two')[0] == {} == changed(bunshin, 'two')[0]
        # As text, a name does not steer the terminal.
        lines = bunshin.ok('snapshot', 'changes', 'guest', 'one').splitlines()
        assert len(lines) == len(EXPECTED) and not any('\x1b' in line or '\u202e' in line for line in lines), lines
        assert any(line.split() == ['added', '0', '14', r'ide0:0:/new/gpj.\u202eexe'] for line in lines), lines
        assert any(line.startswith('added ') and line.endswith('/new/') for line in lines), lines
        bunshin.refused(1, ['snapshot', 'changes', 'guest', 'three'], 'three')
        bunshin.refused(2, ['snapshot', 'changes', 'guest'])


def odd_names():
    """Bytes that are no text come through both machine-readable forms, and lead to their file."""
    with cli() as bunshin:
        path = machine(bunshin)
        tool(bunshin.folder, 'mkfs.ext4', '-q', '-F', 'empty.raw', '24M')
        write(bunshin, path, (bunshin.folder / 'empty.raw').read_bytes())
        _, document = changed(bunshin, 'one')
        odd = [change for change in document['changes'] if 'path-base64' in change]
        assert len(odd) == 1 and base64.b64decode(odd[0]['path-base64']) == b'/' + ODD, odd
        assert '\ufffd' in odd[0]['path']
        result = subprocess.run([BUNSHIN, 'snapshot', 'changes', 'guest', 'one', '--records'], env=bunshin.environment,
                                capture_output=True, timeout=60)
        assert result.returncode == 0 and result.stderr == b'', result
        fields = result.stdout.split(b'\0')
        assert fields[0] == b'bunshin-changes-1' and fields[-2:] == [b'e', b''], fields
        assert b'/' + ODD in fields
        at = fields.index(b'/' + ODD)
        assert fields[at - 8:at - 1] == [b'c', b'1', b'0', b'ide0', b'0', b'4', b'0'], fields[at - 8:at]
        result = subprocess.run([BUNSHIN, 'snapshot', 'copy-out', 'guest', 'one', b'ide0:0:/' + ODD, 'odd'],
                                env=bunshin.environment, capture_output=True, cwd=bunshin.folder, timeout=60)
        assert result.returncode == 0, result
        assert (bunshin.folder / 'odd').read_bytes() == b'odd\n'
        result = subprocess.run([BUNSHIN, 'snapshot', 'changes', 'guest', 'one'], env=bunshin.environment,
                                capture_output=True, timeout=60)
        assert b'\x1b' not in result.stdout and rb'd\x0a\x1b[31m' in result.stdout, result


def copied():
    with cli() as bunshin:
        machine(bunshin)
        there = bunshin.folder / 'copy'

        def copy(*words):
            bunshin.ok('snapshot', 'copy-out', 'guest', *words)
            data = there.read_bytes()
            there.unlink()
            return data

        assert copy('one', 'ide0:0:/etc/grows', 'copy') == b'1\n'
        # Without a snapshot, as it is now.
        assert copy('ide0:0:/etc/grows', 'copy') == b'1\n2\n'
        assert copy(f'ide0:0:/new/{RENAMED}', 'copy') == b'of the second\n'
        want = (bunshin.folder / 'sparse').read_bytes()
        bunshin.ok('snapshot', 'copy-out', 'guest', 'ide0:0:/new/sparse', 'copy')
        assert there.read_bytes() == want
        assert there.stat().st_blocks * 512 < len(want) // 2, 'the hole is stored'
        # Nothing is overwritten unasked, and nothing is left over.
        before = sorted(path.name for path in bunshin.folder.iterdir())
        words = ['snapshot', 'copy-out', 'guest', 'one', 'ide0:0:/etc/gone', 'copy']
        bunshin.refused(1, words, 'copy', 'exists')
        assert there.read_bytes() == want
        bunshin.ok(*words, '--replace')
        assert there.read_bytes() == b'gone\n'
        for place, *expected in (('ide0:0:/etc/gone', '/etc/gone'), ('ide0:0:/etc', '/etc'), ('ide0:1:/etc/kept', 'partition 1'),
                                 ('ide1:0:/etc/kept', 'ide1')):
            bunshin.refused(1, ['snapshot', 'copy-out', 'guest', place, 'other'], *expected)
        bunshin.refused(1, ['snapshot', 'copy-out', 'guest', 'ide0:0:/etc/kept', 'no/folder'], 'no/folder')
        bunshin.refused(2, ['snapshot', 'copy-out', 'guest', '/etc/kept', 'other'], 'DISK:PARTITION')
        assert sorted(path.name for path in bunshin.folder.iterdir()) == before


def notes():
    """What there is nothing to say of is named, and is no error."""
    with cli() as bunshin:
        machine(bunshin)
        bunshin.ok('set', 'guest', f'ide1={bunshin.file("blank.img")}')
        result = bunshin.run('snapshot', 'changes', 'guest', 'one')
        assert result.returncode == 0 and len(result.stdout.splitlines()) == len(EXPECTED), result
        assert result.stderr == 'ide1: only one of the two states has this disk\n', result
        bunshin.ok('snapshot', 'take', 'guest', 'two')
        _, document = changed(bunshin, 'two')
        assert document['notes'] == ['ide1: the disk has no file system that is known here'], document


def running():
    """Of a machine that runs, snapshots are compared, and its present is refused."""
    with cli() as bunshin:
        machine(bunshin)
        bunshin.ok('snapshot', 'take', 'guest', 'two')
        bunshin.ok('start', 'guest', '--headless')
        bunshin.refused(1, ['snapshot', 'changes', 'guest', 'one'], 'guest', 'take a snapshot')
        bunshin.refused(1, ['snapshot', 'copy-out', 'guest', 'ide0:0:/etc/kept', 'copy'], 'guest', 'take a snapshot')
        assert changed(bunshin, 'one', 'two')[0] == EXPECTED
        bunshin.ok('power-off', 'guest')


def interrupted():
    """SIGINT and SIGTERM end a comparison or a copy soon, with an error and nothing left over."""
    with cli() as bunshin:
        folder = bunshin.folder
        make_trees(folder)
        # A comparison of two sparse files of 3 TiB takes as long as one likes.
        with open(folder / 'before' / 'huge', 'wb') as file:
            file.truncate(3 << 40)
        tool(folder, 'mkfs.ext4', '-q', '-F', '-d', 'before', 'disk.raw', '24M')
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none')
        bunshin.ok('set', 'guest', f'ide0={folder / "disk.raw"}')
        bunshin.ok('snapshot', 'take', 'guest', 'one')
        tool(folder, 'cp', 'disk.raw', 'after.raw')
        debugfs(folder, 'after.raw', 'sif /huge mtime 20010909014640')
        layer = next(drive['path'] for drive in json.loads(bunshin.ok('show', 'guest', '--json'))['drives']
                     if drive['kind'] == 'disk')
        write(bunshin, layer, (folder / 'after.raw').read_bytes())
        before = sorted(path.name for path in folder.iterdir())
        for words in (['changes', 'guest', 'one', '--records'],
                      ['copy-out', 'guest', 'ide0:0:/huge', 'copy']):
            for number in (signal.SIGINT, signal.SIGTERM):
                process = subprocess.Popen([BUNSHIN, 'snapshot', *words], env=bunshin.environment, cwd=folder,
                                           stdout=subprocess.PIPE, stderr=subprocess.PIPE)
                wait_for_disk(process.pid, layer)
                process.send_signal(number)
                output, error = process.communicate(timeout=20)
                assert process.returncode == 1 and b'cancelled' in error, (words, number, process.returncode, error)
                assert not output.endswith(b'e\0')
        assert sorted(path.name for path in folder.iterdir()) == before


def wait_for_disk(process, path):
    """Until the process has the image open: then it waits for signals, too."""
    end = time.monotonic() + 30
    folder = pathlib.Path('/proc', str(process), 'fd')
    while time.monotonic() < end:
        for link in folder.iterdir():
            try:
                if os.readlink(link) == path and (folder.parent / 'task').is_dir() and catches(folder.parent):
                    return
            except FileNotFoundError:
                pass
        time.sleep(0.01)
    raise AssertionError(f'{path} was not opened')


def catches(process):
    """Whether it has handlers for both signals."""
    caught = next(line for line in (process / 'status').read_text().splitlines() if line.startswith('SigCgt:'))
    mask = int(caught.split()[1], 16)
    return all(mask >> (number - 1) & 1 for number in (signal.SIGINT, signal.SIGTERM))


def lost_reader():
    """A list that could not be written whole is a failure."""
    with cli() as bunshin:
        machine(bunshin)
        with open('/dev/full', 'wb') as full:
            for form in ((), ('--json',), ('--records',)):
                result = subprocess.run([BUNSHIN, 'snapshot', 'changes', 'guest', 'one', *form], env=bunshin.environment,
                                        stdout=full, stderr=subprocess.PIPE, timeout=60)
                assert result.returncode == 1 and b'cannot write' in result.stderr, result


if __name__ == '__main__':
    tap.run([
        ('listed', listed),
        ('odd-names', odd_names),
        ('copied', copied),
        ('notes', notes),
        ('running', running),
        ('interrupted', interrupted),
        ('lost-reader', lost_reader),
    ])
