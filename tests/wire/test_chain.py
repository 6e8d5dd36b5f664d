"""Whoever has the public key alone can tell that nothing was changed, left out, put in between or passed off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.wire.examples import DEVICE_KEY, DISTRICT_KEY, ORIGIN, OTHER_KEY, events, head, receipt, tap
from wire import chain
from wire.attendance import Event, MessageError, decode, encode, from_signed_bytes, signed_bytes
from wire.chain import SMALL_ORDER_Y, ChainError, is_signed_head, is_signed_receipt, public_key

PUBLIC = DEVICE_KEY.public_key()
CHAIN = events(6)


def broken_at(found: list[Event]) -> int | None:
    """The first event at which the chain does not hold; None: it holds."""
    try:
        assert list(chain.verify(found, PUBLIC)) == found
    except ChainError as error:
        return error.seq
    return None


def with_changed(event: Event, **changes: object) -> Event:
    """The event with other content, and the hash and signature that it had."""
    return msgspec.structs.replace(event, **changes)


def test_an_untouched_chain_verifies() -> None:
    assert broken_at(CHAIN) is None


@given(st.integers(0, 5), st.integers(1, 5))
def test_a_part_of_a_chain_verifies_from_the_position_before_it(after: int, count: int) -> None:
    prev = CHAIN[after - 1].hash if after else chain.GENESIS
    part = CHAIN[after : after + count]

    assert list(chain.verify(part, PUBLIC, after, prev)) == part


@given(st.data(), st.integers(0, 5))
def test_no_bit_of_a_signed_event_can_change_unseen(data: st.DataObject, index: int) -> None:
    signed = signed_bytes(CHAIN[index])
    at, bit = data.draw(st.integers(0, len(signed) - 1)), data.draw(st.integers(0, 7))
    damaged = signed[:at] + bytes([signed[at] ^ 1 << bit]) + signed[at + 1 :]

    try:
        event = from_signed_bytes(damaged, CHAIN[index].hash, CHAIN[index].sig)
    except MessageError:
        return
    assert broken_at([*CHAIN[:index], event, *CHAIN[index + 1 :]]) is not None


def test_no_bit_of_a_signature_can_change_unseen() -> None:
    sig = CHAIN[0].sig.encode()
    flipped = [sig[:at] + bytes([sig[at] ^ 1 << bit]) + sig[at + 1 :] for at in range(len(sig)) for bit in range(7)]

    assert {broken_at([with_changed(CHAIN[0], sig=other.decode())]) for other in flipped} == {1}


@pytest.mark.parametrize(
    ("tamper", "seq"),
    [
        (lambda c: [*c[:2], with_changed(c[2], pid="p-budi"), *c[3:]], 3),
        (lambda c: [*c[:2], with_changed(c[2], score=0.71231), *c[3:]], 3),
        (lambda c: [*c[:2], with_changed(c[2], id="balai-02.3"), *c[3:]], 3),
        (lambda c: [*c[:2], *c[3:]], 3),
        (lambda c: c[1:], 1),
        (lambda c: [c[0], c[2], c[1], *c[3:]], 2),
        (lambda c: [*c[:3], c[2], *c[3:]], 4),
        (lambda c: [*c[:3], chain.seal(tap("p-budi"), ORIGIN, 4, c[2].hash, OTHER_KEY), *c[4:]], 4),
        (lambda c: [*c[:3], chain.seal(tap("p-budi"), ORIGIN, 4, c[2].hash, DEVICE_KEY), *c[4:]], 5),
        (lambda c: [*c[:3], chain.seal(tap("p-budi"), ORIGIN, 4, c[1].hash, DEVICE_KEY), *c[4:]], 4),
        (lambda c: [*c[:5], with_changed(c[5], sig=c[4].sig)], 6),
        (lambda c: [*c[:5], with_changed(c[5], sig=c[5].sig.upper())], 6),
        (lambda c: [*c[:5], with_changed(c[5], sig=f"{c[5].sig} ")], 6),
        (lambda c: [*c[:5], with_changed(c[5], sig="")], 6),
        (lambda c: [*c[:5], with_changed(c[5], sig="no hexadecimal digits")], 6),
    ],
    ids=[
        "another person",
        "another score",
        "another name",
        "one dropped",
        "the first dropped",
        "two swapped",
        "one doubled",
        "a foreign key's event",
        "the device's own, in place of another",
        "the device's own, on another branch",
        "another event's signature",
        "capitals in the signature",
        "a blank in the signature",
        "no signature",
        "no hexadecimal signature",
    ],
)
def test_tampering_is_found_at_the_first_event_that_does_not_hold(
    tamper: Callable[[list[Event]], list[Event]], seq: int
) -> None:
    assert broken_at(tamper(CHAIN)) == seq


def test_an_event_that_its_own_device_signed_under_another_name_is_found() -> None:
    misnamed = with_changed(CHAIN[0], id="balai-02.1")
    digest = chain.event_hash(misnamed)
    signed = with_changed(misnamed, hash=digest, sig=DEVICE_KEY.sign(chain.EVENT_CONTEXT + bytes.fromhex(digest)).hex())

    with pytest.raises(ChainError, match=r"is named balai-02\.1, wanted balai-01\.1"):
        chain.verify_event(signed, PUBLIC)


def test_a_cut_off_tail_verifies_so_the_last_event_must_be_compared_with_a_head() -> None:
    assert broken_at(CHAIN[:4]) is None
    assert CHAIN[3].hash != head(CHAIN[5]).hash


def test_how_an_event_travelled_changes_neither_hash_nor_signature() -> None:
    assert broken_at([with_changed(event, hist=True) for event in CHAIN]) is None


def test_the_hash_is_over_the_canonical_json_without_proof() -> None:
    fields = {
        name: value for name, value in msgspec.json.decode(encode(CHAIN[0])).items() if name not in {"hash", "sig"}
    }

    assert msgspec.json.decode(signed_bytes(CHAIN[0])) == fields
    assert hashlib.sha256(signed_bytes(CHAIN[0])).hexdigest() == CHAIN[0].hash


def test_sealing_the_same_entry_in_the_same_place_gives_the_same_event() -> None:
    assert chain.seal(tap(), ORIGIN, 1, chain.GENESIS, DEVICE_KEY) == chain.seal(
        tap(), ORIGIN, 1, chain.GENESIS, DEVICE_KEY
    )


def test_a_receipt_counts_only_with_the_district_signature() -> None:
    assert is_signed_receipt(receipt(CHAIN[3]), DISTRICT_KEY.public_key())
    assert not is_signed_receipt(receipt(CHAIN[3]), PUBLIC)


@pytest.mark.parametrize("change", [{"upto_seq": 5}, {"head": CHAIN[4].hash}, {"dev": "balai-02"}, {"sig": ""}])
def test_a_changed_receipt_does_not_count(change: dict[str, object]) -> None:
    changed = msgspec.structs.replace(receipt(CHAIN[3]), **change)

    assert not is_signed_receipt(changed, DISTRICT_KEY.public_key())


def test_a_head_counts_only_with_the_device_signature() -> None:
    assert is_signed_head(head(CHAIN[3]), PUBLIC)
    assert not is_signed_head(msgspec.structs.replace(head(CHAIN[3]), seq=5), PUBLIC)


def test_a_signature_over_one_kind_of_message_is_none_over_another() -> None:
    last = CHAIN[3]
    posing = chain.Receipt(v=1, dev=last.dev, upto_seq=last.seq, head=last.hash, t=last.t, sig=head(last).sig)

    assert not is_signed_receipt(posing, PUBLIC)
    assert not is_signed_receipt(msgspec.structs.replace(posing, sig=last.sig), PUBLIC)


@pytest.mark.parametrize("text", ["", "ab", 62 * "a", 66 * "a", 64 * "g", 64 * "\N{DIGIT ONE}" + "."])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not an Ed25519 public key"):
        chain.public_key(text)


def test_a_public_key_reads_back() -> None:
    assert chain.public_key(chain.public_hex(DEVICE_KEY)) == PUBLIC


def test_a_received_chain_verifies_as_the_sent_one() -> None:
    assert broken_at([decode(encode(event), Event) for event in CHAIN]) is None


P = 2**255 - 19
D = -121665 * pow(121666, -1, P) % P
Point = tuple[int, int]


def added(one: Point, other: Point) -> Point:
    """The sum of two points of edwards25519 (RFC 8032, 5.1.4, in affine coordinates)."""
    (x1, y1), (x2, y2) = one, other
    k = D * x1 * x2 * y1 * y2
    x = (x1 * y2 + x2 * y1) * pow(1 + k, -1, P)
    y = (y1 * y2 + x1 * x2) * pow(1 - k, -1, P)
    return x % P, y % P


def x_of(y: int) -> int:
    """The x of the point with this y (RFC 8032, 5.1.3)."""
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    assert x * x % P == square
    return x


@pytest.mark.parametrize("y", sorted(SMALL_ORDER_Y))
@pytest.mark.parametrize("sign", [0, 1])
def test_a_key_under_which_anybody_can_sign_is_none(y: int, sign: int) -> None:
    point = (x_of(y % P), y % P)
    for _ in range(3):
        point = added(point, point)
    assert point == (0, 1)

    with pytest.raises(ValueError, match="Ed25519 public key"):
        public_key((y + (sign << 255)).to_bytes(32, "little").hex())
