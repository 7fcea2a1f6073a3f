"""Converts a file that is not plain CSV into text that can be cut into batches.

    ingestor.tabular.files.convert (see file_process)

Runs as a separate process, which frees the memory of large workbooks when it ends and contains the damage
of a hostile file. CONTENT is delimited text in UTF-8, or normal form. RESULT is {"form", "dialect",
"notices"}.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

from ingestor.notices import as_objects, merged, shifted
from ingestor.outcomes import Notice
from ingestor.tabular.files.containers import ExpansionLimits, Output, expanded, size_of
from ingestor.tabular.files.encodings import transcode
from ingestor.tabular.files.file_process import Request, answer_request
from ingestor.tabular.files.formats import TAIL_BYTES, Plan, head_size, plan
from ingestor.tabular.files.tables import open_table
from ingestor.tabular.limits import DEFAULT_LIMITS, Limits
from ingestor.tabular.normal_form import block_lines, header_line
from ingestor.tabular.options import ReadOptions


def open_plan(
    file: BinaryIO,
    size: int,
    name: str,
    options: ReadOptions,
    labels: Sequence[str] = (),
    *,
    partial: bool = False,
) -> Plan:
    """How to read an open file, see `plan`; rewinds it. `partial`: more of it may follow. Raises
    UnreadableFileError."""
    head = file.read(head_size(size))
    tail = b""
    if len(head) < size and not partial:
        file.seek(max(size - TAIL_BYTES, len(head)))
        tail = file.read(TAIL_BYTES)
    file.seek(0)
    return plan(head, size + partial, name, options, labels=labels, tail=tail)


def content(
    file: BinaryIO,
    how: Plan,
    limits: Limits = DEFAULT_LIMITS,
    expansion: ExpansionLimits | None = None,
    notices: list[Notice] | None = None,
    *,
    with_words: bool = True,
) -> Iterator[bytes]:
    """The file in the plan's form ("text" or "normal"). What a person should know of its records is added to
    `notices`. Words are marked (see ingestor.tabular.words) `with_words`. Raises UnreadableFileError."""
    expansion = expansion or ExpansionLimits()
    output = Output(size_of(file), expansion)
    opened = expanded(file, how.compression, expansion)
    if how.form == "text":
        assert how.encoding is not None
        for piece in transcode(opened, how.encoding):
            output.add(len(piece), piece.count(b"\n"))
            yield piece
        return
    with open_table(opened, how.format, how.options, limits) as table:
        yield header_line(table.columns)
        count = 0
        for block in table.blocks():
            if notices is not None:
                notices.extend(shifted(block.notices, count))
            count += block.record_count
            if block.record_count:
                lines = block_lines(block if with_words else replace(block, words={}))
                output.add(len(lines), block.record_count)
                yield lines


def _convert(request: Request, file: BinaryIO, out: BinaryIO) -> dict[str, Any]:
    how = open_plan(file, size_of(file), request.name, request.options, request.labels)
    notices = list(how.notices)
    if how.form != "as-is":
        # Without a pipeline every cell is loaded as text.
        marked = bool(request.labels)
        for piece in content(file, how, expansion=request.expansion, notices=notices, with_words=marked):
            out.write(piece)
    return {"form": how.form, "dialect": how.options.to_json(), "notices": as_objects(merged(notices))}


def main() -> int:
    """Be that process: its exit status."""
    return answer_request(_convert)
