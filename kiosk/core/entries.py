"""What the core has written into the journal, word for word; the reasons of audit entries are never changed."""

from __future__ import annotations

from kiosk.core.biometrics import Modality, Thresholds
from kiosk.core.decision import Accepted, Refused
from wire.attendance import Act, Entry, EventType, Mode, Moment, Pad

STARTED = "start"
"""Every start of the program leaves this."""
THRESHOLD_SET, THRESHOLD_RAISED, THRESHOLD_LOWERED = "threshold_set", "threshold_raised", "threshold_lowered"
"""What a modality is judged by from now on (`thr`, `pad.thr`); set: the journal did not say what it was before."""


def attendance(accepted: Accepted, act: Act, now: Moment) -> Entry:
    """Return the entry of somebody who came or went."""
    return Entry(
        EventType.ATTENDANCE,
        now,
        pid=accepted.pid,
        act=act,
        mode=accepted.mode,
        score=accepted.score,
        thr=accepted.thr,
        pad=accepted.pad,
    )


def refusal(refused: Refused, now: Moment) -> Entry:
    """Return the audit entry of somebody who was not recorded."""
    return Entry(
        EventType.AUDIT,
        now,
        pid=refused.pid,
        mode=refused.mode,
        score=refused.score,
        thr=refused.thr,
        pad=refused.pad,
        reason=refused.reason.value,
    )


def started(now: Moment) -> Entry:
    """Return the audit entry of a start."""
    return Entry(EventType.AUDIT, now, reason=STARTED)


def thresholds_changed(modality: Modality, new: Thresholds, old: Thresholds | None, now: Moment) -> Entry:
    """Return the audit entry of thresholds that are not the ones on record."""
    reason = THRESHOLD_SET if old is None else THRESHOLD_LOWERED if new.is_below(old) else THRESHOLD_RAISED
    pad = None if new.pad is None else Pad(thr=new.pad)
    return Entry(EventType.AUDIT, now, mode=Mode(modality.value), thr=new.comparison, pad=pad, reason=reason)
