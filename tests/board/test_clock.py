"""A time says how far it may be trusted, and a turned clock shifts the time of day alone."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kiosk.board.clock import SystemClock, boottime_ms, quality
from kiosk.sim.clock import HandClock, TurnedClock, turn
from wire.attendance import ClockQuality, ClockSource

NOW = datetime(2026, 11, 23, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def test_the_system_clock_reads_the_machine() -> None:
    before, moment, after = datetime.now(UTC), SystemClock().read(), datetime.now(UTC)

    assert before <= moment.t <= after
    assert moment.boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert abs(moment.mono_ms - 1000 * float(Path("/proc/uptime").read_text().split()[0])) < 5000


def test_the_quality_agrees_with_the_kernel_s_own_word() -> None:
    clk = SystemClock().read().clk

    assert clk.ok is (clk.src is not ClockSource.NONE)
    assert (clk.unc_ms is not None) is (clk.src is ClockSource.NETWORK)


def test_the_kernel_is_asked_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, asked, now = SystemClock(), [], [boottime_ms()]
    monkeypatch.setattr("kiosk.board.clock.boottime_ms", lambda: now[0])
    monkeypatch.setattr(clock, "_ask_quality", lambda: asked.append(now[0]))

    for passed_ms in (0, 500, 499, 2000, 1):
        now[0] += passed_ms
        clock.read()

    assert len(asked) == 1


@pytest.mark.parametrize(
    ("maxerror_us", "set_by_rtc", "t", "wanted"),
    [
        (11_500, True, NOW, ClockQuality(ClockSource.NETWORK, 12, ok=True)),
        (12_000, False, NOW, ClockQuality(ClockSource.NETWORK, 12, ok=True)),
        (0, False, NOW, ClockQuality(ClockSource.NETWORK, 0, ok=True)),
        (None, True, NOW, ClockQuality(ClockSource.RTC, None, ok=True)),
        (None, True, EPOCH, ClockQuality(ClockSource.NONE, None, ok=False)),
        (None, False, NOW, ClockQuality(ClockSource.NONE, None, ok=False)),
    ],
)
def test_a_time_is_trusted_as_far_as_its_source(
    maxerror_us: int | None, t: datetime, wanted: ClockQuality, *, set_by_rtc: bool
) -> None:
    assert quality(maxerror_us=maxerror_us, set_by_rtc=set_by_rtc, t=t) == wanted


def test_a_hand_clock_moves_only_when_told() -> None:
    clock = HandClock(NOW)
    first = clock.read()
    clock.advance(1.5)

    assert (clock.read().t - first.t, clock.read().mono_ms - first.mono_ms) == (timedelta(seconds=1.5), 1500)
    assert clock.read() == clock.read()


@pytest.mark.parametrize("offset_s", [0.0, 86_400.0, -3600.5])
def test_a_turned_clock_shifts_the_time_of_day_alone(tmp_path: Path, offset_s: float) -> None:
    turn(tmp_path / "clock", offset_s)
    clock, system = TurnedClock(tmp_path / "clock"), SystemClock()
    turned, true = clock.read(), system.read()
    clock.close()

    assert abs((turned.t - true.t).total_seconds() - offset_s) < 1
    assert abs(turned.mono_ms - true.mono_ms) < 1000
    assert turned.boot == true.boot


def test_another_process_turns_the_clock_while_it_runs(tmp_path: Path) -> None:
    clock = TurnedClock(tmp_path / "clock")
    before = clock.read().t
    script = (
        f"from pathlib import Path; from kiosk.sim.clock import turn; turn(Path({str(tmp_path / 'clock')!r}), 7200)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)

    assert clock.read().t - before > timedelta(hours=2)
    clock.close()
