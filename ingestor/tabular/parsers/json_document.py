"""Reads a JSON document: an array of objects, such objects one after another, or an object around them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

from ingestor.outcomes import Notice, quoted
from ingestor.plugins import TableParser
from ingestor.tabular.errors import UnreadableFileError
from ingestor.tabular.files.encodings import detect_encoding, text_pieces
from ingestor.tabular.limits import Limits
from ingestor.tabular.normal_form import BlockBuilder
from ingestor.tabular.options import ReadOptions
from ingestor.tabular.parsers.json_lines import begins_like, is_json_lines, not_in_encoding
from ingestor.tabular.parsers.json_text import BAD_CHARACTER, Element, JsonText
from ingestor.tabular.parsers.json_values import JsonObject, RowError, check_kept, is_kept, row_of
from ingestor.tabular.text_table import TextTable

_SAMPLE = 64 * 1024
# Objects within each other that are searched for the array of rows.
_LEVELS = 5


def _rows(text: JsonText, path: str) -> Iterator[Element]:
    """The rows of a document, taken to its end. `path`: see `ReadOptions.path`."""
    if path:
        found = False
        for element in _at(text, path, ""):
            found = True
            if element is not None:
                yield element
        if not found:
            raise _no_array(path)
    elif text.peek() == "[":
        yield from text.elements()
    else:
        while text.peek() == "{":
            yield text.value()
        if text.peek() == ",":
            raise text.fail("objects with commas between them need brackets around them")
    if text.peek():
        raise text.fail("something follows the end of the JSON document")


def _at(text: JsonText, path: str, begun: str) -> Iterator[Element | None]:
    """The elements of the array at a path from the object that comes next, after a None; takes all of the
    object. `begun` is the path of the object, with a dot behind it."""
    if text.peek() != "{":
        raise _no_array(path)
    for name in text.members():
        here = begun + name
        if here == path:
            if text.peek() != "[":
                raise _no_array(path)
            yield None
            yield from text.elements()
        elif path.startswith(f"{here}.") and text.peek() == "{":
            yield from _at(text, path, f"{here}.")
        else:
            text.skip()


def _no_array(path: str) -> UnreadableFileError:
    return UnreadableFileError(
        "JSON_PATH_UNKNOWN",
        f"The document holds no array at the path {quoted(path)}; correct the path, or leave it out.",
    )


class _Search:
    """The arrays of objects in an object."""

    def __init__(self, text: JsonText) -> None:
        self.found: dict[str, tuple[int, int]] = {}
        """By path: where the array's elements begin (if the text came as one piece), and how many objects are
        around it."""
        self._text = text

    def run(self, begun: str = "", level: int = 1) -> None:
        """Take the object that comes next; `begun` is its path with a dot behind it."""
        text = self._text
        for name in text.members():
            mark = text.peek()
            if mark == "{" and level < _LEVELS:
                self.run(f"{begun}{name}.", level + 1)
            elif mark == "[":
                text.take()
                start = text.position
                if text.peek() == "{" and is_kept(name):
                    self.found[begun + name] = start, level
                text.skip(depth=1)
            else:
                text.skip()

    def only(self) -> str:
        """The path of the only array; "" without one. Raises UnreadableFileError when there are several."""
        if len(self.found) > 1:
            listed = ", ".join(map(quoted, list(self.found)[:10]))
            raise UnreadableFileError(
                "JSON_PATH_UNKNOWN",
                f"The document is one object with {len(self.found)} arrays of objects ({listed}); "
                'declare the path of the one to read, or the path "" to read the object as one row.',
            )
        return next(iter(self.found), "")


def _found_path(text: JsonText) -> tuple[str, tuple[Notice, ...]]:
    """Where the rows of a document are, and what is told of it. Raises UnreadableFileError when that is not
    plain."""
    if text.peek() != "{":
        return "", ()
    search = _Search(text)
    search.run()
    if text.peek():  # objects one after another are the rows
        return "", ()
    path = search.only()
    told = "The document is one object without an array of objects in it, so it is read as one row."
    if path:
        told = f"The rows are the objects of the array {quoted(path)}; the rest of the document is not read."
    return path, (Notice("json-path", told),)


def whole_elements(text: str, path: str | None) -> str:
    """The incomplete text of a document, cut after its last whole row and closed; "" without a whole row."""
    begun = text.lstrip(" \t\r\n")
    end, closing = 0, ""
    if begun.startswith("["):
        end, closing = _whole(text, text.index("[") + 1), "]"
    elif begun.startswith("{") and not path:
        end = _whole(text, 0)
    if not end and begun.startswith("{"):
        search = _Search(JsonText(iter([text]), len(text)))
        with suppress(UnreadableFileError):  # at the latest at the text's end
            search.run()
        wanted = path or search.only()
        if wanted in search.found:
            start, level = search.found[wanted]
            end, closing = _whole(text, start), "]" + "}" * level
    return text[:end] + closing if end else ""


def _whole(text: str, start: int) -> int:
    """The end of the last whole value of those that begin at `start`, with commas or without; 0 if none."""
    cursor = JsonText(iter([text[start:]]), len(text))
    end = 0
    try:
        while (mark := cursor.peek()) not in ("", "]", "}"):
            cursor.value()
            if mark not in '{["' and not cursor.peek():
                break  # a number may continue
            end = start + cursor.position
            if cursor.peek() == ",":
                cursor.take()
    except UnreadableFileError:
        pass
    return end


class JsonDocument:
    """The columns are the names in all objects, so the file is read twice, and a document that is not valid
    JSON to its end is refused before any row is loaded."""

    def __init__(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> None:
        head = file.read(_SAMPLE)
        self._file = file
        self._encoding = options.encoding or detect_encoding(head, whole=len(head) < _SAMPLE)
        self._most = limits.max_record_bytes
        found = _found_path(self._text()) if options.path is None else (options.path, ())
        self._path, self._told = found
        names: dict[str, None] = {}
        for element in _rows(self._text(), self._path):
            if isinstance(element.value, JsonObject):
                for name, _ in element.value.members:
                    if not element.suspect or is_kept(name):
                        names[name] = None
            if len(names) > limits.max_columns:
                raise UnreadableFileError(
                    "TOO_MANY_COLUMNS", f"The objects have more than {limits.max_columns} different names."
                )
        if not names:
            raise UnreadableFileError("FILE_EMPTY", "The document holds no object with a member.")
        self.columns: tuple[str, ...] = tuple(names)

    def _text(self) -> JsonText:
        self._file.seek(0)
        return JsonText(text_pieces(self._file, self._encoding), self._most)

    def blocks(self) -> Iterator[TextTable]:
        positions = {name: position for position, name in enumerate(self.columns)}
        builder = BlockBuilder(len(positions), notices=self._told)
        for element in _rows(self._text(), self._path):
            text = element.text
            try:
                if element.damaged:
                    raise not_in_encoding(self._encoding)
                if element.suspect:
                    check_kept(element.value)
                cells, words = row_of(element.value, positions)
                builder.add(element.line, cells, element.size, words)
            except RowError as error:
                builder.reject(element.line, error.code, error.message, text.replace(BAD_CHARACTER, "\\xff"))
            if builder.full:
                yield builder.take()
        if not builder.empty:
            yield builder.take()


class JsonDocumentParser(TableParser):
    name = "json"

    def recognises(self, head: bytes, file_name: str) -> bool:
        """Whether it begins like an array, or like objects that are not one to a line."""
        if begins_like("{", head, file_name):
            return not is_json_lines(head, file_name)
        return begins_like("[", head, file_name)

    @contextmanager
    def open(self, file: BinaryIO, options: ReadOptions, limits: Limits) -> Iterator[JsonDocument]:
        yield JsonDocument(file, options, limits)
