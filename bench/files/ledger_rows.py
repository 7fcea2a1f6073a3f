"""Writes processes straight into the ledger, as the processor's reports would, for benchmarks of reading."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from ingestor.outcomes import RejectedRow, RowError
from ingestor.runs import packed
from ingestor.services.status.adapters.pg_ledger import PgLedger
from ingestor.services.status.ledger import Batch, Outcome, finished
from ingestor.services.status.ports import Limits
from ingestor.services.status.processes import Info, RowState

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgPool

COLUMNS = ("id", "name", "email", "city", "amount", "rate", "born", "seen", "active", "visits")
BATCH_ROWS = 20_000
_CITIES = ("Berlin", "São Paulo", "東京", "New York", "Kraków", "Lagos", "Nairobi", "Oslo", "Lyon", "Quito")

# What is wrong: nothing, the same in each row, or something else than in the row before.
Wrong = Literal["none", "same", "other"]


async def write_process(pool: PgPool, rows: int, wrong: Wrong) -> str:
    """An ended process of so many rows, all of them good or all of them bad; its number."""
    process, ledger = str(uuid.uuid4()), PgLedger(pool)
    await ledger.start(Info(process, "default", "", "table.csv", rows * 100, "bench", 1))
    await ledger.read_header(process, COLUMNS, "{}", rows * 100, Limits(None, None))
    number = 0
    for number, first in enumerate(range(1, rows + 1, BATCH_ROWS), 1):
        count = min(BATCH_ROWS, rows + 1 - first)
        batch = Batch(number, first, count, first + 1, first * 100, (first + count) * 100)
        alone, runs = packed(_rejected(range(first, first + count), wrong))
        bad = 0 if wrong == "none" else count
        outcome = Outcome(batch, RowState.SUCCEEDED, count - bad, bad, 0)
        await ledger.record(process, outcome, None, alone, runs=runs)
    await ledger.change(process, lambda account: finished(account, rows, number))
    return process


def _rejected(numbers: range, wrong: Wrong) -> Iterator[RejectedRow]:
    if wrong == "none":
        return
    for number in numbers:
        of_visits = wrong == "other" and number % 2
        cells = (
            str(number), f"Customer {number}", f"customer{number}@example.com", _CITIES[number % 10],
            f"{number % 1000}.5x", f"{number % 997 / 1000:.3f}", "1987-04-12", "2024-05-06T12:30:00Z", "true",
            "many",
        )  # fmt: skip
        field, value = ("visits", cells[9]) if of_visits else ("amount", cells[4])
        error = RowError("type-error", field, value, f'"{value}" is not a number', "validate")
        yield RejectedRow(number, number + 1, "failed", (error,), cells)
