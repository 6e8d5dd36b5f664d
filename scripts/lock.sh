#!/usr/bin/env bash
# Writes requirements.lock: one file, with hashes, for x86-64 and aarch64, Python 3.11 and 3.13.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet uv
"$tools/bin/uv" pip compile pyproject.toml --extra dev --extra sim --universal --python-version 3.11 \
    --override requirements.overrides --generate-hashes --no-emit-index-url --upgrade \
    --custom-compile-command 'make lock' --output-file requirements.lock --quiet
