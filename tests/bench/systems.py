# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole systems in machines, beside QEMU: how long they take to start, what they cost when idle, disk and network."""
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import threading
import time

from common import BUNSHIN, TOP, Process, bunshin_run, compare, guest, processor_clock, qemu, to_tcg

LOOP_COUNT = 40_000_000
LOOP_INSTRUCTIONS = 10.5 # the conditional increment runs every second pass
CONSOLE = 'console=ttyS0 quiet'
GUEST_RAM, TRANSLATIONS = '/memfd:RAM ', '/dev/zero ' # how their mappings are named in /proc


def bench_loop(arguments, work):
    """million instructions a second in an integer loop"""
    kernel = work / 'loop.elf'
    subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-N',
                    '-Wl,--no-warn-rwx-segments', '-Wl,-Ttext=0x100000', f'-DLOOP_COUNT={LOOP_COUNT}',
                    '-o', str(kernel), str(TOP / 'tests/bench/loop.S')], check=True)

    def speed(command):
        with Process(command) as process:
            first = process.expect(b'S', 120)
            last = process.expect(b'E', 1200)
        return (LOOP_COUNT * LOOP_INSTRUCTIONS / 1e6 / (last[1] - first[1]),)

    speeds = compare(arguments, speed,
                     lambda name: bunshin_run(name, '--nic', 'none', '--serial', 'stdio', '--debug-exit', '--memory', '64M',
                                              '--kernel', str(kernel)),
                     qemu('-serial', 'stdio', '-net', 'none', '-device', 'isa-debug-exit,iobase=0xf4,iosize=0x04',
                          '-m', '64M', '-kernel', str(kernel)))
    print('integer loop, million instructions a second of processor time: ' +
          ', '.join(f'{name} {value[0]:.0f}' for name, value in speeds.items()))


def print_boot(title, times):
    print(f'{title}, seconds (of processor time): ' +
          '; '.join(f'{name} {wall:.2f} ({processor:.2f}{to_tcg(times, name, 1)})'
                    for name, (wall, processor) in times.items()))


def seconds_to_init(command):
    with Process(command) as process:
        return process.expect(b'guest-ready', 3600)


def kernel_words(*append):
    return ['-kernel', guest('cloud/vmlinuz'), '-initrd', guest('cloud/initrd'), '-append', ' '.join((CONSOLE, *append))]


def ours(words):
    """QEMU's options with two dashes."""
    return ['-' + word if word.startswith('-') else word for word in words]


def bench_boot(arguments, work):
    """the cloud kernel from the start of the process to its first process, by direct boot"""
    print_boot('cloud kernel to init', compare(
        arguments, seconds_to_init,
        lambda name: bunshin_run(name, '--memory', '256M', '--nic', 'none', '--serial', 'stdio', *ours(kernel_words())),
        qemu('-m', '256M', '-net', 'none', '-serial', 'stdio', *kernel_words())))


def bench_grub(arguments, work):
    """the same through SeaBIOS and GRUB"""
    disc, image = work / 'disc', work / 'grub.iso'
    (disc / 'boot/grub').mkdir(parents=True)
    for name in ('vmlinuz', 'initrd'):
        shutil.copy(guest('cloud/' + name), disc / name)
    (disc / 'boot/grub/grub.cfg').write_text(
        f'set timeout=0\nmenuentry cloud {{ linux /vmlinuz {CONSOLE}\n initrd /initrd }}\n')
    subprocess.run(['grub-mkrescue', '-d', '/usr/lib/grub/i386-pc', '-o', str(image), str(disc)], check=True,
                   capture_output=True)
    print_boot('cloud kernel to init through SeaBIOS and GRUB', compare(
        arguments, seconds_to_init,
        lambda name: bunshin_run(name, '--memory', '256M', '--nic', 'none', '--serial', 'stdio', '--iso', str(image)),
        qemu('-m', '256M', '-net', 'none', '-serial', 'stdio', '-cdrom', str(image), '-boot', 'd')))


class Picture:
    """A screen: whether it was one of graphics with little black, as the installer's is; and a digest."""

    def __init__(self, path):
        result = subprocess.run(['convert', str(path), '-depth', '8', 'rgb:-'], capture_output=True, check=False)
        data = result.stdout
        self.digest = hashlib.sha256(data).digest()
        pixels = len(data) // 3
        dark = sum(1 for at in range(0, len(data) - 2, 3 * 61) if data[at] + data[at + 1] + data[at + 2] < 96)
        self.is_light = pixels > 0 and dark * 61 < 0.3 * pixels


