"""Which encoding a file has, and how it becomes UTF-8."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.tabular.files.encodings import detect_encoding, transcode
from ingestor.tabular.files.formats import HEAD_BYTES, plan
from ingestor.tabular.options import ReadOptions

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
        ((TEXT * 2).encode("latin-1") + b"\x81", "cp1252"),  # a damaged byte does not make it Latin-1
        ("id,name\n7,Zoë Müßig\n".encode("cp1252"), "cp1252"),  # no Cyrillic letters inside Latin words
        (TEXT.encode() + b"4,\x81\n5,\x90\n6,\xff\n", "utf-8"),
        (b"id,name\n" + b"4,\x81\n5,\x90\n6,\x8d\n", "utf-8"),  # damage makes no words
        (b"id,name\n" + b"4,Jo\x81se\n5,An\x90na\n6,Kar\xffl\n", "utf-8"),
        (b"id,name\n1,Zo\xeb\n", "utf-8"),  # one damaged byte is no evidence
        (TEXT.encode() + b"4,Zo\xeb\n5,\xeb\n6,\xeb\n", "utf-8"),  # nor are more of them among UTF-8
    ],
)
def test_detection(data: bytes, encoding: str) -> None:
    assert detect_encoding(data, whole=True) == encoding


WORDS = {
    "cp1251": "Москва;Екатеринбург;Петрова;Иванов;количество;молоко",
    "koi8-r": "Москва;Екатеринбург;Петрова;Иванов;количество;молоко",
    "cp866": "Москва;Екатеринбург;Петрова;Иванов;количество;молоко",
    "cp1250": "Łódź;Gdańsk;Świętokrzyskie;Żółty;ilość;małopolskie",
    "iso8859-2": "Plzeň;České Budějovice;příjmení;žluťoučký;Říčany;množství",
    "cp1252": "München;Köln;Straße;Größe;Österreich;Jäger",
    "cp850": "München;Köln;Straße;Größe;Österreich;Jäger",
    "cp1253": "Αθήνα;Θεσσαλονίκη;Παπαδόπουλος;ποσότητα;όνομα;Κρήτη",
    "cp1254": "İstanbul;Şanlıurfa;Iğdır;değişim;Yıldız;Gülşen",
    "shift_jis": "東京;横浜市;山田太郎;カタカナ;電話番号;株式会社",
    "euc_jp": "東京;横浜市;山田太郎;カタカナ;電話番号;ひらがな",
    "gb18030": "北京;上海;张伟;有限公司;价格;数量",
    "big5": "臺北;高雄;陳怡君;有限公司;價格;數量",
    "euc_kr": "서울;부산;김철수;대한민국;전화번호;가격",
}


@pytest.mark.parametrize("encoding", WORDS)
@pytest.mark.parametrize("times", [1, 500])
def test_words_tell_the_encoding(encoding: str, times: int) -> None:
    text = "id;name\n" + "".join(
        f"{number};{word}\n" for number, word in enumerate(times * WORDS[encoding].split(";"))
    )
    data = text.encode(encoding)
    head, whole = data[: HEAD_BYTES - 1], len(data) < HEAD_BYTES
    how = plan(head, len(data), "t.csv", ReadOptions())
    assert how.encoding is not None
    assert data.decode(how.encoding) == text
    (notice,), (guess,) = how.notices, [found for found in how.guesses if found.option == "encoding"]
    assert notice.code == "encoding-guessed"
    assert json.loads(guess.value_json) == how.encoding and 0.5 < guess.confidence < 1
    shown = WORDS[encoding].split(";")[:3]
    assert f"as {how.encoding}: " + ", ".join(f'"{word}"' for word in shown) in guess.why
    assert guess.why.count('"') == 12, "three cells in both readings"
    assert not whole or plan(head, len(data), "t", ReadOptions(encoding=encoding)).notices == ()


def test_json_has_an_encoding_too() -> None:
    data = '[{"город":"Москва","имя":"Анна"}]'.encode("cp1251")
    how = plan(data, len(data), "t.json", ReadOptions())
    assert (how.format, how.encoding, how.notices[0].code) == ("json", "cp1251", "encoding-guessed")


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
