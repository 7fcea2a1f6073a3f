"""A transform of an outside package, installed by pip and found by its entry point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest

from ingestor.checking.document import check_document
from ingestor.checking.rows import check_rows
from ingestor.checking.steps import plug_in as plug_in_step
from ingestor.checking.steps.plug_in import plug_in
from ingestor.plugins import PlugInError, RowFault, Transformed
from tests.plugins import installed as example_installed
from tests.unit.checking.check_tables import table, with_steps


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The example, installed for the tests of this module only."""
    plug_in.cache_clear()
    with example_installed("plugin_transform", tmp_path_factory.mktemp("site"), "phone_numbers"):
        yield
    plug_in.cache_clear()


STEP = {"op": "phone-number", "columns": ["phone"], "options": {"country": "49"}}


@pytest.mark.usefixtures("installed")
def test_an_installed_package_takes_part() -> None:
    pipeline = with_steps("phone", transforms=[STEP])
    assert check_document(pipeline) == []
    checked = check_rows(table(["(030) 12 34-56", "0044 20 7946 0000", "", "call me"]), ["phone"], pipeline)
    assert checked.good.to_pylist() == [
        {"phone": "+4930123456"}, {"phone": "+442079460000"}, {"phone": None}
    ]  # fmt: skip
    (row,) = checked.rejected
    assert (row.row_number - 1, row.cells) == (3, ("call me",))
    assert [(e.code, e.field, e.value, e.message) for e in row.errors] == [
        ("transform-error", "phone", "call me", "phone: 'call me' is not a telephone number")
    ]


@pytest.mark.usefixtures("installed")
def test_wrong_options_are_told_when_the_pipeline_is_applied() -> None:
    pipeline = with_steps("phone", transforms=[{**STEP, "options": {"country": "x"}}])
    (violation,) = check_document(pipeline)
    assert violation.pointer == "/transforms/0/options"
    assert violation.message == 'needs "country", a calling code of up to three digits'


def test_a_transform_that_is_not_installed() -> None:
    pipeline = with_steps("a", transforms=[{"op": "trimm", "column": "a"}])
    (violation,) = check_document(pipeline)
    assert violation.pointer == "/transforms/0/op"
    assert violation.message == "no transform is named trimm, neither built in nor installed"
    with pytest.raises(PlugInError):
        check_rows(table(["x"]), ["a"], pipeline)


def _use(monkeypatch: pytest.MonkeyPatch, transform: Any) -> None:
    monkeypatch.setattr(plug_in_step, "plug_in", lambda name: transform)


def test_a_row_that_makes_a_transform_raise_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def inverse(given: pa.Table, options: Mapping[str, Any]) -> Transformed:
        texts = [str(100 // int(str(text))) for text in given["a"].to_pylist()]
        return Transformed({"b": pa.array(texts)}, [RowFault(n, "b", t, "odd") for n, t in enumerate(texts)
                                                    if t == "33"])  # fmt: skip

    _use(monkeypatch, inverse)
    pipeline = with_steps("b", transforms=[{"op": "inverse", "column": "a", "into": ["b"]}])
    assert pipeline.labels_of_file == ("a",)
    checked = check_rows(table(["1", "2", "0", "4", "x", "3"]), ["a"], pipeline)
    assert checked.good.column("b").to_pylist() == ["100", "50", "25"]
    assert checked.good_index.tolist() == [0, 1, 3]
    assert [(row.row_number - 1, [e.message for e in row.errors]) for row in checked.rejected] == [
        (2, ["the transform inverse failed on this row"]),
        (4, ["the transform inverse failed on this row"]),
        (5, ["odd"]),
    ]
    assert check_rows(table([]), ["a"], pipeline).good.num_rows == 0


def test_without_columns_a_transform_gets_them_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def doubled(given: pa.Table, options: Mapping[str, Any]) -> Transformed:
        assert (given.column_names, options) == (["a", "b"], {"times": 2})
        return Transformed({"b": pa.array([str(text) * options["times"] for text in given["b"].to_pylist()])})

    _use(monkeypatch, doubled)
    pipeline = with_steps("a", "b", transforms=[{"op": "doubled", "options": {"times": 2}}])
    checked = check_rows(table(["x"], ["y"]), ["a", "b"], pipeline)
    assert checked.good.to_pylist() == [{"a": "x", "b": "yy"}]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Transformed({"c": pa.array(["x"])}), "made columns that the step does not declare"),
        (Transformed({}), "did not make the columns"),
        (Transformed({"b": pa.array(["x", "y"])}), "of another length than the batch"),
        (Transformed({"b": pa.array([["x"]])}), "of values that cannot become text"),
        (Transformed({"b": pa.array(["x"])}, [RowFault(1, "", "", "m")]), "a row that does not exist"),
    ],
)
def test_a_broken_contract_is_no_fault_of_rows(
    monkeypatch: pytest.MonkeyPatch, answer: Transformed, message: str
) -> None:
    _use(monkeypatch, lambda given, options: answer)
    pipeline = with_steps("b", transforms=[{"op": "broken", "columns": ["a"], "into": ["b"]}])
    with pytest.raises(PlugInError, match=message):
        check_rows(table(["x"]), ["a"], pipeline)
