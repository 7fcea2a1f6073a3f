"""Rows of a sheet that are read at once give what the XML parser gives for each."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestor.notices import merged, shifted
from ingestor.outcomes import Notice
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import block_lines
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.xlsx import package, parser, sheet_reader
from ingestor.tabular.parsers.xlsx.parser import XlsxParser
from ingestor.tabular.parsers.xlsx.sheet import SheetHandler
from tests.unit.tabular.workbooks.building import Cell, packed, parts_of, sheet_xml

_FORMATS = ["yyyy-mm-dd", "yyyy-mm-dd hh:mm", "hh:mm", "[h]:mm", "0.0%", "00000", "0.00"]
_SHARED = [
    "<t>a</t>",
    "<t/>",
    "<t>1.50</t>",
    "<r><t>ri</t></r><r><t>ch</t></r>",
    "<t>x_x0041_&amp;</t>",
    "<t>_xD800_</t>",
]
_TEXTS = [
    *("a", "", "1.50", "2024-01-02", "ü", "a &amp; b", "&lt;b&gt;", "&quot;&apos;", "&#10;", "_x0041_", "_x"),
    *(" a ", "a\tb", "a\nb", 'say "hi"', "true", "&amp;lt;", "a>b", "_xD800_", "]]", "\r", "\ufffd"),
]  # fmt: skip
_NUMBERS = [
    *("1", "-7", "007", "-0", "1.5", "1.50", "0.30000000000000004", "1E5", "1e-7", "45000", "45000.75"),
    *("", " 5 ", "abc", "60", "0", "-1.25", "123456789.123", "1e400", ".5", "5.", "45000.999999999", "1_0"),
    *("61", "60.5", "366.25", "2958466", "44197.00000000001", "0.0000123", "12345678901234567890"),
    *("0.5", "10000000.1"),
]  # fmt: skip
_HIDDEN = "<row><c><v>1</v></c></row>"
_KINDS = ["", "n", "s", "str", "b", "e", "d", "inlineStr"]
_VALUES = {"s": ["0", "1", "2", "3", "4", "5", "6", "-1", "x", "", " 1"], "b": ["0", "1", "true", "2"]}
_OTHER = {"e": ["#N/A"], "d": ["2024-01-02", "2024-01-02T00:00:00"]}


@st.composite
def _cell(draw: st.DrawFn, reference: str, *, odd: bool) -> str:
    name = f' r="{reference}"' if reference else ""
    style = draw(st.sampled_from(["", "", "", *(f' s="{number}"' for number in range(9))]))
    how = draw(st.integers(0, 12 if odd else 6))
    if how <= 1:
        blanks = draw(st.sampled_from(["", ' xml:space="preserve"']))
        text = draw(st.sampled_from(_TEXTS[: None if odd else 10]))
        return f'<c{name}{style} t="inlineStr"><is><t{blanks}>{text}</t></is></c>'
    if how == 2:
        return f"<c{name}{style}/>"
    if how <= 6 or how == 12:
        kind = draw(st.sampled_from(_KINDS if odd else _KINDS[:5]))
        usual = _TEXTS if kind in ("str", "inlineStr") else _NUMBERS
        values = _VALUES.get(kind, _OTHER.get(kind, usual))
        value = draw(st.sampled_from(values if odd else values[:7]))
        kind = f' t="{kind}"' if kind else ""
        return f"<c{name}{kind}{style}><v>{value}</v></c>"
    return draw(
        st.sampled_from([
            f"<c{name}><f>1+1</f><v>2</v></c>", f"<c{name}><f>1+1</f></c>", f"<c{name}></c>",
            f"<c{name}><is><r><t>ri</t></r><r><t>ch</t></r></is></c>", f"<c{name} cm='1'><v>3</v></c>",
            f"<c{name}> <v>4</v></c>", f"<c{name}><v/></c>", f"<c  {name}><v>5</v></c>",
            f"<c{name}><is><t>a</t><rPh><t>b</t></rPh></is></c>", f"<!-- <c><v>1</v></c> --><c{name}/>",
            f"<c{name}><v>6</v><v>7</v></c>", f"<c{name} s='0'><v>8</v></c>", f'<c s="1"{name}><v>9</v></c>',
            f"<c{name}><v><![CDATA[1]]></v></c>", f"<x:c{name}><x:v>10</x:v></x:c>", f"<cell{name}/>",
            f"<c{name}><is><t /></is></c>", f'<c{name} t="inlineStr"><v>a</v></c>',
            f"<c{name}>x<v>11</v></c>",
        ])
    )  # fmt: skip


@st.composite
def _row(draw: st.DrawFn, number: int) -> tuple[str, int]:
    """A row, and its number."""
    odd = draw(st.integers(0, 3)) == 0
    number += draw(st.sampled_from([1, 1, 1, 2])) if odd else 1
    shown = draw(st.sampled_from([f' r="{number}"', f' r="{number}"', "", f" r='{number}'"])) if odd else ""
    shown = shown or draw(st.sampled_from(["", f' r="{number}"']))
    more = ["", ' spans="1:3"', ' x:dyDescent="0.25" ht="15"', ' hidden="1"', ' hidden="0"', " ", ' a="&lt;"']
    attributes = shown + draw(st.sampled_from(more if odd else more[:3]))
    names = draw(
        st.sampled_from(
            ["ABC", "ABC", "AB", "A C", "   ", *(["CBA", "AAB", "ABD", "A", "a1", "E"] if odd else [])]
        )
    )
    cells = [draw(_cell("" if name == " " else f"{name}{number}", odd=odd)) for name in names]
    text = f"<row{attributes}>{''.join(cells)}</row>"
    if odd:
        text += draw(
            st.sampled_from(
                [
                    "",
                    "",
                    "\n",
                    "<!-- <row><c><v>1</v></c></row> -->",
                    f"<!-- {_HIDDEN * 9} -->",
                    "<row/>",
                    "<row></row>",
                ]
            )
        )
    return text, number if "r=" in shown else -1


@st.composite
def _sheets(draw: st.DrawFn) -> tuple[bytes, bool]:
    """A workbook, and whether its sheet ends somewhere."""
    text, number = "", 1
    for _ in range(draw(st.integers(0, 25))):
        row, _ = draw(_row(number))
        number += 1
        text += row
    head = sheet_xml([["a", "b", "c"]])
    text = head.replace("</sheetData>", text + "</sheetData>" + draw(st.sampled_from(["", "<row r='9'/>"])))
    text = draw(st.sampled_from(["", '<?xml version="1.0" encoding="UTF-8"?>\n'])) + text
    text = text.replace("<worksheet", '<worksheet xmlns:x="x"')
    is_cut = draw(st.integers(0, 9)) == 0
    if is_cut:
        text = text[: draw(st.integers(100, len(text)))]
    return packed(parts_of({"S": text}, formats=_FORMATS, shared=_SHARED)), is_cut


def _read(data: bytes, options: ReadOptions, limits: Limits) -> tuple[object, ...]:
    lines: list[bytes] = []
    notices: list[Notice] = []
    count = 0
    try:
        with XlsxParser().open(io.BytesIO(data), options, limits) as table:
            for block in table.blocks():
                assert len(block.row_index) + len(block.rejected) == block.record_count
                lines.append(block_lines(block))
                notices += shifted(block.notices, count)
                count += block.record_count
    except UnreadableFileError as error:
        return error.reason, str(error).split("(")[0]
    notices.sort(key=lambda notice: (notice.code, notice.message))
    return table.columns, b"".join(lines).decode().split("\n"), merged(notices)


@given(
    sheet=_sheets(),
    piece=st.sampled_from([40, 300, 1000, 100_000]),
    rows=st.sampled_from([1, 3, 100]),
    footer=st.sampled_from([None, 0, 2]),
)
def test_as_each_row_alone(sheet: tuple[bytes, bool], piece: int, rows: int, footer: int | None) -> None:
    data, is_cut = sheet
    limits = Limits(block_rows=rows)
    options = ReadOptions() if footer is None else ReadOptions(skip_footer=footer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(package, "_PIECE", piece)
        patch.setattr(parser, "PEEKED", 2)
        patch.setattr(parser, "MOST_LINES", 1)
        patch.setattr(parser, "_LONGEST_FOOTER", 2)
        patch.setattr(sheet_reader, "_FEWEST", 0)
        together = _read(data, options, limits)
        assert is_cut or not isinstance(together[0], str), together
        patch.setattr(sheet_reader, "_is_utf8", lambda _: False)
        assert _read(data, options, limits) == together


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (Cell("1.5"), "1.5"),
        (Cell("0.30000000000000004"), "0.3"),
        (Cell("45000.75", style=2), "2023-03-15T18:00:00"),
        (Cell("3", "s"), "rich"),
        (Cell("a & b", "str"), "a & b"),
        (Cell("1", "b"), "true"),
        (Cell(None, style=1), None),
        ("a\nb", "a\nb"),
    ],
)
def test_plain_rows_are_read_at_once(
    cell: Cell | str, text: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = sheet_xml([["id", "x"], *([str(number), cell] for number in range(5000))])
    data = packed(parts_of({"S": sheet}, formats=_FORMATS, shared=_SHARED))
    alone = []
    start_row = SheetHandler._start_row

    def count_row(handler: SheetHandler, attributes: dict[str, str]) -> None:
        alone.append(handler)
        start_row(handler, attributes)

    monkeypatch.setattr(package, "_PIECE", 2000)
    monkeypatch.setattr(SheetHandler, "_start_row", count_row)
    with XlsxParser().open(io.BytesIO(data), ReadOptions(skip_footer=0), Limits()) as table:
        rows = [cells for block in table.blocks() for cells in block.columns[1].to_pylist()]
    assert rows == [text] * 5000
    assert len(alone) < 450  # those at the top
