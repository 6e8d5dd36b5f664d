"""What the district can say about what it holds: per device, whether the chain verifies and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass

from district.store import Device, Misfit, Store
from wire.attendance import MessageError
from wire.chain import ChainError, is_signed_head, public_key, verify

AGAINST_THE_CHAIN = frozenset({Misfit.FORK, Misfit.BREAK})
"""What the device itself has signed, and contradicts what it signed before. The rest anybody on the broker can send."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The state of one device's events."""

    dev: str
    last_seq: int
    """The end of the verified chain, which begins at 1; 0: there is none."""
    problems: tuple[str, ...]
    """What is wrong, one sentence each; none: all is well."""
    notes: tuple[str, ...]
    """What is worth knowing, and not wrong."""


def examined(store: Store, device: Device) -> Finding:
    """Verify everything held of a device again, from its first event on, with its public key alone."""
    last, problems = _verified(store, device)
    problems += _losses(store, device.dev)
    problems += _gaps(last, store.waiting(device.dev))
    quarantined = store.quarantined(device.dev)
    problems += [
        f"quarantine: {item.detail}" + (f" (came {item.times} times)" if item.times > 1 else "")
        for item in quarantined
        if item.reason in AGAINST_THE_CHAIN
    ]
    against, notes = _checked_head(store, device, last)
    rubbish = sum(item.times for item in quarantined if item.reason not in AGAINST_THE_CHAIN)
    if rubbish:
        notes.insert(0, f"{rubbish} messages on its topics were not its own, or could not be read, and were set aside")
    if device.duplicates:
        notes.insert(0, f"{device.duplicates} events came again, and were kept once")
    return Finding(device.dev, last, (*problems, *against), tuple(notes))


def _verified(store: Store, device: Device) -> tuple[int, list[str]]:
    last = 0
    try:
        for event in verify(store.events(device.dev), public_key(device.key)):
            if event.dev != device.dev:
                return last, [f"event {event.seq}: is another device's"]
            last = event.seq
    except (ChainError, MessageError) as error:
        return last, [f"the chain does not verify: {error}"]
    held = store.head(device.dev).seq
    return last, [] if held == last else [f"the chain ends at {last}, but event {held} is held"]


def _losses(store: Store, dev: str) -> list[str]:
    """What the terminal says may be missing, and has not come either."""
    said: dict[str, str] = {}
    for span, declared_by in store.losses(dev):
        first = span.first
        for held in (*store.numbers(dev, span), span.last + 1):
            if held > first:
                what = f"event {first}" if held == first + 1 else f"events {first} to {held - 1}"
                said.setdefault(what, f"{what} may be lost: the terminal says so in event {declared_by}")
            first = held + 1
    return list(said.values())


def _gaps(last: int, waiting: list[int]) -> list[str]:
    """The numbers that are missing before those that wait."""
    missing = []
    for seq in waiting:
        if seq == last + 2:
            missing.append(f"missing: event {last + 1}")
        elif seq > last + 2:
            missing.append(f"missing: events {last + 1} to {seq - 1}")
        last = max(last, seq)
    return missing


def _checked_head(store: Store, device: Device, last: int) -> tuple[list[str], list[str]]:
    """Problems and notes about its farthest checkpoint, which may have come before the event that it names."""
    try:
        head = store.checkpoint(device.dev)
    except MessageError as error:
        return [f"its checkpoint cannot be read: {error}"], []
    if head is None:
        return [], []
    if not is_signed_head(head, public_key(device.key)):
        return [f"its checkpoint of {head.t} is not signed by this device's key"], []
    if store.held_hash(device.dev, head.seq) not in {None, head.hash}:
        return [f"its checkpoint of {head.t} names another event {head.seq} than is held"], []
    if head.seq > last:
        return [], [f"its checkpoint of {head.t} speaks of {head.seq} events: {head.seq - last} are not here yet"]
    return [], []
