"""Finds the table in delimited text and says what was found, as options, guesses and notices."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ingestor.outcomes import Notice
from ingestor.tabular.detection.damage import Damage, find_damage, labels_above
from ingestor.tabular.detection.dialects import Explained, explain
from ingestor.tabular.detection.footer import find_foot
from ingestor.tabular.detection.guess import Guess
from ingestor.tabular.detection.layout import Head, find_head
from ingestor.tabular.detection.text import Record, split
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.header import numbered

_SEP = re.compile(r"\"?sep=([^\r\n\"])\"?[ ,;\t]*(?:\r\n|\n|\r|$)", re.IGNORECASE)
_MOST_FOOTER = 10_000
_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", " ": "blank", "|": "vertical bar"}


@dataclass(slots=True)
class Found:
    """What was found. `options` are those that differ from the defaults, by their names in a dialect; the
    delimiter is always among them."""

    options: dict[str, object] = field(default_factory=dict)
    guesses: list[Guess] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)

    def option(self, name: str, value: object, sure: float, why: str) -> None:
        """Add a detected option."""
        self.options[name] = value
        self.guesses.append(Guess(name, json.dumps(value, ensure_ascii=False), round(sure, 2), why))

    def told(self, code: str, message: str) -> None:
        """Add a notice."""
        self.notices.append(Notice(code, message))


def find_table(
    text: str,
    options: ReadOptions,
    *,
    whole: bool,
    file_name: str = "",
    labels: Sequence[str] = (),
    tail: str = "",
) -> Found:
    """Find the table in the beginning of a text (all of it, if `whole`) and its end (`tail`, where more than
    the beginning was given).

    `labels` are those that a pipeline reads: the record that has most of them is the header. What the options
    declare is not overruled and narrows the rest.
    """
    found = Found()
    declared = options.model_fields_set
    titles = "skip_lines" not in declared
    skipped, named = 0, None
    if titles and (sep := _SEP.match(text)):
        skipped, named = 1, sep.group(1)
    elif not titles:
        skipped = options.skip_lines
    rest = _without_lines(text, skipped)
    ways = explain(rest, options, file_name, named)
    best, head = _choose(ways, options, labels, titles)
    _tell_dialect(found, best, ways, options, named)
    if head is None or best.width < 1:
        if named:
            _tell_skipped(found, 0, skipped, 1.0, "the first line names the delimiter", told=False)
        return found
    damage = _damage(best, head, options)
    line = skipped + best.records[damage.last if damage and titles else head.at].line
    if titles and line and not _only_blank(text, line):
        why = "the lines above have fewer cells than the table"
        _tell_skipped(found, skipped if named else 0, line, head.sure, why, told=damage is None)
    if damage:
        _tell_damage(found, damage, line, best.width)
    elif not head.header and "header" not in declared:
        found.option("header", False, head.sure, f"{head.why[0].upper()}{head.why[1:]}.")
        found.told(
            "no-header",
            f"No header was found: {head.why}. The columns are named column_1, column_2, and so on; declare "
            '"header": true if the first record is the header.',
        )
    if head.header and head.rows > 1 and "header_rows" not in declared:
        why = "Text stands below the labels where the rows have numbers or dates."
        found.option("headerRows", head.rows, 0.75, why)
        found.told("header-rows", f"The header has {head.rows} rows; the labels of each column were joined.")
    if head.row_names and "row_names" not in declared:
        why = "Each row has one cell more than the header, and its first cell is a name of its own."
        found.option("rowNames", True, 0.7, why)
        found.told("row-names", f"{why} The first column is named row_name.")
    if "comment_char" not in declared and _has_comments(best, head):
        found.option("commentChar", "#", 0.8, "Some lines between the rows begin with it, and are no rows.")
    if "skip_footer" not in declared:
        _find_footer(found, rest, tail, best, head, whole=whole, skipped=skipped)
    return found


def _damage(best: Explained, head: Head, options: ReadOptions) -> Damage | None:
    """How the header is damaged, if it is. One that has all labels of the pipeline is not, whatever stands
    below it."""
    if (
        head.held == 1
        or head.rows > 1
        or head.row_names
        or not options.header
        or options.row_names
        or options.columns
    ):
        return None
    if not head.header:
        labels = labels_above(best.records, head.at, best.width, best.form)
        return Damage(labels, head.at - 1) if labels else None
    rows = [record.cells for record in best.records[head.at + 1 :] if record.width == best.width]
    return find_damage(best.records, head.at, best.width, best.form, [cells for cells in rows if cells])


def _has_comments(best: Explained, head: Head) -> bool:
    """Whether a few lines between the rows begin with # and do not look like rows."""
    records = [record for record in best.records[head.at :] if record.cells != ()]
    marked = [record for record in records if record.text.startswith("#")]
    if not marked or records[0].text.startswith("#") or len(marked) * 5 > len(records):
        return False
    return all(record.width != best.width or 0 in head.typed for record in marked)


