"""Keys are made once, whole or not at all, and are used only where nobody else can read them."""

from __future__ import annotations

import stat
import tempfile
import threading
from pathlib import Path

import pytest

from kiosk.board.keys import FileKeys, KeyFileError, Keys
from wire.chain import public_hex


def test_keys_are_made_on_first_use_and_stay(tmp_path: Path) -> None:
    first: Keys = FileKeys(tmp_path / "keys")
    again: Keys = FileKeys(tmp_path / "keys")

    assert public_hex(first.identity) == public_hex(again.identity)
    assert first.sealing_key == again.sealing_key


def test_every_device_has_its_own_keys(tmp_path: Path) -> None:
    one, other = FileKeys(tmp_path / "one"), FileKeys(tmp_path / "other")

    assert public_hex(one.identity) != public_hex(other.identity)
    assert one.sealing_key != other.sealing_key
    assert one.identity.private_bytes_raw() != one.sealing_key


def test_only_the_owner_can_read_them_and_nothing_else_is_left(tmp_path: Path) -> None:
    FileKeys(tmp_path / "keys")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "keys").iterdir()}

    assert modes == {"identity.key": 0o600, "sealing.key": 0o600}
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("name", "mode", "complaint"),
    [
        ("identity.key", 0o640, "identity.key: mode is 0640, wanted 0600"),
        ("sealing.key", 0o604, "sealing.key: mode is 0604, wanted 0600"),
        (".", 0o750, "keys: mode is 0750, wanted 0700"),
    ],
)
def test_a_key_that_others_could_have_read_is_not_used(tmp_path: Path, name: str, mode: int, complaint: str) -> None:
    FileKeys(tmp_path / "keys")
    (tmp_path / "keys" / name).chmod(mode)

    with pytest.raises(KeyFileError, match=complaint):
        FileKeys(tmp_path / "keys")


@pytest.mark.parametrize("name", ["identity.key", "sealing.key"])
def test_a_key_of_another_length_is_named_and_not_replaced(tmp_path: Path, name: str) -> None:
    FileKeys(tmp_path / "keys")
    (tmp_path / "keys" / name).write_bytes(b"")

    with pytest.raises(KeyFileError, match=f"{name}: has 0 bytes, wanted 32"):
        FileKeys(tmp_path / "keys")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(KeyFileError, match="file/keys: Not a directory"):
        FileKeys(tmp_path / "file" / "keys")


def test_a_key_that_another_program_makes_meanwhile_is_used_and_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkstemp, others = tempfile.mkstemp, FileKeys(tmp_path / "others").identity.private_bytes_raw()

    def overtaken(dir: Path) -> tuple[int, str]:  # noqa: A002 - as tempfile names it
        (dir / "identity.key").write_bytes(others)
        (dir / "identity.key").chmod(0o600)
        return mkstemp(dir=dir)

    monkeypatch.setattr(tempfile, "mkstemp", overtaken)

    assert FileKeys(tmp_path / "keys").identity.private_bytes_raw() == others


def test_two_programs_that_start_at_once_get_the_same_keys(tmp_path: Path) -> None:
    found: list[FileKeys] = []
    threads = [threading.Thread(target=lambda: found.append(FileKeys(tmp_path / "keys"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len({keys.sealing_key for keys in found}) == 1
    assert len({public_hex(keys.identity) for keys in found}) == 1
