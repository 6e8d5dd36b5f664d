"""The uplink: one thread that connects, stays connected, and judges what comes down.

The journal is the outbox: after a connection whatever is unsigned is fetched from it; events appended meanwhile are
offered and go out at once. A receipt that is the district's goes to the journal, which alone says how far we are.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom

from kiosk.config import UplinkSettings
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultCleared, FaultRaised, Message, UplinkChanged
from kiosk.core.ports import Outbox
from kiosk.uplink.errors import ReceiptError, UplinkError
from kiosk.uplink.receipts import judged
from kiosk.uplink.session import Reported, Session, Terminal
from kiosk.worker import FIRST_RETRY_S, Worker
from wire.attendance import Event
from wire.chain import public_key
from wire.condition import Birth
from wire.topics import Topic

log = logging.getLogger(__name__)

RESEND_S = 10.0
"""Seconds that the district may take to sign; doubled while it stays silent, up to a quarter of an hour."""
TURN_S = 1.0
LONGEST_SPREAD_S = 8.0
"""Three hundred terminals come back within this time after a long outage, not at once."""


class Uplink(Worker):
    """The way to the district."""

    def __init__(
        self,
        settings: UplinkSettings,
        district: str,
        birth: Birth,
        outbox: Outbox,
        post: Callable[[Message], None],
        *,
        resend_s: float = RESEND_S,
    ) -> None:
        """
        Args:
            settings: `host` is not empty, `district_key` a public key.
            district: the district's name in topics.
            birth: what the terminal is; its `dev` names it, its `boot` dates the state and the will.
            resend_s: seconds that the district may take to sign before everything unsigned is sent again.

        Raises:
            ValueError: `district_key` is not a public key.
        """
        super().__init__("uplink", FaultCode.UPLINK, post)
        self._settings = settings
        self._district = district
        self._district_key = public_key(settings.district_key)
        self._birth = birth
        self._outbox = outbox
        self._resend_s = resend_s
        self._faults: frozenset[FaultCode] = frozenset()
        self._session: Session | None = None
        self._failures = 0
        self._receipts_doubted = False
        self._ignored: set[Topic] = set()

    # ---- from any thread

    def offer(self, event: Event) -> None:
        """Send an event that is on disk, at once if there is a connection; else the journal keeps it for later."""
        session = self._session
        if session is not None:
            session.mailbox.put(event)

    def report(self, faults: frozenset[FaultCode]) -> None:
        """Let the state message follow the set of faults that are present."""
        self._faults = faults
        session = self._session
        if session is not None:
            session.mailbox.put(Reported(faults))

    def announce(self, birth: Birth) -> None:
        """Say anew what the terminal is, since its roster, configuration or models have changed."""
        self._birth = birth
        session = self._session
        if session is not None:
            session.mailbox.put(birth)

    def stop(self) -> None:
        """Send the last checkpoint, take leave, and end; at most a few seconds."""
        self.stopping.set()
        session = self._session
        if session is not None:
            session.mailbox.wake()
        super().stop()

    # ---- the worker

    @contextmanager
    def opened(self) -> Iterator[None]:
        """A connection to the broker, from CONNECT to goodbye."""
        self._spread_out()
        self._failures += 1
        terminal = Terminal(self._district, self._birth.dev, self._birth.boot)
        session = Session(self._settings, terminal, self._outbox, self._came_down, self._resend_s)
        try:
            session.connect()
            with self._published(session):
                session.begin(self._birth, self._faults)
                yield
                session.say_goodbye()
        finally:
            session.close()

    def turn(self) -> None:
        """Exchange messages for at most a second."""
        if self._session is None:
            raise UplinkError("there is no connection")
        self._session.exchange(TURN_S)

    @contextmanager
    def _published(self, session: Session) -> Iterator[None]:
        """Take offers and reports while the connection lasts.

        Offers are taken before the journal is asked, so that no event falls between the two.
        """
        self._failures = 0
        self._session = session
        self.post(UplinkChanged(connected=True))
        try:
            yield
        finally:
            self._session = None
            self.post(UplinkChanged(connected=False))

    def _spread_out(self) -> None:
        """Wait for a random while that grows with each failure."""
        if self._failures == 0:
            return
        most_s = min(FIRST_RETRY_S * 2**self._failures / 2, LONGEST_SPREAD_S)
        until_s = time.monotonic() + SystemRandom().uniform(0.0, most_s)
        while (left_s := until_s - time.monotonic()) > 0:
            self.beats += 1
            if self.stopping.wait(min(left_s, FIRST_RETRY_S)):
                return

    # ---- what comes down

    def _came_down(self, topic: Topic, raw: bytes) -> None:
        if topic is Topic.RECEIPT:
            self._receipt_came(raw)
        elif topic not in self._ignored:
            self._ignored.add(topic)
            log.warning("uplink: %s came down (%d bytes) and was ignored: not supported yet", topic, len(raw))

    def _receipt_came(self, raw: bytes) -> None:
        try:
            receipt = judged(raw, self._birth.dev, self._district_key)
        except ReceiptError as error:
            self._doubt(str(error))
            return
        self._trust()
        self._outbox.acknowledge(receipt)
        if self._session is not None:
            self._session.ask_receipted()

    def _doubt(self, why: str) -> None:
        if not self._receipts_doubted:
            self._receipts_doubted = True
            log.error("uplink: %s: %s", FaultCode.RECEIPT, why)
            self.post(FaultRaised(FaultCode.RECEIPT, why))

    def _trust(self) -> None:
        if self._receipts_doubted:
            self._receipts_doubted = False
            log.info("uplink: %s is over", FaultCode.RECEIPT)
            self.post(FaultCleared(FaultCode.RECEIPT))
