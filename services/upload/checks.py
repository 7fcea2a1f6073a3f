"""What the first records of a file would become: the domain's words and rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

RowState = Literal["succeeded", "failed", "skipped"]
Phase = Literal["parse", "validate", "load"]


@dataclass(frozen=True, slots=True)
class CheckError:
    """One reason; `label` is the file's column that it is about, "" for none."""

    code: str
    field: str
    value: str
    message: str
    phase: Phase
    label: str


@dataclass(frozen=True, slots=True)
class ExcerptRow:
    """A record of a file; `cells` (shortened) are None when it could not be split."""

    row_number: int
    line_number: int
    cells: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The first records of a file: for a person, and in normal form for the processor.

    `columns_known` False: columns that these records lack may come later.
    """

    columns: tuple[str, ...]
    rows: tuple[ExcerptRow, ...]
    complete: bool
    columns_known: bool
    dialect: str  # JSON: declared and detected
    content: bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """A row that would not be handed to the sink, and every reason."""

    row_number: int
    state: RowState
    errors: tuple[CheckError, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the processor says: the first rows that are no plain successes, and whether these are all."""

    judgements: tuple[Judgement, ...]
    all_told: bool


@dataclass(frozen=True, slots=True)
class CheckedRow:
    """A record and what would become of it."""

    row: ExcerptRow
    state: RowState
    errors: tuple[CheckError, ...]


@dataclass(frozen=True, slots=True)
class Check:
    """The records that were tried, in order; `complete` when they are all records of the file."""

    columns: tuple[str, ...]
    rows: tuple[CheckedRow, ...]
    complete: bool
    dialect: str

    def count(self, state: RowState) -> int:
        """Rows in a state."""
        return Counter(row.state for row in self.rows)[state]


def checked(excerpt: Excerpt, verdict: Verdict) -> Check:
    """Both together. Of what lies behind the last row that was told nothing is known unless all were."""
    judged = {judgement.row_number: judgement for judgement in verdict.judgements}
    known: Sequence[ExcerptRow] = excerpt.rows
    if not verdict.all_told:
        last = max(judged, default=0)
        known = [row for row in known if row.row_number <= last]
    rows = []
    for row in known:
        found = judged.get(row.row_number)
        rows.append(CheckedRow(row, found.state, found.errors) if found else CheckedRow(row, "succeeded", ()))
    return Check(excerpt.columns, tuple(rows), excerpt.complete and verdict.all_told, excerpt.dialect)
