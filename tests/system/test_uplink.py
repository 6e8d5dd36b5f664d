"""What is promised end to end, with the real journal, uplink, Mosquitto and district: whatever is killed, lost,
repeated or forged on the way, the district holds every event once, in order, and the terminal knows it.
"""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from district.findings import examined
from district.store import FILE, Misfit, opened_store
from kiosk.config import UplinkSettings
from kiosk.core.faults import FaultCode
from kiosk.core.messages import FaultCleared, FaultRaised, OutboxDepth, UplinkChanged
from kiosk.sim.broker import HOST, Broker, BrokerKind
from kiosk.storage.worker import StorageWorker
from kiosk.uplink.mqtt import Uplink
from tests.brokers import DEV, DISTRICT, WAIT_S, Listener, Post, RunningDistrict, Seen, trust
from tests.storage.office import opened_journal, owner, written
from tests.uplink.terminal import BIRTH, UP, ListOutbox, uplink
from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, events, moment, receipt, tap
from wire.attendance import Event, Moment, decode, encode
from wire.chain import Receipt, public_hex, sign_receipt
from wire.topics import Topic

ALL_SIGNED = OutboxDepth(0)


class StillClock:
    """It is always the same moment."""

    def read(self) -> Moment:
        return moment()


class WatchedStorage(StorageWorker):
    """Remembers the receipts that it was given."""

    came: Seen

    def acknowledge(self, receipt: Receipt) -> None:
        super().acknowledge(receipt)
        self.came.add(receipt)


class Kiosk:
    """A terminal's journal and uplink, wired as the app wires them."""

    def __init__(self, folder: Path, port: int, resend_s: float = 30.0, settings: UplinkSettings | None = None) -> None:
        self.post = Post()
        self.storage = WatchedStorage(owner(folder), StillClock(), self.post.post)
        self.storage.came = Seen()
        settings = settings or UplinkSettings(host=HOST, port=port, district_key=public_hex(DISTRICT_KEY))
        self.uplink = Uplink(settings, DISTRICT, BIRTH, self.storage, self.post.post, resend_s=resend_s)
        self.storage.on_event = self.uplink.offer

    def tap(self, count: int = 1) -> None:
        for number in range(count):
            self.storage.record(None, tap(after_s=number))

    def wait_until_all_is_signed(self) -> None:
        self.post.wait(lambda _: self.depths()[-1:] == [ALL_SIGNED])

    def depths(self) -> list[OutboxDepth]:
        return [item for item in self.post.all() if isinstance(item, OutboxDepth)]

    def raised(self) -> list[FaultCode]:
        return [item.code for item in self.post.all() if isinstance(item, FaultRaised)]


@contextmanager
def running(kiosk: Kiosk) -> Iterator[Kiosk]:
    kiosk.storage.start()
    kiosk.uplink.start()
    try:
        yield kiosk
    finally:
        kiosk.uplink.stop()
        kiosk.storage.stop()


@pytest.fixture(params=[BrokerKind.MOSQUITTO, BrokerKind.AMQTT])
def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Broker]:
    with Broker.start(tmp_path / "broker", request.param) as broker:
        yield broker


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Broker]:
    with Broker.start(tmp_path / "broker", BrokerKind.MOSQUITTO) as broker:
        yield broker


def held(folder: Path) -> list[Event]:
    """What the district holds, in the order of its chain."""
    with opened_store(folder / "district") as store:
        return list(store.events(DEV))


def problems(folder: Path) -> tuple[str, ...]:
    with opened_store(folder / "district") as store:
        return examined(store, store.devices()[0]).problems


def test_what_waited_and_what_happens_now_comes_in_complete_in_order_and_once(
    any_broker: Broker, tmp_path: Path
) -> None:
    journal = written(tmp_path / "kiosk", 150)
    with (
        RunningDistrict(tmp_path / "district", any_broker.port),
        running(Kiosk(tmp_path / "kiosk", any_broker.port)) as kiosk,
    ):
        kiosk.tap(10)
        kiosk.wait_until_all_is_signed()

    assert held(tmp_path)[:150] == [msgspec.structs.replace(event, hist=True) for event in journal]
    assert [event.seq for event in held(tmp_path)] == list(range(1, 161))
    assert problems(tmp_path) == ()


