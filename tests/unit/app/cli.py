# SPDX-License-Identifier: GPL-3.0-or-later
"""The program with a library of its own, for the tests of the command line."""
import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))
import tap  # noqa: E402, F401

BUNSHIN = os.environ['BUNSHIN_EXE']


class Cli:
    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix='bunshin-cli-'))
        self.home = self.folder / 'home'
        (self.folder / 'run').mkdir(mode=0o700)
        self.environment = dict(os.environ, BUNSHIN_HOME=str(self.home), XDG_RUNTIME_DIR=str(self.folder / 'run'),
                                LC_ALL='C')
        for name in ('DISPLAY', 'WAYLAND_DISPLAY', 'G_DEBUG'):
            self.environment.pop(name, None)

    def forgive_leaks(self):
        """From now on, to a sanitizer: libosinfo keeps some of what it reads, and the stack does not tell that it is its."""
        self.environment['ASAN_OPTIONS'] = os.environ.get('ASAN_OPTIONS', '') + ':detect_leaks=0'

    def run(self, *words):
        return subprocess.run([BUNSHIN, *words], env=self.environment, capture_output=True, cwd=self.folder, timeout=120,
                              stdin=subprocess.DEVNULL, encoding='utf-8')

    def ok(self, *words):
        """Runs the command, which has to succeed; returns what it printed."""
        result = self.run(*words)
        assert result.returncode == 0, f'bunshin {" ".join(words)}: status {result.returncode}: {result.stderr}'
        return result.stdout

    def refused(self, status, words, *expected):
        """Runs the command, which has to fail with this status and one line of error that has all of @expected."""
        result = self.run(*words)
        lines = result.stderr.splitlines()
        shown = f'bunshin {" ".join(words)}: status {result.returncode}: {result.stderr!r}'
        assert result.returncode == status, shown
        assert len(lines) == 1 and lines[0].startswith('bunshin: '), shown
        for text in expected:
            assert text in lines[0], f'{text!r} is not in: {shown}'

    def file(self, name, size=1 << 20):
        path = self.folder / name
        with open(path, 'wb') as file:
            file.truncate(size)
        return str(path)


@contextlib.contextmanager
def cli():
    bunshin = Cli()
    try:
        yield bunshin
    finally:
        # A test that failed may have left machines running.
        for line in bunshin.run('list').stdout.splitlines():
            _, uuid, state, _ = line.rsplit(maxsplit=3)
            if state != 'powered-off':
                bunshin.run('power-off', uuid)
        shutil.rmtree(bunshin.folder, ignore_errors=True)
