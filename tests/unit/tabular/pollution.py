"""Thousands of polluted files made of one clean table, and what a reader makes of each.

Every character of the file that has a meaning (delimiter, quote, escape, line end) is deleted, doubled and
replaced by each other one, and each of them is added at every place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

Row = tuple[str, ...]
HEADER: Row = ("id", "name", "note")
CLEAN: tuple[Row, ...] = (
    ("1", "Anna", "plain"),
    ("2", "Bo, Jr.", 'says "hi"'),
    ("3", "", "two\nlines"),
    ("4", '"', ","),
    ("5", "Éva", ""),
    ("6", "a;b\tc", "'single'"),
    ("7", "last", "end"),
)


@dataclass(frozen=True)
class Polluted:
    """A file with one flaw."""

    kind: str  # "delete quote", "add delimiter", "replace line end by quote", ...
    place: int
    text: str


@dataclass(frozen=True)
class Reading:
    """What a reader made of a file: rows that it accepted, and how many records it rejected or skipped."""

    rows: tuple[Row, ...]
    rejected: int


def clean_text(delimiter: str, line_end: str, escape: str = "") -> str:
    """The table as RFC 4180 has it; cells are quoted where they need it, and some where they do not. With
    an escape character a quote inside quotes follows that, instead of being doubled."""

    def cell(value: str) -> str:
        special = any(character in value for character in (delimiter, '"', "\n", "\r"))
        inside = value.replace('"', (escape or '"') + '"')
        return f'"{inside}"' if special or value in ("Anna", "end", "") else value

    rows = [delimiter.join(map(cell, row)) + line_end for row in CLEAN]
    return delimiter.join(HEADER) + line_end + "".join(rows)


def polluted(delimiter: str, line_end: str, escape: str = "") -> Iterator[Polluted]:
    """Every file with one flaw; the header is not changed."""
    text = clean_text(delimiter, line_end, escape)
    body = text.index(line_end) + len(line_end)
    named = {"delimiter": delimiter, "quote": '"', "line end": line_end, "other line end": "\r"}
    if line_end == "\r":
        named["other line end"] = "\n"
    if escape:
        named["escape"] = escape
    place = body
    while place < len(text):
        here = next((name for name, mark in named.items() if text.startswith(mark, place)), None)
        for name, mark in named.items():
            yield Polluted(f"add {name}", place, text[:place] + mark + text[place:])
        if here:
            mark = named[here]
            after = text[place + len(mark) :]
            yield Polluted(f"delete {here}", place, text[:place] + after)
            yield Polluted(f"double {here}", place, text[:place] + mark + mark + after)
            for name, other in named.items():
                if name != here:
                    yield Polluted(f"replace {here} by {name}", place, text[:place] + other + after)
            place += len(mark)
        else:
            place += 1


def strictly_readable(text: str, delimiter: str, width: int, escape: str = "") -> bool:
    """Whether the whole file follows RFC 4180 and every record is as wide as the header: then its text
    has only one reading, whatever was intended. With an escape character, which makes a quote, a
    delimiter or itself plain, a doubled quote is not one. Shares no code with the reader."""
    at, size = 0, len(text)

    def escaped(at: int) -> int:
        """Where the text after an escape character goes on."""
        return at + 2 if text[at + 1 : at + 2] in (escape, '"', delimiter) else at + 1

    while at < size:
        cells = 0
        while True:
            if text.startswith('"', at):
                at += 1
                while True:
                    while at < size and text[at] not in f'"{escape}':
                        at += 1
                    if at == size:
                        return False
                    if text[at] == escape:
                        at = escaped(at)
                        continue
                    at += 1
                    if escape or not text.startswith('"', at):
                        break
                    at += 1
            else:
                while at < size and text[at] not in f'{delimiter}"\r\n':
                    at = escaped(at) if text[at] == escape else at + 1
            cells += 1
            if at < size and text[at] == delimiter:
                at += 1
                continue
            break
        if at < size and text[at] not in "\r\n":
            return False
        at += 2 if text.startswith("\r\n", at) else 1
        if cells != width:
            return False
    return True


def read_all(
    read: Callable[[str], Reading], delimiter: str, line_end: str, escape: str = ""
) -> tuple[dict[str, Counter[str]], list[Polluted]]:
    """Read every polluted file. Returns results by kind, and the files that were silently misread.

    exact: every intended row was read, and nothing else. rejected: only intended rows were read, and the rest
    was reported. other content: the text is valid but says something else. wrong: although the text has a
    flaw, a row was read that was not intended, or one is missing without a report.
    """
    results: dict[str, Counter[str]] = {}
    wrong: list[Polluted] = []
    meant = Counter(CLEAN)
    for file in polluted(delimiter, line_end, escape):
        reading = read(file.text)
        found = Counter(reading.rows)
        if found == meant:
            result = "exact"
        elif strictly_readable(file.text, delimiter, len(HEADER), escape):
            result = "other content"
        elif found <= meant and reading.rejected:
            result = "rejected"
        else:
            result = "wrong"
            wrong.append(file)
        results.setdefault(file.kind, Counter())[result] += 1
    return results, wrong


def table_of(results: dict[str, Counter[str]]) -> str:
    """The results as text."""
    names = ("exact", "rejected", "other content", "wrong")
    lines = [f"{'kind':<36}" + "".join(f"{name:>15}" for name in names)]
    for kind in sorted(results):
        lines.append(f"{kind:<36}" + "".join(f"{results[kind][name]:>15}" for name in names))
    total = sum(results.values(), Counter[str]())
    lines.append(f"{'all':<36}" + "".join(f"{total[name]:>15}" for name in names))
    return "\n".join(lines)


def shown(files: Sequence[Polluted]) -> str:
    """Some files, for a message."""
    return "\n".join(f"{file.kind} at {file.place}: {file.text!r}" for file in files[:20])
