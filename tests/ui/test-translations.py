#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every string for the user is in POTFILES.in's files, and every language of LINGUAS translates all of them."""
import pathlib
import re
import subprocess
import sys
import tempfile

top = pathlib.Path(sys.argv[1])
po = top / 'po'
failures = 0


def report(number, ok, name, details=''):
    global failures
    failures += not ok
    for line in details.splitlines():
        print('# ' + line)
    print(f"{'ok' if ok else 'not ok'} {number} {name}")


def listed(path):
    return [line for line in path.read_text().splitlines() if line and not line.startswith('#')]


def is_marked(path):
    text = path.read_text()
    if path.suffix == '.ui':
        return 'translatable="yes"' in text
    return re.search(r'(?<![A-Za-z0-9_])(_|N_|NC_|ngettext) ?\("', text) is not None


languages = listed(po / 'LINGUAS')
files = listed(po / 'POTFILES.in')
print(f'1..{len(languages) + 1}')

folders = ('app', 'engine', 'network', 'storage', 'ui')
marked = {str(path.relative_to(top)) for folder in folders for path in (top / folder).rglob('*')
          if path.suffix in ('.c', '.ui') and is_marked(path)}
missing = sorted(marked - set(files))
report(1, not missing, 'POTFILES.in names every file with strings', '\n'.join('missing: ' + name for name in missing))

with tempfile.TemporaryDirectory() as folder:
    pot = pathlib.Path(folder) / 'bunshin.pot'
    subprocess.run(['xgettext', '--files-from', str(po / 'POTFILES.in'), '--directory', str(top), '--from-code=UTF-8',
                    '--keyword=_', '--keyword=N_', '--keyword=ngettext:1,2', '--output', str(pot)], check=True,
                   stderr=subprocess.DEVNULL)
    for number, language in enumerate(languages, 2):
        catalogue = po / (language + '.po')
        format_check = subprocess.run(['msgfmt', '--check', '--output-file=/dev/null', str(catalogue)],
                                      capture_output=True, text=True)
        complete = subprocess.run(['msgcmp', str(catalogue), str(pot)], capture_output=True, text=True)
        report(number, format_check.returncode == 0 and complete.returncode == 0, f'{language} is complete',
               format_check.stderr + complete.stderr)
sys.exit(failures != 0)
