"""The use case of looking at the rows that a process has loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ingestor.checking.labels import label_in_file
from ingestor.pipelines.document import Pipeline
from ingestor.services.processor.pipelines import sink_of, table_of
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    Loaded,
    LoadedRows,
    LoadedTables,
    Pipelines,
    Processes,
)


@dataclass(frozen=True, slots=True)
class LabeledRows:
    """Rows of a process, and for each of their columns the label of the file's column that it is read from,
    "" for none or several."""

    rows: LoadedRows
    labels: tuple[str, ...] = ()


class LoadedRowsService:
    """Reads what processes have loaded."""

    def __init__(self, tables: LoadedTables, processes: Processes, pipelines: Pipelines) -> None:
        self._tables = tables
        self._processes = processes
        self._pipelines = pipelines

    async def read(self, process_id: str, first: int, last: int, *, counts: bool) -> LabeledRows:
        """The rows with these numbers. Raises NotFoundError, TransientError."""
        process = await self._processes.get(process_id)
        pipeline = None
        if process.pipeline:
            pipeline = await self._pipelines.get(process.pipeline, process.pipeline_version)
        sink = sink_of(pipeline)
        if sink not in (TABLE_SINK, JSON_SINK):
            return LabeledRows(LoadedRows("", unreadable=f"The sink {sink.type} does not show its rows."))
        if pipeline is not None:
            pipeline = pipeline.evolved(process.columns)
        # Rows that a repair loads are rows of the repaired process, by its numbers.
        owner = process.repairs or process_id
        of = Loaded(owner, process.tenant, (), table_of(pipeline), sink)
        rows = await self._tables.read(of, first, last, counts=counts)
        if process.repairs:
            rows = LoadedRows(
                rows.table,
                rows.select,
                unreadable="The rows of a repair are in the table as rows of the repaired process.",
                counts=rows.counts,
                about=rows.about,
            )
        return LabeledRows(rows, tuple(_label(name, pipeline, process.columns) for name in rows.columns))


def _label(name: str, pipeline: Pipeline | None, columns: Sequence[str]) -> str:
    fields = pipeline.fields if pipeline else ()
    sources = [pipeline.source(field) for field in fields if pipeline and field.name == name]
    return label_in_file(sources or [name], pipeline, columns)
