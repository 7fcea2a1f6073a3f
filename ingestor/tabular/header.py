"""Reads the header: the first record that is not blank names the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ingestor.tabular.exact import read_exact
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.scan import scan_records
from ingestor.tabular.syntax import BrokenKind, Dialect

_UTF8_BOM = b"\xef\xbb\xbf"
# UTF-32 little-endian begins like UTF-16 little-endian.
_WIDE_BOMS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_LONGEST_BOM = 4


class HeaderReason(StrEnum):
    """Why a file has no usable header."""

    FILE_EMPTY = "FILE_EMPTY"
    """No byte, or blank lines only."""
    HEADER_UNREADABLE = "HEADER_UNREADABLE"
    """Not UTF-8, or the header breaks the quoting rule or holds NUL bytes."""
    HEADER_TOO_LONG = "HEADER_TOO_LONG"
    """It does not end within `max_header_bytes`."""
    TOO_MANY_COLUMNS = "TOO_MANY_COLUMNS"
    """More than `max_columns`."""


class HeaderError(Exception):
    """A file without a usable header: `reason` for programs, `message` (one sentence) for people."""

    def __init__(self, reason: HeaderReason, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message


@dataclass(frozen=True, slots=True)
class Header:
    """The names of a file's columns, and where the data begin."""

    columns: tuple[str, ...]
    """The labels as they stand in the file, quotes removed; may be blank or repeated."""
    byte_end: int
    """Offset in the file of the first data record (BOM, blank lines and header are before it)."""
    line_count: int
    """Physical lines before the first data record, which so starts on line `line_count` + 1."""


def read_header(data: bytes, dialect: Dialect, final: bool, limits: Limits = DEFAULT_LIMITS) -> Header | None:
    """Read the header from the beginning of a file. A UTF-8 BOM and blank lines before it are skipped.

    Unless `final`, more data may follow, and the answer is None while they are needed; with more
    than `max_header_bytes` + 5 bytes the answer is never None.

    Raises HeaderError; see HeaderReason.
    """
    if len(data) < _LONGEST_BOM and not final:
        return None
    if data.startswith(_WIDE_BOMS):
        raise HeaderError(
            HeaderReason.HEADER_UNREADABLE, "The file is UTF-16 or UTF-32; only UTF-8 can be read."
        )
    bom = len(_UTF8_BOM) if data.startswith(_UTF8_BOM) else 0
    # Two bytes more than the limit, so that a header of just this length is seen to end.
    head = data[bom : bom + limits.max_header_bytes + 2]
    final = final and bom + len(head) == len(data)
    scan = scan_records(
        head, dialect, final=final, limits=replace(limits, max_record_bytes=limits.max_header_bytes)
    )
    blank = set(scan.blank.tolist())
    first = next((index for index in range(scan.count) if index not in blank), None)
    if first is None:
        if final:
            raise HeaderError(HeaderReason.FILE_EMPTY, "The file has no header: it is empty.")
        if len(head) < limits.max_header_bytes + 2:
            return None
        raise _too_long(limits)
    start, end = int(scan.starts[first]), int(scan.ends[first])
    if scan.broken.size and scan.broken[0] == first:
        raise _broken(BrokenKind(int(scan.broken_kind[0])), limits)
    columns = _labels(head[start:end], dialect, limits)
    line_end = scan.lines[first + 1] if first + 1 < scan.count else scan.line_count
    return Header(columns, bom + end, int(line_end))


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
        raise HeaderError(HeaderReason.HEADER_UNREADABLE, "The header is not UTF-8.") from error


def _broken(kind: BrokenKind, limits: Limits) -> HeaderError:
    if kind is BrokenKind.TOO_LONG:
        return _too_long(limits)
    what = {
        BrokenKind.QUOTE: "has a quote inside an unquoted cell, or text behind a closing quote",
        BrokenKind.UNCLOSED: "opens a quoted cell that is never properly closed",
    }[kind]
    return HeaderError(HeaderReason.HEADER_UNREADABLE, f"The header {what}.")


def _too_long(limits: Limits) -> HeaderError:
    return HeaderError(
        HeaderReason.HEADER_TOO_LONG,
        f"No header ends within the first {limits.max_header_bytes} bytes of the file.",
    )


def unique_columns(labels: Sequence[str]) -> tuple[str, ...]:
    """Names for columns, all different and none blank, in the labels' order.

    The first of equal labels keeps it, the next are called label_2, label_3, ...; a blank label
    (nothing but white space) is called column_<position from 1>. A made name that is a label of the
    file, or was made before, gets the next free number.
    """
    labels_in_file = set(labels)
    taken: set[str] = set()
    last_number: dict[str, int] = {}
    names: list[str] = []
    for position, label in enumerate(labels, 1):
        base = label if label.strip() else f"column_{position}"
        name = base
        made = base is not label
        while name in taken or (made and name in labels_in_file):
            number = last_number.get(base, 1) + 1
            last_number[base] = number
            name, made = f"{base}_{number}", True
        taken.add(name)
        names.append(name)
    return tuple(names)
