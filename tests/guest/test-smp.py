#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian's kernels with several processors: all come up, all work at once, and the kernel has nothing to complain of.

“many” has the long tests: more processors than a host is likely to have, and a kernel that changes its code.
"""
import pathlib
import sys
import tempfile

from guest import Failure, guest_file, run, tap

BOOT = 600 # seconds; an upper bound, not a measure
# What a kernel says of clocks that disagree, of processors that do not answer, and of memory that is not what it was.
COMPLAINTS = r'stall|soft lockup|hard LOCKUP|BUG:|WARNING:|Oops|unstable|TSC warp|not synchronized|stuck|hung'


def smp(guest, accelerator, count):
    with run('--memory', '1G', '--cpus', str(count), '--kernel', guest_file(f'{guest}/vmlinuz'),
             '--initrd', guest_file(f'{guest}/initrd'), '--append', 'console=ttyS0 quiet', '--nic', 'none',
             accelerator=accelerator, timeout=BOOT * 2) as linux:
        linux.expect('serial-shell-ready', BOOT)
        linux.send('set -- $(grep -c ^processor /proc/cpuinfo) $(cat /sys/devices/system/cpu/online); echo "cpus $* end"\n')
        seen = linux.expect(r'cpus (.*) end', BOOT)[1]
        if seen != (f'{count} 0-{count - 1}' if count > 1 else '1 0'):
            raise Failure(f'of {count} processors the guest sees: {seen}')
        # As many processes at once, each with a pipe to another; every one must find the same.
        linux.send(f'for i in $(seq {count}); do (seq 1 20000 | md5sum > /tmp/sum$i) & done; wait;'
                   ' echo sums $(sort -u /tmp/sum* | wc -l) $(ls /tmp/sum* | wc -l) $(head -c 32 /tmp/sum1) end\n')
        sums = linux.expect(r'sums (.*) end', BOOT)[1]
        if sums != f'1 {count} e071f707df7bbeee2a6a1eb48011ddd0':
            raise Failure(f'{count} processes computed: {sums}')
        # All have had interrupts from their own timers.
        linux.send("grep LOC: /proc/interrupts | tr -s ' '; echo timers-$((1 + 1))\n")
        timers = linux.expect(r'LOC:((?: \d+)+) Local', 60)[1].split()
        if len(timers) != count or '0' in timers:
            raise Failure(f'timer interrupts: {timers}')
        linux.expect('timers-2', 60)
        # Processors go and come back: INIT and start-up IPIs to one that was in use.
        if count in (2, 4):
            linux.send('cd /sys/devices/system/cpu; for n in 0 1 0 1; do for i in cpu[1-9]*; do echo $n > $i/online; done; done;'
                       ' echo online $(cat online) end; cd /\n')
            online = linux.expect(r'online (.*) end', 60)[1]
            if online != f'0-{count - 1}':
                raise Failure(f'after all but one had gone and come back these are online: {online}')
        linux.send(f"dmesg | grep -i -E '{COMPLAINTS}'; echo complaints-$((1 + 1))\n")
        said = linux.expect(r'(?s)(.*?)complaints-2', 60)[1].replace('/ # ', '').strip()
        if said:
            raise Failure(f'the kernel complains: {said}')
        linux.send('poweroff -f\n')
        if (status := linux.wait(120)) != 0:
            raise Failure(f'the machine ended with status {status}')


def patching(accelerator, count):
    """The kernel changes its own code while all processors run it: static keys, tracing of all functions, programs."""
    with tempfile.TemporaryDirectory() as folder:
        initrd = pathlib.Path(folder) / 'initrd'
        initrd.write_bytes(b''.join(pathlib.Path(guest_file(f'generic/{name}')).read_bytes() for name in ('initrd', 'tests')))
        with run('--memory', '1G', '--cpus', str(count), '--kernel', guest_file('generic/vmlinuz'), '--initrd', str(initrd),
                 '--append', 'console=ttyS0 quiet', '--nic', 'none', accelerator=accelerator, timeout=BOOT * 4) as linux:
            linux.expect('serial-shell-ready', BOOT)

            def busily(command):
                """Runs it while every processor computes; returns what it printed."""
                linux.send(f'for i in $(seq {count}); do (seq 1 60000 | md5sum > /tmp/sum$i) & done; echo begin-$((1 + 1)); '
                           f'{command}; wait; echo sums $(sort -u /tmp/sum* | wc -l) end\n')
                printed, sums = linux.expect(r'(?s)begin-2(.*)sums (.*?) end', BOOT).groups()
                if sums != '1':
                    raise Failure(f'after “{command}” {sums} different sums were computed')
                return printed.split()

            printed = busily('for i in 1 2 3 4 5 6; do insmod /tests/test_static_key_base.ko && insmod /tests/test_static_keys.ko'
                             ' && rmmod test_static_keys test_static_key_base && echo ok; done')
            if printed != ['ok'] * 6:
                raise Failure(f'static keys: {printed}')
            printed = busily('mount -t tracefs t /sys/kernel/tracing; cd /sys/kernel/tracing; for i in 1 2 3; do'
                             ' echo function > current_tracer; head -n 2000 trace | wc -l; echo nop > current_tracer; done; cd /')
            if printed != ['2000'] * 3:
                raise Failure(f'function tracing: {printed}')
            busily('insmod /tests/test_bpf.ko; rmmod test_bpf')
            linux.send('dmesg | grep "test_bpf: Summary"; echo summaries-$((1 + 1))\n')
            summaries = linux.expect(r'(?s)(.*?)summaries-2', BOOT)[1]
            if 'test_bpf: Summary: ' not in summaries or summaries.count(' 0 FAILED') != summaries.count('Summary'):
                raise Failure(f'translated BPF programs: {summaries}')
            linux.send(f"dmesg | grep -i -E '{COMPLAINTS}'; echo complaints-$((1 + 1))\n")
            said = linux.expect(r'(?s)(.*?)complaints-2', BOOT)[1].replace('/ # ', '').strip()
            if said:
                raise Failure(f'the kernel complains: {said}')


def test(guest, accelerator, count):
    return f'{guest}-{accelerator}-{count}', lambda: smp(guest, accelerator, count)


if __name__ == '__main__':
    few = [test('cloud', accelerator, count) for accelerator in ('jit', 'interp') for count in (2, 4)]
    few.append(test('i386', 'jit', 2))
    many = [test(guest, accelerator, 32) for guest in ('cloud', 'generic', 'i386') for accelerator in ('jit', 'interp')]
    many += [test('generic', 'jit', count) for count in (1, 2, 4, 64)]
    many += [test('i386', accelerator, count) for accelerator, count in (('jit', 1), ('jit', 4), ('interp', 4))]
    many += [(f'patching-{accelerator}-4', lambda accelerator=accelerator: patching(accelerator, 4)) for accelerator in ('jit', 'interp')]
    chosen = many if 'many' in sys.argv[1:] else few
    sys.argv[1:] = [word for word in sys.argv[1:] if word != 'many']
    tap.run(chosen)
