"""`docs/performance.md`: what recognition and a search cost on this machine, and what that would be on a Pi.

No Pi was at hand, so its figures are projections, from what OpenCV publishes for the same two networks on the same
board: `benchmark/README.md` of opencv/opencv_zoo at commit f301435baaed (OpenCV 4.10, mean of repeated runs, all four
cores). Whatever else a frame needs is scaled by the embedder's ratio.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from kiosk.bench.latency import PREVIEW_SIZE, Latency
from kiosk.bench.machine import described_machine
from kiosk.bench.rates import table
from kiosk.bench.search import SearchCost
from kiosk.bench.search import described as described_searches
from kiosk.core.decision import SURE_FRAMES

YUNET_PX = 160 * 120
"""Pixels that the published detection times are of; the network is convolutional, so its time goes by the pixel."""
PEOPLE_SEARCHED = (500, 1000, 10_000, 100_000)


@dataclass(frozen=True, slots=True)
class Board:
    """A board that figures are published of."""

    name: str
    yunet_ms: float
    """YuNet (2023mar) on `YUNET_PX`, four threads."""
    sface_ms: float
    """SFace (2021dec), four threads."""


BOARDS = (
    Board("Raspberry Pi 4B, Cortex-A72 at 1.5 GHz", 6.23, 68.82),
    Board("as a Raspberry Pi 5: RK3588S, Cortex-A76 at 2.25 GHz (a Pi 5 has 2.4)", 2.30, 28.94),
)


def projected(measured: Latency, board: Board) -> dict[str, float]:
    """Return milliseconds by step on a board, four threads.

    Args:
        measured: on this machine, one thread.
    """
    ratio = board.sface_ms / measured.stages["embedding"]
    steps = {name: ms * ratio for name, ms in measured.stages.items()}
    pixels = PREVIEW_SIZE[0] * PREVIEW_SIZE[1]
    return {**steps, "detection": board.yunet_ms * pixels / YUNET_PX}


def document(measured: Latency, searches: Sequence[SearchCost]) -> str:
    """Return the page."""
    return f"""# What it costs

Made by `make evaluate` on {datetime.now(UTC).date()}; do not edit. {described_machine()}

## A frame

```
kiosk bench latency --frames $KIOSK_DATA/pad/nuaa
```

{measured.cpu_ms_p50} ms of processor time and {measured.wall_ms_p50} ms of wall time a frame of 640x480, medians over \
{measured.pictures} frames, all on one thread; {measured.rss_mb} MB resident at most; models verified and opened in \
{measured.start_s} s. On a machine that does something else meanwhile the processor time is the one to compare.

{_frames(measured)}

**The two right-hand columns are projections, not measurements**: nothing here was run on a Pi. They take the times \
that are published of the same two networks on such boards with four threads (OpenCV's engine; ours is onnxruntime), \
and scale everything else by the ratio of the embedder. The last row is the wait from the first usable frame to the \
answer for somebody who is surely known, {SURE_FRAMES} frames; the camera's own delay and the disk come on top.

## A search

```
OPENBLAS_NUM_THREADS=1 kiosk bench search --people N
```

{described_searches(searches)}

Made-up templates, one a person, 200 searches, wall time of one with its list of candidates, on one thread. From about \
10,000 people on it is the memory's speed that counts.
"""


def _frames(measured: Latency) -> str:
    columns = [measured.stages, *(projected(measured, board) for board in BOARDS)]
    rows = [[name, *(f"{steps[name]:.2f}" for steps in columns)] for name in measured.stages]
    whole = [sum(steps.values()) for steps in columns]
    rows.append(["**a frame**", *(f"**{ms:.0f}**" for ms in whole)])
    rows.append([f"{SURE_FRAMES} frames", *(f"{SURE_FRAMES * ms:.0f}" for ms in whole)])
    return table(["step, ms", "here, one thread", *(board.name for board in BOARDS)], rows)
