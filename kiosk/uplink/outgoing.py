"""Which events go out next. Pure: no socket, no thread, no clock.

    appended while connected ──▶ live: by itself, at once
    appended before          ──▶ history: batches fetched from the journal, as many at once as the district bears

One batch goes out first. Each that the district signs for within `PROMPT_S` lets one more be on its way at once, each
that takes longer halves their number: on a slow line at most one is ever ahead of a live event, a long one is kept
full, and the district sets the pace when three hundred terminals come back at once. Nothing is kept here that is not
in the journal. What is not signed for in time is history again, from the first unsigned event on: the one rule that
mends lost messages, lost receipts and a broker that forgot.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import msgspec

from wire.attendance import LARGEST_MESSAGE, VERSION, Batch, Event, encode

LIVE_LIMIT = 256
"""Live events that may wait for a free place; past it they are history. About 0.2 MB."""
LONGEST_PATIENCE_S = 900.0
"""Seconds between two attempts when the district stays silent. An attempt is one batch, at most 64 KiB."""

PROMPT_S = 1.0
"""Seconds from a batch to its receipt that let more go out: what a live event may then have to wait behind history."""
MOST_BATCHES = 16
"""On their way at once: 1 MB, and 3,500 events/s behind a round trip of 300 ms."""
STUCK_S = 120.0
"""Seconds for one message to reach the broker: a full batch takes 55 at 9,600 bit/s."""


@dataclass(frozen=True, slots=True)
class Live:
    """Send this event."""

    event: Event


@dataclass(frozen=True, slots=True)
class History:
    """Send these events that waited."""

    payload: bytes
    """A `Batch`, encoded, at most 64 KiB."""
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True)
class Fetch:
    """Ask the journal for what follows this event."""

    after_seq: int


Errand = Live | History | Fetch


class Outgoing:
    """What of the journal is on its way, on one connection. All times are seconds of one monotonic clock."""

    def __init__(self, window: int, resend_s: float, now_s: float) -> None:
        """
        Args:
            window: messages that may be on their way to the broker at once.
            resend_s: how long the district may take to sign before its silence counts as a loss; doubled each time.
        """
        self._window = window
        self._resend_s = self._patience_s = resend_s
        self._since_s = now_s
        self._on_the_way: dict[int, float] = {}
        self._live: deque[Event] = deque()
        self._live_from: int | None = None
        self._batch: History | None = None
        self._batch_end = 0
        self._unsigned: deque[tuple[int, float]] = deque()
        """Of each batch that went out, its last event and when; the oldest first."""
        self._batches = 1
        self._fetching = False
        self._caught_up = False
        self._receipted: int | None = None
        self._newest = 0

    def offer(self, event: Event, now_s: float) -> None:
        """A live event was appended to the journal."""
        if event.seq <= self._newest:
            return
        self._saw(event.seq, now_s)
        if len(self._live) >= LIVE_LIMIT:
            self._start_over(now_s)
            return
        if self._live_from is None:
            self._live_from = event.seq
        self._live.append(event)

    def fetched(self, events: tuple[Event, ...], now_s: float) -> None:
        """The journal has answered."""
        self._fetching = False
        waiting = [event for event in events if self._live_from is None or event.seq < self._live_from]
        if not waiting:
            self._caught_up = True
            return
        self._saw(waiting[-1].seq, now_s)
        self._batch = fitting(waiting)
        self._batch_end = self._batch.last_seq

    def receipted(self, upto_seq: int, now_s: float) -> None:
        """The journal says up to which event the district has signed."""
        if self._receipted is not None and upto_seq <= self._receipted:
            return
        self._receipted = upto_seq
        self._newest = max(self._newest, upto_seq)
        self._keep_pace(upto_seq, now_s)
        self._patience_s, self._since_s = self._resend_s, now_s

    def sent(self, mid: int, now_s: float) -> None:
        """A message was given to the broker under this id."""
        self._on_the_way[mid] = now_s

    def arrived(self, mid: int, now_s: float) -> None:
        """The broker has it; whether the district does, only a receipt says."""
        sent_s = self._on_the_way.pop(mid, None)
        if sent_s is not None:
            self._since_s += now_s - sent_s  # a slow line is not the district's silence

    def is_stuck(self, now_s: float) -> bool:
        """Whether the broker has left a message unacknowledged for so long that the connection is worth nothing."""
        oldest_s = min(self._on_the_way.values(), default=now_s)
        return now_s - oldest_s > STUCK_S

    def next(self, now_s: float) -> Errand | None:
        """What to do now; None: nothing, until something arrives or time passes."""
        if self._is_overdue(now_s):
            self._patience_s = min(2 * self._patience_s, LONGEST_PATIENCE_S)
            self._start_over(now_s)
        if self._live and self._has_place():
            return Live(self._live.popleft())
        if self._batch and self._has_place():
            batch, self._batch = self._batch, None
            self._unsigned.append((batch.last_seq, now_s))
            return batch
        if self._receipted is not None and self._wants_history():
            self._fetching = True
            return Fetch(max(self._receipted, self._batch_end))
        return None

    def _keep_pace(self, upto_seq: int, now_s: float) -> None:
        """Send more at once while batches are signed for promptly, and less when they are not."""
        while self._unsigned and self._unsigned[0][0] <= upto_seq:
            _, sent_s = self._unsigned.popleft()
            is_prompt = now_s - sent_s <= PROMPT_S
            self._batches = min(self._batches + 1, MOST_BATCHES) if is_prompt else max(1, self._batches // 2)

    def _has_place(self) -> bool:
        return len(self._on_the_way) < self._window

    def _wants_history(self) -> bool:
        is_busy = self._caught_up or self._fetching or self._batch is not None
        return not is_busy and len(self._unsigned) < self._batches

    def _is_overdue(self, now_s: float) -> bool:
        unsigned = self._receipted is not None and self._newest > self._receipted
        return unsigned and not self._on_the_way and now_s - self._since_s > self._patience_s

    def _saw(self, seq: int, now_s: float) -> None:
        """Time counts from the first event that waits for a signature."""
        if self._newest <= (self._receipted or 0):
            self._since_s = now_s
        self._newest = max(self._newest, seq)

    def _start_over(self, now_s: float) -> None:
        """Everything that is not signed for is history."""
        self._live.clear()
        self._live_from = self._batch = None
        self._batch_end = 0
        self._unsigned.clear()
        self._batches = 1
        self._caught_up = False
        self._since_s = now_s


def fitting(events: list[Event]) -> History:
    """Return as many of the events, from the first on, as one message may carry.

    Args:
        events: ascending, at least one.
    """
    count = len(events)
    payload = _batch(events)
    while len(payload) > LARGEST_MESSAGE and count > 1:
        count = max(1, min(count - 1, count * LARGEST_MESSAGE // len(payload)))
        payload = _batch(events[:count])
    return History(payload, events[0].seq, events[count - 1].seq)


def _batch(events: list[Event]) -> bytes:
    return encode(Batch(v=VERSION, events=tuple(msgspec.structs.replace(event, hist=True) for event in events)))
