"""Steps that rewrite a file's columns before the schema reads them: the document's "transforms".

Each step names the columns that it reads and writes. docs/guides/pipelines/transforms.md describes what it
does; ingestor/checking/steps does it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Tag, model_validator
from pydantic import Field as Key
from pydantic_core import PydanticCustomError

from ingestor.pipelines.expressions import Expression, ExpressionError, parse_expression
from ingestor.pipelines.part import Part

MAX_STEPS = 500
MAX_INTO = 100

Label = Annotated[str, Key(min_length=1, max_length=1000)]
# Bounds what one step can add to a cell.
Short = Annotated[str, Key(max_length=1000)]
Pattern = Annotated[str, Key(min_length=1, max_length=10_000)]


def _sql(text: str) -> str:
    try:
        parse_expression(text)
    except ExpressionError as error:
        raise PydanticCustomError("expression", "{reason}", {"reason": str(error)}) from None
    return text


Sql = Annotated[str, AfterValidator(_sql)]


def _differ(labels: list[str]) -> list[str]:
    if len(set(labels)) < len(labels):
        raise PydanticCustomError("twice", "names a column twice")
    return labels


Labels = Annotated[list[Label], Key(min_length=1, max_length=MAX_INTO), AfterValidator(_differ)]


class _OfColumn(Part):
    """A step that rewrites one column in its place."""

    column: Label

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the step reads."""
        return (self.column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """Labels of the columns that it makes or rewrites."""
        return (self.column,)


class Trim(_OfColumn):
    """Removes blanks around the text."""

    op: Literal["trim"]


class Case(_OfColumn):
    """Changes the case of letters."""

    op: Literal["case"]
    to: Literal["upper", "lower", "title"]


class Replace(_OfColumn):
    """Replaces every occurrence of a text, or of an RE2 expression."""

    op: Literal["replace"]
    pattern: Pattern
    replacement: Short = Key(alias="with")
    regex: bool = False


class Default(_OfColumn):
    """Gives a value to a cell that is empty or missing."""

    op: Literal["default"]
    value: Short


class Map(_OfColumn):
    """Replaces words by words."""

    op: Literal["map"]
    values: Annotated[dict[str, Short], Key(min_length=1, max_length=10_000)]
    otherwise: Literal["keep", "error", "missing"] = "keep"


def _mark(character: str) -> str:
    if character in "+-eE" or character.isdigit():
        raise PydanticCustomError("mark", "is itself a character of numbers")
    return character


Mark = Annotated[str, Key(min_length=1, max_length=1), AfterValidator(_mark)]


class Parse(_OfColumn):
    """Rewrites a number with marks of its own as the type `number` reads it."""

    op: Literal["parse"]
    as_: Literal["number"] = Key(alias="as")
    decimal: Mark = "."
    group: Mark | None = None

    @model_validator(mode="after")
    def _two_marks(self) -> Parse:
        if self.decimal == self.group:
            raise PydanticCustomError("mark", "decimal and group are the same character")
        return self


class Split(Part):
    """Splits a text at a separator into several columns."""

    op: Literal["split"]
    column: Label
    separator: Annotated[str, Key(min_length=1, max_length=1000)]
    into: Labels
    max: Annotated[int, Key(ge=1, le=1000)] | None = None

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the step reads."""
        return (self.column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """Labels of the columns that it makes."""
        return tuple(self.into)

    @property
    def most(self) -> int:
        """The most pieces that a text is split into."""
        return len(self.into) if self.max is None else self.max


class Concatenate(Part):
    """Joins several columns into one text."""

    op: Literal["concatenate"]
    columns: Annotated[list[Label], Key(min_length=1, max_length=MAX_INTO)]
    separator: Short = ""
    into: Label

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the step reads."""
        return tuple(dict.fromkeys(self.columns))

    @property
    def writes(self) -> tuple[str, ...]:
        """Label of the column that it makes."""
        return (self.into,)


class Compute(Part):
    """Computes a column from others by an expression."""

    op: Literal["expression"]
    into: Label
    sql: Sql

    @cached_property
    def expression(self) -> Expression:
        """The parsed expression."""
        return parse_expression(self.sql)

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the step reads."""
        return self.expression.columns

    @property
    def writes(self) -> tuple[str, ...]:
        """Label of the column that it makes."""
        return (self.into,)


class PlugIn(Part):
    """A step of an outside package (ingestor.plugins). Without `columns` it gets every column that exists
    at that point; without `into` it rewrites columns that it got."""

    op: Annotated[str, Key(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
    column: Label | None = None
    columns: Labels | None = None
    into: Labels | None = None
    options: Annotated[dict[str, Any], Key(max_length=MAX_INTO)] = Key(default_factory=dict)

    @model_validator(mode="after")
    def _one_way(self) -> PlugIn:
        if self.column is not None and self.columns is not None:
            raise PydanticCustomError("columns", "column and columns exclude each other")
        return self

    @property
    def takes_all(self) -> bool:
        """Whether it gets every column."""
        return self.column is None and self.columns is None

    @property
    def reads(self) -> tuple[str, ...]:
        """Labels of the columns that the step asks for by name."""
        return tuple(self.columns or ()) if self.column is None else (self.column,)

    @property
    def writes(self) -> tuple[str, ...]:
        """Labels of the columns that it makes or rewrites, as far as the document names them."""
        return self.reads if self.into is None else tuple(self.into)


Step = Trim | Case | Replace | Default | Map | Parse | Split | Concatenate | Compute | PlugIn

BUILT_IN = frozenset(
    ("trim", "case", "replace", "default", "map", "parse", "split", "concatenate", "expression")
)
PLUG_IN = "plug-in"


def _kind(value: Any) -> str:
    op = value.get("op") if isinstance(value, dict) else getattr(value, "op", None)
    return op if isinstance(op, str) and op in BUILT_IN else PLUG_IN


Transform = Annotated[
    Annotated[Trim, Tag("trim")]
    | Annotated[Case, Tag("case")]
    | Annotated[Replace, Tag("replace")]
    | Annotated[Default, Tag("default")]
    | Annotated[Map, Tag("map")]
    | Annotated[Parse, Tag("parse")]
    | Annotated[Split, Tag("split")]
    | Annotated[Concatenate, Tag("concatenate")]
    | Annotated[Compute, Tag("expression")]
    | Annotated[PlugIn, Tag(PLUG_IN)],
    Discriminator(_kind),
]


def read_before_made(steps: Sequence[Step]) -> list[tuple[int, str, int]]:
    """Steps that read a column which only a later step makes out of others: (number of the step, the
    column, number of the later step), numbers from 0. A later step that reads the column itself shows
    that the file has it."""
    found = []
    # Of each label, the step that uses it first; what is read for the first time is used later, if at all.
    known: set[str] = set()
    wanted: dict[str, int] = {}
    for number, step in enumerate(steps):
        reads, writes = dict.fromkeys(step.reads), dict.fromkeys(step.writes)
        for label in wanted.keys() & (reads.keys() | writes.keys()):
            reader = wanted.pop(label)
            if label not in reads:
                found.append((reader, label, number))
        wanted.update((label, number) for label in reads if label not in known)
        known.update(reads)
        known.update(writes)
    return sorted(found)
