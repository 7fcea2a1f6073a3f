"""Runs a pipeline's transforms and filters over the columns of a slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from ingestor.checking.arrow import Int64s, Mask, pc
from ingestor.checking.steps.filters import Unwanted, unwanted
from ingestor.checking.steps.registry import operation
from ingestor.checking.steps.step import CODE, Inputs, Texts
from ingestor.outcomes import Problem, quoted
from ingestor.pipelines.document import Pipeline
from ingestor.pipelines.transforms import PlugIn, Step

_NOTHING = pa.scalar(None, pa.string())


@dataclass(slots=True)
class Cells:
    """The columns of n rows by label. A null is a value that a transform made missing.

    `refused` has, for the labels that have any, the rows whose cell is of no meaning because a transform
    refused it or one that it was made of (bool[n]). `problems` has each row's problems by position.
    """

    texts: dict[str, Texts]
    count: int
    refused: dict[str, Mask] = field(default_factory=dict)
    problems: dict[int, list[Problem]] = field(default_factory=dict)

    def refused_in(self, labels: Sequence[str]) -> Mask | None:
        """Rows whose cell is refused in one of the columns; None for none."""
        masks = [self.refused[label] for label in labels if label in self.refused]
        return np.logical_or.reduce(masks) if masks else None


def transform(pipeline: Pipeline, columns: Mapping[str, Texts], count: int) -> Cells:
    """Run the transforms, in order, over the columns by label: all that `Pipeline.labels_of_file` names.

    Raises PlugInError.
    """
    cells = Cells(dict(columns), count)
    for step in pipeline.transforms:
        _run(step, cells, pipeline.missing_values)
    return cells


def _run(step: Step, cells: Cells, missing: Set[str]) -> None:
    labels = tuple(cells.texts) if isinstance(step, PlugIn) and step.takes_all else step.reads
    made = operation(step)(
        step, Inputs({label: cells.texts[label] for label in labels}, missing, cells.count)
    )
    refused = cells.refused_in(labels)
    fresh: list[int] = []
    for position, problem in made.problems:
        # What follows from an earlier refusal is not said again.
        if refused is None or not refused[position]:
            cells.problems.setdefault(position, []).append(problem)
            fresh.append(position)
    if fresh:
        refused = np.zeros(cells.count, np.bool_) if refused is None else refused.copy()
        refused[fresh] = True
    for label, texts in made.columns.items():
        cells.refused.pop(label, None)
        if refused is not None:
            cells.refused[label] = refused
            texts = pc.if_else(pa.array(refused), _NOTHING, texts)
        cells.texts[label] = texts


def filter_rows(pipeline: Pipeline, cells: Cells) -> tuple[Cells, Int64s | None, list[Unwanted]]:
    """The cells of the rows that every filter wants, the positions of these rows among those of `cells`
    (int64, ascending; None for all), and the other rows with the first filter's reason."""
    wanted = np.ones(cells.count, np.bool_)
    found: list[Unwanted] = []
    for condition in pipeline.row_filters:
        columns = {label: cells.texts[label] for label in condition.reads}
        hit = unwanted(condition, Inputs(columns, pipeline.missing_values, cells.count))
        refused = cells.refused_in(condition.reads)
        # A row that a transform refused fails; it is not known whether it is wanted.
        asked = wanted if refused is None else wanted & ~refused
        hit.rows &= asked
        for position in np.flatnonzero(hit.unknown & asked).tolist():
            message = f"the filter {quoted(condition.reason)} cannot be computed for this row"
            problem = Problem(CODE, "", "", message, "validate")
            cells.problems.setdefault(position, []).append(problem)
        if hit.rows.any():
            wanted &= ~hit.rows
            found.append(hit)
    if not found:
        return cells, None, []
    rows = np.flatnonzero(wanted).astype(np.int64)
    at = {position: place for place, position in enumerate(rows.tolist())} if cells.problems else {}
    kept = Cells(
        {label: texts.take(rows) for label, texts in cells.texts.items()},
        len(rows),
        {label: mask[rows] for label, mask in cells.refused.items()},
        {at[position]: problems for position, problems in cells.problems.items() if position in at},
    )
    return kept, rows, found
