#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures Bunshin beside qemu-system-x86_64 -accel tcg (-cpu max) on this machine and prints ratios.

Needs a built program (sh app/run.sh --build; BUNSHIN_EXE names another) and the test guests (sh tests/guest/fetch.sh
installer). Peers run in turn, never at the same time; each figure is the median of --rounds. “programs” prints a table
of what work costs in a machine against the same work natively, in processor time; --only chooses rows of it, --peers
columns, and the scales how much of the work a slow peer does (its times are counted for each step of the work).
While working on the translator:

    tests/bench/bench.py programs --quick --only sha256,gzip            one round of jit against native
    tests/bench/bench.py programs --quick --other ../old/bunshin        two builds in turn
"""
import argparse
import pathlib
import shutil
import signal
import sys
import tempfile

import clocks
import desktop
import disks
import guestio
import programs
import snapshots
import systems

PEERS = ('interp', 'jit', 'tcg')


def peers(text):
    words = text.split(',')
    unknown = set(words) - set(PEERS)
    if unknown:
        raise argparse.ArgumentTypeError(f'{", ".join(sorted(unknown))}: peers are {", ".join(PEERS)}')
    return words


def parse(benches):
    names = '\n'.join(f'  {name:12} {function.__doc__}' for name, function in benches.items())
    parser = argparse.ArgumentParser(description=f'{__doc__}\nBENCH (default: all of them):\n{names}',
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rounds', type=int, help='the medians are of so many (3; --quick: 1)')
    parser.add_argument('--quick', action='store_true', help='one round, a fifth of the work, of jit alone if no --peers')
    parser.add_argument('--seconds', type=int, default=120, metavar='N', help='how long to watch “clocks” (%(default)s)')
    parser.add_argument('--only', metavar='NAME,…', help='these sub-benchmarks of “programs”, controllers, formats and patterns (virtio-qcow2,sequential-read) of “guestio”, or GiB of “snapshots”')
    parser.add_argument('--peers', type=peers, metavar='PEER,…', help=f'where to run besides natively ({",".join(PEERS)})')
    parser.add_argument('--other', metavar='FILE', help='another Bunshin whose jit is to run “programs” too')
    parser.add_argument('--cpu-model', default='host', metavar='MODEL',
                        help='of “programs” in Bunshin (%(default)s; the default one where there is no such)')
    parser.add_argument('--scale-interp', type=float, default=0.05, metavar='N', help='part of the work (%(default)s)')
    parser.add_argument('--scale-jit', type=float, default=1.0, metavar='N', help='part of the work (%(default)s)')
    parser.add_argument('--scale-tcg', type=float, default=0.25, metavar='N', help='part of the work (%(default)s)')
    parser.add_argument('--json', metavar='FILE', help='write the table of “programs” there too')
    parser.add_argument('bench', nargs='*', metavar='BENCH', choices=[*benches, []])
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.scale_interp, arguments.scale_jit, arguments.scale_tcg = (
            scale / 5 for scale in (arguments.scale_interp, arguments.scale_jit, arguments.scale_tcg))
    arguments.rounds = arguments.rounds or (1 if arguments.quick else 3)
    arguments.peers = arguments.peers or (['jit'] if arguments.quick else list(PEERS))
    arguments.failed = False
    return arguments


def main():
    benches = {name[len('bench_'):]: function for module in (programs, systems, clocks, desktop, disks, guestio, snapshots)
               for name, function in vars(module).items() if name.startswith('bench_')}
    arguments = parse(benches)
    # So that what runs in a machine does not outlive its measurer.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    work = pathlib.Path(tempfile.mkdtemp(prefix='bunshin-bench-'))
    try:
        for name in arguments.bench or benches:
            benches[name](arguments, work)
            print(flush=True)
    finally:
        shutil.rmtree(work)
    sys.exit(arguments.failed)


if __name__ == '__main__':
    main()
