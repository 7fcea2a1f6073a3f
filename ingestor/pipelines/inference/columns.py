"""Infers the columns of a table from a sample: type, format and the words that stand for a missing value."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ingestor.outcomes import Notice, quoted
from ingestor.pipelines.field import Field
from ingestor.pipelines.inference.booleans import boolean_readings
from ingestor.pipelines.inference.numbers import is_code, number_readings, why_text
from ingestor.pipelines.inference.times import time_readings
from ingestor.pipelines.inference.values import Reading, Values, best_of, is_missing
from ingestor.tabular.files.sample import Sample

# Least share of a column's values that a type must fit; the others would be rejected.
_LEAST = 0.9
_EXAMPLES = 5
_SHOWN = 3  # values of a candidate
# Most values that are shown as all values of a column, and the characters of one.
_FEW = 100
_SHORT = 100


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a sample. `keys` are those of its field, without the name. `confidence` is the share of
    its values that fit the type (0 to 1), 0.5 where it stays text because other types are in doubt."""

    label: str
    name: str
    keys: dict[str, Any]
    confidence: float
    missing: int
    examples: tuple[str, ...]
    trimmed: bool = False
    """Whether the blanks around its values must go."""
    unique: bool = False
    """Whether no value is missing and none occurs twice."""
    values: tuple[str, ...] = ()
    """All of them, each once, frequent ones first, where they are few; else none."""
    notices: tuple[Notice, ...] = field(default=())
    candidates: tuple[tuple[dict[str, Any], list[tuple[str, str]]], ...] = ()
    """Where several readings fit: the keys of each, and what it makes of the first values."""
    why: str = ""
    """Why digits stay text."""

    @property
    def type(self) -> str:
        """The type of its field."""
        return str(self.keys["type"])

    @property
    def format(self) -> str:
        """The format of its field."""
        return str(self.keys.get("format", "default"))


def infer_columns(sample: Sample) -> list[Column]:
    """The columns that are read, with the narrowest type that fits."""
    return [
        replace(_infer(label, name, cells), unique=_is_unique(cells), values=_all_values(cells))
        for label, name, cells in zip(sample.labels, sample.names, sample.cells, strict=True)
        if name
    ]


def _is_unique(cells: Sequence[str | None]) -> bool:
    texts = [(cell or "").strip() for cell in cells]
    return len(set(texts)) == len(texts) > 0 and not any(map(is_missing, texts))


def _all_values(cells: Sequence[str | None]) -> tuple[str, ...]:
    found: Counter[str] = Counter()
    for cell in cells:
        text = (cell or "").strip()
        if not is_missing(text):
            found[text] += 1
            if len(text) > _SHORT or len(found) > _FEW:
                return ()
    return tuple(value for value, _ in found.most_common())


def worth_reading(columns: Sequence[Column]) -> list[Column]:
    """The columns that have a label or hold something; all if there are none."""
    return [column for column in columns if column.label.strip() or column.examples] or list(columns)


def all_notices(columns: Sequence[Column]) -> list[Notice]:
    """What a person should know of the columns."""
    notices = [notice for column in columns for notice in column.notices]
    if empty := len(columns) - len(worth_reading(columns)):
        what = "A column without a label holds" if empty == 1 else f"{empty} columns without a label hold"
        notices.append(Notice("empty-columns", f"{what} nothing: left out of the drafted pipeline."))
    return notices


def _infer(label: str, name: str, cells: Sequence[str | None]) -> Column:
    present = [cell for cell in cells if cell]
    examples = tuple(value for value, _ in Counter(present).most_common(_EXAMPLES))
    missing = len(cells) - len(present)
    stripped = [cell.strip() for cell in present]
    texts = [cell for cell in stripped if not is_missing(cell)]
    reading = _reading(Values(texts)) if texts else None
    if reading is None or reading.others:
        keys: dict[str, Any] = {"type": "string"}
        notices: tuple[Notice, ...] = ()
        if reading is not None:
            message = f"{name}: {reading.doubt}; it stays text until a type and a format are declared."
            keys["x-candidates"] = list(reading.others)
            notices = (Notice("ambiguous-format", message),)
        why = "" if notices or not texts else why_text(Values(texts))
        candidates = tuple((other, _understood(other, texts)) for other in reading.others) if reading else ()
        return Column(
            label, name, keys, 0.5 if notices else 1.0, missing, examples,
            notices=notices, candidates=candidates, why=why,
        )  # fmt: skip
    words = sorted({cell for cell in stripped if cell and is_missing(cell)})
    keys = dict(reading.keys)
    if words:
        keys["missingValues"] = ["", *words]
    return Column(
        label,
        name,
        keys,
        round(reading.share, 4),
        len(cells) - len(texts),
        examples,
        trimmed=stripped != present,
        notices=tuple(_told(name, reading, texts)),
    )


def _understood(keys: dict[str, Any], texts: Sequence[str]) -> list[tuple[str, str]]:
    """The first different values that a field with these keys takes, and what they become."""
    kind = Field.model_validate({"name": "x", **keys}).kind
    distinct = list(dict.fromkeys(texts))
    taken = [text for text, good in zip(distinct, kind.takes(distinct), strict=True) if good][:_SHOWN]
    return list(zip(taken, kind.understood(taken), strict=True))


def _reading(values: Values) -> Reading | None:
    """The best reading that is no text; None if there is none."""
    readings = [*boolean_readings(values)]
    if not is_code(values):
        readings += number_readings(values)
    if not any(reading.share == 1 for reading in readings):
        readings += time_readings(values)
    best = best_of(readings)
    return best if best is not None and best.share >= _LEAST else None


def _told(name: str, reading: Reading, texts: Sequence[str]) -> list[Notice]:
    notices = []
    if not reading.keys.get("bareNumber", True) and texts[0].rstrip().endswith("%"):
        number = texts[0].rstrip("% \u00a0\u202f")
        notices.append(Notice("percent-as-number", f"{name}: {quoted(texts[0])} is read as {number}."))
    if reading.share < 1:
        rows = len(texts) - round(reading.share * len(texts))
        message = f"{name}: some values of the sample are not of the type {reading.keys['type']}."
        notices.append(Notice("values-do-not-fit", message, rows))
    return notices
