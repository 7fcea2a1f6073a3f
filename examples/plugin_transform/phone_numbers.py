"""Telephone numbers as people write them to E.164: "(030) 12 34-56" becomes "+4930123456"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ingestor.plugins import RowFault, Transformed


class PhoneNumber:
    """Rewrites its columns. Options: `country`, the calling code of numbers that begin with 0."""

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Raises ValueError."""
        country = options.get("country")
        if not (isinstance(country, str) and country.isascii() and country.isdigit() and len(country) <= 3):
            raise ValueError('needs "country", a calling code of up to three digits')
        if unknown := sorted(set(options) - {"country"}):
            raise ValueError(f"has no option {unknown[0]!r}")

    def __call__(self, table: pa.Table, options: Mapping[str, Any]) -> Transformed:
        """Empty cells stay empty; what is no number of 8 to 15 digits refuses its row."""
        columns, faults = {}, []
        for label in table.column_names:
            given = table[label].combine_chunks()
            plain = pc.replace_substring_regex(given, pattern=r"[\s()/.-]", replacement="")
            plain = pc.replace_substring_regex(plain, pattern=r"^00", replacement="+")
            plain = pc.replace_substring_regex(plain, pattern=r"^0", replacement="+" + options["country"])
            right = pc.match_substring_regex(plain, pattern=r"^(\+[1-9][0-9]{7,14})?$")
            for position in pc.indices_nonzero(pc.invert(pc.fill_null(right, True))).to_pylist():
                value = given[position].as_py()
                faults.append(RowFault(position, label, value, f"{label}: {value!r} is no telephone number"))
            columns[label] = plain
        return Transformed(columns, faults)


phone_number = PhoneNumber()
