"""What is wrong with a pipeline document: keys of the wrong shape, and keys that contradict each other."""

from __future__ import annotations

import json
import re
from collections.abc import Container, Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ingestor.pipelines.errors import Violation, pointer
from ingestor.pipelines.field import Field, field_problems
from ingestor.pipelines.names import listed
from ingestor.pipelines.row_rules import Rule
from ingestor.pipelines.sinks import PLUG_IN as PLUG_IN_SINK
from ingestor.pipelines.sinks import TABLE as TABLE_SINK
from ingestor.pipelines.transforms import PLUG_IN, Step, Transform, read_before_made
from ingestor.tabular.options import OptionsError, parse_options


def shape_violation(
    kind: str, path: tuple[str | int, ...], message: str, context: dict[str, Any]
) -> Violation:
    """An error of pydantic in the words of a document's author."""
    if len(path) > 2 and path[0] in ("transforms", "filters"):
        if kind == "extra_forbidden" and path[2] == PLUG_IN:
            message = 'is no key of a plug-in\'s step: its own settings go into "options"'
            return Violation(pointer((*path[:2], *path[3:])), message)
        path = (*path[:2], *path[3:])  # without the tag that chose the class of the step
    if len(path) > 1 and path[0] == "sink" and path[1] in (TABLE_SINK, PLUG_IN_SINK):
        if kind == "extra_forbidden" and path[1] == PLUG_IN_SINK:
            message = 'is no key of a plug-in\'s sink: its own settings go into "options"'
            return Violation(pointer(("sink", *path[2:])), message)
        path = ("sink", *path[2:])
    key = json.dumps(path[-1], ensure_ascii=False) if path else "the document"
    if kind == "missing":
        message = f"{key} is required"
    elif kind == "extra_forbidden":
        message = f"unknown key {key}"
    elif kind == "literal_error":
        message = f"must be {context['expected']}"
    elif kind in ("model_type", "dict_type", "model_attributes_type"):
        message = "must be an object"
    elif kind == "string_pattern_mismatch":
        message = 'must be a lower-case letter, then up to 62 of a-z, 0-9, "-" and "_"'
    else:
        message = message.replace("Input should", "must").replace("must be a valid", "must be a")
        message = re.sub("(List|Dictionary|Value) should have", "must have", message).replace(
            "String should have", "must have"
        )
        message = message.replace("must be a integer", "must be an integer")
        message = re.sub(" after validation, not .*", "", message)
    return Violation(pointer(path), message)


def cross_checks(document: Any) -> Iterator[Violation]:
    """What a single key cannot show. Looks at all parts of the document that have the right shape."""
    if not isinstance(document, dict):
        return
    schema = document.get("schema")
    names: dict[str, None] = {}
    if isinstance(schema, dict) and isinstance(schema.get("fields"), list):
        for index, raw in enumerate(schema["fields"]):
            name = raw.get("name") if isinstance(raw, dict) else None
            if isinstance(name, str):
                if name in names:
                    yield Violation(
                        pointer(("schema", "fields", index, "name")),
                        f"a second field named {json.dumps(name)}",
                    )
                names[name] = None
            try:
                field = Field.model_validate(raw)
            except ValidationError:
                continue
            for path, message in field_problems(field):
                yield Violation(pointer(("schema", "fields", index, *path)), message)
        yield from _key_checks(("schema", "primaryKey"), schema.get("primaryKey"), names)
        for index, fields in enumerate(_lists(schema.get("uniqueKeys"))):
            yield from _key_checks(("schema", "uniqueKeys", index), fields, names)
        for index, foreign in enumerate(_lists(schema.get("foreignKeys"))):
            if isinstance(foreign, dict):
                yield from _key_checks(
                    ("schema", "foreignKeys", index, "fields"), foreign.get("fields"), names
                )
                yield from _reference_checks(("schema", "foreignKeys", index, "reference"), foreign)
        yield from _sink_checks(document.get("sink"), schema, names)
    if isinstance(dialect := document.get("dialect"), dict):
        try:
            parse_options({key: value for key, value in dialect.items() if not key.startswith("x-")})
        except OptionsError as error:
            for path, message in error.problems:
                yield Violation(pointer(("dialect", *path)), message)
        sink = document.get("sink")
        drift = sink.get("schemaDrift") if isinstance(sink, dict) else None
        if dialect.get("unexpectedColumns") == "error" and drift == "evolve":
            message = 'contradicts the sink\'s schemaDrift "evolve"'
            yield Violation(pointer(("dialect", "unexpectedColumns")), message)
    yield from _fields_match_checks(document)
    if isinstance(mapping := document.get("mapping"), dict) and names:
        for name in mapping:
            if name not in names and not name.startswith("x-"):
                yield Violation(pointer(("mapping", name)), f"no field is named {json.dumps(name)}")

    yield from _transform_checks(document.get("transforms"))
    yield from _rule_checks(document.get("rules"), names)


