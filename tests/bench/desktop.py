# SPDX-License-Identifier: GPL-3.0-or-later
"""What a person waits for: the list of machines, and the manager's window."""
import os
import statistics
import subprocess
import time

from common import BUNSHIN


def median(function, rounds):
    return statistics.median(function() for _ in range(rounds))


def bench_list(arguments, work):
    """“bunshin list” with 100 machines"""
    environment = dict(os.environ, BUNSHIN_HOME=str(work / 'home'))
    for number in range(100):
        subprocess.run([BUNSHIN, 'create', f'machine {number}', '--disk', 'none', '--memory', '64M'], env=environment,
                       check=True, stdout=subprocess.DEVNULL)

    def milliseconds():
        start = time.monotonic()
        subprocess.run([BUNSHIN, 'list'], env=environment, check=True, stdout=subprocess.DEVNULL)
        return 1000 * (time.monotonic() - start)

    print(f'bunshin list with 100 machines: {median(milliseconds, max(arguments.rounds, 5)):.0f} ms')


def bench_manager(arguments, work):
    """the manager's window, from the start of the process"""
    script = '''
start=$(date +%s%N)
"$1" & pid=$!
xdotool search --sync --onlyvisible --pid $pid >/dev/null
end=$(date +%s%N)
kill $pid; wait $pid
echo $(( (end - start) / 1000000 ))
'''
    environment = dict(os.environ, BUNSHIN_HOME=str(work / 'manager-home'), GSK_RENDERER='cairo',
                       LIBGL_ALWAYS_SOFTWARE='1')

    def milliseconds():
        command = ['xvfb-run', '-a', '-s', '-screen 0 1280x900x24', 'dbus-run-session', '--',
                   'sh', '-c', script, 'sh', BUNSHIN]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return int(result.stdout.split()[-1])

    print(f'manager window up: {median(milliseconds, arguments.rounds):.0f} ms')
