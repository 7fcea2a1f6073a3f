"""Looks at the end whether files, table, ledger, events and reports agree."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from ingestor import AsyncClient
from ingestor.client.aio_process import AsyncProcess
from tests.chaos.files import TABLE, WRONG, File, file_of
from tests.chaos.people import People
from tests.chaos.world import World
from tests.deployment_files.observability.metrics import scrape_all

_QUIET_SECONDS = 300
_ENDED = {"COMPLETED", "COMPLETED_WITH_ERRORS", "CANCELLED", "UNDONE", "FAILED"}
_LAST = {"ingestion.completed", "ingestion.failed", "ingestion.cancelled"}


@dataclass
class Findings:
    """Rows, and what is wrong in words. `lost` and `doubled` are rows of the table, `unexpected` what should
    not be there or is not as it should be."""

    attempted: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0
    unexpected: int = 0
    problems: list[str] = field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.lost or self.doubled or self.unexpected or self.problems)

    def __str__(self) -> str:
        return (
            f"rows attempted {self.attempted:,}, acknowledged {self.acknowledged:,}; "
            f"lost {self.lost:,}, doubled {self.doubled:,}, unexpected {self.unexpected:,}"
        )


@dataclass(frozen=True)
class _Loaded:
    rows: int = 0
    distinct: int = 0
    wrong: int = 0


async def audit(world: World, people: People) -> Findings:
    """Wait until everything has ended, and look."""
    findings = Findings(
        sum(file.rows for file in people.attempted), sum(file.rows for file in people.acknowledged.values())
    )
    known: dict[str, AsyncProcess] = {}
    async with AsyncExitStack() as stack:
        for token in (None, world.flood):
            client = AsyncClient(f"127.0.0.1:{world.port}", patience=60, token=token)
            await stack.enter_async_context(client)
            await _settle(client, findings)
            known |= {process.id: process async for process in client.processes()}
        loaded = await _loaded(world)
        for process_id, process in known.items():
            await _look(world, process, loaded.get(process_id, _Loaded()), findings)
        for process_id, found in loaded.items():
            if process_id not in known:
                _deleted(process_id, people.acknowledged.get(process_id), found, findings)
        for process_id in people.acknowledged.keys() - known.keys() - people.deleted:
            findings.problems.append(f"{process_id} was acknowledged and is not there")
            findings.lost += people.acknowledged[process_id].good_count
    await _at_rest(world, findings)
    return findings


async def _settle(client: AsyncClient, findings: Findings) -> None:
    """Wait until every process has ended; what is paused is resumed."""
    end = asyncio.get_running_loop().time() + _QUIET_SECONDS
    while True:
        running = [process async for process in client.processes() if process.state not in _ENDED]
        if not running:
            return
        if asyncio.get_running_loop().time() > end:
            findings.problems += [
                f"{process.id} ({process.file_name}) is {process.state} for ever" for process in running
            ]
            return
        for process in running:
            if process.state == "PAUSED":
                await process.resume()
        await asyncio.sleep(0.5)  # between two looks


async def _loaded(world: World) -> dict[str, _Loaded]:
    where = await world.fetch("SELECT schemaname FROM pg_tables WHERE tablename = $1", TABLE)
    if not where:
        return {}
    rows = await world.fetch(
        " UNION ALL ".join(
            "SELECT _process_id::text, count(*), count(DISTINCT _row_number), "
            f"count(*) FILTER (WHERE {WRONG}) FROM {schema}.{TABLE} GROUP BY 1"
            for (schema,) in where
        )
    )
    return {row[0]: _Loaded(*row[1:]) for row in rows}


async def _look(world: World, process: AsyncProcess, found: _Loaded, findings: Findings) -> None:
    file = file_of(process.file_name)
    what = f"{process.id} ({process.file_name}, {process.state})"
    if file is None:
        findings.problems.append(f"{what}: nobody sent it")
        return
    counts = process.counts
    expected = counts.succeeded
    bad = [] if process.state == "CANCELLED" else file.bad
    if process.repairs:
        expected = 0
        if counts.succeeded:
            findings.problems.append(f"{what}: {counts.succeeded} rows that cannot be right succeeded")
    elif process.state in ("COMPLETED", "COMPLETED_WITH_ERRORS"):
        expected = file.good_count
        true = (file.rows, file.good_count, len(file.bad), 0, 0)
        said = (counts.read, counts.succeeded, counts.failed, counts.skipped, counts.unprocessed)
        if said != true:
            findings.problems.append(f"{what}: the counts are {said} and not {true}")
    elif process.state == "UNDONE":
        expected = 0
    elif process.state == "FAILED":
        findings.problems.append(f"{what}: {process.failure}")
    findings.lost += max(0, expected - found.distinct)
    findings.doubled += found.rows - found.distinct
    findings.unexpected += found.wrong + max(0, found.distinct - expected)
    if found != _Loaded(expected, expected, 0):
        findings.problems.append(f"{what}: the table has {found}, {expected} rows are right")
    if process.state in _ENDED:
        await _check_ledger(world, process, what, findings)
        await _check_report(process, bad, what, findings)
        await _check_events(process, what, findings)


def _deleted(process_id: str, file: File | None, found: _Loaded, findings: Findings) -> None:
    """Rows of a process that was deleted stay."""
    if file is None:
        findings.unexpected += found.rows
        findings.problems.append(f"{process_id}: {found.rows} rows of nobody")
    elif found != _Loaded(file.good_count, file.good_count, 0):
        findings.lost += max(0, file.good_count - found.distinct)
        findings.doubled += found.rows - found.distinct
        findings.unexpected += found.wrong
        findings.problems.append(f"{process_id} ({file.name}, deleted): the table has {found}")


async def _check_ledger(world: World, process: AsyncProcess, what: str, findings: Findings) -> None:
    """Batches follow each other without a gap, and all have an outcome."""
    batches = [batch async for batch in process.batches()]
    row = 1
    for number, batch in enumerate(sorted(batches, key=lambda one: one.number), 1):
        if (batch.number, batch.first_row) != (number, row):
            findings.problems.append(
                f"{what}: batch {batch.number} begins at row {batch.first_row}, not {row}"
            )
            break
        row += batch.row_count
        if batch.processed is None and process.state != "CANCELLED":
            findings.problems.append(f"{what}: batch {number} has no outcome")
    if row - 1 != process.counts.read:
        findings.problems.append(f"{what}: {row - 1} rows in batches, {process.counts.read} read")


async def _check_report(process: AsyncProcess, bad: list[int], what: str, findings: Findings) -> None:
    if process.state == "CANCELLED":
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.jsonl"
        await process.report(path)
        rows = [json.loads(line)["row"] for line in path.read_text("utf-8").splitlines()]
    if rows != bad:
        findings.unexpected += len(set(rows) ^ set(bad)) + len(rows) - len(set(rows))
        findings.problems.append(f"{what}: the report has {len(rows)} rows, {len(bad)} are bad")


async def _check_events(process: AsyncProcess, what: str, findings: Findings) -> None:
    events = [event async for event in process.events()]
    sequences = [event.sequence for event in events]
    if sequences != sorted(set(sequences)) or len({event.id for event in events}) != len(events):
        findings.problems.append(f"{what}: the events are out of order or doubled: {sequences}")
    types = Counter(event.type for event in events)
    if sum(types[one] for one in _LAST) != 1:
        findings.problems.append(f"{what}: the events are {dict(types)}")


async def _at_rest(world: World, findings: Findings) -> None:
    """No processor works on anything any more."""
    end = asyncio.get_running_loop().time() + 60
    while work := await asyncio.to_thread(_in_work, world):
        if asyncio.get_running_loop().time() > end:
            findings.problems.append(f"{work:g} messages are in work for ever")
            return
        await asyncio.sleep(0.5)  # between two looks


def _in_work(world: World) -> float:
    return sum(scrape.value("ingestor_messages_in_work") for scrape in scrape_all(world.look()).values())
