#!/usr/bin/env bash
# Makes .venv and installs the locked requirements into it. Says exactly what is missing where it cannot.
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-python3}
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Python 3.11 or later is needed; found: $("$PYTHON" --version 2>&1 || echo none)" >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    scripts/system.sh --needed python3-venv
fi

# picamera2 comes with Raspberry Pi OS and is tied to the system's Python: let the environment see it.
options=()
if [ -d /usr/lib/python3/dist-packages/picamera2 ]; then options=(--system-site-packages); fi
"$PYTHON" -m venv --clear "${options[@]}" .venv

# --no-deps: the lock is complete, and insightface would bring opencv-python, which overwrites the headless one.
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
