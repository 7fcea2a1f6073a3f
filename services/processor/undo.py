"""The use case of an undo, and the worker that reports undos to status."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import structlog

from ingestor.access.scope import within
from ingestor.runtime.errors import FailedPreconditionError, NotFoundError, ServiceError, TransientError
from ingestor.runtime.workers import repeat
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import (
    Loaded,
    Pipelines,
    Processes,
    ProcessFacts,
    RowUndo,
    UndoCounts,
    UndoImpossibleError,
    Undone,
)

log = structlog.get_logger(__name__)

_AT_ONCE = 100
_LOOK_SECONDS = 5.0


class UndoService:
    """Undoes processes and reports it to status; as a worker it reports again what could not be reported."""

    name = "undos"

    def __init__(self, undo: RowUndo, processes: Processes, pipelines: Pipelines) -> None:
        self._undo = undo
        self._processes = processes
        self._pipelines = pipelines

    async def undo(self, process_id: str, *, dry_run: bool) -> UndoCounts:
        """Undo a process that has ended, with its repairs; idempotent. With `dry_run` say what that
        would do. Raises NotFoundError; FailedPreconditionError (PROCESS_RUNNING, UNDO_IMPOSSIBLE,
        REPAIR); TransientError."""
        process = await self._processes.get(process_id)
        if process.repairs:
            raise FailedPreconditionError(
                "REPAIR",
                f"The process repairs {process.repairs}: undo that one, and the repair with it.",
                metadata={"process_id": process.repairs},
            )
        repairs = await self._processes.repairs_of(process_id)
        for one in (process, *repairs):
            if not one.ended:
                raise FailedPreconditionError(
                    "PROCESS_RUNNING",
                    f"The process {one.process_id} has not ended; cancel it first.",
                    metadata={"process_id": one.process_id},
                )
        # The counts of an undo outlive the records that an undo needs.
        counts = await self._undo.undone(process_id)
        if counts is None:
            of = await self._loaded(process, repairs)
            try:
                counts = await self._undo.undo(of, dry_run=dry_run)
            except UndoImpossibleError as error:
                raise _impossible(str(error)) from error
        if not dry_run:
            log.info("undone", process_id=process_id, removed=counts.removed, restored=counts.restored)
            try:
                await self.report()
            except TransientError as error:
                log.warning("undo not reported yet", process_id=process_id, error=str(error))
        return counts

    async def _loaded(self, process: ProcessFacts, repairs: Sequence[ProcessFacts]) -> Loaded:
        """Where the process and its repairs have loaded rows."""
        if process.expired:
            raise _impossible("The process has expired: the rows that it replaced are no longer kept.")
        pipeline = None
        if process.pipeline:
            pipeline = await self._pipelines.get(process.pipeline, process.pipeline_version)
        table = table_of(pipeline)
        if table.upsert and not table.undo:
            raise _impossible("The pipeline does not keep the rows that it replaces (sink.undo is false).")
        return Loaded(
            process.process_id,
            process.tenant,
            tuple(repair.process_id for repair in repairs),
            table,
            sink_of(pipeline),
        )

    async def report(self) -> None:
        """Report every undo that status has not recorded. Raises TransientError."""
        for done in await self._undo.unreported(_AT_ONCE):
            with within(done.tenant):
                await self._report(done)

    async def _report(self, done: Undone) -> None:
        process_id = done.process_id
        try:
            await self._processes.record_undo(process_id, done.counts)
        except NotFoundError:
            log.info("a process was deleted before its undo was reported", process_id=process_id)
        except ServiceError as error:
            log.error("status refuses an undo", process_id=process_id, error=str(error))
            return
        await self._undo.mark_reported(process_id)

    async def run(self, stopping: asyncio.Event) -> None:
        """Report undos until `stopping` is set."""
        await repeat(self.report, stopping, every=_LOOK_SECONDS, failure="cannot report undos to status")


def _impossible(message: str) -> FailedPreconditionError:
    return FailedPreconditionError("UNDO_IMPOSSIBLE", message)
