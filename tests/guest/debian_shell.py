# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian that debian/image.sh makes: how it is started, and a shell in it."""
from guest import Failure

# Upper bounds in seconds, not measures.
BOOT = 900
STEP = 300
# systemd's own limits are for hosts that are not busy.
APPEND = 'root=LABEL=root ro console=ttyS0 quiet systemd.default_device_timeout_sec=900 systemd.default_timeout_start_sec=900'
# What a kernel says of clocks that disagree, of processors that do not answer, of memory and of disks that are not what they were.
COMPLAINTS = r'\bstall|soft lockup|hard LOCKUP|BUG:|WARNING:|Oops|unstable|TSC warp|not synchronized|\bstuck|\bhung|I/O error|EXT4-fs error'


class Debian:
    """A shell on the serial port, a Conversation, of a Debian that has started."""

    def __init__(self, machine):
        self.machine = machine

    def log_in(self):
        self.machine.expect(r'guest login: ', BOOT)
        self.machine.send('root\n')
        self.machine.expect(r'Password: ', STEP)
        self.machine.send('bunshin\n')
        self.machine.expect(r'root@guest:~# ', STEP)
        # A plain shell, without an echo, without a prompt.
        self.machine.send("stty -echo; exec env PS1= sh\n")
        self.machine.send('echo ready-$((6 * 7))\n')
        self.machine.expect(r'ready-42\n', STEP)

    def __call__(self, command, timeout=STEP, fails=True):
        """Runs a command; returns what it prints. It must succeed, unless `fails` is False."""
        self.machine.send(f'({command}) </dev/null 2>&1; echo "status-$?-end"\n')
        printed, status = self.machine.expect(r'(?s)(.*?)status-(\d+)-end\n', timeout).groups()
        if fails and status != '0':
            raise Failure(f'“{command}” ended with status {status}:\n{printed[-3000:]}')
        return printed

    def check_kernel(self):
        """The kernel has nothing to complain of."""
        said = self(f"dmesg | grep -E '{COMPLAINTS}'", fails=False)
        if said:
            raise Failure(f'the kernel complains:\n{said}')
