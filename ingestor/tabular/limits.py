"""Limits that bound the memory one file can take."""

from __future__ import annotations

from dataclasses import dataclass

_BLOCK_CELLS = 512 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on records and columns; ValueError when one is less than 1."""

    max_record_bytes: int = 16 * 1024 * 1024
    """Longest record in bytes, without its line end."""
    max_cell_bytes: int = 12 * 1024 * 1024
    """Longest cell in bytes of UTF-8."""
    max_header_bytes: int = 1024 * 1024
    """The header must end within this many bytes from the start of the file."""
    max_columns: int = 1600 - 8
    """PostgreSQL's limit per table, minus the columns that the suite adds."""

    block_rows: int = 10_000
    """Records that a parser which reads them one by one gives at a time."""

    def rows_at_once(self, columns: int) -> int:
        """How many rows of a table of so many columns a parser gives at a time: cells that are missing take
        memory, too."""
        return max(1, min(self.block_rows, _BLOCK_CELLS // columns))

    def __post_init__(self) -> None:
        least = min(self.max_record_bytes, self.max_cell_bytes, self.max_header_bytes, self.max_columns)
        if min(least, self.block_rows) < 1:
            raise ValueError("every limit must be at least 1")


DEFAULT_LIMITS = Limits()
