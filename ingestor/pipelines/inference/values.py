"""The values of a column of a sample, and how many of them a field would take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ingestor.pipelines.field import Field

# What people and programs write for a missing value, in any case.
_MISSING = frozenset((
    "null", "(null)", "<null>", "n/a", "na", "#n/a", "#na", "<na>", "n.a.", "nan", "none", "nil", "\\n", "-",
    "--", "---", "\u2013", "\u2014", ".", "?", "#null!", "#value!",
    "#div/0!", "#ref!", "#name?", "#num!", "0000-00-00", "0000-00-00 00:00:00",
))  # fmt: skip


def is_missing(text: str) -> bool:
    """Whether a text without blanks around it stands for a missing value."""
    return not text or text.lower() in _MISSING


class Values:
    """Texts of at least one cell, none of them missing."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._counts = Counter(texts)
        self.total = self._counts.total()
        self._weights = np.fromiter(self._counts.values(), np.int64, len(self._counts))
        self.seeds = self._few()

    @cached_property
    def distinct(self) -> tuple[str, ...]:
        """Each text once, in the order of the file."""
        return tuple(self._counts)

    def count(self, texts: Iterable[str]) -> int:
        """How many cells have one of these texts."""
        return sum(self._counts[text] for text in texts)

    def share(self, keys: dict[str, Any]) -> float:
        """The share of the cells that a field with these keys takes (0 to 1)."""
        return int(self._weights[_taken(self.distinct, keys)].sum()) / self.total

    def first(self, keys: dict[str, Any]) -> str:
        """The first text that such a field takes; there is one."""
        return self.distinct[int(_taken(self.distinct, keys).argmax())]

    def _few(self) -> tuple[str, ...]:
        """A few texts that stand for the others, to try what is worth trying."""
        distinct = self.distinct
        return tuple(dict.fromkeys((distinct[0], distinct[len(distinct) // 2], distinct[-1])))


def _taken(texts: Sequence[str], keys: dict[str, Any]) -> Any:
    return Field.model_validate({"name": "x", **keys}).kind.takes(texts)


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read a column: a field's keys without its name, and the share of cells that fit (0 to 1).

    `others` are the keys of fields that fit as well and would give other values; `doubt` says so.
    """

    keys: dict[str, Any]
    share: float
    others: tuple[dict[str, Any], ...] = ()
    doubt: str = ""


def best_of(readings: Sequence[Reading]) -> Reading | None:
    """The reading that most cells fit; of several the first."""
    return max(readings, key=lambda reading: reading.share, default=None)
