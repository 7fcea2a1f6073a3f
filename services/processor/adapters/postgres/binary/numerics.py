"""Decimal numbers in PostgreSQL's binary form: groups of four digits, and how many digits are behind the
point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from ingestor.columns.arrow import Int32s, cast, pc
from ingestor.services.processor.adapters.postgres.binary.fields import Fields

if TYPE_CHECKING:
    import numpy.typing as npt

_BASE = 10_000
_NEGATIVE = 0x4000
# A float64 tells whole numbers below this one apart, also if they were divided by a power of ten, and then
# multiplied by it.
_EXACT = 1e15
_MOST_SCALE = 22  # up to here a power of ten is exact


def numeric_fields(values: Any) -> Fields | None:
    """The parts of each number, all of one size; None if one has more than 15 digits, an exponent or a plus
    sign. `values` are texts that numeric reads; a missing one becomes 0."""
    if values.null_count:
        values = pc.fill_null(values, "0")
    numbers = _floats(values)
    if numbers is None:
        return None
    scales = _scales(values)
    scale = int(scales.max(initial=0))
    if scale > _MOST_SCALE:
        return None
    scaled = np.rint(numbers * 10.0**scale)
    if not (np.abs(scaled) < _EXACT).all():
        return None
    behind = -(-scale // 4)  # groups behind the point
    rest = np.abs(scaled).astype(np.int64) * 10 ** (4 * behind - scale)
    most = int(rest.max(initial=0))
    groups: list[Any] = []
    while most or len(groups) < behind:
        more = rest // _BASE
        groups.append(rest - more * _BASE)
        rest, most = more, most // _BASE
    return [
        (">i4", 8 + 2 * len(groups)),
        (">i2", len(groups)),
        (">i2", len(groups) - behind - 1),  # the weight of the first group
        (">u2", (scaled < 0) * np.uint16(_NEGATIVE)),
        (">u2", scales),
        *((">i2", group) for group in reversed(groups)),
    ]


def _floats(values: Any) -> npt.NDArray[np.float64] | None:
    """None if there is an exponent, or a form that Arrow does not read."""
    _, offsets, data = values.buffers()
    if data is not None and len(values):
        bounds = np.frombuffer(offsets, np.int32)[values.offset : values.offset + len(values) + 1]
        letters = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]] | 0x20
        if (letters == ord("e")).any():
            return None
    numbers = cast(values, pa.float64())
    return None if numbers is None else numbers.to_numpy(zero_copy_only=False)


def _scales(values: Any) -> Int32s:
    """How many digits stand behind the point of each."""
    points = pc.find_substring(values, ".").to_numpy(zero_copy_only=False)
    behind: Int32s = pc.binary_length(values).to_numpy(zero_copy_only=False) - points - 1
    return np.where(points < 0, np.int32(0), behind)
