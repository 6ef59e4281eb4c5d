#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Debian installer, text and graphical, amd64 and i386: the language by keyboard and by mouse, and the network.

What the installer says it did is held against what a shell in it, on the serial port, finds.
"""
from guest import ACCEL, Failure, guest_file, machine, tap, web_server

# Upper bounds in seconds, not measures.
BOOT = 3600
STEP = 500 # less than what lets a screen go blank

# A shell beside the installer, on the second console.
SHELL = 'sh < /dev/ttyS0 > /dev/ttyS0 2>&1\n'


def ask(guest, command, pattern):
    """Runs a command in the installer's shell; returns the match in what it says."""
    guest.serial.send(command + '\n')
    return guest.serial.expect(pattern, 120)


def check_language(guest, language):
    ask(guest, "grep 'Set debian-installer.language' /var/log/syslog | tail -n 1",
        rf"localechooser: info: Set debian-installer/language = '{language}'")


def check_network(guest, port, asked):
    """DHCP gave an address, and NAT leads to the host's loopback and back."""
    ask(guest, 'ip -4 addr', r'inet 10\.0\.2\.15/24')
    ask(guest, 'ip route', r'default via 10\.0\.2\.2 ')
    ask(guest, 'cat /etc/resolv.conf', r'nameserver 10\.0\.2\.3')
    ask(guest, f'wget -q -O - http://10.0.2.2:{port}/greeting', 'well-met')
    if asked != ['/greeting']:
        raise Failure(f'the server was asked for {asked}')


def installer(architecture, kind, body):
    with web_server({'/greeting': b'well-met\n'}) as (port, asked):
        with machine('--memory', '1G', '--disk', '2G', '--nic', 'nat:host-access', '--iso',
                     guest_file(f'debian-installer-12-{architecture}-{kind}.iso')) as guest:
            body(guest, f'installer-{architecture}-{kind}-{ACCEL}')
            check_network(guest, port, asked)


def text(guest, picture):
    guest.wait_screen(r'in text mode', 120)
    guest.key('down')
    guest.key('enter')
    guest.wait_screen(r'Select a language', BOOT)
    guest.picture(f'{picture}-1-language.png')
    guest.key('ctrl-alt-f2')
    guest.wait_screen(r'press Enter to activate', STEP)
    guest.key('enter')
    guest.wait_screen(r'~ # *$', STEP)
    guest.type(SHELL)
    guest.key('ctrl-alt-f1')
    guest.wait_screen(r'Select a language', STEP)
    # From English, which is chosen, to German.
    for _ in range(4):
        guest.key('down')
    guest.key('enter')
    guest.wait_screen(r'Auswählen des Standorts', STEP)
    guest.picture(f'{picture}-2-location.png')
    check_language(guest, 'de')
    guest.key('enter')
    guest.wait_screen(r'Tastatur konfigurieren', STEP)
    guest.key('enter')
    # Now hardware is looked for, and the network configured by DHCP; then comes the host's name.
    guest.wait_screen(r'Rechnername', STEP, fails=r'fehlgeschlagen|[Kk]eine Netzwerk')
    guest.picture(f'{picture}-3-network.png')


def graphical(guest, picture):
    guest.wait_words(r'Select a language', BOOT)
    guest.picture(f'{picture}-1-language.png')
    guest.key('ctrl-alt-f2')
    guest.wait_words(r'press Enter to activate', STEP)
    guest.key('enter')
    guest.wait_words(r'BusyBox', STEP)
    guest.type(SHELL)
    guest.key('ctrl-alt-f5')
    # By mouse to German …
    guest.wait_words(r'Select a language', STEP)
    # What is chosen is not read: it is white on green.
    guest.click_word('German', r'^(?!.*\bGerman\b).*\bEnglish\b', STEP)
    guest.click_word('Continue', r'des Standorts', STEP)
    guest.picture(f'{picture}-2-by-mouse.png')
    check_language(guest, 'de')
    # … and back, to English by keyboard.
    guest.key('esc')
    guest.wait_words(r'Ausw.hlen der Sprache', STEP)
    for _ in range(7):
        guest.key('up')
    guest.key('enter')
    guest.wait_words(r'Select your location', STEP)
    guest.picture(f'{picture}-3-by-keyboard.png')
    check_language(guest, 'en')
    guest.key('enter')
    guest.wait_words(r'Configure the keyboard', STEP)
    guest.key('enter')
    guest.wait_words(r'Hostname:', STEP, fails=r'No network interfaces|autoconfiguration failed')
    guest.picture(f'{picture}-4-network.png')


if __name__ == '__main__':
    tap.run([(f'installer-{architecture}-{kind}',
              lambda architecture=architecture, kind=kind, body=body: installer(architecture, kind, body))
             for architecture in ('amd64', 'i386') for kind, body in (('text', text), ('gtk', graphical))])