def test_events_tapped_while_the_broker_is_down_come_in_when_it_is_back(mosquitto: Broker, tmp_path: Path) -> None:
    with (
        RunningDistrict(tmp_path / "district", mosquitto.port) as district,
        running(Kiosk(tmp_path / "kiosk", mosquitto.port, resend_s=0.5)) as kiosk,
    ):
        kiosk.tap(3)
        district.wait_for_head(3)
        mosquitto.stop()
        kiosk.post.wait_for(UplinkChanged(connected=False))
        kiosk.tap(5)
        kiosk.post.wait_for(OutboxDepth(5))
        mosquitto.restart()
        kiosk.wait_until_all_is_signed()

    assert [event.seq for event in held(tmp_path)] == list(range(1, 9))


def test_a_broker_that_was_killed_and_forgot_what_it_had_acknowledged_loses_nothing(
    mosquitto: Broker, tmp_path: Path
) -> None:
    with RunningDistrict(tmp_path / "district", mosquitto.port):
        pass  # it has subscribed once, so the broker keeps messages for it, until it is killed
    with running(Kiosk(tmp_path / "kiosk", mosquitto.port, resend_s=0.5)) as kiosk:
        kiosk.post.wait_for(UP)
        with Listener(mosquitto.port) as listener:
            kiosk.tap(20)
            listener.wait_for(Topic.EVENT, 20)
        mosquitto.kill()
        mosquitto.restart()
        with RunningDistrict(tmp_path / "district", mosquitto.port):
            kiosk.wait_until_all_is_signed()

    assert [event.seq for event in held(tmp_path)] == list(range(1, 21))


def test_a_live_event_overtakes_a_backlog_of_five_thousand(mosquitto: Broker, tmp_path: Path) -> None:
    *backlog, live = events(5001)
    outbox = ListOutbox(*backlog)
    with (
        Listener(mosquitto.port) as listener,
        RunningDistrict(tmp_path / "district", mosquitto.port) as district,
        uplink(mosquitto.port, outbox, Post()) as worker,
    ):
        listener.wait_for(Topic.BATCH)
        outbox.journal.append(live)
        worker.offer(live)
        listener.wait_for(Topic.EVENT)
        batches_before = len(listener.payloads(Topic.BATCH))
        district.wait_for_head(5001)

    assert batches_before < 10
    assert [event.hist for event in held(tmp_path)] == 5000 * [True] + [False]


