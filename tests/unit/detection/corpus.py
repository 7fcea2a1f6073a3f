"""Files as people send them, made of clean tables: titles, footers, odd delimiters and quotes, no header.

Every file is made in many kinds from several tables of different character, with nothing declared. What a
reader makes of it is scored as in Pollock (Vitagliano et al., VLDB 2023).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Row = tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """A clean table."""

    name: str
    labels: Row
    rows: tuple[Row, ...]
    units: Row = ()
    total: Row = ()


@dataclass(frozen=True)
class Messy:
    """A file and what should be read from it: the labels (None: not compared) and the rows."""

    kind: str
    table: str
    text: str
    labels: Row | None
    rows: tuple[Row, ...]
    file_name: str = "data.csv"


@dataclass(frozen=True)
class Read:
    """What a reader made of a file."""

    labels: Row
    rows: tuple[Row, ...]


def _numbers() -> Table:
    rows = tuple((str(n), f"{n * 1.37:.2f}", str(1000 - 7 * n), f"{(n * 37) % 11}") for n in range(1, 31))
    return Table(
        "numbers",
        ("id", "weight", "count", "class"),
        rows,
        ("", "kg", "pieces", "1-9"),
        ("Total", "637.05", "26745", ""),
    )


def _texts() -> Table:
    names = ("Anna Berg", "Bo, Jr.", "Carla", "Dörte", "Émile Zola", "Fay", "Gus O'Hara", "Hana")
    notes = ("plain", "with, comma", 'says "hi"', "a longer remark of several words", "", "semi; colon")
    rows = tuple(
        (f"K-{n:03}", names[n % 8], notes[n % 6], ("north", "south", "west")[n % 3]) for n in range(24)
    )
    return Table("texts", ("key", "full name", "note", "region"), rows)


def _dates() -> Table:
    rows = tuple(
        (
            f"2024-{1 + n % 12:02}-{1 + n % 28:02}",
            f"{n % 24:02}:{(n * 7) % 60:02}",
            f"Station {n % 4}",
            f"{10 + n / 4:.1f}",
        )
        for n in range(40)
    )
    return Table("dates", ("day", "time", "station", "temp"), rows, ("[date]", "[h:m]", "", "[°C]"))


def _german() -> Table:
    towns = ("Köln", "Ulm", "Bad Tölz", "Weimar", "Jena")
    rows = tuple(
        (towns[n % 5], f"{n},{n % 10}5", f"1.{n:03},00", f"{n % 28 + 1}.{n % 12 + 1}.2023")
        for n in range(1, 20)
    )
    return Table(
        "german",
        ("Ort", "Wert", "Betrag", "Datum"),
        rows,
        ("", "m³", "€", ""),
        ("Summe", "190,00", "19.190,00", ""),
    )


def _few() -> Table:
    rows = (("1", "Anna", "Berlin"), ("2", "Bert", "Paris"), ("3", "Cara", "Rome"))
    return Table("few", ("id", "name", "city"), rows)


def _wide() -> Table:
    labels = ("country", *(f"ind_{n}" for n in range(1, 26)))
    places = (
        "France",
        "Peru",
        "Chad",
        "Japan",
        "Oman",
        "Fiji",
        "Togo",
        "Cuba",
        "Mali",
        "Laos",
        "Iraq",
        "Iran",
    )
    rows = tuple(
        (place, *(f"{(at * 13 + n * 7) % 97 / 3:.3f}" for n in range(25))) for at, place in enumerate(places)
    )
    return Table("wide", labels, rows)


def _years() -> Table:
    labels = ("region", "2019", "2020", "2021")
    rows = tuple((f"Region {n}", str(100 + n), str(200 + 3 * n), str(150 + 2 * n)) for n in range(15))
    return Table("years", labels, rows)


TABLES = (_numbers(), _texts(), _dates(), _german(), _few(), _wide(), _years())


def written(
    rows: Sequence[Row], delimiter: str = ",", quote: str = '"', escape: str = "", everywhere: bool = False
) -> str:
    """Rows as text; cells are quoted where they need it, or everywhere."""

    def cell(value: str) -> str:
        if not quote:
            return value.replace(delimiter, " ").replace("\n", " ")
        if everywhere or any(mark in value for mark in (delimiter, quote, "\n")):
            return quote + value.replace(quote, (escape or quote) + quote) + quote
        return value

    return "".join(delimiter.join(map(cell, row)) + "\n" for row in rows)


def _bare(table: Table, delimiter: str) -> Table:
    """The table without characters that would need quotes."""

    def cell(value: str) -> str:
        return value.replace(delimiter, " ").replace('"', "")

    return Table(
        table.name, tuple(map(cell, table.labels)), tuple(tuple(map(cell, row)) for row in table.rows)
    )


def files() -> Iterator[Messy]:
    """Every file of the corpus."""
    for table in TABLES:
        yield from _dialects(table)
        yield from _above(table)
        yield from _below(table)
        yield from _headers(table)


def _dialects(table: Table) -> Iterator[Messy]:
    whole = (table.labels, *table.rows)

    def case(kind: str, text: str, file_name: str = "data.csv", of: Table = table) -> Messy:
        return Messy(kind, of.name, text, of.labels, of.rows, file_name)

    yield case("plain", written(whole))
    yield case("plain", written(whole).replace("\n", "\r\n"))
    yield case("plain", written(whole, everywhere=True))
    for delimiter in (";", "\t", "|"):
        yield case("common delimiter", written(whole, delimiter))
        yield case("common delimiter", written(whole, delimiter, everywhere=True))
    for delimiter in (":", "^", "~"):
        bare = _bare(table, delimiter)
        yield case("rare delimiter", written((bare.labels, *bare.rows), delimiter), of=bare)
    for delimiter in ("||", "~|~", "::", "@@", " | ", "<|>"):
        bare = _bare(table, delimiter)
        yield case("long delimiter", written((bare.labels, *bare.rows), delimiter), of=bare)
    yield case("tab by name", written(whole, "\t"), "data.tsv")
    yield case("sep= line", "sep=;\n" + written(whole, ";"))
    yield case("sep= line", "sep=,\r\n" + written(whole).replace("\n", "\r\n"))
    yield case("blank behind delimiter", written(whole, ", "))
    yield case("blank behind delimiter", written(whole, "; ", everywhere=True))
    yield case("single quotes", written(whole, quote="'"))
    yield case("single quotes", written(whole, ";", quote="'", everywhere=True))
    yield case("escaped quotes", written(whole, escape="\\", everywhere=True))
    inches = Table(
        table.name,
        (*table.labels, "size"),
        tuple((*row, f'{n % 9}" x {n % 5}"') for n, row in enumerate(_bare(table, "\t").rows)),
    )
    yield case("quotes that are none", written((inches.labels, *inches.rows), "\t", quote=""), of=inches)
    tight = Table(
        table.name,
        tuple(label.replace(" ", "_") for label in table.labels),
        tuple(tuple(cell.replace(" ", "_").replace('"', "") or "-" for cell in row) for row in table.rows),
    )
    sizes = [max(map(len, column)) for column in zip(tight.labels, *tight.rows, strict=True)]
    aligned = "".join(
        " ".join(cell.ljust(size) for cell, size in zip(row, sizes, strict=True)).rstrip() + "\n"
        for row in (tight.labels, *tight.rows)
    )
    yield case("aligned by blanks", aligned, of=tight)
    right = "".join(
        "  ".join(cell.rjust(size) for cell, size in zip(row, sizes, strict=True)) + "\n"
        for row in (tight.labels, *tight.rows)
    )
    yield case("aligned by blanks", right, of=tight)
    rows = "".join(line + "," + "\n" for line in written(table.rows).splitlines())
    if not any("\n" in cell for row in table.rows for cell in row):
        yield case("delimiter at the end of rows", written((table.labels,)) + rows)
        yield case(
            "delimiter at the end of lines", "".join(line + ",,\n" for line in written(whole).splitlines())
        )


def _above(table: Table) -> Iterator[Messy]:
    padding = "," * (len(table.labels) - 1)

    def case(kind: str, above: str, delimiter: str = ",") -> Messy:
        return Messy(
            kind,
            table.name,
            above + written((table.labels, *table.rows), delimiter),
            table.labels,
            table.rows,
        )

    yield case("title line", "Report of 2024\n")
    yield case("title line", "Report of 2024\n", ";")
    yield case("title line", "Sales by region, all shops\n", "\t")
    yield case("title and blank line", "Export: activity\nSection: all, by day\n\n")
    yield case("title and blank line", "\nStatistics office\n\n", ";")
    yield case("padded title", f"Report of sales{padding}\nMade 2025-01-01{padding}\n{padding}\n")
    yield case("padded title", f"Report of sales{padding}\n")
    yield case("comment lines above", "# made by hand\n# all, of, it; in EUR\n")
    yield case("comment lines above", "# one: two: three\n#\n", ";")
    yield case("names and values above", "Author;Jane\nDate;2024-05-01\n\n", ";")


def _below(table: Table) -> Iterator[Messy]:
    clean = written((table.labels, *table.rows))
    padding = "," * (len(table.labels) - 1)

    def case(kind: str, below: str, text: str = clean) -> Messy:
        return Messy(kind, table.name, text + below, table.labels, table.rows)

    yield case("footer", "Source: Statistics office\n")
    yield case("footer", f"Source: Statistics office{padding}\n")
    yield case("footer", "\nSource: Statistics office, 2024\nNote: numbers are rounded\n")
    yield case("footer", f"{padding}\n* provisional value{padding}\n")
    yield case("footer", "\nThis file was made for a test.\n\n")
    if table.total:
        yield case("total", written((table.total,)))
        yield case("total", "\n" + written((table.total,)) + "\nSource: own count\n")
    other = "code,meaning\nA,first\nB,second\nC,third\n"
    yield case("second table", "\n" + other)
    yield case("second table", "\n\nLegend\n" + other)
    same = ("kind", "much", "more", "most", *(f"l{n}" for n in range(30)))[: len(table.labels)]
    others = tuple(
        tuple(
            f"{word} {n}"
            for word in ("low", "high", "mid", "none", *"abcdefghijklmnopqrstuvwxyz")[: len(same)]
        )
        for n in "xyz"
    )
    if table.name not in ("texts",):
        yield case("second table, as wide", "\n" + written((same, *others)))
    yield case("blank lines below", "\n\n\n")


def _headers(table: Table) -> Iterator[Messy]:
    numbered = tuple(f"column_{n}" for n in range(1, len(table.labels) + 1))
    body = written(table.rows)
    if table.name not in ("texts",):
        yield Messy("no header", table.name, body, numbered, table.rows)
        yield Messy("no header", table.name, written(table.rows, ";"), numbered, table.rows)
        yield Messy("no header below a title", table.name, "Report of sales\n\n" + body, numbered, table.rows)
    if table.units:
        joined = tuple(
            f"{label} {unit}".strip() for label, unit in zip(table.labels, table.units, strict=True)
        )
        yield Messy(
            "units below the header",
            table.name,
            written((table.labels, table.units)) + body,
            joined,
            table.rows,
        )
    groups = ("", "first part", *[""] * (len(table.labels) - 3), "second part")
    yield Messy(
        "groups above the header", table.name, written((groups, table.labels)) + body, None, table.rows
    )
    second = tuple(f"{label} ({n})" for n, label in enumerate(table.labels))
    if len({*"".join("".join(row) for row in table.rows)} & set("0123456789")) and table.name in (
        "numbers",
        "dates",
        "wide",
    ):
        joined = tuple(f"{a} {b}" for a, b in zip(table.labels, second, strict=True))
        yield Messy("two header rows", table.name, written((table.labels, second)) + body, joined, table.rows)
    named = tuple((str(n), *row) for n, row in enumerate(table.rows, 1))
    if not any(" " in label for label in table.labels):
        text = written((table.labels,), everywhere=True) + written(named, everywhere=True)
        yield Messy("row names", table.name, text, ("row_name", *table.labels), named)


def score(meant: Messy, read: Read | None) -> float:
    """0 to 10: one point for a file that was read, and precision, recall and F1 of header, records, cells."""
    if read is None:
        return 0.0
    labels = read.labels if meant.labels is None else meant.labels
    pairs = (
        (Counter(labels), Counter(read.labels)),
        (Counter(meant.rows), Counter(read.rows)),
        (
            Counter(cell for row in meant.rows for cell in row),
            Counter(cell for row in read.rows for cell in row),
        ),
    )
    return 1 + sum(sum(_prf(wanted, found)) for wanted, found in pairs)


def _prf(wanted: Counter[Any], found: Counter[Any]) -> tuple[float, float, float]:
    same = (wanted & found).total()
    precision = same / found.total() if found else float(not wanted)
    recall = same / wanted.total() if wanted else float(not found)
    both = precision + recall
    return precision, recall, 2 * precision * recall / both if both else 0.0


def score_all(
    read: Callable[[Messy], Read | None],
) -> tuple[dict[str, list[float]], list[tuple[Messy, float]], int]:
    """Scores by kind, the files that did not score full, and how many rows were read that were not meant."""
    scores: dict[str, list[float]] = {}
    worse: list[tuple[Messy, float]] = []
    not_meant = 0
    for file in files():
        result = read(file)
        points = score(file, result)
        scores.setdefault(file.kind, []).append(points)
        if points < 9.995:
            worse.append((file, points))
        if result is not None:
            not_meant += (Counter(result.rows) - Counter(file.rows)).total()
    return scores, worse, not_meant


def table_of(scores: dict[str, list[float]]) -> str:
    """The scores as text."""
    lines = [f"{'kind':<32}{'files':>8}{'score':>8}"]
    for kind in sorted(scores):
        values = scores[kind]
        lines.append(f"{kind:<32}{len(values):>8}{sum(values) / len(values):>8.2f}")
    values = [value for kind in scores.values() for value in kind]
    lines.append(f"{'all':<32}{len(values):>8}{sum(values) / len(values):>8.2f}")
    return "\n".join(lines)
