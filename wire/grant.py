"""How a terminal and its district come to trust each other: a technician carries a `Request` there, and a `Grant` back.

    terminal ─ Request, signed by its identity ─▶ district ─ Grant, signed by the district ─▶ terminal

Neither side knows the other's key yet, so each message has a short `code`, shown by who made it and typed in where it
is believed: whoever swaps a file on its way would have to find another of the same code. Later requests of a known
device, to renew its certificate, are believed by its signature.
"""

from __future__ import annotations

import base64
import hashlib

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from wire.attendance import Message
from wire.canonical import canonical
from wire.chain import public_key

REQUEST_CONTEXT = b"hadir/v1/request\n"
GRANT_CONTEXT = b"hadir/v1/grant\n"
CODE_LETTERS = 12
"""Of base32, 5 bits each: 60 bits. Another message of the same code takes 2^60 keys to find."""
LETTERS_TOGETHER = 4


class Request(Message, frozen=True, kw_only=True):
    """A terminal asks to be enrolled, or for a new certificate."""

    v: int
    dev: str
    district: str
    unit: str
    key: str
    """Its Ed25519 public key, 64 hexadecimal digits."""
    csr: str
    """PKCS #10, PEM: its TLS key, and `dev` as common name."""
    t: str
    sig: str = ""


class Grant(Message, frozen=True, kw_only=True):
    """The district knows the terminal, and gives it what it needs to speak to the broker."""

    v: int
    dev: str
    district: str
    device_key: str
    """The terminal's, as the district knows it from now on."""
    key: str
    """The district's Ed25519 public key: whose receipts count."""
    certificate: str
    """The terminal's, X.509, PEM."""
    authority: str
    """Who signs the broker's certificate, X.509, PEM."""
    t: str
    sig: str = ""


def sign_request(request: Request, key: Ed25519PrivateKey) -> Request:
    """Return the request with the device's signature."""
    return msgspec.structs.replace(request, sig=key.sign(_signed_bytes(request)).hex())


def sign_grant(grant: Grant, key: Ed25519PrivateKey) -> Grant:
    """Return the grant with the district's signature."""
    return msgspec.structs.replace(grant, sig=key.sign(_signed_bytes(grant)).hex())


def is_signed(message: Request | Grant) -> bool:
    """Return whether it is signed by the key that it names; whose key that is, only `code` can say."""
    try:
        public_key(message.key).verify(bytes.fromhex(message.sig), _signed_bytes(message))
    except (InvalidSignature, ValueError):
        return False
    return True


def code(message: Request | Grant) -> str:
    """Return what people compare: `ABCD-EFGH-JKLM`, of the whole message."""
    digest = hashlib.sha256(_context(message) + canonical(msgspec.to_builtins(message))).digest()
    letters = base64.b32encode(digest).decode()[:CODE_LETTERS]
    return "-".join(letters[at : at + LETTERS_TOGETHER] for at in range(0, CODE_LETTERS, LETTERS_TOGETHER))


def is_code(typed: str, message: Request | Grant) -> bool:
    """Return whether somebody typed the message's code; capitals, blanks and hyphens do not matter."""
    return "".join(filter(str.isalnum, typed)).upper() == code(message).replace("-", "")


def _signed_bytes(message: Request | Grant) -> bytes:
    return _context(message) + canonical(msgspec.to_builtins(msgspec.structs.replace(message, sig="")))


def _context(message: Request | Grant) -> bytes:
    return REQUEST_CONTEXT if isinstance(message, Request) else GRANT_CONTEXT