def test_a_kiosk_that_is_killed_before_its_upload_sends_it_at_the_next_start(mosquitto: Broker, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.system.tapping", str(tmp_path / "kiosk"), "4", "ANSWER"]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, timeout=WAIT_S)
    with (
        RunningDistrict(tmp_path / "district", mosquitto.port),
        running(Kiosk(tmp_path / "kiosk", mosquitto.port)) as kiosk,
    ):
        kiosk.wait_until_all_is_signed()

    assert [event.seq for event in held(tmp_path)] == [1, 2, 3, 4]


def test_a_receipt_beyond_the_journal_is_refused(mosquitto: Broker, tmp_path: Path) -> None:
    beyond = written(tmp_path / "another card", 9)[-1]
    with Listener(mosquitto.port) as listener, running(Kiosk(tmp_path / "kiosk", mosquitto.port)) as kiosk:
        kiosk.post.wait_for(UP)
        kiosk.tap()
        listener.say(Topic.RECEIPT, encode(receipt(beyond)))
        kiosk.post.wait(lambda _: kiosk.raised() == [FaultCode.ANOTHER_CARD])

    assert kiosk.depths()[-1] == OutboxDepth(1)


def test_a_receipt_that_is_not_our_districts_or_does_not_fit_is_one_fault_until_a_good_one_comes(
    mosquitto: Broker, tmp_path: Path
) -> None:
    (event,) = written(tmp_path / "kiosk", 1)
    forged = sign_receipt(receipt(event), DEVICE_KEY)
    foreign = sign_receipt(msgspec.structs.replace(receipt(event), dev="another-01"), DISTRICT_KEY)
    with Listener(mosquitto.port) as listener, running(Kiosk(tmp_path / "kiosk", mosquitto.port)) as kiosk:
        kiosk.post.wait_for(UP)
        for count, sent in enumerate((forged, foreign, forged, receipt(event)), 1):
            assert OutboxDepth(0) not in kiosk.post.all()
            listener.say(Topic.RECEIPT, encode(sent))
            kiosk.storage.came.wait_for_count(count)
        kiosk.post.wait_for(FaultCleared(FaultCode.RECEIPT))

    assert kiosk.raised() == [FaultCode.RECEIPT]
    assert kiosk.post.all().count(FaultCleared(FaultCode.RECEIPT)) == 1


def test_messages_that_are_repeated_reordered_forged_or_foreign_change_nothing(
    mosquitto: Broker, tmp_path: Path
) -> None:
    one, two, three = written(tmp_path / "kiosk", 3)
    forged = msgspec.structs.replace(two, pid="p-budi")
    with RunningDistrict(tmp_path / "district", mosquitto.port) as district, Listener(mosquitto.port) as listener:
        for event in (three, one, one, forged):
            listener.say(Topic.EVENT, encode(event))
        listener.say(Topic.EVENT, encode(two), device="another-01")
        listener.say(Topic.EVENT, b"x" * 100_000)
        listener.say(Topic.EVENT, encode(two))
        district.wait_for_head(3)

    assert held(tmp_path) == [one, two, three]
    with opened_store(tmp_path / "district") as store:
        assert {item.reason for item in store.quarantined()} == {Misfit.FORGED, Misfit.UNKNOWN_DEVICE, Misfit.GARBAGE}


def test_a_second_card_with_the_same_number_is_quarantined_and_verify_says_so(
    mosquitto: Broker, tmp_path: Path
) -> None:
    (original,) = written(tmp_path / "kiosk", 1)
    with opened_journal(tmp_path / "copy") as journal:
        copy = journal.append(tap("p-budi"))
    with RunningDistrict(tmp_path / "district", mosquitto.port) as district, Listener(mosquitto.port) as listener:
        listener.say(Topic.EVENT, encode(original))
        listener.say(Topic.EVENT, encode(copy))
        district.heads.wait(lambda heads: len(heads) >= 2)

    assert held(tmp_path) == [original]
    assert problems(tmp_path) == ("quarantine: event 1: another of this number is held",)


def test_a_district_killed_before_its_commit_is_given_the_event_again(mosquitto: Broker, tmp_path: Path) -> None:
    (event,) = written(tmp_path / "kiosk", 1)
    config = tmp_path / "district.toml"
    config.write_text(
        f'[district]\nname = "{DISTRICT}"\ndirectory = "district"\n[broker]\nhost = "{HOST}"\nport = {mosquitto.port}\n'
    )
    with opened_store(tmp_path / "district") as store:
        trust(store)
    with Listener(mosquitto.port, "hadir/v1/+/+/dn/receipt") as receipts:
        kill_before_commit(config, tmp_path / "district" / FILE, event, receipts)
        assert receipts.payloads(Topic.RECEIPT) == []
        with RunningDistrict(tmp_path / "district", mosquitto.port):
            (raw,) = receipts.wait_for(Topic.RECEIPT)

    assert decode(raw, Receipt).upto_seq == 1
    assert held(tmp_path) == [event]


def kill_before_commit(config: Path, database: Path, event: Event, sender: Listener) -> None:
    """Run the district, keep its database locked, send it an event, and kill it once it has received that."""
    command = [sys.executable, "-m", "district", "--verbose", "run", "--config", str(config)]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as district,
        sqlite3.connect(database, isolation_level=None) as lock,
    ):
        assert district.stderr is not None
        wait_for_line(district.stderr, "receiving for")
        lock.execute("BEGIN IMMEDIATE")
        sender.say(Topic.EVENT, encode(event))
        wait_for_line(district.stderr, "up/event")
        district.kill()
        district.wait(WAIT_S)
    lock.close()


def wait_for_line(lines: Iterator[str], part: str) -> None:
    assert any(part in line for line in lines), f"ended without saying {part!r}"
