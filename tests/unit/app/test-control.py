#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line on machines that run (their firmware is guest enough) and the process each has."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import stat
import subprocess
import time

from cli import BUNSHIN, cli, tap
from ports import free_port


@contextlib.contextmanager
def running(disk='none', start=()):
    with cli() as bunshin:
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', disk)
        bunshin.ok('start', 'guest', '--headless', *start)
        try:
            yield bunshin
        finally:
            bunshin.run('power-off', 'guest')


def state(bunshin, name='guest'):
    return json.loads(bunshin.ok('show', name, '--json'))['state']


def process_of(bunshin, name='guest'):
    folder = pathlib.Path(json.loads(bunshin.ok('show', name, '--json'))['folder'])
    return int((folder / 'lock').read_text().splitlines()[1])


def verbs():
    with running() as bunshin:
        assert state(bunshin) == 'running'
        bunshin.ok('wait', 'guest', '--state', 'running', '--timeout', '0')
        bunshin.refused(1, ['start', 'guest', '--headless'], 'guest', 'running already')
        bunshin.refused(1, ['delete', 'guest'], 'guest', 'running')
        bunshin.ok('pause', 'guest')
        assert state(bunshin) == 'paused'
        assert 'paused' in bunshin.ok('list')
        bunshin.refused(1, ['power-button', 'guest'], 'paused')
        bunshin.ok('resume', 'guest')
        assert state(bunshin) == 'running'
        bunshin.ok('reset', 'guest')
        info = json.loads(bunshin.ok('info', 'guest', '--json'))
        assert info['accel'] in ('kvm', 'jit') and info['memory'] == 32 << 20 and info['state'] == 'running', info
        assert info['screen-width'] > 0 and info['screen-height'] > 0, info
        assert f'accel: {info["accel"]}\n' in bunshin.ok('info', 'guest')
        bunshin.ok('power-off', 'guest')
        assert state(bunshin) == 'powered-off'
        bunshin.refused(1, ['power-off', 'guest'], 'powered off')
        bunshin.ok('start', 'guest', '--headless')
        assert state(bunshin) == 'running'


def screen_and_keys():
    with running() as bunshin:
        path = bunshin.folder / 's.png'
        bunshin.ok('screenshot', 'guest', 's.png')
        assert path.read_bytes().startswith(b'\x89PNG'), path.read_bytes()[:8]
        bunshin.refused(1, ['screenshot', 'guest', '/nowhere/s.png'], '/nowhere')
        bunshin.ok('type', 'guest', 'Hello\n')
        bunshin.ok('key', 'guest', 'ctrl-alt-f1')
        bunshin.ok('mouse', 'guest', '10', '10', 'click')
        bunshin.refused(2, ['mouse', 'guest', '9000', '10'], 'outside')


def media():
    with cli() as bunshin:
        iso, other = bunshin.file('one.iso'), bunshin.file('two.iso')
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none', '--iso', iso)
        bunshin.ok('start', 'guest', '--headless')
        try:
            def inserted():
                return json.loads(bunshin.ok('show', 'guest', '--json'))['drives'][0]['path']
            bunshin.ok('set', 'guest', 'iso=none')
            assert inserted() is None
            bunshin.ok('set', 'guest', 'iso=two.iso', 'description=live')
            assert inserted() == other
            bunshin.refused(1, ['set', 'guest', 'iso=/nowhere/a.iso'], '/nowhere/a.iso')
            assert inserted() == other
            bunshin.refused(1, ['set', 'guest', 'memory=64M'], 'memory', 'powered off')
            bunshin.refused(1, ['set', 'guest', 'floppy=one.iso'], 'floppy', 'powered off')
            bunshin.refused(2, ['set', 'guest', 'colour=red'], 'colour')
            bunshin.ok('set', 'guest', 'nic1-cable=off')
            shown = json.loads(bunshin.ok('show', 'guest', '--json'))
            assert shown['description'] == 'live' and shown['adapters'][0]['cable'] is False, shown
        finally:
            bunshin.ok('power-off', 'guest')
        assert json.loads(bunshin.ok('show', 'guest', '--json'))['drives'][0]['path'] == other


