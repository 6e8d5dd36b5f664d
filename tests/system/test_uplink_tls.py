"""What is promised: with TLS, client certificates and the contract's access rules the whole way works, and a broker
that our authority does not vouch for is not spoken to.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from district.config import BrokerSettings
from kiosk.config import UplinkSettings
from kiosk.core.messages import FaultRaised
from kiosk.sim.broker import HOST, Broker, BrokerKind
from tests.brokers import DEV, Post, RunningDistrict
from tests.uplink.terminal import ListOutbox, uplink
from tests.wire.examples import DISTRICT_KEY, events
from wire.chain import public_hex

ACCESS = """pattern write hadir/v1/+/%u/up/#
pattern read hadir/v1/+/%u/dn/#
user district-ingest
topic read hadir/v1/+/+/up/#
topic write hadir/v1/+/+/dn/#
"""


class Authority:
    """Signs certificates, and writes them into a folder as `NAME.pem` and `NAME.key`."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir()
        self.folder = folder
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.key = generate_private_key(SECP256R1())
        self._write("ca", self.name, self.key, x509.BasicConstraints(ca=True, path_length=0))

    @property
    def file(self) -> Path:
        return self.folder / "ca.pem"

    def sign(self, name: str) -> tuple[Path, Path]:
        """The certificate and key of somebody at 127.0.0.1."""
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        self._write(name, subject, generate_private_key(SECP256R1()), address)
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _write(
        self, file: str, subject: x509.Name, key: EllipticCurvePrivateKey, extension: x509.ExtensionType
    ) -> None:
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self.name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(hours=1))
            .add_extension(extension, critical=False)
            .sign(self.key, SHA256())
        )
        (self.folder / f"{file}.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
        secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (self.folder / f"{file}.key").write_bytes(secret)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    certificate, key = authority.sign("broker")
    access = tmp_path / "access"
    access.write_text(ACCESS)
    access.chmod(0o600)
    extra = [
        f"cafile {authority.file}",
        f"certfile {certificate}",
        f"keyfile {key}",
        "require_certificate true",
        "use_identity_as_username true",
        f"acl_file {access}",
    ]
    with Broker.start(tmp_path / "broker", BrokerKind.MOSQUITTO, extra) as broker:
        yield broker


def secured(port: int, ca_file: Path, files: tuple[Path | None, Path | None] = (None, None)) -> UplinkSettings:
    certificate, key = files
    return UplinkSettings(
        host=HOST, port=port, ca_file=ca_file, certificate_file=certificate, key_file=key,
        district_key=public_hex(DISTRICT_KEY),
    )  # fmt: skip


def first_fault(settings: UplinkSettings) -> str:
    """What an uplink with these settings says is wrong."""
    post = Post()
    with uplink(settings.port, ListOutbox(), post, settings=settings):
        post.wait(lambda items: any(isinstance(item, FaultRaised) for item in items))
    return next(item.detail for item in post.all() if isinstance(item, FaultRaised))


def test_events_and_receipts_pass_with_certificates_and_the_contracts_access_rules(
    tmp_path: Path, broker: Broker, authority: Authority
) -> None:
    certificate, key = authority.sign("district-ingest")
    district = BrokerSettings(
        host=HOST, port=broker.port, ca_file=authority.file, certificate_file=certificate, key_file=key
    )
    outbox = ListOutbox(*events(150))
    settings = secured(broker.port, authority.file, authority.sign(DEV))
    with (
        RunningDistrict(tmp_path / "district", broker.port, district) as running,
        uplink(broker.port, outbox, Post(), settings=settings),
    ):
        running.wait_for_head(150)


def test_a_broker_of_another_authority_is_not_spoken_to(tmp_path: Path, broker: Broker) -> None:
    other = Authority(tmp_path / "other")

    assert "CERTIFICATE_VERIFY_FAILED" in first_fault(secured(broker.port, other.file, other.sign(DEV)))


def test_a_terminal_without_a_certificate_is_not_let_in(broker: Broker, authority: Authority) -> None:
    assert "was lost" in first_fault(secured(broker.port, authority.file))


def test_a_certificate_that_is_missing_is_named(tmp_path: Path, broker: Broker, authority: Authority) -> None:
    files = (tmp_path / "missing.pem", tmp_path / "missing.key")

    assert "missing.pem" in first_fault(secured(broker.port, authority.file, files))