def first_light(take, clock, timeout):
    """When the picture first was as it then stayed for 10 s, light: (seconds, processor seconds) by @clock, without
    what the taking of pictures cost."""
    seen, since, taken = None, None, 0
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        now = *clock(), taken
        path = take()
        taken += 1
        picture = Picture(path) if path else None
        if picture is None or not picture.is_light:
            seen = None
        elif seen is None or picture.digest != seen:
            seen, since = picture.digest, now
        elif now[0] - since[0] > 10:
            before = clock()[1]
            for _ in range(10):
                take()
            return since[0], since[1] - since[2] * (clock()[1] - before) / 10
        time.sleep(0.5)
    raise SystemExit(f'the graphical installer did not come in {timeout} s')


class Monitor:
    """QEMU's machine protocol, as far as screenshots need it."""

    def __init__(self, path, process):
        while not path.exists():
            time.sleep(0.02)
            if process.poll() is not None:
                raise SystemExit('QEMU ended')
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(path))
        self.file = self.socket.makefile('rw')
        self.file.readline()
        self.call('qmp_capabilities')

    def call(self, name, **arguments):
        self.file.write(json.dumps({'execute': name, 'arguments': arguments}) + '\n')
        self.file.flush()
        while True:
            answer = json.loads(self.file.readline())
            if 'return' in answer or 'error' in answer:
                return 'return' in answer

    def screenshot(self, path):
        return path if self.call('screendump', filename=str(path)) else None

    def close(self):
        self.file.close()
        self.socket.close()


def installer_in_qemu(command, work):
    path = work / 'qmp'
    start = time.monotonic()
    with Process([*command, '-qmp', f'unix:{path},server=on,wait=off']) as process:
        monitor = Monitor(path, process.child)
        try:
            return first_light(lambda: monitor.screenshot(work / 'screen.ppm'),
                               lambda: (time.monotonic() - start, processor_clock(process.child.pid)), 3600)
        finally:
            monitor.close()
            path.unlink(missing_ok=True)


def installer_in_bunshin(accelerator, iso, work):
    environment = dict(os.environ, BUNSHIN_HOME=str(work / 'installer'), XDG_RUNTIME_DIR=str(work / 'run'))
    (work / 'run').mkdir(mode=0o700, exist_ok=True)

    def bunshin(*words):
        return subprocess.run([BUNSHIN, *words], env=environment, capture_output=True, text=True, check=False)

    def take():
        return path if bunshin('screenshot', 'installer', str(path)).returncode == 0 else None

    path = work / 'screen.png'
    bunshin('create', 'installer', '--memory', '1G', '--disk', 'none', '--nic', 'none', '--accel', accelerator, '--iso', iso)
    uuid = json.loads(bunshin('show', 'installer', '--json').stdout)['uuid']
    with Process([BUNSHIN, 'machine', uuid, '--headless'], environment=environment) as process:
        try:
            return first_light(take, lambda: (time.monotonic() - process.start, processor_clock(process.child.pid)), 3600)
        finally:
            process.child.terminate()
            process.child.wait(60)
            bunshin('delete', 'installer')


def bench_installer(arguments, work):
    """the Debian installer from the start of the process to its graphical language screen"""
    iso = guest('debian-installer-12-amd64-gtk.iso')
    if not pathlib.Path(iso).exists():
        print('Debian installer: not fetched (sh tests/guest/fetch.sh installer)')
        return
    print_boot('Debian installer to the graphical language screen', compare(
        arguments, lambda run: run(),
        lambda name: lambda: installer_in_bunshin(name, iso, work),
        lambda: installer_in_qemu(qemu('-m', '1G', '-net', 'none', '-boot', 'd', '-drive',
                                       f'file={iso},media=cdrom,read-only=on,file.locking=off'), work)))


def bench_idle(arguments, work):
    """processor time of an idle guest"""
    seconds = 20

    def used(command):
        with Process(command) as process:
            process.expect(b'serial-shell-ready', 3600)
            time.sleep(5) # the guest's own start-up work dies down
            before = processor_clock(process.child.pid)
            time.sleep(seconds)
            return (processor_clock(process.child.pid) - before,)

    times = compare(arguments, used,
                    lambda name: bunshin_run(name, '--memory', '256M', '--serial', 'stdio', *ours(kernel_words())),
                    qemu('-m', '256M', '-serial', 'stdio', *kernel_words()))
    print(f'idle guest, processor seconds in {seconds} s: ' +
          ', '.join(f'{name} {value[0]:.3f}' for name, value in times.items()))


def resident(pid):
    """MiB of the process's memory that are not the guest's RAM: of the whole address space, but that mapping."""
    total, name = 0, ''
    for line in pathlib.Path(f'/proc/{pid}/smaps').read_text().splitlines():
        words = line.split()
        if not words[0].endswith(':'):
            name = ' '.join(words[5:])
        # Translated code is mapped twice; its proportional size is that of its pages.
        elif words[0] == ('Pss:' if name.startswith(TRANSLATIONS) else 'Rss:') and not name.startswith(GUEST_RAM):
            total += int(words[1])
    return total / 1024


