# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives machines through the command line, as a user's script would: start, look at the screen, type, wait."""
import contextlib
import http.server
import os
import pathlib
import re
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import ocr  # noqa: E402
import tap  # noqa: E402

BUNSHIN = os.environ['BUNSHIN_EXE']
# The accelerator of every machine here: interp, jit or auto.
ACCEL = os.environ.get('BUNSHIN_TEST_ACCEL', 'auto')


def guest_file(name):
    """A file of tests/guest/fetch.sh's cache; the test is skipped without it."""
    folder = os.environ.get('BUNSHIN_GUESTS')
    if not folder:
        raise tap.Skip('the guests were not fetched (sh tests/run.sh guest does)')
    path = pathlib.Path(folder) / name
    if not path.exists():
        raise tap.Skip(f'{name} was not fetched')
    return str(path)


class Failure(AssertionError):
    """What was waited for did not come; says what was there instead."""


class Library:
    """A throw-away library of machines in a temporary folder."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='bunshin-test-'))
        self.environment = dict(os.environ, BUNSHIN_HOME=str(self.folder / 'home'),
                                XDG_RUNTIME_DIR=str(self.folder / 'run'))
        (self.folder / 'run').mkdir(mode=0o700)

    def __call__(self, *words, check=True, timeout=60):
        result = subprocess.run([BUNSHIN, *words], env=self.environment, capture_output=True, text=True,
                                timeout=timeout, stdin=subprocess.DEVNULL)
        if check and result.returncode != 0:
            raise Failure(f'bunshin {" ".join(words)}: status {result.returncode}: {result.stderr.strip()}')
        return result

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)


class Conversation:
    """Text that comes and goes on two file descriptors: what is said is matched in order."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.output = ''
        self.seen = 0

    def ended(self, pattern):
        """What to raise when the other side hangs up before the pattern came."""
        return Failure(f'the line was closed before “{pattern}”:\n{self.output[-3000:]}')

    def expect(self, pattern, timeout):
        """Waits for the pattern in what was sent since the last match; returns the match."""
        end = time.monotonic() + timeout
        while True:
            match = re.compile(pattern).search(self.output, self.seen)
            if match:
                self.seen = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0:
                raise Failure(f'“{pattern}” was not sent in {timeout} s; the end of what was:\n{self.output[-3000:]}')
            if select.select([self.reader], [], [], left)[0]:
                data = os.read(self.reader, 65536)
                if not data:
                    raise self.ended(pattern)
                self.output += data.decode(errors='replace').replace('\r', '')

    def send(self, text):
        data = text.encode()
        while data:
            data = data[os.write(self.writer, data):]


