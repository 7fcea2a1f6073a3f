"""Types whose values are written as in ISO 8601, or in a format of their own.

Reading a value means putting its parts into the order of ISO 8601; the ISO rules do the rest.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator
from functools import cached_property
from typing import ClassVar

from ingestor.columns.arrow import pc, to_mask
from ingestor.columns.late import pa
from ingestor.columns.text_column import TextColumn, text_column
from ingestor.types.notation.month_names import LOCALES
from ingestor.types.notation.time_format import TimeFormat, parse_format
from ingestor.types.type import Converted, FieldType, Settings, Value, ValueFormatError


class FormattedType(FieldType):
    """A type of dates or times."""

    iso_form: ClassVar[str]
    """The ISO 8601 text, with the letters of strptime's directives for digits ("YYYY-mm-dd")."""
    directives: ClassVar[str]
    """The directives that a format may have; those that are not in the iso_form are dropped."""

    @classmethod
    def check_format(cls, format_: str) -> None:
        if format_ not in ("default", *cls.formats):
            parse_format(format_, cls.name, cls.iso_form, cls.directives)

    @classmethod
    def setting_problems(cls, settings: Settings) -> Iterator[tuple[str, str]]:
        if "locale" in cls.keys and settings.locale not in LOCALES:
            yield "locale", f"must be one of {', '.join(LOCALES)}"

    @cached_property
    def _format(self) -> TimeFormat | None:
        format_ = self.settings.format
        if format_ == "default":
            return None
        return parse_format(format_, self.name, self.iso_form, self.directives, self.settings.locale)

    def parse(self, text: str) -> Value:
        if self._format is None:
            return self.parse_iso(text)
        if not re.fullmatch(self._format.pattern, text):
            raise ValueFormatError(f"is not a {self.name} of the form {self.settings.format}")
        (iso,) = self._format.in_parts(pa.array([text], pa.string())).to_pylist()
        return self.parse_iso(str(iso))

    def convert(self, text: TextColumn) -> Converted:
        if self._format is None:
            return self.convert_iso(text)
        if self._format.fixed is not None and (iso := self._format.fixed.column_to_iso(text)) is not None:
            return self.convert_iso(iso)
        array = self._format.in_parts(text.array)
        bad = text.present(to_mask(pc.is_null(array), null=False))
        result = self.convert_iso(text_column(array, frozenset()))
        if result.bad is not None:
            bad |= result.bad
        return Converted(result.column, result.comparable, bad if bad.any() else None)

    @abstractmethod
    def parse_iso(self, text: str) -> Value:
        """The value of a text in the default format. Raises ValueFormatError."""

    @abstractmethod
    def convert_iso(self, text: TextColumn) -> Converted:
        """The same for a column."""
