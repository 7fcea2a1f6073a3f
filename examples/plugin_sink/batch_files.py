"""Writes good rows to Parquet files, one for each batch: ROOT/<folder>/<process>/<batch>.parquet."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ingestor.plugins import (
    RefusedBatchError,
    RowFault,
    SinkBatch,
    SinkUndo,
    TransientSinkError,
    Undone,
    WrongOptionError,
)

ROOT = "BATCH_FILES_ROOT"


class BatchFiles:
    """Options: `folder`, a name below the folder in the environment variable BATCH_FILES_ROOT, and optionally
    `max_bytes`, the longest text that a cell may have."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        folder, longest = options.get("folder"), options.get("max_bytes")
        if not (isinstance(folder, str) and re.fullmatch(r"[a-z0-9_-]{1,64}", folder)):
            raise WrongOptionError(["folder"], "is needed: 1 to 64 of a-z, 0-9, - and _")
        if longest is not None and (not isinstance(longest, int) or longest < 1):
            raise WrongOptionError(["max_bytes"], "must be a positive number")
        for name in options:
            if name not in ("folder", "max_bytes"):
                raise WrongOptionError([name], "is not an option of this sink")
        self._folder = folder
        self._longest = longest

    def write(self, batch: SinkBatch) -> Sequence[RowFault]:
        """Write one file, whole or not at all; writing it again replaces it by the same rows."""
        root = os.environ.get(ROOT, "")
        if not root or not Path(root).is_dir():
            raise RefusedBatchError(f"{ROOT} must name an existing folder on the machine of the processor.")
        faults, keep = self._too_long(batch.rows)
        table = batch.rows.append_column("_row_number", batch.row_numbers).filter(keep)
        folder = Path(root, self._folder, batch.process_id)
        unfinished = folder / f".{uuid.uuid4().hex}"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with unfinished.open("wb") as file:
                    pq.write_table(table, file)
                    file.flush()
                    os.fsync(file.fileno())
                unfinished.replace(folder / f"{batch.number:09d}.parquet")
                _sync(folder)
            finally:
                unfinished.unlink(missing_ok=True)
        except OSError as error:  # such as a full disk, which may pass
            raise TransientSinkError(f"{folder}: {error.strerror}") from error
        return faults

    def undo(self, undo: SinkUndo, *, dry_run: bool) -> Undone:
        """Remove the files of the process and of its repairs."""
        root = os.environ.get(ROOT, "")
        if not root or not Path(root).is_dir():
            raise RefusedBatchError(f"{ROOT} must name an existing folder on the machine of the processor.")
        removed = 0
        folders = [Path(root, self._folder, process_id) for process_id in undo.batches_of]
        try:
            for path in sorted(path for folder in folders for path in folder.glob("*.parquet")):
                removed += pq.read_metadata(path).num_rows
                if not dry_run:
                    path.unlink()
        except OSError as error:
            raise TransientSinkError(f"{root}: {error.strerror}") from error
        return Undone(removed)

    def _too_long(self, rows: pa.Table) -> tuple[list[RowFault], Any]:
        """The rows with a text that is too long, and a mask of the others (bool[n])."""
        keep = pa.array([True] * rows.num_rows)
        faults = []
        for name in rows.column_names if self._longest else ():
            if not pa.types.is_string(rows[name].type):
                continue
            column = rows[name].combine_chunks()
            long = pc.fill_null(pc.greater(pc.binary_length(column), self._longest), False)
            for position in pc.indices_nonzero(pc.and_(long, keep)).to_pylist():
                message = f"{name}: is longer than {self._longest} bytes"
                faults.append(RowFault(position, name, column[position].as_py(), message))
            keep = pc.and_(keep, pc.invert(long))
        return faults, keep


def _sync(folder: Path) -> None:
    """Make the new name of a file durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
