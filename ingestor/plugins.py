"""What an outside package offers to take part in a pipeline: a transform.

A package names its transforms in the entry point group "ingestor.transforms"; the entry point's name is
the "op" of the pipeline document. examples/plugin_transform is a whole one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # the suite's other services have no pyarrow
    import pyarrow as pa

TRANSFORMS = "ingestor.transforms"


@dataclass(frozen=True, slots=True)
class RowFault:
    """Why a transform refuses a row: its 0-based position in the batch, the column at fault (or ""),
    the value at fault (or ""), and one sentence for a person."""

    position: int
    column: str
    value: str
    message: str


@dataclass(frozen=True, slots=True)
class Transformed:
    """A transform's answer: arrays of text of the batch's length by label (null: a missing value), and
    the rows that it refuses. Columns that it does not return stay as they are."""

    columns: Mapping[str, pa.Array[Any] | pa.ChunkedArray[Any]]
    faults: Sequence[RowFault] = ()


class Transform(Protocol):
    """A function, or an object that can be called, which an entry point names. It must be pure: a batch
    may be transformed more than once, in pieces, and in several threads."""

    def __call__(self, table: pa.Table, options: Mapping[str, Any]) -> Transformed:
        """Transform a batch: columns of text by label, n rows; null is a value that an earlier step made
        missing. `options` are the document's, fractions as Decimal. What it raises fails the rows that
        make it raise."""
        ...


@runtime_checkable
class ChecksOptions(Protocol):
    """What a Transform also has when it can tell wrong options from right ones."""

    def check_options(self, options: Mapping[str, Any]) -> None:
        """Called when a pipeline is applied. Raises ValueError with one sentence."""
        ...
