#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Disks on servers: what nbdkit exports by NBD and tgt by iSCSI, read, written, refused, and through a server's death."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / 'unit' / 'app'))
from cli import cli, tap  # noqa: E402
from ports import free_port  # noqa: E402

HELPER = os.environ['REMOTE_HELPER']
SIZE = 48 << 20
TARGET = 'iqn.2026-11.org.bunshin:test'
USER, PASSWORD = 'joe', 'correct-horse'


def fill(path):
    rand = random.Random(11)
    with open(path, 'wb') as file:
        file.truncate(SIZE)
        for _ in range(40):
            file.seek(rand.randrange((SIZE - 400000) // 512) * 512)
            file.write(rand.randbytes(rand.randrange(1, 400000)))
        file.seek(SIZE - 512)
        file.write(b'\xee' * 512)


def wait_for_port(port, process):
    deadline = time.monotonic() + 20
    while True:
        assert process.poll() is None, f'the server ended with {process.returncode}'
        with socket.socket() as sock:
            if sock.connect_ex(('127.0.0.1', port)) == 0:
                return
        assert time.monotonic() < deadline, 'the server does not listen'
        time.sleep(0.05)


class Nbd:
    """nbdkit with one file; words are more of its arguments."""
    def __init__(self, path, *words, port=None):
        if not shutil.which('nbdkit'):
            raise tap.Skip('nbdkit is not installed')
        self.path, self.words, self.port = path, words, port or free_port()
        self.start()

    def start(self):
        self.process = subprocess.Popen(['nbdkit', '--foreground', '--exit-with-parent', '-i', '127.0.0.1', '-p', str(self.port),
                                         *self.words, 'file', str(self.path)], stderr=subprocess.DEVNULL)
        wait_for_port(self.port, self.process)

    def kill(self):
        self.process.kill()
        self.process.wait()

    @property
    def url(self):
        return f'nbd://127.0.0.1:{self.port}'


def make_certificates(folder):
    """An authority's, ca-cert.pem, and by it one of the server “localhost”, as nbdkit wants them named."""
    def openssl(*words):
        subprocess.run(['openssl', *words], cwd=folder, check=True, capture_output=True, timeout=60)
    folder.mkdir()
    key = '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'
    openssl('req', '-x509', *key, '-days', '2', '-subj', '/CN=authority', '-keyout', 'ca-key.pem', '-out', 'ca-cert.pem')
    openssl('req', *key, '-subj', '/CN=localhost', '-keyout', 'server-key.pem', '-out', 'request.pem')
    (folder / 'names').write_text('subjectAltName=DNS:localhost')
    openssl('x509', '-req', '-in', 'request.pem', '-CA', 'ca-cert.pem', '-CAkey', 'ca-key.pem', '-CAcreateserial', '-days', '2',
            '-extfile', 'names', '-out', 'server-cert.pem')


class Tgt:
    """tgtd with one file as logical unit 1 of a target that wants CHAP, and read-only as unit 2."""
    def __init__(self, path):
        tgtd = shutil.which('tgtd') or shutil.which('tgtd', path='/usr/sbin')
        if not tgtd:
            raise tap.Skip('tgt is not installed')
        if os.geteuid() != 0:
            raise tap.Skip('tgtd needs root')
        self.tgtd, self.path, self.port = tgtd, path, free_port()
        self.control = str(self.port % 30000)
        self.start()

    def admin(self, *words):
        subprocess.run([self.tgtd.replace('tgtd', 'tgtadm'), '-C', self.control, '--lld', 'iscsi', *words], check=True, timeout=20)

    def start(self):
        self.process = subprocess.Popen([self.tgtd, '-f', '-C', self.control, '--iscsi', f'portal=127.0.0.1:{self.port}'],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for_port(self.port, self.process)
            self.admin('--op', 'new', '--mode', 'target', '--tid', '1', '-T', TARGET)
            for unit in '1', '2':
                self.admin('--op', 'new', '--mode', 'logicalunit', '--tid', '1', '--lun', unit, '-b', str(self.path))
            self.admin('--op', 'update', '--mode', 'logicalunit', '--tid', '1', '--lun', '2', '--params', 'readonly=1')
            self.admin('--op', 'bind', '--mode', 'target', '--tid', '1', '-I', 'ALL')
            self.admin('--op', 'new', '--mode', 'account', '--user', USER, '--password', PASSWORD)
            self.admin('--op', 'bind', '--mode', 'account', '--tid', '1', '--user', USER)
        except Exception:
            self.kill()
            raise

    def kill(self):
        self.process.kill()
        self.process.wait()

    def address(self, user=f'{USER}%{PASSWORD}', unit=1):
        return f'iscsi://{user + "@" if user else ""}127.0.0.1:{self.port}/{TARGET}/{unit}'

    @property
    def url(self):
        return self.address()


@contextlib.contextmanager
def served(kind, *words):
    with cli() as bunshin:
        path = bunshin.folder / 'disk.raw'
        fill(path)
        server = kind(path, *words)
        try:
            yield bunshin, server
        finally:
            server.kill()


def same(bunshin, url):
    info = json.loads(bunshin.ok('disk', 'info', url, '--json'))
    assert (info['size'], info['variant']) == (SIZE, 'remote'), info
    bunshin.ok('disk', 'convert', url, 'copy.qcow2')
    assert 'hold the same' in bunshin.ok('disk', 'compare', 'copy.qcow2', 'disk.raw')
    bunshin.refused(1, ['disk', 'resize', url, '64M'], 'cannot')


def nbd_same():
    with served(Nbd) as (bunshin, server):
        same(bunshin, server.url)
        # Only what holds something was fetched and kept.
        assert json.loads(bunshin.ok('disk', 'info', 'copy.qcow2', '--json'))['allocated'] < SIZE * 3 // 4


def nbd_unix():
    with cli() as bunshin:
        fill(bunshin.folder / 'disk.raw')
        name = bunshin.folder / 'socket'
        process = subprocess.Popen(['nbdkit', '--foreground', '--exit-with-parent', '-U', str(name), '-e', 'x', 'file',
                                    str(bunshin.folder / 'disk.raw')]) if shutil.which('nbdkit') else None
        if not process:
            raise tap.Skip('nbdkit is not installed')
        try:
            deadline = time.monotonic() + 20
            while not name.exists():
                assert time.monotonic() < deadline
                time.sleep(0.05)
            same(bunshin, f'nbd+unix:///x?socket={name}')
        finally:
            process.kill()
            process.wait()


def nbd_encrypted():
    with cli() as bunshin:
        fill(bunshin.folder / 'disk.raw')
        theirs, others = bunshin.folder / 'theirs', bunshin.folder / 'others'
        make_certificates(theirs)
        make_certificates(others)
        server = Nbd(bunshin.folder / 'disk.raw', '--tls=require', f'--tls-certificates={theirs}')
        url = f'nbds://localhost:{server.port}'
        try:
            bunshin.environment['SSL_CERT_FILE'] = str(theirs / 'ca-cert.pem')
            same(bunshin, url)
            # Neither one who goes by another name nor whom nobody known vouches for.
            bunshin.refused(1, ['disk', 'info', f'nbds://127.0.0.1:{server.port}'], 'certificate')
            bunshin.environment['SSL_CERT_FILE'] = str(others / 'ca-cert.pem')
            bunshin.refused(1, ['disk', 'info', url], 'certificate')
            del bunshin.environment['SSL_CERT_FILE']
            bunshin.refused(1, ['disk', 'info', url], 'certificate')
            bunshin.refused(1, ['disk', 'info', server.url], 'TLS')
        finally:
            server.kill()


def iscsi_same():
    with served(Tgt) as (bunshin, server):
        same(bunshin, server.url)


def work(server, *words):
    """Runs the helper: it writes and checks through the block layer."""
    result = subprocess.run([HELPER, server.url, *words], capture_output=True, encoding='utf-8', timeout=100)
    assert result.returncode == 0, result.stdout + result.stderr


def writes(kind):
    with served(kind) as (bunshin, server):
        work(server, 'write')
        assert 'hold the same' in bunshin.ok('disk', 'compare', server.url, 'disk.raw')


def go_on(process, line):
    """Answers stalls until all was written and found the same: each request that was under way may say so once."""
    while line.startswith('stalled: '):
        process.stdin.write('go on\n')
        process.stdin.flush()
        line = process.stdout.readline()
    assert line == 'the same\n', line
    assert process.wait(60) == 0


@contextlib.contextmanager
def killed_while_written(kind):
    with served(kind) as (_, server):
        process = subprocess.Popen([HELPER, server.url, 'survive'], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding='utf-8')
        try:
            assert process.stdout.readline() == 'writing\n'
            time.sleep(0.2)
            server.kill()
            yield server, process
        finally:
            process.kill()
            process.wait()


def dies(kind):
    """The server is killed while it is written to, and comes back when that was noticed: nothing is lost."""
    with killed_while_written(kind) as (server, process):
        # The disk stalls, and says whose fault it is.
        line = process.stdout.readline()
        assert line.startswith('stalled: ') and '127.0.0.1' in line and PASSWORD not in line, line
        server.start()
        go_on(process, line)


def comes_back(kind):
    """The server is back at once: on a computer that is not too busy nobody notices."""
    with killed_while_written(kind) as (server, process):
        server.start()
        go_on(process, process.stdout.readline())


def silent():
    """A server that takes connections and says nothing is given up."""
    with socket.socket() as sock, cli() as bunshin:
        sock.bind(('127.0.0.1', 0))
        sock.listen()
        port = sock.getsockname()[1]
        for url in f'nbd://127.0.0.1:{port}', f'iscsi://127.0.0.1:{port}/{TARGET}/1':
            begin = time.monotonic()
            bunshin.refused(1, ['disk', 'info', url], 'does not answer')
            assert time.monotonic() - begin < 30


def nbd_read_only():
    with served(Nbd, '-r') as (bunshin, server):
        same(bunshin, server.url)
        result = subprocess.run([HELPER, server.url, 'write'], capture_output=True, encoding='utf-8', timeout=60)
        assert result.returncode == 1 and 'only lets it be read' in result.stderr, result.stderr


def iscsi_read_only():
    with served(Tgt) as (bunshin, server):
        url = server.address(unit=2)
        assert 'hold the same' in bunshin.ok('disk', 'compare', url, 'disk.raw')
        result = subprocess.run([HELPER, url, 'write'], capture_output=True, encoding='utf-8', timeout=60)
        assert result.returncode == 1 and 'only lets it be read' in result.stderr, result.stderr


def chap():
    with served(Tgt) as (bunshin, server):
        bunshin.ok('disk', 'info', server.url)
        for user in '', f'{USER}%wrong-horse-12', f'jane%{PASSWORD}':
            result = bunshin.run('disk', 'info', server.address(user))
            assert result.returncode == 1 and 'uthentication' in result.stderr, result.stderr
            assert 'wrong-horse' not in result.stderr and PASSWORD not in result.stderr
        bunshin.refused(1, ['disk', 'info', f'iscsi://127.0.0.1:{server.port}/nothing'], 'the address must be')


def no_secrets():
    """A machine that has the disk tells of it without the password."""
    with served(Tgt) as (bunshin, server):
        bunshin.ok('create', 'remote', '--disk', 'none', '--memory', '64M', '--attach', server.url)
        for words in ['show', 'remote'], ['show', 'remote', '--json'], ['disk', 'info', server.url]:
            text = bunshin.ok(*words)
            assert server.address('') in text and PASSWORD not in text, text


tap.run([
    ('nbd-same', nbd_same),
    ('nbd-unix', nbd_unix),
    ('nbd-encrypted', nbd_encrypted),
    ('nbd-writes', lambda: writes(Nbd)),
    ('nbd-read-only', nbd_read_only),
    ('nbd-dies', lambda: dies(Nbd)),
    ('nbd-comes-back', lambda: comes_back(Nbd)),
    ('iscsi-same', iscsi_same),
    ('iscsi-writes', lambda: writes(Tgt)),
    ('iscsi-read-only', iscsi_read_only),
    ('iscsi-dies', lambda: dies(Tgt)),
    ('iscsi-comes-back', lambda: comes_back(Tgt)),
    ('chap', chap),
    ('no-secrets', no_secrets),
    ('silent', silent),
])
