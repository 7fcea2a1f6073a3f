"""How the first values of a field are understood."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldReading:
    """The first different values that a field takes: (as the file writes it, as it is understood)."""

    field: str
    label: str
    """Of the column that it is read from, in the file or made by a transform."""
    values: tuple[tuple[str, str], ...]
