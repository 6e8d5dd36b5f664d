"""From a bare terminal and a bare district to receipts over mutual TLS by both command lines alone; and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from kiosk.sim.fingerprint import SimulatedReader
from kiosk.sim.secured import Secured, SecuredError, code_in, secured

PATIENCE_S = 30.0
LOOK_AGAIN_S = 0.1
REFUSED = "certificate verify failed"


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Secured]:
    with SimulatedReader(paced=False) as reader, secured(tmp_path, reader.path) as office:
        yield office


def waits_for_more_than(office: Secured, count: int) -> int:
    """How many events the district holds, once they are more."""
    until_s = time.monotonic() + PATIENCE_S
    while (held := int(office.held()["events"])) <= count:
        assert time.monotonic() < until_s, (office.folder / "kiosk.log").read_text()
        time.sleep(LOOK_AGAIN_S)
    return held


def test_a_terminal_is_enrolled_renewed_and_revoked(office: Secured) -> None:
    office.enrol()
    asked, answer = str(office.folder / "request"), str(office.folder / "grant")

    with office.running("district"):
        with office.running("kiosk", "--headless"):
            first = waits_for_more_than(office, 1)
        office.types("kiosk", "device", "request", "--out", asked)
        office.types("district", "grant", asked, "--out", answer)  # no code: the district knows its key
        office.types("kiosk", "device", "accept", answer)
        with office.running("kiosk", "--headless"):
            waits_for_more_than(office, first)
        before = office.held()["events"]

        office.types("district", "revoke-device", "kiosk-1")
        office.broker.restart()
        log = office.folder / "broker" / "broker.log"
        assert REFUSED not in log.read_text()
        with office.running("kiosk", "--headless"):
            until_s = time.monotonic() + PATIENCE_S
            while REFUSED not in log.read_text():
                assert time.monotonic() < until_s, log.read_text()
                time.sleep(LOOK_AGAIN_S)

    assert "chain verified" in office.types("district", "verify")
    assert office.held()["events"] == before
    assert "granted" in office.types("district", "list", "--device", "kiosk-1")


def test_neither_side_takes_an_unknown_key_without_its_code(office: Secured) -> None:
    asked, answer = str(office.folder / "request"), str(office.folder / "grant")
    code = code_in(office.types("kiosk", "device", "request", "--out", asked))

    with pytest.raises(SecuredError, match="type the code"):
        office.types("district", "grant", asked, "--out", answer)
    with pytest.raises(SecuredError, match="type the code"):
        office.types("district", "grant", asked, "--out", answer, "--code", "AAAA-BBBB-CCCC")
    office.types("district", "grant", asked, "--out", answer, "--code", code.lower())
    with pytest.raises(SecuredError, match="not the code"):
        office.types("kiosk", "device", "accept", answer, "--code", code)
