"""A minute of fuzzing, and what it has found before. `make fuzz` does it for longer."""

from __future__ import annotations

import pytest

from tests.fuzz.__main__ import fuzz
from tests.fuzz.kept import KEPT
from tests.fuzz.targets import TARGETS

SECONDS = 60


@pytest.mark.parametrize(("name", "data"), KEPT)
def test_what_was_found_is_taken(name: str, data: bytes) -> None:
    TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_taken(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].run(seed)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_found(name: str) -> None:
    result = fuzz(name, SECONDS // len(TARGETS))
    if result.found is not None:
        pytest.fail(result.told(name), pytrace=False)
