"""What the terminal shows the broker, and whom it believes: made here, granted by the district, kept in one folder.

tls.key      the terminal's TLS key, made on first use, never leaves
grant.json   the district's `Grant`, as it came
tls.pem, authority.pem   its two certificates, for TLS libraries, which want files
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from cryptography.x509.oid import NameOID

from kiosk.uplink.errors import UplinkError
from wire.attendance import VERSION, MessageError, decode, encode, rfc3339
from wire.chain import public_hex
from wire.grant import Grant, Request, is_signed, sign_request

KEY_FILE, GRANT_FILE, CERTIFICATE_FILE, AUTHORITY_FILE = "tls.key", "grant.json", "tls.pem", "authority.pem"


class CredentialsError(UplinkError):
    """A grant, or what is kept of one, cannot be used."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the district granted."""

    key_file: Path
    certificate_file: Path
    ca_file: Path
    district_key: str
    until: datetime
    """When the certificate ends, aware."""


def requested(folder: Path, dev: str, district: str, unit: str, identity: Ed25519PrivateKey) -> Request:
    """Return a request for this device; its TLS key is made on first use.

    Raises:
        CredentialsError: the folder or the key in it cannot be used.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, dev)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(_tls_key(folder), SHA256())
    request = Request(
        v=VERSION,
        dev=dev,
        district=district,
        unit=unit,
        key=public_hex(identity),
        csr=csr.public_bytes(Encoding.PEM).decode(),
        t=rfc3339(datetime.now(UTC)),
    )
    return sign_request(request, identity)


def accept(folder: Path, grant: Grant, dev: str, identity: Ed25519PrivateKey) -> Credentials:
    """Keep a grant that somebody vouches for.

    Raises:
        CredentialsError: it is not signed, is another terminal's, or its certificate is not for our TLS key.
    """
    if not is_signed(grant):
        raise CredentialsError("the grant is not signed by the district that it names: it was changed on its way")
    if (grant.dev, grant.device_key) != (dev, public_hex(identity)):
        raise CredentialsError(f"the grant is for {grant.dev} with another key, not for this {dev}")
    certificate = _certificate(grant.certificate)
    if certificate.public_key() != _tls_key(folder).public_key():
        raise CredentialsError("the grant's certificate is for another TLS key: make a new request and have it granted")
    _certificate(grant.authority)
    _write(folder / AUTHORITY_FILE, grant.authority.encode())
    _write(folder / CERTIFICATE_FILE, grant.certificate.encode())
    _write(folder / GRANT_FILE, encode(grant))
    return _credentials(folder, grant)


def granted(folder: Path) -> Credentials | None:
    """Return what was accepted; None: nothing yet.

    Raises:
        CredentialsError: it cannot be read any more.
    """
    try:
        raw = (folder / GRANT_FILE).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CredentialsError(f"{folder / GRANT_FILE}: {error.strerror}") from error
    try:
        return _credentials(folder, decode(raw, Grant))
    except MessageError as error:
        raise CredentialsError(f"{folder / GRANT_FILE}: {error}: have the terminal enrolled again") from error


def _credentials(folder: Path, grant: Grant) -> Credentials:
    until = _certificate(grant.certificate).not_valid_after_utc
    return Credentials(folder / KEY_FILE, folder / CERTIFICATE_FILE, folder / AUTHORITY_FILE, grant.key, until)


def _certificate(pem: str) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError as error:
        raise CredentialsError(f"the grant holds no certificate in PEM: {error}") from error


def _tls_key(folder: Path) -> EllipticCurvePrivateKey:
    """P-256, which every broker's TLS takes; RFC 8422 has Ed25519 too, but not all do."""
    path = folder / KEY_FILE
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            made = generate_private_key(SECP256R1())
            _write(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError) as error:
        raise CredentialsError(f"{path}: {error}") from error
    if not isinstance(key, EllipticCurvePrivateKey):
        raise CredentialsError(f"{path}: is a key of another kind than P-256")
    return key


def _write(path: Path, content: bytes) -> None:
    """Whole or not at all, mode 0600, in place of what was there."""
    descriptor, name = tempfile.mkstemp(dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).rename(path)
    except OSError as error:
        with suppress(OSError):
            Path(name).unlink()
        raise CredentialsError(f"{path}: {error.strerror}") from error
