"""A real MQTT broker on a free loopback port, for the demonstration and the tests.

Mosquitto where it is installed, else the `amqtt` package; either in its own process, with its files and its log in
a folder. It can be stopped, killed and started again on the same port, as a power cut at the district would. What
Mosquitto keeps across a kill is what it keeps in the field by default: next to nothing.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Self

READY_S = 15.0
"""Seconds a broker may take to listen; amqtt needs about two on a laptop."""
STOP_S = 5.0
LOOK_AGAIN_S = 0.02
HOST = "127.0.0.1"


class BrokerKind(StrEnum):
    """Which program it is."""

    MOSQUITTO = "mosquitto"
    AMQTT = "amqtt"


class BrokerError(Exception):
    """The broker did not start; the message names its log."""


class Broker:
    """A running broker. Use it as a context manager, or call `stop`."""

    def __init__(self, folder: Path, kind: BrokerKind, port: int, command: Sequence[str]) -> None:
        """Use `Broker.start`."""
        self.kind = kind
        self.port = port
        self._folder = folder
        self._command = command
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def start(cls, folder: Path, kind: BrokerKind | None = None, extra: Sequence[str] = ()) -> Broker:
        """Return a broker that listens.

        Args:
            folder: for its configuration, its log and what it keeps; made where it is missing.
            kind: the program; None: Mosquitto where it is installed.
            extra: further lines of Mosquitto's configuration.

        Raises:
            BrokerError: it does not start.
        """
        folder.mkdir(parents=True, exist_ok=True)
        port = _free_port()
        kind = kind or (BrokerKind.MOSQUITTO if mosquitto_path() else BrokerKind.AMQTT)
        match kind:
            case BrokerKind.MOSQUITTO:
                command = _mosquitto(folder, port, extra)
            case BrokerKind.AMQTT:
                command = _amqtt(folder, port)
        broker = cls(folder, kind, port, command)
        broker.restart()
        return broker

    def restart(self) -> None:
        """Start again on the same port, with whatever it has kept."""
        self.stop()
        with (self._folder / "broker.log").open("ab") as output:
            self._process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            self._wait_until_it_listens(self._process)
        except BrokerError:
            self.kill()
            raise

    def stop(self) -> None:
        """Let it save what it keeps, and end."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(kill=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _wait_until_it_listens(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_S
        while not _listens(self.port):
            if time.monotonic() > deadline or _has_ended(process):
                raise BrokerError(f"{self.kind} does not listen on port {self.port}: see {self._folder / 'broker.log'}")


def mosquitto_path() -> str | None:
    """Where Mosquitto is installed; None: nowhere. Debian puts it where only root's PATH looks."""
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + os.pathsep + "/usr/sbin:/usr/local/sbin")


def _mosquitto(folder: Path, port: int, extra: Sequence[str]) -> list[str]:
    program = mosquitto_path()
    if program is None:
        raise BrokerError("Mosquitto is not installed: sudo apt-get install --no-install-recommends mosquitto")
    configuration = folder / "mosquitto.conf"
    lines = [
        "per_listener_settings false",
        f"user {getpass.getuser()}",
        f"listener {port} {HOST}",
        "set_tcp_nodelay true",
        "persistence true",
        f"persistence_location {folder}/",
        "log_dest stderr",
        *(extra or ["allow_anonymous true"]),
    ]
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [program, "-c", str(configuration)]


def _amqtt(folder: Path, port: int) -> list[str]:
    configuration = folder / "amqtt.yaml"
    configuration.write_text(
        f"listeners:\n  default:\n    type: tcp\n    bind: {HOST}:{port}\n"
        "plugins:\n  amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n",
        encoding="utf-8",
    )
    return [sys.executable, "-W", "ignore", "-m", "amqtt.scripts.broker_script", "-c", str(configuration)]


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1.0):
            return True
    except OSError:
        return False


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended before the next look; waiting for that is the pause between two looks."""
    try:
        process.wait(LOOK_AGAIN_S)
    except subprocess.TimeoutExpired:
        return False
    return True
