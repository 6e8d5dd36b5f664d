"""The uplink: one thread that connects, stays connected, and hands on what comes down.

The journal is the outbox: after a connection whatever is unsigned is fetched from it; events appended meanwhile are
offered and go out at once. A receipt goes to the journal, which alone judges it and says how far we are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from random import SystemRandom

from kiosk.config import UplinkSettings
from kiosk.core.faults import FaultCode
from kiosk.core.messages import Message, UplinkChanged
from kiosk.core.ports import Outbox
from kiosk.uplink.errors import UplinkError
from kiosk.uplink.incoming import Incoming
from kiosk.uplink.session import Reported, Session, Terminal
from kiosk.worker import FIRST_RETRY_S, Worker
from wire.attendance import Event
from wire.condition import Birth

RESEND_S = 10.0
"""Seconds that the district may take to sign; doubled while it stays silent, up to a quarter of an hour."""
TURN_S = 1.0
STEADY_S = 10.0
"""A connection that lasts no longer has failed too: somebody else who uses our name throws us off at once."""
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
            settings: `host` is not empty.
            district: the district's name in topics.
            birth: what the terminal is; its `dev` names it, its `boot` dates the state and the will.
            resend_s: seconds that the district may take to sign before everything unsigned is sent again.
        """
        super().__init__("uplink", FaultCode.UPLINK, post)
        self._settings = settings
        self._district = district
        self._birth = birth
        self._outbox = outbox
        self._resend_s = resend_s
        self._faults: frozenset[FaultCode] = frozenset()
        self._session: Session | None = None
        self._failures = 0
        self._incoming = Incoming()

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
        """Send the last checkpoint, take leave, and end.

        A few seconds at most, unless the broker's name is being looked up, which nothing can break off: then as long as
        the resolver takes.
        """
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
        session = Session(self._settings, terminal, self._outbox, self._incoming, self._resend_s)
        try:
            if not session.connect(self._carries_on):
                yield
                return
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
        begun_s = time.monotonic()
        self._session = session
        self.post(UplinkChanged(connected=True))
        try:
            yield
        finally:
            if time.monotonic() - begun_s > STEADY_S:
                self._failures = 0
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

    def _carries_on(self) -> bool:
        """Beat; whether nobody has asked to stop."""
        self.beats += 1
        return not self.stopping.is_set()
