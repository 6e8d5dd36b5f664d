"""From a bare terminal and a bare district to receipts over mutual TLS by both command lines alone; and back."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from kiosk.sim.broker import HOST, Broker, BrokerKind
from kiosk.sim.fingerprint import SimulatedReader

PATIENCE_S = 30.0
LOOK_AGAIN_S = 0.1
REFUSED = "certificate verify failed"
KIOSK = """
[device]
id = "kiosk-1"
unit = "desa-uji"
district = "batang"
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
DISTRICT = """
[district]
name = "batang"
directory = "district"
[broker]
host = "{host}"
port = {port}
ca_file = "certificates/ca.pem"
certificate_file = "certificates/district-ingest.pem"
key_file = "certificates/district-ingest.key"
"""
ACCESS = """pattern write hadir/v1/+/%u/up/#
pattern read hadir/v1/+/%u/dn/#
user district-ingest
topic read hadir/v1/+/+/up/#
topic write hadir/v1/+/+/dn/#
"""


@dataclass
class Place:
    """A folder with both configurations, and what people type there."""

    folder: Path
    broker: Broker | None = None

    def types(self, program: str, *arguments: str, wanted: int = 0) -> str:
        """Run a command to its end; returns all that it said."""
        command = [sys.executable, "-m", program, *arguments, "--config", str(self.folder / f"{program}.toml")]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == wanted, ended.stderr
        return ended.stdout + ended.stderr

    @contextmanager
    def running(self, program: str, *arguments: str) -> Iterator[None]:
        command = [sys.executable, "-m", program, "run", *arguments, "--config", str(self.folder / f"{program}.toml")]
        with (
            (self.folder / f"{program}.log").open("ab") as log,
            subprocess.Popen(command, stderr=log, env={**os.environ, "SDL_VIDEODRIVER": "dummy"}) as process,
        ):
            try:
                yield
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(PATIENCE_S)

    def held(self) -> int:
        """How many of the terminal's events the district holds."""
        rows = json.loads(self.types("district", "list", "--json"))
        return sum(row["events"] for row in rows)

    def waits_for_more_than(self, count: int) -> int:
        until_s = time.monotonic() + PATIENCE_S
        while (held := self.held()) <= count:
            assert time.monotonic() < until_s, (self.folder / "kiosk.log").read_text()
            time.sleep(LOOK_AGAIN_S)
        return held


def code_in(said: str) -> str:
    found = re.search(r"code: ([A-Z2-7-]{14})", said)
    assert found is not None, said
    return found[1]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A district with its broker, and a terminal that it has never heard of."""
    place = Place(tmp_path)
    (tmp_path / "district.toml").write_text(DISTRICT.format(host=HOST, port=1))
    place.types("district", "issue", "--server", HOST, "--out", str(tmp_path / "certificates"))
    place.types("district", "issue", "--client", "district-ingest", "--out", str(tmp_path / "certificates"))
    access = tmp_path / "access"
    access.write_text(ACCESS)
    access.chmod(0o600)
    extra = [
        f"cafile {tmp_path / 'certificates/ca.pem'}",
        f"certfile {tmp_path / 'certificates/broker.pem'}",
        f"keyfile {tmp_path / 'certificates/broker.key'}",
        f"crlfile {tmp_path / 'district/revoked.pem'}",
        "require_certificate true",
        "use_identity_as_username true",
        f"acl_file {access}",
    ]
    with (
        Broker.start(tmp_path / "broker", BrokerKind.MOSQUITTO, extra) as broker,
        SimulatedReader(paced=False) as reader,
    ):
        where = {"host": HOST, "port": broker.port, "reader": reader.path}
        (tmp_path / "kiosk.toml").write_text(KIOSK.format(**where))
        (tmp_path / "district.toml").write_text(DISTRICT.format(**where))
        place.broker = broker
        yield place


def test_a_terminal_is_enrolled_by_two_files_and_two_codes_renewed_and_revoked(place: Place) -> None:
    asked = place.types("kiosk", "device", "request", "--out", str(place.folder / "request"))
    grant = ("grant", str(place.folder / "request"), "--out", str(place.folder / "grant"))
    accept = ("device", "accept", str(place.folder / "grant"))

    assert "type the code" in place.types("district", *grant, wanted=3)
    assert "type the code" in place.types("district", *grant, "--code", "AAAA-BBBB-CCCC", wanted=3)
    granted = place.types("district", *grant, "--code", code_in(asked))
    assert "not the code" in place.types("kiosk", *accept, wanted=3)
    place.types("kiosk", *accept, "--code", code_in(granted).lower())

    with place.running("district"):
        with place.running("kiosk", "--headless"):
            first = place.waits_for_more_than(2)
        place.types("kiosk", "device", "request", "--out", str(place.folder / "request"))
        place.types("district", *grant)
        place.types("kiosk", *accept)
        with place.running("kiosk", "--headless"):
            place.waits_for_more_than(first)
        before = place.held()

        place.types("district", "revoke-device", "kiosk-1")
        assert place.broker is not None
        place.broker.restart()
        log = place.folder / "broker" / "broker.log"
        assert REFUSED not in log.read_text()
        with place.running("kiosk", "--headless"):
            until_s = time.monotonic() + PATIENCE_S
            while REFUSED not in log.read_text():
                assert time.monotonic() < until_s, log.read_text()
                time.sleep(LOOK_AGAIN_S)

    assert "chain verified" in place.types("district", "verify")
    assert place.held() == before
    assert "granted" in place.types("district", "list", "--device", "kiosk-1")
