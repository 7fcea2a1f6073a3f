"""Which encoding a file has, and how it becomes UTF-8."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.files.encodings import detect_encoding, transcode

TEXT = "id,name\n1,Zoë\n2,naïve\n3,Ærø\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"", "utf-8"),
        (b"id\n1\n", "utf-8"),
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16-le"),
        (TEXT.encode("utf-16-le"), "utf-16-le"),
        (TEXT.encode("utf-16-be"), "utf-16-be"),
        (TEXT.encode("utf-32"), "utf-32-le"),
        (TEXT.encode("cp1252"), "cp1252"),
        (TEXT.encode("latin-1") + b"\x81", "iso8859-1"),
        (b"id,name\n1,Zo\xeb\n", "utf-8"),  # one damaged byte is no evidence
        (TEXT.encode() + b"4,Zo\xeb\n5,\xeb\n6,\xeb\n", "utf-8"),  # nor are more of them among UTF-8
    ],
)
def test_detection(data: bytes, encoding: str) -> None:
    assert detect_encoding(data, whole=True) == encoding


def test_a_character_may_be_cut_at_the_end() -> None:
    assert detect_encoding("aé".encode()[:-1], whole=False) == "utf-8"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "cp1252", "shift_jis"]
)
def test_transcoding(encoding: str) -> None:
    text = "あ,b\n" * 100_000 if encoding == "shift_jis" else TEXT * 20_000
    data = text.encode(encoding)
    assert b"".join(transcode(io.BytesIO(data), encoding)) == text.encode()


def test_what_is_no_text_stays_no_text() -> None:
    made = b"".join(transcode(io.BytesIO(b"a\x81b\xe9"), "cp1252"))
    assert made == b"a\xffb" + "é".encode()
    assert b"".join(transcode(io.BytesIO(b"a\xc3(b\n"), "utf-8")) == b"a\xff(b\n"


@given(st.text(st.characters(codec="utf-8"), max_size=50).filter(lambda t: "\0" not in t))
def test_utf8_and_utf16_are_never_taken_for_something_else(text: str) -> None:
    assert detect_encoding(text.encode("utf-8-sig"), whole=True) == "utf-8"
    assert detect_encoding(b"\xff\xfe" + text.encode("utf-16-le"), whole=True) == "utf-16-le"
    assert b"".join(transcode(io.BytesIO(text.encode("utf-16")), "utf-16")) == text.encode()
