"""A terminal that burned down is the same terminal on another card: its backup opens with the recovery phrase alone,
the district goes on believing it, and no number is given to two events.
"""

from __future__ import annotations

import io
from math import log2
from pathlib import Path

import msgspec
import pytest

from kiosk.__main__ import main
from kiosk.config import Settings, load
from kiosk.core.biometrics import References
from kiosk.custody import BACKED_UP, RESTORED, RestoreError, back_up, export_journal, restore
from kiosk.storage.backup import BackupError
from kiosk.storage.phrase import RUDE, WORDS_IN_PHRASE, PhraseError, new_phrase, read_phrase, words
from kiosk.storage.sealed import CHUNK_BYTES, Sealer, SealError, Unsealer
from kiosk.storage.store import opened_store
from kiosk.terminal import Terminal
from tests.storage.office import CONSENT, SITI, references_of
from tests.wire.examples import tap
from wire.attendance import Event

OK, NOT_IN_ORDER, UNUSABLE = 0, 1, 3
SETTINGS = (
    '[device]\nid = "balai-01"\nunit = "desa-kalimanah"\ndistrict = "batang"\n'
    '[storage]\ndirectory = "{}"\n[fingerprint]\nport = "none"\n'
)


def terminal(folder: Path, name: str) -> Settings:
    """A terminal of this name, as its configuration says."""
    (folder / f"{name}.toml").write_text(SETTINGS.format(name))
    return load(folder / f"{name}.toml")


def used(settings: Settings, taps: int) -> list[Event]:
    """Somebody is enrolled, and taps."""
    with opened_store(Terminal.of(settings).owner()) as store:
        store.people.enrol(SITI, references_of(SITI), CONSENT)
        return [store.journal.append(tap(after_s=number)) for number in range(taps)]


def people(settings: Settings) -> References:
    with opened_store(Terminal.of(settings).owner()) as store:
        return store.people.references()


def events(settings: Settings) -> list[Event]:
    with opened_store(Terminal.of(settings).owner()) as store:
        return list(store.journal.events())


def test_on_another_card_it_is_the_same_terminal_and_goes_on_far_above(tmp_path: Path) -> None:
    burned, anew = terminal(tmp_path, "burned"), terminal(tmp_path, "anew")
    appended = used(burned, 4)
    phrase = back_up(Terminal.of(burned), tmp_path / "backup")
    after_backup = used(burned, 300)

    event = restore(anew, tmp_path / "backup", phrase)

    assert Terminal.of(anew).public_key == Terminal.of(burned).public_key
    assert people(anew) == references_of(SITI)
    assert event.seq > after_backup[-1].seq + 1_000_000
    assert event.lost[0].first == 6
    assert [each.reason for each in events(anew)] == [None, None, None, None, BACKED_UP, RESTORED]
    assert events(anew)[:4] == appended


def test_what_was_restored_is_exported_and_verifies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    burned, anew = terminal(tmp_path, "burned"), terminal(tmp_path, "anew")
    used(burned, 4)
    event = restore(anew, tmp_path / "backup", back_up(Terminal.of(burned), tmp_path / "backup"))
    path, _ = export_journal(Terminal.of(anew), tmp_path, None, None)

    assert main(["journal", "verify", str(path), "--key", Terminal.of(anew).public_key]) == OK
    said = capsys.readouterr().out
    assert f"events 6 to {event.seq - 1} are declared lost by the terminal itself" in said
    assert f"events 1 to {event.seq + 1}, chain verified" in said


def test_a_terminal_that_has_its_journal_takes_back_only_the_people(tmp_path: Path) -> None:
    settings = terminal(tmp_path, "kiosk")
    used(settings, 4)
    phrase = back_up(Terminal.of(settings), tmp_path / "backup")
    with opened_store(Terminal.of(settings).owner()) as store:
        store.people.erase(SITI.pid)

    event = restore(settings, tmp_path / "backup", phrase)

    assert (event.seq, event.reason) == (6, RESTORED)
    assert people(settings) == references_of(SITI)
    assert len(list((tmp_path / "kiosk" / "quarantine").glob("*/people.db"))) == 1


def test_a_backup_is_not_put_over_another_terminals_journal(tmp_path: Path) -> None:
    one, other = terminal(tmp_path, "one"), terminal(tmp_path, "other")
    used(one, 1)
    before = used(other, 1)
    phrase = back_up(Terminal.of(one), tmp_path / "backup")

    with pytest.raises(RestoreError, match="is another device's than the backup"):
        restore(other, tmp_path / "backup", phrase)
    assert events(other) == before


