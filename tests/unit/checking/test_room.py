"""Transforms that multiply what they read: rows over a bound fail, their neighbours do not."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.checking.steps.room import MAX_CELL_BYTES, MAX_MADE_BYTES
from tests.unit.checking.check_tables import table, with_steps

TOO_LARGE = "a: the transform {} makes more of this row than a cell or a batch has room for"


def checked(cells: list[str], *steps: dict[str, Any], into: str = "a") -> CheckedRows:
    return check_rows(table(cells), ["a"], with_steps(into, transforms=list(steps)))


def failures(found: CheckedRows) -> dict[int, str]:
    return {row.row_number: row.errors[0].message for row in found.rejected}


def replacing(pattern: str, new: str, **more: Any) -> dict[str, Any]:
    return {"column": "a", "op": "replace", "pattern": pattern, "with": new, **more}


THOUSAND = replacing("x", "x" * 1000)
LONG = "x" * 26_000


@pytest.mark.parametrize(
    "step",
    [
        THOUSAND,
        replacing("x", "x" * 1000, regex=True),
        replacing("(x+)", r"\1" * 500, regex=True),
        replacing("y*", "x" * 1000, regex=True),
    ],
)
def test_a_cell_that_grows_too_long_fails_alone(step: dict[str, Any]) -> None:
    found = checked(["1", LONG, "2"], step)
    assert failures(found) == {2: TOO_LARGE.format("replace")}
    assert found.good.num_rows == 2
    assert len(LONG) * 500 > MAX_CELL_BYTES


def test_a_batch_that_grows_too_large_loses_the_rows_that_grow() -> None:
    """Each of them alone would fit."""
    grown = dict.fromkeys(range(0, 2000, 2), "x" * 100)
    cells = [grown.get(number, "1") for number in range(2000)]
    assert not failures(checked(cells[:200], THOUSAND))
    found = checked(cells, THOUSAND, {"column": "a", "op": "trim"})
    assert 100_000 * len(grown) > MAX_MADE_BYTES
    assert set(failures(found)) == {number + 1 for number in grown}
    assert found.good.column("a").to_pylist() == ["1"] * 1000


@pytest.mark.parametrize(
    ("op", "step"),
    [
        ("concatenate", {"op": "concatenate", "columns": ["a", "a", "a"], "into": "a"}),
        ("expression", {"op": "expression", "into": "a", "sql": "a || a || a"}),
        ("expression", {"op": "expression", "into": "a", "sql": "REPLACE(a, 'x', 'xxx')"}),
        ("split", {"op": "split", "column": "a", "separator": "-", "into": [f"b{n}" for n in range(99)]}),
    ],
)
def test_every_step_is_bounded(op: str, step: dict[str, Any]) -> None:
    cells = ["x" * 400_000] * 90 + ["1"] * 10 if op != "split" else ["1"] * 90_000
    found = checked(cells, step)
    if op == "split":
        assert len(failures(found)) == 90_000
        return
    messages = failures(found)
    assert set(messages) == set(range(1, 91))
    assert all("makes more of this row than" in message for message in messages.values())
    assert found.good.num_rows == 10


@pytest.mark.parametrize(
    "steps",
    [
        [THOUSAND, THOUSAND, THOUSAND],
        [replacing("(x)", r"\1" * 500, regex=True)] * 3,
        [{"op": "concatenate", "columns": ["a"], "into": "b"}]
        + [{"op": "concatenate", "columns": ["a", "b"], "into": "b"}] * 100
        + [{"op": "concatenate", "columns": ["b", "a"], "into": "a"}] * 100,
        [{"op": "expression", "into": "a", "sql": "a || a"}] * 20,
        [{"op": "expression", "into": "a", "sql": "REPLACE(" * 20 + "a" + ", 'x', 'xxxxxxxxxx')" * 20}],
        [{"op": "expression", "into": "a", "sql": "REPLACE(REPLACE(a, 'x', a), 'x', a)"}],
    ],
)  # fmt: skip
def test_memory_stays_flat(steps: list[dict[str, Any]]) -> None:
    code = f"""
import pathlib, re
from tests.unit.checking.test_room import checked
found = checked(["x" * 100] * 5_000, *{steps!r})
assert found.good.num_rows + len(found.rejected) == 5_000
assert found.rejected
# Not ru_maxrss, in which what the tests had before this program began counts too.
print(re.search("VmHWM: *(.+) kB", pathlib.Path("/proc/self/status").read_text().replace("\\t", " "))[1])
"""
    ran = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=300
    )
    assert int(ran.stdout) < 700 * 1024, f"{ran.stdout} KiB"


def test_what_is_replaced_is_given_back() -> None:
    """Steps one after the other in one column take its room once."""
    cells = ["x" * 1000] * 25_000
    found = checked(cells, *[{"column": "a", "op": "default", "value": "y"}] * 10)
    assert len(cells) * 1000 * 3 > MAX_MADE_BYTES
    assert found.good.num_rows == 25_000


def test_growth_within_the_bounds_is_allowed() -> None:
    found = checked(["x" * 100] * 500, THOUSAND)
    assert found.good.num_rows == 500
