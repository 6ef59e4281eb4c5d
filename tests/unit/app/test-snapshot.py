#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots, clones and test drives at the command line, with a guest that counts in memory and on its disk."""
import concurrent.futures
import contextlib
import json
import pathlib
import resource
import signal
import os
import subprocess
import time

from cli import BUNSHIN, cli, tap

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 60 # seconds


def boot_sector(folder, name='count'):
    target, floppy = folder / f'{name}.elf', folder / f'{name}.img'
    subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-Ttext=0x7c00',
                    '-o', target, HERE / 'count.S'], check=True)
    subprocess.run(['objcopy', '-O', 'binary', '-j', '.text', target, floppy], check=True)
    with open(floppy, 'r+b') as file:
        file.truncate(1474560)
    return str(floppy)


class Guest:
    """The counting guest, as a machine of a library of its own."""

    def __init__(self, bunshin, name='guest'):
        self.bunshin, self.name = bunshin, name
        self.serial = bunshin.folder / f'{name}.txt'

    def lines(self):
        return self.serial.read_text().splitlines() if self.serial.exists() else []

    def start(self, *words):
        """Returns the number that was on the disk."""
        self.bunshin.ok('start', self.name, '--headless', '--serial', str(self.serial), *words)
        self.wait(1)
        return int(self.lines()[0][1:], 16)

    def wait(self, count):
        end = time.monotonic() + LIMIT
        while len(self.lines()) < count or not self.serial.read_text().endswith('\n'):
            assert time.monotonic() < end, f'{count} lines are to come: {self.lines()}'
            time.sleep(0.02)

    def step(self):
        """Presses a key; returns the number that the guest had in memory, which must be the one on the disk."""
        before = len(self.lines())
        end = time.monotonic() + LIMIT
        # The firmware drops keys that come too early.
        while len(self.lines()) == before:
            assert time.monotonic() < end, self.lines()
            self.bunshin.ok('key', self.name, 'a')
            pause = time.monotonic() + 1
            while len(self.lines()) == before and time.monotonic() < pause:
                time.sleep(0.02)
        self.wait(before + 1)
        last = self.lines()[-1]
        assert last[0] == 'm' and last[3] == 'd' and last[1:3] == last[4:6], f'memory and disk differ: {last}'
        return int(last[1:3], 16)

    def show(self):
        return json.loads(self.bunshin.ok('show', self.name, '--json'))

    def off(self):
        self.bunshin.ok('power-off', self.name)

    def process(self):
        return int((pathlib.Path(self.show()['folder']) / 'lock').read_text().splitlines()[1])

    def kill(self):
        os.kill(self.process(), signal.SIGKILL)
        self.bunshin.ok('wait', self.name, '--state', 'powered-off', '--timeout', '20')

    def snapshots(self):
        return json.loads(self.bunshin.ok('snapshot', 'list', self.name, '--json'))

    def tree(self):
        """The names of the parents, by name; and that of the current one."""
        found = self.snapshots()
        names = {snapshot['uuid']: snapshot['name'] for snapshot in found}
        return ({snapshot['name']: names.get(snapshot['parent']) for snapshot in found},
                next((snapshot['name'] for snapshot in found if snapshot['current']), None))

    def files(self):
        """Names' endings in its folder of snapshots, sorted."""
        folder = pathlib.Path(self.show()['folder']) / 'Snapshots'
        return sorted(path.suffix for path in folder.iterdir()) if folder.exists() else []

    def wait_files(self, expected):
        """What is merged in the background goes when that is done."""
        end = time.monotonic() + LIMIT
        while self.files() != expected:
            assert time.monotonic() < end, f'{self.files()}, not {expected}'
            time.sleep(0.05)


@contextlib.contextmanager
def counting(*create):
    with cli() as bunshin:
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', '64M', '--nic', 'none', '--floppy',
                   boot_sector(bunshin.folder), *create)
        bunshin.ok('set', 'guest', 'boot=floppy')
        yield bunshin, Guest(bunshin)


