"""Reads messages as somebody would who has the published files only: nothing of `wire` is in here."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from jsonschema import Draft7Validator, Draft202012Validator

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "contract"
NAMES = sorted(path.stem for path in FOLDER.glob("schemas/*.json"))
SCHEMAS: dict[str, Any] = {name: json.loads((FOLDER / "schemas" / f"{name}.json").read_text("utf-8")) for name in NAMES}
VALIDATORS = {name: Draft202012Validator(schema) for name, schema in SCHEMAS.items()}
OLD_VALIDATORS = {name: Draft7Validator(schema) for name, schema in SCHEMAS.items()}
SIGNER = {
    "event": "device",
    "audit": "device",
    "head": "device",
    "result": "device",
    "receipt": "district",
    "command": "district",
}


def vectors(name: str) -> Any:
    """The published vectors of one kind of message."""
    return json.loads((FOLDER / "vectors" / f"{name}.json").read_text("utf-8"))


def public(who: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(vectors("keys")["keys"][who]["public"]))


def is_valid(name: str, fields: Any) -> bool:
    """Whether a schema takes it, read as draft 2020-12 and as draft 7, which must say the same."""
    now, old = VALIDATORS[name].is_valid(fields), OLD_VALIDATORS[name].is_valid(fields)
    assert now == old
    return now


def first_failing(name: str, raw: bytes) -> str | None:
    """The first check that a message fails, in the order that the README gives; None: it is good."""
    try:
        fields = json.loads(raw)
    except ValueError:
        return "json"
    if rfc8785.dumps(fields) != raw:
        return "canonical"
    if not is_valid(name, fields):
        return "schema"
    if name in {"event", "audit"}:
        return _failing_event(fields)
    if name == "command" and (fault := _failing_command(fields)):
        return fault
    if name in SIGNER and not _is_signed(f"hadir/v1/{name}\n".encode() + _without(fields, "sig"), fields, name):
        return "signature"
    return None


def _failing_event(fields: dict[str, Any]) -> str | None:
    if fields["id"] != f"{fields['dev']}.{fields['seq']}":
        return "name"
    digest = hashlib.sha256(_without(fields, "hash", "sig", "hist")).digest()
    if digest.hex() != fields["hash"]:
        return "hash"
    return None if _is_signed(b"hadir/v1/event\n" + digest, fields, "event") else "signature"


def _failing_command(fields: dict[str, Any]) -> str | None:
    life = datetime.fromisoformat(fields["exp"]) - datetime.fromisoformat(fields["t"])
    if not timedelta(0) < life <= timedelta(hours=1):
        return "life"
    return "range" if fields.get("from_seq", 0) > fields.get("to_seq", 0) else None


def _without(fields: dict[str, Any], *names: str) -> bytes:
    return rfc8785.dumps({name: value for name, value in fields.items() if name not in names})


def _is_signed(signed: bytes, fields: dict[str, Any], name: str) -> bool:
    try:
        public(SIGNER[name]).verify(bytes.fromhex(fields["sig"]), signed)
    except InvalidSignature:
        return False
    return True
