"""Opens the parts of a workbook: XML documents in a zip archive that refer to each other by name."""

from __future__ import annotations

import posixpath
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast
from urllib.parse import unquote
from xml.parsers import expat

from ingestor.tabular.errors import UnreadableFileError

_PIECE = 256 * 1024
_MAX_PARTS = 10_000
_MAX_ELEMENTS = 300_000  # of a part that is kept whole
_MAX_PART_BYTES = 32 * 2**30
_MAX_RATIO = 1000
_FREE_BYTES = 64 * 2**20
_ROOT = "_rels/.rels"
# By the beginning of a part's name: what an archive without a workbook is.
_OTHERS = (
    ("xl/workbook.bin", "a binary Excel workbook (.xlsb)"),
    ("word/", "a Word document (.docx)"),
    ("ppt/", "a PowerPoint presentation (.pptx)"),
)


def invalid(what: str) -> UnreadableFileError:
    """The error for a workbook that cannot be read."""
    return UnreadableFileError("XLSX_INVALID", f"The workbook is damaged: {what}.")


def local(name: str) -> str:
    """A name of XML without its prefix."""
    return name.rpartition(":")[2]


class Handler:
    """Receives the events of an XML part."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Character data."""


class _Elements(Handler):
    """Collects (name, attributes) of every element of a small part, without prefixes."""

    def __init__(self) -> None:
        self.found: list[tuple[str, dict[str, str]]] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""
        self.found.append((local(name), {local(key): value for key, value in attributes.items()}))
        if len(self.found) > _MAX_ELEMENTS:
            raise invalid("too many elements")


class PartParser:
    """Feeds the XML of a part to a handler. Refuses entities and document types."""

    def __init__(self, part: str, handler: Handler) -> None:
        self._part = part
        self._parser = parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = handler.start
        parser.EndElementHandler = handler.end
        parser.CharacterDataHandler = handler.text
        parser.StartDoctypeDeclHandler = self._forbid
        parser.EntityDeclHandler = self._forbid

    def _forbid(self, *_: object) -> None:
        raise invalid(f"the part {self._part} declares a document type or an entity")

    def feed(self, piece: bytes) -> None:
        """Parse the next bytes. Raises UnreadableFileError."""
        self._parse(piece, ended=False)

    def end(self) -> None:
        """Say that the part has ended. Raises UnreadableFileError."""
        self._parse(b"", ended=True)

    def _parse(self, piece: bytes, *, ended: bool) -> None:
        try:
            self._parser.Parse(piece, ended)
        except expat.ExpatError as error:
            raise invalid(f"the part {self._part} is not XML ({error})") from error


