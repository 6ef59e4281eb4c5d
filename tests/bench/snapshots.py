# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots of a running machine: how long the guest stands still for one, how large it is, how soon the guest runs again
after going back, how soon a test drive has ended; beside savevm, loadvm and -snapshot of QEMU on qcow2."""
import json
import os
import pathlib
import select
import shutil
import socket
import statistics
import subprocess
import threading
import time

from common import BUNSHIN, TOP, guest
from programs import initramfs_of

DISK = 4 << 30
SIZES = (1, 4) # GiB of memory
LIMIT = 300


def build(work):
    """A disc that boots a kernel with the ticker as its only program."""
    folder, program = work / 'disc', work / 'ticker'
    (folder / 'boot/grub').mkdir(parents=True)
    subprocess.run(['gcc', '-std=gnu17', '-D_GNU_SOURCE', '-O2', '-static', '-pthread', '-Wall', '-Wextra', '-Wno-unused-parameter', '-Werror', '-o',
                    str(program), str(TOP / 'tests/bench/guest-io/ticker.c')], check=True)
    script = b'until [ -b /dev/vda ]; do sleep 0.1; done; /tests/ticker /dev/vda $fill\n'
    base = pathlib.Path(guest('generic/initrd')).read_bytes()
    (folder / 'initrd').write_bytes(base + bytes(-len(base) % 4) + initramfs_of(
        ('tests/tick', 0o100755, script), ('tests/ticker', 0o100755, program.read_bytes())))
    shutil.copy(guest('generic/vmlinuz'), folder / 'vmlinuz')
    entries = ''.join(f'menuentry m{size} {{ linux /vmlinuz console=ttyS0 quiet bunshin.run=tick fill={size * 512}\ninitrd /initrd\n}}\n'
                      for size in SIZES)
    return folder, entries


def disc(work, folder, entries, index):
    (folder / 'boot/grub/grub.cfg').write_text(f'set timeout=0\nset default={index}\n{entries}')
    path = work / f'disc-{index}.iso'
    subprocess.run(['grub-mkrescue', '-o', str(path), str(folder)], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


class Ticks:
    """The times at which ticks came, read from a socket on a thread of its own."""

    def __init__(self, path):
        self.socket = socket.socket(socket.AF_UNIX)
        end = time.monotonic() + LIMIT
        while True:
            try:
                self.socket.connect(str(path))
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        self.times = []
        self.more = threading.Condition()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while data := self.socket.recv(65536):
            if b'tick' in data:
                with self.more:
                    self.times.append(time.monotonic())
                    self.more.notify_all()

    def wait(self, after):
        """When the first tick came after that time."""
        with self.more:
            if not self.more.wait_for(lambda: self.times and self.times[-1] > after, LIMIT):
                raise SystemExit('the guest does not tick')
            return next(when for when in self.times if when > after)

    def longest_gap(self, begin, end):
        times = [when for when in list(self.times) if begin <= when <= end]
        return max((b - a for a, b in zip(times, times[1:])), default=end - begin)


class Waker:
    """How much later than asked for this process wakes up. When that is as long as a guest's silence, others waited as long as the
    guest did, be it that timers came late or that the machine's own threads kept all processors busy."""
    NAP = 0.005

    def __init__(self):
        self.late = []
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        before = time.monotonic()
        while True:
            time.sleep(self.NAP)
            now = time.monotonic()
            self.late.append((now, now - before - self.NAP))
            before = now

    def latest(self, begin, end):
        return max((late for when, late in list(self.late) if begin <= when <= end), default=0)


class Ours:
    def __init__(self, work, size, iso):
        self.environment = dict(os.environ, BUNSHIN_HOME=str(work / f'home-{size}'), XDG_RUNTIME_DIR=str(work))
        self.folder = work / f'home-{size}' / 'machines'
        self.serial = work / 'serial'
        self.call('create', 'bench', '--memory', f'{size}G', '--cpus', '1', '--disk', str(DISK), '--controller', 'virtio', '--iso', str(iso),
                  '--nic', 'none', '--accel', 'jit')
        self.start()

    def start(self, *words):
        self.call('start', 'bench', '--headless', '--serial', f'unix:{self.serial}', *words)
        self.ticks = Ticks(self.serial)

    def start_drive(self):
        self.start('--discard')

    def call(self, *words):
        subprocess.run([BUNSHIN, *words], env=self.environment, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT)

    def take(self, name):
        self.call('snapshot', 'take', 'bench', name)

    def pause(self):
        """Seconds that the engine says the guest was halted for the last one."""
        info = subprocess.run([BUNSHIN, 'info', 'bench', '--json'], env=self.environment, check=True, capture_output=True, timeout=LIMIT)
        return json.loads(info.stdout)['last-snapshot-pause'] / 1e6

    def restore(self, name):
        self.call('snapshot', 'restore', 'bench', name)

    def size(self, name):
        return sum(path.stat().st_blocks * 512 for path in self.folder.rglob('*.state'))

    def close(self):
        """Returns when it is off, and what it changed on a test drive is gone."""
        self.call('power-off', 'bench')


