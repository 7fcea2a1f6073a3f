"""The measured table of docs/operations/faults.md, and the script that writes it."""

from __future__ import annotations

import random
import re
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.audit import Findings
from tests.chaos.figures import FIGURES, lines
from tests.chaos.result import Injection, Result
from tests.chaos.run import FAULTS
from tests.chaos.table import BEGIN, END, written
from tests.chaos.watch import Seen

PAGE = Path(__file__).parents[3] / "docs" / "operations" / "faults.md"


def rows(page: str) -> list[list[str]]:
    """The cells of the tables between the marks, those of the heads apart."""
    region = page.split(BEGIN)[1].split(END)[0]
    found = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in region.splitlines()
        if line.startswith("| ")
    ]
    return [cells for cells in found if cells[0] not in ("fault", "what is promised")]


def test_the_page_has_every_fault_and_figure_and_no_other() -> None:
    known = [*FIGURES, *(fault.name for fault in FAULTS)]
    assert len(set(known)) == len(known)
    assert [cells[0] for cells in rows(PAGE.read_text("utf-8"))] == known


def test_several_runs_become_one_table() -> None:
    name, figure = FAULTS[0].name, next(iter(FIGURES))
    draw = random.Random(1)
    runs = []
    for seed in range(3):
        seen = Seen(100, Counter({"UNAVAILABLE": seed}), draw.uniform(0, 2))
        result = Result(findings=[Findings(10, 9, lost=seed)])
        result.injections[name] = [Injection(1.0, float(seed), seen)]
        result.figures[figure] = [float(seed)]
        runs.append(result.as_json({"seed": seed, "commit": "abc", "minutes": 2.0}))
    page = written(f"before {BEGIN} old {END} after", runs)
    assert page.startswith("before ") and page.endswith(" after") and " old " not in page
    cells = {one[0]: one[1:] for one in rows(page)}
    slowest = max(run["faults"][name][0]["slowest_call_seconds"] for run in runs)
    assert cells[name] == [
        "3", "1.0 s", "2.0 s", f"of 300 calls 3 UNAVAILABLE; the slowest took {slowest:.1f} s"
    ]  # fmt: skip
    assert cells[figure] == [f"{FIGURES[figure]:g}", "1.0", "2.0", "3"]
    assert "seed 2, commit abc, 2 minutes: 10 rows sent, 2 lost" in page
    assert written(page, runs) == page  # it can be written again


def test_a_page_without_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="lacks"):
        written("nothing", [])


def test_bounds_are_told() -> None:
    figure, bound = next(iter(FIGURES.items()))
    [kept] = lines({figure: [bound, bound, bound * 9]})
    [broken] = lines({figure: [bound + 1]})
    assert re.search(r"\bholds\b", kept) and "DOES NOT HOLD" in broken
