# SPDX-License-Identifier: GPL-3.0-or-later
"""Drives machines through the command line, as a user's script would: start, look at the screen, type, wait."""
import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import tap  # noqa: E402

BUNSHIN = os.environ['BUNSHIN_EXE']
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


class Guest:
    """A machine of a Library, running without a window."""

    def __init__(self, library, *create, start=()):
        self.library = library
        self.name = 'guest'
        library('create', self.name, '--accel', ACCEL, *create)
        library('start', self.name, '--headless', *start)

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

    def type(self, text):
        self.library('type', self.name, text)

    def key(self, name):
        self.library('key', self.name, name)

    def wait_off(self, timeout):
        self.library('wait', self.name, '--state', 'powered-off', '--timeout', str(timeout), timeout=timeout + 10)

    def close(self):
        self.library('power-off', self.name, check=False)
        self.library('wait', self.name, '--state', 'powered-off', '--timeout', '20', check=False)


class Run:
    """`bunshin run` with its serial port on our pipes."""

    def __init__(self, *words, timeout=600, environment=None, accelerator=ACCEL):
        self.process = subprocess.Popen([BUNSHIN, 'run', '--accel', accelerator, '--headless', '--serial', 'stdio',
                                         '--timeout', str(timeout), *words],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment or os.environ)
        self.output = ''
        self.seen = 0

    def expect(self, pattern, timeout):
        """Waits for the pattern in what the guest sent since the last match; returns the match."""
        end = time.monotonic() + timeout
        while True:
            match = re.compile(pattern).search(self.output, self.seen)
            if match:
                self.seen = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0:
                raise Failure(f'“{pattern}” was not sent in {timeout} s; the end of what was:\n{self.output[-3000:]}')
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 65536)
                if not data:
                    error = self.process.stderr.read().decode(errors='replace')
                    raise Failure(f'the machine ended ({self.process.wait()}) before “{pattern}”: {error}\n{self.output[-3000:]}')
                self.output += data.decode(errors='replace').replace('\r', '')

    def send(self, text):
        self.process.stdin.write(text.encode())
        self.process.stdin.flush()

    def wait(self, timeout):
        """Waits for the end; returns the exit status."""
        self.process.stdin.close()
        end = time.monotonic() + timeout
        while select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
            data = os.read(self.process.stdout.fileno(), 65536)
            if not data:
                break
            self.output += data.decode(errors='replace').replace('\r', '')
        return self.process.wait(timeout=max(1, end - time.monotonic()))

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=30)


@contextlib.contextmanager
def machine(*create, start=()):
    """A started machine in a library of its own, ended and removed afterwards."""
    library = Library()
    try:
        guest = Guest(library, *create, start=start)
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
