# SPDX-License-Identifier: GPL-3.0-or-later
"""A Test Anything Protocol reporter for the tests that drive the finished program."""
import sys
import time
import traceback


class Skip(Exception):
    """Raised by a test that this machine cannot run; the text says what is missing."""


def run(tests):
    """Runs (name, function) pairs; words on the command line choose those whose name contains one of them."""
    wanted = sys.argv[1:]
    tests = [(name, function) for name, function in tests if not wanted or any(word in name for word in wanted)]
    print('TAP version 13')
    print(f'1..{len(tests)}', flush=True)
    failed = False
    for number, (name, function) in enumerate(tests, 1):
        start = time.monotonic()
        try:
            function()
            result = f'ok {number} {name}'
        except Skip as skip:
            result = f'ok {number} {name} # SKIP {skip}'
        except Exception:
            failed = True
            for line in traceback.format_exc().splitlines():
                print('#', line)
            result = f'not ok {number} {name}'
        print(f'# {name}: {time.monotonic() - start:.1f} s')
        print(result, flush=True)
    sys.exit(1 if failed else 0)
