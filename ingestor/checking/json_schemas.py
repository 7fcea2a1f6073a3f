"""The constraint jsonSchema: JSON Schema (draft 2020-12, or what "$schema" names) for JSON in cells.

Whatever a document says, checking a cell must end soon, touch no network or file, and see exact numbers:

- References stay inside the schema and do not lead back to where they came from. So the schema has a finite
  size with everything unfolded, which bounds how often a value is looked at.
- Regular expressions are those of Rust's regex crate, which takes time in proportion to the text and has
  no look-around or back-references. The size of what they are compiled to is limited.
- A cell's bytes times the parts of the schema, and times its regular expressions, are limited: a check takes
  no longer than some seconds. The reason why a value is not valid is one error, and sought only where that is
  cheap: an anyOf collects the errors of all its branches, which took gigabytes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

import jsonschema_rs

from ingestor.outcomes import shortened
from ingestor.pipelines.errors import pointer
from ingestor.types.notation.json_text import canonical_json

MAX_UNFOLDED = 10_000
MAX_NESTED = 200
# Most bytes of a cell, times the parts of the schema with references followed (5 ns each).
MAX_STEPS = 2**28
# Most bytes of a cell, times the schema's regular expressions (20 us each, at the worst).
MAX_MATCHED = 2**19
# Cells for which a reason is sought: most bytes, and most bytes times parts if the schema has alternatives.
_EXPLAINED_BYTES = 2**18
_EXPLAINED_STEPS = 100_000
# Seconds that the reasons of one column of a batch may take.
_EXPLAINED_SECONDS = 5.0
_ALTERNATIVES = ("anyOf", "oneOf")
# What a regular expression is compiled to; documents stored by earlier releases may have larger ones.
_REGEX_BYTES = 50_000
_STORED_REGEX_BYTES = 1_000_000
# Keywords with values of the user's own, in which nothing is a schema.
_DATA = ("const", "enum", "default", "examples", "example")
_DEFINITIONS = ("$defs", "definitions")
# Keywords with schemas under names of the user's own.
_NAMED = (*_DEFINITIONS, "properties", "patternProperties", "dependentSchemas", "dependencies")
_DYNAMIC = ("$dynamicRef", "$recursiveRef")

Path = tuple[str | int, ...]


def schema_check(schema: Mapping[str, Any]) -> Callable[[Any, int], str | None]:
    """A function that says why a value (of json_text.read_cell, from so many bytes of text) is not valid, a
    sentence without its subject; None if it is valid. For one column of one batch; schema_problems has found
    nothing wrong with the schema."""
    checker = _checker(canonical_json(schema))
    most, left = checker.most_bytes, _EXPLAINED_SECONDS

    def check(value: Any, size: int) -> str | None:
        nonlocal left
        if size > most:
            return f"has {size} bytes, more than the {most} that its jsonSchema can be checked with"
        if checker.validator.is_valid(value):
            return None
        if left <= 0 or not checker.explains(size):
            return "does not fit the jsonSchema"
        begin = time.monotonic()
        reason = checker.reason(value)
        left -= time.monotonic() - begin
        return reason

    return check


class _Weight(NamedTuple):
    """Of a schema with its references followed."""

    parts: int
    patterns: int


class _Checker:
    """A compiled schema, and what it costs to use it."""

    def __init__(self, schema: Any) -> None:
        self.validator = _compiled(schema, _STORED_REGEX_BYTES)
        weight = _References(schema).weight()
        self._parts = weight.parts
        self._alternatives = any(key in part for _, part in _schemas(schema, ()) for key in _ALTERNATIVES)
        self.most_bytes = MAX_STEPS // weight.parts
        if weight.patterns:
            self.most_bytes = min(self.most_bytes, MAX_MATCHED // weight.patterns)

    def explains(self, size: int) -> bool:
        """Whether to seek the reason for a value of so many bytes."""
        return size <= _EXPLAINED_BYTES and (not self._alternatives or size * self._parts <= _EXPLAINED_STEPS)

    def reason(self, value: Any) -> str:
        """Why the value is not valid: the first error."""
        try:
            self.validator.validate(value)
        except jsonschema_rs.ValidationError as error:
            place = pointer(error.instance_path)
            reason = shortened(" ".join(error.message.split()))
            return f"does not fit the jsonSchema: {f'at {place}, ' if place else ''}{reason}"
        return "does not fit the jsonSchema"


@lru_cache(maxsize=256)
def _checker(schema: str) -> _Checker:
    return _Checker(json.loads(schema, parse_float=Decimal))


def _compiled(schema: Any, regex_bytes: int) -> Any:
    """Raises jsonschema_rs.ValidationError."""
    return jsonschema_rs.validator_for(
        schema,
        offline=True,
        validate_formats=True,
        ignore_unknown_formats=False,
        pattern_options=jsonschema_rs.RegexOptions(size_limit=regex_bytes, dfa_size_limit=regex_bytes),
    )


def schema_problems(schema: dict[str, Any]) -> Iterator[tuple[Path, str]]:
    """What is wrong with a schema: path in the schema and sentence without its subject."""
    found = list(_References(schema).problems())
    yield from found
    if found:
        return
    try:
        _compiled(schema, _REGEX_BYTES)
    except jsonschema_rs.ValidationError as error:
        reason = shortened(" ".join(error.message.split()))
        path: Path = tuple(error.instance_path)
        if reason.endswith('is not a "regex"'):
            reason += " of Rust's regex crate (which has no look-around or back-references), or is too large"
        elif reason.startswith("Unknown meta-schema"):
            path, reason = ("$schema",), "is not a known draft of JSON Schema"
        elif reason.startswith("Unknown format"):
            reason = f"the format {canonical_json(_at(schema, path))} is not known"
        yield path, reason
    except ValueError as error:
        yield (), shortened(str(error))


def _at(value: Any, path: Path) -> Any:
    for step in path:
        value = value[step]
    return value


class _References:
    """Follows the references of a schema."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema
        self._anchors: dict[str, Path] = {}
        self._known: set[Path] = set()
        self._sizes: dict[tuple[Path, bool], _Weight] = {}
        self._open: set[Path] = set()
        self._found: dict[Path, str] = {}

    def problems(self) -> Iterator[tuple[Path, str]]:
        """Every problem with its path in the schema."""
        places = list(_schemas(self._schema, ()))
        self._known = {path for path, _ in places}
        for path, part in places:
            if isinstance(anchor := part.get("$anchor"), str):
                self._anchors[anchor] = path
            if isinstance(inner := part.get("$id"), str) and (path or inner.startswith("#")):
                self._found[(*path, "$id")] = 'an inner schema cannot have "$id" here: use "$defs" and "$ref"'
            for key in _DYNAMIC:
                if isinstance(part.get(key), str):
                    self._found[(*path, key)] = "is not supported: what it leads to depends on the data"
        for path, part in places:
            if isinstance(reference := part.get("$ref"), str):
                self._resolved(reference, (*path, "$ref"))
        if not self._found and self._size((), self._schema).parts > MAX_UNFOLDED:
            self._found[()] = f"has more than {MAX_UNFOLDED} parts when its references are followed"
        yield from self._found.items()

    def weight(self) -> _Weight:
        """What the schema weighs, at most MAX_UNFOLDED + 1 of each."""
        for _ in self.problems():
            pass
        return self._size((), self._schema)

    def _resolved(self, reference: str, at: Path) -> Path | None:
        """The path of the schema that a reference leads to; None if there is none."""
        if not reference.startswith("#"):
            self._found[at] = "leads out of the schema: a reference must begin with #"
            return None
        place = reference[1:]
        if place and not place.startswith("/"):
            if place not in self._anchors:
                self._found[at] = "leads to nothing"
            return self._anchors.get(place)
        target: Any = self._schema
        path: Path = ()
        for text in place.split("/")[1:]:
            step: str | int = text.replace("~1", "/").replace("~0", "~")
            if isinstance(target, list) and text.isascii() and text.isdigit() and int(text) < len(target):
                step = int(text)
            elif not isinstance(target, dict) or step not in target:
                self._found[at] = "leads to nothing"
                return None
            target = target[step]
            path = (*path, step)
        if path not in self._known and not isinstance(target, bool):
            self._found[at] = "leads to no schema"
            return None
        return path

    def _size(self, path: Path, part: Any, by_name: bool = False) -> _Weight:
        """The weight of everything from here on, at most MAX_UNFOLDED + 1 of each; `by_name`: the part is
        not a schema but has some under names."""
        if (path, by_name) in self._sizes:
            return self._sizes[path, by_name]
        if len(self._open) > MAX_NESTED:
            self._found[()] = f"is nested deeper than {MAX_NESTED} levels when its references are followed"
            return _Weight(1, 0)
        self._open.add(path)
        parts, patterns = 1, 0
        for key, inner, named in _inside(part, by_name):
            if key == "$ref" and not by_name and isinstance(inner, str):
                target = self._resolved(inner, (*path, key))
                if target is None:
                    continue
                if target in self._open:
                    self._found[(*path, key)] = "leads back to where it came from, without end"
                    continue
                more = self._size(target, _at(self._schema, target))
            elif by_name or key not in _DEFINITIONS:
                more = self._size((*path, key), inner, named)
                if key == "pattern" and not by_name:
                    patterns += 1
                elif key == "patternProperties" and not by_name and isinstance(inner, dict):
                    patterns += len(inner)
            else:
                continue
            parts, patterns = parts + more.parts, patterns + more.patterns
        self._open.discard(path)
        most = MAX_UNFOLDED + 1
        self._sizes[path, by_name] = _Weight(min(parts, most), min(patterns, most))
        return self._sizes[path, by_name]


def _inside(part: Any, by_name: bool) -> Iterator[tuple[str | int, Any, bool]]:
    """The contents of a part of a schema without the user's own values: key, value, and whether that value
    has schemas by name."""
    if isinstance(part, dict):
        for key, inner in part.items():
            if by_name or key not in _DATA:
                yield key, inner, not by_name and key in _NAMED
    elif isinstance(part, list):
        for number, inner in enumerate(part):
            yield number, inner, False


def _schemas(part: Any, path: Path, by_name: bool = False) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Every object that may be a schema."""
    if isinstance(part, dict) and not by_name:
        yield path, part
    for key, inner, named in _inside(part, by_name):
        yield from _schemas(inner, (*path, key), named)
