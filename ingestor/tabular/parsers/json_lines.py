"""Reads JSON Lines (https://jsonlines.org): one object per line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import BAD_BYTE, detect_encoding, transcode
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_values import JsonObject, RowError, decoder, row_of
from ingestor.tabular.text_table import TextTable

_SAMPLE = 64 * 1024
_MAYBE_NAMES = re.compile(rb'"([^"\\]*)"[ \t\r]*:')


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
            elif BAD_BYTE in data:
                message = f"The record holds bytes that are not valid {self._encoding}."
                builder.reject(line, "encoding-error", message, text)
            else:
                try:
                    builder.add(line, row_of(decoder.decode(data.decode()), positions), len(data))
                except RowError as error:
                    builder.reject(line, error.code, error.message, text)
                except UnicodeDecodeError:
                    builder.reject(line, "encoding-error", "The record is not UTF-8.", text)
                except RecursionError:
                    builder.reject(line, "json-error", "The record is nested too deeply.", text)
                except ValueError as error:
                    builder.reject(line, "json-error", f"The record is not JSON: {error}.", text)
            if builder.full:
                yield builder.take()
        if not builder.empty:
            yield builder.take()


class JsonLinesParser(TableParser):
    name = "jsonl"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins with an object, unless its name is that of a CSV file."""
        text = head.removeprefix(b"\xef\xbb\xbf").replace(b"\0", b"").removeprefix(b"\xff\xfe").lstrip()
        named = file_name.lower().removesuffix(".gz").removesuffix(".zst")
        return text.startswith(b"{") and not named.endswith((".csv", ".tsv", ".txt"))

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[JsonLinesTable]:
        yield JsonLinesTable(file, options, limits)
