"""Lists the readable formats, and decides from a file's beginning how to read it."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from ingestor.outcomes import Notice
from ingestor.plugins import TableParser, has_outside_parsers, outside_parsers
from ingestor.tabular.detection.guess import Guess as Guess
from ingestor.tabular.detection.table import find_table
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.containers import (
    ExpansionLimits,
    detect_compression,
    expanded,
)
from ingestor.tabular.files.encodings import bom_of, detect_encoding, guessed_encoding, text_pieces
from ingestor.tabular.files.failures import failures_told
from ingestor.tabular.files.foreign import foreign_text, foreign_type, refusal
from ingestor.tabular.options import Compression, OptionsError, ReadOptions, parse_options
from ingestor.tabular.records.syntax import Dialect
from ingestor.tabular.records.width import detect_width

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024
_SMALL = 2**20  # bytes of a file that is looked at as a whole
Form = Literal["as-is", "text", "normal"]
# Control characters other than tab, line ends, form feed and escape.
_CONTROLS = bytes((*range(9), 11, *range(14, 27), *range(28, 32)))


@cache
def parsers() -> tuple[TableParser, ...]:
    """Every parser in the order in which they are asked: plug-ins first, then the built-in ones."""
    from ingestor.tabular.parsers.delimited import DelimitedParser
    from ingestor.tabular.parsers.json_document import JsonDocumentParser
    from ingestor.tabular.parsers.json_lines import JsonLinesParser
    from ingestor.tabular.parsers.parquet import ParquetParser
    from ingestor.tabular.parsers.xlsx.parser import XlsxParser

    return (
        *outside_parsers(),
        ParquetParser(),
        XlsxParser(),
        JsonLinesParser(),
        JsonDocumentParser(),
        DelimitedParser(),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How a file is read."""

    form: Form
    """"as-is": the file is cut into slices; "text": its content is, decompressed and in UTF-8; "normal": it
    is converted to normal form first."""
    format: str
    compression: Compression
    encoding: str | None
    """None for formats that are not text."""
    options: ReadOptions
    """The declared options, completed by the detected ones."""
    notices: tuple[Notice, ...] = ()
    """What a person should know of how the file was understood."""
    guesses: tuple[Guess, ...] = ()
    """What was detected, with how sure it is."""


@failures_told("a table")
def plan(
    head: bytes,
    size: int,
    file_name: str,
    options: ReadOptions,
    *,
    labels: Sequence[str] = (),
    tail: bytes = b"",
) -> Plan:
    """How to read a file of `size` bytes that begins with `head` and ends with `tail` (see `head_size`; a
    tail that is not given is not looked at). `labels` are those that the pipeline reads, as far as known: the
    record that has them is the header.

    Raises UnreadableFileError when no parser can read it, or it is not what was declared.
    """
    compression = detect_compression(head)
    if options.compression not in (None, compression) and options.format != "xlsx":
        raise UnreadableFileError(
            "FORMAT_MISMATCH",
            f"The dialect declares the compression {options.compression}, but the file's is {compression}.",
        )
    whole = len(head) >= size
    if compression != "none":
        head, whole = _expanded_head(head, compression)
    if kind := foreign_type(head) or (None if options.format == "csv" else foreign_text(head)):
        raise UnreadableFileError("UNSUPPORTED_FILE_TYPE", refusal(kind))
    look = _Look(head, whole, tail if compression == "none" else b"", file_name, tuple(labels))
    if compression == "none" and is_plainly_delimited(head, file_name, options):
        return _encoding_told(_delimited(look, compression, options), head, whole, options)
    parser = _parser(head, file_name, options)
    if parser.name != "csv":
        found: dict[str, object] = {"format": parser.name, "compression": compression}
        encoding = None
        if parser.name in ("jsonl", "json"):
            encoding = options.encoding or detect_encoding(head, whole=whole)
            found["encoding"] = encoding
        how = Plan("normal", parser.name, compression, encoding, _completed(options, found))
    else:
        how = _delimited(look, compression, options)
    return _encoding_told(how, head, whole, options)


def _encoding_told(how: Plan, head: bytes, whole: bool, options: ReadOptions) -> Plan:
    """The plan with a guess and a notice where the encoding was guessed."""
    if how.encoding in (None, "utf-8") or options.encoding is not None:
        return how
    guess = guessed_encoding(head, whole=whole)
    if guess is None:
        return how
    told = Notice("encoding-guessed", f"{guess.why} Declare the encoding if that is wrong.")
    found = Guess("encoding", json.dumps(guess.encoding), guess.confidence, guess.why)
    return replace(how, notices=(*how.notices, told), guesses=(*how.guesses, found))


