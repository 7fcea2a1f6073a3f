"""Asks PostgreSQL itself which texts a column's type reads, where no rule of our own says so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import asyncpg
import structlog

from ingestor.outcomes import quoted
from ingestor.runtime.postgres.errors import TRANSIENT_ERRORS
from ingestor.runtime.postgres.pool import savepoint
from ingestor.services.processor.adapters.postgres.columns.checks import Fault
from ingestor.services.processor.adapters.postgres.columns.facts import Column

if TYPE_CHECKING:
    from ingestor.runtime.postgres.pool import PgConnection

log = structlog.get_logger(__name__)

# The first version that tells what is wrong with a text without failing.
_FIRST_VERSION = 16

# `lost`: the type keeps less than the text says.
_ASK = """
SELECT u.place - 1 AS place, e.sql_error_code AS code, {lost} AS lost
FROM unnest($1::text[]) WITH ORDINALITY AS u (value, place), pg_input_error_info(u.value, $2) e
"""
_LOST = """
CASE WHEN e.sql_error_code IS NULL AND pg_input_is_valid(u.value, '{wider}')
     THEN u.value::{type}::{wider} <> u.value::{wider} ELSE false END
"""
_ASK_FAULTS = "SELECT * FROM ({ask}) found WHERE code IS NOT NULL OR lost"

# Types that say all that a text says, where the type itself does not.
_WIDER = {
    "date": "timestamptz", "timestamp": "timestamptz", "time": "timetz", "money": "numeric",
    "name": "text", "char": "text",
}  # fmt: skip
# Types that round, if they have a limit.
_LIMITED = frozenset(("numeric", "timestamp", "timestamptz", "time", "timetz", "interval"))

# Most values of an enum that a message names.
_NAMED_LABELS = 10

_TOO_LONG = frozenset(("22001", "22026"))
_OUT_OF_RANGE = frozenset(("22003", "22008", "22015"))


async def faults_of(
    connection: PgConnection, column: Column, texts: Sequence[str], *, rounding: bool
) -> dict[int, Fault]:
    """What is wrong with texts for a column, by their places; with `rounding` numbers and times may lose
    digits. Nothing, if this PostgreSQL cannot tell: the load will. In the caller's transaction."""
    if connection.get_server_version().major < _FIRST_VERSION:
        return {}
    query = _ASK_FAULTS.format(ask=_ASK.format(lost=_lost(column, rounding=rounding)))
    try:
        async with savepoint(connection):
            rows = await connection.fetch(query, texts, column.sql_type)
    except asyncpg.PostgresError as error:
        if isinstance(error, TRANSIENT_ERRORS):
            raise
        # Types of extensions and functions in conditions may fail instead of telling.
        log.info("the database cannot tell which values a type reads", type=column.shown, code=error.sqlstate)
        return {}
    return {row["place"]: _fault(column, row["code"]) for row in rows}


def _lost(column: Column, *, rounding: bool) -> str:
    wider = _WIDER.get(column.type)
    if wider is None and column.type in _LIMITED and not rounding:
        wider = column.base
    if wider is None or (rounding and column.category != "S"):
        return "false"
    if column.is_array:
        wider += "[]"
    return _LOST.format(type=column.sql_type, wider=wider)


def _fault(column: Column, code: str | None) -> Fault:
    what = f"the column is {column.shown}"
    if code is None:
        return Fault("constraint-error", f"would be rounded or cut: {what}")
    if code in _TOO_LONG:
        return Fault("constraint-error", f"does not have the right length: {what}")
    if code in _OUT_OF_RANGE:
        return Fault("constraint-error", f"is out of range: {what}")
    if code.startswith("23"):
        return Fault("constraint-error", f"breaks a condition of the type: {what}")
    if column.labels and not column.is_array:
        named = ", ".join(map(quoted, column.labels[:_NAMED_LABELS]))
        more = f" and {len(column.labels) - _NAMED_LABELS} more" if len(column.labels) > _NAMED_LABELS else ""
        return Fault("type-error", f"is none of {named}{more}: {what}")
    return Fault("type-error", f"cannot be read: {what}")
