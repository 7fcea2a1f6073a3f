"""Times of day."""

from __future__ import annotations

import re
from datetime import time
from typing import Any

from ingestor.columns.arrow import cast_all, fully, pc
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn
from ingestor.types.notation.formatted import FormattedType
from ingestor.types.type import ORDERED, Converted, Value, ValueFormatError, not_a

_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6}0{0,3})?"


class TimeType(FormattedType):
    """hh:mm:ss, up to 6 digits of a second; or a format of its own. Stays text."""

    name = "time"
    examples = ("23:59:59", "10:00:00.5")
    postgres_type = "time"
    constraints = ORDERED
    is_item = True
    iso_form = "HH:MM:SS"
    directives = "HIMSfp"

    def parse_iso(self, text: str) -> time:
        if not re.fullmatch(_TIME, text):
            if re.fullmatch(r".{8}\.[0-9]{7,9}", text):
                raise ValueFormatError("is more exact than a microsecond, the most that a time keeps")
            raise not_a("a time of the form hh:mm:ss[.ffffff]", text)
        micros = int(text[9:15].ljust(6, "0")) if len(text) > 8 else 0
        return time(int(text[:2]), int(text[3:5]), int(text[6:8]), micros)

    def convert_iso(self, text: TextColumn) -> Converted:
        bad = text.present(~fully(text.array, _TIME))
        # Arrow casts text to datetimes, but not to times.
        instants = pc.binary_join_element_wise("1970-01-01T", text.without(bad), "")
        instants = pc.utf8_slice_codeunits(instants, 0, len("1970-01-01Thh:mm:ss.ffffff"))
        values = cast_all(cast_all(instants, pa.timestamp("us")), pa.time64("us"))
        return Converted(text.array, values, bad if bad.any() else None)

    def as_json(self, value: Value) -> Any:
        assert isinstance(value, time)
        return value.isoformat()
