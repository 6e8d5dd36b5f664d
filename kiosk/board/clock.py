"""The device's clocks, and how far they may be trusted.

kernel says synchronised (NTP, PPS) ──────────────▶ network, uncertain by the kernel's own bound, believed
set from a clock module at boot, after EARLIEST ──▶ rtc, uncertainty unknown, believed
anything else ────────────────────────────────────▶ none, not believed: a Pi without a battery starts where it stopped
"""

from __future__ import annotations

import ctypes
import time
from datetime import UTC, datetime
from pathlib import Path

from wire.attendance import ClockQuality, ClockSource, Moment

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
RTC_SET_THE_TIME = Path("/sys/class/rtc/rtc0/hctosys")
"""Holds `1` where the kernel took its first time from the clock module."""
EARLIEST = datetime(2026, 1, 1, tzinfo=UTC)
"""This program did not exist before, so an earlier time is a clock module whose battery is empty."""
STA_UNSYNC = 0x0040
"""linux/timex.h"""
QUALITY_MS = 1000
"""Milliseconds between two questions to the kernel: its bound on the error grows by half a millisecond a second."""


class _Timeval(ctypes.Structure):
    _fields_ = (("tv_sec", ctypes.c_long), ("tv_usec", ctypes.c_long))


class _Timex(ctypes.Structure):
    """`struct timex` of adjtimex(2); what follows `tai` is padding."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("padding", ctypes.c_int * 11),
    )


class SystemClock:
    """The clocks of the machine this runs on."""

    def __init__(self) -> None:
        self._boot = BOOT_ID.read_text(encoding="ascii").strip()
        self._adjtimex = ctypes.CDLL(None).adjtimex
        self._rtc_set_the_time = _says_one(RTC_SET_THE_TIME)
        self._quality = self._ask_quality()
        self._asked_ms = boottime_ms()

    def read(self) -> Moment:
        """All of them at once; never blocks."""
        mono_ms = boottime_ms()
        if mono_ms - self._asked_ms >= QUALITY_MS:
            self._quality, self._asked_ms = self._ask_quality(), mono_ms
        return Moment(datetime.now(UTC), self._boot, mono_ms, self._quality)

    def _ask_quality(self) -> ClockQuality:
        timex = _Timex(modes=0)
        refused = self._adjtimex(ctypes.byref(timex)) < 0
        return quality(
            maxerror_us=None if refused or timex.status & STA_UNSYNC else timex.maxerror,
            set_by_rtc=self._rtc_set_the_time,
            t=datetime.now(UTC),
        )


def quality(*, maxerror_us: int | None, set_by_rtc: bool, t: datetime) -> ClockQuality:
    """Return how far the time may be trusted.

    Args:
        maxerror_us: the kernel's bound on the error in microseconds; None: it is not synchronised.
        set_by_rtc: whether the kernel took its first time from a clock module.
        t: the time in question, aware.
    """
    if maxerror_us is not None:
        return ClockQuality(ClockSource.NETWORK, -(-maxerror_us // 1000), ok=True)
    if set_by_rtc and t >= EARLIEST:
        return ClockQuality(ClockSource.RTC, None, ok=True)
    return ClockQuality(ClockSource.NONE, None, ok=False)


def boottime_ms() -> int:
    """Milliseconds since boot, time asleep included (CLOCK_BOOTTIME)."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000


def _says_one(path: Path) -> bool:
    try:
        return path.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False
