"""Where a figure was measured: every page of figures says it."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path


def described_machine() -> str:
    """Return a paragraph that names processor, Python and the libraries that compute."""
    return (
        f"Machine: {_processor()}, {os.cpu_count()} processors; Python {platform.python_version()}, onnxruntime "
        f"{version('onnxruntime')}, OpenCV {version('opencv-python-headless')}. `$KIOSK_DATA` is the folder of the "
        "evaluation data, which is not part of the project."
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
