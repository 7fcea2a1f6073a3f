"""Parts of rows that have one size in all rows, side by side as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

Fields = list[tuple[str, Any]]
"""Parts in order: the type of NumPy as which each is written, and a value per row, or one for all."""


def side_by_side(fields: Fields, count: int) -> Any:
    """The parts of each of `count` rows as a value of Arrow's binary array."""
    rows = np.empty(count, np.dtype([(f"part{place}", layout) for place, (layout, _) in enumerate(fields)]))
    for place, (_, values) in enumerate(fields):
        rows[f"part{place}"] = values
    size = rows.dtype.itemsize
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(size)
    return pa.Array.from_buffers(
        pa.binary(), count, [None, pa.py_buffer(offsets.data), pa.py_buffer(rows.data)]
    )