def usage():
    with cli() as bunshin:
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', '8M')
        bunshin.refused(2, ['snapshot'], 'take, list')
        bunshin.refused(2, ['snapshot', 'look', 'guest'], 'take, list')
        bunshin.refused(2, ['snapshot', 'take', 'guest'])
        bunshin.refused(2, ['snapshot', 'list'])
        bunshin.refused(2, ['snapshot', 'edit', 'guest', 'x'], '--name')
        bunshin.refused(2, ['clone', 'guest'])
        bunshin.refused(2, ['drive', 'guest', 'sell'], 'discard')
        bunshin.refused(2, ['drive', 'guest', 'keep-as'], 'keep-as')
        bunshin.refused(2, ['drive', 'guest', 'keep', 'it'], 'keep-as')
        bunshin.refused(2, ['start', 'guest', '--snapshot', 'x', '--headless'], '--discard')
        bunshin.refused(1, ['snapshot', 'take', 'nobody', 'x'], 'nobody')
        bunshin.refused(1, ['snapshot', 'restore', 'guest', 'never'], 'never')
        bunshin.refused(1, ['snapshot', 'delete', 'guest', 'never'], 'never')
        bunshin.refused(1, ['clone', 'guest', ' '])
        bunshin.refused(1, ['clone', 'guest', 'guest'], 'guest')
        bunshin.refused(1, ['clone', 'guest', 'new', '--snapshot', 'never'], 'never')
        bunshin.refused(1, ['drive', 'guest', 'keep'], 'test drive')
        bunshin.refused(1, ['start', 'guest', '--headless', '--discard', '--snapshot', 'never'], 'never')
        assert bunshin.ok('snapshot', 'list', 'guest') == ''
        for verb in ('snapshot', 'clone', 'drive'):
            assert f'bunshin {verb}' in bunshin.ok('help', verb)


def powered_off():
    with counting() as (bunshin, guest):
        bunshin.ok('snapshot', 'take', 'guest', 'empty', '--description', 'nothing was counted')
        assert guest.show()['snapshot'] == 'empty' and 'snapshot: empty\n' in bunshin.ok('show', 'guest')
        assert guest.start() == 0
        assert [guest.step(), guest.step()] == [0, 1]
        guest.off()
        bunshin.ok('snapshot', 'take', 'guest', 'two')
        assert guest.start() == 2
        guest.step()
        guest.off()
        # Its settings go with it.
        bunshin.ok('set', 'guest', 'memory=48M')
        bunshin.ok('snapshot', 'restore', 'guest', 'empty', '--keep', 'three')
        assert guest.tree() == ({'empty': None, 'two': 'empty', 'three': 'two'}, 'empty')
        assert guest.show()['memory'] == 32 << 20
        assert guest.start() == 0
        guest.off()
        bunshin.ok('snapshot', 'restore', 'guest', 'three')
        assert guest.show()['memory'] == 48 << 20
        assert guest.start() == 3
        guest.off()
        # An inner one goes, and the others stay what they are.
        bunshin.ok('snapshot', 'delete', 'guest', 'two')
        assert guest.tree() == ({'empty': None, 'three': 'empty'}, 'three')
        for name, number in (('empty', 0), ('three', 3)):
            bunshin.ok('snapshot', 'restore', 'guest', name)
            assert guest.start() == number
            guest.off()
        bunshin.ok('snapshot', 'edit', 'guest', 'empty', '--name', 'blank', '--description', '')
        blank = guest.snapshots()[0]
        assert blank['name'] == 'blank' and blank['description'] is None and not blank['running'], blank
        for name in ('blank', 'three'):
            bunshin.ok('snapshot', 'delete', 'guest', name)
        assert guest.files() == [] and guest.show()['snapshot'] is None
        assert guest.start() == 3
        guest.off()


