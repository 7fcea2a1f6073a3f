"""Checks what of a pipeline document only the libraries that run it can tell: whether RE2 knows its regular
expressions, Polars its SQL, jsonschema-rs its JSON Schemas, and whether its plug-ins are installed here."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import pyarrow as pa

from ingestor.checking.json_schemas import schema_problems
from ingestor.checking.steps.evaluation import Answer, UnfitExpressionError, check_evaluation
from ingestor.checking.steps.plug_in import plug_in
from ingestor.columns.arrow import full_match, pc
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.errors import MAX_VIOLATIONS, Violation, pointer
from ingestor.pipelines.expressions import Expression
from ingestor.pipelines.row_rules import ExpressionFilter, PatternFilter
from ingestor.pipelines.transforms import Compute, PlugIn, Replace
from ingestor.plugins import ChecksOptions, PlugInError

Path = tuple[str | int, ...]


def check_document(pipeline: Pipeline) -> list[Violation]:
    """What keeps a parsed document from being run, each problem at its key, at most MAX_VIOLATIONS; empty if
    it can be run. The sink is checked by the service that has it."""
    found = islice(_problems(pipeline), MAX_VIOLATIONS)
    return [Violation(pointer(path), message) for path, message in found]


def _problems(pipeline: Pipeline) -> Iterator[tuple[Path, str]]:
    for number, field in enumerate(pipeline.fields):
        constraints, at = field.constraints, ("schema", "fields", number, "constraints")
        if constraints.pattern is not None:
            yield from _pattern(constraints.pattern, (*at, "pattern"))
        if constraints.json_schema is not None:
            for path, message in schema_problems(constraints.json_schema):
                yield (*at, "jsonSchema", *path), message
    for number, step in enumerate(pipeline.transforms):
        yield from _transform(step, ("transforms", number))
    for number, condition in enumerate(pipeline.row_filters):
        if isinstance(condition, ExpressionFilter):
            expression = condition.parsed
            yield from _expression(expression, _texts(expression), "truth", ("filters", number, "expression"))
        elif isinstance(condition, PatternFilter):
            yield from _pattern(condition.pattern, ("filters", number, "pattern"))
    types = {field.name: field.kind.rule_type for field in pipeline.fields}
    for number, rule in enumerate(pipeline.rules):
        yield from _expression(rule.parsed, types, "truth", ("rules", number, "expression"))


def _transform(step: object, at: Path) -> Iterator[tuple[Path, str]]:
    if isinstance(step, Replace) and step.regex:
        yield from _replacement(step, at)
    elif isinstance(step, Compute):
        yield from _expression(step.expression, _texts(step.expression), "text", (*at, "sql"))
    elif isinstance(step, PlugIn):
        yield from _plug_in(step, at)


def _texts(expression: Expression) -> dict[str, pa.DataType]:
    return dict.fromkeys(expression.columns, pa.string())


def _expression(
    expression: Expression, types: dict[str, pa.DataType], answer: Answer, at: Path
) -> Iterator[tuple[Path, str]]:
    try:
        check_evaluation(expression, types, answer)
    except UnfitExpressionError as error:
        yield at, str(error)


def _pattern(pattern: str, at: Path) -> Iterator[tuple[Path, str]]:
    # First on its own: "a)(b" is wrong, yet would fit into the parentheses of full_match.
    for expression in (pattern, full_match(pattern)):
        try:
            pc.match_substring_regex(pa.array([""]), pattern=expression)
        except pa.ArrowInvalid as error:
            reason = str(error).removeprefix("Invalid regular expression: ")
            yield at, f"is not a regular expression of RE2: {reason}"
            return


def _replacement(step: Replace, at: Path) -> Iterator[tuple[Path, str]]:
    wrong = list(_pattern(step.pattern, (*at, "pattern")))
    yield from wrong
    if wrong:
        return
    try:
        pc.replace_substring_regex(pa.array([""]), pattern=step.pattern, replacement=step.replacement)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid replacement string: ")
        yield (*at, "with"), f"does not fit the pattern: {reason}"


def _plug_in(step: PlugIn, at: Path) -> Iterator[tuple[Path, str]]:
    try:
        transform = plug_in(step.op)
    except PlugInError as error:
        yield (*at, "op"), str(error)
        return
    if isinstance(transform, ChecksOptions):
        try:
            transform.check_options(step.options)
        except ValueError as error:
            yield (*at, "options"), str(error)
