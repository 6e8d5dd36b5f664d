"""systemd's watchdog: told that the kiosk is ready, and that it lives, only while the beats of its workers rise.

A worker that hangs stops the feeding, and systemd restarts the kiosk. Those that wait for something outside (a name
server, a camera's driver) are not counted, or a dead network would restart a kiosk that serves people well. Without
systemd nothing is sent; where systemd does not listen, nothing is lost but its attention.
"""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Mapping

PATIENCE_MS = 10_000
"""How long a worker may go without a beat: the longest turn is about a second, the longest SQLite wait five."""

log = logging.getLogger(__name__)


class Watchdog:
    """Feeds systemd from the main loop."""

    def __init__(self, address: str | None = None) -> None:
        """
        Args:
            address: systemd's socket; by default what it put into NOTIFY_SOCKET.
        """
        self._address = address or os.environ.get("NOTIFY_SOCKET", "")
        self._beats: dict[str, tuple[int, int]] = {}
        self._unheard = False
        self._fed_ms = -PATIENCE_MS

    def ready(self) -> None:
        """Say once that people can be served."""
        self._send("READY=1")

    def feed(self, beats: Mapping[str, int], now_ms: int) -> bool:
        """Feed systemd, at most once a second, if every worker has beaten lately; return whether all have.

        Args:
            beats: each worker's `beats`, by name.
        """
        for name, count in beats.items():
            if self._beats.get(name, (-1, 0))[0] != count:
                self._beats[name] = (count, now_ms)
        alive = all(now_ms - seen_ms < PATIENCE_MS for _, seen_ms in self._beats.values())
        if alive and now_ms - self._fed_ms >= 1000:
            self._fed_ms = now_ms
            self._send("WATCHDOG=1")
        return alive

    def _send(self, state: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as unix:
                # A name that begins with @ is in the abstract namespace (sd_notify(3)).
                unix.connect(self._address.replace("@", "\0", 1))
                unix.send(state.encode())
        except OSError as error:
            if not self._unheard:
                log.warning("systemd does not listen on %s: %s", self._address, error.strerror)
            self._unheard = True
