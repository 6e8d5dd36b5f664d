"""Reaches the broker: its name, its addresses in turn, TLS; never deaf for longer than `LISTEN_S` but for the name.

paho would connect and shake hands by itself, but in blocking calls: a terminal could then not be stopped meanwhile.
What still blocks is the resolver of the C library, which waits as `/etc/resolv.conf` says: 5 s a server and attempt
unless `options timeout:1 attempts:1` stands there. An address in figures needs no resolver.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

CONNECT_S = 5.0
"""Seconds that one address, and after it TLS, may take."""
LISTEN_S = 0.5
"""Seconds after which `carry_on` is asked again."""


class GivenUpError(Exception):
    """`carry_on` said no."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for one thing."""

    until_s: float
    """Of the monotonic clock."""
    carry_on: Callable[[], bool]

    def slice_s(self, what: str) -> float:
        """How long to wait before asking again.

        Raises:
            GivenUpError: it is no longer wanted.
            TimeoutError: there was time enough for `what`.
        """
        left_s = self.until_s - time.monotonic()
        if not self.carry_on():
            raise GivenUpError
        if left_s <= 0:
            raise TimeoutError(f"{what} took more than {CONNECT_S:.0f} s")
        return min(left_s, LISTEN_S)


def reached(host: str, port: int, tls: ssl.SSLContext | None, carry_on: Callable[[], bool]) -> socket.socket:
    """Return a connected socket, not blocking, at the first of the host's addresses that answers.

    Args:
        tls: how to check the broker; None: the connection is not encrypted.
        carry_on: asked at least every `LISTEN_S`: whether the connection is still wanted.

    Raises:
        OSError: no address answers, or TLS fails; the last one's.
        GivenUpError: it is no longer wanted.
        ValueError: `host` cannot be a name.
    """
    failure = OSError(f"{host} has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        connection = socket.socket(family, kind, protocol)
        try:
            _connect(connection, address, Patience(time.monotonic() + CONNECT_S, carry_on))
            if tls is not None:
                connection = tls.wrap_socket(connection, server_hostname=host, do_handshake_on_connect=False)
                _shake_hands(connection, Patience(time.monotonic() + CONNECT_S, carry_on))
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise failure


def _connect(connection: socket.socket, address: object, patience: Patience) -> None:
    connection.settimeout(0)
    # Without this an event waits for the other side's delayed TCP acknowledgement: 40 ms a message, measured.
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    code = connection.connect_ex(address)  # type: ignore[arg-type]  # as `getaddrinfo` gave it
    if code == errno.EINPROGRESS:
        while not select.select([], [connection], [], patience.slice_s("TCP"))[1]:
            pass
        code = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def _shake_hands(connection: ssl.SSLSocket, patience: Patience) -> None:
    while True:
        try:
            connection.do_handshake()
        except ssl.SSLWantReadError:
            select.select([connection], [], [], patience.slice_s("the TLS handshake"))
        except ssl.SSLWantWriteError:
            select.select([], [connection], [], patience.slice_s("the TLS handshake"))
        else:
            return