def running(accel):
    with counting('--accel', accel) as (bunshin, guest):
        assert guest.start() == 0
        guest.step()
        guest.step()
        bunshin.ok('snapshot', 'take', 'guest', 'two')
        assert guest.show()['state'] == 'running' and guest.show()['snapshot'] == 'two'
        pause = json.loads(bunshin.ok('info', 'guest', '--json'))['last-snapshot-pause']
        assert 0 < pause < 10_000_000, pause
        process = guest.process()
        assert [guest.step(), guest.step()] == [2, 3]
        bunshin.ok('pause', 'guest')
        bunshin.ok('snapshot', 'take', 'guest', 'four')
        assert guest.show()['state'] == 'paused'
        bunshin.ok('resume', 'guest')
        assert guest.step() == 4
        # The process stays, the guest goes on in memory and on disk where it was.
        bunshin.ok('snapshot', 'restore', 'guest', 'two', '--keep', 'five')
        assert guest.process() == process and guest.show()['state'] == 'running'
        assert json.loads(bunshin.ok('info', 'guest', '--json'))['last-restore'] > 0
        assert [guest.step(), guest.step()] == [2, 3]
        assert guest.tree() == ({'two': None, 'four': 'two', 'five': 'four'}, 'two')
        for name, number in (('four', 4), ('five', 5), ('two', 2)):
            bunshin.ok('snapshot', 'restore', 'guest', name)
            assert guest.step() == number
        # The inner ones go while it runs, below and above what it has in use.
        bunshin.ok('snapshot', 'delete', 'guest', 'four')
        assert guest.step() == 3
        bunshin.ok('snapshot', 'delete', 'guest', 'two')
        assert guest.tree() == ({'five': None}, None)
        assert guest.step() == 4
        bunshin.ok('snapshot', 'restore', 'guest', 'five')
        assert guest.step() == 5
        bunshin.ok('snapshot', 'delete', 'guest', 'five')
        assert guest.step() == 6
        guest.wait_files([])
        guest.off()
        assert guest.start() == 7
        # One that does not run takes the state along, and the next start goes on from it.
        guest.step()
        bunshin.ok('snapshot', 'take', 'guest', 'eight')
        guest.step()
        guest.off()
        bunshin.ok('snapshot', 'restore', 'guest', 'eight')
        assert guest.show()['state'] == 'saved'
        bunshin.ok('start', 'guest', '--headless', '--serial', str(guest.serial))
        assert guest.step() == 8
        guest.off()


def together():
    """Several at once: one after the other or refused, but nothing half."""
    with counting() as (bunshin, guest):
        guest.start()
        guest.step()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            results = list(pool.map(lambda n: bunshin.run('snapshot', 'take', 'guest', f's{n}'), range(4)))
        taken = [result for result in results if result.returncode == 0]
        refused = [result for result in results if result.returncode != 0]
        assert taken and all('is being taken' in result.stderr for result in refused), results
        assert len(guest.snapshots()) == len(taken)
        assert guest.step() == 1
        for snapshot in guest.snapshots():
            bunshin.ok('snapshot', 'restore', 'guest', snapshot['uuid'])
            assert guest.step() == 1
        guest.off()


def no_room():
    """A snapshot whose state cannot be written is not there, and the machine runs on."""
    with counting() as (bunshin, guest):
        guest.start()
        guest.step()
        process = guest.process()
        hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
        # Enough for the layer and the library, not for the memory.
        resource.prlimit(process, resource.RLIMIT_FSIZE, (600 << 10, hard))
        bunshin.refused(1, ['snapshot', 'take', 'guest', 'too-large'], '.state')
        resource.prlimit(process, resource.RLIMIT_FSIZE, (hard, hard))
        assert guest.snapshots() == [] and guest.show()['state'] == 'running'
        assert guest.step() == 1
        # The merge that undoes it may have met the limit, too.
        assert guest.files() in ([], ['.qcow2'])
        bunshin.ok('snapshot', 'take', 'guest', 'fits')
        assert guest.step() == 2
        bunshin.ok('snapshot', 'restore', 'guest', 'fits')
        assert guest.step() == 2
        bunshin.ok('snapshot', 'delete', 'guest', 'fits')
        assert guest.step() == 3
        guest.wait_files([])
        guest.off()


def drives():
    with counting() as (bunshin, guest):
        guest.start()
        guest.step()
        guest.off()
        bunshin.ok('snapshot', 'take', 'guest', 'one')
        bunshin.refused(1, ['drive', 'guest', 'discard'], 'test drive')

        assert guest.start('--discard') == 1
        assert guest.show()['test-drive']
        bunshin.refused(1, ['save', 'guest'], 'test drive')
        assert guest.step() == 1
        guest.off()
        assert not guest.show()['test-drive'] and guest.start() == 1
        guest.step()
        guest.off()

        # Of a snapshot; and back to what was before.
        assert guest.start('--discard', '--snapshot', 'one') == 1
        guest.step()
        guest.step()
        bunshin.ok('drive', 'guest', 'discard')
        assert guest.show()['state'] == 'powered-off'
        assert guest.start('--discard') == 2
        guest.step()
        bunshin.ok('drive', 'guest', 'keep')
        assert not guest.show()['test-drive'] and guest.show()['state'] == 'running'
        assert guest.step() == 3
        bunshin.refused(1, ['drive', 'guest', 'discard'], 'test drive')
        guest.off()

        assert guest.start('--discard') == 4
        guest.step()
        bunshin.ok('drive', 'guest', 'keep-as', 'five')
        assert guest.tree() == ({'one': None, 'five': 'one'}, 'five')
        assert guest.step() == 5
        guest.off()
        assert guest.start() == 6
        bunshin.ok('snapshot', 'restore', 'guest', 'five')
        assert guest.step() == 5
        guest.off()
        assert guest.start() == 6


