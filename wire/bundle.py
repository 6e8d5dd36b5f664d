"""An exported journal as lines: a signed manifest, then every event in its canonical bytes. Pure.

    manifest ⏎  event ⏎  event ⏎  …  event ⏎

The manifest stands first and names the last event, so that a stick pulled out too early is noticed, and what came
before the tear can still be used. A line is a message and a message is its bytes: no bit of the file means nothing.
One verifier for the terminal, the district and an auditor with the public key alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from wire.attendance import LARGEST_MESSAGE, Event, MessageError, decode
from wire.chain import (
    ChainError,
    Manifest,
    is_signed_head,
    is_signed_manifest,
    is_signed_pruned,
    verify,
)

LONGEST_LINE = LARGEST_MESSAGE + 1
"""Bytes, the line feed among them."""


class BundleError(ValueError):
    """The file is not an export that holds; `seq` is the first event that it cannot speak for."""

    def __init__(self, what: str, seq: int | None = None) -> None:
        super().__init__(what)
        self.seq = seq


def manifest_of(line: bytes) -> Manifest:
    """Return the manifest in a file's first line; who signed it is not checked.

    Raises:
        BundleError: the line is not one.
    """
    try:
        return decode(_content(line), Manifest)
    except MessageError as error:
        raise BundleError(f"not an exported journal: its first line is {error}") from error


def check_manifest(manifest: Manifest, key: Ed25519PublicKey) -> None:
    """Check all that the manifest says by itself.

    Raises:
        BundleError: it is not this device's, or contradicts itself.
    """
    if not is_signed_manifest(manifest, key):
        raise BundleError("its manifest is not signed by this device's key")
    if not is_signed_head(manifest.head, key) or manifest.head.dev != manifest.dev:
        raise BundleError("the journal's head in its manifest is not signed by this device's key")
    pruned = manifest.pruned
    if pruned is not None and (not is_signed_pruned(pruned, key) or pruned.dev != manifest.dev):
        raise BundleError("its manifest's word on what was pruned is not signed by this device's key")
    if not (pruned.seq if pruned else 0) <= manifest.after_seq <= manifest.upto_seq <= manifest.head.seq:
        raise BundleError(f"its manifest contradicts itself: {manifest.after_seq} to {manifest.upto_seq}")


def events_of(lines: Iterable[bytes], manifest: Manifest) -> Iterator[Event]:
    """Yield the events of the lines after the manifest, which are neither verified nor linked.

    Raises:
        BundleError: a line is not an event of this device, or the lines end before the last event that was promised.
    """
    seq = manifest.after_seq
    for line in lines:
        try:
            event = decode(_content(line), Event)
        except MessageError as error:
            raise BundleError(f"after event {seq}: {error}", seq + 1) from error
        if event.hist or event.dev != manifest.dev:
            raise BundleError(f"event {event.seq}: is not as {manifest.dev} keeps its events", event.seq)
        if event.seq > manifest.upto_seq:
            raise BundleError(f"event {event.seq}: the last one should be {manifest.upto_seq}", event.seq)
        yield event
        seq = event.seq
    if seq != manifest.upto_seq:
        raise BundleError(f"is cut short after event {seq}: wanted up to {manifest.upto_seq}", seq + 1)


def verified(
    lines: Iterable[bytes], key: Ed25519PublicKey, each: Callable[[Event], object] = lambda _: None
) -> Manifest:
    """Check a whole export with the device's public key alone, and return its manifest.

    Args:
        each: told every event that holds.

    Raises:
        BundleError: names the first event that does not hold, and what is wrong.
    """
    remaining = iter(lines)
    manifest = manifest_of(next(remaining, b""))
    check_manifest(manifest, key)
    last = manifest.after
    try:
        for event in verify(events_of(remaining, manifest), key, manifest.after_seq, manifest.after):
            last = event.hash
            each(event)
    except ChainError as error:
        raise BundleError(str(error), error.seq) from error
    if last != manifest.upto:
        raise BundleError(f"event {manifest.upto_seq}: is another than the manifest names", manifest.upto_seq)
    if manifest.upto_seq == manifest.head.seq and manifest.upto != manifest.head.hash:
        raise BundleError(f"event {manifest.upto_seq}: is another than the journal's head", manifest.upto_seq)
    return manifest


def _content(line: bytes) -> bytes:
    if not line.endswith(b"\n"):
        raise MessageError(f"a line of {len(line)} bytes without an end: cut short, or longer than is allowed")
    return line[:-1]
