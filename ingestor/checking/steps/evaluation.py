"""Expressions on whole columns, by Polars SQL.

Polars takes some 60 MB, so it is imported by the first pipeline that has an expression. Casts are made here
and not by SQL: a value that cannot be cast becomes NULL, and whole numbers have 128 bits.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.checking.steps.room import MAX_MADE_BYTES, blanked, bytes_of
from ingestor.columns.arrow import AnyArray, Mask, pc
from ingestor.pipelines.expressions import Cast, Expression

if TYPE_CHECKING:
    import polars as pl

Answer = Literal["text", "truth"]

# Most bytes that a row may take while an expression is computed, and the rows of one call of Polars.
_MAX_ROW_BYTES = 64 * 2**20
_PORTION_BYTES = 32 * 2**20
# Seconds after which rows that take more than their share of a batch are not computed any more.
_PATIENCE = 30.0
_PLAIN_BYTES = 16  # of a value that is no text

_DATE = r"\A(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})-[0-9]{2}-[0-9]{2}"
_DATETIME = _DATE + r"[T ][0-9]{2}:[0-9]{2}:[0-5][0-9](?:\.[0-9]{1,6})?\z"


class UnfitExpressionError(ValueError):
    """The expression cannot be run on columns of these types; one sentence without its subject."""


def evaluate(
    expression: Expression, columns: Mapping[str, AnyArray], count: int, answer: Answer
) -> tuple[AnyArray, Mask]:
    """The expression's value for each of `count` rows, as strings or booleans (null for NULL), and the
    rows for which it cannot be computed (bool[count]), such as those that divide a decimal by zero, and those
    of which it makes too much.

    `columns` has the arrays of the labels that the expression reads: strings, int64, decimal128,
    float64, boolean, date32, or timestamps without a time zone.
    """
    values, failed, large = _evaluated(expression, columns, count, answer)
    return values, failed | large


def evaluate_texts(
    expression: Expression, columns: Mapping[str, AnyArray], count: int
) -> tuple[AnyArray, Mask, Mask]:
    """As evaluate, as strings; the rows for which the expression cannot be computed, and those of which it
    makes too much, apart."""
    return _evaluated(expression, columns, count, "text")


def _evaluated(
    expression: Expression, columns: Mapping[str, AnyArray], count: int, answer: Answer
) -> tuple[AnyArray, Mask, Mask]:
    sizes = _most_bytes(expression, columns, count)
    large = sizes > _MAX_ROW_BYTES
    if large.any():
        columns = {label: blanked(array, large) for label, array in columns.items()}
        sizes = np.where(large, 0, sizes)
    frame = _frame(expression, columns, count)
    kind = pa.string() if answer == "text" else pa.bool_()
    arrays: list[AnyArray] = []
    fits: list[Mask] = []
    made, share, trimmed = 0, MAX_MADE_BYTES // max(count, 1), False
    deadline = time.monotonic() + _PATIENCE
    for start, stop in _portions(sizes):
        pieces: list[tuple[AnyArray, bool]] = []
        late = sizes[start:stop] > share if time.monotonic() > deadline else None
        if late is not None and late.any():
            # One after the other, so that rows that take little still get their values.
            large[start:stop] |= late
            for row, left_out in enumerate(late.tolist(), start):
                if left_out:
                    pieces.append((pa.nulls(1, kind), False))
                else:
                    _evaluate(expression, frame[row : row + 1], answer, pieces)
        else:
            _evaluate(expression, frame[start:stop], answer, pieces)
        arrays += [pc.cast(piece, kind) for piece, _ in pieces]
        fits.append(np.repeat([not bad for _, bad in pieces], [len(piece) for piece, _ in pieces]))
        made += sum(array.nbytes for array in arrays[-len(pieces) :])
        if answer == "text" and made > MAX_MADE_BYTES:
            # All that there is by now; afterwards each portion.
            first = len(arrays) - len(pieces) if trimmed else 0
            whole = pa.concat_arrays(arrays[first:])
            over = bytes_of(cast("pa.StringArray", whole)) > share
            large[stop - len(over) : stop] |= over
            arrays[first:] = [blanked(whole, over)]
            trimmed = True
    values: AnyArray = arrays[0] if len(arrays) == 1 else pa.concat_arrays(arrays)
    return values, ~np.concatenate(fits), large


def _most_bytes(
    expression: Expression, columns: Mapping[str, AnyArray], count: int
) -> npt.NDArray[np.float64]:
    """What the values of each row may take while the expression is computed (float64[count])."""
    read = np.ones(count)
    for array in columns.values():
        read += bytes_of(cast("pa.StringArray", array)) if pa.types.is_string(array.type) else _PLAIN_BYTES
    growth = expression.growth
    with np.errstate(over="ignore"):
        most: npt.NDArray[np.float64] = growth.constant + growth.factor * read**growth.power
    return most


def _portions(sizes: npt.NDArray[np.float64]) -> list[tuple[int, int]]:
    """Ranges of rows that take _PORTION_BYTES each, or have one row."""
    if len(sizes) == 0 or sizes.sum() <= _PORTION_BYTES:
        return [(0, len(sizes))]
    ends, total = np.cumsum(sizes), 0.0
    found, start = [], 0
    while start < len(sizes):
        stop = max(start + 1, int(np.searchsorted(ends, total + _PORTION_BYTES, "right")))
        found.append((start, stop))
        start, total = stop, float(ends[stop - 1])
    return found


def check_evaluation(expression: Expression, types: Mapping[str, pa.DataType], answer: Answer) -> None:
    """Try the expression on a row of NULLs of these types. Raises UnfitExpressionError."""
    import polars as pl

    nulls: dict[str, AnyArray] = {label: pa.array([None], types[label]) for label in expression.columns}
    try:
        _run(expression, _frame(expression, nulls, 1), answer)
    except pl.exceptions.PolarsError as error:
        raise UnfitExpressionError(_reason(error, expression)) from None
    except pl.exceptions.PanicException:
        raise UnfitExpressionError("cannot be run") from None


def _frame(expression: Expression, columns: Mapping[str, AnyArray], count: int) -> pl.DataFrame:
    import polars as pl

    frame = pl.DataFrame({"row": np.arange(count, dtype=np.int32)})
    series = [_series(f"c{n}", columns[label]) for n, label in enumerate(expression.columns)]
    return frame.with_columns(series)


def _series(name: str, array: AnyArray) -> pl.Series:
    import polars as pl

    made = pl.Series(name, array)
    return made.cast(pl.Int128) if made.dtype == pl.Int64 else made


def _evaluate(
    expression: Expression, frame: pl.DataFrame, answer: Answer, pieces: list[tuple[AnyArray, bool]]
) -> None:
    """Append the values of the rows, piece by piece. Rows that cannot be computed are found by halving, so
    that they do not fail the others."""
    import polars as pl

    try:
        pieces.append((_run(expression, frame, answer), False))
        return
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
        if frame.height <= 1:
            pieces.append((pa.nulls(frame.height), True))
            return
    middle = frame.height // 2
    _evaluate(expression, frame[:middle], answer, pieces)
    _evaluate(expression, frame[middle:], answer, pieces)


def _run(expression: Expression, frame: pl.DataFrame, answer: Answer) -> AnyArray:
    """Raises UnfitExpressionError, PolarsError."""
    import polars as pl

    for number, wanted in enumerate(expression.casts):
        name = f"k{number}"
        frame = frame.with_columns(pl.sql_expr(wanted.sql).alias(name))
        if wanted.to != "same":
            frame = frame.with_columns(_cast(pl.col(name), frame.schema[name], wanted))
    values = frame.with_columns(pl.sql_expr(expression.sql).alias("value"))["value"]
    kind = values.dtype
    if answer == "truth":
        if kind not in (pl.Boolean, pl.Null):
            raise UnfitExpressionError(f"is neither true nor false, but {_name(kind)}")
    elif not (kind.is_numeric() or kind in (pl.String, pl.Boolean, pl.Null, pl.Date, pl.Datetime)):
        raise UnfitExpressionError(f"makes {_name(kind)}, which cannot become text")
    if answer == "text":
        values = values.cast(pl.String)
    found: AnyArray = values.to_arrow(compat_level=pl.CompatLevel.oldest())
    return found


def _cast(value: pl.Expr, source: pl.DataType, wanted: Cast) -> pl.Expr:
    """The value in another type, NULL where it is none of that type."""
    import polars as pl

    text = source == pl.String
    if wanted.to == "text":
        return value.cast(pl.String)
    if wanted.to == "integer":
        return value.cast(pl.Int64, strict=False).cast(pl.Int128)
    if wanted.to == "decimal":
        return value.cast(pl.Decimal(wanted.precision, wanted.scale), strict=False)
    if wanted.to == "double":
        return value.cast(pl.Float64, strict=False)
    if wanted.to == "boolean":
        if not text:
            return value.cast(pl.Boolean, strict=False)
        true, false = (
            value.is_in(["true", "True", "TRUE", "1"]),
            value.is_in(["false", "False", "FALSE", "0"]),
        )
        return pl.when(true).then(True).when(false).then(False).alias(value.meta.output_name())
    kind: Any = pl.Date if wanted.to == "date" else pl.Datetime("us")
    if not text:
        return value.cast(kind, strict=False)
    form, pattern = (
        (_DATE + r"\z", "%Y-%m-%d") if wanted.to == "date" else (_DATETIME, "%Y-%m-%d %H:%M:%S%.f")
    )
    formed = pl.when(value.str.contains(form)).then(value.str.replace("T", " ", literal=True))
    return formed.str.strptime(kind, pattern, strict=False).alias(value.meta.output_name())


def _name(kind: pl.DataType) -> str:
    import polars as pl

    names: dict[Any, str] = {
        pl.String: "a text", pl.Date: "a date", pl.Datetime: "a timestamp", pl.Duration: "a span of time",
        pl.Int128: "a whole number",
    }  # fmt: skip
    return names.get(kind.base_type(), "a number" if kind.is_numeric() else f"a {kind.base_type()}")


def _reason(error: Exception, expression: Expression) -> str:
    """The first line of what Polars says, with the columns' own names."""
    line = str(error).strip().partition("\n")[0]

    def label(match: re.Match[str]) -> str:
        number = int(match[1])
        return expression.columns[number] if number < len(expression.columns) else match[0]

    return "cannot be run: " + re.sub(r"\bc([0-9]+)\b", label, line)
