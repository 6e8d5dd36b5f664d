"""What is promised: each event is kept once, in its device's verified chain; whatever is not what it claims to be goes
into quarantine and changes nothing; a receipt speaks of what is linked and on disk, and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from district import store as district_store
from district.findings import examined
from district.intake import Intake
from district.store import Misfit, Store, opened_store
from tests.brokers import DEV, DISTRICT, trust
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN, OTHER_KEY, events, head, tap
from wire.attendance import LARGEST_MESSAGE, VERSION, Batch, Event, encode
from wire.chain import Receipt, is_signed_receipt, seal, sign_head
from wire.condition import State, Status
from wire.topics import Address, Topic

CHAIN = events(8)
SECOND = seal(tap(pid="p-budi"), ORIGIN, 2, CHAIN[0].hash, DEVICE_KEY)
"""Another event 2, as only a copied card can make it."""
STRAY = seal(tap(), ORIGIN, 2, 64 * "a", DEVICE_KEY)
"""An event 2 of another past."""
Take = Callable[[Topic, bytes], Receipt | None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with opened_store(tmp_path) as opened:
        trust(opened)
        yield opened


@pytest.fixture
def take(store: Store) -> Take:
    intake = Intake(store, DISTRICT_KEY, DISTRICT)
    return lambda topic, raw: intake.take(str(Address(DISTRICT, DEV, topic)), raw)


def batch(*chained: Event) -> bytes:
    return encode(Batch(v=VERSION, events=chained))


def held(store: Store) -> list[int]:
    return [event.seq for event in store.events(DEV)]


def reasons(store: Store) -> list[Misfit]:
    return [item.reason for item in store.quarantined()]


def test_a_receipt_is_signed_for_the_last_linked_event(take: Take, store: Store) -> None:
    receipt = take(Topic.BATCH, batch(*CHAIN[:3]))

    assert receipt is not None
    assert (receipt.dev, receipt.upto_seq, receipt.head) == (DEV, 3, CHAIN[2].hash)
    assert is_signed_receipt(receipt, DISTRICT_KEY.public_key())
    assert list(store.events(DEV)) == CHAIN[:3]


def test_an_event_that_comes_again_is_kept_once_and_receipted_again(take: Take, store: Store) -> None:
    first = take(Topic.EVENT, encode(CHAIN[0]))
    again = take(Topic.BATCH, batch(msgspec.structs.replace(CHAIN[0], hist=True)))

    assert first is not None
    assert again is not None
    assert again.upto_seq == first.upto_seq == 1
    assert held(store) == [1]
    assert store.devices()[0].duplicates == 1


def test_a_live_event_waits_for_the_history_before_it_and_is_not_receipted_till_then(take: Take, store: Store) -> None:
    take(Topic.EVENT, encode(CHAIN[0]))
    early = take(Topic.EVENT, encode(CHAIN[3]))
    whole = take(Topic.BATCH, batch(*CHAIN[1:3]))

    assert early is not None
    assert early.upto_seq == 1
    assert whole is not None
    assert whole.upto_seq == 4
    assert store.waiting(DEV) == []


def test_nothing_is_receipted_before_the_first_event_has_come(take: Take) -> None:
    assert take(Topic.EVENT, encode(CHAIN[3])) is None


def test_another_event_of_the_same_number_is_quarantined_and_overwrites_nothing(take: Take, store: Store) -> None:
    take(Topic.BATCH, batch(*CHAIN[:3]))
    receipt = take(Topic.EVENT, encode(SECOND))

    assert receipt is not None
    assert receipt.upto_seq == 3
    assert list(store.events(DEV)) == CHAIN[:3]
    (item,) = store.quarantined(DEV)
    assert (item.reason, item.seq, item.raw) == (Misfit.FORK, 2, encode(SECOND))


def test_another_event_of_a_number_that_waits_is_quarantined_too(take: Take, store: Store) -> None:
    take(Topic.EVENT, encode(CHAIN[1]))
    take(Topic.EVENT, encode(SECOND))

    assert store.waiting(DEV) == [2]
    assert reasons(store) == [Misfit.FORK]


def test_an_event_of_another_past_stops_the_chain_until_the_right_one_comes(take: Take, store: Store) -> None:
    take(Topic.BATCH, batch(STRAY, CHAIN[2]))
    stopped = take(Topic.EVENT, encode(CHAIN[0]))
    mended = take(Topic.EVENT, encode(CHAIN[1]))

    assert stopped is not None
    assert stopped.upto_seq == 1
    assert mended is not None
    assert mended.upto_seq == 3
    assert reasons(store) == [Misfit.BREAK]


FORGED = seal(tap(), ORIGIN, 1, CHAIN[0].prev, OTHER_KEY)


@pytest.mark.parametrize(
    ("topic", "raw", "reason"),
    [
        (Topic.EVENT, encode(FORGED), Misfit.FORGED),
        (Topic.EVENT, encode(msgspec.structs.replace(CHAIN[0], pid="p-budi")), Misfit.FORGED),
        (Topic.EVENT, encode(msgspec.structs.replace(CHAIN[0], id="balai-01.2")), Misfit.FORGED),
        (Topic.BATCH, batch(FORGED), Misfit.FORGED),
        (Topic.EVENT, encode(msgspec.structs.replace(CHAIN[0], dev="another-01")), Misfit.FOREIGN),
        (Topic.STATE, encode(State(v=1, dev="another-01", state=Status.ONLINE, boot="b")), Misfit.FOREIGN),
        (Topic.EVENT, encode(seal(tap(), ORIGIN, 0, CHAIN[0].prev, DEVICE_KEY)), Misfit.BREAK),
        (Topic.EVENT, encode(seal(tap(), ORIGIN, 1, CHAIN[0].hash, DEVICE_KEY)), Misfit.BREAK),
        (Topic.HEAD, encode(sign_head(head(CHAIN[0]), OTHER_KEY)), Misfit.FORGED),
        (Topic.EVENT, b"", Misfit.GARBAGE),
        (Topic.EVENT, b"\xff\xfe", Misfit.GARBAGE),
        (Topic.EVENT, b"[" * 60_000, Misfit.GARBAGE),
        (Topic.EVENT, b'{"v":1e999}', Misfit.GARBAGE),
        (Topic.EVENT, encode(CHAIN[0]) + b"\n", Misfit.GARBAGE),
        (Topic.EVENT, batch(CHAIN[0]), Misfit.GARBAGE),
        (Topic.BATCH, encode(CHAIN[0]), Misfit.GARBAGE),
        (Topic.BIRTH, b"{}", Misfit.GARBAGE),
        (Topic.EVENT, b" " * (LARGEST_MESSAGE + 1), Misfit.GARBAGE),
    ],
)
def test_what_is_not_what_it_claims_to_be_is_quarantined(
    take: Take, store: Store, topic: Topic, raw: bytes, reason: Misfit
) -> None:
    assert take(topic, raw) is None
    assert reasons(store) == [reason]
    assert held(store) == store.waiting(DEV) == []


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (f"hadir/v1/{DISTRICT}/another-01/up/event", Misfit.UNKNOWN_DEVICE),
        (f"hadir/v1/elsewhere/{DEV}/up/event", Misfit.FOREIGN),
        ("hadir/v1/x", Misfit.FOREIGN),
        ("", Misfit.FOREIGN),
    ],
)
def test_a_topic_that_is_not_of_a_device_we_trust_is_quarantined(store: Store, name: str, reason: Misfit) -> None:
    assert Intake(store, DISTRICT_KEY, DISTRICT).take(name, encode(CHAIN[0])) is None
    assert reasons(store) == [reason]


def test_one_forged_event_in_a_batch_does_not_cost_the_others(take: Take, store: Store) -> None:
    receipt = take(Topic.BATCH, batch(FORGED, *CHAIN[:2]))

    assert receipt is not None
    assert receipt.upto_seq == 2
    assert reasons(store) == [Misfit.FORGED]


def test_the_same_rubbish_fills_the_quarantine_once(take: Take, store: Store) -> None:
    for _ in range(3):
        take(Topic.EVENT, b"rubbish")

    (item,) = store.quarantined()
    assert item.times == 3


def test_the_quarantine_is_bounded_and_keeps_the_oldest(
    take: Take, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(district_store, "QUARANTINE_LIMIT", 5)
    for number in range(9):
        take(Topic.EVENT, b"rubbish %d" % number)

    assert sorted(item.raw for item in store.quarantined()) == [b"rubbish %d" % number for number in range(5)]


@pytest.mark.parametrize("noisy", [DEV, "another-01", "unknown-01"])
def test_noise_does_not_crowd_out_a_fork(store: Store, monkeypatch: pytest.MonkeyPatch, noisy: str) -> None:
    monkeypatch.setattr(district_store, "QUARANTINE_LIMIT", 5)
    trust(store, devices=("another-01",))
    intake = Intake(store, DISTRICT_KEY, DISTRICT)
    for number in range(9):
        intake.take(str(Address(DISTRICT, noisy, Topic.EVENT)), b"rubbish %d" % number)
    for event in (*CHAIN[:2], SECOND):
        intake.take(str(Address(DISTRICT, DEV, Topic.EVENT)), encode(event))

    assert reasons(store).count(Misfit.FORK) == 1
    assert len(store.quarantined()) == 6


def test_the_noise_of_all_unknown_devices_is_bounded_together(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(district_store, "QUARANTINE_LIMIT", 5)
    intake = Intake(store, DISTRICT_KEY, DISTRICT)
    for number in range(9):
        intake.take(str(Address(DISTRICT, f"unknown-{number}", Topic.EVENT)), b"rubbish")

    assert len(store.quarantined()) == 5


def test_a_checkpoint_of_a_second_journal_is_evidence(take: Take, store: Store) -> None:
    take(Topic.BATCH, batch(*CHAIN[:2]))
    take(Topic.HEAD, encode(head(SECOND)))

    assert reasons(store) == [Misfit.FORK]


def test_two_checkpoints_that_contradict_each_other_are_evidence(take: Take, store: Store) -> None:
    take(Topic.HEAD, encode(head(CHAIN[1])))
    take(Topic.HEAD, encode(head(SECOND)))

    assert reasons(store) == [Misfit.FORK]


def test_an_older_checkpoint_that_comes_again_does_not_hide_what_is_missing(take: Take, store: Store) -> None:
    take(Topic.EVENT, encode(CHAIN[0]))
    for event in (CHAIN[4], CHAIN[0]):
        take(Topic.HEAD, encode(head(event)))

    (note,) = examined(store, store.devices()[0]).notes
    assert note.endswith("speaks of 5 events: 4 are not here yet")


def test_a_checkpoint_that_came_before_another_event_of_its_number_is_a_problem(take: Take, store: Store) -> None:
    take(Topic.HEAD, encode(head(SECOND)))
    take(Topic.BATCH, batch(*CHAIN[:2]))

    (problem,) = examined(store, store.devices()[0]).problems
    assert problem.endswith("names another event 2 than is held")


def test_a_gap_of_any_size_is_told_in_one_line(take: Take, store: Store) -> None:
    far = seal(tap(), ORIGIN, 2**52, CHAIN[0].hash, DEVICE_KEY)
    for event in (CHAIN[1], CHAIN[3], far):
        take(Topic.EVENT, encode(event))

    problems = examined(store, store.devices()[0]).problems
    assert problems == ("missing: event 1", "missing: event 3", f"missing: events 5 to {2**52 - 1}")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(8)), again=st.lists(st.integers(0, 7)))
def test_in_whatever_order_and_however_often_events_come_each_is_kept_once(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], again: list[int]
) -> None:
    with opened_store(tmp_path_factory.mktemp("district")) as opened:
        trust(opened)
        intake = Intake(opened, DISTRICT_KEY, DISTRICT)
        for place in (*order[:4], *again, *order):
            intake.take(str(Address(DISTRICT, DEV, Topic.EVENT)), encode(CHAIN[place]))

        assert list(opened.events(DEV)) == CHAIN
        assert examined(opened, opened.devices()[0]).problems == ()
