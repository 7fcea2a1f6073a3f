"""The tables and sinks that pipelines load into."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from ingestor.access.scope import tenant
from ingestor.checking.rows import JSON_COLUMN
from ingestor.pipelines import names
from ingestor.pipelines.document import Pipeline, TableSink
from ingestor.provisioning.names import tenant_schema
from ingestor.runtime.grpc.requests import wrong
from ingestor.services.processor.ports import JSON_SINK, TABLE_SINK, ForeignKey, SinkChoice, Table


def json_table() -> Table:
    """The table of rows without a pipeline, of the scope's tenant."""
    return Table(tenant_schema(tenant()), "ingested_rows", ((JSON_COLUMN, "jsonb"),), ())


def table_of(pipeline: Pipeline | None) -> Table:
    """The table that a pipeline (or none) loads into; one without a schema is in that of the scope's
    tenant."""
    if pipeline is None:
        return json_table()
    schema, name = pipeline.target()
    columns = tuple((field.name, field.kind.postgres_type) for field in pipeline.fields)
    sink = pipeline.sink if isinstance(pipeline.sink, TableSink) else None
    if sink:
        schema = schema or tenant_schema(tenant())
    unique: list[tuple[str, ...]] = [(field.name,) for field in pipeline.fields if field.constraints.unique]
    unique += [tuple(fields) for fields in pipeline.table_schema.unique_keys]
    return Table(
        schema,
        name,
        columns,
        pipeline.key,
        upsert=sink is not None and sink.mode == "upsert",
        unique=tuple(dict.fromkeys(unique)),
        foreign=tuple(
            ForeignKey(tuple(key.fields_), _split(key.reference.resource), tuple(key.reference.fields_))
            for key in pipeline.table_schema.foreign_keys
        ),
        evolve=pipeline.sink.schema_drift == "evolve",
        undo=sink is None or sink.undo,
        add_lineage=sink is not None and sink.lineage == "columns",
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


def table_name(text: str) -> tuple[str, str]:
    """Schema and name of "schema.table", or of "table" in the schema of the scope's tenant. Raises ValueError
    when there can be no such table, or when its schema is taken."""
    try:
        return _split(names.table(text))
    except PydanticCustomError as error:
        raise ValueError(error.message()) from None


def _split(table: str) -> tuple[str, str]:
    schema, dot, name = table.partition(".")
    return (schema, name) if dot else (tenant_schema(tenant()), schema)


def reference(text: str) -> tuple[str, int]:
    """Name and version (0: the latest) of a pipeline. Raises InvalidArgumentError."""
    try:
        return names.reference(text)
    except ValueError as error:
        raise wrong("pipeline", str(error)) from None
