"""A terminal, a broker and a district under mutual TLS, set up by the command lines as people would, in one folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kiosk.core.faults import KioskError
from kiosk.sim.broker import HOST, Broker, BrokerKind
from kiosk.sim.line import Line

STOP_S = 30.0
DEVICE, DISTRICT = "kiosk-1", "batang"
INGEST = "district-ingest"
CODE = re.compile(r"code: ([A-Z2-7-]{14})")
KIOSK = """
[device]
id = "{device}"
unit = "desa-uji"
district = "{district}"
[storage]
directory = "kiosk"
[camera]
source = "none"
[fingerprint]
port = "{reader}"
[display]
fullscreen = false
[uplink]
host = "{host}"
port = {port}
credentials = "credentials"
"""
SETTINGS = """
[district]
name = "{district}"
directory = "district"
[broker]
host = "{host}"
port = {port}
ca_file = "certificates/ca.pem"
certificate_file = "certificates/{ingest}.pem"
key_file = "certificates/{ingest}.key"
"""
ACCESS = f"""pattern write hadir/v1/+/%u/up/#
pattern read hadir/v1/+/%u/dn/#
user {INGEST}
topic read hadir/v1/+/+/up/#
topic write hadir/v1/+/+/dn/#
"""


class SecuredError(KioskError):
    """A command failed; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Secured:
    """The folder with both configurations, and the broker."""

    folder: Path
    broker: Broker

    def types(self, program: str, *arguments: str) -> str:
        """Run a command of `kiosk` or `district` to its end; returns what it said.

        Raises:
            SecuredError: it ended with another code than 0.
        """
        return typed(self.folder, program, *arguments)

    def enrol(self) -> None:
        """Carry the terminal's request to the district, and the grant back."""
        asked, answer = str(self.folder / "request"), str(self.folder / "grant")
        code = code_in(self.types("kiosk", "device", "request", "--out", asked))
        code = code_in(self.types("district", "grant", asked, "--out", answer, "--code", code))
        self.types("kiosk", "device", "accept", answer, "--code", code)

    @contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[None]:
        """The program at work, its log beside its configuration."""
        command = _command(self.folder, program, "run", *arguments)
        environment = {**os.environ, "SDL_VIDEODRIVER": "dummy"}
        with (
            (self.folder / f"{program}.log").open("ab") as log,
            subprocess.Popen(command, stderr=log, env=environment) as process,
        ):
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(STOP_S)

    def held(self) -> dict[str, Any]:
        """What the district says of the terminal: `events`, `duplicates`, `waiting`, `quarantine` …"""
        (row,) = json.loads(self.types("district", "list", "--json"))
        return dict(row)


@contextmanager
def secured(folder: Path, reader: str, rtt_s: float = 0.0) -> Iterator[Secured]:
    """A district with its broker, and a terminal that it has never heard of.

    Args:
        reader: the fingerprint reader's port.
        rtt_s: seconds there and back between terminal and broker.

    Raises:
        BrokerError: there is no Mosquitto, or it does not start.
    """
    certificates = folder / "certificates"
    where = {"host": HOST, "district": DISTRICT, "device": DEVICE, "ingest": INGEST, "reader": reader}
    (folder / "district.toml").write_text(SETTINGS.format(port=1, **where))
    typed(folder, "district", "issue", "--server", HOST, "--out", str(certificates))
    typed(folder, "district", "issue", "--client", INGEST, "--out", str(certificates))
    with ExitStack() as stack:
        broker = stack.enter_context(
            Broker.start(folder / "broker", BrokerKind.MOSQUITTO, _mutual_tls(folder, certificates))
        )
        port = stack.enter_context(Line(broker.port, rtt_s)).port if rtt_s else broker.port
        (folder / "kiosk.toml").write_text(KIOSK.format(port=port, **where))
        (folder / "district.toml").write_text(SETTINGS.format(port=broker.port, **where))
        yield Secured(folder, broker)


def code_in(said: str) -> str:
    """Return the code that a command showed.

    Raises:
        SecuredError: it showed none.
    """
    found = CODE.search(said)
    if found is None:
        raise SecuredError(f"no code in {said!r}")
    return found[1]


def typed(folder: Path, program: str, *arguments: str) -> str:
    """Run a command to its end with the folder's configuration; see `Secured.types`."""
    ended = subprocess.run(_command(folder, program, *arguments), capture_output=True, text=True, check=False)
    if ended.returncode != 0:
        raise SecuredError(ended.stderr)
    return ended.stdout


def _command(folder: Path, program: str, *arguments: str) -> Sequence[str]:
    return [sys.executable, "-m", program, *arguments, "--config", str(folder / f"{program}.toml")]


def _mutual_tls(folder: Path, certificates: Path) -> list[str]:
    access = folder / "access"
    access.write_text(ACCESS)
    access.chmod(0o600)
    return [
        f"cafile {certificates / 'ca.pem'}",
        f"certfile {certificates / 'broker.pem'}",
        f"keyfile {certificates / 'broker.key'}",
        f"crlfile {folder / 'district' / 'revoked.pem'}",
        "require_certificate true",
        "use_identity_as_username true",
        f"acl_file {access}",
    ]
