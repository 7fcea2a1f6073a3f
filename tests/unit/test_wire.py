"""Outcomes of rows as messages and in the ledger's tables: translated back they are the same."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.internal.v1 import ledger_pb2
from ingestor.outcomes import DisplacedRow, RejectedRow, RowError
from ingestor.services.status.adapters.pg_values import (
    array_literal,
    error_from,
    error_json,
    errors_from,
    errors_json,
)
from ingestor.v1 import common_pb2, processor_pb2
from ingestor.wire import (
    displaced_message,
    displaced_row,
    error_message,
    rejected_message,
    rejected_row,
    row_error,
)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9)
errors = st.builds(RowError, texts, texts, texts, texts, st.sampled_from(["parse", "validate", "load"]))
numbers = st.integers(1, 2**62)
rows = st.builds(
    RejectedRow,
    numbers,
    st.integers(0, 2**62),
    st.sampled_from(["failed", "skipped"]),
    st.lists(errors, max_size=3).map(tuple),
    st.lists(texts, max_size=3).map(tuple),
)


@given(row=rows, displaced=st.builds(DisplacedRow, numbers, errors))
def test_rows_come_back_from_messages(row: RejectedRow, displaced: DisplacedRow) -> None:
    sent = processor_pb2.RejectedRow.FromString(rejected_message(row, ["a"]).SerializeToString())
    assert rejected_row(sent) == row
    assert list(sent.error_labels) == ["a"]
    assert displaced_row(displaced_message(displaced)) == displaced


@given(found=st.lists(errors, max_size=3).map(tuple))
def test_errors_come_back_from_the_ledger(found: tuple[RowError, ...]) -> None:
    assert errors_from(errors_json(found)) == found


def test_the_ledger_keeps_its_form() -> None:
    """Rows of earlier versions are read, and queries count by these positions."""
    error = RowError("type-error", "é", "x\0", "no number", "validate")
    assert error_json(error) == '["type-error", "é", "x\ufffd", "no number", 2]'
    assert errors_json([error]) == f"[{error_json(error)}]"
    assert error_from(["blank-row", "", "", "The record is blank.", 1]).phase == "parse"


@given(
    value=st.text('a"\\\0u0é,[]', max_size=12),
    others=st.lists(st.text('a",\\\0{} é', max_size=9), max_size=4),
)
def test_texts_are_quoted_one_as_another(value: str, others: list[str]) -> None:
    """The quick ways, of texts without anything special, write what the others write."""
    error = RowError("c", "f", value, value, "load")
    assert errors_json([error, error]) == f"[{error_json(error)}, {error_json(error)}]"
    cells = [value, *others]
    quoted = [re.sub(r'(["\\])', r"\\\1", cell).replace("\0", "\ufffd") for cell in cells]
    assert array_literal(cells) == "{" + ",".join(f'"{cell}"' for cell in quoted) + "}"
    assert array_literal([]) == "{}"


@pytest.mark.parametrize("state", [common_pb2.ROW_STATE_UNSPECIFIED, common_pb2.ROW_STATE_SUCCEEDED])
def test_a_rejected_row_in_another_state_is_an_error(state: common_pb2.RowState.ValueType) -> None:
    with pytest.raises(ValueError, match="FAILED or SKIPPED"):
        rejected_row(processor_pb2.RejectedRow(row_number=1, state=state))


def test_an_unknown_phase_is_an_error() -> None:
    message = error_message(RowError("type-error", "", "", "", "load"))
    message.ClearField("phase")
    for read in (
        lambda: row_error(message),
        lambda: displaced_row(ledger_pb2.DisplacedRow(row_number=1, error=message)),
        lambda: rejected_row(
            processor_pb2.RejectedRow(row_number=1, state=common_pb2.ROW_STATE_FAILED, errors=[message])
        ),
    ):
        with pytest.raises(ValueError, match="phase"):
            read()
