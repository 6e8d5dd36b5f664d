"""What an event costs the card: `python -m tests.storage.cost FOLDER COUNT`.

Bytes are what the kernel sent to the disk for this process (`write_bytes` of /proc/self/io), checkpoints included.
"""

from __future__ import annotations

import hashlib
import sys
import time
from dataclasses import replace
from pathlib import Path
from statistics import median, quantiles

from kiosk.storage.journal import verify_file
from tests.storage.office import PUBLIC, opened_journal
from tests.wire.examples import ORIGIN, tap


def written_bytes() -> int:
    """Bytes that this process has sent to the disk."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith("write_bytes")).split()[1])


def main(folder: Path, count: int) -> None:
    """Append so many events, and say what each cost."""
    spans_ms = []
    with opened_journal(folder) as journal:
        cfg, roster, model = (hashlib.sha256(name).hexdigest() for name in (b"cfg", b"roster", b"model"))
        journal.origin = replace(ORIGIN, cfg=cfg[:16], roster=roster, model=model[:16])
        before = written_bytes()
        for number in range(count):
            begun = time.perf_counter()
            journal.append(tap(f"p-{1000 + number * 37 % 500}", after_s=29 * number))
            spans_ms.append(1000 * (time.perf_counter() - begun))
    each = (written_bytes() - before) / count
    size = (folder / "journal.db").stat().st_size / count
    begun = time.perf_counter()
    with opened_journal(folder) as journal:
        opened_s = time.perf_counter() - begun
        begun = time.perf_counter()
        journal.taps_since(tap().at.t)
        taps_s = time.perf_counter() - begun
    begun = time.perf_counter()
    verify_file(folder / "journal.db", PUBLIC)
    verified_s = time.perf_counter() - begun
    sys.stdout.write(
        f"{each:.0f} bytes written and {size:.0f} kept an event; append {median(spans_ms):.2f} ms median, "
        f"{quantiles(spans_ms, n=100)[98]:.2f} ms p99; opened in {opened_s:.2f} s, recent taps in {taps_s:.2f} s; "
        f"all verified in {verified_s:.2f} s\n"
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
