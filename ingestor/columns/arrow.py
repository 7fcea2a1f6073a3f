"""Typed helpers between Arrow and NumPy.

Code uses pyarrow.compute as `pc: Any` from here.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from ingestor.columns import late
from ingestor.columns.late import pa

pc: Any = late.pc

AnyArray: TypeAlias = "pa.Array[Any]"
Mask = npt.NDArray[np.bool_]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def to_mask(values: AnyArray, *, null: bool) -> Mask:
    """A boolean array as bool[n]; `null` stands for its nulls."""
    filled: Mask = pc.fill_null(values, null).to_numpy(zero_copy_only=False)
    return filled


def mask_if_any(values: AnyArray) -> Mask | None:
    """Where a boolean array is true (bool[n]); None if it is true nowhere."""
    if not pc.any(values).as_py():
        return None
    return to_mask(values, null=False)


def full_match(pattern: str) -> str:
    """The RE2 expression that matches a text only as a whole."""
    return rf"\A(?:{pattern})\z"


def fully(array: AnyArray, pattern: str) -> Mask:
    """Which values match the RE2 expression as a whole; missing ones do."""
    return to_mask(pc.match_substring_regex(array, pattern=full_match(pattern)), null=True)


def cast(array: AnyArray, to: pa.DataType) -> AnyArray | None:
    """The array in another type, None if Arrow refuses one of its values."""
    try:
        values: AnyArray = pc.cast(array, to)
    except pa.ArrowInvalid:
        return None
    return values


def cast_all(array: AnyArray, to: pa.DataType) -> AnyArray:
    """The array in another type; its values are known to fit."""
    result = cast(array, to)
    assert result is not None, f"values that follow the rules cannot be cast to {to}"
    return result


def texts_at(array: pa.StringArray, positions: npt.NDArray[np.integer[Any]]) -> list[str | None]:
    """The values at these positions."""
    texts: list[str | None] = array.take(positions).to_pylist()
    return texts


def buffer_of(values: npt.NDArray[Any]) -> pa.Buffer:
    """The memory of a contiguous NumPy array, not copied."""
    return pa.py_buffer(memoryview(values))  # type: ignore[arg-type]


def text_columns(data: bytes, bounds: Int32s) -> list[pa.StringArray]:
    """The columns of texts that stand in some data, in UTF-8. `bounds`, shape [rows, columns, 2], says where
    each begins and ends; row by row they ascend."""
    rows, width, _ = bounds.shape
    # Arrow takes texts that follow each other, so what is between them counts as one, too.
    places = np.append(bounds.ravel(), np.int32(bounds.max(initial=0)))
    texts: Any = pa.StringArray.from_buffers(len(places) - 1, buffer_of(places), pa.py_buffer(data))
    return [
        texts.take(pa.array(np.arange(2 * column, 2 * width * rows, 2 * width))) for column in range(width)
    ]


def values_of(buffer: pa.Buffer, dtype: type[Any]) -> npt.NDArray[Any]:
    """An Arrow buffer's memory as a NumPy array, not copied."""
    return np.frombuffer(memoryview(buffer), dtype)
