# SPDX-License-Identifier: GPL-3.0-or-later
"""Run in the guest and natively, which must print the same."""
import decimal
import hashlib
import json
import math
import multiprocessing
import random
import re
import struct
import threading
import zlib


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def sieve(limit):
    flags = bytearray([1]) * limit
    for number in range(2, int(limit ** 0.5) + 1):
        if flags[number]:
            flags[number * number::number] = bytes(len(range(number * number, limit, number)))
    return sum(number for number in range(2, limit) if flags[number])


def queens(size, row=0, columns=0, left=0, right=0):
    if row == size:
        return 1
    found = 0
    for column in range(size):
        bit = 1 << column
        if not (columns | left | right) & bit:
            found += queens(size, row + 1, columns | bit, (left | bit) << 1, (right | bit) >> 1)
    return found


def square(number):
    return number * number


def threads():
    total, lock = [0], threading.Lock()

    def work(number):
        for step in range(2000):
            with lock:
                total[0] += number * step

    workers = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return total[0]


def main():
    print('sieve', sieve(300000))
    print('queens', queens(7))
    print('power', digest(str(pow(3, 9000))), digest(hex(math.factorial(3000))), pow(7, 10 ** 40, 10 ** 30 + 57))
    source = random.Random(7)
    values = [source.gauss(0, 1) for _ in range(50000)]
    print('gauss', math.fsum(values).hex(), math.fsum(map(math.sin, values)).hex(), sorted(values)[1234].hex())
    decimal.getcontext().prec = 200
    print('decimal', digest(str(decimal.Decimal(2).sqrt() * decimal.Decimal(3).ln())))
    records = [{'n': number, 'x': number / 7, 'name': f'étude-{number:x}', 'list': list(range(number % 9))} for number in range(3000)]
    text = json.dumps(records, ensure_ascii=False, sort_keys=True)
    if json.loads(text) != records:
        print('json does not come back')
    print('json', digest(text), len(re.findall(r'(?:é\w+)-([0-9a-f]*?)[aeiou]', text)))
    packed = zlib.compress(text.encode(), 9)
    if zlib.decompress(packed).decode() != text:
        print('zlib does not come back')
    print('zlib', len(packed), zlib.crc32(packed), zlib.adler32(packed))
    print('struct', struct.pack('<dfqHb', math.pi, math.e, -2 ** 40, 65535, -1).hex())
    for name in ('md5', 'sha1', 'sha256', 'sha512', 'sha3_256', 'blake2b'):
        print(name, hashlib.new(name, text.encode()).hexdigest()[:16])
    print('threads', threads())
    with multiprocessing.Pool(4) as pool:
        print('processes', sum(pool.map(square, range(2000))))


if __name__ == '__main__':
    main()
