"""Topics are the contract's, and a stranger's topic is none of ours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.topics import DELIVERY, Address, Topic, parse


@pytest.mark.parametrize("topic", Topic)
def test_an_address_reads_back(topic: Topic) -> None:
    address = Address("batang", "balai-01", topic)

    assert parse(str(address)) == address


def test_an_address_is_spelt_as_the_contract_says() -> None:
    assert str(Address("batang", "balai-01", Topic.RECEIPT)) == "hadir/v1/batang/balai-01/dn/receipt"


@pytest.mark.parametrize(
    "name",
    [
        "",
        "hadir/v1/batang/balai-01/up",
        "hadir/v1/batang/balai-01/up/event/x",
        "hadir/v2/batang/balai-01/up/event",
        "hadir/v1//balai-01/up/event",
        "hadir/v1/batang//up/event",
        "hadir/v1/batang/balai-01/up/rumour",
        "/hadir/v1/batang/balai-01/up/event",
    ],
)
def test_another_topic_is_none_of_ours(name: str) -> None:
    assert parse(name) is None


@given(st.text())
def test_no_name_of_a_topic_raises(name: str) -> None:
    assert parse(name) is None


def test_only_the_contract_s_five_topics_are_retained() -> None:
    retained = {topic for topic, delivery in DELIVERY.items() if delivery.retain}

    assert retained == {Topic.STATE, Topic.BIRTH, Topic.HEAD, Topic.CONFIG, Topic.ROSTER}


def test_every_topic_has_a_delivery_and_only_health_may_be_lost() -> None:
    assert set(DELIVERY) == set(Topic)
    assert {topic for topic, delivery in DELIVERY.items() if delivery.qos == 0} == {Topic.HEALTH}
