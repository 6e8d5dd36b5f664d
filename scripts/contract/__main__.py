"""Writes `docs/contract/` anew: `make contract`. What is not made here (README, subscriber) is left alone."""

from __future__ import annotations

import json
from pathlib import Path

from scripts.contract.asyncapi import document, schema_files
from scripts.contract.vectors import vector_files

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "contract"


def files() -> dict[str, str]:
    """Everything that is generated, by path below `docs/contract/`."""
    made = {"asyncapi.json": document(), **schema_files(), **vector_files()}
    return {path: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for path, content in made.items()}


def write(folder: Path) -> None:
    """Write the files, and remove generated ones that are no longer made."""
    wanted = files()
    for old in [*folder.glob("schemas/*.json"), *folder.glob("vectors/*.json")]:
        if str(old.relative_to(folder)) not in wanted:
            old.unlink()
    for path, text in wanted.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(FOLDER)
