"""Repeated attacks lock a modality: 30 s at first, then twice as long each time, up to a longest (all in `Policy`).

    counting ──`lock_after` attacks, none older than `lock_within_s`──▶ locked ──its time is over──▶ counting
        └── `longest_lock_s` without an attack or a lock: the next lock is a first one again

What counts is a veto, and an action other than the one a challenge asked for: a film that was started in hope. Whoever
was too slow, or is unknown, counts for nothing.

Honest people outlast it. A locked modality does not look, so a queue that waits before the camera cannot prolong the
lock; it ends by itself; the other modality goes on. Nor can they shorten it: an acceptance forgives nothing, or an
accomplice with a face of their own would wash away each attempt. A restart forgets a lock, and the journal has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from kiosk.core.biometrics import Modality, Policy
from kiosk.core.decision import Reason, Refused
from wire.attendance import Entry, EventType, Mode, Moment

LOCKED = "locked"
"""`reason` of the audit event that every lock leaves; it names no person."""
ATTACKS = frozenset({Reason.ATTACK, Reason.OTHER_ACTION})
MOST_DOUBLINGS = 16
"""Half a minute doubled so often is three weeks, longer than any longest lock."""


@dataclass(frozen=True, slots=True)
class Lockout:
    """What the attacks on one modality have led to."""

    attacks_ms: tuple[int, ...] = ()
    """When they were, CLOCK_BOOTTIME in milliseconds, since the last lock."""
    locks: int = 0
    """How many there were, one after another."""
    until_ms: int = 0
    """When the last lock ends or ended."""
    is_locked: bool = False

    def attacked(self, now_ms: int, policy: Policy) -> Lockout:
        """Return what one more attack leads to; a lock that lasts stays as it is."""
        if self.is_locked:
            return self
        is_forgotten = now_ms - max(self.until_ms, *self.attacks_ms, 0) >= 1000 * policy.longest_lock_s
        locks = 0 if is_forgotten else self.locks
        recent = (ms for ms in self.attacks_ms if now_ms - ms < 1000 * policy.lock_within_s)
        attacks_ms = (*recent, now_ms)
        if len(attacks_ms) < policy.lock_after:
            return replace(self, attacks_ms=attacks_ms, locks=locks)
        return Lockout((), locks + 1, now_ms + round(1000 * _lasts_s(locks, policy)), is_locked=True)

    def at(self, now_ms: int) -> Lockout:
        """Return the lockout as it is then: a lock whose time is over no longer locks."""
        return replace(self, is_locked=False) if self.is_locked and now_ms >= self.until_ms else self


Lockouts = Mapping[Modality, Lockout]


def after_refusal(lockouts: Lockouts, refused: Refused, now: Moment, policy: Policy) -> tuple[Lockouts, list[Entry]]:
    """Return the lockouts after a refusal, and what of it belongs into the journal."""
    modality = _attacked(refused.mode)
    if modality is None or refused.reason not in ATTACKS:
        return lockouts, []
    before = lockouts.get(modality, Lockout())
    after = before.attacked(now.mono_ms, policy)
    is_new = after.is_locked and not before.is_locked
    entries = [Entry(EventType.AUDIT, now, mode=refused.mode, reason=LOCKED)] if is_new else []
    return {**lockouts, modality: after}, entries


def lifted(lockouts: Lockouts, now_ms: int) -> Lockouts:
    """Return the lockouts without the locks whose time is over."""
    return {modality: lockout.at(now_ms) for modality, lockout in lockouts.items()}


def _lasts_s(locks: int, policy: Policy) -> float:
    return min(policy.lock_s * 2.0 ** min(locks, MOST_DOUBLINGS), policy.longest_lock_s)


def _attacked(mode: Mode) -> Modality | None:
    """The modality that an attack was on; none where a person vouches."""
    match mode:
        case Mode.FACE | Mode.FINGER_AND_FACE:
            return Modality.FACE
        case Mode.FINGER:
            return Modality.FINGER
        case Mode.PIN | Mode.MANUAL:
            return None
        case _:
            assert_never(mode)
