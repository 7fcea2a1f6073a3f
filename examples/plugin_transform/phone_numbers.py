"""Rewrites telephone numbers in the form of E.164: "(030) 12 34-56" becomes "+4930123456"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingestor.plugins import RowFault, Transformed


class PhoneNumber:
    """Option: `country`, the calling code for numbers that begin with 0."""

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raise ValueError when the options are invalid."""
        country = options.get("country")
        if not (isinstance(country, str) and country.isascii() and country.isdigit() and len(country) <= 3):
            raise ValueError('needs "country", a calling code of up to three digits')
        if unknown := sorted(set(options) - {"country"}):
            raise ValueError(f"has no option {unknown[0]!r}")

    def __call__(self, table: pa.Table, options: Mapping[str, Any]) -> Transformed:
        """Empty cells stay empty; a cell that is not a number of 8 to 15 digits rejects its row."""
        columns, faults = {}, []
        for label in table.column_names:
            given = table[label].combine_chunks()
            plain = pc.replace_substring_regex(given, pattern=r"[\s()/.-]", replacement="")
            plain = pc.replace_substring_regex(plain, pattern=r"^00", replacement="+")
            plain = pc.replace_substring_regex(plain, pattern=r"^0", replacement="+" + options["country"])
            right = pc.match_substring_regex(plain, pattern=r"^(\+[1-9][0-9]{7,14})?$")
            for position in pc.indices_nonzero(pc.invert(pc.fill_null(right, True))).to_pylist():
                value = given[position].as_py()
                faults.append(
                    RowFault(position, label, value, f"{label}: {value!r} is not a telephone number")
                )
            columns[label] = plain
        return Transformed(columns, faults)


phone_number = PhoneNumber()
