"""What every unit test shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import stamina


@pytest.fixture(autouse=True)
def no_waiting_between_retries() -> Iterator[None]:
    """Calls are repeated at once, and as often as a test needs."""
    with stamina.set_testing(True, attempts=1_000_000):
        yield
