"""Names files that are not tables, or not in a format that can be read, by their content."""

from __future__ import annotations

import re

_OLE = b"\xd0\xcf\x11\xe0"
_BINARY = (
    (b"application/vnd.oasis.opendocument.spreadsheet", "an OpenDocument spreadsheet (.ods)"),
    (b"application/vnd.oasis.opendocument", "an OpenDocument file"),
    (b"%PDF-", "a PDF document"),
    (b"\x89PNG", "a PNG picture"),
    (b"\xff\xd8\xff", "a JPEG picture"),
    (b"GIF8", "a GIF picture"),
    (b"II*\0", "a TIFF picture"),
    (b"MM\0*", "a TIFF picture"),
    (b"\x7fELF", "a program"),
    (b"Rar!", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"BZh", "bzip2 data"),
    (b"\xfd7zXZ", "xz data"),
    (b"\x04\x22\x4d\x18", "LZ4 data"),
    (b"SQLite format 3", "an SQLite database"),
    (b"\0\x01\0\0Standard ", "a Microsoft Access database"),
    (b"PGDMP", "a dump of a PostgreSQL database"),
    (b"Obj\x01", "an Avro file"),
    (b"ARROW1", "an Arrow file"),
    (b"FEA1", "a Feather file"),
    (b"\x89HDF", "an HDF5 file"),
    (b"$FL2", "an SPSS file"),
    (b"<stata_dta>", "a Stata file"),
    (b"version https://git-lfs.github.com/", "a pointer of Git LFS, which stands for the file"),
)
_TEXT = (
    (r"\{\\rtf\d", "an RTF document"),
    (r"%!PS-Adobe", "a PostScript document"),
    (r"MIME-Version:", "a web page of one file (MHTML)"),
    (r"<\?mso-application|<\?xml[^>]*>\s*(?:<\?[^>]*>\s*)*<(?:ss:)?Workbook\b", "an Excel workbook in XML"),
    (
        r"<!doctype html|<\?xml[^>]*>\s*(?:<![^>]*>\s*)*<html\b|"
        r"<(?:html|head|body|title|meta|link|script|style|table|div|center|p|h1)\b[^>]*>",
        "an HTML page",
    ),
    (
        r"<\?xml\s|<!doctype\s|<[a-z][\w.-]*:[a-z][\w.-]*\s+[^>]*xmlns|<[a-z][\w.-]*\s[^>]*xmlns",
        "an XML document",
    ),
)
_TEXT_KINDS = tuple((re.compile(pattern, re.IGNORECASE), kind) for pattern, kind in _TEXT)
# Blanks and comments in front of markup.
_BEFORE = re.compile(r"(?:\s+|<!--.*?-->)*", re.DOTALL)
_LOOKED_AT = 4096


def foreign_type(head: bytes) -> str | None:
    """What a binary file with this beginning is when it cannot be a table; None when it may be one."""
    if head.startswith(_OLE):
        return _ole_type(head)
    for magic, kind in _BINARY:
        if head.startswith(magic):
            return kind
    if head.startswith(b"MZ") and b"\0" in head:
        return "a program"
    if head[257:262] == b"ustar":
        return "a tar archive"
    return None


def foreign_text(head: bytes) -> str | None:
    """What a text with this beginning is when it is markup and not a table; None when it may be one."""
    begun = head[:_LOOKED_AT].removeprefix(b"\xef\xbb\xbf").removeprefix(b"\xff\xfe").replace(b"\0", b"")
    text = begun.decode("latin-1")
    start = _BEFORE.match(text).end()  # type: ignore[union-attr]
    return next((kind for pattern, kind in _TEXT_KINDS if pattern.match(text, start)), None)


def refusal(kind: str) -> str:
    """The sentence that refuses a file of this kind."""
    if "workbook" in kind or "spreadsheet" in kind or "HTML" in kind:
        return f"The file is {kind}, which is not read: save it as an XLSX workbook or as CSV."
    return f"The file is {kind}, not a table."


def _ole_type(head: bytes) -> str:
    """What a compound file of Microsoft Office is, by the names in its directory ([MS-CFB] 2.2 and 2.6)."""
    size = 1 << min(int.from_bytes(head[30:32], "little"), 16)
    start = (int.from_bytes(head[48:52], "little") + 1) * size
    if start + size > len(head):
        return "a Microsoft Office file of an old format (.xls, .doc), or one that is protected by a password"
    names = head[start : start + size]
    if any(name.encode("utf-16-le") in names for name in ("EncryptedPackage", "EncryptionInfo", "DataSpace")):
        return "a Microsoft Office file that is protected by a password"
    if any(name.encode("utf-16-le") in names for name in ("Workbook", "Book")):
        return "an old Excel workbook (.xls)"
    return "an old Microsoft Office file (.doc, .ppt)"
