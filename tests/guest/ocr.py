# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the words of a picture with tesseract."""
import collections
import csv
import io
import shutil
import subprocess

import tap

# The text and the middle of its box, in pixels from the top left corner.
Word = collections.namedtuple('Word', 'text x y')

ENLARGE = 2 # letters of a screen are small for a reader that was made for paper


def read(path):
    """The words of a PNG in reading order."""
    if not shutil.which('tesseract'):
        raise tap.Skip('tesseract is missing (app/packages.sh names what the tests need)')
    picture = subprocess.run(['convert', str(path), '-resize', f'{ENLARGE * 100}%', 'png:-'], capture_output=True, check=True)
    table = subprocess.run(['tesseract', '-', '-', '--psm', '11', 'tsv'], input=picture.stdout, capture_output=True, check=True)
    words = []
    for row in csv.DictReader(io.StringIO(table.stdout.decode()), delimiter='\t', quoting=csv.QUOTE_NONE):
        if row['text'] and row['text'].strip():
            words.append(Word(row['text'].strip(),
                              (int(row['left']) + int(row['width']) // 2) // ENLARGE,
                              (int(row['top']) + int(row['height']) // 2) // ENLARGE))
    return words
