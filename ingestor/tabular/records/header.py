"""Reads the header: the first record that is not blank names the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum

from ingestor.outcomes import quoted
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.records.exact import read_exact
from ingestor.tabular.records.foreign_byte import described
from ingestor.tabular.records.scan import scan_records
from ingestor.tabular.records.syntax import CR, UTF8_BOM, BrokenKind, Dialect

# The UTF-16-LE mark also begins the UTF-32-LE one.
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_LONGEST_BOM = 4
_LISTED = 20  # labels that a message names


class HeaderReason(StrEnum):
    """Why a file has no usable header."""

    FILE_EMPTY = "FILE_EMPTY"
    """The file is empty, or has only blank lines."""
    HEADER_UNREADABLE = "HEADER_UNREADABLE"
    """The header is not UTF-8, breaks the quoting rule, or holds NUL bytes."""
    HEADER_TOO_LONG = "HEADER_TOO_LONG"
    """The header does not end within `max_header_bytes`."""
    TOO_MANY_COLUMNS = "TOO_MANY_COLUMNS"
    """The header has more than `max_columns` columns."""
    DUPLICATE_LABEL = "DUPLICATE_LABEL"
    """Two labels are equal, which the dialect forbids."""
    BLANK_LABEL = "BLANK_LABEL"
    """A label is blank, which the dialect forbids."""


class HeaderError(Exception):
    """A file has no usable header: `reason` for programs, `message` (one sentence) for people."""

    def __init__(self, reason: HeaderReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Header:
    """The labels of a file's columns, and where the data begin."""

    columns: tuple[str, ...]
    """The labels without quotes; some may be blank or repeated."""
    byte_end: int
    """Offset in the file of the first data record, after BOM, blank lines and header."""
    line_count: int
    """Physical lines before the first data record, which starts on line `line_count` + 1."""


ROW_NAME = "row_name"
"""Label of the column of row names, of which the header has no label."""


@dataclass(frozen=True, slots=True)
class HeaderShape:
    """Where the header is: after `skip_lines` physical lines, in `rows` records whose labels are joined
    column by column. Without a header (`present` is False) the columns are numbered. `columns` are labels
    that count instead of those of the file. With `row_names` a column without a label is before the first."""

    skip_lines: int = 0
    present: bool = True
    rows: int = 1
    join: str = " "
    columns: tuple[str, ...] | None = None
    row_names: bool = False

    @classmethod
    def of(cls, options: ReadOptions) -> HeaderShape:
        """The shape that these options declare."""
        return cls(
            options.skip_lines, options.header, options.header_rows, options.header_join, options.columns,
            options.row_names,
        )  # fmt: skip

    def labels(self, records: Sequence[Sequence[str]]) -> tuple[str, ...]:
        """The labels of the columns, by the header's records, or by the first record where there is no
        header."""
        if self.columns is not None:
            return self.columns
        if not self.present:
            return numbered(len(records[0]))
        labels = _joined(records, self.join)
        return (ROW_NAME, *labels) if self.row_names else labels


def numbered(count: int) -> tuple[str, ...]:
    """Labels for columns that have none."""
    return tuple(f"column_{position}" for position in range(1, count + 1))


PLAIN_HEADER = HeaderShape()


def read_header(
    data: bytes,
    dialect: Dialect,
    final: bool,
    limits: Limits = DEFAULT_LIMITS,
    shape: HeaderShape = PLAIN_HEADER,
) -> Header | None:
    """Read the header from the beginning of a file, skipping a UTF-8 BOM and blank lines.

    Unless `final`, more data may follow; returns None when they are needed, but never with more than
    `max_header_bytes` + 5 bytes.

    Raises HeaderError; see HeaderReason.
    """
    if len(data) < _LONGEST_BOM and not final:
        return None
    if data.startswith(_WIDE_BOMS):
        raise HeaderError(
            HeaderReason.HEADER_UNREADABLE, "The file is UTF-16 or UTF-32, not UTF-8; declare its encoding."
        )
    bom = len(UTF8_BOM) if data.startswith(UTF8_BOM) else 0
    # Two bytes more than the limit, to see the line end of a header of exactly that length.
    head = data[bom : bom + limits.max_header_bytes + 2]
    final = final and bom + len(head) == len(data)
    skipped = _skip_lines(head, shape.skip_lines, final)
    full = len(head) == limits.max_header_bytes + 2
    if skipped is None:
        if full:
            raise _too_long(limits)
        return None
    head = head[skipped:]
    scan = scan_records(
        head, dialect, final=final, limits=replace(limits, max_record_bytes=limits.max_header_bytes)
    )
    blank = set(scan.blank.tolist())
    wanted = shape.rows if shape.present else 1
    indices = [index for index in range(scan.count) if index not in blank][:wanted]
    if not indices or (len(indices) < wanted and not final):
        if final:
            raise HeaderError(HeaderReason.FILE_EMPTY, "The file has no header: it is empty.")
        if not full:
            return None
        raise _too_long(limits)
    records = []
    if shape.columns is None:  # else nothing that the header says counts, not even what is wrong with it
        broken = dict(zip(scan.broken.tolist(), scan.broken_kind.tolist(), strict=True))
        for index in indices:
            if index in broken:
                raise _broken(BrokenKind(broken[index]), limits)
            records.append(_labels(head[int(scan.starts[index]) : int(scan.ends[index])], dialect, limits))
    columns = shape.labels(records)
    if not shape.present:
        first = indices[0]
        return Header(
            columns, bom + skipped + int(scan.starts[first]), shape.skip_lines + int(scan.lines[first])
        )
    last = indices[-1]
    line_end = int(scan.lines[last + 1]) if last + 1 < scan.count else scan.line_count
    return Header(columns, bom + skipped + int(scan.ends[last]), shape.skip_lines + line_end)


