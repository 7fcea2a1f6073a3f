"""Conditions on whole rows: the document's "filters" (which to load) and "rules" (which are right)."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Discriminator, Tag
from pydantic import Field as Key

from ingestor.pipelines.expressions import Expression, parse_expression
from ingestor.pipelines.part import Part
from ingestor.pipelines.transforms import MAX_INTO, Label, Pattern, Sql

MAX_CONDITIONS = 200

Reason = Annotated[str, Key(min_length=1, max_length=1000)]


class ExpressionFilter(Part):
    """Wants rows for which an expression over the columns of text is true."""

    expression: Sql
    reason: Reason

    @cached_property
    def parsed(self) -> Expression:
        """The parsed expression."""
        return parse_expression(self.expression)

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the filter reads."""
        return self.parsed.columns


class _OfColumn(Part):
    column: Label
    reason: Reason

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the filter reads."""
        return (self.column,)


class WordFilter(_OfColumn):
    """Wants rows whose cell is, or is not, one of the words."""

    op: Literal["in", "not_in"]
    values: Annotated[list[str], Key(min_length=1, max_length=10_000)]


class PatternFilter(_OfColumn):
    """Wants rows whose whole cell an RE2 expression matches."""

    op: Literal["matches"]
    pattern: Pattern


class EmptyFilter(_OfColumn):
    """Wants rows whose cell is missing or empty, or is not."""

    op: Literal["empty", "not_empty"]


RowFilter = ExpressionFilter | WordFilter | PatternFilter | EmptyFilter


class UnknownFilter(Part):
    """A filter of none of these forms; its error lists the operations."""

    model_config = ConfigDict(extra="ignore")

    column: Label
    op: Literal["in", "not_in", "matches", "empty", "not_empty"]


_KINDS = {
    "in": "words", "not_in": "words", "matches": "pattern", "empty": "empty", "not_empty": "empty",
}  # fmt: skip


def _kind(value: Any) -> str:
    if not isinstance(value, dict):
        return "unknown"
    if "op" not in value and "column" not in value:
        return "expression"
    op = value.get("op")
    return _KINDS.get(op, "unknown") if isinstance(op, str) else "unknown"


Filter = Annotated[
    Annotated[ExpressionFilter, Tag("expression")]
    | Annotated[WordFilter, Tag("words")]
    | Annotated[PatternFilter, Tag("pattern")]
    | Annotated[EmptyFilter, Tag("empty")]
    | Annotated[UnknownFilter, Tag("unknown")],
    Discriminator(_kind),
]


class Rule(Part):
    """An expression that must not be false for a row's typed values."""

    name: Reason
    expression: Sql
    message: Reason | None = None
    fields_: Annotated[list[str], Key(min_length=1, max_length=MAX_INTO)] | None = Key(None, alias="fields")

    @cached_property
    def parsed(self) -> Expression:
        """The parsed expression; its columns are names of fields."""
        return parse_expression(self.expression)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the fields for which a broken rule is reported."""
        return self.parsed.columns if self.fields_ is None else tuple(self.fields_)
