"""What the district grants, and to whom it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from district.authority import Authority, opened_authority
from district.errors import GrantError, StoreError
from district.granting import grant, revoke
from district.intake import Intake
from district.store import Misfit, Store, opened_store
from kiosk.uplink.credentials import requested
from tests.brokers import DEV, DISTRICT
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, OTHER_KEY, events
from wire.attendance import encode
from wire.grant import Grant, Request, code, is_signed, sign_request
from wire.topics import Address, Topic

NOW = datetime(2026, 11, 22, 4, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return opened_authority(tmp_path / "district", DISTRICT)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened_store(tmp_path / "district") as store:
        yield store


def asked(tmp_path: Path, identity: Ed25519PrivateKey = DEVICE_KEY) -> Request:
    return requested(tmp_path / "credentials", DEV, DISTRICT, "desa-1", identity)


def granted(store: Store, authority: Authority, request: Request, typed: str = "") -> Grant:
    return grant(store, authority, DISTRICT_KEY, request, typed, NOW)


def test_a_grant_names_both_keys_and_its_certificate_names_the_device(
    tmp_path: Path, store: Store, authority: Authority
) -> None:
    request = asked(tmp_path)

    made = granted(store, authority, request, code(request))

    certificate = x509.load_pem_x509_certificate(made.certificate.encode())
    assert is_signed(made)
    assert made.device_key == request.key
    assert [each.value for each in certificate.subject] == [DEV]
    certificate.verify_directly_issued_by(authority.certificate)
    device = store.device(DEV)
    assert device is not None
    assert device.key == request.key


def test_a_stranger_needs_the_code_and_a_known_device_does_not(
    tmp_path: Path, store: Store, authority: Authority
) -> None:
    request = asked(tmp_path)
    with pytest.raises(GrantError, match="type the code"):
        granted(store, authority, request)
    granted(store, authority, request, code(request))

    assert granted(store, authority, asked(tmp_path)).dev == DEV


def test_somebody_elses_key_under_a_known_name_needs_the_code_again(
    tmp_path: Path, store: Store, authority: Authority
) -> None:
    request = asked(tmp_path)
    granted(store, authority, request, code(request))

    with pytest.raises(GrantError, match="type the code"):
        granted(store, authority, asked(tmp_path, OTHER_KEY))


def test_a_device_that_has_sent_events_keeps_its_key(tmp_path: Path, store: Store, authority: Authority) -> None:
    request = asked(tmp_path)
    granted(store, authority, request, code(request))
    Intake(store, DISTRICT_KEY, DISTRICT).take(str(Address(DISTRICT, DEV, Topic.EVENT)), encode(events(1)[0]))
    other = asked(tmp_path, OTHER_KEY)

    with pytest.raises(StoreError, match="has sent events under the key"):
        granted(store, authority, other, code(other))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"unit": "desa-2"}, "not signed by the key in it"),
        ({"dev": "kiosk/#"}, "expected 1 to 32 of a-z"),
    ],
)
def test_a_request_that_was_changed_on_its_way_is_refused(
    tmp_path: Path, store: Store, authority: Authority, changes: dict[str, str], complaint: str
) -> None:
    changed = msgspec.structs.replace(asked(tmp_path), **changes)

    with pytest.raises(GrantError, match=complaint):
        granted(store, authority, changed, code(changed))


def test_who_does_not_hold_the_tls_key_gets_no_certificate_for_it(
    tmp_path: Path, store: Store, authority: Authority
) -> None:
    """The request of one device, in a request that another one signed: the certificate would be no use to it."""
    csr = asked(tmp_path).csr.replace("A", "B", 1)
    request = sign_request(msgspec.structs.replace(asked(tmp_path), csr=csr), DEVICE_KEY)

    with pytest.raises(GrantError, match=r"PKCS #10|does not hold its TLS key"):
        granted(store, authority, request, code(request))


def test_what_a_revoked_device_sends_is_evidence_only(tmp_path: Path, store: Store, authority: Authority) -> None:
    request = asked(tmp_path)
    made = granted(store, authority, request, code(request))
    revoke(store, authority, DEV, tmp_path / "district", NOW)

    receipt = Intake(store, DISTRICT_KEY, DISTRICT).take(str(Address(DISTRICT, DEV, Topic.EVENT)), encode(events(1)[0]))

    revoked = x509.load_pem_x509_crl((tmp_path / "district" / "revoked.pem").read_bytes())
    serial = x509.load_pem_x509_certificate(made.certificate.encode()).serial_number
    assert receipt is None
    assert [item.reason for item in store.quarantined(DEV)] == [Misfit.REVOKED]
    assert revoked.get_revoked_certificate_by_serial_number(serial) is not None


def test_a_device_that_nobody_knows_cannot_be_revoked(tmp_path: Path, store: Store, authority: Authority) -> None:
    with pytest.raises(GrantError, match="no terminal named kiosk-9"):
        revoke(store, authority, "kiosk-9", tmp_path / "district", NOW)


def test_the_authority_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    first, again = (opened_authority(tmp_path, DISTRICT) for _ in range(2))

    assert first.pem == again.pem
    assert (tmp_path / "authority.key").stat().st_mode & 0o077 == 0
