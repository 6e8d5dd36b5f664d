"""Write docs/accuracy.md from the evaluation data: `make evaluate`."""

from __future__ import annotations

import logging
import sys

from kiosk.bench.evaluate import accuracy, data_folder
from kiosk.recognition.manifest import PROJECT

WRONG_USE = 2


def main() -> int:
    """Measure, and write; 2: there is no evaluation data."""
    logging.basicConfig(level=logging.WARNING)
    data = data_folder()
    if not data.is_dir():
        print(f"evaluate: {data} is no folder: set KIOSK_DATA to the evaluation data, or put it there", file=sys.stderr)
        return WRONG_USE
    document = PROJECT / "docs" / "accuracy.md"
    document.write_text(accuracy(data, document.parent, lambda title: print(f"measuring: {title}", flush=True)))
    print(f"wrote {document.relative_to(PROJECT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