def disks():
    """Disks come and go, and discs change, on controllers that can tell the guest."""
    with cli() as bunshin:
        iso, disk, other = bunshin.file('one.iso'), bunshin.file('disk.raw'), bunshin.file('other.raw')
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none', '--controller', 'ahci')
        bunshin.ok('set', 'guest', 'scsi0=cdrom')
        bunshin.ok('start', 'guest', '--headless')

        def drives():
            return {drive['slot']: (drive['path'], drive['format'])
                    for drive in json.loads(bunshin.ok('show', 'guest', '--json'))['drives']}
        try:
            for controller in ('ahci', 'scsi'):
                bunshin.ok('set', 'guest', f'{controller}3=disk.raw', f'description={controller}')
                assert drives()[f'{controller}3'] == (disk, 'raw'), drives()
                bunshin.refused(1, ['set', 'guest', f'{controller}3=other.raw'], f'{controller}3', 'already')
                bunshin.refused(1, ['set', 'guest', f'{controller}4=disk.raw'], 'disk.raw', 'in use')
                bunshin.ok('set', 'guest', f'{controller}3=none')
                assert f'{controller}3' not in drives()
                bunshin.refused(1, ['set', 'guest', f'{controller}3=none'], f'{controller}3')
            bunshin.ok('set', 'guest', 'scsi0=cdrom:one.iso')
            assert drives()['scsi0'][0] == iso
            bunshin.ok('set', 'guest', 'scsi0=cdrom')
            assert drives()['scsi0'][0] is None
            bunshin.refused(1, ['set', 'guest', 'scsi0=none'], 'scsi0', 'powered off')
            bunshin.refused(1, ['set', 'guest', 'ide0=other.raw'], 'ide0', 'powered off')
            bunshin.ok('set', 'guest', 'ahci0=other.raw')
        finally:
            bunshin.ok('power-off', 'guest')
        assert drives()['ahci0'] == (other, 'raw')
    with cli() as bunshin:
        bunshin.file('disk.raw')
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none')
        bunshin.ok('start', 'guest', '--headless')
        try:
            bunshin.refused(1, ['set', 'guest', 'ahci0=disk.raw'], 'ahci0', 'without')
        finally:
            bunshin.ok('power-off', 'guest')


def forwards():
    with running() as bunshin:
        port = free_port()
        bunshin.ok('forward', 'guest', 'add', f'tcp:{port}:22')
        with socket.create_connection(('127.0.0.1', port), timeout=10):
            pass
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            number = taken.getsockname()[1]
            bunshin.refused(1, ['forward', 'guest', 'add', f'tcp:{number}:22'], str(number))
        assert bunshin.ok('forward', 'guest', 'list') == f'nic1  tcp:{port}:22\n'
        bunshin.ok('forward', 'guest', 'remove', f'tcp:{port}:22')
        with socket.socket() as probe:
            assert probe.connect_ex(('127.0.0.1', port)) != 0
        # A machine whose forward's port is taken does not start, and says why.
        bunshin.ok('power-off', 'guest')
        with socket.socket() as taken:
            taken.bind(('127.0.0.1', 0))
            taken.listen()
            number = taken.getsockname()[1]
            bunshin.ok('forward', 'guest', 'add', f'tcp:{number}:22')
            bunshin.refused(1, ['start', 'guest', '--headless'], str(number))
        assert state(bunshin) == 'powered-off'


def clone_forwards():
    """A clone has the forwards of its original: while one has the port, the other does not start, and says which it is."""
    with running() as bunshin:
        port = free_port()
        bunshin.ok('power-off', 'guest')
        bunshin.ok('forward', 'guest', 'add', f'tcp:{port}:22')
        bunshin.ok('clone', 'guest', 'copy')
        assert bunshin.ok('forward', 'copy', 'list') == f'nic1  tcp:{port}:22\n'
        for one, other in (('guest', 'copy'), ('copy', 'guest')):
            bunshin.ok('start', one, '--headless')
            try:
                bunshin.refused(1, ['start', other, '--headless'], f'TCP port {port}', 'in use')
                assert state(bunshin, other) == 'powered-off'
            finally:
                bunshin.ok('power-off', one)


