"""Whole columns of durations against a bound (the rule: ingestor.types.durations)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ingestor.checking.arrow import AnyArray, Mask, pc
from ingestor.types.durations import PARTS_PATTERN, instants, points


def duration_breaks(values: AnyArray, bound: str, constraint: str) -> Mask:
    """Which durations are not surely on the right side of the bound; of missing values it means nothing."""
    parts = pc.extract_regex(values, pattern=rf"\A{PARTS_PATTERN}\z")
    named: Any = {
        name: pc.fill_null(pc.struct_field(parts, name), "")
        for name in ("minus", "years", "months", "weeks", "days", "hours", "minutes", "seconds", "fraction")
    }
    minus = pc.equal(named.pop("minus"), "-").to_numpy(zero_copy_only=False)
    named["fraction"] = pc.ascii_rpad(named["fraction"], width=6, padding="0")
    number = {
        name: pc.cast(pc.if_else(pc.equal(texts, ""), "0", texts), "int64").to_numpy(zero_copy_only=False)
        for name, texts in named.items()
    }
    sign = np.where(minus, -1, 1)
    # At most 3.7e18, for no part has more than 9 digits.
    micros = ((number["hours"] * 60 + number["minutes"]) * 60 + number["seconds"]) * 1_000_000
    micros = sign * (micros + number["fraction"])
    days = sign * (number["weeks"] * 7 + number["days"])
    months = sign * (number["years"] * 12 + number["months"])
    broken = np.zeros(len(minus), np.bool_)
    for (day, rest), (limit_day, limit_rest) in zip(instants(months, micros), points(bound), strict=True):
        day = day + days
        less = (day < limit_day) | ((day == limit_day) & (rest < limit_rest))
        same = (day == limit_day) & (rest == limit_rest)
        wrong = less if constraint in ("minimum", "exclusiveMinimum") else ~(less | same)
        broken |= wrong | same if constraint.startswith("exclusive") else wrong
    return broken
