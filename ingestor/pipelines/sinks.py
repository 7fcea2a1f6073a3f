"""Where a pipeline's rows go: the document's "sink"."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Tag
from pydantic import Field as Key

from ingestor.pipelines.names import listed, table
from ingestor.pipelines.part import Part

# The most columns of an index in PostgreSQL.
MAX_KEY_FIELDS = 32
TABLE = "table"
PLUG_IN = "plug-in"

Drift = Literal["discard", "freeze", "evolve"]


class _Sink(Part):
    schema_drift: Drift = Key("discard", alias="schemaDrift")
    """What happens to columns of the file that nothing reads: "discard" leaves them out, "freeze" fails
    the file, "evolve" makes them columns of text. Only "evolve" adds columns to a table that lacks them."""


class TableSink(_Sink):
    """A table of typed columns in PostgreSQL."""

    type: Literal["table"] = "table"
    table: Annotated[str, AfterValidator(table)]
    mode: Literal["append", "upsert"] = "append"
    key: Annotated[
        list[str], BeforeValidator(listed), Key(min_length=1, max_length=MAX_KEY_FIELDS)
    ] | None = None  # fmt: skip
    """The key of an upsert; by default the schema's primaryKey."""
    undo: bool = True
    """Whether an upsert keeps the rows that it replaces, so that its process can be undone."""
    lineage: Literal["columns", "own-table"] = "own-table"
    """Where lineage is kept if the table exists and has no columns for it: the suite adds them, or keeps the
    lineage of upserted rows in a table of its own."""


class PlugInSink(_Sink):
    """A sink of an outside package (ingestor.plugins)."""

    type: Annotated[str, Key(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    options: Annotated[dict[str, Any], Key(max_length=100)] = Key(default_factory=dict)


def _kind(value: Any) -> str:
    kind = value.get("type", TABLE) if isinstance(value, dict) else getattr(value, "type", TABLE)
    return PLUG_IN if isinstance(kind, str) and kind != TABLE else TABLE


Sink = Annotated[Annotated[TableSink, Tag(TABLE)] | Annotated[PlugInSink, Tag(PLUG_IN)], Discriminator(_kind)]
