"""Reads JSON Lines (https://jsonlines.org): one object per line."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import BinaryIO

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import BAD_BYTE, detect_encoding, text_pieces, transcode
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_values import (
    TOO_DEEP,
    JsonObject,
    RowError,
    check_kept,
    decoder,
    is_kept,
    raw_decode,
    row_of,
)
from ingestor.tabular.text_table import TextTable

_SAMPLE = 64 * 1024
_MAYBE_NAMES = re.compile(rb'"([^"\\]*)"[ \t\r]*:')
_SUSPECT = re.compile(rb"\0|\\u(?:0000|[dD][89a-fA-F])")  # NUL, and escapes of it and of surrogates
_BEGINNINGS = {
    "{": re.compile(r'\s*\{\s*(["}]|$)'),
    "[": re.compile(r'\s*\[\s*([\[{"\]\-0-9tfn]|$)'),
}


def begins_like(bracket: str, head: bytes, file_name: str) -> bool:
    """Whether a file begins like a JSON object ("{") or array ("["), and its name is not that of delimited
    text."""
    named = file_name.lower().removesuffix(".gz").removesuffix(".zst")
    if named.endswith((".csv", ".tsv", ".txt")):
        return False
    return _BEGINNINGS[bracket].match(_head_text(head[:1024])) is not None


def _head_text(head: bytes) -> str:
    encoding = detect_encoding(head, whole=False)
    return "".join(text_pieces(io.BytesIO(head), encoding))


def is_json_lines(head: bytes, file_name: str) -> bool:
    """Whether a file that begins like a JSON object has one object to a line.

    Its name says so; or its first line is an object, and another line follows or it holds no array of
    objects; or no object begins in its first line (which is broken then), but one is in a line behind it.
    """
    named = file_name.lower().removesuffix(".gz").removesuffix(".zst")
    if named.endswith((".jsonl", ".ndjson", ".jsonlines")):
        return True
    text = _head_text(head).lstrip()
    first, *others = text.split("\n", _LOOKED_AT)
    if _is_object(first):
        return any(map(str.strip, others)) or not _HOLDS_ARRAY.search(first)
    try:
        raw_decode(text, 0)
        return False
    except (ValueError, RecursionError):
        return any(map(_is_object, others[: _LOOKED_AT - 1]))


_LOOKED_AT = 6  # lines that tell whether each is an object
_HOLDS_ARRAY = re.compile(r":\s*\[\s*\{")


def _is_object(line: str) -> bool:
    try:
        return isinstance(decoder.decode(line), JsonObject)
    except (ValueError, RecursionError):
        return False


def not_in_encoding(encoding: str) -> RowError:
    """The error of a record with bytes that are not text."""
    return RowError("encoding-error", f"The record holds bytes that are not valid {encoding}.")


def _lines(file: BinaryIO, encoding: str, most: int) -> Iterator[tuple[bytes, bool]]:
    """Each line in UTF-8 without its LF, and whether it was cut at `most` bytes. A CR before the LF stays: to
    JSON it is white space."""
    buffer = bytearray()
    long = False
    for piece in transcode(file, encoding):
        start = 0
        while (end := piece.find(b"\n", start)) >= 0:
            if not long:
                buffer += piece[start:end]
            yield bytes(buffer[:most]), long or len(buffer) > most
            buffer.clear()
            long = False
            start = end + 1
        if not long:
            buffer += piece[start:]
            long = len(buffer) > most
            if long:
                del buffer[most:]
    if buffer or long:
        yield bytes(buffer[:most]), long


class JsonLinesTable:
    """The columns are the names in all objects, in order of appearance, so the file is read twice."""

    def __init__(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> None:
        self._file = file
        self._limits = limits
        self._skip = options.skip_lines
        head = file.read(_SAMPLE)
        self._encoding = options.encoding or detect_encoding(head, whole=len(head) < _SAMPLE)
        self.columns: tuple[str, ...] = tuple(self._names())

    def _records(self) -> Iterator[tuple[int, bytes, bool]]:
        self._file.seek(0)
        lines = _lines(self._file, self._encoding, self._limits.max_record_bytes)
        for line, (data, long) in enumerate(lines):
            if line >= self._skip:
                yield line, data, long

    def _names(self) -> list[str]:
        names: dict[str, None] = {}
        seen: set[bytes] = set()
        for _, data, long in self._records():
            # A quoted text before a colon may be a name. Decoding is slow, so skip lines without new ones.
            if long or not data.strip():
                continue
            found = _MAYBE_NAMES.findall(data)
            if b"\\" not in data and seen.issuperset(found):
                continue
            try:
                value = decoder.decode(data.decode())
            except (ValueError, RecursionError):
                continue  # reported when its record is read
            seen.update(found)
            if isinstance(value, JsonObject):
                for name, _ in value.members:
                    if is_kept(name):
                        names[name] = None
                if len(names) > self._limits.max_columns:
                    raise UnreadableFileError(
                        "TOO_MANY_COLUMNS",
                        f"The objects have more than {self._limits.max_columns} different names.",
                    )
        if not names:
            raise UnreadableFileError("FILE_EMPTY", "The file holds no JSON object with a member.")
        return list(names)

    def blocks(self) -> Iterator[TextTable]:
        positions = {name: position for position, name in enumerate(self.columns)}
        builder = BlockBuilder(len(positions))
        for line, data, long in self._records():
            text = data[:4096].decode(errors="backslashreplace")
            if long:
                message = f"The record is longer than {self._limits.max_record_bytes} bytes."
                builder.reject(line, "record-too-long", message, text)
            elif not data.strip():
                builder.skip(line, "blank-row", "The record is blank.", "")
            else:
                try:
                    cells, words = self._row(data, positions)
                    builder.add(line, cells, len(data), words)
                except RowError as error:
                    builder.reject(line, error.code, error.message, text)
            if builder.full:
                yield builder.take()
        if not builder.empty:
            yield builder.take()

    def _row(self, data: bytes, positions: dict[str, int]) -> tuple[Sequence[str | None], Sequence[int]]:
        if BAD_BYTE in data:
            raise not_in_encoding(self._encoding)
        try:
            value = decoder.decode(data.decode())
        except RecursionError:
            raise RowError("json-error", TOO_DEEP) from None
        except json.JSONDecodeError as error:
            message = f"The record is not JSON: {error.msg} (character {error.pos + 1})."
            raise RowError("json-error", message) from None
        if _SUSPECT.search(data):
            check_kept(value)
        return row_of(value, positions)


class JsonLinesParser(TableParser):
    name = "jsonl"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with objects, one to a line."""
        return begins_like("{", head, file_name) and is_json_lines(head, file_name)

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[JsonLinesTable]:
        yield JsonLinesTable(file, options, limits)
