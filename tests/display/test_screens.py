"""What the screens say: who, what, when, how late, and what to do. Read from the scene's words, without a pixel."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from kiosk.config import Language
from kiosk.core.state import Greeting
from kiosk.display.parts import initials
from kiosk.display.scene import Button, Chip, Glyph, Icon, Item, Octagon, Oval, Picture, Ring, Row, Scene, Stack
from kiosk.display.screens import view
from kiosk.display.texts import Texts
from tests.display.states import LOOKS, NOW_MS, STATES, Shown


def shown_scene(shown: Shown, texts: dict[Language, Texts]) -> Scene:
    return shown.scene(texts[Language.INDONESIAN], LOOKS["1024"])


def said(items: tuple[Item, ...]) -> list[str]:
    found: list[str] = []
    for item in items:
        if isinstance(item, Button):
            found += said(item.face)
        elif isinstance(item, Stack | Row):
            found += [part.text.content if isinstance(part, Chip) else part.content for part in item.parts]
    return found


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("idle", "07.25"),
        ("idle", "Senin, 6 Juli 2026 · WIB"),
        ("idle", "Kantor Desa Sukamaju"),
        ("idle_offline", "37 belum terkirim"),
        ("idle_clock_unsure", "Jam belum pasti"),
        ("idle_without_camera", "Silakan gunakan sidik jari"),
        ("idle_turn_note", "Anda akan diminta menoleh"),
        ("looking_closer", "Silakan mendekat"),
        ("challenged_left", "Menoleh ke kiri"),
        ("greeting_on_time", "Masuk 07.25"),
        ("greeting_on_time", "Tepat waktu"),
        ("greeting_late", "Terlambat 7 menit"),
        ("greeting_very_late", "Terlambat 4 jam 40 menit"),
        ("greeting_departure", "Pulang 15.41"),
        ("greeting_early_minutes", "Pulang lebih awal 12 menit"),
        ("greeting_day_off", "Sudah tercatat"),
        ("greeting_repeated", "Sudah tercatat sebelumnya"),
        ("refusing_unknown", "Kode: unknown"),
        ("out_of_service", "J01   Catatan kehadiran tidak dapat disimpan"),
        ("enrolling_straight", "Lihat lurus ke kamera"),
        ("enrolling_left", "Toleh sedikit ke kiri"),
        ("enrolling_taking", "Tahan sebentar"),
        ("enrolling_hint", "Tutup mulut"),
        ("enrolling_captured", "Tunggu sampai petugas selesai menyimpan."),
        ("refusing_enrolment_duplicate", "Wajah ini sudah terdaftar"),
        ("refusing_enrolment_hint", "Kepala belum menoleh ke kiri"),
    ],
)
def test_a_screen_says(name: str, sentence: str, texts: dict[Language, Texts]) -> None:
    assert sentence in said(shown_scene(STATES[name], texts).still)


@pytest.mark.parametrize("name", STATES)
def test_only_a_terminal_without_liveness_says_that_it_is_a_demonstration(
    name: str, texts: dict[Language, Texts]
) -> None:
    banner = texts[Language.INDONESIAN]("status.demonstration")

    assert (banner in said(shown_scene(STATES[name], texts).still)) == name.endswith("_demonstration")


@pytest.mark.parametrize("name", STATES)
def test_an_octagon_means_refused_and_nothing_else(name: str, texts: dict[Language, Texts]) -> None:
    octagons = [item for item in shown_scene(STATES[name], texts).still if isinstance(item, Octagon)]

    assert bool(octagons) == name.startswith("refusing_")


def test_the_picture_is_gone_while_the_camera_is(texts: dict[Language, Texts]) -> None:
    assert not any(isinstance(item, Picture) for item in shown_scene(STATES["idle_without_camera"], texts).live)


def test_the_guide_fills_with_every_usable_frame(texts: dict[Language, Texts]) -> None:
    ovals = [item for item in shown_scene(STATES["looking"], texts).live if isinstance(item, Oval)]

    assert ovals[-1].part == pytest.approx(2 / 3)


@pytest.mark.parametrize(("name", "taken"), [("enrolling_straight", 0), ("enrolling_left", 1), ("enrolling_right", 2)])
def test_every_sample_that_was_taken_is_ticked(name: str, taken: int, texts: dict[Language, Texts]) -> None:
    still = shown_scene(STATES[name], texts).still

    assert sum(isinstance(item, Icon) and item.glyph is Glyph.TICK for item in still) == taken


def test_a_face_that_is_to_turn_has_the_arrow_on_the_side_where_it_sees_itself_turn(
    texts: dict[Language, Texts],
) -> None:
    live = shown_scene(STATES["enrolling_turn"], texts).live
    picture = next(item for item in live if isinstance(item, Picture))
    arrow = next(item for item in live if isinstance(item, Icon))

    assert arrow.box.centre[0] < picture.guide.x


def test_the_ring_of_a_challenge_is_the_time_left(texts: dict[Language, Texts]) -> None:
    rings = [item for item in shown_scene(STATES["challenged_left"], texts).live if isinstance(item, Ring)]

    assert rings[-1].part == pytest.approx(5.6 / 8.0)


def test_a_greeting_tells_the_time_of_the_tap_and_not_of_the_clock(texts: dict[Language, Texts]) -> None:
    shown = STATES["greeting_repeated"]
    assert isinstance(shown.state.phase, Greeting)
    later = replace(shown, t=datetime(2026, 7, 6, 0, 29, tzinfo=UTC))

    assert "Masuk 07.25" in said(shown_scene(later, texts).still)


@pytest.mark.parametrize("name", ["choosing", "greeting_on_time", "refusing_unknown"])
def test_a_line_shows_how_long_the_screen_will_stay(name: str, texts: dict[Language, Texts]) -> None:
    shown = STATES[name]
    said_in, look = texts[Language.INDONESIAN], LOOKS["800"]
    moments = (shown.now, replace(shown.now, mono_ms=NOW_MS + 1000))

    early, late = (view(shown.state, now, shown.policy, said_in, look) for now in moments)

    assert early.live != late.live
    assert early.still == late.still


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("Siti Rahmawati", "SR"),
        ("Budi Santoso, S.Kom.", "BS"),
        ("Prof. Dr. Sukarno", "S"),
        ("Raden Ajeng Siti Kusumaningrum, S.Sos., M.Si.", "RK"),
        ("H. M. T.", "H"),
    ],
)
def test_initials_leave_titles_out(name: str, letters: str) -> None:
    assert initials(name) == letters
