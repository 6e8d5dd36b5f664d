"""Write docs/performance.md: `make evaluate`."""

from __future__ import annotations

import sys

from kiosk.bench.evaluate import data_folder
from kiosk.bench.latency import latency
from kiosk.bench.performance import PEOPLE_SEARCHED, document
from kiosk.bench.search import search
from kiosk.recognition.manifest import PROJECT

WRONG_USE = 2


def main() -> int:
    """Measure, and write; 2: there are no frames to measure on."""
    frames = data_folder() / "pad" / "nuaa"
    if not frames.is_dir():
        print(f"performance: {frames} is no folder: set KIOSK_DATA to the evaluation data", file=sys.stderr)
        return WRONG_USE
    page = PROJECT / "docs" / "performance.md"
    page.write_text(document(latency(frames), [search(people) for people in PEOPLE_SEARCHED]))
    print(f"wrote {page.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
