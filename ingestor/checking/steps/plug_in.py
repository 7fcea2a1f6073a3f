"""Steps of outside packages, found by their entry point (ingestor.plugins)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import pyarrow as pa
import structlog

from ingestor.checking.steps.step import CODE, Inputs, Made
from ingestor.columns.arrow import pc
from ingestor.outcomes import RowError, capped, shortened
from ingestor.pipelines.transforms import PlugIn
from ingestor.plugins import TRANSFORMS, PlugInError, RowFault, Transform, Transformed, find_plug_in

log = structlog.get_logger(__name__)


@lru_cache
def plug_in(name: str) -> Transform:
    """The transform of this name. Raises PlugInError."""
    return find_plug_in(TRANSFORMS, "transform", name)


def run_plug_in(step: PlugIn, inputs: Inputs) -> Made:
    """Run it on all rows. If it raises, run it on halves, so that only the rows at fault fail."""
    table = pa.table(dict(inputs.columns))
    allowed = set(inputs.columns) if step.into is None else set(step.into)
    if not inputs.count:
        return Made(dict.fromkeys(allowed, pa.array([], pa.string())))
    pieces: list[Transformed | None] = []
    sizes: list[int] = []
    _run(step, plug_in(step.op), table, pieces, sizes)
    labels = list(dict.fromkeys(label for piece in pieces if piece for label in piece.columns))
    if unknown := sorted(set(labels) - allowed):
        raise PlugInError(f"the transform {step.op} made columns that the step does not declare: {unknown}")
    if step.into is not None and any(pieces) and (lacking := sorted(allowed - set(labels))):
        raise PlugInError(f"the transform {step.op} did not make the columns {lacking}")
    columns = {}
    for label in allowed if step.into is not None else labels:
        parts: list[Any] = [
            pa.nulls(size, pa.string()) if piece is None else _texts(step, piece, label, size)
            for piece, size in zip(pieces, sizes, strict=True)
        ]
        columns[label] = pa.concat_arrays(parts)
    errors = []
    start = 0
    for piece, size in zip(pieces, sizes, strict=True):
        if piece is None:
            message = f"the transform {step.op} failed on this row"
            errors.append((start, RowError(CODE, "", "", message, "validate")))
        else:
            errors += [(start + fault.position, _error(step, fault, size)) for fault in piece.faults]
        start += size
    return Made(columns, errors)


def _run(
    step: PlugIn, transform: Transform, table: pa.Table, pieces: list[Transformed | None], sizes: list[int]
) -> None:
    try:
        pieces.append(transform(table, step.options))
        sizes.append(table.num_rows)
        return
    except Exception as error:
        if table.num_rows <= 1:
            log.warning("a plug-in failed on a row", transform=step.op, exc_info=error)
            pieces.append(None)
            sizes.append(table.num_rows)
            return
    middle = table.num_rows // 2
    _run(step, transform, table.slice(0, middle), pieces, sizes)
    _run(step, transform, table.slice(middle), pieces, sizes)


def _texts(step: PlugIn, piece: Transformed, label: str, size: int) -> Any:
    """A column that the plug-in made, as one array of strings."""
    if label not in piece.columns:
        raise PlugInError(f"the transform {step.op} made the column {label!r} for only a part of the rows")
    column: Any = piece.columns[label]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if not isinstance(column, pa.Array) or len(column) != size:
        raise PlugInError(
            f"the transform {step.op} made the column {label!r} of another length than the batch"
        )
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowException:
        raise PlugInError(
            f"the transform {step.op} made the column {label!r} of values that cannot become text"
        ) from None


def _error(step: PlugIn, fault: RowFault, size: int) -> RowError:
    if not 0 <= fault.position < size:
        raise PlugInError(f"the transform {step.op} refused a row that does not exist")
    return RowError(CODE, fault.column, capped(fault.value), shortened(fault.message), "validate")