def killed_drives():
    with counting() as (bunshin, guest):
        guest.start()
        guest.step()
        guest.off()
        guest.start('--discard')
        guest.step()
        guest.kill()
        assert guest.show()['test-drive']
        # The next start says so, and is none.
        result = bunshin.run('start', 'guest', '--headless', '--serial', str(guest.serial))
        assert result.returncode == 0 and 'test drive' in result.stderr, result
        guest.wait(1)
        assert guest.lines() == ['b01'] and not guest.show()['test-drive'], guest.lines()
        guest.off()

        for how, number in (('discard', 1), ('keep', 2)):
            guest.start('--discard')
            guest.step()
            # So that what was written until now outlives the process.
            bunshin.ok('snapshot', 'take', 'guest', how)
            guest.kill()
            bunshin.ok('drive', 'guest', how)
            assert guest.start() == number
            guest.off()

        guest.start('--discard')
        guest.step()
        guest.kill()
        # What is set then is not part of it.
        result = bunshin.run('set', 'guest', 'memory=40M')
        assert result.returncode == 0 and 'test drive' in result.stderr, result
        assert guest.start() == 2 and guest.show()['memory'] == 40 << 20
        guest.off()

        guest.start('--discard')
        guest.step()
        guest.kill()
        result = bunshin.run('snapshot', 'take', 'guest', 'after')
        assert result.returncode == 0 and 'test drive' in result.stderr, result
        assert guest.start() == 2
        guest.off()


def clones():
    with counting() as (bunshin, guest):
        guest.start()
        guest.step()
        guest.off()
        bunshin.ok('snapshot', 'take', 'guest', 'one')
        guest.start()
        guest.step()
        bunshin.refused(1, ['clone', 'guest', 'copy'], 'guest', 'running')
        # Of a snapshot, while the machine itself runs.
        assert len(bunshin.ok('clone', 'guest', 'linked', '--linked', '--snapshot', 'one').strip()) == 36
        bunshin.ok('set', 'linked', f'floppy={boot_sector(bunshin.folder, "linked")}')
        linked = Guest(bunshin, 'linked')
        assert linked.start() == 1
        assert [linked.step(), guest.step()] == [1, 2]
        linked.off()
        guest.off()
        bunshin.ok('clone', 'guest', 'copy')
        copy = Guest(bunshin, 'copy')
        assert copy.start() == 3 and copy.step() == 3
        copy.off()
        assert 'Snapshots' not in bunshin.ok('show', 'copy')
        assert [linked.start(), guest.start()] == [2, 3]
        linked.off()
        guest.off()
        # What the clone needs stays when its original goes.
        bunshin.ok('delete', 'guest')
        assert linked.start() == 2
        linked.off()


def settings():
    """Of a machine with snapshots: what it has is changed, what the snapshot has is not."""
    with counting() as (bunshin, guest):
        guest.start()
        guest.step()
        guest.off()
        bunshin.ok('snapshot', 'take', 'guest', 'one')
        bunshin.ok('set', 'guest', 'ide0=none', f'ide1={bunshin.file("other.img")}')
        # The disk that was taken out is still somebody's.
        assert guest.files() == ['.qcow2']
        assert {drive['slot'] for drive in guest.show()['drives'] if drive['kind'] == 'disk'} == {'ide1'}
        bunshin.ok('snapshot', 'restore', 'guest', 'one')
        assert {drive['slot'] for drive in guest.show()['drives'] if drive['kind'] == 'disk'} == {'ide0'}
        assert guest.start() == 1
        guest.off()