def start_refused():
    with cli() as bunshin:
        iso = bunshin.file('one.iso')
        disk = str(bunshin.folder / 'shared.vdi')
        bunshin.ok('disk', 'create', disk, '--size', '16M')
        bunshin.ok('create', 'a', '--memory', '32M', '--attach', disk, '--iso', iso)
        bunshin.ok('create', 'b', '--memory', '32M', '--attach', disk)
        bunshin.refused(1, ['start', 'a'], 'display')
        bunshin.refused(1, ['start', 'nobody'], 'nobody')
        bunshin.ok('start', 'a', '--headless')
        try:
            bunshin.refused(1, ['start', 'b', '--headless'], 'shared.vdi', 'in use')
        finally:
            bunshin.ok('power-off', 'a')
        os.unlink(iso)
        bunshin.refused(1, ['start', 'a', '--headless'], 'one.iso', 'No such file')
        bunshin.refused(1, ['start', 'b', '--headless', '--serial', '/nowhere/log'], '/nowhere/log')
        assert 'running' not in bunshin.ok('list')


def trusted_chain():
    """An image may name a file anywhere; only the machine's owner has it opened."""
    with cli() as bunshin:
        base, top = bunshin.folder / 'base.vdi', bunshin.folder / 'other' / 'top.qcow2'
        os.mkdir(top.parent)
        bunshin.ok('disk', 'create', str(base), '--size', '16M')
        bunshin.ok('disk', 'create', str(top), '--backing', str(base))
        bunshin.ok('create', 'a', '--memory', '32M', '--attach', str(top))
        bunshin.refused(1, ['start', 'a', '--headless'], 'top.qcow2', 'base.vdi', 'bunshin set a ide0-trust=on')
        bunshin.ok('set', 'a', 'ide0-trust=on', 'ide0-cache=none')
        assert f'ide0: disk {top} (qcow2), cache none, trusted\n' in bunshin.ok('show', 'a')
        # What a killed verb left beside the disk is dealt with before the machine writes to it.
        os.mkdir(top.parent / '.top.qcow2.bunshin-new')
        result = bunshin.run('start', 'a', '--headless')
        assert result.returncode == 0 and 'interrupted run had left' in result.stderr, result.stderr
        assert os.listdir(top.parent) == ['top.qcow2']
        try:
            assert json.loads(bunshin.ok('show', 'a', '--json'))['drives'][0]['trust'] is True
            folder = f'/proc/{process_of(bunshin, "a")}'
            opened = {}
            for entry in os.listdir(f'{folder}/fd'):
                opened.setdefault(os.readlink(f'{folder}/fd/{entry}'), []).append(
                    int(open(f'{folder}/fdinfo/{entry}').read().split('flags:')[1].split()[0], 8))
            for path in (base, top):
                # A file system without direct access serves from its cache.
                assert str(path) in opened, opened
                if can_open_direct(path):
                    assert any(flags & os.O_DIRECT for flags in opened[str(path)]), opened
        finally:
            bunshin.ok('power-off', 'a')


def can_open_direct(path):
    try:
        os.close(os.open(path, os.O_RDONLY | os.O_DIRECT))
        return True
    except OSError:
        return False


def no_room_for_memory():
    """A library that came from a larger computer."""
    if not shutil.which('sqlite3'):
        raise tap.Skip('there is no sqlite3')
    with cli() as bunshin:
        bunshin.ok('create', 'a', '--memory', '32M', '--disk', 'none')
        subprocess.run(['sqlite3', bunshin.home / 'bunshin.db', 'UPDATE machine SET memory = 1 << 50'], check=True)
        bunshin.refused(1, ['start', 'a', '--headless'], '1073741824 MiB', 'this computer')
        bunshin.ok('set', 'a', 'memory=32M')
        bunshin.ok('start', 'a', '--headless')
        bunshin.ok('power-off', 'a')


