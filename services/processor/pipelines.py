"""Use cases around pipelines: store, get, list, and the tables that they load into."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from ingestor.checking.document import check_document
from ingestor.checking.rows import JSON_COLUMN
from ingestor.pipelines.document import Pipeline, TableSink, parse_pipeline
from ingestor.pipelines.errors import PipelineError, Violation
from ingestor.runtime.clock import Clock
from ingestor.runtime.errors import FieldViolation, InvalidArgumentError, NotFoundError
from ingestor.services.processor.plugin_sinks import check_sink
from ingestor.services.processor.ports import (
    JSON_SINK,
    TABLE_SINK,
    ForeignKey,
    PipelineStore,
    SinkChoice,
    StoredPipeline,
    Table,
)

JSON_TABLE = Table("public", "ingested_rows", ((JSON_COLUMN, "jsonb"),), ())


def table_of(pipeline: Pipeline | None) -> Table:
    """The table that a pipeline (or none) loads into."""
    if pipeline is None:
        return JSON_TABLE
    schema, name = pipeline.target()
    columns = tuple((field.name, field.kind.postgres_type) for field in pipeline.fields)
    upsert = isinstance(pipeline.sink, TableSink) and pipeline.sink.mode == "upsert"
    unique: list[tuple[str, ...]] = [(field.name,) for field in pipeline.fields if field.constraints.unique]
    unique += [tuple(fields) for fields in pipeline.table_schema.unique_keys]
    return Table(
        schema,
        name,
        columns,
        pipeline.key,
        upsert=upsert,
        unique=tuple(dict.fromkeys(unique)),
        foreign=tuple(
            ForeignKey(tuple(key.fields_), _split(key.reference.resource), tuple(key.reference.fields_))
            for key in pipeline.table_schema.foreign_keys
        ),
        evolve=pipeline.sink.schema_drift == "evolve",
        undo=not isinstance(pipeline.sink, TableSink) or pipeline.sink.undo,
    )


def sink_of(pipeline: Pipeline | None) -> SinkChoice:
    """The sink that takes the rows of a pipeline (or of none)."""
    if pipeline is None:
        return JSON_SINK
    if isinstance(pipeline.sink, TableSink):
        return TABLE_SINK
    return SinkChoice(pipeline.sink.type, pipeline.sink.options)


def _split(table: str) -> tuple[str, str]:
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else ("public", schema)


class PipelineService:
    """Keeps documents; a document that is stored is a valid one."""

    def __init__(self, store: PipelineStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._parsed = lru_cache(maxsize=64)(parse_pipeline)  # versions never change
        self._versions: dict[tuple[str, int], Pipeline] = {}

    async def apply(self, document: str, validate_only: bool) -> tuple[StoredPipeline, bool]:
        """Store a document; the latest version and whether it is new. InvalidArgumentError names
        every wrong key as a JSON Pointer."""
        pipeline = self.parse(document)
        if validate_only:
            latest = await self._store.get(pipeline.name, None)
            if latest and self._parsed(latest.document).canonical_json() == pipeline.canonical_json():
                return latest, False
            known = await self._store.versions(pipeline.name, None, 1)
            version = known[0].version + 1 if known else 1
            return StoredPipeline(pipeline.name, version, document, self._clock.now()), True
        return await self._store.add(pipeline.name, document, pipeline.canonical_json())

    @staticmethod
    def parse(document: str) -> Pipeline:
        """Parse and check a document. Raises InvalidArgumentError."""
        try:
            pipeline = parse_pipeline(document)
            violations: Sequence[Violation] = [*check_document(pipeline), *check_sink(pipeline)]
        except PipelineError as error:
            violations = error.violations
        if violations:
            raise InvalidArgumentError(
                "INVALID_PIPELINE",
                f"The pipeline document has {len(violations)} problem(s).",
                violations=[FieldViolation(v.pointer or "/", v.message) for v in violations],
            )
        return pipeline

    async def get(self, name: str, version: int) -> StoredPipeline:
        """A version (0: the latest). Raises NotFoundError."""
        found = await self._store.get(name, version or None)
        if found is None:
            wanted = f"{name}@{version}" if version else name
            raise NotFoundError("PIPELINE_NOT_FOUND", f"There is no pipeline {wanted}.")
        return found

    async def named(self, reference: str) -> Pipeline:
        """The pipeline of "name" or "name@version". Raises NotFoundError, InvalidArgumentError."""
        name, at, version = reference.partition("@")
        if at and not (version.isascii() and version.isdigit() and int(version) >= 1):
            raise InvalidArgumentError("INVALID_ARGUMENT", f"{reference!r} is not name or name@version.")
        return self._parsed((await self.get(name, int(version) if at else 0)).document)

    async def version(self, name: str, version: int) -> Pipeline:
        """A version, parsed; remembered. Raises NotFoundError."""
        found = self._versions.get((name, version))
        if found is None:
            found = self._parsed((await self.get(name, version)).document)
            self._versions[name, version] = found
        return found

    async def list(self, after: str, limit: int) -> Sequence[StoredPipeline]:
        """The latest versions of the pipelines in use, by name behind `after`."""
        return await self._store.list(after, limit)

    async def versions(self, name: str, before: int | None, limit: int) -> Sequence[StoredPipeline]:
        """Versions below `before` (None: all), newest first, also of a deleted pipeline. Raises
        NotFoundError when there never was one."""
        found = await self._store.versions(name, before, limit)
        if not found and not await self._store.versions(name, None, 1):
            raise NotFoundError("PIPELINE_NOT_FOUND", f"There is no pipeline {name}.")
        return found

    async def delete(self, name: str) -> None:
        """Take a pipeline out of use. Idempotent; raises NotFoundError when there never was one."""
        await self.versions(name, None, 1)
        await self._store.delete(name)
