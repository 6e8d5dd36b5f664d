"""`docs/accuracy.md`: everything that the evaluation data can show, each table with the command that makes it.

Called by `make evaluate`. What is not there is left out, and said.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from kiosk.bench import challenge, curves, fingers, match, pad
from kiosk.bench.machine import described_machine
from kiosk.bench.rates import percent, shipped_policy
from kiosk.config import FingerprintSettings
from kiosk.recognition.manifest import PROJECT

VISITS = (1, 3, 5)
CHALLENGE_VISITS = 100
FILM_KINDS = {"one_man_bonafide.mp4": pad.BONA_FIDE, "one_man_phone_replay.mp4": f"{pad.ATTACK}phone_replay"}


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the document."""

    title: str
    command: str
    folder: str
    """Below the evaluation data; empty: it needs none."""
    measure: Callable[[Path, Path], str]
    """Takes the data's folder and the document's, and returns Markdown."""
    remarks: str
    """What the figures are of, and what they cannot show."""


def data_folder() -> Path:
    """Return where the evaluation data should be: `KIOSK_DATA`, else `../shared/data` from the project."""
    return Path(os.environ.get("KIOSK_DATA") or PROJECT.parent / "shared" / "data")


def accuracy(data: Path, docs: Path, say: Callable[[str], None]) -> str:
    """Measure everything, write the curves to `docs/img`, and return the document; some minutes.

    Args:
        data: the evaluation data; what it lacks is left out.
        docs: the document's folder.
        say: told what is being measured.
    """
    (docs / "img").mkdir(parents=True, exist_ok=True)
    parts = [_head(), *(_section(section, data, docs, say) for section in SECTIONS)]
    return "\n\n".join(parts) + "\n"


def _section(section: Section, data: Path, docs: Path, say: Callable[[str], None]) -> str:
    say(section.title)
    if not (data / section.folder).exists():
        return f"## {section.title}\n\nNot measured: `{section.folder}` is not in the evaluation data."
    measured = section.measure(data / section.folder, docs)
    return f"## {section.title}\n\n```\n{section.command}\n```\n\n{measured}\n\n{section.remarks}"


def _faces(folder: Path, docs: Path) -> str:
    measured = match.match(folder)
    pictures = [_curves(measured.galleries, number, docs) for number in match.PICTURES_ENROLLED]
    return "\n\n".join([match.described(measured), *filter(None, pictures)])


def _curves(galleries: Sequence[match.GalleryMeasured], pictures: int, docs: Path) -> str:
    """Draw the galleries of one number of pictures; returns how the document shows them."""
    lines = []
    drawn = [each for each in galleries if each.pictures == pictures]
    for each, colour, pale in zip(drawn, curves.COLOURS, curves.PALE, strict=False):
        lines.append(curves.Line(f"{each.people} people", each.shipped, colour, at=each.threshold))
        lines.append(curves.Line(f"{each.people}, plain SFace", each.plain, pale, is_dashed=True))
    if not lines:
        return ""
    title = f"Open-set search, {pictures} picture{'s' * (pictures > 1)} enrolled"
    file = f"det_{pictures}.png"
    curves.draw(title, lines, docs / "img" / file)
    return f"![{title}: FNIR against FPIR](img/{file})"


def _prints(folder: Path, _docs: Path) -> str:
    return pad.described(pad.pad(folder, VISITS))


def _replays(folder: Path, _docs: Path) -> str:
    with tempfile.TemporaryDirectory() as laid_out:
        for name, kind in FILM_KINDS.items():
            (Path(laid_out) / kind).mkdir()
            (Path(laid_out) / kind / name).symlink_to((folder / name).resolve())
        return pad.described(pad.pad(Path(laid_out), VISITS))


def _challenges(folder: Path, _docs: Path) -> str:
    return challenge.described(challenge.challenge(folder.parent, CHALLENGE_VISITS))


def _fingers(folder: Path, _docs: Path) -> str:
    return fingers.described(fingers.fingers(folder))