def _skip_lines(head: bytes, count: int, final: bool) -> int | None:
    """Length of the first `count` physical lines; None when only more data can tell."""
    at = 0
    for _ in range(count):
        ends = [end for end in (head.find(b"\n", at), head.find(b"\r", at)) if end >= 0]
        if not ends:
            return len(head) if final else None
        end = min(ends)
        if head[end] == CR and end + 1 == len(head) and not final:
            return None
        at = end + (2 if head[end : end + 2] == b"\r\n" else 1)
    return at


def _joined(records: Sequence[Sequence[str]], join: str) -> tuple[str, ...]:
    """Labels joined column by column; a shorter record adds nothing to the columns that it lacks."""
    if len(records) == 1:
        return tuple(records[0])
    width = max(map(len, records))
    return tuple(
        join.join(record[column] for record in records if column < len(record) and record[column])
        for column in range(width)
    )


def _labels(record: bytes, dialect: Dialect, limits: Limits) -> tuple[str, ...]:
    if b"\0" in record:
        raise HeaderError(
            HeaderReason.HEADER_UNREADABLE, "The header holds NUL bytes; this is not a UTF-8 text file."
        )
    cells = next(read_exact(record, dialect)).cells
    assert cells is not None, "the scan found the record whole"
    if len(cells) > limits.max_columns:
        raise HeaderError(
            HeaderReason.TOO_MANY_COLUMNS,
            f"The header has {len(cells)} columns; at most {limits.max_columns} can be loaded.",
        )
    try:
        return tuple(cell.decode() for cell in cells)
    except UnicodeDecodeError as error:
        byte = described(error.object[error.start])
        raise HeaderError(
            HeaderReason.HEADER_UNREADABLE,
            f"The header is not UTF-8: it holds the byte {byte}. Declare the encoding, or the columns.",
        ) from error


def _broken(kind: BrokenKind, limits: Limits) -> HeaderError:
    if kind is BrokenKind.TOO_LONG:
        return _too_long(limits)
    what = {
        BrokenKind.QUOTE: "has a quote inside an unquoted cell, or text after a closing quote",
        BrokenKind.UNCLOSED: "opens a quoted cell that is never properly closed",
    }[kind]
    return HeaderError(HeaderReason.HEADER_UNREADABLE, f"The header {what}.")


def _too_long(limits: Limits) -> HeaderError:
    return HeaderError(
        HeaderReason.HEADER_TOO_LONG,
        f"No header ends within the first {limits.max_header_bytes} bytes of the file.",
    )


def unique_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """Distinct names for the columns, none blank, in the order of the labels.

    The first of equal labels is kept, the next become label_2, label_3, ...; a blank label (only white
    space) becomes column_<position from 1>. A generated name that is already a label or name takes the next
    free number.
    """
    labels_in_file = set(labels)
    taken: set[str] = set()
    last_number: dict[str, int] = {}
    names: list[str] = []
    for position, label in enumerate(labels, 1):
        base = label if label.strip() else f"column_{position}"
        name = base
        generated = base is not label
        while name in taken or (generated and name in labels_in_file):
            number = last_number.get(base, 1) + 1
            last_number[base] = number
            name, generated = f"{base}_{number}", True
        taken.add(name)
        names.append(name)
    return tuple(names)


def column_names(labels: Sequence[str], duplicates: str, blanks: str) -> tuple[str, ...]:
    """Names for the columns by the policies for duplicate and blank labels: "rename" (see unique_columns),
    "ignore" (the name is "": the column is not read) or "error".

    Raises HeaderError (DUPLICATE_LABEL, BLANK_LABEL).
    """
    labels = list(labels)
    seen: set[str] = set()
    ignored: set[int] = set()
    for position, label in enumerate(labels):
        blank = not label.strip()
        if blank and blanks != "rename":
            if blanks == "error":
                raise HeaderError(
                    HeaderReason.BLANK_LABEL, f"The header's label of column {position + 1} is blank."
                )
            ignored.add(position)
        elif not blank and label in seen and duplicates != "rename":
            if duplicates == "error":
                raise HeaderError(
                    HeaderReason.DUPLICATE_LABEL, f"The header has the label {label!r} more than once."
                )
            ignored.add(position)
        seen.add(label)
    kept = iter(unique_columns([label for at, label in enumerate(labels) if at not in ignored]))
    return tuple("" if at in ignored else next(kept) for at in range(len(labels)))


def listed_labels(labels: Sequence[str]) -> str:
    """The labels as a message shows them: in quotes, which show blanks, and not all of very many."""
    shown = ", ".join(map(quoted, labels[:_LISTED]))
    return shown + (f" and {len(labels) - _LISTED} more" if len(labels) > _LISTED else "")


def not_found(lacking: Sequence[str], columns: Sequence[str]) -> str:
    """What a message says of labels that a file's columns do not have: each with the nearest one of the file,
    and the file's. Ends with a full stop."""
    found = [column for column in columns if column]
    alike = {" ".join(column.casefold().split()): column for column in reversed(found)}
    parts = []
    for label in lacking[:_LISTED]:
        near = get_close_matches(" ".join(label.casefold().split()), alike, 1)
        parts.append(quoted(label) + (f" (the file has {quoted(alike[near[0]])})" if near else ""))
    if len(lacking) > _LISTED:
        parts.append(f"{len(lacking) - _LISTED} more")
    have = f"The columns of the file are {listed_labels(found)}." if found else "The file has no columns."
    return f"{', '.join(parts)}. {have}"
