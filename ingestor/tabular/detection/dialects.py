"""Finds the delimiter, the quote and the escape character that explain a text best.

After van den Burg et al., "Wrangling messy CSV files by detecting row and type patterns" (2019): a dialect is
the better the more records have the same width, and the more cells look like something.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingestor.tabular.detection.cells import has_letter, kind_of, typed_columns
from ingestor.tabular.detection.text import Form, Record, is_blank, split
from ingestor.tabular.options import ReadOptions

COMMON = (",", ";", "\t", "|")
_RARE = (":", "^", "~", " ")
_WEIGHT = {":": 0.8, "^": 0.85, "~": 0.85, " ": 0.75}
_BY_NAME = {"tsv": "\t", "tab": "\t", "psv": "|"}
_BY_NAME_WEIGHT = 1.2
_RECORDS = 200  # read under each dialect
_LINES = 60  # looked at for which characters may be delimiters
_TOKEN = re.compile(r"[^\w\s\"'.\-/()+\\]{2,8}|[,;] | [|;,:] ")
_COLON = re.compile(r"\w:[^\s/]")
_MARKS = ("~", "^", "|", ";", ",", "<", ">", "&", "#", "@", ":")


@dataclass(frozen=True, slots=True)
class Explained:
    """A text as records of a dialect, and how well that explains it (0 to 1)."""

    form: Form
    records: list[Record]
    width: int
    share: float
    """Of the records between the first and the last of that width, how many have it."""
    score: float


def explain(text: str, options: ReadOptions, file_name: str, named: str | None = None) -> list[Explained]:
    """The dialects that explain the beginning of a text, best first; at least one. What the options declare
    holds for all; `named` is the delimiter that the file itself names."""
    sample = _sample(text)
    lines = [line for line in re.split(r"\r\n|\n|\r", sample) if line.strip()][:_LINES]
    suffix = file_name.lower().removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]
    found: list[Explained] = []
    declared = options.delimiter or named
    delimiters = [declared] if declared else list(_delimiters(lines))
    for delimiter in delimiters:
        plain = _best_quoting(sample, delimiter, options, skip=False)
        tried = [plain]
        if _may_skip_blanks(plain.records, lines, delimiter, options):
            tried.append(_best_quoting(sample, delimiter, options, skip=True))
        for candidate in tried:
            weight = _WEIGHT.get(delimiter, 1.0 if len(delimiter) == 1 else 0.97)
            if _BY_NAME.get(suffix) == delimiter:
                weight *= _BY_NAME_WEIGHT
            if not declared and not _plausible(candidate, lines):
                continue
            found.append(_weighted(candidate, weight))
    found.sort(key=lambda one: -one.score)
    if not declared:
        column = _one_column(sample, lines, options)
        if not found or column.score > found[0].score:
            found.insert(0, column)
    return found


def _sample(text: str) -> str:
    """The beginning of a text, without its last line where that may be cut."""
    if len(text) <= 65_536:
        return text
    cut = text[:65_536]
    return cut[: max(cut.rfind("\n"), cut.rfind("\r")) + 1] or cut


def _delimiters(lines: Sequence[str]) -> Iterator[str]:
    """What may be the delimiter: it stands in many of the lines."""
    least = max(len(lines) * 0.3, 1)
    for mark in (*COMMON, *_RARE):
        if sum(mark in line for line in lines) >= least:
            yield mark
    tokens = {token for line in lines for token in _TOKEN.findall(line)}
    counts = {token: sum(token in line for line in lines) for token in tokens}
    often = [token for token in tokens if counts[token] >= 0.8 * len(lines)]
    for token in sorted(often, key=lambda token: (-counts[token], -len(token), token))[:6]:
        # Empty cells look like a repeated delimiter; it is one where it never stands alone.
        if len(set(token)) > 1 or sum(_alone(token, line) for line in lines) <= 0.05 * len(lines):
            yield token


def _alone(token: str, line: str) -> bool:
    """Whether the character of a repeated delimiter stands elsewhere in a line, other than in a time."""
    return token[0] in re.sub(r"(?<=\d):(?=\d)", "", line.replace(token, ""))


def _may_skip_blanks(
    records: Sequence[Record], lines: Sequence[str], delimiter: str, options: ReadOptions
) -> bool:
    """Whether blanks stand behind the delimiters in half of the records."""
    if len(delimiter) > 1 or "skip_initial_space" in options.model_fields_set:
        return False
    if delimiter == " ":
        return any("  " in line.strip() or line.startswith(" ") for line in lines)
    held = [record for record in records if record.cells != ()]
    blank = sum(
        f"{delimiter} " in record.text
        if record.cells is None
        else any(cell[:1] == " " and cell.strip() for cell in record.cells[1:])
        for record in held
    )
    return 2 * blank > len(held)


def _best_quoting(text: str, delimiter: str, options: ReadOptions, *, skip: bool) -> Explained:
    """The best of the quote and escape characters that may be meant."""
    skip = skip or options.skip_initial_space
    comment = options.comment_char or ""
    escape = options.escape_char if options.escape_char not in (None, options.quote) else None
    if not options.quoting:
        return _explained(text, Form(delimiter, "", escape or "", comment, skip))
    quotes = [options.quote]
    if options.quote_char is None and delimiter != "'" and _is_quote(text, "'", delimiter):
        quotes.append("'")
    tried: list[Explained] = []
    for quote in quotes:
        if quote == delimiter:
            continue
        escapes = [escape or ""]
        if options.escape_char is None and (f"\\{quote}" in text or f"\\{delimiter}" in text):
            escapes.append("\\")
        tried += [_explained(text, Form(delimiter, quote, mark, comment, skip)) for mark in escapes]
    if not tried:
        return _explained(text, Form(delimiter, "", escape or "", comment, skip))
    best = max(tried, key=lambda one: one.score)
    if options.quote_char is None and "quoting" not in options.model_fields_set:
        broken = sum(record.cells is None for record in best.records)
        well = sum(bool(record.cells) and best.form.quote in record.text for record in best.records)
        if broken >= 2 and broken >= 3 * well:
            bare = _explained(text, Form(delimiter, "", escape or "", comment, skip))
            if bare.share >= 0.9 and bare.score > best.score:
                return bare
    return best


def _is_quote(text: str, mark: str, delimiter: str) -> bool:
    """Whether a character stands at both ends of cells."""
    if mark not in text:
        return False
    edge = re.escape(delimiter)
    opening = re.findall(rf"(?:^|{edge} ?){mark}(?=\S)", text, re.MULTILINE)
    closing = re.findall(rf"{mark}(?=$|\r|{edge})", text, re.MULTILINE)
    return min(len(opening), len(closing)) >= 2


def _explained(text: str, form: Form) -> Explained:
    records = split(text, form, most=_RECORDS)
    held = [record for record in records if record.cells != ()]
    widths = Counter(record.width for record in held if record.cells)
    if not widths:
        return Explained(form, records, 0, 0.0, 0.0)
    width = max(widths, key=lambda one: (widths[one], one))
    if width == 1 and len(widths) > 1:
        # A few wide records below many titles are the table all the same.
        wide = max((one for one in widths if one > 1), key=lambda one: (widths[one], one))
        if widths[wide] >= 3 and widths[wide] >= 0.3 * len(held):
            width = wide
    first, length = _first_table(records)
    width = first if length * 5 > widths[width] else width
    places = [at for at, record in enumerate(held) if record.width == width]
    share = len(places) / (places[-1] - places[0] + 1)
    overall = len(places) / len(held)
    rows = [held[at].cells or () for at in places]
    if held[0].width not in (0, 1, width - 1, width):
        share *= 0.85  # it splits the first record into something else
    score = share * (0.6 + 0.4 * overall) * _cleanness(rows, width, form) * width / (width + 0.5)
    return Explained(form, records, width, share, score)


def _first_table(records: Sequence[Record]) -> tuple[int, int]:
    """The width and the number of records of the table in front of the first gap; zeros when there is no gap,
    or what stands there may be titles."""
    held: list[Record] = []
    for record in records:
        if is_blank(record):
            if held:
                break
        else:
            held.append(record)
    else:
        return 0, 0
    widths = {record.width for record in held}
    found = len(held) >= 3 and len(widths) == 1 and held[0].width >= 3
    return (held[0].width, len(held)) if found else (0, 0)


def _cleanness(rows: Sequence[Sequence[str]], width: int, form: Form) -> float:
    """How much the cells look like values instead of the remains of a wrong split, 0 to 1."""
    rows = rows[:100]
    values: list[float] = []
    for column in range(width):
        cells = [row[column] for row in rows]
        if not any(cells):
            values.append(0.3)  # an empty column, even its label
            continue
        clean = sum(_cell(cell, form) for cell in cells) / len(cells)
        kinds = {kind_of(cell) for cell in cells[1:]} - {"empty"}
        values.append(clean if len(kinds) <= 1 else 0.95 * clean)
    return sum(values) / len(values)


def _cell(cell: str, form: Form) -> float:
    kind = kind_of(cell)
    blank = form.delimiter != " " and " " in (cell[:1], cell[-1:])
    if kind != "text":
        return 0.85 if blank else 1.0
    if cell[0] in "\"'" or cell[-1] == '"':
        return 0.2 if cell[0] == '"' or cell[0] == cell[-1] else 0.6
    if "\t" in cell or "|" in cell:
        return 0.4
    if ";" in cell or "  " in cell:
        return 0.5
    stripped = cell.strip()
    if stripped[0] in _MARKS or stripped[-1] in _MARKS[:7]:
        return 0.5
    if "^" in cell or "~" in cell or _COLON.search(cell):
        return 0.6
    if "," in cell and form.delimiter != ",":
        return 0.8 if ", " in cell else 0.6
    return 0.8 if blank else 0.95


def _plausible(found: Explained, lines: Sequence[str]) -> bool:
    """Whether the delimiter splits at all; one that is common in texts must do so in a way that none does by
    chance."""
    if found.width < 2:
        return False
    delimiter = found.form.delimiter
    if delimiter in COMMON:
        return True
    if found.share < 0.9 or len([r for r in found.records if r.cells != ()]) < 3:
        return False
    if delimiter in (" ", ":"):
        rows = [record.cells for record in found.records if record.width == found.width and record.cells]
        if not typed_columns(rows[1:], found.width):
            return found.width > 2 and found.share >= 0.95 and (delimiter == ":" or found.form.skip_blanks)
        return found.width > 2 or len(rows) >= 3
    return True


def _weighted(found: Explained, weight: float) -> Explained:
    return Explained(found.form, found.records, found.width, found.share, min(found.score * weight, 1.0))


def _one_column(text: str, lines: Sequence[str], options: ReadOptions) -> Explained:
    """The text as one column; under a delimiter that it does not hold, or as today under the comma."""
    kinds = Counter(kind_of(line) for line in lines[1:])
    values = sum(kinds[kind] for kind in ("number", "time", "code"))
    typed = values > 0 and values >= 0.9 * (len(lines) - 1)
    delimiter = ","
    commas = sum("," in line for line in lines)
    if (typed and lines and "," not in lines[0] and commas) or commas >= 0.3 * max(len(lines), 1):
        delimiter = next((mark for mark in (";", "\t", "|") if mark not in text), ",")
    if delimiter == options.quote:
        delimiter = ";"
    found = _explained(
        text, Form(delimiter, options.quote if options.quoting else "", comment=options.comment_char or "")
    )
    split_first = any(mark in lines[0] for mark in COMMON) if lines else False
    score = 0.9 if typed and not split_first and has_letter(lines[0]) else 0.25
    if typed and not any(mark in line for mark in COMMON for line in lines):
        score = 0.9
    return Explained(found.form, found.records, 1, found.share, score if lines else 0.0)