def _head() -> str:
    policy = shipped_policy()
    return f"""# How often it errs

Made by `make evaluate` on {datetime.now(UTC).date()}; do not edit. {described_machine()} What it costs is in \
[performance.md](performance.md).

At the shipped defaults: FPIR wanted of faces {percent(policy.face_fpir)}, their threshold never below \
{policy.face_threshold}, margin to the second person {policy.face_margin}, \
liveness threshold {policy.pad_threshold}, {policy.frames_per_visit} frames a visit, fingerprint security level \
{FingerprintSettings().security_level}.

The words are those of ISO/IEC 19795-1 and 30107-3: FPIR, strangers taken for somebody enrolled; FNIR, mates not \
recognised; FMR and FNMR, the same one to one; FTA and FTE, failures to acquire and to enrol; APCER, attacks let in, \
by kind; BPCER, genuine presentations turned away. Intervals are exact binomial bounds (Clopper and Pearson), 95 %, \
for independent trials. These are not quite: one person gives several. Read them as the least that is unknown."""


SECTIONS = (
    Section(
        "Faces",
        "kiosk bench match --faces $KIOSK_DATA/faces",
        "faces",
        _faces,
        """\
A quarter of LFW-deepfunneled, found on the web: 828 people, 428 of them with two to four pictures. The protocol is \
in `kiosk/bench/match.py`. *Mates* are the people enrolled and probed; where there are fewer than the gallery has \
people, others fill it with as many pictures as they have (*a person*: the mean), which makes it easier than it \
would be with as many for all. *Threshold* is the one in force for a gallery (ADR 11), the middle one of ten draws. \
The columns *95 %* are for the trials of one draw of ten. *Misnamed* are mates taken for somebody else; FNIR counts \
them. *Shipped* keeps the margin, and every other threshold is tried; *plain* is the mean of the features as SFace \
gives them, with one threshold; in brackets, the threshold. In the curves, a dot is the threshold in force, at the \
edge where nothing erred.

What this cannot show: LFW is press photographs of public figures, mostly of Europe and America, mostly men, few \
old, in light that nobody chose. It has no labels here for sex, age, head covering, glasses or origin, so there is \
no figure by group, and none for Indonesian officials before this camera, at this entrance. A frame of a camera is \
not a press photograph: these are single frames, and a visit has several; and probes are aligned as enrolled \
pictures are, while a terminal looks for the face in a smaller preview, where landmarks are less exact. With so few \
strangers an FPIR of 0.1 % is one or two pictures of them.""",
    ),
    Section(
        "Presentation attacks: prints",
        "kiosk bench pad --data $KIOSK_DATA/pad [--visit K]",
        "pad",
        _prints,
        """NUAA: seven people, live and as prints held, moved and bent before a webcam of 2010, 25 frames each. A \
non-response is a presentation without a decision, which lets nobody in. What this cannot \
show: prints of today, masks, injected video, other cameras; seven people are seven trials as far as people go.""",
    ),
    Section(
        "Presentation attacks: a phone",
        "kiosk bench pad --data DIR [--visit K]   # DIR/bonafide/*.mp4, DIR/attack_phone_replay/*.mp4",
        "video",
        _replays,
        """One man in a dark room before a webcam, and his film shown again on a phone; every fifth frame. One man and \
one phone say that it can work, not how often.""",
    ),
    Section(
        "Presentation attacks: the challenge alone",
        f"kiosk bench challenge --data $KIOSK_DATA --visits {CHALLENGE_VISITS}",
        "pad",
        _challenges,
        """Without any passive model: how often what is not a head passes what the screen asks, in whole visits of a \
terminal's own pipeline; every attacker is helped, since the person is enrolled from the very pictures that are shown. \
`film_of_turns` is a film of the right head that turns by one row of actions, whatever is asked: it passes as often as \
chance asks for that row, which is what the row's length (`challenge_length`) is for. What this cannot show: how often \
real people fail, for there is no film of a real head that turns; `head` and `film_of_turns` are drawn heads.""",
    ),
    Section(
        "Fingers",
        "kiosk bench fingers --data $KIOSK_DATA/fingers/fcj2020",
        "fingers/fcj2020",
        _fingers,
        """FCJ2020: 32 fingers of eight people, on an optical sensor. Impressions 1 are left out, some being \
mislabelled; how the rest is used is in `kiosk/bench/fingers.py`. The driver, its wire and the reader's \
commands are those of a terminal; the matcher is NIST's bozorth3 in the simulated reader. What this cannot show: the \
R307's own matcher, worn or wet fingers, silicone ones. With two fingers, a person whose one finger is not known \
presses the other; only pairs that could both be enrolled count.""",
    ),
)
