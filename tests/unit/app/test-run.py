#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throw-away machines: every option that leads into the guest or out of it, with a guest that uses them all."""
import json
import os
import pathlib
import socket
import subprocess
import time

from cli import BUNSHIN, cli, tap

HERE = pathlib.Path(__file__).resolve().parent
TIMEOUT = 100
VALUE, DONE = 2, 5 # what the probe leaves with, and the status that is to come of it


def probe(folder, value):
    """The floppy of probe.S, which leaves with the value."""
    target, floppy = folder / f'probe-{value}.elf', folder / f'probe-{value}.img'
    subprocess.run(['gcc', '-m32', '-nostdlib', '-static', '-no-pie', '-Wl,--build-id=none', '-Wl,-Ttext=0x7c00',
                    f'-DVALUE={value}', '-o', target, HERE / 'probe.S'], check=True)
    subprocess.run(['objcopy', '-O', 'binary', '-j', '.text', target, floppy], check=True)
    with open(floppy, 'r+b') as file:
        file.truncate(1474560)
    return str(floppy)


def run(bunshin, *words, value=VALUE, typed='typed\\n@0.5'):
    """Runs the probe. The firmware drops keys that come too early: an Enter comes again until the guest has had one."""
    first = int(float(typed.split('@')[1])) + 2
    again = [word for second in range(first, TIMEOUT, 2) for word in ('--type', f'\\n@{second}')]
    return bunshin.run('run', '--headless', '--memory', '32M', '--nic', 'none', '--floppy', probe(bunshin.folder, value),
                       '--debug-exit', '--timeout', str(TIMEOUT), '--type', typed, *again, *words)


def exit_status():
    with cli() as bunshin:
        for value in (0, 1, 0x15, 0x7f):
            result = run(bunshin, value=value)
            assert result.returncode == (value << 1 | 1) and result.stderr == '', result


def logs_and_screenshots():
    with cli() as bunshin:
        result = run(bunshin, '--debugcon', 'debug.log', '--serial', 'serial.log', '--screenshot', 'a.txt', '--screenshot', 'b.png',
                     '--screenshot=c.txt')
        assert result.returncode == DONE and result.stdout == '', result
        log = (bunshin.folder / 'debug.log').read_text()
        assert 'SeaBIOS' in log and 'words for the debugger\n' in log, log
        assert 'post 5a' in log.splitlines(), log
        assert (bunshin.folder / 'serial.log').read_bytes().startswith(b'words on the line\r\n')
        screen = (bunshin.folder / 'a.txt').read_text()
        assert 'words on the screen\n' in screen and (bunshin.folder / 'c.txt').read_text() == screen, screen
        assert len(screen.splitlines()) == 25, screen
        assert (bunshin.folder / 'b.png').read_bytes().startswith(b'\x89PNG')
        result = bunshin.run('run', '--headless', '--memory', '32M', '--timeout', '1', '--debugcon', '/nowhere/log')
        assert result.returncode == 1 and '/nowhere/log' in result.stderr, result


def serial_on_this_terminal():
    with cli() as bunshin:
        result = run(bunshin, '--serial', 'stdio')
        assert result.returncode == DONE and result.stdout.startswith('words on the line\n'), result


def serial_socket():
    with cli() as bunshin:
        path = bunshin.folder / 'line'
        process = subprocess.Popen([BUNSHIN, 'run', '--headless', '--memory', '32M', '--nic', 'none', '--floppy',
                                    probe(bunshin.folder, 3), '--debug-exit', '--timeout', str(TIMEOUT), '--serial',
                                    f'unix:{path}', *[word for second in range(1, TIMEOUT, 2) for word in ('--type', f'ab\\n@{second}')]],
                                   env=bunshin.environment, cwd=bunshin.folder)
        end = time.monotonic() + TIMEOUT
        with socket.socket(socket.AF_UNIX) as line:
            while True:
                try:
                    line.connect(str(path))
                    break
                except (FileNotFoundError, ConnectionRefusedError):
                    assert time.monotonic() < end
                    time.sleep(0.01)
            line.settimeout(TIMEOUT)
            said = b''
            while data := line.recv(4096):
                said += data
        assert said.startswith(b'words on the line\r\n') and said.endswith(b'\r'), said
        assert process.wait(30) == 3 << 1 | 1


