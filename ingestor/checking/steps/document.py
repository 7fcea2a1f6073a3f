"""What of a document's transforms, filters and rules only the processor can check: whether RE2 knows the
expressions, Polars the SQL, and this machine the plug-ins."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from ingestor.checking.arrow import pc
from ingestor.checking.constraints import full_match
from ingestor.checking.steps.evaluation import Answer, UnfitExpressionError, check_evaluation
from ingestor.checking.steps.plugin_step import plug_in
from ingestor.checking.steps.rules import ARROW_TYPES
from ingestor.entry_points import PlugInError
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.errors import Violation, pointer
from ingestor.pipelines.expressions import Expression
from ingestor.pipelines.row_rules import ExpressionFilter, PatternFilter
from ingestor.pipelines.transforms import Compute, PlugIn, Replace
from ingestor.plugins import ChecksOptions

Path = tuple[str | int, ...]


def check_steps(pipeline: Pipeline) -> Iterator[Violation]:
    """Every problem, each at its key; part of checking a document before it is stored."""
    for number, step in enumerate(pipeline.transforms):
        at: Path = ("transforms", number)
        if isinstance(step, Replace) and step.regex:
            yield from _replacement(step, at)
        elif isinstance(step, Compute):
            yield from _expression(step.expression, _texts(step.expression), "text", (*at, "sql"))
        elif isinstance(step, PlugIn):
            yield from _plug_in(step, at)
    for number, condition in enumerate(pipeline.row_filters):
        at = ("filters", number)
        if isinstance(condition, ExpressionFilter):
            expression = condition.parsed
            yield from _expression(expression, _texts(expression), "truth", (*at, "expression"))
        elif isinstance(condition, PatternFilter):
            yield from _pattern(condition.pattern, (*at, "pattern"))
    types = {field.name: ARROW_TYPES.get(field.type, pa.string()) for field in pipeline.fields}
    for number, rule in enumerate(pipeline.rules):
        yield from _expression(rule.parsed, types, "truth", ("rules", number, "expression"))


def _texts(expression: Expression) -> dict[str, pa.DataType]:
    return dict.fromkeys(expression.columns, pa.string())


def _expression(
    expression: Expression, types: dict[str, pa.DataType], answer: Answer, at: Path
) -> Iterator[Violation]:
    try:
        check_evaluation(expression, types, answer)
    except UnfitExpressionError as error:
        yield Violation(pointer(at), str(error))


def _pattern(pattern: str, at: Path) -> Iterator[Violation]:
    # Alone first: "a)(b" is wrong, yet would fit into the parentheses of full_match.
    for expression in (pattern, full_match(pattern)):
        try:
            pc.match_substring_regex(pa.array([""]), pattern=expression)
        except pa.ArrowInvalid as error:
            reason = str(error).removeprefix("Invalid regular expression: ")
            yield Violation(pointer(at), f"is not a regular expression of RE2: {reason}")
            return


def _replacement(step: Replace, at: Path) -> Iterator[Violation]:
    wrong = list(_pattern(step.pattern, (*at, "pattern")))
    yield from wrong
    if wrong:
        return
    try:
        pc.replace_substring_regex(pa.array([""]), pattern=step.pattern, replacement=step.replacement)
    except pa.ArrowInvalid as error:
        reason = str(error).removeprefix("Invalid replacement string: ")
        yield Violation(pointer((*at, "with")), f"does not fit the pattern: {reason}")


def _plug_in(step: PlugIn, at: Path) -> Iterator[Violation]:
    try:
        transform = plug_in(step.op)
    except PlugInError as error:
        yield Violation(pointer((*at, "op")), str(error))
        return
    if isinstance(transform, ChecksOptions):
        try:
            transform.check_options(step.options)
        except ValueError as error:
            yield Violation(pointer((*at, "options")), str(error))
