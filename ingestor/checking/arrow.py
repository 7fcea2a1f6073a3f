"""The little between Arrow and numpy that several files need, typed.

pyarrow has no types of its own and the published stubs refuse many legal calls of pyarrow.compute, so
that it is used as `pc: Any` from here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute

pc: Any = pyarrow.compute

AnyArray: TypeAlias = "pa.Array[Any]"
Mask = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def to_mask(values: AnyArray, *, null: bool) -> Mask:
    """A boolean array as bool[n]; `null` stands for its nulls."""
    filled: Mask = pc.fill_null(values, null).to_numpy(zero_copy_only=False)
    return filled


def texts_at(array: pa.StringArray, positions: npt.NDArray[np.integer[Any]]) -> list[str | None]:
    """The values at these positions."""
    texts: list[str | None] = array.take(positions).to_pylist()
    return texts


def buffer_of(values: npt.NDArray[Any]) -> pa.Buffer:
    """The memory of a contiguous numpy array, not copied."""
    return pa.py_buffer(memoryview(values))  # type: ignore[arg-type]


def values_of(buffer: pa.Buffer, dtype: type[Any]) -> npt.NDArray[Any]:
    """An Arrow buffer's memory as a numpy array, not copied."""
    return np.frombuffer(memoryview(buffer), dtype)
