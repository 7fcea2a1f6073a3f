"""Detects the encoding of a text file and converts it to UTF-8."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from ingestor.tabular.files.encoding_guess import EncodingGuess

_PIECE = 256 * 1024
# UTF-32-LE comes before UTF-16-LE, whose mark it begins with.
_BOMS = (
    (b"\xff\xfe\x00\x00", "utf-32-le"),
    (b"\x00\x00\xfe\xff", "utf-32-be"),
    (b"\xef\xbb\xbf", "utf-8"),
    (b"\xff\xfe", "utf-16-le"),
    (b"\xfe\xff", "utf-16-be"),
)
# Fewer foreign bytes look like damage to UTF-8 rather than another encoding.
_LEAST_GUESS = 3
BAD_BYTE = b"\xff"
"""Stands in for a byte that is invalid in the file's encoding. It is invalid in UTF-8 too, so the reader
rejects the record."""


def bom_of(head: bytes) -> tuple[str, int] | None:
    """Encoding and length of a byte order mark at the beginning of a file."""
    return next(((name, len(bom)) for bom, name in _BOMS if head.startswith(bom)), None)


def detect_encoding(head: bytes, *, whole: bool) -> str:
    """The encoding of a text file, judged by its beginning (which may cut a character unless `whole`).

    A byte order mark decides. Else it is UTF-8 where the bytes decode as such, or UTF-16 where nearly every
    second byte is zero. The rest is a guess (see encoding_guess), or UTF-8 with damaged bytes.
    """
    if found := bom_of(head):
        return found[0]
    guess = guessed_encoding(head, whole=whole)
    if guess is not None:
        return guess.encoding
    return (_wide(head) if b"\0" in head else None) or "utf-8"


def guessed_encoding(head: bytes, *, whole: bool) -> EncodingGuess | None:
    """The guess at the encoding of a text file; None where there is nothing to guess.

    A file has another encoding than UTF-8 when at least three of its bytes are not UTF-8, few of those beyond
    ASCII are, and they make words in that encoding. Else such bytes are damage.
    """
    if bom_of(head) or b"\0" in head:
        return None
    if not whole and b"\n" in head:
        head = head[: head.rindex(b"\n") + 1]
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        decoder.decode(head, final=whole)
        return None
    except UnicodeDecodeError:
        pass
    text = head.decode(errors="replace")
    foreign = text.count("\ufffd")
    valid = len(text) - foreign - sum(map(str.isascii, text))
    if foreign < _LEAST_GUESS or valid * 3 >= foreign * 2:
        return None
    from ingestor.tabular.files.encoding_guess import PAIRS, guess_encoding

    guess = guess_encoding(head)
    # Pairs of bytes are UTF-8 by chance now and then, most often in encodings of pairs.
    if guess is not None and valid * 4 >= foreign and guess.encoding not in PAIRS:
        return None
    return guess


def _wide(head: bytes) -> str | None:
    """UTF-16, by the positions of the zero bytes in its ASCII characters."""
    even, odd = head[0::2].count(0), head[1::2].count(0)
    half = max(len(head) // 2, 1)
    if odd / half > 0.4 and even / half < 0.05:
        return "utf-16-le"
    if even / half > 0.4 and odd / half < 0.05:
        return "utf-16-be"
    return None


def _mark_bad(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeDecodeError)
    return "\udcff", error.end  # becomes BAD_BYTE when it is encoded with surrogateescape


codecs.register_error("ingestor-mark-bad", _mark_bad)


def text_pieces(file: BinaryIO, encoding: str) -> Iterator[str]:
    """The file as text without its byte order mark; invalid bytes are U+DCFF."""
    head = file.read(4)
    found = bom_of(head)
    if found and codecs.lookup(found[0]).name == codecs.lookup(encoding).name.removesuffix("-sig"):
        head = head[found[1] :]
    elif codecs.lookup(encoding).name in ("utf-16", "utf-32"):
        encoding = found[0] if found else f"{encoding}-le"
        head = head[found[1] if found else 0 :]
    decoder = codecs.getincrementaldecoder(encoding)("ingestor-mark-bad")
    piece = head
    while True:
        text = decoder.decode(piece)
        if text:
            yield text
        piece = file.read(_PIECE)
        if not piece:
            break
    if text := decoder.decode(b"", final=True):
        yield text


def to_utf8(text: str) -> bytes:
    """Text in UTF-8; U+DCFF and lone surrogates become bytes that are not UTF-8."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogateescape") if _only_marks(text) else _encode_marked(text)


def _only_marks(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" and character != "\udcff" for character in text)


def _encode_marked(text: str) -> bytes:
    cleaned = "".join("\udcff" if "\ud800" <= character <= "\udfff" else character for character in text)
    return cleaned.encode("utf-8", "surrogateescape")


def transcode(file: BinaryIO, encoding: str) -> Iterator[bytes]:
    """The file in UTF-8, without a byte order mark."""
    return map(to_utf8, text_pieces(file, encoding))
