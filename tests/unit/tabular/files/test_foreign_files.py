"""Files that are no tables are refused by content, in one sentence that names what they are."""

from __future__ import annotations

import pytest

from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.formats import plan
from ingestor.tabular.options import ReadOptions


def _ole(*names: str) -> bytes:
    """A compound file whose directory, in its second sector, has these names."""
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    header[30] = 9
    header[48] = 1
    entries = b"".join(name.encode("utf-16-le").ljust(128, b"\0") for name in ("Root Entry", *names))
    return bytes(header) + bytes(512) + entries.ljust(512, b"\0")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"<!DOCTYPE html><html><body><h1>Login required</h1></body></html>", "an HTML page"),
        (b"\xef\xbb\xbf\r\n <HTML xmlns:x='urn:x'><table><tr><td>1</td></tr></table>", "an HTML page"),
        (b"<!-- made by x -->\n<table border=1><tr><td>a,b</td></tr></table>", "an HTML page"),
        (b'<meta http-equiv="Content-Type" content="text/html"><table>', "an HTML page"),
        (b'<?xml version="1.0"?><!DOCTYPE html><html lang="en">', "an HTML page"),
        ("<html><body>no</body></html>".encode("utf-16"), "an HTML page"),
        (b'<?xml version="1.0"?>\n<?mso-application x="Excel"?><Workbook>', "an Excel workbook in XML"),
        (b'<?xml version="1.0"?><rows><row id="1"/></rows>', "an XML document"),
        (b'<kml xmlns="http://www.opengis.net/kml/2.2"></kml>', "an XML document"),
        (b"{\\rtf1\\ansi hello}", "an RTF document"),
        (b"MIME-Version: 1.0\r\nContent-Type: multipart/related", "MHTML"),
        (b"%PDF-1.7", "a PDF document"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 5\n", "Git LFS"),
        (b"x" * 257 + b"ustar", "a tar archive"),
        (_ole("Workbook"), "an old Excel workbook (.xls), which is not read: save it as"),
        (_ole("EncryptionInfo", "EncryptedPackage"), "protected by a password"),
        (_ole("WordDocument"), ".doc"),
        (_ole("Workbook")[:600], "Microsoft Office"),
    ],
)  # fmt: skip
def test_what_it_is(data: bytes, words: str) -> None:
    for name in ("t.csv", "t.xls", "t"):
        with pytest.raises(UnreadableFileError) as caught:
            plan(data, len(data), name, ReadOptions())
        assert caught.value.reason == "UNSUPPORTED_FILE_TYPE"
        assert words in caught.value.message
        assert caught.value.message.count(". ") == 0, "one sentence"


@pytest.mark.parametrize(
    "data", [b"<id>,<name>\n1,a\n", b"<5,>5\n1,2\n", b"a<br>,b\n1,2\n", b"{a},{b}\n1,2\n", b"[id],[x]\n1,2\n"]
)
def test_tables_that_only_look_like_it(data: bytes) -> None:
    assert plan(data, len(data), "t", ReadOptions()).format == "csv"


def test_whoever_declares_csv_gets_csv() -> None:
    data = b"<p>,x\n1,2\n"
    assert plan(data, len(data), "t", ReadOptions(format="csv")).format == "csv"
