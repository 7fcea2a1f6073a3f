"""An inferred pipeline loads the file that it was inferred from, whatever the labels of its header."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingestor.checking.rows import CheckedRows, check_rows
from ingestor.pipelines.document import parse_pipeline
from ingestor.pipelines.inspection import inspect_file
from ingestor.tabular.files.formats import plan
from ingestor.tabular.options import parse_options, pipeline_options
from ingestor.tabular.parsers.csv import read_csv_slice
from ingestor.tabular.records.layout import read_table_head

LABELS = st.sampled_from(
    ["id", "a", "A", "", " ", "a ", "a_2", "é", "ctid", "_x", "column_2", "Column 2", '"']
)
CELLS = st.sampled_from(["", "1", "x y", "2024-01-31", "é", "007"])


def inspected_and_loaded(path: Path, dialect: dict[str, Any]) -> tuple[dict[str, Any], CheckedRows]:
    """What an inspection says, and what becomes of the rows under its pipeline."""
    found = inspect_file(path, path.name, parse_options(dialect))
    pipeline = parse_pipeline(json.dumps(found["pipeline"]))
    data = path.read_bytes()
    # What was declared of the file goes with it, as on the page and in `pipelines infer`.
    options = parse_options(dialect).over(pipeline_options(pipeline.canonical_json()))
    how = plan(data, len(data), path.name, options)
    assert how.form == "as-is"
    head = read_table_head(data, True, how.options, False)
    assert head is not None
    assert pipeline.header_problem(head.labels, head.columns, how.options) is None
    table = read_csv_slice(
        data[head.byte_end :], len(head.columns), head.dialect,
        drop_empty_cells=how.options.extra_empty_cells == "drop",
    )  # fmt: skip
    return found, check_rows(table, head.columns, pipeline)


@pytest.mark.parametrize(
    ("text", "rows", "codes"),
    [
        ("id,amount,amount,\n1,10,20,x\n", [(1, 10, 20, "x")], ["labels-renamed"]),
        ("id,name,name,NAME\n1,a,b,c\n", [(1, "a", "b", "c")], ["labels-renamed"]),
        ("id,,name\n1,2,a\n2,3,b\n", [(1, 2, "a"), (2, 3, "b")], ["labels-renamed"]),
        (
            "id,name,,,\n1,a,,,\n2,b,,,\n", [(1, "a"), (2, "b")],
            ["empty-columns-not-read", "empty-cells-dropped"],
        ),
        ("id,name\n1,a,\n2,b,\n", [(1, "a"), (2, "b")], ["empty-cells-dropped"]),
        ("id,name\n1,a\n,\n", [(1, "a")], []),
    ],
)  # fmt: skip
def test_odd_headers(tmp_path: Path, text: str, rows: list[Any], codes: list[str]) -> None:
    path = tmp_path / "t.csv"
    path.write_text(text)
    found, checked = inspected_and_loaded(path, {})
    assert list(zip(*(column.to_pylist() for column in checked.good.columns), strict=True)) == rows
    assert [notice["code"] for notice in found["notices"]] == codes
    assert "dialect" not in found["pipeline"]  # another file has its own header


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    labels=st.lists(LABELS, min_size=1, max_size=5).filter(any),
    rows=st.lists(st.lists(CELLS, min_size=5, max_size=5), min_size=1, max_size=4),
    trailing=st.booleans(),
    header=st.booleans(),
)
def test_an_inferred_pipeline_loads_its_own_file(
    tmp_path: Path, labels: list[str], rows: list[list[str]], trailing: bool, header: bool
) -> None:
    lines = [
        *([",".join('""""' if label == '"' else label for label in labels)] if header else []),
        *(",".join(row[: len(labels)]) + "," * trailing for row in rows),
    ]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    filled = [row for row in rows if any(row[: len(labels)])]
    if not filled:
        return
    layout = {"skipLines": 0, "skipFooter": 0, "skipInitialSpace": False, "quoteChar": '"'}
    if header:
        layout |= {"headerRows": 1, "rowNames": False}
    _, checked = inspected_and_loaded(path, {"delimiter": ",", "header": header, **layout})
    assert checked.good.num_rows == len(filled)
    assert {row.errors[0].code for row in checked.rejected} <= {"blank-row"}
