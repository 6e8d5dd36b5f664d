"""An office without a network gets its receipts by stick: what the terminal exports, the district takes in once, by the
same rules as what arrives by MQTT, and the receipt that it writes empties the terminal's outbox.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from district.__main__ import main as district
from district.keys import district_key
from district.store import Misfit, opened_store
from kiosk.__main__ import main as kiosk
from kiosk.storage.journal import opened_journal_file
from tests.brokers import DEV, DISTRICT, trust
from tests.storage.office import opened_journal, owner, written
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, OTHER_KEY, tap
from wire.attendance import Event
from wire.chain import public_hex

OK, NOT_IN_ORDER, UNUSABLE = 0, 1, 3


@dataclass(frozen=True)
class Offices:
    """A village office and its district, a stick apart."""

    folder: Path

    @property
    def stick(self) -> Path:
        return self.folder / "stick"

    @property
    def journal(self) -> Path:
        return self.folder / "kiosk"

    def export(self, *arguments: str) -> int:
        settings = ("--config", str(self.folder / "kiosk.toml"), "--out", str(self.stick))
        return kiosk(["journal", "export", *settings, *arguments])

    def carry_back(self, receipt: Path) -> int:
        return kiosk(["journal", "import", str(receipt), "--config", str(self.folder / "kiosk.toml")])

    def take(self, export: Path) -> int:
        return district(["import", str(export), "--config", str(self.folder / "district.toml")])

    def only(self, ending: str) -> Path:
        (path,) = self.stick.glob(f"*{ending}")
        return path

    def held(self) -> list[Event]:
        with opened_store(self.folder / "district") as store:
            return list(store.events(DEV))

    def reasons(self) -> list[Misfit]:
        with opened_store(self.folder / "district") as store:
            return [item.reason for item in store.quarantined()]


@pytest.fixture
def offices(tmp_path: Path) -> Offices:
    """Three taps at the office, and a district that trusts the terminal."""
    keys = tmp_path / "kiosk" / "keys"
    keys.mkdir(parents=True, mode=0o700)
    for name, raw in (("identity", DEVICE_KEY.private_bytes_raw()), ("sealing", owner(tmp_path).sealing_key)):
        (keys / f"{name}.key").write_bytes(raw)
        (keys / f"{name}.key").chmod(0o600)
    (tmp_path / "stick").mkdir()
    (tmp_path / "district.toml").write_text(
        f'[district]\nname = "{DISTRICT}"\ndirectory = "district"\n[broker]\nhost = "127.0.0.1"\n'
    )
    (tmp_path / "district").mkdir(mode=0o700)
    district(["key", "--config", str(tmp_path / "district.toml")])
    with opened_store(tmp_path / "district") as store:
        trust(store)
    (tmp_path / "kiosk.toml").write_text(
        f'[device]\nid = "{DEV}"\nunit = "desa-kalimanah"\ndistrict = "{DISTRICT}"\n'
        f'[storage]\ndirectory = "kiosk"\n[fingerprint]\nport = "none"\n'
        f'[uplink]\ndistrict_key = "{district_public(tmp_path)}"\n'
    )
    written(tmp_path / "kiosk", 3)
    return Offices(tmp_path)


def district_public(folder: Path) -> str:
    return public_hex(district_key(folder / "district"))


def depth(offices: Offices) -> int:
    with opened_journal_file(offices.journal / "journal.db") as journal:
        return journal.depth()


def test_a_stick_brings_the_events_to_the_district_and_the_receipt_back(offices: Offices) -> None:
    assert offices.export() == OK
    assert offices.take(offices.only(".jsonl")) == OK
    assert depth(offices) == 4
    assert offices.carry_back(offices.only(".receipt")) == OK

    assert depth(offices) == 0
    with opened_journal_file(offices.journal / "journal.db") as journal:
        assert offices.held() == list(journal.events())
    assert [event.reason for event in offices.held()] == [None, None, None, "exported"]


def test_what_comes_a_second_time_is_kept_once(offices: Offices, capsys: pytest.CaptureFixture[str]) -> None:
    offices.export()
    offices.take(offices.only(".jsonl"))

    assert offices.take(offices.only(".jsonl")) == OK
    assert "4 events in the file, the chain is 0 longer" in capsys.readouterr().out
    assert len(offices.held()) == 4


def test_what_came_before_a_tear_is_kept_and_the_tear_is_said(
    offices: Offices, capsys: pytest.CaptureFixture[str]
) -> None:
    offices.export()
    torn = offices.only(".jsonl")
    torn.write_bytes(torn.read_bytes()[:-100])

    assert offices.take(torn) == NOT_IN_ORDER
    assert "after event 3: a line of" in capsys.readouterr().out
    assert [event.seq for event in offices.held()] == [1, 2, 3]


def test_a_changed_event_goes_into_quarantine_and_the_rest_waits(
    offices: Offices, capsys: pytest.CaptureFixture[str]
) -> None:
    offices.export()
    changed = offices.only(".jsonl")
    changed.write_bytes(changed.read_bytes().replace(b"p-siti", b"p-budi", 1))

    assert offices.take(changed) == NOT_IN_ORDER
    assert "event 1: its hash does not fit its content" in capsys.readouterr().out
    assert offices.held() == []
    assert offices.reasons() == [Misfit.FORGED]


def test_two_heads_for_one_number_are_a_fork(offices: Offices, capsys: pytest.CaptureFixture[str]) -> None:
    with opened_journal(offices.folder / "copy") as journal:
        for number in range(4):
            journal.append(tap("p-budi", after_s=number))
    offices.export()
    offices.take(offices.only(".jsonl"))
    for name in ("journal.db", "journal.mark"):
        (offices.folder / "copy" / name).replace(offices.journal / name)
    offices.only(".jsonl").unlink()
    offices.export()

    assert offices.take(offices.only(".jsonl")) == NOT_IN_ORDER
    assert "event 1: another of this number is held" in capsys.readouterr().out
    assert offices.reasons().count(Misfit.FORK) == 4


@pytest.mark.parametrize("key", [OTHER_KEY, None])
def test_an_export_of_a_terminal_that_is_not_trusted_is_not_taken(
    offices: Offices, capsys: pytest.CaptureFixture[str], key: object
) -> None:
    offices.export()
    with opened_store(offices.folder / "district") as store:
        if key is None:
            store._connection.execute("DELETE FROM device")
        else:
            trust(store, OTHER_KEY)

    assert offices.take(offices.only(".jsonl")) == UNUSABLE
    assert ("is not enrolled" if key is None else "not signed by this device's key") in capsys.readouterr().err
    assert offices.held() == []


def test_a_receipt_of_another_district_lets_go_of_nothing(offices: Offices, capsys: pytest.CaptureFixture[str]) -> None:
    settings = offices.folder / "kiosk.toml"
    offices.export()
    offices.take(offices.only(".jsonl"))
    settings.write_text(settings.read_text().replace(district_public(offices.folder), public_hex(DISTRICT_KEY)))

    assert offices.carry_back(offices.only(".receipt")) == NOT_IN_ORDER
    assert "not signed by our district; 4 events wait" in capsys.readouterr().out
    assert depth(offices) == 4


def test_a_part_may_be_carried_and_what_is_missing_before_it_waits(offices: Offices) -> None:
    offices.export("--from", "3", "--to", "4")
    assert offices.take(offices.only(".jsonl")) == OK
    assert offices.held() == []

    offices.only(".jsonl").unlink()
    offices.export("--from", "1", "--to", "2")
    assert offices.take(offices.only(".jsonl")) == OK
    assert [event.seq for event in offices.held()] == [1, 2, 3, 4]
