"""A terminal that began its journal anew says which numbers may be lost: the district goes on from there, keeps what
comes of them after all, and names what has not come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from district.findings import examined
from district.intake import Intake
from district.store import Misfit, Store, opened_store
from tests.brokers import DEV, DISTRICT, trust
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN, events, moment, tap
from wire import chain
from wire.attendance import Entry, Event, EventType, Span, encode
from wire.chain import ChainError, seal
from wire.topics import Address, Topic

BEFORE = events(9)
HELD = [*BEFORE[:4], *BEFORE[5:7]]
"""What the terminal could save of nine events: 5, 8 and 9 are gone."""


def restart(prev: str, *lost: Span, seq: int = 20) -> Event:
    """The first event of the new journal."""
    entry = Entry(EventType.AUDIT, moment(9000), reason="journal_restarted", lost=lost)
    return seal(entry, ORIGIN, seq, prev, DEVICE_KEY)


RESTART = restart(HELD[-1].hash, Span(5, 5), Span(8, 19))
AFTER = seal(tap(after_s=9060), ORIGIN, 21, RESTART.hash, DEVICE_KEY)
Take = Callable[..., int]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened_store(tmp_path) as opened:
        trust(opened)
        yield opened


@pytest.fixture
def take(store: Store) -> Take:
    return taker(store)


def taker(store: Store) -> Take:
    intake = Intake(store, DISTRICT_KEY, DISTRICT)

    def take(*chained: Event) -> int:
        """How far the receipt goes after these."""
        for event in chained:
            receipt = intake.take(str(Address(DISTRICT, DEV, Topic.EVENT)), encode(event))
        return receipt.upto_seq if receipt else 0

    return take


def held(store: Store) -> list[int]:
    return [event.seq for event in store.events(DEV)]


def problems(store: Store) -> Sequence[str]:
    return examined(store, store.devices()[0]).problems


def test_a_chain_with_declared_holes_verifies_and_one_with_others_does_not() -> None:
    whole = [*HELD, RESTART, AFTER]

    assert list(chain.verify(whole, DEVICE_KEY.public_key())) == whole
    for gone in (0, 2, 5):
        with pytest.raises(ChainError, match=f"event {whole[gone].seq}: is missing"):
            list(chain.verify([*whole[:gone], *whole[gone + 1 :]], DEVICE_KEY.public_key()))


def test_a_forged_event_behind_a_hole_is_found_and_the_hole_named_since_nothing_good_declares_it() -> None:
    stray = msgspec.structs.replace(HELD[4], pid="p-budi")

    with pytest.raises(ChainError, match="event 5: is missing"):
        list(chain.verify([*HELD[:4], stray, *HELD[5:], RESTART], DEVICE_KEY.public_key()))


def test_the_district_goes_on_across_what_is_declared_lost_and_names_it(take: Take, store: Store) -> None:
    assert take(*HELD) == 4
    assert take(RESTART, AFTER) == 21

    assert held(store) == [1, 2, 3, 4, 6, 7, 20, 21]
    assert problems(store) == (
        "event 5 may be lost: the terminal says so in event 20",
        "events 8 to 19 may be lost: the terminal says so in event 20",
    )


def test_what_the_district_has_is_not_lost(take: Take, store: Store) -> None:
    assert take(*BEFORE[:8]) == 8
    assert take(RESTART) == 20

    assert problems(store) == ("events 9 to 19 may be lost: the terminal says so in event 20",)


def test_what_comes_after_all_is_put_in_its_place(take: Take, store: Store) -> None:
    take(*HELD, RESTART)

    assert take(BEFORE[4], BEFORE[8], BEFORE[7]) == 20
    assert held(store) == [*range(1, 10), 20]
    assert problems(store) == ("events 10 to 19 may be lost: the terminal says so in event 20",)


def test_another_event_of_a_lost_number_that_does_not_fit_its_neighbours_is_a_break(take: Take, store: Store) -> None:
    take(*HELD, RESTART)

    take(seal(tap("p-budi"), ORIGIN, 5, BEFORE[2].hash, DEVICE_KEY))
    take(seal(tap("p-budi"), ORIGIN, 5, BEFORE[3].hash, DEVICE_KEY))
    assert held(store) == [1, 2, 3, 4, 6, 7, 20]
    assert [item.reason for item in store.quarantined()] == [Misfit.BREAK, Misfit.BREAK]


def test_a_number_that_is_not_declared_lost_is_waited_for(take: Take, store: Store) -> None:
    assert take(*BEFORE[:2], *HELD[4:], RESTART) == 2
    assert "missing: events 3 to 5" in problems(store)
    assert take(BEFORE[2]) == 3
    assert take(BEFORE[3]) == 20


def test_a_journal_that_goes_on_from_another_event_than_is_held_is_a_fork(take: Take, store: Store) -> None:
    copy = seal(tap("p-budi"), ORIGIN, 4, BEFORE[2].hash, DEVICE_KEY)
    take(*BEFORE, copy)
    assert take(restart(copy.hash, Span(5, 19))) == 20

    assert [item.reason for item in store.quarantined()] == [Misfit.FORK, Misfit.FORK]
    assert "event 20 goes on from another event 4 than is held: a copied card, or an old backup" in str(problems(store))


@pytest.mark.parametrize("lost", [Span(0, 3), Span(5, 4), Span(8, 20), Span(-5, -1), Span(8, 2**53 - 1)])
def test_numbers_that_cannot_be_lost_are_refused(take: Take, store: Store, lost: Span) -> None:
    take(*BEFORE[:7], restart(BEFORE[6].hash, lost))

    assert held(store) == [1, 2, 3, 4, 5, 6, 7]
    assert [item.reason for item in store.quarantined()] == [Misfit.BREAK]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations([*BEFORE, RESTART, AFTER]))
def test_in_whatever_order_they_come_every_event_is_kept_once(
    tmp_path_factory: pytest.TempPathFactory, order: list[Event]
) -> None:
    with opened_store(tmp_path_factory.mktemp("district")) as opened:
        trust(opened)
        upto = taker(opened)(*order)

        assert (upto, held(opened)) == (21, [*range(1, 10), 20, 21])
        assert problems(opened) == ("events 10 to 19 may be lost: the terminal says so in event 20",)
