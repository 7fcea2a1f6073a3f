"""Runs a pipeline's transforms and filters on the columns of a slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import pyarrow as pa

from ingestor.checking.steps.filters import Unwanted, unwanted
from ingestor.checking.steps.plug_in import run_plug_in
from ingestor.checking.steps.room import Room, blanked
from ingestor.checking.steps.step import CODE, Inputs, Made, Operation, Texts
from ingestor.checking.steps.transforms import OPERATIONS
from ingestor.columns.arrow import AnyArray, Int64s, Mask
from ingestor.outcomes import RowError, quoted
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.transforms import PlugIn, Step


@dataclass(slots=True)
class Cells:
    """The columns of n rows by label. A null is a value that a transform made missing.

    `refused` has the rows (bool[n]) whose cell means nothing because a transform refused it or a cell that
    it was made of; only for labels with such rows. `errors` has each row's errors by position.
    """

    texts: dict[str, Texts]
    count: int
    refused: dict[str, Mask] = field(default_factory=dict)
    errors: dict[int, list[RowError]] = field(default_factory=dict)

    def refused_in(self, labels: Sequence[str]) -> Mask | None:
        """Rows whose cell is refused in one of the columns; None for none."""
        masks = [self.refused[label] for label in labels if label in self.refused]
        return np.logical_or.reduce(masks) if masks else None


def transform(pipeline: Pipeline, columns: Mapping[str, Texts], count: int) -> Cells:
    """Run the transforms, in order, over the columns by label: all that `Pipeline.labels_of_file` names.

    Raises PlugInError.
    """
    cells = Cells(dict(columns), count)
    room = Room(count)
    for step in pipeline.transforms:
        _run(step, cells, pipeline.missing_values, room)
    return cells


def _run(step: Step, cells: Cells, missing: Set[str], room: Room) -> None:
    labels = tuple(cells.texts) if isinstance(step, PlugIn) and step.takes_all else step.reads
    inputs = Inputs({label: cells.texts[label] for label in labels}, missing, cells.count)
    large = room.before(step, inputs, cells.texts)
    made = _made(step, inputs) if large is None else _made_of_others(step, inputs, large)
    # Of a refused row only the first reason is kept, the others follow from it.
    errors = list(made.errors)
    if (more := room.after(cells.texts, made.columns)) is not None:
        large = more if large is None else large | more
    if large is not None:
        known = {position for position, _ in errors}
        errors += [(row, _too_large(step)) for row in np.flatnonzero(large).tolist() if row not in known]
    refused = cells.refused_in(labels)
    fresh: list[int] = []
    for position, error in errors:
        # What follows from an earlier refusal is not reported again.
        if refused is None or not refused[position]:
            cells.errors.setdefault(position, []).append(error)
            fresh.append(position)
    if fresh:
        refused = np.zeros(cells.count, np.bool_) if refused is None else refused.copy()
        refused[fresh] = True
    columns = made.columns
    if refused is not None:
        columns = {label: cast("Texts", blanked(texts, refused)) for label, texts in columns.items()}
    room.take(cells.texts, columns)
    for label, texts in columns.items():
        cells.refused.pop(label, None)
        if refused is not None:
            cells.refused[label] = refused
        cells.texts[label] = texts


def _made(step: Step, inputs: Inputs) -> Made:
    run: Operation = run_plug_in if isinstance(step, PlugIn) else OPERATIONS[step.op]
    return run(step, inputs)


def _made_of_others(step: Step, inputs: Inputs, large: Mask) -> Made:
    """What the step makes of the rows that are not too large; nulls for the others."""
    rows = np.flatnonzero(~large)
    columns = {label: texts.take(rows) for label, texts in inputs.columns.items()}
    made = _made(step, Inputs(columns, inputs.missing, len(rows)))
    places = np.zeros(inputs.count, np.int64)
    places[rows] = np.arange(len(rows))
    at: AnyArray = pa.array(places, mask=large)
    return Made(
        {label: texts.take(at) for label, texts in made.columns.items()},
        [(int(rows[position]), error) for position, error in made.errors],
    )


def _too_large(step: Step) -> RowError:
    label = ", ".join(step.writes)
    subject = f"{label}: " if label else ""
    message = f"{subject}the transform {step.op} makes more of this row than a cell or a batch has room for"
    return RowError(CODE, label, "", message, "validate")


def filter_rows(pipeline: Pipeline, cells: Cells) -> tuple[Cells, Int64s | None, list[Unwanted]]:
    """The cells of the rows that every filter wants; the positions of these rows among those of `cells`
    (int64, ascending; None for all); and the other rows with the first filter's reason."""
    wanted = np.ones(cells.count, np.bool_)
    found: list[Unwanted] = []
    for condition in pipeline.row_filters:
        columns = {label: cells.texts[label] for label in condition.reads}
        hit = unwanted(condition, Inputs(columns, pipeline.missing_values, cells.count))
        refused = cells.refused_in(condition.reads)
        # A row that a transform refused fails; whether it is wanted is unknown.
        asked = wanted if refused is None else wanted & ~refused
        hit.rows &= asked
        for position in np.flatnonzero(hit.unknown & asked).tolist():
            message = f"the filter {quoted(condition.reason)} cannot be computed for this row"
            error = RowError(CODE, "", "", message, "validate")
            cells.errors.setdefault(position, []).append(error)
        if hit.rows.any():
            wanted &= ~hit.rows
            found.append(hit)
    if not found:
        return cells, None, []
    rows = np.flatnonzero(wanted).astype(np.int64)
    at = {position: place for place, position in enumerate(rows.tolist())} if cells.errors else {}
    kept = Cells(
        {label: texts.take(rows) for label, texts in cells.texts.items()},
        len(rows),
        {label: mask[rows] for label, mask in cells.refused.items()},
        {at[position]: errors for position, errors in cells.errors.items() if position in at},
    )
    return kept, rows, found
