"""Does the simulation notice when a guard is missing?"""

from __future__ import annotations

import os

import pytest

from tests.simulation.environment import simulated
from tests.simulation.mutants import MUTANTS, Mutant, caught

SCHEDULES = int(os.environ.get("INGESTOR_TEST_MUTANT_SCHEDULES", "600"))  # at most, for each of them


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.guard)
def test_a_missing_guard_is_noticed(mutant: Mutant) -> None:
    with simulated():
        assert caught(mutant, SCHEDULES), f"{SCHEDULES} schedules have not noticed it"
