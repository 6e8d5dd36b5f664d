"""The district's certificate authority: who may speak to the broker, and until when.

One authority signs the broker's certificate, the ingest's and every terminal's. It lives beside the store, since
whoever has the district's key can forge receipts anyway. What was revoked is in a list that the broker reads (`crlfile`
in Mosquitto).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from district.errors import KeyFileError
from district.keys import check_private, write_whole

KEY_FILE, CERTIFICATE_FILE, REVOKED_FILE = "authority.key", "authority.pem", "revoked.pem"
OWN_YEARS = 20
VALID = timedelta(days=730)
"""Of a terminal's, the broker's and the ingest's certificates: two years, and then a technician comes by anyway."""
LIST_VALID = timedelta(days=3650)
"""A broker refuses everybody once its list is out of date, so the list is not what forces a visit."""
SKEW = timedelta(days=1)
"""Valid from a day ago: a terminal's clock may be behind."""


@dataclass(frozen=True, slots=True)
class Issued:
    """One certificate."""

    serial: int
    pem: str
    until: datetime


class Authority:
    """Signs certificates."""

    def __init__(self, certificate: x509.Certificate, key: EllipticCurvePrivateKey) -> None:
        """Use `opened_authority`."""
        self.certificate = certificate
        self._key = key

    @property
    def pem(self) -> str:
        """What terminals, broker and ingest check each other against."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def for_device(self, csr: x509.CertificateSigningRequest, dev: str) -> Issued:
        """Return a certificate by which a terminal shows who it is; nothing in the request but the key counts."""
        return self._issued(csr.public_key(), dev, ExtendedKeyUsageOID.CLIENT_AUTH, ())

    def for_client(self, name: str) -> tuple[Issued, bytes]:
        """Return a certificate for the ingest or another subscriber, and the key made for it, PEM."""
        key = generate_private_key(SECP256R1())
        return self._issued(key.public_key(), name, ExtendedKeyUsageOID.CLIENT_AUTH, ()), _pem(key)

    def for_server(self, hosts: Sequence[str]) -> tuple[Issued, bytes]:
        """Return a certificate for a broker under names or addresses, and the key made for it, PEM."""
        key = generate_private_key(SECP256R1())
        return self._issued(key.public_key(), hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, hosts), _pem(key)

    def revocations(self, serials: Iterable[int]) -> bytes:
        """Return the list of certificates that no longer hold, PEM."""
        now = datetime.now(UTC)
        listed = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now - SKEW)
            .next_update(now + LIST_VALID)
        )
        for serial in serials:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            listed = listed.add_revoked_certificate(entry)
        return listed.sign(self._key, SHA256()).public_bytes(Encoding.PEM)

    def _issued(
        self, public: CertificatePublicKeyTypes, name: str, usage: x509.ObjectIdentifier, hosts: Sequence[str]
    ) -> Issued:
        now = datetime.now(UTC)
        builder = (
            _builder(name, self.certificate.subject, public, now + VALID)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        )
        if hosts:
            names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
            builder = builder.add_extension(names, critical=False)
        made = builder.sign(self._key, SHA256())
        return Issued(made.serial_number, made.public_bytes(Encoding.PEM).decode(), made.not_valid_after_utc)


def opened_authority(folder: Path, district: str) -> Authority:
    """Return the district's authority; it is made on first use.

    Raises:
        KeyFileError: its files cannot be used.
    """
    key_file, certificate_file = folder / KEY_FILE, folder / CERTIFICATE_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not key_file.exists():
            write_whole(key_file, _pem(generate_private_key(SECP256R1())))
        check_private(key_file)
        key = load_pem_private_key(key_file.read_bytes(), None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise KeyFileError(f"{key_file}: is a key of another kind than P-256")
        if not certificate_file.exists():
            write_whole(certificate_file, _own_certificate(key, district).public_bytes(Encoding.PEM))
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise KeyFileError(f"{folder}: {KEY_FILE} or {CERTIFICATE_FILE} cannot be used: {error}") from error
    if certificate.public_key() != key.public_key():
        raise KeyFileError(f"{certificate_file}: is not of {key_file}")
    return Authority(certificate, key)


def _own_certificate(key: EllipticCurvePrivateKey, district: str) -> x509.Certificate:
    name = f"Hadir {district}"
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    until = datetime.now(UTC) + timedelta(days=365 * OWN_YEARS)
    return (
        _builder(name, subject, key.public_key(), until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True, key_cert_sign=True, crl_sign=True, content_commitment=False,
                key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )  # fmt: skip


def _builder(
    name: str, issuer: x509.Name, public: CertificatePublicKeyTypes, until: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - SKEW)
        .not_valid_after(until)
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(key: EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