def test_a_backup_of_another_name_is_refused(tmp_path: Path) -> None:
    settings = terminal(tmp_path, "kiosk")
    used(settings, 1)
    phrase = back_up(Terminal.of(settings), tmp_path / "backup")
    renamed = msgspec.structs.replace(settings, device=msgspec.structs.replace(settings.device, id="balai-02"))

    with pytest.raises(RestoreError, match="is a backup of balai-01; the configuration is for balai-02"):
        restore(renamed, tmp_path / "backup", phrase)


def test_without_the_phrase_nothing_of_it_can_be_read(tmp_path: Path) -> None:
    settings, anew = terminal(tmp_path, "kiosk"), terminal(tmp_path, "anew")
    used(settings, 1)
    back_up(Terminal.of(settings), tmp_path / "backup")
    raw = (tmp_path / "backup").read_bytes()

    with pytest.raises(SealError, match="the recovery phrase is another"):
        restore(anew, tmp_path / "backup", new_phrase())
    assert not (tmp_path / "anew" / "journal.db").exists()
    assert Terminal.of(settings).keys.sealing_key not in raw
    assert b"p-siti" not in raw


@pytest.mark.parametrize("change", ["cut", "flip", "header"])
def test_a_backup_that_was_changed_or_cut_short_is_not_restored(tmp_path: Path, change: str) -> None:
    settings, anew = terminal(tmp_path, "kiosk"), terminal(tmp_path, "anew")
    used(settings, 150)
    phrase = back_up(Terminal.of(settings), tmp_path / "backup")
    raw = (tmp_path / "backup").read_bytes()
    assert len(raw) > CHUNK_BYTES
    changed = {
        "cut": raw[: -(len(raw) % 1000) - 200],
        "flip": raw[:-5000] + bytes([raw[-5000] ^ 1]) + raw[-4999:],
        "header": raw.replace(b'"t":"20', b'"t":"19'),
    }[change]
    (tmp_path / "backup").write_bytes(changed)

    with pytest.raises((SealError, BackupError)):
        restore(anew, tmp_path / "backup", phrase)
    assert not (tmp_path / "anew" / "journal.db").exists()
    assert not (tmp_path / "anew" / "keys").exists()


def test_by_the_command_line_the_phrase_is_shown_once_and_typed_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    used(terminal(tmp_path, "kiosk"), 1)
    terminal(tmp_path, "anew")
    assert main(["backup", "--config", str(tmp_path / "kiosk.toml"), "--out", str(tmp_path / "backup")]) == OK
    phrase = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("    ")).strip()

    monkeypatch.setattr("sys.stdin", io.StringIO(phrase.upper() + "\n"))
    assert main(["restore", str(tmp_path / "backup"), "--config", str(tmp_path / "anew.toml")]) == OK
    assert "restored; the journal goes on at event" in capsys.readouterr().out


# ---- the phrase


def test_a_phrase_has_the_entropy_that_is_promised() -> None:
    assert len(words()) == len(set(words())) == 48 * 48 - len(RUDE)
    assert round(WORDS_IN_PHRASE * log2(len(words())), 1) == 134.0
    assert len({new_phrase() for _ in range(100)}) == 100
    assert all(each.isalpha() and len(each) == 4 for each in words())


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        (" ".join(["baca"] * 11), "has 11 words, wanted 12"),
        (" ".join(["baca"] * 3 + ["bxca"] + ["baca"] * 8), "word 4 of the recovery phrase, 'bxca'"),
        ("", "has 0 words"),
    ],
)
def test_a_mistyped_phrase_is_named_by_its_word(typed: str, what: str) -> None:
    with pytest.raises(PhraseError, match=what):
        read_phrase(typed)


def test_a_phrase_is_read_whatever_its_case_and_blanks() -> None:
    phrase = new_phrase()

    assert read_phrase(f"  {phrase.upper().replace(' ', '   ')}\n") == phrase


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES])
def test_what_is_sealed_comes_back_and_not_without_its_end(size: int) -> None:
    plain, key = bytes(range(256)) * (size // 256 + 1), bytes(32)
    file = io.BytesIO()
    sealer = Sealer(file, key, b"header")
    sealer.write(plain[:size])
    sealer.close()
    sealed = file.getvalue()

    assert Unsealer(io.BytesIO(sealed), key, b"header").read(size + 1) == plain[:size]
    for cut in (1, 16, 17, CHUNK_BYTES + 16):
        opened = Unsealer(io.BytesIO(sealed[: max(8, len(sealed) - cut)]), key, b"header")
        with pytest.raises(SealError):
            opened.read(10**6)