class Guest:
    """A machine of a Library, running without a window. Its first serial port is the conversation `serial`."""

    def __init__(self, library, *create, settings=()):
        self.library = library
        self.name = 'guest'
        self.last_png = self.last_words = None
        library('create', self.name, '--accel', ACCEL, *create)
        if settings:
            library('set', self.name, *settings)
        self.start()

    def start(self, *words):
        """Also once more: the first serial port is another conversation then."""
        line = self.library.folder / 'serial'
        self.library('start', self.name, '--headless', '--serial', f'unix:{line}', *words)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(str(line))
        self.serial = Conversation(self.socket.fileno(), self.socket.fileno())

    def screen(self):
        """The text screen, or '' in a graphics mode."""
        path = self.library.folder / 'screen.txt'
        result = self.library('screenshot', self.name, str(path), check=False)
        return path.read_text() if result.returncode == 0 else ''

    def picture(self, name):
        """A PNG of the screen, kept for a person to look at when BUNSHIN_TEST_OUTPUT names a folder."""
        folder = pathlib.Path(os.environ.get('BUNSHIN_TEST_OUTPUT', self.library.folder))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / name
        self.library('screenshot', self.name, str(path))
        return path

    def wait_screen(self, pattern, timeout, fails=None):
        """Waits until the screen matches; returns the screen."""
        end = time.monotonic() + timeout
        screen = ''
        while time.monotonic() < end:
            screen = self.screen() or screen
            if fails and re.search(fails, screen, re.MULTILINE):
                raise Failure(f'“{fails}” is on the screen:\n{screen}')
            if re.search(pattern, screen, re.MULTILINE):
                return screen
            time.sleep(0.5)
        raise Failure(f'“{pattern}” did not appear on the screen in {timeout} s:\n{screen}\n'
                      + self.library('info', self.name, check=False).stdout)

    def words(self):
        """The words that can be read on the screen in a graphics mode: a list of ocr.Word."""
        path = self.library.folder / 'screen.png'
        self.library('screenshot', self.name, str(path))
        png = path.read_bytes()
        if png != self.last_png:
            self.last_words = ocr.read(path)
            self.last_png = png
        return self.last_words

    def wait_words(self, pattern, timeout, fails=None):
        """Waits until the words on a graphical screen, joined by single blanks, match; returns them."""
        end = time.monotonic() + timeout
        text = ''
        while time.monotonic() < end:
            words = self.words()
            text = ' '.join(word.text for word in words)
            if fails and re.search(fails, text):
                raise Failure(f'“{fails}” is on the screen: {text}')
            if re.search(pattern, text):
                return words
            time.sleep(1)
        self.picture('failure.png')
        raise Failure(f'“{pattern}” could not be read on the screen in {timeout} s: {text}\n'
                      + self.library('info', self.name, check=False).stdout)

    def click_word(self, text, effect, timeout):
        """Clicks in the middle of a word that is on the screen, as often as it takes until the words match the effect: how far a
        relative mouse goes is up to the guest."""
        end = time.monotonic() + timeout
        while True:
            for word in self.wait_words(rf'(?<!\S){re.escape(text)}(?!\S)', timeout):
                if word.text == text:
                    self.library('mouse', self.name, str(word.x), str(word.y), 'click')
                    break
            try:
                return self.wait_words(effect, min(timeout, 60))
            except Failure:
                if time.monotonic() > end:
                    raise

    def type(self, text):
        self.library('type', self.name, text)

    def key(self, name):
        self.library('key', self.name, name)

    def wait_off(self, timeout):
        self.library('wait', self.name, '--state', 'powered-off', '--timeout', str(timeout), timeout=timeout + 10)

    def close(self):
        self.socket.close()
        self.library('power-off', self.name, check=False)
        self.library('wait', self.name, '--state', 'powered-off', '--timeout', '20', check=False)


class Run(Conversation):
    """`bunshin run` with its serial port on our pipes."""

    def __init__(self, *words, timeout=600, environment=None, accelerator=ACCEL):
        self.process = subprocess.Popen([BUNSHIN, 'run', '--accel', accelerator, '--headless', '--serial', 'stdio',
                                         '--timeout', str(timeout), *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment or os.environ)
        super().__init__(self.process.stdout.fileno(), self.process.stdin.fileno())

    def ended(self, pattern):
        error = self.process.stderr.read().decode(errors='replace')
        return Failure(f'the machine ended ({self.process.wait()}) before “{pattern}”: {error}\n{self.output[-3000:]}')

    def wait(self, timeout):
        """Waits for the end; returns the exit status."""
        self.process.stdin.close()
        end = time.monotonic() + timeout
        while select.select([self.reader], [], [], max(0, end - time.monotonic()))[0]:
            data = os.read(self.reader, 65536)
            if not data:
                break
            self.output += data.decode(errors='replace').replace('\r', '')
        return self.process.wait(timeout=max(1, end - time.monotonic()))

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


@contextlib.contextmanager
def machine(*create, settings=()):
    """A started machine in a library of its own, ended and removed afterwards. @settings: changed before it starts."""
    library = Library()
    try:
        guest = Guest(library, *create, settings=settings)
        try:
            yield guest
        finally:
            guest.close()
    finally:
        library.close()


@contextlib.contextmanager
def run(*words, **keywords):
    process = Run(*words, **keywords)
    try:
        yield process
    finally:
        process.close()


@contextlib.contextmanager
def web_server(files):
    """Serves a dictionary of paths on the loopback; yields the port and the list of paths asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            body = files.get(self.path)
            self.send_response(200 if body is not None else 404)
            self.send_header('Content-Length', str(len(body or b'')))
            self.end_headers()
            self.wfile.write(body or b'')

        def log_message(self, *words):
            pass

    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port, asked
    finally:
        server.shutdown()
        server.server_close()