def no_kvm():
    """Where there is no /dev/kvm, that is said, and machines run all the same."""
    with cli() as bunshin:
        command = [BUNSHIN]
        if os.path.exists('/dev/kvm'):
            (bunshin.folder / 'dev').mkdir()
            hide = """mount -t tmpfs none "$1" && mkdir "$1/shm" && for n in null zero full random urandom; do
                touch "$1/$n" && mount --bind "/dev/$n" "$1/$n" || exit; done && mount --rbind "$1" /dev && shift && exec "$@" """
            command = ['unshare', '--map-root-user', '--mount', 'sh', '-c', hide, 'sh', str(bunshin.folder / 'dev'), BUNSHIN]
            if subprocess.run([*command[:-1], 'true'], capture_output=True).returncode != 0:
                raise tap.Skip('mounts are not to be had')

        def run(*words):
            return subprocess.run([*command, 'run', '--headless', '--memory', '32M', '--timeout', '1', *words],
                                  env=bunshin.environment, cwd=bunshin.folder, capture_output=True, text=True, timeout=120)
        result = run('--accel', 'kvm')
        assert result.returncode == 1 and '/dev/kvm: No such file' in result.stderr, result
        assert len(result.stderr.splitlines()) == 1, result
        result = run('--info', 'i.json')
        assert result.returncode == 124, result
        figures = json.loads((bunshin.folder / 'i.json').read_text())
        assert figures['accel'] == 'jit' and 'no /dev/kvm' in figures['accel-reason'], figures


def killed():
    with running(disk='16M') as bunshin:
        os.kill(process_of(bunshin), signal.SIGKILL)
        bunshin.ok('wait', 'guest', '--state', 'powered-off', '--timeout', '20')
        bunshin.ok('start', 'guest', '--headless')
        assert state(bunshin) == 'running'
        os.kill(process_of(bunshin), signal.SIGTERM)
        bunshin.ok('wait', 'guest', '--state', 'powered-off', '--timeout', '20')


def private_socket():
    with running() as bunshin:
        path = next((bunshin.folder / 'run' / 'bunshin').iterdir())
        info = path.stat()
        assert stat.S_ISSOCK(info.st_mode) and info.st_mode & 0o777 == 0o600, oct(info.st_mode)
        assert path.parent.stat().st_mode & 0o777 == 0o700
        # A peer that does not even say who it is gets nothing.
        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(str(path))
            peer.sendall(b'\0AUTH ANONYMOUS\r\n')
            peer.settimeout(10)
            assert peer.recv(100).startswith(b'REJECTED')
        # Another place for sockets does not hide the machine.
        bunshin.environment['XDG_RUNTIME_DIR'] = str(bunshin.folder / 'elsewhere')
        bunshin.ok('pause', 'guest')
        bunshin.ok('power-off', 'guest')
        assert not path.exists()


def serial_terminal():
    with running(start=('--serial', 'pty')) as bunshin:
        notice = json.loads(bunshin.ok('info', 'guest', '--json'))['serial']
        assert notice.startswith('serial port: /dev/pts/'), notice
        assert stat.S_ISCHR(os.stat(notice.split(': ')[1]).st_mode)


def run_ends():
    with cli() as bunshin:
        start = time.monotonic()
        result = bunshin.run('run', '--headless', '--memory', '32M', '--timeout', '1', '--screenshot', 's.png')
        assert result.returncode == 124 and result.stderr == '', result
        assert time.monotonic() - start >= 1
        assert (bunshin.folder / 's.png').read_bytes().startswith(b'\x89PNG')
        result = bunshin.run('run', '--headless', '--accel', 'jit', '--memory', '32M', '--timeout', '2', '--info', 'i.json')
        assert result.returncode == 124 and result.stderr == '', result
        figures = json.loads((bunshin.folder / 'i.json').read_text())
        assert figures['accel'] == 'jit' and figures['translated'] > 0 and figures['code-bytes'] > 0, figures
        counts = list(figures['interpreted'].values())
        assert counts and counts == sorted(counts, reverse=True), figures
        # The firmware's first words show that the machine runs.
        process = subprocess.Popen([BUNSHIN, 'run', '--headless', '--memory', '32M', '--serial', 'unix:s.sock', '--debugcon',
                                    'log'], env=bunshin.environment, cwd=bunshin.folder)
        log, end = bunshin.folder / 'log', time.monotonic() + 60
        while not (log.exists() and 'SeaBIOS' in log.read_text()) and time.monotonic() < end:
            time.sleep(0.01)
        assert (bunshin.folder / 's.sock').exists()
        process.terminate()
        assert process.wait(30) == 0
        assert not (bunshin.folder / 's.sock').exists()
        assert 'SeaBIOS' in log.read_text()


if __name__ == '__main__':
    tap.run([(function.__name__.replace('_', '-'), function) for function in (
        verbs, screen_and_keys, media, disks, forwards, clone_forwards, start_refused, trusted_chain, no_room_for_memory, no_kvm, killed, private_socket, serial_terminal, run_ends)])
