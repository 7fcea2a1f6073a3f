"""Guesses the encoding of a text that is not UTF-8, and shows how its words read in it."""

from __future__ import annotations

import json
import re
import unicodedata
from dataclasses import dataclass

_LOOKED_AT = 16 * 1024
_SHOWN = 3
_LONGEST = 30
_ONE_BYTE = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp874",
    "iso8859-2", "iso8859-5", "iso8859-7", "koi8-r", "koi8-u", "cp437", "cp850", "cp852", "cp866",
    "mac-roman",
)  # fmt: skip
# Encodings of two bytes by the detector's name: ours, and a smaller one that most of a text must be in.
_TWO_BYTES = {
    "cp932": ("cp932", "cp932"),
    "euc_jis_2004": ("euc_jp", "euc_jp"),
    "cp949": ("cp949", "euc_kr"),
    "gb18030": ("gb18030", "gb2312"),
    "big5hkscs": ("big5hkscs", "big5"),
}
PAIRS = tuple(ours for ours, _ in _TWO_BYTES.values())
"""The encodings of two bytes for most characters."""
# The detector knows languages, not how common files are: a factor, and what counts without much text. Found
# by trying it on short tables in twenty languages.
_COMMON = {"cp1252": (1.2, 0.005), "cp850": (1.1, 0.0)}
# Signs that stand alone in texts that are otherwise ASCII.
_SIGNS_1252 = frozenset("€‚„…†‡‰‘’“”•–—™\xa0¡£§©ª«®°±²³µ·¹º»¼½¾¿×")
# Bytes that Windows-1252 leaves undefined.
_UNDEFINED_1252 = re.compile(b"[\x81\x8d\x8f\x90\x9d]")
_FOREIGN_PAIR = re.compile(b"[\x80-\xff]{2}")
_WORD = re.compile(r"[^\W\d_]+")
# A foreign character between letters, and the letter before it.
_INSIDE = re.compile(r"(?<=([^\W\d_]))([^\x00-\x7f])(?=[^\W\d_])")
_DELIMITERS = re.compile(r'[,;|\t"\r\n]+')


@dataclass(frozen=True, slots=True)
class EncodingGuess:
    """An encoding, how sure it is (0 to 1), and in one sentence or two how the text reads in it and in the
    next likely one."""

    encoding: str
    confidence: float
    why: str


def guess_encoding(head: bytes) -> EncodingGuess | None:
    """The likely encoding of a text that is not UTF-8; None when its foreign bytes make no words in any.
    `head` is its beginning."""
    lines = [line for line in head.splitlines(keepends=True) if not line.isascii()]
    # A damaged byte or two must not rule the commonest encoding out.
    sound = [line for line in lines if not _UNDEFINED_1252.search(line)]
    found: list[tuple[str, float]] = []
    for chosen in (sound, lines) if len(sound) * 5 >= len(lines) * 4 else (lines,):
        if found := _ranked(b"".join(chosen)[:_LOOKED_AT]):
            break
    else:
        return None
    text = b"".join(lines)[:_LOOKED_AT]
    (encoding, weight), *others = found
    cells, seen = _cells(text, encoding), f"It is read as {encoding}"
    if cells:
        seen += f": {_listed(cells)}"
    for other, less in others:
        if (differently := _cells(text, other)) != cells:
            return EncodingGuess(
                encoding,
                weight / (weight + less),
                f"The file is not UTF-8. {seen}. The next likely encoding is {other}: "
                f"{_listed(differently)}.",
            )
    return EncodingGuess(encoding, 0.99, f"The file is not UTF-8. {seen}.")


def _ranked(text: bytes) -> list[tuple[str, float]]:
    """Encodings in which a text reads as words, the likeliest first, with their weights."""
    import chardet

    if not text:
        return []
    found = chardet.detect_all(
        text, ignore_threshold=True, include_encodings=[*_ONE_BYTE, *_TWO_BYTES], compat_names=False
    )
    weights: dict[str, float] = {}
    for one in found:
        encoding, inner = _TWO_BYTES.get(one["encoding"] or "", 2 * (one["encoding"] or "",))
        if encoding and _is_plausible(text, encoding, inner):
            factor, least = _COMMON.get(encoding, (1.0, 0.0))
            in_place = _in_place(text, encoding)
            # Else it is no more than the next likely one.
            weights[encoding] = (one["confidence"] * factor + least) * (in_place if in_place >= 0.5 else 1e-6)
    if "cp1252" in weights and not _FOREIGN_PAIR.search(text) and _in_place(text, "cp1252") >= 0.5:
        foreign = {character for character in text.decode("cp1252", "replace") if character > "\x7f"}
        if foreign <= _SIGNS_1252:
            weights["cp1252"] = max(weights.values()) * 2
    ranked = sorted(weights.items(), key=lambda item: -item[1])
    return ranked if ranked and _in_place(text, ranked[0][0]) >= 0.5 else []


def _is_plausible(text: bytes, encoding: str, inner: str) -> bool:
    """Whether at most a tenth of the foreign characters are controls, unassigned, parts of frames, or not of
    the smaller encoding; and not each is a letter alone."""
    decoded = text.decode(inner, "replace")
    foreign = [character for character in decoded if character > "\x7f"]
    odd = sum(
        character == "\ufffd"
        or "\u2500" <= character <= "\u259f"
        or unicodedata.category(character) in ("Cc", "Cn", "Co")
        for character in foreign
    )
    if odd * 10 > len(foreign):
        return False
    words = [word for word in _WORD.findall(decoded) if not word.isascii()]
    return encoding in PAIRS or not words or any(len(word) > 1 for word in words)


def _in_place(text: bytes, encoding: str) -> float:
    """The share of the foreign characters that are where one expects them: no sign inside a word, no capital
    after a small letter, no letter of another script beside Latin ones."""
    if encoding in PAIRS:
        return 1.0
    decoded = text.decode(encoding, "replace")
    foreign = sum(character > "\x7f" for character in decoded)
    misplaced: int = sum(
        (inner.isupper() and before.islower()) or not (inner.isalpha() or inner in "’\xad")
        for before, inner in _INSIDE.findall(decoded)
    )
    for word in _WORD.findall(decoded):
        other = sum(letter > "\x7f" and "LATIN" not in unicodedata.name(letter, "") for letter in word)
        if other < len(word):
            misplaced += other
    return max(1.0 - misplaced / max(foreign, 1), 0.0)


def _cells(text: bytes, encoding: str) -> list[str]:
    """The first cells of a text that have characters beyond ASCII."""
    parts = dict.fromkeys(map(str.strip, _DELIMITERS.split(text.decode(encoding, "replace"))))
    return [part[:_LONGEST] for part in parts if not part.isascii()][:_SHOWN]


def _listed(cells: list[str]) -> str:
    return ", ".join(json.dumps(cell, ensure_ascii=False) for cell in cells)