def _tell_damage(found: Found, damage: Damage, line: int, width: int) -> None:
    labels = damage.labels or numbered(width)
    why = "The header has another number of cells than the records."
    found.option("columns", list(labels), 0.6, why)
    named = ", ".join(labels[:20]) if damage.labels else "column_1, column_2, and so on"
    found.told(
        "header-damaged",
        f"The header, on line {line + 1}, does not fit the records, which have {width} cells. The columns "
        f'are named {named}; declare "columns" to name them otherwise.',
    )


def _choose(
    ways: Sequence[Explained], options: ReadOptions, labels: Sequence[str], titles: bool
) -> tuple[Explained, Head | None]:
    """The dialect and where the table begins: the first whose header has the pipeline's labels, else the best
    one."""
    declared = options.model_fields_set
    header = options.header if "header" in declared else None
    rows = options.header_rows if "header_rows" in declared else None
    heads: list[tuple[Explained, Head | None]] = []
    for way in ways[: 3 if labels else 1]:
        head = find_head(
            way.records, way.width, labels=labels, titles=titles, header=header, header_rows=rows
        )
        if head and head.held:
            return way, head
        heads.append((way, head))
    return heads[0]


def _without_lines(text: str, count: int) -> str:
    at = 0
    for _ in range(count):
        found = re.compile(r"\r\n|\n|\r").search(text, at)
        if not found:
            return ""
        at = found.end()
    return text[at:]


def _only_blank(text: str, lines: int) -> bool:
    """Whether nothing stands in the first lines: the reader skips blank ones by itself."""
    return not text[: len(text) - len(_without_lines(text, lines))].strip("\r\n")


def _tell_dialect(
    found: Found, best: Explained, ways: Sequence[Explained], options: ReadOptions, named: str | None
) -> None:
    form = best.form
    if options.delimiter is None:
        rival = next((way.score for way in ways if way.form.delimiter != form.delimiter), 0.0)
        sure = best.score / (best.score + rival) if best.score + rival else 0.5
        name = _NAMES.get(form.delimiter, json.dumps(form.delimiter, ensure_ascii=False))
        if named:
            sure, why = 1.0, "The first line of the file names it."
        elif best.width < 2:
            sure, why = 0.5, "No delimiter splits the lines into columns."
        else:
            why = f"The {name} splits {best.share:.0%} of the records into {best.width} cells."
        found.option("delimiter", form.delimiter, min(sure, 0.99), why)
    if form.skip_blanks and "skip_initial_space" not in options.model_fields_set:
        found.option("skipInitialSpace", True, 0.9, "Blanks stand behind the delimiters.")
    if options.quoting and not form.quote:
        found.option("quoting", False, 0.8, "No quote in the file encloses a cell.")
    elif form.quote and form.quote != options.quote:
        found.option("quoteChar", form.quote, 0.9, "It stands at both ends of cells.")
    if form.escape and options.escape_char is None:
        found.option("escapeChar", form.escape, 0.8, "Quotes inside cells follow it.")


def _tell_skipped(found: Found, sep: int, lines: int, sure: float, why: str, *, told: bool = True) -> None:
    found.option("skipLines", lines, sure, f"{why[0].upper()}{why[1:]}.")
    if not told or lines == sep:
        return
    first = sep + 1
    one = first == lines
    what = f"Line {first} stands" if one else f"Lines {first} to {lines} stand"
    found.told("lines-above-header", f"{what} above the header and {'was' if one else 'were'} not read.")


def _find_footer(
    found: Found, text: str, tail: str, best: Explained, head: Head, *, whole: bool, skipped: int
) -> None:
    if whole:
        records = split(text, best.form)
        start = head.at + (head.rows if head.header else 0)
        labels = best.records[head.at].cells or ()
    elif tail:
        cut = re.search(r"\r\n|\n|\r", tail)
        records = split(tail[cut.end() :], best.form) if cut else []
        start, labels = 0, best.records[head.at].cells or ()
    else:
        return
    width = best.width
    if head.row_names:
        labels = ()
    foot = find_foot(records, start, width, head.typed, labels)
    if foot is None or len(records) - foot.at > _MOST_FOOTER:
        return
    count = len(records) - foot.at
    where = _where(records[foot.at :], skipped) if whole else _last(count)
    if foot.table:
        found.option("skipFooter", count, 0.8, "Another table stands below.")
        found.told("second-table", f"{where} belong to another table below the first and were not read.")
    else:
        found.option("skipFooter", count, 0.75, "The last records are remarks or totals, not rows.")
        verb = "is a footer and was" if count == 1 else "are a footer and were"
        found.told("footer-not-read", f"{where} {verb} not read as {'a row' if count == 1 else 'rows'}.")


def _where(records: Sequence[Record], skipped: int) -> str:
    first, last = records[0].line + skipped + 1, records[-1].line + skipped + 1
    return f"Line {first}" if first == last else f"Lines {first} to {last}"


def _last(count: int) -> str:
    return "The last record" if count == 1 else f"The last {count} records"
