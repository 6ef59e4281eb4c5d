#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sums up what Meson wrote about its tests, names what failed, with the end of its output, and why things were skipped.

To skip without a reason is to fail.
"""
import argparse
import collections
import json
import pathlib
import re
import sys
import xml.etree.ElementTree as ElementTree


LAST_LINES = 40
MOST_LINES = 120
# A sanitizer's report begins so; the cause stands at its head, and much may follow.
REPORT = re.compile(r'ERROR: (Address|Leak)Sanitizer|ERROR: libFuzzer|runtime error:')


def end_of(test):
    """The last lines a program wrote, all of a sanitizer's report among them."""
    lines = (test.get('stdout', '') + '\n' + test.get('stderr', '')).strip().splitlines()
    report = next((number for number, line in enumerate(lines) if REPORT.search(line)), len(lines))
    begin = max(0, min(report, len(lines) - LAST_LINES))
    return [line[:500] for line in lines[begin:begin + MOST_LINES]]


def program(name):
    """A test program's own name: Meson puts the project and the suites before it."""
    return name.split(' / ')[-1].split('.')[-1]


def broken_programs(path, failures):
    """Programs that did not end well, by their own log: one that died early has no failed case in the JUnit file."""
    with open(path, encoding='utf-8') as log:
        for line in log:
            test = json.loads(line)
            if test['result'] not in ('OK', 'SKIP', 'EXPECTEDFAIL'):
                name = f"{path.stem}: {program(test['name'])}"
                if not any(failure == name or failure.startswith(name + ':') for failure in failures):
                    failures.append(f"{name}: {test['result']}, status {test['returncode']}")
                yield name, end_of(test)


def reason(case):
    """Why a case was skipped: Meson puts a case's own words into its output; of a whole program all the output is there."""
    output = (case.findtext('system-out') or '').strip()
    plan = re.search(r'^1\.\.0\s*#\s*SKIP\S*\s+(.+)', output, re.MULTILINE | re.IGNORECASE)
    return plan[1].strip() if plan else output if '\n' not in output else ''


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--broken', type=int, default=0, help='suites that could not run at all')
    parser.add_argument('folder', type=pathlib.Path)
    arguments = parser.parse_args()

    passed, skipped = 0, collections.Counter()
    failures = []
    for path in sorted(arguments.folder.glob('*.xml')):
        for suite in ElementTree.parse(path).getroot().iter('testsuite'):
            for case in suite.iter('testcase'):
                owner, name = suite.get('name', ''), case.get('name')
                # Programs without cases are the cases of the project.
                name = f'{path.stem}: {program(name)}' if '.' not in owner else f'{path.stem}: {program(owner)}: {name}'
                if case.find('failure') is not None or case.find('error') is not None:
                    failures.append(name)
                elif case.find('skipped') is not None:
                    if why := reason(case):
                        skipped[f'{name}: {why}'] += 1
                    else:
                        failures.append(f'{name}: skipped without a reason')
                else:
                    passed += 1
    for path in sorted(arguments.folder.glob('*.json')):
        for name, lines in broken_programs(path, failures):
            print(f'--- {name}: the end of its output ---', *lines, sep='\n')
    for line in skipped:
        print('skipped', line)
    for line in failures:
        print('FAILED', line)
    failed = len(failures) + arguments.broken
    if passed + failed == 0:
        print('no test ran')
        failed = 1
    print(f'{passed} passed, {failed} failed, {sum(skipped.values())} skipped')
    sys.exit(1 if failed else 0)


if __name__ == '__main__':
    main()