def automatic():
    """Before discs that the machine has not had, off and running; and the settings that say so."""
    with counting() as (bunshin, guest):
        def discs():
            return [(s['name'], s['kind']) for s in guest.snapshots()]

        def disc():
            return [drive['path'] for drive in guest.show()['drives'] if drive['kind'] == 'cdrom']

        paths = [bunshin.file(f'{name}.iso', size) for name, size in (('one', 81920), ('two', 102400), ('three', 122880))]
        bunshin.refused(2, ['set', 'guest', 'auto-snapshots=sometimes'], 'auto-snapshots')
        bunshin.refused(1, ['set', 'guest', 'auto-snapshots-space=1K'], 'space')
        bunshin.ok('set', 'guest', 'auto-snapshots=before-disc,every:90m', 'auto-snapshots-keep=2', f'iso={paths[0]}')
        shown = guest.show()
        assert shown['auto-snapshots'] == 'before-disc,every:90m' and shown['auto-snapshots-keep'] == 2, shown
        assert shown['auto-snapshots-space'] == 10 << 30, shown
        assert 'auto-snapshots-space: 10G\n' in bunshin.ok('show', 'guest')
        assert guest.start() == 0
        assert discs() == [('Before “one.iso”', 'automatic')], discs()
        assert disc() == [paths[0]]
        guest.step()
        bunshin.ok('set', 'guest', f'iso={paths[1]}')
        assert guest.step() == 1
        assert discs()[1:] == [('Before “two.iso”', 'automatic')], discs()
        for path in ('none', paths[1], paths[0]):
            bunshin.ok('set', 'guest', f'iso={path}')
        assert len(discs()) == 2
        # It runs, and the settings change; one more, and the first has to go.
        bunshin.ok('set', 'guest', 'auto-snapshots=off')
        assert guest.show()['auto-snapshots'] == 'off'
        guest.off()
        assert guest.start() == 2
        guest.off()
        bunshin.ok('set', 'guest', 'auto-snapshots=before-disc')
        # A test drive needs none.
        bunshin.ok('set', 'guest', f'iso={paths[2]}')
        assert guest.start('--discard') == 2
        guest.off()
        assert len(discs()) == 2
        assert guest.start() == 2
        end = time.monotonic() + LIMIT
        while discs() != [('Before “two.iso”', 'automatic'), ('Before “three.iso”', 'automatic')]:
            assert time.monotonic() < end, discs()
            time.sleep(0.05)
        assert disc() == [paths[2]]
        guest.off()
        bunshin.ok('snapshot', 'restore', 'guest', 'Before “three.iso”')
        assert disc() == [None]
        assert guest.start() == 2 and guest.step() == 2
        guest.off()
        # The disc is known by now.
        bunshin.ok('set', 'guest', f'iso={paths[2]}')
        assert guest.start() == 3 and len(discs()) == 2
        guest.off()


def automatic_fails():
    """The machine starts although the snapshot before it cannot be taken, and says so."""
    with counting() as (bunshin, guest):
        folder = pathlib.Path(guest.show()['folder']) / 'Snapshots'
        if folder.exists():
            folder.rmdir()
        folder.write_text('in the way')
        bunshin.ok('set', 'guest', 'auto-snapshots=before-disc', f'iso={bunshin.file("one.iso", 81920)}')
        result = bunshin.run('start', 'guest', '--headless')
        assert result.returncode == 0 and 'No snapshot was taken' in result.stderr and 'one.iso' in result.stderr, result
        assert guest.show()['state'] == 'running' and guest.snapshots() == []
        guest.off()
        folder.unlink()

        # As it runs, with a host's disk that has no room for the memory: it runs on, with the disc.
        guest.start()
        process = guest.process()
        hard = resource.prlimit(process, resource.RLIMIT_FSIZE)[1]
        resource.prlimit(process, resource.RLIMIT_FSIZE, (600 << 10, hard))
        second = bunshin.file('second.iso', 102400)
        bunshin.ok('set', 'guest', f'iso={second}')
        resource.prlimit(process, resource.RLIMIT_FSIZE, (hard, hard))
        assert [drive['path'] for drive in guest.show()['drives'] if drive['kind'] == 'cdrom'] == [second]
        assert guest.show()['state'] == 'running' and guest.snapshots() == []
        guest.step()
        guest.off()


def thrown_away():
    """What runs without a library has no snapshots; and neither has a command line without a machine."""
    with cli() as bunshin:
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none')
        bunshin.ok('start', 'guest', '--headless')
        bunshin.ok('snapshot', 'take', 'guest', 'no-disk')
        bunshin.ok('snapshot', 'restore', 'guest', 'no-disk')
        assert json.loads(bunshin.ok('show', 'guest', '--json'))['state'] == 'running'
        bunshin.ok('power-off', 'guest')


if __name__ == '__main__':
    tap.run([
        ('usage', usage),
        ('powered-off', powered_off),
        ('running', lambda: running('auto')),
        ('running-interp', lambda: running('interp')),
        ('together', together),
        ('no-room', no_room),
        ('drives', drives),
        ('killed-drives', killed_drives),
        ('clones', clones),
        ('settings', settings),
        ('automatic', automatic),
        ('automatic-fails', automatic_fails),
        ('without-disks', thrown_away),
    ])
