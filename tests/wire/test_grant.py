"""A request and a grant are believed by signature and code, and a changed one by neither."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY
from wire.attendance import VERSION, decode, encode
from wire.chain import public_hex
from wire.grant import Grant, Request, code, is_code, is_signed, sign_grant, sign_request

T = "2026-11-22T04:00:00.000Z"
REQUEST = sign_request(
    Request(v=VERSION, dev="kiosk-1", district="batang", unit="desa-1", key=public_hex(DEVICE_KEY), csr="PEM", t=T),
    DEVICE_KEY,
)
GRANT = sign_grant(
    Grant(
        v=VERSION,
        dev="kiosk-1",
        district="batang",
        device_key=public_hex(DEVICE_KEY),
        key=public_hex(DISTRICT_KEY),
        certificate="PEM",
        authority="PEM",
        t=T,
    ),
    DISTRICT_KEY,
)


@pytest.mark.parametrize("message", [REQUEST, GRANT])
def test_a_message_is_signed_by_the_key_that_it_names(message: Request | Grant) -> None:
    assert is_signed(decode(encode(message), type(message)))


@pytest.mark.parametrize("message", [REQUEST, GRANT])
@given(data=st.data())
def test_no_field_can_be_changed_unnoticed(message: Request | Grant, data: st.DataObject) -> None:
    field = data.draw(st.sampled_from([each for each in message.__struct_fields__ if each != "v"]))
    text = data.draw(st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=70))
    changed = msgspec.structs.replace(message, **{field: text})

    assert is_signed(changed) == (changed == message)


def test_a_swapped_message_has_another_code() -> None:
    other = sign_request(msgspec.structs.replace(REQUEST, key=public_hex(DISTRICT_KEY)), DISTRICT_KEY)

    assert is_signed(other)
    assert code(other) != code(REQUEST)
    assert not is_code(code(other), REQUEST)


@pytest.mark.parametrize("spell", [str.lower, lambda text: text.replace("-", " "), lambda text: f" {text}\n"])
def test_a_code_is_read_however_it_is_typed(spell: object) -> None:
    assert callable(spell)
    assert is_code(spell(code(REQUEST)), REQUEST)
    assert len(code(REQUEST)) == len("ABCD-EFGH-JKLM")


def test_a_part_of_the_code_is_not_the_code() -> None:
    assert not is_code("", REQUEST)
    assert not is_code(code(REQUEST)[:-1], REQUEST)
