# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of this computer for servers of the tests."""
import socket


def free_port():
    """A TCP port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]
