"""How many examples the properties draw."""

from __future__ import annotations

import os

from hypothesis import settings

NIGHTLY = os.environ.get("INGESTOR_TEST_PROFILE") == "nightly"
# Of the examples of a nightly run; a failure is found by the nightly run at the latest.
SHARE = 1 if NIGHTLY else 4


def examples(nightly: int) -> int:
    """How many examples to draw where the nightly run draws so many."""
    return max(1, nightly // SHARE)


def load_profile() -> None:
    """Hypothesis's settings. How long an example takes says nothing on a busy machine."""
    settings.register_profile("suite", deadline=None, max_examples=examples(100))
    settings.load_profile("suite")
