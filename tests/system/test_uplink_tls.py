"""What is promised: with TLS, client certificates and the shipped access rules the whole way works, and a broker
that our authority does not vouch for is not spoken to.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from district.config import BrokerSettings
from kiosk.config import UplinkSettings
from kiosk.core.messages import FaultRaised
from kiosk.sim.broker import HOST, Broker
from tests.brokers import DEV, Post, RunningDistrict
from tests.secure_broker import INGEST, Authority, secured, shipped_broker
from tests.uplink.terminal import ListOutbox, uplink
from tests.wire.examples import events


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "authority")


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[Broker]:
    with shipped_broker(tmp_path / "broker", authority.folder) as broker:
        yield broker


def first_fault(settings: UplinkSettings) -> str:
    """What an uplink with these settings says is wrong."""
    post = Post()
    with uplink(settings.port, ListOutbox(), post, settings=settings):
        post.wait(lambda items: any(isinstance(item, FaultRaised) for item in items))
    return next(item.detail for item in post.all() if isinstance(item, FaultRaised))


def test_events_and_receipts_pass_with_certificates_and_the_contracts_access_rules(
    tmp_path: Path, broker: Broker, authority: Authority
) -> None:
    certificate, key = authority.sign(INGEST)
    district = BrokerSettings(
        host=HOST, port=broker.port, ca_file=authority.file, certificate_file=certificate, key_file=key
    )
    outbox = ListOutbox(*events(150))
    settings = secured(broker.port, authority.file, authority.sign(DEV))
    with (
        RunningDistrict(tmp_path / "district", broker.port, district) as running,
        uplink(broker.port, outbox, Post(), settings=settings),
    ):
        running.wait_for_head(150)


def test_a_broker_of_another_authority_is_not_spoken_to(tmp_path: Path, broker: Broker) -> None:
    other = Authority(tmp_path / "other")

    assert "CERTIFICATE_VERIFY_FAILED" in first_fault(secured(broker.port, other.file, other.sign(DEV)))


def test_a_terminal_without_a_certificate_is_not_let_in(broker: Broker, authority: Authority) -> None:
    assert "was lost" in first_fault(secured(broker.port, authority.file))


def test_a_certificate_that_is_missing_is_named(tmp_path: Path, broker: Broker, authority: Authority) -> None:
    files = (tmp_path / "missing.pem", tmp_path / "missing.key")

    assert "missing.pem" in first_fault(secured(broker.port, authority.file, files))
