"""The notes of a sheet (ECMA-376 part 1, 18.7; their boxes are VML, part 4, 14)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

_XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_TYPE = "application/vnd.openxmlformats-officedocument"

_DRAWING = """<xml xmlns:v="urn:schemas-microsoft-com:vml" xmlns:o="urn:schemas-microsoft-com:office:office" \
xmlns:x="urn:schemas-microsoft-com:office:excel"><o:shapelayout v:ext="edit"><o:idmap v:ext="edit" \
data="1"/></o:shapelayout><v:shapetype id="n" coordsize="21600,21600" o:spt="202" \
path="m,l,21600r21600,l21600,xe"><v:stroke joinstyle="miter"/><v:path gradientshapeok="t" \
o:connecttype="rect"/></v:shapetype>"""


class SheetNotes:
    """Notes of one sheet, at most `most`; more are dropped."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._comments: list[str] = []
        self._shapes: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._comments)

    @property
    def is_full(self) -> bool:
        """Whether more are dropped."""
        return len(self._comments) == self._most

    def add(self, row: int, column: int, letter: str, text: str) -> None:
        """Add a note to a cell: its row from 1, its column from 0, and the letters of that; `text` is XML."""
        if len(self._comments) == self._most:
            return
        self._comments.append(
            f'<comment ref="{letter}{row}" authorId="0"><text><r><t xml:space="preserve">{text}</t></r>'
            "</text></comment>"
        )
        self._shapes.append(
            f'<v:shape id="n{len(self._shapes) + 1}" type="#n" style="position:absolute;visibility:hidden" '
            'fillcolor="#ffffe1" o:insetmode="auto"><v:fill color2="#ffffe1"/><v:path o:connecttype="none"/>'
            '<x:ClientData ObjectType="Note"><x:MoveWithCells/><x:SizeWithCells/>'
            f"<x:Anchor>{column + 1},15,{row},2,{column + 4},15,{row + 4},4</x:Anchor><x:AutoFill>False"
            f"</x:AutoFill><x:Row>{row - 1}</x:Row><x:Column>{column}</x:Column></x:ClientData></v:shape>"
        )

    def parts(self, sheet: int) -> Iterator[tuple[str, str]]:
        """Names and texts of the parts of a sheet with notes, by its number."""
        yield (
            f"xl/comments{sheet}.xml",
            f'{_XML}<comments xmlns="{_MAIN}"><authors><author>Data Ingestor</author></authors>'
            f"<commentList>{''.join(self._comments)}</commentList></comments>",
        )
        yield f"xl/drawings/notes{sheet}.vml", f"{_DRAWING}{''.join(self._shapes)}</xml>"
        yield (
            f"xl/worksheets/_rels/sheet{sheet}.xml.rels",
            f'{_XML}<Relationships xmlns="{_PACKAGE}/relationships">'
            f'<Relationship Id="rId1" Type="{_OFFICE}/vmlDrawing" Target="../drawings/notes{sheet}.vml"/>'
            f'<Relationship Id="rId2" Type="{_OFFICE}/comments" Target="../comments{sheet}.xml"/>'
            "</Relationships>",
        )


def content_types(sheets: Iterable[int]) -> str:
    """The content types of the parts of these sheets."""
    comments = "".join(
        f'<Override PartName="/xl/comments{sheet}.xml" ContentType="{_TYPE}.spreadsheetml.comments+xml"/>'
        for sheet in sheets
    )
    return f'<Default Extension="vml" ContentType="{_TYPE}.vmlDrawing"/>{comments}' if comments else ""
