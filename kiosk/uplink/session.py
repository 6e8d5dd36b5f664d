"""What is said on one connection: state, birth, checkpoints and events, from the first word to goodbye."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from kiosk.config import UplinkSettings
from kiosk.core.faults import FAULTS, FaultCode, Severity
from kiosk.core.ports import Outbox
from kiosk.uplink.connection import Connection, Listener
from kiosk.uplink.errors import UplinkError
from kiosk.uplink.incoming import Incoming
from kiosk.uplink.mailbox import Mailbox
from kiosk.uplink.outgoing import Fetch, History, Live, Outgoing
from wire.attendance import VERSION, Event, EventType, encode
from wire.chain import Head, Receipt
from wire.condition import Birth, State, Status
from wire.topics import Topic

HEAD_EVERY_S = 3600.0
"""CONTRACT: a checkpoint hourly."""
GOODBYE_S = 1.0
"""Seconds for the last checkpoint to come and to leave."""


@dataclass(frozen=True, slots=True)
class Terminal:
    """Whose connection it is."""

    district: str
    dev: str
    boot: str

    def state(self, status: Status, faults: frozenset[FaultCode] = frozenset()) -> State:
        """How the terminal is, as a message."""
        codes = tuple(sorted(code.value for code in faults))
        return State(v=VERSION, dev=self.dev, state=status, boot=self.boot, faults=codes)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The journal's answer to `Fetch`."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Receipted:
    """The journal says up to which event the district has signed."""

    upto_seq: int


@dataclass(frozen=True, slots=True)
class Reported:
    """These faults are present."""

    faults: frozenset[FaultCode]


Arrival = Event | Fetched | Receipted | Head | Reported | Birth


class Session:
    """One connection and what is on its way. Only `mailbox` may be touched from other threads."""

    def __init__(
        self,
        settings: UplinkSettings,
        terminal: Terminal,
        outbox: Outbox,
        incoming: Incoming,
        resend_s: float,
    ) -> None:
        """
        Args:
            incoming: reads what comes down.
            resend_s: see `Outgoing`.

        Raises:
            UplinkError: a TLS file is missing or is not what it should be.
        """
        self._batch_size = settings.batch
        self._terminal = terminal
        self._outbox = outbox
        self._outgoing = Outgoing(settings.window, resend_s, time.monotonic())
        self._incoming = incoming
        self._is_judging = False
        self._next_receipt: Receipt | None = None
        self._said_state: State | None = None
        self._next_head_s = 0.0
        listener = Listener(self._came_down, lambda mid: self._outgoing.arrived(mid, time.monotonic()))
        will = encode(terminal.state(Status.OFFLINE))
        self._connection = Connection(settings, terminal.district, terminal.dev, will, listener)
        self.mailbox: Mailbox[Arrival] = Mailbox()

    def connect(self, carry_on: Callable[[], bool]) -> bool:
        """Reach the broker and be let in; see `Connection.open`.

        Raises:
            UplinkError: no broker there, or it refuses us.
        """
        return self._connection.open(carry_on)

    def begin(self, birth: Birth, faults: frozenset[FaultCode]) -> None:
        """Say how and what we are, and start on whatever the district has not signed for.

        Raises:
            UplinkError: the connection is lost already.
        """
        self._say_state(faults)
        self._connection.publish(Topic.BIRTH, encode(birth))
        self._ask_receipted()

    def exchange(self, timeout_s: float) -> None:
        """Wait until something arrives or goes, at most this long, and do what is due.

        Raises:
            UplinkError: the connection is lost, or not worth keeping.
        """
        self._connection.pump(timeout_s, self.mailbox)
        for arrival in self.mailbox.take_all():
            self._take(arrival)
        self._send_due()

    def say_goodbye(self) -> None:
        """Send the last checkpoint and `offline`, and take leave.

        Raises:
            UplinkError: the connection is lost.
        """
        self._ask_head()
        deadline_s = time.monotonic() + GOODBYE_S
        while not self._sent_head() and time.monotonic() < deadline_s:
            self._connection.pump(deadline_s - time.monotonic(), self.mailbox)
        self._connection.publish(Topic.STATE, encode(self._terminal.state(Status.OFFLINE)))
        self._connection.leave(GOODBYE_S)

    def close(self) -> None:
        """Give the sockets back."""
        self._connection.close()
        self.mailbox.close()

    def _came_down(self, topic: Topic, raw: bytes) -> None:
        receipt = self._incoming.receipt(topic, raw)
        if receipt is not None:
            self._hand_on(receipt)

    def _hand_on(self, receipt: Receipt) -> None:
        """Have the journal judge it; of those that come meanwhile, the last, so that no flood holds up the card."""
        if self._is_judging:
            self._next_receipt = receipt
            return
        self._is_judging = True
        self._outbox.acknowledge(receipt)
        self._ask_receipted()

    def _ask_receipted(self) -> None:
        """Have the journal say how far the district has signed; the answer comes to the mailbox."""
        self._outbox.receipted(lambda upto_seq: self.mailbox.put(Receipted(upto_seq)))

    def _judged(self, upto_seq: int, now_s: float) -> None:
        self._outgoing.receipted(upto_seq, now_s)
        self._is_judging = False
        receipt, self._next_receipt = self._next_receipt, None
        if receipt is not None:
            self._hand_on(receipt)

    def _take(self, arrival: Arrival) -> None:
        now_s = time.monotonic()
        match arrival:
            case Event():
                self._outgoing.offer(arrival, now_s)
            case Fetched(events):
                self._outgoing.fetched(events, now_s)
            case Receipted(upto_seq):
                self._judged(upto_seq, now_s)
            case Head():
                self._connection.publish(Topic.HEAD, encode(arrival))
            case Reported(faults):
                self._say_state(faults)
            case Birth():
                self._connection.publish(Topic.BIRTH, encode(arrival))
            case _:
                assert_never(arrival)

    def _send_due(self) -> None:
        now_s = time.monotonic()
        if self._outgoing.is_stuck(now_s):
            raise UplinkError("the broker is there, but acknowledges nothing")
        if now_s >= self._next_head_s:
            self._ask_head()
        while (errand := self._outgoing.next(now_s)) is not None:
            self._run(errand)

    def _run(self, errand: Live | History | Fetch) -> None:
        match errand:
            case Live(event):
                topic = Topic.AUDIT if event.typ is EventType.AUDIT else Topic.EVENT
                self._outgoing.sent(self._connection.publish(topic, encode(event)), time.monotonic())
            case History(payload):
                self._outgoing.sent(self._connection.publish(Topic.BATCH, payload), time.monotonic())
                self._ask_head()
            case Fetch(after_seq):
                self._outbox.fetch(after_seq, self._batch_size, lambda events: self.mailbox.put(Fetched(events)))
            case _:
                assert_never(errand)

    def _ask_head(self) -> None:
        self._next_head_s = time.monotonic() + HEAD_EVERY_S
        self._outbox.head(self.mailbox.put)

    def _sent_head(self) -> bool:
        """Send what has come for it; whether a checkpoint was among it."""
        arrivals = self.mailbox.take_all()
        for arrival in arrivals:
            self._take(arrival)
        return any(isinstance(arrival, Head) for arrival in arrivals)

    def _say_state(self, faults: frozenset[FaultCode]) -> None:
        is_degraded = any(FAULTS[code].severity >= Severity.DEGRADED for code in faults)
        state = self._terminal.state(Status.DEGRADED if is_degraded else Status.ONLINE, faults)
        if state != self._said_state:
            self._connection.publish(Topic.STATE, encode(state))
            self._said_state = state