class Theirs:
    def __init__(self, work, size, iso):
        image = work / f'peer-{size}.qcow2'
        self.serial, self.monitor_path = work / 'peer-serial', work / 'peer-monitor'
        subprocess.run(['qemu-img', 'create', '-q', '-f', 'qcow2', str(image), str(DISK)], check=True)
        self.command_line = [
            'qemu-system-x86_64', '-accel', 'tcg', '-cpu', 'max', '-display', 'none', '-m', f'{size}G', '-nic', 'none', '-drive',
            f'file={image},if=virtio,cache=writeback', '-cdrom', str(iso), '-serial', f'unix:{self.serial},server=on,wait=off', '-monitor',
            f'unix:{self.monitor_path},server=on,wait=off']
        self.start()

    def start(self, *words):
        self.process = subprocess.Popen([*self.command_line, *words])
        self.ticks = Ticks(self.serial)
        self.monitor = socket.socket(socket.AF_UNIX)
        self.monitor.connect(str(self.monitor_path))
        self.answer()

    def start_drive(self):
        self.start('-snapshot')

    def answer(self):
        text = b''
        while not text.endswith(b'(qemu) '):
            if not select.select([self.monitor], [], [], LIMIT)[0]:
                raise SystemExit('the monitor does not answer')
            text += self.monitor.recv(65536)
        return text

    def command(self, text):
        self.monitor.send(text.encode() + b'\n')
        self.answer()

    def take(self, name):
        self.command(f'savevm {name}')

    def pause(self):
        return None

    def restore(self, name):
        self.command(f'loadvm {name}')

    def size(self, name):
        return None

    def close(self):
        self.monitor.send(b'quit\n')
        self.process.wait(LIMIT)
        self.serial.unlink(missing_ok=True)
        self.monitor_path.unlink(missing_ok=True)


def measure(machine, rounds):
    """Medians of the longest silence of the guest while a snapshot was taken, of how late this process woke up meanwhile, of how
    long the guest was halted, how long the verb took, and how soon it ran after going back; the size of one; and the median of how long the end of a test drive took."""
    gaps, spans, returns, pauses, ends, lates = [], [], [], [], [], []
    waker = Waker()
    try:
        machine.ticks.wait(time.monotonic())
        time.sleep(3)
        for turn in range(rounds):
            begin = time.monotonic()
            machine.take(f's{turn}')
            end = time.monotonic()
            spans.append(end - begin)
            machine.ticks.wait(end)
            last = machine.ticks.wait(time.monotonic())
            gaps.append(machine.ticks.longest_gap(begin - 0.2, last))
            lates.append(waker.latest(begin - 0.2, last))
            pauses.append(machine.pause())
            time.sleep(1)
            if turn == 0:
                size = machine.size('s0')
        for turn in range(rounds):
            begin = time.monotonic()
            machine.restore(f's{turn}')
            end = time.monotonic()
            time.sleep(1)
            machine.ticks.wait(time.monotonic())
            # The guest that is left ticks for a moment longer, but is gone when the verb ends: the one that was restored begins
            # after the longest silence up to there.
            after = [when for when in list(machine.ticks.times) if when > begin]
            silences = [pair for pair in zip([begin, *after], after) if pair[0] < end]
            returns.append(max(silences, key=lambda pair: pair[1] - pair[0])[1] - begin)
    finally:
        machine.close()
    for _ in range(rounds):
        machine.start_drive()
        try:
            machine.ticks.wait(time.monotonic())
            time.sleep(1)
            begin = time.monotonic()
        finally:
            machine.close()
        ends.append(time.monotonic() - begin)
    pause = statistics.median(pauses) if None not in pauses else None
    return (statistics.median(gaps), statistics.median(lates), pause, statistics.median(spans), statistics.median(returns), size,
            statistics.median(ends))


def bench_snapshots(arguments, work):
    """taking and going back to snapshots of 1 and 4 GiB guests, beside savevm and loadvm"""
    folder, entries = build(work)
    print(f'snapshots of a guest that writes to its disk, half of its memory in use; medians of {arguments.rounds}')
    only = arguments.only.split(',') if arguments.only else list(map(str, SIZES))
    for index, size in enumerate(SIZES):
        if str(size) not in only:
            continue
        iso = disc(work, folder, entries, index)
        for name, kind in (('jit', Ours), ('TCG', Theirs)):
            if name.lower() not in arguments.peers:
                continue
            gap, late, pause, span, back, bytes_taken, end = measure(kind(work, size, iso), arguments.rounds)
            print(f'  {size} GiB, {name}: the longest silence {1000 * gap:.0f} ms (we woke up {1000 * late:.0f} ms late)' + (f', halted {1000 * pause:.0f} ms' if pause else '') +
                  f'; taking took {span:.2f} s; running again '
                  f'{1000 * back:.0f} ms after going back; a test drive ended in {1000 * end:.0f} ms' +
                  (f'; {bytes_taken / (1 << 20):.0f} MiB' if bytes_taken else ''), flush=True)