_STEP: TypeAdapter[Step] = TypeAdapter(Transform)


def _transform_checks(transforms: Any) -> Iterator[Violation]:
    """Columns that are read before they are made; checked only if every step has the right shape."""
    try:
        steps = [_STEP.validate_python(raw) for raw in transforms if isinstance(transforms, list)]
    except (TypeError, ValidationError):
        return
    for number, label, later in read_before_made(steps):
        yield Violation(
            pointer(("transforms", number)),
            f"reads the column {json.dumps(label, ensure_ascii=False)}, which only the later step "
            f"{pointer(('transforms', later))} makes",
        )


def _rule_checks(rules: Any, names: Container[str]) -> Iterator[Violation]:
    seen: set[str] = set()
    for index, raw in enumerate(rules if isinstance(rules, list) else ()):
        try:
            rule = Rule.model_validate(raw)
        except ValidationError:
            continue
        if rule.name in seen:
            message = f"a second rule named {json.dumps(rule.name, ensure_ascii=False)}"
            yield Violation(pointer(("rules", index, "name")), message)
        seen.add(rule.name)
        if unknown := [name for name in rule.parsed.columns if name not in names]:
            message = f"no field is named {json.dumps(unknown[0], ensure_ascii=False)}"
            yield Violation(pointer(("rules", index, "expression")), message)
        for place, name in enumerate(rule.fields_ or ()):
            if name not in names:
                message = f"no field is named {json.dumps(name, ensure_ascii=False)}"
                yield Violation(pointer(("rules", index, "fields", place)), message)


def _sink_checks(sink: Any, schema: dict[str, Any], names: Container[str]) -> Iterator[Violation]:
    if not isinstance(sink, dict):
        return
    if sink.get("type", TABLE_SINK) != TABLE_SINK:
        yield from _plug_in_sink_checks(schema)
        return
    yield from _key_checks(("sink", "key"), sink.get("key"), names)
    if sink.get("mode") == "upsert":
        if not sink.get("key") and not schema.get("primaryKey"):
            yield Violation(pointer(("sink", "mode")), "needs a key, here or as the schema's primaryKey")
    elif "key" in sink:
        yield Violation(pointer(("sink", "key")), 'is for the mode "upsert"')


def _fields_match_checks(document: dict[str, Any]) -> Iterator[Violation]:
    """What else of the document must agree with fieldsMatch."""
    schema, dialect, sink = (document.get(key) for key in ("schema", "dialect", "sink"))
    match = schema.get("fieldsMatch") if isinstance(schema, dict) else None
    if not isinstance(match, str):
        return
    message = f'contradicts the schema\'s fieldsMatch "{match}"'
    drift = sink.get("schemaDrift") if isinstance(sink, dict) else None
    if drift == "evolve" and match in ("exact", "equal", "superset"):
        yield Violation(pointer(("sink", "schemaDrift")), message)
    lacking = dialect.get("missingColumns") if isinstance(dialect, dict) else None
    if lacking == "ignore" and match in ("exact", "equal", "subset"):
        yield Violation(pointer(("dialect", "missingColumns")), message)


def _plug_in_sink_checks(schema: dict[str, Any]) -> Iterator[Violation]:
    """Constraints that only a table can keep."""
    message = "is kept by tables in PostgreSQL only, not by a plug-in's sink"
    for index, field in enumerate(_lists(schema.get("fields"))):
        constraints = field.get("constraints") if isinstance(field, dict) else None
        if isinstance(constraints, dict) and constraints.get("unique"):
            yield Violation(pointer(("schema", "fields", index, "constraints", "unique")), message)
    for key in ("uniqueKeys", "foreignKeys"):
        if schema.get(key):
            yield Violation(pointer(("schema", key)), message)


def _lists(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _reference_checks(path: tuple[str | int, ...], foreign: dict[str, Any]) -> Iterator[Violation]:
    reference = foreign.get("reference")
    if isinstance(reference, dict):
        ours, theirs = listed(foreign.get("fields")), listed(reference.get("fields"))
        if isinstance(ours, list) and isinstance(theirs, list) and len(ours) != len(theirs):
            yield Violation(pointer((*path, "fields")), f"must name as many fields as the key, {len(ours)}")


def _key_checks(path: tuple[str | int, ...], key: Any, names: Container[str]) -> Iterator[Violation]:
    listed = [key] if isinstance(key, str) else key if isinstance(key, list) else []
    seen: set[str] = set()
    for index, name in enumerate(listed):
        if not isinstance(name, str):
            continue
        at = pointer(path if isinstance(key, str) else (*path, index))
        if name not in names:
            yield Violation(at, f"no field is named {json.dumps(name)}")
        elif name in seen:
            yield Violation(at, f"{json.dumps(name)} is named twice")
        seen.add(name)