class Package:
    """The parts of a workbook by name. Names are compared like those of files of Windows: without case, with
    either slash; some programs write them so."""

    def __init__(self, file: BinaryIO) -> None:
        """Raises UnreadableFileError."""
        try:
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise invalid("it is not a zip archive") from error
        entries = self._archive.infolist()
        if len(entries) > _MAX_PARTS:
            raise invalid("it has too many parts")
        self._entries: dict[str, zipfile.ZipInfo] = {}
        for entry in entries:
            self._entries.setdefault(_plain(entry.filename), entry)
        self._known: dict[str, dict[str, tuple[str, str]]] = {}  # relationships by part and id

    def close(self) -> None:
        """Close the archive, not its file."""
        self._archive.close()

    def has(self, part: str) -> bool:
        """Whether there is such a part."""
        return _plain(part) in self._entries

    def size(self, part: str) -> int:
        """Bytes of a part, as the archive states them."""
        return self._entries[_plain(part)].file_size

    def open(self, part: str) -> BinaryIO:
        """A part as a stream of bytes. Raises UnreadableFileError."""
        try:
            return cast(BinaryIO, self._archive.open(self._entries[_plain(part)]))
        except KeyError as error:
            raise invalid(f"the part {part} is missing") from error
        except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError) as error:
            raise invalid(f"the part {part} cannot be read") from error

    def pieces(self, part: str) -> Iterator[bytes]:
        """The bytes of a part. Raises UnreadableFileError, also when they expand too far."""
        packed = self._entries[_plain(part)].compress_size if self.has(part) else 0
        size = 0
        try:
            with self.open(part) as file:
                while piece := file.read(_PIECE):
                    size += len(piece)
                    if size > _MAX_PART_BYTES or (size > _FREE_BYTES and size > packed * _MAX_RATIO):
                        raise UnreadableFileError(
                            "EXPANDS_TOO_FAR", f"The workbook's part {part} expands too far."
                        )
                    yield piece
        except (zipfile.BadZipFile, OSError, EOFError, ValueError, zlib.error) as error:
            raise invalid(f"the part {part} cannot be read") from error

    def parse(self, part: str, handler: Handler) -> Iterator[None]:
        """Feed a part to a handler, yielding after each piece. Raises UnreadableFileError."""
        parser = PartParser(part, handler)
        for piece in self.pieces(part):
            parser.feed(piece)
            yield
        parser.end()
        yield

    def elements(self, part: str) -> list[tuple[str, dict[str, str]]]:
        """Every element of a small part: its name and attributes without prefixes."""
        handler = _Elements()
        for _ in self.parse(part, handler):
            pass
        return handler.found

    def workbook(self) -> str:
        """The name of the main part. Raises UnreadableFileError when the archive is something else."""
        if self.has(_ROOT):
            for kind, target in self.related(""):
                if kind == "officeDocument" and _plain(target).endswith(".xml") and self._is_workbook(target):
                    return target
        found = [name for name in self._entries if posixpath.basename(name) == "workbook.xml"]
        if found:
            return min(found, key=len)
        for beginning, what in _OTHERS:
            if any(name.startswith(beginning) for name in self._entries):
                raise UnreadableFileError(
                    "UNSUPPORTED_FILE_TYPE", f"The file is {what}, not an .xlsx workbook."
                )
        raise invalid("it has no workbook part")

    def _is_workbook(self, part: str) -> bool:
        return self.has(part) and not _plain(part).startswith(("word/", "ppt/"))

    def related(self, part: str) -> list[tuple[str, str]]:
        """What a part ("": the package) refers to: the last word of each relationship's type, and the part's
        name."""
        return list(self._relationships(part).values())

    def target(self, part: str, relationship: str) -> tuple[str, str] | None:
        """The same for one relationship; None if there is none of this id."""
        return self._relationships(part).get(relationship)

    def _relationships(self, part: str) -> dict[str, tuple[str, str]]:
        """By id; of those that have the same id the first one."""
        folder, name = posixpath.split(part)
        rels = posixpath.join(folder, "_rels", f"{name}.rels")
        if part in self._known:
            return self._known[part]
        found = self._known[part] = {}
        if not self.has(rels):
            return found
        for element, attributes in self.elements(rels):
            if element == "Relationship" and attributes.get("TargetMode") != "External":
                kind = attributes.get("Type", "").rpartition("/")[2]
                target = self._resolved(folder, attributes.get("Target", ""))
                found.setdefault(attributes.get("Id", f"without {len(found)}"), (kind, target))
        return found

    def _resolved(self, folder: str, target: str) -> str:
        """The name of the part that a target means, relative to a folder; some programs write it relative to
        the package."""
        target = target.replace("\\", "/")
        relative = target if target.startswith("/") else posixpath.join(folder, target)
        for name in (relative, unquote(relative), target, unquote(target)):
            if self.has(name):
                return _plain(name)
        return _plain(relative)


def _plain(name: str) -> str:
    """A part's name in lower case, without dots, backslashes and a slash in front."""
    return posixpath.normpath("/" + name.replace("\\", "/")).lstrip("/").lower()
