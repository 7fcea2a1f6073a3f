"""Columns of the types that a list's items can have, as JSON."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from ingestor.checking.arrow import AnyArray, pc
from ingestor.checking.json_rows import escaped
from ingestor.pipelines.field import ItemType

_NUMBER = r"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\z"


def json_texts(kind: ItemType, column: AnyArray) -> pa.StringArray:
    """One JSON text for each value of a column that `conversion` made; null where it is null."""
    values: Any = column
    texts: pa.StringArray
    if kind == "integer":
        texts = pc.cast(values, pa.string())
    elif kind == "number":
        texts = _numbers(values)
    elif kind == "boolean":
        texts = pc.if_else(values, "true", "false")
    else:
        if kind == "date":
            values = pc.cast(values, pa.string())
        elif kind == "datetime":
            # Always six digits of a second, of which the zeros at the end go.
            texts = pc.cast(values.cast(pa.timestamp("us")), pa.string())
            values = pc.replace_substring(texts, pattern=" ", replacement="T")
            values = pc.ascii_rtrim(pc.ascii_rtrim(values, characters="0"), characters=".")
            values = pc.binary_join_element_wise(values, "Z", "")
        texts = pc.binary_join_element_wise('"', escaped(values), '"', "")
    return texts


def _numbers(values: Any) -> Any:
    """Numbers with the digits that they have, as JSON writes them: no plus sign, no zeros in front, digits on
    both sides of the point."""
    if pc.all(pc.match_substring_regex(values, pattern=_NUMBER)).as_py() is not False:
        return values
    values = pc.ascii_ltrim(values, characters="+")
    values = pc.replace_substring_regex(values, pattern=r"\A(-?)0+([0-9])", replacement=r"\1\2")
    values = pc.replace_substring_regex(values, pattern=r"\A(-?)\.", replacement=r"\10.")
    return pc.replace_substring_regex(values, pattern=r"\.(\z|[eE])", replacement=r"\1")