def head_size(size: int) -> int:
    """How much of the beginning of a file of `size` bytes `plan` looks at: all of a small one."""
    return size if size <= _SMALL else HEAD_BYTES


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of a file."""

    head: bytes
    whole: bool
    tail: bytes
    file_name: str
    labels: tuple[str, ...]


def is_plainly_delimited(head: bytes, file_name: str, options: ReadOptions) -> bool:
    """Whether the file is certainly uncompressed delimited text, so that no parser need be asked."""
    if options.format not in (None, "csv") or detect_compression(head) != "none":
        return False
    if options.format is None and has_outside_parsers():
        return False
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return b"\0" not in head and not text.startswith((b"{", b"[", b"PAR1", b"PK"))


def _expanded_head(head: bytes, compression: Compression) -> tuple[bytes, bool]:
    """The beginning of the content, and whether that is all of it. `head` cuts the compressed data off, so an
    error after the first expanded bytes is expected."""
    if compression == "zip":
        return _zip_head(head), False
    stream = expanded(io.BytesIO(head), compression, ExpansionLimits())
    content = bytearray()
    try:
        while len(content) < HEAD_BYTES and (piece := stream.read(4096)):
            content += piece
    except UnreadableFileError:
        if not content:
            raise
        return bytes(content), False
    return bytes(content), len(content) < HEAD_BYTES


def _zip_head(head: bytes) -> bytes:
    """The beginning of an archive's first file, found by the local headers: the directory is at the end."""
    import struct
    import zlib

    at = 0
    while head[at : at + 4] == b"PK\x03\x04" and at + 30 <= len(head):
        method, packed, _, name_size, extra_size = struct.unpack_from("<8xH8xIIHH", head, at)
        name = head[at + 30 : at + 30 + name_size]
        start = at + 30 + name_size + extra_size
        if name.endswith(b"/") or name.startswith(b"__MACOSX/"):
            at = start + packed
            continue
        data = head[start:]
        if method == 8:
            with suppress(zlib.error):  # told when the file is read
                return zlib.decompressobj(-15).decompress(data, HEAD_BYTES)
        return data[: packed or HEAD_BYTES] if method == 0 else b""
    return b""


def _parser(head: bytes, file_name: str, options: ReadOptions) -> TableParser:
    if options.format is not None:
        named = next((parser for parser in parsers() if parser.name == options.format), None)
        if named is None:
            known = ", ".join(sorted(parser.name for parser in parsers()))
            raise UnreadableFileError(
                "FORMAT_UNKNOWN", f"The format {options.format!r} is unknown; use one of {known}."
            )
        binary = next(
            (p for p in parsers() if p.name in ("parquet", "xlsx") and p.recognises(head, file_name)), None
        )
        if named.name in ("parquet", "xlsx") and not named.recognises(head, file_name):
            raise UnreadableFileError(
                "FORMAT_MISMATCH",
                f"The dialect declares the format {named.name}, but the file is not {named.name}.",
            )
        if binary is not None and binary.name != named.name:
            raise UnreadableFileError(
                "FORMAT_MISMATCH",
                f"The dialect declares the format {named.name}, but the file is {binary.name}.",
            )
        return named
    return next(parser for parser in parsers() if parser.recognises(head, file_name))


def _delimited(look: _Look, compression: Compression, options: ReadOptions) -> Plan:
    head = look.head
    encoding = options.encoding or detect_encoding(head, whole=look.whole)
    utf8 = codecs.lookup(encoding).name in ("utf-8", "utf-8-sig", "ascii")
    if utf8 and _is_binary(head):
        raise UnreadableFileError("UNSUPPORTED_FILE_TYPE", "The file is binary data, not a table.")
    bom = bom_of(head)
    tail = "".join(text_pieces(io.BytesIO(look.tail), encoding)) if look.tail and not look.whole else ""
    text = "".join(text_pieces(io.BytesIO(head), encoding))
    table = find_table(
        text,
        options,
        whole=look.whole,
        file_name=look.file_name,
        labels=look.labels,
        tail=tail,
    )
    found = {"format": "csv", "compression": compression, "encoding": encoding, **table.options}
    completed = _completed(options, found)
    beginning = text[:HEAD_BYTES]
    more, width_notices = detect_width(beginning, look.whole and beginning == text, completed)
    declared = {**options.model_dump(by_alias=True, exclude_unset=True), **table.options}
    completed = _completed(completed, {option: found.value for option, found in more.items()})
    guesses = table.guesses + [
        Guess(option, json.dumps(found.value, ensure_ascii=False), found.confidence, found.why)
        for option, found in more.items()
        if option not in declared
    ]
    form: Form = "normal"
    if is_fast(completed):
        same_bytes = utf8 and compression == "none" and (bom is None or bom[0] == "utf-8")
        form = "as-is" if same_bytes else "text"
    notices = (*table.notices, *width_notices)
    return Plan(form, "csv", compression, encoding, completed, notices, tuple(guesses))


def _is_binary(head: bytes) -> bool:
    """Whether a file is no text: it has NUL bytes, and not just a stray one, and a tenth of it is control
    characters or not UTF-8."""
    if head.count(0) < 2:
        return False
    foreign = head.decode(errors="replace").count("\ufffd")
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return 10 * (foreign + controls) > len(head)


def is_fast(options: ReadOptions) -> bool:
    """Whether the fast reader can read delimited text with these options."""
    return (
        options.quoting
        and options.double_quote
        and options.escape_char in (None, options.quote)
        and options.comment_char is None
        and options.skip_footer == 0
        and options.ragged == "error"
        and not options.skip_initial_space
        and options.quote.isascii()
        and (options.delimiter or ",").isascii()
        and len(options.delimiter or ",") == 1
    )


def fast_dialect(options: ReadOptions) -> Dialect:
    """The dialect for the fast reader."""
    return Dialect(options.delimiter or ",", options.quote)


def _completed(options: ReadOptions, found: dict[str, object]) -> ReadOptions:
    given = options.model_dump(by_alias=True, exclude_unset=True)
    try:
        return parse_options({**given, **{k: v for k, v in found.items() if given.get(k) is None}})
    except OptionsError as error:
        ((_, problem), *_) = error.problems
        raise UnreadableFileError(
            "FORMAT_MISMATCH",
            f"The dialect does not go with what the file was found to be: {problem}. Declare the delimiter.",
        ) from None


def names() -> Sequence[str]:
    """The values that the option `format` can have."""
    return [parser.name for parser in parsers()]
