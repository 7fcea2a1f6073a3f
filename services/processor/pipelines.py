"""The tables and sinks that pipelines load into."""

from __future__ import annotations

from ingestor.checking.rows import JSON_COLUMN
from ingestor.pipelines.document import Pipeline, TableSink
from ingestor.runtime.errors import InvalidArgumentError
from ingestor.services.processor.ports import JSON_SINK, TABLE_SINK, ForeignKey, SinkChoice, Table

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
        rounding=frozenset(field.name for field in pipeline.fields if field.rounding),
        base64=frozenset(
            field.name for field in pipeline.fields if field.type == "string" and field.format == "binary"
        ),
    )


def sink_of(pipeline: Pipeline | None) -> SinkChoice:
    """The sink that a pipeline (or none) loads into."""
    if pipeline is None:
        return JSON_SINK
    if isinstance(pipeline.sink, TableSink):
        return TABLE_SINK
    return SinkChoice(pipeline.sink.type, pipeline.sink.options)


def _split(table: str) -> tuple[str, str]:
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else ("public", schema)


def reference(text: str) -> tuple[str, int]:
    """Name and version of "name@version", or of "name", whose version is 0: the latest. Raises
    InvalidArgumentError."""
    name, at, version = text.partition("@")
    if at and not (version.isascii() and version.isdigit() and int(version) >= 1):
        raise InvalidArgumentError("INVALID_ARGUMENT", f"{text!r} is not name or name@version.")
    return name, int(version) if at else 0
