"""A terminal's request becomes a certificate and a record; a terminal that is lost is trusted no more."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from district.authority import REVOKED_FILE, Authority, Issued
from district.errors import GrantError
from district.keys import write_whole
from district.store import Device, Store
from wire.attendance import VERSION, rfc3339
from wire.chain import public_hex
from wire.grant import Grant, Request, is_code, is_signed, sign_grant
from wire.topics import IDENTIFIER


def grant(
    store: Store, authority: Authority, key: Ed25519PrivateKey, request: Request, typed: str, now: datetime
) -> Grant:
    """Enrol a device, or renew its certificate, and return what it is to accept.

    Args:
        key: the district's.
        typed: the code that the terminal showed; not asked for by a device whose key is known.

    Raises:
        GrantError: the request is not signed, or the code is another one's.
        StoreError: the device has sent events under another key.
    """
    csr = _checked(request)
    known = store.device(request.dev)
    if (known is None or known.key != request.key or known.revoked_t) and not is_code(typed, request):
        raise GrantError(f"{request.dev} is not known with this key: type the code that the terminal showed (--code)")
    issued = authority.for_device(csr, request.dev)
    with store.transaction():
        store.enrol(Device(request.dev, request.key, request.unit, rfc3339(now)))
        store.remember_certificate(request.dev, issued.serial, rfc3339(issued.until))
    return sign_grant(_grant(request, issued, authority, public_hex(key), now), key)


def revoke(store: Store, authority: Authority, dev: str, folder: Path, now: datetime) -> None:
    """Trust a device no more, and write the list for the broker.

    Args:
        folder: where the list is; a broker reads it when it starts.

    Raises:
        GrantError: no such device is enrolled.
    """
    if store.device(dev) is None:
        raise GrantError(f"no terminal named {dev} is enrolled")
    with store.transaction():
        store.revoke(dev, rfc3339(now))
    write_revoked(store, authority, folder)


def write_revoked(store: Store, authority: Authority, folder: Path) -> None:
    """Write the list of certificates that no longer hold."""
    write_whole(folder / REVOKED_FILE, authority.revocations(store.revoked_serials()))


def _checked(request: Request) -> x509.CertificateSigningRequest:
    if not re.match(IDENTIFIER, request.dev):
        raise GrantError(f"the request names {request.dev!r}: expected 1 to 32 of a-z, 0-9 and '-'")
    if not is_signed(request):
        raise GrantError(f"the request of {request.dev} is not signed by the key in it: it was changed on its way")
    try:
        csr = x509.load_pem_x509_csr(request.csr.encode())
        is_held = csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise GrantError(f"the request of {request.dev} holds no PKCS #10 request that can be read: {error}") from error
    if not is_held:
        raise GrantError(f"the request of {request.dev}: whoever made it does not hold its TLS key")
    return csr


def _grant(request: Request, issued: Issued, authority: Authority, key: str, now: datetime) -> Grant:
    return Grant(
        v=VERSION,
        dev=request.dev,
        district=request.district,
        device_key=request.key,
        key=key,
        certificate=issued.pem,
        authority=authority.pem,
        t=rfc3339(now),
    )
