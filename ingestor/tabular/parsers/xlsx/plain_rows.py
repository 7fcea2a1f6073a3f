"""Reads many rows of a sheet at once, where their XML is as the big programs write it.

A plain row is `<row ...>` with cells `<c ...><v>...</v></c>`, `<c ...><is><t>...</t></is></c>` or
`<c .../>`, and nothing else: no formula, no rich text, no error, no blanks between elements. A row that is
not plain is left to the XML parser, which reads it as if the others did not exist.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from xml.sax.saxutils import unescape

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingestor.columns.arrow import Bytes, Int32s, Int64s, Mask, fully, pc, text_columns, to_mask
from ingestor.tabular.parsers.xlsx.sheet import MAX_COLUMNS, MAX_ROWS, Row

_ROW, _ROW_END, _C, _C_END, _C_EMPTY, _V, _V_END, _IS, _IS_END, _T, _T_END = range(1, 12)
_SHORT = {
    b"/row": _ROW_END, b"c": _C, b"/c": _C_END, b"v": _V, b"/v": _V_END, b"is": _IS, b"/is": _IS_END,
    b"t": _T, b"/t": _T_END,
}  # fmt: skip
_KEEPS_BLANKS = b't xml:space="preserve"'
# What may follow an element's beginning or end.
_FOLLOWS = np.zeros((12, 12), np.bool_)
for _tags, _next in (
    ((_ROW, _C_END, _C_EMPTY), (_C, _C_EMPTY, _ROW_END)), ((_C,), (_V, _IS, _C_END)), ((_V,), (_V_END,)),
    ((_V_END, _IS_END), (_C_END,)), ((_IS,), (_T,)), ((_T,), (_T_END,)), ((_T_END,), (_IS_END,)),
    ((_ROW_END,), (_ROW,)),
):  # fmt: skip
    for _tag in _tags:
        _FOLLOWS[_tag, list(_next)] = True
_MARKED = np.zeros(256, np.bool_)
_MARKED[list(b'<>"')] = True
# Characters that XML does not allow, and carriage returns, which it changes.
_MARKED[[*range(9), *range(11, 32)]] = True
_DIGIT = np.zeros(256, np.bool_)
_DIGIT[list(b"0123456789")] = True
_LETTER = np.zeros(256, np.bool_)
_LETTER[list(range(65, 91))] = True
_ATTRIBUTE = re.compile(r'\s+([A-Za-z_][\w.:-]*)="([^"<>&]*)"')
_ENTITY = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)")
_NO_CHARACTERS = (b"\xef\xbf\xbe", b"\xef\xbf\xbf")  # to XML
_INTEGER = "-?[0-9]+"
# At most 15 digits and no zero too many: it stays as it is.
_SHORT_FRACTION = r"-?(?:0|[1-9][0-9]{0,6})\.[0-9]{0,7}[1-9]"

_MOST_TEXT = 8 * 2**20  # characters of the shared strings in a block


class Values(Protocol):
    """Knows what cells say."""

    def value(self, kind: str, raw: str, style: str) -> str:
        """What a cell of this type and style (as they are written) says. Raises ValueError, LookupError or
        ArithmeticError for what is no value, and where there is more to say."""

    def strings(self, indices: Sequence[int]) -> list[str]:
        """Shared strings. Raises LookupError."""


@dataclass(frozen=True, slots=True)
class PlainRows:
    """Rows of a sheet that follow each other."""

    numbers: Int64s
    """Their numbers, from 1; shape [rows]."""
    columns: Mapping[int, tuple[pa.StringArray, Mask]]
    """By column (from 0) with anything in it, the cells (null for one that holds nothing), and which are
    text; shapes [rows]."""

    def __len__(self) -> int:
        return len(self.numbers)

    def part(self, start: int, end: int) -> PlainRows:
        """Some of them."""
        columns = {
            column: (cells.slice(start, end - start), text[start:end])
            for column, (cells, text) in self.columns.items()
        }
        return PlainRows(self.numbers[start:end], columns)

    def row(self, position: int) -> Row:
        """One of them."""
        row = Row(int(self.numbers[position]))
        for column in sorted(self.columns):
            cells, text = self.columns[column]
            cell = cells[position].as_py()
            if cell is not None:
                row.cells[column] = cell
                if text[position]:
                    row.words.add(column)
        return row


class RowBlock:
    """The XML of some rows."""

    begins: Int64s
    """Where each begins; shape [rows]."""
    is_plain: Mask

    def __init__(self, data: bytes, number: int, values: Values) -> None:
        """`data` begin with `<row`, end with `</row>` and have no comments and the like; `number` is that of
        the row before."""
        self.data = data
        self._values = values
        self._bytes: Bytes = np.frombuffer(data, np.uint8)
        self.begins = np.zeros(1, np.int64)
        self.is_plain = np.zeros(1, np.bool_)
        if any(odd in data for odd in _NO_CHARACTERS):
            return
        at = np.flatnonzero(_MARKED.take(self._bytes)).astype(np.int32)
        mark = self._bytes[at]
        tag = np.flatnonzero(mark != ord('"'))
        if (mark < 32).any() or len(tag) % 2 or not self._alternate(at[tag]):
            return
        try:
            data.decode()
        except UnicodeDecodeError:
            return
        self._marks = at
        self._open = tag[::2]
        """Of each tag the index of its < among the marks."""
        self._left, self._right = at[tag[::2]], at[tag[1::2]]
        self._kinds = self._kinds_of_tags()
        self._find_rows(number)
        if self.is_plain.any():
            self._find_cells()

    def _alternate(self, at: Int32s) -> bool:
        byte = self._bytes[at]
        return bool((byte[::2] == ord("<")).all() and (byte[1::2] == ord(">")).all())

    def _kinds_of_tags(self) -> npt.NDArray[np.uint8]:
        left, size = self._left, self._right - self._left - 1
        kinds = np.zeros(len(left), np.uint8)
        first, second = self._bytes[left + 1], self._bytes[left + 2]
        for text, kind in _SHORT.items():
            found = (size == len(text)) & (first == text[0])
            kinds[found if len(text) == 1 else self._spell(text, found)] = kind
        for text, kind in ((b"c ", _C), (_KEEPS_BLANKS, _T), (b"row", _ROW)):
            found = (first == text[0]) & (second == text[1])
            kinds[self._spell(text, found & (size >= len(text)))] = kind
        # Longer than it was compared to.
        kinds[(kinds == _T) & (size != 1) & (size != len(_KEEPS_BLANKS))] = 0
        kinds[
            (kinds == _ROW) & (size > 3) & (self._bytes[np.minimum(left + 4, len(self._bytes) - 1)] != 32)
        ] = 0
        slash = self._bytes[self._right - 1] == ord("/")
        kinds[(kinds == _C) & slash] = _C_EMPTY
        kinds[(kinds == _ROW) & slash] = 0
        return kinds

    def _spell(self, text: bytes, among: Mask) -> Int64s:
        """Which of some tags begin with a text."""
        found = np.flatnonzero(among)
        for offset, byte in enumerate(text):
            found = found[self._bytes[self._left[found] + 1 + offset] == byte]
        return found

    def _texts(self, starts: Any, ends: Any) -> pa.StringArray:
        """Texts at ascending places."""
        [texts] = text_columns(self.data, np.stack([starts, ends], axis=1).astype(np.int32)[:, None, :])
        return texts

    def _find_rows(self, number: int) -> None:
        kinds = self._kinds
        is_row = kinds == _ROW
        rows = np.flatnonzero(is_row)
        if not len(rows) or rows[0] or kinds[-1] != _ROW_END:
            return
        self._row_of = np.cumsum(is_row) - 1
        self.begins = self._left[rows].astype(np.int64)
        plain = np.ones(len(rows), np.bool_)
        right = _FOLLOWS[kinds[:-1], kinds[1:]]
        right &= (self._left[1:] == self._right[:-1] + 1) | (kinds[:-1] == _V) | (kinds[:-1] == _T)
        plain[self._row_of[:-1][~right]] = False
        tags = self._texts(self._left[rows] + 4, self._right[rows])
        found: Any = pc.extract_regex(tags, r'^\s*(?:r="(?P<number>[0-9]{1,7})")?(?P<rest>.*)$')
        numbers, rest = found.flatten()
        known = to_mask(pc.not_equal(numbers, ""), null=False)
        self.numbers = np.arange(number + 1, number + 1 + len(rows))
        if known.any():
            # A row without a number counts from the one before.
            given = pc.cast(pc.if_else(pa.array(known), numbers, "0"), pa.int64()).to_numpy()
            place = np.arange(len(rows))
            last = np.maximum.accumulate(np.where(known, place, -1))
            self.numbers = np.where(last >= 0, given[last] + place - last, self.numbers)
        plain &= (self.numbers >= 1) & (self.numbers <= MAX_ROWS)
        encoded = rest.dictionary_encode()
        fine = [_row_attributes(text) for text in encoded.dictionary.to_pylist()]
        plain &= np.array(fine, np.bool_)[encoded.indices.to_numpy()]
        self.is_plain = plain

    def _find_cells(self) -> None:
        tags = np.flatnonzero((self._kinds == _C) | (self._kinds == _C_EMPTY))
        row = self._row_of[tags]
        left, right = self._left[tags], self._right[tags]
        right = right - (self._kinds[tags] == _C_EMPTY)
        last = len(self._bytes) - 1
        referred = np.ones(len(tags), np.bool_)
        for offset, byte in enumerate(b' r="'):
            referred &= self._bytes[np.minimum(left + 2 + offset, last)] == byte
        close = np.where(referred, self._marks[np.minimum(self._open[tags] + 2, len(self._marks) - 1)], 0)
        columns, right_names = self._columns(left + 6, close)
        first = np.searchsorted(row, np.arange(len(self.begins)))
        within = np.arange(len(tags)) - first[row]
        columns = np.where(referred, columns, within)
        good = np.where(referred, right_names, True) & (columns < MAX_COLUMNS)
        # Some cells of a row with a reference and some without, and columns that are not in order.
        follows = np.flatnonzero(row[1:] == row[:-1])
        good[follows + 1] &= (referred[follows + 1] == referred[follows]) & (
            columns[follows + 1] > columns[follows]
        )
        encoded: Any = self._texts(np.where(referred, close + 1, left + 2), right).dictionary_encode()
        codes = encoded.indices.to_numpy()
        kinds = [_cell_attributes(text) for text in encoded.dictionary.to_pylist()]
        good &= np.array([kind is not None for kind in kinds], np.bool_)[codes]
        self.is_plain[row[~good]] = False
        behind = self._kinds[np.minimum(tags + 1, len(self._kinds) - 1)]
        inline = behind == _IS
        filled = good & (inline | (behind == _V)) & (self._kinds[tags] == _C) & self.is_plain[row]
        tags, codes, inline = tags[filled], codes[filled], inline[filled]
        self._rows, self._columns_of = row[filled], columns[filled]
        begin = tags + 1 + inline
        texts = self._plain_text(self._texts(self._right[begin] + 1, self._left[begin + 1]))
        self._take(texts, np.where(inline, len(kinds), codes), [*kinds, ("inlineStr", "")])

    def _columns(self, start: Any, close: Any) -> tuple[Int64s, Mask]:
        """The columns (from 0) of references between some places, and whether they are references."""
        last = len(self._bytes) - 1
        column = np.zeros(len(start), np.int64)
        letters = np.zeros(len(start), np.int64)
        going = np.ones(len(start), np.bool_)
        for offset in range(3):
            byte = self._bytes[np.minimum(start + offset, last)]
            going = going & _LETTER[byte]
            column = np.where(going, column * 26 + byte - 64, column)
            letters += going
        digits = close - start - letters
        right = (letters > 0) & (digits > 0) & (digits <= 7)
        for offset in range(min(7, int(digits.max(initial=0)))):
            byte = self._bytes[np.clip(start + letters + offset, 0, last)]
            right &= (offset >= digits) | _DIGIT[byte]
        return column - 1, right

    def _plain_text(self, texts: Any) -> Any:
        """The texts without entities. Rows with one that is not of the common five are not plain."""
        if b"&" not in self.data:
            return texts
        mask = to_mask(pc.match_substring(texts, "&"), null=False)
        if not mask.any():
            return texts
        found = texts.filter(pa.array(mask)).to_pylist()
        self.is_plain[self._rows[mask][[_ENTITY.search(text) is not None for text in found]]] = False
        said = [unescape(text, {"&quot;": '"', "&apos;": "'"}) for text in found]
        return pc.replace_with_mask(texts, pa.array(mask), pa.array(said, pa.string()))

    def _take(self, texts: Any, codes: Int64s, kinds: list[tuple[str, str] | None]) -> None:
        """Set what the cells say."""
        if not len(codes):
            self.is_plain[:] = False
            return
        order = np.argsort(codes, kind="stable")
        used, starts = np.unique(codes[order], return_index=True)
        found = []
        is_text = np.zeros(len(codes), np.bool_)
        ends = [*starts[1:].tolist(), len(order)]
        for code, start, end in zip(used.tolist(), starts.tolist(), ends, strict=True):
            places = order[start:end]
            kind = kinds[code]
            assert kind is not None, "cells of a kind that is not known are in no plain row"
            found.append(self._said(texts.take(pa.array(places)), places, *kind))
            is_text[places] = kind[0] in ("s", "str", "inlineStr")
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        self._cells: Any = pa.concat_arrays(found).take(pa.array(back))
        self._is_text = is_text
        # A row that holds nothing, or empty text alone, is not plain.
        holds = np.zeros(len(self.is_plain), np.bool_)
        holds[self._rows[to_mask(pc.greater(pc.binary_length(self._cells), 0), null=False)]] = True
        self.is_plain &= holds

    def _said(self, texts: Any, places: Int64s, kind: str, style: str) -> Any:
        """What cells of a type and style say."""
        if kind == "s" and fully(texts, "[0-9]{1,9}").all():
            return self._shared(texts, places)
        if kind in ("str", "inlineStr"):
            odd = to_mask(pc.match_substring(texts, "_x"), null=False)
        elif kind == "n" and self._is_number(style):
            odd = ~(fully(texts, _INTEGER) | fully(texts, _SHORT_FRACTION))
        else:
            odd = np.ones(len(places), np.bool_)
        if not odd.any():
            return texts
        mask = pa.array(odd)
        said: list[str] = []
        wrong: list[bool] = []
        for text in texts.filter(mask).to_pylist():
            try:
                said.append(_whole(self._values.value(kind, text, style)))
                wrong.append(False)
            except (ValueError, LookupError, ArithmeticError):
                said.append("")
                wrong.append(True)
        self.is_plain[self._rows[places[odd]][wrong]] = False
        column = pa.array(said, pa.string())
        return column if odd.all() else pc.replace_with_mask(texts, mask, column)

    def _shared(self, texts: Any, places: Int64s) -> Any:
        """Shared strings by their numbers."""
        try:
            said = self._values.strings(pc.cast(texts, pa.int64()).to_pylist())
            if sum(map(len, said)) <= _MOST_TEXT:
                return pa.array(said, pa.string())
        except (LookupError, UnicodeEncodeError):
            pass
        self.is_plain[self._rows[places]] = False
        return texts

    def _is_number(self, style: str) -> bool:
        """Whether numbers in a style are shown as they are."""
        try:
            return (
                self._values.value("n", "1", style) == "1"
                and self._values.value("n", "40000.5", style) == "40000.5"
            )
        except (ValueError, LookupError, ArithmeticError):
            return False

    def rows(self, first: int, end: int) -> PlainRows:
        """The rows from one to before another, which are all plain."""
        cells = slice(*np.searchsorted(self._rows, [first, end]))
        row, column = self._rows[cells] - first, self._columns_of[cells]
        texts = self._cells.slice(cells.start, cells.stop - cells.start)
        order = np.argsort(column, kind="stable")
        used, starts = np.unique(column[order], return_index=True)
        ends = [*starts[1:].tolist(), len(order)]
        columns = {}
        for number, start, stop in zip(used.tolist(), starts.tolist(), ends, strict=True):
            places = order[start:stop]
            indices = np.full(end - first, -1, np.int64)
            indices[row[places]] = places
            full = texts.take(pa.array(indices, mask=indices < 0))
            # Cells that hold the empty text hold nothing.
            empty = pc.equal(pc.binary_length(full), 0)
            if pc.any(empty).as_py():
                full = pc.if_else(empty, pa.scalar(None, pa.string()), full)
            is_text = np.zeros(end - first, np.bool_)
            is_text[row[places]] = self._is_text[cells][places]
            columns[number] = (full, is_text)
        return PlainRows(self.numbers[first:end], columns)


def _whole(text: str) -> str:
    """The text. Raises ValueError for one with half of a surrogate pair."""
    text.encode()
    return text


def _row_attributes(text: str) -> bool:
    """Whether these attributes of a row, besides its number, say nothing."""
    found = _ATTRIBUTE.findall(text)
    names = [name for name, _ in found]
    return (
        _ATTRIBUTE.sub("", text).strip() == ""
        and len(set(names)) == len(names)
        and not {"r", "hidden"} & {name.rpartition(":")[2] for name in names}
    )


def _cell_attributes(text: str) -> tuple[str, str] | None:
    """Type and style of a cell by its attributes besides the reference; None if there are others."""
    found = _ATTRIBUTE.findall(text)
    attributes = dict(found)
    if _ATTRIBUTE.sub("", text).strip() or len(attributes) < len(found) or attributes.keys() - {"s", "t"}:
        return None
    kind = attributes.get("t", "n")
    return None if kind in ("e", "d") else (kind, attributes.get("s", ""))
