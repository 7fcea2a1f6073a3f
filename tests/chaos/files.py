"""Files whose right answer is known: from the name of a file follows each of its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TABLE = "chaos_rows"
_NAME = re.compile(r"chaos-(\d+)-(\d+)-(\d+)\.csv")


@dataclass(frozen=True)
class File:
    """`rows` rows, every `bad_every`-th of which fails (0: none)."""

    number: int
    rows: int
    bad_every: int

    @property
    def name(self) -> str:
        """What says everything of it."""
        return f"chaos-{self.number}-{self.rows}-{self.bad_every}.csv"

    @property
    def bad(self) -> list[int]:
        """The numbers of the rows that fail."""
        return list(range(self.bad_every, self.rows + 1, self.bad_every)) if self.bad_every else []

    @property
    def good_count(self) -> int:
        """How many rows are loaded."""
        return self.rows - len(self.bad)

    def write(self, folder: Path) -> Path:
        """Write it."""
        path = folder / self.name
        with path.open("w", encoding="ascii") as file:
            file.write("id,amount,name\n")
            for row in range(1, self.rows + 1):
                amount = "none" if self.bad_every and row % self.bad_every == 0 else row * 7 % 1000
                file.write(f"{row},{amount},the row with the number {row}\n")
        return path


def file_of(name: str) -> File | None:
    """The file of this name; None when it is of somebody else."""
    found = _NAME.fullmatch(name)
    return File(*map(int, found.groups())) if found else None


# A row of the table that is not as the file says.
WRONG = "(id <> _row_number OR amount <> _row_number * 7 % 1000 OR name <> 'the row with the number ' || id)"

PIPELINE: dict[str, Any] = {
    "name": "chaos",
    "schema": {
        "fields": [
            {"name": "id", "type": "integer", "constraints": {"required": True}},
            {"name": "amount", "type": "integer"},
            {"name": "name", "type": "string"},
        ]
    },
    "sink": {"table": TABLE, "mode": "append"},
}
