"""What is promised: live events never wait behind history, history goes a batch at a time at the district's pace, no
message is larger than the contract allows, and whatever is lost on the way is sent again.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kiosk.uplink.outgoing import LIVE_LIMIT, PROMPT_S, STUCK_S, Fetch, History, Live, Outgoing, fitting
from tests.wire.examples import events
from wire.attendance import LARGEST_MESSAGE, Batch, Event, decode

RESEND_S = 10.0
JOURNAL = tuple(events(400))


def outgoing(receipted: int = 0, window: int = 20) -> Outgoing:
    flow = Outgoing(window, RESEND_S, now_s=0.0)
    flow.receipted(receipted, now_s=0.0)
    return flow


def fetch(flow: Outgoing, now_s: float = 0.0, upto: int = len(JOURNAL)) -> None:
    """Let the flow ask the journal, and answer."""
    asked = flow.next(now_s)
    assert isinstance(asked, Fetch)
    flow.fetched(JOURNAL[asked.after_seq : min(asked.after_seq + 100, upto)], now_s)


def test_what_the_district_has_not_signed_is_fetched_from_the_first_unsigned_event_on() -> None:
    assert outgoing(receipted=7).next(0.0) == Fetch(7)


def test_nothing_is_fetched_before_the_journal_has_said_how_far_the_district_is() -> None:
    assert Outgoing(20, RESEND_S, now_s=0.0).next(0.0) is None


def test_a_live_event_overtakes_a_batch_that_is_ready() -> None:
    flow = outgoing()
    fetch(flow)

    flow.offer(JOURNAL[300], now_s=0.0)

    assert flow.next(0.0) == Live(JOURNAL[300])
    assert isinstance(flow.next(0.0), History)


def test_the_next_batch_waits_until_the_district_has_signed_for_the_last() -> None:
    flow = outgoing()
    fetch(flow)
    batch = flow.next(0.0)
    assert isinstance(batch, History)

    waiting = flow.next(0.0)
    flow.receipted(batch.last_seq, now_s=0.1)

    assert waiting is None
    assert flow.next(0.1) == Fetch(batch.last_seq)


def sent_batches(flow: Outgoing, now_s: float) -> list[History]:
    """All the batches that may go out now."""
    batches: list[History] = []
    while isinstance(errand := flow.next(now_s), Fetch | History):
        match errand:
            case Fetch(after_seq):
                flow.fetched(JOURNAL[after_seq : after_seq + 10], now_s)
            case History():
                batches.append(errand)
    return batches


def test_more_batches_go_out_at_once_while_the_district_signs_promptly() -> None:
    flow, at_once = outgoing(), []
    for now_s in range(4):
        batches = sent_batches(flow, now_s)
        at_once.append(len(batches))
        for batch in batches:
            flow.receipted(batch.last_seq, now_s + PROMPT_S)

    assert at_once == [1, 2, 4, 8]


def test_fewer_batches_go_out_when_the_district_is_slow() -> None:
    flow = outgoing()
    first = sent_batches(flow, 0.0)
    flow.receipted(first[-1].last_seq, 0.1)
    second = sent_batches(flow, 0.1)
    flow.receipted(second[-1].last_seq, 0.2 + 2 * PROMPT_S)

    assert [len(first), len(second)] == [1, 2]
    assert len(sent_batches(flow, 3.0)) == 1


def test_no_event_is_in_two_batches_that_are_on_their_way() -> None:
    flow, batches = outgoing(), []
    for now_s in (0.0, 0.1, 0.2):
        batches += sent_batches(flow, now_s)
        flow.receipted(batches[0].last_seq, now_s + 0.05)

    ranges = [(batch.first_seq, batch.last_seq) for batch in batches]
    assert ranges == [(first, first + 9) for first in range(1, 10 * len(batches), 10)]


def test_history_ends_where_live_began() -> None:
    flow = outgoing()
    flow.offer(JOURNAL[3], now_s=0.0)
    flow.next(0.0)
    fetch(flow)

    batch = flow.next(0.0)

    assert isinstance(batch, History)
    assert (batch.first_seq, batch.last_seq) == (1, 3)


def test_an_event_that_is_in_a_batch_is_not_sent_live_too() -> None:
    flow = outgoing()
    fetch(flow, upto=5)

    flow.offer(JOURNAL[4], now_s=0.0)

    assert isinstance(flow.next(0.0), History)
    assert flow.next(0.0) is None


def test_a_full_window_holds_back_even_live_events() -> None:
    flow = outgoing(window=1)
    flow.sent(mid=1, now_s=0.0)
    flow.offer(JOURNAL[0], now_s=0.0)
    held_back = flow.next(0.0)
    flow.arrived(mid=1, now_s=0.0)

    assert not isinstance(held_back, Live)
    assert flow.next(0.0) == Live(JOURNAL[0])


def test_silence_of_the_district_makes_everything_unsigned_history_again() -> None:
    flow = outgoing(receipted=2)
    flow.fetched((), now_s=0.0)
    flow.offer(JOURNAL[2], now_s=1.0)
    flow.next(1.0)

    assert flow.next(1.0 + RESEND_S) is None
    assert flow.next(1.1 + RESEND_S) == Fetch(2)


def test_patience_doubles_while_the_district_stays_silent() -> None:
    flow = outgoing()
    flow.offer(JOURNAL[0], now_s=0.0)
    assert isinstance(flow.next(0.0), Live)
    fetch(flow, now_s=10.1)
    assert isinstance(flow.next(10.1), History)

    assert flow.next(10.1 + 19.9) is None
    assert flow.next(10.1 + 20.1) == Fetch(0)


def test_patience_is_as_before_once_the_district_has_spoken() -> None:
    flow = outgoing()
    flow.offer(JOURNAL[0], now_s=0.0)
    flow.next(0.0)
    flow.next(10.1)
    flow.receipted(1, now_s=11.0)
    flow.fetched((), now_s=11.0)

    flow.offer(JOURNAL[1], now_s=20.0)
    flow.next(20.0)

    assert flow.next(20.0 + 10.1) == Fetch(1)


def test_a_slow_line_is_not_taken_for_a_silent_district() -> None:
    flow = outgoing()
    fetch(flow)
    flow.next(0.0)
    flow.sent(mid=1, now_s=0.0)

    on_the_way = flow.next(RESEND_S + 1)
    flow.arrived(mid=1, now_s=RESEND_S + 1)

    assert on_the_way is None
    assert flow.next(2 * RESEND_S) is None


def test_a_broker_that_acknowledges_nothing_is_given_up() -> None:
    flow = outgoing()
    flow.sent(mid=1, now_s=0.0)

    assert not flow.is_stuck(STUCK_S)
    assert flow.is_stuck(STUCK_S + 0.1)


def test_live_events_past_the_limit_are_left_to_the_journal() -> None:
    flow = outgoing(window=1)
    flow.fetched((), now_s=0.0)
    flow.sent(mid=1, now_s=0.0)
    for event in JOURNAL[: LIVE_LIMIT + 1]:
        flow.offer(event, now_s=0.0)

    assert flow.next(0.0) == Fetch(0)


@pytest.mark.parametrize("count", [1, 60, 100])
def test_a_batch_is_never_larger_than_a_message_may_be(count: int) -> None:
    batch = fitting(list(JOURNAL[:count]))

    assert len(batch.payload) <= LARGEST_MESSAGE
    assert [event.seq for event in decode(batch.payload, Batch).events] == list(range(1, batch.last_seq + 1))


def test_what_waited_says_so() -> None:
    (event,) = decode(fitting([JOURNAL[0]]).payload, Batch).events

    assert event.hist


class Line:
    """A journal, a flow and a district with a line between them that loses what it is told to lose."""

    def __init__(self) -> None:
        self.journal: list[Event] = []
        self.now_s = 0.0
        self.flow = outgoing()
        self.district: set[int] = set()
        self.mid = 0

    def append(self) -> None:
        self.journal.append(JOURNAL[len(self.journal)])
        self.flow.offer(self.journal[-1], self.now_s)

    def reconnect(self) -> None:
        self.flow = outgoing(self.head())

    def head(self) -> int:
        return next(seq for seq in range(len(self.journal) + 1) if seq + 1 not in self.district)

    def run(self, *, message_lost: bool, receipt_lost: bool) -> None:
        """Carry out all that is due."""
        for errand in self._errands():
            if not message_lost:
                self.district.update(range(errand[0], errand[1] + 1))
            if not (message_lost or receipt_lost):
                self.flow.receipted(self.head(), self.now_s)

    def _errands(self) -> Iterator[tuple[int, int]]:
        while (errand := self.flow.next(self.now_s)) is not None:
            self.mid += 1
            match errand:
                case Fetch(after_seq):
                    self.flow.fetched(tuple(self.journal[after_seq : after_seq + 10]), self.now_s)
                    continue
                case Live(event):
                    yield event.seq, event.seq
                case History(_, first_seq, last_seq):
                    yield first_seq, last_seq
            self.flow.sent(self.mid, self.now_s)
            self.flow.arrived(self.mid, self.now_s)


HAPPENINGS = ["append", "reconnect", "lose message", "lose receipt", "deliver", "wait"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(HAPPENINGS), max_size=60))
def test_whatever_is_lost_the_district_has_everything_in_the_end(happenings: list[str]) -> None:
    line = Line()
    for happening in happenings:
        match happening:
            case "append":
                line.append()
            case "reconnect":
                line.reconnect()
            case "wait":
                line.now_s += RESEND_S
            case _:
                line.run(message_lost=happening == "lose message", receipt_lost=happening == "lose receipt")
    for _ in range(3):
        line.now_s += 1000.0
        line.run(message_lost=False, receipt_lost=False)

    assert line.head() == len(line.journal)
