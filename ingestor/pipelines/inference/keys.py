"""Rows of a sample that repeat a key."""

from __future__ import annotations

from collections.abc import Sequence

from ingestor.pipelines.inference.values import is_missing
from ingestor.tabular.files.sample import Sample


def repeated_rows(sample: Sample, key: Sequence[str]) -> list[int]:
    """Numbers of the records whose values in the columns of `key`, by name, are those of an earlier one.
    Blanks around a value do not matter; a record with a missing value has no key."""
    places = [sample.names.index(name) for name in key if name in sample.names]
    if not places or len(places) < len(key):
        return []
    seen: set[tuple[str, ...]] = set()
    repeated = []
    columns = (sample.cells[place] for place in places)
    for number, cells in zip(sample.row_numbers, zip(*columns, strict=True), strict=True):
        values = tuple((cell or "").strip() for cell in cells)
        if any(map(is_missing, values)):
            continue
        if values in seen:
            repeated.append(number)
        seen.add(values)
    return repeated
