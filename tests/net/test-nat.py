#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAT as a Linux guest with an e1000 sees it: DHCP, TCP both ways, UDP, ICMP, and a cable that is pulled."""
import hashlib
import pathlib
import random
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / 'guest'))
from guest import Failure, guest_file, machine, tap, web_server  # noqa: E402
from ports import free_port  # noqa: E402

BOOT = 600 # seconds; upper bounds, not measures
STEP = 120

LEASE = ('case $1 in bound) ip addr add $ip/$mask dev $interface; ip route add default via $router;'
         ' echo leased $ip/$mask $router $dns end;; esac')


def ask(guest, command, pattern):
    guest.serial.send(command + '\n')
    return guest.serial.expect(pattern, STEP)


class TftpServer:
    """TFTP (RFC 1350) on the loopback, for one file and one client at a time."""

    BLOCK = 512

    def __init__(self, name, data):
        self.name, self.data = name.encode(), data
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(('127.0.0.1', 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            packet, peer = self.socket.recvfrom(2048)
            code, number = packet[1], int.from_bytes(packet[2:4], 'big')
            if code == 1: # read request
                number = 0
                if packet[2:].split(b'\0')[0] != self.name:
                    self.socket.sendto(b'\0\5\0\1no such file\0', peer)
                    continue
            elif code != 4: # acknowledgement
                continue
            start = number * self.BLOCK
            if start <= len(self.data):
                self.socket.sendto(b'\0\3' + (number + 1).to_bytes(2, 'big') + self.data[start:start + self.BLOCK], peer)


def fetch_from_guest(port):
    """What the guest serves at the forwarded port; it may still be about to listen."""
    end = time.monotonic() + STEP
    while True:
        with socket.create_connection(('127.0.0.1', port), timeout=STEP) as line:
            data = b''
            try:
                while part := line.recv(1 << 16):
                    data += part
            except ConnectionResetError:
                data = b''
        if data:
            return data
        if time.monotonic() > end:
            raise Failure('nothing came through the forwarded port')
        time.sleep(0.5)


def boot(guest):
    guest.wait_screen(r'GNU GRUB', 180)
    guest.key('enter')
    guest.serial.expect('serial-shell-ready', BOOT)


def nat():
    blob = random.Random(1).randbytes(8 << 20)
    digest = hashlib.md5(blob).hexdigest()
    tftp = TftpServer('blob', blob[:100000])
    port = free_port()
    with web_server({'/blob': blob}) as (web, _):
        with machine('--memory', '256M', '--disk', 'none', '--nic', 'nat:host-access', '--iso',
                     guest_file('grub-linux.iso')) as guest:
            boot(guest)
            ask(guest, 'ip link set lo up; ip link set eth0 up; ls -l /sys/class/net/eth0/device/driver', r'drivers/e1000\n')
            # By DHCP.
            guest.serial.send(f"(echo '#!/bin/sh'; echo '{LEASE}') > /tmp/lease; chmod 755 /tmp/lease\n")
            ask(guest, 'udhcpc -i eth0 -n -q -s /tmp/lease', r'leased 10\.0\.2\.15/(24|255\.255\.255\.0) 10\.0\.2\.2 10\.0\.2\.3 end')
            # ICMP to the gateway, TCP and UDP to the host.
            ask(guest, 'ping -c 3 10.0.2.2', r'3 packets received, 0% packet loss')
            ask(guest, f'wget -q -O - http://10.0.2.2:{web}/blob | md5sum', digest)
            ask(guest, f'tftp -g -l /tmp/part -r blob 10.0.2.2 {tftp.port}; md5sum /tmp/part', hashlib.md5(tftp.data).hexdigest())
            # The host to the guest, through a port that is forwarded while it runs.
            guest.library('forward', guest.name, 'add', f'tcp:{port}:7000')
            guest.serial.send(f'wget -q -O /tmp/blob http://10.0.2.2:{web}/blob; nc -l -p 7000 < /tmp/blob; echo served-$((1 + 1))\n')
            if hashlib.md5(fetch_from_guest(port)).hexdigest() != digest:
                raise Failure('what the guest sent is not what it had')
            guest.serial.expect('served-2', STEP)
            # Without the cable the guest sees no carrier; with it, the net works again.
            guest.library('set', guest.name, 'nic1-cable=off')
            ask(guest, 'until [ $(cat /sys/class/net/eth0/carrier) = 0 ]; do sleep 1; done; echo down-$((1 + 1))', 'down-2')
            guest.library('set', guest.name, 'nic1-cable=on')
            ask(guest, 'until [ $(cat /sys/class/net/eth0/carrier) = 1 ]; do sleep 1; done; echo up-$((1 + 1))', 'up-2')
            ask(guest, 'ping -c 1 -W 10 10.0.2.2', r'1 packets received')
            guest.serial.send('poweroff -f\n')
            guest.wait_off(STEP)


def no_host_access():
    """Unless it is asked for, the guest does not reach the host's loopback."""
    with web_server({'/': b'secret'}) as (web, asked):
        with machine('--memory', '256M', '--disk', 'none', '--iso', guest_file('grub-linux.iso')) as guest:
            boot(guest)
            guest.serial.send('ip link set eth0 up; ip addr add 10.0.2.15/24 dev eth0\n')
            # The way to the gateway is there.
            ask(guest, 'ping -c 3 10.0.2.2', r'[1-3] packets received')
            ask(guest, f'wget -T 10 -q -O - http://10.0.2.2:{web}/; echo status-$?', r'status-[1-9]')
            if asked:
                raise Failure(f'the host was asked for {asked}')


if __name__ == '__main__':
    tap.run([('nat', nat), ('no-host-access', no_host_access)])