def typing_waits():
    """Each text is typed once, when its time has come."""
    with cli() as bunshin:
        # A busy computer may not have the firmware up in time; then it has had the keys.
        for second in (2, 10, 30):
            start = time.monotonic()
            result = run(bunshin, '--serial', 'stdio', '--type', f'Words!@{second}', typed=f'\\n@{2 * second + 1}')
            assert result.returncode == DONE, result
            if 'Words!' in result.stdout:
                break
        assert result.stdout == 'words on the line\nWords!\n', result
        assert time.monotonic() - start >= 2 * second + 1


def disks_keep_what_they_have():
    with cli() as bunshin:
        bunshin.ok('disk', 'create', 'd.img', '--size', '4M', '--format', 'raw')
        path = bunshin.folder / 'd.img'
        assert run(bunshin, '--disk', 'd.img', '--controller', 'ide').returncode == DONE
        assert not any(path.read_bytes()), 'changes were not discarded'
        bunshin.refused(2, ['run', '--headless', '--disk', 'd.img', '--controller', 'sas'], 'sas', 'ahci')
        assert run(bunshin, '--disk', 'd.img', '--writable').returncode == DONE
        assert path.read_bytes().startswith(b'words on the disk')
        assert not bunshin.home.exists()


def figures():
    with cli() as bunshin:
        for accel in ('interp', 'jit'):
            result = run(bunshin, '--accel', accel, '--cpu-model', 'x86-64-v2', '--cpus', '2', '--info', 'i.json')
            assert result.returncode == DONE, result
            assert json.loads((bunshin.folder / 'i.json').read_text())['accel'] == accel
        bunshin.refused(1, ['run', '--headless', '--cpu-model', 'abacus'], 'abacus', 'x86-64-v2')


def serial_of_library_machines():
    """`start` has the same line: a file, a socket, and this terminal, where it lasts until the machine's end."""
    with cli() as bunshin:
        bunshin.ok('create', 'guest', '--memory', '32M', '--disk', 'none', '--nic', 'none', '--floppy', probe(bunshin.folder, VALUE))
        bunshin.ok('set', 'guest', 'boot=floppy')

        def wait_for(condition):
            end = time.monotonic() + TIMEOUT
            while not condition():
                assert time.monotonic() < end
                time.sleep(0.05)
        log = bunshin.folder / 'serial.log'
        bunshin.ok('start', 'guest', '--headless', '--serial', 'serial.log')
        wait_for(lambda: log.read_bytes().startswith(b'words on the line\r\n'))
        bunshin.ok('type', 'guest', 'Typed')
        wait_for(lambda: log.read_bytes().endswith(b'Typed'))
        bunshin.ok('key', 'guest', 'shift-x')
        wait_for(lambda: log.read_bytes().endswith(b'TypedX'))
        bunshin.ok('screenshot', 'guest', 's.txt')
        assert 'words on the screen\n' in (bunshin.folder / 's.txt').read_text()
        bunshin.ok('power-off', 'guest')
        process = subprocess.Popen([BUNSHIN, 'start', 'guest', '--headless', '--serial', 'stdio'], env=bunshin.environment,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        assert process.stdout.readline() == b'words on the line\r\n'
        assert process.poll() is None
        bunshin.ok('power-off', 'guest')
        assert process.wait(30) == 0
        result = subprocess.run([BUNSHIN, 'start', 'guest', '--headless', '--serial', 'pty'], env=bunshin.environment, cwd=bunshin.folder,
                                capture_output=True, text=True, check=True)
        name = result.stdout.split(': ')[1].strip()
        terminal = os.open(name, os.O_RDWR | os.O_NOCTTY)
        try:
            said = b''
            while b'words on the line' not in said:
                said += os.read(terminal, 4096)
        finally:
            os.close(terminal)
        bunshin.ok('power-off', 'guest')


if __name__ == '__main__':
    tap.run([(function.__name__.replace('_', '-'), function) for function in (
        exit_status, logs_and_screenshots, serial_on_this_terminal, serial_socket, typing_waits, disks_keep_what_they_have, figures,
        serial_of_library_machines)])
