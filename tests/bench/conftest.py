"""Real models, as set-up fetched them."""

from __future__ import annotations

import pytest

from kiosk.recognition.manifest import ModelMissingError
from kiosk.recognition.models import Models, open_models


@pytest.fixture(scope="session")
def models() -> Models:
    """The models that set-up fetched."""
    try:
        return open_models()
    except ModelMissingError as error:
        pytest.fail(f"{error}; run `kiosk models fetch --demo` first (`make test` does)")
