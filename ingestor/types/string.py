"""Texts: the types string and any."""

from __future__ import annotations

import re
from typing import ClassVar

from ingestor.columns.text_column import TextColumn
from ingestor.types.type import SIZED, Converted, FieldType, ValueFormatError, matching

# RE2 and Python read these expressions alike.
_FORMATS = {
    # The HTML standard's rule for <input type=email>, and a domain with a dot.
    "email": r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
    r"(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)+",
    # RFC 3986: a scheme, and characters that may stand in a URI.
    "uri": r"[a-zA-Z][a-zA-Z0-9+.-]*:(?:[a-zA-Z0-9._~:/?#\[\]@!$&'()*+,;=-]|%[0-9a-fA-F]{2})+",
    # RFC 9562, either case.
    "uuid": r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}",
    # RFC 4648.
    "binary": r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?",
}


class AnyType(FieldType):
    """Any text."""

    name = "any"
    examples: ClassVar[tuple[str, ...]] = ("a", "é b", "")
    postgres_type = "text"
    constraints = SIZED | {"pattern"}

    def parse(self, text: str) -> str:
        return text

    def convert(self, text: TextColumn) -> Converted:
        return Converted(text.array, text.array, None)


class StringType(AnyType):
    """A text in one of its formats, or any text."""

    name = "string"
    examples = (
        "a",
        "a.b@example.com",
        "https://example.com/a?b=c",
        "123e4567-e89b-12d3-a456-426614174000",
        "QUI=",
    )
    formats = tuple(_FORMATS)
    keys = frozenset(("categories", "categoriesOrdered"))
    is_item = True

    def parse(self, text: str) -> str:
        pattern = _FORMATS.get(self.settings.format)
        if pattern is not None and not re.fullmatch(pattern, text):
            raise ValueFormatError(f"is not a text of the format {self.settings.format}")
        return text

    def convert(self, text: TextColumn) -> Converted:
        pattern = _FORMATS.get(self.settings.format)
        return super().convert(text) if pattern is None else matching(text, pattern)
