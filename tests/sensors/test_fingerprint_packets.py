"""Promise: a packet arrives as it was sent, or not at all; no single flipped bit makes another packet of it."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kiosk.sensors.fingerprint_packets import (
    HEADER,
    Kind,
    Packet,
    PacketDamagedError,
    encode,
    encode_data,
    take_packet,
)

PACKETS = st.builds(Packet, st.sampled_from(Kind), st.binary(min_size=1, max_size=256))
SEARCH_ANSWER = Packet(Kind.ACK, bytes([0, 0, 7, 0, 101]))


@given(PACKETS)
def test_a_packet_arrives_as_it_was_sent(packet: Packet) -> None:
    received = bytearray(encode(packet))

    assert take_packet(received) == packet
    assert not received


@given(PACKETS, st.integers(0, 2200))
def test_a_packet_that_is_not_all_there_is_waited_for(packet: Packet, cut: int) -> None:
    whole = encode(packet)
    received = bytearray(whole[: cut % len(whole)])

    assert take_packet(received) is None


@given(PACKETS, st.integers(0, 8 * 267))
def test_a_flipped_bit_never_makes_another_packet(packet: Packet, bit: int) -> None:
    assume(HEADER not in packet.content)
    received = bytearray(encode(packet))
    received[bit // 8 % len(received)] ^= 1 << bit % 8

    try:
        taken = take_packet(received)
    except PacketDamagedError:
        taken = None

    assert taken is None or len(taken.content) != len(packet.content)


@given(st.binary(max_size=40).filter(lambda noise: HEADER not in noise))
def test_noise_before_a_header_is_passed_over(noise: bytes) -> None:
    received = bytearray(noise + encode(SEARCH_ANSWER))

    assert take_packet(received) == SEARCH_ANSWER


@given(st.binary(max_size=400))
def test_random_bytes_are_damaged_or_waited_for_and_never_raise_anything_else(noise: bytes) -> None:
    received = bytearray(noise)

    try:
        taken = take_packet(received)
    except PacketDamagedError:
        return

    assert taken is None or encode(taken) in noise


@pytest.mark.parametrize(
    "head",
    [
        pytest.param("ef01 ffffff7f 07 0003", id="another address"),
        pytest.param("ef01 ffffffff 03 0003", id="an unknown kind"),
        pytest.param("ef01 ffffffff 07 0002", id="no content"),
        pytest.param("ef01 ffffffff 07 0103", id="more content than a packet can have"),
    ],
)
def test_an_impossible_head_is_refused_before_the_rest_is_waited_for(head: str) -> None:
    with pytest.raises(PacketDamagedError, match="a packet began with ef 01"):
        take_packet(bytearray.fromhex(head))


@pytest.mark.parametrize("damaged", ["ef01 ffffffff 07 0003 01 0000", "ef01 ffffffff 07 0000 01 0000"])
def test_what_follows_a_damaged_packet_is_kept(damaged: str) -> None:
    received = bytearray.fromhex(damaged) + encode(SEARCH_ANSWER)

    with pytest.raises(PacketDamagedError):
        take_packet(received)

    assert take_packet(received) == SEARCH_ANSWER


@given(st.binary(min_size=1, max_size=2000), st.sampled_from([32, 64, 128, 256]))
def test_data_arrives_whole_whether_or_not_its_size_is_a_multiple_of_the_packets(content: bytes, size: int) -> None:
    received = bytearray(b"".join(encode_data(content, size)))

    packets = []
    while received:
        packets.append(take_packet(received))

    assert b"".join(packet.content for packet in packets if packet) == content
    assert [packet.kind for packet in packets if packet] == [Kind.DATA] * (len(packets) - 1) + [Kind.END]
