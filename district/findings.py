"""What the district can say about what it holds: per device, whether the chain verifies and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby

from district.store import Device, Store
from wire.attendance import MessageError, decode
from wire.chain import ChainError, Head, public_key, verify
from wire.topics import Topic


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
    problems += _gaps(last, store.waiting(device.dev))
    problems += [
        f"quarantine: {item.detail}" + (f" (came {item.times} times)" if item.times > 1 else "")
        for item in store.quarantined(device.dev)
    ]
    return Finding(device.dev, last, tuple(problems), tuple(_notes(store, device, last)))


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


def _gaps(last: int, waiting: list[int]) -> list[str]:
    """The numbers that are missing before those that wait."""
    missing = sorted(set(range(last + 1, max(waiting, default=last) + 1)) - set(waiting))
    runs = [[seq for _, seq in run] for _, run in groupby(enumerate(missing), lambda place: place[1] - place[0])]
    return [f"missing: event {run[0]}" if len(run) == 1 else f"missing: events {run[0]} to {run[-1]}" for run in runs]


def _notes(store: Store, device: Device, last: int) -> list[str]:
    notes = [f"{device.duplicates} events came again, and were kept once"] if device.duplicates else []
    raw = store.condition(device.dev, Topic.HEAD)
    if raw is not None and (head := decode(raw, Head)).seq > last:
        notes.append(f"its checkpoint of {head.t} speaks of {head.seq} events")
    return notes
