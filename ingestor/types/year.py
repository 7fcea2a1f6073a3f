"""Years and months: the types year and yearmonth."""

from __future__ import annotations

import re
from typing import Any

from ingestor.columns.arrow import cast_all, fully
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn
from ingestor.types.type import ORDERED, Converted, FieldType, is_whole, matching, not_a

_YEAR = r"[0-9]{4}"
_MONTH = r"[0-9]{4}-(?:0[1-9]|1[0-2])"


class YearType(FieldType):
    """A year of four digits."""

    name = "year"
    examples = ("2024", "0033")
    postgres_type = "integer"
    constraints = ORDERED

    @property
    def rule_type(self) -> pa.DataType:
        return pa.int64()

    def parse(self, text: str) -> int:
        if not re.fullmatch(_YEAR, text):
            raise not_a("a year of four digits", text)
        return int(text)

    def from_json(self, raw: Any) -> int | None:
        return self.parse(str(raw)) if is_whole(raw) else None

    def convert(self, text: TextColumn) -> Converted:
        bad = text.present(~fully(text.array, _YEAR))
        return Converted.of(cast_all(text.without(bad), pa.int64()), bad)


class YearMonthType(FieldType):
    """A month, YYYY-MM; stays text."""

    name = "yearmonth"
    examples = ("2024-02", "2024-12")
    postgres_type = "text"
    constraints = ORDERED

    def parse(self, text: str) -> str:
        if not re.fullmatch(_MONTH, text):
            raise not_a("a month of the form YYYY-MM", text)
        return text

    def convert(self, text: TextColumn) -> Converted:
        return matching(text, _MONTH)
