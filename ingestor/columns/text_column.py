"""A column of text with its bytes in view, to check whole columns without running Python for each value."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from ingestor.columns.arrow import Bytes, Int32s, Mask, buffer_of, pc, to_mask, values_of
from ingestor.columns.late import pa


@dataclass(frozen=True, slots=True)
class TextColumn:
    """`array` is null where the value is missing, and has no bytes there.

    `offsets` (int32[n + 1], from 0) and `data` (uint8) are its buffers; `valid` (bool[n]) says which
    values are present, None if all are.
    """

    array: pa.StringArray
    offsets: Int32s
    data: Bytes
    valid: Mask | None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int32s:
        """Length of each value in bytes, int32[n]."""
        return np.diff(self.offsets)

    def present(self, mask: Mask) -> Mask:
        """The mask without the missing values."""
        return mask if self.valid is None else mask & self.valid

    def only_below(self, byte: int) -> bool:
        """Whether no byte of the column is above `byte`."""
        return not self.data.size or int(self.data.max()) <= byte

    def above(self, byte: int) -> Mask:
        """The values that have a byte above `byte`; missing ones have none that counts."""
        found = np.zeros(len(self), np.bool_)
        found[self.offsets.searchsorted(np.flatnonzero(self.data > byte), side="right") - 1] = True
        return self.present(found)

    def without(self, bad: Mask) -> pa.StringArray:
        """The array with nulls also where `bad` is true."""
        return _with_validity(self.array, ~bad if self.valid is None else self.valid & ~bad)


def text_column(array: pa.StringArray, missing: Set[str]) -> TextColumn:
    """View a column; values in `missing` become null. Nulls (of formats that have them, or made by
    transforms) stay null."""
    known: Mask | None = None
    if array.null_count:
        known = to_mask(pc.is_valid(array), null=False)
        array = pc.fill_null(array, "")  # Arrow leaves bytes behind some nulls
    offsets, data = _buffers(array)
    valid: Mask | None = None
    if "" in missing:
        filled = offsets[1:] != offsets[:-1]
        valid = None if filled.all() else filled
    if words := sorted(missing - {""}):
        hit = to_mask(pc.is_in(array, value_set=pa.array(words, pa.string())), null=False)
        if hit.any():
            valid = ~hit if valid is None else valid & ~hit
            # Drops the words' bytes, so that the byte checks see values only.
            array = pc.if_else(pa.array(valid), array, pa.scalar(None, pa.string()))
            offsets, data = _buffers(array)
    if known is not None:
        valid = known if valid is None else valid & known
    if valid is not None:
        array = _with_validity(array, valid)
    return TextColumn(array, offsets, data, valid)


def string_array(offsets: Int32s, data: Bytes) -> pa.StringArray:
    """A column without nulls made of raw buffers; the caller guarantees that the bytes are UTF-8."""
    return pa.StringArray.from_buffers(len(offsets) - 1, buffer_of(offsets), buffer_of(data))


def bytes_of(array: pa.StringArray) -> Bytes:
    """The bytes of all texts, one after the other; some may be of missing ones."""
    return _buffers(array)[1]


def _buffers(array: pa.StringArray) -> tuple[Int32s, Bytes]:
    _, offset_buffer, data_buffer = array.buffers()
    if offset_buffer is None or len(array) == 0:
        return np.zeros(len(array) + 1, np.int32), np.empty(0, np.uint8)
    offsets = values_of(offset_buffer, np.int32)[array.offset : array.offset + len(array) + 1]
    if data_buffer is None:
        return np.zeros(len(array) + 1, np.int32), np.empty(0, np.uint8)
    data = values_of(data_buffer, np.uint8)[offsets[0] : offsets[-1]]
    return (offsets - offsets[0] if offsets[0] else offsets), data


def _with_validity(array: pa.StringArray, valid: Mask) -> pa.StringArray:
    offsets, data = _buffers(array)
    bitmap = np.packbits(valid, bitorder="little")
    return pa.StringArray.from_buffers(
        len(array), buffer_of(offsets), buffer_of(data), buffer_of(bitmap), -1, 0
    )
