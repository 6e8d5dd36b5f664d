"""A grant is kept only if it is the district's, for this terminal, and for the key that it made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from district.authority import opened_authority
from district.granting import grant
from district.store import opened_store
from kiosk.uplink.credentials import CredentialsError, accept, granted, requested
from tests.brokers import DEV, DISTRICT
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, OTHER_KEY
from wire.chain import public_hex
from wire.grant import Grant, code, sign_grant

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


def answer(tmp_path: Path, folder: str = "credentials") -> Grant:
    """What a district answers to this terminal."""
    request = requested(tmp_path / folder, DEV, DISTRICT, "desa-1", DEVICE_KEY)
    with opened_store(tmp_path / "district") as store:
        authority = opened_authority(tmp_path / "district", DISTRICT)
        return grant(store, authority, DISTRICT_KEY, request, code(request), NOW)


def test_what_was_accepted_is_there_after_a_restart(tmp_path: Path) -> None:
    assert granted(tmp_path / "credentials") is None

    accepted = accept(tmp_path / "credentials", answer(tmp_path), DEV, DEVICE_KEY)

    assert granted(tmp_path / "credentials") == accepted
    assert accepted.district_key == public_hex(DISTRICT_KEY)
    assert {path.name for path in (tmp_path / "credentials").iterdir()} == {
        "tls.key",
        "tls.pem",
        "authority.pem",
        "grant.json",
    }
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "credentials").iterdir())


def test_a_changed_grant_is_refused_and_nothing_of_it_kept(tmp_path: Path) -> None:
    changed = msgspec.structs.replace(answer(tmp_path), authority="somebody's")

    with pytest.raises(CredentialsError, match="not signed by the district"):
        accept(tmp_path / "credentials", changed, DEV, DEVICE_KEY)

    assert granted(tmp_path / "credentials") is None


def test_another_terminals_grant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match="not for this kiosk-9"):
        accept(tmp_path / "credentials", answer(tmp_path), "kiosk-9", DEVICE_KEY)
    with pytest.raises(CredentialsError, match="with another key"):
        accept(tmp_path / "credentials", answer(tmp_path), DEV, OTHER_KEY)


def test_a_grant_for_a_tls_key_that_is_not_here_is_refused(tmp_path: Path) -> None:
    elsewhere = answer(tmp_path, "elsewhere")

    with pytest.raises(CredentialsError, match="for another TLS key"):
        accept(tmp_path / "credentials", elsewhere, DEV, DEVICE_KEY)


def test_a_grant_without_a_certificate_is_refused(tmp_path: Path) -> None:
    empty = sign_grant(msgspec.structs.replace(answer(tmp_path), certificate="none"), DISTRICT_KEY)

    with pytest.raises(CredentialsError, match="no certificate in PEM"):
        accept(tmp_path / "credentials", empty, DEV, DEVICE_KEY)


def test_a_damaged_folder_says_what_to_do(tmp_path: Path) -> None:
    accept(tmp_path / "credentials", answer(tmp_path), DEV, DEVICE_KEY)
    (tmp_path / "credentials" / "grant.json").write_bytes(b"{}")

    with pytest.raises(CredentialsError, match="have the terminal enrolled again"):
        granted(tmp_path / "credentials")