def bench_memory(arguments, work):
    """resident memory beyond the guest's of a machine without a window"""
    def measure(command):
        with Process(command) as process:
            process.expect(b'serial-shell-ready', 3600)
            return (resident(process.child.pid),)

    values = compare(arguments, measure,
                     lambda name: bunshin_run(name, '--memory', '256M', '--serial', 'stdio', *ours(kernel_words())))
    print('headless machine, MiB resident beyond guest RAM: ' +
          ', '.join(f'{name} {value[0]:.0f}' for name, value in values.items()))


DEVICE_MIB = 256


class Server:
    """On the loopback: a file of zeros by HTTP, and a port that swallows what it is sent."""

    def __init__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header('Content-Length', str(DEVICE_MIB << 20))
                self.end_headers()
                block = bytes(1 << 20)
                for _ in range(DEVICE_MIB):
                    self.wfile.write(block)

            def log_message(self, *words):
                pass

        self.http = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self.http.daemon_threads = True
        self.sink = socket.create_server(('127.0.0.1', 0))
        self.http_port, self.sink_port = self.http.server_port, self.sink.getsockname()[1]
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        threading.Thread(target=self.swallow, daemon=True).start()

    def swallow(self):
        try:
            while True:
                connection, _ = self.sink.accept()
                with connection:
                    while connection.recv(1 << 20):
                        pass
        except OSError:
            return

    def close(self):
        self.http.shutdown()
        self.http.server_close()
        self.sink.close()


def transfers(command, steps, setup):
    """MiB a second of each of the shell commands in @steps, in the generic kernel's busybox."""
    results = []
    with Process(command, errors=subprocess.DEVNULL) as process:
        process.expect(b'serial-shell-ready', 3600)
        process.send(f'{setup}; echo begin-$((20 + 3))\n')
        process.expect(b'begin-23', 600)
        for step in steps:
            before = time.monotonic() - process.start
            process.send(f'{step} && echo done-$((20 + 3)) || echo failed-$((20 + 3))\n')
            wall, _ = process.expect(b'-23', 1800)
            if not process.output[:process.seen].endswith(b'done-23'):
                raise SystemExit(f'in the guest failed: {step}: {process.output[-300:]!r}')
            results.append(DEVICE_MIB / (wall - before))
    return tuple(results)


def print_transfers(title, words, values):
    print(f'{title}, MiB a second: ' +
          '; '.join(f'{name} ' + ', '.join(f'{word} {rate:.0f}' for word, rate in zip(words, rates))
                    for name, rates in values.items()))


def generic_words():
    return ['-kernel', guest('generic/vmlinuz'), '-initrd', guest('generic/initrd'), '-append', CONSOLE]


def bench_disk(arguments, work):
    """throughput of an IDE disk"""
    image = work / 'disk.raw'
    with open(image, 'wb') as file:
        for _ in range(DEVICE_MIB):
            file.write(os.urandom(1 << 20))
    steps = [f'dd if=/dev/sda of=/dev/null bs=1M count={DEVICE_MIB} iflag=direct 2>/dev/null',
             f'dd if=/dev/zero of=/dev/sda bs=1M count={DEVICE_MIB} oflag=direct conv=fsync 2>/dev/null']
    values = compare(arguments, lambda command: transfers(command, steps, 'while [ ! -b /dev/sda ]; do sleep 1; done'),
                     lambda name: bunshin_run(name, '--memory', '256M', '--nic', 'none', '--serial', 'stdio', '--writable',
                                              '--disk', str(image), *ours(generic_words())),
                     qemu('-m', '256M', '-net', 'none', '-serial', 'stdio', '-drive',
                          f'file={image},format=raw,if=ide,cache=writeback', *generic_words()))
    print_transfers('IDE disk', ('read', 'write'), values)


def bench_network(arguments, work):
    """throughput of e1000 through NAT"""
    server = Server()
    steps = [f'wget -q -O /dev/null http://10.0.2.2:{server.http_port}/',
             f'dd if=/dev/zero bs=1M count={DEVICE_MIB} 2>/dev/null | nc 10.0.2.2 {server.sink_port}']
    setup = ('while ! ip link set eth0 up 2>/dev/null; do sleep 1; done; ip addr add 10.0.2.15/24 dev eth0; '
             'while ! ping -c 1 10.0.2.2 >/dev/null; do sleep 1; done')
    try:
        values = compare(arguments, lambda command: transfers(command, steps, setup),
                         lambda name: bunshin_run(name, '--memory', '256M', '--nic', 'nat:host-access', '--serial',
                                                  'stdio', *ours(generic_words())),
                         qemu('-m', '256M', '-netdev', 'user,id=n', '-device', 'e1000,netdev=n', '-serial', 'stdio',
                              *generic_words()))
    finally:
        server.close()
    print_transfers('e1000 through NAT', ('received', 'sent'), values)
