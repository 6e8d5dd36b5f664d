"""What is promised: a technician sets the district up and checks what it holds by hand; each mistake is named with its
file, place, value and rule, and the exit code tells a script what happened.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from district.__main__ import NOT_IN_ORDER, OK, UNUSABLE, WRONG_USE, main
from district.intake import Intake
from district.keys import FILE, district_key
from district.store import opened_store
from tests.brokers import DEV, DISTRICT, trust
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, OTHER_KEY, events, head
from wire.attendance import Event, encode
from wire.chain import public_hex
from wire.topics import Address, Topic

SETTINGS = f'[district]\nname = "{DISTRICT}"\ndirectory = "var"\n[broker]\nhost = "127.0.0.1"\n'
CHAIN = events(3)


@pytest.fixture(autouse=True)
def _usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "district.toml"
    path.write_text(SETTINGS)
    return path


def run(command: str, config: Path, *arguments: str) -> int:
    return main([command, "--config", str(config), *arguments])


def receive(config: Path, *chained: Event, topic: Topic = Topic.EVENT) -> None:
    """Let the district take these events."""
    with opened_store(config.parent / "var") as store:
        trust(store)
        intake = Intake(store, DISTRICT_KEY, DISTRICT)
        for event in chained:
            intake.take(str(Address(DISTRICT, DEV, topic)), encode(event))


def test_the_key_is_made_once_for_its_owner_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("key", config) == OK
    first = capsys.readouterr().out
    assert run("key", config) == OK

    assert capsys.readouterr().out == first == public_hex(district_key(config.parent / "var")) + "\n"
    assert stat.S_IMODE((config.parent / "var" / FILE).stat().st_mode) == 0o600


def test_nobody_else_on_the_computer_can_read_what_is_held(config: Path) -> None:
    assert run("list", config) == OK

    assert stat.S_IMODE((config.parent / "var" / "district.db").stat().st_mode) == 0o600


def test_a_key_that_others_can_read_is_not_used(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("key", config)
    (config.parent / "var" / FILE).chmod(0o644)

    assert run("key", config) == UNUSABLE
    assert "mode 0644, wanted 0600" in capsys.readouterr().err


@pytest.mark.parametrize("text", [b"", b"-----BEGIN", b"\xff"])
def test_a_file_that_is_no_key_is_named(config: Path, capsys: pytest.CaptureFixture[str], text: bytes) -> None:
    run("key", config)
    (config.parent / "var" / FILE).write_bytes(text)

    assert run("key", config) == UNUSABLE
    assert "district.key: is not a private key" in capsys.readouterr().err


def test_a_device_is_trusted_once_it_is_enrolled(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("enrol-device", config, DEV, public_hex(DEVICE_KEY), "--unit", "desa-kalimanah") == OK
    receive(config, *CHAIN)
    capsys.readouterr()

    assert run("list", config, "--json") == OK
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["dev"], row["unit"], row["events"], row["key"]) == (DEV, "desa-kalimanah", 3, public_hex(DEVICE_KEY))


def test_a_device_that_has_sent_events_cannot_be_given_another_key(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(config, *CHAIN)

    assert run("enrol-device", config, DEV, public_hex(OTHER_KEY)) == UNUSABLE
    assert "has sent events under the key" in capsys.readouterr().err


def test_a_key_that_was_mistyped_can_be_put_right(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("enrol-device", config, DEV, public_hex(OTHER_KEY))

    assert run("enrol-device", config, DEV, public_hex(DEVICE_KEY)) == OK
    receive(config, *CHAIN)
    assert run("verify", config) == OK


def test_rubbish_on_a_devices_topics_does_not_speak_against_its_chain(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(config, *CHAIN)
    with opened_store(config.parent / "var") as store:
        Intake(store, DISTRICT_KEY, DISTRICT).take(str(Address(DISTRICT, DEV, Topic.EVENT)), b"rubbish")

    assert run("verify", config) == OK
    assert "1 messages on its topics were not its own" in capsys.readouterr().out


def test_a_terminal_that_nobody_enrolled_is_shown(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with opened_store(config.parent / "var") as store:
        Intake(store, DISTRICT_KEY, DISTRICT).take(str(Address(DISTRICT, "kiosk-new", Topic.EVENT)), encode(CHAIN[0]))

    run("list", config)

    assert f"not enrolled: hadir/v1/{DISTRICT}/kiosk-new/up/event" in capsys.readouterr().out


@pytest.mark.parametrize(("device", "key"), [(DEV, "abc"), ("Balai/1", public_hex(DEVICE_KEY)), ("", "")])
def test_what_cannot_be_a_device_is_not_enrolled(config: Path, device: str, key: str) -> None:
    assert run("enrol-device", config, device, key) == WRONG_USE


def test_the_events_of_a_device_are_listed_in_order(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive(config, *CHAIN)

    assert run("list", config, "--device", DEV) == OK
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["seq", "1", "2", "3"]
    assert "p-siti  arrival" in lines[1]
    assert "+07:00" in lines[1]


def test_a_chain_that_is_whole_verifies(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive(config, *CHAIN)

    assert run("verify", config) == OK
    assert capsys.readouterr().out == f"{DEV}: events 1 to 3, chain verified\n"


def test_a_gap_is_named_by_its_numbers(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive(config, CHAIN[2])

    assert run("verify", config) == NOT_IN_ORDER
    assert "missing: events 1 to 2" in capsys.readouterr().out


def test_a_checkpoint_that_knows_of_more_is_worth_a_note_and_no_alarm(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    receive(config, CHAIN[0])
    with opened_store(config.parent / "var") as store:
        Intake(store, DISTRICT_KEY, DISTRICT).take(str(Address(DISTRICT, DEV, Topic.HEAD)), encode(head(CHAIN[2])))

    assert run("verify", config, "--device", DEV) == OK
    assert "speaks of 3 events" in capsys.readouterr().out


def test_one_flipped_byte_in_the_store_is_found(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive(config, *CHAIN)
    with opened_store(config.parent / "var") as store:
        forged = encode(CHAIN[1]).replace(b"p-siti", b"p-sitj")
        store._connection.execute("DROP TRIGGER event_is_never_changed")
        store._connection.execute("UPDATE event SET message = ? WHERE seq = 2", (forged,))

    assert run("verify", config) == NOT_IN_ORDER
    assert "the chain does not verify: event 2: its hash does not fit its content" in capsys.readouterr().out


@pytest.mark.parametrize("command", ["list", "verify"])
def test_a_device_that_is_not_enrolled_is_said_to_be(
    config: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(command, config, "--device", "another-01") == NOT_IN_ORDER
    assert "no terminal named another-01 is enrolled" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (SETTINGS + "port = 70000\n", "[broker] port = 70000: expected whole number <= 65535"),
        (SETTINGS + 'port = "1883"\n', "[broker] port = '1883': expected whole number"),
        (SETTINGS + "speed = 1\n", "[broker]: object contains unknown field `speed`"),
        (SETTINGS.replace(DISTRICT, "Batang Hari"), "[district] name = 'Batang Hari': expected"),
        (SETTINGS.replace('directory = "var"', "directory = 7"), "[district] directory = 7: expected a path in quotes"),
        (SETTINGS.replace('host = "127.0.0.1"\n', ""), "[broker]: object missing required field `host`"),
        (
            SETTINGS.replace("127.0.0.1", "broker.example"),
            "[broker]: host = 'broker.example': expected `ca_file` with it, or events travel in the clear",
        ),
        ("[district\n", "is not TOML"),
        ("", "object missing required field `district`"),
    ],
)
def test_a_wrong_setting_is_named_with_its_place_value_and_rule(
    config: Path, capsys: pytest.CaptureFixture[str], text: str, complaint: str
) -> None:
    config.write_text(text)

    assert run("verify", config) == WRONG_USE
    assert f"district.toml: {complaint}" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", 'broker.example"\nca_file = "ca.pem'])
def test_a_broker_on_this_machine_or_with_an_authority_may_be_spoken_to(config: Path, host: str) -> None:
    config.write_text(SETTINGS.replace("127.0.0.1", host))

    assert run("list", config) == OK


def test_a_configuration_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("verify", tmp_path / "none.toml") == WRONG_USE
    assert "none.toml: cannot be read: No such file" in capsys.readouterr().err


def test_a_store_of_a_newer_program_is_not_touched(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    receive(config, CHAIN[0])
    with opened_store(config.parent / "var") as store:
        store._connection.execute("PRAGMA user_version = 99")

    assert run("verify", config) == UNUSABLE
    assert "schema version 99" in capsys.readouterr().err
